//! `vloopback snapshot`: one frame of a pipe as a PNG picture.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use vloopback_abi::Errno;
use vloopback_abi::v4l2::V4l2PixFormat;
use vloopback_abi::v4l2::fourcc::Fourcc;
use vloopback_picture::{Rgb, decode, jpeg};
use vloopback_runtime::native::use_server;
use vloopback_runtime::watch::{Output, open_output};

use crate::args::SnapshotArgs;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::media::encode_png;
use crate::pipes::{self, By};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The output does not open, or ends.
    #[error("{device}: {reason}")]
    Device {
        /// The clients' node.
        device: String,
        /// What it did, and what helps.
        reason: String,
        /// The exit status that fits.
        code: ExitCode,
    },
    /// No frame came.
    #[error("{device}: no frame within {seconds} s; does anybody push into {input}? See `vloopback list`")]
    NoFrame {
        /// The clients' node.
        device: String,
        /// The pusher's.
        input: String,
        /// How long was waited.
        seconds: u32,
    },
    /// The frame is no picture that can be read here.
    #[error("{device}: cannot decode the frame of {length} bytes as {format} of {width}x{height}{hint}")]
    Unreadable {
        /// The clients' node.
        device: String,
        /// Its format.
        format: Fourcc,
        /// Its length in bytes.
        length: usize,
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// What helps.
        hint: &'static str,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<SnapshotError> for Failure {
    fn from(error: SnapshotError) -> Self {
        let code = error.exit_code();
        Self::new(error, code)
    }
}

impl SnapshotError {
    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            SnapshotError::Device { code, .. } => *code,
            SnapshotError::NoFrame { .. } | SnapshotError::Unreadable { .. } => ExitCode::BadDevice,
            SnapshotError::Write { .. } => ExitCode::Failure,
        }
    }
}

/// Takes the picture.
///
/// # Errors
/// [`Failure`]: no server, no such pipe, no frame, a file that cannot be written.
pub fn snapshot(args: &SnapshotArgs) -> Result<ExitCode, Failure> {
    let socket = args.socket.path();
    let (pipe, by) = pipes::find(&socket, &args.pipe)?;
    if by == By::Input {
        eprintln!(
            "vloopback: {} is the input of pipe {}; reading from its output {}",
            pipe.input, pipe.index, pipe.output
        );
    }
    let device = pipe.output.as_str();
    let failed = |errno| failure(device, errno);
    use_server(&socket).map_err(failed)?;
    // The server's own list names its nodes so.
    let node = device.trim_start_matches("/dev/video").parse().unwrap_or(u32::MAX);
    let mut output = open_output(node).map_err(failed)?;
    let (format, frame) = frame(&mut output, args.timeout).map_err(failed)?.ok_or_else(|| {
        let device = device.to_owned();
        SnapshotError::NoFrame { device, input: pipe.input.clone(), seconds: args.timeout }
    })?;
    if !output.is_fed() {
        eprintln!(
            "vloopback: nobody pushes into {}; the picture shows what pipe {} shows without a pusher",
            pipe.input, pipe.index
        );
    }
    let picture = picture(device, &format, &frame)?;
    write(&args.out, &picture)?;
    if args.out.as_os_str() != "-" {
        println!(
            "{}: one frame of {device}, {} {}x{}",
            args.out.display(),
            format.fourcc(),
            picture.width,
            picture.height
        );
    }
    Ok(ExitCode::Success)
}

/// The next frame and its format; None if none comes in time.
fn frame(output: &mut Output, seconds: u32) -> Result<Option<(V4l2PixFormat, Vec<u8>)>, Errno> {
    let patience = Duration::from_secs(seconds.into());
    loop {
        match output.frame(patience) {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

/// What an errno of the output means here.
fn failure(device: &str, errno: Errno) -> SnapshotError {
    let (reason, code) = match errno {
        Errno::ENODEV => {
            ("the vloopback server is gone: start vloopbackd again".to_owned(), ExitCode::NoServer)
        }
        Errno::EINVAL => (
            "nobody pushes into its pipe, and the policy is to refuse clients".to_owned(),
            ExitCode::BadDevice,
        ),
        Errno::EPIPE => ("the pusher has left".to_owned(), ExitCode::BadDevice),
        Errno::EACCES | Errno::EPERM => (
            "it is not for this user: join the node's group, or ask its owner".to_owned(),
            ExitCode::BadDevice,
        ),
        errno => (errno.to_string(), ExitCode::Failure),
    };
    SnapshotError::Device { device: device.to_owned(), reason, code }
}

/// The frame in red, green and blue.
fn picture(device: &str, format: &V4l2PixFormat, frame: &[u8]) -> Result<Rgb, SnapshotError> {
    let fourcc = format.fourcc();
    let known = vloopback_picture::is_known(fourcc);
    // A JPEG picture knows its own size, and cameras' are now and then another than they say.
    let found = decode(fourcc, format.width, format.height, frame)
        .or_else(|| known.then(|| jpeg::decode(frame).ok()).flatten());
    found.ok_or_else(|| SnapshotError::Unreadable {
        device: device.to_owned(),
        format: fourcc,
        length: frame.len(),
        width: format.width,
        height: format.height,
        hint: if known { "" } else { "; `vloopback run -- ffmpeg -f v4l2 -i` the device reads that format" },
    })
}

fn write(path: &Path, picture: &Rgb) -> Result<(), SnapshotError> {
    let failed = |source| SnapshotError::Write { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    encode_png(&mut bytes, picture).map_err(failed)?;
    if path.as_os_str() == "-" {
        return io::stdout().lock().write_all(&bytes).map_err(failed);
    }
    std::fs::write(path, bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Picture, decode_png};
    use vloopback_abi::v4l2::fourcc;
    use vloopback_abi::v4l2::pixel::PixelFormat;

    fn format(fourcc: Fourcc) -> V4l2PixFormat {
        PixelFormat::of(fourcc).unwrap().pix(64, 48).unwrap()
    }

    #[test]
    fn frames_become_pictures() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("out.png");
        let wanted = Rgb::new(64, 48, [200, 100, 50]);
        let frame = vloopback_picture::encode(fourcc::BGR24, &wanted).unwrap();
        write(&path, &picture("/dev/video1", &format(fourcc::BGR24), &frame).unwrap()).unwrap();
        assert_eq!(decode_png(&std::fs::read(&path).unwrap()).unwrap(), Picture::Rgb(wanted.clone()));

        let jpeg = vloopback_picture::encode(fourcc::MJPEG, &wanted).unwrap();
        let other = V4l2PixFormat { width: 32, ..format(fourcc::MJPEG) };
        let got = picture("/dev/video1", &other, &jpeg).unwrap();
        assert_eq!((got.width, got.height), (64, 48), "as the picture says");

        let error = write(Path::new("/nonexistent/x.png"), &wanted).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x.png"), "{error}");
    }

    #[test]
    fn what_is_no_picture_is_told() {
        for (fourcc, hint) in [(fourcc::MJPEG, "5 bytes"), (fourcc::YUYV, "64x48"), (fourcc::H264, "ffmpeg")]
        {
            let error = picture("/dev/video7", &format(fourcc), b"short").unwrap_err().to_string();
            assert!(error.starts_with("/dev/video7: ") && error.contains(hint), "{error}");
        }
    }
}
