//! The descriptor's rules (driver/docs/rules.md, "The descriptor"), one C case each.

use rustix::process::Signal;
use serde_json::Value;
use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Running, have, skip};

/// How often a case that asks for single frames is served at most.
const STEPS: usize = 50;

/// A daemon, and a pusher of 320x240 YUV420P that is set up.
fn fed(pusher_args: &[&str]) -> (Env, Running, String) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut args = vec!["--device", pipe.input.as_str()];
    args.extend(pusher_args);
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    (env, pusher, pipe.output)
}

/// Runs a case beside a pusher at 200 frames a second.
fn flowing(case: &str) {
    let (env, pusher, output) = fed(&["--fps", "200"]);
    let mut program = env.program("descriptors", &[case, "--device", &output]).start();
    program.event("pass");
    program.finish().ok();
    drop(pusher);
}

/// Runs a case that asks for each frame, and pushes one when it does.
fn stepped(case: &str) {
    served(case, &["--step", "--report", "1"]);
}

/// The same with a pusher of these options.
fn served(case: &str, pusher_args: &[&str]) {
    let (mut env, mut pusher, output) = fed(pusher_args);
    let mut program = env.program("descriptors", &[case, "--device", &output]).start();
    for _ in 0..STEPS {
        let event = program.any_event().unwrap_or(Value::Null);
        match event["event"].as_str() {
            Some("want") => {
                pusher.order();
                pusher.event("frame");
                program.order();
            }
            Some("kill-server") => env.kill_daemon(),
            Some("pass") => {
                program.finish().ok();
                return;
            }
            Some("failed") | None => panic!("{case}: {event}, {}", program.stderr()),
            _ => {}
        }
    }
    panic!("{case} does not end");
}

/// dup, dup2, dup3, F_DUPFD_CLOEXEC, and the first one closed first (driver/docs/clients.md, "What each program
/// needs", GStreamer).
#[test]
fn duplicates_live_on_when_the_first_is_closed() {
    flowing("dup");
}

#[test]
fn a_number_that_dup2_takes_changes_what_it_is() {
    flowing("dup-over");
}

#[test]
fn a_fork_shares_the_device() {
    flowing("fork");
}

/// Several forked children open the device and stay: nobody waits for another.
#[test]
fn forked_children_open_for_themselves() {
    flowing("fork-many");
}

#[test]
fn a_childs_close_leaves_the_parents_stream() {
    flowing("fork-mapped");
}

/// A new program image recognises the descriptor that it was given.
#[test]
fn an_exec_keeps_the_device() {
    flowing("exec");
}

#[test]
fn close_on_exec_is_the_kernels_own() {
    flowing("cloexec");
}

#[test]
fn threads_share_and_open_devices() {
    flowing("threads");
}

#[test]
fn close_range_closes_ours_and_spares_the_hidden() {
    flowing("close-range");
}

#[test]
fn closefrom_closes_ours_and_spares_the_hidden() {
    flowing("closefrom");
}

#[test]
fn closing_every_number_spares_the_hidden() {
    flowing("close-loop");
}

/// Raw system calls close even hidden descriptors: nothing is written into the program's own files.
#[test]
fn raw_closes_do_no_harm() {
    flowing("raw-close");
}

/// A signal handler may read from the device wherever it interrupts the program.
#[test]
fn a_signal_handler_reads() {
    flowing("handler");
}

#[test]
fn flags_are_the_kernels_own() {
    flowing("flags");
}

/// SCM_RIGHTS to a process that never opened a device.
#[test]
fn a_passed_descriptor_works() {
    flowing("scm");
}

/// A vfork child that closes everything changes nothing in its parent.
#[test]
fn a_vfork_child_changes_nothing() {
    flowing("vfork");
}

#[test]
fn open_gives_the_lowest_free_number() {
    flowing("numbers");
}

#[test]
fn stat_and_fstat_agree() {
    flowing("stat");
}

#[test]
fn memory_stays_after_close() {
    flowing("kept-mapping");
}

/// A handler without SA_RESTART gives EINTR in read and SYNC.
#[test]
fn without_sa_restart_a_blocked_call_gives_eintr() {
    stepped("eintr");
}

/// With SA_RESTART the kernel restarts read and SYNC.
#[test]
fn with_sa_restart_a_blocked_call_goes_on() {
    stepped("restart");
}

#[test]
fn a_non_blocking_read_gives_eagain() {
    stepped("nonblock");
}

/// driver/docs/clients.md, "Readiness": readable exactly when a frame is ready, never writable.
#[test]
fn readiness_is_a_frame() {
    stepped("poll");
}

/// driver/docs/rules.md, "The server": when the daemon dies, pollers wake and calls give ENODEV.
#[test]
fn the_servers_death_hangs_up() {
    served("hangup", &["--fps", "200"]);
}

/// `cat < /dev/videoN` under a shell: the new image meets a descriptor that it never opened, reads
/// whole frames, and ends when the pusher leaves (driver/docs/old-api.md, "Kept": a waiting read gives 0).
#[test]
fn cat_reads_a_device_that_the_shell_opened() {
    const LEN: usize = 160 * 120 * 3 / 2;
    let (env, mut pusher, output) = fed(&["--size", "160x120", "--fps", "100"]);
    // A legacy process: others see the placeholder when the pusher is gone.
    let mut cat = env.run_legacy(&["sh", "-c", &format!("exec cat < {output}")]).start();
    let mut last = None;
    for _ in 0..10 {
        let number = vloopback_tests::pattern::check(&cat.bytes(LEN)).expect("a whole frame");
        assert!(last < Some(number), "{last:?} before {number}");
        last = Some(number);
    }
    pusher.end_input();
    pusher.finish().ok();
    let ended = cat.finish().ok();
    assert_eq!(ended.stdout.len() % LEN, 0, "the rest is whole frames");
}

/// driver/docs/old-api.md, "Kept": a write before SWIN is EINVAL, also through a descriptor that the shell opened.
#[test]
fn a_shell_redirection_pushes_nothing_before_a_format_is_set() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let ended = env.run(&["sh", "-c", &format!("echo not-a-frame > {input}")]).output();
    assert_ne!(ended.code(), 0, "a write before SWIN is EINVAL");
}

/// driver/docs/rules.md, "The descriptor": a stopped process is as with any device; SIGCONT goes on.
#[test]
fn a_stopped_client_goes_on() {
    let (env, pusher, output) = fed(&["--fps", "200"]);
    let mut client =
        env.program("client_motion", &["--device", &output, "--report", "1", "--frames", "200"]).start();
    client.frame(3);
    client.signal(Signal::STOP);
    client.signal(Signal::CONT);
    let result = client.result();
    assert_eq!(result["torn"], 0, "{result}");
    drop(pusher);
}

/// driver/docs/clients.md, "What each program needs": v4l2-compliance opens a device a hundred times at once.
#[test]
fn a_hundred_opens_at_once() {
    if !have("python3") {
        skip!("no python3");
    }
    let (env, pusher, output) = fed(&["--fps", "200"]);
    let code = format!(
        "import os\nfds=[os.open('{output}', os.O_RDWR) for _ in range(100)]\n\
         print(len(os.read(fds[99], 115200)), len(os.read(fds[0], 115200)))\n\
         [os.close(fd) for fd in fds]\n"
    );
    let text = env.run(&["python3", "-c", &code]).output().ok().text();
    assert_eq!(text, "115200 115200\n");
    drop(pusher);
}

/// A V4L2 stream that goes from hand to hand (`v4l2_pass.c`), beside a pusher at 200 frames a second.
#[track_caller]
fn streaming(case: &str) {
    let (env, pusher, output) = fed(&["--size", "64x48", "--fps", "200"]);
    pass(env.program("v4l2_pass", &[case, "--device", &output, "--size", "64x48"]), |_, _| {});
    // Whoever had it, nobody has it any more.
    env.until("nobody watches", |pipes| pipes[0].output_status == "-");
    drop(pusher);
}

/// Queued in one process, dequeued in the other, by SCM_RIGHTS; each has it mapped.
#[test]
fn two_processes_share_a_queue() {
    streaming("two");
}

/// The opener is killed, the next one has gone: the third goes on, and begins anew.
#[test]
fn a_stream_outlives_its_opener() {
    streaming("orphan");
}

#[test]
fn duplicates_are_one_queue() {
    streaming("dups");
}

#[test]
fn an_exec_keeps_the_stream() {
    streaming("exec");
}

/// What its opener has begun to push another process goes on with; the client sees one stream.
#[test]
fn a_pushers_stream_is_passed_on() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let args = ["pusher", "--device", &pipe.input, "--size", "64x48"];
    let mut pusher = env.program("v4l2_pass", &args).start();
    pusher.event("setup");
    let args = ["--device", &pipe.output, "--size", "64x48", "--format", "YU12", "--frames", "200"];
    let mut client = env.program("v4l2_client", &args).start();
    let stream = client.event("stream");
    assert_eq!((&stream["skew"], &stream["cards"]), (&0.into(), &0.into()), "{stream}");
    let result = client.result();
    for wrong in ["torn", "foreign", "back", "errors"] {
        assert_eq!(result[wrong], 0, "{wrong}: {result}");
    }
    pusher.end_input();
    pusher.event("pass");
    pusher.finish().ok();
    env.until_idle();
}
