//! Every palette that has a V4L2 format, from V4L1 to V4L2 and back, every byte compared.

use std::ops::Range;

use serde_json::Value;
use vloopback_tests::{Env, Job, Pipe, Running, number};

const SIZE: &str = "64x48";

/// V4L1's number and V4L2's name of the same bytes. V4L1 called its RGB after the order in a register,
/// V4L2 after the order in memory. YUV422 and YUYV are two names of one thing.
const PALETTES: &[(&str, &str)] = &[
    ("1", "GREY"),
    ("2", "HI24"),
    ("3", "RGBP"),
    ("4", "BGR3"),
    ("5", "BGR4"),
    ("6", "RGBO"),
    ("7", "YUYV"),
    ("8", "YUYV"),
    ("9", "UYVY"),
    ("13", "422P"),
    ("14", "411P"),
    ("15", "YU12"),
    ("16", "YUV9"),
];

/// The numbers of the frames that a pusher may push here; another pipe's are higher.
const OURS: Range<i64> = 0..1_000_000;

/// What is wrong with a client's result, if anything: frames that are torn, or not from this pipe.
fn wrong(result: &Value, frames: i64) -> Option<String> {
    for key in ["torn", "back", "errors"] {
        if number(result, key) != 0 {
            return Some(format!("{key}: {result}"));
        }
    }
    if number(result, "received") < frames {
        return Some(format!("too few: {result}"));
    }
    let (first, last) = (number(result, "first"), number(result, "last"));
    (!OURS.contains(&first) || !OURS.contains(&last)).then(|| format!("of another pipe: {result}"))
}

/// Runs a client to its end and returns its first words and its verdict.
#[track_caller]
fn watch(job: Job, frames: i64) -> (Value, Option<String>) {
    let mut client = job.start();
    let ready = client.event("ready");
    let mut stream = None;
    let mut errors = Vec::new();
    loop {
        let event = client.any_event().unwrap_or_else(|| panic!("no result: {}", client.stderr()));
        match event["event"].as_str() {
            Some("stream") => stream = Some(event),
            Some("error" | "wrong") => errors.push(event.to_string()),
            Some("result") => {
                let meta = stream.and_then(|s| {
                    let keys = ["skew", "stamps", "wrong"];
                    keys.iter().any(|k| number(&s, k) != 0).then(|| s.to_string())
                });
                let verdict = wrong(&event, frames).or(meta).map(|w| format!("{w} {errors:?}"));
                return (ready, verdict);
            }
            _ => {}
        }
    }
}

fn v4l1_pusher(env: &Env, pipe: &Pipe, palette: &str, more: &[&str]) -> Running {
    let mut args =
        vec!["--device", pipe.input.as_str(), "--palette", palette, "--size", SIZE, "--fps", "200"];
    args.extend(more);
    let mut pusher = env.program("push_planar", &args).start();
    let setup = pusher.event("setup");
    assert_eq!(setup["palette"].to_string(), palette, "the palette is served");
    pusher
}

fn v4l2_pusher(env: &Env, pipe: &Pipe, format: &str, io: &str, more: &[&str]) -> Running {
    let mut args = vec!["--device", pipe.input.as_str(), "--format", format, "--size", SIZE];
    args.extend(["--fps", "200", "--io", io, "--report", "1000000"]);
    args.extend(more);
    let mut pusher = env.program("v4l2_pusher", &args).start();
    // The first frame: before it nobody feeds the pipe.
    pusher.event("frame");
    pusher
}

/// Ends a pusher and asserts that no call failed.
#[track_caller]
fn end(mut pusher: Running) {
    pusher.end_input();
    let pushed = pusher.event("pushed");
    assert_eq!(number(&pushed, "errors"), 0, "{pushed}");
    pusher.finish().ok();
}

const V4L2_WAYS: &[&[&str]] = &[
    &["--io", "mmap"],
    &["--io", "mmap", "--by", "poll"],
    &["--io", "mmap", "--by", "epoll", "--keep", "2", "--buffers", "6"],
    &["--io", "read"],
    &["--io", "read", "--nonblock", "--by", "select"],
];

fn v4l2_client(env: &Env, pipe: &Pipe, way: &[&str]) -> Job {
    let mut args = vec!["--device", pipe.output.as_str(), "--frames", "10"];
    args.extend(way);
    env.program("v4l2_client", &args)
}

fn v4l1_client(env: &Env, pipe: &Pipe, name: &str) -> Job {
    env.program(name, &["--device", &pipe.output, "--size", SIZE, "--frames", "10"])
}

#[test]
fn a_v4l1_pusher_and_v4l2_clients() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for (palette, format) in PALETTES {
        let pusher = v4l1_pusher(&env, &pipe, palette, &[]);
        for way in V4L2_WAYS {
            let (ready, wrong) = watch(v4l2_client(&env, &pipe, way), 10);
            assert_eq!(ready["format"], *format, "palette {palette}");
            assert_eq!(wrong, None, "palette {palette}, {way:?}");
        }
        end(pusher);
        env.until_idle();
    }
}

fn v4l2_to_v4l1(io: &str) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for (palette, format) in PALETTES {
        let pusher = v4l2_pusher(&env, &pipe, format, io, &[]);
        for client in ["client_motion", "client_read"] {
            let (ready, wrong) = watch(v4l1_client(&env, &pipe, client), 10);
            let expected = if *palette == "7" { "8" } else { palette };
            let told = ready["palette"].to_string();
            assert!(told == expected || (expected == "8" && told == "7"), "{format}: {client} sees {ready}");
            assert_eq!(wrong, None, "{format}, {client}");
        }
        end(pusher);
        env.until_idle();
    }
}

#[test]
fn a_v4l2_pusher_by_write_and_v4l1_clients() {
    v4l2_to_v4l1("write");
}

#[test]
fn a_v4l2_pusher_by_mmap_and_v4l1_clients() {
    v4l2_to_v4l1("mmap");
}

/// Both APIs at once on one pipe, both ways of each, beside pushers of both (driver/docs/rules.md, "Invariants").
#[test]
fn clients_of_both_kinds_at_once() {
    for pusher_kind in ["v4l1", "write", "mmap"] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = match pusher_kind {
            "v4l1" => v4l1_pusher(&env, &pipe, "15", &[]),
            io => v4l2_pusher(&env, &pipe, "YU12", io, &[]),
        };
        let mut clients = Vec::new();
        for _ in 0..2 {
            for name in ["client_motion", "client_read", "client_hold"] {
                clients.push(v4l1_client(&env, &pipe, name).start());
            }
            for way in V4L2_WAYS {
                clients.push(v4l2_client(&env, &pipe, way).start());
            }
        }
        for client in clients {
            assert_eq!(wrong(&client.result(), 10), None, "{pusher_kind}");
        }
        end(pusher);
    }
}

/// Frames of a format that varies in length come out as long as they went in.
#[test]
fn motion_jpeg_keeps_its_lengths() {
    for io in ["write", "mmap"] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = v4l2_pusher(&env, &pipe, "MJPG", io, &[]);
        for way in V4L2_WAYS {
            let (ready, wrong) = watch(v4l2_client(&env, &pipe, way), 10);
            assert_eq!(ready["format"], "MJPG");
            assert_eq!(wrong, None, "{io}, {way:?}");
        }
        end(pusher);
    }
}

/// The negative run: one wrong bit a frame, or frames of another pipe, and each comparison above fails.
#[test]
fn the_comparisons_can_fail() {
    let env = Env::new(2);
    let (pipe, other) = (env.pipe(0), env.pipe(1));
    let _others = v4l1_pusher(&env, &other, "15", &["--first", "1000000"]);
    let fails = |job: Job, what: &str| {
        let (_, wrong) = watch(job, 10);
        assert!(wrong.is_some_and(|w| w.contains(what)), "no {what} is seen");
    };
    for kind in ["v4l1", "write", "mmap"] {
        let pusher = match kind {
            "v4l1" => v4l1_pusher(&env, &pipe, "15", &["--wrong-all"]),
            io => v4l2_pusher(&env, &pipe, "YU12", io, &["--wrong-all"]),
        };
        for way in V4L2_WAYS {
            fails(v4l2_client(&env, &pipe, way), "torn");
            fails(v4l2_client(&env, &other, way), "of another pipe");
        }
        for client in ["client_motion", "client_read"] {
            fails(v4l1_client(&env, &pipe, client), "torn");
            fails(v4l1_client(&env, &other, client), "of another pipe");
        }
        end(pusher);
        env.until("the pusher is gone", |pipes| pipes[0].input_status == "-");
    }
}
