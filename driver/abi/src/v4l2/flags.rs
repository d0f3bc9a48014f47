//! Numbers and bits in the fields of the V4L2 structures.
//!
//! Integers have the type of the field that they belong to.

macro_rules! constants {
    ($($name:ident: $ty:ty = $value:expr, $text:literal;)*) => {
        $(
            #[doc = $text]
            pub const $name: $ty = $value;
        )*

        /// Every constant of this module by its C name, in the order of this page.
        pub const CONSTANTS: &[(&str, u64)] = &[$((stringify!($name), $name as u64)),*];
    };
}

constants! {
    V4L2_CAP_VIDEO_CAPTURE: u32 = 0x1, "The node gives pictures.";
    V4L2_CAP_VIDEO_OUTPUT: u32 = 0x2, "The node takes pictures.";
    V4L2_CAP_VIDEO_OVERLAY: u32 = 0x4, "Can write to screen memory.";
    V4L2_CAP_VBI_CAPTURE: u32 = 0x10, "Gives samples of the blanking interval.";
    V4L2_CAP_VBI_OUTPUT: u32 = 0x20, "Takes samples of the blanking interval.";
    V4L2_CAP_SLICED_VBI_CAPTURE: u32 = 0x40, "Gives data of the blanking interval.";
    V4L2_CAP_SLICED_VBI_OUTPUT: u32 = 0x80, "Takes data of the blanking interval.";
    V4L2_CAP_RDS_CAPTURE: u32 = 0x100, "Gives RDS data.";
    V4L2_CAP_VIDEO_OUTPUT_OVERLAY: u32 = 0x200, "Can show screen memory on top of its output.";
    V4L2_CAP_HW_FREQ_SEEK: u32 = 0x400, "Finds stations itself.";
    V4L2_CAP_RDS_OUTPUT: u32 = 0x800, "Takes RDS data.";
    V4L2_CAP_VIDEO_CAPTURE_MPLANE: u32 = 0x1000, "Gives pictures of several pieces of memory.";
    V4L2_CAP_VIDEO_OUTPUT_MPLANE: u32 = 0x2000, "Takes pictures of several pieces of memory.";
    V4L2_CAP_VIDEO_M2M_MPLANE: u32 = 0x4000, "Changes pictures of several pieces of memory.";
    V4L2_CAP_VIDEO_M2M: u32 = 0x8000, "Takes pictures and gives them back changed.";
    V4L2_CAP_TUNER: u32 = 0x1_0000, "Has a tuner.";
    V4L2_CAP_AUDIO: u32 = 0x2_0000, "Has audio inputs or outputs.";
    V4L2_CAP_RADIO: u32 = 0x4_0000, "Is a radio.";
    V4L2_CAP_MODULATOR: u32 = 0x8_0000, "Has a modulator.";
    V4L2_CAP_SDR_CAPTURE: u32 = 0x10_0000, "Gives samples of radio.";
    V4L2_CAP_EXT_PIX_FORMAT: u32 = 0x20_0000, "Fills the fields of the pixel format after `priv`.";
    V4L2_CAP_SDR_OUTPUT: u32 = 0x40_0000, "Takes samples of radio.";
    V4L2_CAP_META_CAPTURE: u32 = 0x80_0000, "Gives data about pictures.";
    V4L2_CAP_READWRITE: u32 = 0x100_0000, "Knows read() or write().";
    V4L2_CAP_STREAMING: u32 = 0x400_0000, "Knows queues of buffers.";
    V4L2_CAP_META_OUTPUT: u32 = 0x800_0000, "Takes data about pictures.";
    V4L2_CAP_TOUCH: u32 = 0x1000_0000, "Is a touch panel.";
    V4L2_CAP_IO_MC: u32 = 0x2000_0000, "A media controller sets its inputs and outputs.";
    V4L2_CAP_DEVICE_CAPS: u32 = 0x8000_0000, "The field `device_caps` is filled.";

    V4L2_BUF_TYPE_VIDEO_CAPTURE: u32 = 1, "Pictures that the device gives.";
    V4L2_BUF_TYPE_VIDEO_OUTPUT: u32 = 2, "Pictures that the device takes.";
    V4L2_BUF_TYPE_VIDEO_OVERLAY: u32 = 3, "Overlay on screen memory.";
    V4L2_BUF_TYPE_VBI_CAPTURE: u32 = 4, "Samples of the blanking interval, given.";
    V4L2_BUF_TYPE_VBI_OUTPUT: u32 = 5, "Samples of the blanking interval, taken.";
    V4L2_BUF_TYPE_SLICED_VBI_CAPTURE: u32 = 6, "Data of the blanking interval, given.";
    V4L2_BUF_TYPE_SLICED_VBI_OUTPUT: u32 = 7, "Data of the blanking interval, taken.";
    V4L2_BUF_TYPE_VIDEO_OUTPUT_OVERLAY: u32 = 8, "Overlay on the device's output.";
    V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE: u32 = 9, "Pictures given, several pieces of memory each.";
    V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE: u32 = 10, "Pictures taken, several pieces of memory each.";
    V4L2_BUF_TYPE_SDR_CAPTURE: u32 = 11, "Samples of radio, given.";
    V4L2_BUF_TYPE_SDR_OUTPUT: u32 = 12, "Samples of radio, taken.";
    V4L2_BUF_TYPE_META_CAPTURE: u32 = 13, "Data about pictures, given.";
    V4L2_BUF_TYPE_META_OUTPUT: u32 = 14, "Data about pictures, taken.";

    V4L2_MEMORY_MMAP: u32 = 1, "The device's memory, mapped by the program.";
    V4L2_MEMORY_USERPTR: u32 = 2, "The program's memory.";
    V4L2_MEMORY_OVERLAY: u32 = 3, "Screen memory.";
    V4L2_MEMORY_DMABUF: u32 = 4, "Memory behind a descriptor.";
    V4L2_MEMORY_FLAG_NON_COHERENT: u32 = 1, "The program takes care of the caches.";

    V4L2_BUF_CAP_SUPPORTS_MMAP: u32 = 0x1, "The queue knows `V4L2_MEMORY_MMAP`.";
    V4L2_BUF_CAP_SUPPORTS_USERPTR: u32 = 0x2, "The queue knows `V4L2_MEMORY_USERPTR`.";
    V4L2_BUF_CAP_SUPPORTS_DMABUF: u32 = 0x4, "The queue knows `V4L2_MEMORY_DMABUF`.";
    V4L2_BUF_CAP_SUPPORTS_REQUESTS: u32 = 0x8, "The queue knows requests.";
    V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS: u32 = 0x10,
        "Buffers can be given back while they are mapped or exported.";
    V4L2_BUF_CAP_SUPPORTS_M2M_HOLD_CAPTURE_BUF: u32 = 0x20, "Several fields can share a buffer.";
    V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS: u32 = 0x40, "The queue takes hints about caches.";

    V4L2_BUF_FLAG_MAPPED: u32 = 0x1, "The buffer is mapped.";
    V4L2_BUF_FLAG_QUEUED: u32 = 0x2, "The device has the buffer, to work on it.";
    V4L2_BUF_FLAG_DONE: u32 = 0x4, "The device is done with the buffer, DQBUF will give it.";
    V4L2_BUF_FLAG_KEYFRAME: u32 = 0x8, "A picture that stands for itself.";
    V4L2_BUF_FLAG_PFRAME: u32 = 0x10, "A picture that needs an earlier one.";
    V4L2_BUF_FLAG_BFRAME: u32 = 0x20, "A picture that needs an earlier and a later one.";
    V4L2_BUF_FLAG_ERROR: u32 = 0x40, "The picture is spoilt, the stream goes on.";
    V4L2_BUF_FLAG_IN_REQUEST: u32 = 0x80, "The buffer waits in a request.";
    V4L2_BUF_FLAG_TIMECODE: u32 = 0x100, "The field `timecode` is filled.";
    V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF: u32 = 0x200, "More fields follow for the same buffer.";
    V4L2_BUF_FLAG_PREPARED: u32 = 0x400, "The buffer is ready to be queued.";
    V4L2_BUF_FLAG_NO_CACHE_INVALIDATE: u32 = 0x800, "Caches need not be invalidated.";
    V4L2_BUF_FLAG_NO_CACHE_CLEAN: u32 = 0x1000, "Caches need not be written back.";
    V4L2_BUF_FLAG_TIMESTAMP_MASK: u32 = 0xe000, "The bits that name the timestamp's clock.";
    V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN: u32 = 0, "Nobody knows the clock.";
    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC: u32 = 0x2000, "`CLOCK_MONOTONIC`.";
    V4L2_BUF_FLAG_TIMESTAMP_COPY: u32 = 0x4000, "Copied from the buffer that the picture came from.";
    V4L2_BUF_FLAG_TSTAMP_SRC_MASK: u32 = 0x7_0000, "The bits that say when the time was taken.";
    V4L2_BUF_FLAG_TSTAMP_SRC_EOF: u32 = 0, "Taken at the end of the frame.";
    V4L2_BUF_FLAG_TSTAMP_SRC_SOE: u32 = 0x1_0000, "Taken at the start of the exposure.";
    V4L2_BUF_FLAG_LAST: u32 = 0x10_0000, "The last buffer of the stream.";
    V4L2_BUF_FLAG_REQUEST_FD: u32 = 0x80_0000, "The field `request_fd` is filled.";

    V4L2_FIELD_ANY: u32 = 0, "The device may choose.";
    V4L2_FIELD_NONE: u32 = 1, "Whole frames.";
    V4L2_FIELD_TOP: u32 = 2, "The top field only.";
    V4L2_FIELD_BOTTOM: u32 = 3, "The bottom field only.";
    V4L2_FIELD_INTERLACED: u32 = 4, "Both fields, line by line.";
    V4L2_FIELD_SEQ_TB: u32 = 5, "Both fields, the bottom one after the top one.";
    V4L2_FIELD_SEQ_BT: u32 = 6, "Both fields, the top one after the bottom one.";
    V4L2_FIELD_ALTERNATE: u32 = 7, "Both fields in turn, a buffer each.";
    V4L2_FIELD_INTERLACED_TB: u32 = 8, "Both fields line by line, the top one older.";
    V4L2_FIELD_INTERLACED_BT: u32 = 9, "Both fields line by line, the bottom one older.";

    V4L2_COLORSPACE_DEFAULT: u32 = 0, "The device may choose; never answered.";
    V4L2_COLORSPACE_SMPTE170M: u32 = 1, "Television of standard definition.";
    V4L2_COLORSPACE_SMPTE240M: u32 = 2, "Early television of high definition.";
    V4L2_COLORSPACE_REC709: u32 = 3, "Television of high definition.";
    V4L2_COLORSPACE_BT878: u32 = 4, "Not used.";
    V4L2_COLORSPACE_470_SYSTEM_M: u32 = 5, "NTSC of 1953.";
    V4L2_COLORSPACE_470_SYSTEM_BG: u32 = 6, "PAL and SECAM.";
    V4L2_COLORSPACE_JPEG: u32 = 7, "sRGB, BT.601 encoding and full range, for JPEG pictures only.";
    V4L2_COLORSPACE_SRGB: u32 = 8, "sRGB, what most webcams give.";
    V4L2_COLORSPACE_OPRGB: u32 = 9, "opRGB.";
    V4L2_COLORSPACE_BT2020: u32 = 10, "Television of ultra high definition.";
    V4L2_COLORSPACE_RAW: u32 = 11, "Whatever the sensor gives.";
    V4L2_COLORSPACE_DCI_P3: u32 = 12, "Cinema.";

    V4L2_XFER_FUNC_DEFAULT: u32 = 0, "What goes with the colorspace.";
    V4L2_XFER_FUNC_709: u32 = 1, "BT.709.";
    V4L2_XFER_FUNC_SRGB: u32 = 2, "sRGB.";
    V4L2_XFER_FUNC_OPRGB: u32 = 3, "opRGB.";
    V4L2_XFER_FUNC_SMPTE240M: u32 = 4, "SMPTE 240M.";
    V4L2_XFER_FUNC_NONE: u32 = 5, "Linear.";
    V4L2_XFER_FUNC_DCI_P3: u32 = 6, "DCI-P3.";
    V4L2_XFER_FUNC_SMPTE2084: u32 = 7, "SMPTE 2084.";

    V4L2_YCBCR_ENC_DEFAULT: u32 = 0, "What goes with the colorspace.";
    V4L2_YCBCR_ENC_601: u32 = 1, "BT.601.";
    V4L2_YCBCR_ENC_709: u32 = 2, "BT.709.";
    V4L2_YCBCR_ENC_XV601: u32 = 3, "BT.601 with an extended range of colours.";
    V4L2_YCBCR_ENC_XV709: u32 = 4, "BT.709 with an extended range of colours.";
    V4L2_YCBCR_ENC_SYCC: u32 = 5, "The same as BT.601.";
    V4L2_YCBCR_ENC_BT2020: u32 = 6, "BT.2020.";
    V4L2_YCBCR_ENC_BT2020_CONST_LUM: u32 = 7, "BT.2020 with constant luminance.";
    V4L2_YCBCR_ENC_SMPTE240M: u32 = 8, "SMPTE 240M.";
    V4L2_HSV_ENC_180: u32 = 128, "Hue from 0 to 179.";
    V4L2_HSV_ENC_256: u32 = 129, "Hue from 0 to 255.";

    V4L2_QUANTIZATION_DEFAULT: u32 = 0, "What goes with the colorspace.";
    V4L2_QUANTIZATION_FULL_RANGE: u32 = 1, "From 0 to 255.";
    V4L2_QUANTIZATION_LIM_RANGE: u32 = 2, "From 16 to 235 or 240.";

    V4L2_PIX_FMT_PRIV_MAGIC: u32 = 0xfeed_cafe, "The pixel format's later fields are filled.";
    V4L2_PIX_FMT_FLAG_PREMUL_ALPHA: u32 = 0x1, "Colours have been multiplied by alpha.";
    V4L2_PIX_FMT_FLAG_SET_CSC: u32 = 0x2, "The program asks for these colours.";

    V4L2_FMT_FLAG_COMPRESSED: u32 = 0x1, "Frames vary in length.";
    V4L2_FMT_FLAG_EMULATED: u32 = 0x2, "Software converts to it.";
    V4L2_FMT_FLAG_CONTINUOUS_BYTESTREAM: u32 = 0x4, "Buffers need not start with a frame.";
    V4L2_FMT_FLAG_DYN_RESOLUTION: u32 = 0x8, "The size may change on the way.";
    V4L2_FMT_FLAG_ENC_CAP_FRAME_INTERVAL: u32 = 0x10, "The encoder's rate can be set.";
    V4L2_FMT_FLAG_CSC_COLORSPACE: u32 = 0x20, "The colorspace can be set.";
    V4L2_FMT_FLAG_CSC_XFER_FUNC: u32 = 0x40, "The transfer function can be set.";
    V4L2_FMT_FLAG_CSC_YCBCR_ENC: u32 = 0x80, "The encoding can be set.";
    V4L2_FMT_FLAG_CSC_QUANTIZATION: u32 = 0x100, "The range can be set.";

    V4L2_FRMSIZE_TYPE_DISCRETE: u32 = 1, "One size.";
    V4L2_FRMSIZE_TYPE_CONTINUOUS: u32 = 2, "A range of sizes in steps of 1.";
    V4L2_FRMSIZE_TYPE_STEPWISE: u32 = 3, "A range of sizes.";
    V4L2_FRMIVAL_TYPE_DISCRETE: u32 = 1, "One interval.";
    V4L2_FRMIVAL_TYPE_CONTINUOUS: u32 = 2, "A range of intervals without steps.";
    V4L2_FRMIVAL_TYPE_STEPWISE: u32 = 3, "A range of intervals.";

    V4L2_MODE_HIGHQUALITY: u32 = 0x1, "Single pictures of high quality.";
    V4L2_CAP_TIMEPERFRAME: u32 = 0x1000, "The frame rate can be set.";

    V4L2_SEL_TGT_CROP: u32 = 0, "The part of the picture that is taken.";
    V4L2_SEL_TGT_CROP_DEFAULT: u32 = 1, "The part that is taken by default.";
    V4L2_SEL_TGT_CROP_BOUNDS: u32 = 2, "The most that can be taken.";
    V4L2_SEL_TGT_NATIVE_SIZE: u32 = 3, "The size of the sensor.";
    V4L2_SEL_TGT_COMPOSE: u32 = 0x100, "Where in the buffer the picture goes.";
    V4L2_SEL_TGT_COMPOSE_DEFAULT: u32 = 0x101, "Where it goes by default.";
    V4L2_SEL_TGT_COMPOSE_BOUNDS: u32 = 0x102, "The most that it can cover.";
    V4L2_SEL_TGT_COMPOSE_PADDED: u32 = 0x103, "What is written, padding included.";
    V4L2_SEL_FLAG_GE: u32 = 0x1, "Not smaller than asked for.";
    V4L2_SEL_FLAG_LE: u32 = 0x2, "Not larger than asked for.";
    V4L2_SEL_FLAG_KEEP_CONFIG: u32 = 0x4, "Change nothing that comes after.";

    V4L2_INPUT_TYPE_TUNER: u32 = 1, "A tuner.";
    V4L2_INPUT_TYPE_CAMERA: u32 = 2, "Any other source of pictures.";
    V4L2_INPUT_TYPE_TOUCH: u32 = 3, "A touch panel.";
    V4L2_IN_ST_NO_POWER: u32 = 0x1, "The source is off.";
    V4L2_IN_ST_NO_SIGNAL: u32 = 0x2, "The source gives nothing.";
    V4L2_IN_ST_NO_COLOR: u32 = 0x4, "The source gives no colour.";
    V4L2_IN_ST_HFLIP: u32 = 0x10, "Pictures are flipped from left to right.";
    V4L2_IN_ST_VFLIP: u32 = 0x20, "Pictures are flipped upside down.";
    V4L2_IN_CAP_DV_TIMINGS: u32 = 0x2, "The input knows digital timings.";
    V4L2_IN_CAP_STD: u32 = 0x4, "The input knows television standards.";
    V4L2_IN_CAP_NATIVE_SIZE: u32 = 0x8, "The input's native size can be set.";
    V4L2_OUTPUT_TYPE_MODULATOR: u32 = 1, "A modulator.";
    V4L2_OUTPUT_TYPE_ANALOG: u32 = 2, "Any other sink of pictures.";
    V4L2_OUTPUT_TYPE_ANALOGVGAOVERLAY: u32 = 3, "An overlay on a screen's cable.";
    V4L2_OUT_CAP_DV_TIMINGS: u32 = 0x2, "The output knows digital timings.";
    V4L2_OUT_CAP_STD: u32 = 0x4, "The output knows television standards.";
    V4L2_OUT_CAP_NATIVE_SIZE: u32 = 0x8, "The output's native size can be set.";

    V4L2_STD_UNKNOWN: u64 = 0, "No standard, or none recognised.";
    V4L2_STD_PAL: u64 = 0xff, "PAL, but for M, N and Nc.";
    V4L2_STD_NTSC: u64 = 0xb000, "NTSC.";
    V4L2_STD_SECAM: u64 = 0xff_0000, "SECAM.";
    V4L2_STD_525_60: u64 = 0xf900, "Standards of 525 lines and 60 fields a second.";
    V4L2_STD_625_50: u64 = 0xff_06ff, "Standards of 625 lines and 50 fields a second.";
    V4L2_STD_ALL: u64 = 0xff_ffff, "Every analogue standard.";

    V4L2_TUNER_RADIO: u32 = 1, "A radio's tuner.";
    V4L2_TUNER_ANALOG_TV: u32 = 2, "A television's tuner.";
    V4L2_TUNER_SDR: u32 = 4, "A tuner that gives samples.";
    V4L2_TUNER_RF: u32 = 5, "The radio part of a tuner that gives samples.";
    V4L2_TUNER_CAP_LOW: u32 = 0x1, "Frequencies are in 62.5 Hz, not 62.5 kHz.";
    V4L2_TUNER_CAP_NORM: u32 = 0x2, "The television standard can be set.";
    V4L2_TUNER_CAP_STEREO: u32 = 0x10, "Knows stereo.";
    V4L2_TUNER_CAP_LANG2: u32 = 0x20, "Knows a second language.";
    V4L2_TUNER_CAP_LANG1: u32 = 0x40, "Knows the first of two languages.";
    V4L2_TUNER_CAP_RDS: u32 = 0x80, "Knows RDS.";
    V4L2_TUNER_CAP_FREQ_BANDS: u32 = 0x400, "ENUM_FREQ_BANDS lists its ranges.";
    V4L2_TUNER_CAP_1HZ: u32 = 0x1000, "Frequencies are in 1 Hz.";
    V4L2_TUNER_SUB_MONO: u32 = 0x1, "One channel is received.";
    V4L2_TUNER_SUB_STEREO: u32 = 0x2, "Stereo is received.";
    V4L2_TUNER_SUB_LANG2: u32 = 0x4, "A second language is received.";
    V4L2_TUNER_SUB_LANG1: u32 = 0x8, "The first of two languages is received.";
    V4L2_TUNER_SUB_RDS: u32 = 0x10, "RDS is received.";
    V4L2_TUNER_MODE_MONO: u32 = 0, "One channel is wanted.";
    V4L2_TUNER_MODE_STEREO: u32 = 1, "Stereo is wanted.";
    V4L2_TUNER_MODE_LANG2: u32 = 2, "The second language is wanted.";
    V4L2_TUNER_MODE_LANG1: u32 = 3, "The first language is wanted.";
    V4L2_TUNER_MODE_LANG1_LANG2: u32 = 4, "Both languages are wanted, a channel each.";
    V4L2_BAND_MODULATION_VSB: u32 = 0x2, "Vestigial sideband, television.";
    V4L2_BAND_MODULATION_FM: u32 = 0x4, "FM.";
    V4L2_BAND_MODULATION_AM: u32 = 0x8, "AM.";
    V4L2_AUDCAP_STEREO: u32 = 0x1, "The audio input knows stereo.";
    V4L2_AUDCAP_AVL: u32 = 0x2, "The audio input evens out the volume.";
    V4L2_AUDMODE_AVL: u32 = 0x1, "The volume is being evened out.";

    V4L2_PRIORITY_UNSET: u32 = 0, "Not set.";
    V4L2_PRIORITY_BACKGROUND: u32 = 1, "A program that runs in the background.";
    V4L2_PRIORITY_INTERACTIVE: u32 = 2, "A program that somebody watches.";
    V4L2_PRIORITY_DEFAULT: u32 = 2, "What an open file starts with.";
    V4L2_PRIORITY_RECORD: u32 = 3, "A recording that nobody may disturb.";

    V4L2_CTRL_TYPE_INTEGER: u32 = 1, "A number.";
    V4L2_CTRL_TYPE_BOOLEAN: u32 = 2, "0 or 1.";
    V4L2_CTRL_TYPE_MENU: u32 = 3, "One of several items.";
    V4L2_CTRL_TYPE_BUTTON: u32 = 4, "Setting it does something.";
    V4L2_CTRL_TYPE_INTEGER64: u32 = 5, "A number of 64 bits.";
    V4L2_CTRL_TYPE_CTRL_CLASS: u32 = 6, "The name of the controls that follow.";
    V4L2_CTRL_TYPE_STRING: u32 = 7, "A text.";
    V4L2_CTRL_TYPE_BITMASK: u32 = 8, "A set of bits.";
    V4L2_CTRL_TYPE_INTEGER_MENU: u32 = 9, "One of several numbers.";
    V4L2_CTRL_FLAG_DISABLED: u32 = 0x1, "Can never be used.";
    V4L2_CTRL_FLAG_GRABBED: u32 = 0x2, "Cannot be changed now.";
    V4L2_CTRL_FLAG_READ_ONLY: u32 = 0x4, "Cannot be set.";
    V4L2_CTRL_FLAG_UPDATE: u32 = 0x8, "Setting it may change others.";
    V4L2_CTRL_FLAG_INACTIVE: u32 = 0x10, "Has no effect now.";
    V4L2_CTRL_FLAG_SLIDER: u32 = 0x20, "Best shown as a slider.";
    V4L2_CTRL_FLAG_WRITE_ONLY: u32 = 0x40, "Cannot be read.";
    V4L2_CTRL_FLAG_VOLATILE: u32 = 0x80, "Changes by itself.";
    V4L2_CTRL_FLAG_HAS_PAYLOAD: u32 = 0x100, "Its value is behind an address.";
    V4L2_CTRL_FLAG_EXECUTE_ON_WRITE: u32 = 0x200, "Setting it has an effect even without a change.";
    V4L2_CTRL_FLAG_MODIFY_LAYOUT: u32 = 0x400, "Setting it may change the buffers' layout.";
    V4L2_CTRL_FLAG_NEXT_CTRL: u32 = 0x8000_0000, "With an id: the next control after it.";
    V4L2_CTRL_FLAG_NEXT_COMPOUND: u32 = 0x4000_0000,
        "With an id: the next control after it whose value is an array or structure.";
    V4L2_CTRL_ID_MASK: u32 = 0x0fff_ffff, "The bits of an id without these.";
    V4L2_CTRL_WHICH_CUR_VAL: u32 = 0, "Values of now, controls of any class.";
    V4L2_CTRL_WHICH_DEF_VAL: u32 = 0x0f00_0000, "Values at the start.";
    V4L2_CTRL_WHICH_REQUEST_VAL: u32 = 0x0f01_0000, "Values in a request.";

    V4L2_CTRL_CLASS_USER: u32 = 0x98_0000, "Controls for everybody.";
    V4L2_CTRL_CLASS_CAMERA: u32 = 0x9a_0000, "Controls of cameras.";
    V4L2_CTRL_CLASS_JPEG: u32 = 0x9d_0000, "Controls of JPEG encoders.";
    V4L2_CID_BASE: u32 = 0x98_0900, "The first control for everybody.";
    V4L2_CID_USER_CLASS: u32 = 0x98_0001, "The name of the class.";
    V4L2_CID_PRIVATE_BASE: u32 = 0x0800_0000, "Old ids of a driver's own controls.";
    V4L2_CID_BRIGHTNESS: u32 = V4L2_CID_BASE, "Brightness.";
    V4L2_CID_CONTRAST: u32 = V4L2_CID_BASE + 1, "Contrast.";
    V4L2_CID_SATURATION: u32 = V4L2_CID_BASE + 2, "Saturation.";
    V4L2_CID_HUE: u32 = V4L2_CID_BASE + 3, "Hue.";
    V4L2_CID_AUDIO_VOLUME: u32 = V4L2_CID_BASE + 5, "Volume.";
    V4L2_CID_AUDIO_BALANCE: u32 = V4L2_CID_BASE + 6, "Balance between left and right.";
    V4L2_CID_AUDIO_BASS: u32 = V4L2_CID_BASE + 7, "Bass.";
    V4L2_CID_AUDIO_TREBLE: u32 = V4L2_CID_BASE + 8, "Treble.";
    V4L2_CID_AUDIO_MUTE: u32 = V4L2_CID_BASE + 9, "No sound.";
    V4L2_CID_AUTO_WHITE_BALANCE: u32 = V4L2_CID_BASE + 12, "White balance by itself.";
    V4L2_CID_RED_BALANCE: u32 = V4L2_CID_BASE + 14, "Red's share.";
    V4L2_CID_BLUE_BALANCE: u32 = V4L2_CID_BASE + 15, "Blue's share.";
    V4L2_CID_GAMMA: u32 = V4L2_CID_BASE + 16, "Gamma.";
    V4L2_CID_WHITENESS: u32 = V4L2_CID_BASE + 16, "White level of black-and-white devices, V4L1's.";
    V4L2_CID_EXPOSURE: u32 = V4L2_CID_BASE + 17, "Exposure.";
    V4L2_CID_AUTOGAIN: u32 = V4L2_CID_BASE + 18, "Gain by itself.";
    V4L2_CID_GAIN: u32 = V4L2_CID_BASE + 19, "Gain.";
    V4L2_CID_HFLIP: u32 = V4L2_CID_BASE + 20, "Flip from left to right.";
    V4L2_CID_VFLIP: u32 = V4L2_CID_BASE + 21, "Flip upside down.";
    V4L2_CID_POWER_LINE_FREQUENCY: u32 = V4L2_CID_BASE + 24, "Of the light, against flicker.";
    V4L2_CID_SHARPNESS: u32 = V4L2_CID_BASE + 27, "Sharpness.";
    V4L2_CID_BACKLIGHT_COMPENSATION: u32 = V4L2_CID_BASE + 28, "For subjects before a bright background.";
    V4L2_CID_MIN_BUFFERS_FOR_CAPTURE: u32 = V4L2_CID_BASE + 39, "Fewest buffers that a capture queue works with.";
    V4L2_CID_MIN_BUFFERS_FOR_OUTPUT: u32 = V4L2_CID_BASE + 40, "Fewest buffers that an output queue works with.";

    V4L2_EVENT_ALL: u32 = 0, "Every type, to end all subscriptions.";
    V4L2_EVENT_VSYNC: u32 = 1, "A field has begun.";
    V4L2_EVENT_EOS: u32 = 2, "The stream has ended.";
    V4L2_EVENT_CTRL: u32 = 3, "A control has changed.";
    V4L2_EVENT_FRAME_SYNC: u32 = 4, "A frame has begun.";
    V4L2_EVENT_SOURCE_CHANGE: u32 = 5, "The source has changed.";
    V4L2_EVENT_MOTION_DET: u32 = 6, "Something moves.";
    V4L2_EVENT_PRIVATE_START: u32 = 0x0800_0000, "The first of a driver's own types.";
    V4L2_EVENT_CTRL_CH_VALUE: u32 = 0x1, "The control's value has changed.";
    V4L2_EVENT_CTRL_CH_FLAGS: u32 = 0x2, "The control's flags have changed.";
    V4L2_EVENT_CTRL_CH_RANGE: u32 = 0x4, "The control's range has changed.";
    V4L2_EVENT_SRC_CH_RESOLUTION: u32 = 0x1, "The source's size has changed.";
    V4L2_EVENT_SUB_FL_SEND_INITIAL: u32 = 0x1, "Send an event with the state of now at once.";
    V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK: u32 = 0x2, "Send events of the program's own changes too.";
}

/// Whether a buffer type's data goes from the program to the device.
#[doc(alias = "V4L2_TYPE_IS_OUTPUT")]
#[must_use]
pub const fn is_output(buf_type: u32) -> bool {
    matches!(
        buf_type,
        V4L2_BUF_TYPE_VIDEO_OUTPUT
            | V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
            | V4L2_BUF_TYPE_VIDEO_OVERLAY
            | V4L2_BUF_TYPE_VIDEO_OUTPUT_OVERLAY
            | V4L2_BUF_TYPE_VBI_OUTPUT
            | V4L2_BUF_TYPE_SLICED_VBI_OUTPUT
            | V4L2_BUF_TYPE_SDR_OUTPUT
            | V4L2_BUF_TYPE_META_OUTPUT
    )
}

/// Whether a buffer of this type is several pieces of memory.
#[doc(alias = "V4L2_TYPE_IS_MULTIPLANAR")]
#[must_use]
pub const fn is_multiplanar(buf_type: u32) -> bool {
    matches!(buf_type, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE | V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_a_direction() {
        let outputs: Vec<u32> = (0..16).filter(|&buf_type| is_output(buf_type)).collect();
        assert_eq!(outputs, [2, 3, 5, 7, 8, 10, 12, 14]);
        let several: Vec<u32> = (0..16).filter(|&buf_type| is_multiplanar(buf_type)).collect();
        assert_eq!(several, [9, 10]);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = CONSTANTS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
