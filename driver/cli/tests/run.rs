//! `vloopback run`, end to end: exit status, signals, the server that it starts.

mod common;

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr::{null, null_mut};

use common::{Place, Running, executable, outcome, server};
use nix::sys::signal::Signal;

#[test]
fn exit_statuses_pass_through() {
    let place = Place::new();
    let status = |script: &str| outcome(&mut place.vloopback(&["run", "--", "sh", "-c", script])).0;
    assert_eq!(status("exit 0"), Some(0));
    assert_eq!(status("exit 7"), Some(7));
    assert_eq!(status("kill -TERM $$"), Some(143));
    assert_eq!(status("kill -KILL $$"), Some(137));
}

#[test]
fn commands_that_do_not_start() {
    let place = Place::new();
    std::fs::write(place.path("plain"), "no program").unwrap();
    for (name, code) in [("nonesuch", 127), ("./nonesuch", 127), ("./plain", 126), ("/", 126)] {
        let (got, _, stderr) = outcome(&mut place.vloopback(&["run", "--", name]));
        assert_eq!(got, Some(code), "{name}");
        assert!(stderr.contains(name), "{stderr}");
        assert!(!place.socket().exists(), "a server was started for nothing");
    }
}

#[test]
fn the_command_sees_the_pipes_and_the_release() {
    let place = Place::new();
    let script = "uname -r; cat /proc/video/vloopback/vloopbacks";
    let arguments = ["run", "--pipes", "2", "--uname", "2.4", "--", "sh", "-c", script];
    let (code, stdout, stderr) = outcome(&mut place.vloopback(&arguments));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout.lines().next(), Some("2.4.37"));
    assert_eq!(stdout.lines().count(), 5, "{stdout}");
}

#[test]
fn options_that_come_too_late_are_named() {
    let place = Place::new();
    let _server = server(&place, &[]);
    let (code, _, stderr) = outcome(&mut place.vloopback(&["run", "--pipes", "2", "--", "true"]));
    assert_eq!(code, Some(0));
    assert!(stderr.contains("--pipes has no effect"), "{stderr}");
}

#[test]
fn programs_out_of_reach_are_warned_of() {
    let place = Place::new();
    // The header of a static program; it does not run, but is looked at first.
    let mut file = vec![0; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    file[18] = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    executable(&place.path("static"), &file);
    // How it ends is up to libc, which hands what the kernel refuses to a shell.
    let (_, _, stderr) = outcome(&mut place.vloopback(&["run", "--", "./static"]));
    assert!(stderr.contains("warning: ./static will not see the pipes: it is statically linked"), "{stderr}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let place = Place::new();
    let long = format!("/tmp/{}", "x".repeat(150));
    let (code, _, stderr) = outcome(&mut place.vloopback(&["run", "--socket", &long, "--", "true"]));
    assert_eq!(code, Some(3));
    assert!(stderr.contains("too long"), "{stderr}");
    let (code, _, stderr) = outcome(&mut place.vloopback(&["run", "--pipes", "0", "--", "true"]));
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--pipes"), "{stderr}");
}

/// Several at once get one server, which stays while any of them runs and then ends by itself,
/// and which holds none of their pipes open.
#[test]
fn runs_share_one_server_that_ends_after_them() {
    let place = Place::new();
    let mut runs: Vec<Running> = (0..6)
        .map(|_| {
            let mut command = place.vloopback(&["run", "--", "sh", "-c", "echo up; cat"]);
            Running::start(command.stdin(Stdio::piped()).stderr(Stdio::piped()))
        })
        .collect();
    for run in &mut runs {
        assert_eq!(run.line(), "up");
    }
    let ours = place.socket().into_os_string().into_encoded_bytes();
    let servers = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path().join("cmdline")).ok())
        .filter(|line| {
            line.split(|&byte| byte == 0).any(|word| word == b"serve-for-run")
                && line.split(|&byte| byte == 0).any(|word| word == ours.as_slice())
        })
        .count();
    assert_eq!(servers, 1);
    for run in &mut runs {
        assert!(place.socket().exists());
        drop(run.child.stdin.take());
        assert_eq!(run.child.wait().unwrap().code(), Some(0));
        // Both end although the server still lives.
        assert_eq!(run.line(), "");
        let mut errors = String::new();
        run.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "");
    }
    place.wait_for_the_servers_end();
    assert!(!place.socket().exists());
}

const TRAPS: &str = "trap 'echo int' INT; trap 'echo usr1' USR1; trap 'echo term; exit 3' TERM; echo up; \
                     while :; do read line; done";

#[test]
fn a_signal_sent_to_run_reaches_the_command() {
    let place = Place::new();
    let mut command = place.vloopback(&["run", "--", "sh", "-c", TRAPS]);
    taking_sigint(&mut command);
    let mut run = Running::start(command.stdin(Stdio::piped()));
    assert_eq!(run.line(), "up");
    for (signal, word) in [(Signal::SIGINT, "int"), (Signal::SIGUSR1, "usr1"), (Signal::SIGTERM, "term")] {
        run.signal(signal);
        assert_eq!(run.line(), word);
    }
    assert_eq!(run.child.wait().unwrap().code(), Some(3));
}

/// Ctrl-C goes to the whole group by itself: the command must see it once.
#[test]
fn the_terminals_signals_come_once() {
    let place = Place::new();
    let (master, slave) = terminal();
    let mut command = place.vloopback(&["run", "--", "sh", "-c", TRAPS]);
    taking_sigint(&mut command);
    command.stdin(slave);
    // SAFETY: the closure runs in the forked child and only makes two system calls.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let mut run = Running::start(&mut command);
    assert_eq!(run.line(), "up");
    let mut keyboard = std::fs::File::from(master);
    keyboard.write_all(b"\x03").unwrap();
    assert_eq!(run.line(), "int");
    // `run` takes the lower signal number first: had it passed SIGINT on, a second "int" would
    // come before this.
    run.signal(Signal::SIGUSR1);
    assert_eq!(run.line(), "usr1");
    run.signal(Signal::SIGTERM);
    assert_eq!(run.line(), "term");
}

/// Where the tests run in a script's background SIGINT is ignored, and what is ignored no shell traps.
fn taking_sigint(command: &mut Command) {
    // SAFETY: the closure runs in the forked child and only makes a system call.
    unsafe {
        command.pre_exec(|| match libc::signal(libc::SIGINT, libc::SIG_DFL) {
            libc::SIG_ERR => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// A new pseudo terminal: the side of the keyboard and screen, and the side of the programs.
fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: the two results are written to our variables; name, settings and size are not asked for.
    let result = unsafe { libc::openpty(&mut master, &mut slave, null_mut(), null(), null()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just opened and belong to nobody else.
    unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}
