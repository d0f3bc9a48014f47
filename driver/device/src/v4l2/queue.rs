//! What both directions' queues of buffers have in common. All state is the open file's and lies in its
//! session page, under that page's lock.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};

use vloopback_abi::v4l2::{
    V4L2_BUF_CAP_SUPPORTS_DMABUF, V4L2_BUF_CAP_SUPPORTS_MMAP, V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS,
    V4L2_BUF_CAP_SUPPORTS_USERPTR, V4L2_BUF_FLAG_BFRAME, V4L2_BUF_FLAG_KEYFRAME, V4L2_BUF_FLAG_MAPPED,
    V4L2_BUF_FLAG_PFRAME, V4L2_BUF_FLAG_PREPARED, V4L2_BUF_FLAG_QUEUED, V4L2_BUF_FLAG_TIMESTAMP_COPY,
    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, V4L2_BUF_FLAG_TSTAMP_SRC_SOE, V4L2_BUF_TYPE_VIDEO_CAPTURE,
    V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_MEMORY_DMABUF, V4L2_MEMORY_MMAP, V4L2_MEMORY_USERPTR, V4l2Buffer,
    V4l2CreateBuffers, V4l2Requestbuffers, V4l2Timeval,
};
use vloopback_ring::{Buffer, EXPORTED, MAX_BUFFERS, PAGE_LEN, PREPARED, Pix, SessionPage};
use vloopback_wire::Request;

use crate::caller::{Call, Window};
use crate::mappings::Mapping;
use crate::open_file::{OpenFile, disown, own};
use crate::stream::{BY_MMAP, BY_READ, Locked, Step, with_locks};
use crate::v4l2::format;
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::{Errno, FdList, Result};

/// The fewest buffers that REQBUFS gives: with one, a program and the pipe would wait for each other.
const FEWEST: u32 = 2;

/// How many buffers there are.
pub(super) fn count(page: &SessionPage) -> usize {
    (page.count.load(Ordering::Relaxed) as usize).min(MAX_BUFFERS)
}

pub(super) fn is_queued(buffer: &Buffer) -> bool {
    buffer.queued.load(Ordering::Relaxed) != 0
}

/// The buffer is at the end of the queue from now on.
pub(super) fn enqueue(page: &SessionPage, index: usize) {
    let number = page.queue.load(Ordering::Relaxed).wrapping_add(1).max(1);
    page.queue.store(number, Ordering::Relaxed);
    page.buffers[index].queued.store(number, Ordering::Relaxed);
    page.buffers[index].state.fetch_and(!PREPARED, Ordering::Relaxed);
}

/// The queued buffer that came first among those that `fits`.
pub(super) fn first(page: &SessionPage, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let newest = page.queue.load(Ordering::Relaxed);
    (0..count(page))
        .filter(|&k| is_queued(&page.buffers[k]) && fits(k))
        .max_by_key(|&k| newest.wrapping_sub(page.buffers[k].queued.load(Ordering::Relaxed)))
}

/// Whether another descriptor of this process has buffers of the same node: the V4L2 specification has
/// one owner of a stream; that other processes' are apart is what this loopback adds. Under the pipe's option
/// `share = "all"` an output's descriptors are all apart; who is refused for want of it is told of it.
pub fn is_owned_elsewhere(call: &Call) -> bool {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let session = call.file;
    let info = session.info();
    if info.shared && !info.input {
        return false;
    }
    let mut owned = false;
    call.caller.files().each(|other| {
        let mine = other.info().session == session.info().session;
        let same_node =
            other.info().node == session.info().node && core::ptr::eq(other.lifeline(), session.lifeline());
        owned |= !mine && same_node && other.page().count.load(Ordering::Relaxed) != 0;
    });
    if owned && !info.input {
        let node = info.node;
        connection::complain_once(
            &TOLD,
            format_args!(
                "a second descriptor of this process streams from /dev/video{node}: EBUSY, as the V4L2 specification \
                 wants it; with `vloopbackd --share all`, or share = \"all\" in its file, both may"
            ),
        );
    }
    owned
}

/// The queue works with these kinds of memory.
///
/// # Errors
/// EINVAL: another kind.
fn known_memory(memory: u32) -> Result<()> {
    let known = [V4L2_MEMORY_MMAP, V4L2_MEMORY_USERPTR, V4L2_MEMORY_DMABUF].contains(&memory);
    if known { Ok(()) } else { Err(Errno::EINVAL) }
}

/// The most buffers that an open file of the pipe has.
fn most(session: &OpenFile) -> usize {
    match session.board().max_buffers.load(Ordering::Relaxed) as usize {
        0 => MAX_BUFFERS,
        most => most.min(MAX_BUFFERS),
    }
}

/// Whether a REQBUFS may be done.
///
/// # Errors
/// EINVAL: memory of a kind that there is not. EBUSY: the descriptor streams, reads or is mapped the V4L1
/// way, or another one of this process has the node's buffers.
pub(super) fn check_reqbufs(session: &Call, asked: &V4l2Requestbuffers) -> Result<()> {
    known_memory(asked.memory)?;
    if session.page().on.load(Ordering::Relaxed) != 0 { Err(Errno::EBUSY) } else { check_owner(session) }
}

/// # Errors
/// EBUSY: the descriptor reads or is mapped the V4L1 way, or another one of this process has the node's
/// buffers.
fn check_owner(session: &Call) -> Result<()> {
    let streams = session.page().streaming.load(Ordering::Relaxed) & (BY_READ | BY_MMAP) != 0;
    if streams || is_owned_elsewhere(session) { Err(Errno::EBUSY) } else { Ok(()) }
}

/// Whether a CREATE_BUFS may be done, and the bytes that each buffer is to have. None: it only asks what
/// there is.
///
/// # Errors
/// EINVAL: memory of a kind that there is not, or of another than the buffers that there are, or too few
/// bytes for a frame of `pix`. EBUSY: as [`check_reqbufs`], but that it streams is no hindrance. ENOBUFS:
/// there are as many as can be.
pub(super) fn check_create(session: &Call, asked: &V4l2CreateBuffers, pix: &Pix) -> Result<Option<u32>> {
    known_memory(asked.memory)?;
    let page = session.page();
    let has = count(page);
    if asked.count == 0 {
        return Ok(None);
    }
    check_owner(session)?;
    if has >= most(session) {
        return Err(Errno::ENOBUFS);
    }
    let other_kind = has != 0 && page.memory.load(Ordering::Relaxed) != asked.memory;
    let len = asked.format.pix().sizeimage;
    if other_kind || len == 0 || len < pix.sizeimage { Err(Errno::EINVAL) } else { Ok(Some(len)) }
}

/// Forgets the buffers that there were. The program's mappings stay with the program.
pub(super) fn clear(locked: &mut Locked) {
    let page = locked.session.page();
    let exported = page.buffers.iter().any(|b| b.state.load(Ordering::Relaxed) & EXPORTED != 0);
    for buffer in &page.buffers {
        let words = [
            &buffer.queued,
            &buffer.slot,
            &buffer.pending,
            &buffer.bytesused,
            &buffer.sequence,
            &buffer.state,
            &buffer.start,
            &buffer.length,
            &buffer.marks,
            &buffer.least,
        ];
        for word in words {
            word.store(0, Ordering::Relaxed);
        }
        buffer.time.store(0, Ordering::Relaxed);
        buffer.user.store(0, Ordering::Relaxed);
    }
    let generation = page.generation.load(Ordering::Relaxed).wrapping_add(1).max(1);
    page.generation.store(generation, Ordering::Relaxed);
    if exported {
        let session = locked.session.info().session;
        // A daemon that is gone keeps nothing.
        let _ =
            connection::tell(&Request::Export { session, generation, index: 0, len: 0, read_only: false });
    }
    locked.mappings.forget_all();
    page.rest.store(0, Ordering::Relaxed);
    page.private.store(0, Ordering::Relaxed);
    page.count.store(0, Ordering::Relaxed);
}

/// Makes `wanted` more buffers of `len` bytes each; the first ones freeze the format. Returns how many there
/// are more.
///
/// # Errors
/// EINVAL: no length. ENOMEM: there is no room for one more below 4 GiB, where their offsets are. EBUSY: see
/// [`own`].
pub(super) fn add(locked: &mut Locked, wanted: u32, memory: u32, len: u32, pix: &Pix) -> Result<u32> {
    let page = locked.session.page();
    let has = count(page);
    let whole = len.checked_next_multiple_of(PAGE_LEN as u32).filter(|len| *len != 0).ok_or(Errno::EINVAL)?;
    if has == 0 {
        own(locked.session)?;
        format::freeze(page, pix);
        page.memory.store(memory, Ordering::Relaxed);
    }
    let mut end = has.checked_sub(1).map_or(Some(0), |last| end_of(page, last)).ok_or(Errno::ENOMEM)?;
    let mut made = 0;
    while made < wanted && has + (made as usize) < most(locked.session) {
        let Some(next) = end.checked_add(whole) else { break };
        let buffer = &page.buffers[has + made as usize];
        buffer.start.store(end, Ordering::Relaxed);
        buffer.length.store(len, Ordering::Relaxed);
        buffer.least.store(len, Ordering::Relaxed);
        end = next;
        made += 1;
    }
    if made == 0 {
        return Err(Errno::ENOMEM);
    }
    if memory == V4L2_MEMORY_MMAP && locked.call.caller.window() == Window::Fixed {
        for buffer in &page.buffers[has..has + made as usize] {
            buffer.state.fetch_or(EXPORTED, Ordering::Relaxed);
            buffer.user.store(has as u64 + 1, Ordering::Relaxed);
        }
    }
    page.count.store(has as u32 + made, Ordering::Relaxed);
    lay_out(locked)?;
    Ok(made)
}

/// Forgets the buffers that there were and makes `wanted` new ones, or none if that is 0. Returns how
/// many there are.
///
/// # Errors
/// As [`add`].
pub(super) fn renew(locked: &mut Locked, asked: &V4l2Requestbuffers, pix: &Pix) -> Result<u32> {
    clear(locked);
    if asked.count == 0 {
        disown(locked.session);
        return Ok(0);
    }
    add(locked, asked.count.max(FEWEST), asked.memory, pix.sizeimage, pix)
}

/// What the queue can do, as REQBUFS and CREATE_BUFS tell it.
const CAPABILITIES: u32 = V4L2_BUF_CAP_SUPPORTS_MMAP
    | V4L2_BUF_CAP_SUPPORTS_USERPTR
    | V4L2_BUF_CAP_SUPPORTS_DMABUF
    | V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS;

pub(super) fn answer(asked: V4l2Requestbuffers, count: u32) -> V4l2Requestbuffers {
    V4l2Requestbuffers { count, capabilities: CAPABILITIES, flags: 0, ..asked }
}

/// The answer to a CREATE_BUFS that has made `count` buffers, of which the first is `index`.
pub(super) fn created(asked: V4l2CreateBuffers, index: u32, count: u32) -> V4l2CreateBuffers {
    V4l2CreateBuffers { index, count, capabilities: CAPABILITIES, flags: 0, reserved: [0; 6], ..asked }
}

/// Where a buffer's memory ends in the device's; None: a damaged page says that it ends beyond 4 GiB.
fn end_of(page: &SessionPage, index: usize) -> Option<u32> {
    let buffer = &page.buffers[index];
    let len = buffer.length.load(Ordering::Relaxed).checked_next_multiple_of(PAGE_LEN as u32)?;
    buffer.start.load(Ordering::Relaxed).checked_add(len)
}

/// Where a buffer's memory is in the device's, and its bytes; whole pages. Of a damaged page it is no bytes.
fn range_of(page: &SessionPage, index: usize) -> (usize, usize) {
    let start = page.buffers[index].start.load(Ordering::Relaxed);
    match end_of(page, index) {
        Some(end) if start % PAGE_LEN as u32 == 0 => (start as usize, (end - start) as usize),
        _ => (0, 0),
    }
}

/// Whether the buffers are the driver's own memory.
pub(super) fn is_mmap(page: &SessionPage) -> bool {
    page.memory.load(Ordering::Relaxed) == V4L2_MEMORY_MMAP
}

/// Whether the buffers have the ring's frames as these lie there.
pub(super) fn is_in_place(page: &SessionPage) -> bool {
    is_mmap(page) && page.padded.load(Ordering::Relaxed) == 0
}

/// This process's record of the mappings is of the buffers that there are.
///
/// # Errors
/// ENOMEM, ENODEV: exported memory of one of them cannot be had.
pub(super) fn lay_out(locked: &mut Locked) -> Result<()> {
    let page = locked.session.page();
    let generation = page.generation.load(Ordering::Relaxed);
    locked.mappings.lay_out_buffers(generation, count(page), |index| range_of(page, index));
    if !is_mmap(page) {
        return Ok(());
    }
    for index in 0..count(page) {
        let exported = page.buffers[index].state.load(Ordering::Relaxed) & EXPORTED != 0;
        if exported && !locked.mappings.is_bound(index) {
            // Another process that shares the open file has exported it.
            bind(locked, index, false)?;
        }
    }
    Ok(())
}

/// The first buffer of those in whose file an exported buffer's memory is, if that is a window of a caller's
/// ([`Window::Fixed`]): such a file has its bytes where the device has them. None: a file of the buffer's own.
pub(super) fn window_of(page: &SessionPage, index: usize) -> Option<usize> {
    let first = page.buffers[index].user.load(Ordering::Relaxed).checked_sub(1)?;
    usize::try_from(first).ok().filter(|first| *first <= index)
}

/// The number and the bytes of the file that an exported buffer's memory is in, and where in it that begins.
///
/// # Errors
/// ENOMEM: a damaged page says that it ends beyond 4 GiB.
fn file_shape(locked: &Locked, index: usize) -> Result<(usize, u32, usize)> {
    let page = locked.session.page();
    let Some(first) = window_of(page, index) else {
        return Ok((index, locked.mappings.len_of(index) as u32, 0));
    };
    let last =
        (index..count(page)).take_while(|k| window_of(page, *k) == Some(first)).last().unwrap_or(index);
    let len = end_of(page, last).ok_or(Errno::ENOMEM)?;
    Ok((first, len, range_of(page, index).0))
}

/// A descriptor of the file that an exported buffer's memory is in, and where in it that begins. The daemon keeps it
/// until there are other buffers.
///
/// # Errors
/// ENOMEM, ENODEV.
pub(super) fn file_of(locked: &Locked, index: usize, read_only: bool) -> Result<(c_int, usize)> {
    let session = locked.session;
    let (number, len, offset) = file_shape(locked, index)?;
    let generation = session.page().generation.load(Ordering::Relaxed);
    ask_for_file(session, (generation, number), len, read_only).map(|fd| (fd, offset))
}

/// A descriptor of a file of `len` bytes that the daemon keeps for the open file under this generation and number.
///
/// # Errors
/// ENOMEM, ENODEV.
pub(crate) fn ask_for_file(
    session: &OpenFile,
    (generation, number): (u32, usize),
    len: u32,
    read_only: bool,
) -> Result<c_int> {
    let request =
        Request::Export { session: session.info().session, generation, index: number as u32, len, read_only };
    let mut fds = FdList::new();
    connection::ask(&request, None, &mut fds)?;
    if fds.len() == 1 { Ok(fds.take(0)) } else { Err(Errno::EPROTO) }
}

/// The buffer shows its file in this process from now on; `fresh`: nobody has written there yet.
pub(super) fn bind(locked: &mut Locked, index: usize, fresh: bool) -> Result<()> {
    let (fd, offset) = file_of(locked, index, false)?;
    let bound = locked.mappings.bind(index, (fd, offset), fresh, &locked.ring);
    sys::close(fd);
    bound
}

/// A buffer as QUERYBUF, QBUF and DQBUF tell it.
pub(super) fn describe(locked: &Locked, index: usize) -> V4l2Buffer {
    let session = locked.session;
    let (page, buffer) = (session.page(), &session.page().buffers[index]);
    let input = session.info().input;
    let marks = buffer.marks.load(Ordering::Relaxed);
    let mut flags = marks & KEPT_MARKS;
    if flags & V4L2_BUF_FLAG_TIMESTAMP_COPY == 0 {
        flags |= V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    }
    if is_queued(buffer) {
        flags |= V4L2_BUF_FLAG_QUEUED;
    }
    if buffer.state.load(Ordering::Relaxed) & PREPARED != 0 {
        flags |= V4L2_BUF_FLAG_PREPARED;
    }
    if locked.mappings.is_mapped(index) {
        flags |= V4L2_BUF_FLAG_MAPPED;
    }
    let memory = page.memory.load(Ordering::Relaxed);
    let mut told = V4l2Buffer {
        index: index as u32,
        type_: if input { V4L2_BUF_TYPE_VIDEO_OUTPUT } else { V4L2_BUF_TYPE_VIDEO_CAPTURE },
        bytesused: buffer.bytesused.load(Ordering::Relaxed),
        flags,
        field: format::frozen(page).field,
        timestamp: V4l2Timeval::from_nanos(buffer.time.load(Ordering::Relaxed)),
        sequence: buffer.sequence.load(Ordering::Relaxed),
        memory,
        // Programs read files in pieces of this: not rounded up to whole pages.
        length: buffer.length.load(Ordering::Relaxed),
        ..V4l2Buffer::default()
    };
    match memory {
        V4L2_MEMORY_USERPTR => {
            told.set_userptr(locked.mappings.brought(index).map_or(0, |(at, _)| at as u64))
        }
        V4L2_MEMORY_DMABUF => told.set_fd(buffer.user.load(Ordering::Relaxed) as i32),
        _ => told.set_offset(buffer.start.load(Ordering::Relaxed)),
    }
    told
}

/// What a pusher says of a frame that its clients are told, too (V4L2 specification, Buffer Flags).
pub(super) const KEPT_MARKS: u32 = V4L2_BUF_FLAG_TIMESTAMP_COPY
    | V4L2_BUF_FLAG_TSTAMP_SRC_SOE
    | V4L2_BUF_FLAG_KEYFRAME
    | V4L2_BUF_FLAG_PFRAME
    | V4L2_BUF_FLAG_BFRAME;

/// The buffer that a program names.
///
/// # Errors
/// EINVAL: there is none of that number.
pub(super) fn buffer_index(page: &SessionPage, asked: &V4l2Buffer) -> Result<usize> {
    let index = asked.index as usize;
    if index < count(page) { Ok(index) } else { Err(Errno::EINVAL) }
}

/// The buffer that a program queues or prepares, whose memory is known then.
///
/// # Errors
/// EINVAL: there is none of that number, it is of another kind of memory, queued already, or its memory is
/// too small. EFAULT: the program's memory is not there, or not for writing. What mmap says of a descriptor.
pub(super) fn to_queue(locked: &mut Locked, asked: &V4l2Buffer) -> Result<usize> {
    let session = locked.session;
    let page = session.page();
    let index = buffer_index(page, asked)?;
    let buffer = &page.buffers[index];
    let memory = page.memory.load(Ordering::Relaxed);
    if asked.memory != memory || is_queued(buffer) {
        return Err(Errno::EINVAL);
    }
    lay_out(locked)?;
    if buffer.state.load(Ordering::Relaxed) & PREPARED != 0 {
        return Ok(index);
    }
    let least = buffer.least.load(Ordering::Relaxed);
    let (user, length) = match memory {
        V4L2_MEMORY_USERPTR => {
            let (at, length) = (asked.userptr(), asked.length);
            if length < least {
                return Err(Errno::EINVAL);
            }
            let here = check_user(locked.call, at, length as usize)?;
            locked.mappings.bring(index, here, length as usize);
            // The address is this process's business.
            (0, length)
        }
        V4L2_MEMORY_DMABUF => {
            let imported = locked.call.caller.import(asked.fd()).map_err(|_| Errno::EINVAL)?;
            let (file, size) = sys::memory_file(imported.number()).ok_or(Errno::EINVAL)?;
            let length =
                if asked.length == 0 { u32::try_from(size).unwrap_or(u32::MAX) } else { asked.length };
            if length < least || length as usize > size {
                return Err(Errno::EINVAL);
            }
            // What a client's buffers are written to.
            let prot =
                if session.info().input { libc::PROT_READ } else { libc::PROT_READ | libc::PROT_WRITE };
            locked.mappings.import(index, imported.number(), file, length as usize, prot)?;
            (asked.fd() as u32 as u64, length)
        }
        _ => return Ok(index),
    };
    buffer.user.store(user, Ordering::Relaxed);
    buffer.length.store(length, Ordering::Relaxed);
    Ok(index)
}

/// The address, if frames can be there.
///
/// # Errors
/// EFAULT: the program's memory is not there, or cannot be written where frames are.
fn check_user(call: &Call, at: u64, length: usize) -> Result<usize> {
    let at = usize::try_from(at).map_err(|_| Errno::EFAULT)?;
    let fine = if call.info().input {
        call.caller.check_readable(call, at, length)
    } else {
        call.caller.check_writable(call, at, length)
    };
    fine.map(|()| at).map_err(|_| Errno::EFAULT)
}

/// Whether this process has the memory of a buffer that the program brought: another one that shares the open file
/// may have given an address of its own.
pub(super) fn is_brought_here(locked: &Locked, index: usize) -> bool {
    match locked.session.page().memory.load(Ordering::Relaxed) {
        V4L2_MEMORY_DMABUF => locked.mappings.imported(index).is_some(),
        _ => locked.mappings.brought(index).is_some(),
    }
}

/// Memory that the program brought for a buffer, and its bytes.
pub(super) enum Brought {
    /// By a descriptor: it is mapped here.
    Here(*mut u8, usize),
    /// By an address, which is the caller's.
    Callers(usize, usize),
}

/// The memory of a buffer that the program brought; looked at anew, for the program may have
/// taken it away.
///
/// # Errors
/// EFAULT, EINVAL: it has none, or another process has it.
pub(super) fn brought(locked: &Locked, index: usize) -> Result<Brought> {
    let session = locked.session;
    let page = session.page();
    if page.memory.load(Ordering::Relaxed) == V4L2_MEMORY_DMABUF {
        let (at, length) = locked.mappings.imported(index).ok_or(Errno::EINVAL)?;
        return Ok(Brought::Here(at, length));
    }
    // What stands in the shared page is not believed: neither an address nor a length.
    let (at, length) = locked.mappings.brought(index).ok_or(Errno::EFAULT)?;
    check_user(locked.call, at as u64, length)?;
    Ok(Brought::Callers(at, length))
}

/// STREAMOFF: no buffer is queued or prepared any more.
pub(super) fn unqueue(page: &SessionPage) {
    for buffer in &page.buffers {
        buffer.queued.store(0, Ordering::Relaxed);
        buffer.pending.store(0, Ordering::Relaxed);
        buffer.state.fetch_and(!PREPARED, Ordering::Relaxed);
    }
}

pub(super) fn querybuf(call: &Call, asked: V4l2Buffer) -> Result<V4l2Buffer> {
    let session = call.file;
    with_locks(call, |locked| {
        let index = buffer_index(session.page(), &asked)?;
        lay_out(locked)?;
        Ok(Step::Done(describe(locked, index)))
    })
}

/// The file behind a buffer of a caller that maps it by itself ([`Window::Fixed`]), with the buffer's bytes where the
/// device has them.
///
/// # Errors
/// EINVAL: as [`mapped`]; or the buffers were made by a process whose mappings are its own. ENOMEM, ENODEV.
pub(crate) fn window(call: &Call, wanted: &Mapping) -> Result<c_int> {
    let session = call.file;
    let needs = if session.info().input { libc::PROT_WRITE } else { libc::PROT_READ };
    with_locks(call, |locked| {
        let index = mapped(session.page(), wanted)?;
        if wanted.prot & needs == 0 || window_of(session.page(), index).is_none() {
            return Err(Errno::EINVAL);
        }
        lay_out(locked)?;
        let (fd, _) = file_of(locked, index, false)?;
        locked.mappings.hand_out(index);
        Ok(Step::Done(fd))
    })
}

/// The buffer that a mapping is of.
///
/// # Errors
/// EINVAL: no driver's memory, not a buffer's offset, longer than the buffer, or not a shared mapping.
pub(super) fn mapped(page: &SessionPage, wanted: &Mapping) -> Result<usize> {
    let shared = wanted.flags & libc::MAP_TYPE != libc::MAP_PRIVATE;
    if !shared || !is_mmap(page) || wanted.len == 0 {
        return Err(Errno::EINVAL);
    }
    (0..count(page))
        .map(|index| (index, range_of(page, index)))
        .find(|(_, (start, len))| *start == wanted.offset && wanted.len <= *len)
        .map(|(index, _)| index)
        .ok_or(Errno::EINVAL)
}
