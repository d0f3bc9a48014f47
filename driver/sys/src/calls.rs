//! System calls without libc: the preload library exports libc's names, so a call to libc's
//! `close` from here would be a call to ourselves; and errno stays untouched.

use core::ffi::c_int;
use core::sync::atomic::AtomicU32;

use syscalls::{Sysno, syscall};

pub use crate::clock::{about_now, now};
use crate::{Errno, Result, records};

macro_rules! sys {
    ($name:ident $(, $arg:expr)*) => {
        syscall!(Sysno::$name $(, $arg)*).map_err(|e| Errno(e.into_raw()))
    };
}

/// What memory of ours is mapped for.
pub const READ_WRITE: c_int = libc::PROT_READ | libc::PROT_WRITE;

/// Closes a descriptor of our own.
#[inline]
pub fn close(fd: c_int) {
    // SAFETY: the caller owns the descriptor.
    let _ = unsafe { sys!(close, fd) };
}

/// This process's id.
pub fn getpid() -> i32 {
    // SAFETY: takes nothing, changes nothing.
    unsafe { sys!(getpid) }.unwrap_or(0) as i32
}

/// Maps memory. See mmap(2).
///
/// # Safety
/// As mmap(2): with MAP_FIXED whatever was there is replaced.
pub unsafe fn mmap(addr: usize, len: usize, prot: c_int, flags: c_int, fd: c_int) -> Result<*mut u8> {
    // SAFETY: the caller's promise.
    unsafe { mmap_from(addr, len, prot, flags, fd, 0) }
}

/// The same, of a file from `offset` on, whole pages.
///
/// # Safety
/// As [`mmap`].
pub unsafe fn mmap_from(
    addr: usize,
    len: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: usize,
) -> Result<*mut u8> {
    #[cfg(target_pointer_width = "64")]
    // SAFETY: the caller's promise.
    let result = unsafe { sys!(mmap, addr, len, prot, flags, fd, offset) };
    // In pages of 4096 bytes.
    #[cfg(target_pointer_width = "32")]
    // SAFETY: the caller's promise.
    let result = unsafe { sys!(mmap2, addr, len, prot, flags, fd, offset >> 12) };
    result.map(|p| p as *mut u8)
}

/// Puts a shared view of a memory file, from `offset` on, at `at`, whatever was there.
///
/// # Safety
/// The range at `at` is the caller's to replace. The file is as long as that, and cannot shrink.
pub unsafe fn map_over(at: usize, len: usize, prot: c_int, fd: c_int, offset: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { mmap_from(at, len, prot, libc::MAP_SHARED | libc::MAP_FIXED, fd, offset) }.map(drop)
}

/// A memory file of `len` bytes, which are zeros.
pub fn new_memory_file(len: usize) -> Result<c_int> {
    let name = c"vloopback-frame";
    // SAFETY: a valid name; makes a descriptor that is ours.
    let fd = unsafe { sys!(memfd_create, name.as_ptr(), libc::MFD_CLOEXEC) }? as c_int;
    // SAFETY: our own file.
    match unsafe { sys!(ftruncate, fd, len) } {
        Ok(_) => Ok(fd),
        Err(e) => {
            close(fd);
            Err(e)
        }
    }
}

/// Unmaps memory that this crate mapped.
///
/// # Safety
/// Nobody uses the range any more.
pub unsafe fn munmap(addr: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { sys!(munmap, addr as usize, len) };
}

/// A second view of a shared mapping, at `at`, whatever was there: mremap(2) with an old size of 0.
///
/// # Errors
/// ENOMEM. EINVAL: this system has no such mremap; valgrind is one. Then nothing has changed, and the memory's file
/// has to be mapped there ([`map_over`]).
///
/// # Safety
/// `from` is a MAP_SHARED mapping of at least `len` bytes; the range at `at` is the caller's to replace.
pub unsafe fn duplicate(from: *mut u8, len: usize, at: usize, prot: c_int) -> Result<()> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: the caller's promise.
    unsafe { sys!(mremap, from as usize, 0, len, flags, at) }?;
    // SAFETY: the range was just mapped; its views elsewhere keep their protection.
    unsafe { sys!(mprotect, at, len, prot) }.map(drop)
}

/// Marks a page as zeroed in forked children.
pub fn wipe_on_fork(page: *mut u8, len: usize) -> Result<()> {
    // SAFETY: only changes what a fork does with a private anonymous page of ours.
    unsafe { sys!(madvise, page as usize, len, libc::MADV_WIPEONFORK) }.map(drop)
}

/// Blocks all signals; returns the mask before.
#[inline]
pub fn block_signals() -> u64 {
    let all = u64::MAX;
    let mut old = 0u64;
    // SAFETY: two valid 8-byte masks, as the kernel's sigset is on these machines.
    let _ = unsafe { sys!(rt_sigprocmask, libc::SIG_SETMASK, &raw const all, &raw mut old, 8) };
    old
}

/// Puts the mask back.
#[inline]
pub fn restore_signals(old: u64) {
    // SAFETY: a valid 8-byte mask.
    let _ = unsafe { sys!(rt_sigprocmask, libc::SIG_SETMASK, &raw const old, 0, 8) };
}

/// By which rights this thread opens files: effective user and group, and a number of its other groups.
pub fn ids() -> [u32; 3] {
    #[cfg(target_arch = "x86")]
    // SAFETY: they only tell.
    let (user, group) = unsafe { (sys!(geteuid32), sys!(getegid32)) };
    #[cfg(not(target_arch = "x86"))]
    // SAFETY: they only tell.
    let (user, group) = unsafe { (sys!(geteuid), sys!(getegid)) };
    let mut groups = [0u32; 64];
    #[cfg(target_arch = "x86")]
    // SAFETY: room for so many.
    let count = unsafe { sys!(getgroups32, groups.len(), groups.as_mut_ptr()) };
    #[cfg(not(target_arch = "x86"))]
    // SAFETY: room for so many.
    let count = unsafe { sys!(getgroups, groups.len(), groups.as_mut_ptr()) };
    // More groups than that are taken for the same.
    let count = count.unwrap_or(0).min(groups.len());
    let mixed =
        groups[..count].iter().fold(count as u32, |sum, group| (sum ^ group).wrapping_mul(0x0100_0193));
    [user.unwrap_or(0) as u32, group.unwrap_or(0) as u32, mixed]
}

/// What pending signals ask of a call that waits with all signals blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: none is pending that the program would get, or the program ignores it.
    Nothing,
    /// The process should have ended or stopped by it; it has stopped and goes on, or another thread took it.
    Acted,
    /// A handler is to run. `restart`: each of them was installed with SA_RESTART.
    Handler {
        /// The call goes on afterwards; else it fails with EINTR.
        restart: bool,
    },
}

/// Looks at the signals that are pending for this thread, which blocks all, and that `blocked`, the program's own
/// mask, would let through. What ends or stops the process by default does so here.
pub fn pending_signals(blocked: u64) -> Asked {
    /// By default nothing happens.
    const IGNORED: [c_int; 4] = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
    let mut pending = 0u64;
    // SAFETY: room for one set of 8 bytes.
    let _ = unsafe { sys!(rt_sigpending, &raw mut pending, 8) };
    pending &= !blocked;
    let mut asked = Asked::Nothing;
    for signal in (1..=64).filter(|signal| pending >> (signal - 1) & 1 != 0) {
        // The kernel's struct begins with the handler and the flags.
        let mut action = [0usize; 8];
        // SAFETY: room for the kernel's sigaction; nothing is changed.
        if unsafe { sys!(rt_sigaction, signal, core::ptr::null::<u8>(), action.as_mut_ptr(), 8) }.is_err() {
            continue;
        }
        match action[0] {
            libc::SIG_IGN => {}
            libc::SIG_DFL if IGNORED.contains(&signal) => {}
            libc::SIG_DFL => {
                let one = 1u64 << (signal - 1);
                let mut old = 0u64;
                // SAFETY: valid masks. No handler of the program's runs: there is none for this signal.
                unsafe {
                    let _ = sys!(rt_sigprocmask, libc::SIG_UNBLOCK, &raw const one, &raw mut old, 8);
                    let _ = sys!(rt_sigprocmask, libc::SIG_SETMASK, &raw const old, 0, 8);
                }
                asked = if asked == Asked::Nothing { Asked::Acted } else { asked };
            }
            _ => {
                let restart = action[1] & libc::SA_RESTART as usize != 0;
                let so_far = !matches!(asked, Asked::Handler { restart: false });
                asked = Asked::Handler { restart: restart && so_far };
            }
        }
    }
    asked
}

/// Sleeps for so many nanoseconds, or less.
pub fn nap(nanos: u64) {
    // Nobody wakes who sleeps on it.
    let nobody = AtomicU32::new(0);
    let _ = futex_wait_until(&nobody, 0, Some(now() + nanos));
}

/// Whether the 8 aligned bytes around `addr` can be read.
///
/// The kernel reads a mask from there for an operation that does not exist: EFAULT or EINVAL, and
/// no other effect. It needs no descriptor and passes sandboxes that refuse process_vm_readv.
pub fn can_read(addr: usize) -> bool {
    // SAFETY: the kernel checks the address; nothing of ours is touched.
    let answer = unsafe { sys!(rt_sigprocmask, 99, addr & !7, 0, 8) };
    answer != Err(Errno::EFAULT)
}

/// Whether the 4 aligned bytes around `addr` can be written: the kernel adds 0 to them, atomically.
pub fn can_write(addr: usize) -> bool {
    const FUTEX_WAKE_OP: c_int = 5;
    const FUTEX_PRIVATE: c_int = 128;
    // FUTEX_OP_ADD of 0, then a comparison whose outcome wakes nobody.
    const ADD_NOTHING: usize = 1 << 28;
    let here = AtomicU32::new(0);
    // SAFETY: `here` is valid; the kernel checks the other address, and adding 0 changes nothing.
    let answer =
        unsafe { sys!(futex, here.as_ptr(), FUTEX_WAKE_OP | FUTEX_PRIVATE, 0, 0, addr & !3, ADD_NOTHING) };
    answer != Err(Errno::EFAULT)
}

/// Whether the whole range is mapped (it may still be PROT_NONE): O(mappings), not O(pages).
pub fn is_mapped(addr: usize, len: usize) -> bool {
    let start = addr & !4095;
    // SAFETY: MS_ASYNC does nothing but look (since Linux 2.6.19).
    unsafe { sys!(msync, start, addr - start + len, libc::MS_ASYNC) }.is_ok()
}

/// Sleeps on a word of this process's own.
pub fn futex_wait_private(word: &AtomicU32, value: u32) {
    // SAFETY: the word lives; no timeout.
    let _ = unsafe { sys!(futex, word.as_ptr(), libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, value, 0) };
}

/// Wakes one who sleeps on a word of this process's own.
pub fn futex_wake_private(word: &AtomicU32) {
    // SAFETY: the word lives.
    let _ = unsafe { sys!(futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
}

/// Sleeps on a shared word without a timeout, so that the kernel itself restarts it after a
/// handler with SA_RESTART.
///
/// # Errors
/// EINTR: a handler without SA_RESTART ran. EAGAIN: another value already.
pub fn futex_wait(word: &AtomicU32, value: u32) -> Result<()> {
    // SAFETY: the word lives; no timeout.
    unsafe { sys!(futex, word.as_ptr(), libc::FUTEX_WAIT, value, 0) }.map(drop)
}

/// The same, at most until `deadline`, in nanoseconds of CLOCK_MONOTONIC.
///
/// # Errors
/// As [`futex_wait`]; ETIMEDOUT.
pub fn futex_wait_until(word: &AtomicU32, value: u32, deadline: Option<u64>) -> Result<()> {
    let Some(deadline) = deadline else { return futex_wait(word, value) };
    // The kernel's timespec of this machine's word.
    let time = [deadline / 1_000_000_000, deadline % 1_000_000_000].map(|n| n as libc::c_long);
    let any_bit = u32::MAX;
    // SAFETY: the word and the time live; the operation does not touch the second word.
    unsafe { sys!(futex, word.as_ptr(), libc::FUTEX_WAIT_BITSET, value, time.as_ptr(), 0, any_bit) }.map(drop)
}

/// Wakes all who sleep on a shared word. False: the kernel has stopped at one who sleeps there in a way that no
/// plain wake is for (FUTEX_WAIT_REQUEUE_PI); others may sleep on.
#[inline]
pub fn futex_wake_all(word: &AtomicU32) -> bool {
    // SAFETY: the word lives; FUTEX_WAKE does not touch it.
    let woken = unsafe { sys!(futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
    woken != Err(Errno::EINVAL)
}

/// `struct futex_waitv` of the kernel's ABI.
#[repr(C)]
struct Waiter {
    value: u64,
    word: u64,
    flags: u32,
    reserved: u32,
}

/// Sleeps until one of the shared words changes or is woken (Linux 5.16), at most until `deadline`, in nanoseconds
/// of CLOCK_MONOTONIC. The kernel restarts it after handlers with SA_RESTART, with the deadline as it was.
///
/// # Errors
/// As [`futex_wait`]; ETIMEDOUT; ENOSYS on older kernels.
pub fn futex_wait_any_until(words: &[(&AtomicU32, u32)], deadline: u64) -> Result<()> {
    const FUTEX2_SIZE_U32: u32 = 2;
    const SYS_FUTEX_WAITV: c_int = 449;
    let mut waiters = [const { Waiter { value: 0, word: 0, flags: 0, reserved: 0 } }; 3];
    let n = words.len().min(waiters.len());
    for (waiter, (word, value)) in waiters.iter_mut().zip(words) {
        *waiter = Waiter {
            value: u64::from(*value),
            word: word.as_ptr() as u64,
            flags: FUTEX2_SIZE_U32,
            reserved: 0,
        };
    }
    let number = Sysno::from(SYS_FUTEX_WAITV as u32);
    // 64 bits on every machine, as this call wants it.
    let time = [(deadline / 1_000_000_000) as i64, (deadline % 1_000_000_000) as i64];
    let clock = libc::CLOCK_MONOTONIC;
    // SAFETY: n valid waiters whose words live; no flags; a timespec.
    unsafe { syscall!(number, waiters.as_ptr(), n, 0, time.as_ptr(), clock) }
        .map(drop)
        .map_err(|e| Errno(e.into_raw()))
}

/// The flags of an open descriptor (F_GETFL).
pub fn file_flags(fd: c_int) -> Result<c_int> {
    // SAFETY: looks only.
    unsafe { sys!(fcntl, fd, libc::F_GETFL) }.map(|f| f as c_int)
}

/// Whether calls by this descriptor wait: it has no O_NONBLOCK.
pub fn may_wait(fd: c_int) -> bool {
    file_flags(fd).is_ok_and(|flags| flags & libc::O_NONBLOCK == 0)
}

/// Clears close-on-exec.
pub fn keep_on_exec(fd: c_int) -> Result<()> {
    // SAFETY: the descriptor is one that we are about to give to the program.
    unsafe { sys!(fcntl, fd, libc::F_SETFD, 0) }.map(drop)
}

/// Duplicates to the lowest free number from `from` on, close-on-exec.
pub fn dup_from(fd: c_int, from: c_int) -> Result<c_int> {
    // SAFETY: makes a new number, changes no other.
    unsafe { sys!(fcntl, fd, libc::F_DUPFD_CLOEXEC, from) }.map(|n| n as c_int)
}

/// fstat, and of it what is needed here: the file's type and permission bits, its inode, its bytes. Not statx,
/// which some sandboxes kill for.
fn status(fd: c_int) -> Option<(u32, u64, u64)> {
    #[cfg(target_pointer_width = "64")]
    {
        // SAFETY: all zeros is a valid stat record.
        let mut status: libc::stat = unsafe { core::mem::zeroed() };
        // SAFETY: room for one answer, in the kernel's own layout, which is the C library's here.
        unsafe { sys!(fstat, fd, &raw mut status) }.ok()?;
        Some((status.st_mode, status.st_ino, status.st_size as u64))
    }
    #[cfg(target_pointer_width = "32")]
    {
        // SAFETY: all zeros is a valid stat record.
        let mut status: libc::stat64 = unsafe { core::mem::zeroed() };
        // SAFETY: as above.
        unsafe { sys!(fstat64, fd, &raw mut status) }.ok()?;
        Some((status.st_mode, status.st_ino, status.st_size as u64))
    }
}

/// The permission bits of a socket; None: the descriptor is something else.
pub fn socket_mode(fd: c_int) -> Option<u32> {
    status(fd).filter(|(mode, ..)| mode & libc::S_IFMT == libc::S_IFSOCK).map(|(mode, ..)| mode & 0o7777)
}

/// The inode behind a descriptor. None where the system would not tell.
pub fn inode(fd: c_int) -> Option<u64> {
    status(fd).map(|(_, inode, _)| inode)
}

/// What tells a memory file (memfd_create) that cannot shrink from others, and its bytes. None: the descriptor
/// is something else; memory that may go away while it is used is nobody's to use.
pub fn memory_file(fd: c_int) -> Option<(u64, usize)> {
    // SAFETY: looks only.
    let seals = unsafe { sys!(fcntl, fd, libc::F_GET_SEALS) }.ok()? as c_int;
    if seals & libc::F_SEAL_SHRINK == 0 {
        return None;
    }
    let (_, inode, size) = status(fd)?;
    Some((inode, usize::try_from(size).ok()?))
}

/// A descriptor that the server handed out is a memory file of at least so many bytes, which it keeps: to touch a
/// mapping of it cannot end this process, whatever the server is.
///
/// # Errors
/// EPROTO: it is something else.
pub fn check_file(fd: c_int, len: usize) -> Result<()> {
    memory_file(fd).filter(|(_, size)| *size >= len).map(drop).ok_or(Errno::EPROTO)
}

/// The soft limit of descriptors.
pub fn descriptor_limit() -> u64 {
    let mut limit = [0u64; 2];
    // SAFETY: prlimit64 of this process, old values only, into two u64.
    let _ = unsafe { sys!(prlimit64, 0, libc::RLIMIT_NOFILE, 0, limit.as_mut_ptr()) };
    limit[0]
}

/// The name of a socket's other end, if `fd` is an AF_UNIX socket whose other end has one.
pub fn peer_name(fd: c_int, into: &mut [u8; 110]) -> Option<usize> {
    let mut len: u32 = into.len() as u32;
    // SAFETY: the buffer is as long as said.
    unsafe { sys!(getpeername, fd, into.as_mut_ptr(), &raw mut len) }.ok()?;
    let len = len as usize;
    let family = u16::from_ne_bytes([into[0], into[1]]);
    (len > 2 && len <= into.len() && c_int::from(family) == libc::AF_UNIX).then_some(len)
}

/// Connects to the daemon. `address` is a `sockaddr_un` of `len` bytes. While too many others wait to be accepted,
/// `wait` is called, and it is tried again.
///
/// # Errors
/// As connect(2), but for EAGAIN and EINTR; what `wait` says.
pub fn connect(address: &[u8], len: usize, mut wait: impl FnMut() -> Result<()>) -> Result<c_int> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: makes a descriptor that is ours.
    let fd = unsafe { sys!(socket, libc::AF_UNIX, kind, 0) }? as c_int;
    let mut connected = || loop {
        // SAFETY: the address is len bytes long.
        match unsafe { sys!(connect, fd, address.as_ptr(), len) } {
            Ok(_) => break Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => wait()?,
            Err(e) => break Err(e),
        }
    };
    // SAFETY: its own flags; from now on calls wait.
    let result = connected().and_then(|()| unsafe { sys!(fcntl, fd, libc::F_SETFL, 0) });
    match result {
        Ok(_) => Ok(fd),
        Err(e) => {
            close(fd);
            Err(e)
        }
    }
}

/// From now on calls on this socket wait for no longer than that, then fail with EAGAIN.
pub fn limit_waits(socket: c_int, nanos: u64) -> Result<()> {
    let time = [0, (nanos / 1000) as libc::c_long];
    for option in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
        // SAFETY: a timeval of this machine's words, as these options have it.
        unsafe { sys!(setsockopt, socket, libc::SOL_SOCKET, option, time.as_ptr(), size_of_val(&time)) }?;
    }
    Ok(())
}

/// A pair of connected sockets as the daemon's are, close-on-exec.
pub fn seqpacket_pair() -> Result<[c_int; 2]> {
    let mut pair = [-1; 2];
    // SAFETY: room for two descriptors.
    unsafe {
        sys!(socketpair, libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, pair.as_mut_ptr())
    }?;
    Ok(pair)
}

/// Sends a byte; where there is no room for it, others wait to be read. False: nobody can read it.
pub fn send_byte(fd: c_int) -> bool {
    matches!(records::send(fd, [&[1], &[]], &[], libc::MSG_DONTWAIT), Ok(()) | Err(Errno::EAGAIN))
}

/// Takes what the poll notifier sent out of a device's queue. The caller has made sure that it is one.
pub fn drain(fd: c_int) {
    let mut bytes = [0u8; 64];
    loop {
        // SAFETY: the buffer is as long as said.
        let got = unsafe { sys!(recvfrom, fd, bytes.as_mut_ptr(), bytes.len(), libc::MSG_DONTWAIT, 0, 0) };
        if got != Ok(bytes.len()) {
            return;
        }
    }
}

/// Takes the urgent byte out of an event doorbell's queue; what lies behind and before it is for [`drain`].
pub fn drain_urgent(fd: c_int) {
    let mut byte = 0u8;
    let flags = libc::MSG_OOB | libc::MSG_DONTWAIT;
    // SAFETY: one byte.
    let _ = unsafe { sys!(recvfrom, fd, &raw mut byte, 1, flags, 0, 0) };
}

/// Sleeps until the poll notifier makes the device readable, or the daemon is gone (for kernels without
/// futex_waitv). The byte stays.
///
/// # Errors
/// EINTR as [`futex_wait`].
pub fn wait_readable(fd: c_int) -> Result<()> {
    let mut byte = 0u8;
    // SAFETY: one byte.
    unsafe { sys!(recvfrom, fd, &raw mut byte, 1, libc::MSG_PEEK, 0, 0) }.map(drop)
}

/// Lets others run.
pub fn give_way() {
    // SAFETY: no argument.
    let _ = unsafe { sys!(sched_yield) };
}

/// Waits while `busy` holds: another process is at something that takes it a moment, unless it is kept from
/// running. So the processor is given away first, then time: half a second in all, for it may be stopped.
pub fn wait_while(busy: impl Fn() -> bool) {
    const TIMES_TO_GIVE_WAY: u32 = 100;
    const NAPS: u32 = 500;
    const NAP: u64 = 1_000_000;
    for k in 0..TIMES_TO_GIVE_WAY + NAPS {
        if !busy() {
            return;
        }
        if k < TIMES_TO_GIVE_WAY {
            give_way();
        } else {
            nap(NAP);
        }
    }
}

/// The calling thread.
pub fn thread() -> i32 {
    // SAFETY: no argument.
    unsafe { sys!(gettid) }.map_or(0, |tid| tid as i32)
}

/// Takes all bytes out of the descriptor's queue, up to 64. False: there is none.
pub fn take_bytes(fd: c_int) -> bool {
    let mut bytes = [0u8; 64];
    // SAFETY: so many bytes.
    let got = unsafe { sys!(recvfrom, fd, bytes.as_mut_ptr(), bytes.len(), libc::MSG_DONTWAIT, 0, 0) };
    got.is_ok_and(|got| got != 0)
}

/// Whether there is a byte in the descriptor's queue.
pub fn has_byte(fd: c_int) -> bool {
    let mut byte = 0u8;
    // SAFETY: one byte.
    let got = unsafe { sys!(recvfrom, fd, &raw mut byte, 1, libc::MSG_DONTWAIT | libc::MSG_PEEK, 0, 0) };
    got == Ok(1)
}

/// Takes all messages out of a datagram socket's queue, but not for ever if more come meanwhile. False: there is
/// none.
pub fn take_messages(fd: c_int) -> bool {
    let mut byte = 0u8;
    // SAFETY: one byte; what is longer is cut.
    let take = || unsafe { sys!(recvfrom, fd, &raw mut byte, 1, libc::MSG_DONTWAIT, 0, 0) }.is_ok();
    core::iter::repeat_with(take).take(64).take_while(|taken| *taken).count() != 0
}

/// Whether there is a message in a datagram socket's queue.
pub fn has_message(fd: c_int) -> bool {
    let mut byte = 0u8;
    let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK;
    // SAFETY: one byte.
    unsafe { sys!(recvfrom, fd, &raw mut byte, 1, flags, 0, 0) }.is_ok()
}

/// Whether SIGIO would not end the process: it is caught or ignored, or this thread blocks it.
pub fn sigio_is_harmless() -> bool {
    // The kernel's struct begins with the handler.
    let mut action = [0usize; 8];
    let mut blocked = 0u64;
    let none = core::ptr::null::<u8>();
    // SAFETY: room for the kernel's sigaction and for one set of 8 bytes; nothing is changed.
    let asked = unsafe {
        sys!(rt_sigaction, libc::SIGIO, none, action.as_mut_ptr(), 8)
            .and_then(|_| sys!(rt_sigprocmask, libc::SIG_BLOCK, none, &raw mut blocked, 8))
    };
    asked.is_ok() && (action[0] != libc::SIG_DFL || blocked >> (libc::SIGIO - 1) & 1 != 0)
}

/// From now on the kernel sends this process SIGIO when the descriptor becomes readable.
pub fn send_sigio(fd: c_int) -> Result<()> {
    let flags = file_flags(fd)?;
    // SAFETY: numbers only.
    unsafe {
        sys!(fcntl, fd, libc::F_SETOWN, getpid())?;
        sys!(fcntl, fd, libc::F_SETFL, flags | libc::O_ASYNC).map(drop)
    }
}

/// Sends the process itself SIGIO.
pub fn raise_sigio() {
    // SAFETY: numbers only.
    let _ = unsafe { sys!(kill, getpid(), libc::SIGIO) };
}

/// Waits until the descriptor is readable or hung up, or the time is over.
///
/// # Errors
/// EINTR.
pub fn wait_readable_for(fd: c_int, patience: core::time::Duration) -> Result<()> {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut left = libc::timespec {
        tv_sec: patience.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(patience.subsec_nanos() as i32),
    };
    // SAFETY: one pollfd and one timespec, which the kernel may change.
    unsafe { sys!(ppoll, &raw mut poll, 1, &raw mut left, 0, 0) }.map(drop)
}

/// A descriptor that is readable when one of these is, or is hung up; close-on-exec.
pub fn epoll_of(fds: &[c_int]) -> Result<c_int> {
    // SAFETY: makes a descriptor that is ours.
    let epoll = unsafe { sys!(epoll_create1, libc::EPOLL_CLOEXEC) }? as c_int;
    for &fd in fds {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        // SAFETY: a valid event.
        if let Err(e) = unsafe { sys!(epoll_ctl, epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) } {
            close(epoll);
            return Err(e);
        }
    }
    Ok(epoll)
}
