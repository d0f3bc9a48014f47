//! What stops a subcommand, and the exit status that it gives.

use std::path::PathBuf;

use vloopback_daemon::ServerError;

use crate::ctl::CtlError;
use crate::demo::DemoError;
use crate::exit_codes::ExitCode;
use crate::media::MediaError;
use crate::pipes::NoSuchPipe;
use crate::preload::PreloadError;
use crate::push::PushError;
use crate::snapshot::SnapshotError;
use crate::timeout_image::TimeoutImageError;

/// Why a subcommand ended without success.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server: not there, not to be started, or not of this build.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server that `run` started gave up.
    #[error("the vloopback server did not start: {reason}")]
    ServerStart {
        /// Its own words.
        reason: String,
        /// The exit status that fits them.
        code: ExitCode,
    },
    /// The preload library could not be put in place.
    #[error(transparent)]
    Preload(#[from] PreloadError),
    /// A film or picture.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The command line names a pipe that is not there.
    #[error(transparent)]
    Pipe(#[from] NoSuchPipe),
    /// A pipe was not made, changed or taken away.
    #[error(transparent)]
    Ctl(#[from] CtlError),
    /// `push`.
    #[error(transparent)]
    Push(#[from] PushError),
    /// `snapshot`.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The timeout image.
    #[error(transparent)]
    TimeoutImage(#[from] TimeoutImageError),
    /// The demonstration.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// `run`: no such command.
    #[error("{}: command not found; is it installed, and in $PATH?", name.display())]
    CommandNotFound {
        /// As the user wrote it.
        name: PathBuf,
    },
    /// `run`: the command is there, but cannot be started.
    #[error("{}: cannot be started: {source}", name.display())]
    CannotRun {
        /// As the user wrote it.
        name: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave out of something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Failure {
    /// A [`Failure::System`], for `map_err`.
    pub fn system<E: Into<std::io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Failure {
        let what = what.into();
        move |source| Failure::System { what, source: source.into() }
    }

    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Server(error) => server_code(error),
            Failure::ServerStart { code, .. } => *code,
            Failure::Pipe(_) => ExitCode::BadDevice,
            Failure::Ctl(error) => error.exit_code(),
            Failure::Push(error) => error.exit_code(),
            Failure::Snapshot(error) => error.exit_code(),
            Failure::TimeoutImage(error) => error.exit_code(),
            Failure::Demo(DemoError::WrongPixels { .. }) => ExitCode::WrongPixels,
            Failure::Demo(DemoError::Device { .. }) => ExitCode::BadDevice,
            Failure::CommandNotFound { .. } => ExitCode::CommandNotFound,
            Failure::CannotRun { .. } => ExitCode::CannotRun,
            Failure::Preload(_) | Failure::Media(_) | Failure::Demo(_) | Failure::System { .. } => {
                ExitCode::Failure
            }
        }
    }
}

/// The exit status that a server's failure gives.
pub fn server_code(error: &ServerError) -> ExitCode {
    match error {
        ServerError::Option(_) | ServerError::Config { .. } => ExitCode::Usage,
        ServerError::Unreachable { .. } | ServerError::Stranger { .. } | ServerError::Protocol { .. } => {
            ExitCode::NoServer
        }
        _ => ExitCode::Failure,
    }
}
