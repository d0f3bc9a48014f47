//! What vloopback costs, measured beside what it is compared with; README.md says how to read it. `vloopback bench` and the
//! program `vloopback-bench` are both [`main`].

mod buffers;
mod device;
mod error;
mod paced;
mod roles;
mod rows;
mod shared;
mod stand;
mod stats;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{Parser, Subcommand};

use error::BenchError;
use paced::{Scenario, Wait};
use rows::{Row, RowName, Scale};

/// Measures vloopback.
#[derive(Debug, Parser)]
#[command(name = "vloopback-bench", bin_name = bin_name(), version, about)]
struct Args {
    /// A few seconds in all: whether every row runs, not what it costs
    #[arg(long)]
    smoke: bool,
    /// Measure these rows only
    #[arg(long = "row", value_name = "NAME", value_enum)]
    rows: Vec<RowName>,
    /// Write the JSON to a file instead of to standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when a bar is not met
    #[arg(long)]
    strict: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What else to measure, or what this program is when it is started by itself: the ordinary processes that are measured.
#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Frames at a pace, or flat out, to programs that wait as real programs do
    Paced(PacedOptions),
    /// Gives frames at a pace
    #[command(name = "role-source", hide = true)]
    Source(roles::PacedArgs),
    /// Waits for frames in poll, select, epoll or VIDIOC_DQBUF
    #[command(name = "role-sink", hide = true)]
    Sink(roles::PacedArgs),
    /// Writes frames
    #[command(name = "role-pusher", hide = true)]
    Pusher(roles::RoleArgs),
    /// Takes frames
    #[command(name = "role-client", hide = true)]
    Client(roles::RoleArgs),
    /// Answers forwarded ioctls
    #[command(name = "role-server", hide = true)]
    Server(roles::RoleArgs),
    /// Makes calls that are none of ours, and opens devices
    #[command(name = "role-caller", hide = true)]
    Caller(roles::RoleArgs),
}

/// Which situations are measured. Without options, a list of usual ones.
#[derive(Clone, Debug, clap::Args)]
struct PacedOptions {
    /// How clients wait; several times for several situations
    #[arg(long, value_enum)]
    wait: Vec<Wait>,
    /// How many clients there are; several times for several situations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    clients: Vec<u32>,
    /// The frame's size in pixels of two bytes
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<(u32, u32)>,
    /// Frames a second; 0: flat out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    fps: Option<u32>,
    /// Clients read the first eight bytes of a frame only
    #[arg(long)]
    glance: bool,
    /// Pin the pusher to the first processor, and the clients to the last
    #[arg(long)]
    pinned: bool,
    /// How long each run takes
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// Runs of each transport, which alternate
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed
        .filter(|&(w, h)| (2..=8192).contains(&w) && (1..=8192).contains(&h) && w % 2 == 0)
        .ok_or_else(|| format!("'{text}' is no size: write WIDTHxHEIGHT, as in 1280x720, with an even width"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    parsed.ok_or_else(|| format!("'{text}' is no time: write seconds from 0.1 to 3600"))
}

impl PacedOptions {
    fn scenarios(&self, smoke: bool) -> Vec<Scenario> {
        let is_usual = self.wait.is_empty()
            && self.clients.is_empty()
            && self.size.is_none()
            && self.fps.is_none()
            && !self.glance
            && !self.pinned;
        if is_usual && !smoke {
            return Scenario::usual();
        }
        let (width, height) = self.size.unwrap_or((640, 480));
        let waits = if self.wait.is_empty() { vec![Wait::Poll] } else { self.wait.clone() };
        let counts = if self.clients.is_empty() { vec![1] } else { self.clients.clone() };
        let mut all = Vec::new();
        for &wait in &waits {
            for &clients in &counts {
                let (fps, reads, pinned) = (self.fps.unwrap_or(60), !self.glance, self.pinned);
                all.push(Scenario { wait, clients, width, height, fps, reads, pinned });
            }
        }
        all
    }
}

/// Measures and prints the paced situations.
fn measure_paced(args: &Args, options: &PacedOptions) -> Result<(), BenchError> {
    let (rounds, seconds) = if args.smoke { (1, 0.2) } else { (options.rounds, options.seconds) };
    let mut outcomes = Vec::new();
    for scenario in options.scenarios(args.smoke) {
        eprintln!("measuring {scenario}");
        outcomes.push(paced::measure(scenario, rounds, seconds)?);
    }
    print!("{}", paced::Report(&outcomes));
    let json = serde_json::json!({
        "processors": stand::processors()?,
        "kernel": stand::kernel(),
        "rounds": rounds,
        "seconds": seconds,
        "outcomes": outcomes,
    });
    write_json(args, &json)
}

/// Writes the JSON where the user wants it.
fn write_json(args: &Args, json: &serde_json::Value) -> Result<(), BenchError> {
    match &args.json {
        Some(path) => std::fs::write(path, format!("{json}\n"))
            .map_err(|source| BenchError::system(format!("writing {}", path.display()), source)),
        None => {
            println!("{json}");
            Ok(())
        }
    }
}

/// The words by which this program is called, as its own processes are, too: `vloopback-bench`, or `vloopback bench`.
static WORDS: OnceLock<&'static [&'static str]> = OnceLock::new();

fn bin_name() -> String {
    WORDS.get().map_or_else(|| "vloopback-bench".into(), |words| words.join(" "))
}

/// What follows this program's file on the command line before its arguments.
fn own_words() -> &'static [&'static str] {
    WORDS.get().and_then(|words| words.get(1..)).unwrap_or_default()
}

/// Measures. `words`: how the program is called, such as `["vloopback", "bench"]`. `arguments`: what follows them.
pub fn main(words: &'static [&'static str], arguments: impl Iterator<Item = OsString>) -> ExitCode {
    // It is the same at every call.
    let _ = WORDS.set(words);
    let args = Args::parse_from(std::iter::once(OsString::from(words.join(" "))).chain(arguments));
    let result = match &args.command {
        Some(Command::Pusher(role)) => roles::pusher::run(role).map(|()| true),
        Some(Command::Client(role)) => roles::client::run(role).map(|()| true),
        Some(Command::Server(role)) => roles::server::run(role).map(|()| true),
        Some(Command::Caller(role)) => roles::caller::run(role).map(|()| true),
        Some(Command::Source(role)) => paced::run_source(role).map(|()| true),
        Some(Command::Sink(role)) => paced::run_sink(role).map(|()| true),
        Some(Command::Paced(options)) => measure_paced(&args, options).map(|()| true),
        None => measure(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", bin_name());
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints; false when a row failed, or a bar under `--strict`.
fn measure(args: &Args) -> Result<bool, BenchError> {
    let scale = if args.smoke { Scale::Smoke } else { Scale::Full };
    let names = if args.rows.is_empty() { RowName::ALL.to_vec() } else { args.rows.clone() };
    let mut rows: Vec<Row> = Vec::new();
    let mut whole = true;
    for name in names {
        eprintln!("measuring {}", name.as_str());
        match rows::measure(name, scale) {
            Ok(row) => rows.push(row),
            Err(error) => {
                eprintln!("{}: row {}: {error}", bin_name(), name.as_str());
                whole = false;
            }
        }
    }
    print!("{}", rows::Table(&rows));
    let json = serde_json::json!({
        "scale": scale,
        "processors": stand::processors()?,
        "rows": rows,
    });
    write_json(args, &json)?;
    Ok(whole && (!args.strict || rows.iter().all(|row| row.met)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_checked() {
        assert_eq!(size("1280x720"), Ok((1280, 720)));
        for bad in ["7x", "x", "0x0", "641x480", "10000x2", "1280", "-2x4"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("2.5"), Ok(2.5));
        for bad in ["0", "-1", "NaN", "inf", "1e9", "soon"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_wait_and_each_count_is_a_situation() {
        let words = ["x", "paced", "--wait", "poll", "--wait", "epoll", "--clients", "1", "--clients", "4"];
        let Some(Command::Paced(options)) = Args::parse_from(words).command else { panic!("a paced run") };
        assert_eq!(options.scenarios(false).len(), 4);
        let Some(Command::Paced(options)) = Args::parse_from(["x", "paced"]).command else {
            panic!("a paced run")
        };
        assert_eq!(options.scenarios(false), Scenario::usual());
    }
}
