//! `vloopback push` and `vloopback snapshot`, end to end.

mod common;

use common::{Place, Running, outcome, server};
use nix::sys::signal::Signal;
use vloopback_cli::media::{Picture, decode_png, encode_png};
use vloopback_picture::{Rgb, pattern};

/// A snapshot of a pipe, and what was said on standard error.
fn snapshot(place: &Place, pipe: &str) -> (Rgb, String) {
    let (code, stdout, stderr) = outcome(&mut place.vloopback(&["snapshot", pipe, "out.png"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with("out.png: one frame of /dev/video"), "{stdout}");
    (png(&std::fs::read(place.path("out.png")).unwrap()), stderr)
}

fn png(bytes: &[u8]) -> Rgb {
    match decode_png(bytes).unwrap() {
        Picture::Rgb(rgb) => rgb,
        Picture::Yuv(_) => panic!("a PNG picture in YUV"),
    }
}

/// A pusher, once it pushes, and the line with which it says so.
fn pushing(place: &Place, arguments: &[&str]) -> (Running, String) {
    let mut words = vec!["push"];
    words.extend(arguments);
    let mut running = Running::start(&mut place.vloopback(&words));
    let line = running.line();
    (running, line)
}

/// Ends it by a signal; gives its last line.
fn end(mut running: Running, signal: Signal) -> String {
    running.signal(signal);
    let line = running.line();
    assert_eq!(running.child.wait().unwrap().code(), Some(0), "{line}");
    line
}

#[test]
fn the_pattern_arrives_in_every_kind_of_format() {
    let place = Place::new();
    let _server = server(&place, &[]);
    // Packed, planar, semi-planar, of 15 bits, a mosaic, compressed; by code and by name.
    for format in ["YUYV", "YU12", "nv12", "RGB555", "BGR3", "SGRBG8", "MJPG"] {
        let arguments = ["0", "--pattern", "--format", format, "--size", "320x240", "--fps", "60"];
        let (running, line) = pushing(&place, &arguments);
        assert!(line.contains("320x240, 60 frames a second"), "{line}");
        let (first, _) = snapshot(&place, "0");
        assert_eq!((first.width, first.height), (320, 240));
        let a = pattern::number(&first);
        assert!(a.is_some(), "{format}");
        // Who comes sees the picture that is there: at first it may be the same one.
        let b = loop {
            let b = pattern::number(&snapshot(&place, "0").0);
            if b != a {
                break b;
            }
        };
        assert!(a < b, "{format}: {a:?}, {b:?}");
        // The reader sees a field that was changed.
        let mut spoiled = first.clone();
        spoiled.fill_rect(0, 180, 40, 15, first.pixel(5, 185).map(|byte| !byte));
        assert_eq!(pattern::number(&spoiled), None);
        let line = end(running, Signal::SIGINT);
        assert!(line.starts_with("Pushed ") && line.contains("published, "), "{line}");
    }
}

#[test]
fn a_film_arrives_as_it_is() {
    let place = Place::new();
    let _server = server(&place, &["--pipes", "2", "--dev-offset", "40"]);
    let mut film = b"YUV4MPEG2 W64 H48 F20:1\n".to_vec();
    for level in [60u8, 180] {
        film.extend(b"FRAME\n");
        film.extend([vec![level; 64 * 48], vec![90; 32 * 24], vec![170; 32 * 24]].concat());
    }
    std::fs::write(place.path("film.y4m"), film).unwrap();
    let (running, line) = pushing(&place, &["video43", "--input", "film.y4m", "--format", "YU12", "--loop"]);
    assert_eq!(line, "/dev/video43 is the output of pipe 1; pushing into its input.");
    let wanted = [60, 180].map(|level| vloopback_picture::colour::rgb([level, 90, 170]));
    for word in ["1", "/dev/video43", "/dev/video42", "video42"] {
        let (picture, stderr) = snapshot(&place, word);
        let pixel = picture.pixel(0, 0);
        assert!(wanted.contains(&pixel), "{pixel:?}");
        assert_eq!(picture, Rgb::new(64, 48, pixel));
        assert_eq!(stderr.contains("is the input of pipe 1"), word.ends_with('2'), "{stderr}");
    }
    // The other pipe has another picture.
    let (other, _) = snapshot(&place, "0");
    assert_ne!(other.pixel(0, 0), wanted[0]);
    end(running, Signal::SIGTERM);
}

#[test]
fn pictures_stand_and_are_scaled() {
    let place = Place::new();
    let _server = server(&place, &[]);
    let mut picture = Rgb::new(30, 20, [10, 200, 30]);
    picture.fill_rect(15, 0, 15, 20, [250, 0, 99]);
    let file = std::fs::File::create(place.path("still.png")).unwrap();
    encode_png(file, &picture).unwrap();
    let arguments = ["0", "--input", "still.png", "--format", "RGB3", "--size", "60x40"];
    let (running, _) = pushing(&place, &arguments);
    assert_eq!(snapshot(&place, "0").0, picture.scaled(60, 40));
    assert_eq!(snapshot(&place, "0").0, picture.scaled(60, 40));
    drop(running);
}

#[test]
fn so_many_frames_at_their_rate() {
    let place = Place::new();
    let _server = server(&place, &[]);
    let start = std::time::Instant::now();
    let (code, stdout, stderr) =
        outcome(&mut place.vloopback(&["push", "0", "--frames", "20", "--fps", "50", "--size", "64x48"]));
    // Nineteen waits between them, and the time of the last.
    assert!(start.elapsed() >= std::time::Duration::from_millis(400));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("Pushed 20 frames in "), "{stdout}");
    assert!(stdout.contains("0 published, 20 dropped because nobody watched"), "{stdout}");

    // A film ends by itself.
    let mut film = b"YUV4MPEG2 W64 H48 F100:1\n".to_vec();
    for level in 0..7u8 {
        film.extend(b"FRAME\n");
        film.extend(vec![level; 64 * 48 * 3 / 2]);
    }
    std::fs::write(place.path("film.y4m"), film).unwrap();
    let (code, stdout, _) = outcome(&mut place.vloopback(&["push", "0", "--input", "film.y4m"]));
    assert_eq!(code, Some(0));
    assert!(stdout.contains("100 frames a second") && stdout.contains("Pushed 7 frames"), "{stdout}");
}

#[test]
fn a_server_is_started_where_none_is() {
    let place = Place::new();
    let (code, _, stderr) =
        outcome(&mut place.vloopback(&["push", "1", "--frames", "2", "--pipes", "2", "--fps", "100"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains(&format!("started a server at {}", place.socket().display())), "{stderr}");
    place.wait_for_the_servers_end();
}

#[test]
fn what_cannot_be_pushed_is_named() {
    let place = Place::new();
    std::fs::write(place.path("junk.png"), b"\x89PNG and no more").unwrap();
    let (code, _, stderr) = outcome(&mut place.vloopback(&["push", "0", "--input", "junk.png"]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("junk.png"), "{stderr}");
    assert!(!place.socket().exists(), "a server was started for nothing");

    let server = server(&place, &["--dev-offset", "40"]);
    for (arguments, status, hint) in [
        (&["push", "7"][..], 4, "there is 0 (/dev/video40, /dev/video41)"),
        (&["push", "/dev/null"], 4, "/dev/null"),
        (&["push", "0", "--camera", "/dev/video9"], 2, "unexpected argument '--camera'"),
        (&["push", "0", "--format", "nonesuch"], 2, "NV12"),
        (&["push", "0", "--size", "9000x48", "--format", "YUYV"], 2, "from 1 to 8192"),
        (&["snapshot", "7", "x.png"], 4, "has no pipe '7'"),
        (&["snapshot", "0", "/nonexistent/x.png"], 1, "/nonexistent/x.png"),
    ] {
        let (code, _, stderr) = outcome(&mut place.vloopback(arguments));
        assert_eq!(code, Some(status), "{arguments:?}: {stderr}");
        assert!(stderr.contains(hint), "{arguments:?}: {stderr}");
    }
    let (running, _) = pushing(&place, &["0"]);
    let (code, _, stderr) = outcome(&mut place.vloopback(&["push", "/dev/video40"]));
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("/dev/video40 is in use by another pusher"), "{stderr}");

    // The server's end is the pusher's.
    drop(server);
    let mut running = running;
    assert_eq!(running.child.wait().unwrap().code(), Some(3));
    assert!(running.line().starts_with("Pushed "));
}

#[test]
fn what_a_snapshot_meets_while_nobody_pushes() {
    let place = Place::new();
    let (code, _, stderr) = outcome(&mut place.vloopback(&["snapshot", "0", "out.png"]));
    assert_eq!(code, Some(3), "{stderr}");

    for (policy, status, hint) in
        [("wait", 4, "no frame within 0 s"), ("refuse", 4, "nobody pushes into its pipe")]
    {
        let _server = server(&place, &["--idle", policy, "--dev-offset", "40"]);
        let (code, _, stderr) =
            outcome(&mut place.vloopback(&["snapshot", "0", "out.png", "--timeout", "0"]));
        assert_eq!(code, Some(status), "{policy}: {stderr}");
        assert!(stderr.contains("/dev/video41: ") && stderr.contains(hint), "{policy}: {stderr}");
        assert!(!place.path("out.png").exists());
    }

    let _server = server(&place, &["--idle", "placeholder", "--dev-offset", "40"]);
    let output = place.vloopback(&["snapshot", "0", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("nobody pushes into /dev/video40"), "{said}");
    let card = png(&output.stdout);
    assert_eq!((card.width, card.height), (640, 480));
    // There is something on it.
    assert!((0..480).any(|y| (0..640).any(|x| card.pixel(x, y) != card.pixel(0, 0))));

    let (code, _, stderr) = outcome(&mut place.vloopbackd(&["--idle", "sleep"]));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("placeholder, wait or refuse"), "{stderr}");
}
