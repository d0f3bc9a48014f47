//! YUV4MPEG2: a text header, then frames of raw planes. Read here: 8-bit 4:2:0, and grey.

use std::io::{self, BufRead, Read};

use vloopback_picture::Planes;

use super::picture::Picture;

/// The longest header line that is accepted, in bytes.
const HEADER_MAX: usize = 1024;
/// The largest width and height that are accepted, in pixels.
const SIDE_MAX: u32 = 32_768;

/// What a file's first line says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second, as numerator and denominator.
    pub rate: (u32, u32),
    /// Only a luma plane.
    pub grey: bool,
}

/// Reads a line up to its newline, which is not part of the answer; None at the end of the file.
fn line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = input.by_ref().take(HEADER_MAX as u64).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(invalid("a header line does not end"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| invalid("a header line is not text"))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

/// Reads the file's first line.
///
/// # Errors
/// `InvalidData` with the rule that it breaks; `Unsupported` for depths and subsamplings that are
/// not read here.
pub fn header(input: &mut impl BufRead) -> io::Result<Header> {
    let text = line(input)?.ok_or_else(|| invalid("the file is empty"))?;
    let mut words = text.split(' ');
    if words.next() != Some("YUV4MPEG2") {
        return Err(invalid("it does not begin with YUV4MPEG2"));
    }
    let mut header = Header { width: 0, height: 0, rate: (25, 1), grey: false };
    for word in words.filter(|word| !word.is_empty()) {
        let (tag, value) = match word.char_indices().nth(1) {
            Some((at, _)) => word.split_at(at),
            None => (word, ""),
        };
        let side = || {
            value
                .parse()
                .ok()
                .filter(|side| (1..=SIDE_MAX).contains(side))
                .ok_or_else(|| invalid("its width or height is no number from 1 to 32768"))
        };
        match tag {
            "W" => header.width = side()?,
            "H" => header.height = side()?,
            "F" => {
                header.rate = value
                    .split_once(':')
                    .and_then(|(n, d)| Some((n.parse().ok()?, d.parse().ok()?)))
                    .filter(|&(n, d): &(u32, u32)| n > 0 && d > 0)
                    .unwrap_or((25, 1));
            }
            "C" => match value {
                "420" | "420jpeg" | "420mpeg2" | "420paldv" => {}
                "mono" => header.grey = true,
                _ => {
                    return Err(io::Error::new(
                        io::ErrorKind::Unsupported,
                        format!("its colour format is {value}; only 8-bit 420 and mono are supported"),
                    ));
                }
            },
            _ => {}
        }
    }
    if header.width == 0 || header.height == 0 {
        return Err(invalid("its first line lacks width or height"));
    }
    Ok(header)
}

/// Reads one frame; None at the end of the file.
///
/// # Errors
/// `InvalidData` where no FRAME line stands, `UnexpectedEof` where the planes break off.
pub fn frame(input: &mut impl BufRead, header: &Header) -> io::Result<Option<Picture>> {
    let Some(text) = line(input)? else {
        return Ok(None);
    };
    if text != "FRAME" && !text.starts_with("FRAME ") {
        return Err(invalid("a FRAME line is missing"));
    }
    let luma = u64::from(header.width) * u64::from(header.height);
    let colour = u64::from(header.width.div_ceil(2)) * u64::from(header.height.div_ceil(2));
    let luma = plane(input, luma)?;
    let (u, v) = if header.grey {
        // It fits into memory: four times as much did.
        let none = vec![128; colour as usize];
        (none.clone(), none)
    } else {
        (plane(input, colour)?, plane(input, colour)?)
    };
    let planes = Planes::new((header.width, header.height), (2, 2), luma, u, v)
        .ok_or_else(|| invalid("a frame's planes do not fit its size"))?;
    Ok(Some(Picture::Yuv(planes)))
}

/// Reads so many bytes. They are grown as they come: the size that a header claims costs nothing by
/// itself.
fn plane(input: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.by_ref().take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_of_two_frames() {
        let mut file = b"YUV4MPEG2 W2 H2 F30000:1001 Ip A1:1 C420jpeg\nFRAME\n".to_vec();
        file.extend([1, 2, 3, 4, 5, 6]);
        file.extend(b"FRAME Ip\n");
        file.extend([7, 8, 9, 10, 11, 12]);
        let mut input = file.as_slice();
        let head = header(&mut input).unwrap();
        assert_eq!((head.width, head.height, head.rate), (2, 2, (30_000, 1_001)));
        for first in [1, 7] {
            let picture = frame(&mut input, &head).unwrap().unwrap();
            let luma = (first..first + 4).collect();
            let want = Planes::new((2, 2), (2, 2), luma, vec![first + 4], vec![first + 5]).unwrap();
            assert_eq!(picture, Picture::Yuv(want));
        }
        assert!(frame(&mut input, &head).unwrap().is_none());
    }

    #[test]
    fn broken_files_are_told() {
        let kind = |bytes: &[u8]| header(&mut &bytes[..]).unwrap_err().kind();
        assert_eq!(kind(b""), io::ErrorKind::InvalidData);
        assert_eq!(kind(b"YUV4MPEG2 W2\n"), io::ErrorKind::InvalidData);
        assert_eq!(kind(b"YUV4MPEG2 W0 H2\n"), io::ErrorKind::InvalidData);
        assert_eq!(kind(b"YUV4MPEG2 W2 H2 C420p10\n"), io::ErrorKind::Unsupported);
        let head = Header { width: 2, height: 2, rate: (1, 1), grey: true };
        let short = frame(&mut &b"FRAME\n123"[..], &head).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn junk_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), tail in ".{0,40}") {
            let mut file = format!("YUV4MPEG2 W4 H4 {tail}\n").into_bytes();
            file.extend(&bytes);
            let mut input = file.as_slice();
            if let Ok(head) = header(&mut input) {
                let _ = frame(&mut input, &head);
            }
            let _ = header(&mut bytes.as_slice());
        }
    }
}
