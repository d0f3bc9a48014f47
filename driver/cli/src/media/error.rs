//! What can go wrong with a video or picture file.

use std::path::PathBuf;

use super::jpeg_stream::SplitError;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;

/// Why a file gives no (further) frame. Each message names the file and says what would help.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The file could not be opened or read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row of JPEG pictures breaks off or holds something else.
    #[error("{path}: {source}", path = path.display())]
    Stream {
        /// The file.
        path: PathBuf,
        /// Which frame, and where in the file.
        source: SplitError,
    },
    /// One picture could not be decoded.
    #[error("{path}: cannot decode frame {frame} at byte {offset}: {reason}; is the file complete?", path = path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Number of the picture, from 0.
        frame: usize,
        /// Where its bytes begin in the file.
        offset: usize,
        /// What the decoder said.
        reason: String,
    },
    /// The frames of one file differ in size.
    #[error("{path}: frame {frame} is {width}x{height}, but the frames before it are {want_width}x{want_height}; split the file where the size changes", path = path.display())]
    SizeChange {
        /// The file.
        path: PathBuf,
        /// Number of the frame, from 0.
        frame: usize,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The width of the frames before it.
        want_width: u32,
        /// The height of the frames before it.
        want_height: u32,
    },
    /// The file is of a known kind but does not keep its rules.
    #[error("{path}: {reason} (at byte {offset})", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// Which rule.
        reason: String,
    },
    /// The file holds no frame at all.
    #[error("{path}: the file contains no picture", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A format that only ffmpeg reads, and ffmpeg is not installed.
    #[error("{path}: without ffmpeg, only .mjpeg, .avi with Motion-JPEG, .y4m (8-bit 4:2:0), .jpg and .png can be read; for other files: apt-get install -y --no-install-recommends ffmpeg", path = path.display())]
    NeedsFfmpeg {
        /// The file.
        path: PathBuf,
    },
    /// ffmpeg was started and failed.
    #[error("{path}: ffmpeg cannot read it: {reason}", path = path.display())]
    Ffmpeg {
        /// The file.
        path: PathBuf,
        /// ffmpeg's own words.
        reason: String,
    },
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        Self::new(error, ExitCode::Failure)
    }
}
