//! What the demonstration counted, and the table that it prints.

use std::collections::HashMap;
use std::fmt::Write;

use super::message::{Flaw, Says};
use crate::list::{Counters, columns};

/// What one client saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Frames that came whole and as pushed.
    pub received: u32,
    /// The number of the last of them.
    pub last: Option<u32>,
    /// Frames that were torn.
    pub torn: u32,
    /// Frames that came again.
    pub repeated: u32,
    /// Frames that nobody pushed.
    pub unknown: u32,
    /// Nanoseconds from the begin of a frame's write() to its arrival, unsorted.
    latencies: Vec<u64>,
    /// Its device said that the pusher is gone.
    pub ended: bool,
}

impl Seen {
    /// Frames that were not as they were pushed.
    pub fn wrong(&self) -> u32 {
        self.torn + self.repeated + self.unknown
    }

    /// The nanoseconds that `percent` of the frames took at most; None where none came.
    pub fn latency(&self, percent: usize) -> Option<u64> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        // The nearest rank: the smallest value that so many are not above.
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }
}

/// All counts.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// When the write() of each frame began.
    pushed_at: HashMap<u32, u64>,
    /// Receptions that were heard of before their push: the two come over different pipes.
    early: Vec<(usize, u32, u64)>,
    /// The clients' counts, in the order in which they were started.
    pub seen: [Seen; 2],
}

impl Tally {
    /// Frames pushed so far.
    pub fn pushed(&self) -> u32 {
        u32::try_from(self.pushed_at.len()).unwrap_or(u32::MAX)
    }

    /// Takes note of what the pusher (None) or a client says.
    pub fn note(&mut self, client: Option<usize>, says: &Says) {
        match (client, says) {
            (None, Says::Pushed { frame, at }) => {
                self.pushed_at.insert(*frame, *at);
                let (now, later) = self.early.drain(..).partition(|(_, early, _)| early == frame);
                self.early = later;
                let now: Vec<(usize, u32, u64)> = now;
                for (client, frame, at) in now {
                    self.latency(client, frame, at);
                }
            }
            (Some(client), Says::Received { frame, at }) => {
                let seen = &mut self.seen[client];
                seen.received += 1;
                seen.last = Some(*frame);
                self.latency(client, *frame, *at);
            }
            (Some(client), Says::Spoiled { flaw }) => {
                let seen = &mut self.seen[client];
                match flaw {
                    Flaw::Torn => seen.torn += 1,
                    Flaw::Repeated => seen.repeated += 1,
                    Flaw::Unknown => seen.unknown += 1,
                }
            }
            (Some(client), Says::Ended) => self.seen[client].ended = true,
            _ => {}
        }
    }

    fn latency(&mut self, client: usize, frame: u32, at: u64) {
        match self.pushed_at.get(&frame) {
            Some(pushed) => self.seen[client].latencies.push(at.saturating_sub(*pushed)),
            None => self.early.push((client, frame, at)),
        }
    }
}

/// The table. `counters` are the driver's own, None where it did not tell.
pub fn table(tally: &Tally, names: [&str; 2], counters: Option<&Counters>) -> String {
    let pushed = tally.pushed();
    let [a, b] = &tally.seen;
    let none = || "-".to_owned();
    let row = |name: &str, of: &dyn Fn(&Seen) -> String| [name.to_owned(), none(), of(a), of(b)];
    let micros = |percent: usize| {
        move |seen: &Seen| {
            seen.latency(percent)
                .map_or_else(|| "-".to_owned(), |nanos| format!("{:.0} µs", nanos as f64 / 1000.0))
        }
    };
    let rows = [
        [String::new(), "pusher".into(), names[0].to_owned(), names[1].to_owned()],
        ["frames pushed".into(), pushed.to_string(), none(), none()],
        row("frames received, every pixel right", &|seen| seen.received.to_string()),
        row("frames dropped", &|seen| pushed.saturating_sub(seen.received).to_string()),
        row("frames torn", &|seen| seen.torn.to_string()),
        row("frames wrong otherwise", &|seen| (seen.repeated + seen.unknown).to_string()),
        row("latency, median", &micros(50)),
        row("latency, 99th percentile", &micros(99)),
    ];
    let mut text = columns(&rows).join("\n");
    text.push('\n');
    if let Some(counters) = counters {
        // The reading client's own copy is the one that read() cannot do without.
        let read = u64::from(b.received).min(counters.copies);
        let written = counters.written.max(1) as f64;
        let _ = write!(
            text,
            "copies per frame, counted in the data path: {:.2}\n  \
             {:.2} for the pusher and the {}, {:.2} for read() ({} copies of {} frames)\n",
            counters.copies as f64 / written,
            (counters.copies - read) as f64 / written,
            names[0],
            read as f64 / written,
            counters.copies,
            counters.written,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_whoever_speaks_first() {
        let mut tally = Tally::default();
        tally.note(Some(0), &Says::Received { frame: 0, at: 1_500 });
        tally.note(None, &Says::Pushed { frame: 0, at: 1_000 });
        tally.note(None, &Says::Pushed { frame: 1, at: 2_000 });
        tally.note(Some(0), &Says::Received { frame: 1, at: 2_100 });
        assert_eq!(tally.pushed(), 2);
        assert_eq!((tally.seen[0].latency(50), tally.seen[0].latency(99)), (Some(100), Some(500)));
        assert_eq!(tally.seen[1].latency(50), None);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let seen = Seen { latencies: (1..=200).rev().collect(), ..Seen::default() };
        assert_eq!(
            (seen.latency(50), seen.latency(99), seen.latency(100)),
            (Some(100), Some(198), Some(200))
        );
    }

    #[test]
    fn the_table_counts_drops_and_copies() {
        let mut tally = Tally::default();
        for frame in 0..10 {
            tally.note(None, &Says::Pushed { frame, at: 0 });
            tally.note(Some(0), &Says::Received { frame, at: 5_000 });
            if frame != 3 {
                tally.note(Some(1), &Says::Received { frame, at: 7_000 });
            }
        }
        tally.note(Some(1), &Says::Spoiled { flaw: Flaw::Torn });
        let counters = Counters { written: 10, copies: 19, ..Counters::default() };
        let text = table(&tally, ["mmap client", "read() client"], Some(&counters));
        assert!(text.contains("frames dropped                      -       0            1\n"), "{text}");
        assert!(text.contains("frames torn                         -       0            1\n"), "{text}");
        assert!(text.contains("data path: 1.90\n  1.00 for the pusher"), "{text}");
        assert_eq!(tally.seen[1].wrong(), 1);
    }
}
