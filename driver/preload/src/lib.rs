//! `libvloopback_preload.so`: loaded into a program by `LD_PRELOAD`, it serves the driver's device nodes
//! and files. It contains the hooks of libc's functions and nothing more. Each hook decides whether a call is for a
//! device, and if so passes it to [`vloopback_runtime::edge`]. All other calls go on to the C library; nothing is
//! logged, allocated or changed on the way, errno included.
//!
//! # Hooked
//! | module | calls |
//! |---|---|
//! | `open` | `open` `open64` `openat` `openat64` `creat` `creat64` `__open` `__open64` `__open_2` `__open64_2` `__openat_2` `__openat64_2` |
//! | `fds` | `close` `__close` `close_range` `closefrom` `dup` `dup2` `__dup2` `dup3` `fcntl` `fcntl64` `__fcntl` |
//! | `io` | `read` `__read` `__read_chk` `readv` `pread` `pread64` `__pread64` `__pread_chk` `__pread64_chk` `preadv` `preadv64` `preadv2` `preadv64v2` `write` `__write` `writev` `pwrite` `pwrite64` `__pwrite64` `pwritev` `pwritev64` `pwritev2` `pwritev64v2` `sendfile` `sendfile64` `splice` `copy_file_range` |
//! | `device` | `ioctl` `mmap` `mmap64` `munmap` `mremap` |
//! | `poll` | `poll` `__poll` `__poll_chk` `ppoll` `__ppoll_chk`, for V4L2's events, zero-copy requests and devices that come and go; see the module companion |
//! | `select` | `select` `__select` `pselect`, for the same |
//! | `epoll` | `epoll_ctl`, for the same |
//! | `stat` | `stat` `stat64` `lstat` `lstat64` `fstat` `fstat64` `fstatat` `fstatat64` `__xstat` `__xstat64` `__lxstat` `__lxstat64` `__fxstat` `__fxstat64` `__fxstatat` `__fxstatat64` `statx` |
//! | `statfs` | `statfs` `__statfs` `statfs64` `fstatfs` `fstatfs64` |
//! | `names` | `access` `eaccess` `euidaccess` `faccessat` `readlink` `readlinkat` `__readlink_chk` `__readlinkat_chk` `realpath` `__realpath_chk` `canonicalize_file_name` `getxattr` `lgetxattr` `listxattr` `llistxattr` |
//! | `stdio` | `fopen` `fopen64` `_IO_fopen` `fdopen` `_IO_fdopen` `freopen` `freopen64` `fclose` `_IO_fclose`, whose streams over devices are special; see the module stream |
//! | `print` | `vdprintf` `__vdprintf_chk`, and on x86_64 and i386 `dprintf` `__dprintf_chk` |
//! | `dirs` | `opendir` `fdopendir` `readdir` `readdir64` `readdir_r` `readdir64_r` `closedir` `rewinddir` |
//! | `scan` | `scandir` `scandir64` `glob` `glob64` |
//! | `folder` | `chdir` `fchdir` `getcwd` `__getcwd_chk` `get_current_dir_name` `getwd` `__getwd_chk` |
//! | `netlink` | `bind` `recv` `__recv_chk` `recvfrom` `__recvfrom_chk` `recvmsg`, for sockets that listen for devices |
//! | `host` | `uname` |
//! | `watches` | `inotify_init` `inotify_init1` `inotify_add_watch` `inotify_rm_watch`, and what read() gives of an instance |
//! | `signals` | `signal` `bsd_signal` `ssignal` `sysv_signal` `__sysv_signal` `sigset` `sigaction` `__sigaction` `sigprocmask` `pthread_sigmask` `sigignore` `sighold` `sigblock` `sigsetmask`: passed through, and noticed |
//! | `system` | `syscall` (on x86_64, and on i386 also mmap2), for the numbers of `read` `write` `readv` `writev` `open` `openat` `close` `close_range` `dup` `dup2` `dup3` `fcntl` `ioctl` `mmap` `munmap` `uname` |
//!
//! and on 32 bits, for programs with a 64-bit `time_t`:
//!
//! | module | calls |
//! |---|---|
//! | `poll` | `__ppoll64` |
//! | `select` | `__select64` `__pselect64` |
//! | `device` `fds` `stat` `scan` | `__ioctl_time64` `__fcntl_time64` `__stat64_time64` `__lstat64_time64` `__fstat64_time64` `__fstatat64_time64` `__glob64_time64` |
//!
//! The module `users` is about stat and readlink of /proc/PID/fd/N where that is a device of any process.
//! The module `release` makes `/proc/version` and `/proc/sys/kernel/osrelease` agree with uname().
//!
//! # Not hooked, on purpose
//! | calls | why |
//! |---|---|
//! | `epoll_wait` `epoll_pwait` `epoll_pwait2` | the descriptor's own readiness is the device's (driver/docs/clients.md, "Readiness"), and for events `epoll_ctl` has registered the event doorbell; see the module companion |
//! | `recvmmsg` | no known program listens for devices by it |
//! | `lseek` | a device has no position: the kernel object behind the descriptor says ESPIPE |
//! | `telldir` `seekdir` | they know the real entries; see `dirs` |
//! | `scandirat` `ftw` `nftw` `fts_open` `getdents64` | they read folders below the calls above; no known client lists devices so |
//! | `fread` `fwrite` and the rest of stdio | a stream over a device calls the library's read and write; see `stream` |
//! | `dprintf` on arm64 | Rust cannot define it, and nobody has written the assembly; see `print` |
//! | `unlink` `rename` `chmod` `chown` `mknod` | a program may not change the daemon's nodes and files |
//! | `mprotect` `madvise` | they act on real mappings, as after any mmap |
//! | `execve` `fork` | a descriptor that comes by one of these, or by `recvmsg`, is examined at its first use |
//!
//! Calls inside glibc pass no hook. Where that matters (fopen, scandir, glob, closedir) the outer call is hooked.

mod attribute;
mod chdir;
mod closing;
mod companion;
mod device;
mod dirs;
mod epoll;
mod errno;
mod fds;
mod find;
mod folder;
mod host;
mod io;
mod links;
mod listing;
mod names;
mod naming;
mod netlink;
mod open;
mod place;
mod poll;
mod print;
mod real;
mod release;
mod remote;
mod route;
mod scan;
mod select;
mod signals;
mod stat;
mod statfs;
mod stdio;
mod stream;
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
mod system;
mod types;
mod users;
mod wait_time;
mod watches;

/// The dynamic linker calls this before the program's own constructors. It looks up the C
/// library's functions and reads the environment into static storage; it opens, allocates and
/// starts nothing (a constructor that did has hung programs). The one exception is a program whose
/// standard input or output is a device: it gets a stream for that.
extern "C" fn construct() {
    vloopback_runtime::stack::align();
    real::resolve_all();
    vloopback_runtime::edge::configure_from_env();
    folder::look();
    stream::look();
}

#[used]
// SAFETY: the section holds pointers to functions of this type, each called once.
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;
