//! The right to ask a zero-copy pusher, and asking it.

use core::ffi::c_int;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

use vloopback_abi::v4l1::request;
use vloopback_ring::hatch::PATIENCE;
use vloopback_ring::slip::{Phase, Slip};
use zerocopy::IntoBytes;

use crate::caller::Call;
use crate::open_file::OpenFile;
use crate::zero::gong;
use crate::zero::memory::{Inside, call_daemon, enter, knock};
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::Result;
use vloopback_sys::lock::NoSignals;

/// A thread that has the right to ask through an open file.
struct Asker {
    thread: AtomicI32,
    /// Which of its turns, counted for the place.
    turn: AtomicU32,
    /// Which open file, and where its slip is mapped.
    session: AtomicUsize,
    slip: AtomicUsize,
}

/// Threads that are asking. A handler that interrupts one of them in its sleep, and asks through the same open
/// file, must not wait behind what it interrupted, which may never go on (longjmp out of the handler, the
/// way in which old programs limit their waits): it takes the turn over.
static ASKERS: [Asker; 32] = [const {
    Asker {
        thread: AtomicI32::new(0),
        turn: AtomicU32::new(0),
        session: AtomicUsize::new(0),
        slip: AtomicUsize::new(0),
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

    /// Whether it has the lock of this slip.
    fn has(&self, slip: &Slip) -> bool {
        self.slip.load(Ordering::Relaxed) == core::ptr::from_ref(slip) as usize
    }
}

/// Gives back the right to ask by a slip.
fn give_back(slip: &Slip) {
    slip.release();
    if slip.lock.unlock() {
        sys::futex_wake_all(slip.lock.word());
    }
}

/// The program has closed the device here: a turn that this thread never came back from is over. Other
/// processes may have the open file still.
pub fn forget(session: &OpenFile, thread: i32) {
    let _quiet = NoSignals::new();
    let Some(asker) = Asker::find(thread, session) else { return };
    asker.thread.store(0, Ordering::Relaxed);
    if let (Some(inside), Ok(me)) = (Inside::enter(session), connection::peer()) {
        if let Some(slip) = inside.slip.filter(|slip| asker.has(slip) && slip.lock.owner() == me) {
            give_back(slip);
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
    pub(super) slip: &'a Slip,
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
        give_back(self.slip);
        if self.inside.hatch.holds_back() {
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
        let slip = inside.slip.ok_or(libc::EINVAL)?;
        let (thread, me) = (call.caller.thread(), connection::peer()?);
        loop {
            let quiet = NoSignals::new();
            let former = Asker::find(thread, session);
            let owner = match former {
                Some(asker) if asker.has(slip) && slip.lock.owner() == me => None,
                _ => slip.lock.try_lock(me).err(),
            };
            let Some(owner) = owner else {
                if former.is_some() {
                    // It was in the memory, too, and does not come back to leave it.
                    session.zero.leave();
                }
                let place = former.or_else(|| Asker::begin(thread, session)).map(|asker| {
                    asker.slip.store(core::ptr::from_ref(slip) as usize, Ordering::Relaxed);
                    (asker, asker.turn.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
                });
                let inside = ManuallyDrop::new(inside);
                let took_over = former.is_some();
                return Ok(Self { session, inside, slip, place, thread, took_over, quiet });
            };
            drop(quiet);
            session.wait_for_lock(slip.lock.word(), owner)?;
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
        let (session, slip) = (self.session, self.slip);
        let limit = u64::from(session.info().answer_timeout) * 1_000_000;
        let mut deadline = (limit != 0 && number != request::SYNC).then(|| sys::now() + limit);
        let hatch = self.inside.hatch;
        let mut struck = gong::is_in_reach(session, hatch, self.inside.zero);
        let posted = slip.post(number, data, copies).ok_or(libc::EBADF)?;
        let call = || {
            call_daemon(session).inspect_err(|_| {
                slip.withdraw(posted);
            })
        };
        // A pusher that has something to do looks for more when it is done.
        if hatch.seems_idle() {
            struck = gong::strike(session, hatch, self.inside.zero);
            if !struck {
                knock(session);
            }
        } else if self.took_over {
            // It may have what nobody waits for, and never be done.
            call()?;
        }
        loop {
            let now = slip.state();
            let answer = slip.collect(posted, data);
            if struck && answer.is_some() {
                gong::was_heard(session);
            }
            match answer {
                Some(0) => return Ok(()),
                Some(errno) => return Err(errno as c_int),
                None => {}
            }
            if now.phase() == Phase::Gone {
                return Err(libc::EBADF);
            }
            if session.board().zero() != self.inside.zero || now.phase() == Phase::Idle {
                slip.withdraw(posted);
                return Err(libc::EIO);
            }
            session.alive()?;
            if deadline.is_some() && now.phase() == Phase::Posted && !hatch.seems_idle() {
                // The pusher is at somebody else's request, which has a limit of its own, or is a SYNC.
                deadline = Some(sys::now() + limit);
            }
            // Now and then it reminds the pusher, who may have waited for somebody that never came back.
            let patience = if struck { gong::PATIENCE } else { PATIENCE };
            let remind = (now.phase() == Phase::Posted).then(|| sys::now() + patience);
            let until = [deadline, remind].into_iter().flatten().min();
            let waited = self.quiet.lifted(|| session.wait_for_word(slip.word(), now.word(), until));
            if self.is_lost() {
                return Err(libc::EINTR);
            }
            match waited {
                Err(libc::ETIMEDOUT) if until != deadline => {
                    if hatch.seems_idle() {
                        if struck {
                            gong::was_not_heard(session);
                        }
                        knock(session);
                    }
                    if !struck {
                        call()?;
                    }
                    struck = false;
                }
                // Once the pusher is answering, the answer is near: it is taken.
                Err(e @ (libc::EINTR | libc::ETIMEDOUT)) if slip.withdraw(posted) => {
                    // Others may have waited behind it.
                    call_daemon(session)?;
                    return Err(e);
                }
                Err(libc::EINTR | libc::ETIMEDOUT) | Ok(()) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The same with a structure of the driver's own.
    pub fn exchange<T: IntoBytes + zerocopy::FromBytes>(&self, number: u32, value: &mut T) -> Result<()> {
        self.ask(number, value.as_mut_bytes())
    }
}
