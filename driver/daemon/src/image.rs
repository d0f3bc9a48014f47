//! The picture that clients see in place of the drawn card ([`crate::card`]).
//!
//! It comes decoded in a memory file: the command line reads picture files, the daemon never does.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use vloopback_abi::v4l2::{Fourcc, V4l2PixFormat};
use vloopback_picture::{Rgb, encode};

use crate::memory::to_errno;

/// The largest picture that is kept, in pixels (24 MiB). The program that decodes a larger one scales it down
/// ([`TimeoutImage::fit`]).
const LARGEST: (u32, u32) = (3840, 2160);
/// Bytes of a pixel: red, green, blue.
const PIXEL: u64 = 3;

/// A picture in red, green and blue, in a memory file that nobody can change.
#[derive(Debug)]
pub struct TimeoutImage {
    file: File,
    width: u32,
    height: u32,
    /// A unique number.
    number: u64,
}

/// The seals of its file.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

impl TimeoutImage {
    /// Keeps a decoded picture, scaled down if it is too large.
    ///
    /// # Errors
    /// EINVAL: it has no pixels. ENOMEM and its kin.
    pub fn new(picture: &Rgb) -> Result<Self, Errno> {
        let smaller = Self::fit(picture.width, picture.height).map(|(w, h)| picture.scaled(w, h));
        let picture = smaller.as_ref().unwrap_or(picture);
        if picture.data.is_empty() || !picture.is_whole() {
            return Err(Errno::EINVAL);
        }
        let fd =
            memfd_create("vloopback-timeout-image", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        let mut file = File::from(fd);
        file.write_all(&picture.data).map_err(to_errno)?;
        file.seek(SeekFrom::Start(0)).map_err(to_errno)?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals()))?;
        Ok(Self::of(file, picture.width, picture.height))
    }

    /// The size to which a picture of this size is scaled down; None: it is kept as it is.
    fn fit(width: u32, height: u32) -> Option<(u32, u32)> {
        if width <= LARGEST.0 && height <= LARGEST.1 {
            return None;
        }
        let (w, h) = (u64::from(width), u64::from(height));
        let (most_w, most_h) = (u64::from(LARGEST.0), u64::from(LARGEST.1));
        let side = |length: u64| length.max(1) as u32;
        Some(if w * most_h >= h * most_w {
            (LARGEST.0, side(h * most_w / w))
        } else {
            (side(w * most_h / h), LARGEST.1)
        })
    }

    /// Takes a picture that another process has sent.
    ///
    /// # Errors
    /// EINVAL: not a memory file, not sealed (so that it could change, or block its reader), too large, or
    /// of another length than its width and height.
    pub(crate) fn received(fd: OwnedFd, width: u32, height: u32) -> Result<Self, Errno> {
        // Only memory files have seals: a read of one never waits for anybody.
        let has = fcntl(&fd, FcntlArg::F_GET_SEALS).map_err(|_| Errno::EINVAL)?;
        let file = File::from(fd);
        let len = file.metadata().map_err(to_errno)?.len();
        let sized = (1..=LARGEST.0).contains(&width) && (1..=LARGEST.1).contains(&height);
        let sealed = SealFlag::from_bits_retain(has).contains(seals());
        if !sized || !sealed || len != u64::from(width) * u64::from(height) * PIXEL {
            return Err(Errno::EINVAL);
        }
        Ok(Self::of(file, width, height))
    }

    fn of(file: File, width: u32, height: u32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { file, width, height, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The memory file: [`TimeoutImage::size`] tells how many pixels of three bytes it has.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Which one it is, among all of this process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The picture as a frame of a format: in the middle, scaled to fit, on black. None: the format cannot be
    /// drawn, or there is no memory for it.
    pub(crate) fn draw(&self, pix: &V4l2PixFormat) -> Option<Vec<u8>> {
        let mut picture = Rgb::new(self.width, self.height, [0; 3]);
        self.file.read_exact_at(&mut picture.data, 0).ok()?;
        let frame = encode(Fourcc(pix.pixelformat), &picture.fitted(pix.width, pix.height))?;
        (frame.len() <= pix.sizeimage as usize).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vloopback_abi::v4l2::pixel::PixelFormat;
    use vloopback_picture::decode;

    fn striped(width: u32, height: u32) -> Rgb {
        let mut picture = Rgb::new(width, height, [250, 160, 120]);
        picture.fill_rect(0, 0, width / 2, height, [110, 220, 190]);
        picture
    }

    #[test]
    fn a_picture_comes_out_as_it_went_in() {
        let picture = striped(320, 240);
        let image = TimeoutImage::new(&picture).expect("memory");
        assert_eq!(image.size(), (320, 240));
        let pix = PixelFormat::of(vloopback_abi::v4l2::fourcc::RGB24).and_then(|f| f.pix(320, 240));
        assert_eq!(image.draw(&pix.expect("it fits")).expect("a frame"), picture.data);
        assert_ne!(image.number(), TimeoutImage::new(&picture).expect("memory").number());
    }

    #[test]
    fn every_format_that_can_be_drawn_is() {
        let image = TimeoutImage::new(&striped(64, 64)).expect("memory");
        for format in PixelFormat::ALL {
            let (width, height) = format.fit(320, 240);
            let pix = format.pix(width, height).expect("it fits");
            let frame = image.draw(&pix);
            assert_eq!(frame.is_some(), crate::card::can_draw(&pix), "{}", format.name);
            let Some(frame) = frame else { continue };
            let seen = decode(format.fourcc, width, height, &frame).expect("a frame");
            let bright = |x, y| seen.pixel(x, y).iter().map(|&c| u32::from(c)).max().unwrap_or(0);
            assert!(bright(10, 120) < 40 && bright(310, 120) < 40, "{}: bars at the sides", format.name);
            assert!(bright(120, 120) > 100 && bright(200, 120) > 100, "{}: the picture", format.name);
        }
    }

    #[test]
    fn large_pictures_are_made_smaller() {
        assert_eq!(TimeoutImage::fit(3840, 2160), None);
        assert_eq!(TimeoutImage::fit(7680, 4320), Some((3840, 2160)));
        assert_eq!(TimeoutImage::fit(32_768, 2), Some((3840, 1)));
        assert_eq!(TimeoutImage::fit(2, 32_768), Some((1, 2160)));
        assert_eq!(TimeoutImage::fit(4000, 4000), Some((2160, 2160)));
        let image = TimeoutImage::new(&Rgb::new(5000, 20, [9; 3])).expect("memory");
        assert_eq!(image.size(), (3840, 15));
        assert_eq!(TimeoutImage::new(&Rgb::new(0, 7, [0; 3])).expect_err("no pixels"), Errno::EINVAL);
    }

    #[test]
    fn what_is_received_is_looked_at() {
        let given = |image: &TimeoutImage| image.fd().try_clone_to_owned().expect("a descriptor");
        let image = TimeoutImage::new(&striped(8, 4)).expect("memory");
        let received = TimeoutImage::received(given(&image), 8, 4).expect("as it was sent");
        assert_eq!(received.size(), (8, 4));
        for (width, height) in [(8, 5), (4, 4), (0, 4), (u32::MAX, u32::MAX), (96, 0)] {
            let refused = TimeoutImage::received(given(&image), width, height);
            assert_eq!(refused.expect_err("another size"), Errno::EINVAL, "{width}x{height}");
        }
        let open =
            memfd_create("t", MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC).expect("a memory file");
        let file = File::from(open);
        file.set_len(96).expect("its length");
        assert!(TimeoutImage::received(file.into(), 8, 4).is_err(), "it could change");
        let plain = tempfile::tempfile().expect("a file");
        plain.set_len(96).expect("its length");
        assert!(TimeoutImage::received(plain.into(), 8, 4).is_err(), "no memory file");
    }
}
