//! Running the server: as `vloopbackd`, and as the one that `run` starts when none is reachable.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use vloopback_daemon::{Connection, Order, Profile, Server, ServerError, ServerHandle};

use crate::args::ServerArgs;
use crate::exit_codes::ExitCode;
use crate::failure::{Failure, server_code};
use crate::list;
use crate::variables;

/// The server that `run` started gave up.
#[derive(Debug, thiserror::Error)]
#[error("the vloopback server did not start: {reason}")]
struct ServerStart {
    /// Its own words.
    reason: String,
}

/// How long a server that `run` started stays after its last user.
const LINGER: Duration = Duration::from_secs(5);
/// How long `run` waits for a server that another `run` is just starting. Far more than that takes.
const START_WAIT: Duration = Duration::from_secs(15);
/// How often it looks meanwhile.
const START_STEP: Duration = Duration::from_millis(10);
/// How often it tries to start one itself: who has the socket may be a server that is just ending.
const START_AGAIN: Duration = Duration::from_millis(200);
/// The word before the socket's path with which a server says that it serves.
const READY: &str = "ready ";
/// With which it says that another one has the socket.
const IN_USE: &str = "in use";
/// Before the exit status and the words of another failure.
const FAILED: &str = "failed ";

/// `vloopbackd`: serves until SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// [`Failure`] where it does not start.
pub fn vloopbackd(args: &ServerArgs) -> Result<ExitCode, Failure> {
    let config = args.config()?;
    warn_of_profile(config.profile);
    // Watched from before the start: a signal in between must not leave the socket behind.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(Failure::system("signal handlers"))?;
    let server = Server::start(config)?;
    announce(server.socket());
    serve(server, signals);
    Ok(ExitCode::Success)
}

/// Says what a server's profile takes away.
fn warn_of_profile(profile: Profile) {
    if profile == Profile::Vloopback {
        eprintln!(
            "vloopback: warning: with --profile vloopback V4L2 programs (ffmpeg, GStreamer, v4l2-ctl, browsers) do \
             not work; without it old programs get the old driver's rules and V4L2 programs work as well"
        );
    }
}

/// Says on standard output that opens are answered from now on. Nobody may be reading it.
fn announce(socket: &Path) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{READY}{}", socket.display()).and_then(|()| out.flush());
}

/// Serves until a signal comes or the server ends by itself.
fn serve(server: ServerHandle, mut signals: Signals) {
    let stopper = server.stopper();
    let handle = signals.handle();
    let watcher = std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    });
    server.wait();
    handle.close();
    // It can only have panicked, and then said so.
    let _ = watcher.join();
}

/// The hidden `serve-for-run`: the server that [`reach_or_start`] starts. Tells it over standard
/// output how the start went, then has nothing to do with its terminal and files any more.
pub fn serve_for_run(args: &ServerArgs) -> ExitCode {
    // Its own session: the terminal's signals are for the command. It fails only where it has one.
    let _ = nix::unistd::setsid();
    let started = args.config().and_then(|mut config| {
        config.exit_when_idle = Some(LINGER);
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|error| ServerError::System {
            what: "signal handlers".into(),
            reason: error.to_string(),
        })?;
        Ok((Server::start(config)?, signals))
    });
    match started {
        Ok((server, signals)) => {
            announce(server.socket());
            if let Err(error) = let_go() {
                tracing::warn!("keeps the files of whoever started it: {error}");
            }
            serve(server, signals);
            ExitCode::Success
        }
        Err(ServerError::InUse { .. }) => {
            println!("{IN_USE}");
            ExitCode::Failure
        }
        Err(error) => {
            let code = server_code(&error);
            println!("{FAILED}{} {error}", code.code());
            code
        }
    }
}

/// Points standard input, output and error to nowhere and leaves the current directory, so that
/// no pipe stays open and no file system busy because of a server that lingers.
fn let_go() -> io::Result<()> {
    std::env::set_current_dir("/")?;
    let nowhere = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&nowhere)?;
    nix::unistd::dup2_stdout(&nowhere)?;
    nix::unistd::dup2_stderr(&nowhere)?;
    Ok(())
}

/// A server in reach, and the connection by which it counts us as a user.
#[derive(Debug)]
pub struct Reached {
    socket: PathBuf,
    new: bool,
    _connection: Connection,
}

impl Reached {
    /// Where it listens, absolute.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether it had to be started; it ends some seconds after its last user.
    pub fn is_new(&self) -> bool {
        self.new
    }
}

/// Connects to the server that `args` name; starts one where none listens. Of several that come
/// at once, one server is started: its lock on the socket decides. One that is just ending is waited for.
///
/// # Errors
/// [`Failure`]: no server is there, or the one that was started gave up.
pub fn reach_or_start(args: &ServerArgs) -> Result<Reached, Failure> {
    let config = args.config()?;
    let (socket, profile) = (config.socket.clone(), config.profile);
    let deadline = Instant::now() + START_WAIT;
    let mut started: Option<Instant> = None;
    loop {
        match Connection::to(&socket) {
            Ok(connection) => {
                let late = args.shaping();
                if started.is_none() && !late.is_empty() {
                    eprintln!(
                        "vloopback: warning: a server already runs at {}, so {} has no effect; \
                         use another --socket to start a second server",
                        socket.display(),
                        late.join(" ")
                    );
                }
                if started.is_some() {
                    warn_of_profile(profile);
                }
                if args.order.is_some() {
                    warn_of_order(config.order, &socket);
                }
                return Ok(Reached { socket, new: started.is_some(), _connection: connection });
            }
            Err(ServerError::Unreachable { .. }) if Instant::now() < deadline => {}
            Err(error) => return Err(error.into()),
        }
        if started.is_none_or(|last| last.elapsed() >= START_AGAIN) {
            start(args, &socket)?;
            started = Some(Instant::now());
        } else {
            // Somebody else's server has the lock and will listen in a moment, or be gone.
            std::thread::sleep(START_STEP);
        }
    }
}

/// Says so where the server that answers has other nodes first than was asked for.
fn warn_of_order(wanted: Order, socket: &Path) {
    // What it cannot tell it need not be blamed for.
    let Ok(pipes) = list::pipes(socket) else { return };
    let Some((first, order)) = pipes.first().zip(list::order(&pipes)) else { return };
    if order != wanted {
        eprintln!(
            "vloopback: warning: the server at {} numbers its nodes {}, not {}: the camera of its first pipe is {}; \
             end it first, or use another --socket to start a second server",
            socket.display(),
            order.word(),
            wanted.word(),
            first.output
        );
    }
}

/// Starts a server process and waits until it serves, or says that another one does.
fn start(args: &ServerArgs, socket: &Path) -> Result<(), Failure> {
    let mut command = Command::new(own_program());
    command
        .arg("serve-for-run")
        .args(args.to_arguments(socket.to_owned()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // The server is not to be preloaded, and its options come from the command line alone.
        .env_remove(variables::LD_PRELOAD);
    // SAFETY: the closure runs in the forked child and makes one system call.
    unsafe {
        command.pre_exec(|| {
            close_foreign_on_exec();
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(Failure::system(
        "cannot start a server process, which needs /proc and /dev/null (or reach one that runs: --socket)",
    ))?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        // A line that cannot be read is an empty one: the status then tells.
        let _ = BufReader::new(output).read_line(&mut line);
    }
    let line = line.trim_end_matches('\n');
    if line.starts_with(READY) {
        return Ok(());
    }
    let status = child.wait().map_err(Failure::system("cannot wait for the server process"))?;
    if line == IN_USE {
        return Ok(());
    }
    let (code, reason) = match line.strip_prefix(FAILED).and_then(|rest| rest.split_once(' ')) {
        Some((code, reason)) if code == ExitCode::Usage.code().to_string() => {
            (ExitCode::Usage, reason.to_owned())
        }
        Some((_, reason)) => {
            let hint = "--socket or $VLOOPBACK_SOCKET names another place for it";
            (ExitCode::NoServer, format!("{reason}; {hint}"))
        }
        None => (ExitCode::NoServer, format!("it ended with {status} and no message")),
    };
    Err(Failure::new(ServerStart { reason }, code))
}

/// This program, to be started again. By its name where that still is this program, so that `ps`
/// shows it; cargo, or a package manager, may have replaced the file since we started.
pub fn own_program() -> PathBuf {
    use std::os::unix::fs::MetadataExt;

    let running = Path::new("/proc/self/exe");
    let identity = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    match std::env::current_exe() {
        Ok(path) if identity(&path).is_some() && identity(&path) == identity(running) => path,
        _ => running.to_owned(),
    }
}

/// Marks every descriptor but the standard ones close-on-exec: a harness that waits for the end of
/// a pipe it gave us must not wait for a server that lingers. Kernels before 5.11 cannot, and then
/// nothing is lost but that.
fn close_foreign_on_exec() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call changes flags of this process's own descriptors and touches no memory.
    unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}
