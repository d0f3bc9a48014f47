//! The tree where its folder is out of reach: a container that has the socket and the library, but not
//! `SOCKET.d`. Then the tree comes through the daemon's connection, anew for each call, and calls are
//! answered from memory.
//!
//! Folders can be listed but not opened or entered, because they do not exist for the kernel.

use crate::errno::{self, fail};
use crate::place::{self, Place};
use crate::real;
use crate::release;
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};
use libc::DIR;
use vloopback_runtime::edge;
use vloopback_runtime::paths;
use vloopback_runtime::tree_image::{self, Entry, Kind};

/// Whether this process has seen the tree's folder: then it never asks the daemon for the tree.
static IN_REACH: AtomicBool = AtomicBool::new(false);

/// All that the tree has, in memory of its own.
pub struct Image {
    at: *mut u8,
    len: usize,
}

impl Image {
    /// Asks the daemon. None: it is out of reach, too, or there is no memory.
    fn fetch() -> Option<Self> {
        let fd = edge::fetch_tree()?;
        let image = Self::read(fd);
        // SAFETY: the daemon's, given to us alone.
        unsafe { real::close(fd) };
        image
    }

    fn read(fd: c_int) -> Option<Self> {
        let mut status = core::mem::MaybeUninit::<libc::stat64>::zeroed();
        // SAFETY: an open descriptor, and room for one answer.
        let result = unsafe { real::fstat64(fd, status.as_mut_ptr()) };
        // SAFETY: all zeros is a valid value, and success has filled it.
        let len = usize::try_from(unsafe { status.assume_init() }.st_size).ok()?;
        if result != 0 || len == 0 || len > tree_image::MAX_IMAGE {
            return None;
        }
        // Read and not mapped: whoever made the file may make it shorter.
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping.
        let at = unsafe { real::mmap64(core::ptr::null_mut(), len, prot, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return None;
        }
        let image = Self { at: at.cast(), len };
        // SAFETY: the mapping and its length.
        let count = unsafe { real::pread64(fd, at, len, 0) };
        (usize::try_from(count) == Ok(len)).then_some(image)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is ours, as long as that, and lives as long as this.
        unsafe { core::slice::from_raw_parts(self.at, self.len) }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody has a part of it.
        unsafe { real::munmap(self.at.cast(), self.len) };
    }
}

/// The tree, where its folder is out of reach and the daemon is not. Leaves errno as it is.
pub fn image() -> Option<Image> {
    if IN_REACH.load(Ordering::Relaxed) {
        return None;
    }
    fetch_if_needed()
}

#[cold]
fn fetch_if_needed() -> Option<Image> {
    let before = errno::get();
    let folder = place::place(paths::classify(b"/dev"));
    let there = folder.as_ref().and_then(Place::mapped).is_some_and(|folder| {
        let mut status = core::mem::MaybeUninit::<libc::stat64>::uninit();
        // SAFETY: a C string, and room for one answer.
        unsafe { real::stat64(folder.as_ptr(), status.as_mut_ptr()) == 0 }
    });
    let image = if there {
        IN_REACH.store(true, Ordering::Relaxed);
        None
    } else {
        Image::fetch()
    };
    errno::set(before);
    image
}

/// What there is at a place of ours.
pub fn find<'image>(image: &'image Image, place: &Place, follow: bool) -> Option<Entry<'image>> {
    let (era, path) = (place.era(), place.path.as_bytes());
    let mut room = [0; paths::TODAY.len() + paths::LONGEST];
    let (first, rest) = room.split_at_mut(era.len());
    first.copy_from_slice(era);
    rest.get_mut(..path.len())?.copy_from_slice(path);
    let entry = tree_image::find(image.bytes(), room.get(..era.len() + path.len())?, follow)?;
    (entry.kind == Kind::Dir || !place.path.must_be_dir()).then_some(entry)
}

/// `st_mode` of an entry. A node is a plain file, as it is in the tree.
pub fn mode(entry: &Entry<'_>) -> libc::mode_t {
    let kind = match entry.kind {
        Kind::Dir => libc::S_IFDIR,
        Kind::File | Kind::Node => libc::S_IFREG,
        Kind::Link => libc::S_IFLNK,
    };
    kind | entry.mode as libc::mode_t
}

/// An entry's inode number: always the same, and no other entry's.
pub fn inode(entry: &Entry<'_>) -> u64 {
    // FNV-1a, cut to what fits 32 bits, for programs that have no more.
    entry
        .path
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
        .into()
}

/// access(2) of an entry; `effective`: by the effective user.
pub fn access(entry: &Entry<'_>, mode: c_int, effective: bool) -> c_int {
    // SAFETY: no pointers.
    let (uid, gid) = unsafe {
        if effective { (libc::geteuid(), libc::getegid()) } else { (libc::getuid(), libc::getgid()) }
    };
    let wanted = (mode & (libc::R_OK | libc::W_OK | libc::X_OK)) as u32;
    let granted = if uid == 0 {
        // Root may read and write every file, and execute those that anybody may execute.
        0o6 | u32::from(entry.mode & 0o111 != 0)
    } else if uid == entry.uid {
        entry.mode >> 6
    } else if gid == entry.gid || in_group(entry.gid) {
        entry.mode >> 3
    } else {
        entry.mode
    };
    if wanted & !granted & 0o7 == 0 { 0 } else { fail(libc::EACCES) }
}

fn in_group(wanted: libc::gid_t) -> bool {
    let mut groups = [0; 64];
    // SAFETY: room for as many as is said; one who has more is asked for the mode of all others.
    let count = unsafe { libc::getgroups(64, groups.as_mut_ptr()) };
    let count = usize::try_from(count).unwrap_or(0);
    groups.iter().take(count).any(|group| *group == wanted)
}

/// A descriptor on a file of the tree; None for what is none.
pub fn open(place: &Place, flags: c_int) -> Option<c_int> {
    if flags & (libc::O_DIRECTORY | libc::O_PATH) != 0 {
        return None;
    }
    let image = image()?;
    let entry = find(&image, place, true).filter(|entry| entry.kind == Kind::File)?;
    let before = errno::get();
    let opened = release::sealed(&[entry.contents], flags);
    errno::set(before);
    opened
}

/// Copies a link's text into the program's buffer; None for what is no link.
pub fn read_link(place: &Place, buf: *mut c_char, len: usize) -> Option<isize> {
    let image = image()?;
    let entry = find(&image, place, false)?;
    if entry.kind != Kind::Link {
        return Some(fail(libc::EINVAL));
    }
    if buf.is_null() {
        return Some(fail(libc::EFAULT));
    }
    let count = entry.contents.len().min(len);
    // SAFETY: the program's buffer of `len` bytes, and no more than that.
    unsafe { core::ptr::copy_nonoverlapping(entry.contents.as_ptr().cast(), buf, count) };
    isize::try_from(count).ok()
}

/// A stream that stands for a folder of ours: on the root, of which nothing is read.
pub fn stand_in() -> *mut DIR {
    // SAFETY: a C string.
    unsafe { real::opendir(c"/".as_ptr()) }
}

/// The path of the entry that a place leads to.
pub fn real_name(place: &Place, room: &mut [u8; 257]) -> Option<usize> {
    let image = image()?;
    let entry = find(&image, place, true)?;
    let path = entry.path.strip_prefix(place.era()).unwrap_or(entry.path);
    let len = path.len();
    room.get_mut(..len)?.copy_from_slice(path);
    CStr::from_bytes_until_nul(room).ok()?;
    Some(len)
}

/// What the tree has there (`st_mode`), links followed; None where it has nothing.
pub fn mode_in_tree(place: &Place) -> Option<libc::mode_t> {
    if let Some(image) = image() {
        return find(&image, place, true).map(|entry| mode(&entry));
    }
    let mapped = place.mapped()?;
    let before = errno::get();
    let mut status = core::mem::MaybeUninit::<libc::stat64>::zeroed();
    // SAFETY: a C string and room for one answer.
    let result = unsafe { real::stat64(mapped.as_ptr(), status.as_mut_ptr()) };
    errno::set(before);
    // SAFETY: all zeros is a valid value, and success has filled it.
    (result == 0).then(|| unsafe { status.assume_init() }.st_mode)
}
