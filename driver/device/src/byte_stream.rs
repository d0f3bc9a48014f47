//! Frames in parts. To V4L2's programs read() and write() are a stream of bytes, as vb2 has it (the kernel's
//! videobuf2-core.c, `__vb2_perform_fileio`): a read of less than a frame leaves the rest for the next one, writes of
//! less than a frame gather until there is a whole one. `cat`, `dd`, `head -c` and `tee` count on it. (V4L1's rule is
//! the old driver's: a read is a frame.)
//!
//! What is left, or gathered so far, belongs to the open file: `(head -c 100; cat) < /dev/video1` goes on where it was.
//! So it lies in memory that the daemon keeps for the open file, as an exported buffer does (an open file that is read or
//! written has no buffers). The session's page says how many bytes there are. Whole frames do not come here.

use core::cell::Cell;
use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::{Fourcc, PixelFormat};
use vloopback_convert::Conversion;
use vloopback_ring::Format;

use crate::caller::Call;
use crate::open_file::OpenFile;
use crate::publish::{self, IoSlices};
use crate::stream::{Locked, Step, with_locks};
use crate::v4l2::format::frozen;
use crate::v4l2::lines::{Lines, fits};
use crate::{input, open_file};
use vloopback_link::connection;
use vloopback_sys::{Errno, Result};

/// Reads on in a frame of which a part was read before. None: there is no such frame.
///
/// # Errors
/// EFAULT; ENOMEM, ENODEV.
pub fn read_rest(locked: &mut Locked, buf: usize, len: usize) -> Result<Option<usize>> {
    let (session, page) = (locked.session, locked.session.page());
    let (left, at) = (page.rest.load(Ordering::Relaxed), page.rest_at.load(Ordering::Relaxed) as usize);
    if left == 0 {
        return Ok(None);
    }
    let end = at.checked_add(left as usize).ok_or(Errno::ENOMEM)?;
    let memory = locked.ring.part.memory(page, session.info().session, end)?;
    let count = len.min(left as usize);
    locked.call.caller.check_writable(session, buf, count).map_err(|_| Errno::EFAULT)?;
    // SAFETY: the memory has `end` bytes, and `count` bytes at `buf` were just checked.
    unsafe { locked.call.caller.copy_out(memory.add(at), buf, count) }?;
    page.rest_at.store((at + count) as u32, Ordering::Relaxed);
    page.rest.store(left - count as u32, Ordering::Relaxed);
    settle(locked)?;
    Ok(Some(count))
}

/// How the next frame gets into memory of our own.
pub enum Shape<'a> {
    /// As it is in the ring.
    Same,
    /// With its lines farther apart.
    Apart(&'a Lines),
    /// In another pixel format.
    Converted(&'a Conversion),
}

/// Reads the beginning of the next frame, which has at most `whole` bytes in the shape that the program wants. None:
/// there is none.
///
/// # Errors
/// As [`read_rest`]. `len` bytes at `buf` were checked.
pub fn read_begin(
    locked: &mut Locked,
    (buf, len): (usize, usize),
    whole: usize,
    shape: &Shape,
) -> Result<Option<usize>> {
    let (session, page) = (locked.session, locked.session.page());
    let memory = locked.ring.part.memory(page, session.info().session, whole)?;
    // SAFETY: the memory has so many bytes, in each shape.
    let taken = unsafe {
        match shape {
            Shape::Same => locked.copy_oldest(memory, whole),
            Shape::Apart(lines) => locked.copy_lines(lines, memory, whole),
            Shape::Converted(conversion) => locked.convert_oldest(conversion, memory),
        }?
    };
    let Some(taken) = taken else { return Ok(None) };
    let count = len.min(taken.len as usize);
    // SAFETY: the frame has as many bytes, and so has `buf`, as the caller has checked.
    unsafe { locked.call.caller.copy_out(memory, buf, count) }?;
    page.rest_at.store(count as u32, Ordering::Relaxed);
    page.rest.store(taken.len - count as u32, Ordering::Relaxed);
    settle(locked)?;
    Ok(Some(count))
}

/// The descriptor stays readable while something is left.
fn settle(locked: &Locked) -> Result<()> {
    let (session, page) = (locked.session, locked.session.page());
    if page.rest.load(Ordering::Relaxed) == 0 {
        return locked.set_readiness();
    }
    if page.rung.load(Ordering::SeqCst) == 0 {
        page.armed.store(1, Ordering::SeqCst);
        session.claims_page().arm(session.info().client);
        session.ring_frame_doorbell();
    }
    Ok(())
}

/// Whether the ring is there, and somebody feeds it.
fn is_fed(format: &Format) -> bool {
    format.ring != 0 && format.feed != 0
}

/// Whether a write of `len` bytes is gathered; else it is a whole frame, or refused.
fn is_gathered(session: &OpenFile, format: &Format, len: usize, lines: Option<&Lines>) -> bool {
    let page = session.page();
    let has_buffers = page.count.load(Ordering::Relaxed) != 0;
    let may_write = session.info().input && session.access().1;
    if !may_write || !open_file::is_client(session) || has_buffers || session.board().zero() != 0 {
        return false;
    }
    // A V4L2 device always has a format. But who has said nothing may be a program of V4L1, to which bytes that come
    // before anybody has set a format are no picture.
    let is_known = format.chosen != 0 || page.v4l2.load(Ordering::Relaxed) != 0;
    let (whole, varies) = if is_fed(format) {
        (format.frame_len, format.varies != 0)
    } else {
        let pixels = PixelFormat::of(Fourcc(format.pix.fourcc));
        (format.pix.sizeimage, pixels.is_none_or(|pixels| pixels.is_compressed()))
    };
    let begun = page.rest.load(Ordering::Relaxed) != 0;
    let whole = lines.map_or(whole as usize, |lines| lines.wide_len);
    whole != 0 && is_known && !varies && (begun || len != whole || lines.is_some())
}

/// write(2) of a V4L2 program: whole frames as [`input::write`] has it, else bytes that are gathered until they are a
/// frame. Frames of compressed formats have the length of the write. Where the program has asked for lines farther apart,
/// a frame is one of those.
///
/// # Errors
/// As [`input::write`]; ENOMEM.
pub fn write(call: &Call, bytes: &IoSlices) -> Result<usize> {
    let session = call.file;
    let format = session.board().format();
    let len = bytes.total().ok_or(Errno::EINVAL)?;
    let lines = Lines::of(session.page()).filter(|_| fits(&frozen(session.page()), &format.pix));
    if !is_gathered(session, &format, len, lines.as_ref()) {
        return input::write(session, bytes);
    }
    session.alive()?;
    if len == 0 {
        // No bytes are a part, too, as vb2 has it. (Python's print ends with such a write.)
        return Ok(0);
    }
    session.claim()?;
    if !is_fed(&format) {
        open_file::feed(session, 0)?;
    }
    let done = Cell::new(0);
    match with_locks(call, |locked| gather(locked, bytes, len, (&done, lines.as_ref()))) {
        // What was taken is taken: the program goes on behind it.
        Err(_) if done.get() != 0 => Ok(done.get()),
        result => result,
    }
}

/// Takes the bytes from number `done` on, of `len`, and publishes each frame that is whole.
fn gather(
    locked: &mut Locked,
    bytes: &IoSlices,
    len: usize,
    (done, lines): (&Cell<usize>, Option<&Lines>),
) -> Result<Step<usize>> {
    let (session, page) = (locked.session, locked.session.page());
    session.refresh_ring(&mut locked.ring)?;
    bytes.check(session)?;
    let tight = session.board().format().frame_len as usize;
    if tight == 0 || tight > locked.ring.slot_len || lines.is_some_and(|lines| lines.tight_len != tight) {
        return Err(Errno::EINVAL);
    }
    let whole = lines.map_or(tight, |lines| lines.wide_len);
    let memory = locked.ring.part.memory(page, session.info().session, whole)?;
    loop {
        let have = (page.rest.load(Ordering::Relaxed) as usize).min(whole);
        let count = (whole - have).min(len - done.get());
        // SAFETY: the memory has `whole` bytes; the pieces were checked.
        unsafe { bytes.copy_part(done.get(), memory.add(have), count) }?;
        done.set(done.get() + count);
        page.rest.store((have + count) as u32, Ordering::Relaxed);
        if have + count < whole {
            return Ok(Step::Done(len));
        }
        let log = locked.log()?;
        if let Err(owner) = log.lock.try_lock(connection::peer()?) {
            return Ok(Step::Writing(log, owner));
        }
        if let Some(lines) = lines {
            // The copy has no errors.
            let _ = lines.gather(|from, to, len| {
                // SAFETY: the memory has `wide_len` bytes.
                unsafe { core::ptr::copy(memory.add(from), memory.add(to), len) };
                Ok(())
            });
            // What was gathered is not to be gathered again.
            page.rest.store(0, Ordering::Relaxed);
        }
        let frame = libc::iovec { iov_base: memory.cast(), iov_len: tight };
        let frame = IoSlices::ours(core::slice::from_ref(&frame));
        let keep = publish::decide_keep(session, locked.ring.log_number, tight);
        let put = publish::put(session, &locked.ring, log, &frame, (tight, keep));
        publish::give_back(log);
        put?;
        page.rest.store(0, Ordering::Relaxed);
        if done.get() == len {
            return Ok(Step::Done(len));
        }
    }
}
