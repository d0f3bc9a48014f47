//! What v4l2loopback's programs set on a device (facts: its sysfs files, its controls, its event), on a pipe.

use std::path::PathBuf;
use std::process::Command;

use vloopback_tests::{Ended, Env, have, skip, source_root};

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
    let env = Env::builder().open_to_all().start();
    let file = format!("/sys/class/video4linux/{}/format", &env.pipe(0).input[5..]);
    let script = format!("exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c '/bin/echo @25 >{file}'");
    let library = env.library();
    let copy = env.dir().join("library.so");
    vloopback_tests::copy_program(&library, &copy);
    let ended = env.run(&["sh", "-c", &script]).env("LD_PRELOAD", &copy).output();
    assert!(ended.code() != 0 && ended.says("ermission denied"), "{}", ended.stderr);
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
