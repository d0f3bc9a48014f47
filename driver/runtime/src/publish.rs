//! A frame into the ring.

use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::V4L2_BUF_FLAG_TIMESTAMP_COPY;
use vloopback_ring::{Log, Picked, cancel, pick, publish_marked, retire, stamp};

use crate::open_file::Session;
use crate::ring_map::RingMap;
use crate::sys::{self, Result};

/// Clients that poll are woken through the daemon at least this often whatever the desk says,
/// so that nobody can keep them asleep by clearing others' marks there. Nanoseconds.
const RING_AT_LEAST: u64 = 50_000_000;

/// One frame out of pieces that lie in the program's memory.
pub(crate) struct Pieces<'a> {
    pub(crate) iov: &'a [libc::iovec],
}

impl Pieces<'_> {
    pub(crate) fn len(&self) -> Option<usize> {
        self.iov.iter().try_fold(0usize, |sum, v| sum.checked_add(v.iov_len))
    }

    pub(crate) fn check(&self, session: &Session) -> Result<()> {
        for piece in self.iov {
            session.known.readable(piece.iov_base as usize, piece.iov_len).map_err(|_| libc::EFAULT)?;
        }
        Ok(())
    }

    /// Copies `len` bytes from byte `from` on, or all that there are.
    ///
    /// # Safety
    /// `to` has room for `len` bytes, and the pieces were checked.
    pub(crate) unsafe fn copy_part(&self, mut from: usize, mut to: *mut u8, mut len: usize) {
        for piece in self.iov {
            let skipped = from.min(piece.iov_len);
            from -= skipped;
            let part = (piece.iov_len - skipped).min(len);
            // SAFETY: inside the piece, and the caller's promise.
            unsafe {
                core::ptr::copy_nonoverlapping(piece.iov_base.cast::<u8>().add(skipped), to, part);
                to = to.add(part);
            }
            len -= part;
        }
    }

    /// Copies the first `len` bytes, or all if there are fewer.
    ///
    /// # Safety
    /// `to` has room for `len` bytes, and the pieces were checked.
    unsafe fn copy_to(&self, mut to: *mut u8, mut len: usize) {
        for piece in self.iov {
            let part = piece.iov_len.min(len);
            // SAFETY: the caller's promise.
            unsafe {
                core::ptr::copy_nonoverlapping(piece.iov_base.cast::<u8>(), to, part);
                to = to.add(part);
            }
            len -= part;
        }
    }
}

/// Whether nobody streams.
fn is_unwatched(session: &Session) -> bool {
    session.board().streamers.load(Ordering::Acquire) == 0
}

/// Whether a frame, with `len` bytes to copy, of the pusher whose log is number `log`, is kept for who comes later: nobody
/// streams, and the pusher is slow ([`Pace`](pace::Pace)).
pub(crate) fn is_kept(session: &Session, log: u32, len: usize) -> bool {
    is_unwatched(session) && session.pace.keeps(log, len, sys::about_now())
}

/// Whether a frame that is not one to `keep` is left out, because nobody streams to see it; then it is counted.
///
/// Who comes is counted first and looks at the number then: either it sees that there was a frame, or we see it.
pub(crate) fn is_left_out(session: &Session, log: &Log, keep: bool) -> bool {
    if keep || !is_unwatched(session) {
        return false;
    }
    log.unwatched.fetch_add(1, Ordering::SeqCst);
    let is_unwatched = session.board().streamers.load(Ordering::SeqCst) == 0;
    if !is_unwatched {
        log.unwatched.fetch_sub(1, Ordering::SeqCst);
    }
    is_unwatched
}

/// Picks the slot for a frame of `len` bytes, with the right to write held. None: nobody streams, and the frame is not
/// one to `keep` ([`Pace`](pace::Pace)), or no slot is free; the frame is counted as dropped.
///
/// # Errors
/// EINVAL: longer than a slot, or the log speaks of a slot that is not mapped.
pub(crate) fn reserve(
    session: &Session,
    ring: &RingMap,
    log: &Log,
    (len, keep): (usize, bool),
) -> Result<Option<Picked>> {
    let board = session.board();
    if is_left_out(session, log, keep) {
        return Ok(None);
    }
    if len > ring.slot_len {
        return Err(libc::EINVAL);
    }
    let Some(picked) =
        pick(board, log, session.desk(), ring.slots, session.page().filling.load(Ordering::Relaxed))
    else {
        log.lost.fetch_add(1, Ordering::Relaxed);
        return Ok(None);
    };
    if picked.slot >= ring.slots {
        cancel(log, picked);
        return Err(libc::EINVAL);
    }
    Ok(Some(picked))
}

/// Copies and publishes the first `len` bytes of the pieces, with the right to write held; the pieces were
/// checked.
///
/// # Errors
/// As [`reserve`].
pub(crate) fn put(
    session: &Session,
    ring: &RingMap,
    log: &Log,
    frame: &Pieces,
    (len, keep): (usize, bool),
) -> Result<()> {
    let Some(picked) = reserve(session, ring, log, (len, keep))? else { return Ok(()) };
    // SAFETY: the slot is ours until it is published, and slot_len >= len; the pieces were checked.
    unsafe { frame.copy_to(ring.slot(picked.slot), len) };
    log.copies.fetch_add(1, Ordering::Relaxed);
    show(session, log, picked, ring.slots, len as u32, Said::default());
    Ok(())
}

/// What a pusher says of a frame besides its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said {
    /// When it was taken, nanoseconds of its own clock; None: now.
    pub(crate) time: Option<u64>,
    /// Flags for its clients.
    pub(crate) marks: u32,
}

/// Publishes a slot that holds a frame now and wakes whoever waits for it, if anybody streams. The caller has the right
/// to write.
pub(crate) fn show(session: &Session, log: &Log, picked: Picked, slots: usize, len: u32, said: Said) {
    let desk = session.desk();
    let time = sys::now();
    let slot = picked.slot;
    let stamp = stamp(log, said.time, time);
    // The clients' time is the pusher's own, or the driver's (V4L2 specification, Buffer Flags).
    let marks = if stamp.is_given { said.marks } else { said.marks & !V4L2_BUF_FLAG_TIMESTAMP_COPY };
    publish_marked(log, desk, picked, len, stamp.time, marks);
    if session.board().streamers.load(Ordering::SeqCst) == 0 {
        // For who comes later.
        log.kept.fetch_add(1, Ordering::Relaxed);
        return;
    }
    retire(session.board(), log, desk, slot, slots);
    let refused = !sys::futex_wake_all(&log.seq);
    if refused {
        // Others may sleep on: the ringer wakes them by pages that are theirs alone.
        session.page().refused.fetch_add(1, Ordering::SeqCst);
    }
    if refused || desk.any_armed() || time.wrapping_sub(log.rung.load(Ordering::Relaxed)) > RING_AT_LEAST {
        log.rung.store(time, Ordering::Relaxed);
        session.ring_bell();
    }
}

/// Gives the right to write back.
pub(crate) fn give_back(log: &Log) {
    if log.lock.unlock() {
        sys::futex_wake_all(log.lock.word());
    }
}
