//! The camera: what clients ask, and the pictures that they get.

use std::fmt;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use vloopback_sdk::Palette;
use vloopback_sdk::v4l1::{
    VID_TYPE_CAPTURE, VID_TYPE_SUBCAPTURE, VID_TYPE_TUNER, VIDEO_MODE_AUTO, VIDEO_TUNER_NTSC,
    VIDEO_TUNER_PAL, VIDEO_TUNER_SECAM, VIDEO_TYPE_CAMERA, VIDEO_TYPE_TV, VIDEO_VC_TUNER, VideoCapability,
    VideoCapture, VideoChannel, VideoMmap, VideoPicture, VideoTuner, VideoWindow,
};
use vloopback_sdk::zero_copy::{Answer, Capture, Errno, Server, Synced, ZeroCopy};
use x11rb::protocol::shm::Seg;

use crate::convert;
use crate::display::{Area, Display, Place};
use crate::errors::{BridgeError, XError};
use crate::scratch::Scratch;
use crate::source::{Settings, Source};

/// What became of the pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Drawn by the server into the client's frame.
    direct: u64,
    /// Drawn by the server, then converted.
    converted: u64,
    /// Not there.
    failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.direct += other.direct;
        self.converted += other.converted;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direct, converted, failed } = self;
        write!(f, "{direct} pictures without a copy, {converted} converted, {failed} failed")
    }
}

/// The camera.
pub struct Bridge<'a> {
    display: &'a Display,
    sources: Vec<Box<dyn Source>>,
    /// Which of them is on.
    channel: usize,
    palette: Palette,
    /// Width and height, as GWIN tells them.
    size: (u32, u32),
    /// What SCAPTURE chose; None: all.
    part: Option<Area>,
    /// The frames' memory, attached by the server, and where each frame begins there.
    frames: Option<(Seg, Vec<u32>)>,
    scratch: Option<Scratch>,
    /// The largest picture that frames have room for: of what there was at the start.
    room: (u16, u16),
    period: Duration,
    /// When the next picture may be taken.
    due: Instant,
    since_closed: Counts,
    total: Counts,
    /// What was said last of pictures that failed.
    complaint: Option<String>,
    /// The display is gone.
    gone: Option<XError>,
}

/// Bytes of a pixel in the largest palette.
const PIXEL: usize = 4;

/// Bytes of a picture in the largest palette.
fn bytes((width, height): (u16, u16)) -> usize {
    usize::from(width) * usize::from(height) * PIXEL
}

impl<'a> Bridge<'a> {
    /// A camera of these sources, of which `channel` is on, with so many pictures a second at most.
    ///
    /// # Errors
    /// [`BridgeError::NoChannel`], [`BridgeError::Channel`].
    pub fn new(
        display: &'a Display,
        sources: Vec<Box<dyn Source>>,
        channel: usize,
        rate: f64,
    ) -> Result<Self, BridgeError> {
        let name = || display.name().to_owned();
        if channel >= sources.len() {
            return Err(BridgeError::NoChannel { display: name(), last: sources.len() - 1, channel });
        }
        let sizes = sources.iter().map(|source| source.size());
        // Windows may grow up to a screen's size.
        let screens = display.screens().map(|(_, screen)| (screen.width_in_pixels, screen.height_in_pixels));
        let room = sizes.chain(screens).max_by_key(|size| bytes(*size)).unwrap_or((0, 0));
        let mut bridge = Self {
            display,
            sources,
            channel,
            palette: Palette::Rgb32,
            size: (0, 0),
            part: None,
            frames: None,
            scratch: None,
            room,
            period: Duration::from_secs_f64(1.0 / rate),
            due: Instant::now(),
            since_closed: Counts::default(),
            total: Counts::default(),
            complaint: None,
            gone: None,
        };
        bridge.source().select(display).map_err(|_| BridgeError::Channel { display: name(), channel })?;
        bridge.begin();
        Ok(bridge)
    }

    /// Room that a frame needs.
    pub fn frame_len(&self) -> usize {
        bytes(self.room)
    }

    /// Lets the server draw into the frames of a pipe.
    ///
    /// # Errors
    /// The pipe's, and as [`Display::attach`].
    pub fn attach(&mut self, pipe: &ZeroCopy) -> Result<(), BridgeError> {
        let segment = self.display.attach(pipe.memory_file()?)?;
        let offsets = (0..).map_while(|frame| pipe.offset_of(frame)).map(|offset| offset as u32).collect();
        self.frames = Some((segment, offsets));
        Ok(())
    }

    /// What clients find as channels.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name())
    }

    /// The pictures of all clients.
    pub fn total(&self) -> Counts {
        self.total
    }

    /// Serves what clients ask and what is due, and says how long there is nothing more to do; None:
    /// until somebody asks.
    ///
    /// # Errors
    /// The pipe's. [`BridgeError::Display`]: it is gone.
    pub fn serve(&mut self, pipe: &mut ZeroCopy) -> Result<Option<Duration>, BridgeError> {
        loop {
            pipe.serve_ready(self)?;
            self.events();
            if let Some(error) = self.gone.take() {
                return Err(self.display.error(&error));
            }
            if pipe.waiting().is_none() {
                return Ok(None);
            }
            let now = Instant::now();
            if now < self.due {
                return Ok(Some(self.due - now));
            }
            pipe.finish(|order, frame| self.draw(order, frame))?;
            // A client that comes late does not make up for it with pictures all at once.
            self.due = now.max(self.due + self.period);
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        self.sources[self.channel].as_mut()
    }

    /// The size of the largest picture: of the part that was chosen, or of all. A source that has grown
    /// beyond the frames' room is cut off.
    fn whole(&self) -> Area {
        let (width, height) = self.sources[self.channel].size();
        let (width, height) = if bytes((width, height)) <= self.frame_len() {
            (width, height)
        } else {
            (width.min(self.room.0), height.min(self.room.1))
        };
        self.part.unwrap_or(Area { x: 0, y: 0, width, height })
    }

    /// A channel was chosen: its whole picture, of a size that pixels with common colour can have.
    fn begin(&mut self) {
        self.part = None;
        let Area { width, height, .. } = self.whole();
        let even = |length: u16| if length > 1 { u32::from(length) & !1 } else { length.into() };
        self.size = (even(width), even(height));
    }

    /// Hears what has happened on the display.
    fn events(&mut self) {
        loop {
            match self.display.event() {
                Ok(Some(event)) => {
                    self.sources.iter_mut().for_each(|source| source.event(self.display, &event));
                }
                Ok(None) => break,
                Err(error) => {
                    self.gone = Some(error);
                    return;
                }
            }
        }
        // What GWIN tells is a size that there is.
        let Area { width, height, .. } = self.whole();
        self.size = (self.size.0.min(width.into()), self.size.1.min(height.into()));
    }

    /// The picture that was ordered, into the client's frame.
    fn draw(&mut self, order: &VideoMmap, frame: &mut [u8]) -> Answer<()> {
        self.events();
        let drawn = self.try_to_draw(order, frame);
        let (counts, answer) = match drawn {
            Ok(counts) => {
                self.complaint = None;
                (counts, Ok(()))
            }
            Err(error) => {
                self.complain(order, &error);
                if let XError::Gone(_) = error {
                    self.gone = Some(error);
                }
                (Counts { failed: 1, ..Counts::default() }, Err(Errno::EIO))
            }
        };
        self.since_closed += counts;
        self.total += counts;
        answer
    }

    /// Says what is wrong, once.
    fn complain(&mut self, order: &VideoMmap, error: &XError) {
        let source = self.sources[self.channel].name();
        let complaint = format!(
            "display {}: no picture of {}x{} from {source}: {error}",
            self.display.name(),
            order.width,
            order.height
        );
        if self.complaint.as_ref() != Some(&complaint) {
            eprintln!("x11-bridge: {complaint}");
            self.complaint = Some(complaint);
        }
    }

    fn try_to_draw(&mut self, order: &VideoMmap, frame: &mut [u8]) -> Result<Counts, XError> {
        let refused = |why: &str| XError::Refused(why.to_owned());
        let (area, size) = self.area(order).ok_or_else(|| refused("it has become smaller"))?;
        let palette = Palette::from_number(order.format).ok_or_else(|| refused("no such palette"))?;
        let source = self.sources[self.channel].as_mut();
        let pixels = source.pixels();
        if pixels.is(palette, size.0.into()) {
            let place = self.frames.as_ref().and_then(|(segment, offsets)| {
                Some(Place { segment: *segment, offset: *offsets.get(order.frame as usize)? })
            });
            source.draw(self.display, area, size, place.ok_or_else(|| refused("no such frame"))?)?;
            return Ok(Counts { direct: 1, ..Counts::default() });
        }
        if self.scratch.is_none() {
            let scratch =
                Scratch::new(self.display, bytes(self.room)).map_err(|error| refused(&error.to_string()))?;
            self.scratch = Some(scratch);
        }
        let Some(scratch) = &self.scratch else { return Err(refused("no memory")) };
        source.draw(self.display, area, size, scratch.place())?;
        if !convert::convert(pixels, size, scratch.bytes(), palette, frame) {
            return Err(refused("that palette cannot be made"));
        }
        Ok(Counts { converted: 1, ..Counts::default() })
    }

    /// Which part of the source becomes a picture of the ordered size. None: the source is smaller.
    fn area(&self, order: &VideoMmap) -> Option<(Area, (u16, u16))> {
        let size = (u16::try_from(order.width).ok()?, u16::try_from(order.height).ok()?);
        let whole = self.whole();
        let (width, height) = self.sources[self.channel].size();
        // The part that was chosen may lie outside by now.
        let inside = i32::from(whole.x) + i32::from(whole.width) <= width.into()
            && i32::from(whole.y) + i32::from(whole.height) <= height.into();
        let fits = (1..=whole.width).contains(&size.0) && (1..=whole.height).contains(&size.1);
        if !fits || !inside {
            return None;
        }
        let area = if self.sources[self.channel].scales() {
            whole
        } else {
            Area { width: size.0, height: size.1, ..whole }
        };
        Some((area, size))
    }

    /// The channel of a number.
    fn channel(&self, number: i32) -> Answer<&dyn Source> {
        let source = usize::try_from(number).ok().and_then(|number| self.sources.get(number));
        source.map(AsRef::as_ref).ok_or(Errno::EINVAL)
    }

    /// The tuner of the channel that is on.
    fn tuner(&self, number: i32) -> Answer<std::ops::RangeInclusive<u64>> {
        let tuner = self.sources[self.channel].tuner();
        tuner.filter(|_| number == 0).ok_or(Errno::EINVAL)
    }
}

/// The C text of a V4L1 name, cut where it is too long.
fn name(text: &str) -> [u8; 32] {
    let mut name = [0; 32];
    let mut len = text.len().min(name.len() - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    name[..len].copy_from_slice(&text.as_bytes()[..len]);
    name
}

/// A palette that can be made.
fn made(palette: u32) -> Answer<Palette> {
    Palette::from_number(palette).filter(|palette| convert::makes(*palette)).ok_or(Errno::EINVAL)
}

impl Server for Bridge<'_> {
    fn gcap(&mut self) -> Answer<VideoCapability> {
        self.events();
        let Area { width, height, .. } = self.whole();
        let has_tuner = self.sources.iter().any(|source| source.tuner().is_some());
        Ok(VideoCapability {
            name: name(&format!("X11 display {}", self.display.name())),
            type_: VID_TYPE_CAPTURE | VID_TYPE_SUBCAPTURE | if has_tuner { VID_TYPE_TUNER } else { 0 },
            channels: self.sources.len() as i32,
            maxwidth: width.into(),
            maxheight: height.into(),
            minwidth: 1,
            minheight: 1,
            ..VideoCapability::default()
        })
    }

    fn gchan(&mut self, channel: VideoChannel) -> Answer<VideoChannel> {
        let source = self.channel(channel.channel)?;
        let tuner = source.tuner().is_some();
        Ok(VideoChannel {
            channel: channel.channel,
            name: name(source.name()),
            tuners: tuner.into(),
            flags: if tuner { VIDEO_VC_TUNER } else { 0 },
            type_: if tuner { VIDEO_TYPE_TV } else { VIDEO_TYPE_CAMERA },
            norm: VIDEO_MODE_AUTO,
        })
    }

    fn schan(&mut self, channel: VideoChannel) -> Answer<()> {
        self.channel(channel.channel)?;
        let (before, wanted) = (self.channel, channel.channel as usize);
        if wanted == before {
            return Ok(());
        }
        let display = self.display;
        // First the old one, because both may be of one port.
        self.source().leave(display);
        self.channel = wanted;
        if let Err(errno) = self.source().select(display) {
            self.channel = before;
            // If another program took it meanwhile, its pictures will fail.
            let _ = self.source().select(display);
            return Err(errno);
        }
        self.begin();
        Ok(())
    }

    fn gtuner(&mut self, tuner: VideoTuner) -> Answer<VideoTuner> {
        let range = self.tuner(tuner.tuner)?;
        Ok(VideoTuner {
            name: name("Television"),
            rangelow: *range.start(),
            rangehigh: *range.end(),
            flags: VIDEO_TUNER_PAL | VIDEO_TUNER_NTSC | VIDEO_TUNER_SECAM,
            mode: VIDEO_MODE_AUTO,
            signal: u16::MAX,
            ..VideoTuner::default()
        })
    }

    fn stuner(&mut self, tuner: VideoTuner) -> Answer<()> {
        self.tuner(tuner.tuner).map(drop)
    }

    fn gfreq(&mut self) -> Answer<u64> {
        self.sources[self.channel].frequency(self.display)
    }

    fn sfreq(&mut self, frequency: u64) -> Answer<()> {
        let display = self.display;
        self.source().tune(display, frequency)
    }

    fn gpict(&mut self) -> Answer<VideoPicture> {
        let Settings { brightness, contrast, hue, colour } =
            self.sources[self.channel].settings(self.display);
        let (palette, depth) = (self.palette.number(), self.palette.depth());
        Ok(VideoPicture { brightness, hue, colour, contrast, whiteness: 1 << 15, depth, palette })
    }

    fn spict(&mut self, picture: VideoPicture) -> Answer<()> {
        let palette = made(picture.palette.into())?;
        let VideoPicture { brightness, contrast, hue, colour, .. } = picture;
        let display = self.display;
        self.source().set(display, Settings { brightness, contrast, hue, colour })?;
        self.palette = palette;
        Ok(())
    }

    fn gwin(&mut self) -> Answer<VideoWindow> {
        Ok(VideoWindow { width: self.size.0, height: self.size.1, ..VideoWindow::default() })
    }

    fn swin(&mut self, window: VideoWindow) -> Answer<()> {
        self.events();
        let VideoWindow { width, height, flags, clipcount, .. } = window;
        let whole = self.whole();
        let fits = (1..=whole.width.into()).contains(&width) && (1..=whole.height.into()).contains(&height);
        if flags != 0 || clipcount != 0 || !fits {
            return Err(Errno::EINVAL);
        }
        self.size = (width, height);
        Ok(())
    }

    fn gcapture(&mut self) -> Answer<VideoCapture> {
        let Area { x, y, width, height } = self.whole();
        // An area's corner is never left of or above its source.
        let (x, y) = (x as u32, y as u32);
        Ok(VideoCapture { x, y, width: width.into(), height: height.into(), ..VideoCapture::default() })
    }

    fn scapture(&mut self, part: VideoCapture) -> Answer<()> {
        self.events();
        let (width, height) = self.sources[self.channel].size();
        let inside = |begin: u32, len: u32, of: u16| {
            len > 0 && begin.checked_add(len).is_some_and(|end| end <= of.into()) && begin <= i16::MAX as u32
        };
        let fits = inside(part.x, part.width, width) && inside(part.y, part.height, height);
        let VideoCapture { x, y, width, height, .. } = part;
        // Both are a source's, if it fits.
        if !fits
            || bytes((width as u16, height as u16)) > self.frame_len()
            || part.decimation != 0
            || part.flags != 0
        {
            return Err(Errno::EINVAL);
        }
        self.part = Some(Area { x: x as i16, y: y as i16, width: width as u16, height: height as u16 });
        self.size = (self.size.0.min(width), self.size.1.min(height));
        Ok(())
    }

    fn mcapture(&mut self, order: &VideoMmap) -> Answer<()> {
        made(order.format)?;
        self.area(order).map(drop).ok_or(Errno::EINVAL)
    }

    fn sync(&mut self, capture: Capture<'_>) -> Answer<Synced> {
        // Drawn when it is due.
        Ok(capture.later())
    }

    fn closed(&mut self) {
        println!("a client has closed: {}", std::mem::take(&mut self.since_closed));
    }
}
