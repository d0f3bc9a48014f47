//! The decoded film: raw frames in a file that all processes of the demonstration read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use vloopback_abi::v4l2::fourcc;
use vloopback_abi::v4l2::pixel::PixelFormat;
use vloopback_picture::Rgb;

use crate::args::FramesArgs;
use crate::media::{MediaError, Source};

/// What the frames are: V4L1's palette 15.
pub const FORMAT: PixelFormat = PixelFormat::of(fourcc::YUV420).expect("it is in the list of formats");
/// The most bytes of decoded frames; a longer film is cut and begins again.
const BYTES_MAX: usize = 512 << 20;
/// The smallest width and height that a pipe takes, in pixels (VIDIOCGCAP's minimum is 20).
const SIDE_MIN: u32 = 20;
/// The largest.
const SIDE_MAX: u32 = 8_192;

/// Bytes of a frame of so many pixels; 0 for a size that no frame has.
pub fn frame_len(width: u32, height: u32) -> usize {
    FORMAT.sizeimage(width, height).unwrap_or(0) as usize
}

/// A film on disk.
#[derive(Debug)]
pub struct Film {
    /// The file with the frames.
    pub path: PathBuf,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How many frames the file holds.
    pub frames: usize,
}

/// Why there is no film.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// The input cannot be read.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// Its pictures do not fit a pipe.
    #[error("{}: its frames are {width}x{height}, but a pipe takes {SIDE_MIN} to {SIDE_MAX} pixels a side; scale it with ffmpeg", path.display())]
    Size {
        /// The input.
        path: PathBuf,
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The frames cannot be written out.
    #[error("cannot write decoded frames to {}: {source}; is the disk full? $TMPDIR selects another directory", path.display())]
    Write {
        /// The frames file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Decodes at most `count` frames of `source` to `path`. `progress` hears of each.
///
/// # Errors
/// [`FilmError`].
pub fn decode(
    source: &mut Source,
    count: usize,
    path: &Path,
    mut progress: impl FnMut(usize),
) -> Result<Film, FilmError> {
    let failed = |source| FilmError::Write { path: path.to_owned(), source };
    let (width, height) = source.size();
    let sides = SIDE_MIN..=SIDE_MAX;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(FilmError::Size { path: source.path().to_owned(), width, height });
    }
    // V4L1's clients take no sizes of which something is rounded up: an odd last row or column is cut off.
    let (width, height) = FORMAT.fit(width, height);
    let length = frame_len(width, height);
    let most = count.min(BYTES_MAX / length).max(1);
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    let mut frames = 0;
    while frames < most {
        let Some(picture) = source.next_in_round()? else {
            break;
        };
        let frame = picture.cropped(width, height).frame(&FORMAT).unwrap_or_default();
        debug_assert_eq!(frame.len(), length);
        out.write_all(&frame).map_err(failed)?;
        frames += 1;
        progress(frames);
    }
    out.flush().map_err(failed)?;
    Ok(Film { path: path.to_owned(), width, height, frames })
}

impl Film {
    /// The picture of a frame; None for a frame that is too short.
    pub fn picture(&self, frame: &[u8]) -> Option<Rgb> {
        vloopback_picture::decode(FORMAT.fourcc, self.width, self.height, frame)
    }

    /// The arguments by which another process finds it.
    pub fn arguments(&self) -> [String; 6] {
        [
            "--file".into(),
            self.path.display().to_string(),
            "--width".into(),
            self.width.to_string(),
            "--height".into(),
            self.height.to_string(),
        ]
    }
}

/// The film as a pusher or client has it open.
#[derive(Debug)]
pub struct Reel {
    file: File,
    /// Bytes of a frame.
    pub length: usize,
    /// How many there are.
    pub frames: u32,
}

impl Reel {
    /// Opens it.
    pub fn open(args: &FramesArgs) -> io::Result<Reel> {
        let length = frame_len(args.width, args.height);
        let file = File::open(&args.file)?;
        let frames = file.metadata()?.len().checked_div(length as u64).unwrap_or(0);
        match u32::try_from(frames) {
            Ok(frames) if frames > 0 => Ok(Reel { file, length, frames }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the frames file holds no frame")),
        }
    }

    /// Frame number `frame` of an endless showing.
    pub fn frame(&self, frame: u32, out: &mut [u8]) -> io::Result<()> {
        let offset = u64::from(frame % self.frames) * self.length as u64;
        self.file.read_exact_at(out, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_goes_round() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("frames");
        let mut seen = 0;
        let film = decode(&mut Source::open(None).unwrap(), 5, &path, |frames| seen = frames).unwrap();
        assert_eq!((film.width, film.height, film.frames, seen), (320, 180, 5, 5));
        let args = FramesArgs { file: path, width: 320, height: 180 };
        let reel = Reel::open(&args).unwrap();
        assert_eq!(reel.frames, 5);
        let (mut a, mut b) = (vec![0; reel.length], vec![0; reel.length]);
        reel.frame(1, &mut a).unwrap();
        reel.frame(6, &mut b).unwrap();
        assert_eq!(a, b);
        reel.frame(2, &mut b).unwrap();
        assert_ne!(a, b);
    }

    #[test]
    fn tiny_pictures_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("tiny.y4m");
        std::fs::write(&file, b"YUV4MPEG2 W2 H2\nFRAME\n123456").unwrap();
        let mut source = Source::open(Some(&file)).unwrap();
        let error = decode(&mut source, 5, &temp.path().join("out"), |_| ()).unwrap_err();
        assert!(error.to_string().contains("2x2"), "{error}");
    }
}
