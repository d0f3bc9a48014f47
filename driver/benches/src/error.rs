//! Why a measurement did not come about.

use std::io;

/// Why a measurement did not come about.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A call of the system failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// How it ended.
        source: io::Error,
    },
    /// A process that is measured said something else than expected, or died.
    #[error("the {role} answered '{answer}' to '{question}'")]
    Answer {
        /// Which process.
        role: &'static str,
        /// What it was told to do.
        question: String,
        /// What it said.
        answer: String,
    },
    /// A program that is needed says something unexpected.
    #[error("{program}: {reason}")]
    Program {
        /// Which program.
        program: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl BenchError {
    /// A failed call.
    pub fn system(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System { what: what.into(), source: source.into() }
    }

    /// A failed call, by errno.
    pub fn last(what: impl Into<String>) -> Self {
        Self::system(what, io::Error::last_os_error())
    }
}
