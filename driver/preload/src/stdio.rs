//! fopen, freopen and fclose.
//!
//! A stream over a device has the device's descriptor, so `ioctl(fileno(f), …)` works; but what
//! glibc reads and writes for the stream does not pass through here and meets the bare kernel
//! object. No program of LEGACY.md reads pictures through stdio.

use crate::errno::fail;
use crate::fds::closing;
use crate::links;
use crate::open::{Step, may_create, settle};
use crate::real;
use crate::remote;
use crate::route::{self, Place};
use core::ffi::{c_char, c_int};
use libc::{AT_FDCWD, FILE};
use vloopback_runtime::edge;
use vloopback_runtime::stack;

/// open's flags for fopen's mode; None where fopen itself would refuse the mode.
fn flags_of(mode: *const c_char) -> Option<c_int> {
    let (first, rest) = route::text(mode)?.split_first()?;
    // What follows a comma is a character set's name.
    let rest = rest.split(|byte| *byte == b',').next().unwrap_or(rest);
    let plus = rest.contains(&b'+');
    let mut flags = match first {
        b'r' if plus => libc::O_RDWR,
        b'r' => libc::O_RDONLY,
        b'w' if plus => libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC,
        b'w' => libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC,
        b'a' if plus => libc::O_RDWR | libc::O_CREAT | libc::O_APPEND,
        b'a' => libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND,
        _ => return None,
    };
    if rest.contains(&b'x') {
        flags |= libc::O_EXCL;
    }
    if rest.contains(&b'e') {
        flags |= libc::O_CLOEXEC;
    }
    Some(flags)
}

/// One fopen or freopen. `call` is the C library's own with another path; `adopt` makes a stream
/// of a device's new descriptor.
fn open_stream(
    path: *const c_char,
    mode: *const c_char,
    call: impl Fn(*const c_char) -> *mut FILE,
    adopt: impl Fn(c_int) -> *mut FILE,
) -> *mut FILE {
    let Some(flags) = flags_of(mode) else {
        return call(path);
    };
    let ours = |place: &Place| match settle(place, flags) {
        Step::Opened(fd) => adopt(fd),
        Step::Refused(errno) => fail(errno),
        Step::Plain => match remote::open(place, flags) {
            Some(fd) => adopt(fd),
            None => place.call(AT_FDCWD, path, |_, path| call(path)),
        },
        Step::Real => call(place.outer(AT_FDCWD, path).1),
    };
    let system = |_, path| {
        if may_create(flags) {
            if let Some(place) = links::would_create(AT_FDCWD, path) {
                return ours(&place);
            }
        }
        call(path)
    };
    route::serve(AT_FDCWD, path, true, system, ours)
}

fn close_ours(fd: c_int) {
    // SAFETY: a descriptor that was opened for this stream and that nobody else knows.
    closing(fd, || unsafe { real::close(fd) });
}

fn stream_of(fd: c_int, mode: *const c_char) -> *mut FILE {
    // SAFETY: an open descriptor, and the mode that the program gave.
    let stream = unsafe { libc::fdopen(fd, mode) };
    if stream.is_null() {
        let errno = crate::errno::get();
        close_ours(fd);
        return fail(errno);
    }
    stream
}

/// Puts a device's descriptor under a stream that exists.
fn restream(fd: c_int, mode: *const c_char, stream: *mut FILE) -> *mut FILE {
    // glibc can reopen only by a path: a harmless one first, for the mode and the buffers.
    // SAFETY: C strings, and the program's own stream.
    let reopened = unsafe { real::freopen(c"/dev/null".as_ptr(), mode, stream) };
    if reopened.is_null() {
        close_ours(fd);
        return reopened;
    }
    // SAFETY: a live stream.
    let number = unsafe { libc::fileno(reopened) };
    // SAFETY: two open descriptors; what is replaced is /dev/null.
    if unsafe { real::dup2(fd, number) } == number {
        edge::after_dup(fd, number);
    }
    close_ours(fd);
    reopened
}

macro_rules! stream_hooks {
    ($($open:ident, $reopen:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $open(path: *const c_char, mode: *const c_char) -> *mut FILE {
            stack::align();
            open_stream(
                path,
                mode,
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                |path| unsafe { real::$open(path, mode) },
                |fd| stream_of(fd, mode),
            )
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $reopen(
            path: *const c_char,
            mode: *const c_char,
            stream: *mut FILE,
        ) -> *mut FILE {
            stack::align();
            let _ = edge::before_close(number_of(stream));
            open_stream(
                path,
                mode,
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                |path| unsafe { real::$reopen(path, mode, stream) },
                |fd| restream(fd, mode, stream),
            )
        }
    )*};
}

stream_hooks! {
    fopen, freopen;
    fopen64, freopen64;
}

/// The number behind a stream, -1 where it has none (a string, a cookie) or is no stream.
fn number_of(stream: *mut FILE) -> c_int {
    let before = crate::errno::get();
    // SAFETY: the program's own stream.
    let fd = if stream.is_null() { -1 } else { unsafe { libc::fileno(stream) } };
    crate::errno::set(before);
    fd
}

// The descriptor is closed inside glibc, which no hook sees.
#[unsafe(no_mangle)]
unsafe extern "C" fn fclose(stream: *mut FILE) -> c_int {
    stack::align();
    // SAFETY: the program's own argument.
    closing(number_of(stream), || unsafe { real::fclose(stream) })
}
