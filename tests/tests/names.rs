//! Other names of a node than its own: symbolic links, and the names of descriptors. A link to the camera is how
//! people name it, in their home or by udev's rules, and shells have `/dev/stdin` and `/dev/fd/N`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use vloopback_tests::{Env, Pipe, clean, have, skip};

/// The text that a shell command prints in the environment.
#[track_caller]
fn shell(env: &Env, line: &str) -> String {
    env.run(&["sh", "-c", line]).output().ok().text()
}

/// Links of every kind to a node, in the test's directory.
fn links(env: &Env, node: &str) -> Vec<String> {
    let dir = env.dir();
    let link = |target: &str, name: &str| symlink(target, dir.join(name)).expect("a link");
    let up = "../".repeat(dir.components().count());
    link(node, "absolute");
    link(&format!("{up}{}", &node[1..]), "relative");
    link("absolute", "nested");
    link(&format!("{}/nested", dir.display()), "twice");
    link("/dev", "folder");
    link("/", "root");
    fs::create_dir_all(dir.join("v4l/by-id")).expect("a folder");
    link(&format!("../../{up}{}", &node[1..]), "v4l/by-id/usb-camera-index0");
    link("v4l/by-id", "ids");
    let bare = &node[5..];
    let number = Pipe::number(node);
    [
        "absolute".to_owned(),
        "relative".to_owned(),
        "nested".to_owned(),
        "twice".to_owned(),
        format!("folder/{bare}"),
        format!("root/dev/{bare}"),
        format!("folder/v4l/video{number}"),
        format!("folder/../dev/{bare}"),
        "v4l/by-id/usb-camera-index0".to_owned(),
        "ids/usb-camera-index0".to_owned(),
        "ids/../../absolute".to_owned(),
    ]
    .into()
}

/// open, stat, access, realpath, statx and extended attributes alike.
#[test]
fn a_symbolic_link_is_the_node() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let names = links(&env, &pipe.output);
    let code = "import fcntl, os, stat, sys\n\
                node, base = os.stat(sys.argv[1]), sys.argv[2]\n\
                def look(path, **at):\n    \
                    s = os.stat(path, **at)\n    \
                    assert (s.st_mode, s.st_rdev, s.st_ino) == (node.st_mode, node.st_rdev, node.st_ino), path\n    \
                    assert os.access(path, os.R_OK | os.W_OK, **at), path\n    \
                    fd = os.open(path, os.O_RDWR, **at)\n    \
                    assert stat.S_ISCHR(os.fstat(fd).st_mode), path\n    \
                    name = fcntl.ioctl(fd, 0x80685600, bytes(104))[16:48].rstrip(b'\\0')\n    \
                    assert name == b'Loopback video device 1', (path, name)\n    \
                    assert os.readlink('/proc/self/fd/%d' % fd) == sys.argv[1]\n    \
                    os.close(fd)\n\
                for name in sys.argv[3:]:\n    \
                    path = base + '/' + name\n    \
                    look(path)\n    \
                    assert os.path.realpath(path, strict=True) == sys.argv[1], os.path.realpath(path)\n    \
                    assert os.path.exists(path) and not os.path.isdir(path), path\n    \
                    try: os.stat(path + '/')\n    \
                    except OSError as e: assert e.errno in (2, 20), e\n    \
                    else: raise AssertionError(path + '/')\n    \
                    fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY)\n    \
                    look(name, dir_fd=fd)\n    \
                    os.close(fd)\n    \
                os.chdir(base)\n\
                for name in sys.argv[3:]: look(name); look('./' + name)\n\
                assert os.getcwd() == os.path.realpath(base)\n\
                print('fine')\n";
    let dir = env.dir().to_str().expect("a path in UTF-8");
    let words: Vec<&str> = [
        &["python3", "-c", code, &pipe.output, dir],
        &names.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ]
    .concat();
    assert_eq!(env.run(&words).output().ok().text(), "fine\n");
    // The C library's own realpath, ls, and test.
    for name in &names {
        let path = format!("{dir}/{name}");
        assert_eq!(
            shell(&env, &format!("realpath {path}; readlink -f {path}")),
            format!("{0}\n{0}\n", pipe.output)
        );
        shell(&env, &format!("test -c {path} && test -r {path} && test -e {path}"));
        assert!(shell(&env, &format!("ls -lL {path}")).starts_with('c'), "{name}");
    }
    // A link stays a link to who does not follow it.
    let told =
        shell(&env, &format!("readlink {dir}/absolute; stat -c %F {dir}/absolute; test -L {dir}/absolute"));
    assert_eq!(told, format!("{}\nsymbolic link\n", pipe.output));
    let refused = "import os, sys\n\
                   try: os.open(sys.argv[1], os.O_RDWR | os.O_NOFOLLOW)\n\
                   except OSError as e: print(e.errno)\n";
    let refused = env.run(&["python3", "-c", refused, &format!("{dir}/absolute")]).output().ok();
    assert_eq!(refused.text(), "40\n", "ELOOP");
}

/// What leads to nothing still does, and loops are loops.
#[test]
fn links_that_lead_nowhere() {
    let env = Env::new(1);
    let dir = env.dir().display();
    let link = |target: &str, name: &str| symlink(target, env.dir().join(name)).expect("a link");
    link("/dev/video250", "other");
    link("loop", "loop");
    link("nothing", "dangling");
    for name in ["other", "dangling", "absent", "absent/video0", "other/x"] {
        let told = env.run(&["stat", "-L", &format!("{dir}/{name}")]).output();
        assert!(told.code() == 1 && told.says("No such file or directory"), "{name}: {}", told.stderr);
    }
    let told = env.run(&["cat", &format!("{dir}/loop")]).output();
    assert!(told.says("Too many levels of symbolic links"), "{}", told.stderr);
}

/// A program that writes by a link as into a file (O_CREAT, fopen's "w") reaches the pipe. The kernel by itself
/// would make a plain file of the node's name.
#[test]
fn who_writes_by_a_link_makes_no_file() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    symlink(&pipe.input, env.dir().join("mycam")).expect("a link");
    let link = env.dir().join("mycam");
    let link = link.display();
    // Before the picture's size is set a write is refused by the driver.
    let told = env.run(&["dd", "if=/dev/zero", &format!("of={link}"), "bs=1", "count=1"]).output();
    assert!(told.code() == 1 && told.says("Invalid argument"), "{}", told.stderr);
    env.run(&["sh", "-c", &format!(": > {link}")]).output().ok();
    // By a folder's link, and by a link whose own name is a node's.
    symlink("/dev", env.dir().join("folder")).expect("a link");
    symlink("mycam", env.dir().join("video7")).expect("a link");
    let bare = &pipe.input[5..];
    shell(&env, &format!("cd {} && : > folder/{bare} && : > video7 && : > ./mycam", env.dir().display()));
    let flags = "import os, sys\n\
                 fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)\n\
                 try: os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL)\n\
                 except OSError as e: print(e.errno)\n";
    if have("python3") {
        assert_eq!(
            env.run(&["python3", "-c", flags, &link.to_string()]).output().ok().text(),
            "17\n",
            "EEXIST"
        );
    }
    assert!(!Path::new(&pipe.input).exists(), "a real file was made");
    // Files that are no nodes are made as ever, by links, too.
    symlink("file", env.dir().join("tofile")).expect("a link");
    shell(
        &env,
        &format!("echo one > {0}/tofile; echo two >> {0}/file; echo three > {0}/new", env.dir().display()),
    );
    assert_eq!(fs::read_to_string(env.dir().join("file")).expect("a file"), "one\ntwo\n");
    assert_eq!(fs::read_to_string(env.dir().join("new")).expect("a file"), "three\n");
}

/// Pusher and client that know the pipe by links alone.
#[test]
fn frames_by_links() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let (input, output) = (env.dir().join("in"), env.dir().join("out"));
    symlink(&pipe.input, &input).expect("a link");
    symlink(&pipe.output, &output).expect("a link");
    let (input, output) = (input.to_str().expect("UTF-8"), output.to_str().expect("UTF-8"));
    let mut pusher = env.program("push_motion", &["--device", input, "--fps", "100"]).start();
    pusher.event("setup");
    clean(&env.program("client_motion", &["--device", output, "--frames", "5"]).start().result(), 5);
    clean(&env.program("v4l2_client", &["--device", output, "--frames", "5"]).start().result(), 5);
    pusher.end_input();
    pusher.finish().ok();
}

/// Folders by links: the list in /proc, a listing of /dev.
#[test]
fn a_link_to_a_folder_of_ours() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    symlink("/proc/video/vloopback", env.dir().join("pipes")).expect("a link");
    symlink("/sys/class/video4linux", env.dir().join("class")).expect("a link");
    let dir = env.dir().display();
    let direct = shell(&env, "cat /proc/video/vloopback/vloopbacks; ls /proc/video/vloopback");
    assert_eq!(shell(&env, &format!("cat {dir}/pipes/vloopbacks; ls {dir}/pipes/")), direct);
    let bare = &pipe.input[5..];
    assert_eq!(shell(&env, &format!("cat {dir}/class/{bare}/name")), "Loopback video device 0\n");
    assert!(shell(&env, &format!("ls {dir}/class/")).lines().any(|name| name == bare));
    assert_eq!(shell(&env, &format!("cd {dir}/pipes/ && pwd -P")), "/proc/video/vloopback\n");
}

/// Links in /dev itself, as udev makes them for cameras, beside our own names there.
#[test]
fn links_by_id_and_by_path() {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let dev = env.dir().join("dev");
    for (folder, name) in [("by-id", "usb-camera-video-index0"), ("by-path", "pci-0000:00:14.0-usb-0:1:1.0")]
    {
        let folder = dev.join("v4l").join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        symlink(format!("../../{}", &pipe.output[5..]), folder.join(name)).expect("a link");
    }
    fs::write(dev.join("null"), "").expect("a file");
    let dev = dev.display();
    let there = |line: &str| {
        let script = format!("mount --bind /dev/null {dev}/null && mount --bind {dev} /dev && {line}");
        env.run(&["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script]).output()
    };
    if !have("unshare") || !there("true").status.success() {
        skip!("no namespaces here");
    }
    for name in ["by-id/usb-camera-video-index0", "by-path/pci-0000:00:14.0-usb-0:1:1.0"] {
        let told = there(&format!("test -c /dev/v4l/{name} && realpath /dev/v4l/{name}")).ok().text();
        assert_eq!(told, format!("{}\n", pipe.output), "{name}");
        let (folder, listed) = name.split_once('/').expect("a folder");
        assert_eq!(there(&format!("ls /dev/v4l/{folder}")).ok().text(), format!("{listed}\n"));
    }
    let told = there("ls /dev/v4l").ok().text();
    let names: Vec<&str> = told.lines().collect();
    let ours = [&pipe.input[5..], &pipe.output[5..]];
    assert!(
        names.starts_with(&["by-id", "by-path"]) && ours.iter().all(|name| names.contains(name)),
        "{told}"
    );
    if have("v4l2-ctl") {
        let told = there("v4l2-ctl -d /dev/v4l/by-id/usb-camera-video-index0 --info").ok().text();
        assert!(told.contains("Loopback video device 1"), "{told}");
    }
}

/// `/dev/stdin`, `/dev/fd/N`, `/proc/self/fd/N` of a device's descriptor are its node: to open it anew, to look
/// at, to read as a link.
#[test]
fn the_names_of_descriptors() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let code = "import fcntl, os, stat, sys\n\
                node = sys.argv[1]\n\
                fd = os.open(node, os.O_RDWR) if sys.argv[2] == 'open' else 0\n\
                folder = os.open('/proc/self/fd', os.O_RDONLY)\n\
                ways = ['/dev/fd/%d', '/proc/self/fd/%d', '/proc/thread-self/fd/%d', '/proc/%d/fd/%%d' % os.getpid()]\n\
                ways = [(way % fd, {}) for way in ways] + [(str(fd), {'dir_fd': folder})]\n\
                if fd == 0: ways.append(('/dev/stdin', {}))\n\
                for path, at in ways:\n    \
                    s = os.stat(path, **at)\n    \
                    assert stat.S_ISCHR(s.st_mode) and s.st_rdev == os.stat(node).st_rdev, (path, s)\n    \
                    assert os.access(path, os.R_OK, **at), path\n    \
                    if path != '/dev/stdin': assert os.readlink(path, **at) == node, os.readlink(path, **at)\n    \
                    if not at: assert os.path.realpath(path) == node, (path, os.path.realpath(path))\n    \
                    new = os.open(path, os.O_RDWR | os.O_NONBLOCK, **at)\n    \
                    name = fcntl.ioctl(new, 0x80685600, bytes(104))[16:48].rstrip(b'\\0')\n    \
                    assert name == b'Loopback video device 1', (path, name)\n    \
                    assert os.fstat(new).st_rdev == s.st_rdev\n    \
                    os.close(new)\n\
                ours, theirs = os.pipe()\n\
                assert stat.S_ISFIFO(os.stat('/dev/fd/%d' % ours).st_mode)\n\
                assert os.readlink('/proc/self/fd/%d' % ours).startswith('pipe:')\n\
                import socket\n\
                one, other = socket.socketpair()\n\
                assert stat.S_ISSOCK(os.stat('/dev/fd/%d' % one.fileno()).st_mode)\n\
                assert os.readlink('/proc/self/fd/%d' % one.fileno()).startswith('socket:')\n\
                try: os.open('/dev/fd/%d' % one.fileno(), os.O_RDWR)\n\
                except OSError as e: print(e.errno)\n";
    // ENXIO is 6.
    let told = env.run(&["python3", "-c", code, &pipe.output, "open"]).output().ok();
    assert_eq!(told.text(), "6\n", "{}", told.stderr);
    let line = format!("exec python3 -c \"$1\" {0} inherited < {0}", pipe.output);
    let told = env.run(&["sh", "-c", &line, "sh", code]).output().ok();
    assert_eq!(told.text(), "6\n", "{}", told.stderr);
    let told = shell(
        &env,
        &format!(
            "realpath /dev/stdin < {0}; readlink -f /dev/fd/0 < {0}; test -c /dev/stdin < {0}",
            pipe.output
        ),
    );
    assert_eq!(told, format!("{0}\n{0}\n", pipe.output));
}
