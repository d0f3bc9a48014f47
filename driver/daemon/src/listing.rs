//! The list of pipes as JSON.

use serde_json::{Value, json};
use vloopback_ioctl::{Abi, V4l1Request, V4l2Request};
use vloopback_proc::model::{Direction, Names, PipeView, Role, Snapshot};

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
    /// While the pusher is late its newest frame comes again.
    pub(crate) sustain: bool,
    /// How often one did.
    pub(crate) repeated: u64,
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

fn pipe(view: &PipeView, names: Names, more: &More) -> Value {
    let card = vloopback_proc::render::todays_name(view, Direction::Input, names);
    let owner = |(o, copies): (&vloopback_proc::model::Owner, Option<&u64>)| {
        let role = match o.role {
            Role::Pusher => "pusher",
            Role::Client => "client",
        };
        json!({
            "pid": o.pid,
            "name": o.comm,
            "role": role,
            "received": o.received,
            "dropped": o.dropped,
            "copies": copies,
        })
    };
    let format = view.format.as_ref().map(
        |f| json!({ "palette": f.palette_name, "fourcc": f.fourcc, "width": f.width, "height": f.height }),
    );
    let copies = more.copies.iter().map(Some).chain(std::iter::repeat(None));
    json!({
        "index": view.index,
        "input": format!("/dev/video{}", view.input),
        "output": format!("/dev/video{}", view.output),
        "label": view.label,
        "claimed": more.claimed,
        "readers": view.readers,
        "streaming": more.streaming,
        "format": format,
        "caps": more.caps,
        "card": card,
        "interval": [more.interval.0, more.interval.1],
        "kept": view.kept,
        "sizes": more.sizes,
        "max_buffers": view.max_buffers,
        "max_openers": view.max_openers,
        "timeout": more.timeout,
        "sustain_framerate": more.sustain,
        "mode": format!("{:04o}", view.access.mode),
        "uid": view.access.uid,
        "gid": view.access.gid,
        "zero_copy": more.zero.map(|zero| {
            json!({ "bytes": zero.bytes, "request": zero.at.map(name), "waiting": zero.waiting })
        }),
        "ring": { "slots": more.ring_slots, "slot_bytes": more.slot_bytes },
        "counters": {
            "written": view.counters.written,
            "read": view.counters.read,
            "dropped": view.counters.dropped,
            "unwatched": view.counters.unwatched,
            "copies": view.counters.copies,
            "lost": more.lost,
            "retries": more.retries,
            "private_bytes": more.private_bytes,
            "repeated": more.repeated,
        },
        "owners": view.owners.iter().zip(copies).map(owner).collect::<Vec<_>>(),
    })
}

/// The text of `vloopback list --json`: an array with one object for each pipe.
pub(crate) fn json(snapshot: &Snapshot, more: &[More]) -> String {
    let pipes: Vec<Value> =
        snapshot.pipes.iter().zip(more).map(|(view, more)| pipe(view, snapshot.names, more)).collect();
    serde_json::to_string_pretty(&pipes).unwrap_or_else(|_| "[]".into())
}
