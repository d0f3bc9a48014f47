//! Motion 4 as client, by the pictures that it saves, and as client and pusher at once, by its `video_pipe`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::{Signal, kill_process};
use vloopback_tests::{Env, PATIENCE, Pipe, Running, have, pattern, skip};

use super::{Fed, GREY, HEIGHT, OURS, PUSHERS, WIDTH, Watcher, YUV420P, fails};

/// Motion with these options, in a directory of its own below the test's.
fn motion(env: &Env, name: &str, options: &str) -> (Running, PathBuf) {
    let folder = env.dir().join(name);
    let saved = folder.join("saved");
    fs::create_dir_all(&saved).expect("a directory");
    let common = format!(
        "daemon off\nsetup_mode off\nlog_level 6\nlog_file {log}\ntarget_dir {saved}\nwidth {WIDTH}\n\
         height {HEIGHT}\nframerate 50\ntext_left\ntext_right\nlocate_motion_mode off\nmovie_output off\n\
         webcontrol_port 0\nstream_port 0\n",
        log = folder.join("log").display(),
        saved = saved.display(),
    );
    let path = folder.join("motion.conf");
    fs::write(&path, common + options).expect("a configuration");
    let words = ["motion", "-n", "-c", path.to_str().expect("letters")];
    (env.run(&words).named("motion").start(), saved)
}

/// Ends Motion as a service manager does.
fn end(motion: Running) {
    kill_process(motion.leader(), Signal::TERM).expect("kill of Motion");
    motion.finish().ok();
}

/// Luma 16 to 235 to full range, in 16 bits behind the point: what Motion makes of a grey picture.
fn grey(luma: u8) -> u8 {
    ((76_283 * (i32::from(luma) - 16)) >> 16).clamp(0, 255) as u8
}

/// The number of the frame that a saved picture shows.
fn number_of(picture: &Path) -> Result<u32, String> {
    let bytes = fs::read(picture).map_err(|e| e.to_string())?;
    let head = format!("P6\n{WIDTH} {HEIGHT}\n255\n");
    let pixels = bytes.strip_prefix(head.as_bytes()).ok_or("no picture of that size")?;
    if pixels.len() != 3 * GREY.len || pixels.chunks(3).any(|p| p[0] != p[1] || p[1] != p[2]) {
        return Err("no grey picture".to_owned());
    }
    let seen: Vec<u8> = pixels.iter().copied().step_by(3).collect();
    let converted = |number, len| pattern::frame(number, len).into_iter().map(grey).collect::<Vec<u8>>();
    let starts_so = |number: &u32| converted(*number, 64) == seen[..64];
    let number = (0..5000).find(starts_so).ok_or("a picture of another pipe")?;
    if converted(number, GREY.len) == seen { Ok(number) } else { Err(format!("frame {number} is torn")) }
}

/// Waits for ten pictures, ends Motion, and judges what it saved: whole frames, each of them once.
fn judge(env: &Env, motion: Running, saved: &Path) -> Result<(), String> {
    env.until_files(saved, 10);
    end(motion);
    // Their names tell the second, and a number within it that begins anew where Motion is late: no order.
    let mut seen = BTreeSet::new();
    for picture in fs::read_dir(saved).expect("the pictures") {
        let number = number_of(&picture.expect("a picture").path())?;
        if !seen.insert(number) {
            return Err(format!("frame {number} comes twice"));
        }
    }
    Ok(())
}

#[test]
fn motion_saves_pictures() {
    if !have("motion") {
        skip!("motion is not installed");
    }
    for pusher in PUSHERS {
        let fed = Fed::new(GREY, pusher);
        // It takes two seconds until Motion looks for motion: the three of them at once.
        let motions = fed.pipes.iter().enumerate().map(|(n, pipe)| {
            let options = format!(
                "video_device {}\nemulate_motion on\nminimum_motion_frames 1\npre_capture 0\npicture_output on\n\
                 picture_type ppm\npicture_filename %Y%m%d%H%M%S-%q\n",
                pipe.output
            );
            motion(&fed.env, &format!("motion{n}"), &options)
        });
        let motions: Vec<_> = motions.collect();
        let verdicts: Vec<_> =
            motions.into_iter().map(|(motion, saved)| judge(&fed.env, motion, &saved)).collect();
        assert_eq!(verdicts[0], Ok(()), "{pusher:?}");
        fails(verdicts[1].clone(), "another pipe");
        fails(verdicts[2].clone(), "torn");
    }
}

/// Motion takes YUV 4:2:0 from one pipe and gives it to another as it came. Every frame that a V4L1 pusher
/// pushes into the one comes out of the other, for a V4L1 client and a V4L2 client.
fn hands_on(env: &Env, source: &Pipe, more: &[&str], target: &Pipe, watched: &Pipe) -> Result<(), String> {
    let size = format!("{WIDTH}x{HEIGHT}");
    let args = ["--device", &source.input, "--palette", YUV420P.number, "--size", &size];
    let args = [&args[..], &["--step", "--report", "1"], more].concat();
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    let (motion, _) = motion(
        env,
        &format!("hands-on-{}", more.concat()),
        &format!("video_device {}\nvideo_pipe {}\npicture_output off\n", source.output, target.input),
    );
    let mut push = || {
        pusher.order();
        pusher.frame(0) as u32
    };
    // Motion wants a first picture before it opens its pipe. Each frame is an answer of the pusher, so that
    // this is a wait for it, too.
    let until = Instant::now() + PATIENCE;
    while env.pipes().iter().all(|p| p.input != target.input || p.input_status != "W") {
        push();
        assert!(Instant::now() < until, "Motion does not open its pipe: {}", motion.stderr());
    }
    let args = ["--device", watched.output.as_str(), "--size", &size, "--report", "1"];
    let mut clients: Vec<Watcher> = Vec::new();
    let mut first = None;
    for name in ["v4l2_client", "client_motion"] {
        clients.push(Watcher::new(env, name, &args));
        for _ in 0..15 {
            // What Motion took while it began, it gives on later: the clients may not see all of that. From the first frame
            // that both wait for, each is pushed when the one before it has been seen.
            let number = push();
            let strict = *first.get_or_insert(number) + 1;
            for client in &mut clients {
                client.keep_up(number, strict)?;
            }
        }
    }
    // Motion looks for signals between frames: with the pusher gone it gets the placeholder's.
    drop(pusher);
    end(motion);
    Ok(())
}

#[test]
fn motion_hands_frames_on_by_its_video_pipe() {
    if !have("motion") {
        skip!("motion is not installed");
    }
    let env = Env::new(3);
    let [source, target, other] = <[Pipe; 3]>::try_from(env.pipes()).expect("three pipes");
    if let Err(wrong) = hands_on(&env, &source, &[], &target, &target) {
        panic!("{wrong}");
    }
    env.until_idle();
    fails(hands_on(&env, &source, &["--wrong-all"], &target, &target), "torn");
    env.until_idle();
    let size = format!("{WIDTH}x{HEIGHT}");
    let first = OURS.end.to_string();
    let args = ["--device", &other.input, "--size", &size, "--first", &first, "--fps", "50"];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    fails(hands_on(&env, &source, &["--first", "7"], &target, &other), "another pipe");
}
