//! Video inputs of Xv adaptors: television cards, cameras. Each encoding is a channel.
//!
//! A picture is put into a pixmap by the adaptor, and from there into the pipe's memory by the server.

use std::ops::RangeInclusive;

use vloopback_sdk::zero_copy::Errno;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{Atom, ConnectionExt as _, CreateGCAux, Gcontext, Pixmap, Window};
use x11rb::protocol::xv::{
    AdaptorInfo, AttributeFlag, ConnectionExt as _, EncodingInfo, GrabPortStatus, Port, Type,
};

use crate::display::{Area, Display, Pixels, Place};
use crate::errors::{BridgeError, XError};
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
    pixmap: Pixmap,
    gc: Gcontext,
    size: (u16, u16),
    /// The part of the input's picture that video is running for.
    running: Option<Area>,
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
    pixels: Pixels,
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
        let conn = display.conn();
        if let Some(canvas) = self.canvas.take() {
            if let (Some(_), Some(port)) = (canvas.running, self.port) {
                conn.xv_stop_video(port, canvas.pixmap)?;
            }
            conn.free_gc(canvas.gc)?;
            conn.free_pixmap(canvas.pixmap)?;
        }
        Ok(())
    }

    /// A canvas of that size.
    fn prepare(&mut self, display: &Display, size: (u16, u16)) -> Result<(), XError> {
        if self.canvas.as_ref().is_some_and(|canvas| canvas.size == size) {
            return Ok(());
        }
        self.free(display)?;
        let conn = display.conn();
        let (pixmap, gc) = (conn.generate_id()?, conn.generate_id()?);
        conn.create_pixmap(self.depth, pixmap, self.root, size.0, size.1)?.check()?;
        self.canvas = Some(Canvas { pixmap, gc, size, running: None });
        conn.create_gc(gc, pixmap, &CreateGCAux::new())?;
        Ok(())
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
        let Some(port) = self.port else { return Err(XError::Refused("its port is not ours".to_owned())) };
        self.prepare(display, size)?;
        let Some(canvas) = &mut self.canvas else { return Ok(()) };
        let (conn, Area { x, y, width, height }) = (display.conn(), area);
        let &mut Canvas { pixmap, gc, .. } = canvas;
        if self.stills {
            conn.xv_put_still(port, pixmap, gc, x, y, width, height, 0, 0, size.0, size.1)?.check()?;
        } else if canvas.running != Some(area) {
            conn.xv_put_video(port, pixmap, gc, x, y, width, height, 0, 0, size.0, size.1)?.check()?;
            canvas.running = Some(area);
        }
        let whole = Area { x: 0, y: 0, width: size.0, height: size.1 };
        display.draw(pixmap, whole, self.pixels, to)
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
                .find_map(|format| Some((format.depth, display.pixels(format.depth, format.visual)?)));
            let Some((depth, pixels)) = found else { continue };
            let attributes = attributes(display, adaptor.base_id)?;
            for encoding in conn.xv_query_encodings(adaptor.base_id)?.reply()?.info {
                if encoding.name != IMAGE && encoding.width > 0 && encoding.height > 0 {
                    sources.push(source(screen.root, adaptor, &encoding, (depth, pixels), &attributes));
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
    (depth, pixels): (u8, Pixels),
    attributes: &[Attribute],
) -> VideoSource {
    VideoSource {
        name: String::from_utf8_lossy(&encoding.name).into_owned(),
        root,
        ports: adaptor.base_id..adaptor.base_id + u32::from(adaptor.num_ports),
        encoding: encoding.encoding,
        size: (encoding.width, encoding.height),
        depth,
        pixels,
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
