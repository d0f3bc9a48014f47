//! The list of pipes, as the server tells it and `vloopback list --json` prints it.

use serde::{Deserialize, Serialize};
use vloopback_ioctl::{Abi, V4l1Request, V4l2Request};
use vloopback_proc::model::{self, Direction, Names, PipeView, Role, Snapshot};

/// One pipe. Who reads the list finds the default for what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pipe {
    /// Pipe number.
    pub index: u32,
    /// Path of the pusher's node.
    pub input: String,
    /// Path of the clients' node.
    pub output: String,
    /// The name that a person gave it; empty: none.
    pub label: String,
    /// A pusher has claimed it. (/proc also shows W if somebody may have claimed it.)
    pub claimed: bool,
    /// How many open files the output has.
    pub readers: u32,
    /// How many of those take frames now.
    pub streaming: u32,
    /// The format in V4L1's terms; None: nobody has set one.
    pub format: Option<Format>,
    /// Format and size that a V4L2 program finds, as `FOURCC:WIDTHxHEIGHT`.
    pub caps: String,
    /// The card's name that today's programs find at the pusher's node.
    pub card: String,
    /// Nominal seconds a frame: numerator, denominator.
    pub interval: [u32; 2],
    /// The format stays what it is, whoever pushes.
    pub kept: bool,
    /// The sizes that a pusher may set: least width, most width, least height, most height.
    pub sizes: [u32; 4],
    /// The most buffers that a program gets at a time.
    pub max_buffers: u32,
    /// How many open files both nodes together may have; 0: no limit.
    pub max_openers: u32,
    /// Milliseconds for which a pusher may publish nothing before clients see the card; 0: no limit.
    pub timeout: u32,
    /// Permission bits of the nodes, octal.
    pub mode: String,
    /// The nodes' owner.
    pub uid: u32,
    /// The nodes' group.
    pub gid: u32,
    /// Its zero-copy pusher; None: the pipe is in one-copy mode.
    pub zero_copy: Option<ZeroCopy>,
    /// The frames' memory; no slots: there is none yet.
    pub ring: Ring,
    /// Frames so far.
    pub counters: Counters,
    /// Who has it open.
    pub owners: Vec<Owner>,
}

impl Pipe {
    /// The name that today's programs find.
    pub fn card(&self) -> String {
        if self.card.is_empty() { self.label.clone() } else { self.card.clone() }
    }
}

/// A zero-copy pusher and its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZeroCopy {
    /// Bytes of its memory.
    pub bytes: u32,
    /// The request that it has read and not answered.
    pub request: Option<String>,
    /// Clients that wait for their turn.
    pub waiting: u32,
}

/// What a pipe carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Format {
    /// V4L1 palette name; empty for formats that have none.
    pub palette: String,
    /// V4L2 code; empty for palettes that have none.
    pub fourcc: String,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// The memory of a pipe's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ring {
    /// How many frames it has room for.
    pub slots: u32,
    /// Bytes of each.
    pub slot_bytes: u32,
}

/// Frames of a pipe, counted in the data path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Handed in by pushers.
    pub written: u64,
    /// Delivered, summed over all clients.
    pub read: u64,
    /// Missed, summed over all clients.
    pub dropped: u64,
    /// Dropped uncopied because nobody watched.
    pub unwatched: u64,
    /// Copies of a frame made in the data path.
    pub copies: u64,
    /// Dropped because no slot was free.
    pub lost: u64,
    /// Copies that clients made again, because the pusher had overwritten the frame meanwhile.
    pub retries: u64,
    /// Bytes of private memory that clients' mappings show instead of slots.
    pub private_bytes: u64,
}

/// A process that has a pipe open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Its number; 0 where it has none here.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// `pusher` or `client`.
    pub role: String,
    /// Frames it received (a pusher: wrote).
    pub received: u64,
    /// Frames it missed (a pusher: that nobody watched).
    pub dropped: u64,
    /// Copies of frames that were made for it (a pusher: by it); None where the server does not tell.
    pub copies: Option<u64>,
}

/// Facts that the views under /proc do not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct More {
    /// The sizes that a pusher may set: least width, most width, least height, most height.
    pub(crate) sizes: [u32; 4],
    /// V4L2's format: `FOURCC:WIDTHxHEIGHT`.
    pub(crate) caps: String,
    /// Nominal seconds a frame, numerator and denominator.
    pub(crate) interval: (u32, u32),
    /// Milliseconds that a pusher may be silent; 0: for ever.
    pub(crate) timeout: u32,
    /// Somebody has claimed the pipe. (/proc also shows W if somebody may have claimed it.)
    pub(crate) claimed: bool,
    pub(crate) ring_slots: u32,
    pub(crate) slot_bytes: u32,
    pub(crate) lost: u64,
    pub(crate) streaming: u32,
    pub(crate) retries: u64,
    pub(crate) private_bytes: u64,
    /// By owner, in the view's order: frames that the pusher copied into the ring, that a client copied
    /// out of it.
    pub(crate) copies: Vec<u64>,
    pub(crate) zero: Option<Zero>,
}

/// A zero-copy pusher and its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zero {
    /// Bytes of its memory.
    pub(crate) bytes: u32,
    /// The request that it has read and not answered.
    pub(crate) at: Option<u32>,
    /// Clients that wait for their turn.
    pub(crate) waiting: u32,
}

/// A request's name, or its number if it has none.
fn name(number: u32) -> String {
    let request = u64::from(number);
    let v4l1 = V4l1Request::find(request, Abi::Lp64).map(|id| id.row().name);
    let known = v4l1.or_else(|| V4l2Request::find(request, Abi::Lp64).map(|id| id.row().name));
    known.map_or_else(|| format!("{number:#010x}"), str::to_owned)
}

fn owner(owner: &model::Owner, copies: Option<u64>) -> Owner {
    let role = match owner.role {
        Role::Pusher => "pusher",
        Role::Client => "client",
    };
    Owner {
        pid: owner.pid,
        name: owner.comm.clone(),
        role: role.to_owned(),
        received: owner.received,
        dropped: owner.dropped,
        copies,
    }
}

fn pipe(view: &PipeView, names: Names, more: &More) -> Pipe {
    let copies = more.copies.iter().copied().map(Some).chain(std::iter::repeat(None));
    Pipe {
        index: view.index,
        input: format!("/dev/video{}", view.input),
        output: format!("/dev/video{}", view.output),
        label: view.label.clone(),
        claimed: more.claimed,
        readers: view.readers,
        streaming: more.streaming,
        format: view.format.as_ref().map(|format| Format {
            palette: format.palette_name.clone(),
            fourcc: format.fourcc.clone(),
            width: format.width,
            height: format.height,
        }),
        caps: more.caps.clone(),
        card: vloopback_proc::render::todays_name(view, Direction::Input, names),
        interval: more.interval.into(),
        kept: view.kept,
        sizes: more.sizes,
        max_buffers: view.max_buffers,
        max_openers: view.max_openers,
        timeout: more.timeout,
        mode: format!("{:04o}", view.access.mode),
        uid: view.access.uid,
        gid: view.access.gid,
        zero_copy: more.zero.map(|zero| ZeroCopy {
            bytes: zero.bytes,
            request: zero.at.map(name),
            waiting: zero.waiting,
        }),
        ring: Ring { slots: more.ring_slots, slot_bytes: more.slot_bytes },
        counters: Counters {
            written: view.counters.written,
            read: view.counters.read,
            dropped: view.counters.dropped,
            unwatched: view.counters.unwatched,
            copies: view.counters.copies,
            lost: more.lost,
            retries: more.retries,
            private_bytes: more.private_bytes,
        },
        owners: view.owners.iter().zip(copies).map(|(view, copies)| owner(view, copies)).collect(),
    }
}

/// The text of `vloopback list --json`: an array with one object for each pipe.
pub(crate) fn json(snapshot: &Snapshot, more: &[More]) -> String {
    let pipes: Vec<Pipe> =
        snapshot.pipes.iter().zip(more).map(|(view, more)| pipe(view, snapshot.names, more)).collect();
    serde_json::to_string_pretty(&pipes).unwrap_or_else(|_| "[]".into())
}
