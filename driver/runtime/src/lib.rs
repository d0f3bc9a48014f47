//! What a process needs to take part in a vloopback pipe: open files, mappings, the data path.
//! The preload library and the SDK use it.
//!
//! | module | content |
//! |---|---|
//! | [`edge`] | the entry points for the preload library |
//! | [`native`], [`native_zero`], [`watch`] | the entry points for the SDK and the command line: pushers and clients that know of vloopback |
//! | [`paths`] | which paths belong to the driver |
//! | `environment`, `connection`, `fork` | the server's address and the era; the connection to the server; forked children |
//! | `table`, `open_files`, `files`, `open_file` | from a descriptor to its open file; the open files of this process; one open file |
//! | `v4l1`, `v4l2` | the requests of both nodes |
//! | `input`, `publish`, `pace` | a one-copy pusher: its calls, a frame into the ring, how fast frames come |
//! | `zero` | zero-copy pushers and their clients |
//! | `stream`, `output` | every client's stream; V4L1 clients |
//! | `chime`, `hidden` | how poll learns of V4L2 events; descriptors that the program does not know of |
//! | `monitor` | the program's sockets that listen for devices that come and go |
//! | `byte_stream`, `part` | frames in parts: V4L2's read() and write() as a stream of bytes |
//! | `ring_map`, `views` | the ring's memory in this process, and where the program has its frames |
//! | `ranges` | what a V4L1 program has mapped while the kind of pusher changes |
//! | `wait` | sleeping on words that other processes change |
//! | `lock`, `sys`, `user` | signals, system calls without libc, the program's pointers |
//!
//! Nothing on a frame's path allocates. No lock is held across a sleep or with signals unblocked, because
//! signal handlers may call in wherever they interrupted the library. The one exception is the right to write
//! while a frame is filled in place ([`native`]).

mod byte_stream;
mod chime;
mod connection;
pub mod edge;
mod environment;
mod files;
mod fork;
mod hidden;
mod input;
mod lock;
pub mod loopback;
mod monitor;
pub mod native;
pub mod native_zero;
mod open_file;
mod open_files;
mod output;
mod pace;
mod part;
pub mod paths;
mod publish;
mod ranges;
mod ring_map;
pub mod stack;
mod stream;
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
