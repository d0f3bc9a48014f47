//! A container that has the library and the socket, and not the tree beside it (`SOCKET.d`): what the tree has
//! comes by the daemon's connection.

use std::os::unix::fs::symlink;

use vloopback_tests::{Env, Job, Pipe, Running, clean, have, program, skip};

/// A user and mount namespace in which an empty folder lies over the tree, and then a command.
fn without_tree(env: &Env, command: &[&str]) -> Job {
    let script = format!("mount -t tmpfs none {} && exec \"$@\"", env.tree().display());
    let container = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"];
    env.run(&[&container, command].concat())
}

fn can_contain(env: &Env) -> bool {
    have("unshare") && without_tree(env, &["true"]).output().status.success()
}

/// The text that a shell command prints there, and with the tree.
#[track_caller]
fn both(env: &Env, line: &str) -> (String, String) {
    let words = ["sh", "-c", line];
    (without_tree(env, &words).output().ok().text(), env.run(&words).output().ok().text())
}

/// stat, access, readlink, realpath, open, listings and patterns: all as with the tree.
#[test]
fn the_views_come_by_the_connection() {
    let env = Env::new(2);
    if !can_contain(&env) {
        skip!("no namespaces here");
    }
    let pipe = env.pipe(1);
    let node = &pipe.output;
    let (bare, number) = (&node[5..], Pipe::number(node));
    symlink(node, env.dir().join("mycam")).expect("a link");
    let link = env.dir().join("mycam");
    let link = link.display();
    let hidden = without_tree(&env, &["ls", env.tree().to_str().expect("UTF-8")]).output().ok().text();
    assert_eq!(hidden, "", "the tree is out of reach there");
    for line in [
        format!("stat -c '%F %t:%T %a' {node}"),
        format!("stat -c '%F %t:%T %s' < {node} - | sed 's/ [0-9]*$//'"),
        format!("stat -L -c '%F %t:%T' {link} /dev/v4l/{bare}"),
        format!(
            "stat -c %F /dev/v4l/{bare} /sys/class/video4linux /sys/class/video4linux/{bare} /proc/video"
        ),
        format!("stat -c '%F %s' /sys/class/video4linux/{bare}/name /proc/video/vloopback/vloopbacks"),
        format!("test -c {node} && test -r {node} && test -w {node} && test ! -x {node} && echo yes"),
        format!("test -e /dev/video250 || test -e {node}/ || test -x {node} || echo no"),
        format!("readlink /dev/v4l/{bare} /sys/class/video4linux/{bare}"),
        format!(
            "realpath {node} {link} /sys/class/video4linux/{bare} /sys/dev/char/81:{number}/name /dev/v4l"
        ),
        format!("cat /sys/class/video4linux/{bare}/name /sys/class/video4linux/{bare}/uevent"),
        format!(
            "cat /sys/dev/char/81:{number}/dev /sys/devices/virtual/video4linux/{bare}/subsystem/{bare}/index"
        ),
        "cat /proc/video/vloopback/vloopbacks".to_owned(),
        "ls /dev; ls /dev/v4l; ls /sys/class/video4linux; ls /proc/video /proc/video/vloopback".to_owned(),
        "ls -F /sys/class/video4linux /dev/v4l | head -n 3".to_owned(),
        "echo /dev/video* /sys/class/video4linux/video*/name".to_owned(),
        format!("ls -l {node} | cut -c 1-10"),
        "cat /proc/video/nothing 2>&1 || echo x > /proc/video/vloopback/vloopbacks || echo refused"
            .to_owned(),
    ] {
        let (there, here) = both(&env, &line);
        assert_eq!(there, here.replace("nogroup", "root"), "{line}");
    }
    let text = without_tree(&env, &["cat", "/proc/modules"]).output().text();
    assert!(text.contains("\nv4l2loopback "), "{text}");
    let words = ["env", "VLOOPBACK_ERA=legacy", "grep", "-c", "^vloopback ", "/proc/modules"];
    assert_eq!(without_tree(&env, &words).output().ok().text(), "1\n");
}

/// What has changed since is seen.
#[test]
fn what_changes_is_seen() {
    let env = Env::builder().args(&["--pipes", "1", "--spares", "1"]).start();
    if !can_contain(&env) || !have("python3") {
        skip!("no namespaces here, or no python3");
    }
    let pipe = env.pipe(0);
    let code = "import os, sys\n\
                for line in sys.stdin:\n    \
                    text = open('/proc/video/vloopback/vloopbacks').read()\n    \
                    print(text.count('\\tW\\t'), len([n for n in os.listdir('/dev') if n.startswith('video')]), flush=True)\n";
    let mut job = without_tree(&env, &["python3", "-c", code]).start();
    job.order();
    let before = job.line().expect("a line");
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
    pusher.event("setup");
    job.order();
    let after = job.line().expect("a line");
    assert!(before.starts_with("0 ") && after.starts_with("1 "), "{before}; {after}");
    let nodes = |line: &str| line.split(' ').nth(1).and_then(|n| n.parse::<u32>().ok()).expect("a number");
    assert_eq!(nodes(&after), nodes(&before) + 2, "a claim makes another pipe: {before}; {after}");
}

/// Programs of both APIs, which look at nodes before they open them.
#[test]
fn programs_work_there() {
    let env = Env::new(1);
    if !can_contain(&env) {
        skip!("no namespaces here");
    }
    let pipe = env.pipe(0);
    let there = |name: &str, args: &[&str]| -> Running {
        let path = program(name);
        without_tree(&env, &[&[path.to_str().expect("UTF-8")], args].concat()).start()
    };
    let mut pusher = there("push_motion", &["--find", "proc", "--fps", "100"]);
    assert_eq!(pusher.event("open")["device"], pipe.input.as_str());
    pusher.event("setup");
    clean(&there("client_motion", &["--device", &pipe.output, "--frames", "5"]).result(), 5);
    clean(&there("v4l2_client", &["--device", &pipe.output, "--frames", "5"]).result(), 5);
    if !have("v4l2-ctl") {
        skip!("no v4l2-ctl");
    }
    for words in [&["v4l2-ctl", "--list-devices"][..], &["v4l2-ctl", "-d", &pipe.output, "--info"]] {
        let told = without_tree(&env, words).output().ok().text();
        assert_eq!(told, env.run(words).output().ok().text());
        assert!(told.contains("Loopback video device 1"), "{told}");
    }
    pusher.end_input();
    pusher.finish().ok();
}
