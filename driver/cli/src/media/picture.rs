//! One decoded picture, and the frames that a pipe takes of it. What colours mean is said in
//! [`vloopback_picture`].

use vloopback_abi::v4l2::pixel::PixelFormat;
use vloopback_picture::{Planes, Rgb, encode, encode_planes};

/// A decoded picture, as its file has it: films in YUV are never turned into RGB and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Red, green, blue.
    Rgb(Rgb),
    /// Luma and colour.
    Yuv(Planes),
}

impl Picture {
    /// Pixels in a row, and rows.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Picture::Rgb(rgb) => (rgb.width, rgb.height),
            Picture::Yuv(planes) => (planes.width(), planes.height()),
        }
    }

    /// The picture in red, green, blue.
    pub fn to_rgb(&self) -> Rgb {
        match self {
            Picture::Rgb(rgb) => rgb.clone(),
            Picture::Yuv(planes) => planes.to_rgb(),
        }
    }

    /// The picture as a frame of a format, of the size that [`size_in`] tells: what is more is cut off.
    ///
    /// None for formats that are not made here, and for pictures that are too small for one.
    pub fn frame(&self, format: &PixelFormat) -> Option<Vec<u8>> {
        let (width, height) = size_in(format, self.size());
        match self {
            Picture::Rgb(rgb) if (width, height) == self.size() => encode(format.fourcc, rgb),
            Picture::Rgb(rgb) => encode(format.fourcc, &rgb.cropped(width, height)),
            Picture::Yuv(planes) if (width, height) == self.size() => encode_planes(format.fourcc, planes),
            Picture::Yuv(planes) => encode_planes(format.fourcc, &planes.cropped(width, height)),
        }
    }
}

/// The nearest size that a format's frames can have: 4:2:0, for one, cannot hold an odd last row.
pub fn size_in(format: &PixelFormat, (width, height): (u32, u32)) -> (u32, u32) {
    format.fit(width, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::v4l2::fourcc::{self, Fourcc};

    fn of(fourcc: Fourcc) -> PixelFormat {
        PixelFormat::of(fourcc).unwrap()
    }

    #[test]
    fn odd_sizes_lose_their_last_row_and_column() {
        let rgb = Picture::Rgb(Rgb::new(5, 3, [9; 3]));
        let (luma, colour) = (vec![16; 15], vec![99; 6]);
        let planes = Planes::new((5, 3), (2, 2), luma, colour.clone(), colour).unwrap();
        let yuv = Picture::Yuv(planes);
        for (fourcc, size) in [(fourcc::YUV420, (4, 2)), (fourcc::YUYV, (4, 3)), (fourcc::BGR24, (5, 3))] {
            let format = of(fourcc);
            assert_eq!(size_in(&format, rgb.size()), size);
            let length = format.sizeimage(size.0, size.1).map(|length| length as usize);
            for picture in [&rgb, &yuv] {
                assert_eq!(picture.frame(&format).map(|frame| frame.len()), length, "{fourcc}");
            }
        }
        assert_eq!(yuv.frame(&of(fourcc::YUYV)).unwrap()[..4], [16, 99, 16, 99]);
        assert_eq!(yuv.frame(&of(fourcc::YUV410)), None, "three rows hold no block of four");
        assert_eq!(rgb.frame(&of(fourcc::H264)), None);
    }
}
