//! Claiming a pipe in each of the three ways, in a tree on disk, with an opener that plays the
//! driver's part.

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use common::{idle, three};
use nix::errno::Errno;
use vloopback_proc::{
    ClaimError, ClaimOptions, PipeView, Snapshot, TreeOptions, Writer, claim_by_scan_with, claim_by_sysfs,
    claim_by_sysfs_with, claim_free_pipe, claim_free_pipe_with,
};

struct World {
    _dir: tempfile::TempDir,
    writer: Writer,
    options: ClaimOptions,
}

fn world(snapshot: &Snapshot) -> World {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("socket.d");
    let mut writer = Writer::with_options(&root, TreeOptions::default()).expect("opens");
    writer.write(snapshot).expect("writes");
    let options =
        ClaimOptions { proc_root: root.join("proc"), sys_root: root.join("sys"), dev_root: root.join("dev") };
    World { _dir: dir, writer, options }
}

fn pipes(pipes: impl IntoIterator<Item = PipeView>) -> Snapshot {
    Snapshot { version: "v".into(), pipes: pipes.into_iter().collect(), ..Snapshot::default() }
}

/// Nodes of which each can be open once; dropping the file gives it back.
#[derive(Clone, Default)]
struct Driver(Rc<RefCell<BTreeSet<PathBuf>>>);

#[derive(Debug)]
struct Node {
    file: File,
    path: PathBuf,
    open: Rc<RefCell<BTreeSet<PathBuf>>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.open.borrow_mut().remove(&self.path);
    }
}

impl std::os::fd::AsFd for Node {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Driver {
    fn open(&self, path: &Path) -> io::Result<Node> {
        let file = File::open(path)?;
        if !self.0.borrow_mut().insert(path.to_owned()) {
            return Err(Errno::EBUSY.into());
        }
        Ok(Node { file, path: path.to_owned(), open: Rc::clone(&self.0) })
    }
}

#[test]
fn proc_way_takes_the_first_line_that_is_free_and_opens() {
    let mut snapshot = three();
    snapshot.pipes[0].writer = true;
    let w = world(&snapshot);
    let claimed = claim_free_pipe(&w.options).expect("pipe 2 is free");
    assert_eq!(claimed.index, 2);
    assert_eq!(claimed.input_path, w.options.dev_root.join("video4"));
    assert_eq!(claimed.output_path, w.options.dev_root.join("video5"));
}

#[test]
fn proc_way_opens_for_reading_and_writing_and_close_on_exec() {
    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
    let w = world(&pipes([idle(0)]));
    let claimed = claim_free_pipe(&w.options).expect("is free");
    let flags = OFlag::from_bits_retain(fcntl(&claimed.file, FcntlArg::F_GETFL).expect("is open"));
    assert_eq!(flags & OFlag::O_ACCMODE, OFlag::O_RDWR);
    let flags = fcntl(&claimed.file, FcntlArg::F_GETFD).expect("is open");
    assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
}

#[test]
fn two_pushers_with_one_table_get_two_pipes_and_the_third_a_clear_no() {
    let w = world(&pipes([idle(0), idle(1)]));
    let driver = Driver::default();
    let claim = || claim_free_pipe_with(&w.options, |path| driver.open(path));
    let first = claim().expect("both are free");
    let second = claim().expect("one is free");
    assert_eq!((first.index, second.index), (0, 1));
    let error = claim().expect_err("none is free");
    assert!(matches!(error, ClaimError::AllBusy { pipes: 2, .. }), "{error}");
    let text = error.to_string();
    for word in ["all 2 pipes", "proc/video/vloopback/vloopbacks", "--pipes", "vloopback add"] {
        assert!(text.contains(word), "{text}");
    }
    drop(first);
    assert_eq!(claim().expect("one was given back").index, 0);
}

#[test]
fn pipes_with_a_pusher_are_not_opened_and_count_as_busy() {
    let w = world(&pipes([PipeView { writer: true, ..idle(0) }]));
    let never = |_: &Path| -> io::Result<File> { panic!("opened a pipe in use") };
    let error = claim_free_pipe_with(&w.options, never).expect_err("is in use");
    assert!(matches!(error, ClaimError::AllBusy { pipes: 1, .. }), "{error}");
}

#[test]
fn a_node_that_fails_otherwise_is_named() {
    let w = world(&pipes([idle(0), idle(1)]));
    let denied = |path: &Path| -> io::Result<File> {
        let first = path.ends_with("video0");
        Err(if first { Errno::EACCES } else { Errno::EBUSY }.into())
    };
    for error in [
        claim_free_pipe_with(&w.options, denied).expect_err("none opens"),
        claim_by_sysfs_with(&w.options, denied).expect_err("none opens"),
    ] {
        let text = error.to_string();
        assert!(text.contains("dev/video0") && text.contains("group"), "{text}");
    }
    // But it is no reason to give up while another one opens.
    let driver = Driver::default();
    let second = |path: &Path| {
        if path.ends_with("video0") { Err(Errno::EACCES.into()) } else { driver.open(path) }
    };
    assert_eq!(claim_free_pipe_with(&w.options, second).expect("pipe 1 opens").index, 1);
}

#[test]
fn without_a_driver_the_message_says_how_to_start_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let nowhere = ClaimOptions {
        proc_root: dir.path().join("proc"),
        sys_root: dir.path().join("sys"),
        dev_root: dir.path().join("dev"),
    };
    for (error, file) in [
        (claim_free_pipe(&nowhere).expect_err("is absent"), "proc/video/vloopback/vloopbacks"),
        (claim_by_sysfs(&nowhere).expect_err("is absent"), "sys/class/video4linux"),
    ] {
        assert!(matches!(error, ClaimError::NoDriver { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(file) && text.contains("vloopbackd"), "{text}");
        assert!(text.contains("vloopback run"), "{text}");
    }
    let error = vloopback_proc::claim_by_scan(&nowhere, |_| Ok((String::new(), 0)));
    assert!(matches!(error.expect_err("is absent"), ClaimError::NoPipes { .. }));
    assert_eq!(ClaimOptions::default().proc_root, Path::new("/proc"));
}

#[test]
fn a_table_without_pipes_or_with_junk_is_told_apart() {
    let w = world(&pipes([]));
    let error = claim_free_pipe(&w.options).expect_err("has no pipe");
    assert!(matches!(error, ClaimError::NoPipes { .. }), "{error}");
    let error = claim_by_sysfs(&w.options).expect_err("has no pipe");
    assert!(matches!(error, ClaimError::NoPipes { .. }), "{error}");
    let table = w.writer.root().join("proc/video/vloopback/vloopbacks");
    fs::write(&table, "a\nb\njunk\n").expect("writes");
    let error = claim_free_pipe(&w.options).expect_err("is junk");
    assert!(matches!(error, ClaimError::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("line 3"), "{error}");
}

#[test]
fn sysfs_way_takes_the_lowest_pipe_and_gives_the_others_back() {
    // Pipe numbers run against node numbers, and directory order is anyone's guess.
    let numbered =
        (0..8).map(|index| PipeView { input: 40 - 4 * index, output: 41 - 4 * index, ..idle(index) });
    let w = world(&pipes(numbered));
    let driver = Driver::default();
    let mut held = Vec::new();
    for index in 0..8 {
        let claimed = claim_by_sysfs_with(&w.options, |path| driver.open(path)).expect("is free");
        assert_eq!(claimed.index, index);
        assert_eq!(claimed.output_path, w.options.dev_root.join(format!("video{}", 41 - 4 * index)));
        held.push(claimed);
        assert_eq!(driver.0.borrow().len(), held.len(), "a higher pipe stays open");
    }
    let error = claim_by_sysfs_with(&w.options, |path| driver.open(path)).expect_err("all in use");
    assert!(matches!(error, ClaimError::AllBusy { pipes: 8, .. }), "{error}");
}

#[test]
fn sysfs_way_passes_over_other_cameras() {
    let w = world(&pipes([idle(1)]));
    let class = w.options.sys_root.join("class/video4linux");
    for (node, name) in [("video7", "Integrated Camera\n"), ("video8", "Video loopback 0 input")] {
        fs::create_dir(class.join(node)).expect("creates");
        fs::write(class.join(node).join("name"), name).expect("writes");
    }
    fs::create_dir(class.join("v4l-subdev0")).expect("creates");
    assert_eq!(claim_by_sysfs(&w.options).expect("pipe 1 is free").index, 1);
}

/// Answers VIDIOCGCAP for whatever node the descriptor leads to.
fn name_of(names: &[(&str, &str, u32)]) -> impl Fn(std::os::fd::BorrowedFd<'_>) -> io::Result<(String, u32)> {
    let names: Vec<_> =
        names.iter().map(|(node, name, kind)| (format!("/{node}"), (*name).to_owned(), *kind)).collect();
    move |fd| {
        let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
        let path = path.to_string_lossy().into_owned();
        let found = names.iter().find(|(node, ..)| path.ends_with(node.as_str()));
        found.map(|(_, name, kind)| (name.clone(), *kind)).ok_or(Errno::ENOTTY.into())
    }
}

#[test]
fn scan_way_finds_inputs_by_name_or_type() {
    let w = world(&pipes((0..4).map(idle)));
    let names = [
        ("video0", "Integrated Camera", 1),
        ("video1", "Video loopback 0 output", 1),
        ("video2", "Video loopback 3 input", 0),
        ("video4", "some loopback thing", 1),
        ("video6", "some loopback thing", 0),
    ];
    let driver = Driver::default();
    let claim = || claim_by_scan_with(&w.options, name_of(&names), |path| driver.open(path));
    let first = claim().expect("video2 is an input");
    assert_eq!(first.index, 3);
    assert_eq!(first.input_path, w.options.dev_root.join("video2"));
    assert_eq!(first.output_path, w.options.dev_root.join("video3"));
    let second = claim().expect("video6 is one by its type");
    assert_eq!(second.input_path, w.options.dev_root.join("video6"));
    let error = claim().expect_err("no third");
    assert!(matches!(error, ClaimError::AllBusy { pipes: 2, .. }), "{error}");
}

#[test]
fn scan_way_goes_on_where_the_request_says_busy() {
    let w = world(&pipes([idle(0), idle(1)]));
    let names = [("video0", "Video loopback 0 input", 0), ("video2", "Video loopback 1 input", 0)];
    let asked = RefCell::new(BTreeSet::new());
    let answer = name_of(&names);
    // Opening is free to all; the first V4L1 request claims.
    let query = |fd: std::os::fd::BorrowedFd<'_>| {
        let told = answer(fd)?;
        if asked.borrow_mut().insert(told.0.clone()) { Ok(told) } else { Err(Errno::EBUSY.into()) }
    };
    let open = |path: &Path| File::open(path);
    assert_eq!(claim_by_scan_with(&w.options, query, open).expect("is free").index, 0);
    assert_eq!(claim_by_scan_with(&w.options, query, open).expect("is free").index, 1);
    let error = claim_by_scan_with(&w.options, query, open).expect_err("none left");
    assert!(matches!(error, ClaimError::AllBusy { pipes: 2, .. }), "{error}");
}
