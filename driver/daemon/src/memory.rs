//! Shared memory: pages of atomics and the rings' slots, each a sealed memory file.

use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SealFlag, fallocate, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::uio::{pread, pwrite};
use nix::unistd::ftruncate;
use vloopback_core::RingPlan;
use vloopback_ring::pusher_page::PusherPage;
use vloopback_ring::request_slot::RequestSlot;
use vloopback_ring::{Board, ClaimsPage, Lifeline, Log, PAGE_LEN, SessionPage};

use crate::quota::{Charge, Kept, Quotas, Resource};

/// Types that consist of atomics only: any bytes are a value, and any process may write them at any time.
///
/// # Safety
/// The implementer promises that, and that the type fits into a page.
pub(crate) unsafe trait Shared {}
// SAFETY: all fields are atomics (vloopback_ring asserts the sizes).
unsafe impl Shared for Board {}
// SAFETY: as above.
unsafe impl Shared for ClaimsPage {}
// SAFETY: as above.
unsafe impl Shared for Log {}
// SAFETY: as above.
unsafe impl Shared for SessionPage {}
// SAFETY: as above.
unsafe impl Shared for Lifeline {}

// SAFETY: as above.
unsafe impl Shared for PusherPage {}

// SAFETY: as above.
unsafe impl Shared for RequestSlot {}

/// A descriptor of a page, or of another memory file, by which it cannot be mapped for writing.
pub(crate) fn read_only(fd: BorrowedFd) -> Result<OwnedFd, Errno> {
    // Another user's process could open the file anew through /proc otherwise.
    fchmod(fd, Mode::S_IRUSR)?;
    open(path_of(fd).as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

fn path_of(fd: BorrowedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
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

/// Memory of a fixed size that other processes get. Whoever maps it need not fear that it goes.
///
/// Its user pays for it as long as any process has it: others may keep it when the server has no use for it any more.
#[derive(Debug)]
pub(crate) struct SharedFile {
    /// `None` only while it is dropped.
    files: Option<Files>,
    /// For its bytes, and for the two descriptors that the server has of them.
    charges: Option<[Charge; 2]>,
    quotas: Quotas,
}

#[derive(Debug)]
struct Files {
    file: OwnedFd,
    /// A descriptor by which it cannot be written: for who may only read.
    for_readers: OwnedFd,
}

impl SharedFile {
    /// Takes so many bytes, all zero, at the cost of this user.
    ///
    /// # Errors
    /// ENOMEM: there is no memory left, or the user gets no more. ENFILE: the same of descriptors. EMFILE: the server has
    /// none left.
    pub(crate) fn new(name: &str, len: u64, (quotas, uid): (&Quotas, u32)) -> Result<Self, Errno> {
        let memory = quotas.charge(uid, Resource::Memory, len).map_err(|_| Errno::ENOMEM)?;
        let charges = [memory, quotas.charge(uid, Resource::Descriptors, 2)?];
        let made = memory_file(name, len)?;
        seal(&made, SealFlag::empty())?;
        // The kernel counts the writers of a file among those who opened it by a path (`Kept::is_used`).
        let file = open(path_of(made.as_fd()).as_str(), OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
        let for_readers = read_only(made.as_fd())?;
        Ok(Self { files: Some(Files { file, for_readers }), charges: Some(charges), quotas: quotas.clone() })
    }

    /// A descriptor to pass on, or to use: one by which the memory can be written, or one by which it cannot.
    pub(crate) fn fd(&self, writes: bool) -> BorrowedFd<'_> {
        let files = self.files.as_ref().expect("only drop takes them");
        if writes { files.file.as_fd() } else { files.for_readers.as_fd() }
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        let (Some(files), Some(charges)) = (self.files.take(), self.charges.take()) else { return };
        // What was passed on is the same open file as ours. So a new one watches.
        let watch = read_only(files.file.as_fd());
        drop(files);
        if let Ok(watch) = watch {
            self.quotas.keep(Box::new(Dropped { watch, charges }));
        }
    }
}

/// fcntl(2): which signal tells of a lease's end (asm-generic/fcntl.h; the `libc` crate does not have it for Linux).
const F_SETSIG: libc::c_int = 10;

/// Memory that the server has no use for any more, but that others may still have.
#[derive(Debug)]
struct Dropped {
    watch: OwnedFd,
    #[expect(dead_code, reason = "held until nobody has the memory")]
    charges: [Charge; 2],
}

impl Kept for Dropped {
    /// Whether another process has the memory open, mapped or in flight: only the one that has a file for itself gets
    /// a lease to write it (fcntl(2), F_SETLEASE).
    fn is_used(&self) -> bool {
        let fd = self.watch.as_raw_fd();
        // SAFETY: three requests that take a number, on a descriptor that is ours. Whoever opens the file in between
        // would make the kernel send a signal: one that is ignored by default, not SIGIO, which ends a process.
        unsafe {
            if libc::fcntl(fd, F_SETSIG, libc::SIGURG) != 0 {
                return false;
            }
            if libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) != 0 {
                return Errno::last() == Errno::EAGAIN;
            }
            libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
        }
        false
    }
}

impl<T: Shared> Page<T> {
    /// A page that the holder of its descriptor may write.
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

/// The errno of an error; ENOMEM for an error without one.
pub(crate) fn to_errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::ENOMEM))
}

/// The slots of a ring: one memory file, one slot after the other.
#[derive(Debug)]
struct Slots {
    file: SharedFile,
    count: u32,
    /// Bytes of each, whole pages.
    len: u32,
}

impl Slots {
    /// Where slot `k` begins in the file.
    fn slot_offset(&self, slot: usize) -> Result<libc::off_t, Errno> {
        let slot = u32::try_from(slot).ok().filter(|slot| *slot < self.count).ok_or(Errno::EINVAL)?;
        libc::off_t::try_from(u64::from(slot) * u64::from(self.len)).map_err(|_| Errno::EFBIG)
    }
}

/// The writer of a ring, and the owner of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    /// The pusher's session; 0: the daemon, with its placeholder.
    pub(crate) session: u32,
    /// Another user's pusher gets slots of its own.
    pub(crate) uid: u32,
}

/// A ring's memory.
#[derive(Debug)]
pub(crate) struct RingMemory {
    /// Its number: that of its slots.
    pub(crate) number: u32,
    /// Its log's, another one for each writer.
    pub(crate) log_number: u32,
    pub(crate) log: Page<Log>,
    /// The log's descriptor for clients: it cannot be mapped for writing.
    log_for_clients: OwnedFd,
    slots: Arc<Slots>,
    /// Bytes of a slot.
    pub(crate) slot_len: u32,
    pub(crate) writer: Writer,
    /// The newest publication when the log was made, by the daemon's own count, and the time.
    base: u64,
    made: Instant,
}

/// The fewest nanoseconds between two publications: no process copies, or even publishes, faster.
const FASTEST: u64 = 100;

impl RingMemory {
    /// Makes the ring of a plan, with the numbers `number` and `log_number`; publications are numbered on from `head`.
    /// Its memory is charged to the writer's user.
    ///
    /// # Errors
    /// ENOMEM: no memory is left, or none for this user.
    pub(crate) fn new(
        plan: &RingPlan,
        (number, log_number): (u32, u32),
        head: u64,
        writer: Writer,
        quotas: &Quotas,
    ) -> Result<Self, Errno> {
        let len = u64::from(plan.slots) * u64::from(plan.buf_len);
        let file = SharedFile::new("vloopback-slots", len, (quotas, writer.uid))?;
        let slots = Arc::new(Slots { file, count: plan.slots, len: plan.buf_len });
        Self::with_slots(slots, (number, log_number), head, writer)
    }

    fn with_slots(
        slots: Arc<Slots>,
        (number, log_number): (u32, u32),
        head: u64,
        writer: Writer,
    ) -> Result<Self, Errno> {
        let log = Page::<Log>::writable("vloopback-log")?;
        log.head.store(head, Ordering::Relaxed);
        log.base.store(head, Ordering::Relaxed);
        let log_for_clients = read_only(log.fd())?;
        let (slot_len, made) = (slots.len, Instant::now());
        let base = head;
        Ok(Self { number, log_number, log, log_for_clients, slots, slot_len, writer, base, made })
    }

    /// The same slots with a new log, for another writer. Only those publications of the former log are taken over
    /// that can be true; what the former writer writes there later is not seen.
    pub(crate) fn handed_to(&self, writer: Writer, log_number: u32) -> Result<Self, Errno> {
        let head = self.head();
        let numbers = (self.number, log_number);
        let ring = Self::with_slots(self.slots.clone(), numbers, head, writer)?;
        ring.log.clock.follow(&self.log.clock, vloopback_sys::clock::now());
        for (old, new) in self.log.slots.iter().zip(&ring.log.slots).take(self.slots.count as usize) {
            let number = old.number.load(Ordering::Acquire);
            if number == 0 || number > head {
                continue;
            }
            new.len.store(old.len.load(Ordering::Relaxed).min(self.slot_len), Ordering::Relaxed);
            new.time.store(old.time.load(Ordering::Relaxed), Ordering::Relaxed);
            new.marks.store(old.marks.load(Ordering::Relaxed), Ordering::Relaxed);
            fence(Ordering::SeqCst);
            // A pusher that is not quite gone yet may have begun to write there.
            if old.number.load(Ordering::SeqCst) == number {
                new.number.store(number, Ordering::SeqCst);
            }
        }
        Ok(ring)
    }

    /// Empties the log: its frames are void, or belong to another log.
    pub(crate) fn forget(&self) {
        for slot in &self.log.slots {
            slot.number.store(0, Ordering::SeqCst);
        }
    }

    /// The newest publication's number, as far as it can be true: a pusher publishes nothing before the first number,
    /// and no more than its time allowed. Larger claims do not outlive the pusher.
    pub(crate) fn head(&self) -> u64 {
        let newest = self.log.slots[..self.slots.count as usize].iter().map(|slot| {
            // It may have died between the two stores of a publication.
            slot.number.load(Ordering::Acquire)
        });
        let told = newest.max().unwrap_or(0).max(self.log.head.load(Ordering::Acquire));
        let most = u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX) / FASTEST;
        told.clamp(self.base, self.base.saturating_add(most).saturating_add(1))
    }

    /// The number after which the log's publications begin.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The descriptors for a participant: the log (writable for the pusher only), and the slots (writable only with the
    /// right to write to the node).
    pub(crate) fn descriptors(&self, pusher: bool, writes: bool) -> [BorrowedFd<'_>; 2] {
        let log = if pusher { self.log.fd() } else { self.log_for_clients.as_fd() };
        [log, self.slots.file.fd(writes)]
    }

    /// Publishes the newest frame of a former ring here, under its own number, so that a client whose descriptor is
    /// readable for it has a frame to take. Both rings hold frames of one format; nobody has this ring yet.
    pub(crate) fn carry_over(&self, former: &Self) -> Result<(), Errno> {
        let head = former.head();
        let numbers = former.log.slots[..former.slots.count as usize]
            .iter()
            .map(|slot| slot.number.load(Ordering::Acquire));
        let newest = numbers.enumerate().filter(|(_, n)| (1..=head).contains(n)).max_by_key(|(_, n)| *n);
        let Some((from, number)) = newest else { return Ok(()) };
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
        let to = self.slots.count as usize - 1;
        self.fill(to, 0, &frame)?;
        let new = &self.log.slots[to];
        new.len.store(len, Ordering::Relaxed);
        new.time.store(time, Ordering::Relaxed);
        new.marks.store(marks, Ordering::Relaxed);
        new.number.store(number, Ordering::SeqCst);
        Ok(())
    }

    /// Reads the beginning of a slot, without mapping it.
    fn fetch(&self, slot: usize, frame: &mut [u8]) -> Result<(), Errno> {
        let at = self.slots.slot_offset(slot)?;
        let mut done = 0;
        while done < frame.len() {
            match pread(self.slots.file.fd(true), &mut frame[done..], at + done as libc::off_t) {
                Ok(0) => return Err(Errno::ENODATA),
                Ok(n) => done += n,
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Writes a part of a frame to a slot, from byte `from` of it on, without mapping it.
    ///
    /// # Errors
    /// EFBIG: a slot is not that long.
    pub(crate) fn fill(&self, slot: usize, from: usize, frame: &[u8]) -> Result<(), Errno> {
        if from.saturating_add(frame.len()) > self.slot_len as usize {
            return Err(Errno::EFBIG);
        }
        let at = self.slots.slot_offset(slot)? + from as libc::off_t;
        let mut done = 0;
        while done < frame.len() {
            match pwrite(self.slots.file.fd(true), &frame[done..], at + done as libc::off_t) {
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
        self.slots.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::{Limits, Totals};

    /// What is missing is told: bytes are ENOMEM, descriptors ENFILE.
    #[test]
    fn a_user_learns_what_there_is_no_more_of() {
        let made = |memory, descriptors| {
            let totals = Totals { descriptors, memory, pipes: 0 };
            let quotas = Quotas::new(0, Limits::default(), totals);
            SharedFile::new("test", 4096, (&quotas, 1)).map(drop)
        };
        assert_eq!(made(8192, 4), Ok(()));
        assert_eq!(made(8191, 4), Err(Errno::ENOMEM));
        assert_eq!(made(8192, 3), Err(Errno::ENFILE));
    }
}
