//! Whose names a program finds: v4l2loopback's, which programs of today look for, or those of the old driver. And programs
//! that work with v4l2loopback alone, unmodified.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use vloopback_tests::{Env, PATIENCE, Pipe, have, skip, source_root};

/// What a shell's command prints under `vloopback run OPTIONS`.
#[track_caller]
fn shell(env: &Env, options: &[&str], script: &str) -> String {
    env.run_with(options, &["sh", "-c", script]).output().ok().text()
}

/// Driver, card and bus of a node, as v4l2-ctl tells them.
#[track_caller]
fn names(env: &Env, options: &[&str], node: &str) -> [String; 3] {
    let told = env.run_with(options, &["v4l2-ctl", "-d", node, "--info"]).output().ok().text();
    ["Driver name", "Card type", "Bus info"].map(|name| {
        let line = told.lines().find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_once(": "))
            .map_or_else(|| panic!("{told}"), |(_, value)| value.to_owned())
    })
}

const NAME: &str = "cat /sys/class/video4linux/$0/name /sys/devices/virtual/video4linux/$0/name \
                    /sys/class/video4linux/$0/subsystem/$0/name; cd /sys/class/video4linux/$0 && cat name";

/// By default a program of today finds v4l2loopback; with another identity, or in an old program's session, vloopback.
#[test]
fn who_looks_for_v4l2loopback_finds_it() {
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("vloopback.toml");
    fs::write(&file, "pipes = 2\nidentity = \"vloopback\"\n").expect("a file");
    let own = Env::builder().args(&["--config", file.to_str().expect("a path in UTF-8")]).start();
    let env = Env::new(2);
    let theirs = |pipe: &Pipe| {
        [&pipe.input, &pipe.output].map(|node| {
            let bus = format!("platform:v4l2loopback-{:03}", Pipe::number(node));
            ["v4l2 loopback".to_owned(), format!("Loopback video device {}", Pipe::number(node)), bus]
        })
    };
    let ours = |index: usize| {
        [("in", "input"), ("out", "output")].map(|(short, long)| {
            let bus = format!("platform:vloopback-{index:03}-{short}");
            ["vloopback".to_owned(), format!("Video loopback {index} {long}"), bus]
        })
    };
    for index in [0, 1] {
        let pipe = env.pipe(index);
        for (k, node) in [&pipe.input, &pipe.output].into_iter().enumerate() {
            let script = NAME.replace("$0", &node[5..]);
            let sees = |env: &Env, options: &[&str], expected: &[String; 3]| {
                assert_eq!(&names(env, options, node), expected, "{options:?}");
                let told = shell(env, options, &script);
                // Motion must not take an output for what it can write to.
                let name = match (expected[0].as_str(), k) {
                    ("v4l2 loopback", 1) => format!("Loopback camera {}", Pipe::number(node)),
                    _ => expected[1].clone(),
                };
                assert_eq!(told, format!("{name}\n").repeat(4), "{options:?} {node}");
            };
            sees(&env, &[], &theirs(&pipe)[k]);
            sees(&env, &["--identity", "vloopback"], &ours(index)[k]);
            if k == 0 {
                // An output that nobody feeds does not open to them.
                sees(&env, &["--uname", "2.6"], &ours(index)[k]);
                sees(&env, &["--legacy"], &ours(index)[k]);
            }
            sees(&own, &[], &ours(index)[k]);
        }
    }
    let modules = |env: &Env, options: &[&str]| {
        let text = shell(env, options, "cat /proc/modules || true");
        ["vloopback", "v4l2loopback"]
            .map(|name| text.lines().any(|line| line.starts_with(&format!("{name} "))))
    };
    assert_eq!(modules(&env, &[]), [true, true]);
    assert_eq!(modules(&env, &["--legacy"]), [true, false]);
    assert_eq!(modules(&env, &["--identity", "vloopback"]), [false, false], "the system's own");
    assert_eq!(modules(&own, &[]), [true, false]);
    let version = "cat /sys/module/v4l2loopback/version; ls /sys/module | grep -c loopback";
    assert_eq!(shell(&env, &[], version), "0.15.4\n2\n");
    if have("lsmod") {
        let told = shell(&env, &[], "lsmod");
        assert!(told.lines().any(|line| line.starts_with("v4l2loopback ")), "{told}");
    }
}

/// OBS's virtual camera starts its stream without having asked for buffers, then writes. Who has asked for buffers and
/// given them back has nothing to start.
#[test]
fn who_writes_may_start_a_stream_without_buffers() {
    let env = Env::new(2);
    let input = env.pipe(0).input;
    let told = env.program("v4l2_streamon", &["--device", &input]).output().ok();
    let text = told.text();
    for step in ["fresh 0", "write 153600", "streamoff 0", "after reqbufs 22", "other 16"] {
        assert!(text.lines().any(|line| line == step), "{step}: {text}");
    }
}

/// Motion writes to the first node whose name in sysfs begins as v4l2loopback's did in its time, if it is told `-`.
#[test]
fn motion_finds_its_pipe_by_name() {
    if !have("motion") || !have("v4l2-ctl") {
        skip!("motion or v4l2-ctl is not installed");
    }
    // Its own camera has a name, so that the other pipe is what it finds.
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("vloopback.toml");
    fs::write(&file, "pipes = 2\n[[pipe]]\nlabel = \"Camera\"\n").expect("a file");
    let env = Env::builder().args(&["--config", file.to_str().expect("a path in UTF-8")]).start();
    let (camera, pipe) = (env.pipe(0), env.pipe(1));
    let _pusher = env.push_numbered(&camera.input, (320, 240), 1);
    let file = env.dir().join("motion.conf");
    let folder = env.dir().display().to_string();
    let conf = format!(
        "daemon off\nsetup_mode off\nlog_level 6\ntarget_dir {folder}\npid_file {folder}/pid\nvideodevice {}\n\
         width 320\nheight 240\nframerate 15\nvideo_pipe -\nmovie_output off\npicture_output off\nstream_port 0\n\
         webcontrol_port 0\n",
        camera.output
    );
    fs::write(&file, conf).expect("a file");
    let words = ["motion", "-n", "-c", file.to_str().expect("UTF-8")];
    let mut motion = env.run(&words).start();
    // It tells on its standard error what it has opened.
    let until = Instant::now() + PATIENCE;
    while env.pipe(1).input_status != "W" {
        assert!(motion.runs() && Instant::now() < until, "{}", motion.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    let seen = ["v4l2-ctl", "-d", &pipe.output, "--stream-mmap", "--stream-count=5"];
    env.run(&seen).output().ok();
    assert_eq!(env.list()[1]["claimed"], true, "{}", motion.stderr());
}

/// The interpreter with pyvirtualcam from PyPI (`tests/get-python`).
fn pyvirtualcam() -> Option<PathBuf> {
    let script = source_root().join("tests/get-python");
    let told = Command::new(script).arg("--where").output().ok()?;
    let python = PathBuf::from(String::from_utf8(told.stdout).ok()?.trim()).join("bin/python3");
    let has = |python: &PathBuf| {
        Command::new(python)
            .args(["-c", "import pyvirtualcam"])
            .output()
            .is_ok_and(|told| told.status.success())
    };
    Some(python).filter(has)
}

/// pyvirtualcam, as PyPI has it, finds a camera by itself, or takes the one that it is given, in each of its formats; the
/// pixels that a client sees are those that it sent.
#[test]
fn pyvirtualcam_sends_pictures_in_each_format() {
    let Some(python) = pyvirtualcam() else {
        skip!("pyvirtualcam is not there: tests/get-python fetches it")
    };
    if !have("v4l2-ctl") {
        skip!("v4l2-ctl is not installed");
    }
    let env = Env::new(2);
    let script = source_root().join("tests/programs/pyvirtualcam_send.py");
    let (python, script) = (python.to_str().expect("UTF-8"), script.to_str().expect("UTF-8"));
    for format in ["RGB", "BGR", "GRAY", "I420", "NV12", "YUYV", "UYVY"] {
        let sent = env.dir().join("sent");
        let words = [python, script, format, "auto", sent.to_str().expect("UTF-8")];
        let mut camera = env.run(&words).start();
        let device = camera.line().unwrap_or_else(|| panic!("{format}: {}", camera.stderr()));
        let pipe = env.pipes().into_iter().find(|pipe| pipe.input == device).expect("a pipe's input");
        // The other one as well, at the same time.
        let second = env.pipes().into_iter().find(|pipe| pipe.input != device).expect("another");
        let other = env.dir().join("sent2");
        let words = [python, script, "YUYV", &second.input, other.to_str().expect("UTF-8")];
        let mut two = env.run(&words).start();
        assert_eq!(two.line(), Some(second.input.clone()), "{}", two.stderr());
        for (pipe, format, sent) in [(&pipe, format, &sent), (&second, "YUYV", &other)] {
            let told = env.run(&["v4l2-ctl", "-d", &pipe.output, "--get-fmt-video"]).output().ok().text();
            let got = env.dir().join("got");
            let to = format!("--stream-to={}", got.display());
            let read =
                ["v4l2-ctl", "-d", &pipe.output, "--stream-mmap", "--stream-skip=2", "--stream-count=1", &to];
            env.run(&read).output().ok();
            let (sent, got) =
                (fs::read(sent).expect("what was sent"), fs::read(&got).expect("what was seen"));
            assert_eq!(got.len(), sent.len(), "{format}: {told}");
            // Where pyvirtualcam converts, two converters may differ by rounding.
            let bound = if matches!(format, "RGB" | "BGR") { 2 } else { 0 };
            let worst = got.iter().zip(&sent).map(|(one, other)| one.abs_diff(*other)).max();
            assert!(worst <= Some(bound), "{format}: {worst:?}: {told}");
        }
        for mut camera in [camera, two] {
            camera.end_input();
            camera.finish().ok();
        }
        env.until_idle();
    }
}
