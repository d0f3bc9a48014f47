//! Takes frames, as a V4L1 program with two of them mapped does.

use std::sync::atomic::Ordering::SeqCst;

use super::RoleArgs;
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
        } else {
            stream(args, &shared, pipe.as_ref())?;
        }
    }
}

fn stream(args: &RoleArgs, shared: &Shared, pipe: Option<&File>) -> Result<(), BenchError> {
    let device = File::open(&args.device, libc::O_RDWR)
        .map_err(|e| BenchError::system(format!("opening {}", args.device.display()), e))?;
    let frames = Frames::map(&device).map_err(|e| BenchError::system("mapping the frames", e))?;
    // The size in an order says nothing (LEGACY.md 6); the palette must be the pipe's.
    let palette = [GREY, YUYV]
        .into_iter()
        .find(|&palette| device.order(0, palette, 0, 0).is_ok())
        .ok_or_else(|| BenchError::last("ordering a frame"))?;
    let order =
        |frame| device.order(frame, palette, 0, 0).map_err(|e| BenchError::system("ordering a frame", e));
    for frame in 1..frames.count() {
        order(frame)?;
    }
    shared.streaming.fetch_add(1, SeqCst);
    let first = args.number == 0;
    let mut frame = 0;
    while args.number < shared.active.load(SeqCst) {
        if let Some(pipe) = pipe.filter(|_| shared.in_pipe.load(SeqCst) == 1) {
            let mut stamp = [0; 8];
            pipe.read(&mut stamp).map_err(|e| BenchError::system("read() from a pipe", e))?;
            shared.delay.store(now().saturating_sub(u64::from_ne_bytes(stamp)), SeqCst);
            shared.got.fetch_add(1, SeqCst);
            continue;
        }
        if let Err(error) = device.sync(frame) {
            shared.failures.fetch_add(1, SeqCst);
            return Err(BenchError::system("waiting for a frame", error));
        }
        if first {
            let stamp = frames.stamp(frame);
            shared.delay.store(now().saturating_sub(stamp), SeqCst);
            shared.last.store(stamp, SeqCst);
        }
        order(frame)?;
        shared.got.fetch_add(1, SeqCst);
        frame = (frame + 1) % frames.count();
    }
    shared.streaming.fetch_sub(1, SeqCst);
    drop(frames);
    device.close();
    Ok(())
}
