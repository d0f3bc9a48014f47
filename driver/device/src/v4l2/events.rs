//! V4L2's events: the daemon posts them into the session's page (`ring/events.rs`), here they are taken.
//!
//! Subscriptions are the open file's, as the specification has it for file handles: dup, fork, exec and
//! SCM_RIGHTS keep them. A pusher of a one-copy pipe learns by the controls' events on the input what its
//! clients want.

use vloopback_abi::v4l2::{
    V4L2_EVENT_ALL, V4L2_EVENT_CTRL, V4L2_EVENT_PRI_CLIENT_USAGE, V4L2_EVENT_SUB_FL_SEND_INITIAL, V4l2Event,
    V4l2EventSubscription, V4l2Timespec,
};
use vloopback_ring::Event;
use vloopback_wire::Request;

use core::sync::atomic::Ordering;

use crate::caller::Call;
use crate::event_doorbell;
use crate::open_file::OpenFile;
use crate::v4l2::{controls, picture};
use vloopback_link::connection;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result};

/// VIDIOC_SUBSCRIBE_EVENT.
///
/// # Errors
/// EINVAL: the node has no such events. ENOMEM: too many subscriptions. EINTR, ENODEV.
pub(super) fn subscribe(session: &Call, asked: &V4l2EventSubscription) -> Result<()> {
    let V4l2EventSubscription { type_: kind, id, flags, .. } = *asked;
    let is_slider = kind == V4L2_EVENT_CTRL && controls::of_loopback(id).is_none();
    if is_slider && flags & V4L2_EVENT_SUB_FL_SEND_INITIAL != 0 {
        picture::refresh(session)?;
    }
    connection::tell(&Request::Subscribe { session: session.info().session, kind, id, flags })
}

/// VIDIOC_UNSUBSCRIBE_EVENT: what is pending of them goes.
///
/// # Errors
/// ENODEV. That there is no such subscription is none.
pub(super) fn unsubscribe(session: &OpenFile, asked: &V4l2EventSubscription) -> Result<()> {
    let (kind, id) = (asked.type_, if asked.type_ == V4L2_EVENT_ALL { 0 } else { asked.id });
    connection::tell(&Request::Unsubscribe { session: session.info().session, kind, id })?;
    // poll tells of what is left.
    event_doorbell::is_right(session);
    Ok(())
}

/// VIDIOC_DQEVENT: the oldest event.
///
/// # Errors
/// ENOENT: there is none, and the descriptor is one that does not wait. EINTR after a handler without
/// SA_RESTART; ENODEV when the daemon is gone, EBADF when the device was closed meanwhile.
pub(super) fn dequeue(call: &Call) -> Result<V4l2Event> {
    let session = call.file;
    let page = session.page();
    loop {
        session.alive()?;
        // Read before the look: what is posted after it changes the word.
        let kick = page.kick.load(Ordering::SeqCst);
        match try_dequeue(session)? {
            Ok(Some((event, pending))) => return Ok(tell(&event, pending)),
            Ok(None) if call.caller.may_wait() => session.wait_for_word(&page.kick, kick, None)?,
            Ok(None) => return Err(Errno::ENOENT),
            Err(owner) => session.wait_for_lock(page.lock.word(), owner)?,
        }
        if !call.caller.is_open() {
            return Err(Errno::EBADF);
        }
    }
}

/// Takes the oldest event, if there is one; or tells who has the session's lock.
fn try_dequeue(session: &OpenFile) -> Result<core::result::Result<Option<(Event, u32)>, u32>> {
    let me = connection::peer()?;
    let _quiet = NoSignals::new();
    if let Err(owner) = session.page().lock.try_lock(me) {
        return Ok(Err(owner));
    }
    let events = &session.page().events;
    let mut taken = events.take();
    if taken.is_none() && events.ringing.load(Ordering::SeqCst) != 0 {
        // What poll told of is there, but the daemon is about to put a newer one in its place.
        event_doorbell::until_posted(session);
        taken = events.take();
    }
    if !session.page().events.is_pending() {
        event_doorbell::clear(session);
    }
    session.unlock_page();
    Ok(Ok(taken))
}

/// The event as programs are told of it.
fn tell(event: &Event, pending: u32) -> V4l2Event {
    let mut told = V4l2Event {
        type_: event.kind,
        id: event.id,
        pending,
        sequence: event.sequence,
        timestamp: V4l2Timespec::from_nanos(event.time),
        ..V4l2Event::default()
    };
    match event.kind {
        V4L2_EVENT_CTRL => {
            if let Some(control) = controls::event(event.id, event.changes, event.value) {
                told.set_ctrl(&control);
            }
        }
        V4L2_EVENT_PRI_CLIENT_USAGE => told.set_word(event.value),
        _ => told.set_word(event.changes),
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::v4l2::{V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, V4L2_EVENT_SOURCE_CHANGE};

    #[test]
    fn events_are_told_as_the_kernel_tells_them() {
        let event = Event {
            kind: V4L2_EVENT_CTRL,
            id: V4L2_CID_BRIGHTNESS,
            sequence: 7,
            changes: 3,
            value: 65_535,
            time: 5_000_000_001,
        };
        let told = tell(&event, 2);
        assert_eq!((told.type_, told.id, told.pending, told.sequence), (3, V4L2_CID_BRIGHTNESS, 2, 7));
        assert_eq!((told.timestamp.sec, told.timestamp.nsec), (5, 1));
        let control = told.ctrl();
        assert_eq!((control.changes, control.type_, control.value()), (3, V4L2_CTRL_TYPE_INTEGER, 65_535));
        assert_eq!((control.minimum, control.maximum, control.step), (0, 65_535, 1));
        assert_eq!(control.default_value, 0x8000);
        let changed = tell(&Event { kind: V4L2_EVENT_SOURCE_CHANGE, changes: 1, ..Event::default() }, 0);
        assert_eq!((changed.word(), changed.u[4..].iter().any(|&byte| byte != 0)), (1, false));
        let usage = Event { kind: V4L2_EVENT_PRI_CLIENT_USAGE, value: 3, ..Event::default() };
        assert_eq!((tell(&usage, 0).type_, tell(&usage, 0).word()), (283_115_521, 3));
    }
}
