//! The files and folders that the library serves without a daemon's help: a tree of plain files is
//! enough. Each test runs itself again under the library, in a process of its own, on a tree made
//! for it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

mod common;

/// Names the test that runs in the child, so that nobody runs the children alone by mistake.
const CHILD: &str = "VLOOPBACK_TEST_CHILD";

const PIPES: &str = "vloopback test\nexplanation\n0\tvideo90\t-\tvideo91\t-\n";
const TODAYS_MODULES: &str = "vloopback 16384 0 - Live 0x0\nv4l2loopback 16384 0 - Live 0x0\n";
const NAME: &str = "Loopback video device 0\n";
const MODULES: &str = "vloopback 16384 0 - Live 0x0000000000000000\n";

/// A tree as the daemon keeps it, for nodes 90 and 91, beside the path of a socket that is not
/// there. High numbers: this machine may have cameras.
fn tree(folder: &Path) -> PathBuf {
    let socket = folder.join("socket");
    let root = folder.join("socket.d");
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a path in the tree")).expect("make a folder");
        fs::write(path, text).expect("write a file of the tree");
    };
    let link = |path: &str, target: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a path in the tree")).expect("make a folder");
        symlink(target, path).expect("make a link of the tree");
    };
    write("proc/video/vloopback/vloopbacks", PIPES);
    write("proc/video/vloopback/vloopback0", "0\tvideo90\t-\tvideo91\t-\n");
    write("proc/modules", MODULES);
    write("today/proc/modules", TODAYS_MODULES);
    for (node, direction) in [(90, "input"), (91, "output")] {
        write(&format!("dev/video{node}"), "");
        link(&format!("dev/v4l/video{node}"), &format!("../video{node}"));
        let device = format!("devices/virtual/video4linux/video{node}");
        write(&format!("sys/{device}/name"), &format!("Video loopback 0 {direction}\n"));
        write(&format!("today/sys/{device}/name"), NAME);
        link(&format!("today/sys/{device}/subsystem"), "../../../../class/video4linux");
        link(&format!("today/sys/class/video4linux/video{node}"), &format!("../../{device}"));
        link(&format!("today/sys/dev/char/81:{node}"), &format!("../../{device}"));
        write(&format!("sys/{device}/dev"), &format!("81:{node}\n"));
        link(&format!("sys/{device}/subsystem"), "../../../../class/video4linux");
        link(&format!("sys/class/video4linux/video{node}"), &format!("../../{device}"));
        link(&format!("sys/dev/char/81:{node}"), &format!("../../{device}"));
    }
    socket
}

/// Runs this test's body (`child`) under the library, with more environment if need be.
fn under_library(test: &str, more: &[(&str, &str)], child: impl Fn()) {
    if std::env::var(CHILD).as_deref() == Ok(test) {
        return child();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(std::env::current_exe().expect("a test knows its own path"))
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, test)
        .env("VLOOPBACK_SOCKET", tree(folder.path()))
        .env("LD_PRELOAD", common::library())
        .env_remove("VLOOPBACK_ERA")
        .env_remove("VLOOPBACK_UNAME")
        .envs(more.iter().copied())
        .output()
        .expect("run the test again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn names(folder: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}")) {
        let name = entry.expect("an entry").file_name().into_string().expect("an ASCII name");
        assert!(names.insert(name.clone()), "{folder} lists {name} twice");
    }
    names
}

fn kind<T>(result: std::io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn nodes_are_character_devices() {
    under_library("nodes_are_character_devices", &[], || {
        for path in ["/dev/video91", "//dev/./video91", "/dev/v4l/video91"] {
            let status = fs::metadata(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(status.file_type().is_char_device(), "{path}");
            assert_eq!(status.rdev(), libc::makedev(81, 91), "{path}");
            assert_eq!((status.size(), status.blocks()), (0, 0), "{path}");
        }
        let link = fs::symlink_metadata("/dev/v4l/video91").expect("the old name");
        assert!(link.file_type().is_symlink());
        assert_eq!(fs::read_link("/dev/v4l/video91").expect("a link"), Path::new("../video91"));
        assert_eq!(fs::canonicalize("/dev/v4l/video91").expect("a path"), Path::new("/dev/video91"));
        assert!(fs::metadata("/dev/video92").is_err());
        assert!(fs::metadata("/dev/video91/").is_err());
    });
}

#[test]
fn nodes_are_listed_once_among_the_real_ones() {
    under_library("nodes_are_listed_once_among_the_real_ones", &[], || {
        let listed = names("/dev");
        for name in ["video90", "video91", "v4l", "null"] {
            assert!(listed.contains(name), "{name}");
        }
        for entry in fs::read_dir("/dev").expect("/dev") {
            let entry = entry.expect("an entry");
            if entry.file_name().to_string_lossy().starts_with("video9") {
                assert!(entry.file_type().expect("its type").is_char_device());
            }
        }
        assert!(names("/dev/v4l").contains("video90"));
        // The program's own current folder is the way in, too.
        std::env::set_current_dir("/dev").expect("/dev");
        assert!(names(".").contains("video91"));
        assert!(fs::metadata("video91").expect("a relative name").file_type().is_char_device());
    });
}

/// driver/docs/old-api.md, "Names in sysfs": the lowest pipe is met first, whatever order the file
/// system has.
#[test]
fn nodes_are_listed_in_ascending_order() {
    under_library("nodes_are_listed_in_ascending_order", &[], || {
        let root = std::env::var("VLOOPBACK_SOCKET").expect("the tree's name") + ".d";
        for node in [109, 100, 7, 99, 1000] {
            symlink("x", format!("{root}/sys/class/video4linux/video{node}")).expect("make a link");
            fs::write(format!("{root}/dev/video{node}"), "").expect("make a node");
        }
        for folder in ["/sys/class/video4linux", "/dev"] {
            let numbers: Vec<u32> = fs::read_dir(folder)
                .expect("a folder")
                .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
                .filter_map(|name| name.strip_prefix("video")?.parse().ok())
                .collect();
            let ours = numbers.iter().filter(|number| [7, 90, 91, 99, 100, 109, 1000].contains(number));
            assert_eq!(ours.collect::<Vec<_>>(), [&7, &90, &91, &99, &100, &109, &1000], "{folder}");
        }
    });
}

/// Without a daemon a node cannot be opened, and no file comes into being in its place.
#[test]
fn nodes_without_a_daemon_do_not_open() {
    under_library("nodes_without_a_daemon_do_not_open", &[], || {
        assert_eq!(kind(File::open("/dev/video91")), Some(ErrorKind::NotFound));
        let folder = File::options().read(true).custom_flags(libc::O_DIRECTORY).open("/dev/video91");
        assert_eq!(folder.err().and_then(|error| error.raw_os_error()), Some(libc::ENOTDIR));
        assert_eq!(
            kind(File::options().write(true).create_new(true).open("/dev/video91")),
            Some(ErrorKind::AlreadyExists)
        );
    });
}

/// driver/docs/old-api.md, "The list in /proc", and driver/docs/rules.md, "Eras": who looks there is legacy from then
/// on.
#[test]
fn who_looks_into_proc_is_legacy() {
    under_library("who_looks_into_proc_is_legacy", &[], || {
        let modules = || fs::read_to_string("/proc/modules").unwrap_or_default();
        assert!(names("/proc").contains("video"));
        assert!(names("/proc/video").contains("vloopback"));
        assert_eq!(modules(), TODAYS_MODULES);
        assert_eq!(fs::read_to_string("/proc/video/vloopback/vloopbacks").expect("the pipes"), PIPES);
        assert_eq!(modules(), MODULES);
        assert!(names("/proc").contains("modules"));
        assert_eq!(names("/proc/video/vloopback"), ["vloopback0", "vloopbacks"].map(str::to_owned).into());
    });
}

#[test]
fn listing_proc_is_looking() {
    under_library("listing_proc_is_looking", &[], || {
        names("/proc/video/vloopback");
        assert_eq!(fs::read_to_string("/proc/modules").expect("the modules"), MODULES);
    });
}

#[test]
fn the_era_may_be_told_from_outside() {
    under_library("the_era_may_be_told_from_outside", &[("VLOOPBACK_ERA", "legacy")], || {
        assert_eq!(fs::read_to_string("/proc/modules").expect("the modules"), MODULES);
    });
}

#[test]
fn proc_and_sys_files_cannot_be_written() {
    under_library("proc_and_sys_files_cannot_be_written", &[], || {
        for path in ["/proc/video/vloopback/vloopbacks", "/sys/class/video4linux/video90/name"] {
            let before = fs::read(path).expect("a file of the tree");
            let mut open = File::options();
            assert_eq!(kind(open.write(true).open(path)), Some(ErrorKind::PermissionDenied), "{path}");
            assert_eq!(kind(File::create(path)), Some(ErrorKind::PermissionDenied), "{path}");
            assert_eq!(fs::read(path).expect("a file of the tree"), before, "{path}");
        }
        assert_eq!(kind(File::create("/proc/video/vloopback/other")), Some(ErrorKind::NotFound));
        assert!(!names("/proc/video/vloopback").contains("other"));
    });
}

/// driver/docs/old-api.md, "Names in sysfs", and driver/docs/clients.md, "What a device must answer" 9: all ways into
/// sysfs agree.
#[test]
fn sysfs_is_consistent() {
    under_library("sysfs_is_consistent", &[], || {
        let name = NAME;
        let device = "/sys/devices/virtual/video4linux/video90";
        for way in ["/sys/class/video4linux/video90", "/sys/dev/char/81:90", device] {
            assert_eq!(fs::read_to_string(format!("{way}/name")).expect("a name"), name, "{way}");
            assert_eq!(fs::canonicalize(way).expect("a path"), Path::new(device), "{way}");
            let class = fs::canonicalize(format!("{way}/subsystem")).expect("the class");
            assert_eq!(class, Path::new("/sys/class/video4linux"), "{way}");
        }
        assert_eq!(
            fs::read_link("/sys/class/video4linux/video90").expect("a link"),
            Path::new("../../devices/virtual/video4linux/video90")
        );
        assert!(names("/sys/class").contains("video4linux"));
        assert!(names("/sys/class/video4linux").is_superset(&["video90".into(), "video91".into()].into()));
        assert!(names("/sys/devices/virtual").contains("video4linux"));
        assert!(names("/sys/dev/char").contains("81:91"));
        for entry in fs::read_dir("/sys/class/video4linux").expect("the class") {
            assert!(entry.expect("an entry").file_type().expect("its type").is_symlink());
        }
        // What the kernel tells of a descriptor names the path that was asked for.
        let file = File::open(format!("{device}/name")).expect("a file of the tree");
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        assert_eq!(fs::read_link(link).expect("a link"), Path::new(device).join("name"));
    });
}

/// driver/docs/old-api.md, "The kernel release".
#[test]
fn the_release_is_faked_where_asked() {
    let child = || {
        // SAFETY: all zeros is a valid value of plain arrays.
        let mut names: libc::utsname = unsafe { std::mem::zeroed() };
        // SAFETY: room for the answer.
        assert_eq!(unsafe { libc::uname(&mut names) }, 0);
        // SAFETY: the kernel's and our strings are terminated.
        let text = |field: &[libc::c_char]| unsafe { std::ffi::CStr::from_ptr(field.as_ptr()) }.to_owned();
        assert_eq!(text(&names.release).as_c_str(), c"2.4.37");
        assert_eq!(text(&names.sysname).as_c_str(), c"Linux");
    };
    under_library("the_release_is_faked_where_asked", &[("VLOOPBACK_UNAME", "2.4.37")], child);
}

/// Programs that pass wild pointers get EFAULT, as without the library.
#[test]
fn wild_paths_are_answered_by_the_kernel() {
    under_library("wild_paths_are_answered_by_the_kernel", &[], || {
        for address in [0_usize, 1, 4095, usize::MAX] {
            // SAFETY: the kernel checks the pointer and fails.
            let fd = unsafe { libc::open(std::ptr::without_provenance(address), libc::O_RDONLY) };
            let errno = std::io::Error::last_os_error().raw_os_error();
            assert_eq!((fd, errno), (-1, Some(libc::EFAULT)), "{address}");
        }
    });
}

/// The files that tell the release are read-only, whole, and closed by exec where that was asked for; what is
/// not to read them is the system's.
#[test]
fn the_release_in_files() {
    under_library("the_release_in_files", &[("VLOOPBACK_UNAME", "2.4.99")], || {
        use std::io::{Read, Seek, Write};
        let read = |path: &str| fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(read("/proc/sys/kernel/osrelease"), "2.4.99\n");
        assert!(read("/proc/version").starts_with("Linux version 2.4.99 "), "{}", read("/proc/version"));
        let mut file = File::open("/proc/version").expect("the file");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("its text");
        assert!(text.ends_with('\n') && text.lines().count() == 1, "{text:?}");
        assert_eq!(kind(file.write(b"x")), kind(File::open("/dev/null").expect("a file").write(b"x")));
        file.rewind().expect("a file can be read again");
        text.clear();
        file.read_to_string(&mut text).expect("its text");
        assert_eq!(text, read("/proc/version"));
        // Rust opens with O_CLOEXEC; without it a child has the file.
        let listed = |file: &File| {
            use std::os::fd::AsRawFd;
            // SAFETY: a number and a flag.
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) }
        };
        assert_eq!(listed(&file), libc::FD_CLOEXEC);
        // SAFETY: a C string.
        let bare = unsafe { libc::open(c"/proc/version".as_ptr(), libc::O_RDONLY) };
        // SAFETY: the number that open has just given, nobody else's.
        let bare = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(bare) };
        assert_eq!(listed(&bare), 0);
        assert_eq!(kind(File::open("/proc/version/")), kind(File::open("/proc/uptime/")));
        assert!(fs::OpenOptions::new().write(true).create_new(true).open("/proc/version").is_err());
        assert_eq!(fs::metadata("/proc/version").expect("its status").len(), 0, "as files of /proc are");
        assert_eq!(fs::canonicalize("/proc/version").expect("a path"), Path::new("/proc/version"));
    });
}

/// A program that knows nothing of video sees no difference.
#[test]
fn everything_else_passes_through() {
    under_library("everything_else_passes_through", &[], || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("video90");
        fs::write(&path, "mine").expect("write a file");
        std::env::set_current_dir(folder.path()).expect("the folder");
        assert_eq!(fs::read_to_string("video90").expect("a relative name"), "mine");
        assert!(fs::metadata("video90").expect("its status").is_file());
        assert_eq!(names("."), ["video90".to_owned()].into());
        assert_eq!(fs::canonicalize("video90").expect("a path"), path);
        assert_eq!(kind(File::open("video91")), Some(ErrorKind::NotFound));
        assert!(fs::metadata("/dev/null").expect("a real node").file_type().is_char_device());
        let output = Command::new("/bin/sh").args(["-c", "echo $((6*7))"]).output().expect("a shell");
        assert_eq!(output.stdout, b"42\n");
        // SAFETY: no pointers but null, on numbers that are not open.
        let answers = unsafe {
            [libc::ioctl(896_160_394, 0x803c_7601, 0), libc::close(896_160_394), libc::dup(896_160_394)]
        };
        assert_eq!(answers, [-1; 3]);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EBADF));
    });
}
