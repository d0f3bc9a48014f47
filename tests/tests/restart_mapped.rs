//! A client that has a node mapped goes on when another pusher takes the first one's place: what is said to be there is
//! the new pusher's, whatever the mode of either.

use std::time::Duration;

use serde_json::Value;
use vloopback_tests::{Env, Pipe, Running, number};

/// What pushes: by write(), or out of its own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    One,
    Zero,
}

use Mode::{One, Zero};

const CHANGES: [(Mode, Mode); 4] = [(One, One), (One, Zero), (Zero, One), (Zero, Zero)];

/// How the first pusher leaves.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    Closed,
}

/// The size of the first pusher's frames.
const SIZE: &str = "320x240";
/// The number of the second pusher's first frame.
const SECOND: &str = "1000000";
/// So many frames are taken of each pusher.
const FRAMES: i64 = 12;

fn push(env: &Env, pipe: &Pipe, mode: Mode, size: &str, first: &str) -> Running {
    push_with(env, pipe, mode, size, first, &[])
}

fn push_with(env: &Env, pipe: &Pipe, mode: Mode, size: &str, first: &str, extra: &[&str]) -> Running {
    let device = [&["--device", pipe.input.as_str(), "--size", size, "--first", first], extra].concat();
    let mut pusher = match mode {
        One => env.program("push_motion", &[&device[..], &["--fps", "100"]].concat()),
        // It draws with each VIDIOCMCAPTURE.
        Zero => env.program("zc_pusher", &[&device[..], &["--style", "pause"]].concat()),
    }
    .start();
    pusher.event("setup");
    pusher
}

fn leave(env: &Env, mut pusher: Running, how: End) {
    match how {
        End::Killed => pusher.kill(),
        End::Closed => pusher.end_input(),
    }
    pusher.finish();
    env.until("the pipe is free", |pipes| pipes[0].input_status == "-");
}

#[track_caller]
fn take(client: &mut Running, order: &str) -> Value {
    client.send(format!("{order}\n").as_bytes());
    client.event("took")
}

/// Only whole frames, each of them new.
#[track_caller]
fn sees(what: &str, took: &Value, frames: i64) {
    assert_eq!(number(took, "good"), frames, "{what}: {took}");
    let wrong: Vec<_> = ["stale", "foreign", "torn"].iter().map(|key| number(took, key)).collect();
    assert_eq!(wrong, [0, 0, 0], "{what}: {took}");
}

/// A client that has mapped the first pusher's frames and had some of them.
#[track_caller]
fn begin(env: &Env, pipe: &Pipe, extra: &[&str]) -> Running {
    let args = [&["--device", pipe.output.as_str(), "--patience", "50"], extra].concat();
    let mut client = env.program("restart_mapped", &args).start();
    client.event("ready");
    sees("before", &take(&mut client, &format!("{FRAMES} 0 320 240")), FRAMES);
    client
}

/// What a client sees of the second pusher, whose frames have this size.
#[track_caller]
fn after(change: (Mode, Mode), end: End, idle: bool, size: &str, extra: &[&str]) -> Value {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let first = push(&env, &pipe, change.0, SIZE, "0");
    let mut client = begin(&env, &pipe, extra);
    leave(&env, first, end);
    if idle {
        // Longer than anything is remembered of a pusher.
        std::thread::sleep(Duration::from_millis(2500));
    }
    let second = push(&env, &pipe, change.1, size, SECOND);
    let size = size.replace('x', " ");
    let took = take(&mut client, &format!("{FRAMES} {SECOND} {size}"));
    drop(second);
    took
}

/// Frames that a ring holds by default.
const SLOTS: i64 = 4;

/// As [`sees`], after a change of pushers. From one one-copy pusher to another a client that was slower has the first
/// one's last frames still before it: it has not seen them.
#[track_caller]
fn sees_after(change: (Mode, Mode), what: &str, took: &Value) {
    let mut took = took.clone();
    if change == (Mode::One, Mode::One) && number(&took, "stale") <= SLOTS {
        took["stale"] = 0.into();
    }
    sees(what, &took, FRAMES);
}

fn all_changes(end: End, idle: bool) {
    for change in CHANGES {
        sees_after(change, &format!("{change:?} {end:?}"), &after(change, end, idle, SIZE, &[]));
    }
}

#[test]
fn killed_and_replaced_at_once() {
    all_changes(End::Killed, false);
}

#[test]
fn killed_and_replaced_later() {
    all_changes(End::Killed, true);
}

#[test]
fn closed_and_replaced_at_once() {
    all_changes(End::Closed, false);
}

#[test]
fn closed_and_replaced_later() {
    all_changes(End::Closed, true);
}

/// Programs that know the driver of old: they are told of a pusher's end.
#[test]
fn a_legacy_client() {
    for change in CHANGES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let first = push(&env, &pipe, change.0, SIZE, "0");
        let args = ["--device", pipe.output.as_str(), "--patience", "50"];
        let mut client = env.program_legacy("restart_mapped", &args).start();
        client.event("ready");
        sees("before", &take(&mut client, &format!("{FRAMES} 0 320 240")), FRAMES);
        leave(&env, first, End::Killed);
        // While nobody pushes.
        let took = take(&mut client, &format!("{FRAMES} {SECOND} 320 240"));
        sees(&format!("{change:?}"), &took, 0);
        assert_eq!((number(&took, "errors"), number(&took, "einval")), (50, 50), "{change:?}: {took}");
        let second = push(&env, &pipe, change.1, SIZE, SECOND);
        let took = take(&mut client, &format!("{FRAMES} {SECOND} 320 240"));
        sees(&format!("{change:?}"), &took, FRAMES);
        drop(second);
    }
}

/// It sleeps in VIDIOCSYNC until the next pusher comes. (A zero-copy pusher leaves no ring behind that could be waited
/// for: there VIDIOCMCAPTURE is EINVAL meanwhile.)
#[test]
fn a_client_that_waits_for_a_pusher() {
    for change in CHANGES.into_iter().filter(|(first, _)| *first == One) {
        let env = Env::builder().args(&["--pipes", "1", "--idle", "wait"]).start();
        let pipe = env.pipe(0);
        let first = push(&env, &pipe, change.0, SIZE, "0");
        let mut client = begin(&env, &pipe, &[]);
        leave(&env, first, End::Killed);
        client.send(format!("{FRAMES} {SECOND} 320 240\n").as_bytes());
        assert!(client.event_if_soon("took", Duration::from_millis(300)).is_none(), "{change:?}: it waits");
        let second = push(&env, &pipe, change.1, SIZE, SECOND);
        sees(&format!("{change:?}"), &client.event("took"), FRAMES);
        drop(second);
    }
}

/// The new pusher has its frames at other places than the client was told.
#[test]
fn frames_at_other_places() {
    for origin in ["4096", "1000"] {
        for (mode, here, there) in [(Zero, "0", origin), (Zero, origin, "0"), (One, "", origin)] {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let at = if mode == Zero { vec!["--origin", here] } else { vec![] };
            let first = push_with(&env, &pipe, mode, SIZE, "0", &at);
            let mut client = begin(&env, &pipe, &[]);
            leave(&env, first, End::Closed);
            let second = push_with(&env, &pipe, Zero, SIZE, SECOND, &["--origin", there]);
            let took = take(&mut client, &format!("{FRAMES} {SECOND} 320 240"));
            sees(&format!("{mode:?} {here} {there}"), &took, FRAMES);
            drop(second);
        }
    }
}

/// It asks for frames all the time, while one pusher leaves and the other comes.
#[test]
fn a_client_that_asks_all_the_time() {
    for change in CHANGES {
        for end in [End::Killed, End::Closed] {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let first = push(&env, &pipe, change.0, SIZE, "0");
            let mut client = begin(&env, &pipe, &["--patience", "100000"]);
            client.send(format!("through {FRAMES} {SECOND} 320 240\n").as_bytes());
            // It has begun, or not yet: both are to work.
            leave(&env, first, end);
            let second = push(&env, &pipe, change.1, SIZE, SECOND);
            sees(&format!("{change:?} {end:?}"), &client.event("took"), FRAMES);
            drop(second);
        }
    }
}

/// Smaller frames have room where the first ones were; a one-copy pipe's layout is its size's, as ever.
#[test]
fn smaller_frames() {
    for change in CHANGES {
        let took = after(change, End::Killed, false, "160x120", &[]);
        match change {
            (One, One) => refused(&format!("{change:?}"), &took),
            _ => sees(&format!("{change:?}"), &took, FRAMES),
        }
    }
}

/// Every call was EINVAL, and nothing was shown.
#[track_caller]
fn refused(what: &str, took: &Value) {
    sees(what, took, 0);
    assert_eq!((number(took, "errors"), number(took, "einval")), (50, 50), "{what}: {took}");
}

#[test]
fn larger_frames_are_refused() {
    for change in CHANGES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let first = push(&env, &pipe, change.0, SIZE, "0");
        let mut client = begin(&env, &pipe, &[]);
        leave(&env, first, End::Closed);
        let second = push(&env, &pipe, change.1, "640x480", SECOND);
        let order = format!("{FRAMES} {SECOND} 640 480");
        refused(&format!("{change:?}"), &take(&mut client, &order));
        // VIDIOCGMBUF and mmap mend it.
        sees(&format!("{change:?}, mapped anew"), &take(&mut client, &format!("map {order}")), FRAMES);
        drop(second);
    }
}

/// VIDIOCGMBUF once more; a page unmapped; moved; a forked child; two threads; handlers that ask, too; select() before
/// each frame; read().
#[test]
fn whatever_the_client_has_done_meanwhile() {
    for twist in ["again", "part", "move", "fork", "threads", "signals", "select", "read"] {
        for change in CHANGES {
            let took = after(change, End::Killed, false, SIZE, &["--twist", twist]);
            sees_after(change, &format!("{change:?} {twist}"), &took);
        }
    }
}

/// From one pusher to the next and on, with one mapping, or by read().
#[test]
fn many_changes_in_a_row() {
    for mode in [One, Zero] {
        for extra in [&[][..], &["--twist", "read"], &["--twist", "select"]] {
            many_changes(mode, extra);
        }
    }
}

#[track_caller]
fn many_changes(mode: Mode, extra: &[&str]) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, mode, SIZE, "0");
    let mut client = begin(&env, &pipe, extra);
    let mut former = mode;
    for (round, mode) in [One, Zero, Zero, One, One, Zero, One].into_iter().enumerate() {
        leave(&env, pusher, if round % 2 == 0 { End::Killed } else { End::Closed });
        let first = 1_000_000 * (round + 1);
        pusher = push(&env, &pipe, mode, SIZE, &first.to_string());
        let took = take(&mut client, &format!("{FRAMES} {first} 320 240"));
        sees_after((former, mode), &format!("{round} {mode:?} {extra:?}"), &took);
        former = mode;
    }
}

/// A V4L2 client's buffers are the pipe's own, whoever pushes.
#[test]
fn a_v4l2_client_streams_on() {
    for change in CHANGES {
        for (end, idle) in [(End::Killed, false), (End::Closed, true)] {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let first = push(&env, &pipe, change.0, SIZE, "0");
            let args = [
                "--device",
                pipe.output.as_str(),
                "--io",
                "mmap",
                "--report",
                "1",
                "--restart",
                "--patience",
                "1000",
            ];
            let mut client = env.program("v4l2_client", &args).start();
            client.frame(5);
            leave(&env, first, end);
            if idle {
                std::thread::sleep(Duration::from_millis(2500));
            }
            let second = push(&env, &pipe, change.1, SIZE, SECOND);
            client.frame(1_000_005);
            client.end_input();
            let result = client.result();
            let wrong: Vec<_> = ["torn", "back"].iter().map(|key| number(&result, key)).collect();
            assert_eq!(wrong, [0, 0], "{change:?} {end:?}: {result}");
            drop(second);
        }
    }
}

/// A negative run: a client that goes on looking at the first pusher's bytes is found out.
#[test]
fn old_bytes_are_seen() {
    for change in CHANGES {
        let took = after(change, End::Killed, false, SIZE, &["--twist", "blind"]);
        assert_eq!(number(&took, "good"), 0, "{change:?}: {took}");
        assert!(number(&took, "stale") >= 20, "{change:?}: {took}");
    }
}
