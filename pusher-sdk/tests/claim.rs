//! Which pipe a pusher gets, and what it hears when it gets none. One test: the steps share the
//! process's server.

mod common;

use common::{Client, Host, difference, picture};
use vloopback_runtime::edge;
use vloopback_sdk::{Finder, Palette, Pusher, PusherError};

#[test]
fn claims_and_refusals() {
    let mut host = Host::new(2);
    let finder = host.finder();
    let inputs = host.inputs();

    // Before the first: names that are none.
    assert!(matches!(Pusher::open("/dev/null"), Err(PusherError::Name { .. })));

    let first = Pusher::claim(&finder).unwrap();
    assert_eq!((first.pipe(), first.device()), (0, format!("/dev/video{}", inputs[0]).as_str()));
    let second = Pusher::claim(&finder).unwrap();
    assert_eq!(second.pipe(), 1);
    let error = Pusher::claim(&finder).unwrap_err();
    assert!(matches!(error, PusherError::AllBusy { pipes: 2, .. }), "{error}");
    assert!(error.to_string().contains(host.socket().to_str().unwrap()), "{error}");
    let error = Pusher::open_at(&finder, first.device()).unwrap_err();
    assert!(matches!(error, PusherError::Busy { .. }) && error.to_string().contains(first.device()));

    let error = Pusher::open_at(&finder, first.output()).unwrap_err();
    assert!(matches!(&error, PusherError::NotAnInput { input, .. } if input == first.device()), "{error}");
    let error = Pusher::open_at(&finder, "video250").unwrap_err();
    assert!(matches!(error, PusherError::NoSuchPipe { .. }), "{error}");
    assert_eq!(error.errno().raw(), libc::ENOENT);

    // Given back, a pipe is free at once; /proc says so.
    drop(first);
    let mut first = Pusher::claim(&finder).unwrap();
    assert_eq!(first.pipe(), 0);
    first.set_format(Palette::Grey, 40, 30).unwrap();
    let client = Client::watching(first.output());
    first.write_frame(&picture(1, 1200)).unwrap();
    assert_eq!(difference(&client.read(1200).unwrap(), &picture(1, 1200)), None);

    // A pusher whose descriptors a program closes learns of it, and closes nobody else's.
    let mut second = second;
    second.set_format(Palette::Grey, 40, 30).unwrap();
    let raw = device_descriptor(&second);
    // SAFETY: what a program does that closes what it does not know.
    unsafe { libc::close(raw) };
    let third = loop {
        // The server hears of the hang-up by itself, soon.
        match Pusher::open_at(&finder, second.device()) {
            Ok(pusher) => break pusher,
            Err(PusherError::Busy { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    let error = second.write_frame(&picture(1, 1200)).unwrap_err();
    assert!(matches!(error, PusherError::Lost { .. }), "{error}");
    assert!(matches!(second.check(), Err(PusherError::Lost { .. })));
    drop(second);
    third.check().unwrap();
    drop(third);

    // The server ends.
    let mut slot_holder = Pusher::claim(&finder).unwrap();
    slot_holder.set_format(Palette::Grey, 40, 30).unwrap();
    let watching = Client::watching(slot_holder.output());
    let slot = slot_holder.frame_slot().unwrap().unwrap();
    host.server.take().unwrap().stop();
    let error = slot.publish().unwrap_err();
    assert!(matches!(error, PusherError::ServerGone { .. }), "{error}");
    assert!(error.to_string().contains("start vloopbackd"));
    let error = first.write_frame(&picture(1, 1200)).unwrap_err();
    assert!(matches!(error, PusherError::ServerGone { .. }), "{error}");
    assert!(matches!(first.frame_slot(), Err(PusherError::ServerGone { .. })));
    assert!(matches!(first.set_format(Palette::Grey, 20, 20), Err(PusherError::ServerGone { .. })));
    assert_eq!(first.check().unwrap_err().errno().raw(), libc::ENODEV);
    let error = Pusher::claim(&finder).unwrap_err();
    assert!(matches!(error, PusherError::NoServer { .. }), "{error}");
    assert!(error.to_string().contains("start vloopbackd"));
    let error = Pusher::open_at(&Finder::at(host.socket()), "0").unwrap_err();
    assert!(matches!(error, PusherError::NoServer { .. }), "{error}");
    drop((first, slot_holder, client, watching));
}

/// The number of a pusher's descriptor, which is the only open one of its node.
fn device_descriptor(pusher: &Pusher) -> i32 {
    let node = common::number(pusher.device());
    (3..1024).find(|&fd| edge::node_of(fd) == Some(node)).expect("the pusher's descriptor")
}
