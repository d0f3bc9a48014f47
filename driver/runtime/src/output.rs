//! The output node: what V4L1 clients call.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};

use vloopback_abi::v4l1::{
    VideoAudio, VideoBuffer, VideoCapability, VideoChannel, VideoKey, VideoMbuf, VideoMmap, VideoPicture,
    VideoTuner, VideoUnit, VideoWindow,
};
use vloopback_ioctl::{Errno, V4l1Device};
use vloopback_ring::{Found, Log, claim_oldest, find_oldest, still_there, unclaim};
use vloopback_wire::{Reply, Request};

use crate::lock::{LocalGuard, NoSignals};
use crate::process;
use crate::ring_map::RingMap;
use crate::session::{Session, is_certain};
use crate::sys::{self, FdList, Result};
use crate::v4l1;
use crate::views::{Mapping, Views};

/// A stream by read() or mmap() has begun (bits of `SessionPage::streaming`).
const BY_READ: u32 = 1;
const BY_MMAP: u32 = 2;
/// BY_MMAP, by a mapping that is being made.
const BY_NEW_MAPPING: u32 = BY_MMAP | 4;
/// A client that got this many frames with none waiting behind them may share the ring's slots
/// again after it had to copy.
const CALM: u32 = 8;
/// Policy numbers of the wire.
const IDLE_WAIT: u32 = vloopback_wire::Idle::Wait as u32;

/// What a try for a frame came to.
enum Step<T> {
    Done(T),
    /// None there: sleep until something is published or changes, then try again.
    Sleep,
    /// Somebody else of the same open file is at it.
    Contended(u32),
}

/// A session's state under its locks: this process's mappings and the shared page.
struct Locked<'a> {
    session: &'a Session,
    ring: LocalGuard<'a, RingMap>,
    views: LocalGuard<'a, Views>,
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
    /// Takes all locks, or tells whose the session's is.
    fn try_new(session: &'a Session, quiet: &'a NoSignals) -> Result<core::result::Result<Self, u32>> {
        let me = process::peer()?;
        let ring = session.ring.lock(quiet);
        let views = session.views.lock(quiet);
        Ok(match session.page().lock.try_lock(me) {
            Ok(()) => Ok(Self { session, ring, views }),
            Err(owner) => Err(owner),
        })
    }

    /// # Errors
    /// EINVAL while nobody feeds the pipe.
    fn log(&self) -> Result<&'static Log> {
        self.ring.log().ok_or(libc::EINVAL)
    }

    /// The row of this client on the desk, for the ring in force.
    fn row(&self) -> Option<usize> {
        let page = self.session.page();
        let row = page.row.load(Ordering::Relaxed);
        (row != 0
            && row as usize <= vloopback_ring::MAX_ROWS
            && page.ring.load(Ordering::Relaxed) == self.ring.number)
            .then(|| row as usize - 1)
    }

    /// Makes sure that the mapped ring is the one in force, that the client's layout fits it, and
    /// that the daemon counts it as streaming.
    ///
    /// # Errors
    /// EINVAL: nobody feeds the pipe, or what the client has mapped is of another size.
    fn settle(&mut self, how: u32) -> Result<()> {
        let format = self.session.board().format();
        let page = self.session.page();
        self.ring.refresh(self.session)?;
        if self.views.is_empty() {
            self.views.lay_out(format.buf_len as usize, format.frames as usize);
        } else if self.views.buf_len != format.buf_len as usize {
            if how != BY_NEW_MAPPING {
                return Err(libc::EINVAL);
            }
            // It maps anew, by the layout in force; what it has keeps showing what it shows.
            self.views.forget_all();
            self.views.lay_out(format.buf_len as usize, format.frames as usize);
        }
        let how = if how == BY_NEW_MAPPING { BY_MMAP } else { how };
        let streaming = page.streaming.load(Ordering::Relaxed);
        let new_ring = page.ring.load(Ordering::Relaxed) != self.ring.number;
        if streaming & how != 0 && !new_ring {
            return Ok(());
        }
        if streaming == 0 {
            // What was published before it came is not its.
            let head = self.log()?.head.load(Ordering::Acquire);
            page.last.store(head, Ordering::Relaxed);
            page.since.store(head, Ordering::Relaxed);
            // From now on poll tells of frames.
            page.armed.store(1, Ordering::SeqCst);
            self.session.desk().arm(self.session.info().client);
        }
        let hold = if (streaming | how) & BY_MMAP != 0 { format.frames } else { 0 };
        if new_ring || streaming == 0 || (hold != 0 && page.row.load(Ordering::Relaxed) == 0) {
            let mut fds = FdList::new();
            let request = Request::Stream { session: self.session.info().session, on: true, hold };
            let (reply, _) = process::ask(&request, None, &mut fds)?;
            let Reply::Stream { row, .. } = reply else { return Err(libc::EPROTO) };
            page.row.store(row, Ordering::Relaxed);
            page.ring.store(self.ring.number, Ordering::Relaxed);
        }
        page.streaming.store(streaming | how, Ordering::Relaxed);
        Ok(())
    }

    /// Counts a frame that the client got.
    fn count(&self, number: u64) {
        let page = self.session.page();
        let last = page.last.swap(number, Ordering::Relaxed);
        page.received.fetch_add(1, Ordering::Relaxed);
        page.dropped.fetch_add(number.saturating_sub(last + 1), Ordering::Relaxed);
    }

    fn oldest(&self) -> Result<Option<Found>> {
        let last = self.session.page().last.load(Ordering::Relaxed);
        Ok(find_oldest(self.log()?, self.ring.slots, u32::MAX, last))
    }

    /// Copies the oldest frame that the client has not had to `to`, which has room for `room` bytes.
    /// Returns how many it is; None if there is none.
    ///
    /// # Safety
    /// `room` bytes can be written at `to`.
    unsafe fn copy_oldest(&mut self, to: *mut u8, room: usize) -> Result<Option<usize>> {
        let log = self.log()?;
        let page = self.session.page();
        loop {
            let Some(found) = self.oldest()? else { return Ok(None) };
            if found.slot >= self.ring.slots {
                return Ok(None);
            }
            let len = (log.slots[found.slot].len.load(Ordering::Relaxed) as usize).min(self.ring.slot_len);
            let len = len.min(room);
            // SAFETY: the slot has slot_len bytes; a writer that comes in between is noticed below,
            // and what was copied then is not shown.
            unsafe { core::ptr::copy_nonoverlapping(self.ring.slot(found.slot), to, len) };
            if still_there(log, found) {
                page.copies.fetch_add(1, Ordering::Relaxed);
                self.count(found.number);
                return Ok(Some(len));
            }
            page.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// After a frame was taken: the descriptor is readable exactly if there is another.
    fn set_readiness(&self, fd: c_int) -> Result<()> {
        let (page, desk) = (self.session.page(), self.session.desk());
        let client = self.session.info().client;
        if self.oldest()?.is_none() {
            if page.rung.swap(0, Ordering::SeqCst) != 0 && is_certain(fd, self.session) {
                sys::drain(fd);
            }
            page.armed.store(1, Ordering::SeqCst);
            desk.arm(client);
            // A frame that was published before the mark rang nobody.
            if self.oldest()?.is_none() {
                return Ok(());
            }
        } else if page.rung.load(Ordering::SeqCst) != 0 {
            return Ok(());
        } else {
            page.armed.store(1, Ordering::SeqCst);
        }
        self.session.ring_bell();
        Ok(())
    }

    /// The client is about to wait inside a call: nobody needs to ring for it.
    fn disarm(&self) {
        if self.session.page().armed.swap(0, Ordering::SeqCst) != 0 {
            self.session.desk().disarm(self.session.info().client);
        }
    }
}

/// Runs `step` with the locks held until it is done; sleeps, without locks and with signals as the
/// program has them, in between.
///
/// # Errors
/// What `step` says; ENODEV when the daemon is gone, EBADF when the device was closed meanwhile,
/// EAGAIN if it would sleep and `wait` is false, EINTR after a handler without SA_RESTART.
fn until_done<T>(
    session: &Session,
    fd: c_int,
    wait: impl Fn() -> bool,
    mut step: impl FnMut(&mut Locked) -> Result<Step<T>>,
) -> Result<T> {
    let entry = crate::table::get(fd);
    let mut slept = false;
    let result = loop {
        if let Err(e) = session.alive() {
            break Err(e);
        }
        let page = session.page();
        let kick = page.kick.load(Ordering::SeqCst);
        let (next, seq) = {
            let quiet = NoSignals::new();
            match Locked::try_new(session, &quiet) {
                Err(e) => break Err(e),
                Ok(Err(owner)) => (Step::Contended(owner), None),
                Ok(Ok(mut locked)) => {
                    // Read before the look: what is published after it changes the word.
                    let ring = locked.ring.number;
                    let seq = locked.ring.log().map(|log| (&log.seq, log.seq.load(Ordering::SeqCst)));
                    let next = match step(&mut locked) {
                        Ok(next) => next,
                        Err(e) => break Err(e),
                    };
                    if locked.ring.number != ring && matches!(next, Step::Sleep) {
                        // That word was a former ring's.
                        continue;
                    }
                    (next, seq)
                }
            }
        };
        match next {
            Step::Done(value) => break Ok(value),
            Step::Contended(owner) => {
                if let Err(e) = session.wait_for_lock(page.lock.word(), owner) {
                    break Err(e);
                }
            }
            Step::Sleep => {
                if !wait() {
                    break Err(libc::EAGAIN);
                }
                slept = true;
                if let Err(e) = sleep(session, fd, seq, kick) {
                    break Err(e);
                }
                if crate::table::get(fd) != entry {
                    break Err(libc::EBADF);
                }
            }
        }
    };
    if slept && result.is_err() {
        // It was disarmed for the wait; the program may poll next.
        session.page().armed.store(1, Ordering::SeqCst);
        session.desk().arm(session.info().client);
        session.ring_bell();
    }
    result
}

/// Sleeps until a frame is published, the session is kicked, or the daemon dies.
fn sleep(session: &Session, fd: c_int, seq: Option<(&AtomicU32, u32)>, kick: u32) -> Result<()> {
    let life = &session.lifeline().word;
    let alive = life.load(Ordering::SeqCst);
    session.alive()?;
    let kick = (&session.page().kick, kick);
    let words = [kick, (life, alive), seq.unwrap_or(kick)];
    let count = if seq.is_some() { 3 } else { 2 };
    match sys::futex_wait_any(&words[..count]) {
        Err(libc::EINTR) => Err(libc::EINTR),
        Err(libc::ENOSYS | libc::EPERM) => wait_rung(session, fd),
        _ => {
            if session.lifeline().is_dead() {
                // The kernel wakes one; the others are ours to wake.
                sys::futex_wake_all(life);
            }
            Ok(())
        }
    }
}

/// Kernels before 5.16 cannot sleep on three words: there the ringer wakes us as if we polled.
fn wait_rung(session: &Session, fd: c_int) -> Result<()> {
    {
        let quiet = NoSignals::new();
        if let Ok(locked) = Locked::try_new(session, &quiet)? {
            if locked.ring.log().is_some() {
                locked.set_readiness(fd)?;
            }
        }
    }
    match sys::wait_readable(fd) {
        Err(libc::EINTR) => Err(libc::EINTR),
        _ => Ok(()),
    }
}

fn may_wait(fd: c_int) -> bool {
    sys::file_flags(fd).is_ok_and(|flags| flags & libc::O_NONBLOCK == 0)
}

/// Whether somebody feeds the pipe.
///
/// # Errors
/// `nobody` if not, unless the pipe's policy is to wait.
fn fed(session: &Session, nobody: c_int) -> Result<bool> {
    if session.board().feed() != 0 {
        return Ok(true);
    }
    if session.info().idle == IDLE_WAIT && !session.info().legacy { Ok(false) } else { Err(nobody) }
}

/// read(2): one frame, or as much of it as there is room for. 0 (end of file) once nobody feeds the
/// pipe.
///
/// # Errors
/// EAGAIN, EINTR, EFAULT, ENODEV; EBADF if opened for writing only.
pub(crate) fn read(session: &Session, fd: c_int, buf: usize, len: usize) -> Result<usize> {
    session.alive()?;
    if session.info().input {
        return Err(libc::EINVAL);
    }
    if !session.access().0 {
        return Err(libc::EBADF);
    }
    if len == 0 {
        return Ok(0);
    }
    const NOBODY: c_int = -1;
    let result = until_done(
        session,
        fd,
        || may_wait(fd),
        |locked| {
            if !fed(session, NOBODY)? {
                return Ok(Step::Sleep);
            }
            locked.settle(BY_READ)?;
            let room = len.min(locked.session.board().format().frame_len as usize);
            session.known.writable(buf, room).map_err(|_| libc::EFAULT)?;
            // SAFETY: `room` bytes at `buf` were just checked.
            match unsafe { locked.copy_oldest(buf as *mut u8, room) }? {
                Some(n) => {
                    locked.set_readiness(fd)?;
                    Ok(Step::Done(n))
                }
                None => {
                    if may_wait(fd) {
                        locked.disarm();
                    } else {
                        locked.set_readiness(fd)?;
                    }
                    Ok(Step::Sleep)
                }
            }
        },
    );
    if result == Err(NOBODY) { Ok(0) } else { result }
}

/// mmap(2): the client's frames, as VIDIOCGMBUF lays them out.
///
/// # Errors
/// EINVAL: nobody feeds the pipe, or the range is not inside the layout. ENOMEM, ENODEV.
///
/// # Safety
/// As mmap(2): with MAP_FIXED what is at `addr` goes.
pub(crate) unsafe fn mmap(session: &Session, fd: c_int, wanted: &Mapping) -> Result<usize> {
    until_done(
        session,
        fd,
        || true,
        |locked| {
            locked.settle(BY_MMAP)?;
            let direct = locked.row().is_some();
            let (ring, views) = (&locked.ring, &mut locked.views);
            // SAFETY: the caller's promise.
            let at = unsafe { views.map(ring, direct, wanted) }?;
            let private = views.private_len() as u64;
            session.page().private.store(private, Ordering::Relaxed);
            Ok(Step::Done(at))
        },
    )
}

/// The program unmaps a range that may be a client's frames.
pub(crate) fn unmapped(session: &Session, addr: usize, len: usize) {
    let quiet = NoSignals::new();
    let mut views = session.views.lock(&quiet);
    if !views.unmapped(addr, len) {
        return;
    }
    drop(views);
    // Nothing mapped any more: unless it reads, the client does not stream, and the pusher need not
    // copy for it.
    let page = session.page();
    if page.streaming.load(Ordering::Relaxed) == BY_MMAP {
        let mut fds = FdList::new();
        let request = Request::Stream { session: session.info().session, on: false, hold: 0 };
        if process::ask(&request, None, &mut fds).is_ok() {
            page.row.store(0, Ordering::Relaxed);
            page.streaming.store(0, Ordering::Relaxed);
        }
    }
}

/// VIDIOCMCAPTURE: the frame is given back and wanted anew.
fn mcapture(session: &Session, fd: c_int, order: &VideoMmap) -> Result<()> {
    if session.board().feed() == 0 {
        fed(session, libc::EINVAL)?;
    }
    let format = session.board().format();
    let frame = order.frame as usize;
    // The palette is checked, the size is not: clients probe formats at 20x20.
    if order.format != format.palette || order.frame >= format.frames {
        return Err(libc::EINVAL);
    }
    until_done(
        session,
        fd,
        || true,
        |locked| {
            locked.settle(BY_MMAP)?;
            let page = session.page();
            page.frames[frame].store(1, Ordering::Relaxed);
            let row = locked.row();
            let number = locked.ring.number;
            if let Some(row) = row {
                unclaim(session.desk(), row, 1 << frame);
                let views = &mut *locked.views;
                if !views.is_empty() && !views.is_direct(frame, number) && views.calm >= CALM {
                    views.make_direct(frame, &locked.ring)?;
                }
                if locked.views.is_direct(frame, number) {
                    session.desk().rows[row].want.fetch_or(1 << frame, Ordering::SeqCst);
                }
            }
            Ok(Step::Done(()))
        },
    )
}

/// VIDIOCSYNC: waits until a frame is there, in the memory of the frame that it names.
fn sync(session: &Session, fd: c_int, frame: i32) -> Result<()> {
    let frame = usize::try_from(frame)
        .ok()
        .filter(|&f| f < session.board().format().frames as usize)
        .ok_or(libc::EINVAL)?;
    until_done(
        session,
        fd,
        || true,
        |locked| {
            if !fed(session, libc::EINVAL)? {
                return Ok(Step::Sleep);
            }
            locked.settle(BY_MMAP)?;
            match deliver(locked, frame)? {
                true => {
                    session.page().frames[frame].store(0, Ordering::Relaxed);
                    locked.set_readiness(fd)?;
                    Ok(Step::Done(()))
                }
                false => {
                    locked.disarm();
                    Ok(Step::Sleep)
                }
            }
        },
    )
}

/// Puts the oldest frame that the client has not had where it has frame `frame`. False: none there.
fn deliver(locked: &mut Locked, frame: usize) -> Result<bool> {
    let session = locked.session;
    let log = locked.log()?;
    let number = locked.ring.number;
    let Some(found) = locked.oldest()? else { return Ok(false) };
    let row = locked.row();
    if let Some(row) = row {
        session.desk().rows[row].want.fetch_and(!(1 << frame), Ordering::SeqCst);
        if locked.views.is_direct(frame, number) && found.slot == frame {
            let last = session.page().last.load(Ordering::Relaxed);
            let taken = claim_oldest(log, session.desk(), row, locked.ring.slots, 1 << frame, last);
            if let Some(taken) = taken {
                locked.views.calm = locked.views.calm.saturating_add(1);
                locked.count(taken.found.number);
                return Ok(true);
            }
            return deliver_copy(locked, frame, Some(row));
        }
    }
    if found.number == log.head.load(Ordering::Relaxed) {
        locked.views.calm = locked.views.calm.saturating_add(1);
    } else {
        locked.views.calm = 0;
    }
    deliver_copy(locked, frame, row)
}

fn deliver_copy(locked: &mut Locked, frame: usize, row: Option<usize>) -> Result<bool> {
    if locked.views.is_empty() {
        // Nothing mapped: the wait is all that the client asked for.
        let Some(found) = locked.oldest()? else { return Ok(false) };
        locked.count(found.number);
        return Ok(true);
    }
    if let Some(row) = row {
        unclaim(locked.session.desk(), row, 1 << frame);
    }
    let to = locked.views.private_frame(frame)?;
    let room = locked.views.buf_len;
    // SAFETY: a frame's private memory has buf_len bytes.
    if unsafe { locked.copy_oldest(to, room) }?.is_none() {
        return Ok(false);
    }
    let (ring, views) = (&locked.ring, &mut locked.views);
    views.make_private(frame, ring)?;
    locked.session.page().private.store(views.private_len() as u64, Ordering::Relaxed);
    Ok(true)
}

/// The V4L1 requests of an output.
pub(crate) struct Output<'a> {
    pub(crate) session: &'a Session,
    pub(crate) fd: c_int,
}

type Answer<T> = core::result::Result<T, Errno>;

impl V4l1Device for Output<'_> {
    fn gcap(&mut self) -> Answer<VideoCapability> {
        Ok(v4l1::capability(self.session))
    }

    fn gchan(&mut self, _: VideoChannel) -> Answer<VideoChannel> {
        Ok(v4l1::channel())
    }

    fn schan(&mut self, channel: VideoChannel) -> Answer<()> {
        v4l1::only_zero(channel.channel)
    }

    fn gtuner(&mut self, tuner: VideoTuner) -> Answer<VideoTuner> {
        v4l1::tuner(&tuner)
    }

    fn gpict(&mut self) -> Answer<VideoPicture> {
        Ok(v4l1::picture(self.session))
    }

    fn spict(&mut self, picture: VideoPicture) -> Answer<()> {
        // Clients probe palettes so.
        let same = u32::from(picture.palette) == self.session.board().format().palette;
        if same { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn capture(&mut self, _: i32) -> Answer<()> {
        Ok(())
    }

    fn gwin(&mut self) -> Answer<VideoWindow> {
        Ok(v4l1::window(self.session))
    }

    fn swin(&mut self, window: VideoWindow) -> Answer<()> {
        let format = self.session.board().format();
        let plain = window.flags == 0 && window.clipcount == 0;
        let same = (window.width, window.height) == (format.width, format.height);
        if plain && same { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn gfbuf(&mut self) -> Answer<VideoBuffer> {
        Ok(VideoBuffer::default())
    }

    fn key(&mut self) -> Answer<VideoKey> {
        Ok(VideoKey::default())
    }

    fn gfreq(&mut self) -> Answer<u64> {
        Err(Errno::EINVAL)
    }

    fn sfreq(&mut self, _: u64) -> Answer<()> {
        Err(Errno::EINVAL)
    }

    fn gaudio(&mut self, _: VideoAudio) -> Answer<VideoAudio> {
        Err(Errno::EINVAL)
    }

    fn saudio(&mut self, _: VideoAudio) -> Answer<()> {
        Err(Errno::EINVAL)
    }

    fn sync(&mut self, frame: i32) -> Answer<()> {
        sync(self.session, self.fd, frame).map_err(Errno)
    }

    fn mcapture(&mut self, order: VideoMmap) -> Answer<()> {
        mcapture(self.session, self.fd, &order).map_err(Errno)
    }

    fn gmbuf(&mut self) -> Answer<VideoMbuf> {
        v4l1::layout(self.session)
    }

    fn gunit(&mut self) -> Answer<VideoUnit> {
        Ok(v4l1::units(self.session))
    }

    fn sinvalid(&mut self) -> Answer<()> {
        Err(Errno::ENOTTY)
    }
}
