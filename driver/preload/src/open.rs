//! open and related calls.
//!
//! C declares open, openat (and fcntl, ioctl) with `...`. Rust cannot define such a function; the
//! hooks take the optional argument as a fixed one. On x86-64, i386 and arm64 Linux it lies where
//! the variadic one would. If the caller gave none, a stray value is passed on that is not
//! used.

use crate::attribute;
use crate::errno::fail;
use crate::folder;
use crate::links;
use crate::place::Place;
use crate::real;
use crate::release;
use crate::remote;
use crate::route;
use crate::stream;
use core::ffi::{c_char, c_int, c_uint};
use libc::{AT_FDCWD, O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_TRUNC};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{CONTROL, Class};
use vloopback_runtime::stack;

/// The result of opening a path of ours.
pub enum Step {
    /// A device: its new descriptor.
    Opened(c_int),
    /// An errno.
    Refused(c_int),
    /// A plain open for reading, by [`Place::call`].
    Plain,
    /// The path is not ours after all: the system opens it.
    Real,
}

/// Opens a device, or says how a file is to be opened. Nothing is ever created or changed in the
/// tree, and no file takes a device's place in /dev.
pub fn settle(place: &Place, flags: c_int) -> Step {
    match place.class {
        Class::Device(number) => settle_device(place, number, flags, false),
        Class::DeviceLink(number) => settle_device(place, number, flags, true),
        Class::Tree { legacy } => {
            if legacy {
                edge::mark_legacy();
            }
            if place.path.as_bytes() == CONTROL && flags & (O_PATH | O_CREAT | O_DIRECTORY) == 0 {
                return settle_control(place, flags);
            }
            settle_file(place, flags)
        }
        Class::Modules => settle_file(place, flags),
        Class::Release(file) => release::open(file, flags).map_or(Step::Real, Step::Opened),
        // The kernel itself refuses to open a folder for writing. A listing starts with the real folder.
        Class::MergedDir if flags & O_CREAT == 0 => Step::Plain,
        Class::MergedDir | Class::NotOurs => Step::Real,
    }
}

fn settle_device(place: &Place, number: u32, flags: c_int, link: bool) -> Step {
    let refusal = if flags & O_DIRECTORY != 0 {
        Some(libc::ENOTDIR)
    } else if flags & O_CREAT != 0 && flags & O_EXCL != 0 {
        Some(libc::EEXIST)
    } else if link && flags & O_NOFOLLOW != 0 && flags & O_PATH == 0 {
        Some(libc::ELOOP)
    } else {
        None
    };
    if let Some(errno) = refusal {
        return if remote::mode_in_tree(place).is_some() { Step::Refused(errno) } else { Step::Real };
    }
    if flags & O_PATH != 0 {
        // O_PATH: the program wants only the name, and the tree's file has it.
        return Step::Plain;
    }
    match edge::open_device(number, flags & !(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW)) {
        Ok(fd) => {
            stream::settle(fd);
            Step::Opened(fd)
        }
        Err(edge::OpenError::Errno(errno)) => Step::Refused(errno.raw()),
        Err(edge::OpenError::NotServed) => Step::Real,
    }
}

/// Opens /dev/v4l2loopback: the tree's file, whose owner and mode the kernel checks. It is opened for reading only,
/// because nothing is ever written there. The ioctl hook knows the file by its path.
fn settle_control(place: &Place, flags: c_int) -> Step {
    if remote::mode_in_tree(place).is_some() { open_to_read(place, flags) } else { Step::Real }
}

/// Opens a file of the tree for reading, whatever access the program asks for.
fn open_to_read(place: &Place, flags: c_int) -> Step {
    let Some(path) = place.mapped() else { return Step::Real };
    let flags = flags & !(O_ACCMODE | O_TRUNC | O_CREAT | O_EXCL) | O_RDONLY;
    // SAFETY: a C string; nothing is created.
    let opened = unsafe { real::open(path.as_ptr(), flags, 0) };
    if opened < 0 { Step::Refused(crate::errno::get()) } else { Step::Opened(opened) }
}

fn settle_file(place: &Place, flags: c_int) -> Step {
    let writes = flags & O_PATH == 0 && (flags & O_ACCMODE != O_RDONLY || flags & O_TRUNC != 0);
    if !writes && flags & O_CREAT == 0 {
        return Step::Plain;
    }
    let Some(mode) = remote::mode_in_tree(place) else {
        return Step::Real;
    };
    let is_dir = mode & libc::S_IFMT == libc::S_IFDIR;
    let is_new = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
    if writes && !is_new && flags & O_DIRECTORY == 0 && attribute::is_one(place) {
        return open_to_read(place, flags);
    }
    if flags & O_CREAT != 0 && flags & O_EXCL != 0 {
        Step::Refused(libc::EEXIST)
    } else if is_dir {
        Step::Refused(libc::EISDIR)
    } else if writes {
        // Our files in /proc and /sys are read-only, for the tree's owner too.
        Step::Refused(libc::EACCES)
    } else {
        Step::Plain
    }
}

/// One open; `call` is the system's own, given folder, path and flags.
#[inline]
pub(crate) fn open_at(
    dirfd: c_int,
    path: *const c_char,
    flags: c_int,
    call: impl Fn(c_int, *const c_char, c_int) -> c_int,
) -> c_int {
    let call = &|dirfd, path, flags| {
        let fd = call(dirfd, path, flags);
        edge::fresh(fd);
        fd
    };
    let system = |dirfd, path| {
        if may_create(flags) {
            if let Some(place) = links::would_create(dirfd, path) {
                return open_ours(&place, (dirfd, path), flags, call);
            }
        }
        call(dirfd, path, flags)
    };
    let ours = |place: &Place| open_ours(place, (dirfd, path), flags, call);
    route::serve(dirfd, path, flags & O_NOFOLLOW == 0, system, ours)
}

/// Whether an open creates a file if a symbolic link leads to nothing.
#[inline]
pub fn may_create(flags: c_int) -> bool {
    flags & (O_CREAT | O_EXCL | O_NOFOLLOW) == O_CREAT
}

/// The rest of [`open_at`], for a place of ours.
#[inline(never)]
fn open_ours(
    place: &Place,
    (dirfd, path): (c_int, *const c_char),
    flags: c_int,
    call: impl Fn(c_int, *const c_char, c_int) -> c_int,
) -> c_int {
    match settle(place, flags) {
        Step::Opened(fd) => fd,
        Step::Refused(errno) => fail(errno),
        Step::Plain => {
            if let Some(fd) = remote::open(place, flags) {
                return fd;
            }
            let fd = place.call(dirfd, path, |dirfd, path| call(dirfd, path, flags & !(O_CREAT | O_EXCL)));
            if fd >= 0 {
                if flags & O_PATH != 0 {
                    if let Some(number) = place.device(flags & O_NOFOLLOW == 0) {
                        edge::opened_by_name(fd, number);
                    }
                }
                folder::opened();
            }
            fd
        }
        Step::Real => {
            let (dirfd, path) = place.outer(dirfd, path);
            call(dirfd, path, flags)
        }
    }
}

macro_rules! open_hooks {
    ($($name:ident => $real:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            stack::align();
            open_at(AT_FDCWD, path, flags, |_, path, flags| {
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                unsafe { real::$real(path, flags, mode) }
            })
        }
    )*};
}

open_hooks! {
    open => open;
    open64 => open64;
    __open => open;
    __open64 => open64;
}

macro_rules! openat_hooks {
    ($($name:ident => $real:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(dirfd: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            stack::align();
            open_at(dirfd, path, flags, |dirfd, path, flags| {
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                unsafe { real::$real(dirfd, path, flags, mode) }
            })
        }
    )*};
}

openat_hooks! {
    openat => openat;
    openat64 => openat64;
}

macro_rules! creat_hooks {
    ($($name:ident => $creat:ident, $open:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: c_uint) -> c_int {
            stack::align();
            const FLAGS: c_int = O_CREAT | libc::O_WRONLY | O_TRUNC;
            open_at(AT_FDCWD, path, FLAGS, |_, path, flags| {
                if flags == FLAGS {
                    // SAFETY: the program's own arguments.
                    unsafe { real::$creat(path, mode) }
                } else {
                    // SAFETY: as above, the path replaced by another, which must not be created.
                    unsafe { real::$open(path, flags, mode) }
                }
            })
        }
    )*};
}

creat_hooks! {
    creat => creat, open;
    creat64 => creat64, open64;
}

// What <bits/fcntl2.h> turns open(path, flags) into; the C library's function ends a program that gives O_CREAT
// without a mode.
macro_rules! fortified_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, flags: c_int) -> c_int {
            stack::align();
            open_at(AT_FDCWD, path, flags, |_, path, flags| {
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                unsafe { real::$name(path, flags) }
            })
        }
    )*};
}

fortified_hooks! {
    __open_2;
    __open64_2;
}

macro_rules! fortified_at_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(dirfd: c_int, path: *const c_char, flags: c_int) -> c_int {
            stack::align();
            open_at(dirfd, path, flags, |dirfd, path, flags| {
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                unsafe { real::$name(dirfd, path, flags) }
            })
        }
    )*};
}

fortified_at_hooks! {
    __openat_2;
    __openat64_2;
}
