//! The picture that clients see in place of the no-signal card, and in a pusher's silence.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Daemon, Device, Frame, Ring};
use vloopback_daemon::{PipeConfig, TimeoutImage, set_timeout_image};
use vloopback_picture::Rgb;

const EINVAL: i32 = 22;
const ENOENT: i32 = 2;

/// Red, with a corner of another colour.
fn image(width: u32, height: u32, corner: [u8; 3]) -> Rgb {
    let mut picture = Rgb::new(width, height, [230, 10, 20]);
    picture.fill_rect(0, 0, width / 4, height / 4, corner);
    picture
}

/// A pipe of RGB24, and a client that streams.
fn watched(daemon: &Daemon, pipe: usize, width: u32, height: u32) -> (Device, Ring) {
    let input = daemon.input(pipe);
    input.set_format(b"RGB3", width, height).expect("free");
    input.close();
    let client = daemon.output(pipe);
    client.stream(2);
    let ring = client.ring();
    (client, ring)
}

/// The first frame after `last` that `fits`; cards that came before it are passed over.
#[track_caller]
fn until(ring: &Ring, mut last: u64, fits: impl Fn(&Frame) -> bool) -> Frame {
    for _ in 0..200 {
        let frame = ring.next(last);
        if fits(&frame) {
            return frame;
        }
        last = frame.number;
    }
    panic!("it does not come");
}

fn send(daemon: &Daemon, node: u32, picture: &Rgb, limit: Option<u32>) -> Result<(), i32> {
    let image = TimeoutImage::new(picture).expect("memory");
    set_timeout_image(daemon.handle.socket(), node, Some(&image), limit).expect("a server")
}

#[test]
fn a_picture_comes_in_the_cards_place_while_it_is_watched() {
    let daemon = Daemon::new();
    let (client, ring) = watched(&daemon, 0, 64, 48);
    let card = ring.next(0);
    let (first, second) = (image(64, 48, [0, 0, 250]), image(64, 48, [0, 0, 249]));
    for (picture, node) in
        [(&first, client.info.node), (&second, client.info.partner), (&first, client.info.node)]
    {
        assert_ne!(card.bytes, picture.data);
        send(&daemon, node, picture, None).expect("it is ours");
        let newest = ring.head();
        // From the answer on, nothing else.
        assert_eq!(ring.next(newest).bytes, picture.data);
    }
    assert_ne!(ring.next(ring.head()).bytes, second.data, "the negative run: pictures are told apart");
    // It stays for the next client, and follows the format.
    client.close();
    let (_client, ring) = watched(&daemon, 0, 128, 96);
    assert_eq!(ring.next(0).bytes, first.scaled(128, 96).data);
    let (_client, other) = {
        let two = Daemon::with(|c| c.pipes = 2);
        let (client, ring) = watched(&two, 1, 64, 48);
        send(&two, 0, &first, None).expect("it is ours");
        let frame = ring.next(ring.head());
        (client, frame)
    };
    assert_ne!(other.bytes, first.data, "the other pipe's clients see the card");
}

#[test]
fn proportions_stay() {
    let daemon = Daemon::new();
    let (client, ring) = watched(&daemon, 0, 96, 48);
    send(&daemon, client.info.node, &image(32, 32, [1, 2, 3]), None).expect("it is ours");
    let frame = ring.next(ring.head());
    let seen = Rgb { width: 96, height: 48, data: frame.bytes };
    let mut expected = Rgb::new(96, 48, [0; 3]);
    expected.paste(24, 0, &image(32, 32, [1, 2, 3]).scaled(48, 48));
    assert_eq!(seen.data, expected.data);
}

#[test]
fn pictures_of_the_configuration() {
    let (all, own) = (image(64, 48, [9, 9, 9]), image(64, 48, [90, 90, 90]));
    let daemon = Daemon::with(|c| {
        c.pipes = 2;
        c.timeout_image = Some("all".into());
        c.pipe = vec![
            PipeConfig::default(),
            PipeConfig { timeout_image: Some("own".into()), ..PipeConfig::default() },
        ];
        for (name, picture) in [("all", &all), ("own", &own)] {
            c.pictures.insert(name.into(), Arc::new(TimeoutImage::new(picture).expect("memory")));
        }
    });
    for (pipe, picture) in [(0, &all), (1, &own)] {
        let (_client, ring) = watched(&daemon, pipe, 64, 48);
        assert_eq!(ring.next(0).bytes, picture.data, "pipe {pipe}");
    }
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let daemon = Daemon::new();
    let picture = image(64, 48, [1, 1, 1]);
    assert_eq!(send(&daemon, 77, &picture, None), Err(ENOENT));
    let socket = daemon.handle.socket();
    let image = TimeoutImage::new(&picture).expect("memory");
    let node = daemon.output(0).info.node;
    assert_eq!(set_timeout_image(socket, node, Some(&image), Some(100_001)).expect("a server"), Err(EINVAL));
    assert_eq!(set_timeout_image(socket, node, None, Some(7)).expect("a server"), Ok(()), "the time alone");
    assert!(set_timeout_image(&socket.with_extension("none"), node, None, None).is_err());
}

/// A pusher that does not publish for longer than the limit; frames of its own are never followed by the picture
/// before that.
#[test]
fn a_silent_pusher() {
    let picture = image(64, 48, [0, 200, 0]);
    let daemon = Daemon::with(|c| {
        c.timeout = Duration::from_millis(100);
        // No picture pushes a frame out before a slow machine has seen it.
        c.num_buffers = 30;
        c.timeout_image = Some("all".into());
        c.pictures.insert("all".into(), Arc::new(TimeoutImage::new(&picture).expect("memory")));
    });
    for buffers in [0, 4] {
        let pusher = daemon.input(0);
        pusher.set_format(b"RGB3", 64, 48).expect("free");
        pusher.set_rate(2).expect("its own");
        let client = daemon.output(0);
        client.stream(2);
        pusher.feed_with(buffers).expect("it fits");
        let (mine, ring) = (pusher.ring(), client.ring());
        let mut last = ring.head();
        for round in 0..3u8 {
            let frame = vec![round; 64 * 48 * 3];
            let written = Instant::now();
            let number = mine.write(&pusher, &frame);
            let seen = until(&ring, last, |f| f.number >= number);
            assert_eq!((seen.number, &seen.bytes), (number, &frame), "its frame comes");
            let next = ring.next(number);
            assert_eq!(next.bytes, picture.data, "and the picture after it");
            let waited = written.elapsed();
            assert!(waited >= Duration::from_millis(100), "after {waited:?}");
            // It goes on at the nominal rate.
            last = ring.next(next.number).number;
        }
        let written = daemon.pipe(0)["counters"]["written"].as_u64().expect("a number");
        assert_eq!(written % 3, 0, "pictures are not the pusher's: {written}");
        client.close();
        pusher.close();
    }
}

/// Without a limit a pusher may be silent for ever; with one set later it may not.
#[test]
fn the_limit_may_change() {
    let daemon = Daemon::with(|c| c.pipes = 2);
    let pusher = daemon.input(0);
    pusher.set_format(b"RGB3", 64, 48).expect("free");
    let client = daemon.output(0);
    client.stream(2);
    pusher.feed().expect("it fits");
    let (mine, ring) = (pusher.ring(), client.ring());
    let number = mine.write(&pusher, &[7; 64 * 48 * 3]);
    let picture = image(64, 48, [200, 200, 0]);
    send(&daemon, client.info.node, &picture, None).expect("it is ours");
    // Another pipe's cards tell that time has passed.
    let (_other, clock) = watched(&daemon, 1, 64, 48);
    let mut last = clock.head();
    for _ in 0..10 {
        last = clock.next(last).number;
    }
    assert_eq!(ring.head(), number, "nothing comes of itself");
    let set = |limit| set_timeout_image(daemon.handle.socket(), client.info.node, None, Some(limit));
    assert_eq!(set(50).expect("a server"), Ok(()));
    let shown = ring.next(number);
    assert_eq!(shown.bytes, picture.data);
    assert_eq!(set(0).expect("a server"), Ok(()));
    let newest = ring.head();
    for _ in 0..10 {
        last = clock.next(last).number;
    }
    assert_eq!(ring.head(), newest, "and no more");
}
