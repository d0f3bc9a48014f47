//! A contact sheet: some frames side by side on one PNG, each with a caption under it.

use std::io::{self, Write};

use vloopback_picture::{Rgb, font};

use crate::media::encode_png;

/// The largest width a frame is shown at, in pixels; wider ones are shown smaller by a whole factor.
const CELL_MAX: u32 = 320;
/// Pixels of border around each frame.
const BORDER: u32 = 2;
/// Pixels of a caption's line: a letter, and air above and below.
const CAPTION: u32 = font::HEIGHT as u32 + 6;
/// Colour of the borders and behind the captions.
const PAPER: [u8; 3] = [24, 24, 28];
/// Colour of the captions.
const INK: [u8; 3] = [220, 220, 220];
/// Colour of the line around each frame.
const LINE: [u8; 3] = [110, 110, 120];

/// One frame on the sheet.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The frame as a client saw it.
    pub picture: Rgb,
    /// What stands under it; cut where it is too long for the frame's width.
    pub caption: String,
}

impl Cell {
    /// The size that it is shown in, in pixels.
    fn shown(&self) -> (u32, u32) {
        let factor = self.picture.width.div_ceil(CELL_MAX).max(1);
        (self.picture.width.div_ceil(factor), self.picture.height.div_ceil(factor))
    }
}

/// Lays out `cells`, `columns` in a row, and writes them to `out` as PNG.
///
/// # Errors
/// `InvalidInput` for no cell at all, or one whose bytes are not those of its size; what `out` says
/// otherwise.
pub fn write_png(out: impl Write, cells: &[Cell], columns: u32) -> io::Result<()> {
    let broken = |cell: &Cell| cell.picture.data.is_empty() || !cell.picture.is_whole();
    if cells.is_empty() || columns == 0 || cells.iter().any(broken) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a contact sheet needs at least one whole frame",
        ));
    }
    let too_large = || io::Error::other("the contact sheet is too large");
    let count = u32::try_from(cells.len()).map_err(|_| too_large())?;
    let columns = columns.min(count);
    let widest = cells.iter().map(|cell| cell.shown().0).max().unwrap_or(0);
    let highest = cells.iter().map(|cell| cell.shown().1).max().unwrap_or(0);
    let (step_x, step_y) = (widest + 2 * BORDER, highest + 2 * BORDER + CAPTION);
    let width = columns.checked_mul(step_x).ok_or_else(too_large)?;
    let height = count.div_ceil(columns).checked_mul(step_y).ok_or_else(too_large)?;
    let mut sheet = Rgb::new(width, height, PAPER);
    for (i, cell) in (0..).zip(cells) {
        let (left, top) = (i % columns * step_x + BORDER, i / columns * step_y + BORDER);
        let (cell_width, cell_height) = cell.shown();
        sheet.fill_rect(left - 1, top - 1, cell_width + 2, cell_height + 2, LINE);
        sheet.paste(left, top, &cell.picture.scaled(cell_width, cell_height));
        let letters = cell_width as usize / font::ADVANCE;
        let caption: String = cell.caption.chars().take(letters).collect();
        sheet.text(left, top + cell_height + 4, 1, INK, &caption);
    }
    encode_png(out, &sheet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Picture, decode_png};
    use proptest::prelude::*;

    fn cell(width: u32, height: u32, level: u8) -> Cell {
        Cell { picture: Rgb::new(width, height, [level; 3]), caption: "frame 1 mmap client".into() }
    }

    #[test]
    fn frames_stand_where_they_should() {
        let cells = [cell(40, 20, 255), cell(40, 20, 0), cell(40, 20, 255)];
        let mut bytes = Vec::new();
        write_png(&mut bytes, &cells, 2).unwrap();
        let picture = decode_png(&bytes).unwrap();
        assert_eq!(picture.size(), (2 * 44, 2 * (24 + CAPTION)));
        let Picture::Rgb(picture) = picture else {
            panic!("not RGB");
        };
        let at = |x, y| picture.pixel(x, y)[0];
        assert_eq!(at(BORDER, BORDER), 255);
        assert_eq!(at(44 + BORDER, BORDER), 0);
        assert_eq!(at(BORDER, 24 + CAPTION + BORDER), 255);
        assert_eq!(at(1, BORDER), LINE[0]);
        // The caption left some ink.
        let under: Vec<u8> = (0..40).map(|x| at(BORDER + x, BORDER + 20 + 4 + 3)).collect();
        assert!(under.contains(&INK[0]));
    }

    #[test]
    fn wide_frames_are_shown_smaller() {
        let mut bytes = Vec::new();
        write_png(&mut bytes, &[cell(1280, 720, 100)], 4).unwrap();
        assert_eq!(decode_png(&bytes).unwrap().size(), (324, 184 + CAPTION));
    }

    #[test]
    fn short_frames_and_empty_sheets_are_refused() {
        assert!(write_png(Vec::new(), &[], 3).is_err());
        let mut short = cell(8, 8, 1);
        short.picture.data.pop();
        assert!(write_png(Vec::new(), &[short], 3).is_err());
    }

    proptest! {
        #[test]
        fn any_size_and_caption_fit(w in 1u32..40, h in 1u32..40, count in 1usize..6, columns in 1u32..8, caption in ".{0,80}") {
            let mut one = cell(w, h, 90);
            one.caption = caption;
            let mut bytes = Vec::new();
            write_png(&mut bytes, &vec![one; count], columns).unwrap();
            prop_assert!(decode_png(&bytes).is_ok());
        }
    }
}
