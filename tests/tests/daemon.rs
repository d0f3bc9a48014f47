//! The daemon: start, stop, sockets, permissions, hostile peers (driver/docs/rules.md, "The server").

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use vloopback_tests::{Env, Job, PATIENCE, Running, copy_program, have, skip};

/// Pushes and watches a few frames: the daemon serves.
#[track_caller]
fn serves(env: &Env) {
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    let result = env.program("client_motion", &["--device", &pipe.output, "--frames", "5"]).start().result();
    assert_eq!(result["torn"], 0, "{result}");
}

/// A second daemon on a live socket is refused, by the socket's name; the first one goes on.
#[test]
fn a_second_daemon_is_refused_by_name() {
    let env = Env::new(1);
    let second = env.daemon_job().output();
    assert_ne!(second.code(), 0);
    assert!(second.stderr.contains(env.socket().to_str().expect("UTF-8")), "{}", second.stderr);
    serves(&env);
}

/// A socket that a killed daemon left does not stop the next one.
#[test]
fn a_stale_socket_is_recovered() {
    let mut env = Env::new(1);
    env.kill_daemon();
    assert!(env.socket().exists(), "SIGKILL leaves the socket");
    env.start_daemon();
    serves(&env);
}

/// SIGTERM and SIGINT end it with 0 and leave nothing behind.
#[test]
fn sigterm_and_sigint_end_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut env = Env::new(1);
        env.end_daemon(signal).ok();
        assert!(!env.socket().exists(), "the socket is removed");
        assert!(!env.tree().exists(), "the tree is removed");
    }
}

/// SIGTERM while programs have devices open: they get errors, it ends.
#[test]
fn sigterm_with_open_devices() {
    let mut env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--step"]).start();
    pusher.event("setup");
    let mut client = env.program("client_motion", &["--device", &pipe.output]).start();
    client.event("ready");
    env.end_daemon(Signal::TERM).ok();
    assert_eq!(client.event("error")["errno"], 19, "ENODEV");
    pusher.order();
    assert_eq!(pusher.event("error")["errno"], 19, "ENODEV");
}

/// A socket path that does not fit into sun_path is told, with the path.
#[test]
fn a_socket_path_that_is_too_long() {
    let env = Env::builder().without_daemon();
    let long = env.dir().join("x".repeat(120));
    let ended = env.own("vloopbackd").arg("--socket").arg(&long).output();
    assert_ne!(ended.code(), 0);
    assert!(ended.stderr.contains("xxxxxxxx"), "{}", ended.stderr);
    assert!(ended.stderr.to_lowercase().contains("long"), "{}", ended.stderr);
}

/// A socket path in a directory that is not there, or that is a plain file.
#[test]
fn a_socket_path_that_cannot_be() {
    let env = Env::builder().without_daemon();
    let file = env.dir().join("file");
    fs::write(&file, "precious").expect("a file");
    let ended = env.own("vloopbackd").arg("--socket").arg(&file).output();
    assert_ne!(ended.code(), 0, "a plain file is not replaced");
    assert!(ended.stderr.contains("file"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&file).expect("the file"), "precious");
    let ended = env.own("vloopbackd").arg("--socket").arg(file.join("s")).output();
    assert_ne!(ended.code(), 0);
    assert!(ended.stderr.contains(file.to_str().expect("UTF-8")), "{}", ended.stderr);
}

/// Options out of range are told and named.
#[test]
fn options_out_of_range() {
    let env = Env::builder().without_daemon();
    for (option, value) in [
        ("--pipes", "0"),
        ("--pipes", "100000"),
        ("--num-buffers", "1"),
        ("--dev-offset", "-2"),
        ("--profile", "nonsense"),
    ] {
        let given = format!("{option}={value}");
        let ended = env.own("vloopbackd").arg("--socket").arg(env.socket()).arg(&given).output();
        assert_ne!(ended.code(), 0, "{given}");
        assert!(ended.stderr.contains(option.trim_start_matches('-')), "{given}: {}", ended.stderr);
    }
}

/// A configuration file says what the options say; a wrong one is told with file and key.
#[test]
fn a_configuration_file() {
    let env = Env::builder().without_daemon();
    let file = env.dir().join("config.toml");
    fs::write(&file, "pipes = 3\nnum_buffers = 4\ndev_offset = 60\n").expect("a file");
    let mut daemon = env.daemon_job().arg("--config").arg(&file).start();
    while daemon.line().is_some_and(|line| !line.starts_with("ready ")) {}
    let inputs: Vec<String> = env.pipes().into_iter().map(|p| p.input).collect();
    assert_eq!(inputs, ["/dev/video60", "/dev/video62", "/dev/video64"]);
    drop(daemon);
    for bad in ["pipez = 3\n", "pipes = \"many\"\n", "pipes = \n"] {
        fs::write(&file, bad).expect("a file");
        let ended = env
            .own("vloopbackd")
            .arg("--socket")
            .arg(env.dir().join("t"))
            .arg("--config")
            .arg(&file)
            .output();
        assert_ne!(ended.code(), 0, "{bad}");
        assert!(
            ended.stderr.contains("config.toml") && ended.stderr.contains("pipe"),
            "{bad}: {}",
            ended.stderr
        );
    }
}

/// Junk on the socket: whoever sends it is cut off, nobody else notices.
#[test]
fn junk_on_the_socket() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "100"]).start();
    pusher.event("setup");
    let mut client = env.program("client_motion", &["--device", &pipe.output, "--report", "1"]).start();
    let first = client.frame(0);
    let mut seed = 1u64;
    let mut noise = |len: usize| -> Vec<u8> {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    };
    let mut silent = Vec::new();
    for round in 0..200 {
        // A socket of another type cannot connect at all; that is as good as being cut off.
        let Ok(mut peer) = connect(&env) else { continue };
        let len = [0, 1, 3, 4, 8, 16, 64, 256, 4096][round % 9];
        let mut bytes = noise(len);
        if round % 3 == 0 && len >= 4 {
            // A length that promises more than comes.
            bytes[..4].copy_from_slice(&[0xff, 0xff, 0xff, if round % 2 == 0 { 0x7f } else { 0 }]);
        }
        drop(peer.write_all(&bytes));
        if round % 5 == 0 {
            silent.push(peer);
        }
    }
    client.frame(first + 20);
    drop(silent);
    client.frame(first + 40);
    serves_beside(&env, &mut client);
    assert!(env.socket().symlink_metadata().expect("the socket").file_type().is_socket());
}

/// A connection of whatever type the daemon's socket has.
fn connect(env: &Env) -> std::io::Result<Peer> {
    match UnixStream::connect(env.socket()) {
        Ok(stream) => Ok(Peer(std::fs::File::from(std::os::fd::OwnedFd::from(stream)))),
        Err(_) => {
            use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
            let fd = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
            connect(&fd, &SocketAddrUnix::new(env.socket())?)?;
            Ok(Peer(std::fs::File::from(fd)))
        }
    }
}

/// One end of a connection. A write to a peer that is gone gives EPIPE: Rust programs ignore SIGPIPE.
#[derive(Debug)]
struct Peer(std::fs::File);

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[track_caller]
fn serves_beside(env: &Env, client: &mut Running) {
    let list = env.own("vloopback").args(["list", "--json", "--socket"]).arg(env.socket()).output().ok();
    assert!(list.text().contains("/dev/video"), "{}", list.text());
    client.end_input();
    let result = client.event("result");
    assert_eq!((&result["torn"], &result["errors"]), (&0.into(), &0.into()), "{result}");
}

/// Permissions are the pipe's: another user gets EACCES at open unless the mode lets him in.
#[test]
fn another_user_needs_permission() {
    if !have("setpriv") {
        skip!("no setpriv (package util-linux)");
    }
    if !rustix::process::geteuid().is_root() {
        skip!("only root can become another user");
    }
    for (mode, expected) in [("0600", 13), ("0666", 0)] {
        let env = Env::builder().open_to_all().without_daemon();
        let file = env.dir().join("config.toml");
        fs::write(&file, format!("mode = \"{mode}\"\n")).expect("a file");
        let mut daemon = env.daemon_job().arg("--config").arg(&file).start();
        while daemon.line().is_some_and(|line| !line.starts_with("ready ")) {}
        // Where anybody can read them: the library and the program.
        let (copy, program) = (env.dir().join("library.so"), env.dir().join("probe"));
        copy_program(&env.library(), &copy);
        copy_program(&vloopback_tests::program("probe"), &program);
        let pipe = env.pipe(0);
        let mut probe = Job::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&program)
            .args(["open", "--device", &pipe.input])
            .env("LD_PRELOAD", &copy)
            .env("VLOOPBACK_SOCKET", env.socket())
            .start();
        assert_eq!(probe.event("opened")["errno"], expected, "mode {mode}");
        let stat = env.run(&["stat", "-c", "%a", &pipe.input]).output().ok().text();
        assert_eq!(stat.trim(), mode.trim_start_matches('0'));
        // The owner is served in any case.
        let mut own = env.program("probe", &["open", "--device", &pipe.input]).start();
        assert_eq!(own.event("opened")["errno"], 0);
    }
}

/// No room, neither for memory files nor for plain ones: a clear message, no crash, no half-made server.
#[test]
fn no_room_for_its_files() {
    let env = Env::builder().without_daemon();
    let binary = vloopback_tests::binary("vloopbackd");
    // Files may not grow at all; the signal that would end the process is ignored, so that it sees EFBIG.
    let ended = Job::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" --socket \"$1\""])
        .arg(&binary)
        .arg(env.socket())
        .env("XDG_RUNTIME_DIR", env.dir())
        .output();
    assert_ne!(ended.code(), 0);
    assert!(ended.code() < 128, "no crash: {}", ended.code());
    assert!(ended.stderr.contains("File too large"), "{}", ended.stderr);
    assert!(!env.socket().exists(), "nothing is left");
}

/// Something of the user's where the tree belongs: it is named and left alone.
#[test]
fn a_file_where_the_tree_belongs() {
    let env = Env::builder().without_daemon();
    fs::write(env.tree(), "precious").expect("a file");
    let ended = env.daemon_job().output();
    assert_ne!(ended.code(), 0);
    assert!(ended.stderr.contains(env.tree().to_str().expect("UTF-8")), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(env.tree()).expect("the file"), "precious");
    assert!(!env.socket().exists(), "nothing is left");
}

/// `vloopback run` starts a server where none is, and it ends after its last user: its socket goes.
#[test]
fn run_starts_a_server_that_ends_after_its_last_user() {
    let env = Env::builder().without_daemon();
    let mut cat = env.run(&["sh", "-c", "cat /proc/video/vloopback/vloopbacks; read line"]).start();
    let lines: Vec<String> = (0..3).map(|_| cat.line().expect("a line")).collect();
    assert!(lines[2].starts_with("0\tvideo"), "{lines:?}");
    // A second one uses the same server.
    let again = env.run(&["cat", "/proc/video/vloopback/vloopbacks"]).output().ok().text();
    assert_eq!(again.lines().nth(2), Some(lines[2].as_str()));
    cat.order();
    cat.finish().ok();
    // It ends some seconds after its last user, and takes its socket with it.
    env.until_gone(env.socket());
}

/// Several `run`s at once where no server is: one server is started, all of them use it.
#[test]
fn runs_that_race_share_one_server() {
    let env = Env::builder().without_daemon();
    // Each claims a pipe by opening its input the old way; with two servers two could claim the same.
    let line = "( exec 3<>/dev/video0 && echo claimed && read line ) || { echo refused; read line; }";
    let mut racers: Vec<Running> =
        (0..4).map(|_| env.run_with(&["--legacy", "--pipes", "1"], &["sh", "-c", line]).start()).collect();
    let said: Vec<String> = racers.iter_mut().map(|racer| racer.line().expect("a line")).collect();
    assert_eq!(said.iter().filter(|line| *line == "claimed").count(), 1, "{said:?}");
    for mut racer in racers {
        racer.order();
        racer.finish();
    }
    env.until_gone(env.socket());
}

/// A `run` that is still in the queue of a server that ends gets another server, not an error.
#[test]
fn a_run_that_meets_a_server_in_its_end_starts_another() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
    let env = Env::builder().without_daemon();
    let ending = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let ending = ending.expect("a socket");
    bind(&ending, &SocketAddrUnix::new(env.socket()).expect("an address")).expect("bind");
    listen(&ending, 1).expect("listen");
    let mut running = env.run(&["cat", "/proc/video/vloopback/vloopbacks"]).start();
    running.end_input();
    // It has connected, and waits for a word.
    let waits = poll(&mut [PollFd::new(&ending, PollFlags::IN)], Some(&PATIENCE.try_into().expect("a time")));
    assert_eq!(waits, Ok(1), "{}", running.stderr());
    drop(ending);
    let ended = running.finish().ok();
    assert!(ended.text().contains("\n0\tvideo"), "{}", ended.text());
}

/// The exit status and signals of a command pass through `vloopback run`.
#[test]
fn run_passes_the_exit_status_on() {
    let env = Env::new(1);
    assert_eq!(env.run(&["sh", "-c", "exit 7"]).output().code(), 7);
    assert_eq!(env.run(&["sh", "-c", "kill -TERM $$"]).output().code(), 128 + 15);
    assert_eq!(env.run(&["no-such-command-anywhere"]).output().code(), 127);
    assert_eq!(env.run(&["/etc/passwd"]).output().code(), 126);
    let mut waiting = env
        .run(&["sh", "-c", "trap 'echo usr1; exit 3' USR1; echo up; while :; do read x || exit 4; done"])
        .start();
    assert_eq!(waiting.line().as_deref(), Some("up"));
    rustix::process::kill_process(waiting.leader(), Signal::USR1).expect("kill");
    waiting.order();
    assert_eq!(waiting.line().as_deref(), Some("usr1"));
    assert_eq!(waiting.finish().code(), 3);
}

/// `vloopback env` prints lines that a shell can take: pipes without `run` in front.
#[test]
fn env_prints_lines_for_a_shell() {
    let env = Env::new(1);
    let binary = vloopback_tests::binary("vloopback");
    let line = format!(
        "eval \"$({} env --socket {})\" && cat /proc/video/vloopback/vloopbacks",
        binary.display(),
        env.socket().display()
    );
    let text = Job::new("sh").args(["-c", &line]).env("XDG_RUNTIME_DIR", env.dir()).output().ok().text();
    assert_eq!(text.lines().count(), 3, "{text}");
}
