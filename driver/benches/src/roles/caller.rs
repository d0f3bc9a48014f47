//! Makes calls that are none of ours, and opens devices.

use std::path::Path;

use vloopback_abi::v4l1::{VideoPicture, request};

use super::{RoleArgs, line, serve};
use crate::device::File;
use crate::error::BenchError;
use crate::shared::now;
use crate::stand;

/// Calls of one piece, see [`best`].
const PIECE: u64 = 500;

/// Picoseconds that a call takes when nothing comes in between: so many are made in pieces, and the
/// fastest piece counts. Nanoseconds of a call are few beside what an interrupt takes.
fn best(calls: u64, mut call: impl FnMut() -> Result<(), BenchError>) -> Result<u64, BenchError> {
    let mut least = u64::MAX;
    for _ in 0..calls.div_ceil(PIECE) {
        let start = now();
        for _ in 0..PIECE {
            call()?;
        }
        least = least.min(now() - start);
    }
    Ok(least * 1000 / PIECE)
}

/// Bytes of a request of VIDIOCGPICT: the number and the structure.
const REQUEST: usize = 8 + size_of::<VideoPicture>();

/// How long each of so many calls takes.
fn each(n: u64, mut call: impl FnMut() -> Result<(), BenchError>) -> Result<String, BenchError> {
    let mut times = Vec::new();
    for _ in 0..n {
        let start = now();
        call()?;
        times.push(now() - start);
    }
    Ok(line(&times))
}

/// Commands: `read N`, `ioctl N`, `open N` (the best of N, picoseconds a call), `device` (opens it and
/// keeps it), `opens N` (opens and closes the device), `memory`; `ask N` and `ping N` (nanoseconds of each of so
/// many VIDIOCGPICT of that device, and of as many messages of that length over the socket and back).
pub fn run(args: &RoleArgs) -> Result<(), BenchError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |e| BenchError::system(what, e)
    };
    let zero = File::open(Path::new("/dev/zero"), libc::O_RDONLY).map_err(failed("opening /dev/zero"))?;
    let mut kept = None;
    serve(args, |verb, numbers| {
        let n = numbers.first().copied().unwrap_or(0);
        let answer = match verb {
            "read" => {
                let mut byte = [0; 1];
                best(n, || zero.read(&mut byte).map(drop).map_err(failed("reading /dev/zero")))?
            }
            "ioctl" => best(n, || {
                zero.strange_ioctl();
                Ok(())
            })?,
            // Two calls.
            "open" => {
                let open = || File::open(Path::new("/dev/null"), libc::O_RDONLY);
                best(n, || open().map(File::close).map_err(failed("opening /dev/null")))? / 2
            }
            "device" => {
                kept = Some(File::open(&args.device, libc::O_RDWR).map_err(failed("opening the device"))?);
                0
            }
            "opens" => {
                for _ in 0..n {
                    File::open(&args.device, libc::O_RDWR).map_err(failed("opening the device"))?.close();
                }
                0
            }
            "ask" => {
                let device = kept.as_ref().ok_or_else(|| BenchError::last("no device is open"))?;
                let ask = || device.ioctl(request::GPICT, &mut VideoPicture::default());
                return each(n, || ask().map_err(failed("VIDIOCGPICT")));
            }
            "ping" => {
                let socket = args.pipe.map(File).ok_or_else(|| BenchError::last("there is no socket"))?;
                let mut bytes = [7; REQUEST];
                return each(n, || {
                    socket.write(&bytes).map_err(failed("writing to the socket"))?;
                    socket.read(&mut bytes).map(drop).map_err(failed("reading from the socket"))
                });
            }
            "memory" => stand::own_memory()?,
            _ => return Ok("error unknown".into()),
        };
        std::hint::black_box(&kept);
        Ok(line(&[answer]))
    })
}
