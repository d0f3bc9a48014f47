//! The zero-copy half of the C library: a program with a callback for each request, and a client that
//! compares every byte. Without a C compiler these say SKIP.

mod common;

use std::ffi::c_int;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::c::{build, have, output, root};
use common::{Host, difference, number, picture};
use vloopback_abi::ioc;
use vloopback_runtime::{edge, native};
use vloopback_sdk::v4l1::{VideoMbuf, VideoMmap, VideoPicture, VideoWindow, request};
use vloopback_sdk::v4l2::{self, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4l2Format};
use vloopback_sdk::{Palette, fourcc};

const SIZE: (i32, i32) = (64, 48);
const LEN: usize = 64 * 48 * 2;
/// What the program adds to a request's number for the answer to one that brings a value, too.
const ANSWER: u32 = 100;
/// `_IOWR('v', 200, 8 bytes)`: a private request.
const PRIVATE: u32 = 3 << 30 | 8 << 16 | (b'v' as u32) << 8 | 200;

/// A V4L1 client.
struct Viewer {
    fd: c_int,
}

impl Viewer {
    fn open(output: &str) -> Self {
        Self { fd: edge::open_device(number(output), libc::O_RDWR).unwrap() }
    }

    fn ask_at(&self, request: u32, argument: usize) -> Result<c_int, c_int> {
        // SAFETY: every caller passes the address of what belongs to the request.
        unsafe { edge::ioctl(self.fd, request.into(), argument) }.map_err(|errno| errno.raw())
    }

    fn ask<T>(&self, request: u32, argument: &mut T) -> Result<c_int, c_int> {
        self.ask_at(request, std::ptr::from_mut(argument) as usize)
    }

    /// A request with the program's bytes for it; what came back.
    fn exchange(&self, request: u32, seed: u32) -> Result<Vec<u8>, c_int> {
        let mut bytes = marks(seed, ioc::ioc_size(request));
        self.ask_at(request, bytes.as_mut_ptr() as usize)?;
        Ok(bytes)
    }

    fn order(&self, frame: u32, palette: Palette) -> Result<c_int, c_int> {
        let (width, height) = SIZE;
        self.ask(request::MCAPTURE, &mut VideoMmap { frame, height, width, format: palette.format() })
    }

    /// Orders and awaits pictures, the first of which is number `first`, in turn in two frames; and one more,
    /// so that nothing stays ordered.
    fn watch(&self, first: usize, count: usize) {
        let mut layout = VideoMbuf { size: 0, frames: 0, offsets: [0; 32] };
        self.ask(request::GMBUF, &mut layout).unwrap();
        assert_eq!((layout.frames, layout.offsets[1]), (2, 8192));
        let (size, shared) = (layout.size as usize, libc::MAP_SHARED);
        // SAFETY: a new mapping.
        let map = unsafe { edge::mmap(self.fd, std::ptr::null_mut(), size, libc::PROT_READ, shared, 0) };
        let map = map.unwrap();
        self.order(0, Palette::Yuyv).unwrap();
        for k in 0..count {
            let now = k % 2;
            self.order(1 - now as u32, Palette::Yuyv).unwrap();
            self.ask(request::SYNC, &mut (now as c_int)).unwrap();
            // SAFETY: inside the mapping, and not drawn to before it is ordered again.
            let shown = unsafe {
                std::slice::from_raw_parts(map.cast::<u8>().add(layout.offsets[now] as usize), LEN)
            };
            assert_eq!(difference(shown, &picture(first + k, LEN)), None, "picture {k}");
            let mut wrong = shown.to_vec();
            wrong[k] ^= 1;
            assert_eq!(difference(&wrong, &picture(first + k, LEN)), Some(k));
        }
        self.ask(request::SYNC, &mut (count as c_int % 2)).unwrap();
        // SAFETY: our mapping, not used any more.
        unsafe {
            edge::before_munmap(map, size);
            libc::munmap(map, size);
        }
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
        let edge::Close::Last(session) = edge::before_close(self.fd) else { panic!("not the last number") };
        // SAFETY: ours.
        unsafe { libc::close(self.fd) };
        edge::after_close(session);
    }
}

/// The program's bytes for a request, or its answer.
fn marks(seed: u32, len: usize) -> Vec<u8> {
    (0..len).map(|i| (seed as usize * 31 + i * 7) as u8).collect()
}

/// The program, started with one of its loops, and the node that it says to watch.
struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    output: String,
}

impl Program {
    fn start(host: &Host, program: &std::path::Path, kind: &str) -> Self {
        let mut command = Command::new(program);
        command.arg(kind).env("VLOOPBACK_SOCKET", host.socket());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let output = line.strip_prefix("watch ").unwrap_or_else(|| panic!("it said {line:?}"));
        let output = output.trim_end().to_owned();
        Self { child, out, output }
    }

    /// Waits until it has heard that a client closed.
    fn hears_of_closing(&mut self) {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        assert_eq!(line, "closed\n");
    }

    /// Ends its standard input, and so the program.
    fn end(mut self) -> String {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
        rest
    }
}

/// Every request with a callback, every byte of its struct.
fn ask_everything(viewer: &Viewer) {
    let gets = [
        request::GCAP,
        request::GFBUF,
        request::KEY,
        request::GFREQ,
        request::GUNIT,
        request::GCAPTURE,
        request::GPLAYINFO,
        request::GVBIFMT,
    ];
    for asked in gets {
        let seed = u32::from(ioc::ioc_nr(asked));
        let bytes = viewer.exchange(asked, 0).unwrap_or_else(|errno| panic!("{seed}: errno {errno}"));
        assert_eq!(difference(&bytes, &marks(seed, bytes.len())), None, "request {seed}");
    }
    let sets = [
        request::SCHAN,
        request::STUNER,
        request::SPICT,
        request::CAPTURE,
        request::SWIN,
        request::SFBUF,
        request::SFREQ,
        request::SAUDIO,
        request::SCAPTURE,
        request::SPLAYMODE,
        request::SWRITEMODE,
        request::SMICROCODE,
        request::SVBIFMT,
    ];
    for asked in sets {
        let seed = u32::from(ioc::ioc_nr(asked));
        let bytes = viewer.exchange(asked, seed).unwrap_or_else(|errno| panic!("{seed}: errno {errno}"));
        assert_eq!(bytes, marks(seed, bytes.len()), "request {seed} changed what was set");
        // One byte of it wrong, the last one.
        let mut wrong = bytes;
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(viewer.ask_at(asked, wrong.as_mut_ptr() as usize), Err(libc::EINVAL), "request {seed}");
    }
    for asked in [request::GCHAN, request::GTUNER, request::GAUDIO, PRIVATE] {
        let seed = u32::from(ioc::ioc_nr(asked));
        let bytes = viewer.exchange(asked, seed).unwrap_or_else(|errno| panic!("{seed}: errno {errno}"));
        assert_eq!(difference(&bytes, &marks(seed + ANSWER, bytes.len())), None, "request {seed}");
        assert_eq!(viewer.exchange(asked, seed + 1), Err(libc::EINVAL), "request {seed}");
    }
    let mut picture = VideoPicture::default();
    viewer.ask(request::GPICT, &mut picture).unwrap();
    assert_eq!((picture.palette, picture.depth), (Palette::Yuyv.number(), 16));
    let mut window = VideoWindow::default();
    viewer.ask(request::GWIN, &mut window).unwrap();
    assert_eq!((window.width, window.height), (SIZE.0 as u32, SIZE.1 as u32));
    // What is no errno does not become a success.
    for width in [1, 2] {
        let mut window = VideoWindow { width, ..VideoWindow::default() };
        assert_eq!(viewer.ask(request::SWIN, &mut window), Err(libc::EIO));
    }
    assert_eq!(viewer.exchange(PRIVATE + 1, 200), Err(libc::ENOTTY));
    assert_eq!(viewer.order(0, Palette::Grey), Err(libc::EDOM), "the callback's own errno");
    assert_eq!(viewer.ask(request::SYNC, &mut 0), Err(libc::EINVAL), "nobody has ordered it");
}

#[test]
fn c_programs_are_cameras() {
    if !(have("cc") && have("pkg-config")) {
        return;
    }
    let host = Host::new(1);
    native::use_server(&host.socket()).unwrap();
    let program = build(host.dir.path(), "cc", &["-std=c99", "-O1"], &root().join("tests/c/zero.c"));

    for kind in ["run", "sigio", "poll"] {
        let mut camera = Program::start(&host, &program, kind);
        let first = Viewer::open(&camera.output);
        ask_everything(&first);
        first.watch(0, 100);
        drop(first);
        camera.hears_of_closing();
        let second = Viewer::open(&camera.output);
        second.watch(101, 20);
        // read() orders and awaits by itself.
        assert_eq!(difference(&second.read().unwrap(), &picture(122, LEN)), None);
        drop(second);
        camera.hears_of_closing();
        assert_eq!(camera.end(), "123 pictures\n", "{kind}");
    }

    // V4L2 requests come to who takes them, and the others' clients are told of the last format that there was.
    for (kind, wanted) in [("none", false), ("v4l2", true)] {
        let camera = Program::start(&host, &program, kind);
        let viewer = Viewer::open(&camera.output);
        let mut format = V4l2Format { type_: V4L2_BUF_TYPE_VIDEO_CAPTURE, ..V4l2Format::default() };
        viewer.ask(v4l2::request::G_FMT, &mut format).unwrap();
        let told = (format.pix().width, format.pix().height, format.pix().fourcc());
        assert_eq!(told == (SIZE.0 as u32, SIZE.1 as u32, fourcc::UYVY), wanted, "{kind}: {told:?}");
        drop(viewer);
        camera.end();
    }

    // Refusals: nothing is there, or nothing from gwin on.
    let camera = Program::start(&host, &program, "none");
    let viewer = Viewer::open(&camera.output);
    for row in vloopback_ioctl::V4L1 {
        let asked = row.lp64;
        if asked != request::GMBUF && asked != request::SYNC && asked != request::MCAPTURE {
            assert_eq!(viewer.exchange(asked, 0), Err(libc::ENOTTY), "{}", row.name);
        }
    }
    assert_eq!(viewer.order(0, Palette::Yuyv), Err(libc::ENOTTY));
    let mut layout = VideoMbuf { size: 0, frames: 0, offsets: [0; 32] };
    viewer.ask(request::GMBUF, &mut layout).unwrap();
    assert_eq!(layout.frames, 2, "the layout is the library's to tell");
    drop(viewer);
    assert_eq!(camera.end(), "0 pictures\n", "its closed is NULL");

    let camera = Program::start(&host, &program, "short");
    let viewer = Viewer::open(&camera.output);
    assert!(viewer.exchange(request::CAPTURE, 8).is_ok());
    assert_eq!(viewer.exchange(request::GWIN, 0), Err(libc::ENOTTY));
    assert_eq!(viewer.exchange(request::SVBIFMT, 29), Err(libc::ENOTTY));
    drop(viewer);
    camera.end();
}

/// Every function with what it must refuse, checked by a C program.
#[test]
fn errnos_are_the_headers() {
    if !(have("cc") && have("pkg-config")) {
        return;
    }
    let host = Host::new(1);
    let program = build(host.dir.path(), "cc", &["-std=c99"], &root().join("tests/c/zero_errnos.c"));
    let text = output(Command::new(program).env("VLOOPBACK_SOCKET", host.socket()));
    assert_eq!(text, "ok\n");
}
