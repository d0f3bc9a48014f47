//! Bayer mosaics: one colour a pixel.

use crate::rgb::Rgb;
use crate::shape::{MosaicShape, Samples};

/// Which colour a pixel has in a mosaic: an index of red, green, blue.
fn colour_at(pattern: [usize; 4], x: usize, y: usize) -> usize {
    pattern[(y & 1) * 2 + (x & 1)]
}

impl Samples {
    /// Lines of `width` bytes as a frame has them; what more bits there are is 0.
    fn spread(self, bytes: Vec<u8>, width: usize) -> Vec<u8> {
        match self {
            Samples::Bytes => bytes,
            Samples::Words(shift) => {
                bytes.iter().flat_map(|&byte| (u16::from(byte) << shift).to_le_bytes()).collect()
            }
            Samples::Groups(upper) => {
                let mut frame = Vec::with_capacity(bytes.len() * 2);
                for group in bytes.chunks_exact(width.max(1)).flat_map(|line| line.chunks(upper)) {
                    frame.extend_from_slice(group);
                    // The pixels that the last group of a line lacks, and the lower bits.
                    frame.resize(frame.len() + upper - group.len() + 1, 0);
                }
                frame
            }
        }
    }

    /// The upper eight bits of each pixel.
    fn gathered(self, frame: &[u8], width: usize) -> Vec<u8> {
        match self {
            Samples::Bytes => frame.to_vec(),
            Samples::Words(shift) => {
                let byte = |word: &[u8]| (u16::from_le_bytes([word[0], word[1]]) >> shift).min(255) as u8;
                frame.chunks_exact(2).map(byte).collect()
            }
            Samples::Groups(upper) => {
                let line = width.div_ceil(upper) * (upper + 1);
                let pixels = |line: &[u8]| -> Vec<u8> {
                    let all = line.chunks_exact(upper + 1).flat_map(|group| &group[..upper]);
                    all.take(width).copied().collect()
                };
                frame.chunks_exact(line.max(1)).flat_map(pixels).collect()
            }
        }
    }
}

pub(crate) fn pack(shape: MosaicShape, picture: &Rgb) -> Vec<u8> {
    let width = picture.width as usize;
    let pixels = picture.data.chunks_exact(3).enumerate();
    let bytes = pixels.map(|(i, pixel)| pixel[colour_at(shape.pattern, i % width, i / width)]).collect();
    shape.samples.spread(bytes, width)
}

/// Each pixel has its own colour as it is; the others are the rounded mean of the neighbours that have
/// them (bilinear). In a picture of one line or one column, where some colour has none, it is the pixel's own.
pub(crate) fn unpack(shape: MosaicShape, width: u32, height: u32, frame: &[u8]) -> Rgb {
    let mut picture = Rgb::new(width, height, [0; 3]);
    let (width, height, pattern) = (width as usize, height as usize, shape.pattern);
    let frame = shape.samples.gathered(frame, width);
    for (i, pixel) in picture.data.chunks_exact_mut(3).enumerate() {
        let (x, y) = (i % width, i / width);
        let (mut sum, mut count) = ([0u32; 3], [0u32; 3]);
        for y in y.saturating_sub(1)..(y + 2).min(height) {
            for x in x.saturating_sub(1)..(x + 2).min(width) {
                let colour = colour_at(pattern, x, y);
                sum[colour] += u32::from(frame[y * width + x]);
                count[colour] += 1;
            }
        }
        for colour in 0..3 {
            pixel[colour] = match count[colour] {
                0 => frame[i],
                count => ((sum[colour] + count / 2) / count) as u8,
            };
        }
        pixel[colour_at(pattern, x, y)] = frame[i];
    }
    picture
}
