//! Shared memory: pages of atomics and the rings' slots, each a sealed memory file.

use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SealFlag, fallocate, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::uio::{pread, pwrite};
use nix::unistd::ftruncate;
use vloopback_core::RingPlan;
use vloopback_ring::hatch::Hatch;
use vloopback_ring::slip::Slip;
use vloopback_ring::{Board, Desk, Lifeline, Log, PAGE_LEN, SessionPage};

use crate::doorman::Doorman;

/// Types that consist of atomics only: any bytes are a value, any process may write them at any time.
///
/// # Safety
/// Who implements it promises just that, and that the type fits into a page.
pub(crate) unsafe trait Shared {}
// SAFETY: all fields are atomics (vloopback_ring asserts the sizes).
unsafe impl Shared for Board {}
// SAFETY: as above.
unsafe impl Shared for Desk {}
// SAFETY: as above.
unsafe impl Shared for Log {}
// SAFETY: as above.
unsafe impl Shared for SessionPage {}
// SAFETY: as above.
unsafe impl Shared for Lifeline {}

// SAFETY: as above.
unsafe impl Shared for Hatch {}

// SAFETY: as above.
unsafe impl Shared for Slip {}

/// What a zero-copy pusher and its clients share.
#[derive(Debug)]
pub(crate) struct ZeroMemory {
    /// Bytes of the frames' memory.
    pub(crate) len: u32,
    pub(crate) frames: OwnedFd,
    pub(crate) hatch: Arc<Page<Hatch>>,
    /// The hatch's descriptor for clients: it cannot be mapped for writing.
    pub(crate) hatch_for_clients: OwnedFd,
    /// Who rings the pusher; it has the clients' pages.
    pub(crate) door: Arc<Doorman>,
    /// Refused captures of which the clients have been told.
    pub(crate) refusals: u32,
    /// Somebody's request waits for a client that copies.
    pub(crate) look_again: bool,
}

impl Drop for ZeroMemory {
    fn drop(&mut self) {
        self.door.dismiss();
    }
}

impl ZeroMemory {
    /// So many bytes, all zero, of a pusher whose descriptor's other end is `end`.
    pub(crate) fn new(len: u32, desk: Arc<Page<Desk>>, end: Arc<OwnedFd>) -> Result<Self, Errno> {
        let frames = memory_file("vloopback-zero", len.into())?;
        seal(&frames, SealFlag::empty())?;
        let hatch = Arc::new(Page::<Hatch>::writable("vloopback-hatch")?);
        let hatch_for_clients = read_only(hatch.fd())?;
        let door = Doorman::new(desk, hatch.clone(), end)?;
        Ok(Self { len, frames, hatch, hatch_for_clients, door, refusals: 0, look_again: false })
    }
}

/// A descriptor of a page, or of another memory file, by which it cannot be mapped for writing.
pub(crate) fn read_only(fd: BorrowedFd) -> Result<OwnedFd, Errno> {
    // Another user's process could open the file anew through /proc otherwise.
    fchmod(fd, Mode::S_IRUSR)?;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// A page of shared memory with a `T` at its beginning.
#[derive(Debug)]
pub(crate) struct Page<T: Shared> {
    fd: OwnedFd,
    map: MmapRaw,
    of: PhantomData<T>,
}

fn memory_file(name: &str, len: u64) -> Result<OwnedFd, Errno> {
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    ftruncate(&fd, i64::try_from(len).map_err(|_| Errno::EFBIG)?)?;
    // Memory is taken now or never: a page that is missing later would kill whoever touches it.
    fallocate(&fd, FallocateFlags::empty(), 0, len as i64)?;
    Ok(fd)
}

fn seal(fd: &OwnedFd, more: SealFlag) -> Result<(), Errno> {
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL | more;
    fcntl(fd, FcntlArg::F_ADD_SEALS(seals)).map(drop)
}

/// The memory of a buffer that a program exports. Its size is fixed: who maps it need not fear that it goes.
pub(crate) fn buffer_file(len: u32) -> Result<OwnedFd, Errno> {
    let fd = memory_file("vloopback-buffer", len.into())?;
    seal(&fd, SealFlag::empty())?;
    Ok(fd)
}

impl<T: Shared> Page<T> {
    /// A page that who gets its descriptor may write.
    pub(crate) fn writable(name: &str) -> Result<Self, Errno> {
        Self::new(name, SealFlag::empty())
    }

    /// A page that only this process can write, whatever others do with the descriptor.
    pub(crate) fn read_only(name: &str) -> Result<Self, Errno> {
        Self::new(name, SealFlag::from_bits_retain(libc::F_SEAL_FUTURE_WRITE))
    }

    fn new(name: &str, more: SealFlag) -> Result<Self, Errno> {
        let fd = memory_file(name, PAGE_LEN as u64)?;
        let map = MmapOptions::new().len(PAGE_LEN).map_raw(&fd).map_err(to_errno)?;
        seal(&fd, more)?;
        Ok(Self { fd, map, of: PhantomData })
    }

    /// The descriptor to pass on.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<T: Shared> Deref for Page<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mapping is PAGE_LEN bytes, page-aligned, lives as long as self and cannot
        // shrink (sealed); `Shared` says that any bytes in it are a T.
        unsafe { &*self.map.as_mut_ptr().cast::<T>() }
    }
}

/// The system's number of an error, ENOMEM for one that is none of the system's.
pub(crate) fn to_errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::ENOMEM))
}

/// A ring's memory.
#[derive(Debug)]
pub(crate) struct RingMemory {
    /// Its number.
    pub(crate) number: u32,
    pub(crate) log: Page<Log>,
    /// The log's descriptor for clients: it cannot be mapped for writing.
    log_for_clients: OwnedFd,
    slots: Vec<OwnedFd>,
    /// Bytes of a slot.
    pub(crate) slot_len: u32,
    /// Who made it: another user's pusher gets a ring of its own.
    pub(crate) uid: u32,
}

impl RingMemory {
    /// Makes the ring of a plan; publications are numbered on from `head`.
    pub(crate) fn new(plan: &RingPlan, number: u32, head: u64, uid: u32) -> Result<Self, Errno> {
        let log = Page::<Log>::writable("vloopback-log")?;
        log.head.store(head, Ordering::Relaxed);
        let log_for_clients = read_only(log.fd())?;
        let slots = (0..plan.slots)
            .map(|k| {
                let fd = memory_file(&format!("vloopback-slot-{k}"), u64::from(plan.buf_len))?;
                seal(&fd, SealFlag::empty())?;
                Ok(fd)
            })
            .collect::<Result<_, Errno>>()?;
        Ok(Self { number, log, log_for_clients, slots, slot_len: plan.buf_len, uid })
    }

    /// What a participant gets: the log (to write only for the pusher), then the slots.
    pub(crate) fn descriptors(&self, pusher: bool) -> Vec<BorrowedFd<'_>> {
        let log = if pusher { self.log.fd() } else { self.log_for_clients.as_fd() };
        std::iter::once(log).chain(self.slots.iter().map(AsFd::as_fd)).collect()
    }

    /// Publishes the newest frame of a former ring here, under its own number: whose descriptor is readable
    /// for it has something to take. Both rings hold frames of one format; nobody has this one yet.
    pub(crate) fn carry_over(&self, former: &Self) -> Result<(), Errno> {
        let numbers =
            former.log.slots[..former.slots.len()].iter().map(|slot| slot.number.load(Ordering::Acquire));
        let Some((from, number)) = numbers.enumerate().max_by_key(|(_, number)| *number) else {
            return Ok(());
        };
        if number == 0 {
            return Ok(());
        }
        let old = &former.log.slots[from];
        let len = old.len.load(Ordering::Relaxed).min(former.slot_len).min(self.slot_len);
        let (time, marks) = (old.time.load(Ordering::Relaxed), old.marks.load(Ordering::Relaxed));
        let mut frame = vec![0; len as usize];
        former.fetch(from, &mut frame)?;
        fence(Ordering::SeqCst);
        // A pusher that is not quite gone yet may have begun to write there.
        if old.number.load(Ordering::SeqCst) != number {
            return Ok(());
        }
        // Not one that is a V4L2 pusher's buffer: those are the first ones.
        let to = self.slots.len() - 1;
        self.fill(to, &frame)?;
        let new = &self.log.slots[to];
        new.len.store(len, Ordering::Relaxed);
        new.time.store(time, Ordering::Relaxed);
        new.marks.store(marks, Ordering::Relaxed);
        new.number.store(number, Ordering::SeqCst);
        Ok(())
    }

    /// Reads the beginning of a slot, without mapping it.
    fn fetch(&self, slot: usize, frame: &mut [u8]) -> Result<(), Errno> {
        let fd = self.slots.get(slot).ok_or(Errno::EINVAL)?;
        let mut done = 0;
        while done < frame.len() {
            match pread(fd, &mut frame[done..], done as libc::off_t) {
                Ok(0) => return Err(Errno::ENODATA),
                Ok(n) => done += n,
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Writes a frame to the beginning of a slot, without mapping it.
    pub(crate) fn fill(&self, slot: usize, frame: &[u8]) -> Result<(), Errno> {
        let fd = self.slots.get(slot).ok_or(Errno::EINVAL)?;
        let mut done = 0;
        while done < frame.len() {
            match pwrite(fd, &frame[done..], done as libc::off_t) {
                Ok(0) => return Err(Errno::ENOSPC),
                Ok(n) => done += n,
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// How many slots.
    pub(crate) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }
}
