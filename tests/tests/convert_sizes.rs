//! Sizes that a client has and the pusher has not (driver/docs/reference.md, "Conversion"): by S_FMT, and after another
//! pusher has come with another size.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vloopback_tests::{Env, Running, have, skip};

/// A picture file with coloured bars.
fn picture(dir: &Path, size: &str) -> PathBuf {
    let file = dir.join(format!("{size}.png"));
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .arg(format!("smptebars=size={size}"))
        .args(["-frames:v", "1"])
        .arg(&file)
        .output()
        .expect("ffmpeg");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    file
}

fn push(env: &Env, format: &str, size: &str) -> Running {
    let picture = picture(env.dir(), size);
    let job =
        env.own("vloopback").env("VLOOPBACK_SOCKET", env.socket()).args(["push", "0", "--format", format]);
    let mut pusher = job.arg("--input").arg(picture).start();
    pusher.line().expect("it tells what it pushes");
    pusher
}

/// A grey frame of what a client has that asks for this size, and the size that it has got.
fn grey(env: &Env, extra: &[&str], (width, height): (u32, u32)) -> (Vec<u8>, String) {
    let out = env.dir().join("frame.raw");
    let to = format!("--stream-to={}", out.display());
    let format = format!("--set-fmt-video=width={width},height={height},pixelformat=GREY");
    let node = env.pipe(0).output;
    let words =
        ["v4l2-ctl", "-d", &node, &format, "--get-fmt-video", "--stream-mmap", "--stream-count=1", &to];
    let told = env.run_with(extra, &words).output().ok().text();
    let size = told.lines().find_map(|line| line.split("Width/Height").nth(1)).unwrap_or_default();
    (fs::read(out).expect("a frame"), size.trim_start_matches([' ', ':']).trim().to_owned())
}

/// The same by swscale.
fn by_swscale(dir: &Path, (from, to): (&str, &str), frame: &[u8]) -> Vec<u8> {
    let (one, other) = (dir.join("one.raw"), dir.join("other.raw"));
    fs::write(&one, frame).expect("a file");
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", from, "-i"])
        .arg(&one)
        .args(["-sws_flags", "bilinear+accurate_rnd", "-s", to, "-f", "rawvideo", "-pix_fmt", "gray", "-y"])
        .arg(&other)
        .output()
        .expect("ffmpeg");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read(other).expect("a frame")
}

fn differ(one: &[u8], other: &[u8]) -> u8 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| one.abs_diff(*other)).max().unwrap_or(0)
}

/// The half and the quarter; any other size becomes the pipe's own. A shifted picture is seen.
#[test]
fn a_client_may_have_a_smaller_picture() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    let env = Env::new(1);
    let _pusher = push(&env, "YUYV", "640x480");
    let (whole, size) = grey(&env, &["--convert"], (640, 480));
    assert_eq!((whole.len(), size.as_str()), (640 * 480, "640/480"));
    for (width, height) in [(320, 240), (160, 120)] {
        let (got, size) = grey(&env, &["--convert"], (width, height));
        assert_eq!(size, format!("{width}/{height}"));
        let wanted = by_swscale(env.dir(), ("640x480", &format!("{width}x{height}")), &whole);
        assert!(differ(&got, &wanted) <= 2, "{width}x{height}: {} levels", differ(&got, &wanted));
        let mut shifted = got;
        shifted.rotate_right(3);
        assert!(differ(&shifted, &wanted) > 20, "a shift is seen");
    }
    for (asked, extra) in [((500, 400), &["--convert"][..]), ((320, 180), &["--convert"]), ((320, 240), &[])]
    {
        let (got, size) = grey(&env, extra, asked);
        assert_eq!(size, "640/480", "{asked:?} {extra:?}");
        // Without conversion it is YUYV.
        assert_eq!(got.len(), if extra.is_empty() { 640 * 480 * 2 } else { 640 * 480 });
    }
}

/// Sizes of another shape: with bars beside the picture, or filled.
#[test]
fn another_shape_is_fitted_as_the_user_says() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    let env = Env::new(1);
    let _pusher = push(&env, "YUYV", "640x480");
    let (whole, _) = grey(&env, &["--convert"], (640, 480));
    let (boxed, size) = grey(&env, &["--fit", "letterbox"], (640, 360));
    assert_eq!(size, "640/360");
    // The picture is 480x360 in the middle.
    let inner: Vec<u8> = boxed.chunks_exact(640).flat_map(|line| line[80..560].to_vec()).collect();
    let wanted = by_swscale(env.dir(), ("640x480", "480x360"), &whole);
    assert!(differ(&inner, &wanted) <= 2, "{} levels", differ(&inner, &wanted));
    let bars = boxed.chunks_exact(640).flat_map(|line| line[..80].iter().chain(&line[560..]));
    assert!(bars.into_iter().all(|luma| *luma == 16), "the bars are black");
    let (stretched, _) = grey(&env, &["--fit", "stretch"], (640, 360));
    let wanted = by_swscale(env.dir(), ("640x480", "640x360"), &whole);
    assert!(differ(&stretched, &wanted) <= 2, "{} levels", differ(&stretched, &wanted));
    assert!(differ(&boxed, &stretched) > 20, "the two ways are told apart");
}

/// A stream goes on when the next pusher brings another format and another size.
#[test]
fn a_client_goes_on_over_another_size() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    let env = Env::builder().args(&["--pipes", "1", "--idle", "wait"]).start();
    let first = push(&env, "YUYV", "640x480");
    let out = env.dir().join("stream.raw");
    let (node, to) = (env.pipe(0).output, format!("--stream-to={}", out.display()));
    let words = ["v4l2-ctl", "-d", &node, "--stream-mmap", "--stream-count=40", &to];
    let client = env.run_with(&["--convert"], &words).start();
    const LEN: usize = 640 * 480 * 2;
    env.until("frames came", |_| fs::metadata(&out).is_ok_and(|file| file.len() >= 5 * LEN as u64));
    drop(first);
    let _next = push(&env, "NV12", "320x180");
    client.finish().ok();
    let all = fs::read(&out).expect("frames");
    let frames: Vec<&[u8]> = all.chunks_exact(LEN).collect();
    assert_eq!((frames.len(), all.len()), (40, 40 * LEN));
    let luma = |frame: &[u8], line: usize, column: usize| frame[(line * 640 + column) * 2];
    let (one, other) = (frames[0], frames[39]);
    // The former picture fills the frame; the next one is 640x360, with black above and below.
    assert!(luma(one, 10, 20) > 100, "the first bar is bright");
    assert!((0..640).all(|column| luma(other, 10, column) == 16 && luma(other, 470, column) == 16));
    assert_eq!(luma(other, 240, 20), luma(one, 240, 20), "the picture is the same in the middle");
}

/// `convert = false` in the configuration, for one pipe.
#[test]
fn the_server_may_forbid_it() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg and v4l2-ctl are needed");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("config.toml");
    fs::write(&config, "pipes = 2\n[[pipe]]\nconvert = false\n").expect("a file");
    let env = Env::builder().args(&["--config", config.to_str().expect("a path")]).start();
    let formats = |pipe: usize| {
        let words = ["v4l2-ctl", "-d", &env.pipe(pipe).output, "--list-formats"];
        env.run_with(&["--convert"], &words).output().ok().text()
    };
    assert!(!formats(0).contains("RGB3"), "{}", formats(0));
    assert!(formats(1).contains("RGB3"), "{}", formats(1));
}
