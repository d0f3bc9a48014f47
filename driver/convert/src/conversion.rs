//! From one picture to another.

use crate::colour::{Coding, FINE, ToRgb, ToYuv};
use crate::picture::{Kind, Picture};

/// Pixels that are worked on at once: few enough for the stack of a signal handler.
const ACROSS: usize = 64;
const DOWN: usize = 2;

/// A part of a picture.
struct Block {
    width: usize,
    height: usize,
    /// Luma, or red.
    first: [[u8; ACROSS]; DOWN],
    /// Colour differences, [`FINE`] times their value; or green and blue.
    second: [[i32; ACROSS]; DOWN],
    third: [[i32; ACROSS]; DOWN],
}

/// What has to be done with the colours.
#[derive(Clone, Copy, Debug)]
enum Colours {
    Keep,
    ToRgb(ToRgb),
    ToYuv(ToYuv),
}

/// What happens to a picture whose shape is not that of the frame that it is to fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It keeps its shape; what it leaves free, above and below or at both sides, is black.
    Letterbox,
    /// It fills the frame: its shape changes.
    Stretch,
}

/// Where the picture is in its frame, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Place {
    /// Of a picture of the size of `from` in a frame of the size of `to`.
    fn new(from: &Picture, to: &Picture, fit: Fit) -> Self {
        let (mut width, mut height) = (to.width, to.height);
        if fit == Fit::Letterbox {
            let (across, down) = to.sharing();
            // Whole samples of colour, but never nothing, and all where it nearly is all.
            let floor = |len: usize, step: usize, all: usize| {
                if len >= all { all } else { (len / step * step).max(step).min(all) }
            };
            // Up to 2^32 pixels each: the products fit.
            let (fw, fh) = (from.width as u64, from.height as u64);
            let (tw, th) = (to.width as u64, to.height as u64);
            if fw * th <= tw * fh {
                width = floor(((fw * th + fh / 2) / fh) as usize, across, to.width);
            } else {
                height = floor(((fh * tw + fw / 2) / fw) as usize, down, to.height);
            }
            let (x, y) = ((to.width - width) / 2, (to.height - height) / 2);
            return Self { x: x / across * across, y: y / down * down, width, height };
        }
        Self { x: 0, y: 0, width, height }
    }
}

/// A conversion.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    from: Picture,
    to: Picture,
    place: Place,
    black: u8,
    colours: Colours,
}

impl Conversion {
    /// From one picture to the other, which may have another size. `coding` is that of the one that has luma. None: one
    /// of them is too large for memory.
    pub fn new(from: Picture, to: Picture, coding: Coding, fit: Fit) -> Option<Self> {
        from.frame_len().and(to.frame_len())?;
        let is_rgb = |picture: &Picture| matches!(picture.kind, Kind::Rgb { .. });
        let colours = match (is_rgb(&from), is_rgb(&to)) {
            (false, true) => Colours::ToRgb(ToRgb::new(coding)),
            (true, false) => Colours::ToYuv(ToYuv::new(coding)),
            _ => Colours::Keep,
        };
        let black = if is_rgb(&to) { 0 } else { coding.black() };
        Some(Self { from, to, place: Place::new(&from, &to, fit), black, colours })
    }

    /// Bytes of the result.
    pub fn result_len(&self) -> usize {
        self.to.frame_len().unwrap_or(usize::MAX)
    }

    /// Bytes of the caller's memory that [`Conversion::run`] needs besides: 0 where the size stays, and never more than
    /// some lines of both pictures.
    pub fn workspace_len(&self) -> usize {
        let same = (self.from.width, self.from.height) == (self.place.width, self.place.height);
        if same { 0 } else { 32 * (self.from.width + self.place.width) }
    }

    /// Converts a frame. What `workspace` holds before does not matter. False: `frame` is too short, or `into` or
    /// `workspace` has no room; nothing was done.
    pub fn run(&self, frame: &[u8], into: &mut [u8], workspace: &mut [u8]) -> bool {
        if self.from.frame_len().is_none_or(|len| frame.len() < len)
            || into.len() < self.result_len()
            || workspace.len() < self.workspace_len()
        {
            return false;
        }
        let mut block = Block {
            width: 0,
            height: 0,
            first: [[0; ACROSS]; DOWN],
            second: [[0; ACROSS]; DOWN],
            third: [[0; ACROSS]; DOWN],
        };
        for y in (0..self.to.height).step_by(DOWN) {
            for x in (0..self.to.width).step_by(ACROSS) {
                block.width = ACROSS.min(self.to.width - x);
                block.height = DOWN.min(self.to.height - y);
                self.read(frame, x, y, &mut block);
                self.recolour(&mut block);
                self.blacken(x, y, &mut block);
                self.write(&block, x, y, into);
            }
        }
        true
    }

    /// Makes what is beside the picture black.
    fn blacken(&self, x: usize, y: usize, block: &mut Block) {
        let Place { x: left, y: top, width, height } = self.place;
        let colour = if matches!(self.to.kind, Kind::Rgb { .. }) { 0 } else { 128 * FINE };
        for row in 0..block.height {
            for column in 0..block.width {
                if !((left..left + width).contains(&(x + column)) && (top..top + height).contains(&(y + row)))
                {
                    block.first[row][column] = self.black;
                    block.second[row][column] = colour;
                    block.third[row][column] = colour;
                }
            }
        }
    }

    fn read(&self, frame: &[u8], left: usize, top: usize, block: &mut Block) {
        let place = self.place;
        for row in 0..block.height {
            for column in 0..block.width {
                // The nearest pixel; beside the picture any.
                let nearest = |at: usize, start: usize, len: usize, of: usize| {
                    (at.saturating_sub(start) as u64 * of as u64 / len as u64).min(of as u64 - 1) as usize
                };
                let x = nearest(left + column, place.x, place.width, self.from.width);
                let y = nearest(top + row, place.y, place.height, self.from.height);
                let at = self.from.luma(x, y);
                let (first, second, third) = match self.from.kind {
                    Kind::Rgb { at: [r, g, b], .. } => {
                        (frame[at + r], i32::from(frame[at + g]), i32::from(frame[at + b]))
                    }
                    _ => {
                        let colour = self.from.colour(x, y);
                        let (u, v) = colour.map_or((128, 128), |(u, v)| (frame[u], frame[v]));
                        (frame[at], i32::from(u) * FINE, i32::from(v) * FINE)
                    }
                };
                block.first[row][column] = first;
                block.second[row][column] = second;
                block.third[row][column] = third;
            }
        }
    }

    fn recolour(&self, block: &mut Block) {
        for row in 0..block.height {
            for column in 0..block.width {
                let first = block.first[row][column];
                let (second, third) = (block.second[row][column], block.third[row][column]);
                let (first, second, third) = match self.colours {
                    Colours::Keep => return,
                    Colours::ToRgb(matrix) => {
                        let [r, g, b] = matrix.pixel([first, (second / FINE) as u8, (third / FINE) as u8]);
                        (r, g.into(), b.into())
                    }
                    Colours::ToYuv(matrix) => matrix.pixel([first, second as u8, third as u8]),
                };
                block.first[row][column] = first;
                block.second[row][column] = second;
                block.third[row][column] = third;
            }
        }
    }

    fn write(&self, block: &Block, x: usize, y: usize, into: &mut [u8]) {
        if let Kind::Rgb { bytes, at: [r, g, b] } = self.to.kind {
            for row in 0..block.height {
                for column in 0..block.width {
                    let at = self.to.luma(x + column, y + row);
                    if bytes == 4 {
                        into[at..at + 4].fill(255);
                    }
                    into[at + r] = block.first[row][column];
                    into[at + g] = block.second[row][column] as u8;
                    into[at + b] = block.third[row][column] as u8;
                }
            }
            return;
        }
        for row in 0..block.height {
            for column in 0..block.width {
                into[self.to.luma(x + column, y + row)] = block.first[row][column];
            }
        }
        let (across, down) = self.to.sharing();
        for row in (0..block.height).step_by(down) {
            for column in (0..block.width).step_by(across) {
                let Some((u, v)) = self.to.colour(x + column, y + row) else { return };
                into[u] = average(&block.second, (row, down, block.height), (column, across, block.width));
                into[v] = average(&block.third, (row, down, block.height), (column, across, block.width));
            }
        }
    }
}

/// The mean of the pixels that share a sample: so many from that one on, as far as there are.
fn average(
    samples: &[[i32; ACROSS]; DOWN],
    (row, down, rows): (usize, usize, usize),
    (column, across, columns): (usize, usize, usize),
) -> u8 {
    let (end, last) = ((row + down).min(rows), (column + across).min(columns));
    let sum: i32 = samples[row..end].iter().map(|row| row[column..last].iter().sum::<i32>()).sum();
    let count = ((end - row) * (last - column)) as i32;
    ((sum + count * FINE / 2) / (count * FINE)).clamp(0, 255) as u8
}
