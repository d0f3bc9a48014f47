//! Right pictures, for every style of pusher and every kind of client.

use super::*;

/// Each style with a client that maps and one that reads: right pictures, the pusher's own geometry, a number 0
/// for each client that closes, no signal without a reason.
#[test]
fn every_style_serves_mapped_and_reading_clients() {
    for style in STYLES {
        for frames in ["2", "1"] {
            let env = Env::new(1);
            let pipe = env.pipe(0);
            let mut pusher = push(&env, &pipe, style, &["--frames", frames, "--look-again"]);
            idle(&mut pusher);
            let args = ["--device", &pipe.output, "--frames", "30"];
            let mut mapped = env.program("zc_client", &args).start();
            let geometry = mapped.event("mapped");
            assert_eq!(geometry["frames"].to_string(), frames, "{style}: {geometry}");
            assert_eq!(number(&geometry, "size"), SLOT * number(&geometry, "frames"), "{geometry}");
            assert_eq!(mapped.event("ready")["name"], "zero-copy test camera", "{style}");
            let result = mapped.result();
            clean(&result, 30);
            assert_eq!(number(&result, "gaps"), 0, "{style}: {result}");
            pusher.event("closed");
            idle(&mut pusher);
            clean(&watch(&env, &pipe, "zc_client", &["--read", "--frames", "30"]), 30);
            pusher.event("closed");
            idle(&mut pusher);
            let pushed = end(pusher);
            assert_eq!(number(&pushed, "closed"), 2, "{style}: {pushed}");
            // A second signal for one request comes only where that lay unread for a while: the server was asked, too.
            assert!(number(&pushed, "spurious") * 4 < number(&pushed, "requests"), "{style}: {pushed}");
            env.until_idle();
        }
    }
}

/// driver/docs/old-api.md, "Clients": the clients of that time.
#[test]
fn clients_of_the_time() {
    let clients = [
        "client_motion",
        "client_effectv",
        "client_readonly",
        "client_xawtv",
        "client_hold",
        "client_libv4l1",
        "client_read",
    ];
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, &["--fps", "200"]);
        for client in clients {
            let result = watch(&env, &pipe, client, &["--frames", "20"]);
            clean(&result, 20);
        }
        end(pusher);
    }
}

/// driver/docs/old-api.md, "Rules for pushers" 9: the frames are where the pusher's own GMBUF says, the first of them,
/// too.
#[test]
fn frames_are_where_the_pusher_says() {
    for frames in ["1", "2"] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let args = ["--origin", "12288", "--frames", frames, "--palette", "8"];
        let mut pusher = push(&env, &pipe, "handler", &args);
        let mut mapped = env.program("zc_client", &["--device", &pipe.output, "--frames", "10"]).start();
        let geometry = mapped.event("mapped");
        assert_eq!(number(&geometry, "size"), 12288 + SLOT * number(&geometry, "frames"), "{geometry}");
        clean(&mapped.result(), 10);
        for (program, extra) in [
            ("zc_client", &["--read"][..]),
            ("v4l2_client", &["--io", "mmap"]),
            ("v4l2_client", &["--io", "read"]),
        ] {
            clean(&watch(&env, &pipe, program, &[&["--frames", "10"], extra].concat()), 10);
        }
        idle(&mut pusher);
        end(pusher);
    }
}

/// The other palettes of the time, at other sizes.
#[test]
fn palettes_and_sizes() {
    for (palette, size) in [("4", "640x480"), ("1", "352x288"), ("7", "20x20"), ("15", "322x242")] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "handler", &["--palette", palette, "--size", size]);
        for extra in [&["--frames", "10"][..], &["--frames", "10", "--read"]] {
            clean(&watch(&env, &pipe, "zc_client", extra), 10);
        }
        end(pusher);
    }
}

/// A negative run: one wrong bit in one frame is seen by either kind of client.
#[test]
fn a_wrong_bit_is_detected() {
    for extra in [&["--frames", "10"][..], &["--frames", "10", "--read"]] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, "handler", &["--wrong-frame", "7"]);
        let mut args = vec!["--device", pipe.output.as_str()];
        args.extend(extra);
        let mut client = env.program("zc_client", &args).start();
        assert_eq!(number(&client.event("torn"), "n"), 7);
        let result = client.event("result");
        assert_eq!((number(&result, "torn"), number(&result, "received")), (1, 9), "{result}");
        end(pusher);
    }
}

/// driver/docs/old-api.md, "The document" 6: a read() is not forwarded; the pusher sees GWIN, GPICT, MCAPTURE and SYNC.
#[test]
fn a_read_is_served_as_four_requests() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = push(&env, &pipe, "handler", &["--report", "1"]);
    let mut client = client(&env, &pipe);
    // One of V4L1's: for others a read() is the pipe's own capture.
    done(&mut client, "GCAP");
    pusher.event("request");
    let got = done(&mut client, "read");
    assert_eq!(number(&got, "b"), -1, "{got}");
    let mut names: Vec<String> = (0..4).map(|_| pusher.event("request")["name"].to_string()).collect();
    names[..2].sort();
    assert_eq!(names, ["\"GPICT\"", "\"GWIN\"", "\"MCAPTURE\"", "\"SYNC\""]);
    // A short read gives the frame's beginning.
    let got = done(&mut client, "read 1000");
    assert_eq!((number(&got, "result"), number(&got, "b")), (1000, -1), "{got}");
    drop(client);
    end(pusher);
}

/// Two that read get whole frames each, however their requests mix; and so does one that reads beside one that maps.
/// Two that map share the pusher's frames: no request of theirs fails.
#[test]
fn two_clients_at_once() {
    let count = if full() { "1000" } else { "100" };
    for style in STYLES {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let pusher = push(&env, &pipe, style, &["--fps", "500"]);
        for (first, second) in [(true, true), (true, false), (false, false)] {
            let start = |reads: bool| {
                let mut args = vec!["--device", pipe.output.as_str(), "--frames", count];
                args.extend(reads.then_some("--read"));
                env.program("zc_client", &args).start()
            };
            let both = [(first, start(first)), (second, start(second))];
            for (reads, mut client) in both {
                let result = client.event("result");
                assert_eq!(number(&result, "errors"), 0, "{style}: {result}");
                assert_eq!(number(&result, "foreign"), 0, "{style}: {result}");
                if reads {
                    clean(&result, 100);
                }
            }
        }
        end(pusher);
    }
}
