//! The output node: what V4L1 clients call.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoMbuf, VideoMmap};
use vloopback_ring::{MAX_BUFFERS, unclaim};

use crate::byte_stream::{self, Shape};
use crate::caller::Call;
use crate::mappings::Mapping;
use crate::open_file::{OpenFile, disown, fed, is_client, takes_what_comes};
use crate::ranges::Layout;
use crate::stream::{BY_MMAP, BY_NEW_MAPPING, BY_READ, Locked, Step, stop_streaming, until_done, with_locks};
use crate::v4l2::bridge::before_sleep;
use crate::v4l2::format::{freeze, is_nameless};
use crate::v4l2::lines::{Lines, own_lines};
use crate::v4l2::names::under_asked_name;
use crate::v4l2::{bridge, convert, queue};
use crate::zero::memory;
use crate::zero::memory::is_zero;
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result};

/// Before a V4L2 client reads from a zero-copy pipe: asks the pusher for its format, and for the client's if it streams.
///
/// # Errors
/// EIO, ETIMEDOUT: the pusher does not answer. EINTR, ENODEV.
pub fn begin_read(session: &Call) -> Result<()> {
    if !is_zero(session) {
        return Ok(());
    }
    if session.page().streaming.load(Ordering::Relaxed) == 0 {
        bridge::learn(session)?;
    }
    bridge::meet(session).map(drop)
}

/// The first read freezes a V4L2 client's format (driver/docs/rules.md, "Formats"), so that it never takes bytes of one
/// format for another's. `begins`: this is the first read, or the client [`takes_what_comes`].
///
/// # Errors
/// EIO: the pipe has another format by now, or one that V4L2 has no name for.
fn check_read(call: &Call, begins: bool) -> Result<()> {
    let (session, page) = (call.file, call.page());
    if !is_client(session) {
        return Ok(());
    }
    let format = session.board().format();
    if begins {
        freeze(page, &own_lines(page, under_asked_name(call, format.pix)));
    }
    if !is_nameless(&format) && convert::fits(call, &format.pix) { Ok(()) } else { Err(Errno::EIO) }
}

/// read(2): one frame, or as much of it as there is room for; a V4L2 program gets the rest with its next one. 0 (end of
/// file) once nobody feeds the pipe.
///
/// # Errors
/// EAGAIN, EINTR, EFAULT, ENODEV; EBADF if opened for writing only; EBUSY while this
/// descriptor, or another one of the process's for the node, has V4L2 buffers. EIO: the pipe's format is
/// no longer that of a V4L2 client's first read; S_FMT, or a new open, takes the new one.
pub fn read(call: &Call, buf: usize, len: usize) -> Result<usize> {
    let session = call.file;
    session.alive()?;
    if !session.access().0 {
        return Err(Errno::EBADF);
    }
    if session.info().input {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    let mut began = false;
    let read = until_done(call, || before_sleep(call), |locked| read_next(locked, (buf, len), &mut began));
    match read {
        Ok(count) => Ok(count),
        Err(NoFrame::Nobody) => Ok(0),
        Err(NoFrame::Failed(e)) => Err(e),
    }
}

/// Why a read has no frame.
enum NoFrame {
    /// Nobody feeds the pipe: the end of the file.
    Nobody,
    /// An errno.
    Failed(Errno),
}

impl From<Errno> for NoFrame {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

/// One try of [`read`]. `began`: a stream by read() has begun with this call.
fn read_next(
    locked: &mut Locked,
    (buf, len): (usize, usize),
    began: &mut bool,
) -> core::result::Result<Step<usize>, NoFrame> {
    let (call, session) = (locked.call, locked.session);
    let page = session.page();
    let begins = page.streaming.load(Ordering::Relaxed) & BY_READ == 0;
    if page.count.load(Ordering::Relaxed) != 0 || (begins && queue::is_owned_elsewhere(call)) {
        return Err(Errno::EBUSY.into());
    }
    // To V4L2's programs a read is a part of a stream.
    let in_parts = is_client(session);
    if in_parts {
        if let Some(count) = byte_stream::read_rest(locked, buf, len)? {
            return Ok(Step::Done(count));
        }
    }
    // Who came before the pusher and has asked for no format takes the pusher's.
    let open = takes_what_comes(session);
    check_read(call, begins || open)?;
    *began |= begins;
    if fed(session, NoFrame::Nobody)? && !memory::is_zero(session) {
        locked.settle(BY_READ)?;
    } else if !locked.settle_reader()? {
        return Ok(none_yet(locked)?);
    }
    if open {
        // What has been mapped just now may be of another format.
        check_read(call, true)?;
    }
    if !in_parts {
        locked.pass_former();
    }
    let format = session.board().format();
    let conversion = if in_parts { convert::of(call) } else { None };
    let lines = if in_parts { Lines::of(page) } else { None };
    let (whole, shape) = match (&conversion, &lines) {
        (Some(conversion), _) => (conversion.result_len(), Shape::Converted(conversion)),
        (None, Some(lines)) => (lines.wide_len, Shape::Apart(lines)),
        (None, None) => (format.frame_len.max(format.pix.sizeimage) as usize, Shape::Same),
    };
    let room = len.min(whole);
    call.caller.check_writable(session, buf, room).map_err(|_| Errno::EFAULT)?;
    if *began && !call.caller.may_wait() {
        // A stream that begins now has no frame yet, as with a camera: not even one that was published
        // in the moment since.
        locked.set_readiness()?;
        return Ok(Step::Sleep);
    }
    if locked.oldest()?.is_some() {
        not_a_card(session, NoFrame::Nobody)?;
    }
    let got = if in_parts && (len < whole || !matches!(shape, Shape::Same)) {
        byte_stream::read_begin(locked, (buf, room), whole, &shape)?
    } else {
        // SAFETY: `room` bytes at `buf` were just checked.
        let taken = unsafe { locked.copy_oldest_out(buf, room) }?;
        taken.map(|taken| locked.set_readiness().map(|()| taken.len as usize)).transpose()?
    };
    if let Some(count) = got {
        return Ok(Step::Done(count));
    }
    // The format may have changed since the look above, and its frames gone with it.
    check_read(call, open)?;
    Ok(none_yet(locked)?)
}

/// There is no frame to read yet. The call that waits is woken for the next one, without its descriptor; else the
/// descriptor becomes readable.
fn none_yet<T>(locked: &Locked) -> Result<Step<T>> {
    if locked.call.caller.may_wait() {
        locked.disarm();
    } else {
        locked.set_readiness()?;
    }
    Ok(Step::Sleep)
}

/// mmap(2): the client's frames, as VIDIOCGMBUF lays them out.
///
/// # Errors
/// EINVAL: nobody feeds the pipe, or the range is not inside the layout. ENOMEM, ENODEV.
///
/// # Safety
/// As mmap(2): with MAP_FIXED what is at `addr` goes.
pub unsafe fn mmap(call: &Call, wanted: &Mapping) -> Result<usize> {
    let session = call.file;
    with_locks(call, |locked| {
        locked.settle(BY_NEW_MAPPING)?;
        let direct = locked.row().is_some();
        let (ring, mappings) = (&locked.ring, &mut locked.mappings);
        // SAFETY: the caller's promise.
        let at = unsafe { mappings.map(ring, direct, wanted) }?;
        // What it has besides, of a former pusher's, is not what it looks at.
        mappings.ranges.drop_views();
        if mappings.ranges.told_of() != 0 {
            // A zero-copy pusher has told it where its frames are, and has gone since.
            mappings.become_ranges()?;
        }
        session.shown.store(0, Ordering::SeqCst);
        let private = mappings.private_len() as u64;
        session.page().private.store(private, Ordering::Relaxed);
        if let Some(row) = locked.row() {
            locked.tell_places(row);
        }
        Ok(Step::Done(at))
    })
}

/// mmap(2) of a caller that maps by itself: the file in which its frames lie where VIDIOCGMBUF says.
///
/// # Errors
/// EINVAL: nobody feeds the pipe, or the range is not inside the layout. ENOMEM, ENODEV.
pub fn window(call: &Call, wanted: &Mapping) -> Result<c_int> {
    let session = call.file;
    with_locks(call, |locked| {
        locked.settle(BY_NEW_MAPPING)?;
        let (len, frames) = (locked.mappings.len_of(0), locked.mappings.frames);
        let total = u32::try_from(len * frames).map_err(|_| Errno::ENOMEM)?;
        let end = wanted.offset.checked_add(wanted.len).ok_or(Errno::EINVAL)?;
        if wanted.len == 0 || end > total as usize {
            return Err(Errno::EINVAL);
        }
        // A number that no buffer's file and no part of a frame has.
        let number = (session.page().generation.load(Ordering::Relaxed), MAX_BUFFERS - 1);
        let fd = queue::ask_for_file(session, number, total, false)?;
        for frame in 0..frames {
            if !locked.mappings.is_bound(frame) {
                let bound = locked.mappings.bind(frame, (fd, frame * len), false, &locked.ring);
                if let Err(e) = bound {
                    sys::close(fd);
                    return Err(e);
                }
            }
            locked.mappings.hand_out(frame);
        }
        session.page().private.store(locked.mappings.private_len() as u64, Ordering::Relaxed);
        if let Some(row) = locked.row() {
            locked.tell_places(row);
        }
        Ok(Step::Done(fd))
    })
}

/// VIDIOCGMBUF has told the program where a one-copy pipe's frames are.
pub fn told(session: &OpenFile, layout: &VideoMbuf) {
    let quiet = NoSignals::new();
    session.mappings.lock(&quiet).ranges.tell(Layout::new(layout), 0);
    session.shown.store(0, Ordering::SeqCst);
}

/// The program has moved a range that may be a client's frames.
pub fn moved(session: &OpenFile, addr: usize, len: usize, to: usize, new_len: usize) {
    let quiet = NoSignals::new();
    session.mappings.lock(&quiet).moved(addr, len, to, new_len);
}

/// The program unmaps a range that may be a client's frames.
pub fn unmapped(session: &OpenFile, addr: usize, len: usize) {
    let quiet = NoSignals::new();
    let mut mappings = session.mappings.lock(&quiet);
    if !mappings.unmapped(addr, len) {
        return;
    }
    drop(mappings);
    // Nothing mapped any more: unless it reads, the client does not stream, and the pusher need not
    // copy for it.
    let page = session.page();
    if page.streaming.load(Ordering::Relaxed) == BY_MMAP {
        // A daemon that is gone counts nobody.
        let _ = stop_streaming(session);
        disown(session);
    }
}

/// # Errors
/// EBUSY: the descriptor has V4L2 buffers, and its frames go there.
fn no_buffers(session: &OpenFile) -> Result<()> {
    if session.page().count.load(Ordering::Relaxed) != 0 { Err(Errno::EBUSY) } else { Ok(()) }
}

/// VIDIOCMCAPTURE: the frame is given back and wanted anew.
pub fn mcapture(call: &Call, order: &VideoMmap) -> Result<()> {
    let session = call.file;
    no_buffers(session)?;
    if session.board().feed() == 0 {
        fed(session, Errno::EINVAL)?;
    }
    let format = session.board().format();
    let frame = order.frame as usize;
    // The palette is checked, the size is not: clients probe formats at 20x20.
    if !Palette::same_layout(order.format, format.palette) {
        return Err(Errno::EINVAL);
    }
    with_locks(call, |locked| {
        let copies = has_frame(locked, frame)?;
        locked.settle(BY_MMAP)?;
        if copies {
            return Ok(Step::Done(()));
        }
        let row = locked.row();
        let number = locked.ring.number;
        if let Some(row) = row {
            unclaim(session.claims_page(), row, 1 << frame);
            let (ring, mappings) = (&locked.ring, &mut locked.mappings);
            if !mappings.is_empty() && !mappings.is_direct(frame, number) {
                // It had to copy once; the next frame may come in place again. If not: it copies.
                let _ = mappings.prefer_direct(frame, ring);
            }
            locked.tell_places(row);
            if locked.mappings.is_direct(frame, number) {
                session.claims_page().rows[row].want.fetch_or(1 << frame, Ordering::SeqCst);
            }
        }
        Ok(Step::Done(()))
    })
}

/// VIDIOCSYNC: waits until a frame is there, in the memory of the frame that it names.
pub fn sync(call: &Call, frame: i32) -> Result<()> {
    let session = call.file;
    no_buffers(session)?;
    let frame = usize::try_from(frame).map_err(|_| Errno::EINVAL)?;
    with_locks(call, |locked| {
        if memory::is_zero(session) {
            // It came while this one waited: its frames are asked for.
            return Err(connection::RESTART);
        }
        has_frame(locked, frame)?;
        if !fed(session, Errno::EINVAL)? {
            return Ok(Step::Sleep);
        }
        locked.settle(BY_MMAP)?;
        locked.pass_former();
        match deliver(locked, frame)? {
            true => {
                locked.set_readiness()?;
                Ok(Step::Done(()))
            }
            false => {
                locked.disarm();
                Ok(Step::Sleep)
            }
        }
    })
}

/// Called when a frame was found. If the pusher has left since the last look, the frame may be the placeholder's, which a
/// client under the old rules does not get.
///
/// # Errors
/// `nobody` if so.
fn not_a_card<E>(session: &OpenFile, nobody: E) -> core::result::Result<(), E> {
    fed(session, nobody).map(drop)
}

/// Puts the oldest frame that the client has not had where it has frame `frame`. False: none there.
fn deliver(locked: &mut Locked, frame: usize) -> Result<bool> {
    let session = locked.session;
    let number = locked.ring.number;
    let Some(found) = locked.oldest()? else { return Ok(false) };
    not_a_card(session, Errno::EINVAL)?;
    let row = locked.row();
    if let Some(row) = row {
        session.claims_page().rows[row].want.fetch_and(!(1u32 << frame), Ordering::SeqCst);
        if locked.mappings.is_direct(frame, number) && found.slot == frame {
            if let Some(taken) = locked.claim(row, 1 << frame)? {
                locked.count(taken.found.number);
                return Ok(true);
            }
        }
    }
    deliver_copy(locked, frame, row)
}

/// Whether the program has mapped what was another kind of pusher's memory, so that frames are copied to where it was
/// told that they are.
///
/// # Errors
/// EINVAL: it has not been told of this frame, or its mapping has no room for one of the format in force.
fn has_frame(locked: &mut Locked, frame: usize) -> Result<bool> {
    let format = locked.session.board().format();
    if !locked.mappings.ranges.is_empty() {
        locked.mappings.become_frames(format.buf_len as usize, format.frames as usize);
    }
    let ranges = &locked.mappings.ranges;
    let copies = locked.mappings.is_empty() && !ranges.is_empty();
    if copies && ranges.told().is_told() {
        ranges.place_of(frame, format.frame_len as usize)?;
    } else if frame >= format.frames as usize {
        return Err(Errno::EINVAL);
    }
    Ok(copies)
}

/// As [`deliver_copy`], for a program whose mapping was another kind of pusher's memory.
fn deliver_to_range(locked: &mut Locked, frame: usize, row: Option<usize>) -> Result<bool> {
    let session = locked.session;
    let format = session.board().format();
    let ranges = &mut locked.mappings.ranges;
    if !ranges.told().is_told() {
        // It knows the places by itself; there is one way to lay frames out that it can know.
        ranges.tell(Layout::even(format.buf_len as usize, format.frames as usize), 0);
    }
    ranges.show_canvas()?;
    let (to, room) = ranges.place_of(frame, format.frame_len as usize)?;
    let taken = match row {
        Some(row) => {
            // It holds no slots: none is at a place of its own.
            unclaim(session.claims_page(), row, u32::MAX);
            locked.tell_places(row);
            // SAFETY: the canvas has so much room there.
            unsafe { locked.copy_held(row, to, room) }?
        }
        // SAFETY: as above.
        None => unsafe { locked.copy_oldest(to, room) }?,
    };
    if let Some(taken) = taken {
        locked.mappings.ranges.copied(frame, taken.len as usize);
    }
    Ok(taken.is_some())
}

fn deliver_copy(locked: &mut Locked, frame: usize, row: Option<usize>) -> Result<bool> {
    if locked.mappings.is_empty() && !locked.mappings.ranges.is_empty() {
        return deliver_to_range(locked, frame, row);
    }
    if locked.mappings.is_empty() {
        // Nothing mapped: the wait is all that the client asked for.
        let Some(found) = locked.oldest()? else { return Ok(false) };
        locked.count(found.number);
        return Ok(true);
    }
    let to = locked.mappings.private_frame(frame)?;
    let room = locked.mappings.len_of(frame);
    let copied = match row {
        // The frame's own slot is given back, so the grant has room to hold the one that is copied:
        // the writer, which may be faster than the copy, cannot take it away.
        Some(row) => {
            unclaim(locked.session.claims_page(), row, 1 << frame);
            // SAFETY: a frame's private memory has so many bytes.
            unsafe { locked.copy_held(row, to, room) }?
        }
        // SAFETY: as above.
        None => unsafe { locked.copy_oldest(to, room) }?,
    };
    if copied.is_none() {
        return Ok(false);
    }
    let (ring, mappings) = (&locked.ring, &mut locked.mappings);
    mappings.make_private(frame, ring)?;
    let private = mappings.private_len() as u64;
    locked.session.page().private.store(private, Ordering::Relaxed);
    if let Some(row) = row {
        locked.tell_places(row);
    }
    Ok(true)
}
