//! Who uses a node, for those who ask the file system: inotify on the node, fuser, lsof.
//!
//! The tree's file of a node is open here while anybody has the node open, so a watch of it hears of the first
//! open and of the last close. And `open/INODE` in the tree says which node is behind a socket: by that the preload
//! library shows fuser and lsof devices where /proc has sockets.

use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::os::unix::fs::symlink;

use vloopback_core::Side;

use super::Engine;
use super::pipes::PipeState;

impl Engine {
    /// A session of a pipe has begun; `inode`: of the program's end.
    pub(super) fn show_open(&mut self, pipe: usize, side: Side, inode: u64) {
        let Some(root) = self.tree.as_ref().map(|tree| tree.root().to_owned()) else { return };
        let number = self.node_number(pipe, side);
        let node = format!("dev/video{number}");
        // Without a descriptor for it, or the right to open what the pipe's mode says, nobody is told.
        if let Entry::Vacant(place) = self.held.entry(number) {
            let path = root.join(&node);
            if let Ok(file) =
                File::options().read(true).write(true).open(&path).or_else(|_| File::open(&path))
            {
                place.insert(file);
            }
        }
        let _ = symlink(format!("../{node}"), root.join("open").join(inode.to_string()));
    }

    /// A session of a pipe has ended.
    pub(super) fn show_closed(&mut self, pipe: usize, side: Side, inode: u64) {
        if let Some(tree) = &self.tree {
            let _ = fs::remove_file(tree.root().join("open").join(inode.to_string()));
        }
        let number = self.node_number(pipe, side);
        let has = |place: usize, pipe: &PipeState| {
            self.node_number(place, side) == number
                && pipe.core.openers().any(|(_, opener)| opener.side == side)
        };
        if !self.pipes.iter().enumerate().any(|(place, pipe)| has(place, pipe)) {
            self.held.remove(&number);
        }
    }

    fn node_number(&self, pipe: usize, side: Side) -> u32 {
        match side {
            Side::Input => self.pipes[pipe].input,
            Side::Output => self.pipes[pipe].output,
        }
    }
}
