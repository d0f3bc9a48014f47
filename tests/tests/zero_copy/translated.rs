//! Today's clients of a pusher of 2001: what they ask in V4L2's words is asked of it in V4L1's (driver/docs/rules.md,
//! "Forwarded requests"). Real programs are in `v4l2_programs`, whose captures all run against a zero-copy pusher too.

use vloopback_tests::{have, skip};

use super::*;

const FLAT_OUT: &[&str] = &["--fps", "500"];

/// A V4L2 client's result, with what V4L2 says of the frames. (Their numbers are the pusher's, which counts
/// those of V4L1's clients too, so that they need not go on with the sequence.)
#[track_caller]
fn streamed(client: &mut Running) -> Value {
    let stream = client.event("stream");
    for key in ["stamps", "wrong"] {
        assert_eq!(number(&stream, key), 0, "{key}: {stream}");
    }
    client.event("result")
}

/// Ends a pusher that is at nothing any more: a frame that a client had asked for may still be on its way.
#[track_caller]
pub(super) fn end_idle(mut pusher: Running) {
    let until = Instant::now() + PATIENCE;
    loop {
        pusher.send(b"poll\n");
        let polled = loop {
            let event = pusher.any_event().expect("it polls");
            assert!(event["event"] != "wrong", "{event}");
            if event["event"] == "polled" {
                break event;
            }
        };
        if number(&polled, "result") == 0 {
            break;
        }
        assert!(Instant::now() < until, "the pusher has something to do without end");
    }
    end(pusher);
}

const WAYS: &[&[&str]] = &[
    &["--io", "mmap"],
    &["--io", "mmap", "--by", "poll"],
    &["--io", "mmap", "--by", "select", "--keep", "2", "--buffers", "6"],
    &["--io", "mmap", "--by", "epoll"],
    &["--io", "read"],
    &["--io", "read", "--by", "poll"],
];

/// Every style of pusher, every way to wait: whole frames, in order, sequence and timestamps right.
#[test]
fn every_style_serves_v4l2_clients() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, FLAT_OUT);
        for way in WAYS {
            let args = [&["--device", pipe.output.as_str(), "--frames", "40"], *way].concat();
            let mut client = env.program("v4l2_client", &args).start();
            let stream = client.event("stream");
            for key in ["skew", "stamps", "wrong"] {
                assert_eq!(number(&stream, key), 0, "{style}, {way:?}: {key}: {stream}");
            }
            let result = client.event("result");
            clean(&result, 40);
            assert_eq!(number(&result, "gaps"), 0, "{style}, {way:?}: {result}");
        }
        end_idle(pusher);
    }
}

/// All ways at once on one pipe, each at its own pace, beside V4L1 clients that read.
#[test]
fn many_clients_of_both_apis_at_once() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, FLAT_OUT);
        let start = |name: &str, more: &[&str]| {
            let args = [&["--device", pipe.output.as_str(), "--frames", "60"], more].concat();
            env.program(name, &args).start()
        };
        let new: Vec<Running> = WAYS.iter().map(|way| start("v4l2_client", way)).collect();
        let old: Vec<Running> = (0..2).map(|_| start("zc_client", &["--read"])).collect();
        for mut client in new {
            clean(&streamed(&mut client), 60);
        }
        for client in old {
            clean(&client.result(), 60);
        }
        end_idle(pusher);
    }
}

/// A negative run: one wrong bit is seen.
#[test]
fn a_wrong_bit_is_detected_by_v4l2_clients() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let _pusher = push(&env, &pipe, "handler", &["--wrong-frame", "5"]);
    for way in [&["--io", "mmap"], &["--io", "read"]] {
        let args = [&["--device", pipe.output.as_str(), "--frames", "20"], &way[..]].concat();
        let mut client = env.program("v4l2_client", &args).start();
        if way[1] == "mmap" {
            assert_eq!(number(&client.event("torn"), "n"), 5);
        }
        // The fifth frame was drawn once, for the first of the two.
        let torn = number(&client.event("result"), "torn");
        assert_eq!(torn, i64::from(way[1] == "mmap"));
    }
}

/// driver/docs/rules.md, "Forwarded requests": S_FMT is SWIN and SPICT, S_CTRL is SPICT, S_INPUT is SCHAN, S_FREQUENCY
/// is SFREQ, all by v4l2-ctl; and what the pusher has then, V4L2 tells.
#[test]
fn v4l2_ctl_changes_size_input_brightness_and_frequency() {
    if !have("v4l2-ctl") {
        skip!("v4l2-ctl is not installed");
    }
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--tuner", "--tell", "--palette", "8"]);
        let mut set = |words: &[&str], what: &str, value: i64| {
            let ended = env.run(&[&["v4l2-ctl", "-d", &pipe.output], words].concat()).output().ok();
            let told = loop {
                let event = pusher.event("set");
                if event["what"] == what && number(&event, "value") == value {
                    break event;
                }
            };
            drop(told);
            ended.stdout
        };
        set(&["--set-fmt-video=width=160,height=120,pixelformat=YUYV"], "width", 160);
        set(&["-i", "1"], "channel", 1);
        set(&["-c", "brightness=1000"], "brightness", 1000);
        // Two at once: one list, set as a whole.
        set(&["-c", "hue=7,brightness=2000"], "hue", 7);
        set(&["--set-freq=200"], "frequency", 3200);
        let all = env
            .run(&["v4l2-ctl", "-d", &pipe.output, "--all", "--list-inputs", "--list-framesizes=YUYV"])
            .output()
            .ok()
            .text();
        for line in [
            "Width/Height      : 160/120",
            "Video input : 1 (left: ok)",
            "Frequency for tuner 0: 3200 (200.000000 MHz)",
            "Frequency range      : 44.000 MHz - 950.000 MHz",
            "Size: Discrete 160x120",
            "Size: Discrete 320x240",
            "Size: Discrete 176x144",
            ": right",
        ] {
            assert!(all.contains(line), "{line:?} is not in {all}");
        }
        let value = |name: &str| {
            let line = all.lines().find(|line| line.trim_start().starts_with(name)).expect("the control");
            line.split("value=").nth(1).and_then(|v| v.split(' ').next()).map(str::to_owned)
        };
        assert_eq!(value("brightness").as_deref(), Some("2000"), "{all}");
        assert_eq!(value("hue").as_deref(), Some("7"), "{all}");
        // And the pictures have the new size.
        let args = ["--device", &pipe.output, "--frames", "10", "--size", "160x120", "--format", "YUYV"];
        clean(&streamed(&mut env.program("v4l2_client", &args).start()), 10);
        end_idle(pusher);
    }
}

/// What the pusher does not have, S_FMT does not get: the answer tells what there is. A palette that the
/// pusher refuses, a size beyond its largest.
#[test]
fn s_fmt_tells_what_the_pusher_has() {
    if !have("v4l2-ctl") {
        skip!("v4l2-ctl is not installed");
    }
    for refusal in ["sinvalid", "bytes", "both"] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "handler", &["--palette", "15", "--refuse", refusal]);
        let words = ["--set-fmt-video=width=4000,height=3000,pixelformat=BGR3", "--get-fmt-video"];
        let told = env.run(&[&["v4l2-ctl", "-d", &pipe.output], &words[..]].concat()).output().ok().text();
        assert!(told.contains("320/240") && told.contains("'YU12'"), "{refusal}: {told}");
        clean(&watch(&env, &pipe, "v4l2_client", &["--frames", "5"]), 5);
        end_idle(pusher);
    }
}

/// A pusher that is asked for a frame and gives none for longer than `--timeout`: V4L2's clients see the card, and then
/// its next frame.
#[test]
fn a_silent_pusher_s_clients_see_the_card() {
    let env = Env::builder().args(&["--pipes", "1", "--timeout", "150"]).start();
    let pipe = env.pipe(0);
    for style in STYLES {
        let mut pusher = push(&env, &pipe, style, &["--fps", "200", "--palette", "8"]);
        let args = ["--device", pipe.output.as_str(), "--report", "1"];
        let mut client = env.program("v4l2_client", &args).start();
        client.frame(3);
        for name in ["SYNC", "MCAPTURE"] {
            tell(&mut pusher, &format!("stall {name}"), "stalls");
            pusher.event("stalled");
            client.event("card");
            client.event("card");
            tell(&mut pusher, "late", "answered");
            let n = client.frame(0);
            client.frame(n + 5);
        }
        client.end_input();
        let result = streamed(&mut client);
        assert_eq!((number(&result, "torn"), number(&result, "back")), (0, 0), "{style}: {result}");
        drop(client);
        end_idle(pusher);
    }
}

/// While nobody asks for a frame it is not silent, however long that is: for two seconds and a half here.
#[test]
fn a_pusher_that_is_not_asked_is_not_silent() {
    // Longer than a busy machine may keep a pusher from answering.
    let env = Env::builder().args(&["--pipes", "1", "--timeout", "2000"]).start();
    let pipe = env.pipe(0);
    let pusher = push(&env, &pipe, "select", &["--fps", "200", "--palette", "8"]);
    let args = ["--device", pipe.output.as_str(), "--report", "1"];
    let mut slow = env.program("v4l2_client", &args).start();
    slow.frame(3);
    stop(&mut slow);
    clean(&watch(&env, &pipe, "zc_client", &["--frames", "500"]), 500);
    slow.signal(Signal::CONT);
    let n = slow.frame(0);
    slow.frame(n + 5);
    slow.end_input();
    let stream = slow.event("stream");
    assert_eq!(number(&stream, "cards"), 0, "{stream}");
    drop(slow);
    end_idle(pusher);
}

/// The formats that v4l2-ctl lists of a node.
fn listed(env: &Env, pipe: &Pipe) -> Vec<String> {
    let told = env.run(&["v4l2-ctl", "-d", &pipe.output, "--list-formats"]).output().ok().text();
    told.lines().filter_map(|line| line.split('\'').nth(1)).map(str::to_owned).collect()
}

/// Waits until they are these.
#[track_caller]
fn until_listed(env: &Env, pipe: &Pipe, all: &[&str]) {
    let until = Instant::now() + PATIENCE;
    while listed(env, pipe) != all {
        assert!(Instant::now() < until, "{:?}", listed(env, pipe));
    }
}

/// driver/docs/clients.md, "What a device must answer" 3: ENUM_FMT lists every format that the pusher can be brought
/// to, by either of its names; S_FMT gets each; asking changes nothing.
#[test]
fn every_palette_of_the_pusher_is_listed() {
    if !have("v4l2-ctl") {
        skip!("v4l2-ctl is not installed");
    }
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let args = ["--palette", "15", "--palettes", "4,5,8,10", "--fps", "500"];
        let pusher = push(&env, &pipe, style, &args);
        let all = ["YU12", "BGR3", "BGR4", "XR24", "YUYV"];
        // Who polls once a frame takes his time for each question: some are asked the next time.
        until_listed(&env, &pipe, &all);
        let mut client = client(&env, &pipe);
        assert_eq!(number(&done(&mut client, "GPICT"), "a"), 15, "{style}: it is what it was");
        drop(client);
        for name in all {
            let set = format!("--set-fmt-video=width=160,height=120,pixelformat={name}");
            let words = ["v4l2-ctl", "-d", &pipe.output, &set, "--get-fmt-video", "--list-framesizes", name];
            let told = env.run(&words).output().ok().text();
            assert!(told.contains(&format!("'{name}'")), "{style}: {told}");
            assert!(told.contains("Size: Discrete 320x240"), "{style}: {told}");
            let mut now: Vec<String> = listed(&env, &pipe);
            now.sort();
            assert_eq!(now, ["BGR3", "BGR4", "XR24", "YU12", "YUYV"], "{style}: whatever it has now");
            let args = ["--device", &pipe.output, "--frames", "5", "--size", "160x120", "--format", name];
            clean(&streamed(&mut env.program("v4l2_client", &args).start()), 5);
        }
        end_idle(pusher);
    }
}

/// V4L1 has two numbers for YUYV; pushers know one of them.
#[test]
fn yuyv_has_two_numbers() {
    if !have("v4l2-ctl") {
        skip!("v4l2-ctl is not installed");
    }
    for number in ["7", "8"] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "handler", &["--palette", "15", "--palettes", number]);
        let args = ["--device", &pipe.output, "--frames", "5", "--size", "160x120", "--format", "YUYV"];
        clean(&streamed(&mut env.program("v4l2_client", &args).start()), 5);
        let mut now = listed(&env, &pipe);
        now.sort();
        assert_eq!(now, ["YU12", "YUYV"], "{number}");
        end_idle(pusher);
    }
}

/// A pusher that accepts everything and has one palette has one; one with other clients is not asked.
#[test]
fn no_palette_is_listed_that_the_pusher_has_not() {
    if !have("v4l2-ctl") {
        skip!("v4l2-ctl is not installed");
    }
    for extra in [&["--lazy"][..], &["--refuse", "bytes"], &[]] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "handler", extra);
        assert_eq!(listed(&env, &pipe), ["YU12"], "{extra:?}");
        end_idle(pusher);
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, "handler", &["--palettes", "8,4", "--tell"]);
    let mut beside = client(&env, &pipe);
    done(&mut beside, "GPICT");
    assert_eq!(listed(&env, &pipe), ["YU12"], "it is not disturbed");
    // What it was seen to have is known.
    done(&mut beside, "SPICT 8");
    assert_eq!(pusher.event("set")["what"], "palette");
    done(&mut beside, "GPICT");
    done(&mut beside, "SPICT 15");
    assert_eq!(number(&done(&mut beside, "GPICT"), "a"), 15);
    assert_eq!(listed(&env, &pipe), ["YU12", "YUYV"]);
    assert_eq!(number(&done(&mut beside, "GPICT"), "a"), 15);
    drop(beside);
    pusher.event("closed");
    // Alone it is asked, for so long at a time.
    until_listed(&env, &pipe, &["YU12", "BGR3", "YUYV"]);
    end_idle(pusher);
}

/// A V4L2 client that stops in the middle of its stream keeps nobody waiting: not the pusher, not V4L1's
/// clients, not V4L2's.
#[test]
fn a_stopped_v4l2_client_disturbs_nobody() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, FLAT_OUT);
        let mut stopped: Vec<Running> = WAYS
            .iter()
            .map(|way| {
                let args = [&["--device", pipe.output.as_str(), "--report", "1"], *way].concat();
                let mut client = env.program("v4l2_client", &args).start();
                client.frame(3);
                stop(&mut client);
                client
            })
            .collect();
        clean(&watch(&env, &pipe, "v4l2_client", &["--frames", "30"]), 30);
        clean(&watch(&env, &pipe, "zc_client", &["--frames", "30"]), 30);
        clean(&watch(&env, &pipe, "zc_client", &["--frames", "30", "--read"]), 30);
        // They go on, and end as they would have.
        for client in &mut stopped {
            client.signal(Signal::CONT);
            let next = client.frame(20);
            assert!(next >= 20, "{style}");
            client.end_input();
            clean(&streamed(client), 2);
        }
        drop(stopped);
        end_idle(pusher);
    }
}

/// V4L2 clients that are killed wherever they are: those that stay get their frames, and V4L1's that come then.
#[test]
fn killed_v4l2_clients_leave_nothing_behind() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let pusher = push(&env, &pipe, "handler", FLAT_OUT);
    let args = ["--device", pipe.output.as_str(), "--report", "1"];
    let mut stays = env.program("v4l2_client", &[&args[..], &["--by", "poll"]].concat()).start();
    let rounds = if full() { 300 } else { 30 };
    for round in 0..rounds {
        let way = WAYS[round % WAYS.len()];
        let mut victim = env.program("v4l2_client", &[&args[..], way].concat()).start();
        let event = victim.any_event().expect("it begins");
        for _ in 0..round % 7 {
            victim.any_event().unwrap_or_else(|| panic!("after {event}"));
        }
        victim.kill();
        let next = stays.frame(0) + 5;
        stays.frame(next);
    }
    stays.end_input();
    clean(&streamed(&mut stays), i64::try_from(rounds).expect("small"));
    drop(stays);
    // By itself: captures for others are drawn into the memory that it has mapped.
    clean(&watch(&env, &pipe, "zc_client", &["--frames", "5"]), 5);
    end_idle(pusher);
    env.until_idle();
}

/// A pusher that does not answer a capture's MCAPTURE: those who wait behind it are served after the time
/// for an answer, and the V4L2 client gets an error that it can mend by going on.
#[test]
fn a_capture_that_is_not_answered_is_given_up() {
    let config = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&config, "answer_timeout = 3\n").expect("a file");
    let path = config.path().to_str().expect("a path in UTF-8");
    let env = Env::builder().args(&["--pipes", "1", "--config", path]).start();
    let pipe = env.pipe(0);
    for style in STYLES {
        let mut pusher = push(&env, &pipe, style, &["--stall", "MCAPTURE"]);
        let mut old = client(&env, &pipe);
        let args = ["--device", pipe.output.as_str(), "--report", "1", "--restart"];
        let mut new = env.program("v4l2_client", &args).start();
        pusher.event("stalled");
        assert_eq!(number(&done(&mut old, "GWIN"), "a"), 320, "{style}");
        new.event("restarted");
        new.frame(3);
        new.frame(6);
        new.end_input();
        assert_eq!(number(&streamed(&mut new), "torn"), 0);
        drop((old, new));
        end_idle(pusher);
    }
}

/// The pusher dies, and another comes: whoever streams goes on if the new one can give the same pictures,
/// else an error tells, which a restart of the stream mends. Between the two there is the placeholder.
#[test]
fn pushers_come_and_go() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut first = push(&env, &pipe, style, &["--palette", "8", "--size", "320x240", "--fps", "500"]);
        let args = ["--device", pipe.output.as_str(), "--report", "1", "--restart"];
        let start = |way: &[&str]| env.program("v4l2_client", &[&args[..], way].concat()).start();
        let mut clients: Vec<Running> = WAYS[..4].iter().map(|way| start(way)).collect();
        for client in &mut clients {
            assert_eq!(client.event("ready")["format"], "YUYV");
            client.frame(5);
        }
        first.kill();
        for client in &mut clients {
            client.event("card");
        }
        // Larger, but it can give the former size.
        let more = ["--palette", "8", "--size", "640x480", "--first", "100000", "--fps", "500"];
        let mut second = push(&env, &pipe, style, &more);
        for client in &mut clients {
            client.frame(100_005);
        }
        second.kill();
        for client in &mut clients {
            client.event("card");
        }
        // Another palette.
        let more = ["--palette", "15", "--size", "320x240", "--first", "200000", "--fps", "500"];
        let third = push(&env, &pipe, style, &more);
        for client in &mut clients {
            assert_eq!(client.event("restarted")["format"], "YU12", "{style}");
            client.frame(200_005);
        }
        for mut client in clients {
            client.end_input();
            let result = streamed(&mut client);
            assert_eq!((number(&result, "torn"), number(&result, "back")), (0, 0), "{result}");
        }
        end_idle(third);
    }
}
