//! The rules of streaming by V4L2 (driver/docs/clients.md, "Readiness" and "What a device must answer"), one C case
//! each.

use vloopback_tests::cases::{pass, step};
use vloopback_tests::{Env, Pipe, Running};

const SIZE: &str = "64x48";

/// A daemon, and a V4L1 pusher of YUV420P with these options.
fn fed(pusher_args: &[&str]) -> (Env, Running, Pipe) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut args = vec!["--device", pipe.input.as_str(), "--size", SIZE];
    args.extend(pusher_args);
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    (env, pusher, pipe)
}

/// The program that has a case.
fn program(case: &str) -> &'static str {
    match case {
        "busy" | "mappings" | "others" | "held" | "threads" | "fork" => "v4l2_share",
        _ => "v4l2_stream",
    }
}

/// Runs a case that asks for each frame.
#[track_caller]
fn stepped(name: &str, more: &[&str]) {
    let (env, mut pusher, pipe) = fed(&["--step", "--report", "1"]);
    let mut args = vec![name, "--device", pipe.output.as_str(), "--size", SIZE];
    args.extend(more);
    pass(env.program(program(name), &args), step(&mut pusher));
}

/// Runs a case beside a pusher at 200 frames a second.
#[track_caller]
fn flowing(name: &str) {
    let (env, _pusher, pipe) = fed(&["--fps", "200"]);
    let args = [name, "--device", &pipe.output, "--size", SIZE];
    pass(env.program(program(name), &args), |_, _| {});
}

/// Rule 4: 256, 1, 0 first; other memory and other types are refused.
#[test]
fn reqbufs() {
    stepped("reqbufs", &[]);
}

#[test]
fn a_buffers_states_and_flags() {
    stepped("states", &[]);
}

/// Rule 7: O_NONBLOCK at open, and set later.
#[test]
fn nonblocking() {
    stepped("eagain", &[]);
}

#[test]
fn streamoff_of_another_thread_ends_a_dqbuf() {
    stepped("streamoff", &[]);
}

#[test]
fn close_in_another_thread_ends_a_dqbuf_and_a_read() {
    stepped("close", &[]);
}

#[test]
fn a_signal_ends_a_dqbuf_unless_it_restarts() {
    stepped("signals", &[]);
}

/// Rule 8, and read() beside buffers both ways.
#[test]
fn a_second_descriptor_of_the_process_is_refused() {
    flowing("busy");
}

#[test]
fn threads_share_a_stream() {
    flowing("threads");
}

#[test]
fn a_forked_child_goes_on_with_the_stream() {
    flowing("fork");
}

/// Rule 4: mapped twice, for reading only, a dup whose original closes first, mapped after close.
#[test]
fn mappings() {
    stepped("mappings", &[]);
}

/// Rule 6.
#[test]
fn those_who_open_ask_and_close_disturb_nothing() {
    stepped("others", &[]);
}

#[test]
fn readiness_by_poll() {
    stepped("ready", &["--by", "poll"]);
}

#[test]
fn readiness_by_select() {
    stepped("ready", &["--by", "select"]);
}

#[test]
fn readiness_by_epoll() {
    stepped("ready", &["--by", "epoll"]);
}

/// Rule 7.
#[test]
fn sequence_gaps_and_timestamps() {
    stepped("sequence", &[]);
}

/// driver/docs/rules.md, "Invariants" 1.
#[test]
fn frames_that_a_program_holds_stay() {
    stepped("held", &[]);
}

#[test]
fn reading() {
    stepped("read", &[]);
}

#[test]
fn a_buffer_queued_late_gets_the_frame_that_is_there() {
    stepped("queue-later", &[]);
}

/// The negative run: with one wrong bit in each frame the cases that look at frames fail.
#[test]
fn a_wrong_bit_fails_a_case() {
    for name in ["eagain", "held", "sequence", "mappings", "read"] {
        let (env, mut pusher, pipe) = fed(&["--step", "--report", "1", "--wrong-all"]);
        let mut case = env.program(program(name), &[name, "--device", &pipe.output, "--size", SIZE]).start();
        let mut serve = step(&mut pusher);
        loop {
            let event = case.any_event().unwrap_or_else(|| panic!("{name}: no verdict"));
            match event["event"].as_str() {
                Some("pass") => panic!("{name} does not see a wrong bit"),
                Some("failed") => break,
                Some(event) => serve(event, &mut case),
                None => {}
            }
        }
    }
}

/// driver/docs/rules.md, "Opening and claiming": the first call that sets a format, allocates or writes claims the
/// pipe.
#[test]
fn a_second_pusher_is_refused() {
    let env = Env::new(1);
    pass(env.program("v4l2_feed", &["claims", "--device", &env.pipe(0).input]), |_, _| {});
}

/// Raw formats are a stream of bytes; a compressed frame has the length of its write, within bounds.
#[test]
fn writes_of_every_length() {
    let env = Env::new(1);
    pass(env.program("v4l2_feed", &["write", "--device", &env.pipe(0).input]), |_, _| {});
}

/// driver/docs/clients.md, "Readiness": readable exactly when a frame can be dequeued, also where the next pusher's
/// ring is another.
#[test]
fn a_readable_client_gets_its_frame_from_the_next_pushers_ring() {
    let env = Env::builder().args(&["--pipes", "1", "--idle", "wait"]).start();
    pass(env.program("v4l2_feed", &["handover", "--device", &env.pipe(0).output]), |_, _| {});
}

/// The same once nobody watches, and once somebody does.
#[test]
fn a_pushers_queue() {
    for watched in [false, true] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let mut client = None;
        pass(env.program("v4l2_feed", &["queue", "--device", &pipe.input]), |name, case| {
            if name == "setup" {
                if watched {
                    let args = ["--device", &pipe.output, "--frames", "5", "--by", "poll"];
                    let mut watcher = env.program("v4l2_client", &args).start();
                    assert_eq!(watcher.event("ready")["format"], "YU12");
                    client = Some(watcher);
                }
                case.order();
            }
        });
        if let Some(client) = client {
            let result = client.result();
            assert_eq!(result["torn"], 0, "{result}");
        }
    }
}

/// driver/docs/rules.md, "Invariants" 6: a pusher that is killed with a half-filled buffer: its client never sees that
/// buffer, and goes on with the next pusher. No placeholder takes the last whole frame's place before it was seen.
#[test]
fn a_killed_pushers_half_frame_is_never_seen() {
    let env = Env::builder().args(&["--pipes", "1", "--idle", "wait"]).start();
    let pipe = env.pipe(0);
    let mut pusher = env.program("v4l2_feed", &["half", "--device", &pipe.input]).start();
    pusher.event("setup");
    let mut client = env.program("v4l2_client", &["--device", &pipe.output, "--report", "1"]).start();
    client.event("ready");
    pusher.order();
    pusher.event("half");
    client.frame(9);
    env.until("the dead pusher's claim is gone", |pipes| pipes[0].input_status == "-");
    let args =
        ["--device", &pipe.input, "--format", "YU12", "--size", "320x240", "--first", "1000", "--fps", "100"];
    let _next = env.program("v4l2_pusher", &args).start();
    client.frame(1005);
    client.end_input();
    let result = client.result();
    assert_eq!(result["torn"], 0, "{result}");
    assert_eq!(result["errors"], 0, "{result}");
}
