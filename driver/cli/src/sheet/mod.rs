//! A contact sheet: some frames side by side on one PNG, each with a caption under it.

mod font;

use std::io::{self, Write};

use crate::media::{Layout, Picture, rgb};

/// The largest width a frame is shown at, in pixels; wider ones are shown smaller by a whole factor.
const CELL_MAX: usize = 320;
/// Pixels of border around each frame.
const BORDER: usize = 2;
/// Pixels of a caption's line: a glyph, and air above and below.
const CAPTION: usize = font::HEIGHT + 6;
/// Pixels from one letter to the next.
const LETTER: usize = font::WIDTH + 1;
/// Colour of the borders and behind the captions.
const PAPER: [u8; 3] = [24, 24, 28];
/// Colour of the captions.
const INK: [u8; 3] = [220, 220, 220];
/// Colour of the line around each frame.
const LINE: [u8; 3] = [110, 110, 120];

/// One frame on the sheet.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Pixels in a row, even.
    pub width: usize,
    /// Rows, even.
    pub height: usize,
    /// The frame as a client saw it, [`Layout::Yuv420p`].
    pub yuv420p: Vec<u8>,
    /// What stands under it; cut where it is too long for the frame's width.
    pub caption: String,
}

/// A canvas of red, green, blue.
struct Canvas {
    width: usize,
    data: Vec<u8>,
}

impl Canvas {
    fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width {
            let at = (y * self.width + x) * 3;
            if let Some(pixel) = self.data.get_mut(at..at + 3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }

    fn text(&mut self, x: usize, y: usize, text: &str, room: usize) {
        for (i, sign) in text.chars().take(room / LETTER).enumerate() {
            for (row, dots) in font::glyph(sign).iter().enumerate() {
                for column in 0..font::WIDTH {
                    if dots >> (font::WIDTH - 1 - column) & 1 == 1 {
                        self.set(x + i * LETTER + column, y + row, INK);
                    }
                }
            }
        }
    }
}

/// Lays out `cells`, `columns` in a row, and writes them to `out` as PNG.
///
/// # Errors
/// `InvalidInput` for no cell at all, or one whose bytes are fewer than its size needs; what
/// `out` says otherwise.
pub fn write_png(out: impl Write, cells: &[Cell], columns: usize) -> io::Result<()> {
    let short = |cell: &Cell| {
        let length = Layout::Yuv420p.frame_len(cell.width, cell.height);
        length == 0 || cell.yuv420p.len() < length
    };
    if cells.is_empty() || columns == 0 || cells.iter().any(short) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a contact sheet needs at least one whole frame",
        ));
    }
    let columns = columns.min(cells.len());
    let factor = |cell: &Cell| cell.width.div_ceil(CELL_MAX).max(1);
    let shown = |cell: &Cell| {
        let factor = factor(cell);
        (cell.width.div_ceil(factor), cell.height.div_ceil(factor))
    };
    let widest = cells.iter().map(|cell| shown(cell).0).max().unwrap_or(0);
    let highest = cells.iter().map(|cell| shown(cell).1).max().unwrap_or(0);
    let (step_x, step_y) = (widest + 2 * BORDER, highest + 2 * BORDER + CAPTION);
    let rows = cells.len().div_ceil(columns);
    let (width, height) = (columns * step_x, rows * step_y);
    let mut canvas = Canvas { width, data: PAPER.repeat(width * height) };
    for (i, cell) in cells.iter().enumerate() {
        let (left, top) = (i % columns * step_x + BORDER, i / columns * step_y + BORDER);
        let (cell_width, cell_height) = shown(cell);
        for x in 0..cell_width + 2 {
            canvas.set(left + x - 1, top - 1, LINE);
            canvas.set(left + x - 1, top + cell_height, LINE);
        }
        for y in 0..cell_height {
            canvas.set(left - 1, top + y, LINE);
            canvas.set(left + cell_width, top + y, LINE);
        }
        let picture = Picture::Yuv420 { width: cell.width, height: cell.height, data: cell.yuv420p.clone() };
        let factor = factor(cell);
        for y in 0..cell_height {
            for x in 0..cell_width {
                let pixel = rgb(picture.yuv_at(x * factor, y * factor));
                canvas.set(left + x, top + y, pixel);
            }
        }
        canvas.text(left, top + cell_height + 4, &cell.caption, cell_width);
    }
    let side =
        |pixels: usize| u32::try_from(pixels).map_err(|_| io::Error::other("the contact sheet is too large"));
    let mut encoder = png::Encoder::new(out, side(width)?, side(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.data)?;
    writer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::decode_png;
    use proptest::prelude::*;

    fn cell(width: usize, height: usize, level: u8) -> Cell {
        let mut yuv420p = vec![128; Layout::Yuv420p.frame_len(width, height)];
        yuv420p[..width * height].fill(level);
        Cell { width, height, yuv420p, caption: "frame 1 mmap client".into() }
    }

    #[test]
    fn frames_stand_where_they_should() {
        let cells = [cell(40, 20, 235), cell(40, 20, 16), cell(40, 20, 235)];
        let mut bytes = Vec::new();
        write_png(&mut bytes, &cells, 2).unwrap();
        let picture = decode_png(&bytes).unwrap();
        assert_eq!(picture.size(), (2 * 44, 2 * (24 + CAPTION)));
        let Picture::Rgb { width, data, .. } = &picture else {
            panic!("not RGB");
        };
        let at = |x: usize, y: usize| data[(y * width + x) * 3];
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
        short.yuv420p.pop();
        assert!(write_png(Vec::new(), &[short], 3).is_err());
    }

    proptest! {
        #[test]
        fn any_size_and_caption_fit(w in 1usize..40, h in 1usize..40, count in 1usize..6, columns in 1usize..8, caption in ".{0,80}") {
            let mut one = cell(2 * w, 2 * h, 90);
            one.caption = caption;
            let mut bytes = Vec::new();
            write_png(&mut bytes, &vec![one; count], columns).unwrap();
            prop_assert!(decode_png(&bytes).is_ok());
        }
    }
}
