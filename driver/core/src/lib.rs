//! The vloopback pipe as a pure state machine: no descriptor, no clock, no libc.
//!
//! ```text
//!            open for writing (legacy), or the first call that says "mine"
//!   free ────────────────────────────────────────────────▶ claimed ◀──────────────┐
//!    ▲                                                        │ SWIN, or V4L2's   │ S_FMT to another
//!    │                                                        │ first frame or    │ format, buffers
//!    │ the pusher's last descriptor closes                    ▼ buffers           │ given back
//!    └──────────────────────────────────────────────────── fed ───────────────────┘
//!                                             (a ring exists, clients may stream)
//! ```
//! A [`Pipe`] takes events (open, claim, a palette, a size, a format, streaming, close) and answers with
//! [`Effects`] or a typed [`Refusal`]; the caller does the I/O. A size change and a feed are planned first,
//! and committed when their memory exists, so that a failure changes nothing.
//!
//! One format is in force. V4L1 describes it as palette and size, V4L2 as [`Pipe::pix`]. Each API
//! has formats that the other has no name for. Palette 0 stands for those of V4L2. While a palette
//! without a fourcc is in force, `pix` is an earlier format ([`Pipe::pix_in_force`]).

#![forbid(unsafe_code)]

mod controls;
mod format;
mod pipe;
mod policy;

pub use controls::{LoopbackControl, SLIDERS, Slider};
pub use format::{FormatError, MAX_TOTAL, frame_geometry};
pub use pipe::{Access, Effects, Grant, Opener, Pipe, RESERVED_SLOTS, RingPlan, Side};
pub use policy::{ANY_SIZE, Idle, Options, Profile, Refusal};

#[cfg(test)]
mod tests;
