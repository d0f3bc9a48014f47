//! Controls and V4L2's events, as a process meets them that speaks the protocol by hand.

mod common;

use std::sync::atomic::Ordering;

use common::{Daemon, Device};
use vloopback_abi::v4l2::{
    V4L2_CID_BRIGHTNESS, V4L2_CID_CONTRAST, V4L2_CID_HUE, V4L2_EVENT_ALL, V4L2_EVENT_CTRL, V4L2_EVENT_EOS,
    V4L2_EVENT_SOURCE_CHANGE, V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK, V4L2_EVENT_SUB_FL_SEND_INITIAL,
};
use vloopback_daemon::Idle;
use vloopback_ring::Event;
use vloopback_wire::Request;

const EBADF: i32 = 9;
const EINVAL: i32 = 22;

fn subscribe(device: &Device, kind: u32, id: u32, flags: u32) -> Result<(), i32> {
    device.ask(&Request::Subscribe { session: device.info.session, kind, id, flags })
}

fn unsubscribe(device: &Device, kind: u32, id: u32) {
    device.ask(&Request::Unsubscribe { session: device.info.session, kind, id }).expect("never an error");
}

fn set(device: &Device, which: u32, values: [u32; 5]) -> Result<(), i32> {
    device.ask(&Request::SetControls { session: device.info.session, which, values })
}

/// Takes what is pending: kinds, subjects and values.
fn taken(device: &Device) -> Vec<(u32, u32, u32)> {
    let next = || device.page.events.take().map(|(Event { kind, id, value, .. }, _)| (kind, id, value));
    std::iter::from_fn(next).collect()
}

#[test]
fn who_has_subscribed_hears_who_sets_does_not() {
    let daemon = Daemon::new();
    let (input, output) = (daemon.input(0), daemon.output(0));
    for device in [&input, &output] {
        subscribe(device, V4L2_EVENT_CTRL, V4L2_CID_HUE, 0).expect("there is such a control");
        subscribe(device, V4L2_EVENT_CTRL, V4L2_CID_HUE, 0).expect("twice is nothing");
    }
    assert_eq!(output.page.events.subscribed.load(Ordering::SeqCst), 1);
    let kick = input.page.kick.load(Ordering::SeqCst);
    set(&output, 0b11, [7, 8, 0, 0, 0]).expect("they are set");
    assert_eq!(output.format().picture, [7, 8, 0x8000, 0x8000, 0x8000, 0]);
    assert_eq!(taken(&input), [(V4L2_EVENT_CTRL, V4L2_CID_HUE, 8)]);
    assert_ne!(input.page.kick.load(Ordering::SeqCst), kick, "who waits is woken");
    assert_eq!(taken(&output), []);
    unsubscribe(&output, V4L2_EVENT_CTRL, V4L2_CID_HUE);
    subscribe(&output, V4L2_EVENT_CTRL, V4L2_CID_HUE, V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK).expect("anew");
    set(&output, 0b10, [0, 9, 0, 0, 0]).expect("it is set");
    assert_eq!(taken(&output), [(V4L2_EVENT_CTRL, V4L2_CID_HUE, 9)]);
    set(&output, 0b10, [0, 9, 0, 0, 0]).expect("it is set");
    assert_eq!(taken(&output), [], "no change, no event");
    unsubscribe(&output, V4L2_EVENT_ALL, 0);
    assert_eq!(output.page.events.subscribed.load(Ordering::SeqCst), 0);
}

/// V4L1's SPICT sets the same sliders.
#[test]
fn a_pusher_of_v4l1_sets_controls() {
    let daemon = Daemon::new();
    let (input, output) = (daemon.input(0), daemon.output(0));
    let first = V4L2_EVENT_SUB_FL_SEND_INITIAL;
    subscribe(&output, V4L2_EVENT_CTRL, V4L2_CID_BRIGHTNESS, first).expect("there is such a control");
    assert_eq!(taken(&output), [(V4L2_EVENT_CTRL, V4L2_CID_BRIGHTNESS, 0x8000)]);
    let picture = [5, 0x8000, 0x8000, 0x8000, 0x8000, 12];
    let request = Request::SetPalette { session: input.info.session, palette: 15, picture };
    input.ask(&request).expect("it is set");
    assert_eq!(taken(&output), [(V4L2_EVENT_CTRL, V4L2_CID_BRIGHTNESS, 5)]);
    assert_eq!(taken(&input), []);
}

/// Of an end those whose stream ends with it: not who waits, nor who sees the card. Another program's rules are those
/// of the requests that it makes.
#[test]
fn who_goes_on_hears_of_no_end() {
    for (idle, v4l1, hears) in [
        (Idle::Placeholder, false, false),
        (Idle::Placeholder, true, true),
        (Idle::Wait, false, false),
        (Idle::Wait, true, false),
        (Idle::Refuse, false, true),
    ] {
        let daemon = Daemon::with(|config| config.idle = Some(idle));
        let input = daemon.input(0);
        input.set_format(b"YUYV", 64, 48).expect("there is such a format");
        input.feed().expect("it fits");
        let output = daemon.output(0);
        output.page.v4l1.store(u32::from(v4l1), Ordering::SeqCst);
        for kind in [V4L2_EVENT_SOURCE_CHANGE, V4L2_EVENT_EOS] {
            subscribe(&output, kind, 0, 0).expect("an output has them");
        }
        input.set_format(b"YUYV", 320, 240).expect("there is such a format");
        let change = (V4L2_EVENT_SOURCE_CHANGE, 0, 0);
        let wanted = if hears { vec![(V4L2_EVENT_EOS, 0, 0), change] } else { vec![change] };
        assert_eq!(taken(&output), wanted, "{idle:?} {v4l1}");
    }
}

#[test]
fn clients_hear_of_formats_and_ends() {
    let daemon = Daemon::with(|config| config.idle = Some(Idle::Refuse));
    let input = daemon.input(0);
    input.set_format(b"YUYV", 640, 480).expect("the default");
    input.feed().expect("it fits");
    let output = daemon.output(0);
    for kind in [V4L2_EVENT_SOURCE_CHANGE, V4L2_EVENT_EOS] {
        subscribe(&output, kind, 0, V4L2_EVENT_SUB_FL_SEND_INITIAL).expect("an output has them");
        assert_eq!(subscribe(&input, kind, 0, 0), Err(EINVAL));
    }
    assert_eq!(taken(&output), [], "the format that there was");
    input.set_format(b"YUYV", 320, 240).expect("there is such a format");
    assert_eq!(taken(&output), [(V4L2_EVENT_EOS, 0, 0), (V4L2_EVENT_SOURCE_CHANGE, 0, 0)]);
    input.feed().expect("it fits");
    drop(input);
    let ended = (0..).map(|_| taken(&output)).find(|taken| {
        std::thread::yield_now();
        !taken.is_empty()
    });
    assert_eq!(ended, Some(vec![(V4L2_EVENT_EOS, 0, 0)]));
}

/// Another process's session, a control that is not there, a value that is too large.
#[test]
fn what_makes_no_sense_is_refused() {
    let daemon = Daemon::new();
    let (input, output) = (daemon.input(0), daemon.output(0));
    let (session, kind, id) = (input.info.session, V4L2_EVENT_CTRL, V4L2_CID_CONTRAST);
    for request in [
        Request::Subscribe { session, kind, id, flags: 0 },
        Request::Unsubscribe { session, kind, id },
        Request::SetControls { session, which: 1, values: [0; 5] },
        Request::EventDoorbell { session },
        Request::RingEventDoorbell { session },
    ] {
        assert_eq!(output.ask(&request), Err(EBADF), "{request:?}");
    }
    for (kind, id) in [
        (V4L2_EVENT_ALL, 0),
        (V4L2_EVENT_CTRL, 0),
        (V4L2_EVENT_CTRL, u32::MAX),
        (u32::MAX, 0),
        (V4L2_EVENT_EOS, 1),
    ] {
        assert_eq!(subscribe(&output, kind, id, u32::MAX), Err(EINVAL), "{kind} {id}");
    }
    assert_eq!(set(&output, u32::MAX, [1, 2, 3, 4, 65_536]), Err(EINVAL));
    assert_eq!(output.format().picture[..5], [0x8000; 5], "all or none");
    output.ask(&Request::RingEventDoorbell { session: output.info.session }).expect("without one, too");
}

/// What a client writes over its own page harms nobody.
#[test]
fn a_spoiled_page_is_the_spoilers_own() {
    let daemon = Daemon::new();
    let (one, other) = (daemon.output(0), daemon.output(0));
    for device in [&one, &other] {
        subscribe(device, V4L2_EVENT_CTRL, V4L2_CID_HUE, 0).expect("there is such a control");
    }
    for junk in [0u8, 0xff, 0x55] {
        let page: *const vloopback_ring::SessionPage = &*one.page;
        // SAFETY: atomics, of which any bytes are a value, in a page that is mapped for writing.
        unsafe { std::ptr::write_bytes(page.cast_mut(), junk, 1) };
        let value = u32::from(junk) + 1;
        set(&daemon.input(0), 0b10, [0, value, 0, 0, 0]).expect("it is set");
        assert_eq!(taken(&other), [(V4L2_EVENT_CTRL, V4L2_CID_HUE, value)]);
    }
}
