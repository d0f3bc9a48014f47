//! What a path of the program means, by its text alone.

use core::ffi::{c_char, c_int};

use vloopback_runtime::edge;
use vloopback_runtime::paths::{self, Class, Found, LONGEST};

use crate::errno;
use crate::folder;
use crate::naming::{ROOM, behind_descriptor, is_text, text};
use crate::place::{Place, place};

/// What `path`, relative to the folder `dirfd`, means. None: the path is the system's, and errno is as before.
/// [`Class::NotOurs`] is the system's too, but under the path [`Place::outer`].
#[inline]
pub fn find(dirfd: c_int, path: *const c_char) -> Option<Place> {
    // A record of a path is large, so none is made for the many paths that end here.
    if is_not_ours(path) { None } else { find_ours(dirfd, path) }
}

/// Whether a path cannot be one of ours, whatever folder it is relative to. It spares callers the stack space of a
/// [`Place`].
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
        // The system's, but under another path than the program gave.
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

/// A relative path that looks like one of ours: finds its folder, and whether that is in the tree.
#[cold]
fn from_folder(dirfd: c_int, text: &[u8]) -> Option<(Found, bool)> {
    let before = errno::get();
    let found = edge::tree().and_then(|_| {
        let mut room = [0; ROOM];
        let folder = folder_of(dirfd, &mut room)?;
        // A folder of the tree counts as the folder that it stands for.
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
