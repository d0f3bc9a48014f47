//! The input node: what a one-copy pusher does.

use core::sync::atomic::Ordering;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoPicture, VideoWindow};
use vloopback_abi::v4l2::{Fourcc, PixelFormat};
use vloopback_ring::Pix;
use vloopback_wire::Request;

use crate::open_file::{self, OpenFile};
use crate::publish::{IoSlices, decide_keep, give_back, is_left_out, put, with_right_to_write};
use vloopback_link::connection;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result};

/// write(2): one frame. Never blocks for a client; with no client that streams nothing is copied
/// and no system call is made.
///
/// A V4L1 pusher may write more than a frame: its first bytes are one, and the whole count is the answer.
/// The old driver's own examples write three bytes a pixel, also where they set YUV420P up.
///
/// # Errors
/// EINVAL: an output node, nothing set up yet, or not the length of a frame. EBADF: opened for reading. EBUSY:
/// another's pipe, or the descriptor has V4L2 buffers. EFAULT, ENODEV. EINTR while another writer of the same pipe (a
/// fork's or a thread's) is at it.
pub fn write(session: &OpenFile, frame: &IoSlices) -> Result<usize> {
    session.alive()?;
    if !session.access().1 {
        return Err(Errno::EBADF);
    }
    if !session.info().input {
        return Err(Errno::EINVAL);
    }
    session.claim()?;
    let (board, page) = (session.board(), session.page());
    if page.count.load(Ordering::Relaxed) != 0 {
        return Err(Errno::EBUSY);
    }
    if board.zero() != 0 {
        // The clients have the pusher's own memory.
        return Err(Errno::EINVAL);
    }
    let mut format = board.format();
    let len = frame.total().ok_or(Errno::EINVAL)?;
    if (format.ring == 0 || format.feed == 0) && open_file::is_client(session) && is_frame(&format.pix, len) {
        // A V4L2 device always has a format: the first frame of it begins the feed.
        open_file::feed(session, 0)?;
        format = board.format();
    }
    let whole = format.frame_len as usize;
    let fits = match format.varies {
        0 if open_file::is_client(session) => len == whole,
        0 => len >= whole,
        _ => len <= whole,
    };
    if format.ring == 0 || format.feed == 0 || len == 0 || !fits {
        return Err(Errno::EINVAL);
    }
    let keep = decide_keep(session, format.log, len);
    if session.log_number.load(Ordering::Acquire) == format.log {
        let log = session.log.load(Ordering::Acquire);
        // SAFETY: logs stay mapped while the session has users.
        if is_left_out(session, unsafe { &*log }, keep) {
            return Ok(len);
        }
    }
    with_right_to_write(session, |ring, log, _| {
        let checked = frame.check(session);
        let done = checked.and_then(|()| put(session, ring, log, frame, (len.min(whole), keep)));
        give_back(log);
        done.map(|()| len)
    })
}

/// Whether `len` bytes can be a frame.
fn is_frame(pix: &Pix, len: usize) -> bool {
    let varies = PixelFormat::of(Fourcc(pix.fourcc)).is_some_and(|format| format.is_compressed());
    let whole = pix.sizeimage as usize;
    if varies { len != 0 && len <= whole } else { len == whole }
}

/// VIDIOCSPICT: the palette.
///
/// # Errors
/// EINVAL for a palette that does not exist, EBUSY, ENODEV.
pub fn set_picture(session: &OpenFile, picture: &VideoPicture) -> Result<()> {
    let palette = u32::from(picture.palette);
    Palette::from_number(palette).ok_or(Errno::EINVAL)?;
    let p =
        [picture.brightness, picture.hue, picture.colour, picture.contrast, picture.whiteness, picture.depth];
    connection::tell(&Request::SetPalette {
        session: session.info().session,
        palette,
        picture: p.map(u32::from),
    })
}

/// VIDIOCSWIN: the size, and with it the ring.
///
/// # Errors
/// EINVAL for a size that cannot be, ENOMEM, EBUSY, ENODEV.
pub fn set_window(session: &OpenFile, window: &VideoWindow) -> Result<()> {
    let (width, height) = (window.width, window.height);
    connection::tell(&Request::SetSize { session: session.info().session, width, height })?;
    // At once, so that a write that nobody sees needs no system call.
    let quiet = NoSignals::new();
    session.refresh_ring(&mut session.ring.lock(&quiet))
}

/// Whether anything but looking may be done with this input: the claim (driver/docs/rules.md, "Opening and claiming").
///
/// # Errors
/// EBUSY: the pipe is another pusher's.
pub fn claim_by_request(session: &OpenFile) -> Result<()> {
    if session.access().1 { session.claim() } else { Ok(()) }
}
