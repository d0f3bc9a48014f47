//! Rectangles and fractions, and the V4L2 structures that are made of them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::layout::{assert_layout, zero_default};

/// A rectangle in pixels.
#[doc(alias = "v4l2_rect")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Rect {
    /// Left edge.
    pub left: i32,
    /// Upper edge.
    pub top: i32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A fraction: seconds a frame, or the shape of a pixel.
#[doc(alias = "v4l2_fract")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Fract {
    /// Above the line.
    pub numerator: u32,
    /// Below the line.
    pub denominator: u32,
}

/// The largest and the default rectangle that can be cropped.
#[doc(alias = "v4l2_cropcap")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Cropcap {
    /// `V4L2_BUF_TYPE_*`; the caller sets it.
    pub type_: u32,
    /// The largest rectangle.
    pub bounds: V4l2Rect,
    /// The default rectangle.
    pub defrect: V4l2Rect,
    /// Height to width of a pixel.
    pub pixelaspect: V4l2Fract,
}

/// The cropped rectangle.
#[doc(alias = "v4l2_crop")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Crop {
    /// `V4L2_BUF_TYPE_*`; the caller sets it.
    pub type_: u32,
    /// The rectangle.
    pub c: V4l2Rect,
}

/// One of a node's rectangles: of the picture cropped, or of the buffer composed into.
#[doc(alias = "v4l2_selection")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Selection {
    /// `V4L2_BUF_TYPE_*`; the caller sets it.
    pub type_: u32,
    /// `V4L2_SEL_TGT_*`; the caller sets it.
    pub target: u32,
    /// Set of `V4L2_SEL_FLAG_*`.
    pub flags: u32,
    /// The rectangle.
    pub r: V4l2Rect,
    /// Zero.
    pub reserved: [u32; 9],
}

zero_default! { V4l2Cropcap, V4l2Crop, V4l2Selection }

assert_layout! {
    V4l2Rect: 16 { left: 0, top: 4, width: 8, height: 12 }
    V4l2Fract: 8 { numerator: 0, denominator: 4 }
    V4l2Cropcap: 44 { type_: 0, bounds: 4, defrect: 20, pixelaspect: 36 }
    V4l2Crop: 20 { type_: 0, c: 4 }
    V4l2Selection: 64 { type_: 0, target: 4, flags: 8, r: 12, reserved: 28 }
}
