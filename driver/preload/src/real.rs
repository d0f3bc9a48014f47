//! The C library's own functions, in one table.
//!
//! The constructor fills it, since a first look-up could otherwise happen in a signal handler, in
//! a vfork child or in a browser's zygote. A hook that is called even earlier (by another
//! library's constructor) fills its own entry.
//!
//! A function that this C library does not have fails with ENOSYS. Only a program that was linked against a library
//! with that function can call it.

use crate::errno;
use crate::types::{CompareDirents, CompareDirents64, FilterDirent, FilterDirent64, Glob};
#[cfg(target_pointer_width = "32")]
use crate::types::{StatTime64, Timespec64, Timeval64};
use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};
use libc::{
    DIR, FILE, dirent, dirent64, epoll_event, fd_set, iovec, nfds_t, off_t, off64_t, pollfd, sighandler_t,
    sigset_t, size_t, ssize_t, timespec, timeval,
};

/// One function of the C library: its name and, once looked up, its address.
pub struct Entry {
    name: &'static [u8],
    /// Null before the look-up, [`MISSING`] where there is no such function.
    address: AtomicPtr<c_void>,
}

/// The C library's `syscall`, for the filter in `system.rs`; null before the constructor has run.
pub(crate) static SYSCALL: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// No function starts at the last byte of memory.
const MISSING: *mut c_void = core::ptr::without_provenance_mut(usize::MAX);

impl Entry {
    const fn new(name: &'static [u8]) -> Self {
        Self { name, address: AtomicPtr::new(core::ptr::null_mut()) }
    }

    #[inline]
    fn get(&self) -> Option<*mut c_void> {
        // Relaxed: the address is a constant of the process and guards no other data.
        let mut address = self.address.load(Ordering::Relaxed);
        if address.is_null() {
            address = self.resolve();
        }
        (address != MISSING).then_some(address)
    }

    #[cold]
    fn resolve(&self) -> *mut c_void {
        let Ok(name) = CStr::from_bytes_with_nul(self.name) else {
            return MISSING;
        };
        let before = errno::get();
        // SAFETY: a NUL-terminated name; RTLD_NEXT is answered for the object that calls, so with
        // the C library's function and never with our own.
        let mut address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        if address.is_null() {
            // SAFETY: no argument. The program must not find our failure when it asks for its own.
            unsafe { libc::dlerror() };
            address = MISSING;
        }
        errno::set(before);
        self.address.store(address, Ordering::Relaxed);
        address
    }
}

/// Looks everything up. The constructor's work.
pub fn resolve_all() {
    for entry in TABLE {
        entry.get();
    }
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    if let Some(address) = entries::syscall.get() {
        SYSCALL.store(address, Ordering::Relaxed);
    }
}

/// The function pointer's type. The part after `;` in a row stands for C's `...`.
macro_rules! pointer {
    ([$($ty:ty),*] [] $ret:ty) => { unsafe extern "C" fn($($ty),*) -> $ret };
    ([$($ty:ty),*] [$($more:ty),+] $ret:ty) => { unsafe extern "C" fn($($ty),*, ...) -> $ret };
}

macro_rules! table {
    ($(
        $(#[$attr:meta])*
        fn $name:ident($($arg:ident: $ty:ty),* $(; $($more:ident: $more_ty:ty),+)?) -> $ret:ty = $missing:expr;
    )*) => {
        #[allow(non_upper_case_globals)]
        mod entries {
            $(
                $(#[$attr])*
                pub static $name: super::Entry =
                    super::Entry::new(concat!(stringify!($name), "\0").as_bytes());
            )*
        }

        static TABLE: &[&Entry] = &[$($(#[$attr])* &entries::$name,)*];

        $(
            $(#[$attr])*
            #[doc = concat!("The C library's own `", stringify!($name), "`.")]
            /// # Safety
            /// As the C function.
            #[inline]
            pub unsafe fn $name($($arg: $ty),* $(, $($more: $more_ty),+)?) -> $ret {
                match entries::$name.get() {
                    Some(address) => {
                        // SAFETY: the dynamic linker gave this address for this name, and the
                        // row has the prototype that the C library's header gives.
                        let function = unsafe {
                            core::mem::transmute::<
                                *mut c_void,
                                pointer!([$($ty),*] [$($($more_ty),+)?] $ret),
                            >(address)
                        };
                        // SAFETY: the caller keeps the C function's contract.
                        unsafe { function($($arg),* $(, $($more),+)?) }
                    }
                    None => {
                        errno::set(libc::ENOSYS);
                        $missing
                    }
                }
            }
        )*
    };
}

table! {
    fn open(path: *const c_char, flags: c_int; mode: c_uint) -> c_int = -1;
    fn open64(path: *const c_char, flags: c_int; mode: c_uint) -> c_int = -1;
    fn openat(dirfd: c_int, path: *const c_char, flags: c_int; mode: c_uint) -> c_int = -1;
    fn openat64(dirfd: c_int, path: *const c_char, flags: c_int; mode: c_uint) -> c_int = -1;
    fn creat(path: *const c_char, mode: c_uint) -> c_int = -1;
    fn creat64(path: *const c_char, mode: c_uint) -> c_int = -1;
    fn __open_2(path: *const c_char, flags: c_int) -> c_int = -1;
    fn __open64_2(path: *const c_char, flags: c_int) -> c_int = -1;
    fn __openat_2(dirfd: c_int, path: *const c_char, flags: c_int) -> c_int = -1;
    fn __openat64_2(dirfd: c_int, path: *const c_char, flags: c_int) -> c_int = -1;

    fn close(fd: c_int) -> c_int = -1;
    fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int = -1;
    fn dup(fd: c_int) -> c_int = -1;
    fn dup2(old: c_int, new: c_int) -> c_int = -1;
    fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int = -1;
    fn fcntl(fd: c_int, command: c_int; arg: usize) -> c_int = -1;
    fn fcntl64(fd: c_int, command: c_int; arg: usize) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __fcntl_time64(fd: c_int, command: c_int; arg: usize) -> c_int = -1;

    fn ioctl(fd: c_int, request: usize; arg: usize) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __ioctl_time64(fd: c_int, request: usize; arg: usize) -> c_int = -1;
    fn mmap(addr: *mut c_void, len: size_t, prot: c_int, flags: c_int, fd: c_int, offset: off_t) -> *mut c_void = libc::MAP_FAILED;
    fn mmap64(addr: *mut c_void, len: size_t, prot: c_int, flags: c_int, fd: c_int, offset: off64_t) -> *mut c_void = libc::MAP_FAILED;
    fn munmap(addr: *mut c_void, len: size_t) -> c_int = -1;
    fn mremap(addr: *mut c_void, len: size_t, new_len: size_t, flags: c_int; to: *mut c_void) -> *mut c_void = libc::MAP_FAILED;

    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    fn syscall(number: c_long; a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long = -1;

    fn signal(number: c_int, handler: sighandler_t) -> sighandler_t = libc::SIG_ERR;
    fn bsd_signal(number: c_int, handler: sighandler_t) -> sighandler_t = libc::SIG_ERR;
    fn ssignal(number: c_int, handler: sighandler_t) -> sighandler_t = libc::SIG_ERR;
    fn sysv_signal(number: c_int, handler: sighandler_t) -> sighandler_t = libc::SIG_ERR;
    fn __sysv_signal(number: c_int, handler: sighandler_t) -> sighandler_t = libc::SIG_ERR;
    fn sigset(number: c_int, handler: sighandler_t) -> sighandler_t = libc::SIG_ERR;
    fn sigaction(number: c_int, new: *const c_void, old: *mut c_void) -> c_int = -1;
    fn __sigaction(number: c_int, new: *const c_void, old: *mut c_void) -> c_int = -1;
    fn sigignore(number: c_int) -> c_int = -1;
    fn sighold(number: c_int) -> c_int = -1;
    fn sigblock(mask: c_int) -> c_int = -1;
    fn sigsetmask(mask: c_int) -> c_int = -1;
    fn sigprocmask(how: c_int, new: *const sigset_t, old: *mut sigset_t) -> c_int = -1;
    fn pthread_sigmask(how: c_int, new: *const sigset_t, old: *mut sigset_t) -> c_int = libc::ENOSYS;

    fn read(fd: c_int, buf: *mut c_void, len: size_t) -> ssize_t = -1;
    fn __read_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t) -> ssize_t = -1;
    fn readv(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t = -1;
    fn pread(fd: c_int, buf: *mut c_void, len: size_t, offset: off_t) -> ssize_t = -1;
    fn pread64(fd: c_int, buf: *mut c_void, len: size_t, offset: off64_t) -> ssize_t = -1;
    fn __pread_chk(fd: c_int, buf: *mut c_void, len: size_t, offset: off_t, room: size_t) -> ssize_t = -1;
    fn __pread64_chk(fd: c_int, buf: *mut c_void, len: size_t, offset: off64_t, room: size_t) -> ssize_t = -1;
    fn preadv(fd: c_int, iov: *const iovec, count: c_int, offset: off_t) -> ssize_t = -1;
    fn preadv64(fd: c_int, iov: *const iovec, count: c_int, offset: off64_t) -> ssize_t = -1;
    fn preadv2(fd: c_int, iov: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t = -1;
    fn preadv64v2(fd: c_int, iov: *const iovec, count: c_int, offset: off64_t, flags: c_int) -> ssize_t = -1;
    fn write(fd: c_int, buf: *const c_void, len: size_t) -> ssize_t = -1;
    fn writev(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t = -1;
    fn pwrite(fd: c_int, buf: *const c_void, len: size_t, offset: off_t) -> ssize_t = -1;
    fn pwrite64(fd: c_int, buf: *const c_void, len: size_t, offset: off64_t) -> ssize_t = -1;
    fn pwritev(fd: c_int, iov: *const iovec, count: c_int, offset: off_t) -> ssize_t = -1;
    fn pwritev64(fd: c_int, iov: *const iovec, count: c_int, offset: off64_t) -> ssize_t = -1;
    fn pwritev2(fd: c_int, iov: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t = -1;
    fn pwritev64v2(fd: c_int, iov: *const iovec, count: c_int, offset: off64_t, flags: c_int) -> ssize_t = -1;
    fn sendfile(out: c_int, input: c_int, offset: *mut off_t, count: size_t) -> ssize_t = -1;
    fn sendfile64(out: c_int, input: c_int, offset: *mut off64_t, count: size_t) -> ssize_t = -1;
    fn splice(input: c_int, in_at: *mut off64_t, out: c_int, out_at: *mut off64_t, len: size_t, flags: c_uint) -> ssize_t = -1;
    fn copy_file_range(input: c_int, in_at: *mut off64_t, out: c_int, out_at: *mut off64_t, len: size_t, flags: c_uint) -> ssize_t = -1;

    fn bind(fd: c_int, address: *const libc::sockaddr, len: libc::socklen_t) -> c_int = -1;
    fn recv(fd: c_int, buf: *mut c_void, len: size_t, flags: c_int) -> ssize_t = -1;
    fn __recv_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t, flags: c_int) -> ssize_t = -1;
    fn recvfrom(fd: c_int, buf: *mut c_void, len: size_t, flags: c_int, address: *mut libc::sockaddr, address_len: *mut libc::socklen_t) -> ssize_t = -1;
    fn __recvfrom_chk(fd: c_int, buf: *mut c_void, len: size_t, room: size_t, flags: c_int, address: *mut libc::sockaddr, address_len: *mut libc::socklen_t) -> ssize_t = -1;
    fn recvmsg(fd: c_int, header: *mut libc::msghdr, flags: c_int) -> ssize_t = -1;

    fn poll(fds: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int = -1;
    fn __poll(fds: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int = -1;
    fn __poll_chk(fds: *mut pollfd, count: nfds_t, timeout: c_int, room: size_t) -> c_int = -1;
    fn ppoll(fds: *mut pollfd, count: nfds_t, time: *const timespec, mask: *const sigset_t) -> c_int = -1;
    fn __ppoll_chk(fds: *mut pollfd, count: nfds_t, time: *const timespec, mask: *const sigset_t, room: size_t) -> c_int = -1;
    fn select(count: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, time: *mut timeval) -> c_int = -1;
    fn pselect(count: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, time: *const timespec, mask: *const sigset_t) -> c_int = -1;
    fn epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: *mut epoll_event) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __ppoll64(fds: *mut pollfd, count: nfds_t, time: *const Timespec64, mask: *const sigset_t) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __select64(count: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, time: *mut Timeval64) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __pselect64(count: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, time: *const Timespec64, mask: *const sigset_t) -> c_int = -1;

    fn stat(path: *const c_char, buf: *mut libc::stat) -> c_int = -1;
    fn stat64(path: *const c_char, buf: *mut libc::stat64) -> c_int = -1;
    fn lstat(path: *const c_char, buf: *mut libc::stat) -> c_int = -1;
    fn lstat64(path: *const c_char, buf: *mut libc::stat64) -> c_int = -1;
    fn fstat(fd: c_int, buf: *mut libc::stat) -> c_int = -1;
    fn fstat64(fd: c_int, buf: *mut libc::stat64) -> c_int = -1;
    fn fstatat(dirfd: c_int, path: *const c_char, buf: *mut libc::stat, flags: c_int) -> c_int = -1;
    fn fstatat64(dirfd: c_int, path: *const c_char, buf: *mut libc::stat64, flags: c_int) -> c_int = -1;
    fn __xstat(version: c_int, path: *const c_char, buf: *mut libc::stat) -> c_int = -1;
    fn __xstat64(version: c_int, path: *const c_char, buf: *mut libc::stat64) -> c_int = -1;
    fn __lxstat(version: c_int, path: *const c_char, buf: *mut libc::stat) -> c_int = -1;
    fn __lxstat64(version: c_int, path: *const c_char, buf: *mut libc::stat64) -> c_int = -1;
    fn __fxstat(version: c_int, fd: c_int, buf: *mut libc::stat) -> c_int = -1;
    fn __fxstat64(version: c_int, fd: c_int, buf: *mut libc::stat64) -> c_int = -1;
    fn __fxstatat(version: c_int, dirfd: c_int, path: *const c_char, buf: *mut libc::stat, flags: c_int) -> c_int = -1;
    fn __fxstatat64(version: c_int, dirfd: c_int, path: *const c_char, buf: *mut libc::stat64, flags: c_int) -> c_int = -1;
    fn statx(dirfd: c_int, path: *const c_char, flags: c_int, mask: c_uint, buf: *mut libc::statx) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __stat64_time64(path: *const c_char, buf: *mut StatTime64) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __lstat64_time64(path: *const c_char, buf: *mut StatTime64) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __fstat64_time64(fd: c_int, buf: *mut StatTime64) -> c_int = -1;
    #[cfg(target_pointer_width = "32")]
    fn __fstatat64_time64(dirfd: c_int, path: *const c_char, buf: *mut StatTime64, flags: c_int) -> c_int = -1;

    fn statfs(path: *const c_char, buf: *mut libc::statfs) -> c_int = -1;
    fn statfs64(path: *const c_char, buf: *mut libc::statfs64) -> c_int = -1;
    fn fstatfs(fd: c_int, buf: *mut libc::statfs) -> c_int = -1;
    fn fstatfs64(fd: c_int, buf: *mut libc::statfs64) -> c_int = -1;

    fn access(path: *const c_char, mode: c_int) -> c_int = -1;
    fn eaccess(path: *const c_char, mode: c_int) -> c_int = -1;
    fn euidaccess(path: *const c_char, mode: c_int) -> c_int = -1;
    fn faccessat(dirfd: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int = -1;
    fn readlink(path: *const c_char, buf: *mut c_char, len: size_t) -> ssize_t = -1;
    fn readlinkat(dirfd: c_int, path: *const c_char, buf: *mut c_char, len: size_t) -> ssize_t = -1;
    fn __readlink_chk(path: *const c_char, buf: *mut c_char, len: size_t, room: size_t) -> ssize_t = -1;
    fn __readlinkat_chk(dirfd: c_int, path: *const c_char, buf: *mut c_char, len: size_t, room: size_t) -> ssize_t = -1;
    fn getxattr(path: *const c_char, name: *const c_char, buf: *mut c_void, len: size_t) -> ssize_t = -1;
    fn lgetxattr(path: *const c_char, name: *const c_char, buf: *mut c_void, len: size_t) -> ssize_t = -1;
    fn listxattr(path: *const c_char, buf: *mut c_char, len: size_t) -> ssize_t = -1;
    fn llistxattr(path: *const c_char, buf: *mut c_char, len: size_t) -> ssize_t = -1;
    fn realpath(path: *const c_char, resolved: *mut c_char) -> *mut c_char = core::ptr::null_mut();
    fn __realpath_chk(path: *const c_char, resolved: *mut c_char, room: size_t) -> *mut c_char = core::ptr::null_mut();

    fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE = core::ptr::null_mut();
    fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE = core::ptr::null_mut();
    fn freopen(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE = core::ptr::null_mut();
    fn freopen64(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE = core::ptr::null_mut();
    fn fclose(stream: *mut FILE) -> c_int = libc::EOF;
    fn fdopen(fd: c_int, mode: *const c_char) -> *mut FILE = core::ptr::null_mut();
    fn vdprintf(fd: c_int, format: *const c_char, args: *mut c_void) -> c_int = -1;
    fn __vdprintf_chk(fd: c_int, flag: c_int, format: *const c_char, args: *mut c_void) -> c_int = -1;
    fn lseek64(fd: c_int, offset: off64_t, whence: c_int) -> off64_t = -1;

    fn opendir(path: *const c_char) -> *mut DIR = core::ptr::null_mut();
    fn fdopendir(fd: c_int) -> *mut DIR = core::ptr::null_mut();
    fn readdir(dir: *mut DIR) -> *mut dirent = core::ptr::null_mut();
    fn readdir64(dir: *mut DIR) -> *mut dirent64 = core::ptr::null_mut();
    fn readdir_r(dir: *mut DIR, entry: *mut dirent, result: *mut *mut dirent) -> c_int = libc::ENOSYS;
    fn readdir64_r(dir: *mut DIR, entry: *mut dirent64, result: *mut *mut dirent64) -> c_int = libc::ENOSYS;
    fn closedir(dir: *mut DIR) -> c_int = -1;
    fn rewinddir(dir: *mut DIR) -> () = ();
    fn scandir(path: *const c_char, list: *mut *mut *mut dirent, filter: FilterDirent, compare: CompareDirents) -> c_int = -1;
    fn scandir64(path: *const c_char, list: *mut *mut *mut dirent64, filter: FilterDirent64, compare: CompareDirents64) -> c_int = -1;
    fn glob(pattern: *const c_char, flags: c_int, on_error: *mut c_void, result: *mut Glob) -> c_int = libc::GLOB_ABORTED;
    fn glob64(pattern: *const c_char, flags: c_int, on_error: *mut c_void, result: *mut Glob) -> c_int = libc::GLOB_ABORTED;
    #[cfg(target_pointer_width = "32")]
    fn __glob64_time64(pattern: *const c_char, flags: c_int, on_error: *mut c_void, result: *mut Glob) -> c_int = libc::GLOB_ABORTED;

    fn chdir(path: *const c_char) -> c_int = -1;
    fn fchdir(fd: c_int) -> c_int = -1;
    fn getcwd(buf: *mut c_char, size: size_t) -> *mut c_char = core::ptr::null_mut();
    fn __getcwd_chk(buf: *mut c_char, size: size_t, room: size_t) -> *mut c_char = core::ptr::null_mut();
    fn get_current_dir_name() -> *mut c_char = core::ptr::null_mut();
    fn getwd(buf: *mut c_char) -> *mut c_char = core::ptr::null_mut();
    fn __getwd_chk(buf: *mut c_char, room: size_t) -> *mut c_char = core::ptr::null_mut();

    fn inotify_init() -> c_int = -1;
    fn inotify_init1(flags: c_int) -> c_int = -1;
    fn inotify_rm_watch(fd: c_int, watch: c_int) -> c_int = -1;
    fn inotify_add_watch(fd: c_int, path: *const c_char, mask: u32) -> c_int = -1;
    fn uname(names: *mut libc::utsname) -> c_int = -1;
}
