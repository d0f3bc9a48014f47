//! V4L1 answers that both nodes give alike (LEGACY.md 6).

use vloopback_abi::palette::Palette;
use vloopback_abi::text;
use vloopback_abi::v4l1::{
    VID_TYPE_CAPTURE, VIDEO_MODE_AUTO, VIDEO_NO_UNIT, VIDEO_TYPE_CAMERA, VideoCapability, VideoChannel,
    VideoMbuf, VideoPicture, VideoTuner, VideoUnit, VideoWindow,
};
use vloopback_ioctl::Errno;

use crate::input;
use crate::session::Session;

type Answer<T> = core::result::Result<T, Errno>;

pub(crate) fn capability(session: &Session) -> VideoCapability {
    let info = session.info();
    let format = session.board().format();
    VideoCapability {
        name: input::name(info.pipe, info.input),
        type_: if info.input { 0 } else { VID_TYPE_CAPTURE },
        channels: 1,
        audios: 0,
        maxwidth: format.width as i32,
        maxheight: format.height as i32,
        minwidth: 20,
        minheight: 20,
    }
}

/// Any channel number is answered as channel 0.
pub(crate) fn channel() -> VideoChannel {
    VideoChannel { name: text::field("Composite1"), type_: VIDEO_TYPE_CAMERA, ..VideoChannel::default() }
}

pub(crate) fn only_zero(number: i32) -> Answer<()> {
    if number == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

pub(crate) fn tuner(asked: &VideoTuner) -> Answer<VideoTuner> {
    only_zero(asked.tuner)?;
    Ok(VideoTuner { name: text::field("Format"), mode: VIDEO_MODE_AUTO, ..VideoTuner::default() })
}

/// The old driver's sliders always stand in the middle; the depth is the palette's real one.
pub(crate) fn picture(session: &Session) -> VideoPicture {
    let palette = session.board().format().palette;
    VideoPicture {
        brightness: 0x8000,
        hue: 0x8000,
        colour: 0x8000,
        contrast: 0x8000,
        whiteness: 0x8000,
        depth: Palette::from_number(palette).map_or(0, Palette::depth),
        palette: palette as u16,
    }
}

pub(crate) fn window(session: &Session) -> VideoWindow {
    let format = session.board().format();
    VideoWindow { width: format.width, height: format.height, ..VideoWindow::default() }
}

/// The layout of a client's mapping.
pub(crate) fn layout(session: &Session) -> Answer<VideoMbuf> {
    let format = session.board().format();
    if format.ring == 0 || format.buf_len == 0 {
        return Err(Errno::EINVAL);
    }
    let mut layout = VideoMbuf {
        size: (u64::from(format.buf_len) * u64::from(format.frames)).try_into().map_err(|_| Errno::ENOMEM)?,
        frames: format.frames as i32,
        ..VideoMbuf::default()
    };
    for (k, offset) in layout.offsets.iter_mut().enumerate().take(format.frames as usize) {
        *offset = k as i32 * format.buf_len as i32;
    }
    Ok(layout)
}

pub(crate) fn units(session: &Session) -> VideoUnit {
    VideoUnit {
        video: session.info().partner as i32,
        vbi: VIDEO_NO_UNIT,
        radio: VIDEO_NO_UNIT,
        audio: VIDEO_NO_UNIT,
        teletext: VIDEO_NO_UNIT,
    }
}
