//! `examples/x11-bridge`: what X clients draw is what V4L clients see, pixel by pixel.

mod changes;
mod errors;
mod fake;
mod readme;
mod screens;
mod video;
mod windows;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use vloopback_tests::{Ended, Env, Job, PATIENCE, Pipe, Running, bin_dir, source_root};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    ConnectionExt as _, CreateGCAux, CreateWindowAux, Drawable, EventMask, ImageFormat, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;

const EIO: i64 = 5;
const EINVAL: i64 = 22;
/// V4L1's numbers of palettes.
const GREY: u32 = 1;
const RGB565: u32 = 3;
const RGB24: u32 = 4;
const RGB32: u32 = 5;
const YUYV: u32 = 8;
const UYVY: u32 = 9;
const YUV420P: u32 = 15;

/// The bridge, built by the command that its README has.
fn bridge_program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = bin_dir();
        let target = folder.parent().expect("a target directory");
        let build = &readme::commands()[0];
        let mut cargo = Command::new("cargo");
        cargo.args(build.split(' ').skip(1)).current_dir(source_root()).env_remove("CARGO_TARGET_DIR");
        let made = cargo.arg("--target-dir").arg(target).output().expect("cargo");
        assert!(made.status.success(), "{build}: {}", String::from_utf8_lossy(&made.stderr));
        target.join("release/x11-bridge")
    })
}

/// A virtual X server.
struct Xvfb {
    server: Running,
    display: String,
}

impl Xvfb {
    /// With these screens, such as "320x240x24".
    fn start(screens: &[&str], extra: &[&str]) -> Self {
        let mut job = Job::new("Xvfb").args(["-displayfd", "1", "-nolisten", "tcp", "-noreset"]).args(extra);
        for (number, screen) in screens.iter().enumerate() {
            job = job.arg("-screen").arg(number.to_string()).arg(screen);
        }
        let mut server = job.start();
        // It tells its number once it can be connected to.
        let number = server.line().unwrap_or_else(|| panic!("no X server: {}", server.stderr()));
        Self { display: format!(":{number}"), server }
    }

    fn connect(&self) -> Painter {
        Painter::on(&self.display, 0)
    }
}

/// An X client that draws.
struct Painter {
    conn: RustConnection,
    screen: usize,
}

impl Painter {
    fn on(display: &str, screen: usize) -> Self {
        let (conn, _) = x11rb::connect(Some(display)).expect("a connection to the X server");
        Self { conn, screen }
    }

    fn root(&self) -> Window {
        self.conn.setup().roots[self.screen].root
    }

    /// Draws pixels of 32 bits, and waits until they are there. `at` gives red, green and blue.
    fn paint(&self, on: Drawable, (width, height): (u16, u16), at: impl Fn(usize, usize) -> [u8; 3]) {
        let gc = self.conn.generate_id().expect("an id");
        self.conn.create_gc(gc, on, &CreateGCAux::new()).expect("create_gc");
        for y in 0..height {
            let line: Vec<u8> =
                (0..width.into()).map(|x| at(x, y.into())).flat_map(|[r, g, b]| [b, g, r, 0]).collect();
            let format = ImageFormat::Z_PIXMAP;
            self.conn.put_image(format, on, gc, width, 1, 0, y as i16, 0, 24, &line).expect("put_image");
        }
        self.conn.free_gc(gc).expect("free_gc");
        self.settle();
    }

    /// Waits until the server has done all that it was told.
    fn settle(&self) {
        self.conn.get_input_focus().expect("a request").reply().expect("an answer");
    }

    /// Shows a window and waits until it is there.
    fn window(&self, (x, y): (i16, i16), (width, height): (u16, u16), title: &str) -> Window {
        let window = self.conn.generate_id().expect("an id");
        let values = CreateWindowAux::new().event_mask(EventMask::STRUCTURE_NOTIFY).background_pixel(0);
        let (same, class) = (x11rb::COPY_FROM_PARENT as u8, WindowClass::INPUT_OUTPUT);
        self.conn
            .create_window(same, window, self.root(), x, y, width, height, 0, class, 0, &values)
            .expect("create_window");
        let (property, string) =
            (x11rb::protocol::xproto::AtomEnum::WM_NAME, x11rb::protocol::xproto::AtomEnum::STRING);
        x11rb::wrapper::ConnectionExt::change_property8(
            &self.conn,
            x11rb::protocol::xproto::PropMode::REPLACE,
            window,
            property,
            string,
            title.as_bytes(),
        )
        .expect("a title");
        self.conn.map_window(window).expect("map_window");
        self.settle();
        window
    }

    /// What the server itself says that the pixels are: blue, green, red, unused.
    fn pixels(&self, on: Drawable, (width, height): (u16, u16)) -> Vec<u8> {
        let format = ImageFormat::Z_PIXMAP;
        self.conn
            .get_image(format, on, 0, 0, width, height, !0)
            .expect("get_image")
            .reply()
            .expect("a picture")
            .data
    }
}

/// The bridge, and the pipe that it has.
struct Bridge {
    running: Running,
    pipe: Pipe,
}

impl Bridge {
    fn job(env: &Env, display: &str, args: &[&str]) -> Job {
        let job = Job::new(bridge_program()).env("VLOOPBACK_SOCKET", env.socket()).env("DISPLAY", display);
        job.args(args).named("x11-bridge")
    }

    /// On a display; as fast as it goes, unless `args` say how fast.
    fn start(env: &Env, display: &str, args: &[&str]) -> Self {
        let mut all = vec!["--fps", "1000"];
        if args.contains(&"--fps") {
            all.clear();
        }
        all.extend(args);
        let mut running = Self::job(env, display, &all).start();
        while let Some(line) = running.line() {
            if line.starts_with("pipe ") {
                assert!(line.contains(display), "{line}");
                let pipe = env.pipe(0);
                assert!(line.ends_with(&pipe.output), "{line}");
                return Self { running, pipe };
            }
        }
        panic!("no line that names the pipe: {}", running.stderr());
    }

    /// Waits for a client's end; what it says of the pictures: without a copy, converted, failed.
    #[track_caller]
    fn counts(&mut self) -> [u64; 3] {
        loop {
            let line = self.running.line().expect("a line that tells of a client's end");
            if let Some(counts) = line.strip_prefix("a client has closed: ") {
                return numbers(counts);
            }
        }
    }

    /// Waits until it has said something on stderr, which is read beside what it tells of clients.
    #[track_caller]
    fn complains(&self, of: &str) {
        let begin = Instant::now();
        while !self.running.stderr().contains(of) {
            assert!(begin.elapsed() < PATIENCE, "no {of:?} in {:?}", self.running.stderr());
            std::thread::yield_now();
        }
    }

    /// Ends it by a signal; the counts of all clients.
    fn end(self) -> [u64; 3] {
        kill_process(self.running.leader(), Signal::TERM).expect("kill");
        let ended = self.running.finish().ok();
        numbers(ended.text().lines().last().expect("a last line"))
    }

    fn client(&self, env: &Env) -> Client {
        let mut running = env.program("x11_client", &["--device", &self.pipe.output]).start();
        running.event("ready");
        Client { running, file: env.dir().join("frame") }
    }
}

fn numbers(counts: &str) -> [u64; 3] {
    let words = counts.split(' ').filter_map(|word| word.parse().ok());
    words.collect::<Vec<u64>>().try_into().unwrap_or_else(|_| panic!("no three numbers: {counts:?}"))
}

/// A V4L1 client that does what it is told.
struct Client {
    running: Running,
    file: PathBuf,
}

impl Client {
    /// The errno, 0 for success.
    #[track_caller]
    fn ask(&mut self, order: &str) -> i64 {
        self.tell(order, "asked")["errno"].as_i64().expect("an errno")
    }

    #[track_caller]
    fn tell(&mut self, order: &str, event: &str) -> Value {
        self.running.send(format!("{order}\n").as_bytes());
        self.running.event(event)
    }

    /// A picture as it lies in the client's memory, or an errno.
    #[track_caller]
    fn grab(&mut self, frame: u32, (width, height): (u16, u16), palette: u32) -> Result<Vec<u8>, i64> {
        let order = format!("grab {frame} {width} {height} {palette} {}", self.file.display());
        match self.ask(&order) {
            0 => Ok(std::fs::read(&self.file).expect("the picture")),
            errno => Err(errno),
        }
    }

    /// Name, type and tuners of every channel.
    fn channels(&mut self) -> Vec<(String, i64, i64)> {
        self.running.send(b"channels\n");
        let mut channels = Vec::new();
        loop {
            let event = self.running.any_event().expect("channels");
            if event["event"] == "asked" {
                return channels;
            }
            let number = |key: &str| event[key].as_i64().expect("a number");
            assert_eq!(number("number"), channels.len() as i64);
            channels.push((
                event["name"].as_str().expect("a name").to_owned(),
                number("type"),
                number("tuners"),
            ));
        }
    }

    /// Ends it.
    fn end(mut self) -> Ended {
        self.running.end_input();
        self.running.finish().ok()
    }
}

/// The pixels of a frame of RGB32 that are not as they have to be: `at` gives red, green, blue. The fourth byte means
/// nothing.
fn wrong(
    frame: &[u8],
    (width, height): (u16, u16),
    at: impl Fn(usize, usize) -> [u8; 3],
) -> Vec<(usize, usize)> {
    assert_eq!(frame.len(), usize::from(width) * usize::from(height) * 4);
    let pixels =
        frame.chunks_exact(4).enumerate().map(|(i, p)| (i % usize::from(width), i / usize::from(width), p));
    pixels.filter(|&(x, y, p)| at(x, y) != [p[2], p[1], p[0]]).map(|(x, y, _)| (x, y)).collect()
}

/// A picture in which no two neighbours are alike, and no two regions.
fn pattern(x: usize, y: usize) -> [u8; 3] {
    [(x * 7 + y) as u8, (y * 5 + x / 3) as u8, ((x ^ y) * 3) as u8]
}
