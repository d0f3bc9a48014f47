//! V4L2 request numbers.
//!
//! A number contains the size of its argument, so the requests whose structures differ between
//! 64-bit and 32-bit programs have further numbers: one that ends in `32`, and, where a time is
//! in the structure, one that ends in `32_TIME64`, of a 32-bit program with a 64-bit `time_t`.
//! Structures that no loopback can have a use for are here by their size only.

use super::shapes32::{
    V4l2Buffer32, V4l2Buffer32Time64, V4l2CreateBuffers32, V4l2Event32, V4l2Event32Time64, V4l2ExtControls32,
    V4l2Format32, V4l2Input32, V4l2Standard32,
};
use super::{
    V4l2Audio, V4l2Buffer, V4l2Capability, V4l2Control, V4l2CreateBuffers, V4l2Crop, V4l2Cropcap, V4l2Event,
    V4l2EventSubscription, V4l2Exportbuffer, V4l2ExtControls, V4l2Fmtdesc, V4l2Format, V4l2Frequency,
    V4l2FrequencyBand, V4l2Frmivalenum, V4l2Frmsizeenum, V4l2Input, V4l2Output, V4l2QueryExtCtrl,
    V4l2Queryctrl, V4l2Querymenu, V4l2Requestbuffers, V4l2Selection, V4l2Standard, V4l2Streamparm, V4l2Tuner,
};
use crate::ioc::{READ, WRITE, io, ioc, ior, iow, iowr};

/// Type letter of every V4L2 request.
pub const TYPE: u8 = b'V';

/// First number that drivers may use for requests of their own.
#[doc(alias = "BASE_VIDIOC_PRIVATE")]
pub const BASE_PRIVATE: u8 = 192;

macro_rules! requests {
    ($($name:ident = $value:expr, $alias:literal, $text:literal;)*) => {
        $(
            #[doc = $text]
            #[doc(alias = $alias)]
            pub const $name: u32 = $value;
        )*

        /// Every request by its C name, in the order of the numbers.
        pub const REQUESTS: &[(&str, u32)] = &[$(($alias, $name)),*];
    };
}

requests! {
    QUERYCAP = ior::<V4l2Capability>(TYPE, 0), "VIDIOC_QUERYCAP",
        "Get what the device is and can do; programs that know both APIs ask it first and take \
         the V4L2 way if it succeeds.";
    ENUM_FMT = iowr::<V4l2Fmtdesc>(TYPE, 2), "VIDIOC_ENUM_FMT", "List the formats.";
    G_FMT = iowr::<V4l2Format>(TYPE, 4), "VIDIOC_G_FMT", "Get the format.";
    S_FMT = iowr::<V4l2Format>(TYPE, 5), "VIDIOC_S_FMT", "Set the format.";
    REQBUFS = iowr::<V4l2Requestbuffers>(TYPE, 8), "VIDIOC_REQBUFS",
        "Ask for buffers or give them back.";
    QUERYBUF = iowr::<V4l2Buffer>(TYPE, 9), "VIDIOC_QUERYBUF", "Get a buffer's state.";
    G_FBUF = ioc(READ, TYPE, 10, 48), "VIDIOC_G_FBUF",
        "Get the screen memory.";
    S_FBUF = ioc(WRITE, TYPE, 11, 48), "VIDIOC_S_FBUF",
        "Set the screen memory.";
    OVERLAY = iow::<i32>(TYPE, 14), "VIDIOC_OVERLAY", "Turn overlay on or off.";
    QBUF = iowr::<V4l2Buffer>(TYPE, 15), "VIDIOC_QBUF", "Give a buffer to the device.";
    EXPBUF = iowr::<V4l2Exportbuffer>(TYPE, 16), "VIDIOC_EXPBUF",
        "Get a descriptor of a buffer's memory.";
    DQBUF = iowr::<V4l2Buffer>(TYPE, 17), "VIDIOC_DQBUF", "Take a buffer back from the device.";
    STREAMON = iow::<i32>(TYPE, 18), "VIDIOC_STREAMON", "Start the stream.";
    STREAMOFF = iow::<i32>(TYPE, 19), "VIDIOC_STREAMOFF", "Stop the stream.";
    G_PARM = iowr::<V4l2Streamparm>(TYPE, 21), "VIDIOC_G_PARM", "Get the frame rate.";
    S_PARM = iowr::<V4l2Streamparm>(TYPE, 22), "VIDIOC_S_PARM", "Set the frame rate.";
    G_STD = ior::<u64>(TYPE, 23), "VIDIOC_G_STD", "Get the television standard.";
    S_STD = iow::<u64>(TYPE, 24), "VIDIOC_S_STD", "Set the television standard.";
    ENUMSTD = iowr::<V4l2Standard>(TYPE, 25), "VIDIOC_ENUMSTD", "List the television standards.";
    ENUMINPUT = iowr::<V4l2Input>(TYPE, 26), "VIDIOC_ENUMINPUT", "List the inputs.";
    G_CTRL = iowr::<V4l2Control>(TYPE, 27), "VIDIOC_G_CTRL", "Get a control.";
    S_CTRL = iowr::<V4l2Control>(TYPE, 28), "VIDIOC_S_CTRL", "Set a control.";
    G_TUNER = iowr::<V4l2Tuner>(TYPE, 29), "VIDIOC_G_TUNER", "Get a tuner.";
    S_TUNER = iow::<V4l2Tuner>(TYPE, 30), "VIDIOC_S_TUNER", "Set a tuner.";
    G_AUDIO = ior::<V4l2Audio>(TYPE, 33), "VIDIOC_G_AUDIO", "Get the audio input.";
    S_AUDIO = iow::<V4l2Audio>(TYPE, 34), "VIDIOC_S_AUDIO", "Select the audio input.";
    QUERYCTRL = iowr::<V4l2Queryctrl>(TYPE, 36), "VIDIOC_QUERYCTRL", "Describe a control.";
    QUERYMENU = iowr::<V4l2Querymenu>(TYPE, 37), "VIDIOC_QUERYMENU", "Describe a menu's item.";
    G_INPUT = ior::<i32>(TYPE, 38), "VIDIOC_G_INPUT", "Get the input.";
    S_INPUT = iowr::<i32>(TYPE, 39), "VIDIOC_S_INPUT", "Select the input.";
    G_EDID = ioc(READ | WRITE, TYPE, 40, 40), "VIDIOC_G_EDID",
        "Get a screen's description.";
    S_EDID = ioc(READ | WRITE, TYPE, 41, 40), "VIDIOC_S_EDID",
        "Set a screen's description.";
    G_OUTPUT = ior::<i32>(TYPE, 46), "VIDIOC_G_OUTPUT", "Get the output.";
    S_OUTPUT = iowr::<i32>(TYPE, 47), "VIDIOC_S_OUTPUT", "Select the output.";
    ENUMOUTPUT = iowr::<V4l2Output>(TYPE, 48), "VIDIOC_ENUMOUTPUT", "List the outputs.";
    G_AUDOUT = ioc(READ, TYPE, 49, 52), "VIDIOC_G_AUDOUT", "Get the audio output.";
    S_AUDOUT = ioc(WRITE, TYPE, 50, 52), "VIDIOC_S_AUDOUT", "Select the audio output.";
    G_MODULATOR = ioc(READ | WRITE, TYPE, 54, 68), "VIDIOC_G_MODULATOR", "Get a modulator.";
    S_MODULATOR = ioc(WRITE, TYPE, 55, 68), "VIDIOC_S_MODULATOR", "Set a modulator.";
    G_FREQUENCY = iowr::<V4l2Frequency>(TYPE, 56), "VIDIOC_G_FREQUENCY", "Get a frequency.";
    S_FREQUENCY = iow::<V4l2Frequency>(TYPE, 57), "VIDIOC_S_FREQUENCY", "Set a frequency.";
    CROPCAP = iowr::<V4l2Cropcap>(TYPE, 58), "VIDIOC_CROPCAP", "Get what can be cropped.";
    G_CROP = iowr::<V4l2Crop>(TYPE, 59), "VIDIOC_G_CROP", "Get the cropped rectangle.";
    S_CROP = iow::<V4l2Crop>(TYPE, 60), "VIDIOC_S_CROP", "Set the cropped rectangle.";
    G_JPEGCOMP = ioc(READ, TYPE, 61, 140), "VIDIOC_G_JPEGCOMP", "Get how JPEG is compressed.";
    S_JPEGCOMP = ioc(WRITE, TYPE, 62, 140), "VIDIOC_S_JPEGCOMP", "Set how JPEG is compressed.";
    QUERYSTD = ior::<u64>(TYPE, 63), "VIDIOC_QUERYSTD", "Recognise the television standard.";
    TRY_FMT = iowr::<V4l2Format>(TYPE, 64), "VIDIOC_TRY_FMT", "Ask what S_FMT would set.";
    ENUMAUDIO = iowr::<V4l2Audio>(TYPE, 65), "VIDIOC_ENUMAUDIO", "List the audio inputs.";
    ENUMAUDOUT = ioc(READ | WRITE, TYPE, 66, 52), "VIDIOC_ENUMAUDOUT", "List the audio outputs.";
    G_PRIORITY = ior::<u32>(TYPE, 67), "VIDIOC_G_PRIORITY",
        "Get the highest priority of all open files.";
    S_PRIORITY = iow::<u32>(TYPE, 68), "VIDIOC_S_PRIORITY", "Set the open file's priority.";
    G_SLICED_VBI_CAP = ioc(READ | WRITE, TYPE, 69, 116), "VIDIOC_G_SLICED_VBI_CAP",
        "Get which data of the blanking interval there can be.";
    LOG_STATUS = io(TYPE, 70), "VIDIOC_LOG_STATUS", "Write the state to the system's log.";
    G_EXT_CTRLS = iowr::<V4l2ExtControls>(TYPE, 71), "VIDIOC_G_EXT_CTRLS", "Get several controls.";
    S_EXT_CTRLS = iowr::<V4l2ExtControls>(TYPE, 72), "VIDIOC_S_EXT_CTRLS", "Set several controls.";
    TRY_EXT_CTRLS = iowr::<V4l2ExtControls>(TYPE, 73), "VIDIOC_TRY_EXT_CTRLS",
        "Ask what S_EXT_CTRLS would set.";
    ENUM_FRAMESIZES = iowr::<V4l2Frmsizeenum>(TYPE, 74), "VIDIOC_ENUM_FRAMESIZES",
        "List a format's sizes.";
    ENUM_FRAMEINTERVALS = iowr::<V4l2Frmivalenum>(TYPE, 75), "VIDIOC_ENUM_FRAMEINTERVALS",
        "List a size's frame intervals.";
    G_ENC_INDEX = ioc(READ, TYPE, 76, 2072), "VIDIOC_G_ENC_INDEX", "Get an encoder's index.";
    ENCODER_CMD = ioc(READ | WRITE, TYPE, 77, 40), "VIDIOC_ENCODER_CMD", "Command an encoder.";
    TRY_ENCODER_CMD = ioc(READ | WRITE, TYPE, 78, 40), "VIDIOC_TRY_ENCODER_CMD",
        "Ask whether ENCODER_CMD would succeed.";
    DBG_S_REGISTER = ioc(WRITE, TYPE, 79, 56), "VIDIOC_DBG_S_REGISTER", "Set a chip's register.";
    DBG_G_REGISTER = ioc(READ | WRITE, TYPE, 80, 56), "VIDIOC_DBG_G_REGISTER",
        "Get a chip's register.";
    S_HW_FREQ_SEEK = ioc(WRITE, TYPE, 82, 48), "VIDIOC_S_HW_FREQ_SEEK", "Find the next station.";
    S_DV_TIMINGS = ioc(READ | WRITE, TYPE, 87, 132), "VIDIOC_S_DV_TIMINGS", "Set digital timings.";
    G_DV_TIMINGS = ioc(READ | WRITE, TYPE, 88, 132), "VIDIOC_G_DV_TIMINGS", "Get digital timings.";
    DQEVENT = ior::<V4l2Event>(TYPE, 89), "VIDIOC_DQEVENT", "Take the oldest event.";
    SUBSCRIBE_EVENT = iow::<V4l2EventSubscription>(TYPE, 90), "VIDIOC_SUBSCRIBE_EVENT",
        "Ask for events.";
    UNSUBSCRIBE_EVENT = iow::<V4l2EventSubscription>(TYPE, 91), "VIDIOC_UNSUBSCRIBE_EVENT",
        "Ask for events no more.";
    CREATE_BUFS = iowr::<V4l2CreateBuffers>(TYPE, 92), "VIDIOC_CREATE_BUFS",
        "Ask for further buffers.";
    PREPARE_BUF = iowr::<V4l2Buffer>(TYPE, 93), "VIDIOC_PREPARE_BUF",
        "Make a buffer ready to be queued.";
    G_SELECTION = iowr::<V4l2Selection>(TYPE, 94), "VIDIOC_G_SELECTION", "Get a rectangle.";
    S_SELECTION = iowr::<V4l2Selection>(TYPE, 95), "VIDIOC_S_SELECTION", "Set a rectangle.";
    DECODER_CMD = ioc(READ | WRITE, TYPE, 96, 72), "VIDIOC_DECODER_CMD", "Command a decoder.";
    TRY_DECODER_CMD = ioc(READ | WRITE, TYPE, 97, 72), "VIDIOC_TRY_DECODER_CMD",
        "Ask whether DECODER_CMD would succeed.";
    ENUM_DV_TIMINGS = ioc(READ | WRITE, TYPE, 98, 148), "VIDIOC_ENUM_DV_TIMINGS",
        "List the digital timings.";
    QUERY_DV_TIMINGS = ioc(READ, TYPE, 99, 132), "VIDIOC_QUERY_DV_TIMINGS",
        "Recognise the digital timings.";
    DV_TIMINGS_CAP = ioc(READ | WRITE, TYPE, 100, 144), "VIDIOC_DV_TIMINGS_CAP",
        "Get what digital timings there can be.";
    ENUM_FREQ_BANDS = iowr::<V4l2FrequencyBand>(TYPE, 101), "VIDIOC_ENUM_FREQ_BANDS",
        "List a tuner's ranges.";
    DBG_G_CHIP_INFO = ioc(READ | WRITE, TYPE, 102, 200), "VIDIOC_DBG_G_CHIP_INFO",
        "Describe a chip.";
    QUERY_EXT_CTRL = iowr::<V4l2QueryExtCtrl>(TYPE, 103), "VIDIOC_QUERY_EXT_CTRL",
        "Describe a control of any type.";
    REMOVE_BUFS = ioc(READ | WRITE, TYPE, 104, 64), "VIDIOC_REMOVE_BUFS",
        "Give some buffers back; known since Linux 6.10.";
}

/// The numbers of 32-bit programs that differ, with the list of them.
macro_rules! narrow_requests {
    ($(#[$doc:meta])* $list:ident, $program:literal;
        $($name:ident = $value:expr, $wide:ident, $alias:literal;)*) => {
        $(
            #[doc = concat!("[`", stringify!($wide), "`] of a 32-bit program", $program, ".")]
            #[doc(alias = $alias)]
            pub const $name: u32 = $value;
        )*

        $(#[$doc])*
        pub const $list: &[(&str, u32)] = &[$(($alias, $name)),*];
    };
}

narrow_requests! {
    /// Every request that has a number of its own in a 32-bit program, by its C name, in the order of
    /// the numbers.
    REQUESTS32, "";
    G_FMT32 = iowr::<V4l2Format32>(TYPE, 4), G_FMT, "VIDIOC_G_FMT";
    S_FMT32 = iowr::<V4l2Format32>(TYPE, 5), S_FMT, "VIDIOC_S_FMT";
    QUERYBUF32 = iowr::<V4l2Buffer32>(TYPE, 9), QUERYBUF, "VIDIOC_QUERYBUF";
    G_FBUF32 = ioc(READ, TYPE, 10, 44), G_FBUF, "VIDIOC_G_FBUF";
    S_FBUF32 = ioc(WRITE, TYPE, 11, 44), S_FBUF, "VIDIOC_S_FBUF";
    QBUF32 = iowr::<V4l2Buffer32>(TYPE, 15), QBUF, "VIDIOC_QBUF";
    DQBUF32 = iowr::<V4l2Buffer32>(TYPE, 17), DQBUF, "VIDIOC_DQBUF";
    ENUMSTD32 = iowr::<V4l2Standard32>(TYPE, 25), ENUMSTD, "VIDIOC_ENUMSTD";
    ENUMINPUT32 = iowr::<V4l2Input32>(TYPE, 26), ENUMINPUT, "VIDIOC_ENUMINPUT";
    G_EDID32 = ioc(READ | WRITE, TYPE, 40, 36), G_EDID, "VIDIOC_G_EDID";
    S_EDID32 = ioc(READ | WRITE, TYPE, 41, 36), S_EDID, "VIDIOC_S_EDID";
    TRY_FMT32 = iowr::<V4l2Format32>(TYPE, 64), TRY_FMT, "VIDIOC_TRY_FMT";
    G_EXT_CTRLS32 = iowr::<V4l2ExtControls32>(TYPE, 71), G_EXT_CTRLS, "VIDIOC_G_EXT_CTRLS";
    S_EXT_CTRLS32 = iowr::<V4l2ExtControls32>(TYPE, 72), S_EXT_CTRLS, "VIDIOC_S_EXT_CTRLS";
    TRY_EXT_CTRLS32 = iowr::<V4l2ExtControls32>(TYPE, 73), TRY_EXT_CTRLS, "VIDIOC_TRY_EXT_CTRLS";
    DQEVENT32 = ior::<V4l2Event32>(TYPE, 89), DQEVENT, "VIDIOC_DQEVENT";
    CREATE_BUFS32 = iowr::<V4l2CreateBuffers32>(TYPE, 92), CREATE_BUFS, "VIDIOC_CREATE_BUFS";
    PREPARE_BUF32 = iowr::<V4l2Buffer32>(TYPE, 93), PREPARE_BUF, "VIDIOC_PREPARE_BUF";
}

narrow_requests! {
    /// Every request that has yet another one in a 32-bit program with a 64-bit `time_t`.
    REQUESTS32_TIME64, " with a 64-bit `time_t`";
    QUERYBUF32_TIME64 = iowr::<V4l2Buffer32Time64>(TYPE, 9), QUERYBUF, "VIDIOC_QUERYBUF";
    QBUF32_TIME64 = iowr::<V4l2Buffer32Time64>(TYPE, 15), QBUF, "VIDIOC_QBUF";
    DQBUF32_TIME64 = iowr::<V4l2Buffer32Time64>(TYPE, 17), DQBUF, "VIDIOC_DQBUF";
    DQEVENT32_TIME64 = ior::<V4l2Event32Time64>(TYPE, 89), DQEVENT, "VIDIOC_DQEVENT";
    PREPARE_BUF32_TIME64 = iowr::<V4l2Buffer32Time64>(TYPE, 93), PREPARE_BUF, "VIDIOC_PREPARE_BUF";
}

/// Numbers as programs have them compiled in.
const _: () = {
    let known: [(u32, u32); 37] = [
        (QUERYCAP, 0x8068_5600),
        (ENUM_FMT, 0xc040_5602),
        (G_FMT, 0xc0d0_5604),
        (S_FMT, 0xc0d0_5605),
        (REQBUFS, 0xc014_5608),
        (QUERYBUF, 0xc058_5609),
        (QBUF, 0xc058_560f),
        (EXPBUF, 0xc040_5610),
        (DQBUF, 0xc058_5611),
        (STREAMON, 0x4004_5612),
        (STREAMOFF, 0x4004_5613),
        (G_PARM, 0xc0cc_5615),
        (ENUMINPUT, 0xc050_561a),
        (G_CTRL, 0xc008_561b),
        (QUERYCTRL, 0xc044_5624),
        (G_INPUT, 0x8004_5626),
        (S_INPUT, 0xc004_5627),
        (ENUMOUTPUT, 0xc048_5630),
        (TRY_FMT, 0xc0d0_5640),
        (G_PRIORITY, 0x8004_5643),
        (G_EXT_CTRLS, 0xc020_5647),
        (DQEVENT, 0x8088_5659),
        (CREATE_BUFS, 0xc100_565c),
        (QUERY_EXT_CTRL, 0xc0e8_5667),
        (G_FMT32, 0xc0cc_5604),
        (S_FMT32, 0xc0cc_5605),
        (QBUF32, 0xc044_560f),
        (QBUF32_TIME64, 0xc04c_560f),
        (DQBUF32, 0xc044_5611),
        (DQBUF32_TIME64, 0xc04c_5611),
        (ENUMSTD32, 0xc040_5619),
        (ENUMINPUT32, 0xc04c_561a),
        (TRY_FMT32, 0xc0cc_5640),
        (G_EXT_CTRLS32, 0xc018_5647),
        (DQEVENT32, 0x8078_5659),
        (DQEVENT32_TIME64, 0x8080_5659),
        (CREATE_BUFS32, 0xc0f8_565c),
    ];
    let mut index = 0;
    while index < known.len() {
        assert!(known[index].0 == known[index].1);
        index += 1;
    }
};
