//! V4L1 request numbers.
//!
//! A number contains the size of its argument, so the requests whose structures differ between
//! 64-bit and 32-bit programs have two numbers; the second one ends in `32`.

use super::shapes32::{VideoBuffer32, VideoCode32, VideoTuner32, VideoWindow32};
use super::{
    VbiFormat, VideoAudio, VideoBuffer, VideoCapability, VideoCapture, VideoChannel, VideoCode, VideoInfo,
    VideoKey, VideoMbuf, VideoMmap, VideoPicture, VideoPlayMode, VideoTuner, VideoUnit, VideoWindow,
};
use crate::ioc::{io, ior, iow, iowr};

/// Type letter of every V4L1 request.
pub const TYPE: u8 = b'v';

/// First number that drivers may use for requests of their own.
#[doc(alias = "BASE_VIDIOCPRIVATE")]
pub const BASE_PRIVATE: u8 = 192;

macro_rules! requests {
    ($($name:ident = $value:expr, $alias:literal, $text:literal;)*) => {$(
        #[doc = $text]
        #[doc(alias = $alias)]
        pub const $name: u32 = $value;
    )*};
}

requests! {
    GCAP = ior::<VideoCapability>(TYPE, 1), "VIDIOCGCAP", "Get what the device is and can do.";
    GCHAN = iowr::<VideoChannel>(TYPE, 2), "VIDIOCGCHAN", "Get a channel's description.";
    SCHAN = iow::<VideoChannel>(TYPE, 3), "VIDIOCSCHAN", "Select a channel.";
    GTUNER = iowr::<VideoTuner>(TYPE, 4), "VIDIOCGTUNER", "Get a tuner's description.";
    GTUNER32 = iowr::<VideoTuner32>(TYPE, 4), "VIDIOCGTUNER", "[`GTUNER`] of a 32-bit program.";
    STUNER = iow::<VideoTuner>(TYPE, 5), "VIDIOCSTUNER", "Set a tuner.";
    STUNER32 = iow::<VideoTuner32>(TYPE, 5), "VIDIOCSTUNER", "[`STUNER`] of a 32-bit program.";
    GPICT = ior::<VideoPicture>(TYPE, 6), "VIDIOCGPICT", "Get picture settings and palette.";
    SPICT = iow::<VideoPicture>(TYPE, 7), "VIDIOCSPICT", "Set picture settings and palette.";
    CAPTURE = iow::<i32>(TYPE, 8), "VIDIOCCAPTURE", "Turn overlay on or off.";
    GWIN = ior::<VideoWindow>(TYPE, 9), "VIDIOCGWIN", "Get the size.";
    GWIN32 = ior::<VideoWindow32>(TYPE, 9), "VIDIOCGWIN", "[`GWIN`] of a 32-bit program.";
    SWIN = iow::<VideoWindow>(TYPE, 10), "VIDIOCSWIN", "Set the size.";
    SWIN32 = iow::<VideoWindow32>(TYPE, 10), "VIDIOCSWIN", "[`SWIN`] of a 32-bit program.";
    GFBUF = ior::<VideoBuffer>(TYPE, 11), "VIDIOCGFBUF", "Get the screen memory.";
    GFBUF32 = ior::<VideoBuffer32>(TYPE, 11), "VIDIOCGFBUF", "[`GFBUF`] of a 32-bit program.";
    SFBUF = iow::<VideoBuffer>(TYPE, 12), "VIDIOCSFBUF", "Set the screen memory.";
    SFBUF32 = iow::<VideoBuffer32>(TYPE, 12), "VIDIOCSFBUF", "[`SFBUF`] of a 32-bit program.";
    KEY = ior::<VideoKey>(TYPE, 13), "VIDIOCKEY", "Key of an encrypted broadcast.";
    GFREQ = ior::<u64>(TYPE, 14), "VIDIOCGFREQ", "Get the tuner's frequency.";
    GFREQ32 = ior::<u32>(TYPE, 14), "VIDIOCGFREQ", "[`GFREQ`] of a 32-bit program.";
    SFREQ = iow::<u64>(TYPE, 15), "VIDIOCSFREQ", "Set the tuner's frequency.";
    SFREQ32 = iow::<u32>(TYPE, 15), "VIDIOCSFREQ", "[`SFREQ`] of a 32-bit program.";
    GAUDIO = ior::<VideoAudio>(TYPE, 16), "VIDIOCGAUDIO", "Get an audio channel.";
    SAUDIO = iow::<VideoAudio>(TYPE, 17), "VIDIOCSAUDIO", "Set an audio channel.";
    SYNC = iow::<i32>(TYPE, 18), "VIDIOCSYNC", "Wait for a frame that MCAPTURE ordered.";
    MCAPTURE = iow::<VideoMmap>(TYPE, 19), "VIDIOCMCAPTURE", "Order a frame.";
    GMBUF = ior::<VideoMbuf>(TYPE, 20), "VIDIOCGMBUF", "Get the layout of the mapping.";
    GUNIT = ior::<VideoUnit>(TYPE, 21), "VIDIOCGUNIT", "Get the nodes that belong together.";
    GCAPTURE = ior::<VideoCapture>(TYPE, 22), "VIDIOCGCAPTURE", "Get the captured part.";
    SCAPTURE = iow::<VideoCapture>(TYPE, 23), "VIDIOCSCAPTURE", "Set the captured part.";
    SPLAYMODE = iow::<VideoPlayMode>(TYPE, 24), "VIDIOCSPLAYMODE", "Set how a decoder plays.";
    SWRITEMODE = iow::<i32>(TYPE, 25), "VIDIOCSWRITEMODE", "Set what kind of data write() takes.";
    GPLAYINFO = ior::<VideoInfo>(TYPE, 26), "VIDIOCGPLAYINFO", "Get what a decoder plays.";
    SMICROCODE = iow::<VideoCode>(TYPE, 27), "VIDIOCSMICROCODE", "Load a decoder's microcode.";
    SMICROCODE32 = iow::<VideoCode32>(TYPE, 27), "VIDIOCSMICROCODE",
        "[`SMICROCODE`] of a 32-bit program.";
    GVBIFMT = ior::<VbiFormat>(TYPE, 28), "VIDIOCGVBIFMT", "Get how a VBI device samples.";
    SVBIFMT = iow::<VbiFormat>(TYPE, 29), "VIDIOCSVBIFMT", "Set how a VBI device samples.";
    SINVALID = io(TYPE, BASE_PRIVATE + 1), "VIDIOCSINVALID",
        "A zero-copy pusher refuses the request that it was sent.";
}

/// The numbers as old programs have them compiled in, 64-bit and 32-bit.
const _: () = {
    let known: [(u32, u32); 36] = [
        (GCAP, 0x803c_7601),
        (GCHAN, 0xc030_7602),
        (SCHAN, 0x4030_7603),
        (GTUNER, 0xc040_7604),
        (GTUNER32, 0xc034_7604),
        (STUNER, 0x4040_7605),
        (STUNER32, 0x4034_7605),
        (GPICT, 0x800e_7606),
        (SPICT, 0x400e_7607),
        (CAPTURE, 0x4004_7608),
        (GWIN, 0x8028_7609),
        (GWIN32, 0x8020_7609),
        (SWIN, 0x4028_760a),
        (SWIN32, 0x4020_760a),
        (GFBUF, 0x8018_760b),
        (GFBUF32, 0x8014_760b),
        (SFBUF, 0x4018_760c),
        (SFBUF32, 0x4014_760c),
        (KEY, 0x800c_760d),
        (GFREQ, 0x8008_760e),
        (GFREQ32, 0x8004_760e),
        (SFREQ, 0x4008_760f),
        (SFREQ32, 0x4004_760f),
        (GAUDIO, 0x8028_7610),
        (SAUDIO, 0x4028_7611),
        (SYNC, 0x4004_7612),
        (MCAPTURE, 0x4010_7613),
        (GMBUF, 0x8088_7614),
        (GUNIT, 0x8014_7615),
        (GCAPTURE, 0x8014_7616),
        (SCAPTURE, 0x4014_7617),
        (SPLAYMODE, 0x400c_7618),
        (SWRITEMODE, 0x4004_7619),
        (GPLAYINFO, 0x8118_761a),
        (SMICROCODE, 0x4020_761b),
        (SMICROCODE32, 0x4018_761b),
    ];
    let mut index = 0;
    while index < known.len() {
        assert!(known[index].0 == known[index].1);
        index += 1;
    }
    assert!(GVBIFMT == 0x8020_761c);
    assert!(SVBIFMT == 0x4020_761d);
    assert!(SINVALID == 0x76c1);
};
