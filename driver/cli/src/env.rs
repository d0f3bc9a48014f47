//! `vloopback env`: export lines for a shell.

use crate::args::EnvArgs;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::quoting::quoted;
use crate::{preload, run};

/// Prints the lines.
///
/// # Errors
/// [`Failure`] where the library cannot be put in place or standard output is closed.
pub fn env(args: &EnvArgs) -> Result<ExitCode, Failure> {
    use std::io::Write;

    let socket = args.socket.path();
    let library = preload::library()?;
    if !vloopback_daemon::is_reachable(&socket) {
        eprintln!(
            "vloopback: warning: no server at {} yet; start vloopbackd, or the programs will not see the pipes",
            socket.display()
        );
    }
    let mut lines = Vec::new();
    for (name, value) in run::environment(&library, &socket, &args.era) {
        lines.extend(b"export ");
        lines.extend(name.as_bytes());
        lines.push(b'=');
        lines.extend(quoted(&value));
        lines.push(b'\n');
    }
    std::io::stdout().write_all(&lines).map_err(Failure::system("cannot write to standard output"))?;
    Ok(ExitCode::Success)
}
