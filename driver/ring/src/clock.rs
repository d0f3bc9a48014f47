//! The clock of a stream. Clients see times of CLOCK_MONOTONIC that never go back or jump, whoever writes: a pusher
//! without timestamps, one that counts from zero, one that uses the monotonic clock or the date, the placeholder, or the
//! next pusher.
//!
//! A pusher's own timestamps get one offset, which is set at its first frame. So the intervals between its frames stay
//! exactly as it gave them. If its clock is the monotonic clock, the offset is zero.

use crate::{AtomicU64, Ordering};

/// A pusher's timestamp counts as the monotonic clock's if it is at most this much earlier than the publication: the
/// delay of a camera or a converter. Nanoseconds.
const DELAY: u64 = 10_000_000_000;
/// It may be this much later than the publication, because encoders round.
const EARLY: u64 = 1_000_000_000;
/// A pusher's timestamp may advance by this much more than the time that has passed. A larger step means another clock.
const LEAP: u64 = 10_000_000_000;
/// A stream whose times differ from the monotonic clock by less than this returns to it with the next writer.
const NEAR: u64 = 1_000_000_000;
/// A former writer's clock is continued only up to this difference; beyond it the clock starts anew.
const FAR: u64 = 24 * 3600 * 1_000_000_000;
/// V4L2 counts microseconds: the smallest step that its clients see.
const STEP: u64 = 1_000;
/// Larger times are ignored: sums with them would overflow.
const ENDLESS: u64 = 1 << 62;

/// The state from which the next frame's time follows. The holder of the right to write changes it. All zeros: no frame
/// yet.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Clock {
    /// The newest publication's time, as clients see it, nanoseconds.
    last: AtomicU64,
    /// When that was published, CLOCK_MONOTONIC nanoseconds.
    real: AtomicU64,
    /// What is added to the pusher's times, modulo 2^64.
    offset: AtomicU64,
    /// The pusher's newest time plus one; 0: it has given none.
    given: AtomicU64,
    /// When it gave it.
    heard: AtomicU64,
}

#[cfg(not(loom))]
crate::layout::layout!(layout: Clock { last, real, offset, given, heard });

/// A frame's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// As clients see it, nanoseconds of CLOCK_MONOTONIC.
    pub time: u64,
    /// It is exactly the time that the pusher gave.
    pub is_given: bool,
}

impl Clock {
    /// The time of a frame that is published at `now` and that its writer says was taken at `given`.
    /// `anew`: nobody has seen the frames before it. The caller has the right to write.
    ///
    /// V4L2 programs without timestamps give zero. After another timestamp, zero is a timestamp.
    pub fn stamp(&self, given: Option<u64>, now: u64, anew: bool) -> Stamp {
        let last = if anew { 0 } else { self.last.load(Ordering::Relaxed) };
        let former = self.given.load(Ordering::Relaxed).checked_sub(1);
        let given = given.filter(|given| *given < ENDLESS);
        let time = match given {
            None => self.next(last, now),
            Some(0) if former.unwrap_or(0) == 0 => self.next(last, now),
            Some(given) => self.of_pusher(given, former, last, now, anew),
        };
        if let Some(given) = given {
            self.given.store(given + 1, Ordering::Relaxed);
            self.heard.store(now, Ordering::Relaxed);
            self.offset.store(time.wrapping_sub(given), Ordering::Relaxed);
        }
        self.last.store(time, Ordering::Relaxed);
        self.real.store(now, Ordering::Relaxed);
        Stamp { time, is_given: given == Some(time) }
    }

    /// The time of a frame without a timestamp, or of the first one of an unknown clock: now, or the real interval after
    /// the frame before it.
    fn next(&self, last: u64, now: u64) -> u64 {
        if last == 0 {
            return now;
        }
        let passed = now.saturating_sub(self.real.load(Ordering::Relaxed));
        let follows = last.saturating_add(passed);
        let off = follows.abs_diff(now);
        if off > FAR {
            now
        } else if off > NEAR {
            follows.max(last + STEP)
        } else {
            now.max(last + STEP)
        }
    }

    fn of_pusher(&self, given: u64, former: Option<u64>, last: u64, now: u64, anew: bool) -> u64 {
        let is_monotonic = given <= now.saturating_add(EARLY) && given.saturating_add(DELAY) >= now;
        // A first zero may have been no time: its clock is known now.
        if former.unwrap_or(0) == 0 && is_monotonic && given > last {
            return given;
        }
        if let Some(former) = former {
            let passed = now.saturating_sub(self.heard.load(Ordering::Relaxed));
            let shown = given.wrapping_add(self.offset.load(Ordering::Relaxed));
            let follows = given >= former && given - former <= passed.saturating_add(LEAP);
            let is_lost = anew && shown.abs_diff(now) > NEAR;
            if follows && shown >= last && shown < ENDLESS && !is_lost {
                return shown;
            }
        }
        self.next(last, now)
    }

    /// Continues the clock `former`, which another writer has used until `now`. The effect of false values is bounded.
    pub fn follow(&self, former: &Self, now: u64) {
        let last = former.last.load(Ordering::Relaxed);
        let real = former.real.load(Ordering::Relaxed).min(now);
        if last.abs_diff(real) <= FAR {
            self.last.store(last, Ordering::Relaxed);
            self.real.store(real, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000_000;
    const UPTIME: u64 = 5_000 * S;

    /// What clients see of frames that are published so many nanoseconds after the first, with these times.
    fn shown(frames: &[(u64, Option<u64>)]) -> Vec<Stamp> {
        let clock = Clock::default();
        frames.iter().map(|&(at, given)| clock.stamp(given, UPTIME + at, false)).collect()
    }

    fn times(frames: &[(u64, Option<u64>)]) -> Vec<u64> {
        shown(frames).iter().map(|stamp| stamp.time - UPTIME).collect()
    }

    #[test]
    fn a_frame_without_a_time_has_that_of_its_publication() {
        assert_eq!(times(&[(0, None), (S, None), (2 * S, Some(0)), (3 * S, Some(0))]), [0, S, 2 * S, 3 * S]);
    }

    #[test]
    fn a_monotonic_pushers_times_are_its_own() {
        let frames = [(0, Some(UPTIME - S / 10)), (S, Some(UPTIME + 9 * S / 10))];
        assert!(shown(&frames).iter().zip(frames).all(|(s, (_, given))| s.is_given && given == Some(s.time)));
    }

    #[test]
    fn times_from_zero_and_dates_have_one_offset() {
        for begin in [0, 7 * S, 1_800_000_000 * S] {
            let frames = [begin, begin + S / 30, begin + S / 15, begin + S];
            let at = [0, S / 29, S / 16, 2 * S];
            let stamps: Vec<_> = at.into_iter().zip(frames.map(Some)).collect();
            assert_eq!(times(&stamps), [0, S / 30, S / 15, S], "{begin}");
            assert!(shown(&stamps).iter().all(|stamp| !stamp.is_given));
        }
    }

    #[test]
    fn a_first_zero_is_no_time_of_a_monotonic_pusher() {
        assert_eq!(times(&[(0, Some(0)), (S, Some(UPTIME + S / 2))]), [0, S / 2]);
    }

    #[test]
    fn a_pusher_that_begins_anew_goes_on() {
        assert_eq!(
            times(&[(0, Some(5 * S)), (S, Some(6 * S)), (2 * S, Some(0)), (3 * S, Some(S))]),
            [0, S, 2 * S, 3 * S]
        );
    }

    #[test]
    fn another_clock_in_mid_stream_is_no_jump() {
        assert_eq!(times(&[(0, Some(S)), (S, Some(900_000 * S)), (2 * S, Some(900_001 * S))]), [0, S, 2 * S]);
    }

    #[test]
    fn the_next_writer_goes_on_behind_one_that_was_faster_than_time() {
        // Ten seconds of film in one.
        let film = (0..300).map(|k| (k * S / 300, Some(k * S / 30 + 1)));
        let stamps: Vec<_> = film.chain([(S, None), (S + S / 30, None)]).collect();
        let times = times(&stamps);
        assert!(times.is_sorted());
        assert!(times.windows(2).all(|two| two[1] - two[0] <= S / 29), "{:?}", &times[290..]);
    }

    #[test]
    fn a_former_writers_nonsense_does_not_last() {
        for (last, real) in [(u64::MAX, 0), (ENDLESS, UPTIME), (0, u64::MAX), (UPTIME, u64::MAX)] {
            let (former, clock) = (Clock::default(), Clock::default());
            former.last.store(last, Ordering::Relaxed);
            former.real.store(real, Ordering::Relaxed);
            clock.follow(&former, UPTIME);
            let time = clock.stamp(None, UPTIME + S, false).time;
            assert!(time.abs_diff(UPTIME + S) <= FAR + S, "{last} {real}: {time}");
        }
    }

    #[test]
    fn who_comes_when_nobody_has_watched_is_at_the_monotonic_clock_again() {
        let clock = Clock::default();
        for k in 0..300 {
            clock.stamp(Some(k * S), UPTIME + k, false);
        }
        assert_eq!(clock.stamp(None, UPTIME + S, true).time, UPTIME + S);
    }

    proptest! {
        #[test]
        fn time_never_goes_back_whatever_is_given(
            frames in proptest::collection::vec((0..2 * S, proptest::option::of(any::<u64>()), any::<bool>()), 1..60)
        ) {
            let mut clock = Clock::default();
            let (mut now, mut last) = (UPTIME, 0);
            for (passed, given, is_new_writer) in frames {
                now += passed;
                if is_new_writer {
                    let next = Clock::default();
                    next.follow(&clock, now);
                    clock = next;
                }
                let time = clock.stamp(given, now, false).time;
                prop_assert!(time >= last);
                last = time;
            }
        }

        #[test]
        fn steps_are_as_they_were_given(
            begin in 0..4_000_000_000 * S,
            steps in proptest::collection::vec((0..S, 0..S), 2..60)
        ) {
            let clock = Clock::default();
            let (mut now, mut given) = (UPTIME, begin);
            let mut last = clock.stamp(Some(given), now, false).time;
            for (passed, step) in steps {
                (now, given) = (now + passed, given + step);
                let time = clock.stamp(Some(given), now, false).time;
                // The monotonic clock is known by its second time if the first is zero.
                if begin != 0 {
                    prop_assert_eq!(time - last, step);
                }
                last = time;
            }
        }
    }
}
