//! The process at the other end, and its rights by the pipe's owner, group and mode.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use vloopback_proc::model::NodeAccess;

/// A process as the kernel reports it. Across namespaces pid may be 0 and uid the overflow uid;
/// the ordinary permissions hold for them.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Peer {
    pub(crate) fn of(fd: &impl AsFd) -> Result<Self, Errno> {
        let credentials = getsockopt(&fd.as_fd(), PeerCredentials)?;
        let groups = supplementary(fd).unwrap_or_default();
        Ok(Self { pid: credentials.pid(), uid: credentials.uid(), gid: credentials.gid(), groups })
    }

    /// Whether it has the rights of this group.
    pub(crate) fn is_in(&self, group: u32) -> bool {
        self.gid == group || self.groups.contains(&group)
    }

    /// The kernel's rule for a node in /dev: root may, else the first class that fits decides.
    pub(crate) fn may(&self, node: &NodeAccess, read: bool, write: bool) -> bool {
        if self.uid == 0 {
            return true;
        }
        let class = if self.uid == node.uid {
            node.mode >> 6
        } else if self.gid == node.gid || self.groups.contains(&node.gid) {
            node.mode >> 3
        } else {
            node.mode
        };
        (!read || class & 4 != 0) && (!write || class & 2 != 0)
    }
}

/// SO_PEERGROUPS (Linux 4.13): the supplementary groups at the time of the connection.
fn supplementary(fd: &impl AsFd) -> Option<Vec<u32>> {
    let mut groups = vec![0u32; 64];
    loop {
        let mut len = libc::socklen_t::try_from(groups.len() * 4).ok()?;
        // SAFETY: the buffer is len bytes long; the kernel writes at most that.
        let result = unsafe {
            libc::getsockopt(
                fd.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut len,
            )
        };
        let needed = len as usize / 4;
        if result == 0 {
            groups.truncate(needed);
            return Some(groups);
        }
        if Errno::last() != Errno::ERANGE || needed <= groups.len() {
            return None;
        }
        groups.resize(needed, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_that_fits_decides() {
        let node = NodeAccess { uid: 10, gid: 20, mode: 0o460 };
        let peer = |uid, gid, groups: &[u32]| Peer { pid: 1, uid, gid, groups: groups.to_vec() };
        assert!(peer(0, 0, &[]).may(&node, true, true));
        assert!(peer(10, 99, &[20]).may(&node, true, false));
        assert!(!peer(10, 99, &[20]).may(&node, true, true), "the owner's class, though the group may write");
        assert!(peer(11, 20, &[]).may(&node, true, true));
        assert!(peer(11, 99, &[5, 20]).may(&node, true, true));
        assert!(!peer(11, 99, &[5]).may(&node, true, false));
    }
}
