//! `vloopback watch`: a producer that runs only while somebody watches.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{ffi, fs, io};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use vloopback_daemon::tree_of;

use crate::args::{EraArgs, WatchArgs};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::{pipes, preload, run, serve};

/// How long a command has to end by SIGTERM, before it is ended by SIGKILL.
const TO_END: Duration = Duration::from_secs(5);
/// How soon a command that has ended by itself is started again while somebody watches.
const AGAIN: Duration = Duration::from_secs(1);

/// The pipe that was watched is no more.
#[derive(Debug, thiserror::Error)]
#[error("the pipe of {node} is gone, or its server is")]
struct Gone {
    /// Its input.
    node: String,
}

/// The number of clients that stream, in the daemon's tree, and what tells of its changes.
struct Readers {
    file: PathBuf,
    changes: OwnedFd,
}

impl Readers {
    fn of(file: PathBuf) -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = Errno::result(unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) })?;
        // SAFETY: a new descriptor that nobody else has.
        let changes = unsafe { OwnedFd::from_raw_fd(fd) };
        let path = ffi::CString::new(file.as_os_str().as_bytes())?;
        let what = libc::IN_MODIFY | libc::IN_DELETE_SELF | libc::IN_ATTRIB;
        // SAFETY: a C string.
        Errno::result(unsafe { libc::inotify_add_watch(fd, path.as_ptr(), what) })?;
        Ok(Self { file, changes })
    }

    /// How many stream now. None: there is no such pipe any more.
    fn count(&self) -> Option<u32> {
        // What has told of changes is read first: one that comes after this is told again.
        let mut events = [0u8; 4096];
        while nix::unistd::read(&self.changes, &mut events).is_ok_and(|count| count != 0) {}
        let text = fs::read_to_string(&self.file).ok()?;
        Some(text.lines().next()?.trim().parse().unwrap_or(0))
    }
}

/// The command, while it runs.
struct Producer {
    child: Child,
    /// Since when nobody watches.
    unwatched: Option<Instant>,
}

impl Producer {
    fn start(command: &mut Command, name: &Path) -> Result<Self, Failure> {
        let child = command.spawn().map_err(Failure::system(format!("cannot start {}", name.display())))?;
        eprintln!("vloopback: somebody watches: {} runs as process {}", name.display(), child.id());
        Ok(Self { child, unwatched: None })
    }

    fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// Ends the command and all that it has started in its process group.
    fn end(mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM);
        let until = Instant::now() + TO_END;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                self.signal(Signal::SIGKILL);
                self.child.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // What it has left behind.
        self.signal(Signal::SIGTERM);
        Ok(())
    }

    /// Ends the command if nobody has watched for as long as `grace`. Returns the command if it goes on, and how long it
    /// may go on unwatched.
    fn judge(
        mut self,
        is_watched: bool,
        now: Instant,
        grace: Duration,
    ) -> io::Result<(Option<Self>, Option<Duration>)> {
        if is_watched {
            self.unwatched = None;
            return Ok((Some(self), None));
        }
        let since = *self.unwatched.get_or_insert(now);
        let left = grace.saturating_sub(now - since);
        if left.is_zero() {
            self.end()?;
            return Ok((None, None));
        }
        Ok((Some(self), Some(left)))
    }
}

/// What turns an error into a [`Failure`] at `what`.
fn failed<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::system::<io::Error>(what)(error.into())
}

/// Blocks the signals that end a watch, or tell of its command, and opens a descriptor that reports them. Returns the
/// former mask, too.
fn take_signals() -> Result<(SigSet, SignalFd), Failure> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    let before = SigSet::thread_get_mask().map_err(failed("signals"))?;
    signals.thread_block().map_err(failed("signals"))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let descriptor = SignalFd::with_flags(&signals, flags).map_err(failed("signals"))?;
    Ok((before, descriptor))
}

/// Sleeps until one of these is readable, or so long.
fn sleep(readable: [BorrowedFd<'_>; 2], wait: Option<Duration>) -> Result<(), Failure> {
    let mut fds = readable.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    let timeout = wait.map_or(PollTimeout::NONE, |left| {
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(e) => Err(failed("poll")(e)),
    }
}

/// `vloopback watch`.
///
/// # Errors
/// [`Failure`]: no server, no such pipe, no such command; the pipe is gone.
pub fn watch(args: &WatchArgs) -> Result<ExitCode, Failure> {
    let Some((name, arguments)) = args.command.split_first() else { return Ok(ExitCode::Usage) };
    let name = Path::new(name);
    let library = preload::library()?;
    let server = serve::reach_or_start(&args.server)?;
    let (pipe, _) = pipes::find(server.socket(), &args.pipe)?;
    let readers = readers_of(server.socket(), &pipe.input)?;

    let (before, signals) = take_signals()?;
    let mut command = Command::new(name);
    command.args(arguments).envs(run::environment(&library, server.socket(), &EraArgs::default()));
    // A group of its own: it ends with all that it has started, and not by what is meant for us.
    command.process_group(0);
    // SAFETY: the closure runs in the forked child and makes one call that is safe there; the mask is a copy.
    unsafe {
        command.pre_exec(move || before.thread_set_mask().map_err(io::Error::from));
    }
    eprintln!("vloopback: {} runs while somebody watches {}", name.display(), pipe.output);

    let grace = Duration::from_secs_f64(args.grace);
    let mut producer: Option<Producer> = None;
    let mut not_before = Instant::now();
    loop {
        let now = Instant::now();
        let Some(count) = readers.count() else {
            producer.map_or(Ok(()), Producer::end).map_err(failed("the command"))?;
            return Err(Failure::new(Gone { node: pipe.input }, ExitCode::NoServer));
        };
        let mut wait = None;
        producer = match producer {
            None if count != 0 && now >= not_before => Some(Producer::start(&mut command, name)?),
            None => {
                wait = (count != 0).then(|| not_before - now);
                None
            }
            Some(running) => {
                let (running, left) = running.judge(count != 0, now, grace).map_err(failed("the command"))?;
                if running.is_none() {
                    eprintln!("vloopback: nobody watches any more: {} has ended", name.display());
                }
                wait = left;
                running
            }
        };
        sleep([signals.as_fd(), readers.changes.as_fd()], wait)?;
        let mut stop = false;
        while let Ok(Some(signal)) = signals.read_signal() {
            stop |= signal.ssi_signo != Signal::SIGCHLD as u32;
        }
        if stop {
            producer.map_or(Ok(()), Producer::end).map_err(failed("the command"))?;
            return Ok(ExitCode::Success);
        }
        let ended = match &mut producer {
            Some(running) => running.child.try_wait().map_err(failed("the command"))?,
            None => None,
        };
        if let Some(status) = ended {
            eprintln!("vloopback: {} has ended by itself: {status}", name.display());
            producer = None;
            not_before = Instant::now() + AGAIN;
        }
    }
}

/// What counts the clients that stream from the pipe of an input.
fn readers_of(socket: &Path, input: &str) -> Result<Readers, Failure> {
    let node = input.trim_start_matches("/dev/");
    let file = tree_of(socket).join("sys/devices/virtual/video4linux").join(node).join("active_readers");
    let what =
        format!("{} cannot be watched; is the folder beside the server's socket in reach?", file.display());
    Readers::of(file).map_err(Failure::system(what))
}
