//! What the built files export (driver/docs/rules.md, "The library and its builds"): a program that exported `close`
//! would put our hooks under itself; the library exports libc's names and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use vloopback_tests::{Env, Job, Width, binary, have, skip};

/// The dynamic symbols that a file defines, without their versions.
fn exports(file: &Path) -> BTreeSet<String> {
    let text = Job::new("nm").args(["-D", "--defined-only"]).arg(file).output().ok().text();
    text.lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .map(|name| name.split('@').next().unwrap_or(name).to_owned())
        .collect()
}

/// What a preload library hooks at least (driver/docs/clients.md, "Hooked names").
const HOOKED: &[&str] = &[
    "open",
    "open64",
    "openat",
    "openat64",
    "creat",
    "creat64",
    "__open_2",
    "__open64_2",
    "__openat_2",
    "__openat64_2",
    "close",
    "close_range",
    "closefrom",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "fcntl64",
    "ioctl",
    "mmap",
    "mmap64",
    "munmap",
    "mremap",
    "read",
    "__read_chk",
    "readv",
    "write",
    "writev",
    "stat",
    "stat64",
    "lstat",
    "lstat64",
    "fstat",
    "fstat64",
    "fstatat",
    "fstatat64",
    "statx",
    "__xstat",
    "__xstat64",
    "__lxstat",
    "__fxstat",
    "__fxstatat",
    "access",
    "faccessat",
    "opendir",
    "fdopendir",
    "readdir",
    "readdir64",
    "closedir",
    "rewinddir",
    "scandir",
    "scandir64",
    "glob",
    "glob64",
    "readlink",
    "readlinkat",
    "realpath",
    "__readlink_chk",
    "__realpath_chk",
    "fopen",
    "fopen64",
    "freopen",
    "inotify_add_watch",
    "uname",
    "__open",
    "__open64",
    "__read",
    "__write",
    "__close",
    "__fcntl",
    "preadv",
    "pwritev",
    "sendfile",
    "splice",
    "copy_file_range",
    "poll",
    "__poll_chk",
    "ppoll",
    "__ppoll_chk",
    "select",
    "pselect",
    "epoll_ctl",
    #[cfg(target_arch = "x86_64")]
    "syscall",
];

#[test]
fn programs_export_no_libc_symbol() {
    if !have("nm") {
        skip!("no nm (package binutils)");
    }
    for name in ["vloopback", "vloopbackd"] {
        let exports = exports(&binary(name));
        let bad: Vec<&&str> = HOOKED.iter().filter(|hook| exports.contains(**hook)).collect();
        assert!(bad.is_empty(), "{name} exports {bad:?}");
    }
}

#[test]
fn the_library_exports_the_hooks_and_nothing_of_its_own() {
    if !have("nm") {
        skip!("no nm (package binutils)");
    }
    let env = Env::new(1);
    for width in [Width::Native, Width::Narrow] {
        // A build may be without the one for 32-bit programs: `abi32` tells.
        if let Some(library) = env.library_of(width) {
            exports_of_a_library(&exports(&library), width);
        }
    }
}

/// What 32-bit programs with a 64-bit `time_t` call besides.
const HOOKED_TIME64: &[&str] = &[
    "__ioctl_time64",
    "__fcntl_time64",
    "__stat64_time64",
    "__lstat64_time64",
    "__fstat64_time64",
    "__fstatat64_time64",
    "__glob64_time64",
    "__ppoll64",
    "__select64",
    "__pselect64",
];

#[track_caller]
fn exports_of_a_library(exports: &BTreeSet<String>, width: Width) {
    let more = if width == Width::Native { &[][..] } else { HOOKED_TIME64 };
    let missing: Vec<&&str> = HOOKED.iter().chain(more).filter(|hook| !exports.contains(**hook)).collect();
    assert!(missing.is_empty(), "not hooked ({width:?}): {missing:?}");
    for name in exports {
        assert!(
            !name.contains("vloopback")
                && !name.starts_with("rust")
                && !name.starts_with("_ZN")
                && !name.starts_with("_R"),
            "the library exports {name}, which is no name of libc's"
        );
    }
    // Of the poll family, these see what the descriptors themselves say.
    for name in ["epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_create1"] {
        assert!(!exports.contains(name), "{name} is hooked");
    }
}
