//! Pipes that come and go while a program listens: libudev's monitor, the kernel's own events, inotify on /dev.

use std::fs;

use vloopback_tests::{Env, Job, Pipe, Running, have, skip};

/// A server whose unused spares go at once: a claim makes a pipe, its end takes it away.
fn server() -> Env {
    let folder = Env::builder().without_daemon();
    let file = folder.dir().join("vloopback.toml");
    fs::write(&file, "pipes = 1\nspares = 1\nspare_timeout = 0\n").expect("a file");
    // The file is read at the start.
    Env::builder().args(&["--config", file.to_str().expect("a path in UTF-8")]).start()
}

/// Claims the first pipe: another one comes.
fn claim(env: &Env) -> (Running, Pipe) {
    let mut pusher = env.program("push_motion", &["--find", "proc", "--frames", "1", "--hold"]).start();
    pusher.event("pushed");
    (pusher, env.pipe(1))
}

fn give_up(mut pusher: Running) {
    pusher.end_input();
    pusher.finish().ok();
}

/// The next lines of a listener, as many as there are in `wanted`; their order is nobody's promise.
#[track_caller]
fn hears(listener: &mut Running, mut wanted: Vec<String>) {
    wanted.sort();
    let mut heard: Vec<String> =
        wanted.iter().map(|_| listener.line().unwrap_or_else(|| panic!("{}", listener.stderr()))).collect();
    heard.sort();
    assert_eq!(heard, wanted);
}

/// A listener that prints `listening`, then a line `TELLS ACTION NODE` for each thing that it is told.
fn comes_and_goes(env: &Env, mut listener: Running, tells: &[&str]) {
    assert_eq!(listener.line().as_deref(), Some("listening"), "{}", listener.stderr());
    // Twice: what came once comes again.
    for _ in 0..2 {
        let (pusher, new) = claim(env);
        let lines = |action: &str| {
            let nodes = [&new.input, &new.output];
            let all = tells.iter().flat_map(|tells| nodes.map(|node| format!("{tells} {action} {node}")));
            all.collect::<Vec<_>>()
        };
        hears(&mut listener, lines("add"));
        give_up(pusher);
        hears(&mut listener, lines("remove"));
    }
    assert!(listener.runs());
}

/// A Python program under `vloopback run`, with the system's own modules.
fn python(env: &Env, code: &str) -> Running {
    env.run(&["/usr/bin/python3", "-u", "-c", code]).start()
}

fn has_python(modules: &str) -> bool {
    Job::new("/usr/bin/python3").args(["-c", &format!("import {modules}")]).output().code() == 0
}

/// Both of udevadm's monitors at once, which wait in epoll.
#[test]
fn udevadm_monitor_hears_of_pipes() {
    if !have("udevadm") || !have("stdbuf") {
        skip!("no udevadm (package udev) or no stdbuf");
    }
    let env = server();
    let line = "stdbuf -oL udevadm monitor --udev --kernel --subsystem-match=video4linux | \
                stdbuf -oL sed -n -e 's/^KERNEL - .*/listening/p' \
                -e 's,^\\(UDEV\\|KERNEL\\) *\\[[^]]*\\] *\\([a-z]*\\) */devices/virtual/video4linux/\\(video[0-9]*\\) .*,\\1 \\2 /dev/\\3,p'";
    comes_and_goes(&env, env.run(&["sh", "-c", line]).start(), &["UDEV", "KERNEL"]);
}

/// pyudev, by poll, with what udev would tell of the device.
#[test]
fn pyudev_hears_of_pipes() {
    if !has_python("pyudev") {
        skip!("no pyudev (package python3-pyudev)");
    }
    let env = server();
    let code = "import pyudev\n\
                monitor = pyudev.Monitor.from_netlink(pyudev.Context())\n\
                monitor.filter_by('video4linux')\n\
                monitor.start()\n\
                print('listening')\n\
                for device in iter(monitor.poll, None):\n    \
                    known = device.get('ID_V4L_VERSION') == '2' and 'vloopback' in device.get('ID_SERIAL', '')\n    \
                    # As with udev, what was known of a device is told with its end, too.\n    \
                    print('udev' if known else dict(device), device.action, device.device_node)\n";
    comes_and_goes(&env, python(&env, code), &["udev"]);
}

/// GStreamer's device monitor, by GUdev and so by GLib's poll: it lists the camera that comes, and drops it again.
#[test]
fn gstreamers_device_monitor_hears_of_cameras() {
    if !have("gst-device-monitor-1.0") || !have("stdbuf") {
        skip!("no gst-device-monitor-1.0 (package gstreamer1.0-plugins-base-apps)");
    }
    let env = server();
    let line = "stdbuf -oL gst-device-monitor-1.0 --follow Video/Source | stdbuf -oL sed -n \
                -e 's/^Device \\([a-z]*\\):.*/\\1/p' -e 's/^[[:space:]]*name *: *//p'";
    let mut listener = env.run(&["sh", "-c", line]).start();
    let mut told = |what: &str, index: u32| {
        assert_eq!(listener.line().as_deref(), Some(what), "{}", listener.stderr());
        assert_eq!(listener.line(), Some(format!("Loopback video device {}", 2 * index + 1)));
    };
    told("found", 0);
    for _ in 0..2 {
        let (pusher, _) = claim(&env);
        told("found", 1);
        give_up(pusher);
        told("removed", 1);
    }
}

/// A socket of the program's own, by each way to wait, one of them in recv itself; and its copy, its child and its
/// end leave the others as they are.
#[test]
fn a_socket_of_the_kernels_events_hears_of_pipes() {
    if !has_python("socket") {
        skip!("no python3");
    }
    let start = "import os, select, socket, subprocess, sys\n\
                 def listen(flags=0):\n    \
                     s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | flags, 15)\n    \
                     s.bind((0, 1))\n    \
                     return s\n\
                 def tell(s):\n    \
                     peeked = s.recv(1 << 16, socket.MSG_PEEK)\n    \
                     data, sender = s.recvfrom(1 << 16)\n    \
                     fields = dict(f.split(b'=', 1) for f in data.split(b'\\0')[1:] if f)\n    \
                     right = sender == (0, 1) and len(peeked) == len(data) and fields[b'SUBSYSTEM'] == b'video4linux'\n    \
                     right = right and data.startswith(fields[b'ACTION'] + b'@' + fields[b'DEVPATH'] + b'\\0')\n    \
                     print('kernel' if right else data, fields[b'ACTION'].decode(), '/dev/' + fields[b'DEVNAME'].decode())\n\
                 # What comes and goes beside it changes nothing.\n\
                 others = [listen() for _ in range(20)]\n\
                 for other in others: other.close()\n\
                 s = listen()\n\
                 os.close(os.dup(s.fileno()))\n\
                 if os.fork() == 0:\n    \
                     s.close()\n    \
                     os._exit(0)\n\
                 os.wait()\n\
                 # Its child shares its memory (vfork) and closes all of its own numbers.\n\
                 subprocess.run(['true'])\n";
    let ways = [
        "wait = lambda: None",
        "wait = lambda: select.select([s], [], [])",
        "p = select.poll(); p.register(s, select.POLLIN); wait = p.poll",
        "e = select.epoll(); e.register(s, select.EPOLLIN)\n\
         def wait():\n    \
             while True:\n        \
                 assert [fd for fd, _ in e.poll()] == [s.fileno()]\n        \
                 s.setblocking(False)\n        \
                 try: return s.recv(1, socket.MSG_PEEK)\n        \
                 except BlockingIOError: pass\n",
    ];
    for wait in ways {
        let env = server();
        let code = format!("{start}{wait}\nprint('listening')\nwhile True:\n    wait()\n    tell(s)\n");
        comes_and_goes(&env, python(&env, &code), &["kernel"]);
    }
}

/// A server that ends takes its nodes along, and one that comes in its place brings them.
#[test]
fn a_restarted_server_is_heard_of() {
    if !has_python("pyudev") {
        skip!("no pyudev (package python3-pyudev)");
    }
    let mut env = Env::new(1);
    let pipe = env.pipe(0);
    let code = "import pyudev\n\
                monitor = pyudev.Monitor.from_netlink(pyudev.Context())\n\
                monitor.start()\n\
                print('listening')\n\
                for device in iter(monitor.poll, None):\n    \
                    if device.subsystem == 'video4linux': print('udev', device.action, device.device_node)\n";
    // Outside of `vloopback run`, which needs its server.
    let library = env.library_of(vloopback_tests::Width::Native).expect("a library");
    let mut listener = Job::new("/usr/bin/python3")
        .args(["-u", "-c", code])
        .env("LD_PRELOAD", library)
        .env("VLOOPBACK_SOCKET", env.socket())
        .start();
    assert_eq!(listener.line().as_deref(), Some("listening"), "{}", listener.stderr());
    let lines =
        |action: &str| [&pipe.input, &pipe.output].map(|node| format!("udev {action} {node}")).to_vec();
    for _ in 0..2 {
        env.end_daemon(rustix::process::Signal::TERM);
        hears(&mut listener, lines("remove"));
        env.start_daemon();
        hears(&mut listener, lines("add"));
    }
}

/// A watch of /dev, as browsers and Qt have one, or of a folder that only the pipes are in, is told of nodes as of
/// files that are made and deleted; what else happens in /dev is told as ever.
#[test]
fn a_watch_of_dev_hears_of_nodes() {
    if !has_python("ctypes") {
        skip!("no python3");
    }
    let common = "import ctypes, os, select, struct, subprocess, sys\n\
                  libc = ctypes.CDLL(None, use_errno=True)\n\
                  CREATE, DELETE, ATTRIB, DELETE_SELF = 0x100, 0x200, 4, 0x400\n\
                  fd = libc.inotify_init1(os.O_CLOEXEC | FLAGS)\n\
                  wd = libc.inotify_add_watch(fd, b'FOLDER', CREATE | DELETE | ATTRIB | DELETE_SELF)\n\
                  # Watches that are made and ended beside it.\n\
                  other = libc.inotify_add_watch(fd, b'/', CREATE)\n\
                  assert libc.inotify_rm_watch(fd, other) == 0\n\
                  second = libc.inotify_init1(os.O_CLOEXEC)\n\
                  gone = libc.inotify_add_watch(second, b'/dev', CREATE)\n\
                  assert libc.inotify_rm_watch(second, gone) == 0\n\
                  assert struct.unpack('iIII', os.read(second, 4096)) == (gone, 0x8000, 0, 0)\n\
                  os.close(second)\n\
                  subprocess.run(['true'])\n\
                  print('listening')\n\
                  while True:\n    \
                      select.select([fd], [], [])\n    \
                      try: events = os.read(fd, 4096)\n    \
                      except BlockingIOError: continue\n    \
                      while events:\n        \
                          number, mask, cookie, size = struct.unpack_from('iIII', events)\n        \
                          name = events[16:16 + size].rstrip(b'\\0').decode()\n        \
                          events = events[16 + size:]\n        \
                          if number == other: continue\n        \
                          kind = {CREATE: 'add', DELETE: 'remove'}.get(mask, hex(mask))\n        \
                          if name.startswith('video'): print('watch' if number == wd and not cookie else number, kind, '/dev/' + name)\n        \
                          elif mask != ATTRIB: print('other', kind, name)\n";
    for folder in ["/dev", "/dev/v4l", "/sys/class/video4linux"] {
        for flags in ["0", "os.O_NONBLOCK"] {
            let env = server();
            let code = common.replace("FOLDER", folder).replace("FLAGS", flags);
            comes_and_goes(&env, python(&env, &code), &["watch"]);
        }
    }
}
