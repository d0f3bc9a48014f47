//! Producers that come and go, are silent, and die; a server that dies (driver/docs/rules.md, "The server" and "While
//! nobody pushes").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use vloopback_tests::{Env, Job, Pipe, Running, binary, copy_program, full, have, number, skip};

const SIZE: &str = "64x48";
/// Far more than a storm takes on a slow machine.
const LONG: Duration = Duration::from_secs(900);

/// A daemon whose pipe has the storm's format.
fn env(args: &[&str]) -> (Env, Pipe) {
    let env = Env::builder().args(args).start();
    let pipe = env.pipe(0);
    let set = ["--device", &pipe.input, "--format", "YU12", "--size", SIZE, "--frames", "1"];
    env.program("v4l2_pusher", &set).output().ok();
    env.until_idle();
    (env, pipe)
}

fn watch(env: &Env, pipe: &Pipe, more: &[&str]) -> Running {
    let args = [&["--device", pipe.output.as_str(), "--report", "1"], more].concat();
    let mut client = env.program("v4l2_client", &args).start();
    client.event("ready");
    client
}

/// Ends a client and gives what it counted of its frames: nothing but cards and whole frames.
#[track_caller]
fn whole(mut client: Running) {
    client.end_input();
    let stream = client.event_within("stream", LONG);
    assert_eq!(number(&stream, "wrong") + number(&stream, "stamps"), 0, "{stream}");
    let result = client.event_within("result", LONG);
    assert_eq!((number(&result, "torn"), number(&result, "errors")), (0, 0), "{result}");
    assert_eq!(number(&result, "back"), 0, "{result}");
}

const CLIENTS: [&[&str]; 3] =
    [&[], &["--by", "epoll", "--keep", "2", "--buffers", "6"], &["--io", "read", "--by", "poll"]];

/// Many pushers of all kinds, most of them killed, with clients that stream all the time: none is refused,
/// nothing is torn, and the pipe is as good as new for the last one.
fn storm(pushers: u32, seed: u32) {
    let (env, pipe) = env(&[]);
    let mut clients: Vec<Running> = CLIENTS.iter().map(|way| watch(&env, &pipe, way)).collect();
    let (count, seed) = (pushers.to_string(), seed.to_string());
    let args = ["--device", &pipe.input, "--size", SIZE, "--frames", &count, "--seed", &seed];
    let mut storm = env.program("producer_storm", &args).start();
    let told = storm.event_within("stormed", LONG);
    assert_eq!(number(&told, "pushers"), i64::from(pushers));
    for key in ["killed", "v4l1", "written", "queued"] {
        assert!(number(&told, key) > i64::from(pushers) / 10, "{told}");
    }
    // The last one's frames reach everybody.
    let last = u64::from(pushers) * 100_000;
    for client in &mut clients {
        client.frame(last + 5);
    }
    storm.end_input();
    storm.finish().ok();
    for client in clients {
        whole(client);
    }
    env.until_idle();
}

#[test]
fn a_thousand_pushers_come_and_go() {
    storm(1000, 1);
}

#[test]
fn many_thousand_pushers_come_and_go() {
    if full() {
        for seed in 2..12 {
            storm(1000, seed);
        }
    }
}

/// The negative run: a wrong bit in the last pusher's frames is seen.
#[test]
fn a_storms_judges_see_a_wrong_bit() {
    let (env, pipe) = env(&[]);
    let mut client = watch(&env, &pipe, &[]);
    let args = ["--device", &pipe.input, "--size", SIZE, "--frames", "3", "--wrong-all"];
    let mut storm = env.program("producer_storm", &args).start();
    storm.event("stormed");
    assert!(number(&client.event("torn"), "n") >= 300_000);
    client.end_input();
    let result = client.event_within("result", LONG);
    assert!(number(&result, "torn") > 0, "{result}");
    assert_eq!((number(&result, "errors"), number(&result, "back")), (0, 0), "{result}");
    storm.end_input();
}

/// Pushers of changing sizes: none is refused for the sake of clients that have another one, whose streams
/// end and begin again.
#[test]
fn pushers_of_many_sizes_come_and_go() {
    let (env, pipe) = env(&[]);
    let mut clients: Vec<Running> =
        [&["--restart"][..], &["--restart", "--by", "poll"]].map(|way| watch(&env, &pipe, way)).into();
    let args = ["--device", &pipe.input, "--sizes", "64x48,320x240,128x96", "--frames", "200", "--seed", "3"];
    let mut storm = env.program("producer_storm", &args).start();
    storm.event_within("stormed", LONG);
    for client in &mut clients {
        client.frame(200 * 100_000 + 5);
    }
    storm.end_input();
    storm.finish().ok();
    for mut client in clients {
        client.end_input();
        let result = client.event_within("result", LONG);
        assert_eq!((number(&result, "torn"), number(&result, "errors")), (0, 0), "{result}");
    }
}

/// A pusher that pushes nothing for longer than `--timeout`: its clients see the card, and then its next frame.
/// Buffers that it is filling meanwhile are left alone.
#[test]
fn a_silent_pusher_is_followed_by_the_card() {
    // In a wide ring, cards that come slowly do not push a frame out before a slow machine's clients have taken it.
    let (env, pipe) = env(&["--timeout", "60", "--num-buffers", "28"]);
    let slowly = ["--interval-ms", "500", "--report", "1"];
    for io in ["write", "mmap"] {
        let mut clients: Vec<Running> = CLIENTS.iter().map(|way| watch(&env, &pipe, way)).collect();
        let args = ["--device", &pipe.input, "--format", "YU12", "--size", SIZE, "--io", io, "--step"];
        let mut pusher = env.program("v4l2_pusher", &[&args[..], &slowly].concat()).start();
        pusher.event("setup");
        for n in 0..6 {
            pusher.order();
            for client in &mut clients {
                assert_eq!(client.frame(n), n, "{io}");
            }
            for client in &mut clients {
                client.event("card");
            }
        }
        pusher.end_input();
        assert_eq!(number(&pusher.event("pushed"), "errors"), 0);
        for client in clients {
            whole(client);
        }
        env.until_idle();
    }
}

/// The negative run: without a limit there is no card as long as there is a pusher.
#[test]
fn a_silent_pusher_may_be_waited_for() {
    let (env, pipe) = env(&["--pipes", "2"]);
    let mut client = watch(&env, &pipe, &[]);
    let args = ["--device", &pipe.input, "--format", "YU12", "--size", SIZE, "--step", "--report", "1"];
    let mut pusher = env.program("v4l2_pusher", &args).start();
    pusher.order();
    client.frame(0);
    // The other pipe's cards tell that time goes by.
    let mut clock = watch(&env, &env.pipe(1), &[]);
    for _ in 0..10 {
        clock.event("card");
    }
    pusher.order();
    loop {
        let event = client.any_event().expect("an event");
        assert_ne!(event["event"], "card");
        if event["event"] == "frame" {
            break;
        }
    }
}

/// Who may not push into a pipe may not set what its clients see, either; who may, may.
#[test]
fn a_timeout_image_is_for_those_who_may_push() {
    if !have("setpriv") {
        skip!("no setpriv (package util-linux)");
    }
    if !rustix::process::geteuid().is_root() {
        skip!("only root can become another user");
    }
    for (mode, expected) in [("0644", 4), ("0666", 0)] {
        let env = Env::builder().open_to_all().without_daemon();
        let readable = |path: &std::path::Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
        };
        let config = env.dir().join("config.toml");
        fs::write(&config, format!("mode = \"{mode}\"\n")).expect("a file");
        let mut daemon = env.daemon_job().arg("--config").arg(&config).start();
        while daemon.line().is_some_and(|line| !line.starts_with("ready ")) {}
        let picture = env.dir().join("picture.png");
        let save = ["snapshot", "0", picture.to_str().expect("UTF-8"), "--socket"];
        env.own("vloopback").args(save).arg(env.socket()).output().ok();
        let program = env.dir().join("vloopback");
        copy_program(&binary("vloopback"), &program);
        readable(&picture);
        let set = Job::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&program)
            .args(["set-timeout-image", &env.pipe(0).output])
            .arg(&picture)
            .arg("--socket")
            .arg(env.socket())
            .output();
        assert_eq!(set.code(), expected, "mode {mode}: {}", set.stderr);
        assert!(expected == 0 || set.says("not for this user"), "{}", set.stderr);
    }
}

/// A killed server: whoever waits in a call, or in poll, select or epoll, wakes; every call on the old descriptor
/// gives ENODEV from then on, also when there is a new server, which serves new opens.
#[test]
fn a_killed_server_is_noticed_in_every_call() {
    let (mut env, pipe) = env(&["--idle", "wait", "--pipes", "2"]);
    let ways = ["dqbuf", "read", "poll", "select", "epoll"];
    let start = |name: &str, device: &str| {
        let mut case =
            env.program("v4l2_gone", &[name, "--device", device, "--format", "YU12", "--size", SIZE]).start();
        case.event("waits");
        case
    };
    let mut cases: Vec<Running> = ways.iter().map(|name| start(name, &pipe.output)).collect();
    // On another pipe: its frames would end the waits.
    cases.push(start("input", &env.pipe(1).input));
    env.kill_daemon();
    cases[ways.len()].order();
    for (case, name) in cases.iter_mut().zip(ways.iter().chain(&["input"])) {
        assert_eq!(number(&case.event("woke"), "errno"), 19, "ENODEV in {name}");
        let after = case.any_event().expect("it goes on");
        assert_eq!(after["event"], "gone", "{after}");
    }
    env.start_daemon();
    for mut case in cases {
        case.order();
        let verdict = loop {
            let event = case.any_event().expect("a verdict");
            if event["event"] == "pass" || event["event"] == "failed" {
                break event;
            }
            assert_ne!(event["event"], "wrong", "{event}");
        };
        assert_eq!(verdict["event"], "pass", "{verdict}");
        case.finish().ok();
    }
}

/// A pusher that has set its rate (S_PARM) and waits in DQBUF has no clock of its own: DQBUF keeps the rate, as hardware
/// does. Never write().
#[test]
fn dqbuf_keeps_the_rate_that_the_pusher_set() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let took = |io: &str, interval: &str, frames: &str| {
        let args = ["--device", &input, "--format", "YU12", "--size", "64x48", "--io", io];
        let args = [&args[..], &["--interval-ms", interval, "--frames", frames]].concat();
        let began = Instant::now();
        let pushed = env.program("v4l2_pusher", &args).start().event("pushed");
        env.until_idle();
        assert_eq!(number(&pushed, "errors"), 0);
        began.elapsed()
    };
    // 4 buffers are there at once; the others come in intervals of which a 64th may be missing.
    let paced = took("mmap", "20", "36");
    assert!(paced >= Duration::from_millis(31 * 20 * 63 / 64), "{paced:?}");
    let free = took("write", "1000", "60");
    assert!(free < Duration::from_secs(50), "{free:?}");
}
