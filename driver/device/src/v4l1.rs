//! The V4L1 requests of both nodes (driver/docs/old-api.md, "Kept").

use vloopback_abi::palette::Palette;
use vloopback_abi::text;
use vloopback_abi::v4l1::{
    VID_TYPE_CAPTURE, VIDEO_MODE_AUTO, VIDEO_NO_UNIT, VIDEO_TYPE_CAMERA, VideoAudio, VideoBuffer,
    VideoCapability, VideoChannel, VideoKey, VideoMbuf, VideoMmap, VideoPicture, VideoTuner, VideoUnit,
    VideoWindow,
};
use vloopback_ioctl::{Answer, Errno, V4l1Device};
use vloopback_sys::decimal::Decimal;

use crate::caller::Call;
use crate::{input, output};

/// An open node as the V4L1 table sees it.
pub struct Node<'a> {
    pub call: &'a Call<'a>,
}

impl Node<'_> {
    fn is_input(&self) -> bool {
        self.call.info().input
    }

    /// Clients probe by setting: it succeeds exactly with what is.
    fn only(&self, same: bool) -> Answer<()> {
        if same { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

fn only_zero(number: i32) -> Answer<()> {
    if number == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

impl V4l1Device for Node<'_> {
    fn gcap(&mut self) -> Answer<VideoCapability> {
        let info = self.call.info();
        let format = self.call.board().format();
        Ok(VideoCapability {
            name: name(info.pipe, info.input),
            type_: if info.input { 0 } else { VID_TYPE_CAPTURE },
            channels: 1,
            audios: 0,
            maxwidth: format.width as i32,
            maxheight: format.height as i32,
            minwidth: 20,
            minheight: 20,
        })
    }

    /// Any channel number is answered as channel 0.
    fn gchan(&mut self, _: VideoChannel) -> Answer<VideoChannel> {
        let name = text::field("Composite1");
        Ok(VideoChannel { name, type_: VIDEO_TYPE_CAMERA, ..VideoChannel::default() })
    }

    fn schan(&mut self, channel: VideoChannel) -> Answer<()> {
        only_zero(channel.channel)
    }

    fn gtuner(&mut self, tuner: VideoTuner) -> Answer<VideoTuner> {
        only_zero(tuner.tuner)?;
        Ok(VideoTuner { name: text::field("Format"), mode: VIDEO_MODE_AUTO, ..VideoTuner::default() })
    }

    /// The sliders as anybody has set them (under the old driver's rules they always stand in the middle); the
    /// depth is the palette's real one.
    fn gpict(&mut self) -> Answer<VideoPicture> {
        let format = self.call.board().format();
        let [brightness, hue, colour, contrast, whiteness, _] = match self.call.info().v4l2 {
            true => format.picture.map(|value| value as u16),
            false => [0x8000; 6],
        };
        let depth = Palette::from_number(format.palette).map_or(0, Palette::depth);
        let palette = format.palette as u16;
        Ok(VideoPicture { brightness, hue, colour, contrast, whiteness, depth, palette })
    }

    fn spict(&mut self, picture: VideoPicture) -> Answer<()> {
        if self.is_input() {
            return input::set_picture(self.call, &picture);
        }
        self.only(Palette::same_layout(picture.palette.into(), self.call.board().format().palette))
    }

    fn capture(&mut self, _: i32) -> Answer<()> {
        Ok(())
    }

    fn gwin(&mut self) -> Answer<VideoWindow> {
        let format = self.call.board().format();
        Ok(VideoWindow { width: format.width, height: format.height, ..VideoWindow::default() })
    }

    fn swin(&mut self, window: VideoWindow) -> Answer<()> {
        if window.flags != 0 || window.clipcount != 0 {
            return Err(Errno::EINVAL);
        }
        if self.is_input() {
            return input::set_window(self.call, &window);
        }
        let format = self.call.board().format();
        self.only((window.width, window.height) == (format.width, format.height))
    }

    fn gfbuf(&mut self) -> Answer<VideoBuffer> {
        Ok(VideoBuffer::default())
    }

    fn key(&mut self) -> Answer<VideoKey> {
        Ok(VideoKey::default())
    }

    fn gfreq(&mut self) -> Answer<u64> {
        Err(Errno::EINVAL)
    }

    fn sfreq(&mut self, _: u64) -> Answer<()> {
        Err(Errno::EINVAL)
    }

    fn gaudio(&mut self, _: VideoAudio) -> Answer<VideoAudio> {
        Err(Errno::EINVAL)
    }

    fn saudio(&mut self, _: VideoAudio) -> Answer<()> {
        Err(Errno::EINVAL)
    }

    fn sync(&mut self, frame: i32) -> Answer<()> {
        if self.is_input() {
            return Err(Errno::EINVAL);
        }
        output::sync(self.call, frame)
    }

    fn mcapture(&mut self, order: VideoMmap) -> Answer<()> {
        if self.is_input() {
            return Err(Errno::EINVAL);
        }
        output::mcapture(self.call, &order)
    }

    /// The layout of a client's mapping.
    fn gmbuf(&mut self) -> Answer<VideoMbuf> {
        let format = self.call.board().format();
        if format.ring == 0 || format.buf_len == 0 {
            return Err(Errno::EINVAL);
        }
        let total = u64::from(format.buf_len) * u64::from(format.frames);
        let mut layout = VideoMbuf {
            size: total.try_into().map_err(|_| Errno::ENOMEM)?,
            frames: format.frames as i32,
            ..VideoMbuf::default()
        };
        for (k, offset) in layout.offsets.iter_mut().enumerate().take(format.frames as usize) {
            *offset = k as i32 * format.buf_len as i32;
        }
        if !self.is_input() {
            output::told(self.call, &layout);
        }
        Ok(layout)
    }

    /// The pipe's other node.
    fn gunit(&mut self) -> Answer<VideoUnit> {
        Ok(VideoUnit {
            video: self.call.info().partner as i32,
            vbi: VIDEO_NO_UNIT,
            radio: VIDEO_NO_UNIT,
            audio: VIDEO_NO_UNIT,
            teletext: VIDEO_NO_UNIT,
        })
    }

    fn sinvalid(&mut self) -> Answer<()> {
        // Nothing was forwarded: no effect on an input (driver/docs/old-api.md, "Rules for pushers" 7).
        if self.is_input() { Ok(()) } else { Err(Errno::ENOTTY) }
    }
}

/// The name that VIDIOCGCAP gives, NUL-padded.
pub(crate) fn name(pipe: u32, input: bool) -> [u8; 32] {
    numbered(b"Video loopback ", pipe, if input { b" input" } else { b" output" })
}

/// A number between two words, NUL-padded; what is too long is cut.
pub(crate) fn numbered(before: &[u8], number: u32, behind: &[u8]) -> [u8; 32] {
    joined([before, Decimal::new(number.into()).as_bytes(), behind])
}

/// IoSlices of a name, NUL-padded; what is too long is cut.
pub(crate) fn joined(pieces: [&[u8]; 3]) -> [u8; 32] {
    let mut bytes = [0u8; 32];
    let mut len = 0;
    for piece in pieces {
        let take = piece.len().min(31 - len);
        bytes[len..len + take].copy_from_slice(&piece[..take]);
        len += take;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::text;

    #[test]
    fn names_are_those_of_the_old_driver() {
        assert_eq!(text::bytes(&name(0, true)), b"Video loopback 0 input");
        assert_eq!(text::bytes(&name(0, false)), b"Video loopback 0 output");
        assert_eq!(text::bytes(&name(15, false)), b"Video loopback 15 output");
        assert_eq!(text::bytes(&name(u32::MAX, false)), b"Video loopback 4294967295 outpu");
    }
}
