//! Devices as fuser and lsof find them: behind /proc/PID/fd/N of any process.
//!
//! The kernel has a socket there, with permission bits that no other socket has. `open/INODE` in the daemon's tree
//! leads to its node.

use crate::errno;
use crate::naming;
use crate::real;
use core::ffi::CStr;
use vloopback_runtime::edge;
use vloopback_runtime::paths;
use vloopback_sys::decimal::Decimal;

/// The node behind a socket with this inode, in any process. None: it is not a device of our server.
#[cold]
pub(crate) fn node_of(inode: u64) -> Option<u32> {
    const LEADS_TO: &[u8] = b"../dev/video";
    let before = errno::get();
    let found = edge::tree().and_then(|tree| {
        let mut room = naming::buffer();
        let path = join(tree.to_bytes(), inode, &mut room)?;
        let mut text = [0; 64];
        // SAFETY: a C string, the buffer and its length.
        let len = unsafe { real::readlink(path.as_ptr(), text.as_mut_ptr().cast(), text.len()) };
        let text = text.get(..usize::try_from(len).ok()?)?;
        text.strip_prefix(LEADS_TO).and_then(paths::decimal)
    });
    errno::set(before);
    found
}

/// `TREE/open/INODE`.
fn join<'room>(tree: &[u8], inode: u64, room: &'room mut [u8]) -> Option<&'room CStr> {
    let mut at = 0;
    for piece in [tree, b"/open/", Decimal::new(inode).as_bytes(), b"\0"] {
        room.get_mut(at..at + piece.len())?.copy_from_slice(piece);
        at += piece.len();
    }
    CStr::from_bytes_until_nul(room).ok()
}

/// The node that a link in /proc stands for, by the link's text.
pub(crate) fn node_of_link(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    let digits = core::str::from_utf8(digits).ok()?;
    node_of(digits.parse().ok()?)
}
