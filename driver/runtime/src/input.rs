//! The input node: what a one-copy pusher calls.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{
    VideoBuffer, VideoCapability, VideoChannel, VideoKey, VideoMbuf, VideoPicture, VideoTuner, VideoUnit,
    VideoWindow,
};
use vloopback_ioctl::{Errno, V4l1Device};
use vloopback_ring::{cancel, pick, publish};
use vloopback_wire::Request;

use crate::lock::NoSignals;
use crate::process;
use crate::ring_map::RingMap;
use crate::session::Session;
use crate::sys::{self, FdList, Result};
use crate::v4l1;

/// Clients that poll are woken through the daemon at least this often whatever the desk says,
/// so that nobody can keep them asleep by clearing others' marks there. Nanoseconds.
const RING_AT_LEAST: u64 = 50_000_000;

/// One frame out of pieces that lie in the program's memory.
pub(crate) struct Pieces<'a> {
    pub(crate) iov: &'a [libc::iovec],
}

impl Pieces<'_> {
    fn len(&self) -> Option<usize> {
        self.iov.iter().try_fold(0usize, |sum, v| sum.checked_add(v.iov_len))
    }

    fn check(&self, session: &Session) -> Result<()> {
        for piece in self.iov {
            session.known.readable(piece.iov_base as usize, piece.iov_len).map_err(|_| libc::EFAULT)?;
        }
        Ok(())
    }

    /// # Safety
    /// `to` has room for all pieces, which were checked.
    unsafe fn copy_to(&self, mut to: *mut u8) {
        for piece in self.iov {
            // SAFETY: the caller's promise.
            unsafe {
                core::ptr::copy_nonoverlapping(piece.iov_base.cast::<u8>(), to, piece.iov_len);
                to = to.add(piece.iov_len);
            }
        }
    }
}

/// write(2): one frame. Never blocks for a client; with no client that streams nothing is copied
/// and no system call is made.
///
/// # Errors
/// EINVAL: an output node, nothing set up yet, or not the length of a frame. EBADF: opened for
/// reading. EBUSY: another's pipe. EFAULT, ENODEV. EINTR while another writer of the same pipe
/// (a fork's or a thread's) is at it.
pub(crate) fn write(session: &Session, frame: &Pieces) -> Result<usize> {
    session.alive()?;
    if !session.info().input {
        return Err(libc::EINVAL);
    }
    if !session.access().1 {
        return Err(libc::EBADF);
    }
    session.claim()?;
    let board = session.board();
    let format = board.format();
    let len = frame.len().ok_or(libc::EINVAL)?;
    if format.ring == 0 || format.feed == 0 || format.frame_len == 0 || len != format.frame_len as usize {
        return Err(libc::EINVAL);
    }
    if board.streamers.load(Ordering::Acquire) == 0 && session.log_ring.load(Ordering::Acquire) == format.ring
    {
        let log = session.log.load(Ordering::Acquire);
        // SAFETY: logs stay mapped while the session has users.
        unsafe { &*log }.unwatched.fetch_add(1, Ordering::Relaxed);
        return Ok(len);
    }
    loop {
        let quiet = NoSignals::new();
        let mut ring = session.ring.lock(&quiet);
        ring.refresh(session)?;
        frame.check(session)?;
        let Some(log) = ring.log() else { return Err(libc::EINVAL) };
        match log.lock.try_lock(process::peer()?) {
            Ok(()) => {
                let done = put(session, &ring, frame, len);
                if log.lock.unlock() {
                    sys::futex_wake_all(log.lock.word());
                }
                return done.map(|()| len);
            }
            Err(owner) => {
                drop(ring);
                drop(quiet);
                // Not with signals blocked: whoever waits here can be interrupted.
                session.wait_for_lock(log.lock.word(), owner)?;
            }
        }
    }
}

/// Copies and publishes, with the right to write held.
fn put(session: &Session, ring: &RingMap, frame: &Pieces, len: usize) -> Result<()> {
    let (board, desk) = (session.board(), session.desk());
    let Some(log) = ring.log() else { return Err(libc::EINVAL) };
    if board.streamers.load(Ordering::Acquire) == 0 {
        log.unwatched.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    if len > ring.slot_len {
        return Err(libc::EINVAL);
    }
    let Some(picked) = pick(board, log, desk, ring.slots) else {
        log.lost.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    };
    if picked.slot >= ring.slots {
        cancel(log, picked);
        return Err(libc::EINVAL);
    }
    // SAFETY: the slot is ours until it is published, and slot_len >= len; the pieces were checked.
    unsafe { frame.copy_to(ring.slot(picked.slot)) };
    log.copies.fetch_add(1, Ordering::Relaxed);
    let time = sys::now();
    publish(log, desk, picked, len as u32, time);
    sys::futex_wake_all(&log.seq);
    if desk.any_armed() || time.wrapping_sub(log.rung.load(Ordering::Relaxed)) > RING_AT_LEAST {
        log.rung.store(time, Ordering::Relaxed);
        session.ring_bell();
    }
    Ok(())
}

/// The V4L1 requests of an input.
pub(crate) struct Input<'a> {
    pub(crate) session: &'a Session,
}

impl Input<'_> {
    fn tell(&self, request: &Request) -> core::result::Result<(), Errno> {
        let mut fds = FdList::new();
        process::ask(request, None, &mut fds).map(drop).map_err(Errno)
    }
}

impl V4l1Device for Input<'_> {
    fn gcap(&mut self) -> core::result::Result<VideoCapability, Errno> {
        Ok(v4l1::capability(self.session))
    }

    fn gchan(&mut self, _: VideoChannel) -> core::result::Result<VideoChannel, Errno> {
        Ok(v4l1::channel())
    }

    fn schan(&mut self, channel: VideoChannel) -> core::result::Result<(), Errno> {
        v4l1::only_zero(channel.channel)
    }

    fn gtuner(&mut self, tuner: VideoTuner) -> core::result::Result<VideoTuner, Errno> {
        v4l1::tuner(&tuner)
    }

    fn gpict(&mut self) -> core::result::Result<VideoPicture, Errno> {
        Ok(v4l1::picture(self.session))
    }

    fn spict(&mut self, picture: VideoPicture) -> core::result::Result<(), Errno> {
        let palette = u32::from(picture.palette);
        Palette::from_number(palette).ok_or(Errno::EINVAL)?;
        let p = [
            picture.brightness,
            picture.hue,
            picture.colour,
            picture.contrast,
            picture.whiteness,
            picture.depth,
        ];
        let session = self.session.info().session;
        self.tell(&Request::SetPalette { session, palette, picture: p.map(u32::from) })
    }

    fn capture(&mut self, _: i32) -> core::result::Result<(), Errno> {
        Ok(())
    }

    fn gwin(&mut self) -> core::result::Result<VideoWindow, Errno> {
        Ok(v4l1::window(self.session))
    }

    fn swin(&mut self, window: VideoWindow) -> core::result::Result<(), Errno> {
        if window.flags != 0 || window.clipcount != 0 {
            return Err(Errno::EINVAL);
        }
        let session = self.session.info().session;
        self.tell(&Request::SetSize { session, width: window.width, height: window.height })?;
        // At once, so that a write that nobody sees needs no system call.
        let quiet = NoSignals::new();
        let mut ring = self.session.ring.lock(&quiet);
        ring.refresh(self.session).map_err(Errno)
    }

    fn gfbuf(&mut self) -> core::result::Result<VideoBuffer, Errno> {
        Ok(VideoBuffer::default())
    }

    fn key(&mut self) -> core::result::Result<VideoKey, Errno> {
        Ok(VideoKey::default())
    }

    fn gfreq(&mut self) -> core::result::Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn sfreq(&mut self, _: u64) -> core::result::Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn gaudio(
        &mut self,
        _: vloopback_abi::v4l1::VideoAudio,
    ) -> core::result::Result<vloopback_abi::v4l1::VideoAudio, Errno> {
        Err(Errno::EINVAL)
    }

    fn saudio(&mut self, _: vloopback_abi::v4l1::VideoAudio) -> core::result::Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn sync(&mut self, _: i32) -> core::result::Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn mcapture(&mut self, _: vloopback_abi::v4l1::VideoMmap) -> core::result::Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn gmbuf(&mut self) -> core::result::Result<VideoMbuf, Errno> {
        v4l1::layout(self.session)
    }

    fn gunit(&mut self) -> core::result::Result<VideoUnit, Errno> {
        Ok(v4l1::units(self.session))
    }

    fn sinvalid(&mut self) -> core::result::Result<(), Errno> {
        // Nothing was forwarded: no effect (LEGACY.md 4, rule 7).
        Ok(())
    }
}

/// mmap(2) on an input begins zero-copy mode, which this version does not have.
///
/// # Errors
/// ENODEV always; the pipe stays in one-copy mode.
pub(crate) fn mmap(session: &Session) -> Result<usize> {
    session.alive()?;
    Err(libc::ENODEV)
}

/// Whether anything but looking may be done with this input: the claim (DESIGN.md 7, Era).
///
/// # Errors
/// EBUSY: the pipe is another pusher's.
pub(crate) fn claim_by_request(session: &Session) -> core::result::Result<(), c_int> {
    if session.access().1 { session.claim() } else { Ok(()) }
}

/// The name that VIDIOCGCAP gives, NUL-padded.
pub(crate) fn name(pipe: u32, input: bool) -> [u8; 32] {
    let mut digits = [0u8; 10];
    let mut at = digits.len();
    let mut n = pipe;
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    let mut bytes = [0u8; 32];
    let mut len = 0;
    for piece in [&b"Video loopback "[..], &digits[at..], if input { b" input" } else { b" output" }] {
        let take = piece.len().min(31 - len);
        bytes[len..len + take].copy_from_slice(&piece[..take]);
        len += take;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::text;

    #[test]
    fn names_are_those_of_the_old_driver() {
        assert_eq!(text::bytes(&name(0, true)), b"Video loopback 0 input");
        assert_eq!(text::bytes(&name(0, false)), b"Video loopback 0 output");
        assert_eq!(text::bytes(&name(15, false)), b"Video loopback 15 output");
        assert_eq!(text::bytes(&name(u32::MAX, false)), b"Video loopback 4294967295 outpu");
    }
}
