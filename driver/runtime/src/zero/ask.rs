//! The clients' side: requests that wait for the pusher's answer.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoMmap, VideoPicture, VideoWindow, request};
use vloopback_abi::{Abi, ioc};
use vloopback_ioctl::{UserMemory, forwarded};
use vloopback_ring::hatch::PATIENCE;
use vloopback_ring::slip::{MAX_DATA, Phase, Slip};
use zerocopy::{FromZeros, IntoBytes};

use super::{Inside, NUMBER_MAX, call_daemon, enter, knock};
use crate::client::own;
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

/// The right to ask through this open file, whose threads and processes do so one at a time. Given back
/// when it is dropped.
pub(crate) struct Turn<'a> {
    session: &'a Session,
    /// The memory that the pipe had when the turn was taken.
    pub(crate) inside: Inside<'a>,
    slip: &'a Slip,
    _asking: Asking,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.slip.release();
        if self.slip.lock.unlock() {
            sys::futex_wake_all(self.slip.lock.word());
        }
        if self.inside.hatch.holds_back() {
            // Somebody waited for our copy. If the daemon is gone, so is the pipe.
            let _ = call_daemon(self.session);
        }
    }
}

impl<'a> Turn<'a> {
    /// # Errors
    /// EIO: the pusher is gone. EBUSY: by a handler that interrupted a request. EAGAIN: more clients than a
    /// pusher can have. EINTR, ENODEV.
    pub(crate) fn take(session: &'a Session) -> Result<Self> {
        let inside = enter(session)?;
        let slip = inside.slip.ok_or(libc::EINVAL)?;
        let asking = Asking::begin()?;
        let me = process::peer()?;
        while let Err(owner) = slip.lock.try_lock(me) {
            session.wait_for_lock(slip.lock.word(), owner)?;
        }
        Ok(Self { session, inside, slip, _asking: asking })
    }

    /// Asks the pusher, and waits for its answer; `data` then is the answer's.
    ///
    /// # Errors
    /// The errno that the pusher answers with. EIO: it is gone. ETIMEDOUT: it has not answered in the
    /// pipe's time limit, which does not hold for SYNC: a picture takes the time that it takes. EBADF: the
    /// device was closed meanwhile. EINTR, ENODEV.
    pub(crate) fn ask(&self, number: u32, data: &mut [u8]) -> Result<()> {
        self.ask_for(number, data, false)
    }

    fn ask_for(&self, number: u32, data: &mut [u8], copies: bool) -> Result<()> {
        let (session, slip) = (self.session, self.slip);
        let limit = u64::from(session.info().answer_timeout) * 1_000_000;
        let mut deadline = (limit != 0 && number != request::SYNC).then(|| sys::now() + limit);
        let posted = slip.post(number, data, copies).ok_or(libc::EBADF)?;
        // A pusher that has something to do looks for more when it is done.
        if self.inside.hatch.seems_idle() {
            knock(session);
        }
        loop {
            let now = slip.state();
            match slip.collect(posted, data) {
                Some(0) => return Ok(()),
                Some(errno) => return Err(errno as c_int),
                None => {}
            }
            if now.phase() == Phase::Gone {
                return Err(libc::EBADF);
            }
            if session.board().zero() != self.inside.zero || now.phase() == Phase::Idle {
                slip.withdraw(posted);
                return Err(libc::EIO);
            }
            session.alive()?;
            // Now and then it reminds the pusher, who may have waited for somebody that never came back.
            let remind = (now.phase() == Phase::Posted).then(|| sys::now() + PATIENCE);
            let until = [deadline, remind].into_iter().flatten().min();
            match session.wait_for_word(slip.word(), now.word(), until) {
                Err(libc::ETIMEDOUT) if until != deadline => call_daemon(session)?,
                // The pusher is at somebody else's request, which has a limit of its own, or is a SYNC.
                Err(libc::ETIMEDOUT) if now.phase() == Phase::Posted && !self.inside.hatch.seems_idle() => {
                    deadline = Some(sys::now() + limit);
                }
                // Once the pusher is answering, the answer is near: it is taken.
                Err(e @ (libc::EINTR | libc::ETIMEDOUT)) if slip.withdraw(posted) => {
                    // Others may have waited behind it.
                    call_daemon(session)?;
                    return Err(e);
                }
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
    Turn::take(session)?.ask(asked, data)?;
    if ioc::ioc_dir(number) & ioc::READ != 0 {
        let got = forwarded::narrow(abi, asked, &mut bytes);
        Caller.write(arg, &bytes[..got]).map_err(|_| libc::EFAULT)?;
    }
    Ok(0)
}

/// How often a read() begins anew because somebody drew under its copy.
const TRIES: u32 = 16;

/// read(2) on an output of a zero-copy pipe: never forwarded, but asked for as a mapped client does.
///
/// # Errors
/// As [`forward`]; EBUSY: see [`own`]; EAGAIN never: a picture takes the time that it takes. EIO: others draw all the time.
pub(crate) fn read_frame(session: &Session, buf: usize, len: usize) -> Result<usize> {
    own(session)?;
    let turn = Turn::take(session)?;
    for _ in 0..TRIES {
        if let Some(count) = turn.copy_frame(buf, len)? {
            return Ok(count);
        }
    }
    Err(libc::EIO)
}

impl Turn<'_> {
    /// Asks for a frame and copies it. None: another client's was drawn under the copy, because this one was
    /// stopped meanwhile.
    fn copy_frame(&self, buf: usize, len: usize) -> Result<Option<usize>> {
        let mut window = VideoWindow::new_zeroed();
        self.exchange(request::GWIN, &mut window)?;
        let mut picture = VideoPicture::new_zeroed();
        self.exchange(request::GPICT, &mut picture)?;
        let whole = Palette::from_number(picture.palette.into())
            .and_then(|palette| palette.frame_len(window.width, window.height))
            .ok_or(libc::EINVAL)?;
        let count = len.min(whole);
        if whole > self.inside.len {
            return Err(libc::EINVAL);
        }
        user::writable(buf, count).map_err(|_| libc::EFAULT)?;
        let mut order = VideoMmap {
            frame: 0,
            height: window.height as i32,
            width: window.width as i32,
            format: picture.palette.into(),
        };
        self.ask_for(request::MCAPTURE, order.as_mut_bytes(), true)?;
        self.ask_for(request::SYNC, 0i32.as_mut_bytes(), true)?;
        let (hatch, draws) = (self.inside.hatch, self.slip.draws());
        if hatch.draws() == draws {
            // SAFETY: `count` bytes at `buf` were checked, and the memory has at least as many.
            unsafe { core::ptr::copy_nonoverlapping(self.inside.frames.cast_const(), buf as *mut u8, count) };
        }
        self.slip.release();
        Ok((hatch.draws() == draws).then_some(count))
    }
}
