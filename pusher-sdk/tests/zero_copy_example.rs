//! The zero-copy example, as its README starts it: a client sees its bar, moves the brightness, and the
//! example ends with its standard input. A process of its own: V4L1 requests make it a legacy one.

mod common;

use std::ffi::c_int;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Host, number};
use vloopback_runtime::{edge, native};
use vloopback_sdk::Palette;
use vloopback_sdk::v4l1::{VideoPicture, request};

const SIZE: (usize, usize) = (320, 240);

/// Grey, with a bar of 16 columns of that brightness from column `begin` on.
fn is_bar(frame: &[u8], begin: usize, bright: u8) -> bool {
    let column = |x: usize| if (x + SIZE.0 - begin) % SIZE.0 < 16 { bright } else { 16 };
    frame.len() == SIZE.0 * SIZE.1 && frame.iter().enumerate().all(|(i, &luma)| luma == column(i % SIZE.0))
}

fn ask<T>(fd: c_int, request: u32, argument: &mut T) {
    // SAFETY: every caller passes the structure that belongs to the request.
    unsafe { edge::ioctl(fd, request.into(), std::ptr::from_mut(argument) as usize) }.unwrap();
}

#[test]
fn the_example_shows_its_bar() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("examples/zero-copy-pusher/README.md")).unwrap();
    let command = "vloopback run -- target/release/examples/zero-copy-pusher\n";
    assert!(readme.contains(command), "the README starts it in another way");
    // target/…/deps/this test; cargo builds the examples beside.
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("examples/zero-copy-pusher");
    // `cargo test --test …` alone builds none.
    assert!(program.exists(), "first: cargo build -p vloopback-sdk --examples");

    let host = Host::new(1);
    let mut example = Command::new(program)
        .env("VLOOPBACK_SOCKET", host.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.next().unwrap();
    let output = line.split("watch ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();

    native::use_server(&host.socket()).unwrap();
    let fd = edge::open_device(number(output), libc::O_RDWR).unwrap();
    let read = || {
        let mut frame = vec![0; SIZE.0 * SIZE.1 * 2];
        // SAFETY: so many bytes are there.
        let n = unsafe { edge::read(fd, frame.as_mut_ptr().cast(), frame.len()) }.unwrap();
        frame.truncate(n);
        frame
    };
    // From here on it is a V4L1 client: a picture is drawn for each of its reads, and none ahead.
    let mut picture = VideoPicture::default();
    ask(fd, request::GPICT, &mut picture);
    assert_eq!((picture.palette, picture.depth), (Palette::Grey.number(), 8));
    for begin in 0..330 {
        let mut frame = read();
        assert!(is_bar(&frame, begin % SIZE.0, 235), "frame {begin}");
        frame[begin] ^= 1;
        assert!(!is_bar(&frame, begin % SIZE.0, 235), "the judge is blind");
    }
    picture.brightness = 100 << 8;
    ask(fd, request::SPICT, &mut picture);
    assert!(is_bar(&read(), 10, 100));

    let edge::Close::Last(session) = edge::before_close(fd) else { panic!("not the last number") };
    // SAFETY: ours.
    unsafe { libc::close(fd) };
    edge::after_close(session);
    assert_eq!(lines.next().as_deref(), Some("a client has closed"));
    drop(example.stdin.take());
    assert!(example.wait().unwrap().success());
    assert_eq!(lines.next(), None);
}
