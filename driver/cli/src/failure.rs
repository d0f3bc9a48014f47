//! What stops a subcommand, and the exit status that it gives. Each subcommand turns its own errors into a [`Failure`]; this
//! file knows none of them.

use std::error::Error;
use std::fmt;

use vloopback_daemon::ServerError;

use crate::exit_codes::ExitCode;

/// Why a subcommand ended without success: an error, and the exit status.
#[derive(Debug)]
pub struct Failure {
    error: Box<dyn Error + Send + Sync>,
    code: ExitCode,
}

impl Failure {
    /// An error that ends the program with `code`.
    pub fn new(error: impl Error + Send + Sync + 'static, code: ExitCode) -> Self {
        Self { error: Box::new(error), code }
    }

    /// The system gave out of something: for `map_err`, with what was tried.
    pub fn system<E: Into<std::io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Failure {
        let what = what.into();
        move |source| Failure::new(SystemError { what, source: source.into() }, ExitCode::Failure)
    }

    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        self.code
    }

    /// The error, if it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// The system gave out of something.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
struct SystemError {
    /// What was tried.
    what: String,
    /// What the system said.
    source: std::io::Error,
}

/// The server: not there, not to be started, or not of this build.
impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let code = server_code(&error);
        Self::new(error, code)
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
