//! The processes that are measured: ordinary programs, told by lines on standard input what to do.

pub mod caller;
pub mod client;
pub mod pusher;
pub mod server;

use std::io::{BufRead, Write};
use std::os::fd::RawFd;
use std::path::PathBuf;

use crate::error::BenchError;
use crate::stand;

/// What every role is told at its start.
#[derive(Clone, Debug, clap::Args)]
pub struct RoleArgs {
    /// The device
    #[arg(long)]
    pub device: PathBuf,
    /// The processor to be pinned to
    #[arg(long)]
    pub processor: usize,
    /// The inherited descriptor of the shared page
    #[arg(long)]
    pub shared: RawFd,
    /// The inherited descriptor of the end of a pipe
    #[arg(long)]
    pub pipe: Option<RawFd>,
    /// The client's number
    #[arg(long, default_value_t = 0)]
    pub number: u32,
    /// Take frames as a V4L2 program does
    #[arg(long)]
    pub v4l2: bool,
}

/// What the processes of a paced run are told at their start.
#[derive(Clone, Debug, clap::Args)]
pub struct PacedArgs {
    /// The device
    #[arg(long)]
    pub device: PathBuf,
    /// The processor to be pinned to
    #[arg(long)]
    pub processor: Option<usize>,
    /// The inherited descriptor of the shared page
    #[arg(long)]
    pub shared: RawFd,
    /// The folder with the FIFOs
    #[arg(long)]
    pub fifos: PathBuf,
    /// The client's number
    #[arg(long, default_value_t = 0)]
    pub number: u32,
    /// How many clients there are
    #[arg(long, default_value_t = 1)]
    pub clients: u32,
}

/// Answers one line for each line, until there are no more.
fn serve(
    args: &RoleArgs,
    answer: impl FnMut(&str, &[u64]) -> Result<String, BenchError>,
) -> Result<(), BenchError> {
    serve_lines(Some(args.processor), answer)
}

/// The same, pinned or not.
pub fn serve_lines(
    processor: Option<usize>,
    mut answer: impl FnMut(&str, &[u64]) -> Result<String, BenchError>,
) -> Result<(), BenchError> {
    processor.map_or(Ok(()), stand::pin)?;
    let failed = |source| BenchError::system("standard input and output", source);
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(failed)?;
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default();
        let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        let said = match answer(verb, &numbers) {
            Ok(said) => said,
            Err(error) => format!("error {error}"),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{said}").and_then(|()| out.flush()).map_err(failed)?;
    }
    Ok(())
}

/// Numbers as a line.
pub fn line(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}
