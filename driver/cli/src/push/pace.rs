//! When frames are due.

use std::time::{Duration, Instant};

use crate::values::Rate;

/// A lag beyond this is not made up for: the machine was stopped, or it is too slow for the rate, and a
/// burst would help nobody.
const LAG_MAX: Duration = Duration::from_millis(500);

/// Times of frames, counted from the first one, so that errors do not add up.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rate: Rate,
    start: Instant,
    frames: u64,
}

impl Pace {
    /// The first frame is due at `start`.
    pub fn new(rate: Rate, start: Instant) -> Pace {
        Pace { rate, start, frames: 0 }
    }

    fn due(&self) -> Instant {
        let nanos = u128::from(self.frames) * u128::from(self.rate.seconds) * 1_000_000_000
            / u128::from(self.rate.frames);
        // 2^64 nanoseconds are 584 years.
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The time of the next frame, seen at `now`. If it is long past, all later ones are moved too.
    pub fn next(&mut self, now: Instant) -> Instant {
        let lag = now.saturating_duration_since(self.due());
        if lag > LAG_MAX {
            self.start += lag;
        }
        let due = self.due();
        self.frames += 1;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_never_drift() {
        let start = Instant::now();
        let mut pace = Pace::new(Rate { frames: 30_000, seconds: 1001 }, start);
        let mut last = start;
        for _ in 0..=30_000 {
            last = pace.next(last);
        }
        assert_eq!(last - start, Duration::from_secs(1001));
    }

    #[test]
    fn a_long_stop_is_no_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(Rate { frames: 10, seconds: 1 }, start);
        assert_eq!(pace.next(start), start);
        // A little late: the next one is due when it was.
        assert_eq!(pace.next(start + Duration::from_millis(150)), start + Duration::from_millis(100));
        let late = start + Duration::from_secs(60);
        assert_eq!(pace.next(late), late);
        assert_eq!(pace.next(late), late + Duration::from_millis(100));
    }
}
