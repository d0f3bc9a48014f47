//! Frames at a pace, or flat out, to programs that wait as real programs do: in poll, in select, in epoll, or blocked
//! in the call that takes the frame. Beside them: shared memory with a FIFO for each client, between the same processes.

mod fifos;
mod report;
mod sink;
mod source;

pub use report::Report;
pub use sink::run as run_sink;
pub use source::run as run_source;

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use crate::error::BenchError;
use crate::shared::Shared;
use crate::stand::{self, PacedStart, Process, Stand};
use fifos::Fifos;

/// The frame that ends a run has as its stamp this and the run's number. Other stamps are times, which are lower.
const END: u64 = 1 << 63;

/// How a client waits for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// In poll(), as most programs do.
    Poll,
    /// In select().
    Select,
    /// In epoll_wait(), level-triggered.
    Epoll,
    /// In VIDIOC_DQBUF; beside it, in read() of the FIFO.
    Blocked,
}

impl Wait {
    const ALL: [Self; 4] = [Self::Poll, Self::Select, Self::Epoll, Self::Blocked];

    fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Select => "select",
            Self::Epoll => "epoll",
            Self::Blocked => "blocked",
        }
    }
}

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A pipe of vloopback's: write() to the input, mapped buffers at the output.
    Vloopback,
    /// A copy to shared memory, and a byte to each client's FIFO. It never looks whether a client still reads a frame.
    Fifo,
}

/// One situation that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// How clients wait.
    pub wait: Wait,
    /// How many clients there are.
    pub clients: u32,
    /// Pixels a line; two bytes each (YUYV).
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Frames a second; 0: flat out.
    pub fps: u32,
    /// Whether clients read every byte of a frame, or its first eight.
    pub reads: bool,
    /// Whether the pusher is pinned to the first processor and the clients to the last.
    pub pinned: bool,
}

impl Scenario {
    fn bytes(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * 2
    }

    /// The situations of a run without options.
    pub fn usual() -> Vec<Self> {
        let small = Self {
            wait: Wait::Poll,
            clients: 1,
            width: 20,
            height: 20,
            fps: 100,
            reads: true,
            pinned: false,
        };
        let hd = Self { width: 1280, height: 720, fps: 60, ..small };
        let full = Self { width: 1920, height: 1080, fps: 0, ..small };
        let mut all: Vec<Self> = Wait::ALL.iter().map(|&wait| Self { wait, ..small }).collect();
        all.push(Self { pinned: true, ..small });
        all.push(Self { width: 640, height: 480, fps: 30, ..small });
        all.extend([1, 4, 16].map(|clients| Self { clients, ..hd }));
        all.push(Self { clients: 4, reads: false, ..hd });
        all.push(Self { clients: 64, ..small });
        all.push(Self { clients: 64, wait: Wait::Blocked, ..small });
        all.push(full);
        all.push(Self { wait: Wait::Blocked, ..full });
        all
    }
}

/// What one run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// From just before a frame is given to when a client has it, microseconds, of the worst client: half of the frames.
    pub p50: f64,
    /// The same: 99 of 100 frames.
    pub p99: f64,
    /// CPU of the pusher, microseconds a frame.
    pub pusher: f64,
    /// CPU of all clients together, microseconds a frame.
    pub clients: f64,
    /// CPU of the server, microseconds a frame. None: there is none.
    pub server: Option<f64>,
    /// Share of the frames that the client with the fewest has got.
    pub received: f64,
    /// Frames a second that were given.
    pub rate: f64,
}

/// All runs of a scenario, alternating.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was measured.
    pub scenario: Scenario,
    /// Through a pipe of vloopback's.
    pub vloopback: Vec<Run>,
    /// Through shared memory and FIFOs.
    pub fifo: Vec<Run>,
    /// Copies of a frame in all, the pusher's one of write() among them, over all runs through the pipe.
    pub copies: f64,
    /// One-minute load of the machine when it was done.
    pub load: f64,
}

/// Measures one scenario: `rounds` times each transport, in turn.
///
/// # Errors
/// [`BenchError`]: a program that cannot be started, or a call that failed.
pub fn measure(scenario: Scenario, rounds: u32, seconds: f64) -> Result<Outcome, BenchError> {
    let stand = Stand::new(1)?;
    let bench = Bench { fifos: Fifos::new(scenario.clients)?, shared: Shared::new()?, scenario, stand };
    let mut source = bench.source()?;
    source.ask(&format!("format {} {}", scenario.width, scenario.height))?;
    let mut sinks = (0..scenario.clients).map(|number| bench.sink(number)).collect::<Result<Vec<_>, _>>()?;
    let mut outcome = Outcome { scenario, vloopback: Vec::new(), fifo: Vec::new(), copies: 0.0, load: 0.0 };
    let (mut given, mut number) = (0, 0);
    for round in 0..=rounds {
        for transport in [Transport::Fifo, Transport::Vloopback] {
            // The first round warms up.
            let length = if round == 0 { seconds / 4.0 } else { seconds };
            number += 1;
            let (run, frames) = bench.run(&mut source, &mut sinks, (transport, number), length)?;
            given += if transport == Transport::Vloopback { frames } else { 0 };
            if round > 0 {
                match transport {
                    Transport::Vloopback => outcome.vloopback.push(run),
                    Transport::Fifo => outcome.fifo.push(run),
                }
            }
        }
    }
    outcome.load = stand::load();
    // The counters of those who have left are exact.
    drop((source, sinks));
    outcome.copies = bench.copies(given)?;
    Ok(outcome)
}

struct Bench {
    stand: Stand,
    fifos: Fifos,
    shared: Shared,
    scenario: Scenario,
}

impl Bench {
    fn start(&self, name: &'static str, device: PathBuf, number: u32) -> Result<Process, BenchError> {
        let processors = stand::processors()?;
        let end = if name == "role-source" { processors.first() } else { processors.last() };
        self.stand.start_paced(&PacedStart {
            name,
            device: &device,
            processor: end.copied().filter(|_| self.scenario.pinned),
            shared: &self.shared,
            fifos: self.fifos.folder(),
            number,
            clients: self.scenario.clients,
        })
    }

    fn source(&self) -> Result<Process, BenchError> {
        self.start("role-source", self.stand.nodes()?.0, 0)
    }

    fn sink(&self, number: u32) -> Result<Process, BenchError> {
        self.start("role-sink", self.stand.nodes()?.1, number)
    }

    /// One run: the clients begin, the pusher gives its frames, all tell what it came to.
    fn run(
        &self,
        source: &mut Process,
        sinks: &mut [Process],
        (transport, number): (Transport, u64),
        seconds: f64,
    ) -> Result<(Run, u64), BenchError> {
        let scenario = &self.scenario;
        let is_ours = transport == Transport::Vloopback;
        for sink in sinks.iter_mut() {
            let (wait, reads) = (scenario.wait as u32, u32::from(scenario.reads));
            sink.ask(&format!("begin {} {number} {wait} {reads} {}", u32::from(is_ours), scenario.bytes()))?;
        }
        for sink in sinks.iter_mut() {
            sink.tell("collect")?;
        }
        let server = self.stand.server_cpu()?;
        let given = source.ask(&format!(
            "run {} {number} {} {}",
            u32::from(is_ours),
            scenario.fps,
            (seconds * 1e9) as u64
        ))?;
        let &[frames, wall, cpu] = given.as_slice() else {
            return Err(BenchError::last("the pusher's figures"));
        };
        let server = self.stand.server_cpu()? - server;
        let mut run = Run {
            p50: 0.0,
            p99: 0.0,
            pusher: cpu as f64 / 1e3 / frames as f64,
            clients: 0.0,
            server: is_ours.then_some(server as f64 / 1e3 / frames as f64),
            received: 1.0,
            rate: frames as f64 / (wall as f64 / 1e9),
        };
        for sink in sinks {
            let told = sink.hear("collect")?;
            let &[got, p50, p99, cpu] = told.as_slice() else {
                return Err(BenchError::last("a client's figures"));
            };
            run.p50 = run.p50.max(p50 as f64 / 1e3);
            run.p99 = run.p99.max(p99 as f64 / 1e3);
            run.clients += cpu as f64 / 1e3 / frames as f64;
            run.received = run.received.min(got as f64 / frames as f64);
        }
        Ok((run, frames))
    }

    /// Copies a frame, once the server has counted the `given` frames.
    fn copies(&self, given: u64) -> Result<f64, BenchError> {
        let counters =
            || Ok::<_, BenchError>((self.stand.counter("copies")?, self.stand.counter("frames written")?));
        crate::shared::spin_until("the server has counted the frames", || {
            counters().is_ok_and(|(_, written)| written >= given)
        })?;
        let (copies, written) = counters()?;
        Ok(copies as f64 / written.max(1) as f64)
    }
}
