//! What V4L2 programs set, alone and over what V4L1 programs have set.

use vloopback_abi::Palette;
use vloopback_abi::v4l2::pixel::{DEFAULT, PixelFormat};
use vloopback_abi::v4l2::{V4L2_COLORSPACE_REC709, V4l2PixFormat, fourcc};

use super::*;

/// VIDEO_PALETTE_RGB32, YUV422, YUYV and YUV420; the last has no fourcc.
const RGB32: u32 = 5;
const YUV422: u32 = 7;
const YUYV: u32 = 8;
const YUV420: u32 = 10;

fn pix(fourcc: fourcc::Fourcc, width: u32, height: u32) -> V4l2PixFormat {
    PixelFormat::of(fourcc).and_then(|f| f.pix(width, height)).expect("there is such a format")
}

/// What a program asks for that knows no more than this.
fn asked(fourcc: fourcc::Fourcc, width: u32, height: u32) -> V4l2PixFormat {
    V4l2PixFormat { pixelformat: fourcc.0, width, height, ..V4l2PixFormat::default() }
}

fn feed(p: &mut Pipe, session: u32) -> Result<Option<Effects>, Refusal> {
    let plan = p.plan_feed(session, 0)?;
    Ok(plan.map(|plan| p.commit_feed(plan)))
}

/// A pipe that session 1 feeds through V4L2.
fn fed_with(fourcc: fourcc::Fourcc, width: u32, height: u32) -> Pipe {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("the input opens");
    p.set_format(1, &asked(fourcc, width, height)).expect("there is a nearest one");
    feed(&mut p, 1).expect("it fits");
    p
}

#[test]
fn there_always_is_a_format() {
    let p = pipe();
    assert_eq!(*p.pix(), DEFAULT);
    assert!(!p.pix_in_force(), "nobody has set one");
    assert_eq!((p.interval(), p.told_interval()), ((1, 30), None));
    assert_eq!((p.size(), p.palette(), p.varies()), (None, 0, false));
}

#[test]
fn what_v4l1_sets_has_a_name_in_v4l2() {
    for (palette, expected) in [
        (GREY, fourcc::GREY),
        (RGB24, fourcc::BGR24),
        (RGB32, fourcc::BGR32),
        (YUV422, fourcc::YUYV),
        (YUYV, fourcc::YUYV),
        (YUV420P, fourcc::YUV420),
    ] {
        let mut p = pipe();
        p.open(1, Side::Input, MODERN).expect("opens");
        p.set_palette(1, palette, PICTURE).expect("there is such a palette");
        assert!(!p.pix_in_force(), "a palette alone is no format");
        resize(&mut p, 1, 320, 240).expect("fits");
        assert_eq!(*p.pix(), pix(expected, 320, 240), "palette {palette}");
        assert!(p.pix_in_force() && !p.varies());
        assert_eq!(p.size().map(|s| s.frame_len), Some(p.pix().sizeimage));
        assert_eq!(p.palette(), palette, "V4L1's own name stays");
    }
}

#[test]
fn a_palette_without_a_fourcc_leaves_the_last_format() {
    let mut p = fed();
    let before = *p.pix();
    assert_eq!(before, pix(fourcc::YUV420, 320, 240));
    p.set_palette(1, YUV420, PICTURE).expect("there is such a palette");
    assert_eq!((*p.pix(), p.pix_in_force()), (before, false));
    resize(&mut p, 1, 64, 64).expect("fits");
    assert_eq!((*p.pix(), p.pix_in_force()), (before, false));
    p.set_palette(1, YUYV, PICTURE).expect("there is such a palette");
    assert_eq!((*p.pix(), p.pix_in_force()), (pix(fourcc::YUYV, 64, 64), true));
}

#[test]
fn a_palette_that_the_size_does_not_fit_is_no_format() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    p.set_palette(1, GREY, PICTURE).expect("there is such a palette");
    resize(&mut p, 1, 321, 241).expect("grey comes in any size");
    p.set_palette(1, YUV420P, PICTURE).expect("there is such a palette");
    assert!(!p.pix_in_force());
    assert_eq!(*p.pix(), pix(fourcc::GREY, 321, 241));
}

#[test]
fn another_palette_makes_old_frames_nobody_s() {
    let mut p = fed();
    assert!(!p.set_palette(1, YUV420P, [9; 6]).expect("fits").format);
    assert!(p.set_palette(1, GREY, PICTURE).expect("fits").format);
}

#[test]
fn a_format_is_set_then_fed() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    let effects = p.set_format(1, &asked(fourcc::YUYV, 320, 240)).expect("there is such a format");
    assert!(effects.board && effects.views && effects.format && effects.claimed && !effects.fed_ended);
    assert_eq!((*p.pix(), p.pix_in_force()), (pix(fourcc::YUYV, 320, 240), true));
    let plan = RingPlan { width: 320, height: 240, frame_len: 153_600, buf_len: 307_200, slots: 4 };
    assert_eq!((p.size(), p.feed()), (Some(plan), None));
    assert_eq!((p.palette(), p.picture()[5]), (YUYV, 16), "V4L1 clients see the same");
    assert_eq!(p.plan_feed(1, 0), Ok(Some(plan)));
    assert_eq!(p.feed(), None, "the plan alone changes nothing");
    let effects = p.commit_feed(plan);
    assert!(effects.board && effects.views && !effects.format);
    assert_eq!(p.feed(), Some(1));
    assert_eq!(p.plan_feed(1, 0), Ok(None), "twice is nothing");
    assert_eq!(resize(&mut p, 1, 320, 240), Ok(None), "nor is V4L1's word for it");
}

#[test]
fn a_format_of_today_has_no_palette() {
    for (format, varies) in [(fourcc::NV12, false), (fourcc::MJPEG, true), (fourcc::H264, true)] {
        let p = fed_with(format, 640, 480);
        assert_eq!((p.palette(), p.picture()[5], p.varies()), (0, 0, varies));
        assert_eq!(p.size().map(|s| s.frame_len), Some(p.pix().sizeimage));
        assert_eq!(p.feed(), Some(1));
    }
}

#[test]
fn what_cannot_be_had_comes_back_as_the_nearest() {
    for (wanted, expected) in [
        (asked(fourcc::Fourcc(0), 0, 0), pix(fourcc::YUYV, 640, 480)),
        (asked(fourcc::YUV420, 321, 241), pix(fourcc::YUV420, 321, 241)),
        (asked(fourcc::NV12, 1, 1), pix(fourcc::NV12, 1, 1)),
        (asked(fourcc::RGB24, u32::MAX, u32::MAX), pix(fourcc::RGB24, 8192, 8192)),
        (
            V4l2PixFormat { bytesperline: 1, sizeimage: 7, ..asked(fourcc::YUYV, 64, 64) },
            pix(fourcc::YUYV, 64, 64),
        ),
    ] {
        let mut p = pipe();
        p.open(1, Side::Input, MODERN).expect("opens");
        p.set_format(1, &wanted).expect("never an error for the format");
        assert_eq!(*p.pix(), expected);
        assert_eq!(p.size().map(|s| (s.width, s.height)), Some((expected.width, expected.height)));
    }
}

/// A compressed frame may need more than V4L1's four bytes a pixel.
#[test]
fn buffers_have_room_for_a_frame() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    let wanted = V4l2PixFormat { sizeimage: 1_000_000, ..asked(fourcc::MJPEG, 64, 64) };
    p.set_format(1, &wanted).expect("there is such a format");
    assert_eq!(p.size().map(|s| (s.frame_len, s.buf_len)), Some((1_000_000, 1_003_520)));
    p.set_format(1, &asked(fourcc::MJPEG, 64, 64)).expect("there is such a format");
    assert_eq!(p.size().map(|s| (s.frame_len, s.buf_len)), Some((8192, 16_384)));
}

#[test]
fn the_same_format_again_disturbs_nobody() {
    let mut p = fed_with(fourcc::YUYV, 320, 240);
    p.open(2, Side::Output, MODERN_READ).expect("opens");
    p.stream(2, true, 2, true).expect("an output streams");
    let other_colours = V4l2PixFormat {
        colorspace: V4L2_COLORSPACE_REC709,
        quantization: 1,
        ..asked(fourcc::YUYV, 320, 240)
    };
    let effects = p.set_format(1, &other_colours).expect("it is the one in force");
    assert_eq!(effects, Effects { board: true, views: true, ..Effects::default() });
    assert_eq!((p.pix().colorspace, p.pix().quantization), (V4L2_COLORSPACE_REC709, 1));
    assert_eq!((p.feed(), p.grants().count()), (Some(1), 1));
}

/// V4L1's pusher said YUV422, which is V4L2's YUYV: nothing is set anew.
#[test]
fn the_same_format_in_v4l1_s_words_disturbs_nobody() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    p.set_palette(1, YUV422, PICTURE).expect("there is such a palette");
    resize(&mut p, 1, 320, 240).expect("fits");
    assert!(!p.set_format(1, &asked(fourcc::YUYV, 320, 240)).expect("it is in force").format);
    assert_eq!((p.palette(), p.picture(), p.feed()), (YUV422, PICTURE, Some(1)));
}

/// The default that nobody has set is not in force, though it is what is asked for.
#[test]
fn the_default_has_to_be_set_too() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    assert!(p.set_format(1, &DEFAULT).expect("there is such a format").format);
    assert!(p.size().is_some() && p.pix_in_force());
}

#[test]
fn another_format_ends_the_feed() {
    for other in
        [asked(fourcc::YUYV, 160, 120), asked(fourcc::UYVY, 320, 240), asked(fourcc::MJPEG, 320, 240)]
    {
        let mut p = fed_with(fourcc::YUYV, 320, 240);
        let effects = p.set_format(1, &other).expect("there is such a format");
        assert!(effects.fed_ended && effects.format && effects.board && effects.views);
        assert_eq!((p.feed(), p.pusher()), (None, Some(1)), "it is still its pipe");
        assert!(feed(&mut p, 1).expect("fits").is_some());
        assert_eq!(p.feed(), Some(2), "clients see that it is another stream");
    }
}

#[test]
fn grants_end_with_the_length_of_buffers() {
    for (other, stay) in [(asked(fourcc::UYVY, 320, 240), 1), (asked(fourcc::YUYV, 640, 480), 0)] {
        let mut p = fed_with(fourcc::YUYV, 320, 240);
        p.open(2, Side::Output, MODERN_READ).expect("opens");
        p.stream(2, true, 2, false).expect("an output streams");
        p.set_format(1, &other).expect("there is such a format");
        assert_eq!((p.grants().count(), p.streamers()), (stay, 1));
    }
}

#[test]
fn only_the_pusher_sets_formats_and_feeds() {
    let mut p = fed_with(fourcc::YUYV, 320, 240);
    p.open(2, Side::Input, MODERN).expect("opens");
    p.open(3, Side::Output, MODERN).expect("opens");
    p.open(4, Side::Input, MODERN_READ).expect("opens");
    for (session, refusal) in
        [(2, Refusal::Busy), (3, Refusal::WrongNode), (4, Refusal::WrongNode), (9, Refusal::Unknown)]
    {
        assert_eq!(p.set_format(session, &DEFAULT), Err(refusal));
        assert_eq!(p.plan_feed(session, 0), Err(refusal));
    }
    assert_eq!(*p.pix(), pix(fourcc::YUYV, 320, 240));
    p.close(1);
    assert!(p.set_format(2, &DEFAULT).expect("free now").claimed);
    assert_eq!(p.pusher(), Some(2));
}

/// A pusher that writes without a word on the format writes what G_FMT told it.
#[test]
fn who_sets_nothing_feeds_the_format_that_there_is() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    let effects = feed(&mut p, 1).expect("fits").expect("it is the first");
    assert!(effects.format && effects.board);
    assert_eq!((*p.pix(), p.pix_in_force()), (DEFAULT, true));
    assert_eq!((p.palette(), p.size().map(|s| (s.width, s.height))), (YUYV, Some((640, 480))));

    let mut p = fed_with(fourcc::NV12, 320, 240);
    p.close(1);
    p.open(2, Side::Input, MODERN).expect("opens");
    assert!(!feed(&mut p, 2).expect("fits").expect("it is another pusher").format);
    assert_eq!((*p.pix(), p.feed()), (pix(fourcc::NV12, 320, 240), Some(2)));
}

#[test]
fn a_v4l2_pusher_after_one_that_v4l2_has_no_name_for() {
    let mut p = fed();
    p.set_palette(1, YUV420, PICTURE).expect("there is such a palette");
    resize(&mut p, 1, 64, 64).expect("fits");
    assert_eq!(p.plan_feed(1, 0), Ok(None), "it feeds already, whatever it is");
    p.close(1);
    p.open(2, Side::Input, MODERN).expect("opens");
    let effects = feed(&mut p, 2).expect("fits").expect("it is another pusher");
    assert!(effects.format);
    assert_eq!((*p.pix(), p.pix_in_force()), (pix(fourcc::YUV420, 320, 240), true));
    assert_eq!((p.palette(), p.size().map(|s| s.width)), (YUV420P, Some(320)));
}

/// A V4L1 pusher sets all that it needs over whatever was there.
#[test]
fn a_v4l1_pusher_after_one_of_today() {
    let mut p = fed_with(fourcc::MJPEG, 320, 240);
    p.close(1);
    p.open(2, Side::Input, LEGACY).expect("free");
    p.set_palette(2, GREY, PICTURE).expect("there is such a palette");
    assert_eq!((*p.pix(), p.varies()), (pix(fourcc::GREY, 320, 240), false));
    resize(&mut p, 2, 160, 120).expect("fits");
    assert_eq!((*p.pix(), p.feed()), (pix(fourcc::GREY, 160, 120), Some(2)));
}

#[test]
fn a_ring_that_v4l1_cannot_tell_is_refused_when_it_is_wanted() {
    let mut p = Pipe::new(Options { num_buffers: 30, ..Options::default() }, PAGE);
    p.open(1, Side::Input, MODERN).expect("opens");
    p.set_format(1, &asked(fourcc::YUYV, 8192, 8192)).expect("never an error for the format");
    assert_eq!(p.plan_feed(1, 0), Err(Refusal::TooLarge));
    assert_eq!((p.feed(), p.plan_idle()), (None, None), "nothing is shown either");
}

#[test]
fn in_profile_vloopback_what_is_mapped_keeps_its_size() {
    let mut p = Pipe::new(Options::of_profile(Profile::Vloopback), PAGE);
    p.open(1, Side::Input, MODERN).expect("free");
    p.set_format(1, &asked(fourcc::YUYV, 320, 240)).expect("nobody looks");
    feed(&mut p, 1).expect("fits");
    p.open(2, Side::Output, MODERN_READ).expect("fed");
    assert_eq!(p.set_format(1, &asked(fourcc::YUYV, 640, 480)), Err(Refusal::InUse));
    assert_eq!((*p.pix(), p.feed()), (pix(fourcc::YUYV, 320, 240), Some(1)));
    p.set_format(1, &asked(fourcc::UYVY, 320, 240)).expect("the size is the same");
}

#[test]
fn a_placeholder_needs_a_ring_where_it_is_policy() {
    for (idle, needs) in [(Idle::Placeholder, true), (Idle::Wait, false), (Idle::Refuse, false)] {
        let mut p = Pipe::new(Options { idle, ..Options::default() }, PAGE);
        assert_eq!(p.plan_idle().is_some(), needs, "{idle}");
        p.open(1, Side::Input, MODERN).expect("opens");
        p.set_format(1, &asked(fourcc::UYVY, 320, 240)).expect("there is such a format");
        assert_eq!(p.plan_idle().is_some(), needs, "{idle}: a claim is no feed");
        feed(&mut p, 1).expect("fits");
        assert_eq!(p.plan_idle(), None, "{idle}: somebody feeds it");
        p.close(1);
        assert_eq!(p.plan_idle(), p.size().filter(|_| needs), "{idle}: the last format stays");
    }
}

/// Also if a pusher had more slots of it than would be made now.
#[test]
fn a_placeholder_takes_the_ring_that_there_is() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    let plan = p.plan_feed(1, 6).expect("free").expect("it is the first");
    p.commit_feed(plan);
    p.close(1);
    assert_eq!((plan.slots, p.plan_idle()), (8, Some(plan)));
}

#[test]
fn a_placeholder_brings_its_format_into_force() {
    let mut p = pipe();
    p.open(2, Side::Output, MODERN_READ).expect("opens");
    let plan = p.plan_idle().expect("nobody feeds it");
    assert_eq!((p.size(), p.pix_in_force()), (None, false), "the plan alone changes nothing");
    let effects = p.commit_idle(plan);
    assert!(effects.board && effects.views && effects.format);
    assert_eq!((*p.pix(), p.pix_in_force(), p.size()), (DEFAULT, true, Some(plan)));
    assert_eq!((p.feed(), p.writer()), (None, false), "nobody feeds it for that");
    assert_eq!(p.stream(2, true, 8, true).map(|(g, _)| g), Ok(Some(Grant { row: 0, quota: 2 })));
    p.open(1, Side::Input, MODERN).expect("opens");
    assert!(!feed(&mut p, 1).expect("fits").expect("it is the first").format);
    assert_eq!((p.feed(), p.grants().count()), (Some(1), 1), "the same ring goes on");
}

#[test]
fn intervals_are_the_pusher_s() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    p.open(2, Side::Input, MODERN).expect("opens");
    p.open(3, Side::Output, MODERN).expect("opens");
    let effects = p.set_interval(1, 1001, 30_000).expect("nobody has claimed the pipe");
    assert_eq!(effects, Effects { board: true, views: true, ..Effects::default() });
    assert_eq!((p.interval(), p.told_interval()), ((1001, 30_000), Some((1001, 30_000))));
    assert_eq!(p.pusher(), None, "that claims nothing");
    assert!(!p.is_rate_told(), "it pushes nothing");
    p.claim(2).expect("free");
    assert!(!p.is_rate_told(), "nor did that one say it");
    for (session, num, den, refusal) in [
        (1, 1, 25, Refusal::Busy),
        (2, 0, 25, Refusal::Invalid),
        (2, 1, 0, Refusal::Invalid),
        (3, 1, 25, Refusal::WrongNode),
        (9, 1, 25, Refusal::Unknown),
    ] {
        assert_eq!(p.set_interval(session, num, den), Err(refusal), "{session}");
        assert_eq!(p.interval(), (1001, 30_000));
    }
    p.set_interval(2, 1, 25).expect("its own");
    assert!(p.is_rate_told());
    p.close(2);
    assert_eq!(p.interval(), (1, 25), "the last one stays");
    assert!(!p.is_rate_told(), "but is nobody's");
    p.set_caps(None, Some((1, 20)), None).expect("the rate alone");
    assert!(p.is_rate_told(), "a tool's");
    p.claim(1).expect("free");
    assert!(p.is_rate_told(), "whoever pushes");
}

#[test]
fn priorities_are_each_open_file_s() {
    let mut p = pipe();
    assert_eq!((p.max_priority(Side::Input), p.max_priority(Side::Output)), (0, 0), "none is open");
    p.open(1, Side::Input, MODERN).expect("opens");
    p.open(2, Side::Output, MODERN_READ).expect("opens");
    p.open(3, Side::Output, MODERN_READ).expect("opens");
    assert_eq!((p.max_priority(Side::Input), p.max_priority(Side::Output)), (2, 2));
    for bad in [0, 4, u32::MAX] {
        assert_eq!(p.set_priority(2, bad), Err(Refusal::Invalid));
    }
    assert_eq!(p.set_priority(9, 1), Err(Refusal::Unknown));
    assert!(p.set_priority(2, 3).expect("it is one").board);
    assert_eq!((p.max_priority(Side::Input), p.max_priority(Side::Output)), (2, 3));
    p.set_priority(2, 1).expect("it is one");
    assert_eq!(p.max_priority(Side::Output), 2, "the other's");
    p.close(3);
    assert_eq!(p.max_priority(Side::Output), 1);
    p.close(2);
    assert_eq!(p.max_priority(Side::Output), 0);
}

#[test]
fn who_is_content_with_fewer_gets_what_is_free() {
    let mut p = Pipe::new(Options { num_buffers: 4, ..Options::default() }, PAGE);
    p.open(1, Side::Input, MODERN).expect("opens");
    feed(&mut p, 1).expect("fits");
    for session in 2..=4 {
        p.open(session, Side::Output, MODERN_READ).expect("opens");
    }
    let quota = |p: &mut Pipe, session, hold, fewer| {
        p.stream(session, true, hold, fewer).expect("an output streams").0.map(|g| g.quota)
    };
    assert_eq!(quota(&mut p, 2, 3, true), Some(3), "6 slots, 2 of them reserved");
    assert_eq!(quota(&mut p, 3, 3, false), None, "all or nothing");
    assert_eq!(quota(&mut p, 3, 3, true), Some(1));
    assert_eq!(quota(&mut p, 4, u32::MAX, true), None, "none is left");
    assert_eq!(quota(&mut p, 4, 0, true), None, "it wants none");
    assert_eq!(quota(&mut p, 2, u32::MAX, true), Some(3), "its own it has already");
    p.stream(3, false, 3, true).expect("it ends");
    assert_eq!(quota(&mut p, 2, u32::MAX, true), Some(4), "and one is free again");
}

#[test]
fn policies_have_names() {
    for idle in [Idle::Placeholder, Idle::Wait, Idle::Refuse] {
        assert_eq!(idle.to_string().parse(), Ok(idle));
    }
    let error = "show".parse::<Idle>().expect_err("there is none");
    assert!(error.contains("'show'") && error.contains("placeholder, wait or refuse"), "{error}");
}

/// Both tables of formats say the same of a frame's length: else a V4L1 pusher's frames would have no
/// name in V4L2.
#[test]
fn palettes_and_fourccs_agree_on_lengths() {
    for palette in Palette::ALL {
        let Some(format) = palette.fourcc().and_then(PixelFormat::of) else { continue };
        let bytes = format.sizeimage(64, 48).map(|n| n as usize);
        assert_eq!(bytes, palette.frame_len(64, 48), "{palette:?}");
    }
}

/// A pusher that fills buffers in place gets a slot for each, within bounds; one that has a ring of as many
/// keeps it.
#[test]
fn the_ring_has_a_slot_for_each_buffer_in_place() {
    let mut p = pipe();
    p.open(1, Side::Input, Access { write: true, legacy: false }).expect("free");
    let plan = p.plan_feed(1, 6).expect("free").expect("a ring");
    assert_eq!(plan.slots, 6 + RESERVED_SLOTS);
    p.commit_feed(plan);
    assert_eq!(p.plan_feed(1, 5), Ok(None));
    assert_eq!(p.plan_feed(1, 0), Ok(None));
    assert_eq!(p.plan_feed(1, 32).expect("its own").expect("a larger ring").slots, 8 + RESERVED_SLOTS);
}

#[test]
fn buffers_given_back_end_the_feed_and_keep_the_claim() {
    let mut p = pipe();
    for session in [1, 2] {
        p.open(session, Side::Input, Access { write: true, legacy: false }).expect("V4L2");
    }
    let plan = p.plan_feed(1, 4).expect("free").expect("a ring");
    p.commit_feed(plan);
    assert_eq!(p.take_over(2), Err(Refusal::Busy), "it feeds");
    assert_eq!(p.end_feed(2), Err(Refusal::Busy));
    let effects = p.end_feed(1).expect("its own");
    assert!(effects.fed_ended && effects.board);
    assert_eq!((p.feed(), p.pusher()), (None, Some(1)));
    assert!(!p.end_feed(1).expect("its own").fed_ended, "once");
    assert_eq!(p.claim(2), Err(Refusal::Busy), "another process's");
    p.take_over(2).expect("of one process");
    assert_eq!(p.pusher(), Some(2));
    p.open(3, Side::Input, Access { write: false, legacy: false }).expect("V4L2");
    assert_eq!(p.take_over(3), Err(Refusal::WrongNode));
    assert_eq!(p.pusher(), Some(2), "nothing was lost by trying");
}
