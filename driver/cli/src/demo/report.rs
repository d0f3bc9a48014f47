//! What the demonstration counted, and the table that it prints.

use std::collections::HashMap;
use std::fmt::Write;

use super::message::{Flaw, Says};
use crate::args::ClientKind;
use crate::list::columns;

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
    /// It gave up before the first frame, and does not count.
    pub left_out: bool,
    /// The program that it started.
    pub process: Option<u32>,
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
    pub seen: Vec<Seen>,
}

/// What the driver counted in the data path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Frames that the pusher wrote.
    pub written: u64,
    /// Copies of frames, by whomever.
    pub copies: u64,
    /// Those by the pusher, where the driver tells.
    pub pusher: Option<u64>,
    /// Those for each client.
    pub clients: Vec<Option<u64>>,
}

impl Tally {
    /// Nothing counted yet, for so many clients.
    pub fn of(clients: usize) -> Tally {
        Tally { seen: vec![Seen::default(); clients], ..Tally::default() }
    }

    /// How many clients take part.
    pub fn present(&self) -> usize {
        self.seen.iter().filter(|seen| !seen.left_out).count()
    }

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
            (Some(client), Says::LeftOut { .. }) => self.seen[client].left_out = true,
            (Some(client), Says::Process { pid }) => self.seen[client].process = Some(*pid),
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

/// The table. `counted` is the driver's own, None where it did not tell.
pub fn table(tally: &Tally, clients: &[ClientKind], counted: Option<&Counted>) -> String {
    let pushed = tally.pushed();
    let none = || "-".to_owned();
    let present: Vec<usize> = (0..clients.len()).filter(|&number| !tally.seen[number].left_out).collect();
    let row = |name: &str, pusher: String, of: &dyn Fn(usize) -> String| {
        let head = [name.to_owned(), pusher];
        head.into_iter().chain(present.iter().map(|&number| of(number))).collect::<Vec<String>>()
    };
    let seen =
        |name: &str, of: &dyn Fn(&Seen) -> String| row(name, none(), &|number| of(&tally.seen[number]));
    let micros = |percent: usize| {
        move |seen: &Seen| {
            seen.latency(percent)
                .map_or_else(|| "-".to_owned(), |nanos| format!("{:.0} µs", nanos as f64 / 1000.0))
        }
    };
    let mut rows = vec![
        row("", "pusher".into(), &|number| clients[number].title().to_owned()),
        row("frames pushed", pushed.to_string(), &|_| none()),
        seen("frames received, every pixel right", &|seen| seen.received.to_string()),
        seen("frames dropped", &|seen| pushed.saturating_sub(seen.received).to_string()),
        seen("frames torn", &|seen| seen.torn.to_string()),
        seen("frames wrong otherwise", &|seen| (seen.repeated + seen.unknown).to_string()),
        seen("latency, median", &micros(50)),
        seen("latency, 99th percentile", &micros(99)),
    ];
    let Some(counted) = counted else { return text(&rows) };
    let per = |copies: Option<u64>, frames: u64| {
        copies.map_or_else(none, |copies| format!("{:.2}", copies as f64 / frames.max(1) as f64))
    };
    if counted.pusher.is_some() || counted.clients.iter().any(Option::is_some) {
        rows.push(row(
            "copies a frame, made by or for it",
            per(counted.pusher, counted.written),
            &|number| per(counted.clients[number], u64::from(tally.seen[number].received)),
        ));
    }
    let mut text = text(&rows);
    let _ = writeln!(
        text,
        "copies per frame, counted in the data path: {} ({} copies of {} frames)",
        per(Some(counted.copies), counted.written),
        counted.copies,
        counted.written,
    );
    text
}

fn text(rows: &[Vec<String>]) -> String {
    let mut text = columns(rows).join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_whoever_speaks_first() {
        let mut tally = Tally::of(2);
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
        let mut tally = Tally::of(3);
        for frame in 0..10 {
            tally.note(None, &Says::Pushed { frame, at: 0 });
            tally.note(Some(0), &Says::Received { frame, at: 5_000 });
            if frame != 3 {
                tally.note(Some(1), &Says::Received { frame, at: 7_000 });
            }
        }
        tally.note(Some(1), &Says::Spoiled { flaw: Flaw::Torn });
        tally.note(Some(2), &Says::LeftOut { reason: String::new() });
        assert_eq!((tally.seen[1].wrong(), tally.present()), (1, 2));
        let clients = [ClientKind::Mmap, ClientKind::Read, ClientKind::Ffmpeg];
        let mut counted = Counted { written: 10, copies: 19, pusher: None, clients: vec![None; 3] };
        let told = table(&tally, &clients, Some(&counted));
        assert!(told.contains("frames dropped                      -       0            1\n"), "{told}");
        assert!(told.contains("frames torn                         -       0            1\n"), "{told}");
        assert!(told.contains("data path: 1.90 (19 copies of 10 frames)\n"), "{told}");
        assert!(!told.contains("ffmpeg") && !told.contains("copies a frame"), "{told}");

        counted.pusher = Some(10);
        counted.clients = vec![Some(0), Some(9), None];
        let told = table(&tally, &clients, Some(&counted));
        assert!(told.contains("copies a frame, made by or for it   1.00    0.00         1.00\n"), "{told}");
    }
}
