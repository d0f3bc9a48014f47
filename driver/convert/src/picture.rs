//! Which formats can be converted, and where a frame's samples lie.

use vloopback_abi::v4l2::{Fourcc, PixelFormat, fourcc};

/// How many bits a sample has, and how it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// A byte.
    Byte,
    /// So many lower bits of a little-endian word of 16 bits.
    Word(u32),
    /// 10 bits: the upper eight of four samples, then a byte with the rest.
    Ten,
    /// 12 bits: the upper eight of two samples, then a byte with the rest.
    Twelve,
}

/// The order of the four bytes of two pixels that share their colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Yuyv,
    Yvyu,
    Uyvy,
    Vyuy,
    Yyuv,
}

/// The order of a frame's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Four bytes are two pixels, which share their colour.
    Pairs(Order),
    /// A plane of luma, and colour differences that `across` by `down` pixels share, in planes of their own or in one.
    Planes { across: usize, down: usize, together: bool, swapped: bool },
    /// As NV12, of 16-bit words of which the upper bits count.
    Words,
    /// Luma alone.
    Grey(Depth),
    /// A pixel's bytes, and which of them are red, green and blue, or luma and the differences. What is left is 255.
    Whole { bytes: usize, at: [usize; 3], rgb: bool },
    /// A word of 16 bits a pixel: so many bits of red, green and blue, the last in the lowest.
    Short { bits: [u32; 3], big: bool },
    /// One colour a pixel: in which column and line of two by two is red. Blue is in the other ones.
    Mosaic { depth: Depth, red: (usize, usize) },
    /// A JPEG picture.
    Jpeg,
}

impl Kind {
    /// Whether it has red, green and blue.
    pub(crate) fn is_rgb(self) -> bool {
        matches!(self, Kind::Whole { rgb: true, .. } | Kind::Short { .. } | Kind::Mosaic { .. })
    }

    /// How many pixels share a sample of colour: across and down.
    pub(crate) fn sharing(self) -> (usize, usize) {
        match self {
            Kind::Pairs(_) => (2, 1),
            Kind::Planes { across, down, .. } => (across, down),
            Kind::Words => (2, 2),
            _ => (1, 1),
        }
    }
}

const fn planes(across: usize, down: usize, together: bool, swapped: bool) -> Kind {
    Kind::Planes { across, down, together, swapped }
}

const fn rgb(bytes: usize, at: [usize; 3]) -> Kind {
    Kind::Whole { bytes, at, rgb: true }
}

const fn yuv(bytes: usize, at: [usize; 3]) -> Kind {
    Kind::Whole { bytes, at, rgb: false }
}

const fn short(bits: [u32; 3], big: bool) -> Kind {
    Kind::Short { bits, big }
}

const fn mosaic(depth: Depth, red: (usize, usize)) -> Kind {
    Kind::Mosaic { depth, red }
}

/// The formats that frames can be had in, the ones that most programs know first.
const BOTH: &[(Fourcc, Kind)] = &[
    (fourcc::YUYV, Kind::Pairs(Order::Yuyv)),
    (fourcc::YUV420, planes(2, 2, false, false)),
    (fourcc::NV12, planes(2, 2, true, false)),
    (fourcc::RGB24, rgb(3, [0, 1, 2])),
    (fourcc::BGR24, rgb(3, [2, 1, 0])),
    (fourcc::XBGR32, rgb(4, [2, 1, 0])),
    (fourcc::UYVY, Kind::Pairs(Order::Uyvy)),
    (fourcc::YVU420, planes(2, 2, false, true)),
    (fourcc::NV21, planes(2, 2, true, true)),
    (fourcc::GREY, Kind::Grey(Depth::Byte)),
    (fourcc::YVYU, Kind::Pairs(Order::Yvyu)),
    (fourcc::VYUY, Kind::Pairs(Order::Vyuy)),
    (fourcc::YUV422P, planes(2, 1, false, false)),
    (fourcc::NV16, planes(2, 1, true, false)),
    (fourcc::NV61, planes(2, 1, true, true)),
    (fourcc::XRGB32, rgb(4, [1, 2, 3])),
    (fourcc::BGR32, rgb(4, [2, 1, 0])),
    (fourcc::RGB32, rgb(4, [1, 2, 3])),
    (fourcc::ABGR32, rgb(4, [2, 1, 0])),
    (fourcc::RGBA32, rgb(4, [0, 1, 2])),
    (fourcc::RGBX32, rgb(4, [0, 1, 2])),
    (fourcc::ARGB32, rgb(4, [1, 2, 3])),
    (fourcc::RGB565, short([5, 6, 5], false)),
    (fourcc::RGB555, short([5, 5, 5], false)),
    (fourcc::XRGB555, short([5, 5, 5], false)),
    (fourcc::NV24, planes(1, 1, true, false)),
    (fourcc::NV42, planes(1, 1, true, true)),
    (fourcc::YUV24, yuv(3, [0, 1, 2])),
    (fourcc::YUV32, yuv(4, [1, 2, 3])),
    (fourcc::YUV411P, planes(4, 1, false, false)),
];

/// The formats that frames can be converted from besides.
const FROM: &[(Fourcc, Kind)] = &[
    (fourcc::MJPEG, Kind::Jpeg),
    (fourcc::JPEG, Kind::Jpeg),
    (fourcc::Y10, Kind::Grey(Depth::Word(10))),
    (fourcc::Y12, Kind::Grey(Depth::Word(12))),
    (fourcc::Y16, Kind::Grey(Depth::Word(16))),
    (fourcc::Y10P, Kind::Grey(Depth::Ten)),
    (fourcc::P010, Kind::Words),
    (fourcc::YYUV, Kind::Pairs(Order::Yyuv)),
    (fourcc::YUV410, planes(4, 4, false, false)),
    (fourcc::YVU410, planes(4, 4, false, true)),
    (fourcc::BGRA32, rgb(4, [3, 2, 1])),
    (fourcc::BGRX32, rgb(4, [3, 2, 1])),
    (fourcc::RGB444, short([4, 4, 4], false)),
    (fourcc::ARGB555, short([5, 5, 5], false)),
    (fourcc::RGB555X, short([5, 5, 5], true)),
    (fourcc::XRGB555X, short([5, 5, 5], true)),
    (fourcc::RGB565X, short([5, 6, 5], true)),
    (fourcc::SBGGR8, mosaic(Depth::Byte, (1, 1))),
    (fourcc::SGBRG8, mosaic(Depth::Byte, (0, 1))),
    (fourcc::SGRBG8, mosaic(Depth::Byte, (1, 0))),
    (fourcc::SRGGB8, mosaic(Depth::Byte, (0, 0))),
    (fourcc::SBGGR10, mosaic(Depth::Word(10), (1, 1))),
    (fourcc::SGBRG10, mosaic(Depth::Word(10), (0, 1))),
    (fourcc::SGRBG10, mosaic(Depth::Word(10), (1, 0))),
    (fourcc::SRGGB10, mosaic(Depth::Word(10), (0, 0))),
    (fourcc::SBGGR10P, mosaic(Depth::Ten, (1, 1))),
    (fourcc::SGBRG10P, mosaic(Depth::Ten, (0, 1))),
    (fourcc::SGRBG10P, mosaic(Depth::Ten, (1, 0))),
    (fourcc::SRGGB10P, mosaic(Depth::Ten, (0, 0))),
    (fourcc::SBGGR12, mosaic(Depth::Word(12), (1, 1))),
    (fourcc::SGBRG12, mosaic(Depth::Word(12), (0, 1))),
    (fourcc::SGRBG12, mosaic(Depth::Word(12), (1, 0))),
    (fourcc::SRGGB12, mosaic(Depth::Word(12), (0, 0))),
    (fourcc::SBGGR12P, mosaic(Depth::Twelve, (1, 1))),
    (fourcc::SGBRG12P, mosaic(Depth::Twelve, (0, 1))),
    (fourcc::SGRBG12P, mosaic(Depth::Twelve, (1, 0))),
    (fourcc::SRGGB12P, mosaic(Depth::Twelve, (0, 0))),
    (fourcc::SBGGR16, mosaic(Depth::Word(16), (1, 1))),
    (fourcc::SGBRG16, mosaic(Depth::Word(16), (0, 1))),
    (fourcc::SGRBG16, mosaic(Depth::Word(16), (1, 0))),
    (fourcc::SRGGB16, mosaic(Depth::Word(16), (0, 0))),
];

fn kind_in(list: &[(Fourcc, Kind)], format: Fourcc) -> Option<Kind> {
    list.iter().find(|(fourcc, _)| *fourcc == format).map(|(_, kind)| *kind)
}

fn kind_of(format: Fourcc) -> Option<Kind> {
    kind_in(BOTH, format).or_else(|| kind_in(FROM, format))
}

/// The formats that a frame of `from` can be had in, without its own: those that most programs know come first.
pub fn others(from: Fourcc) -> impl Iterator<Item = Fourcc> {
    let known = kind_of(from).is_some();
    BOTH.iter().map(|(fourcc, _)| *fourcc).filter(move |fourcc| known && *fourcc != from)
}

/// Whether frames of one format can be had in the other. (Of some formats frames can be converted, but not made: JPEG,
/// those of more than 8 bits, Bayer's patterns.)
pub fn can(from: Fourcc, to: Fourcc) -> bool {
    kind_of(from).is_some() && kind_in(BOTH, to).is_some()
}

/// The shape of a frame in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub(crate) kind: Kind,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Bytes from a line to the next, in each plane. Of planes with V first U's comes second all the same.
    pub(crate) strides: [usize; 3],
    /// Bytes of each plane; 0: there is no such plane.
    lens: [usize; 3],
    /// Whether it can be made.
    pub(crate) to: bool,
}

impl Picture {
    /// A frame of this format, with lines of `line` bytes (of planar formats in the first plane; of compressed ones it
    /// means nothing). None: a format that cannot be converted, no pixels, lines that are too short, or more bytes than
    /// an int holds.
    pub fn new(format: Fourcc, width: u32, height: u32, line: u32) -> Option<Self> {
        let kind = kind_of(format)?;
        let known = PixelFormat::of(format)?;
        let (mut strides, mut lens) = ([0; 3], [0; 3]);
        if known.is_compressed() {
            known.sizeimage(width, height)?;
        } else {
            for (at, plane) in known.planes(width, height, line)?.iter().enumerate() {
                strides[at] = plane.stride as usize;
                lens[at] = (plane.stride * plane.lines) as usize;
            }
        }
        let to = kind_in(BOTH, format).is_some();
        Some(Self { kind, width: width as usize, height: height as usize, strides, lens, to })
    }

    /// Bytes that a frame has at least; of a JPEG picture 0. None: more than an address has room for.
    pub fn frame_len(&self) -> Option<usize> {
        self.lens.iter().try_fold(0_usize, |sum, len| sum.checked_add(*len))
    }

    /// A frame's planes. `frame` has [`Picture::frame_len`] bytes.
    pub(crate) fn view<'a>(&self, frame: &'a [u8]) -> View<'a> {
        let (first, rest) = frame.split_at(self.lens[0]);
        let (one, other) = rest.split_at(self.lens[1]);
        let planes = if self.is_swapped() { [first, other, one] } else { [first, one, other] };
        View { kind: self.kind, width: self.width, height: self.height, strides: self.strides, planes }
    }

    /// The planes of a frame that is made, as [`Picture::view`].
    pub(crate) fn canvas<'a>(&self, frame: &'a mut [u8]) -> Canvas<'a> {
        let (first, rest) = frame.split_at_mut(self.lens[0]);
        let (one, other) = rest.split_at_mut(self.lens[1]);
        let planes = if self.is_swapped() { [first, other, one] } else { [first, one, other] };
        Canvas { kind: self.kind, width: self.width, height: self.height, strides: self.strides, planes }
    }

    /// Whether the plane of V comes first.
    fn is_swapped(&self) -> bool {
        matches!(self.kind, Kind::Planes { together: false, swapped: true, .. })
    }
}

/// A frame's planes, to read.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) kind: Kind,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) strides: [usize; 3],
    /// The whole frame or luma; then colour, if it is apart: U and V, or both.
    pub(crate) planes: [&'a [u8]; 3],
}

impl<'a> View<'a> {
    /// A line of a plane, and what lies behind it.
    #[inline(always)]
    pub(crate) fn line(&self, plane: usize, y: usize) -> &'a [u8] {
        &self.planes[plane][y * self.strides[plane]..]
    }
}

/// A frame's planes, to write.
pub(crate) struct Canvas<'a> {
    pub(crate) kind: Kind,
    pub(crate) width: usize,
    pub(crate) height: usize,
    strides: [usize; 3],
    planes: [&'a mut [u8]; 3],
}

impl Canvas<'_> {
    /// A line of a plane from a byte on, and what lies behind it.
    #[inline(always)]
    pub(crate) fn line(&mut self, plane: usize, y: usize, byte: usize) -> &mut [u8] {
        &mut self.planes[plane][y * self.strides[plane] + byte..]
    }
}
