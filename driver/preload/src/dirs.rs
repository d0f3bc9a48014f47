//! Folder streams: the tree's entries among the real ones.
//!
//! telldir and seekdir know the real entries only: a seek affects those, and the tree's entries continue
//! where they were. rewinddir starts both again.

use crate::errno;
use crate::folder;
use crate::listing;
use crate::naming;
use crate::place;
use crate::place::Place;
use crate::real;
use crate::remote;
use crate::route;
use core::ffi::{c_char, c_int};
use libc::{AT_FDCWD, DIR, dirent, dirent64};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{Class, classify};
use vloopback_runtime::stack;
use vloopback_runtime::tree_image::Kind;

/// Opens a folder: the real one merged with our entries, or one that only the tree has. A folder below one of ours is
/// the tree's where the tree has it.
pub fn open_folder(path: *const c_char) -> *mut DIR {
    // SAFETY: the program's own argument, or a path of ours in its place.
    let call = |path: *const c_char| unsafe { real::opendir(path) };
    route::serve(AT_FDCWD, path, true, |_, path| call(path), |place| open_ours(place, path, call))
}

fn open_ours(place: &Place, path: *const c_char, call: impl Fn(*const c_char) -> *mut DIR) -> *mut DIR {
    let (_, path) = place.outer(AT_FDCWD, path);
    if let Class::Tree { legacy: true } = place.class {
        edge::mark_legacy();
    }
    let before = errno::get();
    let Some(mapped) = place.mapped() else {
        return call(path);
    };
    if place.class == Class::MergedDir {
        let stream = call(path);
        if !stream.is_null() {
            listing::attach(stream, place);
            return stream;
        }
        if errno::get() != libc::ENOENT {
            return stream;
        }
    }
    errno::set(before);
    if let Some(image) = remote::image() {
        if let Some(entry) = remote::find(&image, place, true).filter(|entry| entry.kind == Kind::Dir) {
            let stream = remote::stand_in();
            if !stream.is_null() {
                listing::attach_remote(stream, place, &image, entry.path);
            }
            return stream;
        }
    }
    let stream = call(mapped.as_ptr());
    if !stream.is_null() {
        folder::opened();
        listing::attach_alone(stream, place);
        return stream;
    }
    if !matches!(errno::get(), libc::ENOENT | libc::ENOTDIR) {
        return stream;
    }
    errno::set(before);
    call(path)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn opendir(path: *const c_char) -> *mut DIR {
    stack::align();
    open_folder(path)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdopendir(fd: c_int) -> *mut DIR {
    stack::align();
    // SAFETY: the program's own argument.
    let stream = unsafe { real::fdopendir(fd) };
    if !stream.is_null() {
        let before = errno::get();
        merge_by_descriptor(stream, fd);
        errno::set(before);
    }
    stream
}

/// The folder behind a descriptor may be one that is merged, or one of the tree.
fn merge_by_descriptor(stream: *mut DIR, fd: c_int) {
    if edge::tree().is_none() {
        return;
    }
    let mut room = naming::buffer();
    let Some(name) = naming::behind_descriptor(fd, &mut room) else {
        return;
    };
    let below = folder::below_tree(name);
    let Some(place) = place::place(classify(below.unwrap_or(name))) else {
        return;
    };
    if below.is_some() {
        listing::attach_alone(stream, &place);
    } else if place.class == Class::MergedDir {
        listing::attach(stream, &place);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn closedir(stream: *mut DIR) -> c_int {
    stack::align();
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
    stack::align();
    listing::rewind(stream);
    // SAFETY: the program's own argument.
    unsafe { real::rewinddir(stream) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readdir(stream: *mut DIR) -> *mut dirent {
    stack::align();
    // SAFETY: the program's own argument.
    listing::next(stream, || unsafe { real::readdir(stream) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readdir64(stream: *mut DIR) -> *mut dirent64 {
    stack::align();
    // SAFETY: the program's own argument.
    listing::next(stream, || unsafe { real::readdir64(stream) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readdir_r(stream: *mut DIR, entry: *mut dirent, result: *mut *mut dirent) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    listing::next_into(stream, entry, result, || unsafe { real::readdir_r(stream, entry, result) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readdir64_r(
    stream: *mut DIR,
    entry: *mut dirent64,
    result: *mut *mut dirent64,
) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    listing::next_into(stream, entry, result, || unsafe { real::readdir64_r(stream, entry, result) })
}
