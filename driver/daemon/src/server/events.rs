//! Controls, and V4L2's events: who has subscribed to what, and the event doorbells that tell of them in poll.
//!
//! An event lies in the session's page, where whoever has the open file takes it; a call that waits for one
//! sleeps on the page's `kick`. No object of the kernel's raises POLLPRI alone, so poll and its kin learn of
//! events by a second descriptor, the *event doorbell*: one end of a socket pair, made when somebody asks for it, to
//! which an urgent byte (MSG_OOB) is sent. Both ends are kept here: every process that has the device gets
//! the same one.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use vloopback_abi::v4l2::{
    V4L2_CID_USER_CLASS, V4L2_EVENT_ALL, V4L2_EVENT_CTRL, V4L2_EVENT_CTRL_CH_FLAGS, V4L2_EVENT_CTRL_CH_VALUE,
    V4L2_EVENT_EOS, V4L2_EVENT_PRI_CLIENT_USAGE, V4L2_EVENT_SOURCE_CHANGE, V4L2_EVENT_SRC_CH_RESOLUTION,
    V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK, V4L2_EVENT_SUB_FL_SEND_INITIAL,
};
use vloopback_core::{Effects, LoopbackControl, SLIDERS, Slider};
use vloopback_ring::{Event, MAX_SUBSCRIPTIONS, SessionPage};
use vloopback_wire::Reply;

use super::device::errno;
use super::{Engine, Session};
use crate::futex;
use vloopback_sys::clock::now;

/// A subscription, by its place in the session's page.
#[derive(Clone, Copy, Debug)]
struct Subscription {
    kind: u32,
    id: u32,
    flags: u32,
}

/// The descriptor that says in poll that an event is pending.
#[derive(Debug)]
struct EventDoorbell {
    // Dropped first, so that the other end's is no hang-up to anybody who polls it still.
    theirs: OwnedFd,
    ours: OwnedFd,
}

/// The events of an open file.
#[derive(Debug, Default)]
pub(super) struct Events {
    subscriptions: [Option<Subscription>; MAX_SUBSCRIPTIONS],
    /// Number of the next event.
    sequence: u32,
    event_doorbell: Option<EventDoorbell>,
}

impl Events {
    /// Posts an event to those who have subscribed to its kind, about its subject.
    fn post(&mut self, page: &SessionPage, event: Event, by_itself: bool) {
        let found = self.subscriptions.iter().position(|s| {
            s.is_some_and(|s| {
                let hears = !by_itself || s.flags & V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK != 0;
                (s.kind, s.id) == (event.kind, event.id) && hears
            })
        });
        if let Some(place) = found {
            self.post_at(place, page, event);
        }
    }

    fn post_at(&mut self, place: usize, page: &SessionPage, event: Event) {
        let event = Event { sequence: self.sequence, time: now(), ..event };
        self.sequence = self.sequence.wrapping_add(1);
        // Whoever takes the event from here on waits for the event doorbell, so that it does not ring for nothing.
        page.events.ringing.store(1, Ordering::SeqCst);
        page.events.subscriptions[place].post(&event);
        futex::kick(page);
        self.ring_event_doorbell(page);
    }

    /// Makes the event doorbell ready if there is something to take.
    fn ring_event_doorbell(&self, page: &SessionPage) {
        page.events.ringing.store(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if let Some(event_doorbell) = self.event_doorbell.as_ref().filter(|_| page.events.is_pending()) {
            let urgent = MsgFlags::MSG_OOB | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            // Full is ready.
            if send(event_doorbell.ours.as_raw_fd(), &[1], urgent) == Err(Errno::EOPNOTSUPP) {
                // A kernel without urgent bytes (before 5.15): readable is all that it can be. poll and
                // select make do with that, epoll cannot.
                let _ = send(event_doorbell.ours.as_raw_fd(), &[1], urgent & !MsgFlags::MSG_OOB);
            }
        }
        page.events.ringing.store(0, Ordering::SeqCst);
    }

    fn place_of(&self, kind: u32, id: u32) -> Option<usize> {
        self.subscriptions.iter().position(|s| s.is_some_and(|s| (s.kind, s.id) == (kind, id)))
    }

    fn end(&mut self, place: usize, page: &SessionPage) {
        self.subscriptions[place] = None;
        page.events.subscriptions[place].end();
        self.count(page);
    }

    fn count(&self, page: &SessionPage) {
        let count = self.subscriptions.iter().flatten().count() as u32;
        page.events.subscribed.store(count, Ordering::SeqCst);
    }
}

/// The event of a control.
fn of_control(id: u32, changes: u32, value: u32) -> Event {
    Event { kind: V4L2_EVENT_CTRL, id, changes, value, ..Event::default() }
}

/// v4l2loopback's event of so many clients that stream.
fn of_usage(streaming: u32) -> Event {
    // Not as a change: those are gathered bit by bit while nobody takes them.
    Event { kind: V4L2_EVENT_PRI_CLIENT_USAGE, value: streaming, ..Event::default() }
}

/// Whether a node has events of this kind about this subject.
fn can_be(input: bool, kind: u32, id: u32) -> bool {
    match kind {
        // The class is no value and never changes, but may be named.
        V4L2_EVENT_CTRL => {
            id == V4L2_CID_USER_CLASS || Slider::of(id).is_some() || LoopbackControl::of(id).is_some()
        }
        V4L2_EVENT_SOURCE_CHANGE | V4L2_EVENT_EOS => !input && id == 0,
        V4L2_EVENT_PRI_CLIENT_USAGE => input && id == 0,
        _ => false,
    }
}

impl Engine {
    /// Sets sliders, whoever asks: a panel on the output, the pusher on the input.
    pub(super) fn set_controls(
        &mut self,
        session: u32,
        index: usize,
        which: u32,
        values: [u32; 5],
    ) -> Result<Reply, Errno> {
        let wanted = std::array::from_fn(|k| (which >> k & 1 != 0).then_some(values[k]));
        let effects = self.pipes[index].core.set_controls(session, wanted).map_err(errno)?;
        self.apply(index, effects);
        self.tell_controls(index, effects.controls, session);
        Ok(Reply::Done)
    }

    /// Sets one of v4l2loopback's controls, for who may push into the pipe: they say what becomes of pushers.
    pub(super) fn set_loopback_control(
        &mut self,
        (connection, session): (u32, u32),
        index: usize,
        which: u32,
        value: u32,
    ) -> Result<Reply, Errno> {
        let control = LoopbackControl::ALL.get(which as usize).copied().ok_or(Errno::EINVAL)?;
        if value > control.most() {
            return Err(Errno::EINVAL);
        }
        let index = self.front_of(index);
        let access = &self.pipes[index].access;
        if !self.connections.get(&connection).is_some_and(|by| by.peer.may(access, false, true)) {
            return Err(Errno::EACCES);
        }
        let before = self.pipes[index].settings();
        match control {
            LoopbackControl::KeepFormat => self.keep_format(index, value != 0)?,
            LoopbackControl::SustainFramerate => self.pipes[index].sustain = value != 0,
            LoopbackControl::Timeout => self.pipes[index].timeout = Duration::from_millis(value.into()),
            LoopbackControl::TimeoutImageIo => self.expect_picture(index, value != 0)?,
        }
        self.apply(index, Effects { board: true, views: true, ..Effects::default() });
        self.mirror_settings(index);
        self.save();
        self.tell_settings(index, before, session);
        if control == LoopbackControl::TimeoutImageIo {
            self.tell_control(index, of_control(control.id(), V4L2_EVENT_CTRL_CH_VALUE, 0), session);
        }
        Ok(Reply::Done)
    }

    /// Tells of v4l2loopback's controls whose values were `before`, and that `setter` has changed.
    pub(super) fn tell_settings(&mut self, index: usize, before: [u32; 3], setter: u32) {
        let now = self.pipes[index].settings();
        for (control, (before, now)) in LoopbackControl::ALL.into_iter().zip(before.into_iter().zip(now)) {
            if before != now {
                self.tell_control(index, of_control(control.id(), V4L2_EVENT_CTRL_CH_VALUE, now), setter);
            }
        }
    }

    fn tell_control(&mut self, index: usize, event: Event, setter: u32) {
        let studio = self.studio_of(index);
        let concerned = self.sessions.iter_mut().filter(|(_, s)| s.pipe == index || Some(s.pipe) == studio);
        for (&id, session) in concerned {
            session.events.post(&session.page, event, id == setter);
        }
    }

    /// Tells of controls that `setter` has changed, a bit for each place in the picture.
    pub(super) fn tell_controls(&mut self, index: usize, changed: u32, setter: u32) {
        let picture = self.pipes[index].core.picture();
        for slider in SLIDERS.iter().filter(|slider| changed >> slider.place & 1 != 0) {
            let event = of_control(slider.id, V4L2_EVENT_CTRL_CH_VALUE, picture[slider.place]);
            self.tell_control(index, event, setter);
        }
    }

    /// Tells those who have the input, if another number of clients streams than when they were told last.
    pub(super) fn tell_usage(&mut self, index: usize) {
        let pipe = &mut self.pipes[index];
        let streaming = pipe.core.streamers();
        if std::mem::replace(&mut pipe.told_streaming, streaming) == streaming {
            return;
        }
        self.views_stale = true;
        for session in self.sessions.values_mut().filter(|s| s.pipe == index && s.info.input) {
            session.events.post(&session.page, of_usage(streaming), false);
        }
    }

    /// Tells the clients of a pipe, but for the one that has brought it about, that its format is another one, or that
    /// its pusher's frames have ended: that only those for whom the stream ends with them. The others wait for a pusher
    /// or see a placeholder, and a program that hears of an end stops.
    pub(super) fn tell_clients(&mut self, index: usize, format: bool, ended: bool, setter: Option<u32>) {
        let event = |kind, changes| Event { kind, changes, ..Event::default() };
        let ends = ended.then(|| event(V4L2_EVENT_EOS, 0));
        let changes = format.then(|| event(V4L2_EVENT_SOURCE_CHANGE, V4L2_EVENT_SRC_CH_RESOLUTION));
        for event in ends.into_iter().chain(changes) {
            let clients = self.sessions.iter_mut().filter(|(_, s)| s.pipe == index && !s.info.input);
            for (_, session) in clients.filter(|(id, _)| setter != Some(**id)) {
                if event.kind != V4L2_EVENT_EOS || session.is_told_of_ends() {
                    session.events.post(&session.page, event, false);
                }
            }
        }
    }

    fn events_of(&mut self, session: u32) -> Result<&mut Session, Errno> {
        self.sessions.get_mut(&session).ok_or(Errno::EBADF)
    }

    /// Doing it twice is nothing.
    pub(super) fn subscribe(
        &mut self,
        session: u32,
        index: usize,
        (kind, id, flags): (u32, u32, u32),
    ) -> Result<Reply, Errno> {
        let (picture, settings) = (self.pipes[index].core.picture(), self.pipes[index].settings());
        let streaming = self.pipes[self.front_of(index)].core.streamers();
        let s = self.events_of(session)?;
        if !can_be(s.info.input, kind, id) {
            return Err(Errno::EINVAL);
        }
        if s.events.place_of(kind, id).is_some() {
            return Ok(Reply::Done);
        }
        let place = s.events.subscriptions.iter().position(Option::is_none).ok_or(Errno::ENOMEM)?;
        s.events.subscriptions[place] = Some(Subscription { kind, id, flags });
        s.page.events.subscriptions[place].begin(kind, id);
        s.events.count(&s.page);
        let value = match (Slider::of(id), LoopbackControl::of(id)) {
            (Some(slider), _) => Some(picture[slider.place]),
            // A button has no value, and is told all the same.
            (None, Some(control)) => Some(settings.get(control as usize).copied().unwrap_or(0)),
            (None, None) => None,
        };
        if kind == V4L2_EVENT_PRI_CLIENT_USAGE && flags & V4L2_EVENT_SUB_FL_SEND_INITIAL != 0 {
            s.events.post_at(place, &s.page, of_usage(streaming));
        }
        let initial = kind == V4L2_EVENT_CTRL && flags & V4L2_EVENT_SUB_FL_SEND_INITIAL != 0;
        if let Some(value) = value.filter(|_| initial) {
            let is_button = LoopbackControl::of(id) == Some(LoopbackControl::TimeoutImageIo);
            let changes = V4L2_EVENT_CTRL_CH_FLAGS | if is_button { 0 } else { V4L2_EVENT_CTRL_CH_VALUE };
            s.events.post_at(place, &s.page, of_control(id, changes, value));
        }
        Ok(Reply::Done)
    }

    /// What is not subscribed to is no error.
    pub(super) fn unsubscribe(&mut self, session: u32, kind: u32, id: u32) -> Result<Reply, Errno> {
        let s = self.events_of(session)?;
        for place in 0..MAX_SUBSCRIPTIONS {
            let found = s.events.subscriptions[place]
                .is_some_and(|s| kind == V4L2_EVENT_ALL || (s.kind, s.id) == (kind, id));
            if found {
                s.events.end(place, &s.page);
            }
        }
        Ok(Reply::Done)
    }

    /// Gives out the event doorbell of an open file.
    pub(super) fn event_doorbell(&mut self, id: u32, session: u32) -> bool {
        let made = self.with_session(id, session, |engine, session, _| {
            let s = engine.events_of(session)?;
            if s.events.event_doorbell.is_none() {
                let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
                let (theirs, ours) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
                s.events.event_doorbell = Some(EventDoorbell { theirs, ours });
                s.page.events.has_doorbell.store(1, Ordering::SeqCst);
                s.events.ring_event_doorbell(&s.page);
            }
            Ok(Reply::Done)
        });
        let event_doorbell = self.sessions.get(&session).and_then(|s| s.events.event_doorbell.as_ref());
        match (made, event_doorbell) {
            (Err(e), _) => self.answer(id, &Reply::Error(e as i32), &[]),
            (Ok(_), None) => self.answer(id, &Reply::Error(libc::EBADF), &[]),
            (Ok(done), Some(event_doorbell)) => self.answer(id, &done, &[event_doorbell.theirs.as_fd()]),
        }
    }

    /// A client has cleared the event doorbell, and something came meanwhile.
    pub(super) fn ring_event_doorbell(&mut self, session: u32) -> Result<Reply, Errno> {
        let s = self.events_of(session)?;
        s.events.ring_event_doorbell(&s.page);
        Ok(Reply::Done)
    }
}
