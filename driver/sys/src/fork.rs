//! Forks: which process of a family this is, and what a forked child does first.

use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};

use crate::{Result, calls, stack};

/// Bytes of a page.
const PAGE_LEN: usize = 4096;

/// Counts forks on the way to this process, from 1: what was locked or connected in another epoch
/// is the parent's.
static EPOCH: AtomicU32 = AtomicU32::new(1);

/// The process id of this epoch, to tell a vfork child, which shares our memory but not our
/// descriptors.
static PID: AtomicI32 = AtomicI32::new(0);

/// A word in a page that forked children find zeroed: 1 at home, 0 just forked, 2 being set up.
static HOME: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());

/// This process's fork epoch. Notices a fork that nobody told us of.
#[inline]
pub fn epoch() -> u32 {
    let home = HOME.load(Ordering::Acquire);
    // SAFETY: set once to a page that is never unmapped.
    if !home.is_null() && unsafe { &*home }.load(Ordering::Acquire) != 1 {
        after_fork();
    }
    EPOCH.load(Ordering::Acquire)
}

/// What a child of fork does first.
static ON_CHILD: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Lets each forked child do this before anything else. It runs inside fork: it must not wait for another thread, of
/// which the child has none.
pub fn on_child(first: fn()) {
    ON_CHILD.store(first as *mut (), Ordering::Release);
}

/// Whether this is a child that shares our memory but not our descriptors (vfork, CLONE_VM): it
/// must change nothing of ours. Costs a system call: for the rare calls that change the table.
pub fn is_vfork_child() -> bool {
    let pid = PID.load(Ordering::Relaxed);
    if pid == 0 {
        return false;
    }
    epoch();
    calls::getpid() != PID.load(Ordering::Relaxed)
}

/// Makes the page that tells forks, once. Before it is made, a child that shares our memory is not told from us.
pub fn settle() -> Result<()> {
    if !HOME.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: a new anonymous page.
    let page =
        unsafe { calls::mmap(0, PAGE_LEN, calls::READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1) }?;
    calls::wipe_on_fork(page, PAGE_LEN)?;
    let home = page.cast::<AtomicU32>();
    // SAFETY: the page is ours, zeroed and aligned.
    unsafe { &*home }.store(1, Ordering::Release);
    PID.store(calls::getpid(), Ordering::Relaxed);
    if HOME.compare_exchange(core::ptr::null_mut(), home, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: another thread was first; nobody has seen this page.
        unsafe { calls::munmap(page, PAGE_LEN) };
        return Ok(());
    }
    // SAFETY: the handler only makes raw system calls, changes atomics and takes our own locks.
    unsafe { libc::pthread_atfork(None, None, Some(forked)) };
    Ok(())
}

extern "C" fn forked() {
    stack::align();
    epoch();
    let first = ON_CHILD.load(Ordering::Acquire);
    if !first.is_null() {
        // SAFETY: `on_child` puts nothing else there.
        let first: fn() = unsafe { core::mem::transmute(first) };
        first();
    }
}

fn after_fork() {
    let home = HOME.load(Ordering::Acquire);
    // SAFETY: as in `epoch`.
    let home = unsafe { &*home };
    match home.compare_exchange(0, 2, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            EPOCH.fetch_add(1, Ordering::AcqRel);
            PID.store(calls::getpid(), Ordering::Relaxed);
            home.store(1, Ordering::Release);
        }
        Err(_) => {
            while home.load(Ordering::Acquire) == 2 {
                core::hint::spin_loop();
            }
        }
    }
}
