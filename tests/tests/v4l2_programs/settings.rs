//! Programs of today change what a zero-copy pusher of 2001 gives: size, palette, channel, brightness. The pusher tells
//! what it was set to; the pictures have the size that was asked for. (v4l2-ctl: `zero_copy`.)

use std::fs;

use serde_json::Value;
use vloopback_tests::{Env, Job, Pipe, Running, have, pattern, skip};

use super::viewers::{PYTHON, have_opencv};
use super::{OURS, fails, gstreamer};

/// Half the pusher's largest.
const SIZE: (usize, usize) = (160, 120);
const COUNT: usize = 10;

struct Pushed {
    env: Env,
    pipe: Pipe,
    pusher: Running,
}

impl Pushed {
    fn new(more: &[&str]) -> Pushed {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let args =
            ["--device", &pipe.input, "--style", "handler", "--palette", "15", "--fps", "200", "--tell"];
        let mut pusher = env.program("zc_pusher", &[&args[..], more].concat()).start();
        pusher.event("setup");
        Pushed { env, pipe, pusher }
    }

    /// Ends the pusher: what it was set to, one after the other.
    #[track_caller]
    fn settings(mut self) -> Vec<(String, i64)> {
        self.pusher.end_input();
        let mut settings = Vec::new();
        loop {
            let event: Value = self.pusher.any_event().expect("an end");
            match event["event"].as_str() {
                Some("set") => {
                    let what = event["what"].as_str().expect("a name").to_owned();
                    settings.push((what, event["value"].as_i64().expect("a number")));
                }
                Some("wrong") => panic!("{event}"),
                Some("pushed") => return settings,
                _ => {}
            }
        }
    }
}

/// Among what a pusher was set to there is all of this.
#[track_caller]
fn has(settings: &[(String, i64)], wanted: &[(&str, i64)]) {
    for (what, value) in wanted {
        let there = settings.iter().any(|(name, set)| name == what && set == value);
        assert!(there, "{what} was not set to {value}: {settings:?}");
    }
}

/// The program saves frames of the smaller size; one wrong bit in each would have been seen. What the pusher was set
/// to.
#[track_caller]
fn saves_small(bits: usize, more: &[&str], save: impl Fn(&Env, &str) -> Vec<u8>) -> Vec<(String, i64)> {
    let len = SIZE.0 * SIZE.1 * bits / 8;
    let judged = |pushed: &Pushed| {
        let saved = save(&pushed.env, &pushed.pipe.output);
        pattern::frames(&saved, len, COUNT, &OURS)
    };
    let wrong = Pushed::new(&[more, &["--wrong-all"]].concat());
    fails(judged(&wrong), "torn");
    let pushed = Pushed::new(more);
    if let Err(wrong) = judged(&pushed) {
        panic!("{wrong}");
    }
    let settings = pushed.settings();
    has(&settings, &[("width", SIZE.0 as i64)]);
    settings
}

fn ffmpeg(env: &Env, device: &str, words: &[&str]) -> Vec<u8> {
    let head = [
        "ffmpeg",
        "-hide_banner",
        "-loglevel",
        "warning",
        "-nostdin",
        "-f",
        "v4l2",
        "-video_size",
        "160x120",
    ];
    let tail = ["-i", device, "-frames:v", "10", "-fps_mode", "passthrough", "-f", "rawvideo", "-"];
    env.run(&[&head[..], words, &tail].concat()).output().ok().stdout
}

#[test]
fn ffmpeg_asks_for_a_size_a_channel_and_a_palette() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    let settings = saves_small(12, &[], |env, device| ffmpeg(env, device, &["-channel", "1"]));
    has(&settings, &[("channel", 1)]);
    let more = ["--palettes", "4,8"];
    let settings = saves_small(24, &more, |env, device| ffmpeg(env, device, &["-input_format", "bgr24"]));
    has(&settings, &[("palette", 4)]);
    let settings = saves_small(16, &more, |env, device| ffmpeg(env, device, &["-input_format", "yuyv422"]));
    has(&settings, &[("palette", 8)]);
}

/// Its caps are chosen from what ENUM_FMT and ENUM_FRAMESIZES list.
#[test]
fn gstreamer_asks_for_a_size_a_palette_and_a_brightness() {
    if !gstreamer::ready() {
        skip!("GStreamer with its plugins base and good is not installed");
    }
    for (format, bits) in [("I420", 12), ("YUY2", 16), ("BGR", 24)] {
        let settings = saves_small(bits, &["--palettes", "4,8"], |env, device| {
            let path = env.dir().join("saved");
            let source =
                format!("v4l2src device={device} num-buffers={COUNT} extra-controls=c,brightness=1000");
            let caps = format!("video/x-raw,format={format},width={},height={}", SIZE.0, SIZE.1);
            let pipeline = format!("{source} ! {caps} ! filesink location={}", path.display());
            gstreamer::launch(env, &pipeline).output().ok();
            fs::read(&path).expect("what GStreamer saved")
        });
        has(&settings, &[("brightness", 1000)]);
    }
}

const CAPTURE: &str = "
import sys, cv2
camera = cv2.VideoCapture(sys.argv[1], cv2.CAP_V4L2)
assert camera.isOpened(), 'not opened'
assert camera.set(cv2.CAP_PROP_CONVERT_RGB, 0), 'raw frames'
assert camera.set(cv2.CAP_PROP_FRAME_WIDTH, 160), 'width'
assert camera.set(cv2.CAP_PROP_FRAME_HEIGHT, 120), 'height'
assert camera.set(cv2.CAP_PROP_BRIGHTNESS, 1000), 'brightness'
assert camera.get(cv2.CAP_PROP_BRIGHTNESS) == 1000, camera.get(cv2.CAP_PROP_BRIGHTNESS)
for _ in range(int(sys.argv[2])):
    good, frame = camera.read()
    assert good, 'no frame'
    sys.stdout.buffer.write(frame.tobytes())
";

#[test]
fn opencv_asks_for_a_size_and_a_brightness() {
    if !have_opencv() {
        skip!("python3-opencv is not installed");
    }
    let settings = saves_small(12, &[], |env, device| {
        let job: Job = env.run(&[PYTHON, "-c", CAPTURE, device, "10"]);
        job.named("OpenCV").output().ok().stdout
    });
    has(&settings, &[("brightness", 1000)]);
}
