//! The entry points for the preload library. For a descriptor that is not a device's, nothing here allocates
//! or takes a lock.

use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::{AtomicU32, Ordering};

use vloopback_wire::Request;

use crate::own::Own;
use crate::own_memory::OwnMemory;
use crate::{monitor, open_files};
use vloopback_device::caller::Call;
use vloopback_device::mappings::Mapping;
use vloopback_device::open_file::Pin;
use vloopback_device::publish::IoSlices;
use vloopback_device::zero::{pusher, request_doorbell};
use vloopback_device::{byte_stream, dispatch, event_doorbell, output};
use vloopback_link::{connection, environment, hidden, table};
use vloopback_sys as sys;
use vloopback_sys::{Errno, FdList, Result, Scratch, fork};

pub use monitor::News;

/// The permission bits of a device's socket, which no other socket has.
pub use vloopback_wire::DEVICE_MODE;

/// What a descriptor number is, as far as this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not a vloopback device: it was looked at, or is no descriptor.
    Other,
    /// A vloopback device.
    Ours,
}

/// Why the library did not open a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The node is not vloopback's, or no daemon is reachable: do the real open.
    NotServed,
    /// The device's answer.
    Errno(Errno),
}

/// What `close` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Do the real close.
    PassThrough,
    /// One of our own hidden descriptors: answer EBADF and leave it open.
    Hidden,
    /// Do the real close, then call [`after_close`] with this: it was the last number of a device.
    Last(u32),
}

/// How many mappings of devices the program has made: while 0, no munmap concerns the library.
static MAPPED: AtomicU32 = AtomicU32::new(0);

/// Reads the environment into static storage. Called by the constructor; allocates nothing, opens
/// nothing.
pub fn configure_from_env() {
    environment::configure_from_env();
}

fn pin(fd: c_int) -> Result<Pin> {
    open_files::of(fd).ok_or(Errno::EBADF)
}

/// Makes a call of this process by its number `fd`.
fn with_call<T>(fd: c_int, f: impl FnOnce(&Call) -> Result<T>) -> Result<T> {
    let file = pin(fd)?;
    let caller = Own::new(fd);
    f(&Call { file: &file, caller: &caller })
}

/// Looks at an unknown number once (for read, write, ioctl, mmap, fstat).
#[inline]
pub fn state(fd: c_int) -> State {
    match table::get(fd) {
        // No number at all: nothing to look at, and nothing that could be remembered.
        table::UNKNOWN if fd < 0 => State::Other,
        table::UNKNOWN => {
            if open_files::look(fd).is_some() {
                State::Ours
            } else {
                State::Other
            }
        }
        entry if table::is_session(entry) => State::Ours,
        _ => State::Other,
    }
}

/// The descriptor may have been closed by a raw system call: look at it again, whatever is remembered.
pub fn look_again(fd: c_int) -> State {
    if open_files::look(fd).is_some() { State::Ours } else { State::Other }
}

/// Opens device node `number` (the N of /dev/videoN) with open(2) flags.
///
/// # Errors
/// See [`OpenError`].
pub fn open_device(number: u32, flags: c_int) -> core::result::Result<c_int, OpenError> {
    if fork::is_vfork_child() {
        return Err(OpenError::NotServed);
    }
    connection::restarting(|| open_files::open(number, flags)).map_err(|errno| match errno {
        // No daemon, or a node that is not its: the file system's own answer is right.
        Errno::ENOENT | Errno::ECONNREFUSED => OpenError::NotServed,
        errno => OpenError::Errno(errno),
    })
}

/// The node number behind one of our descriptors, or of one that was opened with O_PATH.
pub fn node_of(fd: c_int) -> Option<u32> {
    let entry = table::get(fd);
    if entry & 3 == 3 {
        return u32::try_from(entry >> 2).ok();
    }
    open_files::of(fd).map(|s| s.info().node)
}

/// read(2) on one of ours.
///
/// # Errors
/// errno.
///
/// # Safety
/// `buf` is the caller's pointer, checked here: a bad one gives EFAULT.
pub unsafe fn read(fd: c_int, buf: *mut c_void, len: usize) -> Result<usize> {
    connection::restarting(|| with_call(fd, |call| dispatch::read(call, buf as usize, len)))
}

/// write(2) on one of ours.
///
/// # Errors
/// errno.
///
/// # Safety
/// `buf` is the caller's pointer, checked here: a bad one gives EFAULT.
pub unsafe fn write(fd: c_int, buf: *const c_void, len: usize) -> Result<usize> {
    let piece = libc::iovec { iov_base: buf.cast_mut(), iov_len: len };
    connection::restarting(|| {
        with_call(fd, |call| {
            byte_stream::write(call, &IoSlices::of(call.caller, core::slice::from_ref(&piece)))
        })
    })
}

/// The most pieces that readv and writev take (IOV_MAX).
const MAX_PIECES: usize = 1024;
/// More than so many do not lie on the stack.
const FEW_PIECES: usize = 16;

/// Runs `f` on a copy of the caller's vector.
///
/// # Errors
/// EINVAL: more than [`MAX_PIECES`], or one that is longer than half the memory. EFAULT, ENOMEM.
unsafe fn with_pieces<T>(
    iov: *const libc::iovec,
    count: c_int,
    f: impl Fn(&[libc::iovec]) -> Result<T>,
) -> Result<T> {
    use vloopback_ioctl::UserMemory;
    let count = usize::try_from(count).ok().filter(|n| *n <= MAX_PIECES).ok_or(Errno::EINVAL)?;
    let mut scratch = Scratch::<libc::iovec, FEW_PIECES>::new();
    let nothing = libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 };
    let pieces = scratch.get(count, nothing).ok_or(Errno::ENOMEM)?;
    // SAFETY: iovecs are plain words; these are all of them.
    let bytes =
        unsafe { core::slice::from_raw_parts_mut(pieces.as_mut_ptr().cast::<u8>(), size_of_val(pieces)) };
    let result = match OwnMemory.read(iov as usize, bytes) {
        Err(_) => Err(Errno::EFAULT),
        Ok(()) if pieces.iter().any(|piece| piece.iov_len > isize::MAX as usize) => Err(Errno::EINVAL),
        Ok(()) => connection::restarting(|| f(pieces)),
    };
    scratch.free();
    result
}

/// readv(2) on one of ours.
///
/// # Errors
/// errno.
///
/// # Safety
/// As [`read`], for `iov` and what it names.
pub unsafe fn readv(fd: c_int, iov: *const libc::iovec, count: c_int) -> Result<usize> {
    // SAFETY: the caller's promise.
    with_call(fd, |call| unsafe { with_pieces(iov, count, |pieces| dispatch::readv(call, pieces)) })
}

/// writev(2) on one of ours: one frame out of several pieces.
///
/// # Errors
/// errno.
///
/// # Safety
/// As [`write()`], for `iov` and what it names.
pub unsafe fn writev(fd: c_int, iov: *const libc::iovec, count: c_int) -> Result<usize> {
    // SAFETY: the caller's promise.
    with_call(fd, |call| unsafe {
        with_pieces(iov, count, |pieces| byte_stream::write(call, &IoSlices::of(call.caller, pieces)))
    })
}

/// ioctl(2) on one of ours.
///
/// # Errors
/// errno.
///
/// # Safety
/// `arg` is the caller's, checked here: a bad pointer gives EFAULT.
pub unsafe fn ioctl(fd: c_int, request: u64, arg: usize) -> Result<c_int> {
    connection::restarting(|| with_call(fd, |call| dispatch::ioctl(call, request, arg)))
}

/// mmap(2) on one of ours; `offset` in bytes.
///
/// # Errors
/// errno.
///
/// # Safety
/// As mmap(2): MAP_FIXED replaces what is there.
pub unsafe fn mmap(
    fd: c_int,
    addr: *mut c_void,
    len: usize,
    prot: c_int,
    flags: c_int,
    offset: i64,
) -> Result<*mut c_void> {
    let offset = usize::try_from(offset).map_err(|_| Errno::EINVAL)?;
    let wanted = Mapping { addr: addr as usize, len, prot, flags, offset };
    // SAFETY: the caller's promise.
    let at = with_call(fd, |call| connection::restarting(|| unsafe { dispatch::mmap(call, &wanted) }))?;
    MAPPED.fetch_add(1, Ordering::Relaxed);
    Ok(at as *mut c_void)
}

/// Before the real munmap of any range: the library forgets the range.
pub fn before_munmap(addr: *mut c_void, len: usize) {
    if MAPPED.load(Ordering::Relaxed) == 0 || fork::is_vfork_child() {
        return;
    }
    open_files::OWN.each(|session| output::unmapped(session, addr as usize, len));
}

/// After the real mremap of a range of `len` bytes (0: what is there got a second view) to `to`: our record of it
/// follows.
pub fn after_mremap(addr: *mut c_void, len: usize, to: *mut c_void, new_len: usize) {
    if MAPPED.load(Ordering::Relaxed) == 0 || fork::is_vfork_child() {
        return;
    }
    open_files::OWN.each(|session| output::moved(session, addr as usize, len, to as usize, new_len));
}

/// Before the real close of any number.
#[inline]
pub fn before_close(fd: c_int) -> Close {
    // Nearly every close of a program: one look at the table, one at our connection's number.
    if table::get(fd) == table::UNKNOWN && fd != connection::hidden() && !monitor::has_any() {
        return Close::PassThrough;
    }
    before_close_of_known(fd)
}

#[inline(never)]
fn before_close_of_known(fd: c_int) -> Close {
    let is_a_devices = table::get(fd) == table::HIDDEN;
    if fd >= 0 && (is_a_devices || fd == connection::hidden()) {
        if !fork::is_vfork_child() {
            return Close::Hidden;
        }
        if is_a_devices {
            // The parent, whose memory this is, has it still.
            return Close::PassThrough;
        }
    }
    monitor::end(fd);
    open_files::forget(fd).map_or(Close::PassThrough, Close::Last)
}

/// After the real close that ended a device in this process: when this returns, /proc tells of it
/// and another pusher may have the pipe, unless another process still has the device.
pub fn after_close(session: u32) {
    open_files::closed(session);
}

/// Before the real close of the descriptors `first` to `last`, none of which is hidden.
pub fn before_close_range(first: u32, last: u32) {
    let (first, last) = (first.min(c_int::MAX as u32) as c_int, last.min(c_int::MAX as u32) as c_int);
    monitor::end_range(first, last);
    table::each_known(first, last, |fd| {
        open_files::forget(fd);
    });
}

/// A real open has just returned this descriptor: whatever was remembered of the number was closed where no hook saw
/// it.
#[inline]
pub fn fresh(fd: c_int) {
    if table::get(fd) > table::OTHER {
        open_files::forget(fd);
    }
}

/// The program has opened node `number` with O_PATH.
pub fn opened_by_name(fd: c_int, number: u32) {
    if !fork::is_vfork_child() {
        table::set(fd, table::name_of(number));
    }
}

/// The first of our hidden descriptors among the numbers `first` to `last`: close_range and closefrom leave
/// it open.
pub fn next_hidden(first: u32, last: u32) -> Option<u32> {
    let connection = u32::try_from(connection::hidden()).ok().filter(|n| (first..=last).contains(n));
    connection.into_iter().chain(hidden::first(first, last)).min()
}

/// The program is about to dup2 or dup3 onto `fd`: a hidden descriptor there moves away first.
pub fn make_room(fd: c_int) {
    connection::make_room(fd);
    open_files::make_room(fd);
}

/// Whether the descriptor is known as a device. It is not looked at.
pub fn is_ours(fd: c_int) -> bool {
    table::is_session(table::get(fd))
}

/// Whether a descriptor looks like a device of some server, for the moment when a program starts: one system call, and
/// nothing is remembered.
pub fn looks_like_ours(fd: c_int) -> bool {
    sys::socket_mode(fd) == Some(DEVICE_MODE)
}

/// Whether one of our descriptors may be read, and written.
pub fn access(fd: c_int) -> (bool, bool) {
    open_files::of(fd).map_or((false, false), |session| session.access())
}

/// Whether an open file of ours is behind a number, and has subscribed to V4L2 events: poll and its kin learn
/// of those by [`event_doorbell()`].
pub fn has_events(fd: c_int) -> bool {
    state(fd) == State::Ours
        && open_files::of(fd).is_some_and(|s| s.page().events.subscribed.load(Ordering::Relaxed) != 0)
}

/// The event doorbell of an open file of ours: a hidden descriptor that is ready, with POLLPRI, while the open file
/// has a V4L2 event to take. The descriptor itself never has POLLPRI. None: not ours, or there is none.
pub fn event_doorbell(fd: c_int) -> Option<c_int> {
    if state(fd) == State::Ours { event_doorbell::of(&*open_files::of(fd)?) } else { None }
}

/// The same, if it was asked for before.
pub fn known_event_doorbell(fd: c_int) -> Option<c_int> {
    if state(fd) == State::Ours { event_doorbell::known(&*open_files::of(fd)?) } else { None }
}

/// Whether an open file of ours has a V4L2 event to take. If not, its event doorbell is cleared.
pub fn has_event(fd: c_int) -> bool {
    open_files::of(fd).is_some_and(|session| event_doorbell::is_right(&session))
}

/// Whether the process ever had a request doorbell ([`request_doorbell()`]): while it had not, no list of poll's has
/// one.
#[inline]
pub fn has_request_doorbells() -> bool {
    request_doorbell::has_any()
}

/// The session behind a number that is known to be ours; nothing is looked at.
fn known_session(fd: c_int) -> Option<Pin> {
    if is_ours(fd) { open_files::of(fd) } else { None }
}

/// The request doorbell of an input of ours that a zero-copy pusher has: a hidden descriptor that is readable when a
/// client has asked, whether or not the input's own is. None: not ours, or it has none.
pub fn request_doorbell(fd: c_int) -> Option<c_int> {
    request_doorbell::heard_at(&*known_session(fd)?)
}

/// The number that it has, whatever raw system calls did to it: costs no call.
#[inline]
pub fn request_doorbell_number(fd: c_int) -> Option<c_int> {
    request_doorbell::number(&*known_session(fd)?)
}

/// Whether there is something to read for a pusher whose input or [`request_doorbell()`] is ready: what rang may have
/// been withdrawn. If not, both are cleared.
pub fn has_request(fd: c_int) -> bool {
    known_session(fd).is_some_and(|session| pusher::is_rightly_rung(&session, fd))
}

/// The request doorbell of an input cannot be asked together with it: clients do not use it.
pub fn without_request_doorbell(fd: c_int) {
    if let Some(session) = known_session(fd) {
        request_doorbell::disable(&session);
    }
}

/// From now on, children that share this process's memory (vfork) can be told apart. False: there is no memory for that.
pub fn tell_children() -> bool {
    fork::settle().is_ok()
}

/// Whether this is a child that shares its parent's memory but not its descriptors (vfork): what it does with
/// numbers changes nothing of what is remembered of them. Costs a system call. Only after [`tell_children`].
pub fn is_in_shared_memory() -> bool {
    fork::is_vfork_child()
}

/// The program's socket `fd` listens for devices that come and go: to the kernel's own words, or to udev's.
pub fn listens(fd: c_int, kernel: bool) {
    monitor::begin(fd, kernel);
}

/// The numbers of the nodes that the daemon's tree has now.
pub fn each_node(mut f: impl FnMut(u32)) {
    monitor::each_node(&mut f);
}

/// Whether any socket of the process listens for devices: while none does, no number is one's.
#[inline]
pub fn has_monitors() -> bool {
    monitor::has_any()
}

/// The companion of a socket that listens for devices: a hidden descriptor that is readable when there may be
/// [`news`] for it. Costs no call.
#[inline]
pub fn monitor_number(fd: c_int) -> Option<c_int> {
    monitor::number(fd)
}

/// The same, if the number still is the socket's.
pub fn monitor(fd: c_int) -> Option<c_int> {
    monitor::companion(fd)
}

/// Whether there is news for a socket whose companion is ready. If not, the companion is cleared.
pub fn has_news(fd: c_int) -> bool {
    monitor::has_news(fd)
}

/// What a socket that listens for devices is to be told next; `peek`: it is told again.
pub fn news(fd: c_int, peek: bool) -> Option<News> {
    monitor::next(fd, peek)
}

/// Waits until a socket that listens for devices has something of its own, or there is [`news`] for it. False: a
/// signal came.
pub fn wait_for_news(fd: c_int) -> bool {
    monitor::wait(fd)
}

/// After a successful dup, dup2, dup3 or F_DUPFD of `old` to `new`.
pub fn after_dup(old: c_int, new: c_int) {
    if old != new {
        monitor::end(new);
    }
    open_files::duplicated(old, new);
}

/// The root of the daemon's tree of plain files, without a trailing slash; None where none was named.
pub fn tree() -> Option<&'static CStr> {
    environment::tree()
}

/// An image of that tree ([`vloopback_wire::tree`]) from the daemon, for who does not reach its folder: a
/// descriptor that is the caller's. None: no daemon, or none that has one.
pub fn fetch_tree() -> Option<c_int> {
    if fork::is_vfork_child() {
        return None;
    }
    let mut fds = FdList::new();
    let request = Request::Tree;
    let mut reply = connection::ask(&request, None, &mut fds);
    if matches!(reply, Err(Errno::ENODEV)) {
        // That daemon is gone; there may be a new one.
        reply = connection::ask(&request, None, &mut fds);
    }
    (reply.is_ok() && fds.len() == 1).then(|| fds.take(0))
}

/// The process looked into /proc/video/vloopback: it is legacy from now on.
pub fn mark_legacy() {
    environment::mark_legacy();
}

/// Whether the process is legacy (driver/docs/rules.md, "Eras").
pub fn is_legacy() -> bool {
    environment::is_legacy()
}

/// Whether the process finds the names that programs of today look for: it is not legacy, and nobody asked for others.
pub fn finds_todays_names() -> bool {
    !environment::is_legacy() && !environment::has_own_names()
}

/// The program has changed how it takes signals (signal, sigaction, sigprocmask and their kin).
pub fn signals_changed() {
    if MAPPED.load(Ordering::Relaxed) != 0 && !fork::is_vfork_child() {
        pusher::signals_changed(&open_files::OWN);
    }
}

/// Words of the program's memory, for a system call that has its arguments there. None: they cannot be read.
pub fn words<const N: usize>(addr: usize) -> Option<[usize; N]> {
    use vloopback_ioctl::UserMemory;

    let mut bytes = [[0; size_of::<usize>()]; N];
    OwnMemory.read(addr, bytes.as_flattened_mut()).ok()?;
    Some(bytes.map(usize::from_ne_bytes))
}

/// Copies from the program's memory. False: it cannot be read.
pub fn copy_in(addr: usize, to: &mut [u8]) -> bool {
    use vloopback_ioctl::UserMemory;

    OwnMemory.read(addr, to).is_ok()
}

/// The release that uname() is to tell, if one was asked for.
pub fn fake_release() -> Option<&'static CStr> {
    environment::fake_release()
}
