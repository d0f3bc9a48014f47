//! The entry points for the SDK's zero-copy servers. No preload library is needed, and libc's calls do not work
//! on the open device: only its [`ZeroInput`] uses its descriptor.
//!
//! A client's request is taken with [`ZeroInput::take`] and answered with [`ZeroInput::answer`], from
//! whatever thread has the input; neither waits. Between the two the client sleeps. An answer to a
//! request that its client has withdrawn changes nothing.

use core::ffi::c_int;
use core::fmt;
use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use vloopback_ring::pusher_page::{Pending, PusherPage, Taken};
use vloopback_wire::{Reply, Request};

use crate::{native, open_files};
use vloopback_device::open_file::{Pin, is_certain};
use vloopback_device::zero::{memory, pusher, request_doorbell};
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::{Errno, FdList, Result};

pub use vloopback_ring::request_slot::MAX_DATA;

/// An input node, claimed: this process is the pipe's pusher until it is dropped.
pub struct ZeroInput {
    session: Pin,
    fd: ManuallyDrop<OwnedFd>,
    /// Readable when the descriptor or its request doorbell is; None without a request doorbell.
    both: Option<OwnedFd>,
    /// Which memory of the pipe's is ours, as the board counts them; 0 before [`ZeroInput::map`].
    zero: u32,
}

impl fmt::Debug for ZeroInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZeroInput").field("info", self.session.info()).field("zero", &self.zero).finish()
    }
}

/// What [`open`] can come to besides an errno.
#[derive(Debug)]
pub enum Opened {
    /// An input, claimed.
    Input(ZeroInput),
    /// The node is a pipe's output; the pipe's input is node `input`.
    Output {
        /// N of the input's /dev/videoN.
        input: u32,
    },
}

/// What a pusher takes.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A client asks.
    Request(Asked),
    /// A client has closed.
    Closing,
}

/// A client's request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pending: Pending,
    len: usize,
}

impl Asked {
    /// The ioctl's number, 32 bits, as the client's own ABI has it.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.pending.number()
    }

    /// Bytes of data that came with it, at most [`MAX_DATA`].
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.len
    }
}

/// Opens node `number` (the N of /dev/videoN) for pushing and claims its pipe, which stays in one-copy
/// mode until [`ZeroInput::map`].
///
/// # Errors
/// As [`native::open_input`].
pub fn open(number: u32) -> Result<Opened> {
    let raw = open_files::open(number, libc::O_RDWR | libc::O_CLOEXEC)?;
    // SAFETY: open_files::open just made this descriptor; nobody else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    let Some(session) = open_files::of(raw) else { return Err(Errno::EBADF) };
    let input = ZeroInput { session, fd: ManuallyDrop::new(fd), both: None, zero: 0 };
    let info = input.session.info();
    if !info.input {
        return Ok(Opened::Output { input: info.partner });
    }
    // Dropped, and so closed, if the claim fails.
    input.session.claim()?;
    Ok(Opened::Input(input))
}

impl ZeroInput {
    /// The pipe's index.
    #[must_use]
    pub fn pipe(&self) -> u32 {
        self.session.info().pipe
    }

    /// N of this node's /dev/videoN.
    #[must_use]
    pub fn node(&self) -> u32 {
        self.session.info().node
    }

    /// N of the output's /dev/videoN, for clients.
    #[must_use]
    pub fn output(&self) -> u32 {
        self.session.info().partner
    }

    /// Allocates `len` bytes, all zero, that the clients will map, and switches the pipe to zero-copy
    /// mode: from now on its clients' requests come here. Once.
    ///
    /// # Errors
    /// EINVAL: no bytes, or done already. ENOMEM: more than there can be; the pipe then stays in
    /// one-copy mode. EBUSY, ENODEV.
    pub fn map(&mut self, len: u32) -> Result<()> {
        if self.zero != 0 || len == 0 {
            return Err(Errno::EINVAL);
        }
        self.session.alive()?;
        memory::join(&self.session, len)?;
        self.zero = self.session.zero.number.load(Ordering::Acquire);
        request_doorbell::install(&self.session);
        let both = request_doorbell::heard_at(&self.session)
            .and_then(|request_doorbell| sys::epoll_of(&[self.raw(), request_doorbell]).ok());
        // SAFETY: made just now; nobody else has it.
        self.both = both.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        if self.both.is_none() {
            // Nobody shall ring what nobody looks at.
            request_doorbell::disable(&self.session);
        }
        Ok(())
    }

    /// The clients' memory; nothing before [`ZeroInput::map`]. A client that misbehaves can write there
    /// too, so that what is read back need not be what was written.
    ///
    /// By the API's rule (driver/docs/old-api.md, "The document" 4) it may be touched between MCAPTURE and SYNC only.
    pub fn memory(&mut self) -> &mut [u8] {
        let len = self.session.zero.len.load(Ordering::Acquire);
        let memory = self.session.zero.frames.load(Ordering::Acquire);
        if self.zero == 0 || memory.is_null() {
            return &mut [];
        }
        // SAFETY: mapped, at this length, until the session ends, which `self` keeps from ending; of this
        // process nobody but us has the descriptor through which it could be mapped.
        unsafe { core::slice::from_raw_parts_mut(memory, len) }
    }

    /// The file of the clients' memory, for who fills it in another process (an X server, a decoder). Its
    /// length is what [`ZeroInput::map`] was told, rounded up to pages, and cannot change. For writing, the
    /// rule of [`ZeroInput::memory`] holds.
    ///
    /// # Errors
    /// EINVAL: not mapped. ESTALE, ENODEV.
    pub fn memory_file(&self) -> Result<OwnedFd> {
        if self.zero == 0 {
            return Err(Errno::EINVAL);
        }
        self.check()?;
        let mut fds = FdList::new();
        let request = Request::Zero { session: self.session.info().session, len: 0 };
        let (reply, _) = connection::ask(&request, None, &mut fds)?;
        match reply {
            Reply::Zero { zero, .. } if zero == self.zero && fds.len() == 2 => {
                // SAFETY: the kernel just made this descriptor with the message; nobody else has it.
                Ok(unsafe { OwnedFd::from_raw_fd(fds.take(0)) })
            }
            Reply::Zero { .. } => Err(Errno::ESTALE),
            _ => Err(Errno::EPROTO),
        }
    }

    fn pusher_page(&self) -> Result<&PusherPage> {
        self.check()?;
        memory::pusher_page(&self.session).ok_or(Errno::EINVAL)
    }

    fn raw(&self) -> c_int {
        self.fd.as_raw_fd()
    }

    /// Takes what there is, a request before a closing. The data that came with a request is in the
    /// first [`Asked::data_len`] bytes of `data`. None: nothing; the descriptor then is no longer readable
    /// until there is.
    ///
    /// # Errors
    /// ESTALE: the pipe is no longer this pusher's. ENODEV: the daemon is gone. EINVAL: not mapped.
    pub fn take(&mut self, data: &mut [u8; MAX_DATA]) -> Result<Option<Event>> {
        let (pusher_page, fd) = (self.pusher_page()?, self.raw());
        if let Some(request_doorbell) = self.session.request_doorbell.known() {
            // Before: who rings after this is taken now, or makes readable anew.
            sys::take_messages(request_doorbell);
        }
        let taken = pusher::take(&self.session, pusher_page, data);
        if is_certain(fd, &self.session) {
            // As in read(): what is being taken rings nobody. What came meanwhile rings anew.
            sys::take_bytes(fd);
        }
        if !matches!(taken, Some(Taken::Request(..))) {
            pusher::look_for_more(&self.session, pusher_page);
        }
        Ok(taken.map(|taken| match taken {
            Taken::Closing => Event::Closing,
            Taken::Request(pending, len) => Event::Request(Asked { pending, len }),
        }))
    }

    /// Answers a request and wakes its client. `answer` gets the data that was asked with, filled up with
    /// zeros, and leaves the answer's there; its error is the errno that the client gets, ENOTTY for a
    /// refusal. Of a request that only sets (`_IOW`) the client takes no data.
    ///
    /// False: the client has withdrawn it, or is gone.
    ///
    /// # Errors
    /// As [`ZeroInput::take`].
    pub fn answer(
        &mut self,
        asked: &Asked,
        answer: impl FnOnce(&mut [u8; MAX_DATA]) -> Result<()>,
    ) -> Result<bool> {
        let pusher_page = self.pusher_page()?;
        let mut data = [0; MAX_DATA];
        if !pusher::asked(&self.session, pusher_page, &asked.pending, &mut data) {
            return Ok(false);
        }
        let errno = match answer(&mut data) {
            Ok(()) => 0,
            // What is no errno must not become a success.
            Err(errno) => u32::try_from(errno.raw())
                .ok()
                .filter(|e| (1..4096).contains(e))
                .unwrap_or(Errno::ENOTTY.raw() as u32),
        };
        Ok(pusher::give(&self.session, pusher_page, &asked.pending, |told| {
            *told = data;
            errno
        }))
    }

    /// Whether V4L2 requests are handed on as they are, where V4L1 has no word for what a client asks. No at
    /// first.
    pub fn set_takes_v4l2(&self, takes: bool) {
        if let Ok(pusher_page) = self.pusher_page() {
            pusher_page.set_takes_v4l2(takes);
        }
    }

    /// Whether a request is still waiting for its answer.
    #[must_use]
    pub fn is_waiting(&self, asked: &Asked) -> bool {
        self.pusher_page()
            .is_ok_and(|pusher_page| pusher::is_waiting(&self.session, pusher_page, &asked.pending))
    }

    /// Waits until there may be something to take, the daemon is gone, or the time is over. A caller with
    /// a poll loop of its own polls the descriptor ([`AsFd`]) for reading instead.
    ///
    /// # Errors
    /// EINTR: a signal came.
    pub fn wait(&self, patience: Duration) -> Result<()> {
        sys::wait_readable_for(self.as_fd().as_raw_fd(), patience)
    }

    /// From now on the kernel sends this process SIGIO when there is something to take; what is there
    /// already raises it now.
    ///
    /// # Errors
    /// EINVAL: SIGIO would end the process. Catch, ignore or block it before.
    pub fn send_sigio(&self) -> Result<()> {
        self.check()?;
        self.session.pusher_fd.store(self.raw(), Ordering::Relaxed);
        pusher::signals_changed(&open_files::OWN);
        if self.session.armed.load(Ordering::Relaxed) { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Whether the daemon is there and the pipe still this pusher's.
    ///
    /// # Errors
    /// ENODEV, ESTALE.
    pub fn check(&self) -> Result<()> {
        self.session.alive()?;
        // A program that closes all its descriptors closes ours too: then the pipe may be another's.
        if self.zero == 0 || self.session.board().zero() == self.zero { Ok(()) } else { Err(Errno::ESTALE) }
    }
}

impl AsFd for ZeroInput {
    /// For poll, select and epoll only.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.both.as_ref().map_or(self.fd.as_fd(), OwnedFd::as_fd)
    }
}

impl Drop for ZeroInput {
    fn drop(&mut self) {
        // SAFETY: taken here only, and not used afterwards.
        let fd = unsafe { ManuallyDrop::take(&mut self.fd) };
        native::close(fd, &self.session);
    }
}
