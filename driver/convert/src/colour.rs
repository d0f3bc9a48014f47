//! Luma and colour differences as red, green and blue, and back.

use vloopback_abi::v4l2::flags::{V4L2_COLORSPACE_JPEG, V4L2_COLORSPACE_REC709};

/// V4L2_COLORSPACE_BT2020.
const BT2020: u32 = 10;

/// How colours are coded: the matrix, and whether the samples use all 256 values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coding {
    matrix: Matrix,
    full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
}

impl Coding {
    /// As `struct v4l2_pix_format` tells it; zeros (default) are what the V4L2 specification, "Colorspaces", says of the
    /// colorspace.
    pub fn new(colorspace: u32, ycbcr_enc: u32, quantization: u32) -> Self {
        let matrix = match (ycbcr_enc, colorspace) {
            (2, _) | (0, V4L2_COLORSPACE_REC709) => Matrix::Bt709,
            (6 | 7, _) | (0, BT2020) => Matrix::Bt2020,
            _ => Matrix::Bt601,
        };
        let full = match quantization {
            1 => true,
            2 => false,
            _ => colorspace == V4L2_COLORSPACE_JPEG,
        };
        Self { matrix, full }
    }

    /// The luma of black.
    pub(crate) fn black(self) -> u8 {
        self.spans().2 as u8
    }

    /// The shares of red and blue in luma.
    fn shares(self) -> (f64, f64) {
        match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        }
    }

    /// The span of luma, of colour differences, and the luma of black.
    fn spans(self) -> (f64, f64, i32) {
        if self.full { (255.0, 255.0, 0) } else { (219.0, 224.0, 16) }
    }
}

/// Binary digits behind the point.
const POINT: u32 = 16;
const HALF: i32 = 1 << (POINT - 1);

fn fixed(value: f64) -> i32 {
    let scaled = value * f64::from(1u32 << POINT);
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

fn clamp(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

/// From luma and differences to red, green and blue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToRgb {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl ToRgb {
    pub(crate) fn new(coding: Coding) -> Self {
        let (red, blue) = coding.shares();
        let green = 1.0 - red - blue;
        let (luma, colour, black) = coding.spans();
        let (v, u) = (2.0 * (1.0 - red) * 255.0 / colour, 2.0 * (1.0 - blue) * 255.0 / colour);
        Self {
            black,
            luma: fixed(255.0 / luma),
            red_v: fixed(v),
            green_u: fixed(-u * blue / green),
            green_v: fixed(-v * red / green),
            blue_u: fixed(u),
        }
    }

    #[inline]
    pub(crate) fn pixel(&self, [y, u, v]: [u8; 3]) -> [u8; 3] {
        let y = (i32::from(y) - self.black) * self.luma + HALF;
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        [
            clamp((y + v * self.red_v) >> POINT),
            clamp((y + u * self.green_u + v * self.green_v) >> POINT),
            clamp((y + u * self.blue_u) >> POINT),
        ]
    }
}

/// From red, green and blue to luma and differences. These are told with [`FINE`] times their value, so that an average
/// is rounded once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToYuv {
    black: i32,
    y: [i32; 3],
    u: [i32; 3],
    v: [i32; 3],
}

/// See [`ToYuv`].
pub(crate) const FINE: i32 = 1 << 8;

impl ToYuv {
    pub(crate) fn new(coding: Coding) -> Self {
        let (red, blue) = coding.shares();
        let green = 1.0 - red - blue;
        let (luma, colour, black) = coding.spans();
        let scale = luma / 255.0;
        let (u, v) = (colour / 255.0 / 2.0 / (1.0 - blue), colour / 255.0 / 2.0 / (1.0 - red));
        Self {
            black,
            y: [fixed(red * scale), fixed(green * scale), fixed(blue * scale)],
            u: [fixed(-red * u), fixed(-green * u), fixed((1.0 - blue) * u)],
            v: [fixed((1.0 - red) * v), fixed(-green * v), fixed(-blue * v)],
        }
    }

    #[inline]
    pub(crate) fn pixel(&self, rgb: [u8; 3]) -> (u8, i32, i32) {
        let sum = |row: &[i32; 3]| {
            i32::from(rgb[0]) * row[0] + i32::from(rgb[1]) * row[1] + i32::from(rgb[2]) * row[2]
        };
        let fine = |row| (sum(row) >> (POINT - 8)) + 128 * FINE;
        (clamp(((sum(&self.y) + HALF) >> POINT) + self.black), fine(&self.u), fine(&self.v))
    }
}
