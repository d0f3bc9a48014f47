//! `examples/camera-relay`: a camera, which here is one of our own pipes, into another pipe; and the `v4l` crate as a
//! client that knows nothing of vloopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use vloopback_tests::{Env, Job, Pipe, Running, bin_dir, pattern, skip, source_root};

/// Bytes of a frame of YUYV at 320x240.
const LEN: usize = 320 * 240 * 2;

/// The commands of the README's `sh` blocks, a line each.
fn commands() -> Vec<String> {
    let text =
        std::fs::read_to_string(source_root().join("examples/camera-relay/README.md")).expect("the README");
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(""));
    blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn cargo(args: &str) -> std::process::Output {
    let folder = bin_dir();
    let mut cargo = Command::new("cargo");
    cargo.args(args.split(' ')).current_dir(source_root()).env_remove("CARGO_TARGET_DIR");
    cargo.arg("--target-dir").arg(folder.parent().expect("a target directory")).output().expect("cargo")
}

/// The folder of the programs, built by the README's own command; None where libclang is missing.
fn built() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let build = &commands()[0];
        let made = cargo(build.strip_prefix("cargo ").expect("cargo"));
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        if !made.status.success() && said.contains("libclang") {
            return None;
        }
        assert!(made.status.success(), "{build}: {said}");
        Some(bin_dir().parent().expect("a target directory").join("release"))
    });
    built.as_deref()
}

/// One of the programs under `vloopback run`.
fn job(env: &Env, program: &str, args: &[&str]) -> Job {
    let path = built().expect("built before").join(program);
    let mut command = vec![path.as_os_str()];
    command.extend(args.iter().map(std::ffi::OsStr::new));
    env.run(&command).named(program)
}

/// What pushes into the pipe that is the camera.
fn camera(env: &Env, pipe: &Pipe, format: &str, extra: &[&str]) -> Running {
    let mut args = vec!["--device", &pipe.input, "--format", format, "--fps", "100", "--report", "1"];
    args.extend(extra);
    let mut pusher = env.program("v4l2_pusher", &args).start();
    pusher.event("frame");
    pusher
}

fn relay(env: &Env, args: &[&str]) -> Running {
    let mut relay = job(env, "camera-relay", args).start();
    let said = relay.line().unwrap_or_else(|| panic!("the relay ends: {}", relay.stderr()));
    assert!(said.contains(args[0]) && said.contains("watch /dev/video"), "{said}");
    relay
}

/// Saves frames by the v4l crate.
fn save(env: &Env, node: &str, frames: usize) -> Vec<u8> {
    let file = env.dir().join("frames.raw");
    let args = [node, &frames.to_string(), file.to_str().expect("text")];
    job(env, "camera-save", &args).output().ok();
    std::fs::read(&file).expect("the frames")
}

#[test]
fn without_the_feature_it_says_what_is_missing() {
    let made = cargo("build -p vloopback-camera-relay");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let folder = bin_dir();
    let program = folder.parent().expect("a target directory").join("debug/camera-relay");
    let ended = Job::new(program).arg("/dev/video0").output();
    assert_eq!(ended.code(), 1);
    assert!(ended.says("libclang") && ended.says(&commands()[0]), "{}", ended.stderr);
}

/// The README's commands, with the nodes of this test's server.
#[test]
fn the_commands_relay_a_camera() {
    if built().is_none() {
        skip!("no libclang (apt-get install libclang-dev)");
    }
    let commands = commands();
    let [_, terminal_1, terminal_2] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(terminal_1, "vloopback run -- target/release/camera-relay /dev/video0");
    assert_eq!(terminal_2, "vloopback run -- target/release/camera-save /dev/video3 50 frames.raw");
    let env = Env::new(2);
    let _pusher = camera(&env, &env.pipe(0), "YUYV", &[]);
    let mut relay = relay(&env, &[&env.pipe(0).output]);
    let bytes = save(&env, &env.pipe(1).output, 50);
    let found = pattern::frames(&bytes, LEN, 50, &(0..u32::MAX)).expect("the camera's own frames");
    assert_eq!(found.len(), 50);
    // Judged: one wrong bit is seen.
    let mut spoilt = bytes;
    spoilt[7 * LEN + 1000] ^= 1;
    assert!(pattern::frames(&spoilt, LEN, 50, &(0..u32::MAX)).is_err());
    assert!(relay.runs());
}

/// What the camera shows wrong arrives wrong: nothing on the way repairs or replaces a frame.
#[test]
fn a_wrong_frame_of_the_camera_arrives_wrong() {
    if built().is_none() {
        skip!("no libclang (apt-get install libclang-dev)");
    }
    let env = Env::new(2);
    let _pusher = camera(&env, &env.pipe(0), "YUYV", &["--wrong-all"]);
    let _relay = relay(&env, &[&env.pipe(0).output, "--pipe", &env.pipe(1).input]);
    let bytes = save(&env, &env.pipe(1).output, 3);
    let error = pattern::frames(&bytes, LEN, 3, &(0..u32::MAX)).expect_err("wrong frames");
    assert!(error.contains("torn"), "{error}");
}

/// The v4l crate by itself: its mmap stream shows what was pushed.
#[test]
fn the_v4l_crate_watches_a_pipe() {
    if built().is_none() {
        skip!("no libclang (apt-get install libclang-dev)");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for (format, len) in
        [("YUYV", LEN), ("YU12", 320 * 240 * 3 / 2), ("BGR3", 320 * 240 * 3), ("GREY", 320 * 240)]
    {
        let mut pusher = camera(&env, &pipe, format, &["--first", "1000"]);
        let bytes = save(&env, &pipe.output, 20);
        let found =
            pattern::frames(&bytes, len, 20, &(1000..u32::MAX)).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(found.len(), 20, "{format}");
        pusher.end_input();
        pusher.finish().ok();
    }
}

/// Frames of a compressed format have a length each.
#[test]
fn compressed_frames_keep_their_length() {
    if built().is_none() {
        skip!("no libclang (apt-get install libclang-dev)");
    }
    let env = Env::new(2);
    let _pusher = camera(&env, &env.pipe(0), "MJPG", &[]);
    let _relay = relay(&env, &[&env.pipe(0).output]);
    let bytes = save(&env, &env.pipe(1).output, 20);
    // A frame begins with its number and a word that all have.
    let word = pattern::frame(0, 8)[4..].to_vec();
    let mut begins: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, found)| *found == word).map(|(at, _)| at - 4).collect();
    assert_eq!(begins.len(), 20);
    begins.push(bytes.len());
    let frames: Vec<&[u8]> = begins.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
    for frame in &frames {
        pattern::check(frame).expect("a frame as it was pushed");
    }
    assert!(frames.iter().any(|frame| frame.len() != frames[0].len()), "lengths differ");
}

#[test]
fn it_says_what_is_wrong() {
    if built().is_none() {
        skip!("no libclang (apt-get install libclang-dev)");
    }
    let env = Env::new(2);
    let (own, free) = (env.pipe(0), env.pipe(1));
    let _pusher = camera(&env, &own, "YUYV", &[]);
    for (args, words) in [
        (&["/dev/video60"][..], &["/dev/video60", "does it exist"][..]),
        (&["/dev/null"], &["/dev/null", "not a streaming camera"]),
        (&[&free.input], &["not a streaming camera"]),
        (&[&own.output, "--format", "ABCD"], &["YUYV 320x240", "not ABCD 320x240", "--list-formats-ext"]),
        (&[&own.output, "--pipe", &own.input], &["another pusher"]),
    ] {
        let ended = job(&env, "camera-relay", args).output();
        assert_eq!(ended.code(), 1, "{args:?}: {}", ended.stderr);
        assert!(words.iter().all(|word| ended.says(word)), "{args:?}: {}", ended.stderr);
    }
    // So many frames, and an end.
    let ended = job(&env, "camera-relay", &[&own.output, "--frames", "5"]).output().ok();
    assert!(ended.text().contains("5 frames relayed, 0 damaged"), "{}", ended.text());
}
