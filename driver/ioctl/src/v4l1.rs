//! V4L1 requests: the table, the trait that devices implement, and the way from one to the other.

use core::fmt;

use vloopback_abi::ioc;
use vloopback_abi::v4l1::request;
use vloopback_abi::v4l1::{
    VbiFormat, VideoAudio, VideoBuffer, VideoCapability, VideoCapture, VideoChannel, VideoCode, VideoInfo,
    VideoKey, VideoMbuf, VideoMmap, VideoPicture, VideoPlayMode, VideoTuner, VideoUnit, VideoWindow,
};

use crate::shape::Shape;
use crate::{Abi, Errno, UserMemory, request_number};

/// What a request copies between the program and the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Nothing; the argument is never looked at.
    Plain,
    /// The device's answer, out to the program.
    Get,
    /// The program's value, in to the device.
    Set,
    /// The program's value in, the device's answer out.
    Exchange,
}

/// One request of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which request it is.
    pub id: V4l1Request,
    /// The kernel's name, as in `VIDIOCGCAP`.
    pub name: &'static str,
    /// Request number in a 64-bit program.
    pub lp64: u32,
    /// Request number in a 32-bit program.
    pub ilp32: u32,
    /// What is copied. Usually the number says it, but not always: the caller of VIDIOCGAUDIO
    /// passes a channel number, although the request has no write bit.
    pub direction: Direction,
    /// The C type of the argument; empty for none.
    pub argument: &'static str,
    /// Whether a loopback node answers it. If not it is ENOTTY, as if unknown.
    pub served: bool,
    /// What the nodes answer, in a few words.
    pub answer: &'static str,
}

impl Row {
    /// The request number in a program of this ABI.
    #[must_use]
    pub const fn request(&self, abi: Abi) -> u32 {
        match abi {
            Abi::Lp64 => self.lp64,
            Abi::Ilp32 => self.ilp32,
        }
    }

    /// Bytes of the argument in a program of this ABI.
    #[must_use]
    pub const fn len(&self, abi: Abi) -> usize {
        ioc::ioc_size(self.request(abi))
    }

    /// Whether the request has no argument.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.direction, Direction::Plain)
    }
}

/// The call of that method, with its copying: in before the handler runs, out after it.
macro_rules! call {
    (Plain, $dev:ident.$method:ident, $ty:ty, $mem:ident, $abi:ident, $arg:ident) => {
        $dev.$method()
    };
    (Get, $dev:ident.$method:ident, $ty:ty, $mem:ident, $abi:ident, $arg:ident) => {
        $dev.$method()?.store($mem, $abi, $arg)
    };
    (Set, $dev:ident.$method:ident, $ty:ty, $mem:ident, $abi:ident, $arg:ident) => {
        $dev.$method(<$ty as Shape>::fetch($mem, $abi, $arg)?)
    };
    (Exchange, $dev:ident.$method:ident, $ty:ty, $mem:ident, $abi:ident, $arg:ident) => {
        $dev.$method(<$ty as Shape>::fetch($mem, $abi, $arg)?)?.store($mem, $abi, $arg)
    };
}

/// The one list of requests. It makes the enum, the table, the trait and the dispatch, so that
/// they cannot drift apart.
macro_rules! requests {
    ($(
        $(#[$doc:meta])+
        $variant:ident: $direction:ident $ty:ty, $argument:literal,
        $name:literal = $lp64:ident / $ilp32:ident,
        $method:ident, $served:literal, $answer:literal;
    )*) => {
        /// A request of V4L1, whichever number the program's ABI gives it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum V4l1Request {
            $(
                #[doc = concat!("`", $name, "`.")]
                #[doc(alias = $name)]
                $variant,
            )*
        }

        /// All V4L1 requests, in the order of their numbers.
        pub const V4L1: &[Row] = &[$(
            Row {
                id: V4l1Request::$variant,
                name: $name,
                lp64: request::$lp64,
                ilp32: request::$ilp32,
                direction: Direction::$direction,
                argument: $argument,
                served: $served,
                answer: $answer,
            },
        )*];

        /// A device's answers to V4L1 requests; what it does not implement is ENOTTY.
        ///
        /// Structures are in the neutral form, the 64-bit shape, whatever the program's ABI.
        /// Text and padding in answers should be zero after their contents.
        pub trait V4l1Device {
            /// Whether the device knows the request at all. If not, the program gets ENOTTY
            /// before its argument is looked at, so also for a bad address.
            ///
            /// The default is what loopback nodes serve, [`Row::served`].
            fn knows(&self, row: &Row) -> bool {
                row.served
            }

            $(method! { $direction, $(#[$doc])+ #[doc(alias = $name)] $method, $ty })*
        }

        fn call<D, M>(
            dev: &mut D,
            id: V4l1Request,
            mem: &M,
            abi: Abi,
            arg: usize,
        ) -> Result<(), Errno>
        where
            D: V4l1Device + ?Sized,
            M: UserMemory + ?Sized,
        {
            match id {
                $(V4l1Request::$variant => {
                    call!($direction, dev.$method, $ty, mem, abi, arg)
                })*
            }
        }
    };
}

requests! {
    /// What the device is and can do.
    Gcap: Get VideoCapability, "struct video_capability", "VIDIOCGCAP" = GCAP / GCAP,
        gcap, true, "name, type 0 (input) or VID_TYPE_CAPTURE (output), sizes";
    /// Describes the channel whose number is in the argument.
    Gchan: Exchange VideoChannel, "struct video_channel", "VIDIOCGCHAN" = GCHAN / GCHAN,
        gchan, true, "any number: channel 0, camera, \"Composite1\"";
    /// Selects a channel.
    Schan: Set VideoChannel, "struct video_channel", "VIDIOCSCHAN" = SCHAN / SCHAN,
        schan, true, "channel 0, else EINVAL";
    /// Describes the tuner whose number is in the argument.
    Gtuner: Exchange VideoTuner, "struct video_tuner", "VIDIOCGTUNER" = GTUNER / GTUNER32,
        gtuner, true, "tuner 0 \"Format\", else EINVAL";
    /// Sets a tuner.
    Stuner: Set VideoTuner, "struct video_tuner", "VIDIOCSTUNER" = STUNER / STUNER32,
        stuner, false, "ENOTTY";
    /// Picture settings and palette.
    Gpict: Get VideoPicture, "struct video_picture", "VIDIOCGPICT" = GPICT / GPICT,
        gpict, true, "palette and its depth; also before anything is set";
    /// Sets picture settings and palette.
    Spict: Set VideoPicture, "struct video_picture", "VIDIOCSPICT" = SPICT / SPICT,
        spict, true, "input: sets the palette; output: the pipe's palette, else EINVAL";
    /// Turns overlay on (not 0) or off (0).
    Capture: Set i32, "int", "VIDIOCCAPTURE" = CAPTURE / CAPTURE,
        capture, true, "0";
    /// The size.
    Gwin: Get VideoWindow, "struct video_window", "VIDIOCGWIN" = GWIN / GWIN32,
        gwin, true, "size; flags, clips and clipcount 0; also before anything is set";
    /// Sets the size.
    Swin: Set VideoWindow, "struct video_window", "VIDIOCSWIN" = SWIN / SWIN32,
        swin, true, "input: sets the size and allocates; output: the pipe's size, else EINVAL";
    /// The screen memory that overlay writes to.
    Gfbuf: Get VideoBuffer, "struct video_buffer", "VIDIOCGFBUF" = GFBUF / GFBUF32,
        gfbuf, true, "zeros";
    /// Sets the screen memory.
    Sfbuf: Set VideoBuffer, "struct video_buffer", "VIDIOCSFBUF" = SFBUF / SFBUF32,
        sfbuf, false, "ENOTTY";
    /// Key of an encrypted broadcast.
    Key: Get VideoKey, "struct video_key", "VIDIOCKEY" = KEY / KEY,
        key, true, "zeros";
    /// The tuner's frequency.
    Gfreq: Get u64, "unsigned long", "VIDIOCGFREQ" = GFREQ / GFREQ32,
        gfreq, true, "EINVAL";
    /// Sets the tuner's frequency.
    Sfreq: Set u64, "unsigned long", "VIDIOCSFREQ" = SFREQ / SFREQ32,
        sfreq, true, "EINVAL";
    /// Describes the audio channel whose number is in the argument.
    Gaudio: Exchange VideoAudio, "struct video_audio", "VIDIOCGAUDIO" = GAUDIO / GAUDIO,
        gaudio, true, "EINVAL";
    /// Sets an audio channel.
    Saudio: Set VideoAudio, "struct video_audio", "VIDIOCSAUDIO" = SAUDIO / SAUDIO,
        saudio, true, "EINVAL";
    /// Waits for the frame of this number. Only the first 4 bytes of the argument are read:
    /// some programs pass a whole `video_mmap`, whose first field is the frame.
    Sync: Set i32, "int", "VIDIOCSYNC" = SYNC / SYNC,
        sync, true, "waits until the frame is there";
    /// Orders a frame.
    Mcapture: Set VideoMmap, "struct video_mmap", "VIDIOCMCAPTURE" = MCAPTURE / MCAPTURE,
        mcapture, true, "orders a frame; checks the palette, not the size";
    /// The layout of the mapping.
    Gmbuf: Get VideoMbuf, "struct video_mbuf", "VIDIOCGMBUF" = GMBUF / GMBUF,
        gmbuf, true, "layout of the mapping";
    /// The nodes that belong together.
    Gunit: Get VideoUnit, "struct video_unit", "VIDIOCGUNIT" = GUNIT / GUNIT,
        gunit, true, "the other node of the pipe, the rest VIDEO_NO_UNIT";
    /// The captured part of the picture.
    Gcapture: Get VideoCapture, "struct video_capture", "VIDIOCGCAPTURE" = GCAPTURE / GCAPTURE,
        gcapture, false, "ENOTTY";
    /// Sets the captured part of the picture.
    Scapture: Set VideoCapture, "struct video_capture", "VIDIOCSCAPTURE" = SCAPTURE / SCAPTURE,
        scapture, false, "ENOTTY";
    /// Sets how a decoder plays.
    Splaymode: Set VideoPlayMode, "struct video_play_mode",
        "VIDIOCSPLAYMODE" = SPLAYMODE / SPLAYMODE,
        splaymode, false, "ENOTTY";
    /// Sets what kind of data write() takes.
    Swritemode: Set i32, "int", "VIDIOCSWRITEMODE" = SWRITEMODE / SWRITEMODE,
        swritemode, false, "ENOTTY";
    /// What a decoder plays.
    Gplayinfo: Get VideoInfo, "struct video_info", "VIDIOCGPLAYINFO" = GPLAYINFO / GPLAYINFO,
        gplayinfo, false, "ENOTTY";
    /// Loads a decoder's microcode.
    Smicrocode: Set VideoCode, "struct video_code", "VIDIOCSMICROCODE" = SMICROCODE / SMICROCODE32,
        smicrocode, false, "ENOTTY";
    /// How a VBI device samples.
    Gvbifmt: Get VbiFormat, "struct vbi_format", "VIDIOCGVBIFMT" = GVBIFMT / GVBIFMT,
        gvbifmt, false, "ENOTTY";
    /// Sets how a VBI device samples.
    Svbifmt: Set VbiFormat, "struct vbi_format", "VIDIOCSVBIFMT" = SVBIFMT / SVBIFMT,
        svbifmt, false, "ENOTTY";
    /// A zero-copy pusher refuses the request that it was sent. The argument is whatever the
    /// program left there and is never looked at.
    Sinvalid: Plain (), "", "VIDIOCSINVALID" = SINVALID / SINVALID,
        sinvalid, true, "input: a zero-copy pusher refuses the forwarded request, else 0; output: ENOTTY";
}

impl V4l1Request {
    /// The request's row of the table.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        &V4L1[self as usize]
    }

    /// The request that a program of this ABI means by a number, cut to 32 bits.
    #[must_use]
    pub fn find(request: u64, abi: Abi) -> Option<V4l1Request> {
        let number = request_number(request);
        V4L1.iter().find(|row| row.request(abi) == number).map(|row| row.id)
    }
}

/// The table as an iterator.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    V4L1.iter()
}

/// The table as Markdown, for `driver/docs/reference.md`.
#[derive(Debug, Clone, Copy)]
pub struct SupportMatrix;

impl fmt::Display for SupportMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| request | argument | served | answer |\n|---|---|---|---|\n")?;
        for row in rows() {
            let served = if row.served { "yes" } else { "no" };
            let argument = if row.is_empty() { "–" } else { row.argument };
            writeln!(f, "| {} | {argument} | {served} | {} |", row.name, row.answer)?;
        }
        Ok(())
    }
}

/// Serves one V4L1 request of a program.
///
/// `request` and `arg` are what the program passed to ioctl(), `abi` is its ABI. Returns what
/// ioctl() returns, 0.
///
/// # Errors
/// [`Errno::ENOTTY`] for a request that the ABI or the device does not know, whatever the
/// address; [`Errno::EFAULT`] for an argument that cannot be read (the handler has not run) or
/// whose answer cannot be written; [`Errno::EOVERFLOW`] for an answer that a 32-bit program's
/// structure cannot hold; else the handler's own error.
pub fn dispatch_v4l1<D, M>(dev: &mut D, mem: &M, abi: Abi, request: u64, arg: usize) -> Result<i32, Errno>
where
    D: V4l1Device + ?Sized,
    M: UserMemory + ?Sized,
{
    // 1. Cut to 32 bits and look up; the number contains the size, so a structure of another ABI
    //    is an unknown request.
    // 2. Unknown is ENOTTY before anything else, also with a bad address.
    let id = V4l1Request::find(request, abi).ok_or(Errno::ENOTTY)?;
    if !dev.knows(id.row()) {
        return Err(Errno::ENOTTY);
    }
    // 3. Copy in (EFAULT before the handler runs), 4. handler, 5. copy out. Requests that only
    //    copy out meet a bad address after the handler, which has no effect besides its answer.
    call(dev, id, mem, abi, arg)?;
    // 6. All V4L1 requests return 0.
    Ok(0)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::ToString;

    #[test]
    fn rows_are_where_their_ids_say() {
        for (index, row) in rows().enumerate() {
            assert_eq!(row.id as usize, index);
            assert_eq!(row.id.row(), row);
            assert_eq!(V4l1Request::find(row.lp64.into(), Abi::Lp64), Some(row.id));
            assert_eq!(V4l1Request::find(row.ilp32.into(), Abi::Ilp32), Some(row.id));
        }
    }

    #[test]
    fn directions_agree_with_the_numbers() {
        for row in rows() {
            for abi in [Abi::Lp64, Abi::Ilp32] {
                let expected = match ioc::ioc_dir(row.request(abi)) {
                    ioc::NONE => Direction::Plain,
                    ioc::READ => Direction::Get,
                    ioc::WRITE => Direction::Set,
                    _ => Direction::Exchange,
                };
                // The one request whose caller fills a field that its number does not announce.
                if row.id == V4l1Request::Gaudio {
                    assert_eq!((expected, row.direction), (Direction::Get, Direction::Exchange));
                } else {
                    assert_eq!(row.direction, expected, "{}", row.name);
                }
            }
        }
    }

    #[test]
    fn refused_rows_say_so() {
        for row in rows() {
            assert_eq!(row.served, row.answer != "ENOTTY", "{}", row.name);
        }
        let matrix = SupportMatrix.to_string();
        assert_eq!(matrix.lines().count(), V4L1.len() + 2);
        assert!(matrix.contains("| VIDIOCSTUNER | struct video_tuner | no | ENOTTY |"));
        assert!(matrix.contains("| VIDIOCSINVALID | – | yes |"));
    }
}
