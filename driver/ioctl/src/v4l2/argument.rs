//! Arguments of V4L2 requests on their way in and out.
//!
//! Besides copying, the kernel changes every driver's arguments: it clears fields that the
//! program may not set, replaces invalid colours by the default, and marks which fields are filled.
//! The same is done here, once, so that no handler has to.
//!
//! Handlers see the 64-bit shape of all arguments: [`fetch`] and [`store`] convert those of 32-bit programs.

use vloopback_abi::v4l2::shapes32::{
    V4l2Buffer32, V4l2Buffer32Time64, V4l2CreateBuffers32, V4l2Event32, V4l2Event32Time64, V4l2ExtControls32,
    V4l2Format32, V4l2Input32, V4l2Standard32,
};
use vloopback_abi::v4l2::{
    V4L2_BUF_FLAG_REQUEST_FD, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_OUTPUT,
    V4L2_COLORSPACE_DCI_P3, V4L2_HSV_ENC_180, V4L2_HSV_ENC_256, V4L2_MODE_HIGHQUALITY,
    V4L2_PIX_FMT_PRIV_MAGIC, V4L2_QUANTIZATION_LIM_RANGE, V4L2_XFER_FUNC_SMPTE2084, V4L2_YCBCR_ENC_SMPTE240M,
    V4l2Audio, V4l2Buffer, V4l2Capability, V4l2Control, V4l2CreateBuffers, V4l2Crop, V4l2Cropcap, V4l2Event,
    V4l2EventSubscription, V4l2Exportbuffer, V4l2ExtControls, V4l2Fmtdesc, V4l2Format, V4l2Frequency,
    V4l2FrequencyBand, V4l2Frmivalenum, V4l2Frmsizeenum, V4l2Input, V4l2Output, V4l2PixFormat,
    V4l2QueryExtCtrl, V4l2Queryctrl, V4l2Querymenu, V4l2Requestbuffers, V4l2Selection, V4l2Standard,
    V4l2Streamparm, V4l2Tuner, is_output,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{Errno, UserMemory};

/// Which shape an argument has in the program's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The 64-bit one, or the only one.
    Wide,
    /// The 32-bit one.
    Narrow,
    /// The one of a 32-bit program with a 64-bit `time_t`.
    NarrowTime64,
}

/// Another shape of a value.
pub(super) trait ShapeOf<T>: FromBytes + IntoBytes + Immutable + Into<T> + TryFrom<T> {}

impl<T, N: FromBytes + IntoBytes + Immutable + Into<T> + TryFrom<T>> ShapeOf<T> for N {}

/// A value that V4L2 requests carry.
pub(super) trait Argument: FromBytes + IntoBytes + Immutable + Sized {
    /// Its 32-bit shape.
    type Narrow: ShapeOf<Self>;
    /// Its shape in a 32-bit program with a 64-bit `time_t`.
    type NarrowTime64: ShapeOf<Self>;

    /// Done to a program's value before the handler sees it.
    fn enter(&mut self) {}

    /// Done to a handler's answer before the program sees it.
    fn leave(&mut self) {}
}

/// Reads a program's value. The program sets its first `kept` bytes (in the 64-bit shape); the rest is zero.
pub(super) fn fetch<T: Argument, M: UserMemory + ?Sized>(
    mem: &M,
    shape: Shape,
    addr: usize,
    kept: usize,
) -> Result<T, Errno> {
    let mut value = match shape {
        Shape::Wide => {
            let mut value = T::new_zeroed();
            mem.read(addr, &mut value.as_mut_bytes()[..kept])?;
            value
        }
        Shape::Narrow => widened::<T, T::Narrow, M>(mem, addr, kept)?,
        Shape::NarrowTime64 => widened::<T, T::NarrowTime64, M>(mem, addr, kept)?,
    };
    value.enter();
    Ok(value)
}

/// Reads a value of another shape, all of it as the kernel does, and clears what is not kept.
fn widened<T, N, M>(mem: &M, addr: usize, kept: usize) -> Result<T, Errno>
where
    T: Argument,
    N: ShapeOf<T>,
    M: UserMemory + ?Sized,
{
    let mut narrow = N::new_zeroed();
    mem.read(addr, narrow.as_mut_bytes())?;
    let mut value: T = narrow.into();
    value.as_mut_bytes()[kept..].fill(0);
    Ok(value)
}

/// Writes an answer.
pub(super) fn store<T: Argument, M: UserMemory + ?Sized>(
    mem: &M,
    shape: Shape,
    addr: usize,
    mut value: T,
) -> Result<(), Errno> {
    value.leave();
    match shape {
        Shape::Wide => Ok(mem.write(addr, value.as_bytes())?),
        Shape::Narrow => narrowed::<T, T::Narrow, M>(mem, addr, value),
        Shape::NarrowTime64 => narrowed::<T, T::NarrowTime64, M>(mem, addr, value),
    }
}

/// Writes a value in another shape.
fn narrowed<T, N, M>(mem: &M, addr: usize, value: T) -> Result<(), Errno>
where
    N: ShapeOf<T>,
    M: UserMemory + ?Sized,
{
    let narrow = N::try_from(value).map_err(|_| Errno::EOVERFLOW)?;
    Ok(mem.write(addr, narrow.as_bytes())?)
}

/// The 32-bit shapes of a value; its own where it has no other.
macro_rules! shapes {
    () => {
        shapes!(Self);
    };
    ($narrow:ty) => {
        shapes!($narrow, $narrow);
    };
    ($narrow:ty, $time64:ty) => {
        type Narrow = $narrow;
        type NarrowTime64 = $time64;
    };
}

/// Values that pass as they are.
macro_rules! as_they_are {
    ($($ty:ty),* $(,)?) => {$(
        impl Argument for $ty {
            shapes!();
        }
    )*};
}

as_they_are! {
    i32, u32, u64, V4l2Audio, V4l2Capability, V4l2Control, V4l2Crop, V4l2Cropcap,
    V4l2EventSubscription, V4l2Exportbuffer, V4l2Fmtdesc, V4l2Frequency, V4l2FrequencyBand,
    V4l2Frmivalenum, V4l2Frmsizeenum, V4l2Output, V4l2QueryExtCtrl, V4l2Queryctrl, V4l2Querymenu,
    V4l2Selection, V4l2Tuner,
}

impl Argument for V4l2Input {
    shapes!(V4l2Input32);
}

impl Argument for V4l2Standard {
    shapes!(V4l2Standard32);
}

impl Argument for V4l2Event {
    shapes!(V4l2Event32, V4l2Event32Time64);
}

impl Argument for V4l2Buffer {
    shapes!(V4l2Buffer32, V4l2Buffer32Time64);

    fn leave(&mut self) {
        self.reserved2 = 0;
        if self.flags & V4L2_BUF_FLAG_REQUEST_FD == 0 {
            self.request_fd = 0;
        }
    }
}

impl Argument for V4l2Requestbuffers {
    shapes!();

    fn enter(&mut self) {
        self.capabilities = 0;
    }
}

impl Argument for V4l2CreateBuffers {
    shapes!(V4l2CreateBuffers32);

    fn enter(&mut self) {
        self.capabilities = 0;
        self.format.enter();
    }

    fn leave(&mut self) {
        self.format.leave();
    }
}

impl Argument for V4l2ExtControls {
    shapes!(V4l2ExtControls32);

    fn enter(&mut self) {
        self.reserved = 0;
        self.error_idx = self.count;
    }
}

/// Whether the format of this buffer type is one of a picture in one piece of memory.
const fn is_picture(buf_type: u32) -> bool {
    matches!(buf_type, V4L2_BUF_TYPE_VIDEO_CAPTURE | V4L2_BUF_TYPE_VIDEO_OUTPUT)
}

impl Argument for V4l2Format {
    shapes!(V4l2Format32);

    fn enter(&mut self) {
        if is_picture(self.type_) {
            let mut pix = self.pix();
            tidy(&mut pix);
            self.set_pix(pix);
        }
    }

    fn leave(&mut self) {
        if is_picture(self.type_) {
            let pix = V4l2PixFormat { priv_: V4L2_PIX_FMT_PRIV_MAGIC, ..self.pix() };
            self.set_pix(pix);
        }
    }
}

/// Clears the fields that an old program does not know of, and colours that do not exist.
fn tidy(pix: &mut V4l2PixFormat) {
    if pix.priv_ != V4L2_PIX_FMT_PRIV_MAGIC {
        // The program was written before these fields: it left chance in them.
        pix.priv_ = V4L2_PIX_FMT_PRIV_MAGIC;
        pix.flags = 0;
        pix.ycbcr_enc = 0;
        pix.quantization = 0;
        pix.xfer_func = 0;
    }
    if pix.colorspace > V4L2_COLORSPACE_DCI_P3 {
        pix.colorspace = 0;
    }
    if pix.colorspace == 0 {
        // The others refine a colorspace; without one they say nothing.
        pix.ycbcr_enc = 0;
        pix.quantization = 0;
        pix.xfer_func = 0;
    }
    let is_hsv = matches!(&pix.fourcc().bytes(), b"HSV3" | b"HSV4");
    let is_encoding = match is_hsv {
        true => matches!(pix.ycbcr_enc, V4L2_HSV_ENC_180 | V4L2_HSV_ENC_256),
        false => pix.ycbcr_enc <= V4L2_YCBCR_ENC_SMPTE240M,
    };
    if !is_encoding {
        pix.ycbcr_enc = 0;
    }
    if pix.quantization > V4L2_QUANTIZATION_LIM_RANGE {
        pix.quantization = 0;
    }
    if pix.xfer_func > V4L2_XFER_FUNC_SMPTE2084 {
        pix.xfer_func = 0;
    }
}

impl Argument for V4l2Streamparm {
    shapes!();

    fn enter(&mut self) {
        if is_output(self.type_) {
            let mut parm = self.output();
            parm.outputmode &= V4L2_MODE_HIGHQUALITY;
            parm.extendedmode = 0;
            parm.reserved = [0; 4];
            self.set_output(parm);
        } else {
            let mut parm = self.capture();
            parm.capturemode &= V4L2_MODE_HIGHQUALITY;
            parm.extendedmode = 0;
            parm.reserved = [0; 4];
            self.set_capture(parm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::v4l2::{V4l2Captureparm, fourcc};

    const CAPTURE: u32 = V4L2_BUF_TYPE_VIDEO_CAPTURE;

    #[test]
    fn old_programs_formats_are_cleared() {
        let pix = V4l2PixFormat {
            width: 640,
            colorspace: 8,
            priv_: 5,
            flags: 9,
            ycbcr_enc: 1,
            quantization: 1,
            xfer_func: 1,
            ..V4l2PixFormat::default()
        };
        let mut format = V4l2Format::with_pix(CAPTURE, pix);
        format.fmt[100] = 9;
        format.enter();
        let expected = V4l2PixFormat {
            width: 640,
            colorspace: 8,
            priv_: V4L2_PIX_FMT_PRIV_MAGIC,
            ..V4l2PixFormat::default()
        };
        assert_eq!(format, V4l2Format::with_pix(CAPTURE, expected));

        // One that knows the fields keeps them.
        let pix = V4l2PixFormat { priv_: V4L2_PIX_FMT_PRIV_MAGIC, ..pix };
        let mut format = V4l2Format::with_pix(CAPTURE, pix);
        format.enter();
        assert_eq!(format.pix(), pix);
        format.set_pix(V4l2PixFormat { priv_: 0, ..pix });
        format.leave();
        assert_eq!(format.pix(), pix);
    }

    #[test]
    fn colours_that_do_not_exist_are_the_default() {
        let good = V4l2PixFormat {
            colorspace: 12,
            priv_: V4L2_PIX_FMT_PRIV_MAGIC,
            ycbcr_enc: 8,
            quantization: 2,
            xfer_func: 7,
            ..V4l2PixFormat::default()
        };
        let tidied = |pix: V4l2PixFormat| {
            let mut pix = pix;
            tidy(&mut pix);
            pix
        };
        let plain = V4l2PixFormat { priv_: V4L2_PIX_FMT_PRIV_MAGIC, ..V4l2PixFormat::default() };
        assert_eq!(tidied(good), good);
        assert_eq!(tidied(V4l2PixFormat { colorspace: 13, ..good }), plain);
        assert_eq!(tidied(V4l2PixFormat { colorspace: 0, ..good }), plain);
        let bad = V4l2PixFormat { ycbcr_enc: 9, quantization: 3, xfer_func: 8, ..good };
        assert_eq!(tidied(bad), V4l2PixFormat { colorspace: 12, ..plain });
        let hsv = V4l2PixFormat { pixelformat: u32::from_le_bytes(*b"HSV3"), ..good };
        assert_eq!(tidied(hsv).ycbcr_enc, 0);
        assert_eq!(tidied(V4l2PixFormat { ycbcr_enc: 128, ..hsv }).ycbcr_enc, 128);
        assert_eq!(tidied(V4l2PixFormat { ycbcr_enc: 128, ..good }).ycbcr_enc, 0);
    }

    #[test]
    fn other_types_formats_pass_as_they_are() {
        let mut format = V4l2Format { type_: 4, pad: [0; 4], fmt: [9; 200] };
        let before = format;
        format.enter();
        format.leave();
        assert_eq!(format, before);
    }

    #[test]
    fn what_a_program_may_not_say_is_cleared() {
        let mut parm = V4l2Streamparm { type_: CAPTURE, parm: [0xff; 200] };
        parm.enter();
        let capture: V4l2Captureparm = parm.capture();
        assert_eq!((capture.capturemode, capture.extendedmode), (V4L2_MODE_HIGHQUALITY, 0));
        assert_eq!((capture.readbuffers, capture.reserved), (u32::MAX, [0; 4]));
        let mut parm = V4l2Streamparm { type_: V4L2_BUF_TYPE_VIDEO_OUTPUT, parm: [0xff; 200] };
        parm.enter();
        assert_eq!((parm.output().outputmode, parm.output().reserved), (V4L2_MODE_HIGHQUALITY, [0; 4]));

        let mut ask = V4l2Requestbuffers { capabilities: 9, ..V4l2Requestbuffers::default() };
        ask.enter();
        assert_eq!(ask.capabilities, 0);

        let pix = V4l2PixFormat { pixelformat: fourcc::YUYV.0, flags: 9, ..V4l2PixFormat::default() };
        let mut create = V4l2CreateBuffers {
            capabilities: 9,
            format: V4l2Format::with_pix(CAPTURE, pix),
            ..V4l2CreateBuffers::default()
        };
        create.enter();
        assert_eq!((create.capabilities, create.format.pix().flags), (0, 0));
        create.format.set_pix(pix);
        create.leave();
        assert_eq!(create.format.pix().priv_, V4L2_PIX_FMT_PRIV_MAGIC);

        let mut buffer = V4l2Buffer { reserved2: 9, request_fd: 9, ..V4l2Buffer::default() };
        buffer.leave();
        assert_eq!(buffer, V4l2Buffer::default());
        buffer.flags = V4L2_BUF_FLAG_REQUEST_FD;
        buffer.request_fd = 3;
        buffer.leave();
        assert_eq!(buffer.request_fd, 3);
    }
}
