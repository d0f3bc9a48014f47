//! Pipes that are made and taken away while the server runs: labels, `add`, `delete`, `query`, `list --ctl`, `set-fps`,
//! `get-fps`, `set-caps`, `get-caps`, and the same by v4l2loopback-ctl's name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use vloopback_tests::{
    Ended, Env, Job, PATIENCE, Running, binary, copy_program, full, have, skip, source_root,
};

/// `vloopback VERB …` at the test's server.
fn tool(env: &Env, words: &[&str]) -> Ended {
    env.own("vloopback").env("VLOOPBACK_SOCKET", env.socket()).args(words).output()
}

/// The two nodes that `add` prints.
#[track_caller]
fn add(env: &Env, words: &[&str]) -> (String, String) {
    let told = tool(env, &[&["add"], words].concat()).ok().text();
    let nodes: Vec<&str> = told.lines().collect();
    let [input, output] = nodes[..] else { panic!("two nodes: {told:?}") };
    (input.to_owned(), output.to_owned())
}

/// What a shell's command prints under `vloopback run`.
#[track_caller]
fn shell(env: &Env, script: &str) -> String {
    env.run(&["sh", "-c", script]).output().ok().text()
}

/// The value of a line of `v4l2-ctl --info`.
#[track_caller]
fn info(env: &Env, node: &str, name: &str) -> String {
    let told = env.run(&["v4l2-ctl", "-d", node, "--info"]).output().ok().text();
    let line = told.lines().find(|line| line.trim_start().starts_with(name));
    line.and_then(|line| line.split_once(": "))
        .map_or_else(|| panic!("{told}"), |(_, value)| value.to_owned())
}

fn server_of(text: &str) -> Env {
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("vloopback.toml");
    fs::write(&file, text).expect("a file");
    Env::builder().args(&["--config", file.to_str().expect("a path in UTF-8")]).start()
}

/// The configuration's label is what QUERYCAP, sysfs, udev's record and `v4l2-ctl --list-devices` tell, cut to 31 bytes
/// at a character; old programs find the old names.
#[test]
fn a_pipe_has_a_label() {
    let long = "Überwachungskamera vor der Tür €uro";
    let cut = "Überwachungskamera vor der T";
    assert!(cut.len() <= 31 && (cut.to_owned() + "ür").len() > 31 - 2, "the cut falls near an umlaut");
    let env =
        server_of(&format!("pipes = 3\n[[pipe]]\nlabel = \"Front door\"\n[[pipe]]\nlabel = \"{long}\"\n"));
    let names = |index: usize| {
        let pipe = env.pipe(index);
        [pipe.input, pipe.output].map(|node| {
            let sysfs = shell(&env, &format!("cat /sys/class/video4linux/{}/name", &node[5..]));
            let card = info(&env, &node, "Card type");
            assert!(index == 2 || card == sysfs.trim_end(), "{node}: {card} {sysfs}");
            card
        })
    };
    assert_eq!(names(0), ["Front door", "Front door"]);
    let told = names(1);
    assert!(long.starts_with(&told[0]) && told[0].len() <= 31 && told[0].len() > 27, "{told:?}");
    assert_eq!(names(2), ["Loopback video device 4", "Loopback video device 5"]);
    let listed = env.run(&["v4l2-ctl", "--list-devices"]).output().ok().text();
    assert!(listed.contains("Front door (platform:v4l2loopback-"), "{listed}");
    let record = shell(&env, &format!("cat /run/udev/data/c81:{}", &env.pipe(0).output[10..]));
    assert!(record.contains("ID_V4L_PRODUCT=Front door\n"), "{record}");
    // The old driver's time had no labels.
    let script = format!("cat /sys/class/video4linux/{}/name", &env.pipe(0).output[5..]);
    let old = env.run_legacy(&["sh", "-c", &script]).output().ok().text();
    assert_eq!(old, "Video loopback 0 output\n");
    assert_eq!(env.list()[0]["label"], "Front door");
}

/// A pipe that was added is there for programs of either era, works, and is gone once it was deleted.
#[test]
fn a_pipe_is_added_used_and_deleted() {
    let env = Env::new(1);
    let (input, output) = add(&env, &["-n", "Second"]);
    assert_eq!(env.pipes().len(), 2);
    assert_eq!(info(&env, &output, "Card type"), "Second");
    let mut pusher = env.push_numbered(&input, (64, 48), 1);
    let frames = ["v4l2-ctl", "-d", &output, "--stream-mmap", "--stream-count=3"];
    env.run(&frames).output().ok();
    let busy = tool(&env, &["delete", &output]);
    assert_eq!(busy.code(), 1);
    let pid = env.list()[1]["owners"][0]["pid"].to_string();
    assert!(busy.says("is open in") && busy.says(&pid) && busy.says("--force"), "{}", busy.stderr);
    assert_eq!(env.pipes().len(), 2, "nothing has changed");
    pusher.end_input();
    pusher.finish();
    tool(&env, &["delete", &output]).ok();
    assert_eq!(env.pipes().len(), 1);
    assert_eq!(env.run(&["test", "-e", &output]).output().code(), 1, "{output} is gone");
    let none = tool(&env, &["delete", &output]);
    assert_eq!(none.code(), 4, "{}", none.stderr);
    assert!(none.says("no node of a pipe"), "{}", none.stderr);
    // Its numbers are free again.
    assert_eq!(add(&env, &[]), (input, output));
}

/// `delete --force` ends who has the pipe open, by ENODEV, and nobody else.
#[test]
fn a_pipe_that_is_open_is_deleted_by_force() {
    let env = Env::new(2);
    let (input, output) = add(&env, &[]);
    let other = env.pipe(0);
    let mut kept = env.push_numbered(&other.input, (64, 48), 1);
    let pusher = env.push_numbered(&input, (64, 48), 1);
    let words = ["--device", &output, "--frames", "1000000", "--report", "1"];
    let mut client = env.program("v4l2_client", &words).start();
    client.event("frame");
    let mut waiting = env.program("probe", &["open", "--device", &output, "--hold"]).start();
    waiting.event("opened");
    tool(&env, &["delete", "--force", &input]).ok();
    let ended = client.finish();
    assert!(ended.text().contains("\"errno\":19"), "ENODEV: {} {}", ended.text(), ended.stderr);
    let ended = pusher.finish();
    assert!(ended.text().contains("\"errno\":19"), "ENODEV: {} {}", ended.text(), ended.stderr);
    waiting.end_input();
    waiting.finish();
    assert_eq!(env.pipes().len(), 2);
    // The others go on.
    env.run(&["v4l2-ctl", "-d", &other.output, "--stream-mmap", "--stream-count=3"]).output().ok();
    kept.end_input();
    kept.finish();
}

/// The options of `add`: numbers, bounds of sizes, buffers, openers.
#[test]
fn an_added_pipe_is_as_it_was_asked_for() {
    let env = Env::new(1);
    let words = [
        "-n",
        "Small",
        "-w",
        "320",
        "-h",
        "240",
        "--min-width",
        "64",
        "--min-height",
        "48",
        "-b",
        "3",
        "-o",
        "2",
    ];
    let (input, output) = add(&env, &[&words[..], &["-x", "1", "40", "/dev/video45"]].concat());
    assert_eq!((input.as_str(), output.as_str()), ("/dev/video40", "/dev/video45"));
    let told = tool(&env, &["query", "40"]).ok().text();
    let value = |name: &str| {
        let line =
            told.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{told}"));
        line.split_once(": ").expect("a value").1.to_owned()
    };
    let expected = [
        ("capture_device#", "45"),
        ("output_device#", "40"),
        ("card_label", "Small"),
        ("min_width", "64"),
        ("max_width", "320"),
        ("min_height", "48"),
        ("max_height", "240"),
        ("announce_all_caps", "0"),
        ("max_buffers", "3"),
        ("max_openers", "2"),
    ];
    for (name, expected) in expected {
        assert_eq!(value(name), expected, "{name}");
    }
    let sizes = env.run(&["v4l2-ctl", "-d", &input, "--list-framesizes=YUYV"]).output().ok().text();
    assert!(sizes.contains("64x48 - 320x240"), "{sizes}");
    let set = "v4l2-ctl -d /dev/video40 --set-fmt-video-out=width=4000,height=3,pixelformat=YUYV --get-fmt-video-out";
    let told = shell(&env, set);
    assert!(told.contains("320/48"), "{told}");
    let buffers = "v4l2-ctl -d /dev/video45 --verbose --stream-mmap=9 --stream-count=1 2>&1";
    let _ = shell(&env, buffers);
    let mut first = env.program("probe", &["open", "--device", &output, "--hold"]).start();
    assert_eq!(first.event("opened")["errno"], 0);
    let mut second = env.program("probe", &["open", "--device", &input, "--hold"]).start();
    assert_eq!(second.event("opened")["errno"], 0);
    let mut third = env.program("probe", &["open", "--device", &output]).start();
    assert_eq!(third.event("opened")["errno"], 16, "EBUSY for the third");
    third.finish();
    for mut program in [first, second] {
        program.end_input();
        program.finish().ok();
    }
    let mut again = env.program("probe", &["open", "--device", &output]).start();
    assert_eq!(again.event("opened")["errno"], 0, "those have closed");
    again.finish().ok();
}

/// What cannot be is refused, with what helps.
#[test]
fn bad_pipes_are_refused() {
    let env = Env::new(1);
    let taken = env.pipe(0).input;
    let refused = |words: &[&str], says: &str| {
        let ended = tool(&env, words);
        assert_ne!(ended.code(), 0, "{words:?}");
        assert!(ended.says(says), "{words:?}: {}", ended.stderr);
        assert_eq!(env.pipes().len(), 1, "{words:?}");
    };
    refused(&["add", &taken], "is taken");
    refused(&["add", "256"], "0 to 255");
    refused(&["add", "40", "40"], "two nodes");
    refused(&["add", "forty"], "/dev/videoN");
    refused(&["add", "-w", "65536"], "1 to 8192");
    refused(&["add", "-w", "100", "--min-width", "200"], "not above the most");
    refused(&["add", "-b", "33"], "1 to 32");
    refused(&["add", "-o", "-1"], "-1");
    refused(&["add", "-x", "2"], "0..=1");
    refused(&["delete", "200"], "no node of a pipe");
    refused(&["query", "200"], "no node of a pipe");
    refused(&["set-caps", &taken, "NONE:640x480"], "no format");
    refused(&["set-caps", &taken, "YUYV:0x480"], "no size");
    refused(&["set-caps", &taken, "YUYV:65536x480"], "no size");
    refused(&["set-caps", &taken, "video/x-raw"], "FOURCC");
    refused(&["set-fps", &taken, "0"], "more than 0");
    refused(&["set-fps", "200", "25"], "no node of a pipe");
    // 0 is no bound.
    let (input, _) = add(&env, &["-w", "0", "-h", "0"]);
    tool(&env, &["delete", &input]).ok();
    // A label is cut, and that is said.
    let ended = tool(&env, &["add", "-n", &"Ä".repeat(40)]);
    assert!(ended.says("cut to 'ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ'"), "{}", ended.stderr);
    assert_eq!(env.list()[1]["label"], "Ä".repeat(15));
}

/// There are as many pipes as there can be, and one more is refused by name.
#[test]
fn pipes_end_at_the_bound() {
    let env = Env::new(63);
    add(&env, &[]);
    let ended = tool(&env, &["add"]);
    assert!(ended.code() == 1 && ended.says("64 pipes"), "{}", ended.stderr);
}

/// `set-caps` sets the format that clients find, and who pushes keeps to it until `any`; `set-fps` the rate.
#[test]
fn format_and_rate_are_set_from_outside() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let get = |verb: &str| tool(&env, &[verb, &pipe.output]).ok().text();
    assert_eq!(get("get-caps"), "YUYV:640x480@30/1\n");
    tool(&env, &["set-caps", &pipe.input, "UYVY:320x240@25"]).ok();
    assert_eq!((get("get-caps"), get("get-fps")), ("UYVY:320x240@25/1\n".to_owned(), "25/1\n".to_owned()));
    let seen = |env: &Env| {
        let told =
            env.run(&["v4l2-ctl", "-d", &pipe.output, "--get-fmt-video", "--get-parm"]).output().ok().text();
        ["'UYVY'", "320/240", "25.000"].iter().all(|word| told.contains(word))
    };
    assert!(seen(&env));
    let sysfs = format!("cat /sys/devices/virtual/video4linux/{}/format", &pipe.output[5..]);
    assert_eq!(shell(&env, &sysfs), "UYVY:320x240@25\n");
    let set = "--set-fmt-video-out=width=640,height=480,pixelformat=YUYV";
    env.run(&["v4l2-ctl", "-d", &pipe.input, set, "--set-output-parm=50"]).output();
    assert!(seen(&env), "it is kept");
    tool(&env, &["set-fps", &pipe.input, "30000/1001"]).ok();
    assert_eq!(get("get-fps"), "30000/1001\n");
    tool(&env, &["set-caps", &pipe.input, "any"]).ok();
    env.run(&["v4l2-ctl", "-d", &pipe.input, set]).output().ok();
    assert_eq!(get("get-caps"), "YUYV:640x480@30000/1001\n");
    let mut pusher = env.push_numbered(&pipe.input, (64, 48), 1);
    let busy = tool(&env, &["set-caps", &pipe.input, "UYVY:320x240"]);
    assert!(busy.code() == 1 && busy.says("pushes another format"), "{}", busy.stderr);
    pusher.end_input();
    pusher.finish();
}

/// By the names vloopback-ctl and v4l2loopback-ctl the program is v4l2loopback-ctl: its verbs, its output.
#[test]
fn the_program_is_v4l2loopback_ctl_by_that_name() {
    let env = Env::new(1);
    for name in ["vloopback-ctl", "v4l2loopback-ctl"] {
        let link = env.dir().join(name);
        symlink(binary("vloopback"), &link).expect("a link");
        let ctl = |words: &[&str]| {
            Job::new(&link)
                .env("XDG_RUNTIME_DIR", env.dir())
                .env("VLOOPBACK_SOCKET", env.socket())
                .args(words)
                .output()
        };
        let made = ctl(&["add", "-n", "A \\ name", "-x", "1", "9"]).ok().text();
        assert_eq!(made, "/dev/video9\n");
        let listed = ctl(&["list"]).ok();
        assert_eq!(listed.stderr, "OUTPUT       \tCAPTURE      \tNAME\n");
        assert!(listed.text().contains("/dev/video9  \t/dev/video10 \tA \\ name\n"), "{}", listed.text());
        assert!(ctl(&["list", "-e"]).ok().text().contains("\tA \\\\ name\n"));
        let ours = tool(&env, &["list", "--ctl"]).ok();
        assert_eq!(ours.text(), listed.text());
        ctl(&["set-caps", "9", "NV12:64x48@10/1"]).ok();
        assert_eq!(ctl(&["get-caps", "9"]).ok().text(), "NV12:64x48@10/1\n");
        ctl(&["set-fps", "9", "15"]).ok();
        assert_eq!(ctl(&["get-fps", "/dev/video9"]).ok().text(), "15/1\n");
        assert!(ctl(&["query", "9"]).ok().text().contains("output_device#   : 9\n"));
        assert_eq!(ctl(&["add", "9"]).code(), 1);
        ctl(&["delete", "9"]).ok();
        assert_eq!(ctl(&["delete", "9"]).code(), 1);
        assert!(ctl(&["--version"]).ok().text().contains(" v"));
        assert_eq!(ctl(&["frobnicate"]).code(), 1);
    }
}

/// v4l2loopback-ctl as Debian has it (`tests/get-v4l2loopback-ctl`), unmodified, by /dev/v4l2loopback.
#[test]
fn debians_v4l2loopback_ctl_works_unmodified() {
    let script = source_root().join("tests/get-v4l2loopback-ctl");
    let told = std::process::Command::new(script).arg("--where").output().expect("it prints a folder");
    let program = Path::new(String::from_utf8(told.stdout).expect("UTF-8").trim()).join("v4l2loopback-ctl");
    if !program.is_file() {
        skip!("v4l2loopback-ctl is not there: tests/get-v4l2loopback-ctl fetches it");
    }
    let env = Env::new(1);
    let program = program.to_str().expect("UTF-8").to_owned();
    let ctl = |words: &[&str]| env.run(&[&[program.as_str()], words].concat()).output();
    let listed = || ctl(&["list"]).ok().text();
    assert_eq!(listed(), "/dev/video0  \t/dev/video0  \tLoopback video device 0\n");
    assert_eq!(
        ctl(&["add", "-n", "Of Debian", "-x", "1", "-b", "4", "-w", "640", "12"]).ok().text(),
        "/dev/video12\n"
    );
    assert!(listed().contains("/dev/video12 \t/dev/video12 \tOf Debian\n"), "{}", listed());
    let told = ctl(&["query", "/dev/video12"]).ok().text();
    for line in [
        "output_device#   : 12",
        "card_label       : Of Debian",
        "max_width        : 640",
        "max_buffers      : 4",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    // What ours prints is the same, but for the node to watch.
    let ours = tool(&env, &["query", "/dev/video12"]).ok().text();
    let but_capture = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.contains("capture_device#")).map(str::to_owned).collect()
    };
    assert_eq!(but_capture(&ours), but_capture(&told));
    assert!(ctl(&["add", "12"]).says("File exists"));
    tool(&env, &["set-caps", "12", "NV12:320x240@25"]).ok();
    assert_eq!(ctl(&["get-caps", "12"]).ok().text(), "NV12:320x240@25/1\n");
    assert_eq!(ctl(&["get-fps", "12"]).ok().text(), "25/1\n");
    let mut holder = env.program("probe", &["open", "--device", "/dev/video12", "--hold"]).start();
    holder.event("opened");
    assert!(ctl(&["delete", "12"]).says("busy"));
    holder.end_input();
    holder.finish().ok();
    ctl(&["delete", "12"]).ok();
    assert!(!listed().contains("video12"), "{}", listed());
    assert!(ctl(&["delete", "12"]).says("No such device"));
    assert!(ctl(&["--version"]).ok().text().contains("module v0.15.4"));
}

/// Pipes that were added, with what was set of them, are there again under the next server if the configuration names a
/// file for them.
#[test]
fn pipes_outlive_the_server() {
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("vloopback.toml");
    fs::write(&file, "state = \"pipes.toml\"\n").expect("a file");
    let mut env = Env::builder().args(&["--config", file.to_str().expect("UTF-8")]).start();
    add(&env, &["-n", "Stays — \"quoted\"", "-w", "640", "20", "21"]);
    add(&env, &["-n", "Goes"]);
    tool(&env, &["set-caps", "20", "NV12:320x240@25"]).ok();
    let before = env.list();
    tool(&env, &["delete", &env.pipe(2).input]).ok();
    env.kill_daemon();
    env.start_daemon();
    let after = env.list();
    assert_eq!(after.as_array().map(Vec::len), Some(2), "{after}");
    for key in ["input", "output", "label", "sizes", "caps", "interval", "kept"] {
        assert_eq!(after[1][key], before[1][key], "{key}");
    }
    assert_eq!(after[1]["label"], "Stays — \"quoted\"");
    // What is none is refused, and the server says which file.
    env.kill_daemon();
    fs::write(folder.dir().join("pipes.toml"), "[[pipe]]\nlabel = 3\n").expect("a file");
    let ended = env.daemon_job().output();
    assert!(ended.code() == 2 && ended.says("pipes.toml"), "{}", ended.stderr);
}

/// Only root, the server's user, and who is in the configured group add and delete.
#[test]
fn who_may_add_pipes_is_decided_by_the_server() {
    if !rustix::process::geteuid().is_root() {
        skip!("only root becomes another user");
    }
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("vloopback.toml");
    fs::write(&file, "admin_group = 4242\nmode = \"0666\"\n").expect("a file");
    let env = Env::builder().open_to_all().args(&["--config", file.to_str().expect("UTF-8")]).start();
    let copy = env.dir().join("vloopback");
    copy_program(&binary("vloopback"), &copy);
    let by = |group: &str, words: &[&str]| {
        Job::new("setpriv")
            .args(["--reuid", "65534", "--regid", group, "--clear-groups"])
            .arg(&copy)
            .args(words)
            .env("VLOOPBACK_SOCKET", env.socket())
            .output()
    };
    let refused = by("65534", &["add"]);
    assert!(refused.code() == 1 && refused.says("admin_group"), "{}", refused.stderr);
    let refused = by("65534", &["delete", &env.pipe(0).input]);
    assert!(refused.code() == 1 && refused.says("admin_group"), "{}", refused.stderr);
    let told = by("4242", &["add"]).ok().text();
    let node = told.lines().next().expect("a node").to_owned();
    by("4242", &["delete", &node]).ok();
    // Who may push may set what is pushed.
    by("65534", &["set-fps", &env.pipe(0).input, "25"]).ok();
}

/// A program that watches /dev hears of a node that comes and goes.
#[test]
fn who_watches_dev_sees_nodes_come_and_go() {
    if !have("python3") {
        skip!("python3 is not installed");
    }
    let env = Env::new(1);
    let script = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0)
assert libc.inotify_add_watch(fd, b"/dev", 0x100 | 0x200 | 0x40 | 0x80) >= 0
print("watching", flush=True)
while True:
    data = os.read(fd, 4096)
    while data:
        wd, mask, cookie, size = struct.unpack("iIII", data[:16])
        name = data[16:16 + size].rstrip(b"\0").decode()
        data = data[16 + size:]
        if name.startswith("video"):
            print("come" if mask & 0x180 else "gone", name, flush=True)
"#;
    let mut watcher: Running = env.run(&["python3", "-c", script]).start();
    assert_eq!(watcher.line().as_deref(), Some("watching"));
    let (input, output) = add(&env, &[]);
    let mut came = [watcher.line(), watcher.line()].map(|line| line.expect("a line"));
    came.sort();
    let mut told = [&input, &output].map(|node| format!("come {}", &node[5..]));
    told.sort();
    assert_eq!(came, told);
    tool(&env, &["delete", &input]).ok();
    let mut gone = [watcher.line(), watcher.line()].map(|line| line.expect("a line"));
    gone.sort();
    let mut told = [&input, &output].map(|node| format!("gone {}", &node[5..]));
    told.sort();
    assert_eq!(gone, told);
}

/// Pipes that come and go cost those who stream on others no frame, and the server no descriptor and no memory.
#[test]
fn pipes_that_come_and_go_disturb_nobody() {
    let rounds = if full() { 1000 } else { 60 };
    let mut env = Env::builder().in_memory().args(&["--pipes", "1"]).start();
    let pipe = env.pipe(0);
    let mut pusher = env.push_numbered(&pipe.input, (64, 48), 1);
    let mut client = env
        .program("v4l2_client", &["--device", &pipe.output, "--frames", "1000000", "--report", "1"])
        .start();
    client.event("frame");
    let pid = env.daemon().leader().as_raw_nonzero().get();
    let has = |what: &str| -> u64 {
        if what == "fd" {
            return fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count() as u64;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status.lines().find(|line| line.starts_with(what)).expect("a line");
        line.split_ascii_whitespace().nth(1).expect("a number").parse().expect("a number")
    };
    let churn = |env: &Env, rounds: usize| {
        for round in 0..rounds {
            let (input, _) = add(env, &[]);
            let words: &[&str] =
                if round % 2 == 0 { &["delete", &input] } else { &["delete", "--force", &input] };
            tool(env, words).ok();
        }
    };
    churn(&env, 20);
    let before = (has("fd"), has("Threads"), has("VmRSS"));
    churn(&env, rounds);
    // A pipe's threads end a moment after it.
    let until = Instant::now() + PATIENCE;
    while (has("fd") > before.0 + 2 || has("Threads") > before.1) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let after = (has("fd"), has("Threads"), has("VmRSS"));
    assert!(after.0 <= before.0 + 2 && after.1 <= before.1, "{before:?} {after:?}");
    assert!(after.2 <= before.2 + 1024, "KiB: {before:?} {after:?}");
    let list = env.list();
    let owners = list[0]["owners"].as_array().expect("owners").clone();
    let dropped = owners.iter().find(|owner| owner["role"] == "client").map(|owner| owner["dropped"].clone());
    assert_eq!(dropped, Some(0.into()), "{list}");
    client.kill();
    pusher.kill();
}
