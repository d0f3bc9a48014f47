//! How a pusher claims a free pipe.
//!
//! There are three ways, those of old programs: the pipe table in /proc ([`claim_free_pipe`]), the names
//! in sysfs ([`claim_by_sysfs`]), and a scan that asks every node for its name ([`claim_by_scan`]). All
//! claim by opening the input node. Of two pushers that try the same pipe, one gets EBUSY and tries
//! the next.
//!
//! Opening claims the pipe for a legacy process: one that has looked into /proc/video/vloopback, as the
//! first way does, or was started as one. Any other process claims with its first V4L1 request on the
//! input; the third way makes one.
//!
//! Each way has a variant that opens nodes through the caller's function, for a program that does not
//! reach the driver by paths.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::model::Direction;
use crate::parse::{ParseError, number, parse_gcap_name, parse_sysfs_name, parse_vloopbacks};

/// Where to look. The defaults are the real places, which the preload library serves; other
/// roots let a test, or a program without the preload, look into the daemon's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimOptions {
    /// Instead of `/proc`.
    pub proc_root: PathBuf,
    /// Instead of `/sys`.
    pub sys_root: PathBuf,
    /// Instead of `/dev`.
    pub dev_root: PathBuf,
}

impl Default for ClaimOptions {
    fn default() -> Self {
        ClaimOptions {
            proc_root: PathBuf::from("/proc"),
            sys_root: PathBuf::from("/sys"),
            dev_root: PathBuf::from("/dev"),
        }
    }
}

/// A claimed pipe. Dropping it closes the input and so gives the pipe back.
#[derive(Debug)]
pub struct Claimed<F = File> {
    /// The input node, open for reading and writing, close-on-exec.
    pub file: F,
    /// The input node's path.
    pub input_path: PathBuf,
    /// The output node's path, for clients.
    pub output_path: PathBuf,
    /// Pipe number.
    pub index: u32,
}

/// Why no pipe was claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The file or directory that names the pipes is not there.
    #[error("no {path}: start vloopbackd, or start this program with `vloopback run -- PROGRAM`")]
    NoDriver {
        /// What was looked for.
        path: PathBuf,
    },
    /// It is there but cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no pipe table.
    #[error("{path}: {source}; is another program's driver in its place?")]
    Malformed {
        /// The table.
        path: PathBuf,
        /// What is wrong with it.
        source: ParseError,
    },
    /// It names no pipe at all.
    #[error("{path} shows no vloopback pipe: add one with `vloopback add`, or start vloopbackd with --pipes")]
    NoPipes {
        /// Where was looked.
        path: PathBuf,
    },
    /// Every pipe has its pusher.
    #[error(
        "all {pipes} pipes that {path} shows are in use: add one with `vloopback add`, start \
         vloopbackd with a larger --pipes, or stop a pusher"
    )]
    AllBusy {
        /// Where was looked.
        path: PathBuf,
        /// How many there are.
        pipes: usize,
    },
    /// No pipe could be opened, and one that shows as free failed for another reason than being
    /// in use.
    #[error("cannot open {path}: {source}; {}", remedy(source))]
    Open {
        /// The input node that failed first.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A remedy for a node that does not open.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "ask the pipe's owner for access, or run as a member of its group",
        io::ErrorKind::NotFound => "start this program with `vloopback run -- PROGRAM`",
        _ => "`vloopback list` tells whether the server still runs, and who has the pipes",
    }
}

/// Claims the first free pipe of `/proc/video/vloopback/vloopbacks`: the first line with status
/// `-` whose input opens for reading and writing.
///
/// # Errors
/// [`ClaimError`]; a node that fails to open only counts where no later one opens.
pub fn claim_free_pipe(options: &ClaimOptions) -> Result<Claimed, ClaimError> {
    claim_free_pipe_with(options, open_read_write)
}

/// [`claim_free_pipe`] with the caller's way of opening a node for reading and writing.
///
/// # Errors
/// As [`claim_free_pipe`].
pub fn claim_free_pipe_with<F>(
    options: &ClaimOptions,
    open: impl FnMut(&Path) -> io::Result<F>,
) -> Result<Claimed<F>, ClaimError> {
    let table = options.proc_root.join("video/vloopback/vloopbacks");
    let text = fs::read_to_string(&table).map_err(|source| unreadable(&table, source))?;
    let rows =
        parse_vloopbacks(&text).map_err(|source| ClaimError::Malformed { path: table.clone(), source })?;
    let mut tries = Tries::new(&table, open);
    for row in &rows {
        tries.pipes += 1;
        if !row.free {
            continue;
        }
        let input_path = options.dev_root.join(&row.input);
        if let Some(file) = tries.open(&input_path) {
            return Ok(Claimed {
                file,
                input_path,
                output_path: options.dev_root.join(&row.output),
                index: row.index,
            });
        }
    }
    Err(tries.failure())
}

/// Claims the free pipe of the lowest number that `/sys/class/video4linux` shows. Entries come
/// in any order: a pipe that was opened is closed again when one of a lower number opens.
///
/// # Errors
/// As [`claim_free_pipe`].
pub fn claim_by_sysfs(options: &ClaimOptions) -> Result<Claimed, ClaimError> {
    claim_by_sysfs_with(options, open_read_write)
}

/// [`claim_by_sysfs`] with the caller's way of opening a node for reading and writing.
///
/// # Errors
/// As [`claim_free_pipe`].
pub fn claim_by_sysfs_with<F>(
    options: &ClaimOptions,
    open: impl FnMut(&Path) -> io::Result<F>,
) -> Result<Claimed<F>, ClaimError> {
    let class = options.sys_root.join("class/video4linux");
    let list = fs::read_dir(&class).map_err(|source| unreadable(&class, source))?;
    let mut tries = Tries::new(&class, open);
    let mut outputs = Vec::new();
    let mut best: Option<Claimed<F>> = None;
    for entry in list {
        let entry = entry.map_err(|source| unreadable(&class, source))?;
        let node = entry.file_name();
        // A device that is just going away, or one whose name is no text, is none of ours.
        let Ok(text) = fs::read_to_string(entry.path().join("name")) else {
            continue;
        };
        let path = options.dev_root.join(&node);
        match parse_sysfs_name(&text) {
            None => {}
            Some((index, Direction::Output)) => outputs.push((index, path)),
            Some((index, Direction::Input)) => {
                tries.pipes += 1;
                if best.as_ref().is_some_and(|best| best.index < index) {
                    continue;
                }
                if let Some(file) = tries.open(&path) {
                    let output_path = partner(&path);
                    best = Some(Claimed { file, input_path: path, output_path, index });
                }
            }
        }
    }
    let Some(mut claimed) = best else {
        return Err(tries.failure());
    };
    if let Some((_, path)) = outputs.into_iter().find(|(index, _)| *index == claimed.index) {
        claimed.output_path = path;
    }
    Ok(claimed)
}

/// The bit of `video_capability.type` that a node with pictures to capture has.
const VID_TYPE_CAPTURE: u32 = 1;

/// Claims the first of `/dev/video0` to `/dev/video9` that opens and says it is the input of a
/// loopback: a name that begins with `Video loopback` and ends in `input`, or one that holds
/// `loopback` with a type that lacks capture.
///
/// `query_name` makes the `VIDIOCGCAP` call and returns name and type. EBUSY from it means that the node is
/// in use, another error that it is not a vloopback node. Old programs take the next node
/// for the output, and so does this function.
///
/// # Errors
/// As [`claim_free_pipe`].
pub fn claim_by_scan(
    options: &ClaimOptions,
    query_name: impl Fn(BorrowedFd<'_>) -> io::Result<(String, u32)>,
) -> Result<Claimed, ClaimError> {
    claim_by_scan_with(options, query_name, open_read_write)
}

/// [`claim_by_scan`] with the caller's way of opening a node for reading and writing.
///
/// # Errors
/// As [`claim_free_pipe`].
pub fn claim_by_scan_with<F: AsFd>(
    options: &ClaimOptions,
    query_name: impl Fn(BorrowedFd<'_>) -> io::Result<(String, u32)>,
    mut open: impl FnMut(&Path) -> io::Result<F>,
) -> Result<Claimed<F>, ClaimError> {
    let mut denied = None;
    let mut pipes = 0;
    for number in 0..10 {
        let path = options.dev_root.join(format!("video{number}"));
        // Whose node it is that does not open cannot be known: EBUSY is taken for a pipe with a
        // pusher, since cameras do not give it at open, and a refusal is worth a message only
        // where there is no pipe at all.
        let tried = open(&path).and_then(|file| Ok((query_name(file.as_fd())?, file)));
        match tried {
            Ok(((name, kind), file)) => {
                if let Some(index) = loopback_input(&name, kind, number) {
                    let output_path = partner(&path);
                    return Ok(Claimed { file, input_path: path, output_path, index });
                }
            }
            Err(error) if is_busy(&error) => pipes += 1,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                denied.get_or_insert((path, error));
            }
            Err(_) => {}
        }
    }
    Err(failure(&options.dev_root, pipes, denied.filter(|_| pipes == 0)))
}

/// The pipe number of an input node that gives this name and type; `None` for other devices.
/// Where the name holds no number, nodes are taken to come in pairs from 0 on.
fn loopback_input(name: &str, kind: u32, number: u32) -> Option<u32> {
    if let Some((index, direction)) = parse_gcap_name(name) {
        return (direction == Direction::Input).then_some(index);
    }
    let named = name.starts_with("Video loopback") && name.ends_with("input");
    let typed = name.contains("loopback") && kind & VID_TYPE_CAPTURE == 0;
    (named || typed).then_some(number / 2)
}

/// The node after this one, where the pair's output is by default.
fn partner(input: &Path) -> PathBuf {
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    match name.strip_prefix("video").and_then(number) {
        Some(n) => input.with_file_name(format!("video{}", n.saturating_add(1))),
        None => input.to_owned(),
    }
}

fn open_read_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EBUSY as i32)
}

fn unreadable(path: &Path, source: io::Error) -> ClaimError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ClaimError::NoDriver { path },
        _ => ClaimError::Unreadable { path, source },
    }
}

/// Opens nodes one after the other and remembers what went wrong.
struct Tries<'a, O> {
    place: &'a Path,
    open: O,
    pipes: usize,
    first: Option<(PathBuf, io::Error)>,
}

impl<'a, F, O: FnMut(&Path) -> io::Result<F>> Tries<'a, O> {
    fn new(place: &'a Path, open: O) -> Self {
        Tries { place, open, pipes: 0, first: None }
    }

    fn open(&mut self, path: &Path) -> Option<F> {
        match (self.open)(path) {
            Ok(file) => Some(file),
            Err(error) => {
                if !is_busy(&error) {
                    self.first.get_or_insert((path.to_owned(), error));
                }
                None
            }
        }
    }

    fn failure(self) -> ClaimError {
        failure(self.place, self.pipes, self.first)
    }
}

/// Why none of `pipes` could be claimed, of which `first` failed otherwise than by being in use.
fn failure(place: &Path, pipes: usize, first: Option<(PathBuf, io::Error)>) -> ClaimError {
    let path = place.to_owned();
    match (first, pipes) {
        (Some((path, source)), _) => ClaimError::Open { path, source },
        (None, 0) => ClaimError::NoPipes { path },
        (None, pipes) => ClaimError::AllBusy { path, pipes },
    }
}
