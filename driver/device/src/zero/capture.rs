//! The pipe's own captures: frames of a zero-copy pusher for clients that do not ask for them one by one
//! (V4L2).
//!
//! A client that has none to take says in its request slot that it wants one, and returns or sleeps. The pusher's
//! library gives the pusher VIDIOCMCAPTURE and VIDIOCSYNC (before the first one VIDIOCGMBUF, which tells where
//! the frame will be), and copies the finished frame into the pipe's ring ([`answered`]): there all V4L2
//! clients find it, as on a one-copy pipe. One copy in all, by the pusher's process, however many they are;
//! none while nobody wants a frame.

use core::sync::atomic::Ordering;

use vloopback_abi::palette::Palette;
use vloopback_ring::Format;
use vloopback_ring::pusher_page::{Order, Progress, PusherPage};

use crate::open_file::OpenFile;
use crate::publish::{self, IoSlices, Keep};
use crate::zero::memory::{Inside, call_daemon};
use vloopback_link::connection;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result};

/// The picture of the format in force. None: V4L1 has no name for it.
pub fn order_of(format: &Format, pusher_page: &PusherPage) -> Option<Order> {
    let Format { palette, width, height, .. } = *format;
    Palette::from_number(palette)?;
    // V4L1 has two numbers for YUYV; a pusher may know one of them.
    let palette =
        if Palette::same_layout(pusher_page.palette(), palette) { pusher_page.palette() } else { palette };
    Some(Order { width, height, palette })
}

/// In the pusher's process: it has answered a request of the capture.
pub(super) fn answered(session: &OpenFile, pusher_page: &PusherPage, errno: u32) {
    let refused = match pusher_page.go_on(errno) {
        Progress::Next => return,
        Progress::Refused => true,
        Progress::Drawn => {
            let refused = publish(session, pusher_page).is_err();
            pusher_page.end_capture(refused);
            refused
        }
    };
    if refused {
        // The daemon tells those who wait for the frame.
        let _ = call_daemon(session);
    }
}

/// Copies the captured frame into the ring.
///
/// # Errors
/// EINVAL: the frame is not inside the memory.
fn publish(session: &OpenFile, pusher_page: &PusherPage) -> Result<()> {
    let quiet = NoSignals::new();
    let mut ring = session.ring.lock(&quiet);
    if session.refresh_ring(&mut ring).is_err() {
        // Nobody streams any more.
        return Ok(());
    }
    let format = session.board().format();
    if order_of(&format, pusher_page) != Some(pusher_page.order()) || format.log != ring.log_number {
        // Another format was set meanwhile: the frame is nobody's, and who wanted one wants the next.
        pusher_page.want_frame();
        return Ok(());
    }
    let Some(inside) = Inside::enter(session) else { return Ok(()) };
    let (from, len) = (pusher_page.origin().unwrap_or(0) as usize, format.frame_len as usize);
    if from.checked_add(len).is_none_or(|end| end > inside.len) {
        return Err(Errno::EINVAL);
    }
    // SAFETY: inside the mapping by the check above.
    let at = unsafe { inside.frames.add(from) };
    let piece = libc::iovec { iov_base: at.cast(), iov_len: len };
    let (Some(log), Ok(me)) = (ring.log(), connection::peer()) else { return Ok(()) };
    if log.lock.try_lock(me).is_err() {
        // A fork of the pusher's is at it, too.
        pusher_page.want_frame();
        return Ok(());
    }
    let frame = IoSlices::ours(core::slice::from_ref(&piece));
    let head = log.head.load(Ordering::Relaxed);
    let done = publish::put(session, &ring, log, &frame, (len, Keep::default()));
    let streams = session.board().streamers.load(Ordering::SeqCst) != 0;
    if streams && log.head.load(Ordering::Relaxed) == head {
        // There was no room for it; whoever wanted it wants it still.
        pusher_page.want_frame();
    }
    publish::give_back(log);
    done
}
