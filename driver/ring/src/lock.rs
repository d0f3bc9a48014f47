//! A lock in shared memory that survives its owner.

use crate::{AtomicU32, Ordering, TRIES};

/// Set while somebody sleeps or is about to: releasing the lock then wakes all. The mark is in the lock word itself, so
/// that an owner that takes the lock again at once cannot lose it.
const WAITED: u32 = 1 << 31;

/// A lock word that names its owner, so that the daemon can take it back from a dead one.
///
/// Owners are the numbers that the daemon gave to processes (1 to 2^31 - 1), not process ids: those
/// mean different things in different namespaces. The caller does the waiting (a futex on
/// [`SharedLock::word`]), because it knows about signals.
#[repr(C)]
#[derive(Debug, Default)]
pub struct SharedLock {
    owner: AtomicU32,
    reserved: AtomicU32,
}

impl SharedLock {
    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// The word to compare with in a futex wait on [`SharedLock::word`].
    #[inline]
    pub fn try_lock(&self, me: u32) -> Result<(), u32> {
        let mut seen = 0;
        for _ in 0..TRIES {
            let free = seen & !WAITED == 0;
            let next = if free { me } else { seen | WAITED };
            if next == seen {
                return Err(seen);
            }
            match self.owner.compare_exchange(seen, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if free => return Ok(()),
                Ok(_) => return Err(next),
                Err(other) => seen = other,
            }
        }
        // Without the mark: who waits looks again after a while, whoever wakes it.
        Err(seen)
    }

    /// Gives the lock back; true means that all who wait on [`SharedLock::word`] must be woken.
    #[inline]
    #[must_use = "waiters must be woken"]
    pub fn unlock(&self) -> bool {
        self.owner.swap(0, Ordering::Release) & WAITED != 0
    }

    /// Takes the lock back from an owner that is gone. True means that it had the lock; then wake all.
    pub fn revoke(&self, dead: u32) -> bool {
        [dead, dead | WAITED]
            .into_iter()
            .any(|word| self.owner.compare_exchange(word, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok())
    }

    /// The owner; 0 for none.
    pub fn owner(&self) -> u32 {
        self.owner.load(Ordering::Acquire) & !WAITED
    }

    /// The word to wait on while it holds what [`SharedLock::try_lock`] told.
    pub fn word(&self) -> &AtomicU32 {
        &self.owner
    }
}

#[cfg(not(loom))]
crate::layout::layout!(layout: SharedLock { owner, reserved });
