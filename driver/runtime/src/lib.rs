//! What a process needs to take part in a vloopback pipe: sessions, mappings, the data path.
//! Used by the preload library and the SDK alike.
//!
//! | module | what |
//! |---|---|
//! | [`edge`] | what libc's edge calls |
//! | [`native`], [`native_zero`], [`watch`] | what the SDK and the command line call: pushers and clients that know of vloopback |
//! | [`paths`] | which paths are the driver's |
//! | `process` | the daemon's address, the connection, forks, the era |
//! | `table`, `session` | from descriptor number to open device |
//! | `v4l1`, `v4l2` | the requests of both nodes |
//! | `input` | what a one-copy pusher does |
//! | `zero` | what a zero-copy pusher and its clients do |
//! | `client`, `output` | what every client does, and a V4L1 one |
//! | `chime`, `hidden` | how poll learns of V4L2's events; descriptors of ours that the program does not know of |
//! | `monitor` | sockets of the program's that listen for devices that come and go |
//! | `part` | frames in parts: V4L2's read() and write() as a stream of bytes |
//! | `ring_map`, `views` | the ring's memory here, and where the program has its frames |
//! | `ranges` | what a V4L1 program has mapped while the kind of pusher changes |
//! | `wait` | sleeping on words that other processes change |
//! | `lock`, `sys`, `user` | signals, system calls without libc, the program's pointers |
//!
//! Nothing on the way of a frame allocates, and no lock is held across a sleep or with signals
//! unblocked: signal handlers may call in wherever they interrupted us. The one exception is the
//! right to write while a frame is filled in place ([`native`]).

mod chime;
mod client;
pub mod edge;
mod hidden;
mod input;
mod lock;
pub mod loopback;
mod monitor;
pub mod native;
pub mod native_zero;
mod output;
mod pace;
mod part;
pub mod paths;
mod process;
mod ranges;
mod ring_map;
mod session;
pub mod stack;
mod sys;
mod table;
mod user;
mod v4l1;
mod v4l2;
mod views;
mod wait;
pub mod watch;
mod zero;

pub use vloopback_wire::tree as tree_image;
