//! A zero-copy pusher's memory: mapping it, being in it, and calling the other side.

use core::sync::atomic::Ordering;

use vloopback_ring::PAGE_LEN;
use vloopback_ring::pusher_page::PusherPage;
use vloopback_ring::request_slot::RequestSlot;
use vloopback_wire::{Reply, Request};

use crate::open_file::OpenFile;
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, FdList, Result};

/// Maps the pages and the frames' memory, once a session and memory. `len`: by a pusher, the
/// bytes that it wants.
pub fn join(session: &OpenFile, len: u32) -> Result<()> {
    let in_force = session.board().zero();
    if in_force != 0 && session.zero.number.load(Ordering::Acquire) == in_force {
        let have = session.zero.len.load(Ordering::Relaxed);
        return if len as usize <= have { Ok(()) } else { Err(Errno::ENOMEM) };
    }
    let mut fds = FdList::new();
    let request = Request::Zero { session: session.info().session, len };
    let (reply, _) = connection::ask(&request, None, &mut fds)?;
    let Reply::Zero { zero, len } = reply else { return Err(Errno::EPROTO) };
    // A client gets a page of its own, and cannot write to the pusher's.
    let input = session.info().input;
    if fds.len() != if input { 2 } else { 3 } || len == 0 || zero == 0 {
        return Err(Errno::EPROTO);
    }
    sys::check_file(fds.get(0), len as usize)?;
    (1..fds.len()).try_for_each(|k| sys::check_file(fds.get(k), PAGE_LEN))?;
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    let frames_prot = if session.access().1 { rw } else { libc::PROT_READ };
    let pusher_page_prot = if input { rw } else { libc::PROT_READ };
    let quiet = NoSignals::new();
    let _making = session.ring.lock(&quiet);
    if session.zero.number.load(Ordering::Acquire) == zero {
        return Ok(());
    }
    let mut maps = [core::ptr::null_mut::<u8>(); 3];
    for (k, (len, prot)) in
        [(len as usize, frames_prot), (PAGE_LEN, pusher_page_prot), (PAGE_LEN, rw)].into_iter().enumerate()
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
    let [frames, pusher_page, request_slot] = maps;
    // What was mapped before is a former pusher's. It stays while somebody is in it.
    session.zero.keep();
    session.zero.frames.store(frames, Ordering::SeqCst);
    session.zero.len.store(len as usize, Ordering::SeqCst);
    session.zero.pusher_page.store(pusher_page.cast(), Ordering::SeqCst);
    session.zero.request_slot.store(request_slot.cast(), Ordering::SeqCst);
    session.zero.number.store(zero, Ordering::SeqCst);
    session.zero.sweep();
    Ok(())
}

/// Being in the memory that a session has of a zero-copy pusher's: it stays mapped meanwhile, whoever
/// pushes by then.
pub struct Inside<'a> {
    session: &'a OpenFile,
    /// The pusher's page.
    pub pusher_page: &'a PusherPage,
    /// The client's own page of requests; a pusher has none.
    pub request_slot: Option<&'a RequestSlot>,
    /// Its number on the board.
    pub zero: u32,
    /// Where the frames are here.
    pub frames: *mut u8,
    /// Their bytes.
    pub len: usize,
}

impl<'a> Inside<'a> {
    /// None: nothing is mapped ([`join`]), or another pusher's takes its place at this moment.
    pub fn enter(session: &'a OpenFile) -> Option<Self> {
        session.zero.inside.fetch_add(1, Ordering::SeqCst);
        let zero = session.zero.number.load(Ordering::SeqCst);
        let pusher_page = session.zero.pusher_page.load(Ordering::SeqCst);
        let request_slot = session.zero.request_slot.load(Ordering::SeqCst);
        let frames = session.zero.frames.load(Ordering::SeqCst);
        let len = session.zero.len.load(Ordering::SeqCst);
        if zero == 0 || pusher_page.is_null() || session.zero.number.load(Ordering::SeqCst) != zero {
            session.zero.leave();
            return None;
        }
        // SAFETY: mapped while the session counts us.
        let (pusher_page, request_slot) = unsafe { (&*pusher_page, request_slot.as_ref()) };
        Some(Self { session, pusher_page, request_slot, zero, frames, len })
    }
}

/// Being in the memory of the pusher that there is, for a client.
///
/// # Errors
/// EIO: the pusher is gone, or another took its place at this moment. As [`join`] besides.
pub fn enter(session: &OpenFile) -> Result<Inside<'_>> {
    join(session, 0).map_err(|e| if e == Errno::EINVAL { Errno::EIO } else { e })?;
    Inside::enter(session).ok_or(Errno::EIO)
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.session.zero.leave();
    }
}

/// Lets the daemon make the pusher's descriptor readable if there is something for it. By a client that has
/// posted, or by the pusher's own library, where there is no request doorbell.
pub fn wake_notifier(session: &OpenFile) {
    // A daemon that is gone has nobody to ring.
    let _ = connection::post(&Request::Doorbell { session: session.info().session, asked: true });
}

/// The same, where the daemon has more to look at: somebody has withdrawn, waits for long, or was refused.
///
/// # Errors
/// As [`connection::post`].
pub fn call_daemon(session: &OpenFile) -> Result<()> {
    connection::post(&Request::Doorbell { session: session.info().session, asked: false })
}

/// Whether this descriptor's pipe is in zero-copy mode.
#[inline]
pub fn is_zero(session: &OpenFile) -> bool {
    session.board().zero() != 0
}

/// The pusher's page, if it is mapped.
pub fn pusher_page(session: &OpenFile) -> Option<&PusherPage> {
    let pusher_page = session.zero.pusher_page.load(Ordering::Acquire);
    // SAFETY: mapped until the session has no users any more.
    (!pusher_page.is_null()).then(|| unsafe { &*pusher_page })
}
