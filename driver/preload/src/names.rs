//! access, readlink, realpath, and the extended attributes that `ls -l` asks for.

use crate::errno::{self, fail};
use crate::real;
use crate::route::{self, Place};
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
fn access_at(dirfd: c_int, path: *const c_char, call: impl Fn(c_int, *const c_char) -> c_int) -> c_int {
    match route::find(dirfd, path) {
        Some(place) => place.call(dirfd, path, call),
        None => call(dirfd, path),
    }
}

macro_rules! access_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: c_int) -> c_int {
            stack::align();
            // SAFETY: the program's own arguments, the path perhaps replaced by another.
            access_at(AT_FDCWD, path, |_, path| unsafe { real::$name(path, mode) })
        }
    )*};
}

access_hooks! {
    access;
    eaccess;
    euidaccess;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn faccessat(dirfd: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
    stack::align();
    access_at(dirfd, path, |dirfd, path| {
        // SAFETY: the program's own arguments, the path perhaps replaced by another.
        unsafe { real::faccessat(dirfd, path, mode, flags) }
    })
}

// A file of the tree has none, and must not be said to be missing.
macro_rules! attribute_hooks {
    ($($name:ident($($before:ident: $before_ty:ty,)? ; $buf:ty);)*) => {$(
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
            match route::find(AT_FDCWD, path) {
                Some(place) => place.call(AT_FDCWD, path, |_, path| call(path)),
                None => call(path),
            }
        }
    )*};
}

attribute_hooks! {
    getxattr(name: *const c_char,; *mut c_void);
    lgetxattr(name: *const c_char,; *mut c_void);
    listxattr(; *mut c_char);
    llistxattr(; *mut c_char);
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
    if let Some(place) = route::find(dirfd, path) {
        return place.call(dirfd, path, call);
    }
    if let Some(answer) = descriptor_name(path, buf, len) {
        return answer;
    }
    let answer = call(dirfd, path);
    if let Ok(count) = usize::try_from(answer) {
        // SAFETY: the C library has just written so many bytes there.
        let text = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), count) };
        // Another process's device.
        if let Some(node) = users::node_of_link(text) {
            return give_name(node, buf, len);
        }
        return unmap(buf, count, answer);
    }
    answer
}

/// `/dev/videoN` as a link's text.
fn give_name(node: u32, buf: *mut c_char, len: size_t) -> ssize_t {
    let mut name = [0; route::NODE_NAME];
    let name = route::node_name(node, &mut name).to_bytes();
    let count = name.len().min(len);
    // SAFETY: the program's buffer of `len` bytes, and no more than that.
    unsafe { core::ptr::copy_nonoverlapping(name.as_ptr().cast(), buf, count) };
    ssize_t::try_from(count).unwrap_or(ssize_t::MAX)
}

/// `/dev/videoN` for the link `/proc/self/fd/K` of a device's descriptor.
fn descriptor_name(path: *const c_char, buf: *mut c_char, len: size_t) -> Option<ssize_t> {
    const LINKS: &[u8] = b"/proc/self/fd/";
    let number = route::text(path)?.strip_prefix(LINKS)?;
    let fd = c_int::try_from(paths::decimal(number)?).ok()?;
    if edge::state(fd) != edge::State::Ours {
        return None;
    }
    let node = edge::node_of(fd)?;
    if buf.is_null() {
        return Some(fail(libc::EFAULT));
    }
    Some(give_name(node, buf, len))
}

/// Takes the tree's root off a link's text of `count` bytes that is already in the program's buffer.
fn unmap(buf: *mut c_char, count: usize, answer: ssize_t) -> ssize_t {
    // SAFETY: the C library has just written so many bytes there.
    let text = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), count) };
    if text.first() != Some(&b'/') {
        return answer;
    }
    let Some(tree) = edge::tree() else {
        return answer;
    };
    let Some(below) = paths::strip_tree(text, tree.to_bytes()).map(<[u8]>::len) else {
        return answer;
    };
    if below == 0 {
        return answer;
    }
    text.copy_within(count - below.., 0);
    ssize_t::try_from(below).unwrap_or(answer)
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
    // A length beyond the room ends the program, in the real one.
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

/// realpath of one of our places; None where the system is to be asked.
fn resolve(place: &Place, resolved: *mut c_char) -> Option<*mut c_char> {
    let mode = place.mode_in_tree()?;
    if let Some(number) = place.device(true) {
        let mut name = [0; route::NODE_NAME];
        return Some(give(route::node_name(number, &mut name), resolved));
    }
    if place.class == Class::MergedDir && mode & libc::S_IFMT == libc::S_IFDIR {
        // The system has no such folder, and in the tree it is not a link.
        let mut room = [0; paths::LONGEST + 1];
        for (to, from) in room.iter_mut().zip(place.path.as_bytes()) {
            *to = *from;
        }
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

/// Hands a path over as realpath does: into the program's room, or into memory that it will free.
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

fn real_path(path: *const c_char, resolved: *mut c_char, call: impl Fn() -> *mut c_char) -> *mut c_char {
    let Some(place) = route::find(AT_FDCWD, path) else {
        return call();
    };
    let before = errno::get();
    if place.class == Class::MergedDir {
        let answer = call();
        if !answer.is_null() || errno::get() != libc::ENOENT {
            return answer;
        }
        errno::set(before);
    }
    if let Some(answer) = resolve(&place, resolved) {
        return answer;
    }
    errno::set(before);
    call()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realpath(path: *const c_char, resolved: *mut c_char) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own arguments.
    real_path(path, resolved, || unsafe { real::realpath(path, resolved) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn canonicalize_file_name(path: *const c_char) -> *mut c_char {
    stack::align();
    let resolved = core::ptr::null_mut();
    // SAFETY: the program's own argument; this is what the function is.
    real_path(path, resolved, || unsafe { real::realpath(path, resolved) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __realpath_chk(path: *const c_char, resolved: *mut c_char, room: size_t) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own arguments.
    let call = || unsafe { real::__realpath_chk(path, resolved, room) };
    if room < PATH_MAX {
        // The real one ends the program.
        return call();
    }
    real_path(path, resolved, call)
}
