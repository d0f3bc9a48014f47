//! The table of the paced runs.

use std::fmt;

use super::{Outcome, Run, Scenario};
use crate::stats::Summary;

/// Outcomes, to be printed.
#[derive(Debug)]
pub struct Report<'a>(pub &'a [Outcome]);

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} ", self.width, self.height)?;
        match self.fps {
            0 => f.write_str("flat out")?,
            fps => write!(f, "{fps} fps")?,
        }
        write!(f, ", {} in {}", self.clients, self.wait.name())?;
        f.write_str(if self.reads { ", reads all" } else { ", reads 8 bytes" })?;
        f.write_str(if self.pinned { ", pinned" } else { "" })
    }
}

fn of(runs: &[Run], figure: impl Fn(&Run) -> f64) -> Summary {
    Summary::of(&runs.iter().map(figure).collect::<Vec<_>>())
}

fn spread(summary: &Summary) -> String {
    let digits = usize::from(summary.median < 100.0);
    format!("{:.digits$} ({:.digits$}..{:.digits$})", summary.median, summary.low, summary.high)
}

/// CPU of all processes a frame, microseconds.
fn cpu(run: &Run) -> f64 {
    run.pusher + run.clients + run.server.unwrap_or(0.0)
}

fn cells(runs: &[Run], copies: Option<f64>) -> [String; 9] {
    let servers: Vec<f64> = runs.iter().filter_map(|run| run.server).collect();
    let server =
        if servers.is_empty() { "–".into() } else { format!("{:.1}", Summary::of(&servers).median) };
    [
        spread(&of(runs, |run| run.p50)),
        spread(&of(runs, |run| run.p99)),
        spread(&of(runs, cpu)),
        format!("{:.1}", of(runs, |run| run.pusher).median),
        format!("{:.1}", of(runs, |run| run.clients).median),
        server,
        format!("{:.3}", of(runs, |run| run.received).median),
        copies.map_or_else(|| "–".into(), |copies| format!("{copies:.2}")),
        format!("{:.0}", of(runs, |run| run.rate).median),
    ]
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Medians (and the middle half) of the runs. p50 and p99 are of the worst client, from before the frame is \
             given until the client has it, in µs.\nCPU is in µs a frame. The baseline copies each frame to shared \
             memory and writes a byte to a FIFO of each client.\n"
        )?;
        for outcome in self.0 {
            writeln!(f, "{} (load {:.1})", outcome.scenario, outcome.load)?;
            let head =
                ["", "p50", "p99", "CPU of all", "pusher", "clients", "server", "received", "copies", "fps"];
            let mut lines = vec![head.map(String::from)];
            for (name, runs, copies) in
                [("FIFO", &outcome.fifo, None), ("vloopback", &outcome.vloopback, Some(outcome.copies))]
            {
                let mut line: Vec<String> = vec![name.to_owned()];
                line.extend(cells(runs, copies));
                lines.extend(<[String; 10]>::try_from(line));
            }
            let ratio = |figure: fn(&Run) -> f64| {
                format!("{:.2}", of(&outcome.vloopback, figure).median / of(&outcome.fifo, figure).median)
            };
            let blank = String::new;
            lines.push([
                "ratio".into(),
                ratio(|run| run.p50),
                ratio(|run| run.p99),
                ratio(cpu),
                ratio(|run| run.pusher),
                ratio(|run| run.clients),
                blank(),
                blank(),
                blank(),
                ratio(|run| run.rate),
            ]);
            let mut widths = [0; 10];
            for line in &lines {
                for (width, cell) in widths.iter_mut().zip(line) {
                    *width = (*width).max(cell.chars().count());
                }
            }
            for line in &lines {
                let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
                writeln!(f, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
