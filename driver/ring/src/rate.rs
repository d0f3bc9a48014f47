//! How often a pusher's frames come, as the pusher counts them, whoever watches: for programs that ask for the rate
//! where nobody has told it.

use crate::{AtomicU32, AtomicU64, Ordering};

/// Frames are counted for at least so long, nanoseconds: half of the second that the rate is of.
const WINDOW: u64 = 500_000_000;
/// Of slow pushers for as long as so many frames take.
const FEWEST: u32 = 2;
/// Two windows whose intervals differ by at most one part in so many have the same rate.
const STEADY: u64 = 20;

/// What is counted. The pusher writes it. All zeros: no frame yet. (Threads that write at once may mix it up: then
/// there is no steady rate for a moment.)
#[repr(C)]
#[derive(Debug, Default)]
pub struct Rate {
    /// When the window began, CLOCK_MONOTONIC nanoseconds.
    since: AtomicU64,
    /// Nanoseconds from frame to frame in the window before; 0: there was none.
    former: AtomicU64,
    /// The same of the last two windows together, if both have the same rate; else 0.
    steady: AtomicU64,
    /// Frames in the window so far, without that at its beginning.
    frames: AtomicU32,
    reserved: AtomicU32,
}

#[cfg(not(loom))]
crate::layout::layout!(layout: Rate { since, former, steady, frames, reserved });

impl Rate {
    /// Counts a frame that comes now.
    pub fn count(&self, now: u64) {
        let since = self.since.load(Ordering::Relaxed);
        let frames = self.frames.load(Ordering::Relaxed).saturating_add(1);
        let passed = now.saturating_sub(since);
        if since != 0 && (passed < WINDOW || frames < FEWEST) {
            self.frames.store(frames, Ordering::Relaxed);
            return;
        }
        self.since.store(now.max(1), Ordering::Relaxed);
        self.frames.store(0, Ordering::Relaxed);
        if since == 0 {
            return;
        }
        let interval = passed / u64::from(frames);
        let former = self.former.swap(interval, Ordering::Relaxed);
        let same = former.abs_diff(interval) <= interval / STEADY;
        self.steady.store(if same { former.midpoint(interval) } else { 0 }, Ordering::Relaxed);
    }

    /// Nanoseconds from frame to frame in the last second, if that is steady and frames still come at `now`.
    pub fn interval(&self, now: u64) -> Option<u64> {
        let steady = self.steady.load(Ordering::Relaxed);
        let late = now.saturating_sub(self.since.load(Ordering::Relaxed));
        let most = WINDOW.saturating_mul(2).saturating_add(steady.saturating_mul(2 * u64::from(FEWEST)));
        (steady != 0 && late < most).then_some(steady)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Frames at these milliseconds, and the interval that is told at the last one, in microseconds.
    fn told(times: impl IntoIterator<Item = u64>) -> Option<u64> {
        let rate = Rate::default();
        let mut now = 0;
        for time in times {
            now = 1_000_000_000_000 + time * MS;
            rate.count(now);
        }
        rate.interval(now).map(|interval| interval / 1000)
    }

    #[test]
    fn a_steady_rate_is_told_after_a_second() {
        assert_eq!(told((0..=100).map(|k| k * 20)), Some(20_000));
        assert_eq!(told((0..=40).map(|k| k * 20)), None, "0.8 s");
        assert_eq!(told((0..9).map(|k| k * 4000)), Some(4_000_000), "one in four seconds");
        assert_eq!(told((0..5000).map(|k| k / 4)), Some(250), "faster than the clock");
        // A machine's delays.
        let uneven = told((0..=100).map(|k| k * 20 + k % 3)).expect("steady");
        assert!(uneven.abs_diff(20_000) <= 100, "{uneven}");
    }

    #[test]
    fn another_rate_is_none_until_it_is_steady() {
        let change = |until: u64| told((0..100).map(|k| k * 20).chain((0..until).map(|k| 2000 + k * 40)));
        assert_eq!(change(20), None);
        assert_eq!(change(60), Some(40_000));
        assert_eq!(told([0, 3, 500, 510, 1300, 2000, 2001, 2002]), None, "no rate at all");
    }

    #[test]
    fn who_has_stopped_has_no_rate() {
        let rate = Rate::default();
        assert_eq!(rate.interval(5), None);
        for k in 1..=100 {
            rate.count(k * 20 * MS);
        }
        assert!(rate.interval(2500 * MS).is_some());
        assert_eq!(rate.interval(4000 * MS), None);
    }
}
