//! A picture of red, green and blue, and what can be drawn on it.

use crate::font;

/// Bytes of a pixel.
const PIXEL: usize = 3;

/// A picture: a byte each of red, green and blue a pixel, lines without gaps.
#[derive(Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// `3 * width * height` bytes.
    pub data: Vec<u8>,
}

impl std::fmt::Debug for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the pixels: they fill a terminal.
        write!(f, "Rgb({}x{}, {} bytes)", self.width, self.height, self.data.len())
    }
}

/// Bytes of a picture of so many pixels; the largest number where there is no such memory.
fn length(width: u32, height: u32) -> usize {
    (width as usize).saturating_mul(height as usize).saturating_mul(PIXEL)
}

impl Rgb {
    /// A picture of one colour.
    #[must_use]
    pub fn new(width: u32, height: u32, colour: [u8; 3]) -> Rgb {
        Rgb { width, height, data: colour.repeat(length(width, height) / PIXEL) }
    }

    /// Whether `data` is as long as width and height say.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.data.len() == length(self.width, self.height)
    }

    /// The colour of a pixel; black outside of the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = self.place(x, y).and_then(|at| self.data.get(at..at + PIXEL));
        at.map_or([0; 3], |pixel| [pixel[0], pixel[1], pixel[2]])
    }

    /// Changes a pixel; nothing outside of the picture.
    pub fn set_pixel(&mut self, x: u32, y: u32, colour: [u8; 3]) {
        if let Some(pixel) = self.place(x, y).and_then(|at| self.data.get_mut(at..at + PIXEL)) {
            pixel.copy_from_slice(&colour);
        }
    }

    fn place(&self, x: u32, y: u32) -> Option<usize> {
        (x < self.width && y < self.height).then(|| (y as usize * self.width as usize + x as usize) * PIXEL)
    }

    /// The pixels of a line, [`PIXEL`] bytes each; empty outside of the picture.
    fn line(&self, y: u32) -> &[u8] {
        let stride = self.width as usize * PIXEL;
        self.data.get(y as usize * stride..(y as usize + 1) * stride).unwrap_or_default()
    }

    /// Fills a rectangle, as far as it lies on the picture.
    pub fn fill_rect(&mut self, x: u32, y: u32, width: u32, height: u32, colour: [u8; 3]) {
        let stride = self.width as usize * PIXEL;
        let right = x.saturating_add(width).min(self.width) as usize;
        let (left, bottom) = ((x as usize).min(right), y.saturating_add(height).min(self.height));
        for y in y as usize..bottom as usize {
            let Some(line) = self.data.get_mut(y * stride..(y + 1) * stride) else { return };
            for pixel in line[left * PIXEL..right * PIXEL].chunks_exact_mut(PIXEL) {
                pixel.copy_from_slice(&colour);
            }
        }
    }

    /// Lays another picture on this one, its left upper corner at a pixel, as far as it fits.
    pub fn paste(&mut self, x: u32, y: u32, picture: &Rgb) {
        let room = self.width.saturating_sub(x).min(picture.width) as usize * PIXEL;
        for line in 0..picture.height {
            let Some(at) = self.place(x, y.saturating_add(line)) else { return };
            if let Some(to) = self.data.get_mut(at..at + room) {
                to.copy_from_slice(&picture.line(line)[..room]);
            }
        }
    }

    /// Writes a line of text in the letters of [`font`], each dot `scale` pixels wide and high, from
    /// its left upper corner on; what does not fit is cut off.
    pub fn text(&mut self, x: u32, y: u32, scale: u32, colour: [u8; 3], text: &str) {
        let mut left = x;
        for sign in text.chars() {
            for (row, dots) in font::glyph(sign).iter().enumerate() {
                for column in 0..font::WIDTH {
                    if dots >> (font::WIDTH - 1 - column) & 1 == 1 {
                        let at =
                            |from: u32, dot: usize| from.saturating_add(scale.saturating_mul(dot as u32));
                        self.fill_rect(at(left, column), at(y, row), scale, scale, colour);
                    }
                }
            }
            left = left.saturating_add(scale.saturating_mul(font::ADVANCE as u32));
            if left >= self.width {
                return;
            }
        }
    }

    /// Width and height of a line of text in pixels, without margins.
    #[must_use]
    pub fn text_size(scale: u32, text: &str) -> (u32, u32) {
        let signs = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let dots = signs.saturating_mul(font::ADVANCE as u32);
        let air = (font::ADVANCE - font::WIDTH) as u32;
        (dots.saturating_sub(air).saturating_mul(scale), scale.saturating_mul(font::HEIGHT as u32))
    }

    /// The left upper part of the picture, at most as large as it is.
    #[must_use]
    pub fn cropped(&self, width: u32, height: u32) -> Rgb {
        let (width, height) = (width.min(self.width), height.min(self.height));
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let mut data = Vec::with_capacity(length(width, height));
        for y in 0..height {
            data.extend_from_slice(&self.line(y)[..width as usize * PIXEL]);
        }
        Rgb { width, height, data }
    }

    /// The whole picture scaled to fit another size, with its proportions, in the middle; the rest is black.
    #[must_use]
    pub fn fitted(&self, width: u32, height: u32) -> Rgb {
        if self.data.is_empty() || width == 0 || height == 0 {
            return Rgb::new(width, height, [0; 3]);
        }
        let (own_width, own_height) = (u64::from(self.width), u64::from(self.height));
        let (wide, high) = (u64::from(width), u64::from(height));
        let side = |length: u64, most: u32| u32::try_from(length.max(1)).unwrap_or(most).min(most);
        let rounded = |length: u64, of: u64| (length + of / 2) / of;
        let (w, h) = if own_width * high >= own_height * wide {
            (width, side(rounded(own_height * wide, own_width), height))
        } else {
            (side(rounded(own_width * high, own_height), width), height)
        };
        if (w, h) == (width, height) {
            return self.scaled(width, height);
        }
        let mut all = Rgb::new(width, height, [0; 3]);
        all.paste((width - w) / 2, (height - h) / 2, &self.scaled(w, h));
        all
    }

    /// The picture in another size. A pixel becomes the rounded mean of those that it covers, or the
    /// one that it lies on; the proportions are those asked for.
    #[must_use]
    pub fn scaled(&self, width: u32, height: u32) -> Rgb {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        if self.data.is_empty() {
            return Rgb::new(width, height, [0; 3]);
        }
        // What part of the source a pixel covers: at least one pixel of it.
        let part = |index: u32, of: u32, source: u32| {
            let at = |index: u32| (u64::from(index) * u64::from(source) / u64::from(of)) as u32;
            at(index)..at(index + 1).max(at(index) + 1)
        };
        let mut data = Vec::with_capacity(length(width, height));
        for y in 0..height {
            let lines = part(y, height, self.height);
            for x in 0..width {
                let columns = part(x, width, self.width);
                let mut sum = [0u64; 3];
                for line in lines.clone() {
                    let line = self.line(line);
                    let pixels = &line[columns.start as usize * PIXEL..columns.end as usize * PIXEL];
                    for pixel in pixels.chunks_exact(PIXEL) {
                        for (sum, &byte) in sum.iter_mut().zip(pixel) {
                            *sum += u64::from(byte);
                        }
                    }
                }
                let count = lines.len() as u64 * columns.len() as u64;
                data.extend(sum.map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        Rgb { width, height, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 3] = [255, 0, 0];

    #[test]
    fn rectangles_are_cut_at_the_edges() {
        let mut picture = Rgb::new(4, 3, [0; 3]);
        picture.fill_rect(2, 1, u32::MAX, u32::MAX, RED);
        picture.fill_rect(u32::MAX, 0, 9, 9, RED);
        picture.fill_rect(0, 7, 9, 9, RED);
        for y in 0..3 {
            for x in 0..4 {
                assert_eq!(picture.pixel(x, y) == RED, x >= 2 && y >= 1, "{x},{y}");
            }
        }
        assert_eq!(picture.pixel(4, 0), [0; 3]);
    }

    #[test]
    fn text_is_where_its_size_says() {
        let (width, height) = Rgb::text_size(3, "H1");
        assert_eq!((width, height), (3 * 11, 3 * 7));
        let mut picture = Rgb::new(width + 10, height + 4, [0; 3]);
        picture.text(5, 2, 3, RED, "H1");
        let inked: Vec<(u32, u32)> = (0..picture.height)
            .flat_map(|y| (0..picture.width).map(move |x| (x, y)))
            .filter(|&(x, y)| picture.pixel(x, y) == RED)
            .collect();
        assert_eq!(inked.first(), Some(&(5, 2)), "H begins at its corner");
        assert!(inked.iter().all(|&(x, y)| x >= 5 && x < 5 + width && y >= 2 && y < 2 + height));
        assert_eq!(inked.len() % 9, 0, "dots of three by three");
        picture.text(picture.width - 2, u32::MAX, u32::MAX, RED, "long text that does not fit");
    }

    #[test]
    fn pictures_are_laid_on_each_other() {
        let mut below = Rgb::new(4, 3, [0; 3]);
        let above = Rgb::new(3, 3, RED);
        below.paste(2, 1, &above);
        below.paste(4, 0, &above);
        below.paste(0, 3, &above);
        for y in 0..3 {
            for x in 0..4 {
                assert_eq!(below.pixel(x, y) == RED, x >= 2 && y >= 1, "{x},{y}");
            }
        }
    }

    #[test]
    fn proportions_stay() {
        let picture = Rgb::new(4, 2, RED);
        assert_eq!(picture.fitted(4, 2), picture);
        assert_eq!(picture.fitted(8, 4), Rgb::new(8, 4, RED));
        for (width, height, left, top, right, bottom) in [
            (8, 8, 0, 2, 8, 6),
            (16, 4, 4, 0, 12, 4),
            (4, 1, 1, 0, 3, 1),
            (7, 5, 0, 0, 7, 4),
            (1, 9, 0, 4, 1, 5),
        ] {
            let fitted = picture.fitted(width, height);
            assert!(fitted.is_whole());
            for y in 0..height {
                for x in 0..width {
                    let within = (left..right).contains(&x) && (top..bottom).contains(&y);
                    assert_eq!(fitted.pixel(x, y) == RED, within, "{x},{y} of {width}x{height}");
                }
            }
        }
        assert_eq!(picture.fitted(0, 5), Rgb::new(0, 5, RED));
        assert_eq!(Rgb::new(0, 0, RED).fitted(2, 2), Rgb::new(2, 2, [0; 3]));
        assert!(Rgb::new(3, 1, RED).fitted(u32::from(u16::MAX), 2).is_whole());
    }

    #[test]
    fn sizes_change() {
        let mut picture = Rgb::new(4, 2, [10, 20, 30]);
        picture.fill_rect(0, 0, 1, 1, [20, 30, 41]);
        assert_eq!(picture.scaled(4, 2), picture);
        let small = picture.scaled(2, 1);
        assert_eq!((small.pixel(0, 0), small.pixel(1, 0)), ([13, 23, 33], [10, 20, 30]));
        let large = picture.scaled(12, 6);
        assert!(large.is_whole());
        assert_eq!(
            (large.pixel(2, 2), large.pixel(3, 2), large.pixel(11, 5)),
            ([20, 30, 41], [10, 20, 30], [10, 20, 30])
        );
        let part = picture.cropped(1, 9);
        assert_eq!(
            (part.width, part.height, part.data.as_slice()),
            (1, 2, [20, 30, 41, 10, 20, 30].as_slice())
        );
    }
}
