//! `/proc/version` and `/proc/sys/kernel/osrelease` under `vloopback run --uname`: with the release
//! of uname(). Scripts and programs of the 2.4 and 2.6 eras look there as well (driver/docs/old-api.md, "The
//! kernel release").
//!
//! The text differs between processes, so the daemon's tree cannot have it: an open gets a sealed file in
//! memory. The system's own files answer all other calls with these names (stat, access).

use crate::errno;
use crate::naming;
use crate::real;
use core::ffi::{CStr, c_int};
use libc::{O_ACCMODE, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_TRUNC};
use vloopback_runtime::edge;
use vloopback_runtime::paths::ReleaseFile;

/// Longer than the kernel's line of build host, compiler and date.
const ROOM: usize = 2048;

/// What the kernel's line begins with, before the release.
const BANNER: &[u8] = b"Linux version ";

/// A descriptor on the file as this process is to see it. None where the system's own file is to be opened: for
/// writing, for its name alone (O_PATH), if the system has no such file, or without memory.
pub fn open(file: ReleaseFile, flags: c_int) -> Option<c_int> {
    if flags & O_ACCMODE != O_RDONLY || flags & (O_PATH | O_DIRECTORY | O_CREAT | O_TRUNC) != 0 {
        return None;
    }
    let release = edge::fake_release()?.to_bytes();
    let before = errno::get();
    let mut room = [0; ROOM];
    let opened = match file {
        ReleaseFile::Version => read(c"/proc/version", &mut room).and_then(|line| {
            let rest = line.strip_prefix(BANNER)?;
            let rest = rest.get(rest.iter().position(u8::is_ascii_whitespace)?..)?;
            sealed(&[BANNER, release, rest], flags)
        }),
        ReleaseFile::OsRelease => {
            read(c"/proc/sys/kernel/osrelease", &mut room).and_then(|_| sealed(&[release, b"\n"], flags))
        }
    };
    errno::set(before);
    opened
}

/// The first bytes of a file of the system.
fn read<'room>(path: &CStr, room: &'room mut [u8; ROOM]) -> Option<&'room [u8]> {
    // SAFETY: a C string; no mode is needed to open what exists.
    let fd = unsafe { real::open(path.as_ptr(), O_RDONLY | O_CLOEXEC, 0) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the buffer and its length.
    let count = unsafe { real::read(fd, room.as_mut_ptr().cast(), room.len()) };
    // SAFETY: opened above, and nobody else has it.
    unsafe { real::close(fd) };
    room.get(..usize::try_from(count).ok()?)
}

/// A file in memory with this text, read-only, at its beginning.
pub(crate) fn sealed(pieces: &[&[u8]], flags: c_int) -> Option<c_int> {
    // SAFETY: a C string and flags.
    let fd = unsafe {
        libc::memfd_create(c"vloopback-release".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING)
    };
    if fd < 0 {
        return None;
    }
    let mut written = true;
    for piece in pieces {
        // SAFETY: the piece and its length.
        let count = unsafe { real::write(fd, piece.as_ptr().cast(), piece.len()) };
        written &= usize::try_from(count) == Ok(piece.len());
    }
    const SEALS: c_int = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    // SAFETY: sets the seals of our own file.
    unsafe { real::fcntl(fd, libc::F_ADD_SEALS, SEALS as usize) };
    let mut link = [0; 32];
    let name = u32::try_from(fd).ok().map(|number| naming::descriptor_link(number, &mut link));
    // An open of its own: read-only, with the program's flags, at the beginning.
    let opened = match name.filter(|_| written) {
        // SAFETY: a C string; nothing is created.
        Some(name) => unsafe { real::open(name.as_ptr(), flags, 0) },
        None => -1,
    };
    // SAFETY: made above, and nobody else has it.
    unsafe { real::close(fd) };
    (opened >= 0).then(|| {
        edge::fresh(opened);
        opened
    })
}
