//! V4L2 request numbers.

use crate::ioc::{READ, ioc};

/// Type letter of every V4L2 request.
pub const TYPE: u8 = b'V';

/// Asks for a device's capabilities; programs that know both APIs ask it first and take the V4L2
/// way if it succeeds.
#[doc(alias = "VIDIOC_QUERYCAP")]
pub const QUERYCAP: u32 = ioc(READ, TYPE, 0, 104);

const _: () = assert!(QUERYCAP == 0x8068_5600);
