//! The rate of a pusher that has not said how often its frames come, as it is counted.

use vloopback_abi::v4l2::V4l2Fract;

use crate::caller::Call;
use crate::stream::{Step, with_locks};
use vloopback_sys as sys;

/// Rates that programs know, frames a second. A rate that is within a fiftieth of one is it.
const USUAL: [u64; 19] = [5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 72, 75, 90, 100, 120, 144, 200, 240];

/// The interval of the last second. None: it is not steady, or not known: what is assumed is as good.
pub(super) fn counted(call: &Call) -> Option<V4l2Fract> {
    let session = call.file;
    let looked = with_locks(call, |locked| {
        session.refresh_ring_if_any(&mut locked.ring)?;
        Ok(Step::Done(locked.ring.log().and_then(|log| log.rate.interval(sys::now()))))
    });
    looked.ok().flatten().map(rounded)
}

/// An interval in nanoseconds as a program is told of it: machines are never in time to the microsecond, and a number
/// that is another one at each look would be taken for a change.
fn rounded(interval: u64) -> V4l2Fract {
    let interval = interval.clamp(1_000_000, 1_000_000_000_000);
    // Thousandths of frames a second.
    let rate = 1_000_000_000_000 / interval;
    let fract = |numerator: u64, denominator: u64| V4l2Fract {
        numerator: numerator as u32,
        denominator: denominator as u32,
    };
    if let Some(usual) = USUAL.into_iter().find(|usual| rate.abs_diff(usual * 1000) * 50 <= usual * 1000) {
        return fract(1, usual);
    }
    if rate >= 20_000 {
        return fract(1, (rate + 500) / 1000);
    }
    if rate >= 1_500 {
        // Tenths.
        return fract(10, (rate + 50) / 100);
    }
    // Tenths of a second a frame.
    match (interval + 50_000_000) / 100_000_000 {
        tenths if tenths % 10 == 0 => fract(tenths / 10, 1),
        tenths => fract(tenths, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_that_programs_know() {
        let told = |interval: u64| {
            let V4l2Fract { numerator, denominator } = rounded(interval);
            (numerator, denominator)
        };
        for (nanoseconds, expected) in [
            (33_333_333, (1, 30)),
            (33_366_700, (1, 30)),
            (33_900_000, (1, 30)),
            (41_708_333, (1, 24)),
            (20_100_000, (1, 50)),
            (9_950_000, (1, 100)),
            (27_000_000, (1, 37)),
            (80_000_000, (10, 125)),
            (150_000_000, (10, 67)),
            (500_000_000, (10, 20)),
            (1_000_000_000, (1, 1)),
            (990_000_000, (1, 1)),
            (1_540_000_000, (15, 10)),
            (5_000_000_000, (5, 1)),
            (3, (1, 1000)),
            (u64::MAX, (1000, 1)),
        ] {
            assert_eq!(told(nanoseconds), expected, "{nanoseconds} ns");
        }
    }
}
