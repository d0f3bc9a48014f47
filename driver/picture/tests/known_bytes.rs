//! Every format against bytes that were worked out by hand.

use vloopback_abi::Palette;
use vloopback_abi::v4l2::fourcc::{self, Fourcc};
use vloopback_abi::v4l2::pixel::PixelFormat;
use vloopback_picture::{
    Rgb, convert, decode, decode_palette, decode_planes, encode, encode_palette, encode_planes, is_known,
};

/// A colour in everything that a byte of a frame can be.
struct Colour {
    rgb: [u8; 3],
    yuv: [u8; 3],
    /// As a word, the higher byte first.
    rgb565: [u8; 2],
    rgb555: [u8; 2],
    rgb444: [u8; 2],
    rgb332: u8,
    hi240: u8,
}

const COLOURS: [Colour; 5] = [
    Colour {
        rgb: [255, 0, 0],
        yuv: [81, 90, 240],
        rgb565: [0xf8, 0x00],
        rgb555: [0x7c, 0x00],
        rgb444: [0x0f, 0x00],
        rgb332: 0xe0,
        hi240: 36,
    },
    Colour {
        rgb: [0, 255, 0],
        yuv: [145, 54, 34],
        rgb565: [0x07, 0xe0],
        rgb555: [0x03, 0xe0],
        rgb444: [0x00, 0xf0],
        rgb332: 0x1c,
        hi240: 216,
    },
    Colour {
        rgb: [0, 0, 255],
        yuv: [41, 240, 110],
        rgb565: [0x00, 0x1f],
        rgb555: [0x00, 0x1f],
        rgb444: [0x00, 0x0f],
        rgb332: 0x03,
        hi240: 20,
    },
    Colour {
        rgb: [255, 255, 255],
        yuv: [235, 128, 128],
        rgb565: [0xff, 0xff],
        rgb555: [0x7f, 0xff],
        rgb444: [0x0f, 0xff],
        rgb332: 0xff,
        hi240: 240,
    },
    Colour {
        rgb: [128, 128, 128],
        yuv: [126, 128, 128],
        rgb565: [0x84, 0x10],
        rgb555: [0x42, 0x10],
        rgb444: [0x08, 0x88],
        rgb332: 0x92,
        hi240: 128,
    },
];

/// The smallest frame of each format that is twice as wide as pixels that share colour, its left half of
/// one colour, the right half of another. A letter a byte, small on the left, capital on the right:
/// r g b, y u v, t for 3-3-2, i for HI240; # is 255, 0 is 0. Words of two bytes are s (5-6-5), w (5-5-5),
/// a (with alpha), n (4-4-4), low byte first after <, high byte first after >. [yy2] is a word, low byte
/// first, in which luma begins at bit 2.
const FRAMES: &[(Fourcc, &str)] = &[
    (fourcc::GREY, "yY"),
    (fourcc::Y10, "[yy2][YY2]"),
    (fourcc::Y12, "[yy4][YY4]"),
    (fourcc::Y16, "0y0Y"),
    (fourcc::HI240, "iI"),
    (fourcc::RGB332, "tT"),
    (fourcc::RGB444, "<n<N"),
    (fourcc::RGB555, "<w<W"),
    (fourcc::ARGB555, "<a<A"),
    (fourcc::XRGB555, "<w<W"),
    (fourcc::RGB555X, ">w>W"),
    (fourcc::XRGB555X, ">w>W"),
    (fourcc::RGB565, "<s<S"),
    (fourcc::RGB565X, ">s>S"),
    (fourcc::BGR24, "bgrBGR"),
    (fourcc::RGB24, "rgbRGB"),
    (fourcc::BGR32, "bgr#BGR#"),
    (fourcc::ABGR32, "bgr#BGR#"),
    (fourcc::XBGR32, "bgr#BGR#"),
    (fourcc::BGRA32, "#bgr#BGR"),
    (fourcc::BGRX32, "#bgr#BGR"),
    (fourcc::RGB32, "#rgb#RGB"),
    (fourcc::RGBA32, "rgb#RGB#"),
    (fourcc::RGBX32, "rgb#RGB#"),
    (fourcc::ARGB32, "#rgb#RGB"),
    (fourcc::XRGB32, "#rgb#RGB"),
    (fourcc::YUYV, "yuyvYUYV"),
    (fourcc::YVYU, "yvyuYVYU"),
    (fourcc::UYVY, "uyvyUYVY"),
    (fourcc::VYUY, "vyuyVYUY"),
    (fourcc::Y41P, "uyvyuyvyyyyyUYVYUYVYYYYY"),
    (fourcc::YUV24, "yuvYUV"),
    (fourcc::YUV32, "#yuv#YUV"),
    (fourcc::YUV422P, "yyYYuUvV"),
    (fourcc::YUV411P, "yyyyYYYYuUvV"),
    (fourcc::YUV420, "yyYYyyYYuUvV"),
    (fourcc::YVU420, "yyYYyyYYvVuU"),
    (fourcc::YUV410, "yyyyYYYYyyyyYYYYyyyyYYYYyyyyYYYYuUvV"),
    (fourcc::YVU410, "yyyyYYYYyyyyYYYYyyyyYYYYyyyyYYYYvVuU"),
    (fourcc::NV12, "yyYYyyYYuvUV"),
    (fourcc::NV21, "yyYYyyYYvuVU"),
    (fourcc::NV16, "yyYYuvUV"),
    (fourcc::NV61, "yyYYvuVU"),
    (fourcc::NV24, "yYuvUV"),
    (fourcc::NV42, "yYvuVU"),
    (fourcc::SBGGR8, "bgBGgrGR"),
    (fourcc::SGBRG8, "gbGBrgRG"),
    (fourcc::SGRBG8, "grGRbgBG"),
    (fourcc::SRGGB8, "rgRGgbGB"),
];

/// The bytes that a picture of letters stands for.
fn bytes(letters: &str, left: &Colour, right: &Colour) -> Vec<u8> {
    let mut out = Vec::new();
    let mut letters = letters.chars();
    while let Some(letter) = letters.next() {
        let side = |letter: char| if letter.is_ascii_uppercase() { right } else { left };
        let pair = |letter: char| {
            let colour = side(letter);
            match letter.to_ascii_lowercase() {
                's' => colour.rgb565,
                'w' => colour.rgb555,
                'a' => [colour.rgb555[0] | 0x80, colour.rgb555[1]],
                'n' => colour.rgb444,
                other => panic!("{other}"),
            }
        };
        let colour = side(letter);
        match letter.to_ascii_lowercase() {
            'r' => out.push(colour.rgb[0]),
            'g' => out.push(colour.rgb[1]),
            'b' => out.push(colour.rgb[2]),
            'y' => out.push(colour.yuv[0]),
            'u' => out.push(colour.yuv[1]),
            'v' => out.push(colour.yuv[2]),
            't' => out.push(colour.rgb332),
            'i' => out.push(colour.hi240),
            '#' => out.push(255),
            '0' => out.push(0),
            '>' => out.extend(pair(letters.next().unwrap())),
            '<' => {
                let [high, low] = pair(letters.next().unwrap());
                out.extend([low, high]);
            }
            // Luma that begins at this bit of a word.
            '[' => {
                let luma = u16::from(side(letters.next().unwrap()).yuv[0]);
                let shift = letters.nth(1).unwrap().to_digit(10).unwrap();
                out.extend((luma * (1 << shift)).to_le_bytes());
                assert_eq!(letters.next(), Some(']'));
            }
            other => panic!("{other}"),
        }
    }
    out
}

/// The picture that [`FRAMES`] shows in a format.
fn two_tone(format: &PixelFormat, left: &Colour, right: &Colour) -> Rgb {
    let (across, down) = format.granularity();
    let mut picture = Rgb::new(2 * across, down, left.rgb);
    picture.fill_rect(across, 0, across, down, right.rgb);
    picture
}

#[test]
fn every_format_has_its_bytes() {
    for &(fourcc, letters) in FRAMES {
        let format = PixelFormat::of(fourcc).unwrap();
        for left in &COLOURS {
            for right in &COLOURS {
                let picture = two_tone(&format, left, right);
                let expected = bytes(letters, left, right);
                let frame = encode(fourcc, &picture).unwrap();
                assert_eq!(frame, expected, "{fourcc}, {:?} and {:?}", left.rgb, right.rgb);
                // Another pixel makes another frame: the comparison can fail.
                let mut other = picture.clone();
                other.data[..3].iter_mut().for_each(|byte| *byte ^= 0x80);
                assert_ne!(encode(fourcc, &other).unwrap(), expected, "{fourcc}");
            }
        }
    }
}

#[test]
fn the_table_names_every_format_that_is_not_compressed() {
    for format in PixelFormat::ALL {
        let rows = FRAMES.iter().filter(|row| row.0 == format.fourcc).count();
        assert_eq!(rows, usize::from(!format.is_compressed()), "{}", format.name);
        let jpeg = matches!(format.fourcc, fourcc::MJPEG | fourcc::JPEG);
        assert_eq!(is_known(format.fourcc), !format.is_compressed() || jpeg, "{}", format.name);
    }
    assert!(!is_known(Fourcc::new(b"none")));
}

/// Which of a colour's channels a format keeps when it is read again, and how exactly.
fn tolerance(fourcc: Fourcc) -> Option<u8> {
    match fourcc {
        fourcc::GREY | fourcc::Y10 | fourcc::Y12 | fourcc::Y16 => None,
        // These five colours: grey is between the steps of few bits.
        fourcc::HI240 => Some(1),
        fourcc::RGB332 => Some(43),
        fourcc::RGB444 => Some(8),
        fourcc::RGB555 | fourcc::ARGB555 | fourcc::XRGB555 | fourcc::RGB555X | fourcc::XRGB555X => Some(4),
        fourcc::RGB565 | fourcc::RGB565X => Some(4),
        _ if PixelFormat::of(fourcc).unwrap().colours == vloopback_abi::v4l2::pixel::Colours::Yuv => Some(2),
        _ => Some(0),
    }
}

#[test]
fn what_was_written_is_read_again() {
    for &(fourcc, _) in FRAMES {
        let format = PixelFormat::of(fourcc).unwrap();
        for colour in &COLOURS {
            let picture = two_tone(&format, colour, colour);
            let frame = encode(fourcc, &picture).unwrap();
            let again = decode(fourcc, picture.width, picture.height, &frame).unwrap();
            assert!(again.is_whole());
            let pixel = again.pixel(picture.width - 1, 0);
            let far = (0..3).map(|i| pixel[i].abs_diff(colour.rgb[i])).max().unwrap();
            match tolerance(fourcc) {
                Some(most) => assert!(far <= most, "{fourcc}: {:?} became {pixel:?}", colour.rgb),
                None => {
                    assert_eq!(pixel[0], pixel[2], "{fourcc} is grey");
                    assert_eq!(encode(fourcc, &again).unwrap(), frame, "{fourcc}");
                }
            }
            // Longer buffers are read, shorter ones are not.
            let long = [frame.as_slice(), &[7; 9]].concat();
            assert_eq!(decode(fourcc, picture.width, picture.height, &long), Some(again));
            let short = &frame[..frame.len() - 1];
            assert!(decode(fourcc, picture.width, picture.height, short).is_none(), "{fourcc}");
        }
    }
}

#[test]
fn palettes_are_their_fourccs() {
    let picture = two_tone(&PixelFormat::of(fourcc::YUV410).unwrap(), &COLOURS[0], &COLOURS[2]);
    for palette in Palette::ALL {
        let frame = encode_palette(palette, &picture);
        let format = palette.fourcc();
        assert_eq!(frame, format.and_then(|format| encode(format, &picture)), "{palette}");
        assert_eq!(frame.is_some(), format.is_some(), "{palette}");
        let Some(frame) = frame else { continue };
        assert_eq!(palette.frame_len(8, 4), Some(frame.len()), "{palette}");
        assert!(decode_palette(palette, 8, 4, &frame).is_some());
    }
    assert!(encode_palette(Palette::Raw, &picture).is_none());
    // V4L1's RGB24 is blue first.
    assert_eq!(encode_palette(Palette::Rgb24, &picture).unwrap()[..3], [0, 0, 255]);
}

#[test]
fn luma_passes_from_one_format_to_another() {
    // Colours that have no red, green and blue: a way round over RGB would change them.
    let planar = [vec![16, 40, 80, 120, 160, 200, 235, 17], vec![10, 250], vec![245, 5]].concat();
    let packed = convert(fourcc::YUV420, fourcc::YUYV, 4, 2, &planar).unwrap();
    assert_eq!(packed, [16, 10, 40, 245, 80, 250, 120, 5, 160, 10, 200, 245, 235, 250, 17, 5]);
    assert_eq!(convert(fourcc::YUYV, fourcc::YUV420, 4, 2, &packed).unwrap(), planar);
    assert_eq!(convert(fourcc::YUYV, fourcc::GREY, 4, 2, &packed).unwrap(), planar[..8]);
    let grey = convert(fourcc::GREY, fourcc::NV12, 4, 2, &planar[..8]).unwrap();
    assert_eq!((&grey[..8], &grey[8..]), (&planar[..8], [128; 4].as_slice()));
    let rgb = convert(fourcc::YUYV, fourcc::RGB24, 4, 2, &packed).unwrap();
    assert_eq!(rgb, decode(fourcc::YUYV, 4, 2, &packed).unwrap().data);
    let planes = decode_planes(fourcc::YUYV, 4, 2, &packed).unwrap();
    assert_eq!(encode_planes(fourcc::RGB24, &planes).unwrap(), rgb);
    assert!(decode_planes(fourcc::RGB24, 4, 2, &rgb).is_none());
    assert!(convert(fourcc::YUYV, fourcc::YUV410, 4, 2, &packed).is_none(), "no such size");
    assert!(convert(fourcc::YUYV, fourcc::H264, 4, 2, &packed).is_none());
}
