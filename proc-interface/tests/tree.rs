//! The tree of files: what is in it, and the writer's promises.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use common::{idle, three};
use proptest::prelude::*;
use vloopback_proc::tree::entries;
use vloopback_proc::{Counters, EntryKind, NodeAccess, PipeView, Snapshot, TreeError, TreeOptions, Writer};

fn options() -> TreeOptions {
    TreeOptions { host_modules: Some("ext4 1 0 - Live 0x0\n".into()), ..TreeOptions::default() }
}

fn writer(dir: &tempfile::TempDir) -> Writer {
    Writer::with_options(dir.path().join("socket.d"), options()).expect("a fresh directory")
}

/// One line an entry, its text indented below it.
fn listing(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for entry in entries(snapshot, &options()) {
        let path = entry.path.display();
        match entry.kind {
            EntryKind::Dir => out += &format!("{path}/\n"),
            EntryKind::File { contents } | EntryKind::Live { contents } => {
                out += &format!("{path}\n");
                contents.lines().for_each(|line| out += &format!("    {line}\n"));
            }
            EntryKind::Symlink { target } => out += &format!("{path} -> {}\n", target.display()),
            EntryKind::Node(access) => out += &format!("{path} {:04o}\n", access.mode),
        }
    }
    out
}

#[test]
fn golden_tree() {
    let snapshot =
        Snapshot { version: "vloopback 0.1.0".into(), pipes: vec![idle(0)], ..Snapshot::default() };
    assert_eq!(listing(&snapshot), include_str!("golden/tree"));
}

#[test]
fn parents_come_first_and_no_path_twice() {
    let mut seen: Vec<PathBuf> = vec![PathBuf::new()];
    for entry in entries(&three(), &options()) {
        assert!(!seen.contains(&entry.path), "{} twice", entry.path.display());
        let parent = entry.path.parent().expect("is relative").to_owned();
        assert!(seen.contains(&parent), "{} before its parent", entry.path.display());
        seen.push(entry.path);
    }
}

/// Asserts that `root` holds these entries and nothing else but the writer's own two names.
fn assert_on_disk(root: &Path, snapshot: &Snapshot) {
    let wanted: BTreeMap<PathBuf, EntryKind> =
        entries(snapshot, &options()).into_iter().map(|e| (e.path, e.kind)).collect();
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        for item in fs::read_dir(root.join(&dir)).expect("is a directory") {
            let item = item.expect("can be listed");
            let path = dir.join(item.file_name());
            if path == Path::new(".staging") || path == Path::new(".vloopback-tree") {
                continue;
            }
            if item.file_type().expect("has a type").is_dir() {
                todo.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    assert_eq!(found, wanted.keys().cloned().collect::<Vec<_>>());
    for (path, kind) in wanted {
        let place = root.join(&path);
        let meta = fs::symlink_metadata(&place).expect("is there");
        let mode = meta.permissions().mode() & 0o7777;
        let shown = path.display();
        match kind {
            EntryKind::Dir => assert_eq!((meta.is_dir(), mode), (true, 0o755), "{shown}"),
            EntryKind::File { contents } | EntryKind::Live { contents } => {
                assert_eq!(fs::read_to_string(&place).expect("is text"), contents, "{shown}");
                assert_eq!((meta.is_file(), mode), (true, 0o644), "{shown}");
            }
            EntryKind::Symlink { target } => {
                assert_eq!(fs::read_link(&place).expect("is a link"), target, "{shown}");
                assert!(place.exists(), "{shown} dangles");
            }
            EntryKind::Node(access) => {
                assert_eq!((meta.is_file(), mode, meta.len()), (true, access.mode, 0), "{shown}");
            }
        }
    }
    let staged = fs::read_dir(root.join(".staging")).expect("is there").count();
    assert_eq!(staged, 0, "staging is not empty");
}

#[test]
fn writes_the_whole_tree_and_links_lead_home() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = writer(&dir);
    writer.write(&three()).expect("writes");
    assert_on_disk(writer.root(), &three());
    let root = writer.root().to_owned();
    let device = fs::canonicalize(root.join("sys/devices/virtual/video4linux/video3")).expect("is");
    for link in ["sys/class/video4linux/video3", "sys/dev/char/81:3"] {
        assert_eq!(fs::canonicalize(root.join(link)).expect("leads on"), device);
    }
    assert_eq!(
        fs::canonicalize(device.join("subsystem")).expect("leads on"),
        fs::canonicalize(root.join("sys/class/video4linux")).expect("is"),
    );
    assert_eq!(
        fs::canonicalize(root.join("dev/v4l/video3")).expect("leads on"),
        fs::canonicalize(root.join("dev/video3")).expect("is"),
    );
}

/// Inode and change time of everything in the tree.
fn stamps(root: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    entries(&three(), &options())
        .into_iter()
        .map(|entry| {
            let meta = fs::symlink_metadata(root.join(&entry.path)).expect("is there");
            (entry.path, (meta.ino(), meta.ctime(), meta.ctime_nsec()))
        })
        .collect()
}

#[test]
fn touches_only_what_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = writer(&dir);
    let mut snapshot = three();
    writer.write(&snapshot).expect("writes");
    let before = stamps(writer.root());
    writer.write(&snapshot).expect("writes");
    assert_eq!(stamps(writer.root()), before);

    snapshot.pipes[1].counters.written += 1;
    writer.write(&snapshot).expect("writes");
    assert_on_disk(writer.root(), &snapshot);
    let after = stamps(writer.root());
    let changed: Vec<_> =
        before.keys().filter(|path| before[*path] != after[*path]).map(|p| p.to_str()).collect();
    // The directory's times change with the rename.
    assert_eq!(changed, [Some("proc/video/vloopback"), Some("proc/video/vloopback/vloopback1")]);
}

#[test]
fn a_node_keeps_its_inode_when_its_mode_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = writer(&dir);
    let mut snapshot = three();
    writer.write(&snapshot).expect("writes");
    let before = stamps(writer.root());
    snapshot.pipes[0].access.mode = 0o666;
    writer.write(&snapshot).expect("writes");
    assert_on_disk(writer.root(), &snapshot);
    let after = stamps(writer.root());
    for node in ["dev/video0", "dev/video1"] {
        assert_eq!(before[Path::new(node)].0, after[Path::new(node)].0, "{node}");
    }
}

#[test]
fn a_node_belongs_to_whom_it_is_given() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = writer(&dir);
    let mut snapshot = three();
    for (uid, gid) in [(1234, 44), (4321, 0)] {
        snapshot.pipes[0].access = NodeAccess { uid, gid, mode: 0o660 };
        writer.write(&snapshot).expect("writes");
        let meta = fs::metadata(writer.root().join("dev/video1")).expect("is there");
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (uid, gid, 0o660));
    }
}

#[test]
fn an_open_reader_keeps_the_text_it_opened() {
    use std::io::Read as _;
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = writer(&dir);
    let mut snapshot = three();
    writer.write(&snapshot).expect("writes");
    let table = writer.root().join("proc/video/vloopback/vloopbacks");
    let mut open = fs::File::open(&table).expect("is there");
    snapshot.pipes.clear();
    writer.write(&snapshot).expect("writes");
    let mut text = String::new();
    open.read_to_string(&mut text).expect("is text");
    assert_eq!(text, include_str!("golden/vloopbacks"));
    assert_on_disk(writer.root(), &snapshot);
}

/// A reader that looks while pipes come and go sees whole files, whole devices, and never a line
/// in the table whose nodes have not appeared.
#[test]
fn a_reader_never_meets_anything_half_made() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = writer(&dir);
    let full = three();
    let none = Snapshot { pipes: Vec::new(), ..full.clone() };
    writer.write(&none).expect("writes");
    let root = writer.root().to_owned();
    let done = std::sync::atomic::AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || looks == 0 {
                look(&root);
                looks += 1;
            }
            looks
        });
        for _ in 0..80 {
            writer.write(&full).expect("writes");
            writer.write(&none).expect("writes");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        looker.join().expect("the reader is content")
    });
    assert!(looks > 0);
}

fn look(root: &Path) {
    let table = fs::read_to_string(root.join("proc/video/vloopback/vloopbacks")).expect("is there");
    let rows = vloopback_proc::parse::parse_vloopbacks_strict(&table).expect("is whole");
    assert!(rows.is_empty() || rows.len() == 3, "{table}");
    let devices = root.join("sys/devices/virtual/video4linux");
    for device in fs::read_dir(devices).expect("is there") {
        let device = device.expect("can be listed").path();
        // Listed through a descriptor, to know afterwards that the directory listed is the one
        // still in place: one that is just being taken apart may show anything.
        let Ok(open) = fs::File::open(&device) else { continue };
        let inode = open.metadata().expect("is open").ino();
        let list = fs::read_dir(format!("/proc/self/fd/{}", open.as_raw_fd())).expect("is open");
        let names = list.count();
        if fs::symlink_metadata(&device).is_ok_and(|meta| meta.ino() == inode) {
            assert_eq!(names, 10, "{}", device.display());
        }
    }
}

#[test]
fn takes_over_what_a_dead_daemon_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut dead = writer(&dir);
    dead.write(&three()).expect("writes");
    fs::create_dir_all(dead.root().join(".staging/17/deep")).expect("creates");
    drop(dead);
    let mut next = writer(&dir);
    let snapshot = Snapshot { version: "v".into(), pipes: vec![idle(5)], ..Snapshot::default() };
    next.write(&snapshot).expect("writes");
    assert_on_disk(next.root(), &snapshot);
}

#[test]
fn puts_right_what_somebody_else_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = writer(&dir);
    let mut snapshot = three();
    for harm in ["proc", ".staging", "sys/devices/virtual/video4linux", ""] {
        snapshot.pipes[0].readers += 1;
        writer.write(&snapshot).expect("writes");
        fs::remove_dir_all(writer.root().join(harm)).expect("removes");
        snapshot.pipes.push(idle(40 + snapshot.pipes[0].readers));
        writer.write(&snapshot).expect("writes");
        assert_on_disk(writer.root(), &snapshot);
    }
}

#[test]
fn never_empties_a_directory_that_is_no_tree() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("conf.d");
    fs::create_dir_all(root.join("dev")).expect("creates");
    fs::write(root.join("dev/precious"), "x").expect("writes");
    let error = Writer::with_options(&root, options()).expect_err("is foreign");
    assert!(matches!(error, TreeError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("conf.d") && error.to_string().contains("--socket"));
    assert!(root.join("dev/precious").exists());

    let file = dir.path().join("file.d");
    fs::write(&file, "x").expect("writes");
    let error = Writer::with_options(&file, options()).expect_err("is a file");
    assert!(matches!(error, TreeError::NotDirectory { .. }), "{error}");

    // A link, even to a tree of ours, could lead anywhere the next time.
    let link = dir.path().join("link.d");
    let real = writer(&dir);
    std::os::unix::fs::symlink(real.root(), &link).expect("links");
    let error = Writer::with_options(&link, options()).expect_err("is a link");
    assert!(matches!(error, TreeError::NotDirectory { .. }), "{error}");

    let missing = dir.path().join("no/such/place.d");
    let error = Writer::with_options(&missing, options()).expect_err("has no parent");
    assert!(matches!(error, TreeError::Io { action: "create", .. }), "{error}");
    let empty = dir.path().join("empty.d");
    fs::create_dir(&empty).expect("creates");
    Writer::with_options(&empty, options()).expect("an empty directory harms nobody");
}

#[test]
fn refuses_a_directory_of_another_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("theirs.d");
    fs::create_dir(&root).expect("creates");
    std::os::unix::fs::chown(&root, Some(1234), None).expect("root may");
    let error = Writer::with_options(&root, options()).expect_err("is theirs");
    assert!(matches!(error, TreeError::NotOwned { uid: 1234, .. }), "{error}");
}

#[test]
fn remove_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = writer(&dir);
    first.write(&three()).expect("writes");
    let root = first.root().to_owned();
    first.remove().expect("removes");
    assert!(!root.exists());
    let second = writer(&dir);
    fs::remove_dir_all(second.root()).expect("removes");
    second.remove().expect("there is nothing left to do");
}

#[test]
fn the_hosts_modules_are_shown() {
    let options = TreeOptions::of_host();
    let host = options.host_modules.clone().unwrap_or_default();
    let entries = entries(&three(), &options);
    let text = entries.iter().find_map(|entry| match &entry.kind {
        EntryKind::File { contents } if entry.path == Path::new("proc/modules") => Some(contents),
        _ => None,
    });
    let text = text.expect("is in the tree");
    assert!(text.starts_with(&host));
    assert_eq!(text.lines().filter(|line| line.starts_with("vloopback ")).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Whatever comes after whatever, the disk equals the last snapshot.
    #[test]
    fn any_sequence_of_snapshots_ends_in_the_last(
        steps in proptest::collection::vec(
            (proptest::collection::btree_map(0u32..6, (0u32..3, any::<bool>()), 0..5), 0u64..3),
            1..6,
        )
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = writer(&dir);
        for (pipes, written) in steps {
            let pipes = pipes.into_iter().map(|(index, (readers, open))| {
                let mut pipe = PipeView { readers, writer: readers == 2, ..idle(index) };
                pipe.counters = Counters { written, ..Counters::default() };
                pipe.access.mode = if open { 0o666 } else { 0o600 };
                pipe
            });
            let snapshot = Snapshot { version: "v".into(), pipes: pipes.collect(), ..Snapshot::default() };
            writer.write(&snapshot).expect("writes");
            assert_on_disk(writer.root(), &snapshot);
        }
    }
}
