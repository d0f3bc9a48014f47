//! V4L2 requests.
//!
//! No V4L2 request is served yet: programs that know both APIs ask for VIDIOC_QUERYCAP first, get
//! ENOTTY, and go on with V4L1. The V4L2 table belongs here, in the manner of [`crate::v4l1`].

use crate::{Errno, UserMemory};

/// Serves a V4L2 request: ENOTTY for all of them, whatever the address.
///
/// # Errors
/// [`Errno::ENOTTY`], always.
pub fn dispatch_v4l2<M: UserMemory + ?Sized>(_mem: &M, _request: u64, _arg: usize) -> Result<i32, Errno> {
    Err(Errno::ENOTTY)
}
