//! CLIENTS.md 1: libv4l2 calls `syscall()`. VLC, xawtv, zbarcam, guvcview, OBS's input and `v4l2-ctl -w`
//! reach a device so.

use std::fs;
use std::process::Command;

use vloopback_tests::{Env, pattern};

#[test]
fn raw_calls_reach_the_node_and_all_others_the_kernel() {
    let env = Env::new(1);
    let output = env.pipe(0).output;
    let ended = env.program("raw_syscall", &[&output]).output().ok();
    assert_eq!(ended.text(), "done\n");
}

/// A frame pushed by the filter would be found by whoever calls clone through it.
#[test]
fn the_filter_of_syscall_has_no_stack_frame() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    Env::new(1).program("raw_syscall", &["--filter"]).output().ok();
}

/// The check of the filter can fail: the C library's own function begins otherwise.
#[test]
fn without_the_library_the_filter_is_missed() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let status =
        Command::new(vloopback_tests::program("raw_syscall")).arg("--filter").status().expect("starts");
    assert!(!status.success());
}

/// libv4l2 maps, queues and takes buffers: every byte of what it gets was pushed.
#[test]
fn v4l2_ctl_through_libv4l2() {
    if Command::new("v4l2-ctl").arg("--version").output().is_err() {
        println!("SKIP: v4l2-ctl is not installed");
        return;
    }
    let frames = |extra: &[&str]| {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut args = vec!["--device", pipe.input.as_str(), "--size", "64x48", "--fps", "200"];
        args.extend(extra);
        let mut pusher = env.program("push_motion", &args).start();
        pusher.event("setup");
        let to = env.dir().join("frames");
        let stream_to = format!("--stream-to={}", to.display());
        let command =
            ["v4l2-ctl", "-w", "-d", &pipe.output, "--stream-mmap", "--stream-count=8", stream_to.as_str()];
        env.run(&command).output().ok();
        fs::read(&to).expect("what v4l2-ctl wrote")
    };
    const LEN: usize = 64 * 48 * 3 / 2;
    let seen = frames(&[]);
    assert_eq!(seen.len(), 8 * LEN);
    let mut last = None;
    for frame in seen.chunks(LEN) {
        let number = pattern::check(frame).expect("a whole frame");
        assert!(last < Some(number), "{last:?} before {number}");
        last = Some(number);
    }
    // One wrong byte in each frame is found.
    assert!(frames(&["--wrong-all"]).chunks(LEN).all(|frame| pattern::check(frame).is_err()));
}
