//! The tree of views for processes that do not reach its folder: a container with the socket alone.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{getegid, geteuid};
use vloopback_proc::EntryKind;
use vloopback_wire::Reply;
use vloopback_wire::tree::{Entry, Kind, MAX_IMAGE, pack};

use super::Engine;

impl Engine {
    /// Sends all that the tree has now, in a sealed memory file.
    pub(super) fn send_tree(&self, id: u32) -> bool {
        match self.tree_image().and_then(|image| sealed(&image)) {
            Ok(file) => self.answer(id, &Reply::Done, &[file.as_fd()]),
            Err(e) => self.answer(id, &Reply::Error(e as i32), &[]),
        }
    }

    fn tree_image(&self) -> Result<Vec<u8>, Errno> {
        let tree = self.tree.as_ref().ok_or(Errno::ENODEV)?;
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let mut image = Vec::new();
        for (path, kind) in tree.written() {
            let path = [b"/", path.as_os_str().as_bytes()].concat();
            let mut entry = Entry { kind: Kind::Dir, mode: 0o755, uid, gid, path: &path, contents: &[] };
            match kind {
                EntryKind::Dir => {}
                EntryKind::File { contents } | EntryKind::Live { contents } => {
                    (entry.kind, entry.mode, entry.contents) = (Kind::File, 0o644, contents.as_bytes());
                }
                EntryKind::Symlink { target } => {
                    (entry.kind, entry.mode) = (Kind::Link, 0o777);
                    entry.contents = target.as_os_str().as_bytes();
                }
                EntryKind::Node(access) => {
                    (entry.kind, entry.mode) = (Kind::Node, access.mode);
                    (entry.uid, entry.gid) = (access.uid, access.gid);
                }
            }
            pack(&mut image, &entry);
        }
        if image.len() > MAX_IMAGE { Err(Errno::EFBIG) } else { Ok(image) }
    }
}

fn sealed(image: &[u8]) -> Result<File, Errno> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create("vloopback-tree", flags)?);
    file.write_all(image).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    Ok(file)
}
