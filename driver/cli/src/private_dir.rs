//! A directory that only this user can write to, for files that other processes of the same user, and of
//! those that it becomes, will load as code.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

/// How many names in /tmp are tried.
const NAMES: usize = 10;

/// What others may do with it and all in it: look. A library is no secret, and a program that changes its
/// user (`vloopback run -- su …`) loads it as another.
const MODE: u32 = 0o755;

/// Makes or finds the directory: `$XDG_RUNTIME_DIR/vloopback`, else `/tmp/vloopback-UID`, or with a
/// number behind it where that is somebody else's. One that somebody else owns or can write to, that is
/// a symbolic link, from which nothing can be loaded (mounted noexec), or whose name LD_PRELOAD cannot
/// hold is passed over. So is, for root, one that lies where other users cannot look (a login's runtime
/// directory), unless there is no other: it is root who changes users.
///
/// # Errors
/// Why the last one does not do.
pub fn private_dir() -> io::Result<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_absolute());
    let runtime = runtime.map(|dir| PathBuf::from(dir).join("vloopback"));
    let in_runtime = |fits: fn(&Path) -> bool| {
        runtime.as_deref().filter(|dir| prepare(dir).is_ok() && fits(dir)).map(Path::to_owned)
    };
    let own = geteuid();
    if let Some(dir) = in_runtime(if own.is_root() { is_open } else { |_| true }) {
        return Ok(dir);
    }
    let fallback = free_name(&format!("/tmp/vloopback-{own}"), |dir| {
        std::fs::symlink_metadata(dir).is_ok_and(|found| found.uid() != own.as_raw())
    });
    match prepare(&fallback) {
        Ok(()) => Ok(fallback),
        Err(refusal) => in_runtime(|_| true).ok_or(refusal),
    }
}

/// Whether every user can look into `dir`: it and all that it lies in let them pass.
fn is_open(dir: &Path) -> bool {
    dir.ancestors().all(|dir| std::fs::metadata(dir).is_ok_and(|found| found.mode() & 0o001 != 0))
}

/// Lets others look into a directory of ours, whatever our umask is.
///
/// # Errors
/// What the system says.
pub fn open_up(dir: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(dir)?.mode() & 0o777 == MODE {
        return Ok(());
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(MODE))
}

/// `name`, or the first of `name.1`, `name.2` … that is not taken. Anybody can take the first in /tmp; and
/// root in a container that shares /tmp has the number of the root outside, and not its directory.
fn free_name(name: &str, taken: impl Fn(&Path) -> bool) -> PathBuf {
    let first = PathBuf::from(name);
    let others = (1..NAMES).map(|number| PathBuf::from(format!("{name}.{number}")));
    std::iter::once(first.clone()).chain(others).find(|dir| !taken(dir)).unwrap_or(first)
}

/// Makes `dir` where it is missing, and checks it.
fn prepare(dir: &Path) -> io::Result<()> {
    if !preloadable(dir.as_os_str()) {
        return Err(refused(dir, "has a space or colon in its name, which LD_PRELOAD cannot hold"));
    }
    match std::fs::DirBuilder::new().mode(MODE).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", dir.display()))),
    }
    check(dir)?;
    open_up(dir)
}

/// Whether `dir` is a real directory of this user that nobody else can write to.
fn check(dir: &Path) -> io::Result<()> {
    // Not followed: a link there may be somebody else's.
    let found = std::fs::symlink_metadata(dir)?;
    if !found.is_dir() {
        return Err(refused(dir, "is not a directory; remove it"));
    }
    if found.uid() != geteuid().as_raw() {
        return Err(refused(dir, "belongs to another user"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(refused(dir, "can be written by other users; chmod 755 mends it"));
    }
    let noexec = statvfs(dir).is_ok_and(|file_system| file_system.flags().contains(FsFlags::ST_NOEXEC));
    if noexec {
        return Err(refused(dir, "is mounted noexec, so no library can be loaded from it"));
    }
    Ok(())
}

fn refused(dir: &Path, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {reason}", dir.display()))
}

/// Whether a path can stand in LD_PRELOAD, where spaces and colons part the names, and where the
/// loader takes `$` for the beginning of a token.
pub fn preloadable(path: &OsStr) -> bool {
    !path.as_bytes().iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b':' | b'$'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn names_that_others_have_are_passed_over() {
        let free = |taken: &[&str]| free_name("/tmp/v", |dir| taken.iter().any(|t| dir == Path::new(t)));
        assert_eq!(free(&[]), Path::new("/tmp/v"));
        assert_eq!(free(&["/tmp/v"]), Path::new("/tmp/v.1"));
        assert_eq!(free(&["/tmp/v", "/tmp/v.1", "/tmp/v.3"]), Path::new("/tmp/v.2"));
        assert_eq!(free_name("/tmp/v", |_| true), Path::new("/tmp/v"), "whose refusal is then told");
    }

    #[test]
    fn a_new_directory_is_ours_to_write_and_all_others_to_read() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("new");
        let mode = || std::fs::metadata(&dir).unwrap().mode() & 0o777;
        prepare(&dir).unwrap();
        assert_eq!(mode(), 0o755);
        // As an umask of 077 makes it.
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        prepare(&dir).unwrap();
        assert_eq!(mode(), 0o755);
    }

    #[test]
    fn where_others_can_look() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("new");
        prepare(&dir).unwrap();
        let above =
            |mode| std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        above(0o700);
        assert!(!is_open(&dir), "the directory above is private");
        above(0o711);
        assert!(is_open(&dir));
        assert!(!is_open(&dir.join("none")));
    }

    #[test]
    fn what_others_could_change_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let open = temp.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(prepare(&open).unwrap_err().to_string().contains("other users"));

        let real = temp.path().join("real");
        prepare(&real).unwrap();
        let link = temp.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(prepare(&link).unwrap_err().to_string().contains("not a directory"));

        let file = temp.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(prepare(&file).is_err());
        assert!(prepare(&temp.path().join("a b")).is_err());
        // A directory that everybody may write to is refused even when it is ours (root's /tmp),
        // and when it is not, for that.
        assert!(check(Path::new("/tmp")).is_err());
    }

    #[test]
    fn names_for_the_loader() {
        assert!(preloadable(OsStr::new("/run/user/1000/vloopback")));
        for bad in ["/a b", "/a:b", "/a\tb", "/a/$LIB"] {
            assert!(!preloadable(OsStr::new(bad)), "{bad}");
        }
    }
}
