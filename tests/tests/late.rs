//! Who comes late sees the picture that is there: of a screen that stands still, of slides, of a time lapse. A pusher
//! that is fast pays nothing for it while nobody watches (`unused_pipe_no_syscalls.rs`). And a stream has one clock,
//! whoever pushes.

use std::time::Duration;

use vloopback_tests::{Env, Running, number};

const SIZE: &str = "64x48";

/// A pusher of V4L1 (by write()) or of V4L2 (by its buffers) that pushes a frame at each order.
fn slow_pusher(env: &Env, io: &str) -> Running {
    let input = env.pipe(0).input;
    let args = ["--device", input.as_str(), "--size", SIZE, "--step", "--report", "1"];
    if io == "v4l1" {
        let mut pusher = env.program("push_motion", &args).start();
        pusher.event("setup");
        return pusher;
    }
    let args = [&args[..], &["--format", "YU12", "--io", io]].concat();
    env.program("v4l2_pusher", &args).start()
}

/// Takes one frame of the pipe; its number.
fn picture(env: &Env, io: &str) -> u64 {
    let output = env.pipe(0).output;
    let args = ["--device", output.as_str(), "--size", SIZE, "--io", io, "--frames", "1", "--report", "1"];
    let mut client = env.program("v4l2_client", &args).start();
    let seen = client.frame(0);
    let result = client.result();
    for key in ["torn", "errors", "back"] {
        assert_eq!(number(&result, key), 0, "{result}");
    }
    seen
}

/// Nobody watches, and the pusher's next frame comes when it comes.
#[test]
fn who_comes_to_a_slow_pusher_sees_its_newest_frame() {
    for push in ["v4l1", "write", "mmap"] {
        let env = Env::new(1);
        let mut pusher = slow_pusher(&env, push);
        for n in 0..3 {
            pusher.order();
            pusher.frame(n);
            for io in ["mmap", "read", "mmap"] {
                assert_eq!(picture(&env, io), n, "{push}, {io}");
            }
            // Slower than a busy machine's pauses.
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// Somebody watches; a second one sees the same picture.
#[test]
fn a_second_reader_sees_the_picture_that_the_first_one_has() {
    let env = Env::new(1);
    let mut pusher = slow_pusher(&env, "v4l1");
    let output = env.pipe(0).output;
    let args = ["--device", output.as_str(), "--size", SIZE, "--report", "1"];
    let mut first = env.program("v4l2_client", &args).start();
    first.event("ready");
    for n in 0..9 {
        pusher.order();
        pusher.frame(n);
        assert_eq!(first.frame(n), n);
    }
    for io in ["mmap", "read"] {
        assert_eq!(picture(&env, io), 8, "{io}");
    }
    pusher.order();
    pusher.frame(9);
    assert_eq!(first.frame(9), 9, "the first one has it once");
}

/// A client watches while pushers come and go, each with a clock of its own, and the placeholder in between: what it
/// sees is one clock that never goes back and never jumps.
#[test]
fn one_clock_over_all_pushers() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let v4l1 = ["--device", pipe.input.as_str(), "--size", SIZE, "--fps", "50", "--frames", "20"];
    let v4l2 = [&v4l1[..], &["--format", "YU12"]].concat();
    // The first one sets the format that the client takes.
    env.program("v4l2_pusher", &v4l2).output().ok();
    let args = ["--device", &pipe.output, "--size", SIZE, "--clock", "any", "--restart", "--report", "1"];
    let mut client = env.program("v4l2_client", &args).start();
    client.event("card");
    for clock in ["zero", "date", "monotonic", "zero", "none", "v4l1", "date"] {
        let mut pusher = match clock {
            "v4l1" => env.program("push_motion", &v4l1).start(),
            "none" => env.program("v4l2_pusher", &v4l2).start(),
            clock => env.program("v4l2_pusher", &[&v4l2[..], &["--clock", clock]].concat()).start(),
        };
        client.frame(0);
        if clock == "date" {
            pusher.kill();
        }
        pusher.finish();
        client.event("card");
    }
    client.end_input();
    let stream = client.event("stream");
    assert_eq!((number(&stream, "stamps"), number(&stream, "wrong")), (0, 0), "{stream}");
    assert!(number(&stream, "leap") < 3_000_000_000, "{stream}");
}
