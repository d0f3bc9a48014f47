//! The V4L2 structures of a device and its connectors, 64-bit shape.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::V4l2Fract;
use crate::layout::{assert_layout, zero_default};

/// What a device is and can do.
#[doc(alias = "v4l2_capability")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Capability {
    /// Name of the driver, NUL-terminated.
    pub driver: [u8; 16],
    /// Name of the device, NUL-terminated.
    pub card: [u8; 32],
    /// Where the device is attached, NUL-terminated; unique among all devices.
    pub bus_info: [u8; 32],
    /// Version of the kernel: major, minor and patch level in a byte each from bit 16 down.
    pub version: u32,
    /// Set of `V4L2_CAP_*`, of the device as a whole.
    pub capabilities: u32,
    /// Set of `V4L2_CAP_*`, of this node.
    pub device_caps: u32,
    /// Zero.
    pub reserved: [u32; 3],
}

/// A video source of a device, 64-bit shape.
#[doc(alias = "v4l2_input")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Input {
    /// Number of the input, from 0; the caller sets it.
    pub index: u32,
    /// Name of the input, NUL-terminated.
    pub name: [u8; 32],
    /// `V4L2_INPUT_TYPE_*`.
    pub type_: u32,
    /// Set of audio inputs that go with it, a bit each.
    pub audioset: u32,
    /// Number of its tuner.
    pub tuner: u32,
    /// Set of `V4L2_STD_*` that it knows.
    pub std: u64,
    /// Set of `V4L2_IN_ST_*`.
    pub status: u32,
    /// Set of `V4L2_IN_CAP_*`.
    pub capabilities: u32,
    /// Zero.
    pub reserved: [u32; 3],
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
}

/// A video sink of a device.
#[doc(alias = "v4l2_output")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Output {
    /// Number of the output, from 0; the caller sets it.
    pub index: u32,
    /// Name of the output, NUL-terminated.
    pub name: [u8; 32],
    /// `V4L2_OUTPUT_TYPE_*`.
    pub type_: u32,
    /// Set of audio outputs that go with it, a bit each.
    pub audioset: u32,
    /// Number of its modulator.
    pub modulator: u32,
    /// Set of `V4L2_STD_*` that it knows.
    pub std: u64,
    /// Set of `V4L2_OUT_CAP_*`.
    pub capabilities: u32,
    /// Zero.
    pub reserved: [u32; 3],
}

/// An analogue television standard of the list, 64-bit shape.
#[doc(alias = "v4l2_standard")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Standard {
    /// Number in the list, from 0; the caller sets it.
    pub index: u32,
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
    /// Set of `V4L2_STD_*`.
    pub id: u64,
    /// Name of the standard, NUL-terminated.
    pub name: [u8; 24],
    /// Seconds a frame.
    pub frameperiod: V4l2Fract,
    /// Lines of a frame, the blanked ones included.
    pub framelines: u32,
    /// Zero.
    pub reserved: [u32; 4],
    /// Padding of the C structure, zero.
    pub pad2: [u8; 4],
}

/// A tuner.
#[doc(alias = "v4l2_tuner")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Tuner {
    /// Number of the tuner, from 0; the caller sets it.
    pub index: u32,
    /// Name of the tuner, NUL-terminated.
    pub name: [u8; 32],
    /// `V4L2_TUNER_*`.
    pub type_: u32,
    /// Set of `V4L2_TUNER_CAP_*`.
    pub capability: u32,
    /// Lowest frequency, in 62.5 kHz (62.5 Hz with `V4L2_TUNER_CAP_LOW`, 1 Hz with
    /// `V4L2_TUNER_CAP_1HZ`).
    pub rangelow: u32,
    /// Highest frequency, in the same unit.
    pub rangehigh: u32,
    /// Set of `V4L2_TUNER_SUB_*`: the sound that is being received.
    pub rxsubchans: u32,
    /// `V4L2_TUNER_MODE_*`: the sound that is wanted.
    pub audmode: u32,
    /// Signal strength, 0 to 65535.
    pub signal: i32,
    /// How far off the frequency is: below 0 too low, above 0 too high.
    pub afc: i32,
    /// Zero.
    pub reserved: [u32; 4],
}

/// A tuner's frequency.
#[doc(alias = "v4l2_frequency")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Frequency {
    /// Number of the tuner, from 0; the caller sets it.
    pub tuner: u32,
    /// `V4L2_TUNER_*`.
    pub type_: u32,
    /// The frequency, in the tuner's unit.
    pub frequency: u32,
    /// Zero.
    pub reserved: [u32; 8],
}

/// A range of a tuner's frequencies.
#[doc(alias = "v4l2_frequency_band")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2FrequencyBand {
    /// Number of the tuner, from 0; the caller sets it.
    pub tuner: u32,
    /// `V4L2_TUNER_*`; the caller sets it.
    pub type_: u32,
    /// Number in the list, from 0; the caller sets it.
    pub index: u32,
    /// Set of `V4L2_TUNER_CAP_*`.
    pub capability: u32,
    /// Lowest frequency, in the tuner's unit.
    pub rangelow: u32,
    /// Highest frequency, in the same unit.
    pub rangehigh: u32,
    /// Set of `V4L2_BAND_MODULATION_*`.
    pub modulation: u32,
    /// Zero.
    pub reserved: [u32; 9],
}

/// An audio input.
#[doc(alias = "v4l2_audio")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Audio {
    /// Number of the audio input, from 0; the caller of ENUMAUDIO sets it.
    pub index: u32,
    /// Name of the audio input, NUL-terminated.
    pub name: [u8; 32],
    /// Set of `V4L2_AUDCAP_*`.
    pub capability: u32,
    /// Set of `V4L2_AUDMODE_*`.
    pub mode: u32,
    /// Zero.
    pub reserved: [u32; 2],
}

zero_default! {
    V4l2Capability, V4l2Input, V4l2Output, V4l2Standard, V4l2Tuner, V4l2Frequency,
    V4l2FrequencyBand, V4l2Audio,
}

assert_layout! {
    V4l2Capability: 104 {
        driver: 0, card: 16, bus_info: 48, version: 80, capabilities: 84, device_caps: 88,
        reserved: 92,
    }
    V4l2Input: 80 {
        index: 0, name: 4, type_: 36, audioset: 40, tuner: 44, std: 48, status: 56,
        capabilities: 60, reserved: 64, pad: 76,
    }
    V4l2Output: 72 {
        index: 0, name: 4, type_: 36, audioset: 40, modulator: 44, std: 48, capabilities: 56,
        reserved: 60,
    }
    V4l2Standard: 72 {
        index: 0, pad: 4, id: 8, name: 16, frameperiod: 40, framelines: 48, reserved: 52, pad2: 68,
    }
    V4l2Tuner: 84 {
        index: 0, name: 4, type_: 36, capability: 40, rangelow: 44, rangehigh: 48,
        rxsubchans: 52, audmode: 56, signal: 60, afc: 64, reserved: 68,
    }
    V4l2Frequency: 44 { tuner: 0, type_: 4, frequency: 8, reserved: 12 }
    V4l2FrequencyBand: 64 {
        tuner: 0, type_: 4, index: 8, capability: 12, rangelow: 16, rangehigh: 20,
        modulation: 24, reserved: 28,
    }
    V4l2Audio: 52 { index: 0, name: 4, capability: 36, mode: 40, reserved: 44 }
}
