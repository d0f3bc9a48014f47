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

/// Binary digits behind the point of the factors that lead to luma and differences, which are below 1.
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

/// From luma and differences to red, green and blue. All is 16 bits wide: of these a processor works on most at once.
/// Samples are multiplied by as much as keeps them within 16 bits, and of each product the upper half is taken; it has
/// [`SUM`] binary digits behind the point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToRgb {
    black: i16,
    luma: i16,
    red_v: i16,
    green_u: i16,
    green_v: i16,
    blue_u: i16,
}

/// Binary digits behind the point of a sum.
const SUM: u32 = 5;
/// What luma and the differences are multiplied by before, in digits: both then have a sign and 15 bits.
const LUMA: u32 = 7;
const DIFFERENCE: u32 = 8;
/// Half a level, and one more for what the halves of two products lose on average.
const ROUND: i16 = (1 << (SUM - 1)) + 1;

#[inline(always)]
fn upper_half(one: i16, other: i16) -> i16 {
    ((i32::from(one) * i32::from(other)) >> 16) as i16
}

impl ToRgb {
    pub(crate) fn new(coding: Coding) -> Self {
        let (red, blue) = coding.shares();
        let green = 1.0 - red - blue;
        let (luma, colour, black) = coding.spans();
        let (v, u) = (2.0 * (1.0 - red) * 255.0 / colour, 2.0 * (1.0 - blue) * 255.0 / colour);
        let factor = |value: f64| fixed(value, 16 + SUM - DIFFERENCE);
        Self {
            black: black.into(),
            luma: fixed(255.0 / luma, 16 + SUM - LUMA),
            red_v: factor(v),
            green_u: factor(-u * blue / green),
            green_v: factor(-v * red / green),
            blue_u: factor(u),
        }
    }

    /// Converts as many pixels as all lines have.
    #[inline(always)]
    pub(crate) fn line(&self, [y, u, v]: [&[u8]; 3], [r, g, b]: [&mut [u8]; 3]) {
        let from = y.iter().zip(u).zip(v);
        for (((y, u), v), ((r, g), b)) in from.zip(r.iter_mut().zip(g).zip(b)) {
            let difference = |sample: u8| (i16::from(sample) - 128) << DIFFERENCE;
            let (u, v) = (difference(*u), difference(*v));
            let y = upper_half((i16::from(*y) - self.black) << LUMA, self.luma) + ROUND;
            // A sum that is more than 16 bits hold is far beyond 255 as it is.
            let level = |sum: i16| (sum >> SUM).clamp(0, 255) as u8;
            *r = level(y.saturating_add(upper_half(v, self.red_v)));
            *g = level(y + upper_half(u, self.green_u) + upper_half(v, self.green_v));
            *b = level(y.saturating_add(upper_half(u, self.blue_u)));
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
