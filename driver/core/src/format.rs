//! Sizes of frames and buffers.

use crate::Refusal;
use vloopback_abi::palette::Palette;

/// The largest total of all V4L1 frames: offsets and size in VIDIOCGMBUF are ints (driver/docs/old-api.md, "Kept").
pub const MAX_TOTAL: u64 = i32::MAX as u64;

/// Why a format cannot be.
pub type FormatError = Refusal;

/// Bytes of one frame and of one buffer (width * height * 4 rounded up to `page` bytes).
///
/// Palette 0 (none chosen yet) has frames of 0 bytes: nothing can be written until one is chosen.
///
/// # Errors
/// `Invalid` for a size of 0, an unknown palette, or a size that the palette's subsampling does not
/// divide; `TooLarge` if `frames` buffers are more than [`MAX_TOTAL`].
pub fn frame_geometry(
    palette: u32,
    width: u32,
    height: u32,
    frames: u32,
    page: u32,
) -> Result<(u32, u32), FormatError> {
    if width == 0 || height == 0 {
        return Err(Refusal::Invalid);
    }
    let page = u64::from(page.max(1));
    let bytes = u64::from(width)
        .checked_mul(u64::from(height))
        .and_then(|n| n.checked_mul(4))
        .ok_or(Refusal::TooLarge)?;
    let buffer = bytes.checked_next_multiple_of(page).ok_or(Refusal::TooLarge)?;
    if buffer.checked_mul(u64::from(frames)).is_none_or(|total| total > MAX_TOTAL) {
        return Err(Refusal::TooLarge);
    }
    let frame = match palette {
        0 => 0,
        number => Palette::from_number(number)
            .and_then(|p| p.frame_len(width, height))
            .and_then(|len| u32::try_from(len).ok())
            .ok_or(Refusal::Invalid)?,
    };
    let buffer = u32::try_from(buffer).map_err(|_| Refusal::TooLarge)?;
    if frame > buffer {
        return Err(Refusal::Invalid);
    }
    Ok((frame, buffer))
}
