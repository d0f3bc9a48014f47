//! What is known of each pixel format: its description, how its bytes lie, how long a frame is.

use super::flags::{
    V4L2_COLORSPACE_JPEG, V4L2_COLORSPACE_REC709, V4L2_COLORSPACE_SMPTE170M, V4L2_COLORSPACE_SRGB,
    V4L2_FIELD_NONE, V4L2_FMT_FLAG_COMPRESSED, V4L2_PIX_FMT_PRIV_MAGIC,
};
use super::fourcc::{self, FORMATS, Fourcc};
use super::{V4l2Fmtdesc, V4l2PixFormat};
use crate::text;

/// How the bytes of a frame lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One plane, line by line.
    Packed {
        /// Bits a pixel, on average.
        bits: u8,
        /// Neighbours that share colour.
        across: u8,
    },
    /// One plane of a byte a pixel, the colours in a pattern of two by two.
    Mosaic,
    /// A plane of luma, then two of colour, a byte a sample each.
    Planar {
        /// Width of a sample of colour in pixels.
        across: u8,
        /// Height of a sample of colour in pixels.
        down: u8,
    },
    /// A plane of luma, then one in which both colours alternate, a byte a sample each.
    SemiPlanar {
        /// Width of a sample of colour in pixels.
        across: u8,
        /// Height of a sample of colour in pixels.
        down: u8,
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

/// The smallest and the largest width and height of a picture that a node offers, in pixels.
pub const SIZES: (u32, u32) = (2, 8192);

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
/// [`DEFAULT`]; sizes are brought into [`SIZES`] and to the format's granularity; lines have no padding,
/// whatever the program says, because programs leave the former format's there; fields are whole frames.
/// A compressed frame's `sizeimage` may be larger than the default, up to 64 MiB. Colours are kept, or
/// the format's own if none are told.
#[must_use]
pub const fn nearest(asked: &V4l2PixFormat) -> V4l2PixFormat {
    const fn clamp(value: u32) -> u32 {
        if value < SIZES.0 {
            SIZES.0
        } else if value > SIZES.1 {
            SIZES.1
        } else {
            value
        }
    }
    let format = match PixelFormat::of(Fourcc(asked.pixelformat)) {
        Some(format) => format,
        None => match PixelFormat::of(Fourcc(DEFAULT.pixelformat)) {
            Some(format) => format,
            None => panic!("listed"),
        },
    };
    let (width, height) = format.fit(clamp(asked.width), clamp(asked.height));
    let Some(mut pix) = format.pix(width, height) else { return DEFAULT };
    let more = if asked.sizeimage > COMPRESSED_MAX { COMPRESSED_MAX } else { asked.sizeimage };
    if format.is_compressed() && more > pix.sizeimage {
        pix.sizeimage = more;
    }
    if asked.colorspace != 0 {
        pix.colorspace = asked.colorspace;
        pix.ycbcr_enc = asked.ycbcr_enc;
        pix.quantization = asked.quantization;
        pix.xfer_func = asked.xfer_func;
    }
    pix
}

/// [`nearest`], of a size within bounds: least width, most width, least height, most height. A bound of 0 is none.
#[must_use]
pub fn nearest_within(
    asked: &V4l2PixFormat,
    [min_width, max_width, min_height, max_height]: [u32; 4],
) -> V4l2PixFormat {
    let most = |bound: u32| if bound == 0 { u32::MAX } else { bound };
    let near = nearest(&V4l2PixFormat {
        width: asked.width.min(most(max_width)).max(min_width),
        height: asked.height.min(most(max_height)).max(min_height),
        ..*asked
    });
    // A format's granularity may have rounded up, beyond an odd bound.
    let fits = near.width <= most(max_width).max(2) && near.height <= most(max_height).max(2);
    if fits {
        return near;
    }
    nearest(&V4l2PixFormat {
        width: if near.width > most(max_width) { near.width.saturating_sub(2) } else { near.width },
        height: if near.height > most(max_height) { near.height.saturating_sub(2) } else { near.height },
        ..near
    })
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
        matches!(self.layout, Layout::Packed { .. } | Layout::Mosaic)
    }

    /// Width and height must be multiples of these (in pixels), because neighbours share colour.
    #[must_use]
    pub const fn granularity(&self) -> (u32, u32) {
        match self.layout {
            Layout::Packed { across, .. } => (across as u32, 1),
            Layout::Mosaic => (2, 2),
            Layout::Planar { across, down } | Layout::SemiPlanar { across, down } => {
                (across as u32, down as u32)
            }
            Layout::Compressed => (1, 1),
        }
    }

    /// The nearest size that a frame can have, in pixels: each dimension rounded down to the
    /// granularity, but never to 0.
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
    /// `None` if there is no such line: a width of 0, one that is not a multiple of the
    /// granularity, or one whose length does not fit.
    #[must_use]
    pub const fn bytesperline(&self, width: u32) -> Option<u32> {
        if width == 0 || width % self.granularity().0 != 0 {
            return None;
        }
        match self.layout {
            Layout::Packed { bits, .. } => fit_u32(width as u64 * bits as u64 / 8),
            Layout::Mosaic | Layout::Planar { .. } | Layout::SemiPlanar { .. } => fit_u32(width as u64),
            Layout::Compressed => Some(0),
        }
    }

    /// Bytes of a frame without padding, in pixels wide and high; for compressed formats a bound
    /// that no frame should exceed: two bytes a pixel, and at least 4096.
    ///
    /// `None` if there is no such frame: a size of 0, one that is not a multiple of the
    /// granularity, or one whose length does not fit.
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

    /// Bytes of a frame whose lines are so many bytes apart; in the planes of colour of planar
    /// formats the distance is smaller by what a sample of colour is wide, as V4L2 has it.
    ///
    /// `None` for compressed formats, for a height of 0 or not a multiple of the granularity, for
    /// a distance that leaves no whole one in the planes of colour, or for a length that does
    /// not fit.
    #[must_use]
    pub const fn sizeimage_with(&self, bytesperline: u32, height: u32) -> Option<u32> {
        let (across, down) = self.granularity();
        if bytesperline == 0 || height == 0 || height % down != 0 {
            return None;
        }
        let (stride, height) = (bytesperline as u64, height as u64);
        // Each product is below 2^64, and the planes of colour are not larger than that of luma.
        let colour = match self.layout {
            Layout::Compressed => return None,
            Layout::Packed { .. } | Layout::Mosaic => 0,
            Layout::Planar { .. } | Layout::SemiPlanar { .. } if bytesperline % across != 0 => return None,
            Layout::Planar { .. } | Layout::SemiPlanar { .. } => {
                stride / across as u64 * (height / down as u64)
            }
        };
        match fit_u32(colour) {
            Some(colour) => fit_u32((stride * height).saturating_add(2 * colour as u64)),
            None => None,
        }
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
            (fourcc::YUYV, 321, 240, None, None),
            (fourcc::GREY, 5, 3, Some(5), Some(15)),
            (fourcc::Y16, 4, 4, Some(8), Some(32)),
            (fourcc::RGB24, 5, 3, Some(15), Some(45)),
            (fourcc::XBGR32, 640, 480, Some(2560), Some(1_228_800)),
            (fourcc::Y41P, 8, 2, Some(12), Some(24)),
            (fourcc::YUV420, 320, 180, Some(320), Some(86_400)),
            (fourcc::YUV420, 320, 181, Some(320), None),
            (fourcc::NV12, 320, 180, Some(320), Some(86_400)),
            (fourcc::NV16, 2, 1, Some(2), Some(4)),
            (fourcc::NV24, 3, 3, Some(3), Some(27)),
            (fourcc::SGRBG8, 4, 4, Some(4), Some(16)),
            (fourcc::SGRBG8, 4, 3, Some(4), None),
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
        assert_eq!(of(fourcc::YUV410).sizeimage_with(66, 4), None);
        assert_eq!(of(fourcc::YUV420).sizeimage_with(64, 3), None);
        assert_eq!(of(fourcc::YUYV).sizeimage_with(0, 10), None);
        assert_eq!(of(fourcc::MJPEG).sizeimage_with(64, 4), None);
        assert_eq!(of(fourcc::GREY).sizeimage_with(u32::MAX, u32::MAX), None);
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
                assert_eq!(here, palette.frame_len(width, height), "{palette} {width}x{height}");
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
        assert_eq!((near.pixelformat, near.width, near.height), (fourcc::YUYV.0, 2, 2));
        let near = asked(fourcc::YUV420, u32::MAX, 101, 7);
        assert_eq!((near.width, near.height, near.sizeimage), (8192, 100, 8192 * 150));
        assert_eq!(asked(fourcc::MJPEG, 640, 480, 1).sizeimage, 614_400);
        assert_eq!(asked(fourcc::MJPEG, 640, 480, 1_000_000).sizeimage, 1_000_000);
        assert_eq!(asked(fourcc::MJPEG, 640, 480, u32::MAX).sizeimage, COMPRESSED_MAX);
        assert_eq!(asked(fourcc::MJPEG, 8192, 8192, u32::MAX).sizeimage, 2 * 8192 * 8192);
        let former = V4l2PixFormat { bytesperline: 4096, ..asked(fourcc::YUYV, 320, 240, 0) };
        assert_eq!(nearest(&former).bytesperline, 640);
        let coloured = V4l2PixFormat { colorspace: 3, quantization: 1, ..DEFAULT };
        assert_eq!(nearest(&coloured), coloured);
        assert_eq!(nearest(&V4l2PixFormat { quantization: 1, ..V4l2PixFormat::default() }).quantization, 0);
    }

    #[test]
    fn formats_are_filled() {
        let pix = of(fourcc::MJPEG).pix(640, 480).expect("a format");
        assert_eq!((pix.bytesperline, pix.sizeimage), (0, 614_400));
        assert_eq!((pix.field, pix.colorspace), (V4L2_FIELD_NONE, V4L2_COLORSPACE_JPEG));
        assert_eq!(pix.priv_, V4L2_PIX_FMT_PRIV_MAGIC);
        assert_eq!(of(fourcc::YUYV).pix(1, 1), None);
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
