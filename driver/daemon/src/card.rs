//! The picture that clients see while nobody feeds a pipe.
//!
//! It has greys only, which look the same in every colour space that a pusher may have set.

use vloopback_abi::v4l2::{Fourcc, V4l2PixFormat};
use vloopback_picture::{Rgb, encode};

const GROUND: [u8; 3] = [40; 3];
const LINES: [u8; 3] = [120; 3];
const LETTERS: [u8; 3] = [220; 3];
const TITLE: &str = "NO SIGNAL";

/// Whether a card can be drawn in this format; of the compressed ones only in JPEG.
pub(crate) fn can_draw(pix: &V4l2PixFormat) -> bool {
    vloopback_picture::is_known(Fourcc(pix.pixelformat))
}

/// The card of a pipe as a frame of a format. None: it cannot be drawn.
pub(crate) fn draw(pix: &V4l2PixFormat, pipe: u32, node: u32) -> Option<Vec<u8>> {
    let frame = encode(Fourcc(pix.pixelformat), &picture(pix.width, pix.height, pipe, node))?;
    (frame.len() <= pix.sizeimage as usize).then_some(frame)
}

/// The card: a frame with "NO SIGNAL" in the middle, and below it, smaller, the pipe and its node. Small pictures
/// have the first line only, very small ones none.
fn picture(width: u32, height: u32, pipe: u32, node: u32) -> Rgb {
    let mut card = Rgb::new(width, height, GROUND);
    let short = width.min(height);
    let (away, thick) = (short / 24, (short / 160).max(1));
    if short >= 16 {
        let (w, h) = (width - 2 * away, height - 2 * away);
        card.fill_rect(away, away, w, h, LINES);
        card.fill_rect(away + thick, away + thick, w - 2 * thick, h - 2 * thick, GROUND);
    }
    let lines = [TITLE.to_owned(), format!("VLOOPBACK {pipe}"), format!("/DEV/VIDEO{node}")];
    // The largest letters that leave a third of the picture free.
    let largest = |lines: &[String]| {
        (1..=width / 3 * 2 / Rgb::text_size(1, TITLE).0).rev().find(|&scale| {
            widest(scale, lines) <= width / 3 * 2 && total_height(scale, lines) <= height / 3 * 2
        })
    };
    let alone = &lines[..1];
    let all_of_it = |lines| (widest(1, lines) + 2 * (away + thick) < width).then_some(1);
    let (lines, scale) = match (largest(&lines), largest(alone).or_else(|| all_of_it(alone))) {
        (Some(scale), _) => (&lines[..], scale),
        (None, Some(scale)) => (alone, scale),
        (None, None) => return card,
    };
    let mut top = height.saturating_sub(total_height(scale, lines)) / 2;
    for (k, line) in lines.iter().enumerate() {
        let this = scale_of(scale, k);
        let (wide, high) = Rgb::text_size(this, line);
        card.text((width - wide) / 2, top, this, LETTERS, line);
        top += high + air(scale_of(scale, 1));
    }
    card
}

/// The scale of the k-th line.
fn scale_of(scale: u32, k: usize) -> u32 {
    if k == 0 { scale } else { scale.div_ceil(3) }
}

fn widest(scale: u32, lines: &[String]) -> u32 {
    lines.iter().enumerate().map(|(k, line)| Rgb::text_size(scale_of(scale, k), line).0).max().unwrap_or(0)
}

/// Between two lines, in pixels.
fn air(small: u32) -> u32 {
    5 * small
}

fn total_height(scale: u32, lines: &[String]) -> u32 {
    let high = |k| Rgb::text_size(scale_of(scale, k), TITLE).1;
    let between = air(scale_of(scale, 1)) * (lines.len() as u32 - 1);
    (0..lines.len()).map(high).sum::<u32>() + between
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::v4l2::pixel::PixelFormat;
    use vloopback_picture::{decode, font};

    /// Whether a line of text stands somewhere, in letters of some scale: every dot of it bright, every
    /// other dark.
    fn says(picture: &Rgb, text: &str) -> bool {
        let is_bright = |x, y| picture.pixel(x, y)[1] > 160;
        let dots =
            |sign: char, row: usize, column: usize| font::glyph(sign)[row] >> (font::WIDTH - 1 - column) & 1;
        (1..=picture.width / 50).any(|scale| {
            let (wide, high) = Rgb::text_size(scale, text);
            let stands_at = |left: u32, top: u32| {
                text.chars().enumerate().all(|(k, sign)| {
                    (0..font::HEIGHT).all(|row| {
                        (0..font::WIDTH).all(|column| {
                            let x = left + scale * (k * font::ADVANCE + column) as u32 + scale / 2;
                            let y = top + scale * row as u32 + scale / 2;
                            is_bright(x, y) == (dots(sign, row, column) == 1)
                        })
                    })
                })
            };
            wide <= picture.width
                && high <= picture.height
                && (0..=picture.height - high).any(|y| (0..=picture.width - wide).any(|x| stands_at(x, y)))
        })
    }

    #[test]
    fn a_card_says_what_it_is() {
        for (width, height) in [(320, 240), (640, 480), (1920, 1080), (480, 640), (352, 288)] {
            let card = picture(width, height, 3, 17);
            for line in ["NO SIGNAL", "VLOOPBACK 3", "/DEV/VIDEO17"] {
                assert!(says(&card, line), "{line} in {width}x{height}");
            }
        }
        let card = picture(320, 240, 3, 17);
        for line in ["VLOOPBACK 4", "/DEV/VIDEO16", "SIGNAL NO"] {
            assert!(!says(&card, line), "{line}");
        }
    }

    #[test]
    fn small_cards_say_what_they_can() {
        for (width, height) in [(64, 48), (80, 60), (64, 16)] {
            assert!(says(&picture(width, height, 0, 1), TITLE), "{width}x{height}");
        }
        for (width, height) in [(2, 2), (16, 16), (32, 32), (8192, 2), (2, 8192), (64, 2)] {
            let card = picture(width, height, u32::MAX, u32::MAX);
            assert!(card.is_whole(), "{width}x{height}");
        }
    }

    /// Whatever is drawn can be read again, and fits the buffer.
    #[test]
    fn every_format_that_can_be_drawn_is() {
        let mut drawn = 0;
        for format in PixelFormat::ALL {
            let (width, height) = format.fit(320, 240);
            let pix = format.pix(width, height).expect("it fits");
            let card = draw(&pix, 0, 1);
            assert_eq!(card.is_some(), can_draw(&pix), "{}", format.name);
            let Some(card) = card else { continue };
            drawn += 1;
            assert!(card.len() <= pix.sizeimage as usize);
            let seen = decode(format.fourcc, width, height, &card).expect("a frame");
            assert!(says(&seen, TITLE), "{}", format.name);
        }
        assert!(drawn > 40, "{drawn}");
        let h264 = PixelFormat::of(vloopback_abi::v4l2::fourcc::H264).expect("known");
        assert!(!can_draw(&h264.pix(320, 240).expect("it fits")));
    }

    #[test]
    fn the_smallest_jpeg_has_room() {
        for size in [(2, 2), (3, 5), (16, 16), (64, 64)] {
            let pix = PixelFormat::of(vloopback_abi::v4l2::fourcc::MJPEG).and_then(|f| f.pix(size.0, size.1));
            assert!(draw(&pix.expect("it fits"), 0, 1).is_some(), "{size:?}");
        }
    }
}
