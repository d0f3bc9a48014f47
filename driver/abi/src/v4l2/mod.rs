//! V4L2 (`'V'`), the video API of Linux since 2.6: structures, request numbers, constants, pixel
//! formats.
//!
//! The structures are those of a 64-bit program, [`shapes32`] has the ones that differ for a
//! 32-bit program. All requests are in [`request`].
//!
//! A union of the C structure is one field here, with an accessor for each member that the
//! driver uses.

mod buffer;
mod control;
mod device;
mod event;
pub mod flags;
mod format;
pub mod fourcc;
mod geometry;
pub mod pixel;
pub mod request;
pub mod shapes32;

pub use buffer::*;
pub use control::*;
pub use device::*;
pub use event::*;
pub use flags::*;
pub use format::*;
pub use fourcc::Fourcc;
pub use geometry::*;
pub use pixel::PixelFormat;
