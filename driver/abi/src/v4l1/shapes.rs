//! The V4L1 structures, 64-bit shape; most are the same for 32-bit programs.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::layout::{assert_layout, zero_default};

/// Most frames that a device's mapping can have, the length of [`VideoMbuf::offsets`].
pub const VIDEO_MAX_FRAME: usize = 32;

/// What a device is and can do.
#[doc(alias = "video_capability")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoCapability {
    /// Name of the device, NUL-terminated.
    pub name: [u8; 32],
    /// Set of `VID_TYPE_*`.
    pub type_: i32,
    /// Number of video channels.
    pub channels: i32,
    /// Number of audio channels.
    pub audios: i32,
    /// Largest width in pixels.
    pub maxwidth: i32,
    /// Largest height in pixels.
    pub maxheight: i32,
    /// Smallest width in pixels.
    pub minwidth: i32,
    /// Smallest height in pixels.
    pub minheight: i32,
}

/// A video source of a device.
#[doc(alias = "video_channel")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoChannel {
    /// Number of the channel, from 0; the caller sets it.
    pub channel: i32,
    /// Name of the channel, NUL-terminated.
    pub name: [u8; 32],
    /// Number of tuners.
    pub tuners: i32,
    /// Set of `VIDEO_VC_*`.
    pub flags: u32,
    /// `VIDEO_TYPE_TV` or `VIDEO_TYPE_CAMERA`.
    pub type_: u16,
    /// `VIDEO_MODE_*`.
    pub norm: u16,
}

/// A tuner of a channel; 64-bit shape, see [`super::shapes32::VideoTuner32`].
#[doc(alias = "video_tuner")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoTuner {
    /// Number of the tuner, from 0; the caller sets it.
    pub tuner: i32,
    /// Name of the tuner, NUL-terminated.
    pub name: [u8; 32],
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
    /// Lowest frequency, in 1/16 MHz (1/16 kHz with `VIDEO_TUNER_LOW`).
    pub rangelow: u64,
    /// Highest frequency, in the same unit.
    pub rangehigh: u64,
    /// Set of `VIDEO_TUNER_*`.
    pub flags: u32,
    /// `VIDEO_MODE_*`.
    pub mode: u16,
    /// Signal strength, 0 to 65535.
    pub signal: u16,
}

/// Picture settings and pixel format; each setting 0 to 65535.
#[doc(alias = "video_picture")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoPicture {
    /// Brightness.
    pub brightness: u16,
    /// Hue.
    pub hue: u16,
    /// Saturation.
    pub colour: u16,
    /// Contrast.
    pub contrast: u16,
    /// White level, for black-and-white devices.
    pub whiteness: u16,
    /// Bits a pixel.
    pub depth: u16,
    /// `VIDEO_PALETTE_*`; see [`crate::Palette`].
    pub palette: u16,
}

/// An audio channel.
#[doc(alias = "video_audio")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoAudio {
    /// Number of the channel, from 0; the caller sets it.
    pub audio: i32,
    /// Volume, 0 to 65535.
    pub volume: u16,
    /// Bass, 0 to 65535.
    pub bass: u16,
    /// Treble, 0 to 65535.
    pub treble: u16,
    /// Padding of the C structure, zero.
    pub pad: [u8; 2],
    /// Set of `VIDEO_AUDIO_*`.
    pub flags: u32,
    /// Name of the channel, NUL-terminated.
    pub name: [u8; 16],
    /// `VIDEO_SOUND_*`.
    pub mode: u16,
    /// Balance between left and right.
    pub balance: u16,
    /// Smallest step of the volume.
    pub step: u16,
    /// Padding of the C structure, zero.
    pub pad2: [u8; 2],
}

/// A rectangle that overlay must leave out; 64-bit shape, see [`super::shapes32::VideoClip32`].
#[doc(alias = "video_clip")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoClip {
    /// Left edge in pixels.
    pub x: i32,
    /// Upper edge in pixels.
    pub y: i32,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// Address of the next rectangle, 0 for none.
    pub next: u64,
}

/// Where the picture goes and how large it is; 64-bit shape, see
/// [`super::shapes32::VideoWindow32`].
#[doc(alias = "video_window")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoWindow {
    /// Left edge in pixels.
    pub x: u32,
    /// Upper edge in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Colour that overlay replaces.
    pub chromakey: u32,
    /// Set of `VIDEO_WINDOW_*`.
    pub flags: u32,
    /// Address of an array of [`VideoClip`], 0 for none.
    pub clips: u64,
    /// Length of that array, or `VIDEO_CLIP_BITMAP`.
    pub clipcount: i32,
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
}

/// A part of the picture to capture.
#[doc(alias = "video_capture")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoCapture {
    /// Left edge in pixels.
    pub x: u32,
    /// Upper edge in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Take every n-th pixel.
    pub decimation: u16,
    /// `VIDEO_CAPTURE_ODD` or `VIDEO_CAPTURE_EVEN`.
    pub flags: u16,
}

/// The screen memory that overlay writes to; 64-bit shape, see
/// [`super::shapes32::VideoBuffer32`].
#[doc(alias = "video_buffer")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoBuffer {
    /// Physical address.
    pub base: u64,
    /// Height in pixels.
    pub height: i32,
    /// Width in pixels.
    pub width: i32,
    /// Bits a pixel.
    pub depth: i32,
    /// Bytes from a line to the next.
    pub bytesperline: i32,
}

/// An order to capture a frame into the mapping.
#[doc(alias = "video_mmap")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoMmap {
    /// Frame of the mapping, from 0.
    pub frame: u32,
    /// Height in pixels.
    pub height: i32,
    /// Width in pixels.
    pub width: i32,
    /// `VIDEO_PALETTE_*`; see [`crate::Palette`].
    pub format: u32,
}

/// A key of an encrypted broadcast.
#[doc(alias = "video_key")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoKey {
    /// The key.
    pub key: [u8; 8],
    /// Flags of the device.
    pub flags: u32,
}

/// What a device's mapping looks like.
#[doc(alias = "video_mbuf")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoMbuf {
    /// Bytes to map, at offset 0.
    pub size: i32,
    /// Number of frames in it.
    pub frames: i32,
    /// Where each frame starts, in bytes.
    pub offsets: [i32; VIDEO_MAX_FRAME],
}

/// Minor numbers of the nodes that belong together, [`super::VIDEO_NO_UNIT`] for none.
#[doc(alias = "video_unit")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoUnit {
    /// Video.
    pub video: i32,
    /// Teletext and other data of the blanking interval.
    pub vbi: i32,
    /// Radio.
    pub radio: i32,
    /// Audio mixer.
    pub audio: i32,
    /// Teletext decoder.
    pub teletext: i32,
}

/// How a VBI device samples.
#[doc(alias = "vbi_format")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VbiFormat {
    /// Samples a second.
    pub sampling_rate: u32,
    /// Samples in a line.
    pub samples_per_line: u32,
    /// `VIDEO_PALETTE_RAW`, 8 bits a sample.
    pub sample_format: u32,
    /// First line of each field.
    pub start: [i32; 2],
    /// Lines of each field.
    pub count: [u32; 2],
    /// Set of `VBI_*`.
    pub flags: u32,
}

/// What a decoder is playing.
#[doc(alias = "video_info")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoInfo {
    /// Number of the frame.
    pub frame_count: u32,
    /// Width in pixels.
    pub h_size: u32,
    /// Height in pixels.
    pub v_size: u32,
    /// Time code of the picture group.
    pub smpte_timecode: u32,
    /// Kind of the picture.
    pub picture_type: u32,
    /// Number of the picture in its group.
    pub temporal_reference: u32,
    /// Data of the stream.
    pub user_data: [u8; 256],
}

/// How a decoder shall play.
#[doc(alias = "video_play_mode")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoPlayMode {
    /// `VID_PLAY_*`.
    pub mode: i32,
    /// First parameter of the mode.
    pub p1: i32,
    /// Second parameter of the mode.
    pub p2: i32,
}

/// Microcode for a decoder; 64-bit shape, see [`super::shapes32::VideoCode32`].
#[doc(alias = "video_code")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct VideoCode {
    /// Which part to load, NUL-terminated.
    pub loadwhat: [u8; 16],
    /// Bytes of code.
    pub datasize: i32,
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
    /// Address of the code.
    pub data: u64,
}

zero_default! {
    VideoCapability, VideoChannel, VideoTuner, VideoPicture, VideoAudio, VideoClip, VideoWindow,
    VideoCapture, VideoBuffer, VideoMmap, VideoKey, VideoMbuf, VideoUnit, VbiFormat, VideoInfo,
    VideoPlayMode, VideoCode,
}

assert_layout! {
    VideoCapability: 60 {
        name: 0, type_: 32, channels: 36, audios: 40,
        maxwidth: 44, maxheight: 48, minwidth: 52, minheight: 56,
    }
    VideoChannel: 48 { channel: 0, name: 4, tuners: 36, flags: 40, type_: 44, norm: 46 }
    VideoTuner: 64 {
        tuner: 0, name: 4, pad: 36, rangelow: 40, rangehigh: 48, flags: 56, mode: 60, signal: 62,
    }
    VideoPicture: 14 {
        brightness: 0, hue: 2, colour: 4, contrast: 6, whiteness: 8, depth: 10, palette: 12,
    }
    VideoAudio: 40 {
        audio: 0, volume: 4, bass: 6, treble: 8, pad: 10, flags: 12, name: 16,
        mode: 32, balance: 34, step: 36, pad2: 38,
    }
    VideoClip: 24 { x: 0, y: 4, width: 8, height: 12, next: 16 }
    VideoWindow: 40 {
        x: 0, y: 4, width: 8, height: 12, chromakey: 16, flags: 20,
        clips: 24, clipcount: 32, pad: 36,
    }
    VideoCapture: 20 { x: 0, y: 4, width: 8, height: 12, decimation: 16, flags: 18 }
    VideoBuffer: 24 { base: 0, height: 8, width: 12, depth: 16, bytesperline: 20 }
    VideoMmap: 16 { frame: 0, height: 4, width: 8, format: 12 }
    VideoKey: 12 { key: 0, flags: 8 }
    VideoMbuf: 136 { size: 0, frames: 4, offsets: 8 }
    VideoUnit: 20 { video: 0, vbi: 4, radio: 8, audio: 12, teletext: 16 }
    VbiFormat: 32 {
        sampling_rate: 0, samples_per_line: 4, sample_format: 8, start: 12, count: 20, flags: 28,
    }
    VideoInfo: 280 {
        frame_count: 0, h_size: 4, v_size: 8, smpte_timecode: 12, picture_type: 16,
        temporal_reference: 20, user_data: 24,
    }
    VideoPlayMode: 12 { mode: 0, p1: 4, p2: 8 }
    VideoCode: 32 { loadwhat: 0, datasize: 16, pad: 20, data: 24 }
}
