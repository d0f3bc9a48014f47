//! V4L2 pixel formats (`V4L2_PIX_FMT_*`) by their four-character codes.

use core::fmt;

/// A pixel format: four ASCII characters, the first in the lowest byte; bit 31 marks big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fourcc(pub u32);

impl Fourcc {
    /// The code of four characters.
    #[must_use]
    pub const fn new(code: &[u8; 4]) -> Fourcc {
        Fourcc(u32::from_le_bytes(*code))
    }

    /// The four characters, in order.
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

macro_rules! fourccs {
    ($($name:ident = $code:literal, $alias:literal, $text:literal;)*) => {$(
        #[doc = $text]
        #[doc(alias = $alias)]
        pub const $name: Fourcc = Fourcc::new($code);
    )*};
}

fourccs! {
    GREY = b"GREY", "V4L2_PIX_FMT_GREY", "Luma, 8 bits.";
    HI240 = b"HI24", "V4L2_PIX_FMT_HI240", "Indexed colour, 8 bits.";
    RGB555 = b"RGBO", "V4L2_PIX_FMT_RGB555", "5-5-5 bits, little-endian; the highest bit may be alpha.";
    XRGB555 = b"XR15", "V4L2_PIX_FMT_XRGB555", "5-5-5 bits, little-endian; the highest bit is unused.";
    RGB565 = b"RGBP", "V4L2_PIX_FMT_RGB565", "5-6-5 bits, little-endian.";
    BGR24 = b"BGR3", "V4L2_PIX_FMT_BGR24", "Blue, green, red.";
    RGB24 = b"RGB3", "V4L2_PIX_FMT_RGB24", "Red, green, blue.";
    BGR32 = b"BGR4", "V4L2_PIX_FMT_BGR32", "Blue, green, red, alpha or unused.";
    XBGR32 = b"XR24", "V4L2_PIX_FMT_XBGR32", "Blue, green, red, unused.";
    RGB32 = b"RGB4", "V4L2_PIX_FMT_RGB32", "Alpha or unused, red, green, blue.";
    YUYV = b"YUYV", "V4L2_PIX_FMT_YUYV", "4:2:2 packed, luma first.";
    UYVY = b"UYVY", "V4L2_PIX_FMT_UYVY", "4:2:2 packed, chroma first.";
    YUV422P = b"422P", "V4L2_PIX_FMT_YUV422P", "4:2:2, a plane each.";
    YUV411P = b"411P", "V4L2_PIX_FMT_YUV411P", "4:1:1, a plane each.";
    YUV420 = b"YU12", "V4L2_PIX_FMT_YUV420", "4:2:0, a plane each, U first.";
    YVU420 = b"YV12", "V4L2_PIX_FMT_YVU420", "4:2:0, a plane each, V first.";
    YUV410 = b"YUV9", "V4L2_PIX_FMT_YUV410", "4:1:0, a plane each, U first.";
    NV12 = b"NV12", "V4L2_PIX_FMT_NV12", "4:2:0, U and V interleaved in one plane.";
    MJPEG = b"MJPG", "V4L2_PIX_FMT_MJPEG", "A JPEG picture a frame, of varying length.";
    JPEG = b"JPEG", "V4L2_PIX_FMT_JPEG", "A JFIF picture a frame, of varying length.";
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
    }
}
