//! One decoded picture, and the layouts that a pipe takes.
//!
//! Colour: BT.601 with the 16..235 range of video, which is what V4L1 programs and cameras of that
//! time mean by YUV.

use vloopback_abi::Palette;

/// How the pixels of a frame lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Y plane, then U and V planes of half the width and height (V4L1 palette 15).
    Yuv420p,
    /// Y0 U Y1 V for each pair of pixels (V4L1 palette 8).
    Yuyv,
    /// Blue, green, red for each pixel (V4L1 palette 4, whose RGB24 has this order in memory).
    Bgr24,
}

impl Layout {
    /// The V4L1 palette with these bytes in memory.
    pub const fn palette(self) -> Palette {
        match self {
            Layout::Bgr24 => Palette::Rgb24,
            Layout::Yuyv => Palette::Yuyv,
            Layout::Yuv420p => Palette::Yuv420P,
        }
    }

    /// Bytes of a frame of `width` times `height` pixels; 0 for sizes that the layout cannot hold
    /// (see [`Picture::even`]).
    pub fn frame_len(self, width: usize, height: usize) -> usize {
        match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width), Ok(height)) => self.palette().frame_len(width, height).unwrap_or(0),
            _ => 0,
        }
    }
}

/// A decoded picture, as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Red, green, blue for each pixel, rows without gaps.
    Rgb {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// `3 * width * height` bytes.
        data: Vec<u8>,
    },
    /// Planes Y, U, V, chroma of half the width and height, rounded up.
    Yuv420 {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// The three planes, one after the other, without gaps.
        data: Vec<u8>,
    },
}

impl Picture {
    /// Pixels in a row, and rows.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Picture::Rgb { width, height, .. } | Picture::Yuv420 { width, height, .. } => (*width, *height),
        }
    }

    /// The size with the odd last column and row cut off, which 4:2:0 layouts cannot hold.
    pub fn even(&self) -> (usize, usize) {
        let (width, height) = self.size();
        (width & !1, height & !1)
    }

    /// The picture in `layout`, of the size that [`Picture::even`] tells.
    pub fn to_layout(&self, layout: Layout) -> Vec<u8> {
        match (self, layout) {
            (Picture::Rgb { width, data, .. }, _) => {
                let (even_width, even_height) = self.even();
                let at = |x: usize, y: usize| {
                    let i = (y * width + x) * 3;
                    [data[i], data[i + 1], data[i + 2]]
                };
                from_rgb(even_width, even_height, at, layout)
            }
            (Picture::Yuv420 { width, height, data }, Layout::Yuv420p)
                if width % 2 == 0 && height % 2 == 0 =>
            {
                data.clone()
            }
            (Picture::Yuv420 { .. }, _) => self.from_yuv(layout),
        }
    }

    /// Y, U, V of a pixel of a [`Picture::Yuv420`].
    pub(crate) fn yuv_at(&self, x: usize, y: usize) -> [u8; 3] {
        match self {
            Picture::Yuv420 { width, height, data } => {
                let luma = width * height;
                let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
                let chroma = (y / 2) * half_width + x / 2;
                [data[y * width + x], data[luma + chroma], data[luma + half_width * half_height + chroma]]
            }
            Picture::Rgb { width, data, .. } => {
                let i = (y * width + x) * 3;
                yuv([data[i], data[i + 1], data[i + 2]])
            }
        }
    }

    #[allow(clippy::wrong_self_convention)] // "from" names the arm of the conversion, not a constructor.
    fn from_yuv(&self, layout: Layout) -> Vec<u8> {
        let (width, height) = self.even();
        let mut out = Vec::with_capacity(layout.frame_len(width, height));
        match layout {
            Layout::Yuv420p => {
                for y in 0..height {
                    out.extend((0..width).map(|x| self.yuv_at(x, y)[0]));
                }
                for plane in 1..3 {
                    for y in (0..height).step_by(2) {
                        out.extend((0..width).step_by(2).map(|x| self.yuv_at(x, y)[plane]));
                    }
                }
            }
            Layout::Yuyv => {
                for y in 0..height {
                    for x in (0..width).step_by(2) {
                        let [y0, u, v] = self.yuv_at(x, y);
                        out.extend([y0, u, self.yuv_at(x + 1, y)[0], v]);
                    }
                }
            }
            Layout::Bgr24 => {
                for y in 0..height {
                    for x in 0..width {
                        let [r, g, b] = rgb(self.yuv_at(x, y));
                        out.extend([b, g, r]);
                    }
                }
            }
        }
        out
    }
}

/// Converts the pixels that `at` gives (even width and height) to `layout`. Chroma is the mean of
/// the pixels that share it.
fn from_rgb(width: usize, height: usize, at: impl Fn(usize, usize) -> [u8; 3], layout: Layout) -> Vec<u8> {
    let mut out = Vec::with_capacity(layout.frame_len(width, height));
    match layout {
        Layout::Yuv420p => {
            for y in 0..height {
                out.extend((0..width).map(|x| yuv(at(x, y))[0]));
            }
            for plane in 1..3 {
                for y in (0..height).step_by(2) {
                    for x in (0..width).step_by(2) {
                        let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
                        out.push(yuv(mean(&four))[plane]);
                    }
                }
            }
        }
        Layout::Yuyv => {
            for y in 0..height {
                for x in (0..width).step_by(2) {
                    let two = [at(x, y), at(x + 1, y)];
                    let [_, u, v] = yuv(mean(&two));
                    out.extend([yuv(two[0])[0], u, yuv(two[1])[0], v]);
                }
            }
        }
        Layout::Bgr24 => {
            for y in 0..height {
                for x in 0..width {
                    let [r, g, b] = at(x, y);
                    out.extend([b, g, r]);
                }
            }
        }
    }
    out
}

/// The rounded mean colour of a few pixels.
fn mean(pixels: &[[u8; 3]]) -> [u8; 3] {
    let count = pixels.len() as u32;
    [0, 1, 2].map(|i| {
        let sum: u32 = pixels.iter().map(|pixel| u32::from(pixel[i])).sum();
        // At most 255: a mean of bytes.
        ((sum + count / 2) / count) as u8
    })
}

/// Red, green, blue to Y, U, V (BT.601, video range, 16-bit fixed point).
pub fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
    let y = 16_829 * r + 33_039 * g + 6_416 * b;
    let u = -9_714 * r - 19_070 * g + 28_784 * b;
    let v = 28_784 * r - 24_103 * g - 4_681 * b;
    let scale = |value: i32, offset: i32| (((value + 32_768) >> 16) + offset).clamp(0, 255) as u8;
    [scale(y, 16), scale(u, 128), scale(v, 128)]
}

/// Y, U, V to red, green, blue, the inverse of [`yuv`] but for rounding.
pub fn rgb([y, u, v]: [u8; 3]) -> [u8; 3] {
    let (y, u, v) = (i32::from(y) - 16, i32::from(u) - 128, i32::from(v) - 128);
    let y = 76_309 * y;
    let scale = |value: i32| ((value + 32_768) >> 16).clamp(0, 255) as u8;
    [scale(y + 104_597 * v), scale(y - 25_675 * u - 53_279 * v), scale(y + 132_201 * u)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flat(width: usize, height: usize, pixel: [u8; 3]) -> Picture {
        Picture::Rgb { width, height, data: pixel.repeat(width * height) }
    }

    #[test]
    fn known_colours() {
        assert_eq!(yuv([0, 0, 0]), [16, 128, 128]);
        assert_eq!(yuv([255, 255, 255]), [235, 128, 128]);
        assert_eq!(yuv([255, 0, 0]), [81, 90, 240]);
        assert_eq!(yuv([0, 255, 0]), [145, 54, 34]);
        assert_eq!(yuv([0, 0, 255]), [41, 240, 110]);
    }

    #[test]
    fn bgr24_has_blue_first() {
        let picture = flat(2, 2, [1, 2, 3]);
        assert_eq!(picture.to_layout(Layout::Bgr24)[..3], [3, 2, 1]);
    }

    #[test]
    fn odd_sizes_lose_their_last_row_and_column() {
        for layout in [Layout::Yuv420p, Layout::Yuyv, Layout::Bgr24] {
            let bytes = flat(5, 3, [9, 9, 9]).to_layout(layout);
            assert_eq!(bytes.len(), layout.frame_len(4, 2));
            let planes = Picture::Yuv420 { width: 5, height: 3, data: vec![16; 15 + 2 * 6] };
            assert_eq!(planes.to_layout(layout).len(), layout.frame_len(4, 2));
        }
    }

    /// The largest difference between two colours' channels.
    fn distance(a: [u8; 3], b: [u8; 3]) -> u8 {
        (0..3).map(|i| a[i].abs_diff(b[i])).max().unwrap()
    }

    proptest! {
        #[test]
        fn there_and_back_is_near(pixel in any::<[u8; 3]>()) {
            prop_assert!(distance(rgb(yuv(pixel)), pixel) <= 3, "{:?} -> {:?}", pixel, rgb(yuv(pixel)));
        }

        #[test]
        fn grey_has_no_colour(level in any::<u8>()) {
            prop_assert_eq!(yuv([level; 3])[1..].to_vec(), vec![128, 128]);
        }

        #[test]
        fn layouts_agree_on_a_flat_picture(pixel in any::<[u8; 3]>(), w in 1usize..9, h in 1usize..9) {
            let (width, height) = (2 * w, 2 * h);
            let picture = flat(width, height, pixel);
            let [y, u, v] = yuv(pixel);
            let planar = picture.to_layout(Layout::Yuv420p);
            prop_assert_eq!(planar.len(), Layout::Yuv420p.frame_len(width, height));
            prop_assert!(planar[..width * height].iter().all(|&byte| byte == y));
            prop_assert!(planar[width * height..width * height * 5 / 4].iter().all(|&byte| byte == u));
            prop_assert!(planar[width * height * 5 / 4..].iter().all(|&byte| byte == v));
            let packed = picture.to_layout(Layout::Yuyv);
            prop_assert!(packed.chunks(4).all(|four| four == [y, u, y, v]));
        }

        #[test]
        fn planes_pass_unchanged_and_as_yuyv(w in 1usize..6, h in 1usize..6, seed in any::<u8>()) {
            let (width, height) = (2 * w, 2 * h);
            let len = Layout::Yuv420p.frame_len(width, height);
            let data: Vec<u8> = (0..len).map(|i| seed.wrapping_add((i * 7) as u8)).collect();
            let picture = Picture::Yuv420 { width, height, data: data.clone() };
            prop_assert_eq!(picture.to_layout(Layout::Yuv420p), data.clone());
            let packed = picture.to_layout(Layout::Yuyv);
            for y in 0..height {
                for x in 0..width {
                    prop_assert_eq!(packed[(y * width + x) * 2], data[y * width + x]);
                }
            }
        }
    }
}
