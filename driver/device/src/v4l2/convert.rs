//! Frames for a client whose program has asked for another pixel format than the pipe has, where the caller converts
//! ([`Caller::converts`](crate::caller::Caller::converts)).

use vloopback_abi::v4l2::pixel::{Colours, PixelFormat};
use vloopback_abi::v4l2::{Fourcc, V4L2_COLORSPACE_JPEG, fourcc};
use vloopback_convert::picture::can;
use vloopback_convert::{Coding, Conversion, Fit, Picture};
use vloopback_ring::Pix;

use crate::caller::{Call, Wish};
use crate::v4l2::format::frozen;
use crate::v4l2::lines;
use crate::zero::memory::is_zero;

/// What the client may have beside its pipe's own format. A zero-copy pusher has its own.
fn wish(call: &Call) -> Option<Wish> {
    let info = call.info();
    call.caller.converts().filter(|_| info.converts && !info.input && !is_zero(call))
}

/// Whether the client may have formats that its pipe does not have.
pub(super) fn converts(call: &Call) -> bool {
    wish(call).is_some()
}

fn is_rgb(fourcc: u32) -> bool {
    PixelFormat::of(Fourcc(fourcc)).is_some_and(|format| format.colours == Colours::Rgb)
}

/// Sizes that many programs ask for.
const USUAL: [(u32, u32); 8] =
    [(1920, 1080), (1280, 720), (1024, 768), (800, 600), (640, 480), (640, 360), (320, 240), (160, 120)];

/// The sizes in which the client may have the pipe's picture in this pixel format: the pipe's own first, then smaller ones.
/// They are listed, and no others can be set: v4l2-compliance fails a device that lists sizes and takes others.
pub(super) fn sizes(call: &Call, to: Fourcc) -> impl Iterator<Item = (u32, u32)> + Clone + use<> {
    let pipe = call.board().format().pix;
    let wish = wish(call).filter(|_| can(Fourcc(pipe.fourcc), to));
    let own = (pipe.width, pipe.height);
    let shared = [2, 4].into_iter().filter(move |part| {
        wish.is_some() && own.0 % (2 * part) == 0 && own.1 % (2 * part) == 0 && own.0.min(own.1) >= 32 * part
    });
    let of_its_shape = shared.map(move |part| (own.0 / part, own.1 / part));
    let is_of_its_shape =
        move |size: &(u32, u32)| [2, 4].iter().any(|part| *size == (own.0 / part, own.1 / part));
    let any_shape = wish.is_some_and(|wish| wish.any_shape);
    let others = USUAL.into_iter().filter(move |size| {
        any_shape && size.0 <= own.0 && size.1 <= own.1 && *size != own && !is_of_its_shape(size)
    });
    core::iter::once(own).chain(of_its_shape).chain(others)
}

fn is_jpeg(fourcc: u32) -> bool {
    [fourcc::MJPEG, fourcc::JPEG].contains(&Fourcc(fourcc))
}

/// The pipe's format in another pixel format, and in this size. Luma keeps the meaning that the pusher has given it. None:
/// it cannot be had so.
pub(super) fn converted(pix: &Pix, to: Fourcc, (width, height): (u32, u32)) -> Option<Pix> {
    if !can(Fourcc(pix.fourcc), to) {
        return None;
    }
    let usual = Pix::from(&PixelFormat::of(to)?.pix(width, height)?);
    let same_luma = !is_rgb(to.0) && !is_rgb(pix.fourcc);
    let Pix { colorspace, colours, .. } = if same_luma { *pix } else { usual };
    // The samples of a JPEG picture use all values (JFIF).
    let colorspace = if same_luma && is_jpeg(pix.fourcc) { V4L2_COLORSPACE_JPEG } else { colorspace };
    // Lines of two fields do not stay apart in another height.
    let field = if height == pix.height { pix.field } else { usual.field };
    Some(Pix { colorspace, colours, field, ..usual })
}

/// From the pipe's frames to those of the open file's format. None: they are the same, or it cannot be done.
fn conversion(pipe: &Pix, own: &Pix, fit: Fit) -> Option<Conversion> {
    if lines::fits(own, pipe) {
        return None;
    }
    let picture = |pix: &Pix| Picture::new(Fourcc(pix.fourcc), pix.width, pix.height, pix.bytesperline);
    let luma = if is_rgb(pipe.fourcc) { own } else { pipe };
    let colorspace = if is_jpeg(pipe.fourcc) { V4L2_COLORSPACE_JPEG } else { luma.colorspace };
    let coding = Coding::new(colorspace, luma.colours & 0xff, luma.colours >> 8 & 0xff);
    let made = Conversion::new(picture(pipe)?, picture(own)?, coding, fit)?;
    (made.result_len() <= own.sizeimage as usize).then_some(made)
}

/// The conversion of frames for the buffers, or the reads, of an open file.
pub(crate) fn of(call: &Call) -> Option<Conversion> {
    let fit = wish(call)?.fit;
    conversion(&call.board().format().pix, &frozen(call.page()), fit)
}

/// Whether frames of the pipe's format can be had in the open file's.
pub(crate) fn fits(call: &Call, pipe: &Pix) -> bool {
    let own = frozen(call.page());
    lines::fits(&own, pipe) || wish(call).is_some_and(|wish| conversion(pipe, &own, wish.fit).is_some())
}
