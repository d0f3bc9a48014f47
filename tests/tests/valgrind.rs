//! Programs under valgrind, which knows no second view of a mapping and emulates some system calls: those that map
//! frames or buffers work there as well, and with `tests/valgrind.supp` memcheck finds nothing to say of the library.

use vloopback_tests::{Env, Job, Running, clean, have, number, program, skip, source_root};

const SIZE: &str = "64x48";
/// Memcheck's exit status where it has found something.
const FOUND: i32 = 77;

/// One of `tests/programs` under memcheck, by `vloopback run`.
fn checked(env: &Env, with: bool, name: &str, args: &[&str]) -> Job {
    let suppressions = format!("--suppressions={}", source_root().join("tests/valgrind.supp").display());
    let exit = format!("--error-exitcode={FOUND}");
    let path = program(name);
    let mut words = vec!["valgrind", "-q", &exit];
    words.extend(with.then_some(suppressions.as_str()));
    words.push(path.to_str().expect("UTF-8"));
    words.extend(args);
    env.run(&words).named(&format!("valgrind {name}"))
}

fn watches(env: &Env, name: &str, extra: &[&str]) -> Job {
    let pipe = env.pipe(0);
    let args = ["--device", &pipe.output, "--size", SIZE, "--frames", "30"];
    checked(env, true, name, &[&args, extra].concat())
}

fn push(env: &Env, name: &str, extra: &[&str]) -> Running {
    let pipe = env.pipe(0);
    let args = ["--device", &pipe.input, "--size", SIZE, "--fps", "30"];
    env.program(name, &[&args, extra].concat()).start()
}

fn end(pusher: Running) {
    let mut pusher = pusher;
    pusher.end_input();
    pusher.finish().ok();
}

/// V4L1 and V4L2 clients that map: alone, where frames are shown in place, and two at once and with many buffers held,
/// where some are copied to memory of their own.
#[test]
fn clients_that_map() {
    if !have("valgrind") {
        skip!("no valgrind");
    }
    let env = Env::new(1);
    let mut pusher = push(&env, "push_motion", &[]);
    pusher.event("setup");
    clean(&watches(&env, "client_motion", &[]).start().result(), 30);
    clean(&watches(&env, "v4l2_client", &[]).start().result(), 30);
    let both = [
        watches(&env, "client_motion", &[]).start(),
        watches(&env, "client_motion", &[]).start(),
        watches(&env, "v4l2_client", &["--buffers", "16", "--keep", "12"]).start(),
    ];
    for client in both {
        clean(&client.result(), 30);
    }
    clean(&watches(&env, "client_read", &[]).start().result(), 30);
    end(pusher);
}

/// Pushers: write() by either API, and V4L2's buffers, which are filled in place.
#[test]
fn pushers() {
    if !have("valgrind") {
        skip!("no valgrind");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for (name, extra) in
        [("push_motion", &[][..]), ("v4l2_pusher", &["--io", "write"]), ("v4l2_pusher", &["--io", "mmap"])]
    {
        let args = ["--device", &pipe.input, "--size", SIZE, "--fps", "30"];
        let pusher = checked(&env, true, name, &[&args, extra].concat()).start();
        env.until("a pusher", |pipes| pipes[0].input_status == "W");
        let args = ["--device", &pipe.output, "--frames", "30", "--patience", "1000"];
        let result = env.program("v4l2_client", &[&args[..], &["--restart"]].concat()).start().result();
        assert_eq!(
            (number(&result, "torn"), number(&result, "received")),
            (0, 30),
            "{name} {extra:?}: {result}"
        );
        end(pusher);
        env.until_idle();
    }
}

/// A zero-copy pusher and its client, whose memory is the pusher's own.
#[test]
fn zero_copy() {
    if !have("valgrind") {
        skip!("no valgrind");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let words = ["--device", &pipe.input, "--style", "poll", "--size", SIZE, "--fps", "30"];
    let mut pusher = checked(&env, true, "zc_pusher", &words).start();
    pusher.event("setup");
    let words = ["--device", &pipe.output, "--frames", "10"];
    clean(&checked(&env, true, "zc_client", &words).start().result(), 10);
    end(pusher);
}

/// Without the file memcheck does find what the file names, so that the tests above judge something.
#[test]
fn the_suppressions_are_needed() {
    if !have("valgrind") {
        skip!("no valgrind");
    }
    let env = Env::new(1);
    let mut pusher = push(&env, "push_motion", &[]);
    pusher.event("setup");
    let words = ["--device", &env.pipe(0).output, "--size", SIZE, "--frames", "5"];
    let mut client = checked(&env, false, "client_motion", &words).start();
    client.event("result");
    client.end_input();
    let ended = client.finish();
    assert_eq!(ended.code(), FOUND, "{}", ended.stderr);
    assert!(ended.says("rt_sigprocmask(set)"), "{}", ended.stderr);
    end(pusher);
}
