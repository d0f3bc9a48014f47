//! The stream of every client of an output, whatever API it uses: taking frames, sleeping for them, keeping
//! the descriptor's readiness true.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use vloopback_convert::Conversion;
use vloopback_ring::{
    Found, Log, RINGING, SessionPage, Taken, claim_oldest, find_oldest, find_present, still_there, unclaim,
};
use vloopback_wire::{Reply, Request};

use crate::caller::Call;
use crate::mappings::Mappings;
use crate::open_file::{self, OpenFile, is_patient, own};
use crate::ring_map::RingMap;
use crate::v4l2::lines::Lines;
use crate::wait;
use crate::workspace::Workspace;
use crate::zero::{memory, want};
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::lock::{LocalGuard, NoSignals};
use vloopback_sys::{Errno, FdList, Result};

/// A stream by read() or mmap() has begun (bits of `SessionPage::streaming`).
pub const BY_READ: u32 = 1;
pub const BY_MMAP: u32 = 2;
/// By V4L2 buffers.
pub const BY_BUFFERS: u32 = 8;
/// BY_MMAP, by a mapping that is being made.
pub const BY_NEW_MAPPING: u32 = BY_MMAP | 4;
/// How often a client tries for a frame that its pusher takes away again in mid-copy, before it gives way.
pub const TRIES: u32 = 32;
/// After so many waits in a row that were over before they began, the client sleeps for [`MOMENT`].
const HURRIES: u32 = 64;
/// Nanoseconds.
const MOMENT: u64 = 1_000_000;

/// What a try for a frame came to.
pub enum Step<T> {
    Done(T),
    /// None there: sleep until something is published or changes, then try again.
    Sleep,
    /// Somebody else of the same open file is at it.
    Contended(u32),
    /// Somebody else is writing to the ring of this log.
    Writing(&'static Log, u32),
}

/// A session's state under its locks: this process's mappings and the shared page.
pub struct Locked<'a> {
    pub call: &'a Call<'a>,
    pub session: &'a OpenFile,
    pub ring: LocalGuard<'a, RingMap>,
    pub mappings: LocalGuard<'a, Mappings>,
    /// A frame was not taken because another log has come.
    outdated: Cell<bool>,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let lock = &self.session.page().lock;
        if lock.unlock() {
            sys::futex_wake_all(lock.word());
        }
    }
}

impl<'a> Locked<'a> {
    /// Takes all locks, or tells who has the session page's.
    fn try_new(call: &'a Call<'a>, quiet: &'a NoSignals) -> Result<core::result::Result<Self, u32>> {
        let session = call.file;
        let me = connection::peer()?;
        let ring = session.ring.lock(quiet);
        let mappings = session.mappings.lock(quiet);
        Ok(match session.page().lock.try_lock(me) {
            Ok(()) => Ok(Self { call, session, ring, mappings, outdated: Cell::new(false) }),
            Err(owner) => Err(owner),
        })
    }

    /// # Errors
    /// EINVAL while nobody feeds the pipe.
    pub fn log(&self) -> Result<&'static Log> {
        self.ring.log().ok_or(Errno::EINVAL)
    }

    /// The row of this client on the claims page, for the ring in force.
    pub fn row(&self) -> Option<usize> {
        let page = self.session.page();
        let row = page.row.load(Ordering::Relaxed);
        (row != 0
            && row as usize <= vloopback_ring::MAX_ROWS
            && page.ring.load(Ordering::Relaxed) == self.ring.number)
            .then(|| row as usize - 1)
    }

    /// Tells the writer which slots are frames of the program's.
    pub fn tell_places(&self, row: usize) {
        let places = self.mappings.places(self.ring.number);
        self.session.claims_page().rows[row].places.store(places, Ordering::Relaxed);
    }

    /// Makes sure that the mapped ring is the one in force, that the client's layout fits it, and
    /// that the daemon counts it as streaming.
    ///
    /// # Errors
    /// EINVAL: nobody feeds the pipe, or what the client has mapped is of another size. EBUSY: see [`own`].
    pub fn settle(&mut self, how: u32) -> Result<()> {
        let format = self.session.board().format();
        let page = self.session.page();
        page.patient.store(u32::from(is_patient(self.session)), Ordering::Relaxed);
        self.session.refresh_ring(&mut self.ring)?;
        if self.mappings.is_empty() {
            self.mappings.lay_out(format.buf_len as usize, format.frames as usize);
        } else if self.mappings.frames == 0 || self.mappings.len_of(0) != format.buf_len as usize {
            if how != BY_NEW_MAPPING {
                return Err(Errno::EINVAL);
            }
            // It maps anew, by the layout in force; what it has keeps showing what it shows.
            self.mappings.forget_all();
            self.mappings.lay_out(format.buf_len as usize, format.frames as usize);
        }
        let how = if how == BY_NEW_MAPPING { BY_MMAP } else { how };
        let streaming = page.streaming.load(Ordering::Relaxed);
        let new_ring = page.ring.load(Ordering::Relaxed) != self.ring.number;
        if streaming & how != 0 && !new_ring {
            return Ok(());
        }
        if streaming == 0 {
            own(self.session)?;
            // What was published before it came is not its.
            page.late.store(0, Ordering::Relaxed);
            let head = self.log()?.head.load(Ordering::Acquire);
            page.last.store(head, Ordering::Relaxed);
            // From now on poll tells of frames.
            page.armed.store(1, Ordering::SeqCst);
            self.session.claims_page().arm(self.session.info().client);
        }
        let hold = if (streaming | how) & BY_MMAP != 0 { format.frames } else { 0 };
        if new_ring || streaming == 0 || (hold != 0 && page.row.load(Ordering::Relaxed) == 0) {
            self.ask_for_row(hold, false)?;
        }
        page.streaming.store(streaming | how, Ordering::Relaxed);
        if streaming == 0 && how == BY_READ && open_file::is_client(self.session) {
            // By V4L1's rules it waits for the next one.
            self.begin_with_present()?;
        }
        Ok(())
    }

    /// A stream that begins, of a client that has been counted, begins with the present pusher's picture, if that is
    /// there: who looks at slides, or at a screen that stands still, sees them at once.
    ///
    /// # Errors
    /// EINVAL: there is no ring.
    pub fn begin_with_present(&self) -> Result<()> {
        let page = self.session.page();
        let present = match self.session.board().feed() {
            0 => None,
            _ => find_present(self.log()?, self.ring.slots),
        };
        let Some(found) = present.filter(|_| self.is_in_force()) else { return Ok(()) };
        page.last.store(found.number - 1, Ordering::Relaxed);
        page.late.store(SessionPage::PRESENT_COMES, Ordering::Relaxed);
        Ok(())
    }

    /// Tells the daemon that the client streams, and notes the row that it gets on the claims page, which is
    /// good for the ring that is mapped now.
    pub fn ask_for_row(&self, hold: u32, fewer: bool) -> Result<()> {
        let page = self.session.page();
        let mut fds = FdList::new();
        let request = Request::Stream { session: self.session.info().session, on: true, hold, fewer };
        let (reply, _) = connection::ask(&request, None, &mut fds)?;
        let Reply::Stream { row, .. } = reply else { return Err(Errno::EPROTO) };
        page.row.store(row, Ordering::Relaxed);
        page.ring.store(self.ring.number, Ordering::Relaxed);
        Ok(())
    }

    /// As [`Locked::settle`], for read() while nobody feeds the pipe and the client waits: a daemon that
    /// shows a placeholder makes a ring when it hears that somebody streams. False: there is none yet.
    pub fn settle_reader(&mut self) -> Result<bool> {
        let (board, page) = (self.session.board(), self.session.page());
        if board.ring() == 0 {
            if page.streaming.load(Ordering::Relaxed) == 0 {
                own(self.session)?;
                page.patient.store(1, Ordering::Relaxed);
                page.armed.store(1, Ordering::SeqCst);
                self.session.claims_page().arm(self.session.info().client);
                self.ask_for_row(0, false)?;
                page.streaming.store(BY_READ, Ordering::Relaxed);
            }
            if board.ring() == 0 {
                return Ok(false);
            }
        }
        self.settle(BY_READ).map(|()| true)
    }

    /// Whether the mapped log is the one in force. After a claim, or a copy: if it is, no other pusher has written to
    /// the slot. (The daemon puts another log on the board before it gives it to a pusher, and a pusher that gets it
    /// later sees the claim.) What a former pusher writes into its log is no proof of anything.
    pub fn is_in_force(&self) -> bool {
        fence(Ordering::SeqCst);
        let is_it = self.session.board().log() == self.ring.log_number;
        self.outdated.set(self.outdated.get() || !is_it);
        is_it
    }

    /// As [`claim_oldest`], of the log in force. None also where another one has come: the caller takes it up when it
    /// looks again.
    pub fn claim(&self, row: usize, mask: u32) -> Result<Option<Taken>> {
        let (log, claims_page) = (self.log()?, self.session.claims_page());
        let last = self.session.page().last.load(Ordering::Relaxed);
        let taken = claim_oldest(log, claims_page, row, self.ring.slots, mask, last);
        match taken {
            Some(taken) if !self.is_in_force() => {
                unclaim(claims_page, row, 1 << taken.found.slot);
                Ok(None)
            }
            taken => Ok(taken),
        }
    }

    /// Counts a frame that the client got.
    pub fn count(&self, number: u64) {
        let page = self.session.page();
        if page.late.load(Ordering::Relaxed) == SessionPage::PRESENT_COMES {
            page.late.store(0, Ordering::Relaxed);
            let last = page.last.load(Ordering::Relaxed);
            if number > last + 1 {
                // The picture that was there has gone: its stream begins behind it.
                page.last.store(last + 1, Ordering::Relaxed);
                let base = page.base.load(Ordering::Relaxed);
                page.base.store(base.max(last + 1), Ordering::Relaxed);
            }
        }
        let last = page.last.swap(number, Ordering::Relaxed);
        page.received.fetch_add(1, Ordering::Relaxed);
        page.dropped.fetch_add(number.saturating_sub(last).saturating_sub(1), Ordering::Relaxed);
    }

    /// A client that has had frames of a zero-copy pusher's memory since it took one of the ring: what lies there of
    /// former pushers is older than those. The ring in force is mapped.
    pub fn pass_former(&self) {
        if !self.session.drawn.load(Ordering::Relaxed) || !self.session.drawn.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Some(log) = self.ring.log() {
            let page = self.session.page();
            let begins = log.base.load(Ordering::Relaxed);
            // Never backwards; and a number that can't be true is none.
            if page.last.load(Ordering::Relaxed) < begins && begins <= log.head.load(Ordering::Acquire) {
                page.last.store(begins, Ordering::Relaxed);
            }
        }
    }

    pub fn oldest(&self) -> Result<Option<Found>> {
        let last = self.session.page().last.load(Ordering::Relaxed);
        let found = find_oldest(self.log()?, self.ring.slots, u32::MAX, last);
        if found.is_none() {
            // There may be one in the log that has come since: then the caller looks again.
            self.is_in_force();
        }
        Ok(found)
    }

    /// The oldest frame that the client has not had, converted, to memory of our own.
    ///
    /// # Safety
    /// [`Conversion::result_len`] bytes can be written at `to`.
    pub unsafe fn convert_oldest(&mut self, conversion: &Conversion, to: *mut u8) -> Result<Option<Taken>> {
        // Taken out for the copy, which needs the ring; a page that is lost with an error is mapped anew.
        let mut workspace = core::mem::replace(&mut self.ring.workspace, Workspace::NONE);
        let work = workspace.memory(conversion.workspace_len())?;
        let convert = |from: *const u8, len: usize| {
            let count = conversion.result_len();
            // SAFETY: the slot has `len` bytes, and `to` the result's. A writer that changes the slot meanwhile spoils
            // the picture, and is noticed after it.
            let (from, into) = unsafe {
                (core::slice::from_raw_parts(from, len), core::slice::from_raw_parts_mut(to, count))
            };
            // A frame that is too short is none: what there is of it would be another picture's rest.
            Ok(if conversion.run(from, into, work) { count } else { 0 })
        };
        let taken = match self.row() {
            Some(row) => self.copy_held_by(row, usize::MAX, convert),
            None => self.copy_oldest_by(usize::MAX, convert),
        };
        self.ring.workspace = workspace;
        taken
    }

    /// Copies the oldest frame that the client has not had by `copy`, with room for `room` bytes.
    /// Returns what it was, with the bytes that the client has got; None if there is none, or if the writer was faster
    /// than each of [`TRIES`] copies.
    ///
    /// # Errors
    /// What `copy` says, which gets the bytes and their count, and returns how many the client has got.
    fn copy_oldest_by(
        &mut self,
        room: usize,
        mut copy: impl FnMut(*const u8, usize) -> Result<usize>,
    ) -> Result<Option<Taken>> {
        let log = self.log()?;
        let page = self.session.page();
        for _ in 0..TRIES {
            let Some(found) = self.oldest()? else { return Ok(None) };
            if found.slot >= self.ring.slots {
                return Ok(None);
            }
            let slot = &log.slots[found.slot];
            let (time, marks) = (slot.time.load(Ordering::Relaxed), slot.marks.load(Ordering::Relaxed));
            let len = (slot.len.load(Ordering::Relaxed) as usize).min(self.ring.slot_len).min(room);
            // A writer that comes in between is noticed below, and what was copied then is not shown.
            let len = copy(self.ring.slot(found.slot), len)?;
            if still_there(log, found) {
                if !self.is_in_force() {
                    return Ok(None);
                }
                page.copies.fetch_add(1, Ordering::Relaxed);
                self.count(found.number);
                return Ok(Some(Taken { found, len: len as u32, time, marks }));
            }
            page.retries.fetch_add(1, Ordering::Relaxed);
        }
        Ok(None)
    }

    /// The same, to memory of our own.
    ///
    /// # Safety
    /// `room` bytes can be written at `to`.
    pub unsafe fn copy_oldest(&mut self, to: *mut u8, room: usize) -> Result<Option<Taken>> {
        self.copy_oldest_by(room, |from, len| {
            // SAFETY: the slot has as many bytes, and so has `to`.
            unsafe { core::ptr::copy_nonoverlapping(from, to, len) };
            Ok(len)
        })
    }

    /// The same, to the caller's memory.
    ///
    /// # Errors
    /// EFAULT.
    ///
    /// # Safety
    /// The caller's [`check_writable`](crate::caller::Caller::check_writable) said yes to `room` bytes at `to`.
    pub unsafe fn copy_oldest_out(&mut self, to: usize, room: usize) -> Result<Option<Taken>> {
        let caller = self.call.caller;
        // SAFETY: the slot has as many bytes; the promise for `to`.
        self.copy_oldest_by(room, |from, len| unsafe { caller.copy_out(from, to, len) }.map(|()| len))
    }

    /// The same, with the lines of a frame farther apart. What it tells is the length of the copy.
    ///
    /// # Errors
    /// EIO: the ring's frames, or `room`, are too small for such a frame; ENODEV.
    ///
    /// # Safety
    /// `room` bytes can be written at `to`.
    pub unsafe fn copy_lines(&mut self, lines: &Lines, to: *mut u8, room: usize) -> Result<Option<Taken>> {
        self.copy_lines_by(lines, room, |from, at, there, len| {
            // SAFETY: the slot has as many bytes, and so has `to`.
            unsafe { core::ptr::copy_nonoverlapping(from.add(at), to.add(there), len) };
            Ok(())
        })
    }

    /// The same, to the caller's memory.
    ///
    /// # Errors
    /// As [`Locked::copy_lines`]; EFAULT.
    ///
    /// # Safety
    /// As [`Locked::copy_oldest_out`].
    pub unsafe fn copy_lines_out(&mut self, lines: &Lines, to: usize, room: usize) -> Result<Option<Taken>> {
        let caller = self.call.caller;
        self.copy_lines_by(lines, room, |from, at, there, len| {
            // SAFETY: the slot has as many bytes; the promise for `to`.
            unsafe { caller.copy_out(from.add(at), to + there, len) }
        })
    }

    fn copy_lines_by(
        &mut self,
        lines: &Lines,
        room: usize,
        mut copy: impl FnMut(*const u8, usize, usize, usize) -> Result<()>,
    ) -> Result<Option<Taken>> {
        if lines.wide_len > room || lines.tight_len > self.ring.slot_len {
            return Err(Errno::EIO);
        }
        self.copy_oldest_by(lines.tight_len, |from, _| {
            lines.spread(|at, there, len| copy(from, at, there, len)).map(|()| lines.wide_len)
        })
    }

    /// As [`Locked::copy_oldest`], by a client with a row, which holds the slot meanwhile.
    ///
    /// # Safety
    /// `room` bytes can be written at `to`.
    pub unsafe fn copy_held(&mut self, row: usize, to: *mut u8, room: usize) -> Result<Option<Taken>> {
        self.copy_held_by(row, room, |from, len| {
            // SAFETY: the slot has as many bytes, and so has `to`.
            unsafe { core::ptr::copy_nonoverlapping(from, to, len) };
            Ok(len)
        })
    }

    /// The same, to the caller's memory.
    ///
    /// # Errors
    /// EFAULT.
    ///
    /// # Safety
    /// As [`Locked::copy_oldest_out`].
    pub unsafe fn copy_held_out(&mut self, row: usize, to: usize, room: usize) -> Result<Option<Taken>> {
        let caller = self.call.caller;
        // SAFETY: the slot has as many bytes; the promise for `to`.
        self.copy_held_by(row, room, |from, len| unsafe { caller.copy_out(from, to, len) }.map(|()| len))
    }

    fn copy_held_by(
        &mut self,
        row: usize,
        room: usize,
        copy: impl FnOnce(*const u8, usize) -> Result<usize>,
    ) -> Result<Option<Taken>> {
        let (page, claims_page) = (self.session.page(), self.session.claims_page());
        let Some(mut taken) = self.claim(row, u32::MAX)? else { return Ok(None) };
        let slot = taken.found.slot;
        let len = (taken.len as usize).min(self.ring.slot_len).min(room);
        // claim_oldest gives slots below `slots`, of slot_len bytes each.
        let copied = copy(self.ring.slot(slot), len);
        unclaim(claims_page, row, 1 << slot);
        let len = copied?;
        page.copies.fetch_add(1, Ordering::Relaxed);
        self.count(taken.found.number);
        taken.len = len as u32;
        Ok(Some(taken))
    }

    /// After a frame was taken: the descriptor is readable exactly if there is another.
    pub fn set_readiness(&self) -> Result<()> {
        let (page, claims_page) = (self.session.page(), self.session.claims_page());
        let client = self.session.info().client;
        if self.ring.number == 0 || self.session.board().ring() == 0 {
            self.clear_readiness();
            page.armed.store(1, Ordering::SeqCst);
            claims_page.arm(client);
            // A ring that came meanwhile may have a frame of which nobody was rung.
            self.session.ring_frame_doorbell();
            return self.want_frame();
        }
        if page.rest.load(Ordering::Relaxed) == 0 && self.oldest()?.is_none() {
            self.clear_readiness();
            page.armed.store(1, Ordering::SeqCst);
            claims_page.arm(client);
            // A frame that was published before the mark rang nobody.
            if self.oldest()?.is_none() && self.is_in_force() {
                return self.want_frame();
            }
        } else if page.rung.load(Ordering::SeqCst) != 0 {
            return Ok(());
        } else {
            page.armed.store(1, Ordering::SeqCst);
        }
        self.session.ring_frame_doorbell();
        Ok(())
    }

    /// There is nothing to take: the descriptor is readable no more. The poll notifier may be about to put a byte
    /// there for a frame that was just taken; it is waited for, but not for ever.
    pub fn clear_readiness(&self) {
        let page = self.session.page();
        fence(Ordering::SeqCst);
        sys::wait_while(|| page.rung.load(Ordering::SeqCst) == RINGING);
        if page.rung.swap(0, Ordering::SeqCst) != 0 {
            if let Some(fd) = self.call.caller.device(self.session) {
                sys::drain(fd);
            }
        }
    }

    /// A zero-copy pusher delivers only on request. If it refuses, the descriptor becomes readable, and the next call
    /// reports the error.
    fn want_frame(&self) -> Result<()> {
        if memory::is_zero(self.session) && want::want_frame(self.session).is_err() {
            self.session.ring_frame_doorbell();
        }
        Ok(())
    }

    /// The client is about to wait inside a call: nobody needs to make its descriptor readable.
    pub fn disarm(&self) {
        if self.session.page().armed.swap(0, Ordering::SeqCst) != 0 {
            self.session.claims_page().disarm(self.session.info().client);
        }
    }
}

/// What a client is to do that found no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Sleep until one may be there.
    Sleep,
    /// Look again: things may be different now.
    LookAgain,
}

/// Runs `step` with the locks held until it is done; sleeps, without locks and with signals as the
/// program has them, in between.
///
/// # Errors
/// What `step` says; ENODEV when the daemon is gone, EBADF when the device was closed meanwhile,
/// what `wait` says instead of letting it sleep, EINTR after a handler without SA_RESTART.
pub fn until_done<T, E: From<Errno>>(
    call: &Call,
    wait: impl Fn() -> Result<Wait>,
    step: impl FnMut(&mut Locked) -> core::result::Result<Step<T>, E>,
) -> core::result::Result<T, E> {
    let session = call.file;
    let mut slept = false;
    let result = repeat(call, wait, step, &mut slept);
    if slept && result.is_err() {
        // It was disarmed for the wait; the program may poll next.
        session.page().armed.store(1, Ordering::SeqCst);
        session.claims_page().arm(session.info().client);
        session.ring_frame_doorbell();
    }
    result
}

/// As [`until_done`]; tells whether it has `slept`.
fn repeat<T, E: From<Errno>>(
    call: &Call,
    wait: impl Fn() -> Result<Wait>,
    mut step: impl FnMut(&mut Locked) -> core::result::Result<Step<T>, E>,
    slept: &mut bool,
) -> core::result::Result<T, E> {
    let session = call.file;
    let mut hurried = 0;
    loop {
        session.alive()?;
        let page = session.page();
        let kick = page.kick.load(Ordering::SeqCst);
        let (next, seq) = {
            let quiet = NoSignals::new();
            match Locked::try_new(call, &quiet)? {
                Err(owner) => (Step::Contended(owner), None),
                Ok(mut locked) => {
                    // Read before the look: what is published after it changes the word.
                    let log = locked.ring.log_number;
                    let seq = locked.ring.log().map(|log| (&log.seq, log.seq.load(Ordering::SeqCst)));
                    let next = step(&mut locked)?;
                    let other = locked.ring.log_number != log || locked.outdated.get();
                    if other && matches!(next, Step::Sleep) {
                        // That word was a former log's, or the look was at one.
                        continue;
                    }
                    (next, seq)
                }
            }
        };
        match next {
            Step::Done(value) => return Ok(value),
            Step::Contended(owner) => session.wait_for_lock(page.lock.word(), owner)?,
            Step::Writing(log, owner) => session.wait_for_lock(log.lock.word(), owner)?,
            Step::Sleep => {
                if wait()? == Wait::LookAgain {
                    continue;
                }
                *slept = true;
                // A pusher that changes its log all the time lets nobody sleep on it. Whoever called can be interrupted
                // all the same, and others have the processor.
                let (seq, until) = match hurried < HURRIES {
                    true => (seq, None),
                    false => (None, Some(sys::now() + MOMENT)),
                };
                hurried = if sleep(call, seq, kick, until)? { 0 } else { hurried + 1 };
                if !call.caller.is_open() {
                    return Err(Errno::EBADF.into());
                }
            }
        }
    }
}

/// [`until_done`], for calls that wait, if they wait at all, whatever the descriptor's flags say.
///
/// # Errors
/// As [`until_done`], but for EAGAIN.
pub fn with_locks<T>(call: &Call, step: impl FnMut(&mut Locked) -> Result<Step<T>>) -> Result<T> {
    until_done(call, || Ok(Wait::Sleep), step)
}

/// Sleeps until a frame is published, the session is kicked, the daemon dies, or it is `until`. False: something had
/// changed already.
fn sleep(call: &Call, seq: Option<(&AtomicU32, u32)>, kick: u32, until: Option<u64>) -> Result<bool> {
    let session = call.file;
    let kick = (&session.page().kick, kick);
    let words = [kick, seq.unwrap_or(kick)];
    let count = if seq.is_some() { 2 } else { 1 };
    match wait::until_changed(session.lifeline(), &words[..count], until) {
        Err(Errno::ENOSYS) => wait_rung(call).map(|()| true),
        Err(Errno::EAGAIN) => Ok(false),
        Err(Errno::ETIMEDOUT) | Ok(()) => Ok(true),
        // The next look tells.
        Err(Errno::ENODEV) => Ok(true),
        Err(e) => Err(e),
    }
}

/// Kernels before 5.16 cannot sleep on three words: there the poll notifier wakes us as if we polled.
fn wait_rung(call: &Call) -> Result<()> {
    let session = call.file;
    {
        let quiet = NoSignals::new();
        if let Ok(locked) = Locked::try_new(call, &quiet)? {
            if locked.ring.log().is_some() {
                locked.set_readiness()?;
            }
        }
    }
    let Some(fd) = call.caller.device(session) else { return Err(Errno::EBADF) };
    match sys::wait_readable(fd) {
        Err(Errno::EINTR) => Err(Errno::EINTR),
        _ => Ok(()),
    }
}

/// The daemon counts the client among those that stream no more, and takes its row back.
///
/// # Errors
/// As [`connection::ask`]; the client then still counts.
pub fn stop_streaming(session: &OpenFile) -> Result<()> {
    connection::tell(&Request::Stream { session: session.info().session, on: false, hold: 0, fewer: false })?;
    let page = session.page();
    page.row.store(0, Ordering::Relaxed);
    page.streaming.store(0, Ordering::Relaxed);
    Ok(())
}
