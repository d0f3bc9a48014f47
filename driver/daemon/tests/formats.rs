//! What V4L2 programs set: as everybody sees it on the board and in the views.

mod common;

use std::sync::atomic::Ordering;

use common::Daemon;
use vloopback_daemon::Profile;
use vloopback_ring::Pix;
use vloopback_wire::{PixelFormat, Request};

const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const ENOMEM: i32 = 12;
const EBADF: i32 = 9;

#[test]
fn a_pipe_has_the_default_format_before_any_is_set() {
    let daemon = Daemon::new();
    let input = daemon.input(0);
    let format = input.format();
    let pix = Pix {
        fourcc: u32::from_le_bytes(*b"YUYV"),
        width: 640,
        height: 480,
        bytesperline: 1280,
        sizeimage: 614_400,
        colorspace: 1,
        colours: 0,
        field: 1,
    };
    assert_eq!((format.pix, format.interval, format.varies), (pix, [1, 30], 0));
    assert_eq!((format.palette, format.width, format.frame_len, format.ring), (0, 0, 0, 0));
    assert!(daemon.pipe(0)["format"].is_null(), "nobody has set it");
}

#[test]
fn a_format_is_set_then_fed() {
    let daemon = Daemon::new();
    let pusher = daemon.input(0);
    pusher.set_format(b"NV12", 320, 240).expect("there is such a format");
    let format = pusher.format();
    assert_eq!((format.pix.fourcc, format.pix.bytesperline), (u32::from_le_bytes(*b"NV12"), 320));
    assert_eq!((format.palette, format.width, format.height), (0, 320, 240));
    assert_eq!((format.frame_len, format.buf_len), (115_200, 307_200));
    assert_eq!((format.feed, format.ring), (0, 0), "no frame is there, no memory is taken");
    let shown = &daemon.pipe(0);
    assert_eq!((&shown["claimed"], &shown["format"]["fourcc"]), (&true.into(), &"NV12".into()));
    assert_eq!((&shown["format"]["palette"], &shown["format"]["width"]), (&"".into(), &320.into()));

    pusher.feed().expect("it fits");
    let format = pusher.format();
    assert_eq!((format.feed, format.slots), (1, 4));
    assert_ne!(format.ring, 0);
    pusher.feed().expect("twice is nothing");
    assert_eq!(pusher.format(), format);
}

#[test]
fn all_numbers_of_a_format_arrive() {
    let daemon = Daemon::new();
    let pusher = daemon.input(0);
    let session = pusher.info.session;
    let asked = PixelFormat {
        fourcc: u32::from_le_bytes(*b"MJPG"),
        width: 320,
        height: 240,
        sizeimage: 500_000,
        colorspace: 8,
        colours: 0x03_02_01,
        field: 0,
    };
    pusher.ask(&Request::SetFormat { session, format: asked }).expect("there is such a format");
    let format = pusher.format();
    let pix = Pix {
        fourcc: asked.fourcc,
        width: 320,
        height: 240,
        bytesperline: 0,
        sizeimage: 500_000,
        colorspace: 8,
        colours: 0x03_02_01,
        field: 1,
    };
    assert_eq!((format.pix, format.varies), (pix, 1));
    assert_eq!((format.frame_len, format.buf_len), (500_000, 503_808));
    pusher.feed().expect("it fits");
    let other = PixelFormat { colorspace: 3, colours: 0, ..asked };
    pusher.ask(&Request::SetFormat { session, format: other }).expect("there is such a format");
    assert_eq!(pusher.format().pix, Pix { colorspace: 3, colours: 0, ..pix });
    assert_eq!(pusher.format().feed, 1, "other colours are no other format");
}

#[test]
fn what_v4l1_sets_is_told_in_v4l2_s_words() {
    let daemon = Daemon::new();
    let pusher = daemon.input(0);
    pusher.set_palette(4).expect("RGB24");
    pusher.set_size(320, 240).expect("it fits");
    let format = pusher.format();
    assert_eq!((format.palette, format.pix.fourcc), (4, u32::from_le_bytes(*b"BGR3")));
    assert_eq!((format.pix.width, format.pix.height, format.pix.sizeimage), (320, 240, 230_400));
    assert_eq!(format.frame_len, format.pix.sizeimage);
    pusher.set_palette(10).expect("YUV420, which has no fourcc");
    assert_eq!(pusher.format().pix, format.pix, "the last one that V4L2 has a name for");
    assert_eq!(daemon.pipe(0)["format"]["fourcc"], "");
}

/// A format that needs other buffers takes the old ring away; frames of it are nobody's.
#[test]
fn another_format_ends_the_feed_and_its_frames() {
    let daemon = Daemon::new();
    let (pusher, client) = (daemon.input(0), daemon.old_output(0));
    assert_eq!(client.err(), Some(EINVAL), "an old client is told that nobody feeds the pipe");
    pusher.set_format(b"YUYV", 64, 64).expect("there is such a format");
    pusher.feed().expect("it fits");
    let client = daemon.old_output(0).expect("now it opens");
    let ring = pusher.ring();
    assert_eq!(ring.write(&pusher, &[1; 8192]), 1);
    assert_eq!(client.ring().next(0).bytes, [1; 8192]);

    // Buffers of the same length: the ring stays, its frames do not.
    let kick = client.page.kick.load(Ordering::SeqCst);
    pusher.set_format(b"UYVY", 64, 64).expect("there is such a format");
    assert_eq!((pusher.format().feed, pusher.format().ring), (0, ring.number));
    assert!(ring.look(0).is_none(), "frames of the former format are forgotten");
    assert_ne!(client.page.kick.load(Ordering::SeqCst), kick, "who waits is told to look");
    pusher.feed().expect("it fits");
    assert_eq!((pusher.format().feed, pusher.format().ring), (2, ring.number), "another stream");
    assert_eq!(ring.write(&pusher, &[2; 8192]), 2, "publications are counted on");

    // Longer ones.
    pusher.set_format(b"YUYV", 128, 64).expect("there is such a format");
    assert_eq!((pusher.format().feed, pusher.format().ring), (0, 0));
    pusher.feed().expect("it fits");
    assert_eq!(pusher.format().feed, 3);
    assert_eq!(pusher.ring().write(&pusher, &[3; 16_384]), 3, "also in another ring");
}

#[test]
fn only_the_pusher_sets_and_feeds() {
    let daemon = Daemon::new();
    let (pusher, other, client) = (daemon.input(0), daemon.input(0), daemon.output(0));
    pusher.set_format(b"YUYV", 64, 64).expect("free");
    let before = pusher.format();
    for (who, errno) in [(&other, EBUSY), (&client, EINVAL)] {
        assert_eq!(who.set_format(b"UYVY", 32, 32), Err(errno));
        assert_eq!(who.feed(), Err(errno));
        assert_eq!(who.set_rate(25), Err(errno));
    }
    let strange = Request::Feed { session: pusher.info.session, on: true, buffers: 0 };
    assert_eq!(other.ask(&strange), Err(EBADF), "another process's descriptor");
    assert_eq!(pusher.format(), before);
    pusher.close();
    other.set_format(b"UYVY", 32, 32).expect("free again");
}

/// Feeding without a word on the format: what G_FMT told is what is pushed.
#[test]
fn the_default_can_be_fed() {
    let daemon = Daemon::new();
    let pusher = daemon.input(0);
    pusher.feed().expect("free");
    let format = pusher.format();
    assert_eq!((format.feed, format.width, format.height), (1, 640, 480));
    assert_eq!((format.palette, format.frame_len), (8, 614_400));
    assert_eq!(daemon.pipe(0)["format"]["palette"], "YUYV");
}

#[test]
fn a_ring_that_is_too_large_is_refused() {
    let daemon = Daemon::with(|c| c.num_buffers = 30);
    let (pusher, client) = (daemon.input(0), daemon.output(0));
    pusher.set_format(b"YUYV", 8192, 8192).expect("there is such a format");
    assert_eq!(pusher.feed(), Err(ENOMEM));
    assert_eq!(pusher.format().feed, 0);
    assert_eq!(client.stream(2), (0, 0), "nor is there a placeholder");
    assert_eq!(client.format().ring, 0);
    pusher.set_format(b"YUYV", 64, 64).expect("there is such a format");
    pusher.feed().expect("this fits");
}

#[test]
fn the_rate_is_told() {
    let daemon = Daemon::new();
    let (pusher, client) = (daemon.input(0), daemon.output(0));
    let session = pusher.info.session;
    let view = || std::fs::read_to_string(daemon.handle.tree().join("proc/video/vloopback/vloopback0"));
    let rate = Request::SetInterval { session, numerator: 1001, denominator: 30_000 };
    pusher.ask(&rate).expect("nobody else's pipe");
    assert_eq!(client.format().interval, [1001, 30_000]);
    assert!(!daemon.pipe(0)["claimed"].as_bool().expect("it says"), "that claims nothing");
    for (numerator, denominator) in [(0, 1), (1, 0), (0, 0)] {
        let zero = Request::SetInterval { session, numerator, denominator };
        assert_eq!(pusher.ask(&zero), Err(EINVAL));
    }
    pusher.set_format(b"NV12", 64, 64).expect("there is such a format");
    let text = view().expect("there is such a file");
    assert!(text.contains("\tNV12\t64x64\t30000/1001\n"), "{text}");
    pusher.set_rate(25).expect("its own pipe");
    let text = view().expect("there is such a file");
    assert!(text.contains("\tNV12\t64x64\t25\n"), "{text}");
}

#[test]
fn the_highest_priorities_are_told() {
    let daemon = Daemon::new();
    let first = daemon.input(0);
    let told = || first.board.priorities.each_ref().map(|p| p.load(Ordering::SeqCst));
    assert_eq!(told(), [2, 0], "2 is what an open file begins with, 0 that there is none");
    let (one, two) = (daemon.output(0), daemon.output(0));
    assert_eq!(told(), [2, 2]);
    let set = |who: &common::Device, priority| {
        who.ask(&Request::SetPriority { session: who.info.session, priority })
    };
    assert_eq!(set(&one, 3), Ok(()));
    assert_eq!(one.page.priority.load(Ordering::SeqCst), 3);
    assert_eq!(told(), [2, 3]);
    for bad in [0, 4] {
        assert_eq!(set(&one, bad), Err(EINVAL));
    }
    assert_eq!((set(&two, 1), told()), (Ok(()), [2, 3]));
    one.close();
    assert_eq!(told(), [2, 1]);
    two.close();
    assert_eq!(told(), [2, 0]);
}

#[test]
fn who_is_content_with_fewer_slots_gets_what_is_free() {
    let daemon = Daemon::with(|c| c.num_buffers = 4);
    let pusher = daemon.input(0);
    pusher.feed().expect("free");
    let clients = [daemon.output(0), daemon.output(0), daemon.output(0)];
    assert_eq!(clients[0].stream(3), (1, 3), "6 slots, 2 of them reserved");
    assert_eq!(clients[1].stream_all(3), (0, 0), "all or nothing");
    assert_eq!(clients[1].stream(3), (2, 1));
    assert_eq!(clients[2].stream(3), (0, 0), "none is left");
    assert_eq!(pusher.board.quotas[1].load(Ordering::SeqCst), 1);
    clients[1].stop();
    assert_eq!(clients[2].stream(3), (2, 1));
}

#[test]
fn profile_vloopback_keeps_what_is_mapped() {
    let daemon = Daemon::with(|c| c.profile = Profile::Vloopback);
    let pusher = daemon.input(0);
    pusher.set_format(b"YUYV", 64, 64).expect("nobody looks");
    pusher.feed().expect("it fits");
    let client = daemon.output(0);
    assert_eq!(pusher.set_format(b"YUYV", 128, 64), Err(EINVAL));
    assert_eq!(client.format().feed, 1);
}

/// V4L2's REQBUFS(0) on an input: the claim stays, the feed does not.
#[test]
fn buffers_given_back_end_the_feed() {
    let daemon = Daemon::new();
    let (pusher, other, client) = (daemon.input(0), daemon.input(0), daemon.output(0));
    pusher.feed_with(6).expect("free");
    assert_eq!((pusher.format().feed, pusher.format().slots), (1, 8), "a slot for each, and two more");
    let kick = client.page.kick.load(Ordering::SeqCst);
    pusher.end_feed().expect("its own");
    assert_eq!((client.format().feed, other.feed()), (0, Err(EBUSY)));
    assert_ne!(client.page.kick.load(Ordering::SeqCst), kick, "who waits is told to look");
    assert_eq!(other.end_feed(), Err(EBUSY));
    pusher.end_feed().expect("twice is nothing");
    pusher.feed().expect("its own");
    assert_eq!(client.format().feed, 2);
}

/// v4l2-compliance sets formats by two descriptors in turn.
#[test]
fn a_claim_goes_over_to_another_descriptor_of_the_process() {
    let daemon = Daemon::new();
    let (first, stranger) = (daemon.input(0), daemon.input(0));
    let second = first.again();
    first.set_format(b"YUYV", 64, 64).expect("free");
    second.set_format(b"UYVY", 64, 64).expect("of the same process");
    assert_eq!(stranger.set_format(b"YUYV", 64, 64), Err(EBUSY));
    first.feed().expect("and back");
    assert_eq!(second.set_format(b"YUYV", 64, 64), Err(EBUSY), "a descriptor that feeds keeps the pipe");
    first.end_feed().expect("its own");
    first.page.count.store(4, Ordering::SeqCst);
    assert_eq!(second.feed(), Err(EBUSY), "also one that has buffers");
    first.page.count.store(0, Ordering::SeqCst);
    second.page.v4l1.store(1, Ordering::SeqCst);
    assert_eq!(second.set_palette(4), Err(EBUSY), "V4L1 knows no such thing");
    second.page.v4l1.store(0, Ordering::SeqCst);
    second.feed().expect("of the same process");
    second.close();
    stranger.feed().expect("free");
}

/// Who claims and sets nothing keeps the pipe, also from its own process: the SDK's pushers do so.
#[test]
fn a_claim_alone_takes_nothing_over() {
    let daemon = Daemon::new();
    let first = daemon.input(0);
    let second = first.again();
    let claim = |who: &common::Device| who.ask(&Request::Claim { session: who.info.session });
    assert_eq!((claim(&first), claim(&second), claim(&first)), (Ok(()), Err(EBUSY), Ok(())));
}

/// A descriptor that the process has closed is another's, though it is the same open file.
#[test]
fn what_a_process_has_closed_is_not_its_own() {
    let daemon = Daemon::new();
    let first = daemon.input(0);
    let second = first.again();
    first.set_format(b"YUYV", 64, 64).expect("free");
    let session = first.info.session;
    let child_s = first.fd.try_clone().expect("a descriptor");
    first.close();
    assert_eq!(second.ask(&Request::Feed { session, on: true, buffers: 0 }), Err(EBADF));
    assert_eq!(second.set_format(b"UYVY", 64, 64), Err(EBUSY));
    drop(child_s);
    second.set_format(b"UYVY", 64, 64).expect("free");
}

/// Whoever has opened an input by itself, and has asked nothing yet, may have claimed it; not so when it has closed,
/// whatever the server hears of first.
#[test]
fn who_opened_an_input_and_closed_it_is_in_nobodys_way() {
    let daemon = Daemon::new();
    for _ in 0..50 {
        let first = daemon.input(0);
        assert_eq!(daemon.old_input(0).err(), Some(EBUSY));
        drop(first);
        drop(daemon.old_input(0).expect("nobody has it"));
    }
}

#[test]
fn the_list_tells_copies_by_owner() {
    let daemon = Daemon::new();
    let (pusher, client) = (daemon.input(0), daemon.output(0));
    pusher.feed().expect("free");
    client.page.copies.store(7, Ordering::SeqCst);
    client.page.received.store(u64::MAX, Ordering::SeqCst);
    let other = daemon.output(0);
    other.page.received.store(u64::MAX, Ordering::SeqCst);
    let ring = pusher.ring();
    ring.log.copies.store(5, Ordering::SeqCst);
    let shown = daemon.pipe(0);
    let owners = shown["owners"].as_array().expect("a list");
    let told: Vec<_> = owners.iter().map(|o| (o["role"].as_str(), o["copies"].as_u64())).collect();
    let expected = [("pusher", 5), ("client", 7), ("client", 0)].map(|(role, n)| (Some(role), Some(n)));
    assert_eq!(told, expected);
    assert_eq!(shown["counters"]["copies"], 12);
    assert_eq!(shown["counters"]["read"], u64::MAX, "what clients claim to have had overflows nothing");
}
