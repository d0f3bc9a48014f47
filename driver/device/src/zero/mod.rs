//! Zero-copy mode (driver/docs/old-api.md, "The document" 4 to 8): the pusher's own memory is the clients', and the
//! pusher answers its clients' ioctls itself.
//!
//! A client's request (`ask`) goes straight to the pusher's process, over a page of the client's own
//! (`vloopback_ring::request_slot`); the client makes the pusher's [`request_doorbell`] readable, or the daemon the
//! pusher's descriptor, and the kernel sends SIGIO. The pusher's library picks whose turn it is
//! (`vloopback_ring::pusher_page`). All that a pusher calls here ([`pusher`]) may be called from its signal handler: no
//! lock is waited for that it may have interrupted, and nothing is allocated. Frames for V4L2 clients are the pipe's
//! own captures (`capture`).

pub(crate) mod ask;
mod capture;
pub(crate) mod clients;
pub(crate) mod maps;
pub mod memory;
pub(crate) mod mmap;
pub mod pusher;
pub mod request_doorbell;
mod shown;
pub mod turn;
pub(crate) mod want;

/// Bytes of the request's number, an `unsigned long` of the pusher's.
const NUMBER_LEN: usize = size_of::<usize>();

/// The same of a pusher of any word size.
const NUMBER_MAX: usize = size_of::<u64>();
