//! V4L1 devices by plain calls of the C library, as an old program makes them.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;
use std::path::Path;

use vloopback_abi::v4l1::request;
use vloopback_abi::v4l1::{VideoMbuf, VideoMmap, VideoPicture, VideoWindow};

/// VIDEO_PALETTE_GREY and VIDEO_PALETTE_YUYV.
pub const GREY: u16 = 1;
/// See [`GREY`].
pub const YUYV: u16 = 8;

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// An open file; a number and nothing more, since closing it is measured too.
#[derive(Debug)]
pub struct File(pub RawFd);

impl File {
    /// open().
    pub fn open(path: &Path, flags: i32) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        // SAFETY: the path is a string that ends in NUL.
        checked(unsafe { libc::open(path.as_ptr(), flags) }).map(Self)
    }

    /// ioctl() with a structure.
    pub(crate) fn ioctl<T>(&self, request: u32, argument: &mut T) -> io::Result<()> {
        // SAFETY: every caller passes the structure that belongs to the request.
        checked(unsafe { libc::ioctl(self.0, request.into(), std::ptr::from_mut(argument)) }).map(drop)
    }

    /// write(), all of it.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: the bytes are there to be read.
        let n = unsafe { libc::write(self.0, bytes.as_ptr().cast(), bytes.len()) };
        match n {
            n if n == bytes.len() as isize => Ok(()),
            n if n < 0 => Err(io::Error::last_os_error()),
            _ => Err(io::Error::from(io::ErrorKind::WriteZero)),
        }
    }

    /// read(), one.
    pub fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the bytes are there to be written.
        let n = unsafe { libc::read(self.0, bytes.as_mut_ptr().cast(), bytes.len()) };
        if n < 0 { Err(io::Error::last_os_error()) } else { Ok(n as usize) }
    }

    /// VIDIOCSPICT and VIDIOCSWIN.
    pub fn set_format(&self, palette: u16, width: u32, height: u32) -> io::Result<()> {
        let mut picture = VideoPicture { palette, ..Default::default() };
        self.ioctl(request::GPICT, &mut picture)?;
        picture.palette = palette;
        self.ioctl(request::SPICT, &mut picture)?;
        let mut window = VideoWindow { width, height, ..Default::default() };
        self.ioctl(request::SWIN, &mut window)
    }

    /// VIDIOCMCAPTURE.
    pub fn order(&self, frame: u32, palette: u16, width: u32, height: u32) -> io::Result<()> {
        let (width, height) = (width as i32, height as i32);
        let mut order = VideoMmap { frame, height, width, format: palette.into() };
        self.ioctl(request::MCAPTURE, &mut order)
    }

    /// VIDIOCSYNC.
    pub fn sync(&self, frame: u32) -> io::Result<()> {
        self.ioctl(request::SYNC, &mut (frame as i32))
    }

    /// An ioctl that no file here knows; whatever it returns.
    pub fn strange_ioctl(&self) {
        let mut value = 0i32;
        // SAFETY: TIOCGPGRP writes at most an int, which is there.
        unsafe { libc::ioctl(self.0, libc::TIOCGPGRP, &raw mut value) };
    }

    /// close().
    pub fn close(self) {
        // SAFETY: the number is this file's, and gone with it.
        unsafe { libc::close(self.0) };
    }
}

/// A client's frames, mapped.
#[derive(Debug)]
pub struct Frames {
    at: *mut libc::c_void,
    len: usize,
    /// Offset of each frame.
    offsets: Vec<usize>,
}

impl Frames {
    /// VIDIOCGMBUF and mmap().
    pub fn map(file: &File) -> io::Result<Self> {
        let mut layout = VideoMbuf::default();
        file.ioctl(request::GMBUF, &mut layout)?;
        let len = layout.size as usize;
        let offsets: Vec<usize> =
            layout.offsets.iter().take(layout.frames as usize).map(|&o| o as usize).collect();
        if offsets.iter().any(|&o| o + 8 > len) {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let flags = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the system's choice.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), len, flags, libc::MAP_SHARED, file.0, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { at, len, offsets })
    }

    /// How many.
    pub fn count(&self) -> u32 {
        self.offsets.len() as u32
    }

    /// The first eight bytes of a frame.
    pub fn stamp(&self, frame: u32) -> u64 {
        // SAFETY: `map` has seen that eight bytes lie there. The writer is another process, so the
        // read is volatile; the frame is ours until it is ordered again.
        unsafe { self.at.cast::<u8>().add(self.offsets[frame as usize]).cast::<u64>().read_volatile() }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody refers to it any more.
        unsafe { libc::munmap(self.at, self.len) };
    }
}
