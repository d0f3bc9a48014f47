//! What hostile programs, dying servers and servers that do not answer may do to others: nothing. (What needs no
//! program is in `driver/daemon/tests/trust.rs`.)

use rustix::process::Signal;
use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Running, number};

const SIZE: &str = "64x48";

fn push(env: &Env, fps: &str) -> Running {
    let args = ["--device", &env.pipe(0).input, "--size", SIZE, "--fps", fps];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    pusher
}

fn start(env: &Env, words: &[&str], ready: &str) -> Running {
    let pipe = env.pipe(0);
    let args = [words, &["--device", &pipe.output, "--input", &pipe.input, "--size", SIZE]].concat();
    let mut program = env.program("trust", &args).start();
    program.event(ready);
    program
}

/// A client that sleeps on all shared words that it can reach, so that the kernel refuses to wake others there, or
/// that puts others' sleep elsewhere: whoever waits in a call, or in poll, gets frames all the same.
#[test]
fn a_sleeper_silences_nobody() {
    for way in ["requeue-pi", "requeue"] {
        let env = Env::new(1);
        let _pusher = push(&env, "30");
        let attacker = start(&env, &[way], "attacks");
        let pipe = env.pipe(0);
        for by in [&[][..], &["--by", "poll"], &["--by", "epoll"], &["--io", "read"]] {
            let args = [&["--device", &pipe.output, "--size", SIZE, "--frames", "40"], by].concat();
            let result = env.program("v4l2_client", &args).start().result();
            assert_eq!(
                (number(&result, "torn"), number(&result, "errors")),
                (0, 0),
                "{way} {by:?}: {result}"
            );
        }
        let result = env
            .program("client_motion", &["--device", &pipe.output, "--size", SIZE, "--frames", "40"])
            .start()
            .result();
        assert_eq!(number(&result, "torn"), 0, "{way}: {result}");
        drop(attacker);
    }
}

/// The kernel wakes one who sleeps on the lifeline when the server dies. That one may pass nothing on.
#[test]
fn nobody_sleeps_on_when_the_server_has_died() {
    let mut env = Env::builder().args(&["--idle", "wait"]).start();
    let pipe = env.pipe(0);
    let _attacker = start(&env, &["lifeline"], "attacks");
    let mut clients: Vec<Running> = [&[][..], &["--by", "poll"], &["--io", "read"]]
        .iter()
        .map(|by| {
            let args = [&["--device", pipe.output.as_str(), "--size", SIZE], *by].concat();
            let mut client = env.program("v4l2_client", &args).start();
            client.event("ready");
            client
        })
        .collect();
    env.kill_daemon();
    for client in &mut clients {
        let error = client.event("error");
        assert_eq!(error["errno"].as_i64(), Some(19), "{error}");
    }
}

/// The addresses of USERPTR buffers stay in their process: whoever else has the open file can neither read nor change
/// them, and a length that it writes is not believed.
#[test]
fn addresses_stay_in_their_process() {
    let env = Env::new(1);
    let _pusher = push(&env, "100");
    let args = ["userptr", "--device", &env.pipe(0).output, "--size", SIZE];
    pass(env.program("trust", &args), |_, _| {});
}

/// A pusher that writes what it likes into its log: its clients can be ended, the server serves, and when another
/// pusher comes all go on, those who were there as well, while the first one still has its log.
#[test]
fn a_pusher_spoils_nothing_beyond_its_life() {
    let env = Env::new(2);
    let mut pusher = start(&env, &["spoil"], "attacks");
    let mut clients: Vec<Running> =
        [&["count"][..], &["count", "--by", "poll"]].map(|words| start(&env, words, "counts")).into();
    let mut ended = start(&env, &["count"], "counts");
    ended.signal(Signal::TERM);
    let status = ended.wait_within(std::time::Duration::from_secs(60));
    // `run` tells of its command as a shell does.
    assert_eq!(status.code(), Some(128 + 15), "a client can be ended: {status:?}");
    // The server answers, on this pipe and another.
    let other = env.pipe(1);
    env.program("probe", &["--device", &other.output]).start();
    assert_eq!(env.pipe(0).input_status, "W");

    pusher.order();
    pusher.event("left");
    let honest = push(&env, "100");
    for client in &mut clients {
        let begin = number(&client.event("frames"), "n");
        while number(&client.event("frames"), "n") < begin + 200 {}
    }
    let args = ["--device", &env.pipe(0).output, "--size", SIZE, "--frames", "100"];
    let result = env.program("v4l2_client", &args).start().result();
    assert_eq!((number(&result, "torn"), number(&result, "errors")), (0, 0), "{result}");
    drop((honest, pusher));
}

fn send(env: &mut Env, signal: Signal) {
    let server = env.daemon().leader();
    rustix::process::kill_process(server, signal).expect("the server is there");
}

/// While the server does not answer: handlers run, with and without SA_RESTART, signals end processes, and after ten
/// seconds it is given up. When it answers again each call gets its own answer.
#[test]
fn a_silent_server_keeps_no_signal_waiting() {
    let mut env = Env::new(1);
    let args = ["signals", "--device", &env.pipe(0).output, "--size", SIZE];
    let case = env.program("trust", &args);
    let mut restarts = false;
    pass(case, |event, case| match event {
        "stop" => {
            send(&mut env, Signal::STOP);
            case.order();
        }
        "restarts" => restarts = true,
        "handled" if restarts => {
            restarts = false;
            send(&mut env, Signal::CONT);
            case.order();
        }
        "go" => {
            send(&mut env, Signal::CONT);
            case.order();
        }
        _ => {}
    });
}
