//! The connections: accepting them, taking turns, sending replies, and cleaning up after a process.

use std::collections::HashSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::socket::{SockFlag, accept4};
use tracing::{debug, warn};
use vloopback_sys::records::{self, FdList};
use vloopback_wire::{HEAD_LEN, MAX_RECORD, Reply, Request, build_id};
use zerocopy::IntoBytes;

use super::{Engine, HEADROOM, Token, descriptor_limit, leaves};
use crate::peer::Peer;
use crate::quota::{Charge, Quotas, Resource};
use crate::request_notifier::is_unread;

/// How long a new connection may take to send its greeting.
const SILENCE: Duration = Duration::from_secs(5);
/// Requests of one connection that are served in a row, before others have their turn.
pub(super) const IN_A_ROW: usize = 16;
/// How often connections are looked at whose requests wait until their process has read what was answered before.
const HELD_BACK: Duration = Duration::from_millis(10);
/// How often that is told.
const TELL_FULL: Duration = Duration::from_secs(10);
/// How long nobody is accepted after there was no descriptor for one more.
const DEAF: Duration = Duration::from_millis(100);

/// A process's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) fd: OwnedFd,
    pub(super) peer: Peer,
    /// Its number in shared locks; 0 before it said hello.
    pub(super) number: u32,
    /// The sessions that it opened or attached to, or that the process it was forked from had.
    pub(super) sessions: HashSet<u32>,
    /// Descriptors that were sent to it, and that it may not have received yet.
    pub(super) in_flight: Option<Charge>,
    /// Its requests wait until it has read.
    pub(super) held_back: bool,
    /// What it costs its user.
    _charges: [Charge; 2],
}

impl Connection {
    /// Descriptors that it has received by now are charged no more.
    pub(super) fn settle(&mut self) {
        if self.in_flight.is_some() && !is_unread(&self.fd) {
            self.in_flight = None;
        }
    }
}

impl Engine {
    pub(super) fn accept_all(&mut self) {
        // Others have their turn between: epoll tells again of who is left.
        for _ in 0..IN_A_ROW {
            let Some(listening) = &self.listening else { return };
            match accept4(&listening.fd, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK) {
                Ok(fd) => self.add_connection(fd, HashSet::new(), true),
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                Err(e) => {
                    // It stays readable: without a pause we would do nothing else. Who connects waits.
                    self.tell_full(e);
                    if self.listening.as_ref().is_some_and(|l| self.epoll.delete(l.fd.as_fd()).is_ok()) {
                        self.deaf_until = Some(Instant::now() + DEAF);
                    }
                    return;
                }
            }
        }
    }

    /// After a pause new connections are accepted again. Returns what is left of it.
    pub(super) fn listen_again(&mut self) -> Option<Duration> {
        let left = self.deaf_until?.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Some(left);
        }
        self.deaf_until = None;
        let listening = self.listening.as_ref()?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Token::Listener.pack());
        if let Err(e) = self.epoll.add(listening.fd.as_fd(), event) {
            warn!("cannot watch the socket: {e}");
        }
        None
    }

    /// Says now and then that something else than a program's mistake keeps opens from being served.
    pub(super) fn tell_full(&mut self, e: Errno) {
        if self.told_full.is_none_or(|told| told.elapsed() >= TELL_FULL) {
            self.told_full = Some(Instant::now());
            let (open, limit) = (self.sessions.len(), descriptor_limit());
            warn!(
                "{e}: {open} devices are open, at two descriptors each, and {limit} is the server's limit: \
                 start it with a higher one (ulimit -n, LimitNOFILE=)"
            );
        }
    }

    /// `greets`: it has to say hello soon. (A forked child may have nothing to ask for a long time.)
    pub(super) fn add_connection(&mut self, fd: OwnedFd, sessions: HashSet<u32>, greets: bool) {
        let peer = match Peer::of(&fd) {
            Ok(peer) => peer,
            Err(e) => return debug!("a connection without credentials: {e}"),
        };
        let charge = |resource| self.quotas.charge(peer.uid, resource, 1);
        let charges = charge(Resource::Connections).and_then(|one| Ok([one, charge(Resource::Descriptors)?]));
        let Ok(charges) = charges else {
            // The first thing that it reads: it has not said hello yet.
            let _ = reply(&fd, &Reply::Error(libc::ENFILE), &[]);
            return;
        };
        let id = self.fresh();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Token::Connection(id).pack());
        if let Err(e) = self.epoll.add(&fd, event) {
            return warn!("cannot watch a connection: {e}");
        }
        for session in &sessions {
            if let Some(session) = self.sessions.get_mut(session) {
                session.holders.push(id);
            }
        }
        if greets {
            self.silent.push_back((Instant::now(), id));
        }
        let (in_flight, held_back) = (None, false);
        let made = Connection { fd, peer, number: 0, sessions, in_flight, held_back, _charges: charges };
        self.connections.insert(id, made);
    }

    /// Ends connections that have been silent for too long. Returns when to look again.
    pub(super) fn end_silent(&mut self) -> Option<Duration> {
        while let Some(&(since, id)) = self.silent.front() {
            let left = SILENCE.saturating_sub(since.elapsed());
            let is_silent = self.connections.get(&id).is_some_and(|c| c.number == 0);
            if is_silent && !left.is_zero() {
                return Some(left);
            }
            self.silent.pop_front();
            if is_silent {
                debug!("connection without a greeting ended");
                self.end_connection(id);
            }
        }
        None
    }

    /// Whether a connection's next request may be read: its process has received the descriptors of the last answer,
    /// and its user has not so many on the way that others could get none. If not, it waits.
    fn may_ask(&mut self, id: u32) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        connection.settle();
        let uid = connection.peer.uid;
        let room = |quotas: &Quotas| quotas.charge(uid, Resource::InFlight, records::MAX_FDS as u64);
        if connection.in_flight.is_none() {
            let mut charge = room(&self.quotas);
            if charge.is_err() {
                // What was received since, nobody has told us.
                for other in self.connections.values_mut().filter(|other| other.peer.uid == uid) {
                    other.settle();
                }
                charge = room(&self.quotas);
            }
            let Some(connection) = self.connections.get_mut(&id) else { return false };
            connection.in_flight = charge.ok();
            if connection.in_flight.is_some() {
                return true;
            }
        }
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        if !connection.held_back {
            connection.held_back = true;
            // Its end is told all the same.
            let mut event = EpollEvent::new(EpollFlags::empty(), Token::Connection(id).pack());
            let _ = self.epoll.modify(&connection.fd, &mut event);
            self.held_back.push(id);
        }
        false
    }

    /// Goes on with connections whose process has read. Returns when to look again.
    pub(super) fn serve_held_back(&mut self) -> Option<Duration> {
        for id in std::mem::take(&mut self.held_back) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.held_back = false;
            if self.may_ask(id) {
                let Some(connection) = self.connections.get_mut(&id) else { continue };
                connection.in_flight = None;
                let mut event = EpollEvent::new(EpollFlags::EPOLLIN, Token::Connection(id).pack());
                let _ = self.epoll.modify(&connection.fd, &mut event);
            }
        }
        (!self.held_back.is_empty()).then_some(HELD_BACK)
    }

    /// Reads and answers a connection's requests; ends it when it is closed or sends an invalid record.
    pub(super) fn serve_connection(&mut self, id: u32) {
        // What is left is told again: epoll is asked for levels.
        for _ in 0..IN_A_ROW {
            let Some(connection) = self.connections.get(&id) else { return };
            if connection.held_back {
                // It is told of because it has ended.
                return self.end_connection(id);
            }
            if !self.may_ask(id) {
                return;
            }
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let (record, fds) = match receive(&connection.fd) {
                Ok((record, _)) if record.is_empty() => return self.end_connection(id),
                Ok(received) => received,
                Err(Errno::EAGAIN) => {
                    connection.in_flight = None;
                    return;
                }
                Err(_) => return self.end_connection(id),
            };
            let request = match Request::decode(&record) {
                Ok(request) => request,
                Err(e) => {
                    debug!(pid = connection.peer.pid, "refusing a connection: {e}");
                    let _ = reply(&connection.fd, &Reply::Refused(e.to_string()), &[]);
                    return self.end_connection(id);
                }
            };
            if connection.number == 0 && !matches!(request, Request::Hello { .. }) {
                let _ = reply(&connection.fd, &Reply::Refused("the first message is Hello".into()), &[]);
                return self.end_connection(id);
            }
            if !self.serve_request(id, request, fds) {
                return self.end_connection(id);
            }
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.settle();
                if connection.in_flight.is_some() {
                    // Its process has to read first. It is told of again when it has asked for more.
                    return;
                }
            }
        }
    }

    pub(super) fn answer(&self, id: u32, answer: &Reply, fds: &[BorrowedFd]) -> bool {
        // Our own limit is not the program's, where EMFILE would have somebody look.
        let answer = if *answer == Reply::Error(libc::EMFILE) { &Reply::Error(libc::ENFILE) } else { answer };
        let Some(connection) = self.connections.get(&id) else { return false };
        match reply(&connection.fd, answer, fds) {
            Ok(()) => true,
            Err(e) => {
                debug!(pid = connection.peer.pid, "cannot send a reply: {e}");
                false
            }
        }
    }

    pub(super) fn welcome(&mut self, id: u32, build: [u32; 4]) -> bool {
        if build != build_id(vloopback_ring::LAYOUT) {
            let text =
                "the library and the daemon are of different builds: use those of one build".to_owned();
            self.answer(id, &Reply::Refused(text), &[]);
            return false;
        }
        if self.connections.get(&id).is_some_and(|connection| !leaves(HEADROOM / 2, &connection.fd)) {
            self.tell_full(Errno::EMFILE);
            self.answer(id, &Reply::Error(libc::ENFILE), &[]);
            return false;
        }
        let peer = self.fresh();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.number = peer;
        }
        let page = self.life.page.clone();
        self.answer(id, &Reply::Welcome { peer }, &[page.fd()])
    }

    /// A process is gone: what it held in shared memory is taken back. Its devices end by themselves
    /// when nobody else has them.
    pub(super) fn end_connection(&mut self, id: u32) {
        let Some(connection) = self.connections.remove(&id) else { return };
        let _ = self.epoll.delete(&connection.fd);
        for session in &connection.sessions {
            if let Some(session) = self.sessions.get_mut(session) {
                session.holders.retain(|holder| *holder != id);
            }
        }
        let number = connection.number;
        if number == 0 {
            return;
        }
        for pipe in &self.pipes {
            pipe.revoke_writer(number);
        }
        self.revoke_request_slots(number);
        for session in &connection.sessions {
            let Some(session) = self.sessions.get(session) else { continue };
            if session.page.lock.revoke(number) {
                crate::futex::wake_all(session.page.lock.word());
            }
        }
    }
}

/// One record and the descriptors that came with it. An empty record is the end.
fn receive(fd: &OwnedFd) -> Result<(Vec<u8>, Vec<OwnedFd>), Errno> {
    let mut record = [0u8; 1024];
    let mut came = FdList::new();
    // Never by the descriptor's own flags: whoever passed it to us may share them.
    let received = records::receive(fd.as_raw_fd(), &mut record, &mut came, libc::MSG_DONTWAIT)
        .map_err(|e| Errno::from_raw(e.raw()))?;
    let fds = (0..came.len())
        // SAFETY: taken out of the list, so that it is ours alone.
        .map(|k| unsafe { OwnedFd::from_raw_fd(came.take(k)) })
        .collect();
    Ok((record[..received.len].to_vec(), fds))
}

/// Sends a reply; never waits for a peer that does not read.
fn reply(fd: &OwnedFd, answer: &Reply, fds: &[BorrowedFd]) -> Result<(), Errno> {
    let (head, text) = answer.encode();
    let text = &text.as_bytes()[..text.len().min(MAX_RECORD - HEAD_LEN)];
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    records::send(fd.as_raw_fd(), [head.as_bytes(), text], &raw, libc::MSG_DONTWAIT)
        .map_err(|e| Errno::from_raw(e.raw()))
}
