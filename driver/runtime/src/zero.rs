//! Zero-copy mode (LEGACY.md 1.4 to 1.8, 4): the pusher's own memory is the clients', and the pusher
//! answers its clients' ioctls itself.
//!
//! A client's request goes straight to the pusher's process, over the page of requests
//! (`vloopback_ring::hatch`); the daemon makes the pusher's descriptor readable, and the kernel sends
//! SIGIO. All that a pusher calls here may be called from its signal handler: no lock is waited for, and
//! nothing is allocated.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};

use vloopback_abi::ioc;
use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoMmap, VideoPicture, VideoWindow, request};
use vloopback_ioctl::UserMemory;
use vloopback_ring::PAGE_LEN;
use vloopback_ring::hatch::{Hatch, MAX_DATA, Phase, Taken};
use vloopback_wire::{Reply, Request};
use zerocopy::{FromZeros, IntoBytes};

use crate::client::may_wait;
use crate::lock::NoSignals;
use crate::process;
use crate::session::{self, Session, is_certain};
use crate::sys::{self, FdList, Result};
use crate::user::{self, Caller};
use crate::views::Mapping;

/// Bytes of the request's number, an `unsigned long` of the pusher's.
const NUMBER_LEN: usize = size_of::<usize>();

/// Maps the page of requests and the frames' memory, once a session and memory. `len`: by a pusher, the
/// bytes that it wants.
pub(crate) fn join(session: &Session, len: u32) -> Result<()> {
    let in_force = session.board().zero();
    if in_force != 0 && session.zero.load(Ordering::Acquire) == in_force {
        let have = session.zero_len.load(Ordering::Relaxed);
        return if len as usize <= have { Ok(()) } else { Err(libc::ENOMEM) };
    }
    let mut fds = FdList::new();
    let request = Request::Zero { session: session.info().session, len };
    let (reply, _) = process::ask(&request, None, &mut fds)?;
    let Reply::Zero { zero, len } = reply else { return Err(libc::EPROTO) };
    if fds.len() != 2 || len == 0 || zero == 0 {
        return Err(libc::EPROTO);
    }
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    let quiet = NoSignals::new();
    let _making = session.ring.lock(&quiet);
    if session.zero.load(Ordering::Acquire) == zero {
        return Ok(());
    }
    // SAFETY: new mappings of sealed files of these lengths.
    let (frames, hatch) = unsafe {
        let frames = sys::mmap(0, len as usize, rw, libc::MAP_SHARED, fds.get(0))?;
        match sys::mmap(0, PAGE_LEN, rw, libc::MAP_SHARED, fds.get(1)) {
            Ok(hatch) => (frames, hatch),
            Err(e) => {
                sys::munmap(frames, len as usize);
                return Err(e);
            }
        }
    };
    // What was mapped before is a former pusher's. It stays until the session ends: somebody may be in it.
    session.keep_zero();
    session.frames.store(frames, Ordering::SeqCst);
    session.zero_len.store(len as usize, Ordering::SeqCst);
    session.hatch.store(hatch.cast(), Ordering::SeqCst);
    session.zero.store(zero, Ordering::SeqCst);
    Ok(())
}

/// The page of requests, for the pusher's side: also in a process that got the descriptor by exec.
fn joined(session: &Session) -> Result<&Hatch> {
    if hatch(session).is_none() {
        join(session, 0)?;
    }
    hatch(session).ok_or(libc::EINVAL)
}

pub(crate) fn hatch(session: &Session) -> Option<&Hatch> {
    let hatch = session.hatch.load(Ordering::Acquire);
    // SAFETY: mapped until the session has no users any more.
    (!hatch.is_null()).then(|| unsafe { &*hatch })
}

/// Whether this descriptor's pipe is in zero-copy mode.
#[inline]
pub(crate) fn is_zero(session: &Session) -> bool {
    session.board().zero() != 0
}

/// A place in the program's memory for a mapping, where nothing shows yet.
struct Place {
    at: usize,
    len: usize,
    offset: usize,
    prot: c_int,
}

impl Place {
    /// # Errors
    /// EINVAL: no length, or not at a page's beginning. ENOMEM.
    ///
    /// # Safety
    /// As mmap(2): with MAP_FIXED what is at the address goes.
    unsafe fn reserve(wanted: &Mapping) -> Result<Self> {
        let &Mapping { addr, len, prot, flags, offset } = wanted;
        let len = len.checked_next_multiple_of(PAGE_LEN).filter(|len| *len != 0).ok_or(libc::EINVAL)?;
        if offset % PAGE_LEN != 0 {
            return Err(libc::EINVAL);
        }
        let keep = flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE);
        let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | keep;
        // SAFETY: the caller's promise for fixed addresses.
        let at = unsafe { sys::mmap(addr, len, libc::PROT_NONE, reserve, -1) }? as usize;
        Ok(Self { at, len, offset, prot })
    }

    /// Bytes of the device's memory that it reaches to.
    ///
    /// # Errors
    /// EINVAL: more than there can be.
    fn end(&self) -> Result<u32> {
        self.offset.checked_add(self.len).and_then(|end| u32::try_from(end).ok()).ok_or(libc::EINVAL)
    }

    /// Lets the frames' memory show there.
    ///
    /// # Errors
    /// EINVAL: not inside it. ENOMEM.
    fn show(self, session: &Session) -> Result<usize> {
        let zero = session.zero.load(Ordering::SeqCst);
        let total = session.zero_len.load(Ordering::SeqCst);
        let from = session.frames.load(Ordering::SeqCst);
        if self.end()? as usize > total || session.zero.load(Ordering::SeqCst) != zero {
            return Err(libc::EINVAL);
        }
        // SAFETY: the range lies in our own mapping, and the place is what we reserved.
        unsafe { sys::duplicate(from.add(self.offset), self.len, self.at, self.prot) }?;
        let at = self.at;
        core::mem::forget(self);
        Ok(at)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: nothing shows there, and nobody knows of it.
        unsafe { sys::munmap(self.at as *mut u8, self.len) };
    }
}

/// mmap(2) on an input: from now on the pipe is in zero-copy mode.
///
/// # Errors
/// EBUSY: another's pipe. EBADF: opened for reading only. ENOMEM: more than there can be, or than there is
/// already. EINVAL, ENODEV. The pipe then stays in the mode that it had.
///
/// # Safety
/// As mmap(2): with MAP_FIXED what is at the address goes.
pub(crate) unsafe fn mmap_input(session: &Session, fd: c_int, wanted: &Mapping) -> Result<usize> {
    if !session.access().1 {
        return Err(libc::EBADF);
    }
    // Before anything changes: a mapping that fails leaves the pipe in the mode that it has.
    // SAFETY: the caller's promise.
    let place = unsafe { Place::reserve(wanted) }?;
    let len = place.end()?;
    session.claim()?;
    join(session, len)?;
    session.pusher_fd.store(fd, Ordering::Relaxed);
    arm(session, fd);
    place.show(session)
}

/// mmap(2) on an output of a zero-copy pipe: the pusher's own memory.
///
/// # Errors
/// EINVAL: not inside it. ENOMEM, ENODEV.
///
/// # Safety
/// As mmap(2): with MAP_FIXED what is at the address goes.
pub(crate) unsafe fn mmap_output(session: &Session, wanted: &Mapping) -> Result<usize> {
    // SAFETY: the caller's promise.
    let place = unsafe { Place::reserve(wanted) }?;
    join(session, 0)?;
    place.show(session)
}

// ---------------------------------------------------------------------------------- the pusher's side

/// Lets the kernel send SIGIO for this descriptor as soon as it would not kill the process: when the
/// signal is caught, ignored or blocked. What came before raises it now.
fn arm(session: &Session, fd: c_int) {
    if session.armed.load(Ordering::Relaxed) || !sys::sigio_is_harmless() || !is_certain(fd, session) {
        return;
    }
    if sys::send_sigio(fd).is_err() {
        return;
    }
    session.armed.store(true, Ordering::Relaxed);
    if sys::has_byte(fd) {
        sys::raise_sigio();
    }
}

/// The program changed how it takes signals: pushers that were not armed may be now.
pub(crate) fn signals_changed() {
    session::each(|session| {
        let fd = session.pusher_fd.load(Ordering::Relaxed);
        if fd >= 0 && session.info().input && is_zero(session) {
            arm(session, fd);
        }
    });
}

/// read(2) on an input of a zero-copy pipe: a request's number and its data, or number 0 for a client
/// that has closed. 0 bytes: the request that made the descriptor readable was withdrawn.
///
/// # Errors
/// EAGAIN, EINTR, EFAULT, ENODEV; EINVAL: no room for the number.
pub(crate) fn read(session: &Session, fd: c_int, buf: usize, len: usize) -> Result<usize> {
    let hatch = joined(session)?;
    if len < NUMBER_LEN {
        return Err(libc::EINVAL);
    }
    let room = len.min(NUMBER_LEN + MAX_DATA);
    loop {
        session.alive()?;
        // Before anything is taken, so that a bad address loses nothing.
        user::writable(buf, room).map_err(|_| libc::EFAULT)?;
        if !is_certain(fd, session) {
            return Err(libc::EBADF);
        }
        // One byte for each thing that can be read: what has no byte yet is not readable yet.
        if !sys::take_byte(fd) {
            if !may_wait(fd) {
                return Err(libc::EAGAIN);
            }
            sys::wait_readable(fd)?;
            continue;
        }
        let mut data = [0; MAX_DATA];
        let (number, got) = match hatch.read(&mut data) {
            Some(Taken::Request { number, len }) => (number, len),
            Some(Taken::Closing) => (0, 0),
            // The request was withdrawn. Pushers look whether they got a number; none expects to sleep here.
            None => return Ok(0),
        };
        if session.armed.load(Ordering::Relaxed) && sys::has_byte(fd) {
            // Signals are not counted: what came while one was pending has none of its own, and handlers
            // read one request each.
            sys::raise_sigio();
        }
        let count = (NUMBER_LEN + got).min(room);
        let mut record = [0; NUMBER_LEN + MAX_DATA];
        record[..NUMBER_LEN].copy_from_slice(&(number as usize).to_ne_bytes());
        record[NUMBER_LEN..NUMBER_LEN + got].copy_from_slice(&data[..got]);
        Caller.write(buf, &record[..count]).map_err(|_| libc::EFAULT)?;
        return Ok(count);
    }
}

/// An ioctl on an input of a zero-copy pipe: the answer to the request that was read.
///
/// # Errors
/// EFAULT: the answer's data cannot be read; EINVAL: not the request that waits for an answer. Nothing
/// has changed then.
pub(crate) fn answer(session: &Session, number: u32, arg: usize) -> Result<c_int> {
    let hatch = joined(session)?;
    // Nothing waits: some pushers refuse, and then answer all the same.
    let Some((read, asked)) = hatch.unanswered() else { return Ok(0) };
    let refused = number == request::SINVALID;
    if !refused && number != asked {
        return Err(libc::EINVAL);
    }
    let mut told = [0; MAX_DATA];
    let len = ioc::ioc_size(asked).min(MAX_DATA);
    // SINVALID's argument is garbage.
    if !refused && ioc::ioc_dir(asked) != ioc::NONE {
        Caller.read(arg, &mut told[..len]).map_err(|_| libc::EFAULT)?;
    }
    let answered = hatch.answer(read, |data| {
        if refused {
            return libc::ENOTTY as u32;
        }
        // To accept what was set, a pusher gives back what it was sent.
        if ioc::ioc_dir(asked) == ioc::WRITE && data[..len] != told[..len] {
            return libc::EINVAL as u32;
        }
        *data = told;
        0
    });
    if answered {
        sys::futex_wake_all(hatch.word());
    }
    Ok(0)
}

// ---------------------------------------------------------------------------------- the clients' side

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
struct Turn<'a> {
    session: &'a Session,
    hatch: &'a Hatch,
    /// The memory that the pipe had when the turn was taken: its number, where it is here, its bytes. It
    /// stays mapped until the session ends.
    zero: u32,
    frames: *const u8,
    len: usize,
    _asking: Asking,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.hatch.turn.unlock() {
            sys::futex_wake_all(self.hatch.turn.word());
        }
    }
}

impl<'a> Turn<'a> {
    /// # Errors
    /// EIO: the pusher is gone. EBUSY: by a handler that interrupted a request. EINTR, ENODEV.
    fn take(session: &'a Session) -> Result<Self> {
        join(session, 0).map_err(|e| if e == libc::EINVAL { libc::EIO } else { e })?;
        let zero = session.zero.load(Ordering::SeqCst);
        let hatch = hatch(session).ok_or(libc::EIO)?;
        let frames = session.frames.load(Ordering::SeqCst);
        let len = session.zero_len.load(Ordering::SeqCst);
        if zero == 0 || session.zero.load(Ordering::SeqCst) != zero {
            // Another thread met another pusher meanwhile.
            return Err(libc::EIO);
        }
        let asking = Asking::begin()?;
        let me = process::peer()?;
        while let Err(owner) = hatch.turn.try_lock(me) {
            // Behind a SYNC this may take as long as that.
            session.wait_for_lock(hatch.turn.word(), owner)?;
            if session.board().zero() != zero {
                return Err(libc::EIO);
            }
        }
        Ok(Self { session, hatch, zero, frames, len, _asking: asking })
    }

    /// Asks the pusher, and waits for its answer; `data` then is the answer's.
    ///
    /// # Errors
    /// The errno that the pusher answers with. EIO: it is gone. ETIMEDOUT: it has not answered in the
    /// pipe's time limit, which does not hold for SYNC: a picture takes the time that it takes. EINTR,
    /// ENODEV.
    fn ask(&self, number: u32, data: &mut [u8]) -> Result<()> {
        let (session, hatch) = (self.session, self.hatch);
        let limit = u64::from(session.info().answer_timeout) * 1_000_000;
        let deadline = (limit != 0 && number != request::SYNC).then(|| sys::now() + limit);
        let posted = hatch.post(number, data);
        if let Err(e) = process::post(&Request::Bell { session: session.info().session }) {
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
            if session.board().zero() != self.zero || now.phase() == Phase::Idle {
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
    fn exchange<T: IntoBytes + zerocopy::FromBytes>(&self, number: u32, value: &mut T) -> Result<()> {
        self.ask(number, value.as_mut_bytes())
    }
}

/// An ioctl of a client on a zero-copy pipe.
///
/// # Errors
/// What the pusher answers: ENOTTY for a refusal, EINVAL for a set that it did not accept. EINVAL: more
/// data than a pusher's buffer has room for. EFAULT, EIO, ETIMEDOUT, EINTR, ENODEV.
pub(crate) fn forward(session: &Session, number: u32, arg: usize) -> Result<c_int> {
    let len = ioc::ioc_size(number);
    if len > MAX_DATA - NUMBER_LEN {
        // The pusher's buffer, 1024 bytes by the API document, is for the number too.
        return Err(libc::EINVAL);
    }
    let mut bytes = [0; MAX_DATA];
    let data = &mut bytes[..if ioc::ioc_dir(number) == ioc::NONE { 0 } else { len }];
    Caller.read(arg, data).map_err(|_| libc::EFAULT)?;
    Turn::take(session)?.ask(number, data)?;
    if ioc::ioc_dir(number) & ioc::READ != 0 {
        Caller.write(arg, data).map_err(|_| libc::EFAULT)?;
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
    if whole > turn.len {
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
    unsafe { core::ptr::copy_nonoverlapping(turn.frames, buf as *mut u8, count) };
    Ok(count)
}
