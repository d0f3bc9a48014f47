//! Frames from files: the bundled clip, Motion-JPEG, AVI with Motion-JPEG, YUV4MPEG2, JPEG and
//! PNG pictures, and through an `ffmpeg` process whatever that reads.

mod avi;
mod error;
mod ffmpeg;
mod jpeg_stream;
mod picture;
mod still;
mod y4m;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use error::MediaError;
pub use jpeg_stream::{SplitError, split};
pub use picture::Picture;
pub use still::{decode_jpeg, decode_png, encode_png};

/// The bundled clip: an excerpt of Big Buck Bunny, (c) 2008 Blender Foundation /
/// www.bigbuckbunny.org, CC BY 3.0; `assets/LICENSE-clip.md` tells what was changed.
pub const CLIP: &[u8] = include_bytes!("../../assets/bigbuckbunny-320x180.mjpeg");
/// The clip's own frame rate, numerator and denominator: every second frame of a 25 a second film.
pub const CLIP_RATE: (u32, u32) = (25, 2);
/// What messages call the clip.
const CLIP_NAME: &str = "the bundled clip";
/// The rate of files that do not tell one (a plain Motion-JPEG row, a picture).
const RATE_UNTOLD: (u32, u32) = (25, 1);

/// A row of frames of one size, which begins again when it ends.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    reader: Reader,
    size: (u32, u32),
    rate: (u32, u32),
    /// Frames given since the row began.
    position: usize,
    /// The first frame, decoded to learn its size, until it is asked for.
    first: Option<Picture>,
    /// The end was met: the next frame is the first one again.
    looped: bool,
}

/// One way to get at pictures.
#[derive(Debug)]
enum Reader {
    /// JPEG pictures within bytes in memory.
    Jpegs { bytes: Cow<'static, [u8]>, pictures: Vec<Range<usize>>, next: usize },
    /// A single picture.
    Still { picture: Picture, given: bool },
    /// Raw planes in a file.
    Y4m { input: BufReader<File>, header: y4m::Header, start: u64 },
    /// Raw planes from a decoder process.
    Ffmpeg { decoder: ffmpeg::Decoder, header: y4m::Header },
}

impl Source {
    /// Opens `path`, or the bundled clip. What a file is, its first bytes tell, not its name.
    ///
    /// # Errors
    /// [`MediaError`]: the file is not there, is damaged, or needs ffmpeg.
    pub fn open(path: Option<&Path>) -> Result<Source, MediaError> {
        let (path, reader, rate) = match path {
            None => {
                let path = PathBuf::from(CLIP_NAME);
                let reader = jpegs(&path, Cow::Borrowed(CLIP))?;
                (path, reader, CLIP_RATE)
            }
            Some(path) => {
                let (reader, rate) = open_file(path)?;
                (path.to_owned(), reader, rate)
            }
        };
        let mut source = Source { path, reader, size: (0, 0), rate, position: 0, first: None, looped: false };
        let first = source.read()?.ok_or_else(|| MediaError::Empty { path: source.path.clone() })?;
        source.size = first.size();
        source.first = Some(first);
        Ok(source)
    }

    /// Width and height in pixels, as the file has them.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Frames a second, as numerator and denominator.
    pub fn rate(&self) -> (u32, u32) {
        self.rate
    }

    /// The file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next frame of this round; None once at its end, after which the row begins again.
    ///
    /// # Errors
    /// [`MediaError`] where the file is damaged or a frame's size differs from the first one's.
    pub fn next_in_round(&mut self) -> Result<Option<Picture>, MediaError> {
        if let Some(first) = self.first.take() {
            self.position = 1;
            return Ok(Some(first));
        }
        if self.looped {
            self.looped = false;
            self.rewind()?;
        }
        let Some(picture) = self.read()? else {
            self.looped = true;
            self.position = 0;
            return Ok(None);
        };
        if picture.size() != self.size {
            let (width, height) = picture.size();
            return Err(MediaError::SizeChange {
                path: self.path.clone(),
                frame: self.position,
                width,
                height,
                want_width: self.size.0,
                want_height: self.size.1,
            });
        }
        self.position += 1;
        Ok(Some(picture))
    }

    /// Whether there is only one picture, which no film is.
    pub fn is_still(&self) -> bool {
        match &self.reader {
            Reader::Jpegs { pictures, .. } => pictures.len() == 1,
            Reader::Still { .. } => true,
            Reader::Y4m { .. } | Reader::Ffmpeg { .. } => false,
        }
    }

    /// The JPEG picture that the next frame of this round is in the file, as it is there; None for files
    /// that hold no such pictures, and at the end of a round.
    pub fn next_jpeg(&self) -> Option<&[u8]> {
        let Reader::Jpegs { bytes, pictures, next } = &self.reader else { return None };
        let next = if self.first.is_some() || self.looped { 0 } else { *next };
        bytes.get(pictures.get(next)?.clone())
    }

    /// Passes over the next frame of this round, without decoding it where that can be done; false once
    /// at its end.
    ///
    /// # Errors
    /// As [`Source::next_in_round`].
    pub fn skip_in_round(&mut self) -> Result<bool, MediaError> {
        match &mut self.reader {
            Reader::Jpegs { pictures, next, .. } if self.first.is_none() && !self.looped => {
                let there = *next < pictures.len();
                if there {
                    *next += 1;
                    self.position += 1;
                    return Ok(true);
                }
                // The end, which is told in one place.
                Ok(self.next_in_round()?.is_some())
            }
            _ => Ok(self.next_in_round()?.is_some()),
        }
    }

    fn read_error(&self, source: io::Error) -> MediaError {
        MediaError::Read { path: self.path.clone(), source }
    }

    fn read(&mut self) -> Result<Option<Picture>, MediaError> {
        match &mut self.reader {
            Reader::Jpegs { bytes, pictures, next } => {
                let Some(range) = pictures.get(*next).cloned() else {
                    return Ok(None);
                };
                let offset = range.start;
                let picture = decode_jpeg(&bytes[range]).map_err(|reason| MediaError::Decode {
                    path: self.path.clone(),
                    frame: *next,
                    offset,
                    reason,
                })?;
                *next += 1;
                Ok(Some(picture))
            }
            Reader::Still { picture, given } => {
                Ok((!std::mem::replace(given, true)).then(|| picture.clone()))
            }
            Reader::Y4m { input, header, .. } => match y4m::frame(input, header) {
                Ok(picture) => Ok(picture),
                Err(error) => {
                    let offset = input.stream_position().unwrap_or(0);
                    Err(MediaError::Malformed { path: self.path.clone(), offset, reason: error.to_string() })
                }
            },
            Reader::Ffmpeg { decoder, header } => match y4m::frame(&mut decoder.output, header) {
                Ok(picture) => Ok(picture),
                Err(_) => Err(MediaError::Ffmpeg { path: self.path.clone(), reason: decoder.complaint() }),
            },
        }
    }

    fn rewind(&mut self) -> Result<(), MediaError> {
        match &mut self.reader {
            Reader::Jpegs { next, .. } => *next = 0,
            Reader::Still { given, .. } => *given = false,
            Reader::Y4m { input, start, .. } => {
                if let Err(error) = input.seek(SeekFrom::Start(*start)) {
                    return Err(self.read_error(error));
                }
            }
            Reader::Ffmpeg { .. } => self.reader = open_ffmpeg(&self.path)?.0,
        }
        Ok(())
    }
}

/// Without end: the row begins again when it ends.
impl Iterator for Source {
    type Item = Result<Picture, MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_in_round() {
            Ok(Some(picture)) => Some(Ok(picture)),
            // A round has at least one frame: `open` saw it.
            Ok(None) => self.next_in_round().transpose(),
            Err(error) => Some(Err(error)),
        }
    }
}

fn jpegs(path: &Path, bytes: Cow<'static, [u8]>) -> Result<Reader, MediaError> {
    let pictures = split(&bytes).map_err(|source| MediaError::Stream { path: path.to_owned(), source })?;
    Ok(Reader::Jpegs { bytes, pictures, next: 0 })
}

fn open_file(path: &Path) -> Result<(Reader, (u32, u32)), MediaError> {
    use std::io::Read;

    let failed = |source| MediaError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut magic = Vec::new();
    file.by_ref().take(12).read_to_end(&mut magic).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut whole = || {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes).map_err(failed)
    };
    if magic.starts_with(&[0xff, 0xd8]) {
        return Ok((jpegs(path, Cow::Owned(whole()?))?, RATE_UNTOLD));
    }
    if magic.starts_with(b"\x89PNG") {
        let picture = decode_png(&whole()?).map_err(|reason| MediaError::Decode {
            path: path.to_owned(),
            frame: 0,
            offset: 0,
            reason,
        })?;
        let given = false;
        return Ok((Reader::Still { picture, given }, RATE_UNTOLD));
    }
    if magic.starts_with(b"RIFF") {
        let bytes = whole()?;
        if let Some(avi) = avi::read(&bytes) {
            let rate = match avi.frame_micros {
                0 => RATE_UNTOLD,
                micros => (1_000_000, micros),
            };
            let reader = Reader::Jpegs { bytes: Cow::Owned(bytes), pictures: avi.pictures, next: 0 };
            return Ok((reader, rate));
        }
    }
    if magic.starts_with(b"YUV4MPEG2") {
        let mut input = BufReader::new(file);
        match y4m::header(&mut input) {
            Ok(header) => {
                let start = input.stream_position().map_err(failed)?;
                let rate = header.rate;
                return Ok((Reader::Y4m { input, header, start }, rate));
            }
            // Other depths and subsamplings: ffmpeg converts them.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => {
                return Err(MediaError::Malformed {
                    path: path.to_owned(),
                    offset: 0,
                    reason: error.to_string(),
                });
            }
        }
    }
    if magic.is_empty() {
        return Err(MediaError::Empty { path: path.to_owned() });
    }
    open_ffmpeg(path)
}

fn open_ffmpeg(path: &Path) -> Result<(Reader, (u32, u32)), MediaError> {
    let mut decoder = ffmpeg::start(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => MediaError::NeedsFfmpeg { path: path.to_owned() },
        _ => MediaError::Ffmpeg { path: path.to_owned(), reason: error.to_string() },
    })?;
    let header = y4m::header(&mut decoder.output)
        .map_err(|_| MediaError::Ffmpeg { path: path.to_owned(), reason: decoder.complaint() })?;
    let rate = header.rate;
    Ok((Reader::Ffmpeg { decoder, header }, rate))
}

#[cfg(test)]
mod tests;
