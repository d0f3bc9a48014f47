//! A client's half of the pipe's captures (`capture`): that it wants a frame of a zero-copy pusher.

use core::sync::atomic::Ordering;

use crate::open_file::Session;
use crate::sys::Result;
use crate::zero::memory::{Inside, knock};

/// The client has met the pusher that there is; what that one has refused to others before is not its
/// business.
pub(crate) fn meet(session: &Session, inside: &Inside) {
    let page = session.page();
    page.refusals.store(inside.hatch.refusals(), Ordering::SeqCst);
    page.zero.store(inside.zero, Ordering::SeqCst);
}

/// The client is to meet the pusher anew.
pub(crate) fn forget(session: &Session) {
    session.page().zero.store(0, Ordering::SeqCst);
}

/// Whether the client has met the pusher that there is.
pub(crate) fn has_met(session: &Session) -> bool {
    session.page().zero.load(Ordering::SeqCst) == session.board().zero()
}

/// A client that has met the pusher has no frame to take: the next one is for it, too. It is woken, or
/// its descriptor becomes readable, when the frame is there.
///
/// # Errors
/// EIO: the pusher has refused to capture since it was met.
pub(crate) fn want(session: &Session) -> Result<()> {
    let Some(inside) = Inside::enter(session) else { return Ok(()) };
    let page = session.page();
    if session.board().zero() != inside.zero || page.zero.load(Ordering::SeqCst) != inside.zero {
        return Ok(());
    }
    if page.refusals.load(Ordering::SeqCst) != inside.hatch.refusals() {
        return Err(libc::EIO);
    }
    let Some(slip) = inside.slip else { return Ok(()) };
    slip.want();
    // A pusher that has something to do looks for more when it is done.
    if inside.hatch.seems_idle() {
        knock(session);
    }
    Ok(())
}
