//! The clients' side: requests that wait for the pusher's answer.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoChannel, VideoMmap, VideoPicture, VideoWindow, request};
use vloopback_abi::{Abi, ioc};
use vloopback_ioctl::{UserMemory, forwarded};
use vloopback_ring::hatch::{CAPTURE, MAX_DATA, Phase};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::{Inside, NUMBER_MAX, capture, join, ring_pusher};
use crate::process;
use crate::session::Session;
use crate::sys::{self, Result};
use crate::user::{self, Caller};

/// Threads that are asking. A handler that interrupted one of them must not wait behind what it
/// interrupted.
static ASKING: [AtomicI32; 32] = [const { AtomicI32::new(0) }; 32];

/// One of them; None where there was no place.
struct Asking(Option<&'static AtomicI32>);

impl Asking {
    /// # Errors
    /// EBUSY: this very thread is asking.
    fn begin() -> Result<Self> {
        let me = sys::thread();
        if ASKING.iter().any(|place| place.load(Ordering::Relaxed) == me) {
            return Err(libc::EBUSY);
        }
        let take =
            |place: &&AtomicI32| place.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        Ok(Self(ASKING.iter().find(take)))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(0, Ordering::Relaxed);
        }
    }
}

/// The turn to ask, given back when it is dropped.
pub(crate) struct Turn<'a> {
    session: &'a Session,
    /// The memory that the pipe had when the turn was taken.
    pub(crate) inside: Inside<'a>,
    _asking: Asking,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let turn = &self.inside.hatch.turn;
        if turn.unlock() {
            sys::futex_wake_all(turn.word());
        }
        capture::begin(self.session, self.inside.hatch);
    }
}

impl<'a> Turn<'a> {
    /// # Errors
    /// EIO: the pusher is gone. EBUSY: by a handler that interrupted a request. EINTR, ENODEV.
    pub(crate) fn take(session: &'a Session) -> Result<Self> {
        join(session, 0).map_err(|e| if e == libc::EINVAL { libc::EIO } else { e })?;
        // None: another thread met another pusher meanwhile.
        let inside = Inside::enter(session).ok_or(libc::EIO)?;
        let asking = Asking::begin()?;
        let me = process::peer()?;
        if let Err(e) = lock(session, &inside, me) {
            // If it was woken to take the turn, a capture that waits behind it begins now.
            capture::begin(session, inside.hatch);
            return Err(e);
        }
        Ok(Self { session, inside, _asking: asking })
    }

    /// Asks the pusher, and waits for its answer; `data` then is the answer's.
    ///
    /// # Errors
    /// The errno that the pusher answers with. EIO: it is gone. ETIMEDOUT: it has not answered in the
    /// pipe's time limit, which does not hold for SYNC: a picture takes the time that it takes. EINTR,
    /// ENODEV.
    pub(crate) fn ask(&self, number: u32, data: &mut [u8]) -> Result<()> {
        let (session, hatch) = (self.session, self.inside.hatch);
        let deadline = if number == request::SYNC { None } else { deadline(session) };
        let posted = hatch.post(number, data);
        if let Err(e) = ring_pusher(session) {
            hatch.withdraw(posted);
            return Err(e);
        }
        loop {
            let now = hatch.state();
            match hatch.collect(posted, data) {
                Some(0) => return Ok(()),
                Some(errno) => return Err(errno as c_int),
                None => {}
            }
            if session.board().zero() != self.inside.zero || now.phase() == Phase::Idle {
                hatch.withdraw(posted);
                return Err(libc::EIO);
            }
            session.alive()?;
            match session.wait_for_word(hatch.word(), now.word(), deadline) {
                // Once the pusher is answering, the answer is near: it is taken.
                Err(e @ (libc::EINTR | libc::ETIMEDOUT)) if hatch.withdraw(posted) => return Err(e),
                Err(libc::EINTR | libc::ETIMEDOUT) | Ok(()) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The same with a structure of the driver's own.
    pub(crate) fn exchange<T: IntoBytes + zerocopy::FromBytes>(
        &self,
        number: u32,
        value: &mut T,
    ) -> Result<()> {
        self.ask(number, value.as_mut_bytes())
    }
}

/// When the time for an answer is over, if there is a limit.
fn deadline(session: &Session) -> Option<u64> {
    let limit = u64::from(session.info().answer_timeout) * 1_000_000;
    (limit != 0).then(|| sys::now() + limit)
}

/// Waits for the turn.
fn lock(session: &Session, inside: &Inside, me: u32) -> Result<()> {
    let turn = &inside.hatch.turn;
    loop {
        let seen = inside.hatch.state();
        let Err(owner) = turn.try_lock(me) else { return Ok(()) };
        // Behind a SYNC this may take as long as that; not behind a capture that the pusher ignores.
        let until = if turn.owner() == CAPTURE { deadline(session) } else { None };
        match session.wait_for_word(turn.word(), owner, until) {
            Err(libc::ETIMEDOUT) => {
                if inside.hatch.give_up_capture(seen, request::SYNC) {
                    sys::futex_wake_all(turn.word());
                    // The daemon tells those who wait for the frame.
                    ring_pusher(session)?;
                }
            }
            waited => waited?,
        }
        if session.board().zero() != inside.zero {
            return Err(libc::EIO);
        }
    }
}

/// An ioctl of a client on a zero-copy pipe.
///
/// # Errors
/// What the pusher answers: ENOTTY for a refusal, EINVAL for a set that it did not accept. EINVAL: more
/// data than a pusher's buffer has room for. EFAULT, EIO, ETIMEDOUT, EINTR, ENODEV.
pub(crate) fn forward(session: &Session, number: u32, arg: usize) -> Result<c_int> {
    let abi = Abi::NATIVE;
    if forwarded::is_of_another_abi(abi, number) {
        return Err(libc::ENOTTY);
    }
    let len = ioc::ioc_size(number);
    if len > MAX_DATA - NUMBER_MAX {
        // The pusher's buffer, 1024 bytes by the API document, is for the number too.
        return Err(libc::EINVAL);
    }
    let mut bytes = [0; MAX_DATA];
    let has_data = ioc::ioc_dir(number) != ioc::NONE;
    Caller.read(arg, &mut bytes[..if has_data { len } else { 0 }]).map_err(|_| libc::EFAULT)?;
    // On its way it has the neutral form: the pusher may be of the other word size.
    let asked = forwarded::neutral_number(abi, number);
    let sent = if has_data { forwarded::widen(abi, asked, &mut bytes) } else { 0 };
    let data = &mut bytes[..sent];
    let turn = Turn::take(session)?;
    turn.ask(asked, data)?;
    if number == request::SCHAN {
        // V4L2's clients ask which one it is, V4L1's cannot.
        if let Ok((channel, _)) = VideoChannel::read_from_prefix(data) {
            turn.inside.hatch.set_channel(channel.channel as u32);
        }
    }
    drop(turn);
    if ioc::ioc_dir(number) & ioc::READ != 0 {
        let got = forwarded::narrow(abi, asked, &mut bytes);
        Caller.write(arg, &bytes[..got]).map_err(|_| libc::EFAULT)?;
    }
    Ok(0)
}

/// read(2) on an output of a zero-copy pipe: never forwarded, but asked for as a mapped client does.
///
/// # Errors
/// As [`forward`]; EAGAIN never: a picture takes the time that it takes.
pub(crate) fn read_frame(session: &Session, buf: usize, len: usize) -> Result<usize> {
    // One turn for all: another client's MCAPTURE would draw under the copy.
    let turn = Turn::take(session)?;
    let mut window = VideoWindow::new_zeroed();
    turn.exchange(request::GWIN, &mut window)?;
    let mut picture = VideoPicture::new_zeroed();
    turn.exchange(request::GPICT, &mut picture)?;
    let whole = Palette::from_number(picture.palette.into())
        .and_then(|palette| palette.frame_len(window.width, window.height))
        .ok_or(libc::EINVAL)?;
    let count = len.min(whole);
    if whole > turn.inside.len {
        return Err(libc::EINVAL);
    }
    user::writable(buf, count).map_err(|_| libc::EFAULT)?;
    let mut order = VideoMmap {
        frame: 0,
        height: window.height as i32,
        width: window.width as i32,
        format: picture.palette.into(),
    };
    turn.exchange(request::MCAPTURE, &mut order)?;
    let mut frame = 0i32;
    turn.exchange(request::SYNC, &mut frame)?;
    // SAFETY: `count` bytes at `buf` were checked, and the memory has at least as many.
    unsafe { core::ptr::copy_nonoverlapping(turn.inside.frames, buf as *mut u8, count) };
    Ok(count)
}
