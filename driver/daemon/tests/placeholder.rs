//! What clients see while nobody feeds the pipe.

mod common;

use std::sync::atomic::Ordering;

use common::{Daemon, Device, Ring};
use vloopback_abi::v4l2::Fourcc;
use vloopback_daemon::{Idle, Profile};
use vloopback_picture::Rgb;

const EINVAL: i32 = 22;

/// A pipe of 64x48 at `rate` frames a second that nobody feeds, and a client that streams.
fn idle_pipe(daemon: &Daemon, pipe: usize, rate: u32) -> (Device, Ring) {
    idle_pipe_of(daemon, pipe, rate, 64, 48)
}

/// The same of another size.
fn idle_pipe_of(daemon: &Daemon, pipe: usize, rate: u32, width: u32, height: u32) -> (Device, Ring) {
    let input = daemon.input(pipe);
    input.set_format(b"YUYV", width, height).expect("free");
    input.set_rate(rate).expect("its own");
    input.close();
    let client = daemon.output(pipe);
    client.stream(2);
    let ring = client.ring();
    (client, ring)
}

/// Lets some cards come on a pipe that is nothing to the test: so much time has passed.
fn let_time_pass(clock: &Ring, cards: u64) {
    let mut last = clock.head();
    let end = last + cards;
    while last < end {
        last = clock.next(last).number;
    }
}

fn picture(fourcc: &[u8; 4], width: u32, height: u32, bytes: &[u8]) -> Rgb {
    vloopback_picture::decode(Fourcc::new(fourcc), width, height, bytes).expect("a frame of that format")
}

/// A few lights on dark, all grey.
#[track_caller]
fn assert_is_card(picture: &Rgb) {
    let lights = picture.data.iter().filter(|&&byte| byte > 150).count();
    let darks = picture.data.iter().filter(|&&byte| byte < 80).count();
    let all = picture.data.len();
    assert!(lights > all / 500 && darks > all / 2, "{lights} lights and {darks} darks of {all}");
    let (mut greys, mut all) = (0, 0);
    for pixel in picture.data.chunks_exact(3) {
        let spread = pixel.iter().max().expect("three") - pixel.iter().min().expect("three");
        greys += usize::from(spread < 12);
        all += 1;
    }
    assert_eq!(greys, all, "all is grey");
}

#[test]
fn a_client_that_streams_sees_a_card_in_the_default_format() {
    let daemon = Daemon::new();
    let client = daemon.output(0);
    assert_eq!(client.format().ring, 0, "nobody looks yet");
    let (row, quota) = client.stream(8);
    let format = client.format();
    assert_ne!(format.ring, 0, "there is a ring before the answer comes");
    assert_eq!((row, quota, format.feed), (1, 2, 0));
    assert_eq!((format.width, format.height, format.frame_len), (640, 480, 614_400));
    let frame = client.ring().next(0);
    assert_eq!(frame.bytes.len(), 614_400);
    assert_is_card(&picture(b"YUYV", 640, 480, &frame.bytes));
    let noise: Vec<u8> = (0..614_400u32).map(|k| (k.wrapping_mul(7919) >> 5) as u8).collect();
    let noise = picture(b"YUYV", 640, 480, &noise);
    assert!(std::panic::catch_unwind(|| assert_is_card(&noise)).is_err(), "not everything is a card");
    assert_eq!(daemon.pipe(0)["format"]["fourcc"], "YUYV");
    assert!(!daemon.pipe(0)["claimed"].as_bool().expect("it says"), "pushers find it free");
}

#[test]
fn the_card_has_the_last_format() {
    let daemon = Daemon::new();
    for (fourcc, width, height) in [
        (b"NV12", 320u32, 240u32),
        (b"GREY", 321, 243),
        (b"RGB3", 64, 48),
        (b"YU12", 1280, 720),
        (b"XR24", 320, 240),
        (b"MJPG", 640, 360),
    ] {
        let pusher = daemon.input(0);
        pusher.set_format(fourcc, width, height).expect("there is such a format");
        pusher.feed().expect("it fits");
        pusher.close();
        let client = daemon.output(0);
        client.stream(2);
        let frame = client.ring().next(0);
        assert!(frame.bytes.len() <= client.format().frame_len as usize);
        assert_is_card(&picture(fourcc, width, height, &frame.bytes));
        client.close();
    }
}

/// Each tells which pipe it is of.
#[test]
fn cards_of_two_pipes_differ() {
    let daemon = Daemon::with(|c| c.pipes = 2);
    let cards = [0, 1].map(|pipe| {
        let input = daemon.input(pipe);
        input.set_format(b"GREY", 320, 240).expect("free");
        let client = daemon.output(pipe);
        client.stream(0);
        client.ring().next(0).bytes
    });
    assert_ne!(cards[0], cards[1]);
}

#[test]
fn cards_come_at_the_rate() {
    let daemon = Daemon::new();
    let (_client, ring) = idle_pipe(&daemon, 0, 50);
    let first = ring.next(0);
    let mut last = (first.number, first.time);
    let mut shortest = f64::INFINITY;
    for _ in 0..25 {
        let next = ring.next(last.0);
        assert_eq!(next.bytes, first.bytes, "all are the same");
        shortest = shortest.min((next.time - last.1) as f64 / 1e6 / (next.number - last.0) as f64);
        last = (next.number, next.time);
    }
    let millis = (last.1 - first.time) as f64 / 1e6;
    let expected = (last.0 - first.number) as f64 * 20.0;
    // On a busy machine a card can be late, the first one too, and many of them. That the rate does not drift is a test
    // of the deadlines' own.
    assert!(millis > expected / 2.0, "{millis} ms for {expected}: too fast");
    assert!(shortest < 100.0, "{shortest} ms for 20: too slow");
}

/// The rate is the pipe's, and may change while it is shown.
#[test]
fn another_rate_counts_at_once() {
    let daemon = Daemon::new();
    let (_client, ring) = idle_pipe(&daemon, 0, 1);
    let first = ring.next(0);
    daemon.input(0).set_rate(200).expect("nobody's pipe");
    let (begin, mut last) = (first.time, first.number);
    let mut time = begin;
    for _ in 0..20 {
        let frame = ring.next(last);
        (time, last) = (frame.time, frame.number);
    }
    // At one a second this would be 20 seconds, at 200 a tenth of one.
    assert!(time - begin < 10_000_000_000, "{} ns", time - begin);
}

/// From the moment at which a pusher is told that it feeds the pipe, no card is published any more.
#[test]
fn the_card_ends_before_the_feed_begins() {
    let daemon = Daemon::with(|c| c.pipes = 2);
    // Pictures that take long to copy: nearly always one is under way.
    let (client, mut ring) = idle_pipe_of(&daemon, 0, 1000, 1280, 720);
    let (_other, clock) = idle_pipe(&daemon, 1, 1000);
    for round in 0..100u8 {
        let shown = ring.next(ring.head()).number;
        let pusher = daemon.input(0);
        pusher.feed().expect("free");
        assert_eq!(pusher.format().ring, ring.number, "the ring goes on: clients need no other");
        let pushed = pusher.ring();
        let before = pushed.head();
        assert!(before >= shown);
        // Cards that were not taken stay: descriptors are readable for them.
        assert!(pushed.look(shown - 1).is_some_and(|card| card.number <= before));
        let mine = [round; 6144];
        assert_eq!(pushed.write(&pusher, &mine), before + 1);
        let_time_pass(&clock, 3);
        assert_eq!(pushed.head(), before + 1, "nobody else has published");
        let frame = client.ring().next(before);
        assert_eq!((frame.number, frame.bytes == mine), (before + 1, true));
        pusher.close();
        assert_eq!(client.format().feed, 0);
        // The slots are the same; who writes to them has a log of its own.
        ring = client.ring();
    }
    assert_ne!(ring.next(ring.head()).bytes, [99; 6144], "and after the last one, cards again");
}

/// Nor is one still copied: the slots are the pusher's, which has a log, and a lock, of its own.
#[test]
fn no_card_is_copied_into_a_pushers_slots() {
    let daemon = Daemon::with(|c| c.pipes = 2);
    let (_client, ring) = idle_pipe_of(&daemon, 0, 1000, 1920, 1080);
    let (_other, clock) = idle_pipe(&daemon, 1, 1000);
    const LEN: usize = 1920 * 1080 * 2;
    const MINE: [u8; 64] = [0xa5; 64];
    ring.next(ring.head());
    for round in 0..150 {
        // At another moment of the card's period each time.
        std::thread::sleep(std::time::Duration::from_micros(17_000 + round * 230));
        let pusher = daemon.input(0);
        pusher.feed().expect("free");
        let pushed = pusher.ring();
        // A card's last bytes.
        for slot in pushed.slots() {
            slot.write(LEN - MINE.len(), &MINE);
        }
        let_time_pass(&clock, 4);
        for (k, slot) in pushed.slots().enumerate() {
            assert_eq!(slot.read(LEN - MINE.len(), MINE.len()), MINE, "round {round}, slot {k}");
        }
        pusher.close();
    }
}

/// The pusher writes flat out while it comes and goes: clients see its frames and cards, whole, and
/// never a card between its frames.
#[test]
fn a_client_sees_whole_frames_and_whole_cards() {
    let daemon = Daemon::new();
    let (_client, ring) = idle_pipe(&daemon, 0, 1000);
    let card = ring.next(0).bytes;
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            for round in 0..50u8 {
                let pusher = daemon.input(0);
                pusher.feed().expect("free");
                let ring = pusher.ring();
                for _ in 0..20 {
                    ring.write(&pusher, &[round | 0x80; 6144]);
                }
                pusher.close();
            }
        });
        let mut last = 0;
        while !pushing.is_finished() {
            let Some(frame) = ring.look(last) else { continue };
            last = frame.number;
            let pushed = frame.bytes[0] & 0x80 != 0 && frame.bytes.iter().all(|b| *b == frame.bytes[0]);
            assert!(pushed || frame.bytes == card, "frame {last} is torn");
        }
    });
}

#[test]
fn cards_are_not_counted_as_written() {
    let daemon = Daemon::new();
    let (client, ring) = idle_pipe(&daemon, 0, 500);
    let last = ring.next(0).number;
    ring.next(last);
    let counters = &daemon.pipe(0)["counters"];
    assert_eq!((&counters["written"], &counters["copies"]), (&0.into(), &0.into()), "{counters}");
    let pusher = daemon.input(0);
    pusher.feed().expect("free");
    let pushed = pusher.ring();
    for _ in 0..3 {
        pushed.write(&pusher, &[0; 6144]);
    }
    assert_eq!(daemon.pipe(0)["counters"]["written"], 3);
    drop(client);
}

#[test]
fn memory_is_for_pipes_that_somebody_has_open() {
    let daemon = Daemon::new();
    let (client, ring) = idle_pipe(&daemon, 0, 500);
    ring.next(0);
    client.stop();
    assert_eq!(daemon.pipe(0)["ring"]["slots"], 4, "it may stream again");
    let last = ring.head();
    client.stream(2);
    ring.next(last);
    client.close();
    assert_eq!(daemon.pipe(0)["ring"]["slots"], 0);
}

#[test]
fn nothing_is_shown_that_nobody_looks_at() {
    let daemon = Daemon::with(|c| c.pipes = 2);
    let (client, ring) = idle_pipe(&daemon, 0, 500);
    let (_other, clock) = idle_pipe(&daemon, 1, 500);
    ring.next(0);
    client.stop();
    let last = ring.head();
    let_time_pass(&clock, 20);
    assert_eq!(ring.head(), last);
}

#[test]
fn under_wait_there_is_no_card() {
    let daemon = Daemon::with(|c| {
        c.pipes = 2;
        c.idle = Some(Idle::Wait);
    });
    let client = daemon.output(0);
    assert_eq!(client.stream(2), (0, 0));
    assert_eq!((client.format().ring, client.format().feed), (0, 0));
    // The same with a ring that a pusher has left.
    let pusher = daemon.input(0);
    pusher.set_format(b"YUYV", 64, 48).expect("free");
    pusher.feed().expect("it fits");
    let ring = client.ring();
    pusher.close();
    let head = ring.head();
    client.stream(2);
    let again = daemon.input(0);
    again.feed().expect("free");
    assert_eq!(again.ring().write(&again, &[0; 6144]), head + 1, "nothing came in between");
}

#[test]
fn under_refuse_the_node_does_not_open() {
    let daemon = Daemon::with(|c| c.idle = Some(Idle::Refuse));
    assert_eq!(daemon.try_output(0).err(), Some(EINVAL));
    let pusher = daemon.input(0);
    pusher.feed().expect("free");
    assert!(daemon.try_output(0).is_ok());
}

/// The policy can be chosen apart from the profile, and old programs are served the old way all the same.
#[test]
fn a_policy_is_not_a_profile() {
    let daemon = Daemon::with(|c| {
        c.profile = Profile::Vloopback;
        c.idle = Some(Idle::Placeholder);
    });
    assert_eq!(daemon.old_output(0).err(), Some(EINVAL));
    let daemon = Daemon::new();
    assert_eq!(daemon.old_output(0).err(), Some(EINVAL), "old clients retry until there is a pusher");
    assert!(daemon.try_output(0).is_ok());
}

/// V4L1 clients are told of the end; cards are for others.
#[test]
fn no_card_is_shown_to_v4l1_clients_alone() {
    let daemon = Daemon::with(|c| c.pipes = 2);
    let (_other, clock) = idle_pipe(&daemon, 1, 500);
    let old = daemon.output(0);
    old.page.v4l1.store(1, Ordering::SeqCst);
    old.stream_all(2);
    assert_eq!(old.format().ring, 0);
    let pusher = daemon.input(0);
    pusher.feed().expect("free");
    pusher.set_rate(500).expect("its own");
    let legacy = daemon.old_output(0).expect("it is fed");
    legacy.stream_all(2);
    pusher.close();
    let ring = old.ring();
    let_time_pass(&clock, 20);
    assert_eq!(ring.head(), 0, "nobody is there to see a card");
    let today = daemon.output(0);
    today.stream(2);
    ring.next(0);
}

#[test]
fn what_cannot_be_drawn_is_not_shown() {
    let daemon = Daemon::new();
    let pusher = daemon.input(0);
    pusher.set_format(b"H264", 640, 480).expect("there is such a format");
    pusher.feed().expect("it fits");
    let client = daemon.output(0);
    pusher.close();
    client.page.patient.store(1, Ordering::SeqCst);
    client.stream(2);
    let again = daemon.input(0);
    again.feed().expect("free");
    assert_eq!(again.ring().write(&again, &[0; 100]), 1, "the first of all");
    assert_eq!(client.ring().head(), 1);
}

/// A pusher that changes the format under a client that streams: cards of the new format until it feeds.
#[test]
fn cards_follow_the_format() {
    let daemon = Daemon::new();
    let (client, ring) = idle_pipe(&daemon, 0, 500);
    ring.next(0);
    let pusher = daemon.input(0);
    pusher.set_format(b"GREY", 320, 240).expect("free");
    assert_ne!(client.format().ring, ring.number);
    let ring = client.ring();
    let frame = ring.next(0);
    assert_eq!(frame.bytes.len(), 320 * 240);
    assert_is_card(&picture(b"GREY", 320, 240, &frame.bytes));
    // Of the same length of buffers.
    pusher.set_format(b"NV12", 320, 240).expect("its own");
    assert_eq!(client.format().ring, ring.number);
    let frame = ring.next(0);
    assert_eq!(frame.bytes.len(), 320 * 240 * 3 / 2);
}

#[test]
fn a_client_in_poll_is_woken_by_a_card() {
    let daemon = Daemon::new();
    let (client, ring) = idle_pipe(&daemon, 0, 100);
    client.page.patient.store(1, Ordering::SeqCst);
    for _ in 0..5 {
        client.drain();
        let head = ring.head();
        client.page.last.store(head, Ordering::SeqCst);
        client.page.ring.store(ring.number, Ordering::SeqCst);
        client.arm();
        client.wait_readable();
        assert!(ring.head() > head);
    }
}

/// While nobody feeds the pipe and nothing is shown, poll says to those who do not wait that a call
/// would return; those who wait go on waiting.
#[test]
fn who_waits_for_a_pusher_is_not_woken_for_nothing() {
    let daemon = Daemon::with(|c| c.idle = Some(Idle::Wait));
    let (patient, hasty, old) = (daemon.output(0), daemon.output(0), daemon.output(0));
    for client in [&patient, &old] {
        client.page.patient.store(1, Ordering::SeqCst);
    }
    old.page.v4l1.store(1, Ordering::SeqCst);
    for client in [&patient, &hasty, &old] {
        client.drain();
        client.arm();
        client.stream(0);
    }
    // In the order in which they came: when the last is ready, the first has been looked at.
    old.wait_readable();
    hasty.wait_readable();
    assert!(!patient.is_readable());
    let pusher = daemon.input(0);
    pusher.set_format(b"YUYV", 64, 48).expect("free");
    pusher.feed().expect("it fits");
    // A pusher is no frame, nor is its ring. Only the last of them has not had the first frame.
    let ring = pusher.ring();
    for client in [&patient, &hasty] {
        client.page.last.store(1, Ordering::SeqCst);
        client.page.log.store(client.format().log, Ordering::SeqCst);
    }
    for client in [&hasty, &old] {
        client.drain();
        client.arm();
    }
    assert_eq!(ring.write(&pusher, &[0; 6144]), 1);
    old.stream(0);
    old.wait_readable();
    assert!(!patient.is_readable() && !hasty.is_readable());
    assert_eq!(ring.write(&pusher, &[0; 6144]), 2);
    hasty.stream(0);
    hasty.wait_readable();
    patient.wait_readable();
}

/// A client that is slower than its pusher's end gets what was pushed, then waits or sees cards.
#[test]
fn what_was_pushed_outlives_the_pusher() {
    for idle in [Idle::Wait, Idle::Placeholder] {
        let daemon = Daemon::with(|c| {
            c.idle = Some(idle);
            // Room for the frames and half a minute of cards, however slow this client is.
            c.num_buffers = 30;
        });
        let pusher = daemon.input(0);
        pusher.set_format(b"YUYV", 64, 48).expect("free");
        pusher.set_rate(1).expect("its own");
        pusher.feed().expect("it fits");
        let client = daemon.output(0);
        client.page.patient.store(1, Ordering::SeqCst);
        client.drain();
        client.stream(2);
        let ring = pusher.ring();
        client.page.ring.store(ring.number, Ordering::SeqCst);
        for round in 1..=3 {
            ring.write(&pusher, &[round; 6144]);
        }
        pusher.close();
        client.arm();
        // This wakes the poll notifier, too.
        client.stream(2);
        client.wait_readable();
        let ring = client.ring();
        for round in 1..=3 {
            let frame = ring.next(u64::from(round) - 1);
            assert_eq!((frame.number, frame.bytes == [round; 6144]), (round.into(), true), "{idle}");
        }
        // Another pusher's frames follow. What was not taken until then stays, since descriptors are readable
        // for it; with another format it is nobody's.
        let next = daemon.input(0);
        next.feed().expect("free");
        let ring = client.ring();
        let left = ring.look(2).expect("the last one");
        assert_eq!((left.number, left.bytes == [3; 6144]), (3, true), "{idle}");
        let head = ring.head();
        next.set_format(b"UYVY", 64, 48).expect("its own");
        // Of the new one there may be cards by now.
        assert!(ring.look(0).is_none_or(|card| card.number > head), "{idle}");
    }
}

/// A descriptor that does not stream yet lets poll return, so that a first read() can begin the stream.
#[test]
fn a_fresh_output_is_readable() {
    let daemon = Daemon::new();
    let client = daemon.output(0);
    assert!(client.is_readable());
    assert_eq!(client.page.rung.load(Ordering::SeqCst), 1, "whoever begins a stream takes that away");
    client.drain();
    assert!(!client.is_readable());
    let pusher = daemon.input(0);
    pusher.feed().expect("free");
    assert!(!daemon.old_output(0).expect("it is fed").is_readable(), "the old driver's were not");
    assert!(!daemon.input(0).is_readable());
}
