//! The V4L1 structures whose 32-bit shape differs, and the way between the shapes.
//!
//! Widening always succeeds. Narrowing an address may not: an address above 4 GiB means nothing
//! to a 32-bit program, so it is [`TooWide`] and not cut. The ends of a tuner's range are limits,
//! so they are brought down to what the type can hold.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{VideoBuffer, VideoClip, VideoCode, VideoTuner, VideoWindow};
use crate::layout::{assert_layout, zero_default};

/// A value of the 64-bit shape that the 32-bit one cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooWide;

impl fmt::Display for TooWide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address or number does not fit a 32-bit program's structure")
    }
}

impl core::error::Error for TooWide {}

/// 32-bit shape of [`VideoTuner`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoTuner32 {
    /// See [`VideoTuner::tuner`].
    pub tuner: i32,
    /// See [`VideoTuner::name`].
    pub name: [u8; 32],
    /// See [`VideoTuner::rangelow`].
    pub rangelow: u32,
    /// See [`VideoTuner::rangehigh`].
    pub rangehigh: u32,
    /// See [`VideoTuner::flags`].
    pub flags: u32,
    /// See [`VideoTuner::mode`].
    pub mode: u16,
    /// See [`VideoTuner::signal`].
    pub signal: u16,
}

/// 32-bit shape of [`VideoClip`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoClip32 {
    /// See [`VideoClip::x`].
    pub x: i32,
    /// See [`VideoClip::y`].
    pub y: i32,
    /// See [`VideoClip::width`].
    pub width: i32,
    /// See [`VideoClip::height`].
    pub height: i32,
    /// See [`VideoClip::next`].
    pub next: u32,
}

/// 32-bit shape of [`VideoWindow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoWindow32 {
    /// See [`VideoWindow::x`].
    pub x: u32,
    /// See [`VideoWindow::y`].
    pub y: u32,
    /// See [`VideoWindow::width`].
    pub width: u32,
    /// See [`VideoWindow::height`].
    pub height: u32,
    /// See [`VideoWindow::chromakey`].
    pub chromakey: u32,
    /// See [`VideoWindow::flags`].
    pub flags: u32,
    /// See [`VideoWindow::clips`].
    pub clips: u32,
    /// See [`VideoWindow::clipcount`].
    pub clipcount: i32,
}

/// 32-bit shape of [`VideoBuffer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoBuffer32 {
    /// See [`VideoBuffer::base`].
    pub base: u32,
    /// See [`VideoBuffer::height`].
    pub height: i32,
    /// See [`VideoBuffer::width`].
    pub width: i32,
    /// See [`VideoBuffer::depth`].
    pub depth: i32,
    /// See [`VideoBuffer::bytesperline`].
    pub bytesperline: i32,
}

/// 32-bit shape of [`VideoCode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoCode32 {
    /// See [`VideoCode::loadwhat`].
    pub loadwhat: [u8; 16],
    /// See [`VideoCode::datasize`].
    pub datasize: i32,
    /// See [`VideoCode::data`].
    pub data: u32,
}

zero_default! { VideoTuner32, VideoClip32, VideoWindow32, VideoBuffer32, VideoCode32 }

assert_layout! {
    VideoTuner32: 52 {
        tuner: 0, name: 4, rangelow: 36, rangehigh: 40, flags: 44, mode: 48, signal: 50,
    }
    VideoClip32: 20 { x: 0, y: 4, width: 8, height: 12, next: 16 }
    VideoWindow32: 32 {
        x: 0, y: 4, width: 8, height: 12, chromakey: 16, flags: 20, clips: 24, clipcount: 28,
    }
    VideoBuffer32: 20 { base: 0, height: 4, width: 8, depth: 12, bytesperline: 16 }
    VideoCode32: 24 { loadwhat: 0, datasize: 16, data: 20 }
}

fn narrow(value: u64) -> Result<u32, TooWide> {
    u32::try_from(value).map_err(|_| TooWide)
}

impl From<VideoTuner32> for VideoTuner {
    fn from(narrow: VideoTuner32) -> Self {
        VideoTuner {
            tuner: narrow.tuner,
            name: narrow.name,
            pad: [0; 4],
            rangelow: narrow.rangelow.into(),
            rangehigh: narrow.rangehigh.into(),
            flags: narrow.flags,
            mode: narrow.mode,
            signal: narrow.signal,
        }
    }
}

impl From<VideoTuner> for VideoTuner32 {
    /// Range ends above the type become its largest value.
    fn from(wide: VideoTuner) -> Self {
        VideoTuner32 {
            tuner: wide.tuner,
            name: wide.name,
            rangelow: u32::try_from(wide.rangelow).unwrap_or(u32::MAX),
            rangehigh: u32::try_from(wide.rangehigh).unwrap_or(u32::MAX),
            flags: wide.flags,
            mode: wide.mode,
            signal: wide.signal,
        }
    }
}

impl From<VideoClip32> for VideoClip {
    fn from(narrow: VideoClip32) -> Self {
        VideoClip {
            x: narrow.x,
            y: narrow.y,
            width: narrow.width,
            height: narrow.height,
            next: narrow.next.into(),
        }
    }
}

impl TryFrom<VideoClip> for VideoClip32 {
    type Error = TooWide;

    fn try_from(wide: VideoClip) -> Result<Self, TooWide> {
        Ok(VideoClip32 {
            x: wide.x,
            y: wide.y,
            width: wide.width,
            height: wide.height,
            next: narrow(wide.next)?,
        })
    }
}

impl From<VideoWindow32> for VideoWindow {
    fn from(narrow: VideoWindow32) -> Self {
        VideoWindow {
            x: narrow.x,
            y: narrow.y,
            width: narrow.width,
            height: narrow.height,
            chromakey: narrow.chromakey,
            flags: narrow.flags,
            clips: narrow.clips.into(),
            clipcount: narrow.clipcount,
            pad: [0; 4],
        }
    }
}

impl TryFrom<VideoWindow> for VideoWindow32 {
    type Error = TooWide;

    fn try_from(wide: VideoWindow) -> Result<Self, TooWide> {
        Ok(VideoWindow32 {
            x: wide.x,
            y: wide.y,
            width: wide.width,
            height: wide.height,
            chromakey: wide.chromakey,
            flags: wide.flags,
            clips: narrow(wide.clips)?,
            clipcount: wide.clipcount,
        })
    }
}

impl From<VideoBuffer32> for VideoBuffer {
    fn from(narrow: VideoBuffer32) -> Self {
        VideoBuffer {
            base: narrow.base.into(),
            height: narrow.height,
            width: narrow.width,
            depth: narrow.depth,
            bytesperline: narrow.bytesperline,
        }
    }
}

impl TryFrom<VideoBuffer> for VideoBuffer32 {
    type Error = TooWide;

    fn try_from(wide: VideoBuffer) -> Result<Self, TooWide> {
        Ok(VideoBuffer32 {
            base: narrow(wide.base)?,
            height: wide.height,
            width: wide.width,
            depth: wide.depth,
            bytesperline: wide.bytesperline,
        })
    }
}

impl From<VideoCode32> for VideoCode {
    fn from(narrow: VideoCode32) -> Self {
        VideoCode {
            loadwhat: narrow.loadwhat,
            datasize: narrow.datasize,
            pad: [0; 4],
            data: narrow.data.into(),
        }
    }
}

impl TryFrom<VideoCode> for VideoCode32 {
    type Error = TooWide;

    fn try_from(wide: VideoCode) -> Result<Self, TooWide> {
        Ok(VideoCode32 { loadwhat: wide.loadwhat, datasize: wide.datasize, data: narrow(wide.data)? })
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

    #[test]
    fn widening_and_narrowing_is_the_identity() {
        let tuner: VideoTuner32 = distinct();
        assert_eq!(VideoTuner32::from(VideoTuner::from(tuner)), tuner);
        let clip: VideoClip32 = distinct();
        assert_eq!(VideoClip32::try_from(VideoClip::from(clip)), Ok(clip));
        let window: VideoWindow32 = distinct();
        assert_eq!(VideoWindow32::try_from(VideoWindow::from(window)), Ok(window));
        let buffer: VideoBuffer32 = distinct();
        assert_eq!(VideoBuffer32::try_from(VideoBuffer::from(buffer)), Ok(buffer));
        let code: VideoCode32 = distinct();
        assert_eq!(VideoCode32::try_from(VideoCode::from(code)), Ok(code));
    }

    #[test]
    fn addresses_are_never_cut() {
        let high = 1 << 32;
        let clip = VideoClip { next: high, ..VideoClip::default() };
        assert_eq!(VideoClip32::try_from(clip), Err(TooWide));
        let window = VideoWindow { clips: high, ..VideoWindow::default() };
        assert_eq!(VideoWindow32::try_from(window), Err(TooWide));
        let buffer = VideoBuffer { base: high, ..VideoBuffer::default() };
        assert_eq!(VideoBuffer32::try_from(buffer), Err(TooWide));
        let code = VideoCode { data: high, ..VideoCode::default() };
        assert_eq!(VideoCode32::try_from(code), Err(TooWide));
    }

    #[test]
    fn tuner_limits_saturate() {
        let tuner = VideoTuner { rangelow: 7, rangehigh: u64::MAX, ..VideoTuner::default() };
        let narrow = VideoTuner32::from(tuner);
        assert_eq!((narrow.rangelow, narrow.rangehigh), (7, u32::MAX));
    }
}
