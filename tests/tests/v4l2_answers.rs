//! What both nodes answer to V4L2 requests (driver/docs/clients.md, "What a device must answer"), one C case each.

use std::collections::BTreeSet;

use serde_json::Value;
use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Pipe, Running};

/// Runs a case that wants nothing of anybody.
#[track_caller]
fn case(env: &Env, name: &str, kind: &str, device: &str, more: &[&str]) -> Vec<Value> {
    let mut args = vec![name, "--find", kind, "--device", device];
    args.extend(more);
    pass(env.program("v4l2_answers", &args), |_, _| {})
}

/// Runs a case on both nodes of a pipe on which nobody has set anything.
#[track_caller]
fn on_both(name: &str) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    case(&env, name, "output", &pipe.output, &[]);
    case(&env, name, "input", &pipe.input, &[]);
}

/// A daemon, and a V4L1 pusher of 320x240 YUV420P that pushes.
fn fed() -> (Env, Running, Pipe) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    (env, pusher, pipe)
}

/// Rule 1; rule 8 of Firefox: devices are told apart by bus_info, so none is a prefix of another.
#[test]
fn querycap() {
    let env = Env::new(12);
    let mut buses = BTreeSet::new();
    let mut cards = BTreeSet::new();
    for pipe in env.pipes() {
        for (kind, device) in [("output", &pipe.output), ("input", &pipe.input)] {
            let events = case(&env, "cap", kind, device, &[]);
            let cap = events.iter().find(|e| e["event"] == "cap").expect("a cap");
            assert!(buses.insert(cap["bus"].as_str().expect("a text").to_owned()), "twice: {cap}");
            assert!(cards.insert(cap["card"].to_string()), "twice: {cap}");
        }
    }
    let buses: Vec<String> = buses.into_iter().collect();
    // Sorted, so that a prefix stands right before what it is a prefix of.
    for pair in buses.windows(2) {
        assert!(!pair[1].starts_with(&pair[0]), "{} is a prefix of {}", pair[0], pair[1]);
    }
}

/// Rule 2, and the status of the input: NO_SIGNAL while nobody pushes.
#[test]
fn inputs_and_outputs() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    case(&env, "connectors", "input", &pipe.input, &[]);
    case(&env, "connectors", "output", &pipe.output, &["--first", "2"]);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    case(&env, "connectors", "output", &pipe.output, &["--first", "0"]);
    pusher.end_input();
    pusher.event("pushed");
    pusher.finish().ok();
    env.until_idle();
    case(&env, "connectors", "output", &pipe.output, &["--first", "2"]);
}

/// Rule 3, on a node that nobody has set, and while a V4L1 pusher feeds it.
#[test]
fn formats_sizes_intervals() {
    on_both("formats");
    let (env, _pusher, pipe) = fed();
    let events = case(&env, "formats", "output", &pipe.output, &[]);
    // The kernel's own description (driver/docs/clients.md, "What a device must answer" 3).
    let planar = events.iter().find(|e| e["format"] == "YU12").expect("YU12 is listed");
    assert_eq!(planar["description"], "Planar YUV 4:2:0");
}

/// G_FMT before anything is set.
#[test]
fn a_format_before_anything() {
    on_both("unset");
}

/// Formats and sizes that a program cannot have come back as the nearest that it can.
#[test]
fn nonsense_gets_the_nearest() {
    on_both("nonsense");
    let (env, _pusher, pipe) = fed();
    case(&env, "nonsense", "output", &pipe.output, &[]);
}

/// driver/docs/clients.md, "What each program needs": ffmpeg does not read S_FMT's answer on an input.
#[test]
fn an_input_takes_every_format_exactly() {
    let env = Env::new(1);
    case(&env, "set-all", "input", &env.pipe(0).input, &[]);
}

/// Rule 5.
#[test]
fn unknown_requests_and_bad_addresses() {
    on_both("addresses");
    on_both("refused");
}

/// driver/docs/rules.md, "Priority": as in the V4L2 specification, 1.1.3.
#[test]
fn priorities() {
    on_both("priority");
}

#[test]
fn frame_rates() {
    on_both("parm");
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let args = ["parm", "--find", "input", "--device", &pipe.input, "--hold"];
    let mut pusher = env.program("v4l2_answers", &args).start();
    pusher.event("parm");
    case(&env, "interval", "output", &pipe.output, &[]);
    pusher.order();
    pusher.event("pass");
}

/// driver/docs/clients.md, "What each program needs": v4l2-compliance.
#[test]
fn a_hundred_opens_at_once() {
    on_both("hundred");
}

/// The negative run: asked of the wrong node, the cases fail. What a case accepts means something.
#[test]
fn cases_can_fail() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for name in ["cap", "connectors", "formats", "unset", "nonsense", "addresses", "priority", "parm"] {
        let args = [name, "--find", "input", "--device", &pipe.output];
        let mut case = env.program("v4l2_answers", &args).start();
        loop {
            let event = case.any_event().unwrap_or_else(|| panic!("{name}: no verdict"));
            assert!(event["event"] != "pass", "{name} passes on the wrong node");
            if event["event"] == "failed" {
                break;
            }
        }
    }
}
