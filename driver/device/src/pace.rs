//! How fast a pusher writes while nobody watches. A slow pusher's frames (slides, a time lapse, a screen that sends only
//! its changes) are kept for clients that come later, at the price of a copy. A fast pusher's frames are not even copied,
//! and its write() makes no system call: a new client gets the next frame in a moment.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Frames in shorter intervals than this come fast, nanoseconds.
const SLOW: u64 = 10_000_000;
/// To copy a frame may take one part in so many of the time between two.
const SHARE: u64 = 64;
/// Bytes that are copied in a nanosecond, by a machine that is not the fastest.
const BYTES: u64 = 4;
/// After so long a pause a single frame is kept. Shorter pauses, of a machine that is busy with others, count only where
/// two come in a row.
const PAUSE: u64 = 250_000_000;

/// What is remembered of an input's frames. (Threads that write at once may mix it up: then a frame more or less is
/// kept.)
#[derive(Debug, Default)]
pub struct Pace {
    /// The log that the pusher had.
    log: AtomicU32,
    /// When it last gave a frame that nobody watched, nanoseconds.
    last: AtomicU64,
    /// 1: that frame came slowly.
    slow: AtomicU32,
}

impl Pace {
    /// Whether the frame that is given now, with `len` bytes to copy, is one to keep. `log` is the pusher's log: its first
    /// frame is.
    pub fn keeps(&self, log: u32, len: usize, now: u64) -> bool {
        let first = self.log.load(Ordering::Relaxed) != log;
        self.log.store(log, Ordering::Relaxed);
        let pause = now.saturating_sub(self.last.load(Ordering::Relaxed));
        self.last.store(now, Ordering::Relaxed);
        let slow = first || pause >= SLOW.max(len as u64 / BYTES * SHARE);
        let was_slow = self.slow.load(Ordering::Relaxed) != 0;
        self.slow.store(slow.into(), Ordering::Relaxed);
        first || pause >= PAUSE || (slow && was_slow)
    }

    /// Another device: its first frame is one to keep, whatever number its log has.
    pub fn forget(&self) {
        self.log.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn kept(len: usize, at: impl IntoIterator<Item = u64>) -> Vec<bool> {
        let pace = Pace::default();
        at.into_iter().map(|ms| pace.keeps(1, len, 5_000_000_000 + ms * MS)).collect()
    }

    #[test]
    fn slow_frames_are_kept_all() {
        assert_eq!(kept(4_000_000, (0..9).map(|k| k * 4_000)), [true; 9]);
        assert_eq!(kept(150_000, (0..9).map(|k| k * 50)), [true; 9]);
    }

    #[test]
    fn of_fast_frames_the_first_alone_is_kept() {
        for (len, period) in [(4_000_000, 33), (600_000, 4), (100, 1), (100, 0)] {
            let kept = kept(len, (0..99).map(|k| k * period));
            assert_eq!((kept[0], &kept[1..]), (true, &[false; 98][..]), "{len} {period}");
        }
    }

    #[test]
    fn a_fast_pusher_that_is_kept_from_running_once_is_fast() {
        let kept = kept(100, (0..99).map(|k| if k < 50 { 0 } else { 200 }));
        assert!(!kept[1..].contains(&true));
    }

    #[test]
    fn a_frame_after_a_pause_is_kept_and_so_is_the_first_of_another_pusher() {
        assert_eq!(kept(100, [0, 1, 2, 400, 401]), [true, false, false, true, false]);
        let pace = Pace::default();
        assert_eq!([1, 1, 2].map(|log| pace.keeps(log, 100, 7)), [true, false, true]);
        pace.forget();
        assert!(pace.keeps(2, 100, 7));
    }
}
