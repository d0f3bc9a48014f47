//! Which of the pushed frames a client got.

use std::path::PathBuf;

use super::film::Reel;
use super::message::{Flaw, Says};
use crate::args::DemoClientArgs;

/// Knows what was pushed, and says which frame a client got.
#[derive(Debug)]
pub struct Judge<'a> {
    /// The film.
    pub reel: &'a Reel,
    /// The number of the first frame that has not been received yet.
    next: u32,
    /// How many frames are pushed in all.
    count: u32,
    received: u32,
    every: u32,
    samples: PathBuf,
    expected: Vec<u8>,
    /// Bytes of a row of the frame.
    row: usize,
}

impl<'a> Judge<'a> {
    /// Nothing received yet.
    pub fn new(reel: &'a Reel, args: &DemoClientArgs) -> Self {
        Judge {
            reel,
            next: 0,
            count: args.count,
            received: 0,
            every: args.sample_every.max(1),
            samples: args.samples.join(args.kind.name()),
            expected: vec![0; reel.length],
            row: (args.frames.width as usize).max(1),
        }
    }

    /// Compares a frame with those that may come now: the next one, or one further on where some
    /// were dropped.
    ///
    /// # Errors
    /// The frames file's, or a sample's that cannot be written.
    pub fn judge(&mut self, frame: &[u8], at: u64) -> Result<Says, String> {
        let last = self.next.saturating_add(self.reel.frames).min(self.count);
        for number in self.next..last {
            if self.matches(number, frame)? {
                self.next = number + 1;
                if self.received % self.every == 0 {
                    let file = self.samples.with_extension(format!("{number:08}"));
                    std::fs::write(&file, frame).map_err(|error| format!("{}: {error}", file.display()))?;
                }
                self.received += 1;
                return Ok(Says::Received { frame: number, at });
            }
        }
        Ok(Says::Spoiled { flaw: self.flaw(frame)? })
    }

    fn matches(&mut self, number: u32, frame: &[u8]) -> Result<bool, String> {
        self.reel.frame(number, &mut self.expected).map_err(|error| format!("the frames file: {error}"))?;
        Ok(self.expected == frame)
    }

    /// In which way a frame that was not expected is wrong.
    fn flaw(&mut self, frame: &[u8]) -> Result<Flaw, String> {
        // Torn is what was put together from pieces of frames; a piece is a row.
        let mut known = vec![false; frame.len().div_ceil(self.row)];
        for number in 0..self.reel.frames {
            if self.matches(number, frame)? {
                return Ok(Flaw::Repeated);
            }
            let rows = self.expected.chunks(self.row).zip(frame.chunks(self.row));
            for (known, (expected, row)) in known.iter_mut().zip(rows) {
                *known |= expected == row;
            }
        }
        Ok(if known.iter().all(|&known| known) { Flaw::Torn } else { Flaw::Unknown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{ClientKind, FramesArgs};

    /// A film of eight frames of 20x20, each filled with its number.
    fn film(dir: &std::path::Path) -> DemoClientArgs {
        let file = dir.join("frames");
        let bytes: Vec<u8> = (0..8u8).flat_map(|number| vec![number; 600]).collect();
        std::fs::write(&file, bytes).unwrap();
        DemoClientArgs {
            frames: FramesArgs { file, width: 20, height: 20 },
            kind: ClientKind::Read,
            device: PathBuf::new(),
            samples: dir.to_owned(),
            sample_every: 2,
            count: 12,
        }
    }

    #[test]
    fn frames_are_told_apart() {
        let temp = tempfile::tempdir().unwrap();
        let args = film(temp.path());
        let reel = Reel::open(&args.frames).unwrap();
        let mut judge = Judge::new(&reel, &args);
        let mut verdict = |bytes: &[u8]| judge.judge(bytes, 1).unwrap();
        let received = |frame| Says::Received { frame, at: 1 };
        let spoiled = |flaw| Says::Spoiled { flaw };
        let whole = |number: u8| vec![number; 600];
        assert_eq!(verdict(&whole(0)), received(0));
        assert_eq!(verdict(&whole(3)), received(3));
        assert_eq!(verdict(&whole(9)), spoiled(Flaw::Unknown));
        let torn = [vec![4; 300], vec![5; 300]].concat();
        assert_eq!(verdict(&torn), spoiled(Flaw::Torn));
        let mut speck = whole(4);
        speck[77] ^= 1;
        assert_eq!(verdict(&speck), spoiled(Flaw::Unknown));
        assert_eq!(verdict(&whole(0)), received(8), "the film goes round");
        assert_eq!(verdict(&whole(0)), spoiled(Flaw::Repeated));
        assert_eq!(verdict(&whole(3)), received(11));
        assert_eq!(verdict(&whole(4)), spoiled(Flaw::Repeated), "more than were pushed");
        let mut names: Vec<_> =
            std::fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["frames", "read.00000000", "read.00000008"]);
    }
}
