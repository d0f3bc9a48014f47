//! Sleeping on words that other processes change.
//!
//! No other process is trusted to wake this one. A process that has the page, also for reading only, can sleep there
//! so that the kernel's wake stops at it (FUTEX_WAIT_REQUEUE_PI), or move sleepers to another word
//! (FUTEX_CMP_REQUEUE). And the daemon's death wakes one sleeper on its lifeline, which may die with it. So every
//! sleep ends after [`SLICE`], compares the words again, and looks at the lifeline. A sleeper that is woken in time
//! pays nothing for that.

use core::sync::atomic::{AtomicU32, Ordering};

use vloopback_ring::Lifeline;

use vloopback_sys as sys;
use vloopback_sys::{Errno, Result};

/// The longest sleep without a look, nanoseconds.
pub const SLICE: u64 = 50_000_000;

/// Sleeps until one of the words (at most two) differs from its value, or is woken, or the daemon is gone, or it is
/// `deadline` (nanoseconds of CLOCK_MONOTONIC). The kernel restarts the sleep after handlers with SA_RESTART.
///
/// # Errors
/// EAGAIN: a word had another value already. EINTR after a handler without SA_RESTART. ETIMEDOUT, ENODEV. ENOSYS:
/// the kernel cannot sleep on several words (before Linux 5.16), or a sandbox forbids it.
pub fn until_changed(lifeline: &Lifeline, words: &[(&AtomicU32, u32)], deadline: Option<u64>) -> Result<()> {
    let life = &lifeline.word;
    let alive = life.load(Ordering::SeqCst);
    let mut all = [(life, alive); 3];
    let count = words.len().min(2);
    all[1..=count].copy_from_slice(&words[..count]);
    let mut first = true;
    loop {
        if lifeline.is_dead() {
            // The kernel wakes one; the others are ours to wake.
            sys::futex_wake_all(life);
            return Err(Errno::ENODEV);
        }
        let now = sys::now();
        let slice = now + SLICE;
        let until = deadline.map_or(slice, |deadline| deadline.min(slice));
        match sys::futex_wait_any_until(&all[..=count], until) {
            Err(Errno::ETIMEDOUT) if deadline.is_some_and(|deadline| until >= deadline) => {
                return Err(Errno::ETIMEDOUT);
            }
            Err(Errno::ETIMEDOUT) => {}
            Err(Errno::EPERM) => return Err(Errno::ENOSYS),
            // Changed while nobody woke us, or woken where nothing has changed: a wake either way.
            Err(Errno::EAGAIN) if !first => return Ok(()),
            Ok(()) if lifeline.is_dead() => {}
            result => return result,
        }
        first = false;
    }
}
