//! Opening devices, and what their holders ask.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, bind, send, setsockopt, socketpair,
    sockopt::SndBuf,
};
use nix::sys::stat::{Mode, fchmod, fstat};
use tracing::debug;
use vloopback_core::{Access, Refusal, Side};
use vloopback_proc::owners::process_name;
use vloopback_ring::{RINGING, SessionPage};
use vloopback_wire::{DEVICE_MODE, DEVICE_PREFIX, Reply, SessionInfo};

use crate::config::Share;

use super::{Engine, Events, Exports, HEADROOM, Session, leaves};
use crate::memory::{Page, RingMemory};
use crate::peer::Peer;
use crate::quota::Resource;

pub(super) fn errno(refusal: Refusal) -> Errno {
    Errno::from_raw(refusal.errno())
}

/// Nobody can see who waits in poll before its first read(). As with a device that does not stream yet poll returns,
/// and the read begins the stream; what begins one takes this away. `end`: ours, of the session of `page`.
fn let_poll_return(page: &SessionPage, end: &impl AsRawFd) {
    let _ = send(end.as_raw_fd(), &[1], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    page.rung.store(1, Ordering::SeqCst);
}

impl Engine {
    pub(super) fn open_device(&mut self, id: u32, node: u32, flags: u32, legacy: bool) -> bool {
        match self.make_session(id, node, flags, legacy) {
            Ok((session, device)) => {
                self.update_views();
                let Some(s) = self.sessions.get(&session) else { return false };
                let pipe = &self.pipes[s.pipe];
                let (page, board, claims_page) =
                    (s.page.clone(), pipe.board.clone(), pipe.claims_page.clone());
                let fds = [device.as_fd(), page.fd(), board.fd(), claims_page.fd()];
                self.answer(id, &Reply::Session(s.info), &fds)
            }
            Err(e) => {
                if e == Errno::EMFILE {
                    self.tell_full(e);
                }
                self.answer(id, &Reply::Error(e as i32), &[])
            }
        }
    }

    /// Opens a node. Returns the session and the program's end of its descriptor.
    fn make_session(
        &mut self,
        id: u32,
        node: u32,
        flags: u32,
        legacy: bool,
    ) -> Result<(u32, OwnedFd), Errno> {
        let peer = self.connections.get(&id).map(|c| c.peer.clone()).ok_or(Errno::EBADF)?;
        let index =
            self.pipes.iter().position(|p| p.input == node || p.output == node).ok_or(Errno::ENOENT)?;
        let side = if self.pipes[index].input == node { Side::Input } else { Side::Output };
        let (read, access) = Self::access(flags, legacy);
        let index = self.admit(&peer, (index, side), (read, access))?;
        let quotas = &self.quotas;
        // Our end of the device, and the page. A user whose devices take all that it may have must still be able to
        // connect, and those that are open need rings.
        let charges = [
            quotas.charge(peer.uid, Resource::Sessions, 1)?,
            quotas.charge_sparing(peer.uid, Resource::Descriptors, 2, HEADROOM / 2)?,
        ];
        let session = self.fresh();
        let client = self.pipes[index].free_client_number(&self.sessions, index);
        // All that can fail comes before the pipe's state changes.
        let page = Arc::new(Page::<SessionPage>::writable("vloopback-session")?);
        let (ours, theirs) = device_pair(&self.device_name(session), side, flags)?;
        if !leaves(HEADROOM, &ours) {
            return Err(Errno::EMFILE);
        }
        let (cookie, inode) = (cookie(&theirs)?, fstat(&theirs)?.st_ino);
        let event = EpollEvent::new(EpollFlags::empty(), session.into());
        let effects = self.pipes[index].core.open(session, side, access).map_err(errno)?;
        // Only the hang-up is waited for, which is always reported.
        if let Err(e) = self.hangups.add(&ours, event) {
            self.pipes[index].core.close(session);
            return Err(e);
        }
        let info = SessionInfo { session, node, flags, client, ..self.info_of(index, side, access.legacy) };
        if side == Side::Output && (!info.legacy || self.pipes[index].zero.is_some()) {
            // With a zero-copy pusher nothing takes this away for a V4L1 client: each of its SYNCs and reads asks for
            // a picture, and fetches the one that it waits for.
            let_poll_return(&page, &ours);
        }
        let comm = process_name(peer.pid).unwrap_or_default();
        let (pid, uid, end) = (peer.pid, peer.uid, Arc::new(ours));
        let (events, exports) = (Events::default(), Exports::default());
        let made = Session {
            info,
            pipe: index,
            end,
            page,
            events,
            cookie,
            inode,
            pid,
            uid,
            comm,
            exports,
            holders: vec![id],
            _charges: charges,
        };
        self.cookies.insert(cookie, session);
        self.sessions.insert(session, made);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.sessions.insert(session);
        }
        self.pipes[index].update_priorities();
        self.apply(index, effects);
        self.show_open(index, side, inode);
        Ok((session, theirs))
    }

    /// Whether the peer may open this side of a pipe.
    ///
    /// # Errors
    /// EACCES: not by owner, group and mode. EDQUOT: it would claim one spare pipe too many.
    fn admit(
        &mut self,
        peer: &Peer,
        (index, side): (usize, Side),
        (read, access): (bool, Access),
    ) -> Result<usize, Errno> {
        self.end_closed_if_full(index);
        if !peer.may(&self.pipes[index].access, read, access.write) {
            debug!(
                pid = peer.pid,
                uid = peer.uid,
                pipe = index,
                ?side,
                "open refused by owner, group and mode"
            );
            return Err(Errno::EACCES);
        }
        let index = if side == Side::Input && access.write && !access.legacy {
            if let Some(studio) = self.studio_of(index) {
                self.end_closed(studio);
            }
            self.to_push(index)
        } else {
            index
        };
        if side == Side::Input {
            self.end_closed_pusher(index);
            self.decide_openers(index);
            if access.write && access.legacy {
                // It claims the pipe.
                self.charge_claim(peer.uid, index)?;
            }
        }
        Ok(index)
    }

    /// What each open file of this side of a pipe is told.
    fn info_of(&self, index: usize, side: Side, legacy: bool) -> SessionInfo {
        let pipe = &self.pipes[index];
        let (node, partner) = match side {
            Side::Input => (pipe.input, pipe.output),
            Side::Output => (pipe.output, pipe.input),
        };
        let has_old_rules = self.config.profile == vloopback_core::Profile::Vloopback;
        SessionInfo {
            pipe: pipe.index,
            node,
            partner,
            input: side == Side::Input,
            legacy: legacy || has_old_rules,
            idle: pipe.core.options().idle,
            v4l2: !has_old_rules,
            exclusive: pipe.core.options().exclusive,
            shared: self.config.share_of(pipe.index) == Share::All,
            converts: side == Side::Output && self.config.converts_of(pipe.index),
            answer_timeout: self.config.answer_timeout.as_millis().try_into().unwrap_or(u32::MAX),
            ..SessionInfo::default()
        }
    }

    fn device_name(&self, session: u32) -> Vec<u8> {
        // Without the leading NUL of DEVICE_PREFIX, which UnixAddr::new_abstract adds.
        let prefix = String::from_utf8_lossy(&DEVICE_PREFIX[1..]);
        format!("{prefix}{:016x}:{session:x}", self.instance).into_bytes()
    }

    /// A process met one of our devices: by exec, over a socket, or from a shell.
    pub(super) fn attach(&mut self, id: u32, fds: &[OwnedFd]) -> bool {
        if fds.is_empty() {
            // It came with one: we had no room for it.
            return self.answer(id, &Reply::Error(libc::ENFILE), &[]);
        }
        let session =
            fds.first().and_then(|fd| cookie(fd).ok()).and_then(|cookie| self.cookies.get(&cookie).copied());
        let Some(session) = session else {
            return self.answer(id, &Reply::Error(libc::ENODEV), &[]);
        };
        if self.connections.get_mut(&id).is_some_and(|c| c.sessions.insert(session)) {
            if let Some(session) = self.sessions.get_mut(&session) {
                session.holders.push(id);
            }
        }
        let Some(s) = self.sessions.get(&session) else { return false };
        let pipe = &self.pipes[s.pipe];
        let fds = [s.page.fd(), pipe.board.fd(), pipe.claims_page.fd()];
        self.answer(id, &Reply::Session(s.info), &fds)
    }

    /// Who has opened the pipe's input and has made a V4L2 request since is no old program that claims by opening.
    /// Whether there was one.
    pub(super) fn decide_openers(&mut self, index: usize) -> bool {
        let sessions = &self.sessions;
        let core = &mut self.pipes[index].core;
        let speaks = |id: &u32| sessions.get(id).is_some_and(|s| s.page.v4l2.load(Ordering::Relaxed) != 0);
        let decided: Vec<u32> = core.undecided().filter(speaks).collect();
        for session in &decided {
            core.speaks_v4l2(*session);
        }
        !decided.is_empty()
    }

    /// A client has asked to be looked at. One of a legacy process that turns out to be a program of today, by its
    /// first V4L2 request, and has no stream yet finds its descriptor readable as such programs do.
    pub(super) fn look_at_client(&self, session: u32) {
        let Some(s) = self.sessions.get(&session) else { return };
        let (info, page) = (&s.info, &s.page);
        let is_fresh = || {
            let none = |word: &AtomicU32| word.load(Ordering::SeqCst) == 0;
            none(&page.streaming) && none(&page.count)
        };
        let is_todays = info.legacy && !info.input && !page.is_old(info.legacy);
        if !is_todays || !is_fresh() || page.rung.load(Ordering::SeqCst) != 0 {
            return;
        }
        // As the poll notifier does: who gets buffers or begins a stream from here on waits for the byte, and takes it
        // away.
        page.rung.store(RINGING, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if is_fresh() {
            let_poll_return(page, &s.end);
        } else {
            page.rung.store(0, Ordering::SeqCst);
        }
    }

    pub(super) fn send_ring(&mut self, id: u32, session: u32) -> bool {
        let mut found: Option<(Arc<RingMemory>, bool)> = None;
        let result = self.with_session(id, session, |engine, session, index| {
            let pipe = &engine.pipes[index];
            let ring = pipe.ring.clone().ok_or(Errno::EINVAL)?;
            let pusher = pipe.core.pusher() == Some(session);
            let Some(s) = engine.sessions.get_mut(&session) else { return Err(Errno::EBADF) };
            if s.info.input && !pusher {
                // The frames are another pusher's.
                return Err(Errno::EBUSY);
            }
            found = Some((ring, pusher));
            Ok(Reply::Done)
        });
        let writes = self.writes(session);
        match (result, found) {
            (Ok(_), Some((ring, pusher))) => {
                let (number, log) = (ring.number, ring.log_number);
                let answer = Reply::Ring { ring: number, slots: ring.slots(), slot_len: ring.slot_len, log };
                let fds: [BorrowedFd; 2] = ring.descriptors(pusher, writes);
                self.answer(id, &answer, &fds)
            }
            (Err(e), _) => self.answer(id, &Reply::Error(e as i32), &[]),
            (Ok(_), None) => self.answer(id, &Reply::Error(libc::EINVAL), &[]),
        }
    }

    /// A pusher that closes, reopens and sets up at once must not meet itself, nor must one that may have claimed by
    /// opening: its hang-up may be waiting behind the request that we just read.
    pub(super) fn end_closed_pusher(&mut self, index: usize) {
        let core = &self.pipes[index].core;
        let pushers: Vec<u32> = core.pusher().into_iter().chain(core.undecided()).collect();
        for pusher in pushers {
            self.end_if_closed(pusher);
        }
    }

    /// The same for whoever has the stream to itself.
    pub(super) fn end_closed_owner(&mut self, index: usize) {
        if let Some(owner) = self.pipes[index].core.owner() {
            self.end_if_closed(owner);
        }
    }

    /// Where no more may open a pipe, those that have closed it are looked for.
    fn end_closed_if_full(&mut self, index: usize) {
        if self.pipes[index].core.is_full() {
            self.end_closed(index);
        }
    }

    /// Whoever has opened a pipe and closed it is in nobody's way any more.
    pub(super) fn end_closed(&mut self, index: usize) {
        for session in self.openers(index) {
            self.end_if_closed(session);
        }
    }

    /// The sessions of a pipe.
    pub(super) fn openers(&self, index: usize) -> Vec<u32> {
        self.pipes[index].core.openers().map(|(session, _)| session).collect()
    }

    /// Ends a session whose descriptor nobody has any more.
    pub(super) fn end_if_closed(&mut self, session: u32) {
        let Some(s) = self.sessions.get(&session) else { return };
        let mut ends = [PollFd::new(s.end.as_fd(), PollFlags::empty())];
        let hung_up = poll(&mut ends, PollTimeout::ZERO).is_ok()
            && ends[0].revents().is_some_and(|r| r.contains(PollFlags::POLLHUP));
        if hung_up {
            self.end_session(session);
        }
    }

    /// The last copy of a device's descriptor is gone.
    pub(super) fn end_session(&mut self, id: u32) {
        let Some(session) = self.sessions.remove(&id) else { return };
        let _ = self.hangups.delete(session.end.as_fd());
        self.cookies.remove(&session.cookie);
        for holder in &session.holders {
            if let Some(connection) = self.connections.get_mut(holder) {
                connection.sessions.remove(&id);
            }
        }
        let pipe = &mut self.pipes[session.pipe];
        pipe.poll_notifier.remove(id);
        pipe.remember_counters(&session.page);
        pipe.clear_row(id);
        debug!(session = id, side = ?Self::side(&session), pid = session.pid, "closed");
        let effects = pipe.core.close(id);
        self.apply(session.pipe, effects);
        self.show_closed(session.pipe, Self::side(&session), session.inode);
        self.end_zero(id, session.pipe, session.info.input);
        if effects.fed_ended {
            self.notify(session.pipe);
        }
        // The views are brought up to date once for all that end at this time; before an answer anyway.
    }
}

/// What tells a socket from all others that there are, for as long as the machine runs (SO_COOKIE, Linux 4.12). Nobody
/// can choose it; an inode's number, and a name, others can have elsewhere.
fn cookie(socket: &OwnedFd) -> Result<u64, Errno> {
    let (mut cookie, mut len) = (0u64, size_of::<u64>() as libc::socklen_t);
    // SAFETY: room for one answer of that size.
    let asked = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    Errno::result(asked).map(|_| cookie)
}

/// The two ends of a device's descriptor: ours and the program's.
///
/// The program's end is what it polls, duplicates and closes. An output's is never writable: its
/// send queue is filled once and never read. Our end has a name, by which any process that meets
/// the other knows it.
fn device_pair(name: &[u8], side: Side, flags: u32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
    bind(ours.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
    fchmod(&theirs, Mode::from_bits_retain(DEVICE_MODE))?;
    if side == Side::Output {
        // The kernel's least: what is stuffed costs memory.
        setsockopt(&theirs, SndBuf, &1)?;
        let stuffing = [0u8; 512];
        while send(theirs.as_raw_fd(), &stuffing, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL).is_ok() {}
    }
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    if flags as i32 & libc::O_NONBLOCK != 0 {
        fcntl(&theirs, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok((ours, theirs))
}
