//! System calls that several parts of vloopback make without the C library. The preload library exports libc's
//! names, so from there a call of libc's `sendmsg` could be a call to itself, and would change errno.
//!
//! Nothing here allocates, locks or keeps state: signal handlers may call in.

mod calls;
pub mod clock;
pub mod decimal;
pub mod fork;
pub mod lock;
pub mod records;
mod scratch;
pub mod server;
pub mod stack;

pub use calls::*;
pub use records::FdList;
pub use scratch::Scratch;

/// An errno as a result's error. The tables of requests, which know no `libc`, call it `vloopback_abi::Errno`; both hold the
/// same number.
pub type Result<T> = core::result::Result<T, core::ffi::c_int>;
