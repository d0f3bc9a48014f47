//! The pusher: the same frames by either carrier.

use std::fs::File as Fifo;
use std::io::Write as _;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::END;
use super::fifos::{self, Frames};
use crate::device::File;
use crate::error::BenchError;
use crate::roles::{PacedArgs, line, serve_lines};
use crate::shared::{Shared, now, spin_until};
use crate::stand;
use vloopback_abi::v4l2::fourcc;

/// How often the frame that ends a run is given again, until every client has had it.
const AGAIN: Duration = Duration::from_millis(2);

struct Source {
    shared: Shared,
    device: File,
    fifos: Vec<Fifo>,
    frames: Option<Frames>,
    frame: Vec<u8>,
}

/// Commands: `format WIDTH HEIGHT`; `run OURS NUMBER FPS NANOS`, which answers how many frames it gave, how long that took and how
/// much CPU, both in nanoseconds.
pub fn run(args: &PacedArgs) -> Result<(), BenchError> {
    let device = File::open(&args.device, libc::O_RDWR)
        .map_err(|e| BenchError::system(format!("opening {}", args.device.display()), e))?;
    let fifos =
        (0..args.clients).map(|number| fifos::open(&args.fifos, number, true)).collect::<Result<_, _>>()?;
    let shared = Shared::inherited(args.shared)?;
    let mut source = Source { shared, device, fifos, frames: None, frame: Vec::new() };
    serve_lines(args.processor, |verb, numbers| match (verb, numbers) {
        ("format", &[width, height]) => {
            let bytes = width * height * 2;
            source
                .device
                .set_pixels(fourcc::YUYV, width as u32, height as u32, bytes as u32)
                .map_err(|e| BenchError::system("setting the format", e))?;
            source.frames = Some(Frames::open(&args.fifos, bytes)?);
            // Written to, so that it is memory and not the page of zeros.
            source.frame = (0..bytes).map(|k| k as u8).collect();
            Ok("ok".into())
        }
        ("run", &[ours, number, fps, nanos]) => source.give_all(ours == 1, number, fps, nanos),
        _ => Ok("error unknown".into()),
    })
}

impl Source {
    fn give(&mut self, is_ours: bool, stamp: u64) -> Result<(), BenchError> {
        self.frame[..8].copy_from_slice(&stamp.to_ne_bytes());
        if is_ours {
            return self.device.write(&self.frame).map_err(|e| BenchError::system("write() of a frame", e));
        }
        let frames = self.frames.as_ref().ok_or_else(|| BenchError::last("there is no format"))?;
        frames.put(&self.frame);
        for fifo in &mut self.fifos {
            match fifo.write(&[1]) {
                // A full FIFO wakes its client, too.
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(BenchError::system("write() to a FIFO", e)),
            }
        }
        Ok(())
    }

    fn give_all(&mut self, is_ours: bool, number: u64, fps: u64, nanos: u64) -> Result<String, BenchError> {
        let interval = 1_000_000_000u64.checked_div(fps).unwrap_or(0);
        let (begin, cpu) = (now(), stand::own_cpu());
        let mut given = 0;
        loop {
            let due = begin + given * interval;
            if due.max(now()) >= begin + nanos {
                break;
            }
            sleep_until(due);
            self.give(is_ours, now())?;
            given += 1;
        }
        let (wall, cpu) = (now() - begin, stand::own_cpu() - cpu);
        // Clients may still be at the last frame.
        std::thread::sleep(AGAIN);
        let mut failure = None;
        let mut next = 0;
        let source = std::cell::RefCell::new((self, &mut failure, &mut next));
        spin_until("the clients have had the last frame", || {
            let (this, failure, next) = &mut *source.borrow_mut();
            if now() >= **next {
                **next = now() + AGAIN.as_nanos() as u64;
                **failure = this.give(is_ours, END + number).err();
            }
            failure.is_some() || this.shared.streaming.load(SeqCst) == 0
        })?;
        failure.map_or(Ok(line(&[given, wall, cpu])), Err)
    }
}

fn sleep_until(time: u64) {
    let until = libc::timespec { tv_sec: (time / 1_000_000_000) as _, tv_nsec: (time % 1_000_000_000) as _ };
    // SAFETY: a time of ours; nothing is written. What a signal leaves of it does not matter here.
    unsafe {
        libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &until, std::ptr::null_mut())
    };
}
