//! The rules of the pipe one by one; `tests/model.rs` mixes them.

use crate::*;

mod v4l2;
mod zero;

const PAGE: u32 = 4096;
/// VIDEO_PALETTE_YUV420P, RGB24 and GREY.
const YUV420P: u32 = 15;
const RGB24: u32 = 4;
const GREY: u32 = 1;
const PICTURE: [u32; 6] = [1, 2, 3, 4, 5, 12];

const LEGACY: Access = Access { write: true, legacy: true };
const LEGACY_READ: Access = Access { write: false, legacy: true };
const MODERN: Access = Access { write: true, legacy: false };
const MODERN_READ: Access = Access { write: false, legacy: false };

fn pipe() -> Pipe {
    Pipe::new(Options::default(), PAGE)
}

/// A pipe that session 1 feeds with 320x240 YUV420P.
fn fed() -> Pipe {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("the input opens");
    p.set_palette(1, YUV420P, PICTURE).expect("the palette fits");
    resize(&mut p, 1, 320, 240).expect("the size fits");
    p
}

fn resize(p: &mut Pipe, session: u32, width: u32, height: u32) -> Result<Option<Effects>, Refusal> {
    let plan = p.plan_size(session, width, height)?;
    Ok(plan.map(|plan| p.commit_size(plan)))
}

#[test]
fn a_legacy_open_for_writing_claims() {
    let mut p = pipe();
    let effects = p.open(1, Side::Input, LEGACY).expect("free");
    assert_eq!(effects, Effects { views: true, claimed: true, ..Effects::default() });
    assert!(p.writer());
    assert_eq!(p.pusher(), Some(1));
    // driver/docs/old-api.md, "The list in /proc": EBUSY makes a parser try the next line.
    assert_eq!(p.open(2, Side::Input, LEGACY), Err(Refusal::Busy));
    assert_eq!(Refusal::Busy.errno(), 16);
    assert_eq!(p.openers().count(), 1, "who was refused is not there");
}

#[test]
fn a_legacy_open_for_reading_claims_nothing() {
    let mut p = pipe();
    assert!(!p.open(1, Side::Input, LEGACY_READ).expect("free").claimed);
    assert!(!p.writer());
    p.open(2, Side::Input, LEGACY).expect("still free");
    p.open(3, Side::Input, LEGACY_READ).expect("looking is free");
    assert_eq!(p.pusher(), Some(2));
}

#[test]
fn a_modern_open_claims_nothing() {
    let mut p = pipe();
    for session in 1..4 {
        assert!(!p.open(session, Side::Input, MODERN).expect("opening is free").claimed);
    }
    assert!(!p.writer());
    let effects = p.claim(2).expect("free");
    assert!(effects.claimed && effects.views);
    assert_eq!(p.claim(2), Ok(Effects::default()), "twice is nothing");
    assert_eq!(p.claim(1), Err(Refusal::Busy));
    assert_eq!(p.open(9, Side::Input, LEGACY), Err(Refusal::Busy), "the old rule meets the new claim");
    p.open(4, Side::Input, MODERN).expect("panels and browsers may open any node");
}

#[test]
fn only_inputs_open_for_writing_claim() {
    let mut p = fed();
    p.close(1);
    p.open(2, Side::Input, MODERN_READ).expect("opens");
    p.open(3, Side::Output, MODERN).expect("opens");
    for session in [2, 3] {
        assert_eq!(p.claim(session), Err(Refusal::WrongNode));
        assert_eq!(p.set_palette(session, GREY, PICTURE), Err(Refusal::WrongNode));
        assert_eq!(p.plan_size(session, 64, 64), Err(Refusal::WrongNode));
    }
    assert!(!p.writer());
}

#[test]
fn sessions_that_are_not_there_are_told_so() {
    let mut p = fed();
    assert_eq!(p.claim(77), Err(Refusal::Unknown));
    assert_eq!(p.set_palette(77, GREY, PICTURE), Err(Refusal::Unknown));
    assert_eq!(p.plan_size(77, 64, 64), Err(Refusal::Unknown));
    assert_eq!(p.stream(77, true, 1, false), Err(Refusal::Unknown));
    assert_eq!(p.close(77), Effects::default());
}

/// driver/docs/rules.md, "While nobody pushes": an output that nobody feeds opens, except for legacy processes, under
/// `refuse`, and in profile `vloopback`.
#[test]
fn an_output_without_a_pusher() {
    for (options, access, opens) in [
        (Options::default(), MODERN_READ, true),
        (Options::default(), LEGACY_READ, false),
        (Options { idle: Idle::Wait, ..Options::default() }, MODERN_READ, true),
        (Options { idle: Idle::Wait, ..Options::default() }, LEGACY_READ, false),
        (Options { idle: Idle::Refuse, ..Options::default() }, MODERN_READ, false),
        (Options::of_profile(Profile::Vloopback), MODERN_READ, false),
    ] {
        let mut p = Pipe::new(options, PAGE);
        let outcome = p.open(5, Side::Output, access);
        assert_eq!(outcome.is_ok(), opens, "{options:?} {access:?}");
        assert_eq!(outcome.err(), (!opens).then_some(Refusal::NotFed));
        assert_eq!(p.readers(), u32::from(opens));
        // A claim feeds nothing yet: there is no buffer before SWIN.
        p.open(1, Side::Input, MODERN).expect("opens");
        p.claim(1).expect("free, or claimed by the open");
        assert_eq!(p.open(6, Side::Output, access).is_ok(), opens, "{options:?} {access:?}");
        p.set_palette(1, YUV420P, PICTURE).expect("fits");
        p.close(5);
        p.close(6);
        resize(&mut p, 1, 64, 64).expect("fits");
        p.open(7, Side::Output, access).expect("now it is fed");
        p.close(1);
        assert_eq!(p.open(8, Side::Output, access).is_ok(), opens, "and now it is not");
    }
}

#[test]
fn profile_vloopback_serves_everybody_the_old_way() {
    let mut p = Pipe::new(Options::of_profile(Profile::Vloopback), PAGE);
    p.open(1, Side::Input, MODERN).expect("free");
    assert!(p.writer());
    assert_eq!(p.open(2, Side::Input, MODERN), Err(Refusal::Busy));
    p.set_palette(1, YUV420P, PICTURE).expect("fits");
    resize(&mut p, 1, 320, 240).expect("fits");
    p.open(3, Side::Output, MODERN_READ).expect("fed");
    assert_eq!(p.plan_size(1, 640, 480), Err(Refusal::InUse), "a client has the output open");
    assert_eq!(resize(&mut p, 1, 320, 240), Ok(None), "the equal size is none");
    p.close(3);
    assert!(p.plan_size(1, 640, 480).expect("nobody looks").is_some());
}

/// driver/docs/old-api.md, "Mended": a pusher that comes back is not locked out by a client.
#[test]
fn a_pusher_comes_back_under_an_open_client() {
    for profile in [Profile::Default, Profile::Vloopback] {
        let mut p = Pipe::new(Options::of_profile(profile), PAGE);
        p.open(1, Side::Input, LEGACY).expect("free");
        p.set_palette(1, YUV420P, PICTURE).expect("fits");
        resize(&mut p, 1, 320, 240).expect("fits");
        p.open(2, Side::Output, LEGACY_READ).expect("fed");
        p.stream(2, true, 2, false).expect("an output streams");
        assert!(p.close(1).fed_ended);
        assert_eq!((p.writer(), p.feed(), p.readers()), (false, None, 1));
        p.open(3, Side::Input, LEGACY).expect("free again");
        p.set_palette(3, YUV420P, PICTURE).expect("fits");
        let effects = resize(&mut p, 3, 320, 240).expect("the same size is no quarrel");
        assert!(effects.is_some(), "a new pusher makes or takes over the ring");
        assert_eq!(p.feed(), Some(2), "the second that fed the pipe");
    }
}

#[test]
fn a_size_is_planned_then_committed() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    p.set_palette(1, YUV420P, PICTURE).expect("fits");
    assert_eq!((p.palette(), p.picture()), (YUV420P, PICTURE));
    let plan = p.plan_size(1, 320, 240).expect("fits").expect("it is new");
    assert_eq!(plan, RingPlan { width: 320, height: 240, frame_len: 115_200, buf_len: 307_200, slots: 4 });
    assert_eq!((p.size(), p.feed()), (None, None), "the plan alone changes nothing");
    let effects = p.commit_size(plan);
    assert!(effects.board && effects.views);
    assert_eq!((p.size(), p.feed()), (Some(plan), Some(1)));
    assert_eq!(p.plan_size(1, 320, 240), Ok(None), "equal size again is 0");
    resize(&mut p, 1, 160, 120).expect("fits");
    assert_eq!(p.feed(), Some(1), "another size is the same pusher");
}

/// driver/docs/old-api.md, "Mended": the size was stored although SWIN failed.
#[test]
fn what_fails_changes_nothing() {
    let mut p = fed();
    p.open(2, Side::Output, MODERN_READ).expect("fed");
    p.stream(2, true, 2, false).expect("an output streams");
    let before = format!("{p:?}");
    for (width, height, refusal) in [
        (0, 240, Refusal::Invalid),
        (320, 0, Refusal::Invalid),
        (0, 0, Refusal::Invalid),
        (321, 240, Refusal::Invalid),
        (320, 241, Refusal::Invalid),
        (32_768, 32_768, Refusal::TooLarge),
        (u32::MAX, u32::MAX, Refusal::TooLarge),
    ] {
        assert_eq!(p.plan_size(1, width, height), Err(refusal), "{width}x{height}");
    }
    for palette in [0, 17, 255, u32::MAX] {
        assert_eq!(p.set_palette(1, palette, [9; 6]), Err(Refusal::Invalid), "{palette}");
    }
    assert_eq!(format!("{p:?}"), before);
}

/// Pushers set the palette first, over a size that may be another's: it is the size's turn to fit.
#[test]
fn a_palette_that_the_size_does_not_fit_waits_for_another_size() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    p.set_palette(1, GREY, PICTURE).expect("there is such a palette");
    resize(&mut p, 1, 321, 241).expect("grey comes in any size");
    p.set_palette(1, YUV420P, PICTURE).expect("there is such a palette");
    assert_eq!(p.size().map(|s| s.frame_len), Some(0), "nothing can be written");
    assert_eq!(p.plan_size(1, 321, 241), Err(Refusal::Invalid), "though it is the size in force");
    resize(&mut p, 1, 320, 240).expect("this fits");
    assert_eq!(p.size().map(|s| s.frame_len), Some(115_200));
    p.set_palette(1, RGB24, PICTURE).expect("there is such a palette");
    assert_eq!(p.size().map(|s| s.frame_len), Some(230_400), "the frame's length follows the palette");
}

/// SWIN before SPICT: the size stands, frames have no length until there is a palette.
#[test]
fn a_size_without_a_palette() {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("opens");
    resize(&mut p, 1, 320, 240).expect("fits");
    assert_eq!(p.size().map(|s| (s.frame_len, s.buf_len)), Some((0, 307_200)));
    p.set_palette(1, YUV420P, PICTURE).expect("fits");
    assert_eq!(p.size().map(|s| s.frame_len), Some(115_200));
}

#[test]
fn rings_have_a_slot_a_frame_and_two_more() {
    for (num_buffers, slots) in [(2, 4), (3, 5), (8, 10), (30, 32)] {
        let mut p = Pipe::new(Options { num_buffers, ..Options::default() }, PAGE);
        p.open(1, Side::Input, MODERN).expect("opens");
        let plan = p.plan_size(1, 64, 64).expect("fits").expect("new");
        assert_eq!(plan.slots, slots, "{num_buffers}");
    }
}

#[test]
fn a_client_gets_all_that_it_would_hold_or_nothing() {
    let mut p = fed();
    for session in 2..=5 {
        p.open(session, Side::Output, MODERN_READ).expect("fed");
    }
    let (grant, effects) = p.stream(2, true, 3, false).expect("an output streams");
    assert_eq!(grant, None, "4 slots, 2 of them reserved");
    assert!(effects.board && effects.views);
    assert_eq!(p.streamers(), 1, "it streams all the same");
    assert_eq!(p.stream(2, true, 2, false).map(|(g, _)| g), Ok(Some(Grant { row: 0, quota: 2 })));
    assert_eq!(p.stream(3, true, 1, false).map(|(g, _)| g), Ok(None), "all is given");
    assert_eq!(
        p.stream(2, true, 1, false).map(|(g, _)| g),
        Ok(Some(Grant { row: 0, quota: 1 })),
        "one is given back"
    );
    assert_eq!(p.stream(3, true, 1, false).map(|(g, _)| g), Ok(Some(Grant { row: 1, quota: 1 })));
    p.stream(2, false, 2, false).expect("it ends");
    assert_eq!(p.streamers(), 1);
    assert_eq!(p.stream(4, true, 0, false).map(|(g, _)| g), Ok(None), "who copies needs no row");
    assert_eq!(
        p.stream(5, true, 1, false).map(|(g, _)| g),
        Ok(Some(Grant { row: 0, quota: 1 })),
        "rows are used again"
    );
    assert_eq!(p.streamers(), 3);
    assert_eq!(p.stream(1, true, 1, false), Err(Refusal::WrongNode), "an input does not stream");
    assert_eq!(p.stream(4, true, u32::MAX, false).map(|(g, _)| g), Ok(None), "no sum runs over");
}

#[test]
fn without_a_ring_nothing_is_granted() {
    let mut p = pipe();
    p.open(2, Side::Output, MODERN_READ).expect("opens");
    assert_eq!(p.stream(2, true, 1, false).map(|(g, _)| g), Ok(None));
    assert_eq!(p.streamers(), 1);
}

#[test]
fn grants_end_with_their_ring() {
    let mut p = fed();
    p.open(2, Side::Output, MODERN_READ).expect("fed");
    p.stream(2, true, 2, false).expect("an output streams");
    resize(&mut p, 1, 640, 480).expect("no client stops a pusher");
    assert_eq!(p.grants().count(), 0);
    assert_eq!(p.streamers(), 1, "it streams on, with copies");
}

#[test]
fn closing_gives_everything_back() {
    let mut p = fed();
    p.open(2, Side::Output, MODERN_READ).expect("fed");
    p.stream(2, true, 2, false).expect("an output streams");
    let effects = p.close(2);
    assert!(effects.board && effects.views && !effects.fed_ended);
    assert_eq!((p.readers(), p.streamers(), p.grants().count()), (0, 0, 0));
    assert_eq!(p.close(2), Effects::default(), "once is enough");
    let effects = p.close(1);
    assert!(effects.fed_ended && effects.views);
    assert_eq!((p.writer(), p.feed()), (false, None));
    assert_eq!(p.size().map(|s| s.width), Some(320), "the last format stays, for the placeholder");
}

#[test]
fn a_claim_that_fed_nothing_ends_quietly() {
    let mut p = pipe();
    p.open(1, Side::Input, LEGACY).expect("free");
    let effects = p.close(1);
    assert!(effects.views && !effects.fed_ended);
    assert!(!p.writer(), "an open and close must not consume a pipe");
    p.open(2, Side::Input, LEGACY).expect("free");
}

#[test]
fn another_session_s_close_ends_no_claim() {
    let mut p = fed();
    p.open(2, Side::Input, MODERN).expect("opens");
    assert!(!p.close(2).fed_ended);
    assert_eq!((p.pusher(), p.feed()), (Some(1), Some(1)));
}

#[test]
fn geometry_at_the_edges() {
    use Refusal::{Invalid, TooLarge};
    for (palette, width, height, frames, expected) in [
        (GREY, 1, 1, 2, Ok((1, 4096))),
        (GREY, 32, 32, 2, Ok((1024, 4096))),
        (GREY, 33, 32, 2, Ok((1056, 8192))),
        (YUV420P, 1, 1, 2, Err(Invalid)),
        (YUV420P, 2, 2, 2, Ok((6, 4096))),
        (YUV420P, 3, 2, 2, Err(Invalid)),
        (YUV420P, 2, 3, 2, Err(Invalid)),
        (YUV420P, 320, 240, 2, Ok((115_200, 307_200))),
        (8, 321, 240, 2, Err(Invalid)),
        (8, 320, 241, 2, Ok((154_240, 311_296))),
        (14, 4, 3, 2, Ok((18, 4096))),
        (14, 6, 4, 2, Err(Invalid)),
        (16, 4, 4, 2, Ok((18, 4096))),
        (16, 4, 2, 2, Err(Invalid)),
        (RGB24, 1920, 1080, 2, Ok((6_220_800, 8_294_400))),
        (5, 1920, 1080, 2, Ok((8_294_400, 8_294_400))),
        (0, 320, 240, 2, Ok((0, 307_200))),
        (12, 320, 240, 2, Err(Invalid)),
        (17, 320, 240, 2, Err(Invalid)),
        (u32::MAX, 320, 240, 2, Err(Invalid)),
        (GREY, 0, 240, 2, Err(Invalid)),
        (GREY, 320, 0, 2, Err(Invalid)),
        (0, 0, 0, 2, Err(Invalid)),
        (GREY, 32_768, 32_768, 2, Err(TooLarge)),
        (GREY, u32::MAX, 1, 2, Err(TooLarge)),
        (5, u32::MAX, u32::MAX, 2, Err(TooLarge)),
        // 2^31 bytes in all is one too many; one page less a frame is not.
        (GREY, 16_384, 16_384, 2, Err(TooLarge)),
        (GREY, 16_384, 16_383, 2, Ok((268_419_072, 1_073_676_288))),
        (GREY, 16_384, 16_383, 3, Err(TooLarge)),
    ] {
        let got = frame_geometry(palette, width, height, frames, PAGE);
        assert_eq!(got, expected, "palette {palette}, {width}x{height}, {frames} frames");
    }
}

/// driver/docs/old-api.md, "Kept": whole pages, of the machine's own size.
#[test]
fn buffers_are_whole_pages_of_any_size() {
    for (page, buffer) in [(4096, 77_824), (16_384, 81_920), (65_536, 131_072), (0, 76_800), (1, 76_800)] {
        assert_eq!(frame_geometry(GREY, 160, 120, 2, page), Ok((19_200, buffer)), "{page}");
    }
}

#[test]
fn refusals_have_the_old_driver_s_errnos() {
    for (refusal, errno) in [
        (Refusal::Busy, 16),
        (Refusal::NotFed, 22),
        (Refusal::WrongNode, 22),
        (Refusal::Invalid, 22),
        (Refusal::InUse, 22),
        (Refusal::TooLarge, 12),
        (Refusal::Unknown, 9),
    ] {
        assert_eq!(refusal.errno(), errno);
        assert!(!refusal.to_string().is_empty());
    }
}

#[test]
fn profiles_have_names() {
    for profile in [Profile::Default, Profile::Vloopback] {
        assert_eq!(profile.to_string().parse(), Ok(profile));
    }
    let error = "v4l".parse::<Profile>().expect_err("there is none");
    assert!(error.contains("'v4l'") && error.contains("vloopback"), "{error}");
}

/// A client that has not noticed the new ring yet writes its former row: it is nobody else's.
#[test]
fn a_row_stays_its_client_s_until_it_streams_no_more() {
    let mut pipe = fed();
    for session in [50, 51] {
        pipe.open(session, Side::Output, Access { write: true, legacy: false }).expect("fed");
    }
    let (first, _) = pipe.stream(50, true, 2, true).expect("an output");
    let first = first.expect("two slots are free");
    let plan = pipe.plan_size(1, 640, 480).expect("a size").expect("another one");
    pipe.commit_size(plan);
    assert_eq!(pipe.grants().count(), 0, "grants end with the ring");
    let (second, _) = pipe.stream(51, true, 1, true).expect("an output");
    let second = second.expect("a slot is free");
    assert_ne!(first.row, second.row);
    let (again, _) = pipe.stream(50, true, 1, true).expect("an output");
    assert_eq!(again.expect("one is left").row, first.row);
    pipe.stream(50, false, 0, true).expect("an output");
    pipe.open(52, Side::Output, Access { write: true, legacy: false }).expect("fed");
    let (third, _) = pipe.stream(52, true, 1, true).expect("an output");
    assert_eq!(third.expect("it is free").row, first.row, "given back");
}

/// driver/docs/rules.md, "Sharing": one owner of the stream in all.
#[test]
fn an_exclusive_stream_has_one_owner() {
    let mut p = Pipe::new(Options { exclusive: true, ..Options::default() }, PAGE);
    p.open(1, Side::Input, MODERN).expect("free");
    for session in [2, 3, 4] {
        p.open(session, Side::Output, MODERN).expect("opening is free for all");
    }
    assert_eq!(p.own(1), Err(Refusal::WrongNode));
    assert_eq!(p.own(9), Err(Refusal::Unknown));
    assert_eq!([p.own(2), p.own(2)], [Ok(()), Ok(())], "twice is nothing");
    assert_eq!(p.own(3), Err(Refusal::Owned));
    assert_eq!(Refusal::Owned.errno(), 16);
    // Buffers stay when the stream ends; so does the right to it.
    p.stream(2, true, 2, true).expect("its own");
    p.stream(2, false, 0, true).expect("its own");
    assert_eq!(p.stream(3, true, 0, false).map(|_| ()), Err(Refusal::Owned));
    p.disown(3);
    assert_eq!(p.owner(), Some(2), "nobody gives back what is another's");
    p.disown(2);
    p.stream(3, true, 0, false).expect("free again");
    assert_eq!((p.owner(), p.own(4)), (Some(3), Err(Refusal::Owned)), "a stream owns, too");
    p.close(3);
    assert_eq!(p.own(4), Ok(()));
    // Without the option everybody streams.
    let mut p = pipe();
    for session in [2, 3] {
        p.open(session, Side::Output, MODERN).expect("free");
        p.own(session).expect("nobody's");
        p.stream(session, true, 1, false).expect("streams");
    }
    assert_eq!((p.owner(), p.streamers()), (None, 2));
}

/// One value of each slider, whoever sets it; the palette's setter sets all.
#[test]
fn controls_are_the_pipes() {
    let mut pipe = pipe();
    pipe.open(1, Side::Output, MODERN_READ).unwrap();
    let middle = crate::Slider::DEFAULT;
    assert_eq!(pipe.picture(), [middle, middle, middle, middle, middle, 0]);
    let only = |place: usize, value: u32| {
        let mut wanted = [None; 5];
        wanted[place] = Some(value);
        wanted
    };
    let effects = pipe.set_controls(1, only(1, 9)).unwrap();
    assert_eq!(effects, Effects { board: true, controls: 1 << 1, ..Effects::default() });
    assert_eq!(pipe.set_controls(1, only(1, 9)), Ok(Effects::default()), "no change");
    assert_eq!(pipe.set_controls(1, [Some(1), None, None, None, Some(65_536)]), Err(Refusal::Invalid));
    assert_eq!(pipe.set_controls(2, only(0, 1)), Err(Refusal::Unknown));
    assert_eq!(pipe.picture(), [middle, 9, middle, middle, middle, 0], "all or none");
    // A pusher comes, sets them by SPICT, and goes.
    pipe.open(2, Side::Input, MODERN).unwrap();
    let effects = pipe.set_palette(2, 15, [1, 9, 2, middle, middle, 12]).unwrap();
    assert_eq!(effects.controls, 0b101);
    pipe.close(2);
    assert_eq!(pipe.picture()[..5], [1, 9, 2, middle, middle]);
    for (k, slider) in crate::SLIDERS.iter().enumerate() {
        assert!(k == 0 || crate::SLIDERS[k - 1].id < slider.id, "in the order of their ids");
        assert_eq!(crate::Slider::of(slider.id), Some(slider));
    }
}
