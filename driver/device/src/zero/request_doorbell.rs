//! The request doorbell: how a client reaches a zero-copy pusher without the daemon.
//!
//! The pusher's own descriptor is made readable by its other end alone, which only the daemon has: who held it could
//! end the pusher's session, and would hide the daemon's death from it. So the pusher's process has a second, hidden
//! descriptor, the *request doorbell*, whose other end, the *ringing end*, all clients have. What they send there
//! raises SIGIO and makes the request doorbell readable; poll and its kin are hooked and ask it along with the pusher's
//! descriptor (`preload/companion.rs`), read() takes from both. A ringing end is good for nothing else: they are datagram
//! sockets, of which neither hangs up the other. Whoever shuts the ringing end down, or connects it elsewhere, leaves
//! the pusher as it is, and all its clients to the request notifier.
//!
//! A pusher that looks at its descriptor where no hook is (system calls made by hand, an image that has just come by
//! exec) hears by the request notifier, whom a client asks when [`PATIENCE`] is over. If that happens again and again,
//! or the program has put the descriptor into an epoll before there was a request doorbell, clients go to the request
//! notifier at once. So does a client whose ringing end is of no use. A pusher of the SDK, which has no hooks, polls an
//! epoll that has both descriptors (`native_zero.rs`).

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};

use vloopback_ring::pusher_page::PusherPage;
use vloopback_wire::{Reply, Request};

use crate::open_file::{OpenFile, is_certain};
use crate::wait;
use crate::zero::memory;
use vloopback_link::connection;
use vloopback_link::hidden::MOVING;
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, FdList, Result, fork};

/// How long a client that has was_rung the request doorbell waits for its request to be taken, nanoseconds, before it
/// asks the request notifier.
pub const PATIENCE: u64 = 20_000_000;

/// So many requests in a row that were not heard by the request doorbell, and there is none. On a busy machine a pusher
/// that hears is late for a few of them, too.
const UNHEARD: u32 = 10;

/// This process, or the one that it was forked from, has had a request doorbell.
static ANY: AtomicBool = AtomicBool::new(false);

/// See `edge::has_request_doorbells`.
#[inline]
pub fn has_any() -> bool {
    ANY.load(Ordering::Relaxed)
}

/// See `edge::request_doorbell_number`.
#[inline]
pub fn number(session: &OpenFile) -> Option<c_int> {
    session.request_doorbell.number().filter(|_| !session.ignores_doorbell.load(Ordering::Relaxed))
}

/// The request doorbell of a pusher's session, which looks at it. None: there is none.
pub fn heard_at(session: &OpenFile) -> Option<c_int> {
    number(session).and_then(|_| session.request_doorbell.known())
}

/// Gets the pusher its request doorbell, and tells the clients of it. What cannot be had is done without.
pub fn install(session: &OpenFile) {
    let Some(pusher_page) = memory::pusher_page(session) else { return };
    if session.ignores_doorbell.load(Ordering::Relaxed) || fork::is_vfork_child() {
        return;
    }
    if session.request_doorbell.known().is_none() {
        let quiet = NoSignals::new();
        let _moving = MOVING.lock(&quiet);
        if session.request_doorbell.known().is_none() {
            let mut fds = FdList::new();
            if !fetch(session, &mut fds, 2) || session.request_doorbell.put(fds.take(0)).is_none() {
                return;
            }
            session.ringing_end.close();
            session.ringing_end_of.store(session.zero.number.load(Ordering::Relaxed), Ordering::Relaxed);
            let _ = session.ringing_end.put(fds.take(1));
            ANY.store(true, Ordering::Relaxed);
        }
    }
    session.reminded.store(session.claims_page().reminders.load(Ordering::Relaxed), Ordering::Relaxed);
    pusher_page.set_hears(true);
}

/// The pusher does not look at its request doorbell: clients go to the request notifier. One that has was_rung it
/// before does so when its patience is over.
pub fn disable(session: &OpenFile) {
    session.ignores_doorbell.store(true, Ordering::Relaxed);
    if let Some(pusher_page) = memory::pusher_page(session).filter(|_| session.info().input) {
        pusher_page.set_hears(false);
    }
}

/// Asks the daemon for so many descriptors.
fn fetch(session: &OpenFile, fds: &mut FdList, count: usize) -> bool {
    let asked = connection::ask(&Request::RequestDoorbell { session: session.info().session }, None, fds);
    matches!(asked, Ok((Reply::Done, _))) && fds.len() == count
}

/// Whether the pusher can be reached by its request doorbell, as far as is known; the ringing end is fetched if it was
/// not. Before the post: whoever rings between the two rings once more.
pub(super) fn is_in_reach(session: &OpenFile, pusher_page: &PusherPage, zero: u32) -> bool {
    if !pusher_page.hears() {
        return false;
    }
    if session.ringing_end_of.load(Ordering::Relaxed) != zero {
        let quiet = NoSignals::new();
        let _moving = MOVING.lock(&quiet);
        ringing_end(session, zero);
    }
    !session.ignores_doorbell.load(Ordering::Relaxed)
}

/// Strikes the request doorbell of the pusher whose memory has this number: its descriptor is readable, as far as it
/// asks through the library, and SIGIO is raised. By a client that has posted, or by the pusher's own library. False:
/// it has none, or not for us; the request notifier is to be asked ([`memory::wake_notifier`]).
pub(super) fn ring(session: &OpenFile, pusher_page: &PusherPage, zero: u32) -> bool {
    if !is_in_reach(session, pusher_page, zero) {
        return false;
    }
    {
        let quiet = NoSignals::new();
        // Nobody moves or closes it meanwhile: what is sent goes to the request doorbell, and nowhere else.
        let _moving = MOVING.lock(&quiet);
        if !ringing_end(session, zero).is_some_and(sys::send_byte) {
            return false;
        }
    }
    let calls = &session.claims_page().calls;
    calls.fetch_add(1, Ordering::SeqCst);
    if pusher_page.is_read() {
        sys::futex_wake_all(calls);
    }
    true
}

/// The ringing end of that pusher, asked for once. Under [`MOVING`].
fn ringing_end(session: &OpenFile, zero: u32) -> Option<c_int> {
    if session.ringing_end_of.load(Ordering::Relaxed) == zero {
        return session.ringing_end.known();
    }
    // A pusher gets its own with the request doorbell.
    if session.info().input || fork::is_vfork_child() {
        return None;
    }
    // That of a former pusher.
    session.ringing_end.close();
    session.ignores_doorbell.store(false, Ordering::Relaxed);
    session.unheard.store(0, Ordering::Relaxed);
    session.ringing_end_of.store(zero, Ordering::Relaxed);
    let mut fds = FdList::new();
    if fetch(session, &mut fds, 1) { session.ringing_end.put(fds.take(0)) } else { None }
}

/// Sleeps until there may be something for the pusher to read; the kernel restarts it after handlers with
/// SA_RESTART.
///
/// # Errors
/// EINTR.
pub(super) fn wait(session: &OpenFile, pusher_page: &PusherPage, fd: c_int) -> Result<()> {
    let Some(request_doorbell) = heard_at(session) else { return sys::wait_readable(fd) };
    let (calls, kick) = (&session.claims_page().calls, &session.page().kick);
    let words = [calls, kick].map(|word| (word, word.load(Ordering::SeqCst)));
    pusher_page.begin_read();
    let result = if sys::has_message(request_doorbell) || sys::has_byte(fd) || !is_certain(fd, session) {
        Ok(())
    } else {
        wait::until_changed(session.lifeline(), &words, None)
    };
    pusher_page.end_read();
    match result {
        Err(Errno::ENOSYS) => {
            // Linux before 5.16 has no such wait.
            disable(session);
            sys::wait_readable(fd)
        }
        Err(e @ (Errno::EINTR | Errno::ENODEV)) => Err(e),
        _ => Ok(()),
    }
}

/// One more request was not heard by the request doorbell. True: too many in a row.
fn count(session: &OpenFile) -> bool {
    session.unheard.fetch_add(1, Ordering::Relaxed) + 1 >= UNHEARD
}

/// A client's patience is over: it goes to the request notifier.
pub(super) fn was_not_heard(session: &OpenFile) {
    session.claims_page().reminders.fetch_add(1, Ordering::SeqCst);
    if count(session) {
        session.ignores_doorbell.store(true, Ordering::Relaxed);
    }
}

/// A client's request was taken before its patience was over.
pub(super) fn was_heard(session: &OpenFile) {
    session.unheard.store(0, Ordering::Relaxed);
}

/// The pusher has read something: whether there was a message in its request doorbell.
pub(super) fn heard(session: &OpenFile, was_rung: bool) {
    if !was_rung {
        if number(session).is_some() && session.request_doorbell.known().is_none() {
            // Raw calls have closed it.
            install(session);
        }
        return;
    }
    let reminders = session.claims_page().reminders.load(Ordering::SeqCst);
    if session.reminded.swap(reminders, Ordering::Relaxed) == reminders {
        session.unheard.store(0, Ordering::Relaxed);
    } else if count(session) {
        disable(session);
    }
}
