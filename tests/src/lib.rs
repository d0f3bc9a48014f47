//! The harness of vloopback's end-to-end tests: a daemon of its own for each test, programs under
//! `vloopback run`, and waits that end with an event or with a deadline, never with a sleep.
//!
//! A test makes an [`Env`], starts C programs of `tests/programs` or any other command in it, and
//! talks with them by lines: each line that a program prints is an event, each line that it is sent
//! is an order. All of that ends with the `Env`, whatever the test's own end.
//!
//! | variable | meaning |
//! |---|---|
//! | `VLOOPBACK_BIN_DIR` | where `vloopback` and `vloopbackd` are; else the directory above the test's own |
//! | `VLOOPBACK_PRELOAD` | another preload library, handed on to the programs |
//! | `VLOOPBACK_PROGRAMS` | `32`, `32-time64` or `32-old`: the programs of `tests/programs` are 32-bit ones |
//! | `VLOOPBACK_EXPECT_TORN` | the library's ring is broken on purpose: frames have to be torn |
//! | `VLOOPBACK_FULL` | set: run what is otherwise only sampled |
#![deny(unsafe_code)]

pub mod cases;
pub mod conformance;
mod env;
mod events;
// It is a process that reads and writes another one's memory.
#[allow(unsafe_code)]
pub mod foreign;
pub mod pattern;
mod process;
mod programs;

pub use env::{Env, EnvBuilder, Pipe, bin_dir, binary};
pub use events::{clean, number};
pub use process::{Ended, Job, PATIENCE, Running};
pub use programs::{Width, copy_program, program, program_of, source_root};

/// Ends a test that can't run here: prints `SKIP: reason`, which the runner counts (in CI as a failure).
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        println!("SKIP: {}", format_args!($($reason)*));
        return;
    }};
}

/// Whether everything is to be run (`tests/run --full`), not a sample.
pub fn full() -> bool {
    std::env::var_os("VLOOPBACK_FULL").is_some()
}

/// Whether a command of this name is installed.
pub fn have(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(command).is_file())
}
