//! What a path of the program means, by its text alone.

use core::ffi::{c_char, c_int};

use vloopback_runtime::edge;
use vloopback_runtime::paths::{self, Class, Found, LONGEST};

use crate::errno;
use crate::folder;
use crate::naming::{ROOM, behind_descriptor, is_text, text};
use crate::place::{Place, place};

/// What `path`, taken from the folder `dirfd`, means. None: the system's own business, and nothing
/// was disturbed to find that out. So is [`Class::NotOurs`], but by the words of [`Place::outer`].
#[inline]
pub fn find(dirfd: c_int, path: *const c_char) -> Option<Place> {
    // Records of paths are large: nothing is made for the many that end here.
    if is_not_ours(path) { None } else { find_ours(dirfd, path) }
}

/// Whether a path is none of ours whatever folder it is taken from: the early no, for callers that
/// would need room on the stack otherwise.
#[inline(always)]
pub fn is_not_ours(path: *const c_char) -> bool {
    if !is_text(path) {
        return true;
    }
    // SAFETY: a C string of the program's (`text`), of which no byte behind the end is asked for.
    let byte = |at| unsafe { path.add(at).read() as u8 };
    if byte(0) == b'/' { !paths::absolute_may_matter_by(byte) } else { is_not_our_name(path) }
}

/// [`is_not_ours`] of a relative path.
#[inline(never)]
fn is_not_our_name(path: *const c_char) -> bool {
    !folder::is_inside() && !text(path).is_some_and(paths::relative_may_matter)
}

#[cold]
pub(crate) fn find_ours(dirfd: c_int, path: *const c_char) -> Option<Place> {
    let text = text(path)?;
    if text.first() == Some(&b'/') {
        return place(paths::classify(text));
    }
    let (found, inside) = from_folder(dirfd, text)?;
    match place(found) {
        Some(mut place) => {
            place.set_outer(inside);
            Some(place)
        }
        // The system's, but not by the program's words.
        None if inside => {
            let class = Class::NotOurs;
            let (path, today) = (found.path, false);
            let mut place = Place { class, path, mapped: [0; ROOM], today, outer: [0; LONGEST + 2] };
            place.set_outer(true);
            Some(place)
        }
        None => None,
    }
}

/// A relative path, whose folder must be asked for, and whether that is one of the tree. Only those come here
/// that look like ours.
#[cold]
fn from_folder(dirfd: c_int, text: &[u8]) -> Option<(Found, bool)> {
    let before = errno::get();
    let found = edge::tree().and_then(|_| {
        let mut room = [0; ROOM];
        let folder = folder_of(dirfd, &mut room)?;
        // A folder of the tree is the one that it stands for.
        let below = folder::below_tree(folder);
        Some((paths::classify_in(below.unwrap_or(folder), text), below.is_some()))
    });
    errno::set(before);
    found
}

/// The folder that a relative path starts from, as the kernel names it. May change errno.
pub fn folder_of(dirfd: c_int, room: &mut [u8]) -> Option<&[u8]> {
    if dirfd == libc::AT_FDCWD { folder::current(room) } else { behind_descriptor(dirfd, room) }
}
