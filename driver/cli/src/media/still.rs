//! Single pictures: JPEG through `vloopback-picture`, PNG through `png`.

use std::io::{self, Write};

use vloopback_picture::{Rgb, jpeg};

use super::picture::Picture;

/// The largest width and height that are decoded, in pixels: what JPEG and V4L1 can say at most.
const SIDE_MAX: u32 = 32_768;
/// The most pixels that are decoded, so that a hostile header cannot ask for all memory.
const PIXELS_MAX: u32 = 1 << 27;

/// Decodes one JPEG picture, grey or colour.
///
/// # Errors
/// The decoder's words.
pub fn decode_jpeg(bytes: &[u8]) -> Result<Picture, String> {
    jpeg::decode(bytes).map(Picture::Rgb)
}

/// Decodes a PNG picture of any kind; what is transparent becomes opaque.
///
/// # Errors
/// The decoder's words.
pub fn decode_png(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let (width, height) = (reader.info().width, reader.info().height);
    check_size(width, height)?;
    let length = reader.output_buffer_size().ok_or("it does not fit into memory")?;
    let mut raw = vec![0; length];
    let frame = reader.next_frame(&mut raw).map_err(|error| error.to_string())?;
    raw.truncate(frame.buffer_size());
    let samples = frame.color_type.samples();
    let data = raw
        .chunks_exact(samples)
        .flat_map(|pixel| match *pixel {
            [grey] | [grey, _] => [grey; 3],
            [r, g, b, ..] => [r, g, b],
            [] => [0; 3],
        })
        .collect();
    Ok(Picture::Rgb(Rgb { width, height, data }))
}

/// Writes a picture as PNG.
///
/// # Errors
/// What `out` says.
pub fn encode_png(out: impl Write, picture: &Rgb) -> io::Result<()> {
    let mut encoder = png::Encoder::new(out, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.data)?;
    writer.finish()?;
    Ok(())
}

fn check_size(width: u32, height: u32) -> Result<(), String> {
    if width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX || width * height > PIXELS_MAX {
        return Err(format!("its size, {width}x{height}, is out of range"));
    }
    Ok(())
}
