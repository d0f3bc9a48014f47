//! A camera of our own: 320x240, grey or YUV420P, a bar that moves. Clients map its memory and it answers
//! what they ask. Brightness is the bar's.
//!
//! Ends with the end of a line on its standard input.

use std::error::Error;
use std::io;

use vloopback_sdk::v4l1::{
    VID_TYPE_CAPTURE, VideoCapability, VideoChannel, VideoMmap, VideoPicture, VideoWindow,
};
use vloopback_sdk::zero_copy::{Answer, Capture, Errno, Server, Synced, ZeroCopy};
use vloopback_sdk::{Finder, Palette};

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
/// Columns.
const BAR: usize = 16;

struct Camera {
    palette: Palette,
    /// As V4L1 has it: 0 to 65535.
    brightness: u16,
    /// Where the bar begins.
    bar: usize,
}

/// What the camera can make.
fn made(palette: u32) -> Answer<Palette> {
    Palette::from_number(palette)
        .filter(|palette| matches!(palette, Palette::Grey | Palette::Yuv420P))
        .ok_or(Errno::EINVAL)
}

/// The C text of a V4L1 name.
fn name(text: &str) -> [u8; 32] {
    let mut name = [0; 32];
    name[..text.len()].copy_from_slice(text.as_bytes());
    name
}

impl Server for Camera {
    fn gcap(&mut self) -> Answer<VideoCapability> {
        Ok(VideoCapability {
            name: name("Zero-copy example"),
            type_: VID_TYPE_CAPTURE,
            channels: 1,
            maxwidth: WIDTH as i32,
            maxheight: HEIGHT as i32,
            minwidth: WIDTH as i32,
            minheight: HEIGHT as i32,
            ..VideoCapability::default()
        })
    }

    fn gchan(&mut self, channel: VideoChannel) -> Answer<VideoChannel> {
        if channel.channel != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(VideoChannel { name: name("Bar"), ..VideoChannel::default() })
    }

    fn schan(&mut self, channel: VideoChannel) -> Answer<()> {
        if channel.channel == 0 { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn gpict(&mut self) -> Answer<VideoPicture> {
        Ok(VideoPicture {
            brightness: self.brightness,
            palette: self.palette.number(),
            depth: self.palette.depth(),
            ..VideoPicture::default()
        })
    }

    fn spict(&mut self, picture: VideoPicture) -> Answer<()> {
        self.palette = made(picture.palette.into())?;
        self.brightness = picture.brightness;
        Ok(())
    }

    fn gwin(&mut self) -> Answer<VideoWindow> {
        Ok(VideoWindow { width: WIDTH as u32, height: HEIGHT as u32, ..VideoWindow::default() })
    }

    fn swin(&mut self, window: VideoWindow) -> Answer<()> {
        let same = (window.width as usize, window.height as usize) == (WIDTH, HEIGHT);
        if same { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn mcapture(&mut self, order: &VideoMmap) -> Answer<()> {
        made(order.format)?;
        let same = (order.width, order.height) == (WIDTH as i32, HEIGHT as i32);
        if same { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn sync(&mut self, mut capture: Capture<'_>) -> Answer<Synced> {
        let (luma, colour) = capture.split_at_mut(WIDTH * HEIGHT);
        for line in luma.chunks_mut(WIDTH) {
            line.fill(16);
            for x in 0..BAR {
                line[(self.bar + x) % WIDTH] = (self.brightness >> 8) as u8;
            }
        }
        // Grey has none of these, YUV420P two planes.
        colour.fill(128);
        self.bar = (self.bar + 1) % WIDTH;
        Ok(capture.ready())
    }

    fn closed(&mut self) {
        println!("a client has closed");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut camera = Camera { palette: Palette::Grey, brightness: 235 << 8, bar: 0 };
    let mut pipe = ZeroCopy::claim(&Finder::new(), 2, WIDTH * HEIGHT * 3 / 2)?;
    println!(
        "pipe {}: answering on {}, watch {}; press Enter to end",
        pipe.pipe(),
        pipe.device(),
        pipe.output()
    );
    pipe.run(&mut camera, io::stdin())?;
    Ok(())
}
