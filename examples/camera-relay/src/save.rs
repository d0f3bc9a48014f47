//! Saves frames of a V4L2 camera as they come: for a look at what a camera, or a pipe, gives.
//!
//! Needs the feature `camera`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(feature = "camera")]
mod save {
    use std::fs::File;
    use std::io::Write;
    use std::path::PathBuf;

    use clap::Parser;
    use vloopback_camera_relay::camera::Camera;
    use vloopback_camera_relay::errors::RelayError;

    /// Saves frames of a V4L2 camera, one after the other, without anything between them.
    #[derive(Debug, Parser)]
    #[command(name = "camera-save", version)]
    struct Args {
        /// The camera, such as /dev/video1
        camera: PathBuf,
        /// How many frames
        frames: u64,
        /// Where to
        file: PathBuf,
    }

    pub(crate) fn run() -> Result<(), RelayError> {
        let args = Args::parse();
        let camera = Camera::open(&args.camera)?;
        let failed = |source| RelayError::File { path: args.file.clone(), source };
        let mut file = File::create(&args.file).map_err(failed)?;
        println!("{}: {}", args.camera.display(), camera.format());
        let mut stream = camera.stream()?;
        let mut saved = 0;
        while saved < args.frames {
            if let Some(frame) = stream.frame()? {
                file.write_all(frame).map_err(failed)?;
                saved += 1;
            }
        }
        Ok(())
    }
}

#[cfg(feature = "camera")]
fn main() -> ExitCode {
    match save::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("camera-save: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(feature = "camera"))]
fn main() -> ExitCode {
    eprintln!(
        "camera-save: built without cameras: install libclang (apt-get install libclang-dev), then build \
         with `cargo build --release -p vloopback-camera-relay --features camera`"
    );
    ExitCode::FAILURE
}
