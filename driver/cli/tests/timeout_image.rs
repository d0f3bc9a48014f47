//! `vloopback set-timeout-image` and `--timeout-image`, end to end: snapshots of pipes that nobody feeds.

mod common;

use common::{Place, outcome, server};
use vloopback_cli::media::{Picture, decode_png, encode_png};
use vloopback_picture::{Rgb, encode, jpeg};

/// A picture file of this size.
fn picture(place: &Place, name: &str, width: u32, height: u32) -> Rgb {
    let mut picture = Rgb::new(width, height, [30, 160, 220]);
    picture.fill_rect(width / 4, height / 4, width / 2, height / 2, [250, 200, 20]);
    let mut bytes = Vec::new();
    if name.ends_with(".jpg") {
        bytes = encode(vloopback_abi::v4l2::fourcc::MJPEG, &picture).unwrap();
        picture = jpeg::decode(&bytes).unwrap();
    } else {
        encode_png(&mut bytes, &picture).unwrap();
    }
    std::fs::write(place.path(name), bytes).unwrap();
    picture
}

/// What a client of an idle pipe of RGB24, 320x240, sees.
fn seen(place: &Place, pipe: &str) -> Rgb {
    let push = ["push", pipe, "--pattern", "--format", "RGB3", "--size", "320x240", "--frames", "1"];
    let (code, _, stderr) = outcome(&mut place.vloopback(&push));
    assert_eq!(code, Some(0), "{stderr}");
    let (code, _, stderr) = outcome(&mut place.vloopback(&["snapshot", pipe, "out.png"]));
    assert_eq!(code, Some(0), "{stderr}");
    match decode_png(&std::fs::read(place.path("out.png")).unwrap()).unwrap() {
        Picture::Rgb(rgb) => rgb,
        Picture::Yuv(_) => panic!("a PNG picture in YUV"),
    }
}

fn set(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let words: Vec<&str> = ["set-timeout-image"].iter().chain(arguments).copied().collect();
    let (code, _, stderr) = outcome(&mut place.vloopback(&words));
    (code, stderr)
}

#[test]
fn a_running_pipes_picture() {
    let place = Place::new();
    let _server = server(&place, &["--pipes", "2"]);
    let card = seen(&place, "0");
    for (name, device, width, height) in
        [("a.png", "0", 320, 240), ("b.jpg", "/dev/video1", 640, 240), ("c.png", "video0", 10, 1000)]
    {
        let picture = picture(&place, name, width, height);
        assert_eq!(set(&place, &["-t", "500", device, name]), (Some(0), String::new()));
        let seen = seen(&place, "0");
        assert!(seen == picture.fitted(320, 240), "{name}: every pixel");
        assert!(seen != card, "the negative run");
    }
    assert!(seen(&place, "1") != seen(&place, "0"), "the other pipe has its card");
}

#[test]
fn a_servers_pictures() {
    let place = Place::new();
    let (all, own) = (picture(&place, "all.png", 320, 240), picture(&place, "own.png", 64, 64));
    std::fs::write(place.path("c.toml"), "pipes = 2\n[[pipe]]\n[[pipe]]\ntimeout_image = \"own.png\"\n")
        .unwrap();
    let config = place.path("c.toml").display().to_string();
    let _server = server(&place, &["--config", &config, "--timeout-image", "all.png", "--timeout", "300"]);
    assert!(seen(&place, "0") == all);
    assert!(seen(&place, "1") == own.fitted(320, 240));
}

/// `run` hands the option to the server that it starts.
#[test]
fn a_server_that_run_starts() {
    let place = Place::new();
    let expected = picture(&place, "all.png", 640, 480);
    let program = env!("CARGO_BIN_EXE_vloopback");
    let run = ["run", "--timeout-image", "all.png", "--", program, "snapshot", "0", "out.png"];
    let (code, _, stderr) = outcome(&mut place.vloopback(&run));
    assert_eq!(code, Some(0), "{stderr}");
    let Picture::Rgb(seen) = decode_png(&std::fs::read(place.path("out.png")).unwrap()).unwrap() else {
        panic!("a PNG picture in YUV")
    };
    // The default format is YUYV: what it makes of the picture.
    let frame = encode(vloopback_abi::v4l2::fourcc::YUYV, &expected).unwrap();
    let expected = vloopback_picture::decode(vloopback_abi::v4l2::fourcc::YUYV, 640, 480, &frame).unwrap();
    assert!(seen == expected);
    place.wait_for_the_servers_end();
}

#[test]
fn what_is_wrong_is_told() {
    let place = Place::new();
    picture(&place, "good.png", 32, 32);
    let mut bytes = std::fs::read(place.path("good.png")).unwrap();
    bytes.truncate(60);
    std::fs::write(place.path("broken.png"), bytes).unwrap();
    std::fs::write(place.path("empty.png"), b"").unwrap();
    // A header that asks for 32768 x 32768 pixels.
    let mut huge = std::fs::read(place.path("good.png")).unwrap();
    huge[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
    std::fs::write(place.path("huge.png"), huge).unwrap();
    assert_eq!(set(&place, &["0", "good.png"]).0, Some(3), "no server");
    let _server = server(&place, &[]);
    for (arguments, code, word) in [
        (&["0", "missing.png"][..], 1, "missing.png"),
        (&["0", "broken.png"], 1, "broken.png"),
        (&["0", "empty.png"], 1, "empty.png"),
        (&["0", "huge.png"], 1, "huge.png"),
        (&["/dev/video9", "good.png"], 4, "/dev/video9"),
        (&["7", "good.png"], 4, "'7'"),
        (&["-t", "x", "0", "good.png"], 2, "x"),
        (&["-t", "100001", "0", "good.png"], 2, "100001"),
        (&["0"], 2, "IMAGE"),
    ] {
        let (status, stderr) = set(&place, arguments);
        assert_eq!(status, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?}: {stderr}");
    }
    for (option, value, word) in
        [("--timeout-image", "broken.png", "broken.png"), ("--timeout", "100001", "--timeout")]
    {
        let (status, _, stderr) = outcome(&mut place.vloopbackd(&[option, value, "--socket", "other"]));
        assert_eq!(status, Some(2), "{stderr}");
        assert!(stderr.contains(word), "{stderr}");
    }
}
