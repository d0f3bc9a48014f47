//! V4L1 requests that travel from a client to a zero-copy pusher, between programs of either word size.
//!
//! They travel in the neutral form: number and structure of a 64-bit program. Each end converts between that and
//! its own program's form; for a 64-bit program nothing changes. A request that is not a V4L1 request of both
//! word sizes travels as it is.
//!
//! A structure's address means nothing in the other program, so its upper half is cut. A number that is
//! too large for a 32-bit program becomes the largest. [`crate::dispatch_v4l1`] refuses both; but a pusher must
//! get every request, and many contain what the client left uninitialised.

use vloopback_abi::ioc::ioc_size;
use vloopback_abi::v4l1::shapes32::{VideoBuffer32, VideoCode32, VideoTuner32, VideoWindow32};
use vloopback_abi::v4l1::{VideoBuffer, VideoCode, VideoTuner, VideoWindow};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{Abi, V4l1Request};

/// The most bytes by which the neutral form is longer than a program's own.
pub const GROWTH: usize = 12;

/// Whether the number is that of a request in a program of the other word size: unknown to this one.
#[must_use]
pub fn is_of_another_abi(abi: Abi, number: u32) -> bool {
    let other = match abi {
        Abi::Lp64 => Abi::Ilp32,
        Abi::Ilp32 => Abi::Lp64,
    };
    let knows = |abi| V4l1Request::find(number.into(), abi).is_some();
    !knows(abi) && knows(other)
}

/// The neutral number of a request of a program of this ABI.
#[must_use]
pub fn neutral_number(abi: Abi, number: u32) -> u32 {
    match abi {
        Abi::Lp64 => number,
        Abi::Ilp32 => V4l1Request::find(number.into(), abi).map_or(number, |id| id.row().lp64),
    }
}

/// The number that a program of this ABI has for a request in neutral form.
#[must_use]
pub fn own_number(abi: Abi, number: u32) -> u32 {
    match abi {
        Abi::Lp64 => number,
        Abi::Ilp32 => V4l1Request::find(number.into(), Abi::Lp64).map_or(number, |id| id.row().ilp32),
    }
}

/// Changes the data of a request, which begins `data`, from a program's own form into the neutral one.
/// `number` is the neutral number. Returns the data's length.
///
/// Data that `data` has no room for is left as it is.
pub fn widen(abi: Abi, number: u32, data: &mut [u8]) -> usize {
    use V4l1Request as R;
    let id = if abi == Abi::Lp64 { None } else { V4l1Request::find(number.into(), Abi::Lp64) };
    let changed = match id {
        Some(R::Gtuner | R::Stuner) => change(data, <VideoTuner as From<VideoTuner32>>::from),
        Some(R::Gwin | R::Swin) => change(data, <VideoWindow as From<VideoWindow32>>::from),
        Some(R::Gfbuf | R::Sfbuf) => change(data, <VideoBuffer as From<VideoBuffer32>>::from),
        Some(R::Gfreq | R::Sfreq) => change(data, <u64 as From<u32>>::from),
        Some(R::Smicrocode) => change(data, <VideoCode as From<VideoCode32>>::from),
        _ => None,
    };
    changed.unwrap_or(ioc_size(number))
}

/// Changes the data of a request from the neutral form into that of a program. `number` is the neutral
/// number. Returns the data's length.
///
/// Data that `data` has no room for is left as it is.
pub fn narrow(abi: Abi, number: u32, data: &mut [u8]) -> usize {
    use V4l1Request as R;
    let id = if abi == Abi::Lp64 { None } else { V4l1Request::find(number.into(), Abi::Lp64) };
    let changed = match id {
        Some(R::Gtuner | R::Stuner) => change(data, |wide: VideoTuner| VideoTuner32::from(wide)),
        Some(R::Gwin | R::Swin) => change(data, |wide: VideoWindow| {
            VideoWindow32::try_from(VideoWindow { clips: low(wide.clips), ..wide }).unwrap_or_default()
        }),
        Some(R::Gfbuf | R::Sfbuf) => change(data, |wide: VideoBuffer| {
            VideoBuffer32::try_from(VideoBuffer { base: low(wide.base), ..wide }).unwrap_or_default()
        }),
        Some(R::Gfreq | R::Sfreq) => change(data, |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX)),
        Some(R::Smicrocode) => change(data, |wide: VideoCode| {
            VideoCode32::try_from(VideoCode { data: low(wide.data), ..wide }).unwrap_or_default()
        }),
        _ => None,
    };
    changed.unwrap_or(ioc_size(own_number(abi, number)))
}

/// The lower half of an address.
fn low(address: u64) -> u64 {
    address & u64::from(u32::MAX)
}

/// Replaces the structure that `data` begins with. None where there is no room for both.
fn change<From, To>(data: &mut [u8], into: impl FnOnce(From) -> To) -> Option<usize>
where
    From: FromBytes,
    To: IntoBytes + Immutable,
{
    let room = data.get_mut(..size_of::<To>().max(size_of::<From>()))?;
    let from = From::read_from_bytes(&room[..size_of::<From>()]).ok()?;
    let to = into(from);
    room[..size_of::<To>()].copy_from_slice(to.as_bytes());
    Some(size_of::<To>())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::V4L1;
    use std::vec::Vec;

    #[test]
    fn numbers_there_and_back() {
        for row in V4L1 {
            assert_eq!(neutral_number(Abi::Ilp32, row.ilp32), row.lp64);
            assert_eq!(own_number(Abi::Ilp32, row.lp64), row.ilp32);
            assert_eq!(
                (neutral_number(Abi::Lp64, row.lp64), own_number(Abi::Lp64, row.lp64)),
                (row.lp64, row.lp64)
            );
            let differs = row.lp64 != row.ilp32;
            assert_eq!(is_of_another_abi(Abi::Lp64, row.ilp32), differs, "{}", row.name);
            assert_eq!(is_of_another_abi(Abi::Ilp32, row.lp64), differs, "{}", row.name);
            assert!(!is_of_another_abi(Abi::Lp64, row.lp64) && !is_of_another_abi(Abi::Ilp32, row.ilp32));
        }
        // A driver's own request.
        assert_eq!((neutral_number(Abi::Ilp32, 0x4004_76d0), own_number(Abi::Ilp32, 0)), (0x4004_76d0, 0));
    }

    #[test]
    fn data_there_and_back() {
        for row in V4L1.iter().filter(|row| !row.is_empty()) {
            let own = ioc_size(row.ilp32);
            let before: Vec<u8> = (1..=own as u8 as usize).map(|n| n as u8).collect();
            let mut data = before.clone();
            data.resize(own + GROWTH, 0xee);
            assert_eq!(widen(Abi::Ilp32, row.lp64, &mut data), ioc_size(row.lp64), "{}", row.name);
            assert_eq!(narrow(Abi::Ilp32, row.lp64, &mut data), own, "{}", row.name);
            assert_eq!(data[..before.len()], before, "{}", row.name);
            // For a 64-bit program nothing changes.
            let mut same = before.clone();
            assert_eq!(widen(Abi::Lp64, row.lp64, &mut same), ioc_size(row.lp64));
            assert_eq!(narrow(Abi::Lp64, row.lp64, &mut same), ioc_size(row.lp64));
            assert_eq!(same, before);
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_and_the_rest_is_right() {
        let mut window =
            VideoWindow { width: 640, clips: 0x7fff_1234_5678, clipcount: 3, ..Default::default() };
        assert_eq!(narrow(Abi::Ilp32, crate::v4l1::V4l1Request::Swin.row().lp64, window.as_mut_bytes()), 32);
        let narrowed = VideoWindow32::read_from_prefix(window.as_bytes()).expect("long enough").0;
        assert_eq!((narrowed.width, narrowed.clips, narrowed.clipcount), (640, 0x1234_5678, 3));
        let mut frequency = 1u64 << 40;
        assert_eq!(narrow(Abi::Ilp32, V4l1Request::Sfreq.row().lp64, frequency.as_mut_bytes()), 4);
        assert_eq!(frequency.as_bytes()[..4], [0xff; 4]);
    }

    #[test]
    fn data_without_room_is_left_alone() {
        let mut short = [7; 39];
        assert_eq!(narrow(Abi::Ilp32, V4l1Request::Gwin.row().lp64, &mut short), 32);
        assert_eq!(widen(Abi::Ilp32, V4l1Request::Gwin.row().lp64, &mut short), 40);
        assert_eq!(short, [7; 39]);
    }
}
