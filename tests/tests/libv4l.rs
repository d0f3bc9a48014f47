//! driver/docs/clients.md, "The syscall symbol": libv4l2 calls `syscall()`. VLC, xawtv, zbarcam, guvcview, OBS's input
//! and `v4l2-ctl -w` reach a device so.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vloopback_tests::{Env, Width, pattern};

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

/// A library of libv4l's that is made for LD_PRELOAD.
fn preloaded(name: &str) -> Option<PathBuf> {
    let folders =
        [format!("/usr/lib/{}-linux-gnu/libv4l", ARCH), "/usr/lib64/libv4l".into(), "/usr/lib/libv4l".into()];
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
}

/// Programs of either API with libv4l's own library beside ours in LD_PRELOAD, before it and after it: each
/// ends in the other's calls, and neither may come round to itself.
#[test]
fn libv4l_s_preload_libraries_beside_ours() {
    for (library, client) in [("v4l1compat.so", "client_motion"), ("v4l2convert.so", "v4l2_in_turn")] {
        let Some(library) = preloaded(library) else {
            println!("SKIP: there is no {library}");
            continue;
        };
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
        pusher.event("setup");
        let program = vloopback_tests::program_of(client, Width::Native);
        let before = format!("LD_PRELOAD={}:$LD_PRELOAD exec \"$@\"", library.display());
        let after = format!("LD_PRELOAD=$LD_PRELOAD:{} exec \"$@\"", library.display());
        for order in [before, after] {
            let args = ["--device", pipe.output.as_str(), "--frames", "8"];
            let command = ["sh", "-c", &order, "sh", program.to_str().expect("a name")];
            let mut client = env.run(&[&command[..], &args].concat()).named(&order).start();
            let result = client.event("result");
            for key in ["torn", "foreign", "errors"] {
                assert_eq!(result[key], 0, "{order}: {result}");
            }
            assert_eq!(result["received"], 8, "{order}: {result}");
        }
        drop(pusher);
    }
}

/// What a user puts under a program stands above ours, as above a camera: v4l1compat.so gives a V4L1 client RGB24
/// of a pipe that carries YUV420P.
#[test]
fn libv4l_converts_what_a_pipe_carries() {
    let Some(library) = preloaded("v4l1compat.so") else {
        println!("SKIP: there is no v4l1compat.so");
        return;
    };
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
    pusher.event("setup");
    let client = || {
        let args = ["--device", pipe.output.as_str(), "--size", "320x240", "--frames", "1"];
        env.program_of(Width::Native, "client_private", &args)
    };
    assert_eq!(client().start().event("ready")["palette"], 15);
    assert_eq!(client().env("LD_PRELOAD", library).start().event("ready")["palette"], 4);
    drop(pusher);
}
