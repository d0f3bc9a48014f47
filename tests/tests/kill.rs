//! SIGKILL at any moment: the others get an error or the next frame in bounded time, never a hang, and
//! the pipe stays usable (driver/docs/rules.md, "Invariants" 2 and 6). Moments are counted in frames.

use vloopback_tests::{Env, Pipe, Running, full};

/// The moments: after so many frames.
fn moments() -> Vec<u64> {
    if full() { (0..40).collect() } else { vec![0, 1, 2, 3, 7, 20] }
}

fn push(env: &Env, pipe: &Pipe, extra: &[&str]) -> Running {
    let mut args = vec!["--device", pipe.input.as_str()];
    args.extend(extra);
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    pusher
}

fn watch(env: &Env, program: &str, pipe: &Pipe, extra: &[&str]) -> Running {
    let mut args = vec!["--device", pipe.output.as_str(), "--report", "1"];
    args.extend(extra);
    let mut client = env.program(program, &args).start();
    client.event("ready");
    client
}

/// A new pusher and a new client get along on the pipe.
#[track_caller]
fn usable(env: &Env, pipe: &Pipe) {
    let pusher = push(env, pipe, &["--fps", "200", "--first", "1000000"]);
    let client = watch(env, "client_motion", pipe, &["--frames", "5"]);
    let result = client.result();
    assert_eq!(result["torn"], 0, "{result}");
    assert!(result["first"].as_u64() >= Some(1_000_000), "{result}");
    drop(pusher);
}

/// A killed pusher: mapped clients and readers get an error or the end of file soon.
#[test]
fn a_killed_pusher() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for (round, frames) in moments().into_iter().enumerate() {
        let pace: &[&str] = if round % 2 == 0 { &["--fps", "300"] } else { &[] };
        let mut pusher = push(&env, &pipe, pace);
        let mut clients: Vec<Running> =
            ["client_motion", "client_effectv", "client_readonly", "client_hold", "client_read"]
                .iter()
                .map(|program| watch(&env, program, &pipe, &[]))
                .collect();
        clients[0].frame(frames);
        pusher.kill();
        for client in &mut clients {
            let error = client.event("error");
            let errno = error["errno"].as_i64();
            match error["call"].as_str() {
                // driver/docs/old-api.md, "Kept": a waiting SYNC gives EINVAL, a waiting read 0 (told as errno 0).
                Some("read") => assert_eq!(errno, Some(0), "{error}"),
                _ => assert_eq!(errno, Some(22), "{error}"),
            }
            let result = client.event("result");
            assert_eq!(result["torn"], 0, "{result}");
        }
        drop(clients);
        drop(pusher);
        env.until_idle();
        usable(&env, &pipe);
        env.until_idle();
    }
}

/// A killed client: the pusher and the other clients go on, also where it held frames.
#[test]
fn a_killed_client() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, &["--fps", "300", "--report", "1"]);
    let mut other = watch(&env, "client_motion", &pipe, &[]);
    for frames in moments() {
        for program in ["client_hold", "client_motion", "client_read", "client_readonly"] {
            let mut victim = watch(&env, program, &pipe, &[]);
            let from = victim.frame(0);
            victim.frame(from + frames);
            victim.kill();
            let seen = pusher.event("frame")["n"].as_u64().expect("a number");
            pusher.frame(seen + 5);
            other.frame(seen + 5);
        }
    }
    other.end_input();
    let result = other.event("result");
    assert_eq!((&result["torn"], &result["errors"]), (&0.into(), &0.into()), "{result}");
    pusher.end_input();
    pusher.event("pushed");
    pusher.finish().ok();
    drop(other);
    // Nothing is left of the killed clients.
    env.until_idle();
    usable(&env, &pipe);
}

/// Many clients killed while the writer is flat out: their holds never use up the ring.
#[test]
fn killed_holders_do_not_starve_the_writer() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, &[]);
    let rounds = if full() { 200 } else { 30 };
    for _ in 0..rounds {
        let mut victim = watch(&env, "client_hold", &pipe, &[]);
        victim.event("frame");
        victim.kill();
    }
    let mut client = watch(&env, "client_motion", &pipe, &[]);
    let n = client.frame(0);
    client.frame(n + 100);
    pusher.end_input();
    let pushed = pusher.event("pushed");
    assert_eq!(pushed["errors"], 0, "{pushed}");
}

/// A killed server: blocked calls and pollers of both sides fail with ENODEV soon; a new
/// daemon serves new opens (driver/docs/rules.md, "The server").
#[test]
fn a_killed_server() {
    let mut env = Env::new(1);
    for frames in moments() {
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, &["--step"]);
        let mut clients: Vec<Running> = ["client_motion", "client_effectv", "client_readonly"]
            .iter()
            .map(|program| watch(&env, program, &pipe, &[]))
            .collect();
        for n in 0..frames {
            pusher.order();
            for client in &mut clients {
                client.frame(n);
            }
        }
        // Every client is blocked in SYNC, or about to be.
        env.kill_daemon();
        for client in &mut clients {
            let error = client.event("error");
            assert_eq!(error["errno"], 19, "{error}");
        }
        pusher.order();
        let error = pusher.event("error");
        assert_eq!(error["errno"], 19, "{error}");
        env.start_daemon();
        usable(&env, &env.pipe(0));
    }
}

/// A server killed while everybody is busy.
#[test]
fn a_server_killed_at_full_speed() {
    let mut env = Env::new(1);
    for frames in moments() {
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, &[]);
        let mut mapped = watch(&env, "client_hold", &pipe, &[]);
        let mut reader = watch(&env, "client_read", &pipe, &[]);
        let from = mapped.frame(0);
        mapped.frame(from + frames);
        env.kill_daemon();
        for client in [&mut mapped, &mut reader] {
            let error = client.event("error");
            assert_eq!(error["errno"], 19, "{error}");
            let result = client.event("result");
            assert_eq!(result["torn"], 0, "{result}");
        }
        let error = pusher.event("error");
        assert_eq!(error["errno"], 19, "{error}");
        env.start_daemon();
        usable(&env, &env.pipe(0));
    }
}

/// A pusher that is stopped, not dead: its clients wait, and a signal, as with any device, ends the wait;
/// its death ends it too.
#[test]
fn a_stopped_pusher_may_be_waited_for() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, &["--fps", "300"]);
    let mut client = watch(&env, "client_xawtv", &pipe, &["--alarm-ms", "50", "--patience", "1000"]);
    client.frame(0);
    pusher.signal(rustix::process::Signal::STOP);
    let error = client.event("error");
    assert_eq!(error["errno"], 4, "EINTR: {error}");
    pusher.kill();
    loop {
        let error = client.event("error");
        if error["errno"] == 22 {
            break;
        }
        assert_eq!(error["errno"], 4, "{error}");
    }
}
