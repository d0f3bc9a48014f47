//! Memory of a frame that is read or written in parts (`byte_stream`): the daemon keeps it for the open file.

use core::sync::atomic::Ordering;

use vloopback_ring::{PAGE_LEN, SessionPage};
use vloopback_wire::Request;

use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::{Errno, FdList, Result};

/// Where this process has that memory. All zeros: nowhere.
#[derive(Debug)]
pub struct Part {
    at: usize,
    len: usize,
    generation: u32,
}

impl Part {
    /// The memory, of at least `len` bytes.
    ///
    /// # Errors
    /// ENOMEM, ENODEV.
    pub fn memory(&mut self, page: &SessionPage, session: u32, len: usize) -> Result<*mut u8> {
        let generation = page.generation.load(Ordering::Relaxed);
        if self.at != 0 && self.len >= len && self.generation == generation {
            return Ok(self.at as *mut u8);
        }
        let whole = len.checked_next_multiple_of(PAGE_LEN).ok_or(Errno::ENOMEM)?;
        let request = Request::Export {
            session,
            generation,
            index: 0,
            len: u32::try_from(whole).map_err(|_| Errno::ENOMEM)?,
            read_only: false,
        };
        let mut fds = FdList::new();
        connection::ask(&request, None, &mut fds)?;
        sys::check_file(fds.get(0), whole)?;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of a file whose size is sealed.
        let at = unsafe { sys::mmap(0, whole, prot, libc::MAP_SHARED, fds.get(0)) }?;
        self.forget();
        *self = Self { at: at as usize, len: whole, generation };
        Ok(at)
    }

    /// It is mapped no more.
    pub fn forget(&mut self) {
        if self.at != 0 {
            // SAFETY: whoever used it held the lock that we hold.
            unsafe { sys::munmap(self.at as *mut u8, self.len) };
        }
        (self.at, self.len) = (0, 0);
    }
}
