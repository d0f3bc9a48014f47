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
        self.spans().2
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
    fn spans(self) -> (f64, f64, u8) {
        if self.full { (255.0, 255.0, 0) } else { (219.0, 224.0, 16) }
    }
}

/// Binary digits behind the point of what leads to red, green and blue: the largest factor, 2.2, fits 16 bits.
const TO_RGB: u32 = 13;
/// The same of what leads to luma and differences, whose factors are below 1.
const TO_YUV: u32 = 15;

fn fixed(value: f64, point: u32) -> i16 {
    let scaled = value * f64::from(1u32 << point);
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i16
}

#[inline(always)]
fn clamp(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

/// What has to be done with the colours of a picture.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Colours {
    /// Nothing: both pictures have luma, or both have none.
    Keep,
    /// From luma.
    ToRgb(ToRgb),
    /// To luma.
    ToYuv(ToYuv),
}

/// From luma and differences to red, green and blue. Factors are 16 bits wide: processors multiply these fastest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToRgb {
    black: i16,
    luma: i16,
    red_v: i16,
    green_u: i16,
    green_v: i16,
    blue_u: i16,
}

impl ToRgb {
    pub(crate) fn new(coding: Coding) -> Self {
        let (red, blue) = coding.shares();
        let green = 1.0 - red - blue;
        let (luma, colour, black) = coding.spans();
        let (v, u) = (2.0 * (1.0 - red) * 255.0 / colour, 2.0 * (1.0 - blue) * 255.0 / colour);
        Self {
            black: black.into(),
            luma: fixed(255.0 / luma, TO_RGB),
            red_v: fixed(v, TO_RGB),
            green_u: fixed(-u * blue / green, TO_RGB),
            green_v: fixed(-v * red / green, TO_RGB),
            blue_u: fixed(u, TO_RGB),
        }
    }

    /// Converts as many pixels as all lines have.
    #[inline(always)]
    pub(crate) fn line(&self, [y, u, v]: [&[u8]; 3], [r, g, b]: [&mut [u8]; 3]) {
        let from = y.iter().zip(u).zip(v);
        for (((y, u), v), ((r, g), b)) in from.zip(r.iter_mut().zip(g).zip(b)) {
            let (u, v) = (i16::from(*u) - 128, i16::from(*v) - 128);
            let product = |one: i16, other: i16| i32::from(one) * i32::from(other);
            let y = product(i16::from(*y) - self.black, self.luma) + (1 << (TO_RGB - 1));
            *r = clamp((y + product(v, self.red_v)) >> TO_RGB);
            *g = clamp((y + product(u, self.green_u) + product(v, self.green_v)) >> TO_RGB);
            *b = clamp((y + product(u, self.blue_u)) >> TO_RGB);
        }
    }
}

/// From red, green and blue to luma and differences.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToYuv {
    black: u8,
    y: [i16; 3],
    u: [i16; 3],
    v: [i16; 3],
}

#[inline(always)]
fn dot([a, b, c]: [i16; 3], row: [i16; 3]) -> i32 {
    i32::from(a) * i32::from(row[0]) + i32::from(b) * i32::from(row[1]) + i32::from(c) * i32::from(row[2])
}

impl ToYuv {
    pub(crate) fn new(coding: Coding) -> Self {
        let (red, blue) = coding.shares();
        let green = 1.0 - red - blue;
        let (luma, colour, black) = coding.spans();
        let scale = luma / 255.0;
        let (u, v) = (colour / 255.0 / 2.0 / (1.0 - blue), colour / 255.0 / 2.0 / (1.0 - red));
        let fixed = |value| fixed(value, TO_YUV);
        // Of grey exactly nothing, whatever is rounded: green has what red and blue leave.
        let differences = |one: f64, other: f64| (fixed(one), fixed(other));
        let (u_red, u_blue) = differences(-red * u, (1.0 - blue) * u);
        let (v_red, v_blue) = differences((1.0 - red) * v, -blue * v);
        Self {
            black,
            y: [fixed(red * scale), fixed(green * scale), fixed(blue * scale)],
            u: [u_red, -u_red - u_blue, u_blue],
            v: [v_red, -v_red - v_blue, v_blue],
        }
    }

    /// The luma of as many pixels as all lines have.
    #[inline(always)]
    pub(crate) fn luma(&self, [r, g, b]: [&[u8]; 3], into: &mut [u8]) {
        for (((r, g), b), y) in r.iter().zip(g).zip(b).zip(into) {
            let sum = dot([(*r).into(), (*g).into(), (*b).into()], self.y);
            *y = clamp(((sum + (1 << (TO_YUV - 1))) >> TO_YUV) + i32::from(self.black));
        }
    }

    /// The colour differences of sums of `1 << count` pixels.
    #[inline(always)]
    pub(crate) fn differences(&self, [r, g, b]: [&[u16]; 3], count: u32, u: &mut [u8], v: &mut [u8]) {
        let (half, point) = (1 << (TO_YUV + count - 1), TO_YUV + count);
        for (((r, g), b), (u, v)) in r.iter().zip(g).zip(b).zip(u.iter_mut().zip(v)) {
            let pixels = [*r as i16, *g as i16, *b as i16];
            *u = clamp(((dot(pixels, self.u) + half) >> point) + 128);
            *v = clamp(((dot(pixels, self.v) + half) >> point) + 128);
        }
    }
}
