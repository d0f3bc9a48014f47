//! The drawing of a picture into a frame, part by part.

use crate::colour::Colours;
use crate::fit::Place;
use crate::lines::{ACROSS, Line};
use crate::picture::{Canvas, Kind, View};
use crate::read::NEUTRAL;
use crate::resize::Resize;
use crate::wide::Work;
use crate::write::{Band, Own, write};

/// What is to be drawn, and where.
pub(crate) struct Drawing<'a, 'w> {
    pub(crate) view: View<'a>,
    pub(crate) canvas: Canvas<'w>,
    pub(crate) place: Place,
    pub(crate) colours: &'a Colours,
    /// Luma of black.
    pub(crate) black: u8,
    /// As much as [`crate::resize::Sizes::need`] says, if the picture does not keep its size.
    pub(crate) workspace: &'w mut [u8],
}

/// Where the samples of a rectangle come from. There is one at a time, and no memory to put it into.
#[expect(clippy::large_enum_variant)]
enum Source<'a, 'w> {
    Black,
    /// The picture in its own size.
    Same,
    Resized(Resize<'a, 'w>),
}

impl Work for Drawing<'_, '_> {
    #[inline(always)]
    fn run(mut self) {
        let Place { x, y, width, height } = self.place;
        let (right, bottom) = (x + width, y + height);
        let whole = (self.canvas.width, self.canvas.height);
        let size = (self.view.width, self.view.height);
        let mut picture = if self.place.is_size(size) {
            Source::Same
        } else {
            let workspace = core::mem::take(&mut self.workspace);
            Source::Resized(Resize::new(self.view, self.place, self.canvas.kind, workspace))
        };
        let mut own = (Own::new(), [[0; ACROSS]; 6]);
        let bars = [
            (0, 0, whole.0, y),
            (0, y, x, bottom),
            (x, y, right, bottom),
            (right, y, whole.0, bottom),
            (0, bottom, whole.0, whole.1),
        ];
        for (k, rectangle) in bars.into_iter().enumerate() {
            let source = if k == 2 { &mut picture } else { &mut Source::Black };
            self.rectangle(source, rectangle, &mut own);
        }
    }
}

impl<'a> Drawing<'a, '_> {
    /// Fills a rectangle: left, top, right, bottom.
    #[inline(always)]
    fn rectangle(
        &mut self,
        source: &mut Source<'a, '_>,
        (left, top, right, bottom): (usize, usize, usize, usize),
        own: &mut (Own, [Line; 6]),
    ) {
        for y in (top..bottom).step_by(2) {
            let rows = 2.min(bottom - y);
            if let Source::Resized(resize) = source {
                resize.advance(y - top, rows);
            }
            for x in (left..right).step_by(ACROSS) {
                let from = (x - left, y - top);
                // Once more for the usual width: the compiler then knows how long all lines are.
                match right - x {
                    ACROSS.. => self.part(source, from, (x, y), (ACROSS, rows), own),
                    width => self.part(source, from, (x, y), (width, rows), own),
                }
            }
        }
    }

    /// Draws a part of the picture at a place of the frame.
    #[inline(always)]
    fn part(
        &mut self,
        source: &Source<'a, '_>,
        from: (usize, usize),
        at: (usize, usize),
        (width, rows): (usize, usize),
        (own, lines): &mut (Own, [Line; 6]),
    ) {
        let grey = matches!(self.canvas.kind, Kind::Grey(_));
        let (band, colours) = match source {
            Source::Black => (self.darkness(width, rows, lines), &Colours::Keep),
            Source::Same => (same(&self.view, grey, from, (width, rows), lines), self.colours),
            Source::Resized(resize) => (resize.band(from.0, width, rows), self.colours),
        };
        write(&band, colours, &mut self.canvas, at, own);
    }

    #[inline(always)]
    fn darkness<'b>(&self, width: usize, rows: usize, lines: &'b mut [Line; 6]) -> Band<'b> {
        const NOTHING: Line = [0; ACROSS];
        let across = self.canvas.kind.sharing().0;
        let rgb = self.canvas.kind.is_rgb();
        lines[0].fill(if rgb { 0 } else { self.black });
        let first = &lines[0][..width];
        let rest = &(if rgb { &NOTHING } else { &NEUTRAL })[..width.div_ceil(across)];
        Band { rows, first: [first; 2], rest: [[rest; 2]; 2], across, shared: true }
    }
}

/// A part of a picture in its own size.
#[inline(always)]
fn same<'b>(
    view: &View<'b>,
    grey: bool,
    (x, y): (usize, usize),
    (width, rows): (usize, usize),
    lines: &'b mut [Line; 6],
) -> Band<'b> {
    let (across, down) = view.sharing();
    let last = y + rows - 1;
    let [a, b, c, d, e, f] = lines.each_mut().map(|line| &mut line[..width]);
    let (first, rest) = if view.kind.is_rgb() {
        view.rgb(x, y, [&mut *a, &mut *c, &mut *d]);
        view.rgb(x, last, [&mut *b, &mut *e, &mut *f]);
        ([&*a, &*b], [[&*c, &*d], [&*e, &*f]])
    } else {
        let first = [view.luma(x, y, width, a), view.luma(x, last, width, b)];
        let rest = if grey {
            [[&NEUTRAL[..]; 2]; 2]
        } else {
            let one = view.differences(x, y / down, width, [c, d]);
            [one, if down == 1 { view.differences(x, last, width, [e, f]) } else { one }]
        };
        (first, rest)
    };
    Band { rows, first, rest, across, shared: down > 1 || rows == 1 }
}
