//! From the program's descriptor numbers to open files.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_wire::{DEVICE_MODE, DEVICE_PREFIX, Reply, Request};

use crate::monitor;
use vloopback_device::files::Files;
use vloopback_device::open_file::{OpenFile, Pin};
use vloopback_device::zero::turn;
use vloopback_link::hidden::MOVING;
use vloopback_link::{connection, environment, table};
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, FdList, Result, fork};

/// The open files of this process.
pub(crate) static OWN: Files = Files::new();

/// Whether `fd` is a device of some daemon, by its permission bits and by its peer's name.
fn is_device(fd: c_int) -> bool {
    if sys::socket_mode(fd) != Some(DEVICE_MODE) {
        return false;
    }
    let mut name = [0u8; 110];
    sys::peer_name(fd, &mut name).is_some_and(|len| name[2..len].starts_with(DEVICE_PREFIX))
}

/// Enters a descriptor of a session into the table.
fn enter(fd: c_int, session: &'static OpenFile) -> Result<()> {
    session.numbers.fetch_add(1, Ordering::AcqRel);
    match table::set(fd, core::ptr::from_ref(session) as usize) {
        Some(old) => {
            // The number was closed behind our back.
            leave(old);
            Ok(())
        }
        None => {
            session.numbers.fetch_sub(1, Ordering::AcqRel);
            Err(Errno::EMFILE)
        }
    }
}

/// A descriptor has left the table. Returns the session if that was its last one in this process.
fn leave(entry: usize) -> Option<u32> {
    if !table::is_session(entry) {
        return None;
    }
    // SAFETY: other values in the table are sessions, which are never unmapped.
    let session: &'static OpenFile = unsafe { &*(entry as *const OpenFile) };
    if session.numbers.fetch_sub(1, Ordering::AcqRel) == 1 {
        // Whoever waits in a call must see that the device is closed.
        let number = session.acquire().map(|pin| {
            if !pin.zero.request_slot.load(Ordering::Acquire).is_null() {
                turn::forget(&pin, sys::thread());
            }
            pin.kick();
            pin.info().session
        });
        session.release();
        return number;
    }
    None
}

/// Opens node `node`. Returns the descriptor.
pub(crate) fn open(node: u32, flags: c_int) -> Result<c_int> {
    // Nobody interrupts between the descriptor and its entry.
    let _quiet = NoSignals::new();
    let (fd, session) = OWN.open(node, flags, environment::is_legacy())?;
    let entered = if flags & libc::O_CLOEXEC == 0 { sys::keep_on_exec(fd) } else { Ok(()) }
        .and_then(|()| enter(fd, session));
    if let Err(e) = entered {
        session.release();
        sys::close(fd);
        return Err(e);
    }
    Ok(fd)
}

/// Looks at a number of which nothing is known (or which may be another's by now).
#[cold]
pub(crate) fn look(fd: c_int) -> Option<Pin> {
    loop {
        match try_to_look(fd) {
            // A handler was to run, and has: what the number is still has to be known.
            Err(Errno::EINTR | connection::RESTART) => {}
            Ok(found) => return found,
            // A server that does not answer: it stays unknown.
            Err(_) => return None,
        }
    }
}

/// # Errors
/// EINTR, [`connection::RESTART`]: a handler is to run. ETIMEDOUT: the server does not answer.
fn try_to_look(fd: c_int) -> Result<Option<Pin>> {
    let seen = table::get(fd);
    if !is_device(fd) {
        if fork::is_vfork_child() {
            return Ok(None);
        }
        if table::replace(fd, seen, table::OTHER) {
            leave(seen);
        }
        return Ok(None);
    }
    if fork::is_vfork_child() {
        return Ok(None);
    }
    let mut fds = FdList::new();
    let quiet = NoSignals::new();
    let making = OWN.making.lock(&quiet);
    let attached = connection::ask(&Request::Attach, Some(fd), &mut fds);
    let (info, lifeline) = match attached {
        Ok((Reply::Session(info), lifeline)) if fds.len() == 3 => (info, lifeline),
        Err(e @ (Errno::EINTR | connection::RESTART | Errno::ETIMEDOUT)) => return Err(e),
        _ => {
            table::replace(fd, seen, table::OTHER);
            return Ok(None);
        }
    };
    let (session, found) = match OWN.find(&info, lifeline) {
        Some(pin) => (pin.file(), Some(pin)),
        None => match OWN.make(info, lifeline, [fds.get(0), fds.get(1), fds.get(2)]) {
            Ok(session) => (session, None),
            Err(_) => return Ok(None),
        },
    };
    drop(making);
    if enter(fd, session).is_err() {
        return Ok(None);
    }
    Ok(found.or_else(|| session.acquire()))
}

/// The session behind a number, looked at once if it is unknown.
#[inline]
pub(crate) fn of(fd: c_int) -> Option<Pin> {
    loop {
        let entry = table::get(fd);
        if entry == table::UNKNOWN {
            return look(fd);
        }
        if !table::is_session(entry) {
            return None;
        }
        // SAFETY: other values in the table are sessions, which are never unmapped.
        let session: &'static OpenFile = unsafe { &*(entry as *const OpenFile) };
        if let Some(pin) = session.acquire() {
            if table::get(fd) == entry {
                return Some(pin);
            }
        } else if table::get(fd) == entry {
            return None;
        }
    }
}

/// The descriptor is about to be closed: it is unknown from now on. Returns the session if that was its last one in this
/// process.
pub(crate) fn forget(fd: c_int) -> Option<u32> {
    let entry = table::get(fd);
    if entry == table::UNKNOWN || (table::is_session(entry) && fork::is_vfork_child()) {
        return None;
    }
    if !table::is_session(entry) {
        // Only from "other" to unknown: no session changes, and in a vfork child it costs the
        // parent one more look.
        table::replace(fd, entry, table::UNKNOWN);
        return None;
    }
    if table::replace(fd, entry, table::UNKNOWN) { leave(entry) } else { None }
}

/// A session's last descriptor in this process was really closed. When this returns, the daemon knows.
pub(crate) fn closed(session: u32) {
    // A daemon that is gone has nothing left to end.
    let _ = connection::tell(&Request::Closed { session });
}

/// `new` is a duplicate of `old` now.
pub(crate) fn duplicated(old: c_int, new: c_int) {
    if old == new {
        return;
    }
    // What is hidden is no business of the program's, its duplicate is.
    let entry = Some(table::get(old)).filter(|&entry| entry != table::HIDDEN).unwrap_or(table::UNKNOWN);
    let was = table::get(new);
    if entry == table::UNKNOWN && was == table::UNKNOWN {
        return;
    }
    if fork::is_vfork_child() {
        return;
    }
    if !table::is_session(entry) {
        if let Some(old) = table::set(new, entry) {
            leave(old);
        }
        return;
    }
    // SAFETY: other values in the table are sessions, which are never unmapped.
    let session: &'static OpenFile = unsafe { &*(entry as *const OpenFile) };
    if let Some(_pin) = session.acquire() {
        let _ = enter(new, session);
    }
}

/// The program is about to use this number (dup2): a hidden descriptor there moves elsewhere.
pub(crate) fn make_room(fd: c_int) {
    if table::get(fd) != table::HIDDEN || fork::is_vfork_child() {
        return;
    }
    let quiet = NoSignals::new();
    let _moving = MOVING.lock(&quiet);
    OWN.each(|session| {
        for hidden in session.hidden() {
            hidden.leave(fd);
        }
    });
    monitor::each_hidden(|hidden| hidden.leave(fd));
    table::replace(fd, table::HIDDEN, table::UNKNOWN);
}
