//! What was published where.

use crate::clock::Clock;
use crate::{AtomicU32, AtomicU64, MAX_SLOTS, SharedLock};

/// One slot's entry.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Slot {
    /// The number of the publication that it holds; 0 while it holds none or is being written.
    pub number: AtomicU64,
    /// Its time in the stream's clock ([`Clock`]), nanoseconds.
    pub time: AtomicU64,
    /// Bytes of the frame.
    pub len: AtomicU32,
    /// What its pusher says of it besides; no bit of it means anything to the ring.
    pub marks: AtomicU32,
    reserved2: [AtomicU64; 5],
}

/// The page that the pusher writes (and the daemon, to mend what a dead one left).
///
/// Each pusher gets a log of its own, also where it goes on in its predecessor's slots: what a pusher writes here,
/// it can spoil only for as long as it feeds the pipe. The daemon takes over what is plausible of the old log.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Log {
    /// Counts publications and whatever else a sleeping client must notice; clients wait on it.
    pub seq: AtomicU32,
    /// The right to write: forked and threaded pushers take turns.
    pub lock: SharedLock,
    reserved: AtomicU32,
    /// The newest publication's number.
    pub head: AtomicU64,
    /// When the daemon was last told to wake clients that poll, CLOCK_MONOTONIC nanoseconds.
    pub rung: AtomicU64,
    /// Frames that write() was given and that nobody streamed to see.
    pub unwatched: AtomicU64,
    /// Frames copied into a slot.
    pub copies: AtomicU64,
    /// Frames that found no slot (only a hostile client can bring that about).
    pub lost: AtomicU64,
    /// The newest publication's number when the log was made: no client can have had a later one.
    pub base: AtomicU64,
    /// [`Log::unwatched`] when the newest publication was made: while it is the same the pusher has given nothing since.
    pub seen: AtomicU64,
    /// Publications of which nobody streamed to see them: a slow pusher's newest frame, for who comes later.
    pub kept: AtomicU64,
    /// What time it is in the stream.
    pub clock: Clock,
    reserved2: AtomicU64,
    /// The slots.
    pub slots: [Slot; MAX_SLOTS],
}

#[cfg(not(loom))]
crate::layout::layout!(layout: Log { seq, lock, reserved, head, rung, unwatched, copies, lost, base, seen, kept, clock, reserved2, slots });

#[cfg(not(loom))]
crate::layout::layout!(slot_layout: Slot { number, time, len, marks, reserved2 });
