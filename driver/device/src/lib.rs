//! What `/dev/videoN` does, V4L1 and V4L2, read, write, mmap and zero-copy, for whoever calls ([`caller::Caller`]).

pub mod byte_stream;
pub mod caller;
pub mod chime;
pub mod dispatch;
pub mod files;
pub mod input;
pub mod known;
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
pub mod views;
mod wait;
pub mod zero;
