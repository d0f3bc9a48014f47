//! The V4L2 requests of both nodes. The input is a V4L2 *output* device (programs give pictures to it),
//! the output a V4L2 *capture* device.

pub(crate) mod bridge;
mod buffers;
mod controls;
pub(crate) mod convert;
pub(crate) mod dequeue;
mod events;
pub(crate) mod feed;
pub mod format;
pub(crate) mod forward;
pub(crate) mod lines;
pub(crate) mod names;
pub(crate) mod node;
mod picture;
pub(crate) mod queue;
mod rate;
