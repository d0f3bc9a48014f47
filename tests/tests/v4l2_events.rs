//! V4L2's events, and how poll and its kin tell of them (driver/docs/clients.md, "Readiness"), one C case each.

use serde_json::Value;
use vloopback_tests::cases::{pass, step};
use vloopback_tests::{Env, Job, Pipe, Running, have, skip};

/// How programs wait for events.
const WAYS: [&str; 6] = ["poll", "ppoll", "select", "pselect", "epoll", "epoll-et"];

fn case(env: &Env, name: &str, by: &str) -> Job {
    let pipe = env.pipe(0);
    env.program("v4l2_events", &[name, "--device", &pipe.output, "--find", &pipe.input, "--by", by])
}

/// Runs a case that wants nothing of anybody, in each way, each beside a daemon of its own.
#[track_caller]
fn each_way(name: &str) {
    for by in WAYS {
        println!("{name} by {by}");
        pass(case(&Env::new(1), name, by), |_, _| {});
    }
}

#[track_caller]
fn once(name: &str) {
    pass(case(&Env::new(1), name, "poll"), |_, _| {});
}

#[test]
fn an_event_is_pollpri_until_it_is_taken() {
    each_way("ready");
}

/// Added before anything is subscribed to, changed, deleted, closed.
#[test]
fn epoll_follows_its_member() {
    once("epoll");
}

/// A frame raises no POLLPRI, an event no POLLIN: who waits for one is not woken by the other.
#[test]
fn frames_are_no_events_and_events_no_frames() {
    // An edge is told once, whatever else comes: what is still there is not to be seen by it.
    for by in WAYS.into_iter().filter(|&by| by != "epoll-et") {
        println!("by {by}");
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let args = ["--device", pipe.input.as_str(), "--step", "--report", "1", "--format", "YUYV"];
        let mut pusher = env.program("v4l2_pusher", &args).start();
        pusher.order();
        pusher.event("frame");
        pass(case(&env, "frames", by), step(&mut pusher));
    }
}

#[test]
fn who_waits_is_woken() {
    each_way("woken");
}

#[test]
fn signals_interrupt_as_on_a_device() {
    once("signals");
}

#[test]
fn dqevent_waits() {
    once("waits");
}

/// Sequence and pending numbers, one event kept a subscription, SEND_INITIAL, ALLOW_FEEDBACK.
#[test]
fn events_tell_what_the_specification_says() {
    once("told");
}

#[test]
fn each_node_has_its_events() {
    once("kinds");
}

/// dup and fork share subscriptions, another open has its own.
#[test]
fn subscriptions_are_the_open_files() {
    each_way("files");
}

#[test]
fn an_exec_keeps_subscriptions() {
    for by in ["poll", "select", "epoll"] {
        pass(case(&Env::new(1), "exec", by), |_, _| {});
    }
}

/// A process that opened nothing, and that asks poll first.
#[test]
fn a_passed_descriptor_keeps_subscriptions() {
    for by in ["poll", "select", "epoll"] {
        pass(case(&Env::new(1), "passed", by), |_, _| {});
    }
}

#[test]
fn hidden_descriptors_stay_hidden() {
    once("hidden");
}

#[test]
fn a_waiting_thread_can_be_cancelled() {
    once("cancel");
}

#[test]
fn a_long_list_is_served() {
    once("many");
}

/// Set as fast as can be by another process: the last value is heard, and poll never tells of an event that is
/// not there.
#[test]
fn poll_never_lies() {
    for by in ["poll", "select", "epoll"] {
        let events = pass(case(&Env::new(1), "storm", by), |_, _| {});
        assert!(
            events.iter().any(|e| e["event"] == "storm" && e["events"].as_i64() > Some(1)),
            "{by}: {events:?}"
        );
    }
}

/// driver/docs/rules.md, "The server": when the daemon is killed, everything wakes.
#[test]
fn the_daemons_death_wakes_all() {
    for by in WAYS {
        println!("by {by}");
        let mut env = Env::new(1);
        let death = case(&env, "death", by);
        pass(death, |name, _| {
            if name == "kill-server" {
                env.kill_daemon();
            }
        });
    }
}

/// The negative run: what is set on another pipe is not heard, and the case that looks for it fails.
#[test]
fn another_pipes_controls_are_not_heard() {
    let env = Env::new(2);
    let args = ["told", "--device", &env.pipe(0).output, "--find", &env.pipe(1).input];
    let mut told = env.program("v4l2_events", &args).start();
    let wrong = told.event("wrong");
    assert!(wrong["what"].as_str().is_some_and(|what| what.contains("DQEVENT gives ENOENT")), "{wrong}");
    told.event("failed");
}

/// A zero-copy pusher's controls are its own: it is asked first, and who has subscribed hears all the same.
#[test]
fn controls_of_a_zero_copy_pusher_are_heard() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let args = ["--device", pipe.input.as_str(), "--style", "handler", "--tell"];
    let mut pusher = env.program("zc_pusher", &args).start();
    pusher.event("setup");
    for by in ["poll", "select", "epoll"] {
        pass(case(&env, "ready", by), |_, _| {});
    }
    let set = pusher.event("set");
    assert_eq!((&set["what"], &set["value"]), (&"brightness".into(), &1.into()), "it is asked: {set}");
}

/// `V4L2_EVENT_EOS`, `V4L2_EVENT_SOURCE_CHANGE`.
const EOS: u64 = 2;
const SOURCE_CHANGE: u64 = 5;

/// Lets the case look once; returns the types of the events that it took.
#[track_caller]
fn heard(client: &mut Running) -> Vec<u64> {
    client.order();
    let mut types = Vec::new();
    loop {
        let event = client.any_event().unwrap_or(Value::Null);
        match event["event"].as_str() {
            Some("told") => {
                let type_ = event["type"].as_u64().expect("a type");
                assert_eq!(event["changes"].as_u64(), Some(u64::from(type_ == SOURCE_CHANGE)), "{event}");
                types.push(type_);
            }
            Some("look") => return types,
            _ => panic!("{event}: {}", client.stderr()),
        }
    }
}

fn pusher(env: &Env, pipe: &Pipe, kind: &str, size: &str) -> Running {
    let args = ["--device", pipe.input.as_str(), "--size", size, "--fps", "100", "--report", "1"];
    let mut pusher = match kind {
        "v4l1" => env.program("push_motion", &args).start(),
        io => env.program("v4l2_pusher", &[&args[..], &["--format", "YU12", "--io", io]].concat()).start(),
    };
    pusher.event("frame");
    pusher
}

/// A client hears of each pusher's format, and nothing when one comes back as it was. Of a pusher's end it hears where
/// its stream ends with it (`--idle refuse`): else it waits for the next one, or sees the card meanwhile.
#[test]
fn clients_hear_of_pushers() {
    for (kind, idle) in [
        ("v4l1", "placeholder"),
        ("write", "wait"),
        ("mmap", "placeholder"),
        ("v4l1", "refuse"),
        ("write", "refuse"),
        ("mmap", "refuse"),
    ] {
        let env = Env::builder().args(&["--idle", idle]).start();
        let pipe = env.pipe(0);
        // Without a pusher nobody opens the node under `refuse`.
        let mut first = pusher(&env, &pipe, kind, "160x120");
        let mut client = case(&env, "stream", "poll").start();
        client.event("look");
        let ends = |client: &mut Running, mut pusher: Running| {
            pusher.end_input();
            pusher.finish().ok();
            if idle == "refuse" {
                assert_eq!(heard(client), [EOS], "{kind}: and no change");
            }
        };
        first.event("frame");
        ends(&mut client, first);
        for (size, changes) in [("320x240", true), ("320x240", false), ("64x48", true)] {
            let pusher = pusher(&env, &pipe, kind, size);
            if changes {
                assert_eq!(heard(&mut client), [SOURCE_CHANGE], "{kind} {idle} {size}: and no end");
            }
            ends(&mut client, pusher);
        }
        client.end_input();
        client.event("pass");
        client.finish().ok();
    }
}

/// A pusher that is killed ends like any other.
#[test]
fn clients_hear_of_a_killed_pusher() {
    let env = Env::builder().args(&["--idle", "refuse"]).start();
    let pipe = env.pipe(0);
    let mut first = pusher(&env, &pipe, "write", "320x240");
    let mut client = case(&env, "stream", "epoll").start();
    client.event("look");
    first.kill();
    assert_eq!(heard(&mut client), [EOS]);
}

/// v4l2-ctl, which stops when it hears of an end, goes on over the end of a pusher: with the card, or with the next
/// pusher's frames.
#[test]
fn v4l2_ctl_goes_on_over_an_end() {
    if !have("v4l2-ctl") {
        skip!("no v4l2-ctl (package v4l-utils)");
    }
    for idle in ["placeholder", "wait"] {
        let env = Env::builder().args(&["--idle", idle]).start();
        let pipe = env.pipe(0);
        let mut first = pusher(&env, &pipe, "write", "64x48");
        let saved = env.dir().join("saved");
        let to = format!("--stream-to={}", saved.display());
        let words =
            ["v4l2-ctl", "-d", pipe.output.as_str(), "--stream-mmap", "--stream-count=200", to.as_str()];
        let tool = env.run(&words).start();
        env.until("the tool streams", |pipes| pipes[0].output_status != "-");
        first.frame(20);
        first.end_input();
        first.finish().ok();
        let mut second = pusher(&env, &pipe, "write", "64x48");
        tool.finish().ok();
        let len = std::fs::metadata(&saved).expect("a file").len();
        assert_eq!(len, 200 * 64 * 48 * 3 / 2, "{idle}");
        second.end_input();
        second.finish().ok();
    }
}

/// Today's tool waits for events by select, by epoll and in DQEVENT.
#[test]
fn v4l2_ctl_hears() {
    if !have("v4l2-ctl") || !have("stdbuf") {
        skip!("no v4l2-ctl (package v4l-utils) or stdbuf (coreutils)");
    }
    for how in ["--wait-for-event", "--poll-for-event", "--epoll-for-event"] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let wait = format!("{how}=ctrl=brightness");
        // Line by line, so that it is seen while the tool goes on waiting.
        let mut tool = env.run(&["stdbuf", "-oL", "v4l2-ctl", "-d", &pipe.output, &wait]).start();
        let set = |value: i32| {
            let set = format!("--set-ctrl=brightness={value}");
            env.run(&["v4l2-ctl", "-d", &pipe.input, &set]).output().ok();
        };
        let first = if how == "--wait-for-event" {
            // It asks for no first event: the value is changed until it has heard of it.
            let mut value = 0;
            loop {
                value += 1;
                set(value);
                if !tool.runs() {
                    break tool.line();
                }
                std::thread::yield_now();
            }
        } else {
            tool.line()
        };
        let first = first.expect("a line");
        // Of values that were set before it was looked for the last one is told, with its own number.
        let number = if how == "--wait-for-event" { "" } else { "event 0, " };
        assert!(first.contains(&format!("{number}pending 0: ctrl: brightness")), "{how}: {first}");
        if how != "--wait-for-event" {
            set(4711);
            let told = std::iter::from_fn(|| tool.line()).find(|line| line.contains("value: 4711"));
            assert!(told.is_some(), "{how}");
        }
    }
}
