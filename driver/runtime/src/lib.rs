//! What makes this process the caller of a device ([`vloopback_device`]): its descriptors, its memory, the entry points.
//! The preload library and the SDK use it.
//!
//! | module | content |
//! |---|---|
//! | [`edge`] | the entry points for the preload library |
//! | [`native`], [`native_zero`], [`watch`] | the entry points for the SDK and the command line: pushers and clients that know of vloopback |
//! | [`paths`] | which paths belong to the driver |
//! | `open_files` | from a descriptor to its open file |
//! | `own`, `own_memory` | this process as the caller of a device |
//! | `monitor` | the program's sockets that listen for devices that come and go |
//!
//! Nothing on a frame's path allocates. No lock is held across a sleep or with signals unblocked, because
//! signal handlers may call in wherever they interrupted the library. The one exception is the right to write
//! while a frame is filled in place ([`native`]).

pub mod edge;
pub mod loopback;
mod monitor;
pub mod native;
pub mod native_zero;
mod open_files;
mod own;
mod own_memory;
pub mod paths;
pub mod watch;

pub use vloopback_sys::stack;
pub use vloopback_wire::tree as tree_image;
