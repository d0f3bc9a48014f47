//! A client's half of the pipe's captures (`capture`): that it wants a frame of a zero-copy pusher.

use core::sync::atomic::Ordering;

use crate::open_file::OpenFile;
use crate::zero::memory::{Inside, wake_notifier};
use vloopback_sys::{Errno, Result};

/// The client has met the pusher that there is; what that one has refused to others before is not its
/// business.
pub fn meet(session: &OpenFile, inside: &Inside) {
    let page = session.page();
    page.refusals.store(inside.pusher_page.refusals(), Ordering::SeqCst);
    page.zero.store(inside.zero, Ordering::SeqCst);
}

/// The client is to meet the pusher anew.
pub fn forget(session: &OpenFile) {
    session.page().zero.store(0, Ordering::SeqCst);
}

/// Whether the client has met the pusher that there is.
pub fn has_met(session: &OpenFile) -> bool {
    session.page().zero.load(Ordering::SeqCst) == session.board().zero()
}

/// A client that has met the pusher has no frame to take: the next one is for it, too. It is woken, or
/// its descriptor becomes readable, when the frame is there.
///
/// # Errors
/// EIO: the pusher has refused to capture since it was met.
pub fn want_frame(session: &OpenFile) -> Result<()> {
    let Some(inside) = Inside::enter(session) else { return Ok(()) };
    let page = session.page();
    if session.board().zero() != inside.zero || page.zero.load(Ordering::SeqCst) != inside.zero {
        return Ok(());
    }
    if page.refusals.load(Ordering::SeqCst) != inside.pusher_page.refusals() {
        return Err(Errno::EIO);
    }
    let Some(request_slot) = inside.request_slot else { return Ok(()) };
    request_slot.want_frame();
    // A pusher that has something to do looks for more when it is done.
    if inside.pusher_page.seems_idle() {
        wake_notifier(session);
    }
    Ok(())
}
