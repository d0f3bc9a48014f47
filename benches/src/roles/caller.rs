//! Makes calls that are none of ours, and opens devices.

use std::path::Path;

use super::{RoleArgs, line, serve};
use crate::device::File;
use crate::error::BenchError;
use crate::shared::now;
use crate::stand;

/// Commands: `read N`, `ioctl N`, `open N` (nanoseconds in all), `device` (opens it and keeps it),
/// `opens N` (opens and closes the device), `memory`.
pub fn run(args: &RoleArgs) -> Result<(), BenchError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |e| BenchError::system(what, e)
    };
    let zero = File::open(Path::new("/dev/zero"), libc::O_RDONLY).map_err(failed("opening /dev/zero"))?;
    let mut kept = None;
    serve(args, |verb, numbers| {
        let n = numbers.first().copied().unwrap_or(0);
        let start = now();
        match verb {
            "read" => {
                let mut byte = [0; 1];
                for _ in 0..n {
                    zero.read(&mut byte).map_err(failed("reading /dev/zero"))?;
                }
            }
            "ioctl" => (0..n).for_each(|_| zero.strange_ioctl()),
            "open" => {
                for _ in 0..n {
                    File::open(Path::new("/dev/null"), libc::O_RDONLY)
                        .map_err(failed("opening /dev/null"))?
                        .close();
                }
            }
            "device" => {
                kept = Some(File::open(&args.device, libc::O_RDWR).map_err(failed("opening the device"))?);
            }
            "opens" => {
                for _ in 0..n {
                    File::open(&args.device, libc::O_RDWR).map_err(failed("opening the device"))?.close();
                }
            }
            "memory" => return Ok(line(&[stand::own_memory()?])),
            _ => return Ok("error unknown".into()),
        }
        std::hint::black_box(&kept);
        Ok(line(&[now() - start]))
    })
}
