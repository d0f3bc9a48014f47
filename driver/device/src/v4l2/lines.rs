//! Lines that are farther apart in a program's memory than in the ring. A program may ask for that (S_FMT's
//! `bytesperline`; driver/docs/reference.md, "Sizes and lines"). It is the open file's own business: in the ring lines
//! have no padding, so that all others get frames as they expect them. Such frames are copied, line by line.

use core::sync::atomic::Ordering;

use vloopback_abi::v4l2::Fourcc;
use vloopback_abi::v4l2::pixel::{PixelFormat, Plane, same_pixels};
use vloopback_ring::{Pix, SessionPage};

use crate::v4l2::format::frozen;
use vloopback_sys::Result;

/// Where the lines of a frame are, in the ring and in the program's memory.
#[derive(Clone, Copy)]
pub struct Lines {
    /// In the ring.
    tight: [Plane; 3],
    /// In the program's memory.
    wide: [Plane; 3],
    /// Bytes of a frame in the ring.
    pub tight_len: usize,
    /// Bytes of a frame in the program's memory.
    pub wide_len: usize,
}

/// Bytes of the planes, which lie one after the other.
fn len_of(planes: &[Plane; 3]) -> usize {
    planes.iter().map(|plane| plane.stride as usize * plane.lines as usize).sum()
}

impl Lines {
    /// Those of the open file's format; None: its frames are as in the ring.
    pub fn of(page: &SessionPage) -> Option<Self> {
        if page.padded.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // Others may write to the page: what follows is worked out of three numbers, and checked against the memory.
        let own = frozen(page);
        let format = PixelFormat::of(Fourcc(own.fourcc))?;
        let tight = format.planes(own.width, own.height, format.bytesperline(own.width)?)?;
        let wide = format.planes(own.width, own.height, own.bytesperline)?;
        Some(Self { tight, wide, tight_len: len_of(&tight), wide_len: len_of(&wide) })
    }

    /// Has `copy` copy the lines of a frame of the ring to where the program has them: from which byte, to which byte, how
    /// many. All are below `tight_len`, and below `wide_len`.
    ///
    /// # Errors
    /// What `copy` says.
    pub fn spread(&self, copy: impl FnMut(usize, usize, usize) -> Result<()>) -> Result<()> {
        each(&self.tight, &self.wide, copy)
    }

    /// The other way round: from where the program has them to where the ring does. No line goes to a later place, nor
    /// over one that comes after it.
    ///
    /// # Errors
    /// What `copy` says.
    pub fn gather(&self, copy: impl FnMut(usize, usize, usize) -> Result<()>) -> Result<()> {
        each(&self.wide, &self.tight, copy)
    }
}

/// The lines of each plane: where they are in one frame, where they go in the other, and their bytes.
fn each(
    here: &[Plane; 3],
    there: &[Plane; 3],
    mut copy: impl FnMut(usize, usize, usize) -> Result<()>,
) -> Result<()> {
    let (mut from, mut to) = (0, 0);
    for (here, there) in here.iter().zip(there) {
        let len = here.line.min(there.line) as usize;
        for _ in 0..here.lines.min(there.lines) {
            copy(from, to, len)?;
            from += here.stride as usize;
            to += there.stride as usize;
        }
    }
    Ok(())
}

/// Whether `own`, an open file's format, is that of the pipe with lines farther apart.
fn is_spread(own: &Pix, pix: &Pix) -> bool {
    let same = same_pixels(Fourcc(own.fourcc), Fourcc(pix.fourcc))
        && (own.width, own.height) == (pix.width, pix.height);
    same && pix.bytesperline != 0 && own.bytesperline > pix.bytesperline && own.sizeimage > pix.sizeimage
}

/// Whether an open file's frames of the format `own` are those of the pipe's, `pix`, whatever the distance of lines.
pub fn fits(own: &Pix, pix: &Pix) -> bool {
    own.same_frames(pix) || is_spread(own, pix)
}

/// The pipe's format as the open file has it: with the lines that its program has asked for, if that was for this one.
pub fn own_lines(page: &SessionPage, pix: Pix) -> Pix {
    let own = frozen(page);
    if is_spread(&own, &pix) {
        Pix { bytesperline: own.bytesperline, sizeimage: own.sizeimage, ..pix }
    } else {
        pix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 5x3 frame of NV12 goes to lines of 8 bytes and back, and every byte is where it has to be.
    #[test]
    fn lines_go_apart_and_together() {
        let format = PixelFormat::of(vloopback_abi::v4l2::fourcc::NV12).expect("known");
        let tight = format.planes(5, 3, 5).expect("planes");
        let wide = format.planes(5, 3, 8).expect("planes");
        let lines = Lines { tight, wide, tight_len: len_of(&tight), wide_len: len_of(&wide) };
        assert_eq!((lines.tight_len, lines.wide_len), (27, 40));
        let frame: Vec<u8> = (1..28).collect();
        let mut apart = [0; 40];
        let spread = lines.spread(|from, to, len| {
            apart[to..to + len].copy_from_slice(&frame[from..from + len]);
            Ok(())
        });
        assert_eq!((spread, &apart[..8]), (Ok(()), &[1, 2, 3, 4, 5, 0, 0, 0][..]));
        assert_eq!(apart[16..24], [11, 12, 13, 14, 15, 0, 0, 0]);
        assert_eq!(apart[24..], [16, 17, 18, 19, 20, 21, 0, 0, 22, 23, 24, 25, 26, 27, 0, 0]);
        // In the same memory, too.
        let gathered = lines.gather(|from, to, len| {
            apart.copy_within(from..from + len, to);
            Ok(())
        });
        assert_eq!((gathered, &apart[..27]), (Ok(()), &frame[..]));
        assert_eq!(
            lines.gather(|_, _, _| Err(vloopback_sys::Errno::EFAULT)),
            Err(vloopback_sys::Errno::EFAULT)
        );
    }
}
