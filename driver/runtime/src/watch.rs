//! The entry points for programs that watch a pipe without the preload library.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use vloopback_abi::v4l2::V4l2PixFormat;

use crate::own::Own;
use crate::{native, open_files};
use vloopback_device::caller::Call;
use vloopback_device::open_file::Pin;
use vloopback_device::output;
use vloopback_device::v4l2::format;
use vloopback_sys as sys;
use vloopback_sys::{Errno, Result};

/// The longest wait between two looks at a pipe whose format changes.
const SLICE: Duration = Duration::from_secs(1);

/// An output node, open for reading frames.
pub struct Output {
    session: Pin,
    /// None only while it is dropped.
    fd: Option<OwnedFd>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("info", self.session.info()).finish_non_exhaustive()
    }
}

/// Opens node `number` (the N of /dev/videoN), an output, for watching.
///
/// # Errors
/// ENOTTY: the node is an input. ENOENT: no daemon, or no node of its. EINVAL: nobody feeds the pipe, and
/// its policy is to refuse. ECONNREFUSED, EACCES, EPROTONOSUPPORT, EMFILE, ENOMEM, ENODEV.
pub fn open_output(number: u32) -> Result<Output> {
    let raw = open_files::open(number, libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC)?;
    // SAFETY: open_files::open just made this descriptor; nobody else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    let session = open_files::of(raw).ok_or(Errno::EBADF)?;
    if session.info().input {
        return Err(Errno::ENOTTY);
    }
    Ok(Output { session, fd: Some(fd) })
}

impl Output {
    /// The pipe's format in force: also before anybody has set one.
    pub fn format(&self) -> V4l2PixFormat {
        format::to_v4l2(&self.session.board().format().pix)
    }

    /// Whether a pusher feeds the pipe; if not, frames are the placeholder's.
    pub fn is_fed(&self) -> bool {
        self.session.board().feed() != 0
    }

    /// The next frame and its format, or None if none comes within `patience`.
    ///
    /// # Errors
    /// ENODEV: the daemon is gone. EPIPE: the pusher is gone and the pipe's policy is not to wait. EINTR.
    pub fn frame(&mut self, patience: Duration) -> Result<Option<(V4l2PixFormat, Vec<u8>)>> {
        let until = Instant::now() + patience;
        loop {
            // A zero-copy pusher is asked what it has.
            let fd = self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd);
            let caller = Own::new(fd);
            let call = Call { file: &self.session, caller: &caller };
            output::begin_read(&call)?;
            let format = self.format();
            let mut frame = vec![0; format.sizeimage as usize];
            let got = output::read(&call, frame.as_mut_ptr() as usize, frame.len());
            match got {
                Ok(0) => return Err(Errno::EPIPE),
                Ok(len) if format == self.format() => {
                    frame.truncate(len);
                    return Ok(Some((format, frame)));
                }
                // The format changed meanwhile.
                Ok(_) => {}
                Err(Errno::EAGAIN) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    sys::wait_readable_for(fd, left.min(SLICE))?;
                }
                Err(e) => return Err(e),
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take() {
            native::close(fd, &self.session);
        }
    }
}
