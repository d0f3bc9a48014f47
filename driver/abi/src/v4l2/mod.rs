//! V4L2 (`'V'`): what is needed to recognise its requests and to name its formats.
//!
//! The structures and the rest of the request numbers belong beside [`request`], in the same
//! manner as [`crate::v4l1`].

pub mod fourcc;
pub mod request;
