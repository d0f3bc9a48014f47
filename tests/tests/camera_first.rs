//! `--order output-first` and `run --camera`: /dev/video0 is a camera, for programs that take it without asking.

use std::fs;

use vloopback_tests::{Env, Job, Running, have, pattern, skip};

const SIZE: (usize, usize) = (64, 48);
const FRAME: usize = SIZE.0 * SIZE.1 * 2;
/// The numbers of the frames that are pushed.
const OURS: std::ops::Range<u32> = 0..1_000_000;

fn numbers(env: &Env) -> Vec<(String, String)> {
    env.pipes().into_iter().map(|pipe| (pipe.input, pipe.output)).collect()
}

/// Whether this machine has cameras of its own, whose numbers come before ours.
fn has_cameras() -> bool {
    std::path::Path::new("/dev/video0").exists()
}

/// Outputs have the numbers from 0 on, inputs those from 64 on; so have spares.
#[test]
fn outputs_have_the_low_numbers() {
    if has_cameras() {
        skip!("this machine has a /dev/video0 of its own");
    }
    let env = Env::builder().args(&["--pipes", "2", "--spares", "1", "--order", "output-first"]).start();
    let node = |n: u32| format!("/dev/video{n}");
    assert_eq!(numbers(&env), [(node(64), node(0)), (node(65), node(1))]);
    let _pushers: Vec<Running> =
        env.pipes().iter().map(|pipe| env.push_numbered(&pipe.input, SIZE, 0)).collect();
    env.until("a spare has come", |pipes| pipes.len() == 3);
    assert_eq!(numbers(&env)[2], (node(66), node(2)));
    let told = env.own("vloopback").args(["list", "--socket"]).arg(env.socket()).output().ok().text();
    assert!(told.ends_with("A camera program opens the OUTPUT, such as /dev/video0\n"), "{told}");
    // With an offset.
    let words = ["--pipes", "2", "--dev-offset", "10", "--order", "output-first"];
    let env = Env::builder().args(&words).start();
    assert_eq!(numbers(&env), [(node(74), node(10)), (node(75), node(11))]);
}

/// A configuration file says the same, and pushers of the old driver's time find the pipe in /proc as ever.
#[test]
fn old_pushers_and_clients_find_the_nodes_in_proc() {
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("vloopback.toml");
    fs::write(&file, "order = \"output-first\"\n").expect("a file");
    let env = Env::builder().args(&["--config", file.to_str().expect("a path in UTF-8")]).start();
    let pipe = env.pipe(0);
    let number = vloopback_tests::Pipe::number;
    assert!(number(&pipe.output) < number(&pipe.input), "{pipe:?}");
    let mut pusher = env.program("push_motion", &["--find", "proc", "--fps", "50"]).start();
    assert_eq!(pusher.event("open")["device"], pipe.input.as_str());
    pusher.event("setup");
    let result = env.program("client_motion", &["--device", &pipe.output, "--frames", "5"]).start().result();
    assert_eq!(result["torn"], 0, "{result}");
}

/// What a program saved is what was pushed, and not what another pipe has.
#[track_caller]
fn judge(saved: &[u8], count: usize) {
    let found = pattern::frames(saved, FRAME, count, &OURS);
    assert!(found.is_ok(), "{found:?}");
    // Negative run: frames of another pipe.
    assert!(pattern::frames(saved, FRAME, count, &(OURS.end..2 * OURS.end)).is_err());
}

/// Programs that are told of no device take /dev/video0, and see what is pushed.
#[test]
fn programs_that_take_video0_see_the_camera() {
    if has_cameras() {
        skip!("this machine has a /dev/video0 of its own");
    }
    if !have("v4l2-ctl") || !have("gst-launch-1.0") {
        skip!("no v4l2-ctl (package v4l-utils) or no gst-launch-1.0 (gstreamer1.0-tools)");
    }
    let env = Env::builder().args(&["--pipes", "2", "--order", "output-first"]).start();
    let pipes = env.pipes();
    let _pushers = [
        env.push_numbered(&pipes[0].input, SIZE, OURS.start),
        env.push_numbered(&pipes[1].input, SIZE, OURS.end),
    ];
    let path = env.dir().join("saved");
    let place = path.to_str().expect("a path in UTF-8");
    let to = format!("--stream-to={place}");
    env.run(&["v4l2-ctl", "--stream-mmap", "--stream-count=3", &to]).output().ok();
    judge(&fs::read(&path).expect("what v4l2-ctl saved"), 3);
    let location = format!("location={place}");
    let pipeline = ["v4l2src", "num-buffers=3", "!", "filesink", &location];
    env.run(&[&["gst-launch-1.0", "-q"], &pipeline[..]].concat()).output().ok();
    judge(&fs::read(&path).expect("what GStreamer saved"), 3);
    let has_opencv = Job::new("/usr/bin/python3").args(["-c", "import cv2"]).output().code() == 0;
    if !has_opencv {
        skip!("python3-opencv is not installed");
    }
    let code = "import sys, cv2\n\
                camera = cv2.VideoCapture(0, cv2.CAP_V4L2)\n\
                assert camera.isOpened() and camera.set(cv2.CAP_PROP_CONVERT_RGB, 0)\n\
                for _ in range(3): sys.stdout.buffer.write(camera.read()[1].tobytes())\n";
    judge(&env.run(&["/usr/bin/python3", "-c", code]).output().ok().stdout, 3);
}

/// `run --camera` starts a server of that order; it says so where one of another order runs, and goes on.
#[test]
fn run_for_a_camera_program() {
    let env = Env::builder().without_daemon();
    let table = ["cat", "/proc/video/vloopback/vloopbacks"];
    let ended = env.run_with(&["--camera"], &table).output().ok();
    assert_eq!(ended.stderr, "");
    let row: Vec<String> =
        ended.text().lines().nth(2).expect("a pipe").split('\t').map(str::to_owned).collect();
    let number = |name: &str| name.trim_start_matches("video").parse::<u32>().expect("a number");
    assert!(number(&row[3]) < 64 && number(&row[1]) >= 64, "{row:?}");
    // The same server, asked for again in both words, and without any.
    for words in [&["--camera"][..], &["--order", "output-first"], &[]] {
        assert_eq!(env.run_with(words, &["true"]).output().ok().stderr, "", "{words:?}");
    }
    let warned = env.run_with(&["--order", "input-first"], &["true"]).output().ok().stderr;
    assert!(warned.contains("output-first, not input-first"), "{warned}");

    let env = Env::new(1);
    let warned = env.run_with(&["--camera"], &["true"]).output().ok().stderr;
    assert!(
        warned.contains("input-first, not output-first") && warned.contains(&env.pipe(0).output),
        "{warned}"
    );
    assert_eq!(env.run(&["true"]).output().ok().stderr, "");
    let refused = env.run_with(&["--camera", "--order", "input-first"], &["true"]).output();
    assert_eq!(refused.code(), 2);
}
