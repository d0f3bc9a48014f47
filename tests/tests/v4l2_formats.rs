//! Every pixel format through a pipe, every byte compared: v4l2loopback's 59, and what it lacks; sizes that are odd.

use serde_json::Value;
use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Job, Pipe, Running, full, have, number, skip};

/// The formats of v4l2loopback 0.15.
const LOOPBACK: [&str; 59] = [
    "BGR4", "RGB4", "BGR3", "RGB3", "RGB1", "R444", "RGBO", "RGBP", "RGBQ", "RGBR", "BGRH", "AR24", "XR24",
    "AB24", "YUYV", "UYVY", "YVYU", "VYUY", "YYUV", "YUV4", "GREY", "Y04", "Y06", "Y10", "Y12", "Y16",
    "Y444", "YUVO", "YUVP", "RGGB", "GRBG", "GBRG", "BA81", // 33 packed
    "YVU9", "YV12", "YUV9", "YU12", "422P", "411P", "Y41P", "NV12", // 8 of planes
    "MJPG", "JPEG", "dvsd", "MPEG", "H264", "AVC1", "M264", "H263", "MPG1", "MPG2", "MPG4", "XVID", "VC1G",
    "VC1L", "VP80", "VP90", "HEVC", "AV01", // 18 compressed
];

/// Formats that it lacks.
const MORE: [&str; 36] = [
    "NV21", "NV16", "NV61", "NV24", "NV42", "P010", "Y10P", "HI24", "AR15", "XR15", "RA24", "RX24", "XB24",
    "BA24", "BX24", "YUV3", "BG10", "GB10", "BA10", "RG10", "pBAA", "pGAA", "pgAA", "pRAA", "BG12", "GB12",
    "BA12", "RG12", "pBCC", "pGCC", "pgCC", "pRCC", "BYR2", "GB16", "GR16", "RG16",
];

/// A pusher that has said what it pushes, and that.
fn push(env: &Env, pipe: &Pipe, format: &str, size: &str, more: &[&str]) -> (Running, Value) {
    let words = ["--device", &pipe.input, "--format", format, "--size", size, "--fps", "200"];
    let mut pusher =
        env.program("v4l2_pusher", &[&words[..], &["--report", "1000000"], more].concat()).start();
    let setup = pusher.event("setup");
    pusher.event("frame");
    (pusher, setup)
}

/// What is wrong with ten frames that a client takes; its format has to be the pusher's.
fn take(env: &Env, pipe: &Pipe, setup: &Value, io: &str) -> Result<(), String> {
    let words = ["--device", &pipe.output, "--frames", "10", "--io", io];
    let mut client = env.program("v4l2_client", &words).start();
    let ready = client.event("ready");
    for key in ["format", "width", "height", "sizeimage"] {
        if ready[key] != setup[key] {
            return Err(format!("{ready} of {setup}"));
        }
    }
    loop {
        let event = client.any_event().ok_or_else(|| format!("no result: {}", client.stderr()))?;
        match event["event"].as_str() {
            Some("wrong" | "error") => return Err(event.to_string()),
            Some("result") => {
                let bad = ["torn", "back", "errors"].iter().any(|key| number(&event, key) != 0);
                let few = number(&event, "received") + number(&event, "torn") < 10;
                return if bad || few { Err(event.to_string()) } else { Ok(()) };
            }
            _ => {}
        }
    }
}

#[track_caller]
fn end(env: &Env, mut pusher: Running) {
    pusher.end_input();
    let pushed = pusher.event("pushed");
    assert_eq!(number(&pushed, "errors"), 0, "{pushed}");
    pusher.finish().ok();
    env.until_idle();
}

/// Every format goes through, by writes or mapped buffers, to a client that maps or reads; with `--full` by all of
/// these, and in each a wrong bit is seen.
#[test]
fn every_format_goes_through() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for (k, format) in LOOPBACK.iter().chain(&MORE).enumerate() {
        let (mine, others) = if k % 2 == 0 { ("mmap", "write") } else { ("write", "mmap") };
        let ways: &[&str] = if full() { &[mine, others] } else { &[mine] };
        for io in ways {
            let (pusher, setup) = push(&env, &pipe, format, "64x48", &["--io", io]);
            assert_eq!(setup["format"], *format);
            let clients = [["mmap", "read"][k / 2 % 2], ["read", "mmap"][k / 2 % 2]];
            for client in &clients[..if full() { 2 } else { 1 }] {
                assert_eq!(take(&env, &pipe, &setup, client), Ok(()), "{format} by {io}, {client}");
            }
            end(&env, pusher);
        }
        if full() || k % 12 == 0 {
            let (pusher, setup) = push(&env, &pipe, format, "64x48", &["--io", mine, "--wrong-all"]);
            let wrong = take(&env, &pipe, &setup, "mmap").expect_err("wrong bits are seen");
            assert!(wrong.contains("torn"), "{format}: {wrong}");
            end(&env, pusher);
        }
    }
}

/// Frames of odd sizes have ffmpeg's layout: planes of colour rounded up, packed 4:2:2 padded to whole pairs
/// (driver/docs/reference.md, "Sizes and lines").
#[test]
fn odd_sizes_go_through() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for (format, size, bytes) in [
        ("YUYV", "853x480", 819_840),
        ("NV12", "853x480", 614_400),
        ("YU12", "853x480", 614_400),
        ("BGR3", "853x480", 1_228_320),
        ("RGBP", "853x480", 818_880),
        ("YUYV", "641x481", 617_604),
        ("NV12", "641x481", 463_043),
        ("YU12", "641x481", 463_043),
        ("YVU9", "13x7", 91 + 2 * 8),
        ("P010", "13x7", 2 * (91 + 2 * 7 * 4)),
        ("pRAA", "13x7", 20 * 7),
        ("GREY", "2048x1", 2048),
        ("BGR3", "2048x1", 6144),
        ("YU12", "2048x1", 4096),
        ("YU12", "3x3", 17),
        ("BGR4", "2x1", 8),
        ("MJPG", "1x1", 4096),
    ] {
        for (io, client) in [("mmap", "read"), ("write", "mmap")] {
            let (pusher, setup) = push(&env, &pipe, format, size, &["--io", io]);
            assert_eq!(number(&setup, "sizeimage"), bytes, "{format} {size}");
            assert_eq!(take(&env, &pipe, &setup, client), Ok(()), "{format} {size} by {io}, {client}");
            end(&env, pusher);
        }
    }
}

/// A case of `v4l2_formats.c` on a pipe of its own.
#[track_caller]
fn case(name: &str) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let words = [name, "--device", &pipe.input, "--find", &pipe.output];
    pass(env.program("v4l2_formats", &words), |_, _| {});
}

/// Sizes of 0 and 65536, and a code that nobody knows.
#[test]
fn bad_input_becomes_the_nearest() {
    case("bad_input");
}

/// Fields are carried: TOP, BOTTOM, INTERLACED, one after the other.
#[test]
fn fields_are_carried() {
    case("fields");
}

/// Lines farther apart, as a pusher or a client asks for them, are that program's own: all others get lines without
/// padding. By each way of moving frames.
#[test]
fn lines_may_be_farther_apart() {
    case("lines");
}

/// The negative run: one byte in the wrong place is seen.
#[test]
fn a_wrong_byte_in_padded_lines_is_seen() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let words = ["lines", "--device", &pipe.input, "--find", &pipe.output, "--wrong-frame", "3"];
    let mut case = env.program("v4l2_formats", &words).start();
    let seen = std::iter::from_fn(|| case.any_event()).any(|event| {
        event["event"] == "wrong"
            && event["what"].as_str().is_some_and(|what| what.contains("frame 3 is torn"))
    });
    assert!(seen, "no byte was seen that is wrong");
}

/// A frame of an encoder: whether it stands for itself, and its bytes.
type Packet = (bool, Vec<u8>);

/// Bit 3 of a buffer's flags.
const KEYFRAME: u32 = 0x8;

/// The films that ffmpeg encodes: the format, its encoder with its options, how frames are told apart in the file, and
/// what is in it before the first.
const ENCODERS: [(&str, &[&str], Split); 4] = [
    ("H264", &["-c:v", "libx264", "-x264-params", "aud=1", "-f", "h264"], Split::At(&[0, 0, 0, 1, 9])),
    (
        "HEVC",
        &["-c:v", "libx265", "-x265-params", "aud=1:log-level=none", "-f", "hevc"],
        Split::At(&[0, 0, 0, 1, 0x46, 1]),
    ),
    ("VP80", &["-c:v", "libvpx", "-f", "ivf"], Split::Ivf),
    ("AV01", &["-c:v", "libaom-av1", "-cpu-used", "8", "-f", "ivf"], Split::Ivf),
];

/// How frames are told apart in a file.
#[derive(Clone, Copy)]
enum Split {
    /// Each begins with these bytes.
    At(&'static [u8]),
    /// By an IVF header of 12 bytes, after one of 32 of the file.
    Ivf,
}

/// Every fifth frame is marked as one that stands for itself: who marks it is the pusher, not the pipe.
fn packets(film: &[u8], split: Split) -> Vec<Packet> {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    match split {
        Split::At(mark) => {
            let starts: Vec<usize> = (0..film.len()).filter(|&at| film[at..].starts_with(mark)).collect();
            let ends = starts.iter().skip(1).copied().chain([film.len()]);
            frames.extend(starts.iter().zip(ends).map(|(&start, end)| film[start..end].to_vec()));
        }
        Split::Ivf => {
            let mut at = 32;
            while at + 12 <= film.len() {
                let len = u32::from_le_bytes(film[at..at + 4].try_into().expect("four bytes")) as usize;
                frames.push(film[at + 12..at + 12 + len].to_vec());
                at += 12 + len;
            }
        }
    }
    frames.into_iter().enumerate().map(|(k, frame)| (k % 5 == 0, frame)).collect()
}

/// As `v4l2_packets.c` has them in a file.
fn to_file(packets: &[Packet]) -> Vec<u8> {
    let record = |(key, frame): &Packet| {
        let flags = if *key { KEYFRAME } else { 0 };
        [&(frame.len() as u32).to_ne_bytes()[..], &flags.to_ne_bytes(), frame].concat()
    };
    packets.iter().flat_map(record).collect()
}

/// H.264, HEVC, VP8 and AV1 of real encoders come out as long as they went in, byte for byte, with their marks.
#[test]
fn compressed_frames_keep_lengths_and_marks() {
    if !have("ffmpeg") {
        skip!("ffmpeg is not installed");
    }
    let encoders = Job::new("ffmpeg").args(["-hide_banner", "-encoders"]).output().text();
    if let Some((_, missing, _)) = ENCODERS.iter().find(|(_, words, _)| !encoders.contains(words[1])) {
        skip!("ffmpeg has no encoder {}", missing[1]);
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for (format, words, split) in ENCODERS {
        let source = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i"];
        let film = env.dir().join("film");
        Job::new("ffmpeg")
            .args(source)
            .args(["testsrc2=size=160x120:rate=25", "-frames:v", "12", "-g", "5", "-pix_fmt", "yuv420p"])
            .args(words)
            .arg(&film)
            .output()
            .ok();
        let right = packets(&std::fs::read(&film).expect("a film"), split);
        assert_eq!(right.len(), 12, "{format}");
        let lengths: std::collections::BTreeSet<usize> = right.iter().map(|(_, frame)| frame.len()).collect();
        assert!(lengths.len() > 3, "{format}: frames vary in length: {lengths:?}");
        let (given, taken) = (env.dir().join("given"), env.dir().join("taken"));
        let pushed = |packets: &[Packet]| {
            std::fs::write(&given, to_file(packets)).expect("a file");
            let (given, taken) = (given.to_str().expect("letters"), taken.to_str().expect("letters"));
            let words =
                ["push", "--device", &pipe.input, "--find", given, "--format", format, "--size", "160x120"];
            let mut pusher = env.program("v4l2_packets", &words).start();
            pusher.event("setup");
            let words = ["take", "--device", &pipe.output, "--find", taken, "--frames", "12"];
            let mut client = env.program("v4l2_packets", &words).start();
            assert_eq!(client.event("ready")["format"], format);
            for _ in packets {
                pusher.order();
                pusher.event("frame");
                client.event("frame");
            }
            client.finish().ok();
            pusher.end_input();
            pusher.finish().ok();
            env.until_idle();
            std::fs::read(taken).expect("what was taken")
        };
        assert!(pushed(&right) == to_file(&right), "{format}: every byte and mark");
        // What differs is seen: a byte, a mark, a length.
        let mut wrong = right.clone();
        wrong[7].1[4] ^= 1;
        assert!(to_file(&wrong) != to_file(&right));
        wrong.clone_from(&right);
        wrong[7].0 ^= true;
        assert!(pushed(&wrong) != to_file(&right), "{format}: a wrong mark");
    }
}
