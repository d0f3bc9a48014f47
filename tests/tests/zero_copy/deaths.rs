//! Signals, deaths and departures in mid-request: no hang, no lost pipe.

use rustix::process::Pid;

use super::*;

/// A signal's handler without SA_RESTART gives EINTR and withdraws the request; the late answer does nothing, and
/// the next request is served.
#[test]
fn a_signal_withdraws_a_request() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        let mut client = client(&env, &pipe);
        done(&mut client, "map");
        take(&mut client, 0);
        for order in ["GPICT", "SYNC 0", "SPICT 15"] {
            let name = order.split(' ').next().expect("a word");
            tell(&mut pusher, &format!("stall {name}"), "stalls");
            done(&mut client, "alarm 0");
            begin(&mut client, order);
            pusher.event("stalled");
            interrupt(&mut client);
            tell(&mut pusher, "late", "answered");
            assert_eq!(number(&done(&mut client, "GWIN"), "a"), 320, "{style}: after {order}");
        }
        take(&mut client, 1);
        drop(client);
        end(pusher);
    }
}

/// Old programs limit a wait by an alarm whose handler leaves it by longjmp. The request is withdrawn when the thread asks
/// again; nothing of it stays, however often that happens.
#[test]
fn a_wait_may_be_left_by_longjmp() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        let mut client = client(&env, &pipe);
        let mut other = self::client(&env, &pipe);
        // More often than anybody could count open files.
        for round in 0..40 {
            let order = ["GPICT", "SYNC 0", "SPICT 15"][round % 3];
            let name = order.split(' ').next().expect("a word");
            tell(&mut pusher, &format!("stall {name}"), "stalls");
            begin(&mut client, &format!("jump {order}"));
            pusher.event("stalled");
            client.signal(Signal::USR1);
            let asked = client.event_within("asked", BOUND);
            assert_eq!((number(&asked, "result"), number(&asked, "a")), (0, 1), "{style}: {asked}");
            match round % 4 {
                0 => {
                    // Before the late answer, and for the others too.
                    assert_eq!(number(&done(&mut client, "GWIN"), "a"), 320, "{style}: after {order}");
                    assert_eq!(number(&done(&mut other, "GWIN"), "a"), 320, "{style}: after {order}");
                }
                1 => {
                    tell(&mut pusher, "late", "answered");
                    assert_eq!(number(&done(&mut client, "GPICT"), "a"), 15, "{style}: after {order}");
                }
                // Other threads of the process on the same descriptor, once it has asked.
                2 => {
                    done(&mut client, "GWIN");
                    assert_eq!(number(&done(&mut client, "threads 2"), "a"), 0, "{style}: after {order}");
                }
                _ => {
                    done(&mut client, "close");
                    done(&mut client, "open");
                    assert_eq!(number(&done(&mut client, "GWIN"), "a"), 320, "{style}: after {order}");
                }
            }
            tell(&mut pusher, "late", "answered");
        }
        done(&mut client, "map");
        take(&mut client, 0);
        drop((client, other));
        end(pusher);
    }
}

/// A handler that asks by the descriptor whose request it interrupts: it is served, and the request is given up, whether
/// the handler has SA_RESTART or not.
#[test]
fn a_handler_may_ask() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        let mut client = client(&env, &pipe);
        for how in ["nest", "nest-restart"] {
            for order in ["GPICT", "SYNC 0"] {
                let name = order.split(' ').next().expect("a word");
                tell(&mut pusher, &format!("stall {name}"), "stalls");
                begin(&mut client, &format!("{how} {order}"));
                pusher.event("stalled");
                client.signal(Signal::USR1);
                let asked = client.event_within("asked", BOUND);
                assert_eq!(
                    (number(&asked, "result"), number(&asked, "errno")),
                    (-1, EINTR),
                    "{style}: {asked}"
                );
                assert_eq!((number(&asked, "a"), number(&asked, "b")), (0, 320), "{style}: {asked}");
                tell(&mut pusher, "late", "answered");
                assert_eq!(number(&done(&mut client, "GPICT"), "a"), 15, "{style}: after {how} {order}");
            }
        }
        drop(client);
        end(pusher);
    }
}

/// A thread that is cancelled in a request: the descriptor is good for the others.
#[test]
fn a_thread_cancelled_in_a_request() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        let mut client = client(&env, &pipe);
        for name in ["GPICT", "SYNC", "GPICT"] {
            tell(&mut pusher, &format!("stall {name}"), "stalls");
            done(&mut client, &format!("spawn {name}"));
            pusher.event("stalled");
            assert_eq!(number(&done(&mut client, "cancel"), "a"), 1, "{style}: {name}");
            assert_eq!(number(&done(&mut client, "GWIN"), "a"), 320, "{style}: after {name}");
            tell(&mut pusher, "late", "answered");
        }
        done(&mut client, "map");
        take(&mut client, 0);
        drop(client);
        end(pusher);
    }
}

/// A client that dies in mid-request: the pusher hears of its end, its answer does nothing, others are served.
#[test]
fn a_client_killed_in_mid_request() {
    for style in STYLES {
        let env = endless();
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
        let env = endless();
        let pipe = env.pipe(0);
        for (name, order) in [("GPICT", "GPICT"), ("SYNC", "SYNC 0")] {
            for how in ["killed", "killed unread", "closed"] {
                let mut pusher = push(&env, &pipe, style, &["--stall", name]);
                let mut asking = client(&env, &pipe);
                let mut waiting = client(&env, &pipe);
                done(&mut asking, "map");
                done(&mut asking, "MCAPTURE 0 15 320 240");
                if how == "killed unread" {
                    stop(&mut pusher);
                }
                begin(&mut asking, order);
                if how == "killed unread" {
                    until_posted(&env);
                    if !["poll", "select"].contains(style) {
                        signalled(&mut pusher);
                    }
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

/// How many descriptors a process has.
fn descriptors(process: Pid) -> usize {
    let folder = format!("/proc/{}/fd", process.as_raw_nonzero());
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Either side killed at moments counted in frames: nobody hangs, and the pipe stays usable.
#[test]
fn killed_at_any_moment() {
    let moments: Vec<u64> = if full() { (0..60).collect() } else { vec![0, 1, 2, 5, 11] };
    for style in STYLES {
        let mut env = endless();
        let pipe = env.pipe(0);
        let daemon = env.daemon().leader();
        let before = descriptors(daemon);
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
        env.until_idle();
        // Nothing is left of all these in the server.
        let until = Instant::now() + PATIENCE;
        while descriptors(daemon) > before {
            assert!(Instant::now() < until, "{style}: {} descriptors, {before} before", descriptors(daemon));
            std::thread::yield_now();
        }
    }
}

/// A pusher that is stopped is waited for; what was asked meanwhile is served when it goes on.
#[test]
fn a_stopped_pusher_goes_on() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        let mut client = client(&env, &pipe);
        done(&mut client, "map");
        for frame in [0, 1, 0] {
            stop(&mut pusher);
            done(&mut client, "alarm 0");
            begin(&mut client, "GPICT");
            interrupt(&mut client);
            begin(&mut client, "GWIN");
            pusher.signal(Signal::CONT);
            let got = client.event_within("asked", BOUND);
            assert_eq!((number(&got, "result"), number(&got, "a")), (0, 320), "{style}: {got}");
            take(&mut client, frame);
        }
        drop(client);
        end(pusher);
    }
}

/// Signals at every moment of a client's calls: each gives EINTR or nothing, and every frame is whole.
#[test]
fn signals_at_any_moment() {
    let frames = if full() { "1000" } else { "100" };
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, &["--fps", "200"]);
        // A read() is four requests, and a pusher that looks once a frame takes a frame for each: there is time for one
        // between two signals.
        for reads in [false, true] {
            let mut args =
                vec!["--device", pipe.output.as_str(), "--alarm-ms", "47", "--patience", "1000000"];
            args.extend(["--frames", frames]);
            args.extend(reads.then_some("--read"));
            let mut client = env.program("zc_client", &args).start();
            let result = client.event_within("result", 10 * PATIENCE);
            for key in ["torn", "foreign", "back"] {
                assert_eq!(number(&result, key), 0, "{style}: {key}: {result}");
            }
            assert_eq!(number(&result, "errors"), number(&result, "eintr"), "{style}: {result}");
            // Some style's calls are long enough to be interrupted for certain: it waits for its camera.
            assert!(*style != "select" || number(&result, "eintr") > 0, "{style}: {result}");
        }
        end(pusher);
    }
}

/// driver/docs/rules.md, "The server": the daemon is killed. Whoever waits for the pusher gets ENODEV, whoever waits
/// for a client is woken in its poll or select, and both can end.
#[test]
fn the_daemon_s_death_ends_every_wait() {
    for style in STYLES {
        let mut env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        let mut asks = client(&env, &pipe);
        let mut behind = client(&env, &pipe);
        let args = ["--device", pipe.output.as_str(), "--report", "1", "--by", "poll"];
        let mut polls = env.program("v4l2_client", &args).start();
        polls.frame(2);
        stop(&mut polls);
        tell(&mut pusher, "stall GPICT", "stalls");
        begin(&mut asks, "GPICT");
        pusher.event("stalled");
        begin(&mut behind, "GWIN");
        env.kill_daemon();
        polls.signal(Signal::CONT);
        for client in [&mut asks, &mut behind] {
            let asked = client.event_within("asked", BOUND);
            assert_eq!((number(&asked, "result"), number(&asked, "errno")), (-1, ENODEV), "{style}: {asked}");
            assert_eq!(refused(client, "GPICT"), ENODEV, "{style}: and from then on");
        }
        polls.event_within("result", BOUND);
        // It is readable, and a read fails: those that look by themselves say so.
        if ["poll", "select"].contains(style) {
            assert_eq!(pusher.event_within("wrong", BOUND)["what"], "read", "{style}");
        } else {
            assert_eq!(number(&tell(&mut pusher, "poll", "polled"), "result"), 1, "{style}");
        }
    }
}
