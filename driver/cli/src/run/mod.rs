//! `vloopback run`: a command that meets the pipes as /dev/videoN, with a server behind them.

mod child;
pub(crate) mod elf;
mod launcher;
mod legacy_tools;
mod program;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use vloopback_daemon::Order;

use crate::args::{EraArgs, RunArgs, ServerArgs};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::{preload, quoting, serve, variables};

/// No such command.
#[derive(Debug, thiserror::Error)]
#[error("{}: command not found; is it installed, and in $PATH?", name.display())]
struct CommandNotFound {
    /// As the user wrote it.
    name: PathBuf,
}

/// The command is there, but cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be started: {source}", name.display())]
struct CannotRun {
    /// As the user wrote it.
    name: PathBuf,
    /// What the system said.
    source: io::Error,
}

pub use launcher::Lost;
pub use program::{Obstacle, Unserved, find, inspect};

/// The environment of a process that is to see the pipes: what is to be set.
pub fn environment(library: &Path, socket: &Path, era: &EraArgs) -> Vec<(&'static str, OsString)> {
    let users = std::env::var_os(variables::LD_PRELOAD);
    let mut set = vec![
        (variables::LD_PRELOAD, preload::ld_preload(library, users.as_deref())),
        (variables::SOCKET, socket.into()),
    ];
    if era.identity.as_deref() == Some("vloopback") {
        set.push((variables::IDENTITY, "vloopback".into()));
    }
    if let Some(word) = era.fit.as_deref().or(era.convert.then_some("1")).or(era.no_convert.then_some("0")) {
        set.push((variables::CONVERT, word.into()));
    }
    if let Some(release) = &era.uname {
        set.push((variables::UNAME, release.into()));
    }
    if era.legacy || era.uname.is_some() {
        set.push((variables::ERA, "legacy".into()));
        match legacy_tools::path() {
            Ok(path) => set.push((variables::PATH, path)),
            Err(error) => eprintln!("vloopback: warning: no modprobe for legacy programs: {error}"),
        }
    }
    set
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: no such command, no server, no library.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let Some((name, arguments)) = args.command.split_first() else {
        return Ok(ExitCode::Usage);
    };
    let path = std::env::var_os("PATH");
    // Before a server is started for nothing.
    let file = program::find(name, path.as_deref()).map_err(|source| not_started(name.into(), source))?;
    let named_library = std::env::var_os(preload::OVERRIDE).is_some_and(|value| !value.is_empty());
    if let Some(lost) = launcher::inspect(&args.command, &behind(args)) {
        eprintln!("vloopback: warning: {lost}");
    } else {
        let served = if program::is_loader(&file) {
            // The loader is no program to judge; what it is told to start is.
            launcher::behind_loader(arguments).map(PathBuf::from)
        } else {
            Some(file)
        };
        let unserved = served.and_then(|file| program::inspect(&file, path.as_deref(), named_library));
        if let Some(unserved) = unserved {
            eprintln!("vloopback: warning: {unserved}");
        }
    }
    let library = preload::library()?;
    // Held until the command has ended: the server counts it as a user, so that it outlives the
    // pauses between a script's programs.
    let server = serve::reach_or_start(&args.server())?;
    let mut command = Command::new(name);
    command.args(arguments).envs(environment(&library, server.socket(), &args.era));
    let status = child::run(command).map_err(|source| not_started(name.into(), source))?;
    drop(server);
    Ok(child::exit_code(status))
}

/// How `vloopback run` is to be called behind a command that loses the environment: with what this call was
/// given that it would not find again.
fn behind(args: &RunArgs) -> String {
    let mut words = vec!["vloopback run".to_owned()];
    let named = std::env::var_os(variables::SOCKET).is_some_and(|value| !value.is_empty());
    if args.server.socket.socket.is_some() || named {
        words.push(format!("--socket {}", quoting::quoted_text(args.server.socket.path().as_os_str())));
    }
    if let Some(release) = &args.era.uname {
        words.push(format!("--uname {}", quoting::quoted_text(release.as_ref())));
    }
    if args.era.legacy {
        words.push("--legacy".to_owned());
    }
    words.push("--".to_owned());
    words.join(" ")
}

impl RunArgs {
    /// The server's options, with what `--camera` means for it.
    fn server(&self) -> ServerArgs {
        let mut server = self.server.clone();
        if self.camera {
            server.order = Some(Order::OutputFirst.word().to_owned());
        }
        server
    }
}

fn not_started(name: PathBuf, source: io::Error) -> Failure {
    match source.kind() {
        io::ErrorKind::NotFound => Failure::new(CommandNotFound { name }, ExitCode::CommandNotFound),
        _ => Failure::new(CannotRun { name, source }, ExitCode::CannotRun),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(era: &EraArgs) -> Vec<&'static str> {
        environment(Path::new("/l.so"), Path::new("/s"), era).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_release_means_legacy() {
        let plain = EraArgs::default();
        assert_eq!(set(&plain), ["LD_PRELOAD", "VLOOPBACK_SOCKET"]);
        let legacy = EraArgs { legacy: true, ..plain.clone() };
        assert_eq!(set(&legacy), ["LD_PRELOAD", "VLOOPBACK_SOCKET", "VLOOPBACK_ERA", "PATH"]);
        let release = EraArgs { uname: Some("2.4.37".into()), ..plain };
        assert_eq!(set(&release).len(), 5);
    }
}
