//! What v4l2loopback's programs set on a device (facts: its sysfs files, its controls, its event), on a pipe.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use vloopback_tests::{Ended, Env, Job, Pipe, Running, have, pattern, skip, source_root};

/// `vloopback VERB …` at the test's server.
fn tool(env: &Env, words: &[&str]) -> Ended {
    env.own("vloopback").env("VLOOPBACK_SOCKET", env.socket()).args(words).output()
}

/// What a shell's command prints under `vloopback run`.
#[track_caller]
fn shell(env: &Env, script: &str) -> String {
    env.run(&["sh", "-c", script]).output().ok().text()
}

/// Debian's v4l2loopback-ctl (`tests/get-v4l2loopback-ctl`), unmodified.
fn debians_ctl() -> Option<String> {
    let script = source_root().join("tests/get-v4l2loopback-ctl");
    let told = Command::new(script).arg("--where").output().expect("it prints a folder");
    let folder = PathBuf::from(String::from_utf8(told.stdout).expect("UTF-8").trim());
    let program = folder.join("v4l2loopback-ctl");
    program.is_file().then(|| program.to_str().expect("UTF-8").to_owned())
}

/// `@num[/den]` in sysfs `format` is the rate, whoever writes it and however the file was reached; what is none is EINVAL.
#[test]
fn the_rate_is_set_in_sysfs() {
    let env = Env::new(1);
    let node = &env.pipe(0).input[5..].to_owned();
    let rate = || tool(&env, &["get-fps", node]).ok().text().trim_end().to_owned();
    let file = format!("/sys/devices/virtual/video4linux/{node}/format");
    let ways = [
        format!("printf %s @25 > {file}"),
        format!("echo @30000/1001 >/sys/class/video4linux/{node}/format"),
        format!("cd /sys/class/video4linux/{node} && echo @24 >format"),
        format!("echo @50 | tee {file}"),
        format!("echo @12 | dd of={file} 2>/dev/null"),
        format!("exec 7>{file}; echo @5 >&7; echo @7/2 >&7"),
        format!("bash -c 'echo @60 >{file}; echo @15 >{file}'"),
        format!("bash -c 'exec >{file}; /bin/echo @48'"),
        format!("python3 -c 'open(\"{file}\", \"w\").write(\"@33\\n\")'"),
    ];
    for (way, set) in
        ways.iter().zip(["25/1", "30000/1001", "24/1", "50/1", "12/1", "7/2", "15/1", "48/1", "33/1"])
    {
        if !have("python3") && way.starts_with("python3") {
            continue;
        }
        shell(&env, way);
        assert_eq!(rate(), set, "{way}");
    }
    for bad in ["25", "@0", "@-3", "@1/0", "YUYV:640x480@30", "@"] {
        let ended = env.run(&["sh", "-c", &format!("/bin/echo {bad} >{file}")]).output();
        assert!(ended.code() != 0 && ended.says("Invalid argument"), "{bad}: {}", ended.stderr);
    }
    assert_eq!(rate(), "33/1");
    // Other files of the folder stay as they are, as does the tree.
    let ended = env.run(&["sh", "-c", &format!("echo 1 >/sys/class/video4linux/{node}/name")]).output();
    assert!(ended.says("Permission denied"), "{}", ended.stderr);
    assert_eq!(shell(&env, &format!("cat /sys/class/video4linux/{node}/buffers")), "32\n");
}

/// sysfs `max_openers` is a bound that can be changed, not to less than have the pipe open.
#[test]
fn openers_are_bounded_in_sysfs() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let file = format!("/sys/class/video4linux/{}/max_openers", &pipe.output[5..]);
    let hold = |node: &str| {
        let mut holder = env.program("probe", &["open", "--device", node, "--hold"]).start();
        (holder.event("opened")["errno"].clone(), holder)
    };
    let (opened, mut first) = hold(&pipe.output);
    assert_eq!(opened, 0);
    shell(&env, &format!("echo 1 >{file}"));
    assert_eq!(shell(&env, &format!("cat {file}")), "1\n");
    let (refused, mut second) = hold(&pipe.input);
    assert_eq!(refused, 16, "EBUSY");
    second.end_input();
    second.finish();
    shell(&env, &format!("echo 2 >{file}"));
    let (opened, mut second) = hold(&pipe.input);
    assert_eq!(opened, 0);
    for bad in ["1", "-1", "many"] {
        let ended = env.run(&["sh", "-c", &format!("/bin/echo {bad} >{file}")]).output();
        assert!(ended.says("Invalid argument"), "{bad}: {}", ended.stderr);
    }
    for holder in [&mut first, &mut second] {
        holder.end_input();
    }
    first.finish().ok();
    second.finish().ok();
}

/// Who may not push may not set the rate either.
#[test]
fn sysfs_is_not_for_everybody() {
    if !rustix::process::geteuid().is_root() || !have("setpriv") {
        skip!("only root becomes another user");
    }
    let folder = Env::builder().without_daemon();
    let config = folder.dir().join("vloopback.toml");
    fs::write(&config, "mode = \"0664\"\n").expect("a file");
    let env = Env::builder().open_to_all().args(&["--config", config.to_str().expect("UTF-8")]).start();
    let file = format!("/sys/class/video4linux/{}/format", &env.pipe(0).input[5..]);
    let script =
        format!("exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c '/bin/echo @25 >{file}'");
    let library = env.library();
    let copy = env.dir().join("library.so");
    vloopback_tests::copy_program(&library, &copy);
    let ended = env.run(&["sh", "-c", &script]).env("LD_PRELOAD", &copy).output();
    assert!(ended.code() != 0 && ended.says("ermission denied"), "{}", ended.stderr);
    // Nor v4l2loopback's controls, also where it may watch; a slider is for all who have the node open.
    let python = "import fcntl, os, struct, sys\n\
                  fd = os.open(sys.argv[1], os.O_RDONLY)\n\
                  fcntl.ioctl(fd, 0xc008561c, struct.pack(\"Ii\", 0x980900, 1))\n\
                  fcntl.ioctl(fd, 0xc008561c, struct.pack(\"Ii\", 0x98f900, 1))\n";
    let words = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        python,
    ];
    if fs::exists("/usr/bin/python3").is_ok_and(|is| is) {
        let ended = env.run(&[&words[..], &[&env.pipe(0).output]].concat()).env("LD_PRELOAD", &copy).output();
        assert!(ended.says("Permission denied"), "{}", ended.stderr);
        assert_eq!(env.list()[0]["kept"], false);
    }
}

/// `set-fps` of Debian's v4l2loopback-ctl writes to sysfs.
#[test]
fn debians_tool_sets_the_rate() {
    let Some(program) = debians_ctl() else {
        skip!("v4l2loopback-ctl is not there: tests/get-v4l2loopback-ctl fetches it");
    };
    let env = Env::new(1);
    let ctl = |words: &[&str]| env.run(&[&[program.as_str()], words].concat()).output();
    ctl(&["set-fps", "0", "30000/1001"]).ok();
    assert_eq!(tool(&env, &["get-fps", "0"]).ok().text(), "30000/1001\n");
    ctl(&["set-fps", "/dev/video0", "12"]).ok();
    assert_eq!(tool(&env, &["get-fps", "0"]).ok().text(), "12/1\n");
    assert!(ctl(&["set-fps", "0", "0"]).says("Invalid argument"));
}

/// Sets a control by v4l2-ctl.
#[track_caller]
fn set(env: &Env, node: &str, control: &str) {
    env.run(&["v4l2-ctl", "-d", node, "-c", control]).output().ok();
}

/// A pusher of YUYV frames that pushes one at each order; `more` options.
fn stepping(env: &Env, pipe: &Pipe, more: &[&str]) -> Running {
    let words = ["--device", &pipe.input, "--format", "YUYV", "--size", "64x48", "--step", "--report", "1"];
    let mut pusher = env.program("v4l2_pusher", &[&words[..], more].concat()).start();
    pusher.event("setup");
    pusher
}

const LEN: usize = 64 * 48 * 2;

/// The frames that v4l2-ctl gets of an output, `count` of them; `act` while it streams.
fn frames(env: &Env, pipe: &Pipe, count: usize, act: impl FnOnce()) -> Vec<Vec<u8>> {
    let saved = env.dir().join("saved");
    let (many, to) = (format!("--stream-count={count}"), format!("--stream-to={}", saved.display()));
    let words = ["v4l2-ctl", "-d", &pipe.output, "--stream-mmap", &many, &to];
    let reader = env.run(&words).start();
    act();
    reader.finish().ok();
    fs::read(&saved).expect("a file").chunks(LEN).map(<[u8]>::to_vec).collect()
}

/// The number in a frame of the pattern.
fn number(frame: &[u8]) -> Option<u32> {
    pattern::check(frame).ok()
}

/// keep_format holds format and rate after the pusher has left, whoever comes, until it is taken back.
#[test]
fn keep_format_locks_the_format() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let sysfs = |name: &str| shell(&env, &format!("cat /sys/class/video4linux/{}/{name}", &pipe.input[5..]));
    let ctl =
        |words: &[&str]| env.run(&[&["v4l2-ctl", "-d", &pipe.input], words].concat()).output().ok().text();
    ctl(&["--set-fmt-video-out=width=320,height=240,pixelformat=UYVY"]);
    tool(&env, &["set-fps", &pipe.input, "25"]).ok();
    assert_eq!(sysfs("state"), "output\n", "the pusher is gone");
    set(&env, &pipe.input, "keep_format=1");
    assert_eq!((sysfs("state"), sysfs("format")), ("capture\n".into(), "UYVY:320x240@25\n".into()));
    let told = ctl(&["--set-fmt-video-out=width=640,height=480", "--get-fmt-video-out"]);
    assert!(told.contains("320/240") && told.contains("'UYVY'"), "{told}");
    let listed = ctl(&["--list-formats-out-ext"]);
    assert!(
        listed.contains("'UYVY'") && !listed.contains("YUYV") && listed.contains("Discrete 320x240"),
        "{listed}"
    );
    let mut pusher =
        env.program("v4l2_pusher", &["--device", &pipe.input, "--size", "64x48", "--fps", "50"]).start();
    let setup = pusher.event("setup");
    assert_eq!((&setup["format"], &setup["width"]), (&"UYVY".into(), &320.into()), "{setup}");
    pusher.end_input();
    pusher.finish().ok();
    assert_eq!(tool(&env, &["get-caps", &pipe.output]).ok().text(), "UYVY:320x240@25/1\n");
    set(&env, &pipe.output, "keep_format=0");
    let told = ctl(&["--set-fmt-video-out=width=640,height=480,pixelformat=YUYV", "--get-fmt-video-out"]);
    assert!(told.contains("640/480") && told.contains("'YUYV'"), "{told}");
}

/// With sustain_framerate a late pusher's newest frame comes again, at the nominal rate, and is counted apart.
#[test]
fn sustain_framerate_repeats_a_late_pushers_frame() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    set(&env, &pipe.input, "sustain_framerate=1");
    let mut pusher = stepping(&env, &pipe, &["--interval-ms", "20", "--first", "7"]);
    pusher.order();
    pusher.frame(7);
    let begin = Instant::now();
    let got = frames(&env, &pipe, 30, || {});
    let took = begin.elapsed();
    assert!(got.iter().all(|frame| number(frame) == Some(7)), "one frame, again and again");
    // 29 intervals of 20 ms; a busy machine is later, never earlier.
    assert!(took >= Duration::from_millis(29 * 20 - 20), "{took:?}");
    let counters = env.list()[0]["counters"].clone();
    assert_eq!(counters["written"], 1, "{counters}");
    assert!(counters["repeated"].as_u64() >= Some(29), "{counters}");
    // The next one is shown in its turn, and then comes again.
    let got = frames(&env, &pipe, 30, || {
        env.until("it streams", |_| env.list()[0]["streaming"] == 1);
        pusher.order();
        pusher.frame(8);
    });
    assert_eq!(got.last().and_then(|frame| number(frame)), Some(8));
    // Off: nothing comes that was not pushed.
    set(&env, &pipe.output, "sustain_framerate=0");
    let before = env.list()[0]["counters"]["repeated"].clone();
    let mut reader =
        env.program("v4l2_client", &["--device", &pipe.output, "--report", "1", "--frames", "2"]).start();
    reader.frame(8);
    pusher.order();
    reader.frame(9);
    reader.finish();
    assert_eq!(env.list()[0]["counters"]["repeated"], before);
    pusher.end_input();
    pusher.finish().ok();
}

/// `timeout` is the time after which a silent pusher's clients see the card, also where the rate is sustained.
#[test]
fn timeout_shows_the_card() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    set(&env, &pipe.output, "timeout=300");
    assert_eq!(env.list()[0]["timeout"], 300);
    for sustain in ["sustain_framerate=0", "sustain_framerate=1"] {
        set(&env, &pipe.input, sustain);
        let mut pusher = stepping(&env, &pipe, &["--interval-ms", "20", "--first", "7"]);
        pusher.order();
        pusher.frame(7);
        let got = frames(&env, &pipe, 40, || {});
        let cards = got.iter().filter(|frame| number(frame).is_none()).count();
        assert_eq!(number(&got[0]), Some(7), "{sustain}: the newest frame first");
        assert!(number(&got[39]).is_none(), "{sustain}: the card at last");
        if sustain.ends_with('1') {
            assert!((20..39).contains(&cards), "{sustain}: {cards} cards");
        } else {
            assert_eq!(cards, 39, "{sustain}");
        }
        pusher.end_input();
        pusher.finish().ok();
    }
    set(&env, &pipe.input, "timeout=0");
    assert_eq!(env.list()[0]["timeout"], 0);
}

/// After timeout_image_io whoever opens the input next, and writes, sets the picture that clients see while nobody pushes;
/// who only looks does not use that up. Meanwhile the pipe is free.
#[test]
fn timeout_image_io_sets_the_picture() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    tool(&env, &["set-caps", &pipe.input, "RGB3:64x48@50"]).ok();
    tool(&env, &["set-caps", &pipe.input, "any"]).ok();
    let shown = || {
        let saved = env.dir().join("saved");
        let to = format!("--stream-to={}", saved.display());
        env.run(&["v4l2-ctl", "-d", &pipe.output, "--stream-mmap", "--stream-count=1", &to]).output().ok();
        fs::read(&saved).expect("a file")
    };
    let push = |size: &str, io: &str, first: &str| {
        let words =
            ["--device", &pipe.input, "--format", "RGB3", "--size", size, "--io", io, "--frames", "3"];
        env.program("v4l2_pusher", &[&words[..], &["--first", first, "--fps", "50"]].concat())
    };
    let card = shown();
    assert_eq!(pattern::check(&card).ok(), None, "the card");
    for (io, first) in [("write", 40), ("mmap", 50)] {
        set(&env, &pipe.output, "timeout_image_io=1");
        for _ in 0..3 {
            env.run(&["v4l2-ctl", "-d", &pipe.input, "--all"]).output().ok();
        }
        assert_eq!(env.list().as_array().map(Vec::len), Some(1), "one pipe");
        push("64x48", io, &first.to_string()).output().ok();
        assert_eq!(env.list()[0]["counters"]["written"], 0, "nothing was pushed");
        assert_eq!(pattern::check(&shown()), Ok(first + 2), "{io}: the newest frame");
    }
    // The button was pressed once: now a program pushes again.
    push("64x48", "write", "60").output().ok();
    assert_eq!(env.list()[0]["counters"]["written"], 3);
    assert_eq!(pattern::check(&shown()), Ok(52));
    // Another size fits in; a compressed one is none, and the picture stays.
    set(&env, &pipe.input, "timeout_image_io=1");
    let words = ["--device", &pipe.input, "--format", "MJPG", "--size", "64x48", "--frames", "2"];
    env.program("v4l2_pusher", &words).output().ok();
    assert_eq!(pattern::check(&shown()), Ok(52));
    // 0 takes it back; and while one program is at it, another one pushes.
    set(&env, &pipe.input, "timeout_image_io=1");
    set(&env, &pipe.input, "timeout_image_io=0");
    push("64x48", "write", "70").output().ok();
    assert_eq!(env.list()[0]["counters"]["written"], 6);
    set(&env, &pipe.input, "timeout_image_io=1");
    let words = [
        "--device",
        &pipe.input,
        "--format",
        "RGB3",
        "--size",
        "64x48",
        "--step",
        "--report",
        "1",
        "--first",
        "80",
    ];
    let mut painter = env.program("v4l2_pusher", &words).start();
    painter.event("setup");
    painter.order();
    painter.frame(80);
    assert!(!env.list()[0]["claimed"].as_bool().expect("a word"));
    push("64x48", "write", "90").output().ok();
    assert_eq!(env.list()[0]["counters"]["written"], 9);
    let busy = tool(&env, &["delete", &pipe.input]);
    assert!(busy.says("is open in"), "{}", busy.stderr);
    painter.end_input();
    painter.finish().ok();
    assert_eq!(pattern::check(&shown()), Ok(80));
    tool(&env, &["delete", &pipe.input]).ok();
    assert_eq!(env.list().as_array().map(Vec::len), Some(0));
}

/// `set-caps` and `set-timeout-image` of Debian's v4l2loopback-ctl work by the controls; the picture comes by GStreamer.
#[test]
fn debians_tool_sets_caps_and_the_picture() {
    let Some(program) = debians_ctl() else {
        skip!("v4l2loopback-ctl is not there: tests/get-v4l2loopback-ctl fetches it");
    };
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let ctl = |words: &[&str]| env.run(&[&[program.as_str()], words].concat()).output();
    ctl(&["set-caps", "0", "UYVY:320x240@25"]).ok();
    assert_eq!(ctl(&["get-caps", "0"]).ok().text(), "UYVY:320x240@25/1\n");
    let told = env.list();
    assert_eq!((&told[0]["kept"], &told[0]["sustain_framerate"]), (&true.into(), &true.into()), "{told}");
    ctl(&["set-caps", "0", "any"]).ok();
    assert_eq!(env.list()[0]["kept"], false);
    if !have("gst-launch-1.0") {
        skip!("GStreamer is not installed");
    }
    let image = env.dir().join("picture.png");
    let path = image.to_str().expect("UTF-8");
    let pusher = env
        .own("vloopback")
        .args(["push", &pipe.input, "--size", "320x240", "--format", "UYVY", "--socket"])
        .arg(env.socket())
        .start();
    env.until("it pushes", |pipes| pipes[0].input_status == "W");
    env.own("vloopback").args(["snapshot", &pipe.output, path, "--socket"]).arg(env.socket()).output().ok();
    kill_process(pusher.leader(), Signal::INT).expect("kill");
    pusher.finish().ok();
    env.until_idle();
    let shown = || {
        let saved = env.dir().join("saved");
        let to = format!("--stream-to={}", saved.display());
        env.run(&["v4l2-ctl", "-d", &pipe.output, "--stream-mmap", "--stream-count=1", &to]).output().ok();
        fs::read(&saved).expect("a file")
    };
    let card = shown();
    let ended = ctl(&["set-timeout-image", "-t", "700", &pipe.input, path]).ok();
    assert!(!ended.says("ERROR"), "{}", ended.stderr);
    assert_eq!(env.list()[0]["timeout"], 700);
    let by_theirs = shown();
    assert_ne!(by_theirs, card);
    // Ours shows the same; two converters may differ by rounding.
    tool(&env, &["set-timeout-image", &pipe.input, path]).ok();
    let by_ours = shown();
    let far = by_ours.iter().zip(&by_theirs).filter(|(one, other)| one.abs_diff(**other) > 12).count();
    assert!(far * 100 < by_ours.len(), "{far} of {}", by_ours.len());
}

/// Those who have the input hear how many clients stream, at first and at each change; on the output there is no such event.
#[test]
fn inputs_hear_how_many_clients_stream() {
    if !have("python3") {
        skip!("python3 is not installed");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let script = r#"
import errno, fcntl, os, select, struct, sys
SUBSCRIBE, DQEVENT, USAGE = 0x4020565a, 0x80885659, 283115521
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK)
try:
    fcntl.ioctl(fd, SUBSCRIBE, struct.pack("3I20x", USAGE, 0, 1))
except OSError as e:
    print("refused", e.errno, flush=True)
    sys.exit()
while True:
    event = fcntl.ioctl(fd, DQEVENT, bytes(136))
    kind, count = struct.unpack_from("I4xI", event)
    print("usage" if kind == USAGE else kind, count, flush=True)
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    poll.poll()
"#;
    let listen = |node: &str| env.run(&["python3", "-c", script, node]).start();
    assert_eq!(listen(&pipe.output).line().as_deref(), Some("refused 22"));
    let mut listener = listen(&pipe.input);
    assert_eq!(listener.line().as_deref(), Some("usage 0"));
    let client = || {
        let words = ["--device", &pipe.output, "--frames", "1000000", "--patience", "1000000"];
        env.program("v4l2_client", &words).start()
    };
    let first = client();
    assert_eq!(listener.line().as_deref(), Some("usage 1"));
    let mut late = listen(&pipe.input);
    assert_eq!(late.line().as_deref(), Some("usage 1"));
    let mut second = client();
    assert_eq!(listener.line().as_deref(), Some("usage 2"));
    second.kill();
    assert_eq!(listener.line().as_deref(), Some("usage 1"), "one that was killed");
    drop(first);
    assert_eq!(listener.line().as_deref(), Some("usage 0"));
}

/// sysfs `active_readers` is the number of clients that stream, and inotify on it tells of changes.
#[test]
fn active_readers_are_counted_in_sysfs() {
    if !have("python3") {
        skip!("python3 is not installed");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let file = format!("/sys/class/video4linux/{}/active_readers", &pipe.input[5..]);
    let script = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0)
assert libc.inotify_add_watch(fd, sys.argv[1].encode(), 2) >= 0
told = None
while True:
    now = int(open(sys.argv[1]).read())
    if now != told:
        print(now, flush=True)
    told = now
    os.read(fd, 4096)
"#;
    let mut watcher = env.run(&["python3", "-c", script, &file]).start();
    assert_eq!(watcher.line().as_deref(), Some("0"));
    let client = || {
        let words = ["--device", &pipe.output, "--frames", "1000000", "--patience", "1000000"];
        env.program("v4l2_client", &words).start()
    };
    let clients: Vec<_> = (1..=11)
        .map(|count| {
            let client = client();
            assert_eq!(watcher.line(), Some(count.to_string()));
            client
        })
        .collect();
    assert_eq!(shell(&env, &format!("cat {file}")), "11\n");
    for (k, client) in clients.into_iter().enumerate() {
        drop(client);
        assert_eq!(watcher.line(), Some((10 - k).to_string()));
    }
    let node = &pipe.output[5..];
    assert_eq!(shell(&env, &format!("cd /sys/class/video4linux/{node} && cat active_readers")), "0\n");
}

/// What v4l2loopback was loaded with, for those who look into /sys/module.
#[test]
fn the_modules_parameters_are_told() {
    let env = Env::new(2);
    let inputs = env.pipes().iter().map(|pipe| pipe.input[10..].to_owned()).collect::<Vec<_>>().join(",");
    let told = shell(&env, "cd /sys/module/v4l2loopback/parameters && grep . *");
    let lines: Vec<&str> = told.lines().collect();
    let video_nr = format!("video_nr:{inputs}");
    let expected = [
        "debug:0",
        "exclusive_caps:Y,Y",
        "max_buffers:32",
        "max_height:8192",
        "max_openers:0",
        "max_width:8192",
        &video_nr,
    ];
    assert_eq!(lines, expected);
    let of = |options: &[&str]| {
        let words = ["cat", "/sys/module/v4l2loopback/parameters/video_nr"];
        env.run_with(options, &words).output().code()
    };
    assert_eq!((of(&[]), of(&["--identity", "vloopback"]), of(&["--legacy"])), (0, 1, 1));
}

/// `--modprobe` reads what v4l2loopback is loaded with, from the command line or a file of modprobe.d.
#[test]
fn what_modprobe_was_told_makes_the_pipes() {
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("v4l2loopback.conf");
    let text = "options v4l2loopback devices=2 video_nr=13,14 card_label=\"Front door\",\"b\" exclusive_caps=1 \
                max_buffers=4 max_openers=3 max_width=640";
    fs::write(&file, format!("# cameras\n{text}\n")).expect("a file");
    for given in [text, file.to_str().expect("UTF-8")] {
        let env = Env::builder().args(&["--modprobe", given]).start();
        let list = env.list();
        let of = |key: &str| [list[0][key].clone(), list[1][key].clone()];
        assert_eq!(of("input"), ["/dev/video13", "/dev/video14"], "{given}");
        assert_eq!(of("label"), ["Front door", "b"]);
        assert_eq!(of("max_buffers"), [4, 4]);
        assert_eq!(of("max_openers"), [3, 3]);
        assert_eq!(list[0]["sizes"][1], 640);
        assert_eq!(list.as_array().map(Vec::len), Some(2));
        // Neither output has a number that was meant for an input.
        assert_ne!(list[0]["output"], "/dev/video14");
        assert_eq!(shell(&env, "cat /sys/module/v4l2loopback/parameters/video_nr"), "13,14\n");
    }
    for (given, says) in [("devices=2 fps=3", "'fps=3' is no parameter"), ("video_nr=7,7", "named twice")] {
        let ended = folder.own("vloopbackd").args(["--modprobe", given]).output();
        assert!(ended.code() == 2 && ended.says(says), "{given}: {} {}", ended.code(), ended.stderr);
    }
}

/// Every line of the page for those who come from v4l2loopback works as it stands.
#[test]
fn the_migration_pages_lines_work() {
    if !have("ffmpeg") || !have("v4l2-ctl") {
        skip!("ffmpeg or v4l2-ctl is not installed");
    }
    let page = fs::read_to_string(source_root().join("driver/docs/from-v4l2loopback.md")).expect("the page");
    let block = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let lines: Vec<&str> =
        block.lines().map(|line| line.split("   #").next().unwrap_or(line).trim_end()).collect();
    assert!(lines.len() > 8, "{lines:?}");
    // One shell for all, as they are typed; a server that they start ends with it.
    let place = Env::builder().without_daemon();
    let script = format!("set -e\ncd {}\n{}\n", place.dir().display(), lines.join("\n"));
    let bin = vloopback_tests::bin_dir();
    let bin = fs::canonicalize(bin).expect("the programs");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let script = format!("trap 'kill $(jobs -p) 2>/dev/null' EXIT\n{script}");
    let told = Job::new("bash")
        .args(["-xc", &script])
        .env("PATH", path)
        .env("XDG_RUNTIME_DIR", place.dir())
        .env("VLOOPBACK_SOCKET", place.socket())
        .output()
        .ok();
    let text = told.text();
    for word in ["/dev/video10 \t/dev/video11 \tFront door", "UYVY:640x480@25/1"] {
        assert!(text.contains(word) || told.says(word), "{word}: {text}\n{}", told.stderr);
    }
}
