//! A pipe's option `exclusive` (driver/docs/rules.md, "Sharing"): one open file in all has the stream.

use std::fs;

use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Running};

const SIZE: &str = "64x48";

fn push(env: &Env) -> Running {
    let args = ["--device", &env.pipe(0).input, "--size", SIZE, "--fps", "200"];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    pusher
}

#[track_caller]
fn run(env: &Env, case: &str) {
    let args = [case, "--device", &env.pipe(0).output, "--size", SIZE];
    pass(env.program("exclusive", &args), |_, _| {});
}

fn exclusive() -> Env {
    Env::builder().args(&["--exclusive"]).start()
}

/// Buffers, a read() and a mapping own, each until it is given back; opening, asking and setting is free.
#[test]
fn one_owner() {
    let env = exclusive();
    let _pusher = push(&env);
    run(&env, "owner");
    env.until("nobody", |pipes| pipes[0].output_status == "-");
}

#[test]
fn a_killed_owner_owns_nothing() {
    let env = exclusive();
    let _pusher = push(&env);
    run(&env, "killed");
}

#[test]
fn a_fork_shares_what_its_parent_owns() {
    let env = exclusive();
    let _pusher = push(&env);
    run(&env, "shared");
}

#[test]
fn at_a_zero_copy_pusher() {
    let env = exclusive();
    let pipe = env.pipe(0);
    let mut pusher = env.program("zc_pusher", &["--device", &pipe.input, "--style", "handler"]).start();
    pusher.event("setup");
    run(&env, "zero");
}

/// Negative run: with the default policy the cases see that everybody streams.
#[test]
#[should_panic(expected = "the other's b gives")]
fn shared_streams_are_seen() {
    let env = Env::new(1);
    let _pusher = push(&env);
    run(&env, "owner");
}

/// The option of one pipe, in the file.
#[test]
fn of_one_pipe_in_the_file() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("config.toml");
    fs::write(&file, "pipes = 2\n[[pipe]]\nexclusive = true\n").expect("a file");
    let env = Env::builder().args(&["--config", file.to_str().expect("UTF-8")]).start();
    let _pusher = push(&env);
    run(&env, "killed");
    let other = env.pipe(1);
    let mut pushers = env.program("push_motion", &["--device", &other.input, "--fps", "200"]).start();
    pushers.event("setup");
    let watch = || env.program("client_read", &["--device", &other.output, "--report", "1"]).start();
    let (mut one, mut two) = (watch(), watch());
    one.frame(1);
    two.frame(1);
    one.frame(2);
}
