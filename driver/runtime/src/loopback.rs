//! /dev/v4l2loopback: the ioctls by which v4l2loopback's tools add and delete devices. The numbers and the structure are
//! those of its header's interface. And the files of a node in /sys that can be written.

use core::ffi::c_int;

use vloopback_ioctl::UserMemory;
use vloopback_wire::{PipeSpec, Reply, Request};

use vloopback_link::connection;
use vloopback_sys::{Errno, FdList, Result};

use crate::own_memory::OwnMemory;
use crate::paths::decimal;

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
        Reply::Denied { errno, .. } => Err(Errno(errno)),
        reply => Ok(reply),
    }
}

/// One of the requests. Returns what ioctl returns.
///
/// # Errors
/// ENOSYS: there is no such request. EFAULT. EEXIST: the number is taken. EBUSY: somebody has the device open. ENODEV: there
/// is none. EPERM: it is not for this user. EINVAL.
pub fn ioctl(request: u32, arg: usize) -> Result<c_int> {
    match which(request).ok_or(Errno::ENOSYS)? {
        Which::Version => {
            OwnMemory.write(arg, &VERSION.to_ne_bytes()).map_err(|_| Errno::EFAULT)?;
            Ok(0)
        }
        Which::Add => {
            let mut bytes = [0xff; LEN];
            if arg == 0 {
                // All defaults.
                bytes[8..].fill(0);
            } else {
                OwnMemory.read(arg, &mut bytes).map_err(|_| Errno::EFAULT)?;
            }
            match ask(&Request::Add { spec: spec_of(&bytes) })? {
                Reply::Added { input, .. } => Ok(input as c_int),
                _ => Err(Errno::EIO),
            }
        }
        Which::Remove => {
            let node = u32::try_from(arg & 0xffff_ffff).ok().filter(|node| i32::try_from(*node).is_ok());
            ask(&Request::Remove { node: node.ok_or(Errno::ENODEV)?, force: false }).map(|_| 0)
        }
        Which::Query => {
            let mut bytes = [0; LEN];
            OwnMemory.read(arg, &mut bytes).map_err(|_| Errno::EFAULT)?;
            let asked = spec_of(&bytes);
            let node = asked.input.ok_or(Errno::ENODEV)?;
            let Reply::Spec { spec } = ask(&Request::Query { node })? else { return Err(Errno::EIO) };
            OwnMemory.write(arg, &bytes_of(&spec)).map_err(|_| Errno::EFAULT)?;
            Ok(0)
        }
    }
}

/// A file of a node's folder in /sys that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `format`: `@frames[/seconds]` sets the rate.
    Format,
    /// `max_openers`: how many may have the pipe open.
    MaxOpeners,
}

/// The most bytes that one of these files takes.
pub const ATTRIBUTE: usize = 64;

/// Which of these files a path names, and of which node: `…/videoN/format`, `/sys/dev/char/81:N/format`.
#[must_use]
pub fn attribute(path: &[u8]) -> Option<(Attribute, u32)> {
    let mut parts = path.strip_prefix(b"/sys/")?.rsplit(|byte| *byte == b'/');
    let which = match parts.next()? {
        b"format" => Attribute::Format,
        b"max_openers" => Attribute::MaxOpeners,
        _ => return None,
    };
    let folder = parts.next()?;
    let number = folder.strip_prefix(b"video").or_else(|| folder.strip_prefix(b"81:"))?;
    Some((which, decimal(number)?))
}

/// Frames a second as v4l2loopback's `format` takes them: `@30`, `@30000/1001`.
fn rate(text: &[u8]) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix(b"@")?.splitn(2, |byte| *byte == b'/');
    let frames = count(parts.next()?)?;
    let seconds = parts.next().map_or(Some(1), count)?;
    (frames != 0 && seconds != 0).then_some((frames, seconds))
}

fn count(digits: &[u8]) -> Option<u32> {
    core::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

/// What a program writes to one of these files, with or without a newline.
///
/// # Errors
/// EINVAL: it cannot be. EACCES: it is not for this user. ENODEV: there is no such node any more.
pub fn set_attribute(which: Attribute, node: u32, text: &[u8]) -> Result<()> {
    let text = text.strip_suffix(b"\0").unwrap_or(text).trim_ascii();
    let request = match which {
        Attribute::Format => {
            let (frames, seconds) = rate(text).ok_or(Errno::EINVAL)?;
            Request::SetCaps { node, format: None, interval: Some((seconds, frames)), keep: None }
        }
        Attribute::MaxOpeners => Request::SetMaxOpeners { node, most: count(text).ok_or(Errno::EINVAL)? },
    };
    ask(&request).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_can_be_written() {
        let of = |path: &str| attribute(path.as_bytes());
        for folder in
            ["/sys/class/video4linux/video7", "/sys/devices/virtual/video4linux/video7", "/sys/dev/char/81:7"]
        {
            assert_eq!(of(&format!("{folder}/format")), Some((Attribute::Format, 7)));
            assert_eq!(of(&format!("{folder}/max_openers")), Some((Attribute::MaxOpeners, 7)));
            assert_eq!(of(&format!("{folder}/name")), None);
        }
        assert_eq!(of("/dev/video7/format"), None);
        assert_eq!(of("/sys/class/video4linux/format"), None);
        assert_eq!([b"@25".as_slice(), b"@30000/1001"].map(rate), [Some((25, 1)), Some((30_000, 1001))]);
        for bad in ["25", "@", "@0", "@1/0", "@-1", "@+1", "@25/", "@25/1/1", "YUYV:640x480@25", "@x", ""] {
            assert_eq!(rate(bad.as_bytes()), None, "{bad}");
        }
    }

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
