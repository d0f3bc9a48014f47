//! Names that lead to a device although their text does not show it: through a symbolic link of the user's or of
//! udev's (`/dev/v4l/by-id/…`), through a folder behind one, or by the name of a descriptor
//! (`/dev/fd/N`, `/dev/stdin`).
//!
//! The kernel follows links, and for it a node of the tree does not exist. So a path is examined here only after the
//! kernel has said that it does not exist; all other paths cost nothing. Then the longest existing part of the
//! path is found, from its end: it is a link, or the name is just missing.

use crate::find;
use crate::folder;
use crate::naming;
use crate::place;
use crate::place::Place;
use crate::real;
use core::ffi::{c_char, c_int};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{self, Class};

/// Longer paths are not followed: the program's stack may be a small one, in a signal handler.
const ROOM: usize = 512;
/// As many links as the kernel follows.
const MOST: usize = 40;

/// Whether a call that failed with this errno may have named a device.
#[inline]
pub fn may_lead(errno: c_int) -> bool {
    // The kernel opens no socket by name, and one of our descriptors is one: ENXIO, or EACCES where it
    // belongs to another user's daemon.
    matches!(errno, libc::ENOENT | libc::ENXIO | libc::EACCES)
}

/// A path without NUL in it, with one behind it.
struct Text {
    bytes: [u8; ROOM],
    len: usize,
}

impl Text {
    /// The pieces, one after the other. None: they are too long.
    fn of(pieces: &[&[u8]]) -> Option<Self> {
        let mut text = Self { bytes: [0; ROOM], len: 0 };
        // The last byte stays as the terminating NUL.
        let (_, room) = text.bytes.split_last_mut()?;
        for piece in pieces {
            room.get_mut(text.len..text.len + piece.len())?.copy_from_slice(piece);
            text.len += piece.len();
        }
        Some(text)
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}

/// Where a path leads next.
enum Step {
    /// An absolute path, by a link.
    Link(Text),
    /// An absolute path in which there are no more links.
    Last(Text),
}

/// The place of ours that `path` leads to. `errno`: what the kernel said of the path. `follow`: a link at its
/// end is followed, too. May change errno.
pub fn follow(dirfd: c_int, path: *const c_char, follow: bool, errno: c_int) -> Option<Place> {
    edge::tree()?;
    let first = naming::text(path)?;
    if first.first() == Some(&b'/') {
        if let Some(place) = descriptor(first, follow) {
            return Some(place);
        }
    }
    if errno == libc::EACCES {
        return None;
    }
    let mut text = Text::of(&[first])?;
    let mut dirfd = dirfd;
    for _ in 0..MOST {
        let (next, last) = match step(dirfd, &text, follow)? {
            Step::Link(next) => (next, false),
            Step::Last(next) => (next, true),
        };
        if let Some(place) = descriptor(next.bytes(), follow) {
            return Some(place);
        }
        if let Some(place) = find::find(libc::AT_FDCWD, next.as_ptr()) {
            return (place.class != Class::NotOurs).then_some(place);
        }
        if last {
            return None;
        }
        (dirfd, text) = (libc::AT_FDCWD, next);
    }
    None
}

/// The node whose descriptor a path names.
fn descriptor(path: &[u8], follow: bool) -> Option<Place> {
    // The call is about the link itself.
    let fd = follow.then(|| paths::descriptor(path, std::process::id())).flatten()?;
    node_behind(c_int::try_from(fd).ok()?)
}

fn node_behind(fd: c_int) -> Option<Place> {
    if edge::state(fd) != edge::State::Ours {
        return None;
    }
    place::node(edge::node_of(fd)?)
}

/// The descriptor of ours that `path` names, perhaps by links: for paths of which the kernel says that there is
/// a socket. May change errno.
#[cold]
#[inline(never)]
pub fn to_descriptor(dirfd: c_int, path: *const c_char) -> Option<Place> {
    follow(dirfd, path, true, libc::ENXIO).filter(|place| matches!(place.class, Class::Device(_)))
}

/// The next step: the longest part of the path that exists, looked for from the path's end.
fn step(dirfd: c_int, text: &Text, follow: bool) -> Option<Step> {
    let path = text.bytes();
    // A slash at the end makes the kernel follow the link before it.
    let mut end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    loop {
        let (prefix, rest) = path.split_at_checked(end)?;
        // A call that does not follow links has looked at the last part itself.
        if follow || !rest.is_empty() {
            let prefix_text = Text::of(&[prefix])?;
            let mut room = [0; ROOM];
            match read_link(dirfd, &prefix_text, &mut room) {
                Ok(target) if target.starts_with(b"/") => {
                    return Text::of(&[target, rest]).map(Step::Link);
                }
                Ok(target) => {
                    let (folder, name) = split(prefix);
                    let mut room = [0; ROOM];
                    let folder = kernels_name(dirfd, folder, &mut room)?;
                    // The kernel's links to sockets are no names.
                    let is_socket = target.starts_with(b"socket:");
                    return if is_socket {
                        Text::of(&[folder, b"/", name, rest]).map(Step::Last)
                    } else {
                        Text::of(&[folder, b"/", target, rest]).map(Step::Link)
                    };
                }
                // This part exists and is no link, so the missing name is below it.
                Err(libc::EINVAL) if paths::relative_may_matter(rest) => {
                    let mut room = [0; ROOM];
                    let folder = kernels_name(dirfd, prefix, &mut room)?;
                    return Text::of(&[folder, rest]).map(Step::Last);
                }
                Err(libc::ENOENT | libc::ENOTDIR) => {}
                Err(_) => return None,
            }
        }
        // It may be in a folder of ours behind a link, if we have a file of this name.
        if rest.is_empty() && !paths::may_end(path) {
            return None;
        }
        end = split(prefix).0.len();
        if end == 0 || path.get(..end) == Some(b"/") {
            return None;
        }
    }
}

/// A path's folder, without the slashes at its end, and the last name, with those behind it. The folder of a
/// name in the root is `/`, that of a bare name is empty.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let is_name = |byte: &u8| *byte != b'/';
    let end = path.iter().rposition(is_name).map_or(0, |last| last + 1);
    let named = path.get(..end).unwrap_or(path);
    let begin = named.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at_checked(begin).unwrap_or((path, b""));
    let len = folder.iter().rposition(is_name).map_or(folder.len().min(1), |last| last + 1);
    (folder.get(..len).unwrap_or(folder), name)
}

fn read_link<'room>(dirfd: c_int, path: &Text, room: &'room mut [u8; ROOM]) -> Result<&'room [u8], c_int> {
    // SAFETY: a C string, the buffer and its length.
    let len = unsafe { real::readlinkat(dirfd, path.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    let Ok(len) = usize::try_from(len) else {
        return Err(crate::errno::get());
    };
    // One that fills the buffer was cut.
    if len < room.len() { room.get(..len).ok_or(libc::ENAMETOOLONG) } else { Err(libc::ENAMETOOLONG) }
}

/// The kernel's own name for a folder, without links. For a folder of the tree: the folder that it stands for.
fn kernels_name<'room>(dirfd: c_int, path: &[u8], room: &'room mut [u8; ROOM]) -> Option<&'room [u8]> {
    let name = if path.is_empty() {
        find::folder_of(dirfd, room)?
    } else {
        let path = Text::of(&[path])?;
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: a C string; no mode is needed, nothing is created.
        let fd = unsafe { real::openat(dirfd, path.as_ptr(), flags, 0) };
        if fd < 0 {
            return None;
        }
        let name = naming::behind_descriptor(fd, room);
        // SAFETY: opened above, and nobody else has it.
        unsafe { real::close(fd) };
        name?
    };
    Some(folder::below_tree(name).unwrap_or(name))
}

/// The place of ours that a link leads to, for an open that may create a file: the kernel would make a plain file
/// in /dev.
#[inline(never)]
pub fn would_create(dirfd: c_int, path: *const c_char) -> Option<Place> {
    let before = crate::errno::get();
    let mut byte = 0_u8;
    // Nearly always the path exists and is no link: then it is a file of the program's own.
    let may_be_link = naming::text(path).is_some_and(|_| {
        // SAFETY: the program's own path, and room for one byte.
        let len = unsafe { real::readlinkat(dirfd, path, (&raw mut byte).cast(), 1) };
        len > 0 || crate::errno::get() == libc::ENOENT
    });
    let place = if may_be_link { follow(dirfd, path, true, libc::ENOENT) } else { None };
    crate::errno::set(before);
    place
}
