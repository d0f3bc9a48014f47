//! The writer's side. The caller holds [`Log::lock`](crate::Log).

use crate::{ANY_ORDER, Board, ClaimsPage, Log, MAX_ROWS, MAX_SLOTS, Ordering, Row, Stamp, fence, window};

/// A slot that belongs to the writer until it is published or cancelled.
#[derive(Debug, PartialEq, Eq)]
pub struct Picked {
    /// Its index.
    pub slot: usize,
}

/// The slots that clients hold, as far as the daemon granted them.
fn held(board: &Board, claims_page: &ClaimsPage) -> u32 {
    let mut all = 0;
    for row in 0..MAX_ROWS {
        let quota = board.quotas[row].load(Ordering::Relaxed);
        if quota == 0 {
            continue;
        }
        let mut claims = claims_page.rows[row].claims.load(Ordering::Relaxed);
        // More than its share is a client's own loss: the lowest bits count.
        while claims.count_ones() > quota {
            claims &= !(1 << (31 - claims.leading_zeros()));
        }
        all |= claims;
    }
    all
}

/// The rows that the daemon has granted; all others are ignored.
fn granted<'a>(board: &'a Board, claims_page: &'a ClaimsPage) -> impl Iterator<Item = &'a Row> {
    let rows = claims_page.rows.iter().zip(&board.quotas);
    rows.filter(|(_, quota)| quota.load(Ordering::Relaxed) != 0).map(|(row, _)| row)
}

/// Whether one client alone streams.
fn is_alone(board: &Board) -> bool {
    board.streamers.load(Ordering::Relaxed) == 1
}

/// The slots that clients want to be written next: those that they have seen and given back.
fn wanted(board: &Board, claims_page: &ClaimsPage) -> u32 {
    granted(board, claims_page).fold(0, |all, row| all | row.want.load(Ordering::Relaxed))
}

/// Whether a slot holds the newest publication.
pub fn is_newest(log: &Log, slot: usize) -> bool {
    let newest = log.head.load(Ordering::Relaxed);
    newest != 0 && slot < MAX_SLOTS && log.slots[slot].number.load(Ordering::Relaxed) == newest
}

/// Marks a slot as being written, unless a client holds it. Its publication is gone then.
fn mark(board: &Board, log: &Log, claims_page: &ClaimsPage, slot: usize) -> Option<Picked> {
    window();
    let number = log.slots[slot].number.swap(0, Ordering::Relaxed);
    // Pairs with the fence in claim_oldest: either we see its claim or it sees our mark.
    fence(Ordering::SeqCst);
    window();
    #[cfg(not(feature = "break-no-second-look"))]
    if held(board, claims_page) >> slot & 1 != 0 {
        log.slots[slot].number.store(number, Ordering::Release);
        return None;
    }
    // A holder that has given the slot back since our first look is done with it.
    fence(Ordering::Acquire);
    #[cfg(feature = "break-no-second-look")]
    let _ = (number, board, claims_page);
    #[cfg(feature = "break-publish-first")]
    log.slots[slot].number.store(log.head.load(Ordering::Relaxed) + 1, Ordering::SeqCst);
    Some(Picked { slot })
}

/// The slots that a client which streams alone has given back and takes in any order. What it gave back
/// last is still in the cache: few slots are fast slots.
pub fn given_back(board: &Board, claims_page: &ClaimsPage) -> u32 {
    if !is_alone(board) {
        return 0;
    }
    granted(board, claims_page)
        .filter(|row| row.turn.load(Ordering::Relaxed) == ANY_ORDER)
        .fold(0, |all, row| all | row.want.load(Ordering::Relaxed))
}

/// The slots that a client which streams alone takes in turn, and the one that is first.
fn in_turn(board: &Board, claims_page: &ClaimsPage) -> (u32, usize) {
    if !is_alone(board) {
        return (0, 0);
    }
    let turn = |row: &Row| match row.turn.load(Ordering::Relaxed) {
        0 | ANY_ORDER => None,
        next => Some((row.want.load(Ordering::Relaxed), next as usize - 1)),
    };
    granted(board, claims_page).find_map(turn).unwrap_or_default()
}

/// Finds a slot for the next frame: one that a client waits for, else the one with the oldest
/// publication. Of several that a lone client wants it is the first in its [turn](crate::Row::turn). A held
/// slot is never picked. `slots` is what the caller has mapped; slots of the mask `filling` are being filled
/// already and left alone.
///
/// The newest publication stays while another slot is free, so that all clients that were told of it find it, even
/// if one of them is done with its slot. Only for a client that streams alone it may be overwritten.
///
/// None means that no slot is free, or that 64 tries failed, which happens only if a client changes its claims on
/// purpose.
pub fn pick(
    board: &Board,
    log: &Log,
    claims_page: &ClaimsPage,
    slots: usize,
    filling: u32,
) -> Option<Picked> {
    let slots = slots.min(MAX_SLOTS);
    for _ in 0..64 {
        let holds = held(board, claims_page) | filling;
        let (wants, warm) = (wanted(board, claims_page), given_back(board, claims_page));
        let (queue, first) = in_turn(board, claims_page);
        let alone = is_alone(board);
        let best = (0..slots).filter(|&k| holds >> k & 1 == 0).min_by_key(|&k| {
            let number = log.slots[k].number.load(Ordering::Relaxed);
            let unseen = !(alone && wants >> k & 1 != 0) && is_newest(log, k);
            let order = match k {
                _ if warm >> k & 1 != 0 => !number,
                _ if queue >> k & 1 != 0 => (k.wrapping_sub(first) % MAX_SLOTS) as u64,
                _ => number,
            };
            (unseen, wants >> k & 1 == 0, order)
        });
        if let Some(picked) = mark(board, log, claims_page, best?) {
            return Some(picked);
        }
    }
    None
}

/// As [`pick`], for one given slot.
pub fn pick_this(board: &Board, log: &Log, claims_page: &ClaimsPage, slot: usize) -> Option<Picked> {
    if slot >= MAX_SLOTS || held(board, claims_page) >> slot & 1 != 0 {
        return None;
    }
    mark(board, log, claims_page, slot)
}

/// After the publication of a frame in `slot`, one of the client's own places: drops older frames in other slots, if
/// the client streams alone. To copy them would take the client longer than the writer takes to make new ones, so it
/// would stay behind for ever. They count as dropped.
///
/// A burst that the client is late for is kept: nothing is dropped until the client waits in a place again. This
/// happens after the publication: a client that was told of a dropped frame finds the new one instead.
pub fn retire(board: &Board, log: &Log, claims_page: &ClaimsPage, slot: usize, slots: usize) {
    if !is_alone(board) {
        return;
    }
    let places = granted(board, claims_page).fold(0, |all, row| all | row.places.load(Ordering::Relaxed));
    if places >> slot & 1 == 0 {
        return;
    }
    for slot in (0..slots.min(MAX_SLOTS)).filter(|k| places >> k & 1 == 0) {
        log.slots[slot].number.store(0, Ordering::Release);
    }
}

/// The time of the frame that is published next, at `now`; `given` is the writer's own time for it
/// ([`Clock::stamp`](crate::Clock::stamp)).
pub fn stamp(log: &Log, given: Option<u64>, now: u64) -> Stamp {
    log.clock.stamp(given, now, log.unwatched.load(Ordering::Relaxed) != log.seen.load(Ordering::Relaxed))
}

/// Publishes the slot that now holds a frame of `len` bytes. Returns its number. The caller then
/// wakes the clients that wait on [`Log::seq`](crate::Log) and those that are armed.
pub fn publish(log: &Log, claims_page: &ClaimsPage, picked: Picked, len: u32, time: u64) -> u64 {
    publish_marked(log, claims_page, picked, len, time, 0)
}

/// As [`publish`], with the pusher's marks ([`Slot::marks`](crate::Slot::marks)).
pub fn publish_marked(
    log: &Log,
    claims_page: &ClaimsPage,
    picked: Picked,
    len: u32,
    time: u64,
    marks: u32,
) -> u64 {
    let slot = &log.slots[picked.slot];
    let number = log.head.load(Ordering::Relaxed).wrapping_add(1);
    // Wanted no more; a row that is nobody's has no bits that matter.
    for row in &claims_page.rows {
        if row.want.load(Ordering::Relaxed) >> picked.slot & 1 != 0 {
            row.want.fetch_and(!(1 << picked.slot), Ordering::Relaxed);
        }
    }
    slot.len.store(len, Ordering::Relaxed);
    slot.time.store(time, Ordering::Relaxed);
    slot.marks.store(marks, Ordering::Relaxed);
    log.seen.store(log.unwatched.load(Ordering::Relaxed), Ordering::Relaxed);
    slot.number.store(number, Ordering::Release);
    log.head.store(number, Ordering::Release);
    // SeqCst: a client that arms itself after this sees the publication, one that armed itself
    // before is seen by the look at the claims page that follows.
    log.seq.fetch_add(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    number
}

/// Gives a picked slot back unpublished: the frame could not be copied.
pub fn cancel(log: &Log, picked: Picked) {
    log.slots[picked.slot].number.store(0, Ordering::Release);
}

/// Cleans up after a writer that died in the middle of a copy. Its slot's number is 0 already, so nothing shows; only
/// the lock is taken from it. True means that it had the right to write.
pub fn invalidate_half_written(log: &Log, dead: u32) -> bool {
    if log.lock.owner() == dead {
        // It may have died between the two stores of a publication, which clients may have taken by now.
        let newest = log.slots.iter().map(|slot| slot.number.load(Ordering::Acquire)).max();
        log.head.fetch_max(newest.unwrap_or(0), Ordering::Release);
    }
    log.lock.revoke(dead)
}
