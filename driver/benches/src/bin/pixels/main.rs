//! What the conversion of a frame costs, beside libswscale and libv4lconvert where the machine has them. Processor time
//! of one thread; all sides alternate, round by round, on the same frame.

mod peers;

use std::time::Duration;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use vloopback_abi::v4l2::{Fourcc, PixelFormat, V4l2PixFormat, fourcc};
use vloopback_convert::{Coding, Conversion, Fit, Picture};

type Size = (u32, u32);

const HD: Size = (1280, 720);
const FULL_HD: Size = (1920, 1080);
const SD: Size = (854, 480);

/// What is measured.
const CASES: &[(Fourcc, Size, Fourcc, Size)] = &[
    (fourcc::YUYV, HD, fourcc::NV12, HD),
    (fourcc::YUYV, FULL_HD, fourcc::NV12, FULL_HD),
    (fourcc::YUYV, HD, fourcc::YUV420, HD),
    (fourcc::YUYV, HD, fourcc::BGR24, HD),
    (fourcc::YUYV, HD, fourcc::RGB24, HD),
    (fourcc::YUYV, FULL_HD, fourcc::RGB24, FULL_HD),
    (fourcc::NV12, HD, fourcc::YUYV, HD),
    (fourcc::YUV420, HD, fourcc::RGB24, HD),
    (fourcc::YUV420, FULL_HD, fourcc::RGB24, FULL_HD),
    (fourcc::NV12, HD, fourcc::RGB24, HD),
    (fourcc::ABGR32, HD, fourcc::NV12, HD),
    (fourcc::RGB24, HD, fourcc::YUYV, HD),
    (fourcc::RGB24, HD, fourcc::RGB565, HD),
    (fourcc::SRGGB8, HD, fourcc::RGB24, HD),
    (fourcc::MJPEG, HD, fourcc::YUYV, HD),
    (fourcc::MJPEG, HD, fourcc::YUV420, HD),
    (fourcc::MJPEG, HD, fourcc::RGB24, HD),
    (fourcc::NV12, FULL_HD, fourcc::NV12, HD),
    (fourcc::YUYV, SD, fourcc::YUYV, HD),
    (fourcc::YUYV, FULL_HD, fourcc::RGB24, HD),
];

/// One way to convert the frame. False: it cannot.
pub type Way<'a> = Box<dyn FnMut(&[u8], &mut [u8]) -> bool + 'a>;

/// Processor time of this thread.
fn processor_time() -> Duration {
    let time =
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of Linux");
    time.into()
}

fn pix(format: Fourcc, (width, height): Size) -> V4l2PixFormat {
    PixelFormat::of(format).and_then(|format| format.pix(width, height)).expect("a format of the list")
}

fn ours(from: &V4l2PixFormat, to: &V4l2PixFormat) -> Way<'static> {
    let picture = |pix: &V4l2PixFormat| {
        Picture::new(pix.fourcc(), pix.width, pix.height, pix.bytesperline).expect("a format of the list")
    };
    let coding = Coding::new(from.colorspace, 0, 0);
    let conversion =
        Conversion::new(picture(from), picture(to), coding, Fit::Stretch).expect("a pair of the list");
    let mut workspace = vec![0; conversion.workspace_len()];
    Box::new(move |frame, into| conversion.run(frame, into, &mut workspace))
}

/// A picture with edges, slopes and some noise; as JPEG 4:2:2.
fn frame(pix: &V4l2PixFormat) -> Vec<u8> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 29) as u8
    };
    if pix.fourcc() != fourcc::MJPEG {
        return (0..pix.sizeimage).map(|n| (n / 97 % 160) as u8 + 20 + noise()).collect();
    }
    let (width, height) = (pix.width, pix.height);
    let pixels: Vec<u8> = (0..width * height)
        .flat_map(|n| {
            let (x, y) = (n % width, n / width);
            let square = if (x / 64 + y / 48) % 2 == 0 { 60 } else { 0 };
            [(x / 9) as u8, (y / 5) as u8, ((x + y) / 15) as u8]
                .map(|slope| slope / 2 + square + noise() + 20)
        })
        .collect();
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 85);
    encoder.set_sampling_factor(SamplingFactor::F_2_1);
    encoder.encode(&pixels, width as u16, height as u16, ColorType::Rgb).expect("a picture");
    jpeg
}

/// Milliseconds a frame: the median and the middle half.
fn summary(rounds: &mut [f64]) -> (f64, f64, f64) {
    rounds.sort_by(f64::total_cmp);
    let at = |share: usize| rounds[(rounds.len() - 1) * share / 4];
    (at(2), at(1), at(3))
}

fn main() {
    let (rounds, frames) = if std::env::args().any(|word| word == "--smoke") { (2, 1) } else { (25, 8) };
    let swscale = peers::Swscale::load();
    let v4lconvert = peers::V4lConvert::load();
    println!("ms of processor time a frame: median (middle half) of {rounds} rounds of {frames} frames");
    println!("| from | to | vloopback | swscale, default | libv4lconvert | of the faster |");
    println!("|---|---|---|---|---|---|");
    for (from, size, to, wanted) in CASES {
        let (from, to) = (pix(*from, *size), pix(*to, *wanted));
        let frame = frame(&from);
        let mut into = vec![0; to.sizeimage as usize];
        let mut ways: [Option<Way>; 3] = [
            Some(ours(&from, &to)),
            swscale.as_ref().and_then(|peer| peer.way(&from, &to)),
            v4lconvert.as_ref().and_then(|peer| peer.way(&from, &to)),
        ];
        for way in &mut ways {
            if !way.as_mut().is_some_and(|way| way(&frame, &mut into)) {
                *way = None;
            }
        }
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
            for (way, times) in ways.iter_mut().zip(&mut times) {
                let Some(way) = way else { continue };
                let start = processor_time();
                for _ in 0..frames {
                    way(&frame, &mut into);
                }
                times.push((processor_time() - start).as_secs_f64() * 1e3 / f64::from(frames));
            }
        }
        let cells = times.each_mut().map(|times| (!times.is_empty()).then(|| summary(times)));
        let cell = |cell: Option<(f64, f64, f64)>| {
            cell.map_or("–".to_owned(), |(median, low, high)| format!("{median:.2} ({low:.2}–{high:.2})"))
        };
        let peer = cells[1..].iter().flatten().map(|cell| cell.0).fold(f64::INFINITY, f64::min);
        let ratio = cells[0]
            .filter(|_| peer.is_finite())
            .map_or("–".to_owned(), |own| format!("{:.2}", own.0 / peer));
        let name = |pix: &V4l2PixFormat| format!("{} {}x{}", pix.fourcc(), pix.width, pix.height);
        let [own, one, other] = cells.map(cell);
        println!("| {} | {} | {own} | {one} | {other} | {ratio} |", name(&from), name(&to));
    }
}
