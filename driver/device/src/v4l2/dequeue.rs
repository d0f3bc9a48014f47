//! A client's buffers. A queued buffer waits for a frame; DQBUF takes the oldest frame that the client has
//! not had. Buffer *i* shows slot *i* of the ring where it can: a frame that lies there, in a buffer that
//! is queued, is given in place. All others are copied into private memory of some queued buffer's.

use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::{V4l2Buffer, V4l2CreateBuffers, V4l2Requestbuffers};
use vloopback_convert::Conversion;
use vloopback_ring::{ANY_ORDER, Format, SessionPage, Taken, unclaim};

use crate::caller::Call;
use crate::mappings::Mapping;
use crate::open_file::is_patient;
use crate::stream::{BY_BUFFERS, Locked, Step, TRIES, stop_streaming, until_done, with_locks};
use crate::v4l2::bridge::before_sleep;
use crate::v4l2::format::{frozen, is_nameless};
use crate::v4l2::lines::{Lines, own_lines};
use crate::v4l2::names::under_asked_name;
use crate::v4l2::queue::{Brought, describe, enqueue, is_queued};
use crate::v4l2::{bridge, convert, queue};
use crate::zero::memory::is_zero;
use crate::zero::want;
use vloopback_sys::{Errno, Result};

/// `SessionPage::base` before the stream has met a ring.
const NO_BASE: u64 = SessionPage::NO_BASE;
/// After so many frames a buffer that had to become private may show its slot again: to change what a
/// mapping shows costs about as much as one copy.
const FORGIVEN_AFTER: u64 = 64;

/// Frames that come in shorter intervals, nanoseconds, find what the client gave back last still in the cache:
/// it is filled first. All others go to the buffers in the order in which these were queued: as with a camera
/// a program may put a buffer back before it is done looking, and take its buffers in turn.
const WARM_FOR: u64 = 5_000_000;

/// Whether the buffers can take the pipe's frames.
///
/// # Errors
/// EIO: they are of another format by now, or V4L2 has no name for the format, or nobody feeds the pipe
/// and the client is one that is told so. A restart of the stream mends it.
fn check_format(call: &Call, format: &Format) -> Result<()> {
    let ended = format.feed == 0 && !is_patient(call);
    if is_nameless(format) || ended || !convert::fits(call, &format.pix) {
        return Err(Errno::EIO);
    }
    Ok(())
}

/// The descriptor is readable exactly if a frame can be dequeued, and becomes so with the next one.
fn tell_poll(locked: &Locked) -> Result<()> {
    let session = locked.session;
    let page = session.page();
    if page.on.load(Ordering::Relaxed) == 0 || queue::first(page, |_| true).is_none() {
        locked.disarm();
        locked.clear_readiness();
        return Ok(());
    }
    locked.set_readiness()
}

/// The queued buffer `index` shows its slot if it can, and the writer hears that it is wanted there. A
/// slot with a frame that the client has not had is not: it would be lost.
fn want_slot(locked: &mut Locked, index: usize) -> Result<()> {
    let (ring, mappings) = (&locked.ring, &mut locked.mappings);
    let own = !queue::is_in_place(locked.session.page());
    if own
        || convert::of(locked.call).is_some()
        || ring.number == 0
        || locked.session.board().ring() != ring.number
    {
        return Ok(());
    }
    mappings.prefer_direct(index, ring)?;
    let direct = mappings.is_direct(index, ring.number);
    let Some(row) = locked.row() else { return Ok(()) };
    locked.tell_places(row);
    tell_turn(locked, row);
    let last = locked.session.page().last.load(Ordering::Relaxed);
    if direct && locked.log()?.slots[index].number.load(Ordering::Relaxed) <= last {
        locked.session.claims_page().rows[row].want.fetch_or(1 << index, Ordering::SeqCst);
    }
    Ok(())
}

/// Tells the writer in which order the client, should it stream alone, wants the slots of its queue.
fn tell_turn(locked: &Locked, row: usize) {
    let (page, row) = (locked.session.page(), &locked.session.claims_page().rows[row]);
    if row.turn.load(Ordering::Relaxed) != ANY_ORDER {
        let first = queue::first(page, |k| locked.mappings.is_direct(k, locked.ring.number));
        let first = first.map_or(0, |first| first as u32 + 1);
        row.turn.store(first, Ordering::Relaxed);
    }
}

/// How many slots the client would hold. Where every frame is copied it is the one that is being copied.
fn hold(call: &Call) -> u32 {
    let page = call.page();
    let in_place = queue::is_in_place(page) && convert::of(call).is_none();
    if in_place { page.count.load(Ordering::Relaxed) } else { 1 }
}

/// Takes up the ring in force. False: there is none.
fn follow(locked: &mut Locked) -> Result<bool> {
    let session = locked.session;
    let page = session.page();
    if !session.refresh_ring_if_any(&mut locked.ring)? {
        return Ok(false);
    }
    if page.ring.load(Ordering::Relaxed) != locked.ring.number {
        // What the program holds lies in a ring that nobody writes any more.
        for buffer in &page.buffers {
            buffer.slot.store(0, Ordering::Relaxed);
        }
        locked.ask_for_row(hold(locked.call), true)?;
        queue::lay_out(locked)?;
        for index in 0..queue::count(page) {
            if is_queued(&page.buffers[index]) {
                want_slot(locked, index)?;
            }
        }
    }
    if page.base.load(Ordering::Relaxed) == NO_BASE {
        // The ring came after the stream began: all that it holds is the client's.
        page.last.store(0, Ordering::Relaxed);
        let head = locked.log()?.head.load(Ordering::Acquire);
        let oldest = locked.oldest()?;
        if !locked.is_in_force() {
            // An emptied log: what it held, the next one tells. The caller looks again.
            return Ok(false);
        }
        let base = oldest.map_or(head, |found| found.number.saturating_sub(1));
        page.last.store(base, Ordering::Relaxed);
        page.base.store(base, Ordering::Relaxed);
    }
    Ok(true)
}

/// Gives back all that the client holds in place.
fn let_go(locked: &Locked) {
    let page = locked.session.page();
    if let Some(row) = locked.row() {
        let row = &locked.session.claims_page().rows[row];
        row.claims.store(0, Ordering::Release);
        row.want.store(0, Ordering::Relaxed);
        row.places.store(0, Ordering::Relaxed);
    }
    for buffer in &page.buffers {
        buffer.slot.store(0, Ordering::Relaxed);
    }
}

/// VIDIOC_REQBUFS.
pub(super) fn reqbufs(call: &Call, asked: V4l2Requestbuffers) -> Result<V4l2Requestbuffers> {
    let session = call.file;
    with_locks(call, |locked| {
        queue::check_reqbufs(call, &asked)?;
        let pix = own_lines(session.page(), under_asked_name(call, session.board().format().pix));
        let count = queue::renew(locked, &asked, &pix)?;
        if count != 0 {
            // The byte that lets a first poll return (see the daemon) is not for who has buffers.
            // REQBUFS 0 leaves it: GStreamer asks that before it polls and reads.
            tell_poll(locked)?;
        }
        Ok(Step::Done(queue::answer(asked, count)))
    })
}

/// VIDIOC_CREATE_BUFS. Buffers that a stream gets while it runs wait to be queued as all do.
pub(super) fn create_bufs(call: &Call, asked: V4l2CreateBuffers) -> Result<V4l2CreateBuffers> {
    let session = call.file;
    with_locks(call, |locked| {
        let page = session.page();
        let has = queue::count(page);
        let pix = match has {
            0 => own_lines(page, under_asked_name(call, session.board().format().pix)),
            _ => frozen(page),
        };
        let Some(len) = queue::check_create(call, &asked, &pix)? else {
            return Ok(Step::Done(queue::created(asked, has as u32, 0)));
        };
        if has == 0 {
            queue::clear(locked);
        }
        let made = queue::add(locked, asked.count, asked.memory, len, &pix)?;
        if has == 0 {
            tell_poll(locked)?;
        }
        Ok(Step::Done(queue::created(asked, has as u32, made)))
    })
}

/// Buffer `index` holds no slot any more.
pub(super) fn let_slot_go(locked: &Locked, index: usize) {
    let session = locked.session;
    let held = session.page().buffers[index].slot.swap(0, Ordering::Relaxed);
    if let Some(row) = locked.row() {
        session.claims_page().rows[row].want.fetch_and(!(1 << index), Ordering::SeqCst);
        if let Some(slot) = held.checked_sub(1) {
            unclaim(session.claims_page(), row, 1 << (slot & 31));
        }
        locked.tell_places(row);
    }
}

/// mmap(2) of a buffer.
///
/// # Errors
/// EINVAL: not a buffer's offset and length, not shared, or not for reading. ENOMEM, ENODEV.
///
/// # Safety
/// As mmap(2): with MAP_FIXED what is at the address goes.
pub unsafe fn mmap(call: &Call, wanted: &Mapping) -> Result<usize> {
    let session = call.file;
    with_locks(call, |locked| {
        let page = session.page();
        let index = queue::mapped(page, wanted)?;
        if wanted.prot & libc::PROT_READ == 0 {
            return Err(Errno::EINVAL);
        }
        queue::lay_out(locked)?;
        let board = session.board();
        if frozen(page).same_frames(&board.format().pix) && session.refresh_ring_if_any(&mut locked.ring)? {
            locked.mappings.prefer_direct(index, &locked.ring)?;
        }
        let (ring, mappings) = (&locked.ring, &mut locked.mappings);
        // SAFETY: the caller's promise.
        let at = unsafe { mappings.map(ring, false, wanted) }?;
        page.private.store(mappings.private_len() as u64, Ordering::Relaxed);
        Ok(Step::Done(at))
    })
}

/// VIDIOC_QBUF.
pub(super) fn qbuf(call: &Call, asked: V4l2Buffer) -> Result<V4l2Buffer> {
    let session = call.file;
    with_locks(call, |locked| {
        let page = session.page();
        let index = queue::to_queue(locked, &asked)?;
        let on = page.on.load(Ordering::Relaxed) != 0;
        if on {
            check_format(call, &session.board().format())?;
        }
        let held = page.buffers[index].slot.swap(0, Ordering::Relaxed);
        if let (Some(row), Some(slot)) = (locked.row(), held.checked_sub(1)) {
            unclaim(session.claims_page(), row, 1 << (slot & 31));
        }
        let first = queue::first(page, |_| true).is_none();
        enqueue(page, index);
        if page.received.load(Ordering::Relaxed) % FORGIVEN_AFTER == 0 {
            locked.mappings.unstick();
        }
        want_slot(locked, index)?;
        if on && first {
            tell_poll(locked)?;
            // A thread that found nothing queued looks again.
            session.kick();
        }
        Ok(Step::Done(describe(locked, index)))
    })
}

/// The newest publication of the ring in force. None: there is no ring.
fn newest(locked: &mut Locked) -> Result<Option<u64>> {
    if !locked.session.refresh_ring_if_any(&mut locked.ring)? {
        return Ok(None);
    }
    Ok(Some(locked.log()?.head.load(Ordering::Acquire)))
}

/// VIDIOC_STREAMON.
///
/// # Errors
/// EINVAL: no buffers. EIO: see [`check`]. ENODEV, EINTR; what a zero-copy pusher answers.
pub(super) fn streamon(call: &Call) -> Result<()> {
    let session = call.file;
    if is_zero(session) && session.page().on.load(Ordering::Relaxed) == 0 {
        want::forget(session);
        bridge::meet(call)?;
    }
    with_locks(call, |locked| {
        let page = session.page();
        if page.count.load(Ordering::Relaxed) == 0 {
            return Err(Errno::EINVAL);
        }
        if page.on.load(Ordering::Relaxed) != 0 {
            return Ok(Step::Done(()));
        }
        check_format(call, &session.board().format())?;
        page.patient.store(u32::from(is_patient(session)), Ordering::Relaxed);
        session.refresh_ring_if_any(&mut locked.ring)?;
        locked.ask_for_row(hold(locked.call), true)?;
        // What was published before it was counted is not its: were the others to leave before it comes, the
        // writer would leave frames out after that.
        let base = match newest(locked) {
            Err(e) => {
                // A daemon that is gone counts nobody.
                let _ = stop_streaming(session);
                return Err(e);
            }
            Ok(base) => base,
        };
        page.last.store(base.unwrap_or(0), Ordering::Relaxed);
        page.late.store(0, Ordering::Relaxed);
        if base.is_some() {
            locked.begin_with_present()?;
        }
        let base = base.map(|_| page.last.load(Ordering::Relaxed));
        page.base.store(base.unwrap_or(NO_BASE), Ordering::Relaxed);
        page.streaming.store(BY_BUFFERS, Ordering::Relaxed);
        page.on.store(1, Ordering::Relaxed);
        queue::lay_out(locked)?;
        for index in 0..queue::count(page) {
            if is_queued(&page.buffers[index]) {
                want_slot(locked, index)?;
            }
        }
        tell_poll(locked)?;
        Ok(Step::Done(()))
    })
}

/// VIDIOC_STREAMOFF: all buffers are the program's again. What it has in place is copied for it, because
/// the slots are not its any more.
pub(super) fn streamoff(call: &Call) -> Result<()> {
    let session = call.file;
    let page = session.page();
    with_locks(call, |locked| {
        queue::lay_out(locked)?;
        let in_force = page.ring.load(Ordering::Relaxed) == locked.ring.number;
        for index in 0..queue::count(page) {
            let buffer = &page.buffers[index];
            let held = buffer.slot.load(Ordering::Relaxed) as usize == index + 1;
            if held && in_force && index < locked.ring.slots && locked.mappings.is_mapped(index) {
                let to = locked.mappings.private_frame(index)?;
                let len = locked.mappings.len_of(index).min(locked.ring.slot_len);
                // SAFETY: a slot has slot_len bytes, a frame's private memory len_of.
                unsafe { core::ptr::copy_nonoverlapping(locked.ring.slot(index), to, len) };
                locked.mappings.make_private(index, &locked.ring)?;
                page.copies.fetch_add(1, Ordering::Relaxed);
            }
        }
        queue::unqueue(page);
        let_go(locked);
        locked.mappings.unstick();
        if page.on.swap(0, Ordering::Relaxed) != 0 {
            stop_streaming(session)?;
        }
        tell_poll(locked)?;
        Ok(Step::Done(()))
    })?;
    // Whoever waits in DQBUF looks again.
    session.kick();
    Ok(())
}

/// VIDIOC_DQBUF.
///
/// # Errors
/// EINVAL: not streaming. EIO: see [`check`]. EAGAIN with O_NONBLOCK, EINTR, ENODEV.
pub(super) fn dqbuf(call: &Call) -> Result<V4l2Buffer> {
    let session = call.file;
    let told = take_next(call)?;
    if is_zero(session) && !want::has_met(session) {
        // The first frame of a pusher that came in mid-stream: the daemon has asked for it. What becomes of
        // the next one, the next call tells.
        let _ = bridge::meet(call).and_then(|_| want::want_frame(session));
    }
    Ok(told)
}

fn take_next(call: &Call) -> Result<V4l2Buffer> {
    let session = call.file;
    until_done(
        call,
        || before_sleep(call),
        |locked| {
            if session.page().on.load(Ordering::Relaxed) == 0 {
                return Err(Errno::EINVAL);
            }
            check_format(call, &session.board().format())?;
            let some = queue::first(session.page(), |_| true).is_some();
            if some && follow(locked)? {
                queue::lay_out(locked)?;
                if let Some((index, taken)) = take(locked)? {
                    let told = give(locked, index, &taken);
                    tell_poll(locked)?;
                    return Ok(Step::Done(told));
                }
            }
            // The format may have changed since the look above, and its frames gone with it: that is what is to be
            // said, not EAGAIN.
            check_format(call, &session.board().format())?;
            if call.caller.may_wait() {
                locked.disarm();
            } else {
                tell_poll(locked)?;
            }
            Ok(Step::Sleep)
        },
    )
}

/// Gets the oldest frame that the client has not had into a queued buffer. None: there is none.
fn take(locked: &mut Locked) -> Result<Option<(usize, Taken)>> {
    let session = locked.session;
    let (page, claims_page) = (session.page(), session.claims_page());
    let number = locked.ring.number;
    if let Some(conversion) = convert::of(locked.call) {
        return take_converted(locked, &conversion);
    }
    if !queue::is_in_place(page) {
        return take_into_own(locked);
    }
    for _ in 0..TRIES {
        let Some(found) = locked.oldest()? else { return Ok(None) };
        // Slots of a row that it may still hold.
        let row = locked.row().filter(|&row| {
            let held = claims_page.rows[row].claims.load(Ordering::Relaxed).count_ones();
            held < session.board().quotas[row].load(Ordering::Relaxed)
        });
        let index = found.slot;
        // The picture that was there comes in the first buffer, as the frames of a stream do that has its turns: some
        // programs take their buffers in turn whatever the index says.
        let first = queue::first(page, |_| true);
        // From then on that buffer is private, and is filled when it is its turn.
        let late = match page.late.load(Ordering::Relaxed) {
            0 => false,
            SessionPage::PRESENT_COPIED => {
                first.is_some_and(|first| !locked.mappings.is_direct(first, number))
            }
            _ => first != Some(index),
        };
        let fits = !late
            && index < queue::count(page)
            && is_queued(&page.buffers[index])
            && locked.mappings.is_direct(index, number);
        if let Some(row) = row.filter(|_| fits) {
            match locked.claim(row, 1 << index)? {
                Some(taken) if taken.found == found => {
                    locked.count(found.number);
                    page.buffers[index].slot.store(index as u32 + 1, Ordering::Relaxed);
                    return Ok(Some((index, taken)));
                }
                // The writer was there first: an older frame may be elsewhere.
                Some(_) => unclaim(claims_page, row, 1 << index),
                None => {}
            }
            continue;
        }
        let private = queue::first(page, |k| !locked.mappings.is_direct(k, number));
        let Some(into) = private.filter(|_| !late).or(first) else { return Ok(None) };
        let to = locked.mappings.private_frame(into)?;
        let room = locked.mappings.len_of(into);
        let taken = match row {
            // SAFETY: a frame's private memory has so many bytes.
            Some(row) => unsafe { locked.copy_held(row, to, room) }?,
            // SAFETY: as above.
            None => unsafe { locked.copy_oldest(to, room) }?,
        };
        let Some(taken) = taken else { continue };
        locked.mappings.stay_private(into, &locked.ring)?;
        if late {
            page.late.store(SessionPage::PRESENT_COPIED, Ordering::Relaxed);
        }
        page.private.store(locked.mappings.private_len() as u64, Ordering::Relaxed);
        page.buffers[into].slot.store(0, Ordering::Relaxed);
        let from = taken.found.slot;
        if from != into && from < queue::count(page) && is_queued(&page.buffers[from]) {
            want_slot(locked, from)?;
        }
        return Ok(Some((into, taken)));
    }
    Ok(None)
}

/// As [`take`], where the program brought the memory, or has lines farther apart than the ring: the buffer that was
/// queued first gets a copy.
///
/// # Errors
/// EFAULT: all queued buffers are memory of another process that shares the open file, which this one cannot fill.
fn take_into_own(locked: &mut Locked) -> Result<Option<(usize, Taken)>> {
    let page = locked.session.page();
    if queue::first(page, |_| true).is_none() {
        return Ok(None);
    }
    let own = !queue::is_mmap(page);
    let into =
        queue::first(page, |index| !own || queue::is_brought_here(locked, index)).ok_or(Errno::EFAULT)?;
    if locked.oldest()?.is_none() {
        return Ok(None);
    }
    let memory = match own {
        true => queue::brought(locked, into)?,
        false => Brought::Here(locked.mappings.private_frame(into)?, locked.mappings.len_of(into)),
    };
    if let Some(lines) = Lines::of(page) {
        let taken = match memory {
            // SAFETY: the memory was looked at just now and has `room` bytes.
            Brought::Here(to, room) => unsafe { locked.copy_lines(&lines, to, room) }?,
            // SAFETY: the caller said yes to it just now.
            Brought::Callers(to, room) => unsafe { locked.copy_lines_out(&lines, to, room) }?,
        };
        if taken.is_some() && !own {
            locked.mappings.stay_private(into, &locked.ring)?;
            page.private.store(locked.mappings.private_len() as u64, Ordering::Relaxed);
        }
        return Ok(taken.map(|taken| (into, taken)));
    }
    let taken = match (memory, locked.row()) {
        // SAFETY: the memory was looked at just now and has `room` bytes.
        (Brought::Here(to, room), Some(row)) => unsafe { locked.copy_held(row, to, room) }?,
        // SAFETY: as above.
        (Brought::Here(to, room), None) => unsafe { locked.copy_oldest(to, room) }?,
        // SAFETY: the caller said yes to it just now.
        (Brought::Callers(to, room), Some(row)) => unsafe { locked.copy_held_out(row, to, room) }?,
        // SAFETY: as above.
        (Brought::Callers(to, room), None) => unsafe { locked.copy_oldest_out(to, room) }?,
    };
    Ok(taken.map(|taken| (into, taken)))
}

/// As [`take`], where the frame is converted: the buffer that was queued first gets it.
///
/// # Errors
/// As [`take_into_own`].
fn take_converted(locked: &mut Locked, conversion: &Conversion) -> Result<Option<(usize, Taken)>> {
    let page = locked.session.page();
    let Some(first) = queue::first(page, |_| true) else { return Ok(None) };
    if locked.oldest()?.is_none() {
        return Ok(None);
    }
    if queue::is_mmap(page) {
        let to = locked.mappings.private_frame(first)?;
        if locked.mappings.len_of(first) < conversion.result_len() {
            return Err(Errno::EIO);
        }
        // SAFETY: a frame's private memory has `len_of` bytes.
        let taken = unsafe { locked.convert_oldest(conversion, to) }?;
        if taken.is_some() {
            locked.mappings.stay_private(first, &locked.ring)?;
            page.private.store(locked.mappings.private_len() as u64, Ordering::Relaxed);
            page.buffers[first].slot.store(0, Ordering::Relaxed);
        }
        return Ok(taken.map(|taken| (first, taken)));
    }
    let into = queue::first(page, |index| queue::is_brought_here(locked, index)).ok_or(Errno::EFAULT)?;
    let taken = match queue::brought(locked, into)? {
        Brought::Here(to, room) if room >= conversion.result_len() => {
            // SAFETY: the memory has `room` bytes.
            unsafe { locked.convert_oldest(conversion, to) }?
        }
        Brought::Callers(to, room) if room >= conversion.result_len() => {
            let session = locked.session.info().session;
            let memory = locked.ring.part.memory(page, session, conversion.result_len())?;
            // SAFETY: that memory is as long as the result.
            let taken = unsafe { locked.convert_oldest(conversion, memory) }?;
            if let Some(taken) = &taken {
                // SAFETY: the caller said yes to `room` bytes.
                unsafe { locked.call.caller.copy_out(memory, to, taken.len as usize) }?;
            }
            taken
        }
        _ => return Err(Errno::EIO),
    };
    Ok(taken.map(|taken| (into, taken)))
}

/// The buffer is the program's now, with a frame in it.
fn give(locked: &Locked, index: usize, taken: &Taken) -> V4l2Buffer {
    let session = locked.session;
    let page = session.page();
    let buffer = &page.buffers[index];
    let last = page.buffers.iter().map(|buffer| buffer.time.load(Ordering::Relaxed)).max();
    if let Some(row) = locked.row() {
        session.claims_page().rows[row].want.fetch_and(!(1 << index), Ordering::SeqCst);
        locked.tell_places(row);
        let hurries = taken.time.wrapping_sub(last.unwrap_or(0)) < WARM_FOR;
        session.claims_page().rows[row].turn.store(if hurries { ANY_ORDER } else { 0 }, Ordering::Relaxed);
    }
    let sequence = taken.found.number.wrapping_sub(page.base.load(Ordering::Relaxed)).wrapping_sub(1);
    buffer.queued.store(0, Ordering::Relaxed);
    if let Some(row) = locked.row() {
        tell_turn(locked, row);
    }
    buffer.bytesused.store(taken.len.min(frozen(page).sizeimage), Ordering::Relaxed);
    buffer.sequence.store(sequence as u32, Ordering::Relaxed);
    buffer.time.store(taken.time, Ordering::Relaxed);
    buffer.marks.store(taken.marks, Ordering::Relaxed);
    describe(locked, index)
}
