//! System calls that several parts of vloopback make, without the C library: the preload library exports libc's
//! names, so a call to libc's `sendmsg` from there could be a call to itself, and errno would change.
//!
//! Nothing here allocates, locks or keeps state: signal handlers may call in.

pub mod records;
pub mod server;

/// An errno as a result's error.
pub type Result<T> = core::result::Result<T, core::ffi::c_int>;
