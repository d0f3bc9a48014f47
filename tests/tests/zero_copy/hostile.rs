//! Requests, reads and answers as no program should make them: each has its errno, and harms nobody else.
//!
//! The rows are in `tests/programs/zc_hostile.c` (a client's), `zc_hostile_pusher.c` (a pusher's) and
//! `zc_hostile_crowd.c` (clients beside an honest one).

use vloopback_tests::cases;

use super::*;

/// Runs a client's case at a pusher that is somebody else; the case's events, and the pusher's count at its end.
#[track_caller]
fn client_case(name: &str) -> (Vec<Value>, Value) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let pusher = push(&env, &pipe, "handler", &[]);
    let events =
        cases::pass(env.program("zc_hostile", &[name, "--device", &pipe.output]), |_, case| case.order());
    // Whatever it did, others are served.
    clean(&watch(&env, &pipe, "zc_client", &["--frames", "5"]), 5);
    let pushed = end(pusher);
    env.until_idle();
    (events, pushed)
}

/// Runs a pusher's case, and sees that the pipe is free afterwards.
#[track_caller]
fn pusher_case(env: &Env, program: &str, name: &str, extra: &[&str]) {
    let pipe = env.pipe(0);
    let mut args = vec![name, "--device", pipe.output.as_str(), "--input", &pipe.input];
    args.extend(extra);
    cases::pass(env.program(program, &args), |_, case| case.order());
    env.until_idle();
    let pusher = push(env, &pipe, "select", &[]);
    clean(&watch(env, &pipe, "zc_client", &["--frames", "5"]), 5);
    end(pusher);
}

/// Pointers, sizes, directions and numbers: what is refused does not reach the pusher.
#[test]
fn requests_of_a_hostile_client() {
    let (events, pushed) = client_case("requests");
    let forwarded = events.iter().find(|event| event["event"] == "forwarded").expect("a count");
    // Two more: their answers could not be written where the client wanted them. And those of the client after it:
    // GCAP, GPICT, SPICT, GWIN, SWIN, GMBUF, five MCAPTURE and SYNC.
    assert_eq!(number(&pushed, "requests"), number(forwarded, "count") + 2 + 6 + 10, "{pushed}");
    assert_eq!(number(&pushed, "closed"), 2, "{pushed}");
}

/// Frame numbers out of range, a frame that is armed twice, SYNC with the whole structure of MCAPTURE.
#[test]
fn frames_of_a_hostile_client() {
    client_case("frames");
}

/// Reads of no, too few, some and too many bytes, to memory of every kind.
#[test]
fn reads_of_a_hostile_pusher() {
    pusher_case(&Env::new(1), "zc_hostile_pusher", "reads", &[]);
}

#[test]
fn reads_into_several_pieces() {
    pusher_case(&Env::new(1), "zc_hostile_pusher", "vectors", &[]);
}

/// poll, select and epoll by level and by edge; O_NONBLOCK by fcntl and by FIONBIO; a sleep that is interrupted.
#[test]
fn ways_to_wait_for_a_request() {
    pusher_case(&Env::new(1), "zc_hostile_pusher", "waits", &[]);
}

#[test]
fn answers_of_a_hostile_pusher() {
    pusher_case(&Env::new(1), "zc_hostile_pusher", "answers", &[]);
}

/// A thread waits for its turn behind another one of its process; a signal ends the wait of either.
#[test]
fn threads_of_one_client_are_interrupted() {
    pusher_case(&Env::new(1), "zc_hostile_pusher", "threads", &[]);
}

/// Duplicates, children, and processes that got the input by SCM_RIGHTS read and answer.
#[test]
fn every_copy_of_the_input_reads_and_answers() {
    pusher_case(&Env::new(1), "zc_hostile_pusher", "copies", &[]);
}

#[test]
fn strangers_get_no_requests() {
    pusher_case(&Env::new(1), "zc_hostile_pusher", "strangers", &[]);
}

/// Each client's end is told, however many come while the pusher does not read.
#[test]
fn no_closing_is_lost() {
    // More than a socket takes single bytes.
    let many = if full() { "3000" } else { "400" };
    pusher_case(&Env::new(1), "zc_hostile_crowd", "closings", &["--frames", many]);
}

/// One client opens more often than a pusher has room for: who is there is served, and whoever comes when it is gone.
#[test]
fn a_crowd_of_clients() {
    let many = if full() { "1100" } else { "100" };
    pusher_case(&Env::new(1), "zc_hostile_crowd", "crowd", &["--frames", many]);
}

/// driver/docs/rules.md, "Invariants" 5: what a client overwrites of what it shares stops nobody.
#[test]
fn a_client_that_spoils_what_it_shares() {
    let config = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&config, "answer_timeout = 3\n").expect("a file");
    let path = config.path().to_str().expect("a path in UTF-8");
    let env = Env::builder().args(&["--pipes", "1", "--config", path]).start();
    for seed in if full() { ["1", "2", "3", "4", "5", "6", "7", "8"].as_slice() } else { &["1"] } {
        pusher_case(&env, "zc_hostile_crowd", "spoiled", &["--seed", seed]);
    }
}

/// The same of the socket by which clients reach the pusher: filled, shut down, connected elsewhere.
#[test]
fn a_client_that_spoils_the_way_to_the_pusher() {
    pusher_case(&Env::new(1), "zc_hostile_crowd", "mallets", &[]);
}
