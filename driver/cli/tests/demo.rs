//! `vloopback demo`, end to end.

mod common;

use common::{Place, executable, outcome};

/// The numbers of a row of the table: the pusher's, then each client's.
fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line[name.len()..].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn the_bundled_clip_comes_through() {
    let place = Place::new();
    // A $PATH in which nothing is: it must say how to get the tools, and pass.
    let empty = place.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let mut command = place.vloopback(&["demo", "--frames", "30", "--out", "out"]);
    let (code, stdout, stderr) = outcome(command.env("PATH", &empty));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("/proc/video/vloopback/vloopbacks"), "{stdout}");
    all_right(&stdout, 30, &["mmap client", "read() client", "V4L2 client"]);
    // The pusher's one copy, and that of read().
    let copies = row(&stdout, "copies a frame, made by or for it");
    assert_eq!((copies[0], copies[2]), ("1.00", "1.00"), "{stdout}");
    assert!(stdout.contains("copies per frame, counted in the data path: "), "{stdout}");
    assert!(stdout.contains("apt-get install -y --no-install-recommends ffmpeg v4l-utils"), "{stdout}");
    let sheet = std::fs::read(place.path("out/vloopback-demo.png")).unwrap();
    let (width, height) = vloopback_cli::media::decode_png(&sheet).unwrap().size();
    assert!(width >= 4 * 320 && height >= 3 * 180, "{width}x{height}");
}

/// That so many frames came to these clients, or were counted as dropped, and none of them wrong.
fn all_right(stdout: &str, pushed: u32, clients: &[&str]) {
    let names: Vec<&str> = ["pusher"].iter().chain(clients).copied().collect();
    assert_eq!(row(stdout, "      "), names, "{stdout}");
    let none = vec!["-"; clients.len()];
    assert_eq!(row(stdout, "frames pushed"), [&[pushed.to_string().as_str()], none.as_slice()].concat());
    let (right, zeros) = (row(stdout, "frames received, every pixel right"), vec!["0"; clients.len()]);
    let dropped = row(stdout, "frames dropped");
    for what in ["frames torn", "frames wrong otherwise"] {
        assert_eq!(row(stdout, what), [&["-"], zeros.as_slice()].concat(), "{stdout}");
    }
    for i in 1..=clients.len() {
        let (right, dropped): (u32, u32) = (right[i].parse().unwrap(), dropped[i].parse().unwrap());
        assert!(right > 0 && right + dropped == pushed, "{stdout}");
    }
}

#[test]
fn programs_of_today_watch_too() {
    let there = |name: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|dir| dir.join(name).is_file())
    };
    let tools: Vec<&str> = ["ffmpeg", "v4l2-ctl"].into_iter().filter(|name| there(name)).collect();
    if tools.is_empty() {
        eprintln!("SKIP: neither ffmpeg nor v4l2-ctl is installed");
        return;
    }
    let place = Place::new();
    let (code, stdout, stderr) = outcome(&mut place.vloopback(&["demo", "--frames", "30"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let clients = [&["mmap client", "read() client", "V4L2 client"], tools.as_slice()].concat();
    all_right(&stdout, 30, &clients);
}

#[test]
fn a_program_that_gives_up_does_not_take_part() {
    let place = Place::new();
    let tools = place.path("tools");
    std::fs::create_dir(&tools).unwrap();
    executable(&tools.join("ffmpeg"), b"#!/bin/sh\necho \"Unknown input format: 'v4l2'\" >&2\nexit 7\n");
    let mut command = place.vloopback(&["demo", "--frames", "9"]);
    let (code, stdout, stderr) = outcome(command.env("PATH", &tools));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(
        stdout.contains("ffmpeg does not take part: it ended with exit status: 7: Unknown input"),
        "{stdout}"
    );
    assert!(stdout.contains("v4l-utils") && !stdout.contains("ffmpeg v4l-utils"), "{stdout}");
    all_right(&stdout, 9, &["mmap client", "read() client", "V4L2 client"]);
}

#[test]
fn a_spoiled_byte_is_noticed() {
    let place = Place::new();
    // The last one: it stays until everybody has had it, also where those before it were missed.
    let (code, stdout, stderr) = outcome(&mut place.vloopback(&["demo", "--frames", "12", "--spoil", "11"]));
    assert_eq!(code, Some(5), "{stdout}{stderr}");
    assert!(stderr.contains("differ from those pushed"), "{stderr}");
    assert!(row(&stdout, "frames torn")[1..].iter().all(|torn| *torn == "0"), "{stdout}");
    // Whoever had that frame noticed.
    let noticed = row(&stdout, "frames wrong otherwise");
    assert!(noticed.len() >= 4 && noticed[1..].contains(&"1"), "{stdout}");
}

#[test]
fn another_film_and_bad_ones() {
    let place = Place::new();
    let mut film = b"YUV4MPEG2 W64 H48 F25:1\n".to_vec();
    for level in 0..4u8 {
        film.extend(b"FRAME\n");
        film.extend(vec![level * 60; 64 * 48 * 3 / 2]);
    }
    std::fs::write(place.path("film.y4m"), film).unwrap();
    let (code, stdout, stderr) =
        outcome(&mut place.vloopback(&["demo", "--input", "film.y4m", "--frames", "9"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("64x48"), "{stdout}");

    for arguments in [["demo", "--input", "nonesuch.avi"], ["demo", "--out", "film.y4m"]] {
        let (code, _, stderr) = outcome(&mut place.vloopback(&arguments));
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(arguments[2]), "{stderr}");
    }
}
