//! Memory that a conversion works in: the process's own, kept for an open file from the first frame that needs it.
//!
//! It is mapped and not allocated, because a signal handler of the program may take frames.

use vloopback_sys as sys;
use vloopback_sys::Result;

/// That memory. All zeros: none yet.
#[derive(Debug)]
pub struct Workspace {
    at: usize,
    len: usize,
}

impl Workspace {
    /// No memory yet.
    pub const NONE: Self = Self { at: 0, len: 0 };

    /// At least `len` bytes of it. What is in it is of no meaning.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn memory(&mut self, len: usize) -> Result<&mut [u8]> {
        if len == 0 {
            return Ok(&mut []);
        }
        if self.len < len {
            self.forget();
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a new anonymous mapping at an address of the system's choice.
            self.at = unsafe { sys::mmap(0, len, sys::READ_WRITE, flags, -1) }? as usize;
            self.len = len;
        }
        // SAFETY: the mapping is ours alone, of `self.len` bytes, and lives until it is forgotten, which takes `&mut self`.
        Ok(unsafe { core::slice::from_raw_parts_mut(self.at as *mut u8, len) })
    }

    /// Gives the memory back.
    pub fn forget(&mut self) {
        if self.at != 0 {
            // SAFETY: nobody has a reference: that would borrow `self`.
            unsafe { sys::munmap(self.at as *mut u8, self.len) };
        }
        (self.at, self.len) = (0, 0);
    }
}
