//! To V4L2's programs read() and write() are a stream of bytes, as with the kernel's videobuf2: a short read is continued
//! in the same frame, short writes gather until a frame is full. `cat`, `dd`, `head` and whatever reads files do so.

use std::fs;

use vloopback_tests::cases::{pass, step};
use vloopback_tests::{Env, Job, Running, number};

const SIZE: &str = "64x48";

fn push(env: &Env, extra: &[&str]) -> Running {
    let input = env.pipe(0).input;
    let args = [&["--device", input.as_str(), "--size", SIZE], extra].concat();
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    pusher
}

fn case(env: &Env, name: &str) -> Job {
    env.program("parts", &[name, "--device", &env.pipe(0).output, "--size", SIZE])
}

/// Reads of any size, and of two processes that share the open file: each frame is whole.
#[test]
fn a_short_read_is_continued() {
    let env = Env::new(1);
    let _pusher = push(&env, &["--fps", "100"]);
    pass(case(&env, "reads"), |_, _| {});
    pass(case(&env, "shared"), |_, _| {});
}

/// readv() of up to 1024 pieces (IOV_MAX), each filled before the next; more are refused, as by the kernel.
#[test]
fn a_read_in_many_pieces() {
    let env = Env::new(1);
    let _pusher = push(&env, &["--fps", "100"]);
    pass(case(&env, "vectors"), |_, _| {});
}

/// A wrong bit in the pusher's frames is seen.
#[test]
#[should_panic(expected = "is whole")]
fn a_wrong_bit_is_seen() {
    let env = Env::new(1);
    let _pusher = push(&env, &["--fps", "100", "--wrong-all"]);
    pass(case(&env, "reads"), |_, _| {});
}

#[test]
fn poll_tells_of_what_is_left() {
    let env = Env::new(1);
    let mut pusher = push(&env, &["--step", "--report", "1"]);
    pass(case(&env, "polls"), step(&mut pusher));
}

/// Writes of any size become whole frames.
#[test]
fn short_writes_gather() {
    writes_gather("writes");
}

/// The same by writev(), each in 1024 pieces.
#[test]
fn short_writes_in_many_pieces_gather() {
    writes_gather("write_vectors");
}

fn writes_gather(name: &str) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let args = [name, "--device", pipe.input.as_str(), "--size", SIZE];
    let mut pusher = env.program("parts", &args).start();
    pusher.event("setup");
    let args = ["--device", pipe.output.as_str(), "--size", SIZE, "--frames", "40"];
    let result = env.program("v4l2_client", &args).start().result();
    let counts = ["torn", "errors", "back"].map(|key| number(&result, key));
    assert_eq!(counts, [0, 0, 0], "{result}");
    pusher.order();
    pusher.event("pass");
}

/// The tools that everybody has: no byte is lost between `dd`'s blocks and `cat`, and `cat FILE > /dev/videoN` is as many
/// frames as the file has.
#[test]
fn cat_and_dd() {
    // No cards between the writers.
    let env = Env::builder().args(&["--idle", "wait"]).start();
    let pipe = env.pipe(0);
    // YUYV of 64x48, 40 frames, each of one value.
    let film: Vec<u8> = (1..=40u8).flat_map(|frame| vec![frame; 6144]).collect();
    let file = env.dir().join("film");
    fs::write(&file, &film).expect("a file");
    env.run(&["v4l2-ctl", "-d", &pipe.input, "-x", "width=64,height=48,pixelformat=YUYV"]).output().ok();
    let seen = env.dir().join("seen");
    let script = format!(
        "dd if={out} of={seen} bs=1000 iflag=fullblock count=123 2>/dev/null & reader=$!; \
         while kill -0 $reader 2>/dev/null; do cat {film}; done | dd of={input} bs=500 2>/dev/null; wait $reader",
        out = pipe.output,
        input = pipe.input,
        film = file.display(),
        seen = seen.display(),
    );
    env.run(&["sh", "-c", &script]).output().ok();
    let seen = fs::read(&seen).expect("what was read");
    assert_eq!(seen.len(), 123_000);
    for (k, frame) in seen.chunks(6144).enumerate() {
        assert!(frame.iter().all(|byte| *byte == frame[0]), "frame {k} is whole");
    }
    let before = env.written();
    env.run(&["sh", "-c", &format!("cat {} > {}", file.display(), pipe.input)]).output().ok();
    assert_eq!(env.written() - before, 40, "as many frames as the file has");
}

/// Who has made no request yet may be a program of V4L1, whose bytes are no picture before it has set a format: EINVAL,
/// also while a client is shown the placeholder. A format that was set counts, also if it is the default.
#[test]
fn short_writes_need_a_format_that_somebody_chose() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let client = ["v4l2-ctl", "-d", &pipe.output, "--stream-mmap", "--stream-count=1"];
    env.run(&client).output().ok();
    let write = format!("head -c 1228800 /dev/zero | dd of={} bs=1024 2>&1", pipe.input);
    let refused = env.run(&["sh", "-c", &write]).output();
    assert!(refused.text().contains("Invalid argument"), "{refused:?}");
    env.run(&["v4l2-ctl", "-d", &pipe.input, "-x", "width=640,height=480,pixelformat=YUYV"]).output().ok();
    let written = env.written();
    env.run(&["sh", "-c", &write]).output().ok();
    assert_eq!(env.written() - written, 2);
}
