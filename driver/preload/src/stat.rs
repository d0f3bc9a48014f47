//! stat and related calls: a device's node looks like a device node.
//!
//! The tree has a plain file for each node, with the owner, the group and the mode of its pipe;
//! the type, the device number and the length are replaced. fstat on a device's descriptor gives
//! the same, so that a program which compares the two sees one file.

use crate::errno;
use crate::links;
use crate::naming;
use crate::place;
use crate::place::Place;
use crate::real;
use crate::remote;
use crate::route;
use crate::users;
use core::ffi::{c_char, c_int, c_uint};
use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use vloopback_runtime::edge;
use vloopback_runtime::paths::Class;
use vloopback_runtime::stack;
use vloopback_runtime::tree_image::{Entry, Kind};

/// The major number of every video device.
const VIDEO_MAJOR: c_uint = 81;

/// The file system that nodes are on, as far as programs see it: not the tree's, whose plain files the daemon has
/// open, which fuser would else take for a user of the node.
const ANONYMOUS: c_uint = 0;

/// A status record in which a plain file can be turned into device node 81:`number`.
trait Status {
    fn make_device(&mut self, number: u32);
    /// Fills it in for an entry of a tree that came from the daemon.
    fn describe(&mut self, entry: &Entry<'_>);
    /// The inode, if this is a socket that stands for a device.
    fn device_socket(&self) -> Option<u64>;
}

/// The type and the permission bits of a device's socket.
const SOCKET: u32 = libc::S_IFSOCK | edge::DEVICE_MODE;

macro_rules! status {
    ($($ty:ty),*) => {$(
        impl Status for $ty {
            fn make_device(&mut self, number: u32) {
                self.st_mode = (self.st_mode & !libc::S_IFMT) | libc::S_IFCHR;
                self.st_dev = libc::makedev(ANONYMOUS, VIDEO_MAJOR);
                self.st_rdev = libc::makedev(VIDEO_MAJOR, number);
                self.st_size = 0;
                self.st_blocks = 0;
            }

            fn describe(&mut self, entry: &Entry<'_>) {
                self.st_mode = remote::mode(entry);
                // The fields are narrower, but wide enough for an image's values.
                self.st_ino = remote::inode(entry) as _;
                self.st_nlink = 1;
                self.st_uid = entry.uid;
                self.st_gid = entry.gid;
                self.st_size = entry.contents.len() as _;
                self.st_blocks = 0;
                self.st_rdev = 0;
            }

            fn device_socket(&self) -> Option<u64> {
                (self.st_mode == SOCKET).then_some(self.st_ino.into())
            }
        }
    )*};
}

status!(libc::stat, libc::stat64);
#[cfg(target_pointer_width = "32")]
status!(crate::types::StatTime64);

impl Status for libc::statx {
    fn make_device(&mut self, number: u32) {
        // The file type bits fit the 16 of the field.
        const TYPE: u16 = libc::S_IFMT as u16;
        const DEVICE: u16 = libc::S_IFCHR as u16;
        self.stx_mode = (self.stx_mode & !TYPE) | DEVICE;
        self.stx_dev_major = ANONYMOUS;
        self.stx_dev_minor = VIDEO_MAJOR;
        self.stx_rdev_major = VIDEO_MAJOR;
        self.stx_rdev_minor = number;
        self.stx_size = 0;
        self.stx_blocks = 0;
    }

    fn describe(&mut self, entry: &Entry<'_>) {
        // The type and the permission bits fit the 16 of the field.
        self.stx_mode = remote::mode(entry) as u16;
        self.stx_ino = remote::inode(entry);
        self.stx_nlink = 1;
        self.stx_uid = entry.uid;
        self.stx_gid = entry.gid;
        self.stx_size = entry.contents.len() as u64;
        self.stx_blocks = 0;
        (self.stx_rdev_major, self.stx_rdev_minor) = (0, 0);
    }

    fn device_socket(&self) -> Option<u64> {
        (u32::from(self.stx_mode) == SOCKET).then_some(self.stx_ino)
    }
}

/// The status of a path. `call` is the C library's own.
fn stat_at<S: Status>(
    dirfd: c_int,
    path: *const c_char,
    follow: bool,
    buf: *mut S,
    call: impl Fn(c_int, *const c_char) -> c_int,
) -> c_int {
    let call = &call;
    let system = |dirfd, path| {
        let result = call(dirfd, path);
        // SAFETY: the call has just filled the record there.
        let socket = || unsafe { &*buf }.device_socket();
        if let Some(inode) = (result == 0 && follow).then(socket).flatten() {
            return stat_socket(inode, (dirfd, path), buf, call);
        }
        result
    };
    let ours = |place: &Place| match stat_remote(place, follow, buf, (dirfd, path), call) {
        Some(result) => result,
        None => stat_ours(place, follow, buf, (dirfd, path), call),
    };
    route::serve(dirfd, path, follow, system, ours)
}

fn stat_ours<S: Status>(
    place: &Place,
    follow: bool,
    buf: *mut S,
    (dirfd, path): (c_int, *const c_char),
    call: impl Fn(c_int, *const c_char) -> c_int,
) -> c_int {
    match place.device(follow) {
        Some(number) => stat_node(place, number, buf, (dirfd, path), call),
        None => place.call(dirfd, path, call),
    }
}

/// The status of a path in a tree that came from the daemon. None: there is no such file, or the tree's folder can be
/// reached.
fn stat_remote<S: Status>(
    place: &Place,
    follow: bool,
    buf: *mut S,
    (dirfd, path): (c_int, *const c_char),
    call: impl Fn(c_int, *const c_char) -> c_int,
) -> Option<c_int> {
    let image = remote::image()?;
    let before = errno::get();
    if place.class == Class::MergedDir {
        let (dirfd, path) = place.outer(dirfd, path);
        let result = call(dirfd, path);
        if result == 0 || errno::get() != libc::ENOENT {
            return Some(result);
        }
        errno::set(before);
    }
    let entry = remote::find(&image, place, follow)?;
    // This lets the kernel fill all fields and check the program's address.
    let result = call(AT_FDCWD, c"/".as_ptr());
    if result == 0 {
        // SAFETY: the call has just filled the record there.
        let status = unsafe { &mut *buf };
        status.describe(&entry);
        if let Some(number) = place.device(follow).filter(|_| entry.kind == Kind::Node) {
            status.make_device(number);
        }
    }
    Some(result)
}

/// The status of a name of a device's descriptor (`/dev/fd/N`, `/proc/PID/fd/N` of any process), for which the kernel
/// has a socket with this inode.
#[cold]
#[inline(never)]
fn stat_socket<S: Status>(
    inode: u64,
    (dirfd, path): (c_int, *const c_char),
    buf: *mut S,
    call: impl Fn(c_int, *const c_char) -> c_int,
) -> c_int {
    let before = errno::get();
    let place = links::to_descriptor(dirfd, path)
        // Of another process, perhaps.
        .or_else(|| users::node_of(inode).and_then(place::node));
    errno::set(before);
    match place.and_then(|place| place.device(true).map(|number| (place, number))) {
        Some((place, number)) => stat_node(&place, number, buf, (dirfd, path), call),
        None => 0,
    }
}

fn stat_node<S: Status>(
    place: &Place,
    number: u32,
    buf: *mut S,
    (dirfd, path): (c_int, *const c_char),
    call: impl Fn(c_int, *const c_char) -> c_int,
) -> c_int {
    let (dirfd, path) = place.outer(dirfd, path);
    let Some(mapped) = place.mapped() else {
        return call(dirfd, path);
    };
    let before = errno::get();
    let result = call(AT_FDCWD, mapped.as_ptr());
    if result == 0 {
        // SAFETY: the call has just filled the record there.
        unsafe { &mut *buf }.make_device(number);
    } else if errno::get() == libc::ENOENT {
        errno::set(before);
        return call(dirfd, path);
    }
    result
}

/// The status of a descriptor. `bare` is the C library's fstat, `named` its stat of a path.
fn stat_fd<S: Status>(
    fd: c_int,
    buf: *mut S,
    bare: impl Fn() -> c_int,
    named: impl Fn(c_int, *const c_char) -> c_int,
) -> c_int {
    let Some(number) = edge::node_of(fd) else {
        return bare();
    };
    if let Some(place) = place::node(number) {
        let path = (AT_FDCWD, c"/".as_ptr());
        if let Some(result) = stat_remote(&place, true, buf, path, &named) {
            return result;
        }
        // Only the tree's file will do: a real node of this number would be another device.
        let before = errno::get();
        if let Some(mapped) = place.mapped() {
            if named(AT_FDCWD, mapped.as_ptr()) == 0 {
                // SAFETY: the call has just filled the record there.
                unsafe { &mut *buf }.make_device(number);
                return 0;
            }
            if errno::get() == libc::EFAULT {
                return -1;
            }
        }
        errno::set(before);
    }
    // The daemon is gone and took the tree along: the descriptor stays a device.
    let result = bare();
    if result == 0 {
        // SAFETY: the call has just filled the record there.
        unsafe { &mut *buf }.make_device(number);
    }
    result
}

/// Whether an `…at` call names its descriptor itself.
fn names_descriptor(path: *const c_char, flags: c_int) -> bool {
    flags & AT_EMPTY_PATH != 0 && (path.is_null() || naming::text(path) == Some(b""))
}

macro_rules! path_hooks {
    ($($name:ident($($version:ident)?), $ty:ty, $follow:literal;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($version: c_int,)? path: *const c_char, buf: *mut $ty) -> c_int {
            stack::align();
            stat_at(AT_FDCWD, path, $follow, buf, |_, path| {
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                unsafe { real::$name($($version,)? path, buf) }
            })
        }
    )*};
}

path_hooks! {
    stat(), libc::stat, true;
    stat64(), libc::stat64, true;
    lstat(), libc::stat, false;
    lstat64(), libc::stat64, false;
    __xstat(version), libc::stat, true;
    __xstat64(version), libc::stat64, true;
    __lxstat(version), libc::stat, false;
    __lxstat64(version), libc::stat64, false;
}

macro_rules! descriptor_hooks {
    ($($name:ident($($version:ident)?), $path_form:ident, $ty:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($version: c_int,)? fd: c_int, buf: *mut $ty) -> c_int {
            stack::align();
            stat_fd(
                fd,
                buf,
                // SAFETY: the program's own arguments.
                || unsafe { real::$name($($version,)? fd, buf) },
                // SAFETY: the program's record, and a path of ours.
                |_, path| unsafe { real::$path_form($($version,)? path, buf) },
            )
        }
    )*};
}

descriptor_hooks! {
    fstat(), stat, libc::stat;
    fstat64(), stat64, libc::stat64;
    __fxstat(version), __xstat, libc::stat;
    __fxstat64(version), __xstat64, libc::stat64;
}

macro_rules! at_hooks {
    ($($name:ident($($version:ident)?), $ty:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            $($version: c_int,)?
            dirfd: c_int,
            path: *const c_char,
            buf: *mut $ty,
            flags: c_int,
        ) -> c_int {
            stack::align();
            let call = |dirfd: c_int, path: *const c_char| {
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                unsafe { real::$name($($version,)? dirfd, path, buf, flags) }
            };
            if names_descriptor(path, flags) {
                return stat_fd(dirfd, buf, || call(dirfd, path), call);
            }
            stat_at(dirfd, path, flags & AT_SYMLINK_NOFOLLOW == 0, buf, call)
        }
    )*};
}

at_hooks! {
    fstatat(), libc::stat;
    fstatat64(), libc::stat64;
    __fxstatat(version), libc::stat;
    __fxstatat64(version), libc::stat64;
}

#[cfg(target_pointer_width = "32")]
path_hooks! {
    __stat64_time64(), crate::types::StatTime64, true;
    __lstat64_time64(), crate::types::StatTime64, false;
}

#[cfg(target_pointer_width = "32")]
descriptor_hooks! {
    __fstat64_time64(), __stat64_time64, crate::types::StatTime64;
}

#[cfg(target_pointer_width = "32")]
at_hooks! {
    __fstatat64_time64(), crate::types::StatTime64;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn statx(
    dirfd: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    buf: *mut libc::statx,
) -> c_int {
    stack::align();
    let call = |dirfd: c_int, path: *const c_char| {
        // SAFETY: the program's own arguments, the path perhaps replaced by another.
        unsafe { real::statx(dirfd, path, flags, mask, buf) }
    };
    if names_descriptor(path, flags) {
        return stat_fd(dirfd, buf, || call(dirfd, path), call);
    }
    stat_at(dirfd, path, flags & AT_SYMLINK_NOFOLLOW == 0, buf, call)
}
