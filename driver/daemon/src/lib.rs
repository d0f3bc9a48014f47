//! The vloopback daemon's server: pipes, sessions, permissions, policies. `vloopbackd` runs it in
//! a process of its own; `vloopback demo` and tests run it embedded.
//!
//! One thread (`server`) owns all state and waits on epoll for connections, requests and closed
//! devices. Beside it there are a thread that only holds the lifeline, one poll notifier for each watched pipe, and one
//! thread for each pipe that shows the no-signal card.

mod card;
mod config;
mod futex;
mod image;
mod lifeline;
pub mod listing;
mod memory;
mod peer;
mod placeholder;
mod poll_notifier;
mod quota;
mod request_notifier;
mod server;
mod socket;

use std::path::{Path, PathBuf};

pub use config::{Config, FIRST_INPUT, MAX_BUFFERS, MAX_PIPES, Order, PipeConfig, Share, default_socket};
pub use image::TimeoutImage;
pub use quota::Limits;
pub use server::{Server, ServerHandle, Stopper};
pub use socket::{
    Connection, Denied, add_pipe, query_list, remove_pipe, set_caps, set_timeout_image, tree_of,
};
pub use vloopback_core::{Idle, Profile};
pub use vloopback_proc::model::Names;
pub use vloopback_wire::{PipeSpec, PixelFormat};

/// The build, as a library and a server tell each other: the version, and a number of what they share.
pub fn build() -> String {
    vloopback_wire::build_text(vloopback_ring::LAYOUT)
}

/// Why a server did not start, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The socket could not be made.
    #[error("cannot listen on {}: {reason}", socket.display())]
    Socket {
        /// Its path.
        socket: PathBuf,
        /// What was tried and what came of it.
        reason: String,
    },
    /// A server already listens there.
    #[error("a vloopback server already listens on {}: use it, or choose another path with --socket", socket.display())]
    InUse {
        /// Its path.
        socket: PathBuf,
    },
    /// Nobody listens there.
    #[error("no vloopback server at {} ({reason}): start vloopbackd, or use `vloopback run`", socket.display())]
    Unreachable {
        /// Its path.
        socket: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The server there is not trusted.
    #[error("refusing to use the server at {}: {reason}", socket.display())]
    Stranger {
        /// Its path.
        socket: PathBuf,
        /// Its user, and why it is not trusted.
        reason: String,
    },
    /// Something else listens there, or a server of another build.
    #[error("the server at {} is not compatible: {reason}", socket.display())]
    Protocol {
        /// Its path.
        socket: PathBuf,
        /// What it said.
        reason: String,
    },
    /// An option out of range.
    #[error("{0}")]
    Option(String),
    /// A configuration file.
    #[error("{}: {reason}", file.display())]
    Config {
        /// The file.
        file: PathBuf,
        /// Line, key and reason.
        reason: String,
    },
    /// A system error.
    #[error("{what}: {reason}")]
    System {
        /// What was tried.
        what: String,
        /// The system's words.
        reason: String,
    },
}

impl ServerError {
    fn system(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::System { what: what.into(), reason: reason.to_string() }
    }
}

/// Whether a server answers at `socket`.
pub fn is_reachable(socket: &Path) -> bool {
    Connection::to(socket).is_ok()
}
