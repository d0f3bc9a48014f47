//! What becomes of a camera whose display changes under it: screens that RandR resizes, windows of servers
//! without Composite, servers that die in the middle of a picture.

use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use vloopback_tests::{Env, PATIENCE, have, skip};
use x11rb::protocol::randr::{ConnectionExt as _, Rotation};
use x11rb::protocol::xproto::{ConfigureWindowAux, ConnectionExt as _};

use crate::{Bridge, Client, EINVAL, EIO, GREY, Painter, RGB32, Xvfb, pattern, wrong};

const LARGE: (u16, u16) = (640, 480);
const SMALL: (u16, u16) = (320, 240);

/// Another size for the screen, as a person's `xrandr --fb` gives it. The outputs, which would hold it at
/// their own size, are switched off.
fn resize(painter: &Painter, (width, height): (u16, u16)) {
    let (conn, root) = (&painter.conn, painter.root());
    let all = conn.randr_get_screen_resources(root).expect("randr").reply().expect("resources");
    for crtc in all.crtcs {
        conn.randr_set_crtc_config(
            crtc,
            x11rb::CURRENT_TIME,
            all.config_timestamp,
            0,
            0,
            x11rb::NONE,
            Rotation::ROTATE0,
            &[],
        )
        .expect("randr")
        .reply()
        .expect("an output that is off");
    }
    conn.randr_set_screen_size(root, width, height, 100, 100).expect("randr").check().expect("another size");
    painter.settle();
    let now = conn.get_geometry(root).expect("a request").reply().expect("the screen's size");
    assert_eq!((now.width, now.height), (width, height), "the server did not do it");
}

#[track_caller]
fn size_of(client: &mut Client, order: &str) -> (u64, u64) {
    let told = client.tell(order, order);
    (told["width"].as_u64().expect("a width"), told["height"].as_u64().expect("a height"))
}

#[test]
fn a_screen_becomes_smaller_and_larger_again() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["640x480x24"], &[]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), LARGE, pattern);
    let mut bridge = Bridge::start(&env, &xvfb.display, &[]);
    let mut client = bridge.client(&env);
    let picture = client.grab(0, LARGE, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, LARGE, pattern), []);
    // A picture that was ordered before has no room on the screen that is there when it is due.
    assert_eq!(client.ask(&format!("arm 1 640 480 {RGB32}")), 0);
    resize(&painter, SMALL);
    assert_eq!(client.ask("sync 1 /dev/null"), EIO);
    // What the camera tells is what can be had.
    assert_eq!(size_of(&mut client, "cap"), (320, 240));
    assert_eq!(size_of(&mut client, "window"), (320, 240));
    assert_eq!(client.grab(0, LARGE, RGB32), Err(EINVAL));
    // The server has cleared it.
    painter.paint(painter.root(), SMALL, pattern);
    let picture = client.grab(0, SMALL, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, SMALL, pattern), []);
    resize(&painter, LARGE);
    let other = |x: usize, y: usize| [(x * 3) as u8, (y * 5) as u8, 77];
    painter.paint(painter.root(), LARGE, other);
    assert_eq!(size_of(&mut client, "cap"), (640, 480));
    assert_eq!(size_of(&mut client, "window"), (320, 240), "the size is the client's to choose");
    let picture = client.grab(1, LARGE, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, LARGE, other), []);
    client.end();
    assert_eq!(bridge.counts(), [3, 0, 1]);
    bridge.complains("smaller");
}

/// The frames are as large as what there was at the start: what grows beyond is shown as far as it goes, in
/// no palette more, and no byte of the next frame is touched.
#[test]
fn a_screen_grows_beyond_the_frames() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["640x480x24"], &[]);
    let painter = xvfb.connect();
    resize(&painter, SMALL);
    let mut bridge = Bridge::start(&env, &xvfb.display, &[]);
    let mut client = bridge.client(&env);
    painter.paint(painter.root(), SMALL, pattern);
    client.grab(1, SMALL, RGB32).expect("a picture");
    resize(&painter, LARGE);
    let other = |x: usize, y: usize| [(x * 3) as u8, (y * 5) as u8, 77];
    painter.paint(painter.root(), LARGE, other);
    assert_eq!(size_of(&mut client, "cap"), (320, 240));
    assert_eq!(client.ask("size 640 480"), EINVAL);
    for palette in [RGB32, GREY] {
        assert_eq!(client.grab(0, LARGE, palette), Err(EINVAL), "palette {palette}");
    }
    let picture = client.grab(0, SMALL, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, SMALL, other), []);
    // A part may lie anywhere on the larger screen.
    assert_eq!(client.ask("part 400 300 200 160"), 0);
    let picture = client.grab(0, (200, 160), RGB32).expect("a picture");
    assert_eq!(wrong(&picture, (200, 160), |x, y| other(x + 400, y + 300)), []);
    // One that has no room in a frame is no part.
    assert_eq!(client.ask("part 0 0 640 480"), EINVAL);
    client.end();
    assert_eq!(bridge.counts(), [3, 0, 0]);
}

/// Without Composite a window's picture is what is seen of it on the screen; where it is not all there, a
/// picture fails with a reason, and the camera goes on.
#[test]
fn windows_without_composite() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    const SCREEN: (u16, u16) = (320, 240);
    const WINDOW: (u16, u16) = (100, 80);
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &["-extension", "Composite"]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), SCREEN, pattern);
    let window = painter.window((20, 30), WINDOW, "mine");
    let mut bridge = Bridge::start(&env, &xvfb.display, &["--window", "mine", "--channel", "1"]);
    let mut client = bridge.client(&env);
    let own = |x: usize, y: usize| [(x * 11) as u8, 200, (y * 13) as u8];
    painter.paint(window, WINDOW, own);
    let picture = client.grab(0, WINDOW, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, WINDOW, own), []);
    // Partly off the screen: all four edges.
    for (x, y) in [(-1, 30), (221, 30), (20, -1), (20, 161)] {
        let change = ConfigureWindowAux::new().x(x).y(y);
        painter.conn.configure_window(window, &change).expect("configure_window");
        painter.settle();
        assert_eq!(client.grab(0, WINDOW, RGB32), Err(EIO), "at {x}, {y}");
    }
    bridge.complains("100x80 from mine: Match");
    // Just on it.
    let change = ConfigureWindowAux::new().x(220).y(160);
    painter.conn.configure_window(window, &change).expect("configure_window");
    painter.paint(window, WINDOW, own);
    let picture = client.grab(1, WINDOW, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, WINDOW, own), []);
    // Not shown, and shown again.
    painter.conn.unmap_window(window).expect("unmap_window");
    painter.settle();
    assert_eq!(client.grab(0, WINDOW, RGB32), Err(EIO));
    painter.conn.map_window(window).expect("map_window");
    painter.paint(window, WINDOW, own);
    assert!(client.grab(0, WINDOW, RGB32).is_ok());
    // Gone between the order and its time.
    assert_eq!(client.ask(&format!("arm 1 100 80 {RGB32}")), 0);
    painter.conn.destroy_window(window).expect("destroy_window");
    painter.settle();
    assert_eq!(client.ask("sync 1 /dev/null"), EIO);
    assert_eq!(client.grab(0, WINDOW, RGB32), Err(EIO));
    // The screen is there as before.
    assert_eq!(client.ask("channel 0"), 0);
    painter.paint(painter.root(), SCREEN, pattern);
    let picture = client.grab(0, SCREEN, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, SCREEN, pattern), []);
    client.end();
    assert_eq!(bridge.counts(), [4, 0, 7]);
}

/// A window that its program closes while a picture of it is ordered: with Composite the last one stays.
#[test]
fn a_window_is_closed_while_its_picture_is_ordered() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    const WINDOW: (u16, u16) = (100, 80);
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &[]);
    // A program of its own: its end closes the window.
    let program = xvfb.connect();
    let window = program.window((20, 30), WINDOW, "mine");
    let mut bridge = Bridge::start(&env, &xvfb.display, &["--window", "mine", "--channel", "1"]);
    program.paint(window, WINDOW, pattern);
    let mut client = bridge.client(&env);
    client.grab(0, WINDOW, RGB32).expect("a picture");
    let file = env.dir().join("frame");
    assert_eq!(client.ask(&format!("arm 1 100 80 {RGB32}")), 0);
    drop(program);
    let other = xvfb.connect();
    let gone = || other.conn.get_geometry(window).expect("a request").reply().is_err();
    let begin = Instant::now();
    while !gone() {
        assert!(begin.elapsed() < PATIENCE, "the window stays");
    }
    assert_eq!(client.ask(&format!("sync 1 {}", file.display())), 0);
    let picture = std::fs::read(&file).expect("the picture");
    assert_eq!(wrong(&picture, WINDOW, pattern), []);
    client.end();
    assert_eq!(bridge.counts(), [2, 0, 0]);
}

/// Waits until the bridge sleeps for the X server alone, where the kernel tells (else it may die before it is
/// asked, which comes to the same).
fn until_it_waits(bridge: Pid) {
    const POLL: [&str; 2] = ["7", "271"];
    let file = format!("/proc/{}/syscall", bridge.as_raw_nonzero());
    let begin = Instant::now();
    while let Ok(call) = std::fs::read_to_string(&file) {
        let words: Vec<&str> = call.split_whitespace().collect();
        // Otherwise it looks at its clients, too.
        if !cfg!(target_arch = "x86_64") || (words.len() > 2 && POLL.contains(&words[0]) && words[2] == "0x1")
        {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "it does not ask for the picture: {call}");
        std::thread::yield_now();
    }
}

/// A server that stops answering, and dies with a picture half asked for: the client is told, and the bridge
/// ends and says why.
#[test]
fn a_server_dies_while_it_draws() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["64x48x24"], &[]);
    let bridge = Bridge::start(&env, &xvfb.display, &[]);
    let mut client = bridge.client(&env);
    client.grab(0, (64, 48), RGB32).expect("a picture");
    let server = xvfb.server.leader();
    assert_eq!(client.ask(&format!("arm 1 64 48 {RGB32}")), 0);
    kill_process(server, Signal::STOP).expect("kill");
    client.running.send(b"sync 1 /dev/null\n");
    until_it_waits(bridge.running.leader());
    kill_process(server, Signal::KILL).expect("kill");
    assert_eq!(client.running.event("asked")["errno"], EIO);
    let ended = bridge.running.finish();
    assert_eq!(ended.code(), 1);
    assert!(ended.says(&xvfb.display) && ended.says("connection"), "{}", ended.stderr);
    client.end();
    env.until("the pipe is free", |pipes| pipes[0].input_status == "-");
}
