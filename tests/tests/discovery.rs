//! What programs find in /proc, /sys and /dev (driver/docs/old-api.md, "Finding a pipe"), seen by ordinary programs
//! under `vloopback run`.

use vloopback_tests::{Env, Pipe, have, skip};

/// The text that a shell command prints in the environment.
#[track_caller]
fn shell(env: &Env, options: &[&str], line: &str) -> String {
    env.run_with(options, &["sh", "-c", line]).output().ok().text()
}

fn numbers(pipe: &Pipe) -> (u32, u32) {
    (Pipe::number(&pipe.input), Pipe::number(&pipe.output))
}

/// driver/docs/old-api.md, "The list in /proc": two leading lines, then five columns with single tabs, bare names, `-`
/// for unused, each line under 254 bytes with its newline, no blank line.
#[test]
fn the_list_in_proc_has_the_bytes_that_old_parsers_need() {
    let env = Env::new(3);
    let text = shell(&env, &[], "cat /proc/video/vloopback/vloopbacks");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 5, "{text:?}");
    assert!(lines.iter().all(|line| line.ends_with('\n') && line.len() < 254 && line.len() > 1), "{text:?}");
    for (index, (line, pipe)) in lines[2..].iter().zip(env.pipes()).enumerate() {
        let (input, output) = numbers(&pipe);
        assert_eq!(*line, format!("{index}\tvideo{input}\t-\tvideo{output}\t-\n"));
    }
}

/// driver/docs/old-api.md, "The list in /proc": `W` while a writer has the input open, `R` while a reader has the
/// output.
#[test]
fn the_list_shows_who_is_there() {
    let env = Env::new(2);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
    pusher.event("setup");
    let row = |n: usize| {
        let text = shell(&env, &[], "cat /proc/video/vloopback/vloopbacks");
        text.lines().nth(n + 2).expect("a row").to_owned()
    };
    let (input, output) = numbers(&pipe);
    assert_eq!(row(0), format!("0\tvideo{input}\tW\tvideo{output}\t-"));
    let mut client = env.program("client_motion", &["--device", &pipe.output, "--report", "1"]).start();
    client.frame(0);
    assert_eq!(row(0), format!("0\tvideo{input}\tW\tvideo{output}\tR"));
    assert!(row(1).contains("\t-\t"), "{}", row(1));
    client.end_input();
    client.event("result");
    client.finish();
    env.until("the reader is gone", |pipes| pipes[0].output_status == "-");
    assert_eq!(row(0), format!("0\tvideo{input}\tW\tvideo{output}\t-"));
    pusher.end_input();
    pusher.finish().ok();
    env.until_idle();
    assert_eq!(row(0), format!("0\tvideo{input}\t-\tvideo{output}\t-"));
}

/// driver/docs/old-api.md, "The list in /proc": `vloopbackN` begins with the same columns in one line; counters may
/// follow.
#[test]
fn each_pipe_has_a_file_of_its_own() {
    let env = Env::new(2);
    for (index, pipe) in env.pipes().iter().enumerate() {
        let (input, output) = numbers(pipe);
        let text = shell(&env, &[], &format!("cat /proc/video/vloopback/vloopback{index}"));
        let expected = format!("{index}\tvideo{input}\t-\tvideo{output}\t-");
        assert_eq!(text.lines().next(), Some(expected.as_str()), "{text:?}");
    }
    let names = shell(&env, &[], "ls /proc/video/vloopback");
    assert_eq!(names, "vloopback0\nvloopback1\nvloopbacks\n");
}

/// driver/docs/old-api.md, "Names in sysfs": sysfs names have exactly four words and a newline; the other files agree
/// with them.
#[test]
fn the_sysfs_files_agree() {
    let env = Env::new(2);
    for (index, pipe) in env.pipes().iter().enumerate() {
        let (input, output) = numbers(pipe);
        for (number, direction) in [(input, "input"), (output, "output")] {
            let read = |file: &str| {
                shell(&env, &["--legacy"], &format!("cat /sys/class/video4linux/video{number}/{file}"))
            };
            assert_eq!(read("name"), format!("Video loopback {index} {direction}\n"));
            assert_eq!(read("dev"), format!("81:{number}\n"));
            let uevent = read("uevent");
            for line in ["MAJOR=81".to_owned(), format!("MINOR={number}"), format!("DEVNAME=video{number}")] {
                assert!(uevent.lines().any(|l| l == line), "{line}: {uevent:?}");
            }
            let by_number = shell(&env, &["--legacy"], &format!("cat /sys/dev/char/81:{number}/name"));
            assert_eq!(by_number, read("name"));
            let real = shell(&env, &[], &format!("realpath /sys/class/video4linux/video{number}"));
            assert_eq!(real, format!("/sys/devices/virtual/video4linux/video{number}\n"));
            let link = shell(&env, &[], &format!("readlink /sys/class/video4linux/video{number}"));
            assert!(link.ends_with(&format!("/devices/virtual/video4linux/video{number}\n")), "{link:?}");
            assert!(!link.contains("s.d"), "the tree's own place shows: {link:?}");
        }
    }
}

/// driver/docs/clients.md, "What each program needs": nodes are character devices 81:N to stat, test, ls and a shell's
/// own pattern, under both of their names.
#[test]
fn nodes_look_like_character_devices() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    for node in [&pipe.input, &pipe.output] {
        let number = Pipe::number(node);
        assert_eq!(
            shell(&env, &[], &format!("stat -c '%F %t:%T' {node}")),
            format!("character special file 51:{number:x}\n")
        );
        shell(&env, &[], &format!("test -c {node} && test -r {node} && test -w {node} && test -e {node}"));
        shell(&env, &[], &format!("test -c /dev/v4l/video{number}"));
        assert_eq!(shell(&env, &[], &format!("realpath {node}")), format!("{node}\n"));
        let listed = shell(&env, &[], "ls /dev");
        assert_eq!(listed.lines().filter(|&l| l == format!("video{number}")).count(), 1, "{listed}");
        let pattern = shell(&env, &[], "echo /dev/video*");
        assert_eq!(pattern.split_whitespace().filter(|w| w == node).count(), 1, "{pattern}");
        let old = shell(&env, &[], "ls /dev/v4l");
        assert!(old.lines().any(|l| l == format!("video{number}")), "{old}");
        let class = shell(&env, &[], "ls /sys/class/video4linux");
        assert!(class.lines().any(|l| l == format!("video{number}")), "{class}");
    }
    // A node that nobody has made does not exist.
    assert_eq!(env.run(&["test", "-e", "/dev/video250"]).output().code(), 1);
    // Relative names and detours lead to the same node.
    let number = Pipe::number(&pipe.input);
    let detour = format!("cd /dev && stat -c %t video{number} && stat -c %t ./../dev//video{number}");
    assert_eq!(shell(&env, &[], &detour), "51\n51\n");
}

/// Everything that is not ours is as it is without the library.
#[test]
fn other_paths_pass_through() {
    let env = Env::new(1);
    let plain = |line: &str| vloopback_tests::Job::new("sh").args(["-c", line]).output().ok().text();
    for line in [
        "ls /",
        "ls /proc/self/fd | wc -l",
        "stat -c %F /dev/null",
        "cat /proc/self/comm",
        "ls /dev | grep -v ^video | grep -v ^v4l",
    ] {
        assert_eq!(shell(&env, &[], line), plain(line), "{line}");
    }
    let missing = env.run(&["cat", "/proc/video/nothing"]).output();
    assert_eq!(missing.code(), 1);
    assert!(missing.stderr.contains("No such file"), "{}", missing.stderr);
}

/// Python's os and glob see the same as C programs.
#[test]
fn python_sees_the_nodes() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let code = "import os, glob, stat\n\
                print(sorted(e.name for e in os.scandir('/dev') if e.name.startswith('video')))\n\
                print(sorted(glob.glob('/dev/video*')))\n\
                print(sorted(os.listdir('/sys/class/video4linux')))\n\
                print(all(stat.S_ISCHR(os.stat(p).st_mode) for p in glob.glob('/dev/video*')))\n";
    let text = env.run(&["python3", "-c", code]).output().ok().text();
    let lines: Vec<&str> = text.lines().collect();
    for node in [&pipe.input, &pipe.output] {
        let name = node.trim_start_matches("/dev/");
        assert!(lines[0].contains(&format!("'{name}'")), "{text}");
        assert!(lines[1].contains(&format!("'{node}'")), "{text}");
        assert!(lines[2].contains(&format!("'{name}'")), "{text}");
    }
    assert_eq!(lines[3], "True", "{text}");
}

/// Flags of open() that belong to files make no file of a node: O_CREAT, O_TRUNC, O_EXCL, O_DIRECTORY, O_PATH.
#[test]
fn flags_for_files_do_no_harm() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let input = env.pipe(0).input;
    let code = format!(
        "import os, stat\n\
         def tried(flags):\n    \
             try:\n        \
                 fd = os.open('{input}', flags, 0o600)\n    \
             except OSError as e:\n        return e.errno\n    \
             try:\n        \
                 return stat.S_ISCHR(os.fstat(fd).st_mode)\n    \
             finally:\n        os.close(fd)\n\
         print(tried(os.O_RDWR | os.O_CREAT | os.O_TRUNC), tried(os.O_RDWR | os.O_CREAT | os.O_EXCL),\n      \
               tried(os.O_RDONLY | os.O_DIRECTORY), tried(os.O_PATH))\n"
    );
    let text = env.run(&["python3", "-c", &code]).output().ok().text();
    // EEXIST is 17, ENOTDIR 20.
    assert_eq!(text, "True 17 20 True\n");
    assert_eq!(shell(&env, &[], &format!("stat -c %F {input}")), "character special file\n");
    assert!(!std::path::Path::new(&input).is_file(), "a real file was made");
}

/// driver/docs/clients.md, "What each program needs": browsers watch /dev for cameras. A watch of a node, of a folder
/// of ours or of one that is merged is one, as a watch of a node that is not there is none; a folder of ours tells of
/// pipes that come.
#[test]
fn what_a_program_watches() {
    if !have("python3") {
        skip!("no python3");
    }
    // A claim makes another pipe.
    let env = Env::builder().args(&["--pipes", "1", "--spares", "1"]).start();
    let pipe = env.pipe(0);
    let code = "import ctypes, os, select, struct, sys\n\
                libc = ctypes.CDLL(None, use_errno=True)\n\
                CREATE, MOVED_TO, DELETE = 0x100, 0x80, 0x200\n\
                def watch(path):\n    \
                    fd = libc.inotify_init1(os.O_CLOEXEC)\n    \
                    wd = libc.inotify_add_watch(fd, path.encode(), CREATE | MOVED_TO | DELETE)\n    \
                    return fd, 0 if wd >= 0 else ctypes.get_errno()\n\
                for path in sys.argv[1:]: print(path, watch(path)[1])\n\
                fd, _ = watch('/dev/v4l')\n\
                print('watching', flush=True)\n\
                names = set()\n\
                while not any(name.startswith('video') for name in names):\n    \
                    events = os.read(fd, 4096)\n    \
                    while events:\n        \
                        size = struct.unpack_from('iIII', events)[3]\n        \
                        names.add(events[16:16 + size].rstrip(b'\\0').decode())\n        \
                        events = events[16 + size:]\n\
                print(sorted(name for name in names if name.startswith('video')))\n";
    let nodes = ["/dev", "/dev/", pipe.input.as_str(), &pipe.output, "/dev/v4l", "/sys/class/video4linux"];
    let others = ["/proc/video/vloopback", "/dev/video250"];
    let words = [&["python3", "-c", code], &nodes[..], &others].concat();
    let mut job = env.run(&words).start();
    for node in nodes.iter().chain(&others) {
        // ENOENT is 2.
        let errno = if *node == "/dev/video250" { 2 } else { 0 };
        assert_eq!(job.line(), Some(format!("{node} {errno}")));
    }
    assert_eq!(job.line().as_deref(), Some("watching"));
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
    pusher.event("setup");
    let new = env.pipe(1);
    let told = job.line().expect("what has come");
    assert!([new.input, new.output].iter().any(|node| told.contains(&node[5..])), "{told}");
}

/// driver/docs/rules.md, "Eras": a legacy process sees `vloopback` in /proc/modules, also where the kernel has no
/// such file; another process finds v4l2loopback beside it, or under
/// vloopback's own identity neither.
#[test]
fn proc_modules_names_the_driver_of_the_programs_time() {
    let env = Env::new(1);
    let text = shell(&env, &["--legacy"], "cat /proc/modules");
    assert_eq!(text.lines().filter(|l| l.starts_with("vloopback ")).count(), 1, "{text}");
    assert!(!text.contains("v4l2loopback"), "{text}");
    let text = env.run(&["cat", "/proc/modules"]).output().text();
    assert!(text.contains("\nv4l2loopback "), "{text}");
    let text = env.run_with(&["--identity", "vloopback"], &["cat", "/proc/modules"]).output().text();
    assert!(!text.contains("vloopback"), "{text}");
    // Some old pushers ask lsmod first.
    let mut pusher = env.program_legacy("push_dc1394", &["--find", "modules", "--frames", "3"]).start();
    pusher.event("pushed");
    pusher.finish().ok();
    if !have("lsmod") {
        skip!("no lsmod (package kmod)");
    }
    let mut pusher = env.program_legacy("push_dc1394", &["--find", "lsmod", "--frames", "3"]).start();
    pusher.event("pushed");
    pusher.finish().ok();
}

/// driver/docs/old-api.md, "The kernel release": a faked 2.4 release leads to the /proc way, 2.6 to sysfs; without
/// either such a program does not look at all.
#[test]
fn the_uname_gate_leads_to_proc_or_sysfs() {
    let env = Env::new(1);
    let input = env.pipe(0).input;
    for (release, way) in [("2.4", "proc"), ("2.6", "sysfs"), ("2.4.20", "proc")] {
        let mut pusher = env.program_with(&["--uname", release], "push_motion", &["--frames", "3"]).start();
        assert_eq!(pusher.event("gate")["way"], way);
        assert_eq!(pusher.event("open")["device"], input.as_str());
        pusher.event("pushed");
        pusher.finish().ok();
        env.until_idle();
        let text = shell(&env, &["--uname", release], "uname -r");
        assert!(text.starts_with(release), "{text}");
    }
    let mut pusher = env.program("push_motion", &["--frames", "3"]).start();
    assert_eq!(pusher.event("gate")["way"], "none");
    assert_eq!(pusher.finish().code(), 1);
}

/// driver/docs/old-api.md, "The kernel release": the UNAME26 personality gives 2.6.x, hence the sysfs way, and makes a
/// process legacy.
#[test]
fn the_uname26_personality_leads_to_sysfs() {
    if !have("setarch") {
        skip!("no setarch (package util-linux)");
    }
    let env = Env::new(1);
    let path = vloopback_tests::program("push_motion");
    let path = path.to_str().expect("a path in UTF-8");
    let mut pusher = env.run(&["setarch", "--uname-2.6", path, "--frames", "3"]).start();
    assert_eq!(pusher.event("gate")["way"], "sysfs");
    pusher.event("pushed");
    pusher.finish().ok();
    let text = env.run(&["setarch", "--uname-2.6", "cat", "/proc/modules"]).output().ok().text();
    assert!(text.lines().any(|l| l.starts_with("vloopback ")), "{text}");
}

/// driver/docs/old-api.md, "Names in sysfs": lowest pipe number wins, and an open and close in between consumes no
/// pipe.
#[test]
fn the_sysfs_scan_finds_the_lowest_pipe_and_consumes_none() {
    let env = Env::new(4);
    let pipes = env.pipes();
    for _ in 0..3 {
        let mut pusher = env
            .program_with(&["--uname", "2.6"], "push_motion", &["--find", "sysfs", "--frames", "1"])
            .start();
        assert_eq!(pusher.event("open")["device"], pipes[0].input.as_str());
        pusher.finish().ok();
        env.until_idle();
    }
}

/// driver/docs/old-api.md, "Kept": dev_offset puts input n at 2n+offset and output at 2n+1+offset.
#[test]
fn dev_offset_places_the_nodes() {
    let env = Env::builder().args(&["--pipes", "2", "--dev-offset", "40"]).start();
    let nodes: Vec<_> = env.pipes().into_iter().flat_map(|p| [p.input, p.output]).collect();
    assert_eq!(nodes, ["/dev/video40", "/dev/video41", "/dev/video42", "/dev/video43"]);
    let mut pusher = env.program("push_motion", &["--find", "proc", "--frames", "1"]).start();
    assert_eq!(pusher.event("open")["device"], "/dev/video40");
    pusher.finish().ok();
}
