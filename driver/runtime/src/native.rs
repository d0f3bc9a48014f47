//! The entry points for the SDK's pushers. No preload library is needed, and libc's calls do not work on the
//! open device: only its [`Input`] uses its descriptor.
//!
//! A frame is written as through `write(2)`, or filled in place ([`Input::begin`]): the pusher gets
//! the ring's own slot, with the pipe's right to write, and gives both back with
//! [`Input::publish`] or [`Input::cancel`]. In between, only a fork of the same pusher can want
//! to write; it waits as for a copy in progress. Clients never wait for that right: they
//! continue with the frames that the ring still holds. When the process dies, the daemon takes the
//! right back. The slot was marked invalid at the beginning, so nothing half-filled is ever shown.

use core::sync::atomic::Ordering;
use std::fmt;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoPicture, VideoWindow};
use vloopback_abi::v4l2::V4l2PixFormat;
use vloopback_ring::{Log, Picked, cancel};
use zerocopy::FromZeros;

use crate::{edge, open_files};
use vloopback_device::input;
use vloopback_device::open_file::{self, OpenFile, Pin};
use vloopback_device::publish::{self, FrameInfo, IoSlices, give_back, show};
use vloopback_device::v4l2::format;
use vloopback_link::{environment, table};
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result, fork};

/// The longest path of a socket, bytes: what an address of AF_UNIX has room for.
pub const MAX_SOCKET_PATH: usize = 107;

static SERVER: OnceLock<PathBuf> = OnceLock::new();

/// Tells where the daemon listens. A process has one daemon: the first call decides, for good.
/// Returns the path that is in force, which is another than `socket` if another was first.
///
/// Not for the preload library, which reads its environment when the program begins.
///
/// # Errors
/// ENAMETOOLONG: longer than [`MAX_SOCKET_PATH`].
pub fn use_server(socket: &Path) -> Result<&'static Path> {
    let bytes = socket.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_SOCKET_PATH {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(SERVER.get_or_init(|| {
        environment::set_socket(&[bytes]);
        socket.to_owned()
    }))
}

/// A frame that is being filled.
#[derive(Debug)]
struct Filling {
    slot: usize,
    /// How many the ring has.
    slots: usize,
    /// Bytes of the frame, at most the slot's.
    len: usize,
    memory: *mut u8,
    /// The number of the log that tells of the slot, and the log, which stays mapped as long as the session.
    ring: u32,
    log: &'static Log,
    /// Who took the right to write, and in which fork.
    me: u32,
    epoch: u32,
}

// SAFETY: the memory is shared anyway; the right to write belongs to the process, not to a thread.
unsafe impl Send for Filling {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for Filling {}

/// What a log counted, as far as it is this pusher's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    unwatched: u64,
    lost: u64,
    kept: u64,
}

impl Tally {
    fn of(log: &Log) -> Self {
        let [unwatched, lost, kept] =
            [&log.unwatched, &log.lost, &log.kept].map(|of| of.load(Ordering::Relaxed));
        Self { unwatched, lost, kept }
    }

    fn since(self, begin: Self) -> Self {
        Self {
            unwatched: self.unwatched.saturating_sub(begin.unwatched),
            lost: self.lost.saturating_sub(begin.lost),
            kept: self.kept.saturating_sub(begin.kept),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            unwatched: self.unwatched + other.unwatched,
            lost: self.lost + other.lost,
            kept: self.kept + other.kept,
        }
    }
}

/// What became of a pusher's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Published: the clients that stream could take them.
    pub published: u64,
    /// Given while nobody streamed. The newest of a slow pusher's is kept for who comes; the others are not even
    /// copied.
    pub unwatched: u64,
    /// Dropped because no slot was free, which takes a client that misbehaves on purpose.
    pub lost: u64,
    /// Clients that stream at the moment.
    pub watchers: u32,
}

/// An input node, claimed: this process is the pipe's pusher until it is dropped.
pub struct Input {
    session: Pin,
    /// None only while it is dropped.
    fd: Option<OwnedFd>,
    /// Which pusher of the pipe this is, as the board counts them; 0 before a format is set.
    feed: u32,
    filling: Option<Filling>,
    /// The newest publication when the first format was set.
    head: u64,
    /// The log in force as it was at its beginning here, and what former ones counted.
    begin: Tally,
    past: Tally,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("info", self.session.info()).field("filling", &self.filling).finish()
    }
}

/// What [`open_input`] can come to besides an errno.
#[derive(Debug)]
pub enum Opened {
    /// An input, claimed.
    Input(Box<Input>),
    /// The node is a pipe's output; the pipe's input is node `input`.
    Output {
        /// N of the input's /dev/videoN.
        input: u32,
    },
}

/// Opens node `number` (the N of /dev/videoN) for pushing and claims its pipe.
///
/// # Errors
/// EBUSY: another's pipe. ENOENT: no daemon, or no node of its. ECONNREFUSED: the daemon is gone.
/// EACCES: the socket or the node is not for this user. EPROTONOSUPPORT: a daemon of another build.
/// EMFILE, ENOMEM, ENODEV.
pub fn open_input(number: u32) -> Result<Opened> {
    let raw = open_files::open(number, libc::O_RDWR | libc::O_CLOEXEC)?;
    // SAFETY: open_files::open just made this descriptor; nobody else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    let Some(session) = open_files::of(raw) else { return Err(Errno::EBADF) };
    let input = Input {
        session,
        fd: Some(fd),
        feed: 0,
        filling: None,
        head: 0,
        begin: Tally::default(),
        past: Tally::default(),
    };
    let info = input.session.info();
    if !info.input {
        return Ok(Opened::Output { input: info.partner });
    }
    // Dropped, and so closed, if the claim fails.
    input.session.claim()?;
    Ok(Opened::Input(Box::new(input)))
}

impl Input {
    /// The pipe's index.
    pub fn pipe(&self) -> u32 {
        self.session.info().pipe
    }

    /// N of this node's /dev/videoN.
    pub fn node(&self) -> u32 {
        self.session.info().node
    }

    /// N of the output's /dev/videoN, for clients.
    pub fn output(&self) -> u32 {
        self.session.info().partner
    }

    /// Sets palette and size; a frame that is being filled is cancelled.
    ///
    /// # Errors
    /// EINVAL: there is no such frame. ENOMEM: larger than a ring can be. EBUSY, ENODEV.
    /// The format may then be half set: set another one.
    pub fn set_format(&mut self, palette: Palette, width: u32, height: u32) -> Result<()> {
        self.cancel();
        self.session.alive()?;
        self.still_mine()?;
        let [brightness, hue, colour, contrast, whiteness, _] =
            self.session.board().format().picture.map(|v| u16::try_from(v).unwrap_or(u16::MAX));
        let picture = VideoPicture {
            brightness,
            hue,
            colour,
            contrast,
            whiteness,
            depth: palette.depth(),
            palette: palette.number(),
        };
        let window = VideoWindow { width, height, ..VideoWindow::new_zeroed() };
        self.begin_counting_anew();
        input::set_picture(&self.session, &picture)?;
        input::set_window(&self.session, &window)?;
        self.count_from_here();
        Ok(())
    }

    /// Sets the format as VIDIOC_S_FMT does, for formats that V4L1 has no palette for too, and begins to
    /// feed the pipe. What is set is the nearest format that there is, which is returned. A frame that is
    /// being filled is cancelled.
    ///
    /// # Errors
    /// ENOMEM: larger than a ring can be; the format is set, but nothing can be written. EBUSY, ENODEV.
    pub fn set_pixel_format(&mut self, asked: &V4l2PixFormat) -> Result<V4l2PixFormat> {
        self.cancel();
        self.session.alive()?;
        self.still_mine()?;
        self.begin_counting_anew();
        format::set_format(&self.session, asked)?;
        open_file::feed(&self.session, 0)?;
        {
            let quiet = NoSignals::new();
            self.session.refresh_ring(&mut self.session.ring.lock(&quiet))?;
        }
        self.count_from_here();
        Ok(format::to_v4l2(&self.session.board().format().pix))
    }

    /// Says how often frames come: seconds a frame, as a fraction of two numbers above 0.
    ///
    /// # Errors
    /// EINVAL, EBUSY, ENODEV.
    pub fn set_interval(&mut self, numerator: u32, denominator: u32) -> Result<()> {
        open_file::set_interval(&self.session, numerator, denominator)
    }

    /// What the log in force has counted is kept: another may take its place.
    fn begin_counting_anew(&mut self) {
        if let Some(now) = self.log().map(Tally::of) {
            self.past = self.past.plus(now.since(self.begin));
            self.begin = now;
        }
    }

    /// A format was set: the log in force counts from here.
    fn count_from_here(&mut self) {
        let first = self.feed == 0;
        self.feed = self.session.board().feed();
        let now = self.log().map(|log| (Tally::of(log), log.head.load(Ordering::Relaxed)));
        if let Some((tally, head)) = now {
            self.begin = tally;
            self.head = if first { head } else { self.head };
        }
    }

    /// Writes a frame as `write(2)` does; a frame that is being filled is cancelled.
    ///
    /// # Errors
    /// EINVAL: no format, or not the length of a frame (of a compressed format: nothing, or longer than
    /// `sizeimage`). ESTALE: the pipe is no longer this pusher's.
    /// EINTR: a signal came while a fork of this pusher was writing. ENODEV: the daemon is gone.
    pub fn write(&mut self, frame: &[u8]) -> Result<()> {
        self.cancel();
        self.session.alive()?;
        self.still_mine()?;
        let piece = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
        input::write(&self.session, &IoSlices::ours(core::slice::from_ref(&piece))).map(drop)
    }

    /// Begins a frame in place: the ring's own slot, exactly as long as a frame. What is in it is some former frame.
    /// None: nobody wants a frame now, which counts as one that nobody saw. A frame that is being filled already is
    /// cancelled. With `may_keep` a slow pusher's frame is wanted also while nobody watches, for who comes later.
    ///
    /// Until [`Input::publish`] or [`Input::cancel`] this process has the pipe's right to write.
    ///
    /// # Errors
    /// As [`Input::write`].
    pub fn begin(&mut self, may_keep: bool) -> Result<Option<&mut [u8]>> {
        self.cancel();
        let session = &self.session;
        session.alive()?;
        self.still_mine()?;
        let board = session.board();
        let format = board.format();
        let len = format.frame_len as usize;
        if format.ring == 0 || format.feed == 0 || len == 0 {
            return Err(Errno::EINVAL);
        }
        let keep =
            if may_keep { publish::decide_keep(session, format.log, len) } else { publish::Keep::default() };
        if session.log_number.load(Ordering::Acquire) == format.log
            && self.log().is_some_and(|log| publish::is_left_out(session, log, keep))
        {
            return Ok(None);
        }
        let filling = publish::with_right_to_write(session, |ring, log, me| {
            match publish::reserve(session, ring, log, (len, keep)) {
                Ok(Some(Picked { slot })) => Ok(Some(Filling {
                    slot,
                    slots: ring.slots,
                    len,
                    memory: ring.slot(slot),
                    ring: ring.log_number,
                    log,
                    me,
                    epoch: fork::epoch(),
                })),
                other => {
                    give_back(log);
                    other.map(|_| None)
                }
            }
        })?;
        let Some(filling) = filling else { return Ok(None) };
        self.filling = Some(filling);
        Ok(self.filling_mut())
    }

    /// Whether a frame is being filled.
    pub fn is_filling(&self) -> bool {
        self.filling.is_some()
    }

    /// The frame that is being filled.
    pub fn filling(&self) -> Option<&[u8]> {
        // SAFETY: as `filling_mut`, for reading.
        self.filling.as_ref().map(|f| unsafe { core::slice::from_raw_parts(f.memory, f.len) })
    }

    /// The frame that is being filled. A client that misbehaves can write there too, so that what
    /// is read back need not be what was written.
    pub fn filling_mut(&mut self) -> Option<&mut [u8]> {
        // SAFETY: the slot is `len` bytes or longer, and mapped until this session's ring changes
        // here, which only `&mut self` methods do that cancel first (nobody else has the
        // descriptor). No writer but us has it, by the right to write.
        self.filling.as_mut().map(|f| unsafe { core::slice::from_raw_parts_mut(f.memory, f.len) })
    }

    /// Publishes the frame that was being filled and wakes the clients.
    ///
    /// # Errors
    /// EINVAL: none was being filled, or by the process that this one was forked from. ESTALE: the
    /// format changed meanwhile, or the right to write was taken back; the frame is dropped.
    /// ENODEV: the daemon is gone.
    pub fn publish(&mut self) -> Result<()> {
        let filling = self.filling.take().filter(|f| f.epoch == fork::epoch()).ok_or(Errno::EINVAL)?;
        let (session, log) = (&self.session, filling.log);
        let _quiet = NoSignals::new();
        if log.lock.owner() != filling.me {
            // Taken back: the slot may be another writer's by now.
            session.alive()?;
            return Err(Errno::ESTALE);
        }
        let format = session.board().format();
        let picked = Picked { slot: filling.slot };
        let fits = format.log == filling.ring && format.feed == self.feed;
        if session.alive().is_err() || !fits || format.frame_len as usize != filling.len {
            cancel(log, picked);
            give_back(log);
            session.alive()?;
            return Err(Errno::ESTALE);
        }
        show(session, log, picked, filling.slots, format.frame_len, FrameInfo::default());
        give_back(log);
        Ok(())
    }

    /// Gives the slot that was being filled back, unpublished. Nothing happens if none was.
    pub fn cancel(&mut self) {
        // A forked child inherits the record but not the right.
        let Some(filling) = self.filling.take().filter(|f| f.epoch == fork::epoch()) else { return };
        let _quiet = NoSignals::new();
        if filling.log.lock.owner() == filling.me {
            cancel(filling.log, Picked { slot: filling.slot });
            give_back(filling.log);
        }
    }

    /// Whether any client streams.
    pub fn is_watched(&self) -> bool {
        self.session.board().streamers.load(Ordering::Acquire) != 0
    }

    /// Whether the daemon is there and the pipe still this pusher's.
    ///
    /// # Errors
    /// ENODEV, ESTALE.
    pub fn check(&self) -> Result<()> {
        self.session.alive()?;
        self.still_mine()
    }

    /// What became of the frames so far, forks of this pusher included.
    pub fn counters(&self) -> Counters {
        let watchers = self.session.board().streamers.load(Ordering::Relaxed);
        let Some(log) = self.log().filter(|_| self.feed != 0) else {
            return Counters { watchers, ..Counters::default() };
        };
        let sum = self.past.plus(Tally::of(log).since(self.begin));
        let published = log.head.load(Ordering::Relaxed).saturating_sub(self.head).saturating_sub(sum.kept);
        Counters { published, unwatched: sum.unwatched + sum.kept, lost: sum.lost, watchers }
    }

    fn log(&self) -> Option<&Log> {
        let log = self.session.log.load(Ordering::Acquire);
        // SAFETY: logs stay mapped while the session has users, and the Pin is one.
        (!log.is_null()).then(|| unsafe { &*log })
    }

    /// A program that closes all its descriptors closes ours too: then the pipe may be another's.
    fn still_mine(&self) -> Result<()> {
        if self.feed == 0 || self.session.board().feed() == self.feed { Ok(()) } else { Err(Errno::ESTALE) }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.cancel();
        if let Some(fd) = self.fd.take() {
            close(fd, &self.session);
        }
    }
}

/// Closes a session's one descriptor. The number may have been closed behind our back and be another
/// file's by now, or another session's: what is not ours is not closed, and stays known as what it is.
pub(crate) fn close(fd: OwnedFd, session: &OpenFile) {
    let raw = fd.into_raw_fd();
    let open = open_file::is_certain(raw, session);
    let known = table::get(raw) == core::ptr::from_ref::<OpenFile>(session) as usize;
    let close = if known { edge::before_close(raw) } else { edge::Close::PassThrough };
    if !open || close == edge::Close::Hidden {
        return;
    }
    // SAFETY: it is the descriptor that open_files::open made, and still open.
    drop(unsafe { OwnedFd::from_raw_fd(raw) });
    if let edge::Close::Last(session) = close {
        edge::after_close(session);
    }
}
