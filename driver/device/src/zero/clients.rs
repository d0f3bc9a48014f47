//! A zero-copy pusher's clients: their pages of requests, mapped.

use core::ffi::c_int;

use vloopback_ring::PAGE_LEN;
use vloopback_ring::pusher_page::{Entry, MAX_CLIENTS, PusherPage};
use vloopback_ring::request_slot::{Phase, RequestSlot};
use vloopback_wire::{Reply, Request};

use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::{Errno, FdList, Result};

/// Bytes of the array of entries, whole pages.
const TABLE_LEN: usize = (MAX_CLIENTS * size_of::<Entry>()).next_multiple_of(PAGE_LEN);

/// The request slots of a pusher's clients, mapped. All zeros: none.
#[derive(Debug)]
pub struct Clients {
    /// An array of [`MAX_CLIENTS`] entries, once there is one.
    entries: usize,
    count: usize,
    /// The ticket of the one that came last.
    last: u32,
    /// Tickets that had been given when the daemon was asked last.
    joined: u32,
}

// SAFETY: the entries are reached through the lock alone.
unsafe impl Send for Clients {}

impl Clients {
    pub(super) fn entries(&self) -> &[Entry<'static>] {
        if self.entries == 0 {
            return &[];
        }
        // SAFETY: so many entries were written to the array, which stays mapped until `forget_all`; their
        // request slots stay mapped until they are taken out.
        unsafe { core::slice::from_raw_parts(self.entries as *const Entry<'static>, self.count) }
    }

    /// Takes up clients that have come, and drops those that have closed.
    ///
    /// # Errors
    /// ENOMEM, EMFILE, ENODEV: a client that could not be taken up waits until the next try.
    pub(super) fn refresh(&mut self, session: u32, pusher_page: &PusherPage) -> Result<()> {
        self.drop_gone();
        let joined = pusher_page.joined();
        while self.joined != joined {
            let mut fds = FdList::new();
            let request = Request::RequestSlot { session, after: self.last };
            let (reply, _) = connection::ask(&request, None, &mut fds)?;
            match reply {
                Reply::RequestSlot { ticket: 0 } => self.joined = joined,
                Reply::RequestSlot { ticket } if fds.len() == 1 => self.add(ticket, fds.get(0))?,
                _ => return Err(Errno::EPROTO),
            }
        }
        Ok(())
    }

    fn add(&mut self, ticket: u32, fd: c_int) -> Result<()> {
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        if self.entries == 0 {
            // SAFETY: a new mapping.
            let at = unsafe { sys::mmap(0, TABLE_LEN, rw, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1) }?;
            self.entries = at as usize;
        }
        if self.count == MAX_CLIENTS {
            return Err(Errno::ENOMEM);
        }
        sys::check_file(fd, PAGE_LEN)?;
        // SAFETY: a new mapping of a sealed file of one page.
        let request_slot = unsafe { sys::mmap(0, PAGE_LEN, rw, libc::MAP_SHARED, fd) }?.cast::<RequestSlot>();
        // SAFETY: the array has room for one more; the request slot stays mapped until it is taken out.
        unsafe {
            (self.entries as *mut Entry<'static>)
                .add(self.count)
                .write(Entry { ticket, request_slot: &*request_slot });
        }
        self.count += 1;
        self.last = ticket;
        Ok(())
    }

    fn drop_gone(&mut self) {
        let array = self.entries as *mut Entry<'static>;
        let mut kept = 0;
        for k in 0..self.count {
            // SAFETY: `k` and `kept` are below the count of entries.
            unsafe {
                let entry = array.add(k).read();
                if entry.request_slot.state().phase() == Phase::Gone {
                    sys::munmap(core::ptr::from_ref(entry.request_slot).cast_mut().cast(), PAGE_LEN);
                } else {
                    array.add(kept).write(entry);
                    kept += 1;
                }
            }
        }
        self.count = kept;
    }

    /// The session has no user any more.
    pub fn forget_all(&mut self) {
        for entry in self.entries() {
            // SAFETY: nobody is in it any more.
            unsafe { sys::munmap(core::ptr::from_ref(entry.request_slot).cast_mut().cast(), PAGE_LEN) };
        }
        if self.entries != 0 {
            // SAFETY: as above.
            unsafe { sys::munmap(self.entries as *mut u8, TABLE_LEN) };
        }
        *self = Self { entries: 0, count: 0, last: 0, joined: 0 };
    }
}
