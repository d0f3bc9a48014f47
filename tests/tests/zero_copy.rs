//! Zero-copy mode from end to end: every style of pusher answers its clients' requests, and what goes wrong on
//! either side harms nobody (LEGACY.md 1 and 4, DESIGN.md 6).

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use vloopback_tests::{Env, PATIENCE, Pipe, Running, full};

const EINTR: i64 = 4;
const EIO: i64 = 5;
const EFAULT: i64 = 14;
const EINVAL: i64 = 22;
const ENOTTY: i64 = 25;

/// How long anybody may take to notice a death.
const BOUND: Duration = Duration::from_secs(5);

/// Every style that pushers had (LEGACY.md 4).
const STYLES: &[&str] = &["handler", "pause", "sigwait", "poll", "select"];

/// Bytes of a frame of the memory at 320x240.
const SLOT: i64 = 320 * 240 * 3;

/// What an event says, as a number.
#[track_caller]
fn number(event: &Value, key: &str) -> i64 {
    event[key].as_i64().unwrap_or_else(|| panic!("no {key} in {event}"))
}

/// Asserts a clean result with at least `frames` frames.
#[track_caller]
fn clean(result: &Value, frames: i64) {
    for key in ["torn", "foreign", "back", "errors"] {
        assert_eq!(number(result, key), 0, "{key}: {result}");
    }
    assert!(number(result, "received") >= frames, "{result}");
}

/// A zero-copy pusher, not set up yet.
fn begin_pusher(env: &Env, pipe: &Pipe, style: &str, extra: &[&str]) -> Running {
    let mut args = vec!["--device", pipe.input.as_str(), "--style", style];
    args.extend(extra);
    env.program("zc_pusher", &args).start()
}

/// A zero-copy pusher that answers.
#[track_caller]
fn push(env: &Env, pipe: &Pipe, style: &str, extra: &[&str]) -> Running {
    let mut pusher = begin_pusher(env, pipe, style, extra);
    pusher.event("setup");
    pusher
}

/// Ends a pusher, and asserts that nothing was wrong with what it met.
#[track_caller]
fn end(mut pusher: Running) -> Value {
    pusher.end_input();
    loop {
        let event = pusher.any_event().expect("an end");
        assert!(event["event"] != "wrong", "{event}");
        if event["event"] == "pushed" {
            assert_eq!(number(&event, "wrong"), 0, "{event}");
            pusher.finish().ok();
            return event;
        }
    }
}

/// A watching client's result.
#[track_caller]
fn watch(env: &Env, pipe: &Pipe, program: &str, extra: &[&str]) -> Value {
    let mut args = vec!["--device", pipe.output.as_str()];
    args.extend(extra);
    env.program(program, &args).start().result()
}

/// A client that does what it is told, with the output open.
#[track_caller]
fn client(env: &Env, pipe: &Pipe) -> Running {
    let mut client = env.program("zc_client", &["ask", "--device", &pipe.output]).start();
    client.event("ready");
    done(&mut client, "open");
    client
}

/// Gives an order whose end may be far off.
#[track_caller]
fn begin(program: &mut Running, order: &str) {
    program.send(format!("{order}\n").as_bytes());
    program.event("asking");
}

/// What a client's order comes to.
#[track_caller]
fn ask(client: &mut Running, order: &str) -> Value {
    begin(client, order);
    client.event("asked")
}

/// An order that has to succeed.
#[track_caller]
fn done(client: &mut Running, order: &str) -> Value {
    let asked = ask(client, order);
    assert!(number(&asked, "result") >= 0, "{asked}");
    asked
}

/// The errno of an order that has to fail.
#[track_caller]
fn refused(client: &mut Running, order: &str) -> i64 {
    let asked = ask(client, order);
    assert_eq!(number(&asked, "result"), -1, "{asked}");
    number(&asked, "errno")
}

/// An order to a pusher.
#[track_caller]
fn tell(pusher: &mut Running, order: &str, event: &str) -> Value {
    pusher.send(format!("{order}\n").as_bytes());
    pusher.event(event)
}

/// The pusher has nothing to read.
#[track_caller]
fn idle(pusher: &mut Running) {
    let polled = tell(pusher, "poll", "polled");
    assert_eq!(number(&polled, "result"), 0, "readable while idle: {polled}");
}

/// Waits until a stopped pusher has a SIGIO to come, which tells that a request was posted.
#[track_caller]
fn signalled(pusher: &mut Running) {
    let status = format!("/proc/{}/status", pusher.pid().as_raw_nonzero());
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let text = std::fs::read_to_string(&status).expect("the status of a stopped process");
        let pending = text.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("a line ShdPnd");
        let pending = u64::from_str_radix(pending.trim(), 16).expect("a hexadecimal number");
        if pending & 1 << (Signal::IO.as_raw() - 1) != 0 {
            return;
        }
        std::thread::yield_now();
    }
    panic!("no SIGIO for the stopped pusher: {}", std::fs::read_to_string(&status).expect("status"));
}

/// A frame by MCAPTURE and SYNC through the client's mapping; its number.
#[track_caller]
fn take(client: &mut Running, frame: i64) -> i64 {
    done(client, &format!("MCAPTURE {frame} 15 320 240"));
    done(client, &format!("SYNC {frame}"));
    let looked = done(client, &format!("look {frame}"));
    assert_eq!(number(&looked, "b"), -1, "torn: {looked}");
    assert!(number(&looked, "a") >= 0, "no test frame: {looked}");
    number(&looked, "a")
}

/// Each style with a client that maps and one that reads: right pictures, the pusher's own geometry, a number 0
/// for each client that closes, no signal without a reason.
#[test]
fn every_style_serves_mapped_and_reading_clients() {
    for style in STYLES {
        for frames in ["2", "1"] {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let mut pusher = push(&env, &pipe, style, &["--frames", frames, "--look-again"]);
            idle(&mut pusher);
            let args = ["--device", &pipe.output, "--frames", "30"];
            let mut mapped = env.program("zc_client", &args).start();
            let geometry = mapped.event("mapped");
            assert_eq!(geometry["frames"].to_string(), frames, "{style}: {geometry}");
            assert_eq!(number(&geometry, "size"), SLOT * number(&geometry, "frames"), "{geometry}");
            assert_eq!(mapped.event("ready")["name"], "zero-copy test camera", "{style}");
            let result = mapped.result();
            clean(&result, 30);
            assert_eq!(number(&result, "gaps"), 0, "{style}: {result}");
            pusher.event("closed");
            idle(&mut pusher);
            clean(&watch(&env, &pipe, "zc_client", &["--read", "--frames", "30"]), 30);
            pusher.event("closed");
            idle(&mut pusher);
            let pushed = end(pusher);
            assert_eq!(number(&pushed, "closed"), 2, "{style}: {pushed}");
            assert_eq!(number(&pushed, "spurious"), 0, "{style}: {pushed}");
            env.until_idle();
        }
    }
}

/// LEGACY.md 5: the clients of that time.
#[test]
fn clients_of_the_time() {
    let clients = [
        "client_motion",
        "client_effectv",
        "client_readonly",
        "client_xawtv",
        "client_hold",
        "client_libv4l1",
        "client_read",
    ];
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, &["--fps", "200"]);
        for client in clients {
            let result = watch(&env, &pipe, client, &["--frames", "20"]);
            clean(&result, 20);
        }
        end(pusher);
    }
}

/// The other palettes of the time, at other sizes.
#[test]
fn palettes_and_sizes() {
    for (palette, size) in [("4", "640x480"), ("1", "352x288"), ("7", "20x20"), ("15", "322x242")] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "handler", &["--palette", palette, "--size", size]);
        for extra in [&["--frames", "10"][..], &["--frames", "10", "--read"]] {
            clean(&watch(&env, &pipe, "zc_client", extra), 10);
        }
        end(pusher);
    }
}

/// A negative run: one wrong bit in one frame is seen by either kind of client.
#[test]
fn a_wrong_bit_is_detected() {
    for extra in [&["--frames", "10"][..], &["--frames", "10", "--read"]] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "handler", &["--wrong-frame", "7"]);
        let mut args = vec!["--device", pipe.output.as_str()];
        args.extend(extra);
        let mut client = env.program("zc_client", &args).start();
        assert_eq!(number(&client.event("torn"), "n"), 7);
        let result = client.event("result");
        assert_eq!((number(&result, "torn"), number(&result, "received")), (1, 9), "{result}");
        end(pusher);
    }
}

/// LEGACY.md 4, rule 7: SINVALID is ENOTTY, other bytes in answer to a set are EINVAL, SINVALID and then an answer
/// is ENOTTY still; none of them has any effect on the next request.
#[test]
fn refusals_have_the_right_errno() {
    for (by, set) in [("sinvalid", ENOTTY), ("bytes", EINVAL), ("both", ENOTTY)] {
        for style in STYLES {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let pusher = push(&env, &pipe, style, &["--refuse", by]);
            let mut client = client(&env, &pipe);
            for order in
                ["SPICT 4", "SWIN 2 2", "SWIN 4000 4000", "SCHAN 9", "MCAPTURE 0 4 320 240", "SYNC 7"]
            {
                assert_eq!(refused(&mut client, order), set, "{style} by {by}: {order}");
                let got = done(&mut client, "GPICT");
                assert_eq!((number(&got, "a"), number(&got, "b")), (15, 12), "{style} by {by}: {got}");
            }
            for order in ["GTUNER", "GCHAN 9", "GAUDIO", "GFREQ", "KEY", "GPLAYINFO", "GVBIFMT"] {
                assert_eq!(refused(&mut client, order), ENOTTY, "{style} by {by}: {order}");
                let got = done(&mut client, "GWIN");
                assert_eq!((number(&got, "a"), number(&got, "b")), (320, 240), "{style} by {by}: {got}");
            }
            drop(client);
            end(pusher);
        }
    }
}

/// Clients that find out what a device has by what fails.
#[test]
fn formats_are_found_by_failing_requests() {
    for (by, errno) in [("sinvalid", ENOTTY), ("bytes", EINVAL)] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "pause", &["--refuse", by, "--palette", "8"]);
        let mut client = env.program("zc_client", &["probe", "--device", &pipe.output]).start();
        for palette in 1..=16 {
            let probed = client.event("probed");
            let expected = if palette == 8 { 0 } else { errno };
            assert_eq!(number(&probed, "palette"), palette);
            assert_eq!(
                (number(&probed, "spict"), number(&probed, "mcapture")),
                (expected, expected),
                "{probed}"
            );
            assert_eq!(number(&probed, "sync"), 0, "{probed}");
        }
        client.event("end");
        end(pusher);
    }
}

/// Sets and gets reach the pusher and come back: size, input, brightness.
#[test]
fn a_client_sets_the_pusher_s_camera() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--report", "1"]);
        let mut client = client(&env, &pipe);
        let cap = done(&mut client, "GCAP");
        assert_eq!((number(&cap, "a"), number(&cap, "b"), number(&cap, "c")), (1, 2, 320), "{cap}");
        assert_eq!(pusher.event("request")["name"], "GCAP");
        done(&mut client, "SPICT 15 4711");
        assert_eq!(number(&done(&mut client, "GPICT"), "c"), 4711);
        done(&mut client, "SCHAN 1");
        let channel = done(&mut client, "GCHAN 1");
        assert_eq!(
            (number(&channel, "a"), number(&channel, "b"), number(&channel, "c")),
            (1, 2, 1),
            "{channel}"
        );
        done(&mut client, "SWIN 160 120");
        let window = done(&mut client, "GWIN");
        assert_eq!(
            (number(&window, "a"), number(&window, "b"), number(&window, "c")),
            (160, 120, 0),
            "{window}"
        );
        done(&mut client, "CAPTURE 1");
        // read() has the size that is set now.
        let got = done(&mut client, "read");
        assert_eq!(number(&got, "result"), 160 * 120 * 3 / 2, "{got}");
        assert_eq!(number(&got, "b"), -1, "{got}");
        drop(client);
        end(pusher);
    }
}

/// LEGACY.md 1.6: a read() is not forwarded; the pusher sees GWIN, GPICT, MCAPTURE and SYNC.
#[test]
fn a_read_is_served_as_four_requests() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, "handler", &["--report", "1"]);
    let mut client = client(&env, &pipe);
    let got = done(&mut client, "read");
    assert_eq!(number(&got, "b"), -1, "{got}");
    let mut names: Vec<String> = (0..4).map(|_| pusher.event("request")["name"].to_string()).collect();
    names[..2].sort();
    assert_eq!(names, ["\"GPICT\"", "\"GWIN\"", "\"MCAPTURE\"", "\"SYNC\""]);
    // A short read gives the frame's beginning.
    let got = done(&mut client, "read 1000");
    assert_eq!((number(&got, "result"), number(&got, "b")), (1000, -1), "{got}");
    drop(client);
    end(pusher);
}

/// LEGACY.md 4, rules 7 and 8: an answer, or SINVALID, with nothing pending is 0 and does nothing; so is a second
/// answer to everything.
#[test]
fn answers_to_nothing_are_harmless() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--twice", "--look-again"]);
        for order in ["answer", "sinvalid", "sinvalid", "answer"] {
            let asked = tell(&mut pusher, order, "asked");
            assert_eq!(number(&asked, "result"), 0, "{style}: {order}: {asked}");
            idle(&mut pusher);
        }
        let mut client = client(&env, &pipe);
        assert_eq!(number(&done(&mut client, "GPICT"), "a"), 15, "{style}");
        tell(&mut pusher, "sinvalid", "asked");
        assert_eq!(number(&done(&mut client, "GWIN"), "a"), 320, "{style}");
        assert_eq!(refused(&mut client, "GTUNER"), ENOTTY, "{style}");
        assert_eq!(number(&done(&mut client, "GWIN"), "b"), 240, "{style}");
        done(&mut client, "close");
        pusher.event("closed");
        idle(&mut pusher);
        clean(&watch(&env, &pipe, "zc_client", &["--frames", "20"]), 20);
        end(pusher);
    }
}

/// An answer counts only for a request that was read since it was posted: one to a request that was given up does
/// not answer the next of the same number.
#[test]
fn a_late_answer_answers_nothing() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--stall", "GPICT"]);
        let mut client = client(&env, &pipe);
        begin(&mut client, "GPICT");
        pusher.event("stalled");
        client.kill();
        pusher.event("closed");
        tell(&mut pusher, "late", "answered");
        let mut other = self::client(&env, &pipe);
        tell(&mut pusher, "stall GPICT", "stalls");
        begin(&mut other, "GPICT");
        pusher.event("stalled");
        tell(&mut pusher, "late", "answered");
        let got = other.event("asked");
        assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{style}: {got}");
        drop(other);
        end(pusher);
    }
}

/// A signal's handler without SA_RESTART gives EINTR and withdraws the request; the late answer does nothing, and
/// the next request is served.
#[test]
fn a_signal_withdraws_a_request() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        let mut client = client(&env, &pipe);
        done(&mut client, "map");
        take(&mut client, 0);
        for order in ["GPICT", "SYNC 0", "SPICT 15"] {
            let name = order.split(' ').next().expect("a word");
            tell(&mut pusher, &format!("stall {name}"), "stalls");
            done(&mut client, "alarm 50");
            assert_eq!(refused(&mut client, order), EINTR, "{style}: {order}");
            done(&mut client, "alarm 0");
            pusher.event("stalled");
            tell(&mut pusher, "late", "answered");
            assert_eq!(number(&done(&mut client, "GWIN"), "a"), 320, "{style}: after {order}");
        }
        take(&mut client, 1);
        drop(client);
        end(pusher);
    }
}

/// Two that read get whole frames each, however their requests mix; and so does one that reads beside one that maps.
/// Two that map share the pusher's frames: no request of theirs fails.
#[test]
fn two_clients_at_once() {
    let count = if full() { "1000" } else { "100" };
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, &["--fps", "500"]);
        for (first, second) in [(true, true), (true, false), (false, false)] {
            let start = |reads: bool| {
                let mut args = vec!["--device", pipe.output.as_str(), "--frames", count];
                args.extend(reads.then_some("--read"));
                env.program("zc_client", &args).start()
            };
            let both = [(first, start(first)), (second, start(second))];
            for (reads, mut client) in both {
                let result = client.event("result");
                assert_eq!(number(&result, "errors"), 0, "{style}: {result}");
                assert_eq!(number(&result, "foreign"), 0, "{style}: {result}");
                if reads {
                    clean(&result, 100);
                }
            }
        }
        end(pusher);
    }
}

/// Requests go to the pusher one at a time: behind a SYNC that waits, another client's waits too.
#[test]
fn requests_queue() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--report", "1"]);
        let mut first = client(&env, &pipe);
        let mut second = client(&env, &pipe);
        done(&mut first, "map");
        done(&mut first, "MCAPTURE 0 15 320 240");
        tell(&mut pusher, "stall SYNC", "stalls");
        begin(&mut first, "SYNC 0");
        pusher.event("stalled");
        begin(&mut second, "GPICT");
        idle(&mut pusher);
        tell(&mut pusher, "late", "answered");
        assert_eq!(number(&first.event("asked"), "result"), 0, "{style}");
        let got = second.event("asked");
        assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{style}: {got}");
        // A child of the client's asks through the descriptor that it has from it.
        assert_eq!(number(&done(&mut second, "fork"), "a"), 0, "{style}");
        assert_eq!(number(&done(&mut second, "GPICT"), "a"), 15, "{style}");
        drop((first, second));
        end(pusher);
    }
}

/// Several signals become one while the pusher cannot take them: it still gets all that there is to read, although
/// it reads once a signal.
#[test]
fn no_request_is_lost_among_signals() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        for round in 0..10 {
            let mut clients: Vec<Running> = (0..3).map(|_| client(&env, &pipe)).collect();
            for client in &mut clients {
                done(client, "GPICT");
            }
            pusher.signal(Signal::STOP);
            let (closing, asking) = clients.split_at_mut(1);
            if round % 2 == 0 {
                begin(&mut asking[0], "GPICT");
                done(&mut closing[0], "close");
                begin(&mut asking[1], "GWIN");
            } else {
                done(&mut closing[0], "close");
                begin(&mut asking[0], "GPICT");
                asking[1].kill();
            }
            pusher.signal(Signal::CONT);
            let got = asking[0].event_within("asked", BOUND);
            assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{style}: {got}");
            drop(clients);
            for _ in 0..3 {
                pusher.event_within("closed", BOUND);
            }
            idle(&mut pusher);
        }
        let pushed = end(pusher);
        assert_eq!(number(&pushed, "closed"), 30, "{style}: {pushed}");
    }
}

/// A client that dies in mid-request: the pusher hears of its end, its answer does nothing, others are served.
#[test]
fn a_client_killed_in_mid_request() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        let mut other = client(&env, &pipe);
        done(&mut other, "map");
        for name in ["GPICT", "SYNC", "MCAPTURE"] {
            let mut victim = client(&env, &pipe);
            tell(&mut pusher, &format!("stall {name}"), "stalls");
            begin(&mut victim, if name == "MCAPTURE" { "MCAPTURE 0 15 320 240" } else { name });
            pusher.event("stalled");
            // One more waits for its turn behind the victim.
            begin(&mut other, "GWIN");
            victim.kill();
            let got = other.event_within("asked", BOUND);
            assert_eq!((number(&got, "result"), number(&got, "a")), (0, 320), "{style}: {got}");
            pusher.event_within("closed", BOUND);
            tell(&mut pusher, "late", "answered");
            take(&mut other, 0);
        }
        // And one that is killed while it waits for its turn.
        tell(&mut pusher, "stall GPICT", "stalls");
        begin(&mut other, "GPICT");
        pusher.event("stalled");
        let mut victim = client(&env, &pipe);
        begin(&mut victim, "GWIN");
        victim.kill();
        drop(victim);
        tell(&mut pusher, "late", "answered");
        assert_eq!(number(&other.event("asked"), "a"), 15, "{style}");
        take(&mut other, 1);
        drop(other);
        end(pusher);
    }
}

/// A pusher that dies, or closes, with a request unanswered or unread: EIO within the bound, also for those who
/// wait for their turn; the memory stays the clients'; with the next pusher the open client goes on.
#[test]
fn a_pusher_that_leaves_in_mid_request() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        for (name, order) in [("GPICT", "GPICT"), ("SYNC", "SYNC 0")] {
            for how in ["killed", "killed unread", "closed"] {
                if how == "killed unread" && ["poll", "select"].contains(style) {
                    // They never take a SIGIO: it does not tell of this request.
                    continue;
                }
                let mut pusher = push(&env, &pipe, style, &["--stall", name]);
                let mut asking = client(&env, &pipe);
                let mut waiting = client(&env, &pipe);
                done(&mut asking, "map");
                done(&mut asking, "MCAPTURE 0 15 320 240");
                if how == "killed unread" {
                    pusher.signal(Signal::STOP);
                }
                begin(&mut asking, order);
                if how == "killed unread" {
                    signalled(&mut pusher);
                } else {
                    pusher.event("stalled");
                }
                begin(&mut waiting, "GWIN");
                if how == "closed" {
                    tell(&mut pusher, "close", "shut");
                } else {
                    pusher.kill();
                }
                let asked = asking.event_within("asked", BOUND);
                assert_eq!(
                    (number(&asked, "result"), number(&asked, "errno")),
                    (-1, EIO),
                    "{style}, {how}: {asked}"
                );
                // Whether it was in time to be refused with the other depends on the moment.
                waiting.event_within("asked", BOUND);
                done(&mut asking, "look 0");
                drop(pusher);
                env.until("no pusher", |pipes| pipes[0].input_status == "-");
                let pusher = push(&env, &pipe, style, &["--first", "1000"]);
                assert_eq!(number(&done(&mut waiting, "GPICT"), "a"), 15, "{style}, {how}");
                done(&mut asking, "look 0");
                done(&mut asking, "map");
                assert!(take(&mut asking, 0) >= 1000, "{style}, {how}");
                drop((asking, waiting));
                end(pusher);
            }
        }
    }
}

/// LEGACY.md 4, dv4l: the same range mapped again, and closed and opened again; what is left of the memory after
/// the close is the pusher's until it unmaps it.
#[test]
fn memory_is_mapped_again_and_outlives_the_close() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        for order in ["remap", "reopen", "remap"] {
            tell(&mut pusher, order, "setup");
            clean(&watch(&env, &pipe, "zc_client", &["--frames", "5"]), 5);
            clean(&watch(&env, &pipe, "zc_client", &["--frames", "5", "--read"]), 5);
        }
        // With a client that has it mapped, too.
        let mut client = client(&env, &pipe);
        done(&mut client, "map");
        take(&mut client, 0);
        tell(&mut pusher, "remap", "setup");
        take(&mut client, 1);
        tell(&mut pusher, "close", "shut");
        env.until("the pipe is free", |pipes| pipes[0].input_status == "-");
        done(&mut client, "look 1");
        tell(&mut pusher, "unmap", "unmapped");
        done(&mut client, "look 1");
        tell(&mut pusher, "open", "setup");
        done(&mut client, "map");
        take(&mut client, 0);
        drop(client);
        end(pusher);
    }
}

/// LEGACY.md 4, rule 3: a client that comes between mmap() and signal() does not kill the pusher, and is served as
/// soon as there is a handler.
#[test]
fn a_client_between_mmap_and_signal() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = begin_pusher(&env, &pipe, style, &["--wait"]);
        pusher.event("mapped");
        let mut client = client(&env, &pipe);
        // It was interrupted in its sleep: the request had been posted.
        done(&mut client, "alarm 50");
        assert_eq!(refused(&mut client, "GPICT"), EINTR, "{style}");
        done(&mut client, "alarm 0");
        begin(&mut client, "GPICT");
        pusher.order();
        pusher.event("setup");
        let got = client.event_within("asked", BOUND);
        assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{style}: {got}");
        drop(client);
        end(pusher);
    }
}

/// LEGACY.md 6: write() in zero-copy mode is EINVAL; a mapping that fails leaves the pipe in one-copy mode.
#[test]
fn one_copy_becomes_zero_copy_by_a_mapping_only() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = begin_pusher(&env, &pipe, "select", &["--one-copy"]);
    let written = number(&pusher.event("wrote"), "result");
    assert_eq!(written, 320 * 240 * 3 / 2, "one-copy mode after mappings that fail");
    pusher.event("setup");
    let wrote = tell(&mut pusher, "write", "wrote");
    assert_eq!((number(&wrote, "result"), number(&wrote, "errno")), (-1, EINVAL));
    clean(&watch(&env, &pipe, "zc_client", &["--frames", "5"]), 5);
    let wrote = tell(&mut pusher, "write", "wrote");
    assert_eq!((number(&wrote, "result"), number(&wrote, "errno")), (-1, EINVAL));
    end(pusher);
    // The next pusher is a one-copy one, and nothing of the mode is left.
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    clean(&watch(&env, &pipe, "client_motion", &["--frames", "5"]), 5);
    pusher.end_input();
    pusher.event("pushed");
    pusher.finish().ok();
}

/// Pointers that lead nowhere and sizes that lie are refused at the client; the pusher sees none of them.
#[test]
fn bad_requests_do_not_reach_the_pusher() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let pusher = push(&env, &pipe, "handler", &[]);
    let mut client = client(&env, &pipe);
    for request in ["803c7601", "c0307602", "400e7607", "80287609", "40047612", "40107613", "80887614"] {
        for pointer in ["null", "low", "wild", "half"] {
            let order = format!("raw {request} {pointer}");
            assert_eq!(refused(&mut client, &order), EFAULT, "{order}");
        }
    }
    // More than a request of the API can have, and all that an ioctl can.
    for order in ["raw c40176e0 good", "raw ffff76e0 good", "raw 44017607 good", "raw 7fff7607 good"] {
        assert_eq!(refused(&mut client, order), EINVAL, "{order}");
    }
    // The ABI's other shape, and the right number with another size.
    for order in ["raw 40207609 good", "raw 80107606 good", "raw 7601 good", "raw 44007607 good"] {
        assert_eq!(refused(&mut client, order), ENOTTY, "{order}");
    }
    assert_eq!(refused(&mut client, "SINVALID"), ENOTTY);
    assert_eq!(refused(&mut client, "raw 803c7601 const"), EFAULT);
    // A sign-extended number is the same request.
    let got = done(&mut client, "raw ffffffff803c7601 good");
    assert_eq!(number(&got, "result"), 0);
    done(&mut client, "map");
    take(&mut client, 0);
    drop(client);
    end(pusher);
}

/// Either side killed at moments counted in frames: nobody hangs, and the pipe stays usable.
#[test]
fn killed_at_any_moment() {
    let moments: Vec<u64> = if full() { (0..60).collect() } else { vec![0, 1, 2, 5, 11] };
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--fps", "500"]);
        for moment in &moments {
            for reads in [false, true] {
                let args = ["--device", pipe.output.as_str(), "--report", "1", "--read"];
                let mut victim =
                    env.program("zc_client", if reads { &args } else { &args[..args.len() - 1] }).start();
                let mut other = env.program("zc_client", &args).start();
                let first = victim.frame(0);
                victim.frame(first + moment);
                victim.kill();
                let n = other.frame(0);
                other.frame(n + 5);
                pusher.kill();
                let error = other.event_within("error", BOUND);
                assert!(matches!(number(&error, "errno"), 0 | EIO | EINVAL), "{style}: {error}");
                let result = other.event_within("result", BOUND);
                assert_eq!(number(&result, "torn"), 0, "{style}: {result}");
                drop((victim, other));
                env.until_idle();
                pusher = push(&env, &pipe, style, &["--fps", "500"]);
            }
        }
        clean(&watch(&env, &pipe, "client_motion", &["--frames", "5"]), 5);
        end(pusher);
    }
}
