//! Zero-copy pushers: clients map the pusher's own memory, and the pusher answers their requests itself, like a
//! camera.
//!
//! A [`Server`] has one method for each V4L1 request. [`ZeroCopy`] calls the methods, in its own
//! loop ([`ZeroCopy::run`], [`ZeroCopy::run_on_sigio`]) or in the caller's: poll the descriptor, then call
//! [`ZeroCopy::serve_ready`]. While a client's request is answered, it and all others wait.
//!
//! A frame's memory belongs to the pusher between MCAPTURE and SYNC only; clients look at it at other times.
//! So [`Capture`] and [`ZeroCopy::frame`] are the only access to it, and exist only in that time.
//! Clients of one pusher share its frames, as with the old driver.
//!
//! ```no_run
//! use vloopback_sdk::v4l1::{VideoCapability, VideoMmap, VideoPicture, VideoWindow, VID_TYPE_CAPTURE};
//! use vloopback_sdk::zero_copy::{Answer, Capture, Errno, Server, Synced, ZeroCopy};
//! use vloopback_sdk::{Finder, Palette};
//!
//! /// A camera of one size and one palette that sees ever lighter grey.
//! struct Grey(u8);
//!
//! impl Server for Grey {
//!     fn gcap(&mut self) -> Answer<VideoCapability> {
//!         Ok(VideoCapability { type_: VID_TYPE_CAPTURE, channels: 1, ..VideoCapability::default() })
//!     }
//!     fn gpict(&mut self) -> Answer<VideoPicture> {
//!         let palette = Palette::Grey;
//!         Ok(VideoPicture { palette: palette.number(), depth: palette.depth(), ..VideoPicture::default() })
//!     }
//!     fn gwin(&mut self) -> Answer<VideoWindow> {
//!         Ok(VideoWindow { width: 320, height: 240, ..VideoWindow::default() })
//!     }
//!     fn mcapture(&mut self, order: &VideoMmap) -> Answer<()> {
//!         let mine = (order.width, order.height, order.format) == (320, 240, Palette::Grey.format());
//!         if mine { Ok(()) } else { Err(Errno::EINVAL) }
//!     }
//!     fn sync(&mut self, mut capture: Capture<'_>) -> Answer<Synced> {
//!         self.0 = self.0.wrapping_add(1);
//!         capture.fill(self.0);
//!         Ok(capture.ready())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut pipe = ZeroCopy::claim(&Finder::new(), 2, 320 * 240)?;
//! println!("watch {}", pipe.output());
//! // Until somebody writes to the other end, or closes it.
//! let (stop, _other) = std::os::unix::net::UnixStream::pair()?;
//! pipe.run(&mut Grey(0), &stop)?;
//! # Ok(())
//! # }
//! ```

mod server;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::ops::{Deref, DerefMut, Range};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::SIGIO;
use signal_hook::low_level;
use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VIDEO_MAX_FRAME, VideoMbuf, VideoMmap};
use vloopback_ioctl::{Abi, BufferMemory, V4l1Request, V4l2Request, dispatch_v4l1, dispatch_v4l2, is_v4l2};
use vloopback_runtime::native_zero::{Asked, Event, MAX_DATA, ZeroInput};

pub use server::Server;
pub(crate) use server::every_request;
pub use vloopback_abi::Errno;
pub use vloopback_ioctl::{ControlList, V4l2Device, V4l2Row};

use crate::PusherError;
use crate::finder::{Finder, node_number};
use server::{ClaimsPage, Step};

/// What a client gets: a value, or an errno.
pub type Answer<T> = Result<T, Errno>;

/// The address that a request's argument has for the driver's table.
const ARGUMENT: usize = 0x1000;

/// Frames begin at multiples of 4 KiB, as with the old driver.
const ALIGNMENT: usize = 4096;

/// How the frames lie in the clients' mapping.
#[derive(Clone, Copy, Debug)]
struct Layout {
    frames: usize,
    frame_len: usize,
    /// From one frame to the next.
    step: usize,
}

impl Layout {
    fn new(frames: usize, frame_len: usize) -> Option<Self> {
        let step = frame_len.checked_next_multiple_of(ALIGNMENT)?;
        let total = step.checked_mul(frames)?;
        let fits = (1..=VIDEO_MAX_FRAME).contains(&frames) && frame_len > 0 && i32::try_from(total).is_ok();
        fits.then_some(Self { frames, frame_len, step })
    }

    fn total(&self) -> u32 {
        // new() has looked.
        (self.step * self.frames) as u32
    }

    fn mbuf(&self) -> VideoMbuf {
        let mut offsets = [0; VIDEO_MAX_FRAME];
        for (frame, offset) in offsets.iter_mut().enumerate().take(self.frames) {
            *offset = (frame * self.step) as i32;
        }
        VideoMbuf { size: self.total() as i32, frames: self.frames as i32, offsets }
    }

    /// Bytes of the ordered picture; for an unknown palette, the whole frame. None: there is no such picture, or a
    /// frame has no room for it.
    fn picture_len(&self, order: &VideoMmap) -> Option<usize> {
        let (width, height) = (u32::try_from(order.width).ok()?, u32::try_from(order.height).ok()?);
        let len = match Palette::from_number(order.format) {
            Some(palette) => palette.frame_len(width, height)?,
            None => self.frame_len,
        };
        (len <= self.frame_len).then_some(len)
    }

    fn range(&self, order: &VideoMmap) -> Option<Range<usize>> {
        let begin = order.frame as usize * self.step;
        Some(begin..begin + self.picture_len(order)?)
    }

    fn picture<'a>(&self, memory: &'a mut [u8], order: &VideoMmap) -> Option<&'a mut [u8]> {
        memory.get_mut(self.range(order)?)
    }
}

/// A frame.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The newest order.
    order: Option<VideoMmap>,
    /// Orders whose SYNC is not answered: two clients may have ordered the same frame.
    open: u32,
}

impl Slot {
    /// The picture to draw in it; None: the frame belongs to the clients now.
    fn order(&self) -> Option<VideoMmap> {
        self.order.filter(|_| self.open > 0)
    }
}

/// The memory of a picture that a client has ordered and waits for.
///
/// It is as long as the picture. The clients map it too, and a hostile one can write to it: what
/// is read back may differ from what was written.
#[derive(Debug)]
pub struct Capture<'a> {
    order: VideoMmap,
    bytes: &'a mut [u8],
}

impl Capture<'_> {
    /// The order: the frame's number, size in pixels and palette.
    #[must_use]
    pub fn order(&self) -> &VideoMmap {
        &self.order
    }

    /// The picture is ready: from now on the client looks at it.
    #[must_use]
    pub fn ready(self) -> Synced {
        Synced { ready: true }
    }

    /// The picture comes later: the client and all others wait until [`ZeroCopy::finish`]. For callers
    /// with their own loop.
    #[must_use]
    pub fn later(self) -> Synced {
        Synced { ready: false }
    }
}

impl Deref for Capture<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl DerefMut for Capture<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

/// The answer to SYNC, made from a [`Capture`].
#[derive(Debug)]
pub struct Synced {
    ready: bool,
}

impl Synced {
    fn is_ready(&self) -> bool {
        self.ready
    }
}

/// A claimed pipe in zero-copy mode. Dropping it gives the pipe back; waiting clients get EIO.
#[derive(Debug)]
pub struct ZeroCopy {
    input: ZeroInput,
    device: String,
    output: String,
    layout: Layout,
    slots: Vec<Slot>,
    /// A SYNC that will be answered later, and its frame.
    waiting: Option<(Asked, usize)>,
}

impl ZeroCopy {
    /// Claims the first free pipe of the server and shares 1 to 32 frames of a given length with its
    /// clients (VIDIOCGMBUF). A picture may be shorter than its frame. A program that draws one picture
    /// while clients look at another needs two frames.
    ///
    /// # Errors
    /// [`PusherError::NoServer`], [`PusherError::AllBusy`], and those of [`ZeroCopy::open_at`].
    pub fn claim(finder: &Finder, frames: usize, frame_len: usize) -> Result<Self, PusherError> {
        Self::of(finder.claim()?, frames, frame_len)
    }

    /// The same for the pipe whose input is `name`: `/dev/video0`, `video0` or `0`.
    ///
    /// # Errors
    /// [`PusherError::Layout`]: impossible frames. [`PusherError::Memory`]: more than the server
    /// grants. Otherwise as [`Pusher::open_at`](crate::Pusher::open_at).
    pub fn open_at(
        finder: &Finder,
        name: &str,
        frames: usize,
        frame_len: usize,
    ) -> Result<Self, PusherError> {
        Self::of(finder.open(node_number(name)?)?, frames, frame_len)
    }

    fn of(mut input: ZeroInput, frames: usize, frame_len: usize) -> Result<Self, PusherError> {
        let device = format!("/dev/video{}", input.node());
        let output = format!("/dev/video{}", input.output());
        let Some(layout) = Layout::new(frames, frame_len) else {
            return Err(PusherError::Layout { device, frames, frame_len });
        };
        match input.map(layout.total()) {
            Ok(()) => {}
            Err(Errno::ENOMEM) => return Err(PusherError::Memory { device, frames, frame_len }),
            Err(errno) => return Err(failure(&device, errno)),
        }
        Ok(Self { input, device, output, layout, slots: vec![Slot::default(); frames], waiting: None })
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

    /// The memory of a frame that a client has ordered, as long as the picture, and the order.
    /// None: nobody has ordered it, or its SYNC is answered: then the frame belongs to the clients.
    ///
    /// An order stays when its client leaves.
    pub fn frame(&mut self, frame: usize) -> Option<(VideoMmap, &mut [u8])> {
        let order = self.slots.get(frame)?.order()?;
        Some((order, self.layout.picture(self.input.memory(), &order)?))
    }

    /// Where the memory of a frame begins in [`ZeroCopy::memory_file`], in bytes. None: there is no such
    /// frame.
    #[must_use]
    pub fn offset_of(&self, frame: usize) -> Option<usize> {
        (frame < self.layout.frames).then(|| frame * self.layout.step)
    }

    /// The file of the frames' memory, for another process that draws: an X server (MIT-SHM's AttachFd), a
    /// decoder. No type can enforce the API's rule there: the other process must write to a frame only between
    /// its MCAPTURE and the answer to its SYNC.
    ///
    /// # Errors
    /// [`PusherError::ServerGone`], [`PusherError::Lost`], [`PusherError::System`].
    pub fn memory_file(&self) -> Result<OwnedFd, PusherError> {
        self.input.memory_file().map_err(|errno| self.failure(errno))
    }

    /// The frame whose client waits for its picture ([`Capture::later`]), if one still does.
    #[must_use]
    pub fn waiting(&self) -> Option<usize> {
        self.waiting.filter(|(asked, _)| self.input.is_waiting(asked)).map(|(_, frame)| frame)
    }

    /// Draws the picture that a client waits for, and answers its SYNC. An errno of `draw` goes to the
    /// client. False: no client waits any more and nothing was drawn, or the client gave up meanwhile.
    ///
    /// # Errors
    /// [`PusherError::ServerGone`], [`PusherError::Lost`], [`PusherError::System`].
    pub fn finish(
        &mut self,
        draw: impl FnOnce(&VideoMmap, &mut [u8]) -> Answer<()>,
    ) -> Result<bool, PusherError> {
        self.check()?;
        let Some((asked, frame)) = self.waiting.take() else { return Ok(false) };
        if !self.input.is_waiting(&asked) {
            return Ok(false);
        }
        let Some((order, bytes)) = self.frame(frame) else { return Ok(false) };
        let drawn = draw(&order, bytes);
        self.answer(&asked, None, drawn, Step::Synced(frame))
    }

    /// Checks that the pipe still belongs to this pusher and that its server lives, without a system call.
    ///
    /// # Errors
    /// [`PusherError::ServerGone`], [`PusherError::Lost`].
    pub fn check(&self) -> Result<(), PusherError> {
        self.input.check().map_err(|errno| self.failure(errno))
    }

    /// Waits until there may be requests to serve, for at most the given time. A signal ends it, too. For loops
    /// that also do something else, such as a picture that comes later.
    ///
    /// # Errors
    /// [`PusherError::ServerGone`], [`PusherError::Lost`], [`PusherError::System`].
    pub fn wait(&self, patience: Duration) -> Result<(), PusherError> {
        self.check()?;
        match self.input.wait(patience) {
            Ok(()) | Err(Errno::EINTR) => self.check(),
            Err(errno) => Err(self.failure(errno)),
        }
    }

    /// Lets `server` answer all pending requests, without waiting. Call it when the
    /// descriptor ([`AsFd`]) is readable, or at any time.
    ///
    /// # Errors
    /// [`PusherError::ServerGone`], [`PusherError::Lost`], [`PusherError::System`].
    pub fn serve_ready<S: Server + ?Sized>(&mut self, server: &mut S) -> Result<(), PusherError> {
        let mut data = [0; MAX_DATA];
        self.input.set_takes_v4l2(server.takes_v4l2());
        loop {
            match self.input.take(&mut data).map_err(|errno| self.failure(errno))? {
                None => return Ok(()),
                Some(Event::Closing) => server.closed(),
                Some(Event::Request(asked)) => self.serve(&asked, &mut data, server)?,
            }
        }
    }

    /// Serves until `stop` (a pipe, a socket, an eventfd) is readable or its other end is closed. A server that
    /// answers [`Capture::later`] needs its own loop instead.
    ///
    /// # Errors
    /// As [`ZeroCopy::serve_ready`].
    pub fn run<S: Server + ?Sized>(&mut self, server: &mut S, stop: impl AsFd) -> Result<(), PusherError> {
        loop {
            self.serve_ready(server)?;
            if !self.sleep(self.input.as_fd(), stop.as_fd())? {
                return Ok(());
            }
        }
    }

    /// As [`ZeroCopy::run`], but woken by SIGIO, like the old pushers: the kernel sends it to this
    /// process for every request. At least one thread must not block it. Other handlers that the program
    /// has registered through `signal-hook` run as well.
    ///
    /// # Errors
    /// As [`ZeroCopy::serve_ready`].
    pub fn run_on_sigio<S: Server + ?Sized>(
        &mut self,
        server: &mut S,
        stop: impl AsFd,
    ) -> Result<(), PusherError> {
        let (mut came, sender) = UnixStream::pair().map_err(|error| self.system(&error))?;
        came.set_nonblocking(true).map_err(|error| self.system(&error))?;
        let registered = low_level::pipe::register(SIGIO, sender).map_err(|error| self.system(&error))?;
        let result = self.serve_on_sigio(server, &mut came, stop.as_fd());
        low_level::unregister(registered);
        result
    }

    fn serve_on_sigio<S: Server + ?Sized>(
        &mut self,
        server: &mut S,
        came: &mut UnixStream,
        stop: BorrowedFd<'_>,
    ) -> Result<(), PusherError> {
        self.input.send_sigio().map_err(|errno| self.failure(errno))?;
        loop {
            self.serve_ready(server)?;
            if !self.sleep(came.as_fd(), stop)? {
                return Ok(());
            }
            // As many as there were: one look at the requests is enough.
            let mut bytes = [0; 64];
            while matches!(came.read(&mut bytes), Ok(1..)) {}
        }
    }

    /// Sleeps until `news` is readable: true, or `stop`: false.
    fn sleep(&self, news: BorrowedFd<'_>, stop: BorrowedFd<'_>) -> Result<bool, PusherError> {
        let mut fds = [PollFd::new(news, PollFlags::POLLIN), PollFd::new(stop, PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => Ok(!fds[1].any().unwrap_or(true)),
            Err(nix::errno::Errno::EINTR) => Ok(true),
            Err(errno) => Err(failure(&self.device, Errno(errno as i32))),
        }
    }

    /// One request.
    fn serve<S: Server + ?Sized>(
        &mut self,
        asked: &Asked,
        data: &mut [u8; MAX_DATA],
        server: &mut S,
    ) -> Result<(), PusherError> {
        // A client asks again, so that none waits any more.
        self.waiting = None;
        data[asked.data_len()..].fill(0);
        let memory = self.input.memory();
        let (layout, slots) = (&self.layout, &self.slots[..]);
        let mut claims_page = ClaimsPage { server, layout, slots, memory, step: Step::None };
        let answer = dispatch(&mut claims_page, asked.number(), asked.data_len(), data);
        let step = claims_page.step;
        if let Step::Later(frame) = step {
            self.waiting = Some((*asked, frame));
            return Ok(());
        }
        self.answer(asked, Some(data), answer, step).map(drop)
    }

    /// Answers, and keeps the frames' state as the client sees it. False: the client has given up.
    fn answer(
        &mut self,
        asked: &Asked,
        data: Option<&[u8; MAX_DATA]>,
        answer: Answer<()>,
        step: Step,
    ) -> Result<bool, PusherError> {
        let answered = self.input.answer(asked, |to| {
            if let Some(data) = data {
                *to = *data;
            }
            answer
        });
        let answered = answered.map_err(|errno| self.failure(errno))?;
        match step {
            // Nobody but us serves requests: the SYNC of this order is looked at after this.
            Step::Ordered(frame, order) if answered => {
                let slot = &mut self.slots[frame];
                *slot = Slot { order: Some(order), open: slot.open.saturating_add(1) };
            }
            // One that was withdrawn may be asked for again.
            Step::Synced(frame) if answered => self.slots[frame].open -= 1,
            _ => {}
        }
        Ok(answered)
    }

    fn failure(&self, errno: Errno) -> PusherError {
        failure(&self.device, errno)
    }

    fn system(&self, error: &io::Error) -> PusherError {
        self.failure(Errno::from(error))
    }
}

/// Lets the server answer a request, whose answer is in `data` then.
fn dispatch<S: Server + ?Sized>(
    claims_page: &mut ClaimsPage<'_, S>,
    number: u32,
    len: usize,
    data: &mut [u8; MAX_DATA],
) -> Answer<()> {
    const ABIS: [Abi; 2] = [Abi::Lp64, Abi::Ilp32];
    let request = u64::from(number);
    if let Some(abi) = ABIS.into_iter().find(|abi| V4l1Request::find(request, *abi).is_some()) {
        return dispatch_v4l1(claims_page, &BufferMemory::new(ARGUMENT, data), abi, request, ARGUMENT)
            .map(drop);
    }
    if is_v4l2(request) {
        if let Some(device) = claims_page.server.v4l2() {
            let abi = ABIS.into_iter().find(|abi| V4l2Request::find(request, *abi).is_some());
            let argument = BufferMemory::new(ARGUMENT, data);
            return dispatch_v4l2(device, &argument, abi.ok_or(Errno::ENOTTY)?, request, ARGUMENT).map(drop);
        }
    }
    claims_page.server.other(number, &mut data[..len])
}

fn failure(device: &str, errno: Errno) -> PusherError {
    let device = device.to_owned();
    match errno {
        Errno::ENODEV => PusherError::ServerGone { device },
        Errno::ESTALE => PusherError::Lost { device },
        Errno::EBUSY => PusherError::Busy { device },
        errno => PusherError::System { device, errno },
    }
}

/// Readable when there is work for [`ZeroCopy::serve_ready`], and when the server is gone, which that call
/// reports. For poll, select and epoll only.
impl AsFd for ZeroCopy {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}
