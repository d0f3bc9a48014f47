//! A format in the words of the board, of V4L2's structures and of the wire; the format that an open file's buffers have.

use core::sync::atomic::Ordering;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l2::pixel::{PixelFormat, nearest};
use vloopback_abi::v4l2::{Fourcc, V4L2_PIX_FMT_PRIV_MAGIC, V4l2Fract, V4l2FrmivalStepwise, V4l2PixFormat};
use vloopback_ring::{Format, Pix, SessionPage};
use vloopback_wire::{PixelFormat as WireFormat, Request};

use crate::open_file::OpenFile;
use vloopback_link::connection;
use vloopback_sys::Result;

/// What a pusher may say of its rate: from 1000 frames a second to one in 1000 seconds.
pub(super) const INTERVALS: V4l2FrmivalStepwise = V4l2FrmivalStepwise {
    min: V4l2Fract { numerator: 1, denominator: 1000 },
    max: V4l2Fract { numerator: 1000, denominator: 1 },
    step: V4l2Fract { numerator: 1, denominator: 1 },
};

/// The interval that a pusher gets who asks for this one. Zeros ask for the nominal rate again (V4L2
/// specification, VIDIOC_S_PARM).
pub fn nearest_interval(asked: V4l2Fract) -> V4l2Fract {
    let V4l2Fract { numerator, denominator } = asked;
    if numerator == 0 || denominator == 0 {
        return V4l2Fract { numerator: 1, denominator: 30 };
    }
    let shorter = |a: V4l2Fract, b: V4l2Fract| {
        u64::from(a.numerator) * u64::from(b.denominator) < u64::from(b.numerator) * u64::from(a.denominator)
    };
    if shorter(asked, INTERVALS.min) {
        INTERVALS.min
    } else if shorter(INTERVALS.max, asked) {
        INTERVALS.max
    } else {
        asked
    }
}

/// The program's structure of a format on the board.
pub fn to_v4l2(pix: &Pix) -> V4l2PixFormat {
    V4l2PixFormat {
        width: pix.width,
        height: pix.height,
        pixelformat: pix.fourcc,
        field: pix.field,
        bytesperline: pix.bytesperline,
        sizeimage: pix.sizeimage,
        colorspace: pix.colorspace,
        priv_: V4L2_PIX_FMT_PRIV_MAGIC,
        flags: 0,
        ycbcr_enc: pix.colours & 0xff,
        quantization: pix.colours >> 8 & 0xff,
        xfer_func: pix.colours >> 16 & 0xff,
    }
}

/// As requests to the server have it.
pub fn to_wire(pix: &V4l2PixFormat) -> WireFormat {
    WireFormat {
        fourcc: pix.pixelformat,
        width: pix.width,
        height: pix.height,
        sizeimage: pix.sizeimage,
        colorspace: pix.colorspace,
        colours: Pix::from(pix).colours,
        field: pix.field,
    }
}

/// The format that the open file's buffers were made for.
pub fn frozen(page: &SessionPage) -> Pix {
    let [fourcc, width, height, bytesperline, sizeimage, colorspace, colours, field] =
        core::array::from_fn(|k| page.pix[k].load(Ordering::Relaxed));
    Pix { fourcc, width, height, bytesperline, sizeimage, colorspace, colours, field }
}

/// The open file's buffers are of this format from now on.
pub fn freeze(page: &SessionPage, pix: &Pix) {
    let words = [
        pix.fourcc,
        pix.width,
        pix.height,
        pix.bytesperline,
        pix.sizeimage,
        pix.colorspace,
        pix.colours,
        pix.field,
    ];
    for (to, word) in page.pix.iter().zip(words) {
        to.store(word, Ordering::Relaxed);
    }
    let line = PixelFormat::of(Fourcc(pix.fourcc)).and_then(|format| format.bytesperline(pix.width));
    let padded = line.is_some_and(|line| line != 0 && pix.bytesperline > line);
    page.padded.store(padded.into(), Ordering::Relaxed);
}

/// Whether a V4L1 pusher feeds frames for which V4L2 has no name, so that [`Format::pix`] is not theirs.
pub fn is_nameless(format: &Format) -> bool {
    format.feed != 0
        && format.palette != 0
        && Palette::from_number(format.palette).and_then(Palette::fourcc).is_none()
}

/// Sets the format of the pipe by an input that is not the preload's (the SDK), to be fed from then on.
///
/// # Errors
/// EBUSY: another's pipe. ENOMEM, ENODEV.
pub fn set_format(session: &OpenFile, pix: &V4l2PixFormat) -> Result<()> {
    // What was gathered of a frame was of the former format.
    session.page().rest.store(0, Ordering::Relaxed);
    connection::tell(&Request::SetFormat { session: session.info().session, format: to_wire(&nearest(pix)) })
}
