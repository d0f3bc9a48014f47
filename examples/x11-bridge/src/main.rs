//! An X display as a V4L camera: its screens, its windows, and the video inputs of its Xv adaptors are
//! the channels. The server draws straight into the memory that the clients map (MIT-SHM 1.2, AttachFd).
//!
//! Ends with SIGINT or SIGTERM.

#![deny(unsafe_code)]

mod bridge;
mod convert;
mod display;
mod errors;
mod hidden;
#[allow(unsafe_code)]
mod scratch;
mod screen;
mod source;
mod video;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use vloopback_sdk::Finder;
use vloopback_sdk::zero_copy::ZeroCopy;

use bridge::Bridge;
use display::Display;
use errors::BridgeError;
use screen::{ScreenSource, WindowSource};
use source::Source;
use video::VideoSource;

/// Frames that clients map: one to look at, one to be drawn.
const FRAMES: usize = 2;

/// Makes an X display a V4L camera on a vloopback pipe.
#[derive(Debug, Parser)]
#[command(name = "x11-bridge", version)]
struct Args {
    /// The display, such as :0; what DISPLAY says by default
    #[arg(long)]
    display: Option<String>,
    /// A window that is a channel of its own, by its number as xwininfo tells it or by its title
    #[arg(long = "window", value_name = "NUMBER|TITLE")]
    windows: Vec<String>,
    /// The channel that is on at first: screens come first, then windows, then video inputs
    #[arg(long, default_value_t = 0)]
    channel: usize,
    /// Pictures a second, at most
    #[arg(long, default_value_t = 25.0, value_parser = rate)]
    fps: f64,
    /// The input of the pipe, such as /dev/video0; the first free one by default
    #[arg(long)]
    pipe: Option<String>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.01..=1000.0).contains(&rate) { Ok(rate) } else { Err("from 0.01 to 1000".to_owned()) }
}

/// What the display has, in the order of the channels.
fn sources(display: &Display, windows: &[String]) -> Result<Vec<Box<dyn Source>>, BridgeError> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    sources.extend(ScreenSource::all(display)?.into_iter().map(|source| Box::new(source) as Box<dyn Source>));
    for window in windows {
        sources.push(Box::new(WindowSource::find(display, window)?));
    }
    sources.extend(VideoSource::all(display)?.into_iter().map(|source| Box::new(source) as Box<dyn Source>));
    Ok(sources)
}

/// Readable once SIGINT or SIGTERM has come.
fn end_signals() -> Result<UnixStream, BridgeError> {
    let register = || {
        let (stop, sender) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(stop)
    };
    register().map_err(|source| BridgeError::System { what: "signal handlers", source })
}

/// Sleeps until a client, the display or the end has something to say, or it is time. True: the end.
fn sleep(
    pipe: &ZeroCopy,
    display: &Display,
    stop: &UnixStream,
    patience: Option<Duration>,
) -> Result<bool, BridgeError> {
    let wanted = PollFlags::POLLIN;
    let mut fds = [pipe.as_fd(), display.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, wanted));
    // Rounded up, so that it is time then.
    let patience = patience.map_or(PollTimeout::NONE, |left| {
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut fds, patience) {
        Ok(_) => Ok(fds[2].any().unwrap_or(true)),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(BridgeError::System { what: "waiting for clients", source: errno.into() }),
    }
}

fn run(args: &Args) -> Result<(), BridgeError> {
    let stop = end_signals()?;
    let display = Display::connect(args.display.as_deref())?;
    let mut bridge = Bridge::new(&display, sources(&display, &args.windows)?, args.channel, args.fps)?;
    let finder = Finder::new();
    let mut pipe = match &args.pipe {
        Some(name) => ZeroCopy::open_at(&finder, name, FRAMES, bridge.frame_len())?,
        None => ZeroCopy::claim(&finder, FRAMES, bridge.frame_len())?,
    };
    bridge.attach(&pipe)?;
    for (number, name) in bridge.channels().enumerate() {
        println!("channel {number}: {name}");
    }
    println!("pipe {}: watch display {} on {}", pipe.pipe(), display.name(), pipe.output());
    loop {
        let patience = bridge.serve(&mut pipe)?;
        if sleep(&pipe, &display, &stop, patience)? {
            println!("{}", bridge.total());
            return Ok(());
        }
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("x11-bridge: {error}");
            ExitCode::FAILURE
        }
    }
}
