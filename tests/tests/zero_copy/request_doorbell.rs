//! Requests reach a zero-copy pusher without the daemon (`tests/programs/zc_doorbell.c`): while it is stopped they are
//! served all the same, and its death is seen however the pusher waits.

use rustix::process::{Pid, kill_process};
use vloopback_tests::cases;

use super::*;

/// Every way to wait that goes through the library.
const WAYS: &[&str] = &["poll", "ppoll", "select", "pselect", "epoll", "edge", "read", "sigwait"];

/// A case's job, of a pusher that waits in a way.
fn job(env: &Env, name: &str, by: &str) -> vloopback_tests::Job {
    let pipe = env.pipe(0);
    env.program("zc_doorbell", &[name, "--device", &pipe.output, "--input", &pipe.input, "--by", by])
}

/// Stops the daemon and lets it go on, as the case asks.
fn stop_and_go(daemon: Pid) -> impl FnMut(&str, &mut Running) {
    move |event, case| {
        match event {
            "stop-server" => {
                kill_process(daemon, Signal::STOP).expect("a daemon");
                let status = format!("/proc/{}/status", daemon.as_raw_nonzero());
                let stopped = || std::fs::read_to_string(&status).is_ok_and(|s| s.contains("State:\tT"));
                while !stopped() {
                    std::thread::yield_now();
                }
            }
            "go-server" => kill_process(daemon, Signal::CONT).expect("a daemon"),
            _ => return,
        }
        case.order();
    }
}

#[track_caller]
fn pass(name: &str, by: &str) {
    let mut env = Env::new(1);
    let daemon = env.daemon().leader();
    cases::pass(job(&env, name, by), stop_and_go(daemon));
    env.until_idle();
}

/// Issue 4: a forwarded ioctl makes no detour through the daemon's process.
#[test]
fn requests_while_the_daemon_is_stopped() {
    for by in WAYS {
        pass("direct", by);
    }
}

/// What is not asked along cannot be heard: the same test would show it.
#[test]
fn a_wait_that_no_library_sees_is_not_heard_without_the_daemon() {
    let mut env = Env::new(1);
    let daemon = env.daemon().leader();
    let mut case = job(&env, "unheard", "raw").start();
    case.event("stop-server");
    stop_and_go(daemon)("stop-server", &mut case);
    let wrong = case.event("wrong");
    assert!(wrong["what"].as_str().is_some_and(|what| what.contains("nothing is heard")), "{wrong}");
    kill_process(daemon, Signal::CONT).expect("a daemon");
}

/// close, close_range and dup2 leave what is hidden where it is, or move it.
#[test]
fn hidden_descriptors_stay() {
    for by in ["poll", "epoll", "sigwait"] {
        pass("hidden", by);
    }
}

/// A client's way to a pusher ends with that one.
#[test]
fn the_next_pusher_is_reached_too() {
    for by in ["select", "edge", "read"] {
        pass("replaced", by);
    }
}

#[test]
fn a_child_of_the_pusher_hears_too() {
    for by in ["poll", "read"] {
        pass("child", by);
    }
}

/// A pusher that closed by raw calls what it did not open gets it anew.
#[test]
fn hidden_descriptors_that_are_lost_come_back() {
    for by in ["poll", "select", "read"] {
        pass("lost", by);
    }
}

/// A pusher that waits where no hook is, or where the request doorbell could not be put, is served by the daemon at
/// once.
#[test]
fn pushers_that_do_not_look_are_served_as_soon() {
    pass("raw", "raw");
    pass("early", "epoll");
    pass("early", "edge");
}

/// driver/docs/rules.md, "The server", with a client that has all that a client gets and does nothing.
#[test]
fn the_daemon_s_death_wakes_a_pusher_that_waits() {
    for by in WAYS.iter().chain(&["raw"]) {
        let mut env = Env::new(1);
        let mut case = job(&env, "death", by).start();
        case.event("waits");
        until_threads(&mut case, "it sleeps", |status| status.contains("State:\tS"));
        env.kill_daemon();
        let event = case.any_event().unwrap_or_default();
        assert_eq!(event["event"], "pass", "{by}: {event}");
    }
}
