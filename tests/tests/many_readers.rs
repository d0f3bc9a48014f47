//! Any number of processes stream from one output, each with its own queue, sequence and pace; a stuck one
//! disturbs nobody (driver/docs/rules.md, "Invariants" 1, 2 and 4). What keeping up means is counted: the pusher
//! writes a frame when everybody who keeps up has had the one before, and waits for nobody else.
//!
//! As `torn.rs`, the first of these is also run against a ring that is broken on purpose
//! (`VLOOPBACK_EXPECT_TORN`).

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;
use vloopback_tests::{Env, full, number};

/// Far more than 10^5 frames take on a slow machine.
const LONG: Duration = Duration::from_secs(1200);
/// How many rounds a broken ring may survive.
const ROUNDS: u32 = 10;

/// So many of each kind.
#[derive(Clone, Copy)]
struct Crowd {
    keep_up: u32,
    slow: u32,
    stopped: u32,
    victims: u32,
}

const THIRTY_TWO: Crowd = Crowd { keep_up: 16, slow: 6, stopped: 5, victims: 5 };
/// More than the 64 that older drivers serve, and than the 32 that can hold frames in place.
const HUNDRED: Crowd = Crowd { keep_up: 60, slow: 15, stopped: 15, victims: 10 };

/// What `list` and /proc say of a pipe's clients, by process: frames received and dropped.
fn told_by_list(env: &Env) -> BTreeMap<i64, (i64, i64)> {
    let list = env.list();
    let owners = list[0]["owners"].as_array().expect("owners");
    let clients = owners.iter().filter(|owner| owner["role"] == "client");
    clients.map(|o| (number(o, "pid"), (number(o, "received"), number(o, "dropped")))).collect()
}

fn told_by_proc(env: &Env) -> BTreeMap<i64, (i64, i64)> {
    let file = env.tree().join("proc/video/vloopback/vloopback0");
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("a number in {text}"));
    let clients = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split('\t').collect();
        match words[..] {
            ["client", pid, _, "received", received, "dropped", dropped] => {
                Some((number(pid), (number(received), number(dropped))))
            }
            _ => None,
        }
    });
    clients.collect()
}

/// Runs a crowd over so many frames. What each reader has seen; and how many victims saw wrong frames before they
/// were killed. `look` gets the readers while all of them are still there.
#[track_caller]
fn run(crowd: Crowd, frames: u64, extra: &[&str], look: impl FnOnce(&Env, &[Value])) -> (Vec<Value>, i64) {
    let env = Env::builder().in_memory().start();
    let pipe = env.pipe(0);
    let [keep_up, slow, stopped, victims, count] =
        [crowd.keep_up.into(), crowd.slow.into(), crowd.stopped.into(), crowd.victims.into(), frames]
            .map(|n: u64| n.to_string());
    let mut args = vec!["--device", pipe.output.as_str(), "--input", &pipe.input, "--size", "160x120"];
    args.extend(["--frames", &count, "--keep-up", &keep_up, "--slow", &slow]);
    args.extend(["--stopped", &stopped, "--victims", &victims]);
    args.extend(extra);
    let mut crowded = env.program("many_readers", &args).start();
    crowded.event_within("written", LONG);
    let all = crowd.keep_up + crowd.slow + crowd.stopped + crowd.victims;
    let readers: Vec<Value> = (0..all).map(|_| crowded.event("reader")).collect();
    let measure = crowded.event("measure");
    assert!(crowd.victims == 0 || number(&measure, "killed") > 5, "{measure}");
    look(&env, &readers);
    crowded.order();
    let result = crowded.event("result");
    assert_eq!(number(&result, "ended_wrong"), 0, "{result}");
    crowded.end_input();
    crowded.finish().ok();
    env.until_idle();
    (readers, number(&measure, "wrong_victims"))
}

/// Every drop is counted where a person can see it: list says it at once, /proc soon.
#[track_caller]
fn drops_are_told(env: &Env, readers: &[Value]) {
    let list = told_by_list(env);
    env.until("/proc says what list says", |_| told_by_proc(env) == list);
    for reader in readers {
        let (received, dropped) = list[&number(reader, "pid")];
        assert_eq!(received, number(reader, "received") + number(reader, "torn"), "{reader}");
        // Those before its first frame are drops, too.
        assert!(dropped >= number(reader, "gaps"), "{dropped} dropped: {reader}");
        assert!(dropped <= number(reader, "gaps") + number(reader, "first"), "{dropped} dropped: {reader}");
    }
}

/// Nobody sees a wrong frame, and who keeps up misses none.
#[track_caller]
fn judge(crowd: Crowd, frames: u64, extra: &[&str]) {
    let (readers, wrong_victims) = run(crowd, frames, extra, drops_are_told);
    assert_eq!(wrong_victims, 0, "victims saw wrong frames");
    for reader in &readers {
        for wrong in ["torn", "foreign", "back", "errors", "skew"] {
            assert_eq!(number(reader, wrong), 0, "{wrong}: {reader}");
        }
        match reader["role"].as_str() {
            Some("keeps up") => {
                assert_eq!(number(reader, "missed"), 0, "missed: {reader}");
                assert!(number(reader, "received") as u64 >= frames, "{reader}");
            }
            // One that came late has missed what was before it.
            Some("slow" | "stopped") => {
                let missed = number(reader, "first") + number(reader, "gaps");
                assert!(missed > frames as i64 / 4, "{reader}");
            }
            _ => {}
        }
    }
}

#[test]
fn thirty_two_readers() {
    let frames = if full() { 100_000 } else { 10_000 };
    if std::env::var_os("VLOOPBACK_EXPECT_TORN").is_none() {
        return judge(THIRTY_TWO, frames, &[]);
    }
    for round in 1..=ROUNDS {
        // Flat out: what is broken has to happen within one frame's copy.
        let (readers, victims) = run(THIRTY_TWO, 20_000, &["--free"], |_, _| {});
        let damage =
            |reader| ["torn", "foreign", "back"].map(|what| number(reader, what)).iter().sum::<i64>();
        let torn = victims + readers.iter().map(damage).sum::<i64>();
        if torn > 0 {
            return println!("{torn} torn frames in round {round}");
        }
    }
    panic!("the ring is broken on purpose, but nothing is torn in {ROUNDS} rounds");
}

#[test]
fn a_hundred_readers() {
    judge(HUNDRED, if full() { 20_000 } else { 2000 }, &[]);
}

/// Of those that hold what they have in place some are stopped: the others go on as if they were alone.
#[test]
fn two_that_keep_up_among_many_that_are_stopped() {
    judge(Crowd { keep_up: 2, slow: 0, stopped: 40, victims: 0 }, 2000, &[]);
}

/// Negative runs: a wrong bit in one frame, and a pusher that waits for nobody, are seen.
#[test]
#[should_panic(expected = "torn")]
fn a_wrong_frame_is_seen() {
    judge(Crowd { keep_up: 6, slow: 0, stopped: 0, victims: 0 }, 100, &["--wrong-frame", "60"]);
}

#[test]
#[should_panic(expected = "missed")]
fn a_missed_frame_is_seen() {
    judge(Crowd { keep_up: 16, slow: 0, stopped: 0, victims: 0 }, 20_000, &["--free"]);
}
