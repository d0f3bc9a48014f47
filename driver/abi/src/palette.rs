//! V4L1 palettes: what a pixel looks like, how long a frame is, and which V4L2 format is the same.

use crate::v4l2::fourcc::{self, Fourcc};

/// A V4L1 palette (`VIDEO_PALETTE_*`), the pixel format of `video_picture` and `video_mmap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Palette {
    /// 1: luma, 8 bits.
    #[doc(alias = "VIDEO_PALETTE_GREY")]
    Grey = 1,
    /// 2: indexed colour of the first TV cards, 8 bits.
    #[doc(alias = "VIDEO_PALETTE_HI240")]
    Hi240 = 2,
    /// 3: 5-6-5 bits in a little-endian 16-bit word.
    #[doc(alias = "VIDEO_PALETTE_RGB565")]
    Rgb565 = 3,
    /// 4: 24 bits; in memory blue, green, red.
    #[doc(alias = "VIDEO_PALETTE_RGB24")]
    Rgb24 = 4,
    /// 5: 32 bits; in memory blue, green, red, unused.
    #[doc(alias = "VIDEO_PALETTE_RGB32")]
    Rgb32 = 5,
    /// 6: 5-5-5 bits in a little-endian 16-bit word.
    #[doc(alias = "VIDEO_PALETTE_RGB555")]
    Rgb555 = 6,
    /// 7: 4:2:2 packed; in memory the same as [`Palette::Yuyv`].
    #[doc(alias = "VIDEO_PALETTE_YUV422")]
    Yuv422 = 7,
    /// 8: 4:2:2 packed, luma first.
    #[doc(alias = "VIDEO_PALETTE_YUYV")]
    Yuyv = 8,
    /// 9: 4:2:2 packed, chroma first.
    #[doc(alias = "VIDEO_PALETTE_UYVY")]
    Uyvy = 9,
    /// 10: 4:2:0 in an order that each driver chose for itself.
    #[doc(alias = "VIDEO_PALETTE_YUV420")]
    Yuv420 = 10,
    /// 11: 4:1:1 in an order that each driver chose for itself.
    #[doc(alias = "VIDEO_PALETTE_YUV411")]
    Yuv411 = 11,
    /// 12: whatever the capture chip gave; its length is the driver's own.
    #[doc(alias = "VIDEO_PALETTE_RAW")]
    Raw = 12,
    /// 13: 4:2:2, a plane each.
    #[doc(alias = "VIDEO_PALETTE_YUV422P")]
    Yuv422P = 13,
    /// 14: 4:1:1, a plane each.
    #[doc(alias = "VIDEO_PALETTE_YUV411P")]
    Yuv411P = 14,
    /// 15: 4:2:0, a plane each.
    #[doc(alias = "VIDEO_PALETTE_YUV420P")]
    Yuv420P = 15,
    /// 16: 4:1:0, a plane each.
    #[doc(alias = "VIDEO_PALETTE_YUV410P")]
    Yuv410P = 16,
}

impl Palette {
    /// All palettes in the order of their numbers, which start at 1.
    pub const ALL: [Palette; 16] = [
        Palette::Grey,
        Palette::Hi240,
        Palette::Rgb565,
        Palette::Rgb24,
        Palette::Rgb32,
        Palette::Rgb555,
        Palette::Yuv422,
        Palette::Yuyv,
        Palette::Uyvy,
        Palette::Yuv420,
        Palette::Yuv411,
        Palette::Raw,
        Palette::Yuv422P,
        Palette::Yuv411P,
        Palette::Yuv420P,
        Palette::Yuv410P,
    ];

    /// Whether frames of the palettes with these numbers have the same bytes. V4L1 has two numbers for YUYV, V4L2 one
    /// code: a client may know the pipe's palette by the other.
    pub fn same_layout(one: u32, other: u32) -> bool {
        let fourcc = |number| Self::from_number(number).and_then(Self::fourcc);
        one == other || (fourcc(one).is_some() && fourcc(one) == fourcc(other))
    }

    /// The palette of a number; `None` for 0 and for numbers above 16.
    ///
    /// Takes the wide integer of `video_mmap`, so that no caller has to cut one and mistake
    /// 65537 for 1.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Palette> {
        if number == 0 || number > 16 {
            return None;
        }
        Some(Palette::ALL[number as usize - 1])
    }

    /// The number as in `VIDEO_PALETTE_*`.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The number in the wider type of `video_mmap`'s `format`.
    #[must_use]
    pub const fn format(self) -> u32 {
        self as u32
    }

    /// Bits a pixel takes on average, the `depth` of `video_picture`; 0 where it is not known.
    #[must_use]
    pub const fn depth(self) -> u16 {
        match self {
            Palette::Raw => 0,
            Palette::Grey | Palette::Hi240 => 8,
            Palette::Yuv410P => 9,
            Palette::Yuv420 | Palette::Yuv411 | Palette::Yuv411P | Palette::Yuv420P => 12,
            Palette::Rgb565
            | Palette::Rgb555
            | Palette::Yuv422
            | Palette::Yuyv
            | Palette::Uyvy
            | Palette::Yuv422P => 16,
            Palette::Rgb24 => 24,
            Palette::Rgb32 => 32,
        }
    }

    /// Width and height must be multiples of these (in pixels), because neighbours share colour.
    #[must_use]
    pub const fn granularity(self) -> (u32, u32) {
        match self {
            Palette::Grey
            | Palette::Hi240
            | Palette::Rgb565
            | Palette::Rgb24
            | Palette::Rgb32
            | Palette::Rgb555
            | Palette::Raw => (1, 1),
            Palette::Yuv422 | Palette::Yuyv | Palette::Uyvy | Palette::Yuv422P => (2, 1),
            Palette::Yuv420 | Palette::Yuv420P => (2, 2),
            Palette::Yuv411 | Palette::Yuv411P => (4, 1),
            Palette::Yuv410P => (4, 4),
        }
    }

    /// Exact bytes of a frame of this size in pixels.
    ///
    /// `None` if there is no such frame: a size of 0, one that is not a multiple of
    /// [`Palette::granularity`], one whose length does not fit, or [`Palette::Raw`].
    #[must_use]
    pub const fn frame_len(self, width: u32, height: u32) -> Option<usize> {
        let (across, down) = self.granularity();
        if width == 0 || height == 0 || width % across != 0 || height % down != 0 {
            return None;
        }
        let depth = self.depth() as u64;
        if depth == 0 {
            return None;
        }
        // Two 32-bit numbers and a factor of at most 32 need 69 bits: the last step can overflow.
        let Some(bits) = (width as u64 * height as u64).checked_mul(depth) else {
            return None;
        };
        // The granularity makes this exact, also for 9 and 12 bits a pixel.
        let bytes = bits / 8;
        if bytes > isize::MAX as u64 {
            return None;
        }
        Some(bytes as usize)
    }

    /// The V4L2 format with the same bytes in memory; `None` for the palettes that have none.
    ///
    /// V4L1 called its RGB after the order in a register, V4L2 after the order in memory: RGB24
    /// is V4L2's BGR24.
    #[must_use]
    pub const fn fourcc(self) -> Option<Fourcc> {
        Some(match self {
            Palette::Grey => fourcc::GREY,
            Palette::Hi240 => fourcc::HI240,
            Palette::Rgb565 => fourcc::RGB565,
            Palette::Rgb24 => fourcc::BGR24,
            Palette::Rgb32 => fourcc::BGR32,
            Palette::Rgb555 => fourcc::RGB555,
            Palette::Yuv422 | Palette::Yuyv => fourcc::YUYV,
            Palette::Uyvy => fourcc::UYVY,
            Palette::Yuv422P => fourcc::YUV422P,
            Palette::Yuv411P => fourcc::YUV411P,
            Palette::Yuv420P => fourcc::YUV420,
            Palette::Yuv410P => fourcc::YUV410,
            Palette::Yuv420 | Palette::Yuv411 | Palette::Raw => return None,
        })
    }

    /// The palette with the same bytes in memory as a V4L2 format.
    ///
    /// Of the two palettes that are YUYV it is [`Palette::Yuyv`].
    #[must_use]
    pub const fn from_fourcc(format: Fourcc) -> Option<Palette> {
        Some(match format {
            fourcc::GREY => Palette::Grey,
            fourcc::HI240 => Palette::Hi240,
            fourcc::RGB565 => Palette::Rgb565,
            fourcc::BGR24 => Palette::Rgb24,
            // XBGR32 is today's name of the same bytes, with the fourth byte said to be unused.
            fourcc::BGR32 | fourcc::XBGR32 => Palette::Rgb32,
            fourcc::RGB555 | fourcc::XRGB555 => Palette::Rgb555,
            fourcc::YUYV => Palette::Yuyv,
            fourcc::UYVY => Palette::Uyvy,
            fourcc::YUV422P => Palette::Yuv422P,
            fourcc::YUV411P => Palette::Yuv411P,
            fourcc::YUV420 => Palette::Yuv420P,
            fourcc::YUV410 => Palette::Yuv410P,
            _ => return None,
        })
    }

    /// The kernel's name without its prefix, as in `VIDEO_PALETTE_YUV420P`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Palette::Grey => "GREY",
            Palette::Hi240 => "HI240",
            Palette::Rgb565 => "RGB565",
            Palette::Rgb24 => "RGB24",
            Palette::Rgb32 => "RGB32",
            Palette::Rgb555 => "RGB555",
            Palette::Yuv422 => "YUV422",
            Palette::Yuyv => "YUYV",
            Palette::Uyvy => "UYVY",
            Palette::Yuv420 => "YUV420",
            Palette::Yuv411 => "YUV411",
            Palette::Raw => "RAW",
            Palette::Yuv422P => "YUV422P",
            Palette::Yuv411P => "YUV411P",
            Palette::Yuv420P => "YUV420P",
            Palette::Yuv410P => "YUV410P",
        }
    }
}

impl core::fmt::Display for Palette {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        for (index, palette) in Palette::ALL.into_iter().enumerate() {
            assert_eq!(palette.format() as usize, index + 1);
            assert_eq!(Palette::from_number(palette.format()), Some(palette));
            assert_eq!(u32::from(palette.number()), palette.format());
        }
        for number in [0, 17, 255, 65537, u32::MAX] {
            assert_eq!(Palette::from_number(number), None);
        }
    }

    #[test]
    fn frame_lengths() {
        for (palette, width, height, len) in [
            (Palette::Grey, 320, 240, Some(76_800)),
            (Palette::Rgb565, 5, 3, Some(30)),
            (Palette::Rgb24, 20, 20, Some(1200)),
            (Palette::Rgb32, 640, 480, Some(1_228_800)),
            (Palette::Yuyv, 1920, 1080, Some(4_147_200)),
            (Palette::Yuv420P, 320, 180, Some(86_400)),
            (Palette::Yuv411P, 4, 1, Some(6)),
            (Palette::Yuv410P, 4, 4, Some(18)),
            (Palette::Raw, 320, 240, None),
            (Palette::Grey, 0, 240, None),
            (Palette::Grey, 320, 0, None),
            (Palette::Yuyv, 321, 240, None),
            (Palette::Yuyv, 320, 241, Some(154_240)),
            (Palette::Yuv420P, 320, 181, None),
            (Palette::Yuv410P, 322, 240, None),
            (Palette::Rgb32, u32::MAX, u32::MAX, None),
        ] {
            assert_eq!(palette.frame_len(width, height), len, "{palette} {width}x{height}");
        }
    }

    #[test]
    fn planes_add_up() {
        // The same lengths, counted plane by plane.
        for (width, height) in [(4u32, 4u32), (320, 240), (640, 480), (1920, 1080)] {
            let pixels = (width * height) as usize;
            for (palette, chroma) in [
                (Palette::Yuv422P, (width / 2 * height) as usize),
                (Palette::Yuv411P, (width / 4 * height) as usize),
                (Palette::Yuv420P, (width / 2 * (height / 2)) as usize),
                (Palette::Yuv410P, (width / 4 * (height / 4)) as usize),
            ] {
                assert_eq!(palette.frame_len(width, height), Some(pixels + 2 * chroma), "{palette}");
            }
        }
    }

    #[test]
    fn fourccs_go_both_ways() {
        for palette in Palette::ALL {
            match palette.fourcc() {
                None => assert!(matches!(palette, Palette::Yuv420 | Palette::Yuv411 | Palette::Raw)),
                Some(format) => {
                    let expected = match palette {
                        Palette::Yuv422 => Palette::Yuyv,
                        other => other,
                    };
                    assert_eq!(Palette::from_fourcc(format), Some(expected));
                }
            }
        }
        assert_eq!(Palette::Rgb24.fourcc().map(Fourcc::bytes), Some(*b"BGR3"));
        assert_eq!(Palette::from_fourcc(Fourcc::new(b"MJPG")), None);
    }

    #[test]
    fn display_pads() {
        assert_eq!(format!("{:>8}", Palette::Yuyv), "    YUYV");
    }
}
