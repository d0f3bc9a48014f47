//! A picture into a place of another size: its planes are scaled, then written as those that stay are.

use core::array::from_fn;

use crate::fit::Place;
use crate::picture::{Depth, Kind, Picture, View};
use crate::read::NEUTRAL;
use crate::scale::{Axis, Lines, Scaler, need, take};
use crate::write::Band;

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

    /// Bytes of memory that [`Resize`] needs. None: more than an address has room for.
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

/// A picture on its way to another size, two lines at a time.
pub(crate) struct Resize<'a, 'w> {
    view: View<'a>,
    planes: Planes<'w>,
    across: usize,
    down: usize,
    /// Whether both lines share their colour.
    shared: bool,
}

enum Planes<'w> {
    /// Red, green and blue, and two lines of them.
    Pixels(Scaler<'w, 3>, [[&'w mut [u8]; 3]; 2]),
    /// Luma, and the differences if there are any.
    Apart(Scaler<'w, 1>, [&'w mut [u8]; 2], Option<Differences<'w>>),
}

type Differences<'w> = (Scaler<'w, 2>, [[&'w mut [u8]; 2]; 2]);

impl<'a, 'w> Resize<'a, 'w> {
    /// To a place in a frame of another kind. The workspace has [`Sizes::need`] bytes.
    pub(crate) fn new(view: View<'a>, place: Place, to: Kind, mut workspace: &'w mut [u8]) -> Self {
        let sizes = Sizes::new(view.kind, (view.width, view.height), to, place);
        let rest = &mut workspace;
        let [x, y] = sizes.first;
        let planes = if sizes.rgb {
            let scaler = Scaler::new(x, y, rest);
            Planes::Pixels(scaler, from_fn(|_| from_fn(|_| take(rest, x.to()))))
        } else {
            let luma = Scaler::new(x, y, rest);
            let lines = from_fn(|_| take(rest, x.to()));
            let differences = sizes.rest.map(|[x, y]| {
                let scaler = Scaler::new(x, y, rest);
                (scaler, from_fn(|_| from_fn(|_| take(rest, x.to()))))
            });
            Planes::Apart(luma, lines, differences)
        };
        Self { view, planes, across: sizes.across, down: sizes.down, shared: false }
    }

    /// Makes so many lines from `y` on, an even one.
    #[inline(always)]
    pub(crate) fn advance(&mut self, y: usize, rows: usize) {
        let view = &self.view;
        let of_colour = if self.down == 1 { rows } else { 1 };
        self.shared = of_colour == 1;
        match &mut self.planes {
            Planes::Pixels(scaler, lines) => {
                for (row, line) in lines.iter_mut().enumerate().take(rows) {
                    let into = line.each_mut().map(|line| &mut **line);
                    scaler.line(y + row, &Pixels(view), into);
                }
            }
            Planes::Apart(luma, lines, differences) => {
                for (row, line) in lines.iter_mut().enumerate().take(rows) {
                    luma.line(y + row, &Luma(view), [line]);
                }
                let Some((scaler, lines)) = differences else { return };
                for (row, line) in lines.iter_mut().enumerate().take(of_colour) {
                    let into = line.each_mut().map(|line| &mut **line);
                    scaler.line(y / self.down + row, &Colour(view), into);
                }
            }
        }
    }

    /// A part of these lines.
    #[inline(always)]
    pub(crate) fn band(&self, x: usize, width: usize, rows: usize) -> Band<'_> {
        let (last, part) = (rows - 1, x..x + width);
        let (first, rest) = match &self.planes {
            Planes::Pixels(_, lines) => {
                let both = [&lines[0], &lines[last]];
                (
                    both.map(|line| &line[0][part.clone()]),
                    both.map(|line| [1, 2].map(|k| &line[k][part.clone()])),
                )
            }
            Planes::Apart(_, lines, differences) => {
                let count = width.div_ceil(self.across);
                let rest = match differences {
                    Some((_, lines)) => [&lines[0], &lines[if self.shared { 0 } else { 1 }]]
                        .map(|line| [0, 1].map(|colour| &line[colour][x / self.across..][..count])),
                    None => [[&NEUTRAL[..count]; 2]; 2],
                };
                ([&lines[0][part.clone()], &lines[last][part]], rest)
            }
        };
        Band { rows, first, rest, across: self.across, shared: self.shared }
    }
}

/// Red, green and blue of a picture.
struct Pixels<'a>(&'a View<'a>);

impl Lines<3> for Pixels<'_> {
    #[inline(always)]
    fn read(&self, row: usize, into: [&mut [u8]; 3]) {
        self.0.rgb(0, row, into);
    }
}

/// Its luma.
struct Luma<'a>(&'a View<'a>);

impl Lines<1> for Luma<'_> {
    #[inline(always)]
    fn read(&self, row: usize, [into]: [&mut [u8]; 1]) {
        let view = self.0;
        match view.kind {
            Kind::Planes { .. } | Kind::Grey(Depth::Byte) => {
                let len = into.len();
                into.copy_from_slice(&view.line(0, row)[..len]);
            }
            _ => _ = view.luma(0, row, view.width, into),
        }
    }
}

/// Its colour differences.
struct Colour<'a>(&'a View<'a>);

impl Lines<2> for Colour<'_> {
    #[inline(always)]
    fn read(&self, row: usize, [u, v]: [&mut [u8]; 2]) {
        let view = self.0;
        match view.kind {
            Kind::Planes { together: false, .. } => {
                let len = u.len();
                u.copy_from_slice(&view.line(1, row)[..len]);
                v.copy_from_slice(&view.line(2, row)[..len]);
            }
            _ => _ = view.differences(0, row, view.width, [u, v]),
        }
    }
}
