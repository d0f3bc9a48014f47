//! Programs that only watch: OpenCV from Python, fswebcam, ustreamer, mpv.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;
use vloopback_tests::{Env, Job, PATIENCE, have, skip};

use super::ffmpeg::{film, push_film};
use super::{BGR24, HEIGHT, WIDTH, YUV420P, YUYV, fails, saves};

/// The interpreter that has Debian's python3-opencv.
pub(super) const PYTHON: &str = "/usr/bin/python3";

pub(super) fn have_opencv() -> bool {
    Path::new(PYTHON).exists() && Job::new(PYTHON).args(["-c", "import cv2"]).output().code() == 0
}

/// Writes the frames as they come, without OpenCV's conversion.
pub(super) const CAPTURE: &str = "
import sys, cv2
camera = cv2.VideoCapture(sys.argv[1], cv2.CAP_V4L2)
assert camera.isOpened(), 'not opened'
assert camera.set(cv2.CAP_PROP_CONVERT_RGB, 0), 'raw frames'
for _ in range(int(sys.argv[2])):
    good, frame = camera.read()
    assert good, 'no frame'
    sys.stdout.buffer.write(frame.tobytes())
";

#[test]
fn opencv_reads_bgr_and_yuv() {
    if !have_opencv() {
        skip!("python3-opencv is not installed");
    }
    for palette in [BGR24, YUYV, YUV420P] {
        saves(palette, 10, |env, device| {
            env.run(&[PYTHON, "-c", CAPTURE, device, "10"]).named("OpenCV").output().ok().stdout
        });
    }
}

/// `fswebcam --dumpframe`: the frame as it came.
#[test]
fn fswebcam_saves_a_frame() {
    if !have("fswebcam") {
        skip!("fswebcam is not installed");
    }
    let size = format!("{WIDTH}x{HEIGHT}");
    for (name, palette) in [("YUYV", YUYV), ("YUV420P", YUV420P), ("BGR24", BGR24)] {
        saves(palette, 1, |env, device| {
            let (dump, picture) = (env.dir().join("frame"), env.dir().join("picture.png"));
            let words = ["fswebcam", "-q", "-d", device, "-p", name, "-r", &size, "--no-banner"];
            let out = ["--dumpframe", dump.to_str().expect("letters"), "--png", "0"];
            let picture_path = [picture.to_str().expect("letters")];
            env.run(&[&words[..], &out[..], &picture_path[..]].concat()).output().ok();
            assert!(picture.exists(), "the picture is written");
            fs::read(&dump).expect("what fswebcam saved")
        });
    }
}

/// mpv in its encoding mode saves what it would show.
#[test]
fn mpv_plays() {
    if !have("mpv") {
        skip!("mpv is not installed");
    }
    saves(YUV420P, 10, |env, device| {
        let out = env.dir().join("saved.raw");
        let url = format!("av://v4l2:{device}");
        let to = format!("--o={}", out.display());
        let words = ["mpv", "--no-config", "--really-quiet", "--no-audio", "--frames=10", &to];
        let encode = ["--of=rawvideo", "--ovc=rawvideo", "--vf=format=yuv420p", &url];
        env.run(&[&words[..], &encode[..]].concat()).output().ok();
        fs::read(&out).expect("what mpv saved")
    });
}

/// One HTTP answer's body from a server on a Unix socket; None while it does not listen yet.
fn get(socket: &Path, path: &str) -> Option<Vec<u8>> {
    let mut connection = UnixStream::connect(socket).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("an answer");
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    assert!(answer.starts_with(b"HTTP/1.") && answer[..head].windows(4).any(|w| w == b" 200"));
    Some(answer.split_off(head + 4))
}

/// Three snapshots of a node by ustreamer, once it says that it has pictures. Every question is answered
/// when the server likes, so that asking again is a wait for it.
fn snapshots(env: &Env, device: &str) -> Vec<Vec<u8>> {
    let socket = env.dir().join("http");
    let size = format!("{WIDTH}x{HEIGHT}");
    let name = socket.to_str().expect("letters");
    let words = ["ustreamer", "-d", device, "-m", "MJPEG", "-c", "HW", "-r", &size, "-U", name, "-D"];
    // Where no picture comes for a second, on a busy machine, it would begin again, and have a picture of its own
    // meanwhile.
    let _server = env.run(&[&words[..], &["--device-timeout", "60"]].concat()).start();
    env.until_there(&socket);
    let until = Instant::now() + PATIENCE;
    loop {
        let state = get(&socket, "/state").unwrap_or_default();
        let state: Value = serde_json::from_slice(&state).unwrap_or_default();
        if state["result"]["source"]["online"] == true && state["result"]["source"]["captured_fps"] != 0 {
            break;
        }
        assert!(Instant::now() < until, "ustreamer has no picture: {state}\n{}", _server.stderr());
        std::thread::yield_now();
    }
    (0..3).map(|_| get(&socket, "/snapshot").expect("a snapshot")).collect()
}

/// ustreamer hands on Motion-JPEG pictures as they come; a snapshot is one of the film's.
#[test]
fn ustreamer_serves_a_films_pictures() {
    if !have("ustreamer") || !have("ffmpeg") {
        skip!("ustreamer or ffmpeg is not installed");
    }
    let env = Env::new(2);
    let films = ["testsrc", "testsrc2"].map(|picture| {
        let path = env.dir().join(picture);
        let pictures = film(&path, picture, 100);
        (path, pictures)
    });
    let pushers = films.iter().zip(env.pipes());
    let _pushers: Vec<_> =
        pushers.map(|((path, _), pipe)| push_film(&env, path, &pipe.input).start()).collect();
    env.until("ffmpeg has both pipes", |pipes| pipes.iter().all(|p| p.input_status == "W"));
    let judge = |pictures: &[Vec<u8>]| match pictures.iter().find(|picture| !films[0].1.contains(picture)) {
        Some(picture) => Err(format!("{} bytes are not the film's", picture.len())),
        None => Ok(()),
    };
    let mut pictures = snapshots(&env, &env.pipe(0).output);
    assert_eq!(judge(&pictures), Ok(()));
    pictures[2][100] ^= 1;
    fails(judge(&pictures), "not the film's");
    fails(judge(&snapshots(&env, &env.pipe(1).output)), "not the film's");
}
