//! No torn frame, ever (DESIGN.md 3, invariant 1): the writer flat out while clients hold frames for
//! random numbers of frames and check a pattern in every byte.
//!
//! The same test is run against a library whose ring is broken on purpose (features
//! `break-publish-first` and `break-no-second-look` of vloopback-ring): then `VLOOPBACK_EXPECT_TORN` is
//! set and the test passes only if frames are torn.

use std::time::Duration;

use serde_json::Value;
use vloopback_tests::{Env, Running, full};

/// Frames that the writer pushes: 10^5 in a full run.
fn frames() -> u64 {
    if full() { 100_000 } else { 20_000 }
}

/// Far more than 10^5 frames take on a slow machine.
const LONG: Duration = Duration::from_secs(600);

fn torn(results: &[Value]) -> i64 {
    results.iter().map(|r| r["torn"].as_i64().expect("torn") + r["back"].as_i64().expect("back")).sum()
}

/// Pushes flat out beside `holders` clients that hold, and two that only look. Returns the results.
fn storm(buffers: &str, holders: u32) -> Vec<Value> {
    let env = Env::builder().args(&["--pipes", "1", "--num-buffers", buffers]).start();
    let pipe = env.pipe(0);
    let count = frames().to_string();
    let args = ["--device", pipe.input.as_str(), "--frames", count.as_str(), "--wait", "--hold"];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    let mut clients: Vec<Running> = (0..holders)
        .map(|n| {
            let seed = n.to_string();
            // A pusher that is done makes SYNC fail: enough of that ends a client.
            env.program("client_hold", &["--device", &pipe.output, "--seed", &seed]).start()
        })
        .collect();
    clients.push(env.program("client_motion", &["--device", &pipe.output]).start());
    for client in &mut clients {
        client.event("ready");
    }
    clients.push(env.program("client_read", &["--device", &pipe.output]).start());
    clients.last_mut().expect("a client").event("ready");
    pusher.order();
    let pushed = pusher.event_within("pushed", LONG);
    assert_eq!(pushed["written"].as_u64(), Some(frames()), "{pushed}");
    assert_eq!(pushed["errors"], 0, "{pushed}");
    pusher.end_input();
    pusher.finish().ok();
    clients
        .into_iter()
        .map(|mut client| {
            let result = client.event("result");
            client.finish();
            result
        })
        .collect()
}

#[track_caller]
fn judge(results: &[Value]) {
    if std::env::var_os("VLOOPBACK_EXPECT_TORN").is_some() {
        assert!(torn(results) > 0, "the ring is broken on purpose, but nothing is torn: {results:#?}");
        println!("torn frames seen: {}, {results:?}", torn(results));
        return;
    }
    assert_eq!(torn(results), 0, "{results:#?}");
    for result in results {
        assert_eq!(result["foreign"], 0, "{result}");
        assert!(result["received"].as_i64() > Some(10), "a client that got hardly anything: {result}");
    }
}

/// One client holds: it reads the ring's own slots.
#[test]
fn one_holder() {
    judge(&storm("2", 1));
}

/// More holders than the ring has slots for: some have to copy.
#[test]
fn many_holders_of_a_tight_ring() {
    judge(&storm("2", 4));
}

/// A wide ring.
#[test]
fn many_holders_of_a_wide_ring() {
    judge(&storm("8", 3));
}
