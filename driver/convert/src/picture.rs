//! Where a frame's samples lie.

use vloopback_abi::v4l2::{Fourcc, fourcc};

/// The order of a frame's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Four bytes are two pixels, which share their colour: where the first luma is, and the colour differences.
    Pairs { y: usize, u: usize, v: usize },
    /// A plane of luma, and colour differences that `across` by `down` pixels share, in planes of their own or in one.
    Planes { across: usize, down: usize, together: bool, swapped: bool },
    /// Luma alone.
    Grey,
    /// A pixel's bytes, and which of them are red, green and blue. What is left is 255.
    Rgb { bytes: usize, at: [usize; 3] },
}

const fn pairs(y: usize, u: usize, v: usize) -> Kind {
    Kind::Pairs { y, u, v }
}

const fn planes(across: usize, down: usize, together: bool, swapped: bool) -> Kind {
    Kind::Planes { across, down, together, swapped }
}

const fn rgb(bytes: usize, at: [usize; 3]) -> Kind {
    Kind::Rgb { bytes, at }
}

/// The formats that can be converted, the ones that most programs know first.
const KINDS: &[(Fourcc, Kind)] = &[
    (fourcc::YUYV, pairs(0, 1, 3)),
    (fourcc::YUV420, planes(2, 2, false, false)),
    (fourcc::NV12, planes(2, 2, true, false)),
    (fourcc::RGB24, rgb(3, [0, 1, 2])),
    (fourcc::BGR24, rgb(3, [2, 1, 0])),
    (fourcc::XBGR32, rgb(4, [2, 1, 0])),
    (fourcc::UYVY, pairs(1, 0, 2)),
    (fourcc::YVU420, planes(2, 2, false, true)),
    (fourcc::NV21, planes(2, 2, true, true)),
    (fourcc::GREY, Kind::Grey),
    (fourcc::YVYU, pairs(0, 3, 1)),
    (fourcc::VYUY, pairs(1, 2, 0)),
    (fourcc::YUV422P, planes(2, 1, false, false)),
    (fourcc::NV16, planes(2, 1, true, false)),
    (fourcc::XRGB32, rgb(4, [1, 2, 3])),
    (fourcc::BGR32, rgb(4, [2, 1, 0])),
    (fourcc::RGB32, rgb(4, [1, 2, 3])),
];

/// The formats that a frame of `from` can be had in, without its own: those that most programs know come first.
pub fn others(from: Fourcc) -> impl Iterator<Item = Fourcc> {
    let known = kind_of(from).is_some();
    KINDS.iter().map(|(fourcc, _)| *fourcc).filter(move |fourcc| known && *fourcc != from)
}

/// Whether frames of one format can be had in the other.
pub fn can(from: Fourcc, to: Fourcc) -> bool {
    kind_of(from).is_some() && kind_of(to).is_some()
}

fn kind_of(format: Fourcc) -> Option<Kind> {
    KINDS.iter().find(|(fourcc, _)| *fourcc == format).map(|(_, kind)| *kind)
}

/// The shape of a frame in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub(crate) kind: Kind,
    pub(crate) width: usize,
    pub(crate) height: usize,
    line: usize,
}

impl Picture {
    /// A frame of this format, with lines of `line` bytes (of planar formats in the first plane). None: a format that
    /// cannot be converted, no pixels, or lines that are too short.
    pub fn new(format: Fourcc, width: u32, height: u32, line: u32) -> Option<Self> {
        let kind = kind_of(format)?;
        let (width, height, line) = (width as usize, height as usize, line as usize);
        let needed = match kind {
            Kind::Pairs { .. } => width.div_ceil(2) * 4,
            Kind::Planes { .. } | Kind::Grey => width,
            Kind::Rgb { bytes, .. } => width * bytes,
        };
        (width != 0 && height != 0 && line >= needed).then_some(Self { kind, width, height, line })
    }

    /// Bytes that a frame has at least. None: more than an address has room for.
    pub fn frame_len(&self) -> Option<usize> {
        let luma = self.line.checked_mul(self.height)?;
        match self.kind {
            Kind::Planes { across, down, .. } => {
                let colour = self.line.div_ceil(across).checked_mul(2)?;
                luma.checked_add(colour.checked_mul(self.height.div_ceil(down))?)
            }
            _ => Some(luma),
        }
    }

    /// Where the luma of a pixel is.
    #[inline]
    pub(crate) fn luma(&self, x: usize, y: usize) -> usize {
        let line = y * self.line;
        match self.kind {
            Kind::Pairs { y, .. } => line + 2 * x + y,
            Kind::Rgb { bytes, .. } => line + bytes * x,
            Kind::Planes { .. } | Kind::Grey => line + x,
        }
    }

    /// Where the colour differences of a pixel are. None: it has none.
    #[inline]
    pub(crate) fn colour(&self, x: usize, y: usize) -> Option<(usize, usize)> {
        match self.kind {
            Kind::Pairs { u, v, .. } => {
                let at = y * self.line + x / 2 * 4;
                Some((at + u, at + v))
            }
            Kind::Planes { across, down, together, swapped } => {
                let (line, lines) = (self.line.div_ceil(across), self.height.div_ceil(down));
                let base = self.line * self.height;
                let (one, other) = if together {
                    let at = base + y / down * line * 2 + x / across * 2;
                    (at, at + 1)
                } else {
                    let at = base + y / down * line + x / across;
                    (at, at + line * lines)
                };
                Some(if swapped { (other, one) } else { (one, other) })
            }
            Kind::Grey | Kind::Rgb { .. } => None,
        }
    }

    /// How many pixels share a sample of colour: across and down.
    pub(crate) fn sharing(&self) -> (usize, usize) {
        match self.kind {
            Kind::Pairs { .. } => (2, 1),
            Kind::Planes { across, down, .. } => (across, down),
            Kind::Grey | Kind::Rgb { .. } => (1, 1),
        }
    }
}
