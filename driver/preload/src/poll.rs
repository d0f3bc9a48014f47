//! poll and ppoll, with the companions of the program's descriptors (see [`companion`](crate::companion)).

use core::ffi::{c_int, c_ulong};

use libc::{nfds_t, pollfd, sigset_t, size_t, timespec};
use vloopback_runtime::stack;
use vloopback_sys::Scratch;

use crate::companion::{GONE, Kind, Said, heard};
use crate::errno;
use crate::real;
#[cfg(target_pointer_width = "32")]
use crate::types::Timespec64;
use crate::wait_time::{Until, pointer, rest, until};

/// More descriptors than any process has: such a list goes on to the kernel as it is, to be refused.
const MANY: usize = 1 << 20;

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
