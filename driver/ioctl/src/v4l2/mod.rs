//! V4L2 requests: the table, the trait that devices implement, and the way from one to the other.

mod argument;
mod controls;
mod row;

use core::fmt;

use vloopback_abi::v4l2::request;
use vloopback_abi::v4l2::{
    V4l2Audio, V4l2Buffer, V4l2Capability, V4l2Control, V4l2CreateBuffers, V4l2Crop, V4l2Cropcap, V4l2Event,
    V4l2EventSubscription, V4l2Exportbuffer, V4l2ExtControls, V4l2Fmtdesc, V4l2Format, V4l2Frequency,
    V4l2FrequencyBand, V4l2Frmivalenum, V4l2Frmsizeenum, V4l2Input, V4l2Output, V4l2QueryExtCtrl,
    V4l2Queryctrl, V4l2Querymenu, V4l2Requestbuffers, V4l2Selection, V4l2Standard, V4l2Streamparm, V4l2Tuner,
};

use crate::{Abi, Errno, UserMemory, request_number};
use argument::{Shape, fetch, store};
pub use controls::ControlList;
pub use row::V4l2Row;
use row::{copies_on_error, index, kept, kind, last, ranked, where_served};

/// The call of a row's method, with its copying: in before the handler runs, out after it. The
/// device is asked to admit the request in between, when the argument is known to be there.
macro_rules! call {
    (Refused, $dev:ident.$method:ident, $ty:ty, $mem:ident, $row:ident, $shape:ident, $arg:ident) => {
        Err(Errno::ENOTTY)
    };
    (Plain, $dev:ident.$method:ident, $ty:ty, $mem:ident, $row:ident, $shape:ident, $arg:ident) => {{
        $dev.admit($row)?;
        $dev.$method()
    }};
    (Get, $dev:ident.$method:ident, $ty:ty, $mem:ident, $row:ident, $shape:ident, $arg:ident) => {{
        $dev.admit($row)?;
        store($mem, $shape, $arg, $dev.$method()?)
    }};
    (Set, $dev:ident.$method:ident, $ty:ty, $mem:ident, $row:ident, $shape:ident, $arg:ident) => {{
        let value: $ty = fetch($mem, $shape, $arg, $row.kept)?;
        $dev.admit($row)?;
        $dev.$method(value)
    }};
    (Exchange, $dev:ident.$method:ident, $ty:ty, $mem:ident, $row:ident, $shape:ident, $arg:ident) => {{
        let value: $ty = fetch($mem, $shape, $arg, $row.kept)?;
        $dev.admit($row)?;
        store($mem, $shape, $arg, $dev.$method(value)?)
    }};
    (List, $dev:ident.$method:ident, $ty:ty, $mem:ident, $row:ident, $shape:ident, $arg:ident) => {
        controls::serve($mem, $shape, $arg, |head, controls| {
            $dev.admit($row)?;
            $dev.$method(head, controls)
        })
    };
}

/// The one list of requests. It makes the enum, the table, the trait and the dispatch, so that
/// they cannot drift apart.
///
/// A row: its name; its kind, which gives the method its shape (`List` for lists of controls,
/// `Refused` for requests that no loopback can have a use for); the type of the argument, with
/// the last field that is the program's to say if those after it are cleared; the C type; the
/// kernel's name and the numbers in 64-bit and 32-bit programs, and in 32-bit ones with a 64-bit
/// `time_t` if that is another; the method; the nodes that answer; whether it is `Free` to all or
/// `Ranked` by priority; the answer in a few words.
macro_rules! requests {
    ($(
        $(#[$doc:meta])+
        $variant:ident: $kind:ident $ty:ty $([..=$last:ident])?, $argument:literal,
        $name:literal = $number:ident / $narrow:ident $(/ $time64:ident)?,
        $method:ident, $served:ident, $rank:ident, $answer:literal;
    )*) => {
        /// A request of V4L2.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum V4l2Request {
            $(
                #[doc = concat!("`", $name, "`.")]
                #[doc(alias = $name)]
                $variant,
            )*
        }

        /// All V4L2 requests, in the order of their numbers.
        pub const V4L2: &[V4l2Row] = &[$(
            V4l2Row {
                id: V4l2Request::$variant,
                name: $name,
                lp64: request::$number,
                ilp32: request::$narrow,
                ilp32_time64: last!(request::$narrow $(, request::$time64)?),
                direction: kind!($kind, request::$number),
                kept: kept!($kind, $ty, request::$number $(, $last)?),
                argument: $argument,
                ranked: ranked!($rank),
                copies_on_error: copies_on_error!($kind),
                on_input: where_served!($served).0,
                on_output: where_served!($served).1,
                answer: $answer,
            },
        )*];

        /// A device's answers to V4L2 requests; what it does not implement is ENOTTY.
        ///
        /// Structures are in the 64-bit shape, whatever the program's ABI. What the program may
        /// not say has been cleared, see [`V4l2Row::kept`]; a field of an answer that the handler
        /// has nothing for should be zero.
        pub trait V4l2Device {
            /// Whether the device knows the request at all. If not, the program gets ENOTTY
            /// before its argument is looked at, so also for a bad address.
            ///
            /// The default is what one of a loopback's nodes serves: a node of its own kind
            /// asks [`V4l2Row::on_input`] or [`V4l2Row::on_output`].
            fn knows(&self, row: &V4l2Row) -> bool {
                row.on_input || row.on_output
            }

            /// Whether the open file may make this request now: EBUSY for one that is
            /// [`V4l2Row::ranked`] while another open file has a higher priority.
            ///
            /// Asked when the argument has been read and before the handler runs.
            ///
            /// # Errors
            /// What the program shall get instead of the handler's answer.
            fn admit(&mut self, row: &V4l2Row) -> Result<(), Errno> {
                let _ = row;
                Ok(())
            }

            $(method! { $kind, $(#[$doc])+ #[doc(alias = $name)] $method, $ty })*
        }

        fn call<D, M>(
            dev: &mut D,
            row: &V4l2Row,
            mem: &M,
            shape: Shape,
            arg: usize,
        ) -> Result<(), Errno>
        where
            D: V4l2Device + ?Sized,
            M: UserMemory + ?Sized,
        {
            match row.id {
                $(V4l2Request::$variant => {
                    call!($kind, dev.$method, $ty, mem, row, shape, arg)
                })*
            }
        }
    };
}

requests! {
    /// What the device is and can do.
    Querycap: Get V4l2Capability, "struct v4l2_capability",
        "VIDIOC_QUERYCAP" = QUERYCAP / QUERYCAP,
        querycap, Both, Free, "one direction a node, READWRITE, STREAMING, EXT_PIX_FORMAT";
    /// Describes the format whose number and buffer type are in the argument.
    EnumFmt: Exchange V4l2Fmtdesc [..=type_], "struct v4l2_fmtdesc",
        "VIDIOC_ENUM_FMT" = ENUM_FMT / ENUM_FMT,
        enum_fmt, Both, Free, "every format that G_FMT can return, with the kernel's descriptions";
    /// The format of the buffer type in the argument.
    GFmt: Exchange V4l2Format [..=type_], "struct v4l2_format",
        "VIDIOC_G_FMT" = G_FMT / G_FMT32,
        g_fmt, Both, Free, "the format; also before anything is set";
    /// Sets the format, or the nearest one that the device has.
    SFmt: Exchange V4l2Format, "struct v4l2_format",
        "VIDIOC_S_FMT" = S_FMT / S_FMT32,
        s_fmt, Both, Ranked, "sets the nearest format that there is";
    /// Gives buffers, or takes them back if the count is 0.
    Reqbufs: Exchange V4l2Requestbuffers [..=flags], "struct v4l2_requestbuffers",
        "VIDIOC_REQBUFS" = REQBUFS / REQBUFS,
        reqbufs, Both, Ranked, "gives 2 to 32 buffers; 0 gives them back";
    /// Describes the buffer whose number and type are in the argument.
    Querybuf: Exchange V4l2Buffer [..=length], "struct v4l2_buffer",
        "VIDIOC_QUERYBUF" = QUERYBUF / QUERYBUF32 / QUERYBUF32_TIME64,
        querybuf, Both, Free, "length, offset and state of a buffer";
    /// The screen memory that overlay writes to.
    GFbuf: Refused (), "struct v4l2_framebuffer",
        "VIDIOC_G_FBUF" = G_FBUF / G_FBUF32,
        g_fbuf, Nowhere, Free, "ENOTTY";
    /// Sets the screen memory.
    SFbuf: Refused (), "struct v4l2_framebuffer",
        "VIDIOC_S_FBUF" = S_FBUF / S_FBUF32,
        s_fbuf, Nowhere, Ranked, "ENOTTY";
    /// Turns overlay on or off.
    Overlay: Refused (), "int",
        "VIDIOC_OVERLAY" = OVERLAY / OVERLAY,
        overlay, Nowhere, Ranked, "ENOTTY";
    /// Takes a buffer from the program: to fill, or filled.
    Qbuf: Exchange V4l2Buffer, "struct v4l2_buffer",
        "VIDIOC_QBUF" = QBUF / QBUF32 / QBUF32_TIME64,
        qbuf, Both, Free, "takes a buffer";
    /// Gives a descriptor of a buffer's memory.
    Expbuf: Exchange V4l2Exportbuffer [..=flags], "struct v4l2_exportbuffer",
        "VIDIOC_EXPBUF" = EXPBUF / EXPBUF,
        expbuf, Both, Free, "a memory file of one buffer, which then is private memory";
    /// Gives a buffer back to the program: filled, or to fill.
    Dqbuf: Exchange V4l2Buffer, "struct v4l2_buffer",
        "VIDIOC_DQBUF" = DQBUF / DQBUF32 / DQBUF32_TIME64,
        dqbuf, Both, Free, "gives the oldest buffer; waits, or EAGAIN";
    /// Starts the stream of this buffer type.
    Streamon: Set i32, "int",
        "VIDIOC_STREAMON" = STREAMON / STREAMON,
        streamon, Both, Ranked, "starts; before REQBUFS: EINVAL on an output, the claim on an input (its frames are written)";
    /// Stops the stream of this buffer type and takes all its buffers out of the queue.
    Streamoff: Set i32, "int",
        "VIDIOC_STREAMOFF" = STREAMOFF / STREAMOFF,
        streamoff, Both, Ranked, "stops; ends a DQBUF that waits";
    /// The frame rate of the buffer type in the argument.
    GParm: Exchange V4l2Streamparm [..=type_], "struct v4l2_streamparm",
        "VIDIOC_G_PARM" = G_PARM / G_PARM,
        g_parm, Both, Free, "the frame rate: what was told, else on an output what is counted";
    /// Sets the frame rate, or the nearest one that the device has.
    SParm: Exchange V4l2Streamparm, "struct v4l2_streamparm",
        "VIDIOC_S_PARM" = S_PARM / S_PARM,
        s_parm, Both, Ranked, "sets the frame rate";
    /// The television standard.
    GStd: Get u64, "v4l2_std_id",
        "VIDIOC_G_STD" = G_STD / G_STD,
        g_std, Nowhere, Free, "ENOTTY";
    /// Sets the television standard.
    SStd: Set u64, "v4l2_std_id",
        "VIDIOC_S_STD" = S_STD / S_STD,
        s_std, Nowhere, Ranked, "ENOTTY";
    /// Describes the television standard whose number is in the argument.
    Enumstd: Exchange V4l2Standard [..=index], "struct v4l2_standard",
        "VIDIOC_ENUMSTD" = ENUMSTD / ENUMSTD32,
        enumstd, Nowhere, Free, "ENOTTY";
    /// Describes the input whose number is in the argument.
    Enuminput: Exchange V4l2Input [..=index], "struct v4l2_input",
        "VIDIOC_ENUMINPUT" = ENUMINPUT / ENUMINPUT32,
        enuminput, Output, Free, "input 0, a camera, NO_SIGNAL while nobody pushes; else EINVAL";
    /// The value of the control whose id is in the argument.
    GCtrl: Exchange V4l2Control [..=id], "struct v4l2_control",
        "VIDIOC_G_CTRL" = G_CTRL / G_CTRL,
        g_ctrl, Both, Free, "a slider of the picture: brightness, contrast, saturation, hue, whiteness";
    /// Sets a control.
    SCtrl: Exchange V4l2Control, "struct v4l2_control",
        "VIDIOC_S_CTRL" = S_CTRL / S_CTRL,
        s_ctrl, Both, Ranked, "sets one; a zero-copy pusher gets VIDIOCSPICT";
    /// Describes the tuner whose number is in the argument.
    GTuner: Exchange V4l2Tuner [..=index], "struct v4l2_tuner",
        "VIDIOC_G_TUNER" = G_TUNER / G_TUNER,
        g_tuner, Output, Free, "a zero-copy pusher's tuner; else ENOTTY";
    /// Sets a tuner.
    STuner: Set V4l2Tuner, "struct v4l2_tuner",
        "VIDIOC_S_TUNER" = S_TUNER / S_TUNER,
        s_tuner, Output, Ranked, "nothing of it is set";
    /// The audio input.
    GAudio: Get V4l2Audio, "struct v4l2_audio",
        "VIDIOC_G_AUDIO" = G_AUDIO / G_AUDIO,
        g_audio, Nowhere, Free, "ENOTTY";
    /// Selects the audio input.
    SAudio: Set V4l2Audio, "struct v4l2_audio",
        "VIDIOC_S_AUDIO" = S_AUDIO / S_AUDIO,
        s_audio, Nowhere, Ranked, "ENOTTY";
    /// Describes the control whose id is in the argument, or the next one after it.
    Queryctrl: Exchange V4l2Queryctrl [..=id], "struct v4l2_queryctrl",
        "VIDIOC_QUERYCTRL" = QUERYCTRL / QUERYCTRL,
        queryctrl, Both, Free, "the sliders of the picture";
    /// Describes the item of the menu control whose id and number are in the argument.
    Querymenu: Exchange V4l2Querymenu [..=index], "struct v4l2_querymenu",
        "VIDIOC_QUERYMENU" = QUERYMENU / QUERYMENU,
        querymenu, Both, Free, "EINVAL: no control is a menu";
    /// The number of the input.
    GInput: Get i32, "int",
        "VIDIOC_G_INPUT" = G_INPUT / G_INPUT,
        g_input, Output, Free, "0";
    /// Selects an input.
    SInput: Exchange i32, "int",
        "VIDIOC_S_INPUT" = S_INPUT / S_INPUT,
        s_input, Output, Ranked, "input 0, else EINVAL";
    /// The description that a screen gives of itself.
    GEdid: Refused (), "struct v4l2_edid",
        "VIDIOC_G_EDID" = G_EDID / G_EDID32,
        g_edid, Nowhere, Free, "ENOTTY";
    /// Sets that description.
    SEdid: Refused (), "struct v4l2_edid",
        "VIDIOC_S_EDID" = S_EDID / S_EDID32,
        s_edid, Nowhere, Ranked, "ENOTTY";
    /// The number of the output.
    GOutput: Get i32, "int",
        "VIDIOC_G_OUTPUT" = G_OUTPUT / G_OUTPUT,
        g_output, Input, Free, "0";
    /// Selects an output.
    SOutput: Exchange i32, "int",
        "VIDIOC_S_OUTPUT" = S_OUTPUT / S_OUTPUT,
        s_output, Input, Ranked, "output 0, else EINVAL";
    /// Describes the output whose number is in the argument.
    Enumoutput: Exchange V4l2Output [..=index], "struct v4l2_output",
        "VIDIOC_ENUMOUTPUT" = ENUMOUTPUT / ENUMOUTPUT,
        enumoutput, Input, Free, "output 0, analogue; else EINVAL";
    /// The audio output.
    GAudout: Refused (), "struct v4l2_audioout",
        "VIDIOC_G_AUDOUT" = G_AUDOUT / G_AUDOUT,
        g_audout, Nowhere, Free, "ENOTTY";
    /// Selects the audio output.
    SAudout: Refused (), "struct v4l2_audioout",
        "VIDIOC_S_AUDOUT" = S_AUDOUT / S_AUDOUT,
        s_audout, Nowhere, Ranked, "ENOTTY";
    /// Describes a modulator.
    GModulator: Refused (), "struct v4l2_modulator",
        "VIDIOC_G_MODULATOR" = G_MODULATOR / G_MODULATOR,
        g_modulator, Nowhere, Free, "ENOTTY";
    /// Sets a modulator.
    SModulator: Refused (), "struct v4l2_modulator",
        "VIDIOC_S_MODULATOR" = S_MODULATOR / S_MODULATOR,
        s_modulator, Nowhere, Ranked, "ENOTTY";
    /// The frequency of the tuner whose number is in the argument.
    GFrequency: Exchange V4l2Frequency [..=tuner], "struct v4l2_frequency",
        "VIDIOC_G_FREQUENCY" = G_FREQUENCY / G_FREQUENCY,
        g_frequency, Output, Free, "a zero-copy pusher's (VIDIOCGFREQ); else ENOTTY";
    /// Sets a tuner's frequency.
    SFrequency: Set V4l2Frequency, "struct v4l2_frequency",
        "VIDIOC_S_FREQUENCY" = S_FREQUENCY / S_FREQUENCY,
        s_frequency, Output, Ranked, "sets it (VIDIOCSFREQ)";
    /// What can be cropped of the buffer type in the argument.
    Cropcap: Exchange V4l2Cropcap [..=type_], "struct v4l2_cropcap",
        "VIDIOC_CROPCAP" = CROPCAP / CROPCAP,
        cropcap, Both, Free, "the whole picture; square pixels";
    /// The cropped rectangle of the buffer type in the argument.
    GCrop: Exchange V4l2Crop [..=type_], "struct v4l2_crop",
        "VIDIOC_G_CROP" = G_CROP / G_CROP,
        g_crop, Nowhere, Free, "ENOTTY";
    /// Sets the cropped rectangle.
    SCrop: Set V4l2Crop, "struct v4l2_crop",
        "VIDIOC_S_CROP" = S_CROP / S_CROP,
        s_crop, Nowhere, Ranked, "ENOTTY";
    /// How JPEG is compressed.
    GJpegcomp: Refused (), "struct v4l2_jpegcompression",
        "VIDIOC_G_JPEGCOMP" = G_JPEGCOMP / G_JPEGCOMP,
        g_jpegcomp, Nowhere, Free, "ENOTTY";
    /// Sets how JPEG is compressed.
    SJpegcomp: Refused (), "struct v4l2_jpegcompression",
        "VIDIOC_S_JPEGCOMP" = S_JPEGCOMP / S_JPEGCOMP,
        s_jpegcomp, Nowhere, Ranked, "ENOTTY";
    /// Recognises the television standard.
    Querystd: Get u64, "v4l2_std_id",
        "VIDIOC_QUERYSTD" = QUERYSTD / QUERYSTD,
        querystd, Nowhere, Free, "ENOTTY";
    /// What [`V4l2Device::s_fmt`] would set, without setting it.
    TryFmt: Exchange V4l2Format, "struct v4l2_format",
        "VIDIOC_TRY_FMT" = TRY_FMT / TRY_FMT32,
        try_fmt, Both, Free, "what S_FMT would set";
    /// Describes the audio input whose number is in the argument.
    Enumaudio: Exchange V4l2Audio [..=index], "struct v4l2_audio",
        "VIDIOC_ENUMAUDIO" = ENUMAUDIO / ENUMAUDIO,
        enumaudio, Nowhere, Free, "ENOTTY";
    /// Describes an audio output.
    Enumaudout: Refused (), "struct v4l2_audioout",
        "VIDIOC_ENUMAUDOUT" = ENUMAUDOUT / ENUMAUDOUT,
        enumaudout, Nowhere, Free, "ENOTTY";
    /// The highest priority of all open files of the device.
    GPriority: Get u32, "enum v4l2_priority",
        "VIDIOC_G_PRIORITY" = G_PRIORITY / G_PRIORITY,
        g_priority, Both, Free, "the highest priority of the node's open files";
    /// Sets the open file's priority.
    SPriority: Set u32, "enum v4l2_priority",
        "VIDIOC_S_PRIORITY" = S_PRIORITY / S_PRIORITY,
        s_priority, Both, Ranked, "sets this open file's; EBUSY below a higher one";
    /// Which data of the blanking interval there can be.
    GSlicedVbiCap: Refused (), "struct v4l2_sliced_vbi_cap",
        "VIDIOC_G_SLICED_VBI_CAP" = G_SLICED_VBI_CAP / G_SLICED_VBI_CAP,
        g_sliced_vbi_cap, Nowhere, Free, "ENOTTY";
    /// Writes the state to the system's log.
    LogStatus: Plain (), "",
        "VIDIOC_LOG_STATUS" = LOG_STATUS / LOG_STATUS,
        log_status, Both, Free, "the pipe's state, in the daemon's log";
    /// The values of a list of controls.
    GExtCtrls: List V4l2ExtControls, "struct v4l2_ext_controls",
        "VIDIOC_G_EXT_CTRLS" = G_EXT_CTRLS / G_EXT_CTRLS32,
        g_ext_ctrls, Both, Free, "as G_CTRL";
    /// Sets all controls of a list, or none.
    SExtCtrls: List V4l2ExtControls, "struct v4l2_ext_controls",
        "VIDIOC_S_EXT_CTRLS" = S_EXT_CTRLS / S_EXT_CTRLS32,
        s_ext_ctrls, Both, Ranked, "as S_CTRL, all or none";
    /// What [`V4l2Device::s_ext_ctrls`] would set, without setting it.
    TryExtCtrls: List V4l2ExtControls, "struct v4l2_ext_controls",
        "VIDIOC_TRY_EXT_CTRLS" = TRY_EXT_CTRLS / TRY_EXT_CTRLS32,
        try_ext_ctrls, Both, Free, "what S_EXT_CTRLS would set";
    /// Describes the frame size whose number and format are in the argument.
    EnumFramesizes: Exchange V4l2Frmsizeenum [..=pixel_format], "struct v4l2_frmsizeenum",
        "VIDIOC_ENUM_FRAMESIZES" = ENUM_FRAMESIZES / ENUM_FRAMESIZES,
        enum_framesizes, Both, Free, "output: the size (of a zero-copy pusher with a range: several), discrete, then EINVAL; input: the range";
    /// Describes the frame interval whose number, format and size are in the argument.
    EnumFrameintervals: Exchange V4l2Frmivalenum [..=height], "struct v4l2_frmivalenum",
        "VIDIOC_ENUM_FRAMEINTERVALS" = ENUM_FRAMEINTERVALS / ENUM_FRAMEINTERVALS,
        enum_frameintervals, Both, Free, "output: the interval, discrete, then EINVAL; input: the range";
    /// An encoder's index.
    GEncIndex: Refused (), "struct v4l2_enc_idx",
        "VIDIOC_G_ENC_INDEX" = G_ENC_INDEX / G_ENC_INDEX,
        g_enc_index, Nowhere, Free, "ENOTTY";
    /// Commands an encoder.
    EncoderCmd: Refused (), "struct v4l2_encoder_cmd",
        "VIDIOC_ENCODER_CMD" = ENCODER_CMD / ENCODER_CMD,
        encoder_cmd, Nowhere, Ranked, "ENOTTY";
    /// Asks whether an encoder's command would succeed.
    TryEncoderCmd: Refused (), "struct v4l2_encoder_cmd",
        "VIDIOC_TRY_ENCODER_CMD" = TRY_ENCODER_CMD / TRY_ENCODER_CMD,
        try_encoder_cmd, Nowhere, Free, "ENOTTY";
    /// Sets a chip's register.
    DbgSRegister: Refused (), "struct v4l2_dbg_register",
        "VIDIOC_DBG_S_REGISTER" = DBG_S_REGISTER / DBG_S_REGISTER,
        dbg_s_register, Nowhere, Free, "ENOTTY";
    /// A chip's register.
    DbgGRegister: Refused (), "struct v4l2_dbg_register",
        "VIDIOC_DBG_G_REGISTER" = DBG_G_REGISTER / DBG_G_REGISTER,
        dbg_g_register, Nowhere, Free, "ENOTTY";
    /// Finds the next station.
    SHwFreqSeek: Refused (), "struct v4l2_hw_freq_seek",
        "VIDIOC_S_HW_FREQ_SEEK" = S_HW_FREQ_SEEK / S_HW_FREQ_SEEK,
        s_hw_freq_seek, Nowhere, Ranked, "ENOTTY";
    /// Sets digital timings.
    SDvTimings: Refused (), "struct v4l2_dv_timings",
        "VIDIOC_S_DV_TIMINGS" = S_DV_TIMINGS / S_DV_TIMINGS,
        s_dv_timings, Nowhere, Ranked, "ENOTTY";
    /// Digital timings.
    GDvTimings: Refused (), "struct v4l2_dv_timings",
        "VIDIOC_G_DV_TIMINGS" = G_DV_TIMINGS / G_DV_TIMINGS,
        g_dv_timings, Nowhere, Free, "ENOTTY";
    /// Takes the oldest event.
    Dqevent: Get V4l2Event, "struct v4l2_event",
        "VIDIOC_DQEVENT" = DQEVENT / DQEVENT32 / DQEVENT32_TIME64,
        dqevent, Both, Free, "takes the oldest event; waits, or ENOENT";
    /// Asks for events of a type.
    SubscribeEvent: Set V4l2EventSubscription, "struct v4l2_event_subscription",
        "VIDIOC_SUBSCRIBE_EVENT" = SUBSCRIBE_EVENT / SUBSCRIBE_EVENT,
        subscribe_event, Both, Free, "controls; output: also changes of the source, the end of the stream";
    /// Asks for events of a type no more.
    UnsubscribeEvent: Set V4l2EventSubscription, "struct v4l2_event_subscription",
        "VIDIOC_UNSUBSCRIBE_EVENT" = UNSUBSCRIBE_EVENT / UNSUBSCRIBE_EVENT,
        unsubscribe_event, Both, Free, "of one type, or of all";
    /// Gives further buffers.
    CreateBufs: Exchange V4l2CreateBuffers [..=flags], "struct v4l2_create_buffers",
        "VIDIOC_CREATE_BUFS" = CREATE_BUFS / CREATE_BUFS32,
        create_bufs, Both, Ranked, "adds buffers of at least a frame's bytes; 32 in all";
    /// Makes a buffer ready to be queued.
    PrepareBuf: Exchange V4l2Buffer, "struct v4l2_buffer",
        "VIDIOC_PREPARE_BUF" = PREPARE_BUF / PREPARE_BUF32 / PREPARE_BUF32_TIME64,
        prepare_buf, Both, Free, "looks at the buffer's memory";
    /// The rectangle whose buffer type and target are in the argument.
    GSelection: Exchange V4l2Selection [..=r], "struct v4l2_selection",
        "VIDIOC_G_SELECTION" = G_SELECTION / G_SELECTION,
        g_selection, Both, Free, "default and bounds: the whole picture; else EINVAL";
    /// Sets a rectangle, or the nearest one that the device has.
    SSelection: Exchange V4l2Selection [..=r], "struct v4l2_selection",
        "VIDIOC_S_SELECTION" = S_SELECTION / S_SELECTION,
        s_selection, Nowhere, Ranked, "ENOTTY";
    /// Commands a decoder.
    DecoderCmd: Refused (), "struct v4l2_decoder_cmd",
        "VIDIOC_DECODER_CMD" = DECODER_CMD / DECODER_CMD,
        decoder_cmd, Nowhere, Ranked, "ENOTTY";
    /// Asks whether a decoder's command would succeed.
    TryDecoderCmd: Refused (), "struct v4l2_decoder_cmd",
        "VIDIOC_TRY_DECODER_CMD" = TRY_DECODER_CMD / TRY_DECODER_CMD,
        try_decoder_cmd, Nowhere, Free, "ENOTTY";
    /// Describes digital timings.
    EnumDvTimings: Refused (), "struct v4l2_enum_dv_timings",
        "VIDIOC_ENUM_DV_TIMINGS" = ENUM_DV_TIMINGS / ENUM_DV_TIMINGS,
        enum_dv_timings, Nowhere, Free, "ENOTTY";
    /// Recognises digital timings.
    QueryDvTimings: Refused (), "struct v4l2_dv_timings",
        "VIDIOC_QUERY_DV_TIMINGS" = QUERY_DV_TIMINGS / QUERY_DV_TIMINGS,
        query_dv_timings, Nowhere, Free, "ENOTTY";
    /// What digital timings there can be.
    DvTimingsCap: Refused (), "struct v4l2_dv_timings_cap",
        "VIDIOC_DV_TIMINGS_CAP" = DV_TIMINGS_CAP / DV_TIMINGS_CAP,
        dv_timings_cap, Nowhere, Free, "ENOTTY";
    /// Describes the tuner's range whose number, tuner and type are in the argument.
    EnumFreqBands: Exchange V4l2FrequencyBand, "struct v4l2_frequency_band",
        "VIDIOC_ENUM_FREQ_BANDS" = ENUM_FREQ_BANDS / ENUM_FREQ_BANDS,
        enum_freq_bands, Nowhere, Free, "ENOTTY";
    /// Describes a chip.
    DbgGChipInfo: Refused (), "struct v4l2_dbg_chip_info",
        "VIDIOC_DBG_G_CHIP_INFO" = DBG_G_CHIP_INFO / DBG_G_CHIP_INFO,
        dbg_g_chip_info, Nowhere, Free, "ENOTTY";
    /// Describes the control whose id is in the argument, or the next one after it.
    QueryExtCtrl: Exchange V4l2QueryExtCtrl [..=id], "struct v4l2_query_ext_ctrl",
        "VIDIOC_QUERY_EXT_CTRL" = QUERY_EXT_CTRL / QUERY_EXT_CTRL,
        query_ext_ctrl, Both, Free, "as QUERYCTRL";
    /// Takes some buffers back.
    RemoveBufs: Refused (), "struct v4l2_remove_buffers",
        "VIDIOC_REMOVE_BUFS" = REMOVE_BUFS / REMOVE_BUFS,
        remove_bufs, Nowhere, Ranked, "ENOTTY";
}

/// Where in the table each number within the type is, for a look-up without a search.
const INDEX: [u8; 256] = index(V4L2);

impl V4l2Request {
    /// The request's row of the table.
    #[must_use]
    pub const fn row(self) -> &'static V4l2Row {
        &V4L2[self as usize]
    }

    /// The request that a program of this ABI means by a number, cut to 32 bits.
    #[must_use]
    pub fn find(request: u64, abi: Abi) -> Option<V4l2Request> {
        let number = request_number(request);
        // Numbers without a row lead past the table's end.
        let row = V4L2.get(usize::from(INDEX[usize::from(number as u8)]))?;
        row.shape(number, abi).map(|_| row.id)
    }
}

/// The table as an iterator.
pub fn rows() -> impl Iterator<Item = &'static V4l2Row> {
    V4L2.iter()
}

/// The table as Markdown, for `driver/docs/reference.md`: what is served, and a list of what is not.
#[derive(Debug, Clone, Copy)]
pub struct SupportMatrix;

impl fmt::Display for SupportMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| request | argument | input | output | answer |\n|---|---|---|---|---|\n")?;
        let word = |served| if served { "yes" } else { "ENOTTY" };
        for row in rows().filter(|row| row.on_input || row.on_output) {
            let argument = if row.argument.is_empty() { "–" } else { row.argument };
            let (input, output) = (word(row.on_input), word(row.on_output));
            writeln!(f, "| {} | {argument} | {input} | {output} | {} |", row.name, row.answer)?;
        }
        f.write_str("\nENOTTY on both nodes: ")?;
        for (k, row) in rows().filter(|row| !row.on_input && !row.on_output).enumerate() {
            write!(f, "{}{}", if k == 0 { "" } else { ", " }, row.name)?;
        }
        f.write_str(".\n")
    }
}

/// Serves one V4L2 request of a program.
///
/// `request` and `arg` are what the program passed to ioctl(), `abi` is its ABI. Returns what
/// ioctl() returns, 0.
///
/// # Errors
/// [`Errno::ENOTTY`] for a request that the ABI or the device does not know, whatever the
/// address; [`Errno::EFAULT`] for an argument that cannot be read (the handler has not run) or
/// whose answer cannot be written; [`Errno::EINVAL`] for a list of more controls than there may
/// be; [`Errno::EOVERFLOW`] for an answer that a 32-bit program's structure cannot hold; else what the device does not admit, or the handler's own error. With an error nothing
/// is written but where [`V4l2Row::copies_on_error`] says so.
pub fn dispatch_v4l2<D, M>(dev: &mut D, mem: &M, abi: Abi, request: u64, arg: usize) -> Result<i32, Errno>
where
    D: V4l2Device + ?Sized,
    M: UserMemory + ?Sized,
{
    // 1. Cut to 32 bits and look up; the number contains the size, so a structure of another ABI
    //    is an unknown request.
    // 2. Unknown is ENOTTY before anything else, also with a bad address.
    let row = V4l2Request::find(request, abi).ok_or(Errno::ENOTTY)?.row();
    let shape = row.shape(request_number(request), abi).ok_or(Errno::ENOTTY)?;
    if !dev.knows(row) {
        return Err(Errno::ENOTTY);
    }
    // 3. Copy in what is the program's to say (EFAULT before the handler runs), 4. ask whether
    //    it may, 5. handler, 6. copy out. Requests that only copy out meet a bad address after
    //    the handler, as in the kernel.
    call(dev, row, mem, shape, arg)?;
    // 7. All V4L2 requests return 0.
    Ok(0)
}

#[cfg(test)]
mod tests;
