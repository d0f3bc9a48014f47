//! From one picture to another.

use crate::colour::{Coding, Colours, ToRgb, ToYuv};
use crate::draw::Drawing;
use crate::fit::{Fit, Place};
use crate::jpeg;
use crate::picture::{Kind, Picture, View};
use crate::resize::Sizes;
use crate::wide;

/// A conversion.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    from: Picture,
    to: Picture,
    fit: Fit,
    place: Place,
    colours: Colours,
    /// Luma of black.
    black: u8,
    /// Bytes of the workspace.
    workspace: usize,
}

impl Conversion {
    /// From one picture to the other, which may have another size. `coding` is that of the one that has luma. None: the
    /// other is of a format that frames cannot be made of, or one of them is too large for memory.
    pub fn new(from: Picture, to: Picture, coding: Coding, fit: Fit) -> Option<Self> {
        from.frame_len().and(to.frame_len())?;
        if !to.to {
            return None;
        }
        let colours = match (from.kind.is_rgb(), to.kind.is_rgb()) {
            (false, true) => Colours::ToRgb(ToRgb::new(coding)),
            (true, false) => Colours::ToYuv(ToYuv::new(coding)),
            _ => Colours::Keep,
        };
        let place = Place::new((from.width, from.height), &to, fit);
        let sizes = Sizes::of_picture(&from, &to, place);
        let workspace = if place.is_size((from.width, from.height)) { 0 } else { sizes.need()? };
        Some(Self { from, to, fit, place, colours, black: coding.black(), workspace })
    }

    /// Bytes of the result.
    pub fn result_len(&self) -> usize {
        self.to.frame_len().unwrap_or(usize::MAX)
    }

    /// Bytes of the caller's memory that [`Conversion::run`] needs besides: 0 where the size stays, else some lines of
    /// both pictures: less than 100 bytes for each of their columns.
    pub fn workspace_len(&self) -> usize {
        self.workspace
    }

    /// Converts a frame. What `workspace` holds before does not matter. False: `frame` is too short, `into` or
    /// `workspace` has no room, or the JPEG picture is damaged or none; then nothing was done.
    ///
    /// A JPEG picture may have another size than was said, up to twice as wide and high: it is scaled. To decode it
    /// allocates; nothing else does.
    pub fn run(&self, frame: &[u8], into: &mut [u8], workspace: &mut [u8]) -> bool {
        if self.from.frame_len().is_none_or(|len| frame.len() < len)
            || into.len() < self.result_len()
            || workspace.len() < self.workspace
        {
            return false;
        }
        if self.from.kind == Kind::Jpeg {
            return self.run_jpeg(frame, into, workspace);
        }
        self.draw(self.from.view(frame), into, workspace);
        true
    }

    fn run_jpeg(&self, frame: &[u8], into: &mut [u8], workspace: &mut [u8]) -> bool {
        let Some(image) = jpeg::decode(frame, (2 * self.from.width, 2 * self.from.height)) else {
            return false;
        };
        let view = image.view();
        let size = (view.width, view.height);
        if size == (self.from.width, self.from.height) {
            self.draw(view, into, workspace);
            return true;
        }
        let place = Place::new(size, &self.to, self.fit);
        let Some(need) = Sizes::new(view.kind, size, self.to.kind, place).need() else { return false };
        Self { place, ..*self }.draw(view, into, &mut vec![0; need]);
        true
    }

    /// Draws the picture. `into` and `workspace` are long enough.
    fn draw(&self, view: View, into: &mut [u8], workspace: &mut [u8]) {
        let (canvas, black) = (self.to.canvas(into), self.black);
        wide::run(Drawing { view, canvas, place: self.place, colours: &self.colours, black, workspace });
    }
}
