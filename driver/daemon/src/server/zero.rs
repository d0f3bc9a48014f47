//! Zero-copy mode: the memory, and the bells that tell a pusher of a request. The requests themselves
//! pass between the processes.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use tracing::info;
use vloopback_abi::v4l1::{VideoMbuf, VideoMmap, request};
use vloopback_core::Refusal;
use vloopback_ring::hatch::{Hatch, Order, Phase};
use vloopback_wire::Reply;
use zerocopy::{FromZeros, IntoBytes};

use super::Engine;
use super::device::errno;
use crate::futex;
use crate::memory::ZeroMemory;

/// The most memory that a pusher may map: what V4L1 can tell (VIDIOCGMBUF has ints), far below it.
const MAX_LEN: u32 = 256 * 1024 * 1024;

impl Engine {
    /// The memory of the pipe that `session` is of; an input that gives a length makes it.
    pub(super) fn zero(&mut self, id: u32, session: u32, len: u32) -> bool {
        let mut index = None;
        let result = self.with_session(id, session, |engine, session, pipe| {
            index = Some(pipe);
            if engine.sessions[&session].info.input {
                engine.begin_zero(session, pipe, len)
            } else {
                Ok(Reply::Done)
            }
        });
        self.update_views();
        let memory = index.and_then(|index| self.pipes[index].zero.as_ref().map(|m| (index, m)));
        match (result, memory) {
            (Err(e), _) => self.answer(id, &Reply::Error(e as i32), &[]),
            (Ok(_), None) => self.answer(id, &Reply::Error(libc::EINVAL), &[]),
            (Ok(_), Some((index, m))) => {
                let reply = Reply::Zero { zero: self.pipes[index].core.zero(), len: m.len };
                self.answer(id, &reply, &[m.frames.as_fd(), m.hatch.fd()])
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
            info!(pipe = index, len, "zero-copy memory refused: the most is {MAX_LEN} bytes");
            return Err(Errno::ENOMEM);
        }
        // Before anything changes: a mapping that fails leaves the pipe in one-copy mode.
        let memory = ZeroMemory::new(len).map_err(|_| Errno::ENOMEM)?;
        let effects =
            self.pipes[index].core.begin_zero(session).map_err(|refusal: Refusal| errno(refusal))?;
        self.pipes[index].placeholder.set(None);
        self.pipes[index].zero = Some(memory);
        self.apply(index, effects);
        self.notify(index);
        if let Some(hatch) = self.pipes[index].zero.as_ref().map(|memory| memory.hatch.clone()) {
            // V4L2's clients that stream already do not know of it: the first frame is asked for here.
            hatch.want();
            if self.begin_capture(index, &hatch) {
                let _ = self.bell(index);
            }
        }
        Ok(Reply::Done)
    }

    /// Makes the pusher's descriptor readable: one byte for each thing that it can read. Clients that wait
    /// for a frame that the pusher has refused are told.
    pub(super) fn bell(&mut self, index: usize) -> Result<Reply, Errno> {
        if let Some(memory) = &mut self.pipes[index].zero {
            let refusals = memory.hatch.refusals();
            if std::mem::replace(&mut memory.refusals, refusals) != refusals {
                self.notify(index);
                self.pipes[index].bell.ring();
                return Ok(Reply::Done);
            }
        }
        let pusher = self.pipes[index].core.pusher().and_then(|id| self.sessions.get(&id));
        if let (Some(pusher), Some(_)) = (pusher, &self.pipes[index].zero) {
            // A full queue is readable already; a pusher that is gone is the main loop's business.
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            let _ = send(pusher.end.as_raw_fd(), &[1], flags);
        }
        Ok(Reply::Done)
    }

    /// A session of the pipe has ended: the pusher hears of a client's end, clients of the pusher's.
    pub(super) fn end_zero(&mut self, index: usize, input: bool) {
        if !input {
            if let Some(memory) = &self.pipes[index].zero {
                memory.hatch.tell_closing();
                let _ = self.bell(index);
            }
        } else if self.pipes[index].core.zero() == 0 {
            if let Some(memory) = self.pipes[index].zero.take() {
                memory.hatch.fail(libc::EIO as u32);
                futex::wake_all(memory.hatch.word());
                // Nobody looks for this memory's turns any more when their owners die: whoever comes now
                // must get one, and sees by the board that there is nobody to ask. Not for ever: a hostile
                // client may write there.
                let turn = &memory.hatch.turn;
                for _ in 0..64 {
                    match turn.owner() {
                        0 => break,
                        owner => turn.revoke(owner),
                    };
                }
                futex::wake_all(turn.word());
            }
        }
    }

    /// A process is gone: if it was its turn to ask, others may. What it had not done to the end is done.
    pub(super) fn revoke_turns(&mut self, dead: u32) {
        for index in 0..self.pipes.len() {
            let Some(hatch) = self.pipes[index].zero.as_ref().map(|memory| memory.hatch.clone()) else {
                continue;
            };
            let mut freed = hatch.end_capture_of(dead);
            if hatch.turn.owner() == dead {
                hatch.abandon();
                freed |= hatch.turn.revoke(dead);
                // It may have been about to begin a capture.
                hatch.want();
            }
            if freed {
                futex::wake_all(hatch.turn.word());
            }
            self.begin_capture(index, &hatch);
            if hatch.state().phase() == Phase::Posted {
                // It may not have got to ring; one byte too many does no harm.
                let _ = self.bell(index);
            }
        }
    }

    /// Begins a capture for V4L2's clients if they want one and nobody else will. True: the pusher's
    /// descriptor is to be made readable.
    fn begin_capture(&mut self, index: usize, hatch: &Hatch) -> bool {
        let me = self.fresh();
        let core = &self.pipes[index].core;
        let Some(size) = core.plan_zero() else { return false };
        let palette = if hatch.palette() != 0 { hatch.palette() } else { core.palette() };
        let order = Order { width: size.width, height: size.height, palette };
        let capture =
            VideoMmap { frame: 0, width: size.width as i32, height: size.height as i32, format: palette };
        let layout = VideoMbuf::new_zeroed();
        let first = match hatch.origin() {
            None => (request::GMBUF, layout.as_bytes()),
            Some(_) => (request::MCAPTURE, capture.as_bytes()),
        };
        hatch.begin_capture(me, &order, first, futex::wake_all)
    }
}
