//! Frames of one pixel format and size as another: what a client's library does with a frame when the program has asked
//! for a format or a size that the pusher does not have.
//!
//! | module | content |
//! |---|---|
//! | [`picture`] | which formats there are, and where a frame's samples lie |
//! | [`colour`] | luma and colour differences as red, green and blue, and back |
//! | `fit` | where a picture is in a frame of another size |
//! | `jpeg` | JPEG pictures as planes |
//! | `lines` | loops over the samples of a line |
//! | `read`, `write` | lines of a frame as separate samples, and back |
//! | `scale`, `resize` | planes, and pictures, of another size |
//! | `draw` | pictures into frames, part by part |
//! | `wide` | the same code for processors with wider vectors; the only unsafe code |
//! | [`conversion`] | from one picture to another |
//!
//! Nothing here allocates (but the decoding of JPEG), locks or fails half-way: it runs in the process of a client, where
//! a signal handler may have called. Colours of neighbours that share a sample are averaged; a sample of colour stands for all its pixels. This
//! is what swscale does with the flags `area` (into fewer samples) and `point` (into more), and what its tests compare.
#![deny(unsafe_code)]

pub mod colour;
pub mod conversion;
mod draw;
mod fit;
mod jpeg;
mod lines;
pub mod picture;
mod read;
mod resize;
mod scale;
mod wide;
mod write;

pub use colour::Coding;
pub use conversion::Conversion;
pub use fit::Fit;
pub use picture::Picture;
