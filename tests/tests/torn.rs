//! No torn frame, ever (driver/docs/rules.md, "Invariants" 1): the writer flat out while clients hold frames for
//! random numbers of frames and check a pattern in every byte.
//!
//! The same test is run against a library whose ring is broken on purpose (features
//! `break-publish-first` and `break-no-second-look` of vloopback-ring): then `VLOOPBACK_EXPECT_TORN` is
//! set and the test passes only if frames are torn.

use std::time::Duration;

use serde_json::Value;
use vloopback_tests::{Env, Running, full};

/// Frames of 320x240 that the writer pushes.
fn frames() -> u64 {
    if full() { 1_000_000 } else { 100_000 }
}

/// Far more than 10^5 frames take on a slow machine.
const LONG: Duration = Duration::from_secs(600);

/// How many storms a broken ring may survive.
const STORMS: u32 = 30;

fn torn(results: &[Value]) -> i64 {
    results.iter().map(|r| r["torn"].as_i64().expect("torn") + r["back"].as_i64().expect("back")).sum()
}

/// A storm: so many frames of this size flat out beside `holders` clients that hold, and two that only
/// look. Returns the results.
fn storm(buffers: &str, holders: u32, size: &str, frames: u64) -> Vec<Value> {
    let env = Env::builder().args(&["--pipes", "1", "--num-buffers", buffers]).start();
    let pipe = env.pipe(0);
    let count = frames.to_string();
    let args = ["--device", &pipe.input, "--size", size, "--frames", &count, "--wait", "--hold"];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    let watch = |program: &str, seed: u32| {
        let seed = seed.to_string();
        // When the pusher has left, SYNC fails and the client ends.
        let args = ["--device", &pipe.output, "--size", size, "--seed", &seed];
        let mut client = env.program(program, &args).start();
        client.event("ready");
        client
    };
    let mut clients: Vec<Running> = (0..holders).map(|seed| watch("client_hold", seed)).collect();
    clients.push(watch("client_motion", 0));
    clients.push(watch("client_read", 0));
    pusher.order();
    let pushed = pusher.event_within("pushed", LONG);
    assert_eq!(pushed["written"].as_u64(), Some(frames), "{pushed}");
    assert_eq!(pushed["errors"], 0, "{pushed}");
    pusher.end_input();
    pusher.finish().ok();
    let results = clients.into_iter().map(|mut client| {
        let result = client.event("result");
        client.finish();
        result
    });
    results.collect()
}

/// One storm, in which nothing may be torn; or, of a ring that is broken on purpose, as many as it takes
/// until something is.
#[track_caller]
fn judge(buffers: &str, holders: u32, size: &str, frames: u64) {
    if std::env::var_os("VLOOPBACK_EXPECT_TORN").is_some() {
        for round in 1..=STORMS {
            let seen = torn(&storm(buffers, holders, size, frames));
            if seen > 0 {
                println!("{seen} torn frames in storm {round}");
                return;
            }
        }
        panic!("the ring is broken on purpose, but nothing is torn in {STORMS} storms");
    }
    let results = storm(buffers, holders, size, frames);
    assert_eq!(torn(&results), 0, "{results:#?}");
    for result in &results {
        assert_eq!(result["foreign"], 0, "{result}");
        assert!(result["received"].as_i64() > Some(10), "a client that got hardly anything: {result}");
    }
}

/// One client holds: it reads the ring's own slots.
#[test]
fn one_holder() {
    judge("2", 1, "320x240", frames());
}

/// The same with small frames: more chances a second for writer and client to meet.
#[test]
fn one_holder_of_small_frames() {
    judge("2", 1, "64x48", 4 * frames());
}

/// More holders than the ring has slots for: some have to copy.
#[test]
fn many_holders_of_a_tight_ring() {
    judge("2", 4, "320x240", frames());
}

/// A wide ring.
#[test]
fn many_holders_of_a_wide_ring() {
    judge("8", 3, "320x240", frames());
}
