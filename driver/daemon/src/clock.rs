//! The clock of the times in shared pages.

use nix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, nanoseconds.
pub(crate) fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
}
