//! Which file a command name means, and what would keep the preload library from serving it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, getegid, geteuid};

use super::elf::{self, ReadAt};
use crate::preload;

/// Where commands are looked for when $PATH is not set, as execvp does.
pub(super) const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// How many `#!` lines are followed: as many as the kernel follows.
const SCRIPTS_MAX: usize = 5;
/// The longest `#!` line that the kernel reads, in bytes.
const SCRIPT_LINE_MAX: usize = 256;

/// The file that `name` means: itself where it has a slash in it, else the first executable one
/// of that name in `path` (the value of $PATH).
///
/// # Errors
/// `NotFound`; `PermissionDenied` where there are only files that cannot be executed.
pub fn find(name: &OsStr, path: Option<&OsStr>) -> io::Result<PathBuf> {
    let usable = |file: &Path| -> io::Result<()> {
        access(file, AccessFlags::X_OK)?;
        if std::fs::metadata(file)?.is_dir() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    };
    if name.as_bytes().contains(&b'/') {
        let file = PathBuf::from(name);
        usable(&file)?;
        return Ok(file);
    }
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    if name.is_empty() {
        return Err(failure);
    }
    for dir in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        let file = if dir.as_os_str().is_empty() { Path::new(".").join(name) } else { dir.join(name) };
        match usable(&file) {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

/// Why the preload library will not serve a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Statically linked: no loader that would preload anything.
    Static,
    /// Go programs make system calls by themselves, linked to libc or not.
    Go,
    /// The loader ignores foreign libraries for a program that runs as somebody else.
    RunsAsAnother,
    /// Linked with musl; the library is made for glibc.
    Musl,
    /// Of another word size than this build has a library for.
    WordSize,
    /// For another machine.
    Machine,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Obstacle::Static => "it is statically linked; use a dynamically linked build of it",
            Obstacle::Go => "Go programs make system calls without the C library",
            Obstacle::RunsAsAnother => {
                "it is setuid or setgid, and the loader preloads nothing for such programs; \
                 run it as the user that it becomes"
            }
            Obstacle::Musl => "it is linked with musl, and the preload library needs glibc",
            Obstacle::WordSize => {
                "it is a 32-bit program, and this vloopback was built without the library for them; build it \
                 again after tests/get-i386, or name such a library with VLOOPBACK_PRELOAD"
            }
            Obstacle::Machine => "it is a program for another machine",
        };
        f.write_str(text)
    }
}

/// A program that the preload library will not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// The program itself, or the interpreter of a script.
    pub file: PathBuf,
    /// Why.
    pub obstacle: Obstacle,
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} will not see the pipes: {}", self.file.display(), self.obstacle)
    }
}

/// Looks at `file`, and for a script at its interpreter. None where nothing speaks against it, or
/// where it cannot be read and so nothing be known.
///
/// `named_library`: the user chose a library, for which its word size is not ours to judge.
pub fn inspect(file: &Path, path: Option<&OsStr>, named_library: bool) -> Option<Unserved> {
    let mut file = file.to_owned();
    for _ in 0..SCRIPTS_MAX {
        let opened = File::open(&file).ok()?;
        let unserved = |obstacle| Some(Unserved { file: file.clone(), obstacle });
        if let Some(elf) = elf::read(&opened) {
            if runs_as_another(&opened) {
                return unserved(Obstacle::RunsAsAnother);
            }
            return obstacle_in(&elf, named_library).and_then(unserved);
        }
        file = interpreter(&opened, path)?;
    }
    None
}

/// Whether `file` is a dynamic loader: the one that this program was started by, or one of another word size.
pub fn is_loader(file: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let own = File::open("/proc/self/exe").ok().and_then(|own| elf::read(&own)?.loader);
    let own = own.and_then(|loader| identity(Path::new(OsStr::from_bytes(&loader))));
    if own.is_some() && identity(file) == own {
        return true;
    }
    let named = |path: &Path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"ld-linux"));
    named(file) || std::fs::canonicalize(file).is_ok_and(|real| named(&real))
}

/// Whether the kernel would change the user or group at its start.
fn runs_as_another(file: &File) -> bool {
    let Ok(found) = file.metadata() else {
        return false;
    };
    let mode = found.mode();
    let user = mode & libc::S_ISUID != 0 && found.uid() != geteuid().as_raw();
    // Without the group's x bit, setgid means mandatory locking and nothing here.
    let group = mode & libc::S_ISGID != 0 && mode & libc::S_IXGRP != 0 && found.gid() != getegid().as_raw();
    user || group
}

/// The machine number and word size of this program, so of the library that it embeds.
fn own() -> Option<(u16, bool)> {
    let elf = elf::read(&File::open("/proc/self/exe").ok()?)?;
    Some((elf.machine, elf.wide))
}

fn obstacle_in(elf: &elf::Elf, named_library: bool) -> Option<Obstacle> {
    if elf.go {
        return Some(Obstacle::Go);
    }
    let Some(loader) = &elf.loader else {
        return Some(Obstacle::Static);
    };
    let base = loader.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if base.starts_with(b"ld-musl") && !cfg!(target_env = "musl") {
        return Some(Obstacle::Musl);
    }
    /// i386, whose programs x86-64 runs beside its own.
    const I386: u16 = 3;
    if !named_library && preload::serves_narrow() && elf.machine == I386 {
        return None;
    }
    match own() {
        Some((machine, wide)) if !named_library && machine != elf.machine => {
            // The machines that run the narrow programs of their wide sister.
            let sisters = [(62, 3), (183, 40)];
            let related =
                sisters.contains(&(machine, elf.machine)) || sisters.contains(&(elf.machine, machine));
            Some(if related || wide != elf.wide { Obstacle::WordSize } else { Obstacle::Machine })
        }
        Some((_, wide)) if !named_library && wide != elf.wide => Some(Obstacle::WordSize),
        _ => None,
    }
}

/// The interpreter that the file's `#!` line names; for `env` the program that this will start.
fn interpreter(file: &File, path: Option<&OsStr>) -> Option<PathBuf> {
    let length = usize::try_from(file.metadata().ok()?.len()).ok()?.min(SCRIPT_LINE_MAX);
    let bytes = file.bytes_at(0, length)?;
    let line = bytes.strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n').next()?;
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
        .map(|word| OsString::from_vec(word.to_vec()));
    let interpreter = PathBuf::from(words.next()?);
    if interpreter.file_name() != Some(OsStr::new("env")) {
        return Some(interpreter);
    }
    // `env -S prog`, `env VAR=value prog`: the program is the first plain word.
    let program =
        words.find(|word| !word.as_bytes().starts_with(b"-") && !word.as_bytes().contains(&b'='))?;
    find(&program, path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::elf::tests::program;
    use std::os::unix::fs::PermissionsExt;

    fn executable(dir: &Path, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let file = dir.join(name);
        std::fs::write(&file, bytes).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn commands_are_found_as_the_shell_finds_them() {
        let temp = tempfile::tempdir().unwrap();
        let (one, two) = (temp.path().join("one"), temp.path().join("two"));
        for dir in [&one, &two] {
            std::fs::create_dir(dir).unwrap();
        }
        let path = std::env::join_paths([&one, &two]).unwrap();
        let find = |name: &str| find(OsStr::new(name), Some(&path));
        executable(&one, "plain", b"", 0o644);
        let second = executable(&two, "plain", b"", 0o755);
        assert_eq!(find("plain").unwrap(), second);
        executable(&one, "closed", b"", 0o600);
        assert_eq!(find("closed").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(find("nonesuch").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(find("").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(find("/nonesuch/x").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(find("/").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn obstacles_are_seen() {
        let temp = tempfile::tempdir().unwrap();
        let seen = |name: &str, bytes: &[u8], mode| {
            let file = executable(temp.path(), name, bytes, mode);
            inspect(&file, None, false).map(|unserved| unserved.obstacle)
        };
        let glibc = "/lib64/ld-linux-x86-64.so.2";
        let mut other = program(Some(glibc), None);
        other[18] = 8;
        assert_eq!(seen("static", &program(None, None), 0o755), Some(Obstacle::Static));
        assert_eq!(seen("go", &program(Some(glibc), Some(b"Go\0\0")), 0o755), Some(Obstacle::Go));
        assert_eq!(
            seen("musl", &program(Some("/lib/ld-musl-x86_64.so.1"), None), 0o755),
            Some(Obstacle::Musl)
        );
        assert!(matches!(seen("mips", &other, 0o755), Some(Obstacle::Machine | Obstacle::WordSize)));
        // A 32-bit program is served where the build has a library for it.
        let mut narrow = program(Some("/lib/ld-linux.so.2"), None);
        narrow[18] = 3;
        let expected = (!preload::serves_narrow()).then_some(Obstacle::WordSize);
        if own().is_some_and(|(machine, _)| machine == 62) {
            assert_eq!(seen("i386", &narrow, 0o755), expected);
        }
        // Setuid to oneself changes nothing.
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(seen("dynamic", &own, 0o755), None);
        assert_eq!(seen("own-setuid", &own, 0o4755), None);
        assert_eq!(seen("junk", b"no program", 0o755), None);
    }

    #[test]
    fn a_setuid_program_of_another_user() {
        // passwd and su are such programs nearly everywhere; as root the file needs another owner.
        let temp = tempfile::tempdir().unwrap();
        let own = std::fs::read("/proc/self/exe").unwrap();
        let file = executable(temp.path(), "setuid", &own, 0o755);
        let file = if geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(1), None).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4755)).unwrap();
            file
        } else {
            PathBuf::from("/usr/bin/passwd")
        };
        if !file.exists() {
            eprintln!("SKIP: no setuid program here");
            return;
        }
        let unserved = inspect(&file, None, false).unwrap();
        assert_eq!(unserved.obstacle, Obstacle::RunsAsAnother);
        assert!(unserved.to_string().starts_with(&file.display().to_string()));
    }

    #[test]
    fn scripts_lead_to_their_interpreter() {
        let temp = tempfile::tempdir().unwrap();
        let interpreter = executable(temp.path(), "interp", &program(None, None), 0o755);
        let path = temp.path().as_os_str();
        for line in [
            format!("#!{}\necho", interpreter.display()),
            format!("#! \t{} -x\n", interpreter.display()),
            "#!/usr/bin/env interp\n".to_owned(),
            "#!/usr/bin/env -S A=1 interp -u\n".to_owned(),
        ] {
            let script = executable(temp.path(), "script", line.as_bytes(), 0o755);
            let unserved = inspect(&script, Some(path), false).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(unserved, Unserved { file: interpreter.clone(), obstacle: Obstacle::Static });
        }
        let itself = temp.path().join("loop");
        executable(temp.path(), "loop", format!("#!{}\n", itself.display()).as_bytes(), 0o755);
        assert_eq!(inspect(&itself, Some(path), false), None);
    }
}
