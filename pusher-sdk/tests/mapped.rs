//! A V4L1 client that maps the ring, and a pusher that fills it in place: no copy at all, no frame
//! torn, and a held frame never changes. A process of its own: V4L1 requests make it a legacy one.

mod common;

use std::ffi::c_int;

use common::{Host, difference, number, picture};
use vloopback_abi::v4l1::{VideoMbuf, VideoMmap, request};
use vloopback_runtime::edge;
use vloopback_sdk::{Palette, Pusher};

fn ioctl<T>(fd: c_int, request: u32, argument: &mut T) {
    // SAFETY: every caller passes the structure that belongs to the request.
    unsafe { edge::ioctl(fd, request.into(), std::ptr::from_mut(argument) as usize) }.unwrap();
}

/// The `copies` that the server counts.
fn copies(host: &Host) -> u64 {
    let text = vloopback_daemon::query_list(&host.socket()).unwrap();
    let rest = text.split("\"copies\":").nth(1).unwrap().trim_start();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn a_frame_in_place_is_never_copied() {
    let host = Host::new(1);
    let mut pusher = Pusher::claim(&host.finder()).unwrap();
    pusher.set_format(Palette::Yuyv, 64, 48).unwrap();
    let len = pusher.frame_len();

    let fd = edge::open_device(number(pusher.output()), libc::O_RDWR).unwrap();
    let mut layout = VideoMbuf { size: 0, frames: 0, offsets: [0; 32] };
    ioctl(fd, request::GMBUF, &mut layout);
    assert_eq!(layout.frames, 30);
    let size = layout.size as usize;
    let (prot, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping.
    let map = unsafe { edge::mmap(fd, std::ptr::null_mut(), size, prot, shared, 0) }.unwrap();
    let shown = |frame: u32| {
        let offset = layout.offsets[frame as usize] as usize;
        assert!(offset + len <= size);
        // SAFETY: inside the mapping, which lives until the end of the test.
        unsafe { std::slice::from_raw_parts(map.cast::<u8>().add(offset), len) }
    };
    let arm = |frame: u32| {
        let mut named = VideoMmap { frame, height: 48, width: 64, format: Palette::Yuyv.format() };
        ioctl(fd, request::MCAPTURE, &mut named);
    };
    let sync = |frame: u32| ioctl(fd, request::SYNC, &mut c_int::try_from(frame).unwrap());

    arm(0);
    for k in 0..200u32 {
        let (now, next) = (k % 2, (k + 1) % 2);
        let mut slot = pusher.frame_slot().unwrap().unwrap();
        slot.copy_from_slice(&picture(k as usize, len));
        slot.publish().unwrap();
        sync(now);
        assert_eq!(difference(shown(now), &picture(k as usize, len)), None, "frame {k}");
        let mut wrong = shown(now).to_vec();
        wrong[k as usize] ^= 1;
        assert_eq!(difference(&wrong, &picture(k as usize, len)), Some(k as usize));
        // The next one is armed and half filled while this one is looked at.
        arm(next);
        let mut slot = pusher.frame_slot().unwrap().unwrap();
        slot[..len / 2].fill(0xee);
        assert_eq!(difference(shown(now), &picture(k as usize, len)), None, "held frame {k}");
        drop(slot);
    }
    assert_eq!(copies(&host), 0);
    // One more by the ordinary way, to see that copies are counted.
    pusher.write_frame(&picture(200, len)).unwrap();
    sync(0);
    assert_eq!(difference(shown(0), &picture(200, len)), None);
    assert_eq!(copies(&host), 1);
    assert_eq!(pusher.counters().published, 201);

    // SAFETY: our mapping and our descriptor, not used any more.
    unsafe {
        edge::before_munmap(map, size);
        libc::munmap(map, size);
        assert!(matches!(edge::before_close(fd), edge::Close::Last(_)));
        libc::close(fd);
    }
}
