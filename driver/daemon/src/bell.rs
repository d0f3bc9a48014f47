//! The ringer: makes the descriptors of clients readable that may be waiting in poll.
//!
//! A client that waits inside a call of ours sleeps on the log's futex, and the pusher wakes it
//! itself. One that waits in poll, select or epoll waits for its descriptor; the daemon holds the
//! other end of that, so a thread of the daemon, one a pipe that is being watched, writes the byte.
//! The pusher wakes the thread through a futex on the desk and does not wait for it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use vloopback_ring::hatch::Hatch;
use vloopback_ring::{Desk, RINGING, SessionPage, find_oldest};

use crate::futex;
use crate::memory::{Page, RingMemory};

/// One session's part in it.
#[derive(Debug)]
struct Ringing {
    session: u32,
    client: u32,
    /// Opened by a legacy process.
    legacy: bool,
    end: Arc<OwnedFd>,
    page: Arc<Page<SessionPage>>,
}

impl Ringing {
    /// The old rules hold for it: no pusher, no frames.
    fn is_old(&self) -> bool {
        self.legacy || self.page.v4l1.load(Ordering::Relaxed) != 0
    }
}

#[derive(Debug, Default)]
struct State {
    sessions: Vec<Ringing>,
    ring: Option<Arc<RingMemory>>,
    fed: bool,
    /// Nobody feeds the pipe, and the placeholder is shown on it.
    card: bool,
    /// In zero-copy mode: which memory, and its page of requests.
    zero: Option<(u32, Arc<Page<Hatch>>)>,
    running: bool,
}

/// A pipe's bell.
#[derive(Debug)]
pub(crate) struct Bell {
    desk: Arc<Page<Desk>>,
    state: Mutex<State>,
}

impl Bell {
    pub(crate) fn new(desk: Arc<Page<Desk>>) -> Arc<Self> {
        Arc::new(Self { desk, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `session` is seen to. Starts the thread with the first one.
    pub(crate) fn add(
        self: &Arc<Self>,
        session: u32,
        client: u32,
        legacy: bool,
        end: Arc<OwnedFd>,
        page: Arc<Page<SessionPage>>,
    ) -> Result<(), Errno> {
        let mut state = self.state();
        if state.sessions.iter().any(|s| s.session == session) {
            return Ok(());
        }
        state.sessions.push(Ringing { session, client, legacy, end, page });
        if !state.running {
            let bell = self.clone();
            std::thread::Builder::new()
                .name("ringer".into())
                .stack_size(64 * 1024)
                .spawn(move || bell.run())
                .map_err(|_| Errno::EAGAIN)?;
            state.running = true;
        }
        Ok(())
    }

    /// `session` streams no more. The thread ends with the last one.
    pub(crate) fn remove(&self, session: u32) {
        self.state().sessions.retain(|s| s.session != session);
        self.ring();
    }

    /// The ring in force, whether somebody feeds it, and if not, whether the placeholder is shown on it.
    pub(crate) fn set_ring(&self, ring: Option<Arc<RingMemory>>, fed: bool, card: bool) {
        {
            let mut state = self.state();
            state.ring = ring;
            state.fed = fed;
            state.card = card;
        }
        self.ring();
    }

    /// The zero-copy pusher that there is.
    pub(crate) fn set_zero(&self, number: u32, hatch: Option<Arc<Page<Hatch>>>) {
        let zero = hatch.filter(|_| number != 0).map(|hatch| (number, hatch));
        self.state().zero = zero;
        self.ring();
    }

    /// Wakes the thread.
    pub(crate) fn ring(&self) {
        self.desk.bell.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.desk.bell);
    }

    fn run(self: Arc<Self>) {
        loop {
            let seen = self.desk.bell.load(Ordering::SeqCst);
            {
                let mut state = self.state();
                if state.sessions.is_empty() {
                    state.running = false;
                    return;
                }
                self.round(&state);
            }
            futex::wait(&self.desk.bell, seen);
        }
    }

    /// Makes every armed session readable that has something to see.
    fn round(&self, state: &State) {
        // Cleared before the look, so that who arms itself meanwhile is seen next time.
        self.desk.clear_armed();
        for session in &state.sessions {
            let page = &session.page;
            if page.armed.load(Ordering::SeqCst) == 0 {
                continue;
            }
            if !state.is_ready(session) {
                self.desk.arm(session.client);
                continue;
            }
            // A client that takes the frame from here on waits for the byte; one that has just taken it is
            // seen by the second look. So no byte comes to one that has nothing to take.
            let before = page.rung.swap(RINGING, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if state.is_ready(session) && page.armed.swap(0, Ordering::SeqCst) != 0 {
                // A full queue is readable already; a dead peer is the main loop's business.
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                let _ = send(session.end.as_raw_fd(), &[1], flags);
                page.rung.store(1, Ordering::SeqCst);
            } else {
                let _ = page.rung.compare_exchange(
                    RINGING,
                    u32::from(before != 0),
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                );
                self.desk.arm(session.client);
            }
        }
    }
}

impl State {
    /// Whether a call of the session's would return at once.
    fn is_ready(&self, session: &Ringing) -> bool {
        let page = &session.page;
        let last = page.last.load(Ordering::SeqCst);
        let old = session.is_old();
        // Publications are counted on from ring to ring, so that `last` is good for a new one too: a
        // client is woken by its first frame, not by the ring.
        let ring = self.ring.as_ref();
        let has_frame =
            ring.is_some_and(|r| find_oldest(&r.log, r.slots() as usize, u32::MAX, last).is_some());
        let live = (ring.is_some() || self.zero.is_some()) && (self.fed || (self.card && !old));
        // Nobody feeds. Who waits for a pusher all the same goes on waiting, after what there still is;
        // to all others a read says so at once, and poll must let it.
        let hasty = old || page.patient.load(Ordering::Relaxed) == 0;
        // A zero-copy pusher has refused to capture since the client met it: the next call tells.
        let news = self.zero.as_ref().is_some_and(|(number, hatch)| {
            let met = page.zero.load(Ordering::SeqCst) == *number;
            hatch.refusals() != if met { page.refusals.load(Ordering::SeqCst) } else { 0 }
        });
        has_frame || news || (!live && hasty)
    }
}
