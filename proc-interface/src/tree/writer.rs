//! Keeps the tree on disk equal to a snapshot.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, FileExt as _, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{EntryKind, TreeOptions, map};
use crate::model::{NodeAccess, Snapshot};

/// Marks a directory as such a tree, which may be emptied. Without the mark nothing is ever removed:
/// a socket at `/etc/conf` must not delete `/etc/conf.d`.
const MARKER: &str = ".vloopback-tree";

/// Where files and directories are made before they are renamed into a view, and where removed
/// ones are taken apart.
const STAGING: &str = ".staging";

/// The names at the top of the tree.
const TOPS: [&str; 6] = ["proc", "dev", "sys", "run", "open", "today"];

/// Why the tree could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is something else than a directory at the tree's path.
    #[error(
        "{path} is not a directory, but the tree of views must go there: move it away or choose \
         another --socket"
    )]
    NotDirectory {
        /// The tree's root.
        path: PathBuf,
    },
    /// The directory belongs to someone else, who could swap what is in it.
    #[error("{path} belongs to user {uid}: remove it or choose another --socket")]
    NotOwned {
        /// The tree's root.
        path: PathBuf,
        /// Who owns it.
        uid: u32,
    },
    /// The directory holds files that no daemon has put there.
    #[error(
        "{path} contains files that are not part of a tree of views: move it away or choose another --socket"
    )]
    Foreign {
        /// The tree's root.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {path}: {source}; is the disk full, or the folder not writable?")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes snapshots into a directory.
///
/// One writer at a time: a daemon holds its socket before it opens the tree beside it.
/// Dropping the writer leaves the tree; [`Writer::remove`] takes it away.
#[derive(Debug)]
pub struct Writer {
    root: PathBuf,
    options: TreeOptions,
    /// What is on disk now.
    written: BTreeMap<PathBuf, EntryKind>,
    /// The snapshot that `written` was made from.
    last: Option<Snapshot>,
    /// Makes staging names unique.
    serial: u64,
}

impl Writer {
    /// Makes the directory `root`, or takes over the one that an earlier daemon left there, and
    /// empties it. Its parent must exist. The host's `/proc/modules` is read now.
    ///
    /// # Errors
    /// See [`TreeError`]; a directory that is not a tree of ours is left as it is.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, TreeError> {
        Self::with_options(root, TreeOptions::of_host())
    }

    /// [`Writer::open`] with the caller's options.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn with_options(root: impl Into<PathBuf>, options: TreeOptions) -> Result<Self, TreeError> {
        let mut writer =
            Writer { root: root.into(), options, written: BTreeMap::new(), last: None, serial: 0 };
        writer.take_over()?;
        Ok(writer)
    }

    /// The directory that this writer keeps.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is on disk, by path below the root, as of the last [`Writer::write`].
    pub fn written(&self) -> impl Iterator<Item = (&Path, &EntryKind)> {
        self.written.iter().map(|(path, kind)| (path.as_path(), kind))
    }

    /// Makes the tree equal to `snapshot`. Costs one comparison where nothing has changed, and
    /// otherwise writes only the files that differ from the last call's.
    ///
    /// New nodes appear before the pipe table names them, and the table forgets a pipe before its
    /// nodes go.
    ///
    /// # Errors
    /// [`TreeError`]; the next call then writes everything anew. Where a change meets a tree that
    /// somebody else has removed in part or whole, all of it is written anew, without an error.
    pub fn write(&mut self, snapshot: &Snapshot) -> Result<(), TreeError> {
        if self.last.as_ref() == Some(snapshot) {
            return Ok(());
        }
        self.last = None;
        let desired = map(snapshot, &self.options);
        // What is on disk may not be what was written: an earlier call failed half-way, or
        // somebody removed files. Start again from an empty tree then.
        if self.apply(&desired).is_err() {
            self.take_over()?;
            self.apply(&desired)?;
        }
        self.written = desired;
        self.last = Some(snapshot.clone());
        Ok(())
    }

    /// Takes the tree away, its directory included.
    ///
    /// # Errors
    /// [`TreeError::Io`] if something could not be removed. A tree that is gone already is no
    /// error.
    pub fn remove(mut self) -> Result<(), TreeError> {
        match fs::symlink_metadata(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            _ => {}
        }
        self.empty()?;
        for (path, result) in [
            (self.staging(), fs::remove_dir(self.staging())),
            (self.root.join(MARKER), fs::remove_file(self.root.join(MARKER))),
            (self.root.clone(), fs::remove_dir(&self.root)),
        ] {
            result.map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    fn staging(&self) -> PathBuf {
        self.root.join(STAGING)
    }

    /// A fresh name in the staging directory.
    fn staged(&mut self) -> PathBuf {
        self.serial += 1;
        self.staging().join(self.serial.to_string())
    }

    /// Makes sure that the root is ours, marked and empty.
    fn take_over(&mut self) -> Result<(), TreeError> {
        let root = &self.root;
        match DirBuilder::new().mode(0o755).create(root) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.check_ours()?,
            Err(error) => return Err(failed("create", root)(error)),
        }
        // The umask may have taken bits away.
        set_mode(root, 0o755)?;
        let marker = root.join(MARKER);
        fs::write(&marker, "Kept by vloopbackd; emptied when it starts.\n")
            .map_err(failed("write", &marker))?;
        self.empty()
    }

    /// Refuses a root that someone else owns or that holds anything but a tree.
    fn check_ours(&self) -> Result<(), TreeError> {
        let path = self.root.clone();
        let meta = fs::symlink_metadata(&path).map_err(failed("look at", &path))?;
        if !meta.is_dir() {
            return Err(TreeError::NotDirectory { path });
        }
        if meta.uid() != nix::unistd::geteuid().as_raw() {
            return Err(TreeError::NotOwned { path, uid: meta.uid() });
        }
        let marker = fs::symlink_metadata(path.join(MARKER));
        let marked = marker.is_ok_and(|meta| meta.is_file());
        let empty = || -> io::Result<bool> { Ok(fs::read_dir(&path)?.next().is_none()) };
        if !marked && !empty().map_err(failed("list", &path))? {
            return Err(TreeError::Foreign { path });
        }
        Ok(())
    }

    /// Removes all views, table first, and what an interrupted write left in staging.
    fn empty(&mut self) -> Result<(), TreeError> {
        self.written.clear();
        let staging = self.staging();
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &staging)(error));
            }
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&staging).map_err(failed("create", &staging))?;
        for top in TOPS {
            self.discard(&self.root.join(top))?;
        }
        Ok(())
    }

    /// Moves from `written` to `desired`: first what is new, then what has changed, then what is
    /// gone. After a failure `written` is empty, which makes the next call fail on the directories
    /// that are there, and so start anew.
    fn apply(&mut self, desired: &BTreeMap<PathBuf, EntryKind>) -> Result<(), TreeError> {
        let old = std::mem::take(&mut self.written);
        for path in topmost(desired, &old) {
            let staged = self.staged();
            build(&staged, &path, desired)?;
            self.publish(&staged, &path)?;
        }
        let mut changed: Vec<_> =
            desired.iter().filter(|(path, kind)| old.get(*path).is_some_and(|was| was != *kind)).collect();
        changed.sort_by_key(|(path, _)| rank(path));
        for (path, kind) in changed {
            match kind {
                // In place, so that the node stays the same inode.
                EntryKind::Node(access) => set_access(&self.root.join(path), *access)?,
                EntryKind::Live { contents } => rewrite(&self.root.join(path), contents)?,
                _ => {
                    let staged = self.staged();
                    make(&staged, kind)?;
                    self.publish(&staged, path)?;
                }
            }
        }
        for path in topmost(&old, desired).into_iter().rev() {
            self.discard(&self.root.join(path))?;
        }
        Ok(())
    }

    fn publish(&self, staged: &Path, path: &Path) -> Result<(), TreeError> {
        let place = self.root.join(path);
        fs::rename(staged, &place).map_err(failed("write", &place))
    }

    /// Takes `path` out of the views in one step, then deletes it. Nothing there is fine.
    fn discard(&mut self, path: &Path) -> Result<(), TreeError> {
        let grave = self.staged();
        match fs::rename(path, &grave) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(failed("remove", path))?,
        }
        let meta = fs::symlink_metadata(&grave).map_err(failed("look at", &grave))?;
        let removed = if meta.is_dir() { fs::remove_dir_all(&grave) } else { fs::remove_file(&grave) };
        removed.map_err(failed("remove", &grave))
    }
}

/// The paths of `some` that `other` lacks, without those below another such path, devices first
/// and the pipe table last.
fn topmost(some: &BTreeMap<PathBuf, EntryKind>, other: &BTreeMap<PathBuf, EntryKind>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in some.keys().filter(|path| !other.contains_key(*path)) {
        // What is below a path follows it directly.
        if !paths.last().is_some_and(|above| path.starts_with(above)) {
            paths.push(path.clone());
        }
    }
    // Stable: in path order within a rank.
    paths.sort_by_key(|path| rank(path));
    paths
}

/// Order of appearance: what is pointed at before what points at it, and what is known of a node before the
/// node, whose coming is what programs wait for.
fn rank(path: &Path) -> usize {
    ["today/sys/devices", "today", "sys/devices", "run", "sys", "dev", "proc"]
        .iter()
        .position(|top| path.starts_with(top))
        .unwrap_or(usize::MAX)
}

/// Makes `path` of the tree, with all that is below it, at `staged`.
fn build(staged: &Path, path: &Path, tree: &BTreeMap<PathBuf, EntryKind>) -> Result<(), TreeError> {
    let below = tree.range(path.to_owned()..).take_while(|(each, _)| each.starts_with(path));
    for (each, kind) in below {
        let rest = each.strip_prefix(path).unwrap_or(Path::new(""));
        // Joining an empty path would add a slash, which no file's name may end with.
        if rest.as_os_str().is_empty() {
            make(staged, kind)?;
        } else {
            make(&staged.join(rest), kind)?;
        }
    }
    Ok(())
}

/// Makes one entry at a place that is free.
fn make(place: &Path, kind: &EntryKind) -> Result<(), TreeError> {
    match kind {
        EntryKind::Dir => {
            fs::create_dir(place).map_err(failed("create", place))?;
            set_mode(place, 0o755)
        }
        EntryKind::File { contents } | EntryKind::Live { contents } => {
            create(place, contents.as_bytes())?;
            set_mode(place, 0o644)
        }
        EntryKind::Symlink { target } => {
            std::os::unix::fs::symlink(target, place).map_err(failed("create", place))
        }
        EntryKind::Node(access) => {
            create(place, b"")?;
            set_access(place, *access)
        }
    }
}

fn create(place: &Path, contents: &[u8]) -> Result<(), TreeError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place)
        .and_then(|mut file| file.write_all(contents))
        .map_err(failed("write", place))
}

/// Changes a file in place. Who reads it meanwhile finds the old text or the new one, perhaps with the end of the old one
/// behind its newline.
fn rewrite(place: &Path, contents: &str) -> Result<(), TreeError> {
    OpenOptions::new()
        .write(true)
        .open(place)
        .and_then(|file| {
            file.write_all_at(contents.as_bytes(), 0)?;
            file.set_len(contents.len() as u64)
        })
        .map_err(failed("write", place))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), TreeError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("set the mode of", path))
}

/// Gives a node file its owner, group and mode. Only root can give files away, so owner and
/// group are best effort; the daemon checks openers against the pipe itself, not this file.
fn set_access(path: &Path, access: NodeAccess) -> Result<(), TreeError> {
    let meta = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    if meta.gid() != access.gid {
        let _ = std::os::unix::fs::lchown(path, None, Some(access.gid));
    }
    if meta.uid() != access.uid {
        let _ = std::os::unix::fs::lchown(path, Some(access.uid), None);
    }
    set_mode(path, access.mode & 0o777)
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> TreeError + 'a {
    move |source| TreeError::Io { action, path: path.to_owned(), source }
}
