//! Conversion for whoever asks (`vloopback run --convert`): pixel formats that the pusher does not have, by every way of
//! reading; and sizes, by the crate itself; compared with ffmpeg's swscale.

use std::fs;
use std::path::Path;
use std::process::Command;

use vloopback_abi::v4l2::{Fourcc, PixelFormat};
use vloopback_convert::{Coding, Conversion, Fit, Picture};
use vloopback_tests::{Env, Running, have, skip};

/// What ffmpeg calls the formats that frames can be had in, and how many pixels share a sample of colour.
const NAMES: &[(&str, &str, u32)] = &[
    ("YUYV", "yuyv422", 2),
    ("UYVY", "uyvy422", 2),
    ("YVYU", "yvyu422", 2),
    ("YU12", "yuv420p", 4),
    ("NV12", "nv12", 4),
    ("NV21", "nv21", 4),
    ("422P", "yuv422p", 2),
    // It cannot write nv16, nv24 and nv42.
    ("NV16", "yuv422p", 2),
    ("411P", "yuv411p", 4),
    ("NV24", "yuv444p", 1),
    ("NV42", "yuv444p", 1),
    ("RGB3", "rgb24", 1),
    ("BGR3", "bgr24", 1),
    ("XR24", "bgr0", 1),
    ("AR24", "bgra", 1),
    ("AB24", "rgba", 1),
    ("BA24", "argb", 1),
    ("RGBP", "rgb565le", 1),
    ("XR15", "rgb555le", 1),
    ("GREY", "gray", 1),
];

/// What it calls those that frames can be converted from besides, and in which they are compared.
const FROM: &[(&str, &str, &[&str])] = &[
    ("UYVY", "uyvy422", &["YUYV", "RGB3"]),
    ("YVYU", "yvyu422", &["YUYV"]),
    ("YU12", "yuv420p", &["NV12", "RGB3"]),
    ("P010", "p010le", &["NV12", "RGB3"]),
    ("AR24", "bgra", &["RGB3"]),
    ("AB24", "rgba", &["RGB3"]),
    ("BA24", "argb", &["RGB3"]),
    ("RX24", "0bgr", &["RGB3"]),
    ("RGBP", "rgb565le", &["RGB3"]),
    ("RGBR", "rgb565be", &["RGB3"]),
    ("XR15", "rgb555le", &["RGB3"]),
    ("Y10 ", "gray10le", &["GREY"]),
    ("Y12 ", "gray12le", &["GREY"]),
    ("Y16 ", "gray16le", &["GREY"]),
    ("BA81", "bayer_bggr8", &["RGB3"]),
    ("GBRG", "bayer_gbrg8", &["RGB3"]),
    ("GRBG", "bayer_grbg8", &["RGB3"]),
    ("RGGB", "bayer_rggb8", &["RGB3"]),
    ("BYR2", "bayer_bggr16le", &["RGB3"]),
    ("MJPG", "mjpeg", &["RGB3", "BGR3"]),
];

fn name(fourcc: &str) -> &'static str {
    let known = NAMES
        .iter()
        .map(|(code, name, _)| (code, name))
        .chain(FROM.iter().map(|(code, name, _)| (code, name)));
    known.into_iter().find(|(code, _)| **code == fourcc).expect("a format of the table").1
}

/// Pushes a picture with every colour again and again.
fn push(env: &Env, fourcc: &str) -> Running {
    let picture = env.dir().join("picture.png");
    if !picture.exists() {
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=324x242", "-frames:v", "1"])
            .arg(&picture)
            .output()
            .expect("ffmpeg");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let job = env.own("vloopback").env("VLOOPBACK_SOCKET", env.socket()).args([
        "push",
        "0",
        "--format",
        fourcc.trim_end(),
    ]);
    let mut pusher = job.arg("--input").arg(picture).start();
    pusher.line().unwrap_or_else(|| panic!("{fourcc}: it tells what it pushes"));
    pusher
}

/// One frame in this format by v4l2-ctl.
fn taken(env: &Env, fourcc: &str, convert: bool, by: &str) -> Vec<u8> {
    let out = env.dir().join("frame.raw");
    let to = format!("--stream-to={}", out.display());
    let format = format!("--set-fmt-video=pixelformat={fourcc}");
    let node = env.pipe(0).output;
    let words = ["v4l2-ctl", "-d", &node, &format, by, "--stream-count=1", &to];
    let extra: &[&str] = if convert { &["--convert"] } else { &[] };
    env.run_with(extra, &words).output().ok();
    fs::read(out).expect("a frame")
}

/// The same frame by swscale.
fn by_swscale(dir: &Path, (from, to): (&str, &str), frame: &[u8]) -> Vec<u8> {
    let (one, other) = (dir.join("one.raw"), dir.join("other.raw"));
    fs::write(&one, frame).expect("a file");
    let sharing =
        |code: &str| NAMES.iter().find(|(known, ..)| *known == code).map_or(1, |(.., sharing)| *sharing);
    let fewer = sharing(to) > sharing(from);
    // Into fewer samples of colour: their mean. Into more: the same for all.
    let flags = if fewer {
        "area+accurate_rnd+full_chroma_inp"
    } else {
        "neighbor+accurate_rnd+full_chroma_int+full_chroma_inp"
    };
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-f"])
        .args(if from == "MJPG" {
            vec!["mjpeg"]
        } else {
            vec!["rawvideo", "-pix_fmt", name(from), "-s", "324x242"]
        })
        .arg("-i")
        .arg(&one)
        // In one piece: where it works on several lines' edges Bayer's colours are other ones.
        .args(["-filter_threads", "1"])
        .args(["-sws_flags", flags, "-f", "rawvideo", "-pix_fmt", name(to), "-y"])
        .arg(&other)
        .output()
        .expect("ffmpeg");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut frame = fs::read(other).expect("a frame");
    if matches!(to, "NV16" | "NV24" | "NV42") {
        let rest = &mut frame[324 * 242..];
        let (u, v) = rest.split_at(rest.len() / 2);
        let (u, v) = if to == "NV42" { (v, u) } else { (u, v) };
        let woven: Vec<u8> = u.iter().zip(v).flat_map(|(u, v)| [*u, *v]).collect();
        rest.copy_from_slice(&woven);
    }
    frame
}

/// The most by which two frames differ in a byte, or in the bits of a colour. The fourth byte of a pixel of 32 bits
/// without alpha means nothing.
fn differ(one: &[u8], other: &[u8], fourcc: &str) -> u8 {
    assert_eq!(one.len(), other.len(), "{fourcc}");
    let words = |frame: &[u8], fields: [(u16, u16); 3]| -> Vec<u8> {
        let word = |word: &[u8]| u16::from_le_bytes([word[0], word[1]]);
        frame
            .chunks_exact(2)
            .flat_map(|two| fields.map(|(shift, most)| (word(two) >> shift & most) as u8))
            .collect()
    };
    match fourcc {
        "RGBP" => {
            return differ(
                &words(one, [(11, 31), (5, 63), (0, 31)]),
                &words(other, [(11, 31), (5, 63), (0, 31)]),
                "",
            );
        }
        "XR15" => {
            return differ(
                &words(one, [(10, 31), (5, 31), (0, 31)]),
                &words(other, [(10, 31), (5, 31), (0, 31)]),
                "",
            );
        }
        _ => {}
    }
    let counts = |k: usize| fourcc != "XR24" || k % 4 != 3;
    let pairs = one.iter().zip(other).enumerate().filter(|(k, _)| counts(*k));
    pairs.map(|(_, (one, other))| one.abs_diff(*other)).max().unwrap_or(0)
}

/// The pixels of RGB24 that are farther than two from each edge: there swscale makes Bayer's missing colours of other
/// neighbours.
fn inner(frame: &[u8]) -> Vec<u8> {
    let lines = frame.chunks_exact(324 * 3).skip(2).take(238);
    lines.flat_map(|line| &line[6..322 * 3]).copied().collect()
}

/// Every format from every kind of format, within one level of swscale's; and the judge sees another matrix.
#[test]
fn each_format_is_as_swscale_makes_it() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    let mut off = Vec::new();
    for from in ["YUYV", "NV12", "422P", "BGR3"] {
        let env = Env::new(1);
        let _pusher = push(&env, from);
        let native = taken(&env, from, false, "--stream-mmap");
        for (to, ..) in NAMES.iter().filter(|(to, ..)| *to != from) {
            let got = taken(&env, to, true, "--stream-mmap");
            let wanted = by_swscale(env.dir(), (from, to), &native);
            // swscale makes luma of grey's full range; V4L2's grey is luma as it is. From RGB it rounds before its mean.
            let most = match (from, *to) {
                (_, "GREY") => continue,
                // Fewer samples across and more downwards are neither flag's.
                ("NV12", "411P") => continue,
                // It dithers.
                ("YUYV" | "NV12" | "422P", "RGBP" | "XR15") => continue,
                ("BGR3", _) => 2,
                _ => 1,
            };
            let most_seen = differ(&got, &wanted, to);
            if most_seen > most {
                off.push(format!("{from} to {to}: {most_seen} levels"));
            }
        }
        if from == "YUYV" {
            let got = taken(&env, "RGB3", true, "--stream-mmap");
            let mut wrong = by_swscale(env.dir(), (from, "BGR3"), &native);
            assert!(differ(&got, &wrong, "RGB3") > 100, "red for blue is seen");
            wrong.clone_from(&got);
            wrong[1000] ^= 8;
            assert_eq!(differ(&got, &wrong, "RGB3"), 8, "one wrong bit is seen");
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

/// The other formats that can be converted from.
#[test]
fn each_format_is_read_as_swscale_reads_it() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    let mut off = Vec::new();
    for (from, _, targets) in FROM {
        let env = Env::new(1);
        let _pusher = push(&env, from);
        let native = taken(&env, from, false, "--stream-mmap");
        for to in *targets {
            let got = taken(&env, to, true, "--stream-mmap");
            let wanted = by_swscale(env.dir(), (from, to), &native);
            let bayer = name(from).starts_with("bayer");
            let most_seen =
                if bayer { differ(&inner(&got), &inner(&wanted), to) } else { differ(&got, &wanted, to) };
            // Of JPEG one level of luma and of each difference are up to four of a colour.
            let most = if *from == "MJPG" { 4 } else { 1 };
            if most_seen > most {
                off.push(format!("{from} to {to}: {most_seen} levels"));
            }
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

/// Without the option a program gets what the pipe carries.
#[test]
fn nobody_converts_unasked() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    let env = Env::new(1);
    let _pusher = push(&env, "YUYV");
    let native = taken(&env, "YUYV", false, "--stream-mmap");
    assert_eq!(taken(&env, "RGB3", false, "--stream-mmap"), native);
    assert_eq!(taken(&env, "YUYV", true, "--stream-mmap"), native, "the pipe's own format stays as it is");
}

/// Sets RGB3 and reads two frames, the first one in parts.
const READER: &str = r#"
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR)
f = bytearray(208)
struct.pack_into("<I", f, 0, 1)
fcntl.ioctl(fd, 0xc0d05604, f)
f[16:20] = b"RGB3"
fcntl.ioctl(fd, 0xc0d05605, f)
size, = struct.unpack_from("<I", f, 28)
one = os.read(fd, 1000) + os.read(fd, size)
other = os.read(fd, size)
sys.exit(one != other or not open(sys.argv[2], "wb").write(one))
"#;

/// The program's own memory, exported buffers, and frames that are read: each gets the same picture.
#[test]
fn each_way_of_reading_gets_it() {
    if !have("ffmpeg") || !have("v4l2-ctl") || !have("gst-launch-1.0") {
        skip!("ffmpeg, v4l2-ctl and gst-launch-1.0 are needed");
    }
    let env = Env::new(1);
    let _pusher = push(&env, "NV12");
    let wanted = taken(&env, "RGB3", true, "--stream-mmap");
    assert_eq!(taken(&env, "RGB3", true, "--stream-user"), wanted);
    let node = env.pipe(0).output;
    let out = env.dir().join("read.raw");
    env.run_with(&["--convert"], &["python3", "-c", READER, &node, out.to_str().expect("a path")])
        .output()
        .ok();
    assert!(fs::read(&out).expect("a frame") == wanted, "read()");
    let source = format!("device={node}");
    let sink = format!("location={}", out.display());
    for io in ["io-mode=mmap", "io-mode=dmabuf"] {
        let words = ["gst-launch-1.0", "-q", "v4l2src", &source, io, "num-buffers=1", "!"];
        let caps = ["video/x-raw,format=RGB", "!", "filesink", &sink];
        env.run_with(&["--convert"], &[&words[..], &caps].concat()).output().ok();
        let got = fs::read(&out).expect("a frame");
        assert!(got == wanted, "{io}");
    }
}

/// A client in its own format goes on over a change of pusher, from one pixel format to another.
#[test]
fn a_client_goes_on_over_another_pushers_format() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    let env = Env::builder().args(&["--pipes", "1", "--idle", "wait"]).start();
    let pusher = push(&env, "YUYV");
    let node = env.pipe(0).output;
    let out = env.dir().join("stream.raw");
    let to = format!("--stream-to={}", out.display());
    let words = [
        "v4l2-ctl",
        "-d",
        &node,
        "--set-fmt-video=pixelformat=RGB3",
        "--stream-mmap",
        "--stream-count=40",
        &to,
    ];
    let client = env.run_with(&["--convert"], &words).start();
    let has = |frames: u64| {
        env.until("frames came", |_| {
            fs::metadata(&out).is_ok_and(|file| file.len() >= frames * 324 * 242 * 3)
        });
    };
    has(5);
    drop(pusher);
    let _next = push(&env, "NV12");
    client.finish().ok();
    let all = fs::read(&out).expect("frames");
    let frames: Vec<&[u8]> = all.chunks_exact(324 * 242 * 3).collect();
    assert_eq!(frames.len(), 40);
    // Both pushers' pictures, and nothing else: they differ by the colour of odd lines.
    let (first, last) = (frames[0], frames[39]);
    assert!(first != last, "the second pusher's frames came");
    assert!(frames.iter().all(|frame| *frame == first || *frame == last), "no frame is another");
    let mean = |frame: &[u8]| frame.iter().map(|byte| u64::from(*byte)).sum::<u64>() / frame.len() as u64;
    assert!(mean(first).abs_diff(mean(last)) <= 2, "the same picture");
}

/// A smooth picture with every colour, 320x240, in red, green and blue.
fn smooth() -> Vec<u8> {
    let wave = |at: usize, of: f64| (128.0 + 100.0 * (at as f64 / of).sin()) as u8;
    (0..320 * 240)
        .flat_map(|n| [wave(n % 320, 60.0), wave(n / 320, 50.0), wave(n % 320 + n / 320, 70.0)])
        .collect()
}

/// That picture by ffmpeg in another format and size.
fn sized(dir: &Path, (format, size): (&str, &str), (to, wanted): (&str, &str), frame: &[u8]) -> Vec<u8> {
    let (one, other) = (dir.join("one.raw"), dir.join("other.raw"));
    fs::write(&one, frame).expect("a file");
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", format, "-s", size, "-i"])
        .arg(&one)
        .args(["-sws_flags", "bilinear+accurate_rnd+full_chroma_int+full_chroma_inp", "-s", wanted])
        .args(["-f", "rawvideo", "-pix_fmt", to, "-y"])
        .arg(&other)
        .output()
        .expect("ffmpeg");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read(other).expect("a frame")
}

/// Sizes: on a smooth picture within four levels of swscale's `bilinear`, whose colour differences lie elsewhere by up to
/// half a pixel; without differences within two. A shifted picture and another matrix are seen.
#[test]
fn sizes_are_as_swscale_makes_them() {
    if !have("ffmpeg") {
        skip!("ffmpeg is needed");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let resized = |from: &str, to: &str, (width, height): (u32, u32), enc: u32, frame: &[u8]| {
        let picture = |code: &str, (width, height): (u32, u32)| {
            let code = Fourcc::new(code.as_bytes().try_into().expect("four characters"));
            let line = PixelFormat::of(code).and_then(|format| format.bytesperline(width)).expect("a line");
            Picture::new(code, width, height, line).expect("a picture")
        };
        let coding = Coding::new(0, enc, 2);
        let (from, to) = (picture(from, (320, 240)), picture(to, (width, height)));
        let conversion = Conversion::new(from, to, coding, Fit::Stretch).expect("a conversion");
        let mut into = vec![0; conversion.result_len()];
        assert!(conversion.run(frame, &mut into, &mut vec![0; conversion.workspace_len()]));
        into
    };
    let (rgb, mut off) = (smooth(), Vec::new());
    for (from, to, most) in [
        ("GREY", "GREY", 2),
        ("RGB3", "RGB3", 2),
        ("YUYV", "YUYV", 4),
        ("NV12", "NV12", 4),
        ("YU12", "RGB3", 4),
        ("RGB3", "NV12", 4),
    ] {
        let frame = sized(dir.path(), ("rgb24", "320x240"), (name(from), "320x240"), &rgb);
        for size in [(480, 360), (214, 160), (320, 120), (853, 481), (64, 48), (321, 239)] {
            let text = format!("{}x{}", size.0, size.1);
            let wanted = sized(dir.path(), (name(from), "320x240"), (name(to), &text), &frame);
            let seen = differ(&resized(from, to, size, 1, &frame), &wanted, to);
            if seen > most {
                off.push(format!("{from} to {to} {text}: {seen} levels"));
            }
            if (to, size) == ("RGB3", (480, 360)) {
                let mut shifted = frame.clone();
                shifted.rotate_right(if from == "RGB3" { 9 } else { 3 });
                assert!(differ(&resized(from, to, size, 1, &shifted), &wanted, to) > most, "a shift is seen");
                if from != "RGB3" {
                    assert!(
                        differ(&resized(from, to, size, 2, &frame), &wanted, to) > most,
                        "a matrix is seen"
                    );
                }
            }
        }
    }
}
