//! The right to ask a zero-copy pusher, and asking it.

use core::ffi::c_int;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

use vloopback_abi::v4l1::request;
use vloopback_ring::pusher_page::PATIENCE;
use vloopback_ring::request_slot::{Phase, RequestSlot, State};
use zerocopy::IntoBytes;

use crate::caller::Call;
use crate::open_file::OpenFile;
use crate::zero::memory::{Inside, call_daemon, enter, wake_notifier};
use crate::zero::request_doorbell;
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result};

/// A thread that has the right to ask through an open file.
struct Asker {
    thread: AtomicI32,
    /// Which of its turns, counted for the place.
    turn: AtomicU32,
    /// Which open file, and where its request slot is mapped.
    session: AtomicUsize,
    request_slot: AtomicUsize,
}

/// Threads that are asking. A handler that interrupts one of them in its sleep, and asks through the same open
/// file, must not wait behind what it interrupted, which may never go on (longjmp out of the handler, the
/// way in which old programs limit their waits): it takes the turn over.
static ASKERS: [Asker; 32] = [const {
    Asker {
        thread: AtomicI32::new(0),
        turn: AtomicU32::new(0),
        session: AtomicUsize::new(0),
        request_slot: AtomicUsize::new(0),
    }
}; 32];

impl Asker {
    /// The place of a turn that this thread has.
    fn find(thread: i32, session: &OpenFile) -> Option<&'static Self> {
        let at = core::ptr::from_ref(session) as usize;
        let is_it = |asker: &&Self| {
            asker.thread.load(Ordering::Relaxed) == thread && asker.session.load(Ordering::Relaxed) == at
        };
        ASKERS.iter().find(is_it)
    }

    /// A place for a turn; None: more threads are asking than there are places. Such a turn is not taken over.
    fn begin(thread: i32, session: &OpenFile) -> Option<&'static Self> {
        let take = |asker: &&Self| {
            asker.thread.compare_exchange(0, thread, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        let asker = ASKERS.iter().find(take)?;
        asker.session.store(core::ptr::from_ref(session) as usize, Ordering::Relaxed);
        Some(asker)
    }

    /// Whether it has the lock of this request slot.
    fn has(&self, request_slot: &RequestSlot) -> bool {
        self.request_slot.load(Ordering::Relaxed) == core::ptr::from_ref(request_slot) as usize
    }
}

/// Gives back the right to ask by a request slot.
fn give_back(request_slot: &RequestSlot) {
    request_slot.release();
    if request_slot.lock.unlock() {
        sys::futex_wake_all(request_slot.lock.word());
    }
}

/// The program has closed the device here: a turn that this thread never came back from is over. Other
/// processes may have the open file still.
pub fn forget(session: &OpenFile, thread: i32) {
    let _quiet = NoSignals::new();
    let Some(asker) = Asker::find(thread, session) else { return };
    asker.thread.store(0, Ordering::Relaxed);
    if let (Some(inside), Ok(me)) = (Inside::enter(session), connection::peer()) {
        if let Some(request_slot) = inside
            .request_slot
            .filter(|request_slot| asker.has(request_slot) && request_slot.lock.owner() == me)
        {
            give_back(request_slot);
        }
    }
    session.zero.leave();
}

/// The right to ask through this open file, whose threads and processes do so one at a time. Given back
/// when it is dropped.
///
/// While it lives, signals are blocked but for its waits, so that a handler that takes it over finds it in a
/// wait. It is lost then: the wait fails with EINTR, and nothing of it may be touched any more.
pub struct Turn<'a> {
    session: &'a OpenFile,
    /// The memory that the pipe had when the turn was taken.
    pub inside: ManuallyDrop<Inside<'a>>,
    pub(super) request_slot: &'a RequestSlot,
    place: Option<(&'static Asker, u32)>,
    thread: i32,
    /// Another turn of this thread's was in the middle of a request: nobody waits for that any more.
    took_over: bool,
    quiet: NoSignals,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_lost() {
            // Whoever took it over has given back all, or will.
            return;
        }
        if let Some((asker, _)) = self.place {
            asker.thread.store(0, Ordering::Relaxed);
        }
        give_back(self.request_slot);
        if self.inside.pusher_page.holds_back() {
            // Somebody waited for our copy. If the daemon is gone, so is the pipe.
            let _ = call_daemon(self.session);
        }
        // SAFETY: dropped here only, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.inside) };
    }
}

impl<'a> Turn<'a> {
    /// # Errors
    /// EIO: the pusher is gone. EAGAIN: more clients than a pusher can have. EINTR, ENODEV.
    pub fn take(call: &Call<'a>) -> Result<Self> {
        let session = call.file;
        let inside = enter(session)?;
        let request_slot = inside.request_slot.ok_or(Errno::EINVAL)?;
        let (thread, me) = (call.caller.thread(), connection::peer()?);
        loop {
            let quiet = NoSignals::new();
            let former = Asker::find(thread, session);
            let owner = match former {
                Some(asker) if asker.has(request_slot) && request_slot.lock.owner() == me => None,
                _ => request_slot.lock.try_lock(me).err(),
            };
            let Some(owner) = owner else {
                if former.is_some() {
                    // It was in the memory, too, and does not come back to leave it.
                    session.zero.leave();
                }
                let place = former.or_else(|| Asker::begin(thread, session)).map(|asker| {
                    asker.request_slot.store(core::ptr::from_ref(request_slot) as usize, Ordering::Relaxed);
                    (asker, asker.turn.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
                });
                let inside = ManuallyDrop::new(inside);
                let took_over = former.is_some();
                return Ok(Self { session, inside, request_slot, place, thread, took_over, quiet });
            };
            drop(quiet);
            session.wait_for_lock(request_slot.lock.word(), owner)?;
        }
    }

    pub(super) fn session(&self) -> &'a OpenFile {
        self.session
    }

    /// Whether a handler that interrupted a wait of this turn has taken it over.
    fn is_lost(&self) -> bool {
        self.place.is_some_and(|(asker, turn)| {
            asker.thread.load(Ordering::Relaxed) != self.thread || asker.turn.load(Ordering::Relaxed) != turn
        })
    }

    /// Asks the pusher, and waits for its answer; `data` then is the answer's.
    ///
    /// # Errors
    /// The errno that the pusher answers with. EIO: it is gone. ETIMEDOUT: it has not answered in the
    /// pipe's time limit, which does not hold for SYNC: a picture takes the time that it takes. EBADF: the
    /// device was closed meanwhile. EINTR: also if a handler has asked through the same open file. ENODEV.
    pub fn ask(&self, number: u32, data: &mut [u8]) -> Result<()> {
        self.ask_for(number, data, false)
    }

    pub(super) fn ask_for(&self, number: u32, data: &mut [u8], copies: bool) -> Result<()> {
        let (session, request_slot) = (self.session, self.request_slot);
        let limit = u64::from(session.info().answer_timeout) * 1_000_000;
        let mut deadline = (limit != 0 && number != request::SYNC).then(|| sys::now() + limit);
        let pusher_page = self.inside.pusher_page;
        let mut was_rung = request_doorbell::is_in_reach(session, pusher_page, self.inside.zero);
        let posted = request_slot.post(number, data, copies).ok_or(Errno::EBADF)?;
        // A pusher that has something to do looks for more when it is done.
        if pusher_page.seems_idle() {
            was_rung = request_doorbell::ring(session, pusher_page, self.inside.zero);
            if !was_rung {
                wake_notifier(session);
            }
        } else if self.took_over {
            // It may have what nobody waits for, and never be done.
            self.call_daemon_for(posted)?;
        }
        loop {
            let now = request_slot.state();
            if let Some(errno) = request_slot.collect(posted, data) {
                if was_rung {
                    request_doorbell::was_heard(session);
                }
                return if errno == 0 { Ok(()) } else { Err(Errno(errno as c_int)) };
            }
            self.may_go_on(now, posted)?;
            if deadline.is_some() && now.phase() == Phase::Posted && !pusher_page.seems_idle() {
                // The pusher is at somebody else's request, which has a limit of its own, or is a SYNC.
                deadline = Some(sys::now() + limit);
            }
            // Now and then it reminds the pusher, who may have waited for somebody that never came back.
            let patience = if was_rung { request_doorbell::PATIENCE } else { PATIENCE };
            let remind = (now.phase() == Phase::Posted).then(|| sys::now() + patience);
            let until = [deadline, remind].into_iter().flatten().min();
            let waited = self.quiet.lifted(|| session.wait_for_word(request_slot.word(), now.word(), until));
            if self.is_lost() {
                return Err(Errno::EINTR);
            }
            match waited {
                Err(Errno::ETIMEDOUT) if until != deadline => {
                    if pusher_page.seems_idle() {
                        if was_rung {
                            request_doorbell::was_not_heard(session);
                        }
                        wake_notifier(session);
                    }
                    if !was_rung {
                        self.call_daemon_for(posted)?;
                    }
                    was_rung = false;
                }
                // Once the pusher is answering, the answer is near: it is taken.
                Err(e @ (Errno::EINTR | Errno::ETIMEDOUT)) if request_slot.withdraw(posted) => {
                    // Others may have waited behind it.
                    call_daemon(session)?;
                    return Err(e);
                }
                Err(Errno::EINTR | Errno::ETIMEDOUT) | Ok(()) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether a request that has no answer may still get one.
    ///
    /// # Errors
    /// EBADF: the device was closed. EIO: the pusher is gone. ENODEV.
    fn may_go_on(&self, now: State, posted: State) -> Result<()> {
        if now.phase() == Phase::Gone {
            return Err(Errno::EBADF);
        }
        if self.session.board().zero() != self.inside.zero || now.phase() == Phase::Idle {
            self.request_slot.withdraw(posted);
            return Err(Errno::EIO);
        }
        self.session.alive()
    }

    /// The daemon is to let the pusher look. If it is gone, nobody waits for the answer any more.
    fn call_daemon_for(&self, posted: State) -> Result<()> {
        call_daemon(self.session).inspect_err(|_| {
            self.request_slot.withdraw(posted);
        })
    }

    /// The same with a structure of the driver's own.
    pub fn exchange<T: IntoBytes + zerocopy::FromBytes>(&self, number: u32, value: &mut T) -> Result<()> {
        self.ask(number, value.as_mut_bytes())
    }
}
