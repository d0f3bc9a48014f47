//! Who gets which pipe (driver/docs/rules.md, "Eras" and "Opening and claiming").

use std::collections::BTreeSet;

use vloopback_tests::{Env, Running};

/// Starts two pushers at once and returns the pipes they got.
#[track_caller]
fn two_at_once(env: &Env, options: &[&str], program: &str, find: &str) -> BTreeSet<String> {
    let mut pushers: Vec<Running> = (0..2)
        .map(|_| env.program_with(options, program, &["--find", find, "--frames", "3", "--hold"]).start())
        .collect();
    let devices = pushers
        .iter_mut()
        .map(|pusher| {
            let device = pusher.event("open")["device"].as_str().expect("a device").to_owned();
            pusher.event("pushed");
            device
        })
        .collect();
    for mut pusher in pushers {
        pusher.end_input();
        pusher.finish().ok();
    }
    devices
}

/// driver/docs/old-api.md, "Finding a pipe": two pushers that start at once get two pipes, in the /proc, the sysfs and
/// the VIDIOCGCAP way; ten times each, as it is a race.
#[test]
fn two_pushers_at_once_get_two_pipes() {
    for (options, program, find) in [
        (&["--legacy"] as &[&str], "push_motion", "proc"),
        (&[], "push_motion", "proc"),
        (&["--uname", "2.6"], "push_motion", "sysfs"),
        (&["--legacy"], "push_scan", "gcap"),
        (&[], "push_scan", "gcap"),
        (&[], "push_scan", "type"),
        (&[], "push_scan", "split"),
        (&["--legacy"], "push_scan", "split"),
    ] {
        let env = Env::new(2);
        let inputs: BTreeSet<String> = env.pipes().into_iter().map(|p| p.input).collect();
        for round in 0..10 {
            let got = two_at_once(&env, options, program, find);
            assert_eq!(got, inputs, "{options:?} {program} --find {find}, round {round}");
            env.until_idle();
        }
    }
}

/// driver/docs/old-api.md, "Kept": input open EBUSY when open, for legacy processes.
#[test]
fn a_second_legacy_opener_of_the_input_is_refused() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let mut first = env.program_legacy("probe", &["open", "--device", &input, "--hold"]).start();
    assert_eq!(first.event("opened")["errno"], 0);
    assert_eq!(env.pipe(0).input_status, "W");
    let mut second = env.program_legacy("probe", &["open", "--device", &input]).start();
    assert_eq!(second.event("opened")["errno"], 16);
    second.finish();
    first.end_input();
    first.finish().ok();
    env.until_idle();
}

/// "It can claim it by simply opening the input device": also a program that has neither looked into /proc nor asked
/// anything before. Old programs see W and get EBUSY; another that opens by itself gets EBUSY at its first V4L1 request,
/// whoever asks first.
#[test]
fn who_opens_by_itself_has_the_pipe_until_it_speaks_v4l2() {
    for by in ["close", "v4l2"] {
        let env = Env::new(1);
        let input = env.pipe(0).input;
        let mut first = env.program("probe", &["open", "--device", &input, "--hold"]).start();
        assert_eq!(first.event("opened")["errno"], 0);
        assert_eq!(env.pipe(0).input_status, "W");
        let mut legacy = env.program_legacy("probe", &["open", "--device", &input]).start();
        assert_eq!(legacy.event("opened")["errno"], 16);
        let mut second = env.program("probe", &["gcap", "--device", &input]).start();
        assert_eq!(second.event("opened")["errno"], 0, "a V4L2 program may open it");
        assert_eq!(second.event("asked")["errno"], 16);
        second.finish();
        first.end_input();
        first.finish().ok();
        env.until_idle();
        if by == "v4l2" {
            // A program of today claims nothing by opening: its first request says so.
            let watch = ["v4l2-ctl", "-d", &input, "--wait-for-event=ctrl=brightness"];
            let panel = env.run(&watch).start();
            env.until("the panel has asked", |pipes| pipes[0].input_status == "-");
            let mut legacy = env.program_legacy("probe", &["open", "--device", &input]).start();
            assert_eq!(legacy.event("opened")["errno"], 0);
            legacy.finish();
            drop(panel);
        }
    }
}

/// A V4L1 request on an input opened for writing claims it, and who comes second gets EBUSY there.
#[test]
fn a_v4l1_request_claims() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let mut first = env.program("probe", &["gcap", "--device", &input, "--wait", "--hold"]).start();
    assert_eq!(first.event("opened")["errno"], 0);
    let mut second = env.program("probe", &["gcap", "--device", &input, "--wait", "--hold"]).start();
    assert_eq!(second.event("opened")["errno"], 0);
    first.order();
    assert_eq!(first.event("asked")["errno"], 0);
    assert_eq!(env.pipe(0).input_status, "W", "VIDIOCGCAP claims");
    second.order();
    assert_eq!(second.event("asked")["errno"], 16);
    first.end_input();
    first.finish().ok();
    env.until_idle();
}

/// driver/docs/rules.md, "Opening and claiming": an opener for reading only never claims, whatever it asks, and is not
/// refused.
#[test]
fn a_reader_of_the_input_never_claims() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    for legacy in [true, false] {
        let options: &[&str] = if legacy { &["--legacy"] } else { &[] };
        let args = ["gcap-readonly", "--device", &input, "--hold"];
        let mut reader = env.program_with(options, "probe", &args).start();
        assert_eq!(reader.event("opened")["errno"], 0);
        assert_eq!(reader.event("asked")["errno"], 0);
        assert_eq!(env.pipe(0).input_status, "-");
        let mut pusher = env.program("push_motion", &["--find", "proc", "--frames", "3"]).start();
        pusher.event("pushed");
        pusher.finish().ok();
        reader.end_input();
        reader.finish().ok();
        env.until_idle();
    }
}

/// driver/docs/rules.md, "While nobody pushes" and "Eras": a legacy process meets EINVAL on an output that nobody
/// feeds; another one opens it. A process is legacy from the next open on after it made a V4L1 request, and after it
/// looked into /proc/video/vloopback.
#[test]
fn the_output_of_an_idle_pipe_by_era() {
    let env = Env::new(1);
    let output = env.pipe(0).output;
    let opened = |options: &[&str], case: &str| {
        let mut probe = env.program_with(options, "probe", &[case, "--device", &output]).start();
        let errno = probe.event("opened")["errno"].as_i64();
        (errno, probe)
    };
    assert_eq!(opened(&["--legacy"], "open").0, Some(22));
    assert_eq!(opened(&["--uname", "2.4"], "open").0, Some(22));
    assert_eq!(opened(&[], "open").0, Some(0));
    assert_eq!(opened(&[], "open-after-proc").0, Some(22));
    let (errno, mut probe) = opened(&[], "open-twice");
    assert_eq!(errno, Some(0), "the first open, before any V4L1 request");
    assert_eq!(probe.event("opened")["errno"], 22, "the next open");
}

/// Profile `vloopback` is the old driver for everybody.
#[test]
fn profile_vloopback_serves_everybody_the_old_way() {
    let env = Env::builder().args(&["--pipes", "1", "--profile", "vloopback"]).start();
    let pipe = env.pipe(0);
    let mut probe = env.program("probe", &["open", "--device", &pipe.output]).start();
    assert_eq!(probe.event("opened")["errno"], 22);
    let mut first = env.program("probe", &["open", "--device", &pipe.input, "--hold"]).start();
    assert_eq!(first.event("opened")["errno"], 0);
    let mut second = env.program("probe", &["open", "--device", &pipe.input]).start();
    assert_eq!(second.event("opened")["errno"], 16);
}

/// driver/docs/rules.md, "Formats": only in profile `vloopback` does SWIN give EINVAL while a client has the output
/// mapped.
#[test]
fn a_size_change_beside_a_mapped_client_by_profile() {
    for (profile, expected) in [("vloopback", 22), ("default", 0)] {
        let env = Env::builder().args(&["--pipes", "1", "--profile", profile]).start();
        let pipe = env.pipe(0);
        let mut pusher = env.program("probe", &["resize", "--device", &pipe.input]).start();
        pusher.event("setup");
        let mut client = env.program("client_motion", &["--device", &pipe.output, "--patience", "9"]).start();
        client.event("ready");
        pusher.order();
        assert_eq!(pusher.event("asked")["errno"], expected, "{profile}");
    }
}

/// driver/docs/old-api.md, "Kept", option `spares`: when all pipes are claimed another one appears.
#[test]
fn a_spare_pipe_appears_when_the_others_are_claimed() {
    let env = Env::builder().args(&["--pipes", "1", "--spares", "1"]).start();
    let mut pushers = Vec::new();
    let mut devices = BTreeSet::new();
    for _ in 0..4 {
        let mut pusher = env.program("push_motion", &["--find", "proc", "--frames", "1", "--hold"]).start();
        devices.insert(pusher.event("open")["device"].to_string());
        pushers.push(pusher);
    }
    assert_eq!(devices.len(), 4);
}

/// With no pipe free a pusher of the /proc era is told so; nothing else is disturbed.
#[test]
fn all_pipes_in_use_is_told() {
    let env = Env::new(1);
    let mut first = env.program("push_motion", &["--find", "proc", "--frames", "1", "--hold"]).start();
    first.event("pushed");
    let second = env.program("push_motion", &["--find", "proc", "--frames", "1"]).output();
    assert_eq!(second.code(), 1, "{}", second.text());
    assert!(second.text().contains("\"call\":\"open\""), "{}", second.text());
    first.end_input();
    first.finish().ok();
}
