//! Locks inside the process, for code that signal handlers may call and that forks inherit.

use core::cell::{Cell, UnsafeCell};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::{fork, sys};

/// In `PROGRAMS`: this code has blocked nothing in this thread. (A mask with [`OURS`] in it is never a program's.)
const ALL: u64 = u64::MAX;
/// The bit of signal 32, which the C library lets no program block: with it a mask is ours.
const OURS: u64 = 1 << 31;

thread_local! {
    /// The signals that the program blocks in this thread, while we block all; else [`ALL`]. (A plain word: no
    /// destructor, nothing to begin.)
    static PROGRAMS: Cell<u64> = const { Cell::new(ALL) };
}

/// The signals that the program itself blocks in this thread: those that are not in it would be delivered now, did
/// we not block them.
pub(crate) fn blocked_by_program() -> u64 {
    PROGRAMS.get()
}

/// While it lives, no signal handler runs in this thread: so none can find a lock taken by the
/// code that it interrupted.
#[derive(Debug)]
pub(crate) struct NoSignals {
    old: u64,
}

impl NoSignals {
    pub(crate) fn new() -> Self {
        let old = sys::block_signals();
        if old & OURS == 0 {
            PROGRAMS.set(old);
        }
        Self { old }
    }

    /// Runs `f`, a wait, with signals as they were before.
    ///
    /// A handler may run in it, call in, and never return (longjmp): whatever the caller has to give back then
    /// stays as it is.
    pub(crate) fn lifted<T>(&self, f: impl FnOnce() -> T) -> T {
        sys::restore_signals(self.old);
        let result = f();
        sys::block_signals();
        if self.old & OURS == 0 {
            // A handler had its own.
            PROGRAMS.set(self.old);
        }
        result
    }
}

impl Drop for NoSignals {
    fn drop(&mut self) {
        if self.old & OURS == 0 {
            PROGRAMS.set(ALL);
        }
        sys::restore_signals(self.old);
    }
}

/// A lock that is only ever held with signals blocked and for a bounded time.
///
/// Its word holds the process's fork epoch while it is taken: a forked child that inherits a lock
/// from a thread that does not exist in it sees another epoch and takes it over.
#[derive(Debug, Default)]
pub(crate) struct Local<T> {
    word: AtomicU32,
    waiting: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the word lets one thread at a time at the value.
unsafe impl<T: Send> Sync for Local<T> {}

impl<T> Local<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { word: AtomicU32::new(0), waiting: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Takes it. Who calls holds [`NoSignals`] for as long as the guard lives: that is its argument.
    pub(crate) fn lock<'a>(&'a self, _quiet: &'a NoSignals) -> LocalGuard<'a, T> {
        let me = fork::epoch();
        let mut seen = 0;
        loop {
            match self.word.compare_exchange(seen, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return LocalGuard { lock: self },
                Err(0) => seen = 0,
                // Of a thread of the parent's: that is nobody here.
                Err(other) if other != me => seen = other,
                Err(_) => {
                    self.waiting.fetch_add(1, Ordering::SeqCst);
                    sys::futex_wait_private(&self.word, me);
                    self.waiting.fetch_sub(1, Ordering::SeqCst);
                    seen = 0;
                }
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct LocalGuard<'a, T> {
    lock: &'a Local<T>,
}

impl<T> Deref for LocalGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for LocalGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and there is one guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for LocalGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.word.store(0, Ordering::SeqCst);
        if self.lock.waiting.load(Ordering::SeqCst) != 0 {
            sys::futex_wake_private(&self.lock.word);
        }
    }
}
