//! V4L1 (`'v'`), the video API of Linux 2.2 to 2.6: structures, request numbers, constants.
//!
//! The structures are those of a 64-bit program, [`shapes32`] has the ones that differ for a
//! 32-bit program. All requests are in [`request`].

pub mod flags;
pub mod request;
mod shapes;
pub mod shapes32;

pub use flags::*;
pub use shapes::*;
