//! A device's caller that is another process (`vloopback_tests::foreign`), beyond what the conformance suite asks of it:
//! V4L1's mappings, memory that the program brings, what is refused. The programs have nothing of ours in them.

use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Job, Width, number, program_of};

/// A program of `tests/programs` whose system calls a supervisor serves.
fn foreign(env: &Env, name: &str, args: &[&str]) -> Job {
    let mut job = Job::new(env!("CARGO_BIN_EXE_conform_foreign"));
    job = job.arg(env.socket()).arg(program_of(name, Width::Native));
    for arg in args {
        job = job.arg(arg);
    }
    job.named(&format!("conform_foreign {name} {}", args.join(" ")))
}

/// A case of `v4l2_memory`, which is pusher and client at once.
fn memory(name: &str, more: &[&str]) {
    let env = Env::builder().args(&["--pipes", "1", "--idle", "wait"]).start();
    let pipe = env.pipe(0);
    let mut args = vec![name, "--device", &pipe.output, "--find", &pipe.input, "--size", "328x246"];
    args.extend(more);
    pass(foreign(&env, "v4l2_memory", &args), |_, _| {});
}

/// Frames go to the addresses and files that another process named, bit for bit.
#[test]
fn memory_that_the_program_brings() {
    for name in ["userptr", "dmabuf", "push_userptr", "push_dmabuf", "push_times"] {
        memory(name, &[]);
    }
}

/// The negative run: one wrong bit in every frame is seen.
#[test]
fn a_wrong_bit_is_seen() {
    for name in ["userptr", "dmabuf", "push_userptr", "push_dmabuf"] {
        let said = std::panic::catch_unwind(|| memory(name, &["--wrong-all"])).expect_err(name);
        let said = said.downcast_ref::<String>().expect("a message");
        assert!(said.contains("is whole") && !said.contains("has to be"), "{name}: {said}");
    }
}

/// CREATE_BUFS: the buffers that are added lie in a window of their own, behind the first one's end.
#[test]
fn buffers_that_are_added() {
    memory("create", &[]);
    memory("prepare", &[]);
}

/// V4L1: MCAPTURE and SYNC of frames that the program has mapped at once, and read(); from a pusher of write().
#[test]
fn old_programs() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let size = ["--size", "320x240"];
    let push = ["--device", &pipe.input, "--frames", "200", "--wait"];
    let mut pusher = foreign(&env, "push_motion", &[&push[..], &size].concat()).start();
    pusher.event("setup");
    let watch = ["--device", &pipe.output];
    let mut mapped = foreign(&env, "client_motion", &[&watch[..], &size].concat()).start();
    let mut native = env.program("client_motion", &[&watch[..], &size].concat()).start();
    let mut reader = foreign(&env, "client_read", &[&watch[..], &size].concat()).start();
    for client in [&mut mapped, &mut native, &mut reader] {
        client.event("ready");
    }
    pusher.order();
    assert_eq!(pusher.event("pushed")["written"], 200);
    pusher.end_input();
    for client in [&mut mapped, &mut native, &mut reader] {
        let result = client.event("result");
        for wrong in ["torn", "foreign", "back"] {
            assert_eq!(number(&result, wrong), 0, "{wrong}: {result}");
        }
        // The one error is the end: the pusher has left.
        assert!(number(&result, "received") > 10 && number(&result, "errors") <= 1, "{result}");
    }
}

/// A client that is killed in the middle of a call leaves the pipe to the others.
#[test]
fn a_killed_program_leaves_nothing() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let push = ["--device", &pipe.input, "--format", "YU12", "--size", "320x240", "--fps", "100"];
    let mut pusher = foreign(&env, "v4l2_pusher", &[&push[..], &["--report", "1"]].concat()).start();
    pusher.frame(0);
    let watch = ["--device", &pipe.output, "--format", "YU12", "--size", "320x240", "--report", "1"];
    for _ in 0..5 {
        let mut client = foreign(&env, "v4l2_client", &watch).start();
        client.frame(0);
        client.kill();
    }
    pusher.kill();
    drop(pusher);
    env.until_idle();
}
