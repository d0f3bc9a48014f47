//! The system calls of V4L1 and V4L2 programs, made as those programs make them: ioctl and mmap on the
//! device's descriptor. All `unsafe` of the demonstration is here.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use zerocopy::{FromBytes, IntoBytes};

use vloopback_abi::v4l1::{VideoCapability, VideoMbuf, VideoMmap, VideoPicture, request};
use vloopback_abi::v4l2::{self, V4l2Buffer, V4l2Capability, V4l2Format, V4l2Input, V4l2Requestbuffers};

/// The window structure as this program's own word size has it.
#[cfg(target_pointer_width = "64")]
use vloopback_abi::v4l1::VideoWindow as Window;
#[cfg(target_pointer_width = "32")]
use vloopback_abi::v4l1::shapes32::VideoWindow32 as Window;

#[cfg(target_pointer_width = "64")]
const WINDOW: (u32, u32) = (request::GWIN, request::SWIN);
#[cfg(target_pointer_width = "32")]
const WINDOW: (u32, u32) = (request::GWIN32, request::SWIN32);

/// One ioctl with a structure, which the request's number says the size of.
fn ioctl<T: FromBytes + IntoBytes>(fd: BorrowedFd<'_>, request: u32, value: &mut T) -> io::Result<()> {
    // Only a mistake in this file can make them differ.
    assert_eq!(vloopback_abi::ioc::ioc_size(request) as usize, size_of::<T>());
    // SAFETY: the pointer is to a whole, exclusively borrowed T, as large as the request says, and
    // any bytes are a valid T (FromBytes).
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request as _, std::ptr::from_mut(value)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn get<T: FromBytes + IntoBytes>(fd: BorrowedFd<'_>, request: u32) -> io::Result<T> {
    let mut value = T::new_zeroed();
    ioctl(fd, request, &mut value)?;
    Ok(value)
}

/// VIDIOCGCAP.
pub fn capability(fd: BorrowedFd<'_>) -> io::Result<VideoCapability> {
    get(fd, request::GCAP)
}

/// VIDIOCGPICT.
pub fn picture(fd: BorrowedFd<'_>) -> io::Result<VideoPicture> {
    get(fd, request::GPICT)
}

/// VIDIOCSPICT.
pub fn set_picture(fd: BorrowedFd<'_>, mut picture: VideoPicture) -> io::Result<()> {
    ioctl(fd, request::SPICT, &mut picture)
}

/// VIDIOCGWIN: width and height.
pub fn size(fd: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let window: Window = get(fd, WINDOW.0)?;
    Ok((window.width, window.height))
}

/// VIDIOCGWIN and VIDIOCSWIN: programs read the window, change its size, and set it.
pub fn set_size(fd: BorrowedFd<'_>, width: u32, height: u32) -> io::Result<()> {
    let mut window: Window = get(fd, WINDOW.0)?;
    window.width = width;
    window.height = height;
    ioctl(fd, WINDOW.1, &mut window)
}

/// VIDIOCGMBUF.
pub fn buffers(fd: BorrowedFd<'_>) -> io::Result<VideoMbuf> {
    get(fd, request::GMBUF)
}

/// VIDIOCMCAPTURE.
pub fn order(fd: BorrowedFd<'_>, mut order: VideoMmap) -> io::Result<()> {
    ioctl(fd, request::MCAPTURE, &mut order)
}

/// VIDIOCSYNC.
pub fn sync(fd: BorrowedFd<'_>, frame: i32) -> io::Result<()> {
    let mut frame = frame;
    ioctl(fd, request::SYNC, &mut frame)
}

/// VIDIOC_QUERYCAP.
pub fn v4l2_capability(fd: BorrowedFd<'_>) -> io::Result<V4l2Capability> {
    get(fd, v4l2::request::QUERYCAP)
}

/// VIDIOC_ENUMINPUT of the first input.
pub fn v4l2_input(fd: BorrowedFd<'_>) -> io::Result<V4l2Input> {
    get(fd, v4l2::request::ENUMINPUT)
}

/// VIDIOC_G_FMT.
pub fn v4l2_format(fd: BorrowedFd<'_>) -> io::Result<V4l2Format> {
    let mut format = V4l2Format { type_: v4l2::V4L2_BUF_TYPE_VIDEO_CAPTURE, ..V4l2Format::default() };
    ioctl(fd, v4l2::request::G_FMT, &mut format)?;
    Ok(format)
}

/// VIDIOC_S_FMT; `format` becomes what was set.
pub fn v4l2_set_format(fd: BorrowedFd<'_>, format: &mut V4l2Format) -> io::Result<()> {
    ioctl(fd, v4l2::request::S_FMT, format)
}

/// VIDIOC_REQBUFS for memory of the driver's: how many there are.
pub fn v4l2_buffers(fd: BorrowedFd<'_>, count: u32) -> io::Result<u32> {
    let (type_, memory) = (v4l2::V4L2_BUF_TYPE_VIDEO_CAPTURE, v4l2::V4L2_MEMORY_MMAP);
    let mut buffers = V4l2Requestbuffers { count, type_, memory, ..V4l2Requestbuffers::default() };
    ioctl(fd, v4l2::request::REQBUFS, &mut buffers)?;
    Ok(buffers.count)
}

/// A request about a buffer.
fn v4l2_buffer(fd: BorrowedFd<'_>, request: u32, index: u32) -> io::Result<V4l2Buffer> {
    let (type_, memory) = (v4l2::V4L2_BUF_TYPE_VIDEO_CAPTURE, v4l2::V4L2_MEMORY_MMAP);
    let mut buffer = V4l2Buffer { index, type_, memory, ..V4l2Buffer::default() };
    ioctl(fd, request, &mut buffer)?;
    Ok(buffer)
}

/// VIDIOC_QUERYBUF, and the buffer's memory.
pub fn v4l2_map(fd: BorrowedFd<'_>, index: u32) -> io::Result<Mapping> {
    let buffer = v4l2_buffer(fd, v4l2::request::QUERYBUF, index)?;
    Mapping::at(fd, buffer.offset(), buffer.length as usize)
}

/// VIDIOC_QBUF.
pub fn v4l2_queue(fd: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    v4l2_buffer(fd, v4l2::request::QBUF, index).map(drop)
}

/// VIDIOC_DQBUF.
pub fn v4l2_dequeue(fd: BorrowedFd<'_>) -> io::Result<V4l2Buffer> {
    v4l2_buffer(fd, v4l2::request::DQBUF, 0)
}

/// VIDIOC_STREAMON.
pub fn v4l2_stream_on(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut type_ = v4l2::V4L2_BUF_TYPE_VIDEO_CAPTURE;
    ioctl(fd, v4l2::request::STREAMON, &mut type_)
}

/// The driver's memory, mapped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<libc::c_void>,
    length: usize,
}

impl Mapping {
    /// Maps `length` bytes from offset 0 for reading and writing, as nearly all programs do.
    pub fn new(fd: BorrowedFd<'_>, length: usize) -> io::Result<Mapping> {
        Mapping::at(fd, 0, length)
    }

    /// Maps `length` bytes from `offset` for reading and writing.
    pub fn at(fd: BorrowedFd<'_>, offset: u32, length: usize) -> io::Result<Mapping> {
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory in use.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                offset as libc::off_t,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(start) {
            Some(start) => Ok(Mapping { start, length }),
            None => Err(io::Error::other("mmap gave address 0")),
        }
    }

    /// Copies the bytes from `offset` on to `out`: the driver may write there, so they are never
    /// lent out.
    pub fn copy(&self, offset: usize, out: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(out.len()).is_none_or(|end| end > self.length) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a frame lies outside the mapping"));
        }
        // SAFETY: the range was just checked to lie within the mapping, which lives as long as
        // self; `out` is memory of ours and cannot overlap it.
        unsafe {
            let from = self.start.as_ptr().cast::<u8>().add(offset);
            std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len());
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing of it was lent out.
        unsafe {
            libc::munmap(self.start.as_ptr(), self.length);
        }
    }
}
