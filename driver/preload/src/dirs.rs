//! Folder streams: our entries among the real ones.
//!
//! telldir and seekdir know the real entries only: a seek starts among those, and ours are not
//! given a second time without a rewinddir.

use crate::errno;
use crate::listing::{self, Entry};
use crate::real;
use crate::route;
use core::ffi::{c_char, c_int};
use libc::{AT_FDCWD, DIR, dirent, dirent64};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{Class, classify, strip_tree};

/// Opens a folder: the real one and our entries with it, or one that only the tree has.
pub fn open_folder(path: *const c_char) -> *mut DIR {
    // SAFETY: the program's own argument, or a path of ours in its place.
    let call = |path: *const c_char| unsafe { real::opendir(path) };
    let Some(place) = route::find(AT_FDCWD, path) else {
        return call(path);
    };
    match place.class {
        Class::MergedDir => {
            let before = errno::get();
            let stream = call(path);
            if !stream.is_null() {
                listing::attach(stream, &place);
                return stream;
            }
            let Some(mapped) = place.mapped().filter(|_| errno::get() == libc::ENOENT) else {
                return stream;
            };
            errno::set(before);
            call(mapped.as_ptr())
        }
        Class::Tree { legacy } => {
            if legacy {
                edge::mark_legacy();
            }
            place.call(AT_FDCWD, path, |_, path| call(path))
        }
        _ => place.call(AT_FDCWD, path, |_, path| call(path)),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn opendir(path: *const c_char) -> *mut DIR {
    open_folder(path)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdopendir(fd: c_int) -> *mut DIR {
    // SAFETY: the program's own argument.
    let stream = unsafe { real::fdopendir(fd) };
    if !stream.is_null() {
        let before = errno::get();
        merge_by_descriptor(stream, fd);
        errno::set(before);
    }
    stream
}

/// The folder behind a descriptor may be one that is merged. One of the tree's own is complete.
fn merge_by_descriptor(stream: *mut DIR, fd: c_int) {
    let Some(tree) = edge::tree() else {
        return;
    };
    let mut room = route::buffer();
    let Some(folder) = route::behind_descriptor(fd, &mut room) else {
        return;
    };
    if strip_tree(folder, tree.to_bytes()).is_some() {
        return;
    }
    if let Some(place) = route::place(classify(folder)) {
        if place.class == Class::MergedDir {
            listing::attach(stream, &place);
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn closedir(stream: *mut DIR) -> c_int {
    if !stream.is_null() {
        listing::detach(stream);
        // SAFETY: the program's own, live stream.
        let fd = unsafe { libc::dirfd(stream) };
        // It is closed inside glibc, which no hook sees.
        let _ = edge::before_close(fd);
    }
    // SAFETY: the program's own argument.
    unsafe { real::closedir(stream) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rewinddir(stream: *mut DIR) {
    listing::rewind(stream);
    // SAFETY: the program's own argument.
    unsafe { real::rewinddir(stream) }
}

/// The next entry: a real one, and after those ours.
pub fn next<E: Entry>(stream: *mut DIR, call: impl Fn() -> *mut E) -> *mut E {
    let entry = call();
    if entry.is_null() { listing::next(stream) } else { entry }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readdir(stream: *mut DIR) -> *mut dirent {
    // SAFETY: the program's own argument.
    next(stream, || unsafe { real::readdir(stream) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readdir64(stream: *mut DIR) -> *mut dirent64 {
    // SAFETY: the program's own argument.
    next(stream, || unsafe { real::readdir64(stream) })
}

/// readdir_r: 0 and null at the end, an errno as the answer otherwise.
fn next_r<E: Entry>(stream: *mut DIR, entry: *mut E, result: *mut *mut E, call: impl Fn() -> c_int) -> c_int {
    let answer = call();
    // SAFETY: the call has just written there; `entry` is the program's room.
    let (result, entry) = unsafe { (&mut *result, &mut *entry) };
    if answer == 0 && result.is_null() && listing::next_into(stream, entry) {
        *result = entry;
    }
    answer
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readdir_r(stream: *mut DIR, entry: *mut dirent, result: *mut *mut dirent) -> c_int {
    // SAFETY: the program's own arguments.
    next_r(stream, entry, result, || unsafe { real::readdir_r(stream, entry, result) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readdir64_r(
    stream: *mut DIR,
    entry: *mut dirent64,
    result: *mut *mut dirent64,
) -> c_int {
    // SAFETY: the program's own arguments.
    next_r(stream, entry, result, || unsafe { real::readdir64_r(stream, entry, result) })
}
