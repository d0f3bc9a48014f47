//! What pushers set and clients stream.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::errno::Errno;
use tracing::{info, warn};
use vloopback_abi::v4l2::V4l2PixFormat;
use vloopback_core::{Effects, Pipe, Refusal, RingPlan};
use vloopback_wire::{PixelFormat, Reply};

use super::Engine;
use super::device::errno;
use super::pipes::{Origin, PipeState};
use crate::card;
use crate::config::MAX_TIMEOUT;
use crate::image::TimeoutImage;
use crate::memory::{RingMemory, Writer};
use crate::placeholder::{Job, Silence};
use crate::quota::Resource;

/// What [`Engine::set_timeout`] is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeout {
    /// N of one of the pipe's nodes.
    pub(super) node: u32,
    /// Pixels a line of the picture that comes with it; 0: none does.
    pub(super) width: u32,
    /// Its lines.
    pub(super) height: u32,
    /// How long a pusher may be silent, 0 for ever; None: as it was.
    pub(super) limit: Option<Duration>,
}

impl Engine {
    pub(super) fn claim(&mut self, session: u32, index: usize) -> Result<Reply, Errno> {
        self.end_closed_pusher(index);
        // It may be the pusher that has just been closed.
        let s = self.session(session)?;
        let (uid, is_v4l1) = (s.uid, s.page.v4l1.load(Ordering::Relaxed) != 0);
        self.charge_claim(uid, index)?;
        self.decide_openers(index);
        let core = &mut self.pipes[index].core;
        let effects =
            if is_v4l1 { core.claim_by_v4l1(session) } else { core.claim(session) }.map_err(errno)?;
        self.apply(index, effects);
        Ok(Reply::Done)
    }

    /// The claim that comes with a V4L2 request that sets something.
    fn claim_v4l2(&mut self, session: u32, index: usize) -> Result<(), Errno> {
        self.end_closed_pusher(index);
        // It may be the pusher that has just been closed.
        let uid = self.session(session)?.uid;
        self.charge_claim(uid, index)?;
        let effects = match self.pipes[index].core.claim(session) {
            Err(Refusal::Busy) if self.may_take_over(session, index) => {
                self.pipes[index].core.take_over(session)
            }
            other => other,
        }
        .map_err(errno)?;
        self.apply(index, effects);
        Ok(())
    }

    /// Before a claim: of the pipes that are made as spares, when others are claimed, no user gets all.
    ///
    /// EDQUOT: this one has its share.
    pub(super) fn charge_claim(&mut self, uid: u32, index: usize) -> Result<(), Errno> {
        let pipe = &mut self.pipes[index];
        if pipe.origin != Origin::Spare || pipe.core.pusher().is_some() {
            return Ok(());
        }
        pipe.claim = Some(self.quotas.charge(uid, Resource::Pipes, 1).map_err(|_| Errno::EDQUOT)?);
        Ok(())
    }

    /// Whether the pusher's is another descriptor of the same process, both used as V4L2 has it, and
    /// without buffers: there the claim is that of whoever sets something next.
    fn may_take_over(&self, session: u32, index: usize) -> bool {
        let Some(pusher) = self.pipes[index].core.pusher() else { return false };
        let is_v4l2 = |id: u32| {
            self.sessions
                .get(&id)
                .is_some_and(|s| !s.page.is_old(s.info.legacy) && s.page.count.load(Ordering::Relaxed) == 0)
        };
        let one_process =
            self.connections.values().any(|c| c.sessions.contains(&session) && c.sessions.contains(&pusher));
        one_process && is_v4l2(session) && is_v4l2(pusher)
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
        let effects = self.pipes[index].core.set_palette(session, palette, picture).map_err(errno)?;
        self.apply(index, effects);
        self.tell_controls(index, effects.controls, session);
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
        self.begin_feed(session, index, plan, Pipe::commit_size)
    }

    pub(super) fn set_format(
        &mut self,
        session: u32,
        index: usize,
        format: &PixelFormat,
    ) -> Result<Reply, Errno> {
        let asked = V4l2PixFormat {
            width: format.width,
            height: format.height,
            pixelformat: format.fourcc,
            field: format.field,
            sizeimage: format.sizeimage,
            colorspace: format.colorspace,
            ycbcr_enc: format.colours & 0xff,
            quantization: format.colours >> 8 & 0xff,
            xfer_func: format.colours >> 16 & 0xff,
            ..V4l2PixFormat::default()
        };
        let refused = |refusal: Refusal| {
            info!(pipe = index, "format refused: {refusal}");
            errno(refusal)
        };
        let effects = if self.session(session)?.info.input {
            // By itself first: the claim stands, whatever becomes of the rest.
            self.claim_v4l2(session, index)?;
            self.pipes[index].core.set_format(session, &asked).map_err(refused)?
        } else {
            let pipe = &mut self.pipes[index];
            let effects = pipe.core.agree(session, &asked).map_err(refused)?;
            if let Some(memory) = &pipe.zero {
                memory.pusher_page.set_has_format();
            }
            effects
        };
        self.apply_by(index, effects, Some(session));
        if effects.format {
            self.notify(index);
        }
        Ok(Reply::Done)
    }

    pub(super) fn feed(
        &mut self,
        session: u32,
        index: usize,
        on: bool,
        buffers: u32,
    ) -> Result<Reply, Errno> {
        if !on {
            let effects = self.pipes[index].core.end_feed(session).map_err(errno)?;
            self.apply(index, effects);
            if effects.fed_ended {
                self.notify(index);
            }
            return Ok(Reply::Done);
        }
        self.claim_v4l2(session, index)?;
        let plan = self.pipes[index].core.plan_feed(session, buffers).map_err(|refusal| {
            info!(pipe = index, "first frame refused: {refusal}");
            errno(refusal)
        })?;
        self.begin_feed(session, index, plan, Pipe::commit_feed)
    }

    /// Makes the ring of a plan, then the session feeds the pipe. No plan: it does already.
    fn begin_feed(
        &mut self,
        session: u32,
        index: usize,
        plan: Option<RingPlan>,
        commit: fn(&mut Pipe, RingPlan) -> Effects,
    ) -> Result<Reply, Errno> {
        let Some(plan) = plan else { return Ok(Reply::Done) };
        let uid = self.session(session)?.uid;
        let writer = Writer { session, uid };
        let quotas = self.quotas.clone();
        self.notify(index);
        // No card is published any more once somebody feeds the pipe.
        self.pipes[index].placeholder.set(None);
        if let Err(e) = self.pipes[index].provide_ring(&plan, writer, &quotas) {
            let (width, height) = (plan.width, plan.height);
            warn!(pipe = index, width, height, "cannot allocate the ring: {e}");
            // Nothing has changed: what was shown goes on.
            self.apply(index, Effects { board: true, ..Effects::default() });
            return Err(Errno::ENOMEM);
        }
        let effects = commit(&mut self.pipes[index].core, plan);
        self.apply(index, effects);
        self.notify(index);
        Ok(Reply::Done)
    }

    pub(super) fn set_interval(
        &mut self,
        session: u32,
        index: usize,
        numerator: u32,
        denominator: u32,
    ) -> Result<Reply, Errno> {
        self.end_closed_pusher(index);
        let core = &mut self.pipes[index].core;
        let effects = core.set_interval(session, numerator, denominator).map_err(errno)?;
        self.apply(index, effects);
        Ok(Reply::Done)
    }

    pub(super) fn set_priority(&mut self, session: u32, index: usize, priority: u32) -> Result<Reply, Errno> {
        self.pipes[index].core.set_priority(session, priority).map_err(errno)?;
        self.session(session)?.page.priority.store(priority, Ordering::SeqCst);
        self.pipes[index].update_priorities();
        Ok(Reply::Done)
    }

    /// Policy `exclusive`: who has the stream to itself.
    pub(super) fn own(&mut self, session: u32, index: usize, on: bool) -> Result<Reply, Errno> {
        self.end_closed_owner(index);
        let pipe = &mut self.pipes[index].core;
        if on {
            pipe.own(session).map_err(errno)?;
        } else {
            pipe.disown(session);
        }
        Ok(Reply::Done)
    }

    pub(super) fn stream(
        &mut self,
        session: u32,
        index: usize,
        on: bool,
        hold: u32,
        fewer: bool,
    ) -> Result<Reply, Errno> {
        if on {
            self.own(session, index, true)?;
        }
        let pipe = &mut self.pipes[index];
        pipe.clear_row(session);
        // Who comes is counted first: for it there may have to be a ring to hold slots of.
        let (_, effects) = pipe.core.stream(session, on, 0, fewer).map_err(errno)?;
        let s = self.sessions.get(&session).ok_or(Errno::EBADF)?;
        if on {
            let (client, legacy) = (s.info.client, s.info.legacy);
            if let Err(e) = pipe.poll_notifier.add(session, client, legacy, s.end.clone(), s.page.clone()) {
                // It is not counted among those whom nobody would ring.
                pipe.core.stream(session, false, 0, fewer).map_err(errno)?;
                return Err(e);
            }
        } else {
            pipe.poll_notifier.remove(session);
        }
        self.apply(index, effects);
        let pipe = &mut self.pipes[index];
        let hold = if pipe.ring.is_some() { hold } else { 0 };
        let (grant, effects) = pipe.core.stream(session, on, hold, fewer).map_err(errno)?;
        // clear_row once more: the row may be another one now.
        self.pipes[index].clear_row(session);
        if grant.is_some() {
            self.apply(index, effects);
        }
        Ok(match grant {
            Some(grant) => Reply::Stream { row: grant.row + 1, quota: grant.quota },
            None => Reply::Stream { row: 0, quota: 0 },
        })
    }

    /// Does what the pipe's state machine says has to be done.
    pub(super) fn apply(&mut self, index: usize, effects: Effects) {
        self.apply_by(index, effects, None);
    }

    /// The same; `setter` asked for it, and need not be told.
    pub(super) fn apply_by(&mut self, index: usize, effects: Effects, setter: Option<u32>) {
        let shown = self.pipes[index].board.format().pix;
        if self.pipes[index].origin == Origin::Studio && self.pipes[index].core.feed().is_none() {
            self.take_picture(index, &shown);
        }
        if effects.board || effects.fed_ended || effects.format {
            self.pipes[index].release_ring_if_unused();
            let taken_back = self.pipes[index].take_ring_back();
            self.prepare_captures(index);
            let idle = self.prepare_idle(index);
            let job = self.idle_job(index);
            let pipe = &mut self.pipes[index];
            pipe.placeholder.stop_unless(job.as_ref());
            pipe.update_board();
            // What a pusher that left has published is still for those who were slower. Of a palette that V4L2 has
            // no name for V4L2's clients learn when somebody feeds it: what their descriptors are readable for
            // is there until then.
            let same = pipe.board.format().pix.same_frames(&shown);
            if idle.format && pipe.stale {
                // It left before it fed: they are of the format in force again.
                pipe.stale = false;
            } else if idle.format || (effects.format && !(same && pipe.core.feed().is_none())) {
                pipe.forget_frames();
            } else if effects.format {
                pipe.stale = true;
            }
            let pusher = pipe.core.pusher().and_then(|id| self.sessions.get(&id)).map(|s| s.page.clone());
            pipe.poll_notifier.set_ring(pipe.ring.clone(), pipe.core.feed().is_some(), job.is_some(), pusher);
            pipe.poll_notifier
                .set_zero(pipe.core.zero(), pipe.zero.as_ref().map(|memory| memory.pusher_page.clone()));
            if let Some(memory) = &pipe.zero {
                memory.notifier.clients().captures = pipe.core.plan_zero().is_some();
            }
            pipe.placeholder.set(job);
            self.views_stale |= idle.views;
            if idle.board || taken_back {
                self.notify(index);
            }
        }
        self.views_stale |= effects.views;
        self.tell_usage(index);
        let shows = self.pipes[index].board.format().pix;
        self.tell_clients(index, !shows.same_frames(&shown), effects.fed_ended, setter);
        if self.pipes[index].core.pusher().is_none() {
            self.pipes[index].claim = None;
        }
        if effects.claimed {
            self.keep_spares();
        }
    }

    /// Makes the ring for the frames that a zero-copy pusher's V4L2 clients get, if there is none that fits.
    fn prepare_captures(&mut self, index: usize) {
        let pipe = &mut self.pipes[index];
        let pusher = pipe.core.pusher().and_then(|id| self.sessions.get(&id));
        let writer = pusher.map(|s| Writer { session: s.info.session, uid: s.uid });
        let (Some(plan), Some(writer)) = (pipe.core.plan_zero(), writer) else { return };
        let same = |ring: &Arc<RingMemory>| ring.writer == writer;
        if pipe.ring_fits(&plan) && !pipe.stale && pipe.ring.as_ref().is_some_and(same) {
            return;
        }
        pipe.placeholder.set(None);
        match pipe.provide_ring(&plan, writer, &self.quotas) {
            Ok(()) => {
                pipe.update_board();
                self.notify(index);
            }
            Err(e) => warn!(pipe = index, "cannot allocate the ring of V4L2 clients: {e}"),
        }
    }

    /// Whether somebody streams who is shown a placeholder: not those whom the old rules tell of the end.
    fn is_watched(&self, index: usize) -> bool {
        self.pipes[index]
            .core
            .openers()
            .filter(|(_, opener)| opener.streaming)
            .any(|(id, _)| self.sessions.get(&id).is_some_and(|s| !s.page.is_old(s.info.legacy)))
    }

    /// What the placeholder needs, where one is to be shown and can be drawn.
    fn idle_plan(&self, index: usize) -> Option<RingPlan> {
        let core = &self.pipes[index].core;
        core.plan_idle().filter(|_| self.is_watched(index) && card::can_draw(core.pix()))
    }

    /// Makes the ring that the placeholder needs, if there is none that fits.
    fn prepare_idle(&mut self, index: usize) -> Effects {
        let Some(plan) = self.idle_plan(index) else { return Effects::default() };
        let pipe = &mut self.pipes[index];
        if pipe.ring_fits(&plan) && pipe.core.pix_in_force() {
            return Effects::default();
        }
        pipe.placeholder.set(None);
        if !pipe.ring_fits(&plan) {
            let own = Writer { session: 0, uid: nix::unistd::geteuid().as_raw() };
            if let Err(e) = pipe.provide_ring(&plan, own, &self.quotas) {
                warn!(pipe = index, "cannot allocate the placeholder's ring: {e}");
                return Effects::default();
            }
        }
        pipe.core.commit_idle(plan)
    }

    /// What the placeholder's thread has to do as things stand.
    fn idle_job(&self, index: usize) -> Option<Job> {
        let pipe = &self.pipes[index];
        let silence = self.silence(index);
        let plan = if silence.is_some() { pipe.core.size()? } else { self.idle_plan(index)? };
        let ring = pipe.ring.clone().filter(|_| pipe.ring_fits(&plan) && pipe.core.pix_in_force())?;
        let job = Job::new(ring, pipe.core.pix(), pipe.core.interval()).with_image(pipe.image.clone());
        Some(match silence {
            Some(silence) => job.in_silence(silence),
            None => job,
        })
    }

    /// The pusher in whose silence pictures are shown, or its newest frame again: one that feeds a pipe with a time
    /// limit, or whose rate is sustained, that somebody watches.
    fn silence(&self, index: usize) -> Option<Silence> {
        let pipe = &self.pipes[index];
        let core = &pipe.core;
        core.feed().filter(|_| core.streamers() > 0)?;
        let limit = Some(pipe.timeout).filter(|limit| !limit.is_zero() && card::can_draw(core.pix()));
        let (seconds, frames) = core.interval();
        let interval = Duration::from_nanos(u64::from(seconds) * 1_000_000_000 / u64::from(frames.max(1)));
        // A zero-copy pusher delivers on request: it is never late by itself. The first time after one and a half
        // frames, as v4l2loopback does.
        let late = Some(interval * 3 / 2).filter(|_| pipe.sustain && pipe.zero.is_none());
        limit.or(late)?;
        let pusher = core.pusher()?;
        let page = self.sessions.get(&pusher)?.page.clone();
        let notifier = pipe.zero.as_ref().map(|memory| memory.notifier.clone());
        Some(Silence { pusher, page, limit, late, notifier })
    }

    /// Sets what is shown in place of the card, and when, on the pipe of node N (`/dev/videoN`).
    ///
    /// # Errors
    /// ENOENT: there is no such node. EACCES: whoever asks may not open its input for writing. EINVAL: the
    /// picture is none ([`TimeoutImage::received`]), or the time too long.
    pub(super) fn set_timeout(&mut self, id: u32, asked: Timeout, fds: Vec<OwnedFd>) -> Result<Reply, Errno> {
        let peer = self.connections.get(&id).map(|c| c.peer.clone()).ok_or(Errno::EBADF)?;
        let has = |pipe: &PipeState| pipe.input == asked.node || pipe.output == asked.node;
        let index = self.pipes.iter().position(has).ok_or(Errno::ENOENT)?;
        if !peer.may(&self.pipes[index].access, false, true) {
            return Err(Errno::EACCES);
        }
        if asked.limit.is_some_and(|limit| limit > MAX_TIMEOUT) {
            return Err(Errno::EINVAL);
        }
        let image = match fds.into_iter().next() {
            Some(fd) => Some(Arc::new(TimeoutImage::received(fd, asked.width, asked.height)?)),
            None if (asked.width, asked.height) != (0, 0) => return Err(Errno::EINVAL),
            None => None,
        };
        let before = self.pipes[index].settings();
        let pipe = &mut self.pipes[index];
        pipe.image = image.or(pipe.image.take());
        pipe.timeout = asked.limit.unwrap_or(pipe.timeout);
        info!(pipe = index, pid = peer.pid, timeout = ?pipe.timeout, "timeout image set");
        self.apply(index, Effects { board: true, ..Effects::default() });
        self.save();
        self.tell_settings(index, before, 0);
        Ok(Reply::Done)
    }
}
