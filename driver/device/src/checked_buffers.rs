//! Large buffers that a program uses again and again: their addresses are checked in full only once.

use core::sync::atomic::{AtomicUsize, Ordering};

use vloopback_ioctl::Fault;

use vloopback_sys as sys;

const PAGE: usize = 4096;

fn range_end(addr: usize, len: usize) -> Result<usize, Fault> {
    addr.checked_add(len).filter(|_| addr >= PAGE).ok_or(Fault)
}

/// Whether all of the range can be read (or written), by asking the kernel page by page.
pub fn check(addr: usize, len: usize, probe: impl Fn(usize) -> bool) -> Result<(), Fault> {
    if len == 0 {
        return Ok(());
    }
    let end = range_end(addr, len)?;
    let mut at = addr;
    while at < end {
        if !probe(at) {
            return Err(Fault);
        }
        at = (at & !(PAGE - 1)) + PAGE;
    }
    Ok(())
}

/// Buffers that a program uses in turn: more than it has as a rule.
const KNOWN: usize = 8;

/// Large buffers that the program uses again and again: looked at page by page once, then only
/// their ends and whether they are still mapped.
#[derive(Debug, Default)]
pub struct CheckedBuffers {
    /// Addresses and bytes.
    places: [(AtomicUsize, AtomicUsize); KNOWN],
    /// The place that is written next.
    next: AtomicUsize,
}

impl CheckedBuffers {
    fn check(&self, addr: usize, len: usize, probe: impl Fn(usize) -> bool) -> Result<(), Fault> {
        if len <= 4 * PAGE {
            return check(addr, len, probe);
        }
        range_end(addr, len)?;
        let known = self
            .places
            .iter()
            .any(|(at, of)| at.load(Ordering::Relaxed) == addr && of.load(Ordering::Relaxed) == len);
        if known {
            let fine = probe(addr) && probe(addr + len - 1) && sys::is_mapped(addr, len);
            return if fine { Ok(()) } else { Err(Fault) };
        }
        check(addr, len, probe)?;
        // Two threads at once at worst spoil an entry: then a range that fits none is looked at anew.
        let (at, of) = &self.places[self.next.fetch_add(1, Ordering::Relaxed) % KNOWN];
        at.store(addr, Ordering::Relaxed);
        of.store(len, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a frame can be read from there.
    pub fn readable(&self, addr: usize, len: usize) -> Result<(), Fault> {
        self.check(addr, len, sys::can_read)
    }

    /// Whether a frame can be written there.
    pub fn writable(&self, addr: usize, len: usize) -> Result<(), Fault> {
        self.check(addr, len, sys::can_write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_in_a_known_buffer_is_seen() {
        let len = 16 * PAGE;
        // SAFETY: a fresh private mapping, of which one page is taken away below.
        let map = unsafe {
            sys::mmap(0, len, sys::READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1).unwrap()
        };
        let known = CheckedBuffers::default();
        assert_eq!(known.readable(map as usize, len), Ok(()));
        assert_eq!(known.readable(map as usize, len), Ok(()));
        // SAFETY: nothing uses the page.
        unsafe { sys::munmap(map.add(5 * PAGE), PAGE) };
        assert_eq!(known.readable(map as usize, len), Err(Fault));
        assert_eq!(CheckedBuffers::default().readable(map as usize, len), Err(Fault));
    }

    #[test]
    fn probing_for_writing_changes_nothing() {
        let mut word = [0x1234_5678u32, 0x9abc_def0];
        assert!(sys::can_write(word.as_mut_ptr() as usize));
        assert_eq!(word, [0x1234_5678, 0x9abc_def0]);
    }
}
