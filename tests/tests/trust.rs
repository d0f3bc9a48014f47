//! What hostile programs, dying servers and servers that do not answer may do to others: nothing. (What needs no
//! program is in `driver/daemon/tests/trust.rs`.)

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::process::{Signal, geteuid};
use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Job, Running, binary, copy_program, have, number, program, skip};

const SIZE: &str = "64x48";

fn push(env: &Env, fps: &str) -> Running {
    let args = ["--device", &env.pipe(0).input, "--size", SIZE, "--fps", fps];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    pusher
}

fn start(env: &Env, words: &[&str], ready: &str) -> Running {
    let pipe = env.pipe(0);
    let args = [words, &["--device", &pipe.output, "--input", &pipe.input, "--size", SIZE]].concat();
    let mut program = env.program("trust", &args).start();
    program.event(ready);
    program
}

/// A client that sleeps on all shared words that it can reach, so that the kernel refuses to wake others there, or
/// that puts others' sleep elsewhere: whoever waits in a call, or in poll, gets frames all the same.
#[test]
fn a_sleeper_silences_nobody() {
    for way in ["requeue-pi", "requeue"] {
        let env = Env::new(1);
        let _pusher = push(&env, "30");
        let attacker = start(&env, &[way], "attacks");
        let pipe = env.pipe(0);
        for by in [&[][..], &["--by", "poll"], &["--by", "epoll"], &["--io", "read"]] {
            let args = [&["--device", &pipe.output, "--size", SIZE, "--frames", "40"], by].concat();
            let result = env.program("v4l2_client", &args).start().result();
            assert_eq!(
                (number(&result, "torn"), number(&result, "errors")),
                (0, 0),
                "{way} {by:?}: {result}"
            );
        }
        let result = env
            .program("client_motion", &["--device", &pipe.output, "--size", SIZE, "--frames", "40"])
            .start()
            .result();
        assert_eq!(number(&result, "torn"), 0, "{way}: {result}");
        drop(attacker);
    }
}

/// The kernel wakes one who sleeps on the lifeline when the server dies. That one may pass nothing on.
#[test]
fn nobody_sleeps_on_when_the_server_has_died() {
    let mut env = Env::builder().args(&["--idle", "wait"]).start();
    let pipe = env.pipe(0);
    let _attacker = start(&env, &["lifeline"], "attacks");
    let mut clients: Vec<Running> = [&[][..], &["--by", "poll"], &["--io", "read"]]
        .iter()
        .map(|by| {
            let args = [&["--device", pipe.output.as_str(), "--size", SIZE], *by].concat();
            let mut client = env.program("v4l2_client", &args).start();
            client.event("ready");
            client
        })
        .collect();
    env.kill_daemon();
    for client in &mut clients {
        let error = client.event("error");
        assert_eq!(error["errno"].as_i64(), Some(19), "{error}");
    }
}

/// The addresses of USERPTR buffers stay in their process: whoever else has the open file can neither read nor change
/// them, and a length that it writes is not believed.
#[test]
fn addresses_stay_in_their_process() {
    let env = Env::new(1);
    let _pusher = push(&env, "100");
    let args = ["userptr", "--device", &env.pipe(0).output, "--size", SIZE];
    pass(env.program("trust", &args), |_, _| {});
}

/// A pusher that writes what it likes into its log: its clients can be ended, the server serves, and when another
/// pusher comes all go on, those who were there as well, while the first one still has its log.
#[test]
fn a_pusher_spoils_nothing_beyond_its_life() {
    let env = Env::new(2);
    let mut pusher = start(&env, &["spoil"], "attacks");
    let mut clients: Vec<Running> =
        [&["count"][..], &["count", "--by", "poll"]].map(|words| start(&env, words, "counts")).into();
    let mut ended = start(&env, &["count"], "counts");
    ended.signal(Signal::TERM);
    let status = ended.wait_within(std::time::Duration::from_secs(60));
    // `run` tells of its command as a shell does.
    assert_eq!(status.code(), Some(128 + 15), "a client can be ended: {status:?}");
    // The server answers, on this pipe and another.
    let other = env.pipe(1);
    env.program("probe", &["--device", &other.output]).start();
    assert_eq!(env.pipe(0).input_status, "W");

    pusher.order();
    pusher.event("left");
    let honest = push(&env, "100");
    for client in &mut clients {
        let begin = number(&client.event("frames"), "n");
        while number(&client.event("frames"), "n") < begin + 200 {}
    }
    let args = ["--device", &env.pipe(0).output, "--size", SIZE, "--frames", "100"];
    let result = env.program("v4l2_client", &args).start().result();
    assert_eq!((number(&result, "torn"), number(&result, "errors")), (0, 0), "{result}");
    drop((honest, pusher));
}

fn send(env: &mut Env, signal: Signal) {
    let server = env.daemon().leader();
    rustix::process::kill_process(server, signal).expect("the server is there");
}

/// While the server does not answer: handlers run, with and without SA_RESTART, signals end processes, and after ten
/// seconds it is given up. When it answers again each call gets its own answer.
#[test]
fn a_silent_server_keeps_no_signal_waiting() {
    let mut env = Env::new(1);
    let args = ["signals", "--device", &env.pipe(0).output, "--size", SIZE];
    let case = env.program("trust", &args);
    let mut restarts = false;
    pass(case, |event, case| match event {
        "stop" => {
            send(&mut env, Signal::STOP);
            case.order();
        }
        "restarts" => restarts = true,
        "handled" if restarts => {
            restarts = false;
            send(&mut env, Signal::CONT);
            case.order();
        }
        "go" => {
            send(&mut env, Signal::CONT);
            case.order();
        }
        _ => {}
    });
}

const NOBODY: u32 = 65534;
const SOMEBODY: u32 = 65533;

/// A server of user nobody, on a socket in `folder`, whose node 0 is an input and 1 an output.
fn server_of_nobody(folder: &Path) -> (Running, PathBuf) {
    let socket = folder.join("s");
    let mut server = as_user(NOBODY, binary("vloopbackd")).arg("--socket").arg(&socket).start();
    let mut before = Vec::new();
    while let Some(line) = server.line() {
        if line.starts_with("ready ") {
            return (server, socket);
        }
        before.push(line);
    }
    panic!("no server of nobody: {before:?} {}", server.stderr());
}

fn as_user(uid: u32, program: impl AsRef<Path>) -> Job {
    let (user, group) = (format!("--reuid={uid}"), format!("--regid={uid}"));
    Job::new("setpriv").args([&user, &group, "--clear-groups", "--"]).arg(program.as_ref())
}

/// What env(1) is to set for a program, and for no other: the library is of the program's word size.
fn served(library: &Path, socket: &Path) -> [String; 2] {
    [format!("LD_PRELOAD={}", library.display()), format!("VLOOPBACK_SOCKET={}", socket.display())]
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

/// Whoever can put a socket where a client looks could show it what he likes. A server of another user is used where
/// root or the client's own user gave him the place (a service's folder in /run), not where anybody could have made
/// it; its own users, and those of a server of root's, always reach it. The library, the SDK and the tools refuse
/// alike, and name the socket and the user.
#[test]
fn a_server_of_another_user_is_refused() {
    if !geteuid().is_root() || !have("setpriv") {
        skip!("only root can become another user, by setpriv (package util-linux)");
    }
    let env = Env::builder().open_to_all().start();
    // Programs that every user can read.
    let (probe, library) = (env.dir().join("probe"), env.dir().join("library.so"));
    copy_program(&program("probe"), &probe);
    copy_program(&env.library(), &library);
    let folder = env.dir().join("theirs");
    fs::create_dir(&folder).expect("a folder");
    chown(&folder, Some(NOBODY), Some(NOBODY)).expect("chown");
    let (server, socket) = server_of_nobody(&folder);
    let list = fs::read_to_string(folder.join("s.d/proc/video/vloopback/vloopbacks")).expect("the list");
    let words: Vec<&str> = list.lines().last().expect("a pipe").split('\t').collect();
    let (input, output) = (format!("/dev/{}", words[1]), format!("/dev/{}", words[3]));

    let preloaded = |uid: u32| {
        let job = as_user(uid, "env").args(served(&library, &socket)).arg(&probe);
        let ended = job.args(["open", "--device", &output]).output();
        let errno = ended.text().split("\"errno\":").nth(1).and_then(|rest| {
            rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<i32>().ok())
        });
        (errno.unwrap_or_else(|| panic!("{}{}", ended.text(), ended.stderr)), ended.stderr.clone())
    };
    let sdk = || {
        let mut agent = Job::new(env!("CARGO_BIN_EXE_conform_sdk")).arg(&socket).start();
        agent.event("start");
        agent.send(format!("open {input}\n").as_bytes());
        let errno = number(&agent.event("done"), "errno");
        agent.end_input();
        (errno, agent.finish().stderr.clone())
    };
    let tool = |words: &[&str]| env.own("vloopback").args(words).arg("--socket").arg(&socket).output();
    let named = |said: &str| {
        assert!(said.contains(socket.to_str().expect("UTF-8")), "{said}");
        assert!(said.contains("user 65534"), "{said}");
    };
    // Of the mode nobody's own node has, root and nobody may open it, somebody may not: that is the server's answer.
    let all_are_served = || {
        for uid in [0, NOBODY] {
            assert_eq!(preloaded(uid), (0, String::new()), "user {uid}");
        }
        assert_eq!(preloaded(SOMEBODY), (13, String::new()), "by the node's mode");
        assert_eq!(sdk(), (0, String::new()));
        tool(&["list"]).ok();
    };
    let only_nobody_is_served = || {
        for uid in [0, SOMEBODY] {
            let (errno, said) = preloaded(uid);
            assert_eq!(errno, 13, "user {uid}: {said}");
            named(&said);
        }
        assert_eq!(preloaded(NOBODY), (0, String::new()), "its own user's");
        let (errno, said) = sdk();
        assert_eq!(errno, 13, "{said}");
        named(&said);
        for words in
            [&["list"][..], &["snapshot", "0", "x.png"], &["push", "0", "--pattern", "--frames", "1"]]
        {
            let ended = tool(words);
            assert_eq!(ended.code(), 3, "{words:?}: {}", ended.stderr);
            named(&ended.stderr);
        }
        let run = env.own("vloopback").args(["run", "--socket"]).arg(&socket).args(["--", "true"]).output();
        assert_eq!(run.code(), 3, "{}", run.stderr);
        named(&run.stderr);
    };

    // Root has given the folder to nobody, as to a service.
    all_are_served();
    // Others may change it.
    for mode in [0o777, 0o1777, 0o775] {
        set_mode(&folder, mode);
        only_nobody_is_served();
    }
    set_mode(&folder, 0o755);
    all_are_served();
    // Nobody has made it, where everybody can make folders.
    set_mode(env.dir(), 0o1777);
    only_nobody_is_served();
    // It is a third user's.
    set_mode(env.dir(), 0o755);
    chown(&folder, Some(SOMEBODY), None).expect("chown");
    let (errno, said) = preloaded(0);
    assert_eq!(errno, 13, "{said}");
    named(&said);
    drop(server);
}

/// A container that does not know the server's user is told 65534, of the server and of the folders' owners alike,
/// and goes on: who made it has put the socket there.
#[test]
fn a_container_goes_on_with_a_server_that_it_does_not_know() {
    if !geteuid().is_root() || !have("setpriv") {
        skip!("only root can become another user, by setpriv (package util-linux)");
    }
    let env = Env::builder().open_to_all().without_daemon();
    let config = env.dir().join("config.toml");
    fs::write(&config, "mode = \"0666\"\n").expect("a file");
    let mut server = env.daemon_job().arg("--config").arg(&config).start();
    while server.line().is_some_and(|line| !line.starts_with("ready ")) {}
    let (probe, library) = (env.dir().join("probe"), env.dir().join("library.so"));
    copy_program(&program("probe"), &probe);
    copy_program(&env.library(), &library);
    let container =
        |words: &[&str]| as_user(SOMEBODY, "unshare").args(["--user", "--map-root-user"]).args(words);
    if !container(&["true"]).output().status.success() {
        skip!("no user namespaces here");
    }
    let told = container(&["stat", "-c", "%u", env.socket().to_str().expect("UTF-8")]).output().ok().text();
    assert_eq!(told, "65534\n");
    let words = [probe.to_str().expect("UTF-8"), "open", "--device", &env.pipe(0).output];
    let ended = container(&["env"]).args(served(&library, env.socket())).args(words).output().ok();
    assert!(ended.text().contains("\"errno\":0"), "{}{}", ended.text(), ended.stderr);
    assert_eq!(ended.stderr, "");
}
