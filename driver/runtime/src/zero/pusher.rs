//! The pusher's side: SIGIO, and read() and ioctl() on an input of a zero-copy pipe.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_abi::v4l1::request;
use vloopback_abi::{Abi, ioc};
use vloopback_ioctl::{UserMemory, forwarded};
use vloopback_ring::hatch::{Answered, Hatch, MAX_DATA, Taken};

use super::{NUMBER_LEN, capture, is_zero, join};
use crate::client::may_wait;
use crate::session::{self, Session, is_certain};
use crate::sys::{self, Result};
use crate::user::{self, Caller};

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

/// Lets the kernel send SIGIO for this descriptor as soon as it would not kill the process: when the
/// signal is caught, ignored or blocked. What came before raises it now.
pub(super) fn arm(session: &Session, fd: c_int) {
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
            Some(Taken::Request { number, len }) => {
                let whole = len == ioc::ioc_size(number);
                let len = if whole { forwarded::narrow(Abi::NATIVE, number, &mut data) } else { len };
                (forwarded::own_number(Abi::NATIVE, number), len)
            }
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
    let own = forwarded::own_number(Abi::NATIVE, asked);
    if !refused && number != own {
        return Err(libc::EINVAL);
    }
    let mut told = [0; MAX_DATA];
    let len = ioc::ioc_size(own).min(MAX_DATA);
    // SINVALID's argument is garbage.
    if !refused && ioc::ioc_dir(asked) != ioc::NONE {
        Caller.read(arg, &mut told[..len]).map_err(|_| libc::EFAULT)?;
    }
    let answered = hatch.answer(read, |data| {
        if refused {
            return libc::ENOTTY as u32;
        }
        // To accept what was set, a pusher gives back what it was sent.
        if ioc::ioc_dir(asked) == ioc::WRITE {
            forwarded::narrow(Abi::NATIVE, asked, data);
            if data[..len] != told[..len] {
                return libc::EINVAL as u32;
            }
        }
        forwarded::widen(Abi::NATIVE, asked, &mut told);
        *data = told;
        0
    });
    tell(session, hatch, answered);
    Ok(0)
}

/// An answer was given: whoever waits for it hears of it.
pub(crate) fn tell(session: &Session, hatch: &Hatch, answered: Option<Answered>) {
    match answered {
        Some(Answered::Client) => sys::futex_wake_all(hatch.word()),
        Some(Answered::Capture { number, errno, head }) => {
            capture::answered(session, hatch, number, errno, &head);
        }
        None => {}
    }
}
