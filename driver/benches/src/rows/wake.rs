//! Waking clients up.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::SeqCst;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::{Bar, Row, RowName, Scale, Set, Size};
use crate::error::BenchError;
use crate::stats::Summary;

/// Few and many sleeping clients.
const FEW: u32 = 4;
const MANY: u32 = 32;

fn median(nanos: &[u64]) -> f64 {
    Summary::of(&nanos.iter().map(|&n| n as f64).collect::<Vec<_>>()).median
}

/// write() of a small frame with 4 and with 32 clients asleep in VIDIOCSYNC.
pub fn sleepers(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let mut pusher = set.pusher(None)?;
    pusher.ask(&Size::SMALLEST.command())?;
    let clients = (0..MANY).map(|n| set.client(n, None)).collect::<Result<Vec<_>, _>>()?;
    let (rounds, frames) = scale.pick((2, 10), (15, 100));
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        for (count, times) in [(FEW, &mut few), (MANY, &mut many)] {
            pusher.ask(&format!("quiet {count}"))?;
            set.stream(count)?;
            let nanos = pusher.ask(&format!("paced {frames}"))?;
            if round > 0 {
                times.push(median(&nanos) / 1e3);
            }
        }
    }
    let failures = set.shared.failures.load(SeqCst);
    drop(clients);
    let (few, many) = (Summary::of(&few), Summary::of(&many));
    let figure = (many.median - few.median) / f64::from(MANY - FEW);
    let mut row = Bar::at_most(2.0, "µs a client").row(RowName::Sleepers, "µs", Some(few), many, figure);
    row.note = format!("{FEW} and {MANY} clients, {failures} failed waits");
    Ok(row)
}

/// The smallest frame to a blocked client, beside a pipe's byte between the same two.
pub fn wake(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let (read_end, write_end) = nix::unistd::pipe().map_err(|e| BenchError::system("pipe", e))?;
    let mut pusher = set.pusher(Some(write_end.as_raw_fd()))?;
    pusher.ask(&Size::SMALLEST.command())?;
    let _client = set.client(0, Some(read_end.as_raw_fd()))?;
    set.stream(1)?;
    let (rounds, times) = scale.pick((3, 20), (31, 200));
    let (mut pipe, mut device) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let baseline = pusher.ask(&format!("wake-pipe {times}"))?;
        let candidate = pusher.ask(&format!("wake {times}"))?;
        if round > 0 {
            pipe.push(median(&baseline) / 1e3);
            device.push(median(&candidate) / 1e3);
        }
    }
    let (pipe, device) = (Summary::of(&pipe), Summary::of(&device));
    let figure = device.median / pipe.median;
    Ok(Bar::at_most(1.2, "of a pipe").row(RowName::Wake, "µs", Some(pipe), device, figure))
}

/// An ioctl from a client's call to its return, answered by a zero-copy pusher's signal handler, beside a
/// message over a socket between the same two, answered by the same handler.
pub fn forwarded(scale: Scale) -> Result<Row, BenchError> {
    let set = Set::new()?;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::empty())
        .map_err(|e| BenchError::system("socketpair", e))?;
    let (mut server, mut caller) = set.forwarding([one.as_raw_fd(), other.as_raw_fd()])?;
    server.ask("ready")?;
    caller.ask("device")?;
    let (rounds, times) = scale.pick((3, 20), (31, 200));
    let (mut socket, mut device) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let baseline = caller.ask(&format!("ping {times}"))?;
        let candidate = caller.ask(&format!("ask {times}"))?;
        if round > 0 {
            socket.push(median(&baseline) / 1e3);
            device.push(median(&candidate) / 1e3);
        }
    }
    let (socket, device) = (Summary::of(&socket), Summary::of(&device));
    let figure = device.median / socket.median;
    Ok(Bar::at_most(1.4, "of a socket").row(RowName::Forwarded, "µs", Some(socket), device, figure))
}
