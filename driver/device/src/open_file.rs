//! One open file: what this process knows of an open device, and what is asked of the server for it.

use core::ffi::c_int;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use vloopback_ring::{Board, ClaimsPage, Lifeline, Log, PAGE_LEN, SessionPage};
use vloopback_wire::{DEVICE_PREFIX, Idle, Request, SessionInfo};

use crate::checked_buffers::CheckedBuffers;
use crate::mappings::Mappings;
use crate::pace::Pace;
use crate::ring_map::RingMap;
use crate::wait;
use crate::zero::clients::Clients;
use crate::zero::maps::ZeroMaps;
use vloopback_link::connection;
use vloopback_link::hidden::Hidden;
use vloopback_sys as sys;
use vloopback_sys::lock::{Local, NoSignals};
use vloopback_sys::{Errno, Result};

/// What this process knows of an open device. All descriptors (dup) of one open file share it.
///
/// Open files live in pages that are never unmapped, so that the table can be read without a lock: `users` says whether
/// this place is in use.
pub struct OpenFile {
    /// Users that keep it in use: 1 for all descriptors together, 1 for each call in progress.
    users: AtomicU32,
    /// Its descriptors in the table.
    pub numbers: AtomicU32,
    /// The place that was made before this one, in the list of all ([`Files`](crate::files::Files)).
    pub next: AtomicPtr<OpenFile>,
    info: core::cell::UnsafeCell<SessionInfo>,
    page: AtomicPtr<SessionPage>,
    board: AtomicPtr<Board>,
    claims_page: AtomicPtr<ClaimsPage>,
    lifeline: AtomicPtr<Lifeline>,
    /// The log of the ring in force, for counting without a lock.
    pub log: AtomicPtr<Log>,
    /// That log's number.
    pub log_number: AtomicU32,
    /// How fast a pusher's frames come while nobody watches.
    pub pace: Pace,
    /// When the next buffer of a pusher that has set its rate is due, nanoseconds of CLOCK_MONOTONIC.
    pub(crate) due: AtomicU64,
    /// The pipe was claimed through this session.
    pub claimed: AtomicBool,
    /// The ring as this process has it mapped.
    pub ring: Local<RingMap>,
    /// The program's mappings of its frames, and what they show.
    pub(crate) mappings: Local<Mappings>,
    /// Large buffers of the program whose addresses were checked.
    pub checked: CheckedBuffers,
    /// Zero-copy pushers' memory as this process has it mapped.
    pub zero: ZeroMaps,
    /// The zero-copy memory, by number, that the program's mappings show or have frames copied of (`zero::shown`); 0: none.
    pub(crate) shown: AtomicU32,
    /// The zero-copy memory, by number, whose frames are copied to where the program looks for them.
    pub(crate) copied: AtomicU32,
    /// The program has had a frame of a zero-copy pusher's that did not come by the ring.
    pub(crate) drawn: AtomicBool,
    /// A zero-copy pusher's clients.
    pub(crate) clients: Local<Clients>,
    /// The descriptor that a zero-copy pusher passed to mmap; -1: none.
    pub pusher_fd: AtomicI32,
    /// The kernel sends SIGIO for that descriptor.
    pub armed: AtomicBool,
    /// The pixel format that the program asked for (V4L2 code) if it is not the pipe's own name; 0 for none.
    pub pixel_name: AtomicU32,
    /// The size that the program asked for if it is not the pipe's own: width * 65536 + height; 0 for none.
    pub pixel_size: AtomicU32,
    /// The zero-copy memory, by number, whose pusher was asked for its palettes through this open file.
    pub(crate) asked_palettes: AtomicU32,
    /// The descriptor that says in poll that a V4L2 event is pending. See `event_doorbell`.
    pub event_doorbell: Hidden,
    /// A zero-copy pusher's descriptor that its clients make ready. See `zero::request_doorbell`.
    pub request_doorbell: Hidden,
    /// The end by which a client makes that descriptor ready.
    pub(crate) ringing_end: Hidden,
    /// The pusher that the ringing end is for: the number of its memory.
    pub(crate) ringing_end_of: AtomicU32,
    /// Of a pusher: it does not poll its request doorbell. Of a client: its pusher does not.
    pub(crate) ignores_doorbell: AtomicBool,
    /// Requests in a row that were not heard by the request doorbell.
    pub(crate) unheard: AtomicU32,
    /// How many reminders a pusher had counted when it looked last.
    pub(crate) reminded: AtomicU32,
}

// SAFETY: `info` is written while nobody else can have the session (make, below), the rest is
// atomics and locks.
unsafe impl Sync for OpenFile {}

/// An open file that stays in use while this lives.
pub struct Pin(&'static OpenFile);

impl Pin {
    /// The open file, for a caller that keeps it in use in another way.
    pub fn file(&self) -> &'static OpenFile {
        self.0
    }
}

impl Deref for Pin {
    type Target = OpenFile;

    #[inline]
    fn deref(&self) -> &OpenFile {
        self.0
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl OpenFile {
    /// Whether this is no open file at the moment, so that it can become one.
    pub fn is_free(&self) -> bool {
        self.users.load(Ordering::Acquire) == 0 && self.page.load(Ordering::Acquire).is_null()
    }

    /// Becomes the open file that the server told of, with the descriptors of its page, its board and its claims page.
    /// Its one user is the number to come. `asked`: see `pixel_name` and `pixel_size`. The caller makes one open file at a time.
    ///
    /// # Errors
    /// ENOMEM, EPROTO: a page cannot be mapped.
    pub fn begin(
        &self,
        info: SessionInfo,
        lifeline: &'static Lifeline,
        pages: [c_int; 3],
        asked: (u32, u32),
    ) -> Result<()> {
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        let page = map_page::<SessionPage>(pages[0], rw)?;
        let board = map_page::<Board>(pages[1], libc::PROT_READ);
        let claims_page = map_page::<ClaimsPage>(pages[2], rw);
        self.page.store(page, Ordering::Release);
        self.board.store(board.unwrap_or(core::ptr::null_mut()), Ordering::Release);
        self.claims_page.store(claims_page.unwrap_or(core::ptr::null_mut()), Ordering::Release);
        if let (Err(e), _) | (_, Err(e)) = (board, claims_page) {
            self.tear_down(&NoSignals::new());
            return Err(e);
        }
        // SAFETY: users is 0, so nobody can have it; the caller makes one at a time.
        unsafe { *self.info.get() = info };
        self.lifeline.store(core::ptr::from_ref(lifeline).cast_mut(), Ordering::Release);
        self.claimed.store(false, Ordering::Release);
        self.pusher_fd.store(-1, Ordering::Release);
        self.armed.store(false, Ordering::Release);
        self.pixel_name.store(asked.0, Ordering::Release);
        self.pixel_size.store(asked.1, Ordering::Release);
        self.asked_palettes.store(0, Ordering::Release);
        self.ringing_end_of.store(0, Ordering::Release);
        self.pace.forget();
        self.due.store(0, Ordering::Release);
        self.shown.store(0, Ordering::Release);
        self.copied.store(0, Ordering::Release);
        self.drawn.store(false, Ordering::Release);
        self.ignores_doorbell.store(false, Ordering::Release);
        self.unheard.store(0, Ordering::Release);
        self.numbers.store(0, Ordering::Release);
        self.users.store(1, Ordering::Release);
        Ok(())
    }

    /// Keeps it in use. None: it is not in use.
    #[inline]
    pub fn acquire(&'static self) -> Option<Pin> {
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

    /// One user less; the last one ends it here.
    #[inline]
    pub fn release(&self) {
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            let quiet = NoSignals::new();
            self.tear_down(&quiet);
        }
    }

    fn tear_down(&self, quiet: &NoSignals) {
        for hidden in self.hidden() {
            hidden.close();
        }
        {
            let (mut ring, mut mappings) = (self.ring.lock(quiet), self.mappings.lock(quiet));
            if mappings.is_of_buffers() && !self.page.load(Ordering::Relaxed).is_null() {
                self.keep_buffers(&ring, &mut mappings);
            }
            ring.unmap_all();
            mappings.forget_all();
            mappings.ranges.forget_all();
        }
        self.zero.keep();
        self.zero.sweep();
        self.clients.lock(quiet).forget_all();
        self.log.store(core::ptr::null_mut(), Ordering::Release);
        self.log_number.store(0, Ordering::Release);
        for page in [
            self.page.swap(core::ptr::null_mut(), Ordering::AcqRel).cast::<u8>(),
            self.board.swap(core::ptr::null_mut(), Ordering::AcqRel).cast(),
            self.claims_page.swap(core::ptr::null_mut(), Ordering::AcqRel).cast(),
        ] {
            if !page.is_null() {
                // SAFETY: the last user is gone; nobody can pin it any more.
                unsafe { sys::munmap(page, PAGE_LEN) };
            }
        }
    }

    /// What the program still has mapped of its V4L2 buffers stays as it is after the close: frames that
    /// it has in place are copied while they are still its own.
    fn keep_buffers(&self, ring: &RingMap, mappings: &mut Mappings) {
        let page = self.page();
        for (index, buffer) in page.buffers.iter().enumerate().take(mappings.frames) {
            if !mappings.is_mapped(index) || !mappings.is_direct(index, ring.number) || index >= ring.slots {
                continue;
            }
            // With no memory left the mapping shows what it shows.
            let Ok(to) = mappings.private_frame(index) else { return };
            if buffer.slot.load(Ordering::Relaxed) as usize == index + 1 {
                let len = mappings.len_of(index).min(ring.slot_len);
                // SAFETY: a slot has slot_len bytes, a frame's private memory len_of.
                unsafe { core::ptr::copy_nonoverlapping(ring.slot(index), to, len) };
            }
            let _ = mappings.make_private(index, ring);
        }
    }

    /// What the server told when it was opened.
    #[inline]
    pub fn info(&self) -> &SessionInfo {
        // SAFETY: written before the session could be pinned.
        unsafe { &*self.info.get() }
    }

    /// Its page, shared with the server and with all processes that have it.
    #[inline]
    pub fn page(&self) -> &SessionPage {
        // SAFETY: mapped for as long as the session has users, and who calls is one.
        unsafe { &*self.page.load(Ordering::Relaxed) }
    }

    /// The pipe's board, which only the server writes.
    #[inline]
    pub fn board(&self) -> &Board {
        // SAFETY: as `page`.
        unsafe { &*self.board.load(Ordering::Relaxed) }
    }

    /// The pipe's claims page, where clients claim slots.
    #[inline]
    pub fn claims_page(&self) -> &ClaimsPage {
        // SAFETY: as `page`.
        unsafe { &*self.claims_page.load(Ordering::Relaxed) }
    }

    /// The lifeline of its server.
    #[inline]
    pub fn lifeline(&self) -> &Lifeline {
        // SAFETY: lifelines are never unmapped.
        unsafe { &*self.lifeline.load(Ordering::Relaxed) }
    }

    /// # Errors
    /// ENODEV: the daemon is gone, or the pipe was deleted, and the device with it.
    #[inline]
    pub fn alive(&self) -> Result<()> {
        let gone = self.lifeline().is_dead() || self.board().gone.load(Ordering::Relaxed) != 0;
        if gone { Err(Errno::ENODEV) } else { Ok(()) }
    }

    /// Whether the open was for reading, for writing. With access mode 3, as with any file of Linux: for neither,
    /// though it takes both rights.
    #[inline]
    pub fn access(&self) -> (bool, bool) {
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
    pub fn wait_for_lock(&self, word: &AtomicU32, owner: u32) -> Result<()> {
        self.wait_for_word(word, owner, None)
    }

    /// Sleeps until the word may differ from `value`, the daemon is gone, or it is `deadline`
    /// (nanoseconds of CLOCK_MONOTONIC). Kernels before 5.16 do not see the daemon's end while they wait.
    ///
    /// # Errors
    /// EINTR after a handler without SA_RESTART, ETIMEDOUT, ENODEV.
    pub fn wait_for_word(&self, word: &AtomicU32, value: u32, deadline: Option<u64>) -> Result<()> {
        let result = match wait::until_changed(self.lifeline(), &[(word, value)], deadline) {
            Err(Errno::ENOSYS) => sys::futex_wait_until(word, value, deadline),
            result => result,
        };
        match result {
            Err(Errno::EINTR | Errno::ETIMEDOUT) => result,
            _ => self.alive(),
        }
    }

    /// Lets whoever waits in a call by it look again.
    pub fn kick(&self) {
        let kick = &self.page().kick;
        kick.fetch_add(1, Ordering::SeqCst);
        sys::futex_wake_all(kick);
    }

    /// Gives the page's lock back.
    pub fn unlock_page(&self) {
        let lock = &self.page().lock;
        if lock.unlock() {
            sys::futex_wake_all(lock.word());
        }
    }

    /// Wakes the daemon's poll notifier. A pusher does so by a word of its own page, which no client has. A client sends
    /// a message: if all clients shared a word with the notifier, any of them could keep the notifier asleep there.
    pub fn ring_frame_doorbell(&self) {
        if self.info().input {
            let doorbell = &self.page().frame_doorbell;
            doorbell.fetch_add(1, Ordering::SeqCst);
            sys::futex_wake_all(doorbell);
        } else {
            // A daemon that is gone rings nobody.
            let _ = connection::post(&Request::Doorbell { session: self.info().session, asked: false });
        }
    }

    /// The descriptors of ours in the program's table that belong to it.
    pub fn hidden(&self) -> [&Hidden; 3] {
        [&self.event_doorbell, &self.request_doorbell, &self.ringing_end]
    }

    /// Makes the mapped ring the one in force, and its log. Nothing happens if it is. An output's page is brought into
    /// line with another log; the caller has that page's lock.
    ///
    /// # Errors
    /// EINVAL: there is none. ENOMEM, EMFILE, ENODEV.
    pub fn refresh_ring(&self, ring: &mut RingMap) -> Result<()> {
        let info = self.info();
        let Some(log) = ring.refresh(self.board(), info.session, (info.input, self.access().1))? else {
            return Ok(());
        };
        if !info.input {
            self.page().follow_log(ring.log_number, log.base.load(Ordering::Relaxed));
        }
        self.log.store(core::ptr::from_ref(log).cast_mut(), Ordering::Release);
        self.log_number.store(ring.log_number, Ordering::Release);
        Ok(())
    }

    /// The same, where there may be none. False: there is none, or it has gone at this moment.
    ///
    /// # Errors
    /// ENOMEM, EMFILE, ENODEV.
    pub fn refresh_ring_if_any(&self, ring: &mut RingMap) -> Result<bool> {
        match self.refresh_ring(ring) {
            Ok(()) => Ok(true),
            Err(Errno::EINVAL) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Claims the pipe for this input, once.
    ///
    /// # Errors
    /// EBUSY: it is another's.
    #[inline]
    pub fn claim(&self) -> Result<()> {
        if self.claimed.load(Ordering::Relaxed) {
            return Ok(());
        }
        connection::tell(&Request::Claim { session: self.info().session })?;
        self.claimed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Maps a page that the daemon passed.
fn map_page<T>(fd: c_int, prot: c_int) -> Result<*mut T> {
    sys::check_file(fd, PAGE_LEN)?;
    // SAFETY: a new mapping of a sealed file of one page.
    unsafe { sys::mmap(0, PAGE_LEN, prot, libc::MAP_SHARED, fd) }.map(<*mut u8>::cast)
}

/// Whether `fd` still is this session's descriptor, whatever raw system calls did to the number.
pub fn is_certain(fd: c_int, session: &OpenFile) -> bool {
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

/// Under the pipe's option `exclusive`: the open file has the stream to itself from now on.
///
/// # Errors
/// EBUSY: another has it. As [`connection::ask`] besides.
pub fn own(session: &OpenFile) -> Result<()> {
    let info = session.info();
    if info.input || !info.exclusive {
        return Ok(());
    }
    connection::tell(&Request::Own { session: info.session, on: true })
}

/// It has neither buffers nor a stream any more: another may have it.
pub fn disown(session: &OpenFile) {
    let info = session.info();
    if !info.input && info.exclusive {
        // A daemon that is gone has no owners.
        let _ = connection::tell(&Request::Own { session: info.session, on: false });
    }
}

/// Whether the client waits while nobody feeds the pipe ([`vloopback_ring::SessionPage::is_patient`]).
pub fn is_patient(session: &OpenFile) -> bool {
    let info = session.info();
    session.page().is_patient(info.legacy, info.idle == Idle::Wait, info.idle == Idle::Placeholder)
}

/// Whether somebody feeds the pipe.
///
/// # Errors
/// `nobody` if not, unless the client is one that waits.
pub fn fed<E>(session: &OpenFile, nobody: E) -> core::result::Result<bool, E> {
    if session.board().feed() != 0 {
        return Ok(true);
    }
    if is_patient(session) { Ok(false) } else { Err(nobody) }
}

/// Whether an open file is a V4L2 program's: it has made no V4L1 request by this descriptor, and is not a legacy
/// process's, or one that has made V4L2 requests by it.
#[inline]
pub fn is_client(session: &OpenFile) -> bool {
    !session.page().is_old(session.info().legacy)
}

/// Whether a reader takes the format of its first frame: it has made no V4L2 request and has read nothing yet.
pub fn takes_what_comes(session: &OpenFile) -> bool {
    let page = session.page();
    page.v4l2.load(Ordering::Relaxed) == 0 && page.received.load(Ordering::Relaxed) == 0
}

/// The first frame is near: the claim, the ring (with slots for so many buffers that are filled in
/// place), and from now on the pipe is fed.
///
/// # Errors
/// EBUSY: another's pipe. ENOMEM, ENODEV.
pub fn feed(session: &OpenFile, buffers: u32) -> Result<()> {
    connection::tell(&Request::Feed { session: session.info().session, on: true, buffers })?;
    session.claimed.store(true, Ordering::Relaxed);
    Ok(())
}

/// No frame comes any more until [`feed`]; another descriptor of the process may begin.
pub fn end_feed(session: &OpenFile) -> Result<()> {
    session.claimed.store(false, Ordering::Relaxed);
    connection::tell(&Request::Feed { session: session.info().session, on: false, buffers: 0 })
}

/// Says how often the pusher's frames come.
///
/// # Errors
/// EINVAL: a 0. EBUSY: another's pipe. ENODEV.
pub fn set_interval(session: &OpenFile, numerator: u32, denominator: u32) -> Result<()> {
    connection::tell(&Request::SetInterval { session: session.info().session, numerator, denominator })
}
