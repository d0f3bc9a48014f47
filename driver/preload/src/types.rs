//! C types that the `libc` crate does not give in a usable form.

use core::ffi::{c_char, c_int, c_void};
use libc::{dirent, dirent64, size_t};

/// scandir's choice of entries; null takes all.
pub type FilterDirent = Option<unsafe extern "C" fn(*const dirent) -> c_int>;
/// scandir64's choice of entries; null takes all.
pub type FilterDirent64 = Option<unsafe extern "C" fn(*const dirent64) -> c_int>;
/// scandir's order; null leaves the folder's.
pub type CompareDirents = Option<unsafe extern "C" fn(*mut *const dirent, *mut *const dirent) -> c_int>;
/// scandir64's order; null leaves the folder's.
pub type CompareDirents64 = Option<unsafe extern "C" fn(*mut *const dirent64, *mut *const dirent64) -> c_int>;

/// `glob_t` and `glob64_t`, which differ only in what their functions take: the functions are
/// untyped here, and set by the hook that knows.
#[repr(C)]
pub struct Glob {
    pub paths: size_t,
    pub path: *mut *mut c_char,
    pub offset: size_t,
    pub flags: c_int,
    pub functions: GlobFunctions,
}

/// What glob calls instead of the C library's functions under GLOB_ALTDIRFUNC.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GlobFunctions {
    pub closedir: *mut c_void,
    pub readdir: *mut c_void,
    pub opendir: *mut c_void,
    pub lstat: *mut c_void,
    pub stat: *mut c_void,
}

/// What stat fills in for 32-bit programs with a 64-bit `time_t` (`struct __stat64_t64`), up to the
/// last field that is of interest here; the times follow. Only ever behind a program's pointer.
#[cfg(target_pointer_width = "32")]
#[repr(C)]
pub struct StatTime64 {
    pub st_dev: u64,
    pub st_ino: u64,
    pub st_mode: libc::mode_t,
    pub st_nlink: u32,
    pub st_uid: libc::uid_t,
    pub st_gid: libc::gid_t,
    pub st_rdev: u64,
    pub st_size: i64,
    pub st_blksize: i32,
    pub st_blocks: i64,
}

/// A time of 32-bit programs with a 64-bit `time_t` (`struct __timespec64`).
#[cfg(target_pointer_width = "32")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Timespec64 {
    pub tv_sec: i64,
    pub tv_nsec: i32,
    pub padding: i32,
}

/// The same (`struct __timeval64`).
#[cfg(target_pointer_width = "32")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Timeval64 {
    pub tv_sec: i64,
    pub tv_usec: i64,
}
