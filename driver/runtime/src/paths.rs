//! Which paths are the driver's, told from their text alone.
//!
//! The preload library asks here at every open, stat, access and listing of the program, so the
//! answer for a path that is not ours must come from its first bytes. Nothing allocates, nothing
//! asks the system: [`absolute_may_matter`] and [`relative_may_matter`] turn nearly all away, and only
//! a relative one that passes is worth the question which folder it starts from ([`classify_in`]).
//!
//! `.`, `..` and `//` are resolved by text. A path that enters by way of another folder
//! (`/usr/../dev/video0`) or through somebody's symbolic link is not recognised by its text; the preload library
//! looks at such ones when the kernel has said that there is nothing of the name.

/// The longest normalised path that can be ours, in bytes: the deepest of the tree,
/// `/sys/devices/virtual/video4linux/videoN/subsystem/videoN/uevent`, fits three times over.
pub const LONGEST: usize = 256;

/// What a path means to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The system's own business.
    NotOurs,
    /// A device node, `/dev/videoN`: the number is N.
    Device(u32),
    /// The old devfs-style name `/dev/v4l/videoN`, a symbolic link to node N.
    DeviceLink(u32),
    /// A file or folder that the daemon's tree may have. `legacy` where looking at it is what
    /// programs of the /proc era do (`/proc/video/vloopback` and below).
    Tree {
        /// The path is `/proc/video/vloopback` or below it.
        legacy: bool,
    },
    /// `/proc/modules`, `/proc/devices`, `/sys/module/vloopback` and what is below it, and the same of v4l2loopback:
    /// not every process finds each of them ([`is_found`]).
    Modules,
    /// A file that tells the kernel's release, as uname() does: ours where another one is asked for.
    Release(ReleaseFile),
    /// A folder of the system in which our entries are to be seen among the real ones.
    MergedDir,
}

/// A file of the system that tells the kernel's release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseFile {
    /// `/proc/version`: a line with the release as its third word.
    Version,
    /// `/proc/sys/kernel/osrelease`: the release, and a newline.
    OsRelease,
}

/// A path without `.`, `..`, repeated or trailing slashes. Begins with `/`; the root is empty.
#[derive(Clone, Copy)]
pub struct Normal {
    bytes: [u8; LONGEST],
    len: usize,
    must_be_dir: bool,
}

impl Normal {
    const fn root() -> Self {
        Self { bytes: [0; LONGEST], len: 0, must_be_dir: false }
    }

    /// Walks on along `path`; false when the result is longer than any path of ours.
    fn walk(&mut self, path: &[u8]) -> bool {
        for part in path.split(|byte| *byte == b'/') {
            self.must_be_dir = matches!(part, b"" | b"." | b"..");
            match part {
                b"" | b"." => {}
                b".." => self.leave(),
                name => {
                    let end = self.len + 1 + name.len();
                    let Some(room) = self.bytes.get_mut(self.len..end) else {
                        return false;
                    };
                    let Some((slash, rest)) = room.split_first_mut() else {
                        return false;
                    };
                    *slash = b'/';
                    rest.copy_from_slice(name);
                    self.len = end;
                }
            }
        }
        true
    }

    fn leave(&mut self) {
        let parent = self.as_bytes().iter().rposition(|byte| *byte == b'/');
        self.len = parent.unwrap_or(0);
    }

    /// The path: `/dev/video0`, or nothing for the root.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Whether the program spelled it so that it can only be a folder (`/dev/video0/`).
    #[must_use]
    pub fn must_be_dir(&self) -> bool {
        self.must_be_dir
    }
}

/// A path and what it means.
#[derive(Clone, Copy)]
pub struct Found {
    /// What it means.
    pub class: Class,
    /// The path, normalised. Without meaning where the class is [`Class::NotOurs`].
    pub path: Normal,
}

impl Found {
    const NOTHING: Self = Self { class: Class::NotOurs, path: Normal::root() };
}

/// What an absolute path means. Relative ones are [`Class::NotOurs`].
#[must_use]
pub fn classify(path: &[u8]) -> Found {
    if !absolute_may_matter(path) {
        return Found::NOTHING;
    }
    judge(Normal::root(), path)
}

/// What `path` means when it starts from the absolute folder `dir`.
#[must_use]
pub fn classify_in(dir: &[u8], path: &[u8]) -> Found {
    let mut normal = Normal::root();
    // The kernel marks a folder that is gone or out of reach by text that is no path.
    if dir.first() != Some(&b'/') || !normal.walk(dir) {
        return Found::NOTHING;
    }
    judge(normal, path)
}

fn judge(mut normal: Normal, path: &[u8]) -> Found {
    if !normal.walk(path) {
        return Found::NOTHING;
    }
    Found { class: class_of(normal.as_bytes()), path: normal }
}

/// Whether an absolute path could be ours: the early no, by the first folder's name and the next
/// byte. Says yes to more than is ours.
#[must_use]
#[inline]
pub fn absolute_may_matter(path: &[u8]) -> bool {
    absolute_may_matter_by(|at| path.get(at).copied().unwrap_or(0))
}

/// The same of a path that is asked for byte by byte: 0 is its end, behind which nothing is asked.
#[must_use]
#[inline(always)]
pub fn absolute_may_matter_by(byte: impl Fn(usize) -> u8) -> bool {
    if byte(0) != b'/' {
        return false;
    }
    let (end, initials): (usize, &[u8]) = match byte(1) {
        b'd' if byte(2) == b'e' && byte(3) == b'v' => (4, b"v"),
        b's' if byte(2) == b'y' && byte(3) == b's' => (4, b"cdm"),
        // Nothing of ours but udev's records: /run itself is asked for too often.
        b'r' => {
            return byte(2) == b'u'
                && byte(3) == b'n'
                && byte(4) == b'/'
                && matches!(byte(5), b'u' | b'/' | b'.');
        }
        b'p' if byte(2) == b'r' && byte(3) == b'o' && byte(4) == b'c' => {
            if byte(5) == b'/' && byte(6) == b's' {
                // Not all that begins with an s: /proc/self is asked for too often.
                return byte(7) == b'y' && byte(8) == b's' && byte(9) == b'/';
            }
            (5, b"vmd")
        }
        b'/' | b'.' => return true,
        _ => return false,
    };
    match byte(end) {
        0 => true,
        b'/' => {
            let next = byte(end + 1);
            matches!(next, 0 | b'/' | b'.') || initials.contains(&next)
        }
        _ => false,
    }
}

/// Whether a relative path could be ours, whatever folder it starts from. Where not, nobody need
/// ask for that folder.
#[must_use]
#[inline]
pub fn relative_may_matter(path: &[u8]) -> bool {
    let mut last: &[u8] = b"";
    for part in path.split(|byte| *byte == b'/') {
        let telling = match part.first() {
            Some(b'v') => {
                part.starts_with(b"video") || part.starts_with(b"vloopback") || part.starts_with(b"v4l")
            }
            Some(b'8') => part.starts_with(b"81:"),
            Some(b'c') => part.starts_with(b"c81:"),
            _ => false,
        };
        if telling {
            return true;
        }
        if !part.is_empty() {
            last = part;
        }
    }
    matches!(
        last,
        b"." | b".."
            | b"name"
            | b"dev"
            | b"sys"
            | b"proc"
            | b"class"
            | b"devices"
            | b"virtual"
            | b"char"
            | b"modules"
            | b"module"
            | b"version"
            | b"osrelease"
            // What of a node's folder can be written: in a folder of the tree nobody but the daemon may.
            | b"format"
            | b"max_openers"
    )
}

/// Whether the last name of a path is one that something of ours has: who reaches a folder of ours through a link
/// finds no others there.
#[must_use]
pub fn may_end(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty()).unwrap_or(b"");
    relative_may_matter(last)
        || matches!(
            last,
            b"name"
                | b"uevent"
                | b"index"
                | b"subsystem"
                | b"coresize"
                | b"refcnt"
                | b"initstate"
                | b"holders"
                | b"version"
                | b"buffers"
                | b"state"
                | b"active_readers"
                | b"parameters"
        )
}

fn class_of(path: &[u8]) -> Class {
    if let Some(rest) = path.strip_prefix(b"/dev") {
        return class_in_dev(rest);
    }
    if let Some(rest) = path.strip_prefix(b"/proc") {
        return class_in_proc(rest);
    }
    if let Some(rest) = path.strip_prefix(b"/sys") {
        return class_in_sys(rest);
    }
    if let Some(rest) = path.strip_prefix(b"/run/udev") {
        return class_in_udev(rest);
    }
    Class::NotOurs
}

/// The node by which v4l2loopback's tools add and delete devices.
pub const CONTROL: &[u8] = b"/dev/v4l2loopback";

/// The folder of the tree that has what programs of today find otherwise than old ones.
pub const TODAY: &[u8] = b"/today";

/// Whether a process finds a path of [`Class::Modules`]: a legacy one the old module and what was there in its time; one
/// that finds the names of `today` both modules; others none.
#[must_use]
pub fn is_found(path: &[u8], legacy: bool, today: bool) -> bool {
    let is_theirs = is_or_below(path, b"/sys/module/v4l2loopback");
    if legacy { !is_theirs } else { today && path != b"/proc/devices" }
}

/// Whether the tree has two of this path, the second one below [`TODAY`].
#[must_use]
pub fn differs_by_era(path: &[u8]) -> bool {
    path == b"/proc/modules" || (path.starts_with(b"/sys/") && path.ends_with(b"/name"))
}

fn class_in_dev(rest: &[u8]) -> Class {
    if matches!(rest, b"" | b"/v4l") {
        return Class::MergedDir;
    }
    if rest == b"/v4l2loopback" {
        return Class::Tree { legacy: false };
    }
    if let Some(number) = rest.strip_prefix(b"/v4l/video").and_then(decimal) {
        return Class::DeviceLink(number);
    }
    match rest.strip_prefix(b"/video").and_then(decimal) {
        Some(number) => Class::Device(number),
        None => Class::NotOurs,
    }
}

fn class_in_proc(rest: &[u8]) -> Class {
    match rest {
        b"" => Class::MergedDir,
        b"/modules" | b"/devices" => Class::Modules,
        b"/version" => Class::Release(ReleaseFile::Version),
        b"/sys/kernel/osrelease" => Class::Release(ReleaseFile::OsRelease),
        _ if is_or_below(rest, b"/video") => Class::Tree { legacy: is_or_below(rest, b"/video/vloopback") },
        _ => Class::NotOurs,
    }
}

fn class_in_sys(rest: &[u8]) -> Class {
    const MERGED: [&[u8]; 9] = [
        b"",
        b"/module",
        b"/class",
        b"/class/video4linux",
        b"/devices",
        b"/devices/virtual",
        b"/devices/virtual/video4linux",
        b"/dev",
        b"/dev/char",
    ];
    if MERGED.contains(&rest) {
        return Class::MergedDir;
    }
    if is_or_below(rest, b"/module/vloopback") || is_or_below(rest, b"/module/v4l2loopback") {
        return Class::Modules;
    }
    let below_ours = is_or_below(rest, b"/class/video4linux")
        || is_or_below(rest, b"/devices/virtual/video4linux")
        || rest.strip_prefix(b"/dev/char/81:").is_some_and(|tail| {
            let name = tail.split(|byte| *byte == b'/').next().unwrap_or(tail);
            decimal(name).is_some()
        });
    if below_ours { Class::Tree { legacy: false } } else { Class::NotOurs }
}

/// udev's records of devices, below /run/udev.
fn class_in_udev(rest: &[u8]) -> Class {
    match rest {
        b"" | b"/data" => Class::MergedDir,
        _ if rest.strip_prefix(b"/data/c81:").and_then(decimal).is_some() => Class::Tree { legacy: false },
        _ => Class::NotOurs,
    }
}

fn is_or_below(path: &[u8], dir: &[u8]) -> bool {
    match path.strip_prefix(dir) {
        Some(rest) => matches!(rest.first(), None | Some(b'/')),
        None => false,
    }
}

/// A node's number as device names spell it: digits only, no leading zero, no more than a minor
/// number can hold (20 bits).
#[must_use]
pub fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 7 || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u32::from(digit - b'0');
    }
    (number < 1 << 20).then_some(number)
}

/// The number of the descriptor that an absolute path names: `/dev/fd/N`, `/dev/stdin` and its kin,
/// `/proc/self/fd/N` and the same of the process `pid`.
#[must_use]
pub fn descriptor(path: &[u8], pid: u32) -> Option<u32> {
    let rest = match path {
        b"/dev/stdin" => return Some(0),
        b"/dev/stdout" => return Some(1),
        b"/dev/stderr" => return Some(2),
        _ => path.strip_prefix(b"/dev/fd/").or_else(|| {
            let rest = path.strip_prefix(b"/proc/")?;
            let (process, rest) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'/')?)?;
            let number = || core::str::from_utf8(process).ok()?.parse().ok();
            let own = matches!(process, b"self" | b"thread-self") || number() == Some(pid);
            // A thread has the same descriptors.
            let rest = match rest.strip_prefix(b"/task/") {
                Some(thread) => {
                    let digits = thread.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    thread.get(digits..)?
                }
                None => rest,
            };
            if own { rest.strip_prefix(b"/fd/") } else { None }
        }),
    };
    decimal(rest?)
}

/// The real-looking path of something in the tree: `path` without the tree's root, so `/dev/video0`
/// for `<tree>/dev/video0` and nothing for the root itself. None where `path` is not in the tree.
#[must_use]
pub fn strip_tree<'path>(path: &'path [u8], tree: &[u8]) -> Option<&'path [u8]> {
    if tree.is_empty() || !is_or_below(path, tree) {
        return None;
    }
    let below = path.strip_prefix(tree)?;
    Some(if is_or_below(below, TODAY) { below.strip_prefix(TODAY).unwrap_or(below) } else { below })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(path: &str) -> Class {
        classify(path.as_bytes()).class
    }

    #[test]
    fn device_nodes_in_every_spelling() {
        for path in [
            "/dev/video12",
            "//dev/video12",
            "//dev/./video12",
            "/./dev//video12",
            "/dev/v4l/../video12",
            "/../dev/video12",
            "/dev/../dev/video12",
        ] {
            assert_eq!(class(path), Class::Device(12), "{path}");
        }
        assert_eq!(class("/dev/v4l/video3"), Class::DeviceLink(3));
        assert_eq!(class("/dev/video0"), Class::Device(0));
        assert_eq!(class("/dev/video1048575"), Class::Device(1_048_575));
    }

    #[test]
    fn names_that_only_look_like_nodes() {
        for path in [
            "/dev/video",
            "/dev/video01",
            "/dev/video1a",
            "/dev/video-1",
            "/dev/video1048576",
            "/dev/video99999999999999999999",
            "/dev/video0/x",
            "/dev/v4l/by-id",
            "/devvideo0",
            "/dev2/video0",
            "/dev/null",
            "/devices",
            "dev/video0",
            "",
            "/",
            "//",
            "/usr/lib/video0",
        ] {
            assert_eq!(class(path), Class::NotOurs, "{path}");
        }
    }

    #[test]
    fn what_must_be_a_folder_is_remembered() {
        assert!(classify(b"/dev/video0/").path.must_be_dir());
        assert!(classify(b"/dev/video0/.").path.must_be_dir());
        assert!(!classify(b"/dev/video0").path.must_be_dir());
        assert!(!classify(b"/dev//video0").path.must_be_dir());
    }

    #[test]
    fn proc_paths() {
        let tree = |legacy| Class::Tree { legacy };
        assert_eq!(class("/proc"), Class::MergedDir);
        assert_eq!(class("/proc/"), Class::MergedDir);
        assert_eq!(class("/proc/modules"), Class::Modules);
        assert_eq!(class("/proc/video"), tree(false));
        assert_eq!(class("/proc/video/vloopback"), tree(true));
        assert_eq!(class("/proc/video/vloopback/"), tree(true));
        assert_eq!(class("/proc/video/vloopback/vloopbacks"), tree(true));
        assert_eq!(class("/proc/video/vloopbackx"), tree(false));
        assert_eq!(class("/proc/version"), Class::Release(ReleaseFile::Version));
        assert_eq!(class("/proc/./sys//kernel/osrelease"), Class::Release(ReleaseFile::OsRelease));
        for path in ["/proc/versions", "/proc/version/x", "/proc/sys/kernel", "/proc/sys/kernel/version"] {
            assert_eq!(class(path), Class::NotOurs, "{path}");
        }
        assert_eq!(class("/proc/videos"), Class::NotOurs);
        assert_eq!(class("/proc/devices"), Class::Modules);
        assert_eq!(class("/proc/modulesx"), Class::NotOurs);
        assert_eq!(class("/proc/devices/x"), Class::NotOurs);
        assert_eq!(class("/proc/self/maps"), Class::NotOurs);
        assert_eq!(class("/process/video"), Class::NotOurs);
    }

    #[test]
    fn the_module_in_sys() {
        assert_eq!(class("/sys/module"), Class::MergedDir);
        for path in ["/sys/module/vloopback", "/sys/module/vloopback/", "/sys/module/vloopback/refcnt"] {
            assert_eq!(class(path), Class::Modules, "{path}");
        }
        for path in ["/sys/modules", "/sys/module/vloopback2", "/sys/module/videodev/refcnt"] {
            assert_eq!(class(path), Class::NotOurs, "{path}");
        }
    }

    #[test]
    fn sys_paths() {
        let tree = Class::Tree { legacy: false };
        for path in [
            "/sys",
            "/sys/class",
            "/sys/class/",
            "/sys/class/video4linux",
            "/sys/class/video4linux/.",
            "/sys/devices",
            "/sys/devices/virtual",
            "/sys/devices/virtual/video4linux",
            "/sys/dev",
            "/sys/dev/char",
        ] {
            assert_eq!(class(path), Class::MergedDir, "{path}");
        }
        for path in [
            "/sys/class/video4linux/video0",
            "/sys/class/video4linux/video0/name",
            "/sys//class/video4linux/../video4linux/video0/name",
            "/sys/devices/virtual/video4linux/video0/uevent",
            "/sys/dev/char/81:0",
            "/sys/dev/char/81:14/uevent",
        ] {
            assert_eq!(class(path), tree, "{path}");
        }
        for path in [
            "/sys/class/net",
            "/sys/class/video4linux2",
            "/sys/devices/pci0000:00",
            "/sys/dev/char/81:x",
            "/sys/dev/char/1:3",
            "/sys/dev/char/81:",
            "/sys/block",
            "/sysfs",
        ] {
            assert_eq!(class(path), Class::NotOurs, "{path}");
        }
    }

    #[test]
    fn records_of_udev() {
        for path in ["/run/udev", "/run/udev/data", "/run//udev/data/."] {
            assert_eq!(class(path), Class::MergedDir, "{path}");
        }
        assert_eq!(class("/run/udev/data/c81:14"), Class::Tree { legacy: false });
        for path in [
            "/run",
            "/run/",
            "/run/udev/data/c81:",
            "/run/udev/data/c81:x",
            "/run/udev/data/c80:1",
            "/run/udev/data/c81:1/x",
            "/run/udev/control",
            "/run/user/1000/pulse",
            "/running",
        ] {
            assert_eq!(class(path), Class::NotOurs, "{path}");
        }
    }

    #[test]
    fn relative_paths_start_from_their_folder() {
        let found = classify_in(b"/dev", b"video4");
        assert_eq!(found.class, Class::Device(4));
        assert_eq!(found.path.as_bytes(), b"/dev/video4");
        let found = classify_in(b"/dev/pts", b"../video4");
        assert_eq!(found.class, Class::Device(4));
        let found = classify_in(b"/sys/class/video4linux", b"video0/name");
        assert_eq!(found.class, Class::Tree { legacy: false });
        assert_eq!(found.path.as_bytes(), b"/sys/class/video4linux/video0/name");
        assert_eq!(classify_in(b"/dev", b".").class, Class::MergedDir);
        assert_eq!(classify_in(b"/", b"dev/video1").class, Class::Device(1));
        assert_eq!(classify_in(b"/home/me", b"video4").class, Class::NotOurs);
        assert_eq!(classify_in(b"(unreachable)/dev", b"video4").class, Class::NotOurs);
        assert_eq!(classify_in(b"", b"video4").class, Class::NotOurs);
    }

    #[test]
    fn the_filter_of_relative_paths() {
        for path in [
            "video0",
            "./video0",
            "dev/video0",
            "video0/name",
            "v4l",
            "81:0/uevent",
            "vloopbacks",
            "proc/modules",
            "modules",
            "osrelease",
            "sys/kernel/osrelease",
            "version",
            "module",
            ".",
            "..",
            "./",
            "class/",
            // It has two texts, by the era.
            "name",
        ] {
            assert!(relative_may_matter(path.as_bytes()), "{path}");
        }
        for path in ["", "main.c", "src/lib.rs", "avideo", "vid", "80:1"] {
            assert!(!relative_may_matter(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn last_names() {
        for path in
            ["d/video0", "vloopbacks", "x/video0/name", "/home/me/class/", "pipes/.", "x/dev", "a/81:3"]
        {
            assert!(may_end(path.as_bytes()), "{path}");
        }
        for path in ["", "/", "video0/x", "os.py", "/usr/lib/names", "name/z"] {
            assert!(!may_end(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_path_too_long_for_us_is_not_ours() {
        let mut path = b"/sys/class/video4linux/".to_vec();
        path.resize(LONGEST + 1, b'x');
        assert_eq!(classify(&path).class, Class::NotOurs);
        let mut path = vec![b'/'; 4000];
        path.extend_from_slice(b"dev/video7");
        assert_eq!(classify(&path).class, Class::Device(7));
    }

    #[test]
    fn descriptors_by_name() {
        for path in [
            "/dev/fd/7",
            "/proc/self/fd/7",
            "/proc/thread-self/fd/7",
            "/proc/321/fd/7",
            "/proc/321/task/322/fd/7",
            "/proc/self/task/322/fd/7",
        ] {
            assert_eq!(descriptor(path.as_bytes(), 321), Some(7), "{path}");
        }
        assert_eq!(descriptor(b"/dev/stdin", 1), Some(0));
        assert_eq!(descriptor(b"/dev/stderr", 1), Some(2));
        for path in [
            "/dev/fd",
            "/dev/fd/",
            "/dev/fd/x",
            "/proc/322/fd/7",
            "/proc/self/fd/7/x",
            "/proc/fd/7",
            "fd/7",
            "",
        ] {
            assert_eq!(descriptor(path.as_bytes(), 321), None, "{path}");
        }
    }

    #[test]
    fn back_from_the_tree() {
        let tree = b"/run/vloopback/socket.d";
        assert_eq!(strip_tree(b"/run/vloopback/socket.d/sys/class", tree), Some(&b"/sys/class"[..]));
        assert_eq!(strip_tree(tree, tree), Some(&b""[..]));
        assert_eq!(strip_tree(b"/run/vloopback/socket.dx", tree), None);
        assert_eq!(strip_tree(b"/run", tree), None);
        assert_eq!(strip_tree(b"/run", b""), None);
    }

    /// Everything of up to four of these pieces: the normaliser agrees with a plain one, and what
    /// the early no turns away is never ours.
    #[test]
    fn early_no_never_loses_a_path_of_ours() {
        const PIECES: [&str; 17] = [
            "",
            ".",
            "..",
            "dev",
            "video1",
            "v4l",
            "sys",
            "class",
            "video4linux",
            "char",
            "81:1",
            "proc",
            "modules",
            "run",
            "udev",
            "data",
            "c81:1",
        ];
        let mut stack = vec![Vec::new()];
        while let Some(parts) = stack.pop() {
            let path = format!("/{}", parts.join("/"));
            let full = judge(Normal::root(), path.as_bytes());
            let quick = classify(path.as_bytes());
            let mut plain: Vec<&str> = Vec::new();
            for part in &parts {
                match *part {
                    "" | "." => {}
                    ".." => {
                        plain.pop();
                    }
                    name => plain.push(name),
                }
            }
            let plain: String = plain.iter().map(|part| format!("/{part}")).collect();
            assert_eq!(full.path.as_bytes(), plain.as_bytes(), "{path}");
            // A way in by another folder is the one exception that the module names.
            let detour = parts
                .first()
                .is_some_and(|first| !matches!(*first, "" | "." | ".." | "dev" | "sys" | "proc" | "run"))
                || parts.contains(&"..");
            if !detour {
                assert_eq!(quick.class, full.class, "{path}");
            }
            if parts.len() < 4 {
                for piece in PIECES {
                    let mut longer: Vec<&str> = parts.clone();
                    longer.push(piece);
                    stack.push(longer);
                }
            }
        }
    }
}
