//! From the server's pixels to those of another palette, straight into the client's frame.

use vloopback_picture::{Rgb, colour, decode, encode};
use vloopback_sdk::Palette;

use crate::display::Pixels;

/// Bytes of a pixel of [`Palette::Rgb32`].
const PIXEL: usize = 4;

/// Whether frames of the palette can be made.
pub fn makes(palette: Palette) -> bool {
    // A size that all palettes have.
    palette.fourcc().is_some_and(|fourcc| encode(fourcc, &Rgb::new(4, 4, [0; 3])).is_some())
}

/// Writes the server's picture as a frame of the palette; false: there is no such frame.
///
/// The colours are those of `vloopback_picture`.
pub fn convert(
    pixels: Pixels,
    (width, height): (u16, u16),
    picture: &[u8],
    palette: Palette,
    frame: &mut [u8],
) -> bool {
    let (stride, line) = (pixels.stride(width.into()), pixels.line(width.into()));
    if palette.frame_len(width.into(), height.into()) != Some(frame.len()) {
        return false;
    }
    let Some(picture) = picture.get(..stride * usize::from(height)) else { return false };
    if stride == line && pixels.palette == Palette::Rgb32 && direct(picture, width.into(), palette, frame) {
        return true;
    }
    let lines = picture.chunks_exact(stride).map(|padded| &padded[..line]);
    if pixels.palette.fourcc() == palette.fourcc() {
        // Only the lines' ends differ.
        frame.chunks_exact_mut(line).zip(lines).for_each(|(to, from)| to.copy_from_slice(from));
        return true;
    }
    let repacked: Vec<u8>;
    let picture = if stride == line {
        picture
    } else {
        repacked = lines.flatten().copied().collect();
        &repacked
    };
    let formats = pixels.palette.fourcc().zip(palette.fourcc());
    let made =
        formats.and_then(|(from, to)| encode(to, &decode(from, width.into(), height.into(), picture)?));
    match made {
        Some(made) if made.len() == frame.len() => {
            frame.copy_from_slice(&made);
            true
        }
        _ => false,
    }
}

/// The usual palettes, from RGB32 without anything in between. False: not one of them, and nothing done.
fn direct(picture: &[u8], width: usize, palette: Palette, frame: &mut [u8]) -> bool {
    match palette {
        Palette::Grey => fill_luma(picture, frame),
        Palette::Rgb24 => {
            for (to, pixel) in frame.chunks_exact_mut(3).zip(picture.chunks_exact(PIXEL)) {
                to.copy_from_slice(&pixel[..3]);
            }
        }
        Palette::Rgb565 => {
            for (to, pixel) in frame.chunks_exact_mut(2).zip(picture.chunks_exact(PIXEL)) {
                let [r, g, b] = rgb(pixel).map(u16::from);
                to.copy_from_slice(&(r >> 3 << 11 | g >> 2 << 5 | b >> 3).to_le_bytes());
            }
        }
        Palette::Yuv422 | Palette::Yuyv => {
            fill_pairs(picture, frame, |first, second, u, v| [first, u, second, v])
        }
        Palette::Uyvy => fill_pairs(picture, frame, |first, second, u, v| [u, first, v, second]),
        Palette::Yuv422P => fill_planes::<2, 1>(picture, width, frame),
        Palette::Yuv411P => fill_planes::<4, 1>(picture, width, frame),
        Palette::Yuv420P => fill_planes::<2, 2>(picture, width, frame),
        Palette::Yuv410P => fill_planes::<4, 4>(picture, width, frame),
        _ => return false,
    }
    true
}

/// Red, green, blue.
fn rgb(pixel: &[u8]) -> [u8; 3] {
    [pixel[2], pixel[1], pixel[0]]
}

fn fill_luma(picture: &[u8], luma: &mut [u8]) {
    for (luma, pixel) in luma.iter_mut().zip(picture.chunks_exact(PIXEL)) {
        *luma = colour::yuv(rgb(pixel))[0];
    }
}

/// Colour of the mean of so many pixels, rounded.
fn mean(sums: [u32; 3], count: u32) -> [u8; 2] {
    let [_, u, v] = colour::yuv(sums.map(|sum| ((sum + count / 2) / count) as u8));
    [u, v]
}

/// Two pixels that share their colour at a time.
fn fill_pairs(picture: &[u8], frame: &mut [u8], packed: impl Fn(u8, u8, u8, u8) -> [u8; 4]) {
    for (to, pair) in frame.chunks_exact_mut(4).zip(picture.chunks_exact(2 * PIXEL)) {
        let (first, second) = (rgb(&pair[..PIXEL]), rgb(&pair[PIXEL..]));
        let [u, v] = mean([0, 1, 2].map(|i| u32::from(first[i]) + u32::from(second[i])), 2);
        to.copy_from_slice(&packed(colour::yuv(first)[0], colour::yuv(second)[0], u, v));
    }
}

/// Luma, then each colour, of which a sample covers that many pixels.
fn fill_planes<const ACROSS: usize, const DOWN: usize>(picture: &[u8], width: usize, frame: &mut [u8]) {
    let (luma, colours) = frame.split_at_mut(picture.len() / PIXEL);
    fill_luma(picture, luma);
    let (u, v) = colours.split_at_mut(colours.len() / 2);
    let mut samples = u.iter_mut().zip(v);
    let stride = width * PIXEL;
    for band in picture.chunks_exact(stride * DOWN) {
        for column in (0..stride).step_by(ACROSS * PIXEL) {
            let mut sums = [0; 3];
            for line in 0..DOWN {
                let begin = line * stride + column;
                for pixel in band[begin..begin + ACROSS * PIXEL].chunks_exact(PIXEL) {
                    for (sum, colour) in sums.iter_mut().zip(rgb(pixel)) {
                        *sum += u32::from(colour);
                    }
                }
            }
            if let Some((u, v)) = samples.next() {
                [*u, *v] = mean(sums, (ACROSS * DOWN) as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (u16, u16) = (24, 16);

    /// Neighbours far apart, so that every rounding counts.
    fn picture(pixel: usize) -> Vec<u8> {
        let len = usize::from(SIZE.0) * usize::from(SIZE.1) * pixel;
        (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    #[test]
    fn every_palette_has_the_colours_of_the_picture_crate() {
        let (width, height) = (SIZE.0.into(), SIZE.1.into());
        let mut made = 0;
        for server in [Palette::Rgb32, Palette::Rgb24, Palette::Rgb565, Palette::Rgb555] {
            let pixels = Pixels { palette: server, pad: 4 };
            let picture = picture(usize::from(server.depth()) / 8);
            let rgb = decode(server.fourcc().expect("a format"), width, height, &picture).expect("a picture");
            for palette in Palette::ALL.into_iter().filter(|palette| makes(*palette)) {
                let expected = encode(palette.fourcc().expect("a format"), &rgb).expect("a frame");
                let mut frame = vec![0; expected.len()];
                assert!(convert(pixels, SIZE, &picture, palette, &mut frame), "{server} to {palette}");
                if palette.fourcc() != server.fourcc() {
                    assert_eq!(frame, expected, "{server} to {palette}");
                    made += 1;
                }
                // One byte of the picture changes the frame.
                let mut other = picture.clone();
                other[40] ^= 0xff;
                let mut changed = frame.clone();
                assert!(convert(pixels, SIZE, &other, palette, &mut changed));
                assert_ne!(frame, changed, "{server} to {palette}");
                // A frame of another length is none.
                assert!(!convert(pixels, SIZE, &picture, palette, &mut vec![0; expected.len() - 1]));
            }
        }
        assert!(made >= 4 * 12, "{made} conversions were compared");
    }

    #[test]
    fn what_lines_are_rounded_up_by_is_left_out() {
        let pixels = Pixels { palette: Palette::Rgb565, pad: 4 };
        // Three pixels of two bytes, and two bytes of nothing.
        let picture = [1, 2, 3, 4, 5, 6, 0xee, 0xee, 7, 8, 9, 10, 11, 12, 0xee, 0xee];
        let mut frame = [0; 12];
        assert!(convert(pixels, (3, 2), &picture, Palette::Rgb565, &mut frame));
        assert_eq!(frame, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let mut grey = [0; 6];
        assert!(convert(pixels, (3, 2), &picture, Palette::Grey, &mut grey));
        let unpadded = Pixels { palette: Palette::Rgb565, pad: 2 };
        let mut same = [0; 6];
        assert!(convert(unpadded, (3, 2), &frame, Palette::Grey, &mut same));
        assert_eq!(grey, same);
    }
}
