//! Requests, answers, refusals, and what none of them does.

use vloopback_tests::Width;

use super::*;

/// driver/docs/old-api.md, "Rules for pushers" 7: SINVALID is ENOTTY, other bytes in answer to a set are EINVAL,
/// SINVALID and then an answer is ENOTTY still; none of them has any effect on the next request.
#[test]
fn refusals_have_the_right_errno() {
    for (by, set) in [("sinvalid", ENOTTY), ("bytes", EINVAL), ("both", ENOTTY)] {
        for style in STYLES {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let pusher = push(&env, &pipe, style, &["--refuse", by]);
            let mut client = client(&env, &pipe);
            for order in
                ["SPICT 4", "SWIN 2 2", "SWIN 4000 4000", "SCHAN 9", "MCAPTURE 0 4 320 240", "SYNC 7"]
            {
                assert_eq!(refused(&mut client, order), set, "{style} by {by}: {order}");
                let got = done(&mut client, "GPICT");
                assert_eq!((number(&got, "a"), number(&got, "b")), (15, 12), "{style} by {by}: {got}");
            }
            for order in ["GTUNER", "GCHAN 9", "GAUDIO", "GFREQ", "KEY", "GPLAYINFO", "GVBIFMT"] {
                assert_eq!(refused(&mut client, order), ENOTTY, "{style} by {by}: {order}");
                let got = done(&mut client, "GWIN");
                assert_eq!((number(&got, "a"), number(&got, "b")), (320, 240), "{style} by {by}: {got}");
            }
            drop(client);
            end(pusher);
        }
    }
}

/// Clients that find out what a device has by what fails.
#[test]
fn formats_are_found_by_failing_requests() {
    for (by, errno) in [("sinvalid", ENOTTY), ("bytes", EINVAL)] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "pause", &["--refuse", by, "--palette", "8"]);
        let mut client = env.program("zc_client", &["probe", "--device", &pipe.output]).start();
        for palette in 1..=16 {
            let probed = client.event("probed");
            let expected = if palette == 8 { 0 } else { errno };
            assert_eq!(number(&probed, "palette"), palette);
            assert_eq!(
                (number(&probed, "spict"), number(&probed, "mcapture")),
                (expected, expected),
                "{probed}"
            );
            assert_eq!(number(&probed, "sync"), 0, "{probed}");
        }
        client.event("end");
        end(pusher);
    }
}

/// Sets and gets reach the pusher and come back: size, input, brightness.
#[test]
fn a_client_sets_the_pusher_s_camera() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--report", "1"]);
        let mut client = client(&env, &pipe);
        let cap = done(&mut client, "GCAP");
        assert_eq!((number(&cap, "a"), number(&cap, "b"), number(&cap, "c")), (1, 2, 320), "{cap}");
        assert_eq!(pusher.event("request")["name"], "GCAP");
        done(&mut client, "SPICT 15 4711");
        assert_eq!(number(&done(&mut client, "GPICT"), "c"), 4711);
        done(&mut client, "SCHAN 1");
        let channel = done(&mut client, "GCHAN 1");
        assert_eq!(
            (number(&channel, "a"), number(&channel, "b"), number(&channel, "c")),
            (1, 2, 1),
            "{channel}"
        );
        done(&mut client, "SWIN 160 120");
        let window = done(&mut client, "GWIN");
        assert_eq!(
            (number(&window, "a"), number(&window, "b"), number(&window, "c")),
            (160, 120, 0),
            "{window}"
        );
        done(&mut client, "CAPTURE 1");
        // read() has the size that is set now.
        let got = done(&mut client, "read");
        assert_eq!(number(&got, "result"), 160 * 120 * 3 / 2, "{got}");
        assert_eq!(number(&got, "b"), -1, "{got}");
        drop(client);
        end(pusher);
    }
}

/// driver/docs/old-api.md, "Rules for pushers" 7 and 8: an answer, or SINVALID, with nothing pending is 0 and does
/// nothing; so is a second answer to everything.
#[test]
fn answers_to_nothing_are_harmless() {
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--twice", "--look-again"]);
        for order in ["answer", "sinvalid", "sinvalid", "answer"] {
            let asked = tell(&mut pusher, order, "asked");
            assert_eq!(number(&asked, "result"), 0, "{style}: {order}: {asked}");
            idle(&mut pusher);
        }
        let mut client = client(&env, &pipe);
        assert_eq!(number(&done(&mut client, "GPICT"), "a"), 15, "{style}");
        tell(&mut pusher, "sinvalid", "asked");
        assert_eq!(number(&done(&mut client, "GWIN"), "a"), 320, "{style}");
        assert_eq!(refused(&mut client, "GTUNER"), ENOTTY, "{style}");
        assert_eq!(number(&done(&mut client, "GWIN"), "b"), 240, "{style}");
        done(&mut client, "close");
        pusher.event("closed");
        idle(&mut pusher);
        clean(&watch(&env, &pipe, "zc_client", &["--frames", "20"]), 20);
        end(pusher);
    }
}

/// An answer counts only for a request that was read since it was posted: one to a request that was given up does
/// not answer the next of the same number.
#[test]
fn a_late_answer_answers_nothing() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--stall", "GPICT"]);
        let mut client = client(&env, &pipe);
        begin(&mut client, "GPICT");
        pusher.event("stalled");
        client.kill();
        pusher.event("closed");
        tell(&mut pusher, "late", "answered");
        let mut other = self::client(&env, &pipe);
        tell(&mut pusher, "stall GPICT", "stalls");
        begin(&mut other, "GPICT");
        pusher.event("stalled");
        tell(&mut pusher, "late", "answered");
        let got = other.event("asked");
        assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{style}: {got}");
        drop(other);
        end(pusher);
    }
}

/// Requests go to the pusher one at a time: behind a SYNC that waits, another client's waits too.
#[test]
fn requests_queue() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &["--report", "1"]);
        let mut first = client(&env, &pipe);
        let mut second = client(&env, &pipe);
        done(&mut first, "map");
        done(&mut first, "MCAPTURE 0 15 320 240");
        tell(&mut pusher, "stall SYNC", "stalls");
        begin(&mut first, "SYNC 0");
        pusher.event("stalled");
        begin(&mut second, "GPICT");
        idle(&mut pusher);
        tell(&mut pusher, "late", "answered");
        assert_eq!(number(&first.event("asked"), "result"), 0, "{style}");
        let got = second.event("asked");
        assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{style}: {got}");
        // A child of the client's asks through the descriptor that it has from it.
        assert_eq!(number(&done(&mut second, "fork"), "a"), 0, "{style}");
        assert_eq!(number(&done(&mut second, "GPICT"), "a"), 15, "{style}");
        drop((first, second));
        end(pusher);
    }
}

/// `vloopback list` and /proc: that the pipe is a zero-copy one, what its pusher is at, who waits; and frames are counted,
/// whoever asks for them and however.
#[test]
fn the_list_tells_who_waits() {
    let env = endless();
    let pipe = env.pipe(0);
    let list = |words: &[&str]| {
        env.own("vloopback").arg("list").args(words).arg("--socket").arg(env.socket()).output().ok().text()
    };
    let listed = || listed(&env);
    assert_eq!(listed()["zero_copy"], Value::Null);
    let mut pusher = push(&env, &pipe, "handler", &[]);
    let mut first = client(&env, &pipe);
    let mut second = client(&env, &pipe);
    done(&mut first, "map");
    take(&mut first, 0);
    // One of V4L1's: for others a read() is the pipe's own capture.
    done(&mut second, "GPICT");
    done(&mut second, "read");
    done(&mut first, "MCAPTURE 0 15 320 240");
    tell(&mut pusher, "stall SYNC", "stalls");
    begin(&mut first, "SYNC 0");
    pusher.event("stalled");
    begin(&mut second, "GPICT");
    let until = Instant::now() + PATIENCE;
    loop {
        let zero = listed()["zero_copy"].clone();
        assert_eq!(zero["request"], "VIDIOCSYNC", "{zero}");
        assert!(number(&zero, "bytes") >= 2 * SLOT, "{zero}");
        if zero["waiting"] == 1 {
            break;
        }
        assert!(Instant::now() < until, "{zero}");
    }
    let table = list(&[]);
    assert!(table.contains(" bytes, at VIDIOCSYNC, 1 wait\n"), "{table}");
    tell(&mut pusher, "late", "answered");
    first.event("asked");
    second.event("asked");
    let told = listed();
    assert_eq!(
        (&told["zero_copy"]["request"], &told["zero_copy"]["waiting"]),
        (&Value::Null, &0.into()),
        "{told}"
    );
    assert_eq!((&told["counters"]["written"], &told["counters"]["read"]), (&3.into(), &3.into()), "{told}");
    let mut received: Vec<i64> =
        told["owners"].as_array().expect("owners").iter().map(|owner| number(owner, "received")).collect();
    received.sort_unstable();
    assert_eq!(received, [1, 2, 3], "{told}");
    // V4L2's frames are counted once more; who is gone has been counted.
    drop((first, second));
    clean(&watch(&env, &pipe, "v4l2_client", &["--frames", "5"]), 5);
    translated::end_idle(pusher);
    let told = listed();
    assert!(number(&told["counters"], "written") >= 8 && number(&told["counters"], "read") >= 8, "{told}");
    assert_eq!(told["zero_copy"], Value::Null);
}

/// Several signals become one while the pusher cannot take them: it still gets all that there is to read, although
/// it reads once a signal.
#[test]
fn no_request_is_lost_among_signals() {
    for style in STYLES {
        let env = endless();
        let pipe = env.pipe(0);
        let mut pusher = push(&env, &pipe, style, &[]);
        for round in 0..10 {
            let mut clients: Vec<Running> = (0..3).map(|_| client(&env, &pipe)).collect();
            for client in &mut clients {
                done(client, "GPICT");
            }
            stop(&mut pusher);
            let (closing, asking) = clients.split_at_mut(1);
            if round % 2 == 0 {
                begin(&mut asking[0], "GPICT");
                done(&mut closing[0], "close");
                begin(&mut asking[1], "GWIN");
            } else {
                done(&mut closing[0], "close");
                begin(&mut asking[0], "GPICT");
                asking[1].kill();
            }
            pusher.signal(Signal::CONT);
            let got = asking[0].event_within("asked", BOUND);
            assert_eq!((number(&got, "result"), number(&got, "a")), (0, 15), "{style}: {got}");
            if round % 2 == 0 {
                // Not withdrawn: that would make the pusher's descriptor readable for nothing.
                let got = asking[1].event_within("asked", BOUND);
                assert_eq!((number(&got, "result"), number(&got, "a")), (0, 320), "{style}: {got}");
            }
            drop(clients);
            for _ in 0..3 {
                pusher.event_within("closed", BOUND);
            }
            idle(&mut pusher);
        }
        let pushed = end(pusher);
        assert_eq!(number(&pushed, "closed"), 30, "{style}: {pushed}");
    }
}

/// Pointers that lead nowhere and sizes that lie are refused at the client; the pusher sees none of them.
#[test]
fn bad_requests_do_not_reach_the_pusher() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let pusher = push(&env, &pipe, "handler", &[]);
    let mut client = client(&env, &pipe);
    // GWIN and SWIN have a number for each word size.
    let (gwin, other_swin) = match Width::chosen() {
        Width::Native => ("80287609", "4020760a"),
        Width::Narrow | Width::NarrowTime64 | Width::NarrowOld => ("80207609", "4028760a"),
    };
    for request in ["803c7601", "c0307602", "400e7607", gwin, "40047612", "40107613", "80887614"] {
        for pointer in ["null", "low", "wild", "half"] {
            let order = format!("raw {request} {pointer}");
            assert_eq!(refused(&mut client, &order), EFAULT, "{order}");
        }
    }
    // More than fits, with the number, into the 1024 bytes that pushers read; up to all that an ioctl can have.
    for order in ["raw c40176e0 good", "raw ffff76e0 good", "raw 43f97607 good", "raw 7fff7607 good"] {
        assert_eq!(refused(&mut client, order), EINVAL, "{order}");
    }
    // The ABI's other shape, and the right number with another size.
    let other_swin = format!("raw {other_swin} good");
    for order in [&other_swin, "raw 80107606 good", "raw 7601 good", "raw 43f87607 good"] {
        assert_eq!(refused(&mut client, order), ENOTTY, "{order}");
    }
    assert_eq!(refused(&mut client, "SINVALID"), ENOTTY);
    assert_eq!(refused(&mut client, "raw 803c7601 const"), EFAULT);
    if Width::chosen() == Width::Native {
        // A sign-extended number is the same request.
        let got = done(&mut client, "raw ffffffff803c7601 good");
        assert_eq!(number(&got, "result"), 0);
    }
    done(&mut client, "map");
    take(&mut client, 0);
    drop(client);
    end(pusher);
}

/// driver/docs/rules.md, "Forwarded requests": a request is given up after the pipe's time limit, with ETIMEDOUT; a
/// SYNC is not, it may wait for a picture, and those behind it wait with it.
#[test]
fn answers_have_a_time_limit() {
    let env = limited(3);
    let pipes = env.pipes();
    let mut waits = push(&env, &pipes[0], "handler", &["--stall", "SYNC"]);
    let mut mapped = client(&env, &pipes[0]);
    let mut behind = client(&env, &pipes[0]);
    done(&mut mapped, "map");
    done(&mut mapped, "MCAPTURE 0 15 320 240");
    begin(&mut mapped, "SYNC 0");
    waits.event("stalled");
    begin(&mut behind, "GPICT");
    for style in STYLES {
        // As long as that takes, the others wait.
        let mut pusher = push(&env, &pipes[1], style, &["--stall", "GPICT"]);
        let mut client = client(&env, &pipes[1]);
        assert_eq!(refused(&mut client, "GPICT"), ETIMEDOUT, "{style}");
        pusher.event("stalled");
        assert_eq!(number(&done(&mut client, "GWIN"), "a"), 320, "{style}");
        tell(&mut pusher, "late", "answered");
        assert_eq!(number(&done(&mut client, "GPICT"), "a"), 15, "{style}");
        drop(client);
        end(pusher);
    }
    tell(&mut waits, "late", "answered");
    assert_eq!(number(&mapped.event("asked"), "result"), 0);
    assert_eq!(number(&behind.event("asked"), "a"), 15);
    drop((mapped, behind));
    end(waits);
}

/// driver/docs/rules.md, "Forwarded requests": 0 means never. A handler's EINTR comes first.
#[test]
fn without_a_time_limit_requests_wait() {
    let env = limited(0);
    let pipe = env.pipe(0);
    for style in STYLES {
        let mut pusher = push(&env, &pipe, style, &["--stall", "GPICT"]);
        let mut client = client(&env, &pipe);
        done(&mut client, "alarm 0");
        begin(&mut client, "GPICT");
        pusher.event("stalled");
        let early = client.event_if_soon("asked", Duration::from_millis(300));
        assert_eq!(early, None, "{style}");
        interrupt(&mut client);
        tell(&mut pusher, "late", "answered");
        assert_eq!(number(&done(&mut client, "GPICT"), "a"), 15, "{style}");
        drop(client);
        end(pusher);
    }
}

/// driver/docs/rules.md, "Forwarded requests": read() is excepted from the limit, as SYNC is. What the pusher does not
/// answer is asked anew, and others have their turn in between.
#[test]
fn a_read_has_no_time_limit() {
    let env = limited(3);
    let pipe = env.pipe(0);
    for stalled in ["GWIN", "GPICT", "MCAPTURE"] {
        let mut pusher = push(&env, &pipe, "handler", &["--stall", stalled]);
        let mut reads = client(&env, &pipe);
        let mut other = client(&env, &pipe);
        // One of V4L1's: for others a read() is the pipe's own capture.
        for client in [&mut reads, &mut other] {
            done(client, "GCAP");
        }
        begin(&mut reads, "read");
        pusher.event("stalled");
        assert_eq!(number(&done(&mut other, "GCHAN 1"), "a"), 1, "{stalled}");
        let got = reads.event_within("asked", BOUND);
        assert_eq!((number(&got, "result"), number(&got, "b")), (SLOT / 2, -1), "{stalled}: {got}");
        drop((reads, other));
        end(pusher);
    }
}

/// driver/docs/old-api.md, "Rules for pushers" 4: the handler may have interrupted malloc, stdio or our own calls, and
/// what the pusher calls in it enters no allocator and no lock. An allocator that ends the program when it is entered
/// from the handler stands in front of libc's; a planted allocation shows that it does.
#[test]
fn a_handler_may_interrupt_anything() {
    // Two requests a frame.
    let frames = if full() { "500000" } else { "20000" };
    for plant in [false, true] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut pusher = busy(&env, &pipe, if plant { &["--plant"] } else { &[] });
        let args = ["--device", &pipe.output, "--frames", frames];
        let mut client = env.program("zc_client", &args).start();
        if plant {
            assert_eq!(pusher.event("unsafe")["call"], "malloc");
            let error = client.event_within("error", BOUND);
            assert_eq!(number(&error, "errno"), EIO, "{error}");
            assert_ne!(pusher.finish().code(), 0);
            continue;
        }
        let result = client.event_within("result", Duration::from_secs(if full() { 7200 } else { 1200 }));
        clean(&result, frames.parse().expect("a number"));
        drop(client);
        pusher.event("closed");
        end_busy(pusher);
    }
}

/// The same with all that a handler can meet: clients that come and go, that read, and V4L2's, whose frames it copies
/// into a ring that comes and goes with them.
#[test]
fn a_handler_may_meet_every_client() {
    let rounds = if full() { 300 } else { 30 };
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let pusher = busy(&env, &pipe, &["--palette", "8"]);
    let args = ["--device", pipe.output.as_str(), "--report", "1"];
    let mut stays = env.program("v4l2_client", &args).start();
    for round in 0..rounds {
        let ways: [(&str, &[&str]); 4] = [
            ("zc_client", &[]),
            ("zc_client", &["--read"]),
            ("v4l2_client", &["--io", "read"]),
            ("v4l2_client", &[]),
        ];
        let watching: Vec<Running> = ways
            .iter()
            .map(|(name, way)| {
                let args = [&["--device", pipe.output.as_str(), "--frames", "20"], *way].concat();
                env.program(name, &args).start()
            })
            .collect();
        for mut client in watching {
            let result = client.event("result");
            assert_eq!((number(&result, "errors"), number(&result, "foreign")), (0, 0), "{round}: {result}");
            assert_eq!(number(&result, "received") + number(&result, "torn"), 20, "{round}: {result}");
        }
        if round % 10 == 9 {
            // Now and then nobody streams: the next ring is another one.
            let next = stays.frame(0);
            stays.frame(next + 1);
            stays.end_input();
            let result = stays.event("result");
            assert_eq!(number(&result, "torn"), 0, "{result}");
            drop(stays);
            stays = env.program("v4l2_client", &args).start();
        }
    }
    stays.end_input();
    stays.event("result");
    drop(stays);
    end_busy(pusher);
}

/// A pusher whose handler must enter no allocator and no lock, and interrupts its malloc, its stdio and its calls of
/// ours.
#[track_caller]
fn busy(env: &Env, pipe: &Pipe, extra: &[&str]) -> Running {
    push(env, pipe, "busy", &[&["--size", "20x20", "--seed", "7"], extra].concat())
}

#[track_caller]
fn end_busy(mut pusher: Running) {
    pusher.order();
    loop {
        let event = pusher.any_event().expect("it tells how often it was about");
        assert!(event["event"] != "wrong" && event["event"] != "unsafe", "{event}");
        if event["event"] == "busy" {
            assert!(number(&event, "turns") > 0);
            break;
        }
    }
    end(pusher);
}

/// Threads of one client, on one descriptor and on their own, beside another client: each gets its own answers.
#[test]
fn threads_take_turns() {
    let times = if full() { 2000 } else { 100 };
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, &["--fps", "1000"]);
        let mut first = client(&env, &pipe);
        let mut second = client(&env, &pipe);
        begin(&mut first, &format!("threads {times}"));
        begin(&mut second, &format!("threads {times}"));
        for client in [&mut first, &mut second] {
            let bad = client.event_within("asked", 5 * PATIENCE);
            assert_eq!(number(&bad, "a"), 0, "{style}: {bad}");
        }
        drop((first, second));
        let pushed = end(pusher);
        assert_eq!(number(&pushed, "requests"), 2 * 4 * 2 * times, "{style}: {pushed}");
    }
}
