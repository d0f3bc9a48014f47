//! Zero-copy mode: the memory, and the bells that tell a pusher of a request. The requests themselves
//! pass between the processes.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use tracing::info;
use vloopback_core::Refusal;
use vloopback_ring::ClaimsPage;
use vloopback_ring::pusher_page::{MAX_CLIENTS, PATIENCE, PusherPage};
use vloopback_ring::request_slot::{Phase, RequestSlot};
use vloopback_wire::Reply;

use super::Engine;
use super::device::errno;
use crate::futex;
use crate::memory::{Page, SharedFile, read_only};
use crate::quota::Quotas;
use crate::request_notifier::{ClientSlot, RequestDoorbell, RequestNotifier};
use vloopback_sys::clock::now;

/// What a zero-copy pusher and its clients share.
#[derive(Debug)]
pub(crate) struct ZeroMemory {
    /// Bytes of the frames' memory.
    pub(crate) len: u32,
    pub(crate) frames: SharedFile,
    pub(crate) pusher_page: Arc<Page<PusherPage>>,
    /// The pusher page's descriptor for clients: it cannot be mapped for writing.
    pub(crate) pusher_page_for_clients: OwnedFd,
    /// Who rings the pusher; it has the clients' pages.
    pub(crate) notifier: Arc<RequestNotifier>,
    /// Refused captures of which the clients have been told.
    pub(crate) refusals: u32,
    /// Somebody's request waits for a client that copies.
    pub(crate) look_again: bool,
}

impl Drop for ZeroMemory {
    fn drop(&mut self) {
        self.notifier.dismiss();
    }
}

impl ZeroMemory {
    /// So many bytes, all zero, of a pusher whose descriptor's other end is `end`.
    pub(crate) fn new(
        len: u32,
        claims_page: Arc<Page<ClaimsPage>>,
        end: Arc<OwnedFd>,
        payer: (&Quotas, u32),
    ) -> Result<Self, Errno> {
        let frames = SharedFile::new("vloopback-zero", len.into(), payer)?;
        let pusher_page = Arc::new(Page::<PusherPage>::writable("vloopback-pusher")?);
        let pusher_page_for_clients = read_only(pusher_page.fd())?;
        let notifier = RequestNotifier::new(claims_page, pusher_page.clone(), end);
        Ok(Self {
            len,
            frames,
            pusher_page,
            pusher_page_for_clients,
            notifier,
            refusals: 0,
            look_again: false,
        })
    }
}

/// The most memory that a pusher may map: what V4L1 can tell (VIDIOCGMBUF has ints), far below it.
const MAX_LEN: u32 = 256 * 1024 * 1024;

impl Engine {
    /// The memory of the pipe that `session` is of; an input that gives a length makes it, an output gets
    /// a request slot.
    pub(super) fn zero(&mut self, id: u32, session: u32, len: u32) -> bool {
        let mut index = None;
        let result = self.with_session(id, session, |engine, session, pipe| {
            index = Some(pipe);
            if engine.session(session)?.info.input {
                engine.begin_zero(session, pipe, len)
            } else {
                engine.join_zero(session, pipe)
            }
        });
        self.update_views();
        let memory = index.and_then(|index| self.pipes[index].zero.as_ref().map(|m| (index, m)));
        match (result, memory) {
            (Err(e), _) => self.answer(id, &Reply::Error(e as i32), &[]),
            (Ok(_), None) => self.answer(id, &Reply::Error(libc::EINVAL), &[]),
            (Ok(_), Some((index, m))) => {
                let reply = Reply::Zero { zero: self.pipes[index].core.zero(), len: m.len };
                let frames = m.frames.fd(self.writes(session));
                match m
                    .notifier
                    .clients()
                    .request_slots
                    .iter()
                    .find(|request_slot| request_slot.session == session)
                {
                    Some(request_slot) => {
                        let fds = [frames, m.pusher_page_for_clients.as_fd(), request_slot.page.fd()];
                        self.answer(id, &reply, &fds)
                    }
                    None => self.answer(id, &reply, &[m.frames.fd(true), m.pusher_page.fd()]),
                }
            }
        }
    }

    /// Gives a client its request slot.
    fn join_zero(&mut self, session: u32, index: usize) -> Result<Reply, Errno> {
        let memory = self.pipes[index].zero.as_ref().ok_or(Errno::EINVAL)?;
        let mut clients = memory.notifier.clients();
        if clients.request_slots.iter().all(|request_slot| request_slot.session != session) {
            if clients.request_slots.len() >= MAX_CLIENTS {
                info!(pipe = index, "client refused: a zero-copy pusher has at most {MAX_CLIENTS}");
                return Err(Errno::EAGAIN);
            }
            let page = Page::<RequestSlot>::writable("vloopback-request")?;
            clients.request_slots.push(ClientSlot { ticket: memory.pusher_page.join(), session, page });
            memory.pusher_page.set_clients(clients.request_slots.len() as u32);
        }
        Ok(Reply::Done)
    }

    /// Tells a pusher of the client that came next after the one of a ticket.
    pub(super) fn request_slot(&mut self, id: u32, session: u32, after: u32) -> bool {
        let mut index = None;
        let result = self.with_session(id, session, |engine, session, pipe| {
            index = Some(pipe);
            if engine.pipes[pipe].core.pusher() == Some(session) {
                Ok(Reply::Done)
            } else {
                Err(Errno::EBUSY)
            }
        });
        let memory = index.and_then(|index| self.pipes[index].zero.as_ref());
        let clients = memory.map(|memory| memory.notifier.clients());
        let next = clients
            .as_ref()
            .and_then(|c| c.request_slots.iter().find(|request_slot| request_slot.ticket > after));
        match (result, next) {
            (Err(e), _) => self.answer(id, &Reply::Error(e as i32), &[]),
            (Ok(_), Some(request_slot)) => self.answer(
                id,
                &Reply::RequestSlot { ticket: request_slot.ticket },
                &[request_slot.page.fd()],
            ),
            (Ok(_), None) => self.answer(id, &Reply::RequestSlot { ticket: 0 }, &[]),
        }
    }

    /// Gives out the request doorbell: to the pusher, which asks first, with the ringing end; to its clients the
    /// ringing end alone.
    pub(super) fn request_doorbell(&mut self, id: u32, session: u32) -> bool {
        let mut found = None;
        let result = self.with_session(id, session, |engine, session, pipe| {
            let is_pusher = engine.pipes[pipe].core.pusher() == Some(session);
            let memory = engine.pipes[pipe].zero.as_ref().ok_or(Errno::EINVAL)?;
            let mut clients = memory.notifier.clients();
            if is_pusher && clients.request_doorbell.is_none() {
                let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
                let (receiving_end, ringing_end) =
                    socketpair(AddressFamily::Unix, SockType::Datagram, None, flags)?;
                clients.request_doorbell = Some(RequestDoorbell { receiving_end, ringing_end });
            }
            if !is_pusher && clients.request_slots.iter().all(|request_slot| request_slot.session != session)
            {
                return Err(Errno::EINVAL);
            }
            found = Some((pipe, is_pusher));
            Ok(Reply::Done)
        });
        let memory = found.and_then(|(pipe, _)| self.pipes[pipe].zero.as_ref());
        let clients = memory.map(|memory| memory.notifier.clients());
        let is_pusher = found.is_some_and(|(_, is_pusher)| is_pusher);
        match (result, clients.as_ref().and_then(|clients| clients.request_doorbell.as_ref())) {
            (Err(e), _) => self.answer(id, &Reply::Error(e as i32), &[]),
            (Ok(_), None) => self.answer(id, &Reply::Error(libc::ENXIO), &[]),
            (Ok(done), Some(RequestDoorbell { receiving_end, ringing_end })) if is_pusher => {
                self.answer(id, &done, &[receiving_end.as_fd(), ringing_end.as_fd()])
            }
            (Ok(done), Some(RequestDoorbell { ringing_end, .. })) => {
                self.answer(id, &done, &[ringing_end.as_fd()])
            }
        }
    }

    fn begin_zero(&mut self, session: u32, index: usize, len: u32) -> Result<Reply, Errno> {
        self.claim(session, index)?;
        if let Some(memory) = &self.pipes[index].zero {
            // Pushers map the same range again; clients may have it mapped, so that it cannot grow.
            return if len <= memory.len { Ok(Reply::Done) } else { Err(Errno::ENOMEM) };
        }
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        if len > MAX_LEN {
            info!(pipe = index, len, "zero-copy memory refused: at most {MAX_LEN} bytes are possible");
            return Err(Errno::ENOMEM);
        }
        // Before anything changes: a mapping that fails leaves the pipe in one-copy mode.
        let (claims_page, end) = (self.pipes[index].claims_page.clone(), self.session(session)?.end.clone());
        let uid = self.session(session)?.uid;
        let memory =
            ZeroMemory::new(len, claims_page, end, (&self.quotas, uid)).map_err(|_| Errno::ENOMEM)?;
        let effects =
            self.pipes[index].core.begin_zero(session).map_err(|refusal: Refusal| errno(refusal))?;
        self.pipes[index].placeholder.set(None);
        self.pipes[index].zero = Some(memory);
        self.apply(index, effects);
        self.notify(index);
        let streams = self.pipes[index].core.plan_zero().is_some();
        if let Some(memory) = self.pipes[index].zero.as_ref().filter(|_| streams) {
            // V4L2's clients that stream already do not know of it: the first frame is asked for here.
            memory.pusher_page.want_frame();
            self.notify_pusher(index, false);
        }
        Ok(Reply::Done)
    }

    /// A capture that the pusher does not answer is given up, clients that wait for a frame that it has refused are
    /// told. Then its descriptor is made readable if there is something for it to take. `asked`: by somebody whom its
    /// request doorbell may not have helped.
    pub(super) fn notify_pusher(&mut self, index: usize, asked: bool) {
        let limit = u64::try_from(self.config.answer_timeout.as_nanos()).unwrap_or(u64::MAX);
        let pipe = &mut self.pipes[index];
        let Some(memory) = &mut pipe.zero else { return };
        memory.pusher_page.give_up_capture(now(), limit);
        let refusals = memory.pusher_page.refusals();
        let refused = std::mem::replace(&mut memory.refusals, refusals) != refusals;
        memory.notifier.look(&memory.notifier.clients(), asked);
        // Somebody waits for a client that copies, which may have been stopped.
        memory.look_again = memory.pusher_page.holds_back();
        if refused {
            self.notify(index);
            self.pipes[index].poll_notifier.ring();
        }
    }

    /// When to look at the pipes again where somebody waits for a client that copies.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let waits = self.pipes.iter().filter_map(|pipe| pipe.zero.as_ref()).any(|memory| memory.look_again);
        waits.then(|| Duration::from_nanos(PATIENCE))
    }

    /// That time is over.
    pub(super) fn look_again(&mut self) {
        for index in 0..self.pipes.len() {
            if self.pipes[index].zero.as_ref().is_some_and(|memory| memory.look_again) {
                self.notify_pusher(index, false);
            }
        }
    }

    /// A session of the pipe has ended: the pusher hears of a client's end, clients of the pusher's.
    pub(super) fn end_zero(&mut self, session: u32, index: usize, input: bool) {
        if !input {
            if let Some(memory) = &mut self.pipes[index].zero {
                let mut clients = memory.notifier.clients();
                if let Some(place) =
                    clients.request_slots.iter().position(|request_slot| request_slot.session == session)
                {
                    let request_slot = clients.request_slots.remove(place);
                    request_slot.page.close();
                    futex::wake_all(request_slot.page.word());
                }
                memory.pusher_page.set_clients(clients.request_slots.len() as u32);
                drop(clients);
                memory.pusher_page.tell_closing();
                self.notify_pusher(index, false);
            }
        } else if self.pipes[index].core.zero() == 0 {
            if let Some(memory) = self.pipes[index].zero.take() {
                self.pipes[index].remember_zero(&memory);
                for request_slot in &memory.notifier.clients().request_slots {
                    request_slot.page.fail(libc::EIO as u32, true);
                    futex::wake_all(request_slot.page.word());
                }
            }
        }
    }

    /// A process is gone: what it was asking is nobody's any more, and what it was answering gets no answer.
    pub(super) fn revoke_request_slots(&mut self, dead: u32) {
        for index in 0..self.pipes.len() {
            let Some(memory) = &self.pipes[index].zero else { continue };
            let answered = memory.pusher_page.abandon_answer(dead);
            for request_slot in &memory.notifier.clients().request_slots {
                let page = &request_slot.page;
                if page.lock.owner() == dead {
                    page.abandon();
                    page.lock.revoke(dead);
                    futex::wake_all(page.lock.word());
                }
                if answered && page.state().phase() == Phase::Answering && page.fail(libc::EIO as u32, false)
                {
                    futex::wake_all(page.word());
                }
            }
            self.notify_pusher(index, false);
        }
    }
}
