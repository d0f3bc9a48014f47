//! The open files of this process, whatever numbers they have.

use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, Ordering};

use vloopback_ring::{Lifeline, PAGE_LEN};
use vloopback_wire::SessionInfo;

use crate::lock::Local;
use crate::open_file::{Pin, Session};
use crate::sys::{self, Result};

/// All sessions that ever were, newest first.
static ALL: AtomicPtr<Session> = AtomicPtr::new(core::ptr::null_mut());
/// Making and ending sessions is one at a time.
pub(crate) static MAKING: Local<()> = Local::new(());

/// A place for a session: one that is no longer used, or a new page.
fn place() -> Result<&'static Session> {
    let mut at = ALL.load(Ordering::Acquire);
    while !at.is_null() {
        // SAFETY: sessions are never unmapped.
        let session = unsafe { &*at };
        if session.is_free() {
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

/// The session of this number in this process, if it has one already.
pub(crate) fn find(info: &SessionInfo, lifeline: &Lifeline) -> Option<Pin> {
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

/// Makes an open file of what the server told. Its one user is the number to come. Under [`MAKING`].
///
/// # Errors
/// ENOMEM, EPROTO.
pub(crate) fn make(
    info: SessionInfo,
    lifeline: &'static Lifeline,
    pages: [c_int; 3],
) -> Result<&'static Session> {
    let session = place()?;
    session.begin(info, lifeline, pages, chosen_name(&info))?;
    Ok(session)
}
