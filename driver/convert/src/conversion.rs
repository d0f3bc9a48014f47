//! From one picture to another.

use crate::colour::{Coding, Colours, ToRgb, ToYuv};
use crate::fit::{Fit, Place};
use crate::jpeg;
use crate::lines::{ACROSS, Line};
use crate::picture::{Canvas, Kind, Picture, View};
use crate::read::NEUTRAL;
use crate::resize::{Resize, Sizes};
use crate::wide::{self, Work};
use crate::write::{Band, Own, write};

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
        let canvas = self.to.canvas(into);
        wide::run(Drawing { conversion: self, view, canvas, workspace });
    }

    /// What is beside the picture is black.
    #[inline(always)]
    fn darken(&self, canvas: &mut Canvas, own: &mut Own) {
        let Place { x, y, width, height } = self.place;
        let (black, rest) =
            if canvas.kind.is_rgb() { ([0; ACROSS], [0; ACROSS]) } else { ([self.black; ACROSS], NEUTRAL) };
        let across = canvas.kind.sharing().0;
        let (all, high) = (self.to.width, self.to.height);
        let bars = [
            (0, 0, all, y),
            (0, y + height, all, high),
            (0, y, x, y + height),
            (x + width, y, all, y + height),
        ];
        for (left, top, right, bottom) in bars {
            for y in (top..bottom).step_by(2) {
                for x in (left..right).step_by(ACROSS) {
                    let width = ACROSS.min(right - x);
                    let rest = &rest[..width.div_ceil(across)];
                    let band = Band {
                        rows: 2.min(bottom - y),
                        first: [&black[..width]; 2],
                        rest: [[rest; 2]; 2],
                        across,
                        shared: true,
                    };
                    write(&band, &Colours::Keep, canvas, (x, y), own);
                }
            }
        }
    }

    /// The picture in its own size.
    #[inline(always)]
    fn copy(&self, view: &View, canvas: &mut Canvas, own: &mut Own) {
        let mut lines: [Line; 6] = [[0; ACROSS]; 6];
        let (across, down) = view.sharing();
        for y in (0..view.height).step_by(2) {
            let rows = 2.min(view.height - y);
            let last = y + rows - 1;
            for x in (0..view.width).step_by(ACROSS) {
                let width = ACROSS.min(view.width - x);
                let [a, b, c, d, e, f] = lines.each_mut().map(|line| &mut line[..width]);
                let (first, rest) = if view.kind.is_rgb() {
                    view.rgb(x, y, [&mut *a, &mut *c, &mut *d]);
                    view.rgb(x, last, [&mut *b, &mut *e, &mut *f]);
                    ([&*a, &*b], [[&*c, &*d], [&*e, &*f]])
                } else {
                    let first = [view.luma(x, y, width, a), view.luma(x, last, width, b)];
                    let rest = if matches!(canvas.kind, Kind::Grey(_)) {
                        [[&NEUTRAL[..]; 2]; 2]
                    } else {
                        let one = view.differences(x, y / down, width, [c, d]);
                        [one, if down == 1 { view.differences(x, last, width, [e, f]) } else { one }]
                    };
                    (first, rest)
                };
                let band = Band { rows, first, rest, across, shared: down > 1 || rows == 1 };
                let at = (self.place.x + x, self.place.y + y);
                write(&band, &self.colours, canvas, at, own);
            }
        }
    }
}

/// The drawing of a picture.
struct Drawing<'a, 'w> {
    conversion: &'a Conversion,
    view: View<'a>,
    canvas: Canvas<'w>,
    workspace: &'w mut [u8],
}

impl Work for Drawing<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let Self { conversion, view, mut canvas, workspace } = self;
        let mut own = Own::new();
        conversion.darken(&mut canvas, &mut own);
        let place = conversion.place;
        if place.is_size((view.width, view.height)) {
            conversion.copy(&view, &mut canvas, &mut own);
        } else {
            let resize = Resize { view, place, colours: conversion.colours };
            resize.run(&mut canvas, workspace, &mut own);
        }
    }
}
