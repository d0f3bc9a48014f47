//! Real threads, real memory: a writer flat out, readers that hold frames for random numbers of
//! publications, and a pattern in every word of every frame.
//!
//! As it should be, no reader ever sees a torn frame. With the feature `break-publish-first` or
//! `break-no-second-look` the ring is broken on purpose, and then the very same run must see torn
//! frames, or it would prove nothing. `VLOOPBACK_TORN_FRAMES` sets how many frames are written.
#![cfg(not(loom))]

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};

use vloopback_ring::{
    Board, ClaimsPage, Log, claim_oldest, find_oldest, pick, publish, still_there, unclaim,
};

/// Words of a frame; 4 KiB take long enough to copy to be caught in the middle.
const WORDS: usize = 512;
const SLOTS: usize = 6;
/// Readers in place, and how many slots each holds at a time: all that the ring can grant.
const ROWS: usize = 4;
const QUOTA: usize = 1;
/// Readers that copy.
const COPIERS: usize = 1;

const BROKEN: bool = cfg!(any(feature = "break-publish-first", feature = "break-no-second-look"));

/// A small generator of its own per thread (xorshift), so that a run needs no crate and no clock.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Memory as processes share it: words that anybody may write at any time.
type Frame = Vec<AtomicU64>;

/// What word `k` of publication `number` holds.
fn pattern(number: u64, k: usize) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (k as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
}

fn fill(frame: &Frame, number: u64) {
    for (k, word) in frame.iter().enumerate() {
        // Now and then the writer loses its processor in mid-frame.
        if k == WORDS / 2 && number % 8 == 0 {
            std::thread::yield_now();
        }
        word.store(pattern(number, k), Relaxed);
    }
}

fn is_whole(frame: &Frame, number: u64) -> bool {
    frame.iter().enumerate().all(|(k, word)| word.load(Relaxed) == pattern(number, k))
}

struct Ring {
    board: Box<Board>,
    log: Box<Log>,
    claims_page: Box<ClaimsPage>,
    frames: Vec<Frame>,
    /// The writer is done.
    over: AtomicBool,
    torn: AtomicU64,
    seen: AtomicU64,
    disorder: AtomicU64,
}

impl Ring {
    fn new() -> Self {
        // SAFETY: the pages consist of atomic integers only, for which zeros are a value.
        let (board, log, claims_page): (Box<Board>, Box<Log>, Box<ClaimsPage>) = unsafe {
            (Box::new(std::mem::zeroed()), Box::new(std::mem::zeroed()), Box::new(std::mem::zeroed()))
        };
        for row in 0..ROWS {
            board.quotas[row].store(QUOTA as u32, Relaxed);
        }
        let frame = || (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Self {
            board,
            log,
            claims_page,
            frames: (0..SLOTS).map(|_| frame()).collect(),
            over: AtomicBool::new(false),
            torn: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            disorder: AtomicU64::new(0),
        }
    }

    fn write(&self, frames: u64) {
        for n in 1..=frames {
            let picked = pick(&self.board, &self.log, &self.claims_page, SLOTS, 0)
                .expect("the writer always finds a slot");
            fill(&self.frames[picked.slot], n);
            assert_eq!(publish(&self.log, &self.claims_page, picked, (WORDS * 8) as u32, n), n);
        }
        self.over.store(true, Release);
    }

    fn see(&self, whole: bool, number: u64, last: u64) {
        self.seen.fetch_add(1, Relaxed);
        self.torn.fetch_add(u64::from(!whole), Relaxed);
        self.disorder.fetch_add(u64::from(number <= last), Relaxed);
    }

    /// A client that reads in place and holds every frame until a random number of further ones
    /// were published; what it holds must stay whole for all that time.
    fn read_in_place(&self, row: usize) {
        let mut dice = Dice(row as u64 + 1);
        // Half of them are late, and meet the writer at the oldest slot; half are at its heels.
        let longest = if row % 2 == 0 { 12 } else { 2 };
        let mut last = 0;
        let mut held: Vec<(usize, u64, u64)> = Vec::new();
        loop {
            let over = self.over.load(Acquire);
            let head = self.log.head.load(Relaxed);
            while held.first().is_some_and(|&(_, _, until)| over || until <= head) {
                let (slot, number, _) = held.remove(0);
                self.see(is_whole(&self.frames[slot], number), number, number - 1);
                unclaim(&self.claims_page, row, 1 << slot);
            }
            let taken = match held.len() {
                QUOTA => None,
                _ => claim_oldest(&self.log, &self.claims_page, row, SLOTS, u32::MAX, last),
            };
            match taken {
                Some(taken) => {
                    let (slot, number) = (taken.found.slot, taken.found.number);
                    self.see(is_whole(&self.frames[slot], number), number, last);
                    last = number;
                    held.push((slot, number, number + dice.below(longest)));
                }
                None if over && held.is_empty() => break,
                None => std::thread::yield_now(),
            }
        }
    }

    /// A client without a row: it copies, and shows the copy only if it is whole.
    fn copy(&self) {
        let mut last = 0;
        let copy: Frame = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        loop {
            let over = self.over.load(Acquire);
            match find_oldest(&self.log, SLOTS, u32::MAX, last) {
                Some(found) => {
                    for (to, from) in copy.iter().zip(&self.frames[found.slot]) {
                        to.store(from.load(Relaxed), Relaxed);
                    }
                    if still_there(&self.log, found) {
                        self.see(is_whole(&copy, found.number), found.number, last);
                        last = found.number;
                    }
                }
                None if over => break,
                None => std::thread::yield_now(),
            }
        }
    }
}

#[test]
fn no_frame_is_torn_unless_the_ring_is_broken_on_purpose() {
    let frames = std::env::var("VLOOPBACK_TORN_FRAMES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let ring = Ring::new();
    std::thread::scope(|scope| {
        for row in 0..ROWS {
            let ring = &ring;
            scope.spawn(move || ring.read_in_place(row));
        }
        for _ in 0..COPIERS {
            scope.spawn(|| ring.copy());
        }
        scope.spawn(|| ring.write(frames));
    });
    let (torn, seen) = (ring.torn.into_inner(), ring.seen.into_inner());
    println!("{frames} frames written, {seen} looks, {torn} torn");
    if BROKEN {
        assert!(torn > 0, "the ring is broken on purpose and nobody noticed in {seen} looks");
        return;
    }
    assert_eq!(torn, 0, "of {seen}");
    assert_eq!(ring.disorder.into_inner(), 0, "frames come in the order of their publication");
    assert!(seen > ROWS as u64 * 100, "only {seen} looks: the run says nothing");
    let written = ring.log.head.load(Relaxed);
    assert_eq!((written, u64::from(ring.log.seq.load(Relaxed))), (frames, frames));
}
