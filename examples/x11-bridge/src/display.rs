//! The X display: its screens, how its pixels lie in memory, and how it draws into memory of ours.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use vloopback_sdk::Palette;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::composite::{self, ConnectionExt as _};
use x11rb::protocol::shm::{self, ConnectionExt as _, Seg};
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, Drawable, EventMask, ImageFormat, ImageOrder, Screen,
    Visualid, Window,
};
use x11rb::protocol::{Event, xv};
use x11rb::rust_connection::RustConnection;

use crate::errors::{BridgeError, XError};

/// How a picture of the server's lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// The palette with the same pixels.
    pub palette: Palette,
    /// Bytes that a line is rounded up to.
    pub pad: usize,
}

impl Pixels {
    /// Bytes of a line.
    pub fn stride(self, width: usize) -> usize {
        self.line(width).next_multiple_of(self.pad)
    }

    /// Bytes of a line without what it is rounded up by.
    pub fn line(self, width: usize) -> usize {
        width * usize::from(self.palette.depth()) / 8
    }

    /// Whether the server's picture of that width is a frame of the palette, byte for byte.
    pub fn is(self, palette: Palette, width: usize) -> bool {
        self.palette.fourcc() == palette.fourcc() && self.stride(width) == self.line(width)
    }
}

/// A rectangle of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its left edge.
    pub x: i16,
    /// Its upper edge.
    pub y: i16,
    /// Pixels in a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

/// Where the server draws a picture: a segment that it has attached, and the byte in it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The segment.
    pub segment: Seg,
    /// Where in it.
    pub offset: u32,
}

/// A connection to an X server.
pub struct Display {
    conn: RustConnection,
    name: String,
    screen: usize,
    has_composite: bool,
    has_xv: bool,
}

impl std::fmt::Debug for Display {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Display")
            .field("name", &self.name)
            .field("screen", &self.screen)
            .finish_non_exhaustive()
    }
}

impl Display {
    /// Connects; `None` is what DISPLAY says.
    ///
    /// # Errors
    /// [`BridgeError::NoDisplay`], [`BridgeError::NoSharedMemory`].
    pub fn connect(name: Option<&str>) -> Result<Self, BridgeError> {
        let shown = name.map_or_else(|| std::env::var("DISPLAY").unwrap_or_default(), str::to_owned);
        let (conn, screen) = x11rb::connect(name)
            .map_err(|source| BridgeError::NoDisplay { display: shown.clone(), source })?;
        let display = Self { conn, name: shown, screen, has_composite: false, has_xv: false };
        if !display.has_shared_memory().map_err(|error| display.error(&error))? {
            return Err(display.no_shared_memory());
        }
        let has_composite = display.has_composite().map_err(|error| display.error(&error))?;
        let has_xv = display.has_xv().map_err(|error| display.error(&error))?;
        Ok(Self { has_composite, has_xv, ..display })
    }

    fn has_shared_memory(&self) -> Result<bool, XError> {
        if self.conn.extension_information(shm::X11_EXTENSION_NAME)?.is_none() {
            return Ok(false);
        }
        let version = self.conn.shm_query_version()?.reply()?;
        Ok((version.major_version, version.minor_version) >= (1, 2))
    }

    fn has_composite(&self) -> Result<bool, XError> {
        if self.conn.extension_information(composite::X11_EXTENSION_NAME)?.is_none() {
            return Ok(false);
        }
        // Pictures of windows came with 0.2.
        let version = self.conn.composite_query_version(0, 4)?.reply()?;
        Ok((version.major_version, version.minor_version) >= (0, 2))
    }

    fn has_xv(&self) -> Result<bool, XError> {
        Ok(self.conn.extension_information(xv::X11_EXTENSION_NAME)?.is_some())
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connection.
    pub fn conn(&self) -> &RustConnection {
        &self.conn
    }

    /// Whether a window's picture can be had although others lie above it.
    pub fn keeps_windows(&self) -> bool {
        self.has_composite
    }

    /// Whether it has the Xv extension.
    pub fn has_video(&self) -> bool {
        self.has_xv
    }

    /// Its screens, the default one first, with their numbers.
    pub fn screens(&self) -> impl Iterator<Item = (usize, &Screen)> {
        let roots = &self.conn.setup().roots;
        let others = roots.iter().enumerate().filter(|(number, _)| *number != self.screen);
        roots.iter().enumerate().skip(self.screen).take(1).chain(others)
    }

    /// How pixels of that depth and visual lie in memory. None: in an order that no palette has.
    pub fn pixels(&self, depth: u8, visual: Visualid) -> Option<Pixels> {
        let setup = self.conn.setup();
        if setup.image_byte_order != ImageOrder::LSB_FIRST {
            return None;
        }
        let format = setup.pixmap_formats.iter().find(|format| format.depth == depth)?;
        let depths = setup.roots.iter().flat_map(|root| &root.allowed_depths);
        let mut visuals = depths.flat_map(|allowed| &allowed.visuals);
        let visual = visuals.find(|candidate| candidate.visual_id == visual)?;
        let masks = (visual.red_mask, visual.green_mask, visual.blue_mask);
        let palette = match (format.bits_per_pixel, masks) {
            (32, (0xff_0000, 0xff00, 0xff)) => Palette::Rgb32,
            (24, (0xff_0000, 0xff00, 0xff)) => Palette::Rgb24,
            (16, (0xf800, 0x07e0, 0x1f)) => Palette::Rgb565,
            (16, (0x7c00, 0x03e0, 0x1f)) => Palette::Rgb555,
            _ => return None,
        };
        Some(Pixels { palette, pad: usize::from(format.scanline_pad / 8).max(1) })
    }

    /// Lets the server map a file, to draw into it.
    ///
    /// # Errors
    /// [`BridgeError::NoSharedMemory`]: the connection passes no descriptors. [`BridgeError::Display`].
    pub fn attach(&self, file: OwnedFd) -> Result<Seg, BridgeError> {
        let attach = || -> Result<Seg, XError> {
            let segment = self.conn.generate_id().map_err(XError::from)?;
            self.conn.shm_attach_fd(segment, file, false)?.check()?;
            Ok(segment)
        };
        attach().map_err(|error| match error {
            XError::Gone(x11rb::errors::ConnectionError::FdPassingFailed) => self.no_shared_memory(),
            error => self.error(&error),
        })
    }

    /// Draws a rectangle of a window's or pixmap's picture to a place. When this is done the picture is there.
    ///
    /// # Errors
    /// What the server says, such as a rectangle that is not all on the screen.
    pub fn draw(&self, drawable: Drawable, area: Area, pixels: Pixels, to: Place) -> Result<(), XError> {
        let Area { x, y, width, height } = area;
        let Place { segment, offset } = to;
        let format = u8::from(ImageFormat::Z_PIXMAP);
        let drawn =
            self.conn.shm_get_image(drawable, x, y, width, height, !0, format, segment, offset)?.reply()?;
        let len = pixels.stride(width.into()) * usize::from(height);
        if drawn.size as usize == len {
            return Ok(());
        }
        Err(XError::Refused(format!("a picture of {} bytes where {len} make one", drawn.size)))
    }

    /// Asks to be told of a window's size, its appearing and its end.
    ///
    /// # Errors
    /// What the server says: there is no such window.
    pub fn watch(&self, window: Window) -> Result<(), XError> {
        let mask = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
        Ok(self.conn.change_window_attributes(window, &mask)?.check()?)
    }

    /// The next of what it has to tell, if there is something.
    ///
    /// # Errors
    /// [`XError::Gone`].
    pub fn event(&self) -> Result<Option<Event>, XError> {
        Ok(self.conn.poll_for_event()?)
    }

    /// The error of a display that does not do what it has to.
    pub fn error(&self, error: &XError) -> BridgeError {
        BridgeError::Display { display: self.name.clone(), reason: error.to_string() }
    }

    fn no_shared_memory(&self) -> BridgeError {
        BridgeError::NoSharedMemory { display: self.name.clone() }
    }
}

/// Readable when the server has something to tell, and when it is gone.
impl AsFd for Display {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.conn.stream().as_fd()
    }
}
