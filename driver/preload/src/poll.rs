//! poll, select and epoll_ctl, for V4L2's events.
//!
//! Everything that a device tells by its readiness the kernel object behind the descriptor tells itself, but
//! for one: POLLPRI, an event, which no such object raises without POLLIN (CLIENTS.md 3). For that the open
//! file has a second, hidden descriptor, its *chime*. Where a program asks for POLLPRI of one of ours that
//! has subscribed to events, the chime is asked along, and what it says becomes the descriptor's. epoll gets
//! it as a second member with the program's own data: epoll_wait needs no hook. All other calls go on to the
//! C library at once: what is looked at for that is the program's own list.
//!
//! A `poll` that began before the open file's first subscription does not see its events.

use core::ffi::{c_int, c_ulong, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use libc::{epoll_event, fd_set, nfds_t, pollfd, sigset_t, size_t, timespec, timeval};
use vloopback_runtime::edge;

use crate::errno;
use crate::real;
#[cfg(target_pointer_width = "32")]
use crate::types::{Timespec64, Timeval64};
use vloopback_runtime::stack;

/// More descriptors than any process has: such a list goes on to the kernel as it is, to be refused.
const MANY: usize = 1 << 20;

// ---------------------------------------------------------------------------------------------- time

/// A time as programs give it.
trait Time: Copy {
    /// In nanoseconds; None for what the kernel refuses.
    fn nanos(self) -> Option<u64>;
}

fn nanos(seconds: i64, parts: i64, unit: u64) -> Option<u64> {
    let (seconds, parts) = (u64::try_from(seconds).ok()?, u64::try_from(parts).ok()?);
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(parts.saturating_mul(unit)))
}

impl Time for timespec {
    fn nanos(self) -> Option<u64> {
        // Widens on 32 bits.
        #[allow(clippy::unnecessary_cast)]
        nanos(self.tv_sec as i64, self.tv_nsec as i64, 1).filter(|_| self.tv_nsec < 1_000_000_000)
    }
}

impl Time for timeval {
    fn nanos(self) -> Option<u64> {
        #[allow(clippy::unnecessary_cast)]
        nanos(self.tv_sec as i64, self.tv_usec as i64, 1000)
    }
}

/// What select writes its time back to.
trait Left: Time {
    fn of(nanos: u64) -> Self;
}

impl Left for timeval {
    fn of(nanos: u64) -> Self {
        Self { tv_sec: (nanos / 1_000_000_000) as _, tv_usec: (nanos % 1_000_000_000 / 1000) as _ }
    }
}

#[cfg(target_pointer_width = "32")]
impl Time for Timespec64 {
    fn nanos(self) -> Option<u64> {
        nanos(self.tv_sec, self.tv_nsec.into(), 1).filter(|_| self.tv_nsec < 1_000_000_000)
    }
}

#[cfg(target_pointer_width = "32")]
impl Time for Timeval64 {
    fn nanos(self) -> Option<u64> {
        nanos(self.tv_sec, self.tv_usec, 1000)
    }
}

#[cfg(target_pointer_width = "32")]
impl Left for Timeval64 {
    fn of(nanos: u64) -> Self {
        Self { tv_sec: (nanos / 1_000_000_000) as i64, tv_usec: (nanos % 1_000_000_000 / 1000) as i64 }
    }
}

/// How long a call waits at most.
#[derive(Clone, Copy)]
enum Until {
    Ever,
    /// CLOCK_MONOTONIC, nanoseconds; 0 for a call that does not wait.
    At(u64),
}

fn now() -> u64 {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.nanos().unwrap_or(0)
}

impl Until {
    fn after(nanos: u64) -> Self {
        if nanos == 0 { Self::At(0) } else { Self::At(now().saturating_add(nanos)) }
    }

    fn left(self) -> Option<u64> {
        match self {
            Self::Ever => None,
            Self::At(0) => Some(0),
            Self::At(time) => Some(time.saturating_sub(now())),
        }
    }
}

/// The same for a call of the C library's; with a time that it cannot say it returns sooner.
fn rest(until: Until) -> Option<timespec> {
    let left = until.left()?;
    let seconds = (left / 1_000_000_000).min(i32::MAX as u64);
    Some(timespec { tv_sec: seconds as _, tv_nsec: (left % 1_000_000_000) as _ })
}

fn pointer<T>(value: Option<&T>) -> *const T {
    value.map_or(ptr::null(), ptr::from_ref)
}

/// What a program's pointer to a time means. None: nothing that the kernel would take.
///
/// # Safety
/// Null, or a valid pointer.
unsafe fn until<T: Time>(time: *const T) -> Option<Until> {
    if time.is_null() {
        return Some(Until::Ever);
    }
    // SAFETY: the caller's promise.
    unsafe { time.read_unaligned() }.nanos().map(Until::after)
}

// ------------------------------------------------------------------------------------------- scratch

/// Room for some `T`, without the allocator: a program may call from a signal handler. Nothing is dropped
/// with it, because a thread may be cancelled in the call that it is for.
struct Scratch<T: Copy, const N: usize> {
    here: MaybeUninit<[T; N]>,
    mapped: *mut T,
    bytes: size_t,
}

impl<T: Copy, const N: usize> Scratch<T, N> {
    const fn new() -> Self {
        Self { here: MaybeUninit::uninit(), mapped: ptr::null_mut(), bytes: 0 }
    }

    /// `count` of them, all `value`. None: there is no memory.
    fn get(&mut self, count: usize, value: T) -> Option<&mut [T]> {
        let mut at = self.here.as_mut_ptr().cast::<T>();
        if count > N {
            let bytes = count.checked_mul(size_of::<T>())?;
            let (rw, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: a new mapping.
            let map = unsafe { real::mmap(ptr::null_mut(), bytes, rw, flags, -1, 0) };
            if map == libc::MAP_FAILED {
                return None;
            }
            (self.mapped, self.bytes) = (map.cast(), bytes);
            at = self.mapped;
        }
        for k in 0..count {
            // SAFETY: there is room for `count`.
            unsafe { at.add(k).write(value) };
        }
        // SAFETY: `count` values were just written there, and nobody else has the memory.
        Some(unsafe { core::slice::from_raw_parts_mut(at, count) })
    }

    fn free(&mut self) {
        if !self.mapped.is_null() {
            let before = errno::get();
            // SAFETY: the mapping made above; the slice is no longer used.
            unsafe { real::munmap(self.mapped.cast::<c_void>(), self.bytes) };
            errno::set(before);
        }
    }
}

// ---------------------------------------------------------------------------------------------- poll

/// What a ready chime says of the device.
enum Said {
    /// There is an event.
    Event,
    /// There is none (any more): look again.
    Nothing,
    /// The chime is of no use any more.
    Gone,
}

/// `ready`: what poll tells of `chime`, which is that of `fd`, unless another thread has closed that.
fn heard(fd: c_int, chime: c_int, ready: i16) -> Said {
    let gone = libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;
    if edge::has_event(fd) {
        Said::Event
    } else if ready & gone != 0 || edge::known_chime(fd) != Some(chime) {
        Said::Gone
    } else {
        Said::Nothing
    }
}

/// The program's list. None: nothing that could be one of poll's.
fn list<'program>(fds: *mut pollfd, count: nfds_t) -> Option<&'program mut [pollfd]> {
    let count = usize::try_from(count).ok().filter(|&count| count != 0 && count <= MANY)?;
    if fds.addr() < 4096 || !fds.is_aligned() {
        return None;
    }
    // SAFETY: the program gave it to be read and written by poll, and it is not used after our call.
    Some(unsafe { core::slice::from_raw_parts_mut(fds, count) })
}

fn asks_for_events(entry: &pollfd) -> bool {
    entry.events & libc::POLLPRI != 0 && edge::has_events(entry.fd)
}

/// The list, if a chime must be asked for any of it.
#[inline]
fn concerned<'program>(fds: *mut pollfd, count: nfds_t) -> Option<&'program mut [pollfd]> {
    let list = list(fds, count)?;
    // Nearly no program asks for POLLPRI.
    if list.iter().any(|entry| entry.events & libc::POLLPRI != 0) && list.iter().any(asks_for_events) {
        Some(list)
    } else {
        None
    }
}

/// Whose signal mask holds in a call.
#[derive(Clone, Copy)]
enum Mask {
    /// The thread's, as in poll.
    Own,
    /// The program's argument of ppoll.
    Given(*const sigset_t),
}

/// poll or ppoll, each by the system call of its own: a sandbox may know one of them alone.
fn poll_once(entries: &mut [pollfd], until: Until, mask: Mask) -> c_int {
    let (entries, count) = (entries.as_mut_ptr(), entries.len() as nfds_t);
    match mask {
        Mask::Own => {
            let left = until
                .left()
                .map_or(-1, |nanos| c_int::try_from(nanos.div_ceil(1_000_000)).unwrap_or(c_int::MAX));
            // SAFETY: so many entries.
            unsafe { real::poll(entries, count, left) }
        }
        Mask::Given(mask) => {
            let time = rest(until);
            // SAFETY: so many entries; a time or none; the program's own mask.
            unsafe { real::ppoll(entries, count, pointer(time.as_ref()), mask) }
        }
    }
}

/// poll, with chimes.
#[cold]
fn poll_with_chimes(list: &mut [pollfd], until: Until, mask: Mask) -> c_int {
    let count = list.len();
    let most = list.iter().filter(|entry| entry.events & libc::POLLPRI != 0).count();
    let mut scratch = Scratch::<pollfd, 64>::new();
    // The program's entries; the chimes; and in `fd` of the rest, whose they are.
    let Some(all) = scratch.get(count + 2 * most, pollfd { fd: -1, events: 0, revents: 0 }) else {
        return errno::fail(libc::ENOMEM);
    };
    all[..count].copy_from_slice(list);
    let mut chimes = 0;
    for (place, entry) in list.iter().enumerate().filter(|(_, entry)| entry.events & libc::POLLPRI != 0) {
        if let Some(chime) = edge::chime(entry.fd).filter(|_| edge::has_events(entry.fd)) {
            all[count + chimes].fd = chime;
            all[count + chimes].events = libc::POLLPRI | libc::POLLIN;
            all[count + most + chimes].fd = place as c_int;
            chimes += 1;
        }
    }
    let result = loop {
        let ready = poll_once(&mut all[..count + chimes], until, mask);
        if ready < 0 {
            break ready;
        }
        for k in 0..chimes {
            let (place, said) = (all[count + most + k].fd as usize, all[count + k].revents);
            if said == 0 {
                continue;
            }
            match heard(list[place].fd, all[count + k].fd, said) {
                Said::Event => all[place].revents |= libc::POLLPRI,
                Said::Nothing => {}
                Said::Gone => all[count + k].fd = -1,
            }
        }
        let ready = all[..count].iter().filter(|entry| entry.revents != 0).count();
        if ready != 0 || until.left() == Some(0) {
            break ready as c_int;
        }
    };
    if result >= 0 {
        for (entry, told) in list.iter_mut().zip(&*all) {
            entry.revents = told.revents;
        }
    }
    scratch.free();
    result
}

fn milliseconds(timeout: c_int) -> Until {
    u64::try_from(timeout).map_or(Until::Ever, |ms| Until::after(ms * 1_000_000))
}

macro_rules! poll_hooks {
    ($($name:ident $(, $room:ident)?;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fds: *mut pollfd, count: nfds_t, timeout: c_int $(, $room: size_t)?) -> c_int {
            stack::align();
            // A list that is longer than its room ends the program, in the real one.
            let fits = true $(&& count as usize <= $room / size_of::<pollfd>())?;
            match concerned(fds, count).filter(|_| fits) {
                // SAFETY: the program's own arguments.
                None => unsafe { real::$name(fds, count, timeout $(, $room)?) },
                Some(list) => poll_with_chimes(list, milliseconds(timeout), Mask::Own),
            }
        }
    )*};
}

poll_hooks! {
    poll;
    __poll;
    __poll_chk, room;
}

macro_rules! ppoll_hooks {
    ($($name:ident: $time:ty $(, $room:ident)?;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            fds: *mut pollfd,
            count: nfds_t,
            time: *const $time,
            mask: *const sigset_t
            $(, $room: size_t)?
        ) -> c_int {
            stack::align();
            let fits = true $(&& count as usize <= $room / size_of::<pollfd>())?;
            if let Some(list) = concerned(fds, count).filter(|_| fits) {
                // SAFETY: the program's own argument.
                if let Some(until) = unsafe { until(time) } {
                    return poll_with_chimes(list, until, Mask::Given(mask));
                }
            }
            // SAFETY: the program's own arguments.
            unsafe { real::$name(fds, count, time, mask $(, $room)?) }
        }
    )*};
}

ppoll_hooks! {
    ppoll: timespec;
    __ppoll_chk: timespec, room;
}

#[cfg(target_pointer_width = "32")]
ppoll_hooks! {
    __ppoll64: Timespec64;
}

// -------------------------------------------------------------------------------------------- select

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

/// Whether a chime must be asked for any number of the set.
#[inline]
fn is_concerned(count: c_int, set: *const fd_set) -> bool {
    let set = set.cast::<c_ulong>();
    let count = usize::try_from(count).unwrap_or(0);
    if set.addr() < 4096 || count > MANY {
        return false;
    }
    // SAFETY: the program gave it to be read by select; not null.
    unsafe { members(set, count) }.any(edge::has_events)
}

/// The program's sets: to read, to write, exceptions. Null where there is none.
type Sets = [*mut fd_set; 3];

/// select, with chimes.
#[cold]
fn select_with_chimes(count: usize, sets: Sets, until: Until, mask: *const sigset_t) -> c_int {
    let sets = sets.map(<*mut fd_set>::cast::<c_ulong>);
    let words = count.div_ceil(WORD);
    // SAFETY: the program's own set, which is not null.
    let asked = || unsafe { members(sets[2], count) }.filter(|&fd| edge::has_events(fd));
    let (mut pairs, mut highest) = (0, 0);
    for chime in asked().filter_map(edge::chime) {
        (pairs, highest) = (pairs + 1, highest.max(chime as usize));
    }
    let larger = count.max(highest + 1);
    let room = larger.div_ceil(WORD);
    let mut scratch = Scratch::<c_ulong, 160>::new();
    let Some(all) = scratch.get(3 * room + 2 * pairs, 0) else { return errno::fail(libc::ENOMEM) };
    let (copies, both) = all.split_at_mut(3 * room);
    let mut pairs = 0;
    for (pair, fd) in both.chunks_exact_mut(2).zip(asked()) {
        // Whoever was asked for has one, or has just lost it.
        if let Some(chime) = edge::known_chime(fd).filter(|&chime| (chime as usize) < larger) {
            (pair[0], pair[1]) = (fd as c_ulong, chime as c_ulong);
            pairs += 1;
        }
    }
    let pairs = &mut both[..2 * pairs];
    let result = loop {
        for (copy, &set) in copies.chunks_exact_mut(room).zip(&sets) {
            copy.fill(0);
            for (k, word) in copy.iter_mut().enumerate().take(if set.is_null() { 0 } else { words }) {
                // SAFETY: so many words are the program's.
                *word = unsafe { set.add(k).read() } & below(count, k);
            }
        }
        let mut parts = copies.chunks_exact_mut(room);
        let (Some(read), Some(write), Some(except)) = (parts.next(), parts.next(), parts.next()) else {
            break errno::fail(libc::EINVAL);
        };
        for chime in pairs.chunks_exact(2).map(|pair| pair[1] as c_int).filter(|&chime| chime != 0) {
            put(except, chime, true);
            put(read, chime, true);
        }
        let time = rest(until);
        // SAFETY: three sets of that many bits; a time or none; the program's own mask.
        let ready = unsafe {
            real::pselect(
                larger as c_int,
                read.as_mut_ptr().cast(),
                write.as_mut_ptr().cast(),
                except.as_mut_ptr().cast(),
                pointer(time.as_ref()),
                mask,
            )
        };
        if ready < 0 {
            break ready;
        }
        for pair in pairs.chunks_exact_mut(2) {
            let (fd, chime) = (pair[0] as c_int, pair[1] as c_int);
            let rings = chime != 0 && (has(except, chime) || has(read, chime));
            put(except, chime, false);
            put(read, chime, false);
            if !rings {
                continue;
            }
            match heard(fd, chime, hung_up(chime)) {
                Said::Event => put(except, fd, true),
                Said::Nothing => {}
                Said::Gone => pair[1] = 0,
            }
        }
        let ready: u32 =
            [&*read, &*write, &*except].into_iter().flatten().map(|word| word.count_ones()).sum();
        if ready != 0 || until.left() == Some(0) {
            break ready as c_int;
        }
    };
    if result >= 0 {
        for (copy, &set) in copies.chunks_exact(room).zip(&sets).filter(|(_, set)| !set.is_null()) {
            for (k, word) in copy.iter().enumerate().take(words) {
                // SAFETY: as above.
                unsafe { set.add(k).write(*word) };
            }
        }
    }
    scratch.free();
    result
}

/// What of a chime select does not tell.
fn hung_up(chime: c_int) -> i16 {
    let mut entry = pollfd { fd: chime, events: 0, revents: 0 };
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
            if is_concerned(count, except) {
                // SAFETY: the program's own argument.
                if let Some(until) = unsafe { until(time) } {
                    let result = select_with_chimes(count as usize, [read, write, except], until, ptr::null());
                    if let Some(left) = until.left() {
                        // As Linux does, what is left is told, also after a signal.
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
            if is_concerned(count, except) {
                // SAFETY: the program's own argument.
                if let Some(until) = unsafe { until(time) } {
                    return select_with_chimes(count as usize, [read, write, except], until, mask);
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

// --------------------------------------------------------------------------------------------- epoll

/// What of a registration concerns the chime too; without POLLIN and its kin, which are the device's.
const SHARED: u32 = (libc::EPOLLPRI | libc::EPOLLET | libc::EPOLLONESHOT | libc::EPOLLWAKEUP) as u32;

/// After the program has registered one of its descriptors: the chime follows. (Two descriptors of one open
/// file in one epoll have one chime there, with the data of the later.)
#[cold]
fn follow(epoll: c_int, operation: c_int, fd: c_int, event: Option<epoll_event>) {
    let wanted = event.filter(|event| event.events & libc::EPOLLPRI as u32 != 0);
    let chime = if wanted.is_some() { edge::chime(fd) } else { edge::known_chime(fd) };
    let Some(chime) = chime else { return };
    let before = errno::get();
    let call = |operation: c_int, event: *mut epoll_event| {
        // SAFETY: an event or null, as the operation wants it.
        unsafe { real::epoll_ctl(epoll, operation, chime, event) == 0 }
    };
    match wanted {
        Some(event) => {
            let mut event = epoll_event { events: event.events & SHARED, u64: event.u64 };
            let _ = call(libc::EPOLL_CTL_ADD, &mut event) || call(libc::EPOLL_CTL_MOD, &mut event);
        }
        None if operation != libc::EPOLL_CTL_ADD => {
            call(libc::EPOLL_CTL_DEL, ptr::null_mut());
        }
        None => {}
    }
    errno::set(before);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: *mut epoll_event) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    let result = unsafe { real::epoll_ctl(epoll, operation, fd, event) };
    if result == 0 {
        // SAFETY: the kernel has read it.
        let event = (operation != libc::EPOLL_CTL_DEL).then(|| unsafe { event.read_unaligned() });
        let asks = event.is_some_and(|event| event.events & libc::EPOLLPRI as u32 != 0);
        if asks || (operation != libc::EPOLL_CTL_ADD && edge::is_ours(fd)) {
            follow(epoll, operation, fd, event);
        }
    }
    result
}
