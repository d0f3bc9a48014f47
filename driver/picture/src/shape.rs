//! How the bytes of each format's frames lie: one table, read in both directions.

use vloopback_abi::v4l2::fourcc::{self, Fourcc};
use vloopback_abi::v4l2::pixel::{Layout, PixelFormat};

/// What a frame is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Red, green and blue of each pixel.
    Rgb(RgbShape),
    /// Luma and colour.
    Yuv(YuvShape),
    /// One colour a pixel.
    Mosaic(MosaicShape),
    /// A JPEG picture.
    Jpeg,
}

/// A pixel of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RgbShape {
    /// A byte for each colour.
    Bytes {
        /// Bytes of a pixel.
        length: usize,
        /// Where red, green and blue are in it.
        at: [usize; 3],
    },
    /// Bits of a word.
    Word {
        /// Bytes of it: 1, 2 or 4.
        length: usize,
        /// Lowest bit and number of bits of red, green and blue.
        fields: [(u32, u32); 3],
        /// Bits that are set in every pixel: alpha.
        set: u32,
        /// The higher byte comes first.
        big_endian: bool,
    },
    /// The colour cube of the Bt848: 16 + 25 green + 5 red + blue, where green has 9 levels, red and
    /// blue have 5.
    Cube,
}

/// Luma and colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum YuvShape {
    /// Luma alone, a byte a pixel.
    Luma,
    /// Luma alone, a little-endian word of 16 bits a pixel in which luma's 8 bits begin at this one.
    WideLuma(u32),
    /// Bits of a little-endian word of 16 bits: the lowest and how many there are, of luma and both colours.
    Word([(u32, u32); 3]),
    /// Groups of neighbours.
    Packed(&'static Group),
    /// A plane each.
    Planar {
        /// Pixels that a sample of colour covers, in width and height.
        sampling: (usize, usize),
        /// V's plane comes before U's.
        v_first: bool,
    },
    /// One plane of luma, one of both colours in turn.
    SemiPlanar {
        /// Pixels that a sample of colour covers, in width and height.
        sampling: (usize, usize),
        /// V comes before U.
        v_first: bool,
        /// Bytes of a sample, the uppermost last.
        bytes: usize,
    },
}

/// One colour a pixel, in a pattern of two by two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MosaicShape {
    /// The colours of two pixels and of the two below them: 0 red, 1 green, 2 blue.
    pub pattern: [usize; 4],
    /// How the samples lie.
    pub samples: Samples,
}

/// How samples of eight bits and more lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Samples {
    /// A byte each.
    Bytes,
    /// A little-endian word of 16 bits each, in which the eight bits begin at this one.
    Words(u32),
    /// So many upper bytes, and then one byte with the lower bits of them all.
    Groups(usize),
}

/// Some neighbours of a line, and where their samples are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Bytes of it.
    pub length: usize,
    /// Where each pixel's luma is.
    pub luma: &'static [usize],
    /// Where the samples of colour are; each is shared by as many pixels.
    pub u: &'static [usize],
    /// The other colour's.
    pub v: &'static [usize],
    /// What stands in the bytes that are nothing of these.
    pub spare: u8,
}

const YUYV: Group = Group { length: 4, luma: &[0, 2], u: &[1], v: &[3], spare: 0 };
const YVYU: Group = Group { length: 4, luma: &[0, 2], u: &[3], v: &[1], spare: 0 };
const UYVY: Group = Group { length: 4, luma: &[1, 3], u: &[0], v: &[2], spare: 0 };
const VYUY: Group = Group { length: 4, luma: &[1, 3], u: &[2], v: &[0], spare: 0 };
const YYUV: Group = Group { length: 4, luma: &[0, 1], u: &[2], v: &[3], spare: 0 };
const Y41P: Group = Group { length: 12, luma: &[1, 3, 5, 7, 8, 9, 10, 11], u: &[0, 4], v: &[2, 6], spare: 0 };
const YUV24: Group = Group { length: 3, luma: &[0], u: &[1], v: &[2], spare: 0 };
const YUV32: Group = Group { length: 4, luma: &[1], u: &[2], v: &[3], spare: 255 };
const Y10P: Group = Group { length: 5, luma: &[0, 1, 2, 3], u: &[], v: &[], spare: 0 };

/// Bits of the first, second and third in words of 5-6-5 and so on: where each begins and how many there are.
const R565: [(u32, u32); 3] = [(11, 5), (5, 6), (0, 5)];
const R555: [(u32, u32); 3] = [(10, 5), (5, 5), (0, 5)];
const R444: [(u32, u32); 3] = [(8, 4), (4, 4), (0, 4)];
const BGR666: [(u32, u32); 3] = [(14, 6), (20, 6), (26, 6)];
const R332: [(u32, u32); 3] = [(5, 3), (2, 3), (0, 2)];

const RED: usize = 0;
const GREEN: usize = 1;
const BLUE: usize = 2;

impl YuvShape {
    /// Width and height in pixels of what a sample of colour covers.
    pub(crate) fn sampling(self) -> (usize, usize) {
        match self {
            // Nobody asks for it: the largest, so that little is worked out for nothing.
            YuvShape::Luma | YuvShape::WideLuma(_) => (4, 4),
            YuvShape::Packed(group) if group.u.is_empty() => (4, 4),
            YuvShape::Packed(group) => (group.luma.len() / group.u.len(), 1),
            YuvShape::Word(_) => (1, 1),
            YuvShape::Planar { sampling, .. } | YuvShape::SemiPlanar { sampling, .. } => sampling,
        }
    }
}

impl Shape {
    /// How a format's frames lie; `None` for those that are not made here.
    pub(crate) fn of(format: &PixelFormat) -> Option<Shape> {
        let v_first = matches!(
            format.fourcc,
            fourcc::YVU420 | fourcc::YVU410 | fourcc::NV21 | fourcc::NV61 | fourcc::NV42
        );
        let sampling = |across: u8, down: u8| (usize::from(across), usize::from(down));
        match format.layout {
            Layout::Planar { across, down } => {
                Some(Shape::Yuv(YuvShape::Planar { sampling: sampling(across, down), v_first }))
            }
            Layout::SemiPlanar { across, down, bytes } => Some(Shape::Yuv(YuvShape::SemiPlanar {
                sampling: sampling(across, down),
                v_first,
                bytes: bytes.into(),
            })),
            Layout::Packed { .. } => packed(format.fourcc),
            Layout::Mosaic { .. } => mosaic(format.fourcc),
            Layout::Compressed => {
                matches!(format.fourcc, fourcc::MJPEG | fourcc::JPEG).then_some(Shape::Jpeg)
            }
        }
    }
}

fn packed(format: Fourcc) -> Option<Shape> {
    let word = |fields, set, big_endian| Shape::Rgb(RgbShape::Word { length: 2, fields, set, big_endian });
    let bytes = |length, at| Shape::Rgb(RgbShape::Bytes { length, at });
    let group = |group| Shape::Yuv(YuvShape::Packed(group));
    Some(match format {
        fourcc::GREY => Shape::Yuv(YuvShape::Luma),
        fourcc::Y10 => Shape::Yuv(YuvShape::WideLuma(2)),
        fourcc::Y12 => Shape::Yuv(YuvShape::WideLuma(4)),
        fourcc::Y16 => Shape::Yuv(YuvShape::WideLuma(8)),
        fourcc::HI240 => Shape::Rgb(RgbShape::Cube),
        fourcc::RGB332 => Shape::Rgb(RgbShape::Word { length: 1, fields: R332, set: 0, big_endian: false }),
        fourcc::RGB444 => word(R444, 0, false),
        fourcc::RGB555 | fourcc::XRGB555 => word(R555, 0, false),
        fourcc::ARGB555 => word(R555, 0x8000, false),
        fourcc::RGB555X | fourcc::XRGB555X => word(R555, 0, true),
        fourcc::RGB565 => word(R565, 0, false),
        fourcc::RGB565X => word(R565, 0, true),
        fourcc::BGR666 => Shape::Rgb(RgbShape::Word { length: 4, fields: BGR666, set: 0, big_endian: true }),
        fourcc::RGB24 => bytes(3, [0, 1, 2]),
        fourcc::BGR24 => bytes(3, [2, 1, 0]),
        fourcc::BGR32 | fourcc::ABGR32 | fourcc::XBGR32 => bytes(4, [2, 1, 0]),
        fourcc::BGRA32 | fourcc::BGRX32 => bytes(4, [3, 2, 1]),
        fourcc::RGB32 | fourcc::ARGB32 | fourcc::XRGB32 => bytes(4, [1, 2, 3]),
        fourcc::RGBA32 | fourcc::RGBX32 => bytes(4, [0, 1, 2]),
        fourcc::YUYV => group(&YUYV),
        fourcc::YVYU => group(&YVYU),
        fourcc::UYVY => group(&UYVY),
        fourcc::VYUY => group(&VYUY),
        fourcc::YYUV => group(&YYUV),
        fourcc::Y10P => group(&Y10P),
        fourcc::YUV444 => Shape::Yuv(YuvShape::Word(R444)),
        fourcc::YUV555 => Shape::Yuv(YuvShape::Word(R555)),
        fourcc::YUV565 => Shape::Yuv(YuvShape::Word(R565)),
        fourcc::Y41P => group(&Y41P),
        fourcc::YUV24 => group(&YUV24),
        fourcc::YUV32 => group(&YUV32),
        _ => return None,
    })
}

fn mosaic(format: Fourcc) -> Option<Shape> {
    use Samples::{Bytes, Groups, Words};
    const BGGR: [usize; 4] = [BLUE, GREEN, GREEN, RED];
    const GBRG: [usize; 4] = [GREEN, BLUE, RED, GREEN];
    const GRBG: [usize; 4] = [GREEN, RED, BLUE, GREEN];
    const RGGB: [usize; 4] = [RED, GREEN, GREEN, BLUE];
    let (pattern, samples) = match format {
        fourcc::SBGGR8 => (BGGR, Bytes),
        fourcc::SGBRG8 => (GBRG, Bytes),
        fourcc::SGRBG8 => (GRBG, Bytes),
        fourcc::SRGGB8 => (RGGB, Bytes),
        fourcc::SBGGR10 => (BGGR, Words(2)),
        fourcc::SGBRG10 => (GBRG, Words(2)),
        fourcc::SGRBG10 => (GRBG, Words(2)),
        fourcc::SRGGB10 => (RGGB, Words(2)),
        fourcc::SBGGR10P => (BGGR, Groups(4)),
        fourcc::SGBRG10P => (GBRG, Groups(4)),
        fourcc::SGRBG10P => (GRBG, Groups(4)),
        fourcc::SRGGB10P => (RGGB, Groups(4)),
        fourcc::SBGGR12 => (BGGR, Words(4)),
        fourcc::SGBRG12 => (GBRG, Words(4)),
        fourcc::SGRBG12 => (GRBG, Words(4)),
        fourcc::SRGGB12 => (RGGB, Words(4)),
        fourcc::SBGGR12P => (BGGR, Groups(2)),
        fourcc::SGBRG12P => (GBRG, Groups(2)),
        fourcc::SGRBG12P => (GRBG, Groups(2)),
        fourcc::SRGGB12P => (RGGB, Groups(2)),
        fourcc::SBGGR16 => (BGGR, Words(8)),
        fourcc::SGBRG16 => (GBRG, Words(8)),
        fourcc::SGRBG16 => (GRBG, Words(8)),
        fourcc::SRGGB16 => (RGGB, Words(8)),
        _ => return None,
    };
    Some(Shape::Mosaic(MosaicShape { pattern, samples }))
}
