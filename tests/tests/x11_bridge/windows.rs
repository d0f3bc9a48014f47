//! Windows: their own pictures, whatever lies above them and whatever becomes of them.

use vloopback_tests::{Env, have, skip};
use x11rb::protocol::xproto::{ConfigureWindowAux, ConnectionExt as _};

use crate::{Bridge, EIO, RGB32, Xvfb, pattern, wrong};

const SCREEN: (u16, u16) = (320, 240);
const WINDOW: (u16, u16) = (100, 80);

fn other(x: usize, y: usize) -> [u8; 3] {
    [(x * 11) as u8, 200, (y * 13) as u8]
}

#[test]
fn a_window_is_whole_although_another_lies_above_it() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &[]);
    let painter = xvfb.connect();
    painter.paint(painter.root(), SCREEN, pattern);
    let below = painter.window((20, 30), WINDOW, "below");
    let above = painter.window((60, 70), WINDOW, "above");
    let number = format!("{above:#x}");
    let mut bridge = Bridge::start(&env, &xvfb.display, &["--window", "below", "--window", &number]);
    // What a window shows is the window's own from the redirection on: drawn after it.
    painter.paint(below, WINDOW, pattern);
    painter.paint(above, WINDOW, other);
    let mut client = bridge.client(&env);
    let names: Vec<String> = client.channels().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["Screen 0", "below", "above"]);
    assert_eq!(client.ask("channel 1"), 0);
    assert_eq!(client.tell("cap", "cap")["width"], 100);
    let picture = client.grab(0, WINDOW, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, WINDOW, pattern), []);
    assert_eq!(client.ask("channel 2"), 0);
    let picture = client.grab(1, WINDOW, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, WINDOW, other), []);
    // The screen shows them as a person sees them: one above the other.
    assert_eq!(client.ask("channel 0"), 0);
    let picture = client.grab(0, SCREEN, RGB32).expect("a picture");
    let within = |x: usize, y: usize, left: usize, top: usize| {
        (left..left + 100).contains(&x) && (top..top + 80).contains(&y)
    };
    let seen = |x: usize, y: usize| {
        if within(x, y, 60, 70) {
            other(x - 60, y - 70)
        } else if within(x, y, 20, 30) {
            pattern(x - 20, y - 30)
        } else {
            pattern(x, y)
        }
    };
    assert_eq!(wrong(&picture, SCREEN, seen), []);
    client.end();
    assert_eq!(bridge.counts(), [3, 0, 0]);
}

#[test]
fn a_window_is_resized_hidden_and_gone() {
    if !have("Xvfb") {
        skip!("no Xvfb");
    }
    let env = Env::new(1);
    let xvfb = Xvfb::start(&["320x240x24"], &[]);
    let painter = xvfb.connect();
    let window = painter.window((20, 30), WINDOW, "mine");
    let mut bridge = Bridge::start(&env, &xvfb.display, &["--window", "mine", "--channel", "1"]);
    painter.paint(window, WINDOW, pattern);
    let mut client = bridge.client(&env);
    let picture = client.grab(0, WINDOW, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, WINDOW, pattern), []);
    // Larger, and partly off the screen.
    let larger = (300, 200);
    let change = ConfigureWindowAux::new().x(100).y(-20).width(300).height(200);
    painter.conn.configure_window(window, &change).expect("configure_window");
    painter.paint(window, larger, other);
    assert_eq!(client.tell("cap", "cap")["width"], 300);
    assert_eq!(client.ask("size 300 200"), 0);
    let picture = client.grab(1, larger, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, larger, other), []);
    // Hidden: its last picture stays. Shown again: the new one.
    painter.conn.unmap_window(window).expect("unmap_window");
    painter.settle();
    let picture = client.grab(0, larger, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, larger, other), []);
    painter.conn.map_window(window).expect("map_window");
    painter.paint(window, larger, pattern);
    let picture = client.grab(0, larger, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, larger, pattern), []);
    // Smaller than what is ordered meanwhile: that picture fails, and the next size is right.
    assert_eq!(client.ask(&format!("arm 1 300 200 {RGB32}")), 0);
    let smaller = (50, 40);
    let change = ConfigureWindowAux::new().width(50).height(40);
    painter.conn.configure_window(window, &change).expect("configure_window");
    painter.paint(window, smaller, other);
    let file = env.dir().join("frame");
    assert_eq!(client.ask(&format!("sync 1 {}", file.display())), EIO);
    let picture = client.grab(0, smaller, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, smaller, other), []);
    // Closed: the last picture stays, as for one that is hidden, and the screen is there as before.
    painter.conn.destroy_window(window).expect("destroy_window");
    painter.settle();
    let picture = client.grab(1, smaller, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, smaller, other), []);
    assert_eq!(client.ask("channel 0"), 0);
    painter.paint(painter.root(), SCREEN, pattern);
    let picture = client.grab(0, SCREEN, RGB32).expect("a picture");
    assert_eq!(wrong(&picture, SCREEN, pattern), []);
    client.end();
    let [direct, converted, failed] = bridge.counts();
    assert_eq!((direct, converted, failed), (7, 0, 1));
    bridge.complains("300x200 from mine");
}
