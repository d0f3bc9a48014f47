//! read, write and related calls.
//!
//! A video device has no position: pread and pwrite are read and write, as on the kernel's own
//! devices. Calls that move bytes inside the kernel (sendfile, splice, copy_file_range) cannot reach
//! memory that processes share and give EINVAL, as on devices without support for them.

use crate::attribute;
use crate::errno::{count, fail};
use crate::real;
use crate::watches;
use core::ffi::{c_int, c_uint, c_void};
use libc::{iovec, off_t, off64_t, size_t, ssize_t};
use vloopback_runtime::edge::{self, State};
use vloopback_runtime::stack;

/// Whether a descriptor is a device of ours.
#[inline]
pub(crate) fn ours(fd: c_int) -> bool {
    edge::state(fd) == State::Ours
}

pub(crate) fn read_ours(fd: c_int, buf: *mut c_void, len: size_t) -> ssize_t {
    // SAFETY: the program's own arguments; the runtime checks the pointer.
    count(unsafe { edge::read(fd, buf, len) })
}

pub(crate) fn write_ours(fd: c_int, buf: *const c_void, len: size_t) -> ssize_t {
    // SAFETY: as above.
    count(unsafe { edge::write(fd, buf, len) })
}

pub(crate) fn readv_ours(fd: c_int, iov: *const iovec, pieces: c_int) -> ssize_t {
    // SAFETY: as above, for the vector and what it names.
    count(unsafe { edge::readv(fd, iov, pieces) })
}

pub(crate) fn writev_ours(fd: c_int, iov: *const iovec, pieces: c_int) -> ssize_t {
    // SAFETY: as above, for the vector and what it names.
    count(unsafe { edge::writev(fd, iov, pieces) })
}

// name => the C library's function, ours; the buffer; what only the real one gets.
macro_rules! transfer_hooks {
    ($($name:ident => $real:ident, $ours:ident; $buf:ty, $len:ty $(, $more:ident: $more_ty:ty)*;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, buf: $buf, len: $len $(, $more: $more_ty)*) -> ssize_t {
            stack::align();
            if ours(fd) {
                return $ours(fd, buf, len);
            }
            // SAFETY: the program's own arguments.
            unsafe { real::$real(fd, buf, len $(, $more)*) }
        }
    )*};
}

macro_rules! read_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, buf: *mut c_void, len: size_t) -> ssize_t {
            stack::align();
            if ours(fd) {
                return read_ours(fd, buf, len);
            }
            // SAFETY: the program's own arguments.
            let call = || unsafe { real::read(fd, buf, len) };
            if watches::concern(fd) { watches::read_by(fd, buf, len, call) } else { call() }
        }
    )*};
}

read_hooks! {
    __read;
    read;
}

transfer_hooks! {
    pread => pread, read_ours; *mut c_void, size_t, at: off_t;
    pread64 => pread64, read_ours; *mut c_void, size_t, at: off64_t;
    __pread64 => pread64, read_ours; *mut c_void, size_t, at: off64_t;
    readv => readv, readv_ours; *const iovec, c_int;
    preadv => preadv, readv_ours; *const iovec, c_int, at: off_t;
    preadv64 => preadv64, readv_ours; *const iovec, c_int, at: off64_t;
    preadv2 => preadv2, readv_ours; *const iovec, c_int, at: off_t, flags: c_int;
    preadv64v2 => preadv64v2, readv_ours; *const iovec, c_int, at: off64_t, flags: c_int;
    pwrite => pwrite, write_ours; *const c_void, size_t, at: off_t;
    pwrite64 => pwrite64, write_ours; *const c_void, size_t, at: off64_t;
    __pwrite64 => pwrite64, write_ours; *const c_void, size_t, at: off64_t;
    pwritev => pwritev, writev_ours; *const iovec, c_int, at: off_t;
    pwritev64 => pwritev64, writev_ours; *const iovec, c_int, at: off64_t;
    pwritev2 => pwritev2, writev_ours; *const iovec, c_int, at: off_t, flags: c_int;
    pwritev64v2 => pwritev64v2, writev_ours; *const iovec, c_int, at: off64_t, flags: c_int;
}

// What the kernel refuses may be for a file of a node's in /sys.
macro_rules! write_hooks {
    ($($name:ident => $real:ident, $ours:ident, $attribute:ident; $buf:ty, $len:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, buf: $buf, len: $len) -> ssize_t {
            stack::align();
            if ours(fd) {
                return $ours(fd, buf, len);
            }
            // SAFETY: the program's own arguments.
            let done = unsafe { real::$real(fd, buf, len) };
            if done < 0 { attribute::$attribute(fd, buf, len) } else { done }
        }
    )*};
}

write_hooks! {
    __write => write, write_ours, write; *const c_void, size_t;
    write => write, write_ours, write; *const c_void, size_t;
    writev => writev, writev_ours, writev; *const iovec, c_int;
}

// The fortified forms know the buffer's size: where the read is longer, the real one ends the
// program.
macro_rules! fortified_hooks {
    ($($name:ident $(, $at:ident: $at_ty:ty)?;)*) => {$(
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name(
            fd: c_int,
            buf: *mut c_void,
            len: size_t,
            $($at: $at_ty,)?
            room: size_t,
        ) -> ssize_t {
            stack::align();
            if len <= room && ours(fd) {
                return read_ours(fd, buf, len);
            }
            // SAFETY: the program's own arguments.
            let call = || unsafe { real::$name(fd, buf, len, $($at,)? room) };
            if watches::concern(fd) { watches::read_by(fd, buf, len, call) } else { call() }
        }
    )*};
}

fortified_hooks! {
    __read_chk;
    __pread_chk, at: off_t;
    __pread64_chk, at: off64_t;
}

macro_rules! in_kernel_hooks {
    ($($name:ident($first:ident, $second:ident; $($arg:ident: $ty:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($($arg: $ty),*) -> ssize_t {
            stack::align();
            if ours($first) || ours($second) {
                return fail(libc::EINVAL);
            }
            // SAFETY: the program's own arguments.
            unsafe { real::$name($($arg),*) }
        }
    )*};
}

in_kernel_hooks! {
    sendfile(out, input; out: c_int, input: c_int, at: *mut off_t, len: size_t);
    sendfile64(out, input; out: c_int, input: c_int, at: *mut off64_t, len: size_t);
    splice(input, out; input: c_int, in_at: *mut off64_t, out: c_int, out_at: *mut off64_t, len: size_t, flags: c_uint);
    copy_file_range(input, out; input: c_int, in_at: *mut off64_t, out: c_int, out_at: *mut off64_t, len: size_t, flags: c_uint);
}
