//! write() with one client, and with none.

use super::{Bar, Row, RowName, Scale, Set, Size};
use crate::error::BenchError;
use crate::stats::Summary;

/// Slots of the pipe's ring: the two frames that a V4L1 client maps, and two more.
const SLOTS: u32 = 4;

/// 1080p YUYV to a client that keeps up, beside memcpy over a ring of as many slots.
pub fn throughput(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let mut pusher = set.pusher(None)?;
    pusher.ask(&Size::LARGE.command())?;
    pusher.ask(&format!("slots {SLOTS}"))?;
    let client = set.client(0, None)?;
    set.stream(1)?;
    let (rounds, frames) = scale.pick((3, 20), (31, 200));
    let megabytes = |frames: u64, nanos: u64| (frames * Size::LARGE.bytes) as f64 * 1e3 / nanos as f64;
    let (mut baseline, mut candidate) = (Vec::new(), Vec::new());
    let (mut written, mut received) = (0, 0);
    for round in 0..=rounds {
        let copied = pusher.number(&format!("copy {frames}"))?;
        let pushed = pusher.ask(&format!("push {frames}"))?;
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
    let bar = Bar::at_least(0.95, "of memcpy");
    let mut row = bar.row(RowName::OneCopy, "MB/s", Some(baseline), candidate, figure);
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
