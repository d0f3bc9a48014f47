//! Single pictures: JPEG through `zune-jpeg`, PNG through `png`.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::picture::Picture;

/// The largest width and height that are decoded, in pixels: what JPEG and V4L1 can say at most.
const SIDE_MAX: usize = 32_768;
/// The most pixels that are decoded, so that a hostile header cannot ask for all memory.
const PIXELS_MAX: usize = 1 << 27;

/// Decodes one JPEG picture, grey or colour.
///
/// # Errors
/// The decoder's words.
pub fn decode_jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("its header does not tell its size")?;
    check_size(width, height)?;
    let data = decoder.decode().map_err(|error| error.to_string())?;
    if data.len() != width * height * 3 {
        return Err(format!("the decoder gave {} bytes for {width}x{height} pixels", data.len()));
    }
    Ok(Picture::Rgb { width, height, data })
}

/// Decodes a PNG picture of any kind; what is transparent becomes opaque.
///
/// # Errors
/// The decoder's words.
pub fn decode_png(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
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
    Ok(Picture::Rgb { width, height, data })
}

fn check_size(width: usize, height: usize) -> Result<(), String> {
    if width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX || width * height > PIXELS_MAX {
        return Err(format!("its size, {width}x{height}, is out of range"));
    }
    Ok(())
}
