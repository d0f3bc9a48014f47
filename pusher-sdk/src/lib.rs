//! For programs that push frames into a vloopback pipe and know that they do.
//!
//! A [`Pusher`] claims a pipe, says what its frames look like, and writes them. Each frame is
//! copied once, into the memory that the clients map; or not at all, where the pusher fills the
//! memory itself ([`Pusher::frame_slot`]). While nobody watches, frames cost nothing.
//!
//! No preload library is needed. A program that runs under it all the same meets the same pipes.
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
//! // The same without a copy; None: nobody watches, nothing to do.
//! if let Some(mut slot) = pusher.frame_slot()? {
//!     slot.fill(128);
//!     slot.publish()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A pusher that answers its clients' requests itself, zero-copy, is a [`zero_copy::Server`].
//!
//! A process pushes into pipes of one server; which one, its first [`Finder`] decides. A program
//! that closes descriptors it does not know (`closefrom`, as daemons do at their start) does so
//! before it makes a pusher.
//!
//! The C interface of `include/vloopback.h` is this one; `c.rs` and `c/` hold all of it.

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
