//! Opening devices, and what their holders ask.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, bind, getpeername, send, setsockopt, socketpair,
    sockopt::SndBuf,
};
use nix::sys::stat::fstat;
use tracing::{debug, info, warn};
use vloopback_core::{Idle, Refusal, Side};
use vloopback_proc::owners::process_name;
use vloopback_wire::{DEVICE_PREFIX, Reply, SessionInfo};

use super::{Engine, Session, Token};
use crate::memory::{Page, RingMemory};

fn errno(refusal: Refusal) -> Errno {
    Errno::from_raw(refusal.errno())
}

impl Engine {
    pub(super) fn open_device(&mut self, id: u32, node: u32, flags: u32, legacy: bool) -> bool {
        match self.make_session(id, node, flags, legacy) {
            Ok((session, device)) => {
                self.update_views();
                let s = &self.sessions[&session];
                let pipe = &self.pipes[s.pipe];
                let (page, board, desk) = (s.page.clone(), pipe.board.clone(), pipe.desk.clone());
                let fds = [device.as_fd(), page.fd(), board.fd(), desk.fd()];
                self.answer(id, &Reply::Session(s.info), &fds)
            }
            Err(e) => self.answer(id, &Reply::Error(e as i32), &[]),
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
        if !peer.may(&self.pipes[index].access, read, access.write) {
            debug!(pid = peer.pid, uid = peer.uid, node, "open refused by owner, group and mode");
            return Err(Errno::EACCES);
        }
        if side == Side::Input {
            self.end_closed_pusher(index);
        }
        let session = self.fresh();
        let client = self.pipes[index].free_client_number(&self.sessions, index);
        // All that can fail comes before the pipe's state changes.
        let page = Arc::new(Page::writable("vloopback-session")?);
        let (ours, theirs) = device_pair(&self.device_name(session), side, flags)?;
        let inode = fstat(&theirs)?.st_ino;
        let event = EpollEvent::new(EpollFlags::empty(), Token::Session(session).pack());
        let effects = self.pipes[index].core.open(session, side, access).map_err(errno)?;
        // Only the hang-up is waited for, which is always reported.
        if let Err(e) = self.epoll.add(&ours, event) {
            self.pipes[index].core.close(session);
            return Err(e);
        }
        let pipe = &self.pipes[index];
        let info = SessionInfo {
            session,
            pipe: pipe.index,
            node,
            partner: if side == Side::Input { pipe.output } else { pipe.input },
            input: side == Side::Input,
            flags,
            legacy: access.legacy || self.config.profile == vloopback_core::Profile::Vloopback,
            client,
            idle: match pipe.core.options().idle {
                Idle::Placeholder => vloopback_wire::Idle::Placeholder,
                Idle::Wait => vloopback_wire::Idle::Wait,
                Idle::Refuse => vloopback_wire::Idle::Refuse,
            } as u32,
        };
        let comm = process_name(peer.pid).unwrap_or_default();
        let (pid, uid, end) = (peer.pid, peer.uid, Arc::new(ours));
        let made = Session { info, pipe: index, end, page, inode, pid, uid, comm };
        self.inodes.insert(inode, session);
        self.sessions.insert(session, made);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.sessions.insert(session);
        }
        self.apply(index, effects);
        Ok((session, theirs))
    }

    fn device_name(&self, session: u32) -> Vec<u8> {
        // Without the leading NUL of DEVICE_PREFIX, which UnixAddr::new_abstract adds.
        let prefix = String::from_utf8_lossy(&DEVICE_PREFIX[1..]);
        format!("{prefix}{:016x}:{session:x}", self.instance).into_bytes()
    }

    /// A process met one of our devices: by exec, over a socket, or from a shell.
    pub(super) fn attach(&mut self, id: u32, fds: &[OwnedFd]) -> bool {
        let session = fds
            .first()
            .and_then(|fd| fstat(fd).ok())
            .and_then(|stat| self.inodes.get(&stat.st_ino).copied())
            // An inode's number says nothing in another file system: the name must be ours too.
            .filter(|session| {
                getpeername::<UnixAddr>(fds[0].as_raw_fd())
                    .is_ok_and(|a| a.as_abstract() == Some(&self.device_name(*session)[..]))
            });
        let Some(session) = session else {
            return self.answer(id, &Reply::Error(libc::ENODEV), &[]);
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.sessions.insert(session);
        }
        let s = &self.sessions[&session];
        let pipe = &self.pipes[s.pipe];
        let fds = [s.page.fd(), pipe.board.fd(), pipe.desk.fd()];
        self.answer(id, &Reply::Session(s.info), &fds)
    }

    pub(super) fn send_ring(&mut self, id: u32, session: u32) -> bool {
        let mut found: Option<(Arc<RingMemory>, bool)> = None;
        let result = self.with_session(id, session, |engine, session, index| {
            let pipe = &engine.pipes[index];
            let ring = pipe.ring.clone().ok_or(Errno::EINVAL)?;
            found = Some((ring, pipe.core.pusher() == Some(session)));
            Ok(Reply::Done)
        });
        match (result, found) {
            (Ok(_), Some((ring, pusher))) => {
                let answer = Reply::Ring { ring: ring.number, slots: ring.slots(), slot_len: ring.slot_len };
                let fds: Vec<BorrowedFd> = ring.descriptors(pusher);
                self.answer(id, &answer, &fds)
            }
            (Err(e), _) => self.answer(id, &Reply::Error(e as i32), &[]),
            (Ok(_), None) => self.answer(id, &Reply::Error(libc::EINVAL), &[]),
        }
    }

    pub(super) fn claim(&mut self, session: u32, index: usize) -> Result<Reply, Errno> {
        self.end_closed_pusher(index);
        let effects = self.pipes[index].core.claim(session).map_err(errno)?;
        self.apply(index, effects);
        Ok(Reply::Done)
    }

    pub(super) fn set_palette(
        &mut self,
        session: u32,
        index: usize,
        palette: u32,
        picture: [u32; 6],
    ) -> Result<Reply, Errno> {
        // By itself first: the claim stands, whatever becomes of the rest.
        self.claim(session, index)?;
        let old = self.pipes[index].core.palette();
        let effects = self.pipes[index].core.set_palette(session, palette, picture).map_err(errno)?;
        if palette != old {
            self.pipes[index].forget_frames();
        }
        self.apply(index, effects);
        Ok(Reply::Done)
    }

    pub(super) fn set_size(
        &mut self,
        session: u32,
        index: usize,
        width: u32,
        height: u32,
    ) -> Result<Reply, Errno> {
        // By itself first: the claim stands, whatever becomes of the size.
        self.claim(session, index)?;
        let plan = self.pipes[index].core.plan_size(session, width, height).map_err(|refusal| {
            info!(pipe = index, width, height, "size refused: {refusal}");
            errno(refusal)
        })?;
        let Some(plan) = plan else { return Ok(Reply::Done) };
        let uid = self.sessions[&session].uid;
        self.notify(index);
        if let Err(e) = self.pipes[index].provide_ring(&plan, uid) {
            warn!(pipe = index, width, height, "no memory for the ring: {e}");
            return Err(Errno::ENOMEM);
        }
        let effects = self.pipes[index].core.commit_size(plan);
        self.apply(index, effects);
        self.notify(index);
        Ok(Reply::Done)
    }

    pub(super) fn stream(&mut self, session: u32, index: usize, on: bool, hold: u32) -> Result<Reply, Errno> {
        self.pipes[index].clear_row(session);
        let (grant, effects) = self.pipes[index].core.stream(session, on, hold).map_err(errno)?;
        let s = &self.sessions[&session];
        if on {
            self.pipes[index].bell.add(session, s.info.client, s.end.clone(), s.page.clone())?;
        } else {
            self.pipes[index].bell.remove(session);
        }
        // clear_row once more: the row may be another one now.
        self.pipes[index].clear_row(session);
        self.apply(index, effects);
        Ok(match grant {
            Some(grant) => Reply::Stream { row: grant.row + 1, quota: grant.quota },
            None => Reply::Stream { row: 0, quota: 0 },
        })
    }

    /// A pusher that closes, reopens and sets up at once must not meet itself: its hang-up may be
    /// waiting behind the request that we just read.
    fn end_closed_pusher(&mut self, index: usize) {
        if let Some(pusher) = self.pipes[index].core.pusher() {
            self.end_if_closed(pusher);
        }
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
        let _ = self.epoll.delete(session.end.as_fd());
        self.inodes.remove(&session.inode);
        for connection in self.connections.values_mut() {
            connection.sessions.remove(&id);
        }
        let pipe = &mut self.pipes[session.pipe];
        pipe.bell.remove(id);
        pipe.remember_counters(&session.page);
        pipe.clear_row(id);
        debug!(session = id, side = ?Self::side(&session), pid = session.pid, "closed");
        let effects = pipe.core.close(id);
        self.apply(session.pipe, effects);
        if effects.fed_ended {
            self.notify(session.pipe);
        }
        self.update_views();
    }

    /// Does what the pipe's state machine says has to be done.
    pub(super) fn apply(&mut self, index: usize, effects: vloopback_core::Effects) {
        let pipe = &mut self.pipes[index];
        if effects.board {
            pipe.update_board();
        }
        if effects.fed_ended {
            pipe.forget_frames();
        }
        if effects.board || effects.fed_ended {
            pipe.release_ring_if_unused();
            pipe.bell.set_ring(pipe.ring.clone(), pipe.core.feed().is_some());
        }
        self.views_stale |= effects.views;
        if effects.claimed {
            self.keep_spares();
        }
    }
}

/// The two ends of a device's descriptor: ours and the program's.
///
/// The program's end is what it polls, duplicates and closes. An output's is never writable: its
/// send queue is filled once and never read. Our end has a name, by which any process that meets
/// the other knows it.
fn device_pair(name: &[u8], side: Side, flags: u32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
    bind(ours.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
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
    debug_assert_ne!(ours.as_raw_fd(), theirs.as_raw_fd());
    Ok((ours, theirs))
}
