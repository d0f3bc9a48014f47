//! `vloopback push`: a film, a picture or the test pattern into a pipe.

mod frames;
mod pace;

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use vloopback_abi::v4l2::fourcc::Fourcc;
use vloopback_abi::v4l2::pixel::PixelFormat;
use vloopback_sdk::{Counters, Finder, Pusher, PusherError};

use crate::args::PushArgs;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::media::MediaError;
use crate::pipes::{self, By};
use crate::progress::Progress;
use crate::serve;

use crate::values::Rate;
use frames::Frames;
use pace::Pace;

/// How often the line of progress changes.
const PROGRESS_STEP: Duration = Duration::from_millis(250);

/// Why frames were not pushed, or no more.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The pipe.
    #[error(transparent)]
    Pusher(#[from] PusherError),
    /// The film.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// No such frame can be made.
    #[error("cannot make {format} frames of {width}x{height}; choose another --format or --size")]
    Encode {
        /// The format.
        format: Fourcc,
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        let code = error.exit_code();
        Self::new(error, code)
    }
}

impl PushError {
    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            PushError::Pusher(
                PusherError::NoServer { .. }
                | PusherError::ServerDenied { .. }
                | PusherError::OtherBuild { .. }
                | PusherError::SocketPath { .. }
                | PusherError::OneServer { .. }
                | PusherError::ServerGone { .. },
            ) => ExitCode::NoServer,
            PushError::Pusher(PusherError::System { .. }) | PushError::Media(_) => ExitCode::Failure,
            PushError::Pusher(_) => ExitCode::BadDevice,
            PushError::Encode { .. } => ExitCode::Usage,
        }
    }
}

/// Pushes.
///
/// # Errors
/// [`Failure`]: no server, no such pipe, a pipe in use, a film that cannot be read.
pub fn push(args: &PushArgs) -> Result<ExitCode, Failure> {
    let format =
        PixelFormat::of(args.format).ok_or(PushError::Encode { format: args.format, width: 0, height: 0 })?;
    // Before a server is started for nothing.
    let endless = args.repeat || args.frames.is_some();
    let mut frames = Frames::open(args.input.as_deref(), format, args.size, endless)?;
    // Watched before the pipe is claimed: from then on a signal ends the work, not the process.
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Failure::system("signal handlers"))?;
    let server = serve::reach_or_start(&args.server)?;
    if server.is_new() {
        eprintln!(
            "vloopback: started a server at {}; it ends some seconds after its last user",
            server.socket().display()
        );
    }
    let (pipe, by) = pipes::find(server.socket(), &args.pipe)?;
    let mut pusher = Pusher::open_at(&Finder::at(server.socket()), &pipe.input).map_err(PushError::from)?;
    let (width, height) = frames.size();
    let rate = args.fps.unwrap_or_else(|| frames.rate());
    pusher.set_format(args.format, width, height).map_err(PushError::from)?;
    pusher.set_interval(rate.seconds, rate.frames).map_err(PushError::from)?;

    let mut out = std::io::stdout().lock();
    if by == By::Output {
        say(
            &mut out,
            &format!("{} is the output of pipe {}; pushing into its input.", pipe.output, pipe.index),
        );
    }
    say(
        &mut out,
        &format!(
            "Pushing {} into pipe {} through its input {}: {format} {width}x{height}, {rate} frames a second. \
             Clients watch {}.",
            frames.name(),
            pipe.index,
            pusher.device(),
            pusher.output(),
            format = args.format,
        ),
    );
    let begun = Instant::now();
    let work = Work { rate, frames: args.frames, ends: watch(signals) };
    let pushed = work.all(&mut pusher, &mut frames);
    let counters = pusher.counters();
    let mut text = format!(
        "Pushed {} frames in {:.1} s: {} published, {} dropped because nobody watched",
        total(&counters),
        begun.elapsed().as_secs_f64(),
        counters.published,
        counters.unwatched,
    );
    if counters.lost > 0 {
        text += &format!(", {} lost because a client held every slot", counters.lost);
    }
    say(&mut out, &(text + "."));
    pushed?;
    Ok(ExitCode::Success)
}

/// A line on standard output. That nobody reads it any more must not end the pushing.
fn say(out: &mut impl Write, line: &str) {
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Hears of the signals that end the work.
fn watch(mut signals: Signals) -> Receiver<()> {
    let (sender, receiver) = channel();
    // It ends with the process.
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What is being done.
struct Work {
    rate: Rate,
    /// How many frames; None: as many as there are.
    frames: Option<u32>,
    ends: Receiver<()>,
}

impl Work {
    /// Pushes until the last frame has had its time, or a signal comes.
    fn all(&self, pusher: &mut Pusher, frames: &mut Frames) -> Result<(), PushError> {
        let mut progress = Progress::new();
        let mut shown = Instant::now();
        let mut pace = Pace::new(self.rate, shown);
        let slow = self.rate.frames <= self.rate.seconds.saturating_mul(SLOW);
        let mut left = self.frames;
        while left != Some(0) {
            // Made before it is due, so that making it costs no punctuality; for nobody only if it is so slow that who comes
            // would have to wait for the next one.
            let mut frame = None;
            if slow || pusher.is_watched() {
                frame = frames.next()?;
                if frame.is_none() {
                    break;
                }
            }
            if self.ended_before(pace.next(Instant::now())) {
                return Ok(());
            }
            if frame.is_none() && pusher.is_watched() {
                frame = frames.next()?;
                if frame.is_none() {
                    break;
                }
            }
            match frame {
                Some(frame) => pusher.write_frame(&frame)?,
                None if !frames.skip()? => break,
                // Counts it. If somebody came just now, the next frame is soon enough.
                None => drop(pusher.frame_slot()?),
            }
            left = left.map(|left| left - 1);
            if progress.is_seen() && shown.elapsed() >= PROGRESS_STEP {
                shown = Instant::now();
                let counters = pusher.counters();
                progress.show(&format!("{} frames, {} clients watch", total(&counters), counters.watchers));
            }
        }
        // The last one is to be seen as long as the others.
        self.ended_before(pace.next(Instant::now()));
        Ok(())
    }

    /// Waits; whether a signal came first.
    fn ended_before(&self, due: Instant) -> bool {
        let left = due.saturating_duration_since(Instant::now());
        !matches!(self.ends.recv_timeout(left), Err(RecvTimeoutError::Timeout))
    }
}

/// So many frames a second are few.
const SLOW: u32 = 10;

/// All frames, whatever became of them.
fn total(counters: &Counters) -> u64 {
    counters.published + counters.unwatched + counters.lost
}
