//! Every format to every other, at any size and distance of lines, against a model that has nothing of the crate: one
//! pixel at a time, in real numbers.

use proptest::prelude::*;
use vloopback_abi::v4l2::{Fourcc, PixelFormat, fourcc};
use vloopback_convert::picture::{can, others};
use vloopback_convert::{Coding, Conversion, Fit, Picture};

mod model {
    //! Where each format has a pixel's samples, written down from the V4L2 specification once more.
    use super::*;

    /// Red, green and blue? Then pixels that share colour: across and down.
    pub fn shape(format: Fourcc) -> (bool, usize, usize) {
        match format {
            fourcc::YUYV | fourcc::YVYU | fourcc::UYVY | fourcc::VYUY | fourcc::YYUV => (false, 2, 1),
            fourcc::YUV422P | fourcc::NV16 | fourcc::NV61 => (false, 2, 1),
            fourcc::YUV420 | fourcc::YVU420 | fourcc::NV12 | fourcc::NV21 | fourcc::P010 => (false, 2, 2),
            fourcc::YUV411P => (false, 4, 1),
            fourcc::YUV410 | fourcc::YVU410 => (false, 4, 4),
            fourcc::NV24 | fourcc::NV42 | fourcc::YUV24 | fourcc::YUV32 => (false, 1, 1),
            fourcc::GREY | fourcc::Y10 | fourcc::Y12 | fourcc::Y16 | fourcc::Y10P => (false, 1, 1),
            _ => (true, 1, 1),
        }
    }

    /// A pixel, each sample of 0 to 255.
    pub fn pixel(
        format: Fourcc,
        size: (u32, u32),
        stride: u32,
        frame: &[u8],
        (x, y): (usize, usize),
    ) -> [u8; 3] {
        let known = PixelFormat::of(format).expect("known");
        let planes = known.planes(size.0, size.1, stride).expect("planes");
        let start = |plane: usize| {
            planes[..plane].iter().map(|plane| (plane.stride * plane.lines) as usize).sum::<usize>()
        };
        let (_, across, down) = shape(format);
        let byte =
            |plane: usize, x: usize, y: usize| frame[start(plane) + y * planes[plane].stride as usize + x];
        let word = |plane: usize, x: usize, y: usize| {
            u16::from_le_bytes([byte(plane, 2 * x, y), byte(plane, 2 * x + 1, y)])
        };
        let whole = |bytes: usize, at: [usize; 3]| at.map(|k| byte(0, bytes * x + k, y));
        let (cx, cy) = (x / across, y / down);
        let planar = |u: usize, v: usize| [byte(0, x, y), byte(u, cx, cy), byte(v, cx, cy)];
        let semi = |u: usize, v: usize| [byte(0, x, y), byte(1, 2 * cx + u, cy), byte(1, 2 * cx + v, cy)];
        let pairs = |at: [usize; 4]| [at[x % 2], at[2], at[3]].map(|k| byte(0, x / 2 * 4 + k, y));
        let short = |bits: [u32; 3], big: bool| {
            let value = if big { word(0, x, y).swap_bytes() } else { word(0, x, y) };
            [(bits[1] + bits[2], bits[0]), (bits[2], bits[1]), (0, bits[2])].map(|(shift, bits)| {
                let sample = u32::from(value >> shift) & ((1 << bits) - 1);
                // The upper bits once more as the lower ones: all ones are 255.
                (sample << (8 - bits) | sample >> (2 * bits - 8)) as u8
            })
        };
        let grey = |luma: u8| [luma, 128, 128];
        match format {
            fourcc::YUYV => pairs([0, 2, 1, 3]),
            fourcc::YVYU => pairs([0, 2, 3, 1]),
            fourcc::UYVY => pairs([1, 3, 0, 2]),
            fourcc::VYUY => pairs([1, 3, 2, 0]),
            fourcc::YYUV => pairs([0, 1, 2, 3]),
            fourcc::YUV420 | fourcc::YUV422P | fourcc::YUV411P | fourcc::YUV410 => planar(1, 2),
            fourcc::YVU420 | fourcc::YVU410 => planar(2, 1),
            fourcc::NV12 | fourcc::NV16 | fourcc::NV24 => semi(0, 1),
            fourcc::NV21 | fourcc::NV61 | fourcc::NV42 => semi(1, 0),
            fourcc::P010 => [byte(0, 2 * x + 1, y), byte(1, 4 * cx + 1, cy), byte(1, 4 * cx + 3, cy)],
            fourcc::GREY => grey(byte(0, x, y)),
            fourcc::Y10 => grey((word(0, x, y) / 4).min(255) as u8),
            fourcc::Y12 => grey((word(0, x, y) / 16).min(255) as u8),
            fourcc::Y16 => grey(byte(0, 2 * x + 1, y)),
            fourcc::Y10P => grey(byte(0, x / 4 * 5 + x % 4, y)),
            fourcc::RGB24 | fourcc::YUV24 => whole(3, [0, 1, 2]),
            fourcc::BGR24 => whole(3, [2, 1, 0]),
            fourcc::BGR32 | fourcc::XBGR32 | fourcc::ABGR32 => whole(4, [2, 1, 0]),
            fourcc::BGRA32 | fourcc::BGRX32 => whole(4, [3, 2, 1]),
            fourcc::RGB32 | fourcc::XRGB32 | fourcc::ARGB32 | fourcc::YUV32 => whole(4, [1, 2, 3]),
            fourcc::RGBA32 | fourcc::RGBX32 => whole(4, [0, 1, 2]),
            fourcc::RGB444 => short([4, 4, 4], false),
            fourcc::RGB565 => short([5, 6, 5], false),
            fourcc::RGB565X => short([5, 6, 5], true),
            fourcc::RGB555 | fourcc::XRGB555 | fourcc::ARGB555 => short([5, 5, 5], false),
            fourcc::RGB555X | fourcc::XRGB555X => short([5, 5, 5], true),
            _ => panic!("{format}: not in the model"),
        }
    }

    /// The exact formulas of the V4L2 specification, "Detailed Colorspace Descriptions".
    pub struct Exact {
        pub red: f64,
        pub blue: f64,
        pub full: bool,
    }

    impl Exact {
        fn spans(&self) -> (f64, f64, f64) {
            if self.full { (255.0, 255.0, 0.0) } else { (219.0, 224.0, 16.0) }
        }

        pub fn rgb(&self, [y, u, v]: [f64; 3]) -> [f64; 3] {
            let (span, colours, black) = self.spans();
            let (luma, pb, pr) = ((y - black) / span, (u - 128.0) / colours, (v - 128.0) / colours);
            let (r, b) = (luma + 2.0 * (1.0 - self.red) * pr, luma + 2.0 * (1.0 - self.blue) * pb);
            let g = (luma - self.red * r - self.blue * b) / (1.0 - self.red - self.blue);
            [r, g, b].map(|sample| (sample * 255.0).clamp(0.0, 255.0))
        }

        pub fn yuv(&self, rgb: [f64; 3]) -> [f64; 3] {
            let (span, colours, black) = self.spans();
            let [r, g, b] = rgb.map(|sample| sample / 255.0);
            let luma = self.red * r + (1.0 - self.red - self.blue) * g + self.blue * b;
            let (pb, pr) = ((b - luma) / 2.0 / (1.0 - self.blue), (r - luma) / 2.0 / (1.0 - self.red));
            [luma * span + black, pb * colours + 128.0, pr * colours + 128.0]
        }
    }
}

use model::{Exact, pixel, shape};

/// Every format but Bayer's and JPEG, whose pixels are not there one by one.
fn sources() -> Vec<Fourcc> {
    let listed = PixelFormat::ALL.iter().filter(|format| can(format.fourcc, fourcc::YUYV));
    let mosaic =
        |format: &&PixelFormat| matches!(format.layout, vloopback_abi::v4l2::pixel::Layout::Mosaic { .. });
    listed.filter(|format| !format.is_compressed() && !mosaic(format)).map(|format| format.fourcc).collect()
}

fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// The samples that the result should have at a pixel.
fn expected(
    (from, to): (Fourcc, Fourcc),
    exact: &Exact,
    size: (u32, u32),
    at: impl Fn(usize, usize) -> [u8; 3],
    (x, y): (usize, usize),
) -> [f64; 3] {
    let ((rgb, ..), (to_rgb, across, down)) = (shape(from), shape(to));
    let (width, height) = (size.0 as usize, size.1 as usize);
    let changed = |(x, y): (usize, usize)| {
        let samples = at(x.min(width - 1), y.min(height - 1)).map(f64::from);
        match (rgb, to_rgb) {
            (false, true) => exact.rgb(samples),
            (true, false) => exact.yuv(samples),
            _ => samples,
        }
    };
    let mut result = changed((x, y));
    let (left, top) = (x / across * across, y / down * down);
    for (k, sample) in result.iter_mut().enumerate().skip(1) {
        let group = (0..across * down).map(|n| changed((left + n % across, top + n / across))[k]);
        *sample = group.sum::<f64>() / (across * down) as f64;
    }
    result
}

/// By how much a sample may be off: one level, or what bits that are not there amount to.
fn most(to: Fourcc, k: usize) -> f64 {
    match to {
        fourcc::RGB565 if k == 1 => 4.5,
        fourcc::RGB565 | fourcc::RGB555 | fourcc::XRGB555 => 8.5,
        _ => 1.0,
    }
}

fn check(
    (from, to): (Fourcc, Fourcc),
    size: (u32, u32),
    more: (u32, u32),
    seed: u64,
    enc: usize,
    full: bool,
) {
    let ([red, blue], number) = [([0.299, 0.114], 1), ([0.2126, 0.0722], 2), ([0.2627, 0.0593], 6)][enc];
    let exact = Exact { red, blue, full };
    let coding = Coding::new(0, number, if full { 1 } else { 2 });
    let stride = |format: Fourcc, more: u32| {
        PixelFormat::of(format).expect("known").bytesperline(size.0).expect("a line") + more
    };
    let (stride, to_stride) = (stride(from, more.0), stride(to, more.1));
    let picture = |format, stride| Picture::new(format, size.0, size.1, stride).expect("a picture");
    let conversion = Conversion::new(picture(from, stride), picture(to, to_stride), coding, Fit::Letterbox);
    let conversion = conversion.expect("a conversion");
    assert_eq!(conversion.workspace_len(), 0);
    let frame = bytes(picture(from, stride).frame_len().expect("short"), seed);
    let mut got = vec![0xee; conversion.result_len()];
    assert!(conversion.run(&frame, &mut got, &mut []));
    let before = |x, y| pixel(from, size, stride, &frame, (x, y));
    for y in 0..size.1 as usize {
        for x in 0..size.0 as usize {
            let result = pixel(to, size, to_stride, &got, (x, y));
            let wanted = expected((from, to), &exact, size, before, (x, y));
            let counts = if to == fourcc::GREY { 1 } else { 3 };
            for k in 0..counts {
                assert!(
                    (f64::from(result[k]) - wanted[k]).abs() <= most(to, k),
                    "{from} to {to}, {size:?} at {x},{y}, sample {k}: {result:?}, not {wanted:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_pair_is_as_the_model(
        one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        width in 1u32..300, height in 1u32..7, more in (0u32..40, 0u32..40), seed in any::<u64>(),
        enc in 0usize..3, full in any::<bool>(),
    ) {
        let from = *one.get(&sources());
        let targets: Vec<Fourcc> = others(from).collect();
        check((from, *other.get(&targets)), (width, height), more, seed, enc, full);
    }
}

/// Every pair once at an odd size, and the sizes of real pictures.
#[test]
fn every_pair_is_as_the_model() {
    for from in sources() {
        for (k, to) in others(from).enumerate() {
            check((from, to), (131, 3), (0, 0), 77 + k as u64, k % 3, k % 2 == 0);
        }
    }
    for size in [(1, 1), (853, 4), (2048, 1), (1, 9)] {
        for (from, to) in [
            (fourcc::YUYV, fourcc::NV12),
            (fourcc::NV12, fourcc::YUYV),
            (fourcc::YUV420, fourcc::RGB24),
            (fourcc::ABGR32, fourcc::NV12),
            (fourcc::RGB24, fourcc::YUYV),
        ] {
            check((from, to), size, (0, 0), 5, 0, false);
        }
    }
}

/// What is between the pixels of one line and the next line stays as it was.
#[test]
fn nothing_is_written_beside_the_lines() {
    for to in others(fourcc::P010) {
        let known = PixelFormat::of(to).expect("known");
        let (width, height) = (130, 6);
        let stride = known.bytesperline(width).expect("a line") + 24;
        let from = Picture::new(fourcc::P010, width, height, 2 * width).expect("a picture");
        let picture = Picture::new(to, width, height, stride).expect("a picture");
        let conversion =
            Conversion::new(from, picture, Coding::new(0, 0, 0), Fit::Stretch).expect("a conversion");
        let frame = bytes(from.frame_len().expect("short"), 3);
        let run = |fill: u8| {
            let mut into = vec![fill; conversion.result_len() + 9];
            assert!(conversion.run(&frame, &mut into, &mut []));
            into
        };
        let (one, other) = (run(0), run(255));
        let kept = one.iter().zip(&other).filter(|(one, other)| one != other).count();
        let planes = known.planes(width, height, stride).expect("planes");
        let padding: u32 = planes.iter().map(|plane| (plane.stride - plane.line) * plane.lines).sum();
        assert_eq!(kept, padding as usize + 9, "{to}");
    }
}
