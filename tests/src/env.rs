//! A daemon, a socket and a directory for one test.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use crate::{Ended, Job, PATIENCE, Running, Width, program, program_of};

/// The directory with the build's own output (`target/debug`, `target/release`).
pub(crate) fn target_dir() -> PathBuf {
    let own = std::env::current_exe().expect("the test's own path");
    // …/deps/NAME-HASH
    own.parent().and_then(Path::parent).expect("a test lies two levels deep").to_owned()
}

/// Where `vloopback` and `vloopbackd` are: what `VLOOPBACK_BIN_DIR` names, or this build's own directory.
///
/// # Panics
/// Where they cannot be built.
pub fn bin_dir() -> PathBuf {
    std::env::var_os("VLOOPBACK_BIN_DIR").map_or_else(|| built().to_owned(), PathBuf::from)
}

/// The build's own directory, once the programs in it are those of the present sources: for the tests of this package
/// alone cargo does not build another package's programs, or leaves old ones.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = target_dir();
        // Started by hand: what is there is used.
        let Some(cargo) = std::env::var_os("CARGO") else { return folder };
        let profile = match folder.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "-p", "vloopback", "--profile", profile, "--target-dir"])
            .arg(folder.parent().expect("a target directory"))
            .current_dir(crate::source_root())
            .status();
        assert!(built.expect("cargo runs, as it did for this test").success(), "vloopback cannot be built");
        folder
    })
}

/// One of the project's programs.
///
/// # Panics
/// Where it is not built.
pub fn binary(name: &str) -> PathBuf {
    let path = bin_dir().join(name);
    assert!(
        path.is_file(),
        "{} is missing: `cargo build -p vloopback` makes it; or set VLOOPBACK_BIN_DIR",
        path.display()
    );
    path
}

/// A pipe's two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// The pusher's, "/dev/videoN".
    pub input: String,
    /// The clients'.
    pub output: String,
    /// The input's status in /proc: `-` or `W`.
    pub input_status: String,
    /// The output's: `-` or `R`.
    pub output_status: String,
}

impl Pipe {
    /// The number in a node's name.
    pub fn number(node: &str) -> u32 {
        node.trim_start_matches("/dev/video").parse().expect("/dev/videoN")
    }
}

/// What the daemon of an [`Env`] is started with.
#[derive(Debug, Default)]
pub struct EnvBuilder {
    args: Vec<String>,
    open_to_all: bool,
    in_memory: bool,
}

/// Where a daemon's files cost no disk, if there is such a place.
const MEMORY: &str = "/dev/shm";
/// `statfs` of a tmpfs.
const TMPFS_MAGIC: i64 = 0x0102_1994;

impl EnvBuilder {
    /// One or more arguments of `vloopbackd`.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> EnvBuilder {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }

    /// Lets other users look into the directory.
    #[must_use]
    pub fn open_to_all(mut self) -> EnvBuilder {
        self.open_to_all = true;
        self
    }

    /// Puts the socket, and the daemon's tree beside it, where they cost no disk, as below `/run`: for tests
    /// with thousands of opens, each of which changes the tree. A busy disk would take seconds for some.
    #[must_use]
    pub fn in_memory(mut self) -> EnvBuilder {
        self.in_memory = true;
        self
    }

    /// The directory alone, no daemon.
    ///
    /// # Panics
    /// Where the directory can't be made.
    pub fn without_daemon(self) -> Env {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("vl");
        let dir = builder.tempdir().expect("a temporary directory");
        let is_memory = || rustix::fs::statfs(MEMORY).is_ok_and(|fs| fs.f_type == TMPFS_MAGIC);
        let place = if self.in_memory && is_memory() { builder.tempdir_in(MEMORY).ok() } else { None };
        if self.open_to_all {
            for dir in std::iter::once(&dir).chain(&place) {
                fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
            }
        }
        let socket = place.as_ref().unwrap_or(&dir).path().join("s");
        Env { daemon: None, args: self.args, socket, dir, _place: place }
    }

    /// Starts the daemon and waits until it serves.
    ///
    /// # Panics
    /// Where it does not come to serve.
    pub fn start(self) -> Env {
        let mut env = self.without_daemon();
        env.start_daemon();
        env
    }
}

/// A temporary directory, a socket in it, and a daemon that serves there. All end with it.
#[derive(Debug)]
pub struct Env {
    // Before `dir`: the daemon ends before its directory goes.
    daemon: Option<Running>,
    args: Vec<String>,
    socket: PathBuf,
    dir: TempDir,
    /// The socket's directory, where it is another.
    _place: Option<TempDir>,
}

impl Env {
    /// Starts a V4L2 pusher of YUYV frames of `size` at 50 a second, whose numbers begin at `first`; its first
    /// frame has been pushed.
    pub fn push_numbered(&self, input: &str, size: (usize, usize), first: u32) -> Running {
        let (size, first) = (format!("{}x{}", size.0, size.1), first.to_string());
        let words =
            ["--device", input, "--format", "YUYV", "--size", &size, "--fps", "50", "--first", &first];
        let mut pusher = self.program("v4l2_pusher", &[&words[..], &["--report", "1"]].concat()).start();
        pusher.frame(0);
        pusher
    }

    /// A daemon with this many pipes.
    pub fn new(pipes: u32) -> Env {
        Env::builder().args(&["--pipes", &pipes.to_string()]).start()
    }

    /// For a daemon with other options.
    pub fn builder() -> EnvBuilder {
        EnvBuilder::default()
    }

    /// What `vloopback list --json` tells of the pipes.
    #[track_caller]
    pub fn list(&self) -> serde_json::Value {
        let ended =
            self.own("vloopback").args(["list", "--json", "--socket"]).arg(self.socket()).output().ok();
        serde_json::from_slice(&ended.stdout).expect("JSON")
    }

    /// How many frames the first pipe's pushers have written, as that list counts them.
    #[track_caller]
    pub fn written(&self) -> u64 {
        self.list()[0]["counters"]["written"].as_u64().expect("a count")
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The test's own directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The daemon's tree of plain files.
    pub fn tree(&self) -> PathBuf {
        let mut tree = self.socket.clone().into_os_string();
        tree.push(".d");
        tree.into()
    }

    /// One of the project's programs with this test's own runtime directory.
    pub fn own(&self, name: &str) -> Job {
        Job::new(binary(name)).env("XDG_RUNTIME_DIR", self.dir()).named(name)
    }

    /// `vloopbackd` on this test's socket, not started.
    pub fn daemon_job(&self) -> Job {
        self.own("vloopbackd").arg("--socket").arg(&self.socket).args(&self.args)
    }

    /// Starts the daemon (again) and waits until it serves.
    ///
    /// # Panics
    /// Where it does not come to serve, or one of this test's runs already.
    pub fn start_daemon(&mut self) {
        assert!(self.daemon.is_none(), "one daemon at a time");
        let mut daemon = self.daemon_job().start();
        wait_until_ready(&mut daemon, &self.socket);
        self.daemon = Some(daemon);
    }

    /// The daemon's own process.
    ///
    /// # Panics
    /// Where there is none.
    pub fn daemon(&mut self) -> &mut Running {
        self.daemon.as_mut().expect("a daemon runs")
    }

    /// SIGKILL to the daemon, and waits until it is gone.
    ///
    /// # Panics
    /// Where there is none.
    pub fn kill_daemon(&mut self) {
        self.end_daemon(Signal::KILL);
    }

    /// Sends the daemon a signal and waits for its end.
    ///
    /// # Panics
    /// Where there is none or it does not end.
    pub fn end_daemon(&mut self, signal: Signal) -> Ended {
        let daemon = self.daemon.take().expect("a daemon runs");
        kill_process(daemon.leader(), signal).expect("kill of the daemon");
        daemon.finish()
    }

    /// `vloopback run --socket … EXTRA -- COMMAND`.
    pub fn run_with<A: AsRef<OsStr>>(&self, extra: &[&str], command: &[A]) -> Job {
        let name: Vec<String> = command.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect();
        self.own("vloopback")
            .arg("run")
            .arg("--socket")
            .arg(&self.socket)
            .args(extra)
            .arg("--")
            .args(command)
            .named(&name.join(" "))
    }

    /// `vloopback run --socket … -- COMMAND`.
    pub fn run<A: AsRef<OsStr>>(&self, command: &[A]) -> Job {
        self.run_with(&[], command)
    }

    /// The same with `--legacy`.
    pub fn run_legacy<A: AsRef<OsStr>>(&self, command: &[A]) -> Job {
        self.run_with(&["--legacy"], command)
    }

    /// One of `tests/programs` under `vloopback run`.
    pub fn program(&self, name: &str, args: &[&str]) -> Job {
        self.program_with(&[], name, args)
    }

    /// The same with `--legacy`.
    pub fn program_legacy(&self, name: &str, args: &[&str]) -> Job {
        self.program_with(&["--legacy"], name, args)
    }

    /// The same with other options of `run`.
    pub fn program_with(&self, extra: &[&str], name: &str, args: &[&str]) -> Job {
        let path = program(name);
        let mut command = vec![path.as_os_str()];
        command.extend(args.iter().map(OsStr::new));
        self.run_with(extra, &command).named(&format!("{name} {}", args.join(" ")))
    }

    /// The preload library that programs of this width are given by `vloopback run`. None where there is none.
    ///
    /// # Panics
    /// Where `vloopback run` does not run a shell.
    pub fn library_of(&self, width: Width) -> Option<PathBuf> {
        let shown = self.run(&["sh", "-c", "echo \"$LD_PRELOAD\""]).output().ok().text();
        let ours = shown.trim().rsplit(':').next().expect("a path");
        // Where there are two, the loader chooses: $LIB is the name of its own folder.
        let lib = if width == Width::Native { "lib64" } else { "lib32" };
        (width == Width::Native || ours.contains("$LIB")).then(|| ours.replace("$LIB", lib).into())
    }

    /// The one for the programs of `tests/programs`.
    ///
    /// # Panics
    /// Where there is none.
    pub fn library(&self) -> PathBuf {
        self.library_of(Width::chosen()).expect("a library for programs of this width")
    }

    /// One of `tests/programs` of a width, under `vloopback run`.
    pub fn program_of(&self, width: Width, name: &str, args: &[&str]) -> Job {
        let path = program_of(name, width);
        let mut command = vec![path.as_os_str()];
        command.extend(args.iter().map(OsStr::new));
        self.run(&command).named(&format!("{name} ({width:?}) {}", args.join(" ")))
    }

    /// The pipes as the daemon's tree shows them now.
    ///
    /// # Panics
    /// Where the list can't be read.
    pub fn pipes(&self) -> Vec<Pipe> {
        let path = self.tree().join("proc/video/vloopback/vloopbacks");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| {
            let daemon = self.daemon.as_ref().map_or_else(String::new, Running::stderr);
            panic!("{}: {e}; the daemon: {daemon}", path.display())
        });
        let rows = text.lines().skip(2).map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [_, input, input_status, output, output_status] = columns[..] else {
                panic!("{}: {line:?}", path.display());
            };
            Pipe {
                input: format!("/dev/{input}"),
                output: format!("/dev/{output}"),
                input_status: input_status.to_owned(),
                output_status: output_status.to_owned(),
            }
        });
        rows.collect()
    }

    /// Waits until the list of pipes is as `fine` wants it: what a program's end changes there, the daemon
    /// does right after it.
    ///
    /// # Panics
    /// Where that takes longer than [`PATIENCE`].
    #[track_caller]
    pub fn until(&self, what: &str, fine: impl Fn(&[Pipe]) -> bool) {
        let folder = self.tree().join("proc/video/vloopback");
        let changes = WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE;
        assert!(watch(&folder, changes, || fine(&self.pipes())), "not in time: {what}; {:?}", self.pipes());
    }

    /// Waits until there is nothing at `path`.
    ///
    /// # Panics
    /// Where that takes longer than [`PATIENCE`].
    #[track_caller]
    pub fn until_gone(&self, path: &Path) {
        let folder = path.parent().expect("a path in a directory");
        // The daemon's tree takes a thing out in one step, by another name.
        let changes = WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        assert!(watch(folder, changes, || !path.exists()), "{} is still there", path.display());
    }

    /// Waits until there is something at `path`.
    ///
    /// # Panics
    /// Where that takes longer than [`PATIENCE`].
    #[track_caller]
    pub fn until_there(&self, path: &Path) {
        let folder = path.parent().expect("a path in a directory");
        let changes = WatchFlags::CREATE | WatchFlags::MOVED_TO;
        assert!(watch(folder, changes, || path.exists()), "{} does not come", path.display());
    }

    /// Waits until there are so many files in a directory, and each of them is whole.
    ///
    /// # Panics
    /// Where that takes longer than [`PATIENCE`].
    #[track_caller]
    pub fn until_files(&self, folder: &Path, count: usize) {
        let files = || fs::read_dir(folder).map_or(0, Iterator::count);
        // One more has begun: the others are whole.
        assert!(watch(folder, WatchFlags::CLOSE_WRITE, || files() > count), "{} files", files());
    }

    /// Waits until a file in a directory has so many bytes; its path.
    ///
    /// # Panics
    /// Where that takes longer than [`PATIENCE`].
    #[track_caller]
    pub fn until_long(&self, folder: &Path, len: u64) -> PathBuf {
        let long = || {
            let mut files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
            files.find(|file| file.metadata().is_ok_and(|m| m.len() >= len)).map(|file| file.path())
        };
        watch(folder, WatchFlags::MODIFY, || long().is_some());
        long().unwrap_or_else(|| panic!("no file of {len} bytes in {}", folder.display()))
    }

    /// Waits until nobody has a pipe open.
    #[track_caller]
    pub fn until_idle(&self) {
        self.until("nobody has a pipe open", |pipes| {
            pipes.iter().all(|p| p.input_status == "-" && p.output_status == "-")
        });
    }

    /// Pipe number `index`.
    pub fn pipe(&self, index: usize) -> Pipe {
        self.pipes().swap_remove(index)
    }
}

/// Waits for the daemon's line "ready SOCKET".
#[track_caller]
fn wait_until_ready(daemon: &mut Running, socket: &Path) {
    let expected = format!("ready {}", socket.display());
    loop {
        match daemon.line() {
            Some(line) if line == expected => return,
            Some(_) => {}
            None => panic!("the daemon ended before it was ready:\n{}", daemon.stderr()),
        }
    }
}

/// Looks whether it is `done` at each change in `folder`; false if it is not in time.
fn watch(folder: &Path, changes: WatchFlags, done: impl Fn() -> bool) -> bool {
    let queue = inotify::init(CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&queue, folder, changes).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let until = Instant::now() + PATIENCE;
    while !done() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let left = Timespec::try_from(left).expect("a short time");
        if matches!(poll(&mut [PollFd::new(&queue, PollFlags::IN)], Some(&left)), Ok(1)) {
            let mut events = [0; 4096];
            rustix::io::read(&queue, &mut events).expect("inotify events");
        }
    }
    true
}
