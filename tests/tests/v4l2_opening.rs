//! "Opening and Closing Devices" of the V4L2 specification (docs.kernel.org, userspace-api/media/v4l), clause by
//! clause: `open.html`, `app-pri.html`, `func-open.html`, `func-close.html`, and of `io.html` what is about who
//! owns a stream. Each test names its clause and says it in short. The cases are in
//! `tests/programs/v4l2_opening.c`.

use vloopback_tests::cases::{pass, step};
use vloopback_tests::{Env, Pipe, Running};

const SIZE: &str = "64x48";

/// Runs a case that wants no frames on a node.
#[track_caller]
fn on(env: &Env, name: &str, kind: &str, device: &str) {
    let args = [name, "--find", kind, "--device", device, "--size", SIZE];
    pass(env.program("v4l2_opening", &args), |_, _| {});
}

/// Runs a case that wants no frames on both nodes of a pipe that nobody feeds.
#[track_caller]
fn on_both(name: &str) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    on(&env, name, "output", &pipe.output);
    on(&env, name, "input", &pipe.input);
}

fn pusher(env: &Env, pipe: &Pipe) -> Running {
    let args = ["--device", pipe.input.as_str(), "--size", SIZE, "--step", "--report", "1"];
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    pusher
}

/// Runs a case on an output that is fed with a frame whenever it wants one.
#[track_caller]
fn fed(name: &str) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let mut pusher = pusher(&env, &pipe);
    let args = [name, "--device", &pipe.output, "--size", SIZE];
    pass(env.program("v4l2_opening", &args), step(&mut pusher));
}

/// Device Naming: "one or more device nodes with major number 81 and a minor number between 0 and 255", whose
/// names are the conventional ones; the user may select the numbers.
#[test]
fn device_naming() {
    on_both("naming");
    let env = Env::builder().args(&["--pipes", "2", "--dev-offset", "40"]).start();
    let nodes: Vec<(String, String)> = env.pipes().into_iter().map(|p| (p.input, p.output)).collect();
    let expected = [("/dev/video40", "/dev/video41"), ("/dev/video42", "/dev/video43")];
    assert_eq!(nodes, expected.map(|(input, output)| (input.to_owned(), output.to_owned())));
    for (input, output) in &nodes {
        on(&env, "naming", "input", input);
        on(&env, "naming", "output", output);
    }
}

/// Related Devices: "each device node supports just one function". A pipe has a node for output and one for
/// capture, neither of which does the other's, nor overlay, VBI, radio, or several planes.
#[test]
fn related_devices_each_node_has_one_function() {
    on_both("function");
}

/// Multiple Opens: "V4L2 devices can be opened more than once", by one program and by several.
#[test]
fn multiple_opens() {
    on_both("many");
}

/// Multiple Opens: a "panel" application enumerates, asks and changes controls while another captures, whose
/// stream does not notice.
#[test]
fn multiple_opens_a_panel_application_beside_a_stream() {
    fed("panel");
}

/// Multiple Opens: "Just opening a V4L2 device should not change the state of the device". V4L2 open(): no side
/// effects on format, input, output, controls and other properties. V4L2 close(): these "remain unchanged".
#[test]
fn multiple_opens_change_no_state() {
    on_both("opening");
}

/// Multiple Opens: who has allocated buffers is the owner. It may not change what affects their size; other
/// file handles may neither allocate buffers nor start or stop streaming: EBUSY. In this driver that holds
/// within a process; see [`shared_data_streams`] for others.
#[test]
fn multiple_opens_the_owner_of_a_stream() {
    fed("owner");
    let env = Env::new(1);
    on(&env, "owner", "input", &env.pipe(0).input);
}

/// Multiple Opens: read() and write() allocate implicitly, and make an owner as well. I/O: "exactly one I/O
/// method is associated with each file descriptor", so that a reader gets no buffers until it closes.
#[test]
fn multiple_opens_an_owner_by_read_and_write() {
    fed("owner-by-data");
    let env = Env::new(1);
    on(&env, "owner-by-data", "input", &env.pipe(0).input);
}

/// An input's owner is alone also among processes: only one pusher feeds a pipe.
#[test]
fn multiple_opens_an_input_has_one_owner_in_all() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let _pusher = pusher(&env, &pipe);
    for io in ["write", "mmap"] {
        let args = ["--device", &pipe.input, "--format", "YU12", "--size", SIZE, "--io", io, "--frames", "1"];
        let mut second = env.program("v4l2_pusher", &args).start();
        let refused = loop {
            let event = second.any_event().expect("it is refused");
            if event["event"] == "failed" || event["event"] == "error" {
                break event;
            }
            assert_ne!(event["event"], "pushed", "two pushers on one pipe");
        };
        assert_eq!(refused["errno"], 16, "EBUSY: {refused}");
    }
}

/// Multiple Opens: "Merely opening a V4L2 device does not grant exclusive access. Initiating data exchange
/// however" does. O_EXCL is not required to be recognized, and is not.
#[test]
fn multiple_opens_grant_no_exclusive_access() {
    on_both("exclusive");
}

/// Shared Data Streams: drivers "should not" let several applications read one stream; that is left to a proxy
/// in user space. This driver *is* that proxy: each process has a queue, a sequence and a pace of its own, and
/// one owner in it. The first one misses no frame (that nobody who keeps up does, `many_readers.rs` shows).
#[test]
fn shared_data_streams() {
    fed("shared");
}

/// The same within a process, where the pipe's option `share = "all"` says so: a web server that streams twice. Without
/// it the second one is refused, and told of the option, once.
#[test]
fn shared_data_streams_within_a_process() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "pipes = 2\n[[pipe]]\n[[pipe]]\nshare = \"all\"\n").expect("a file");
    let by_file = Env::builder().args(&["--config", file.to_str().expect("UTF-8")]).start();
    let by_option = Env::builder().args(&["--share", "all"]).start();
    for (env, index) in [(&by_file, 1), (&by_option, 0)] {
        let pipe = env.pipe(index);
        let mut pusher = pusher(env, &pipe);
        let args = ["shared-in-one", "--device", &pipe.output, "--size", SIZE];
        pass(env.program("v4l2_opening", &args), step(&mut pusher));
        env.until("all are gone", |pipes| pipes[index].output_status == "-");
    }
    let pipe = by_file.pipe(0);
    let _pusher = pusher(&by_file, &pipe);
    let args = ["shared-in-one", "--device", &pipe.output, "--size", SIZE];
    let mut refused = by_file.program("v4l2_opening", &args).start();
    refused.event("failed");
    let said = refused.finish().stderr.clone();
    let option = format!("streams from {}: EBUSY", pipe.output);
    assert!(said.contains(&option) && said.contains("--share all"), "{said}");
    assert_eq!(said.matches("--share all").count(), 1, "{said}");
}

/// Application Priority, VIDIOC_S_PRIORITY: RECORD is for one open file, and blocks all others from changing
/// properties (EBUSY) but not from asking; its close gives it back, that of one of two descriptors does not.
#[test]
fn application_priority_record_blocks_others() {
    on_both("record");
}

/// Application Priority: opening assigns a medium priority; those in the background are preempted by it and
/// "automatically regain control of the device at a later time".
#[test]
fn application_priority_background_regains_control() {
    on_both("background");
}

/// V4L2 open(), access mode: "must be O_RDWR. This is just a technicality": the other modes open as well, answer
/// every request, and get EBADF for the transfer that they exclude.
#[test]
fn open_access_modes() {
    on_both("modes");
}

/// V4L2 open(), O_NONBLOCK: read() and VIDIOC_DQBUF give EAGAIN when no data is available or no buffer is
/// queued; otherwise they block. Also when it is set or cleared later (fcntl).
#[test]
fn open_nonblocking() {
    fed("nonblock");
}

/// V4L2 open(): "Other flags have no effect."
#[test]
fn open_other_flags() {
    fed("flags");
}

/// V4L2 open(), return value: EMFILE; no such device. (EACCES: `surroundings.rs`. EBUSY, "the driver does not
/// support multiple opens", only for legacy openers: `claims.rs`.)
#[test]
fn open_errors() {
    on_both("errors");
}

/// V4L2 close(): "Any I/O in progress is terminated and resources associated with the file descriptor are
/// freed", buffers, stream and priority alike; properties remain; EBADF. (I/O in progress in another thread:
/// `v4l2_stream.rs`.)
#[test]
fn close_frees_resources() {
    on_both("close");
    fed("close");
    // Nothing is left of the streams that were closed, and the pipe is anybody's.
    let env = Env::new(1);
    let pipe = env.pipe(0);
    on(&env, "close", "input", &pipe.input);
    on(&env, "close", "output", &pipe.output);
    env.until_idle();
    let list = env.list();
    assert_eq!(list[0]["streaming"], 0, "{list}");
    let _pusher = pusher(&env, &pipe);
}

/// The negative run: on the wrong node, or below somebody's priority, the cases fail.
#[test]
fn cases_can_fail() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let fails = |name: &str, kind: &str, device: &str| {
        let args = [name, "--find", kind, "--device", device, "--size", SIZE];
        let mut case = env.program("v4l2_opening", &args).start();
        // What it wants it does not get.
        case.end_input();
        loop {
            let event = case.any_event().unwrap_or_else(|| panic!("{name}: no verdict"));
            assert_ne!(event["event"], "pass", "{name} passes");
            if event["event"] == "failed" {
                return;
            }
        }
    };
    for name in ["function", "many", "opening", "owner", "record", "background", "modes", "close"] {
        fails(name, "input", &pipe.output);
        fails(name, "output", &pipe.input);
    }
    // Somebody else has what the case takes for free.
    let _pusher = pusher(&env, &pipe);
    fails("owner", "input", &pipe.input);
    fails("owner-by-data", "input", &pipe.input);
}
