//! The log: which slot holds which publication.

use crate::clock::Clock;
use crate::rate::Rate;
use crate::{AtomicU32, AtomicU64, MAX_SLOTS, SharedLock};

/// One slot's entry.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Slot {
    /// The number of the publication that it holds; 0 while it holds none or is being written.
    pub number: AtomicU64,
    /// Its time by the stream's clock ([`Clock`]), nanoseconds.
    pub time: AtomicU64,
    /// Bytes of the frame.
    pub len: AtomicU32,
    /// Marks of its pusher; the ring does not interpret them.
    pub marks: AtomicU32,
    reserved2: [AtomicU64; 5],
}

/// The page that the pusher writes (and the daemon, to mend what a dead one left).
///
/// Each pusher gets its own log, also if it continues in its predecessor's slots. So it can spoil the log only while
/// it feeds the pipe. The daemon takes over what is plausible of the old log.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Log {
    /// Counts publications and other changes that a sleeping client must notice; clients wait on it.
    pub seq: AtomicU32,
    /// The right to write: forked and threaded pushers take turns.
    pub lock: SharedLock,
    reserved: AtomicU32,
    /// The newest publication's number.
    pub head: AtomicU64,
    /// When the daemon was last told to wake clients that poll, CLOCK_MONOTONIC nanoseconds.
    pub rung: AtomicU64,
    /// Frames that were written while nobody streamed.
    pub unwatched: AtomicU64,
    /// Frames copied into a slot.
    pub copies: AtomicU64,
    /// Frames that found no slot (only a hostile client can cause that).
    pub lost: AtomicU64,
    /// The number of the newest publication when the log was made. No client can have had a later one.
    pub base: AtomicU64,
    /// [`Log::unwatched`] at the newest publication. While it is equal, the pusher has written nothing since.
    pub seen: AtomicU64,
    /// Publications while nobody streamed: a slow pusher's newest frame, kept for clients that come later.
    pub kept: AtomicU64,
    /// The stream's clock.
    pub clock: Clock,
    /// How often its frames come.
    pub rate: Rate,
    reserved2: [AtomicU64; 5],
    /// The slots.
    pub slots: [Slot; MAX_SLOTS],
}

#[cfg(not(loom))]
crate::layout::layout!(layout: Log { seq, lock, reserved, head, rung, unwatched, copies, lost, base, seen, kept, clock, rate, reserved2, slots });

#[cfg(not(loom))]
crate::layout::layout!(slot_layout: Slot { number, time, len, marks, reserved2 });
