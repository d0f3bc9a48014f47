//! The entries that are added to the listing of a real folder, and the order of the tree's folders.
//!
//! Nodes come in ascending number: a program that takes the first pipe it finds and lets go of it
//! when it meets a lower one (driver/docs/old-api.md, "Names in sysfs") would otherwise hold, for a moment, a pipe
//! that the next program then finds taken.
//!
//! A folder stream of the C library stays what it is. For a stream on a merged folder a record here
//! says what comes after the real entries. Records are found by the stream's address in a list
//! that only grows and whose links never change: no lock, so that a fork in another thread or a
//! signal handler leaves nothing locked. A record is used again after closedir; their number is
//! the most merged folders that were open at once.

use crate::place::Place;
use crate::real;
use crate::remote::{self, Image};
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use libc::{DIR, dirent, dirent64};
use std::cell::UnsafeCell;
use vloopback_runtime::paths::{Class, classify_in};
use vloopback_runtime::tree_image::{self, Kind};

/// No name of ours is longer.
const NAME: usize = 32;

/// An entry that the real folder does not have.
struct Extra {
    name: [u8; NAME],
    inode: u64,
    kind: u8,
}

/// What belongs to one open folder stream.
struct Added {
    extras: Vec<Extra>,
    /// The stream is on the tree's own folder: `extras` replaces all that is read.
    alone: bool,
    /// The next one to give.
    at: usize,
    /// What readdir and readdir64 point to, valid until the next call.
    entry: dirent,
    entry64: dirent64,
}

/// A record and the stream that it belongs to; null while it is free.
struct Record {
    stream: AtomicPtr<DIR>,
    added: UnsafeCell<Added>,
    next: *mut Record,
}

static RECORDS: AtomicPtr<Record> = AtomicPtr::new(core::ptr::null_mut());
/// How many records are in use. Usually there are none, which ends every search at once.
static IN_USE: AtomicUsize = AtomicUsize::new(0);
/// Marks a record that is being filled; no stream is there.
const TAKEN: *mut DIR = core::ptr::without_provenance_mut(1);

/// A directory entry of either width.
pub trait Entry: Sized {
    /// Fills in a name of ours. `name` ends in NUL.
    fn fill(&mut self, name: &[u8], inode: u64, kind: u8);
    /// The record's own room for an entry of this width.
    fn room(added: &mut AddedRooms) -> *mut Self;
    /// The entry's length in bytes.
    fn len(&self) -> usize;
}

/// The two entry buffers of a record, lent out.
pub struct AddedRooms<'record> {
    entry: &'record mut dirent,
    entry64: &'record mut dirent64,
}

macro_rules! entry {
    ($ty:ty, $room:ident) => {
        impl Entry for $ty {
            fn fill(&mut self, name: &[u8], inode: u64, kind: u8) {
                // Narrower on 32 bits; glibc's readdir would fail there on a number that does not
                // fit, and the tree's do.
                self.d_ino = inode as _;
                self.d_off = 0;
                self.d_reclen = core::mem::size_of::<Self>() as u16;
                self.d_type = kind;
                for (to, from) in self.d_name.iter_mut().zip(name) {
                    *to = *from as c_char;
                }
            }

            fn room(added: &mut AddedRooms) -> *mut Self {
                added.$room
            }

            fn len(&self) -> usize {
                usize::from(self.d_reclen)
            }
        }
    };
}

entry!(dirent, entry);
entry!(dirent64, entry64);

fn records() -> impl Iterator<Item = *mut Record> {
    let mut record = RECORDS.load(Ordering::Acquire);
    core::iter::from_fn(move || {
        let this = record;
        if this.is_null() {
            return None;
        }
        // SAFETY: records are never freed and `next` is written before they can be found.
        record = unsafe { (*this).next };
        Some(this)
    })
}

fn owner<'record>(record: *mut Record) -> &'record AtomicPtr<DIR> {
    // SAFETY: records are never freed; an atomic may be shared.
    unsafe { &(*record).stream }
}

fn find(stream: *mut DIR) -> Option<*mut Record> {
    if IN_USE.load(Ordering::Relaxed) == 0 {
        return None;
    }
    records().find(|record| owner(*record).load(Ordering::Acquire) == stream)
}

/// Takes a free record, or adds a new one to the list. None without memory.
fn take() -> Option<*mut Record> {
    let free = records().find(|record| {
        owner(*record)
            .compare_exchange(core::ptr::null_mut(), TAKEN, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    });
    if free.is_some() {
        return free;
    }
    let mut room: Vec<Record> = Vec::new();
    room.try_reserve_exact(1).ok()?;
    room.push(Record {
        stream: AtomicPtr::new(TAKEN),
        added: UnsafeCell::new(Added {
            extras: Vec::new(),
            alone: false,
            at: 0,
            // SAFETY: integers and arrays of them, for which all zeros is a value.
            entry: unsafe { core::mem::zeroed() },
            // SAFETY: as above.
            entry64: unsafe { core::mem::zeroed() },
        }),
        next: core::ptr::null_mut(),
    });
    let record = room.leak().as_mut_ptr();
    let mut first = RECORDS.load(Ordering::Relaxed);
    loop {
        // SAFETY: nobody else can find the record yet.
        unsafe { (*record).next = first };
        match RECORDS.compare_exchange_weak(first, record, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Some(record),
            Err(now) => first = now,
        }
    }
}

/// The record of a stream. Two threads that read one stream at once must lock it themselves, as
/// POSIX says of readdir, and that keeps this the only reference.
#[allow(clippy::mut_from_ref)]
fn added<'record>(record: *mut Record) -> &'record mut Added {
    // SAFETY: never freed; used by the stream's owner alone, or while it is TAKEN by its maker.
    unsafe { &mut *(*record).added.get() }
}

/// Makes the listing of `stream`, which is open on the real folder of `place`, continue with our entries. Without
/// memory the listing stays the real one.
pub fn attach(stream: *mut DIR, place: &Place) {
    let before = crate::errno::get();
    // SAFETY: a live stream.
    let folder = unsafe { libc::dirfd(stream) };
    if let Some(image) = remote::image() {
        let path = place.path.as_bytes();
        if let Some(extras) = remote_extras(&image, path, place, Some(folder)).filter(|e| !e.is_empty()) {
            record(stream, extras, false);
        }
        crate::errno::set(before);
        return;
    }
    let extras = place.mapped().and_then(|mapped| {
        // SAFETY: a C string.
        let tree_folder = unsafe { real::opendir(mapped.as_ptr()) };
        if tree_folder.is_null() {
            return None;
        }
        let extras = extras(tree_folder, place, Some(folder));
        // SAFETY: opened above.
        unsafe { real::closedir(tree_folder) };
        extras
    });
    if let Some(extras) = extras.filter(|extras| !extras.is_empty()) {
        record(stream, extras, false);
    }
    crate::errno::set(before);
}

/// Puts the listing of `stream`, which is open on the tree's own folder for `place`, in order. Without memory it
/// keeps the file system's order.
pub fn attach_alone(stream: *mut DIR, place: &Place) {
    let before = crate::errno::get();
    let extras = extras(stream, place, None);
    // SAFETY: a live stream.
    unsafe { real::rewinddir(stream) };
    if let Some(extras) = extras {
        record(stream, extras, true);
    }
    crate::errno::set(before);
}

/// Replaces the listing of `stream` by that of a folder in a tree that came from the daemon.
pub fn attach_remote(stream: *mut DIR, place: &Place, image: &Image, folder: &[u8]) {
    let before = crate::errno::get();
    if let Some(extras) = remote_extras(image, folder, place, None) {
        record(stream, extras, true);
    }
    crate::errno::set(before);
}

/// The entries that the folder at `path` has in an image of the tree, and the real folder does not have. None without
/// memory.
fn remote_extras(
    image: &Image,
    path: &[u8],
    place: &Place,
    real_folder: Option<c_int>,
) -> Option<Vec<Extra>> {
    let mut extras = Vec::new();
    let mut add = |name: &[u8], inode, kind| {
        let mut extra = Extra { name: [0; NAME], inode, kind };
        for (to, from) in extra.name.iter_mut().zip(name) {
            *to = *from;
        }
        let is_real = real_folder.is_some_and(|folder| {
            CStr::from_bytes_until_nul(&extra.name).is_ok_and(|name| has(folder, name))
        });
        if !is_real {
            extras.try_reserve(1).ok()?;
            extras.push(extra);
        }
        Some(())
    };
    if real_folder.is_none() {
        add(b".", 1, libc::DT_DIR)?;
        add(b"..", 1, libc::DT_DIR)?;
    }
    for (name, entry) in tree_image::listing(image.bytes(), path) {
        let kind = match entry.kind {
            Kind::Dir => libc::DT_DIR,
            Kind::Link => libc::DT_LNK,
            Kind::File | Kind::Node => libc::DT_REG,
        };
        if let Some(kind) = kind_of(place, name, kind) {
            add(name, remote::inode(&entry), kind)?;
        }
    }
    Some(extras)
}

fn record(stream: *mut DIR, mut extras: Vec<Extra>, alone: bool) {
    let Some(record) = take() else {
        return;
    };
    extras.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
    let added = added(record);
    added.extras = extras;
    added.alone = alone;
    added.at = 0;
    IN_USE.fetch_add(1, Ordering::Relaxed);
    owner(record).store(stream, Ordering::Release);
}

impl Extra {
    /// The order of names: by the text before the number at their end, then by that number.
    fn order(&self) -> (&[u8], u64) {
        let name = self.name.split(|byte| *byte == 0).next().unwrap_or(&[]);
        let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (text, digits) = name.split_at(name.len() - digits);
        // No name of ours has more digits than fit.
        let number = digits
            .iter()
            .fold(0_u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
        (text, number)
    }
}

/// The stream is about to be closed.
pub fn detach(stream: *mut DIR) {
    let Some(record) = find(stream) else {
        return;
    };
    added(record).extras = Vec::new();
    owner(record).store(core::ptr::null_mut(), Ordering::Release);
    IN_USE.fetch_sub(1, Ordering::Relaxed);
}

/// The stream starts again.
pub fn rewind(stream: *mut DIR) {
    if let Some(record) = find(stream) {
        added(record).at = 0;
    }
}

/// The next entry of a stream, in the stream's own buffer: the real ones by `call`, then ours.
pub fn next<E: Entry>(stream: *mut DIR, call: impl Fn() -> *mut E) -> *mut E {
    let Some(record) = find(stream) else {
        return call();
    };
    let Added { extras, alone, at, entry, entry64 } = added(record);
    if !*alone {
        let entry = call();
        if !entry.is_null() {
            return entry;
        }
    }
    let room = E::room(&mut AddedRooms { entry, entry64 });
    // SAFETY: the room lives as long as the record.
    if advance(extras, at, unsafe { &mut *room }) { room } else { core::ptr::null_mut() }
}

/// The next entry in the caller's room, as readdir_r: `result` is `entry`, or null at the end; the
/// answer is 0 or an errno.
pub fn next_into<E: Entry>(
    stream: *mut DIR,
    entry: *mut E,
    result: *mut *mut E,
    call: impl Fn() -> c_int,
) -> c_int {
    let Some(record) = find(stream) else {
        return call();
    };
    let Added { extras, alone, at, .. } = added(record);
    if !*alone {
        let answer = call();
        // SAFETY: the call has just written there.
        if answer != 0 || !unsafe { *result }.is_null() {
            return answer;
        }
    }
    // SAFETY: the program's room for an entry, and its place for the answer.
    let (entry, result) = unsafe { (&mut *entry, &mut *result) };
    *result = if advance(extras, at, entry) { entry } else { core::ptr::null_mut() };
    0
}

fn advance<E: Entry>(extras: &[Extra], at: &mut usize, room: &mut E) -> bool {
    let Some(extra) = extras.get(*at) else {
        return false;
    };
    *at += 1;
    room.fill(&extra.name, extra.inode, extra.kind);
    true
}

/// The entries that the tree's folder has and the real folder does not have. None without memory.
fn extras(tree_folder: *mut DIR, place: &Place, real_folder: Option<c_int>) -> Option<Vec<Extra>> {
    let mut extras = Vec::new();
    // SAFETY: the stream is live and nobody else's; the entry is valid until the next call.
    while let Some(entry) = unsafe { real::readdir64(tree_folder).as_ref() } {
        // SAFETY: glibc terminates names.
        let name = unsafe { CStr::from_ptr(entry.d_name.as_ptr()) };
        let kind = if matches!(name.to_bytes(), b"." | b"..") {
            // Every folder has `.` and `..` of its own, so only a listing without a real folder needs them.
            real_folder.is_none().then_some(libc::DT_DIR)
        } else {
            kind_of(place, name.to_bytes(), entry.d_type)
        };
        let Some(kind) = kind else {
            continue;
        };
        if real_folder.is_some_and(|folder| has(folder, name)) {
            continue;
        }
        extras.try_reserve(1).ok()?;
        let mut extra = Extra { name: [0; NAME], inode: entry.d_ino, kind };
        for (to, from) in extra.name.iter_mut().zip(name.to_bytes()) {
            *to = *from;
        }
        extras.push(extra);
    }
    Some(extras)
}

/// The entry's type as the program is to see it. None: the program must not see the entry.
fn kind_of(place: &Place, name: &[u8], in_tree: u8) -> Option<u8> {
    // Our names never start with a dot; what does is the folder, its parent, or a file that is
    // just being written.
    if name.first() == Some(&b'.') || name.len() >= NAME {
        return None;
    }
    let found = classify_in(place.path.as_bytes(), name);
    match found.class {
        Class::NotOurs => None,
        Class::Modules if !crate::place::is_found(found.path.as_bytes()) => None,
        Class::Device(_) => Some(libc::DT_CHR),
        _ => Some(in_tree),
    }
}

fn has(folder: c_int, name: &CStr) -> bool {
    let mut status = core::mem::MaybeUninit::<libc::stat64>::uninit();
    // SAFETY: an open folder, a C string, and room for one answer.
    let result =
        unsafe { real::fstatat64(folder, name.as_ptr(), status.as_mut_ptr(), libc::AT_SYMLINK_NOFOLLOW) };
    result == 0
}
