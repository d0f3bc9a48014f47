//! What a conversion keeps, what it averages, and how near it comes to the exact formula.

use proptest::prelude::*;
use vloopback_abi::v4l2::{Fourcc, PixelFormat, fourcc};
use vloopback_convert::picture::{can, others};
use vloopback_convert::{Coding, Conversion, Fit, Picture};

/// Lines without padding, as short as they can be.
fn line(format: Fourcc, width: u32) -> u32 {
    PixelFormat::of(format).and_then(|format| format.bytesperline(width)).expect("a line")
}

fn picture(format: Fourcc, (width, height): (u32, u32)) -> Picture {
    Picture::new(format, width, height, line(format, width)).expect("a format that can be converted")
}

fn convert(from: Fourcc, to: Fourcc, size: (u32, u32), coding: Coding, frame: &[u8]) -> Vec<u8> {
    let conversion =
        Conversion::new(picture(from, size), picture(to, size), coding, Fit::Stretch).expect("one size");
    let mut into = vec![0; conversion.result_len()];
    assert!(conversion.run(frame, &mut into, &mut []));
    into
}

fn sd() -> Coding {
    Coding::new(0, 0, 0)
}

fn frame(format: Fourcc, size: (u32, u32), seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..picture(format, size).frame_len().expect("small")).map(|_| next()).collect()
}

proptest! {
    /// Nothing is lost where only the order of the bytes differs, whatever the size.
    #[test]
    fn an_order_of_bytes_and_back(width in 1u32..140, height in 1u32..9, seed in any::<u64>()) {
        let size = (width, height);
        for (from, to) in [
            (fourcc::YUV420, fourcc::NV12),
            (fourcc::YUV420, fourcc::YVU420),
            (fourcc::NV12, fourcc::NV21),
            (fourcc::YUV422P, fourcc::NV16),
            (fourcc::RGB24, fourcc::BGR24),
            (fourcc::RGB24, fourcc::XBGR32),
            (fourcc::BGR24, fourcc::XRGB32),
        ] {
            let frame = frame(from, size, seed);
            let there = convert(from, to, size, sd(), &frame);
            prop_assert_eq!(&convert(to, from, size, sd(), &there), &frame, "{} {}", from, to);
        }
    }

    /// Packed and planar 4:2:2 have the same samples; an odd width has one pixel more in the packed one.
    #[test]
    fn pairs_and_planes(half in 1u32..70, height in 1u32..9, seed in any::<u64>()) {
        let size = (2 * half, height);
        for (from, to) in [(fourcc::YUYV, fourcc::YUV422P), (fourcc::UYVY, fourcc::NV16), (fourcc::YVYU, fourcc::VYUY)] {
            let frame = frame(from, size, seed);
            let there = convert(from, to, size, sd(), &frame);
            prop_assert_eq!(&convert(to, from, size, sd(), &there), &frame, "{} {}", from, to);
        }
    }

    /// Colour of two lines becomes one: their mean, rounded.
    #[test]
    fn lines_are_averaged(half in 1u32..70, seed in any::<u64>()) {
        let size = (2 * half, 2);
        let frame = frame(fourcc::YUV422P, size, seed);
        let there = convert(fourcc::YUV422P, fourcc::YUV420, size, sd(), &frame);
        let (luma, colour) = ((2 * half * 2) as usize, half as usize);
        prop_assert_eq!(&there[..luma], &frame[..luma]);
        for k in 0..colour {
            let (one, other) = (u32::from(frame[luma + k]), u32::from(frame[luma + colour + k]));
            prop_assert_eq!(u32::from(there[luma + k]), (one + other).div_ceil(2));
        }
    }

    /// Red, green and blue are within one level of the exact formula, for each matrix and range.
    #[test]
    fn near_the_formula(y in any::<u8>(), u in any::<u8>(), v in any::<u8>(), enc in 0usize..3, full in any::<bool>()) {
        let ([red, blue], enc) = [([0.299, 0.114], 1), ([0.2126, 0.0722], 2), ([0.2627, 0.0593], 6)][enc];
        let coding = Coding::new(0, enc, if full { 1 } else { 2 });
        let got = convert(fourcc::NV12, fourcc::RGB24, (1, 1), coding, &[y, u, v]);
        let (span, colours, black) = if full { (255.0, 255.0, 0.0) } else { (219.0, 224.0, 16.0) };
        let luma = (f64::from(y) - black) / span;
        let (pb, pr) = ((f64::from(u) - 128.0) / colours, (f64::from(v) - 128.0) / colours);
        let (r, b) = (luma + 2.0 * (1.0 - red) * pr, luma + 2.0 * (1.0 - blue) * pb);
        let g = (luma - red * r - blue * b) / (1.0 - red - blue);
        for (got, exact) in got.iter().zip([r, g, b]) {
            let exact = (exact * 255.0).clamp(0.0, 255.0);
            prop_assert!((f64::from(*got) - exact).abs() <= 1.0, "{} {}", got, exact);
        }
    }

    /// There and back: colours that are whole in 4:4:4 samples come back within rounding.
    #[test]
    fn grey_stays_grey(level in any::<u8>()) {
        let frame = [level; 12];
        let there = convert(fourcc::RGB24, fourcc::YUYV, (2, 2), sd(), &frame);
        prop_assert!(there.iter().skip(1).step_by(2).all(|colour| *colour == 128));
        let back = convert(fourcc::YUYV, fourcc::RGB24, (2, 2), sd(), &there);
        prop_assert!(back.iter().all(|byte| byte.abs_diff(level) <= 1));
    }

    /// No frame, however short, and no size crashes; a frame that is too short is refused.
    #[test]
    fn short_frames_are_refused(width in 1u32..200, height in 1u32..9, missing in 1usize..9, k in any::<prop::sample::Index>()) {
        let formats: Vec<Fourcc> = others(fourcc::YUYV).collect();
        let from = *k.get(&formats);
        let size = (width, height);
        let whole = frame(from, size, 7);
        let conversion = Conversion::new(picture(from, size), picture(fourcc::YUYV, size), sd(), Fit::Stretch).expect("one size");
        let mut into = vec![0xee; conversion.result_len()];
        let short = &whole[..whole.len().saturating_sub(missing)];
        prop_assert!(!conversion.run(short, &mut into, &mut []));
        prop_assert!(into.iter().all(|byte| *byte == 0xee));
        prop_assert!(conversion.run(&whole, &mut into, &mut []));
    }
}

/// A wrong matrix is seen.
#[test]
fn matrices_differ() {
    let frame = [81, 90, 240];
    let by = |enc| convert(fourcc::NV12, fourcc::RGB24, (1, 1), Coding::new(0, enc, 2), &frame);
    assert_eq!(by(1), [254, 0, 0], "BT.601's red");
    assert_ne!(by(1), by(2));
    assert_ne!(by(2), by(6));
}

/// Luma stays where it was; grey has no colour.
#[test]
fn grey() {
    assert_eq!(convert(fourcc::YUYV, fourcc::GREY, (2, 1), sd(), &[1, 200, 2, 100]), [1, 2]);
    assert_eq!(convert(fourcc::GREY, fourcc::YUYV, (2, 1), sd(), &[1, 2]), [1, 128, 2, 128]);
}

/// What cannot be converted is not offered.
#[test]
fn only_what_can_be_made_is_offered() {
    assert!(!can(fourcc::H264, fourcc::YUYV) && others(fourcc::H264).next().is_none());
    for from in [fourcc::YUYV, fourcc::MJPEG, fourcc::SBGGR10P, fourcc::Y16, fourcc::P010] {
        assert!(can(from, fourcc::RGB24) && others(from).all(|to| to != from && can(from, to)));
    }
    let jpeg = picture(fourcc::MJPEG, (4, 4));
    assert!(!can(fourcc::YUYV, fourcc::MJPEG) && !can(fourcc::YUYV, fourcc::SBGGR8));
    assert!(Conversion::new(picture(fourcc::YUYV, (4, 4)), jpeg, sd(), Fit::Stretch).is_none());
    assert_eq!(Picture::new(fourcc::YUYV, 0, 4, 99), None);
    assert_eq!(Picture::new(fourcc::YUYV, 4, 4, 7), None, "a line that is too short");
}
