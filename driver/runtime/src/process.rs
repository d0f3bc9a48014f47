//! What belongs to the process: where the daemon is, the connection to it, forks, the era.

use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use vloopback_ring::{Lifeline, PAGE_LEN};
use vloopback_wire::{Reply, Request, build_id};
use zerocopy::IntoBytes;

use crate::lock::{Local, NoSignals};
use crate::sys::{self, FdList, Result};

/// Counts forks on the way to this process, from 1: what was locked or connected in another epoch
/// is the parent's.
static EPOCH: AtomicU32 = AtomicU32::new(1);
/// The process id of this epoch, to tell a vfork child, which shares our memory but not our
/// descriptors.
static PID: AtomicI32 = AtomicI32::new(0);
/// A word in a page that forked children find zeroed: 1 at home, 0 just forked, 2 being set up.
static HOME: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());
/// This process's number in shared locks, and the epoch that it is of.
static PEER: AtomicU32 = AtomicU32::new(0);
static PEER_EPOCH: AtomicU32 = AtomicU32::new(0);
static LEGACY: AtomicBool = AtomicBool::new(false);

static CONNECTION: Local<Connection> =
    Local::new(Connection { fd: -1, inode: None, epoch: 0, lifeline: 0, greeted: false });
/// The connection's number, for those who must not close it.
static HIDDEN: AtomicI32 = AtomicI32::new(-1);

/// The connection to the daemon.
#[derive(Debug)]
struct Connection {
    fd: c_int,
    /// By which it is known again: raw system calls may have put the program's own file there.
    inode: Option<u64>,
    epoch: u32,
    /// The daemon's lifeline, mapped; an address.
    lifeline: usize,
    /// Hello was said and answered on it.
    greeted: bool,
}

/// Text that was in the environment when the process began, in static memory.
struct Text {
    bytes: core::cell::UnsafeCell<[u8; 512]>,
    len: AtomicUsize,
}

// SAFETY: written once by the constructor, before any other thread is; only read afterwards.
unsafe impl Sync for Text {}

impl Text {
    const fn new() -> Self {
        Self { bytes: core::cell::UnsafeCell::new([0; 512]), len: AtomicUsize::new(0) }
    }

    /// Keeps the pieces, NUL-terminated; too long ones count as not there.
    fn set(&self, pieces: &[&[u8]]) {
        let total: usize = pieces.iter().map(|p| p.len()).sum();
        if total == 0 || total >= 512 {
            return;
        }
        let mut at = 0;
        for piece in pieces {
            // SAFETY: before other threads are (see Sync), and inside the buffer by the check above.
            let to = unsafe { &mut (&mut *self.bytes.get())[at..at + piece.len()] };
            to.copy_from_slice(piece);
            at += piece.len();
        }
        self.len.store(total, Ordering::Release);
    }

    fn get(&'static self) -> Option<&'static CStr> {
        let len = self.len.load(Ordering::Acquire);
        if len == 0 {
            return None;
        }
        // SAFETY: len + 1 bytes are set and never change any more; the last is 0.
        let bytes = unsafe { core::slice::from_raw_parts(self.bytes.get().cast::<u8>(), len + 1) };
        CStr::from_bytes_with_nul(bytes).ok()
    }
}

static SOCKET: Text = Text::new();
static TREE: Text = Text::new();
static RELEASE: Text = Text::new();

fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: getenv of a valid name; the constructor runs before the program can change its
    // environment, and what is needed is copied at once.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv gives a NUL-terminated string.
    let value: &'static CStr = unsafe { CStr::from_ptr(value) };
    (!value.to_bytes().is_empty()).then_some(value.to_bytes())
}

/// Reads the environment into static storage. Allocates nothing, opens nothing.
pub(crate) fn configure_from_env() {
    if let Some(path) = variable(c"VLOOPBACK_SOCKET") {
        set_socket(&[path]);
    } else if let Some(dir) = variable(c"XDG_RUNTIME_DIR") {
        set_socket(&[dir, b"/vloopback/socket"]);
    } else {
        set_socket(&[b"/run/vloopback/socket"]);
    }
    if let Some(release) = variable(c"VLOOPBACK_UNAME") {
        RELEASE.set(&[release]);
        mark_legacy();
    }
    if variable(c"VLOOPBACK_ERA") == Some(b"legacy") || personality_is_uname26() {
        mark_legacy();
    }
}

/// Where the daemon is; also for users of the SDK, who have no constructor.
pub(crate) fn set_socket(pieces: &[&[u8]]) {
    let Some((first, rest)) = pieces.split_first() else { return };
    SOCKET.set(pieces);
    let mut all: [&[u8]; 4] = [first, b"", b"", b""];
    for (to, from) in all[1..3].iter_mut().zip(rest) {
        *to = from;
    }
    all[3] = b".d";
    TREE.set(&all);
}

fn personality_is_uname26() -> bool {
    const UNAME26: c_int = 0x0002_0000;
    // SAFETY: 0xffffffff only asks.
    let now = unsafe { libc::personality(0xffff_ffff) };
    now != -1 && now & UNAME26 != 0
}

pub(crate) fn tree() -> Option<&'static CStr> {
    TREE.get()
}

pub(crate) fn fake_release() -> Option<&'static CStr> {
    RELEASE.get()
}

pub(crate) fn mark_legacy() {
    LEGACY.store(true, Ordering::Relaxed);
}

pub(crate) fn is_legacy() -> bool {
    LEGACY.load(Ordering::Relaxed)
}

/// This process's fork epoch. Notices a fork that nobody told us of.
#[inline]
pub(crate) fn epoch() -> u32 {
    let home = HOME.load(Ordering::Acquire);
    // SAFETY: set once to a page that is never unmapped.
    if !home.is_null() && unsafe { &*home }.load(Ordering::Acquire) != 1 {
        after_fork();
    }
    EPOCH.load(Ordering::Acquire)
}

/// Whether this is a child that shares our memory but not our descriptors (vfork, CLONE_VM): it
/// must change nothing of ours. Costs a system call: for the rare calls that change the table.
pub(crate) fn is_foreign() -> bool {
    let pid = PID.load(Ordering::Relaxed);
    if pid == 0 {
        return false;
    }
    epoch();
    sys::getpid() != PID.load(Ordering::Relaxed)
}

/// Makes the page that tells forks, once. Before it is made, a child that shares our memory is not told from us.
pub(crate) fn settle() -> Result<()> {
    if !HOME.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: a new anonymous page.
    let page = unsafe { sys::mmap(0, PAGE_LEN, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1) }?;
    sys::wipe_on_fork(page, PAGE_LEN)?;
    let home = page.cast::<AtomicU32>();
    // SAFETY: the page is ours, zeroed and aligned.
    unsafe { &*home }.store(1, Ordering::Release);
    PID.store(sys::getpid(), Ordering::Relaxed);
    if HOME.compare_exchange(core::ptr::null_mut(), home, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: another thread was first; nobody has seen this page.
        unsafe { sys::munmap(page, PAGE_LEN) };
        return Ok(());
    }
    // SAFETY: the handler only makes raw system calls and changes atomics.
    unsafe { libc::pthread_atfork(None, None, Some(forked)) };
    Ok(())
}

extern "C" fn forked() {
    crate::stack::align();
    epoch();
    // A connection of its own at once: while a child keeps a copy of ours, the daemon could not
    // see our death. The daemon's greeting is not waited for.
    let quiet = NoSignals::new();
    let mut connection = CONNECTION.lock(&quiet);
    connection.own();
}

fn after_fork() {
    let home = HOME.load(Ordering::Acquire);
    // SAFETY: as in `epoch`.
    let home = unsafe { &*home };
    match home.compare_exchange(0, 2, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            EPOCH.fetch_add(1, Ordering::AcqRel);
            PID.store(sys::getpid(), Ordering::Relaxed);
            home.store(1, Ordering::Release);
        }
        Err(_) => {
            while home.load(Ordering::Acquire) == 2 {
                core::hint::spin_loop();
            }
        }
    }
}

/// Moves a descriptor of ours out of the program's way: to a high number.
pub(crate) fn hide(fd: c_int) -> c_int {
    // Not higher than needed: the kernel's table of a process grows with its highest number.
    let limit = sys::descriptor_limit().clamp(64, 1024) as c_int;
    for from in [limit - 16, limit / 2, 3] {
        if let Ok(high) = sys::dup_from(fd, from) {
            sys::close(fd);
            return high;
        }
    }
    fd
}

impl Connection {
    /// Forgets the number if something else is there by now: what the program has closed behind our
    /// back and opened anew is its own, and nothing of ours is written into it.
    fn make_certain(&mut self) {
        if self.fd >= 0 && sys::inode(self.fd) != self.inode {
            self.fd = -1;
            self.greeted = false;
            HIDDEN.store(-1, Ordering::Release);
        }
    }

    /// Takes a new descriptor for its own.
    fn set(&mut self, fd: c_int, epoch: u32) {
        self.fd = hide(fd);
        self.inode = sys::inode(self.fd);
        self.epoch = epoch;
        self.greeted = false;
        HIDDEN.store(self.fd, Ordering::Release);
    }

    /// Makes an inherited connection ours: a new one, announced on the parent's.
    fn own(&mut self) {
        self.make_certain();
        let epoch = EPOCH.load(Ordering::Acquire);
        if self.fd < 0 || self.epoch == epoch {
            return;
        }
        let inherited = core::mem::replace(&mut self.fd, -1);
        HIDDEN.store(-1, Ordering::Release);
        if let Ok([mine, theirs]) = sys::seqpacket_pair() {
            if sys::send_record(inherited, Request::Split.encode().as_bytes(), Some(theirs)).is_ok() {
                self.set(mine, epoch);
            } else {
                sys::close(mine);
            }
            sys::close(theirs);
        }
        sys::close(inherited);
    }

    /// Connects by the socket's path, unless connected.
    fn connect(&mut self) -> Result<()> {
        self.own();
        if self.fd >= 0 {
            return Ok(());
        }
        let path = SOCKET.get().ok_or(libc::ENOENT)?.to_bytes();
        let mut address = [0u8; 110];
        address[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
        if path.len() > 107 {
            return Err(libc::ENAMETOOLONG);
        }
        address[2..2 + path.len()].copy_from_slice(path);
        self.set(sys::connect(&address, 3 + path.len())?, EPOCH.load(Ordering::Acquire));
        Ok(())
    }

    /// Says hello, unless it was said.
    fn greet(&mut self) -> Result<()> {
        if self.greeted {
            return Ok(());
        }
        let mut fds = FdList::new();
        match self.exchange(&Request::Hello { build: build_id() }, None, &mut fds)? {
            Reply::Welcome { peer } if fds.len() == 1 => {
                // SAFETY: a new mapping of a sealed file of one page.
                let page = unsafe { sys::mmap(0, PAGE_LEN, libc::PROT_READ, libc::MAP_SHARED, fds.get(0)) }?;
                // The former one stays mapped: sessions of a daemon that is gone look at it.
                self.lifeline = page as usize;
                self.greeted = true;
                PEER.store(peer, Ordering::Release);
                PEER_EPOCH.store(self.epoch, Ordering::Release);
                Ok(())
            }
            Reply::Refused(reason) => {
                complain(&reason);
                self.drop();
                Err(libc::EPROTONOSUPPORT)
            }
            // The daemon has no descriptor left for us.
            Reply::Error(errno) => {
                self.drop();
                Err(errno)
            }
            _ => {
                self.drop();
                Err(libc::EPROTO)
            }
        }
    }

    fn exchange(&mut self, request: &Request, pass: Option<c_int>, fds: &mut FdList) -> Result<Reply> {
        let mut record = [0u8; 1024];
        let result = sys::send_record(self.fd, request.encode().as_bytes(), pass)
            .and_then(|()| sys::receive_record(self.fd, &mut record, fds));
        match result {
            // The record was taken, its descriptors found no room: the connection is as it should be.
            Err(libc::EMFILE) => Err(libc::EMFILE),
            Err(_) | Ok(0) => {
                self.drop();
                Err(libc::ENODEV)
            }
            Ok(n) => Reply::decode(&record[..n]).map_err(|_| {
                self.drop();
                libc::EPROTO
            }),
        }
    }

    fn drop(&mut self) {
        if self.fd >= 0 {
            sys::close(self.fd);
        }
        self.fd = -1;
        HIDDEN.store(-1, Ordering::Release);
    }
}

/// One line on the standard error, for what no errno can say. Only on the way of an open.
fn complain(reason: &str) {
    for piece in ["vloopback: ", reason, "\n"] {
        // SAFETY: valid bytes; a closed standard error only fails.
        let _ = unsafe { syscalls::syscall!(syscalls::Sysno::write, 2, piece.as_ptr(), piece.len()) };
    }
}

/// Asks the daemon. Descriptors of the reply are put into `fds`. Returns the reply (never
/// [`Reply::Error`]) and the lifeline of the daemon that answered.
///
/// # Errors
/// The daemon's errno; ENOENT or ECONNREFUSED if none is there, EACCES if it must not be reached,
/// ENODEV if it ended meanwhile.
pub(crate) fn ask(
    request: &Request,
    pass: Option<c_int>,
    fds: &mut FdList,
) -> Result<(Reply, &'static Lifeline)> {
    settle()?;
    let quiet = NoSignals::new();
    let mut connection = CONNECTION.lock(&quiet);
    let fresh = connection.fd < 0 || connection.epoch != epoch();
    connection.connect()?;
    let mut result = connection.greet().and_then(|()| connection.exchange(request, pass, fds));
    if result == Err(libc::ENODEV) && !fresh && matches!(request, Request::Open { .. } | Request::Attach) {
        // That daemon is gone; there may be a new one. Sessions of the old one stay dead.
        connection.connect()?;
        result = connection.greet().and_then(|()| connection.exchange(request, pass, fds));
    }
    // SAFETY: `greet` mapped it and it is never unmapped.
    let lifeline = unsafe { &*(connection.lifeline as *const Lifeline) };
    match result? {
        Reply::Error(errno) => Err(errno),
        reply => Ok((reply, lifeline)),
    }
}

/// Asks for something whose reply says no more than that it is done.
///
/// # Errors
/// As [`ask`].
pub(crate) fn tell(request: &Request) -> Result<()> {
    ask(request, None, &mut FdList::new()).map(drop)
}

/// Sends what the daemon does not answer ([`Request::Bell`]).
///
/// # Errors
/// As [`ask`].
pub(crate) fn post(request: &Request) -> Result<()> {
    settle()?;
    let quiet = NoSignals::new();
    let mut connection = CONNECTION.lock(&quiet);
    connection.connect()?;
    connection.greet()?;
    connection.make_certain();
    if connection.fd < 0 {
        return Err(libc::ENODEV);
    }
    sys::send_record(connection.fd, request.encode().as_bytes(), None)
}

/// This process's number in shared locks.
///
/// # Errors
/// As [`ask`], in a child that is not connected yet.
pub(crate) fn peer() -> Result<u32> {
    let now = epoch();
    if PEER_EPOCH.load(Ordering::Acquire) == now {
        return Ok(PEER.load(Ordering::Acquire));
    }
    let quiet = NoSignals::new();
    let mut connection = CONNECTION.lock(&quiet);
    connection.connect()?;
    connection.greet()?;
    Ok(PEER.load(Ordering::Acquire))
}

/// Our hidden descriptor, the connection; -1 without one. (Chimes are in the table of numbers.)
#[inline]
pub(crate) fn hidden() -> c_int {
    HIDDEN.load(Ordering::Acquire)
}

/// The program is about to take this number: what of ours is there goes elsewhere.
pub(crate) fn make_room(fd: c_int) {
    if fd < 0 || HIDDEN.load(Ordering::Acquire) != fd || is_foreign() {
        return;
    }
    let quiet = NoSignals::new();
    let mut connection = CONNECTION.lock(&quiet);
    if connection.fd == fd {
        // Not to the same number: `hide` takes the lowest free one from above.
        if let Ok(other) = sys::dup_from(fd, fd.saturating_add(1)).or_else(|_| sys::dup_from(fd, 3)) {
            connection.fd = other;
            HIDDEN.store(other, Ordering::Release);
        }
    }
}
