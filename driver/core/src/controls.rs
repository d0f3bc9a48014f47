//! The controls of a pipe: the sliders of a V4L1 picture, which V4L2 knows as controls of the user class.
//!
//! Each has one value, whoever sets it and by whichever API. A one-copy pipe does nothing with it:
//! it is what the clients want, and a pusher that wants to know subscribes to the controls' events on the
//! input. Controls belong to the pipe and outlive the pusher.

use vloopback_abi::v4l2::{
    V4L2_CID_BRIGHTNESS, V4L2_CID_CONTRAST, V4L2_CID_HUE, V4L2_CID_SATURATION, V4L2_CID_WHITENESS,
};

use crate::Refusal;

/// A slider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slider {
    /// `V4L2_CID_*`.
    pub id: u32,
    /// Its name, as the kernel has it.
    pub name: &'static str,
    /// Where it is in a picture: brightness, hue, colour, contrast, whiteness.
    pub place: usize,
}

impl Slider {
    /// The largest value; the least is 0.
    pub const MAX: u32 = 0xffff;
    /// The value before anybody sets one: in the middle, as with the old driver.
    pub const DEFAULT: u32 = 0x8000;

    const fn new(id: u32, name: &'static str, place: usize) -> Self {
        Self { id, name, place }
    }

    /// The slider of a control's id.
    pub fn of(id: u32) -> Option<&'static Self> {
        SLIDERS.iter().find(|slider| slider.id == id)
    }
}

/// The sliders in the order of their ids.
pub const SLIDERS: [Slider; 5] = [
    Slider::new(V4L2_CID_BRIGHTNESS, "Brightness", 0),
    Slider::new(V4L2_CID_CONTRAST, "Contrast", 3),
    Slider::new(V4L2_CID_SATURATION, "Saturation", 2),
    Slider::new(V4L2_CID_HUE, "Hue", 1),
    Slider::new(V4L2_CID_WHITENESS, "Whiteness", 4),
];

/// A control that v4l2loopback's devices have, at its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopbackControl {
    /// Format and rate stay what they are, whoever pushes.
    KeepFormat,
    /// While the pusher is late its newest frame comes again.
    SustainFramerate,
    /// Milliseconds for which a pusher may be silent before clients see the timeout picture; 0: for ever.
    Timeout,
    /// Who opens the input next sets the timeout picture.
    TimeoutImageIo,
}

impl LoopbackControl {
    /// In the order of their ids.
    pub const ALL: [Self; 4] =
        [Self::KeepFormat, Self::SustainFramerate, Self::Timeout, Self::TimeoutImageIo];

    /// The control of an id.
    pub fn of(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|control| control.id() == id)
    }

    /// Its id: `V4L2_CID_USER_BASE | 0xf000`, and on from there.
    pub const fn id(self) -> u32 {
        0x0098_f900 + self as u32
    }

    /// Its name, by which v4l2loopback-ctl finds it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeepFormat => "keep_format",
            Self::SustainFramerate => "sustain_framerate",
            Self::Timeout => "timeout",
            Self::TimeoutImageIo => "timeout_image_io",
        }
    }

    /// The largest value; the least is 0. (Of the button, what it may be set to.)
    pub const fn most(self) -> u32 {
        match self {
            Self::Timeout => 100_000,
            Self::KeepFormat | Self::SustainFramerate | Self::TimeoutImageIo => 1,
        }
    }
}

/// The picture with some sliders set.
///
/// # Errors
/// `Invalid`: a value out of range; whoever asks has brought it into range.
pub(crate) fn set(mut picture: [u32; 6], wanted: [Option<u32>; 5]) -> Result<[u32; 6], Refusal> {
    for (to, value) in picture.iter_mut().zip(wanted) {
        match value {
            Some(value) if value > Slider::MAX => return Err(Refusal::Invalid),
            Some(value) => *to = value,
            None => {}
        }
    }
    Ok(picture)
}

/// The sliders that differ, a bit for each place in the picture.
pub(crate) fn changes(old: &[u32; 6], new: &[u32; 6]) -> u32 {
    // The depth, which comes last, is none.
    old.iter().zip(new).take(5).enumerate().fold(0, |bits, (k, (old, new))| bits | u32::from(old != new) << k)
}
