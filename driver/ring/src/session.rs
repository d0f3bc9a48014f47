//! One open device's own page: shared by all processes that have the descriptor, and the daemon.

use crate::{AtomicU32, AtomicU64, SharedLock};

/// What belongs to the open file and not to a process: dup, fork, exec and SCM_RIGHTS keep it.
///
/// Only the session's own processes and the daemon map it. The daemon believes nothing in it that
/// could hurt anybody else.
#[repr(C)]
#[derive(Debug)]
pub struct SessionPage {
    /// Guards the fields below between the threads and processes that share the descriptor.
    pub lock: SharedLock,
    /// Changes when a wait must look again for another reason than a frame: close, the end of a stream.
    pub kick: AtomicU32,
    /// 1: the descriptor must become readable with the next publication.
    pub armed: AtomicU32,
    /// 1: bytes of the ringer may lie in the descriptor's queue.
    pub rung: AtomicU32,
    /// Not 0: the daemon counts this session among those that stream.
    pub streaming: AtomicU32,
    /// The row on the desk plus 1, 0 for none (then every frame is copied).
    pub row: AtomicU32,
    /// The ring that the client's frames were laid out for.
    pub ring: AtomicU32,
    /// The newest publication that the client had, or the newest before it streamed.
    pub last: AtomicU64,
    /// Frames handed to the client.
    pub received: AtomicU64,
    /// Publications that it did not have before they were overwritten.
    pub dropped: AtomicU64,
    /// Frames that were copied for it.
    pub copies: AtomicU64,
    /// Copies that were done again because the slot changed under them; none of these was shown.
    pub retries: AtomicU64,
    /// Bytes of private memory that it pays for itself.
    pub private: AtomicU64,
}
