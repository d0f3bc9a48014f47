//! A page that the measured processes share, so that they can tell each other things without
//! calls that would be measured too.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::error::BenchError;

/// What lies in the page.
#[derive(Debug)]
#[repr(C)]
pub struct Page {
    /// Clients below this number stream; the others wait here (a futex).
    pub active: AtomicU32,
    /// How many clients stream.
    pub streaming: AtomicU32,
    /// 1: client 0 waits in the pipe instead of in the device.
    pub in_pipe: AtomicU32,
    /// Frames and wake-ups that clients got, in all.
    pub got: AtomicU64,
    /// The stamp of the frame that client 0 got last.
    pub last: AtomicU64,
    /// From the stamp, a time, to the return of client 0's wait: nanoseconds.
    pub delay: AtomicU64,
    /// Failed waits of clients.
    pub failures: AtomicU64,
}

/// How long anything is waited for before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The page, mapped.
#[derive(Debug)]
pub struct Shared {
    fd: OwnedFd,
    map: MmapRaw,
}

impl Shared {
    /// A new one, which children inherit.
    pub fn new() -> Result<Self, BenchError> {
        let fd = memfd_create(c"vloopback-bench", MFdFlags::empty())
            .map_err(|e| BenchError::system("shared page", e))?;
        nix::unistd::ftruncate(&fd, 4096).map_err(|e| BenchError::system("shared page", e))?;
        Self::map(fd)
    }

    /// The one that a parent made, by its number.
    pub fn inherited(fd: RawFd) -> Result<Self, BenchError> {
        // SAFETY: the parent passed this descriptor on for nobody but us, and it is taken once.
        Self::map(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    fn map(fd: OwnedFd) -> Result<Self, BenchError> {
        let map = MmapOptions::new()
            .len(4096)
            .map_raw(fd.as_raw_fd())
            .map_err(|e| BenchError::system("shared page", e))?;
        Ok(Self { fd, map })
    }

    /// The descriptor's number, for a child.
    pub fn number(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Says how many clients stream, and wakes those that wait for it.
    pub fn set_active(&self, clients: u32) {
        self.active.store(clients, SeqCst);
        // SAFETY: the word lies in the mapping, which lives as long as `self`.
        unsafe { libc::syscall(libc::SYS_futex, self.active.as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0, 0, 0) };
    }

    /// Sleeps while `active` is `seen`.
    pub fn wait_active(&self, seen: u32) {
        // SAFETY: as in `set_active`; there is no timeout.
        unsafe { libc::syscall(libc::SYS_futex, self.active.as_ptr(), libc::FUTEX_WAIT, seen, 0, 0, 0) };
    }
}

impl std::ops::Deref for Shared {
    type Target = Page;

    fn deref(&self) -> &Page {
        // SAFETY: the mapping is 4096 bytes, aligned to a page, and only ever accessed as this
        // structure of atomics, for which every content is valid.
        unsafe { &*self.map.as_ptr().cast::<Page>() }
    }
}

/// Waits, awake, until it is so; with one processor the other processes get it in between.
pub fn spin_until(what: &str, so: impl Fn() -> bool) -> Result<(), BenchError> {
    let start = Instant::now();
    let mut looks = 0u32;
    while !so() {
        looks = looks.wrapping_add(1);
        if looks % 64 == 0 {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
        if looks % 65_536 == 0 && start.elapsed() > PATIENCE {
            let source = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Err(BenchError::system(format!("waiting until {what}"), source));
        }
    }
    Ok(())
}

/// Lets this much time go by, awake, so that others can fall asleep.
pub fn spin_for(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::thread::yield_now();
    }
}

/// CLOCK_MONOTONIC, nanoseconds.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to be written. This clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
