//! Relays a V4L2 camera into a vloopback pipe, frame by frame, in the camera's own format.
//!
//! Needs the feature `camera`.

#![forbid(unsafe_code)]

#[cfg(feature = "camera")]
mod relay;

use std::process::ExitCode;

#[cfg(feature = "camera")]
fn main() -> ExitCode {
    match relay::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("camera-relay: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(feature = "camera"))]
fn main() -> ExitCode {
    eprintln!(
        "camera-relay: built without cameras: install libclang (apt-get install libclang-dev), then build \
         with `cargo build --release -p vloopback-camera-relay --features camera`"
    );
    ExitCode::FAILURE
}
