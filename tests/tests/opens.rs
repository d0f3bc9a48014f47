//! Many opens at once, and what there is at the limits of descriptors (driver/docs/rules.md, "The descriptor" and "The
//! server").

use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Job, Running, binary, full, skip};

const SIZE: &str = "64x48";

/// A server whose limit of descriptors is this, where it is to have one of its own.
fn server(limit: Option<u32>) -> (Env, Option<Running>) {
    let Some(limit) = limit else { return (Env::builder().in_memory().start(), None) };
    let env = Env::builder().in_memory().without_daemon();
    let script = format!("ulimit -n {limit}; exec \"$0\" --socket \"$1\"");
    let mut daemon = Job::new("sh").args(["-c", &script]).arg(binary("vloopbackd")).arg(env.socket()).start();
    let ready = daemon.line().expect("it serves");
    assert!(ready.starts_with("ready"), "{ready}");
    (env, Some(daemon))
}

/// How many have the output open, as `list` says.
fn readers(env: &Env) -> i64 {
    env.list()[0]["readers"].as_i64().expect("readers")
}

/// Runs a case; how many had the output open whenever it said that one may look. `limit`: of the server.
#[track_caller]
fn run(words: &[&str], limit: Option<u32>) -> (Vec<i64>, String) {
    let (env, daemon) = server(limit);
    let pipe = env.pipe(0);
    let args = ["--device", &pipe.input, "--size", SIZE, "--fps", "200"];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    let mut seen = Vec::new();
    let args = [words, &["--device", pipe.output.as_str(), "--size", SIZE]].concat();
    pass(env.program("opens", &args), |event, case| {
        if event == "look" {
            seen.push(readers(&env));
            case.order();
        }
    });
    // Nobody was lost on the way, and nothing is left.
    env.until("nobody watches", |pipes| pipes[0].output_status == "-");
    (seen, daemon.map_or_else(String::new, |daemon| daemon.stderr()))
}

/// Whether this machine lets a process have so many descriptors.
fn can_have(descriptors: u64) -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.maximum.is_none_or(|most| most >= descriptors)
}

/// The usual limit, 1024 a process.
#[test]
fn a_thousand_opens_spread_over_processes() {
    if !can_have(2500) {
        skip!("the server needs more descriptors than there may be");
    }
    let seen = run(&["spread", "--opens", "1000", "--processes", "4"], None).0;
    assert_eq!(seen, [1000, 0]);
}

/// With the limit raised; numbers above 1023 are polled and read, those below by select.
#[test]
fn a_thousand_opens_in_one_process() {
    if !can_have(2500) {
        skip!("the server needs more descriptors than there may be");
    }
    let opens = if full() && can_have(10_000) { 4000 } else { 1030 };
    let seen = run(&["one", "--opens", &opens.to_string()], None).0;
    assert_eq!(seen, [opens, 0]);
}

/// EMFILE is the program's own limit: what is open goes on, one is opened for each that is closed.
#[test]
fn at_the_programs_limit() {
    run(&["own-limit"], None);
}

/// ENFILE is the server's: what is open goes on, streams, is a forked child's; the server says what to do.
#[test]
fn at_the_servers_limit() {
    let (seen, told) = run(&["server-limit"], Some(256));
    // Two descriptors each, and some in reserve.
    assert!(seen.iter().all(|&n| (60..128).contains(&n)), "{seen:?}");
    assert!(told.contains("256 is the server's limit") && told.contains("ulimit -n"), "{told}");
    assert!(told.lines().count() < 20, "not a line for each: {told}");
}

/// Negative run: with a limit that suffices the case finds no end.
#[test]
#[should_panic(expected = "the last open gives")]
fn a_server_without_a_limit_is_seen() {
    // The program's own limit comes first.
    run(&["server-limit"], Some(16_000));
}
