//! Where a path of the program leads: to a device, into the daemon's tree of plain files, or, as
//! nearly always, to the system.

use crate::errno::{self, Outcome};
use crate::folder;
use crate::links;
use crate::real;
use crate::remote;
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{self, Class, Found, LONGEST, Normal};

/// The longest path into the tree: the socket's (108 bytes at most), and one of ours below it.
const ROOM: usize = 512;

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
    mapped: [u8; ROOM],
    /// The tree has two of it, and this process finds the second ([`paths::TODAY`]).
    today: bool,
    /// The path where the program's own words lead elsewhere, NUL-terminated: it starts from a folder of the
    /// tree, whose `..` is the tree's. Empty where the program's own words do.
    outer: [u8; LONGEST + 2],
}

/// Makes a call that names one path: `ours` for a place of ours, `call` for the system's own business. Where
/// the system says that there is nothing of this name, the name may lead to us in a way that the text does not
/// show ([`links`]). `follow`: the call follows a symbolic link at the path's end.
#[inline]
pub fn serve<R: Outcome>(
    dirfd: c_int,
    path: *const c_char,
    follow: bool,
    call: impl Fn(c_int, *const c_char) -> R,
    ours: impl Fn(&Place) -> R,
) -> R {
    let before = errno::get();
    if is_foreign(path) {
        let result = call(dirfd, path);
        if !result.failed() || !links::may_lead(errno::get()) {
            return result;
        }
        return serve_link(dirfd, path, follow, (before, result), ours);
    }
    serve_ours(dirfd, path, follow, call, ours)
}

/// [`serve`] of a path that looks like one of ours.
#[inline(never)]
fn serve_ours<R: Outcome>(
    dirfd: c_int,
    path: *const c_char,
    follow: bool,
    call: impl Fn(c_int, *const c_char) -> R,
    ours: impl Fn(&Place) -> R,
) -> R {
    let before = errno::get();
    let place = find_ours(dirfd, path);
    let (dirfd, path) = match &place {
        Some(place) if place.class != Class::NotOurs => return ours(place),
        Some(place) => place.outer(dirfd, path),
        None => (dirfd, path),
    };
    let result = call(dirfd, path);
    if !result.failed() || !links::may_lead(errno::get()) {
        return result;
    }
    serve_link(dirfd, path, follow, (before, result), ours)
}

/// [`serve`] of a path of which the system has said, by `result`, that it leads nowhere. `before`: errno before
/// that.
#[cold]
#[inline(never)]
pub fn serve_link<R: Outcome>(
    dirfd: c_int,
    path: *const c_char,
    follow: bool,
    (before, result): (c_int, R),
    ours: impl Fn(&Place) -> R,
) -> R {
    let errno = errno::get();
    match links::follow(dirfd, path, follow, errno) {
        Some(place) => {
            errno::set(before);
            ours(&place)
        }
        None => {
            errno::set(errno);
            result
        }
    }
}

/// What `path`, taken from the folder `dirfd`, means. None: the system's own business, and nothing
/// was disturbed to find that out. So is [`Class::NotOurs`], but by the words of [`Place::outer`].
#[inline]
pub fn find(dirfd: c_int, path: *const c_char) -> Option<Place> {
    // Records of paths are large: nothing is made for the many that end here.
    if is_foreign(path) { None } else { find_ours(dirfd, path) }
}

/// Whether a path is none of ours whatever folder it is taken from: the early no, for callers that
/// would need room on the stack otherwise.
#[inline(always)]
pub fn is_foreign(path: *const c_char) -> bool {
    if !is_text(path) {
        return true;
    }
    // SAFETY: a C string of the program's (`text`), of which no byte behind the end is asked for.
    let byte = |at| unsafe { path.add(at).read() as u8 };
    if byte(0) == b'/' { !paths::absolute_may_matter_by(byte) } else { is_foreign_name(path) }
}

/// [`is_foreign`] of a relative path.
#[inline(never)]
fn is_foreign_name(path: *const c_char) -> bool {
    !folder::is_inside() && !text(path).is_some_and(paths::relative_may_matter)
}

#[cold]
fn find_ours(dirfd: c_int, path: *const c_char) -> Option<Place> {
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

/// The bytes of a C string that the program gave. None for what only pretends to be one: null, a
/// small number, or an error number that was never checked. The kernel answers those with EFAULT,
/// and so must we.
pub fn text<'program>(path: *const c_char) -> Option<&'program [u8]> {
    if !is_text(path) {
        return None;
    }
    // SAFETY: the program gave it as a C string that lives as long as its call, and so longer
    // than any of our hooks runs.
    Some(unsafe { CStr::from_ptr(path) }.to_bytes())
}

/// What was found, with its path in the tree. None where it comes to the system after all.
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
        // No file of the tree, whose text is the same for everybody.
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
        // Without a tree in reach a device may still be opened: the daemon says.
        None if matches!(class, Class::Device(_) | Class::DeviceLink(_)) => {}
        None => return None,
    }
    Some(place)
}

/// Whether this process finds a path of [`Class::Modules`].
pub fn is_found(path: &[u8]) -> bool {
    paths::is_found(path, edge::is_legacy(), edge::finds_todays_names())
}

/// See [`text`].
#[inline]
fn is_text(path: *const c_char) -> bool {
    (4096..usize::MAX - 4096).contains(&path.addr())
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

    /// Takes the path itself for the program's words, if they start `inside` the tree.
    fn set_outer(&mut self, inside: bool) {
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

    /// The path for the system, in the program's words where those lead there.
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

    /// What the tree has there (`st_mode`), links followed; None where it has nothing.
    pub fn mode_in_tree(&self) -> Option<libc::mode_t> {
        if let Some(image) = remote::image() {
            return remote::find(&image, self, true).map(|entry| remote::mode(&entry));
        }
        let mapped = self.mapped()?;
        let before = errno::get();
        let mut status = core::mem::MaybeUninit::<libc::stat64>::zeroed();
        // SAFETY: a C string and room for one answer.
        let result = unsafe { real::stat64(mapped.as_ptr(), status.as_mut_ptr()) };
        errno::set(before);
        // SAFETY: all zeros is a valid value, and success has filled it.
        (result == 0).then(|| unsafe { status.assume_init() }.st_mode)
    }

    /// Makes a call that names one path, on whichever of the two paths has something. The tree
    /// comes first for what is ours, the system for folders that both share.
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

/// What the kernel says is behind a descriptor: a path, for files and folders. May change errno.
pub fn behind_descriptor(fd: c_int, room: &mut [u8]) -> Option<&[u8]> {
    let number = u32::try_from(fd).ok()?;
    let mut link = [0; 32];
    let link = descriptor_link(number, &mut link);
    // SAFETY: a C string, the buffer and its length.
    let len = unsafe { real::readlink(link.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    let len = usize::try_from(len).ok()?;
    // A link that fills the buffer was cut.
    if len < room.len() { room.get(..len) } else { None }
}

/// `/proc/self/fd/N`.
pub fn descriptor_link(number: u32, room: &mut [u8; 32]) -> &CStr {
    write_numbered(b"/proc/self/fd/", number, room);
    CStr::from_bytes_until_nul(room).unwrap_or(c"/proc/self/fd")
}

/// Writes `name` with `number` behind it and fills up with NUL; what does not fit is cut.
fn write_numbered(name: &[u8], mut number: u32, room: &mut [u8]) {
    let mut digits = [0; 10];
    let mut count = 0;
    for digit in &mut digits {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        count += 1;
        if number == 0 {
            break;
        }
    }
    room.fill(0);
    let digits = digits.iter().take(count).rev();
    for (place, byte) in room.iter_mut().zip(name.iter().chain(digits)) {
        *place = *byte;
    }
}

/// Room for a node's name, NUL included.
pub const NODE_NAME: usize = 24;

/// `/dev/videoN`.
pub fn node_name(number: u32, room: &mut [u8; NODE_NAME]) -> &CStr {
    write_numbered(b"/dev/video", number, room);
    CStr::from_bytes_until_nul(room).unwrap_or(c"/dev/video")
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

/// A path buffer for [`behind_descriptor`].
pub fn buffer() -> [u8; ROOM] {
    [0; ROOM]
}
