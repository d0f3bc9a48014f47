//! Calls that are none of ours, with the library and without.

use super::{Bar, Row, RowName, Scale, Set};
use crate::error::BenchError;
use crate::stats::Summary;

/// Nanoseconds of one call; `open` is the mean of an open() and its close().
pub fn calls(name: RowName, scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let (mut without, mut with) = (set.caller(false)?, set.caller(true)?);
    // As in a program that uses a device: the library is awake.
    with.ask("device")?;
    let (rounds, calls) = scale.pick((3, 5000), (61, 50_000));
    let question = format!("{} {calls}", name.as_str());
    let (mut baseline, mut candidate) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let times = (without.number(&question)?, with.number(&question)?);
        if round > 0 {
            baseline.push(times.0 as f64 / 1e3);
            candidate.push(times.1 as f64 / 1e3);
        }
    }
    let (baseline, candidate) = (Summary::of(&baseline), Summary::of(&candidate));
    let figure = candidate.median - baseline.median;
    Ok(Bar::at_most(20.0, "ns more").row(name, "ns", Some(baseline), candidate, figure))
}
