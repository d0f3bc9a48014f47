//! Zero-copy mode from end to end: every style of pusher answers its clients' requests, and what goes wrong on
//! either side harms nobody (driver/docs/old-api.md, "The document" and "Pushers"; driver/docs/rules.md, "Forwarded
//! requests").

mod apart;
mod deaths;
mod hostile;
mod memory;
mod pictures;
mod request_doorbell;
mod requests;
mod storms;
mod translated;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use vloopback_tests::{Env, PATIENCE, Pipe, Running, clean, full, number};

const EINTR: i64 = 4;
const EIO: i64 = 5;
const EFAULT: i64 = 14;
const ENODEV: i64 = 19;
const EINVAL: i64 = 22;
const ENOTTY: i64 = 25;
const ETIMEDOUT: i64 = 110;

/// How long anybody may take to notice a death, on a machine that is busy and stopped now and then. What is noticed by
/// the time limit of answers alone has another errno.
const BOUND: Duration = Duration::from_secs(20);

/// Every style that pushers had (driver/docs/old-api.md, "Pushers").
const STYLES: &[&str] = &["handler", "pause", "sigwait", "poll", "select"];

/// Bytes of a frame of the memory at 320x240.
const SLOT: i64 = 320 * 240 * 3;

/// A daemon of two pipes whose pushers have so many seconds for an answer; 0: as long as they like.
fn limited(seconds: u32) -> Env {
    let config = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&config, format!("answer_timeout = {seconds}\n")).expect("a file");
    let path = config.path().to_str().expect("a path in UTF-8");
    Env::builder().args(&["--pipes", "2", "--config", path]).start()
}

/// For tests that keep a request waiting: what they do meanwhile may take its time on a busy machine.
fn endless() -> Env {
    limited(0)
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

/// The pusher has nothing to read, and gets no request meanwhile (which one with `--report` tells). What has been
/// withdrawn may make it readable for a moment, until it has looked.
#[track_caller]
fn idle(pusher: &mut Running) {
    let until = Instant::now() + PATIENCE;
    loop {
        pusher.send(b"poll\n");
        let polled = loop {
            let event = pusher.any_event().expect("it polls");
            assert!(event["event"] != "wrong" && event["event"] != "request", "while idle: {event}");
            if event["event"] == "polled" {
                break event;
            }
        };
        if number(&polled, "result") == 0 {
            return;
        }
        assert!(Instant::now() < until, "readable while idle: {polled}");
    }
}

/// Interrupts what a client has begun to ask, by a signal whose handler (of the order "alarm") has no SA_RESTART: a
/// signal that comes before it sleeps changes nothing, so there is another. The request had been posted.
#[track_caller]
fn interrupt(client: &mut Running) {
    let until = Instant::now() + PATIENCE;
    let asked = loop {
        client.signal(Signal::ALARM);
        if let Some(asked) = client.event_if_soon("asked", Duration::from_millis(20)) {
            break asked;
        }
        assert!(Instant::now() < until, "no signal ends its wait");
    };
    assert_eq!((number(&asked, "result"), number(&asked, "errno")), (-1, EINTR), "{asked}");
}

/// What `vloopback list` tells of the first pipe.
#[track_caller]
fn listed(env: &Env) -> Value {
    env.list()[0].clone()
}

/// Waits until a request lies there that the first pipe's pusher has not read.
#[track_caller]
fn until_posted(env: &Env) {
    let until = Instant::now() + PATIENCE;
    loop {
        let told = listed(env);
        if told["zero_copy"]["waiting"].as_i64().is_some_and(|waiting| waiting > 0) {
            return;
        }
        assert!(Instant::now() < until, "no request is posted: {told}");
    }
}

/// Looks at what the kernel tells of a program's threads until `fine` says so of each.
#[track_caller]
fn until_threads(program: &mut Running, what: &str, fine: impl Fn(&str) -> bool) {
    let tasks = format!("/proc/{}/task", program.pid().as_raw_nonzero());
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let tasks = std::fs::read_dir(&tasks).expect("the threads of a process");
        let statuses =
            tasks.map(|task| std::fs::read_to_string(task.expect("a thread").path().join("status")));
        if statuses.into_iter().all(|status| fine(&status.expect("a thread's status"))) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("not in time: {what}");
}

/// Stops a program, and waits until all of it has stopped.
#[track_caller]
fn stop(program: &mut Running) {
    program.signal(Signal::STOP);
    until_threads(program, "it stops", |status| status.contains("State:\tT"));
}

/// Waits until a stopped pusher has a SIGIO to come, which tells that a request was posted.
#[track_caller]
fn signalled(pusher: &mut Running) {
    until_threads(pusher, "a SIGIO for the stopped pusher", |status| {
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("a line ShdPnd");
        let pending = u64::from_str_radix(pending.trim(), 16).expect("a hexadecimal number");
        pending & 1 << (Signal::IO.as_raw() - 1) != 0
    });
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
