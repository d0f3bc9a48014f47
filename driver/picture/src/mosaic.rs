//! Bayer mosaics: one colour a pixel.

use crate::rgb::Rgb;

/// Which colour a pixel has in a mosaic: an index of red, green, blue.
fn colour_at(pattern: [usize; 4], x: usize, y: usize) -> usize {
    pattern[(y & 1) * 2 + (x & 1)]
}

pub(crate) fn pack(pattern: [usize; 4], picture: &Rgb) -> Vec<u8> {
    let width = picture.width as usize;
    let pixels = picture.data.chunks_exact(3).enumerate();
    pixels.map(|(i, pixel)| pixel[colour_at(pattern, i % width, i / width)]).collect()
}

/// Each pixel has its own colour as it is; the others are the rounded mean of the neighbours that have
/// them (bilinear).
pub(crate) fn unpack(pattern: [usize; 4], width: u32, height: u32, frame: &[u8]) -> Rgb {
    let mut picture = Rgb::new(width, height, [0; 3]);
    let (width, height) = (width as usize, height as usize);
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
            // Three by three pixels, and two by two in a corner, hold every colour.
            pixel[colour] = ((sum[colour] + count[colour] / 2) / count[colour]) as u8;
        }
        pixel[colour_at(pattern, x, y)] = frame[i];
    }
    picture
}
