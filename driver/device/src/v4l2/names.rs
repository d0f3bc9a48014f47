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
use crate::v4l2::convert::{converted, converts};
use crate::v4l2::format::to_v4l2;
use crate::zero::memory::is_zero;

/// The program asked for this format: where the pipe's is the same under another name, it is told the
/// name that it knows, on every descriptor of the output that the process has.
pub(super) fn choose(call: &Call, asked: Fourcc) {
    let named = other_name(asked).is_some() || converts(call);
    let name = if named { asked.0 } else { 0 };
    let info = call.info();
    call.caller.files().each(|other| {
        if other.info().pipe == info.pipe && other.info().input == info.input {
            other.pixel_name.store(name, Ordering::Relaxed);
        }
    });
}

/// The pipe's format as the program asked for it: under the name that it knows, or converted.
pub(crate) fn under_asked_name(call: &Call, pix: Pix) -> Pix {
    let name = call.pixel_name.load(Ordering::Relaxed);
    if same_pixels(Fourcc(name), Fourcc(pix.fourcc)) {
        return Pix { fourcc: name, ..pix };
    }
    Some(pix).filter(|_| converts(call)).and_then(|pix| converted(&pix, Fourcc(name))).unwrap_or(pix)
}

/// `now` under the name that is asked for, if it has that one, too; or the pipe's format converted to what is asked for.
pub(super) fn as_asked(call: &Call, now: V4l2PixFormat, asked: Fourcc) -> V4l2PixFormat {
    if same_pixels(asked, now.fourcc()) {
        return V4l2PixFormat { pixelformat: asked.0, ..now };
    }
    if !converts(call) || call.page().count.load(Ordering::Relaxed) != 0 {
        return now;
    }
    let pipe = call.board().format().pix;
    if same_pixels(asked, Fourcc(pipe.fourcc)) {
        return V4l2PixFormat { pixelformat: asked.0, ..to_v4l2(&pipe) };
    }
    converted(&pipe, asked).map_or(now, |pix| to_v4l2(&pix))
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
