//! Sleeping on words that other processes share, and waking who sleeps there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use vloopback_ring::SessionPage;
use vloopback_sys::clock;

/// Sleeps while `word` holds `value`; returns on a wake, a signal or another value, or after `limit`.
pub(crate) fn wait(word: &AtomicU32, value: u32, limit: Option<Duration>) {
    let nanos = |limit: Duration| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    let deadline = limit.map(|limit| clock::now().saturating_add(nanos(limit)));
    // Whatever ended the sleep: the caller looks again.
    let _ = vloopback_sys::futex_wait_until(word, value, deadline);
}

/// Lets whoever waits in a call by this open file look again.
pub(crate) fn kick(page: &SessionPage) {
    page.kick.fetch_add(1, Ordering::SeqCst);
    wake_all(&page.kick);
}

/// Wakes all sleepers on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    // One who sleeps there in another way may stop it; the poll notifier does not rely on it (`device/wait.rs`).
    vloopback_sys::futex_wake_all(word);
}
