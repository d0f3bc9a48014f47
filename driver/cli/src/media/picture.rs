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

    /// The left upper part of the picture, at most as large as it is.
    pub fn cropped(&self, width: u32, height: u32) -> Picture {
        match self {
            Picture::Rgb(rgb) => Picture::Rgb(rgb.cropped(width, height)),
            Picture::Yuv(planes) => Picture::Yuv(planes.cropped(width, height)),
        }
    }

    /// The picture as a frame of a format.
    ///
    /// None for formats that are not made here.
    pub fn frame(&self, format: &PixelFormat) -> Option<Vec<u8>> {
        match self {
            Picture::Rgb(rgb) => encode(format.fourcc, rgb),
            Picture::Yuv(planes) => encode_planes(format.fourcc, planes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::v4l2::fourcc::{self, Fourcc};

    fn of(fourcc: Fourcc) -> PixelFormat {
        PixelFormat::of(fourcc).unwrap()
    }

    #[test]
    fn odd_sizes_keep_their_last_row_and_column() {
        let rgb = Picture::Rgb(Rgb::new(5, 3, [9; 3]));
        let (luma, colour) = (vec![16; 15], vec![99; 6]);
        let planes = Planes::new((5, 3), (2, 2), luma, colour.clone(), colour).unwrap();
        let yuv = Picture::Yuv(planes);
        for (fourcc, length) in
            [(fourcc::YUV420, 27), (fourcc::YUYV, 36), (fourcc::BGR24, 45), (fourcc::YUV410, 19)]
        {
            for picture in [&rgb, &yuv] {
                let frame = picture.frame(&of(fourcc));
                assert_eq!(frame.map(|frame| frame.len()), Some(length), "{fourcc}");
            }
        }
        assert_eq!(yuv.frame(&of(fourcc::YUYV)).unwrap()[..4], [16, 99, 16, 99]);
        assert_eq!(rgb.frame(&of(fourcc::H264)), None);
    }
}
