//! The request notifier of a zero-copy pipe: makes the pusher's descriptor readable when a client has posted a
//! request.
//!
//! A client's request is in memory that the pusher maps. Only the daemon can put a byte into the pusher's descriptor,
//! because it holds the other end. (A process with that end could end the pusher's session, and would keep the pusher
//! from seeing the daemon's death. So clients do not get it.) The main thread does it when a client asks
//! (`Request::Doorbell`). A word in shared memory would not do: any client could keep the request notifier asleep by
//! sleeping on it. Most requests do not come this way: clients reach a pusher whose library looks at its *request
//! doorbell* themselves (`runtime/zero/request_doorbell.rs`). The request notifier is for the others, and for requests
//! that are not taken after a while.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::socket::{MsgFlags, send};
use vloopback_ring::ClaimsPage;
use vloopback_ring::pusher_page::{Entry, Next, PusherPage};
use vloopback_ring::request_slot::{Phase, RequestSlot};

use crate::futex;
use crate::memory::Page;
use vloopback_sys::clock::now;

nix::ioctl_read_bad!(unread, libc::TIOCOUTQ, libc::c_int);

/// A client's page of requests.
#[derive(Debug)]
pub(crate) struct ClientSlot {
    pub(crate) ticket: u32,
    pub(crate) session: u32,
    pub(crate) page: Page<RequestSlot>,
}

/// The descriptor that a pusher's clients make readable themselves, and the one with which they do it: a pair of
/// datagram sockets, so that neither end can hang up the other. All processes of the pusher have the same request
/// doorbell, all clients the same ringing end.
#[derive(Debug)]
pub(crate) struct RequestDoorbell {
    pub(crate) receiving_end: OwnedFd,
    pub(crate) ringing_end: OwnedFd,
}

/// What the request notifier knows of the clients.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// The clients' pages, by their tickets.
    pub(crate) request_slots: Vec<ClientSlot>,
    /// There is a picture that a capture for V4L2's clients could ask for.
    pub(crate) captures: bool,
    /// None: the pusher looks at its own descriptor only.
    pub(crate) request_doorbell: Option<RequestDoorbell>,
}

impl Clients {
    fn entries(&self) -> Vec<Entry<'_>> {
        self.request_slots
            .iter()
            .map(|request_slot| Entry { ticket: request_slot.ticket, request_slot: &request_slot.page })
            .collect()
    }
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct RequestNotifier {
    claims_page: Arc<Page<ClaimsPage>>,
    pusher_page: Arc<Page<PusherPage>>,
    /// The daemon's end of the pusher's descriptor.
    end: Arc<OwnedFd>,
    clients: Mutex<Clients>,
}

impl RequestNotifier {
    pub(crate) fn new(
        claims_page: Arc<Page<ClaimsPage>>,
        pusher_page: Arc<Page<PusherPage>>,
        end: Arc<OwnedFd>,
    ) -> Arc<Self> {
        Arc::new(Self { claims_page, pusher_page, end, clients: Mutex::default() })
    }

    /// The clients.
    pub(crate) fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pusher is gone: a thread in its read() finds the descriptor hung up.
    pub(crate) fn dismiss(&self) {
        self.claims_page.calls.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.claims_page.calls);
    }

    /// Whether V4L2's clients wait for a frame that the pusher has not given yet.
    pub(crate) fn awaits_frame(&self) -> bool {
        self.pusher_page.awaits_frame(&self.clients().entries())
    }

    /// The number of the request that the pusher has read and not answered, as a 64-bit program has it.
    pub(crate) fn request(&self) -> Option<u32> {
        self.pusher_page.pending(&self.clients().entries()).map(|pending| pending.number())
    }

    /// How many clients wait for their turn.
    pub(crate) fn waiting(&self) -> u32 {
        self.clients()
            .request_slots
            .iter()
            .filter(|request_slot| request_slot.page.state().phase() == Phase::Posted)
            .count() as u32
    }

    /// Rings if there is something for the pusher to take: one byte, unless one is there. `asked`: by a client that
    /// the request doorbell may not have helped.
    pub(crate) fn look(&self, clients: &Clients, asked: bool) {
        let request_slots = clients.entries();
        self.pusher_page.forget_withdrawn(&request_slots);
        self.pusher_page.set_looking(true);
        let rung = is_unread(&self.end);
        let was_rung = !asked
            && self.pusher_page.hears()
            && clients.request_doorbell.as_ref().is_some_and(|g| is_unread(&g.ringing_end));
        // Last, so that what is taken meanwhile rings nobody; for what is taken from here on the pusher waits.
        let ring = match self.pusher_page.next(&request_slots, clients.captures, now()) {
            // The pusher is on its way to it; if not, the client asks.
            Some(Next::Request) => !rung && !was_rung,
            Some(Next::Other) => !rung,
            None => false,
        };
        if ring {
            // A pusher that is gone is the main loop's business.
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            let _ = send(self.end.as_raw_fd(), &[1], flags);
        }
        self.pusher_page.set_looking(false);
        if ring {
            self.claims_page.calls.fetch_add(1, Ordering::SeqCst);
            if self.pusher_page.is_read() {
                futex::wake_all(&self.claims_page.calls);
            }
        }
    }
}

/// Whether a byte that this end sent has not been read yet. If the system cannot say, it counts as read.
pub(crate) fn is_unread(end: &OwnedFd) -> bool {
    let mut waiting = 0;
    // SAFETY: a valid descriptor, and an int to write to.
    let asked = unsafe { unread(end.as_raw_fd(), &mut waiting) };
    asked.is_ok() && waiting != 0
}
