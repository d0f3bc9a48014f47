//! JPEG pictures: baseline, 4:2:0, of JPEG's own full range of colours.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::rgb::Rgb;

/// The largest width and height that are decoded, in pixels.
const SIDE_MAX: usize = 32_768;
/// The most pixels that are decoded, so that a hostile header cannot ask for all memory.
const PIXELS_MAX: usize = 1 << 27;
/// Qualities, of 1 to 100: from one without visible loss down to one that keeps the worst picture small.
const QUALITIES: [u8; 4] = [90, 70, 40, 10];

/// A picture as JPEG of at most so many bytes; `None` where none fits, or for sizes that JPEG cannot
/// have.
pub(crate) fn encode_within(picture: &Rgb, most: usize) -> Option<Vec<u8>> {
    let side = |side: u32| u16::try_from(side).ok().filter(|&side| side > 0);
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    QUALITIES.into_iter().find_map(|quality| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, quality);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.encode(&picture.data, width, height, ColorType::Rgb).ok()?;
        (bytes.len() <= most).then_some(bytes)
    })
}

/// Width and height in pixels as a JPEG picture's header tells them; `None` where it does not.
#[must_use]
pub fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().ok()?;
    let (width, height) = decoder.dimensions()?;
    Some((width.try_into().ok()?, height.try_into().ok()?))
}

fn options() -> DecoderOptions {
    DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX)
}

/// Decodes one JPEG picture, grey or colour; also one without Huffman tables, as cameras send them.
///
/// # Errors
/// The decoder's words.
pub fn decode(bytes: &[u8]) -> Result<Rgb, String> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("its header does not tell its size")?;
    if width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX || width * height > PIXELS_MAX {
        return Err(format!("its size, {width}x{height}, is out of range"));
    }
    let data = decoder.decode().map_err(|error| error.to_string())?;
    if data.len() != width * height * 3 {
        return Err(format!("the decoder gave {} bytes for {width}x{height} pixels", data.len()));
    }
    Ok(Rgb { width: width as u32, height: height as u32, data })
}
