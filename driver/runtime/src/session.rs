//! An open device in this process.

use core::ffi::c_int;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use vloopback_ring::hatch::Hatch;
use vloopback_ring::slip::Slip;
use vloopback_ring::{Board, Desk, Lifeline, Log, PAGE_LEN, SessionPage};
use vloopback_wire::{DEVICE_MODE, DEVICE_PREFIX, Reply, Request, SessionInfo};

use crate::hidden::{self, Hidden};
use crate::lock::{Local, NoSignals};
use crate::pace::Pace;
use crate::process;
use crate::ring_map::RingMap;
use crate::sys::{self, FdList, Result};
use crate::table;
use crate::user::Known;
use crate::views::Views;
use crate::wait;
use crate::zero::ask;
use crate::zero::pusher::Clients;

/// What this process knows of an open device. All numbers (dup) of one open file share one.
///
/// Sessions live in pages that are never unmapped, so that the table can be read without a lock:
/// `users` says whether this is one at the moment.
pub(crate) struct Session {
    /// Those who must not see it go: 1 for all numbers together, 1 for each call in progress.
    users: AtomicU32,
    /// Numbers in the table.
    numbers: AtomicU32,
    next: AtomicPtr<Session>,
    info: core::cell::UnsafeCell<SessionInfo>,
    page: AtomicPtr<SessionPage>,
    board: AtomicPtr<Board>,
    desk: AtomicPtr<Desk>,
    lifeline: AtomicPtr<Lifeline>,
    /// The log of the ring in force, for counting without a lock.
    pub(crate) log: AtomicPtr<Log>,
    /// Its number.
    pub(crate) log_number: AtomicU32,
    /// How fast its frames come while nobody watches.
    pub(crate) pace: Pace,
    /// When the next buffer of a pusher that has set its rate is due, nanoseconds of CLOCK_MONOTONIC.
    pub(crate) due: AtomicU64,
    /// The pipe was claimed through this session.
    pub(crate) claimed: AtomicBool,
    pub(crate) ring: Local<RingMap>,
    pub(crate) views: Local<Views>,
    pub(crate) known: Known,
    /// Zero-copy mode: which memory is mapped here (0: none), the pusher's page, a client's own page of
    /// requests, the frames' memory.
    pub(crate) zero: AtomicU32,
    pub(crate) hatch: AtomicPtr<Hatch>,
    pub(crate) slip: AtomicPtr<Slip>,
    pub(crate) frames: AtomicPtr<u8>,
    pub(crate) zero_len: AtomicUsize,
    /// The zero-copy memory to which what the program has mapped was brought (`zero::shown`), 0: to none; and the one
    /// whose frames are copied for it.
    pub(crate) shown: AtomicU32,
    pub(crate) copied: AtomicU32,
    /// The program has had a frame of a zero-copy pusher's that did not come by the ring.
    pub(crate) drawn: AtomicBool,
    /// Calls that are in that memory, or in former ones.
    pub(crate) inside: AtomicU32,
    /// Former pushers' memory, kept while somebody is in it.
    former: Local<[Former; FORMER]>,
    has_former: AtomicBool,
    /// A zero-copy pusher's clients.
    pub(crate) clients: Local<Clients>,
    /// The descriptor by which a zero-copy pusher mapped, -1 for none, and whether SIGIO comes for it.
    pub(crate) pusher_fd: AtomicI32,
    pub(crate) armed: AtomicBool,
    /// The name that the program asked for of an RGB format that has two (V4L2 code), 0 for none.
    pub(crate) pixel_name: AtomicU32,
    /// The zero-copy memory whose pusher was asked through this open file which palettes it has.
    pub(crate) asked_palettes: AtomicU32,
    /// The descriptor that says in poll that a V4L2 event is pending. See `chime`.
    pub(crate) chime: Hidden,
    /// A zero-copy pusher's descriptor that its clients make ready, and by what they do so. See `zero::gong`.
    pub(crate) gong: Hidden,
    pub(crate) mallet: Hidden,
    /// Whose mallet it is: the number of the pusher's memory.
    pub(crate) mallet_of: AtomicU32,
    /// A pusher's: it does not look at its gong. A client's: that pusher does not hear it.
    pub(crate) deaf: AtomicBool,
    /// Requests in a row that were not heard by the gong; and a pusher's count of all reminders when it looked last.
    pub(crate) unheard: AtomicU32,
    pub(crate) reminded: AtomicU32,
}

// SAFETY: `info` is written while nobody else can have the session (make, below), the rest is
// atomics and locks.
unsafe impl Sync for Session {}

/// Zero-copy memories of former pushers that a session keeps: more pushers than that, during one request
/// of a client's, leave what they leave.
const FORMER: usize = 16;

/// A former pusher's memory: where its page, the client's own and the frames are, and the frames' bytes.
/// All zeros: none.
#[derive(Clone, Copy, Debug, Default)]
struct Former {
    hatch: usize,
    slip: usize,
    frames: usize,
    len: usize,
}

/// All sessions that ever were, newest first.
static ALL: AtomicPtr<Session> = AtomicPtr::new(core::ptr::null_mut());
/// Making and ending sessions is one at a time.
static MAKING: Local<()> = Local::new(());

/// A session that cannot go while this lives.
pub(crate) struct Pin(&'static Session);

impl Deref for Pin {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Session {
    fn acquire(&'static self) -> Option<Pin> {
        let mut users = self.users.load(Ordering::Relaxed);
        loop {
            if users == 0 {
                return None;
            }
            match self.users.compare_exchange_weak(users, users + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Pin(self)),
                Err(now) => users = now,
            }
        }
    }

    fn release(&self) {
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            let quiet = NoSignals::new();
            self.tear_down(&quiet);
        }
    }

    fn tear_down(&self, quiet: &NoSignals) {
        hidden::close_all(self);
        {
            let (mut ring, mut views) = (self.ring.lock(quiet), self.views.lock(quiet));
            if views.is_of_buffers() && !self.page.load(Ordering::Relaxed).is_null() {
                self.keep_buffers(&ring, &mut views);
            }
            ring.unmap_all();
            views.forget_all();
            views.ranges.forget_all();
        }
        self.keep_zero();
        self.sweep_zero();
        self.clients.lock(quiet).forget_all();
        self.log.store(core::ptr::null_mut(), Ordering::Release);
        self.log_number.store(0, Ordering::Release);
        for page in [
            self.page.swap(core::ptr::null_mut(), Ordering::AcqRel).cast::<u8>(),
            self.board.swap(core::ptr::null_mut(), Ordering::AcqRel).cast(),
            self.desk.swap(core::ptr::null_mut(), Ordering::AcqRel).cast(),
        ] {
            if !page.is_null() {
                // SAFETY: the last user is gone; nobody can pin it any more.
                unsafe { sys::munmap(page, PAGE_LEN) };
            }
        }
    }

    /// The zero-copy memory that is mapped becomes a former one.
    pub(crate) fn keep_zero(&self) {
        let quiet = NoSignals::new();
        let mut former = self.former.lock(&quiet);
        self.zero.store(0, Ordering::SeqCst);
        let gone = Former {
            hatch: self.hatch.swap(core::ptr::null_mut(), Ordering::SeqCst) as usize,
            slip: self.slip.swap(core::ptr::null_mut(), Ordering::SeqCst) as usize,
            frames: self.frames.swap(core::ptr::null_mut(), Ordering::SeqCst) as usize,
            len: self.zero_len.swap(0, Ordering::SeqCst),
        };
        if let (true, Some(place)) = (gone.hatch != 0, former.iter_mut().find(|place| place.hatch == 0)) {
            *place = gone;
            self.has_former.store(true, Ordering::SeqCst);
        }
    }

    /// Nobody is in a zero-copy memory through this call any more.
    pub(crate) fn leave_zero(&self) {
        if self.inside.fetch_sub(1, Ordering::SeqCst) == 1 && self.has_former.load(Ordering::SeqCst) {
            self.sweep_zero();
        }
    }

    /// Unmaps former pushers' memory if nobody is in it: who comes now finds the one in force.
    pub(crate) fn sweep_zero(&self) {
        let quiet = NoSignals::new();
        let mut former = self.former.lock(&quiet);
        if self.inside.load(Ordering::SeqCst) != 0 {
            return;
        }
        for place in &mut *former {
            let Former { hatch, slip, frames, len } = core::mem::take(place);
            for (at, len) in [(hatch, PAGE_LEN), (slip, PAGE_LEN), (frames, len)] {
                if at != 0 {
                    // SAFETY: whoever had found these addresses has left; the program's own mappings are
                    // mappings of their own.
                    unsafe { sys::munmap(at as *mut u8, len) };
                }
            }
        }
        self.has_former.store(false, Ordering::SeqCst);
    }

    /// What the program still has mapped of its V4L2 buffers stays as it is after the close: frames that
    /// it has in place are copied while they are still its own.
    fn keep_buffers(&self, ring: &RingMap, views: &mut Views) {
        let page = self.page();
        for (index, buffer) in page.buffers.iter().enumerate().take(views.frames) {
            if !views.is_mapped(index) || !views.is_direct(index, ring.number) || index >= ring.slots {
                continue;
            }
            // With no memory left the mapping shows what it shows.
            let Ok(to) = views.private_frame(index) else { return };
            if buffer.slot.load(Ordering::Relaxed) as usize == index + 1 {
                let len = views.len_of(index).min(ring.slot_len);
                // SAFETY: a slot has slot_len bytes, a frame's private memory len_of.
                unsafe { core::ptr::copy_nonoverlapping(ring.slot(index), to, len) };
            }
            let _ = views.make_private(index, ring);
        }
    }

    pub(crate) fn info(&self) -> &SessionInfo {
        // SAFETY: written before the session could be pinned.
        unsafe { &*self.info.get() }
    }

    pub(crate) fn page(&self) -> &SessionPage {
        // SAFETY: mapped for as long as the session has users, and who calls is one.
        unsafe { &*self.page.load(Ordering::Relaxed) }
    }

    pub(crate) fn board(&self) -> &Board {
        // SAFETY: as `page`.
        unsafe { &*self.board.load(Ordering::Relaxed) }
    }

    pub(crate) fn desk(&self) -> &Desk {
        // SAFETY: as `page`.
        unsafe { &*self.desk.load(Ordering::Relaxed) }
    }

    pub(crate) fn lifeline(&self) -> &Lifeline {
        // SAFETY: lifelines are never unmapped.
        unsafe { &*self.lifeline.load(Ordering::Relaxed) }
    }

    /// # Errors
    /// ENODEV: the daemon is gone, or the pipe was deleted, and the device with it.
    #[inline]
    pub(crate) fn alive(&self) -> Result<()> {
        let gone = self.lifeline().is_dead() || self.board().gone.load(Ordering::Relaxed) != 0;
        if gone { Err(libc::ENODEV) } else { Ok(()) }
    }

    /// Whether the open was for reading, for writing. With access mode 3, as with any file of Linux: for neither, though
    /// it takes both rights.
    pub(crate) fn access(&self) -> (bool, bool) {
        match self.info().flags as c_int & libc::O_ACCMODE {
            libc::O_RDONLY => (true, false),
            libc::O_WRONLY => (false, true),
            libc::O_RDWR => (true, true),
            _ => (false, false),
        }
    }

    /// Sleeps until a shared lock may be free: its word differs from `owner`, or the daemon is gone.
    ///
    /// # Errors
    /// EINTR after a handler without SA_RESTART, ENODEV.
    pub(crate) fn wait_for_lock(&self, word: &AtomicU32, owner: u32) -> Result<()> {
        self.wait_for_word(word, owner, None)
    }

    /// Sleeps until the word may differ from `value`, the daemon is gone, or it is `deadline`
    /// (nanoseconds of CLOCK_MONOTONIC). Kernels before 5.16 do not see the daemon's end while they wait.
    ///
    /// # Errors
    /// EINTR after a handler without SA_RESTART, ETIMEDOUT, ENODEV.
    pub(crate) fn wait_for_word(&self, word: &AtomicU32, value: u32, deadline: Option<u64>) -> Result<()> {
        let result = match wait::until_changed(self.lifeline(), &[(word, value)], deadline) {
            Err(libc::ENOSYS) => sys::futex_wait_until(word, value, deadline),
            result => result,
        };
        match result {
            Err(libc::EINTR | libc::ETIMEDOUT) => result,
            _ => self.alive(),
        }
    }

    /// Gives the page's lock back.
    pub(crate) fn unlock_page(&self) {
        let lock = &self.page().lock;
        if lock.unlock() {
            sys::futex_wake_all(lock.word());
        }
    }

    /// Wakes the daemon's ringer. A pusher does so by a word of its own page, which no client has. A client tells the
    /// daemon: a word that all clients could sleep on would be one on which any of them could keep the ringer asleep.
    pub(crate) fn ring_bell(&self) {
        if self.info().input {
            let bell = &self.page().bell;
            bell.fetch_add(1, Ordering::SeqCst);
            sys::futex_wake_all(bell);
        } else {
            // A daemon that is gone rings nobody.
            let _ = process::post(&Request::Bell { session: self.info().session, knock: false });
        }
    }

    /// Claims the pipe for this input, once.
    ///
    /// # Errors
    /// EBUSY: it is another's.
    pub(crate) fn claim(&self) -> Result<()> {
        if self.claimed.load(Ordering::Relaxed) {
            return Ok(());
        }
        process::tell(&Request::Claim { session: self.info().session })?;
        self.claimed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether `fd` is, by its own mark and by its other end's name, a device of some daemon's.
fn is_device(fd: c_int) -> bool {
    if sys::socket_mode(fd) != Some(DEVICE_MODE) {
        return false;
    }
    let mut name = [0u8; 110];
    sys::peer_name(fd, &mut name).is_some_and(|len| name[2..len].starts_with(DEVICE_PREFIX))
}

/// Whether `fd` still is this session's descriptor, whatever raw system calls did to the number.
pub(crate) fn is_certain(fd: c_int, session: &Session) -> bool {
    let mut name = [0u8; 110];
    let Some(len) = sys::peer_name(fd, &mut name) else { return false };
    let name = &name[2..len];
    // ...:SESSION in hexadecimal.
    name.starts_with(DEVICE_PREFIX)
        && name
            .rsplit(|b| *b == b':')
            .next()
            .and_then(|hex| core::str::from_utf8(hex).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            == Some(session.info().session)
}

/// Maps a page that the daemon passed.
fn map_page<T>(fd: c_int, prot: c_int) -> Result<*mut T> {
    sys::check_file(fd, PAGE_LEN)?;
    // SAFETY: a new mapping of a sealed file of one page.
    unsafe { sys::mmap(0, PAGE_LEN, prot, libc::MAP_SHARED, fd) }.map(<*mut u8>::cast)
}

/// A place for a session: one that is no longer used, or a new page.
fn place() -> Result<&'static Session> {
    let mut at = ALL.load(Ordering::Acquire);
    while !at.is_null() {
        // SAFETY: sessions are never unmapped.
        let session = unsafe { &*at };
        if session.users.load(Ordering::Acquire) == 0 && session.page.load(Ordering::Acquire).is_null() {
            return Ok(session);
        }
        at = session.next.load(Ordering::Acquire);
    }
    const _: () = assert!(size_of::<Session>() <= 4 * PAGE_LEN);
    let len = size_of::<Session>().next_multiple_of(PAGE_LEN);
    // SAFETY: a new anonymous mapping; zeroed memory is a session that is not in use (atomics of 0,
    // null pointers, unlocked locks with empty values).
    let session: &'static Session =
        unsafe { &*sys::mmap(0, len, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)?.cast::<Session>() };
    session.next.store(ALL.load(Ordering::Acquire), Ordering::Release);
    ALL.store(core::ptr::from_ref(session).cast_mut(), Ordering::Release);
    Ok(session)
}

/// The name of its format that the program asked for on another descriptor of the node.
fn chosen_name(info: &SessionInfo) -> u32 {
    let mut name = 0;
    each(|other| {
        if other.info().pipe == info.pipe && other.info().input == info.input {
            name = other.pixel_name.load(Ordering::Relaxed);
        }
    });
    name
}

/// Makes a session of what the daemon told; its one user is the table entry to come.
fn make(info: SessionInfo, lifeline: &'static Lifeline, pages: [c_int; 3]) -> Result<&'static Session> {
    let session = place()?;
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    let page = map_page::<SessionPage>(pages[0], rw)?;
    let board = map_page::<Board>(pages[1], libc::PROT_READ);
    let desk = map_page::<Desk>(pages[2], rw);
    session.page.store(page, Ordering::Release);
    session.board.store(board.unwrap_or(core::ptr::null_mut()), Ordering::Release);
    session.desk.store(desk.unwrap_or(core::ptr::null_mut()), Ordering::Release);
    if let (Err(e), _) | (_, Err(e)) = (board, desk) {
        session.tear_down(&NoSignals::new());
        return Err(e);
    }
    // SAFETY: users is 0, so nobody can have it; MAKING is held.
    unsafe { *session.info.get() = info };
    session.lifeline.store(core::ptr::from_ref(lifeline).cast_mut(), Ordering::Release);
    session.claimed.store(false, Ordering::Release);
    session.pusher_fd.store(-1, Ordering::Release);
    session.armed.store(false, Ordering::Release);
    session.pixel_name.store(chosen_name(&info), Ordering::Release);
    session.asked_palettes.store(0, Ordering::Release);
    session.mallet_of.store(0, Ordering::Release);
    session.pace.forget();
    session.due.store(0, Ordering::Release);
    session.shown.store(0, Ordering::Release);
    session.copied.store(0, Ordering::Release);
    session.drawn.store(false, Ordering::Release);
    session.deaf.store(false, Ordering::Release);
    session.unheard.store(0, Ordering::Release);
    session.numbers.store(0, Ordering::Release);
    session.users.store(1, Ordering::Release);
    Ok(session)
}

/// The session of this number in this process, if it has one already.
fn find(info: &SessionInfo, lifeline: &Lifeline) -> Option<Pin> {
    let mut at = ALL.load(Ordering::Acquire);
    while !at.is_null() {
        // SAFETY: sessions are never unmapped.
        let session: &'static Session = unsafe { &*at };
        if let Some(pin) = session.acquire() {
            let same_daemon = core::ptr::eq(session.lifeline(), lifeline);
            if same_daemon
                && session.info().session == info.session
                && session.numbers.load(Ordering::Acquire) > 0
            {
                return Some(pin);
            }
        }
        at = session.next.load(Ordering::Acquire);
    }
    None
}

/// Enters a number for a session, which gets one number more.
fn enter(fd: c_int, session: &'static Session) -> Result<()> {
    session.numbers.fetch_add(1, Ordering::AcqRel);
    match table::set(fd, core::ptr::from_ref(session) as usize) {
        Some(old) => {
            // The number was closed behind our back.
            leave(old);
            Ok(())
        }
        None => {
            session.numbers.fetch_sub(1, Ordering::AcqRel);
            Err(libc::EMFILE)
        }
    }
}

/// One number less for what was in the table. Returns the session that thereby has none here.
fn leave(entry: usize) -> Option<u32> {
    if !table::is_session(entry) {
        return None;
    }
    // SAFETY: other values in the table are sessions, which are never unmapped.
    let session: &'static Session = unsafe { &*(entry as *const Session) };
    if session.numbers.fetch_sub(1, Ordering::AcqRel) == 1 {
        // Whoever waits in a call must see that the device is closed.
        let number = session.acquire().map(|pin| {
            if !pin.slip.load(Ordering::Acquire).is_null() {
                ask::forget(&pin);
            }
            pin.page().kick.fetch_add(1, Ordering::SeqCst);
            sys::futex_wake_all(&pin.page().kick);
            pin.info().session
        });
        session.release();
        return number;
    }
    None
}

/// Opens node `node`. Returns the descriptor.
pub(crate) fn open(node: u32, flags: c_int) -> Result<c_int> {
    let mut fds = FdList::new();
    let legacy = process::is_legacy();
    let quiet = NoSignals::new();
    let making = MAKING.lock(&quiet);
    let (reply, lifeline) =
        process::ask(&Request::Open { node, flags: flags as u32, legacy }, None, &mut fds)?;
    let Reply::Session(info) = reply else { return Err(libc::EPROTO) };
    if fds.len() != 4 {
        return Err(libc::EPROTO);
    }
    let session = make(info, lifeline, [fds.get(1), fds.get(2), fds.get(3)])?;
    drop(making);
    let legacy_claim = info.input && info.legacy && session.access().1;
    session.claimed.store(legacy_claim, Ordering::Release);
    let fd = fds.take(0);
    let entered = if flags & libc::O_CLOEXEC == 0 { sys::keep_on_exec(fd) } else { Ok(()) }
        .and_then(|()| enter(fd, session));
    if let Err(e) = entered {
        session.release();
        sys::close(fd);
        return Err(e);
    }
    Ok(fd)
}

/// Looks at a number of which nothing is known (or which may be another's by now).
#[cold]
pub(crate) fn look(fd: c_int) -> Option<Pin> {
    loop {
        match try_to_look(fd) {
            // A handler was to run, and has: what the number is still has to be known.
            Err(libc::EINTR | process::RESTART) => {}
            Ok(found) => return found,
            // A server that does not answer: it stays unknown.
            Err(_) => return None,
        }
    }
}

/// # Errors
/// EINTR, [`process::RESTART`]: a handler is to run. ETIMEDOUT: the server does not answer.
fn try_to_look(fd: c_int) -> Result<Option<Pin>> {
    let seen = table::get(fd);
    if !is_device(fd) {
        if process::is_foreign() {
            return Ok(None);
        }
        if table::replace(fd, seen, table::OTHER) {
            leave(seen);
        }
        return Ok(None);
    }
    if process::is_foreign() {
        return Ok(None);
    }
    let mut fds = FdList::new();
    let quiet = NoSignals::new();
    let making = MAKING.lock(&quiet);
    let attached = process::ask(&Request::Attach, Some(fd), &mut fds);
    let (info, lifeline) = match attached {
        Ok((Reply::Session(info), lifeline)) if fds.len() == 3 => (info, lifeline),
        Err(e @ (libc::EINTR | process::RESTART | libc::ETIMEDOUT)) => return Err(e),
        _ => {
            table::replace(fd, seen, table::OTHER);
            return Ok(None);
        }
    };
    let (session, found) = match find(&info, lifeline) {
        Some(pin) => (pin.0, Some(pin)),
        None => match make(info, lifeline, [fds.get(0), fds.get(1), fds.get(2)]) {
            Ok(session) => (session, None),
            Err(_) => return Ok(None),
        },
    };
    drop(making);
    if enter(fd, session).is_err() {
        return Ok(None);
    }
    Ok(found.or_else(|| session.acquire()))
}

/// The session behind a number, looked at once if it is unknown.
#[inline]
pub(crate) fn of(fd: c_int) -> Option<Pin> {
    loop {
        let entry = table::get(fd);
        if entry == table::UNKNOWN {
            return look(fd);
        }
        if !table::is_session(entry) {
            return None;
        }
        // SAFETY: other values in the table are sessions, which are never unmapped.
        let session: &'static Session = unsafe { &*(entry as *const Session) };
        if let Some(pin) = session.acquire() {
            if table::get(fd) == entry {
                return Some(pin);
            }
        } else if table::get(fd) == entry {
            return None;
        }
    }
}

/// The number is about to be closed: it is unknown from now on. Returns the session whose last
/// number here it was.
pub(crate) fn forget(fd: c_int) -> Option<u32> {
    let entry = table::get(fd);
    if entry == table::UNKNOWN || (table::is_session(entry) && process::is_foreign()) {
        return None;
    }
    if !table::is_session(entry) {
        // Only from "other" to unknown: no session changes, and in a vfork child it costs the
        // parent one more look.
        table::replace(fd, entry, table::UNKNOWN);
        return None;
    }
    if table::replace(fd, entry, table::UNKNOWN) { leave(entry) } else { None }
}

/// The last number of a session in this process was really closed: when this returns, the daemon
/// knows.
pub(crate) fn closed(session: u32) {
    // A daemon that is gone has nothing left to end.
    let _ = process::tell(&Request::Closed { session });
}

/// `new` is a duplicate of `old` now.
pub(crate) fn duplicated(old: c_int, new: c_int) {
    if old == new {
        return;
    }
    // What is hidden is no business of the program's, its duplicate is.
    let entry = Some(table::get(old)).filter(|&entry| entry != table::HIDDEN).unwrap_or(table::UNKNOWN);
    let was = table::get(new);
    if entry == table::UNKNOWN && was == table::UNKNOWN {
        return;
    }
    if process::is_foreign() {
        return;
    }
    if !table::is_session(entry) {
        if let Some(old) = table::set(new, entry) {
            leave(old);
        }
        return;
    }
    // SAFETY: other values in the table are sessions, which are never unmapped.
    let session: &'static Session = unsafe { &*(entry as *const Session) };
    if let Some(_pin) = session.acquire() {
        let _ = enter(new, session);
    }
}

/// Every session in use, for what concerns all (munmap).
pub(crate) fn each(mut f: impl FnMut(&Session)) {
    let mut at = ALL.load(Ordering::Acquire);
    while !at.is_null() {
        // SAFETY: sessions are never unmapped.
        let session: &'static Session = unsafe { &*at };
        if let Some(pin) = session.acquire() {
            f(&pin);
        }
        at = session.next.load(Ordering::Acquire);
    }
}
