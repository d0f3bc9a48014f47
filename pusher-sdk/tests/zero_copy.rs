//! A zero-copy server and its clients: in this process through the runtime, and in one of their own. One
//! test: the steps share the process's server.

mod common;

use std::ffi::c_int;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::{Host, difference, number, picture};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use vloopback_abi::text;
use vloopback_runtime::{edge, native};
use vloopback_sdk::v4l1::{
    VID_TYPE_CAPTURE, VideoAudio, VideoCapability, VideoChannel, VideoMbuf, VideoMmap, VideoPicture,
    VideoTuner, VideoWindow, request,
};
use vloopback_sdk::v4l2::{
    self, PixelFormat, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_CID_BRIGHTNESS, V4L2_CID_HUE, V4L2_EVENT_CTRL,
    V4l2Control, V4l2Event, V4l2EventSubscription, V4l2ExtControl, V4l2ExtControls, V4l2Format,
    V4l2PixFormat, V4l2QueryExtCtrl, V4l2Queryctrl,
};
use vloopback_sdk::zero_copy::{Answer, Capture, Errno, Server, Synced, V4l2Device, ZeroCopy};
use vloopback_sdk::{Palette, PusherError, fourcc};

const SIZE: (i32, i32) = (64, 48);
const LEN: usize = 64 * 48 * 2;
/// `_IOWR('v', 200, 8 bytes)`: a private request.
const PRIVATE: u32 = 3 << 30 | 8 << 16 | (b'v' as u32) << 8 | 200;

/// What a camera tells of.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Brightness(u16),
    Closed,
}

struct Camera {
    picture: VideoPicture,
    /// Frames drawn.
    drawn: usize,
    /// From so many on, pictures come later.
    late_from: usize,
    seen: Sender<Seen>,
}

impl Camera {
    fn new(late_from: usize) -> (Self, Receiver<Seen>) {
        let (seen, receiver) = channel();
        let palette = Palette::Yuyv;
        let picture = VideoPicture {
            brightness: 7,
            palette: palette.number(),
            depth: palette.depth(),
            ..VideoPicture::default()
        };
        (Self { picture, drawn: 0, late_from, seen }, receiver)
    }
}

impl Server for Camera {
    fn gcap(&mut self) -> Answer<VideoCapability> {
        Ok(VideoCapability {
            name: text::field("Camera of a test"),
            type_: VID_TYPE_CAPTURE,
            ..VideoCapability::default()
        })
    }

    fn gchan(&mut self, channel: VideoChannel) -> Answer<VideoChannel> {
        if channel.channel != 1 {
            return Err(Errno::EINVAL);
        }
        Ok(VideoChannel { name: text::field("Lens"), ..channel })
    }

    fn gaudio(&mut self, audio: VideoAudio) -> Answer<VideoAudio> {
        Ok(VideoAudio { volume: 100 + audio.audio as u16, ..audio })
    }

    fn gpict(&mut self) -> Answer<VideoPicture> {
        Ok(self.picture)
    }

    fn spict(&mut self, picture: VideoPicture) -> Answer<()> {
        if picture.palette != self.picture.palette {
            return Err(Errno::EINVAL);
        }
        self.picture = picture;
        self.seen.send(Seen::Brightness(picture.brightness)).unwrap();
        Ok(())
    }

    fn gwin(&mut self) -> Answer<VideoWindow> {
        Ok(VideoWindow { width: SIZE.0 as u32, height: SIZE.1 as u32, ..VideoWindow::default() })
    }

    fn mcapture(&mut self, order: &VideoMmap) -> Answer<()> {
        let mine = (order.width, order.height) == SIZE && order.format == Palette::Yuyv.format();
        if mine { Ok(()) } else { Err(Errno::EBUSY) }
    }

    fn sync(&mut self, mut capture: Capture<'_>) -> Answer<Synced> {
        assert_eq!(capture.len(), LEN);
        if self.drawn >= self.late_from {
            return Ok(capture.later());
        }
        capture.copy_from_slice(&picture(self.drawn, LEN));
        self.drawn += 1;
        Ok(capture.ready())
    }

    fn other(&mut self, number: u32, data: &mut [u8]) -> Answer<()> {
        if number != PRIVATE {
            return Err(Errno::ENOTTY);
        }
        data.reverse();
        Ok(())
    }

    fn closed(&mut self) {
        self.seen.send(Seen::Closed).unwrap();
    }
}

/// A V4L1 client that maps.
struct Viewer {
    fd: c_int,
    map: *mut libc::c_void,
    layout: VideoMbuf,
}

impl Viewer {
    fn open(output: &str) -> Self {
        let fd = edge::open_device(number(output), libc::O_RDWR).unwrap();
        let mut viewer = Self {
            fd,
            map: std::ptr::null_mut(),
            layout: VideoMbuf { size: 0, frames: 0, offsets: [0; 32] },
        };
        let mut layout = viewer.layout;
        viewer.ask(request::GMBUF, &mut layout).unwrap();
        let (prot, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        let size = layout.size as usize;
        // SAFETY: a new mapping.
        viewer.map = unsafe { edge::mmap(fd, std::ptr::null_mut(), size, prot, shared, 0) }.unwrap();
        viewer.layout = layout;
        viewer
    }

    fn ask<T>(&self, request: u32, argument: &mut T) -> Result<c_int, c_int> {
        // SAFETY: every caller passes the structure that belongs to the request.
        unsafe { edge::ioctl(self.fd, request.into(), std::ptr::from_mut(argument) as usize) }
            .map_err(|errno| errno.raw())
    }

    fn order(&self, frame: u32, width: i32, palette: Palette) -> Result<c_int, c_int> {
        let mut order = VideoMmap { frame, height: SIZE.1, width, format: palette.format() };
        self.ask(request::MCAPTURE, &mut order)
    }

    fn sync(&self, frame: u32) -> Result<c_int, c_int> {
        self.ask(request::SYNC, &mut (frame as c_int))
    }

    fn shown(&self, frame: u32) -> &[u8] {
        let offset = self.layout.offsets[frame as usize] as usize;
        assert!(offset + LEN <= self.layout.size as usize);
        // SAFETY: inside the mapping.
        unsafe { std::slice::from_raw_parts(self.map.cast::<u8>().add(offset), LEN) }
    }

    /// Frames, every byte of them; the camera has drawn `first` already.
    fn watch(&self, first: usize, count: usize) {
        self.order(0, SIZE.0, Palette::Yuyv).unwrap();
        for k in 0..count {
            let (now, next) = ((k % 2) as u32, ((k + 1) % 2) as u32);
            self.order(next, SIZE.0, Palette::Yuyv).unwrap();
            self.sync(now).unwrap();
            let wanted = picture(first + k, LEN);
            assert_eq!(difference(self.shown(now), &wanted), None, "frame {k}");
            let mut wrong = wanted;
            wrong[k] ^= 1;
            assert_eq!(difference(self.shown(now), &wrong), Some(k));
        }
        self.sync((count % 2) as u32).unwrap();
    }

    fn read(&self) -> Result<Vec<u8>, c_int> {
        let mut frame = vec![0xa5; LEN + 1];
        // SAFETY: so many bytes are there.
        let n = unsafe { edge::read(self.fd, frame.as_mut_ptr().cast(), frame.len()) }
            .map_err(|errno| errno.raw())?;
        frame.truncate(n);
        Ok(frame)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // SAFETY: our mapping and our descriptor, not used any more.
        unsafe {
            edge::before_munmap(self.map, self.layout.size as usize);
            libc::munmap(self.map, self.layout.size as usize);
            let edge::Close::Last(session) = edge::before_close(self.fd) else { panic!("not the last") };
            libc::close(self.fd);
            edge::after_close(session);
        }
    }
}

/// What every client meets, whichever loop serves it.
fn use_camera(output: &str, seen: &Receiver<Seen>, first: usize) {
    let viewer = Viewer::open(output);
    assert_eq!((viewer.layout.frames, viewer.layout.offsets[1]), (2, 8192));

    let mut capability = VideoCapability::default();
    viewer.ask(request::GCAP, &mut capability).unwrap();
    assert_eq!((text::text(&capability.name), capability.type_), ("Camera of a test", VID_TYPE_CAPTURE));
    let mut channel = VideoChannel { channel: 1, ..VideoChannel::default() };
    viewer.ask(request::GCHAN, &mut channel).unwrap();
    assert_eq!((text::text(&channel.name), channel.channel), ("Lens", 1));
    channel.channel = 2;
    assert_eq!(viewer.ask(request::GCHAN, &mut channel), Err(libc::EINVAL));
    // Its number has no write bit, but the client says which channel it means.
    let mut audio = VideoAudio { audio: 3, ..VideoAudio::default() };
    viewer.ask(request::GAUDIO, &mut audio).unwrap();
    assert_eq!((audio.audio, audio.volume), (3, 103));

    let mut picture = VideoPicture::default();
    viewer.ask(request::GPICT, &mut picture).unwrap();
    let bright = VideoPicture { brightness: picture.brightness + 1, ..picture };
    viewer.ask(request::SPICT, &mut { bright }).unwrap();
    assert_eq!(seen.recv().unwrap(), Seen::Brightness(bright.brightness));
    viewer.ask(request::GPICT, &mut picture).unwrap();
    assert_eq!(picture, bright);
    let mut other = VideoPicture { palette: Palette::Grey.number(), ..picture };
    assert_eq!(viewer.ask(request::SPICT, &mut other), Err(libc::EINVAL));

    // Refusals: by default, by name.
    let mut tuner = VideoTuner::default();
    assert_eq!(viewer.ask(request::GTUNER, &mut tuner), Err(libc::ENOTTY));
    assert_eq!(viewer.ask(request::STUNER, &mut tuner), Err(libc::ENOTTY));
    assert_eq!(viewer.ask(request::SINVALID, &mut 0u32), Err(libc::ENOTTY));
    let mut bytes = *b"12345678";
    viewer.ask(PRIVATE, &mut bytes).unwrap();
    assert_eq!(&bytes, b"87654321");
    assert_eq!(viewer.ask(PRIVATE + 1, &mut bytes), Err(libc::ENOTTY));

    // Frames: none is shown that was not ordered, none ordered that there is not.
    assert_eq!(viewer.sync(0), Err(libc::EINVAL));
    assert_eq!(viewer.sync(2), Err(libc::EINVAL));
    assert_eq!(viewer.sync(u32::MAX), Err(libc::EINVAL));
    assert_eq!(viewer.order(2, SIZE.0, Palette::Yuyv), Err(libc::EINVAL));
    assert_eq!(viewer.order(0, 2 * SIZE.0, Palette::Yuyv), Err(libc::EINVAL), "it has no room");
    assert_eq!(viewer.order(0, -SIZE.0, Palette::Yuyv), Err(libc::EINVAL));
    assert_eq!(viewer.order(0, SIZE.0, Palette::Grey), Err(libc::EBUSY), "what the camera says");
    assert_eq!(viewer.sync(0), Err(libc::EINVAL), "an order that was refused is none");
    viewer.watch(first, 200);
    assert_eq!(viewer.sync(0), Err(libc::EINVAL), "shown once");
    // read() is asked for as MCAPTURE and SYNC.
    assert_eq!(difference(&viewer.read().unwrap(), &common::picture(first + 201, LEN)), None);

    // Two clients of one frame: the second's order is not over with the first's SYNC.
    let second = Viewer::open(output);
    for client in [&viewer, &second] {
        client.order(0, SIZE.0, Palette::Yuyv).unwrap();
    }
    for (k, client) in [&viewer, &second].into_iter().enumerate() {
        client.sync(0).unwrap();
        assert_eq!(difference(viewer.shown(0), &common::picture(first + 202 + k, LEN)), None);
        assert_eq!(difference(second.shown(0), &common::picture(first + 202 + k, LEN)), None);
    }
    assert_eq!(second.sync(0), Err(libc::EINVAL));
    drop(second);
    assert_eq!(seen.recv().unwrap(), Seen::Closed);
    drop(viewer);
    assert_eq!(seen.recv().unwrap(), Seen::Closed);
}

/// The loops of the SDK's own.
fn loops(host: &Host) {
    let finder = host.finder();
    for sigio in [false, true, false] {
        let mut pipe = ZeroCopy::claim(&finder, 2, LEN).unwrap();
        let error = ZeroCopy::open_at(&finder, pipe.device(), 2, LEN).unwrap_err();
        assert!(matches!(error, PusherError::Busy { .. }), "{error}");
        let output = pipe.output().to_owned();
        let (stop, stopper) = UnixStream::pair().unwrap();
        let (mut camera, seen) = Camera::new(usize::MAX);
        thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let result =
                    if sigio { pipe.run_on_sigio(&mut camera, &stop) } else { pipe.run(&mut camera, &stop) };
                result.unwrap();
                camera.drawn
            });
            // One client after the other.
            use_camera(&output, &seen, 0);
            use_camera(&output, &seen, 204);
            drop(stopper);
            assert_eq!(serving.join().unwrap(), 408);
        });
        assert_eq!(seen.try_recv().ok(), None);
    }
}

/// A camera that V4L1 has no palette and no size of, but that tells V4L2 what it has.
struct Modern {
    typed: bool,
    asked: usize,
    size: (u32, u32),
    brightness: i32,
}

impl Server for Modern {
    fn v4l2(&mut self) -> Option<&mut dyn V4l2Device> {
        self.typed.then_some(self)
    }
}

impl V4l2Device for Modern {
    fn g_fmt(&mut self, asked: V4l2Format) -> Answer<V4l2Format> {
        self.asked += 1;
        assert_eq!(asked.type_, V4L2_BUF_TYPE_VIDEO_CAPTURE);
        let (width, height) = self.size;
        let pix = PixelFormat::of(fourcc::YUYV).and_then(|format| format.pix(width, height)).unwrap();
        Ok(V4l2Format::with_pix(asked.type_, pix))
    }

    fn s_fmt(&mut self, asked: V4l2Format) -> Answer<V4l2Format> {
        // What it has is even.
        self.size = (asked.pix().width & !1, asked.pix().height & !1);
        self.g_fmt(asked)
    }

    fn queryctrl(&mut self, asked: V4l2Queryctrl) -> Answer<V4l2Queryctrl> {
        if asked.id != V4L2_CID_BRIGHTNESS {
            return Err(Errno::EINVAL);
        }
        let name = text::field("Lamp");
        Ok(V4l2Queryctrl { id: asked.id, type_: 1, name, maximum: 255, step: 1, ..V4l2Queryctrl::default() })
    }

    fn g_ctrl(&mut self, asked: V4l2Control) -> Answer<V4l2Control> {
        if asked.id != V4L2_CID_BRIGHTNESS {
            return Err(Errno::EINVAL);
        }
        Ok(V4l2Control { value: self.brightness, ..asked })
    }

    fn s_ctrl(&mut self, asked: V4l2Control) -> Answer<V4l2Control> {
        if asked.id != V4L2_CID_BRIGHTNESS {
            return Err(Errno::EINVAL);
        }
        self.asked += 1;
        self.brightness = asked.value.clamp(0, 255);
        Ok(V4l2Control { value: self.brightness, ..asked })
    }
}

/// A V4L2 client.
struct Modest(c_int);

impl Modest {
    fn open(output: &str) -> Self {
        Self(edge::open_device(number(output), libc::O_RDWR | libc::O_NONBLOCK).unwrap())
    }

    fn ask<T>(&self, request: u32, argument: &mut T) -> Result<c_int, c_int> {
        // SAFETY: every caller passes the structure that belongs to the request.
        unsafe { edge::ioctl(self.0, request.into(), std::ptr::from_mut(argument) as usize) }
            .map_err(|errno| errno.raw())
    }

    /// A list of one; the value that it comes back with.
    fn list(&self, request: u32, id: u32, value: i32) -> Result<i32, (c_int, u32)> {
        let mut control = V4l2ExtControl { id, ..V4l2ExtControl::default() };
        control.set_value(value);
        let controls = std::ptr::from_mut(&mut control) as u64;
        let mut head = V4l2ExtControls { count: 1, error_idx: 7, controls, ..V4l2ExtControls::default() };
        self.ask(request, &mut head).map(|_| control.value()).map_err(|errno| (errno, head.error_idx))
    }

    fn brightness(&self, value: i32) -> Result<i32, c_int> {
        let mut control = V4l2Control { id: V4L2_CID_BRIGHTNESS, value };
        self.ask(v4l2::request::S_CTRL, &mut control).map(|_| control.value)
    }
}

impl Drop for Modest {
    fn drop(&mut self) {
        let edge::Close::Last(session) = edge::before_close(self.0) else { panic!("not the last number") };
        // SAFETY: ours.
        unsafe { libc::close(self.0) };
        edge::after_close(session);
    }
}

/// V4L2 requests come to a server that takes them, typed, and to no other.
fn v4l2_requests(host: &Host) {
    for typed in [false, true] {
        let mut pipe = ZeroCopy::claim(&host.finder(), 1, 96 * 80 * 2).unwrap();
        let mut camera = Modern { typed, asked: 0, size: (96, 80), brightness: 7 };
        // From the first look for requests on it is known what it takes.
        pipe.serve_ready(&mut camera).unwrap();
        let output = pipe.output().to_owned();
        let (stop, stopper) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            let serving = scope.spawn(|| pipe.run(&mut camera, &stop).unwrap());
            let client = Modest::open(&output);
            let mut format = V4l2Format { type_: V4L2_BUF_TYPE_VIDEO_CAPTURE, ..V4l2Format::default() };
            client.ask(v4l2::request::G_FMT, &mut format).unwrap();
            drop(client);
            drop(stopper);
            serving.join().unwrap();
            let told = (format.pix().width, format.pix().height, format.pix().fourcc());
            assert_eq!(told == (96, 80, fourcc::YUYV), typed, "{told:?}");
        });
        assert_eq!(camera.asked > 0, typed);
    }
}

/// What V4L2 clients set, the server sets; who has subscribed hears of it, and a higher priority keeps it away.
fn v4l2_sets(host: &Host) {
    let mut pipe = ZeroCopy::claim(&host.finder(), 1, 96 * 80 * 2).unwrap();
    let mut camera = Modern { typed: true, asked: 0, size: (96, 80), brightness: 7 };
    pipe.serve_ready(&mut camera).unwrap();
    let output = pipe.output().to_owned();
    let (stop, stopper) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let serving = scope.spawn(|| pipe.run(&mut camera, &stop).unwrap());
        let (client, other) = (Modest::open(&output), Modest::open(&output));
        let pix = V4l2PixFormat { width: 65, height: 49, ..V4l2PixFormat::default() };
        let mut format = V4l2Format::with_pix(V4L2_BUF_TYPE_VIDEO_CAPTURE, pix);
        client.ask(v4l2::request::S_FMT, &mut format).unwrap();
        assert_eq!((format.pix().width, format.pix().height), (64, 48));
        let mut seen = V4l2Format { type_: V4L2_BUF_TYPE_VIDEO_CAPTURE, ..V4l2Format::default() };
        other.ask(v4l2::request::G_FMT, &mut seen).unwrap();
        assert_eq!((seen.pix().width, seen.pix().height, seen.pix().fourcc()), (64, 48, fourcc::YUYV));

        let mut wanted = V4l2EventSubscription {
            type_: V4L2_EVENT_CTRL,
            id: V4L2_CID_BRIGHTNESS,
            ..V4l2EventSubscription::default()
        };
        other.ask(v4l2::request::SUBSCRIBE_EVENT, &mut wanted).unwrap();
        let mut event = V4l2Event::default();
        assert_eq!(other.ask(v4l2::request::DQEVENT, &mut event), Err(libc::ENOENT));
        assert_eq!(client.brightness(99), Ok(99));
        other.ask(v4l2::request::DQEVENT, &mut event).unwrap();
        assert_eq!((event.type_, event.id, event.ctrl().value()), (V4L2_EVENT_CTRL, V4L2_CID_BRIGHTNESS, 99));
        // What it became, not what was asked for.
        assert_eq!(client.brightness(1000), Ok(255));
        other.ask(v4l2::request::DQEVENT, &mut event).unwrap();
        assert_eq!(event.ctrl().value(), 255);
        let mut hue = V4l2Control { id: V4L2_CID_HUE, value: 1 };
        assert_eq!(client.ask(v4l2::request::S_CTRL, &mut hue), Err(libc::EINVAL), "the server's own answer");

        // Lists, by which today's programs set, come as single ones; and what describes a control as well.
        use v4l2::request::{G_EXT_CTRLS, S_EXT_CTRLS, TRY_EXT_CTRLS};
        assert_eq!(client.list(S_EXT_CTRLS, V4L2_CID_BRIGHTNESS, 300), Ok(255));
        assert_eq!(other.ask(v4l2::request::DQEVENT, &mut event), Err(libc::ENOENT), "it was that already");
        assert_eq!(client.list(S_EXT_CTRLS, V4L2_CID_BRIGHTNESS, 42), Ok(42));
        other.ask(v4l2::request::DQEVENT, &mut event).unwrap();
        assert_eq!(event.ctrl().value(), 42);
        assert_eq!(client.list(G_EXT_CTRLS, V4L2_CID_BRIGHTNESS, 0), Ok(42));
        assert_eq!(client.list(TRY_EXT_CTRLS, V4L2_CID_BRIGHTNESS, 999), Ok(255));
        assert_eq!(client.list(G_EXT_CTRLS, V4L2_CID_BRIGHTNESS, 0), Ok(42), "tried only");
        assert_eq!(client.list(S_EXT_CTRLS, V4L2_CID_HUE, 1), Err((libc::EINVAL, 0)));
        let mut told = V4l2QueryExtCtrl { id: V4L2_CID_BRIGHTNESS, ..V4l2QueryExtCtrl::default() };
        client.ask(v4l2::request::QUERY_EXT_CTRL, &mut told).unwrap();
        assert_eq!((text::text(&told.name), told.maximum, told.elems), ("Lamp", 255, 1));

        // VIDIOC_S_PRIORITY: RECORD, 3.
        other.ask(v4l2::request::S_PRIORITY, &mut 3u32).unwrap();
        assert_eq!(client.brightness(5), Err(libc::EBUSY));
        assert_eq!(client.ask(v4l2::request::S_FMT, &mut format), Err(libc::EBUSY));
        assert_eq!(
            client.list(S_EXT_CTRLS, V4L2_CID_BRIGHTNESS, 5).map_err(|(errno, _)| errno),
            Err(libc::EBUSY)
        );
        assert_eq!(other.brightness(6), Ok(6), "its own");
        assert_eq!(client.ask(v4l2::request::G_FMT, &mut seen), Ok(0), "asking is free");
        drop(other);
        assert_eq!(client.brightness(8), Ok(8), "it is gone");
        drop(client);
        drop(stopper);
        serving.join().unwrap();
    });
    assert_eq!((camera.brightness, camera.size), (8, (64, 48)));
}

/// Waits until the pusher's descriptor is readable, and serves.
fn serve(pipe: &mut ZeroCopy, camera: &mut Camera) {
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::from(60_000u16)), Ok(1), "no request within a minute");
    pipe.serve_ready(camera).unwrap();
}

fn is_readable(pipe: &ZeroCopy) -> bool {
    poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1)
}

/// Sends a thread a signal whose handler does nothing and restarts nothing, until its call has ended.
fn interrupt(thread: &thread::JoinHandle<()>, ended: &Receiver<()>) {
    extern "C" fn nothing(_: c_int) {}
    // SAFETY: a whole sigaction, of a handler that does nothing; the thread is not joined yet.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
        assert_eq!(libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1), 0);
    }
    // The client posts and sleeps in two steps; a signal before the second changes nothing.
    while ended.recv_timeout(Duration::from_millis(100)).is_err() {
        // SAFETY: as above; it waits for us before it ends.
        assert_eq!(unsafe { libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1) }, 0);
    }
}

/// A loop of the caller's own, and pictures that come later.
fn later(host: &Host) {
    let mut pipe = ZeroCopy::claim(&host.finder(), 2, LEN).unwrap();
    let (mut camera, seen) = Camera::new(0);
    assert!(!is_readable(&pipe), "nobody has asked");
    let begin = Instant::now();
    pipe.wait(Duration::from_millis(20)).unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(20), "it came back with nothing");
    assert!(pipe.frame(0).is_none() && pipe.waiting().is_none());
    assert!(!pipe.finish(|_, _| panic!("nobody waits")).unwrap());
    let output = pipe.output().to_owned();
    let (told, tell) = channel();
    let (interrupted, interruption) = channel();
    let client = thread::spawn(move || {
        let viewer = Viewer::open(&output);
        for k in 0..50 {
            viewer.order(1, SIZE.0, Palette::Yuyv).unwrap();
            viewer.sync(1).unwrap();
            told.send(difference(viewer.shown(1), &picture(k, LEN))).unwrap();
        }
        viewer.order(1, SIZE.0, Palette::Yuyv).unwrap();
        assert_eq!(viewer.sync(1), Err(libc::EIO), "what was said when it was drawn");
        assert_eq!(viewer.sync(1), Err(libc::EINVAL), "and then it was over");
        viewer.order(0, SIZE.0, Palette::Yuyv).unwrap();
        assert_eq!(viewer.sync(0), Err(libc::EINTR));
        SigSet::from(Signal::SIGUSR1).thread_block().unwrap();
        interrupted.send(()).unwrap();
        viewer.sync(0).unwrap();
        assert_eq!(difference(viewer.shown(0), &picture(99, LEN)), None, "ordered once, asked for twice");
    });
    for k in 0..50 {
        while pipe.frame(1).is_none() {
            pipe.wait(Duration::from_secs(60)).unwrap();
            assert!(is_readable(&pipe), "no request within a minute");
            pipe.serve_ready(&mut camera).unwrap();
        }
        // Ordered: the memory may be drawn to before anybody waits.
        let (order, bytes) = pipe.frame(1).unwrap();
        assert_eq!((order.frame, order.width, bytes.len()), (1, SIZE.0, LEN));
        bytes[..100].copy_from_slice(&picture(k, LEN)[..100]);
        assert!(pipe.frame(0).is_none() && pipe.frame(2).is_none(), "not ordered");
        while pipe.waiting().is_none() {
            serve(&mut pipe, &mut camera);
        }
        assert_eq!(pipe.waiting(), Some(1));
        let finished = pipe.finish(|order, bytes| {
            assert_eq!(order.frame, 1);
            bytes[100..].copy_from_slice(&picture(k, LEN)[100..]);
            Ok(())
        });
        assert!(finished.unwrap());
        assert!(pipe.frame(1).is_none(), "the client's now");
        assert!(!pipe.finish(|_, _| panic!("nobody waits")).unwrap());
        assert_eq!(tell.recv().unwrap(), None, "frame {k}");
    }
    while pipe.waiting().is_none() {
        serve(&mut pipe, &mut camera);
    }
    assert!(pipe.finish(|_, _| Err(Errno::EIO)).unwrap());
    while pipe.waiting().is_none() {
        serve(&mut pipe, &mut camera);
    }
    // A signal ends the client's wait: what is answered then is nobody's.
    interrupt(&client, &interruption);
    assert_eq!(pipe.waiting(), None);
    assert!(!pipe.finish(|_, _| panic!("nobody waits")).unwrap());
    while pipe.waiting().is_none() {
        serve(&mut pipe, &mut camera);
    }
    let drawn = pipe.finish(|_, bytes| {
        bytes.copy_from_slice(&picture(99, LEN));
        Ok(())
    });
    assert!(drawn.unwrap());
    while seen.try_recv().is_err() {
        serve(&mut pipe, &mut camera);
    }
    client.join().unwrap();
}

/// The test that is a client's process, and does nothing else.
const CLIENT: &str = "VLOOPBACK_SDK_TEST_CLIENT";

#[test]
fn client_process() {
    let Some(asked) = std::env::var_os(CLIENT) else { return };
    let asked = asked.into_string().unwrap();
    let (output, socket) = asked.split_once(' ').unwrap();
    native::use_server(Path::new(socket)).unwrap();
    let viewer = Viewer::open(output);
    viewer.watch(0, 20);
    println!("\nwatched");
    viewer.order(0, SIZE.0, Palette::Yuyv).unwrap();
    // For ever.
    println!("\nanswer {:?}", viewer.sync(0));
}

fn spawn_client(host: &Host, output: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client_process", "--nocapture"])
        .env(CLIENT, format!("{output} {}", host.socket().display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A client in a process of its own that is killed while it waits, and one whose pusher goes.
fn deaths(host: &Host) {
    let mut pipe = ZeroCopy::claim(&host.finder(), 2, LEN).unwrap();
    let (mut camera, seen) = Camera::new(21);
    for killed in [true, false] {
        let mut client = spawn_client(host, pipe.output());
        camera.drawn = 0;
        while pipe.waiting().is_none() {
            serve(&mut pipe, &mut camera);
        }
        if killed {
            client.kill().unwrap();
            while seen.try_recv().is_err() {
                serve(&mut pipe, &mut camera);
            }
            assert_eq!((pipe.waiting(), camera.drawn), (None, 21));
            assert!(!pipe.finish(|_, _| panic!("nobody waits")).unwrap());
            assert!(pipe.frame(0).is_some(), "what it ordered is not the next client's yet");
            assert!(!client.wait().unwrap().success());
        } else {
            drop(pipe);
            let lines = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
            let answers: Vec<String> =
                lines.filter(|line| line.starts_with("watched") || line.starts_with("answer")).collect();
            assert_eq!(answers, ["watched", &format!("answer Err({})", libc::EIO)]);
            assert!(client.wait().unwrap().success());
            return;
        }
    }
}

#[test]
fn zero_copy() {
    if std::env::var_os(CLIENT).is_some() {
        return;
    }
    let mut host = Host::new(1);
    let finder = host.finder();
    for (frames, len) in [(0, LEN), (33, LEN), (2, 0), (32, 1 << 30), (2, usize::MAX)] {
        let error = ZeroCopy::claim(&finder, frames, len).unwrap_err();
        assert!(matches!(error, PusherError::Layout { .. }), "{frames} {len}: {error}");
    }
    let error = ZeroCopy::claim(&finder, 2, 1 << 29).unwrap_err();
    assert!(matches!(error, PusherError::Memory { .. }) && error.to_string().contains("fewer"), "{error}");

    // While this process is no legacy one yet.
    v4l2_requests(&host);
    v4l2_sets(&host);
    loops(&host);
    later(&host);
    deaths(&host);

    let mut pipe = ZeroCopy::claim(&finder, 1, 1).unwrap();
    pipe.check().unwrap();
    host.server.take().unwrap().stop();
    let (mut camera, _seen) = Camera::new(usize::MAX);
    let (stop, _stopper) = UnixStream::pair().unwrap();
    let error = pipe.run(&mut camera, &stop).unwrap_err();
    assert!(matches!(error, PusherError::ServerGone { .. }), "{error}");
    let error = pipe.wait(Duration::from_secs(60)).unwrap_err();
    assert!(matches!(error, PusherError::ServerGone { .. }), "{error}");
}
