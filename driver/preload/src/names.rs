//! access, readlink, realpath, and the extended attributes that `ls -l` asks for.

use crate::errno::{self, fail};
use crate::folder;
use crate::links;
use crate::naming;
use crate::place::Place;
use crate::real;
use crate::remote;
use crate::route;
use crate::users;
use core::ffi::{CStr, c_char, c_int, c_void};
use libc::{AT_FDCWD, size_t, ssize_t};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{self, Class};
use vloopback_runtime::stack;

/// Room for any path that the C library's realpath gives.
const PATH_MAX: usize = libc::PATH_MAX as usize;

// The tree's file of a node carries the pipe's owner, group and mode, so access to it is access
// to the device.
fn access_at(
    dirfd: c_int,
    path: *const c_char,
    (mode, effective): (c_int, bool),
    call: impl Fn(c_int, *const c_char) -> c_int,
) -> c_int {
    // The name of a descriptor (/dev/fd/N): access to its node, whoever made the socket.
    route::serve(dirfd, path, true, &call, |place| {
        if let Some(image) = remote::image() {
            let is_real = place.class == Class::MergedDir && call(dirfd, path) == 0;
            if let Some(entry) = remote::find(&image, place, true).filter(|_| !is_real) {
                return remote::access(&entry, mode, effective);
            }
        }
        place.call(dirfd, path, &call)
    })
}

macro_rules! access_hooks {
    ($($name:ident, $effective:literal;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: c_int) -> c_int {
            stack::align();
            // SAFETY: the program's own arguments, the path perhaps replaced by another.
            access_at(AT_FDCWD, path, (mode, $effective), |_, path| unsafe { real::$name(path, mode) })
        }
    )*};
}

access_hooks! {
    access, false;
    eaccess, true;
    euidaccess, true;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn faccessat(dirfd: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
    stack::align();
    access_at(dirfd, path, (mode, flags & libc::AT_EACCESS != 0), |dirfd, path| {
        // SAFETY: the program's own arguments, the path perhaps replaced by another.
        unsafe { real::faccessat(dirfd, path, mode, flags) }
    })
}

// A file of the tree has no attributes. The answer must not be that the file is missing.
macro_rules! attribute_hooks {
    ($($name:ident($($before:ident: $before_ty:ty,)? ; $buf:ty), $follow:literal;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            path: *const c_char,
            $($before: $before_ty,)?
            buf: $buf,
            len: size_t,
        ) -> ssize_t {
            stack::align();
            // SAFETY: the program's own arguments, the path perhaps replaced by another.
            let call = |path: *const c_char| unsafe { real::$name(path, $($before,)? buf, len) };
            let ours = |place: &Place| match remote::image() {
                // A file of such a tree has no attributes either.
                Some(image) if remote::find(&image, place, $follow).is_some() => fail(libc::ENOTSUP),
                _ => place.call(AT_FDCWD, path, |_, path| call(path)),
            };
            route::serve(AT_FDCWD, path, $follow, |_, path| call(path), ours)
        }
    )*};
}

attribute_hooks! {
    getxattr(name: *const c_char,; *mut c_void), true;
    lgetxattr(name: *const c_char,; *mut c_void), false;
    listxattr(; *mut c_char), true;
    llistxattr(; *mut c_char), false;
}

/// A symbolic link's text. The tree's links are relative, as sysfs's are, and need no change; but
/// the kernel's own links (`/proc/self/fd/N`) may name the tree, or a socket where a device is.
fn readlink_at(
    dirfd: c_int,
    path: *const c_char,
    buf: *mut c_char,
    len: size_t,
    call: impl Fn(c_int, *const c_char) -> ssize_t,
) -> ssize_t {
    let system = |dirfd, path| {
        let answer = call(dirfd, path);
        match usize::try_from(answer) {
            Ok(count) => named(dirfd, path, (buf, len), count).unwrap_or_else(|| unmap(buf, count, answer)),
            Err(_) => answer,
        }
    };
    route::serve(dirfd, path, false, system, |place| {
        remote::read_link(place, buf, len).unwrap_or_else(|| place.call(dirfd, path, &call))
    })
}

/// `/dev/videoN` for the link of a device's descriptor (`/proc/self/fd/K`), whose text of `count` bytes says that
/// there is a socket.
fn named(
    dirfd: c_int,
    path: *const c_char,
    (buf, len): (*mut c_char, size_t),
    count: usize,
) -> Option<ssize_t> {
    const SOCKET: &[u8] = b"socket:[";
    // SAFETY: the C library has just written so many bytes there.
    let text = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), count) };
    // A short buffer may hold no more than the beginning.
    if count == 0 || !text.iter().zip(SOCKET).all(|(one, other)| one == other) {
        return None;
    }
    let before = errno::get();
    let number = links::to_descriptor(dirfd, path).and_then(|place| place.device(true));
    errno::set(before);
    // Or another process's device.
    Some(give_name(number.or_else(|| users::node_of_link(text))?, buf, len))
}

/// `/dev/videoN` as a link's text.
fn give_name(node: u32, buf: *mut c_char, len: size_t) -> ssize_t {
    let mut name = [0; naming::NODE_NAME];
    let name = naming::node_name(node, &mut name).to_bytes();
    let count = name.len().min(len);
    // SAFETY: the program's buffer of `len` bytes, and no more than that.
    unsafe { core::ptr::copy_nonoverlapping(name.as_ptr().cast(), buf, count) };
    ssize_t::try_from(count).unwrap_or(ssize_t::MAX)
}

/// Removes the tree's root from a link's text of `count` bytes that is already in the program's buffer.
fn unmap(buf: *mut c_char, count: usize, answer: ssize_t) -> ssize_t {
    // SAFETY: the C library has just written so many bytes there.
    let text = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), count) };
    if text.first() != Some(&b'/') {
        return answer;
    }
    let before = errno::get();
    let below = folder::below_tree(text).filter(|below| below.len() > 1).map(<[u8]>::len);
    errno::set(before);
    match below {
        Some(below) if below <= count => {
            text.copy_within(count - below.., 0);
            ssize_t::try_from(below).unwrap_or(answer)
        }
        _ => answer,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readlink(path: *const c_char, buf: *mut c_char, len: size_t) -> ssize_t {
    stack::align();
    // SAFETY: the program's own arguments, the path perhaps replaced by another.
    readlink_at(AT_FDCWD, path, buf, len, |_, path| unsafe { real::readlink(path, buf, len) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __readlink_chk(
    path: *const c_char,
    buf: *mut c_char,
    len: size_t,
    room: size_t,
) -> ssize_t {
    stack::align();
    // The C library's function ends the program if the length exceeds the buffer.
    readlink_at(AT_FDCWD, path, buf, len.min(room), |_, path| {
        // SAFETY: the program's own arguments, the path perhaps replaced by another.
        unsafe { real::__readlink_chk(path, buf, len, room) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readlinkat(dirfd: c_int, path: *const c_char, buf: *mut c_char, len: size_t) -> ssize_t {
    stack::align();
    readlink_at(dirfd, path, buf, len, |dirfd, path| {
        // SAFETY: the program's own arguments, the path perhaps replaced by another.
        unsafe { real::readlinkat(dirfd, path, buf, len) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __readlinkat_chk(
    dirfd: c_int,
    path: *const c_char,
    buf: *mut c_char,
    len: size_t,
    room: size_t,
) -> ssize_t {
    stack::align();
    readlink_at(dirfd, path, buf, len.min(room), |dirfd, path| {
        // SAFETY: the program's own arguments, the path perhaps replaced by another.
        unsafe { real::__readlinkat_chk(dirfd, path, buf, len, room) }
    })
}

/// realpath of a path of ours. None: the system is to answer.
fn resolve(place: &Place, resolved: *mut c_char) -> Option<*mut c_char> {
    let mode = remote::mode_in_tree(place)?;
    if let Some(number) = place.device(true) {
        let mut name = [0; naming::NODE_NAME];
        return Some(give(naming::node_name(number, &mut name), resolved));
    }
    if place.class == Class::MergedDir && mode & libc::S_IFMT == libc::S_IFDIR {
        // The system has no such folder, and in the tree it is not a link.
        let mut room = [0; paths::LONGEST + 1];
        for (to, from) in room.iter_mut().zip(place.path.as_bytes()) {
            *to = *from;
        }
        return CStr::from_bytes_until_nul(&room).ok().map(|name| give(name, resolved));
    }
    let mut room = [0; paths::LONGEST + 1];
    if remote::real_name(place, &mut room).is_some() {
        return CStr::from_bytes_until_nul(&room).ok().map(|name| give(name, resolved));
    }
    // The tree's root may itself lie behind symbolic links (/var/run, /tmp).
    let mut root = [0; PATH_MAX];
    let mut whole = [0; PATH_MAX];
    let root = resolved_bytes(edge::tree()?, &mut root)?.to_bytes();
    let whole = resolved_bytes(place.mapped()?, &mut whole)?;
    paths::strip_tree(whole.to_bytes(), root)?;
    let below = whole.to_bytes_with_nul().get(root.len()..)?;
    CStr::from_bytes_with_nul(below).ok().map(|name| give(name, resolved))
}

fn resolved_bytes<'room>(path: &CStr, room: &'room mut [u8; PATH_MAX]) -> Option<&'room CStr> {
    // SAFETY: a C string, and the room that realpath asks for.
    let answer = unsafe { real::realpath(path.as_ptr(), room.as_mut_ptr().cast()) };
    if answer.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(room).ok()
}

/// Returns a path as realpath does: in the program's buffer, or in new memory that the program frees.
fn give(name: &CStr, resolved: *mut c_char) -> *mut c_char {
    if resolved.is_null() {
        // SAFETY: a C string; the copy is malloc's and the program's.
        return unsafe { libc::strdup(name.as_ptr()) };
    }
    let name = name.to_bytes_with_nul();
    // SAFETY: realpath's contract is room for PATH_MAX bytes, and no path of ours is so long.
    unsafe { core::ptr::copy_nonoverlapping(name.as_ptr().cast(), resolved, name.len()) };
    resolved
}

fn real_path(
    path: *const c_char,
    resolved: *mut c_char,
    call: impl Fn(*const c_char) -> *mut c_char,
) -> *mut c_char {
    let ours = |place: &Place| real_path_of(place, path, resolved, &call);
    route::serve(AT_FDCWD, path, true, |_, path| call(path), ours)
}

fn real_path_of(
    place: &Place,
    path: *const c_char,
    resolved: *mut c_char,
    call: impl Fn(*const c_char) -> *mut c_char,
) -> *mut c_char {
    let (_, path) = place.outer(AT_FDCWD, path);
    let call = || call(path);
    let before = errno::get();
    if place.class == Class::MergedDir {
        let answer = call();
        if !answer.is_null() || errno::get() != libc::ENOENT {
            return answer;
        }
        errno::set(before);
    }
    if let Some(answer) = resolve(place, resolved) {
        return answer;
    }
    errno::set(before);
    call()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realpath(path: *const c_char, resolved: *mut c_char) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own arguments.
    real_path(path, resolved, |path| unsafe { real::realpath(path, resolved) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn canonicalize_file_name(path: *const c_char) -> *mut c_char {
    stack::align();
    let resolved = core::ptr::null_mut();
    // SAFETY: the program's own argument; this is what the function is.
    real_path(path, resolved, |path| unsafe { real::realpath(path, resolved) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __realpath_chk(path: *const c_char, resolved: *mut c_char, room: size_t) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own arguments.
    let call = |path| unsafe { real::__realpath_chk(path, resolved, room) };
    if room < PATH_MAX {
        // The C library's function ends the program.
        return call(path);
    }
    real_path(path, resolved, call)
}
