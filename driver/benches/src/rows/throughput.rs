//! Frames to one client, and to none.

use vloopback_abi::v4l2::fourcc;

use super::{Bar, Row, RowName, Scale, Set, Size};
use crate::error::BenchError;
use crate::stand::Process;
use crate::stats::Summary;

/// Slots of the pipe's ring: the two frames that a V4L1 client maps, and two more.
const SLOTS: u32 = 4;

/// write() of 1080p YUYV to a V4L1 client that keeps up, beside memcpy over a ring of as many slots.
pub fn to_v4l1(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let mut pusher = set.pusher(None)?;
    pusher.ask(&Size::LARGE.command())?;
    pusher.ask(&format!("slots {SLOTS}"))?;
    let client = set.client(0, None)?;
    let bar = Bar::at_least(0.95, "of memcpy");
    throughput(RowName::OneCopy, bar, ("copy", "push"), scale, &set, pusher, client)
}

/// The same to a V4L2 client.
pub fn to_v4l2(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let mut pusher = set.pusher(None)?;
    pusher.ask(&Size::LARGE.command())?;
    pusher.ask(&format!("slots {SLOTS}"))?;
    let client = set.v4l2_client()?;
    let bar = Bar::at_least(0.95, "of memcpy");
    throughput(RowName::OneCopyDequeued, bar, ("copy", "push"), scale, &set, pusher, client)
}

/// Frames that are made where the client sees them, beside such that are made in as many buffers of plain
/// shared memory. No rule of the design is about it: to wake the client up costs the same as in the other
/// rows, and a frame is made in a third of the time that it takes to copy one.
pub fn in_place(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let mut pusher = set.pusher(None)?;
    let Size { width, height, bytes, .. } = Size::LARGE;
    let buffers = pusher.number(&format!("buffers {} {width} {height} {bytes}", fourcc::YUYV.0))?;
    pusher.ask(&format!("slots {buffers}"))?;
    let client = set.v4l2_client()?;
    let bar = Bar::at_least(0.8, "of filling");
    throughput(RowName::InPlace, bar, ("fill", "queue"), scale, &set, pusher, client)
}

/// Flat out to a client that streams as soon as it may; what the pusher does is named for baseline and
/// candidate.
fn throughput(
    name: RowName,
    bar: Bar,
    commands: (&str, &str),
    scale: Scale,
    set: &Set,
    mut pusher: Process,
    client: Process,
) -> Result<Row, BenchError> {
    set.stream(1)?;
    let (rounds, frames) = scale.pick((3, 20), (31, 200));
    let megabytes = |frames: u64, nanos: u64| (frames * Size::LARGE.bytes) as f64 * 1e3 / nanos as f64;
    let (mut baseline, mut candidate) = (Vec::new(), Vec::new());
    let (mut written, mut received) = (0, 0);
    for round in 0..=rounds {
        let copied = pusher.number(&format!("{} {frames}", commands.0))?;
        let pushed = pusher.ask(&format!("{} {frames}", commands.1))?;
        let &[nanos, got] = &pushed[..] else { continue };
        // The first round warms caches and page tables.
        if round > 0 {
            baseline.push(megabytes(frames, copied));
            // What the client did not get was written in vain.
            candidate.push(megabytes(got, nanos));
            (written, received) = (written + frames, received + got);
        }
    }
    let (baseline, candidate) = (Summary::of(&baseline), Summary::of(&candidate));
    let figure = candidate.median / baseline.median;
    let mut row = bar.row(name, "MB/s", Some(baseline), candidate, figure);
    // The counters of those who have left are exact.
    drop((client, pusher));
    let written_in_all = written + frames;
    let counters =
        || Ok::<_, BenchError>((set.stand.counter("copies")?, set.stand.counter("frames written")?));
    crate::shared::spin_until("the server has counted", || {
        counters().is_ok_and(|(_, written)| written >= written_in_all)
    })?;
    let (copies, counted) = counters()?;
    let share = copies as f64 / counted.max(1) as f64;
    row.note = format!("the client got {received} of {written} frames; {share:.2} copies a frame");
    Ok(row)
}

/// Frames that nobody looks at.
pub fn unused(name: RowName, scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let mut pusher = set.pusher(None)?;
    let size = if name == RowName::Unused { Size::SMALLEST } else { Size::LARGE };
    pusher.ask(&size.command())?;
    let (rounds, frames) = scale.pick((3, 1000), (31, 200_000));
    let mut nanos = Vec::new();
    for round in 0..=rounds {
        let time = pusher.number(&format!("unused {frames}"))?;
        if round > 0 {
            nanos.push(time as f64 / f64::from(frames));
        }
    }
    let candidate = Summary::of(&nanos);
    Ok(Bar::at_most(100.0, "ns").row(name, "ns", None, candidate, candidate.median))
}
