//! What `/dev/videoN` does, for whoever calls ([`caller::Caller`]): V4L1 and V4L2 requests, read, write, mmap,
//! zero-copy.
//!
//! From the top; a file uses only what stands below it:
//!
//! | module | content |
//! |---|---|
//! | [`dispatch`] | read, ioctl and mmap of an open file: which part they are for |
//! | `v4l1`, `v4l2::node`, `v4l2::forward` | the requests of both nodes; V4L2 requests that a pusher takes as they are |
//! | [`output`], [`input`], [`byte_stream`] | V4L1 clients and pushers; read() and write() of V4L2 programs as a stream of bytes |
//! | `v4l2::buffers`, `dequeue`, `feed`, `events`, `picture` | the queues of buffers in both directions; events; the sliders in force |
//! | `zero::mmap`, `pusher`, `capture`, `ask`, `shown` | zero-copy: mapping, the pusher's calls, the pipe's captures, clients' requests, mappings that outlive a pusher |
//! | `v4l2::bridge`, `zero::turn`, `want`, [`zero::request_doorbell`] | V4L2 in V4L1's terms; the right to ask a pusher; that a client wants a frame; the doorbell |
//! | [`publish`], `stream` | a frame into the ring; a client's stream: locks, sleep, copies, readiness |
//! | `v4l2::queue`, `format`, `names`, `controls` | what both queues share; formats, their names, the control framework's rules |
//! | [`zero::memory`], [`event_doorbell`] | being in a zero-copy pusher's memory; the descriptor that tells of events |
//! | [`caller`], [`files`], [`open_file`] | who calls; the open files of a process; one open file |
//! | [`mappings`], `ranges`, `ring_map`, `part`, `zero::maps`, `zero::clients`, [`checked_buffers`], `pace`, `wait` | memory and its mappings; how fast frames come; sleeping on words that other processes change |
//!
//! Nothing on a frame's path allocates, and no lock is held across a sleep or with signals unblocked: signal handlers
//! may call in wherever they interrupted the library.

pub mod byte_stream;
pub mod caller;
pub mod checked_buffers;
pub mod dispatch;
pub mod event_doorbell;
pub mod files;
pub mod input;
pub mod mappings;
pub mod open_file;
pub mod output;
mod pace;
mod part;
pub mod publish;
mod ranges;
mod ring_map;
mod stream;
mod v4l1;
pub mod v4l2;
mod wait;
mod workspace;
pub mod zero;
