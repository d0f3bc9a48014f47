//! Closing a number, with all that has to be told of it.

use core::ffi::c_int;

use vloopback_runtime::edge;

use crate::errno::{self, fail};
use crate::real;
use crate::watches;

/// Closes `fd` by `close`. The runtime is told before the call and, for a device's last descriptor, after it.
pub(crate) fn closing(fd: c_int, close: impl FnOnce() -> c_int) -> c_int {
    watches::forget(fd);
    match edge::before_close(fd) {
        edge::Close::PassThrough => close(),
        edge::Close::Hidden => fail(libc::EBADF),
        edge::Close::Last(session) => {
            let result = close();
            edge::after_close(session);
            result
        }
    }
}

/// close(2) of any number.
pub(crate) fn close_one(fd: c_int) -> c_int {
    // SAFETY: the program's own argument.
    closing(fd, || unsafe { real::close(fd) })
}

pub(crate) fn close_ours(fd: c_int) {
    // SAFETY: a descriptor that was opened for this stream and that nobody else knows.
    closing(fd, || unsafe { real::close(fd) });
}

/// Gives a new descriptor of a device the number that a stream has. False, with errno: it could not be done.
pub(crate) fn put_under(fd: c_int, number: c_int, flags: c_int) -> bool {
    if fd == number {
        return true;
    }
    // SAFETY: two descriptors; what is replaced is the stream's, which has been written out.
    let result = unsafe { real::dup3(fd, number, flags & libc::O_CLOEXEC) };
    if result == number {
        edge::after_dup(fd, number);
    }
    let errno = errno::get();
    close_ours(fd);
    errno::set(errno);
    result == number
}
