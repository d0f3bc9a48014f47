//! Bad input: a clear error each, and nothing else disturbed.

use std::collections::BTreeMap;

use vloopback_tests::{Env, Running, have, pattern, skip};

const EBADF: i32 = 9;
const ENOMEM: i32 = 12;
const EFAULT: i32 = 14;
const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;

/// A case's rows: name to (result, errno).
type Rows = BTreeMap<String, (i64, i32)>;

fn rows(text: &str) -> Rows {
    let lines = text.lines().filter(|line| !line.starts_with('{'));
    let rows = lines.map(|line| {
        let columns: Vec<&str> = line.split(' ').collect();
        let [name, result, errno] = columns[..] else { panic!("{line:?}") };
        (name.to_owned(), (result.parse().expect("a result"), errno.parse().expect("an errno")))
    });
    rows.collect()
}

#[track_caller]
fn refused(rows: &Rows, name: &str, errno: i32) {
    assert_eq!(rows.get(name).copied(), Some((-1, errno)), "{name}");
}

#[track_caller]
fn accepted(rows: &Rows, name: &str, result: i64) {
    assert_eq!(rows.get(name).copied(), Some((result, 0)), "{name}");
}

/// A pair of programs on another pipe that must not notice anything.
struct Bystanders {
    pusher: Running,
    client: Running,
}

impl Bystanders {
    fn on(env: &Env, index: usize) -> Bystanders {
        let pipe = env.pipe(index);
        let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
        pusher.event("setup");
        let mut client = env.program("client_motion", &["--device", &pipe.output, "--report", "1"]).start();
        client.frame(0);
        Bystanders { pusher, client }
    }

    /// They still get along: ten frames more.
    #[track_caller]
    fn undisturbed(mut self) {
        let n = self.client.frame(0);
        self.client.frame(n + 10);
        self.client.end_input();
        let result = self.client.event("result");
        for key in ["torn", "foreign", "back", "errors"] {
            assert_eq!(result[key], 0, "{result}");
        }
        self.pusher.end_input();
        self.pusher.event("pushed");
        self.pusher.finish().ok();
    }
}

/// Sizes 0, 32768x32768, odd sizes for subsampled palettes, unknown palettes.
#[test]
fn sizes_and_palettes_that_cannot_be() {
    let env = Env::new(2);
    let others = Bystanders::on(&env, 1);
    let input = env.pipe(0).input;
    let rows = rows(&env.program("bad_input", &["sizes", "--device", &input]).output().ok().text());
    for name in ["0x0:SWIN", "0x240:SWIN", "320x0:SWIN"] {
        refused(&rows, name, EINVAL);
    }
    // driver/docs/old-api.md, "Kept": a total over 2^31-1 is ENOMEM.
    for name in ["32768x32768:SWIN", "4294967295x2:SWIN", "2147483648x2147483648:SWIN"] {
        refused(&rows, name, ENOMEM);
    }
    refused(&rows, "odd-yuv420p:SWIN", EINVAL);
    refused(&rows, "odd-width-yuyv:SWIN", EINVAL);
    accepted(&rows, "odd-rgb24:SWIN", 0);
    for palette in [0, 17, 255, 65535] {
        refused(&rows, &format!("palette-{palette}"), EINVAL);
    }
    // RGB24 has no subsampling; the old driver told 20x20 as its least size. Both answers are clear.
    assert!(matches!(rows["1x1:SWIN"], (0, 0) | (-1, EINVAL)), "{:?}", rows["1x1:SWIN"]);
    // The odd size that is in force does not refuse the next palette: pushers set the palette first, and
    // the size that fits it afterwards.
    accepted(&rows, "odd-yuv420p:SPICT", 0);
    accepted(&rows, "good:SPICT", 0);
    accepted(&rows, "good:SWIN", 0);
    others.undisturbed();
}

/// Short writes, wild buffers, a buffer whose second half is not there: EINVAL and EFAULT, and a client never
/// sees any of it. Of a write that is longer than a frame it sees the first bytes, as with the old driver, whose
/// own examples write three bytes a pixel where they set YUV420P up.
#[test]
fn writes_that_are_no_frames() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let len = 320 * 240 * 3 / 2;
    let mut writer =
        env.program("bad_input", &["writes", "--device", &pipe.input, "--wait", "--hold"]).start();
    writer.event("setup");
    let args = ["--device", &pipe.output, "--report", "1", "--frames", "3"];
    let mut client = env.program("client_motion", &args).start();
    client.event("ready");
    for wanted in [9, 10, 11] {
        writer.order();
        assert_eq!(client.frame(0), wanted, "nothing but what is a frame");
    }
    let result = client.event("result");
    for key in ["torn", "foreign", "back", "errors", "gaps"] {
        assert_eq!(result[key], 0, "{result}");
    }
    let mut text = String::new();
    writer.end_input();
    while let Some(line) = writer.line() {
        text.push_str(&line);
        text.push('\n');
    }
    writer.finish().ok();
    let rows = rows(&text);
    refused(&rows, "before-SWIN", EINVAL);
    for name in ["one-byte", "one-short"] {
        refused(&rows, name, EINVAL);
    }
    for name in ["null", "wild", "half"] {
        refused(&rows, name, EFAULT);
    }
    assert!(matches!(rows["empty"], (0, 0) | (-1, EINVAL)), "{:?}", rows["empty"]);
    accepted(&rows, "good", len);
    accepted(&rows, "one-long", len + 1);
    accepted(&rows, "twice", len * 2);
}

/// Bad pointers give EFAULT with a known request and ENOTTY with an unknown one (driver/docs/clients.md, "What a
/// device must answer" 5).
#[test]
fn pointers_that_lead_nowhere() {
    let env = Env::new(2);
    let others = Bystanders::on(&env, 1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    let rows = rows(&env.program("bad_input", &["pointers", "--device", &pipe.output]).output().ok().text());
    let requests = [
        "GCAP", "GCHAN", "SCHAN", "GTUNER", "GPICT", "SPICT", "GWIN", "SWIN", "GFBUF", "KEY", "CAPTURE",
        "MCAPTURE", "SYNC", "GMBUF", "GUNIT",
    ];
    for request in requests {
        for pointer in ["null", "low", "wild", "minus-one"] {
            refused(&rows, &format!("{request}:{pointer}"), EFAULT);
        }
    }
    refused(&rows, "GCAP:straddling", EFAULT);
    refused(&rows, "GPICT:read-only", EFAULT);
    for name in ["unknown:null", "unknown:wild", "not-ours:null"] {
        refused(&rows, name, ENOTTY);
    }
    refused(&rows, "read:null", EFAULT);
    refused(&rows, "read:wild", EFAULT);
    accepted(&rows, "read:good", 320 * 240 * 3 / 2);
    drop(pusher);
    others.undisturbed();
}

/// Descriptors that are not open, ffmpeg's 896160394 among them (driver/docs/clients.md, "Hooked names"): EBADF.
#[test]
fn descriptors_that_are_not_open() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let rows = rows(&env.program("bad_input", &["numbers", "--device", &input]).output().ok().text());
    for number in ["896160394", "-1", "1023", "2147483647", "-2147483647", "closed"] {
        for call in ["ioctl", "read", "write", "mmap", "close", "dup", "fcntl", "ioctl2"] {
            refused(&rows, &format!("{number}:{call}"), EBADF);
        }
    }
}

/// mmap() with lengths and offsets that do not fit.
#[test]
fn mappings_that_do_not_fit() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    let rows = rows(&env.program("bad_input", &["maps", "--device", &pipe.output]).output().ok().text());
    for name in ["length-0", "too-long", "odd-offset"] {
        refused(&rows, name, EINVAL);
    }
    assert!(matches!(rows["huge"], (-1, EINVAL | ENOMEM)), "{:?}", rows["huge"]);
    accepted(&rows, "good", 0);
    accepted(&rows, "unmap", 0);
    drop(pusher);
}

/// No memory for the ring: ENOMEM at SWIN, and a smaller size works afterwards.
#[test]
fn no_memory_for_the_ring() {
    if !have("prlimit") {
        skip!("no prlimit (package util-linux)");
    }
    let env = Env::new(2);
    let others = Bystanders::on(&env, 1);
    let input = env.pipe(0).input;
    let program = vloopback_tests::program("bad_input");
    let program = program.to_str().expect("a path in UTF-8");
    let command = ["prlimit", "--as=402653184", program, "memory", "--device", &input];
    let rows = rows(&env.run(&command).output().ok().text());
    accepted(&rows, "12000x12000:SPICT", 0);
    refused(&rows, "12000x12000:SWIN", ENOMEM);
    accepted(&rows, "good:SWIN", 0);
    accepted(&rows, "good:write", 320 * 240 * 3 / 2);
    others.undisturbed();
}

/// A read that is shorter than a frame gives its next bytes, and none of another frame's.
#[test]
fn a_short_read_gives_the_frames_next_bytes_or_an_error() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "200"]).start();
    pusher.event("setup");
    let code = format!(
        "import os, sys\nfd = os.open('{}', os.O_RDONLY)\n\
         for _ in range(20):\n    \
           try:\n        sys.stdout.buffer.write(os.read(fd, 1000))\n    \
           except OSError as e:\n        assert e.errno == 22, e\n",
        pipe.output
    );
    let ended = env.run(&["python3", "-c", &code]).output().ok();
    let read = &ended.stdout;
    assert!(read.len() >= 1000, "{} bytes", read.len());
    let number = pattern::number(read).expect("a frame begins here");
    assert_eq!(read, &pattern::frame(number, 320 * 240 * 3 / 2)[..read.len()]);
    drop(pusher);
}

/// `vloopback list` afterwards still describes every pipe.
#[test]
fn the_list_survives_all_of_it() {
    let env = Env::new(2);
    for case in ["sizes", "numbers"] {
        env.program("bad_input", &[case, "--device", &env.pipe(0).input]).output().ok();
    }
    let list = env.list();
    assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");
}
