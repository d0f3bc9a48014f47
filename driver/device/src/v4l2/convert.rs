//! Frames for a client whose program has asked for another pixel format than the pipe has, where the caller converts
//! ([`Caller::converts`](crate::caller::Caller::converts)).

use vloopback_abi::v4l2::Fourcc;
use vloopback_abi::v4l2::pixel::{Colours, PixelFormat};
use vloopback_convert::picture::can;
use vloopback_convert::{Coding, Conversion, Fit, Picture};
use vloopback_ring::Pix;

use crate::caller::Call;
use crate::v4l2::format::frozen;
use crate::v4l2::lines;
use crate::zero::memory::is_zero;

/// Whether the client may have formats that its pipe does not have. A zero-copy pusher has its own.
pub(super) fn converts(call: &Call) -> bool {
    call.caller.converts() && !call.info().input && !is_zero(call)
}

fn is_rgb(fourcc: u32) -> bool {
    PixelFormat::of(Fourcc(fourcc)).is_some_and(|format| format.colours == Colours::Rgb)
}

/// The pipe's format in the other pixel format. Luma keeps the meaning that the pusher has given it. None: it cannot be
/// had so.
pub(super) fn converted(pix: &Pix, to: Fourcc) -> Option<Pix> {
    if !can(Fourcc(pix.fourcc), to) {
        return None;
    }
    let usual = Pix::from(&PixelFormat::of(to)?.pix(pix.width, pix.height)?);
    let same_luma = !is_rgb(to.0) && !is_rgb(pix.fourcc);
    let Pix { colorspace, colours, .. } = if same_luma { *pix } else { usual };
    Some(Pix { colorspace, colours, field: pix.field, ..usual })
}

/// From the pipe's frames to those of the open file's format. None: they are the same, or it cannot be done.
pub(super) fn conversion(pipe: &Pix, own: &Pix) -> Option<Conversion> {
    if own.same_frames(pipe) || (own.width, own.height) != (pipe.width, pipe.height) {
        return None;
    }
    let picture = |pix: &Pix| Picture::new(Fourcc(pix.fourcc), pix.width, pix.height, pix.bytesperline);
    let luma = if is_rgb(pipe.fourcc) { own } else { pipe };
    let coding = Coding::new(luma.colorspace, luma.colours & 0xff, luma.colours >> 8 & 0xff);
    let made = Conversion::new(picture(pipe)?, picture(own)?, coding, Fit::Letterbox)?;
    (made.result_len() <= own.sizeimage as usize).then_some(made)
}

/// The conversion of frames for the buffers, or the reads, of an open file.
pub(crate) fn of(call: &Call) -> Option<Conversion> {
    if !converts(call) {
        return None;
    }
    conversion(&call.board().format().pix, &frozen(call.page()))
}

/// Whether frames of the pipe's format can be had in the open file's.
pub(crate) fn fits(call: &Call, pipe: &Pix) -> bool {
    let own = frozen(call.page());
    lines::fits(&own, pipe) || (converts(call) && conversion(pipe, &own).is_some())
}
