//! The connection to the server: what is asked, and what is answered.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use vloopback_ring::{Lifeline, PAGE_LEN};
use vloopback_wire::{Reply, Request, build_id};
use zerocopy::IntoBytes;

use vloopback_sys::lock::{Local, NoSignals, blocked_by_program};
use vloopback_sys::records::{self, Received};
use vloopback_sys::{Asked, Errno, FdList, Result, fork, server};

use crate::environment;
use vloopback_sys as sys;

/// This process's number in shared locks, and the epoch that it is of.
static PEER: AtomicU32 = AtomicU32::new(0);
static PEER_EPOCH: AtomicU32 = AtomicU32::new(0);
static CONNECTION: Local<Connection> = Local::new(Connection {
    fd: -1,
    inode: None,
    epoch: 0,
    lifeline: 0,
    greeted: false,
    owed: 0,
    since: 0,
    told: false,
    ids: [0; 3],
});
/// The connection's number, for those who must not close it.
static HIDDEN: AtomicI32 = AtomicI32::new(-1);

/// The connection to the daemon.
#[derive(Debug)]
struct Connection {
    fd: c_int,
    /// The socket's inode. If the number has another by now, raw system calls have put a file of the program's there.
    inode: Option<u64>,
    epoch: u32,
    /// The daemon's lifeline, mapped; an address.
    lifeline: usize,
    /// Hello was said and answered on it.
    greeted: bool,
    /// How many replies are still to come that nobody waits for. Replies come in the order of the requests, so these are
    /// taken before the next request is sent.
    owed: u32,
    /// Since when the oldest missing reply has been waited for, nanoseconds of CLOCK_MONOTONIC; 0: none is missing.
    since: u64,
    /// The user was told that the server does not answer.
    told: bool,
    /// The ids that the process had when it connected. The server goes by these, whatever ids the process takes later.
    ids: [u32; 3],
}

/// The kernel's ERESTARTSYS, with the same meaning: a signal has come whose handler was installed with SA_RESTART, so the
/// call is done again once the handler has run. No program sees it ([`restarting`]).
pub const RESTART: Errno = Errno(512);

/// How long one wait of a call on the connection lasts: then signals are looked at.
const SLICE: u64 = 50_000_000;
/// How long a signal with a handler waits for the server's answer, nanoseconds. Most programs do not expect an interruption
/// where the kernel's devices answer at once.
const GRACE: u64 = 500_000_000;
/// How long a server may take to answer, nanoseconds.
const PATIENCE: u64 = 10_000_000_000;

/// Does `call`, and does it again after each signal that lets it go on. Nothing is locked, and no signal blocked by
/// us, between two of them: handlers run there.
#[inline]
pub fn restarting<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(RESTART) => {}
            result => return result,
        }
    }
}

/// Moves a descriptor of ours out of the program's way: to a high number.
pub fn hide(fd: c_int) -> c_int {
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

/// As [`fork::settle`]; forked children get a connection of their own at once: while a child keeps a copy of ours, the
/// server could not see our death. The server's greeting is not waited for.
fn settle() -> Result<()> {
    fork::on_child(|| {
        let quiet = NoSignals::new();
        CONNECTION.lock(&quiet).own();
    });
    fork::settle()
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
        (self.owed, self.since, self.told) = (0, 0, false);
        self.ids = sys::ids();
        // Where it cannot be set, calls wait without a limit.
        let _ = sys::limit_waits(self.fd, SLICE);
        HIDDEN.store(self.fd, Ordering::Release);
    }

    /// Called after a wait that lasted a whole slice: looks at signals, and at how long the server has been silent.
    ///
    /// # Errors
    /// EINTR, [`RESTART`]: a handler is to run. ETIMEDOUT: the server has not answered for [`PATIENCE`].
    fn be_patient(&mut self) -> Result<()> {
        let now = sys::now();
        if self.since == 0 {
            self.since = now;
        }
        let asked = sys::pending_signals(blocked_by_program());
        let waited = now.saturating_sub(self.since);
        if let (Asked::Handler { restart }, true) = (asked, waited >= GRACE) {
            return Err(if restart { RESTART } else { Errno::EINTR });
        }
        if asked == Asked::Acted || waited < PATIENCE {
            return Ok(());
        }
        if !self.told {
            self.told = true;
            let socket = environment::socket().and_then(|path| path.to_str().ok()).unwrap_or("");
            complain(&["the server at ", socket, " has not answered for 10 s: is it stopped?"]);
        }
        Err(Errno::ETIMEDOUT)
    }

    /// Sends a record, and its descriptor.
    fn send(&mut self, request: &Request, pass: Option<c_int>) -> Result<()> {
        let head = request.encode();
        let fds = pass.map_or([-1], |fd| [fd]);
        let fds = if pass.is_some() { &fds[..] } else { &[] };
        loop {
            match records::send(self.fd, [head.as_bytes(), &[]], fds, 0) {
                Err(Errno::EAGAIN) => self.be_patient()?,
                result => return result,
            }
        }
    }

    /// Takes the next reply. Returns its bytes; 0: the server has ended.
    ///
    /// # Errors
    /// EMFILE: there is no number left for the descriptors that came with it. See [`Connection::be_patient`].
    fn receive(&mut self, record: &mut [u8], fds: &mut FdList) -> Result<usize> {
        if self.since == 0 {
            self.since = sys::now();
        }
        loop {
            match records::receive(self.fd, record, fds, 0) {
                Err(Errno::EAGAIN) => self.be_patient()?,
                Err(e) => return Err(e),
                Ok(Received { len, cut }) => {
                    // The time of whoever waits for the next one begins here.
                    self.since = 0;
                    self.told = false;
                    return if cut && len != 0 { Err(Errno::EMFILE) } else { Ok(len) };
                }
            }
        }
    }

    /// Takes the replies that nobody waits for any more.
    fn settle_owed(&mut self) -> Result<()> {
        while self.owed != 0 {
            let (mut record, mut fds) = ([0u8; 1024], FdList::new());
            match self.receive(&mut record, &mut fds) {
                Ok(0) => return Err(Errno::ENODEV),
                Ok(_) | Err(Errno::EMFILE) => self.owed -= 1,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Makes an inherited connection ours: a new one, announced on the parent's.
    fn own(&mut self) {
        self.make_certain();
        let epoch = fork::epoch();
        if self.fd < 0 || self.epoch == epoch {
            return;
        }
        let inherited = core::mem::replace(&mut self.fd, -1);
        HIDDEN.store(-1, Ordering::Release);
        if let Ok([mine, theirs]) = sys::seqpacket_pair() {
            let split = Request::Split.encode();
            if records::send(inherited, [split.as_bytes(), &[]], &[theirs], 0).is_ok() {
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
        let fd = self.reach();
        // A greeting has its own time.
        self.since = 0;
        self.set(fd?, fork::epoch());
        Ok(())
    }

    /// A new socket that is connected to the server.
    fn reach(&mut self) -> Result<c_int> {
        let path = environment::socket().ok_or(Errno::ENOENT)?.to_bytes();
        let mut address = [0u8; 110];
        address[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
        if path.len() > 107 {
            return Err(Errno::ENAMETOOLONG);
        }
        address[2..2 + path.len()].copy_from_slice(path);
        const NAP: u64 = 10_000_000;
        let fd = sys::connect(&address, 3 + path.len(), || {
            sys::nap(NAP);
            self.be_patient()
        })?;
        if let Err(why) = server::check(fd, path) {
            sys::close(fd);
            refuse(path, &why);
            return Err(Errno::EACCES);
        }
        Ok(fd)
    }

    /// Opens a device by another connection, of the rights that the process has by now, and takes part in it by this
    /// one.
    fn open_anew(&mut self, open: &Request, fds: &mut FdList) -> Result<Reply> {
        let fd = self.reach();
        self.since = 0;
        let mut other = Self { fd: fd?, owed: 0, since: 0, told: false, ..*self };
        let _ = sys::limit_waits(other.fd, SLICE);
        let hello = Request::Hello { build: build_id(vloopback_ring::LAYOUT) };
        let opened = match other.exchange(&hello, None, &mut FdList::new()) {
            Ok(Reply::Welcome { .. }) => other.exchange(open, None, fds),
            Ok(Reply::Error(errno)) => Err(Errno(errno)),
            Ok(_) => Err(Errno::EPROTO),
            Err(e) => Err(e),
        };
        let opened = match opened {
            // The device itself tells which one is meant: it is in the list, and stays there.
            Ok(reply @ Reply::Session(_)) => {
                self.exchange(&Request::Attach, Some(fds.get(0)), &mut FdList::new()).map(|_| reply)
            }
            opened => opened,
        };
        other.drop();
        opened
    }

    /// Says hello, unless it was said.
    fn greet(&mut self) -> Result<()> {
        if self.greeted {
            return Ok(());
        }
        let mut fds = FdList::new();
        match self.exchange(&Request::Hello { build: build_id(vloopback_ring::LAYOUT) }, None, &mut fds)? {
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
                complain(&[&reason]);
                self.drop();
                Err(Errno::EPROTONOSUPPORT)
            }
            // The daemon has no descriptor left for us.
            Reply::Error(errno) => {
                self.drop();
                Err(Errno(errno))
            }
            _ => {
                self.drop();
                Err(Errno::EPROTO)
            }
        }
    }

    fn exchange(&mut self, request: &Request, pass: Option<c_int>, fds: &mut FdList) -> Result<Reply> {
        let mut record = [0u8; 1024];
        let sent = self.settle_owed().and_then(|()| match self.send(request, pass) {
            // It has closed already. Why, it may have said.
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            sent => sent,
        });
        let result = sent.and_then(|()| {
            let result = self.receive(&mut record, fds);
            if let Err(Errno::EINTR | RESTART | Errno::ETIMEDOUT) = result {
                self.owed += 1;
            }
            result
        });
        match result {
            // The record was taken, its descriptors found no room: the connection is as it should be. So it is where
            // nobody waits any longer.
            Err(e @ (Errno::EMFILE | Errno::EINTR | RESTART | Errno::ETIMEDOUT)) => Err(e),
            Err(_) | Ok(0) => {
                self.drop();
                Err(Errno::ENODEV)
            }
            Ok(n) => Reply::decode(&record[..n]).map_err(|_| {
                self.drop();
                Errno::EPROTO
            }),
        }
    }

    fn drop(&mut self) {
        if self.fd >= 0 {
            let _ = HIDDEN.compare_exchange(self.fd, -1, Ordering::Release, Ordering::Relaxed);
            sys::close(self.fd);
        }
        self.fd = -1;
        (self.owed, self.since) = (0, 0);
    }
}

/// Says on standard error why the library does not use the server.
fn refuse(socket: &[u8], why: &server::Refused) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let socket = core::str::from_utf8(socket).unwrap_or("");
    complain_once(&TOLD, format_args!("the server at {socket} is not used: {why}"));
}

/// One line on the standard error, the first time only: a program that looks for cameras asks many times.
pub fn complain_once(told: &AtomicBool, reason: core::fmt::Arguments) {
    if told.swap(true, Ordering::Relaxed) {
        return;
    }
    let mut line = Line { bytes: [0; 512], len: 0 };
    // What does not fit any more is left out.
    let _ = core::fmt::Write::write_fmt(&mut line, reason);
    complain(&[core::str::from_utf8(&line.bytes[..line.len]).unwrap_or("")]);
}

/// Text that is put together without an allocation: a signal handler may ask the daemon.
struct Line {
    bytes: [u8; 512],
    len: usize,
}

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let to = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(core::fmt::Error)?;
        to.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// One line on the standard error, for what no errno can say.
fn complain(reason: &[&str]) {
    for piece in ["vloopback: "].iter().chain(reason).chain(&["\n"]) {
        // SAFETY: valid bytes; a closed standard error only fails.
        let _ = unsafe { syscalls::syscall!(syscalls::Sysno::write, 2, piece.as_ptr(), piece.len()) };
    }
}

/// Asks the daemon. Descriptors of the reply are put into `fds`. Returns the reply (never
/// [`Reply::Error`]) and the lifeline of the daemon that answered.
///
/// # Errors
/// The daemon's errno; ENOENT or ECONNREFUSED if none is there, EACCES if it must not be reached or is another user's,
/// ENODEV if it ended meanwhile. While it does not answer, signals are seen to: EINTR, or [`RESTART`], when a handler
/// is to run. ETIMEDOUT: it has not answered for 10 seconds; what it answers later is thrown away, so that the
/// connection is good again once it does.
pub fn ask(request: &Request, pass: Option<c_int>, fds: &mut FdList) -> Result<(Reply, &'static Lifeline)> {
    settle()?;
    let quiet = NoSignals::new();
    let mut connection = CONNECTION.lock(&quiet);
    let fresh = connection.fd < 0 || connection.epoch != fork::epoch();
    connection.connect()?;
    let mut result = connection.greet().and_then(|()| match request {
        // A device is opened by the rights that the process has now: it may have given up those that it had when it
        // connected.
        Request::Open { .. } if connection.ids != sys::ids() => connection.open_anew(request, fds),
        _ => connection.exchange(request, pass, fds),
    });
    if result == Err(Errno::ENODEV) && !fresh && matches!(request, Request::Open { .. } | Request::Attach) {
        // That daemon is gone; there may be a new one. Sessions of the old one stay dead.
        connection.connect()?;
        result = connection.greet().and_then(|()| connection.exchange(request, pass, fds));
    }
    // SAFETY: `greet` mapped it and it is never unmapped.
    let lifeline = unsafe { &*(connection.lifeline as *const Lifeline) };
    match result? {
        Reply::Error(errno) => Err(Errno(errno)),
        reply => Ok((reply, lifeline)),
    }
}

/// Sends a request whose reply carries nothing but success.
///
/// # Errors
/// As [`ask`].
pub fn tell(request: &Request) -> Result<()> {
    ask(request, None, &mut FdList::new()).map(drop)
}

/// Sends a request that has no reply ([`Request::Doorbell`]). Never waits: if the daemon has not read an earlier one yet,
/// it will look at the pipe anyway.
///
/// # Errors
/// As [`ask`], in a child that is not connected yet.
pub fn post(request: &Request) -> Result<()> {
    settle()?;
    let quiet = NoSignals::new();
    let mut connection = CONNECTION.lock(&quiet);
    connection.connect()?;
    connection.greet()?;
    connection.make_certain();
    if connection.fd < 0 {
        return Err(Errno::ENODEV);
    }
    match records::send(connection.fd, [request.encode().as_bytes(), &[]], &[], libc::MSG_DONTWAIT) {
        Err(Errno::EAGAIN) => Ok(()),
        result => result,
    }
}

/// This process's number in shared locks.
///
/// # Errors
/// As [`ask`], in a child that is not connected yet.
#[inline]
pub fn peer() -> Result<u32> {
    let now = fork::epoch();
    if PEER_EPOCH.load(Ordering::Acquire) == now {
        return Ok(PEER.load(Ordering::Acquire));
    }
    let quiet = NoSignals::new();
    let mut connection = CONNECTION.lock(&quiet);
    connection.connect()?;
    connection.greet()?;
    Ok(PEER.load(Ordering::Acquire))
}

/// Our hidden descriptor, the connection; -1 without one. (Event doorbells are in the table of numbers.)
#[inline]
pub fn hidden() -> c_int {
    HIDDEN.load(Ordering::Acquire)
}

/// The program is about to take this number: what of ours is there goes elsewhere.
pub fn make_room(fd: c_int) {
    if fd < 0 || HIDDEN.load(Ordering::Acquire) != fd || fork::is_vfork_child() {
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
