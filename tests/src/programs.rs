//! The C programs of `tests/programs`: compiled once for each state of their sources.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, Permissions};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// This machine, as everything else is.
    Native,
    /// i386.
    Narrow,
    /// i386 with a 64-bit `off_t` and `time_t`, as distributions build today.
    NarrowTime64,
    /// i386 as it was: a stack that is aligned to four bytes and no more, and no vector instructions.
    NarrowOld,
}

impl Width {
    /// All that programs are built for today.
    pub const ALL: [Width; 3] = [Width::Native, Width::Narrow, Width::NarrowTime64];

    fn flags(self) -> &'static [&'static str] {
        match self {
            Width::Native => &[],
            Width::Narrow => &["-m32"],
            Width::NarrowTime64 => &["-m32", "-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64"],
            Width::NarrowOld => &["-m32", "-mpreferred-stack-boundary=2", "-mno-sse"],
        }
    }

    /// The width that `VLOOPBACK_PROGRAMS` chooses for programs of which a test says nothing.
    ///
    /// # Panics
    /// Where it names none.
    pub fn chosen() -> Width {
        match std::env::var("VLOOPBACK_PROGRAMS").as_deref() {
            Err(_) | Ok("native") => Width::Native,
            Ok("32") => Width::Narrow,
            Ok("32-time64") => Width::NarrowTime64,
            Ok("32-old") => Width::NarrowOld,
            Ok(other) => panic!("VLOOPBACK_PROGRAMS={other}: native, 32, 32-time64 or 32-old"),
        }
    }
}

const FLAGS: &[&str] = &["-O1", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread"];

/// Puts a copy of a program at `to`, for everybody to run.
///
/// It is another process that writes it: what this one has open for writing, if only for a moment, is inherited by
/// whatever another test's thread starts just then, and until that has become its own program the kernel runs the
/// file for nobody (ETXTBSY).
///
/// # Panics
/// Where it can't be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let made = Command::new("cp").arg(from).arg(to).output().expect("cp");
    assert!(made.status.success(), "{}: {}", from.display(), String::from_utf8_lossy(&made.stderr));
    fs::set_permissions(to, Permissions::from_mode(0o755))
        .unwrap_or_else(|e| panic!("{}: {e}", to.display()));
}

/// The root of the project's sources.
pub fn source_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project")
}

/// The program compiled from `tests/programs/NAME.c`.
///
/// # Panics
/// Where there is no C compiler or the program does not compile.
pub fn program(name: &str) -> PathBuf {
    program_of(name, Width::chosen())
}

/// The same for a width.
///
/// # Panics
/// As [`program`].
pub fn program_of(name: &str, width: Width) -> PathBuf {
    let root = source_root();
    let folder = root.join("tests/programs");
    let include = root.join("pusher-sdk/include");
    let source = folder.join(name).with_extension("c");
    let mut hasher = DefaultHasher::new();
    (FLAGS, width).hash(&mut hasher);
    let mut parts: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("tests/programs")
        .map(|entry| entry.expect("an entry of tests/programs").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "h"))
        .collect();
    parts.sort();
    parts.push(include.join("linux/videodev.h"));
    parts.push(source.clone());
    for part in &parts {
        fs::read(part).unwrap_or_else(|e| panic!("{}: {e}", part.display())).hash(&mut hasher);
    }
    let built = super::env::target_dir().join("test-programs");
    fs::create_dir_all(&built).unwrap_or_else(|e| panic!("{}: {e}", built.display()));
    let done = built.join(format!("{name}-{:016x}", hasher.finish()));
    if done.exists() {
        return done;
    }
    // Several tests may compile it at once: each to a name of its own, the last rename wins.
    let thread = format!("{:?}", std::thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    let own = built.join(format!("{name}-{}-{number}.part", std::process::id()));
    let flags = FLAGS.iter().chain(width.flags());
    let made =
        Command::new("cc").args(flags).arg("-I").arg(&include).arg(&source).arg("-o").arg(&own).output();
    let made =
        made.unwrap_or_else(|e| panic!("cc: {e}; install a C compiler (apt-get install gcc libc6-dev)"));
    assert!(made.status.success(), "{}:\n{}", source.display(), String::from_utf8_lossy(&made.stderr));
    fs::rename(&own, &done).unwrap_or_else(|e| panic!("{}: {e}", done.display()));
    done
}
