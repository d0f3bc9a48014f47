//! Frames from pushers to clients, byte by byte. A process has one server: the tests here share it,
//! and each has a pipe of its own.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use common::{Client, Host, difference, picture};
use vloopback_abi::v4l2::pixel::PixelFormat;
use vloopback_sdk::{Finder, Fourcc, Palette, Pixels, Plane, Pusher, PusherError, fourcc, plane_shapes};

const PIPES: u32 = 16;

static HOST: OnceLock<Host> = OnceLock::new();
/// Held by who starts a program, and by who must have closed what it closes: between fork and exec a child has all.
static FORKING: Mutex<()> = Mutex::new(());

fn host() -> &'static Host {
    extern "C" fn clean_up() {
        // Nothing else drops what a static holds.
        if let Some(host) = HOST.get() {
            let _ = std::fs::remove_dir_all(host.dir.path());
        }
    }
    HOST.get_or_init(|| {
        // SAFETY: a function that lives as long as the process.
        unsafe { libc::atexit(clean_up) };
        Host::new(PIPES)
    })
}

/// A pipe that no other test here uses.
fn pipe() -> u32 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    static INPUTS: OnceLock<Vec<u32>> = OnceLock::new();
    INPUTS.get_or_init(|| host().inputs())[NEXT.fetch_add(1, Ordering::SeqCst)]
}

fn pusher() -> Pusher {
    Pusher::open_at(&host().finder(), &format!("/dev/video{}", pipe())).unwrap()
}

/// The caller's planes of a frame: lines `gap` bytes longer, filled with what must not be seen.
fn spread(pixels: impl Into<Pixels>, w: u32, h: u32, frame: &[u8], gap: usize) -> Vec<(Vec<u8>, usize)> {
    let mut rest = frame;
    let mut planes = Vec::new();
    for shape in plane_shapes(pixels, w, h) {
        let (here, later) = rest.split_at(shape.len());
        let mut data = Vec::new();
        for line in here.chunks(shape.line) {
            data.extend_from_slice(line);
            data.extend(std::iter::repeat_n(0xee, gap));
        }
        planes.push((data, shape.line + gap));
        rest = later;
    }
    assert!(rest.is_empty());
    planes
}

fn write_spread(pusher: &mut Pusher, planes: &[(Vec<u8>, usize)]) {
    let planes: Vec<Plane> = planes.iter().map(|(data, stride)| Plane { data, stride: *stride }).collect();
    pusher.write_frame_strided(&planes).unwrap();
}

#[test]
fn every_palette_arrives_in_each_way() {
    let mut pusher = pusher();
    let (w, h) = (64, 48);
    for palette in Palette::ALL {
        if palette.frame_len(w, h).is_none() {
            assert!(matches!(pusher.set_format(palette, w, h), Err(PusherError::Format { .. })));
            continue;
        }
        pusher.set_format(palette, w, h).unwrap();
        assert_eq!(pusher.format(), Some((palette.into(), w, h)));
        let len = pusher.frame_len();
        let client = Client::watching(pusher.output());
        assert!(pusher.is_watched());
        let before = pusher.counters();

        let whole = picture(1, len);
        pusher.write_frame(&whole).unwrap();
        let strided = picture(2, len);
        let has_order = !plane_shapes(palette, w, h).is_empty();
        if has_order {
            write_spread(&mut pusher, &spread(palette, w, h, &strided, 24));
            write_spread(&mut pusher, &spread(palette, w, h, &strided, 0));
        }
        let in_place = picture(3, len);
        let mut slot = pusher.frame_slot().unwrap().unwrap();
        slot.copy_from_slice(&in_place);
        slot.publish().unwrap();

        let mut wanted = vec![&whole];
        if has_order {
            wanted.extend([&strided, &strided]);
        }
        wanted.push(&in_place);
        for wanted in &wanted {
            client.wait();
            let got = client.read(len + 1).unwrap();
            assert_eq!(difference(&got, wanted), None, "{palette}");
            // The comparison sees one byte, wherever it is.
            for at in [0, len / 2, len - 1] {
                let mut wrong = got.clone();
                wrong[at] ^= 1;
                assert_eq!(difference(&wrong, wanted), Some(at));
            }
        }
        assert_eq!(client.read(len), Err(libc::EAGAIN));
        let now = pusher.counters();
        assert_eq!(now.published - before.published, wanted.len() as u64);
        assert_eq!((now.unwatched, now.lost, now.watchers), (before.unwatched, 0, 1));
    }
}

#[test]
fn every_v4l2_format_arrives() {
    let mut pusher = pusher();
    let (w, h) = (64, 48);
    for format in PixelFormat::ALL {
        pusher.set_format(format.fourcc, w, h).unwrap();
        assert_eq!(pusher.format(), Some((format.fourcc.into(), w, h)));
        let len = pusher.frame_len();
        assert_eq!(Some(len as u32), format.sizeimage(w, h));
        let client = Client::watching(pusher.output());
        // Compressed frames are as long as they are.
        let shorter = if format.is_compressed() { len - 100 } else { len };
        let wanted = picture(4, shorter);
        pusher.write_frame(&wanted).unwrap();
        client.wait();
        let got = client.read(len + 1).unwrap();
        assert_eq!(difference(&got, &wanted), None, "{}", format.name);
        if format.is_compressed() {
            assert!(matches!(pusher.write_frame(&[]), Err(PusherError::Length { .. })));
            let error = pusher.write_frame(&vec![0; len + 1]).unwrap_err();
            assert!(error.to_string().contains(&format!("1 to {len}")), "{error}");
        } else {
            let error = pusher.write_frame(&wanted[1..]).unwrap_err();
            assert!(error.to_string().contains(&format!("is {len}:")), "{error}");
            let planes = spread(format.fourcc, w, h, &wanted, 8);
            write_spread(&mut pusher, &planes);
            client.wait();
            assert_eq!(difference(&client.read(len).unwrap(), &wanted), None, "{}", format.name);
        }
    }
    for (fourcc, w, h, hint) in [
        (fourcc::NV12, 64, 0, "from 1 to 8192"),
        (fourcc::MJPEG, 0, 64, "from 1 to 8192"),
        (fourcc::RGB24, 9000, 64, "from 1 to 8192"),
        (Fourcc::new(b"none"), 64, 48, "choose another"),
    ] {
        let error = pusher.set_format(fourcc, w, h).unwrap_err();
        assert!(matches!(error, PusherError::Format { .. }), "{error:?}");
        assert!(error.to_string().contains(hint), "{error}");
    }
    let last = PixelFormat::ALL.last().unwrap().fourcc;
    assert_eq!(pusher.format(), Some((last.into(), w, h)), "what was refused changed nothing");
}

#[test]
fn the_interval_is_told() {
    let mut pusher = pusher();
    pusher.set_format(fourcc::YUYV, 64, 48).unwrap();
    pusher.set_interval(1001, 24000).unwrap();
    for (numerator, denominator) in [(0, 1), (1, 0)] {
        let error = pusher.set_interval(numerator, denominator).unwrap_err();
        assert!(matches!(error, PusherError::Interval { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("{numerator}/{denominator}")), "{error}");
    }
}

#[test]
fn one_byte_changed_is_seen_by_the_client() {
    let mut pusher = pusher();
    pusher.set_format(Palette::Grey, 40, 30).unwrap();
    let len = pusher.frame_len();
    let client = Client::watching(pusher.output());
    let mut slot = pusher.frame_slot().unwrap().unwrap();
    slot.copy_from_slice(&picture(5, len));
    slot[777] ^= 0x80;
    slot.publish().unwrap();
    assert_eq!(difference(&client.read(len).unwrap(), &picture(5, len)), Some(777));
}

#[test]
fn nobody_watches() {
    let mut pusher = pusher();
    pusher.set_format(Palette::Yuyv, 64, 48).unwrap();
    let frame = picture(0, pusher.frame_len());
    assert!(!pusher.is_watched());
    pusher.write_frame(&frame).unwrap();
    write_spread(&mut pusher, &spread(Palette::Yuyv, 64, 48, &frame, 8));
    assert!(pusher.frame_slot().unwrap().is_none());
    // An unwatched frame of the wrong length is wrong all the same.
    assert!(pusher.write_frame(&frame[1..]).is_err());
    let counters = pusher.counters();
    assert_eq!((counters.published, counters.unwatched, counters.watchers), (0, 3, 0));
    // Counted on across a change of the ring.
    pusher.set_format(Palette::Yuyv, 128, 96).unwrap();
    pusher.write_frame(&picture(0, pusher.frame_len())).unwrap();
    assert_eq!(pusher.counters().unwatched, 4);
}

#[test]
fn a_dropped_or_forgotten_slot_is_cancelled() {
    let mut pusher = pusher();
    pusher.set_format(Palette::Grey, 40, 30).unwrap();
    let len = pusher.frame_len();
    let client = Client::watching(pusher.output());
    let mut slot = pusher.frame_slot().unwrap().unwrap();
    slot.fill(0xbb);
    drop(slot);
    assert_eq!(client.read(len), Err(libc::EAGAIN));
    let mut slot = pusher.frame_slot().unwrap().unwrap();
    slot.fill(0xcc);
    std::mem::forget(slot);
    assert_eq!(client.read(len), Err(libc::EAGAIN));
    // Neither this nor a new format waits for the forgotten one.
    pusher.write_frame(&picture(6, len)).unwrap();
    assert_eq!(difference(&client.read(len).unwrap(), &picture(6, len)), None);
    std::mem::forget(pusher.frame_slot().unwrap().unwrap());
    pusher.set_format(Palette::Grey, 40, 30).unwrap();
    std::mem::forget(pusher.frame_slot().unwrap().unwrap());
    pusher.frame_slot().unwrap().unwrap().publish().unwrap();
    assert_eq!(pusher.counters().published, 2);
}

#[test]
fn more_frames_than_slots_while_one_is_open() {
    // Clients go on with what the ring holds.
    let mut pusher = pusher();
    pusher.set_format(Palette::Rgb24, 40, 30).unwrap();
    let len = pusher.frame_len();
    let client = Client::watching(pusher.output());
    for k in 0..100 {
        pusher.write_frame(&picture(k, len)).unwrap();
        let mut slot = pusher.frame_slot().unwrap().unwrap();
        slot[..len / 2].copy_from_slice(&picture(1000 + k, len)[..len / 2]);
        client.wait();
        assert_eq!(difference(&client.read(len).unwrap(), &picture(k, len)), None);
        assert_eq!(client.read(len), Err(libc::EAGAIN));
        slot.copy_from_slice(&picture(1000 + k, len));
        slot.publish().unwrap();
        client.wait();
        assert_eq!(difference(&client.read(len).unwrap(), &picture(1000 + k, len)), None);
    }
}

#[test]
fn wrong_sizes_are_named_and_change_nothing() {
    let mut pusher = pusher();
    let device = pusher.device().to_owned();
    let check = |error: PusherError, errno: i32, words: &[&str]| {
        let text = error.to_string();
        assert!(text.contains(&device), "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "{text}"));
        assert_eq!(error.errno().raw(), errno, "{text}");
    };
    check(pusher.write_frame(&[]).unwrap_err(), libc::EINVAL, &["no format yet"]);
    check(pusher.write_frame_strided(&[]).unwrap_err(), libc::EINVAL, &["no format yet"]);
    check(pusher.frame_slot().unwrap_err(), libc::EINVAL, &["no format yet"]);

    pusher.set_format(Palette::Yuv420P, 64, 48).unwrap();
    let len = pusher.frame_len();
    for (w, h) in [(0, 48), (64, 0), (63, 48), (64, 47)] {
        let error = pusher.set_format(Palette::Yuv420P, w, h).unwrap_err();
        check(error, libc::EINVAL, &["YUV420P", "multiple of 2"]);
    }
    // Its palette is set before its size is refused: that half of the change is taken back.
    let error = pusher.set_format(Palette::Rgb32, 60_000, 60_000).unwrap_err();
    check(error, libc::ENOMEM, &["60000x60000", "--num-buffers"]);
    assert_eq!(pusher.format(), Some((Palette::Yuv420P.into(), 64, 48)));

    let frame = picture(9, len + 1);
    check(pusher.write_frame(&frame).unwrap_err(), libc::EINVAL, &["4609 bytes", "is 4608", "64x48"]);
    check(pusher.write_frame(&frame[..len - 1]).unwrap_err(), libc::EINVAL, &["4607 bytes"]);
    let planes = [
        Plane { data: &frame, stride: 63 },
        Plane { data: &frame, stride: 32 },
        Plane { data: &frame, stride: 32 },
    ];
    check(pusher.write_frame_strided(&planes).unwrap_err(), libc::EINVAL, &["plane 0", "stride of 63"]);
    check(pusher.write_frame_strided(&planes[1..]).unwrap_err(), libc::EINVAL, &["2 planes", "has 3"]);

    let client = Client::watching(pusher.output());
    pusher.write_frame(&frame[..len]).unwrap();
    assert_eq!(difference(&client.read(len + 1).unwrap(), &frame[..len]), None);
}

#[test]
fn a_client_goes_on_with_a_new_format_and_a_new_pusher() {
    let number = pipe();
    let open = || Pusher::open_at(&host().finder(), &number.to_string()).unwrap();
    let mut pusher = open();
    pusher.set_format(Palette::Grey, 40, 30).unwrap();
    let client = Client::watching(pusher.output());
    for (k, (palette, w, h)) in
        [(Palette::Grey, 40, 30), (Palette::Rgb32, 40, 30), (Palette::Yuyv, 200, 100)].into_iter().enumerate()
    {
        pusher.set_format(palette, w, h).unwrap();
        // A reading client streams again with its next read.
        let _ = client.read(1);
        let len = pusher.frame_len();
        pusher.write_frame(&picture(k, len)).unwrap();
        client.wait();
        assert_eq!(difference(&client.read(len + 1).unwrap(), &picture(k, len)), None);
    }
    let mut pusher = {
        let _nobody_forks = FORKING.lock();
        drop(pusher);
        // At once: closing is done when drop returns.
        open()
    };
    pusher.set_format(Palette::Grey, 40, 30).unwrap();
    let _ = client.read(1);
    pusher.write_frame(&picture(8, 1200)).unwrap();
    client.wait();
    assert_eq!(difference(&client.read(1201).unwrap(), &picture(8, 1200)), None);
    assert_eq!(pusher.counters().published, 1, "a former pusher's frames are not this one's");
}

#[test]
fn pushers_move_between_threads() {
    let mut pusher = pusher();
    pusher.set_format(Palette::Grey, 40, 30).unwrap();
    let client = Client::watching(pusher.output());
    let mut pusher = std::thread::spawn(move || {
        pusher.write_frame(&picture(1, 1200)).unwrap();
        std::mem::forget(pusher.frame_slot().unwrap().unwrap());
        pusher
    })
    .join()
    .unwrap();
    pusher.write_frame(&picture(2, 1200)).unwrap();
    for k in [1, 2] {
        assert_eq!(difference(&client.read(1200).unwrap(), &picture(k, 1200)), None);
    }
}

#[test]
fn a_process_has_one_server() {
    let used = host().finder();
    drop(Pusher::open_at(&used, &pipe().to_string()).unwrap());
    let error = Pusher::claim(&Finder::at("/nonexistent/other")).unwrap_err();
    assert!(matches!(error, PusherError::OneServer { .. }), "{error}");
    let error = Pusher::claim(&Finder::at(format!("/{}", "x".repeat(107)))).unwrap_err();
    assert!(matches!(error, PusherError::SocketPath { .. }), "{error}");
}

/// What the child of the next test is told: the socket and the node.
const CHILD: &str = "VLOOPBACK_SDK_TEST_CHILD";

#[test]
fn a_pusher_killed_with_a_slot_open() {
    if let Ok(told) = std::env::var(CHILD) {
        // The child: half a frame in a slot, then wait to be killed.
        let (socket, node) = told.rsplit_once(' ').unwrap();
        let mut pusher = Pusher::open_at(&Finder::at(socket), node).unwrap();
        pusher.set_format(Palette::Grey, 40, 30).unwrap();
        println!("CHILD ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        pusher.write_frame(&picture(1, 1200)).unwrap();
        let mut slot = pusher.frame_slot().unwrap().unwrap();
        slot[..600].fill(0xdd);
        println!("CHILD open");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        unreachable!("not killed");
    }
    let number = pipe();
    let forking = FORKING.lock();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_pusher_killed_with_a_slot_open", "--nocapture"])
        .env(CHILD, format!("{} {number}", host().socket().display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(forking);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut stdin = child.stdin.take().unwrap();
    assert!(lines.any(|line| line.ends_with("CHILD ready")));
    let client = Client::watching(&format!("/dev/video{}", number + 1));
    std::io::Write::write_all(&mut stdin, b"\n").unwrap();
    assert!(lines.any(|line| line.ends_with("CHILD open")));
    client.wait();
    assert_eq!(difference(&client.read(1201).unwrap(), &picture(1, 1200)), None);
    assert_eq!(client.read(1200), Err(libc::EAGAIN), "half a frame");
    child.kill().unwrap();
    child.wait().unwrap();

    // The pipe is free, its ring whole, and the client goes on.
    let mut pusher = Pusher::open_at(&host().finder(), &number.to_string()).unwrap();
    pusher.set_format(Palette::Grey, 40, 30).unwrap();
    let _ = client.read(1);
    for k in 0..40 {
        pusher.write_frame(&picture(k, 1200)).unwrap();
        client.wait();
        assert_eq!(difference(&client.read(1201).unwrap(), &picture(k, 1200)), None);
    }
}
