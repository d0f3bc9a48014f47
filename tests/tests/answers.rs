//! Every V4L1 request's answer and errno (driver/docs/old-api.md, "Requests" and "Kept"), byte for byte.

use std::collections::BTreeMap;

use vloopback_tests::{Env, Pipe, Running, Width};

const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;
const EFAULT: i32 = 14;

/// What one request gave: its errno (0 for success) and its argument's bytes, None for one that the
/// driver left unfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    errno: i32,
    bytes: Vec<Option<u8>>,
}

impl Answer {
    #[track_caller]
    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    #[track_caller]
    fn u16_at(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    #[track_caller]
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|i| {
            self.bytes[at + i].unwrap_or_else(|| panic!("byte {} is unfilled: {self:?}", at + i))
        })
    }

    /// The NUL-terminated text in a field of 32 bytes.
    #[track_caller]
    fn text_at(&self, at: usize) -> String {
        let field: [u8; 32] = self.array(at);
        let end = field.iter().position(|&b| b == 0).expect("a NUL ends the name");
        assert!(field[end..].iter().all(|&b| b == 0), "bytes after the name leak: {self:?}");
        String::from_utf8(field[..end].to_vec()).expect("a name is text")
    }

    #[track_caller]
    fn filled(&self) {
        assert!(self.bytes.iter().all(Option::is_some), "unfilled bytes: {self:?}");
    }
}

type Answers = BTreeMap<String, Answer>;

fn ask(env: &Env, options: &[&str], case: &str, device: &str) -> Answers {
    let ended = env.program_with(options, "answers", &[case, "--device", device]).output().ok();
    let rows = ended.text();
    let rows = rows.lines().filter(|line| !line.starts_with('{')).map(|line| {
        let columns: Vec<&str> = line.split(' ').collect();
        let [name, result, errno, bytes] = columns[..] else { panic!("{line:?}") };
        let errno = if result == "0" { 0 } else { errno.parse().expect("an errno") };
        assert!(result == "0" || result == "-1", "{line:?}");
        let bytes = if bytes == "-" { "" } else { bytes };
        let bytes = bytes.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hexadecimal");
            (pair != "..").then(|| u8::from_str_radix(pair, 16).expect("hexadecimal"))
        });
        (name.to_owned(), Answer { errno, bytes: bytes.collect() })
    });
    rows.collect()
}

#[track_caller]
fn errnos(answers: &Answers, expected: &[(&str, i32)]) {
    for (name, errno) in expected {
        let answer = answers.get(*name).unwrap_or_else(|| panic!("{name} was not asked"));
        assert_eq!(answer.errno, *errno, "{name}");
    }
}

/// A daemon and a pusher of 320x240 YUV420P that is set up and pushes.
fn fed() -> (Env, Running, Pipe) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    (env, pusher, pipe)
}

/// What every node answers in the same way, set up or not (driver/docs/old-api.md, "Kept"; "Requests" for the numbers).
#[track_caller]
fn common(answers: &Answers, partner: u32) {
    for asked in ["0", "1", "7", "-1"] {
        let channel = &answers[&format!("VIDIOCGCHAN:{asked}")];
        assert_eq!(channel.errno, 0, "GCHAN: any number succeeds");
        channel.filled();
        assert_eq!(channel.u32_at(0), 0, "as channel 0");
        assert_eq!(channel.text_at(4), "Composite1");
        assert_eq!(channel.u32_at(36), 0, "tuners");
        assert_eq!(channel.u16_at(44), 2, "VIDEO_TYPE_CAMERA");
        let expected = if asked == "0" { 0 } else { EINVAL };
        assert_eq!(answers[&format!("VIDIOCSCHAN:{asked}")].errno, expected, "SCHAN {asked}");
        let tuner = &answers[&format!("VIDIOCGTUNER:{asked}")];
        assert_eq!(tuner.errno, expected, "GTUNER {asked}");
        if asked == "0" {
            tuner.filled();
            assert_eq!(tuner.text_at(4), "Format");
        }
    }
    let (window, buffer) = if Width::chosen() == Width::Native { (40, 24) } else { (32, 20) };
    for (name, length) in
        [("VIDIOCGPICT", 14), ("VIDIOCGWIN", window), ("VIDIOCGFBUF", buffer), ("VIDIOCGUNIT", 20)]
    {
        let answer = &answers[name];
        assert_eq!((answer.errno, answer.bytes.len()), (0, length), "{name}");
        answer.filled();
    }
    let window = &answers["VIDIOCGWIN"];
    assert_eq!(window.u32_at(20), 0, "flags");
    assert!(window.bytes[24..].iter().all(|b| *b == Some(0)), "clips, clipcount");
    assert!(answers["VIDIOCGFBUF"].bytes.iter().all(|b| *b == Some(0)), "GFBUF zeros");
    let unit = &answers["VIDIOCGUNIT"];
    assert_eq!(unit.u32_at(0), partner, "the partner's minor");
    for at in [4, 8, 12, 16] {
        assert_eq!(unit.u32_at(at) as i32, -1, "VIDEO_NO_UNIT");
    }
    let expected = [
        ("VIDIOCKEY", 0),
        ("VIDIOCCAPTURE", 0),
        ("VIDIOCCAPTURE(1)", EFAULT),
        ("VIDIOCGFREQ", EINVAL),
        ("VIDIOCSFREQ", EINVAL),
        ("VIDIOCGAUDIO", EINVAL),
        ("VIDIOCSAUDIO", EINVAL),
        ("VIDIOCSTUNER", ENOTTY),
        ("VIDIOCSFBUF", ENOTTY),
        ("VIDIOCGCAPTURE", ENOTTY),
        ("VIDIOCSCAPTURE", ENOTTY),
        ("VIDIOCSPLAYMODE", ENOTTY),
        ("VIDIOCSWRITEMODE", ENOTTY),
        ("VIDIOCGPLAYINFO", ENOTTY),
        ("VIDIOCSMICROCODE", ENOTTY),
        ("VIDIOCGVBIFMT", ENOTTY),
        ("VIDIOCSVBIFMT", ENOTTY),
        ("private:0x40047640", ENOTTY),
        ("foreign:0x40045413", ENOTTY),
        ("VIDIOC_QUERYCAP", 0),
    ];
    errnos(answers, &expected);
    assert_eq!(
        answers["sign-extended:VIDIOCGCAP"], answers["VIDIOCGCAP"],
        "a request is cut to 32 bits first"
    );
}

#[track_caller]
fn capability(answer: &Answer, name: &str, kind: u32, size: Option<(u32, u32)>) {
    assert_eq!((answer.errno, answer.bytes.len()), (0, 60));
    answer.filled();
    assert_eq!(answer.text_at(0), name);
    assert_eq!(answer.u32_at(32), kind, "type");
    assert_eq!((answer.u32_at(36), answer.u32_at(40)), (1, 0), "channels, audios");
    if let Some(size) = size {
        assert_eq!((answer.u32_at(44), answer.u32_at(48)), size, "max is the pipe's size");
    }
    assert_eq!((answer.u32_at(52), answer.u32_at(56)), (20, 20), "min");
}

/// driver/docs/old-api.md, "Kept" and "Rules for pushers" 1: an input that nobody has set up answers everything, every
/// byte filled.
#[test]
fn a_fresh_input() {
    for options in [&[] as &[&str], &["--legacy"]] {
        let env = Env::new(2);
        for (index, pipe) in env.pipes().iter().enumerate() {
            let answers = ask(&env, options, "bare", &pipe.input);
            common(&answers, Pipe::number(&pipe.output));
            capability(&answers["VIDIOCGCAP"], &format!("Video loopback {index} input"), 0, None);
        }
    }
}

/// driver/docs/old-api.md, "Kept": a fed output.
#[test]
fn a_fed_output() {
    let (env, pusher, pipe) = fed();
    for options in [&[] as &[&str], &["--legacy"]] {
        let answers = ask(&env, options, "bare", &pipe.output);
        common(&answers, Pipe::number(&pipe.input));
        let cap = &answers["VIDIOCGCAP"];
        capability(cap, "Video loopback 0 output", 1, Some((320, 240)));
        let picture = &answers["VIDIOCGPICT"];
        assert_eq!((picture.u16_at(10), picture.u16_at(12)), (12, 15), "the real depth, the palette");
        let window = &answers["VIDIOCGWIN"];
        assert_eq!((window.u32_at(8), window.u32_at(12)), (320, 240));
    }
    drop(pusher);
}

/// driver/docs/old-api.md, "Kept": SPICT and SWIN on the output succeed only if equal; clients probe palettes so.
#[test]
fn setting_an_output_succeeds_only_with_what_it_has() {
    let (env, pusher, pipe) = fed();
    let answers = ask(&env, &[], "output", &pipe.output);
    let expected = [
        ("SPICT:equal", 0),
        ("SPICT:other", EINVAL),
        ("SPICT:unknown", EINVAL),
        ("SWIN:equal", 0),
        ("SWIN:other", EINVAL),
        ("VIDIOCGMBUF", 0),
        ("VIDIOCSINVALID", ENOTTY),
    ];
    errnos(&answers, &expected);
    let buffers = &answers["VIDIOCGMBUF"];
    buffers.filled();
    let page = rustix::param::page_size() as u32;
    let buffer = (320 * 240 * 4u32).div_ceil(page) * page;
    assert_eq!((buffers.u32_at(0), buffers.u32_at(4)), (2 * buffer, 2), "size and frames");
    assert_eq!((buffers.u32_at(8), buffers.u32_at(12)), (0, buffer), "offsets");
    drop(pusher);
}

/// driver/docs/old-api.md, "Kept": SWIN on the input allocates, equal size again is 0, flags or clipcount give EINVAL
/// and store nothing; GPICT gives the real depth.
#[test]
fn setting_an_input() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let answers = ask(&env, &["--legacy"], "input", &pipe.input);
    let expected = [
        ("SPICT:yuv420p", 0),
        ("SPICT:depth", 0),
        ("SWIN:flags", EINVAL),
        ("SWIN:clips", EINVAL),
        ("SWIN:320x240", 0),
        ("SWIN:again", 0),
        ("VIDIOCSINVALID", 0),
    ];
    errnos(&answers, &expected);
    let before = &answers["VIDIOCGWIN"];
    assert_ne!((before.u32_at(8), before.u32_at(12)), (320, 240), "a refused SWIN stores nothing");
    let picture = &answers["VIDIOCGPICT"];
    assert_eq!((picture.u16_at(10), picture.u16_at(12)), (12, 15), "the real depth");
    let window = &answers["GWIN:set"];
    window.filled();
    assert_eq!((window.u32_at(8), window.u32_at(12)), (320, 240));
    capability(&answers["VIDIOCGCAP"], "Video loopback 0 input", 0, Some((320, 240)));
}

/// driver/docs/old-api.md, "Kept": MCAPTURE checks the palette and the frame, not the size; frame == num_buffers is
/// one too many ("fix").
#[test]
fn mcapture_and_sync_check_what_they_should() {
    let (env, pusher, pipe) = fed();
    let answers = ask(&env, &[], "maps", &pipe.output);
    let expected = [
        ("MCAPTURE:frames", EINVAL),
        ("MCAPTURE:-1", EINVAL),
        ("MCAPTURE:huge", EINVAL),
        ("MCAPTURE:palette", EINVAL),
        ("MCAPTURE:20x20", 0),
        ("MCAPTURE:0x0", 0),
        ("MCAPTURE:5000x5000", 0),
        ("SYNC:-1", EINVAL),
        ("SYNC:frames", EINVAL),
    ];
    errnos(&answers, &expected);
    drop(pusher);
}
