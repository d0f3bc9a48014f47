//! The ring of a pipe as this process has it mapped.

use core::ffi::c_int;

use vloopback_ring::{Board, Log, MAX_SLOTS, PAGE_LEN};
use vloopback_wire::{Reply, Request};

use crate::part::Part;
use crate::workspace::Workspace;
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::{Errno, FdList, Result};

/// Logs of former rings that stay mapped, because somebody may be counting in one.
const KEPT: usize = 16;

/// A ring's memory. All zeros: none.
#[derive(Debug)]
pub struct RingMap {
    /// Its number, 0 for none.
    pub number: u32,
    pub slots: usize,
    /// Bytes of a slot, whole pages.
    pub slot_len: usize,
    /// Where the slots are, one after the other.
    base: usize,
    log: usize,
    /// The number of its log.
    pub log_number: u32,
    old_logs: [usize; KEPT],
    old: usize,
    /// Memory of a frame that is read or written in parts.
    pub part: Part,
    /// What conversions work in.
    pub workspace: Workspace,
    /// The session whose ring it is.
    session: u32,
}

impl RingMap {
    /// The log.
    pub fn log(&self) -> Option<&'static Log> {
        // SAFETY: logs stay mapped until the session is torn down, which its users prevent; who has
        // the RingMap is one. The lifetime ends with the pin by the callers' own scopes.
        (self.log != 0).then(|| unsafe { &*(self.log as *const Log) })
    }

    /// Slot `k`'s memory, `slot_len` bytes.
    pub fn slot(&self, k: usize) -> *mut u8 {
        debug_assert!(k < self.slots);
        (self.base + k * self.slot_len) as *mut u8
    }

    /// Slot `k` from byte `within` on shows at `at`, too, where the system knows no second view of a mapping
    /// ([`sys::duplicate`]): the slots' file is asked for again.
    ///
    /// # Errors
    /// EIO: the ring is no longer in force. As [`connection::ask`], as mmap(2).
    ///
    /// # Safety
    /// The range at `at` is the caller's to replace; `within + len` is inside the slot.
    pub unsafe fn show_slot(
        &self,
        k: usize,
        within: usize,
        len: usize,
        at: usize,
        prot: c_int,
    ) -> Result<()> {
        let mut fds = FdList::new();
        match connection::ask(&Request::Ring { session: self.session }, None, &mut fds)? {
            (Reply::Ring { ring, .. }, _) if ring == self.number && fds.len() == 2 => {}
            _ => return Err(Errno::EIO),
        }
        sys::check_file(fds.get(1), self.slots * self.slot_len)?;
        // SAFETY: the caller's promise; the file is as long as the ring.
        unsafe { sys::map_over(at, len, prot, fds.get(1), k * self.slot_len + within) }
    }

    /// Makes this the ring that `board` has in force, and its log, for the open file of session number `session`, which may write
    /// to the log if it is an `input`'s and to the slots if it `writes`. Returns the log if it is another one than before.
    ///
    /// # Errors
    /// EINVAL: there is none. ENOMEM, EMFILE, ENODEV.
    pub fn refresh(
        &mut self,
        board: &Board,
        session: u32,
        (input, writes): (bool, bool),
    ) -> Result<Option<&'static Log>> {
        let (ring, log) = (board.ring(), board.log());
        if ring == 0 {
            return Err(Errno::EINVAL);
        }
        if self.number == ring && self.log_number == log {
            return Ok(None);
        }
        let mut fds = FdList::new();
        let (reply, _) = connection::ask(&Request::Ring { session }, None, &mut fds)?;
        let Reply::Ring { ring, slots, slot_len, log } = reply else { return Err(Errno::EPROTO) };
        let (slots, slot_len) = (slots as usize, slot_len as usize);
        let whole = slot_len != 0 && slot_len % PAGE_LEN == 0;
        let total = slot_len.checked_mul(slots).filter(|_| whole && fds.len() == 2).ok_or(Errno::EPROTO)?;
        if slots == 0 || slots > MAX_SLOTS {
            return Err(Errno::EPROTO);
        }
        sys::check_file(fds.get(0), PAGE_LEN)?;
        sys::check_file(fds.get(1), total)?;
        let (look, rw) = (libc::PROT_READ, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: new mappings of files whose size is sealed.
        let map = |len, prot, fd| unsafe { sys::mmap(0, len, prot, libc::MAP_SHARED, fd) };
        let new_log = map(PAGE_LEN, if input { rw } else { look }, fds.get(0))?;
        if ring != self.number {
            // Who may only read gets a descriptor that cannot be written by.
            let prot = if writes { rw } else { look };
            let base = match map(total, prot, fds.get(1)) {
                Ok(base) => base,
                Err(e) => {
                    // SAFETY: made just now, nobody knows of it.
                    unsafe { sys::munmap(new_log, PAGE_LEN) };
                    return Err(e);
                }
            };
            self.unmap_slots();
            (self.slots, self.slot_len, self.base) = (slots, slot_len, base as usize);
        }
        self.keep_log(input);
        self.session = session;
        (self.number, self.log_number, self.log) = (ring, log, new_log as usize);
        Ok(self.log())
    }

    /// The slots go.
    fn unmap_slots(&mut self) {
        if self.number != 0 {
            // SAFETY: whoever used the slots held the lock that we hold.
            unsafe { sys::munmap(self.base as *mut u8, self.slot_len * self.slots) };
        }
        self.number = 0;
    }

    /// The log is a former one. It stays for those who may be counting in it, or sleep on it: a pusher's writes do so
    /// without the lock, and get another log only with another format. A client meets another log with each
    /// pusher, and whoever slept on one so long ago has long looked again.
    fn keep_log(&mut self, input: bool) {
        let former = core::mem::take(&mut self.log);
        if former == 0 {
            return;
        }
        let place = &mut self.old_logs[self.old % KEPT];
        if !input && *place != 0 {
            // SAFETY: see above.
            unsafe { sys::munmap(*place as *mut u8, PAGE_LEN) };
        }
        // An input's sixteenth former log stays mapped, and is forgotten.
        *place = former;
        self.old += 1;
    }

    /// All goes: the session has no user any more.
    pub fn unmap_all(&mut self) {
        self.unmap_slots();
        self.part.forget();
        self.workspace.forget();
        let log = core::mem::take(&mut self.log);
        for log in self.old_logs.iter_mut().map(core::mem::take).chain([log]).filter(|log| *log != 0) {
            // SAFETY: the session's last user is gone.
            unsafe { sys::munmap(log as *mut u8, PAGE_LEN) };
        }
        (self.old, self.log_number) = (0, 0);
    }
}
