//! From a raw request number and an address to a typed call, and back.
//!
//! A device implements a trait with one method a request ([`V4l1Device`]); the table [`V4L1`] says
//! what each request copies in and out; [`dispatch_v4l1`] does the copying. Handlers never see an
//! address and never see a program's ABI.
//!
//! Nothing here allocates, blocks or panics: a program may call ioctl() from a signal handler
//! that has interrupted malloc(). Memory of the calling program is reached through
//! [`UserMemory`] alone, whose implementation holds the unsafe code.
//!
//! ```
//! use vloopback_ioctl::{Abi, BufferMemory, Errno, V4l1Device, dispatch_v4l1};
//! use vloopback_abi::{text, v4l1::{VideoCapability, request}};
//!
//! struct Node;
//! impl V4l1Device for Node {
//!     fn gcap(&mut self) -> Result<VideoCapability, Errno> {
//!         Ok(VideoCapability { name: text::field("Video loopback 0 input"), ..Default::default() })
//!     }
//! }
//!
//! let mut bytes = [0; 60];
//! let memory = BufferMemory::new(0x1000, &mut bytes);
//! let gcap = u64::from(request::GCAP);
//! assert_eq!(dispatch_v4l1(&mut Node, &memory, Abi::NATIVE, gcap, 0x1000), Ok(0));
//! assert_eq!(dispatch_v4l1(&mut Node, &memory, Abi::NATIVE, gcap, 0), Err(Errno::EFAULT));
//! assert_eq!(text::text(&bytes), "Video loopback 0 input");
//! ```

#![no_std]
#![forbid(unsafe_code)]

#[macro_use]
mod method;

pub mod forwarded;
mod memory;
mod shape;
pub mod v4l1;
pub mod v4l2;

pub use memory::{BufferMemory, Fault, UserMemory};
pub use v4l1::{Direction, Row, V4L1, V4l1Device, V4l1Request, dispatch_v4l1};
pub use v4l2::{ControlList, V4L2, V4l2Device, V4l2Request, V4l2Row, dispatch_v4l2};
pub use vloopback_abi::{Abi, Errno};

/// What a request comes to: the structure that the program gets, or an errno.
pub type Answer<T> = core::result::Result<T, Errno>;

use vloopback_abi::ioc;

/// The request as the kernel sees it: its lower 32 bits.
///
/// Programs that keep a request in an `int` pass it sign-extended to 64 bits.
#[must_use]
pub const fn request_number(request: u64) -> u32 {
    request as u32
}

/// Whether the request is of V4L1's type, known or not.
#[must_use]
pub const fn is_v4l1(request: u64) -> bool {
    ioc::ioc_type(request_number(request)) == vloopback_abi::v4l1::request::TYPE
}

/// Whether the request is of V4L2's type, known or not.
#[must_use]
pub const fn is_v4l2(request: u64) -> bool {
    ioc::ioc_type(request_number(request)) == vloopback_abi::v4l2::request::TYPE
}

/// Bytes of the request's argument, at most 16383.
#[doc(alias = "_IOC_SIZE")]
#[must_use]
pub const fn request_len(request: u64) -> usize {
    ioc::ioc_size(request_number(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_lengths() {
        let gcap = u64::from(vloopback_abi::v4l1::request::GCAP);
        let sign_extended = gcap | 0xffff_ffff_0000_0000;
        for request in [gcap, sign_extended] {
            assert!(is_v4l1(request) && !is_v4l2(request));
            assert_eq!(request_len(request), 60);
        }
        let querycap = u64::from(vloopback_abi::v4l2::request::QUERYCAP);
        assert!(is_v4l2(querycap) && !is_v4l1(querycap));
        assert_eq!(request_len(querycap), 104);
        assert!(!is_v4l1(0x5421) && !is_v4l2(0x5421));
    }
}
