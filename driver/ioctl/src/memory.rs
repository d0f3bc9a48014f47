//! The calling program's memory.

use core::cell::Cell;
use core::fmt;

use vloopback_abi::Errno;

/// An address of the calling program that cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the argument's address cannot be accessed")
    }
}

impl core::error::Error for Fault {}

impl From<Fault> for Errno {
    fn from(_: Fault) -> Errno {
        Errno::EFAULT
    }
}

/// Access to the memory of the program that made a call.
///
/// An implementation must survive any address, 0 and unmapped ones included, and may not
/// allocate: it is called where a signal handler has interrupted the program anywhere.
pub trait UserMemory {
    /// Copies `out.len()` bytes from `addr`.
    ///
    /// # Errors
    /// [`Fault`] if any of the bytes cannot be read; `out` may be partly filled then.
    fn read(&self, addr: usize, out: &mut [u8]) -> Result<(), Fault>;

    /// Copies `data` to `addr`.
    ///
    /// # Errors
    /// [`Fault`] if any of the bytes cannot be written; a part may have been written then.
    fn write(&self, addr: usize, data: &[u8]) -> Result<(), Fault>;
}

impl<M: UserMemory + ?Sized> UserMemory for &M {
    fn read(&self, addr: usize, out: &mut [u8]) -> Result<(), Fault> {
        (**self).read(addr, out)
    }

    fn write(&self, addr: usize, data: &[u8]) -> Result<(), Fault> {
        (**self).write(addr, data)
    }
}

/// Memory that is one buffer at a chosen address; everything around it faults.
///
/// For arguments that came in a message, and for tests.
pub struct BufferMemory<'a> {
    base: usize,
    bytes: &'a [Cell<u8>],
}

impl<'a> BufferMemory<'a> {
    /// Makes `bytes` appear at address `base`.
    #[must_use]
    pub fn new(base: usize, bytes: &'a mut [u8]) -> Self {
        BufferMemory { base, bytes: Cell::from_mut(bytes).as_slice_of_cells() }
    }

    fn cells(&self, addr: usize, len: usize) -> Result<&[Cell<u8>], Fault> {
        let start = addr.checked_sub(self.base).ok_or(Fault)?;
        let end = start.checked_add(len).ok_or(Fault)?;
        self.bytes.get(start..end).ok_or(Fault)
    }
}

impl UserMemory for BufferMemory<'_> {
    fn read(&self, addr: usize, out: &mut [u8]) -> Result<(), Fault> {
        let cells = self.cells(addr, out.len())?;
        for (to, from) in out.iter_mut().zip(cells) {
            *to = from.get();
        }
        Ok(())
    }

    fn write(&self, addr: usize, data: &[u8]) -> Result<(), Fault> {
        let cells = self.cells(addr, data.len())?;
        for (to, from) in cells.iter().zip(data) {
            to.set(*from);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_buffer_is_there() {
        let mut bytes = [1, 2, 3, 4];
        let memory = BufferMemory::new(100, &mut bytes);
        let mut out = [0; 2];
        assert_eq!(memory.read(101, &mut out), Ok(()));
        assert_eq!(out, [2, 3]);
        for addr in [0, 99, 103, 104, usize::MAX] {
            assert_eq!(memory.read(addr, &mut out), Err(Fault), "{addr}");
            assert_eq!(memory.write(addr, &out), Err(Fault), "{addr}");
        }
        assert_eq!(UserMemory::write(&&memory, 102, &[9, 8]), Ok(()));
        assert_eq!(bytes, [1, 2, 9, 8]);
    }
}
