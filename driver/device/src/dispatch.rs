//! read, ioctl and mmap of an open file: which part of a device they are for.

use core::ffi::{c_int, c_void};
use core::sync::atomic::Ordering;

use vloopback_ioctl::{dispatch_v4l1, dispatch_v4l2, is_v4l1, is_v4l2, request_number};
use vloopback_wire::Request;

use crate::caller::Call;
use crate::mappings::Mapping;
use crate::open_file::{self, OpenFile};
use crate::v4l2::node::Node;
use crate::v4l2::{dequeue, feed, forward, queue};
use crate::zero::{ask, memory, mmap as zero_mmap, pusher};
use crate::{input, output, v4l1};
use vloopback_link::connection;
use vloopback_sys::{Errno, Result};

/// read(2).
///
/// # Errors
/// As [`output::read`], [`pusher::read`] and `ask::read_frame`.
pub fn read(call: &Call, buf: usize, len: usize) -> Result<usize> {
    let session = call.file;
    if !memory::is_zero(session) {
        return output::read(call, buf, len);
    }
    session.alive()?;
    if session.info().input {
        let piece = libc::iovec { iov_base: buf as *mut c_void, iov_len: len };
        pusher::read(call, core::slice::from_ref(&piece))
    } else if open_file::is_client(session) {
        output::begin_read(call)?;
        output::read(call, buf, len)
    } else {
        ask::read_frame(call, buf, len)
    }
}

/// readv(2). A V4L2 program reads a stream of bytes (`byte_stream`), so one piece after the other is filled, until one is
/// not filled wholly. A V4L1 program gets one frame, into the first piece that has room; what does not fit there is not
/// kept. A zero-copy pusher's request fills the pieces in turn.
///
/// # Errors
/// As [`read`]; if some bytes were read before, their count is the answer.
pub fn readv(call: &Call, pieces: &[libc::iovec]) -> Result<usize> {
    let session = call.file;
    let mut filled = pieces.iter().filter(|piece| piece.iov_len != 0).peekable();
    if filled.peek().is_some() && session.info().input && memory::is_zero(session) {
        session.alive()?;
        return pusher::read(call, pieces);
    }
    let mut done: usize = 0;
    for piece in filled {
        match read(call, piece.iov_base as usize, piece.iov_len) {
            Ok(count) => {
                done = done.saturating_add(count);
                if count < piece.iov_len || !open_file::is_client(session) {
                    break;
                }
            }
            Err(e) if done == 0 => return Err(e),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// ioctl(2).
///
/// # Errors
/// Those of the request.
pub fn ioctl(call: &Call, request: u64, arg: usize) -> Result<c_int> {
    let (session, caller) = (call.file, call.caller);
    session.alive()?;
    if request_number(request) == 0 && session.info().input && memory::is_zero(session) {
        // Some pushers answer a client's closing, too (driver/docs/old-api.md, "Rules for pushers" 8).
        return Ok(0);
    }
    if is_v4l1(request) {
        // From its next open on this process is legacy (driver/docs/rules.md, "Eras").
        caller.made_v4l1_request();
        if session.page().v4l1.swap(1, Ordering::Relaxed) == 0 {
            // It waits for a placeholder no more.
            session.page().patient.store(u32::from(open_file::is_patient(session)), Ordering::Relaxed);
        }
        if memory::is_zero(session) {
            return if session.info().input {
                pusher::answer(call, request_number(request), arg)
            } else {
                ask::forward(call, request_number(request), arg)
            };
        }
        if session.info().input {
            input::claim_by_request(session)?;
        }
        let mut node = v4l1::Node { call };
        return dispatch_v4l1(&mut node, caller, caller.abi(), request, arg);
    }
    if is_v4l2(request) && session.info().v4l2 {
        let v4l2 = &session.page().v4l2;
        if v4l2.load(Ordering::Relaxed) == 0 {
            v4l2.store(1, Ordering::Relaxed);
            let info = session.info();
            if !info.input && info.legacy {
                // A program of today in an old one's session: V4L2's rules hold for it from now on, and poll's are
                // the daemon's to change.
                session.ring_frame_doorbell();
            } else if info.input && !info.legacy && session.access().1 {
                // It has claimed nothing by opening: others may.
                let _ = connection::post(&Request::Doorbell { session: info.session, asked: false });
            }
        }
        if let Some(answer) = forward::forward(call, request, arg) {
            return answer;
        }
        let mut node = Node { call };
        return dispatch_v4l2(&mut node, caller, caller.abi(), request, arg);
    }
    Err(Errno::ENOTTY)
}

/// # Errors
/// EACCES: the open file's access mode does not allow the mapping. ENODEV: the device has gone.
fn may_map(session: &OpenFile, wanted: &Mapping) -> Result<()> {
    session.alive()?;
    let Mapping { prot, flags, .. } = *wanted;
    let (may_read, may_write) = session.access();
    let shared = flags & libc::MAP_TYPE != libc::MAP_PRIVATE;
    if !(may_read || may_write) || (shared && prot & libc::PROT_WRITE != 0 && !may_write) {
        return Err(Errno::EACCES);
    }
    Ok(())
}

/// mmap(2) of a caller that maps by itself ([`Window::Fixed`](crate::caller::Window)): a descriptor of the file to map
/// instead of the device, at the same offset. It is the caller's to close.
///
/// # Errors
/// As [`mmap`]. ENODEV also for zero-copy memory, which such a caller does not get yet.
pub fn window(call: &Call, wanted: &Mapping) -> Result<c_int> {
    let session = call.file;
    may_map(session, wanted)?;
    let has_buffers = session.page().count.load(Ordering::Relaxed) != 0;
    match (session.info().input, has_buffers) {
        (_, true) => queue::window(call, wanted),
        (false, false) if !memory::is_zero(session) => output::window(call, wanted),
        _ => Err(Errno::ENODEV),
    }
}

/// mmap(2).
///
/// # Errors
/// EACCES: the open file's access mode does not allow it. Those of the part that it is for.
///
/// # Safety
/// As mmap(2): MAP_FIXED replaces what is there.
pub unsafe fn mmap(call: &Call, wanted: &Mapping) -> Result<usize> {
    let session = call.file;
    may_map(session, wanted)?;
    let has_buffers = session.page().count.load(Ordering::Relaxed) != 0;
    match (session.info().input, has_buffers) {
        // SAFETY: the caller's promise.
        (true, true) => unsafe { feed::mmap(call, wanted) },
        // SAFETY: as above.
        (true, false) => unsafe { zero_mmap::mmap_input(call, wanted) },
        // SAFETY: as above.
        (false, false) if memory::is_zero(session) => unsafe { zero_mmap::mmap_output(session, wanted) },
        // SAFETY: as above.
        (false, true) => unsafe { dequeue::mmap(call, wanted) },
        // SAFETY: as above.
        (false, false) => unsafe { output::mmap(call, wanted) },
    }
}
