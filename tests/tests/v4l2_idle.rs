//! What a client meets while nobody pushes (driver/docs/rules.md, "While nobody pushes"): a placeholder, a wait, a
//! refusal.

use std::time::Duration;

use vloopback_tests::cases::{pass, step};
use vloopback_tests::{Env, Pipe, Running, number};

fn env(idle: &str) -> (Env, Pipe) {
    let env = Env::builder().args(&["--pipes", "1", "--idle", idle]).start();
    let pipe = env.pipe(0);
    (env, pipe)
}

/// The status of the output's input 0.
#[track_caller]
fn status(env: &Env, pipe: &Pipe, expected: &str) {
    let args = ["connectors", "--find", "output", "--device", &pipe.output, "--first", expected];
    pass(env.program("v4l2_answers", &args), |_, _| {});
}

const NO_SIGNAL: &str = "2";

/// A pusher of the format that a pipe has when nobody has set one.
fn start_pusher(env: &Env, pipe: &Pipe, more: &[&str]) -> Running {
    let mut args = vec!["--device", pipe.input.as_str(), "--format", "YUYV", "--size", "640x480"];
    args.extend(more);
    let mut pusher = env.program("v4l2_pusher", &args).start();
    pusher.event("setup");
    pusher
}

/// Waits until the client tells of so many more cards in a row, and fails on anything else but a frame.
#[track_caller]
fn cards(client: &mut Running, count: usize) {
    let mut in_a_row = 0;
    while in_a_row < count {
        let event = client.any_event().unwrap_or_else(|| panic!("the client ended: {}", client.stderr()));
        match event["event"].as_str() {
            Some("card") => in_a_row += 1,
            Some("frame" | "start" | "open" | "ready") => in_a_row = 0,
            _ => panic!("{event}"),
        }
    }
}

/// The card comes at the nominal rate, a pusher's frames take its place and go again, all in one stream
/// whose numbers and times grow; the input's status tells of it.
#[test]
fn a_placeholder_until_a_pusher_comes_and_again_when_it_leaves() {
    let (env, pipe) = env("placeholder");
    let args = ["--device", pipe.output.as_str(), "--report", "1"];
    for way in [&[][..], &["--by", "poll"], &["--io", "read"], &["--keep", "2", "--buffers", "6"]] {
        let mut client = env.program("v4l2_client", &[&args[..], way].concat()).start();
        assert_eq!(client.event("ready")["format"], "YUYV");
        cards(&mut client, 3);
        status(&env, &pipe, NO_SIGNAL);
        let mut pusher = start_pusher(&env, &pipe, &["--fps", "100"]);
        client.frame(5);
        status(&env, &pipe, "0");
        pusher.end_input();
        pusher.event("pushed");
        pusher.finish().ok();
        cards(&mut client, 3);
        status(&env, &pipe, NO_SIGNAL);
        client.end_input();
        let stream = client.event("stream");
        for key in ["skew", "stamps", "wrong"] {
            assert_eq!(number(&stream, key), 0, "{way:?}: {stream}");
        }
        let result = client.result();
        for key in ["torn", "back", "errors"] {
            assert_eq!(number(&result, key), 0, "{way:?}: {result}");
        }
        env.until_idle();
    }
}

/// Looks at a rate, if the machine has no time to keep it.
const LOOKS: u32 = 20;

/// 30 cards a second, or the rate that a pusher has set; the same card each time.
#[test]
fn the_card_comes_at_the_nominal_rate() {
    let (env, pipe) = env("placeholder");
    let watch = || {
        let mut client = env.program("v4l2_client", &["--device", &pipe.output]).start();
        cards(&mut client, 20);
        client.end_input();
        let stream = client.event("stream");
        assert_eq!(number(&stream, "distinct"), 0, "{stream}");
        Duration::from_nanos(number(&stream, "interval").try_into().expect("a time")).as_millis()
    };
    // Far less than to another rate.
    let comes_in = |interval: std::ops::Range<u128>| {
        let seen: Vec<u128> =
            (0..LOOKS).map(|_| watch()).take_while(|seen| !interval.contains(seen)).collect();
        assert!(seen.len() < LOOKS as usize, "one card in {interval:?} ms, not in {seen:?}");
    };
    comes_in(28..40);
    let args = ["parm", "--find", "input", "--device", &pipe.input];
    pass(env.program("v4l2_answers", &args), |_, _| {});
    comes_in(60..80);
}

/// Several clients watch the card at once; each has all of it.
#[test]
fn several_clients_see_the_card() {
    let (env, pipe) = env("placeholder");
    let mut clients: Vec<Running> =
        (0..5).map(|_| env.program("v4l2_client", &["--device", &pipe.output]).start()).collect();
    for client in &mut clients {
        cards(client, 10);
    }
    for mut client in clients {
        client.end_input();
        let stream = client.event("stream");
        assert_eq!(
            number(&stream, "skew") + number(&stream, "wrong") + number(&stream, "stamps"),
            0,
            "{stream}"
        );
    }
}

/// A stopped client does not stop the card for others.
#[test]
fn a_stopped_client_does_not_stop_the_card() {
    let (env, pipe) = env("placeholder");
    let mut stopped = env.program("v4l2_client", &["--device", &pipe.output]).start();
    cards(&mut stopped, 3);
    stopped.signal(rustix::process::Signal::STOP);
    let mut client = env.program("v4l2_client", &["--device", &pipe.output]).start();
    cards(&mut client, 15);
    stopped.signal(rustix::process::Signal::CONT);
    cards(&mut stopped, 3);
}

/// A client gets nothing but the pusher's frames, the first one included.
#[test]
fn wait_blocks_until_a_pusher_comes() {
    let (env, pipe) = env("wait");
    status(&env, &pipe, NO_SIGNAL);
    for way in [&[][..], &["--by", "poll"], &["--by", "select"], &["--by", "epoll"]] {
        let args = ["--device", pipe.output.as_str(), "--report", "1", "--frames", "10"];
        let mut client = env.program("v4l2_client", &[&args[..], way].concat()).start();
        assert_eq!(client.event("ready")["format"], "YUYV");
        let mut pusher = start_pusher(&env, &pipe, &["--step", "--report", "1"]);
        for n in 0..5 {
            pusher.order();
            assert_eq!(client.frame(n), n, "{way:?}");
        }
        // It waits again, and goes on with the next one.
        pusher.end_input();
        pusher.finish().ok();
        let mut pusher = start_pusher(&env, &pipe, &["--step", "--report", "1", "--first", "100"]);
        for n in 100..105 {
            pusher.order();
            assert_eq!(client.frame(n), n, "{way:?}");
        }
        let stream = client.event("stream");
        assert_eq!(number(&stream, "cards"), 0, "{stream}");
        assert_eq!(number(&stream, "sequence"), 0, "{stream}");
        let result = client.result();
        assert_eq!(number(&result, "errors") + number(&result, "torn"), 0, "{result}");
        drop(pusher);
        env.until_idle();
    }
}

/// How many clients stream from the first pipe.
fn streaming(env: &Env) -> u64 {
    env.list()[0]["streaming"].as_u64().expect("a number")
}

/// A reader that came before the pusher and has asked for no format takes the pusher's, whatever it is; one that has
/// asked has that format, and is told that the pusher's is another one.
#[test]
fn a_reader_that_came_first_takes_what_comes() {
    for (name, size, len) in [("YU12", "64x48", 4608), ("YUYV", "320x240", 153_600)] {
        let (env, pipe) = env("wait");
        let saved = env.dir().join("saved");
        let (from, to) = (format!("if={}", pipe.output), format!("of={}", saved.display()));
        let block = format!("bs={len}");
        let reader =
            env.run(&["dd", &from, &to, &block, "count=5", "iflag=fullblock", "status=none"]).start();
        let args = ["--device", pipe.output.as_str(), "--io", "read", "--frames", "5"];
        let mut asked = env.program("v4l2_client", &args).start();
        assert_eq!(asked.event("ready")["format"], "YUYV");
        env.until("both read", |_| streaming(&env) == 2);
        let args = ["--device", pipe.input.as_str(), "--format", name, "--size", size, "--fps", "50"];
        let mut pusher = env.program("v4l2_pusher", &args).start();
        reader.finish().ok();
        let bytes = std::fs::read(&saved).expect("a file");
        let numbers = vloopback_tests::pattern::frames(&bytes, len, 5, &(0..10_000)).expect("whole frames");
        assert_eq!(numbers.len(), 5, "{name} {size}");
        assert_eq!(number(&asked.event("error"), "errno"), 5, "{name} {size}");
        pusher.end_input();
        pusher.finish().ok();
    }
}

/// While it waits, a signal, STREAMOFF and close end the wait, and O_NONBLOCK gives EAGAIN.
#[test]
fn a_wait_ends_as_it_does_with_a_pusher() {
    let (env, pipe) = env("wait");
    for name in ["eagain", "streamoff", "signals", "close"] {
        // The pusher feeds only while a frame is wanted: the calls wait on an unfed pipe.
        let mut pusher: Option<Running> = None;
        let args = [name, "--device", &pipe.output, "--size", "64x48"];
        let set = ["--device", &pipe.input, "--format", "YU12", "--size", "64x48", "--frames", "1"];
        env.program("v4l2_pusher", &set).output().ok();
        env.until_idle();
        pass(env.program("v4l2_stream", &args), |event, case| {
            if event == "want" {
                let pusher = pusher.get_or_insert_with(|| {
                    let args =
                        ["--device", pipe.input.as_str(), "--size", "64x48", "--step", "--report", "1"];
                    let mut pusher = env.program("push_motion", &args).start();
                    pusher.event("setup");
                    pusher
                });
                step(pusher)(event, case);
            }
        });
        drop(pusher);
        env.until_idle();
    }
}

/// Open gives EINVAL as long as nobody pushes, for every program.
#[test]
fn refuse_opens_only_while_somebody_pushes() {
    let (env, pipe) = env("refuse");
    let opened = || {
        let mut probe = env.program("probe", &["open", "--device", &pipe.output]).start();
        probe.event("opened")["errno"].as_i64()
    };
    assert_eq!(opened(), Some(22));
    let mut pusher = start_pusher(&env, &pipe, &["--fps", "100", "--report", "1"]);
    pusher.frame(0);
    assert_eq!(opened(), Some(0));
    let client = env.program("v4l2_client", &["--device", &pipe.output, "--frames", "10"]).start();
    let result = client.result();
    assert_eq!(number(&result, "received"), 10, "{result}");
    pusher.end_input();
    pusher.finish().ok();
    env.until_idle();
    assert_eq!(opened(), Some(22));
}

/// The negative run: a placeholder is not mistaken for waiting, nor a wrong frame for a card.
#[test]
fn the_policies_are_told_apart() {
    let (env, pipe) = env("placeholder");
    let mut client = env.program("v4l2_client", &["--device", &pipe.output, "--report", "1"]).start();
    cards(&mut client, 2);
    let mut pusher = start_pusher(&env, &pipe, &["--step", "--report", "1", "--wrong-frame", "1"]);
    pusher.order();
    assert_eq!(client.frame(0), 0);
    pusher.order();
    assert_eq!(number(&client.event("torn"), "n"), 1);
    client.end_input();
    pusher.order();
    let stream = client.event("stream");
    assert!(number(&stream, "cards") >= 2, "{stream}");
    assert_eq!(number(&client.event("result"), "torn"), 1);
}
