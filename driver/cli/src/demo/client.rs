//! The demonstration's clients. Those of V4L1 are here, which take their pictures as old programs do:
//! one maps the driver's memory (MCAPTURE and SYNC, two frames in turn), the other calls read(). All
//! compare every byte of every frame with what was pushed. They run under the preload library and know
//! nothing of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use nix::errno::Errno;
use vloopback_abi::Palette;
use vloopback_abi::v4l1::{VID_TYPE_CAPTURE, VideoMmap};
use vloopback_sys::clock::now;

use super::film::Reel;
use super::judge::Judge;
use super::message::{Flaw, Says, say};
use super::{sys, tool, v4l2};
use crate::args::{ClientKind, DemoClientArgs};

/// Watches the pipe until its pusher leaves; another program, until it is told to end.
///
/// # Errors
/// What did not work, for [`Says::Failed`].
pub fn watch(args: &DemoClientArgs) -> Result<(), String> {
    let reel = Reel::open(&args.frames).map_err(|error| format!("the frames file: {error}"))?;
    let mut judge = Judge::new(&reel, args);
    match args.kind {
        ClientKind::Mmap | ClientKind::Read => v4l1(args, &mut judge),
        ClientKind::V4l2 => v4l2::watch(args, &mut judge),
        ClientKind::Ffmpeg | ClientKind::V4l2Ctl => tool::watch(args, &mut judge),
    }?;
    tell(&Says::Ended)
}

fn v4l1(args: &DemoClientArgs, judge: &mut Judge<'_>) -> Result<(), String> {
    let path = args.device.display().to_string();
    let failed = |call: &'static str| {
        let path = path.clone();
        move |error: io::Error| format!("{path}: {call}: {error}")
    };
    let device = File::options().read(true).write(true).open(&args.device).map_err(failed("open"))?;
    let capability = sys::capability(device.as_fd()).map_err(failed("VIDIOCGCAP"))?;
    if capability.type_ & VID_TYPE_CAPTURE == 0 {
        return Err(format!("{path}: VIDIOCGCAP does not report a capture device"));
    }
    let picture = sys::picture(device.as_fd()).map_err(failed("VIDIOCGPICT"))?;
    let size = sys::size(device.as_fd()).map_err(failed("VIDIOCGWIN"))?;
    if picture.palette != Palette::Yuv420P.number() || size != (args.frames.width, args.frames.height) {
        return Err(format!(
            "{path}: has palette {} at {}x{}, which was not pushed",
            picture.palette, size.0, size.1
        ));
    }
    if args.kind == ClientKind::Mmap {
        return by_mmap(args, &device, judge);
    }
    // As programs do that cannot map: both must be accepted as they are.
    sys::set_picture(device.as_fd(), picture).map_err(failed("VIDIOCSPICT"))?;
    sys::set_size(device.as_fd(), size.0, size.1).map_err(failed("VIDIOCSWIN"))?;
    by_read(args, &device, judge)
}

/// Says it to whoever started us.
///
/// # Errors
/// That nobody reads any more.
pub fn tell(what: &Says) -> Result<(), String> {
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
        let at = now();
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
        let at = now();
        let verdict = judge.judge(&frame, at)?;
        tell(&verdict)?;
    }
}
