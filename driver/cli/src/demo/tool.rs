//! Clients that are programs of other people: they write the frames that they get to standard output,
//! where these are compared.

use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::client::tell;
use super::judge::Judge;
use super::message::{Says, now};
use crate::args::{ClientKind, DemoClientArgs};
use crate::run;

/// The most bytes of a program's words that are kept.
const WORDS_MAX: u64 = 4096;

/// The program that a kind of client is, and the package that has it; None for our own clients.
pub const fn program(kind: ClientKind) -> Option<(&'static str, &'static str)> {
    match kind {
        ClientKind::Ffmpeg => Some(("ffmpeg", "ffmpeg")),
        ClientKind::V4l2Ctl => Some(("v4l2-ctl", "v4l-utils")),
        ClientKind::Mmap | ClientKind::Read | ClientKind::V4l2 => None,
    }
}

/// Why a program cannot take part; None if it can.
pub fn obstacle(kind: ClientKind) -> Option<String> {
    let path = std::env::var_os("PATH");
    let find = |name: &str| run::find(name.as_ref(), path.as_deref());
    let (name, package) = program(kind)?;
    let Ok(file) = find(name) else {
        return Some(format!("it is not installed: apt-get install -y --no-install-recommends {package}"));
    };
    if kind == ClientKind::V4l2Ctl && find(UNBUFFERED).is_err() {
        return Some(format!("{UNBUFFERED}, of the package coreutils, is not installed"));
    }
    run::inspect(&file, path.as_deref(), false).map(|unserved| unserved.obstacle.to_string())
}

/// The program that keeps another one from holding back what it writes: the end of a frame would
/// otherwise come with the next one.
const UNBUFFERED: &str = "stdbuf";

fn command(args: &DemoClientArgs) -> Option<Command> {
    let device = OsString::from(&args.device);
    let mut command;
    match args.kind {
        ClientKind::Ffmpeg => {
            command = Command::new("ffmpeg");
            command.args(["-nostdin", "-v", "error", "-f", "v4l2", "-i"]).arg(device);
            // The frames as they are, each at once.
            command.args(["-c:v", "copy", "-f", "rawvideo", "-flush_packets", "1", "-"]);
        }
        ClientKind::V4l2Ctl => {
            command = Command::new(UNBUFFERED);
            command.args(["-o0", "v4l2-ctl", "-d"]).arg(device);
            command.args(["--stream-mmap=3", "--stream-to=-"]);
        }
        ClientKind::Mmap | ClientKind::Read | ClientKind::V4l2 => return None,
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(command)
}

/// Runs the program until standard input ends, and compares what it gives. Says [`Says::LeftOut`] for one
/// that gives up before it has given anything.
///
/// # Errors
/// What did not work, for [`Says::Failed`].
pub fn watch(args: &DemoClientArgs, judge: &mut Judge<'_>) -> Result<(), String> {
    let name = args.kind.title();
    let mut command = command(args).ok_or_else(|| format!("{name} is no program"))?;
    let mut child = command.spawn().map_err(|error| format!("{name} cannot be started: {error}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (Some(mut stdout), Some(mut stderr)) = (stdout, stderr) else {
        return Err(format!("{name}: its output is not connected"));
    };
    tell(&Says::Process { pid: child.id() })?;
    tell(&Says::Waiting)?;
    let words = std::thread::spawn(move || {
        let mut words = Vec::new();
        // The rest is read as well: a program must not wait for us.
        let _ = stderr.by_ref().take(WORDS_MAX).read_to_end(&mut words);
        let _ = io::copy(&mut stderr, &mut io::sink());
        String::from_utf8_lossy(&words).into_owned()
    });
    // It is waited for below, and only after this thread has been told: its number stays its own.
    let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(|error| error.to_string())?;
    let (ended, end) = channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        // Where nobody listens any more, it has ended by itself and may be another's number.
        if ended.send(()).is_ok() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
    let mut frame = vec![0; judge.reel.length];
    let mut received = false;
    loop {
        match stdout.read_exact(&mut frame) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(format!("{name}: {error}")),
        }
        let at = now().map_err(|error| format!("the clock: {error}"))?;
        if end.try_recv().is_ok() {
            return done(child, received);
        }
        received = true;
        tell(&judge.judge(&frame, at)?)?;
    }
    if end.try_recv().is_ok() {
        return done(child, received);
    }
    drop(end);
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    let words = words.join().unwrap_or_default();
    let words: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let reason = format!("it ended with {status}: {}", words.join("; "));
    if received { Err(reason) } else { tell(&Says::LeftOut { reason }) }
}
