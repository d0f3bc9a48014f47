//! Samples into a frame, in its colours and its order of bytes.

use crate::colour::{Colours, ToYuv};
use crate::lines::{ACROSS, Line, join, join_four, join_pairs, join_short, join_three, mean, repeat, total};
use crate::picture::{Canvas, Kind, Order};

/// A part of two lines of a picture, or of its last one.
pub(crate) struct Band<'a> {
    /// Lines: 1 or 2. Of one the second is the first again.
    pub(crate) rows: usize,
    /// Luma, or red.
    pub(crate) first: [&'a [u8]; 2],
    /// The differences, or green and blue, of each line.
    pub(crate) rest: [[&'a [u8]; 2]; 2],
    /// How many pixels share a sample of colour.
    pub(crate) across: usize,
    /// Whether both lines share their colour.
    pub(crate) shared: bool,
}

/// Memory for what is in between.
pub(crate) struct Own {
    lines: [Line; 6],
    spare: Line,
    sums: [[u16; ACROSS]; 3],
}

impl Own {
    pub(crate) fn new() -> Self {
        Self { lines: [[0; ACROSS]; 6], spare: [0; ACROSS], sums: [[0; ACROSS]; 3] }
    }
}

/// Writes a band where its first pixel's place is `x` and `y`: even ones, and multiples of what shares a sample there.
#[inline(always)]
pub(crate) fn write(
    band: &Band,
    colours: &Colours,
    canvas: &mut Canvas,
    (x, y): (usize, usize),
    own: &mut Own,
) {
    match colours {
        Colours::Keep if canvas.kind.is_rgb() => {
            for row in 0..band.rows {
                write_rgb(canvas, x, y + row, [band.first[row], band.rest[row][0], band.rest[row][1]]);
            }
        }
        Colours::Keep => {
            let (across, down) = canvas.kind.sharing();
            let coloured = !matches!(canvas.kind, Kind::Grey(_));
            let rest = if coloured { share(band, across, down == 2, own) } else { band.rest };
            write_yuv(canvas, (x, y), band.rows, band.first, rest);
        }
        Colours::ToRgb(matrix) => {
            for row in 0..band.rows {
                let [u, v, r, g, b, _] = &mut own.lines;
                let width = band.first[row].len();
                let [u, v] = [(band.rest[row][0], u), (band.rest[row][1], v)]
                    .map(|(from, own)| widen(from, band.across, &mut own[..width]));
                let [r, g, b] = [r, g, b].map(|line| &mut line[..width]);
                matrix.line([band.first[row], u, v], [r, g, b]);
                write_rgb(canvas, x, y + row, [r, g, b]);
            }
        }
        Colours::ToYuv(matrix) => write_from_rgb(band, matrix, canvas, (x, y), own),
    }
}

/// Each pixel's own sample.
#[inline(always)]
fn widen<'a>(from: &'a [u8], across: usize, own: &'a mut [u8]) -> &'a [u8] {
    match across {
        1 => return from,
        2 => repeat::<2>(from, own),
        _ => repeat::<4>(from, own),
    }
    own
}

/// The differences with so many pixels a sample, and with one line for both if they are to share it.
#[inline(always)]
fn share<'a>(band: &Band<'a>, across: usize, one: bool, own: &'a mut Own) -> [[&'a [u8]; 2]; 2] {
    if across == band.across && (band.shared || !one) {
        return band.rest;
    }
    let merged = one && !band.shared;
    let width = band.first[0].len().div_ceil(across);
    let lines = if one { 1 } else { band.rows };
    for line in 0..lines {
        for colour in 0..2 {
            let from = band.rest[line][colour];
            let other = band.rest[if merged { 1 } else { line }][colour];
            let into = &mut own.lines[2 * line + colour][..];
            match (across / band.across, band.across / across) {
                (1, _) => mean::<1>(from, other, into),
                (2, _) => mean::<2>(from, other, into),
                (4.., _) => mean::<4>(from, other, into),
                (_, less) => {
                    let from = if merged {
                        mean::<1>(from, other, &mut own.spare);
                        &own.spare[..from.len()]
                    } else {
                        from
                    };
                    if less == 2 {
                        repeat::<2>(from, &mut into[..width])
                    } else {
                        repeat::<4>(from, &mut into[..width])
                    };
                }
            }
        }
    }
    let [u, v, other_u, other_v, ..] = &own.lines;
    let first = [&u[..width], &v[..width]];
    [first, if lines == 2 { [&other_u[..width], &other_v[..width]] } else { first }]
}

/// Luma of each pixel, and the differences of the mean of those that share them.
#[inline(always)]
fn write_from_rgb(band: &Band, matrix: &ToYuv, canvas: &mut Canvas, at: (usize, usize), own: &mut Own) {
    let (across, down) = canvas.kind.sharing();
    let [y, other_y, colours @ ..] = &mut own.lines;
    let width = band.first[0].len();
    let pixels = |row: usize| [band.first[row], band.rest[row][0], band.rest[row][1]];
    matrix.luma(pixels(0), &mut y[..width]);
    if band.rows == 2 {
        matrix.luma(pixels(1), &mut other_y[..width]);
    }
    let many = width.div_ceil(across);
    if !matches!(canvas.kind, Kind::Grey(_)) {
        for line in 0..if down == 2 { 1 } else { band.rows } {
            let other = pixels(if down == 2 { 1 } else { line });
            for (sums, (one, other)) in own.sums.iter_mut().zip(pixels(line).into_iter().zip(other)) {
                match across {
                    1 => total::<1>(one, other, sums),
                    2 => total::<2>(one, other, sums),
                    _ => total::<4>(one, other, sums),
                }
            }
            let [r, g, b] = &own.sums;
            let [u, v, other_u, other_v] = &mut *colours;
            let (u, v) = if line == 0 { (u, v) } else { (other_u, other_v) };
            let sums = [&r[..many], &g[..many], &b[..many]];
            matrix.differences(sums, across.trailing_zeros() + 1, &mut u[..many], &mut v[..many]);
        }
    }
    let [u, v, other_u, other_v] = &*colours;
    let first = [&u[..many], &v[..many]];
    let other = if down == 2 { first } else { [&other_u[..many], &other_v[..many]] };
    write_yuv(canvas, at, band.rows, [&y[..width], &other_y[..width]], [first, other]);
}

/// Luma, and differences that as many pixels share as the frame wants.
#[inline(always)]
fn write_yuv(
    canvas: &mut Canvas,
    (x, y): (usize, usize),
    rows: usize,
    luma: [&[u8]; 2],
    rest: [[&[u8]; 2]; 2],
) {
    let (across, down) = canvas.kind.sharing();
    for row in 0..rows {
        let (luma, [u, v]) = (luma[row], rest[row]);
        match canvas.kind {
            Kind::Planes { .. } | Kind::Grey(_) => {
                canvas.line(0, y + row, x)[..luma.len()].copy_from_slice(luma);
            }
            Kind::Pairs(order) => {
                let into = canvas.line(0, y + row, 2 * x);
                match order {
                    Order::Yuyv => join_pairs::<0, 2, 1, 3>(luma, [u, v], into),
                    Order::Yvyu => join_pairs::<0, 2, 3, 1>(luma, [u, v], into),
                    Order::Uyvy => join_pairs::<1, 3, 0, 2>(luma, [u, v], into),
                    Order::Vyuy => join_pairs::<1, 3, 2, 0>(luma, [u, v], into),
                    Order::Yyuv => join_pairs::<0, 1, 2, 3>(luma, [u, v], into),
                }
            }
            _ => write_whole(canvas, x, y + row, [luma, u, v]),
        }
    }
    if let Kind::Planes { together, swapped, .. } = canvas.kind {
        let lines = if down == 2 { 1 } else { rows };
        for (row, [u, v]) in rest.into_iter().enumerate().take(lines) {
            let (x, y) = (x / across, y / down + row);
            if together {
                let (one, other) = if swapped { (v, u) } else { (u, v) };
                join(one, other, canvas.line(1, y, 2 * x));
            } else {
                canvas.line(1, y, x)[..u.len()].copy_from_slice(u);
                canvas.line(2, y, x)[..v.len()].copy_from_slice(v);
            }
        }
    }
}

/// Red, green and blue.
#[inline(always)]
fn write_rgb(canvas: &mut Canvas, x: usize, y: usize, pixels: [&[u8]; 3]) {
    match canvas.kind {
        Kind::Short { bits, big } => join_short(pixels, canvas.line(0, y, 2 * x), bits, big),
        _ => write_whole(canvas, x, y, pixels),
    }
}

/// Pixels of whole bytes.
#[inline(always)]
fn write_whole(canvas: &mut Canvas, x: usize, y: usize, pixels: [&[u8]; 3]) {
    let Kind::Whole { bytes, at, .. } = canvas.kind else { return };
    let into = canvas.line(0, y, bytes * x);
    match (bytes, at) {
        (3, [0, ..]) => join_three(pixels, into),
        (3, _) => {
            let [one, two, three] = pixels;
            join_three([three, two, one], into);
        }
        _ => join_four(pixels, into, at.map(|byte| 8 * byte as u32)),
    }
}
