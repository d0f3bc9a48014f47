//! Formats change hands beside clients that stream (driver/docs/rules.md, "Formats change hands"): the pusher is never
//! refused for their sake, and they are told by an error that a restart of the stream mends.

use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Pipe, Running, number};

/// A pusher of one API or the other, 100 frames a second, once it feeds.
fn pusher(env: &Env, pipe: &Pipe, kind: &str, size: &str, first: &str) -> Running {
    let args = ["--device", pipe.input.as_str(), "--size", size, "--first", first, "--fps", "100"];
    let args = [&args[..], &["--report", "1"]].concat();
    let mut pusher = match kind {
        "v4l1" => env.program("push_motion", &args).start(),
        io => env.program("v4l2_pusher", &[&args[..], &["--format", "YU12", "--io", io]].concat()).start(),
    };
    pusher.event("frame");
    pusher
}

const WAYS: &[&[&str]] = &[&[], &["--by", "poll"], &["--by", "epoll", "--keep", "2", "--buffers", "6"]];

/// Clients of a placeholder, or of a former pusher's frames, when a pusher of another format comes.
#[test]
fn a_pusher_with_another_format_ends_streams_and_they_begin_again() {
    for kind in ["v4l1", "write", "mmap"] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut clients: Vec<Running> = WAYS
            .iter()
            .map(|way| {
                let args = ["--device", pipe.output.as_str(), "--report", "1", "--restart"];
                env.program("v4l2_client", &[&args[..], way].concat()).start()
            })
            .collect();
        for client in &mut clients {
            assert_eq!(client.event("ready")["format"], "YUYV");
            client.event("card");
        }
        for (size, first, width) in
            [("320x240", "0", 320), ("64x48", "100000", 64), ("640x480", "200000", 640)]
        {
            let mut pusher = pusher(&env, &pipe, kind, size, first);
            let from: u64 = first.parse().expect("a number");
            for client in &mut clients {
                let mut restarted = client.event("restarted");
                if kind == "v4l1" && number(&restarted, "width") != width {
                    // The pusher sets palette and size by two calls: it began again in between.
                    restarted = client.event("restarted");
                }
                assert_eq!(restarted["format"], "YU12", "{kind}");
                assert_eq!(number(&restarted, "width"), width, "{kind}");
                client.frame(from + 5);
            }
            pusher.end_input();
            assert_eq!(number(&pusher.event("pushed"), "errors"), 0);
            pusher.finish().ok();
        }
        for mut client in clients {
            client.end_input();
            let stream = client.event("stream");
            for key in ["skew", "stamps", "wrong"] {
                assert_eq!(number(&stream, key), 0, "{kind}: {stream}");
            }
            let result = client.result();
            for key in ["torn", "back", "errors"] {
                assert_eq!(number(&result, key), 0, "{kind}: {result}");
            }
        }
    }
}

/// The negative run: who does not begin again has an error, and no frame of the other format.
#[test]
fn without_a_restart_the_stream_has_ended() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for way in WAYS {
        let args = ["--device", pipe.output.as_str(), "--patience", "3"];
        let mut client = env.program("v4l2_client", &[&args[..], way].concat()).start();
        client.event("card");
        let pusher = pusher(&env, &pipe, "v4l1", "320x240", "0");
        assert_eq!(number(&client.event("error"), "errno"), 5, "{way:?}");
        let result = client.event("result");
        assert_eq!(number(&result, "received"), 0, "{way:?}: {result}");
        drop(pusher);
        // Back to another format, for the next round.
        env.until_idle();
        let args = ["--device", &pipe.input, "--format", "YUYV", "--size", "640x480", "--frames", "1"];
        env.program("v4l2_pusher", &args).output().ok();
        env.until_idle();
    }
}

/// A read() client is told, too, and a new open sees the new format.
#[test]
fn a_reading_client_is_told() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for way in [&[][..], &["--by", "poll"]] {
        let args = ["--device", pipe.output.as_str(), "--io", "read"];
        let mut client = env.program("v4l2_client", &[&args[..], way].concat()).start();
        client.event("card");
        let pusher = pusher(&env, &pipe, "v4l1", "320x240", "0");
        let error = client.event("error");
        assert_eq!(number(&error, "errno"), 5, "{way:?}: {error}");
        let args = ["--device", pipe.output.as_str(), "--io", "read", "--frames", "5"];
        let result = env.program("v4l2_client", &[&args[..], way].concat()).start().result();
        assert_eq!(number(&result, "torn") + number(&result, "errors"), 0, "{way:?}: {result}");
        drop(pusher);
        env.until_idle();
        let args = ["--device", &pipe.input, "--format", "YUYV", "--size", "640x480", "--frames", "1"];
        env.program("v4l2_pusher", &args).output().ok();
        env.until_idle();
    }
}

/// driver/docs/clients.md, "Readiness": readable exactly when a frame can be dequeued, also while a V4L1 pusher has
/// set its palette and not yet its size.
#[test]
fn a_readable_client_gets_its_card_while_a_pusher_sets_up() {
    for size in ["640x480", "320x240"] {
        let env = Env::new(1);
        let args = ["nameless", "--device", &env.pipe(0).output, "--size", size];
        pass(env.program("v4l2_feed", &args), |_, _| {});
    }
}

/// Palettes that V4L2 has no name for: V4L1 clients see them, V4L2 clients are told that there is nothing for
/// them, whether they came before the pusher or after.
#[test]
fn a_palette_without_a_name_is_for_v4l1_alone() {
    for palette in ["10", "11"] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let ways = [&[][..], &["--by", "poll"], &["--io", "read"], &["--io", "read", "--by", "poll"]];
        let mut before: Vec<Running> = ways
            .iter()
            .map(|way| {
                let args = ["--device", pipe.output.as_str()];
                env.program("v4l2_client", &[&args[..], way].concat()).start()
            })
            .collect();
        for client in &mut before {
            client.event("card");
        }
        let args = ["--device", pipe.input.as_str(), "--palette", palette, "--fps", "100"];
        let mut pusher = env.program("push_planar", &args).start();
        assert_eq!(pusher.event("setup")["palette"].to_string(), palette);
        let args = ["--device", pipe.output.as_str(), "--frames", "10"];
        let result = env.program("client_read", &args).start().result();
        assert_eq!(number(&result, "received"), 10, "{result}");
        for (client, way) in before.iter_mut().zip(ways) {
            assert_eq!(number(&client.event("error"), "errno"), 5, "{palette} {way:?}");
        }
        for way in ways {
            let args = ["--device", pipe.output.as_str(), "--frames", "10"];
            let mut client = env.program("v4l2_client", &[&args[..], way].concat()).start();
            let refused = loop {
                let event = client.any_event().unwrap_or_else(|| panic!("{way:?} is not told"));
                if event["event"] == "error" || event["event"] == "failed" {
                    break event;
                }
                assert!(event["event"] != "result" && event["event"] != "wrong", "{way:?}: {event}");
            };
            assert_eq!(number(&refused, "errno"), 5, "{palette} {way:?}: {refused}");
        }
    }
}
