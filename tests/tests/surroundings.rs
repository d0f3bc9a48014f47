//! What a legacy program meets elsewhere than at a terminal: in a container, in a chroot, as another user,
//! from cron, from init. The page that says so is `driver/docs/migrating.md`; zero-copy pushers and their signals
//! across namespaces and users are with the zero-copy tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vloopback_tests::{
    Ended, Env, Job, Running, Width, binary, copy_program, have, program, program_of, skip,
};

/// A user, mount and PID namespace of one's own, in which one is root: what a rootless container is made of.
const CONTAINER: &[&str] =
    &["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// Whether such a container can be made here.
fn can_contain() -> bool {
    have("unshare") && Job::new(CONTAINER[0]).args(&CONTAINER[1..]).arg("true").output().status.success()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Words in front of a command, in the way that `Env` has it.
fn in_front(words: &[&str], env: &Env, command: &[&str]) -> Job {
    let job = Job::new(words[0]).args(&words[1..]).args(command).env("XDG_RUNTIME_DIR", env.dir());
    job.named(&format!("{} {}", words.join(" "), command.join(" ")))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// `vloopback run` on the test's socket, and a program of `tests/programs`, as words.
fn run_words(env: &Env, name: &str, args: &[&str]) -> Vec<String> {
    let run = [text(&binary("vloopback")), "run", "--socket", text(env.socket()), "--"].map(str::to_owned);
    let path = text(&program(name)).to_owned();
    run.into_iter().chain([path]).chain(args.iter().map(ToString::to_string)).collect()
}

/// Pushes twenty frames and looks at ten of them, each in its place.
#[track_caller]
fn get_along(env: &Env, pusher_in: &[&str], client_in: &[&str]) {
    let pipe = env.pipe(0);
    let start = |place: &[&str], name: &str, args: &[&str]| -> Running {
        let words = run_words(env, name, args);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        in_front(place, env, &words).start()
    };
    let mut pusher = start(pusher_in, "push_motion", &["--device", &pipe.input, "--fps", "100"]);
    pusher.event("setup");
    for client in ["client_motion", "client_read"] {
        let result = start(client_in, client, &["--device", &pipe.output, "--frames", "10"]).result();
        assert_eq!((result["torn"].as_u64(), result["errors"].as_u64()), (Some(0), Some(0)), "{result}");
    }
    pusher.end_input();
    pusher.finish().ok();
    env.until_idle();
}

/// Pusher and client on either side of a container's wall, and both behind walls of their own.
#[test]
fn frames_pass_a_containers_wall() {
    if !can_contain() {
        skip!("no namespaces here");
    }
    let env = Env::new(1);
    get_along(&env, CONTAINER, &["env"]);
    get_along(&env, &["env"], CONTAINER);
    get_along(&env, CONTAINER, CONTAINER);
}

/// A container that is started under `vloopback run` takes the pipes along, in whatever era.
#[test]
fn a_container_under_run_sees_the_pipes() {
    if !can_contain() {
        skip!("no namespaces here");
    }
    let env = Env::new(2);
    let look =
        "cat /proc/video/vloopback/vloopbacks /sys/class/video4linux/video*/name; uname -r; ls /dev/video*";
    let inside = |options: &[&str]| {
        let words = [CONTAINER, &["sh", "-c", look]].concat();
        env.run_with(options, &words).output().ok().text()
    };
    let outside = |options: &[&str]| env.run_with(options, &["sh", "-c", look]).output().ok().text();
    for options in [&[][..], &["--uname", "2.4"], &["--legacy"]] {
        assert_eq!(inside(options), outside(options));
    }
    assert!(inside(&["--uname", "2.4"]).contains("\n2.4.37\n"));
}

/// Without a server in reach a container gets one of its own: at the place that root's has, with pipes that
/// nobody outside sees, and it ends with the container.
#[test]
fn a_container_alone_has_a_server_of_its_own() {
    if !can_contain() {
        skip!("no namespaces here");
    }
    let env = Env::new(1);
    let script = format!(
        "mount -t tmpfs none /run && mount -t tmpfs none /tmp && \
         env -u XDG_RUNTIME_DIR {} run --pipes 3 --dev-offset 50 -- \
         sh -c 'echo $VLOOPBACK_SOCKET; ls /run/vloopback; cat /proc/video/vloopback/vloopbacks'",
        text(&binary("vloopback"))
    );
    // The mount of /tmp would hide a build that lies there.
    let script = if text(&binary("vloopback")).starts_with("/tmp/") {
        script.replace("&& mount -t tmpfs none /tmp ", "")
    } else {
        script
    };
    let seen = in_front(CONTAINER, &env, &["sh", "-c", &script]).output().ok().text();
    assert!(seen.starts_with("/run/vloopback/socket\nsocket\nsocket.d\n"), "{seen}");
    assert!(seen.ends_with("2\tvideo54\t-\tvideo55\t-\n"), "{seen}");
    assert_eq!(env.pipes().len(), 1, "the one outside is another");
    assert_eq!(env.run(&["test", "-e", "/dev/video50"]).output().code(), 1);
}

/// A server in a container serves whoever reaches its socket. It does not know the processes outside by number,
/// nor users that the container has not: the mode for all others decides.
#[test]
fn a_server_in_a_container_and_a_client_outside() {
    if !can_contain() {
        skip!("no namespaces here");
    }
    let env = Env::builder().open_to_all().without_daemon();
    let daemon = [text(&binary("vloopbackd")), "--socket", text(env.socket())].map(str::to_owned);
    let mut daemon = in_front(CONTAINER, &env, &daemon.each_ref().map(String::as_str)).start();
    assert!(daemon.line().is_some_and(|line| line.starts_with("ready ")), "{}", daemon.stderr());
    get_along(&env, &["env"], &["env"]);
    let pipe = env.pipe(0);
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
    pusher.event("setup");
    let own =
        fs::read_to_string(env.tree().join("proc/video/vloopback/vloopback0")).expect("the pipe's file");
    assert!(own.lines().any(|line| line.starts_with("pusher\t-\t")), "a number from nowhere: {own}");
    drop(pusher);
    env.until_idle();
    if !is_root() {
        skip!("only root can become another user");
    }
    let refused = as_nobody(&env, &["open", "--device", &pipe.input]);
    assert_eq!(refused.start().event("opened")["errno"], 13);
}

/// Waits until the server in a container has ended, whose parent alone was waited for: it has a lock while it lives.
fn until_ended(env: &Env) {
    let mut lock = env.socket().to_owned().into_os_string();
    lock.push(".lock");
    Job::new("flock").arg(lock).arg("true").output().ok();
}

/// A machine that has nodes of its own, as a person sees it: those are never taken, output stays input + 1
/// (driver/docs/old-api.md, "VIDIOCGCAP"), and a `dev_offset` that would take one is refused by name.
#[test]
fn a_machine_with_cameras() {
    if !can_contain() {
        skip!("no namespaces here");
    }
    let env = Env::builder().without_daemon();
    let dev = env.dir().join("dev");
    fs::create_dir(&dev).expect("a directory");
    for name in ["null", "video1", "video4"] {
        fs::write(dev.join(name), "").expect("a file");
    }
    let dev = text(&dev);
    let daemon = |options: &str| {
        let script = format!(
            "mount --bind /dev/null {dev}/null && mount --bind {dev} /dev && exec {} --socket {} {options}",
            text(&binary("vloopbackd")),
            text(env.socket())
        );
        in_front(CONTAINER, &env, &["sh", "-c", &script])
    };
    let mut running = daemon("--pipes 3").start();
    assert!(running.line().is_some_and(|line| line.starts_with("ready ")), "{}", running.stderr());
    let nodes: Vec<String> = env.pipes().into_iter().flat_map(|pipe| [pipe.input, pipe.output]).collect();
    assert_eq!(nodes, [2, 3, 5, 6, 7, 8].map(|n| format!("/dev/video{n}")));
    drop(running);
    until_ended(&env);
    for (options, node) in [("--dev-offset 0", 1), ("--dev-offset 4", 4), ("--pipes 2 --dev-offset 2", 4)] {
        let refused = daemon(options).output();
        assert_ne!(refused.code(), 0, "{options}");
        assert!(
            refused.says("--dev-offset") && refused.says(&format!("/dev/video{node}")),
            "{}",
            refused.stderr
        );
    }
}

/// A copy that every user can read and run.
fn copy_for_all(env: &Env, from: &Path) -> PathBuf {
    let to = env.dir().join(from.file_name().expect("a file"));
    if !to.exists() {
        copy_program(from, &to);
    }
    to
}

/// `probe` as another user, with a library that this one can read.
fn as_nobody(env: &Env, args: &[&str]) -> Job {
    let (library, probe) = (copy_for_all(env, &env.library()), copy_for_all(env, &program("probe")));
    Job::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(probe)
        .args(args)
        .env("LD_PRELOAD", library)
        .env("VLOOPBACK_SOCKET", env.socket())
}

/// What the loader says where the library is out of reach; then the program meets the machine's own nodes.
#[track_caller]
fn is_not_served(ended: &Ended) {
    assert!(ended.says("cannot be preloaded"), "{}", ended.stderr);
    assert!(!ended.text().contains("video"), "{}", ended.text());
}

/// A program that `vloopback run` starts as root and that changes its user takes the library along, whichever way it
/// does so, and is asked as the user that it is. Where the library is out of that user's reach the loader says so, and
/// the program meets the machine's own nodes.
#[test]
fn a_change_of_user() {
    if !is_root() || !have("setpriv") {
        skip!("only root can become another user, by setpriv (package util-linux)");
    }
    const NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    const LIST: &str = "/proc/video/vloopback/vloopbacks";
    let env = Env::builder().args(&["--pipes", "1"]).open_to_all().start();
    let by_root = env.run(&["cat", LIST]).output().ok().text();
    let narrow = env.library_of(Width::Narrow).map(|_| program_of("probe", Width::Narrow));
    let output = env.pipe(0).output;
    let ways: [&[&str]; 3] =
        [NOBODY, &["su", "nobody", "-s", "/bin/sh", "-c"], &["runuser", "-u", "nobody", "--"]];
    for way in ways.into_iter().filter(|way| have(way[0])) {
        let shell = if way.last() == Some(&"-c") { &[][..] } else { &["sh", "-c"] };
        let run = |line: &str| env.run(&[way, shell, &[line]].concat()).output();
        let ended = run(&format!("id -u; cat {LIST}")).ok();
        assert_eq!(ended.text(), format!("65534\n{by_root}"), "{way:?}");
        assert_eq!(ended.stderr, "", "{way:?}");
        // The pipe is root's and the group's.
        let probes = [Some(program("probe")), narrow.clone()];
        for probe in probes.into_iter().flatten() {
            let probe = copy_for_all(&env, &probe);
            let ended = run(&format!("{} open --device {output}", probe.display()));
            assert!(ended.text().contains("\"errno\":13"), "{way:?}: {}{}", ended.text(), ended.stderr);
            assert!(!ended.says("preloaded"), "{way:?}: {}", ended.stderr);
        }
    }
    // A directory that only root can read.
    let closed = env.dir().join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("chmod");
    let library = closed.join("library.so");
    fs::copy(env.library(), &library).expect("a copy");
    let lost = env.run(&[NOBODY, &["cat", LIST]].concat()).env("VLOOPBACK_PRELOAD", &library).output();
    is_not_served(&lost);
    assert_eq!(as_nobody(&env, &["open", "--device", &output]).start().event("opened")["errno"], 13);
    if !have("python3") {
        skip!("no python3");
    }
    // A service that drops its rights by itself, before or after its first open.
    let code = "import os, sys\n\
                if sys.argv[2] == 'after': os.close(os.open(sys.argv[1], os.O_RDONLY))\n\
                os.setgroups([]); os.setgid(65534); os.setuid(65534)\n\
                print(open('/proc/video/vloopback/vloopbacks').read().count('video'))\n\
                try: print(os.close(os.open(sys.argv[1], os.O_RDONLY)))\n\
                except OSError as e: print(e.errno)\n";
    let tells = |when: &str| env.run(&["python3", "-c", code, &output, when]).output().ok().text();
    assert_eq!(tells("before"), "2\n13\n");
    // What counts are the rights of the moment, not those of the connection that root made.
    assert_eq!(tells("after"), "2\n13\n");
}

/// The library lies where the user that root becomes can read it, also where root's runtime directory is closed to
/// all others, and whatever root's umask is.
#[test]
fn where_the_library_lies() {
    if !is_root() || !have("setpriv") {
        skip!("only root can become another user, by setpriv (package util-linux)");
    }
    let env = Env::builder().args(&["--pipes", "1"]).open_to_all().start();
    let closed = env.dir().join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("chmod");
    let socket = format!("--socket {}", text(env.socket()));
    let script = |umask: &str, become_another: &str| {
        format!(
            "umask {umask}; {} run {socket} -- {become_another} cat /proc/video/vloopback/vloopbacks",
            text(&binary("vloopback"))
        )
    };
    let another = "setpriv --reuid=65534 --regid=65534 --clear-groups --";
    for runtime in [&closed, env.dir()] {
        for umask in ["022", "077"] {
            let job = Job::new("sh").args(["-c", &script(umask, another)]).env("XDG_RUNTIME_DIR", runtime);
            let ended = job.output().ok();
            assert!(ended.text().contains("video1"), "{}", ended.text());
            assert_eq!(ended.stderr, "");
        }
    }
    let folders = [(closed.join("vloopback"), false), (env.dir().join("vloopback"), true)];
    for (folder, holds) in folders {
        let some = fs::read_dir(&folder).is_ok_and(|mut found| found.next().is_some());
        assert_eq!(some, holds, "{}", folder.display());
    }
}

/// A chroot without the library: the loader says so. With `vloopback` and the socket inside, the program is
/// served as outside; one that enters a chroot later goes on with what it has.
#[test]
fn a_chroot() {
    if !can_contain() || !have("chroot") {
        skip!("no namespaces here, or no chroot");
    }
    let env = Env::builder().args(&["--pipes", "2"]).start();
    let jail = env.dir().join("jail");
    for folder in ["tmp", "dev", "bin", "run/vloopback", "s"] {
        fs::create_dir_all(jail.join(folder)).expect("a directory");
    }
    copy_with_libraries("/bin/cat", &jail);
    copy_with_libraries("/bin/true", &jail);
    copy_with_libraries(text(&binary("vloopback")), &jail);
    let list = "/proc/video/vloopback/vloopbacks";
    let chroot = ["unshare", "--user", "--map-root-user", "chroot", text(&jail)];

    is_not_served(&env.run(&[&chroot[..], &["/bin/cat", list]].concat()).output());

    // The socket's folder, mounted where the program sees it.
    let folder = env.socket().parent().expect("a folder");
    let script = format!(
        "mount --bind {} {} && exec chroot {} {} run --socket /s/s -- /bin/cat {list}",
        text(folder),
        text(&jail.join("s")),
        text(&jail),
        text(&binary("vloopback")),
    );
    let seen = in_front(CONTAINER, &env, &["sh", "-c", &script]).output().ok().text();
    assert_eq!(seen, env.run(&["cat", list]).output().ok().text());

    if !have("python3") {
        skip!("no python3");
    }
    let pipe = env.pipe(0);
    let other = env.pipe(1);
    let code = "import os, sys\n\
                fd = os.open(sys.argv[2], os.O_RDONLY)\n\
                os.chroot(sys.argv[1]); os.chdir('/')\n\
                print(len(os.read(fd, 115200)))\n\
                print(os.open(sys.argv[3], os.O_RDWR) > 2)\n";
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
    pusher.event("setup");
    let words = [
        "unshare",
        "--user",
        "--map-root-user",
        "python3",
        "-c",
        code,
        text(&jail),
        &pipe.output,
        &other.output,
    ];
    assert_eq!(env.run(&words).output().ok().text(), "115200\nTrue\n");
}

/// A program and what it is linked with, at the same paths below `root`.
fn copy_with_libraries(program: &str, root: &Path) {
    let listed = Job::new("ldd").arg(program).output().ok().text();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.chain([program]) {
        let to = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("a path below the root")).expect("a directory");
        copy_program(Path::new(path), &to);
    }
}

/// What cron gives a job: /bin/sh, four variables, the home directory, no terminal.
fn from_cron(command: &str) -> Job {
    let words = ["-i", "-C", "/", "HOME=/", "LOGNAME=nobody", "SHELL=/bin/sh", "PATH=/usr/bin:/bin"];
    Job::new("env").args(words).args(["/bin/sh", "-c", command]).named(command)
}

/// A job that names the program and the socket in full is served like any; relative names and variables of a
/// login do not reach it, and what it prints is the program's alone.
#[test]
fn a_cron_job() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let run = format!("{} run --socket {}", text(&binary("vloopback")), text(env.socket()));
    let mut pusher =
        from_cron(&format!("{run} -- {} --find proc --fps 50", text(&program("push_motion")))).start();
    assert_eq!(pusher.event("open")["device"], pipe.input.as_str());
    pusher.event("setup");
    let client = format!("{run} -- {} --device {} --frames 5", text(&program("client_motion")), pipe.output);
    let result = from_cron(&client).start().result();
    assert_eq!(result["torn"], 0, "{result}");
    let told = from_cron(&format!("{run} --uname 2.4 -- sh -c 'uname -r; pwd'")).output().ok();
    assert_eq!((told.text().as_str(), told.stderr.as_str()), ("2.4.37\n/\n", ""));
    pusher.end_input();
    pusher.finish().ok();
}

/// A job that does not name the socket gets a server at root's or the user's place, not the login's.
#[test]
fn a_cron_job_without_a_socket() {
    if !can_contain() {
        skip!("no namespaces here");
    }
    let env = Env::new(1);
    let inner = format!("{} run -- sh -c 'echo $VLOOPBACK_SOCKET'", text(&binary("vloopback")));
    let script = format!(
        "mount -t tmpfs none /run && exec env -i -C / HOME=/ LOGNAME=root PATH=/usr/bin:/bin /bin/sh -c \"{}\"",
        inner.replace('$', "\\$")
    );
    let told = in_front(CONTAINER, &env, &["sh", "-c", &script]).output().ok();
    assert_eq!((told.text().as_str(), told.stderr.as_str()), ("/run/vloopback/socket\n", ""));
}

/// Init starts things with nothing: no environment at all, closed descriptors, a session of their own.
#[test]
fn from_init() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let words = run_words(&env, "push_motion", &["--device", &pipe.input, "--frames", "3"]);
    let command = format!("exec 0<&- 2>&-; exec setsid -w {}", words.join(" "));
    let mut pusher = Job::new("env").args(["-i", "/bin/sh", "-c", &command]).start();
    assert_eq!(pusher.event("open")["device"], pipe.input.as_str());
    assert_eq!(pusher.event("pushed")["written"], 3);
    pusher.finish().ok();
}
