//! select and pselect, with the companions of the program's descriptors (see [`companion`](crate::companion)).

use core::ffi::{c_int, c_ulong};
use core::ptr;

use libc::{fd_set, pollfd, sigset_t, timespec, timeval};
use vloopback_runtime::stack;
use vloopback_sys::Scratch;

use crate::companion::{GONE, Kind, Said, heard};
use crate::errno;
use crate::real;
#[cfg(target_pointer_width = "32")]
use crate::types::{Timespec64, Timeval64};
use crate::wait_time::{Left, Until, pointer, rest, until};

/// More numbers than any set has: such a call goes on to the kernel as it is.
const MANY: usize = 1 << 20;

const WORD: usize = c_ulong::BITS as usize;

/// The numbers of a set that are below `count`, word by word.
///
/// # Safety
/// The set has `count` bits, in whole words.
unsafe fn members(set: *const c_ulong, count: usize) -> impl Iterator<Item = c_int> {
    (0..count.div_ceil(WORD)).flat_map(move |k| {
        // SAFETY: the caller's promise.
        let mut word = unsafe { set.add(k).read() } & below(count, k);
        core::iter::from_fn(move || {
            let bit = word.trailing_zeros() as usize;
            (bit < WORD).then(|| {
                word &= word - 1;
                (k * WORD + bit) as c_int
            })
        })
    })
}

/// The bits of word `k` that numbers below `count` have.
const fn below(count: usize, k: usize) -> c_ulong {
    let bits = count.saturating_sub(k * WORD);
    if bits >= WORD { c_ulong::MAX } else { (1 << bits) - 1 }
}

fn has(set: &[c_ulong], fd: c_int) -> bool {
    set.get(fd as usize / WORD).is_some_and(|word| word >> (fd as usize % WORD) & 1 != 0)
}

fn put(set: &mut [c_ulong], fd: c_int, on: bool) {
    if let Some(word) = set.get_mut(fd as usize / WORD) {
        let bit = 1 << (fd as usize % WORD);
        *word = if on { *word | bit } else { *word & !bit };
    }
}

/// Whether any number of the set has a companion that must be polled.
#[inline]
fn needs(kind: Kind, count: c_int, set: *const fd_set) -> bool {
    let set = set.cast::<c_ulong>();
    let count = usize::try_from(count).unwrap_or(0);
    if set.addr() < 4096 || count > MANY || !kind.can_be() {
        return false;
    }
    // SAFETY: the program gave it to be read by select; not null.
    unsafe { members(set, count) }.any(|fd| kind.is_needed(fd))
}

/// The same for the set to read and the set of exceptions.
#[inline]
fn is_concerned(count: c_int, read: *const fd_set, except: *const fd_set) -> bool {
    needs(Kind::EventDoorbell, count, except)
        || needs(Kind::RequestDoorbell, count, read)
        || needs(Kind::Monitor, count, read)
}

/// The program's sets: to read, to write, exceptions. Null where there is none.
type Sets = [*mut fd_set; 3];

/// select, with companions.
#[cold]
fn select_with_companions(count: usize, sets: Sets, until: Until, mask: *const sigset_t) -> c_int {
    let sets = sets.map(<*mut fd_set>::cast::<c_ulong>);
    let asked = || {
        let of = |kind: Kind, set: *mut c_ulong| {
            let count = if set.is_null() || !kind.can_be() { 0 } else { count };
            // SAFETY: the program's own set, of so many bits; of none where it is null.
            unsafe { members(set, count) }.filter(move |&fd| kind.is_needed(fd)).map(move |fd| (kind, fd))
        };
        of(Kind::EventDoorbell, sets[2])
            .chain(of(Kind::RequestDoorbell, sets[0]))
            .chain(of(Kind::Monitor, sets[0]))
    };
    let (mut most, mut highest) = (0, 0);
    for companion in asked().filter_map(|(kind, fd)| kind.of(fd)) {
        (most, highest) = (most + 1, highest.max(companion as usize));
    }
    let larger = count.max(highest + 1);
    let room = larger.div_ceil(WORD);
    let mut scratch = Scratch::<c_ulong, 160>::new();
    // Copies of the sets, and for each companion its kind, its owner and its number (0 once it is gone).
    let Some(all) = scratch.get(3 * room + 3 * most, 0) else { return errno::fail(libc::ENOMEM) };
    let (copies, threes) = all.split_at_mut(3 * room);
    let mut found = 0;
    for (three, (kind, fd)) in threes.chunks_exact_mut(3).zip(asked()) {
        // Every such descriptor has a companion, or has just lost it.
        if let Some(companion) = kind.known(fd).filter(|&companion| (companion as usize) < larger) {
            (three[0], three[1], three[2]) = (kind as c_ulong, fd as c_ulong, companion as c_ulong);
            found += 1;
        }
    }
    let threes = &mut threes[..3 * found];
    let result = loop {
        for (copy, &set) in copies.chunks_exact_mut(room).zip(&sets) {
            // SAFETY: the program's own set, of so many bits, or null.
            unsafe { copy_set(copy, set, count) };
        }
        let mut parts = copies.chunks_exact_mut(room);
        let (Some(read), Some(write), Some(except)) = (parts.next(), parts.next(), parts.next()) else {
            break errno::fail(libc::EINVAL);
        };
        let ready = select_once([read, write, except], threes, larger, until, mask);
        if ready != 0 || until.left() == Some(0) {
            break ready;
        }
    };
    if result >= 0 {
        for (copy, &set) in copies.chunks_exact(room).zip(&sets) {
            // SAFETY: the program's own set, of so many bits, or null.
            unsafe { write_set(copy, set, count) };
        }
    }
    scratch.free();
    result
}

/// Polls the members of the three sets, of `count` bits, and their companions once, and leaves in the sets those of
/// the program's descriptors that are ready. Returns their count, or a negative number and errno as select() does.
fn select_once(
    [read, write, except]: [&mut [c_ulong]; 3],
    threes: &mut [c_ulong],
    count: usize,
    until: Until,
    mask: *const sigset_t,
) -> c_int {
    for three in threes.chunks_exact(3).filter(|three| three[2] != 0) {
        put(read, three[2] as c_int, true);
        if three[0] == Kind::EventDoorbell as c_ulong {
            put(except, three[2] as c_int, true);
        }
    }
    let time = rest(until);
    // SAFETY: three sets of that many bits; a time or none; the program's own mask.
    let ready = unsafe {
        real::pselect(
            count as c_int,
            read.as_mut_ptr().cast(),
            write.as_mut_ptr().cast(),
            except.as_mut_ptr().cast(),
            pointer(time.as_ref()),
            mask,
        )
    };
    if ready < 0 {
        return ready;
    }
    for three in threes.chunks_exact_mut(3) {
        three[2] = hear_companion(three, read, except) as c_ulong;
    }
    let ready: u32 = [&*read, &*write, &*except].into_iter().flatten().map(|word| word.count_ones()).sum();
    ready as c_int
}

/// Copies the first `count` bits of a set; of none where it is null. The rest is cleared.
///
/// # Safety
/// The set has so many bits, or is null.
unsafe fn copy_set(copy: &mut [c_ulong], set: *mut c_ulong, count: usize) {
    copy.fill(0);
    let words = if set.is_null() { 0 } else { count.div_ceil(WORD) };
    for (k, word) in copy.iter_mut().enumerate().take(words) {
        // SAFETY: as the caller says.
        *word = unsafe { set.add(k).read() } & below(count, k);
    }
}

/// Writes a copy's first `count` bits, in whole words, back to the set; nothing where it is null.
///
/// # Safety
/// As [`copy_set`].
unsafe fn write_set(copy: &[c_ulong], set: *mut c_ulong, count: usize) {
    let words = if set.is_null() { 0 } else { count.div_ceil(WORD) };
    for (k, word) in copy.iter().enumerate().take(words) {
        // SAFETY: as the caller says.
        unsafe { set.add(k).write(*word) };
    }
}

/// Replaces a ready companion in the sets by its owner, if that is ready. `three`: the companion's kind, its owner
/// and its number. Returns the number, 0 once the companion is gone.
fn hear_companion(three: &[c_ulong], read: &mut [c_ulong], except: &mut [c_ulong]) -> c_int {
    let kind = Kind::numbered(three[0]);
    let (fd, companion) = (three[1] as c_int, three[2] as c_int);
    let rings = companion != 0 && (has(except, companion) || has(read, companion));
    put(except, companion, false);
    put(read, companion, false);
    let has_byte = companion != 0 && kind == Kind::RequestDoorbell && has(read, fd) && told(fd) & GONE == 0;
    if !rings && !has_byte {
        return companion;
    }
    match heard(kind, fd, companion, told(companion)) {
        Said::Ready if kind == Kind::EventDoorbell => put(except, fd, true),
        Said::Ready => put(read, fd, true),
        Said::Nothing if has_byte => put(read, fd, false),
        Said::Nothing => {}
        Said::Gone => return 0,
    }
    companion
}

/// The poll events of a descriptor, which select does not report.
fn told(fd: c_int) -> i16 {
    let mut entry = pollfd { fd, events: 0, revents: 0 };
    // SAFETY: one entry; does not wait.
    unsafe { real::poll(&mut entry, 1, 0) };
    entry.revents
}

macro_rules! select_hooks {
    ($($name:ident => $real:ident: $time:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            count: c_int,
            read: *mut fd_set,
            write: *mut fd_set,
            except: *mut fd_set,
            time: *mut $time,
        ) -> c_int {
            stack::align();
            if is_concerned(count, read, except) {
                // SAFETY: the program's own argument.
                if let Some(until) = unsafe { until(time) } {
                    let result = select_with_companions(count as usize, [read, write, except], until, ptr::null());
                    if let Some(left) = until.left() {
                        // Writes back the time that is left, also after a signal, as Linux does.
                        // SAFETY: not null, as there is a time.
                        unsafe { time.write_unaligned(<$time>::of(left)) };
                    }
                    return result;
                }
            }
            // SAFETY: the program's own arguments.
            unsafe { real::$real(count, read, write, except, time) }
        }
    )*};
}

select_hooks! {
    select => select: timeval;
    __select => select: timeval;
}

#[cfg(target_pointer_width = "32")]
select_hooks! {
    __select64 => __select64: Timeval64;
}

macro_rules! pselect_hooks {
    ($($name:ident: $time:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            count: c_int,
            read: *mut fd_set,
            write: *mut fd_set,
            except: *mut fd_set,
            time: *const $time,
            mask: *const sigset_t,
        ) -> c_int {
            stack::align();
            if is_concerned(count, read, except) {
                // SAFETY: the program's own argument.
                if let Some(until) = unsafe { until(time) } {
                    return select_with_companions(count as usize, [read, write, except], until, mask);
                }
            }
            // SAFETY: the program's own arguments.
            unsafe { real::$name(count, read, write, except, time, mask) }
        }
    )*};
}

pselect_hooks! {
    pselect: timespec;
}

#[cfg(target_pointer_width = "32")]
pselect_hooks! {
    __pselect64: Timespec64;
}
