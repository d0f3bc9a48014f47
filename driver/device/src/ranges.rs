//! What a V4L1 program has mapped while the kind of pusher changes: ranges of its memory that stand for the device's,
//! laid out as VIDIOCGMBUF told it.
//!
//! A range shows a zero-copy pusher's own memory, or, where that has the frames at other places than the program was
//! told, or the pusher is a one-copy one, a *canvas*: private memory, into which each frame is copied to where the
//! program looks for it. What a dead pusher has left is never behind a frame that the program was told is there.

use core::ffi::c_int;

use vloopback_abi::v4l1::VideoMbuf;
use vloopback_ring::PAGE_LEN;

use vloopback_sys as sys;
use vloopback_sys::{Errno, Result};

/// Mappings that a program makes of one open device: in V4L1 one, or two with a second thread's; in V4L2
/// one a buffer, and some map each twice.
const MAX_VIEWS: usize = 72;

/// One mmap of the program's, or what is left of one.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub addr: usize,
    pub len: usize,
    /// Where in the device's memory it begins.
    pub offset: usize,
    pub prot: c_int,
}

impl View {
    /// What of it lies in a range of addresses.
    fn cut(self, from: usize, to: usize) -> Option<Self> {
        let (addr, end) = (self.addr.max(from), (self.addr + self.len).min(to));
        let offset = self.offset + (addr - self.addr);
        (addr < end).then(|| Self { addr, len: end - addr, offset, prot: self.prot })
    }
}

/// A list of views; all zeros: none.
#[derive(Clone, Copy, Debug)]
pub struct List {
    views: [View; MAX_VIEWS],
    count: usize,
}

impl core::ops::Deref for List {
    type Target = [View];

    fn deref(&self) -> &[View] {
        &self.views[..self.count]
    }
}

impl List {
    pub fn is_full(&self) -> bool {
        self.count == MAX_VIEWS
    }

    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// # Errors
    /// ENOMEM: more than there is room for.
    pub fn push(&mut self, view: View) -> Result<()> {
        let place = self.views.get_mut(self.count).ok_or(Errno::ENOMEM)?;
        *place = view;
        self.count += 1;
        Ok(())
    }

    pub fn pop(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// The program unmaps a range; what is left of a view beside it stays one. False: nothing of these was there.
    pub fn remove(&mut self, addr: usize, len: usize) -> bool {
        let end = addr.saturating_add(len.checked_next_multiple_of(PAGE_LEN).unwrap_or(len));
        let mut touched = false;
        let mut k = 0;
        while k < self.count {
            let view = self.views[k];
            if view.cut(addr, end).is_none() {
                k += 1;
                continue;
            }
            touched = true;
            match (view.cut(0, addr), view.cut(end, usize::MAX)) {
                (Some(before), after) => {
                    self.views[k] = before;
                    k += 1;
                    if let Some(after) = after {
                        // With no room left it stays with the program, as it is.
                        let _ = self.push(after);
                    }
                }
                (None, Some(after)) => {
                    self.views[k] = after;
                    k += 1;
                }
                (None, None) => {
                    self.count -= 1;
                    self.views[k] = self.views[self.count];
                }
            }
        }
        touched
    }

    /// The program has moved a range, or (`len` 0) has made a second view of what is there.
    pub fn moved(&mut self, addr: usize, len: usize, to: usize, new_len: usize) {
        let round = |len: usize| len.checked_next_multiple_of(PAGE_LEN).unwrap_or(len);
        let piece = self.iter().find_map(|view| view.cut(addr, addr.saturating_add(round(len).max(1))));
        let Some(piece) = piece.filter(|piece| piece.addr == addr) else { return };
        if len != 0 {
            self.remove(addr, len);
        }
        let _ = self.push(View { addr: to, len: round(new_len), ..piece });
    }
}

/// Where the frames are in the device's memory, as VIDIOCGMBUF tells it. All zeros: not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    frames: usize,
    size: usize,
    offsets: [u32; 32],
}

impl Layout {
    pub fn new(told: &VideoMbuf) -> Self {
        let positive = |n: i32| u32::try_from(n).unwrap_or(0);
        let offsets = told.offsets.map(positive);
        let frames = (positive(told.frames) as usize).min(offsets.len());
        Self { frames, size: positive(told.size) as usize, offsets }
    }

    /// Frames of that many bytes, one behind the other.
    pub fn even(len: usize, frames: usize) -> Self {
        let mut offsets = [0; 32];
        let frames = frames.min(offsets.len());
        for (k, offset) in offsets.iter_mut().enumerate().take(frames) {
            *offset = u32::try_from(k * len).unwrap_or(u32::MAX);
        }
        Self { frames, size: len * frames, offsets }
    }

    /// One frame.
    pub fn single(offset: usize, size: usize) -> Self {
        let mut layout = Self::even(0, 1);
        layout.offsets[0] = u32::try_from(offset).unwrap_or(u32::MAX);
        layout.size = size;
        layout
    }

    pub fn is_told(&self) -> bool {
        self.frames != 0
    }

    /// Where a frame begins, and how many bytes there are before the next one.
    fn frame_range(&self, frame: usize) -> Option<(usize, usize)> {
        let offsets = &self.offsets[..self.frames];
        let start = *offsets.get(frame)? as usize;
        let next = offsets.iter().map(|offset| *offset as usize).filter(|offset| *offset > start).min();
        let end = next.unwrap_or(self.size).min(self.size);
        Some((start, end.saturating_sub(start)))
    }

    /// Whether whoever was told this finds its frames in memory that is laid out as `other`, of which it has mapped
    /// the first `end` bytes.
    fn is_good_for(&self, other: &Self, end: usize) -> bool {
        (0..self.frames).all(|frame| {
            let (mine, theirs) = (self.frame_range(frame), other.frame_range(frame));
            let both = mine.zip(theirs);
            both.is_some_and(|((mine, room), (start, len))| {
                mine == start && len <= room && start + len <= end
            })
        })
    }
}

/// What a session's program has mapped that is no view of a ring. All zeros: nothing.
#[derive(Debug)]
pub struct Ranges {
    list: List,
    /// What VIDIOCGMBUF has told here last, and the zero-copy memory that it told of, 0 for a one-copy pipe's ring.
    told: Layout,
    told_of: u32,
    /// The zero-copy memory that they show, 0: another's, or the canvas.
    direct: u32,
    /// The canvas, 0 where there is none, and its bytes.
    canvas: usize,
    canvas_len: usize,
    /// How many bytes of a frame there may be on it.
    filled: [u32; 32],
    /// Where the zero-copy pusher has the frames that are copied to the canvas, and a frame's bytes, 0 where they are
    /// not known.
    theirs: Layout,
    frame_len: usize,
}

impl Ranges {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn told(&self) -> &Layout {
        &self.told
    }

    pub fn told_of(&self) -> u32 {
        self.told_of
    }

    /// VIDIOCGMBUF has told the program a layout.
    pub fn tell(&mut self, layout: Layout, of: u32) {
        if self.told != layout {
            // What is on the canvas lies where nobody looks for it.
            self.release_canvas();
        }
        (self.told, self.told_of) = (layout, of);
    }

    /// The program has one more mapping.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn push(&mut self, view: View) -> Result<()> {
        self.list.push(view)?;
        // One that shows all of them is made when it is needed.
        self.release_canvas();
        self.direct = 0;
        Ok(())
    }

    /// The same, of a mapping that shows this zero-copy memory already. `fresh`: the program has been told of this
    /// memory, so what it has of a former one is not what it looks at.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn push_direct(&mut self, view: View, zero: u32, fresh: bool) -> Result<()> {
        let was = self.direct;
        if fresh && was != zero {
            self.drop_views();
        }
        self.push(view)?;
        if fresh || was == zero {
            self.direct = zero;
        }
        Ok(())
    }

    /// See [`List::remove`].
    pub fn unmapped(&mut self, addr: usize, len: usize) -> bool {
        let touched = self.list.remove(addr, len);
        if self.is_empty() {
            self.drop_views();
        }
        touched
    }

    /// See [`List::moved`].
    pub fn moved(&mut self, addr: usize, len: usize, to: usize, new_len: usize) {
        self.list.moved(addr, len, to, new_len);
    }

    /// The program's mappings, if they lead to frames of that many bytes, one behind the other, and to nothing else.
    pub fn as_frames(&self, len: usize, frames: usize) -> Option<&List> {
        let is_it = self.told == Layout::even(len, frames) && self.end() <= len * frames;
        (is_it && !self.is_empty()).then_some(&self.list)
    }

    /// They go on showing what they show.
    pub fn drop_views(&mut self) {
        self.list.clear();
        self.release_canvas();
        self.direct = 0;
    }

    /// The device is closed.
    pub fn forget_all(&mut self) {
        self.drop_views();
        (self.told, self.told_of) = (Layout::even(0, 0), 0);
    }

    fn release_canvas(&mut self) {
        if self.canvas != 0 {
            // SAFETY: the program's own views of it are mappings of their own.
            unsafe { sys::munmap(self.canvas as *mut u8, self.canvas_len) };
        }
        (self.canvas, self.canvas_len, self.filled) = (0, 0, [0; 32]);
    }

    /// How much of the device's memory the program has mapped.
    fn end(&self) -> usize {
        self.list.iter().map(|view| view.offset + view.len).max().unwrap_or(0)
    }

    /// Lets them show a zero-copy pusher's memory, which is at `from`, if they lead to its frames there. `theirs`: what
    /// that pusher tells. False: they do not.
    ///
    /// # Errors
    /// ENOMEM: some may show it, and some what they showed.
    ///
    /// # Safety
    /// `from` is a shared mapping of `len` bytes.
    pub unsafe fn show(
        &mut self,
        from: *mut u8,
        len: usize,
        zero: u32,
        theirs: Option<&Layout>,
    ) -> Result<bool> {
        if theirs.is_some_and(|theirs| !self.told.is_good_for(theirs, self.end())) {
            return Ok(false);
        }
        if self.direct == zero {
            return Ok(true);
        }
        self.release_canvas();
        self.direct = 0;
        let len = len / PAGE_LEN * PAGE_LEN;
        for view in self.list.iter() {
            let there = len.saturating_sub(view.offset).min(view.len);
            if there != 0 {
                // SAFETY: so many bytes are behind that address; the target is the program's mapping of the device.
                unsafe { sys::duplicate(from.add(view.offset), there, view.addr, view.prot) }?;
            }
            if there != view.len {
                // Behind the new memory's end the former pusher's must not show either.
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
                // SAFETY: as above.
                unsafe { sys::mmap(view.addr + there, view.len - there, view.prot, flags, -1) }?;
            }
        }
        self.direct = zero;
        Ok(true)
    }

    /// Lets them show the canvas.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn show_canvas(&mut self) -> Result<()> {
        if self.canvas != 0 {
            return Ok(());
        }
        let len = self.end();
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping. Shared, so that there can be several views of it.
        let at = unsafe { sys::mmap(0, len, libc::PROT_READ | libc::PROT_WRITE, flags, -1) }? as usize;
        (self.canvas, self.canvas_len, self.direct) = (at, len, 0);
        for view in self.list.iter() {
            // SAFETY: the canvas reaches as far as each view; the target is the program's mapping of the device.
            let shown =
                unsafe { sys::duplicate((at + view.offset) as *mut u8, view.len, view.addr, view.prot) };
            if let Err(e) = shown {
                self.release_canvas();
                return Err(e);
            }
        }
        Ok(())
    }

    /// Where on the canvas the program looks for a frame, and the room there.
    ///
    /// # Errors
    /// EINVAL: it was told of no such frame, or there are less than `len` bytes.
    pub fn place_of(&self, frame: usize, len: usize) -> Result<(*mut u8, usize)> {
        let (start, room) = self.told.frame_range(frame).ok_or(Errno::EINVAL)?;
        let room = room.min(self.end().saturating_sub(start));
        if room < len || room == 0 {
            return Err(Errno::EINVAL);
        }
        Ok(((self.canvas + start) as *mut u8, room))
    }

    /// So many bytes were copied to a frame's place: what an earlier, larger frame has left behind them goes.
    pub fn copied(&mut self, frame: usize, len: usize) {
        let Ok((at, room)) = self.place_of(frame, len) else { return };
        let former = (self.filled[frame] as usize).min(room);
        if self.canvas != 0 && former > len {
            // SAFETY: the canvas has `room` bytes there.
            unsafe { core::ptr::write_bytes(at.add(len), 0, former - len) };
        }
        self.filled[frame] = u32::try_from(len).unwrap_or(u32::MAX);
    }

    /// The zero-copy pusher's frames are there, of so many bytes (0: nobody knows), and are to be copied.
    pub fn copy_from(&mut self, theirs: Layout, frame_len: usize) {
        (self.theirs, self.frame_len) = (theirs, frame_len);
    }

    /// What is to be copied of a frame: from where in the pusher's memory, to where, how much.
    ///
    /// # Errors
    /// EINVAL: the pusher has no such frame, or the program was told of none, or has too little room for it.
    pub fn copy_of(&self, frame: usize) -> Result<(usize, *mut u8, usize)> {
        let (from, whole) = self.theirs.frame_range(frame).ok_or(Errno::EINVAL)?;
        let known = Some(self.frame_len).filter(|len| *len != 0).unwrap_or(whole).min(whole);
        let (to, room) = self.place_of(frame, known)?;
        Ok((from, to, whole.min(room)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(views: &[(usize, usize)]) -> List {
        let none = View { addr: 0, len: 0, offset: 0, prot: 0 };
        let mut list = List { views: [none; MAX_VIEWS], count: 0 };
        for &(addr, len) in views {
            list.push(View { addr: addr * PAGE_LEN, len: len * PAGE_LEN, offset: 0, prot: 0 }).expect("room");
        }
        list
    }

    fn pages(list: &List) -> Vec<(usize, usize, usize)> {
        list.iter().map(|v| (v.addr / PAGE_LEN, v.len / PAGE_LEN, v.offset / PAGE_LEN)).collect()
    }

    #[test]
    fn what_is_left_of_a_mapping_stays() {
        let mut views = list(&[(10, 10), (30, 4)]);
        assert!(!views.remove(20 * PAGE_LEN, 10 * PAGE_LEN));
        assert!(views.remove(12 * PAGE_LEN, PAGE_LEN + 1));
        assert_eq!(pages(&views), [(10, 2, 0), (30, 4, 0), (14, 6, 4)]);
        assert!(views.remove(18 * PAGE_LEN, 13 * PAGE_LEN));
        assert_eq!(pages(&views), [(10, 2, 0), (31, 3, 1), (14, 4, 4)]);
        assert!(views.remove(0, usize::MAX));
        assert!(views.is_empty());
    }

    #[test]
    fn a_mapping_moves() {
        let mut views = list(&[(10, 10)]);
        views.moved(12 * PAGE_LEN, 3 * PAGE_LEN, 50 * PAGE_LEN, 2 * PAGE_LEN);
        assert_eq!(pages(&views), [(10, 2, 0), (15, 5, 5), (50, 2, 2)]);
        views.moved(50 * PAGE_LEN, 0, 60 * PAGE_LEN, 2 * PAGE_LEN);
        assert_eq!(pages(&views), [(10, 2, 0), (15, 5, 5), (50, 2, 2), (60, 2, 2)]);
    }

    #[test]
    fn frames_are_found_where_they_were_told_to_be() {
        let told = Layout::even(1000, 2);
        assert_eq!(
            (told.frame_range(0), told.frame_range(1), told.frame_range(2)),
            (Some((0, 1000)), Some((1000, 1000)), None)
        );
        assert!(told.is_good_for(&told, 2000));
        assert!(!told.is_good_for(&told, 1999));
        assert!(!told.is_good_for(&Layout::even(900, 2), 4096));
        assert!(!Layout::single(0, 900).is_good_for(&Layout::single(0, 1000), 4096));
        assert!(Layout::single(0, 1000).is_good_for(&Layout::single(0, 900), 4096));
        assert!(!told.is_good_for(&Layout::even(1000, 1), 4096));
        assert!(told.is_good_for(&Layout::even(1000, 5), 2000));
        assert!(Layout::even(0, 0).is_good_for(&Layout::single(7, 100), 0));
    }
}
