//! stdio's streams over devices.
//!
//! glibc's own reads and writes for a stream pass no hook: they would reach the bare socket behind a device's
//! descriptor. So a device gets a stream of `fopencookie`, whose functions are the library's read and write. The cookie
//! is the descriptor itself, and `fileno` returns it. Everything else is glibc's: buffers, locks, what a fork inherits,
//! the last flush at the program's end.
//!
//! The standard streams are objects inside glibc, which cannot be made anew. But `stdin`, `stdout` and `stderr` are
//! variables that a program may set (glibc's manual, "Standard Streams"), and all of glibc uses them. If descriptor
//! 0, 1 or 2 is a device, the variable names a stream of the library. It is set when the program starts and when a
//! descriptor becomes a device later, and reset when the descriptor becomes something else. Meanwhile, a pointer to the
//! former stream that the program has kept gives EBADF.

use crate::attribute;
use crate::closing::{close_one, put_under};
use crate::errno;
use crate::io::{ours, read_ours, write_ours};
use crate::real;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};
use libc::{FILE, off64_t, size_t, ssize_t};
use vloopback_runtime::edge;
use vloopback_runtime::stack;

/// `cookie_io_functions_t`.
#[repr(C)]
struct Functions {
    read: unsafe extern "C" fn(*mut c_void, *mut c_char, size_t) -> ssize_t,
    write: unsafe extern "C" fn(*mut c_void, *const c_char, size_t) -> ssize_t,
    seek: unsafe extern "C" fn(*mut c_void, *mut off64_t, c_int) -> c_int,
    close: unsafe extern "C" fn(*mut c_void) -> c_int,
}

const FUNCTIONS: Functions = Functions { read, write, seek, close };

unsafe extern "C" {
    fn fopencookie(cookie: *mut c_void, mode: *const c_char, functions: Functions) -> *mut FILE;
    fn __fpending(stream: *mut FILE) -> size_t;
    fn __fpurge(stream: *mut FILE);
    static mut stdin: *mut FILE;
    static mut stdout: *mut FILE;
    static mut stderr: *mut FILE;
}

/// The beginning of glibc's `FILE`, as `<bits/types/struct_FILE.h>` gives it: programs have it compiled in (getc's
/// macros), so it does not change.
#[repr(C)]
struct Face {
    flags: c_int,
    read_ptr: *mut c_char,
    read_end: *mut c_char,
    read_base: *mut c_char,
    write_base: *mut c_char,
    write_ptr: *mut c_char,
    write_end: *mut c_char,
    buf_base: *mut c_char,
    buf_end: *mut c_char,
    save_base: *mut c_char,
    backup_base: *mut c_char,
    save_end: *mut c_char,
    markers: *mut c_void,
    chain: *mut FILE,
    fileno: c_int,
    flags2: c_int,
    old_offset: libc::c_long,
    cur_column: u16,
    vtable_offset: i8,
    shortbuf: c_char,
    lock: *mut c_void,
    offset: off64_t,
    codecvt: *mut c_void,
    wide_data: *mut c_void,
}

/// What [`Face::flags`] says; the values of glibc's `<libio.h>`, which was a public header until 2.27.
const UNBUFFERED: c_int = 0x2;
const NO_READS: c_int = 0x4;
const NO_WRITES: c_int = 0x8;
const LINE_BUFFERED: c_int = 0x200;
const IS_APPENDING: c_int = 0x1000;

/// The stream, seen as what its beginning is.
const fn face(stream: *mut FILE) -> *mut Face {
    stream.cast()
}

// The functions that glibc calls for a stream of ours.

fn number(cookie: *mut c_void) -> c_int {
    cookie.addr() as c_int
}

unsafe extern "C" fn read(cookie: *mut c_void, buf: *mut c_char, len: size_t) -> ssize_t {
    stack::align();
    let fd = number(cookie);
    let left = take_left(fd, buf, len);
    if left != 0 {
        return left as ssize_t;
    }
    if ours(fd) {
        return read_ours(fd, buf.cast(), len);
    }
    // The number may be another file's by now, as it may under any stream.
    // SAFETY: glibc's own arguments.
    unsafe { real::read(fd, buf.cast(), len) }
}

unsafe extern "C" fn write(cookie: *mut c_void, buf: *const c_char, len: size_t) -> ssize_t {
    stack::align();
    // Fewer than `len` is the failure; negative numbers are not allowed here.
    ssize_t::try_from(write_all(number(cookie), buf, len)).unwrap_or(ssize_t::MAX)
}

/// Writes all bytes. Returns fewer only if a write has failed; errno then says why.
pub fn write_all(fd: c_int, buf: *const c_char, len: size_t) -> size_t {
    let mut done = 0;
    while done < len {
        // SAFETY: within the C library's buffer of `len` bytes.
        let rest = unsafe { buf.add(done) }.cast::<c_void>();
        let count = if ours(fd) {
            write_ours(fd, rest, len - done)
        } else {
            // SAFETY: the rest of that buffer and its length.
            let count = unsafe { real::write(fd, rest, len - done) };
            if count < 0 { attribute::write(fd, rest, len - done) } else { count }
        };
        match usize::try_from(count) {
            Ok(count) if count != 0 => done += count,
            _ => break,
        }
    }
    done
}

unsafe extern "C" fn seek(cookie: *mut c_void, offset: *mut off64_t, whence: c_int) -> c_int {
    stack::align();
    // SAFETY: glibc's own argument, a live place.
    let wanted = unsafe { *offset };
    // A device has no position: the kernel says ESPIPE.
    // SAFETY: no pointers.
    let at = unsafe { real::lseek64(number(cookie), wanted, whence) };
    if at < 0 {
        return -1;
    }
    // SAFETY: as above.
    unsafe { *offset = at };
    0
}

unsafe extern "C" fn close(cookie: *mut c_void) -> c_int {
    stack::align();
    close_one(number(cookie))
}

/// All streams of ours. Places are never given back, only used again, so that nobody needs a lock.
static STREAMS: AtomicPtr<Place> = AtomicPtr::new(null_mut());

struct Place {
    stream: AtomicPtr<FILE>,
    next: *mut Place,
}

/// Calls `f` with the places that hold `stream`, until it returns true. Whether it did.
fn any_place(stream: *mut FILE, f: impl Fn(&AtomicPtr<FILE>) -> bool) -> bool {
    let mut at = STREAMS.load(Ordering::Acquire);
    while !at.is_null() {
        // SAFETY: places live for ever.
        let place = unsafe { &*at };
        if place.stream.load(Ordering::Acquire) == stream && f(&place.stream) {
            return true;
        }
        at = place.next;
    }
    false
}

fn replace(place: &AtomicPtr<FILE>, old: *mut FILE, new: *mut FILE) -> bool {
    place.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// Whether a stream is one of ours.
#[inline]
pub fn is_ours(stream: *mut FILE) -> bool {
    !stream.is_null() && any_place(stream, |_| true)
}

fn forget(stream: *mut FILE) {
    any_place(stream, |place| replace(place, stream, null_mut()));
}

/// False: there is no memory.
fn remember(stream: *mut FILE) -> bool {
    if any_place(null_mut(), |place| replace(place, null_mut(), stream)) {
        return true;
    }
    // SAFETY: room for one place.
    let new = unsafe { libc::malloc(size_of::<Place>()) }.cast::<Place>();
    if new.is_null() {
        return false;
    }
    let mut next = STREAMS.load(Ordering::Acquire);
    loop {
        // SAFETY: the new room, which nobody else has yet.
        unsafe { new.write(Place { stream: AtomicPtr::new(stream), next }) };
        match STREAMS.compare_exchange(next, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return true,
            Err(now) => next = now,
        }
    }
}

/// A new stream over a device's number. Null, with errno: there is no memory.
pub fn over(fd: c_int, flags: c_int) -> *mut FILE {
    let mode = match (flags & libc::O_ACCMODE, flags & libc::O_APPEND != 0) {
        (libc::O_RDONLY, _) => c"r",
        (libc::O_WRONLY, false) => c"w",
        (libc::O_WRONLY, true) => c"a",
        (_, false) => c"r+",
        (_, true) => c"a+",
    };
    let cookie = core::ptr::without_provenance_mut(fd as usize);
    // SAFETY: functions that live for ever, a cookie that they understand.
    let stream = unsafe { fopencookie(cookie, mode.as_ptr(), FUNCTIONS) };
    if stream.is_null() {
        return stream;
    }
    if !remember(stream) {
        // The number stays the caller's: it is no cookie of a stream any more when that closes it.
        // SAFETY: a new stream with nothing in it; glibc frees it without calling us.
        unsafe {
            (*face(stream)).fileno = -1;
            real::fclose(stream);
        }
        return errno::fail(libc::ENOMEM);
    }
    // SAFETY: a stream that nobody else has yet.
    unsafe { (*face(stream)).fileno = fd };
    stream
}

/// fclose, where the stream is ours: glibc writes out what it has, and calls [`close`].
pub fn close_stream(stream: *mut FILE) -> c_int {
    forget(stream);
    for standard in &STANDARD {
        if replace(&standard.stream, stream, null_mut()) {
            standard.put_back(stream, false);
        }
    }
    // SAFETY: the program's own stream.
    unsafe { real::fclose(stream) }
}

/// freopen of a stream of ours onto a device: `fd` goes to the stream's number.
pub fn renew(stream: *mut FILE, fd: c_int, flags: c_int) -> bool {
    // SAFETY: the program's own stream, which nobody else may use meanwhile.
    let face = unsafe { &mut *face(stream) };
    if !put_under(fd, face.fileno, flags) {
        return false;
    }
    // SAFETY: the same stream; what it had was written out or is thrown away.
    unsafe {
        __fpurge(stream);
        libc::clearerr(stream);
    }
    set_mode(face, flags);
    true
}

/// What a stream may do, by open's flags: as fopencookie sets it.
fn set_mode(face: &mut Face, flags: c_int) {
    let can = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => NO_WRITES,
        libc::O_WRONLY => NO_READS,
        _ => 0,
    };
    let appends = if flags & libc::O_APPEND != 0 { IS_APPENDING } else { 0 };
    face.flags = face.flags & !(NO_READS | NO_WRITES | IS_APPENDING) | can | appends;
}

/// The stream that glibc's own freopen is to take, in the place of one that may be ours.
pub fn native(stream: *mut FILE) -> *mut FILE {
    if !is_ours(stream) {
        return stream;
    }
    for standard in &STANDARD {
        if standard.stream.load(Ordering::Relaxed) == stream {
            let former = standard.put_back(stream, true);
            if !former.is_null() {
                return former;
            }
        }
    }
    // It becomes a stream of glibc's. Those have memory for wide characters, which one of fopencookie has not; as much
    // as ever was needed (232 bytes) and more, all zero as in a new stream.
    forget(stream);
    // SAFETY: new memory, and the program's own stream, which nobody else may use meanwhile.
    unsafe { (*face(stream)).wide_data = libc::calloc(1, 1024) };
    stream
}

/// What is known of number 0, 1 or 2.
struct Standard {
    /// The stream of ours, and glibc's in whose place it is; null: there is none.
    stream: AtomicPtr<FILE>,
    former: AtomicPtr<FILE>,
}

static STANDARD: [Standard; 3] =
    [const { Standard { stream: AtomicPtr::new(null_mut()), former: AtomicPtr::new(null_mut()) } }; 3];

/// What a standard stream is for.
const fn usual_flags(fd: c_int) -> c_int {
    if fd == 0 { libc::O_RDONLY } else { libc::O_WRONLY }
}

/// The program's variable for a number.
fn variable(fd: c_int) -> *mut *mut FILE {
    match fd {
        0 => &raw mut stdin,
        1 => &raw mut stdout,
        _ => &raw mut stderr,
    }
}

impl Standard {
    /// Sets the program's variable back, from `stream` to glibc's own. With `number` that has the number again; else
    /// it is closed. Null: `stream` had nobody's place.
    fn put_back(&self, stream: *mut FILE, number: bool) -> *mut FILE {
        let former = self.former.swap(null_mut(), Ordering::AcqRel);
        let Some(fd) = STANDARD.iter().position(|one| core::ptr::eq(one, self)) else { return former };
        let fd = fd as c_int;
        if former.is_null() {
            return former;
        }
        if number {
            // SAFETY: one of glibc's standard streams, which live for ever.
            unsafe { (*face(former)).fileno = fd };
        }
        // SAFETY: the variable lives for ever; that others do not use it now is as with a program's own assignment.
        unsafe {
            if *variable(fd) == stream {
                *variable(fd) = former;
            }
        }
        former
    }
}

/// The number of a standard stream of glibc's own, if it still has that number.
pub fn standard_number(stream: *mut FILE) -> Option<c_int> {
    // SAFETY: the variables live for ever, and what one of them names is a stream.
    (0..=2).find(|fd| unsafe { *variable(*fd) == stream && (*face(stream)).fileno == *fd })
}

/// A standard stream of glibc's was reopened onto a device, which has its number now: the stream that is in its place.
/// Null, with errno: there is no memory.
pub fn take_place(fd: c_int, flags: c_int) -> *mut FILE {
    // SAFETY: the variable lives for ever.
    let former = unsafe { *variable(fd) };
    // What it had belonged to the file before; that is written, or thrown away.
    // SAFETY: a live stream.
    unsafe {
        __fpurge(former);
        libc::clearerr(former);
    }
    make_standard(fd, flags);
    // SAFETY: as above.
    let stream = unsafe { *variable(fd) };
    if stream == former { errno::fail(libc::ENOMEM) } else { stream }
}

/// To be called when a number has become another open file. For 0, 1 and 2 it makes the program's variable name the
/// right stream.
#[inline]
pub fn settle(fd: c_int) {
    if (0..=2).contains(&fd) {
        // A number that came with an exec may not have been looked at yet.
        settle_standard(fd, edge::is_ours(fd) || edge::looks_like_ours(fd) || attribute::is_behind(fd));
    }
}

/// The standard numbers that a program starts with.
pub fn look() {
    for fd in 0..=2 {
        if edge::looks_like_ours(fd) || attribute::is_behind(fd) {
            make_standard(fd, usual_flags(fd));
        }
    }
}

#[inline(never)]
fn settle_standard(fd: c_int, is_device: bool) {
    let before = errno::get();
    let Some(standard) = STANDARD.get(fd as usize) else { return };
    if is_device {
        // A child between vfork and exec has its parent's memory, and with it its parent's streams.
        if !is_in_shared_memory() {
            make_standard(fd, usual_flags(fd));
        }
    } else {
        let stream = standard.stream.load(Ordering::Relaxed);
        // What the stream still has goes to the number, whatever it is now: then it stays in its place.
        // SAFETY: a stream of ours that is not closed.
        let is_empty = !stream.is_null() && unsafe { __fpending(stream) == 0 && !has_read_ahead(stream) };
        if is_empty && !is_in_shared_memory() {
            standard.put_back(stream, true);
        }
    }
    errno::set(before);
}

/// Whether this is a child that has its parent's memory (vfork). By what glibc takes for the thread's number, which
/// fork changes and vfork does not: a mutex that is locked tells it.
fn is_in_shared_memory() -> bool {
    /// `__owner`, in 32-bit words (`<bits/struct_mutex.h>`; the same on all machines).
    const OWNER: usize = 2;
    let mut mutex = libc::PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    // SAFETY: a mutex of our own, which nobody else has; a recursive one has its owner there while it is locked.
    unsafe {
        libc::pthread_mutex_lock(&raw mut mutex);
        let owner = (&raw const mutex).cast::<c_int>().add(OWNER).read();
        libc::pthread_mutex_unlock(&raw mut mutex);
        owner != libc::gettid()
    }
}

/// # Safety
/// A live stream.
unsafe fn has_read_ahead(stream: *mut FILE) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (*face(stream)).read_ptr < (*face(stream)).read_end }
}

#[cold]
fn make_standard(fd: c_int, flags: c_int) {
    let (Some(standard), variable) = (STANDARD.get(fd as usize), variable(fd)) else { return };
    // SAFETY: the variable lives for ever.
    let former = unsafe { *variable };
    // SAFETY: what the variable names is a stream, if anything.
    if former.is_null() || is_ours(former) || unsafe { (*face(former)).fileno } != fd {
        // It is ours already; or the program has put something of its own there.
        return;
    }
    let mut stream = standard.stream.load(Ordering::Relaxed);
    if stream.is_null() {
        stream = over(fd, flags);
    }
    if stream.is_null() {
        return;
    }
    // SAFETY: a stream of ours that the program does not use: it is new, or nobody's variable names it.
    set_mode(unsafe { &mut *face(stream) }, flags);
    standard.stream.store(stream, Ordering::Relaxed);
    standard.former.store(former, Ordering::Relaxed);
    // SAFETY: two live streams. That no other thread uses the former one now is as with the program's own assignment:
    // the number under it has just become another.
    unsafe {
        libc::clearerr(stream);
        let buffered = match (*face(former)).flags {
            flags if flags & UNBUFFERED != 0 => libc::_IONBF,
            flags if flags & LINE_BUFFERED != 0 => libc::_IOLBF,
            _ => libc::_IOFBF,
        };
        libc::setvbuf(stream, null_mut(), buffered, 0);
        // What waits to be written goes to the number's new file, as it would have.
        let pending = __fpending(former);
        if pending != 0 {
            let text = (*face(former)).write_base;
            libc::fwrite(text.cast(), 1, pending, stream);
            __fpurge(former);
        }
        (*face(former)).fileno = -1;
        *variable = stream;
    }
}

/// What glibc's standard input had read ahead, before its number became a device: that comes first.
fn take_left(fd: c_int, buf: *mut c_char, len: size_t) -> size_t {
    let former = match STANDARD.first() {
        Some(standard) if fd == 0 => standard.former.load(Ordering::Relaxed),
        _ => return 0,
    };
    if former.is_null() {
        return 0;
    }
    // SAFETY: a stream that lives for ever; what is between its two pointers is in its buffer, and the program's
    // variable does not name it.
    unsafe {
        let face = &mut *face(former);
        let left = (face.read_end.addr()).saturating_sub(face.read_ptr.addr()).min(len);
        if left != 0 {
            core::ptr::copy_nonoverlapping(face.read_ptr, buf, left);
            face.read_ptr = face.read_ptr.add(left);
        }
        left
    }
}
