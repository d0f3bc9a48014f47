//! The V4L2 structures whose 32-bit shape differs, and the way between the shapes.
//!
//! What contains a time has two 32-bit shapes: a program chooses the width of `time_t` when it is
//! compiled (`_TIME_BITS`), and the size in the request number tells which one it is.
//!
//! Widening always succeeds. Narrowing an address may not ([`TooWide`]). A time's seconds are cut,
//! as the kernel does it: the clock of a stream counts from the machine's start.
//!
//! Formats of overlays have pointers within their union, and would differ, too; no loopback serves
//! them, so the union passes as it is.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    V4l2Buffer, V4l2CreateBuffers, V4l2Event, V4l2ExtControls, V4l2Format, V4l2Input, V4l2Plane,
    V4l2Standard, V4l2Timecode, V4l2Timespec, V4l2Timeval,
};
use crate::TooWide;
use crate::layout::{assert_layout, zero_default};

/// A 64-bit number as i386 has it in a structure, aligned to 4 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Aligned4 {
    halves: [u32; 2],
}

impl From<Aligned4> for u64 {
    fn from(number: Aligned4) -> u64 {
        zerocopy::transmute!(number)
    }
}

impl From<u64> for Aligned4 {
    fn from(number: u64) -> Aligned4 {
        zerocopy::transmute!(number)
    }
}

impl From<Aligned4> for i64 {
    fn from(number: Aligned4) -> i64 {
        zerocopy::transmute!(number)
    }
}

impl From<i64> for Aligned4 {
    fn from(number: i64) -> Aligned4 {
        zerocopy::transmute!(number)
    }
}

/// 32-bit shape of [`V4l2Timeval`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Timeval32 {
    /// See [`V4l2Timeval::sec`].
    pub sec: i32,
    /// See [`V4l2Timeval::usec`].
    pub usec: i32,
}

/// The same with a 64-bit `time_t`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Timeval32Time64 {
    /// See [`V4l2Timeval::sec`].
    pub sec: Aligned4,
    /// See [`V4l2Timeval::usec`].
    pub usec: Aligned4,
}

/// 32-bit shape of [`V4l2Timespec`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Timespec32 {
    /// See [`V4l2Timespec::sec`].
    pub sec: i32,
    /// See [`V4l2Timespec::nsec`].
    pub nsec: i32,
}

/// The same with a 64-bit `time_t`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Timespec32Time64 {
    /// See [`V4l2Timespec::sec`].
    pub sec: Aligned4,
    /// See [`V4l2Timespec::nsec`].
    pub nsec: Aligned4,
}

/// 32-bit shape of [`V4l2Format`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Format32 {
    /// See [`V4l2Format::type_`].
    pub type_: u32,
    /// See [`V4l2Format::fmt`].
    pub fmt: [u8; 200],
}

/// 32-bit shape of [`V4l2Plane`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Plane32 {
    /// See [`V4l2Plane::bytesused`].
    pub bytesused: u32,
    /// See [`V4l2Plane::length`].
    pub length: u32,
    /// See [`V4l2Plane::m`].
    pub m: u32,
    /// See [`V4l2Plane::data_offset`].
    pub data_offset: u32,
    /// See [`V4l2Plane::reserved`].
    pub reserved: [u32; 11],
}

/// The two 32-bit shapes of [`V4l2Buffer`], which differ in the time alone.
macro_rules! buffer {
    ($(#[$doc:meta])* $name:ident, $time:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
        #[repr(C)]
        pub struct $name {
            /// See [`V4l2Buffer::index`].
            pub index: u32,
            /// See [`V4l2Buffer::type_`].
            pub type_: u32,
            /// See [`V4l2Buffer::bytesused`].
            pub bytesused: u32,
            /// See [`V4l2Buffer::flags`].
            pub flags: u32,
            /// See [`V4l2Buffer::field`].
            pub field: u32,
            /// See [`V4l2Buffer::timestamp`].
            pub timestamp: $time,
            /// See [`V4l2Buffer::timecode`].
            pub timecode: V4l2Timecode,
            /// See [`V4l2Buffer::sequence`].
            pub sequence: u32,
            /// See [`V4l2Buffer::memory`].
            pub memory: u32,
            /// See [`V4l2Buffer::m`].
            pub m: u32,
            /// See [`V4l2Buffer::length`].
            pub length: u32,
            /// See [`V4l2Buffer::reserved2`].
            pub reserved2: u32,
            /// See [`V4l2Buffer::request_fd`].
            pub request_fd: i32,
        }

        impl From<$name> for V4l2Buffer {
            fn from(narrow: $name) -> V4l2Buffer {
                V4l2Buffer {
                    index: narrow.index,
                    type_: narrow.type_,
                    bytesused: narrow.bytesused,
                    flags: narrow.flags,
                    field: narrow.field,
                    pad: [0; 4],
                    timestamp: narrow.timestamp.into(),
                    timecode: narrow.timecode,
                    sequence: narrow.sequence,
                    memory: narrow.memory,
                    m: narrow.m.into(),
                    length: narrow.length,
                    reserved2: narrow.reserved2,
                    request_fd: narrow.request_fd,
                    pad2: [0; 4],
                }
            }
        }

        impl TryFrom<V4l2Buffer> for $name {
            type Error = TooWide;

            fn try_from(wide: V4l2Buffer) -> Result<$name, TooWide> {
                Ok($name {
                    index: wide.index,
                    type_: wide.type_,
                    bytesused: wide.bytesused,
                    flags: wide.flags,
                    field: wide.field,
                    timestamp: wide.timestamp.into(),
                    timecode: wide.timecode,
                    sequence: wide.sequence,
                    memory: wide.memory,
                    m: narrow(wide.m)?,
                    length: wide.length,
                    reserved2: wide.reserved2,
                    request_fd: wide.request_fd,
                })
            }
        }
    };
}

buffer! {
    /// 32-bit shape of [`V4l2Buffer`].
    #[doc(alias = "v4l2_buffer")]
    V4l2Buffer32, V4l2Timeval32
}

buffer! {
    /// 32-bit shape of [`V4l2Buffer`] with a 64-bit `time_t`.
    #[doc(alias = "v4l2_buffer")]
    V4l2Buffer32Time64, V4l2Timeval32Time64
}

/// The two 32-bit shapes of [`V4l2Event`], which differ in the time alone.
macro_rules! event {
    ($(#[$doc:meta])* $name:ident, $time:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
        #[repr(C)]
        pub struct $name {
            /// See [`V4l2Event::type_`].
            pub type_: u32,
            /// See [`V4l2Event::u`].
            pub u: [u8; 64],
            /// See [`V4l2Event::pending`].
            pub pending: u32,
            /// See [`V4l2Event::sequence`].
            pub sequence: u32,
            /// See [`V4l2Event::timestamp`].
            pub timestamp: $time,
            /// See [`V4l2Event::id`].
            pub id: u32,
            /// See [`V4l2Event::reserved`].
            pub reserved: [u32; 8],
        }

        impl From<$name> for V4l2Event {
            fn from(narrow: $name) -> V4l2Event {
                V4l2Event {
                    type_: narrow.type_,
                    pad: [0; 4],
                    u: narrow.u,
                    pending: narrow.pending,
                    sequence: narrow.sequence,
                    timestamp: narrow.timestamp.into(),
                    id: narrow.id,
                    reserved: narrow.reserved,
                    pad2: [0; 4],
                }
            }
        }

        impl From<V4l2Event> for $name {
            fn from(wide: V4l2Event) -> $name {
                $name {
                    type_: wide.type_,
                    u: wide.u,
                    pending: wide.pending,
                    sequence: wide.sequence,
                    timestamp: wide.timestamp.into(),
                    id: wide.id,
                    reserved: wide.reserved,
                }
            }
        }
    };
}

event! {
    /// 32-bit shape of [`V4l2Event`].
    #[doc(alias = "v4l2_event")]
    V4l2Event32, V4l2Timespec32
}

event! {
    /// 32-bit shape of [`V4l2Event`] with a 64-bit `time_t`.
    #[doc(alias = "v4l2_event")]
    V4l2Event32Time64, V4l2Timespec32Time64
}

/// 32-bit shape of [`V4l2CreateBuffers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2CreateBuffers32 {
    /// See [`V4l2CreateBuffers::index`].
    pub index: u32,
    /// See [`V4l2CreateBuffers::count`].
    pub count: u32,
    /// See [`V4l2CreateBuffers::memory`].
    pub memory: u32,
    /// See [`V4l2CreateBuffers::format`].
    pub format: V4l2Format32,
    /// See [`V4l2CreateBuffers::capabilities`].
    pub capabilities: u32,
    /// See [`V4l2CreateBuffers::flags`].
    pub flags: u32,
    /// See [`V4l2CreateBuffers::reserved`].
    pub reserved: [u32; 6],
}

/// 32-bit shape of [`V4l2ExtControls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2ExtControls32 {
    /// See [`V4l2ExtControls::which`].
    pub which: u32,
    /// See [`V4l2ExtControls::count`].
    pub count: u32,
    /// See [`V4l2ExtControls::error_idx`].
    pub error_idx: u32,
    /// See [`V4l2ExtControls::request_fd`].
    pub request_fd: i32,
    /// See [`V4l2ExtControls::reserved`].
    pub reserved: u32,
    /// See [`V4l2ExtControls::controls`].
    pub controls: u32,
}

/// 32-bit shape of [`V4l2Input`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Input32 {
    /// See [`V4l2Input::index`].
    pub index: u32,
    /// See [`V4l2Input::name`].
    pub name: [u8; 32],
    /// See [`V4l2Input::type_`].
    pub type_: u32,
    /// See [`V4l2Input::audioset`].
    pub audioset: u32,
    /// See [`V4l2Input::tuner`].
    pub tuner: u32,
    /// See [`V4l2Input::std`].
    pub std: Aligned4,
    /// See [`V4l2Input::status`].
    pub status: u32,
    /// See [`V4l2Input::capabilities`].
    pub capabilities: u32,
    /// See [`V4l2Input::reserved`].
    pub reserved: [u32; 3],
}

/// 32-bit shape of [`V4l2Standard`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Standard32 {
    /// See [`V4l2Standard::index`].
    pub index: u32,
    /// See [`V4l2Standard::id`].
    pub id: Aligned4,
    /// See [`V4l2Standard::name`].
    pub name: [u8; 24],
    /// See [`V4l2Standard::frameperiod`].
    pub frameperiod: super::V4l2Fract,
    /// See [`V4l2Standard::framelines`].
    pub framelines: u32,
    /// See [`V4l2Standard::reserved`].
    pub reserved: [u32; 4],
}

zero_default! {
    V4l2Format32, V4l2Plane32, V4l2Buffer32, V4l2Buffer32Time64, V4l2Event32, V4l2Event32Time64,
    V4l2CreateBuffers32, V4l2ExtControls32, V4l2Input32, V4l2Standard32,
}

assert_layout! {
    Aligned4: 8 { halves: 0 }
    V4l2Timeval32: 8 { sec: 0, usec: 4 }
    V4l2Timeval32Time64: 16 { sec: 0, usec: 8 }
    V4l2Timespec32: 8 { sec: 0, nsec: 4 }
    V4l2Timespec32Time64: 16 { sec: 0, nsec: 8 }
    V4l2Format32: 204 { type_: 0, fmt: 4 }
    V4l2Plane32: 60 { bytesused: 0, length: 4, m: 8, data_offset: 12, reserved: 16 }
    V4l2Buffer32: 68 {
        index: 0, type_: 4, bytesused: 8, flags: 12, field: 16, timestamp: 20, timecode: 28,
        sequence: 44, memory: 48, m: 52, length: 56, reserved2: 60, request_fd: 64,
    }
    V4l2Buffer32Time64: 76 {
        index: 0, type_: 4, bytesused: 8, flags: 12, field: 16, timestamp: 20, timecode: 36,
        sequence: 52, memory: 56, m: 60, length: 64, reserved2: 68, request_fd: 72,
    }
    V4l2Event32: 120 {
        type_: 0, u: 4, pending: 68, sequence: 72, timestamp: 76, id: 84, reserved: 88,
    }
    V4l2Event32Time64: 128 {
        type_: 0, u: 4, pending: 68, sequence: 72, timestamp: 76, id: 92, reserved: 96,
    }
    V4l2CreateBuffers32: 248 {
        index: 0, count: 4, memory: 8, format: 12, capabilities: 216, flags: 220, reserved: 224,
    }
    V4l2ExtControls32: 24 {
        which: 0, count: 4, error_idx: 8, request_fd: 12, reserved: 16, controls: 20,
    }
    V4l2Input32: 76 {
        index: 0, name: 4, type_: 36, audioset: 40, tuner: 44, std: 48, status: 56,
        capabilities: 60, reserved: 64,
    }
    V4l2Standard32: 64 {
        index: 0, id: 4, name: 12, frameperiod: 36, framelines: 44, reserved: 48,
    }
}

fn narrow(value: u64) -> Result<u32, TooWide> {
    u32::try_from(value).map_err(|_| TooWide)
}

/// Times: the fields widen; the way back cuts.
macro_rules! times {
    ($($wide:ident { $sec:ident, $part:ident }: $narrow:ident, $time64:ident;)*) => {$(
        impl From<$narrow> for $wide {
            fn from(narrow: $narrow) -> $wide {
                $wide { $sec: narrow.$sec.into(), $part: narrow.$part.into() }
            }
        }

        impl From<$wide> for $narrow {
            fn from(wide: $wide) -> $narrow {
                $narrow { $sec: wide.$sec as i32, $part: wide.$part as i32 }
            }
        }

        impl From<$time64> for $wide {
            fn from(narrow: $time64) -> $wide {
                $wide { $sec: narrow.$sec.into(), $part: narrow.$part.into() }
            }
        }

        impl From<$wide> for $time64 {
            fn from(wide: $wide) -> $time64 {
                $time64 { $sec: wide.$sec.into(), $part: wide.$part.into() }
            }
        }
    )*};
}

times! {
    V4l2Timeval { sec, usec }: V4l2Timeval32, V4l2Timeval32Time64;
    V4l2Timespec { sec, nsec }: V4l2Timespec32, V4l2Timespec32Time64;
}

impl From<V4l2Format32> for V4l2Format {
    fn from(narrow: V4l2Format32) -> V4l2Format {
        V4l2Format { type_: narrow.type_, pad: [0; 4], fmt: narrow.fmt }
    }
}

impl From<V4l2Format> for V4l2Format32 {
    fn from(wide: V4l2Format) -> V4l2Format32 {
        V4l2Format32 { type_: wide.type_, fmt: wide.fmt }
    }
}

impl From<V4l2Plane32> for V4l2Plane {
    fn from(narrow: V4l2Plane32) -> V4l2Plane {
        V4l2Plane {
            bytesused: narrow.bytesused,
            length: narrow.length,
            m: narrow.m.into(),
            data_offset: narrow.data_offset,
            reserved: narrow.reserved,
        }
    }
}

impl TryFrom<V4l2Plane> for V4l2Plane32 {
    type Error = TooWide;

    fn try_from(wide: V4l2Plane) -> Result<V4l2Plane32, TooWide> {
        Ok(V4l2Plane32 {
            bytesused: wide.bytesused,
            length: wide.length,
            m: narrow(wide.m)?,
            data_offset: wide.data_offset,
            reserved: wide.reserved,
        })
    }
}

impl From<V4l2CreateBuffers32> for V4l2CreateBuffers {
    fn from(narrow: V4l2CreateBuffers32) -> V4l2CreateBuffers {
        V4l2CreateBuffers {
            index: narrow.index,
            count: narrow.count,
            memory: narrow.memory,
            pad: [0; 4],
            format: narrow.format.into(),
            capabilities: narrow.capabilities,
            flags: narrow.flags,
            reserved: narrow.reserved,
        }
    }
}

impl From<V4l2CreateBuffers> for V4l2CreateBuffers32 {
    fn from(wide: V4l2CreateBuffers) -> V4l2CreateBuffers32 {
        V4l2CreateBuffers32 {
            index: wide.index,
            count: wide.count,
            memory: wide.memory,
            format: wide.format.into(),
            capabilities: wide.capabilities,
            flags: wide.flags,
            reserved: wide.reserved,
        }
    }
}

impl From<V4l2ExtControls32> for V4l2ExtControls {
    fn from(narrow: V4l2ExtControls32) -> V4l2ExtControls {
        V4l2ExtControls {
            which: narrow.which,
            count: narrow.count,
            error_idx: narrow.error_idx,
            request_fd: narrow.request_fd,
            reserved: narrow.reserved,
            pad: [0; 4],
            controls: narrow.controls.into(),
        }
    }
}

impl TryFrom<V4l2ExtControls> for V4l2ExtControls32 {
    type Error = TooWide;

    fn try_from(wide: V4l2ExtControls) -> Result<V4l2ExtControls32, TooWide> {
        Ok(V4l2ExtControls32 {
            which: wide.which,
            count: wide.count,
            error_idx: wide.error_idx,
            request_fd: wide.request_fd,
            reserved: wide.reserved,
            controls: narrow(wide.controls)?,
        })
    }
}

impl From<V4l2Input32> for V4l2Input {
    fn from(narrow: V4l2Input32) -> V4l2Input {
        V4l2Input {
            index: narrow.index,
            name: narrow.name,
            type_: narrow.type_,
            audioset: narrow.audioset,
            tuner: narrow.tuner,
            std: narrow.std.into(),
            status: narrow.status,
            capabilities: narrow.capabilities,
            reserved: narrow.reserved,
            pad: [0; 4],
        }
    }
}

impl From<V4l2Input> for V4l2Input32 {
    fn from(wide: V4l2Input) -> V4l2Input32 {
        V4l2Input32 {
            index: wide.index,
            name: wide.name,
            type_: wide.type_,
            audioset: wide.audioset,
            tuner: wide.tuner,
            std: wide.std.into(),
            status: wide.status,
            capabilities: wide.capabilities,
            reserved: wide.reserved,
        }
    }
}

impl From<V4l2Standard32> for V4l2Standard {
    fn from(narrow: V4l2Standard32) -> V4l2Standard {
        V4l2Standard {
            index: narrow.index,
            id: narrow.id.into(),
            name: narrow.name,
            frameperiod: narrow.frameperiod,
            framelines: narrow.framelines,
            reserved: narrow.reserved,
            ..V4l2Standard::default()
        }
    }
}

impl From<V4l2Standard> for V4l2Standard32 {
    fn from(wide: V4l2Standard) -> V4l2Standard32 {
        V4l2Standard32 {
            index: wide.index,
            id: wide.id.into(),
            name: wide.name,
            frameperiod: wide.frameperiod,
            framelines: wide.framelines,
            reserved: wide.reserved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes 1, 2, 3 …: no two fields are equal, so a swapped pair shows.
    fn distinct<T: FromBytes + IntoBytes>() -> T {
        let mut value = T::new_zeroed();
        for (index, byte) in value.as_mut_bytes().iter_mut().enumerate() {
            *byte = index as u8 + 1;
        }
        value
    }

    macro_rules! there_and_back {
        ($($narrow:ident: $wide:ident),* $(,)?) => {$(
            let narrow: $narrow = distinct();
            assert_eq!($narrow::try_from($wide::from(narrow)), Ok(narrow));
        )*};
    }

    #[test]
    fn widening_and_narrowing_is_the_identity() {
        there_and_back! {
            V4l2Format32: V4l2Format, V4l2Plane32: V4l2Plane, V4l2Buffer32: V4l2Buffer,
            V4l2Buffer32Time64: V4l2Buffer, V4l2Event32: V4l2Event, V4l2Event32Time64: V4l2Event,
            V4l2CreateBuffers32: V4l2CreateBuffers, V4l2ExtControls32: V4l2ExtControls,
            V4l2Input32: V4l2Input, V4l2Standard32: V4l2Standard,
        }
    }

    #[test]
    fn addresses_are_never_cut() {
        let high = 1 << 32;
        let buffer = V4l2Buffer { m: high, ..V4l2Buffer::default() };
        assert_eq!(V4l2Buffer32::try_from(buffer), Err(TooWide));
        assert_eq!(V4l2Buffer32Time64::try_from(buffer), Err(TooWide));
        assert_eq!(V4l2Plane32::try_from(V4l2Plane { m: high, ..V4l2Plane::default() }), Err(TooWide));
        let list = V4l2ExtControls { controls: high, ..V4l2ExtControls::default() };
        assert_eq!(V4l2ExtControls32::try_from(list), Err(TooWide));
    }

    #[test]
    fn times_keep_their_sign_and_a_long_one_fits_64_bits() {
        let before = V4l2Timeval { sec: -1, usec: 5 };
        assert_eq!(V4l2Timeval::from(V4l2Timeval32::from(before)), before);
        let late = V4l2Timeval { sec: 1 << 33, usec: 999_999 };
        assert_eq!(V4l2Timeval::from(V4l2Timeval32Time64::from(late)), late);
        assert_eq!(V4l2Timeval32::from(late), V4l2Timeval32 { sec: 0, usec: 999_999 });
    }
}
