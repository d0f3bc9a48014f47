//! C's streams over devices: fopen, fdopen, freopen, the standard streams of a program, and the tools that everybody
//! has. Nothing hangs, nothing is lost, and what cannot be done is an error.

use std::fs;

use vloopback_tests::cases::pass;
use vloopback_tests::{Env, Job, Running, number, pattern, program};

const SIZE: &str = "64x48";

/// A frame of YUYV of that size, as `push_numbered` pushes them.
const YUYV: usize = 6144;

fn push(env: &Env, extra: &[&str]) -> Running {
    let input = env.pipe(0).input;
    let args = [&["--device", input.as_str(), "--size", SIZE, "--fps", "100"], extra].concat();
    let mut pusher = env.program("push_motion", &args).start();
    pusher.event("setup");
    pusher
}

fn reader(env: &Env, name: &str) -> Job {
    env.program("stdio", &[name, "--device", &env.pipe(0).output, "--size", SIZE])
}

/// Every case that reads, with the same pusher.
#[test]
fn streams_read_whole_frames() {
    let env = Env::new(1);
    let _pusher = push(&env, &[]);
    for name in ["reads", "reopens", "forks", "threads", "read_ahead"] {
        pass(reader(&env, name), |_, _| {});
    }
}

/// A wrong bit in the pusher's frames is seen.
#[test]
#[should_panic(expected = "a frame is whole")]
fn a_wrong_bit_that_is_read_is_seen() {
    let env = Env::new(1);
    let _pusher = push(&env, &["--wrong-all"]);
    pass(reader(&env, "reads"), |_, _| {});
}

/// A program whose standard input is a device from its start.
#[test]
fn standard_input_is_a_device() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let _pusher = push(&env, &[]);
    let script = format!("{} standard_input --size {SIZE} < {}", program("stdio").display(), pipe.output);
    pass(env.run(&["sh", "-c", &script]), |_, _| {});
}

/// What a case that writes sends: as a client has it.
fn client_of(env: &Env, name: &str, extra: &[&str]) -> serde_json::Value {
    let pipe = env.pipe(0);
    let args = [&[name, "--device", pipe.input.as_str(), "--size", SIZE], extra].concat();
    let mut pusher = env.program("stdio", &args).start();
    pusher.event("setup");
    let args = ["--device", pipe.output.as_str(), "--size", SIZE, "--frames", "40"];
    let result = env.program("v4l2_client", &args).start().result();
    pusher.order();
    pusher.event("pass");
    result
}

/// fwrite, putc, fprintf, halves, a child's; streams for writing, for appending, without a buffer; standard output that
/// becomes a device and another thing again, in turn; dprintf.
#[test]
fn streams_write_whole_frames() {
    for name in ["writes", "appends", "unbuffered", "standard_output", "prints"] {
        let env = Env::new(1);
        let result = client_of(&env, name, &[]);
        let counts = ["torn", "errors", "back"].map(|key| number(&result, key));
        assert_eq!(counts, [0, 0, 0], "{name}: {result}");
    }
}

/// A wrong bit in what a stream writes is seen by the client.
#[test]
#[should_panic(expected = r#""torn":40"#)]
fn a_wrong_bit_that_is_written_is_seen() {
    client_of(&Env::new(1), "writes", &["--wrong-all"]);
}

/// What a stream still has when the program ends is written then.
#[test]
fn exit_writes_what_is_left() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let mut pusher = env.program("stdio", &["at_exit", "--device", &input, "--size", SIZE]).start();
    pusher.event("setup");
    assert_eq!(env.written(), 0);
    pusher.order();
    pusher.event("pass");
    pusher.finish().ok();
    assert_eq!(env.written(), 1);
}

/// A child between vfork and exec makes a device its standard output: its parent's streams stay as they are.
#[test]
fn a_child_of_vfork_changes_no_stream_of_its_parents() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    pass(env.program("stdio", &["vforks", "--device", &input, "--size", SIZE]), |_, _| {});
    assert_eq!(env.written(), 1);
}

/// Standard error writes at once, also to a device.
#[test]
fn standard_error_keeps_nothing_back() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    pass(env.program("stdio", &["standard_error", "--device", &input, "--size", SIZE]), |_, _| {});
    assert_eq!(env.written(), 1);
}

/// A server that has died is an error of the stream's, not a hang.
#[test]
fn a_device_that_is_gone_is_an_error() {
    let mut env = Env::new(1);
    let input = env.pipe(0).input;
    let mut pusher = env.program("stdio", &["gone", "--device", &input, "--size", SIZE]).start();
    pusher.event("setup");
    env.kill_daemon();
    pusher.order();
    pusher.event("pass");
}

/// What everybody reads a file with: the bytes are the frames', from the first to the last.
#[test]
fn programs_read_by_stdio() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let _pusher = env.push_numbered(&pipe.input, (64, 48), 1);
    let (seen, device) = (env.dir().join("seen"), &pipe.output);
    let count = 3 * YUYV;
    let od = format!("od -An -v -tx1 -w1 -N {count}");
    let plain =
        "import sys\nwhat = open(sys.argv[1], 'rb').read(int(sys.argv[2]))\nsys.stdout.buffer.write(what)";
    let text = "import sys\nwhat = open(sys.argv[1], encoding='latin-1', newline='').read(int(sys.argv[2]))\n\
        sys.stdout.buffer.write(what.encode('latin-1'))";
    let perl = "open(F, '<', $ARGV[0]) or die; binmode F; $n = read F, $b, $ARGV[1] - 1; print $b, getc F";
    for (name, script) in [
        ("od", format!("{od} {device}")),
        ("od of standard input", format!("{od} < {device}")),
        ("od of a pipe's end", format!("cat {device} | {od}")),
        ("head", format!("head -c {count} {device}")),
        ("perl", format!("perl -e \"$PERL\" {device} {count}")),
        ("python", format!("python3 -c \"$PLAIN\" {device} {count}")),
        ("python, as text", format!("python3 -c \"$TEXT\" {device} {count}")),
        ("od of /dev/stdin", format!("od -An -v -tx1 -w1 -N {count} /dev/stdin < {device}")),
    ] {
        let script = format!("{{ {script}; }} > {}", seen.display());
        let job = env.run(&["sh", "-c", &script]).env("PERL", perl).env("PLAIN", plain).env("TEXT", text);
        job.output().ok();
        let mut bytes = fs::read(&seen).expect("what was read");
        if script.contains("od -An") {
            let text = String::from_utf8(bytes).expect("text");
            bytes = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
        }
        pattern::frames(&bytes, YUYV, 3, &(1..u32::MAX)).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    }
}

/// What everybody writes a file with. The film's frames have one value each, so that a byte too many or too few is seen,
/// and all of them arrive.
#[test]
fn programs_write_by_stdio() {
    // No cards between the writers.
    let env = Env::builder().args(&["--idle", "wait"]).start();
    let pipe = env.pipe(0);
    // No zero, no line's end, nothing beyond ASCII: a shell can have it in a variable.
    let film: Vec<u8> = (b'a'..=b'z').flat_map(|frame| vec![frame; YUYV]).collect();
    let (file, seen) = (env.dir().join("film"), env.dir().join("seen"));
    fs::write(&file, &film).expect("a file");
    let input = &pipe.input;
    env.run(&["v4l2-ctl", "-d", input, "-x", "width=64,height=48,pixelformat=YUYV"]).output().ok();
    let python = "import sys\nwith open(sys.argv[1], 'w', encoding='latin-1') as f:\n    \
        print(open('film').read(), end='', file=f)";
    let unbuffered = "$| = 1; open(F, '<', 'film'); print while read F, $_, 1000";
    for (name, writer) in [
        ("tee", format!("dd if=film bs=1000 2>/dev/null | tee {input} > /dev/null")),
        ("tee -a", format!("tee -a {input} < film > /dev/null")),
        ("tee's standard output", format!("tee /dev/null < film > {input}")),
        ("bash's printf", format!("bash -c 'printf %s \"$(cat film)\" > {input}'")),
        ("bash, by a number that it has", format!("exec 5>{input}; bash -c 'printf %s \"$(cat film)\" >&5'")),
        ("a child of bash", format!("exec 5>{input}; bash -c '(printf %s \"$(cat film)\" >&5); true'")),
        ("awk", format!("awk '{{ printf \"%s\", $0 }}' film > {input}")),
        ("sed", format!("sed -z s/none/other/ film > {input}")),
        (
            "perl",
            format!("perl -e 'open(F, \">\", \"{input}\"); open(G, \"film\"); print F <G>; close F or die'"),
        ),
        ("perl, as it comes", format!("perl -e \"$UNBUFFERED\" > {input}")),
        ("python, as text", format!("python3 -c \"$PYTHON\" {input}")),
        ("python's print", format!("python3 -c 'print(open(\"film\").read(), end=\"\")' > {input}")),
    ] {
        let before = env.written();
        let in_folder = format!("cd {} && {{ {writer}; }}", env.dir().display());
        let run = |script: &str| {
            let job = env.run(&["bash", "-c", script]).env("PYTHON", python).env("UNBUFFERED", unbuffered);
            job.output().ok()
        };
        run(&in_folder);
        assert_eq!(env.written() - before, 26, "{name}: as many frames as the file has");
        // And in a loop, for a reader.
        let script = format!(
            "dd if={} of={} bs={YUYV} iflag=fullblock count=40 2>/dev/null & reader=$!; \
             while kill -0 $reader 2>/dev/null; do ( {in_folder} ); done; wait $reader",
            pipe.output,
            seen.display(),
        );
        run(&script);
        let seen = fs::read(&seen).expect("what was read");
        assert_eq!(seen.len(), 40 * YUYV, "{name}");
        for (k, frame) in seen.chunks(YUYV).enumerate() {
            assert!(
                frame.iter().all(|byte| *byte == frame[0]) && frame[0].is_ascii_lowercase(),
                "{name}: frame {k}"
            );
        }
    }
}

/// A reader's end ends what writes to it, a refusal is told: no program hangs.
#[test]
fn programs_are_told_of_errors() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    // Nobody has set a format.
    for (name, writer) in [
        ("tee", format!("head -c 100000 /dev/zero | tee {} > /dev/null", pipe.input)),
        ("printf", format!("bash -c 'printf %s xyz > {}'", pipe.input)),
        ("sed", format!("echo xyz | sed s/x/y/ > {}", pipe.input)),
        // An output is not written.
        ("tee of an output", format!("echo xyz | tee {} > /dev/null", pipe.output)),
        ("od of an input", format!("od -N 10 {}", pipe.input)),
    ] {
        let ended = env.run(&["bash", "-c", &writer]).output();
        assert_ne!(ended.code(), 0, "{name}: {ended:?}");
        assert!(ended.text().is_empty() || name == "od of an input", "{name}: {ended:?}");
    }
}

/// iostream's cout goes through C's standard output.
#[test]
fn c_plus_plus_writes() {
    if !vloopback_tests::have("c++") {
        vloopback_tests::skip!("no c++ (package g++)");
    }
    let env = Env::new(1);
    let input = env.pipe(0).input;
    env.run(&["v4l2-ctl", "-d", &input, "-x", "width=64,height=48,pixelformat=YUYV"]).output().ok();
    let (source, program) = (env.dir().join("cout.cc"), env.dir().join("cout"));
    let text = "#include <cstdio>\n#include <iostream>\n#include <string>\n\
        int main() { std::cout << std::string(6000, 'x'); printf(\"%144s\", \"y\"); return !std::cout.flush(); }\n";
    fs::write(&source, text).expect("a source");
    Job::new("c++").arg("-o").arg(&program).arg(&source).output().ok();
    env.run(&["sh", "-c", &format!("{} > {input}", program.display())]).output().ok();
    assert_eq!(env.written(), 1);
}
