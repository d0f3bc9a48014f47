//! V4L2 pixel formats (`V4L2_PIX_FMT_*`) by their four-character codes.
//!
//! What a format's frames look like is in [`super::pixel`].

use core::fmt;

use super::pixel::{Colours, Layout, PixelFormat};

/// A pixel format: four ASCII characters, the first in the lowest byte; bit 31 marks big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fourcc(pub u32);

impl Fourcc {
    /// The code of four characters.
    #[must_use]
    pub const fn new(code: &[u8; 4]) -> Fourcc {
        Fourcc(u32::from_le_bytes(*code))
    }

    /// The code's big-endian variant.
    #[doc(alias = "v4l2_fourcc_be")]
    #[must_use]
    pub const fn big_endian(self) -> Fourcc {
        Fourcc(self.0 | 1 << 31)
    }

    /// The four characters, in order; of a big-endian variant the last has its highest bit set.
    #[must_use]
    pub const fn bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }
}

impl fmt::Display for Fourcc {
    /// The characters; whatever can't be printed as a dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.bytes() {
            let shown = if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
            fmt::Write::write_char(f, shown)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fourcc({self})")
    }
}

/// The one list of formats. It makes the constants and the table behind [`super::pixel`].
macro_rules! fourccs {
    ($($name:ident = $code:literal $($big_endian:ident)?, $alias:literal, $description:literal,
        $layout:expr, $colours:ident, $text:literal;)*) => {
        $(
            #[doc = $text]
            #[doc(alias = $alias)]
            pub const $name: Fourcc = Fourcc::new($code)$(.$big_endian())?;
        )*

        /// What is known of each format, in the order of this page.
        pub(super) const FORMATS: &[PixelFormat] = &[$(PixelFormat {
            fourcc: $name,
            name: $alias,
            description: $description,
            layout: $layout,
            colours: Colours::$colours,
        }),*];
    };
}

/// Packed pixels without anything shared between neighbours.
const fn packed(bits: u8) -> Layout {
    Layout::Packed { bits, across: 1 }
}

/// Packed pixels of which so many share colour.
const fn shared(bits: u8, across: u8) -> Layout {
    Layout::Packed { bits, across }
}

/// Three planes; a sample of colour is so many pixels wide and high.
const fn planar(across: u8, down: u8) -> Layout {
    Layout::Planar { across, down }
}

/// Two planes; a sample of colour is so many pixels wide and high.
const fn semi(across: u8, down: u8) -> Layout {
    Layout::SemiPlanar { across, down, bytes: 1 }
}

use Layout::Compressed;

fourccs! {
    GREY = b"GREY", "V4L2_PIX_FMT_GREY", "8-bit Greyscale", packed(8), Yuv,
        "Luma, 8 bits.";
    Y4 = b"Y04 ", "V4L2_PIX_FMT_Y4", "4-bit Greyscale", shared(4, 2), Yuv,
        "Luma, 4 bits, two pixels a byte.";
    Y6 = b"Y06 ", "V4L2_PIX_FMT_Y6", "6-bit Greyscale", shared(6, 4), Yuv,
        "Luma, 6 bits, four pixels in three bytes.";
    Y10 = b"Y10 ", "V4L2_PIX_FMT_Y10", "10-bit Greyscale", packed(16), Yuv,
        "Luma, 10 bits in the lower part of a little-endian 16-bit word.";
    Y12 = b"Y12 ", "V4L2_PIX_FMT_Y12", "12-bit Greyscale", packed(16), Yuv,
        "Luma, 12 bits in the lower part of a little-endian 16-bit word.";
    Y16 = b"Y16 ", "V4L2_PIX_FMT_Y16", "16-bit Greyscale", packed(16), Yuv,
        "Luma, 16 bits, little-endian.";
    Y10P = b"Y10P", "V4L2_PIX_FMT_Y10P", "10-bit Greyscale (MIPI Packed)", shared(10, 4), Yuv,
        "Luma, 10 bits: the upper eight of four pixels, then a byte with their lower two.";
    HI240 = b"HI24", "V4L2_PIX_FMT_HI240", "8-bit Dithered RGB (BTTV)", packed(8), Rgb,
        "Indexed colour, 8 bits.";
    RGB332 = b"RGB1", "V4L2_PIX_FMT_RGB332", "8-bit RGB 3-3-2", packed(8), Rgb,
        "3-3-2 bits.";
    RGB444 = b"R444", "V4L2_PIX_FMT_RGB444", "16-bit A/XRGB 4-4-4-4", packed(16), Rgb,
        "4-4-4 bits, little-endian; the highest four may be alpha.";
    RGB555 = b"RGBO", "V4L2_PIX_FMT_RGB555", "16-bit A/XRGB 1-5-5-5", packed(16), Rgb,
        "5-5-5 bits, little-endian; the highest bit may be alpha.";
    ARGB555 = b"AR15", "V4L2_PIX_FMT_ARGB555", "16-bit ARGB 1-5-5-5", packed(16), Rgb,
        "5-5-5 bits, little-endian; the highest bit is alpha.";
    XRGB555 = b"XR15", "V4L2_PIX_FMT_XRGB555", "16-bit XRGB 1-5-5-5", packed(16), Rgb,
        "5-5-5 bits, little-endian; the highest bit is unused.";
    RGB555X = b"RGBQ", "V4L2_PIX_FMT_RGB555X", "16-bit A/XRGB 1-5-5-5 BE", packed(16), Rgb,
        "5-5-5 bits, big-endian; the highest bit may be alpha.";
    XRGB555X = b"XR15" big_endian, "V4L2_PIX_FMT_XRGB555X", "16-bit XRGB 1-5-5-5 BE", packed(16), Rgb,
        "5-5-5 bits, big-endian; the highest bit is unused.";
    RGB565 = b"RGBP", "V4L2_PIX_FMT_RGB565", "16-bit RGB 5-6-5", packed(16), Rgb,
        "5-6-5 bits, little-endian.";
    RGB565X = b"RGBR", "V4L2_PIX_FMT_RGB565X", "16-bit RGB 5-6-5 BE", packed(16), Rgb,
        "5-6-5 bits, big-endian.";
    BGR666 = b"BGRH", "V4L2_PIX_FMT_BGR666", "18-bit BGRX 6-6-6-14", packed(32), Rgb,
        "6-6-6 bits of a big-endian 32-bit word, blue uppermost; the lowest 14 are unused.";
    BGR24 = b"BGR3", "V4L2_PIX_FMT_BGR24", "24-bit BGR 8-8-8", packed(24), Rgb,
        "Blue, green, red.";
    RGB24 = b"RGB3", "V4L2_PIX_FMT_RGB24", "24-bit RGB 8-8-8", packed(24), Rgb,
        "Red, green, blue.";
    BGR32 = b"BGR4", "V4L2_PIX_FMT_BGR32", "32-bit BGRA/X 8-8-8-8", packed(32), Rgb,
        "Blue, green, red, alpha or unused.";
    ABGR32 = b"AR24", "V4L2_PIX_FMT_ABGR32", "32-bit BGRA 8-8-8-8", packed(32), Rgb,
        "Blue, green, red, alpha.";
    XBGR32 = b"XR24", "V4L2_PIX_FMT_XBGR32", "32-bit BGRX 8-8-8-8", packed(32), Rgb,
        "Blue, green, red, unused.";
    BGRA32 = b"RA24", "V4L2_PIX_FMT_BGRA32", "32-bit ABGR 8-8-8-8", packed(32), Rgb,
        "Alpha, blue, green, red.";
    BGRX32 = b"RX24", "V4L2_PIX_FMT_BGRX32", "32-bit XBGR 8-8-8-8", packed(32), Rgb,
        "Unused, blue, green, red.";
    RGB32 = b"RGB4", "V4L2_PIX_FMT_RGB32", "32-bit A/XRGB 8-8-8-8", packed(32), Rgb,
        "Alpha or unused, red, green, blue.";
    RGBA32 = b"AB24", "V4L2_PIX_FMT_RGBA32", "32-bit RGBA 8-8-8-8", packed(32), Rgb,
        "Red, green, blue, alpha.";
    RGBX32 = b"XB24", "V4L2_PIX_FMT_RGBX32", "32-bit RGBX 8-8-8-8", packed(32), Rgb,
        "Red, green, blue, unused.";
    ARGB32 = b"BA24", "V4L2_PIX_FMT_ARGB32", "32-bit ARGB 8-8-8-8", packed(32), Rgb,
        "Alpha, red, green, blue.";
    XRGB32 = b"BX24", "V4L2_PIX_FMT_XRGB32", "32-bit XRGB 8-8-8-8", packed(32), Rgb,
        "Unused, red, green, blue.";
    YUYV = b"YUYV", "V4L2_PIX_FMT_YUYV", "YUYV 4:2:2", shared(16, 2), Yuv,
        "4:2:2 packed, luma first.";
    YVYU = b"YVYU", "V4L2_PIX_FMT_YVYU", "YVYU 4:2:2", shared(16, 2), Yuv,
        "4:2:2 packed, luma first, V before U.";
    UYVY = b"UYVY", "V4L2_PIX_FMT_UYVY", "UYVY 4:2:2", shared(16, 2), Yuv,
        "4:2:2 packed, chroma first.";
    VYUY = b"VYUY", "V4L2_PIX_FMT_VYUY", "VYUY 4:2:2", shared(16, 2), Yuv,
        "4:2:2 packed, chroma first, V before U.";
    YYUV = b"YYUV", "V4L2_PIX_FMT_YYUV", "YYUV 4:2:2", shared(16, 2), Yuv,
        "4:2:2 packed, both lumas first.";
    Y41P = b"Y41P", "V4L2_PIX_FMT_Y41P", "YUV 4:1:1 (Packed)", shared(12, 8), Yuv,
        "4:1:1 packed, 8 pixels in 12 bytes.";
    YUV24 = b"YUV3", "V4L2_PIX_FMT_YUV24", "24-bit YUV 4:4:4 8-8-8", packed(24), Yuv,
        "Y, U, V of each pixel.";
    YUV32 = b"YUV4", "V4L2_PIX_FMT_YUV32", "32-bit A/XYUV 8-8-8-8", packed(32), Yuv,
        "Alpha or unused, Y, U, V.";
    YUV444 = b"Y444", "V4L2_PIX_FMT_YUV444", "16-bit A/XYUV 4-4-4-4", packed(16), Yuv,
        "4-4-4 bits, little-endian, luma above; the highest four may be alpha.";
    YUV555 = b"YUVO", "V4L2_PIX_FMT_YUV555", "16-bit A/XYUV 1-5-5-5", packed(16), Yuv,
        "5-5-5 bits, little-endian, luma above; the highest bit may be alpha.";
    YUV565 = b"YUVP", "V4L2_PIX_FMT_YUV565", "16-bit YUV 5-6-5", packed(16), Yuv,
        "5-6-5 bits, little-endian, luma above.";
    YUV422P = b"422P", "V4L2_PIX_FMT_YUV422P", "Planar YUV 4:2:2", planar(2, 1), Yuv,
        "4:2:2, a plane each.";
    YUV411P = b"411P", "V4L2_PIX_FMT_YUV411P", "Planar YUV 4:1:1", planar(4, 1), Yuv,
        "4:1:1, a plane each.";
    YUV420 = b"YU12", "V4L2_PIX_FMT_YUV420", "Planar YUV 4:2:0", planar(2, 2), Yuv,
        "4:2:0, a plane each, U first.";
    YVU420 = b"YV12", "V4L2_PIX_FMT_YVU420", "Planar YVU 4:2:0", planar(2, 2), Yuv,
        "4:2:0, a plane each, V first.";
    YUV410 = b"YUV9", "V4L2_PIX_FMT_YUV410", "Planar YUV 4:1:0", planar(4, 4), Yuv,
        "4:1:0, a plane each, U first.";
    YVU410 = b"YVU9", "V4L2_PIX_FMT_YVU410", "Planar YVU 4:1:0", planar(4, 4), Yuv,
        "4:1:0, a plane each, V first.";
    NV12 = b"NV12", "V4L2_PIX_FMT_NV12", "Y/CbCr 4:2:0", semi(2, 2), Yuv,
        "4:2:0, U and V interleaved in one plane.";
    NV21 = b"NV21", "V4L2_PIX_FMT_NV21", "Y/CrCb 4:2:0", semi(2, 2), Yuv,
        "4:2:0, V and U interleaved in one plane.";
    NV16 = b"NV16", "V4L2_PIX_FMT_NV16", "Y/CbCr 4:2:2", semi(2, 1), Yuv,
        "4:2:2, U and V interleaved in one plane.";
    NV61 = b"NV61", "V4L2_PIX_FMT_NV61", "Y/CrCb 4:2:2", semi(2, 1), Yuv,
        "4:2:2, V and U interleaved in one plane.";
    NV24 = b"NV24", "V4L2_PIX_FMT_NV24", "Y/CbCr 4:4:4", semi(1, 1), Yuv,
        "4:4:4, U and V interleaved in one plane.";
    NV42 = b"NV42", "V4L2_PIX_FMT_NV42", "Y/CrCb 4:4:4", semi(1, 1), Yuv,
        "4:4:4, V and U interleaved in one plane.";
    P010 = b"P010", "V4L2_PIX_FMT_P010", "10-bit Y/CbCr 4:2:0", Layout::SemiPlanar { across: 2, down: 2, bytes: 2 },
        Yuv, "4:2:0, 10 bits in the upper part of a little-endian 16-bit word, U and V interleaved in one plane.";
    SBGGR8 = b"BA81", "V4L2_PIX_FMT_SBGGR8", "8-bit Bayer BGBG/GRGR", bayer(8, 1), Rgb,
        "A colour a pixel: blue, green; green, red.";
    SGBRG8 = b"GBRG", "V4L2_PIX_FMT_SGBRG8", "8-bit Bayer GBGB/RGRG", bayer(8, 1), Rgb,
        "A colour a pixel: green, blue; red, green.";
    SGRBG8 = b"GRBG", "V4L2_PIX_FMT_SGRBG8", "8-bit Bayer GRGR/BGBG", bayer(8, 1), Rgb,
        "A colour a pixel: green, red; blue, green.";
    SRGGB8 = b"RGGB", "V4L2_PIX_FMT_SRGGB8", "8-bit Bayer RGRG/GBGB", bayer(8, 1), Rgb,
        "A colour a pixel: red, green; green, blue.";
    SBGGR10 = b"BG10", "V4L2_PIX_FMT_SBGGR10", "10-bit Bayer BGBG/GRGR", bayer(16, 1), Rgb,
        "A colour a pixel, 10 bits of a little-endian word: blue, green; green, red.";
    SGBRG10 = b"GB10", "V4L2_PIX_FMT_SGBRG10", "10-bit Bayer GBGB/RGRG", bayer(16, 1), Rgb,
        "A colour a pixel, 10 bits of a little-endian word: green, blue; red, green.";
    SGRBG10 = b"BA10", "V4L2_PIX_FMT_SGRBG10", "10-bit Bayer GRGR/BGBG", bayer(16, 1), Rgb,
        "A colour a pixel, 10 bits of a little-endian word: green, red; blue, green.";
    SRGGB10 = b"RG10", "V4L2_PIX_FMT_SRGGB10", "10-bit Bayer RGRG/GBGB", bayer(16, 1), Rgb,
        "A colour a pixel, 10 bits of a little-endian word: red, green; green, blue.";
    SBGGR10P = b"pBAA", "V4L2_PIX_FMT_SBGGR10P", "10-bit Bayer BGBG/GRGR Packed", bayer(10, 4), Rgb,
        "As Y10P, a colour a pixel: blue, green; green, red.";
    SGBRG10P = b"pGAA", "V4L2_PIX_FMT_SGBRG10P", "10-bit Bayer GBGB/RGRG Packed", bayer(10, 4), Rgb,
        "As Y10P, a colour a pixel: green, blue; red, green.";
    SGRBG10P = b"pgAA", "V4L2_PIX_FMT_SGRBG10P", "10-bit Bayer GRGR/BGBG Packed", bayer(10, 4), Rgb,
        "As Y10P, a colour a pixel: green, red; blue, green.";
    SRGGB10P = b"pRAA", "V4L2_PIX_FMT_SRGGB10P", "10-bit Bayer RGRG/GBGB Packed", bayer(10, 4), Rgb,
        "As Y10P, a colour a pixel: red, green; green, blue.";
    SBGGR12 = b"BG12", "V4L2_PIX_FMT_SBGGR12", "12-bit Bayer BGBG/GRGR", bayer(16, 1), Rgb,
        "A colour a pixel, 12 bits of a little-endian word: blue, green; green, red.";
    SGBRG12 = b"GB12", "V4L2_PIX_FMT_SGBRG12", "12-bit Bayer GBGB/RGRG", bayer(16, 1), Rgb,
        "A colour a pixel, 12 bits of a little-endian word: green, blue; red, green.";
    SGRBG12 = b"BA12", "V4L2_PIX_FMT_SGRBG12", "12-bit Bayer GRGR/BGBG", bayer(16, 1), Rgb,
        "A colour a pixel, 12 bits of a little-endian word: green, red; blue, green.";
    SRGGB12 = b"RG12", "V4L2_PIX_FMT_SRGGB12", "12-bit Bayer RGRG/GBGB", bayer(16, 1), Rgb,
        "A colour a pixel, 12 bits of a little-endian word: red, green; green, blue.";
    SBGGR12P = b"pBCC", "V4L2_PIX_FMT_SBGGR12P", "12-bit Bayer BGBG/GRGR Packed", bayer(12, 2), Rgb,
        "The upper eight bits of two pixels, then a byte with their lower four: blue, green; green, red.";
    SGBRG12P = b"pGCC", "V4L2_PIX_FMT_SGBRG12P", "12-bit Bayer GBGB/RGRG Packed", bayer(12, 2), Rgb,
        "The upper eight bits of two pixels, then a byte with their lower four: green, blue; red, green.";
    SGRBG12P = b"pgCC", "V4L2_PIX_FMT_SGRBG12P", "12-bit Bayer GRGR/BGBG Packed", bayer(12, 2), Rgb,
        "The upper eight bits of two pixels, then a byte with their lower four: green, red; blue, green.";
    SRGGB12P = b"pRCC", "V4L2_PIX_FMT_SRGGB12P", "12-bit Bayer RGRG/GBGB Packed", bayer(12, 2), Rgb,
        "The upper eight bits of two pixels, then a byte with their lower four: red, green; green, blue.";
    SBGGR16 = b"BYR2", "V4L2_PIX_FMT_SBGGR16", "16-bit Bayer BGBG/GRGR", bayer(16, 1), Rgb,
        "A colour a pixel, 16 bits of a little-endian word: blue, green; green, red.";
    SGBRG16 = b"GB16", "V4L2_PIX_FMT_SGBRG16", "16-bit Bayer GBGB/RGRG", bayer(16, 1), Rgb,
        "A colour a pixel, 16 bits of a little-endian word: green, blue; red, green.";
    SGRBG16 = b"GR16", "V4L2_PIX_FMT_SGRBG16", "16-bit Bayer GRGR/BGBG", bayer(16, 1), Rgb,
        "A colour a pixel, 16 bits of a little-endian word: green, red; blue, green.";
    SRGGB16 = b"RG16", "V4L2_PIX_FMT_SRGGB16", "16-bit Bayer RGRG/GBGB", bayer(16, 1), Rgb,
        "A colour a pixel, 16 bits of a little-endian word: red, green; green, blue.";
    MJPEG = b"MJPG", "V4L2_PIX_FMT_MJPEG", "Motion-JPEG", Compressed, Jpeg,
        "A JPEG picture a frame, of varying length.";
    JPEG = b"JPEG", "V4L2_PIX_FMT_JPEG", "JFIF JPEG", Compressed, Jpeg,
        "A JFIF picture a frame, of varying length.";
    DV = b"dvsd", "V4L2_PIX_FMT_DV", "1394", Compressed, Yuv, "A DV picture a frame.";
    MPEG = b"MPEG", "V4L2_PIX_FMT_MPEG", "MPEG-1/2/4", Compressed, Yuv, "An MPEG stream.";
    MPEG1 = b"MPG1", "V4L2_PIX_FMT_MPEG1", "MPEG-1 ES", Compressed, Yuv, "MPEG-1 video.";
    MPEG2 = b"MPG2", "V4L2_PIX_FMT_MPEG2", "MPEG-2 ES", Compressed, Yuv, "MPEG-2 video.";
    MPEG4 = b"MPG4", "V4L2_PIX_FMT_MPEG4", "MPEG-4 Part 2 ES", Compressed, Yuv, "MPEG-4 video.";
    XVID = b"XVID", "V4L2_PIX_FMT_XVID", "Xvid", Compressed, Yuv, "Xvid video.";
    H263 = b"H263", "V4L2_PIX_FMT_H263", "H.263", Compressed, Yuv, "H.263 video.";
    H264 = b"H264", "V4L2_PIX_FMT_H264", "H.264", Compressed, Hd, "H.264 video with start codes.";
    H264_NO_SC = b"AVC1", "V4L2_PIX_FMT_H264_NO_SC", "H.264 (No Start Codes)", Compressed, Hd,
        "H.264 video without start codes.";
    H264_MVC = b"M264", "V4L2_PIX_FMT_H264_MVC", "H.264 MVC", Compressed, Hd, "H.264 video of several views.";
    VC1_ANNEX_G = b"VC1G", "V4L2_PIX_FMT_VC1_ANNEX_G", "VC-1 (SMPTE 412M Annex G)", Compressed, Hd,
        "VC-1 video of the advanced profile.";
    VC1_ANNEX_L = b"VC1L", "V4L2_PIX_FMT_VC1_ANNEX_L", "VC-1 (SMPTE 412M Annex L)", Compressed, Hd,
        "VC-1 video of the simple and main profiles.";
    HEVC = b"HEVC", "V4L2_PIX_FMT_HEVC", "HEVC", Compressed, Hd, "H.265 video.";
    VP8 = b"VP80", "V4L2_PIX_FMT_VP8", "VP8", Compressed, Hd, "VP8 video.";
    VP9 = b"VP90", "V4L2_PIX_FMT_VP9", "VP9", Compressed, Hd, "VP9 video.";
    AV1 = b"AV01", "V4L2_PIX_FMT_AV1", "AV1 OBU Stream", Compressed, Hd, "AV1 video.";
}

/// A pattern of two by two pixels, of which so many share bytes.
const fn bayer(bits: u8, across: u8) -> Layout {
    Layout::Mosaic { bits, across }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_characters() {
        assert_eq!(YUYV.0, 0x5659_5559);
        assert_eq!(YUYV.to_string(), "YUYV");
        assert_eq!(Fourcc(0x0156_5559).to_string(), "YUV.");
        assert_eq!(format!("{:?}", BGR24), "Fourcc(BGR3)");
        assert_eq!(XRGB555X.0, XRGB555.0 | 0x8000_0000);
    }
}
