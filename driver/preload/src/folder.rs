//! chdir and related calls, and getcwd, while the current folder is one of the tree's.
//!
//! A program that enters /proc/video/vloopback is really in the tree's folder, so the kernel finds what it
//! opens there by a relative name. Two things differ: the folder's name in getcwd and `/proc/self/cwd`, and the
//! folder above it, `..`, which is the system's. So while a process is inside, all its relative paths are
//! examined ([`is_inside`]).

use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use vloopback_runtime::edge;
use vloopback_runtime::paths;

use crate::errno;
use crate::naming;
use crate::real;

/// Room for the name of any folder of the tree.
pub(crate) const ROOM: usize = 512;

/// 0: the current folder was never in the tree. This process's id: it is in the tree. Minus this process's id: it
/// was, and is no longer. Another process's id is a parent's, or that of a child by vfork, which shares the memory
/// but has its own current folder; then nothing is known.
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
    // The kernel's names have no links; the tree's may lie behind some (/var/run, /tmp). Only a path that contains a
    // part of the tree's name is worth that question.
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
    let root = naming::behind_descriptor(fd, &mut room);
    // SAFETY: opened above, and nobody else has it.
    unsafe { real::close(fd) };
    paths::strip_tree(path, root?).map(named)
}

/// Whether fchdir may lead into the tree, or out of it.
pub(crate) fn may_change() -> bool {
    is_inside() || OPENED.load(Ordering::Relaxed)
}
