//! A client: it waits in one way, by either carrier.

use std::fs::File as Fifo;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::Ordering::SeqCst;

use super::fifos::{self, Frames};
use super::{END, Wait};
use crate::buffers::{Direction, Queue};
use crate::device::File;
use crate::error::BenchError;
use crate::roles::{PacedArgs, line, serve_lines};
use crate::shared::{Shared, now};
use crate::stand;

/// Where frames come from.
enum Carrier {
    Vloopback { device: File, queue: Queue, at: Option<u32> },
    Fifo { fifo: Fifo, frames: Frames, number: u64 },
}

struct Sink {
    carrier: Carrier,
    waiter: Waiter,
    reads: bool,
    bytes: usize,
    end: u64,
}

/// Commands: `begin OURS NUMBER WAIT READS BYTES`; `collect`, which streams until the last frame and answers how many frames there
/// were, half of the delays, 99 of 100 of them, and the CPU, in nanoseconds.
pub fn run(args: &PacedArgs) -> Result<(), BenchError> {
    let shared = Shared::inherited(args.shared)?;
    let mut sink = None;
    serve_lines(args.processor, |verb, numbers| match (verb, numbers) {
        ("begin", &[ours, number, wait, reads, bytes]) => {
            let carrier = if ours == 1 { Carrier::of_device(args)? } else { Carrier::of_fifo(args, bytes)? };
            let wait = Wait::ALL.into_iter().find(|kind| *kind as u64 == wait).unwrap_or(Wait::Poll);
            let waiter = Waiter::new(wait, carrier.descriptor())?;
            sink =
                Some(Sink { carrier, waiter, reads: reads == 1, bytes: bytes as usize, end: END + number });
            shared.streaming.fetch_add(1, SeqCst);
            Ok("ok".into())
        }
        ("collect", _) => {
            let mut sink = sink.take().ok_or_else(|| BenchError::last("nothing was begun"))?;
            let told = sink.collect();
            sink.end();
            shared.streaming.fetch_sub(1, SeqCst);
            told
        }
        _ => Ok("error unknown".into()),
    })
}

impl Carrier {
    fn of_device(args: &PacedArgs) -> Result<Self, BenchError> {
        let device = File::open(&args.device, libc::O_RDWR)
            .map_err(|e| BenchError::system(format!("opening {}", args.device.display()), e))?;
        let failed = |e| BenchError::system("beginning to stream", e);
        let queue = Queue::new(&device, Direction::Capture).map_err(failed)?;
        for index in 0..queue.count() {
            queue.queue(index).map_err(failed)?;
        }
        queue.start().map_err(failed)?;
        Ok(Self::Vloopback { device, queue, at: None })
    }

    fn of_fifo(args: &PacedArgs, bytes: u64) -> Result<Self, BenchError> {
        let frames = Frames::open(&args.fifos, bytes)?;
        let number = frames.newest().load(SeqCst);
        let fifo = fifos::open(&args.fifos, args.number, false)?;
        Ok(Self::Fifo { fifo, frames, number })
    }

    fn descriptor(&self) -> RawFd {
        match self {
            Self::Vloopback { device, .. } => device.0,
            Self::Fifo { fifo, .. } => fifo.as_raw_fd(),
        }
    }

    /// Takes a frame, waiting for it where there is none. None: woken for a frame that it has had.
    fn take(&mut self) -> io::Result<Option<*const u8>> {
        match self {
            Self::Vloopback { queue, at, .. } => {
                let index = queue.dequeue()?;
                *at = Some(index);
                Ok(Some(queue.memory(index)))
            }
            Self::Fifo { fifo, frames, number } => {
                // As many bytes as there are: what counts is the newest frame.
                let _ = fifo.read(&mut [0; 64])?;
                let newest = frames.newest().load(SeqCst);
                let fresh = std::mem::replace(number, newest) != newest;
                Ok(fresh.then(|| frames.at(newest)))
            }
        }
    }

    fn give_back(&mut self) -> io::Result<()> {
        match self {
            Self::Vloopback { queue, at, .. } => at.take().map_or(Ok(()), |index| queue.queue(index)),
            Self::Fifo { .. } => Ok(()),
        }
    }
}

impl Sink {
    fn collect(&mut self) -> Result<String, BenchError> {
        let failed = |e| BenchError::system("waiting for a frame", e);
        let cpu = stand::own_cpu();
        let mut delays = Vec::new();
        loop {
            self.waiter.wait().map_err(failed)?;
            let Some(frame) = self.carrier.take().map_err(failed)? else { continue };
            let time = now();
            // SAFETY: every frame has eight bytes, aligned to a page. The writer is another process.
            let stamp = unsafe { frame.cast::<u64>().read_volatile() };
            if stamp == self.end {
                break;
            }
            // The end of the run before is the first frame of a new stream.
            if stamp < END {
                delays.push(time.saturating_sub(stamp));
            }
            if self.reads {
                // SAFETY: a frame has so many bytes, which are ours until it is given back.
                std::hint::black_box(unsafe { sum(frame, self.bytes) });
            }
            self.carrier.give_back().map_err(failed)?;
        }
        let cpu = stand::own_cpu() - cpu;
        delays.sort_unstable();
        let at = |share: usize| delays.get((delays.len() * share / 100).min(delays.len().saturating_sub(1)));
        let (half, most) = (at(50).copied().unwrap_or(0), at(99).copied().unwrap_or(0));
        Ok(line(&[delays.len() as u64, half, most, cpu]))
    }

    fn end(self) {
        if let Carrier::Vloopback { device, queue, .. } = self.carrier {
            drop(queue);
            device.close();
        }
    }
}

/// Reads all of a frame.
///
/// # Safety
/// So many bytes are there, aligned to a word.
unsafe fn sum(frame: *const u8, bytes: usize) -> u64 {
    // SAFETY: the caller's promise.
    let words = unsafe { std::slice::from_raw_parts(frame.cast::<u64>(), bytes / 8) };
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// Waits for a descriptor to be readable.
enum Waiter {
    Poll(RawFd),
    Select(RawFd),
    Epoll(nix::sys::epoll::Epoll),
    /// The call that takes the frame waits.
    Nowhere,
}

impl Waiter {
    fn new(wait: Wait, fd: RawFd) -> Result<Self, BenchError> {
        use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

        Ok(match wait {
            Wait::Poll => Self::Poll(fd),
            Wait::Select => Self::Select(fd),
            Wait::Epoll => {
                let failed = |e| BenchError::system("epoll", e);
                let epoll = Epoll::new(EpollCreateFlags::empty()).map_err(failed)?;
                // SAFETY: the descriptor is open as long as the carrier is.
                let device = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
                epoll.add(device, EpollEvent::new(EpollFlags::EPOLLIN, 0)).map_err(failed)?;
                Self::Epoll(epoll)
            }
            Wait::Blocked => Self::Nowhere,
        })
    }

    fn wait(&self) -> io::Result<()> {
        let result = match self {
            Self::Poll(fd) => {
                let mut entry = libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 };
                // SAFETY: one entry.
                unsafe { libc::poll(&mut entry, 1, -1) }
            }
            Self::Select(fd) => {
                // SAFETY: a set of ours, whose bits are cleared first; the number is below FD_SETSIZE.
                unsafe {
                    let mut set = std::mem::zeroed();
                    libc::FD_ZERO(&mut set);
                    libc::FD_SET(*fd, &mut set);
                    let none = std::ptr::null_mut();
                    libc::select(fd + 1, &mut set, none, none, none.cast())
                }
            }
            Self::Epoll(epoll) => {
                let mut events = [nix::sys::epoll::EpollEvent::empty()];
                return epoll
                    .wait(&mut events, nix::sys::epoll::EpollTimeout::NONE)
                    .map(drop)
                    .map_err(Into::into);
            }
            Self::Nowhere => return Ok(()),
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
