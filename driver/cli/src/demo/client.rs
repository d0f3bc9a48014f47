//! The demonstration's clients, as old programs take their pictures: one maps the driver's memory
//! (MCAPTURE and SYNC, two frames in turn), the other calls read(). Both compare every byte of
//! every frame with what was pushed. They run under the preload library and know nothing of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::errno::Errno;
use vloopback_abi::Palette;
use vloopback_abi::v4l1::{VID_TYPE_CAPTURE, VideoMmap};

use super::film::Reel;
use super::message::{Flaw, Says, now, say};
use super::sys;
use crate::args::{ClientKind, DemoClientArgs};

/// Watches the pipe until its pusher leaves.
///
/// # Errors
/// What did not work, for [`Says::Failed`].
pub fn watch(args: &DemoClientArgs) -> Result<(), String> {
    let path = args.device.display().to_string();
    let failed = |call: &'static str| {
        let path = path.clone();
        move |error: io::Error| format!("{path}: {call}: {error}")
    };
    let reel = Reel::open(&args.frames).map_err(|error| format!("the frames file: {error}"))?;
    let device = File::options().read(true).write(true).open(&args.device).map_err(failed("open"))?;
    let capability = sys::capability(device.as_fd()).map_err(failed("VIDIOCGCAP"))?;
    if capability.type_ & VID_TYPE_CAPTURE == 0 {
        return Err(format!("{path}: VIDIOCGCAP does not call it a capture device"));
    }
    let picture = sys::picture(device.as_fd()).map_err(failed("VIDIOCGPICT"))?;
    let size = sys::size(device.as_fd()).map_err(failed("VIDIOCGWIN"))?;
    if picture.palette != Palette::Yuv420P.number() || size != (args.frames.width, args.frames.height) {
        return Err(format!(
            "{path}: shows palette {} at {}x{}, which was not pushed",
            picture.palette, size.0, size.1
        ));
    }
    let mut judge = Judge::new(&reel, args)?;
    match args.kind {
        ClientKind::Mmap => by_mmap(args, &device, &mut judge),
        ClientKind::Read => {
            // As programs do that cannot map: both must be accepted as they are.
            sys::set_picture(device.as_fd(), picture).map_err(failed("VIDIOCSPICT"))?;
            sys::set_size(device.as_fd(), size.0, size.1).map_err(failed("VIDIOCSWIN"))?;
            by_read(args, &device, &mut judge)
        }
    }?;
    tell(&Says::Ended)
}

fn tell(what: &Says) -> Result<(), String> {
    say(what).map_err(|error| format!("standard output: {error}"))
}

/// Whether an ioctl's error says that the pusher has left. Whoever started us knows whether it had.
fn is_end(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EINVAL as i32)
}

/// Two frames in turn: the next one is ordered before the current one is waited for.
fn by_mmap(args: &DemoClientArgs, device: &File, judge: &mut Judge<'_>) -> Result<(), String> {
    let path = args.device.display();
    let fd = device.as_fd();
    let buffers = sys::buffers(fd).map_err(|error| format!("{path}: VIDIOCGMBUF: {error}"))?;
    let offsets: Vec<usize> = usize::try_from(buffers.frames)
        .ok()
        .and_then(|frames| buffers.offsets.get(..frames))
        .unwrap_or_default()
        .iter()
        .filter_map(|&offset| usize::try_from(offset).ok())
        .collect();
    let length = usize::try_from(buffers.size).unwrap_or(0);
    if offsets.len() < 2 || length == 0 {
        return Err(format!("{path}: VIDIOCGMBUF gives {} frames in {length} bytes", buffers.frames));
    }
    let mapping = sys::Mapping::new(fd, length).map_err(|error| format!("{path}: mmap: {error}"))?;
    let order = |frame: u32| {
        let (width, height) = (args.frames.width as i32, args.frames.height as i32);
        let order = VideoMmap { frame, height, width, format: Palette::Yuv420P.format() };
        sys::order(fd, order)
    };
    let mut held = vec![0; judge.reel.length];
    let mut again = vec![0; judge.reel.length];
    order(0).map_err(|error| format!("{path}: VIDIOCMCAPTURE: {error}"))?;
    tell(&Says::Waiting)?;
    let mut current = 0;
    loop {
        let next = (current + 1) % 2;
        match order(next) {
            Ok(()) => {}
            // The pusher left in between.
            Err(error) if is_end(&error) => return Ok(()),
            Err(error) => return Err(format!("{path}: VIDIOCMCAPTURE: {error}")),
        }
        match sys::sync(fd, current as i32) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A pusher that leaves ends the wait so.
            Err(error) if is_end(&error) => return Ok(()),
            Err(error) => return Err(format!("{path}: VIDIOCSYNC: {error}")),
        }
        let at = now().map_err(|error| format!("the clock: {error}"))?;
        let offset = offsets[current as usize];
        let copy = |out: &mut [u8]| mapping.copy(offset, out).map_err(|error| format!("{path}: {error}"));
        copy(&mut held)?;
        let mut verdict = judge.judge(&held, at)?;
        // It is ours until it is ordered again: it must not have changed meanwhile.
        copy(&mut again)?;
        if again != held {
            verdict = Says::Spoiled { flaw: Flaw::Torn };
        }
        tell(&verdict)?;
        current = next;
    }
}

fn by_read(args: &DemoClientArgs, mut device: &File, judge: &mut Judge<'_>) -> Result<(), String> {
    let path = args.device.display();
    let mut frame = vec![0; judge.reel.length];
    tell(&Says::Waiting)?;
    loop {
        match device.read(&mut frame) {
            // A pusher that leaves is the end of the file.
            Ok(0) => return Ok(()),
            Ok(length) if length == frame.len() => {}
            Ok(length) => return Err(format!("{path}: read gave {length} of {} bytes", frame.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(format!("{path}: read: {error}")),
        }
        let at = now().map_err(|error| format!("the clock: {error}"))?;
        let verdict = judge.judge(&frame, at)?;
        tell(&verdict)?;
    }
}

/// Knows what was pushed, and says which frame a client got.
struct Judge<'a> {
    reel: &'a Reel,
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
    fn new(reel: &'a Reel, args: &DemoClientArgs) -> Result<Self, String> {
        Ok(Judge {
            reel,
            next: 0,
            count: args.count,
            received: 0,
            every: args.sample_every.max(1),
            samples: args.samples.join(args.kind.name()),
            expected: vec![0; reel.length],
            row: (args.frames.width as usize).max(1),
        })
    }

    /// Compares a frame with those that may come now: the next one, or one further on where some
    /// were dropped.
    fn judge(&mut self, frame: &[u8], at: u64) -> Result<Says, String> {
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
    use crate::args::FramesArgs;

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
        let mut judge = Judge::new(&reel, &args).unwrap();
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
