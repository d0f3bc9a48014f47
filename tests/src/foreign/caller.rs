//! The process that is served, as `driver/device` sees it.

use std::cell::OnceCell;
use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use vloopback_device::caller::{Caller, Imported, Window, Wish};
use vloopback_device::checked_buffers;
use vloopback_device::files::Files;
use vloopback_device::open_file::OpenFile;
use vloopback_ioctl::{Abi, Fault, UserMemory};
use vloopback_sys::Result;

use super::notify::{Listener, Notification};

fn raw(errno: Errno) -> vloopback_sys::Errno {
    vloopback_sys::Errno(errno.raw_os_error())
}

/// A process that is served.
pub(super) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    /// Its open files; a record of one is never given back, so this is not either.
    pub(super) files: &'static Files,
    legacy: AtomicBool,
}

impl Process {
    /// # Errors
    /// There is no such process.
    pub(super) fn new(pid: Pid) -> rustix::io::Result<Self> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self { pid, pidfd, files: Box::leak(Box::new(Files::new())), legacy: AtomicBool::new(false) })
    }

    pub(super) fn is_legacy(&self) -> bool {
        self.legacy.load(Ordering::Relaxed)
    }

    /// A copy of what it has under this number.
    ///
    /// # Errors
    /// EBADF; EPERM.
    pub(super) fn fetch(&self, number: RawFd) -> rustix::io::Result<OwnedFd> {
        if number < 0 {
            return Err(Errno::BADF);
        }
        pidfd_getfd(self.pidfd.as_fd(), number, PidfdGetfdFlags::empty())
    }

    /// Whether all of a range can be written: /proc/PID/maps tells.
    fn is_writable(&self, addr: usize, end: usize) -> bool {
        let path = format!("/proc/{}/maps", self.pid.as_raw_nonzero());
        let maps = std::fs::read_to_string(path).unwrap_or_default();
        let mut at = addr;
        for line in maps.lines() {
            let mut words = line.split(' ');
            let bounds = words.next().and_then(|range| range.split_once('-'));
            let hex = |text| usize::from_str_radix(text, 16).ok();
            let Some((Some(from), Some(to))) = bounds.map(|(from, to)| (hex(from), hex(to))) else {
                continue;
            };
            if at < end && (from..to).contains(&at) {
                if !words.next().is_some_and(|flags| flags.contains('w')) {
                    return false;
                }
                at = to;
            }
        }
        at >= end
    }

    /// Copies between our memory at `ours` and its at `theirs`, all `len` bytes or EFAULT.
    ///
    /// # Safety
    /// `len` bytes at `ours` can be read, or written if `into` is false.
    unsafe fn copy(&self, ours: *mut u8, theirs: usize, len: usize, into: bool) -> Result<()> {
        let mut done = 0;
        while done < len {
            let here = libc::iovec { iov_base: ours.wrapping_add(done).cast(), iov_len: len - done };
            let there = libc::iovec { iov_base: (theirs + done) as *mut _, iov_len: len - done };
            let pid = self.pid.as_raw_nonzero().get();
            // SAFETY: the caller's promise for our memory; the kernel looks at the other's.
            let count = unsafe {
                if into {
                    libc::process_vm_writev(pid, &raw const here, 1, &raw const there, 1, 0)
                } else {
                    libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0)
                }
            };
            match usize::try_from(count) {
                Ok(count @ 1..) => done += count,
                _ => return Err(vloopback_sys::Errno::EFAULT),
            }
        }
        Ok(())
    }
}

impl UserMemory for Process {
    fn read(&self, addr: usize, out: &mut [u8]) -> core::result::Result<(), Fault> {
        // SAFETY: `out` has as many bytes.
        unsafe { self.copy(out.as_mut_ptr(), addr, out.len(), false) }.map_err(|_| Fault)
    }

    fn write(&self, addr: usize, data: &[u8]) -> core::result::Result<(), Fault> {
        // SAFETY: `data` has as many bytes, which are read only.
        unsafe { self.copy(data.as_ptr().cast_mut(), addr, data.len(), true) }.map_err(|_| Fault)
    }
}

/// One call of it.
pub(super) struct Foreign<'a> {
    pub(super) process: &'a Process,
    pub(super) listener: &'a Listener,
    pub(super) call: &'a Notification,
    /// The number that it called with.
    pub(super) number: RawFd,
    /// Its descriptor, fetched for the time of the call: the program's last close is to be the device's.
    pub(super) device: OnceCell<Option<OwnedFd>>,
}

impl Foreign<'_> {
    fn descriptor(&self) -> Option<&OwnedFd> {
        self.device.get_or_init(|| self.process.fetch(self.number).ok()).as_ref()
    }

    /// Whether all pages of a range are there.
    fn is_there(&self, addr: usize, len: usize) -> core::result::Result<(), Fault> {
        checked_buffers::check(addr, len, |at| self.process.read(at, &mut [0]).is_ok())
    }
}

impl UserMemory for Foreign<'_> {
    fn read(&self, addr: usize, out: &mut [u8]) -> core::result::Result<(), Fault> {
        self.process.read(addr, out)
    }

    fn write(&self, addr: usize, data: &[u8]) -> core::result::Result<(), Fault> {
        self.process.write(addr, data)
    }
}

impl Caller for Foreign<'_> {
    fn abi(&self) -> Abi {
        Abi::NATIVE
    }

    fn made_v4l1_request(&self) {
        self.process.legacy.store(true, Ordering::Relaxed);
    }

    fn has_own_names(&self) -> bool {
        self.process.is_legacy()
    }

    fn converts(&self) -> Option<Wish> {
        None
    }

    fn may_wait(&self) -> bool {
        let flags = self.descriptor().map(rustix::fs::fcntl_getfl);
        flags.is_none_or(|flags| flags.is_ok_and(|flags| !flags.contains(rustix::fs::OFlags::NONBLOCK)))
    }

    fn is_open(&self) -> bool {
        self.listener.is_valid(self.call)
    }

    fn device(&self, _file: &OpenFile) -> Option<c_int> {
        self.descriptor().map(AsRawFd::as_raw_fd)
    }

    fn thread(&self) -> i32 {
        self.call.thread()
    }

    fn files(&self) -> &Files {
        self.process.files
    }

    fn check_readable(&self, _file: &OpenFile, addr: usize, len: usize) -> core::result::Result<(), Fault> {
        self.is_there(addr, len)
    }

    fn check_writable(&self, _file: &OpenFile, addr: usize, len: usize) -> core::result::Result<(), Fault> {
        let end = addr.checked_add(len).ok_or(Fault)?;
        if self.process.is_writable(addr, end) { Ok(()) } else { Err(Fault) }
    }

    unsafe fn copy_out(&self, from: *const u8, to: usize, len: usize) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.process.copy(from.cast_mut(), to, len, true) }
    }

    unsafe fn copy_in(&self, from: usize, to: *mut u8, len: usize) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.process.copy(to, from, len, false) }
    }

    fn export(&self, fd: c_int, cloexec: bool) -> Result<c_int> {
        // SAFETY: the device has just made it and gives it away.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        self.listener.give(self.call, fd.as_fd(), None, cloexec).map_err(raw)
    }

    fn import(&self, fd: c_int) -> Result<Imported> {
        let copy = self.process.fetch(fd).map_err(raw)?;
        Ok(Imported::Copy(copy.into_raw_fd()))
    }

    fn window(&self) -> Window {
        Window::Fixed
    }
}
