//! The preload library: embedded in this program by its build script, written to a private
//! directory under the hash of its contents when it is first needed.
//!
//! On a machine that runs 32-bit programs too there are two. The loader chooses: `$LIB` in LD_PRELOAD is
//! what a loader's own libraries lie in, so each finds the library of its word size in a folder of that
//! name. Which names there are is the distribution's choice, so there is a folder for each that is known.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::private_dir::{open_up, preloadable, private_dir};

/// The library, as this build made it.
const LIBRARY: &[u8] = include_bytes!(env!("VLOOPBACK_PRELOAD_LIBRARY"));

/// The library for 32-bit programs; empty where the build could make none.
const NARROW_LIBRARY: &[u8] = include_bytes!(env!("VLOOPBACK_PRELOAD_LIBRARY_32"));

/// What the loaders of 64-bit programs put for `$LIB`: Debian's, most others', Arch's own name for the
/// 64-bit one is with [`own_lib`].
const WIDE_LIBS: &[&str] = &["lib/x86_64-linux-gnu", "lib64"];

/// What the loaders of 32-bit programs put for `$LIB`: Debian's i386, its multilib and Arch's, most others'.
const NARROW_LIBS: &[&str] = &["lib/i386-linux-gnu", "lib32", "lib"];

/// The library's name within such a folder.
const NAME: &str = "libvloopback_preload.so";

/// The environment variable that names another library.
pub const OVERRIDE: &str = "VLOOPBACK_PRELOAD";

/// Why there is no library to preload.
#[derive(Debug, thiserror::Error)]
pub enum PreloadError {
    /// It could not be written.
    #[error("cannot put the preload library in place: {source}; name one with {OVERRIDE}")]
    Install {
        /// What the system said.
        source: io::Error,
    },
    /// The one that the user named does not do.
    #[error("{OVERRIDE}={}: {reason}", path.display())]
    Override {
        /// The variable's value.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<PreloadError> for Failure {
    fn from(error: PreloadError) -> Self {
        Self::new(error, ExitCode::Failure)
    }
}

/// The library's path: the one that `VLOOPBACK_PRELOAD` names, else the embedded one, written out
/// where that has not been done yet.
///
/// # Errors
/// [`PreloadError`].
pub fn library() -> Result<PathBuf, PreloadError> {
    match std::env::var_os(OVERRIDE).filter(|value| !value.is_empty()) {
        Some(value) => named(PathBuf::from(value)),
        None => private_dir()
            .and_then(|dir| match NARROW_LIBRARY {
                [] => install(&dir, LIBRARY),
                narrow => install_both(&dir, LIBRARY, narrow, own_lib().as_deref()),
            })
            .map_err(|source| PreloadError::Install { source }),
    }
}

/// Whether 32-bit programs are served by a library of their own.
pub const fn serves_narrow() -> bool {
    !NARROW_LIBRARY.is_empty()
}

/// What the loader of this program puts for `$LIB`, by the folder of its C library. None where it is not
/// known.
fn own_lib() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let libc = maps.lines().find_map(|line| {
        let path = Path::new(line.get(line.find('/')?..)?);
        (path.file_name()? == "libc.so.6").then_some(path)
    })?;
    lib_of(libc.parent()?)
}

/// `lib64` of `/lib64` and `/usr/lib64`; None for a folder elsewhere.
fn lib_of(folder: &Path) -> Option<PathBuf> {
    let lib = folder.strip_prefix("/usr").or_else(|_| folder.strip_prefix("/")).ok()?;
    let mut parts = lib.components();
    let first = parts.next()?.as_os_str().to_str()?;
    (first.starts_with("lib") && parts.count() < 2).then(|| lib.to_owned())
}

/// Writes both libraries, and folders from which each loader takes its own: returns the path for
/// LD_PRELOAD, with `$LIB` in it. `own`: this program's folder, whatever else the name may mean.
fn install_both(dir: &Path, wide: &[u8], narrow: &[u8], own: Option<&Path>) -> io::Result<PathBuf> {
    let both = dir.join(format!("preload.{:016x}{:016x}", hash(wide), hash(narrow)));
    let (wide, narrow) = (install(dir, wide)?, install(dir, narrow)?);
    let of_wide = WIDE_LIBS.iter().map(Path::new).chain(own).map(|lib| (lib, &wide));
    let of_narrow =
        NARROW_LIBS.iter().map(Path::new).filter(|lib| Some(*lib) != own).map(|lib| (lib, &narrow));
    for (lib, library) in of_wide.chain(of_narrow) {
        let folder = both.join(lib);
        std::fs::create_dir_all(&folder)?;
        for made in folder.ancestors().take_while(|made| made.starts_with(&both)) {
            open_up(made)?;
        }
        link(library, &folder.join(NAME))?;
    }
    Ok(both.join("$LIB").join(NAME))
}

/// Makes `link` a symbolic link to `target`, unless it is one already. Whoever comes at the same time finds
/// the former or the new one.
fn link(target: &Path, link: &Path) -> io::Result<()> {
    if std::fs::read_link(link).is_ok_and(|there| there == target) {
        return Ok(());
    }
    let folder = link.parent().unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".libvloopback_preload.")
        .make_in(folder, |path| std::os::unix::fs::symlink(target, path))?
        .into_temp_path()
        .persist(link)
        .map_err(|error| error.error)
}

/// A library that the user chose. Made absolute: its users may change directory.
fn named(path: PathBuf) -> Result<PathBuf, PreloadError> {
    let bad = |reason: String| PreloadError::Override { path: path.clone(), reason };
    let full = std::path::absolute(&path).map_err(|error| bad(error.to_string()))?;
    if !preloadable(full.as_os_str()) {
        return Err(bad("the path has a space, colon or $ in it, which LD_PRELOAD cannot hold".into()));
    }
    match std::fs::metadata(&full) {
        Ok(found) if found.is_file() => Ok(full),
        Ok(_) => Err(bad("is not a file".into())),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// FNV-1a, 64 bits: tells builds apart. Safety does not rest on it; the bytes are compared.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Writes `library` to `dir` unless it is there already, and returns its path. Whoever comes at
/// the same time finds either nothing or all of it.
fn install(dir: &Path, library: &[u8]) -> io::Result<PathBuf> {
    let path = dir.join(format!("libvloopback_preload.{:016x}.so", hash(library)));
    put(&path, library)?;
    Ok(path)
}

/// Has an executable file with these bytes at `path`, unless there is one already.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if holds(path, bytes) {
        return Ok(());
    }
    let mut file = tempfile::Builder::new()
        .prefix(".libvloopback_preload.")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o755))?;
    // Closed before it has its name: a file that is open for writing cannot be executed.
    file.into_temp_path().persist(path).map_err(|error| error.error)
}

/// Whether `path` is a plain file with exactly these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let same = || -> io::Result<bool> {
        let found = std::fs::symlink_metadata(path)?;
        if !found.is_file() || found.len() != bytes.len() as u64 {
            return Ok(false);
        }
        let mut there = Vec::with_capacity(bytes.len());
        File::open(path)?.take(bytes.len() as u64 + 1).read_to_end(&mut there)?;
        Ok(there == bytes)
    };
    same().unwrap_or(false)
}

/// The value of LD_PRELOAD: what the user had, without other copies of ours, then our library. It stands in
/// for the kernel: what else the user puts under a program (libv4l's v4l1compat.so, which converts formats)
/// has to find our devices where it would find a camera. AddressSanitizer wants to be first, too.
pub fn ld_preload(library: &Path, users: Option<&OsStr>) -> OsString {
    use std::os::unix::ffi::OsStrExt;

    let mut value = OsString::new();
    let users = users.map(OsStr::as_bytes).unwrap_or_default();
    for name in users.split(|byte| byte.is_ascii_whitespace() || *byte == b':') {
        let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if !name.is_empty() && !base.starts_with(b"libvloopback_preload.") {
            value.push(OsStr::from_bytes(name));
            value.push(":");
        }
    }
    value.push(library);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_library_is_one() {
        assert!(LIBRARY.starts_with(b"\x7fELF"));
    }

    #[test]
    fn installed_once_and_mended_when_damaged() {
        let temp = tempfile::tempdir().unwrap();
        let path = install(temp.path(), b"library").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"library");
        let inode = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap());
        let before = inode();
        assert_eq!(install(temp.path(), b"library").unwrap(), path);
        assert_eq!(inode(), before, "written again although it was there");

        std::fs::write(&path, b"libXary").unwrap();
        install(temp.path(), b"library").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"library");

        // A link in its place is replaced, not followed.
        let elsewhere = temp.path().join("elsewhere");
        std::fs::write(&elsewhere, b"library").unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        install(temp.path(), b"library").unwrap();
        assert!(std::fs::symlink_metadata(&path).unwrap().is_file());

        assert_ne!(install(temp.path(), b"another").unwrap(), path);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 3, "temporary files left behind");
    }

    #[test]
    fn each_loader_finds_its_own() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        let read = |path: &Path, lib: &str| {
            let path = path.to_str().unwrap().replace("$LIB", lib);
            std::fs::read(path).unwrap_or_default()
        };
        let debian = Path::new("lib/x86_64-linux-gnu");
        let path = install_both(dir, b"wide", b"narrow", Some(debian)).unwrap();
        for (lib, expected) in [
            ("lib/x86_64-linux-gnu", "wide"),
            ("lib64", "wide"),
            ("lib", "narrow"),
            ("lib32", "narrow"),
            ("lib/i386-linux-gnu", "narrow"),
        ] {
            assert_eq!(read(&path, lib), expected.as_bytes(), "{lib}");
        }
        // Where the system's own is plain "lib", the 32-bit one has another name.
        let arch = dir.join("arch");
        std::fs::create_dir(&arch).unwrap();
        let path = install_both(&arch, b"wide", b"narrow", Some(Path::new("lib"))).unwrap();
        assert_eq!(read(&path, "lib"), b"wide");
        assert_eq!(read(&path, "lib32"), b"narrow");

        // Damage is mended, and nothing is left behind.
        let path = install_both(dir, b"wide", b"narrow", Some(debian)).unwrap();
        let link = PathBuf::from(path.to_str().unwrap().replace("$LIB", "lib64"));
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, "junk").unwrap();
        install_both(dir, b"wide", b"narrow", Some(debian)).unwrap();
        assert_eq!(read(&path, "lib64"), b"wide");
        assert_eq!(std::fs::read_dir(link.parent().unwrap()).unwrap().count(), 1);

        // Others may read all of it, as one who has changed its user has to.
        let folder = link.parent().unwrap();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        install_both(dir, b"wide", b"narrow", Some(debian)).unwrap();
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(std::fs::metadata(&link).unwrap().permissions().mode() & 0o777, 0o755);
    }

    #[test]
    fn folders_of_the_loader() {
        let lib = |folder: &str| lib_of(Path::new(folder)).map(|lib| lib.to_str().unwrap().to_owned());
        assert_eq!(lib("/usr/lib64").as_deref(), Some("lib64"));
        assert_eq!(lib("/lib").as_deref(), Some("lib"));
        assert_eq!(lib("/usr/lib/x86_64-linux-gnu").as_deref(), Some("lib/x86_64-linux-gnu"));
        assert_eq!(lib("/nix/store/glibc/lib"), None);
        assert_eq!(lib("/"), None);
    }

    #[test]
    fn ours_goes_last_and_only_once() {
        let ours = Path::new("/run/x/libvloopback_preload.0.so");
        let value = |users: Option<&str>| ld_preload(ours, users.map(OsStr::new)).into_string().unwrap();
        assert_eq!(value(None), "/run/x/libvloopback_preload.0.so");
        assert_eq!(
            value(Some("a.so  /b.so:/old/libvloopback_preload.1.so")),
            "a.so:/b.so:/run/x/libvloopback_preload.0.so"
        );
    }

    #[test]
    fn a_named_library_must_be_there() {
        assert!(named("/nonexistent.so".into()).is_err());
        assert!(named("/".into()).unwrap_err().to_string().contains("VLOOPBACK_PRELOAD=/"));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(named(file.path().into()).unwrap(), file.path());
    }
}
