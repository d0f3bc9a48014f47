//! A pusher's buffers. Buffer *i* is slot *i* of the ring where it can be: the program fills the slot
//! itself, QBUF publishes it, nothing is copied. DQBUF gives a buffer whose slot no client holds; where
//! there is none, some buffer gets private memory, and its frames are copied: a pusher never waits for a
//! client.
//!
//! From the time that the program has a buffer in place until it queues it, the buffer's slot is marked
//! as being filled (`SessionPage::filling`): invalid for clients, and not for `pick` to take.

use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::{
    PixelFormat, V4L2_BUF_FLAG_TIMESTAMP_COPY, V4L2_BUF_FLAG_TSTAMP_SRC_SOE, V4l2Buffer, V4l2CreateBuffers,
    V4l2Requestbuffers, V4l2Timeval,
};
use vloopback_ring::{Log, PREPARED, Picked, cancel, given_back, is_newest, pick_this};

use crate::caller::Call;
use crate::mappings::Mapping;
use crate::open_file::{self, OpenFile};
use crate::publish::{FrameInfo, decide_keep, give_back, is_left_out, reserve, show};
use crate::stream::{Locked, Step, Wait, until_done, with_locks};
use crate::v4l2::format::{frozen, to_v4l2};
use crate::v4l2::lines::{Lines, fits, own_lines};
use crate::v4l2::queue;
use crate::v4l2::queue::{Brought, describe, enqueue, is_queued};
use crate::wait;
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::{Errno, Result};

/// Slots that stay for clients and for frames that are copied, while the program fills others in place.
const LEFT: u32 = 1;

fn is_pending(session: &OpenFile, index: usize) -> bool {
    session.page().buffers[index].pending.load(Ordering::Relaxed) != 0
}

/// The slot of buffer `index` that the program fills in place.
fn slot_of(session: &OpenFile, index: usize) -> Option<usize> {
    // Whoever shares the descriptor can write there.
    let slot = (session.page().buffers[index].slot.load(Ordering::Relaxed) as usize).checked_sub(1);
    slot.filter(|slot| *slot < vloopback_ring::MAX_SLOTS)
}

/// Slots that neither clients hold nor the program fills, the newest publication's not counted.
fn free_slots(locked: &Locked, log: &Log) -> u32 {
    let session = locked.session;
    let (board, claims_page) = (session.board(), session.claims_page());
    let held = (0..vloopback_ring::MAX_ROWS)
        .filter(|&row| board.quotas[row].load(Ordering::Relaxed) != 0)
        .fold(0, |all, row| all | claims_page.rows[row].claims.load(Ordering::Relaxed));
    let filling = session.page().filling.load(Ordering::Relaxed);
    let all = ((1u64 << locked.ring.slots) - 1) as u32;
    let free = all & !(held | filling);
    free.count_ones() - u32::from((0..locked.ring.slots).any(|k| free >> k & 1 != 0 && is_newest(log, k)))
}

/// Takes slot `index` for buffer `index`, to be filled in place. False: a client holds it, or too few
/// would be left. The caller has the right to write.
fn take_slot(locked: &mut Locked, log: &Log, index: usize) -> Result<bool> {
    let (session, page) = (locked.session, locked.session.page());
    if !queue::is_in_place(page)
        || !locked.mappings.may_be_direct(index, &locked.ring)
        || free_slots(locked, log) <= LEFT
    {
        return Ok(false);
    }
    let Some(picked) = pick_this(session.board(), log, session.claims_page(), index) else {
        return Ok(false);
    };
    if let Err(e) = locked.mappings.prefer_direct(index, &locked.ring) {
        cancel(log, picked);
        return Err(e);
    }
    page.filling.fetch_or(1 << index, Ordering::Relaxed);
    page.buffers[index].slot.store(index as u32 + 1, Ordering::Relaxed);
    Ok(true)
}

/// As [`take_slot`], for a new buffer, and not the newest frame's: clients that were told of one find it.
fn take_first(locked: &mut Locked, log: &Log, index: usize) -> Result<bool> {
    if is_newest(log, index) { Ok(false) } else { take_slot(locked, log, index) }
}

/// Gives all slots that the program was filling back, unpublished. The caller has the right to write.
fn drop_slots(session: &OpenFile, log: &Log) {
    let page = session.page();
    for buffer in &page.buffers {
        let slot = buffer.slot.swap(0, Ordering::Relaxed);
        if slot != 0 {
            cancel(log, Picked { slot: (slot as usize - 1) % vloopback_ring::MAX_SLOTS });
        }
    }
    page.filling.store(0, Ordering::Relaxed);
}

/// The ring and the right to write to it, or what to wait for.
fn writing<T>(
    locked: &mut Locked,
    then: impl FnOnce(&mut Locked, &'static Log) -> Result<T>,
) -> Result<Step<T>> {
    let log = locked.log()?;
    match log.lock.try_lock(connection::peer()?) {
        Ok(()) => {
            let done = then(locked, log);
            give_back(log);
            done.map(Step::Done)
        }
        Err(owner) => Ok(Step::Writing(log, owner)),
    }
}

/// Whether the buffers fit the ring in force, which is mapped then.
///
/// # Errors
/// EIO: the format was changed, or the pipe is another pusher's by now; a restart of the stream mends it.
fn check_format(locked: &mut Locked) -> Result<()> {
    let session = locked.session;
    let format = session.board().format();
    if format.feed == 0 || format.ring == 0 || !fits(&frozen(session.page()), &format.pix) {
        return Err(Errno::EIO);
    }
    session.refresh_ring(&mut locked.ring)?;
    // Slots of another ring are not the program's to fill.
    if locked.ring.number != session.page().ring.load(Ordering::Relaxed) {
        return Err(Errno::EIO);
    }
    queue::lay_out(locked)
}

/// VIDIOC_REQBUFS: the claim, the ring, and the slots that the program fills.
pub(super) fn reqbufs(call: &Call, asked: V4l2Requestbuffers) -> Result<V4l2Requestbuffers> {
    let session = call.file;
    let page = session.page();
    let had = page.count.load(Ordering::Relaxed) != 0;
    queue::check_reqbufs(call, &asked)?;
    if asked.count != 0 {
        open_file::feed(session, asked.count)?;
    }
    let answer = with_locks(call, |locked| {
        queue::check_reqbufs(call, &asked)?;
        if asked.count == 0 && (!had || session.board().ring() == 0) {
            // There is nothing to give back, or no ring to give it to.
            queue::clear(locked);
            return Ok(Step::Done(queue::answer(asked, 0)));
        }
        session.refresh_ring(&mut locked.ring)?;
        let pix = own_lines(page, session.board().format().pix);
        writing(locked, |locked, log| {
            if page.ring.load(Ordering::Relaxed) == locked.ring.number {
                drop_slots(session, log);
            }
            page.filling.store(0, Ordering::Relaxed);
            let count = queue::renew(locked, &asked, &pix)?;
            page.ring.store(locked.ring.number, Ordering::Relaxed);
            for index in 0..queue::count(page) {
                take_first(locked, log, index)?;
            }
            Ok(queue::answer(asked, count))
        })
    })?;
    if asked.count == 0 && had {
        open_file::end_feed(session)?;
    }
    Ok(answer)
}

/// VIDIOC_CREATE_BUFS. The ring has slots for the buffers that it was made for; what is more, or larger than
/// a frame, is private memory whose frames are copied.
pub(super) fn create_bufs(call: &Call, asked: V4l2CreateBuffers) -> Result<V4l2CreateBuffers> {
    let session = call.file;
    let page = session.page();
    let now = || match page.count.load(Ordering::Relaxed) {
        0 => own_lines(page, session.board().format().pix),
        _ => frozen(page),
    };
    if queue::check_create(call, &asked, &now())?.is_some() && page.count.load(Ordering::Relaxed) == 0 {
        open_file::feed(session, asked.count)?;
    }
    with_locks(call, |locked| {
        let has = queue::count(page);
        let pix = now();
        let Some(len) = queue::check_create(call, &asked, &pix)? else {
            return Ok(Step::Done(queue::created(asked, has as u32, 0)));
        };
        session.refresh_ring(&mut locked.ring)?;
        writing(locked, |locked, log| {
            if has == 0 {
                queue::clear(locked);
                page.filling.store(0, Ordering::Relaxed);
                page.ring.store(locked.ring.number, Ordering::Relaxed);
            }
            let made = queue::add(locked, asked.count, asked.memory, len, &pix)?;
            for index in has..queue::count(page) {
                take_first(locked, log, index)?;
            }
            Ok(queue::created(asked, has as u32, made))
        })
    })
}

/// Buffer `index` has no slot to fill any more. Nobody saw what was in it.
pub(super) fn let_slot_go(session: &OpenFile, index: usize) {
    let page = session.page();
    if let Some(slot) = slot_of(session, index) {
        page.buffers[index].slot.store(0, Ordering::Relaxed);
        page.filling.fetch_and(!(1 << slot), Ordering::Relaxed);
    }
}

/// A buffer whose slot was taken to be filled in place shows it in this process, too: another one that shares the
/// open file may have taken it.
fn show_slot(locked: &mut Locked, index: usize) -> Result<()> {
    let session = locked.session;
    let in_force = locked.ring.number == session.page().ring.load(Ordering::Relaxed);
    let (ring, mappings) = (&locked.ring, &mut locked.mappings);
    if in_force && slot_of(session, index) == Some(index) {
        mappings.prefer_direct(index, ring)
    } else {
        Ok(())
    }
}

/// mmap(2) of a buffer.
///
/// # Errors
/// EINVAL: not a buffer's offset and length, not shared, or not for writing. ENOMEM, ENODEV.
///
/// # Safety
/// As mmap(2): with MAP_FIXED what is at the address goes.
pub unsafe fn mmap(call: &Call, wanted: &Mapping) -> Result<usize> {
    let session = call.file;
    with_locks(call, |locked| {
        let page = session.page();
        let index = queue::mapped(page, wanted)?;
        if wanted.prot & libc::PROT_WRITE == 0 {
            return Err(Errno::EINVAL);
        }
        session.refresh_ring_if_any(&mut locked.ring)?;
        queue::lay_out(locked)?;
        show_slot(locked, index)?;
        let (ring, mappings) = (&locked.ring, &mut locked.mappings);
        // SAFETY: the caller's promise.
        let at = unsafe { mappings.map(ring, false, wanted) }?;
        page.private.store(mappings.private_len() as u64, Ordering::Relaxed);
        Ok(Step::Done(at))
    })
}

/// The bytes of the frame that a program says it put into a buffer.
///
/// # Errors
/// EINVAL: more than the buffer has, or not a whole frame of a format whose frames have one length.
pub(super) fn length(session: &OpenFile, asked: &V4l2Buffer) -> Result<u32> {
    let pix = frozen(session.page());
    let varies = PixelFormat::of(to_v4l2(&pix).fourcc()).is_some_and(|format| format.is_compressed());
    let len = asked.bytesused;
    match len {
        // Programs of the time when drivers knew better say 0.
        0 => Ok(pix.sizeimage),
        len if len == pix.sizeimage || (varies && len < pix.sizeimage) => Ok(len),
        _ => Err(Errno::EINVAL),
    }
}

/// When the program says that the frame was taken, nanoseconds, and what else it says of it. A timestamp that is not
/// zero is the pusher's own clock (V4L2 specification, Buffer Flags, V4L2_BUF_FLAG_TIMESTAMP_COPY), which clients get
/// in theirs ([`vloopback_ring::Clock`]); else it is the moment at which the frame is published.
fn said(asked: &V4l2Buffer) -> (u64, u32) {
    let marks = asked.flags & queue::KEPT_MARKS;
    if asked.timestamp == V4l2Timeval::default() {
        (0, marks & !V4L2_BUF_FLAG_TIMESTAMP_COPY & !V4L2_BUF_FLAG_TSTAMP_SRC_SOE)
    } else {
        (asked.timestamp.nanos(), marks | V4L2_BUF_FLAG_TIMESTAMP_COPY)
    }
}

/// Publishes buffer `index`. The caller has the right to write.
fn publish(locked: &mut Locked, log: &Log, index: usize) -> Result<()> {
    let session = locked.session;
    let page = session.page();
    let buffer = &page.buffers[index];
    let len = buffer.bytesused.load(Ordering::Relaxed);
    buffer.pending.store(0, Ordering::Relaxed);
    let marks = buffer.marks.load(Ordering::Relaxed);
    let given = buffer.time.load(Ordering::Relaxed);
    if marks & V4L2_BUF_FLAG_TIMESTAMP_COPY == 0 {
        buffer.time.store(sys::now(), Ordering::Relaxed);
    }
    let said = FrameInfo { time: Some(given), marks };
    let lines = Lines::of(page);
    let len = lines.map_or(len, |lines| lines.tight_len as u32);
    let slot = slot_of(session, index);
    let copied = if slot.is_some() { 0 } else { len as usize };
    let keep = decide_keep(session, locked.ring.log_number, copied);
    if is_left_out(session, log, keep) {
        // A slot that is being filled stays the buffer's.
        return Ok(());
    }
    if let Some(slot) = slot {
        buffer.slot.store(0, Ordering::Relaxed);
        page.filling.fetch_and(!(1 << slot), Ordering::Relaxed);
        show(session, log, Picked { slot }, locked.ring.slots, len, said);
        return Ok(());
    }
    let Some(picked) = reserve(session, &locked.ring, log, (len as usize, keep))? else { return Ok(()) };
    let from = if queue::is_mmap(page) {
        locked.mappings.private_frame(index).map(|from| Brought::Here(from, locked.mappings.len_of(index)))
    } else {
        queue::brought(locked, index)
    };
    let to = locked.ring.slot(picked.slot);
    let copied = from.and_then(|from| match (from, lines) {
        (Brought::Here(_, room) | Brought::Callers(_, room), Some(lines)) if lines.wide_len > room => {
            // A damaged page.
            Err(Errno::EIO)
        }
        (Brought::Here(from, _), Some(lines)) => lines.gather(|at, there, len| {
            // SAFETY: the buffer's memory has `wide_len` bytes, the slot `tight_len`.
            unsafe { core::ptr::copy_nonoverlapping(from.add(at), to.add(there), len) };
            Ok(())
        }),
        // SAFETY: the caller said yes to `wide_len` bytes; the slot as above.
        (Brought::Callers(from, _), Some(lines)) => lines
            .gather(|at, there, len| unsafe { locked.call.caller.copy_in(from + at, to.add(there), len) }),
        (Brought::Here(from, room), None) => {
            // SAFETY: the buffer's memory has `room` bytes, the slot at least `len`.
            unsafe { core::ptr::copy_nonoverlapping(from, to, room.min(len as usize)) };
            Ok(())
        }
        // SAFETY: the caller said yes to `room` bytes; the slot as above.
        (Brought::Callers(from, room), None) => unsafe {
            locked.call.caller.copy_in(from, to, room.min(len as usize))
        },
    });
    if let Err(e) = copied {
        cancel(log, picked);
        return Err(e);
    }
    log.copies.fetch_add(1, Ordering::Relaxed);
    show(session, log, picked, locked.ring.slots, len, said);
    Ok(())
}

/// VIDIOC_QBUF: publishes the frame, or keeps it until STREAMON.
pub(super) fn qbuf(call: &Call, asked: V4l2Buffer) -> Result<V4l2Buffer> {
    let session = call.file;
    with_locks(call, |locked| {
        let page = session.page();
        let index = queue::to_queue(locked, &asked)?;
        let buffer = &page.buffers[index];
        // What PREPARE_BUF was told counts.
        let len = match buffer.state.load(Ordering::Relaxed) & PREPARED {
            0 => length(session, &asked)?,
            _ => buffer.bytesused.load(Ordering::Relaxed),
        };
        check_format(locked)?;
        writing(locked, |locked, log| {
            buffer.bytesused.store(len, Ordering::Relaxed);
            let (time, marks) = said(&asked);
            buffer.time.store(time, Ordering::Relaxed);
            buffer.marks.store(marks, Ordering::Relaxed);
            buffer.pending.store(1, Ordering::Relaxed);
            enqueue(page, index);
            if page.on.load(Ordering::Relaxed) != 0 {
                publish(locked, log, index)?;
                // Whoever waits for a buffer that is done looks again.
                session.kick();
            }
            Ok(describe(locked, index))
        })
    })
}

/// VIDIOC_STREAMON: what was queued before is published in order. For an open file that has never asked for buffers it
/// claims the pipe and does no more: such a pusher writes its frames, and some (OBS's virtual camera) begin with this.
/// The first write() begins the feed.
///
/// # Errors
/// EINVAL: its buffers were given back. EBUSY: another's pipe. EIO: see [`check`]. ENOMEM, ENODEV.
pub(super) fn streamon(call: &Call) -> Result<()> {
    let session = call.file;
    let page = session.page();
    if page.count.load(Ordering::Relaxed) == 0 {
        if page.generation.load(Ordering::Relaxed) != 0 {
            return Err(Errno::EINVAL);
        }
        return if session.access().1 { session.claim() } else { Ok(()) };
    }
    with_locks(call, |locked| {
        if page.on.load(Ordering::Relaxed) != 0 {
            return Ok(Step::Done(()));
        }
        check_format(locked)?;
        writing(locked, |locked, log| {
            page.base.store(0, Ordering::Relaxed);
            page.on.store(1, Ordering::Relaxed);
            while let Some(index) = queue::first(page, |k| is_pending(session, k)) {
                publish(locked, log, index)?;
            }
            Ok(())
        })
    })
}

/// VIDIOC_STREAMOFF: all buffers are the program's again, to fill.
pub(super) fn streamoff(call: &Call) -> Result<()> {
    let session = call.file;
    let page = session.page();
    with_locks(call, |locked| {
        page.on.store(0, Ordering::Relaxed);
        let fits = page.count.load(Ordering::Relaxed) != 0 && check_format(locked).is_ok();
        if !fits {
            queue::unqueue(page);
            return Ok(Step::Done(()));
        }
        writing(locked, |locked, log| {
            locked.mappings.unstick();
            queue::unqueue(page);
            for index in 0..queue::count(page) {
                if slot_of(session, index).is_none() && !take_first(locked, log, index)? {
                    locked.mappings.make_private(index, &locked.ring)?;
                }
            }
            Ok(())
        })
    })?;
    session.kick();
    Ok(())
}

/// VIDIOC_DQBUF: a buffer to fill, of which the oldest that can be filled in place comes first.
///
/// # Errors
/// EINVAL: not streaming. EIO: the format was changed under the stream. EAGAIN with O_NONBLOCK, EINTR,
/// ENODEV: none is queued.
pub(super) fn dqbuf(call: &Call) -> Result<V4l2Buffer> {
    let session = call.file;
    keep_pace(call)?;
    let told = next_buffer(call)?;
    set_due(session);
    Ok(told)
}

/// A pusher that has set a rate and waits in DQBUF has no clock of its own, as a rule: hardware gives its buffers back
/// at that rate, and so do we. Nobody else is held up, and never for write().
///
/// # Errors
/// EINTR.
fn keep_pace(call: &Call) -> Result<()> {
    let session = call.file;
    let page = session.page();
    let due = session.due.load(Ordering::Relaxed);
    if page.paced.load(Ordering::Relaxed) == 0 || due <= sys::now() || !call.caller.may_wait() {
        return Ok(());
    }
    loop {
        let kick = page.kick.load(Ordering::SeqCst);
        if page.on.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        match wait::until_changed(session.lifeline(), &[(&page.kick, kick)], Some(due)) {
            Err(Errno::EINTR) => return Err(Errno::EINTR),
            // Another thread has queued a buffer, or ended the stream.
            Ok(()) | Err(Errno::EAGAIN) if sys::now() < due => {}
            // It is time; or there is no such wait here (before Linux 5.16); or the daemon is gone, which the call
            // tells.
            _ => return Ok(()),
        }
    }
}

/// When the next buffer is due: an interval after this one was. A little less, so that a pusher that does have a clock,
/// and a slightly faster one, is not held up by ours.
fn set_due(session: &OpenFile) {
    if session.page().paced.load(Ordering::Relaxed) == 0 {
        return;
    }
    let [numerator, denominator] = session.board().format().interval;
    let interval = u64::from(numerator) * 1_000_000_000 / u64::from(denominator.max(1));
    let now = sys::now();
    // Who is late goes on from now; the first one was due when it came.
    let due = match session.due.load(Ordering::Relaxed) {
        0 => now,
        due => due.clamp(now.saturating_sub(interval), now),
    };
    session.due.store(due + interval - interval / 64, Ordering::Relaxed);
}

fn next_buffer(call: &Call) -> Result<V4l2Buffer> {
    let session = call.file;
    until_done(
        call,
        || if call.caller.may_wait() { Ok(Wait::Sleep) } else { Err(Errno::EAGAIN) },
        |locked| {
            let page = session.page();
            if page.on.load(Ordering::Relaxed) == 0 {
                return Err(Errno::EINVAL);
            }
            check_format(locked)?;
            if !(0..queue::count(page)).any(|k| is_queued(&page.buffers[k])) {
                return Ok(Step::Sleep);
            }
            writing(locked, |locked, log| {
                let index = to_fill(locked, log)?;
                let buffer = &page.buffers[index];
                buffer.queued.store(0, Ordering::Relaxed);
                // Buffers need not come back in the order in which they were published, but programs look at
                // these numbers: they count what came back.
                buffer.sequence.store(page.base.fetch_add(1, Ordering::Relaxed) as u32, Ordering::Relaxed);
                Ok(describe(locked, index))
            })
        },
    )
}

/// The queued buffer that the program gets back. The caller has the right to write, and looked that one
/// is queued.
fn to_fill(locked: &mut Locked, log: &Log) -> Result<usize> {
    let session = locked.session;
    let page = session.page();
    if !queue::is_mmap(page) {
        return queue::first(page, |_| true).ok_or(Errno::EAGAIN);
    }
    // One whose slot nobody has seen.
    if let Some(index) = queue::first(page, |k| slot_of(session, k).is_some()) {
        show_slot(locked, index)?;
        return Ok(index);
    }
    // The oldest in place, but the newest frame stays for those who come to look. What a lone client has
    // just given back is still in the cache: the newest of those comes first.
    let number = locked.ring.number;
    let published = |k: usize| log.slots[k].number.load(Ordering::Relaxed);
    let warm = given_back(session.board(), session.claims_page());
    let mut tried = 0u32;
    loop {
        let fits =
            |k: usize| tried >> k & 1 == 0 && locked.mappings.is_direct(k, number) && !is_newest(log, k);
        let newest = (0..queue::count(page))
            .filter(|&k| warm >> k & 1 != 0 && is_queued(&page.buffers[k]) && fits(k))
            .max_by_key(|&k| published(k));
        let Some(index) = newest.or_else(|| queue::first(page, fits)) else { break };
        if take_slot(locked, log, index)? {
            return Ok(index);
        }
        tried |= 1 << index;
    }
    let number = locked.ring.number;
    let private = queue::first(page, |k| !locked.mappings.is_direct(k, number));
    let index = private.or_else(|| queue::first(page, |_| true)).ok_or(Errno::EAGAIN)?;
    locked.mappings.make_private(index, &locked.ring)?;
    page.private.store(locked.mappings.private_len() as u64, Ordering::Relaxed);
    Ok(index)
}
