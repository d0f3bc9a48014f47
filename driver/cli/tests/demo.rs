//! `vloopback demo`, end to end.

mod common;

use common::{Place, outcome};

/// The numbers of a row of the table: pusher, mmap client, read() client.
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
    assert_eq!(row(&stdout, "frames pushed"), ["30", "-", "-"]);
    assert_eq!(row(&stdout, "frames torn"), ["-", "0", "0"]);
    assert_eq!(row(&stdout, "frames wrong otherwise"), ["-", "0", "0"]);
    let received = row(&stdout, "frames received, every pixel right");
    let dropped = row(&stdout, "frames dropped");
    for i in 1..3 {
        let sum: u32 = received[i].parse::<u32>().unwrap() + dropped[i].parse::<u32>().unwrap();
        assert_eq!(sum, 30);
    }
    assert!(stdout.contains("copies per frame, counted in the data path: "), "{stdout}");
    assert!(stdout.contains("apt-get install -y --no-install-recommends ffmpeg v4l-utils"), "{stdout}");
    let sheet = std::fs::read(place.path("out/vloopback-demo.png")).unwrap();
    let (width, height) = vloopback_cli::media::decode_png(&sheet).unwrap().size();
    assert!(width >= 4 * 320 && height >= 2 * 180, "{width}x{height}");
}

#[test]
fn a_spoiled_byte_is_noticed() {
    let place = Place::new();
    let (code, stdout, stderr) = outcome(&mut place.vloopback(&["demo", "--frames", "12", "--spoil", "5"]));
    assert_eq!(code, Some(5), "{stdout}{stderr}");
    assert!(stderr.contains("not as they were pushed"), "{stderr}");
    assert_eq!(row(&stdout, "frames torn"), ["-", "0", "0"]);
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
