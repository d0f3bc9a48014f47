//! chdir and related calls, and getcwd, while the current folder is one of the tree's.
//!
//! A program that enters /proc/video/vloopback is really in the tree's folder, so the kernel finds what it
//! opens there by a relative name. Two things differ: the folder's name in getcwd and `/proc/self/cwd`, and the
//! folder above it, `..`, which is the system's. So while a process is inside, all its relative paths are
//! examined ([`is_inside`]).

use crate::errno::{self, fail};
use crate::real;
use crate::route::{self, Place};
use core::cell::Cell;
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use libc::{AT_FDCWD, size_t};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{self, Class};
use vloopback_runtime::stack;

/// Room for the name of any folder of the tree.
const ROOM: usize = 512;

/// 0: the current folder was never one of the tree. The process's number: it is one. The same, negative: it is
/// none any more. Another process's: that was a parent, or a child by vfork, which has the same memory and a
/// folder of its own; then nothing is known.
static INSIDE: AtomicI32 = AtomicI32::new(0);
/// A folder of the tree was opened: fchdir may lead there.
static OPENED: AtomicBool = AtomicBool::new(false);

/// Whether the current folder is one of the tree.
#[inline]
pub fn is_inside() -> bool {
    // Relaxed: guards no other data. Who changes the folder in one thread and uses it in another must order
    // the two by itself.
    match INSIDE.load(Ordering::Relaxed) {
        0 => false,
        known => is_inside_by(known),
    }
}

#[cold]
fn is_inside_by(known: c_int) -> bool {
    // SAFETY: no arguments.
    let own = unsafe { libc::getpid() };
    if known != own && known != -own {
        look();
    }
    INSIDE.load(Ordering::Relaxed) == own
}

/// The program has a folder of the tree open.
pub fn opened() {
    OPENED.store(true, Ordering::Relaxed);
}

/// Looks where the process is. For the constructor, and after each change.
pub fn look() {
    let before = errno::get();
    let mut room = [0; ROOM];
    let inside = current(&mut room).is_some_and(|folder| below_tree(folder).is_some());
    if inside || INSIDE.load(Ordering::Relaxed) != 0 {
        // SAFETY: no arguments.
        let own = unsafe { libc::getpid() };
        INSIDE.store(if inside { own } else { -own }, Ordering::Relaxed);
    }
    errno::set(before);
}

/// The current folder, as the kernel names it. May change errno.
pub fn current(room: &mut [u8]) -> Option<&[u8]> {
    // SAFETY: the buffer and its length; glibc terminates what it writes.
    let folder = unsafe { real::getcwd(room.as_mut_ptr().cast(), room.len()) };
    if folder.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(room).ok().map(CStr::to_bytes)
}

/// What a folder or file of the tree stands for: its path without the tree's, `/` for the tree itself. None
/// where it is not in the tree. May change errno.
pub fn below_tree(path: &[u8]) -> Option<&[u8]> {
    let tree = edge::tree()?;
    let named = |below| if below == b"" { &b"/"[..] } else { below };
    if let Some(below) = paths::strip_tree(path, tree.to_bytes()) {
        return Some(named(below));
    }
    // The kernel's names have no links; the tree's may lie behind some (/var/run, /tmp). Only what has a
    // part of its name is worth that question.
    let name = tree.to_bytes().rsplit(|byte| *byte == b'/').next()?;
    if !path.split(|byte| *byte == b'/').any(|part| part == name) {
        return None;
    }
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: a C string; no mode is needed, nothing is created.
    let fd = unsafe { real::open(tree.as_ptr(), flags, 0) };
    if fd < 0 {
        return None;
    }
    let mut room = [0; ROOM];
    let root = route::behind_descriptor(fd, &mut room);
    // SAFETY: opened above, and nobody else has it.
    unsafe { real::close(fd) };
    paths::strip_tree(path, root?).map(named)
}

fn change(path: *const c_char, call: impl Fn(*const c_char) -> c_int) -> c_int {
    let ours = Cell::new(!route::is_foreign(path));
    let result = route::serve(
        AT_FDCWD,
        path,
        true,
        |_, path| call(path),
        |place| {
            ours.set(true);
            enter(place, path, &call)
        },
    );
    if result == 0 && (ours.get() || is_inside()) {
        look();
    }
    result
}

fn enter(place: &Place, path: *const c_char, call: impl Fn(*const c_char) -> c_int) -> c_int {
    if place.device(true).is_some() && place.mode_in_tree().is_some() {
        return fail(libc::ENOTDIR);
    }
    if let Class::Tree { legacy: true } = place.class {
        edge::mark_legacy();
    }
    place.call(AT_FDCWD, path, |_, path| call(path))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn chdir(path: *const c_char) -> c_int {
    stack::align();
    // SAFETY: the program's own argument, or a path of ours in its place.
    change(path, |path| unsafe { real::chdir(path) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fchdir(fd: c_int) -> c_int {
    stack::align();
    // SAFETY: the program's own argument.
    let result = unsafe { real::fchdir(fd) };
    if result == 0 && (is_inside() || OPENED.load(Ordering::Relaxed)) {
        look();
    }
    result
}

/// The current folder's name in the program's room of `size` bytes, or in memory that it will free; by `call`
/// where the folder is not one of ours.
fn tell(buf: *mut c_char, size: size_t, call: impl Fn() -> *mut c_char) -> *mut c_char {
    if !is_inside() {
        return call();
    }
    let before = errno::get();
    let mut room = [0; ROOM];
    let below = current(&mut room).and_then(below_tree);
    errno::set(before);
    let Some(name) = below else {
        return call();
    };
    let len = name.len() + 1;
    if size == 0 && !buf.is_null() {
        return fail(libc::EINVAL);
    }
    if size != 0 && size < len {
        return fail(libc::ERANGE);
    }
    let to = if buf.is_null() {
        // SAFETY: any size may be asked for.
        unsafe { libc::malloc(size.max(len)) }.cast()
    } else {
        buf
    };
    if to.is_null() {
        return to;
    }
    // SAFETY: the room is at least `len` bytes long, and `len` is one more than the name's length.
    unsafe {
        core::ptr::copy_nonoverlapping(name.as_ptr().cast(), to, name.len());
        to.add(name.len()).write(0);
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getcwd(buf: *mut c_char, size: size_t) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own arguments.
    tell(buf, size, || unsafe { real::getcwd(buf, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __getcwd_chk(buf: *mut c_char, size: size_t, room: size_t) -> *mut c_char {
    stack::align();
    // A length beyond the room ends the program, in the real one.
    // SAFETY: the program's own arguments.
    tell(buf, size.min(room), || unsafe { real::__getcwd_chk(buf, size, room) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn get_current_dir_name() -> *mut c_char {
    stack::align();
    // SAFETY: no argument.
    tell(core::ptr::null_mut(), 0, || unsafe { real::get_current_dir_name() })
}

/// getwd's room is taken for this long.
const PATH_MAX: size_t = libc::PATH_MAX as size_t;

#[unsafe(no_mangle)]
unsafe extern "C" fn getwd(buf: *mut c_char) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own argument.
    let call = || unsafe { real::getwd(buf) };
    if buf.is_null() { call() } else { tell(buf, PATH_MAX, call) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __getwd_chk(buf: *mut c_char, room: size_t) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own arguments.
    let call = || unsafe { real::__getwd_chk(buf, room) };
    if buf.is_null() { call() } else { tell(buf, room.min(PATH_MAX), call) }
}
