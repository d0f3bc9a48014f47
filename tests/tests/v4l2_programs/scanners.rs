//! zbarcam, which reads a code that is held before the camera; yavta, the kernel developers' own tool.

use std::fs;

use vloopback_tests::{Env, Job, Running, have, pattern, skip};

use super::{HEIGHT, WIDTH, YUYV, fails, saves};

/// `yavta -F`: frames as they come, a file each.
#[test]
fn yavta_saves_frames() {
    if !have("yavta") {
        skip!("yavta is not installed");
    }
    let size = format!("{WIDTH}x{HEIGHT}");
    saves(YUYV, 8, |env, device| {
        let file = |number: &str| env.dir().join(format!("yavta-{number}.bin"));
        let to = format!("-F{}", file("#").display());
        env.run(&["yavta", "-f", "YUYV", "-s", &size, "-c8", "-n4", &to, device]).output().ok();
        (0..8).flat_map(|n| fs::read(file(&format!("{n:06}"))).expect("what yavta saved")).collect()
    });
}

/// It pushes one picture again and again, into buffers that it has mapped or into its own.
#[test]
fn yavta_pushes_a_frame() {
    if !have("yavta") {
        skip!("yavta is not installed");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let size = format!("{WIDTH}x{HEIGHT}");
    for (number, memory) in [(7, "-n4"), (8, "-u")] {
        let picture = env.dir().join("picture");
        fs::write(&picture, pattern::frame(number, YUYV.len)).expect("a picture");
        let from = format!("-F{}", picture.display());
        let words = ["yavta", "-Boutput", memory, "-f", "YUYV", "-s", &size, "-c1000000", &from];
        let yavta = env.run(&[&words[..], &[&pipe.input]].concat()).start();
        env.until("yavta has the pipe", |pipes| pipes[0].input_status == "W");
        let args = ["--device", &pipe.output, "--size", &size, "--report", "1"];
        let mut client = env.program("v4l2_client", &args).start();
        // Whatever came before: it is the same picture from now on.
        assert_eq!(client.frame(number.into()), u64::from(number));
        drop(client);
        drop(yavta);
        env.until_idle();
    }
}

/// Pushes a picture of a code, black on white.
fn show(env: &Env, device: &str, code: &str) -> Running {
    let picture = env.dir().join(format!("{code}.png"));
    let name = picture.to_str().expect("letters");
    Job::new("qrencode").args(["-o", name, "-s", "6", code]).output().ok();
    let filter = "scale=240:240:flags=neighbor,pad=320:240:40:0:white";
    let words = ["ffmpeg", "-loglevel", "error", "-nostdin", "-re", "-loop", "1", "-i", name, "-vf", filter];
    let out = ["-pix_fmt", "yuyv422", "-r", "25", "-f", "v4l2", device];
    env.run(&[&words[..], &out[..]].concat()).start()
}

/// What zbarcam reads first. Of its options, --nodisplay crashes in version 0.23.92 with any camera, so that it has a
/// display; and --oneshot misses a code that is read before it waits for one.
#[test]
fn zbarcam_reads_a_code() {
    if let Some(missing) = ["zbarcam", "qrencode", "ffmpeg", "Xvfb"].iter().find(|tool| !have(tool)) {
        skip!("{missing} is not installed");
    }
    let env = Env::new(2);
    let pipes = env.pipes();
    let codes = ["vloopback-0815", "another-pipe-4711"];
    let _shows = [0, 1].map(|n: usize| show(&env, &pipes[n].input, codes[n]));
    env.until("ffmpeg has both pipes", |pipes| pipes.iter().all(|p| p.input_status == "W"));
    let mut server =
        Job::new("Xvfb").args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x480x24"]).start();
    let display = format!(":{}", server.line().expect("the display's number"));
    let read = |n: usize| {
        let mut scanner = env.run(&["zbarcam", "--raw", &pipes[n].output]).env("DISPLAY", &display).start();
        scanner.line().unwrap_or_else(|| panic!("no code: {}", scanner.stderr()))
    };
    let judge = |text: String| if text == codes[0] { Ok(()) } else { Err(format!("another pipe: {text}")) };
    assert_eq!(judge(read(0)), Ok(()));
    fails(judge(read(1)), codes[1]);
}
