//! Screens and windows.

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::composite::{ConnectionExt as _, Redirect};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, MapState, Pixmap, Window};

use crate::display::{Area, Display, Pixels, Place};
use crate::errors::{BridgeError, XError};
use crate::source::Source;

/// A whole screen, with all windows on it.
#[derive(Debug)]
pub struct ScreenSource {
    name: String,
    root: Window,
    size: (u16, u16),
    pixels: Pixels,
}

impl ScreenSource {
    /// All screens, the default one first.
    ///
    /// # Errors
    /// [`BridgeError::Pixels`], [`BridgeError::Display`].
    pub fn all(display: &Display) -> Result<Vec<Self>, BridgeError> {
        let screens =
            display.screens().map(|(number, screen)| {
                let name = format!("Screen {number}");
                let depth = screen.root_depth;
                let pixels = display.pixels(depth, screen.root_visual).ok_or_else(|| {
                    BridgeError::Pixels { display: display.name().to_owned(), of: name.clone(), depth }
                })?;
                display.watch(screen.root).map_err(|error| display.error(&error))?;
                let size = (screen.width_in_pixels, screen.height_in_pixels);
                Ok(Self { name, root: screen.root, size, pixels })
            });
        screens.collect()
    }
}

impl Source for ScreenSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn pixels(&self) -> Pixels {
        self.pixels
    }

    fn event(&mut self, _: &Display, event: &Event) {
        match event {
            Event::ConfigureNotify(now) if now.window == self.root => self.size = (now.width, now.height),
            _ => {}
        }
    }

    fn draw(&mut self, display: &Display, area: Area, _: (u16, u16), to: Place) -> Result<(), XError> {
        display.draw(self.root, area, self.pixels, to)
    }
}

/// One window. Where the server can (Composite), its picture is whole although others lie above it, and
/// the last one stays while it is not shown.
#[derive(Debug)]
pub struct WindowSource {
    name: String,
    window: Window,
    size: (u16, u16),
    /// Pixels around the picture in `pixmap`.
    border: u16,
    pixels: Pixels,
    pixmap: Option<Pixmap>,
}

impl WindowSource {
    /// The window with a number as `0x400001` or `4194305`, or with a title.
    ///
    /// # Errors
    /// [`BridgeError::NoWindow`], [`BridgeError::Pixels`], [`BridgeError::Display`].
    pub fn find(display: &Display, wanted: &str) -> Result<Self, BridgeError> {
        let missing =
            || BridgeError::NoWindow { display: display.name().to_owned(), window: wanted.to_owned() };
        let number = match wanted.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => wanted.parse().ok(),
        };
        let found = match number {
            Some(window) => Ok(Some(window)),
            None => with_title(display, wanted),
        };
        let window = found.map_err(|error| display.error(&error))?.ok_or_else(missing)?;
        match Self::of(display, window) {
            Ok(Ok(source)) => Ok(source),
            Ok(Err(depth)) => Err(BridgeError::Pixels {
                display: display.name().to_owned(),
                of: format!("window {wanted}"),
                depth,
            }),
            Err(XError::Gone(error)) => Err(display.error(&XError::Gone(error))),
            Err(XError::Refused(_)) => Err(missing()),
        }
    }

    /// The inner error is the depth of pixels that no palette has.
    fn of(display: &Display, window: Window) -> Result<Result<Self, u8>, XError> {
        let conn = display.conn();
        display.watch(window)?;
        let geometry = conn.get_geometry(window)?;
        let attributes = conn.get_window_attributes(window)?.reply()?;
        let geometry = geometry.reply()?;
        let Some(pixels) = display.pixels(geometry.depth, attributes.visual) else {
            return Ok(Err(geometry.depth));
        };
        let name = title(display, window)?.unwrap_or_else(|| format!("Window {window:#x}"));
        if display.keeps_windows() {
            conn.composite_redirect_window(window, Redirect::AUTOMATIC)?.check()?;
        }
        let size = (geometry.width, geometry.height);
        let mut source = Self { name, window, size, border: geometry.border_width, pixels, pixmap: None };
        if attributes.map_state == MapState::VIEWABLE {
            source.renew(display)?;
        }
        Ok(Ok(source))
    }

    /// A window that was resized or shown again has another pixmap.
    fn renew(&mut self, display: &Display) -> Result<(), XError> {
        if !display.keeps_windows() {
            return Ok(());
        }
        let conn = display.conn();
        let pixmap = conn.generate_id()?;
        conn.composite_name_window_pixmap(self.window, pixmap)?.check()?;
        if let Some(old) = self.pixmap.replace(pixmap) {
            conn.free_pixmap(old)?;
        }
        Ok(())
    }
}

impl Source for WindowSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn pixels(&self) -> Pixels {
        self.pixels
    }

    fn event(&mut self, display: &Display, event: &Event) {
        match event {
            Event::ConfigureNotify(now) if now.window == self.window => {
                let same = (self.size, self.border) == ((now.width, now.height), now.border_width);
                self.size = (now.width, now.height);
                self.border = now.border_width;
                if same {
                    return;
                }
            }
            Event::MapNotify(now) if now.window == self.window => {}
            _ => return,
        }
        // One that is not shown has none, and one that is gone will say so when it is drawn.
        drop(self.renew(display));
    }

    fn draw(&mut self, display: &Display, area: Area, _: (u16, u16), to: Place) -> Result<(), XError> {
        let Some(pixmap) = self.pixmap else {
            return display.draw(self.window, area, self.pixels, to);
        };
        let border = self.border as i16;
        let area = Area { x: area.x + border, y: area.y + border, ..area };
        display.draw(pixmap, area, self.pixels, to)
    }
}

/// The window of that title, the uppermost in the tree.
fn with_title(display: &Display, wanted: &str) -> Result<Option<Window>, XError> {
    let mut level: Vec<Window> = display.screens().map(|(_, screen)| screen.root).collect();
    while !level.is_empty() {
        let mut next = Vec::new();
        for window in level {
            // Windows come and go meanwhile.
            match title(display, window) {
                Ok(Some(title)) if title == wanted => return Ok(Some(window)),
                Ok(_) | Err(XError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
            match display.conn().query_tree(window)?.reply().map_err(XError::from) {
                Ok(tree) => next.extend(tree.children),
                Err(XError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        level = next;
    }
    Ok(None)
}

fn title(display: &Display, window: Window) -> Result<Option<String>, XError> {
    let conn = display.conn();
    let modern = conn.intern_atom(true, b"_NET_WM_NAME")?.reply()?.atom;
    for property in [modern, AtomEnum::WM_NAME.into()] {
        if property == x11rb::NONE {
            continue;
        }
        let text = conn.get_property(false, window, property, AtomEnum::ANY, 0, 256)?.reply()?.value;
        if !text.is_empty() {
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
    }
    Ok(None)
}
