//! The program's words for files, and the kernel's.

use core::ffi::{CStr, c_char, c_int};

use vloopback_sys::decimal::Decimal;

use crate::real;

/// The bytes of a C string that the program gave. None for a pointer that cannot be one: null, a small number, or an
/// error number that the program never checked. The kernel answers those with EFAULT, and so must we.
pub fn text<'program>(path: *const c_char) -> Option<&'program [u8]> {
    if !is_text(path) {
        return None;
    }
    // SAFETY: the program gave it as a C string that lives as long as its call, and so longer
    // than any of our hooks runs.
    Some(unsafe { CStr::from_ptr(path) }.to_bytes())
}

/// See [`text`].
#[inline]
pub(crate) fn is_text(path: *const c_char) -> bool {
    (4096..usize::MAX - 4096).contains(&path.addr())
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
pub(crate) fn write_numbered(name: &[u8], number: u32, room: &mut [u8]) {
    room.fill(0);
    let digits = Decimal::new(number.into());
    for (place, byte) in room.iter_mut().zip(name.iter().chain(digits.as_bytes())) {
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

/// A path buffer for [`behind_descriptor`].
pub fn buffer() -> [u8; ROOM] {
    [0; ROOM]
}

/// The longest path into the tree: the socket's (108 bytes at most), and one of ours below it.
pub const ROOM: usize = 512;
