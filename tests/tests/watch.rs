//! `vloopback watch`: a producer that runs only while somebody watches.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use vloopback_tests::{Env, Job, PATIENCE, Pipe, Running, have, skip};

/// `vloopback watch PIPE --grace GRACE -- sh -c SCRIPT`.
fn watch(env: &Env, grace: &str, script: &str) -> Job {
    let job = env.own("vloopback").args(["watch", "0", "--grace", grace, "--socket"]).arg(env.socket());
    job.args(["--", "sh", "-c", script]).named("watch")
}

fn client(env: &Env, pipe: &Pipe) -> Running {
    let words = ["--device", &pipe.output, "--frames", "1000000", "--patience", "1000000"];
    env.program("v4l2_client", &words).start()
}

#[track_caller]
fn until(what: &str, fine: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !fine() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// The command starts with the first client, stays while there is one, and ends some time after the last. What it
/// pushes is seen.
#[test]
fn a_producer_runs_while_somebody_watches() {
    if !have("v4l2-ctl") {
        skip!("v4l2-ctl is not installed");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let (began, ended) = (env.dir().join("began"), env.dir().join("ended"));
    let script = format!(
        "echo x >>{}; trap 'echo x >>{}; kill $!; exit' TERM; v4l2-ctl -d {} --set-fmt-video-out=width=64,height=48,\
         pixelformat=YUYV --stream-out-mmap >/dev/null 2>&1 & wait",
        began.display(),
        ended.display(),
        pipe.input
    );
    let watcher = watch(&env, "0.5", &script).start();
    until("it watches", || watcher.stderr().contains("while somebody watches"));
    assert_eq!(lines(&began), 0, "nobody watches");
    let first = client(&env, &pipe);
    env.until("it pushes", |pipes| pipes[0].input_status == "W");
    let second = client(&env, &pipe);
    until("both stream", || env.list()[0]["streaming"] == 2);
    drop(first);
    until("one streams", || env.list()[0]["streaming"] == 1);
    // Longer than the time of grace: that nothing happens has no event.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!((lines(&began), lines(&ended)), (1, 0), "one watches still");
    drop(second);
    let since = Instant::now();
    until("it ends", || lines(&ended) == 1);
    assert!(since.elapsed() >= Duration::from_millis(400), "{:?}", since.elapsed());
    env.until_idle();
    // And again.
    let fourth = client(&env, &pipe);
    until("it runs again", || lines(&began) == 2);
    kill_process(watcher.leader(), Signal::TERM).expect("kill");
    let told = watcher.finish().ok();
    assert!(told.says("somebody watches") && told.says("nobody watches any more"), "{}", told.stderr);
    assert_eq!(lines(&ended), 2, "it ends with the watcher");
    drop(fourth);
}

/// A client that comes back within the time of grace finds the producer that it had, however slow the machine is.
#[test]
fn who_comes_back_in_time_finds_it() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let (began, ended) = (env.dir().join("began"), env.dir().join("ended"));
    let script = format!(
        "echo x >>{}; trap 'echo x >>{}; exit' TERM; sleep 1000 & wait",
        began.display(),
        ended.display()
    );
    let watcher = watch(&env, "100", &script).start();
    let first = client(&env, &pipe);
    until("it runs", || lines(&began) == 1);
    drop(first);
    until("none streams", || env.list()[0]["streaming"] == 0);
    let second = client(&env, &pipe);
    until("one streams", || env.list()[0]["streaming"] == 1);
    assert_eq!((lines(&began), lines(&ended)), (1, 0), "it was not started anew");
    kill_process(watcher.leader(), Signal::TERM).expect("kill");
    watcher.finish().ok();
    assert_eq!((lines(&began), lines(&ended)), (1, 1), "it ends with the watcher");
    drop(second);
}

/// A command that ends by itself is started again while somebody watches, not at once; one that does not end by SIGTERM
/// is ended all the same, with what it has started.
#[test]
fn a_producer_that_ends_is_started_again() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let began = env.dir().join("began");
    let watcher = watch(&env, "0", &format!("echo x >>{}; exit 3", began.display())).start();
    let one = client(&env, &pipe);
    let since = Instant::now();
    until("it was started three times", || lines(&began) == 3);
    assert!(since.elapsed() >= Duration::from_millis(1500), "{:?}", since.elapsed());
    assert!(watcher.stderr().contains("ended by itself: exit status: 3"), "{}", watcher.stderr());
    drop(one);
    kill_process(watcher.leader(), Signal::INT).expect("kill");
    watcher.finish().ok();
    let pid = env.dir().join("pid");
    let script = format!("trap '' TERM; sleep 1000 & echo $! >{}; wait; sleep 1000", pid.display());
    let watcher = watch(&env, "0", &script).start();
    let one = client(&env, &pipe);
    until("it runs", || lines(&pid) == 1);
    drop(one);
    until("it was ended", || watcher.stderr().contains("has ended"));
    let pid = fs::read_to_string(&pid).expect("a file");
    let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    until("what it has started is gone", || state().is_empty() || state().contains(") Z "));
    drop(watcher);
}

/// A pipe that is deleted, and a server that ends, end the watcher; what cannot be is said.
#[test]
fn a_watcher_ends_with_its_pipe() {
    let mut env = Env::new(1);
    let watcher = watch(&env, "1", "true").start();
    until("it watches", || watcher.stderr().contains("while somebody watches"));
    env.own("vloopback").args(["delete", "0", "--socket"]).arg(env.socket()).output().ok();
    let told = watcher.finish();
    assert!(
        told.code() == 3 && told.says("the pipe of /dev/video0 is gone"),
        "{} {}",
        told.code(),
        told.stderr
    );
    let told = watch(&env, "1", "true").output();
    assert!(told.code() == 4 && told.says("no pipe '0'"), "{} {}", told.code(), told.stderr);
    let told = watch(&env, "soon", "true").output();
    assert!(told.code() == 2 && told.says("a time is seconds"), "{}", told.stderr);
    env.kill_daemon();
}
