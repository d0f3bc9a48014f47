//! `vloopback demo`: a film goes through a pipe, from a V4L1 pusher that finds it in
//! /proc/video/vloopback to clients of V4L1 and V4L2, our own and other people's.
//!
//! The server is embedded; pusher and clients are processes of their own under the preload
//! library, which do what programs of their time do. They tell over pipes when each frame left and
//! came; the clients compare every byte.

mod client;
mod film;
mod judge;
mod message;
mod party;
mod pusher;
mod report;
mod sys;
mod tool;
mod v4l2;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use vloopback_daemon::{Config, Server};

use crate::args::{ClientKind, DemoArgs, DemoClientArgs, DemoPusherArgs};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::list;
use crate::media::Source;
use crate::preload;
use crate::progress::Progress;
use crate::sheet::{Cell, write_png};

use film::Film;
use message::{Says, say};
use party::{Event, Party, Who};
use report::{Counted, Tally};

pub use film::FilmError;

/// Frames a second that are pushed.
const RATE: u32 = 30;
/// Frames of each client on the contact sheet, and so the columns of it.
const SAMPLES: u32 = 4;
/// The contact sheet's name.
const SHEET: &str = "vloopback-demo.png";
/// The clients that always take part. V4L2's structures are here of 64-bit programs only.
const OWN: &[ClientKind] = if cfg!(target_pointer_width = "64") {
    &[ClientKind::Mmap, ClientKind::Read, ClientKind::V4l2]
} else {
    &[ClientKind::Mmap, ClientKind::Read]
};
/// Those that do where they are installed.
const TOOLS: &[ClientKind] = &[ClientKind::Ffmpeg, ClientKind::V4l2Ctl];
/// How long a process may take to set up or to end.
const SETUP: Duration = Duration::from_secs(60);
/// How long the clients may take to begin to stream.
const START: Duration = Duration::from_secs(30);
/// How long the clients may take for the last frames after all are pushed.
const LAST_FRAMES: Duration = Duration::from_secs(5);
/// How often the driver is asked whether all clients are streaming.
const STREAMING_STEP: Duration = Duration::from_millis(5);

/// Why the demonstration did not come to its end, or not to a good one.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There are no frames to push.
    #[error(transparent)]
    Film(#[from] FilmError),
    /// A client saw pixels that were not pushed.
    #[error("the {client} got {wrong} frames that differ from those pushed; {torn} of them are torn")]
    WrongPixels {
        /// Which client.
        client: &'static str,
        /// Frames that were wrong in any way.
        wrong: u32,
        /// Those that were torn.
        torn: u32,
    },
    /// A device did not do what a program of that time relies on.
    #[error("the {who}: {reason}")]
    Device {
        /// Which process.
        who: &'static str,
        /// What it did, and what came of it.
        reason: String,
    },
    /// Nothing happened for too long.
    #[error("{stage} took too long; is the machine overloaded?")]
    TimedOut {
        /// What was waited for.
        stage: &'static str,
    },
    /// The contact sheet could not be written.
    #[error("cannot write the contact sheet {}: {source}; --out selects another directory", path.display())]
    Sheet {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        let code = match error {
            DemoError::WrongPixels { .. } => ExitCode::WrongPixels,
            DemoError::Device { .. } => ExitCode::BadDevice,
            _ => ExitCode::Failure,
        };
        Self::new(error, code)
    }
}

/// Whether the demonstration waited too long for something.
fn is_timeout(failure: &Failure) -> bool {
    matches!(failure.downcast_ref(), Some(DemoError::TimedOut { .. }))
}

/// Runs the demonstration.
///
/// # Errors
/// [`Failure`]; wrong pixels are one.
pub fn demo(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let mut progress = Progress::new();
    let result = demonstrate(args, &mut progress);
    progress.clear();
    result
}

fn demonstrate(args: &DemoArgs, progress: &mut Progress) -> Result<ExitCode, Failure> {
    let sheet = args.out.join(SHEET);
    std::fs::create_dir_all(&args.out).map_err(|source| DemoError::Sheet { path: sheet.clone(), source })?;
    let temp = tempfile::Builder::new()
        .prefix("vloopback-demo-")
        .tempdir()
        .map_err(Failure::system("cannot make a temporary directory"))?;
    let mut source = Source::open(args.input.as_deref())?;
    let file = temp.path().join("frames");
    let film = film::decode(&mut source, args.frames as usize, &file, |frames| {
        progress.show(&format!("decoded {frames} frames"));
    })
    .map_err(DemoError::Film)?;

    let library = preload::library()?;
    let config = Config { socket: temp.path().join("socket"), ..Config::default() };
    let server = Server::start(config)?;
    let mut party = Party::new(&library, server.socket());
    let signals = watch_signals(&party)?;
    println!(
        "Pushing {} frames ({} different ones) of {}, {}x{}, {RATE} a second, through one pipe.",
        args.frames,
        film.frames,
        source.path().display(),
        film.width,
        film.height
    );

    let clients = clients();
    let tally = Tally::of(clients.len());
    let mut play = Play { args, film: &film, temp: temp.path(), clients, tally, progress };
    let ended = play.run(&mut party, server.socket());
    let Play { tally, clients, .. } = play;
    drop(party);
    signals.close();
    server.stop();
    progress.clear();
    let counted = match ended? {
        End::Signal(number) => return Ok(ExitCode::Signalled(u8::try_from(number).unwrap_or(0))),
        End::Played(counted) => counted,
    };

    write_sheet(&sheet, &film, temp.path(), &clients)?;
    println!();
    print!("{}", report::table(&tally, &clients, counted.as_ref()));
    println!("contact sheet of what the clients saw: {}", sheet.display());
    for (seen, client) in tally.seen.iter().zip(&clients) {
        if seen.wrong() > 0 {
            let client = client.title();
            return Err(DemoError::WrongPixels { client, wrong: seen.wrong(), torn: seen.torn }.into());
        }
    }
    print_next();
    Ok(ExitCode::Success)
}

/// Who takes part; tells of those who do not, where that is not for want of installing them, of which the
/// last lines tell.
fn clients() -> Vec<ClientKind> {
    let mut clients = OWN.to_vec();
    for &kind in TOOLS {
        match tool::obstacle(kind) {
            None => clients.push(kind),
            Some(tool::Obstacle::NotInstalled) => {}
            Some(obstacle) => println!("{} does not take part: {obstacle}.", kind.title()),
        }
    }
    clients
}

/// Turns the signals that end programs into events, so that nothing is left behind.
fn watch_signals(party: &Party) -> Result<signal_hook::iterator::Handle, Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Failure::system("signal handlers"))?;
    let handle = signals.handle();
    let sender = party.sender();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(handle)
}

/// How the showing ended.
enum End {
    /// To its end, with what the driver counted.
    Played(Option<Counted>),
    /// A signal ended it.
    Signal(i32),
}

/// One showing of the film.
struct Play<'a> {
    args: &'a DemoArgs,
    film: &'a Film,
    temp: &'a Path,
    clients: Vec<ClientKind>,
    tally: Tally,
    progress: &'a mut Progress,
}

/// What waiting for a word came to.
enum Heard {
    /// The word, and who said it.
    Says(Who, Says),
    /// A signal that ends it all.
    Signal(i32),
}

/// Waits by `$wait`; a signal ends the showing.
macro_rules! hear {
    ($wait:expr) => {
        match $wait? {
            Heard::Says(_, says) => says,
            Heard::Signal(number) => return Ok(End::Signal(number)),
        }
    };
}

impl Play<'_> {
    fn run(&mut self, party: &mut Party, socket: &Path) -> Result<End, Failure> {
        let stage = "starting the pusher";
        party.start(Who::Pusher, false, self.pusher_arguments()).map_err(Failure::system(stage))?;
        let claimed = hear!(self.wait(party, stage, SETUP, |play, who, says| {
            play.not_ended(who, says)?;
            Ok(who == Who::Pusher && matches!(says, Says::Claimed { .. }))
        }));
        let Says::Claimed { index, input, output, name } = claimed else {
            return Err(DemoError::TimedOut { stage }.into());
        };
        println!("The pusher found pipe {index} in /proc/video/vloopback/vloopbacks: {input}, \"{name}\".");

        let stage = "starting the clients";
        for (number, kind) in self.clients.clone().into_iter().enumerate() {
            let arguments = self.client_arguments(kind, &output);
            party.start(Who::Client(number), kind.is_legacy(), arguments).map_err(Failure::system(stage))?;
        }
        let mut waiting = 0;
        hear!(self.wait(party, stage, SETUP, |play, who, says| {
            play.not_ended(who, says)?;
            waiting += usize::from(matches!(says, Says::Waiting));
            Ok(waiting == play.clients.len())
        }));
        if let Some(number) = self.wait_until_streaming(party, socket, index)? {
            return Ok(End::Signal(number));
        }
        println!("{output} is watched by {}.", self.audience());

        let showing = Duration::from_secs(u64::from(self.args.frames / RATE)) + SETUP;
        party.tell(Who::Pusher, "go").map_err(Failure::system("the pusher's standard input"))?;
        hear!(self.wait(party, "pushing the frames", showing, |play, who, says| {
            play.not_ended(who, says)?;
            play.tell_progress();
            Ok(matches!(says, Says::AllPushed))
        }));
        // Where a client does not get the last frame, that is a drop, and counted; it is no error.
        let last = self.args.frames - 1;
        if !self.have_all(last) {
            let stage = "the last frames";
            let heard = self.wait(party, stage, LAST_FRAMES, |play, who, says| {
                play.not_ended(who, says)?;
                Ok(play.have_all(last))
            });
            match heard {
                Ok(Heard::Signal(number)) => return Ok(End::Signal(number)),
                Ok(Heard::Says(..)) => {}
                Err(failure) if is_timeout(&failure) => {}
                Err(error) => return Err(error),
            }
        }
        let counted = self.counted(party, socket, index);
        // Programs that go on without a pusher are told to end, before they get what nobody pushed.
        for (number, kind) in self.clients.iter().enumerate() {
            if tool::program(*kind).is_some() {
                party.release(Who::Client(number));
            }
        }
        if !self.tools_ended() {
            hear!(self.wait(party, "the programs' end", SETUP, |play, _, _| Ok(play.tools_ended())));
        }
        party.release(Who::Pusher);
        hear!(self.wait(party, "the clients' notice of the pusher's end", SETUP, |play, _, _| {
            Ok(play.tally.seen.iter().all(|seen| seen.ended))
        }));
        self.all_got_frames()?;
        Ok(End::Played(counted))
    }

    fn pusher_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["demo-pusher".into(), "--count".into(), self.args.frames.to_string()];
        arguments.extend(["--rate".into(), RATE.to_string()]);
        if let Some(frame) = self.args.spoil {
            arguments.extend(["--spoil".into(), frame.to_string()]);
        }
        arguments.extend(self.film.arguments());
        arguments
    }

    fn client_arguments(&self, kind: ClientKind, output: &str) -> Vec<String> {
        let mut arguments = vec!["demo-client".into(), "--kind".into(), kind.name().into()];
        arguments.extend(["--device".into(), output.into(), "--count".into(), self.args.frames.to_string()]);
        arguments.extend(["--samples".into(), self.temp.display().to_string()]);
        arguments.extend(["--sample-every".into(), self.args.frames.div_ceil(SAMPLES).to_string()]);
        arguments.extend(self.film.arguments());
        arguments
    }

    /// An error for a client that took part and got nothing.
    fn all_got_frames(&self) -> Result<(), Failure> {
        for (seen, who) in self.tally.seen.iter().zip(&self.clients) {
            if seen.received == 0 && seen.wrong() == 0 && !seen.left_out {
                let who = who.title();
                return Err(DemoError::Device { who, reason: "got no frame at all".into() }.into());
            }
        }
        Ok(())
    }

    /// Takes note of all that is said until `done` says that it is the word.
    fn wait(
        &mut self,
        party: &Party,
        stage: &'static str,
        patience: Duration,
        mut done: impl FnMut(&mut Self, Who, &Says) -> Result<bool, Failure>,
    ) -> Result<Heard, Failure> {
        let deadline = Instant::now() + patience;
        loop {
            let event = party.next(deadline).ok_or(DemoError::TimedOut { stage })?;
            match self.heed(event)? {
                Some(Heard::Says(who, says)) => {
                    let there = done(self, who, &says)?;
                    if there {
                        return Ok(Heard::Says(who, says));
                    }
                }
                Some(signal) => return Ok(signal),
                None => {}
            }
        }
    }

    /// Takes note of an event: what a process said, and by whom, or that a signal came.
    fn heed(&mut self, event: Event) -> Result<Option<Heard>, Failure> {
        match event {
            Event::Signal(number) => Ok(Some(Heard::Signal(number))),
            Event::Says(who, Says::Failed { reason }) => {
                Err(DemoError::Device { who: self.name(who), reason }.into())
            }
            Event::Says(who, says) => {
                if let Says::LeftOut { reason } = &says {
                    self.progress.clear();
                    println!("{} does not take part: {reason}.", self.name(who));
                }
                self.tally.note(who.client(), &says);
                Ok(Some(Heard::Says(who, says)))
            }
            Event::Gone(who) => {
                // A client that has ended as it should may go; the pusher goes when released.
                let expected = match who {
                    Who::Client(number) => self.tally.seen[number].ended,
                    Who::Pusher => self.tally.pushed() == self.args.frames,
                };
                if expected {
                    return Ok(None);
                }
                let reason = "ended early, without a message".into();
                Err(DemoError::Device { who: self.name(who), reason }.into())
            }
        }
    }

    /// A client must not be told that the pusher is gone while it is there.
    fn not_ended(&self, who: Who, says: &Says) -> Result<(), Failure> {
        let left_out = who.client().is_some_and(|number| self.tally.seen[number].left_out);
        if matches!(says, Says::Ended) && !left_out {
            let reason = "was told that the pusher is gone while it was there".into();
            return Err(DemoError::Device { who: self.name(who), reason }.into());
        }
        Ok(())
    }

    /// Waits until the driver says that all clients stream, so that the first frame finds them; the number
    /// of a signal that came instead. Where it does not say so, they may miss a frame, and the table shows
    /// it.
    fn wait_until_streaming(
        &mut self,
        party: &Party,
        socket: &Path,
        index: u32,
    ) -> Result<Option<i32>, Failure> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            let streaming = query(socket, index).map(|pipe| pipe.streaming);
            if streaming.is_none_or(|streaming| streaming as usize >= self.tally.present()) {
                return Ok(None);
            }
            let Some(event) = party.next(Instant::now() + STREAMING_STEP) else { continue };
            match self.heed(event)? {
                Some(Heard::Signal(number)) => return Ok(Some(number)),
                Some(Heard::Says(who, says)) => self.not_ended(who, &says)?,
                None => {}
            }
        }
        Ok(None)
    }

    /// What the driver counted, if it tells.
    fn counted(&self, party: &Party, socket: &Path, index: u32) -> Option<Counted> {
        let pipe = query(socket, index)?;
        let copies = |pid: Option<u32>| {
            let pid = i32::try_from(pid?).ok()?;
            pipe.owners.iter().find(|owner| owner.pid == pid)?.copies
        };
        let client = |number: usize| self.tally.seen[number].process.or(party.pid(Who::Client(number)));
        Some(Counted {
            written: pipe.counters.written,
            copies: pipe.counters.copies,
            pusher: copies(party.pid(Who::Pusher)),
            clients: (0..self.clients.len()).map(|number| copies(client(number))).collect(),
        })
    }

    fn have_all(&self, last: u32) -> bool {
        self.tally.seen.iter().all(|seen| seen.left_out || seen.last == Some(last))
    }

    fn tools_ended(&self) -> bool {
        let mut all = self.clients.iter().zip(&self.tally.seen);
        all.all(|(kind, seen)| tool::program(*kind).is_none() || seen.ended)
    }

    fn tell_progress(&mut self) {
        if self.progress.is_seen() {
            let received: Vec<String> =
                self.tally.seen.iter().map(|seen| seen.received.to_string()).collect();
            let (pushed, frames) = (self.tally.pushed(), self.args.frames);
            self.progress.show(&format!("pushed {pushed} of {frames}, received {}", received.join(", ")));
        }
    }

    /// Those who watch, for a sentence.
    fn audience(&self) -> String {
        let present = self.clients.iter().zip(&self.tally.seen).filter(|(_, seen)| !seen.left_out);
        let all: Vec<&str> = present.map(|(kind, _)| describe(*kind)).collect();
        match all.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => all.concat(),
        }
    }

    fn name(&self, who: Who) -> &'static str {
        match who {
            Who::Pusher => "pusher",
            Who::Client(number) => self.clients[number].title(),
        }
    }
}

/// What a client is, for a sentence.
const fn describe(kind: ClientKind) -> &'static str {
    match kind {
        ClientKind::Mmap => "a V4L1 client that maps the driver's memory",
        ClientKind::Read => "a V4L1 client that calls read()",
        ClientKind::V4l2 => "a V4L2 client",
        ClientKind::Ffmpeg => "ffmpeg",
        ClientKind::V4l2Ctl => "v4l2-ctl",
    }
}

fn query(socket: &Path, index: u32) -> Option<list::Pipe> {
    list::pipes(socket).ok()?.into_iter().find(|pipe| pipe.index == index)
}

/// Puts the frames that the clients left in `dir` on one sheet, a row for each client.
fn write_sheet(path: &Path, film: &Film, dir: &Path, clients: &[ClientKind]) -> Result<(), DemoError> {
    let failed = |source| DemoError::Sheet { path: path.to_owned(), source };
    let mut cells = Vec::new();
    for kind in clients {
        let prefix = format!("{}.", kind.name());
        let mut samples = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix(&prefix).and_then(|number| number.parse::<u32>().ok());
            samples.extend(number.map(|number| (number, dir.join(&name))));
        }
        samples.sort();
        for (number, file) in samples {
            let frame = std::fs::read(file).map_err(failed)?;
            // A frame that is too short was told of as one that is wrong.
            cells.extend(film.picture(&frame).map(|picture| {
                let caption = format!("frame {number} {}", kind.title());
                Cell { picture, caption }
            }));
        }
    }
    if cells.is_empty() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    write_png(&mut bytes, &cells, SAMPLES).map_err(failed)?;
    std::fs::write(path, bytes).map_err(failed)
}

/// What to try next, and what is not installed.
fn print_next() {
    let me =
        std::env::args_os().next().map_or_else(|| "vloopback".into(), |me| me.to_string_lossy().into_owned());
    println!("\nTry next:");
    println!("  {me} run --pipes 2 -- cat /proc/video/vloopback/vloopbacks");
    println!("  {me} run --uname 2.6 -- sh -c 'uname -r; cat /sys/class/video4linux/*/name'");
    println!("  {me} run -- sh    # a shell in which every program sees the pipes");
    println!(
        "A program that watches opens the output of a pipe: /dev/video1 for the first. For programs that always use /dev/video0:"
    );
    println!("  {me} run --camera -- PROGRAM    # here /dev/video0 is the camera");
    let missing: Vec<&str> = TOOLS
        .iter()
        .filter(|kind| matches!(tool::obstacle(**kind), Some(tool::Obstacle::NotInstalled)))
        .filter_map(|kind| tool::program(*kind))
        .map(|(_, package)| package)
        .collect();
    if !missing.is_empty() {
        println!("For other film formats and more clients:");
        println!("  apt-get install -y --no-install-recommends {}", missing.join(" "));
    }
}

/// The hidden `demo-pusher`.
pub fn pusher(args: &DemoPusherArgs) -> ExitCode {
    told(pusher::push(args))
}

/// The hidden `demo-client`.
pub fn client(args: &DemoClientArgs) -> ExitCode {
    told(client::watch(args))
}

/// Tells a failure to whoever started us.
fn told(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::Success,
        Err(reason) => {
            // Where nobody reads any more, there is nobody to tell.
            let _ = say(&Says::Failed { reason });
            ExitCode::Failure
        }
    }
}
