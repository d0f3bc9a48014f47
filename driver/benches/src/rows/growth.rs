//! Memory.

use std::sync::atomic::Ordering::SeqCst;

use super::{Bar, Row, RowName, Scale, Set, Size};
use crate::error::BenchError;
use crate::stand::Stand;
use crate::stats::Summary;

const MIB: f64 = 1024.0 * 1024.0;
const KIB: f64 = 1024.0;
/// Memory comes in pages, and a program's own counts move by a few whatever it does.
const NOISE: f64 = 128.0;

/// The server with 16 idle pipes.
pub fn daemon() -> Result<Row, BenchError> {
    let stand = Stand::new(16)?;
    let candidate = Summary::single(stand.server_memory()? as f64 / MIB);
    Ok(Bar::at_most(10.0, "MiB").row(RowName::DaemonMemory, "MiB", None, candidate, candidate.median))
}

/// A process with a device open, beside one without the library and the device.
pub fn process() -> Result<Row, BenchError> {
    let set = Set::new()?;
    let (mut without, mut with) = (set.caller(false)?, set.caller(true)?);
    // Both have made the same calls before.
    for process in [&mut without, &mut with] {
        process.ask("open 10")?;
    }
    with.ask("device")?;
    let baseline = Summary::single(without.number("memory")? as f64 / MIB);
    let candidate = Summary::single(with.number("memory")? as f64 / MIB);
    let figure = candidate.median - baseline.median;
    let bar = Bar::at_most(2.0, "MiB more");
    Ok(bar.row(RowName::ProcessMemory, "MiB", Some(baseline), candidate, figure))
}

/// Kibibytes of the server and of a program, as one number each.
fn growth_row(name: RowName, before: [u64; 2], after: [u64; 2], of: &str) -> Row {
    let kib = |bytes: [u64; 2]| Summary::single((bytes[0] + bytes[1]) as f64 / KIB);
    let grown = [0, 1].map(|k| after[k].saturating_sub(before[k]) as f64 / KIB);
    let figure = grown[0].max(grown[1]);
    let mut row = Bar::at_most(NOISE, "KiB more").row(name, "KiB", Some(kib(before)), kib(after), figure);
    row.note = format!("over {of}: server {} KiB, program {} KiB more", grown[0], grown[1]);
    row
}

/// So many frames to a client.
pub fn frames(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let mut pusher = set.pusher(None)?;
    pusher.ask(&Size::SMALLEST.command())?;
    let _client = set.client(0, None)?;
    set.stream(1)?;
    let (warm, frames) = scale.pick((200, 5000), (20_000, 1_000_000));
    pusher.ask(&format!("push {warm}"))?;
    let before = [set.stand.server_own_memory()?, pusher.number("memory")?];
    // A piece at a time: no wait for the client's last frame may take longer than patience lasts.
    let piece = scale.pick(1000, 20_000);
    for _ in 0..frames / piece {
        pusher.ask(&format!("push {piece}"))?;
    }
    let after = [set.stand.server_own_memory()?, pusher.number("memory")?];
    let failures = set.shared.failures.load(SeqCst);
    let mut row = growth_row(RowName::GrowthFrames, before, after, &format!("{frames} frames"));
    row.note = format!("{}, {failures} failed waits", row.note);
    Ok(row)
}

/// So many opens and closes.
pub fn opens(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let mut caller = set.caller(true)?;
    let (warm, opens) = scale.pick((20, 200), (2000, 100_000));
    caller.ask(&format!("opens {warm}"))?;
    let before = [set.stand.server_own_memory()?, caller.number("memory")?];
    caller.ask(&format!("opens {opens}"))?;
    let after = [set.stand.server_own_memory()?, caller.number("memory")?];
    Ok(growth_row(RowName::GrowthOpens, before, after, &format!("{opens} opens")))
}
