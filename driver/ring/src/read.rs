//! The reader's side.

use crate::{ClaimsPage, Log, MAX_SLOTS, Ordering, TRIES, fence, window};

/// A publication and its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The slot's index.
    pub slot: usize,
    /// The publication's number.
    pub number: u64,
}

/// A publication that is claimed: its slot does not change until [`unclaim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The slot and the number.
    pub found: Found,
    /// Bytes of the frame, as the writer says: check it against the slot's size.
    pub len: u32,
    /// Its time in nanoseconds: CLOCK_MONOTONIC at its publication, or the pusher's own.
    pub time: u64,
    /// The pusher's marks.
    pub marks: u32,
}

/// The oldest publication after `last` that the ring still holds, among the slots of `mask`. None: there is none, or
/// the pusher keeps changing its log.
pub fn find_oldest(log: &Log, slots: usize, mask: u32, last: u64) -> Option<Found> {
    for _ in 0..TRIES {
        let head = log.head.load(Ordering::Acquire);
        let mut best: Option<Found> = None;
        for slot in (0..slots.min(MAX_SLOTS)).filter(|k| mask >> k & 1 != 0) {
            let number = log.slots[slot].number.load(Ordering::Acquire);
            if number > last && best.is_none_or(|b| number < b.number) {
                best = Some(Found { slot, number });
            }
        }
        // A frame may come in a slot that we have passed, and the one before it go from a slot that we have
        // not: then there is one all the same.
        if best.is_some() || log.head.load(Ordering::Acquire) == head {
            return best;
        }
    }
    None
}

/// The newest publication, if its pusher has written no other frame since, watched or not: the present picture. It is
/// from the log's own pusher, not from a former one. None: there is none, or it is no longer in the ring.
///
/// The caller has been counted among the streaming clients: every later frame is published.
pub fn find_present(log: &Log, slots: usize) -> Option<Found> {
    let head = log.head.load(Ordering::SeqCst);
    let seen = log.seen.load(Ordering::SeqCst);
    if head <= log.base.load(Ordering::Relaxed) || log.unwatched.load(Ordering::SeqCst) != seen {
        return None;
    }
    let found = find_oldest(log, slots, u32::MAX, head - 1)?;
    (found.number == head).then_some(found)
}

/// Whether the slot still holds that publication. After a copy: whether the copy is valid.
#[inline]
pub fn still_there(log: &Log, found: Found) -> bool {
    // The reads of the copy come before the look at the number.
    fence(Ordering::SeqCst);
    log.slots[found.slot].number.load(Ordering::Relaxed) == found.number
}

/// Claims the oldest publication after `last` among the slots of `mask`. None: there is none, or the pusher
/// overwrote each one first, dozens of times.
pub fn claim_oldest(
    log: &Log,
    claims_page: &ClaimsPage,
    row: usize,
    slots: usize,
    mask: u32,
    last: u64,
) -> Option<Taken> {
    let claims = &claims_page.rows[row].claims;
    for _ in 0..TRIES {
        let found = find_oldest(log, slots, mask, last)?;
        let bit = 1 << found.slot;
        window();
        claims.fetch_or(bit, Ordering::Relaxed);
        if still_there(log, found) {
            let slot = &log.slots[found.slot];
            // Stable from here on: the writer sees the claim.
            fence(Ordering::Acquire);
            return Some(Taken {
                found,
                len: slot.len.load(Ordering::Relaxed),
                time: slot.time.load(Ordering::Relaxed),
                marks: slot.marks.load(Ordering::Relaxed),
            });
        }
        claims.fetch_and(!bit, Ordering::Release);
    }
    None
}

/// Gives slots back (`bits`: bit k for slot k).
#[inline]
pub fn unclaim(claims_page: &ClaimsPage, row: usize, bits: u32) {
    // Release: our reads of the frame come before the writer's next writes to it.
    claims_page.rows[row].claims.fetch_and(!bits, Ordering::Release);
}
