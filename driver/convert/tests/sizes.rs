//! Pictures of another size: near to the exact mean at every place, whatever the formats; letterboxed, in black.

use proptest::prelude::*;
use vloopback_abi::v4l2::{Fourcc, PixelFormat, fourcc};
use vloopback_convert::picture::others;
use vloopback_convert::{Coding, Conversion, Fit, Picture};

type Size = (u32, u32);

fn picture(format: Fourcc, (width, height): Size) -> Picture {
    let line = PixelFormat::of(format).and_then(|format| format.bytesperline(width)).expect("a line");
    Picture::new(format, width, height, line).expect("a picture")
}

fn coding() -> Coding {
    Coding::new(0, 1, 2)
}

fn convert((from, size): (Fourcc, Size), (to, wanted): (Fourcc, Size), fit: Fit, frame: &[u8]) -> Vec<u8> {
    let conversion =
        Conversion::new(picture(from, size), picture(to, wanted), coding(), fit).expect("a conversion");
    let mut into = vec![0xee; conversion.result_len()];
    let mut workspace = vec![0xaa; conversion.workspace_len()];
    assert!(
        workspace.len() < 200 * (size.0 + wanted.0 + 8) as usize,
        "{size:?} {wanted:?}: {}",
        workspace.len()
    );
    assert!(conversion.run(frame, &mut into, &mut workspace));
    if let Some(short) = workspace.len().checked_sub(1) {
        assert!(!conversion.run(frame, &mut into, &mut workspace[..short]), "too little memory is refused");
    }
    into
}

/// The triangle's mean of a line at one place of the result, in real numbers, without any shortening.
fn mean(line: &[f64], at: usize, to: usize) -> f64 {
    let step = line.len() as f64 / to as f64;
    let (centre, radius) = ((at as f64 + 0.5) * step - 0.5, step.max(1.0));
    let (first, last) = ((centre - radius).floor() as i64, (centre + radius).ceil() as i64);
    let edge = line.len() as i64 - 1;
    let weighted = (first..=last).map(|k| {
        let weight = (1.0 - (k as f64 - centre).abs() / radius).max(0.0);
        (weight, weight * line[k.clamp(0, edge) as usize])
    });
    let (weights, sum) = weighted.fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    sum / weights
}

fn exact(frame: &[u8], (width, height): Size, (to_width, to_height): Size) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = frame
        .chunks_exact(width as usize)
        .map(|row| {
            let row: Vec<f64> = row.iter().map(|byte| f64::from(*byte)).collect();
            (0..to_width as usize).map(|x| mean(&row, x, to_width as usize)).collect()
        })
        .collect();
    assert_eq!(rows.len(), height as usize);
    let columns: Vec<Vec<f64>> = (0..to_width as usize)
        .map(|x| {
            let column: Vec<f64> = rows.iter().map(|row| row[x]).collect();
            (0..to_height as usize).map(|y| mean(&column, y, to_height as usize)).collect()
        })
        .collect();
    (0..(to_width * to_height) as usize)
        .map(|n| columns[n % to_width as usize][n / to_width as usize])
        .collect()
}

/// A smooth picture of luma: the slopes are those of a frame of so many pixels, whatever its size.
fn smooth((width, height): Size) -> Vec<u8> {
    let wave = |at: u32, of: u32, turns: f64| {
        ((f64::from(at) + 0.5) / f64::from(of) * std::f64::consts::TAU * turns).sin()
    };
    (0..width * height)
        .map(|n| {
            (128.0 + 60.0 * wave(n % width, width, 1.0) + 50.0 * wave(n / width, height, 0.75)).round() as u8
        })
        .collect()
}

proptest! {
    /// Random samples: where a picture grows, or shrinks to no less than half, within three levels of the exact mean.
    #[test]
    fn as_exact_as_seven_bits_are(
        width in 1u32..90, height in 1u32..30, to_width in 1u32..180, to_height in 1u32..50, seed in any::<u64>(),
    ) {
        prop_assume!(to_width * 2 >= width && to_height * 2 >= height);
        let mut state = seed | 1;
        let frame: Vec<u8> = (0..width * height).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        }).collect();
        let (size, wanted) = ((width, height), (to_width, to_height));
        let got = convert((fourcc::GREY, size), (fourcc::GREY, wanted), Fit::Stretch, &frame);
        for (k, (got, exact)) in got.iter().zip(exact(&frame, size, wanted)).enumerate() {
            prop_assert!((f64::from(*got) - exact).abs() <= 3.5, "{}: {} {}", k, got, exact);
        }
    }

    /// Nothing crashes, whatever the sizes and formats; the same colour stays the same.
    #[test]
    fn one_colour_stays(
        one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        width in 1u32..150, height in 1u32..20, to_width in 1u32..300, to_height in 1u32..40, level in 16u8..236,
    ) {
        let sources: Vec<Fourcc> = PixelFormat::ALL
            .iter()
            .filter(|format| !format.is_compressed() && others(format.fourcc).next().is_some())
            .map(|format| format.fourcc)
            .collect();
        let (from, targets) = (*one.get(&sources), others(fourcc::Y16).collect::<Vec<_>>());
        let to = *other.get(&targets);
        let frame = vec![level; picture(from, (width, height)).frame_len().expect("short")];
        let got = convert((from, (width, height)), (to, (to_width, to_height)), Fit::Stretch, &frame);
        let tight = convert((from, (width, height)), (to, (width, height)), Fit::Stretch, &frame);
        let whole = |frame: &[u8], (width, height): Size| {
            let grey = convert((to, (width, height)), (fourcc::GREY, (width, height)), Fit::Stretch, frame);
            (*grey.iter().min().expect("pixels"), *grey.iter().max().expect("pixels"))
        };
        // Short words of the same bytes may be another colour at their ends; all others are of one level.
        prop_assert_eq!(whole(&got, (to_width, to_height)), whole(&tight, (width, height)), "{} {}", from, to);
    }
}

/// Far smaller and far larger pictures: what is smooth stays what it was.
#[test]
fn smooth_pictures() {
    for (size, wanted) in [
        ((640, 480), (64, 48)),
        ((640, 480), (100, 33)),
        ((320, 240), (9, 7)),
        ((33, 21), (640, 480)),
        ((853, 480), (640, 360)),
        ((1920, 40), (128, 40)),
        ((40, 1080), (40, 99)),
    ] {
        let got = convert((fourcc::GREY, size), (fourcc::GREY, wanted), Fit::Stretch, &smooth(size));
        let most = got.iter().zip(smooth(wanted)).map(|(one, other)| one.abs_diff(other)).max();
        // The smallest ones have a fifth of a wave in each pixel, whose mean is not its middle.
        let bound = if wanted.0 < 20 || size.0 < 40 { 12 } else { 3 };
        assert!(most <= Some(bound), "{size:?} to {wanted:?}: {most:?}");
    }
}

/// A picture of another shape keeps it; the rest is black, in each format.
#[test]
fn bars_are_black() {
    for to in others(fourcc::YUYV).chain([fourcc::YUYV]) {
        for (from, frame) in [
            (fourcc::YUYV, vec![200, 128, 200, 128]),
            (fourcc::RGB24, vec![200; 6]),
            (fourcc::GREY, vec![200; 2]),
        ] {
            let frame = frame.repeat(32 * 32 / 2);
            for (wanted, place) in
                [((64, 32), (16, 0, 32, 32)), ((33, 101), (0, 34, 33, 33)), ((1, 1), (0, 0, 1, 1))]
            {
                let got = convert((from, (32, 32)), (to, wanted), Fit::Letterbox, &frame);
                let rgb = convert((to, wanted), (fourcc::RGB24, wanted), Fit::Stretch, &got);
                let (x, y, width, height) = place;
                for (n, pixel) in rgb.chunks_exact(3).enumerate() {
                    let (px, py) = (n as u32 % wanted.0, n as u32 / wanted.0);
                    // The place is one of whole samples of colour.
                    let near = |at: u32, start: u32, len: u32| at + 4 >= start && at < start + len + 4;
                    let inside = (x..x + width).contains(&px) && (y..y + height).contains(&py);
                    if inside && px >= x + 4 && px + 4 < x + width && py >= y + 2 && py + 2 < y + height {
                        assert!(
                            pixel.iter().all(|byte| *byte > 180),
                            "{from} {to} {wanted:?} {px},{py}: {pixel:?}"
                        );
                    }
                    if !near(px, x, width) || !near(py, y, height) {
                        assert_eq!(pixel, [0; 3], "{from} {to} {wanted:?} {px},{py}");
                    }
                }
            }
        }
    }
}

/// A picture that is shifted by a pixel, or upside down, is not taken for the right one.
#[test]
fn the_judge_sees_a_shift() {
    let (size, wanted) = ((64, 48), (96, 72));
    let right = smooth(size);
    let mut shifted = right.clone();
    shifted.rotate_right(2);
    let off = |frame: &[u8]| {
        let got = convert((fourcc::GREY, size), (fourcc::GREY, wanted), Fit::Stretch, frame);
        got.iter().zip(smooth(wanted)).map(|(one, other)| one.abs_diff(other)).max().expect("pixels")
    };
    assert!(off(&right) <= 3 && off(&shifted) > 8, "{} {}", off(&right), off(&shifted));
}
