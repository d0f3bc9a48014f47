//! The test stand: a server of its own, and processes under the preload library or without it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::error::BenchError;
use crate::shared::Shared;

/// The processors that this process may use.
pub fn processors() -> Result<Vec<usize>, BenchError> {
    let set = sched_getaffinity(Pid::from_raw(0)).map_err(|e| BenchError::system("sched_getaffinity", e))?;
    Ok((0..CpuSet::count()).filter(|&k| set.is_set(k).unwrap_or(false)).collect())
}

/// Pins this process to a processor.
pub fn pin(processor: usize) -> Result<(), BenchError> {
    let failed = |e| BenchError::system(format!("pinning to processor {processor}"), e);
    let mut set = CpuSet::new();
    set.set(processor).map_err(failed)?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(failed)
}

/// CPU time of this process, nanoseconds.
pub fn own_cpu() -> u64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID).unwrap_or(0)
}

fn clock(id: libc::clockid_t) -> std::io::Result<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to be written.
    match unsafe { libc::clock_gettime(id, &mut time) } {
        0 => Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// The kernel's release.
pub fn kernel() -> String {
    nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default()
}

/// The machine's load of the last minute; 0 where it is not told.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// Bytes of memory that this process has for itself: resident, but not shared as a ring is.
pub fn own_memory() -> Result<u64, BenchError> {
    memory("/proc/self/status", &["RssAnon:", "RssFile:"])
}

fn memory(status: &str, fields: &[&str]) -> Result<u64, BenchError> {
    let text = std::fs::read_to_string(status).map_err(|e| BenchError::system(status, e))?;
    let kib = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            fields.contains(&name).then(|| words.next()?.parse::<u64>().ok())?
        })
        .sum::<u64>();
    Ok(kib * 1024)
}

/// Where `vloopback` and `vloopbackd` are.
fn program(name: &str) -> Result<PathBuf, BenchError> {
    let dir = match std::env::var_os("VLOOPBACK_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => {
            let own = std::env::current_exe().map_err(|e| BenchError::system("finding this program", e))?;
            own.parent().map(Path::to_owned).unwrap_or_default()
        }
    };
    let path = dir.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(BenchError::Program {
        program: path.display().to_string(),
        reason: "is not there; build it with `cargo build --release -p vloopback`".into(),
    })
}

/// A running server; it ends with this.
#[derive(Debug)]
pub struct Stand {
    server: Child,
    socket: PathBuf,
    /// What the server's users have in their environment.
    environment: Vec<(String, String)>,
    _dir: tempfile::TempDir,
}

impl Stand {
    /// Starts a server with so many pipes.
    pub fn new(pipes: u32) -> Result<Self, BenchError> {
        let dir = tempfile::tempdir().map_err(|e| BenchError::system("temporary directory", e))?;
        let socket = dir.path().join("socket");
        let program_path = program("vloopbackd")?;
        let mut server = Command::new(&program_path)
            .arg("--socket")
            .arg(&socket)
            .args(["--pipes", &pipes.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| BenchError::system(format!("starting {}", program_path.display()), e))?;
        let mut ready = String::new();
        let output = server.stdout.take().expect("it is piped");
        let outcome = BufReader::new(output).read_line(&mut ready);
        let mut stand = Self { server, socket, environment: Vec::new(), _dir: dir };
        outcome.map_err(|e| BenchError::system("the server's output", e))?;
        if !ready.starts_with("ready ") {
            let program = program_path.display().to_string();
            return Err(BenchError::Program { program, reason: format!("said '{}'", ready.trim_end()) });
        }
        stand.environment = stand.ask_environment()?;
        Ok(stand)
    }

    /// What `vloopback env` exports.
    fn ask_environment(&self) -> Result<Vec<(String, String)>, BenchError> {
        let path = program("vloopback")?;
        let output = Command::new(&path)
            .arg("env")
            .arg("--socket")
            .arg(&self.socket)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| BenchError::system(format!("starting {}", path.display()), e))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let variables: Vec<(String, String)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), unquoted(value)))
            .collect();
        if !variables.iter().any(|(name, _)| name == "LD_PRELOAD") {
            let reason = format!("`env` exports no LD_PRELOAD: '{}'", text.trim_end());
            return Err(BenchError::Program { program: path.display().to_string(), reason });
        }
        Ok(variables)
    }

    /// A file of the views that the server keeps beside its socket.
    fn view(&self, name: &str) -> Result<String, BenchError> {
        let mut path = self.socket.clone().into_os_string();
        path.push(".d/proc/video/vloopback/");
        path.push(name);
        let path = PathBuf::from(path);
        std::fs::read_to_string(&path)
            .map_err(|e| BenchError::system(format!("reading {}", path.display()), e))
    }

    /// The nodes of the first pipe: input and output.
    pub fn nodes(&self) -> Result<(PathBuf, PathBuf), BenchError> {
        let told = |reason: String| BenchError::Program { program: "vloopbackd".into(), reason };
        let rows = vloopback_proc::parse::parse_vloopbacks(&self.view("vloopbacks")?)
            .map_err(|e| told(e.to_string()))?;
        let row = rows.first().ok_or_else(|| told("it lists no pipe".into()))?;
        Ok((Path::new("/dev").join(&row.input), Path::new("/dev").join(&row.output)))
    }

    /// A counter of the first pipe, as the server last counted it; 0 where there is none of the name.
    pub fn counter(&self, name: &str) -> Result<u64, BenchError> {
        let text = self.view("vloopback0")?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')?.parse().ok());
        Ok(value.unwrap_or(0))
    }

    /// Bytes of memory that the server has for itself.
    pub fn server_memory(&self) -> Result<u64, BenchError> {
        // All of it: the bar speaks of the daemon and not of what it maps.
        memory(&format!("/proc/{}/status", self.server.id()), &["VmRSS:"])
    }

    /// Bytes of the server's memory that no ring is part of.
    pub fn server_own_memory(&self) -> Result<u64, BenchError> {
        memory(&format!("/proc/{}/status", self.server.id()), &["RssAnon:", "RssFile:"])
    }

    /// CPU time of the server, nanoseconds.
    pub fn server_cpu(&self) -> Result<u64, BenchError> {
        let mut id = 0;
        // SAFETY: `id` is ours to be written.
        let error = unsafe { libc::clock_getcpuclockid(self.server.id() as i32, &mut id) };
        let clock = if error == 0 { clock(id) } else { Err(std::io::Error::from_raw_os_error(error)) };
        clock.map_err(|e| BenchError::system("the server's CPU time", e))
    }

    /// Starts a process of a paced run.
    pub fn start_paced(&self, role: &PacedStart<'_>) -> Result<Process, BenchError> {
        let mut command = own_program()?;
        command
            .arg(role.name)
            .arg("--device")
            .arg(role.device)
            .args(["--shared", &role.shared.number().to_string()])
            .arg("--fifos")
            .arg(role.fifos)
            .args(["--number", &role.number.to_string()])
            .args(["--clients", &role.clients.to_string()])
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(processor) = role.processor {
            command.args(["--processor", &processor.to_string()]);
        }
        Process::start(role.name, command)
    }

    /// Starts a process.
    pub fn start(&self, role: &RoleStart<'_>) -> Result<Process, BenchError> {
        let mut command = own_program()?;
        command
            .arg(role.name)
            .arg("--device")
            .arg(role.device)
            .args(["--processor", &role.processor.to_string()])
            .args(["--shared", &role.shared.number().to_string()])
            .args(["--number", &role.number.to_string()]);
        if let Some(pipe) = role.pipe {
            command.args(["--pipe", &pipe.to_string()]);
        }
        if role.v4l2 {
            command.arg("--v4l2");
        }
        for (name, value) in &self.environment {
            if role.with_library || name != "LD_PRELOAD" {
                command.env(name, value);
            }
        }
        Process::start(role.name, command)
    }
}

/// This program, to be started in one of its roles.
fn own_program() -> Result<Command, BenchError> {
    let own = std::env::current_exe().map_err(|e| BenchError::system("finding this program", e))?;
    let mut command = Command::new(own);
    command.args(crate::own_words());
    Ok(command)
}

impl Drop for Stand {
    fn drop(&mut self) {
        // It ends by itself and removes what it made.
        let pid = Pid::from_raw(self.server.id() as i32);
        if nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).is_err() {
            return;
        }
        // Nobody is left to be told of a failure; a server that does not end is ended.
        let ended = crate::shared::spin_until("the server ends", || {
            matches!(nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG)), Ok(status)
                if status != nix::sys::wait::WaitStatus::StillAlive)
        });
        if ended.is_err() {
            let _ = self.server.kill();
            let _ = self.server.wait();
        }
    }
}

/// What a process is started as.
#[derive(Clone, Copy, Debug)]
pub struct RoleStart<'a> {
    /// `role-pusher`, `role-client`, `role-caller`.
    pub name: &'static str,
    /// The device that it uses.
    pub device: &'a Path,
    /// The processor that it is pinned to.
    pub processor: usize,
    /// What it shares with the others.
    pub shared: &'a Shared,
    /// Its end of a pipe.
    pub pipe: Option<i32>,
    /// The client's number.
    pub number: u32,
    /// A client that takes its frames as a V4L2 program does, or as a V4L1 program.
    pub v4l2: bool,
    /// Under the preload library, or not.
    pub with_library: bool,
}

/// What a process of a paced run is started as.
#[derive(Clone, Copy, Debug)]
pub struct PacedStart<'a> {
    /// `role-source` or `role-sink`.
    pub name: &'static str,
    /// The device that it uses.
    pub device: &'a Path,
    /// The processor that it is pinned to.
    pub processor: Option<usize>,
    /// What it shares with the others.
    pub shared: &'a Shared,
    /// The folder with the FIFOs.
    pub fifos: &'a Path,
    /// The client's number.
    pub number: u32,
    /// How many clients there are.
    pub clients: u32,
}

/// A process that is measured; killed at the end.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(name: &'static str, mut command: Command) -> Result<Self, BenchError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| BenchError::system(format!("starting {name}"), e))?;
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { name, child, input, output })
    }

    /// Gives a command; the answer is numbers.
    pub fn ask(&mut self, question: &str) -> Result<Vec<u64>, BenchError> {
        // One that has died is found out by its answer.
        let _ = self.tell(question);
        self.hear(question)
    }

    /// Gives a command whose answer is taken later, by [`Process::hear`].
    pub fn tell(&mut self, question: &str) -> Result<(), BenchError> {
        let sent = writeln!(self.input, "{question}").and_then(|()| self.input.flush());
        sent.map_err(|e| BenchError::system(self.name, e))
    }

    /// The answer to a command that was given.
    pub fn hear(&mut self, question: &str) -> Result<Vec<u64>, BenchError> {
        let mut answer = String::new();
        self.output.read_line(&mut answer).map_err(|e| BenchError::system(self.name, e))?;
        let answer = answer.trim_end();
        let numbers: Option<Vec<u64>> = answer.split(' ').map(|word| word.parse().ok()).collect();
        match numbers {
            Some(numbers) => Ok(numbers),
            None if answer == "ok" => Ok(Vec::new()),
            None => {
                Err(BenchError::Answer { role: self.name, question: question.into(), answer: answer.into() })
            }
        }
    }

    /// Gives a command whose answer is one number.
    pub fn number(&mut self, question: &str) -> Result<u64, BenchError> {
        let answer = self.ask(question)?;
        match answer.first() {
            Some(&number) => Ok(number),
            None => {
                Err(BenchError::Answer { role: self.name, question: question.into(), answer: "ok".into() })
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; nobody is left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A word of a POSIX shell as the shell reads it.
fn unquoted(word: &str) -> String {
    let mut plain = String::new();
    let mut quoted = false;
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => quoted = !quoted,
            '\\' if !quoted => plain.extend(letters.next()),
            _ => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        assert_eq!(unquoted("/run/x.so"), "/run/x.so");
        assert_eq!(unquoted("'a b'"), "a b");
        assert_eq!(unquoted(r"'it'\''s'"), "it's");
    }
}
