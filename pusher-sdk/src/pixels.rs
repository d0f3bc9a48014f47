//! Pixel formats: a V4L1 palette or a V4L2 fourcc.

use std::fmt;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l2::fourcc::Fourcc;
use vloopback_abi::v4l2::pixel::{PixelFormat, Plane, SIZES};

use crate::planes::PlaneShape;

/// A pixel format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// By V4L1 palette.
    Palette(Palette),
    /// By V4L2 fourcc, also for formats without a V4L1 palette, such as NV12 or MJPG.
    Format(Fourcc),
}

impl From<Palette> for Pixels {
    fn from(palette: Palette) -> Self {
        Self::Palette(palette)
    }
}

impl From<Fourcc> for Pixels {
    fn from(fourcc: Fourcc) -> Self {
        Self::Format(fourcc)
    }
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Palette(palette) => palette.fmt(f),
            Self::Format(fourcc) => fourcc.fmt(f),
        }
    }
}

impl Pixels {
    /// Bytes of a frame of a size in pixels; of a compressed format the most that it can have. None if
    /// there is no such frame.
    #[must_use]
    pub fn frame_len(self, width: u32, height: u32) -> Option<usize> {
        match self {
            Self::Palette(palette) => palette.frame_len(width, height),
            Self::Format(fourcc) => {
                let sizes = SIZES.0..=SIZES.1;
                let format =
                    PixelFormat::of(fourcc).filter(|_| sizes.contains(&width) && sizes.contains(&height));
                format?.sizeimage(width, height).map(|len| len as usize)
            }
        }
    }

    /// Whether frames vary in length.
    #[must_use]
    pub fn is_compressed(self) -> bool {
        match self {
            Self::Palette(_) => false,
            Self::Format(fourcc) => PixelFormat::of(fourcc).is_some_and(|format| format.is_compressed()),
        }
    }

    /// Whether there are frames of this size in this format.
    pub(crate) fn fits(self, width: u32, height: u32) -> bool {
        match self {
            Self::Palette(palette) => {
                let (across, down) = palette.granularity();
                palette != Palette::Raw
                    && width != 0
                    && height != 0
                    && width % across == 0
                    && height % down == 0
            }
            Self::Format(_) => self.frame_len(width, height).is_some(),
        }
    }

    /// The possible sizes, for a message.
    pub(crate) fn rule(self) -> String {
        match self {
            Self::Palette(palette) if palette.depth() == 0 => {
                "the length of such a frame is not known: choose another palette".to_owned()
            }
            Self::Palette(palette) => match palette.granularity() {
                (1, 1) => "width and height must be above 0".to_owned(),
                (across, down) => {
                    format!("width must be a multiple of {across}, height of {down}, both above 0")
                }
            },
            Self::Format(fourcc) if PixelFormat::of(fourcc).is_none() => {
                "pipes do not carry that format: choose another".to_owned()
            }
            Self::Format(_) => format!("width and height must be from {} to {}", SIZES.0, SIZES.1),
        }
    }

    /// The planes of a frame, as [`crate::plane_shapes`] gives them.
    pub(crate) fn shapes(self, width: u32, height: u32) -> Vec<PlaneShape> {
        let fourcc = match self {
            Self::Palette(palette) => palette.fourcc(),
            Self::Format(fourcc) => Some(fourcc),
        };
        let format = fourcc.and_then(PixelFormat::of).filter(|_| self.frame_len(width, height).is_some());
        let planes = format
            .and_then(|format| format.planes(width, height, format.bytesperline(width)?))
            .unwrap_or_default();
        let shape = |plane: Plane| PlaneShape { line: plane.line as usize, lines: plane.lines as usize };
        planes.into_iter().filter(|plane| plane.lines != 0).map(shape).collect()
    }
}
