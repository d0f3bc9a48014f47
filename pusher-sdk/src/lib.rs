//! For new programs that push frames into a vloopback pipe.
//!
//! A [`Pusher`] claims a pipe, sets the format of its frames, and writes them. Each frame is
//! copied once, into the memory that the clients map. If the pusher fills that memory itself
//! ([`Pusher::frame_slot`]), it is not copied. While nobody watches, frames cost nothing.
//!
//! No preload library is needed. A program that runs under it sees the same pipes.
//!
//! ```no_run
//! use vloopback_sdk::{Finder, Palette, Pusher};
//!
//! # fn main() -> Result<(), vloopback_sdk::PusherError> {
//! let mut pusher = Pusher::claim(&Finder::new())?;
//! pusher.set_format(Palette::Yuyv, 640, 480)?;
//! println!("watch {}", pusher.output());
//! let frame = vec![128; pusher.frame_len()];
//! pusher.write_frame(&frame)?;
//! // The same without a copy; None means that nobody watches.
//! if let Some(mut slot) = pusher.frame_slot()? {
//!     slot.fill(128);
//!     slot.publish()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A pusher that answers its clients' requests itself (zero-copy) is a [`zero_copy::Server`].
//!
//! A process pushes into pipes of one server, which its first [`Finder`] selects. A program
//! that closes unknown descriptors (`closefrom`, as daemons do at their start) must do so
//! before it makes a pusher.
//!
//! The C interface in `include/vloopback.h` is the same; `c.rs` and `c/` implement it.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod c;
mod errors;
mod finder;
mod pixels;
mod planes;
mod pusher;
pub mod zero_copy;

pub use errors::PusherError;
pub use finder::Finder;
pub use pixels::Pixels;
pub use planes::{MAX_PLANES, Plane, PlaneShape, plane_shapes};
pub use pusher::{FrameSlot, Pusher};
pub use vloopback_abi::palette::Palette;
pub use vloopback_abi::v4l1;
pub use vloopback_abi::v4l2;
pub use vloopback_abi::v4l2::fourcc::{self, Fourcc};
pub use vloopback_runtime::native::Counters;
