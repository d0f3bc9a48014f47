//! What both directions' queues of buffers have in common. All state is the open file's and lies in its
//! session page, under that page's lock.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::{
    V4L2_BUF_CAP_SUPPORTS_MMAP, V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS, V4L2_BUF_FLAG_MAPPED,
    V4L2_BUF_FLAG_QUEUED, V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, V4L2_BUF_TYPE_VIDEO_CAPTURE,
    V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_MEMORY_MMAP, V4l2Buffer, V4l2Requestbuffers, V4l2Timeval,
};
use vloopback_ring::{Buffer, MAX_BUFFERS, PAGE_LEN, Pix, SessionPage};

use crate::client::{BY_MMAP, BY_READ, Locked, Step, with_locks};
use crate::session::{self, Session};
use crate::sys::Result;
use crate::views::Mapping;

/// The fewest buffers that REQBUFS gives: with one, a program and the pipe would wait for each other.
const FEWEST: u32 = 2;

/// How many buffers there are.
pub(super) fn count(page: &SessionPage) -> usize {
    (page.count.load(Ordering::Relaxed) as usize).min(MAX_BUFFERS)
}

fn buffer_len(page: &SessionPage) -> usize {
    page.buffer_len.load(Ordering::Relaxed) as usize
}

pub(super) fn is_queued(buffer: &Buffer) -> bool {
    buffer.queued.load(Ordering::Relaxed) != 0
}

/// The buffer is at the end of the queue from now on.
pub(super) fn enqueue(page: &SessionPage, index: usize) {
    let number = page.queue.load(Ordering::Relaxed).wrapping_add(1).max(1);
    page.queue.store(number, Ordering::Relaxed);
    page.buffers[index].queued.store(number, Ordering::Relaxed);
}

/// The queued buffer that came first among those that `fits`.
pub(super) fn first(page: &SessionPage, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let newest = page.queue.load(Ordering::Relaxed);
    (0..count(page))
        .filter(|&k| is_queued(&page.buffers[k]) && fits(k))
        .max_by_key(|&k| newest.wrapping_sub(page.buffers[k].queued.load(Ordering::Relaxed)))
}

/// Whether another descriptor of this process has buffers of the same node: the V4L2 specification has
/// one owner of a stream; that other processes' are apart is what this loopback adds.
pub(crate) fn is_owned_elsewhere(session: &Session) -> bool {
    let mut owned = false;
    session::each(|other| {
        let mine = other.info().session == session.info().session;
        let same_node =
            other.info().node == session.info().node && core::ptr::eq(other.lifeline(), session.lifeline());
        owned |= !mine && same_node && other.page().count.load(Ordering::Relaxed) != 0;
    });
    owned
}

/// What a REQBUFS that may be done asks for.
///
/// # Errors
/// EINVAL: memory of another kind than MMAP. EBUSY: the descriptor streams, reads or is mapped the V4L1
/// way, or another one of this process has the node's buffers.
pub(super) fn check_reqbufs(session: &Session, asked: &V4l2Requestbuffers) -> Result<()> {
    if asked.memory != V4L2_MEMORY_MMAP {
        return Err(libc::EINVAL);
    }
    let page = session.page();
    let streams = page.streaming.load(Ordering::Relaxed) & (BY_READ | BY_MMAP) != 0;
    if page.on.load(Ordering::Relaxed) != 0 || streams || is_owned_elsewhere(session) {
        return Err(libc::EBUSY);
    }
    Ok(())
}

/// Forgets the buffers that there were and makes `wanted` new ones, or none if that is 0. Returns how
/// many there are.
///
/// # Errors
/// EINVAL: the format has no length.
pub(super) fn renew(locked: &mut Locked, wanted: u32, pix: &Pix) -> Result<u32> {
    let page = locked.session.page();
    for buffer in &page.buffers {
        for word in [&buffer.queued, &buffer.slot, &buffer.pending, &buffer.bytesused, &buffer.sequence] {
            word.store(0, Ordering::Relaxed);
        }
        buffer.time.store(0, Ordering::Relaxed);
    }
    let generation = page.generation.load(Ordering::Relaxed).wrapping_add(1).max(1);
    page.generation.store(generation, Ordering::Relaxed);
    locked.views.forget_all();
    page.private.store(0, Ordering::Relaxed);
    page.count.store(0, Ordering::Relaxed);
    if wanted == 0 {
        return Ok(0);
    }
    let len = pix.sizeimage.checked_next_multiple_of(PAGE_LEN as u32).filter(|len| *len != 0);
    let len = len.ok_or(libc::EINVAL)?;
    // Offsets are 32 bits.
    let count = wanted.clamp(FEWEST, MAX_BUFFERS as u32).min(u32::MAX / len).max(1);
    super::freeze(page, pix);
    page.buffer_len.store(len, Ordering::Relaxed);
    page.count.store(count, Ordering::Relaxed);
    lay_out(locked);
    Ok(count)
}

pub(super) fn answer(asked: V4l2Requestbuffers, count: u32) -> V4l2Requestbuffers {
    let capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP | V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS;
    V4l2Requestbuffers { count, capabilities, flags: 0, ..asked }
}

/// This process's record of the mappings is of the buffers that there are.
pub(super) fn lay_out(locked: &mut Locked) {
    let page = locked.session.page();
    let generation = page.generation.load(Ordering::Relaxed);
    locked.views.lay_out_buffers(generation, buffer_len(page), count(page));
}

/// A buffer as QUERYBUF, QBUF and DQBUF tell it.
pub(super) fn describe(locked: &Locked, index: usize) -> V4l2Buffer {
    let session = locked.session;
    let (page, buffer) = (session.page(), &session.page().buffers[index]);
    let input = session.info().input;
    let mut flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    if is_queued(buffer) {
        flags |= V4L2_BUF_FLAG_QUEUED;
    }
    if locked.views.is_mapped(index) {
        flags |= V4L2_BUF_FLAG_MAPPED;
    }
    let mut told = V4l2Buffer {
        index: index as u32,
        type_: if input { V4L2_BUF_TYPE_VIDEO_OUTPUT } else { V4L2_BUF_TYPE_VIDEO_CAPTURE },
        bytesused: buffer.bytesused.load(Ordering::Relaxed),
        flags,
        field: super::frozen(page).field,
        timestamp: V4l2Timeval::from_nanos(buffer.time.load(Ordering::Relaxed)),
        sequence: buffer.sequence.load(Ordering::Relaxed),
        memory: V4L2_MEMORY_MMAP,
        // Programs read files in pieces of this: not rounded up to whole pages.
        length: super::frozen(page).sizeimage,
        ..V4l2Buffer::default()
    };
    told.set_offset((index * buffer_len(page)) as u32);
    told
}

/// The buffer that a program names.
///
/// # Errors
/// EINVAL: there is none of that number.
pub(super) fn named(page: &SessionPage, asked: &V4l2Buffer) -> Result<usize> {
    let index = asked.index as usize;
    if index < count(page) { Ok(index) } else { Err(libc::EINVAL) }
}

/// The buffer that a program queues.
///
/// # Errors
/// EINVAL: there is none of that number, it is of another kind of memory, or queued already.
pub(super) fn to_queue(page: &SessionPage, asked: &V4l2Buffer) -> Result<usize> {
    let index = named(page, asked)?;
    if asked.memory != V4L2_MEMORY_MMAP || is_queued(&page.buffers[index]) {
        return Err(libc::EINVAL);
    }
    Ok(index)
}

pub(super) fn querybuf(session: &Session, fd: c_int, asked: V4l2Buffer) -> Result<V4l2Buffer> {
    with_locks(session, fd, |locked| {
        let index = named(session.page(), &asked)?;
        lay_out(locked);
        Ok(Step::Done(describe(locked, index)))
    })
}

/// The buffer that a mapping is of.
///
/// # Errors
/// EINVAL: not a buffer's offset, longer than a buffer, or not a shared mapping.
pub(super) fn mapped(page: &SessionPage, wanted: &Mapping) -> Result<usize> {
    let len = buffer_len(page);
    let shared = wanted.flags & libc::MAP_TYPE != libc::MAP_PRIVATE;
    if len == 0 || !shared || wanted.offset % len != 0 || wanted.len == 0 || wanted.len > len {
        return Err(libc::EINVAL);
    }
    let index = wanted.offset / len;
    if index < count(page) { Ok(index) } else { Err(libc::EINVAL) }
}
