//! From the server's pixels to those of another palette.

use vloopback_picture::{Rgb, decode, encode};
use vloopback_sdk::Palette;

use crate::display::Pixels;

/// Whether frames of the palette can be made.
pub fn makes(palette: Palette) -> bool {
    // A size that all palettes have.
    palette.fourcc().is_some_and(|fourcc| encode(fourcc, &Rgb::new(4, 4, [0; 3])).is_some())
}

/// Writes the server's picture as a frame of the palette; false: there is no such frame.
pub fn convert(
    pixels: Pixels,
    (width, height): (u16, u16),
    picture: &[u8],
    palette: Palette,
    frame: &mut [u8],
) -> bool {
    let (stride, line) = (pixels.stride(width.into()), pixels.line(width.into()));
    let lines = picture.chunks_exact(stride).take(height.into()).map(|padded| &padded[..line]);
    if pixels.palette.fourcc() == palette.fourcc() {
        // Only the lines' ends differ.
        let fits = frame.len() == line * usize::from(height);
        frame.chunks_exact_mut(line).zip(lines).for_each(|(to, from)| to.copy_from_slice(from));
        return fits;
    }
    let repacked: Vec<u8>;
    let picture = if stride == line {
        picture
    } else {
        repacked = lines.flatten().copied().collect();
        &repacked
    };
    let made = pixels
        .palette
        .fourcc()
        .zip(palette.fourcc())
        .and_then(|(from, to)| encode(to, &decode(from, width.into(), height.into(), picture)?));
    match made {
        Some(made) if made.len() == frame.len() => {
            frame.copy_from_slice(&made);
            true
        }
        _ => false,
    }
}
