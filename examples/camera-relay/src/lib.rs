//! A V4L2 camera, by the `v4l` crate: what the programs of this example share.
//!
//! Empty without the feature `camera`.

#![forbid(unsafe_code)]

#[cfg(feature = "camera")]
pub mod camera;
#[cfg(feature = "camera")]
pub mod errors;
