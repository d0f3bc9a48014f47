//! What can go wrong, and what helps.

use std::io;
use std::path::PathBuf;

use vloopback_sdk::{Fourcc, PusherError};

/// Why a camera's frames do not come, or do not go on.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The camera cannot be opened.
    #[error("{}: {source}; is it there, and are you of its group (video)?", camera.display())]
    Open {
        /// The camera.
        camera: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no camera.
    #[error("{} is no camera that streams: name another (v4l2-ctl --list-devices tells which there are)", camera.display())]
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
    #[error("{} gives {is}, not {wanted}: choose one that it has (v4l2-ctl --list-formats-ext tells which)", camera.display())]
    Format {
        /// The camera.
        camera: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What it gives instead.
        is: String,
    },
    /// Pipes carry none of its formats.
    #[error("{} has no format that pipes carry; its own is {}", camera.display(), is)]
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
