//! The program's own memory, at addresses that it gave us: bad ones are EFAULT, never a crash.

use vloopback_device::checked_buffers::check;
use vloopback_ioctl::{Fault, UserMemory};
use vloopback_sys as sys;

/// The program's memory, for the ioctl tables.
#[derive(Clone, Copy, Debug)]
pub struct OwnMemory;

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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

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
            let map =
                sys::mmap(0, 2 * PAGE, sys::READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1).unwrap();
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
}
