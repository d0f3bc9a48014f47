//! What can go wrong, and what helps.

use std::io;
use std::path::PathBuf;

use vloopback_sdk::{Fourcc, PusherError};

/// Why a camera's frames do not come, or do not go on.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The camera cannot be opened.
    #[error("{}: {source}; does it exist, and are you in its group (video)?", camera.display())]
    Open {
        /// The camera.
        camera: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no camera.
    #[error("{} is not a streaming camera: name another one (v4l2-ctl --list-devices lists them)", camera.display())]
    NotACamera {
        /// What was named.
        camera: PathBuf,
    },
    /// It does not do what it was asked to.
    #[error("{}: {what}: {source}", camera.display())]
    Camera {
        /// The camera.
        camera: PathBuf,
        /// What it was asked for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It has frames of another kind.
    #[error("{} gives {is}, not {wanted}: choose a format that it has (v4l2-ctl --list-formats-ext lists them)", camera.display())]
    Format {
        /// The camera.
        camera: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What it gives instead.
        is: String,
    },
    /// Pipes carry none of its formats.
    #[error("{} has no format that a pipe can carry; its own is {}", camera.display(), is)]
    NoFormat {
        /// The camera.
        camera: PathBuf,
        /// What it gives.
        is: Fourcc,
    },
    /// The pipe.
    #[error(transparent)]
    Pipe(#[from] PusherError),
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
