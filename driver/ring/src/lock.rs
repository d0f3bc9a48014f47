//! A lock in shared memory that survives its owner.

use crate::{AtomicU32, Ordering};

/// A lock word that names its owner, so that the daemon can take it back from a dead one.
///
/// Owners are the numbers that the daemon gave to processes (never 0), not process ids: those mean
/// different things in different namespaces. The waiting itself (a futex on [`SharedLock::word`])
/// is the caller's, who knows about signals.
#[repr(C)]
#[derive(Debug, Default)]
pub struct SharedLock {
    owner: AtomicU32,
    contended: AtomicU32,
}

impl SharedLock {
    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// The owner seen, which is what a futex wait on [`SharedLock::word`] compares with. The lock
    /// is then marked contended, so that the unlock wakes.
    #[inline]
    pub fn try_lock(&self, me: u32) -> Result<(), u32> {
        if self.take(me).is_ok() {
            return Ok(());
        }
        self.contended.store(1, Ordering::SeqCst);
        // Once more: the owner may have left before it could see the mark.
        self.take(me)
    }

    #[inline]
    fn take(&self, me: u32) -> Result<(), u32> {
        self.owner.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).map(drop)
    }

    /// Gives the lock back; true means that somebody may wait on [`SharedLock::word`].
    #[inline]
    #[must_use = "waiters must be woken"]
    pub fn unlock(&self) -> bool {
        self.owner.store(0, Ordering::SeqCst);
        self.contended.swap(0, Ordering::SeqCst) != 0
    }

    /// Takes the lock back from an owner that is gone. True means it was its.
    pub fn revoke(&self, dead: u32) -> bool {
        self.owner.compare_exchange(dead, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Who has it; 0 is nobody.
    pub fn owner(&self) -> u32 {
        self.owner.load(Ordering::Acquire)
    }

    /// The word to wait on while it holds the owner that [`SharedLock::try_lock`] told.
    pub fn word(&self) -> &AtomicU32 {
        &self.owner
    }
}
