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
    bgr666: [u8; 4],
    /// Y, U, V as a word of 4-4-4, 5-5-5 and 5-6-5 bits, the higher byte first.
    yuv444: [u8; 2],
    yuv555: [u8; 2],
    yuv565: [u8; 2],
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
        bgr666: [0x00, 0x0f, 0xc0, 0x00],
        yuv444: [0x05, 0x5f],
        yuv555: [0x29, 0x7e],
        yuv565: [0x52, 0xde],
    },
    Colour {
        rgb: [0, 255, 0],
        yuv: [145, 54, 34],
        rgb565: [0x07, 0xe0],
        rgb555: [0x03, 0xe0],
        rgb444: [0x00, 0xf0],
        rgb332: 0x1c,
        hi240: 216,
        bgr666: [0x03, 0xf0, 0x00, 0x00],
        yuv444: [0x09, 0x32],
        yuv555: [0x48, 0xc4],
        yuv565: [0x91, 0xa4],
    },
    Colour {
        rgb: [0, 0, 255],
        yuv: [41, 240, 110],
        rgb565: [0x00, 0x1f],
        rgb555: [0x00, 0x1f],
        rgb444: [0x00, 0x0f],
        rgb332: 0x03,
        hi240: 20,
        bgr666: [0xfc, 0x00, 0x00, 0x00],
        yuv444: [0x02, 0xf6],
        yuv555: [0x17, 0xcd],
        yuv565: [0x2f, 0x8d],
    },
    Colour {
        rgb: [255, 255, 255],
        yuv: [235, 128, 128],
        rgb565: [0xff, 0xff],
        rgb555: [0x7f, 0xff],
        rgb444: [0x0f, 0xff],
        rgb332: 0xff,
        hi240: 240,
        bgr666: [0xff, 0xff, 0xc0, 0x00],
        yuv444: [0x0e, 0x88],
        yuv555: [0x76, 0x10],
        yuv565: [0xec, 0x10],
    },
    Colour {
        rgb: [128, 128, 128],
        yuv: [126, 128, 128],
        rgb565: [0x84, 0x10],
        rgb555: [0x42, 0x10],
        rgb444: [0x08, 0x88],
        rgb332: 0x92,
        hi240: 128,
        bgr666: [0x82, 0x08, 0x00, 0x00],
        yuv444: [0x07, 0x88],
        yuv555: [0x3e, 0x10],
        yuv565: [0x7c, 0x10],
    },
];

/// The smallest frame of each format that is twice as wide as pixels that share colour, its left half of
/// one colour, the right half of another. A letter a byte, small on the left, capital on the right:
/// r g b, y u v, t for 3-3-2, i for HI240, h for BGR 6-6-6; # is 255, 0 is 0. Words of two bytes are s (5-6-5),
/// w (5-5-5), a (with alpha), n (4-4-4), k l m (Y, U, V of 4-4-4, 5-5-5, 5-6-5), low byte first after <, high byte
/// first after >. [y2] is a word, low byte first, in which luma begins at bit 2.
const FRAMES: &[(Fourcc, &str)] = &[
    (fourcc::GREY, "yY"),
    (fourcc::Y10, "[y2][Y2]"),
    (fourcc::Y12, "[y4][Y4]"),
    (fourcc::Y16, "0y0Y"),
    (fourcc::Y10P, "yyyy0YYYY0"),
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
    (fourcc::BGR666, "hH"),
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
    (fourcc::YYUV, "yyuvYYUV"),
    (fourcc::YUV444, "<k<K"),
    (fourcc::YUV555, "<l<L"),
    (fourcc::YUV565, "<m<M"),
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
    (fourcc::P010, "0y0y0Y0Y0y0y0Y0Y0u0v0U0V"),
    (fourcc::SBGGR8, "bgBGgrGR"),
    (fourcc::SGBRG8, "gbGBrgRG"),
    (fourcc::SGRBG8, "grGRbgBG"),
    (fourcc::SRGGB8, "rgRGgbGB"),
    (fourcc::SBGGR10, "[b2][g2][B2][G2][g2][r2][G2][R2]"),
    (fourcc::SGBRG10, "[g2][b2][G2][B2][r2][g2][R2][G2]"),
    (fourcc::SGRBG10, "[g2][r2][G2][R2][b2][g2][B2][G2]"),
    (fourcc::SRGGB10, "[r2][g2][R2][G2][g2][b2][G2][B2]"),
    (fourcc::SBGGR10P, "bgbg0BGBG0grgr0GRGR0"),
    (fourcc::SGBRG10P, "gbgb0GBGB0rgrg0RGRG0"),
    (fourcc::SGRBG10P, "grgr0GRGR0bgbg0BGBG0"),
    (fourcc::SRGGB10P, "rgrg0RGRG0gbgb0GBGB0"),
    (fourcc::SBGGR12, "[b4][g4][B4][G4][g4][r4][G4][R4]"),
    (fourcc::SGBRG12, "[g4][b4][G4][B4][r4][g4][R4][G4]"),
    (fourcc::SGRBG12, "[g4][r4][G4][R4][b4][g4][B4][G4]"),
    (fourcc::SRGGB12, "[r4][g4][R4][G4][g4][b4][G4][B4]"),
    (fourcc::SBGGR12P, "bg0BG0gr0GR0"),
    (fourcc::SGBRG12P, "gb0GB0rg0RG0"),
    (fourcc::SGRBG12P, "gr0GR0bg0BG0"),
    (fourcc::SRGGB12P, "rg0RG0gb0GB0"),
    (fourcc::SBGGR16, "0b0g0B0G0g0r0G0R"),
    (fourcc::SGBRG16, "0g0b0G0B0r0g0R0G"),
    (fourcc::SGRBG16, "0g0r0G0R0b0g0B0G"),
    (fourcc::SRGGB16, "0r0g0R0G0g0b0G0B"),
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
                'k' => colour.yuv444,
                'l' => colour.yuv555,
                'm' => colour.yuv565,
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
            'h' => out.extend(colour.bgr666),
            '#' => out.push(255),
            '0' => out.push(0),
            '>' => out.extend(pair(letters.next().unwrap())),
            '<' => {
                let [high, low] = pair(letters.next().unwrap());
                out.extend([low, high]);
            }
            // A sample that begins at this bit of a word.
            '[' => {
                let letter = letters.next().unwrap();
                let sample = match letter.to_ascii_lowercase() {
                    'y' => side(letter).yuv[0],
                    'r' => side(letter).rgb[0],
                    'g' => side(letter).rgb[1],
                    'b' => side(letter).rgb[2],
                    other => panic!("{other}"),
                };
                let shift = letters.next().unwrap().to_digit(10).unwrap();
                out.extend((u16::from(sample) * (1 << shift)).to_le_bytes());
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
fn the_table_names_every_format_that_can_be_drawn() {
    for format in PixelFormat::ALL {
        let rows = FRAMES.iter().filter(|row| row.0 == format.fourcc).count();
        // Nothing says in which order their pixels share bytes.
        let drawn = !format.is_compressed() && !matches!(format.fourcc, fourcc::Y4 | fourcc::Y6);
        assert_eq!(rows, usize::from(drawn), "{}", format.name);
        let jpeg = matches!(format.fourcc, fourcc::MJPEG | fourcc::JPEG);
        assert_eq!(is_known(format.fourcc), drawn || jpeg, "{}", format.name);
    }
    assert!(!is_known(Fourcc::new(b"none")));
}

/// Which of a colour's channels a format keeps when it is read again, and how exactly.
fn tolerance(fourcc: Fourcc) -> Option<u8> {
    match fourcc {
        fourcc::GREY | fourcc::Y10 | fourcc::Y12 | fourcc::Y16 | fourcc::Y10P => None,
        fourcc::BGR666 => Some(2),
        fourcc::YUV444 => Some(36),
        fourcc::YUV555 | fourcc::YUV565 => Some(18),
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
    assert!(convert(fourcc::YUYV, fourcc::Y4, 4, 2, &packed).is_none());
    assert!(convert(fourcc::YUYV, fourcc::H264, 4, 2, &packed).is_none());
}

/// Of odd sizes planes of colour are rounded up, and lines of packed groups (driver/docs/reference.md, "Sizes and
/// lines"): three columns and three lines, the last ones of another colour.
#[test]
fn odd_sizes_keep_their_last_row_and_column() {
    let mut picture = Rgb::new(3, 3, COLOURS[0].rgb);
    picture.fill_rect(2, 0, 1, 3, COLOURS[2].rgb);
    picture.fill_rect(0, 2, 3, 1, COLOURS[2].rgb);
    let (y, u, v) = (81, 90, 240);
    let (w, r, s) = (41, 240, 110);
    let luma = [y, y, w, y, y, w, w, w, w];
    for (fourcc, expected) in [
        (fourcc::YUYV, vec![y, u, y, v, w, r, w, s, y, u, y, v, w, r, w, s, w, r, w, s, w, r, w, s]),
        (fourcc::YUV420, [&luma[..], &[u, r, r, r], &[v, s, s, s]].concat()),
        (fourcc::NV12, [&luma[..], &[u, v, r, s, r, s, r, s]].concat()),
        (fourcc::NV16, [&luma[..], &[u, v, r, s, u, v, r, s, r, s, r, s]].concat()),
        (fourcc::Y10P, vec![y, y, w, w, 0, y, y, w, w, 0, w, w, w, w, 0]),
    ] {
        let frame = encode(fourcc, &picture).unwrap();
        assert_eq!(frame, expected, "{fourcc}");
        let again = decode(fourcc, 3, 3, &frame).unwrap();
        let grey = fourcc == fourcc::Y10P;
        for (seen, pixel) in again.data.iter().zip(&picture.data) {
            assert!(grey || seen.abs_diff(*pixel) <= 2, "{fourcc}: {again:?}");
        }
    }
    let green = Rgb::new(1, 1, COLOURS[1].rgb);
    for format in PixelFormat::ALL.iter().filter(|format| is_known(format.fourcc)) {
        let frame = encode(format.fourcc, &green).unwrap();
        let again = decode(format.fourcc, 1, 1, &frame).unwrap();
        assert_eq!((again.width, again.height, again.is_whole()), (1, 1, true), "{}", format.name);
    }
}
