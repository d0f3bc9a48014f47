//! Frames of one pixel format as another, of the same size: what a client's library does with a frame when the program has
//! asked for a format that the pusher does not have.
//!
//! | module | content |
//! |---|---|
//! | [`picture`] | where a frame's samples lie |
//! | [`colour`] | luma and colour differences as red, green and blue, and back |
//! | [`conversion`] | from one picture to another |
//!
//! Nothing here allocates, locks or fails half-way: it runs in the process of a client, where a signal handler may have
//! called. Colours of neighbours that share a sample are averaged; a sample of colour stands for all its pixels. This
//! is what swscale does with the flags `area` (into fewer samples) and `point` (into more), and what its tests compare.
#![no_std]
#![forbid(unsafe_code)]

pub mod colour;
pub mod conversion;
pub mod picture;

pub use colour::Coding;
pub use conversion::{Conversion, Fit};
pub use picture::Picture;
