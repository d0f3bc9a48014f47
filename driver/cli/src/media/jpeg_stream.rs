//! Motion-JPEG: a row of whole JPEG pictures, one after the other, with nothing around them.
//!
//! The cut is made by JPEG's own structure (ITU-T T.81, annex B): segments carry their length, and
//! within coded data a 0xFF is followed by 0x00 or a restart marker. A thumbnail inside an APP
//! segment therefore never ends a picture.

use std::ops::Range;

/// Start of image.
const SOI: u8 = 0xd8;
/// End of image.
const EOI: u8 = 0xd9;
/// Start of scan: its header is followed by coded data.
const SOS: u8 = 0xda;

/// Where a row of JPEG pictures is broken. Offsets count bytes from the start of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Something that is no picture stands where one should begin.
    #[error("no JPEG picture where frame {frame} should begin, at byte {offset}")]
    NotAPicture {
        /// Number of the picture that was expected, from 0.
        frame: usize,
        /// Where it was expected.
        offset: usize,
    },
    /// The bytes end within a picture.
    #[error(
        "frame {frame}, which begins at byte {start}, breaks off at byte {offset}: the file is cut short"
    )]
    Truncated {
        /// Number of the picture, from 0.
        frame: usize,
        /// Where the picture begins.
        start: usize,
        /// Where the bytes end.
        offset: usize,
    },
    /// A picture's inner structure is broken.
    #[error("frame {frame}, which begins at byte {start}, is damaged at byte {offset}")]
    Damaged {
        /// Number of the picture, from 0.
        frame: usize,
        /// Where the picture begins.
        start: usize,
        /// Where the damage is.
        offset: usize,
    },
}

/// Cuts `bytes` into pictures and returns where each lies. Zero and 0xFF bytes between pictures
/// are padding and skipped.
///
/// # Errors
/// [`SplitError`] with the number of the frame and the byte where the row breaks.
pub fn split(bytes: &[u8]) -> Result<Vec<Range<usize>>, SplitError> {
    let mut pictures = Vec::new();
    let mut at = skip_padding(bytes, 0);
    while at < bytes.len() {
        let end = picture_end(bytes, at, pictures.len())?;
        pictures.push(at..end);
        at = skip_padding(bytes, end);
    }
    Ok(pictures)
}

/// The first byte at or after `at` that is no padding. 0xFF belongs to a picture when an SOI
/// follows it.
fn skip_padding(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(0xff), Some(&SOI)) => return at,
            (Some(0x00 | 0xff), _) => at += 1,
            _ => return at,
        }
    }
}

/// The byte after the picture that begins at `start`.
fn picture_end(bytes: &[u8], start: usize, frame: usize) -> Result<usize, SplitError> {
    let truncated = |offset: usize| SplitError::Truncated { frame, start, offset: offset.min(bytes.len()) };
    let damaged = |offset| SplitError::Damaged { frame, start, offset };
    if bytes.get(start) != Some(&0xff) || bytes.get(start + 1) != Some(&SOI) {
        return Err(SplitError::NotAPicture { frame, offset: start });
    }
    let mut at = start + 2;
    loop {
        // A marker: one 0xFF or more (fill bytes), then its code.
        if *bytes.get(at).ok_or_else(|| truncated(at))? != 0xff {
            return Err(damaged(at));
        }
        while bytes.get(at) == Some(&0xff) {
            at += 1;
        }
        let code = *bytes.get(at).ok_or_else(|| truncated(at))?;
        at += 1;
        match code {
            EOI => return Ok(at),
            // TEM and the restart markers stand alone.
            0x01 | 0xd0..=0xd7 => continue,
            // A stuffed zero or a second SOI has no place between segments.
            0x00 | SOI => return Err(damaged(at - 1)),
            _ => {}
        }
        let length = match (bytes.get(at), bytes.get(at + 1)) {
            (Some(&high), Some(&low)) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(truncated(bytes.len())),
        };
        if length < 2 {
            return Err(damaged(at));
        }
        at += length;
        if at > bytes.len() {
            return Err(truncated(at));
        }
        if code == SOS {
            at = coded_data_end(bytes, at).ok_or_else(|| truncated(bytes.len()))?;
        }
    }
}

/// The 0xFF of the first real marker in coded data that begins at `at`; None where none comes.
fn coded_data_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        match bytes.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A picture in structure only: SOI, one APP segment, a scan with `data`, EOI.
    fn picture(app: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, SOI, 0xff, 0xe1];
        bytes.extend(u16::try_from(app.len() + 2).unwrap().to_be_bytes());
        bytes.extend(app);
        bytes.extend([0xff, SOS, 0, 3, 0]);
        for &byte in data {
            bytes.push(byte);
            if byte == 0xff {
                bytes.push(0);
            }
        }
        bytes.extend([0xff, 0xd0, 0xff, EOI]);
        bytes
    }

    #[test]
    fn a_thumbnail_in_a_segment_does_not_end_the_picture() {
        let inner = picture(b"", b"inner");
        let outer = picture(&inner, b"outer");
        assert_eq!(split(&outer).unwrap(), vec![0..outer.len()]);
    }

    #[test]
    fn errors_name_frame_and_offset() {
        let mut row = picture(b"a", b"b");
        let second = row.len();
        row.extend(picture(b"c", b"dddd"));
        row.truncate(row.len() - 2);
        assert_eq!(split(&row), Err(SplitError::Truncated { frame: 1, start: second, offset: row.len() }));
        row.truncate(second);
        row.extend(b"junk");
        let error = split(&row).unwrap_err();
        assert_eq!(error, SplitError::NotAPicture { frame: 1, offset: second });
        assert!(error.to_string().contains("frame 1"));
    }

    #[test]
    fn padding_between_pictures_is_skipped() {
        let one = picture(b"x", b"y");
        let mut row = vec![0; 3];
        row.extend(&one);
        row.extend([0, 0xff]);
        row.extend(&one);
        row.push(0);
        let end = 3 + one.len();
        assert_eq!(split(&row).unwrap(), vec![3..end, end + 2..end + 2 + one.len()]);
    }

    proptest! {
        #[test]
        fn what_was_joined_is_cut_again(parts in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..40), proptest::collection::vec(any::<u8>(), 0..40)), 0..6)) {
            let pictures: Vec<Vec<u8>> = parts.iter().map(|(app, data)| picture(app, data)).collect();
            let row = pictures.concat();
            let cut: Vec<Vec<u8>> = split(&row).unwrap().into_iter().map(|range| row[range].to_vec()).collect();
            prop_assert_eq!(cut, pictures);
        }

        #[test]
        fn junk_never_panics_and_ranges_stay_inside(bytes in proptest::collection::vec(
            prop_oneof![Just(0xffu8), Just(SOI), Just(SOS), Just(EOI), any::<u8>()], 0..200)) {
            if let Ok(ranges) = split(&bytes) {
                for range in ranges {
                    prop_assert!(range.start < range.end && range.end <= bytes.len());
                }
            }
        }
    }
}
