//! Where a path of the program leads: to a device, into the daemon's tree of plain files, or, as
//! nearly always, to the system.

use crate::errno::{self, Outcome};
use crate::real;
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{self, Class, Found, Normal};

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
}

/// What `path`, taken from the folder `dirfd`, means. None: the system's own business, and nothing
/// was disturbed to find that out.
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
    !text(path).is_some_and(paths::relative_may_matter)
}

#[cold]
fn find_ours(dirfd: c_int, path: *const c_char) -> Option<Place> {
    let text = text(path)?;
    let absolute = text.first() == Some(&b'/');
    let found = if absolute { paths::classify(text) } else { from_folder(dirfd, text)? };
    if found.class == Class::NotOurs {
        return None;
    }
    place(found)
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
        Class::Modules if !edge::is_legacy() => return None,
        Class::Release(_) if edge::fake_release().is_none() || found.path.must_be_dir() => return None,
        // A node is no folder: the system says that there is none of this name.
        Class::Device(_) | Class::DeviceLink(_) if found.path.must_be_dir() => return None,
        class => class,
    };
    let mut place = Place { class, path: found.path, mapped: [0; ROOM] };
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

/// See [`text`].
#[inline]
fn is_text(path: *const c_char) -> bool {
    (4096..usize::MAX - 4096).contains(&path.addr())
}

impl Place {
    fn map(&mut self, tree: &[u8]) -> Option<()> {
        let below = self.path.as_bytes();
        let slash: &[u8] = if self.path.must_be_dir() { b"/" } else { b"" };
        // The last byte stays as the terminating NUL.
        let (_, room) = self.mapped.split_last_mut()?;
        let mut at = 0;
        for part in [tree, below, slash] {
            room.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        Some(())
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
        let Some(mapped) = self.mapped() else {
            return call(dirfd, path);
        };
        let mapped = (libc::AT_FDCWD, mapped.as_ptr());
        let (first, second) = match self.class {
            Class::MergedDir => ((dirfd, path), mapped),
            _ => (mapped, (dirfd, path)),
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

/// A relative path, whose folder must be asked for. Only those come here that look like ours.
#[cold]
fn from_folder(dirfd: c_int, text: &[u8]) -> Option<Found> {
    let before = errno::get();
    let found = edge::tree().and_then(|tree| {
        let mut room = [0; ROOM];
        let folder = if dirfd == libc::AT_FDCWD {
            current_folder(&mut room)?
        } else {
            behind_descriptor(dirfd, &mut room)?
        };
        // A folder of the tree is the one that it stands for.
        let folder = paths::strip_tree(folder, tree.to_bytes())
            .map_or(folder, |below| if below.is_empty() { b"/" } else { below });
        Some(paths::classify_in(folder, text))
    });
    errno::set(before);
    found
}

fn current_folder(room: &mut [u8; ROOM]) -> Option<&[u8]> {
    // SAFETY: the buffer and its length; glibc terminates what it writes.
    let folder = unsafe { libc::getcwd(room.as_mut_ptr().cast(), room.len()) };
    if folder.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(room).ok().map(CStr::to_bytes)
}

/// What the kernel says is behind a descriptor: a path, for files and folders. May change errno.
pub fn behind_descriptor(fd: c_int, room: &mut [u8; ROOM]) -> Option<&[u8]> {
    let number = u32::try_from(fd).ok()?;
    let mut link = [0; 32];
    let link = descriptor_link(number, &mut link);
    // SAFETY: a C string, the buffer and its length.
    let len = unsafe { real::readlink(link.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    let len = usize::try_from(len).ok()?;
    // A link that fills the buffer was cut, and none of ours is so long.
    (len < room.len()).then(|| room.get(..len))?
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
