//! Errors, with a remedy in each message.

use std::io;
use std::path::PathBuf;

use vloopback_abi::Errno;

use crate::Pixels;

/// Why a pusher failed. The message names the pipe and a remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PusherError {
    /// Nobody listens on the server's socket.
    #[error("no vloopback server at {}: start vloopbackd, or set VLOOPBACK_SOCKET to another socket", socket.display())]
    NoServer {
        /// Where was looked.
        socket: PathBuf,
    },
    /// This user may not use the server's socket.
    #[error("this user may not use the vloopback server at {}: ask its owner, or start vloopbackd on another socket", socket.display())]
    ServerDenied {
        /// Its path.
        socket: PathBuf,
    },
    /// The server is of another build.
    #[error("the vloopback server at {} is of another build than this program's library: use a server and a library of one build", socket.display())]
    OtherBuild {
        /// Its path.
        socket: PathBuf,
    },
    /// The path is too long for a socket.
    #[error("{} is too long for a socket: at most 107 bytes", socket.display())]
    SocketPath {
        /// The path.
        socket: PathBuf,
    },
    /// The process already uses another server.
    #[error("this process uses the vloopback server at {} and cannot also use {}: a process has one server", used.display(), socket.display())]
    OneServer {
        /// The one in use.
        used: PathBuf,
        /// The one that was asked for.
        socket: PathBuf,
    },
    /// All pipes have a pusher.
    #[error("all {pipes} pipes of the vloopback server at {} are in use: start vloopbackd with a larger --pipes or with --spares, or stop a pusher", socket.display())]
    AllBusy {
        /// The server's socket.
        socket: PathBuf,
        /// How many there are.
        pipes: usize,
    },
    /// The server's list of pipes cannot be used.
    #[error("cannot find a free pipe of the vloopback server at {}: {reason}", socket.display())]
    Views {
        /// The server's socket.
        socket: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The name is not that of a device.
    #[error("'{name}' is not a video device: name one as /dev/video0, video0 or 0")]
    Name {
        /// What was given.
        name: String,
    },
    /// The server has no such node.
    #[error("{device} is not a pipe of the vloopback server at {}: see `vloopback list`", socket.display())]
    NoSuchPipe {
        /// The node.
        device: String,
        /// The server's socket.
        socket: PathBuf,
    },
    /// The node is a pipe's output.
    #[error("{device} is the output of a pipe: push into its input, {input}")]
    NotAnInput {
        /// The node.
        device: String,
        /// The pusher's node of that pipe.
        input: String,
    },
    /// Owner, group and mode of the node do not let this user push.
    #[error(
        "this user may not open {device}: join the group of that node (see `vloopback list`), or ask its owner"
    )]
    Denied {
        /// The node.
        device: String,
    },
    /// The pipe has a pusher.
    #[error("{device} is in use by another pusher: stop that one, choose another pipe, or claim a free one")]
    Busy {
        /// The node.
        device: String,
    },
    /// There is no frame of that format and size.
    #[error(
        "{device} cannot have frames of {width}x{height} {pixels}: {}",
        pixels.rule()
    )]
    Format {
        /// The pusher's node.
        device: String,
        /// What was asked for.
        pixels: Pixels,
        /// Pixels a line.
        width: u32,
        /// Lines.
        height: u32,
    },
    /// There is no memory for frames of that size.
    #[error(
        "{device}: not enough memory for a ring of {width}x{height} frames: choose a smaller size, or start vloopbackd with a smaller --num-buffers"
    )]
    TooLarge {
        /// The pusher's node.
        device: String,
        /// Pixels a line.
        width: u32,
        /// Lines.
        height: u32,
    },
    /// A zero-copy pusher cannot have such frames.
    #[error(
        "{device}: cannot share {frames} frames of {frame_len} bytes with clients: 1 to 32 frames, and 1 to {} bytes of them together",
        i32::MAX
    )]
    Layout {
        /// The pusher's node.
        device: String,
        /// How many.
        frames: usize,
        /// Bytes of each.
        frame_len: usize,
    },
    /// There is no memory for a zero-copy pusher's frames.
    #[error(
        "{device}: not enough memory for {frames} frames of {frame_len} bytes: share fewer or smaller ones"
    )]
    Memory {
        /// The pusher's node.
        device: String,
        /// How many.
        frames: usize,
        /// Bytes of each.
        frame_len: usize,
    },
    /// A frame was written before a format was set.
    #[error("{device} has no format yet: set one before the first frame")]
    NoFormat {
        /// The pusher's node.
        device: String,
    },
    /// The frame's length is not that of the format.
    #[error(
        "{device}: a frame of {given} bytes, but {width}x{height} {pixels} is {}{wanted}: {}",
        if pixels.is_compressed() { "1 to " } else { "" },
        if pixels.is_compressed() { "compress it more" } else { "give whole frames, or the planes with their strides" }
    )]
    Length {
        /// The pusher's node.
        device: String,
        /// Bytes that were given.
        given: usize,
        /// Bytes of a frame; of a compressed format the most that it can have.
        wanted: usize,
        /// The format in force.
        pixels: Pixels,
        /// Pixels a line.
        width: u32,
        /// Lines.
        height: u32,
    },
    /// The planes do not fit the format.
    #[error("{device}: {reason}")]
    Planes {
        /// The pusher's node.
        device: String,
        /// Which plane, what it is and what it must be.
        reason: String,
    },
    /// A frame slot is open.
    #[error("{device}: a frame slot is open: publish or cancel it first")]
    SlotOpen {
        /// The pusher's node.
        device: String,
    },
    /// No frame slot is open.
    #[error("{device}: no frame slot is open in this process: begin one first")]
    NoSlot {
        /// The pusher's node.
        device: String,
    },
    /// A fork changed the format while a slot was being filled, or the pipe was taken away.
    #[error(
        "{device} is no longer this pusher's, or its format was changed by a fork of it: open the pipe again (were all descriptors closed?)"
    )]
    Lost {
        /// The pusher's node.
        device: String,
    },
    /// The server ended.
    #[error("the vloopback server behind {device} is gone: start vloopbackd and open the pipe again")]
    ServerGone {
        /// The pusher's node.
        device: String,
    },
    /// The interval contains a zero.
    #[error("{device}: a frame cannot last {numerator}/{denominator} seconds: both numbers must be above 0")]
    Interval {
        /// The pusher's node.
        device: String,
        /// Seconds.
        numerator: u32,
        /// Parts of them.
        denominator: u32,
    },
    /// A signal came while a fork of this pusher was writing.
    #[error(
        "{device}: interrupted by a signal while a fork of this pusher was writing: write the frame again"
    )]
    Interrupted {
        /// The pusher's node.
        device: String,
    },
    /// A system error.
    #[error("{device}: {}", io::Error::from(*errno))]
    System {
        /// The node.
        device: String,
        /// What the system said.
        errno: Errno,
    },
}

impl PusherError {
    /// The errno that the C interface gives for this.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoServer { .. } => Errno::ECONNREFUSED,
            Self::ServerDenied { .. } | Self::Denied { .. } => Errno::EACCES,
            Self::OtherBuild { .. } => Errno::EPROTONOSUPPORT,
            Self::SocketPath { .. } => Errno::ENAMETOOLONG,
            Self::OneServer { .. } => Errno::EISCONN,
            Self::AllBusy { .. } | Self::Busy { .. } | Self::SlotOpen { .. } => Errno::EBUSY,
            Self::Views { .. } => Errno::EIO,
            Self::NoSuchPipe { .. } => Errno::ENOENT,
            Self::Name { .. }
            | Self::NotAnInput { .. }
            | Self::Format { .. }
            | Self::Interval { .. }
            | Self::NoFormat { .. }
            | Self::Length { .. }
            | Self::Planes { .. }
            | Self::Layout { .. }
            | Self::NoSlot { .. } => Errno::EINVAL,
            Self::TooLarge { .. } | Self::Memory { .. } => Errno::ENOMEM,
            Self::Lost { .. } => Errno::ESTALE,
            Self::ServerGone { .. } => Errno::ENODEV,
            Self::Interrupted { .. } => Errno::EINTR,
            Self::System { errno, .. } => *errno,
        }
    }
}

impl From<PusherError> for io::Error {
    fn from(error: PusherError) -> Self {
        let kind = io::Error::from(error.errno()).kind();
        io::Error::new(kind, error)
    }
}
