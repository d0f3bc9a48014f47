//! From one picture to another of the same size.

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

/// A conversion.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    from: Picture,
    to: Picture,
    colours: Colours,
}

impl Conversion {
    /// From one picture to the other. `coding` is that of the one that has luma. None: they are not of one size, or too
    /// large for memory.
    pub fn new(from: Picture, to: Picture, coding: Coding) -> Option<Self> {
        if (from.width, from.height) != (to.width, to.height) {
            return None;
        }
        from.frame_len().and(to.frame_len())?;
        let is_rgb = |picture: &Picture| matches!(picture.kind, Kind::Rgb { .. });
        let colours = match (is_rgb(&from), is_rgb(&to)) {
            (false, true) => Colours::ToRgb(ToRgb::new(coding)),
            (true, false) => Colours::ToYuv(ToYuv::new(coding)),
            _ => Colours::Keep,
        };
        Some(Self { from, to, colours })
    }

    /// Bytes of the result.
    pub fn result_len(&self) -> usize {
        self.to.frame_len().unwrap_or(usize::MAX)
    }

    /// Converts a frame. False: `frame` is too short, or `into` has no room; nothing was done.
    pub fn run(&self, frame: &[u8], into: &mut [u8]) -> bool {
        if self.from.frame_len().is_none_or(|len| frame.len() < len) || into.len() < self.result_len() {
            return false;
        }
        let mut block = Block {
            width: 0,
            height: 0,
            first: [[0; ACROSS]; DOWN],
            second: [[0; ACROSS]; DOWN],
            third: [[0; ACROSS]; DOWN],
        };
        for y in (0..self.from.height).step_by(DOWN) {
            for x in (0..self.from.width).step_by(ACROSS) {
                block.width = ACROSS.min(self.from.width - x);
                block.height = DOWN.min(self.from.height - y);
                self.read(frame, x, y, &mut block);
                self.recolour(&mut block);
                self.write(&block, x, y, into);
            }
        }
        true
    }

    fn read(&self, frame: &[u8], x: usize, y: usize, block: &mut Block) {
        for row in 0..block.height {
            for column in 0..block.width {
                let at = self.from.luma(x + column, y + row);
                let (first, second, third) = match self.from.kind {
                    Kind::Rgb { at: [r, g, b], .. } => {
                        (frame[at + r], i32::from(frame[at + g]), i32::from(frame[at + b]))
                    }
                    _ => {
                        let colour = self.from.colour(x + column, y + row);
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
