//! The poll notifier: makes the descriptors of clients readable that may be waiting in poll.
//!
//! A client that waits inside a call of the library sleeps on the log's futex, and the pusher wakes it
//! itself. A client in poll, select or epoll waits for its descriptor. The daemon holds the other end of
//! that, so a thread of the daemon, one for each watched pipe, writes the byte.
//! The pusher wakes the thread by a word of its own session's page, and does not wait for it. Clients do not have that
//! page: a process that has a page can keep others asleep that sleep on a word of it (runtime/wait.rs). Clients that
//! must wake the thread tell the main thread. The pusher itself could keep its own pipe's clients asleep; so the thread
//! looks by itself every 50 ms while somebody waits in poll.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use vloopback_ring::pusher_page::PusherPage;
use vloopback_ring::{ClaimsPage, RINGING, SessionPage, find_oldest};

use crate::futex;
use crate::memory::{Page, RingMemory};

/// What the poll notifier knows of one session.
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
        self.page.is_old(self.legacy)
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
    zero: Option<(u32, Arc<Page<PusherPage>>)>,
    /// The page of the pusher's session, while there is a pusher.
    pusher: Option<Arc<Page<SessionPage>>>,
    /// How often its library had reported that the kernel refused to wake clients, at the last look.
    refused: u32,
    running: bool,
}

/// The longest sleep while somebody waits in poll for a pusher.
const SLICE: Duration = Duration::from_millis(50);

/// A pipe's poll notifier.
#[derive(Debug)]
pub(crate) struct PollNotifier {
    claims_page: Arc<Page<ClaimsPage>>,
    state: Mutex<State>,
    /// Changes with each [`PollNotifier::ring`]; the thread sleeps on it while there is no pusher.
    rung: AtomicU32,
}

impl PollNotifier {
    pub(crate) fn new(claims_page: Arc<Page<ClaimsPage>>) -> Arc<Self> {
        Arc::new(Self { claims_page, state: Mutex::default(), rung: AtomicU32::new(0) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves `session` from now on. The first one starts the thread.
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
            let poll_notifier = self.clone();
            std::thread::Builder::new()
                .name("poll notifier".into())
                .stack_size(64 * 1024)
                .spawn(move || poll_notifier.run())
                .map_err(|_| Errno::EAGAIN)?;
            state.running = true;
        }
        Ok(())
    }

    /// `session` no longer streams. The thread ends with the last one.
    pub(crate) fn remove(&self, session: u32) {
        let mut state = self.state();
        let before = state.sessions.len();
        state.sessions.retain(|s| s.session != session);
        let removed = state.sessions.len() != before;
        drop(state);
        if removed {
            self.ring();
        }
    }

    /// Sets the ring in force, whether somebody feeds it, and if not, whether the placeholder is shown on it; and the
    /// page of the present pusher.
    pub(crate) fn set_ring(
        &self,
        ring: Option<Arc<RingMemory>>,
        fed: bool,
        card: bool,
        pusher: Option<Arc<Page<SessionPage>>>,
    ) {
        let former = {
            let mut state = self.state();
            (state.ring, state.fed, state.card) = (ring, fed, card);
            let same = match (&state.pusher, &pusher) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            if same {
                None
            } else {
                state.refused = pusher.as_ref().map_or(0, |page| page.refused.load(Ordering::SeqCst));
                std::mem::replace(&mut state.pusher, pusher)
            }
        };
        self.ring();
        if let Some(page) = former {
            // The thread may sleep there.
            page.frame_doorbell.fetch_add(1, Ordering::SeqCst);
            futex::wake_all(&page.frame_doorbell);
        }
    }

    /// Sets the present zero-copy pusher.
    pub(crate) fn set_zero(&self, number: u32, pusher_page: Option<Arc<Page<PusherPage>>>) {
        let zero = pusher_page.filter(|_| number != 0).map(|pusher_page| (number, pusher_page));
        self.state().zero = zero;
        self.ring();
    }

    /// Wakes the thread.
    pub(crate) fn ring(&self) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.rung);
        let pusher = self.state().pusher.clone();
        if let Some(page) = pusher {
            page.frame_doorbell.fetch_add(1, Ordering::SeqCst);
            futex::wake_all(&page.frame_doorbell);
        }
    }

    fn run(self: Arc<Self>) {
        loop {
            let rung = self.rung.load(Ordering::SeqCst);
            let (pusher, waits) = {
                let mut state = self.state();
                if state.sessions.is_empty() {
                    state.running = false;
                    return;
                }
                let pusher =
                    state.pusher.clone().map(|page| (page.frame_doorbell.load(Ordering::SeqCst), page));
                let waits = self.round(&mut state);
                (pusher, waits)
            };
            match pusher {
                // Rung since: what is to be looked at may be another pusher's.
                Some(_) if self.rung.load(Ordering::SeqCst) != rung => {}
                Some((seen, page)) => futex::wait(&page.frame_doorbell, seen, waits.then_some(SLICE)),
                None => futex::wait(&self.rung, rung, None),
            }
        }
    }

    /// Makes every armed session readable that has something to take. True: others are still armed.
    fn round(&self, state: &mut State) -> bool {
        let refused = state.pusher.as_ref().map_or(0, |page| page.refused.load(Ordering::SeqCst));
        if std::mem::replace(&mut state.refused, refused) != refused {
            // Of those who sleep inside a call some were not woken: each has a word that no other client has.
            for session in &state.sessions {
                futex::kick(&session.page);
            }
        }
        let mut waits = false;
        // Cleared before the look, so that who arms itself meanwhile is seen next time.
        self.claims_page.clear_armed();
        for session in &state.sessions {
            let page = &session.page;
            if page.armed.load(Ordering::SeqCst) == 0 {
                continue;
            }
            if !state.is_ready(session) {
                self.claims_page.arm(session.client);
                waits = true;
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
                self.claims_page.arm(session.client);
                waits = true;
            }
        }
        waits
    }
}

impl State {
    /// Whether a call of the session would return at once.
    fn is_ready(&self, session: &Ringing) -> bool {
        let page = &session.page;
        let old = session.is_old();
        // Publications are counted on from ring to ring, so that `last` is good for a new one too: a
        // client is woken by its first frame, not by the ring.
        let ring = self.ring.as_ref();
        let has_frame = ring.is_some_and(|r| {
            let last = page.last_in(r.log_number, r.base());
            find_oldest(&r.log, r.slots() as usize, u32::MAX, last).is_some()
        });
        let live = (ring.is_some() || self.zero.is_some()) && (self.fed || (self.card && !old));
        // Nobody feeds. Who waits for a pusher all the same goes on waiting, after what there still is;
        // to all others a read says so at once, and poll must let it.
        let hasty = old || page.patient.load(Ordering::Relaxed) == 0;
        // A zero-copy pusher has refused to capture since the client met it: the next call tells.
        let news = self.zero.as_ref().is_some_and(|(number, pusher_page)| {
            let met = page.zero.load(Ordering::SeqCst) == *number;
            pusher_page.refusals() != if met { page.refusals.load(Ordering::SeqCst) } else { 0 }
        });
        // Of a frame that is read in parts.
        let rest = page.rest.load(Ordering::SeqCst) != 0;
        has_frame || rest || news || (!live && hasty)
    }
}
