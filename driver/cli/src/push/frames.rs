//! The frames that are pushed: of a film, or of the test pattern.

use std::path::Path;

use vloopback_abi::v4l2::fourcc;
use vloopback_abi::v4l2::pixel::PixelFormat;
use vloopback_picture::{encode, jpeg, pattern::Pattern};

use super::PushError;
use crate::media::{MediaError, Picture, Source};
use crate::values::Rate;

/// Width and height of the test pattern where nobody asks for another.
const PATTERN_SIZE: (u32, u32) = (640, 480);
/// Its rate.
const PATTERN_RATE: Rate = Rate { frames: 30, seconds: 1 };

/// Where pictures come from.
#[derive(Debug)]
enum Origin {
    Pattern(Pattern),
    Film(Box<Source>),
}

/// What a film or the pattern gives.
enum Next {
    /// A frame as it is to be pushed.
    Frame(Vec<u8>),
    /// A picture to make one of.
    Picture(Picture),
}

/// A row of frames of one format and size.
#[derive(Debug)]
pub struct Frames {
    origin: Origin,
    format: PixelFormat,
    size: (u32, u32),
    /// The size was asked for and is not the film's own.
    scaled: bool,
    endless: bool,
    /// The frame of a picture that stands still.
    still: Option<Vec<u8>>,
    /// The number of the next one.
    number: u32,
}

impl Frames {
    /// The frames of `input`, or of the test pattern. `size` scales them. An `endless` film begins again
    /// when it ends; pictures and the pattern have no end.
    ///
    /// # Errors
    /// [`MediaError`] for a file that cannot be read.
    pub fn open(
        input: Option<&Path>,
        format: PixelFormat,
        size: Option<(u32, u32)>,
        endless: bool,
    ) -> Result<Frames, MediaError> {
        let (origin, own) = match input {
            Some(path) => {
                let source = Source::open(Some(path))?;
                let own = source.size();
                (Origin::Film(Box::new(source)), own)
            }
            None => {
                let (width, height) = size.unwrap_or(PATTERN_SIZE);
                (Origin::Pattern(Pattern::new(width, height)), (width, height))
            }
        };
        let size = size.unwrap_or(own);
        let scaled = size != own;
        let endless = endless || matches!(&origin, Origin::Film(source) if source.is_still());
        Ok(Frames { origin, format, size, scaled, endless, still: None, number: 0 })
    }

    /// What the frames are of, for messages.
    pub fn name(&self) -> String {
        match &self.origin {
            Origin::Pattern(_) => "the test pattern".to_owned(),
            Origin::Film(source) => source.path().display().to_string(),
        }
    }

    /// Width and height of a frame in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The rate of the film itself.
    pub fn rate(&self) -> Rate {
        match &self.origin {
            Origin::Pattern(_) => PATTERN_RATE,
            Origin::Film(source) => {
                let (frames, seconds) = source.rate();
                Rate { frames, seconds }
            }
        }
    }

    /// The next frame; None at the end of a film.
    ///
    /// # Errors
    /// [`PushError`] for a damaged film, or a format that cannot be made.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, PushError> {
        if let Some(still) = &self.still {
            return Ok(Some(still.clone()));
        }
        let mut next = self.read()?;
        if next.is_none() && self.endless {
            next = self.read()?;
        }
        let picture = match next {
            None => return Ok(None),
            Some(Next::Frame(frame)) => return Ok(Some(frame)),
            Some(Next::Picture(picture)) => picture,
        };
        self.number = self.number.wrapping_add(1);
        let frame = if self.scaled {
            let (width, height) = self.size;
            encode(self.format.fourcc, &picture.to_rgb().scaled(width, height))
        } else {
            picture.frame(&self.format)
        };
        let (width, height) = self.size;
        let frame = frame.ok_or(PushError::Encode { format: self.format.fourcc, width, height })?;
        if matches!(&self.origin, Origin::Film(source) if source.is_still()) {
            self.still = Some(frame.clone());
        }
        Ok(Some(frame))
    }

    /// What comes next; None once at the end of a film.
    fn read(&mut self) -> Result<Option<Next>, PushError> {
        let source = match &mut self.origin {
            Origin::Pattern(pattern) => {
                return Ok(Some(Next::Picture(Picture::Rgb(pattern.frame(self.number)))));
            }
            Origin::Film(source) => source,
        };
        if matches!(self.format.fourcc, fourcc::MJPEG | fourcc::JPEG) {
            // As it is in the file, where it fits.
            let (width, height) = self.size;
            let most = self.format.sizeimage(width, height).map_or(0, |length| length as usize);
            let fits = |bytes: &&[u8]| bytes.len() <= most && jpeg::size(bytes) == Some((width, height));
            if let Some(frame) = source.next_jpeg().filter(fits).map(<[u8]>::to_vec) {
                source.skip_in_round()?;
                return Ok(Some(Next::Frame(frame)));
            }
        }
        Ok(source.next_in_round()?.map(Next::Picture))
    }

    /// Passes over the next frame, for when nobody watches; false at the end of a film.
    ///
    /// # Errors
    /// As [`Frames::next`].
    pub fn skip(&mut self) -> Result<bool, PushError> {
        match &mut self.origin {
            Origin::Film(source) if !source.is_still() => {
                Ok(source.skip_in_round()? || (self.endless && source.skip_in_round()?))
            }
            Origin::Pattern(_) | Origin::Film(_) => {
                self.number = self.number.wrapping_add(1);
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{CLIP, split};
    use vloopback_abi::v4l2::fourcc::Fourcc;
    use vloopback_picture::{decode, pattern};

    fn of(fourcc: Fourcc) -> PixelFormat {
        PixelFormat::of(fourcc).unwrap()
    }

    fn film(dir: &Path) -> std::path::PathBuf {
        let mut bytes = b"YUV4MPEG2 W6 H4 F10:1\n".to_vec();
        for level in [40u8, 80, 120] {
            bytes.extend(b"FRAME\n");
            bytes.extend([vec![level; 24], vec![100; 6], vec![150; 6]].concat());
        }
        let path = dir.join("film.y4m");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn the_pattern_counts_also_what_is_passed_over() {
        let mut frames = Frames::open(None, of(fourcc::YUYV), Some((64, 48)), false).unwrap();
        let mut number = || {
            let frame = frames.next().unwrap().unwrap();
            pattern::number(&decode(fourcc::YUYV, 64, 48, &frame).unwrap())
        };
        assert_eq!((number(), number()), (Some(0), Some(1)));
        assert!(frames.skip().unwrap());
        let frame = frames.next().unwrap().unwrap();
        assert_eq!(pattern::number(&decode(fourcc::YUYV, 64, 48, &frame).unwrap()), Some(3));
    }

    #[test]
    fn films_keep_their_luma_end_and_begin_again() {
        let temp = tempfile::tempdir().unwrap();
        let mut frames = Frames::open(Some(&film(temp.path())), of(fourcc::UYVY), None, false).unwrap();
        assert_eq!((frames.size(), frames.rate()), ((6, 4), Rate { frames: 10, seconds: 1 }));
        assert_eq!(frames.next().unwrap().unwrap()[..4], [100, 40, 150, 40]);
        assert!(frames.skip().unwrap());
        assert_eq!(frames.next().unwrap().unwrap()[1], 120);
        assert_eq!(frames.next().unwrap(), None);

        let mut frames = Frames::open(Some(&film(temp.path())), of(fourcc::UYVY), None, true).unwrap();
        for number in 0..10 {
            match number % 3 {
                0 => assert!(frames.skip().unwrap()),
                at => assert_eq!(frames.next().unwrap().unwrap()[1], 40 + 40 * at),
            }
        }
        let mut frames = Frames::open(Some(&film(temp.path())), of(fourcc::UYVY), None, false).unwrap();
        let skipped = (0..5).filter(|_| frames.skip().unwrap()).count();
        assert_eq!(skipped, 4, "the three, the end, and the first one again");
    }

    #[test]
    fn jpeg_pictures_pass_as_they_are() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("film.mjpeg");
        let pictures = split(CLIP).unwrap();
        std::fs::write(&path, &CLIP[..pictures[2].start]).unwrap();
        let mut frames = Frames::open(Some(&path), of(fourcc::MJPEG), None, true).unwrap();
        for number in [0, 1, 0, 1, 0] {
            assert!(frames.next().unwrap().unwrap() == CLIP[pictures[number].clone()], "{number}");
        }
        let mut once = Frames::open(Some(&path), of(fourcc::MJPEG), None, false).unwrap();
        assert!(once.next().unwrap().is_some() && once.next().unwrap().is_some());
        assert_eq!(once.next().unwrap(), None);
        // Of another size they are made anew.
        let mut small = Frames::open(Some(&path), of(fourcc::MJPEG), Some((160, 90)), true).unwrap();
        let frame = small.next().unwrap().unwrap();
        assert_eq!(jpeg::size(&frame), Some((160, 90)));
    }

    #[test]
    fn sizes_are_the_film_s_or_scaled() {
        let temp = tempfile::tempdir().unwrap();
        let path = film(temp.path());
        let mut scaled = Frames::open(Some(&path), of(fourcc::GREY), Some((12, 8)), false).unwrap();
        assert_eq!(scaled.next().unwrap().unwrap().len(), 96);
        let mut whole = Frames::open(Some(&path), of(fourcc::YUV410), None, false).unwrap();
        assert_eq!(whole.size(), (6, 4));
        assert_eq!(whole.next().unwrap().unwrap().len(), 28);
        let mut odd = Frames::open(Some(&path), of(fourcc::YUYV), Some((5, 3)), false).unwrap();
        assert_eq!(odd.next().unwrap().unwrap().len(), 36);
        let mut unknown = Frames::open(Some(&path), of(fourcc::H264), None, false).unwrap();
        assert!(matches!(unknown.next(), Err(PushError::Encode { width: 6, .. })));
    }

    #[test]
    fn pictures_stand_still() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("still.png");
        let picture = vloopback_picture::Rgb::new(8, 6, [1, 2, 3]);
        crate::media::encode_png(std::fs::File::create(&path).unwrap(), &picture).unwrap();
        let mut frames = Frames::open(Some(&path), of(fourcc::BGR24), None, false).unwrap();
        let first = frames.next().unwrap().unwrap();
        assert_eq!(first[..3], [3, 2, 1]);
        assert!(frames.skip().unwrap());
        assert_eq!(frames.next().unwrap().unwrap(), first);
    }
}
