//! JPEG pictures: as their encoder was given them, in any size; damaged ones are refused.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use vloopback_abi::v4l2::{Fourcc, PixelFormat, fourcc};
use vloopback_convert::{Coding, Conversion, Fit, Picture};

/// Smooth colours: red grows to the right, green downwards, blue both ways.
fn pixels((width, height): (u32, u32)) -> Vec<u8> {
    let at = |x: u32, of: u32| (x * 160 / of + 40) as u8;
    let pixel = |n: u32| {
        let (x, y) = (n % width, n / width);
        [at(x, width), at(y, height), at(x * height + y * width, 2 * width * height)]
    };
    (0..width * height).flat_map(pixel).collect()
}

fn encoded(size: (u32, u32), sampling: SamplingFactor) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 97);
    encoder.set_sampling_factor(sampling);
    encoder.encode(&pixels(size), size.0 as u16, size.1 as u16, ColorType::Rgb).expect("a picture");
    jpeg
}

fn picture(format: Fourcc, (width, height): (u32, u32)) -> Picture {
    let line = PixelFormat::of(format).and_then(|format| format.bytesperline(width)).expect("a line");
    Picture::new(format, width, height, line).expect("a picture")
}

/// The picture in RGB24; None: it is refused.
fn converted(jpeg: &[u8], said: (u32, u32), wanted: (u32, u32)) -> Option<Vec<u8>> {
    // JPEG's own colours.
    let coding = Coding::new(7, 0, 0);
    let to = picture(fourcc::RGB24, wanted);
    let conversion =
        Conversion::new(picture(fourcc::MJPEG, said), to, coding, Fit::Stretch).expect("a conversion");
    let mut into = vec![0; conversion.result_len()];
    let mut workspace = vec![0xaa; conversion.workspace_len()];
    let done = conversion.run(jpeg, &mut into, &mut workspace);
    assert!(done || into.iter().all(|byte| *byte == 0), "nothing is drawn of what is refused");
    done.then_some(into)
}

/// How far the samples are from those of the whole picture in that size, at most.
fn off(got: &[u8], size: (u32, u32)) -> u8 {
    got.iter().zip(pixels(size)).map(|(one, other)| one.abs_diff(other)).max().expect("pixels")
}

const SAMPLINGS: [SamplingFactor; 6] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
];

#[test]
fn every_sampling_and_size() {
    for sampling in SAMPLINGS {
        for size in [(64, 48), (99, 37), (853, 48)] {
            let jpeg = encoded(size, sampling);
            let got =
                converted(&jpeg, size, size).unwrap_or_else(|| panic!("{sampling:?} {size:?} is refused"));
            assert!(off(&got, size) <= 12, "{sampling:?} {size:?}: {}", off(&got, size));
            let other = (size.0 * 3 / 2, size.1 / 2);
            let got = converted(&jpeg, size, other).expect("another size");
            assert!(off(&got, other) <= 14, "{sampling:?} {size:?} to {other:?}: {}", off(&got, other));
        }
        for size in [(1, 1), (1, 9), (17, 1)] {
            assert!(converted(&encoded(size, sampling), size, size).is_some(), "{sampling:?} {size:?}");
        }
    }
}

#[test]
fn grey() {
    let grey: Vec<u8> = (0..64 * 48).map(|n| (n % 64 * 3) as u8).collect();
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 97).encode(&grey, 64, 48, ColorType::Luma).expect("a picture");
    let got = converted(&jpeg, (64, 48), (64, 48)).expect("a picture");
    assert!(
        got.chunks_exact(3)
            .zip(&grey)
            .all(|(pixel, luma)| pixel.iter().all(|byte| byte.abs_diff(*luma) <= 4))
    );
}

/// Cameras leave the Huffman tables out: they are the standard ones.
#[test]
fn frames_without_tables() {
    let jpeg = encoded((64, 48), SamplingFactor::F_2_1);
    let mut bare = vec![0xff, 0xd8];
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let len = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != 0xc4 {
            bare.extend(&jpeg[at..at + len]);
        }
        at += len;
    }
    bare.extend(&jpeg[at..]);
    assert!(bare.len() + 400 < jpeg.len(), "the encoder writes the standard tables");
    assert_eq!(converted(&bare, (64, 48), (64, 48)), converted(&jpeg, (64, 48), (64, 48)));
}

/// A picture of another size than was said is scaled; one that is far larger is not decoded.
#[test]
fn other_sizes_than_were_said() {
    let jpeg = encoded((64, 48), SamplingFactor::F_2_2);
    for said in [(32, 24), (33, 25), (640, 480)] {
        let got = converted(&jpeg, said, said).expect("a picture");
        assert!(off(&got, said) <= 14, "{said:?}: {}", off(&got, said));
    }
    assert_eq!(converted(&jpeg, (31, 48), (31, 48)), None);
    assert_eq!(converted(&jpeg, (64, 23), (64, 23)), None);
}

#[test]
fn what_is_not_taken() {
    let size = (64, 48);
    let mut progressive = Vec::new();
    let mut encoder = Encoder::new(&mut progressive, 90);
    encoder.set_progressive(true);
    encoder.encode(&pixels(size), 64, 48, ColorType::Rgb).expect("a picture");
    let mut cmyk = Vec::new();
    Encoder::new(&mut cmyk, 90).encode(&[7; 64 * 48 * 4], 64, 48, ColorType::Cmyk).expect("a picture");
    for frame in [&progressive[..], &cmyk, b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\x02", &[0; 3000]] {
        assert_eq!(converted(frame, size, size), None);
    }
    // A buffer is longer than the picture in it.
    let mut longer = encoded(size, SamplingFactor::F_2_1);
    let wanted = converted(&longer, size, size);
    longer.resize(longer.len() + 1000, 0);
    assert_eq!(converted(&longer, size, size), wanted);
}

proptest! {
    /// Whatever is damaged: a picture, or none.
    #[test]
    fn damage(cut in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9), k in 0usize..6) {
        let mut jpeg = encoded((48, 40), SAMPLINGS[k]);
        for (at, byte) in changes {
            let at = at.index(jpeg.len());
            jpeg[at] = byte;
        }
        converted(&jpeg, (48, 40), (48, 40));
        converted(&jpeg[..cut.index(jpeg.len())], (48, 40), (50, 20));
    }
}
