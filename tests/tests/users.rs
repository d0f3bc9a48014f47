//! Who uses a node, as those who ask the file system learn it: inotify on the node, fuser, lsof. Cameras that run
//! only while somebody watches are built on that.

use std::collections::BTreeSet;

use vloopback_tests::{Env, Running, have, skip};

/// A client that has the node open until its input ends.
fn client(env: &Env, node: &str) -> Running {
    let mut client = env.program("v4l2_client", &["--device", node, "--report", "1"]).start();
    client.event("ready");
    client
}

fn end(client: Running) {
    let mut client = client;
    client.end_input();
    client.finish();
}

/// A watch of the node hears of the first open and of the last close, whoever else has it open in between; a watch
/// of /dev hears the same.
#[test]
fn a_watch_hears_of_use() {
    if !have("python3") {
        skip!("no python3");
    }
    let env = Env::new(2);
    let pipe = env.pipe(0);
    let code = "import ctypes, os, struct, sys\n\
                libc = ctypes.CDLL(None, use_errno=True)\n\
                OPEN, CLOSE_WRITE, CLOSE_NOWRITE = 0x20, 8, 0x10\n\
                fd = libc.inotify_init1(os.O_CLOEXEC)\n\
                node = sys.argv[1]\n\
                one = libc.inotify_add_watch(fd, node.encode(), OPEN | CLOSE_WRITE | CLOSE_NOWRITE)\n\
                all = libc.inotify_add_watch(fd, b'/dev', OPEN | CLOSE_WRITE | CLOSE_NOWRITE)\n\
                print('listening', flush=True)\n\
                while True:\n    \
                    events = os.read(fd, 4096)\n    \
                    while events:\n        \
                        number, mask, _, size = struct.unpack_from('iIII', events)\n        \
                        name = events[16:16 + size].rstrip(b'\\0').decode()\n        \
                        events = events[16 + size:]\n        \
                        if number == one: who = 'node'\n        \
                        elif number == all and name.startswith('video'): who = name\n        \
                        else: continue\n        \
                        print(who, 'open' if mask == OPEN else 'close' if mask == CLOSE_WRITE else hex(mask), flush=True)\n";
    let mut listener = env.run(&["python3", "-c", code, &pipe.output]).start();
    assert_eq!(listener.line().as_deref(), Some("listening"), "{}", listener.stderr());
    let name = pipe.output.trim_start_matches("/dev/");
    for _ in 0..2 {
        let first = client(&env, &pipe.output);
        let second = client(&env, &pipe.output);
        end(first);
        // Another node's use is no use of this one.
        end(client(&env, &env.pipe(1).output));
        let mut wanted = vec!["node open".to_owned(), format!("{name} open")];
        let mut heard: Vec<String> = (0..2).map(|_| listener.line().expect("an open")).collect();
        heard.sort();
        wanted.sort();
        assert_eq!(heard, wanted);
        let other = env.pipe(1).output.trim_start_matches("/dev/").to_owned();
        let between: Vec<String> = (0..2).map(|_| listener.line().expect("of the other node")).collect();
        assert_eq!(between, [format!("{other} open"), format!("{other} close")]);
        end(second);
        let mut heard: Vec<String> = (0..2).map(|_| listener.line().expect("a close")).collect();
        heard.sort();
        assert_eq!(heard, ["node close".to_owned(), format!("{name} close")]);
    }
}

/// The process numbers in a program's output.
fn numbers(text: &str) -> BTreeSet<i32> {
    text.split_whitespace().map(|word| word.parse().unwrap_or_else(|e| panic!("{text}: {e}"))).collect()
}

/// Asks a program who has a node, with nobody, one, two and one there; and who has the other node of the pipe.
fn asks(program: &[&str]) {
    let env = Env::new(1);
    let pipe = env.pipe(0);
    let ask = |node: &str| {
        let ended = env.run(&[program, &[node]].concat()).output();
        numbers(&ended.text())
    };
    assert_eq!(ask(&pipe.output), BTreeSet::new());
    let mut first = client(&env, &pipe.output);
    let one = BTreeSet::from([first.pid().as_raw_nonzero().get()]);
    assert_eq!(ask(&pipe.output), one);
    assert_eq!(ask(&pipe.input), BTreeSet::new());
    let mut second = client(&env, &pipe.output);
    let other = BTreeSet::from([second.pid().as_raw_nonzero().get()]);
    assert_eq!(ask(&pipe.output), &one | &other);
    end(first);
    assert_eq!(ask(&pipe.output), other);
    end(second);
    assert_eq!(ask(&pipe.output), BTreeSet::new());
    let mut pusher = env.program("push_motion", &["--device", &pipe.input, "--fps", "50"]).start();
    pusher.event("setup");
    let pid = pusher.pid().as_raw_nonzero().get();
    assert_eq!(ask(&pipe.input), BTreeSet::from([pid]));
    end(pusher);
}

#[test]
fn fuser_names_who_has_a_node() {
    if !have("fuser") {
        skip!("no fuser (package psmisc)");
    }
    asks(&["fuser"]);
}

#[test]
fn lsof_names_who_has_a_node() {
    if !have("lsof") {
        skip!("no lsof");
    }
    asks(&["lsof", "-t"]);
}
