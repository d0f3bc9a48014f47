//! Takes frames, as a V4L1 program with two of them mapped does, or as a V4L2 program with four.

use std::io;
use std::sync::atomic::Ordering::SeqCst;

use super::RoleArgs;
use crate::buffers::{Direction, Queue};
use crate::device::{File, Frames, GREY, YUYV};
use crate::error::BenchError;
use crate::shared::{Shared, now};
use crate::stand;

/// Streams whenever its number is below the shared page's `active`, until it is killed.
pub fn run(args: &RoleArgs) -> Result<(), BenchError> {
    stand::pin(args.processor)?;
    let shared = Shared::inherited(args.shared)?;
    let pipe = args.pipe.map(File);
    loop {
        let active = shared.active.load(SeqCst);
        if args.number >= active {
            shared.wait_active(active);
            continue;
        }
        let device = File::open(&args.device, libc::O_RDWR)
            .map_err(|e| BenchError::system(format!("opening {}", args.device.display()), e))?;
        let begin = |e| BenchError::system("beginning to stream", e);
        if args.v4l2 {
            let mut frames = Dequeued::start(&device).map_err(begin)?;
            stream(args, &shared, pipe.as_ref(), &mut frames)?;
        } else {
            let mut frames = Ordered::start(&device).map_err(begin)?;
            stream(args, &shared, pipe.as_ref(), &mut frames)?;
        }
        device.close();
    }
}

/// Frames as they come.
trait Source {
    /// Waits for the next one, which is the client's until it is given back.
    fn wait(&mut self) -> io::Result<()>;
    /// Its first eight bytes.
    fn stamp(&self) -> u64;
    /// Gives it back.
    fn give_back(&mut self) -> io::Result<()>;
}

/// Frames of V4L1: each is ordered, and waited for by its number.
struct Ordered<'a> {
    device: &'a File,
    frames: Frames,
    palette: u16,
    at: u32,
}

impl<'a> Ordered<'a> {
    fn start(device: &'a File) -> io::Result<Self> {
        let frames = Frames::map(device)?;
        // The size in an order says nothing (driver/docs/old-api.md, "Kept"); the palette must be the pipe's.
        let palette = [GREY, YUYV]
            .into_iter()
            .find(|&palette| device.order(0, palette, 0, 0).is_ok())
            .ok_or_else(io::Error::last_os_error)?;
        for frame in 1..frames.count() {
            device.order(frame, palette, 0, 0)?;
        }
        Ok(Self { device, frames, palette, at: 0 })
    }
}

impl Source for Ordered<'_> {
    fn wait(&mut self) -> io::Result<()> {
        self.device.sync(self.at)
    }

    fn stamp(&self) -> u64 {
        self.frames.stamp(self.at)
    }

    fn give_back(&mut self) -> io::Result<()> {
        self.device.order(self.at, self.palette, 0, 0)?;
        self.at = (self.at + 1) % self.frames.count();
        Ok(())
    }
}

/// Frames of V4L2: the device says which buffer one is in.
struct Dequeued {
    queue: Queue,
    at: u32,
}

impl Dequeued {
    fn start(device: &File) -> io::Result<Self> {
        let queue = Queue::new(device, Direction::Capture)?;
        for index in 0..queue.count() {
            queue.queue(index)?;
        }
        queue.start()?;
        Ok(Self { queue, at: 0 })
    }
}

impl Source for Dequeued {
    fn wait(&mut self) -> io::Result<()> {
        self.at = self.queue.dequeue()?;
        Ok(())
    }

    fn stamp(&self) -> u64 {
        self.queue.stamp(self.at)
    }

    fn give_back(&mut self) -> io::Result<()> {
        self.queue.queue(self.at)
    }
}

fn stream(
    args: &RoleArgs,
    shared: &Shared,
    pipe: Option<&File>,
    frames: &mut impl Source,
) -> Result<(), BenchError> {
    shared.streaming.fetch_add(1, SeqCst);
    let first = args.number == 0;
    while args.number < shared.active.load(SeqCst) {
        if let Some(pipe) = pipe.filter(|_| shared.in_pipe.load(SeqCst) == 1) {
            let mut stamp = [0; 8];
            pipe.read(&mut stamp).map_err(|e| BenchError::system("read() from a pipe", e))?;
            shared.delay.store(now().saturating_sub(u64::from_ne_bytes(stamp)), SeqCst);
            shared.got.fetch_add(1, SeqCst);
            continue;
        }
        if let Err(error) = frames.wait() {
            shared.failures.fetch_add(1, SeqCst);
            return Err(BenchError::system("waiting for a frame", error));
        }
        let stamp = frames.stamp();
        if first {
            shared.delay.store(now().saturating_sub(stamp), SeqCst);
        }
        frames.give_back().map_err(|e| BenchError::system("giving a frame back", e))?;
        shared.got.fetch_add(1, SeqCst);
        // Last: who waits for a stamp finds its frame counted.
        if first {
            shared.last.store(stamp, SeqCst);
        }
    }
    shared.streaming.fetch_sub(1, SeqCst);
    Ok(())
}
