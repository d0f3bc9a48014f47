//! What a channel shows: a screen, a window, or a video input.

use std::ops::RangeInclusive;

use vloopback_sdk::zero_copy::Errno;
use x11rb::protocol::Event;

use crate::display::{Area, Display, Pixels, Place};
use crate::errors::XError;

/// Picture settings as V4L1 has them, 0 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of the picture.
    pub brightness: u16,
    /// Of the picture.
    pub contrast: u16,
    /// Of the picture.
    pub hue: u16,
    /// Of the picture; "saturation" elsewhere.
    pub colour: u16,
}

impl Default for Settings {
    /// All in the middle.
    fn default() -> Self {
        Self { brightness: 1 << 15, contrast: 1 << 15, hue: 1 << 15, colour: 1 << 15 }
    }
}

/// What a channel shows.
pub trait Source {
    /// What clients read as the channel's name.
    fn name(&self) -> &str;

    /// Width and height of the largest picture that there is now.
    fn size(&self) -> (u16, u16);

    /// How the server's pictures of it lie in memory.
    fn pixels(&self) -> Pixels;

    /// Whether pictures of any size show all of it, instead of a part.
    fn scales(&self) -> bool {
        false
    }

    /// The channel was chosen.
    ///
    /// # Errors
    /// EBUSY: another program has it. EIO.
    fn select(&mut self, display: &Display) -> Result<(), Errno> {
        let _ = display;
        Ok(())
    }

    /// Another channel was chosen.
    fn leave(&mut self, display: &Display) {
        let _ = display;
    }

    /// Something happened on the display.
    fn event(&mut self, display: &Display, event: &Event) {
        let _ = (display, event);
    }

    /// Draws the area of the picture, as one of that size where [`Source::scales`].
    ///
    /// # Errors
    /// What the server says.
    fn draw(&mut self, display: &Display, area: Area, size: (u16, u16), to: Place) -> Result<(), XError>;

    /// The picture's settings; those that the source has not are in the middle.
    fn settings(&self, display: &Display) -> Settings {
        let _ = display;
        Settings::default()
    }

    /// Changes the settings that the source has.
    ///
    /// # Errors
    /// EIO: the server refuses.
    fn set(&mut self, display: &Display, settings: Settings) -> Result<(), Errno> {
        let _ = (display, settings);
        Ok(())
    }

    /// The frequencies of its tuner, in 1/16 MHz; None: it has none.
    fn tuner(&self) -> Option<RangeInclusive<u64>> {
        None
    }

    /// The tuner's frequency.
    ///
    /// # Errors
    /// EINVAL: no tuner. EIO.
    fn frequency(&self, display: &Display) -> Result<u64, Errno> {
        let _ = display;
        Err(Errno::EINVAL)
    }

    /// Tunes.
    ///
    /// # Errors
    /// EINVAL: no tuner, or not a frequency of its. EIO.
    fn tune(&mut self, display: &Display, frequency: u64) -> Result<(), Errno> {
        let _ = (display, frequency);
        Err(Errno::EINVAL)
    }
}
