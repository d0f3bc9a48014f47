//! A frame into the ring.

use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::V4L2_BUF_FLAG_TIMESTAMP_COPY;
use vloopback_ring::{Log, Picked, RING_AT_LEAST, cancel, pick, publish_marked, retire, stamp};

use crate::caller::Caller;
use crate::open_file::OpenFile;
use crate::ring_map::RingMap;
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result};

/// One frame out of pieces that lie in the caller's memory, or in our own.
#[derive(Clone, Copy)]
pub struct IoSlices<'a> {
    iov: &'a [libc::iovec],
    /// None: it is our own.
    caller: Option<&'a dyn Caller>,
}

impl<'a> IoSlices<'a> {
    /// Our own memory, which is there.
    pub fn ours(iov: &'a [libc::iovec]) -> Self {
        Self { iov, caller: None }
    }

    /// The caller's memory.
    pub fn of(caller: &'a dyn Caller, iov: &'a [libc::iovec]) -> Self {
        Self { iov, caller: Some(caller) }
    }

    /// All bytes; None: more than an address has room for.
    pub fn total(&self) -> Option<usize> {
        self.iov.iter().try_fold(0usize, |sum, v| sum.checked_add(v.iov_len))
    }

    /// # Errors
    /// EFAULT: not all of it can be read.
    pub fn check(&self, file: &OpenFile) -> Result<()> {
        let Some(caller) = self.caller else { return Ok(()) };
        for piece in self.iov {
            let at = piece.iov_base as usize;
            caller.check_readable(file, at, piece.iov_len).map_err(|_| Errno::EFAULT)?;
        }
        Ok(())
    }

    /// Copies `len` bytes from byte `from` on, or all that there are.
    ///
    /// # Errors
    /// EFAULT: the caller has taken its memory away meanwhile.
    ///
    /// # Safety
    /// `to` has room for `len` bytes, and the pieces were checked.
    pub unsafe fn copy_part(&self, mut from: usize, mut to: *mut u8, mut len: usize) -> Result<()> {
        for piece in self.iov {
            let skipped = from.min(piece.iov_len);
            from -= skipped;
            let part = (piece.iov_len - skipped).min(len);
            let at = piece.iov_base as usize + skipped;
            // SAFETY: inside the piece, and the promise.
            unsafe {
                match self.caller {
                    Some(caller) => caller.copy_in(at, to, part)?,
                    None => core::ptr::copy_nonoverlapping(at as *const u8, to, part),
                }
                to = to.add(part);
            }
            len -= part;
        }
        Ok(())
    }
}

/// Whether nobody streams.
fn is_unwatched(session: &OpenFile) -> bool {
    session.board().streamers.load(Ordering::Acquire) == 0
}

/// Whether a frame is kept for clients that come later, and when that was decided.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    is_kept: bool,
    /// [`sys::about_now`]; 0: the clock was not looked at.
    at: u64,
}

/// Whether a frame of `len` bytes is kept for clients that come later: nobody streams, and the pusher, whose log has
/// number `log`, is slow (`pace`).
pub fn decide_keep(session: &OpenFile, log: u32, len: usize) -> Keep {
    if !is_unwatched(session) {
        return Keep::default();
    }
    let at = sys::about_now();
    Keep { is_kept: session.pace.keeps(log, len, at), at }
}

/// Whether a frame that is not one to `keep` is left out, because nobody streams to see it; then it is counted.
///
/// The daemon counts a new client before it reads this number. So either it sees that there was a frame, or we see the
/// client.
pub fn is_left_out(session: &OpenFile, log: &Log, keep: Keep) -> bool {
    if keep.is_kept || !is_unwatched(session) {
        return false;
    }
    log.unwatched.fetch_add(1, Ordering::SeqCst);
    let is_unwatched = session.board().streamers.load(Ordering::SeqCst) == 0;
    if is_unwatched {
        log.rate.count(if keep.at != 0 { keep.at } else { sys::about_now() });
    } else {
        log.unwatched.fetch_sub(1, Ordering::SeqCst);
    }
    is_unwatched
}

/// Picks the slot for a frame of `len` bytes, with the right to write held. None: nobody streams, and the frame is not
/// one to `keep` (`pace`), or no slot is free; the frame is counted as dropped.
///
/// # Errors
/// EINVAL: longer than a slot, or the log speaks of a slot that is not mapped.
pub fn reserve(
    session: &OpenFile,
    ring: &RingMap,
    log: &Log,
    (len, keep): (usize, Keep),
) -> Result<Option<Picked>> {
    let board = session.board();
    if is_left_out(session, log, keep) {
        return Ok(None);
    }
    if len > ring.slot_len {
        return Err(Errno::EINVAL);
    }
    let Some(picked) =
        pick(board, log, session.claims_page(), ring.slots, session.page().filling.load(Ordering::Relaxed))
    else {
        log.lost.fetch_add(1, Ordering::Relaxed);
        return Ok(None);
    };
    if picked.slot >= ring.slots {
        cancel(log, picked);
        return Err(Errno::EINVAL);
    }
    Ok(Some(picked))
}

/// Copies and publishes the first `len` bytes of the pieces, with the right to write held; the pieces were
/// checked.
///
/// # Errors
/// As [`reserve`].
pub fn put(
    session: &OpenFile,
    ring: &RingMap,
    log: &Log,
    frame: &IoSlices,
    (len, keep): (usize, Keep),
) -> Result<()> {
    let Some(picked) = reserve(session, ring, log, (len, keep))? else { return Ok(()) };
    // SAFETY: the slot is ours until it is published, and slot_len >= len; the pieces were checked.
    if let Err(e) = unsafe { frame.copy_part(0, ring.slot(picked.slot), len) } {
        cancel(log, picked);
        return Err(e);
    }
    log.copies.fetch_add(1, Ordering::Relaxed);
    show(session, log, picked, ring.slots, len as u32, FrameInfo::default());
    Ok(())
}

/// What a pusher says of a frame besides its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameInfo {
    /// When it was taken, nanoseconds of its own clock; None: now.
    pub time: Option<u64>,
    /// Flags for its clients.
    pub marks: u32,
}

/// Publishes a slot that holds a frame now and wakes whoever waits for it, if anybody streams. The caller has the right
/// to write.
pub fn show(session: &OpenFile, log: &Log, picked: Picked, slots: usize, len: u32, said: FrameInfo) {
    let claims_page = session.claims_page();
    let time = sys::now();
    log.rate.count(time);
    let slot = picked.slot;
    let stamp = stamp(log, said.time, time);
    // The clients' time is the pusher's own, or the driver's (V4L2 specification, Buffer Flags).
    let marks = if stamp.is_given { said.marks } else { said.marks & !V4L2_BUF_FLAG_TIMESTAMP_COPY };
    publish_marked(log, claims_page, picked, len, stamp.time, marks);
    if session.board().streamers.load(Ordering::SeqCst) == 0 {
        // For who comes later.
        log.kept.fetch_add(1, Ordering::Relaxed);
        return;
    }
    retire(session.board(), log, claims_page, slot, slots);
    let refused = !sys::futex_wake_all(&log.seq);
    if refused {
        // Others may sleep on: the poll notifier wakes them by pages that are theirs alone.
        session.page().refused.fetch_add(1, Ordering::SeqCst);
    }
    if refused
        || claims_page.any_armed()
        || time.wrapping_sub(log.rung.load(Ordering::Relaxed)) > RING_AT_LEAST.as_nanos() as u64
    {
        log.rung.store(time, Ordering::Relaxed);
        session.ring_frame_doorbell();
    }
}

/// Runs `f` with the ring in force, its log, and the right to write there as this process's number; `f` gives the right
/// back ([`give_back`]), or keeps it for a frame that is filled in place.
///
/// # Errors
/// EINVAL: there is no ring. EINTR: a handler without SA_RESTART, while another writer of the same pipe (a fork's or a
/// thread's) is at it. What `f` says; ENOMEM, EMFILE, ENODEV.
pub fn with_right_to_write<T>(
    session: &OpenFile,
    f: impl FnOnce(&RingMap, &'static Log, u32) -> Result<T>,
) -> Result<T> {
    loop {
        let quiet = NoSignals::new();
        let mut ring = session.ring.lock(&quiet);
        session.refresh_ring(&mut ring)?;
        let log = ring.log().ok_or(Errno::EINVAL)?;
        let me = connection::peer()?;
        let Err(owner) = log.lock.try_lock(me) else { return f(&ring, log, me) };
        drop(ring);
        drop(quiet);
        // Not with signals blocked: whoever waits here can be interrupted.
        session.wait_for_lock(log.lock.word(), owner)?;
    }
}

/// Gives the right to write back.
pub fn give_back(log: &Log) {
    if log.lock.unlock() {
        sys::futex_wake_all(log.lock.word());
    }
}
