//! `vloopback set-timeout-image` changes what clients of a running pipe see in place of the no-signal card.

use nix::errno::Errno;
use vloopback_daemon::set_timeout_image;

use crate::args::SetTimeoutImageArgs;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::image_file::{TimeoutImageError, read};
use crate::pipes::{self, By};

/// `vloopback set-timeout-image`.
///
/// # Errors
/// [`Failure`]: no server, no such pipe, a file that is no picture, a server that does not take it.
pub fn set(args: &SetTimeoutImageArgs) -> Result<ExitCode, Failure> {
    let image = read(&args.image)?;
    let socket = args.socket.path();
    let (pipe, by) = pipes::find(&socket, &args.device)?;
    let device = if by == By::Output { &pipe.output } else { &pipe.input };
    let failed = |reason: &str| TimeoutImageError::Device { device: device.clone(), reason: reason.into() };
    let node = device.trim_start_matches("/dev/video").parse().map_err(|_| failed("no node of a pipe"))?;
    set_timeout_image(&socket, node, Some(&image), args.timeout)?.map_err(|errno| {
        failed(match Errno::from_raw(errno) {
            Errno::EACCES => "it is not for this user to push into: join the node's group, or ask its owner",
            Errno::ENOENT => "it is gone; see `vloopback list`",
            errno => errno.desc(),
        })
    })?;
    Ok(ExitCode::Success)
}
