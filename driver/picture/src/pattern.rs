//! A moving test picture that shows its own number to people and to programs.
//!
//! From the top: eight bars of colour, a grey ramp, a square that moves over them, and the number in
//! digits. The lowest quarter has the number as four rows of eight fields, black or white, which
//! survive every format and JPEG. [`number`] reads them.

use crate::rgb::Rgb;

/// The bars: white, yellow, cyan, green, magenta, red, blue, black, at three quarters of the brightness.
const BARS: [[u8; 3]; 8] = [
    [191, 191, 191],
    [191, 191, 0],
    [0, 191, 191],
    [0, 191, 0],
    [191, 0, 191],
    [191, 0, 0],
    [0, 0, 191],
    [0, 0, 0],
];
const WHITE: [u8; 3] = [255; 3];
const BLACK: [u8; 3] = [0; 3];
/// Fields in a row of the code, and rows.
const COLUMNS: u32 = 8;
const ROWS: u32 = 4;
/// Bits of the number; the others of the code are its checksum.
const NUMBER_BITS: u32 = 24;
/// How far the moving square goes in a frame, in 64ths of the picture's width.
const STEP: u32 = 1;

/// The smallest width and height, in pixels, in which the number can be read again.
pub const LEGIBLE: (u32, u32) = (32, 32);

/// The test picture of one size; each frame only differs in what moves.
#[derive(Clone, Debug)]
pub struct Pattern {
    still: Rgb,
}

/// Where the code begins, and the height of its fields.
fn code(height: u32) -> (u32, u32) {
    let field = height / 4 / ROWS;
    (height - field * ROWS, field)
}

/// Number and checksum.
fn word(number: u32) -> u32 {
    let number = number & ((1 << NUMBER_BITS) - 1);
    number | checksum(number) << NUMBER_BITS
}

/// Eight bits that no shift of the others gives: an all black and an all white code are wrong.
fn checksum(number: u32) -> u32 {
    number.wrapping_add(0x5a).wrapping_mul(0x9e37_79b1) >> 24
}

impl Pattern {
    /// The test picture in a size in pixels.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Pattern {
        let mut still = Rgb::new(width, height, BLACK);
        let bars = height / 2;
        for (i, colour) in (0..).zip(BARS) {
            let (left, right) = (width * i / 8, width * (i + 1) / 8);
            still.fill_rect(left, 0, right - left, bars, colour);
        }
        for x in 0..width {
            let level = (u64::from(x) * 255 / u64::from(width.max(2) - 1)) as u8;
            still.fill_rect(x, bars, 1, height / 16, [level; 3]);
        }
        Pattern { still }
    }

    /// The frame of a number; the lower 24 bits of it are shown.
    #[must_use]
    pub fn frame(&self, number: u32) -> Rgb {
        let mut picture = self.still.clone();
        let (width, height) = (picture.width, picture.height);
        let side = (height / 6).max(1).min(width);
        // To and fro.
        let way = (width - side).max(1);
        let at = (u64::from(number) * u64::from(STEP * width.max(64)) / 64 % u64::from(2 * way)) as u32;
        let left = if at < way { at } else { 2 * way - at };
        picture.fill_rect(left, height / 6, side, side, WHITE);
        picture.fill_rect(left + side / 4, height / 6 + side / 4, side / 2, side / 2, BLACK);

        let text = format!("FRAME {number:06}");
        let (top, room) = (height / 2 + height / 16, height / 8);
        let (small_width, small_height) = Rgb::text_size(1, &text);
        let scale = (room / (small_height + 2)).min(width / (small_width + 2)).max(1);
        picture.text(width / 32, top + (height / 4).saturating_sub(room) / 4, scale, WHITE, &text);

        let (top, field) = code(height);
        let word = word(number);
        for bit in 0..COLUMNS * ROWS {
            let (column, row) = (bit % COLUMNS, bit / COLUMNS);
            let (left, right) = (width * column / COLUMNS, width * (column + 1) / COLUMNS);
            let colour = if word >> bit & 1 == 1 { WHITE } else { BLACK };
            picture.fill_rect(left, top + row * field, right - left, field, colour);
        }
        picture
    }
}

/// The number of a test picture's frame, its lower 24 bits; `None` for every other picture, and for one
/// smaller than [`LEGIBLE`].
#[must_use]
pub fn number(picture: &Rgb) -> Option<u32> {
    if picture.width < LEGIBLE.0 || picture.height < LEGIBLE.1 {
        return None;
    }
    let (top, field) = code(picture.height);
    let found = (0..COLUMNS * ROWS).fold(0, |word, bit| {
        let (column, row) = (bit % COLUMNS, bit / COLUMNS);
        let x = (2 * column + 1) * picture.width / (2 * COLUMNS);
        let [_, green, _] = picture.pixel(x, top + row * field + field / 2);
        word | u32::from(green >= 128) << bit
    });
    let number = found & ((1 << NUMBER_BITS) - 1);
    (found == word(number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode, is_known};
    use proptest::prelude::*;
    use vloopback_abi::v4l2::pixel::PixelFormat;

    #[test]
    fn every_format_carries_the_number() {
        for (width, height) in [(32, 32), (64, 48), (320, 240), (648, 484)] {
            let pattern = Pattern::new(width, height);
            for (format, frame) in
                PixelFormat::ALL.iter().filter(|format| is_known(format.fourcc)).zip(100_000..)
            {
                let bytes = encode(format.fourcc, &pattern.frame(frame)).unwrap();
                let picture = decode(format.fourcc, width, height, &bytes).unwrap();
                assert_eq!(number(&picture), Some(frame), "{} {width}x{height}", format.name);
            }
        }
    }

    #[test]
    fn other_pictures_have_none() {
        for colour in [BLACK, WHITE, [90; 3]] {
            assert_eq!(number(&Rgb::new(320, 240, colour)), None);
        }
        let pattern = Pattern::new(320, 240);
        assert_eq!(number(&pattern.still), None);
        let mut frame = pattern.frame(7);
        assert_eq!(number(&frame), Some(7));
        // One field of the other colour.
        let (top, field) = code(240);
        let colour = frame.pixel(1, top + 1);
        frame.fill_rect(0, top, 40, field, colour.map(|byte| !byte));
        assert_eq!(number(&frame), None);
        assert_eq!(number(&Pattern::new(16, 16).frame(1)), None);
    }

    #[test]
    fn no_two_frames_are_alike() {
        let pattern = Pattern::new(64, 48);
        let frames: std::collections::HashSet<Vec<u8>> = (0..500).map(|i| pattern.frame(i).data).collect();
        assert_eq!(frames.len(), 500);
    }

    proptest! {
        #[test]
        fn any_size_can_be_drawn(width in 1u32..200, height in 1u32..200, frame in any::<u32>()) {
            let picture = Pattern::new(width, height).frame(frame);
            prop_assert!(picture.is_whole());
            if width >= LEGIBLE.0 && height >= LEGIBLE.1 {
                prop_assert_eq!(number(&picture), Some(frame & 0xff_ffff));
            }
        }
    }
}
