//! What is known of each pixel format: its description, how its bytes lie, how long a frame is.

use super::flags::{
    V4L2_COLORSPACE_JPEG, V4L2_COLORSPACE_REC709, V4L2_COLORSPACE_SMPTE170M, V4L2_COLORSPACE_SRGB,
    V4L2_FIELD_BOTTOM, V4L2_FIELD_INTERLACED, V4L2_FIELD_INTERLACED_BT, V4L2_FIELD_INTERLACED_TB,
    V4L2_FIELD_NONE, V4L2_FIELD_SEQ_BT, V4L2_FIELD_SEQ_TB, V4L2_FIELD_TOP, V4L2_FMT_FLAG_COMPRESSED,
    V4L2_PIX_FMT_PRIV_MAGIC,
};
use super::fourcc::{self, FORMATS, Fourcc};
use super::{V4l2Fmtdesc, V4l2PixFormat};
use crate::text;

/// How the bytes of a frame lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One plane, line by line. A line is whole groups: of an odd width the last one holds pixels that nobody sees.
    Packed {
        /// Bits a pixel, on average.
        bits: u8,
        /// Neighbours that share colour or bytes: a group.
        across: u8,
    },
    /// One plane of one colour a pixel, the colours in a pattern of two by two.
    Mosaic {
        /// Bits a pixel.
        bits: u8,
        /// Neighbours that share bytes: a group.
        across: u8,
    },
    /// A plane of luma, then two of colour, a byte a sample each.
    Planar {
        /// Width of a sample of colour in pixels.
        across: u8,
        /// Height of a sample of colour in pixels.
        down: u8,
    },
    /// A plane of luma, then one in which both colours alternate.
    SemiPlanar {
        /// Width of a sample of colour in pixels.
        across: u8,
        /// Height of a sample of colour in pixels.
        down: u8,
        /// Bytes of a sample.
        bytes: u8,
    },
    /// Frames vary in length.
    Compressed,
}

/// Which colours a format's frames have where nobody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Colours {
    /// RGB: sRGB.
    Rgb,
    /// YUV: television of standard definition.
    Yuv,
    /// YUV: television of high definition, the default of today's codecs.
    Hd,
    /// JPEG's own.
    Jpeg,
}

/// A pixel format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelFormat {
    /// The code.
    pub fourcc: Fourcc,
    /// The kernel's name, as in `V4L2_PIX_FMT_YUYV`.
    pub name: &'static str,
    /// The description that the kernel gives for it in ENUM_FMT, whatever the driver (until 5.19: 6.0
    /// renamed the NV formats, and the v4l2-compliance of that time compares); at most 31 bytes.
    pub description: &'static str,
    /// How the bytes lie.
    pub layout: Layout,
    /// Its colours where nobody says otherwise.
    pub colours: Colours,
}

/// One plane of a frame in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plane {
    /// Bytes of a line, without padding.
    pub line: u32,
    /// Bytes from a line to the next.
    pub stride: u32,
    /// Lines; 0: there is no such plane.
    pub lines: u32,
}

/// The smallest and the largest width and height of a picture that a node offers, in pixels.
pub const SIZES: (u32, u32) = (1, 8192);

/// The most bytes by which lines may be farther apart than their pixels take.
pub const PADDING: u32 = 4096;

/// The most bytes that a program may ask a compressed frame's buffer to have.
const COMPRESSED_MAX: u32 = 64 * 1024 * 1024;

/// The format of a node on which nobody has set one: what every program of today can read.
pub const DEFAULT: V4l2PixFormat = match PixelFormat::of(super::fourcc::YUYV) {
    Some(format) => match format.pix(640, 480) {
        Some(pix) => pix,
        None => panic!("even"),
    },
    None => panic!("listed"),
};

/// The second name of the same pixels. V4L2's first RGB formats left open whether the bits that are no
/// colour are alpha; its later ones say that they are unused. Programs know one name or the other (ffmpeg asks for XR24
/// where a V4L1 driver tells BGR4).
#[must_use]
pub const fn other_name(format: Fourcc) -> Option<Fourcc> {
    Some(match format {
        fourcc::RGB555 => fourcc::XRGB555,
        fourcc::XRGB555 => fourcc::RGB555,
        fourcc::RGB555X => fourcc::XRGB555X,
        fourcc::XRGB555X => fourcc::RGB555X,
        fourcc::BGR32 => fourcc::XBGR32,
        fourcc::XBGR32 => fourcc::BGR32,
        fourcc::RGB32 => fourcc::XRGB32,
        fourcc::XRGB32 => fourcc::RGB32,
        _ => return None,
    })
}

/// Whether both codes are names of the same pixels.
#[must_use]
pub fn same_pixels(one: Fourcc, other: Fourcc) -> bool {
    one == other || other_name(one) == Some(other)
}

/// Whether frames of one format are frames of the other, whatever their colours mean and whichever of two
/// names they have.
#[must_use]
pub fn same_frames(one: &V4l2PixFormat, other: &V4l2PixFormat) -> bool {
    let size = |pix: &V4l2PixFormat| (pix.width, pix.height, pix.sizeimage);
    same_pixels(one.fourcc(), other.fourcc()) && size(one) == size(other)
}

/// The nearest format that a node can have to the one that a program asks for, as TRY_FMT and S_FMT of
/// the V4L2 specification want it: never an error. A code that this crate does not know becomes that of
/// [`DEFAULT`]; a width or height of 0 becomes its, as v4l2loopback has it; others are brought into [`SIZES`];
/// lines have no padding (but see [`with_lines`]). Of fields those stay that a whole frame has or is.
/// A compressed frame's `sizeimage` may be larger than the default, up to 64 MiB. Colours are kept, or
/// the format's own if none are told.
#[must_use]
pub const fn nearest(asked: &V4l2PixFormat) -> V4l2PixFormat {
    const fn clamp(value: u32, default: u32) -> u32 {
        match value {
            0 => default,
            value if value < SIZES.0 => SIZES.0,
            value if value > SIZES.1 => SIZES.1,
            value => value,
        }
    }
    let format = match PixelFormat::of(Fourcc(asked.pixelformat)) {
        Some(format) => format,
        None => match PixelFormat::of(Fourcc(DEFAULT.pixelformat)) {
            Some(format) => format,
            None => panic!("listed"),
        },
    };
    let (width, height) = (clamp(asked.width, DEFAULT.width), clamp(asked.height, DEFAULT.height));
    let Some(mut pix) = format.pix(width, height) else { return DEFAULT };
    let more = if asked.sizeimage > COMPRESSED_MAX { COMPRESSED_MAX } else { asked.sizeimage };
    if format.is_compressed() && more > pix.sizeimage {
        pix.sizeimage = more;
    }
    if is_field(asked.field) {
        pix.field = asked.field;
    }
    if asked.colorspace != 0 {
        pix.colorspace = asked.colorspace;
        pix.ycbcr_enc = asked.ycbcr_enc;
        pix.quantization = asked.quantization;
        pix.xfer_func = asked.xfer_func;
    }
    pix
}

/// Whether frames of a pipe can be such fields: all kinds but `V4L2_FIELD_ANY`, which leaves it open, and
/// `V4L2_FIELD_ALTERNATE`, of which each buffer tells anew what it is.
const fn is_field(field: u32) -> bool {
    matches!(
        field,
        V4L2_FIELD_NONE
            | V4L2_FIELD_TOP
            | V4L2_FIELD_BOTTOM
            | V4L2_FIELD_INTERLACED
            | V4L2_FIELD_SEQ_TB
            | V4L2_FIELD_SEQ_BT
            | V4L2_FIELD_INTERLACED_TB
            | V4L2_FIELD_INTERLACED_BT
    )
}

/// [`nearest`], of a size within bounds: least width, most width, least height, most height. A bound of 0 is none.
#[must_use]
pub fn nearest_within(
    asked: &V4l2PixFormat,
    [min_width, max_width, min_height, max_height]: [u32; 4],
) -> V4l2PixFormat {
    let within = |value: u32, default: u32, least: u32, most: u32| {
        let value = if value == 0 { default } else { value };
        value.min(if most == 0 { u32::MAX } else { most }).max(least)
    };
    nearest(&V4l2PixFormat {
        width: within(asked.width, DEFAULT.width, min_width, max_width),
        height: within(asked.height, DEFAULT.height, min_height, max_height),
        ..*asked
    })
}

/// `near`, which a program gets for what it has `asked` for, with lines as far apart as it asked for. Only where it has
/// thought of them: programs leave the former format's `bytesperline` there. So the picture is the one asked for, and
/// `sizeimage` is 0 or has room for such a frame. (ffmpeg, which then writes lines without padding, sets a `sizeimage`
/// that has none.) At most [`PADDING`] bytes more than a line has.
#[must_use]
pub const fn with_lines(near: V4l2PixFormat, asked: &V4l2PixFormat) -> V4l2PixFormat {
    let same = near.pixelformat == asked.pixelformat
        && near.width == asked.width
        && near.height == asked.height
        && near.bytesperline != 0;
    let more = asked.bytesperline.saturating_sub(near.bytesperline);
    if !same || more == 0 || more > PADDING {
        return near;
    }
    let Some(format) = PixelFormat::of(Fourcc(near.pixelformat)) else { return near };
    match format.sizeimage_with(asked.bytesperline, near.height) {
        Some(sizeimage) if asked.sizeimage == 0 || asked.sizeimage >= sizeimage => {
            V4l2PixFormat { bytesperline: asked.bytesperline, sizeimage, ..near }
        }
        _ => near,
    }
}

/// Room for a compressed frame of the smallest pictures: the tables of a JPEG alone can take 1 KiB.
const COMPRESSED_MIN: u32 = 4096;

impl PixelFormat {
    /// Every format that this crate knows.
    pub const ALL: &'static [PixelFormat] = FORMATS;

    /// What is known of a code; `None` for one that this crate does not know.
    #[must_use]
    pub const fn of(fourcc: Fourcc) -> Option<PixelFormat> {
        let mut index = 0;
        while index < FORMATS.len() {
            if FORMATS[index].fourcc.0 == fourcc.0 {
                return Some(FORMATS[index]);
            }
            index += 1;
        }
        None
    }

    /// Whether frames vary in length.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        matches!(self.layout, Layout::Compressed)
    }

    /// Whether one plane holds all, so that a line is one piece.
    #[must_use]
    pub const fn is_packed(&self) -> bool {
        matches!(self.layout, Layout::Packed { .. } | Layout::Mosaic { .. })
    }

    /// Width and height in pixels of what belongs together: pixels that share colour or bytes, or a mosaic's pattern. A
    /// picture may have any size; beyond the last whole ones, planes of colour are rounded up, and packed lines.
    #[must_use]
    pub const fn granularity(&self) -> (u32, u32) {
        match self.layout {
            Layout::Packed { across, .. } => (across as u32, 1),
            Layout::Mosaic { across, .. } => (if across < 2 { 2 } else { across as u32 }, 2),
            Layout::Planar { across, down } | Layout::SemiPlanar { across, down, .. } => {
                (across as u32, down as u32)
            }
            Layout::Compressed => (1, 1),
        }
    }

    /// The nearest size of which nothing is rounded up: each dimension rounded down to the granularity, but never
    /// to 0. V4L1 has no other sizes.
    #[must_use]
    pub const fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        const fn floor(value: u32, step: u32) -> u32 {
            if value < step { step } else { value - value % step }
        }
        let (across, down) = self.granularity();
        (floor(width, across), floor(height, down))
    }

    /// Bytes of a line without padding, of planar formats in the first plane; 0 for compressed
    /// formats, as the V4L2 specification asks.
    ///
    /// `None` if there is no such line: a width of 0, or one whose length does not fit.
    #[must_use]
    pub const fn bytesperline(&self, width: u32) -> Option<u32> {
        if width == 0 {
            return None;
        }
        match self.layout {
            Layout::Packed { bits, across } | Layout::Mosaic { bits, across } => {
                fit_u32(width.div_ceil(across as u32) as u64 * (bits as u64 * across as u64 / 8))
            }
            Layout::Planar { .. } => fit_u32(width as u64),
            Layout::SemiPlanar { bytes, .. } => fit_u32(width as u64 * bytes as u64),
            Layout::Compressed => Some(0),
        }
    }

    /// Bytes of a frame without padding, in pixels wide and high: as ffmpeg lays it out, planes of colour rounded up
    /// (driver/docs/reference.md, "Sizes and lines"); for compressed formats a bound that no frame should exceed: two
    /// bytes a pixel, and at least 4096.
    ///
    /// `None` if there is no such frame: a size of 0, or one whose length does not fit.
    #[must_use]
    pub const fn sizeimage(&self, width: u32, height: u32) -> Option<u32> {
        let Some(stride) = self.bytesperline(width) else { return None };
        if self.is_compressed() {
            if height == 0 {
                return None;
            }
            return match fit_u32((width as u64 * height as u64).saturating_mul(2)) {
                Some(bound) if bound < COMPRESSED_MIN => Some(COMPRESSED_MIN),
                bound => bound,
            };
        }
        self.sizeimage_with(stride, height)
    }

    /// Bytes from a line of colour to the next where those of luma are so far apart: as much less as a sample of
    /// colour is wide, rounded up to whole ones.
    const fn colour_stride(&self, bytesperline: u64) -> u64 {
        match self.layout {
            Layout::Planar { across, .. } => bytesperline.div_ceil(across as u64),
            Layout::SemiPlanar { across, bytes, .. } => {
                let bytes = bytes as u64;
                bytesperline.div_ceil(across as u64 * bytes).saturating_mul(2 * bytes)
            }
            _ => 0,
        }
    }

    /// Planes of colour, besides the first plane.
    const fn colour_planes(&self) -> u64 {
        match self.layout {
            Layout::Planar { .. } => 2,
            Layout::SemiPlanar { .. } => 1,
            _ => 0,
        }
    }

    /// Bytes of a frame whose lines are so many bytes apart; in the planes of colour of planar
    /// formats the distance is smaller by what a sample of colour is wide, as V4L2 has it.
    ///
    /// `None` for compressed formats, for a height of 0, or for a length that does not fit.
    #[must_use]
    pub const fn sizeimage_with(&self, bytesperline: u32, height: u32) -> Option<u32> {
        if bytesperline == 0 || height == 0 || self.is_compressed() {
            return None;
        }
        let (_, down) = self.granularity();
        let lines = height.div_ceil(down) as u64;
        let colour = self.colour_stride(bytesperline as u64).saturating_mul(lines);
        let first = bytesperline as u64 * height as u64;
        fit_u32(first.saturating_add(colour.saturating_mul(self.colour_planes())))
    }

    /// The planes of a frame of a size in pixels, one after the other, whose lines are `bytesperline` apart in the
    /// first.
    ///
    /// `None` where [`PixelFormat::sizeimage_with`] has none, or the lines are longer than that.
    #[must_use]
    pub const fn planes(&self, width: u32, height: u32, bytesperline: u32) -> Option<[Plane; 3]> {
        let (Some(line), Some(_)) = (self.bytesperline(width), self.sizeimage_with(bytesperline, height))
        else {
            return None;
        };
        if line > bytesperline {
            return None;
        }
        let (_, down) = self.granularity();
        let colour = Plane {
            line: self.colour_stride(line as u64) as u32,
            stride: self.colour_stride(bytesperline as u64) as u32,
            lines: height.div_ceil(down),
        };
        let none = Plane { line: 0, stride: 0, lines: 0 };
        let first = Plane { line, stride: bytesperline, lines: height };
        Some(match self.colour_planes() {
            0 => [first, none, none],
            1 => [first, colour, none],
            _ => [first, colour, colour],
        })
    }

    /// `V4L2_COLORSPACE_*` of frames of which nobody says otherwise.
    #[must_use]
    pub const fn colorspace(&self) -> u32 {
        match self.colours {
            Colours::Rgb => V4L2_COLORSPACE_SRGB,
            Colours::Yuv => V4L2_COLORSPACE_SMPTE170M,
            Colours::Hd => V4L2_COLORSPACE_REC709,
            Colours::Jpeg => V4L2_COLORSPACE_JPEG,
        }
    }

    /// The format of frames of a size in pixels, without padding: whole frames, default colours.
    ///
    /// `None` where [`PixelFormat::sizeimage`] has none.
    #[must_use]
    pub const fn pix(&self, width: u32, height: u32) -> Option<V4l2PixFormat> {
        let (Some(bytesperline), Some(sizeimage)) = (self.bytesperline(width), self.sizeimage(width, height))
        else {
            return None;
        };
        Some(V4l2PixFormat {
            width,
            height,
            pixelformat: self.fourcc.0,
            field: V4L2_FIELD_NONE,
            bytesperline,
            sizeimage,
            colorspace: self.colorspace(),
            priv_: V4L2_PIX_FMT_PRIV_MAGIC,
            flags: 0,
            ycbcr_enc: 0,
            quantization: 0,
            xfer_func: 0,
        })
    }

    /// The answer to ENUM_FMT for this format at a place of a node's list.
    #[must_use]
    pub fn fmtdesc(&self, index: u32, buf_type: u32) -> V4l2Fmtdesc {
        V4l2Fmtdesc {
            index,
            type_: buf_type,
            flags: if self.is_compressed() { V4L2_FMT_FLAG_COMPRESSED } else { 0 },
            description: text::field(self.description),
            pixelformat: self.fourcc.0,
            ..V4l2Fmtdesc::default()
        }
    }
}

const fn fit_u32(value: u64) -> Option<u32> {
    // The kernel and many programs keep lengths in an int.
    if value > i32::MAX as u64 { None } else { Some(value as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Palette;

    fn of(fourcc: Fourcc) -> PixelFormat {
        PixelFormat::of(fourcc).expect("known")
    }

    #[test]
    fn each_code_is_there_once() {
        for (index, format) in PixelFormat::ALL.iter().enumerate() {
            assert_eq!(PixelFormat::of(format.fourcc), Some(*format));
            assert!(PixelFormat::ALL[..index].iter().all(|other| other.name != format.name));
            assert!(format.description.len() <= 31, "{}", format.name);
        }
        assert_eq!(PixelFormat::of(Fourcc::new(b"none")), None);
    }

    #[test]
    fn descriptions_are_the_kernels() {
        for (format, description) in [
            (fourcc::YUYV, "YUYV 4:2:2"),
            (fourcc::YUV420, "Planar YUV 4:2:0"),
            (fourcc::GREY, "8-bit Greyscale"),
            (fourcc::BGR24, "24-bit BGR 8-8-8"),
            (fourcc::BGR32, "32-bit BGRA/X 8-8-8-8"),
            (fourcc::RGB565, "16-bit RGB 5-6-5"),
            (fourcc::RGB555, "16-bit A/XRGB 1-5-5-5"),
            (fourcc::UYVY, "UYVY 4:2:2"),
            (fourcc::YUV422P, "Planar YUV 4:2:2"),
            (fourcc::YUV411P, "Planar YUV 4:1:1"),
            (fourcc::YUV410, "Planar YUV 4:1:0"),
            (fourcc::NV12, "Y/CbCr 4:2:0"),
            (fourcc::MJPEG, "Motion-JPEG"),
            (fourcc::JPEG, "JFIF JPEG"),
            (fourcc::H264, "H.264"),
        ] {
            assert_eq!(of(format).description, description);
        }
    }

    #[test]
    fn lengths() {
        for (format, width, height, line, image) in [
            (fourcc::YUYV, 1920, 1080, Some(3840), Some(4_147_200)),
            // The odd ones: ffmpeg's numbers.
            (fourcc::YUYV, 853, 480, Some(1708), Some(819_840)),
            (fourcc::NV12, 853, 480, Some(853), Some(614_400)),
            (fourcc::YUV420, 853, 480, Some(853), Some(614_400)),
            (fourcc::BGR24, 853, 480, Some(2559), Some(1_228_320)),
            (fourcc::RGB565, 853, 480, Some(1706), Some(818_880)),
            (fourcc::YUYV, 641, 481, Some(1284), Some(617_604)),
            (fourcc::NV12, 641, 481, Some(641), Some(463_043)),
            (fourcc::YUV420, 641, 481, Some(641), Some(463_043)),
            (fourcc::YUV410, 5, 5, Some(5), Some(33)),
            (fourcc::P010, 3, 3, Some(6), Some(34)),
            (fourcc::Y41P, 9, 1, Some(24), Some(24)),
            (fourcc::Y10P, 5, 2, Some(10), Some(20)),
            (fourcc::Y4, 3, 2, Some(2), Some(4)),
            (fourcc::Y6, 5, 2, Some(6), Some(12)),
            (fourcc::SRGGB10P, 4, 4, Some(5), Some(20)),
            (fourcc::SRGGB12P, 3, 1, Some(6), Some(6)),
            (fourcc::SRGGB16, 3, 1, Some(6), Some(6)),
            (fourcc::BGR666, 3, 1, Some(12), Some(12)),
            (fourcc::GREY, 5, 3, Some(5), Some(15)),
            (fourcc::Y16, 4, 4, Some(8), Some(32)),
            (fourcc::RGB24, 5, 3, Some(15), Some(45)),
            (fourcc::XBGR32, 640, 480, Some(2560), Some(1_228_800)),
            (fourcc::Y41P, 8, 2, Some(12), Some(24)),
            (fourcc::YUV420, 320, 180, Some(320), Some(86_400)),
            (fourcc::YUV420, 320, 181, Some(320), Some(87_040)),
            (fourcc::NV12, 320, 180, Some(320), Some(86_400)),
            (fourcc::NV16, 2, 1, Some(2), Some(4)),
            (fourcc::NV24, 3, 3, Some(3), Some(27)),
            (fourcc::SGRBG8, 4, 4, Some(4), Some(16)),
            (fourcc::SGRBG8, 4, 3, Some(4), Some(12)),
            (fourcc::MJPEG, 640, 480, Some(0), Some(614_400)),
            (fourcc::MJPEG, 16, 16, Some(0), Some(4096)),
            (fourcc::MJPEG, 16, 0, Some(0), None),
            (fourcc::GREY, 0, 240, None, None),
            (fourcc::GREY, 320, 0, Some(320), None),
            (fourcc::GREY, u32::MAX, u32::MAX, None, None),
            (fourcc::YUV32, u32::MAX, 1, None, None),
            (fourcc::NV24, i32::MAX as u32, u32::MAX, Some(i32::MAX as u32), None),
            (fourcc::MJPEG, u32::MAX, u32::MAX, Some(0), None),
            (fourcc::GREY, 65_536, 32_767, Some(65_536), Some(2_147_418_112)),
            (fourcc::GREY, 65_536, 32_768, Some(65_536), None),
        ] {
            let known = of(format);
            assert_eq!(known.bytesperline(width), line, "{format} {width}");
            assert_eq!(known.sizeimage(width, height), image, "{format} {width}x{height}");
        }
    }

    #[test]
    fn padded_lines() {
        assert_eq!(of(fourcc::YUYV).sizeimage_with(128, 10), Some(1280));
        assert_eq!(of(fourcc::YUV420).sizeimage_with(64, 4), Some(64 * 4 + 2 * 32 * 2));
        assert_eq!(of(fourcc::YUV410).sizeimage_with(66, 4), Some(66 * 4 + 2 * 17));
        // As GStreamer lays out 853x480 and 641x481.
        assert_eq!(of(fourcc::NV12).sizeimage_with(856, 480), Some(616_320));
        assert_eq!(of(fourcc::YUV420).sizeimage_with(856, 480), Some(616_320));
        assert_eq!(of(fourcc::NV12).sizeimage_with(644, 481), Some(464_968));
        assert_eq!(of(fourcc::NV24).sizeimage_with(u32::MAX, u32::MAX), None);
        assert_eq!(of(fourcc::YUYV).sizeimage_with(0, 10), None);
        assert_eq!(of(fourcc::MJPEG).sizeimage_with(64, 4), None);
        assert_eq!(of(fourcc::GREY).sizeimage_with(u32::MAX, u32::MAX), None);
    }

    #[test]
    fn planes_lie_one_after_the_other() {
        let plane = |line, stride, lines| Plane { line, stride, lines };
        let none = Plane::default();
        for (format, stride, expected) in [
            (fourcc::NV12, 853, [plane(853, 853, 480), plane(854, 854, 240), none]),
            (fourcc::NV12, 860, [plane(853, 860, 480), plane(854, 860, 240), none]),
            (fourcc::NV24, 860, [plane(853, 860, 480), plane(1706, 1720, 480), none]),
            (fourcc::P010, 1706, [plane(1706, 1706, 480), plane(1708, 1708, 240), none]),
            (fourcc::YUV420, 856, [plane(853, 856, 480), plane(427, 428, 240), plane(427, 428, 240)]),
            (fourcc::YUYV, 1708, [plane(1708, 1708, 480), none, none]),
        ] {
            assert_eq!(of(format).planes(853, 480, stride), Some(expected), "{format} {stride}");
            assert_eq!(of(format).planes(853, 480, 852), None, "{format}: shorter than a line");
        }
        assert_eq!(of(fourcc::MJPEG).planes(853, 480, 0), None);
        for format in PixelFormat::ALL.iter().filter(|format| !format.is_compressed()) {
            for (width, height) in [(1, 1), (2, 1), (853, 479), (64, 48)] {
                for more in [0, 1, 7, 100] {
                    let stride = format.bytesperline(width).expect("a line") + more;
                    let planes = format.planes(width, height, stride).expect("planes");
                    let bytes: u32 = planes.iter().map(|plane| plane.stride * plane.lines).sum();
                    assert_eq!(Some(bytes), format.sizeimage_with(stride, height), "{}", format.name);
                    assert!(planes.iter().all(|plane| plane.line <= plane.stride), "{}", format.name);
                }
            }
        }
    }

    /// What programs ask for in S_FMT, and whether lines are farther apart then.
    #[test]
    fn lines_are_padded_for_who_has_thought_of_it() {
        let asked = |bytesperline, sizeimage| V4l2PixFormat {
            bytesperline,
            sizeimage,
            ..of(fourcc::NV12).pix(853, 480).expect("a format")
        };
        let lines = |asked: &V4l2PixFormat| {
            let near = with_lines(nearest(asked), asked);
            assert_eq!(with_lines(nearest(&near), &near), near, "what S_FMT gave, it takes");
            (near.bytesperline, near.sizeimage)
        };
        let tight = (853, 614_400);
        assert_eq!(lines(&asked(0, 0)), tight);
        assert_eq!(lines(&asked(856, 0)), (856, 616_320), "GStreamer");
        assert_eq!(lines(&asked(856, 616_320)), (856, 616_320));
        assert_eq!(lines(&asked(856, 700_000)), (856, 616_320));
        assert_eq!(lines(&asked(1280, 614_400)), tight, "ffmpeg, which leaves the former line there");
        assert_eq!(lines(&asked(100, 0)), tight, "shorter than a line");
        assert_eq!(lines(&asked(u32::MAX, u32::MAX)), tight);
        assert_eq!(lines(&asked(853 + PADDING, 0)).0, 853 + PADDING);
        assert_eq!(lines(&asked(854 + PADDING, 0)), tight);
        let larger = V4l2PixFormat { width: 9000, ..asked(9216, 0) };
        assert_eq!(lines(&larger).0, 8192, "of another picture than that which it gets");
        let jpeg = V4l2PixFormat { pixelformat: fourcc::MJPEG.0, ..asked(900, 0) };
        assert_eq!(lines(&jpeg).0, 0);
    }

    #[test]
    fn two_names_of_the_same_pixels() {
        for format in PixelFormat::ALL {
            let Some(other) = other_name(format.fourcc) else { continue };
            assert_eq!(other_name(other), Some(format.fourcc), "{}", format.name);
            assert_eq!(of(other).layout, format.layout, "{}", format.name);
            assert!(same_pixels(format.fourcc, other) && format.fourcc != other);
        }
        let pix = |fourcc, width| of(fourcc).pix(width, 240).expect("a format");
        assert!(same_frames(&pix(fourcc::BGR32, 320), &pix(fourcc::XBGR32, 320)));
        assert!(!same_frames(&pix(fourcc::BGR32, 320), &pix(fourcc::XBGR32, 322)));
        // That one's fourth byte means something, and that one's colours are elsewhere.
        assert!(!same_pixels(fourcc::BGR32, fourcc::ABGR32) && !same_pixels(fourcc::BGR32, fourcc::RGB32));
        assert!(same_pixels(fourcc::YUYV, fourcc::YUYV));
    }

    #[test]
    fn sizes_are_made_to_fit() {
        assert_eq!(of(fourcc::YUYV).fit(321, 241), (320, 241));
        assert_eq!(of(fourcc::YUV410).fit(3, 7), (4, 4));
        assert_eq!(of(fourcc::MJPEG).fit(0, 0), (1, 1));
        for format in PixelFormat::ALL {
            let (width, height) = format.fit(163, 127);
            assert!(format.pix(width, height).is_some(), "{}", format.name);
        }
    }

    #[test]
    fn palettes_have_the_same_frames() {
        for palette in Palette::ALL {
            let Some(format) = palette.fourcc() else { continue };
            let known = of(format);
            assert_eq!(known.granularity(), palette.granularity(), "{palette}");
            for (width, height) in [(320, 240), (321, 240), (320, 241), (4, 4), (2, 2), (0, 1)] {
                let here = known.sizeimage(width, height).map(|len| len as usize);
                // V4L1 has no frames of which something is rounded up.
                let whole = known.fit(width, height) == (width, height);
                assert_eq!(
                    here.filter(|_| whole),
                    palette.frame_len(width, height),
                    "{palette} {width}x{height}"
                );
            }
        }
    }

    #[test]
    fn whatever_is_asked_for_there_is_a_nearest() {
        let asked = |pixelformat: Fourcc, width, height, sizeimage| {
            let pix =
                V4l2PixFormat { pixelformat: pixelformat.0, width, height, sizeimage, ..Default::default() };
            let near = nearest(&pix);
            assert_eq!(nearest(&near), near, "what S_FMT gave, it takes");
            near
        };
        let near = asked(Fourcc::new(b"none"), 0, 0, 0);
        assert_eq!(near, DEFAULT);
        let near = asked(fourcc::GREY, 0, 65_536, 0);
        assert_eq!((near.width, near.height), (640, 8192));
        let near = asked(fourcc::GREY, 1, 1, 0);
        assert_eq!((near.width, near.height, near.sizeimage), (1, 1, 1));
        let near = asked(fourcc::YUV420, u32::MAX, 101, 7);
        assert_eq!((near.width, near.height, near.sizeimage), (8192, 101, 8192 * 152));
        assert_eq!(asked(fourcc::MJPEG, 640, 480, 1).sizeimage, 614_400);
        assert_eq!(asked(fourcc::MJPEG, 640, 480, 1_000_000).sizeimage, 1_000_000);
        assert_eq!(asked(fourcc::MJPEG, 640, 480, u32::MAX).sizeimage, COMPRESSED_MAX);
        assert_eq!(asked(fourcc::MJPEG, 8192, 8192, u32::MAX).sizeimage, 2 * 8192 * 8192);
        let former = V4l2PixFormat { bytesperline: 4096, ..asked(fourcc::YUYV, 320, 240, 0) };
        assert_eq!(nearest(&former).bytesperline, 640);
        let coloured = V4l2PixFormat { colorspace: 3, quantization: 1, ..DEFAULT };
        assert_eq!(nearest(&coloured), coloured);
        assert_eq!(nearest(&V4l2PixFormat { quantization: 1, ..V4l2PixFormat::default() }).quantization, 0);
        for field in 0..12 {
            let kept = nearest(&V4l2PixFormat { field, ..DEFAULT }).field;
            let expected = if matches!(field, 2..=6 | 8 | 9) { field } else { V4L2_FIELD_NONE };
            assert_eq!(kept, expected, "field {field}");
        }
        let small = nearest_within(&V4l2PixFormat::default(), [0, 320, 500, 0]);
        assert_eq!((small.width, small.height), (320, 500));
    }

    #[test]
    fn formats_are_filled() {
        let pix = of(fourcc::MJPEG).pix(640, 480).expect("a format");
        assert_eq!((pix.bytesperline, pix.sizeimage), (0, 614_400));
        assert_eq!((pix.field, pix.colorspace), (V4L2_FIELD_NONE, V4L2_COLORSPACE_JPEG));
        assert_eq!(pix.priv_, V4L2_PIX_FMT_PRIV_MAGIC);
        assert_eq!(of(fourcc::YUYV).pix(1, 1).map(|pix| (pix.bytesperline, pix.sizeimage)), Some((4, 4)));
        assert_eq!(of(fourcc::YUYV).pix(0, 1), None);
        let described = of(fourcc::MJPEG).fmtdesc(3, 1);
        assert_eq!((described.index, described.type_, described.flags), (3, 1, V4L2_FMT_FLAG_COMPRESSED));
        assert_eq!(text::text(&described.description), "Motion-JPEG");
        // The specification allows JPEG's colours for JPEG alone.
        for format in PixelFormat::ALL {
            let jpeg = matches!(format.fourcc, fourcc::JPEG | fourcc::MJPEG);
            assert_eq!(format.colorspace() == V4L2_COLORSPACE_JPEG, jpeg, "{}", format.name);
        }
    }
}
