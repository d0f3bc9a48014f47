//! Today's common programs at both ends of a pipe (driver/docs/clients.md, "What each program needs"): what they save
//! is compared byte by byte with what was pushed, and counted. Each comparison is made again with frames of another
//! pipe and with frames that have one wrong bit, and has to fail there.

mod ctl;
mod desktop;
mod ffmpeg;
mod gstreamer;
mod motion;
mod python;
mod scanners;
mod settings;
mod together;
mod viewers;

use std::ops::Range;
use std::time::Instant;

use vloopback_tests::{Env, PATIENCE, Pipe, Running, pattern};

/// The numbers of the frames that are pushed into the pipe that a test means; all others are higher.
const OURS: Range<u32> = 0..1_000_000;

/// A picture's size, small enough for a pipe's room and large enough for every program.
const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;

/// A palette of a V4L1 pusher: its number, its V4L2 name, the bytes of a frame.
#[derive(Debug, Clone, Copy)]
struct Palette {
    number: &'static str,
    len: usize,
}

const YUV420P: Palette = Palette { number: "15", len: (WIDTH * HEIGHT * 3 / 2) as usize };
const YUYV: Palette = Palette { number: "8", len: (WIDTH * HEIGHT * 2) as usize };
const BGR24: Palette = Palette { number: "4", len: (WIDTH * HEIGHT * 3) as usize };
const RGB32: Palette = Palette { number: "5", len: (WIDTH * HEIGHT * 4) as usize };
const GREY: Palette = Palette { number: "1", len: (WIDTH * HEIGHT) as usize };

/// The V4L1 pushers whose frames today's programs save: of 2005, which writes them, and of 2001, which has
/// them in its own memory and answers for them.
const PUSHERS: [&[&str]; 2] = [&["push_motion"], &["zc_pusher", "--style", "handler"]];

/// Three pipes with a pusher each: one as it should be, one with other frames, one with a wrong bit in every
/// frame.
struct Fed {
    env: Env,
    pipes: Vec<Pipe>,
    _pushers: Vec<Running>,
}

impl Fed {
    fn new(palette: Palette, pusher: &[&str]) -> Fed {
        let env = Env::builder().args(&["--pipes", "3"]).open_to_all().start();
        let pipes = env.pipes();
        let kinds: [&[&str]; 3] = [&[], &["--first", "1000000"], &["--wrong-all"]];
        let size = format!("{WIDTH}x{HEIGHT}");
        let pushers = pipes.iter().zip(kinds).map(|(pipe, more)| {
            let mut args = pusher[1..].to_vec();
            args.extend(["--device", pipe.input.as_str(), "--palette", palette.number]);
            args.extend(["--size", &size, "--fps", "50"]);
            args.extend(more);
            let mut pusher = env.program(pusher[0], &args).start();
            pusher.event("setup");
            pusher
        });
        let pushers = pushers.collect();
        Fed { env, pipes, _pushers: pushers }
    }
}

/// A program that saves `count` frames of a node: what it saved is right, and would have been found wrong.
#[track_caller]
fn saves(palette: Palette, count: usize, save: impl Fn(&Env, &str) -> Vec<u8>) {
    for pusher in PUSHERS {
        let fed = Fed::new(palette, pusher);
        let judged = |pipe: usize| {
            let saved = save(&fed.env, &fed.pipes[pipe].output);
            pattern::frames(&saved, palette.len, count, &OURS)
        };
        if let Err(wrong) = judged(0) {
            panic!("{pusher:?}: {wrong}");
        }
        fails(judged(1), "another pipe");
        fails(judged(2), "torn");
    }
}

/// Waits until a frame was pushed into a pipe: from then on its format is the pusher's.
#[track_caller]
fn until_written(env: &Env, pipe: usize) {
    let until = Instant::now() + PATIENCE;
    while env.list()[pipe]["counters"]["written"].as_u64() == Some(0) {
        assert!(Instant::now() < until, "nothing is pushed into pipe {pipe}");
    }
}

/// The negative run's verdict.
#[track_caller]
fn fails<T>(judged: Result<T, String>, what: &str) {
    match judged {
        Ok(_) => panic!("a wrong picture ({what}) is not seen"),
        Err(wrong) => assert!(wrong.contains(what), "{what} was to be seen, not: {wrong}"),
    }
}

/// Frames that are sent to a pushing program before its client is waited for: programs read ahead.
const AHEAD: u32 = 6;

/// The next frame that a client tells of.
fn next_frame(client: &mut Running) -> Result<u32, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let event = client.any_event().ok_or("the client has ended")?;
        assert!(Instant::now() < until, "nothing but cards: {event}");
        let number = || event["n"].as_u64().and_then(|n| u32::try_from(n).ok()).ok_or(event.to_string());
        match event["event"].as_str() {
            Some("frame") => return number(),
            Some("torn") => return Err(format!("torn: {event}")),
            Some("error" | "failed" | "result" | "wrong") => return Err(event.to_string()),
            _ => {}
        }
    }
}

/// Feeds a program that pushes what it reads from its standard input, a frame at a time, and watches the
/// pipe with a V4L1 client and a V4L2 client: every frame comes once, in order, as it was. `make` gives a
/// frame's bytes.
fn pushes(
    env: &Env,
    pipe: &Pipe,
    watched: &Pipe,
    program: &mut Running,
    lag: u32,
    make: &dyn Fn(u32) -> Vec<u8>,
) -> Result<(), String> {
    for number in 0..AHEAD {
        program.send(&make(number));
    }
    env.until("the program has the pipe", |pipes| {
        pipes.iter().any(|p| p.input == pipe.input && p.input_status == "W")
    });
    let size = format!("{WIDTH}x{HEIGHT}");
    let args = ["--device", watched.output.as_str(), "--size", &size, "--report", "1"];
    let mut clients = vec![Watcher::new(env, "v4l2_client", &args)];
    for number in AHEAD..AHEAD + 30 {
        program.send(&make(number));
        for client in &mut clients {
            // What the program has of the first frames, it pushes when it likes: of those that came before the clients
            // were asked to keep up, they may miss some.
            client.keep_up(number - lag, AHEAD + 1)?;
        }
        if clients.len() == 1 {
            // There are frames, so a V4L1 client finds its memory.
            clients.push(Watcher::new(env, "client_motion", &args));
        }
    }
    Ok(())
}

/// A client that tells of every frame.
struct Watcher {
    client: Running,
    last: Option<u32>,
}

impl Watcher {
    #[track_caller]
    fn new(env: &Env, name: &str, args: &[&str]) -> Watcher {
        let mut client = env.program(name, args).start();
        client.event("ready");
        Watcher { client, last: None }
    }

    /// Waits until the client has seen all frames up to `number`, in order, and from `strict` on each of
    /// them.
    fn keep_up(&mut self, number: u32, strict: u32) -> Result<(), String> {
        while self.last.is_none_or(|n| n < number) {
            let next = next_frame(&mut self.client)?;
            if !OURS.contains(&next) {
                return Err(format!("frame {next} is one of another pipe"));
            }
            if self.last.is_some_and(|n| next <= n || (next != n + 1 && n >= strict)) {
                return Err(format!("frame {next} after frame {:?}", self.last));
            }
            self.last = Some(next);
        }
        Ok(())
    }
}

/// A program that pushes what it reads: right frames arrive, wrong ones and those of another pipe are seen.
/// The program keeps `lag` frames to itself until it gets more.
#[track_caller]
fn feeds(len: usize, lag: u32, start: impl Fn(&Env, &Pipe) -> Running) {
    let env = Env::new(2);
    let (pipe, other) = (env.pipe(0), env.pipe(1));
    let right = |number| pattern::frame(number, len);
    let wrong = |number| {
        let mut frame = right(number);
        frame[len / 2] ^= 1;
        frame
    };
    let run = |watched: &Pipe, make: &dyn Fn(u32) -> Vec<u8>| {
        let mut program = start(&env, &pipe);
        let verdict = pushes(&env, &pipe, watched, &mut program, lag, make);
        if let Err(message) = &verdict {
            eprintln!("{message}\n{}", program.stderr());
        }
        program.end_input();
        // However it ends when its input does: some end themselves, some wait.
        drop(program);
        env.until("the pipe is free", |pipes| pipes[0].input_status == "-");
        verdict
    };
    if let Err(message) = run(&pipe, &right) {
        panic!("{message}");
    }
    fails(run(&pipe, &wrong), "torn");
    let size = format!("{WIDTH}x{HEIGHT}");
    let args = ["--device", &other.input, "--size", &size, "--first", "1000000", "--fps", "50"];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    fails(run(&other, &right), "another pipe");
}
