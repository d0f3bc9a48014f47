//! driver/docs/rules.md, "Invariants" with V4L1 and V4L2 programs mixed on one pipe: no torn frame with everybody
//! flat out, and nobody waits for a dead one.
//!
//! As `torn.rs`, the storms are also run against a ring that is broken on purpose (`VLOOPBACK_EXPECT_TORN`).

use std::time::Duration;

use serde_json::Value;
use vloopback_tests::{Env, Pipe, Running, full};

/// Far more than a storm takes on a slow machine.
const LONG: Duration = Duration::from_secs(900);
/// How many storms a broken ring may survive.
const STORMS: u32 = 30;

/// Frames that each client of a storm looks at.
fn frames() -> u64 {
    if full() { 200_000 } else { 10_000 }
}

fn start(env: &Env, program: &str, device: &str, ready: &str, extra: &[&str]) -> Running {
    let mut args = vec!["--device", device, "--size", "320x240"];
    args.extend(extra);
    let mut running = env.program(program, &args).start();
    running.event(ready);
    running
}

/// A V4L2 pusher (`extra`: how) that pushes until its input ends, and the pipe is fed.
fn push(env: &Env, pipe: &Pipe, extra: &[&str]) -> Running {
    let mut args = vec!["--report", "1", "--format", "YU12"];
    args.extend(extra);
    let mut pusher = start(env, "v4l2_pusher", &pipe.input, "setup", &args);
    pusher.event("frame");
    pusher
}

/// Whether the ring is broken on purpose, and something is to be torn.
fn is_broken() -> bool {
    std::env::var_os("VLOOPBACK_EXPECT_TORN").is_some()
}

/// What a client of a broken ring met. A slot that nobody has filled may be a frame of 0 bytes there, and so the end
/// of a client that reads: that is damage, too.
#[track_caller]
fn damage_of_a_broken_ring(mut client: Running) -> i64 {
    while let Some(event) = client.any_event_within(LONG) {
        match event["event"].as_str() {
            Some("error") => return 1,
            Some("result") => {
                return event["torn"].as_i64().expect("torn") + event["back"].as_i64().expect("back");
            }
            _ => {}
        }
    }
    panic!("neither an error nor a result: {client:?}");
}

/// What `client` counted: torn frames and frames that came after later ones. Everything else is right.
#[track_caller]
fn damage(mut client: Running, v4l2: bool) -> i64 {
    if is_broken() {
        return damage_of_a_broken_ring(client);
    }
    let mut stream = Value::Null;
    if v4l2 {
        stream = client.event_within("stream", LONG);
    }
    let result = client.event_within("result", LONG);
    for field in ["skew", "stamps", "wrong", "cards"] {
        assert!(!v4l2 || stream[field] == 0, "{field}: {stream}");
    }
    assert_eq!((&result["foreign"], &result["errors"]), (&0.into(), &0.into()), "{result}");
    assert_eq!(result["received"].as_u64(), Some(frames()), "{result}");
    result["torn"].as_i64().expect("torn") + result["back"].as_i64().expect("back")
}

/// Everybody flat out, clients of both APIs, each with its own way of holding frames.
#[track_caller]
fn storm(how: &[&str]) -> i64 {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut args = vec!["--report", "1000000000", "--format", "YU12"];
    args.extend(how);
    // Nobody feeds the pipe before the first frame.
    let mut pusher = start(&env, "v4l2_pusher", &pipe.input, "frame", &args);
    let count = frames().to_string();
    let watch = |program: &str, extra: &[&str]| {
        let mut args = vec!["--frames", count.as_str()];
        args.extend(extra);
        start(&env, program, &pipe.output, "ready", &args)
    };
    let first = watch("v4l2_client", &["--format", "YU12", "--keep", "1"]);
    let modern: [&[&str]; 3] = [&["--keep", "2"], &["--keep", "5", "--buffers", "8"], &["--io", "read"]];
    let modern: Vec<Running> =
        modern.iter().map(|extra| watch("v4l2_client", &[&["--format", "YU12"], *extra].concat())).collect();
    let old =
        [watch("client_hold", &["--seed", "1"]), watch("client_motion", &[]), watch("client_read", &[])];
    let mut sum = damage(first, true);
    sum += modern.into_iter().map(|client| damage(client, true)).sum::<i64>();
    sum += old.into_iter().map(|client| damage(client, false)).sum::<i64>();
    pusher.end_input();
    let pushed = pusher.event("pushed");
    assert_eq!(pushed["errors"], 0, "{pushed}");
    pusher.finish().ok();
    sum
}

#[track_caller]
fn judge(how: &[&str]) {
    if !is_broken() {
        assert_eq!(storm(how), 0, "torn frames");
        return;
    }
    for round in 1..=STORMS {
        let seen = storm(how);
        if seen > 0 {
            println!("{seen} torn frames in storm {round}");
            return;
        }
    }
    panic!("the ring is broken on purpose, but nothing is torn in {STORMS} storms");
}

#[test]
fn a_storm_of_buffers_filled_in_place() {
    judge(&["--io", "mmap", "--buffers", "4"]);
}

#[test]
fn a_storm_of_writes() {
    judge(&["--io", "write"]);
}

/// A pusher is killed at any moment, with slots that it was filling: its clients see the placeholder and
/// go on with the next pusher's frames; V4L1 ones are told.
#[test]
fn a_killed_pusher_is_followed_by_the_placeholder_and_the_next_one() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let args = ["--format", "YU12", "--report", "1"];
    let mut client = None;
    let mut next = 0;
    let rounds = if full() { 40 } else { 8 };
    for round in 0..rounds {
        let first = next.to_string();
        let io = if round % 2 == 0 { "mmap" } else { "write" };
        let mut pusher = push(&env, &pipe, &["--io", io, "--fps", "300", "--first", &first]);
        let client = client.get_or_insert_with(|| start(&env, "v4l2_client", &pipe.output, "ready", &args));
        let mut old = start(&env, "client_motion", &pipe.output, "ready", &["--report", "1"]);
        let seen = client.frame(next);
        old.frame(next);
        client.frame(seen + round);
        pusher.kill();
        let error = old.event("error");
        assert_eq!(error["errno"], 22, "a waiting SYNC gives EINVAL: {error}");
        client.event("card");
        // Above all numbers that the killed one can have reached.
        next += 1_000_000;
    }
    let mut client = client.expect("one at least");
    client.end_input();
    let stream = client.event("stream");
    let result = client.event("result");
    assert_eq!(
        (&result["torn"], &result["back"], &result["errors"]),
        (&0.into(), &0.into(), &0.into()),
        "{result}"
    );
    assert_eq!((&stream["wrong"], &stream["stamps"]), (&0.into(), &0.into()), "{stream}");
}

/// With policy refuse a client's DQBUF gives EIO when the pusher is killed, or its QBUF, if it was there; and open
/// EINVAL.
#[test]
fn a_killed_pusher_ends_streams_where_the_policy_is_to_refuse() {
    let env = Env::builder().args(&["--idle", "refuse"]).start();
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, &["--io", "mmap", "--fps", "300"]);
    let mut clients: Vec<Running> = [&["--format", "YU12"][..], &["--format", "YU12", "--by", "poll"]]
        .iter()
        .map(|extra| start(&env, "v4l2_client", &pipe.output, "ready", extra))
        .collect();
    pusher.frame(50);
    pusher.kill();
    for client in &mut clients {
        let error = client.event("error");
        assert!(matches!(error["call"].as_str(), Some("VIDIOC_DQBUF" | "VIDIOC_QBUF")), "{error}");
        assert_eq!(error["errno"], 5, "{error}");
    }
    drop((clients, pusher));
    env.until_idle();
    let args = ["--device", &pipe.output, "--format", "YU12", "--size", "320x240"];
    let mut late = env.program("v4l2_client", &args).start();
    assert_eq!(late.event("failed")["errno"], 22);
}

/// Clients that are killed while they hold buffers disturb nobody, and leave nothing.
#[test]
fn killed_holders_of_buffers() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, &["--io", "mmap", "--fps", "300"]);
    let mut other = start(&env, "v4l2_client", &pipe.output, "ready", &["--format", "YU12", "--report", "1"]);
    for round in 0..if full() { 300 } else { 30 } {
        let keep = (round % 4).to_string();
        let extra = ["--format", "YU12", "--report", "1", "--keep", keep.as_str()];
        let mut victim = start(&env, "v4l2_client", &pipe.output, "ready", &extra);
        victim.event("frame");
        victim.kill();
        let seen = pusher.event("frame")["n"].as_u64().expect("a number");
        other.frame(seen + 1);
    }
    other.end_input();
    let (stream, result) = (other.event("stream"), other.event("result"));
    assert_eq!((&stream["skew"], &stream["wrong"]), (&0.into(), &0.into()), "{stream}");
    assert_eq!((&result["torn"], &result["errors"]), (&0.into(), &0.into()), "{result}");
    pusher.end_input();
    assert_eq!(pusher.event("pushed")["errors"], 0);
    drop((pusher, other));
    env.until_idle();
}

/// driver/docs/rules.md, "The server": a killed server ends every call with ENODEV.
#[test]
fn a_killed_server_ends_both_ends_of_a_stream() {
    let mut env = Env::new(1);
    for io in ["mmap", "write"] {
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, &["--io", io, "--fps", "300"]);
        let ways: [&[&str]; 4] = [&[], &["--by", "poll"], &["--by", "epoll"], &["--io", "read"]];
        let mut clients: Vec<Running> = ways
            .iter()
            .map(|way| {
                let extra = [&["--format", "YU12", "--report", "1"], *way].concat();
                start(&env, "v4l2_client", &pipe.output, "ready", &extra)
            })
            .collect();
        for client in &mut clients {
            client.frame(0);
        }
        env.kill_daemon();
        for client in &mut clients {
            let error = client.event("error");
            assert_eq!(error["errno"], 19, "{error}");
        }
        let error = pusher.event("error");
        assert_eq!(error["errno"], 19, "{error}");
        env.start_daemon();
    }
}
