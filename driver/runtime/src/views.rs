//! What a program has mapped of a node: where its frames are in its memory, and what they show. A V4L2
//! program calls them buffers.
//!
//! A frame shows either the ring's slot of the same index (then a frame that the writer put there
//! needs no copy), or private memory of the client's own, into which frames of other slots are
//! copied. All addresses at which the program has a frame change together.

use core::ffi::c_int;

use vloopback_ring::PAGE_LEN;

use crate::ring_map::RingMap;
use crate::sys::{self, Result};

/// Mappings that a program makes of one open device: in V4L1 one, or two with a second thread's; in V4L2
/// one a buffer, and some map each twice.
const MAX_VIEWS: usize = 72;

/// The arguments of mmap(2); `offset` in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    pub(crate) addr: usize,
    pub(crate) len: usize,
    pub(crate) prot: c_int,
    pub(crate) flags: c_int,
    pub(crate) offset: usize,
}

/// One mmap of the program's.
#[derive(Clone, Copy, Debug)]
struct View {
    addr: usize,
    len: usize,
    /// Where in the device's memory it begins.
    offset: usize,
    prot: c_int,
}

/// All of them. All zeros: none.
#[derive(Debug)]
pub(crate) struct Views {
    views: [View; MAX_VIEWS],
    count: usize,
    /// Bytes of a frame's buffer and how many there are, as the program was told.
    pub(crate) buf_len: usize,
    pub(crate) frames: usize,
    /// Bit i: frame i shows slot i of `ring`.
    direct: u32,
    /// Bit i: frame i still shows a slot of a former ring, which nobody writes any more.
    stale: u32,
    /// The private memory, all frames' one behind another; 0 while none was needed.
    private: usize,
    private_len: usize,
    /// The ring whose slots the direct frames show.
    ring: u32,
    /// Bit i: frame i stays private: its program holds more frames than it may hold in place, and to
    /// change what a mapping shows costs more than a copy.
    sticky: u32,
    /// The REQBUFS that this is the layout of, 0 for V4L1's.
    generation: u32,
}

impl Views {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether frame `i` shows slot `i` of this ring.
    pub(crate) fn is_direct(&self, frame: usize, ring: u32) -> bool {
        self.ring == ring && self.direct >> frame & 1 != 0
    }

    /// The slots of this ring that the program has as frames.
    pub(crate) fn places(&self, ring: u32) -> u32 {
        if self.ring == ring && !self.is_empty() { self.direct } else { 0 }
    }

    /// Bytes of private memory.
    pub(crate) fn private_len(&self) -> usize {
        self.private_len
    }

    /// Begins with this layout; only while nothing is mapped.
    pub(crate) fn lay_out(&mut self, buf_len: usize, frames: usize) {
        debug_assert!(self.is_empty());
        if (buf_len, frames) != (self.buf_len, self.frames) {
            self.release_private();
            self.buf_len = buf_len;
            self.frames = frames;
        }
        self.direct = 0;
        self.stale = 0;
        self.ring = 0;
        self.sticky = 0;
        self.generation = 0;
    }

    /// Begins with the buffers of a REQBUFS, unless that is what this is. The program's mappings of
    /// former buffers go on showing what they show.
    pub(crate) fn lay_out_buffers(&mut self, generation: u32, buf_len: usize, frames: usize) {
        if self.generation != generation {
            self.forget_all();
            self.lay_out(buf_len, frames);
            self.generation = generation;
        }
    }

    /// Whether the layout is of buffers of a REQBUFS.
    pub(crate) fn is_of_buffers(&self) -> bool {
        self.generation != 0
    }

    /// Whether the program has frame `i` mapped, in part at least.
    pub(crate) fn is_mapped(&self, frame: usize) -> bool {
        let (start, end) = (frame * self.buf_len, (frame + 1) * self.buf_len);
        self.views[..self.count].iter().any(|v| v.offset < end && start < v.offset + v.len)
    }

    /// Whether frame `i` can show slot `i` of this ring, and is not to stay private.
    pub(crate) fn may_be_direct(&self, frame: usize, ring: &RingMap) -> bool {
        frame < ring.slots && ring.slot_len >= self.buf_len && self.sticky >> frame & 1 == 0
    }

    /// Frame `i` shows slot `i` from now on, if it can.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn prefer_direct(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        if self.is_direct(frame, ring.number) || !self.may_be_direct(frame, ring) {
            return Ok(());
        }
        self.make_direct(frame, ring)
    }

    /// Frame `i` shows private memory from now on, until the buffers' stream ends.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn stay_private(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        self.sticky |= 1 << frame;
        self.make_private(frame, ring)
    }

    /// The stream has ended: every frame may show its slot again.
    pub(crate) fn unstick(&mut self) {
        self.sticky = 0;
    }

    fn private(&mut self) -> Result<usize> {
        if self.private == 0 {
            let len = self.buf_len * self.frames;
            // SAFETY: a new mapping. Shared, so that there can be several views of it, and so that
            // a forked child goes on in the same frames.
            let at = unsafe { sys::mmap(0, len, 3, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1) }?;
            self.private = at as usize;
            self.private_len = len;
        }
        Ok(self.private)
    }

    fn release_private(&mut self) {
        if self.private != 0 {
            // SAFETY: the program's own views of it are mappings of their own.
            unsafe { sys::munmap(self.private as *mut u8, self.private_len) };
            self.private = 0;
            self.private_len = 0;
        }
    }

    /// Where to copy what frame `i` is to show.
    pub(crate) fn private_frame(&mut self, frame: usize) -> Result<*mut u8> {
        Ok((self.private()? + frame * self.buf_len) as *mut u8)
    }

    /// Makes a mapping for the program. `direct`: frames show slots of `ring` (which has as many).
    ///
    /// # Errors
    /// ENOMEM; EINVAL for a range that does not fit; ENOMEM for more than 72 mappings of one device.
    ///
    /// # Safety
    /// As mmap(2): with MAP_FIXED what is at `addr` goes.
    pub(crate) unsafe fn map(&mut self, ring: &RingMap, direct: bool, wanted: &Mapping) -> Result<usize> {
        let &Mapping { addr, len, prot, flags, offset } = wanted;
        let rounded = len.checked_next_multiple_of(PAGE_LEN).ok_or(libc::EINVAL)?;
        let total = self.buf_len * self.frames;
        let end = offset.checked_add(rounded).ok_or(libc::EINVAL)?;
        if len == 0 || offset % PAGE_LEN != 0 || end > total {
            return Err(libc::EINVAL);
        }
        if self.count == MAX_VIEWS {
            return Err(libc::ENOMEM);
        }
        let keep = flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE);
        let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | keep;
        // SAFETY: the caller's promise for fixed addresses.
        let at = unsafe { sys::mmap(addr, rounded, libc::PROT_NONE, reserve, -1) }? as usize;
        if self.is_empty() && !self.is_of_buffers() {
            self.direct = if direct { (((1u64 << self.frames) - 1) & 0xffff_ffff) as u32 } else { 0 };
            self.ring = ring.number;
        }
        self.views[self.count] = View { addr: at, len: rounded, offset, prot };
        self.count += 1;
        for frame in 0..self.frames {
            if let Err(e) = self.show_in(self.count - 1, frame, ring) {
                self.count -= 1;
                // SAFETY: made just now, nobody knows of it.
                unsafe { sys::munmap(at as *mut u8, rounded) };
                return Err(e);
            }
        }
        Ok(at)
    }

    /// Puts what frame `i` shows into one view.
    fn show_in(&mut self, view: usize, frame: usize, ring: &RingMap) -> Result<()> {
        let View { addr, len, offset, prot } = self.views[view];
        let start = (frame * self.buf_len).max(offset);
        let end = ((frame + 1) * self.buf_len).min(offset + len);
        if start >= end {
            return Ok(());
        }
        let into_frame = start - frame * self.buf_len;
        let from = if self.is_direct(frame, ring.number) && frame < ring.slots {
            ring.slot(frame) as usize
        } else {
            self.private_frame(frame)? as usize
        } + into_frame;
        // SAFETY: `from` is a shared mapping with that many bytes behind it; the target is the
        // program's mapping of this very frame.
        unsafe { sys::duplicate(from as *mut u8, end - start, addr + start - offset, prot) }
    }

    fn show(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        (0..self.count).try_for_each(|view| self.show_in(view, frame, ring))
    }

    /// Frame `i` shows private memory from now on.
    pub(crate) fn make_private(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        let bit = 1 << frame;
        if (self.direct | self.stale) & bit == 0 {
            return Ok(());
        }
        self.direct &= !bit;
        self.stale &= !bit;
        self.show(frame, ring)
    }

    /// Frame `i` shows slot `i` from now on.
    pub(crate) fn make_direct(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        if frame >= ring.slots || ring.slot_len < self.buf_len {
            return Err(libc::EINVAL);
        }
        if self.ring != ring.number {
            // The program may be looking at them: they keep what they show until it is their turn.
            self.stale |= self.direct;
            self.direct = 0;
            self.ring = ring.number;
        }
        self.stale &= !(1 << frame);
        self.direct |= 1 << frame;
        self.show(frame, ring)
    }

    /// The program unmaps a range. True: nothing of the device is mapped any more.
    pub(crate) fn unmapped(&mut self, addr: usize, len: usize) -> bool {
        if self.count == 0 {
            return false;
        }
        let end = addr.saturating_add(len.next_multiple_of(PAGE_LEN));
        let mut k = 0;
        while k < self.count {
            let v = self.views[k];
            if addr < v.addr + v.len && v.addr < end {
                // A part of a mapping may stay with the program; it shows what it shows.
                self.count -= 1;
                self.views[k] = self.views[self.count];
            } else {
                k += 1;
            }
        }
        self.count == 0
    }

    /// The device is closed; the program's mappings stay with the program.
    pub(crate) fn forget_all(&mut self) {
        self.count = 0;
        self.release_private();
        self.direct = 0;
        self.stale = 0;
        self.ring = 0;
        self.frames = 0;
        self.buf_len = 0;
        self.sticky = 0;
        self.generation = 0;
    }
}
