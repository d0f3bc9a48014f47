//! Lines of a frame as separate samples, whatever the order of its bytes.

use crate::lines::{ACROSS, every, split, split_four, split_short, split_three, split_words};
use crate::picture::{Depth, Kind, Order, View};

/// Colour of a picture that has none.
pub(crate) const NEUTRAL: [u8; ACROSS] = [128; ACROSS];

impl<'a> View<'a> {
    /// How many pixels share a sample of colour. What has no colour shares it as widely as any.
    pub(crate) fn sharing(&self) -> (usize, usize) {
        if self.has_colour() { self.kind.sharing() } else { (4, 4) }
    }

    /// Whether it has colour.
    pub(crate) fn has_colour(&self) -> bool {
        !matches!(self.kind, Kind::Grey(_))
    }

    /// Luma of `width` pixels from `x` on, an even one: where it is, or in `own`.
    #[inline(always)]
    pub(crate) fn luma<'b>(&self, x: usize, y: usize, width: usize, own: &'b mut [u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        let line = self.line(0, y);
        let own = &mut own[..width];
        match self.kind {
            Kind::Planes { .. } | Kind::Grey(Depth::Byte) => return &line[x..x + width],
            Kind::Pairs(Order::Yuyv | Order::Yvyu) => every::<2, 0>(&line[2 * x..], own),
            Kind::Pairs(Order::Uyvy | Order::Vyuy) => every::<2, 1>(&line[2 * x..], own),
            Kind::Pairs(Order::Yyuv) => {
                for (k, luma) in own.iter_mut().enumerate() {
                    *luma = line[2 * x + k / 2 * 4 + k % 2];
                }
            }
            Kind::Words => every::<2, 1>(&line[2 * x..], own),
            Kind::Grey(depth) => samples(depth, line, x, own),
            Kind::Whole { bytes: 3, .. } => every::<3, 0>(&line[3 * x..], own),
            Kind::Whole { .. } => every::<4, 1>(&line[4 * x..], own),
            Kind::Short { .. } | Kind::Mosaic { .. } | Kind::Jpeg => {}
        }
        own
    }

    /// The differences of `width` pixels from `x` on, a multiple of four, in a line of colour: where they are, or in
    /// `own`.
    #[inline(always)]
    pub(crate) fn differences<'b>(
        &self,
        x: usize,
        y: usize,
        width: usize,
        [u, v]: [&'b mut [u8]; 2],
    ) -> [&'b [u8]; 2]
    where
        'a: 'b,
    {
        let across = self.sharing().0;
        let (x, width) = (x / across, width.div_ceil(across));
        let (u, v) = (&mut u[..width], &mut v[..width]);
        match self.kind {
            Kind::Planes { together: false, .. } => {
                return [1, 2].map(|plane| &self.line(plane, y)[x..x + width]);
            }
            Kind::Planes { swapped: false, .. } => split(&self.line(1, y)[2 * x..], u, v),
            Kind::Planes { swapped: true, .. } => split(&self.line(1, y)[2 * x..], v, u),
            Kind::Words => split_words(&self.line(1, y)[4 * x..], u, v),
            Kind::Pairs(order) => {
                let line = &self.line(0, y)[4 * x..];
                match order {
                    Order::Yuyv => (every::<4, 1>(line, u), every::<4, 3>(line, v)),
                    Order::Yvyu => (every::<4, 3>(line, u), every::<4, 1>(line, v)),
                    Order::Uyvy => (every::<4, 0>(line, u), every::<4, 2>(line, v)),
                    Order::Vyuy => (every::<4, 2>(line, u), every::<4, 0>(line, v)),
                    Order::Yyuv => (every::<4, 2>(line, u), every::<4, 3>(line, v)),
                };
            }
            Kind::Whole { bytes: 3, .. } => {
                let line = &self.line(0, y)[3 * x..];
                every::<3, 1>(line, u);
                every::<3, 2>(line, v);
            }
            Kind::Whole { .. } => {
                let line = &self.line(0, y)[4 * x..];
                every::<4, 2>(line, u);
                every::<4, 3>(line, v);
            }
            Kind::Grey(_) | Kind::Short { .. } | Kind::Mosaic { .. } | Kind::Jpeg => {
                u.fill(128);
                v.fill(128);
            }
        }
        [u, v]
    }

    /// Red, green and blue of as many pixels as there is room for, from `x` on, an even one.
    #[inline(always)]
    pub(crate) fn rgb(&self, x: usize, y: usize, into: [&mut [u8]; 3]) {
        let line = self.line(0, y);
        match self.kind {
            Kind::Whole { bytes: 3, at: [0, ..], .. } => split_three(&line[3 * x..], into),
            Kind::Whole { bytes: 3, .. } => {
                let [r, g, b] = into;
                split_three(&line[3 * x..], [b, g, r]);
            }
            Kind::Whole { at, .. } => split_four(&line[4 * x..], into, at.map(|byte| 8 * byte as u32)),
            Kind::Short { bits, big } => split_short(&line[2 * x..], into, bits, big),
            Kind::Mosaic { depth, red } => self.mosaic((depth, red), (x, y), into),
            _ => {}
        }
    }

    /// A pixel's missing colours are the means of its neighbours'. Beyond the edges the picture is mirrored.
    #[inline(always)]
    fn mosaic(&self, (depth, red): (Depth, (usize, usize)), (x, y): (usize, usize), into: [&mut [u8]; 3]) {
        let [r, g, b] = into;
        // In a line with blue, its pixels stand where red's stand in the other.
        let has_red = y % 2 == red.1;
        let (ours, theirs) = if has_red { (r, b) } else { (b, r) };
        let ours_at = if has_red { red.0 } else { 1 - red.0 };
        let mut raw = [[0; ACROSS + 2]; 3];
        let near = |at: usize, len: usize| if at < len { at } else { len.saturating_sub(2) };
        let rows = [if y == 0 { near(1, self.height.min(2)) } else { y - 1 }, y, near(y + 1, self.height)];
        let parts = ours.chunks_mut(ACROSS).zip(g.chunks_mut(ACROSS)).zip(theirs.chunks_mut(ACROSS));
        for (part, ((ours, g), theirs)) in parts.enumerate() {
            let x = x + part * ACROSS;
            let width = ours.len();
            let before = if x == 0 { near(1, self.width.min(2)) } else { x - 1 };
            let after = near(x + width, self.width);
            for (raw, row) in raw.iter_mut().zip(rows) {
                let line = self.line(0, row);
                samples(depth, line, before, &mut raw[..1]);
                samples(depth, line, x, &mut raw[1..=width]);
                samples(depth, line, after, &mut raw[width + 1..width + 2]);
            }
            let [up, here, down] = &raw;
            for k in 0..width {
                let sum = |a: u8, b: u8| u16::from(a) + u16::from(b);
                let (beside, above) = (sum(here[k], here[k + 2]), sum(up[k + 1], down[k + 1]));
                let corners = sum(up[k], up[k + 2]) + sum(down[k], down[k + 2]);
                let own = (x + k) % 2 == ours_at;
                ours[k] = if own { here[k + 1] } else { beside.div_ceil(2) as u8 };
                g[k] = if own { ((beside + above + 2) / 4) as u8 } else { here[k + 1] };
                theirs[k] = if own { ((corners + 2) / 4) as u8 } else { above.div_ceil(2) as u8 };
            }
        }
    }
}

/// The upper eight bits of the samples from `x` on.
#[inline(always)]
fn samples(depth: Depth, line: &[u8], x: usize, into: &mut [u8]) {
    match depth {
        Depth::Byte => into.copy_from_slice(&line[x..x + into.len()]),
        Depth::Word(16) => every::<2, 1>(&line[2 * x..], into),
        Depth::Word(bits) => {
            for (into, word) in into.iter_mut().zip(line[2 * x..].chunks_exact(2)) {
                *into = (u16::from_le_bytes([word[0], word[1]]) >> (bits - 8)).min(255) as u8;
            }
        }
        Depth::Ten => {
            for (into, x) in into.iter_mut().zip(x..) {
                *into = line[x / 4 * 5 + x % 4];
            }
        }
        Depth::Twelve => {
            for (into, x) in into.iter_mut().zip(x..) {
                *into = line[x / 2 * 3 + x % 2];
            }
        }
    }
}
