//! What the examples draw: a bar of 16 columns, the same in every line, that moves.

/// 320x240, red, green and blue.
pub struct Picture(Vec<u8>);

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
const BAR: usize = 16;

impl Picture {
    /// From rows of so many bytes a pixel, in which red, green and blue have these places.
    pub fn from_pixels(bytes: &[u8], step: usize, places: [usize; 3]) -> Option<Picture> {
        if bytes.len() != WIDTH * HEIGHT * step {
            return None;
        }
        let pixels = bytes.chunks_exact(step).flat_map(|pixel| places.map(|place| pixel[place]));
        Some(Picture(pixels.collect()))
    }

    /// From a PPM file.
    pub fn from_ppm(file: &[u8]) -> Option<Picture> {
        Picture::from_pixels(file.strip_prefix(b"P6\n320 240\n255\n")?, 3, [0, 1, 2])
    }

    /// From a PNG file.
    pub fn from_png(file: &[u8]) -> Option<Picture> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().ok()?;
        let mut bytes = vec![0; reader.output_buffer_size()?];
        let info = reader.next_frame(&mut bytes).ok()?;
        if (info.width, info.height, info.bit_depth) != (320, 240, png::BitDepth::Eight) {
            return None;
        }
        let step = match info.color_type {
            png::ColorType::Rgb => 3,
            png::ColorType::Rgba => 4,
            _ => return None,
        };
        Picture::from_pixels(&bytes[..info.buffer_size()], step, [0, 1, 2])
    }

    /// The column in which the bar begins; None: it is not such a picture. The judge is judged too: with any
    /// one pixel wrong it says none.
    pub fn bar(&self, bar: [u8; 3], ground: [u8; 3]) -> Option<usize> {
        let begin = self.judge(bar, ground);
        if begin.is_some() {
            let mut wrong = Picture(self.0.clone());
            wrong.0[WIDTH * HEIGHT * 3 - 2] ^= 1;
            assert_eq!(wrong.judge(bar, ground), None, "the judge is blind");
        }
        begin
    }

    fn judge(&self, bar: [u8; 3], ground: [u8; 3]) -> Option<usize> {
        let pixels: Vec<&[u8]> = self.0.chunks_exact(3).collect();
        let begins = |x: &usize| pixels[*x] == bar && pixels[(x + WIDTH - 1) % WIDTH] == ground;
        let begin = (0..WIDTH).find(begins)?;
        let wanted = |x: usize| if (x + WIDTH - begin) % WIDTH < BAR { bar } else { ground };
        pixels.iter().enumerate().all(|(k, pixel)| **pixel == wanted(k % WIDTH)).then_some(begin)
    }
}
