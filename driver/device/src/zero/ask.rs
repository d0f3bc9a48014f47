//! The clients' side: requests that wait for the pusher's answer.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use vloopback_abi::ioc;
use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoMmap, VideoPicture, VideoWindow, request};
use vloopback_ioctl::forwarded;
use vloopback_ring::request_slot::MAX_DATA;
use zerocopy::{FromZeros, IntoBytes};

use crate::caller::Call;
use crate::open_file::own;
use crate::zero::turn::Turn;
use crate::zero::{NUMBER_MAX, shown};
use vloopback_sys::{Errno, Result};

/// An ioctl of a client on a zero-copy pipe.
///
/// # Errors
/// What the pusher answers: ENOTTY for a refusal, EINVAL for a set that it did not accept. EINVAL: more
/// data than a pusher's buffer has room for. EFAULT, EIO, ETIMEDOUT, EINTR, ENODEV.
pub fn forward(call: &Call, number: u32, arg: usize) -> Result<c_int> {
    let (session, abi) = (call.file, call.caller.abi());
    if forwarded::is_of_another_abi(abi, number) {
        return Err(Errno::ENOTTY);
    }
    let len = ioc::ioc_size(number);
    if len > MAX_DATA - NUMBER_MAX {
        // The pusher's buffer, 1024 bytes by the API document, is for the number too.
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; MAX_DATA];
    let has_data = ioc::ioc_dir(number) != ioc::NONE;
    call.caller.read(arg, &mut bytes[..if has_data { len } else { 0 }]).map_err(|_| Errno::EFAULT)?;
    // On its way it has the neutral form: the pusher may be of the other word size.
    let asked = forwarded::neutral_number(abi, number);
    let sent = if has_data { forwarded::widen(abi, asked, &mut bytes) } else { 0 };
    let data = &mut bytes[..sent];
    let turn = Turn::take(call)?;
    let copy = if shown::shows(asked) {
        shown::settle(&turn)?;
        shown::Copy::of(&turn, asked, data)?
    } else {
        None
    };
    turn.ask_for(asked, data, copy.is_some())?;
    if let Some(copy) = copy {
        copy.make(&turn)?;
    }
    shown::answered(session, &turn.inside, asked, data);
    drop(turn);
    if asked == request::SYNC {
        session.drawn.store(true, Ordering::Relaxed);
        session.page().received.fetch_add(1, Ordering::Relaxed);
    }
    if ioc::ioc_dir(number) & ioc::READ != 0 {
        let got = forwarded::narrow(abi, asked, &mut bytes);
        call.caller.write(arg, &bytes[..got]).map_err(|_| Errno::EFAULT)?;
    }
    Ok(0)
}

/// How often a read() begins anew because somebody drew under its copy.
const TRIES: u32 = 16;

/// read(2) on an output of a zero-copy pipe: never forwarded, but asked for as a mapped client does.
///
/// # Errors
/// As [`forward`], but for ETIMEDOUT, and EAGAIN never: a picture takes the time that it takes. EBUSY: see
/// [`own`]. EIO: others draw all the time.
pub fn read_frame(call: &Call, buf: usize, len: usize) -> Result<usize> {
    let session = call.file;
    own(session)?;
    let turn = Turn::take(call)?;
    let mut tries = 0;
    while tries < TRIES {
        match turn.copy_frame(call, buf, len) {
            Ok(Some(count)) => {
                let page = session.page();
                session.drawn.store(true, Ordering::Relaxed);
                page.received.fetch_add(1, Ordering::Relaxed);
                page.copies.fetch_add(1, Ordering::Relaxed);
                return Ok(count);
            }
            Ok(None) => tries += 1,
            // Others had their turn meanwhile; it is asked anew.
            Err(Errno::ETIMEDOUT) => {}
            Err(e) => return Err(e),
        }
    }
    Err(Errno::EIO)
}

impl Turn<'_> {
    /// Asks for a frame and copies it. None: another client's was drawn under the copy, because this one was
    /// stopped meanwhile.
    fn copy_frame(&self, call: &Call, buf: usize, len: usize) -> Result<Option<usize>> {
        let mut window = VideoWindow::new_zeroed();
        self.exchange(request::GWIN, &mut window)?;
        let mut picture = VideoPicture::new_zeroed();
        self.exchange(request::GPICT, &mut picture)?;
        let whole = Palette::from_number(picture.palette.into())
            .and_then(|palette| palette.frame_len(window.width, window.height))
            .ok_or(Errno::EINVAL)?;
        let count = len.min(whole);
        // The old driver's frame was at the beginning; a pusher that has told of another place has it there.
        let from = self.inside.pusher_page.origin().unwrap_or(0) as usize;
        if from.checked_add(whole).is_none_or(|end| end > self.inside.len) {
            return Err(Errno::EINVAL);
        }
        call.caller.check_writable(call, buf, count).map_err(|_| Errno::EFAULT)?;
        let mut order = VideoMmap {
            frame: 0,
            height: window.height as i32,
            width: window.width as i32,
            format: picture.palette.into(),
        };
        self.ask_for(request::MCAPTURE, order.as_mut_bytes(), true)?;
        self.ask_for(request::SYNC, 0i32.as_mut_bytes(), true)?;
        let (pusher_page, draws) = (self.inside.pusher_page, self.request_slot.draws());
        if pusher_page.draws() == draws {
            // SAFETY: `count` bytes at `buf` were checked, and the memory has at least as many from there on.
            unsafe { call.caller.copy_out(self.inside.frames.add(from).cast_const(), buf, count) }?;
        }
        self.request_slot.release();
        Ok((pusher_page.draws() == draws).then_some(count))
    }
}
