//! The clients' side: requests that wait for the pusher's answer.

use core::ffi::c_int;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoMmap, VideoPicture, VideoWindow, request};
use vloopback_abi::{Abi, ioc};
use vloopback_ioctl::{UserMemory, forwarded};
use vloopback_ring::hatch::PATIENCE;
use vloopback_ring::slip::{MAX_DATA, Phase, Slip};
use zerocopy::{FromZeros, IntoBytes};

use super::{Inside, NUMBER_MAX, call_daemon, enter, gong, knock, shown};
use crate::client::own;
use crate::connection;
use crate::lock::NoSignals;
use crate::session::Session;
use crate::sys::{self, Result};
use crate::user::{self, Caller};

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
    fn find(thread: i32, session: &Session) -> Option<&'static Self> {
        let at = core::ptr::from_ref(session) as usize;
        let is_it = |asker: &&Self| {
            asker.thread.load(Ordering::Relaxed) == thread && asker.session.load(Ordering::Relaxed) == at
        };
        ASKERS.iter().find(is_it)
    }

    /// A place for a turn; None: more threads are asking than there are places. Such a turn is not taken over.
    fn begin(thread: i32, session: &Session) -> Option<&'static Self> {
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
pub(crate) fn forget(session: &Session) {
    let _quiet = NoSignals::new();
    let Some(asker) = Asker::find(sys::thread(), session) else { return };
    asker.thread.store(0, Ordering::Relaxed);
    if let (Some(inside), Ok(me)) = (Inside::enter(session), connection::peer()) {
        if let Some(slip) = inside.slip.filter(|slip| asker.has(slip) && slip.lock.owner() == me) {
            give_back(slip);
        }
    }
    session.leave_zero();
}

/// The right to ask through this open file, whose threads and processes do so one at a time. Given back
/// when it is dropped.
///
/// While it lives, signals are blocked but for its waits, so that a handler that takes it over finds it in a
/// wait. It is lost then: the wait fails with EINTR, and nothing of it may be touched any more.
pub(crate) struct Turn<'a> {
    session: &'a Session,
    /// The memory that the pipe had when the turn was taken.
    pub(crate) inside: ManuallyDrop<Inside<'a>>,
    slip: &'a Slip,
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
    pub(crate) fn take(session: &'a Session) -> Result<Self> {
        let inside = enter(session)?;
        let slip = inside.slip.ok_or(libc::EINVAL)?;
        let (thread, me) = (sys::thread(), connection::peer()?);
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
                    session.leave_zero();
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

    pub(super) fn session(&self) -> &'a Session {
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
    pub(crate) fn ask(&self, number: u32, data: &mut [u8]) -> Result<()> {
        self.ask_for(number, data, false)
    }

    fn ask_for(&self, number: u32, data: &mut [u8], copies: bool) -> Result<()> {
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
    pub(crate) fn exchange<T: IntoBytes + zerocopy::FromBytes>(
        &self,
        number: u32,
        value: &mut T,
    ) -> Result<()> {
        self.ask(number, value.as_mut_bytes())
    }
}

/// An ioctl of a client on a zero-copy pipe.
///
/// # Errors
/// What the pusher answers: ENOTTY for a refusal, EINVAL for a set that it did not accept. EINVAL: more
/// data than a pusher's buffer has room for. EFAULT, EIO, ETIMEDOUT, EINTR, ENODEV.
pub(crate) fn forward(session: &Session, number: u32, arg: usize) -> Result<c_int> {
    let abi = Abi::NATIVE;
    if forwarded::is_of_another_abi(abi, number) {
        return Err(libc::ENOTTY);
    }
    let len = ioc::ioc_size(number);
    if len > MAX_DATA - NUMBER_MAX {
        // The pusher's buffer, 1024 bytes by the API document, is for the number too.
        return Err(libc::EINVAL);
    }
    let mut bytes = [0; MAX_DATA];
    let has_data = ioc::ioc_dir(number) != ioc::NONE;
    Caller.read(arg, &mut bytes[..if has_data { len } else { 0 }]).map_err(|_| libc::EFAULT)?;
    // On its way it has the neutral form: the pusher may be of the other word size.
    let asked = forwarded::neutral_number(abi, number);
    let sent = if has_data { forwarded::widen(abi, asked, &mut bytes) } else { 0 };
    let data = &mut bytes[..sent];
    let turn = Turn::take(session)?;
    let copy = if shown::shows(asked) {
        shown::settle(&turn)?;
        shown::Copy::of(&turn, asked, data)?
    } else {
        None
    };
    turn.ask_for(asked, data, copy.is_some())?;
    if let Some(copy) = copy {
        copy.make(&turn)?;
    }
    shown::answered(session, &turn.inside, asked, data);
    drop(turn);
    if asked == request::SYNC {
        session.drawn.store(true, Ordering::Relaxed);
        session.page().received.fetch_add(1, Ordering::Relaxed);
    }
    if ioc::ioc_dir(number) & ioc::READ != 0 {
        let got = forwarded::narrow(abi, asked, &mut bytes);
        Caller.write(arg, &bytes[..got]).map_err(|_| libc::EFAULT)?;
    }
    Ok(0)
}

/// How often a read() begins anew because somebody drew under its copy.
const TRIES: u32 = 16;

/// read(2) on an output of a zero-copy pipe: never forwarded, but asked for as a mapped client does.
///
/// # Errors
/// As [`forward`], but for ETIMEDOUT, and EAGAIN never: a picture takes the time that it takes. EBUSY: see
/// [`own`]. EIO: others draw all the time.
pub(crate) fn read_frame(session: &Session, buf: usize, len: usize) -> Result<usize> {
    own(session)?;
    let turn = Turn::take(session)?;
    let mut tries = 0;
    while tries < TRIES {
        match turn.copy_frame(buf, len) {
            Ok(Some(count)) => {
                let page = session.page();
                session.drawn.store(true, Ordering::Relaxed);
                page.received.fetch_add(1, Ordering::Relaxed);
                page.copies.fetch_add(1, Ordering::Relaxed);
                return Ok(count);
            }
            Ok(None) => tries += 1,
            // Others had their turn meanwhile; it is asked anew.
            Err(libc::ETIMEDOUT) => {}
            Err(e) => return Err(e),
        }
    }
    Err(libc::EIO)
}

impl Turn<'_> {
    /// Asks for a frame and copies it. None: another client's was drawn under the copy, because this one was
    /// stopped meanwhile.
    fn copy_frame(&self, buf: usize, len: usize) -> Result<Option<usize>> {
        let mut window = VideoWindow::new_zeroed();
        self.exchange(request::GWIN, &mut window)?;
        let mut picture = VideoPicture::new_zeroed();
        self.exchange(request::GPICT, &mut picture)?;
        let whole = Palette::from_number(picture.palette.into())
            .and_then(|palette| palette.frame_len(window.width, window.height))
            .ok_or(libc::EINVAL)?;
        let count = len.min(whole);
        // The old driver's frame was at the beginning; a pusher that has told of another place has it there.
        let from = self.inside.hatch.origin().unwrap_or(0) as usize;
        if from.checked_add(whole).is_none_or(|end| end > self.inside.len) {
            return Err(libc::EINVAL);
        }
        user::writable(buf, count).map_err(|_| libc::EFAULT)?;
        let mut order = VideoMmap {
            frame: 0,
            height: window.height as i32,
            width: window.width as i32,
            format: picture.palette.into(),
        };
        self.ask_for(request::MCAPTURE, order.as_mut_bytes(), true)?;
        self.ask_for(request::SYNC, 0i32.as_mut_bytes(), true)?;
        let (hatch, draws) = (self.inside.hatch, self.slip.draws());
        if hatch.draws() == draws {
            // SAFETY: `count` bytes at `buf` were checked, and the memory has at least as many from there on.
            unsafe {
                core::ptr::copy_nonoverlapping(
                    self.inside.frames.add(from).cast_const(),
                    buf as *mut u8,
                    count,
                );
            }
        }
        self.slip.release();
        Ok((hatch.draws() == draws).then_some(count))
    }
}
