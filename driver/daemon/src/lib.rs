//! The vloopback daemon's server: pipes, sessions, permissions, policies. `vloopbackd` runs it in
//! a process of its own; `vloopback demo` and tests run it embedded.
//!
//! One thread (`server`) owns all state and waits on epoll for connections, requests and closed
//! devices. Beside it: a thread that only holds the lifeline, one ringer a watched pipe, and one that
//! shows the no-signal card on a pipe that is watched and not fed.

mod bell;
mod card;
mod clock;
mod config;
mod doorman;
mod futex;
mod image;
mod lifeline;
mod listing;
mod memory;
mod peer;
mod placeholder;
mod quota;
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

/// What a library and a server tell each other of their build: the version, and a number of what they share.
pub fn build() -> String {
    vloopback_wire::build_text(vloopback_ring::LAYOUT)
}

/// Why a server did not start, or was not reached.
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
    /// A server listens there already.
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
    /// Who listens there is not to be trusted.
    #[error("the server at {} is not used: {reason}", socket.display())]
    Stranger {
        /// Its path.
        socket: PathBuf,
        /// Whose it is, and why that is not enough.
        reason: String,
    },
    /// Something else listens there, or a server of another build.
    #[error("the server at {} does not fit: {reason}", socket.display())]
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
    /// The system gave out of something.
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
