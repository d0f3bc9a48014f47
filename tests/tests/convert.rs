//! Conversion for whoever asks (`vloopback run --convert`): pixel formats that the pusher does not have, of the same
//! size, by every way of reading; compared with ffmpeg's swscale.

use std::fs;
use std::path::Path;
use std::process::Command;

use vloopback_tests::{Env, Running, have, skip};

/// What ffmpeg calls the formats.
const NAMES: &[(&str, &str)] = &[
    ("YUYV", "yuyv422"),
    ("UYVY", "uyvy422"),
    ("YU12", "yuv420p"),
    ("NV12", "nv12"),
    ("NV21", "nv21"),
    ("422P", "yuv422p"),
    ("RGB3", "rgb24"),
    ("BGR3", "bgr24"),
    ("XR24", "bgr0"),
    ("GREY", "gray"),
];

fn name(fourcc: &str) -> &'static str {
    NAMES.iter().find(|(code, _)| *code == fourcc).expect("a format of the table").1
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
    let job =
        env.own("vloopback").env("VLOOPBACK_SOCKET", env.socket()).args(["push", "0", "--format", fourcc]);
    let mut pusher = job.arg("--input").arg(picture).start();
    pusher.line().expect("it tells what it pushes");
    pusher
}

/// One frame in this format by v4l2-ctl.
fn taken(env: &Env, fourcc: &str, convert: bool, by: &str) -> Vec<u8> {
    let out = env.dir().join("frame.raw");
    let to = format!("--stream-to={}", out.display());
    let format = format!("--set-fmt-video=pixelformat={fourcc}");
    let node = env.pipe(0).output;
    let words = ["v4l2-ctl", "-d", &node, &format, by, "--stream-count=1", &to];
    let extra: &[&str] = if convert { &[] } else { &["--no-convert"] };
    env.run_with(extra, &words).output().ok();
    fs::read(out).expect("a frame")
}

/// The same frame by swscale.
fn by_swscale(dir: &Path, (from, to): (&str, &str), frame: &[u8]) -> Vec<u8> {
    let (one, other) = (dir.join("one.raw"), dir.join("other.raw"));
    fs::write(&one, frame).expect("a file");
    let fewer = matches!(to, "YU12" | "NV12" | "NV21") || from == "BGR3";
    // Into fewer samples of colour: their mean. Into more: the same for all.
    let flags = if fewer {
        "area+accurate_rnd+full_chroma_inp"
    } else {
        "neighbor+accurate_rnd+full_chroma_int+full_chroma_inp"
    };
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", name(from), "-s", "324x242", "-i"])
        .arg(&one)
        .args(["-sws_flags", flags, "-f", "rawvideo", "-pix_fmt", name(to), "-y"])
        .arg(&other)
        .output()
        .expect("ffmpeg");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read(other).expect("a frame")
}

/// The most by which two frames differ in a byte. The fourth byte of a pixel of 32 bits means nothing.
fn differ(one: &[u8], other: &[u8], fourcc: &str) -> u8 {
    assert_eq!(one.len(), other.len(), "{fourcc}");
    let counts = |k: usize| fourcc != "XR24" || k % 4 != 3;
    let pairs = one.iter().zip(other).enumerate().filter(|(k, _)| counts(*k));
    pairs.map(|(_, (one, other))| one.abs_diff(*other)).max().unwrap_or(0)
}

/// Every format from every kind of format, within one level of swscale's; and the judge sees another matrix.
#[test]
fn each_format_is_as_swscale_makes_it() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    for from in ["YUYV", "NV12", "422P", "BGR3"] {
        let env = Env::new(1);
        let _pusher = push(&env, from);
        let native = taken(&env, from, false, "--stream-mmap");
        for (to, _) in NAMES.iter().filter(|(to, _)| *to != from) {
            let got = taken(&env, to, true, "--stream-mmap");
            let wanted = by_swscale(env.dir(), (from, to), &native);
            // swscale makes luma of grey's full range; V4L2's grey is luma as it is. From RGB it rounds before its mean.
            let most = match (from, *to) {
                (_, "GREY") => continue,
                ("BGR3", _) => 2,
                _ => 1,
            };
            let most_seen = differ(&got, &wanted, to);
            assert!(most_seen <= most, "{from} to {to}: {most_seen} levels");
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
    env.run_with(&[], &["python3", "-c", READER, &node, out.to_str().expect("a path")]).output().ok();
    assert!(fs::read(&out).expect("a frame") == wanted, "read()");
    let source = format!("device={node}");
    let sink = format!("location={}", out.display());
    for io in ["io-mode=mmap", "io-mode=dmabuf"] {
        let words = ["gst-launch-1.0", "-q", "v4l2src", &source, io, "num-buffers=1", "!"];
        let caps = ["video/x-raw,format=RGB", "!", "filesink", &sink];
        env.run_with(&[], &[&words[..], &caps].concat()).output().ok();
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
    let client = env.run_with(&[], &words).start();
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
