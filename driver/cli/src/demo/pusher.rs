//! The demonstration's pusher: finds a free pipe in /proc/video/vloopback and writes frames, as
//! pushers of the 2.4 era did. Runs under the preload library and knows nothing of it.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use vloopback_abi::{Palette, text};
use vloopback_proc::{ClaimOptions, claim_free_pipe};
use vloopback_sys::clock::now;

use super::film::Reel;
use super::message::{Says, say};
use super::sys;
use crate::args::DemoPusherArgs;

/// Claims, sets up, waits for a line on standard input, pushes, waits for its end.
///
/// # Errors
/// What did not work, for [`Says::Failed`].
pub fn push(args: &DemoPusherArgs) -> Result<(), String> {
    let told = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| format!("{what}: {error}")
    };
    let reel = Reel::open(&args.frames).map_err(told("the frames file"))?;
    let mut claimed = claim_free_pipe(&ClaimOptions::default()).map_err(|error| error.to_string())?;
    let input = claimed.input_path.display().to_string();
    let device = claimed.file.as_fd();
    let failed = |call: &'static str| {
        let input = input.clone();
        move |error: io::Error| format!("{input}: {call}: {error}")
    };

    let capability = sys::capability(device).map_err(failed("VIDIOCGCAP"))?;
    let mut picture = sys::picture(device).map_err(failed("VIDIOCGPICT"))?;
    picture.palette = Palette::Yuv420P.number();
    picture.depth = Palette::Yuv420P.depth();
    sys::set_picture(device, picture).map_err(failed("VIDIOCSPICT"))?;
    sys::set_size(device, args.frames.width, args.frames.height).map_err(failed("VIDIOCSWIN"))?;
    say(&Says::Claimed {
        index: claimed.index,
        input: input.clone(),
        output: claimed.output_path.display().to_string(),
        name: text::text(&capability.name).to_owned(),
    })
    .map_err(told("standard output"))?;

    let mut go = [0];
    io::stdin().read_exact(&mut go).map_err(told("standard input"))?;
    let step = Duration::from_secs(1) / args.rate.max(1);
    let start = Instant::now();
    let mut frame = vec![0; reel.length];
    for number in 0..args.count {
        reel.frame(number, &mut frame).map_err(told("the frames file"))?;
        if args.spoil == Some(number) {
            frame[reel.length / 2] ^= 0x80;
        }
        // The time of each frame is counted from the start, so that errors do not add up.
        let wait = (start + step * number).saturating_duration_since(Instant::now());
        std::thread::sleep(wait);
        let at = now();
        let written = claimed.file.write(&frame).map_err(failed("write"))?;
        if written != frame.len() {
            return Err(format!("{input}: write took {written} of {} bytes", frame.len()));
        }
        say(&Says::Pushed { frame: number, at }).map_err(told("standard output"))?;
    }
    say(&Says::AllPushed).map_err(told("standard output"))?;
    // The input stays open until the end of standard input: then the clients have all they want.
    io::copy(&mut io::stdin(), &mut io::sink()).map_err(told("standard input"))?;
    Ok(())
}
