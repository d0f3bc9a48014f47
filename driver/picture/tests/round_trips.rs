//! Pictures of all sizes through every format and back.

use proptest::prelude::*;
use vloopback_abi::v4l2::fourcc::{self, Fourcc};
use vloopback_abi::v4l2::pixel::{Colours, PixelFormat};
use vloopback_picture::{Rgb, colour, convert, decode, decode_planes, encode, encode_planes, is_known, jpeg};

fn uncompressed() -> impl Strategy<Value = PixelFormat> {
    let drawn = |format: &PixelFormat| is_known(format.fourcc) && !format.is_compressed();
    let formats: Vec<_> = PixelFormat::ALL.iter().copied().filter(drawn).collect();
    proptest::sample::select(formats)
}

/// A picture of pixels without any order, of a size that was asked for.
fn noise(width: u32, height: u32, seed: u32) -> Rgb {
    let mut state = seed | 1;
    let data = (0..width * height * 3)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 11) as u8
        })
        .collect();
    Rgb { width, height, data }
}

proptest! {
    #[test]
    fn a_frame_is_as_long_as_its_format_says(format in uncompressed(), width in 0u32..40, height in 0u32..40) {
        let frame = encode(format.fourcc, &noise(width, height, 5));
        prop_assert_eq!(frame.map(|frame| frame.len() as u32), format.sizeimage(width, height));
    }

    #[test]
    fn a_picture_of_the_wrong_length_is_refused(format in uncompressed(), less in 1usize..9) {
        let (width, height) = format.fit(16, 16);
        let mut picture = noise(width, height, 5);
        picture.data.truncate(picture.data.len() - less);
        prop_assert!(encode(format.fourcc, &picture).is_none());
    }

    #[test]
    fn rgb_keeps_its_bits(format in uncompressed(), width in 1u32..20, height in 1u32..20, seed in any::<u32>()) {
        prop_assume!(format.colours == Colours::Rgb && format.is_packed());
        let (width, height) = format.fit(width, height);
        let picture = noise(width, height, seed);
        let frame = encode(format.fourcc, &picture).unwrap();
        let again = decode(format.fourcc, width, height, &frame).unwrap();
        // What was kept comes through any number of times.
        prop_assert_eq!(encode(format.fourcc, &again).unwrap(), frame);
        let eight_bits = matches!(format.bytesperline(2), Some(6 | 8)) && format.fourcc != fourcc::BGR666;
        if eight_bits {
            prop_assert_eq!(again, picture);
        }
    }

    #[test]
    fn yuv_frames_come_through_as_they_are(format in uncompressed(), width in 1u32..20, height in 1u32..20, seed in any::<u32>()) {
        prop_assume!(format.colours == Colours::Yuv);
        let (width, height) = (format.fit(width * 3, height).0, format.fit(width, height * 3).1);
        let length = format.sizeimage(width, height).unwrap();
        let mut frame = noise(length, 1, seed).data;
        frame.truncate(length as usize);
        match format.fourcc {
            // The spare byte, and the bits that more than eight have.
            fourcc::YUV32 => frame.chunks_exact_mut(4).for_each(|pixel| pixel[0] = 255),
            fourcc::Y10P => frame.iter_mut().skip(4).step_by(5).for_each(|byte| *byte = 0),
            fourcc::P010 => frame.iter_mut().step_by(2).for_each(|byte| *byte = 0),
            fourcc::YUV444 => frame.iter_mut().skip(1).step_by(2).for_each(|byte| *byte &= 0x0f),
            fourcc::YUV555 => frame.iter_mut().skip(1).step_by(2).for_each(|byte| *byte &= 0x7f),
            fourcc::Y10 | fourcc::Y12 | fourcc::Y16 => {
                let shift = match format.fourcc { fourcc::Y10 => 2, fourcc::Y12 => 4, _ => 8 };
                for word in frame.chunks_exact_mut(2) {
                    let luma = u16::from(word[0]) << shift;
                    word.copy_from_slice(&luma.to_le_bytes());
                }
            }
            _ => {}
        }
        let planes = decode_planes(format.fourcc, width, height, &frame).unwrap();
        prop_assert_eq!(encode_planes(format.fourcc, &planes).unwrap(), frame.clone());
        // Through the finest format that there is, nothing is lost either.
        let fine = convert(format.fourcc, fourcc::YUV24, width, height, &frame).unwrap();
        prop_assert_eq!(convert(fourcc::YUV24, format.fourcc, width, height, &fine).unwrap(), frame);
        prop_assert_eq!(decode(fourcc::YUV24, width, height, &fine).unwrap(), planes.to_rgb());
    }

    #[test]
    fn flat_yuv_is_near(format in uncompressed(), pixel in any::<[u8; 3]>(), width in 1u32..20, height in 1u32..20) {
        prop_assume!(format.colours == Colours::Yuv);
        let grey = [fourcc::GREY, fourcc::Y10, fourcc::Y12, fourcc::Y16, fourcc::Y10P];
        let few_bits = [fourcc::YUV444, fourcc::YUV555, fourcc::YUV565];
        prop_assume!(!grey.contains(&format.fourcc) && !few_bits.contains(&format.fourcc));
        let frame = encode(format.fourcc, &Rgb::new(width, height, pixel)).unwrap();
        let again = decode(format.fourcc, width, height, &frame).unwrap();
        for (got, want) in again.data.iter().zip(pixel.iter().cycle()) {
            prop_assert!(got.abs_diff(*want) <= 2, "{:?} -> {:?}", pixel, again.pixel(0, 0));
        }
    }

    #[test]
    fn flat_mosaics_are_exact(pixel in any::<[u8; 3]>(), width in 1u32..9, height in 1u32..9) {
        for code in [fourcc::SBGGR8, fourcc::SGBRG8, fourcc::SGRBG8, fourcc::SRGGB8] {
            let picture = Rgb::new(2 * width, 2 * height, pixel);
            let frame = encode(code, &picture).unwrap();
            prop_assert_eq!(decode(code, 2 * width, 2 * height, &frame).unwrap(), picture);
        }
    }

    #[test]
    fn junk_is_no_jpeg_and_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..400) {
        prop_assert!(decode(fourcc::MJPEG, 16, 16, &bytes).is_none());
        let mut frame = encode(fourcc::MJPEG, &noise(16, 16, 3)).unwrap();
        let at = cut.min(frame.len());
        frame.truncate(at);
        frame.append(&mut bytes);
        let _ = jpeg::decode(&frame);
    }
}

#[test]
fn no_colour_moves_by_more_than_two() {
    for r in 0..=255 {
        for g in 0..=255 {
            for b in 0..=255 {
                let again = colour::rgb(colour::yuv([r, g, b]));
                let far = again[0].abs_diff(r).max(again[1].abs_diff(g)).max(again[2].abs_diff(b));
                assert!(far <= 2, "{r} {g} {b} became {again:?}");
            }
        }
    }
}

#[test]
fn jpeg_pictures_look_alike() {
    let mut picture = Rgb::new(64, 48, [200, 40, 30]);
    picture.fill_rect(16, 16, 32, 16, [20, 60, 220]);
    for code in [fourcc::MJPEG, fourcc::JPEG] {
        let frame = encode(code, &picture).unwrap();
        assert!(frame.starts_with(&[0xff, 0xd8]) && frame.ends_with(&[0xff, 0xd9]));
        let again = decode(code, 64, 48, &frame).unwrap();
        for (x, y) in [(4, 4), (30, 24), (60, 40)] {
            let (a, b) = (again.pixel(x, y), picture.pixel(x, y));
            assert!((0..3).all(|i| a[i].abs_diff(b[i]) <= 8), "{x},{y}: {a:?} for {b:?}");
        }
        assert!(decode(code, 48, 64, &frame).is_none(), "of another size");
        assert_eq!((jpeg::size(&frame), jpeg::size(&frame[..9])), (Some((64, 48)), None));
    }
    assert!(encode(fourcc::H264, &picture).is_none());
    assert!(encode(Fourcc::new(b"none"), &picture).is_none());
}

#[test]
fn the_worst_picture_fits_its_buffer() {
    for (width, height) in [(1, 1), (2, 2), (63, 65), (640, 480)] {
        let frame = encode(fourcc::MJPEG, &noise(width, height, 9)).unwrap();
        let most = PixelFormat::of(fourcc::MJPEG).unwrap().sizeimage(width, height).unwrap();
        assert!(frame.len() <= most as usize, "{width}x{height}: {} of {most}", frame.len());
        let again = jpeg::decode(&frame).unwrap();
        assert_eq!((again.width, again.height), (width, height));
    }
}
