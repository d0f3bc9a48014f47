//! Frames whose pixels are red, green and blue.

use crate::rgb::Rgb;
use crate::shape::RgbShape;

/// The first index of the Bt848's colour cube.
const CUBE: usize = 16;

/// The upper `bits` of a byte.
pub(crate) fn cut(byte: u8, bits: u32) -> u32 {
    u32::from(byte) >> (8 - bits)
}

/// A number of `bits` stretched to 0..=255: its upper bits are the number again.
pub(crate) fn stretched(number: u32, bits: u32) -> u8 {
    level(number as usize, (1 << bits) - 1)
}

/// Of so many steps, the nearest one to a byte.
fn step(byte: u8, steps: usize) -> usize {
    (usize::from(byte) * steps + 127) / 255
}

/// The byte of a step.
fn level(step: usize, steps: usize) -> u8 {
    // At most 255: no step is above the last.
    ((step * 255 + steps / 2) / steps) as u8
}

pub(crate) fn pack(shape: RgbShape, picture: &Rgb) -> Vec<u8> {
    let pixels = picture.data.chunks_exact(3);
    match shape {
        RgbShape::Bytes { length: 3, at: [0, 1, 2] } => picture.data.clone(),
        RgbShape::Bytes { length, at } => {
            // Bytes that hold no colour are opaque, whether they are called alpha or not.
            let mut frame = vec![255; pixels.len() * length];
            for (out, pixel) in frame.chunks_exact_mut(length).zip(pixels) {
                for (at, &byte) in at.iter().zip(pixel) {
                    out[*at] = byte;
                }
            }
            frame
        }
        RgbShape::Word { length, fields, set, big_endian } => {
            let mut frame = Vec::with_capacity(pixels.len() * length);
            for pixel in pixels {
                let word = fields
                    .iter()
                    .zip(pixel)
                    .fold(set, |word, (&(shift, bits), &byte)| word | cut(byte, bits) << shift);
                // Of the four bytes those that the word has.
                if big_endian {
                    frame.extend_from_slice(&word.to_be_bytes()[4 - length..]);
                } else {
                    frame.extend_from_slice(&word.to_le_bytes()[..length]);
                }
            }
            frame
        }
        RgbShape::Cube => pixels
            .map(|pixel| (CUBE + 25 * step(pixel[1], 8) + 5 * step(pixel[0], 4) + step(pixel[2], 4)) as u8)
            .collect(),
    }
}

pub(crate) fn unpack(shape: RgbShape, width: u32, height: u32, frame: &[u8]) -> Rgb {
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    match shape {
        RgbShape::Bytes { length, at } => {
            for pixel in frame.chunks_exact(length) {
                data.extend(at.map(|at| pixel[at]));
            }
        }
        RgbShape::Word { length, fields, big_endian, .. } => {
            for pixel in frame.chunks_exact(length) {
                let add = |word: u32, byte: &u8| word << 8 | u32::from(*byte);
                let word = match big_endian {
                    true => pixel.iter().fold(0, add),
                    false => pixel.iter().rev().fold(0, add),
                };
                data.extend(fields.map(|(shift, bits)| stretched(word >> shift & ((1 << bits) - 1), bits)));
            }
        }
        RgbShape::Cube => {
            for &index in frame {
                // Indices that are no colour of the cube belong to the nearest end of it.
                let index = usize::from(index).clamp(CUBE, CUBE + 224) - CUBE;
                data.extend([level(index / 5 % 5, 4), level(index / 25, 8), level(index % 5, 4)]);
            }
        }
    }
    Rgb { width, height, data }
}
