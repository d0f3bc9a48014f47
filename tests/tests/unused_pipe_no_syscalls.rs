//! `write()` on an unused pipe makes no system call (driver/docs/rules.md, "Copies" and "Performance"): counted, not
//! claimed.

use vloopback_tests::{Env, Running, have, skip};

const WRITES: i64 = 10_000;

/// Counts by a seccomp filter that traps every call of the writing thread.
fn counted(env: &Env, size: &str) -> serde_json::Value {
    let pipe = env.pipe(0);
    let frames = WRITES.to_string();
    let args = ["--device", pipe.input.as_str(), "--size", size, "--frames", frames.as_str()];
    let mut writer = env.program("unused", &args).start();
    let result = writer.event("result");
    writer.finish().ok();
    env.until_idle();
    assert_eq!(result["control"], 1, "the counting itself: one getppid() is one call; {result}");
    assert_eq!(result["full"], WRITES, "every write takes the whole frame; {result}");
    result
}

/// No client has ever come.
#[test]
fn no_system_call_on_a_pipe_that_nobody_opened() {
    let env = Env::new(1);
    for size in ["20x20", "320x240", "1920x1080"] {
        let result = counted(&env, size);
        assert_eq!(result["calls"], 0, "{size}: {result}");
    }
}

/// A client that has the output open but takes no frames does not count as streaming.
#[test]
fn no_system_call_beside_an_open_output_that_does_not_stream() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let frames = WRITES.to_string();
    let args = ["--device", pipe.input.as_str(), "--frames", frames.as_str(), "--wait"];
    let mut writer = env.program("unused", &args).start();
    writer.event("setup");
    let mut opener = env.program("probe", &["open", "--device", &pipe.output, "--hold"]).start();
    assert_eq!(opener.event("opened")["errno"], 0);
    writer.order();
    let result = writer.event("result");
    assert_eq!((&result["calls"], &result["full"]), (&0.into(), &WRITES.into()), "{result}");
}

/// The same after a client came and went, and after one was killed.
#[test]
fn no_system_call_after_the_last_client_left() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for kill in [false, true] {
        let frames = WRITES.to_string();
        let args = ["--device", pipe.input.as_str(), "--frames", frames.as_str(), "--wait"];
        let mut writer = env.program("unused", &args).start();
        writer.event("setup");
        let mut client: Running = env.program("client_motion", &["--device", &pipe.output]).start();
        client.event("ready");
        if kill {
            client.kill();
        } else {
            client.signal(rustix::process::Signal::TERM);
        }
        client.finish();
        env.until("the client is gone", |pipes| pipes[0].output_status == "-");
        writer.order();
        let result = writer.event("result");
        assert_eq!((&result["calls"], &result["full"]), (&0.into(), &WRITES.into()), "{result}");
        writer.finish().ok();
        env.until_idle();
    }
}

/// The same count by a second judge, strace, between two marks.
#[test]
fn strace_sees_none_either() {
    if !have("strace") {
        skip!("no strace");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let trace = env.dir().join("trace");
    let trace = trace.to_str().expect("a path in UTF-8");
    let program = vloopback_tests::program("unused");
    let program = program.to_str().expect("a path in UTF-8");
    let command =
        ["strace", "-f", "-o", trace, program, "mark", "--device", &pipe.input, "--frames", "10000"];
    let ended = env.run(&command).output();
    if ended.stderr.contains("ptrace") {
        skip!("strace may not trace here: {}", ended.stderr.trim());
    }
    let ended = ended.ok();
    assert!(ended.text().contains("\"full\":10000"), "{}", ended.text());
    let text = std::fs::read_to_string(trace).expect("the trace");
    let begin = text.lines().position(|l| l.contains("vloopback-begin")).expect("the first mark");
    let end = text.lines().position(|l| l.contains("vloopback-end")).expect("the second mark");
    let between: Vec<&str> = text.lines().take(end).skip(begin + 1).collect();
    assert!(
        between.is_empty(),
        "{} calls, the first ones: {:#?}",
        between.len(),
        &between[..between.len().min(10)]
    );
}
