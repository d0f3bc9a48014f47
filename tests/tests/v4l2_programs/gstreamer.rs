//! GStreamer's v4l2src and v4l2sink.

use std::fs;

use vloopback_tests::{Env, Job, have, skip};

use super::{HEIGHT, WIDTH, YUV420P, YUYV, feeds, saves, until_written};

/// A pipeline under `vloopback run`.
pub(super) fn launch(env: &Env, pipeline: &str) -> Job {
    let mut command = vec!["gst-launch-1.0", "-q"];
    command.extend(pipeline.split_whitespace());
    env.run(&command)
}

pub(super) fn ready() -> bool {
    have("gst-launch-1.0")
        && ["v4l2src", "rawvideoparse"]
            .iter()
            .all(|e| Job::new("gst-inspect-1.0").arg("--exists").arg(e).output().code() == 0)
}

fn saves_by(io: &str) {
    if !ready() {
        skip!("GStreamer with its plugins base and good is not installed");
    }
    saves(YUV420P, 20, |env, device| {
        let path = env.dir().join("saved");
        let caps = format!("video/x-raw,format=I420,width={WIDTH},height={HEIGHT}");
        let source = format!("v4l2src device={device} num-buffers=20 io-mode={io}");
        launch(env, &format!("{source} ! {caps} ! filesink location={}", path.display())).output().ok();
        fs::read(&path).expect("what GStreamer saved")
    });
}

#[test]
fn v4l2src_maps() {
    saves_by("mmap");
}

#[test]
fn v4l2src_reads() {
    saves_by("rw");
}

/// Exported buffers (VIDIOC_EXPBUF), which the next element maps for itself.
#[test]
fn v4l2src_exports() {
    saves_by("dmabuf");
}

/// As most people write it: no mode, no format.
#[test]
fn v4l2src_chooses_for_itself() {
    saves_by("auto");
}

fn feeds_by(io: &str) {
    if !ready() {
        skip!("GStreamer with its plugins base and good is not installed");
    }
    for (format, len) in [("yuy2", YUYV.len), ("i420", YUV420P.len)] {
        feeds(len, 0, |env, pipe| {
            // v4l2sink takes no picture of which nobody says its colours.
            let colours = "framerate=50/1 colorimetry=bt601";
            let parse = format!("rawvideoparse format={format} width={WIDTH} height={HEIGHT} {colours}");
            let sink = format!("v4l2sink device={} io-mode={io} sync=false", pipe.input);
            launch(env, &format!("fdsrc fd=0 ! {parse} ! {sink}")).start()
        });
    }
}

#[test]
fn v4l2sink_maps() {
    feeds_by("mmap");
}

/// The element before it writes into memory of its own.
#[test]
fn v4l2sink_takes_the_programs_memory() {
    feeds_by("userptr");
}

/// The element before it writes into exported buffers.
#[test]
fn v4l2sink_exports() {
    feeds_by("dmabuf");
}

/// Its mode rw writes nothing at all: "implement this", it says in its log.
#[test]
fn v4l2sink_chooses_for_itself() {
    feeds_by("auto");
}

/// The planes of NV12, 853x480: bytes of a line, lines.
const ODD: [(usize, usize); 2] = [(853, 480), (854, 240)];

/// A frame without padding as GStreamer lays it out: lines are multiples of four bytes.
fn padded(frame: &[u8]) -> Vec<u8> {
    let mut rest = frame;
    let mut out = Vec::new();
    for (line, lines) in ODD {
        for _ in 0..lines {
            out.extend_from_slice(&rest[..line]);
            out.resize(out.len().next_multiple_of(4), 0);
            rest = &rest[line..];
        }
    }
    out
}

/// An odd width: GStreamer asks for lines of 856 bytes in S_FMT, and works with what it is given. What it pushes others
/// read without padding, and it reads what they push.
#[test]
fn gstreamer_moves_odd_sizes() {
    if !ready() || !have("ffmpeg") {
        skip!("GStreamer with its plugins base and good, or ffmpeg, is not installed");
    }
    // No card: all that comes is the film's.
    let env = Env::builder().args(&["--pipes", "2", "--idle", "wait"]).start();
    let (pipe, second) = (env.pipe(0), env.pipe(1));
    let size = "853x480";
    let film = super::ffmpeg::raw_film(&env.dir().join("film"), "nv12", size);
    let path = env.dir().join("padded");
    fs::write(&path, film.iter().flat_map(|frame| padded(frame)).collect::<Vec<u8>>()).expect("a film");
    let caps = "format=nv12 width=853 height=480 framerate=50/1 colorimetry=bt601";
    let source = format!("multifilesrc location={} loop=true", path.display());
    let sink = format!("v4l2sink device={} io-mode=mmap", pipe.input);
    let _pusher = launch(&env, &format!("{source} ! rawvideoparse {caps} ! {sink}")).start();
    until_written(&env, 0);
    // From pipe to pipe, by GStreamer alone.
    let between = format!("v4l2src device={} io-mode=mmap", pipe.output);
    let sink = format!("v4l2sink device={} io-mode=mmap", second.input);
    let caps = "video/x-raw,format=NV12,width=853,height=480";
    let _relay = launch(&env, &format!("{between} ! {caps} ! {sink}")).start();
    until_written(&env, 1);
    for node in [&pipe.output, &second.output] {
        let words = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-f", "v4l2", "-i", node];
        let out = ["-frames:v", "5", "-fps_mode", "passthrough", "-f", "rawvideo", "-"];
        let saved = env.run(&[&words[..], &out[..]].concat()).output().ok().stdout;
        let saved: Vec<&[u8]> = saved.chunks(film[0].len()).collect();
        assert_eq!(saved.len(), 5, "{node}");
        for frame in saved {
            assert!(film.iter().any(|right| right == frame), "{node}: a frame is none of the film's");
            let mut wrong = frame.to_vec();
            wrong[853 * 480 + 5] ^= 1;
            assert!(film.iter().all(|right| *right != wrong), "{node}: a wrong byte is seen");
        }
    }
}
