//! The picture that clients see while nobody feeds a pipe.
//!
//! All in greys, which look the same in every colour space that a pusher may have named.

use vloopback_abi::v4l2::{Fourcc, V4l2PixFormat};
use vloopback_picture::{Rgb, encode};

const GROUND: [u8; 3] = [40; 3];
const LINES: [u8; 3] = [120; 3];
const LETTERS: [u8; 3] = [220; 3];

/// Whether a card can be drawn in this format: not in the compressed ones but JPEG.
pub(crate) fn can_draw(pix: &V4l2PixFormat) -> bool {
    vloopback_picture::is_known(Fourcc(pix.pixelformat))
}

/// The card of a pipe as a frame of a format. None: it cannot be drawn.
pub(crate) fn draw(pix: &V4l2PixFormat, pipe: u32, node: u32) -> Option<Vec<u8>> {
    let frame = encode(Fourcc(pix.pixelformat), &picture(pix.width, pix.height, pipe, node))?;
    (frame.len() <= pix.sizeimage as usize).then_some(frame)
}

/// The card: a frame, "NO SIGNAL" in the middle, below it smaller what it is and where.
fn picture(width: u32, height: u32, pipe: u32, node: u32) -> Rgb {
    let mut card = Rgb::new(width, height, GROUND);
    let short = width.min(height);
    let (away, thick) = (short / 24, (short / 160).max(1));
    if short >= 16 {
        let (w, h) = (width - 2 * away, height - 2 * away);
        card.fill_rect(away, away, w, h, LINES);
        card.fill_rect(away + thick, away + thick, w - 2 * thick, h - 2 * thick, GROUND);
    }
    let title = "NO SIGNAL";
    let below = [format!("VLOOPBACK {pipe}"), format!("/DEV/VIDEO{node}")];
    // The largest letters of which the lines take no more than two thirds of the width and the height.
    let fits = |scale: u32| {
        let small = small(scale);
        let mut widest = Rgb::text_size(scale, title).0;
        for line in &below {
            widest = widest.max(Rgb::text_size(small, line).0);
        }
        widest <= width / 3 * 2 && total_height(scale) <= height / 3 * 2
    };
    let Some(scale) = (1..=width.max(1) / 50).rev().find(|&scale| fits(scale)) else { return card };
    let small = small(scale);
    let mut top = (height - total_height(scale)) / 2;
    let mut centred = |scale: u32, text: &str| {
        let (wide, high) = Rgb::text_size(scale, text);
        card.text((width - wide) / 2, top, scale, LETTERS, text);
        top += high + air(small);
    };
    centred(scale, title);
    for line in &below {
        centred(small, line);
    }
    card
}

/// The scale of the lines below the title.
fn small(scale: u32) -> u32 {
    scale.div_ceil(3)
}

/// Between the lines, in pixels.
fn air(small: u32) -> u32 {
    5 * small
}

fn total_height(scale: u32) -> u32 {
    let small = small(scale);
    let (title, line) = (Rgb::text_size(scale, "N").1, Rgb::text_size(small, "N").1);
    title + 2 * (line + air(small))
}
