//! Controls on both nodes of a one-copy pipe: the sliders of its picture, one value for all.

use vloopback_tests::cases::pass;
use vloopback_tests::{Env, have, skip};

/// Runs a case on each node of a pipe of its own.
#[track_caller]
fn on_both(case: &str) {
    for input in [true, false] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let (one, other) = if input { (&pipe.input, &pipe.output) } else { (&pipe.output, &pipe.input) };
        pass(env.program("v4l2_controls", &[case, "--device", one, "--find", other]), |_, _| {});
    }
}

#[test]
fn controls_are_listed() {
    on_both("list");
}

/// What one program sets on one node, every other sees on both, V4L1's too.
#[test]
fn one_value_for_all() {
    on_both("values");
}

/// v4l2loopback's controls, at its numbers, on either node.
#[test]
fn v4l2loopbacks_controls_are_there() {
    on_both("loopback");
}

#[test]
fn lists_are_set_as_a_whole() {
    on_both("lists");
}

#[test]
fn changing_controls_is_ranked() {
    on_both("ranks");
}

/// They are the pipe's and not the pusher's: who comes later finds what was set before.
#[test]
fn controls_outlive_the_pusher() {
    if !have("v4l2-ctl") {
        skip!("no v4l2-ctl (package v4l-utils)");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let get =
        |node: &str| env.run(&["v4l2-ctl", "-d", node, "--get-ctrl=brightness,hue"]).output().ok().text();
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    env.run(&["v4l2-ctl", "-d", &pipe.output, "--set-ctrl=brightness=1234"]).output().ok();
    assert_eq!(get(&pipe.input), "brightness: 1234\nhue: 32768\n");
    pusher.end_input();
    pusher.finish().ok();
    env.until_idle();
    assert_eq!(get(&pipe.output), "brightness: 1234\nhue: 32768\n");
    // A pusher that reads the picture and sets its palette leaves them alone.
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    assert_eq!(get(&pipe.output), "brightness: 1234\nhue: 32768\n");
    env.run(&["v4l2-ctl", "-d", &pipe.input, "--set-ctrl=hue=70000"]).output();
    env.run(&["v4l2-ctl", "-d", &pipe.input, "--set-ctrl=hue=7"]).output().ok();
    assert_eq!(get(&pipe.output), "brightness: 1234\nhue: 7\n");
    let listed = env.run(&["v4l2-ctl", "-d", &pipe.output, "--list-ctrls"]).output().ok().text();
    for (name, value) in
        [("brightness", 1234), ("contrast", 32768), ("saturation", 32768), ("hue", 7), ("whiteness", 32768)]
    {
        let line = listed.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
        let wanted = format!("min=0 max=65535 step=1 default=32768 value={value} flags=slider");
        assert!(line.is_some_and(|line| line.ends_with(&wanted)), "{name}: {listed}");
    }
}

/// Another pipe's controls are its own.
#[test]
fn pipes_have_controls_of_their_own() {
    if !have("v4l2-ctl") {
        skip!("no v4l2-ctl (package v4l-utils)");
    }
    let env = Env::new(2);
    let (one, two) = (env.pipe(0), env.pipe(1));
    env.run(&["v4l2-ctl", "-d", &one.output, "--set-ctrl=contrast=9"]).output().ok();
    for (node, value) in [(&one.input, 9), (&one.output, 9), (&two.input, 32768), (&two.output, 32768)] {
        let told = env.run(&["v4l2-ctl", "-d", node, "--get-ctrl=contrast"]).output().ok().text();
        assert_eq!(told, format!("contrast: {value}\n"), "{node}");
    }
}

/// The negative run: another pipe's node does not tell what was set, and the case that looks for it fails.
#[test]
fn another_pipes_node_has_other_values() {
    let env = Env::new(2);
    let args = ["values", "--device", &env.pipe(0).output, "--find", &env.pipe(1).input];
    let mut values = env.program("v4l2_controls", &args).start();
    let wrong = values.event("wrong");
    assert!(
        wrong["what"].as_str().is_some_and(|what| what.contains("Brightness is told to others")),
        "{wrong}"
    );
    values.event("failed");
}
