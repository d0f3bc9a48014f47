//! What the bridge says when it cannot, and what becomes of its clients.

use std::time::Instant;

use vloopback_tests::{Env, PATIENCE, have, skip};

use crate::{Bridge, EIO, RGB32, Xvfb};

#[test]
fn it_says_what_is_missing() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let nowhere = env.dir().join("no-display");
    let ended = Bridge::job(&env, nowhere.to_str().expect("text"), &[]).output();
    assert_eq!(ended.code(), 1);
    assert!(ended.says("no X display") && ended.says("--display"), "{}", ended.stderr);

    let xvfb = Xvfb::start(&["64x48x24"], &[]);
    let on = |args: &[&str]| Bridge::job(&env, &xvfb.display, args).output();
    for (args, words) in [
        (&["--window", "nobody's"][..], ["no window nobody's", "xwininfo"]),
        (&["--window", "0x7ffffff"], ["no window 0x7ffffff", "xwininfo"]),
        (&["--channel", "1"], ["channels 0 to 0", "not 1"]),
        (&["--pipe", "/dev/video1"], ["/dev/video1", "input"]),
        (&["--pipe", "camera"], ["camera", "/dev/video"]),
    ] {
        let ended = on(args);
        assert_eq!(ended.code(), 1, "{args:?}");
        assert!(words.iter().all(|word| ended.says(word)), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(on(&["--fps", "0"]).code(), 2);

    // Without shared memory there is no way around a copy.
    let poor = Xvfb::start(&["64x48x24"], &["-extension", "MIT-SHM"]);
    let ended = Bridge::job(&env, &poor.display, &[]).output();
    assert_eq!(ended.code(), 1);
    assert!(ended.says("MIT-SHM 1.2"), "{}", ended.stderr);
    // Pixels that are indices of colours.
    let indexed = Xvfb::start(&["64x48x8"], &[]);
    let ended = Bridge::job(&env, &indexed.display, &[]).output();
    assert_eq!(ended.code(), 1);
    assert!(ended.says("depth 8"), "{}", ended.stderr);
    // Nobody of them took the pipe.
    assert_eq!(env.pipe(0).input_status, "-");
}

/// Waits until a client's SYNC is at the bridge.
fn until_it_is_asked(env: &Env) {
    let begin = Instant::now();
    loop {
        let pipes = env.list();
        if pipes[0]["zero_copy"]["request"] == "VIDIOCSYNC" {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "nobody asks: {pipes}");
    }
}

#[test]
fn a_display_that_ends_ends_the_bridge_and_wakes_its_client() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["64x48x24"], &[]);
    // A picture in a hundred seconds: the second one is waited for.
    let bridge = Bridge::start(&env, &xvfb.display, &["--fps", "0.01"]);
    let mut client = bridge.client(&env);
    client.grab(0, (64, 48), RGB32).expect("a picture");
    assert_eq!(client.ask(&format!("arm 1 64 48 {RGB32}")), 0);
    client.running.send(b"sync 1 /dev/null\n");
    until_it_is_asked(&env);
    drop(xvfb.server);
    assert_eq!(client.running.event("asked")["errno"], EIO);
    let ended = bridge.running.finish();
    assert_eq!(ended.code(), 1);
    assert!(ended.says(&xvfb.display) && ended.says("connection"), "{}", ended.stderr);
    client.end();
    env.until("the pipe is free", |pipes| pipes[0].input_status == "-");
}
