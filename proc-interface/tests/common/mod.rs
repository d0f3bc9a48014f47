//! Snapshots that the tests share.

use vloopback_proc::{Counters, FormatView, NodeAccess, Owner, PipeView, Rate, Role, Snapshot};

/// A pipe that nobody uses, on nodes 2n and 2n+1.
pub fn idle(index: u32) -> PipeView {
    PipeView {
        index,
        input: 2 * index,
        output: 2 * index + 1,
        access: NodeAccess { mode: 0o640, ..NodeAccess::default() },
        ..PipeView::default()
    }
}

/// Three pipes: one idle, one with a pusher and a client, one with clients alone.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn three() -> Snapshot {
    let busy = PipeView {
        writer: true,
        readers: 2,
        counters: Counters { written: 1500, read: 2890, dropped: 10, unwatched: 50, copies: 1450 },
        format: Some(FormatView {
            palette_name: "YUV420P".into(),
            fourcc: "YU12".into(),
            width: 320,
            height: 240,
            fps: Some(Rate { frames: 30000, seconds: 1001 }),
        }),
        owners: vec![
            Owner { pid: 4711, comm: "motion".into(), role: Role::Pusher, received: 1500, dropped: 50 },
            Owner { pid: 4712, comm: "xawtv".into(), role: Role::Client, received: 1450, dropped: 0 },
            Owner { pid: 0, comm: String::new(), role: Role::Client, received: 1440, dropped: 10 },
        ],
        label: "Front door".into(),
        ..idle(1)
    };
    Snapshot {
        version: "vloopback 0.1.0".into(),
        pipes: vec![idle(0), busy, PipeView { readers: 1, ..idle(2) }],
        ..Snapshot::default()
    }
}
