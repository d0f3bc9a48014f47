//! The V4L2 structures of buffers and queues, 64-bit shape.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::V4l2Format;
use crate::layout::{assert_layout, zero_default};

/// Most buffers that a queue can have.
pub const VIDEO_MAX_FRAME: usize = 32;

/// Most planes that a buffer of a multi-planar format can have.
pub const VIDEO_MAX_PLANES: usize = 8;

/// Asks for buffers, or gives them back with a count of 0.
#[doc(alias = "v4l2_requestbuffers")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Requestbuffers {
    /// Buffers wanted; in the answer the number given.
    pub count: u32,
    /// `V4L2_BUF_TYPE_*`.
    pub type_: u32,
    /// `V4L2_MEMORY_*`.
    pub memory: u32,
    /// Set of `V4L2_BUF_CAP_*`, answered.
    pub capabilities: u32,
    /// Set of `V4L2_MEMORY_FLAG_*`.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// A point in time with microseconds, 64-bit shape.
#[doc(alias = "timeval")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Timeval {
    /// Seconds.
    pub sec: i64,
    /// Microseconds, 0 to 999999.
    pub usec: i64,
}

impl V4l2Timeval {
    /// The time of a clock that counts nanoseconds, the remainder below a microsecond cut off.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> V4l2Timeval {
        V4l2Timeval { sec: (nanos / 1_000_000_000) as i64, usec: (nanos % 1_000_000_000 / 1000) as i64 }
    }

    /// Nanoseconds since the clock's start; a field out of range wraps, as in the kernel.
    #[doc(alias = "v4l2_timeval_to_ns")]
    #[must_use]
    pub const fn nanos(self) -> u64 {
        (self.sec as u64).wrapping_mul(1_000_000_000).wrapping_add((self.usec as u64).wrapping_mul(1000))
    }
}

/// A studio's time code of a frame.
#[doc(alias = "v4l2_timecode")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Timecode {
    /// Frame rate that the code counts by.
    pub type_: u32,
    /// Flags of the code.
    pub flags: u32,
    /// Frames since the second's start.
    pub frames: u8,
    /// Seconds, 0 to 59.
    pub seconds: u8,
    /// Minutes, 0 to 59.
    pub minutes: u8,
    /// Hours, 0 to 23.
    pub hours: u8,
    /// Bits for the studio's own use.
    pub userbits: [u8; 4],
}

/// The `m` of a buffer or plane: an offset, an address or a descriptor, by the kind of memory.
///
/// The narrow members lie at the start of the wide one.
macro_rules! location {
    ($($ty:ident),*) => {$(
        impl $ty {
            /// Offset to pass to mmap(), for `V4L2_MEMORY_MMAP`.
            #[must_use]
            pub const fn offset(&self) -> u32 {
                let [a, b, c, d, ..] = self.m.to_ne_bytes();
                u32::from_ne_bytes([a, b, c, d])
            }

            /// Sets the offset and clears the rest of the union.
            pub const fn set_offset(&mut self, offset: u32) {
                let [a, b, c, d] = offset.to_ne_bytes();
                self.m = u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]);
            }

            /// Address of the program's own memory, for `V4L2_MEMORY_USERPTR`.
            #[must_use]
            pub const fn userptr(&self) -> u64 {
                self.m
            }

            /// Sets the address.
            pub const fn set_userptr(&mut self, address: u64) {
                self.m = address;
            }

            /// Descriptor of the memory, for `V4L2_MEMORY_DMABUF`.
            #[must_use]
            pub const fn fd(&self) -> i32 {
                self.offset() as i32
            }

            /// Sets the descriptor and clears the rest of the union.
            pub const fn set_fd(&mut self, fd: i32) {
                self.set_offset(fd as u32);
            }
        }
    )*};
}

location!(V4l2Buffer, V4l2Plane);

/// A plane of a buffer of a multi-planar format, 64-bit shape.
#[doc(alias = "v4l2_plane")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Plane {
    /// Bytes of payload.
    pub bytesused: u32,
    /// Bytes of memory.
    pub length: u32,
    /// Where the memory is: see [`V4l2Plane::offset`], [`V4l2Plane::userptr`], [`V4l2Plane::fd`].
    pub m: u64,
    /// Bytes before the payload.
    pub data_offset: u32,
    /// Zero.
    pub reserved: [u32; 11],
}

/// A buffer on its way between program and device, 64-bit shape.
#[doc(alias = "v4l2_buffer")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Buffer {
    /// Number of the buffer, from 0.
    pub index: u32,
    /// `V4L2_BUF_TYPE_*`.
    pub type_: u32,
    /// Bytes of payload; 0 for multi-planar types.
    pub bytesused: u32,
    /// Set of `V4L2_BUF_FLAG_*`.
    pub flags: u32,
    /// `V4L2_FIELD_*`.
    pub field: u32,
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
    /// When the frame was taken, by the clock that the flags name.
    pub timestamp: V4l2Timeval,
    /// Time code, if `V4L2_BUF_FLAG_TIMECODE` says so.
    pub timecode: V4l2Timecode,
    /// Number of the frame in its stream, from 0; a gap shows lost frames.
    pub sequence: u32,
    /// `V4L2_MEMORY_*`.
    pub memory: u32,
    /// Where the memory is: see [`V4l2Buffer::offset`], [`V4l2Buffer::userptr`],
    /// [`V4l2Buffer::fd`]. For multi-planar types the address of an array of [`V4l2Plane`].
    pub m: u64,
    /// Bytes of memory; for multi-planar types the length of the array.
    pub length: u32,
    /// Zero.
    pub reserved2: u32,
    /// Descriptor of a request, if `V4L2_BUF_FLAG_REQUEST_FD` says so; else 0.
    pub request_fd: i32,
    /// Padding of the C structure, zero.
    pub pad2: [u8; 4],
}

/// Asks for a descriptor of a buffer's memory.
#[doc(alias = "v4l2_exportbuffer")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Exportbuffer {
    /// `V4L2_BUF_TYPE_*`.
    pub type_: u32,
    /// Number of the buffer, from 0.
    pub index: u32,
    /// Number of the plane, 0 for single-planar types.
    pub plane: u32,
    /// `O_CLOEXEC` and an access mode, as for open().
    pub flags: u32,
    /// The descriptor, answered.
    pub fd: i32,
    /// Zero.
    pub reserved: [u32; 11],
}

/// Asks for further buffers, of a format's size.
#[doc(alias = "v4l2_create_buffers")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2CreateBuffers {
    /// Number of the first buffer made, answered.
    pub index: u32,
    /// Buffers wanted; in the answer the number made.
    pub count: u32,
    /// `V4L2_MEMORY_*`.
    pub memory: u32,
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
    /// The format; of a picture, `sizeimage` is the buffers' length.
    pub format: V4l2Format,
    /// Set of `V4L2_BUF_CAP_*`, answered.
    pub capabilities: u32,
    /// Set of `V4L2_MEMORY_FLAG_*`.
    pub flags: u32,
    /// Zero.
    pub reserved: [u32; 6],
}

zero_default! { V4l2Requestbuffers, V4l2Plane, V4l2Buffer, V4l2Exportbuffer, V4l2CreateBuffers }

assert_layout! {
    V4l2Requestbuffers: 20 { count: 0, type_: 4, memory: 8, capabilities: 12, flags: 16, reserved: 17 }
    V4l2Timeval: 16 { sec: 0, usec: 8 }
    V4l2Timecode: 16 {
        type_: 0, flags: 4, frames: 8, seconds: 9, minutes: 10, hours: 11, userbits: 12,
    }
    V4l2Plane: 64 { bytesused: 0, length: 4, m: 8, data_offset: 16, reserved: 20 }
    V4l2Buffer: 88 {
        index: 0, type_: 4, bytesused: 8, flags: 12, field: 16, pad: 20, timestamp: 24,
        timecode: 40, sequence: 56, memory: 60, m: 64, length: 72, reserved2: 76,
        request_fd: 80, pad2: 84,
    }
    V4l2Exportbuffer: 64 { type_: 0, index: 4, plane: 8, flags: 12, fd: 16, reserved: 20 }
    V4l2CreateBuffers: 256 {
        index: 0, count: 4, memory: 8, pad: 12, format: 16, capabilities: 224, flags: 228,
        reserved: 232,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_is_one_union() {
        let mut buffer = V4l2Buffer::default();
        buffer.set_userptr(u64::MAX);
        assert_eq!(buffer.offset(), u32::MAX);
        assert_eq!(buffer.fd(), -1);
        buffer.set_offset(0x1234_5678);
        assert_eq!(buffer.offset(), 0x1234_5678);
        // The narrow member is the first four bytes, the rest is cleared.
        assert_eq!(buffer.as_bytes()[64..68], 0x1234_5678u32.to_ne_bytes());
        assert_eq!(buffer.as_bytes()[68..72], [0; 4]);

        let mut plane = V4l2Plane::default();
        plane.set_fd(-5);
        assert_eq!(plane.fd(), -5);
        assert_eq!(plane.as_bytes()[12..16], [0; 4]);
    }

    #[test]
    fn times() {
        let time = V4l2Timeval::from_nanos(12_000_345_678);
        assert_eq!(time, V4l2Timeval { sec: 12, usec: 345 });
        assert_eq!(time.nanos(), 12_000_345_000);
        // Garbage that a program left in the field ends, whatever it gives.
        let _ = V4l2Timeval { sec: i64::MIN, usec: i64::MAX }.nanos();
    }
}
