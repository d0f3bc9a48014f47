//! What a process of another era is told (driver/docs/rules.md, "Eras"; driver/docs/old-api.md, "The kernel release"):
//! the kernel's release, wherever it looks for it, and the module.

use vloopback_tests::{Env, Running, have, number, skip};

/// The text that a shell command prints in the environment.
#[track_caller]
fn shell(env: &Env, options: &[&str], line: &str) -> String {
    env.run_with(options, &["sh", "-c", line]).output().ok().text()
}

/// What names the release, and how to ask it: each prints the release alone.
const WAYS: &[(&str, &str)] = &[
    ("uname", "uname -r"),
    ("a child of a child", "exec sh -c 'exec env uname -r'"),
    ("another working directory", "cd /tmp && uname -r"),
    ("/proc/version", "cut -d' ' -f3 /proc/version"),
    ("a shell's <", "read -r linux version release rest </proc/version && echo $release"),
    ("stdio", "awk '{ print $3 }' /proc/version"),
    ("osrelease", "cat /proc/sys/kernel/osrelease"),
    ("in that folder", "cd /proc/sys/kernel && cat osrelease"),
    ("in another", "cd /proc && cat ./sys/kernel/osrelease"),
    ("twice", "cat /proc/version /proc/sys/kernel/osrelease | sed -n 2p"),
];

/// uname(), the uname program, /proc/version and /proc/sys/kernel/osrelease tell one release, to the command
/// and to whatever it starts; without --uname each tells the kernel's own.
#[test]
fn the_release_is_the_same_wherever_it_is_asked_for() {
    let env = Env::new(1);
    let own = vloopback_tests::Job::new("uname").arg("-r").output().ok().text();
    let ways = |line: &str| {
        for option in ["2.4", "2.6", "2.4.18-14custom"] {
            let told = shell(&env, &["--uname", option], line);
            let expected = match option {
                "2.4" => "2.4.37\n",
                "2.6" => "2.6.39\n",
                _ => "2.4.18-14custom\n",
            };
            assert_eq!(told, expected, "{line}");
        }
        assert_eq!(shell(&env, &[], line), own, "{line}");
        assert_eq!(shell(&env, &["--legacy"], line), own, "{line}");
    };
    for (_, line) in WAYS {
        ways(line);
    }
    if have("sysctl") {
        ways("sysctl -n kernel.osrelease");
    }
    if have("python3") {
        ways("python3 -c 'import os; print(os.uname().release)'");
        ways("python3 -c 'print(open(\"/proc/version\").read().split()[2])'");
    }
}

/// A program that asks by the call's number is told the same.
#[test]
fn the_release_by_the_calls_number() {
    let env = Env::new(1);
    let program = vloopback_tests::program("raw_syscall");
    let path = program.to_str().expect("a path in UTF-8");
    let own = vloopback_tests::Job::new("uname").arg("-r").output().ok().text();
    let told = |options: &[&str], release: &str| {
        env.run_with(options, &[path, "--release", release.trim_end()]).output().code() == 0
    };
    assert!(told(&["--uname", "2.4"], "2.4.37") && !told(&["--uname", "2.4"], &own));
    assert!(told(&["--uname", "2.6.18-8"], "2.6.18-8"));
    assert!(told(&[], &own) && !told(&[], "2.4.37"));
}

/// Only the release is another one; the files are the kernel's in all else, and not to be written.
#[test]
fn the_rest_of_the_kernels_line_is_its_own() {
    let env = Env::new(1);
    let own = std::fs::read_to_string("/proc/version").expect("the kernel's line");
    let release = own.split(' ').nth(2).expect("a release");
    let told = shell(&env, &["--uname", "2.4"], "cat /proc/version");
    assert_eq!(told, own.replacen(release, "2.4.37", 1));
    let both = |line: &str| {
        let plain = vloopback_tests::Job::new("sh").args(["-c", line]).output();
        let fake = env.run_with(&["--uname", "2.4"], &["sh", "-c", line]).output();
        assert_eq!((fake.code(), fake.text()), (plain.code(), plain.text()), "{line}");
    };
    both("stat -c '%F %a %s' /proc/version /proc/sys/kernel/osrelease");
    both("test -r /proc/version && test -f /proc/version");
    both("echo 2.2 2>/dev/null >>/proc/version");
    both("cat /proc/version/ /proc/versions 2>/dev/null");
    both("uname -s -v -m -o; cat /proc/sys/kernel/ostype");
    // Read-only, from its beginning, and not a descriptor that lasts.
    let code = "exec 3</proc/version; cat <&3 >/dev/null; (echo x >&3) 2>/dev/null; echo $?; cat <&3 | wc -c";
    let told = shell(&env, &["--uname", "2.4"], code);
    assert_eq!(told, shell(&env, &[], code));
}

/// driver/docs/rules.md, "Eras": a legacy process sees the module in /proc/modules, in /sys/module and in lsmod's
/// list; how often it is in use is how many have a pipe open.
#[test]
fn lsmod_lists_the_module_and_its_users() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let files =
        "test -d /sys/module/vloopback && cat /sys/module/vloopback/refcnt /sys/module/vloopback/initstate";
    let lists = |users: u32| {
        let line = shell(&env, &["--legacy"], "grep '^vloopback ' /proc/modules");
        assert_eq!(line, format!("vloopback 16384 {users} - Live 0x0000000000000000\n"));
        assert_eq!(shell(&env, &["--legacy"], files), format!("{users}\nlive\n"));
        if have("lsmod") {
            let ended = env.run_legacy(&["lsmod"]).output().ok();
            let text = ended.text();
            let row: Vec<&str> = text
                .lines()
                .find(|l| l.starts_with("vloopback "))
                .expect("a row")
                .split_whitespace()
                .collect();
            assert_eq!(row, ["vloopback", "16384", &users.to_string()]);
            assert_eq!(ended.stderr, "", "lsmod finds all that it looks for");
        }
    };
    lists(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
    pusher.event("setup");
    lists(1);
    let mut client = env.program("client_motion", &["--device", &pipe.output, "--report", "1"]).start();
    client.frame(0);
    lists(2);
    client.end_input();
    client.finish();
    pusher.end_input();
    pusher.finish().ok();
    env.until_idle();
    lists(0);
    // Who asked for vloopback's own names is not told of it. (Other programs of today find v4l2loopback beside it.)
    let others =
        "test -e /sys/module/vloopback || ls /sys/module 2>/dev/null | grep '^vloopback$' || echo none";
    assert_eq!(shell(&env, &["--identity", "vloopback"], others), "none\n");
    assert_eq!(shell(&env, &["--legacy"], "ls -d /sys/module/vloop*"), "/sys/module/vloopback\n");
    if !have("lsmod") {
        skip!("no lsmod (package kmod)");
    }
}

/// Today's programs in the session of an old one (`run --uname 2.4 -- sh`) are today's: who makes V4L2 requests only
/// sees the card when the old pusher has ended, or been killed, and the next one's frames after it. A V4L1 client beside
/// it is told of the end as the old driver told it.
#[test]
fn a_program_of_today_beside_an_old_pusher() {
    for session in [&["--uname", "2.4"][..], &["--uname", "2.6"], &["--legacy"]] {
        let env = Env::new(1);
        let pipe = env.pipe(0);
        let push = |first: &str| {
            let args = ["--device", &pipe.input, "--size", "64x48", "--fps", "50", "--first", first];
            let mut pusher =
                env.program_with(session, "push_motion", &[&args[..], &["--report", "1"]].concat()).start();
            pusher.event("frame");
            pusher
        };
        let mut pusher = push("0");
        let watch = |name: &str, more: &[&str]| {
            let args = ["--device", &pipe.output, "--size", "64x48", "--report", "1"];
            let mut client = env.program_with(session, name, &[&args[..], more].concat()).start();
            client.event("frame");
            client
        };
        let ways = [&[][..], &["--by", "poll"], &["--io", "read"], &["--io", "read", "--by", "poll"]];
        let mut clients: Vec<Running> = ways.map(|way| watch("v4l2_client", way)).into();
        let mut old = watch("client_motion", &["--ask"]);
        pusher.kill();
        for client in &mut clients {
            client.event("card");
        }
        assert_eq!(number(&old.event("error"), "errno"), 22, "{session:?}");
        let next = push("1000");
        for client in &mut clients {
            client.frame(1000);
        }
        for mut client in clients {
            client.end_input();
            let result = client.event("result");
            assert_eq!((number(&result, "torn"), number(&result, "errors")), (0, 0), "{session:?}: {result}");
        }
        drop((old, next));
    }
}
