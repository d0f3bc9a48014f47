//! The vloopback pipe as a pure state machine: no descriptor, no clock, no libc.
//!
//! ```text
//!            open for writing (legacy), or the first call that says "mine"
//!   free ────────────────────────────────────────────────▶ claimed
//!    ▲                                                        │ SWIN
//!    │ the pusher's last descriptor closes                    ▼
//!    └──────────────────────────────────────────────────── fed (a ring exists, clients may stream)
//! ```
//! A [`Pipe`] takes events (open, claim, a palette, a size, streaming, close) and answers with
//! [`Effects`] or a typed [`Refusal`]; who runs it does the I/O. A size change is planned, then
//! committed after its memory exists, so that a failure changes nothing.

#![forbid(unsafe_code)]

mod format;
mod pipe;
mod policy;

pub use format::{FormatError, MAX_TOTAL, frame_geometry};
pub use pipe::{Access, Effects, Grant, Opener, Pipe, RESERVED_SLOTS, RingPlan, Side};
pub use policy::{Idle, Options, Profile, Refusal};

#[cfg(test)]
mod tests;
