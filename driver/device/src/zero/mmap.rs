//! mmap(2) on the nodes of a zero-copy pipe.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_ring::PAGE_LEN;
use vloopback_wire::{Reply, Request};

use crate::caller::Call;
use crate::mappings::Mapping;
use crate::open_file::{OpenFile, own};
use crate::ranges::View;
use crate::zero::memory::{Inside, join};
use crate::zero::{pusher, request_doorbell, shown};
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::{Errno, FdList, Result};

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
        let len = len.checked_next_multiple_of(PAGE_LEN).filter(|len| *len != 0).ok_or(Errno::EINVAL)?;
        if offset % PAGE_LEN != 0 {
            return Err(Errno::EINVAL);
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
        self.offset.checked_add(self.len).and_then(|end| u32::try_from(end).ok()).ok_or(Errno::EINVAL)
    }

    /// Lets the frames' memory show there. Returns which one it is.
    ///
    /// # Errors
    /// EINVAL: not inside it. ENOMEM.
    fn show(&self, session: &OpenFile) -> Result<u32> {
        let inside = Inside::enter(session).ok_or(Errno::EINVAL)?;
        if self.end()? as usize > inside.len {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the range lies in our own mapping, and the place is what we reserved.
        match unsafe { sys::duplicate(inside.frames.add(self.offset), self.len, self.at, self.prot) } {
            Err(Errno::EINVAL) => self.show_again(session, &inside)?,
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
    /// EIO: another pusher's by now. As [`connection::ask`], as mmap(2).
    fn show_again(&self, session: &OpenFile, inside: &Inside) -> Result<()> {
        let mut fds = FdList::new();
        let request = Request::Zero { session: session.info().session, len: inside.len as u32 };
        match connection::ask(&request, None, &mut fds)? {
            (Reply::Zero { zero, .. }, _) if zero == inside.zero && !fds.is_empty() => {}
            _ => return Err(Errno::EIO),
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
pub unsafe fn mmap_input(call: &Call, wanted: &Mapping) -> Result<usize> {
    let session = call.file;
    if !session.access().1 {
        return Err(Errno::EBADF);
    }
    // Before anything changes: a mapping that fails leaves the pipe in the mode that it has.
    // SAFETY: the caller's promise.
    let place = unsafe { Place::reserve(wanted) }?;
    let len = place.end()?;
    session.claim()?;
    join(session, len)?;
    request_doorbell::install(session);
    if let Some(fd) = call.caller.device(session) {
        session.pusher_fd.store(fd, Ordering::Relaxed);
        // The caller has looked that it is the session's.
        pusher::arm(session, fd, || true);
    }
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
pub unsafe fn mmap_output(session: &OpenFile, wanted: &Mapping) -> Result<usize> {
    // SAFETY: the caller's promise.
    let place = unsafe { Place::reserve(wanted) }?;
    join(session, 0)?;
    own(session)?;
    let zero = place.show(session)?;
    let view = View { addr: place.at, len: place.len, offset: place.offset, prot: place.prot };
    shown::mapped(session, view, zero)?;
    Ok(place.keep())
}
