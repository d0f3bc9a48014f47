//! The pusher's side: SIGIO, and read() and ioctl() on an input of a zero-copy pipe.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_abi::ioc;
use vloopback_abi::v4l1::{VideoCapability, VideoChannel, VideoMbuf, VideoPicture, request};
use vloopback_ioctl::forwarded;
use vloopback_ring::pusher_page::{Entry, Next, Pending, PusherCaps, PusherPage, Taken};
use vloopback_ring::request_slot::MAX_DATA;
use zerocopy::FromBytes;

use crate::caller::Call;
use crate::files::Files;
use crate::open_file::{OpenFile, is_certain};
use crate::zero::memory::{call_daemon, is_zero, join, pusher_page, wake_notifier};
use crate::zero::{NUMBER_LEN, capture, request_doorbell};
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result};

/// Runs `f` on the clients that there are.
fn with_clients<T>(session: &OpenFile, pusher_page: &PusherPage, f: impl FnOnce(&[Entry]) -> T) -> T {
    let quiet = NoSignals::new();
    let mut clients = session.clients.lock(&quiet);
    // Who could not be taken up now is at the next look; it reminds us.
    let _ = clients.refresh(session.info().session, pusher_page);
    f(clients.entries())
}

/// The pusher's page, for its own side: also in a process that got the descriptor by exec.
fn joined(session: &OpenFile) -> Result<&PusherPage> {
    if pusher_page(session).is_none() {
        join(session, 0)?;
        request_doorbell::install(session);
    }
    pusher_page(session).ok_or(Errno::EINVAL)
}

/// Lets the kernel send SIGIO for this descriptor, and for its request doorbell, as soon as it would not kill the
/// process: when the signal is caught, ignored or blocked. What came before raises it now. `is_its` is asked whether
/// the descriptor is the session's.
pub(super) fn arm(session: &OpenFile, fd: c_int, is_its: impl FnOnce() -> bool) {
    if session.armed.load(Ordering::Relaxed) || !sys::sigio_is_harmless() || !is_its() {
        return;
    }
    // What comes meanwhile and what came before are one signal.
    let _quiet = NoSignals::new();
    if sys::send_sigio(fd).is_err() {
        return;
    }
    let request_doorbell = request_doorbell::heard_at(session);
    if request_doorbell.is_some_and(|request_doorbell| sys::send_sigio(request_doorbell).is_err()) {
        request_doorbell::disable(session);
    }
    session.armed.store(true, Ordering::Relaxed);
    if sys::has_byte(fd) || request_doorbell.is_some_and(sys::has_message) {
        sys::raise_sigio();
    }
}

/// The program changed how it takes signals: pushers that were not armed may be now.
pub fn signals_changed(files: &Files) {
    files.each(|session| {
        let fd = session.pusher_fd.load(Ordering::Relaxed);
        if fd >= 0 && session.info().input && is_zero(session) {
            arm(session, fd, || is_certain(fd, session));
        }
    });
}

/// What is next for the pusher, with the data in `data`. It can have one request at a time.
pub fn take(session: &OpenFile, pusher_page: &PusherPage, data: &mut [u8; MAX_DATA]) -> Option<Taken> {
    let order = capture::order_of(&session.board().format(), pusher_page);
    with_clients(session, pusher_page, |request_slots| {
        pusher_page.take(request_slots, order, sys::now(), data)
    })
}

/// The pusher is done with something: its descriptor is readable if there is more.
pub fn look_for_more(session: &OpenFile, pusher_page: &PusherPage) {
    let captures = capture::order_of(&session.board().format(), pusher_page).is_some();
    let next = with_clients(session, pusher_page, |request_slots| {
        pusher_page.next(request_slots, captures, sys::now())
    });
    let zero = session.zero.number.load(Ordering::Relaxed);
    if next == Some(Next::Request) && request_doorbell::ring(session, pusher_page, zero) {
        return;
    }
    if next.is_some() {
        wake_notifier(session);
    } else if pusher_page.holds_back() {
        // It must not wait for a client that copies and was stopped: the daemon looks again. If that is gone,
        // so is the pipe.
        let _ = call_daemon(session);
    }
}

/// What rang at the pusher's descriptor has been seen; `was_rung`: and at its request doorbell. After the look at what
/// there is: while the byte lies there the request notifier rings nobody for it. Where none lies it may be about to; it
/// is waited for, but not for ever.
fn clear_requests(session: &OpenFile, pusher_page: &PusherPage, fd: c_int, was_rung: bool) {
    sys::wait_while(|| pusher_page.is_looked_at());
    sys::take_bytes(fd);
    request_doorbell::heard(session, was_rung);
}

/// Whether there is something to take for a pusher whose descriptor or request doorbell is ready. What rang may have
/// been withdrawn, or taken along with what rang before; then both are cleared.
pub fn is_rightly_rung(session: &OpenFile, fd: c_int) -> bool {
    // Before the first look nothing is known.
    let Some(pusher_page) = pusher_page(session) else { return true };
    let captures = capture::order_of(&session.board().format(), pusher_page).is_some();
    let is_there = |request_slots: &[Entry]| pusher_page.has_next(request_slots, captures, sys::now());
    if !is_certain(fd, session) || with_clients(session, pusher_page, is_there) {
        return true;
    }
    let was_rung = session.request_doorbell.known().is_some_and(sys::take_messages);
    clear_requests(session, pusher_page, fd, was_rung);
    // What came after the look rings again.
    look_for_more(session, pusher_page);
    session.request_doorbell.known().is_some_and(sys::has_message) || sys::has_byte(fd)
}

/// read(2) on an input of a zero-copy pipe, into the program's pieces: a request's number and its data, or
/// number 0 for a client that has closed.
///
/// The request that made the descriptor readable may have been withdrawn. poll and select see that, but it can
/// happen after them, and a signal tells nothing. Who has O_NONBLOCK gets EAGAIN then, who was asleep in this call
/// sleeps on. Any other was told that there is something, often in its signal handler: it must not sleep, and gets
/// 0 bytes. (Not an error: pushers look whether they got a number, some in a `size_t`.)
///
/// # Errors
/// EAGAIN, EINTR, EFAULT, ENODEV; EINVAL: no room for the number.
pub fn read(call: &Call, pieces: &[libc::iovec]) -> Result<usize> {
    let session = call.file;
    let pusher_page = joined(session)?;
    let room = pieces.iter().fold(0usize, |sum, piece| sum.saturating_add(piece.iov_len));
    if room < NUMBER_LEN || room > isize::MAX as usize {
        return Err(Errno::EINVAL);
    }
    let room = room.min(NUMBER_LEN + MAX_DATA);
    let mut slept = false;
    loop {
        session.alive()?;
        // Before anything is taken, so that a bad address loses nothing.
        scatter(pieces, room, |_, at, len| {
            call.caller.check_writable(session, at, len).map_err(|_| Errno::EFAULT)
        })?;
        let Some(fd) = call.caller.device(session) else { return Err(Errno::EBADF) };
        // What has not rung is not readable yet.
        let was_rung = session.request_doorbell.known().is_some_and(sys::take_messages);
        if !was_rung && !sys::has_byte(fd) {
            if !call.caller.may_wait() {
                return Err(Errno::EAGAIN);
            }
            request_doorbell::wait(session, pusher_page, fd)?;
            slept = true;
            continue;
        }
        let mut data = [0; MAX_DATA];
        let taken = take(session, pusher_page, &mut data);
        clear_requests(session, pusher_page, fd, was_rung);
        let (number, got) = match taken {
            Some(Taken::Request(pending, len)) => {
                let number = pending.number();
                let whole = len == ioc::ioc_size(number);
                let len = if whole { forwarded::narrow(call.caller.abi(), number, &mut data) } else { len };
                (forwarded::own_number(call.caller.abi(), number), len)
            }
            Some(Taken::Closing) => {
                look_for_more(session, pusher_page);
                (0, 0)
            }
            None => {
                look_for_more(session, pusher_page);
                if !call.caller.may_wait() {
                    return Err(Errno::EAGAIN);
                }
                if slept {
                    continue;
                }
                return Ok(0);
            }
        };
        let mut record = [0; NUMBER_LEN + MAX_DATA];
        record[..NUMBER_LEN].copy_from_slice(&(number as usize).to_ne_bytes());
        record[NUMBER_LEN..NUMBER_LEN + got].copy_from_slice(&data[..got]);
        return scatter(pieces, (NUMBER_LEN + got).min(room), |from, at, len| {
            call.caller.write(at, &record[from..from + len]).map_err(|_| Errno::EFAULT)
        });
    }
}

/// Does `f` (from where in the record, the address, the length) to the pieces until `count` bytes are used.
fn scatter(
    pieces: &[libc::iovec],
    count: usize,
    f: impl Fn(usize, usize, usize) -> Result<()>,
) -> Result<usize> {
    let mut done = 0;
    for piece in pieces {
        let len = piece.iov_len.min(count - done);
        if len != 0 {
            f(done, piece.iov_base as usize, len)?;
        }
        done += len;
    }
    Ok(done)
}

/// An ioctl on an input of a zero-copy pipe: the answer to the request that was read.
///
/// # Errors
/// EFAULT: the answer's data cannot be read; EINVAL: not the request that waits for an answer. Nothing
/// has changed then.
pub fn answer(call: &Call, number: u32, arg: usize) -> Result<c_int> {
    let session = call.file;
    let pusher_page = joined(session)?;
    // Nothing waits: some pushers refuse, and then answer all the same.
    let Some(pending) =
        with_clients(session, pusher_page, |request_slots| pusher_page.pending(request_slots))
    else {
        return Ok(0);
    };
    let asked = pending.number();
    let refused = number == request::SINVALID;
    let own = forwarded::own_number(call.caller.abi(), asked);
    if !refused && number != own {
        return Err(Errno::EINVAL);
    }
    let mut told = [0; MAX_DATA];
    let len = ioc::ioc_size(own).min(MAX_DATA);
    // SINVALID's argument is garbage.
    if !refused && ioc::ioc_dir(asked) != ioc::NONE {
        call.caller.read(arg, &mut told[..len]).map_err(|_| Errno::EFAULT)?;
    }
    give(session, pusher_page, &pending, |data| {
        if refused {
            return Errno::ENOTTY.raw() as u32;
        }
        // To accept what was set, a pusher gives back what it was sent.
        if ioc::ioc_dir(asked) == ioc::WRITE {
            forwarded::narrow(call.caller.abi(), asked, data);
            if data[..len] != told[..len] {
                return Errno::EINVAL.raw() as u32;
            }
        }
        forwarded::widen(call.caller.abi(), asked, &mut told);
        *data = told;
        0
    });
    Ok(0)
}

/// Answers a request: `answer` gets the data that was asked with and returns the errno (0 for none); what it
/// leaves in the buffer is the answer's data. False: the request was withdrawn meanwhile.
///
/// `answer` runs with signals blocked.
pub fn give(
    session: &OpenFile,
    pusher_page: &PusherPage,
    pending: &Pending,
    answer: impl FnOnce(&mut [u8; MAX_DATA]) -> u32,
) -> bool {
    let mut told = [0; MAX_DATA];
    let mut errno = 0;
    if let Ok(me) = connection::peer() {
        // Who dies in the middle is found by it.
        pusher_page.set_answerer(me);
    }
    let Some(ticket) = pending.ticket() else {
        if !pusher_page.begin_answer(pending) {
            return false;
        }
        pusher_page.capture_request(&mut told);
        errno = answer(&mut told);
        if errno == 0 {
            learn(pusher_page, pending.number(), &told);
        }
        capture::answered(session, pusher_page, errno);
        look_for_more(session, pusher_page);
        return true;
    };
    let given = with_clients(session, pusher_page, |request_slots| {
        let Some(entry) = request_slots.iter().find(|entry| entry.ticket == ticket) else { return false };
        let given = entry.request_slot.answer(pending.serial(), |data| {
            errno = answer(data);
            told = *data;
            errno
        });
        if given {
            if errno == 0 {
                learn(pusher_page, pending.number(), &told);
                if pending.number() == request::SYNC {
                    pusher_page.count_frame();
                }
            } else if pending.number() == request::SPICT {
                note_set(pusher_page, &told, false);
            }
            sys::futex_wake_all(entry.request_slot.word());
        }
        given
    });
    pusher_page.done(pending, sys::now());
    look_for_more(session, pusher_page);
    given
}

/// The data that a request came with. False: it was withdrawn meanwhile.
pub fn asked(
    session: &OpenFile,
    pusher_page: &PusherPage,
    pending: &Pending,
    data: &mut [u8; MAX_DATA],
) -> bool {
    match pending.ticket() {
        None => {
            pusher_page.capture_request(data);
            is_waiting(session, pusher_page, pending)
        }
        Some(ticket) => with_clients(session, pusher_page, |request_slots| {
            let mut request_slots = request_slots.iter();
            request_slots
                .find(|e| e.ticket == ticket)
                .is_some_and(|e| e.request_slot.asked(pending.serial(), data))
        }),
    }
}

/// Whether a request still waits for its answer.
pub fn is_waiting(session: &OpenFile, pusher_page: &PusherPage, pending: &Pending) -> bool {
    with_clients(session, pusher_page, |request_slots| pusher_page.pending(request_slots) == Some(*pending))
}

/// Keeps which palettes the pusher takes.
fn note_set(pusher_page: &PusherPage, data: &[u8; MAX_DATA], accepted: bool) {
    if let Ok((picture, _)) = VideoPicture::read_from_prefix(data) {
        pusher_page.note_set(picture.palette.into(), accepted);
    }
}

/// Keeps what the pusher tells of itself, for those who must not ask each time.
fn learn(pusher_page: &PusherPage, number: u32, data: &[u8; MAX_DATA]) {
    match number {
        request::GPICT => {
            if let Ok((picture, _)) = VideoPicture::read_from_prefix(data) {
                pusher_page.set_palette(picture.palette.into());
            }
        }
        request::SPICT => note_set(pusher_page, data, true),
        request::GCAP => {
            if let Ok((cap, _)) = VideoCapability::read_from_prefix(data) {
                let positive = |n: i32| u32::try_from(n).unwrap_or(0);
                pusher_page.set_caps(&PusherCaps {
                    type_: cap.type_ as u32,
                    channels: positive(cap.channels),
                    sizes: [cap.maxwidth, cap.maxheight, cap.minwidth, cap.minheight].map(positive),
                });
            }
        }
        request::SCHAN => {
            if let Ok((channel, _)) = VideoChannel::read_from_prefix(data) {
                pusher_page.set_channel(channel.channel as u32);
            }
        }
        request::GMBUF => {
            if let Ok((layout, _)) = VideoMbuf::read_from_prefix(data) {
                pusher_page.set_origin(layout.offsets[0].try_into().unwrap_or(0));
            }
        }
        _ => {}
    }
}
