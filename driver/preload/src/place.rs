//! A path that may be ours: what it means, and where it is in the daemon's tree of plain files.

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};

use vloopback_runtime::edge;
use vloopback_runtime::paths::{self, Class, Found, LONGEST, Normal};

use crate::errno::{self, Outcome};
use crate::naming::{NODE_NAME, ROOM, node_name, write_numbered};

/// Whether this process has named anything of the tree's yet: while it has not, it has opened nothing there.
static NAMED: AtomicBool = AtomicBool::new(false);

/// See [`NAMED`].
#[inline]
pub fn has_named_the_tree() -> bool {
    NAMED.load(Ordering::Relaxed)
}

/// A path that may be ours.
pub struct Place {
    /// What it means.
    pub class: Class,
    /// As the program sees it.
    pub path: Normal,
    /// The same in the daemon's tree, NUL-terminated; empty where there is no tree.
    pub(crate) mapped: [u8; ROOM],
    /// The tree has two files of this name, and this process gets the second ([`paths::TODAY`]).
    pub(crate) today: bool,
    /// The path to use in place of the program's, NUL-terminated: the program's starts from a folder of the tree,
    /// whose `..` is the tree's. Empty where the program's own path is right.
    pub(crate) outer: [u8; LONGEST + 2],
}

impl Place {
    fn map(&mut self, tree: &[u8]) -> Option<()> {
        let (era, below) = (self.era(), self.path.as_bytes());
        let slash: &[u8] = if self.path.must_be_dir() { b"/" } else { b"" };
        // The last byte stays as the terminating NUL.
        let (_, room) = self.mapped.split_last_mut()?;
        let mut at = 0;
        for part in [tree, era, below, slash] {
            room.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        Some(())
    }

    /// The folder of the tree in which the path is looked for: nothing for the tree itself.
    pub fn era(&self) -> &'static [u8] {
        if self.today { paths::TODAY } else { b"" }
    }

    /// Uses the path itself in place of the program's, if that starts `inside` the tree.
    pub(crate) fn set_outer(&mut self, inside: bool) {
        if !inside {
            return;
        }
        let below: &[u8] = match self.path.as_bytes() {
            b"" => b"/",
            path => path,
        };
        let slash: &[u8] = if self.path.must_be_dir() { b"/" } else { b"" };
        for (to, from) in self.outer.iter_mut().zip(below.iter().chain(slash)) {
            *to = *from;
        }
    }

    /// The path for the system: the program's own where that is right.
    pub fn outer(&self, dirfd: c_int, path: *const c_char) -> (c_int, *const c_char) {
        if self.outer[0] == 0 { (dirfd, path) } else { (libc::AT_FDCWD, self.outer.as_ptr().cast()) }
    }

    /// The path in the tree, if there is a tree.
    pub fn mapped(&self) -> Option<&CStr> {
        CStr::from_bytes_until_nul(&self.mapped).ok().filter(|path| !path.is_empty())
    }

    /// The node number, where the path names a device. `follow`: symbolic links are followed.
    pub fn device(&self, follow: bool) -> Option<u32> {
        match self.class {
            Class::Device(number) => Some(number),
            Class::DeviceLink(number) if follow => Some(number),
            _ => None,
        }
    }

    /// Makes a call that names one path, on the one of the two paths that exists. The tree comes first for what is
    /// ours, the system for folders that both share.
    pub fn call<R: Outcome>(
        &self,
        dirfd: c_int,
        path: *const c_char,
        call: impl Fn(c_int, *const c_char) -> R,
    ) -> R {
        let outer = self.outer(dirfd, path);
        let Some(mapped) = self.mapped() else {
            return call(outer.0, outer.1);
        };
        let mapped = (libc::AT_FDCWD, mapped.as_ptr());
        let (first, second) = match self.class {
            Class::MergedDir => (outer, mapped),
            _ => (mapped, outer),
        };
        let before = errno::get();
        let result = call(first.0, first.1);
        if !result.failed() || !matches!(errno::get(), libc::ENOENT | libc::ENOTDIR) {
            return result;
        }
        errno::set(before);
        call(second.0, second.1)
    }
}

/// What was found, with its path in the tree. None: the path is the system's after all.
#[cold]
pub fn place(found: Found) -> Option<Place> {
    let class = match found.class {
        Class::NotOurs => return None,
        Class::Modules if !is_found(found.path.as_bytes()) => return None,
        Class::Release(_) if edge::fake_release().is_none() || found.path.must_be_dir() => return None,
        Class::Tree { .. } if found.path.as_bytes() == paths::CONTROL && !edge::finds_todays_names() => {
            return None;
        }
        // A node is no folder: the system says that there is none of this name.
        Class::Device(_) | Class::DeviceLink(_) if found.path.must_be_dir() => return None,
        class => class,
    };
    let today = paths::differs_by_era(found.path.as_bytes()) && edge::finds_todays_names();
    let mut place = Place { class, path: found.path, mapped: [0; ROOM], today, outer: [0; LONGEST + 2] };
    if let Class::Release(_) = class {
        // Not a file of the tree: those have the same text for every process.
        return Some(place);
    }
    let before = errno::get();
    let tree = edge::tree();
    errno::set(before);
    match tree {
        Some(tree) => {
            place.map(tree.to_bytes())?;
            NAMED.store(true, Ordering::Relaxed);
        }
        // Without a reachable tree a device may still be opened: the daemon decides.
        None if matches!(class, Class::Device(_) | Class::DeviceLink(_)) => {}
        None => return None,
    }
    Some(place)
}

/// Whether this process finds a path of [`Class::Modules`].
pub fn is_found(path: &[u8]) -> bool {
    paths::is_found(path, edge::is_legacy(), edge::finds_todays_names())
}

/// Node `number`'s place in the tree; None without a tree.
pub fn node(number: u32) -> Option<Place> {
    let mut room = [0; NODE_NAME];
    let found = paths::classify(node_name(number, &mut room).to_bytes());
    place(found)
}

/// The place of udev's record of node `number`; None without a tree.
pub fn udev_record(number: u32) -> Option<Place> {
    let mut room = [0; NODE_NAME + 8];
    write_numbered(b"/run/udev/data/c81:", number, &mut room);
    place(paths::classify(CStr::from_bytes_until_nul(&room).ok()?.to_bytes()))
}
