//! Zero-copy mode (driver/docs/old-api.md, "The document" 4 to 8): the pusher's own memory is the clients', and the
//! pusher answers its clients' ioctls itself.
//!
//! A client's request ([`ask`]) goes straight to the pusher's process, over a page of the client's own
//! (`vloopback_ring::slip`); the client makes the pusher's [`gong`] readable, or the daemon the pusher's
//! descriptor, and the kernel sends SIGIO. The pusher's library picks whose turn it is
//! (`vloopback_ring::hatch`). All that a pusher calls here ([`pusher`]) may be called from its signal handler:
//! no lock is waited for that it may have interrupted, and nothing is allocated. Frames for V4L2 clients are
//! the pipe's own captures ([`capture`]).

pub(crate) mod ask;
pub(crate) mod capture;
pub(crate) mod gong;
pub(crate) mod pusher;
mod shown;

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_ring::PAGE_LEN;
use vloopback_ring::hatch::Hatch;
use vloopback_ring::slip::Slip;
use vloopback_wire::{Reply, Request};

use crate::client::own;
use crate::lock::NoSignals;
use crate::process;
use crate::ranges::View;
use crate::session::Session;
use crate::sys::{self, FdList, Result};
use crate::views::Mapping;

/// Bytes of the request's number, an `unsigned long` of the pusher's.
const NUMBER_LEN: usize = size_of::<usize>();
/// The same of a pusher of any word size.
const NUMBER_MAX: usize = size_of::<u64>();

/// Maps the pages and the frames' memory, once a session and memory. `len`: by a pusher, the
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
    // A client gets a page of its own, and cannot write to the pusher's.
    let input = session.info().input;
    if fds.len() != if input { 2 } else { 3 } || len == 0 || zero == 0 {
        return Err(libc::EPROTO);
    }
    sys::check_file(fds.get(0), len as usize)?;
    (1..fds.len()).try_for_each(|k| sys::check_file(fds.get(k), PAGE_LEN))?;
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    let frames_prot = if session.access().1 { rw } else { libc::PROT_READ };
    let hatch_prot = if input { rw } else { libc::PROT_READ };
    let quiet = NoSignals::new();
    let _making = session.ring.lock(&quiet);
    if session.zero.load(Ordering::Acquire) == zero {
        return Ok(());
    }
    let mut maps = [core::ptr::null_mut::<u8>(); 3];
    for (k, (len, prot)) in
        [(len as usize, frames_prot), (PAGE_LEN, hatch_prot), (PAGE_LEN, rw)].into_iter().enumerate()
    {
        if k == fds.len() {
            break;
        }
        // SAFETY: a new mapping of a sealed file of this length.
        match unsafe { sys::mmap(0, len, prot, libc::MAP_SHARED, fds.get(k)) } {
            Ok(at) => maps[k] = at,
            Err(e) => {
                for (at, len) in maps.into_iter().zip([len, PAGE_LEN]).filter(|(at, _)| !at.is_null()) {
                    // SAFETY: made just now, nobody knows of it.
                    unsafe { sys::munmap(at, len) };
                }
                return Err(e);
            }
        }
    }
    let [frames, hatch, slip] = maps;
    // What was mapped before is a former pusher's. It stays while somebody is in it.
    session.keep_zero();
    session.frames.store(frames, Ordering::SeqCst);
    session.zero_len.store(len as usize, Ordering::SeqCst);
    session.hatch.store(hatch.cast(), Ordering::SeqCst);
    session.slip.store(slip.cast(), Ordering::SeqCst);
    session.zero.store(zero, Ordering::SeqCst);
    session.sweep_zero();
    Ok(())
}

/// Being in the memory that a session has of a zero-copy pusher's: it stays mapped meanwhile, whoever
/// pushes by then.
pub(crate) struct Inside<'a> {
    session: &'a Session,
    pub(crate) hatch: &'a Hatch,
    /// The client's own page of requests; a pusher has none.
    pub(crate) slip: Option<&'a Slip>,
    /// Its number on the board, where the frames are here, and their bytes.
    pub(crate) zero: u32,
    pub(crate) frames: *mut u8,
    pub(crate) len: usize,
}

impl<'a> Inside<'a> {
    /// None: nothing is mapped ([`join`]), or another pusher's takes its place at this moment.
    pub(crate) fn enter(session: &'a Session) -> Option<Self> {
        session.inside.fetch_add(1, Ordering::SeqCst);
        let zero = session.zero.load(Ordering::SeqCst);
        let hatch = session.hatch.load(Ordering::SeqCst);
        let slip = session.slip.load(Ordering::SeqCst);
        let frames = session.frames.load(Ordering::SeqCst);
        let len = session.zero_len.load(Ordering::SeqCst);
        if zero == 0 || hatch.is_null() || session.zero.load(Ordering::SeqCst) != zero {
            session.leave_zero();
            return None;
        }
        // SAFETY: mapped while the session counts us.
        let (hatch, slip) = unsafe { (&*hatch, slip.as_ref()) };
        Some(Self { session, hatch, slip, zero, frames, len })
    }
}

/// Being in the memory of the pusher that there is, for a client.
///
/// # Errors
/// EIO: the pusher is gone, or another took its place at this moment. As [`join`] besides.
pub(crate) fn enter(session: &Session) -> Result<Inside<'_>> {
    join(session, 0).map_err(|e| if e == libc::EINVAL { libc::EIO } else { e })?;
    Inside::enter(session).ok_or(libc::EIO)
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.session.leave_zero();
    }
}

/// Lets the daemon make the pusher's descriptor readable if there is something for it. By a client that has
/// posted, or by the pusher's own library, where there is no gong.
pub(crate) fn knock(session: &Session) {
    // A daemon that is gone has nobody to ring.
    let _ = process::post(&Request::Bell { session: session.info().session, knock: true });
}

/// The same, where the daemon has more to look at: somebody has withdrawn, waits for long, or was refused.
///
/// # Errors
/// As [`process::post`].
pub(crate) fn call_daemon(session: &Session) -> Result<()> {
    process::post(&Request::Bell { session: session.info().session, knock: false })
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

    /// Lets the frames' memory show there. Returns which one it is.
    ///
    /// # Errors
    /// EINVAL: not inside it. ENOMEM.
    fn show(&self, session: &Session) -> Result<u32> {
        let inside = Inside::enter(session).ok_or(libc::EINVAL)?;
        if self.end()? as usize > inside.len {
            return Err(libc::EINVAL);
        }
        // SAFETY: the range lies in our own mapping, and the place is what we reserved.
        match unsafe { sys::duplicate(inside.frames.add(self.offset), self.len, self.at, self.prot) } {
            Err(libc::EINVAL) => self.show_again(session, &inside)?,
            shown => shown?,
        }
        Ok(inside.zero)
    }

    /// It is the program's.
    fn keep(self) -> usize {
        let at = self.at;
        core::mem::forget(self);
        at
    }

    /// The same where the system knows no second view of a mapping ([`sys::duplicate`]): the frames' file is asked for
    /// again.
    ///
    /// # Errors
    /// EIO: another pusher's by now. As [`process::ask`], as mmap(2).
    fn show_again(&self, session: &Session, inside: &Inside) -> Result<()> {
        let mut fds = FdList::new();
        let request = Request::Zero { session: session.info().session, len: inside.len as u32 };
        match process::ask(&request, None, &mut fds)? {
            (Reply::Zero { zero, .. }, _) if zero == inside.zero && !fds.is_empty() => {}
            _ => return Err(libc::EIO),
        }
        sys::check_file(fds.get(0), inside.len)?;
        // SAFETY: the place is what we reserved, and the range lies in the file.
        unsafe { sys::map_over(self.at, self.len, self.prot, fds.get(0), self.offset) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: nobody knows of it.
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
    gong::hang(session);
    session.pusher_fd.store(fd, Ordering::Relaxed);
    pusher::arm(session, fd);
    place.show(session)?;
    Ok(place.keep())
}

/// mmap(2) on an output of a zero-copy pipe: the pusher's own memory.
///
/// # Errors
/// EINVAL: not inside it. EBUSY: see [`own`]. ENOMEM, ENODEV.
///
/// # Safety
/// As mmap(2): with MAP_FIXED what is at the address goes.
pub(crate) unsafe fn mmap_output(session: &Session, wanted: &Mapping) -> Result<usize> {
    // SAFETY: the caller's promise.
    let place = unsafe { Place::reserve(wanted) }?;
    join(session, 0)?;
    own(session)?;
    let zero = place.show(session)?;
    let view = View { addr: place.at, len: place.len, offset: place.offset, prot: place.prot };
    shown::mapped(session, view, zero)?;
    Ok(place.keep())
}
