//! The answers of a zero-copy pusher, one method for each request.

use vloopback_abi::v4l1::{
    VbiFormat, VideoAudio, VideoBuffer, VideoCapability, VideoCapture, VideoChannel, VideoCode, VideoInfo,
    VideoKey, VideoMbuf, VideoMmap, VideoPicture, VideoPlayMode, VideoTuner, VideoUnit, VideoWindow,
};
use vloopback_ioctl::{Row, V4l1Device, V4l2Device};

use super::{Answer, Capture, Errno, Layout, Slot, Synced};

/// The one list of requests that pass as they are: it makes the trait, the way to it, and the C
/// interface's struct of callbacks. `$then` is the macro that gets it.
macro_rules! every_request {
    ($then:ident) => {
        $then! {
            /// VIDIOCGCAP: what the device is and can do. Clients want `VID_TYPE_CAPTURE` in the type.
            gcap: Get VideoCapability;
            /// VIDIOCGCHAN: describes the channel whose number is in the argument.
            gchan: Exchange VideoChannel;
            /// VIDIOCSCHAN: selects a channel.
            schan: Set VideoChannel;
            /// VIDIOCGTUNER: describes the tuner whose number is in the argument.
            gtuner: Exchange VideoTuner;
            /// VIDIOCSTUNER: sets a tuner.
            stuner: Set VideoTuner;
            /// VIDIOCGPICT: picture settings and palette.
            gpict: Get VideoPicture;
            /// VIDIOCSPICT: sets picture settings and palette.
            spict: Set VideoPicture;
            /// VIDIOCCAPTURE: turns overlay on (not 0) or off (0).
            capture: Set i32;
            /// VIDIOCGWIN: the size.
            gwin: Get VideoWindow;
            /// VIDIOCSWIN: sets the size.
            swin: Set VideoWindow;
            /// VIDIOCGFBUF: the screen memory that overlay writes to.
            gfbuf: Get VideoBuffer;
            /// VIDIOCSFBUF: sets the screen memory.
            sfbuf: Set VideoBuffer;
            /// VIDIOCKEY: key of an encrypted broadcast.
            key: Get VideoKey;
            /// VIDIOCGFREQ: the tuner's frequency.
            gfreq: Get u64;
            /// VIDIOCSFREQ: sets the tuner's frequency.
            sfreq: Set u64;
            /// VIDIOCGAUDIO: describes the audio channel whose number is in the argument.
            gaudio: Exchange VideoAudio;
            /// VIDIOCSAUDIO: sets an audio channel.
            saudio: Set VideoAudio;
            /// VIDIOCGUNIT: the nodes that belong together.
            gunit: Get VideoUnit;
            /// VIDIOCGCAPTURE: the captured part of the picture.
            gcapture: Get VideoCapture;
            /// VIDIOCSCAPTURE: sets the captured part of the picture.
            scapture: Set VideoCapture;
            /// VIDIOCSPLAYMODE: sets how a decoder plays.
            splaymode: Set VideoPlayMode;
            /// VIDIOCSWRITEMODE: sets what kind of data write() takes.
            swritemode: Set i32;
            /// VIDIOCGPLAYINFO: what a decoder plays.
            gplayinfo: Get VideoInfo;
            /// VIDIOCSMICROCODE: loads a decoder's microcode.
            smicrocode: Set VideoCode;
            /// VIDIOCGVBIFMT: how a VBI device samples.
            gvbifmt: Get VbiFormat;
            /// VIDIOCSVBIFMT: sets how a VBI device samples.
            svbifmt: Set VbiFormat;
        }
    };
}
pub(crate) use every_request;

/// The method of the trait, and what a refusal is.
macro_rules! method {
    (Get, $(#[$doc:meta])+ $name:ident, $ty:ty) => {
        $(#[$doc])+
        ///
        /// # Errors
        /// What the client gets; by default [`Errno::ENOTTY`], a refusal.
        fn $name(&mut self) -> Answer<$ty> {
            Err(Errno::ENOTTY)
        }
    };
    (Set, $(#[$doc:meta])+ $name:ident, $ty:ty) => {
        $(#[$doc])+
        ///
        /// # Errors
        /// What the client gets; by default [`Errno::ENOTTY`], a refusal. Values that are not taken are
        /// [`Errno::EINVAL`].
        fn $name(&mut self, value: $ty) -> Answer<()> {
            let _ = value;
            Err(Errno::ENOTTY)
        }
    };
    (Exchange, $(#[$doc:meta])+ $name:ident, $ty:ty) => {
        $(#[$doc])+
        ///
        /// # Errors
        /// What the client gets; by default [`Errno::ENOTTY`], a refusal. A number that there is not is
        /// [`Errno::EINVAL`].
        fn $name(&mut self, value: $ty) -> Answer<$ty> {
            let _ = value;
            Err(Errno::ENOTTY)
        }
    };
}

/// The same request from the driver's table to the server.
macro_rules! pass {
    (Get, $name:ident, $ty:ty) => {
        fn $name(&mut self) -> Answer<$ty> {
            self.server.$name()
        }
    };
    (Set, $name:ident, $ty:ty) => {
        fn $name(&mut self, value: $ty) -> Answer<()> {
            self.server.$name(value)
        }
    };
    (Exchange, $name:ident, $ty:ty) => {
        fn $name(&mut self, value: $ty) -> Answer<$ty> {
            self.server.$name(value)
        }
    };
}

/// The trait, and the way from the driver's table to it.
macro_rules! requests {
    ($($(#[$doc:meta])+ $name:ident: $kind:ident $ty:ty;)*) => {
        /// A zero-copy pusher: it answers its clients' V4L1 requests. Requests that it does not implement
        /// are refused (ENOTTY), except [`Server::gmbuf`].
        ///
        /// These answers are all that clients see. A pusher must answer at least
        /// [`gcap`](Server::gcap), [`gpict`](Server::gpict), [`spict`](Server::spict),
        /// [`gwin`](Server::gwin), [`swin`](Server::swin), [`mcapture`](Server::mcapture) and
        /// [`sync`](Server::sync). A client's `read()` arrives as GWIN, GPICT, MCAPTURE and SYNC.
        ///
        /// Values have the 64-bit shape, whatever the client's ABI. Addresses in them are the client's
        /// and cannot be used.
        pub trait Server {
            $(method! { $kind, $(#[$doc])+ $name, $ty })*

            /// VIDIOCGMBUF: whether clients may map the frames. The layout is the pipe's own
            /// ([`ZeroCopy`](super::ZeroCopy) knows it) and needs no answer, so this alone is not refused
            /// by default.
            ///
            /// # Errors
            /// What the client gets. It can then only `read()`.
            fn gmbuf(&mut self) -> Answer<()> {
                Ok(())
            }

            /// VIDIOCMCAPTURE: a client orders a picture in one of the frames. The frame exists, and has
            /// room for a picture of that size and palette.
            ///
            /// From here to SYNC the frame's memory belongs to the pusher: [`Server::sync`] gets it, and
            /// [`ZeroCopy::frame`](super::ZeroCopy::frame) gives it in between.
            ///
            /// # Errors
            /// What the client gets; by default [`Errno::ENOTTY`], a refusal. Return [`Errno::EINVAL`] for an
            /// unsupported palette; clients probe this way.
            fn mcapture(&mut self, order: &VideoMmap) -> Answer<()> {
                let _ = order;
                Err(Errno::ENOTTY)
            }

            /// VIDIOCSYNC: a client waits for the picture that it has ordered. Draw it and answer
            /// [`Capture::ready`], or answer [`Capture::later`] and call
            /// [`ZeroCopy::finish`](super::ZeroCopy::finish) when it is ready.
            ///
            /// A SYNC of a frame that nobody has ordered gives EINVAL and does not come here.
            ///
            /// # Errors
            /// What the client gets; by default [`Errno::ENOTTY`], a refusal. The error ends the order.
            fn sync(&mut self, capture: Capture<'_>) -> Answer<Synced> {
                let _ = capture;
                Err(Errno::ENOTTY)
            }

            /// The device that answers V4L2 requests which V4L1 cannot express: one typed method for each
            /// request, with ENOTTY as the default. None by default: the requests of V4L2 clients are
            /// translated to the methods above.
            ///
            /// [`V4l2Device::knows`] admits the requests that a loopback's own nodes serve. A server that offers
            /// more (cropping, frequency bands) overrides it. Lists of controls come as single ones (G_CTRL,
            /// S_CTRL, QUERYCTRL); other arguments that point to further memory of the client give EFAULT.
            fn v4l2(&mut self) -> Option<&mut dyn V4l2Device> {
                None
            }

            /// Whether the server gets V4L2 requests: by default if [`Server::v4l2`] returns a device. A server
            /// that says true without a device gets them as [`Server::other`].
            fn takes_v4l2(&mut self) -> bool {
                self.v4l2().is_some()
            }

            /// A request without another method, such as a driver's private one (of V4L1's type, from
            /// 192 on). `data` is the client's data, and the answer.
            ///
            /// # Errors
            /// What the client gets; by default [`Errno::ENOTTY`], a refusal.
            fn other(&mut self, number: u32, data: &mut [u8]) -> Answer<()> {
                let _ = (number, data);
                Err(Errno::ENOTTY)
            }

            /// A client has closed; the API does not tell which one.
            fn closed(&mut self) {}
        }

        impl<S: Server + ?Sized> V4l1Device for ClaimsPage<'_, S> {
            fn knows(&self, _: &Row) -> bool {
                true
            }

            $(pass! { $kind, $name, $ty })*

            fn gmbuf(&mut self) -> Answer<VideoMbuf> {
                self.server.gmbuf()?;
                Ok(self.layout.mbuf())
            }

            fn mcapture(&mut self, order: VideoMmap) -> Answer<()> {
                let frame = order.frame as usize;
                if frame >= self.slots.len() || self.layout.picture_len(&order).is_none() {
                    return Err(Errno::EINVAL);
                }
                self.server.mcapture(&order)?;
                self.step = Step::Ordered(frame, order);
                Ok(())
            }

            fn sync(&mut self, frame: i32) -> Answer<()> {
                let frame = usize::try_from(frame).map_err(|_| Errno::EINVAL)?;
                let order = self.slots.get(frame).and_then(Slot::order).ok_or(Errno::EINVAL)?;
                let bytes = self.layout.picture(self.memory, &order).ok_or(Errno::EINVAL)?;
                self.step = Step::Synced(frame);
                if self.server.sync(Capture { order, bytes })?.is_ready() {
                    return Ok(());
                }
                self.step = Step::Later(frame);
                Ok(())
            }
        }
    };
}

every_request!(requests);

/// The effect of an answer on the frames, once the client has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Nothing.
    None,
    /// A frame was ordered.
    Ordered(usize, VideoMmap),
    /// A frame's SYNC is answered.
    Synced(usize),
    /// A frame's SYNC is not answered yet.
    Later(usize),
}

/// Where one request meets the server.
pub(super) struct ClaimsPage<'a, S: ?Sized> {
    pub(super) server: &'a mut S,
    pub(super) layout: &'a Layout,
    pub(super) slots: &'a [Slot],
    pub(super) memory: &'a mut [u8],
    pub(super) step: Step,
}
