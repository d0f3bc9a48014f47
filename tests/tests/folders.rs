//! Programs that enter a folder of ours: `cd /proc/video/vloopback`, Perl's File::Find, Python's os.chdir.

use vloopback_tests::{Env, Job, have, skip};

/// The text that a shell command prints in the environment.
#[track_caller]
fn shell(env: &Env, line: &str) -> String {
    env.run(&["sh", "-c", line]).output().ok().text()
}

/// Relative names, the folder's own name, and what is above it.
#[test]
fn the_folder_can_be_entered() {
    let env = Env::new(2);
    let list = shell(&env, "cat /proc/video/vloopback/vloopbacks");
    let names = "vloopback0\nvloopback1\nvloopbacks\n";
    for (line, told) in [
        ("cd /proc/video/vloopback && cat vloopbacks", list.as_str()),
        ("cd /proc/video/vloopback && cat ./vloopbacks", list.as_str()),
        ("cd /proc/video && cat vloopback/vloopbacks", list.as_str()),
        ("cd /proc/video && cd vloopback && cat vloopbacks", list.as_str()),
        ("env -C /proc/video/vloopback cat vloopbacks", list.as_str()),
        ("cd /proc/video/vloopback && ls", names),
        ("cd /proc/video/vloopback && ls .", names),
        ("cd /proc/video/vloopback && echo *", "vloopback0 vloopback1 vloopbacks\n"),
        (
            "cd /proc/video/vloopback && pwd && pwd -P && env pwd -P",
            "/proc/video/vloopback\n/proc/video/vloopback\n/proc/video/vloopback\n",
        ),
        ("env -C /proc/video/vloopback pwd -P", "/proc/video/vloopback\n"),
        (
            "cd /proc/video/vloopback && realpath . vloopbacks",
            "/proc/video/vloopback\n/proc/video/vloopback/vloopbacks\n",
        ),
        ("cd /proc/video/vloopback && readlink /proc/self/cwd", "/proc/video/vloopback\n"),
        ("cd /proc/video/vloopback && env -C .. pwd -P", "/proc/video\n"),
        ("cd /proc/video/vloopback && env -C ../.. pwd -P", "/proc\n"),
        ("cd /proc/video/vloopback && cd ../.. && pwd -P && test -e cpuinfo", "/proc\n"),
        ("cd /proc/video/vloopback && test -e ../../cpuinfo && test -d ../../../usr && ls ..", "vloopback\n"),
        ("cd /proc/video/vloopback && cat ../vloopback/vloopbacks", list.as_str()),
        ("cd /proc/video/vloopback && cd / && pwd -P && test -d usr", "/\n"),
        ("cd /proc/video/vloopback && sh -c 'cd /tmp && pwd -P'", "/tmp\n"),
        ("cd /proc/video/vloopback && head -c 4 ../../../dev/zero | wc -c", "4\n"),
        (
            "test ! -e /proc/video/vloopback/x && cd /proc/video/vloopback && test ! -e x && test ! -e ../x",
            "",
        ),
    ] {
        assert_eq!(shell(&env, line), told, "{line}");
    }
    // It is the same folder, however it is named.
    let same = "cd /proc/video/vloopback && test . -ef /proc/video/vloopback && \
                test vloopbacks -ef /proc/video/vloopback/vloopbacks && test .. -ef /proc/video && \
                test ../.. -ef /proc";
    shell(&env, same);
    let refused = env.run(&["env", "-C", &env.pipe(0).input, "pwd"]).output();
    assert!(refused.says("Not a directory"), "{}", refused.stderr);
}

/// The same in sysfs, where a device's folder is another by a link.
#[test]
fn the_class_can_be_entered() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let (bare, name) = (&pipe.input[5..], "Loopback video device 0\n");
    let device = format!("/sys/devices/virtual/video4linux/{bare}\n");
    let listed = format!("{bare}\n");
    for (line, told) in [
        (format!("cd /sys/class/video4linux && cat {bare}/name"), name),
        (format!("cd /sys/class/video4linux/{bare} && cat name"), name),
        (format!("cd /sys/class/video4linux && cd {bare} && cat name"), name),
        (format!("cd /sys/class/video4linux/{bare} && pwd -P"), device.as_str()),
        (format!("cd -P /sys/class/video4linux/{bare} && pwd"), device.as_str()),
        ("env -C /sys/class/video4linux pwd -P".to_owned(), "/sys/class/video4linux\n"),
        (format!("cd /sys/class/video4linux && ls | grep -x {bare}"), listed.as_str()),
        ("cd /sys/class/video4linux && env -C .. pwd -P".to_owned(), "/sys/class\n"),
        (
            "cd /sys/class/video4linux && test -d ../mem && test -d ../../class/mem && test -d ../../../usr"
                .to_owned(),
            "",
        ),
        (format!("cd /sys/class/video4linux/{bare} && env -C subsystem pwd -P"), "/sys/class/video4linux\n"),
        (format!("env -C /sys/class/video4linux/{bare} sh -c 'cat ../{bare}/name'"), name),
    ] {
        assert_eq!(shell(&env, &line), told, "{line}");
    }
}

/// What is there cannot be written by a relative name either, nor can anything be made.
#[test]
fn nothing_is_written_there() {
    let env = Env::new(1);
    let bare = &env.pipe(0).input[5..];
    let before = shell(&env, &format!("cat /sys/class/video4linux/{bare}/name"));
    for line in [
        format!("cd /sys/class/video4linux/{bare} && echo x > name"),
        "cd /proc/video/vloopback && echo x > vloopbacks".to_owned(),
        "cd /proc/video/vloopback && echo x > other".to_owned(),
    ] {
        assert_ne!(env.run(&["sh", "-c", &line]).output().code(), 0, "{line}");
    }
    assert_eq!(shell(&env, &format!("cat /sys/class/video4linux/{bare}/name")), before);
    assert_eq!(shell(&env, "ls /proc/video/vloopback"), "vloopback0\nvloopbacks\n");
    assert_eq!(env.pipes().len(), 1);
}

/// Who enters the folder is legacy from then on, as who opens its list is.
#[test]
fn who_enters_it_is_legacy() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let code = "import os, sys\n\
                has = lambda: 'v4l2loopback ' not in open('/proc/modules').read()\n\
                print(has()); os.chdir(sys.argv[1]); print(has())\n";
    let told = |folder: &str| env.run(&["python3", "-c", code, folder]).output().ok().text();
    assert_eq!(told("/proc/video/vloopback"), "False\nTrue\n");
    assert_eq!(told("/sys/class/video4linux"), "False\nFalse\n");
}

/// By descriptor, and with Python's and Perl's own ways of walking.
#[test]
fn scripts_that_walk() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let code = "import os\n\
                home = os.getcwd()\n\
                os.chdir('/proc/video/vloopback')\n\
                print(os.getcwd(), os.getcwdb().decode(), sorted(os.listdir('.')), sorted(os.listdir()))\n\
                print(len(open('vloopbacks').read().splitlines()))\n\
                print(os.path.abspath('vloopbacks'), os.path.realpath('.'))\n\
                os.chdir('..'); print(os.getcwd())\n\
                os.chdir('..'); print(os.getcwd(), os.path.exists('self'))\n\
                fd = os.open('/proc/video/vloopback', os.O_RDONLY | os.O_DIRECTORY)\n\
                os.chdir(home); print(os.getcwd() == home)\n\
                os.fchdir(fd); print(os.getcwd(), os.path.exists('vloopbacks'))\n\
                os.chdir('/tmp'); print(os.getcwd(), os.path.exists('vloopbacks'))\n\
                import subprocess\n\
                print(subprocess.run(['pwd', '-P'], cwd='/proc/video/vloopback', capture_output=True, text=True).stdout, end='')\n\
                print(os.getcwd(), flush=True)\n\
                found = [(top, sorted(dirs), sorted(files)) for top, dirs, files in os.walk('/proc/video')]\n\
                print(found, flush=True)\n\
                libc = __import__('ctypes').CDLL(None, use_errno=True)\n\
                os.chdir('/proc/video/vloopback')\n\
                for cwd in ('/tmp', '/proc/video', '/'):\n    \
                    subprocess.run(['true'], cwd=cwd, check=True)\n    \
                    assert os.getcwd() == '/proc/video/vloopback' and os.path.exists('../../cpuinfo'), cwd\n\
                if os.fork() == 0: os.chdir('..'); print(os.getcwd(), flush=True); os._exit(0)\n\
                os.wait(); print(os.getcwd())\n\
                import ctypes\n\
                room = ctypes.create_string_buffer(8)\n\
                libc.getcwd.restype = ctypes.c_void_p\n\
                print(libc.getcwd(room, 8), ctypes.get_errno())\n";
    let told = env.run(&["python3", "-c", code]).output().ok().text();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "/proc/video/vloopback /proc/video/vloopback ['vloopback0', 'vloopbacks'] ['vloopback0', 'vloopbacks']",
            "3",
            "/proc/video/vloopback/vloopbacks /proc/video/vloopback",
            "/proc/video",
            "/proc True",
            "True",
            "/proc/video/vloopback True",
            "/tmp False",
            "/proc/video/vloopback",
            "/tmp",
            "[('/proc/video', ['vloopback'], []), ('/proc/video/vloopback', [], ['vloopback0', 'vloopbacks'])]",
            "/proc/video",
            "/proc/video/vloopback",
            // ERANGE
            "None 34",
        ]
    );
    if !Job::new("perl").args(["-MFile::Find", "-e", "1"]).output().status.success() {
        skip!("no File::Find (package perl)");
    }
    let code = "use File::Find; find(sub { print \"$File::Find::name \", (-f $_ ? 'file' : 'dir'), \"\\n\" }, @ARGV)";
    let told = env.run(&["perl", "-e", code, "/proc/video"]).output().ok().text();
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "/proc/video dir",
            "/proc/video/vloopback dir",
            "/proc/video/vloopback/vloopback0 file",
            "/proc/video/vloopback/vloopbacks file"
        ]
    );
    let found = shell(&env, "find /proc/video/vloopback -type f -execdir cat {} + | grep -c video");
    assert_ne!(found, "0\n");
}

/// The tree may lie behind symbolic links, as /var/run is one.
#[test]
fn a_tree_behind_a_link() {
    let env = Env::new(1);
    let link = env.dir().join("link");
    std::os::unix::fs::symlink(env.socket().parent().expect("a folder"), &link).expect("a link");
    let socket = link.join(env.socket().file_name().expect("a name"));
    let told = env
        .own("vloopback")
        .args(["run", "--socket"])
        .arg(socket)
        .args([
            "--",
            "sh",
            "-c",
            "cd /proc/video/vloopback && env pwd -P && env -C ../.. pwd -P && readlink /proc/self/cwd",
        ])
        .output()
        .ok();
    assert_eq!(told.text(), "/proc/video/vloopback\n/proc\n/proc/video/vloopback\n");
}
