//! One-copy mode from end to end: every style of pusher against every style of client, every byte of
//! every frame compared.

use serde_json::Value;
use vloopback_tests::{Env, Job, Pipe, Running, clean, have, number, skip};

/// Starts a pusher and waits until its pipe is set up. Returns the pipe that it found.
#[track_caller]
fn start_pusher(env: &Env, job: Job) -> (Running, Pipe) {
    let mut pusher = job.start();
    let device = pusher.event("open")["device"].as_str().expect("a device").to_owned();
    pusher.event("setup");
    let pipe = env.pipes().into_iter().find(|p| p.input == device);
    let pipe = pipe.unwrap_or_else(|| panic!("{device} is no input of {:?}", env.pipes()));
    (pusher, pipe)
}

/// Ends a pusher that pushes until it is told, and asserts that no write failed.
#[track_caller]
fn end_pusher(mut pusher: Running) -> Value {
    pusher.end_input();
    let pushed = pusher.event("pushed");
    assert_eq!(number(&pushed, "errors"), 0, "{pushed}");
    pusher.finish().ok();
    pushed
}

const CLIENTS: &[&str] =
    &["client_motion", "client_xawtv", "client_effectv", "client_libv4l1", "client_read", "client_readonly"];

/// Every client style takes 20 frames from this pusher, first one after the other, then all at once.
fn all_clients(env: &Env, job: Job) {
    let (pusher, pipe) = start_pusher(env, job);
    for client in CLIENTS {
        let client = env.program(client, &["--device", &pipe.output, "--frames", "20"]).start();
        clean(&client.result(), 20);
    }
    let together: Vec<Running> = CLIENTS
        .iter()
        .map(|client| env.program(client, &["--device", &pipe.output, "--frames", "60"]).start())
        .collect();
    for client in together {
        clean(&client.result(), 60);
    }
    end_pusher(pusher);
}

/// driver/docs/old-api.md, "Pushers": Motion, YUV420P, found by its path, by /proc, by sysfs and through the uname
/// gate.
#[test]
fn motion_pushes_and_all_clients_watch() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    all_clients(&env, env.program("push_motion", &["--device", &input, "--fps", "100"]));
}

/// driver/docs/old-api.md, "Pushers": Motion's other palette, GREY, with the /proc way.
#[test]
fn motion_pushes_grey_found_in_proc() {
    let env = Env::new(1);
    all_clients(&env, env.program("push_motion", &["--find", "proc", "--palette", "1", "--fps", "100"]));
}

/// driver/docs/old-api.md, "Pushers": GePhex and Gem, RGB32.
#[test]
fn gephex_pushes_and_all_clients_watch() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    all_clients(&env, env.program_legacy("push_gephex", &["--device", &input, "--fps", "100"]));
}

/// driver/docs/old-api.md, "Pushers": PDP and veejay, palettes 4, 15 and 7.
#[test]
fn planar_and_packed_pushers() {
    for palette in ["4", "15", "7"] {
        let env = Env::new(1);
        let input = env.pipe(0).input;
        let pusher = env.program("push_planar", &["--device", &input, "--palette", palette, "--fps", "100"]);
        let (pusher, pipe) = start_pusher(&env, pusher);
        for client in ["client_motion", "client_xawtv", "client_read"] {
            let client = env.program(client, &["--device", &pipe.output, "--frames", "20"]).start();
            clean(&client.result(), 20);
        }
        end_pusher(pusher);
    }
}

/// driver/docs/old-api.md, "Pushers": libdc1394's pipe mode, palette 8, its own /proc scanner.
#[test]
fn dc1394_pushes_and_all_clients_watch() {
    let env = Env::new(1);
    all_clients(&env, env.program_legacy("push_dc1394", &["--palette", "8", "--fps", "100"]));
}

/// driver/docs/old-api.md, "VIDIOCGCAP": a scanner that probes with O_RDONLY|O_NONBLOCK and pushes through O_WRONLY.
#[test]
fn a_scanner_pushes_through_a_write_only_descriptor() {
    let env = Env::new(1);
    all_clients(&env, env.program("push_scan", &["--find", "split", "--fps", "100"]));
}

/// driver/docs/old-api.md, "Pushers": to resize, GePhex closes, reopens and sets up again at once; clients that come
/// afterwards have the new size.
#[test]
fn a_pusher_resizes_by_closing_and_opening_again() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    for sizes in [["160x120", "640x480"], ["640x480", "160x120"], ["64x64", "66x64"]] {
        let job = env.program(
            "push_gephex",
            &["--device", &input, "--sizes", &sizes.join(","), "--frames", "5", "--step", "--hold"],
        );
        let (mut pusher, pipe) = start_pusher(&env, job);
        let args = ["--device", &pipe.output, "--size", sizes[0], "--report", "1", "--patience", "9"];
        let mut client = env.program("client_motion", &args).start();
        client.event("ready");
        for n in 0..4 {
            pusher.order();
            assert_eq!(client.frame(n), n);
        }
        // With the fifth frame the pusher goes over to the next size, this client open or not.
        pusher.order();
        pusher.event("setup");
        drop(client);
        let args = ["--device", &pipe.output, "--size", sizes[1], "--report", "1", "--frames", "5"];
        let mut client = env.program("client_motion", &args).start();
        client.event("ready");
        for n in 5..10 {
            pusher.order();
            assert_eq!(client.frame(n), n);
        }
        clean(&client.result(), 5);
        end_pusher_after(pusher);
        env.until_idle();
    }
}

/// Ends a pusher that has pushed all of its frames and holds its node.
#[track_caller]
fn end_pusher_after(mut pusher: Running) {
    pusher.event("pushed");
    pusher.end_input();
    pusher.finish().ok();
}

/// A client that keeps up gets every frame once, in order: no gap over 300 frames in lockstep
/// (driver/docs/rules.md, "Invariants" 4).
#[test]
fn in_lockstep_no_frame_is_missed() {
    for client in ["client_motion", "client_effectv", "client_readonly"] {
        let env = Env::new(1);
        let input = env.pipe(0).input;
        let job = env.program("push_motion", &["--device", &input, "--step"]);
        let (mut pusher, pipe) = start_pusher(&env, job);
        let args = ["--device", &pipe.output, "--report", "1", "--frames", "300"];
        let mut client = env.program(client, &args).start();
        client.event("ready");
        for n in 0..300 {
            pusher.order();
            assert_eq!(client.frame(n), n);
        }
        let result = client.result();
        clean(&result, 300);
        assert_eq!(number(&result, "gaps"), 0, "{result}");
        end_pusher(pusher);
    }
}

/// The negative run: a single wrong bit in frame 7 is seen by every client, so that "torn: 0"
/// elsewhere means something.
#[test]
fn a_wrong_bit_is_detected() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let job = env.program("push_motion", &["--device", &input, "--step", "--wrong-frame", "7"]);
    let (mut pusher, pipe) = start_pusher(&env, job);
    let mut client =
        env.program("client_motion", &["--device", &pipe.output, "--report", "1", "--frames", "10"]).start();
    client.event("ready");
    for n in 0..10 {
        pusher.order();
        if n == 7 {
            assert_eq!(number(&client.event("torn"), "n"), 7);
        } else {
            assert_eq!(client.frame(n), n);
        }
    }
    let result = client.event("result");
    assert_eq!(number(&result, "torn"), 1, "{result}");
    assert_eq!(number(&result, "received"), 9, "{result}");
    assert_eq!(client.finish().code(), 1);
    end_pusher(pusher);
}

/// driver/docs/old-api.md, "The document" 3 and "Rules for pushers" 2: with no client a write of a full frame returns
/// its count at once and the frame is dropped; drops are counted.
#[test]
fn frames_that_nobody_watches_are_dropped_and_counted() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let mut pusher = env.program("push_motion", &["--device", &input, "--frames", "100", "--hold"]).start();
    let pushed = pusher.event("pushed");
    assert_eq!(number(&pushed, "written"), 100, "{pushed}");
    let list = env.list();
    assert_eq!(number(&list[0]["counters"], "unwatched"), 100, "{list}");
    pusher.end_input();
    pusher.finish().ok();
}

/// driver/docs/rules.md, "Invariants" 2: a stopped client slows neither the pusher nor another client.
#[test]
fn a_stopped_client_slows_nobody() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let (mut pusher, pipe) = start_pusher(&env, env.program("push_motion", &["--device", &input, "--step"]));
    let mut stopped = env.program("client_hold", &["--device", &pipe.output, "--report", "1"]).start();
    stopped.event("ready");
    let args = ["--device", &pipe.output, "--report", "1", "--frames", "202"];
    let mut client = env.program("client_motion", &args).start();
    client.event("ready");
    for n in 0..2 {
        pusher.order();
        assert_eq!(client.frame(n), n);
    }
    stopped.frame(0);
    stopped.signal(rustix::process::Signal::STOP);
    for n in 2..202 {
        pusher.order();
        assert_eq!(client.frame(n), n);
    }
    let result = client.result();
    clean(&result, 202);
    assert_eq!(number(&result, "gaps"), 0, "{result}");
    stopped.signal(rustix::process::Signal::CONT);
    end_pusher(pusher);
}

/// driver/docs/old-api.md, "Mended": a pusher that restarts is not locked out while a client is open, and the open
/// client goes on. In between a waiting SYNC gives EINVAL.
#[test]
fn a_pusher_restarts_beside_an_open_mapped_client() {
    for client in ["client_motion", "client_effectv", "client_readonly"] {
        let env = Env::new(1);
        let input = env.pipe(0).input;
        let (mut pusher, pipe) =
            start_pusher(&env, env.program("push_motion", &["--device", &input, "--step"]));
        let args = ["--device", &pipe.output, "--report", "1", "--frames", "10", "--ask", "--patience", "9"];
        let mut client = env.program(client, &args).start();
        client.event("ready");
        for n in 0..5 {
            pusher.order();
            assert_eq!(client.frame(n), n);
        }
        end_pusher(pusher);
        let error = client.event("error");
        // It was in SYNC, or, if it was slow, not there yet: EINVAL in either case.
        assert_eq!(number(&error, "errno"), 22, "{error}");
        let job = env.program("push_motion", &["--device", &input, "--first", "1000", "--fps", "100"]);
        let (pusher, _) = start_pusher(&env, job);
        client.order();
        client.order();
        assert!(client.frame(1000) >= 1000);
        let result = client.event("result");
        assert_eq!(number(&result, "torn"), 0, "{result}");
        end_pusher(pusher);
    }
}

/// driver/docs/old-api.md, "Mended": memory is not freed under a mapping: a client that holds one uses every byte of it
/// after its pusher left, after another one came with a smaller and one with a larger size, and after the
/// server was killed.
#[test]
fn mapped_memory_stays_whatever_the_others_do() {
    for what in ["leaves", "64x64", "640x480", "server"] {
        let mut env = Env::new(1);
        let input = env.pipe(0).input;
        let (pusher, pipe) =
            start_pusher(&env, env.program("push_motion", &["--device", &input, "--fps", "100"]));
        let mut client = env.program("probe", &["touch", "--device", &pipe.output]).start();
        client.event("ready");
        match what {
            "leaves" => drop(end_pusher(pusher)),
            "server" => env.kill_daemon(),
            size => {
                end_pusher(pusher);
                let args = ["--device", &input, "--size", size, "--frames", "10", "--hold"];
                env.program("push_motion", &args).start().event("pushed");
            }
        }
        client.order();
        client.event("touched");
        client.finish().ok();
    }
}

/// driver/docs/old-api.md, "Mended": the open-reader mark is a count: R stays until the last reader is gone.
#[test]
fn readers_are_counted() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let (pusher, pipe) =
        start_pusher(&env, env.program("push_motion", &["--device", &input, "--fps", "100"]));
    let mut clients: Vec<Running> = (0..3)
        .map(|_| env.program("client_motion", &["--device", &pipe.output, "--report", "1"]).start())
        .collect();
    clients.iter_mut().for_each(|client| drop(client.event("frame")));
    while let Some(mut client) = clients.pop() {
        assert_eq!(env.pipe(0).output_status, "R");
        client.end_input();
        client.event("result");
        client.finish().ok();
    }
    env.until("the last reader is gone", |pipes| pipes[0].output_status == "-");
    end_pusher(pusher);
}

/// driver/docs/old-api.md, "Kept": after a pusher leaves, a waiting read gives 0; when one comes back, the open client
/// goes on.
#[test]
fn a_waiting_read_ends_when_the_pusher_leaves_and_goes_on_with_the_next() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let (pusher, pipe) =
        start_pusher(&env, env.program("push_motion", &["--device", &input, "--fps", "100"]));
    let args = ["--device", &pipe.output, "--report", "1", "--frames", "1000000", "--ask", "--patience", "9"];
    let mut client = env.program("client_read", &args).start();
    client.frame(1);
    end_pusher(pusher);
    client.event("eof");
    let job = env.program("push_motion", &["--device", &input, "--first", "100000", "--fps", "100"]);
    let (pusher, _) = start_pusher(&env, job);
    client.order();
    client.order();
    assert!(client.frame(100_000) >= 100_000);
    end_pusher(pusher);
}

/// A client that comes before its pusher: it opens, and has frames once somebody pushes (driver/docs/rules.md, "While
/// nobody pushes"). What it sees before, if anything, is a placeholder and no test frame.
#[test]
fn a_client_that_comes_first_sees_the_pusher_come() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut client = env
        .program("client_libv4l1", &["--device", &pipe.output, "--frames", "5", "--patience", "4000"])
        .start();
    client.event("ready");
    let (pusher, _) =
        start_pusher(&env, env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]));
    let result = client.event("result");
    assert_eq!(number(&result, "received"), 5, "{result}");
    assert_eq!(number(&result, "torn"), 0, "{result}");
    end_pusher(pusher);
}

/// driver/docs/old-api.md, "Clients" and "Kept": a legacy libv4l1 client meets EINVAL at open while nobody pushes, and
/// retries until a pusher appears.
#[test]
fn a_legacy_client_retries_its_open_until_a_pusher_appears() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let args = ["--device", &pipe.output, "--frames", "5", "--patience", "4000"];
    let mut client = env.program_legacy("client_libv4l1", &args).start();
    for _ in 0..3 {
        let error = client.event("error");
        assert_eq!((error["call"].as_str(), number(&error, "errno")), (Some("open"), 22), "{error}");
    }
    let (pusher, _) =
        start_pusher(&env, env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]));
    let result = client.event("result");
    assert_eq!(number(&result, "received"), 5, "{result}");
    end_pusher(pusher);
}

/// driver/docs/old-api.md, "Clients": xawtv's alarm without SA_RESTART interrupts a blocked SYNC with EINTR; the next
/// SYNC is served.
#[test]
fn an_alarm_interrupts_a_blocked_sync() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let (mut pusher, pipe) = start_pusher(&env, env.program("push_motion", &["--device", &input, "--step"]));
    let args =
        ["--device", &pipe.output, "--alarm-ms", "30", "--report", "1", "--frames", "1", "--patience", "999"];
    let mut client = env.program("client_xawtv", &args).start();
    client.event("probing");
    // One palette of those that it probes is the pipe's: that probe takes a frame. The mapping is
    // there, so the frame waits for it.
    pusher.order();
    client.event("ready");
    let error = client.event("error");
    assert_eq!((error["call"].as_str(), number(&error, "errno")), (Some("VIDIOCSYNC"), 4), "{error}");
    pusher.order();
    client.frame(1);
    let result = client.event("result");
    assert!(number(&result, "eintr") >= 1, "{result}");
    assert_eq!(number(&result, "torn"), 0, "{result}");
    end_pusher(pusher);
}

/// driver/docs/old-api.md, "Kept": a buffer is w*h*4 rounded up to the page size, whatever the palette; 2 frames by
/// default, as many as `--num-buffers` says otherwise; EffecTV needs at least two.
#[test]
fn buffers_are_as_in_the_old_driver() {
    for (buffers, frames) in [("2", 2), ("4", 4)] {
        let env = Env::builder().args(&["--pipes", "1", "--num-buffers", buffers]).start();
        let input = env.pipe(0).input;
        let job = env.program("push_motion", &["--device", &input, "--size", "322x242", "--fps", "100"]);
        let (pusher, pipe) = start_pusher(&env, job);
        let args = ["--device", &pipe.output, "--size", "322x242", "--frames", "20"];
        let mut client = env.program("client_effectv", &args).start();
        let mapped = client.event("mapped");
        let page = rustix::param::page_size() as i64;
        let buffer = (322 * 242 * 4 + page - 1) / page * page;
        assert_eq!(number(&mapped, "frames"), frames);
        assert_eq!(number(&mapped, "size"), buffer * frames);
        assert_eq!(number(&mapped, "offset1"), buffer);
        clean(&client.result(), 20);
        end_pusher(pusher);
    }
}

/// Small and large sizes go through whole.
#[test]
fn sizes_from_a_stamp_to_full_hd() {
    for size in ["20x20", "22x20", "352x288", "1920x1080"] {
        let env = Env::new(1);
        let input = env.pipe(0).input;
        let job = env.program("push_motion", &["--device", &input, "--size", size, "--fps", "50"]);
        let (pusher, pipe) = start_pusher(&env, job);
        for client in ["client_motion", "client_read"] {
            let args = ["--device", &pipe.output, "--size", size, "--frames", "10"];
            clean(&env.program(client, &args).start().result(), 10);
        }
        end_pusher(pusher);
    }
}

/// Two pipes do not mix: each client sees its own pusher's frames only.
#[test]
fn two_pipes_stay_apart() {
    let env = Env::new(2);
    let pipes = env.pipes();
    let starts = ["0", "1000000"];
    let pushers: Vec<Running> = pipes
        .iter()
        .zip(starts)
        .map(|(pipe, first)| {
            let args = ["--device", &pipe.input, "--first", first, "--fps", "100"];
            start_pusher(&env, env.program("push_motion", &args)).0
        })
        .collect();
    for (pipe, first) in pipes.iter().zip([0, 1_000_000]) {
        let result =
            env.program("client_motion", &["--device", &pipe.output, "--frames", "50"]).start().result();
        clean(&result, 50);
        assert!((first..first + 500_000).contains(&number(&result, "first")), "{result}");
    }
    pushers.into_iter().for_each(|pusher| drop(end_pusher(pusher)));
}

/// driver/docs/rules.md, "Formats change hands": another size gives the client's SYNC EINVAL, and a new VIDIOCGMBUF and
/// mmap mend it, also for a client that never unmaps the old frames.
#[test]
fn a_client_goes_on_after_a_change_of_size() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let (pusher, pipe) =
        start_pusher(&env, env.program("push_motion", &["--device", &input, "--fps", "100"]));
    let mut client = env.program("probe", &["remap", "--device", &pipe.output]).start();
    client.event("ready");
    end_pusher(pusher);
    let job = env.program("push_motion", &["--device", &input, "--size", "640x480", "--fps", "100"]);
    let (pusher, _) = start_pusher(&env, job);
    client.order();
    assert_eq!(number(&client.event("asked"), "errno"), 22);
    let result = client.event("result");
    assert_eq!(number(&result, "received"), 2, "{result}");
    assert_eq!(number(&result, "torn") + number(&result, "foreign"), 0, "{result}");
    end_pusher(pusher);
}

/// Kernels before 5.16 have no futex_waitv: there a client sleeps in recv() on its own descriptor. Shown with a
/// kernel that is made to say ENOSYS, for frames as well as for the server's death.
#[test]
fn clients_sleep_on_old_kernels_too() {
    if !have("strace") {
        skip!("strace is not installed");
    }
    let mut env = Env::new(1);
    let input = env.pipe(0).input;
    let (_pusher, pipe) =
        start_pusher(&env, env.program("push_motion", &["--device", &input, "--fps", "100"]));
    let log = env.dir().join("strace");
    let program = vloopback_tests::program("client_motion");
    let (program, trace) = (program.to_str().expect("a UTF-8 path"), log.to_str().expect("a UTF-8 path"));
    let inject = "inject=futex_waitv:error=ENOSYS";
    let command = ["strace", "-f", "-o", trace, "-e", "trace=futex_waitv", "-e", inject, program];
    let mut client = env.run(&command).args(["--device", &pipe.output, "--report", "1"]).start();
    let n = client.frame(0);
    client.frame(n + 20);
    assert!(std::fs::read_to_string(&log).expect("strace's log").contains("ENOSYS"), "nothing slept");
    env.kill_daemon();
    assert_eq!(number(&client.event("error"), "errno"), 19);
}
