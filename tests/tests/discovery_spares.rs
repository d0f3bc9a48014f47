//! Options of the old module that make pipes: `spares`, `pipes`, `dev_offset` (driver/docs/old-api.md, "Kept";
//! driver/docs/rules.md, "The server").

use std::collections::BTreeSet;
use std::fs;

use vloopback_tests::{Env, Pipe, Running};

/// A server whose unused spares go after so many seconds.
fn server(pipes: u32, spares: u32, seconds: u32) -> Env {
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("vloopback.toml");
    let text = format!("pipes = {pipes}\nspares = {spares}\nspare_timeout = {seconds}\n");
    fs::write(&file, text).expect("a file");
    // The file is read at the start.
    Env::builder().args(&["--config", file.to_str().expect("a path in UTF-8")]).start()
}

fn push(env: &Env) -> (Running, String) {
    let mut pusher = env.program("push_motion", &["--find", "proc", "--frames", "1", "--hold"]).start();
    let device = pusher.event("open")["device"].as_str().expect("a node").to_owned();
    pusher.event("pushed");
    (pusher, device)
}

fn end(pusher: Running) {
    let mut pusher = pusher;
    pusher.end_input();
    pusher.finish().ok();
}

fn free(pipes: &[Pipe]) -> usize {
    pipes.iter().filter(|p| p.input_status == "-").count()
}

/// Each claim leaves as many free pipes as `spares` says, never more; when the pushers are gone the spares
/// that are too many are removed, and the nodes with them, down to what was asked for.
#[test]
fn spares_come_with_claims_and_go_when_they_are_too_many() {
    let env = server(1, 2, 0);
    let at_first = env.pipes();
    // Two free ones are to be there from the start.
    assert_eq!(at_first.len(), 2);
    let mut pushers = Vec::new();
    let mut devices = BTreeSet::new();
    for claimed in 1..=5 {
        let (pusher, device) = push(&env);
        assert!(devices.insert(device), "a pipe for each: {devices:?}");
        pushers.push(pusher);
        let pipes = env.pipes();
        assert_eq!((pipes.len(), free(&pipes)), (claimed + 2, 2), "{pipes:?}");
    }
    let most = env.pipes();
    for pusher in pushers {
        end(pusher);
    }
    env.until("the spares are gone", |pipes| pipes.len() == 2 && free(pipes) == 2);
    assert_eq!(env.pipes(), at_first, "the first ones stay, as they were");
    let gone = &most.last().expect("seven").output;
    // The list changes first, then what it named goes.
    env.until_gone(&env.tree().join("proc/video/vloopback/vloopback6"));
    env.until_gone(&env.tree().join(gone.trim_start_matches('/')));
    assert_eq!(env.run(&["test", "-e", gone]).output().code(), 1, "{gone} is gone");
    // And they come again, with the same numbers.
    let again: Vec<(Running, String)> = (0..3).map(|_| push(&env)).collect();
    assert_eq!(env.pipes()[..5].iter().map(|p| &p.input).collect::<Vec<_>>(), {
        most[..5].iter().map(|p| &p.input).collect::<Vec<_>>()
    });
    again.into_iter().for_each(|(pusher, _)| end(pusher));
    env.until("the spares are gone again", |pipes| pipes.len() == 2);
}

/// A spare that somebody has open stays, and with it those below; it goes when it is closed. One that waits
/// for a client's next look stays for its time.
#[test]
fn a_spare_in_use_stays() {
    let env = server(1, 1, 0);
    let (first, _) = push(&env);
    let (second, device) = push(&env);
    assert_eq!(env.pipes().len(), 3);
    let output = env.pipes().into_iter().find(|p| p.input == device).expect("its pipe").output;
    let mut client = env.program("probe", &["open", "--device", &output, "--hold"]).start();
    assert_eq!(client.event("opened")["errno"], 0);
    end(first);
    env.until("the third is gone", |pipes| pipes.len() == 2);
    end(second);
    env.until("nobody pushes", |pipes| free(pipes) == 2);
    assert_eq!(env.pipes().len(), 2, "a client has the second");
    // It can be pushed to, as before.
    let (third, _) = push(&env);
    end(third);
    assert_eq!(env.pipe(1).output_status, "R");
    client.end_input();
    client.finish().ok();
    env.until("the second is gone", |pipes| pipes.len() == 1);
}

/// A pusher that closes its input and opens it again at once, as some do to change the size, finds it: with a
/// time to stay of an hour nothing goes.
#[test]
fn a_spare_stays_for_its_time() {
    let env = server(1, 1, 3600);
    let (first, _) = push(&env);
    let (second, device) = push(&env);
    end(first);
    end(second);
    env.until_idle();
    let mut again = env.program("push_motion", &["--device", &device, "--frames", "1"]).start();
    again.event("pushed");
    again.finish().ok();
    assert_eq!(env.pipes().len(), 3, "two that were in use, one spare");
}

/// The old driver ran over its table; here 64 pipes are all, and node numbers end at 255.
#[test]
fn spares_end_at_the_bounds() {
    let env = Env::builder().args(&["--pipes", "3", "--spares", "64"]).start();
    assert_eq!(env.pipes().len(), 64);
    let (pusher, _) = push(&env);
    assert_eq!(env.pipes().len(), 64);
    end(pusher);
    let env = Env::builder().args(&["--pipes", "2", "--spares", "9", "--dev-offset", "248"]).start();
    let last = |env: &Env| env.pipes().last().expect("a pipe").output.clone();
    assert_eq!((env.pipes().len(), last(&env)), (4, "/dev/video255".to_owned()));
    let pushers: Vec<(Running, String)> = (0..4).map(|_| push(&env)).collect();
    assert_eq!((env.pipes().len(), free(&env.pipes())), (4, 0));
    let none = env.program("push_motion", &["--find", "proc", "--frames", "1"]).output();
    assert_eq!(none.code(), 1, "a clear end: {}", none.text());
    pushers.into_iter().for_each(|(pusher, _)| end(pusher));
}

/// driver/docs/old-api.md, "Kept": dev_offset as the old option: input 2n+offset, output 2n+1+offset, from 0 on; what
/// does not fit is refused by name.
#[test]
fn dev_offset_is_the_old_option() {
    for offset in [0, 1, 10, 200] {
        let option = offset.to_string();
        let env = Env::builder().args(&["--pipes", "4", "--dev-offset", &option]).start();
        for (n, pipe) in (0..).zip(env.pipes()) {
            assert_eq!(pipe.input, format!("/dev/video{}", 2 * n + offset));
            assert_eq!(pipe.output, format!("/dev/video{}", 2 * n + 1 + offset));
            let unit =
                env.program("probe", &["gcap-readonly", "--device", &pipe.input]).start().event("asked");
            assert_eq!(unit["errno"], 0);
        }
    }
    let env = Env::builder().args(&["--pipes", "4", "--dev-offset", "250"]).without_daemon();
    let refused = env.daemon_job().output();
    assert_ne!(refused.code(), 0);
    assert!(refused.says("--dev-offset") && refused.says("255"), "{}", refused.stderr);
}
