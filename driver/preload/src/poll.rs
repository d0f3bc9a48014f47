//! poll, select and epoll_ctl, for V4L2 events, for requests to a zero-copy pusher, and for sockets that listen for
//! devices.
//!
//! The kernel object behind a descriptor has the device's readiness itself, with two exceptions. No such object raises
//! POLLPRI, an event, without POLLIN (driver/docs/clients.md, "Readiness"): for that the open file has a second, hidden
//! descriptor, its *event doorbell*. And a zero-copy pusher's clients make another one readable, its *request
//! doorbell*, because that needs no help of the daemon (`device/zero/request_doorbell.rs`). If a program asks for
//! POLLPRI of a device that has subscribed to events, or for POLLIN of one that has a request doorbell, the hook also
//! polls that companion and reports its readiness as the descriptor's. The same holds for a socket that listens for
//! devices that come and go (`runtime/monitor.rs`). epoll gets the companion as a second member with the program's own
//! data, so epoll_wait needs no hook. All other calls go on to the C library after a look at the program's own list.
//!
//! A `poll` that began before the open file's first subscription does not see the file's events.

use core::ffi::{c_int, c_ulong};
use core::ptr;

use libc::{epoll_event, fd_set, nfds_t, pollfd, sigset_t, size_t, timespec, timeval};
use vloopback_runtime::edge;

use crate::errno;
use crate::real;
#[cfg(target_pointer_width = "32")]
use crate::types::{Timespec64, Timeval64};
use vloopback_runtime::stack;
use vloopback_sys::Scratch;
use vloopback_sys::clock::now;

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

// ---------------------------------------------------------------------------------------------- poll

/// What a companion stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// V4L2's events: POLLPRI.
    EventDoorbell = 1,
    /// Requests to a zero-copy pusher: POLLIN.
    RequestDoorbell = 2,
    /// Devices that come and go, of a socket that listens for those: POLLIN.
    Monitor = 3,
}

impl Kind {
    const ALL: [Self; 3] = [Self::EventDoorbell, Self::RequestDoorbell, Self::Monitor];

    /// The one with this number; there are no others.
    const fn numbered(number: c_ulong) -> Self {
        match number {
            1 => Self::EventDoorbell,
            2 => Self::RequestDoorbell,
            _ => Self::Monitor,
        }
    }

    /// The poll events of the program that concern this companion.
    const fn concerns(self) -> i16 {
        match self {
            Self::EventDoorbell => libc::POLLPRI,
            Self::RequestDoorbell | Self::Monitor => libc::POLLIN | libc::POLLRDNORM,
        }
    }

    /// What the companion itself is asked for.
    const fn asks(self) -> i16 {
        match self {
            Self::EventDoorbell => libc::POLLPRI | libc::POLLIN,
            Self::RequestDoorbell | Self::Monitor => libc::POLLIN,
        }
    }

    /// Whether any descriptor of the process can have such a companion, as far as that is known at no cost.
    #[inline]
    fn can_be(self) -> bool {
        match self {
            Self::EventDoorbell => true,
            Self::RequestDoorbell => edge::has_request_doorbells(),
            Self::Monitor => edge::has_monitors(),
        }
    }

    /// Whether this descriptor may report something by such a companion.
    fn is_needed(self, fd: c_int) -> bool {
        match self {
            Self::EventDoorbell => edge::has_events(fd),
            Self::RequestDoorbell => edge::request_doorbell_number(fd).is_some(),
            Self::Monitor => edge::monitor_number(fd).is_some(),
        }
    }

    /// The companion of a descriptor. It is made if there is none.
    fn of(self, fd: c_int) -> Option<c_int> {
        match self {
            Self::EventDoorbell => edge::event_doorbell(fd).filter(|_| edge::has_events(fd)),
            Self::RequestDoorbell => edge::request_doorbell(fd),
            Self::Monitor => edge::monitor(fd),
        }
    }

    /// The same, but none is made.
    fn known(self, fd: c_int) -> Option<c_int> {
        match self {
            Self::EventDoorbell => edge::known_event_doorbell(fd),
            Self::RequestDoorbell => edge::request_doorbell(fd),
            Self::Monitor => edge::monitor(fd),
        }
    }
}

/// What poll reports for a descriptor that is no longer ready.
const GONE: i16 = libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;

/// What a ready companion means for the device.
enum Said {
    /// It is ready, for what the companion stands for.
    Ready,
    /// The device is not ready, or no longer: look again.
    Nothing,
    /// The companion is of no use any more.
    Gone,
}

/// `ready`: what poll reports for `companion`, the companion of `fd` unless another thread has closed that.
fn heard(kind: Kind, fd: c_int, companion: c_int, ready: i16) -> Said {
    let gone = ready & GONE != 0;
    match kind {
        Kind::EventDoorbell if edge::has_event(fd) => Said::Ready,
        Kind::EventDoorbell if gone || edge::known_event_doorbell(fd) != Some(companion) => Said::Gone,
        Kind::EventDoorbell => Said::Nothing,
        Kind::RequestDoorbell if gone || edge::request_doorbell_number(fd) != Some(companion) => Said::Gone,
        Kind::RequestDoorbell if edge::has_request(fd) => Said::Ready,
        Kind::RequestDoorbell => Said::Nothing,
        Kind::Monitor if gone || edge::monitor_number(fd) != Some(companion) => Said::Gone,
        Kind::Monitor if edge::has_news(fd) => Said::Ready,
        Kind::Monitor => Said::Nothing,
    }
}

/// The program's list. None: the arguments cannot be a list for poll.
fn list<'program>(fds: *mut pollfd, count: nfds_t) -> Option<&'program mut [pollfd]> {
    let count = usize::try_from(count).ok().filter(|&count| count != 0 && count <= MANY)?;
    if fds.addr() < 4096 || !fds.is_aligned() {
        return None;
    }
    // SAFETY: the program gave it to be read and written by poll, and it is not used after our call.
    Some(unsafe { core::slice::from_raw_parts_mut(fds, count) })
}

/// The list, if any entry of it has a companion that must be polled.
#[inline]
fn concerned<'program>(fds: *mut pollfd, count: nfds_t) -> Option<&'program mut [pollfd]> {
    let list = list(fds, count)?;
    // Nearly no program asks for POLLPRI, or has a request doorbell.
    let concerned = Kind::ALL.into_iter().any(|kind| {
        let asks = |entry: &pollfd| entry.events & kind.concerns() != 0;
        kind.can_be() && list.iter().any(asks) && list.iter().any(|e| asks(e) && kind.is_needed(e.fd))
    });
    concerned.then_some(list)
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

/// poll, with companions.
#[cold]
fn poll_with_companions(list: &mut [pollfd], until: Until, mask: Mask) -> c_int {
    let count = list.len();
    let asked = || {
        Kind::ALL.into_iter().flat_map(|kind| {
            let places = list.iter().enumerate();
            places
                .filter(move |(_, e)| kind.can_be() && e.events & kind.concerns() != 0)
                .map(move |(k, e)| (kind, k, e.fd))
        })
    };
    let most = asked().count();
    let mut scratch = Scratch::<pollfd, 64>::new();
    // Three lists: the program's entries, the companions, and for each companion its owner (in `fd`) and its kind (in
    // `events`).
    let Some(all) = scratch.get(count + 2 * most, pollfd { fd: -1, events: 0, revents: 0 }) else {
        return errno::fail(libc::ENOMEM);
    };
    let (entries, kinds) = all.split_at_mut(count + most);
    entries[..count].copy_from_slice(list);
    let mut companions = 0;
    for (kind, place, fd) in asked() {
        if let Some(companion) = kind.of(fd) {
            entries[count + companions].fd = companion;
            entries[count + companions].events = kind.asks();
            kinds[companions].fd = place as c_int;
            kinds[companions].events = kind as i16;
            companions += 1;
        }
    }
    let result = loop {
        let ready = poll_once(&mut entries[..count + companions], until, mask);
        if ready < 0 {
            break ready;
        }
        for k in 0..companions {
            let (place, said) = (kinds[k].fd as usize, entries[count + k].revents);
            let kind = Kind::numbered(kinds[k].events as c_ulong);
            // The request notifier's byte may be of a request that was withdrawn, too.
            let own = entries[place].revents;
            let has_byte = kind == Kind::RequestDoorbell && own & kind.concerns() != 0 && own & GONE == 0;
            if said == 0 && !has_byte {
                continue;
            }
            match heard(kind, list[place].fd, entries[count + k].fd, said) {
                Said::Ready => entries[place].revents |= list[place].events & kind.concerns(),
                Said::Nothing if has_byte => entries[place].revents &= !kind.concerns(),
                Said::Nothing => {}
                Said::Gone => entries[count + k].fd = -1,
            }
        }
        let ready = entries[..count].iter().filter(|entry| entry.revents != 0).count();
        if ready != 0 || until.left() == Some(0) {
            break ready as c_int;
        }
    };
    if result >= 0 {
        for (entry, told) in list.iter_mut().zip(&*entries) {
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
            // The C library's function ends the program if the list is longer than its buffer.
            let fits = true $(&& count as usize <= $room / size_of::<pollfd>())?;
            match concerned(fds, count).filter(|_| fits) {
                // SAFETY: the program's own arguments.
                None => unsafe { real::$name(fds, count, timeout $(, $room)?) },
                Some(list) => poll_with_companions(list, milliseconds(timeout), Mask::Own),
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
                    return poll_with_companions(list, until, Mask::Given(mask));
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

// --------------------------------------------------------------------------------------------- epoll

/// The flags of a registration that hold for every kind of companion.
const SHARED: u32 = (libc::EPOLLET | libc::EPOLLONESHOT | libc::EPOLLWAKEUP) as u32;
/// The events that a request doorbell stands for. The bits are those of poll.
const READ: u32 = (libc::EPOLLIN | libc::EPOLLRDNORM) as u32;
/// The same of an event doorbell.
const URGENT: u32 = libc::EPOLLPRI as u32;

/// After the program has registered one of its descriptors: its companions follow. (Two descriptors of one
/// open file in one epoll have one of each there, with the data of the later.)
#[cold]
fn follow(epoll: c_int, operation: c_int, fd: c_int, event: Option<epoll_event>) {
    let asked = event.map_or(0, |event| event.events);
    let event_doorbell =
        if asked & URGENT != 0 { edge::event_doorbell(fd) } else { edge::known_event_doorbell(fd) };
    let request_doorbell = edge::request_doorbell(fd);
    if request_doorbell.is_none() && asked & READ != 0 {
        // A request doorbell that is made later would not be in the epoll.
        edge::without_request_doorbell(fd);
    }
    for (companion, stands_for) in
        [(event_doorbell, URGENT), (request_doorbell, READ), (edge::monitor(fd), READ)]
    {
        let Some(companion) = companion else { continue };
        let before = errno::get();
        let call = |operation: c_int, event: *mut epoll_event| {
            // SAFETY: an event or null, as the operation wants it.
            unsafe { real::epoll_ctl(epoll, operation, companion, event) == 0 }
        };
        match event.filter(|event| event.events & stands_for != 0) {
            Some(event) => {
                let mut event = epoll_event { events: event.events & (SHARED | stands_for), u64: event.u64 };
                let _ = call(libc::EPOLL_CTL_ADD, &mut event) || call(libc::EPOLL_CTL_MOD, &mut event);
            }
            None if operation != libc::EPOLL_CTL_ADD => {
                call(libc::EPOLL_CTL_DEL, ptr::null_mut());
            }
            None => {}
        }
        errno::set(before);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: *mut epoll_event) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    let result = unsafe { real::epoll_ctl(epoll, operation, fd, event) };
    if result == 0 {
        // SAFETY: the kernel has read it.
        let event = (operation != libc::EPOLL_CTL_DEL).then(|| unsafe { event.read_unaligned() });
        // An unknown one is looked at if it asks for events.
        if edge::is_ours(fd)
            || event.is_some_and(|event| event.events & URGENT != 0)
            || edge::monitor_number(fd).is_some()
        {
            follow(epoll, operation, fd, event);
        }
    }
    result
}
