//! What the end-to-end tests of the command line share: each has its own directory and sockets.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A directory of a test's own, with everything that the programs could find elsewhere.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// An empty one.
    pub fn new() -> Place {
        let dir = tempfile::Builder::new().prefix("vlb").tempdir().unwrap();
        let place = Place { dir };
        std::fs::create_dir(place.path("runtime")).unwrap();
        place
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the server listens by default in this place.
    pub fn socket(&self) -> PathBuf {
        self.path("runtime/vloopback/socket")
    }

    /// `vloopback` with these arguments.
    pub fn vloopback<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.command(env!("CARGO_BIN_EXE_vloopback"), arguments)
    }

    /// `vloopbackd` with these arguments.
    pub fn vloopbackd<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.command(env!("CARGO_BIN_EXE_vloopbackd"), arguments)
    }

    fn command<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.dir.path());
        command.env("XDG_RUNTIME_DIR", self.path("runtime")).stdin(Stdio::null());
        for name in [
            "VLOOPBACK_SOCKET",
            "VLOOPBACK_UNAME",
            "VLOOPBACK_ERA",
            "VLOOPBACK_CONVERT",
            "VLOOPBACK_IDENTITY",
            "VLOOPBACK_PRELOAD",
            "LD_PRELOAD",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Waits until the server that `run` started has ended by itself: it holds a lock while it lives.
    pub fn wait_for_the_servers_end(&self) {
        let mut lock = self.socket().into_os_string();
        lock.push(".lock");
        let file = std::fs::File::options().write(true).open(lock).unwrap();
        drop(nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive).unwrap());
    }
}

/// A process that is killed when the test ends.
pub struct Running {
    /// The process.
    pub child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    /// Starts it, with its standard output to read from here.
    pub fn start(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running { child, lines }
    }

    /// Its next line, without the newline; empty at the end.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server, once it serves.
pub fn server(place: &Place, arguments: &[&str]) -> Running {
    let mut running = Running::start(&mut place.vloopbackd(arguments));
    assert_eq!(running.line(), format!("ready {}", place.socket().display()));
    running
}

/// Runs to the end and gives exit status, standard output and standard error.
pub fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

/// An executable file. Another process writes it: what this one has open for writing is inherited by what another
/// test's thread starts in that moment, and until that is its own program nobody may run the file (ETXTBSY).
pub fn executable(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let mut copy = Command::new("sh");
    let mut copy = copy.args(["-c", "cat >\"$0\""]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    copy.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(copy.wait().unwrap().success());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
