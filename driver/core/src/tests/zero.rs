//! Zero-copy mode: the pusher's memory, and the format that V4L2's clients of it agree on.

use vloopback_abi::v4l2::pixel::PixelFormat;
use vloopback_abi::v4l2::{V4l2PixFormat, fourcc};

use super::*;

fn pix(fourcc: fourcc::Fourcc, width: u32, height: u32) -> V4l2PixFormat {
    PixelFormat::of(fourcc).and_then(|f| f.pix(width, height)).expect("there is such a format")
}

/// A pipe whose pusher, session 1, has mapped; sessions 2 and 3 have the output open.
fn mapped() -> Pipe {
    let mut p = pipe();
    p.open(1, Side::Input, MODERN).expect("the input opens");
    p.begin_zero(1).expect("it is free");
    for session in [2, 3] {
        p.open(session, Side::Output, MODERN).expect("the output opens");
    }
    p
}

#[test]
fn a_mapping_feeds_the_pipe_until_the_pusher_closes() {
    let mut p = mapped();
    let zero = p.zero();
    assert!(zero != 0 && p.feed().is_some());
    p.begin_zero(1).expect("twice is nothing");
    assert_eq!(p.zero(), zero);
    assert_eq!(p.begin_zero(2), Err(Refusal::WrongNode));
    assert!(p.close(1).fed_ended);
    assert_eq!((p.zero(), p.feed()), (0, None));
    p.open(4, Side::Input, MODERN).expect("the input opens");
    p.begin_zero(4).expect("it is free");
    assert!(p.zero() != 0 && p.zero() != zero, "another pusher's memory is another one");
}

#[test]
fn clients_agree_on_a_format_with_the_pusher() {
    let mut p = mapped();
    let yuyv = pix(fourcc::YUYV, 320, 240);
    assert!(p.agree(2, &yuyv).expect("nobody streams").format);
    assert_eq!(
        (p.pix().pixelformat, p.size().map(|s| (s.width, s.height))),
        (yuyv.pixelformat, Some((320, 240)))
    );
    assert!(p.pix_in_force() && !p.agree(3, &yuyv).expect("the same").format);
    assert_eq!(p.plan_zero(), None, "nobody streams");
    p.stream(2, true, 4, true).expect("an output");
    assert_eq!(p.plan_zero(), p.size());
    // While one streams, the format is that one's.
    let other = pix(fourcc::YUV420, 640, 480);
    assert_eq!(p.agree(3, &other), Err(Refusal::Busy));
    assert!(p.agree(2, &other).expect("its own").format);
    assert_eq!(p.agree(1, &yuyv), Err(Refusal::WrongNode), "the pusher speaks V4L1");
    assert_eq!(p.agree(9, &yuyv), Err(Refusal::Unknown));
}

#[test]
fn what_v4l1_has_no_name_for_is_refused() {
    let mut p = mapped();
    assert_eq!(p.agree(2, &pix(fourcc::MJPEG, 320, 240)), Err(Refusal::Invalid));
    let mut one_copy = pipe();
    one_copy.open(2, Side::Output, MODERN).expect("the output opens");
    assert_eq!(one_copy.agree(2, &pix(fourcc::YUYV, 320, 240)), Err(Refusal::WrongNode));
}

/// Who streams a former pusher's format, or the placeholder's, has agreed on nothing with the new one.
#[test]
fn a_new_pusher_agrees_anew() {
    let mut p = mapped();
    p.agree(2, &pix(fourcc::YUYV, 320, 240)).expect("nobody streams");
    p.stream(2, true, 0, true).expect("an output");
    p.close(1);
    p.open(4, Side::Input, MODERN).expect("the input opens");
    p.begin_zero(4).expect("it is free");
    assert!(p.plan_zero().is_some(), "the first frame is asked for in the format that there was");
    let other = pix(fourcc::GREY, 64, 48);
    assert!(p.agree(3, &other).expect("the first one agrees").format);
    assert_eq!(p.agree(2, &pix(fourcc::YUYV, 320, 240)).err(), None, "nobody but itself streams");
    p.stream(3, true, 0, true).expect("an output");
    assert_eq!(p.agree(2, &other), Err(Refusal::Busy));
}
