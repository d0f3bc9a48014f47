//! Commands, what they print and how they end.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use serde_json::Value;

/// How long any one event may take to come, the end of a whole program among them. Far more than it needs, on a
/// machine that is busy and stopped now and then: only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A command that is not started yet.
#[derive(Debug)]
pub struct Job {
    command: Command,
    name: String,
}

impl Job {
    /// `program` with no arguments, in an environment without anything of vloopback's.
    pub fn new(program: impl AsRef<OsStr>) -> Job {
        let mut command = Command::new(program.as_ref());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name == "LD_PRELOAD" || name.starts_with("VLOOPBACK_") && name != "VLOOPBACK_PRELOAD" {
                command.env_remove(name);
            }
        }
        Job { command, name: String::new() }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Job {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Job {
        self.command.args(args);
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Job {
        self.command.env(name, value);
        self
    }

    /// A name for messages, where the command line would say too little.
    #[must_use]
    pub fn named(mut self, name: &str) -> Job {
        name.clone_into(&mut self.name);
        self
    }

    /// Starts it, as the leader of a process group of its own.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn start(mut self) -> Running {
        let words: Vec<OsString> = std::iter::once(self.command.get_program())
            .chain(self.command.get_args())
            .map(OsStr::to_owned)
            .collect();
        let line = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let name = if self.name.is_empty() { line } else { self.name };
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = self.command.spawn().unwrap_or_else(|e| panic!("{name}: {e}"));
        let (sender, chunks) = channel();
        let mut out = child.stdout.take().expect("stdout is a pipe");
        let mut err = child.stderr.take().expect("stderr is a pipe");
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&stderr);
        let readers = vec![
            std::thread::spawn(move || {
                let mut chunk = [0; 1 << 16];
                while let Ok(n @ 1..) = out.read(&mut chunk) {
                    if sender.send(chunk[..n].to_vec()).is_err() {
                        break;
                    }
                }
            }),
            std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(n @ 1..) = err.read(&mut chunk) {
                    kept.lock().expect("no reader panics").extend_from_slice(&chunk[..n]);
                }
            }),
        ];
        let stdin = child.stdin.take();
        Running {
            name,
            child,
            stdin,
            chunks,
            stderr,
            readers,
            buffer: Vec::new(),
            transcript: Vec::new(),
            pid: None,
            status: None,
        }
    }

    /// Starts it with nothing on standard input and waits for its end.
    ///
    /// # Panics
    /// Where it takes longer than [`PATIENCE`].
    pub fn output(self) -> Ended {
        let mut running = self.start();
        running.end_input();
        running.finish()
    }
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub struct Ended {
    /// The command, for messages.
    pub name: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed and nobody took before.
    pub stdout: Vec<u8>,
    /// What it said on standard error.
    pub stderr: String,
}

impl Ended {
    /// The exit code, or 128 and the signal.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Whether its messages have this text, in either case.
    pub fn says(&self, text: &str) -> bool {
        self.stderr.to_lowercase().contains(&text.to_lowercase())
    }

    /// Asserts that it ended with 0.
    ///
    /// # Panics
    /// Where it did not.
    #[track_caller]
    pub fn ok(self) -> Ended {
        assert!(
            self.status.success(),
            "{}: exit {}\nstdout: {}\nstderr: {}",
            self.name,
            self.code(),
            self.text(),
            self.stderr
        );
        self
    }
}

/// A command that runs. Dropping it kills it and all that it started in its group.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    chunks: Receiver<Vec<u8>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
    buffer: Vec<u8>,
    transcript: Vec<String>,
    pid: Option<Pid>,
    status: Option<ExitStatus>,
}

impl Running {
    /// Standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().expect("no reader panics")).into_owned()
    }

    fn story(&self) -> String {
        let lines = self.transcript.len();
        let last = self.transcript[lines.saturating_sub(40)..].join("\n");
        format!("{}\nstdout ({lines} lines, the last ones):\n{last}\nstderr:\n{}", self.name, self.stderr())
    }

    /// More of standard output; false at its end.
    #[track_caller]
    fn more(&mut self, until: Instant, what: &str) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        match self.chunks.recv_timeout(left) {
            Ok(chunk) => {
                self.buffer.extend_from_slice(&chunk);
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("no {what} in time from {}", self.story()),
        }
    }

    /// The next line, without its end; None at the end of standard output.
    #[track_caller]
    pub fn line_before(&mut self, until: Instant, what: &str) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]).into_owned();
                self.transcript.push(line.clone());
                return Some(line);
            }
            if !self.more(until, what) {
                return None;
            }
        }
    }

    /// The next line; None at the end.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        self.line_before(Instant::now() + PATIENCE, "line")
    }

    /// Waits for `{"event":"NAME",…}`; other lines before it are kept for messages only.
    ///
    /// # Panics
    /// Where the output ends before it, or it takes longer than [`PATIENCE`].
    #[track_caller]
    pub fn event(&mut self, name: &str) -> Value {
        self.event_within(name, PATIENCE)
    }

    /// [`Running::event`] with a deadline of its own.
    #[track_caller]
    pub fn event_within(&mut self, name: &str, patience: Duration) -> Value {
        let until = Instant::now() + patience;
        loop {
            let Some(line) = self.line_before(until, name) else {
                panic!("the output ended before {name:?}: {}", self.story());
            };
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            if event["event"] == "start" {
                self.pid = event["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32));
            }
            if event["event"] == name {
                return event;
            }
            assert!(event["event"] != "failed", "{line} where {name:?} was to come: {}", self.story());
        }
    }

    /// [`Running::event`], if the program says anything in that time.
    #[track_caller]
    pub fn event_if_soon(&mut self, name: &str, soon: Duration) -> Option<Value> {
        let until = Instant::now() + soon;
        while !self.buffer.contains(&b'\n') {
            match self.chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.buffer.extend_from_slice(&chunk),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Some(self.event(name))
    }

    /// Waits for the next event of whatever name.
    #[track_caller]
    pub fn any_event(&mut self) -> Option<Value> {
        self.any_event_within(PATIENCE)
    }

    /// [`Running::any_event`] with a deadline of its own.
    #[track_caller]
    pub fn any_event_within(&mut self, patience: Duration) -> Option<Value> {
        loop {
            let line = self.line_before(Instant::now() + patience, "event")?;
            if let Ok(event) = serde_json::from_str::<Value>(&line) {
                if event["event"] == "start" {
                    self.pid = event["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32));
                }
                return Some(event);
            }
        }
    }

    /// Waits until it tells of frame `number` or a later one.
    #[track_caller]
    pub fn frame(&mut self, number: u64) -> u64 {
        loop {
            let n = self.event("frame")["n"].as_u64().expect("a frame's number");
            if n >= number {
                return n;
            }
        }
    }

    /// Takes exactly `count` bytes of standard output.
    ///
    /// # Panics
    /// Where the output ends before, or they take longer than [`PATIENCE`].
    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let until = Instant::now() + PATIENCE;
        while self.buffer.len() < count {
            let more = self.more(until, "bytes");
            assert!(more, "{} bytes of {count}: {}", self.buffer.len(), self.story());
        }
        self.buffer.drain(..count).collect()
    }

    /// Sends one order. One to a program that has ended is lost.
    pub fn order(&mut self) {
        if let Some(stdin) = &mut self.stdin {
            // A program that is gone shows in what it does not answer.
            drop(stdin.write_all(b"\n"));
        }
    }

    /// Sends bytes to its standard input; one that has ended does not get them.
    ///
    /// # Panics
    /// Where it does not read for longer than [`PATIENCE`].
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        let Some(stdin) = &self.stdin else { return };
        rustix::fs::fcntl_setfl(stdin, OFlags::WRONLY | OFlags::NONBLOCK).expect("fcntl of a pipe");
        let until = Instant::now() + PATIENCE;
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(stdin, rest) {
                Ok(n) => rest = &rest[n..],
                Err(rustix::io::Errno::AGAIN) => {
                    let left = until.saturating_duration_since(Instant::now());
                    assert!(!left.is_zero(), "it does not read: {}", self.story());
                    let left = Timespec::try_from(left).expect("a short time");
                    // Whatever it says, the next write finds out.
                    let _ = poll(&mut [PollFd::new(stdin, PollFlags::OUT)], Some(&left));
                }
                // What a program that is gone does not do shows later.
                Err(_) => return,
            }
        }
    }

    /// Ends its standard input: no more orders.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// The process that was started here (`vloopback run` for a program in an `Env`).
    pub fn leader(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The program's own process, as it told with its first line.
    ///
    /// # Panics
    /// Where it has told nothing.
    #[track_caller]
    pub fn pid(&mut self) -> Pid {
        if self.pid.is_none() {
            self.event("start");
        }
        self.pid.unwrap_or_else(|| panic!("no process number from {}", self.story()))
    }

    /// SIGKILL to the program itself.
    #[track_caller]
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    /// A signal to the program itself (the leader, where it tells no number).
    #[track_caller]
    pub fn signal(&mut self, signal: Signal) {
        let pid = self.pid();
        kill_process(pid, signal).unwrap_or_else(|e| panic!("kill of {}: {e}", self.name));
    }

    /// Waits for the end. What was printed and not taken comes with it.
    ///
    /// # Panics
    /// Where it takes longer than [`PATIENCE`].
    #[track_caller]
    pub fn finish(mut self) -> Ended {
        let status = self.wait_within(PATIENCE);
        let until = Instant::now() + PATIENCE;
        while self.more(until, "end of output") {}
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
        Ended {
            name: self.name.clone(),
            status,
            stdout: std::mem::take(&mut self.buffer),
            stderr: self.stderr(),
        }
    }

    /// Waits for the end, this long at most.
    #[track_caller]
    pub fn wait_within(&mut self, patience: Duration) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        let exit = pidfd_open(self.leader(), PidfdFlags::empty()).expect("pidfd_open");
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).expect("a short time");
            match poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&left)) {
                Ok(0) => {
                    while let Ok(chunk) = self.chunks.try_recv() {
                        self.transcript.push(String::from_utf8_lossy(&chunk).into_owned());
                    }
                    panic!("no end in time of {}", self.story());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("poll: {error}"),
                Ok(_) => break,
            }
        }
        let status = self.child.wait().expect("the status of an ended child");
        self.status = Some(status);
        status
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.status.is_none() && matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends its input, takes its `result` and asserts that its exit status is 0.
    #[track_caller]
    pub fn result(mut self) -> Value {
        let result = self.event("result");
        self.end_input();
        let ended = self.finish();
        assert!(ended.status.success(), "{}: exit {}, {result}\n{}", ended.name, ended.code(), ended.stderr);
        result
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stdin = None;
        // Everything that this test started and that is still in the group; no other process is.
        let _ = kill_process_group(self.leader(), Signal::KILL);
        if self.status.is_none() {
            drop(self.child.wait());
        }
    }
}
