//! seccomp's user notification: the filter of the program that is served, and what its supervisor reads and answers.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;

/// How many numbers devices may have, from [`first_number`] on.
pub(super) const NUMBERS: RawFd = 64;

/// The first number of a device: below what select() can use, and below the limit of descriptors. It must not change
/// after the filter was made.
pub(super) fn first_number() -> RawFd {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1024);
    RawFd::try_from(limit).unwrap_or(RawFd::MAX).min(1024) - NUMBERS
}

/// The architecture of the calls that are told of (linux/audit.h, AUDIT_ARCH_X86_64).
const ARCH: u32 = 0xc000_003e;
/// Where `struct seccomp_data` has its members.
const NR: u32 = 0;
const ARCH_AT: u32 = 4;
const ARGUMENTS: u32 = 16;

/// A statement that goes on with the next one.
const fn load(at: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: at }
}

/// Skips `yes` statements where the value is (BPF_JEQ), or is at least (BPF_JGE), `k`; else `no`.
const fn jump(how: u32, k: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_K | how) as u16, jt: yes, jf: no, k }
}

const fn end(k: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k }
}

/// The filter: opens are told of always, ioctls of V4L1's and V4L2's types, and what is done by a device's number.
fn filter() -> Vec<libc::sock_filter> {
    let first = first_number() as u32;
    let (allow, tell) = (end(libc::SECCOMP_RET_ALLOW), end(libc::SECCOMP_RET_USER_NOTIF));
    let mut program = vec![load(ARCH_AT), jump(libc::BPF_JEQ, ARCH, 1, 0), allow, load(NR)];
    for nr in [libc::SYS_open, libc::SYS_openat] {
        program.extend([jump(libc::BPF_JEQ, nr as u32, 0, 1), tell]);
    }
    let and = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    program.extend([
        jump(libc::BPF_JEQ, libc::SYS_ioctl as u32, 0, 6),
        load(ARGUMENTS + 8),
        libc::sock_filter { code: and, jt: 0, jf: 0, k: 0xff00 },
        jump(libc::BPF_JEQ, u32::from(b'V') << 8, 2, 0),
        jump(libc::BPF_JEQ, u32::from(b'v') << 8, 1, 0),
        allow,
        tell,
    ]);
    let numbered = [(libc::SYS_read, 0), (libc::SYS_write, 0), (libc::SYS_close, 0), (libc::SYS_mmap, 4)];
    for (nr, argument) in numbered {
        program.extend([
            jump(libc::BPF_JEQ, nr as u32, 0, 5),
            load(ARGUMENTS + 8 * argument),
            jump(libc::BPF_JGE, first, 0, 2),
            jump(libc::BPF_JGE, first + NUMBERS as u32, 1, 0),
            tell,
            allow,
        ]);
    }
    program.push(allow);
    program
}

/// Installs the filter in this process, which is about to become the program. Returns the listener.
///
/// # Errors
/// The system refuses.
pub(super) fn install() -> io::Result<RawFd> {
    let filter = filter();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: numbers only, and a program that lives until the call returns.
    let listener = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if listener < 0 { Err(io::Error::last_os_error()) } else { Ok(listener as RawFd) }
}

/// A call that waits for its answer.
pub(super) struct Notification(libc::seccomp_notif);

impl Notification {
    pub(super) fn nr(&self) -> i64 {
        self.0.data.nr.into()
    }

    pub(super) fn argument(&self, k: usize) -> u64 {
        self.0.data.args[k]
    }

    /// The thread that called.
    pub(super) fn thread(&self) -> i32 {
        self.0.pid as i32
    }
}

/// What becomes of a call.
pub(super) enum Answer {
    /// It returns this.
    Returns(i64),
    /// It fails with this errno.
    Fails(i32),
    /// The kernel does it.
    Continue,
}

/// Where the program's calls come in.
pub(super) struct Listener(pub(super) OwnedFd);

impl Listener {
    /// # Safety
    /// `argument` is what the request takes.
    unsafe fn ioctl<T>(&self, request: libc::Ioctl, argument: *mut T) -> rustix::io::Result<i32> {
        // SAFETY: the caller's promise.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request, argument) };
        let error = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        if result < 0 { Err(Errno::from_raw_os_error(error)) } else { Ok(result) }
    }

    /// The next call.
    ///
    /// # Errors
    /// ENOENT: it was withdrawn meanwhile.
    pub(super) fn next(&self) -> rustix::io::Result<Notification> {
        // SAFETY: zeros are what the kernel wants to find there.
        let mut told: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the structure that this request fills.
        unsafe { self.ioctl(libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut told) }?;
        Ok(Notification(told))
    }

    /// Whether the call still waits: not if its thread was killed or interrupted.
    pub(super) fn is_valid(&self, call: &Notification) -> bool {
        let mut id = call.0.id;
        // SAFETY: a pointer to the number.
        unsafe { self.ioctl(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id) }.is_ok()
    }

    /// Answers. A call that waits no more has no use for it.
    pub(super) fn answer(&self, call: &Notification, answer: Answer) {
        let (val, error, flags) = match answer {
            Answer::Returns(value) => (value, 0, 0),
            Answer::Fails(errno) => (0, -errno, 0),
            Answer::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        };
        let mut told = libc::seccomp_notif_resp { id: call.0.id, val, error, flags };
        // SAFETY: the structure that this request reads.
        let _ = unsafe { self.ioctl(libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut told) };
    }

    /// Gives the caller a descriptor: at the number, or at any. Returns the number.
    ///
    /// # Errors
    /// EMFILE; ENOENT: the call waits no more.
    pub(super) fn give(
        &self,
        call: &Notification,
        fd: BorrowedFd,
        at: Option<RawFd>,
        cloexec: bool,
    ) -> rustix::io::Result<RawFd> {
        let flags = if at.is_some() { libc::SECCOMP_ADDFD_FLAG_SETFD as u32 } else { 0 };
        let mut asked = libc::seccomp_notif_addfd {
            id: call.0.id,
            flags,
            srcfd: fd.as_raw_fd() as u32,
            newfd: at.unwrap_or(0) as u32,
            newfd_flags: if cloexec { libc::O_CLOEXEC as u32 } else { 0 },
        };
        // SAFETY: the structure that this request reads.
        unsafe { self.ioctl(libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut asked) }
    }
}
