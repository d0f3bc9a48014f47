//! The event doorbell: how poll learns that an open file has a V4L2 event to take.
//!
//! An event is POLLPRI on a device, without POLLIN; no object that an unprivileged process can make does
//! that. So a second, hidden descriptor stands for events, which the daemon makes ready with an urgent byte.
//! It is fetched when a program asks for POLLPRI; poll and its kin are hooked and ask the event doorbell instead
//! (`preload/companion.rs`). It belongs to the open file: every process that has the device gets the same one. It
//! is close-on-exec; a new image fetches it anew.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_wire::{Reply, Request};

use crate::open_file::OpenFile;
use vloopback_link::connection;
use vloopback_link::hidden::MOVING;
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{FdList, fork};

/// The event doorbell's number, if there is one and raw system calls have put nothing else there.
pub fn known(session: &OpenFile) -> Option<c_int> {
    session.event_doorbell.known()
}

/// The event doorbell's number; it is asked for if it is not there yet. None: it cannot be had.
pub fn of(session: &OpenFile) -> Option<c_int> {
    let known_already = known(session);
    if known_already.is_some() || fork::is_vfork_child() {
        return known_already;
    }
    let quiet = NoSignals::new();
    let _moving = MOVING.lock(&quiet);
    if let Some(fd) = known(session) {
        return Some(fd);
    }
    let mut fds = FdList::new();
    let asked = connection::ask(&Request::EventDoorbell { session: session.info().session }, None, &mut fds);
    if !matches!(asked, Ok((Reply::Done, _))) || fds.len() != 1 {
        return None;
    }
    session.event_doorbell.put(fds.take(0))
}

/// Waits while the daemon posts an event and rings for it, or decides not to; not for ever.
pub fn until_posted(session: &OpenFile) {
    let events = &session.page().events;
    sys::wait_while(|| events.ringing.load(Ordering::SeqCst) != 0 && !session.lifeline().is_dead());
}

/// There is nothing to take: the event doorbell is ready no more. Under the session's lock.
pub fn clear(session: &OpenFile) {
    let events = &session.page().events;
    if events.has_doorbell.load(Ordering::SeqCst) == 0 {
        return;
    }
    let Some(fd) = of(session) else { return };
    // The daemon may be about to ring for what was just taken.
    until_posted(session);
    if events.is_pending() {
        return;
    }
    sys::drain_urgent(fd);
    sys::drain(fd);
    if events.is_pending() {
        // Posted meanwhile; its byte may be gone. A daemon that is gone is another matter.
        let _ = connection::tell(&Request::RingEventDoorbell { session: session.info().session });
    }
}

/// Whether there is an event to take; if not, the event doorbell is cleared.
pub fn is_right(session: &OpenFile) -> bool {
    let page = session.page();
    if page.events.is_pending() {
        return true;
    }
    let quiet = NoSignals::new();
    let Ok(me) = connection::peer() else { return false };
    if page.lock.try_lock(me).is_ok() {
        clear(session);
        session.unlock_page();
    } else {
        // Whoever has it may be taking the event.
        sys::give_way();
    }
    drop(quiet);
    page.events.is_pending()
}
