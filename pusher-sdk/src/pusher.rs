//! The pusher.

use std::ops::{Deref, DerefMut};

use vloopback_abi::Errno;
use vloopback_abi::v4l2::{V4l2PixFormat, fourcc::Fourcc};
use vloopback_runtime::native::{Counters, Input};

use crate::PusherError;
use crate::finder::{Finder, node_number};
use crate::pixels::Pixels;
use crate::planes::{self, Plane, PlaneShape};

/// The format that the pusher has set.
#[derive(Clone, Debug)]
struct Format {
    pixels: Pixels,
    width: u32,
    height: u32,
    frame_len: usize,
    shapes: Vec<PlaneShape>,
}

/// A claimed pipe. Dropping it gives the pipe back.
///
/// It can be moved between threads. After a fork both processes may write. They take turns, and the
/// pipe is free when both have dropped it.
#[derive(Debug)]
pub struct Pusher {
    input: Input,
    device: String,
    output: String,
    format: Option<Format>,
}

impl Pusher {
    /// Claims the first free pipe of the server.
    ///
    /// # Errors
    /// [`PusherError::NoServer`], [`PusherError::AllBusy`], and those of [`Pusher::open_at`].
    pub fn claim(finder: &Finder) -> Result<Self, PusherError> {
        finder.claim().map(Self::of)
    }

    /// Claims the pipe whose input is `name`, of the default server: `/dev/video0`, `video0` or `0`.
    ///
    /// # Errors
    /// As [`Pusher::open_at`].
    pub fn open(name: &str) -> Result<Self, PusherError> {
        Self::open_at(&Finder::new(), name)
    }

    /// Claims the pipe whose input is `name`: `/dev/video0`, `video0` or `0`.
    ///
    /// # Errors
    /// [`PusherError::Busy`]: another pusher has it. [`PusherError::NotAnInput`],
    /// [`PusherError::NoSuchPipe`], [`PusherError::Name`]: not a pipe's input.
    /// [`PusherError::NoServer`], [`PusherError::ServerDenied`], [`PusherError::OtherBuild`],
    /// [`PusherError::SocketPath`], [`PusherError::OneServer`]: the server.
    /// [`PusherError::Denied`]: the node's owner, group and mode. [`PusherError::System`].
    pub fn open_at(finder: &Finder, name: &str) -> Result<Self, PusherError> {
        finder.open(node_number(name)?).map(Self::of)
    }

    fn of(input: Input) -> Self {
        let device = format!("/dev/video{}", input.node());
        let output = format!("/dev/video{}", input.output());
        Self { input, device, output, format: None }
    }

    /// The pipe's number.
    #[must_use]
    pub fn pipe(&self) -> u32 {
        self.input.pipe()
    }

    /// The pusher's node, such as `/dev/video0`.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The node for clients, such as `/dev/video1`.
    #[must_use]
    pub fn output(&self) -> &str {
        &self.output
    }

    /// Sets the format of the frames: a [`Palette`](crate::Palette) or a [`Fourcc`], and the size in pixels. It may be
    /// set again at any time.
    ///
    /// V4L1's `Palette::Rgb24` is blue, green, red in memory: `fourcc::BGR24`.
    ///
    /// # Errors
    /// [`PusherError::Format`], [`PusherError::TooLarge`]: the former format stays in force.
    /// [`PusherError::ServerGone`], [`PusherError::Lost`], [`PusherError::System`].
    pub fn set_format(
        &mut self,
        pixels: impl Into<Pixels>,
        width: u32,
        height: u32,
    ) -> Result<(), PusherError> {
        let pixels = pixels.into();
        let device = || self.device.clone();
        let Some(frame_len) = pixels.frame_len(width, height) else {
            return Err(if pixels.fits(width, height) {
                PusherError::TooLarge { device: device(), width, height }
            } else {
                PusherError::Format { device: device(), pixels, width, height }
            });
        };
        if let Err(errno) = put(&mut self.input, pixels, width, height) {
            // Half of it may be set already: back to what was.
            if let Some(old) = &self.format {
                let _ = put(&mut self.input, old.pixels, old.width, old.height);
            }
            return Err(match errno {
                e if e == Errno::ENOMEM => PusherError::TooLarge { device: device(), width, height },
                e if e == Errno::EINVAL => PusherError::Format { device: device(), pixels, width, height },
                e => self.failure(e),
            });
        }
        let shapes = pixels.shapes(width, height);
        self.format = Some(Format { pixels, width, height, frame_len, shapes });
        Ok(())
    }

    /// Sets the interval between frames, for clients that ask: `numerator / denominator` seconds.
    /// Frames may come at any time all the same.
    ///
    /// # Errors
    /// [`PusherError::Interval`], [`PusherError::ServerGone`], [`PusherError::System`].
    pub fn set_interval(&mut self, numerator: u32, denominator: u32) -> Result<(), PusherError> {
        self.input.set_interval(numerator, denominator).map_err(|errno| match errno {
            e if e == Errno::EINVAL => {
                PusherError::Interval { device: self.device.clone(), numerator, denominator }
            }
            e => self.failure(e),
        })
    }

    /// Pixels, width and height in force.
    #[must_use]
    pub fn format(&self) -> Option<(Pixels, u32, u32)> {
        self.format.as_ref().map(|f| (f.pixels, f.width, f.height))
    }

    /// Bytes of a frame, of a compressed format the most that it can have; 0 before a format is set.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.format.as_ref().map_or(0, |f| f.frame_len)
    }

    /// Writes one frame: one copy, or none while nobody watches. It never waits for a client. Frames of
    /// compressed formats may be shorter than [`Pusher::frame_len`].
    ///
    /// # Errors
    /// [`PusherError::NoFormat`], [`PusherError::Length`], [`PusherError::ServerGone`],
    /// [`PusherError::Lost`], [`PusherError::Interrupted`].
    pub fn write_frame(&mut self, frame: &[u8]) -> Result<(), PusherError> {
        let format = self.format.as_ref().ok_or_else(|| self.no_format())?;
        let fits = if format.pixels.is_compressed() {
            (1..=format.frame_len).contains(&frame.len())
        } else {
            frame.len() == format.frame_len
        };
        if !fits {
            return Err(PusherError::Length {
                device: self.device.clone(),
                given: frame.len(),
                wanted: format.frame_len,
                pixels: format.pixels,
                width: format.width,
                height: format.height,
            });
        }
        self.input.write(frame).map_err(|errno| self.failure(errno))
    }

    /// Writes a frame whose planes have lines `stride` bytes apart: one copy as well.
    /// [`crate::plane_shapes`] gives the number of planes and the length of their lines.
    ///
    /// # Errors
    /// [`PusherError::Planes`], and as [`Pusher::write_frame`].
    pub fn write_frame_strided(&mut self, planes: &[Plane]) -> Result<(), PusherError> {
        let format = self.format.as_ref().ok_or_else(|| self.no_format())?;
        planes::check(&format.shapes, planes)
            .map_err(|reason| PusherError::Planes { device: self.device.clone(), reason })?;
        match self.input.begin(true) {
            Ok(None) => return Ok(()),
            Ok(Some(slot)) => planes::copy(&format.shapes, planes, slot),
            Err(errno) => return Err(self.failure(errno)),
        }
        self.publish_slot()
    }

    /// The memory that clients map, to fill a frame in place: no copy. None: nobody wants a frame
    /// now; it counts as a frame that nobody watched. The whole length of the format is published, so
    /// use [`Pusher::write_frame`] for compressed formats.
    ///
    /// The memory contains a former frame: fill all of it. Until it is published or dropped, this
    /// process has the pipe's right to write: clients continue with the frames that they have, and a
    /// fork of this pusher waits. If the process dies meanwhile, the frame is never shown.
    ///
    /// # Errors
    /// As [`Pusher::write_frame`].
    pub fn frame_slot(&mut self) -> Result<Option<FrameSlot<'_>>, PusherError> {
        let begun = self.begin_slot()?;
        Ok(begun.then_some(FrameSlot { pusher: self }))
    }

    /// Whether any client streams now. If not, the program need not make frames; writing
    /// them all the same costs nearly nothing.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.input.is_watched()
    }

    /// Counts of the frames so far, including those of forks of this pusher.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.input.counters()
    }

    /// Checks that the pipe still belongs to this pusher and that its server lives, without a system call.
    ///
    /// # Errors
    /// [`PusherError::ServerGone`], [`PusherError::Lost`].
    pub fn check(&self) -> Result<(), PusherError> {
        self.input.check().map_err(|errno| self.failure(errno))
    }

    /// False: nobody wants a frame.
    pub(crate) fn begin_slot(&mut self) -> Result<bool, PusherError> {
        let wanted = self.format.as_ref().ok_or_else(|| self.no_format())?.frame_len;
        match self.input.begin(false).map(|slot| slot.map(|slot| slot.len())) {
            Ok(Some(len)) if len != wanted => {
                // A fork of this pusher set another format.
                self.input.cancel();
                Err(PusherError::Lost { device: self.device.clone() })
            }
            Ok(slot) => Ok(slot.is_some()),
            Err(errno) => Err(self.failure(errno)),
        }
    }

    pub(crate) fn slot(&mut self) -> Option<&mut [u8]> {
        self.input.filling_mut()
    }

    pub(crate) fn is_slot_open(&self) -> bool {
        self.input.is_filling()
    }

    pub(crate) fn publish_slot(&mut self) -> Result<(), PusherError> {
        match self.input.publish() {
            Err(errno) if errno == Errno::EINVAL => Err(PusherError::NoSlot { device: self.device.clone() }),
            done => done.map_err(|errno| self.failure(errno)),
        }
    }

    pub(crate) fn cancel_slot(&mut self) {
        self.input.cancel();
    }

    fn no_format(&self) -> PusherError {
        PusherError::NoFormat { device: self.device.clone() }
    }

    fn failure(&self, errno: Errno) -> PusherError {
        let device = self.device.clone();
        match errno {
            Errno::ENODEV => PusherError::ServerGone { device },
            // Lengths were checked: another's format is in force.
            Errno::ESTALE | Errno::EINVAL | Errno::EBADF => PusherError::Lost { device },
            Errno::EBUSY => PusherError::Busy { device },
            Errno::EINTR => PusherError::Interrupted { device },
            errno => PusherError::System { device, errno },
        }
    }
}

/// Tells the driver what the frames are.
fn put(input: &mut Input, pixels: Pixels, width: u32, height: u32) -> Result<(), Errno> {
    match pixels {
        Pixels::Palette(palette) => input.set_format(palette, width, height),
        Pixels::Format(Fourcc(pixelformat)) => {
            let asked = V4l2PixFormat { width, height, pixelformat, ..V4l2PixFormat::default() };
            let set = input.set_pixel_format(&asked)?;
            // The nearest that there is: the same, because the size was looked at.
            let same = (set.pixelformat, set.width, set.height) == (pixelformat, width, height);
            if same { Ok(()) } else { Err(Errno::EINVAL) }
        }
    }
}

/// A frame that is being filled in place. Dropped without [`FrameSlot::publish`] it is cancelled.
///
/// The memory is shared with the clients, and a hostile one can write to it: what is read
/// back may differ from what was written. Nothing but the picture may depend on it.
#[derive(Debug)]
pub struct FrameSlot<'a> {
    pusher: &'a mut Pusher,
}

impl FrameSlot<'_> {
    /// Publishes the frame.
    ///
    /// # Errors
    /// [`PusherError::Lost`], [`PusherError::ServerGone`]; [`PusherError::NoSlot`] in a process that
    /// was forked while the slot was open: it is the parent's.
    pub fn publish(self) -> Result<(), PusherError> {
        self.pusher.publish_slot()
    }
}

impl Deref for FrameSlot<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.pusher.input.filling().unwrap_or_default()
    }
}

impl DerefMut for FrameSlot<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.pusher.slot().unwrap_or_default()
    }
}

impl Drop for FrameSlot<'_> {
    fn drop(&mut self) {
        self.pusher.cancel_slot();
    }
}
