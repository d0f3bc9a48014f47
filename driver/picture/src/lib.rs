//! RGB pictures, to and from every pixel format that a pipe carries.
//!
//! # Colours, the one rule
//! Red, green and blue are bytes, 0 to 255. YUV is by BT.601 with luma from 16 to 235 and colour from 16 to
//! 240, whatever the size: `V4L2_COLORSPACE_SMPTE170M`, which V4L1 programs and their cameras mean by YUV.
//! Luma alone (GREY, Y10 …) is that of YUV. JPEG pictures have JPEG's own full range. All arithmetic is in
//! integers, so that the same picture gives the same bytes on every machine; [`colour`] has the numbers.
//!
//! # What is kept
//! RGB with fewer bits keeps the upper bits of each colour. Pixels that share colour get the rounded mean
//! ([`Planes`]). Alpha is opaque. Unused bytes are 255 as well, for programs that take them as
//! alpha, and unused bits of a word are 0, because old programs use words as indices of tables. So are the lower bits
//! of samples of more than eight.
//! Of the compressed formats, only JPEG and Motion-JPEG are encoded and decoded. Grey of 4 and 6 bits (Y4, Y6) is
//! neither: nothing says in which order pixels share bytes.

#![forbid(unsafe_code)]

pub mod colour;
pub mod font;
pub mod jpeg;
mod mosaic;
mod packing;
pub mod pattern;
mod pixels;
mod planes;
mod rgb;
mod shape;

use vloopback_abi::Palette;
use vloopback_abi::v4l2::fourcc::Fourcc;
use vloopback_abi::v4l2::pixel::PixelFormat;

use shape::Shape;

pub use planes::Planes;
pub use rgb::Rgb;

/// A picture as a frame of a format: exactly [`PixelFormat::sizeimage`] bytes, lines without padding;
/// of JPEG and Motion-JPEG at most so many.
///
/// `None` for formats that cannot be encoded, for sizes that the format cannot have, and for
/// a picture that does not have `3 * width * height` bytes.
#[must_use]
pub fn encode(fourcc: Fourcc, picture: &Rgb) -> Option<Vec<u8>> {
    let format = PixelFormat::of(fourcc)?;
    let length = format.sizeimage(picture.width, picture.height)? as usize;
    if !picture.is_whole() {
        return None;
    }
    let frame = match Shape::of(&format)? {
        Shape::Rgb(shape) => pixels::pack(shape, picture),
        Shape::Yuv(shape) => {
            let (across, down) = shape.sampling();
            packing::pack(shape, &Planes::from_rgb(picture, across, down))
        }
        Shape::Mosaic(shape) => mosaic::pack(shape, picture),
        Shape::Jpeg => return jpeg::encode_within(picture, length),
    };
    debug_assert_eq!(frame.len(), length);
    Some(frame)
}

/// The picture in a frame of a format, whose width and height are in pixels. Bytes behind the frame are
/// ignored: buffers are often longer.
///
/// `None` for formats that cannot be decoded, for sizes that the format cannot have, for a
/// frame that is too short, and for a JPEG picture that is damaged or of another size.
#[must_use]
pub fn decode(fourcc: Fourcc, width: u32, height: u32, frame: &[u8]) -> Option<Rgb> {
    let format = PixelFormat::of(fourcc)?;
    let length = format.sizeimage(width, height)? as usize;
    let shape = Shape::of(&format)?;
    if let Shape::Jpeg = shape {
        return jpeg::decode(frame).ok().filter(|picture| (picture.width, picture.height) == (width, height));
    }
    let frame = frame.get(..length)?;
    Some(match shape {
        Shape::Rgb(shape) => pixels::unpack(shape, width, height, frame),
        Shape::Yuv(shape) => packing::unpack(shape, width, height, frame).to_rgb(),
        Shape::Mosaic(shape) => mosaic::unpack(shape, width, height, frame),
        Shape::Jpeg => return None,
    })
}

/// Luma and colour as a frame of a format. A YUV format is written without a detour over RGB, so every luma
/// stays as it is.
///
/// `None` as for [`encode`].
#[must_use]
pub fn encode_planes(fourcc: Fourcc, planes: &Planes) -> Option<Vec<u8>> {
    let format = PixelFormat::of(fourcc)?;
    format.sizeimage(planes.width(), planes.height())?;
    match Shape::of(&format)? {
        Shape::Yuv(shape) => {
            let (across, down) = shape.sampling();
            if planes.sampling() == (across, down) {
                return Some(packing::pack(shape, planes));
            }
            Some(packing::pack(shape, &planes.resampled(across, down)))
        }
        Shape::Rgb(_) | Shape::Mosaic(_) | Shape::Jpeg => encode(fourcc, &planes.to_rgb()),
    }
}

/// Luma and colour of a frame of a YUV format, as they are in it.
///
/// `None` for all other formats, and as for [`decode`].
#[must_use]
pub fn decode_planes(fourcc: Fourcc, width: u32, height: u32, frame: &[u8]) -> Option<Planes> {
    let format = PixelFormat::of(fourcc)?;
    let length = format.sizeimage(width, height)? as usize;
    match Shape::of(&format)? {
        Shape::Yuv(shape) => Some(packing::unpack(shape, width, height, frame.get(..length)?)),
        Shape::Rgb(_) | Shape::Mosaic(_) | Shape::Jpeg => None,
    }
}

/// A frame of one format as one of another. Between YUV formats no luma changes.
///
/// `None` as for [`decode`] and [`encode`].
#[must_use]
pub fn convert(from: Fourcc, to: Fourcc, width: u32, height: u32, frame: &[u8]) -> Option<Vec<u8>> {
    match decode_planes(from, width, height, frame) {
        Some(planes) => encode_planes(to, &planes),
        None => encode(to, &decode(from, width, height, frame)?),
    }
}

/// Whether [`encode`] and [`decode`] know a format.
#[must_use]
pub fn is_known(fourcc: Fourcc) -> bool {
    PixelFormat::of(fourcc).is_some_and(|format| Shape::of(&format).is_some())
}

/// A picture as a frame of a V4L1 palette.
///
/// `None` for palettes that have no fourcc, and as for [`encode`].
#[must_use]
pub fn encode_palette(palette: Palette, picture: &Rgb) -> Option<Vec<u8>> {
    encode(palette.fourcc()?, picture)
}

/// The picture in a frame of a V4L1 palette, whose width and height are in pixels.
///
/// `None` for palettes that have no fourcc, and as for [`decode`].
#[must_use]
pub fn decode_palette(palette: Palette, width: u32, height: u32, frame: &[u8]) -> Option<Rgb> {
    decode(palette.fourcc()?, width, height, frame)
}
