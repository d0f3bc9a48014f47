//! Several programs on one pipe at once: each gets whole frames, in order, as if it were alone.

use std::fs;

use vloopback_tests::{Env, Running, have, pattern, skip};

use super::{Fed, HEIGHT, OURS, PUSHERS, Palette, WIDTH, YUV420P, fails};

const COUNT: usize = 40;

/// ffmpeg, v4l2-ctl and GStreamer on one node, a V4L1 client and a V4L2 client beside them. What the three
/// saved. `shared`: the V4L1 client has the pusher's own frames.
fn watch(env: &Env, device: &str, shared: bool) -> Vec<(&'static str, Vec<u8>)> {
    let count = COUNT.to_string();
    let saved = |name: &str| env.dir().join(name);
    let ffmpeg =
        ["ffmpeg", "-loglevel", "error", "-nostdin", "-f", "v4l2", "-i", device, "-frames:v", &count];
    let ffmpeg = [&ffmpeg[..], &["-fps_mode", "passthrough", "-f", "rawvideo", "-"]].concat();
    let to = format!("--stream-to={}", saved("ctl").display());
    let number = format!("--stream-count={COUNT}");
    let ctl = ["v4l2-ctl", "-d", device, "--stream-mmap", &number, &to];
    let pipeline = format!(
        "gst-launch-1.0 -q v4l2src device={device} num-buffers={COUNT} ! \
         video/x-raw,format=I420,width={WIDTH},height={HEIGHT} ! filesink location={}",
        saved("gst").display()
    );
    let gst: Vec<&str> = pipeline.split_whitespace().collect();
    let size = format!("{WIDTH}x{HEIGHT}");
    let args = ["--device", device, "--size", &size, "--frames", &count];
    let own: Vec<Running> =
        ["client_motion", "v4l2_client"].iter().map(|name| env.program(name, &args).start()).collect();
    let [ffmpeg, ctl, gst] = [env.run(&ffmpeg), env.run(&ctl), env.run(&gst)].map(|job| job.start());
    let frames = ffmpeg.finish().ok().stdout;
    ctl.finish().ok();
    gst.finish().ok();
    for mut client in own {
        let result = client.event("result");
        assert_eq!(result["errors"], 0, "{result}");
        // Who maps a zero-copy pusher's frames shares them with all others, as in the old driver.
        assert!(shared || result["back"] == 0, "{result}");
    }
    let read = |name: &str| fs::read(saved(name)).expect("what a program saved");
    vec![("ffmpeg", frames), ("v4l2-ctl", read("ctl")), ("GStreamer", read("gst"))]
}

#[test]
fn three_programs_and_two_clients_on_one_pipe() {
    if let Some(missing) = ["ffmpeg", "v4l2-ctl", "gst-launch-1.0"].iter().find(|tool| !have(tool)) {
        skip!("{missing} is not installed");
    }
    let palette: Palette = YUV420P;
    for pusher in PUSHERS {
        let fed = Fed::new(palette, pusher);
        let judged = |pipe: usize| {
            let saved = watch(&fed.env, &fed.pipes[pipe].output, pusher != PUSHERS[0]);
            saved.into_iter().map(|(name, saved)| (name, pattern::frames(&saved, palette.len, COUNT, &OURS)))
        };
        for (name, verdict) in judged(0) {
            if let Err(wrong) = verdict {
                panic!("{name}, {pusher:?}: {wrong}");
            }
        }
        for (_, verdict) in judged(1) {
            fails(verdict, "another pipe");
        }
        for (_, verdict) in judged(2) {
            fails(verdict, "torn");
        }
    }
}
