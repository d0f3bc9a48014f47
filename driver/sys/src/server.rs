//! Whether the process that listens on a socket may be this process's server.
//!
//! A user who can put a socket where a client looks for one could show it false pictures, and see what it pushes.
//! So a client asks the kernel whose process listens (SO_PEERCRED). Root and this process's own user are trusted. Another
//! user (that of a system service, for example) is trusted if root or this process's user gave it the place: each
//! folder of the socket's path belongs to root, to this process's user or to that user, and nobody else may write to it.
//! In a folder in which all may write (a sticky one, /tmp), root or this process's user must own what lies there.
//!
//! In a user namespace that does not know the server's user, the kernel reports 65534 for it and for the folders'
//! owners. Whoever made that namespace put the socket there, so sticky folders count as well.

use core::ffi::c_int;
use core::fmt;

use crate::Errno;
use syscalls::{Sysno, syscall};

/// The longest path of a socket: an AF_UNIX address has no more room.
const MAX_PATH: usize = 107;
/// The number that the kernel reports for a user that the namespace does not know.
const OVERFLOW: u32 = 65534;

/// A server that is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger<'a> {
    /// Whose process it is.
    pub uid: u32,
    /// The file or folder of its path that others may change.
    pub place: &'a [u8],
}

impl fmt::Display for Stranger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uid = self.uid;
        let place = core::str::from_utf8(self.place).unwrap_or("its folder");
        write!(f, "it is run by user {uid}, who is neither root nor you, and ")?;
        if self.place.first() != Some(&b'/') {
            return write!(
                f,
                "{place} is not its whole path, by which it could be told who may put it there"
            );
        }
        write!(f, "{place} is not kept by root, you or {uid} alone")
    }
}

/// Why a server is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused<'a> {
    /// The kernel did not tell whose process it is.
    Unknown(Errno),
    /// It is another user's.
    Stranger(Stranger<'a>),
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Unknown(errno) => write!(f, "the system does not tell whose it is: {errno}"),
            Refused::Stranger(stranger) => stranger.fmt(f),
        }
    }
}

/// A file's owner and mode.
#[derive(Clone, Copy)]
struct Found {
    owner: u32,
    mode: u32,
}

/// Checks the process that listens on `path`, to which `fd` is connected.
///
/// # Errors
/// [`Refused`].
pub fn check(fd: c_int, path: &[u8]) -> Result<(), Refused<'_>> {
    let uid = peer(fd).map_err(Refused::Unknown)?;
    let own = own_users();
    if uid == 0 || own.contains(&uid) {
        return Ok(());
    }
    let unmapped = uid == OVERFLOW && is_contained();
    judge(uid, own, unmapped, path, status)
}

/// The rule, of a server of user `uid`, who is neither root nor one of `own`. `status` tells of a path; with `true`
/// of a link itself.
fn judge(
    uid: u32,
    own: [u32; 2],
    unmapped: bool,
    path: &[u8],
    status: impl Fn(&[u8], bool) -> Option<Found>,
) -> Result<(), Refused<'_>> {
    let refused = |place| Err(Refused::Stranger(Stranger { uid, place }));
    let ours = |user: u32| user == 0 || own.contains(&user);
    if path.first() != Some(&b'/') {
        return refused(path);
    }
    let Some(socket) = status(path, false).filter(|found| ours(found.owner) || found.owner == uid) else {
        return refused(path);
    };
    let mut name = path;
    let mut found = socket;
    while let Some(at) = name.iter().rposition(|byte| *byte == b'/') {
        let folder = if at == 0 { &name[..1] } else { &name[..at] };
        // Of a link in a folder where all may make some it counts who made that one.
        let entry = status(name, true).unwrap_or(found);
        let Some(kept) = status(folder, false) else { return refused(folder) };
        if !ours(kept.owner) && kept.owner != uid {
            return refused(folder);
        }
        let open_to_others = kept.mode & 0o022 != 0;
        let sticky = kept.mode & libc::S_ISVTX != 0;
        if open_to_others && !(sticky && (ours(entry.owner) || unmapped)) {
            return refused(folder);
        }
        if at == 0 {
            return Ok(());
        }
        (name, found) = (folder, kept);
    }
    Ok(())
}

/// The user of the process at the other end.
fn peer(fd: c_int) -> crate::Result<u32> {
    let mut credentials = [0u32; 3];
    let mut len: u32 = 12;
    // SAFETY: room for the kernel's pid, uid and gid.
    unsafe {
        syscall!(
            Sysno::getsockopt,
            fd,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            credentials.as_mut_ptr(),
            &raw mut len
        )
    }
    .map_err(|e| Errno(e.into_raw()))?;
    Ok(credentials[1])
}

/// The effective and the real user of this process.
fn own_users() -> [u32; 2] {
    #[cfg(target_arch = "x86")]
    // SAFETY: they only tell.
    let users = unsafe { [syscall!(Sysno::geteuid32), syscall!(Sysno::getuid32)] };
    #[cfg(not(target_arch = "x86"))]
    // SAFETY: they only tell.
    let users = unsafe { [syscall!(Sysno::geteuid), syscall!(Sysno::getuid)] };
    users.map(|user| user.map_or(OVERFLOW, |user| user as u32))
}

/// Whether this process is in a user namespace that does not know all users. Where /proc is missing it is taken not
/// to be.
fn is_contained() -> bool {
    let mut text = [0u8; 64];
    let path = c"/proc/self/uid_map";
    // SAFETY: a valid path; makes a descriptor that is ours.
    let opened = unsafe {
        syscall!(Sysno::openat, libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0)
    };
    let Ok(fd) = opened else { return false };
    // SAFETY: room for so many bytes.
    let got = unsafe { syscall!(Sysno::read, fd, text.as_mut_ptr(), text.len()) };
    // SAFETY: the descriptor is ours.
    let _ = unsafe { syscall!(Sysno::close, fd) };
    let Some(text) = got.ok().and_then(|len| text.get(..len)) else { return false };
    // The first namespace: all users, as themselves.
    let mut words = text.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let all: [Option<&[u8]>; 4] = [Some(b"0"), Some(b"0"), Some(b"4294967295"), None];
    !all.iter().all(|wanted| words.next() == *wanted)
}

/// stat of a path; `link`: of a link itself.
fn status(path: &[u8], link: bool) -> Option<Found> {
    let mut name = [0u8; MAX_PATH + 1];
    if path.len() > MAX_PATH {
        return None;
    }
    name[..path.len()].copy_from_slice(path);
    let flags = if link { libc::AT_SYMLINK_NOFOLLOW } else { 0 };
    #[cfg(target_pointer_width = "64")]
    {
        #[cfg(target_arch = "x86_64")]
        let number = Sysno::newfstatat;
        #[cfg(not(target_arch = "x86_64"))]
        let number = Sysno::fstatat;
        // SAFETY: all zeros is a valid stat record.
        let mut status: libc::stat = unsafe { core::mem::zeroed() };
        // SAFETY: a path that ends with 0, and room for one answer, in the kernel's own layout, which is the C
        // library's here.
        unsafe { syscall!(number, libc::AT_FDCWD, name.as_ptr(), &raw mut status, flags) }.ok()?;
        Some(Found { owner: status.st_uid, mode: status.st_mode })
    }
    #[cfg(target_pointer_width = "32")]
    {
        // SAFETY: all zeros is a valid stat record.
        let mut status: libc::stat64 = unsafe { core::mem::zeroed() };
        // SAFETY: as above.
        unsafe { syscall!(Sysno::fstatat64, libc::AT_FDCWD, name.as_ptr(), &raw mut status, flags) }.ok()?;
        Some(Found { owner: status.st_uid, mode: status.st_mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: u32 = 990;
    const EVIL: u32 = 65534;
    const ME: u32 = 1000;

    /// Judges a server of `uid` at `path`, where these files are; links are told of first.
    fn judged(uid: u32, unmapped: bool, path: &str, files: &[(&str, u32, u32)]) -> Result<(), String> {
        let status = |path: &[u8], link: bool| {
            let mut found = files.iter().filter(|(name, ..)| name.as_bytes() == path);
            let found = if link { found.next() } else { found.next_back() };
            found.map(|&(_, owner, mode)| Found { owner, mode })
        };
        judge(uid, [ME, ME], unmapped, path.as_bytes(), status).map_err(|e| match e {
            Refused::Stranger(Stranger { uid: named, place }) => {
                assert_eq!(named, uid);
                String::from_utf8_lossy(place).into_owned()
            }
            Refused::Unknown(errno) => panic!("{errno}"),
        })
    }

    #[test]
    fn a_service_is_trusted_in_the_folder_that_root_gave_it() {
        let mut files =
            [("/run/v/s", SERVICE, 0o666), ("/run/v", SERVICE, 0o755), ("/run", 0, 0o755), ("/", 0, 0o755)];
        assert_eq!(judged(SERVICE, false, "/run/v/s", &files), Ok(()));
        assert_eq!(judged(EVIL, false, "/run/v/s", &files), Err("/run/v/s".into()), "not its socket");
        files[0].1 = 0;
        assert_eq!(judged(EVIL, false, "/run/v/s", &files), Err("/run/v".into()), "another's folder");
        for mode in [0o775, 0o777, 0o1777] {
            files[0].1 = SERVICE;
            files[1].2 = mode;
            assert_eq!(judged(SERVICE, false, "/run/v/s", &files), Err("/run/v".into()), "{mode:o}");
        }
        assert_eq!(judged(SERVICE, false, "run/v/s", &files), Err("run/v/s".into()), "no whole path");
        assert_eq!(judged(SERVICE, false, "/run/x/s", &files), Err("/run/x/s".into()), "nothing there");
    }

    #[test]
    fn what_anybody_may_make_is_no_ones_gift() {
        let files =
            [("/tmp/v/s", EVIL, 0o666), ("/tmp/v", EVIL, 0o755), ("/tmp", 0, 0o1777), ("/", 0, 0o755)];
        assert_eq!(judged(EVIL, false, "/tmp/v/s", &files), Err("/tmp".into()));
        // A container that does not know the server's user has the socket from who made the container.
        assert_eq!(judged(EVIL, true, "/tmp/v/s", &files), Ok(()));
        let mine = [
            ("/tmp/v/w/s", EVIL, 0o666),
            ("/tmp/v/w", EVIL, 0o755),
            ("/tmp/v", ME, 0o755),
            ("/tmp", 0, 0o1777),
            ("/", 0, 0o755),
        ];
        assert_eq!(judged(EVIL, false, "/tmp/v/w/s", &mine), Ok(()), "I made it for him");
    }

    #[test]
    fn a_link_counts_as_its_maker_s() {
        let files = [
            ("/tmp/v/s", EVIL, 0o666),
            ("/tmp/v", EVIL, 0o777),
            // What the link leads to.
            ("/tmp/v", 0, 0o755),
            ("/tmp", 0, 0o1777),
            ("/", 0, 0o755),
        ];
        assert_eq!(judged(EVIL, false, "/tmp/v/s", &files), Err("/tmp".into()));
    }
}
