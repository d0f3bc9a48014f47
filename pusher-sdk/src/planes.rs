//! Frames whose lines have gaps between them.

use crate::pixels::Pixels;

/// The most planes that a frame has.
pub const MAX_PLANES: usize = 3;

/// One plane of a frame as the caller has it.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// Its bytes, from the first of the first line. The last line needs no padding behind it.
    pub data: &'a [u8],
    /// Bytes from the beginning of a line to the beginning of the next.
    pub stride: usize,
}

/// A plane as it lies in a frame, line by line without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaneShape {
    /// Bytes of a line.
    pub line: usize,
    /// Lines.
    pub lines: usize,
}

impl PlaneShape {
    /// Its bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.line * self.lines
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Checks a caller's plane against it.
    fn check(self, number: usize, plane: &Plane) -> Result<(), String> {
        if plane.stride < self.line {
            return Err(format!(
                "plane {number} has a stride of {} bytes, less than its lines of {}: give the distance between lines in bytes",
                plane.stride, self.line
            ));
        }
        let least = plane
            .stride
            .checked_mul(self.lines.saturating_sub(1))
            .and_then(|n| n.checked_add(self.line))
            .unwrap_or(usize::MAX);
        if plane.data.len() < least {
            return Err(format!(
                "plane {number} has {} bytes, but {} lines with a stride of {} need {least}",
                plane.data.len(),
                self.lines,
                plane.stride
            ));
        }
        Ok(())
    }
}

/// The planes of a frame, in the order in which they lie in it. Empty if there is no such frame, for
/// compressed formats, or for the palettes 4:2:0 and 4:1:1 whose order each driver chose for itself.
#[must_use]
pub fn plane_shapes(pixels: impl Into<Pixels>, width: u32, height: u32) -> Vec<PlaneShape> {
    pixels.into().shapes(width, height)
}

/// Checks the caller's planes against the shapes.
///
/// # Errors
/// What is wrong with which plane.
pub(crate) fn check(shapes: &[PlaneShape], planes: &[Plane]) -> Result<(), String> {
    if shapes.is_empty() {
        return Err("these frames' lines have no known order: give whole frames".to_owned());
    }
    if planes.len() != shapes.len() {
        return Err(format!("{} planes were given, the format has {}", planes.len(), shapes.len()));
    }
    shapes.iter().zip(planes).enumerate().try_for_each(|(number, (shape, plane))| shape.check(number, plane))
}

/// Copies planes that were checked to a frame without gaps, which has room for them all.
pub(crate) fn copy(shapes: &[PlaneShape], planes: &[Plane], mut to: &mut [u8]) {
    for (shape, plane) in shapes.iter().zip(planes) {
        let (here, rest) = to.split_at_mut(shape.len());
        if plane.stride == shape.line {
            here.copy_from_slice(&plane.data[..shape.len()]);
        } else {
            for (line, from) in here.chunks_exact_mut(shape.line).zip(plane.data.chunks(plane.stride)) {
                line.copy_from_slice(&from[..shape.line]);
            }
        }
        to = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::palette::Palette;
    use vloopback_abi::v4l2::fourcc;
    use vloopback_abi::v4l2::pixel::PixelFormat;

    #[test]
    fn planes_add_up_to_the_frame() {
        for palette in Palette::ALL {
            for (w, h) in [(4, 4), (320, 180), (64, 48)] {
                let shapes = plane_shapes(palette, w, h);
                assert!(shapes.len() <= MAX_PLANES);
                if !shapes.is_empty() {
                    let sum: usize = shapes.iter().map(|s| s.len()).sum();
                    assert_eq!(Some(sum), palette.frame_len(w, h), "{palette}");
                }
            }
        }
        for format in PixelFormat::ALL {
            let shapes = plane_shapes(format.fourcc, 64, 48);
            assert!(shapes.len() <= MAX_PLANES);
            assert_eq!(shapes.is_empty(), format.is_compressed(), "{}", format.name);
            let sum: usize = shapes.iter().map(|s| s.len()).sum();
            let whole = format.sizeimage(64, 48).filter(|_| !format.is_compressed()).unwrap_or(0);
            assert_eq!(sum, whole as usize, "{}", format.name);
        }
        let nv12 = plane_shapes(fourcc::NV12, 64, 48);
        assert_eq!(nv12, [PlaneShape { line: 64, lines: 48 }, PlaneShape { line: 64, lines: 24 }]);
        assert!(plane_shapes(Palette::Yuyv, 3, 4).is_empty());
        assert!(plane_shapes(Palette::Raw, 4, 4).is_empty());
    }

    #[test]
    fn gaps_are_left_out() {
        let shapes = plane_shapes(Palette::Yuv420P, 4, 2);
        let luma = [1, 2, 3, 4, 0xee, 0xee, 5, 6, 7, 8];
        let planes = [
            Plane { data: &luma, stride: 6 },
            Plane { data: &[9, 10], stride: 2 },
            // The one line's stride may be anything.
            Plane { data: &[11, 12, 0xee], stride: 400 },
        ];
        check(&shapes, &planes).unwrap();
        let mut frame = [0; 12];
        copy(&shapes, &planes, &mut frame);
        assert_eq!(frame, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let shapes = plane_shapes(Palette::Grey, 4, 3);
        let of = |len, stride| check(&shapes, &[Plane { data: &[0; 64][..len], stride }]);
        of(12, 4).unwrap();
        of(14, 5).unwrap();
        assert!(of(12, 3).unwrap_err().contains("stride of 3 bytes"));
        assert!(of(13, 5).unwrap_err().contains("need 14"));
        assert!(of(13, usize::MAX).unwrap_err().contains("need"));
        assert!(check(&shapes, &[]).unwrap_err().contains("0 planes"));
        assert!(check(&[], &[]).unwrap_err().contains("whole frames"));
    }
}
