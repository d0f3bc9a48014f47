//! The V4L2 structures of formats, sizes and rates, 64-bit shape.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    Fourcc, V4L2_FRMIVAL_TYPE_DISCRETE, V4L2_FRMIVAL_TYPE_STEPWISE, V4L2_FRMSIZE_TYPE_DISCRETE,
    V4L2_FRMSIZE_TYPE_STEPWISE, V4l2Fract,
};
use crate::layout::{assert_layout, zero_default};

/// Description of a format of the list.
#[doc(alias = "v4l2_fmtdesc")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Fmtdesc {
    /// Number in the list, from 0; the caller sets it.
    pub index: u32,
    /// `V4L2_BUF_TYPE_*`; the caller sets it.
    pub type_: u32,
    /// Set of `V4L2_FMT_FLAG_*`.
    pub flags: u32,
    /// Description for people, NUL-terminated.
    pub description: [u8; 32],
    /// The format's [`Fourcc`].
    pub pixelformat: u32,
    /// Format on the bus of a camera chip, else 0.
    pub mbus_code: u32,
    /// Zero.
    pub reserved: [u32; 3],
}

/// Format of a picture in one piece of memory.
#[doc(alias = "v4l2_pix_format")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2PixFormat {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The format's [`Fourcc`].
    pub pixelformat: u32,
    /// `V4L2_FIELD_*`.
    pub field: u32,
    /// Bytes from a line to the next, of planar formats in the first plane; 0 for compressed
    /// ones.
    pub bytesperline: u32,
    /// Bytes of a frame, for compressed formats the most that it can have.
    pub sizeimage: u32,
    /// `V4L2_COLORSPACE_*`.
    pub colorspace: u32,
    /// `V4L2_PIX_FMT_PRIV_MAGIC` if the fields after it are filled.
    pub priv_: u32,
    /// Set of `V4L2_PIX_FMT_FLAG_*`.
    pub flags: u32,
    /// `V4L2_YCBCR_ENC_*`, a union with the HSV encoding.
    pub ycbcr_enc: u32,
    /// `V4L2_QUANTIZATION_*`.
    pub quantization: u32,
    /// `V4L2_XFER_FUNC_*`.
    pub xfer_func: u32,
}

impl V4l2PixFormat {
    /// The pixel format.
    #[must_use]
    pub const fn fourcc(&self) -> Fourcc {
        Fourcc(self.pixelformat)
    }
}

/// Format of a stream, 64-bit shape.
#[doc(alias = "v4l2_format")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Format {
    /// `V4L2_BUF_TYPE_*`; the caller sets it.
    pub type_: u32,
    /// Padding of the C structure, zero: the union is aligned to 8 bytes because one of its
    /// members has pointers.
    pub pad: [u8; 4],
    /// A union; see [`V4l2Format::pix`].
    pub fmt: [u8; 200],
}

/// Bytes of the union that the picture's format takes.
const PIX_LEN: usize = size_of::<V4l2PixFormat>();

impl V4l2Format {
    /// A picture's format of this buffer type, the rest of the union zero.
    #[must_use]
    pub fn with_pix(type_: u32, pix: V4l2PixFormat) -> V4l2Format {
        let mut format = V4l2Format { type_, ..V4l2Format::default() };
        format.set_pix(pix);
        format
    }

    /// The picture's format, for `V4L2_BUF_TYPE_VIDEO_CAPTURE` and `V4L2_BUF_TYPE_VIDEO_OUTPUT`.
    #[must_use]
    pub fn pix(&self) -> V4l2PixFormat {
        let mut pix = V4l2PixFormat::default();
        pix.as_mut_bytes().copy_from_slice(&self.fmt[..PIX_LEN]);
        pix
    }

    /// Sets the picture's format and clears the rest of the union.
    pub fn set_pix(&mut self, pix: V4l2PixFormat) {
        self.fmt[..PIX_LEN].copy_from_slice(pix.as_bytes());
        self.fmt[PIX_LEN..].fill(0);
    }
}

/// Frame rate of a capture stream.
#[doc(alias = "v4l2_captureparm")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Captureparm {
    /// Set of `V4L2_CAP_TIMEPERFRAME` and `V4L2_MODE_HIGHQUALITY`: what the device can do.
    pub capability: u32,
    /// `V4L2_MODE_HIGHQUALITY` or 0.
    pub capturemode: u32,
    /// Seconds a frame.
    pub timeperframe: V4l2Fract,
    /// Zero.
    pub extendedmode: u32,
    /// Buffers that read() uses.
    pub readbuffers: u32,
    /// Zero.
    pub reserved: [u32; 4],
}

/// Frame rate of an output stream.
#[doc(alias = "v4l2_outputparm")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Outputparm {
    /// Set of `V4L2_CAP_TIMEPERFRAME` and `V4L2_MODE_HIGHQUALITY`: what the device can do.
    pub capability: u32,
    /// `V4L2_MODE_HIGHQUALITY` or 0.
    pub outputmode: u32,
    /// Seconds a frame.
    pub timeperframe: V4l2Fract,
    /// Zero.
    pub extendedmode: u32,
    /// Buffers that write() uses.
    pub writebuffers: u32,
    /// Zero.
    pub reserved: [u32; 4],
}

/// Parameters of a stream.
#[doc(alias = "v4l2_streamparm")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Streamparm {
    /// `V4L2_BUF_TYPE_*`; the caller sets it.
    pub type_: u32,
    /// A union; see [`V4l2Streamparm::capture`] and [`V4l2Streamparm::output`].
    pub parm: [u8; 200],
}

/// Bytes of the union that a direction's parameters take; both take the same.
const PARM_LEN: usize = size_of::<V4l2Captureparm>();

impl V4l2Streamparm {
    /// The parameters of a capture stream.
    #[must_use]
    pub fn capture(&self) -> V4l2Captureparm {
        let mut parm = V4l2Captureparm::default();
        parm.as_mut_bytes().copy_from_slice(&self.parm[..PARM_LEN]);
        parm
    }

    /// Sets the parameters of a capture stream and clears the rest of the union.
    pub fn set_capture(&mut self, parm: V4l2Captureparm) {
        self.parm[..PARM_LEN].copy_from_slice(parm.as_bytes());
        self.parm[PARM_LEN..].fill(0);
    }

    /// The parameters of an output stream.
    #[must_use]
    pub fn output(&self) -> V4l2Outputparm {
        let mut parm = V4l2Outputparm::default();
        parm.as_mut_bytes().copy_from_slice(&self.parm[..PARM_LEN]);
        parm
    }

    /// Sets the parameters of an output stream and clears the rest of the union.
    pub fn set_output(&mut self, parm: V4l2Outputparm) {
        self.parm[..PARM_LEN].copy_from_slice(parm.as_bytes());
        self.parm[PARM_LEN..].fill(0);
    }
}

/// Sizes from a smallest to a largest in steps, all in pixels.
#[doc(alias = "v4l2_frmsize_stepwise")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2FrmsizeStepwise {
    /// Smallest width.
    pub min_width: u32,
    /// Largest width.
    pub max_width: u32,
    /// From a width to the next.
    pub step_width: u32,
    /// Smallest height.
    pub min_height: u32,
    /// Largest height.
    pub max_height: u32,
    /// From a height to the next.
    pub step_height: u32,
}

/// A frame size of the list.
#[doc(alias = "v4l2_frmsizeenum")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Frmsizeenum {
    /// Number in the list, from 0; the caller sets it.
    pub index: u32,
    /// [`Fourcc`]; the caller sets it.
    pub pixel_format: u32,
    /// `V4L2_FRMSIZE_TYPE_*`.
    pub type_: u32,
    /// A union of one size and a range: the size's width and height are where the range has its
    /// smallest and largest width. See [`V4l2Frmsizeenum::discrete`].
    pub size: V4l2FrmsizeStepwise,
    /// Zero.
    pub reserved: [u32; 2],
}

impl V4l2Frmsizeenum {
    /// Width and height in pixels, if this is one size.
    #[must_use]
    pub const fn discrete(&self) -> Option<(u32, u32)> {
        match self.type_ {
            V4L2_FRMSIZE_TYPE_DISCRETE => Some((self.size.min_width, self.size.max_width)),
            _ => None,
        }
    }

    /// Makes this one size, in pixels.
    pub fn set_discrete(&mut self, width: u32, height: u32) {
        self.type_ = V4L2_FRMSIZE_TYPE_DISCRETE;
        self.size =
            V4l2FrmsizeStepwise { min_width: width, max_width: height, ..V4l2FrmsizeStepwise::default() };
    }

    /// Makes this a range.
    pub const fn set_stepwise(&mut self, range: V4l2FrmsizeStepwise) {
        self.type_ = V4L2_FRMSIZE_TYPE_STEPWISE;
        self.size = range;
    }
}

/// Intervals from a shortest to a longest in steps, all in seconds.
#[doc(alias = "v4l2_frmival_stepwise")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2FrmivalStepwise {
    /// Shortest interval.
    pub min: V4l2Fract,
    /// Longest interval.
    pub max: V4l2Fract,
    /// From an interval to the next.
    pub step: V4l2Fract,
}

/// A frame interval of the list.
#[doc(alias = "v4l2_frmivalenum")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Frmivalenum {
    /// Number in the list, from 0; the caller sets it.
    pub index: u32,
    /// [`Fourcc`]; the caller sets it.
    pub pixel_format: u32,
    /// Width in pixels; the caller sets it.
    pub width: u32,
    /// Height in pixels; the caller sets it.
    pub height: u32,
    /// `V4L2_FRMIVAL_TYPE_*`.
    pub type_: u32,
    /// A union of one interval and a range: the interval is where the range has its shortest.
    /// See [`V4l2Frmivalenum::discrete`].
    pub interval: V4l2FrmivalStepwise,
    /// Zero.
    pub reserved: [u32; 2],
}

impl V4l2Frmivalenum {
    /// Seconds a frame, if this is one interval.
    #[must_use]
    pub const fn discrete(&self) -> Option<V4l2Fract> {
        match self.type_ {
            V4L2_FRMIVAL_TYPE_DISCRETE => Some(self.interval.min),
            _ => None,
        }
    }

    /// Makes this one interval, in seconds a frame.
    pub fn set_discrete(&mut self, interval: V4l2Fract) {
        self.type_ = V4L2_FRMIVAL_TYPE_DISCRETE;
        self.interval = V4l2FrmivalStepwise { min: interval, ..V4l2FrmivalStepwise::default() };
    }

    /// Makes this a range.
    pub const fn set_stepwise(&mut self, range: V4l2FrmivalStepwise) {
        self.type_ = V4L2_FRMIVAL_TYPE_STEPWISE;
        self.interval = range;
    }
}

zero_default! { V4l2Fmtdesc, V4l2Format, V4l2Streamparm }

assert_layout! {
    V4l2Fmtdesc: 64 {
        index: 0, type_: 4, flags: 8, description: 12, pixelformat: 44, mbus_code: 48, reserved: 52,
    }
    V4l2PixFormat: 48 {
        width: 0, height: 4, pixelformat: 8, field: 12, bytesperline: 16, sizeimage: 20,
        colorspace: 24, priv_: 28, flags: 32, ycbcr_enc: 36, quantization: 40, xfer_func: 44,
    }
    V4l2Format: 208 { type_: 0, pad: 4, fmt: 8 }
    V4l2Captureparm: 40 {
        capability: 0, capturemode: 4, timeperframe: 8, extendedmode: 16, readbuffers: 20,
        reserved: 24,
    }
    V4l2Outputparm: 40 {
        capability: 0, outputmode: 4, timeperframe: 8, extendedmode: 16, writebuffers: 20,
        reserved: 24,
    }
    V4l2Streamparm: 204 { type_: 0, parm: 4 }
    V4l2FrmsizeStepwise: 24 {
        min_width: 0, max_width: 4, step_width: 8, min_height: 12, max_height: 16, step_height: 20,
    }
    V4l2Frmsizeenum: 44 { index: 0, pixel_format: 4, type_: 8, size: 12, reserved: 36 }
    V4l2FrmivalStepwise: 24 { min: 0, max: 8, step: 16 }
    V4l2Frmivalenum: 52 {
        index: 0, pixel_format: 4, width: 8, height: 12, type_: 16, interval: 20, reserved: 44,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::{V4L2_BUF_TYPE_VIDEO_CAPTURE, fourcc};

    #[test]
    fn the_union_holds_a_picture_and_nothing_else() {
        let pix = V4l2PixFormat {
            width: 640,
            height: 480,
            pixelformat: fourcc::YUYV.0,
            xfer_func: 7,
            ..V4l2PixFormat::default()
        };
        let mut format = V4l2Format::with_pix(V4L2_BUF_TYPE_VIDEO_CAPTURE, pix);
        assert_eq!(format.pix(), pix);
        assert_eq!(format.pix().fourcc(), fourcc::YUYV);
        assert_eq!(format.fmt[8..12], *b"YUYV");
        format.fmt.fill(9);
        format.set_pix(pix);
        assert!(format.fmt[48..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn parameters_of_both_directions() {
        let mut parm = V4l2Streamparm::default();
        let rate = V4l2Fract { numerator: 1, denominator: 30 };
        parm.parm.fill(9);
        parm.set_capture(V4l2Captureparm { timeperframe: rate, readbuffers: 2, ..Default::default() });
        assert_eq!((parm.capture().timeperframe, parm.capture().readbuffers), (rate, 2));
        assert_eq!(parm.output().timeperframe, rate);
        parm.set_output(V4l2Outputparm { writebuffers: 3, ..Default::default() });
        assert_eq!(parm.output().writebuffers, 3);
        assert!(parm.parm[40..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn lists_of_sizes_and_intervals() {
        let mut size = V4l2Frmsizeenum::default();
        assert_eq!(size.discrete(), None);
        size.set_discrete(640, 480);
        assert_eq!(size.discrete(), Some((640, 480)));
        assert_eq!(size.as_bytes()[12..20], *[640u32, 480].as_bytes());
        size.set_stepwise(V4l2FrmsizeStepwise { max_height: 5, ..Default::default() });
        assert_eq!((size.discrete(), size.size.max_height), (None, 5));

        let mut interval = V4l2Frmivalenum::default();
        let rate = V4l2Fract { numerator: 1, denominator: 25 };
        interval.set_discrete(rate);
        assert_eq!(interval.discrete(), Some(rate));
        interval.set_stepwise(V4l2FrmivalStepwise { max: rate, ..Default::default() });
        assert_eq!((interval.discrete(), interval.interval.max), (None, rate));
    }
}
