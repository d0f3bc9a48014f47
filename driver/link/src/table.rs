//! From descriptor number to session: read without a lock, also from signal handlers.

use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use vloopback_sys as sys;

const LEAF: usize = 1024;
const LEAVES: usize = 1024;
type Leaf = [AtomicUsize; LEAF];

/// Nothing is known of the number.
pub const UNKNOWN: usize = 0;
/// It is not a device of ours.
pub const OTHER: usize = 1;

/// It is one of our own, which the program did not open (`hidden.rs`).
pub const HIDDEN: usize = 2;

/// It is not a device of ours, but stands for the name of one: an O_PATH open of node `node`.
pub const fn name_of(node: u32) -> usize {
    (node as usize) << 2 | 3
}

/// Whether an entry is the address of a session (those are page-aligned).
#[inline]
pub const fn is_session(entry: usize) -> bool {
    entry != UNKNOWN && entry & 3 == 0
}

/// The numbers that select() can use, without an allocation.
static FIRST: Leaf = [const { AtomicUsize::new(UNKNOWN) }; LEAF];
static TABLE: [AtomicPtr<Leaf>; LEAVES] = [const { AtomicPtr::new(core::ptr::null_mut()) }; LEAVES];

fn entry_of(fd: c_int, make: bool) -> Option<&'static AtomicUsize> {
    let fd = usize::try_from(fd).ok()?;
    if fd < LEAF {
        return Some(&FIRST[fd]);
    }
    // A bounds check, too: programs call ioctl on 896160394.
    let leaf = TABLE.get(fd / LEAF)?;
    let mut at = leaf.load(Ordering::Acquire);
    if at.is_null() && make {
        let len = size_of::<Leaf>();
        // SAFETY: a new anonymous mapping.
        let new = unsafe { sys::mmap(0, len, sys::READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1) }
            .ok()?;
        match leaf.compare_exchange(core::ptr::null_mut(), new.cast(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => at = new.cast(),
            Err(theirs) => {
                // SAFETY: nobody has seen it.
                unsafe { sys::munmap(new, len) };
                at = theirs;
            }
        }
    }
    if at.is_null() {
        return None;
    }
    // SAFETY: leaves are zeroed memory (UNKNOWN) of the right size, and never unmapped.
    Some(unsafe { &(*at)[fd % LEAF] })
}

/// What is known of a number.
#[inline]
pub fn get(fd: c_int) -> usize {
    match FIRST.get(fd as usize) {
        Some(entry) => entry.load(Ordering::Acquire),
        None => get_far(fd),
    }
}

#[inline(never)]
fn get_far(fd: c_int) -> usize {
    entry_of(fd, false).map_or(UNKNOWN, |p| p.load(Ordering::Acquire))
}

/// Sets what is known; returns what was. None: the number is out of range and nothing is kept.
pub fn set(fd: c_int, value: usize) -> Option<usize> {
    entry_of(fd, value != UNKNOWN).map(|p| p.swap(value, Ordering::AcqRel))
}

/// Sets what is known if it still is `old`. False: it is not, or out of range.
pub fn replace(fd: c_int, old: usize, new: usize) -> bool {
    entry_of(fd, true)
        .is_some_and(|p| p.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok())
}

/// Every number from `first` to `last` of which something is known.
pub fn each_known(first: c_int, last: c_int, mut f: impl FnMut(c_int)) {
    let (Ok(first), Ok(last)) = (usize::try_from(first), usize::try_from(last)) else { return };
    for leaf in first / LEAF..=(last / LEAF).min(LEAVES - 1) {
        let start = (leaf * LEAF) as c_int;
        if entry_of(start, false).is_none() {
            continue;
        }
        for fd in start.max(first as c_int)
            ..=(start + LEAF as c_int - 1).min(last.min(c_int::MAX as usize) as c_int)
        {
            if get(fd) != UNKNOWN {
                f(fd);
            }
        }
    }
}

/// The first number from `first` to `last` that is [`HIDDEN`].
pub fn first_hidden(first: c_int, last: c_int) -> Option<c_int> {
    let (first, last) = (usize::try_from(first).ok()?, usize::try_from(last).ok()?);
    let leaves = first / LEAF..=(last / LEAF).min(LEAVES - 1);
    leaves.filter(|leaf| entry_of((leaf * LEAF) as c_int, false).is_some()).find_map(|leaf| {
        let mut numbers = (leaf * LEAF).max(first)..(leaf * LEAF + LEAF).min(last.saturating_add(1));
        numbers.find(|&fd| get(fd as c_int) == HIDDEN).map(|fd| fd as c_int)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_numbers_of_a_range_are_visited() {
        for fd in [700, 2050, 2060, 9000] {
            set(fd, OTHER);
        }
        let mut seen = Vec::new();
        each_known(701, c_int::MAX, |fd| seen.push(fd));
        seen.retain(|fd| [700, 2050, 2060, 9000].contains(fd));
        assert_eq!(seen, [2050, 2060, 9000]);
        each_known(2051, 2060, |fd| assert_eq!(fd, 2060));
        each_known(5, 4, |fd| panic!("{fd}"));
        for fd in [700, 2050, 2060, 9000] {
            set(fd, UNKNOWN);
        }
    }

    #[test]
    fn the_first_hidden_number_of_a_range_is_found() {
        for fd in [900, 3000, 3001] {
            set(fd, HIDDEN);
        }
        assert_eq!(first_hidden(0, c_int::MAX), Some(900));
        assert_eq!(first_hidden(901, c_int::MAX), Some(3000));
        assert_eq!((first_hidden(3001, 3001), first_hidden(3002, c_int::MAX)), (Some(3001), None));
        assert_eq!((first_hidden(901, 2999), first_hidden(5, 4)), (None, None));
        for fd in [900, 3000, 3001] {
            set(fd, UNKNOWN);
        }
    }

    #[test]
    fn every_number_has_a_place_or_is_unknown() {
        for fd in [500, 1023, 1024, 5000, (LEAF * LEAVES - 1) as c_int] {
            assert_eq!(set(fd, OTHER), Some(UNKNOWN), "{fd}");
            assert_eq!(get(fd), OTHER);
            assert!(replace(fd, OTHER, 4096));
            assert!(!replace(fd, OTHER, 8192));
            assert_eq!(set(fd, UNKNOWN), Some(4096));
        }
        for fd in [-1, c_int::MIN, 896_160_394, c_int::MAX] {
            assert_eq!(get(fd), UNKNOWN, "{fd}");
            assert_eq!(set(fd, OTHER), None);
        }
    }
}
