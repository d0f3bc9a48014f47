//! A window that nobody sees and whose picture is whole all the same, for what draws into windows only.

use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::composite::{ConnectionExt as _, Redirect};
use x11rb::protocol::xproto::{
    Colormap, ColormapAlloc, ConnectionExt as _, CreateWindowAux, ImageFormat, Pixmap, Visualid, Window,
    WindowClass,
};

use crate::display::{Display, Pixels};
use crate::errors::XError;

/// How long an adaptor may take for its first picture in a window.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// What is in the window before a picture: a colour that no picture consists of alone.
const EMPTY: u32 = 0x0012_3456;

/// The window. It lies in a frame of one pixel beside the screen, which nobody sees either; being redirected there
/// and not on the screen itself, it is in no compositing manager's way, and in none's hands.
#[derive(Debug)]
pub struct HiddenWindow {
    frame: Window,
    window: Window,
    /// What is drawn in it.
    picture: Pixmap,
    colours: Colormap,
    size: (u16, u16),
    pixels: Pixels,
    /// Something has been drawn there.
    drawn: bool,
}

impl HiddenWindow {
    /// One of that size, on the screen with that root, of a depth and visual, whose pixels lie like that. The
    /// server must have Composite ([`Display::keeps_windows`]).
    ///
    /// # Errors
    /// What the server says.
    pub fn new(
        display: &Display,
        root: Window,
        (depth, visual, pixels): (u8, Visualid, Pixels),
        size: (u16, u16),
    ) -> Result<Self, XError> {
        let conn = display.conn();
        let (frame, window, picture) = (conn.generate_id()?, conn.generate_id()?, conn.generate_id()?);
        let colours = conn.generate_id()?;
        conn.create_colormap(ColormapAlloc::NONE, colours, root, visual)?.check()?;
        let class = WindowClass::INPUT_OUTPUT;
        // No window manager touches it. Pixels of a border are told, as the visual may not be the screen's.
        let values = CreateWindowAux::new()
            .override_redirect(1)
            .colormap(colours)
            .border_pixel(0)
            .background_pixel(EMPTY);
        let made = || -> Result<(), XError> {
            conn.create_window(depth, frame, root, -1, -1, 1, 1, 0, class, visual, &values)?.check()?;
            conn.create_window(depth, window, frame, 0, 0, size.0, size.1, 0, class, visual, &values)?
                .check()?;
            conn.composite_redirect_window(window, Redirect::MANUAL)?.check()?;
            conn.map_window(window)?.check()?;
            conn.map_window(frame)?.check()?;
            Ok(conn.composite_name_window_pixmap(window, picture)?.check()?)
        };
        if let Err(error) = made() {
            // The window goes with its frame, if that is there.
            conn.destroy_window(frame)?.ignore_error();
            conn.free_colormap(colours)?.ignore_error();
            return Err(error);
        }
        Ok(Self { frame, window, picture, colours, size, pixels, drawn: false })
    }

    /// To be drawn into.
    pub fn window(&self) -> Window {
        self.window
    }

    /// To be read from.
    pub fn picture(&self) -> Pixmap {
        self.picture
    }

    /// Waits until something has been drawn for the first time.
    ///
    /// # Errors
    /// Nothing comes: the adaptor mixes its pictures with the screen's on their way to the monitor, or draws them
    /// into the screen's own memory.
    pub fn until_drawn(&mut self, display: &Display) -> Result<(), XError> {
        let begin = Instant::now();
        while !self.drawn {
            self.drawn = self.looks_drawn(display)?;
            if !self.drawn && begin.elapsed() > PATIENCE {
                return Err(XError::Refused("the adaptor draws nothing that could be read back".to_owned()));
            }
            if !self.drawn {
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    fn looks_drawn(&self, display: &Display) -> Result<bool, XError> {
        let (width, height) = self.size;
        let whole = display.conn().get_image(ImageFormat::Z_PIXMAP, self.picture, 0, 0, width, height, !0)?;
        let (line, pixel) = (self.pixels.line(width.into()), self.pixels.line(1));
        // The fourth byte means nothing.
        let empty = &EMPTY.to_le_bytes()[..pixel.min(3)];
        let drawn = |line: &[u8]| line.chunks_exact(pixel).any(|pixel| !pixel.starts_with(empty));
        let bytes = whole.reply()?.data;
        Ok(bytes.chunks_exact(self.pixels.stride(width.into())).any(|bytes| drawn(&bytes[..line])))
    }

    /// Gives it back.
    ///
    /// # Errors
    /// [`XError::Gone`].
    pub fn free(self, display: &Display) -> Result<(), XError> {
        let conn = display.conn();
        conn.free_pixmap(self.picture)?;
        conn.destroy_window(self.frame)?;
        conn.free_colormap(self.colours)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use x11rb::protocol::xproto::CreateGCAux;

    use super::*;

    /// A virtual X server; it goes with this.
    struct Xvfb(Child);

    impl Drop for Xvfb {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    impl Xvfb {
        /// With its display's name. None: there is no such program here.
        fn start(screen: &str) -> Option<(Self, String)> {
            let words = ["-displayfd", "1", "-nolisten", "tcp", "-noreset", "-screen", "0", screen];
            let mut server =
                Command::new("Xvfb").args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
            let mut number = String::new();
            let out = server.stdout.take().expect("a pipe");
            BufReader::new(out).read_line(&mut number).expect("the display's number");
            Some((Self(server), format!(":{}", number.trim())))
        }
    }

    /// The pixels of a drawable's upper left part.
    fn pixels(display: &Display, of: u32, (width, height): (u16, u16)) -> Vec<u8> {
        let conn = display.conn();
        let image = conn.get_image(ImageFormat::Z_PIXMAP, of, 0, 0, width, height, !0).expect("a request");
        image.reply().expect("a picture").data
    }

    /// Also where a compositing manager has the screen; and larger than the screen is.
    #[test]
    fn what_is_drawn_there_is_read_back_and_seen_by_nobody() {
        for (screen, managed) in [("64x48x24", false), ("64x48x24", true), ("64x48x16", false)] {
            let Some((_server, name)) = Xvfb::start(screen) else {
                println!("SKIP: no Xvfb");
                return;
            };
            let manager = Display::connect(Some(&name)).expect("the display");
            if managed {
                let root = manager.screens().next().expect("a screen").1.root;
                let redirect = manager.conn().composite_redirect_subwindows(root, Redirect::MANUAL);
                redirect.expect("a request").check().expect("nobody else manages it");
            }
            let display = Display::connect(Some(&name)).expect("the display");
            let (root, depth, visual) = {
                let (_, screen) = display.screens().next().expect("a screen");
                (screen.root, screen.root_depth, screen.root_visual)
            };
            let order = display.pixels(depth, visual).expect("pixels in an order of V4L's");
            let before = pixels(&display, root, (64, 48));
            let size = (100, 80);
            let mut hidden =
                HiddenWindow::new(&display, root, (depth, visual, order), size).expect("a window");
            assert!(hidden.until_drawn(&display).is_err(), "nothing has been drawn");

            let conn = display.conn();
            let gc = conn.generate_id().expect("an id");
            conn.create_gc(gc, hidden.window(), &CreateGCAux::new()).expect("a request");
            let stride = order.stride(size.0.into());
            let mut picture: Vec<u8> =
                (0..stride * usize::from(size.1)).map(|i| (i * 7 + i / 251) as u8).collect();
            if depth == 24 {
                picture.chunks_exact_mut(4).for_each(|pixel| pixel[3] = 0);
            }
            let format = ImageFormat::Z_PIXMAP;
            let drawn = conn.put_image(format, hidden.window(), gc, size.0, size.1, 0, 0, 0, depth, &picture);
            drawn.expect("a request").check().expect("a picture in the window");
            hidden.until_drawn(&display).expect("something has been drawn");
            let mut seen = pixels(&display, hidden.picture(), size);
            if depth == 24 {
                seen.chunks_exact_mut(4).for_each(|pixel| pixel[3] = 0);
            }
            assert!(seen == picture, "{screen}, managed: {managed}: other pixels");
            assert!(pixels(&display, root, (64, 48)) == before, "{screen}: it shows on the screen");
            hidden.free(&display).expect("the display is there");
        }
    }
}
