//! How long a program's poll or select waits: its time arguments, in every width, and what is left of them.

use core::ptr;

use libc::{timespec, timeval};
use vloopback_sys::clock::now;

#[cfg(target_pointer_width = "32")]
use crate::types::{Timespec64, Timeval64};

/// A time as programs give it.
pub(crate) trait Time: Copy {
    /// In nanoseconds; None for what the kernel refuses.
    fn nanos(self) -> Option<u64>;
}

fn nanos(seconds: i64, parts: i64, unit: u64) -> Option<u64> {
    let (seconds, parts) = (u64::try_from(seconds).ok()?, u64::try_from(parts).ok()?);
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(parts.saturating_mul(unit)))
}

impl Time for timespec {
    fn nanos(self) -> Option<u64> {
        // Widens on 32 bits.
        #[allow(clippy::unnecessary_cast)]
        nanos(self.tv_sec as i64, self.tv_nsec as i64, 1).filter(|_| self.tv_nsec < 1_000_000_000)
    }
}

impl Time for timeval {
    fn nanos(self) -> Option<u64> {
        #[allow(clippy::unnecessary_cast)]
        nanos(self.tv_sec as i64, self.tv_usec as i64, 1000)
    }
}

/// What select writes its time back to.
pub(crate) trait Left: Time {
    fn of(nanos: u64) -> Self;
}

impl Left for timeval {
    fn of(nanos: u64) -> Self {
        Self { tv_sec: (nanos / 1_000_000_000) as _, tv_usec: (nanos % 1_000_000_000 / 1000) as _ }
    }
}

#[cfg(target_pointer_width = "32")]
impl Time for Timespec64 {
    fn nanos(self) -> Option<u64> {
        nanos(self.tv_sec, self.tv_nsec.into(), 1).filter(|_| self.tv_nsec < 1_000_000_000)
    }
}

#[cfg(target_pointer_width = "32")]
impl Time for Timeval64 {
    fn nanos(self) -> Option<u64> {
        nanos(self.tv_sec, self.tv_usec, 1000)
    }
}

#[cfg(target_pointer_width = "32")]
impl Left for Timeval64 {
    fn of(nanos: u64) -> Self {
        Self { tv_sec: (nanos / 1_000_000_000) as i64, tv_usec: (nanos % 1_000_000_000 / 1000) as i64 }
    }
}

/// How long a call waits at most.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Ever,
    /// CLOCK_MONOTONIC, nanoseconds; 0 for a call that does not wait.
    At(u64),
}

impl Until {
    pub(crate) fn after(nanos: u64) -> Self {
        if nanos == 0 { Self::At(0) } else { Self::At(now().saturating_add(nanos)) }
    }

    pub(crate) fn left(self) -> Option<u64> {
        match self {
            Self::Ever => None,
            Self::At(0) => Some(0),
            Self::At(time) => Some(time.saturating_sub(now())),
        }
    }
}

/// The same for a call of the C library's; with a time that it cannot say it returns sooner.
pub(crate) fn rest(until: Until) -> Option<timespec> {
    let left = until.left()?;
    let seconds = (left / 1_000_000_000).min(i32::MAX as u64);
    Some(timespec { tv_sec: seconds as _, tv_nsec: (left % 1_000_000_000) as _ })
}

pub(crate) fn pointer<T>(value: Option<&T>) -> *const T {
    value.map_or(ptr::null(), ptr::from_ref)
}

/// What a program's pointer to a time means. None: nothing that the kernel would take.
///
/// # Safety
/// Null, or a valid pointer.
pub(crate) unsafe fn until<T: Time>(time: *const T) -> Option<Until> {
    if time.is_null() {
        return Some(Until::Ever);
    }
    // SAFETY: the caller's promise.
    unsafe { time.read_unaligned() }.nanos().map(Until::after)
}
