//! The program's own memory, at addresses that it gave us: bad ones are EFAULT, never a crash.

use core::sync::atomic::{AtomicUsize, Ordering};

use vloopback_ioctl::{Fault, UserMemory};

use crate::sys;

const PAGE: usize = 4096;

fn range_end(addr: usize, len: usize) -> Result<usize, Fault> {
    addr.checked_add(len).filter(|_| addr >= PAGE).ok_or(Fault)
}

/// Whether all of the range can be read (or written), by asking the kernel page by page.
fn check(addr: usize, len: usize, probe: impl Fn(usize) -> bool) -> Result<(), Fault> {
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

/// The program's memory, for the ioctl tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnMemory;

impl UserMemory for OwnMemory {
    fn read(&self, addr: usize, out: &mut [u8]) -> Result<(), Fault> {
        check(addr, out.len(), sys::can_read)?;
        // SAFETY: the kernel has just read the first bytes of each of its pages. A program that
        // unmaps them meanwhile crashes as it would for its own accesses.
        unsafe { core::ptr::copy_nonoverlapping(addr as *const u8, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    fn write(&self, addr: usize, data: &[u8]) -> Result<(), Fault> {
        check(addr, data.len(), sys::can_write)?;
        // SAFETY: as above, for writing.
        unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), addr as *mut u8, data.len()) };
        Ok(())
    }
}

/// Buffers that a program uses in turn: more than it has as a rule.
const KNOWN: usize = 8;

/// Large buffers that the program uses again and again: looked at page by page once, then only
/// their ends and whether they are still mapped.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Addresses and bytes.
    places: [(AtomicUsize, AtomicUsize); KNOWN],
    /// The place that is written next.
    next: AtomicUsize,
}

impl Known {
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
    pub(crate) fn readable(&self, addr: usize, len: usize) -> Result<(), Fault> {
        self.check(addr, len, sys::can_read)
    }

    /// Whether a frame can be written there.
    pub(crate) fn writable(&self, addr: usize, len: usize) -> Result<(), Fault> {
        self.check(addr, len, sys::can_write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wild_and_null_pointers_are_faults() {
        let mut out = [0; 4];
        for addr in [0usize, 1, 8, 0x10, 0xdead_0000_0000, usize::MAX, usize::MAX - 2] {
            assert_eq!(OwnMemory.read(addr, &mut out), Err(Fault), "{addr:#x}");
            assert_eq!(OwnMemory.write(addr, &out), Err(Fault), "{addr:#x}");
        }
    }

    #[test]
    fn constants_can_be_read_but_not_written() {
        static TEXT: [u8; 16] = *b"in the text area";
        let addr = TEXT.as_ptr() as usize;
        let mut out = [0; 16];
        assert_eq!(OwnMemory.read(addr, &mut out), Ok(()));
        assert_eq!(out, TEXT);
        assert_eq!(OwnMemory.write(addr, b"x"), Err(Fault));
    }

    #[test]
    fn the_end_of_a_mapping_is_exact() {
        // SAFETY: a fresh private mapping of two pages, of which the second is taken away.
        let page = unsafe {
            let map = sys::mmap(0, 2 * PAGE, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1).unwrap();
            sys::munmap(map.add(PAGE), PAGE);
            map as usize
        };
        let mut out = [0; 4];
        assert_eq!(OwnMemory.read(page + PAGE - 4, &mut out), Ok(()));
        assert_eq!(OwnMemory.read(page + PAGE - 3, &mut out), Err(Fault));
        assert_eq!(OwnMemory.write(page + PAGE - 4, &[7; 4]), Ok(()));
        assert_eq!(OwnMemory.write(page + PAGE - 3, &[7; 4]), Err(Fault));
        assert_eq!(OwnMemory.read(page + PAGE - 4, &mut out), Ok(()));
        assert_eq!(out, [7; 4]);
    }

    #[test]
    fn a_hole_in_a_known_buffer_is_seen() {
        let len = 16 * PAGE;
        // SAFETY: a fresh private mapping, of which one page is taken away below.
        let map = unsafe { sys::mmap(0, len, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1).unwrap() };
        let known = Known::default();
        assert_eq!(known.readable(map as usize, len), Ok(()));
        assert_eq!(known.readable(map as usize, len), Ok(()));
        // SAFETY: nothing uses the page.
        unsafe { sys::munmap(map.add(5 * PAGE), PAGE) };
        assert_eq!(known.readable(map as usize, len), Err(Fault));
        assert_eq!(Known::default().readable(map as usize, len), Err(Fault));
    }

    #[test]
    fn probing_for_writing_changes_nothing() {
        let mut word = [0x1234_5678u32, 0x9abc_def0];
        assert!(sys::can_write(word.as_mut_ptr() as usize));
        assert_eq!(word, [0x1234_5678, 0x9abc_def0]);
    }
}
