//! Clients that are programs of other people: they write the frames that they get to standard output,
//! where these are compared.

use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use vloopback_sys::clock::now;

use super::client::tell;
use super::judge::Judge;
use super::message::Says;
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

/// Why a program cannot take part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// It is not there.
    #[error("it is not installed")]
    NotInstalled,
    /// It needs another one.
    #[error("{UNBUFFERED} (package coreutils) is not installed")]
    NoUnbuffered,
    /// The preload library does not reach it.
    #[error("{0}")]
    Unserved(run::Obstacle),
}

/// Why a program cannot take part; None if it can, as far as is known before it is started.
pub fn obstacle(kind: ClientKind) -> Option<Obstacle> {
    let path = std::env::var_os("PATH");
    let find = |name: &str| run::find(name.as_ref(), path.as_deref());
    let (name, _) = program(kind)?;
    let Ok(file) = find(name) else { return Some(Obstacle::NotInstalled) };
    if kind == ClientKind::V4l2Ctl && find(UNBUFFERED).is_err() {
        return Some(Obstacle::NoUnbuffered);
    }
    run::inspect(&file, path.as_deref(), false).map(|unserved| Obstacle::Unserved(unserved.obstacle))
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
    let mut command = command(args).ok_or_else(|| format!("cannot run {name}"))?;
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
    let (child, told) = (Arc::new(Mutex::new(child)), Arc::new(AtomicBool::new(false)));
    let (its, tell_it) = (Arc::clone(&child), Arc::clone(&told));
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        tell_it.store(true, Ordering::SeqCst);
        end(&its);
    });
    let mut frame = vec![0; judge.reel.length];
    let mut received = false;
    loop {
        match stdout.read_exact(&mut frame) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(format!("{name}: {error}")),
        }
        let at = now();
        if told.load(Ordering::SeqCst) {
            break;
        }
        received = true;
        tell(&judge.judge(&frame, at)?)?;
    }
    if told.load(Ordering::SeqCst) {
        end(&child);
        return Ok(());
    }
    let status = child.lock().map_err(|error| error.to_string())?.wait();
    let status = status.map_err(|error| format!("{name}: {error}"))?;
    let words = words.join().unwrap_or_default();
    let words: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let reason = format!("it ended with {status}: {}", words.join("; "));
    if received { Err(reason) } else { tell(&Says::LeftOut { reason }) }
}

/// Ends the program, which may have ended already.
fn end(child: &Mutex<Child>) {
    if let Ok(mut child) = child.lock() {
        let _ = child.kill();
        let _ = child.wait();
    }
}
