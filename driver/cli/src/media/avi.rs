//! AVI with Motion-JPEG video: a RIFF tree whose `movi` list holds one JPEG a chunk.

use std::ops::Range;

/// The pictures of a file and their rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avi {
    /// Where each picture lies in the file.
    pub pictures: Vec<Range<usize>>,
    /// Microseconds from one frame to the next, by the main header; 0 where it does not say.
    pub frame_micros: u32,
}

/// How deep lists may lie in each other: `RIFF`, `movi`, `rec ` and one to spare.
const DEPTH_MAX: u32 = 4;

/// Reads the chunks of `bytes`. None where it is no AVI or its video is not Motion-JPEG.
///
/// A file that breaks off gives the pictures that are whole: recorders that were killed leave
/// such files.
pub fn read(bytes: &[u8]) -> Option<Avi> {
    if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"AVI " {
        return None;
    }
    let mut avi = Avi { pictures: Vec::new(), frame_micros: 0 };
    list(bytes, 0..bytes.len(), &mut avi, 0);
    avi.pictures.retain(|range| bytes[range.clone()].starts_with(&[0xff, 0xd8]));
    (!avi.pictures.is_empty()).then_some(avi)
}

/// Walks the chunks within `range`.
fn list(bytes: &[u8], range: Range<usize>, avi: &mut Avi, depth: u32) {
    let mut at = range.start;
    while at + 8 <= range.end {
        let id = &bytes[at..at + 4];
        let length = u32::from_le_bytes([bytes[at + 4], bytes[at + 5], bytes[at + 6], bytes[at + 7]]);
        let body = at + 8;
        let end = body.saturating_add(length as usize);
        let whole = end <= range.end;
        let body = body..end.min(range.end);
        match id {
            b"RIFF" | b"LIST" if depth < DEPTH_MAX && body.len() >= 4 => {
                list(bytes, body.start + 4..body.end, avi, depth + 1);
            }
            b"avih" if body.len() >= 4 => {
                let i = body.start;
                avi.frame_micros = u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
            }
            // "00dc": stream number and "compressed picture"; "db" some writers use as well.
            _ if whole && !body.is_empty() && matches!(&id[2..], b"dc" | b"db") => {
                avi.pictures.push(body);
            }
            _ => {}
        }
        // Chunks begin at even places.
        at = end.saturating_add(end & 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = id.to_vec();
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(body);
        if body.len() % 2 == 1 {
            out.push(0);
        }
        out
    }

    fn list_chunk(id: &[u8; 4], kind: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
        chunk(id, &[kind.to_vec(), chunks.concat()].concat())
    }

    fn file() -> Vec<u8> {
        let jpeg = [0xff, 0xd8, 1, 0xff, 0xd9];
        let head = list_chunk(b"LIST", b"hdrl", &[chunk(b"avih", &40_000u32.to_le_bytes())]);
        let movi = list_chunk(
            b"LIST",
            b"movi",
            &[
                chunk(b"00dc", &jpeg),
                chunk(b"01wb", b"sound"),
                list_chunk(b"LIST", b"rec ", &[chunk(b"00dc", &jpeg)]),
            ],
        );
        list_chunk(b"RIFF", b"AVI ", &[head, movi])
    }

    #[test]
    fn pictures_are_found_and_sound_is_not() {
        let file = file();
        let avi = read(&file).unwrap();
        assert_eq!(avi.frame_micros, 40_000);
        assert_eq!(avi.pictures.len(), 2);
        for range in avi.pictures {
            assert_eq!(file[range], [0xff, 0xd8, 1, 0xff, 0xd9]);
        }
    }

    #[test]
    fn a_file_cut_short_keeps_its_whole_pictures() {
        let mut file = file();
        file.truncate(file.len() - 3);
        assert_eq!(read(&file).unwrap().pictures.len(), 1);
    }

    proptest! {
        #[test]
        fn junk_never_panics(at in 0usize..150, junk in any::<[u8; 4]>(), cut in 0usize..150) {
            let mut bytes = file();
            let end = bytes.len();
            for (i, byte) in junk.iter().enumerate() {
                bytes[(at + i) % end] = *byte;
            }
            bytes.truncate(cut.min(end));
            if let Some(avi) = read(&bytes) {
                prop_assert!(avi.pictures.iter().all(|range| range.end <= bytes.len()));
            }
        }
    }
}
