//! The chime: how poll learns that an open file has a V4L2 event to take.
//!
//! An event is POLLPRI on a device, without POLLIN; no object that an unprivileged process can make does
//! that. So a second, hidden descriptor stands for events, which the daemon makes ready with an urgent byte.
//! It is fetched when a program asks for POLLPRI; poll and its kin are hooked and ask the chime instead
//! (`preload/poll.rs`). It belongs to the open file: every process that has the device gets the same one. It
//! is close-on-exec; a new image fetches it anew.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};

use vloopback_wire::{Reply, Request};

use crate::lock::{Local, NoSignals};
use crate::session::{self, Session};
use crate::sys::{self, FdList};
use crate::{process, table};

/// Fetching and moving are one at a time.
static MOVING: Local<()> = Local::new(());
/// Chimes that this process, or the one that it was forked from, ever had: while 0, no number is one.
static EVER: AtomicU32 = AtomicU32::new(0);

/// The chime's number, if there is one and raw system calls have put nothing else there.
pub(crate) fn known(session: &Session) -> Option<c_int> {
    let fd = session.chime.load(Ordering::Acquire) - 1;
    (fd >= 0 && sys::inode(fd) == Some(session.chime_inode.load(Ordering::Relaxed))).then_some(fd)
}

/// The chime's number; it is asked for if it is not there yet. None: it cannot be had.
pub(crate) fn of(session: &Session) -> Option<c_int> {
    let known_already = known(session);
    if known_already.is_some() || process::is_foreign() {
        return known_already;
    }
    let quiet = NoSignals::new();
    let _moving = MOVING.lock(&quiet);
    if let Some(fd) = known(session) {
        return Some(fd);
    }
    let mut fds = FdList::new();
    let asked = process::ask(&Request::Chime { session: session.info().session }, None, &mut fds);
    if !matches!(asked, Ok((Reply::Done, _))) || fds.len() != 1 {
        return None;
    }
    let fd = process::hide(fds.take(0));
    EVER.fetch_add(1, Ordering::SeqCst);
    set(session, fd).then_some(fd)
}

/// Notes the number. False: there is no room for it.
fn set(session: &Session, fd: c_int) -> bool {
    let Some(inode) = sys::inode(fd).filter(|_| table::set(fd, table::HIDDEN).is_some()) else {
        sys::close(fd);
        return false;
    };
    session.chime_inode.store(inode, Ordering::Relaxed);
    session.chime.store(fd + 1, Ordering::Release);
    true
}

/// The session ends here.
pub(crate) fn close(session: &Session) {
    let fd = known(session);
    session.chime.store(0, Ordering::Release);
    if let Some(fd) = fd {
        table::replace(fd, table::HIDDEN, table::UNKNOWN);
        sys::close(fd);
    }
}

/// The first chime among the numbers `first` to `last`.
pub(crate) fn first(first: u32, last: u32) -> Option<u32> {
    if EVER.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let bound = |number: u32| c_int::try_from(number).unwrap_or(c_int::MAX);
    table::first_hidden(bound(first), bound(last)).and_then(|fd| u32::try_from(fd).ok())
}

/// The program is about to take this number: a chime there goes elsewhere.
pub(crate) fn make_room(fd: c_int) {
    if table::get(fd) != table::HIDDEN || process::is_foreign() {
        return;
    }
    let quiet = NoSignals::new();
    let _moving = MOVING.lock(&quiet);
    session::each(|session| {
        if session.chime.load(Ordering::Acquire) == fd + 1 {
            // Not to the same number. With none free the chime is asked for again when it is needed.
            let other = sys::dup_from(fd, fd.saturating_add(1)).or_else(|_| sys::dup_from(fd, 3));
            session.chime.store(0, Ordering::Release);
            if let Ok(other) = other {
                set(session, other);
            }
        }
    });
    table::replace(fd, table::HIDDEN, table::UNKNOWN);
}

/// There is nothing to take: the chime is ready no more. Under the session's lock.
pub(crate) fn hush(session: &Session) {
    let events = &session.page().events;
    if events.has_chime.load(Ordering::SeqCst) == 0 {
        return;
    }
    let Some(fd) = of(session) else { return };
    // The daemon may be about to ring for what was just taken; it is waited for, but not for ever.
    for _ in 0..1000 {
        if events.chiming.load(Ordering::SeqCst) == 0 {
            break;
        }
        sys::give_way();
    }
    if events.is_pending() {
        return;
    }
    sys::drain_urgent(fd);
    sys::drain(fd);
    if events.is_pending() {
        // Posted meanwhile; its byte may be gone. A daemon that is gone is another matter.
        let _ = process::tell(&Request::RingChime { session: session.info().session });
    }
}

/// Whether there is an event to take; if not, the chime is hushed.
pub(crate) fn is_right(session: &Session) -> bool {
    let page = session.page();
    if page.events.is_pending() {
        return true;
    }
    let quiet = NoSignals::new();
    let Ok(me) = process::peer() else { return false };
    if page.lock.try_lock(me).is_ok() {
        hush(session);
        session.unlock_page();
    } else {
        // Whoever has it may be taking the event.
        sys::give_way();
    }
    drop(quiet);
    page.events.is_pending()
}
