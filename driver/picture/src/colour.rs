//! Between red, green, blue and Y, U, V: BT.601, luma from 16 to 235, colour from 16 to 240.
//!
//! The factors are those of BT.601-7 (0.299, 0.587, 0.114), scaled to these ranges and by 2^16.

/// Red, green, blue to Y, U, V.
#[inline]
#[must_use]
pub fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
    let y = 16_829 * r + 33_039 * g + 6_416 * b;
    let u = -9_714 * r - 19_070 * g + 28_784 * b;
    let v = 28_784 * r - 24_103 * g - 4_681 * b;
    let scale = |value: i32, offset: i32| (((value + 32_768) >> 16) + offset).clamp(0, 255) as u8;
    [scale(y, 16), scale(u, 128), scale(v, 128)]
}

/// Y, U, V to red, green, blue, the inverse of [`yuv`] but for rounding.
#[inline]
#[must_use]
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

    #[test]
    fn known_colours() {
        assert_eq!(yuv([0, 0, 0]), [16, 128, 128]);
        assert_eq!(yuv([255, 255, 255]), [235, 128, 128]);
        assert_eq!(yuv([255, 0, 0]), [81, 90, 240]);
        assert_eq!(yuv([0, 255, 0]), [145, 54, 34]);
        assert_eq!(yuv([0, 0, 255]), [41, 240, 110]);
    }

    proptest! {
        #[test]
        fn grey_has_no_colour(level in any::<u8>()) {
            prop_assert_eq!(yuv([level; 3])[1..].to_vec(), vec![128, 128]);
        }
    }
}
