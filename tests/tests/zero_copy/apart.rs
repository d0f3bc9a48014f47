//! Pusher and client that are strangers: of different users, in different PID namespaces (driver/docs/rules.md,
//! "Forwarded requests").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vloopback_tests::{Job, have, program, skip};

use super::*;

/// The library and the programs where any user can read them.
struct Apart {
    env: Env,
    library: PathBuf,
    // Ends before the directory goes.
    _daemon: Running,
}

/// Where a program runs, as the words before its command.
type Place = &'static [&'static str];

const HERE: Place = &["env"];
const NOBODY: Place = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
const DAEMON: Place = &["setpriv", "--reuid=1", "--regid=1", "--clear-groups", "--"];
const NAMESPACE: Place = &["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];

impl Apart {
    fn new() -> Apart {
        let env = Env::builder().open_to_all().without_daemon();
        let config = env.dir().join("config.toml");
        fs::write(&config, "mode = \"0666\"\n").expect("a file");
        let mut daemon = env.daemon_job().arg("--config").arg(&config).start();
        while daemon.line().is_some_and(|line| !line.starts_with("ready ")) {}
        let library = readable(&env, &env.library(), "library.so");
        for name in ["zc_pusher", "zc_client"] {
            readable(&env, &program(name), name);
        }
        Apart { env, library, _daemon: daemon }
    }

    /// A program in its place. What starts it there has no library of ours.
    fn start(&self, place: Place, name: &str, args: &[&str]) -> Running {
        let (command, words) = place.split_first().expect("a command");
        let preload = format!("LD_PRELOAD={}", self.library.display());
        Job::new(command)
            .args(words)
            .args(["env", &preload])
            .arg(self.env.dir().join(name))
            .args(args)
            .env("VLOOPBACK_SOCKET", self.env.socket())
            .named(&format!("{} {name}", place.join(" ")))
            .start()
    }
}

/// A copy of a file that everybody can read and run.
fn readable(env: &Env, file: &Path, name: &str) -> PathBuf {
    let copy = env.dir().join(name);
    // By a program of its own: a descriptor that this one writes by may be in a child of another test's, and what
    // somebody writes can't be run.
    Job::new("cp").arg(file).arg(&copy).output().ok();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("chmod");
    copy
}

/// A pusher here and a client there: pictures, refusals, and the client's end.
#[track_caller]
fn get_along(pusher_is: Place, client_is: Place) {
    let apart = Apart::new();
    let pipe = apart.env.pipe(0);
    for style in STYLES {
        let mut pusher =
            apart.start(pusher_is, "zc_pusher", &["--device", &pipe.input, "--style", style, "--look-again"]);
        pusher.event("setup");
        for extra in [&["--frames", "10"][..], &["--frames", "10", "--read"]] {
            let args = [&["--device", pipe.output.as_str()], extra].concat();
            let result = apart.start(client_is, "zc_client", &args).result();
            clean(&result, 10);
            pusher.event("closed");
        }
        let mut client = apart.start(client_is, "zc_client", &["ask", "--device", &pipe.output]);
        client.event("ready");
        done(&mut client, "open");
        assert_eq!(refused(&mut client, "GTUNER"), ENOTTY, "{style}");
        assert_eq!(number(&done(&mut client, "GPICT"), "a"), 15, "{style}");
        drop(client);
        pusher.event("closed");
        end(pusher);
        apart.env.until_idle();
    }
}

#[test]
fn users() {
    if !have("setpriv") {
        skip!("no setpriv (package util-linux)");
    }
    if !rustix::process::geteuid().is_root() {
        skip!("only root can become another user");
    }
    get_along(NOBODY, HERE);
    get_along(HERE, NOBODY);
    get_along(DAEMON, NOBODY);
}

#[test]
fn process_namespaces() {
    if !have("unshare") {
        skip!("no unshare (package util-linux)");
    }
    if !Job::new(NAMESPACE[0]).args(&NAMESPACE[1..]).arg("true").output().status.success() {
        skip!("no PID namespaces here");
    }
    get_along(NAMESPACE, HERE);
    get_along(HERE, NAMESPACE);
    get_along(NAMESPACE, NAMESPACE);
}
