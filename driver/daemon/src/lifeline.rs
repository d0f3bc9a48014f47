//! A robust futex that the daemon holds while it lives, so that everybody sees its death, however it comes.
//!
//! A killed process runs no code. But the kernel marks the robust mutexes that its threads hold, and wakes
//! a waiter. One thread does nothing but hold such a mutex.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::errno::Errno;
use vloopback_ring::Lifeline;

use crate::futex;
use crate::memory::Page;

/// Holds the mutex until it is dropped.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) page: std::sync::Arc<Page<Lifeline>>,
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Life {
    pub(crate) fn begin() -> Result<Self, Errno> {
        let page = std::sync::Arc::new(Page::<Lifeline>::read_only("vloopback-lifeline")?);
        let (end, ended) = mpsc::channel::<()>();
        let (locked, is_locked) = mpsc::channel();
        let held = page.clone();
        let thread = std::thread::Builder::new()
            .name("lifeline".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                let _ = locked.send(hold(&held.word));
                let _ = ended.recv();
                release(&held.word);
            })
            .map_err(|_| Errno::EAGAIN)?;
        is_locked.recv().map_err(|_| Errno::EAGAIN)??;
        Ok(Self { page, end: Some(end), thread: Some(thread) })
    }
}

impl Life {
    /// The daemon ends properly: marks the word and wakes all who wait on it.
    pub(crate) fn end(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.end();
    }
}

/// Makes the robust mutex in the page and locks it by this thread.
///
/// glibc keeps the futex word in the first four bytes of a mutex (its ABI since NPTL).
fn hold(word: &std::sync::atomic::AtomicU32) -> Result<(), Errno> {
    let mutex = std::ptr::from_ref(word).cast_mut().cast::<libc::pthread_mutex_t>();
    // SAFETY: the page is zeroed, page-aligned, large enough for a mutex, mapped for writing by
    // this process alone and outlives the thread, which alone locks and unlocks it.
    let error = unsafe {
        let mut attr = std::mem::zeroed::<libc::pthread_mutexattr_t>();
        libc::pthread_mutexattr_init(&mut attr);
        libc::pthread_mutexattr_setpshared(&mut attr, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutexattr_setrobust(&mut attr, libc::PTHREAD_MUTEX_ROBUST);
        let mut error = libc::pthread_mutex_init(mutex, &attr);
        libc::pthread_mutexattr_destroy(&mut attr);
        if error == 0 {
            error = libc::pthread_mutex_lock(mutex);
        }
        error
    };
    if error != 0 {
        return Err(Errno::from_raw(error));
    }
    // Without this bit the kernel would mark the word and wake nobody.
    word.fetch_or(Lifeline::WAITERS, Ordering::SeqCst);
    Ok(())
}

fn release(word: &std::sync::atomic::AtomicU32) {
    let mutex = std::ptr::from_ref(word).cast_mut().cast::<libc::pthread_mutex_t>();
    // SAFETY: this thread locked it in `hold`.
    unsafe { libc::pthread_mutex_unlock(mutex) };
    // Whatever glibc left in the word: the end must show.
    word.store(0, Ordering::SeqCst);
    futex::wake_all(word);
}
