//! The open files of one process, whatever numbers they have.

use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, Ordering};

use vloopback_ring::{Lifeline, PAGE_LEN};
use vloopback_wire::{Reply, Request, SessionInfo};

use crate::open_file::{OpenFile, Pin};
use vloopback_link::connection;
use vloopback_sys as sys;
use vloopback_sys::lock::{Local, NoSignals};
use vloopback_sys::{Errno, FdList, Result};

/// The open files that a process has and had. Places are never given back, so that they can be looked at without a
/// lock.
#[derive(Debug)]
pub struct Files {
    /// All that ever were, newest first.
    all: AtomicPtr<OpenFile>,
    /// Making and ending open files is one at a time.
    pub making: Local<()>,
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

impl Files {
    /// None.
    pub const fn new() -> Self {
        Self { all: AtomicPtr::new(core::ptr::null_mut()), making: Local::new(()) }
    }

    /// A place for an open file: one that is no longer used, or a new page.
    fn free_file(&self) -> Result<&'static OpenFile> {
        let mut at = self.all.load(Ordering::Acquire);
        while !at.is_null() {
            // SAFETY: sessions are never unmapped.
            let session = unsafe { &*at };
            if session.is_free() {
                return Ok(session);
            }
            at = session.next.load(Ordering::Acquire);
        }
        const _: () = assert!(size_of::<OpenFile>() <= 4 * PAGE_LEN);
        let len = size_of::<OpenFile>().next_multiple_of(PAGE_LEN);
        // SAFETY: a new anonymous mapping; zeroed memory is a session that is not in use (atomics of 0,
        // null pointers, unlocked locks with empty values).
        let session: &'static OpenFile = unsafe {
            &*sys::mmap(0, len, sys::READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)?
                .cast::<OpenFile>()
        };
        session.next.store(self.all.load(Ordering::Acquire), Ordering::Release);
        self.all.store(core::ptr::from_ref(session).cast_mut(), Ordering::Release);
        Ok(session)
    }

    /// The pixel format and the size that the program asked for on another descriptor of the node.
    fn asked_elsewhere(&self, info: &SessionInfo) -> (u32, u32) {
        let mut asked = (0, 0);
        self.each(|other| {
            if other.info().pipe == info.pipe && other.info().input == info.input {
                asked = (other.pixel_name.load(Ordering::Relaxed), other.pixel_size.load(Ordering::Relaxed));
            }
        });
        asked
    }

    /// The open file of this session, if the process has it already.
    pub fn find(&self, info: &SessionInfo, lifeline: &Lifeline) -> Option<Pin> {
        let mut at = self.all.load(Ordering::Acquire);
        while !at.is_null() {
            // SAFETY: sessions are never unmapped.
            let session: &'static OpenFile = unsafe { &*at };
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

    /// Every open file in use, for what concerns all (munmap).
    pub fn each(&self, mut f: impl FnMut(&OpenFile)) {
        let mut at = self.all.load(Ordering::Acquire);
        while !at.is_null() {
            // SAFETY: sessions are never unmapped.
            let session: &'static OpenFile = unsafe { &*at };
            if let Some(pin) = session.acquire() {
                f(&pin);
            }
            at = session.next.load(Ordering::Acquire);
        }
    }

    /// Opens node `node` for the process whose files these are. Returns its descriptor, close-on-exec, which is to
    /// become the process's own, and the open file, whose one user that descriptor is. `legacy`: see
    /// driver/docs/rules.md, "Eras".
    ///
    /// # Errors
    /// As the server says; ENOENT: no such node. EMFILE, ENOMEM, EPROTO.
    pub fn open(&self, node: u32, flags: c_int, legacy: bool) -> Result<(c_int, &'static OpenFile)> {
        let mut fds = FdList::new();
        let quiet = NoSignals::new();
        let _making = self.making.lock(&quiet);
        let (reply, lifeline) =
            connection::ask(&Request::Open { node, flags: flags as u32, legacy }, None, &mut fds)?;
        let Reply::Session(info) = reply else { return Err(Errno::EPROTO) };
        if fds.len() != 4 {
            return Err(Errno::EPROTO);
        }
        let file = self.make(info, lifeline, [fds.get(1), fds.get(2), fds.get(3)])?;
        let claims = info.input && info.legacy && file.access().1;
        file.claimed.store(claims, Ordering::Release);
        Ok((fds.take(0), file))
    }

    /// Makes an open file of what the server told. Its one user is the number to come. Under [`Files::making`].
    ///
    /// # Errors
    /// ENOMEM, EPROTO.
    pub fn make(
        &self,
        info: SessionInfo,
        lifeline: &'static Lifeline,
        pages: [c_int; 3],
    ) -> Result<&'static OpenFile> {
        let session = self.free_file()?;
        session.begin(info, lifeline, pages, self.asked_elsewhere(&info))?;
        Ok(session)
    }
}
