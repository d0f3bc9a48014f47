//! Writes frames.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use memmap2::MmapOptions;
use nix::sys::memfd::{MFdFlags, memfd_create};
use vloopback_abi::v4l2::Fourcc;

use super::{RoleArgs, line, serve};
use crate::buffers::{Direction, Queue};
use crate::device::File;
use crate::error::BenchError;
use crate::shared::{Shared, now, spin_for, spin_until};
use crate::stand;

/// How long clients get to fall asleep before they are woken again.
const REST: Duration = Duration::from_micros(200);

struct Pusher {
    shared: Shared,
    device: File,
    pipe: Option<File>,
    /// The frame, as a program has it: ordinary memory.
    frame: Vec<u8>,
    /// What memcpy is measured over: slots of shared memory, as a ring's are.
    slots: Vec<memmap2::MmapMut>,
    /// Buffers to fill in place, and those of them that were never queued.
    buffers: Option<(Queue, Vec<u32>)>,
}

/// Commands: `format PALETTE WIDTH HEIGHT BYTES`, `slots N`, `copy N`, `push N`, `paced N`, `unused N`,
/// `wake N`, `wake-pipe N`, `quiet CLIENTS`, `memory`; `buffers FOURCC WIDTH HEIGHT BYTES` (instead of
/// `format`; how many it got), `fill N`, `queue N`.
pub fn run(args: &RoleArgs) -> Result<(), BenchError> {
    let shared = Shared::inherited(args.shared)?;
    let device = File::open(&args.device, libc::O_RDWR)
        .map_err(|e| BenchError::system(format!("opening {}", args.device.display()), e))?;
    let mut pusher = Pusher {
        shared,
        device,
        pipe: args.pipe.map(File),
        frame: Vec::new(),
        slots: Vec::new(),
        buffers: None,
    };
    serve(args, |verb, numbers| {
        let n = numbers.first().copied().unwrap_or(0);
        match (verb, numbers) {
            ("format", &[palette, width, height, bytes]) => {
                pusher
                    .device
                    .set_format(palette as u16, width as u32, height as u32)
                    .map_err(|e| BenchError::system("setting the format", e))?;
                pusher.make_frame(bytes);
                Ok("ok".into())
            }
            ("buffers", &[fourcc, width, height, bytes]) => {
                let (width, height, len) = (width as u32, height as u32, bytes as u32);
                pusher
                    .device
                    .set_pixels(Fourcc(fourcc as u32), width, height, len)
                    .map_err(|e| BenchError::system("setting the format", e))?;
                let queue = Queue::new(&pusher.device, Direction::Output)
                    .map_err(|e| BenchError::system("mapping buffers", e))?;
                let fresh = (0..queue.count()).rev().collect();
                queue.start().map_err(|e| BenchError::system("VIDIOC_STREAMON of an input", e))?;
                let count = queue.count().into();
                pusher.buffers = Some((queue, fresh));
                pusher.make_frame(bytes);
                Ok(line(&[count]))
            }
            ("slots", _) => pusher.make_slots(n).map(|()| "ok".into()),
            ("copy", _) => Ok(line(&[pusher.copy(n)])),
            ("push", _) => pusher.push(n, Pusher::write_stamped),
            ("fill", _) => Ok(line(&[pusher.fill(n)])),
            ("queue", _) => pusher.push(n, Pusher::fill_and_queue),
            ("paced", _) => pusher.paced(n),
            ("unused", _) => pusher.unused(n),
            ("wake", _) => pusher.wake(n, false),
            ("wake-pipe", _) => pusher.wake(n, true),
            ("quiet", _) => pusher.quiet(n),
            ("memory", _) => Ok(line(&[stand::own_memory()?])),
            _ => Ok("error unknown".into()),
        }
    })
}

impl Pusher {
    fn make_frame(&mut self, bytes: u64) {
        // Written to, so that it is memory and not the page of zeros.
        self.frame = (0..bytes).map(|k| k as u8).collect();
    }

    fn make_slots(&mut self, slots: u64) -> Result<(), BenchError> {
        let failed = |e: std::io::Error| BenchError::system("memory to copy to", e);
        self.slots.clear();
        for _ in 0..slots {
            let fd =
                memfd_create(c"vloopback-bench-slot", MFdFlags::MFD_CLOEXEC).map_err(|e| failed(e.into()))?;
            nix::unistd::ftruncate(&fd, self.frame.len() as i64).map_err(|e| failed(e.into()))?;
            // SAFETY: the file is nobody else's, so nobody shortens or writes it.
            self.slots
                .push(unsafe { MmapOptions::new().len(self.frame.len()).map_mut(&fd) }.map_err(failed)?);
        }
        Ok(())
    }

    fn stamp(&mut self, stamp: u64) {
        self.frame[..8].copy_from_slice(&stamp.to_ne_bytes());
    }

    fn write(&self) -> Result<(), BenchError> {
        self.device.write(&self.frame).map_err(|e| BenchError::system("write() of a frame", e))
    }

    /// The baseline of `push`: nanoseconds for so many copies.
    fn copy(&mut self, frames: u64) -> u64 {
        let start = now();
        for n in 0..frames {
            self.stamp(n);
            let slot = n as usize % self.slots.len();
            self.slots[slot].copy_from_slice(&self.frame);
            std::hint::black_box(&mut self.slots[slot]);
        }
        now() - start
    }

    /// The baseline of `queue`: nanoseconds for so many frames made in shared memory.
    fn fill(&mut self, frames: u64) -> u64 {
        let start = now();
        for n in 0..frames {
            let slot = n as usize % self.slots.len();
            self.slots[slot].fill(n as u8);
            self.slots[slot][..8].copy_from_slice(&n.to_ne_bytes());
            std::hint::black_box(&mut self.slots[slot]);
        }
        now() - start
    }

    fn write_stamped(&mut self, stamp: u64) -> Result<(), BenchError> {
        self.stamp(stamp);
        self.write()
    }

    fn fill_and_queue(&mut self, stamp: u64) -> Result<(), BenchError> {
        let (queue, fresh) = self.buffers.as_mut().ok_or_else(|| BenchError::last("there are no buffers"))?;
        let index = match fresh.pop() {
            Some(index) => index,
            None => queue.dequeue().map_err(|e| BenchError::system("VIDIOC_DQBUF of an input", e))?,
        };
        queue.fill(index, stamp);
        queue.queue(index).map_err(|e| BenchError::system("VIDIOC_QBUF of an input", e))
    }

    /// Flat out, until client 0 has the last frame: nanoseconds, and how many it got.
    fn push(
        &mut self,
        frames: u64,
        give: fn(&mut Self, u64) -> Result<(), BenchError>,
    ) -> Result<String, BenchError> {
        let before = self.shared.got.load(SeqCst);
        let start = now();
        let mut stamp = start;
        for _ in 0..frames {
            stamp += 1;
            give(self, stamp)?;
        }
        spin_until("the client has the last frame", || self.shared.last.load(SeqCst) == stamp)?;
        let time = now() - start;
        Ok(line(&[time, self.shared.got.load(SeqCst) - before]))
    }

    /// One by one, the next when all clients have had the last: nanoseconds of each write().
    fn paced(&mut self, frames: u64) -> Result<String, BenchError> {
        let clients = u64::from(self.shared.streaming.load(SeqCst));
        let mut times = Vec::new();
        for _ in 0..frames {
            let got = self.shared.got.load(SeqCst);
            self.stamp(now());
            let start = now();
            self.write()?;
            times.push(now() - start);
            spin_until("all clients have the frame", || self.shared.got.load(SeqCst) >= got + clients)?;
            spin_for(REST);
        }
        Ok(line(&times))
    }

    /// Nobody looks: nanoseconds for so many.
    fn unused(&mut self, frames: u64) -> Result<String, BenchError> {
        let start = now();
        for _ in 0..frames {
            self.write()?;
        }
        Ok(line(&[now() - start]))
    }

    /// Nanoseconds from just before the write to the return of the client's wait, for each.
    fn wake(&mut self, times: u64, in_pipe: bool) -> Result<String, BenchError> {
        let was = self.shared.in_pipe.swap(in_pipe.into(), SeqCst) == 1;
        if was != in_pipe {
            // The client still waits where it waited before.
            self.kick(was)?;
        }
        let mut delays = Vec::new();
        for _ in 0..times {
            delays.push(self.kick(in_pipe)?);
        }
        Ok(line(&delays))
    }

    fn kick(&mut self, in_pipe: bool) -> Result<u64, BenchError> {
        spin_for(REST);
        let got = self.shared.got.load(SeqCst);
        if in_pipe {
            let pipe = self.pipe.as_ref().ok_or_else(|| BenchError::last("there is no pipe"))?;
            pipe.write(&now().to_ne_bytes()).map_err(|e| BenchError::system("write() into a pipe", e))?;
        } else {
            self.stamp(now());
            self.write()?;
        }
        spin_until("the client woke up", || self.shared.got.load(SeqCst) > got)?;
        Ok(self.shared.delay.load(SeqCst))
    }

    /// Writes until no more than so many clients stream.
    fn quiet(&mut self, clients: u64) -> Result<String, BenchError> {
        self.shared.set_active(clients as u32);
        while u64::from(self.shared.streaming.load(SeqCst)) > clients {
            self.stamp(now());
            self.write()?;
            spin_for(REST);
        }
        Ok("ok".into())
    }
}
