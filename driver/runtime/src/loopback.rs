//! /dev/v4l2loopback: the ioctls by which v4l2loopback's tools add and delete devices. The numbers and the structure are
//! those of its header's interface.

use core::ffi::c_int;

use vloopback_ioctl::UserMemory;
use vloopback_wire::{PipeSpec, Reply, Request};

use vloopback_link::connection;
use vloopback_sys::{FdList, Result};

use crate::own_memory::OwnMemory;

/// The version whose interface this is: 0.15.4.
const VERSION: u32 = 15 << 8 | 4;
/// The type of the requests: `_IO*('~', N, …)`.
const TYPE: u8 = b'~';
/// The three requests of older versions, which had numbers of their own: add, remove, query.
const OLDER: core::ops::RangeInclusive<u32> = 0x4C80..=0x4C82;
/// The bytes of the structure.
const LEN: usize = 72;

/// Which of the requests it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Version,
    Add,
    Remove,
    Query,
}

fn which(request: u32) -> Option<Which> {
    if OLDER.contains(&request) {
        return [Which::Add, Which::Remove, Which::Query].get((request - OLDER.start()) as usize).copied();
    }
    let known = [Which::Version, Which::Add, Which::Remove, Which::Query];
    if (request >> 8) as u8 == TYPE { known.get((request & 0xff) as usize).copied() } else { None }
}

/// Whether a request looks like one of these. Others have such numbers, too.
#[must_use]
pub fn is_request(request: u32) -> bool {
    which(request).is_some()
}

/// The structure, as words and a label.
fn spec_of(bytes: &[u8; LEN]) -> PipeSpec {
    let word = |at: usize| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut label = [0; 32];
    label[..31].copy_from_slice(&bytes[8..39]);
    // What is not above 0 is the default.
    let count = |at: usize| u32::try_from(word(at)).unwrap_or(0);
    PipeSpec {
        label,
        input: u32::try_from(word(0)).ok(),
        // The second number is not used there, and tools leave what they like in it.
        output: None,
        // There: least width, most width, least height, most height.
        sizes: [count(40), count(44), count(48), count(52)],
        max_buffers: count(56).min(32),
        max_openers: count(60),
    }
}

fn bytes_of(spec: &PipeSpec) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let number = |number: Option<u32>| number.and_then(|number| i32::try_from(number).ok()).unwrap_or(-1);
    let words = [(0, number(spec.input)), (4, number(spec.output))];
    let sizes = spec.sizes.iter().enumerate().map(|(k, size)| (40 + 4 * k, *size as i32));
    let counts = [(56, spec.max_buffers as i32), (60, spec.max_openers as i32)];
    for (at, word) in words.into_iter().chain(sizes).chain(counts) {
        bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    bytes[8..40].copy_from_slice(&spec.label);
    bytes
}

fn ask(request: &Request) -> Result<Reply> {
    match connection::ask(request, None, &mut FdList::new())?.0 {
        Reply::Denied { errno, .. } => Err(errno),
        reply => Ok(reply),
    }
}

/// One of the requests. Returns what ioctl returns.
///
/// # Errors
/// ENOSYS: there is no such request. EFAULT. EEXIST: the number is taken. EBUSY: somebody has the device open. ENODEV: there
/// is none. EPERM: it is not for this user. EINVAL.
pub fn ioctl(request: u32, arg: usize) -> Result<c_int> {
    match which(request).ok_or(libc::ENOSYS)? {
        Which::Version => {
            OwnMemory.write(arg, &VERSION.to_ne_bytes()).map_err(|_| libc::EFAULT)?;
            Ok(0)
        }
        Which::Add => {
            let mut bytes = [0xff; LEN];
            if arg == 0 {
                // All defaults.
                bytes[8..].fill(0);
            } else {
                OwnMemory.read(arg, &mut bytes).map_err(|_| libc::EFAULT)?;
            }
            match ask(&Request::Add { spec: spec_of(&bytes) })? {
                Reply::Added { input, .. } => Ok(input as c_int),
                _ => Err(libc::EIO),
            }
        }
        Which::Remove => {
            let node = u32::try_from(arg & 0xffff_ffff).ok().filter(|node| i32::try_from(*node).is_ok());
            ask(&Request::Remove { node: node.ok_or(libc::ENODEV)?, force: false }).map(|_| 0)
        }
        Which::Query => {
            let mut bytes = [0; LEN];
            OwnMemory.read(arg, &mut bytes).map_err(|_| libc::EFAULT)?;
            let asked = spec_of(&bytes);
            let node = asked.input.ok_or(libc::ENODEV)?;
            let Reply::Spec { spec } = ask(&Request::Query { node })? else { return Err(libc::EIO) };
            OwnMemory.write(arg, &bytes_of(&spec)).map_err(|_| libc::EFAULT)?;
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_goes_there_and_back() {
        let spec = PipeSpec {
            label: core::array::from_fn(|k| if k < 31 { b'a' + (k % 26) as u8 } else { 0 }),
            input: Some(7),
            output: Some(8),
            sizes: [2, 640, 3, 480],
            max_buffers: 4,
            max_openers: 5,
        };
        assert_eq!(spec_of(&bytes_of(&spec)), PipeSpec { output: None, ..spec });
        // -1 everywhere is the default everywhere.
        let mut bytes = [0xff; LEN];
        bytes[8..40].fill(0);
        assert_eq!(spec_of(&bytes), PipeSpec::default());
    }

    #[test]
    fn requests_are_told_apart() {
        for (number, expected) in
            [(0x8004_7e00, Which::Version), (0x4048_7e01, Which::Add), (0x4004_7e02, Which::Remove)]
        {
            assert_eq!(which(number), Some(expected));
        }
        assert_eq!([0x4c80, 0x4c81, 0x4c82].map(which), [Which::Add, Which::Remove, Which::Query].map(Some));
        for other in [0x4c83, 0x5600, 0x8068_5600, 0x7e04, 0] {
            assert!(!is_request(other), "{other:x}");
        }
    }
}
