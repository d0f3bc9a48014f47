//! What hostile processes get: no more than their rights and their share, and nobody else is worse off.
//!
//! The attacker is another user, in a thread: credentials are a thread's own for the kernel. So these tests need root.

mod common;

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{Daemon, Device, Process, wait_until};
use nix::errno::Errno;
use nix::libc::{self, EACCES, ENFILE, ENOMEM, O_RDONLY, O_RDWR, O_WRONLY};
use nix::sys::uio::pwrite;
use vloopback_daemon::Limits;
use vloopback_wire::{Reply, Request};

const NOBODY: u32 = 65534;
const SOMEBODY: u32 = 65533;

/// Runs `f` in a thread that is this user, and returns what it does.
fn as_user<T: Send>(uid: u32, f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let none: [libc::gid_t; 0] = [];
            // SAFETY: numbers only; made by hand, these calls change this thread alone.
            let changed = unsafe {
                libc::syscall(libc::SYS_setgroups, 0, none.as_ptr())
                    | libc::syscall(libc::SYS_setresgid, uid, uid, uid)
                    | libc::syscall(libc::SYS_setresuid, uid, uid, uid)
            };
            assert_eq!(changed, 0, "{}", Errno::last());
            f()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Whether other users can be tried; else it is said why not.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("SKIP: only root can become other users");
    }
    root
}

/// A server that lets other users connect, with what they may.
fn daemon_for_all(mode: u32, change: impl FnOnce(&mut vloopback_daemon::Config)) -> Daemon {
    let daemon = Daemon::with(|config| {
        config.mode = mode;
        change(config);
    });
    daemon.let_all_in();
    daemon
}

/// Access mode 3 of open(2) asks for both rights (the kernel's ACC_MODE).
#[test]
fn access_mode_3_asks_for_both_rights() {
    if !is_root() {
        return;
    }
    let open = |mode: u32, flags: i32, output: bool| {
        let daemon = daemon_for_all(mode, |_| {});
        let node = daemon.node(0, if output { "output" } else { "input" });
        as_user(NOBODY, || Process::new(&daemon).open(node, flags, false).map(drop))
    };
    for output in [true, false] {
        assert_eq!(open(0o660, 3, output), Err(EACCES));
        assert_eq!(open(0o664, 3, output), Err(EACCES), "it may only read");
        assert_eq!(open(0o662, 3, output), Err(EACCES), "it may only write");
        assert_eq!(open(0o666, 3, output), Ok(()));
        assert_eq!((open(0o664, O_RDONLY, output), open(0o662, O_WRONLY, output)), (Ok(()), Ok(())));
        assert_eq!((open(0o662, O_RDONLY, output), open(0o664, O_RDWR, output)), (Err(EACCES), Err(EACCES)));
    }
}

/// Who opened for reading only gets memory that it cannot write: frames are everybody's.
#[test]
fn who_may_only_read_cannot_write_frames() {
    if !is_root() {
        return;
    }
    let daemon = daemon_for_all(0o664, |_| {});
    let pusher = daemon.input(0);
    pusher.set_format(b"YUYV", 64, 48).expect("free");
    pusher.feed().expect("it fits");
    pusher.ring().write(&pusher, &[7; 6144]);
    let node = daemon.node(0, "output");
    as_user(NOBODY, || {
        let client = Process::new(&daemon).open(node, O_RDONLY, false).expect("it may read");
        for fd in client.fetch(&Request::Ring { session: client.info.session }).expect("a ring") {
            assert_eq!(pwrite(&fd, b"FAKE", 0), Err(Errno::EBADF));
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            assert!(fs::OpenOptions::new().write(true).open(path).is_err(), "nor by its name");
        }
    });
    let writer = Process::new(&daemon).open(node, O_RDWR, false).expect("root may write");
    let fds = writer.fetch(&Request::Ring { session: writer.info.session }).expect("a ring");
    assert_eq!(pwrite(&fds[1], &[7; 4], 0), Ok(4), "an overlay is drawn in place");
    // An input that is not the pusher's gets no frames at all.
    let other = daemon.input(0);
    assert_eq!(other.fetch(&Request::Ring { session: other.info.session }).err(), Some(libc::EBUSY));
}

/// A user who connects without end leaves room for others; who says nothing is shown out.
#[test]
fn connections_have_an_end() {
    if !is_root() {
        return;
    }
    let limits = Limits { connections: 40, ..Limits::default() };
    let daemon = daemon_for_all(0o660, |config| config.limits = limits);
    let (silent, spoke) = as_user(NOBODY, || {
        let silent: Vec<OwnedFd> = (0..39).map(|_| daemon.connect()).collect();
        (silent, Process::new(&daemon))
    });
    assert_eq!(as_user(NOBODY, || Process::try_new(&daemon).map(drop)), Err(ENFILE));
    as_user(SOMEBODY, || Process::new(&daemon));
    for _ in 0..100 {
        Process::new(&daemon);
    }
    // Those that say nothing are ended after some seconds; the one that spoke stays.
    for fd in &silent {
        common::wait_for_end(fd);
    }
    assert!(matches!(spoke.ask(&Request::List), Reply::Text(_)));
    as_user(NOBODY, || Process::new(&daemon));
}

/// Open devices, and the memory of rings and of exported buffers, are charged to the user who made them.
#[test]
fn devices_and_memory_have_an_end() {
    if !is_root() {
        return;
    }
    let limits = Limits { open_devices: 10, memory: 4, ..Limits::default() };
    let daemon = daemon_for_all(0o666, |config| {
        config.pipes = 2;
        config.limits = limits;
    });
    let (input, output) = (daemon.node(0, "input"), daemon.node(0, "output"));
    let (greedy, open) = as_user(NOBODY, || {
        let process = Process::new(&daemon);
        let open: Vec<Device> =
            (0..10).map(|_| process.open(output, O_RDWR, false).expect("there is room")).collect();
        assert_eq!(process.open(output, O_RDWR, false).map(drop), Err(ENFILE));
        (process, open)
    });
    let other = as_user(SOMEBODY, || Process::new(&daemon).open(output, O_RDWR, false).map(drop));
    assert_eq!(other, Ok(()), "another's limit is its own");
    as_user(NOBODY, || {
        let process = greedy;
        drop(open);
        wait_until(|| process.open(output, O_RDWR, false).is_ok(), "what was closed is given back");

        let pusher = process.open(input, O_RDWR, false).expect("a device");
        pusher.set_format(b"YUYV", 1920, 1080).expect("a format is no memory");
        assert_eq!(pusher.feed(), Err(ENOMEM), "more than four mebibytes");
        pusher.set_format(b"YUYV", 320, 240).expect("its own");
        pusher.feed().expect("six slots of a third of a mebibyte");
        let client = process.open(output, O_RDWR, false).expect("a device");
        let export = |index| {
            let session = client.info.session;
            let request = Request::Export { session, generation: 1, index, len: 38 * 4096, read_only: false };
            client.fetch(&request).map(drop)
        };
        let exported = (0..32).take_while(|&index| export(index).is_ok()).count();
        assert!((5..30).contains(&exported), "{exported} buffers");
        assert_eq!(export(31), Err(ENOMEM));
    });
    let pusher = daemon.input(1);
    pusher.set_format(b"YUYV", 1920, 1080).expect("free");
    pusher.feed().expect("the server's own user has no such limit");
}

/// Memory that a client keeps is charged until it lets go, however often the pipe has got other memory since.
#[test]
fn memory_is_charged_as_long_as_somebody_has_it() {
    if !is_root() {
        return;
    }
    let limits = Limits { memory: 4, ..Limits::default() };
    let daemon = daemon_for_all(0o666, |config| config.limits = limits);
    let (input, output) = (daemon.node(0, "input"), daemon.node(0, "output"));
    as_user(NOBODY, || {
        let process = Process::new(&daemon);
        let pusher = process.open(input, O_RDWR, false).expect("a device");
        let client = process.open(output, O_RDWR, false).expect("a device");
        let mut width = 64;
        let mut feed_another_size = || {
            width += 8;
            pusher.set_format(b"YUYV", width, 48).expect("its own");
            pusher.feed()
        };
        let slots = || {
            let mut fds = client.fetch(&Request::Ring { session: client.info.session }).expect("a ring");
            fds.swap_remove(1)
        };
        for _ in 0..100 {
            feed_another_size().expect("nobody has the former memory any more");
            drop(slots());
        }
        let open: Vec<OwnedFd> = (0..100).map_while(|_| feed_another_size().ok().map(|()| slots())).collect();
        assert!((3..40).contains(&open.len()), "{} rings of four mebibytes together", open.len());
        let mapped: Vec<_> = open
            .iter()
            .map(|fd| memmap2::MmapOptions::new().len(4096).map_raw_read_only(fd).expect("it can be mapped"))
            .collect();
        drop(open);
        assert_eq!(feed_another_size(), Err(ENOMEM), "a mapping keeps it, too");
        drop(mapped);
        feed_another_size().expect("what nobody has is given back");
    });
}

/// Who asks and never reads has few descriptors on the way: its requests wait, others' do not, and nothing is lost
/// once it reads.
#[test]
fn who_does_not_read_waits() {
    let daemon = Daemon::new();
    let pusher = daemon.input(0);
    pusher.set_format(b"YUYV", 64, 48).expect("free");
    pusher.feed().expect("it fits");
    let (greedy, honest) = (Process::new(&daemon), Process::new(&daemon));
    let node = daemon.node(0, "output");
    let client = greedy.open(node, O_RDWR, false).expect("it opens");
    const ASKED: usize = 50;
    for _ in 0..ASKED {
        greedy.send(&Request::Ring { session: client.info.session });
    }
    for _ in 0..20 {
        drop(honest.open(node, O_RDWR, false).expect("others are served"));
    }
    assert!(greedy.unread() <= 2, "{} answers wait", greedy.unread());
    for k in 0..ASKED {
        let (reply, fds) = greedy.receive();
        assert!(matches!(reply, Reply::Ring { .. }) && fds.len() == 2, "answer {k}: {reply:?}");
    }
    assert!(matches!(greedy.ask(&Request::List), Reply::Text(_)));
}

/// What a pusher writes into its log does not outlive it: numbers are bounded by what can be true, and what it writes
/// there afterwards is seen by nobody.
#[test]
fn a_pusher_spoils_nothing_beyond_its_life() {
    let daemon = Daemon::new();
    let client = daemon.output(0);
    let pusher = daemon.input(0);
    pusher.set_format(b"YUYV", 64, 48).expect("free");
    pusher.feed().expect("it fits");
    client.stream(2);
    let spoilt = pusher.ring();
    spoilt.write(&pusher, &[1; 6144]);
    let number = spoilt.write(&pusher, &[2; 6144]);
    // As the client's library does with a frame that it takes.
    client.page.follow_log(client.format().log, 0);
    client.page.last.store(number, Ordering::SeqCst);
    let poison = u64::MAX - 40;
    spoilt.log.head.store(poison, Ordering::SeqCst);
    spoilt.log.slots[0].number.store(poison, Ordering::SeqCst);
    spoilt.log.slots[0].len.store(u32::MAX, Ordering::SeqCst);
    client.page.last.store(poison, Ordering::SeqCst);
    client.page.base.store(number - 1, Ordering::SeqCst);
    let log = pusher.format().log;
    pusher.close();

    // The one that comes next, of the same user, in the same slots.
    let honest = daemon.input(0);
    honest.feed().expect("free");
    assert_ne!(honest.format().log, log, "a log of its own");
    let (ring, seen) = (honest.ring(), client.ring());
    assert_eq!(ring.number, spoilt.number);
    assert!(ring.head() < 1 << 40, "{}", ring.head());
    client.page.follow_log(client.format().log, seen.log.base.load(Ordering::SeqCst));
    let last = client.page.last.load(Ordering::SeqCst);
    assert!(seen.look(last).is_none(), "nothing new yet");
    for round in 1..=3u8 {
        let number = ring.write(&honest, &[round; 6144]);
        let frame = seen.next(last + u64::from(round) - 1);
        assert_eq!((frame.number, frame.bytes == [round; 6144]), (number, true), "none missing, none twice");
    }
    // The former pusher's process has its log mapped still.
    for slot in &spoilt.log.slots {
        slot.number.store(7, Ordering::SeqCst);
    }
    spoilt.log.head.store(1, Ordering::SeqCst);
    assert_eq!(ring.write(&honest, &[9; 6144]), last + 4);
    // A client in poll that has not met the new log: what it had of the old one is no measure.
    client.page.log.store(log, Ordering::SeqCst);
    client.page.last.store(poison, Ordering::SeqCst);
    client.drain();
    client.arm();
    client.stream(2);
    client.wait_readable();
}

/// The end of thousands of devices at once keeps nobody waiting: who asks meanwhile is answered between.
#[test]
fn the_end_of_many_devices_keeps_nobody_waiting() {
    let daemon = Daemon::new();
    let (many, one) = (Process::new(&daemon), Process::new(&daemon));
    let node = daemon.node(0, "output");
    // As many as the limit of descriptors lets two processes in one have.
    let (limit, _) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("a limit");
    let count = usize::try_from(limit / 8).unwrap_or(usize::MAX).min(600);
    let open: Vec<Device> = (0..count).map(|_| many.open(node, O_RDONLY, false).expect("it opens")).collect();
    let readers = || one.list()[0]["readers"].as_u64().expect("a number") as usize;
    assert_eq!(readers(), count);
    drop(open);
    drop(many);
    let first = readers();
    assert!(first > 0, "it is answered before all {count} have ended");
    wait_until(|| readers() == 0, "all end");
}

/// One connection that sends without end does not keep others from being served.
#[test]
fn a_flood_keeps_nobody_waiting() {
    let daemon = Daemon::new();
    let client = daemon.output(0);
    let session = client.info.session;
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                client.post(&Request::Doorbell { session, asked: true });
            }
        });
        let begin = Instant::now();
        for _ in 0..50 {
            assert!(matches!(Process::new(&daemon).ask(&Request::List), Reply::Text(_)));
        }
        over.store(true, Ordering::Relaxed);
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    });
}

/// A forked child's connection is one that its process made: a socket of somebody else's, with that one's rights, and
/// what is no such socket, is refused.
#[test]
fn a_forked_childs_connection_is_its_own() {
    if !is_root() {
        return;
    }
    let daemon = daemon_for_all(0o666, |_| {});
    // Root's, with root's rights.
    let (theirs, ours) = common::seqpacket_pair();
    let file: OwnedFd = fs::File::open("/dev/null").expect("a file").into();
    as_user(NOBODY, || {
        let process = Process::new(&daemon);
        for fd in [&ours, &file] {
            process.send_with(&Request::Split, fd);
        }
        let (own, split) = common::seqpacket_pair();
        process.send_with(&Request::Split, &split);
        drop(split);
        assert!(Process::on(own).is_ok(), "its own is served");
    });
    drop(ours);
    common::wait_for_end(&theirs);
}
