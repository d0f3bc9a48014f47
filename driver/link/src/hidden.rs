//! Descriptors of ours in the program's table that belong to one open file: the event doorbell, the request doorbell
//! and its ringing end, the companion of a socket that listens for devices.
//!
//! They are close-on-exec, at the top of the range, left open by close, close_range and closefrom, and move
//! away from where the program wants a number of its own. What raw system calls did to a number shows by its
//! inode: the program's own file there is not touched.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::{connection, table};
use vloopback_sys as sys;
use vloopback_sys::lock::Local;

/// Fetching and moving are one at a time, and so is what must not meet a descriptor that moves.
pub static MOVING: Local<()> = Local::new(());
/// Hidden descriptors that this process, or the one that it was forked from, ever had: while 0, no number is
/// one.
static EVER: AtomicU32 = AtomicU32::new(0);

/// A hidden descriptor, or none. All zeros: none.
#[derive(Debug)]
pub struct Hidden {
    /// Its number plus 1.
    number: AtomicI32,
    inode: AtomicU64,
}

impl Hidden {
    /// None, where there is no zeroed memory for it.
    pub const fn none() -> Self {
        Self { number: AtomicI32::new(0), inode: AtomicU64::new(0) }
    }

    /// Its number, which raw system calls may have given to something else since.
    #[inline]
    pub fn number(&self) -> Option<c_int> {
        let fd = self.number.load(Ordering::Acquire) - 1;
        (fd >= 0).then_some(fd)
    }

    /// The number, if there is one and raw system calls have put nothing else there.
    pub fn known(&self) -> Option<c_int> {
        self.number().filter(|&fd| sys::inode(fd) == Some(self.inode.load(Ordering::Relaxed)))
    }

    /// Takes a descriptor over and hides it from the program. None: there is no room for it, and it is closed. Under
    /// [`MOVING`].
    pub fn put(&self, fd: c_int) -> Option<c_int> {
        let fd = connection::hide(fd);
        EVER.fetch_add(1, Ordering::SeqCst);
        self.set(fd).then_some(fd)
    }

    /// Notes the number. False: there is no room for it.
    fn set(&self, fd: c_int) -> bool {
        let Some(inode) = sys::inode(fd).filter(|_| table::set(fd, table::HIDDEN).is_some()) else {
            sys::close(fd);
            return false;
        };
        self.inode.store(inode, Ordering::Relaxed);
        self.number.store(fd + 1, Ordering::Release);
        true
    }

    /// Closes it, if there is one.
    pub fn close(&self) {
        let fd = self.known();
        self.number.store(0, Ordering::Release);
        if let Some(fd) = fd {
            table::replace(fd, table::HIDDEN, table::UNKNOWN);
            sys::close(fd);
        }
    }

    /// Moves elsewhere if it is at this number. If no number is free, it is fetched again when it is needed.
    pub fn leave(&self, fd: c_int) {
        if self.number.load(Ordering::Acquire) == fd + 1 {
            // Not to the same number.
            let other = sys::dup_from(fd, fd.saturating_add(1)).or_else(|_| sys::dup_from(fd, 3));
            self.number.store(0, Ordering::Release);
            if let Ok(other) = other {
                self.set(other);
            }
        }
    }
}

/// The first hidden number among `first` to `last`.
pub fn first(first: u32, last: u32) -> Option<u32> {
    if EVER.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let bound = |number: u32| c_int::try_from(number).unwrap_or(c_int::MAX);
    table::first_hidden(bound(first), bound(last)).and_then(|fd| u32::try_from(fd).ok())
}
