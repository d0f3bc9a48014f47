//! The views as a tree of plain files, for anyone to read, and the writer that keeps it.
//!
//! ```text
//! dev/videoN                                     owner, group and mode of the pipe
//! dev/v4l2loopback                               to add and delete pipes as v4l2loopback's tools do
//! dev/v4l/videoN -> ../videoN                    the names of the devfs era
//! open/INODE -> ../dev/videoN                    what is behind a program's socket; the daemon's own, by the open
//! proc/modules                                   the host's text and our module's line
//! proc/devices                                   the host's text and video4linux's major number
//! proc/video/vloopback/vloopbacks, vloopbackK
//! sys/devices/virtual/video4linux/videoN/        name, dev, uevent, index, subsystem; as v4l2loopback has them format,
//!                                                buffers, max_openers, state; active_readers
//! sys/class/video4linux/videoN                   links to the devices
//! sys/dev/char/81:N
//! run/udev/data/c81:N                            what udev would know of the node
//! sys/module/vloopback/                          what lsmod reads: coresize, refcnt, initstate, holders
//! sys/module/v4l2loopback/                       the same for programs of today, its version, its parameters
//! today/…                                        what programs of today find in place of the above: the nodes' names,
//!                                                proc/modules
//! ```
//!
//! [`entries`] says what the tree holds, as values. [`Writer`] makes it so on disk, touching only
//! what has changed. A reader never meets a file half-written nor a directory half-filled: each
//! is built in a staging directory that no view shows and is then renamed into its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::{Direction, Names, NodeAccess, PipeView, Snapshot};
use crate::render;

mod writer;

pub use writer::{TreeError, Writer};

/// The folder with what programs of today find otherwise than old ones.
const TODAY: &str = "today";

/// The module that programs of today look for, and the version whose interface they find.
const THEIRS: &str = "v4l2loopback";
const THEIR_VERSION: &str = "0.15.4";

/// One name in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path below the tree's root, without a leading slash.
    pub path: PathBuf,
    /// What is there.
    pub kind: EntryKind,
}

/// What stands at a path of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory, mode 0755.
    Dir,
    /// A file, mode 0644.
    File {
        /// All of its text.
        contents: String,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, relative to its own directory.
        target: PathBuf,
    },
    /// A file as [`EntryKind::File`], that is changed in place: who watches it by inotify hears of each change.
    Live {
        /// All of its text: one line, written at once.
        contents: String,
    },
    /// An empty plain file that stands for a device node and has the node's owner, group and
    /// mode, so that stat() and access() can be answered by the kernel's own rules.
    Node(NodeAccess),
}

/// What the tree holds besides the pipes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeOptions {
    /// The host's `/proc/modules`; `None` where it has none.
    pub host_modules: Option<String>,
    /// The host's `/proc/devices`; `None` where it has none.
    pub host_devices: Option<String>,
    /// The module that `proc/modules` names as loaded.
    pub module_name: String,
}

impl Default for TreeOptions {
    /// No host text, module `vloopback`.
    fn default() -> Self {
        TreeOptions { host_modules: None, host_devices: None, module_name: "vloopback".to_owned() }
    }
}

impl TreeOptions {
    /// The options for this host: its `/proc/modules` and `/proc/devices` as of now.
    #[must_use]
    pub fn of_host() -> Self {
        TreeOptions {
            host_modules: std::fs::read_to_string("/proc/modules").ok(),
            host_devices: std::fs::read_to_string("/proc/devices").ok(),
            ..TreeOptions::default()
        }
    }
}

/// Everything that the tree holds for this snapshot, parents before what is in them, no path
/// twice.
#[must_use]
pub fn entries(snapshot: &Snapshot, options: &TreeOptions) -> Vec<Entry> {
    map(snapshot, options).into_iter().map(|(path, kind)| Entry { path, kind }).collect()
}

/// The tree by path. A directory is followed directly by all that is below it, since paths
/// compare by component.
fn map(snapshot: &Snapshot, options: &TreeOptions) -> BTreeMap<PathBuf, EntryKind> {
    let mut tree = BTreeMap::new();
    for dir in [
        "dev",
        "dev/v4l",
        // Who fills it is not this writer, since what is in it changes with every open.
        "open",
        "proc",
        "proc/video",
        "proc/video/vloopback",
        "run",
        "run/udev",
        "run/udev/data",
        "sys",
        "sys/class",
        "sys/class/video4linux",
        "sys/dev",
        "sys/dev/char",
        "sys/devices",
        "sys/devices/virtual",
        "sys/devices/virtual/video4linux",
        "sys/module",
        TODAY,
        "today/proc",
        "today/sys",
        "today/sys/class",
        "today/sys/class/video4linux",
        "today/sys/dev",
        "today/sys/dev/char",
        "today/sys/devices",
        "today/sys/devices/virtual",
        "today/sys/devices/virtual/video4linux",
    ] {
        tree.insert(PathBuf::from(dir), EntryKind::Dir);
    }
    let host = options.host_modules.as_deref().unwrap_or("");
    let (module, users) = (&options.module_name, render::module_users(snapshot));
    let modules = render::modules_with(host, module, users);
    if snapshot.names == Names::V4l2loopback {
        file(&mut tree, "today/proc/modules", render::modules_with(&modules, THEIRS, users));
        module_folder(&mut tree, THEIRS, users);
        file(&mut tree, format!("sys/module/{THEIRS}/version"), format!("{THEIR_VERSION}\n"));
        tree.insert(Path::new("sys/module").join(THEIRS).join("parameters"), EntryKind::Dir);
        for (name, contents) in render::module_parameters(snapshot) {
            file(&mut tree, format!("sys/module/{THEIRS}/parameters/{name}"), contents);
        }
    } else {
        file(&mut tree, "today/proc/modules", modules.clone());
    }
    file(&mut tree, "proc/modules", modules);
    if let Some(access) = snapshot.control.filter(|_| snapshot.names == Names::V4l2loopback) {
        tree.insert(PathBuf::from("dev/v4l2loopback"), EntryKind::Node(access));
    }
    let devices = options.host_devices.as_deref().unwrap_or("");
    file(&mut tree, "proc/devices", render::devices_with(devices));
    module_folder(&mut tree, module, users);
    file(&mut tree, "proc/video/vloopback/vloopbacks", render::vloopbacks(snapshot));
    for pipe in &snapshot.pipes {
        file(&mut tree, format!("proc/video/vloopback/vloopback{}", pipe.index), render::vloopback(pipe));
        node(&mut tree, pipe, pipe.input, Direction::Input, snapshot.names);
        node(&mut tree, pipe, pipe.output, Direction::Output, snapshot.names);
    }
    tree
}

/// What lsmod reads of a module.
fn module_folder(tree: &mut BTreeMap<PathBuf, EntryKind>, module: &str, users: u32) {
    tree.insert(Path::new("sys/module").join(module), EntryKind::Dir);
    tree.insert(Path::new("sys/module").join(module).join("holders"), EntryKind::Dir);
    for (name, contents) in [
        ("coresize", format!("{}\n", render::MODULE_SIZE)),
        ("refcnt", format!("{users}\n")),
        ("initstate", "live\n".to_owned()),
    ] {
        file(tree, format!("sys/module/{module}/{name}"), contents);
    }
}

/// All that one node has in the tree.
fn node(
    tree: &mut BTreeMap<PathBuf, EntryKind>,
    pipe: &PipeView,
    number: u32,
    direction: Direction,
    names: Names,
) {
    let name = format!("video{number}");
    tree.insert(Path::new("dev").join(&name), EntryKind::Node(pipe.access));
    link(tree, format!("dev/v4l/{name}"), format!("../{name}"));

    let device = format!("sys/devices/virtual/video4linux/{name}");
    tree.insert(PathBuf::from(&device), EntryKind::Dir);
    file(tree, format!("{device}/name"), render::sysfs_name(pipe.index, direction));
    file(tree, format!("{device}/dev"), render::dev(number));
    file(tree, format!("{device}/uevent"), render::uevent(number));
    file(tree, format!("{device}/index"), render::index().to_owned());
    file(tree, format!("{device}/format"), render::sysfs_format(pipe));
    file(tree, format!("{device}/buffers"), format!("{}\n", pipe.max_buffers));
    file(tree, format!("{device}/max_openers"), format!("{}\n", pipe.max_openers));
    file(tree, format!("{device}/state"), render::sysfs_state(pipe).to_owned());
    let streaming = EntryKind::Live { contents: format!("{}\n", pipe.streaming) };
    tree.insert(PathBuf::from(format!("{device}/active_readers")), streaming);
    link(tree, format!("{device}/subsystem"), "../../../../class/video4linux");

    let today = format!("{TODAY}/{device}");
    tree.insert(PathBuf::from(&today), EntryKind::Dir);
    file(tree, format!("{today}/name"), render::todays_sysfs_name(pipe, direction, names));
    link(tree, format!("{today}/subsystem"), "../../../../class/video4linux");

    let record = format!("run/udev/data/c{}:{number}", render::VIDEO_MAJOR);
    file(tree, record, render::udev_record(pipe, direction, names));

    let target = format!("../../devices/virtual/video4linux/{name}");
    for era in ["", "today/"] {
        link(tree, format!("{era}sys/class/video4linux/{name}"), &target);
        link(tree, format!("{era}sys/dev/char/{}:{number}", render::VIDEO_MAJOR), &target);
    }
}

fn file(tree: &mut BTreeMap<PathBuf, EntryKind>, path: impl Into<PathBuf>, contents: String) {
    tree.insert(path.into(), EntryKind::File { contents });
}

fn link(tree: &mut BTreeMap<PathBuf, EntryKind>, path: impl Into<PathBuf>, target: impl AsRef<Path>) {
    let target = target.as_ref().to_owned();
    tree.insert(path.into(), EntryKind::Symlink { target });
}
