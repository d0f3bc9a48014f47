//! What can go wrong before a client comes, and what helps.

use vloopback_sdk::PusherError;
use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};

/// Why the display cannot be a camera.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// No connection.
    #[error("no X display {display}: {source}; name another with --display or DISPLAY")]
    NoDisplay {
        /// As it was named.
        display: String,
        /// Why.
        source: ConnectError,
    },
    /// No pictures by shared memory.
    #[error(
        "display {display} has no MIT-SHM 1.2 and cannot draw into the pipe's memory: is it on another machine? Run this program on the X server's machine"
    )]
    NoSharedMemory {
        /// Its name.
        display: String,
    },
    /// Pixels that no palette has.
    #[error(
        "display {display}: the pixels of {of} have no V4L format (depth {depth}): use a screen of depth 24 or 16"
    )]
    Pixels {
        /// Its name.
        display: String,
        /// Whose pixels.
        of: String,
        /// Bits of colour.
        depth: u8,
    },
    /// There is no such window.
    #[error("display {display} has no window {window}: give its number from xwininfo (0x…), or its title")]
    NoWindow {
        /// Its name.
        display: String,
        /// What was asked for.
        window: String,
    },
    /// There is no such channel.
    #[error("display {display} has channels 0 to {last}, not {channel}")]
    NoChannel {
        /// Its name.
        display: String,
        /// The last one that there is.
        last: usize,
        /// What was asked for.
        channel: usize,
    },
    /// The channel cannot be used now.
    #[error(
        "channel {channel} of display {display} is in use by another program, or refuses: choose another one with --channel"
    )]
    Channel {
        /// Its name.
        display: String,
        /// Which.
        channel: usize,
    },
    /// The display has gone, or does not do what it says.
    #[error("display {display}: {reason}")]
    Display {
        /// Its name.
        display: String,
        /// What it said.
        reason: String,
    },
    /// The pipe.
    #[error(transparent)]
    Pipe(#[from] PusherError),
    /// The system.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

/// Why the display did not do something.
#[derive(Debug, thiserror::Error)]
pub enum XError {
    /// The display is gone: there is no more to come from it.
    #[error("the connection is broken: {0}")]
    Gone(#[from] ConnectionError),
    /// It refuses.
    #[error("{0}")]
    Refused(String),
}

impl From<ReplyError> for XError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => Self::Gone(error),
            ReplyError::X11Error(error) => Self::Refused(format!(
                "{:?} of {}",
                error.error_kind,
                error.request_name.unwrap_or("a request")
            )),
        }
    }
}

impl From<ReplyOrIdError> for XError {
    fn from(error: ReplyOrIdError) -> Self {
        match error {
            ReplyOrIdError::IdsExhausted => Self::Refused("no more numbers for its objects".to_owned()),
            ReplyOrIdError::ConnectionError(error) => Self::Gone(error),
            ReplyOrIdError::X11Error(error) => ReplyError::X11Error(error).into(),
        }
    }
}
