//! What a V4L1 program has mapped shows the frames of the zero-copy pusher that there is, whoever pushed when it
//! mapped.
//!
//! A program that goes on after a change of pusher has not looked at VIDIOCGMBUF again, so the new pusher is asked for
//! it before the first MCAPTURE or SYNC ([`settle`]). Are its frames where the program looks for them, then its
//! memory takes the former one's place. Else each frame is copied when its SYNC has been answered ([`Copy`]).

use core::sync::atomic::Ordering;

use vloopback_abi::palette::Palette;
use vloopback_abi::v4l1::{VideoMbuf, VideoMmap, VideoPicture, VideoWindow, request};
use zerocopy::{FromBytes, FromZeros};

use crate::open_file::OpenFile;
use crate::ranges::{Layout, View};
use crate::zero::memory::Inside;
use crate::zero::turn::Turn;
use vloopback_sys::lock::NoSignals;
use vloopback_sys::{Errno, Result};

/// Whether the request is one whose success says that a frame is, or will be, where the program looks for it.
pub(super) fn shows(number: u32) -> bool {
    matches!(number, request::MCAPTURE | request::SYNC)
}

/// Brings what the program has mapped to the memory of the pusher that the turn asks. Once a pusher; costs nothing
/// afterwards.
///
/// # Errors
/// ENOMEM; what the pusher's answers may be, but for a refusal.
pub(super) fn settle(turn: &Turn) -> Result<()> {
    let (session, inside) = (turn.session(), &turn.inside);
    if session.shown.load(Ordering::SeqCst) == inside.zero {
        return Ok(());
    }
    let theirs = {
        let quiet = NoSignals::new();
        let mappings = session.mappings.lock(&quiet);
        let told = mappings.ranges.told();
        if !mappings.has_any_of_v4l1() || !told.is_told() {
            None
        } else if mappings.ranges.told_of() == inside.zero {
            Some(*told)
        } else {
            drop(mappings);
            let mut layout = VideoMbuf::new_zeroed();
            match turn.exchange(request::GMBUF, &mut layout) {
                Ok(()) => Some(Layout::new(&layout)),
                // As read() has it, of a pusher that does not tell.
                Err(Errno::ENOTTY | Errno::EINVAL) => Some(Layout::single(origin(inside), inside.len)),
                Err(e) => return Err(e),
            }
        }
    };
    if show(session, inside, theirs.as_ref())? {
        session.copied.store(0, Ordering::SeqCst);
        session.shown.store(inside.zero, Ordering::SeqCst);
        return Ok(());
    }
    let frame_len = frame_len(turn)?;
    let quiet = NoSignals::new();
    let mut mappings = session.mappings.lock(&quiet);
    if let (false, Some(theirs)) = (mappings.ranges.is_empty(), theirs) {
        mappings.ranges.show_canvas()?;
        mappings.ranges.copy_from(theirs, frame_len);
    }
    session.copied.store(inside.zero, Ordering::SeqCst);
    session.shown.store(inside.zero, Ordering::SeqCst);
    Ok(())
}

fn origin(inside: &Inside) -> usize {
    inside.pusher_page.origin().unwrap_or(0) as usize
}

/// Puts the pusher's memory where the former one's was. False: the program would not find the frames there.
fn show(session: &OpenFile, inside: &Inside, theirs: Option<&Layout>) -> Result<bool> {
    let quiet = NoSignals::new();
    let mut mappings = session.mappings.lock(&quiet);
    mappings.become_ranges()?;
    // SAFETY: who is inside has so many bytes mapped there, of a memory file.
    unsafe { mappings.ranges.show(inside.frames, inside.len, inside.zero, theirs) }
}

/// Bytes of the pusher's frames, 0 where it does not tell.
fn frame_len(turn: &Turn) -> Result<usize> {
    let (mut window, mut picture) = (VideoWindow::new_zeroed(), VideoPicture::new_zeroed());
    let told =
        turn.exchange(request::GWIN, &mut window).and_then(|()| turn.exchange(request::GPICT, &mut picture));
    match told {
        Ok(()) => Ok(Palette::from_number(picture.palette.into())
            .and_then(|palette| palette.frame_len(window.width, window.height))
            .unwrap_or(0)),
        Err(Errno::ENOTTY | Errno::EINVAL) => Ok(0),
        Err(e) => Err(e),
    }
}

/// A pusher has answered a request of the program's own.
pub(super) fn answered(session: &OpenFile, inside: &Inside, number: u32, data: &[u8]) {
    match number {
        request::GMBUF => {
            let Ok((layout, _)) = VideoMbuf::read_from_prefix(data) else { return };
            let quiet = NoSignals::new();
            session.mappings.lock(&quiet).ranges.tell(Layout::new(&layout), inside.zero);
            session.shown.store(0, Ordering::SeqCst);
        }
        // A frame may have other bytes now.
        request::SPICT | request::SWIN if session.copied.load(Ordering::SeqCst) != 0 => {
            session.shown.store(0, Ordering::SeqCst);
        }
        _ => {}
    }
}

/// A frame that is to be copied to where the program looks for it.
pub(super) struct Copy {
    frame: usize,
}

impl Copy {
    /// What is to be copied with the answer to a request. None: nothing, the program has the pusher's own memory.
    ///
    /// # Errors
    /// EINVAL: the frame is none of the pusher's, or has no room where the program looks for it.
    pub(super) fn of(turn: &Turn, number: u32, data: &[u8]) -> Result<Option<Self>> {
        let (session, inside) = (turn.session(), &turn.inside);
        if session.copied.load(Ordering::SeqCst) != inside.zero {
            return Ok(None);
        }
        let frame = u32::read_from_prefix(data).map_or(0, |(frame, _)| frame) as usize;
        let quiet = NoSignals::new();
        let mappings = session.mappings.lock(&quiet);
        if mappings.ranges.is_empty() {
            return Ok(None);
        }
        let (from, _, len) = mappings.ranges.copy_of(frame)?;
        if from.checked_add(len).is_none_or(|end| end > inside.len) {
            return Err(Errno::EINVAL);
        }
        if let (request::MCAPTURE, Ok((order, _))) = (number, VideoMmap::read_from_prefix(data)) {
            let positive = |n: i32| u32::try_from(n).unwrap_or(0);
            let (width, height) = (positive(order.width), positive(order.height));
            let wanted =
                Palette::from_number(order.format).and_then(|palette| palette.frame_len(width, height));
            if let Some(wanted) = wanted {
                mappings.ranges.place_of(frame, wanted)?;
            }
        }
        Ok((number == request::SYNC).then_some(Self { frame }))
    }

    /// The frame has been drawn, and the pusher is given nothing that draws.
    ///
    /// # Errors
    /// EINVAL: the program's mapping has changed meanwhile.
    pub(super) fn make(&self, turn: &Turn) -> Result<()> {
        let (session, inside) = (turn.session(), &turn.inside);
        let quiet = NoSignals::new();
        let mut mappings = session.mappings.lock(&quiet);
        if mappings.ranges.is_empty() {
            return Ok(());
        }
        if session.copied.load(Ordering::SeqCst) != inside.zero {
            return Err(Errno::EINVAL);
        }
        mappings.ranges.show_canvas()?;
        let (from, to, len) = mappings.ranges.copy_of(self.frame)?;
        if from.checked_add(len).is_none_or(|end| end > inside.len) {
            return Err(Errno::EINVAL);
        }
        // SAFETY: inside the pusher's memory by the check above, and `copy_of` gives as much room on the canvas. Others
        // may write to either meanwhile: pictures spoil, nothing else.
        unsafe { core::ptr::copy_nonoverlapping(inside.frames.add(from).cast_const(), to, len) };
        mappings.ranges.copied(self.frame, len);
        Ok(())
    }
}

/// The program has mapped a zero-copy pusher's memory.
///
/// # Errors
/// ENOMEM: more mappings than there is room for.
pub(super) fn mapped(session: &OpenFile, view: View, zero: u32) -> Result<()> {
    let quiet = NoSignals::new();
    let mut mappings = session.mappings.lock(&quiet);
    let fresh = !mappings.ranges.told().is_told() || mappings.ranges.told_of() == zero;
    if fresh {
        mappings.forget_frames();
    } else {
        mappings.become_ranges()?;
    }
    mappings.ranges.push_direct(view, zero, fresh)?;
    session.shown.store(0, Ordering::SeqCst);
    Ok(())
}
