//! Video inputs of Xv adaptors: television cards, cameras. Each encoding is a channel.
//!
//! A picture is put by the adaptor into a pixmap, or, where it refuses that, as X.Org's own drivers do, into a window
//! that nobody sees; from there into the pipe's memory by the server.

use std::ops::RangeInclusive;

use vloopback_sdk::zero_copy::Errno;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{Atom, ConnectionExt as _, CreateGCAux, Drawable, Gcontext, Visualid, Window};
use x11rb::protocol::xv::{
    AdaptorInfo, AttributeFlag, ConnectionExt as _, EncodingInfo, Format, GrabPortStatus, Port, Type,
};

use crate::display::{Area, Display, Pixels, Place};
use crate::errors::{BridgeError, XError};
use crate::hidden::HiddenWindow;
use crate::source::{Settings, Source};

/// The encoding that stands for pictures of programs, not for an input.
const IMAGE: &[u8] = b"XV_IMAGE";

/// A number that the port has under a name.
#[derive(Clone, Debug)]
struct Attribute {
    name: Vec<u8>,
    atom: Atom,
    gettable: bool,
    settable: bool,
    range: RangeInclusive<i32>,
}

impl Attribute {
    /// V4L1's 0 to 65535 as the attribute has it.
    fn of_setting(&self, setting: u16) -> i32 {
        let (min, max) = (i64::from(*self.range.start()), i64::from(*self.range.end()));
        // Rounded; between two 32-bit numbers.
        (min + ((max - min) * i64::from(setting) + 32767) / 65535) as i32
    }

    fn to_setting(&self, value: i32) -> u16 {
        let (min, max) = (i64::from(*self.range.start()), i64::from(*self.range.end()));
        if max <= min {
            return 1 << 15;
        }
        let value = i64::from(value).clamp(min, max) - min;
        ((value * 65535 + (max - min) / 2) / (max - min)) as u16
    }
}

/// Where pictures are put by the adaptor.
#[derive(Debug)]
struct Canvas {
    /// The pixmap, or the window.
    drawable: Drawable,
    window: Option<HiddenWindow>,
    gc: Gcontext,
    size: (u16, u16),
    /// The part of the input's picture that video is running for.
    running: Option<Area>,
}

impl Canvas {
    /// A pixmap, or a window, of that size.
    fn new(display: &Display, of: &VideoSource, size: (u16, u16), window: bool) -> Result<Self, XError> {
        let conn = display.conn();
        let window = if window {
            Some(HiddenWindow::new(display, of.root, (of.depth, of.visual, of.pixels), size)?)
        } else {
            None
        };
        let drawable = match &window {
            Some(window) => window.window(),
            None => {
                let pixmap = conn.generate_id()?;
                conn.create_pixmap(of.depth, pixmap, of.root, size.0, size.1)?.check()?;
                pixmap
            }
        };
        let gc = conn.generate_id()?;
        conn.create_gc(gc, drawable, &CreateGCAux::new())?;
        Ok(Self { drawable, window, gc, size, running: None })
    }

    fn free(self, display: &Display, port: Option<Port>) -> Result<(), XError> {
        let conn = display.conn();
        if let (Some(_), Some(port)) = (self.running, port) {
            conn.xv_stop_video(port, self.drawable)?;
        }
        conn.free_gc(self.gc)?;
        match self.window {
            Some(window) => window.free(display),
            None => Ok(conn.free_pixmap(self.drawable).map(drop)?),
        }
    }

    /// Has the adaptor put a picture, or begin with its pictures.
    fn put(&mut self, display: &Display, port: Port, area: Area, stills: bool) -> Result<(), XError> {
        let (conn, Area { x, y, width, height }) = (display.conn(), area);
        let (to, gc, (w, h)) = (self.drawable, self.gc, self.size);
        if stills {
            conn.xv_put_still(port, to, gc, x, y, width, height, 0, 0, w, h)?.check()?;
        } else if self.running != Some(area) {
            conn.xv_put_video(port, to, gc, x, y, width, height, 0, 0, w, h)?.check()?;
            self.running = Some(area);
        }
        self.window.as_mut().map_or(Ok(()), |window| window.until_drawn(display))
    }
}

/// One encoding of an adaptor.
#[derive(Debug)]
pub struct VideoSource {
    name: String,
    root: Window,
    ports: std::ops::Range<Port>,
    /// The encoding's number and size.
    encoding: u32,
    size: (u16, u16),
    depth: u8,
    visual: Visualid,
    pixels: Pixels,
    /// The adaptor refuses pixmaps, and takes windows.
    windows: bool,
    /// Single pictures can be asked for; else video runs into the canvas.
    stills: bool,
    attributes: Vec<Attribute>,
    /// The port that we have grabbed.
    port: Option<Port>,
    canvas: Option<Canvas>,
}

impl VideoSource {
    /// The encodings of all adaptors that take pictures from outside, of every screen.
    ///
    /// # Errors
    /// [`BridgeError::Display`].
    pub fn all(display: &Display) -> Result<Vec<Self>, BridgeError> {
        if !display.has_video() {
            return Ok(Vec::new());
        }
        list(display).map_err(|error| display.error(&error))
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name.as_bytes())
    }

    /// The value of an attribute; None: there is none, or it does not tell.
    fn get(&self, display: &Display, name: &str) -> Result<Option<i32>, XError> {
        let (Some(attribute), Some(port)) = (self.attribute(name).filter(|a| a.gettable), self.port) else {
            return Ok(None);
        };
        Ok(Some(display.conn().xv_get_port_attribute(port, attribute.atom)?.reply()?.value))
    }

    fn put(&self, display: &Display, name: &str, value: i32) -> Result<(), XError> {
        let (Some(attribute), Some(port)) = (self.attribute(name).filter(|a| a.settable), self.port) else {
            return Ok(());
        };
        Ok(display.conn().xv_set_port_attribute(port, attribute.atom, value)?.check()?)
    }

    /// The first port of the adaptor that no other program has.
    fn grab(&self, display: &Display) -> Result<Option<Port>, XError> {
        for port in self.ports.clone() {
            let status = display.conn().xv_grab_port(port, x11rb::CURRENT_TIME)?.reply()?.result;
            if status == GrabPortStatus::SUCCESS {
                return Ok(Some(port));
            }
        }
        Ok(None)
    }

    fn free(&mut self, display: &Display) -> Result<(), XError> {
        self.canvas.take().map_or(Ok(()), |canvas| canvas.free(display, self.port))
    }

    /// Has a picture put into a canvas of that size, a window or a pixmap; where it is to be read.
    fn paint(
        &mut self,
        display: &Display,
        (area, size): (Area, (u16, u16)),
        window: bool,
    ) -> Result<Drawable, XError> {
        let Some(port) = self.port else { return Err(XError::Refused("its port is not ours".to_owned())) };
        let same = |canvas: &Canvas| canvas.size == size && canvas.window.is_some() == window;
        let mut canvas = match self.canvas.take_if(|canvas| same(canvas)) {
            Some(canvas) => canvas,
            None => {
                self.free(display)?;
                Canvas::new(display, self, size, window)?
            }
        };
        let put = canvas.put(display, port, area, self.stills);
        let picture = canvas.window.as_ref().map_or(canvas.drawable, HiddenWindow::picture);
        self.canvas = Some(canvas);
        put.map(|()| picture)
    }
}

impl Source for VideoSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn pixels(&self) -> Pixels {
        self.pixels
    }

    fn scales(&self) -> bool {
        true
    }

    fn select(&mut self, display: &Display) -> Result<(), Errno> {
        self.port = self.grab(display).map_err(|_| Errno::EIO)?;
        if self.port.is_none() {
            return Err(Errno::EBUSY);
        }
        self.put(display, "XV_ENCODING", self.encoding as i32).map_err(|_| {
            self.leave(display);
            Errno::EIO
        })
    }

    fn leave(&mut self, display: &Display) {
        // A display that is gone will say so when something is asked of it.
        drop(self.free(display));
        if let Some(port) = self.port.take() {
            drop(display.conn().xv_ungrab_port(port, x11rb::CURRENT_TIME));
        }
    }

    fn draw(&mut self, display: &Display, area: Area, size: (u16, u16), to: Place) -> Result<(), XError> {
        let whole = Area { x: 0, y: 0, width: size.0, height: size.1 };
        let pixels = self.pixels;
        if !self.windows {
            match self.paint(display, (area, size), false) {
                Ok(picture) => return display.draw(picture, whole, pixels, to),
                // What is in the way of every picture will be in a window's, too.
                Err(XError::Refused(_)) if display.keeps_windows() && self.port.is_some() => {}
                Err(error) => return Err(error),
            }
        }
        match self.paint(display, (area, size), true) {
            Ok(picture) => {
                display.draw(picture, whole, pixels, to)?;
                self.windows = true;
                Ok(())
            }
            Err(error) => {
                self.windows = false;
                Err(error)
            }
        }
    }

    fn settings(&self, display: &Display) -> Settings {
        let setting = |name| match (self.attribute(name), self.get(display, name)) {
            (Some(attribute), Ok(Some(value))) => attribute.to_setting(value),
            _ => 1 << 15,
        };
        Settings {
            brightness: setting("XV_BRIGHTNESS"),
            contrast: setting("XV_CONTRAST"),
            hue: setting("XV_HUE"),
            colour: setting("XV_SATURATION"),
        }
    }

    fn set(&mut self, display: &Display, settings: Settings) -> Result<(), Errno> {
        let before = self.settings(display);
        for (name, setting, before) in [
            ("XV_BRIGHTNESS", settings.brightness, before.brightness),
            ("XV_CONTRAST", settings.contrast, before.contrast),
            ("XV_HUE", settings.hue, before.hue),
            ("XV_SATURATION", settings.colour, before.colour),
        ] {
            let Some(attribute) = self.attribute(name) else { continue };
            // What the client did not change keeps its exact value.
            if attribute.gettable && setting == before {
                continue;
            }
            let value = attribute.of_setting(setting);
            self.put(display, name, value).map_err(|_| Errno::EIO)?;
        }
        Ok(())
    }

    fn tuner(&self) -> Option<RangeInclusive<u64>> {
        let name = self.name.to_lowercase();
        if !["television", "tuner"].iter().any(|word| name.contains(word)) {
            return None;
        }
        let range = &self.attribute("XV_FREQ").filter(|attribute| attribute.settable)?.range;
        let limit = |value: i32| u64::try_from(value).ok();
        let low = limit(*range.start()).unwrap_or(0);
        // Drivers that know no limit say 0, or -1.
        let high = limit(*range.end()).filter(|high| *high > low).unwrap_or(i32::MAX as u64);
        Some(low..=high)
    }

    fn frequency(&self, display: &Display) -> Result<u64, Errno> {
        self.tuner().ok_or(Errno::EINVAL)?;
        let value = self.get(display, "XV_FREQ").map_err(|_| Errno::EIO)?;
        Ok(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0))
    }

    fn tune(&mut self, display: &Display, frequency: u64) -> Result<(), Errno> {
        let range = self.tuner().ok_or(Errno::EINVAL)?;
        let value =
            i32::try_from(frequency).ok().filter(|_| range.contains(&frequency)).ok_or(Errno::EINVAL)?;
        self.put(display, "XV_FREQ", value).map_err(|_| Errno::EIO)
    }
}

fn list(display: &Display) -> Result<Vec<VideoSource>, XError> {
    let conn = display.conn();
    let mut sources = Vec::new();
    for (_, screen) in display.screens() {
        let adaptors = conn.xv_query_adaptors(screen.root)?.reply()?.info;
        for adaptor in adaptors.iter().filter(|adaptor| takes_pictures(adaptor)) {
            let found = adaptor
                .formats
                .iter()
                .find_map(|format| Some((*format, display.pixels(format.depth, format.visual)?)));
            let Some(found) = found else { continue };
            let attributes = attributes(display, adaptor.base_id)?;
            for encoding in conn.xv_query_encodings(adaptor.base_id)?.reply()?.info {
                if encoding.name != IMAGE && encoding.width > 0 && encoding.height > 0 {
                    sources.push(source(screen.root, adaptor, &encoding, found, &attributes));
                }
            }
        }
    }
    Ok(sources)
}

/// Whether it has an input, and pictures of that can be had.
fn takes_pictures(adaptor: &AdaptorInfo) -> bool {
    let has = |mask: Type| u8::from(adaptor.type_) & u8::from(mask) != 0;
    has(Type::INPUT_MASK) && (has(Type::STILL_MASK) || has(Type::VIDEO_MASK)) && adaptor.num_ports > 0
}

fn source(
    root: Window,
    adaptor: &AdaptorInfo,
    encoding: &EncodingInfo,
    (format, pixels): (Format, Pixels),
    attributes: &[Attribute],
) -> VideoSource {
    VideoSource {
        name: String::from_utf8_lossy(&encoding.name).into_owned(),
        root,
        ports: adaptor.base_id..adaptor.base_id + u32::from(adaptor.num_ports),
        encoding: encoding.encoding,
        size: (encoding.width, encoding.height),
        depth: format.depth,
        visual: format.visual,
        pixels,
        windows: false,
        stills: u8::from(adaptor.type_) & u8::from(Type::STILL_MASK) != 0,
        attributes: attributes.to_vec(),
        port: None,
        canvas: None,
    }
}

fn attributes(display: &Display, port: Port) -> Result<Vec<Attribute>, XError> {
    let conn = display.conn();
    let infos = conn.xv_query_port_attributes(port)?.reply()?.attributes;
    let attributes = infos.into_iter().map(|info| {
        // The names end with a 0 that belongs to their length.
        let name: Vec<u8> = info.name.into_iter().take_while(|byte| *byte != 0).collect();
        let has = |flag: AttributeFlag| u32::from(info.flags) & u32::from(flag) != 0;
        Ok(Attribute {
            atom: conn.intern_atom(false, &name)?.reply()?.atom,
            name,
            gettable: has(AttributeFlag::GETTABLE),
            settable: has(AttributeFlag::SETTABLE),
            range: info.min..=info.max,
        })
    });
    attributes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_reach_both_ends_and_come_back() {
        for range in [-1000..=1000, 0..=255, 0..=65535, -128..=127, 7..=7] {
            let attribute =
                Attribute { name: Vec::new(), atom: 0, gettable: true, settable: true, range: range.clone() };
            assert_eq!(attribute.of_setting(0), *range.start());
            assert_eq!(attribute.of_setting(u16::MAX), *range.end());
            for value in range {
                assert_eq!(attribute.of_setting(attribute.to_setting(value)), value, "{:?}", attribute.range);
            }
        }
    }
}
