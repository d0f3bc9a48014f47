//! Room for a list whose length the program chooses, without the allocator.

use core::mem::MaybeUninit;
use core::ptr;

use crate::calls::{self, READ_WRITE};

/// Room for some `T`: up to `N` on the stack, more in a mapping of its own. A program may call from a signal handler, whose
/// stack may be small. Nothing is freed when it is dropped, because a thread may be cancelled in the call that it is for.
#[derive(Debug)]
pub struct Scratch<T: Copy, const N: usize> {
    here: MaybeUninit<[T; N]>,
    mapped: *mut u8,
    bytes: usize,
}

impl<T: Copy, const N: usize> Scratch<T, N> {
    /// No room yet.
    pub const fn new() -> Self {
        Self { here: MaybeUninit::uninit(), mapped: ptr::null_mut(), bytes: 0 }
    }

    /// `count` of them, all `value`. To be called once. None: there is no memory.
    pub fn get(&mut self, count: usize, value: T) -> Option<&mut [T]> {
        let mut at = self.here.as_mut_ptr().cast::<T>();
        if count > N {
            let bytes = count.checked_mul(size_of::<T>())?;
            // SAFETY: a new mapping.
            let map =
                unsafe { calls::mmap(0, bytes, READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1) };
            (self.mapped, self.bytes) = (map.ok()?, bytes);
            at = self.mapped.cast();
        }
        for k in 0..count {
            // SAFETY: there is room for `count`, and a mapping begins at a page.
            unsafe { at.add(k).write(value) };
        }
        // SAFETY: `count` values were just written there, and nobody else has the memory.
        Some(unsafe { core::slice::from_raw_parts_mut(at, count) })
    }

    /// The mapping, if there is one, is given back.
    pub fn free(&mut self) {
        if !self.mapped.is_null() {
            // SAFETY: the mapping made above; the slice, which borrowed this, is no longer used.
            unsafe { calls::munmap(self.mapped, self.bytes) };
            self.mapped = ptr::null_mut();
        }
    }
}

impl<T: Copy, const N: usize> Default for Scratch<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_few_and_for_many() {
        for count in [0, 1, 4, 5, 10_000] {
            let mut scratch = Scratch::<u64, 4>::new();
            let room = scratch.get(count, 7).expect("memory");
            assert_eq!((room.len(), room.iter().sum::<u64>()), (count, 7 * count as u64));
            let last = room.last_mut().map(|last| *last = 8);
            assert_eq!(last.is_some(), count != 0);
            scratch.free();
            scratch.free();
        }
    }
}
