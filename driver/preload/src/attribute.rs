//! Files of a node's folder in /sys that can be written, as v4l2loopback has them (`vloopback_runtime::loopback`).
//!
//! Such a file is opened as the tree's, for reading only, because nobody but the daemon changes the tree. So a write
//! to it fails with EBADF, and only then the hook looks at the descriptor's path, as for /dev/v4l2loopback. So copies
//! of a descriptor, and those that came by exec, work too. What is written is a request to the daemon, whose refusal
//! is the write's errno.

use core::ffi::{c_int, c_void};

use libc::{iovec, size_t, ssize_t};
use vloopback_runtime::loopback::{ATTRIBUTE, Attribute, attribute, set_attribute};
use vloopback_runtime::{edge, paths};

use crate::errno::{self, fail};
use crate::naming;
use crate::place::Place;

/// Whether a place is such a file.
pub fn is_one(place: &Place) -> bool {
    attribute(place.path.as_bytes()).is_some()
}

/// Which of the files is behind a descriptor. Leaves errno as it is.
#[cold]
fn behind(fd: c_int) -> Option<(Attribute, u32)> {
    let before = errno::get();
    let mut room = naming::buffer();
    let path = naming::behind_descriptor(fd, &mut room).unwrap_or(&[]);
    errno::set(before);
    // The daemon has put another file in its place since it was opened.
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    attribute(paths::strip_tree(path, edge::tree()?.to_bytes())?)
}

/// Whether one of the files is behind a descriptor. Leaves errno as it is.
pub fn is_behind(fd: c_int) -> bool {
    edge::tree().is_some() && behind(fd).is_some()
}

/// The result of a write that has failed. It stays a failure unless the descriptor is one of these files.
#[cold]
pub fn write(fd: c_int, buf: *const c_void, len: size_t) -> ssize_t {
    let piece = iovec { iov_base: buf.cast_mut(), iov_len: len };
    write_pieces(fd, core::slice::from_ref(&piece))
}

/// The same of writev: `iov` names `count` pieces in the program's memory.
#[cold]
pub fn writev(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t {
    let failure = errno::get();
    let mut pieces = [const { iovec { iov_base: core::ptr::null_mut(), iov_len: 0 } }; 8];
    let count = usize::try_from(count).unwrap_or(0);
    let known = pieces.get_mut(..count).is_some_and(|pieces| {
        pieces.iter_mut().enumerate().all(|(k, piece)| {
            let words = edge::words::<2>(iov.addr() + k * size_of::<iovec>());
            words.map(|[at, len]| *piece = iovec { iov_base: at as *mut c_void, iov_len: len }).is_some()
        })
    });
    errno::set(failure);
    if known { write_pieces(fd, pieces.get(..count).unwrap_or(&[])) } else { -1 }
}

fn write_pieces(fd: c_int, pieces: &[iovec]) -> ssize_t {
    if errno::get() != libc::EBADF {
        return -1;
    }
    let Some((which, node)) = edge::tree().and_then(|_| behind(fd)) else { return -1 };
    let (mut text, mut len) = ([0; ATTRIBUTE], 0usize);
    for piece in pieces {
        let Some(room) = text.get_mut(len..len.saturating_add(piece.iov_len)) else {
            return fail(libc::EINVAL);
        };
        if !edge::copy_in(piece.iov_base as usize, room) {
            return fail(libc::EFAULT);
        }
        len += piece.iov_len;
    }
    match set_attribute(which, node, text.get(..len).unwrap_or(&[])) {
        Ok(()) => ssize_t::try_from(len).unwrap_or(ssize_t::MAX),
        Err(errno) => fail(errno.raw()),
    }
}
