//! Timeout images: what clients see in place of the no-signal card. Files are decoded here, so that the server reads none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use vloopback_daemon::TimeoutImage;

use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::media::{MediaError, Source};

/// Why a timeout image is not shown.
#[derive(Debug, thiserror::Error)]
pub enum TimeoutImageError {
    /// The file.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The system gave out of something.
    #[error("{}: cannot allocate memory for the picture: {}", path.display(), reason.desc())]
    Memory {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: Errno,
    },
    /// The server does not take it.
    #[error("{device}: {reason}")]
    Device {
        /// The node that was named.
        device: String,
        /// What it said, and what helps.
        reason: String,
    },
}

impl From<TimeoutImageError> for Failure {
    fn from(error: TimeoutImageError) -> Self {
        let code = error.exit_code();
        Self::new(error, code)
    }
}

impl TimeoutImageError {
    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Device { .. } => ExitCode::BadDevice,
            Self::Media(_) | Self::Memory { .. } => ExitCode::Failure,
        }
    }
}

/// The picture in a file, or the first one of a film.
///
/// # Errors
/// [`TimeoutImageError::Media`] for a file that is not there or no picture, [`TimeoutImageError::Memory`].
pub fn read(path: &Path) -> Result<TimeoutImage, TimeoutImageError> {
    let mut source = Source::open(Some(path))?;
    let picture = source.next_in_round()?.ok_or_else(|| MediaError::Empty { path: path.to_owned() })?;
    TimeoutImage::new(&picture.to_rgb())
        .map_err(|reason| TimeoutImageError::Memory { path: path.to_owned(), reason })
}

/// The pictures in several files.
///
/// # Errors
/// As [`read`].
pub fn read_all<'a>(
    files: impl Iterator<Item = &'a PathBuf>,
) -> Result<BTreeMap<PathBuf, Arc<TimeoutImage>>, TimeoutImageError> {
    files.map(|file| Ok((file.clone(), Arc::new(read(file)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::encode_png;
    use vloopback_picture::Rgb;

    #[test]
    fn pictures_are_read_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("picture.png");
        let mut bytes = Vec::new();
        encode_png(&mut bytes, &Rgb::new(33, 21, [1, 2, 3])).unwrap();
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(read(&file).unwrap().size(), (33, 21));
        assert_eq!(read_all([file.clone()].iter()).unwrap().len(), 1);

        bytes.truncate(bytes.len() / 2);
        std::fs::write(&file, &bytes).unwrap();
        for bad in [&file, &folder.path().join("missing.png")] {
            let error = read(bad).unwrap_err();
            assert!(error.to_string().contains(&bad.display().to_string()), "{error}");
            assert_eq!(error.exit_code(), ExitCode::Failure);
        }
    }
}
