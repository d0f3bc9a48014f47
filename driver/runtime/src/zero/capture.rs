//! The pipe's own captures: frames of a zero-copy pusher for clients that do not ask for them one by one
//! (V4L2).
//!
//! A client that has none to take says that it wants one, and returns or sleeps; whoever gets the turn
//! next posts VIDIOCMCAPTURE ([`begin`]; before the first one VIDIOCGMBUF, which tells where the frame will
//! be). When the pusher answers, its own library posts VIDIOCSYNC, and
//! when it answers that, copies the frame into the pipe's ring ([`answered`]): there all V4L2 clients find
//! it, as on a one-copy pipe. One copy in all, by the pusher's process, however many they are; none while
//! nobody wants a frame.

use core::sync::atomic::{Ordering, fence};

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoMbuf, VideoMmap, request};
use vloopback_ring::Format;
use vloopback_ring::hatch::{Hatch, Order};
use zerocopy::{FromZeros, IntoBytes};

use super::{Inside, is_zero, ring_pusher};
use crate::input::{self, Pieces};
use crate::lock::NoSignals;
use crate::output;
use crate::process;
use crate::session::Session;
use crate::sys::{self, Result};

/// The picture of the format in force. None: V4L1 has no name for it.
fn order_of(format: &Format, hatch: &Hatch) -> Option<Order> {
    let Format { palette, width, height, .. } = *format;
    Palette::from_number(palette)?;
    // V4L1 has two numbers for YUYV; a pusher may know one of them.
    let palette = if output::same_layout(hatch.palette(), palette) { hatch.palette() } else { palette };
    Some(Order { width, height, palette })
}

/// The client has met the pusher that there is; what that one has refused to others before is not its
/// business.
pub(crate) fn meet(session: &Session, inside: &Inside) {
    let page = session.page();
    page.refusals.store(inside.hatch.refusals(), Ordering::SeqCst);
    page.zero.store(inside.zero, Ordering::SeqCst);
}

/// The client is to meet the pusher anew.
pub(crate) fn forget(session: &Session) {
    session.page().zero.store(0, Ordering::SeqCst);
}

/// Whether the client has met the pusher that there is.
pub(crate) fn has_met(session: &Session) -> bool {
    session.page().zero.load(Ordering::SeqCst) == session.board().zero()
}

/// A client that has met the pusher has no frame to take: the next one is for it, too. It is woken, or
/// its descriptor becomes readable, when the frame is there.
///
/// # Errors
/// EIO: the pusher has refused to capture since it was met.
pub(crate) fn want(session: &Session) -> Result<()> {
    let Some(inside) = Inside::enter(session) else { return Ok(()) };
    let page = session.page();
    if session.board().zero() != inside.zero || page.zero.load(Ordering::SeqCst) != inside.zero {
        return Ok(());
    }
    if page.refusals.load(Ordering::SeqCst) != inside.hatch.refusals() {
        return Err(libc::EIO);
    }
    inside.hatch.want();
    begin(session, inside.hatch);
    Ok(())
}

/// Begins a capture if one is wanted and it is nobody's turn.
pub(crate) fn begin(session: &Session, hatch: &Hatch) {
    // As in the hatch: the turn was given back before this look.
    fence(Ordering::SeqCst);
    if !hatch.is_wanted() || !is_zero(session) {
        return;
    }
    let Some(order) = order_of(&session.board().format(), hatch) else { return };
    let Ok(me) = process::peer() else { return };
    let first =
        VideoMmap { frame: 0, width: order.width as i32, height: order.height as i32, format: order.palette };
    let wake = |word: &_| sys::futex_wake_all(word);
    if hatch.begin_capture(me, &order, (request::MCAPTURE, first.as_bytes()), wake) {
        // If the daemon is gone, so is the pipe.
        let _ = ring_pusher(session);
    }
}

fn mcapture(order: &Order) -> VideoMmap {
    let &Order { width, height, palette } = order;
    VideoMmap { frame: 0, width: width as i32, height: height as i32, format: palette }
}

/// In the pusher's process: it has answered a request of the capture, with data that begins so.
pub(super) fn answered(session: &Session, hatch: &Hatch, number: u32, errno: u32, head: &[u8; 16]) {
    match number {
        request::GMBUF => {
            // size, frames, offsets; who refuses to tell has its frame at the beginning.
            let offset = [head[8], head[9], head[10], head[11]];
            hatch.set_origin(if errno == 0 { u32::from_ne_bytes(offset) } else { 0 });
            hatch.continue_capture(request::MCAPTURE, mcapture(&hatch.order()).as_bytes());
        }
        request::MCAPTURE if errno == 0 => hatch.continue_capture(request::SYNC, 0i32.as_bytes()),
        _ => return end(session, hatch, errno),
    }
    let _ = ring_pusher(session);
}

fn end(session: &Session, hatch: &Hatch, errno: u32) {
    let refused = errno != 0 || publish(session, hatch).is_err();
    if hatch.end_capture(refused) {
        // Whoever gets the turn now begins the next capture when it gives it back.
        sys::futex_wake_all(hatch.turn.word());
    } else {
        begin(session, hatch);
    }
    if refused {
        // The daemon tells those who wait for the frame.
        let _ = ring_pusher(session);
    }
}

/// Copies the captured frame into the ring.
///
/// # Errors
/// EINVAL: the frame is not inside the memory.
fn publish(session: &Session, hatch: &Hatch) -> Result<()> {
    let quiet = NoSignals::new();
    let mut ring = session.ring.lock(&quiet);
    if ring.refresh(session).is_err() {
        // Nobody streams any more.
        return Ok(());
    }
    let format = session.board().format();
    if order_of(&format, hatch) != Some(hatch.order()) || format.ring != ring.number {
        // Another format was set meanwhile: the frame is nobody's.
        hatch.want();
        return Ok(());
    }
    let Some(inside) = Inside::enter(session) else { return Ok(()) };
    let (from, len) = (hatch.origin().unwrap_or(0) as usize, format.frame_len as usize);
    if from.checked_add(len).is_none_or(|end| end > inside.len) {
        return Err(libc::EINVAL);
    }
    // SAFETY: inside the mapping by the check above.
    let at = unsafe { inside.frames.add(from) };
    let piece = libc::iovec { iov_base: at.cast(), iov_len: len };
    let (Some(log), Ok(me)) = (ring.log(), process::peer()) else { return Ok(()) };
    if log.lock.try_lock(me).is_err() {
        // Nobody else writes to this ring; who answers twice at once loses one.
        return Ok(());
    }
    let frame = Pieces { iov: core::slice::from_ref(&piece) };
    let done = input::put(session, &ring, log, &frame, len);
    input::give_back(log);
    done
}
