//! Luma and colour apart, each sample a byte, the samples of colour shared by pixels or not.

use crate::colour;
use crate::rgb::Rgb;

/// A picture in YUV: a plane of luma, and two of colour whose samples cover some pixels each.
#[derive(Clone, PartialEq, Eq)]
pub struct Planes {
    width: usize,
    height: usize,
    across: usize,
    down: usize,
    luma: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl std::fmt::Debug for Planes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Planes { width, height, across, down, .. } = self;
        write!(f, "Planes({width}x{height}, a sample of colour for {across}x{down})")
    }
}

/// Samples of colour as they are made.
struct Samples {
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Samples {
    fn with_capacity(samples: usize) -> Samples {
        Samples { u: Vec::with_capacity(samples), v: Vec::with_capacity(samples) }
    }

    /// Adds the samples of a band of lines, each as high as the band and `bytes` of a line wide, which is
    /// `WIDE` unless that is 0.
    fn add<const WIDE: usize>(&mut self, band: &[u8], stride: usize, bytes: usize) {
        for from in (0..stride).step_by(bytes) {
            let (mut sum, mut pixels) = ([0u32; 3], 0);
            for line in band.chunks_exact(stride) {
                let mut add = |part: &[u8]| {
                    for pixel in part.chunks_exact(3) {
                        for (sum, &byte) in sum.iter_mut().zip(pixel) {
                            *sum += u32::from(byte);
                        }
                    }
                    pixels += part.len() as u32 / 3;
                };
                match line[from..].first_chunk::<WIDE>() {
                    Some(whole) if WIDE != 0 => add(whole),
                    // The last one of a line may be narrower.
                    _ => add(&line[from..(from + bytes).min(stride)]),
                }
            }
            let [_, u, v] = colour::yuv(sum.map(|sum| ((sum + pixels / 2) / pixels) as u8));
            self.u.push(u);
            self.v.push(v);
        }
    }
}

impl Planes {
    /// A picture from its planes, without gaps between lines: `width * height` samples of luma, and of
    /// each colour as many as cover the picture where each is `across` pixels wide and `down` high.
    ///
    /// `None` where the lengths are others, or `across` or `down` is 0.
    #[must_use]
    pub fn new(
        (width, height): (u32, u32),
        (across, down): (u32, u32),
        luma: Vec<u8>,
        u: Vec<u8>,
        v: Vec<u8>,
    ) -> Option<Planes> {
        let [width, height, across, down] = [width, height, across, down].map(|side| side as usize);
        if across == 0 || down == 0 {
            return None;
        }
        let colours = width.div_ceil(across).checked_mul(height.div_ceil(down))?;
        let fits = width.checked_mul(height)? == luma.len() && u.len() == colours && v.len() == colours;
        fits.then(|| Planes::of_parts((width, height), (across, down), luma, u, v))
    }

    /// As [`Planes::new`], of planes whose lengths are known to be right.
    pub(crate) fn of_parts(
        (width, height): (usize, usize),
        (across, down): (usize, usize),
        luma: Vec<u8>,
        u: Vec<u8>,
        v: Vec<u8>,
    ) -> Planes {
        debug_assert_eq!(luma.len(), width * height);
        debug_assert!(u.len() == v.len() && u.len() == width.div_ceil(across) * height.div_ceil(down));
        Planes { width, height, across, down, luma, u, v }
    }

    /// A picture in luma and colour. The colour of a sample is the rounded mean of its pixels' red,
    /// green and blue.
    pub(crate) fn from_rgb(picture: &Rgb, across: usize, down: usize) -> Planes {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let luma = picture.data.chunks_exact(3).map(|p| colour::yuv([p[0], p[1], p[2]])[0]).collect();
        let mut samples = Samples::with_capacity(width.div_ceil(across) * height.div_ceil(down));
        let stride = width * 3;
        for band in picture.data.chunks(stride * down) {
            // The usual widths by themselves: known to the compiler, they are unrolled.
            match across {
                1 => samples.add::<3>(band, stride, 3),
                2 => samples.add::<6>(band, stride, 6),
                4 => samples.add::<12>(band, stride, 12),
                _ => samples.add::<0>(band, stride, across * 3),
            }
        }
        let Samples { u, v } = samples;
        Planes { width, height, across, down, luma, u, v }
    }

    /// The picture in red, green and blue; each pixel takes the colour of the sample that covers it.
    #[must_use]
    pub fn to_rgb(&self) -> Rgb {
        let columns = self.columns();
        let mut data = vec![0; self.luma.len() * 3];
        let stride = self.width.max(1);
        let lines = self.luma.chunks_exact(stride).zip(data.chunks_exact_mut(3 * stride)).enumerate();
        for (y, (line, out)) in lines {
            let row = y / self.down * columns;
            let colours = self.u[row..row + columns].iter().zip(&self.v[row..row + columns]);
            let groups = line.chunks(self.across).zip(out.chunks_mut(3 * self.across));
            for ((luma, out), (&u, &v)) in groups.zip(colours) {
                for (&luma, out) in luma.iter().zip(out.chunks_exact_mut(3)) {
                    out.copy_from_slice(&colour::rgb([luma, u, v]));
                }
            }
        }
        Rgb { width: self.width(), height: self.height(), data }
    }

    /// Pixels in a line.
    #[must_use]
    pub fn width(&self) -> u32 {
        // It was made from one.
        self.width as u32
    }

    /// Lines.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height as u32
    }

    /// Y, U, V of a pixel. Panics outside of the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let (x, y) = (x as usize, y as usize);
        let sample = y / self.down * self.columns() + x / self.across;
        [self.luma[y * self.width + x], self.u[sample], self.v[sample]]
    }

    /// The left upper part of the picture, at most as large as it is.
    #[must_use]
    pub fn cropped(&self, width: u32, height: u32) -> Planes {
        let (width, height) = ((width as usize).min(self.width), (height as usize).min(self.height));
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let crop = |plane: &[u8], stride: usize, width: usize, height: usize| {
            plane.chunks_exact(stride.max(1)).take(height).flat_map(|line| &line[..width]).copied().collect()
        };
        let (columns, rows) = (width.div_ceil(self.across), height.div_ceil(self.down));
        Planes {
            width,
            height,
            across: self.across,
            down: self.down,
            luma: crop(&self.luma, self.width, width, height),
            u: crop(&self.u, self.columns(), columns, rows),
            v: crop(&self.v, self.columns(), columns, rows),
        }
    }

    /// Width and height in pixels of what a sample of colour covers.
    pub(crate) fn sampling(&self) -> (usize, usize) {
        (self.across, self.down)
    }

    /// The planes: luma, and both colours.
    pub(crate) fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        (&self.luma, &self.u, &self.v)
    }

    /// Samples of colour in a row.
    pub(crate) fn columns(&self) -> usize {
        self.width.div_ceil(self.across)
    }

    /// The same luma with samples of colour that cover other rectangles: each is the rounded mean of
    /// those that it meets.
    pub(crate) fn resampled(&self, across: usize, down: usize) -> Planes {
        // The rows, or columns, that meet what one of the new ones covers.
        let met = |index: usize, new: usize, old: usize, end: usize| {
            (index * new / old)..((index + 1) * new).min(end).div_ceil(old)
        };
        let (columns, rows) = (self.width.div_ceil(across), self.height.div_ceil(down));
        let stride = self.columns();
        let plane = |samples: &[u8]| {
            let mut out = Vec::with_capacity(columns * rows);
            for row in 0..rows {
                let rows = met(row, down, self.down, self.height);
                for column in 0..columns {
                    let columns = met(column, across, self.across, self.width);
                    let mut sum = 0;
                    for row in rows.clone() {
                        let line = &samples[row * stride..(row + 1) * stride];
                        sum += line[columns.clone()].iter().map(|&byte| u32::from(byte)).sum::<u32>();
                    }
                    let count = (rows.len() * columns.len()) as u32;
                    out.push(((sum + count / 2) / count) as u8);
                }
            }
            out
        };
        let (u, v) = (plane(&self.u), plane(&self.v));
        Planes { across, down, luma: self.luma.clone(), u, v, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: u32, height: u32, across: u32, down: u32) -> Planes {
        let colours = width.div_ceil(across) * height.div_ceil(down);
        let luma = (0..width * height).map(|i| i as u8).collect();
        let u = (0..colours).map(|i| (i * 10) as u8).collect();
        let v = (0..colours).map(|i| 255 - (i * 10) as u8).collect();
        Planes::new((width, height), (across, down), luma, u, v).unwrap()
    }

    #[test]
    fn samples_are_shared_and_averaged() {
        let four = ramp(4, 4, 2, 2);
        assert_eq!(four.pixel(3, 1), [7, 10, 245]);
        // Finer: each gets the sample that covered it.
        let fine = four.resampled(1, 1);
        for y in 0..4 {
            for x in 0..4 {
                assert_eq!(fine.pixel(x, y), four.pixel(x, y));
            }
        }
        assert_eq!(fine.resampled(2, 2), four);
        // Coarser in one direction, finer in the other.
        assert_eq!(four.resampled(4, 1).u, [5, 5, 25, 25]);
        assert_eq!(four.resampled(4, 4).u, [15]);
        assert_eq!(four.resampled(4, 4).luma, four.luma);
    }

    #[test]
    fn odd_sizes_share_what_is_left() {
        let odd = ramp(5, 3, 2, 2);
        assert_eq!(odd.columns(), 3);
        assert_eq!(odd.pixel(4, 2), [14, 50, 205]);
        assert_eq!(odd.to_rgb().data.len(), 45);
        let even = odd.cropped(4, 2);
        assert_eq!(
            (even.u.as_slice(), even.luma.as_slice()),
            ([0, 10].as_slice(), [0, 1, 2, 3, 5, 6, 7, 8].as_slice())
        );
        assert_eq!(odd.resampled(1, 1).columns(), 5);
        assert_eq!(Planes::from_rgb(&Rgb::new(5, 3, [255, 0, 0]), 2, 2).pixel(4, 2), [81, 90, 240]);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let of = |luma: usize, u: usize, v: usize| {
            Planes::new((4, 3), (2, 2), vec![0; luma], vec![0; u], vec![0; v]).is_some()
        };
        assert!(of(12, 4, 4));
        assert!(!of(11, 4, 4) && !of(12, 3, 4) && !of(12, 4, 5));
        assert!(Planes::new((4, 3), (0, 2), vec![0; 12], vec![], vec![]).is_none());
    }
}
