//! When frames are due.

use std::num::ParseIntError;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// A lag beyond this is not made up for: the machine was stopped, or it is too slow for the rate, and a
/// burst would help nobody.
const LAG_MAX: Duration = Duration::from_millis(500);
/// The most frames a second.
const MOST: u64 = 1_000;

/// Frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many frames,
    pub frames: u32,
    /// in so many seconds.
    pub seconds: u32,
}

impl FromStr for Rate {
    type Err = String;

    /// `30`, `12.5` or `30000/1001`.
    fn from_str(text: &str) -> Result<Rate, String> {
        let told =
            || format!("a rate is a number of frames a second up to {MOST}, such as 30, 12.5 or 30000/1001");
        let parse = || -> Result<Rate, ParseIntError> {
            if let Some((frames, seconds)) = text.split_once('/') {
                return Ok(Rate { frames: frames.parse()?, seconds: seconds.parse()? });
            }
            let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
            // Three decimals are more than any rate needs.
            let part: String = part.chars().chain("000".chars()).take(3).collect();
            let thousandths = whole.parse::<u32>()?.saturating_mul(1000).saturating_add(part.parse()?);
            Ok(if thousandths % 1000 == 0 {
                Rate { frames: thousandths / 1000, seconds: 1 }
            } else {
                Rate { frames: thousandths, seconds: 1000 }
            })
        };
        let rate = parse().map_err(|_| told())?;
        let fits = rate.frames > 0
            && rate.seconds > 0
            && u64::from(rate.frames) <= MOST * u64::from(rate.seconds)
            && u64::from(rate.seconds) <= MOST * u64::from(rate.frames);
        if fits { Ok(rate) } else { Err(told()) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exact = f64::from(self.frames) / f64::from(self.seconds);
        let rounded = (exact * 100.0).round() / 100.0;
        write!(f, "{rounded}")
    }
}

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
    fn rates_as_people_write_them() {
        let of = |text: &str| text.parse::<Rate>().map(|rate| (rate.frames, rate.seconds));
        assert_eq!(of("30"), Ok((30, 1)));
        assert_eq!(of("12.5"), Ok((12_500, 1000)));
        assert_eq!(of("0.25"), Ok((250, 1000)));
        assert_eq!(of("30000/1001"), Ok((30_000, 1001)));
        for bad in ["", "0", "-1", "x", "30/0", "0/1", "1001", "1/1001", "1.x", "5000000000", "4294967296/1"]
        {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!("30000/1001".parse::<Rate>().unwrap().to_string(), "29.97");
        assert_eq!("25".parse::<Rate>().unwrap().to_string(), "25");
    }

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
