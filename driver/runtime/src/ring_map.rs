//! The ring of a pipe as this process has it mapped.

use core::sync::atomic::Ordering;

use vloopback_ring::{Log, MAX_SLOTS, PAGE_LEN};
use vloopback_wire::{Reply, Request};

use crate::process;
use crate::session::Session;
use crate::sys::{self, FdList, Result};

/// Logs of former rings that stay mapped, because somebody may be counting in one.
const KEPT: usize = 16;

/// A ring's memory. All zeros: none.
#[derive(Debug)]
pub(crate) struct RingMap {
    /// Its number, 0 for none.
    pub(crate) number: u32,
    pub(crate) slots: usize,
    /// Bytes of a slot.
    pub(crate) slot_len: usize,
    base: usize,
    /// Bytes from slot to slot, whole pages.
    stride: usize,
    log: usize,
    old_logs: [usize; KEPT],
    old: usize,
}

impl RingMap {
    /// The log.
    pub(crate) fn log(&self) -> Option<&'static Log> {
        // SAFETY: logs stay mapped until the session is torn down, which its users prevent; who has
        // the RingMap is one. The lifetime ends with the pin by the callers' own scopes.
        (self.log != 0).then(|| unsafe { &*(self.log as *const Log) })
    }

    /// Slot `k`'s memory, `slot_len` bytes.
    pub(crate) fn slot(&self, k: usize) -> *mut u8 {
        debug_assert!(k < self.slots);
        (self.base + k * self.stride) as *mut u8
    }

    /// Makes this the ring in force. Nothing happens if it is.
    ///
    /// # Errors
    /// EINVAL: there is none. ENOMEM, EMFILE, ENODEV.
    pub(crate) fn refresh(&mut self, session: &Session) -> Result<()> {
        let current = session.board().ring();
        if current == 0 {
            return Err(libc::EINVAL);
        }
        if self.number == current {
            return Ok(());
        }
        let mut fds = FdList::new();
        let (reply, _) = process::ask(&Request::Ring { session: session.info().session }, None, &mut fds)?;
        let Reply::Ring { ring, slots, slot_len } = reply else { return Err(libc::EPROTO) };
        let (slots, slot_len) = (slots as usize, slot_len as usize);
        if slots == 0 || slots > MAX_SLOTS || fds.len() != slots + 1 || slot_len == 0 {
            return Err(libc::EPROTO);
        }
        let input = session.info().input;
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        let stride = slot_len.checked_next_multiple_of(PAGE_LEN).ok_or(libc::ENOMEM)?;
        let total = stride.checked_mul(slots).ok_or(libc::ENOMEM)?;
        let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: new mappings only; the fixed ones lie in the range just reserved.
        let (base, log) = unsafe {
            let base = sys::mmap(0, total, libc::PROT_NONE, reserve, -1)?;
            let shared = libc::MAP_SHARED | libc::MAP_FIXED;
            let mapped = (0..slots)
                .try_for_each(|k| {
                    sys::mmap(base as usize + k * stride, slot_len, rw, shared, fds.get(k + 1)).map(drop)
                })
                .and_then(|()| {
                    let prot = if input { rw } else { libc::PROT_READ };
                    sys::mmap(0, PAGE_LEN, prot, libc::MAP_SHARED, fds.get(0))
                });
            match mapped {
                Ok(log) => (base, log),
                Err(e) => {
                    sys::munmap(base, total);
                    return Err(e);
                }
            }
        };
        self.unmap();
        *self = Self {
            number: ring,
            slots,
            slot_len,
            base: base as usize,
            stride,
            log: log as usize,
            old_logs: self.old_logs,
            old: self.old,
        };
        session.log.store(log.cast(), Ordering::Release);
        session.log_ring.store(ring, Ordering::Release);
        Ok(())
    }

    /// The slots go; the log stays for those who may be counting in it.
    fn unmap(&mut self) {
        if self.number == 0 {
            return;
        }
        // SAFETY: whoever used the slots held the lock that we hold.
        unsafe { sys::munmap(self.base as *mut u8, self.stride * self.slots) };
        if self.old < KEPT {
            self.old_logs[self.old] = self.log;
            self.old += 1;
        }
        self.number = 0;
        self.log = 0;
    }

    /// All goes: the session has no user any more.
    pub(crate) fn unmap_all(&mut self) {
        self.unmap();
        for log in &self.old_logs[..self.old] {
            // SAFETY: the session's last user is gone.
            unsafe { sys::munmap(*log as *mut u8, PAGE_LEN) };
        }
        self.old = 0;
    }
}
