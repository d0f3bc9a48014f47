//! fopen, fdopen, freopen and fclose. What a stream over a device is: see [`stream`].

use crate::attribute;
use crate::closing::{close_ours, put_under};
use crate::errno::fail;
use crate::links;
use crate::naming;
use crate::open::{Step, may_create, settle};
use crate::place::Place;
use crate::real;
use crate::remote;
use crate::route;
use crate::stream;
use core::ffi::{c_char, c_int};
use libc::{AT_FDCWD, FILE};
use vloopback_runtime::edge::{self, State};
use vloopback_runtime::stack;

/// open's flags for fopen's mode; None where fopen itself would refuse the mode.
fn flags_of(mode: *const c_char) -> Option<c_int> {
    let (first, rest) = naming::text(mode)?.split_first()?;
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
/// of a device's new descriptor, `of_file` of a plain file's.
fn open_stream(
    path: *const c_char,
    mode: *const c_char,
    call: impl Fn(*const c_char) -> *mut FILE,
    adopt: impl Fn(c_int, c_int) -> *mut FILE,
    of_file: impl Fn(c_int) -> *mut FILE,
) -> *mut FILE {
    let Some(flags) = flags_of(mode) else {
        return call(path);
    };
    let ours = |place: &Place| match settle(place, flags) {
        Step::Opened(fd) => adopt(fd, flags),
        Step::Refused(errno) => fail(errno),
        Step::Plain => match remote::open(place, flags) {
            Some(fd) => of_file(fd),
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

/// glibc's own stream over a plain file.
fn stream_of_file(fd: c_int, mode: *const c_char) -> *mut FILE {
    // SAFETY: an open descriptor, and the mode that the program gave.
    let stream = unsafe { real::fdopen(fd, mode) };
    if stream.is_null() {
        let errno = crate::errno::get();
        close_ours(fd);
        return fail(errno);
    }
    stream
}

/// Gives a stream of glibc's own the descriptor of a plain file.
fn restream_file(fd: c_int, mode: *const c_char, stream: *mut FILE) -> *mut FILE {
    // glibc can reopen only by a path: a harmless one first, for the mode and the buffers.
    // SAFETY: C strings, and the program's own stream.
    let reopened = unsafe { real::freopen(c"/dev/null".as_ptr(), mode, stream) };
    if reopened.is_null() {
        close_ours(fd);
        return reopened;
    }
    if put_under(fd, number_of(reopened), 0) { reopened } else { core::ptr::null_mut() }
}

fn stream_of(fd: c_int, flags: c_int) -> *mut FILE {
    let stream = stream::over(fd, flags);
    if stream.is_null() {
        let errno = crate::errno::get();
        close_ours(fd);
        return fail(errno);
    }
    stream
}

/// The end of freopen: gives an existing stream the descriptor of a device.
fn restream(fd: c_int, flags: c_int, stream: *mut FILE) -> *mut FILE {
    if stream::is_ours(stream) {
        return if stream::renew(stream, fd, flags) { stream } else { core::ptr::null_mut() };
    }
    if let Some(number) = stream::standard_number(stream) {
        // SAFETY: a live stream.
        unsafe { libc::fflush(stream) };
        if put_under(fd, number, flags) {
            return stream::take_place(number, flags);
        }
        return core::ptr::null_mut();
    }
    // Another stream of glibc's cannot become one of ours, and would hang or lose what passes through it. As after any
    // freopen that fails, it is closed.
    close_ours(fd);
    // SAFETY: the program's own stream, and a path that cannot be opened.
    unsafe { real::freopen(c"".as_ptr(), c"r".as_ptr(), stream) };
    fail(libc::EOPNOTSUPP)
}

/// Before a freopen: writes out what the stream holds. Its number is another file's from now on.
fn before_reopen(stream: *mut FILE) {
    if stream::is_ours(stream) {
        let before = crate::errno::get();
        // SAFETY: a live stream. A failure is nobody's to hear, as in glibc's own.
        unsafe { libc::fflush(stream) };
        crate::errno::set(before);
    }
    let _ = edge::before_close(number_of(stream));
}

macro_rules! open_hooks {
    ($($open:ident => $real:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $open(path: *const c_char, mode: *const c_char) -> *mut FILE {
            stack::align();
            open_stream(
                path,
                mode,
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                |path| unsafe { real::$real(path, mode) },
                stream_of,
                |fd| stream_of_file(fd, mode),
            )
        }
    )*};
}

open_hooks! {
    fopen => fopen;
    fopen64 => fopen64;
    _IO_fopen => fopen;
}

macro_rules! reopen_hooks {
    ($($reopen:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $reopen(
            path: *const c_char,
            mode: *const c_char,
            stream: *mut FILE,
        ) -> *mut FILE {
            stack::align();
            // No path: the same file in another mode. A device is opened once more.
            let mut room = [0; naming::NODE_NAME];
            let path = match edge::node_of(number_of(stream)) {
                Some(node) if path.is_null() && stream::is_ours(stream) => {
                    naming::node_name(node, &mut room).as_ptr()
                }
                _ => path,
            };
            before_reopen(stream);
            open_stream(
                path,
                mode,
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                |path| unsafe { real::$reopen(path, mode, stream::native(stream)) },
                |fd, flags| restream(fd, flags, stream),
                |fd| restream_file(fd, mode, stream::native(stream)),
            )
        }
    )*};
}

reopen_hooks! {
    freopen;
    freopen64;
}

macro_rules! fdopen_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, mode: *const c_char) -> *mut FILE {
            stack::align();
            match flags_of(mode) {
                Some(flags) if edge::state(fd) == State::Ours => {
                    let (may_read, may_write) = edge::access(fd);
                    let kind = flags & libc::O_ACCMODE;
                    if (kind != libc::O_WRONLY && !may_read) || (kind != libc::O_RDONLY && !may_write) {
                        return fail(libc::EINVAL);
                    }
                    stream::over(fd, flags)
                }
                flags => {
                    // SAFETY: the program's own arguments.
                    let stream = unsafe { real::fdopen(fd, mode) };
                    let writes = flags.filter(|flags| flags & libc::O_ACCMODE != libc::O_RDONLY);
                    match writes.filter(|_| stream.is_null() && attribute::is_behind(fd)) {
                        Some(flags) => stream::over(fd, flags),
                        None => stream,
                    }
                }
            }
        }
    )*};
}

fdopen_hooks! {
    fdopen;
    _IO_fdopen;
}

/// The number behind a stream, -1 where it has none (a string, a cookie) or is no stream.
fn number_of(stream: *mut FILE) -> c_int {
    let before = crate::errno::get();
    // SAFETY: the program's own stream.
    let fd = if stream.is_null() { -1 } else { unsafe { libc::fileno(stream) } };
    crate::errno::set(before);
    fd
}

macro_rules! close_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(stream: *mut FILE) -> c_int {
            stack::align();
            if stream::is_ours(stream) {
                return stream::close_stream(stream);
            }
            // The descriptor is closed inside glibc, which no hook sees.
            // SAFETY: the program's own argument.
            crate::closing::closing(number_of(stream), || unsafe { real::fclose(stream) })
        }
    )*};
}

close_hooks! {
    fclose;
    _IO_fclose;
}
