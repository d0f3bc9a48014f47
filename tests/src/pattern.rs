//! The frames' pattern, the same as in `tests/programs/pattern.h`.

use std::ops::Range;

const MAGIC: u64 = 0x564c_5031;

fn word(number: u32, index: usize) -> u64 {
    if index == 0 {
        return MAGIC << 32 | u64::from(number);
    }
    let w = (u64::from(number) + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add((index as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
    w ^ w >> 29
}

/// Frame `number` of `len` bytes.
pub fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|i| word(number, i).to_le_bytes()).collect();
    bytes.truncate(len);
    bytes
}

/// The number that a frame claims to have; None for one that no test program wrote.
pub fn number(frame: &[u8]) -> Option<u32> {
    let first = u64::from_le_bytes(frame.get(..8)?.try_into().ok()?);
    (first >> 32 == MAGIC).then_some(first as u32)
}

/// The frame's number if every byte is right.
/// # Errors
/// What is wrong with it, for a person.
pub fn check(bytes: &[u8]) -> Result<u32, String> {
    let number = number(bytes).ok_or("not a frame of a test pusher")?;
    match frame(number, bytes.len()).iter().zip(bytes).position(|(a, b)| a != b) {
        None => Ok(number),
        Some(place) => Err(format!("frame {number} is torn at byte {place} of {}", bytes.len())),
    }
}

/// The numbers of the frames in what a program saved, one frame of `len` bytes after the other.
/// # Errors
/// What is wrong, for a person: another number of frames than `count`, a torn or foreign frame, one that
/// came twice or late, a number that is not in `numbers` (a frame of another pipe).
pub fn frames(saved: &[u8], len: usize, count: usize, numbers: &Range<u32>) -> Result<Vec<u32>, String> {
    if saved.len() != len * count {
        return Err(format!("{} bytes are not {count} frames of {len}", saved.len()));
    }
    let found = saved.chunks(len).map(check).collect::<Result<Vec<u32>, String>>()?;
    if let Some(pair) = found.windows(2).find(|pair| pair[1] <= pair[0]) {
        return Err(format!("frame {} comes after frame {}", pair[1], pair[0]));
    }
    match found.iter().find(|number| !numbers.contains(number)) {
        Some(number) => Err(format!("frame {number} is one of another pipe")),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_itself_and_no_other() {
        for len in [8, 9, 15, 400, 115_200] {
            let mut bytes = frame(70_000, len);
            assert_eq!(check(&bytes), Ok(70_000));
            if len > 8 {
                bytes[len - 1] ^= 1;
                assert!(check(&bytes).is_err());
            }
        }
        assert_ne!(frame(1, 64)[8..], frame(2, 64)[8..]);
    }

    #[test]
    fn a_mixture_of_two_frames_is_torn() {
        let mut bytes = frame(5, 4096);
        bytes[2048..].copy_from_slice(&frame(6, 4096)[2048..]);
        assert_eq!(check(&bytes), Err("frame 5 is torn at byte 2048 of 4096".to_owned()));
    }

    #[test]
    fn saved_frames_are_judged() {
        let saved: Vec<u8> = [3, 4, 7].into_iter().flat_map(|n| frame(n, 40)).collect();
        assert_eq!(frames(&saved, 40, 3, &(0..8)), Ok(vec![3, 4, 7]));
        assert!(frames(&saved, 40, 4, &(0..8)).is_err_and(|e| e.contains("are not 4 frames")));
        assert!(frames(&saved, 40, 3, &(0..7)).is_err_and(|e| e.contains("another pipe")));
        let late: Vec<u8> = [3, 3].into_iter().flat_map(|n| frame(n, 40)).collect();
        assert!(frames(&late, 40, 2, &(0..8)).is_err_and(|e| e.contains("comes after")));
        let mut wrong = saved;
        wrong[47] ^= 4;
        assert!(frames(&wrong, 40, 3, &(0..8)).is_err());
    }

    #[test]
    fn foreign_bytes_have_no_number() {
        assert_eq!(number(&[0; 64]), None);
        assert_eq!(number(&[1, 2, 3]), None);
    }
}
