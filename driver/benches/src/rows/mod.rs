//! The rows of the table.

mod calls;
mod growth;
mod table;
mod throughput;
mod wake;

pub use table::Table;

use clap::ValueEnum;
use serde::Serialize;

use crate::error::BenchError;
use crate::shared::Shared;
use crate::stand::{self, Process, RoleStart, Stand};
use crate::stats::Summary;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Enough to see that everything runs.
    Smoke,
    /// Enough for numbers.
    Full,
}

impl Scale {
    /// One number or the other.
    fn pick<T>(self, smoke: T, full: T) -> T {
        match self {
            Self::Smoke => smoke,
            Self::Full => full,
        }
    }
}

macro_rules! names {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal;)*) => {
        /// What can be measured.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub enum RowName {
            $($(#[$doc])+ #[value(name = $name)] $variant,)*
        }

        impl RowName {
            /// All, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on the command line.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

names! {
    /// Throughput of large frames to a V4L1 client.
    OneCopy = "one-copy";
    /// Throughput of large frames to a V4L2 client.
    OneCopyDequeued = "one-copy-dqbuf";
    /// Throughput of large frames that are filled in place.
    InPlace = "in-place";
    /// Cost of further sleeping clients.
    Sleepers = "sleepers";
    /// Cost of a frame that nobody looks at.
    Unused = "unused";
    /// The same with large frames.
    UnusedLarge = "unused-1080p";
    /// Time until a client wakes up.
    Wake = "wake";
    /// An ioctl that a zero-copy pusher answers.
    Forwarded = "forwarded";
    /// Cost of a read() that is none of ours.
    Read = "read";
    /// Cost of an ioctl() that is none of ours.
    Ioctl = "ioctl";
    /// Cost of an open() that is none of ours.
    Open = "open";
    /// Memory of the server.
    DaemonMemory = "daemon-memory";
    /// Memory of a process.
    ProcessMemory = "process-memory";
    /// Growth over frames.
    GrowthFrames = "growth-frames";
    /// Growth over opens.
    GrowthOpens = "growth-opens";
}

/// On which side of the bar the figure has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// At least the bar.
    AtLeast,
    /// At most the bar.
    AtMost,
}

/// One measured row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// See [`RowName`].
    pub name: &'static str,
    /// The unit of baseline and candidate.
    pub unit: &'static str,
    /// What it is compared with.
    pub baseline: Option<Summary>,
    /// What is measured.
    pub candidate: Summary,
    /// What the bar is about.
    pub figure: f64,
    /// Its unit.
    pub figure_unit: &'static str,
    /// Where it has to be.
    pub side: Side,
    /// The bar.
    pub bar: f64,
    /// Whether it is there.
    pub met: bool,
    /// What else there is to know.
    pub note: String,
}

/// What a figure is held to.
#[derive(Clone, Copy, Debug)]
struct Bar {
    side: Side,
    bar: f64,
    unit: &'static str,
}

impl Bar {
    const fn at_most(bar: f64, unit: &'static str) -> Self {
        Self { side: Side::AtMost, bar, unit }
    }

    const fn at_least(bar: f64, unit: &'static str) -> Self {
        Self { side: Side::AtLeast, bar, unit }
    }

    fn row(
        self,
        name: RowName,
        unit: &'static str,
        baseline: Option<Summary>,
        candidate: Summary,
        figure: f64,
    ) -> Row {
        let met = match self.side {
            Side::AtLeast => figure >= self.bar,
            Side::AtMost => figure <= self.bar,
        };
        let (side, bar, figure_unit, note) = (self.side, self.bar, self.unit, String::new());
        Row { name: name.as_str(), unit, baseline, candidate, figure, figure_unit, side, bar, met, note }
    }
}

/// Measures one row with a server of its own.
pub fn measure(name: RowName, scale: Scale) -> Result<Row, BenchError> {
    let mut row = match name {
        RowName::OneCopy => throughput::to_v4l1(scale),
        RowName::OneCopyDequeued => throughput::to_v4l2(scale),
        RowName::InPlace => throughput::in_place(scale),
        RowName::Sleepers => wake::sleepers(scale),
        RowName::Unused | RowName::UnusedLarge => throughput::unused(name, scale),
        RowName::Wake => wake::wake(scale),
        RowName::Forwarded => wake::forwarded(scale),
        RowName::Read | RowName::Ioctl | RowName::Open => calls::calls(name, scale),
        RowName::DaemonMemory => growth::daemon(),
        RowName::ProcessMemory => growth::process(),
        RowName::GrowthFrames => growth::frames(scale),
        RowName::GrowthOpens => growth::opens(scale),
    }?;
    if stand::processors()?.len() < 2 {
        row.note = format!("one processor; {}", row.note);
    }
    Ok(row)
}

/// A server with a pipe, and who uses it.
struct Set {
    stand: Stand,
    shared: Shared,
    near: usize,
    far: usize,
    nodes: (std::path::PathBuf, std::path::PathBuf),
}

impl Set {
    fn new() -> Result<Self, BenchError> {
        let stand = Stand::new(1)?;
        let processors = stand::processors()?;
        let near = processors.first().copied().unwrap_or(0);
        let far = processors.last().copied().unwrap_or(0);
        let nodes = stand.nodes()?;
        Ok(Self { stand, shared: Shared::new()?, near, far, nodes })
    }

    fn role(&self, name: &'static str) -> RoleStart<'_> {
        let pushes = matches!(name, "role-pusher" | "role-server");
        RoleStart {
            name,
            device: if pushes { &self.nodes.0 } else { &self.nodes.1 },
            processor: if matches!(name, "role-client" | "role-server") { self.far } else { self.near },
            shared: &self.shared,
            pipe: None,
            number: 0,
            v4l2: false,
            with_library: true,
        }
    }

    fn pusher(&self, pipe: Option<i32>) -> Result<Process, BenchError> {
        self.stand.start(&RoleStart { pipe, ..self.role("role-pusher") })
    }

    fn client(&self, number: u32, pipe: Option<i32>) -> Result<Process, BenchError> {
        self.stand.start(&RoleStart { pipe, number, ..self.role("role-client") })
    }

    fn v4l2_client(&self) -> Result<Process, BenchError> {
        self.stand.start(&RoleStart { v4l2: true, ..self.role("role-client") })
    }

    /// A zero-copy pusher, and a caller to ask it; each has an end of the socket.
    fn forwarding(&self, ends: [i32; 2]) -> Result<(Process, Process), BenchError> {
        let server = self.stand.start(&RoleStart { pipe: Some(ends[0]), ..self.role("role-server") })?;
        let caller = self.stand.start(&RoleStart {
            pipe: Some(ends[1]),
            device: &self.nodes.1,
            ..self.role("role-caller")
        })?;
        Ok((server, caller))
    }

    fn caller(&self, with_library: bool) -> Result<Process, BenchError> {
        self.stand.start(&RoleStart { with_library, ..self.role("role-caller") })
    }

    /// Lets so many clients stream, and waits until they do.
    fn stream(&self, clients: u32) -> Result<(), BenchError> {
        use std::sync::atomic::Ordering::SeqCst;

        self.shared.set_active(clients);
        crate::shared::spin_until("the clients stream", || self.shared.streaming.load(SeqCst) >= clients)
    }
}

/// Bytes of a frame and what a pusher is told to have it.
#[derive(Clone, Copy, Debug)]
struct Size {
    palette: u16,
    width: u32,
    height: u32,
    bytes: u64,
}

impl Size {
    /// The smallest that a V4L1 device tells of.
    const SMALLEST: Self = Self { palette: crate::device::GREY, width: 20, height: 20, bytes: 400 };
    /// 1080p YUYV.
    const LARGE: Self = Self { palette: crate::device::YUYV, width: 1920, height: 1080, bytes: 4_147_200 };

    fn command(self) -> String {
        format!("format {} {} {} {}", self.palette, self.width, self.height, self.bytes)
    }
}
