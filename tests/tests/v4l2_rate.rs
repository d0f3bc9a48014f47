//! The rate of a pusher that has not said how often its frames come: as it is counted (driver/docs/reference.md,
//! "Rates").

use std::time::Instant;

use vloopback_tests::{Env, PATIENCE, Pipe, Running, have, skip};

fn first(words: &str) -> String {
    words.split(' ').next().unwrap_or("").to_owned()
}

/// Frames a second, as v4l2-ctl tells them by VIDIOC_G_PARM.
fn parm(env: &Env, node: &str) -> String {
    let parm = env.run(&["v4l2-ctl", "-d", node, "-P"]).output().ok().text();
    first(parm.lines().find_map(|line| line.trim().strip_prefix("Frames per second: ")).unwrap_or(""))
}

/// The same, by VIDIOC_ENUM_FRAMEINTERVALS, too.
fn told(env: &Env, node: &str) -> (String, String) {
    let list = env.run(&["v4l2-ctl", "-d", node, "--list-formats-ext"]).output().ok().text();
    // "Interval: Discrete 0.020s (50.000 fps)"
    let listed =
        list.lines().find(|line| line.contains("Interval:")).and_then(|line| line.split('(').next_back());
    (parm(env, node), first(listed.unwrap_or("")))
}

fn push(env: &Env, pipe: &Pipe, more: &[&str]) -> Running {
    let words = ["--device", &pipe.input, "--size", "64x48", "--report", "1000000"];
    let mut pusher = env.program("v4l2_pusher", &[&words[..], more].concat()).start();
    pusher.event("frame");
    pusher
}

/// What is told, once it is `expected`; each look takes a while.
#[track_caller]
fn comes_to(env: &Env, node: &str, expected: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        // A machine that stops for a moment has no steady rate.
        let seen = parm(env, node);
        if seen == expected && told(env, node) == (seen.clone(), seen.clone()) {
            return;
        }
        assert!(Instant::now() < until, "{node} tells {seen}, not {expected}");
    }
}

/// Whether somebody watches or not. What the pusher, or a tool, says wins; a former pusher's word does not.
#[test]
fn a_rate_that_nobody_told_is_counted() {
    if !have("v4l2-ctl") {
        skip!("v4l2-ctl is not installed");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let told_thirty = || ("30.000".to_owned(), "30.000".to_owned());
    assert_eq!(told(&env, &pipe.output), told_thirty(), "assumed, while nobody pushes");
    for more in [&["--fps", "50"][..], &["--fps", "10", "--io", "write"]] {
        let pusher = push(&env, &pipe, more);
        comes_to(&env, &pipe.output, &format!("{}.000", more[1]));
        let watch = ["--device", &pipe.output, "--report", "1"];
        let mut client = env.program("v4l2_client", &watch).start();
        client.event("frame");
        comes_to(&env, &pipe.output, &format!("{}.000", more[1]));
        drop(client);
        drop(pusher);
        env.until_idle();
        assert_eq!(told(&env, &pipe.output), told_thirty(), "nobody pushes any more");
    }
    let pusher = push(&env, &pipe, &["--fps", "50", "--interval-ms", "40"]);
    comes_to(&env, &pipe.output, "25.000");
    // A second and more.
    let watch = ["--device", &pipe.output, "--frames", "60"];
    env.program("v4l2_client", &watch).output().ok();
    assert_eq!(told(&env, &pipe.output).0, "25.000", "what the pusher said stays");
    drop(pusher);
    env.until_idle();
    let pusher = push(&env, &pipe, &["--fps", "100"]);
    comes_to(&env, &pipe.output, "100.000");
    drop(pusher);
    env.until_idle();
    let set = ["set-fps", &pipe.input, "20"];
    env.own("vloopback").env("VLOOPBACK_SOCKET", env.socket()).args(set).output().ok();
    let _pusher = push(&env, &pipe, &["--fps", "50"]);
    env.program("v4l2_client", &watch).output().ok();
    assert_eq!(told(&env, &pipe.output).0, "20.000", "what a tool said stays");
}
