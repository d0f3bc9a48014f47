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

pub use vloopback_abi::Errno;

/// What a system call answers: its value, or the error number.
pub type Result<T> = core::result::Result<T, Errno>;
