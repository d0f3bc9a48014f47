//! GStreamer's v4l2src and v4l2sink.

use std::fs;

use vloopback_tests::{Env, Job, have, skip};

use super::{HEIGHT, WIDTH, YUV420P, YUYV, feeds, saves};

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
