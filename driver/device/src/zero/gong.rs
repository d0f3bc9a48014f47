//! The gong: how a client reaches a zero-copy pusher without the daemon.
//!
//! The pusher's own descriptor is made readable by its other end alone, which only the daemon has: who held
//! it could end the pusher's session, and would hide the daemon's death from it. So the pusher's process has
//! a second, hidden descriptor, the *gong*, whose other end, the *mallet*, all clients have. What they send
//! there raises SIGIO and makes the gong readable; poll and its kin are hooked and ask it along with the
//! pusher's descriptor (`preload/poll.rs`), read() takes from both. A mallet is good for nothing else: they are
//! datagram sockets, of which neither hangs up the other. Whoever shuts the mallet down, or connects it
//! elsewhere, leaves the pusher as it is, and all its clients to the doorman.
//!
//! A pusher that looks at its descriptor where no hook is (system calls made by hand, an image that has just
//! come by exec) hears by the doorman, whom a client asks when [`PATIENCE`] is over. If that happens again and
//! again, or the program has put the descriptor into an epoll before there was a gong, clients go to the
//! doorman at once. So does a client whose mallet is of no use. A pusher of the SDK, which has no hooks, polls an
//! epoll that has both descriptors (`native_zero.rs`).

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};

use vloopback_ring::hatch::Hatch;
use vloopback_wire::{Reply, Request};

use crate::open_file::{OpenFile, is_certain};
use crate::wait;
use crate::zero::memory;
use vloopback_link::connection;
use vloopback_link::hidden::MOVING;
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{FdList, Result, fork};

/// How long a client that has struck the gong waits for its request to be taken, nanoseconds, before it asks
/// the doorman.
pub const PATIENCE: u64 = 20_000_000;

/// So many requests in a row that were not heard by the gong, and there is none. On a busy machine a pusher that
/// hears is late for a few of them, too.
const UNHEARD: u32 = 10;

/// This process, or the one that it was forked from, has had a gong.
static ANY: AtomicBool = AtomicBool::new(false);

/// See `edge::has_gongs`.
#[inline]
pub fn has_any() -> bool {
    ANY.load(Ordering::Relaxed)
}

/// See `edge::gong_number`.
#[inline]
pub fn number(session: &OpenFile) -> Option<c_int> {
    session.gong.number().filter(|_| !session.deaf.load(Ordering::Relaxed))
}

/// The gong of a pusher's session, which looks at it. None: there is none.
pub fn heard_at(session: &OpenFile) -> Option<c_int> {
    number(session).and_then(|_| session.gong.known())
}

/// Gets the pusher its gong, and tells the clients of it. What cannot be had is done without.
pub fn hang(session: &OpenFile) {
    let Some(hatch) = memory::hatch(session) else { return };
    if session.deaf.load(Ordering::Relaxed) || fork::is_vfork_child() {
        return;
    }
    if session.gong.known().is_none() {
        let quiet = NoSignals::new();
        let _moving = MOVING.lock(&quiet);
        if session.gong.known().is_none() {
            let mut fds = FdList::new();
            if !fetch(session, &mut fds, 2) || session.gong.put(fds.take(0)).is_none() {
                return;
            }
            session.mallet.close();
            session.mallet_of.store(session.zero.number.load(Ordering::Relaxed), Ordering::Relaxed);
            let _ = session.mallet.put(fds.take(1));
            ANY.store(true, Ordering::Relaxed);
        }
    }
    session.reminded.store(session.desk().reminders.load(Ordering::Relaxed), Ordering::Relaxed);
    hatch.set_hears(true);
}

/// The pusher does not look at its gong: clients go to the doorman. One that has struck it before does so when
/// its patience is over.
pub fn plug(session: &OpenFile) {
    session.deaf.store(true, Ordering::Relaxed);
    if let Some(hatch) = memory::hatch(session).filter(|_| session.info().input) {
        hatch.set_hears(false);
    }
}

/// Asks the daemon for so many descriptors.
fn fetch(session: &OpenFile, fds: &mut FdList, count: usize) -> bool {
    let asked = connection::ask(&Request::Gong { session: session.info().session }, None, fds);
    matches!(asked, Ok((Reply::Done, _))) && fds.len() == count
}

/// Whether the pusher can be reached by its gong, as far as is known; the mallet is fetched if it was not. Before
/// the post: whoever rings between the two rings once more.
pub(super) fn is_in_reach(session: &OpenFile, hatch: &Hatch, zero: u32) -> bool {
    if !hatch.hears() {
        return false;
    }
    if session.mallet_of.load(Ordering::Relaxed) != zero {
        let quiet = NoSignals::new();
        let _moving = MOVING.lock(&quiet);
        mallet(session, zero);
    }
    !session.deaf.load(Ordering::Relaxed)
}

/// Strikes the gong of the pusher whose memory has this number: its descriptor is readable, as far as it asks
/// through the library, and SIGIO is raised. By a client that has posted, or by the pusher's own library.
/// False: it has none, or not for us; the doorman is to be asked ([`memory::knock`]).
pub(super) fn strike(session: &OpenFile, hatch: &Hatch, zero: u32) -> bool {
    if !is_in_reach(session, hatch, zero) {
        return false;
    }
    {
        let quiet = NoSignals::new();
        // Nobody moves or closes it meanwhile: what is sent goes to the gong, and nowhere else.
        let _moving = MOVING.lock(&quiet);
        if !mallet(session, zero).is_some_and(sys::send_byte) {
            return false;
        }
    }
    let calls = &session.desk().calls;
    calls.fetch_add(1, Ordering::SeqCst);
    if hatch.is_read() {
        sys::futex_wake_all(calls);
    }
    true
}

/// The mallet of that pusher, asked for once. Under [`MOVING`].
fn mallet(session: &OpenFile, zero: u32) -> Option<c_int> {
    if session.mallet_of.load(Ordering::Relaxed) == zero {
        return session.mallet.known();
    }
    // A pusher gets its own with the gong.
    if session.info().input || fork::is_vfork_child() {
        return None;
    }
    // That of a former pusher.
    session.mallet.close();
    session.deaf.store(false, Ordering::Relaxed);
    session.unheard.store(0, Ordering::Relaxed);
    session.mallet_of.store(zero, Ordering::Relaxed);
    let mut fds = FdList::new();
    if fetch(session, &mut fds, 1) { session.mallet.put(fds.take(0)) } else { None }
}

/// Sleeps until there may be something for the pusher to read; the kernel restarts it after handlers with
/// SA_RESTART.
///
/// # Errors
/// EINTR.
pub(super) fn wait(session: &OpenFile, hatch: &Hatch, fd: c_int) -> Result<()> {
    let Some(gong) = heard_at(session) else { return sys::wait_readable(fd) };
    let (calls, kick) = (&session.desk().calls, &session.page().kick);
    let words = [calls, kick].map(|word| (word, word.load(Ordering::SeqCst)));
    hatch.begin_read();
    let result = if sys::has_message(gong) || sys::has_byte(fd) || !is_certain(fd, session) {
        Ok(())
    } else {
        wait::until_changed(session.lifeline(), &words, None)
    };
    hatch.end_read();
    match result {
        Err(libc::ENOSYS) => {
            // Linux before 5.16 has no such wait.
            plug(session);
            sys::wait_readable(fd)
        }
        Err(e @ (libc::EINTR | libc::ENODEV)) => Err(e),
        _ => Ok(()),
    }
}

/// One more request was not heard by the gong. True: too many in a row.
fn count(session: &OpenFile) -> bool {
    session.unheard.fetch_add(1, Ordering::Relaxed) + 1 >= UNHEARD
}

/// A client's patience is over: it goes to the doorman.
pub(super) fn was_not_heard(session: &OpenFile) {
    session.desk().reminders.fetch_add(1, Ordering::SeqCst);
    if count(session) {
        session.deaf.store(true, Ordering::Relaxed);
    }
}

/// A client's request was taken before its patience was over.
pub(super) fn was_heard(session: &OpenFile) {
    session.unheard.store(0, Ordering::Relaxed);
}

/// The pusher has read something: whether there was a message in its gong.
pub(super) fn heard(session: &OpenFile, struck: bool) {
    if !struck {
        if number(session).is_some() && session.gong.known().is_none() {
            // Raw calls have closed it.
            hang(session);
        }
        return;
    }
    let reminders = session.desk().reminders.load(Ordering::SeqCst);
    if session.reminded.swap(reminders, Ordering::Relaxed) == reminders {
        session.unheard.store(0, Ordering::Relaxed);
    } else if count(session) {
        plug(session);
    }
}
