//! A picture into a place of another size: its planes are scaled, then written as those that stay are.

use crate::colour::Colours;
use crate::fit::Place;
use crate::lines::ACROSS;
use crate::picture::{Canvas, Depth, Kind, Picture, View};
use crate::read::NEUTRAL;
use crate::scale::{Axis, Scaler, need, take};
use crate::write::{Band, Own, write};

/// The directions of a picture's planes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Of luma; or of red, green and blue.
    first: [Axis; 2],
    /// Of the differences, if there are any, and how they are shared afterwards.
    rest: Option<[Axis; 2]>,
    across: usize,
    down: usize,
    /// Whether the first ones are red, green and blue.
    rgb: bool,
}

impl Sizes {
    /// From a picture of one kind and size to a place in a frame of another kind.
    pub(crate) fn new(from: Kind, (width, height): (usize, usize), to: Kind, place: Place) -> Self {
        let rgb = from.is_rgb();
        let coloured = !rgb && !matches!(from, Kind::Grey(_)) && !matches!(to, Kind::Grey(_));
        // Of RGB every pixel has its own sample.
        let (across, down) = if rgb { (1, 1) } else { to.sharing() };
        let axis = |from: usize, to: usize, one: usize, other: usize| {
            let step = (from as f64 / one as f64) / (to as f64 / other as f64);
            Axis::new(from.div_ceil(one), to.div_ceil(other), step)
        };
        let (one, other) = from.sharing();
        Self {
            first: [axis(width, place.width, 1, 1), axis(height, place.height, 1, 1)],
            rest: coloured
                .then(|| [axis(width, place.width, one, across), axis(height, place.height, other, down)]),
            across,
            down,
            rgb,
        }
    }

    /// Those of a conversion. A JPEG picture's are the largest that it can have: its pixels share no colour.
    pub(crate) fn of_picture(from: &Picture, to: &Picture, place: Place) -> Self {
        Self::new(from.kind, (from.width, from.height), to.kind, place)
    }

    /// Bytes of memory that [`Resize::run`] needs. None: more than an address has room for.
    pub(crate) fn need(&self) -> Option<usize> {
        let [x, y] = &self.first;
        if self.rgb {
            return need::<3>(x, y)?.checked_add(6 * x.to());
        }
        let rest = match &self.rest {
            Some([x, y]) => need::<2>(x, y)?.checked_add(4 * x.to())?,
            None => 0,
        };
        need::<1>(x, y)?.checked_add(2 * x.to())?.checked_add(rest)
    }
}

/// What is to be done.
pub(crate) struct Resize<'a> {
    pub(crate) view: View<'a>,
    pub(crate) place: Place,
    pub(crate) colours: Colours,
}

impl Resize<'_> {
    /// Draws the picture. The workspace has [`Sizes::need`] bytes.
    #[inline(always)]
    pub(crate) fn run(&self, canvas: &mut Canvas, workspace: &mut [u8], own: &mut Own) {
        let sizes = Sizes::new(self.view.kind, (self.view.width, self.view.height), canvas.kind, self.place);
        if sizes.rgb {
            self.pixels(&sizes, canvas, workspace, own);
        } else {
            self.planes(&sizes, canvas, workspace, own);
        }
    }

    /// Of red, green and blue.
    #[inline(always)]
    fn pixels(&self, sizes: &Sizes, canvas: &mut Canvas, mut workspace: &mut [u8], own: &mut Own) {
        let rest = &mut workspace;
        let width = self.place.width;
        let [x, y] = sizes.first;
        let mut scaler = Scaler::<3>::new(x, y, rest);
        let lines: [[&mut [u8]; 3]; 2] =
            core::array::from_fn(|_| core::array::from_fn(|_| take(rest, width)));
        let [mut one, mut other] = lines;
        for y in (0..self.place.height).step_by(2) {
            let rows = 2.min(self.place.height - y);
            scaler.line(y, |row, into| self.view.rgb(0, row, into), one.each_mut().map(|line| &mut **line));
            if rows == 2 {
                scaler.line(
                    y + 1,
                    |row, into| self.view.rgb(0, row, into),
                    other.each_mut().map(|line| &mut **line),
                );
            }
            let second = if rows == 2 { &other } else { &one };
            for x in (0..width).step_by(ACROSS) {
                let part = x..(x + ACROSS).min(width);
                let band = Band {
                    rows,
                    first: [&one[0][part.clone()], &second[0][part.clone()]],
                    rest: [&one, second].map(|line| [&line[1][part.clone()], &line[2][part.clone()]]),
                    across: 1,
                    shared: rows == 1,
                };
                write(&band, &self.colours, canvas, (self.place.x + x, self.place.y + y), own);
            }
        }
    }

    /// Of luma, and the differences apart.
    #[inline(always)]
    fn planes(&self, sizes: &Sizes, canvas: &mut Canvas, mut workspace: &mut [u8], own: &mut Own) {
        let rest = &mut workspace;
        let (view, width, height) = (&self.view, self.place.width, self.place.height);
        let mut luma = Scaler::<1>::new(sizes.first[0], sizes.first[1], rest);
        let mut lines: [&mut [u8]; 2] = core::array::from_fn(|_| take(rest, width));
        let mut colour = sizes.rest.map(|[x, y]| {
            let scaler = Scaler::<2>::new(x, y, rest);
            let lines: [[&mut [u8]; 2]; 2] =
                core::array::from_fn(|_| core::array::from_fn(|_| take(rest, x.to())));
            (scaler, lines)
        });
        let all = view.width;
        for y in (0..height).step_by(2) {
            let rows = 2.min(height - y);
            for (row, line) in lines.iter_mut().enumerate().take(rows) {
                luma.line(y + row, |row, [into]| copy_luma(view, row, all, into), [line]);
            }
            let of_colour = if sizes.down == 1 { rows } else { 1 };
            if let Some((scaler, lines)) = &mut colour {
                for (row, line) in lines.iter_mut().enumerate().take(of_colour) {
                    let line = line.each_mut().map(|line| &mut **line);
                    scaler.line(y / sizes.down + row, |row, into| copy_rest(view, row, all, into), line);
                }
            }
            for x in (0..width).step_by(ACROSS) {
                let part = x..(x + ACROSS).min(width);
                let second = usize::from(rows == 2);
                let shared = of_colour == 1;
                let samples = x / sizes.across..part.end.div_ceil(sizes.across);
                let rest = match &colour {
                    Some((_, [one, other])) => [one, if shared { one } else { other }]
                        .map(|line| [&line[0][samples.clone()], &line[1][samples.clone()]]),
                    None => [[&NEUTRAL[..samples.len()]; 2]; 2],
                };
                let first = [&lines[0][part.clone()], &lines[second][part]];
                let band = Band { rows, first, rest, across: sizes.across, shared };
                write(&band, &self.colours, canvas, (self.place.x + x, self.place.y + y), own);
            }
        }
    }
}

/// A line of luma.
#[inline(always)]
fn copy_luma(view: &View, row: usize, width: usize, into: &mut [u8]) {
    match view.kind {
        Kind::Planes { .. } | Kind::Grey(Depth::Byte) => into.copy_from_slice(&view.line(0, row)[..width]),
        _ => _ = view.luma(0, row, width, into),
    }
}

/// A line of the differences.
#[inline(always)]
fn copy_rest(view: &View, row: usize, width: usize, [u, v]: [&mut [u8]; 2]) {
    match view.kind {
        Kind::Planes { together: false, .. } => {
            let len = u.len();
            u.copy_from_slice(&view.line(1, row)[..len]);
            v.copy_from_slice(&view.line(2, row)[..len]);
        }
        _ => _ = view.differences(0, row, width, [u, v]),
    }
}
