//! V4L2 devices by plain calls of the C library, as a program of today makes them.

use std::io;

use vloopback_abi::v4l2::request;
use vloopback_abi::v4l2::{
    Fourcc, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_FIELD_NONE, V4L2_MEMORY_MMAP,
    V4l2Buffer, V4l2Format, V4l2PixFormat, V4l2Requestbuffers,
};

use crate::device::File;

/// Buffers that a program asks for: what most programs of today do.
const WANTED: u32 = 4;

/// Which way the frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device.
    Capture,
    /// To the device.
    Output,
}

impl Direction {
    const fn buf_type(self) -> u32 {
        match self {
            Self::Capture => V4L2_BUF_TYPE_VIDEO_CAPTURE,
            Self::Output => V4L2_BUF_TYPE_VIDEO_OUTPUT,
        }
    }
}

impl File {
    /// VIDIOC_S_FMT of pictures for the device. The answer must be as long as expected.
    pub fn set_pixels(&self, fourcc: Fourcc, width: u32, height: u32, bytes: u32) -> io::Result<()> {
        let pix = V4l2PixFormat {
            width,
            height,
            pixelformat: fourcc.0,
            field: V4L2_FIELD_NONE,
            ..V4l2PixFormat::default()
        };
        let mut format = V4l2Format::with_pix(V4L2_BUF_TYPE_VIDEO_OUTPUT, pix);
        self.ioctl(request::S_FMT, &mut format)?;
        if format.pix().sizeimage == bytes { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

/// A queue of buffers, mapped.
#[derive(Debug)]
pub struct Queue {
    /// By its number: who opened it closes it, after the queue is gone.
    file: File,
    direction: Direction,
    buffers: Vec<Mapped>,
}

/// The memory of a buffer.
#[derive(Debug)]
struct Mapped {
    at: *mut libc::c_void,
    len: usize,
}

impl Queue {
    /// VIDIOC_REQBUFS, VIDIOC_QUERYBUF and mmap(). All buffers are the program's.
    pub fn new(file: &File, direction: Direction) -> io::Result<Self> {
        let mut ask = V4l2Requestbuffers {
            count: WANTED,
            type_: direction.buf_type(),
            memory: V4L2_MEMORY_MMAP,
            ..V4l2Requestbuffers::default()
        };
        file.ioctl(request::REQBUFS, &mut ask)?;
        let mut queue = Self { file: File(file.0), direction, buffers: Vec::new() };
        for index in 0..ask.count {
            let mut buffer = queue.named(index);
            file.ioctl(request::QUERYBUF, &mut buffer)?;
            let len = buffer.length as usize;
            if len < 8 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let prot = libc::PROT_READ | libc::PROT_WRITE;
            let offset = i64::from(buffer.offset());
            // SAFETY: a new mapping at an address of the system's choice.
            let at = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, libc::MAP_SHARED, file.0, offset) };
            if at == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            queue.buffers.push(Mapped { at, len });
        }
        Ok(queue)
    }

    /// How many.
    pub fn count(&self) -> u32 {
        self.buffers.len() as u32
    }

    fn named(&self, index: u32) -> V4l2Buffer {
        let type_ = self.direction.buf_type();
        V4l2Buffer { index, type_, memory: V4L2_MEMORY_MMAP, ..V4l2Buffer::default() }
    }

    /// VIDIOC_STREAMON.
    pub fn start(&self) -> io::Result<()> {
        self.file.ioctl(request::STREAMON, &mut (self.direction.buf_type() as i32))
    }

    /// VIDIOC_QBUF, of a whole frame.
    pub fn queue(&self, index: u32) -> io::Result<()> {
        let mut buffer = self.named(index);
        if self.direction == Direction::Output {
            buffer.bytesused = self.buffers[index as usize].len as u32;
            buffer.field = V4L2_FIELD_NONE;
        }
        self.file.ioctl(request::QBUF, &mut buffer)
    }

    /// VIDIOC_DQBUF: the buffer's number.
    pub fn dequeue(&self) -> io::Result<u32> {
        let mut buffer = self.named(0);
        self.file.ioctl(request::DQBUF, &mut buffer)?;
        if buffer.index < self.count() { Ok(buffer.index) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// The first eight bytes of a buffer.
    pub fn stamp(&self, index: u32) -> u64 {
        // SAFETY: `new` has seen that eight bytes lie there, aligned to a page. The writer is another
        // process, so the read is volatile; the buffer is ours until it is queued again.
        unsafe { self.buffers[index as usize].at.cast::<u64>().read_volatile() }
    }

    /// Where a buffer lies.
    pub fn memory(&self, index: u32) -> *const u8 {
        self.buffers[index as usize].at.cast()
    }

    /// Fills a buffer, and its first eight bytes with the stamp.
    pub fn fill(&self, index: u32, stamp: u64) {
        let buffer = &self.buffers[index as usize];
        // SAFETY: the mapping is of so many bytes, at least eight of them, and aligned to a page; the
        // buffer is ours until it is queued. Nobody has a reference to the bytes.
        unsafe {
            buffer.at.cast::<u8>().write_bytes(stamp as u8, buffer.len);
            buffer.at.cast::<u64>().write_volatile(stamp);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        for buffer in &self.buffers {
            // SAFETY: the mapping is ours and nobody refers to it any more.
            unsafe { libc::munmap(buffer.at, buffer.len) };
        }
    }
}
