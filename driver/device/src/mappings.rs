//! What a program has mapped of a node: where its frames are in its memory, and what they show. A V4L2
//! program calls them buffers.
//!
//! A frame shows either the ring's slot of the same index (then a frame that the writer put there
//! needs no copy), or private memory of the client's own, into which frames of other slots are
//! copied. All addresses at which the program has a frame change together.
//!
//! The private memory of a buffer that was exported (VIDIOC_EXPBUF) is a file that the daemon keeps; such a
//! buffer never shows a slot. A buffer whose memory the program brought by a descriptor has that as its
//! private memory, and is never mapped through the device.

use core::ffi::c_int;

use vloopback_ring::{MAX_BUFFERS, PAGE_LEN};

use crate::ranges::{Layout, List, Ranges, View};
use crate::ring_map::RingMap;
use vloopback_sys as sys;
use vloopback_sys::{Errno, Result};

/// The arguments of mmap(2); `offset` in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// The address that is asked for; 0: any.
    pub addr: usize,
    /// Bytes.
    pub len: usize,
    /// PROT_READ and its kin.
    pub prot: c_int,
    /// MAP_SHARED and its kin.
    pub flags: c_int,
    /// Where in the device's memory, bytes.
    pub offset: usize,
}

/// A frame's place, and its memory.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// Where in the device's memory it begins, and its bytes: whole pages both.
    start: usize,
    len: usize,
    /// Its private memory, 0 while it needs none, and that memory's bytes.
    private: usize,
    private_len: usize,
    /// The file that the private memory is, 0 if it is nobody's but the program's.
    file: u64,
    /// The program's own memory, which it gave by address (USERPTR), and its bytes: in this process and no other.
    brought: (usize, usize),
}

/// All of them. All zeros: none.
#[derive(Debug)]
pub struct Mappings {
    views: List,
    table: [Frame; MAX_BUFFERS],
    /// How many frames there are.
    pub frames: usize,
    /// Bit i: frame i shows slot i of `ring`.
    direct: u32,
    /// Bit i: frame i still shows a slot of a former ring, which nobody writes any more.
    stale: u32,
    /// The ring whose slots the direct frames show.
    ring: u32,
    /// Bit i: frame i stays private: its program holds more frames than it may hold in place, and to
    /// change what a mapping shows costs more than a copy.
    sticky: u32,
    /// Bit i: frame i has memory that others have, too, and stays private for ever.
    bound: u32,
    /// Bit i: the caller has mapped frame i by itself (`Window::Fixed`).
    handed_out: u32,
    /// The REQBUFS that this is the layout of, 0 for V4L1's.
    generation: u32,
    /// What the program has mapped of a zero-copy pusher's memory, or had mapped before the kind of pusher changed: not
    /// among the views of frames.
    pub ranges: Ranges,
}

impl Mappings {
    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.handed_out == 0 && self.views.is_empty()
    }

    /// Whether the program has V4L1 frames mapped, of whatever pusher.
    pub fn has_any_of_v4l1(&self) -> bool {
        !self.ranges.is_empty() || (!self.is_empty() && !self.is_of_buffers())
    }

    /// The pusher is of another kind now: what the program has mapped of V4L1 frames are ranges from here on, and show
    /// what they show until something is put there.
    ///
    /// # Errors
    /// ENOMEM: more than there is room for.
    pub fn become_ranges(&mut self) -> Result<()> {
        if self.is_empty() || self.is_of_buffers() {
            return Ok(());
        }
        if !self.ranges.told().is_told() {
            self.ranges.tell(Layout::even(self.len_of(0), self.frames), 0);
        }
        for view in self.views.iter() {
            self.ranges.push(*view)?;
        }
        self.forget_all();
        Ok(())
    }

    /// A one-copy pusher has its frames where the program was told that they are: its ranges are views of frames again,
    /// which show what they show until it is their turn.
    pub fn become_frames(&mut self, len: usize, frames: usize) {
        if !self.is_empty() || frames == 0 || frames > MAX_BUFFERS {
            return;
        }
        let Some(list) = self.ranges.as_frames(len, frames) else { return };
        let list = *list;
        self.lay_out(len, frames);
        self.views = list;
        self.stale = u32::MAX >> (MAX_BUFFERS - frames);
        self.ranges.drop_views();
    }

    /// The program has mapped anew: what it has of V4L1 frames besides goes on showing what it shows.
    pub fn forget_frames(&mut self) {
        if !self.is_of_buffers() {
            self.forget_all();
        }
    }

    /// Whether frame `i` shows slot `i` of this ring.
    pub fn is_direct(&self, frame: usize, ring: u32) -> bool {
        self.ring == ring && self.direct >> frame & 1 != 0
    }

    /// The slots of this ring that the program has as frames.
    pub fn places(&self, ring: u32) -> u32 {
        if self.ring == ring && !self.is_empty() { self.direct } else { 0 }
    }

    /// Bytes of private memory.
    pub fn private_len(&self) -> usize {
        self.table.iter().map(|frame| frame.private_len).sum()
    }

    /// Bytes of frame `i`'s memory.
    pub fn len_of(&self, frame: usize) -> usize {
        self.table[frame].len
    }

    /// Whether this is the layout of so many frames of that length.
    pub fn is_laid_out(&self, len: usize, frames: usize) -> bool {
        self.frames == frames && self.table[..frames].iter().all(|frame| frame.len == len)
    }

    /// Begins with this layout; only while nothing is mapped.
    pub fn lay_out(&mut self, len: usize, frames: usize) {
        debug_assert!(self.is_empty());
        let frames = frames.min(MAX_BUFFERS);
        if !self.is_laid_out(len, frames) {
            self.forget_all();
            for frame in 0..frames {
                self.table[frame] = Frame { start: frame * len, len, ..Frame::default() };
            }
            self.frames = frames;
        }
        self.forget_marks();
    }

    /// No frame shows a slot, stays private, or was handed out.
    fn forget_marks(&mut self) {
        self.direct = 0;
        self.stale = 0;
        self.ring = 0;
        self.sticky = 0;
        self.bound = 0;
        self.handed_out = 0;
        self.generation = 0;
    }

    /// Begins with the buffers of a REQBUFS, unless that is what this is; CREATE_BUFS may have added some.
    /// The program's mappings of former buffers go on showing what they show. `place` tells where a buffer
    /// begins, and its bytes; whole pages.
    pub fn lay_out_buffers(
        &mut self,
        generation: u32,
        frames: usize,
        place: impl Fn(usize) -> (usize, usize),
    ) {
        if self.generation != generation {
            self.forget_all();
            self.generation = generation;
        }
        while self.frames < frames.min(MAX_BUFFERS) {
            let (start, len) = place(self.frames);
            self.table[self.frames] = Frame { start, len, ..Frame::default() };
            self.frames += 1;
        }
    }

    /// Whether the layout is of buffers of a REQBUFS.
    pub fn is_of_buffers(&self) -> bool {
        self.generation != 0
    }

    /// Whether the program has frame `i` mapped, in part at least.
    pub fn is_mapped(&self, frame: usize) -> bool {
        let Frame { start, len, .. } = self.table[frame];
        let end = start + len;
        self.handed_out >> frame & 1 != 0
            || self.views.iter().any(|v| v.offset < end && start < v.offset + v.len)
    }

    /// Whether frame `i` can show slot `i` of this ring, and is not to stay private.
    pub fn may_be_direct(&self, frame: usize, ring: &RingMap) -> bool {
        frame < ring.slots
            && ring.slot_len >= self.table[frame].len
            && (self.sticky | self.bound) >> frame & 1 == 0
    }

    /// Frame `i` shows slot `i` from now on, if it can.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn prefer_direct(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        if self.is_direct(frame, ring.number) || !self.may_be_direct(frame, ring) {
            return Ok(());
        }
        self.make_direct(frame, ring)
    }

    /// Frame `i` shows private memory from now on, until the buffers' stream ends.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn stay_private(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        self.sticky |= 1 << frame;
        self.make_private(frame, ring)
    }

    /// The stream has ended: every frame may show its slot again.
    pub fn unstick(&mut self) {
        self.sticky = 0;
    }

    fn release_private(&mut self, frame: usize) {
        let Frame { private, private_len, .. } = self.table[frame];
        if private != 0 {
            // SAFETY: the program's own views of it are mappings of their own.
            unsafe { sys::munmap(private as *mut u8, private_len) };
        }
        self.table[frame].private = 0;
        self.table[frame].private_len = 0;
        self.table[frame].file = 0;
    }

    /// Where to copy what frame `i` is to show: [`Mappings::len_of`] bytes.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn private_frame(&mut self, frame: usize) -> Result<*mut u8> {
        let place = &mut self.table[frame];
        if place.private == 0 {
            // SAFETY: a new mapping. Shared, so that there can be several views of it, and so that
            // a forked child goes on in the same frames.
            let at = unsafe {
                sys::mmap(0, place.len, sys::READ_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)
            }?;
            place.private = at as usize;
            place.private_len = place.len;
        }
        Ok(place.private as *mut u8)
    }

    /// Whether frame `i` is exported memory already.
    pub fn is_bound(&self, frame: usize) -> bool {
        self.bound >> frame & 1 != 0
    }

    /// The caller maps frame `i` by itself.
    pub fn hand_out(&mut self, frame: usize) {
        self.handed_out |= 1 << frame;
    }

    /// The memory behind a descriptor, from `offset` on as many bytes as the frame has, is frame `i`'s from now on,
    /// with what the frame shows now unless `fresh` says that others have written there already.
    ///
    /// # Errors
    /// ENOMEM; EPROTO: the file is too short; and what mmap says of the descriptor.
    pub fn bind(
        &mut self,
        frame: usize,
        (fd, offset): (c_int, usize),
        fresh: bool,
        ring: &RingMap,
    ) -> Result<()> {
        let len = self.table[frame].len;
        sys::check_file(fd, offset.checked_add(len).ok_or(Errno::EPROTO)?)?;
        // SAFETY: a new mapping of a file whose size is sealed, and was looked at.
        let at = unsafe { sys::mmap_from(0, len, sys::READ_WRITE, libc::MAP_SHARED, fd, offset) }? as usize;
        let shows = if self.is_direct(frame, ring.number) && frame < ring.slots {
            Some((ring.slot(frame) as usize, ring.slot_len))
        } else {
            Some((self.table[frame].private, len)).filter(|(from, _)| *from != 0)
        };
        if let (true, Some((from, room))) = (fresh, shows) {
            // SAFETY: both have so many bytes.
            unsafe { core::ptr::copy_nonoverlapping(from as *const u8, at as *mut u8, len.min(room)) };
        }
        self.release_private(frame);
        self.table[frame].private = at;
        self.table[frame].private_len = len;
        self.bound |= 1 << frame;
        self.direct &= !(1 << frame);
        self.stale &= !(1 << frame);
        match self.show(frame, ring) {
            // See `move_private`.
            Err(Errno::EINVAL) => self.show_file(frame, (fd, offset)),
            shown => shown,
        }
    }

    /// Frame `i` is memory of `len` bytes that the program brought by a descriptor; `file` tells one file from
    /// another.
    ///
    /// # Errors
    /// What mmap says of the descriptor.
    pub fn import(&mut self, frame: usize, fd: c_int, file: u64, len: usize, prot: c_int) -> Result<()> {
        let now = &self.table[frame];
        if now.private != 0 && now.file == file && now.private_len == len {
            return Ok(());
        }
        // SAFETY: a new mapping.
        let at = unsafe { sys::mmap(0, len, prot, libc::MAP_SHARED, fd) }?;
        self.release_private(frame);
        let now = &mut self.table[frame];
        (now.private, now.private_len, now.file) = (at as usize, len, file);
        self.bound |= 1 << frame;
        Ok(())
    }

    /// The memory that [`Mappings::import`] brought, and its bytes.
    pub fn imported(&self, frame: usize) -> Option<(*mut u8, usize)> {
        let now = &self.table[frame];
        (now.private != 0).then_some((now.private as *mut u8, now.private_len))
    }

    /// Frame `i` is the program's memory at this address. It is kept here, in the process that it is an address of, and
    /// not where others that have the open file could change it.
    pub fn bring(&mut self, frame: usize, at: usize, len: usize) {
        self.table[frame].brought = (at, len);
    }

    /// The memory that this process gave for frame `i` ([`Mappings::bring`]), and its bytes.
    pub fn brought(&self, frame: usize) -> Option<(usize, usize)> {
        Some(self.table[frame].brought).filter(|(at, _)| *at != 0)
    }

    /// Makes a mapping for the program. `direct`: frames show slots of `ring` (which has as many).
    ///
    /// # Errors
    /// ENOMEM, also for more than 72 mappings of one device; EINVAL for a range that does not fit.
    ///
    /// # Safety
    /// As mmap(2): with MAP_FIXED what is at `addr` goes.
    pub unsafe fn map(&mut self, ring: &RingMap, direct: bool, wanted: &Mapping) -> Result<usize> {
        let &Mapping { addr, len, prot, flags, offset } = wanted;
        let rounded = len.checked_next_multiple_of(PAGE_LEN).ok_or(Errno::EINVAL)?;
        let total =
            self.frames.checked_sub(1).map_or(0, |last| self.table[last].start + self.table[last].len);
        let end = offset.checked_add(rounded).ok_or(Errno::EINVAL)?;
        if len == 0 || offset % PAGE_LEN != 0 || end > total {
            return Err(Errno::EINVAL);
        }
        if self.views.is_full() {
            return Err(Errno::ENOMEM);
        }
        let keep = flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE);
        let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | keep;
        // SAFETY: the caller's promise for fixed addresses.
        let at = unsafe { sys::mmap(addr, rounded, libc::PROT_NONE, reserve, -1) }? as usize;
        if self.is_empty() && !self.is_of_buffers() {
            self.direct = if direct { (((1u64 << self.frames) - 1) & 0xffff_ffff) as u32 } else { 0 };
            self.ring = ring.number;
        }
        self.views.push(View { addr: at, len: rounded, offset, prot })?;
        for frame in 0..self.frames {
            if let Err(e) = self.show_in(self.views.len() - 1, frame, ring) {
                self.views.pop();
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
        let place = self.table[frame];
        let start = place.start.max(offset);
        let end = (place.start + place.len).min(offset + len);
        if start >= end {
            return Ok(());
        }
        let into_frame = start - place.start;
        let direct = self.is_direct(frame, ring.number) && frame < ring.slots;
        let from = if direct { ring.slot(frame) as usize } else { self.private_frame(frame)? as usize };
        let (len, at) = (end - start, addr + start - offset);
        // SAFETY: `from` is a shared mapping with that many bytes behind it; the target is the
        // program's mapping of this very frame.
        match unsafe { sys::duplicate((from + into_frame) as *mut u8, len, at, prot) } {
            // SAFETY: the target as above, and the slot is as long as the frame.
            Err(Errno::EINVAL) if direct => unsafe { ring.show_slot(frame, into_frame, len, at, prot) },
            Err(Errno::EINVAL) => self.move_private(frame),
            shown => shown,
        }
    }

    /// Puts a frame's private memory into a file that is mapped at all its places at once, with what it shows: where
    /// the system knows no second view of a mapping ([`sys::duplicate`]), under valgrind. (A child that was forked
    /// before goes on in the former memory.)
    ///
    /// # Errors
    /// EINVAL: an exported buffer's, whose file is the daemon's. EMFILE, ENOMEM.
    fn move_private(&mut self, frame: usize) -> Result<()> {
        if self.is_bound(frame) {
            return Err(Errno::EINVAL);
        }
        let Frame { private, private_len, .. } = self.table[frame];
        let fd = sys::new_memory_file(private_len)?;
        // SAFETY: a new mapping of a new file, which nobody else has.
        let moved =
            unsafe { sys::mmap(0, private_len, sys::READ_WRITE, libc::MAP_SHARED, fd) }.and_then(|new| {
                // SAFETY: both have so many bytes; the former one is ours.
                unsafe {
                    core::ptr::copy_nonoverlapping(private as *const u8, new, private_len);
                    sys::munmap(private as *mut u8, private_len);
                }
                self.table[frame].private = new as usize;
                self.show_file(frame, (fd, 0))
            });
        sys::close(fd);
        moved
    }

    /// The program's mappings of frame `i` show this file from `offset` on, where it has as many bytes.
    fn show_file(&self, frame: usize, (fd, offset): (c_int, usize)) -> Result<()> {
        let place = self.table[frame];
        for &View { addr, len, offset: view_offset, prot } in self.views.iter() {
            let start = place.start.max(view_offset);
            let end = (place.start + place.len).min(view_offset + len);
            if start < end {
                let (len, at) = (end - start, addr + start - view_offset);
                // SAFETY: the target is the program's mapping of this very frame.
                unsafe { sys::map_over(at, len, prot, fd, offset + start - place.start) }?;
            }
        }
        Ok(())
    }

    fn show(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        (0..self.views.len()).try_for_each(|view| self.show_in(view, frame, ring))
    }

    /// Frame `i` shows private memory from now on.
    pub fn make_private(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        let bit = 1 << frame;
        if (self.direct | self.stale) & bit == 0 {
            return Ok(());
        }
        self.direct &= !bit;
        self.stale &= !bit;
        self.show(frame, ring)
    }

    /// Frame `i` shows slot `i` from now on.
    fn make_direct(&mut self, frame: usize, ring: &RingMap) -> Result<()> {
        if frame >= ring.slots || ring.slot_len < self.table[frame].len {
            return Err(Errno::EINVAL);
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
    pub fn unmapped(&mut self, addr: usize, len: usize) -> bool {
        let touched = self.views.remove(addr, len) | self.ranges.unmapped(addr, len);
        touched && self.is_empty() && self.ranges.is_empty()
    }

    /// The program has moved a range to another address, or has made a second view of it (`len` 0).
    pub fn moved(&mut self, addr: usize, len: usize, to: usize, new_len: usize) {
        self.views.moved(addr, len, to, new_len);
        self.ranges.moved(addr, len, to, new_len);
    }

    /// The device is closed; the program's mappings stay with the program.
    pub fn forget_all(&mut self) {
        self.views.clear();
        for frame in 0..self.frames {
            self.release_private(frame);
        }
        self.frames = 0;
        self.forget_marks();
    }
}
