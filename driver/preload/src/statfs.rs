//! statfs and fstatfs: files in /sys are on sysfs, files in /proc on procfs.
//!
//! libudev accepts a device only if its folder is on sysfs (`fd_is_fs_type` with SYSFS_MAGIC), and the
//! daemon's tree is on the file system of its socket. The answer is that
//! of the folder at the top (/sys, /proc, /dev) itself, so all of its fields agree.

use crate::errno;
use crate::naming;
use crate::place;
use crate::place::Place;
use crate::real;
use crate::remote;
use crate::route;
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicU64, Ordering};
use vloopback_runtime::edge;
use vloopback_runtime::paths::{Class, strip_tree};
use vloopback_runtime::stack;

/// `statfs` of a sysfs, a procfs and a tmpfs (which the kernel's devtmpfs calls itself, too).
const SYSFS: i32 = 0x6265_6572;
const PROCFS: i32 = 0x9fa0;
const TMPFS: i32 = 0x0102_1994;

/// A file system's record, of either width.
trait Record {
    /// Says which kind of file system it is.
    fn set_kind(&mut self, kind: i32);
    /// Which one it is, as far as the record tells: kind and identifier.
    fn identity(&self) -> u64;
}

macro_rules! record {
    ($($ty:ty),*) => {$(
        impl Record for $ty {
            fn set_kind(&mut self, kind: i32) {
                self.f_type = kind.into();
            }

            fn identity(&self) -> u64 {
                // SAFETY: two plain words, which the libc crate keeps to itself.
                let id = unsafe { core::mem::transmute_copy::<libc::fsid_t, u64>(&self.f_fsid) };
                // The widths of the kind differ; its low half tells enough.
                id ^ (self.f_type as u64) << 32
            }
        }
    )*};
}

record!(libc::statfs, libc::statfs64);
const _: () = assert!(size_of::<libc::fsid_t>() == size_of::<u64>());

/// The folder at the top that a path of ours stands in, and what its file system is called.
fn top_of(path: &[u8]) -> Option<(&'static CStr, i32)> {
    match path.get(1)? {
        b's' => Some((c"/sys", SYSFS)),
        b'p' => Some((c"/proc", PROCFS)),
        b'd' => Some((c"/dev", TMPFS)),
        _ => None,
    }
}

/// Fills in the record for something of the tree: `path` as the program sees it, `mapped` where it is.
/// `call` is the C library's statfs.
fn describe<R: Record>(
    path: &[u8],
    mapped: *const c_char,
    buf: *mut R,
    call: impl Fn(*const c_char) -> c_int,
) -> c_int {
    let Some((top, kind)) = top_of(path) else {
        return call(mapped);
    };
    let before = errno::get();
    let mut result = call(top.as_ptr());
    if result != 0 && errno::get() == libc::ENOENT {
        errno::set(before);
        result = call(mapped);
    }
    if result == 0 {
        // SAFETY: the call has just filled the record there.
        unsafe { &mut *buf }.set_kind(kind);
    }
    result
}

/// statfs of a path.
fn at_path<R: Record>(path: *const c_char, buf: *mut R, call: impl Fn(*const c_char) -> c_int) -> c_int {
    let ours = |place: &Place| of_place(place, path, buf, &call);
    route::serve(libc::AT_FDCWD, path, true, |_, path| call(path), ours)
}

fn of_place<R: Record>(
    place: &Place,
    path: *const c_char,
    buf: *mut R,
    call: impl Fn(*const c_char) -> c_int,
) -> c_int {
    if place.class == Class::MergedDir {
        let before = errno::get();
        let result = call(path);
        if result == 0 || errno::get() != libc::ENOENT {
            return result;
        }
        errno::set(before);
    }
    match place.mapped() {
        Some(mapped) if remote::mode_in_tree(place).is_some() => {
            describe(place.path.as_bytes(), mapped.as_ptr(), buf, call)
        }
        _ => call(path),
    }
}

/// The identity of the file system that the tree is on; 0 before it was asked for.
static TREES: AtomicU64 = AtomicU64::new(0);

/// Whether a file on a file system of this identity can be one of the tree's.
fn may_be_in_tree(identity: u64, tree: &CStr) -> bool {
    let mut known = TREES.load(Ordering::Relaxed);
    if known == 0 {
        let mut status = core::mem::MaybeUninit::<libc::statfs64>::zeroed();
        // SAFETY: a C string and room for one answer.
        if unsafe { real::statfs64(tree.as_ptr(), status.as_mut_ptr()) } != 0 {
            return false;
        }
        // SAFETY: all zeros is a valid value, and success has filled it.
        known = unsafe { status.assume_init() }.identity();
        TREES.store(known, Ordering::Relaxed);
    }
    identity == known
}

/// fstatfs. `bare` is the C library's own, `named` its statfs.
fn at_descriptor<R: Record>(
    fd: c_int,
    buf: *mut R,
    bare: impl Fn() -> c_int,
    named: impl Fn(*const c_char) -> c_int,
) -> c_int {
    let result = bare();
    if result != 0 || !(place::has_named_the_tree() || edge::is_ours(fd)) {
        return result;
    }
    if edge::node_of(fd).is_some() {
        // A device stands in /dev, whatever the kernel's object behind it is.
        return describe(b"/dev", c"/dev".as_ptr(), buf, named);
    }
    let before = errno::get();
    let result = edge::tree()
        // SAFETY: the call has just filled the record there.
        .filter(|tree| may_be_in_tree(unsafe { &*buf }.identity(), tree))
        .and_then(|tree| {
            let mut room = naming::buffer();
            let path = strip_tree(naming::behind_descriptor(fd, &mut room)?, tree.to_bytes())?;
            Some(describe(path, tree.as_ptr(), buf, named))
        })
        .unwrap_or(0);
    if result == 0 {
        errno::set(before);
    }
    result
}

macro_rules! path_hooks {
    ($($name:ident => $real:ident: $ty:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, buf: *mut $ty) -> c_int {
            stack::align();
            // SAFETY: the program's own arguments, the path perhaps replaced by another.
            at_path(path, buf, |path| unsafe { real::$real(path, buf) })
        }
    )*};
}

path_hooks! {
    statfs => statfs: libc::statfs;
    __statfs => statfs: libc::statfs;
    statfs64 => statfs64: libc::statfs64;
}

macro_rules! descriptor_hooks {
    ($($name:ident, $path_form:ident: $ty:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, buf: *mut $ty) -> c_int {
            stack::align();
            at_descriptor(
                fd,
                buf,
                // SAFETY: the program's own arguments.
                || unsafe { real::$name(fd, buf) },
                // SAFETY: the program's record, and a path of ours.
                |path| unsafe { real::$path_form(path, buf) },
            )
        }
    )*};
}

descriptor_hooks! {
    fstatfs, statfs: libc::statfs;
    fstatfs64, statfs64: libc::statfs64;
}
