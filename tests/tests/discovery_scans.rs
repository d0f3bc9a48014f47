//! Scanners of every era that run at once, that find nothing, or that look while others come and go
//! (driver/docs/old-api.md, "Finding a pipe"; driver/docs/rules.md, "Opening and claiming").

use std::collections::BTreeSet;

use vloopback_tests::{Env, Running};

/// How programs look for a pipe: options of `run`, the program, its `--find`.
const KINDS: &[(&[&str], &str, &str)] = &[
    (&[], "push_motion", "proc"),
    (&["--uname", "2.4"], "push_motion", "uname"),
    (&["--uname", "2.6"], "push_motion", "uname"),
    (&["--uname", "2.6"], "push_motion", "sysfs"),
    (&[], "push_scan", "gcap"),
    (&["--legacy"], "push_scan", "gcap"),
    (&[], "push_scan", "devfs"),
    (&["--legacy"], "push_scan", "devfs"),
    (&[], "push_scan", "type"),
    (&[], "push_scan", "split"),
];

/// What a scanner came to: the node that it has, or None where it says that there is none.
#[track_caller]
fn outcome(scanner: &mut Running) -> Option<String> {
    loop {
        let event = scanner.any_event().expect("it tells what it has found");
        match event["event"].as_str().unwrap_or_default() {
            "open" => return Some(event["device"].as_str().expect("a node").replace("/v4l/", "/")),
            "failed" => {
                let call = event["call"].as_str().unwrap_or_default();
                assert!(call == "open" || call.starts_with("VIDIOC"), "{event}");
                return None;
            }
            _ => {}
        }
    }
}

/// Of three scanners that start at once on two pipes two get one each, and the third ends: it does not wait,
/// and it does not get what another has.
#[test]
fn three_scanners_and_two_pipes() {
    for (options, program, find) in KINDS {
        let env = Env::new(2);
        let inputs: BTreeSet<String> = env.pipes().into_iter().map(|p| p.input).collect();
        for round in 0..4 {
            let mut scanners: Vec<Running> = (0..3)
                .map(|_| {
                    env.program_with(options, program, &["--find", find, "--frames", "3", "--hold"]).start()
                })
                .collect();
            let found: Vec<Option<String>> = scanners.iter_mut().map(outcome).collect();
            let got: BTreeSet<String> = found.iter().flatten().cloned().collect();
            assert_eq!(got, inputs, "{options:?} {program} --find {find}, round {round}: {found:?}");
            assert_eq!(found.iter().flatten().count(), 2, "two have one pipe: {found:?}");
            for (scanner, found) in scanners.into_iter().zip(found) {
                let mut scanner = scanner;
                if found.is_some() {
                    scanner.event("pushed");
                }
                scanner.end_input();
                assert_eq!(scanner.finish().code(), i32::from(found.is_none()));
            }
            env.until_idle();
        }
    }
}

/// Starts one of each kind at once.
fn one_of_each(env: &Env) -> Vec<Running> {
    let args = |find| ["--find", find, "--frames", "3", "--hold"];
    KINDS
        .iter()
        .map(|(options, program, find)| env.program_with(options, program, &args(find)).start())
        .collect()
}

/// Ends them: who has a pipe pushes, and who has none has said so.
#[track_caller]
fn end_all(scanners: Vec<Running>, found: &[Option<String>]) {
    for (mut scanner, found) in scanners.into_iter().zip(found) {
        if found.is_some() {
            scanner.event("pushed");
        }
        scanner.end_input();
        assert_eq!(scanner.finish().code(), i32::from(found.is_none()));
    }
}

/// All kinds at once, twice as many as there are pipes below node 10: as many as there are pipes have one, each
/// another, and the rest end.
#[test]
fn scanners_of_all_kinds_at_once() {
    let env = Env::new(5);
    let inputs: BTreeSet<String> = env.pipes().into_iter().map(|p| p.input).collect();
    for round in 0..6 {
        let mut scanners = one_of_each(&env);
        let found: Vec<Option<String>> = scanners.iter_mut().map(outcome).collect();
        let got: BTreeSet<String> = found.iter().flatten().cloned().collect();
        assert_eq!(got, inputs, "round {round}: {found:?}");
        assert_eq!(found.iter().flatten().count(), inputs.len(), "two have one pipe: {found:?}");
        end_all(scanners, &found);
        env.until_idle();
    }
}

/// The same with one pipe and spares that come while they look: nobody shares a pipe, whoever comes away with
/// nothing says so, and there are never more free pipes than were asked for.
#[test]
fn scanners_of_all_kinds_and_spares() {
    let env = Env::builder().args(&["--pipes", "1", "--spares", "2"]).start();
    for round in 0..4 {
        let mut scanners = one_of_each(&env);
        let found: Vec<Option<String>> = scanners.iter_mut().map(outcome).collect();
        let got: BTreeSet<String> = found.iter().flatten().cloned().collect();
        let with_one = found.iter().flatten().count();
        assert_eq!(got.len(), with_one, "round {round}: two have one pipe: {found:?}");
        assert!(with_one >= 2, "round {round}: {found:?}");
        let pipes = env.pipes();
        let free = pipes.iter().filter(|pipe| pipe.input_status == "-").count();
        // Those of the rounds before stay for their time.
        assert!(free >= 2 && pipes.len() >= with_one + 2, "round {round}: {pipes:?}");
        assert!(pipes.len() <= KINDS.len() + 2, "round {round}: {pipes:?}");
        assert!(pipes.iter().filter(|pipe| got.contains(&pipe.input)).all(|pipe| pipe.input_status == "W"));
        if round == 0 {
            assert_eq!((free, pipes.len()), (2, with_one + 2), "{pipes:?}");
        }
        end_all(scanners, &found);
        env.until_idle();
    }
}

/// The scans of /dev/video0 to 9 end with the ninth: a pipe beyond is not found, and nothing hangs.
#[test]
fn nodes_above_nine_are_beyond_the_scans() {
    let env = Env::builder().args(&["--pipes", "1", "--dev-offset", "10"]).start();
    for find in ["gcap", "devfs", "type", "split"] {
        let mut scanner = env.program_legacy("push_scan", &["--find", find, "--frames", "1"]).start();
        assert_eq!(outcome(&mut scanner), None, "{find}");
        assert_eq!(scanner.finish().code(), 1);
    }
    let mut scanner = env.program("push_motion", &["--find", "proc", "--frames", "1"]).start();
    assert_eq!(outcome(&mut scanner).as_deref(), Some("/dev/video10"));
}

/// /dev/v4l/videoN is the same node as /dev/videoN: who has one has the other.
#[test]
fn the_two_names_of_a_node_are_one_node() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let mut first = env.program("push_scan", &["--find", "devfs", "--frames", "1", "--hold"]).start();
    assert_eq!(outcome(&mut first), Some(input.clone()));
    first.event("pushed");
    let second = env.program_legacy("probe", &["open", "--device", &input]).start().event("opened");
    assert_eq!(second["errno"], 16, "EBUSY: {second}");
    assert_eq!(env.pipe(0).input_status, "W");
}

/// Who reads the list while pushers and clients come and go never meets a half line, and sees each status as
/// it changes. Two readers are an R until both are gone (the old driver's mark was a flag).
#[test]
fn the_list_is_whole_at_every_moment() {
    let env = Env::new(3);
    let pipe = env.pipe(0);
    let mut watch = env.program("watch_list", &[]).start();
    let until = |watch: &mut Running, input: &str, output: &str| {
        loop {
            let status = watch.event("status");
            if (status["input"].as_str(), status["output"].as_str()) == (Some(input), Some(output)) {
                return;
            }
        }
    };
    until(&mut watch, "-", "-");
    for _ in 0..3 {
        let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
        until(&mut watch, "W", "-");
        let mut clients: Vec<Running> = (0..2)
            .map(|_| env.program("client_motion", &["--device", &pipe.output, "--report", "1"]).start())
            .collect();
        until(&mut watch, "W", "R");
        for client in &mut clients {
            client.frame(0);
        }
        let mut second = clients.pop().expect("two");
        second.end_input();
        second.finish();
        let seen = clients[0].frame(0);
        clients[0].frame(seen + 1);
        assert_eq!(env.pipe(0).output_status, "R", "the other one still reads");
        clients[0].end_input();
        clients.pop().expect("one").finish();
        until(&mut watch, "W", "-");
        pusher.end_input();
        pusher.finish().ok();
        until(&mut watch, "-", "-");
    }
    watch.end_input();
    let result = watch.event("result");
    watch.finish().ok();
    assert!(result["looks"].as_u64().is_some_and(|looks| looks > 10), "{result}");
}
