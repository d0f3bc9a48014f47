//! ioctl and mmap.

use crate::errno::{self, plain};
use crate::naming;
use crate::real;
use core::ffi::{c_int, c_void};
use libc::{off_t, off64_t, size_t};
use vloopback_runtime::edge::{self, State};
use vloopback_runtime::{loopback, paths, stack};

/// The low 32 bits: the kernel looks at no more, and some programs pass a sign-extended int.
const fn number(request: usize) -> u32 {
    request as u32
}

/// Requests that concern the open file and not the device: the kernel object behind the
/// descriptor is asked.
fn is_for_the_file(request: usize) -> bool {
    const REQUESTS: [u32; 4] = [
        number(libc::FIONBIO as usize),
        number(libc::FIOASYNC as usize),
        number(libc::FIOCLEX as usize),
        number(libc::FIONCLEX as usize),
    ];
    REQUESTS.contains(&number(request))
}

/// Whether a request is one of video4linux, of the first kind ('v') or the second ('V').
fn is_video(request: usize) -> bool {
    matches!((number(request) >> 8) as u8, b'v' | b'V')
}

/// ioctl; `call` is what asks the system.
pub(crate) fn control(fd: c_int, request: usize, arg: usize, call: impl Fn() -> c_int) -> c_int {
    if edge::state(fd) == State::Ours {
        if is_for_the_file(request) {
            return call();
        }
        return ours(fd, request, arg);
    }
    let result = call();
    if result == -1 && loopback::is_request(number(request)) && errno::get() == libc::ENOTTY {
        if is_control(fd) {
            return plain(loopback::ioctl(number(request), arg));
        }
        errno::set(libc::ENOTTY);
    }
    // A descriptor that was closed and opened again without a hook may be a device by now. The kernel object behind a
    // device knows no video request and fails. A real camera answers, and is not looked at again.
    if result == -1
        && is_video(request)
        && matches!(errno::get(), libc::ENOTTY | libc::EINVAL | libc::EOPNOTSUPP)
    {
        let refused = errno::get();
        if edge::look_again(fd) == State::Ours {
            return ours(fd, request, arg);
        }
        errno::set(refused);
    }
    result
}

/// Whether a number is /dev/v4l2loopback, opened: the tree's file of it.
#[cold]
fn is_control(fd: c_int) -> bool {
    let mut room = [0u8; 512];
    let path = naming::behind_descriptor(fd, &mut room).unwrap_or(&[]);
    edge::tree().is_some_and(|tree| paths::strip_tree(path, tree.to_bytes()) == Some(paths::CONTROL))
}

fn ours(fd: c_int, request: usize, arg: usize) -> c_int {
    // SAFETY: the program's own arguments; the runtime checks the pointer.
    plain(unsafe { edge::ioctl(fd, u64::from(number(request)), arg) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(fd: c_int, request: usize, arg: usize) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    control(fd, request, arg, || unsafe { real::ioctl(fd, request, arg) })
}

// What 32-bit programs call that were built with a 64-bit time_t.
#[cfg(target_pointer_width = "32")]
#[unsafe(no_mangle)]
unsafe extern "C" fn __ioctl_time64(fd: c_int, request: usize, arg: usize) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    control(fd, request, arg, || unsafe { real::__ioctl_time64(fd, request, arg) })
}

/// One mmap that is not anonymous, or that puts something where a device's memory may be.
pub(crate) fn map(
    (addr, len, prot, flags): (*mut c_void, size_t, c_int, c_int),
    fd: c_int,
    offset: i64,
    call: impl Fn() -> *mut c_void,
) -> *mut c_void {
    if flags & libc::MAP_ANONYMOUS == 0 && edge::state(fd) == State::Ours {
        // SAFETY: the program's own arguments, with mmap's contract.
        return match unsafe { edge::mmap(fd, addr, len, prot, flags, offset) } {
            Ok(address) => address,
            Err(errno) => {
                errno::set(errno.raw());
                libc::MAP_FAILED
            }
        };
    }
    if flags & libc::MAP_FIXED != 0 {
        // This replaces what was mapped there, as munmap does.
        edge::before_munmap(addr, len);
    }
    call()
}

macro_rules! mmap_hooks {
    ($($name:ident: $offset:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            addr: *mut c_void,
            len: size_t,
            prot: c_int,
            flags: c_int,
            fd: c_int,
            offset: $offset,
        ) -> *mut c_void {
            stack::align();
            // SAFETY: the program's own arguments.
            let call = || unsafe { real::$name(addr, len, prot, flags, fd, offset) };
            // Widens on 32 bits, where off_t has no more.
            #[allow(clippy::unnecessary_cast)]
            let offset = offset as i64;
            map((addr, len, prot, flags), fd, offset, call)
        }
    )*};
}

mmap_hooks! {
    mmap: off_t;
    mmap64: off64_t;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(addr: *mut c_void, len: size_t) -> c_int {
    stack::align();
    edge::before_munmap(addr, len);
    // SAFETY: the program's own arguments.
    unsafe { real::munmap(addr, len) }
}

/// Updates what the library knows of a device's memory when the program moves it to another address.
#[unsafe(no_mangle)]
unsafe extern "C" fn mremap(
    addr: *mut c_void,
    len: size_t,
    new_len: size_t,
    flags: c_int,
    to: *mut c_void,
) -> *mut c_void {
    stack::align();
    if flags & libc::MREMAP_FIXED != 0 {
        // This replaces what was mapped there.
        edge::before_munmap(to, new_len);
    }
    // SAFETY: the program's own arguments.
    let now = unsafe { real::mremap(addr, len, new_len, flags, to) };
    if now != libc::MAP_FAILED {
        edge::after_mremap(addr, len, now, new_len);
    }
    now
}
