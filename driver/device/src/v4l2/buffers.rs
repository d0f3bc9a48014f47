//! What concerns the buffers of both directions and needs them: EXPBUF and PREPARE_BUF.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::{V4l2Buffer, V4l2Exportbuffer};
use vloopback_ring::{EXPORTED, PREPARED};

use crate::caller::Call;
use crate::stream::{Locked, Step, with_locks};
use crate::v4l2::queue::{
    bind, buffer_index, count, describe, file_of, is_mmap, lay_out, to_queue, window_of,
};
use crate::v4l2::{dequeue, feed};
use vloopback_sys::{Errno, Result};

/// The buffer has memory of its own from now on: its slot is for others.
fn let_slot_go(locked: &Locked, index: usize) {
    if locked.session.info().input {
        feed::let_slot_go(locked.session, index);
    } else {
        dequeue::let_slot_go(locked, index);
    }
}

/// VIDIOC_PREPARE_BUF: the buffer's memory is looked at now, so that QBUF need not.
///
/// # Errors
/// As [`to_queue`]; EINVAL: it is prepared already.
pub(super) fn prepare(call: &Call, asked: V4l2Buffer) -> Result<V4l2Buffer> {
    let session = call.file;
    with_locks(call, |locked| {
        let index = buffer_index(session.page(), &asked)?;
        let state = &session.page().buffers[index].state;
        if state.load(Ordering::Relaxed) & PREPARED != 0 {
            return Err(Errno::EINVAL);
        }
        let len = if session.info().input { feed::length(session, &asked)? } else { 0 };
        let index = to_queue(locked, &asked)?;
        session.page().buffers[index].bytesused.store(len, Ordering::Relaxed);
        state.fetch_or(PREPARED, Ordering::Relaxed);
        Ok(Step::Done(describe(locked, index)))
    })
}

/// VIDIOC_EXPBUF: a descriptor of one buffer's memory. From then on the buffer has memory of its own, into
/// which frames are copied: who has the descriptor sees this buffer's frames and no others.
///
/// # Errors
/// EINVAL: there is none of that number, no driver's memory, or flags other than O_CLOEXEC and an access
/// mode; or the caller has a window ([`Window`](crate::caller::Window)), whose file has all buffers in it. EMFILE: the
/// caller has no descriptor left. ENFILE: the daemon has none left for this user. ENOMEM, ENODEV.
pub(super) fn expbuf(call: &Call, asked: V4l2Exportbuffer) -> Result<V4l2Exportbuffer> {
    let session = call.file;
    let flags = asked.flags as c_int;
    with_locks(call, |locked| {
        let page = session.page();
        let index = asked.index as usize;
        let fits =
            index < count(page) && is_mmap(page) && asked.plane == 0 && window_of(page, index).is_none();
        if !fits || flags & !(libc::O_CLOEXEC | libc::O_ACCMODE) != 0 {
            return Err(Errno::EINVAL);
        }
        lay_out(locked)?;
        // Before the caller's descriptor is fetched: one that is free is enough for the two.
        if !locked.mappings.is_bound(index) {
            bind(locked, index, true)?;
            page.buffers[index].state.fetch_or(EXPORTED, Ordering::Relaxed);
            page.private.store(locked.mappings.private_len() as u64, Ordering::Relaxed);
            let_slot_go(locked, index);
        }
        let (exported, _) = file_of(locked, index, flags & libc::O_ACCMODE == libc::O_RDONLY)?;
        let exported = call.caller.export(exported, flags & libc::O_CLOEXEC != 0)?;
        Ok(Step::Done(V4l2Exportbuffer { fd: exported, reserved: [0; 11], ..asked }))
    })
}
