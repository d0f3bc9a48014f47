//! Numbers and bits in the fields of the V4L1 structures.
//!
//! Integers have the type of the field that they belong to.

macro_rules! constants {
    ($($name:ident: $ty:ty = $value:expr, $text:literal;)*) => {$(
        #[doc = $text]
        pub const $name: $ty = $value;
    )*};
}

constants! {
    VID_TYPE_CAPTURE: i32 = 1, "Can capture to memory.";
    VID_TYPE_TUNER: i32 = 2, "Has a tuner.";
    VID_TYPE_TELETEXT: i32 = 4, "Has teletext.";
    VID_TYPE_OVERLAY: i32 = 8, "Can write to screen memory.";
    VID_TYPE_CHROMAKEY: i32 = 16, "Overlay goes where a colour is.";
    VID_TYPE_CLIPPING: i32 = 32, "Overlay can leave out rectangles.";
    VID_TYPE_FRAMERAM: i32 = 64, "Overlay spoils the screen memory.";
    VID_TYPE_SCALES: i32 = 128, "Can scale.";
    VID_TYPE_MONOCHROME: i32 = 256, "Black and white only.";
    VID_TYPE_SUBCAPTURE: i32 = 512, "Can capture a part of the picture.";
    VID_TYPE_MPEG_DECODER: i32 = 1024, "Decodes MPEG.";
    VID_TYPE_MPEG_ENCODER: i32 = 2048, "Encodes MPEG.";
    VID_TYPE_MJPEG_DECODER: i32 = 4096, "Decodes MJPEG.";
    VID_TYPE_MJPEG_ENCODER: i32 = 8192, "Encodes MJPEG.";

    VIDEO_VC_TUNER: u32 = 1, "The channel has a tuner.";
    VIDEO_VC_AUDIO: u32 = 2, "The channel has audio.";
    VIDEO_TYPE_TV: u16 = 1, "The channel is a television source.";
    VIDEO_TYPE_CAMERA: u16 = 2, "The channel is a camera.";

    VIDEO_MODE_PAL: u16 = 0, "PAL.";
    VIDEO_MODE_NTSC: u16 = 1, "NTSC.";
    VIDEO_MODE_SECAM: u16 = 2, "SECAM.";
    VIDEO_MODE_AUTO: u16 = 3, "The device finds the norm itself.";

    VIDEO_TUNER_PAL: u32 = 1, "The tuner knows PAL.";
    VIDEO_TUNER_NTSC: u32 = 2, "The tuner knows NTSC.";
    VIDEO_TUNER_SECAM: u32 = 4, "The tuner knows SECAM.";
    VIDEO_TUNER_LOW: u32 = 8, "Frequencies are in 1/16 kHz, not 1/16 MHz.";
    VIDEO_TUNER_NORM: u32 = 16, "The norm can be set.";
    VIDEO_TUNER_STEREO_ON: u32 = 128, "Stereo is being received.";
    VIDEO_TUNER_RDS_ON: u32 = 256, "RDS is being received.";
    VIDEO_TUNER_MBS_ON: u32 = 512, "MBS is being received.";

    VIDEO_PALETTE_GREY: u16 = 1, "See [`crate::Palette::Grey`].";
    VIDEO_PALETTE_HI240: u16 = 2, "See [`crate::Palette::Hi240`].";
    VIDEO_PALETTE_RGB565: u16 = 3, "See [`crate::Palette::Rgb565`].";
    VIDEO_PALETTE_RGB24: u16 = 4, "See [`crate::Palette::Rgb24`].";
    VIDEO_PALETTE_RGB32: u16 = 5, "See [`crate::Palette::Rgb32`].";
    VIDEO_PALETTE_RGB555: u16 = 6, "See [`crate::Palette::Rgb555`].";
    VIDEO_PALETTE_YUV422: u16 = 7, "See [`crate::Palette::Yuv422`].";
    VIDEO_PALETTE_YUYV: u16 = 8, "See [`crate::Palette::Yuyv`].";
    VIDEO_PALETTE_UYVY: u16 = 9, "See [`crate::Palette::Uyvy`].";
    VIDEO_PALETTE_YUV420: u16 = 10, "See [`crate::Palette::Yuv420`].";
    VIDEO_PALETTE_YUV411: u16 = 11, "See [`crate::Palette::Yuv411`].";
    VIDEO_PALETTE_RAW: u16 = 12, "See [`crate::Palette::Raw`].";
    VIDEO_PALETTE_YUV422P: u16 = 13, "See [`crate::Palette::Yuv422P`].";
    VIDEO_PALETTE_YUV411P: u16 = 14, "See [`crate::Palette::Yuv411P`].";
    VIDEO_PALETTE_YUV420P: u16 = 15, "See [`crate::Palette::Yuv420P`].";
    VIDEO_PALETTE_YUV410P: u16 = 16, "See [`crate::Palette::Yuv410P`].";
    VIDEO_PALETTE_PLANAR: u16 = 13, "Palettes from here on have a plane for each component.";
    VIDEO_PALETTE_COMPONENT: u16 = 7, "Palettes from here on are luma and chroma.";

    VIDEO_AUDIO_MUTE: u32 = 1, "Muted.";
    VIDEO_AUDIO_MUTABLE: u32 = 2, "Can be muted.";
    VIDEO_AUDIO_VOLUME: u32 = 4, "Has a volume control.";
    VIDEO_AUDIO_BASS: u32 = 8, "Has a bass control.";
    VIDEO_AUDIO_TREBLE: u32 = 16, "Has a treble control.";
    VIDEO_AUDIO_BALANCE: u32 = 32, "Has a balance control.";
    VIDEO_SOUND_MONO: u16 = 1, "Mono.";
    VIDEO_SOUND_STEREO: u16 = 2, "Stereo.";
    VIDEO_SOUND_LANG1: u16 = 4, "First language.";
    VIDEO_SOUND_LANG2: u16 = 8, "Second language.";

    VIDEO_WINDOW_INTERLACE: u32 = 1, "Both fields, interlaced.";
    VIDEO_WINDOW_CHROMAKEY: u32 = 16, "Overlay by colour key.";
    VIDEO_CLIP_BITMAP: i32 = -1, "The clips are a bit map and not rectangles.";
    VIDEO_CLIPMAP_SIZE: usize = 128 * 625, "Bytes of that bit map.";
    VIDEO_CAPTURE_ODD: u16 = 0, "Odd field.";
    VIDEO_CAPTURE_EVEN: u16 = 1, "Even field.";
    VIDEO_NO_UNIT: i32 = -1, "No such node, in [`super::VideoUnit`].";

    VBI_UNSYNC: u32 = 1, "The fields may be swapped.";
    VBI_INTERLACED: u32 = 2, "The lines of the fields alternate.";

    VID_WRITE_MPEG_AUD: i32 = 0, "Written data is MPEG audio.";
    VID_WRITE_MPEG_VID: i32 = 1, "Written data is MPEG video.";
    VID_WRITE_OSD: i32 = 2, "Written data is for the screen display.";
    VID_WRITE_TTX: i32 = 3, "Written data is teletext.";
    VID_WRITE_CC: i32 = 4, "Written data is closed captions.";
    VID_WRITE_MJPEG: i32 = 5, "Written data is MJPEG.";
}
