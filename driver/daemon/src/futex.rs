//! Futexes that other processes share.

use std::sync::atomic::AtomicU32;

/// Sleeps while `word` holds `value`; returns on a wake, a signal or another value.
pub(crate) fn wait(word: &AtomicU32, value: u32) {
    // SAFETY: FUTEX_WAIT reads the word, which the reference keeps alive; no timeout is given.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            std::ptr::null::<libc::timespec>(),
        )
    };
}

/// Wakes all who sleep on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE does not touch the memory.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}
