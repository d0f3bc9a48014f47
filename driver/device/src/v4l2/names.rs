//! Which formats an output lists, and which of two names a format has for a program.
//!
//! A one-copy pipe has the format that its pusher brings. A zero-copy pusher may have several, which V4L1 cannot
//! list: what is known is remembered in the pusher page, and the pusher is asked for the rest as V4L1's programs did,
//! by VIDIOCSPICT.

use core::sync::atomic::Ordering;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l2::pixel::{PixelFormat, other_name, same_pixels};
use vloopback_abi::v4l2::{Fourcc, V4l2PixFormat};
use vloopback_ring::Pix;

use crate::caller::Call;
use crate::v4l2::bridge;
use crate::v4l2::convert::{converted, converts, sizes};
use crate::v4l2::format::to_v4l2;
use crate::zero::memory::is_zero;
use vloopback_convert::picture::can;

/// Remembers what the program asked for, on every descriptor of the output that the process has: the format's second name,
/// or a format or a size that the pipe does not have. `answer` is what it was told.
pub(super) fn choose(call: &Call, asked: Fourcc, answer: &V4l2PixFormat) {
    let pipe = call.board().format().pix;
    let is_native = same_pixels(answer.fourcc(), Fourcc(pipe.fourcc));
    let name = match other_name(asked) {
        Some(_) => asked.0,
        None if is_native || !converts(call) => 0,
        None => answer.pixelformat,
    };
    let is_whole = (answer.width, answer.height) == (pipe.width, pipe.height);
    let size = if is_whole || !converts(call) { 0 } else { answer.width << 16 | answer.height & 0xffff };
    let info = call.info();
    call.caller.files().each(|other| {
        if other.info().pipe == info.pipe && other.info().input == info.input {
            other.pixel_name.store(name, Ordering::Relaxed);
            other.pixel_size.store(size, Ordering::Relaxed);
        }
    });
}

/// The pipe's format as the program asked for it: under the name that it knows, or converted.
pub(crate) fn under_asked_name(call: &Call, pix: Pix) -> Pix {
    let (name, size) = (call.pixel_name.load(Ordering::Relaxed), call.pixel_size.load(Ordering::Relaxed));
    let to = if name == 0 { pix.fourcc } else { name };
    let (width, height) = if size == 0 { (pix.width, pix.height) } else { (size >> 16, size & 0xffff) };
    shown_as(call, &pix, Fourcc(to), (width, height))
}

/// The pipe's format in this pixel format and size, as far as that can be.
fn shown_as(call: &Call, pipe: &Pix, to: Fourcc, size: (u32, u32)) -> Pix {
    let is_same = same_pixels(to, Fourcc(pipe.fourcc));
    let named = if is_same { Pix { fourcc: to.0, ..*pipe } } else { *pipe };
    if (is_same && size == (pipe.width, pipe.height)) || !converts(call) {
        return named;
    }
    // What cannot be had in the one way may be had in the size alone.
    converted(&named, to, size).or_else(|| converted(&named, Fourcc(named.fourcc), size)).unwrap_or(named)
}

/// `now` under the name that is asked for, if it has that one, too; or the pipe's format converted to what is asked for.
pub(super) fn as_asked(call: &Call, now: V4l2PixFormat, asked: &V4l2PixFormat) -> V4l2PixFormat {
    let named = V4l2PixFormat { pixelformat: asked.pixelformat, ..now };
    if !converts(call) || call.page().count.load(Ordering::Relaxed) != 0 {
        return if same_pixels(asked.fourcc(), now.fourcc()) { named } else { now };
    }
    let pipe = call.board().format().pix;
    let to = if can(Fourcc(pipe.fourcc), asked.fourcc()) { asked.fourcc() } else { Fourcc(pipe.fourcc) };
    let wanted = (asked.width, asked.height);
    let size = sizes(call, to).find(|size| *size == wanted).unwrap_or((pipe.width, pipe.height));
    to_v4l2(&shown_as(call, &pipe, asked.fourcc(), size))
}

/// The formats that the client's library makes of the pipe's, which has this one.
pub(super) fn emulated(call: &Call, now: Fourcc) -> impl Iterator<Item = PixelFormat> {
    let offers = converts(call);
    let others = vloopback_convert::picture::others(now).filter(move |to| offers && !same_pixels(*to, now));
    others.filter_map(PixelFormat::of)
}

/// The formats of an output whose format is `now`, each once, without their second names.
fn first_names(call: &Call, now: Fourcc) -> impl Iterator<Item = Fourcc> {
    // V4L1 has two numbers for YUYV, of which one is enough.
    let has = |palette: &Palette| {
        *palette != Palette::Yuv422 && is_zero(call) && bridge::has_palette(call, *palette)
    };
    let others = Palette::ALL.into_iter().filter(has).filter_map(Palette::fourcc);
    core::iter::once(now).chain(others.filter(move |format| !same_pixels(*format, now)))
}

/// The formats that an output lists: the one that it has, those that its zero-copy pusher is known to have
/// besides, and the second names of all these.
pub(super) fn listed(call: &Call, now: Fourcc) -> impl Iterator<Item = PixelFormat> {
    let both = |first: Fourcc| core::iter::once(first).chain(other_name(first));
    first_names(call, now).flat_map(both).filter_map(PixelFormat::of)
}
