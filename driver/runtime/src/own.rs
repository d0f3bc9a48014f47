//! The caller that is this process.

use core::ffi::c_int;

use vloopback_ioctl::{Abi, Fault, UserMemory};

use crate::open_files;
use crate::own_memory::OwnMemory;
use vloopback_convert::Fit;
use vloopback_device::caller::{Caller, Imported, Window, Wish};
use vloopback_device::files::Files;
use vloopback_device::open_file::{OpenFile, is_certain};
use vloopback_link::environment::{self, Conversion};
use vloopback_link::table;
use vloopback_sys as sys;
use vloopback_sys::Result;

/// This process, with the descriptor that it called with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    fd: c_int,
    /// What the number was when it called.
    entry: usize,
}

impl Own {
    /// A call by this number.
    pub(crate) fn new(fd: c_int) -> Self {
        Self { fd, entry: table::get(fd) }
    }
}

impl UserMemory for Own {
    fn read(&self, addr: usize, out: &mut [u8]) -> core::result::Result<(), Fault> {
        OwnMemory.read(addr, out)
    }

    fn write(&self, addr: usize, data: &[u8]) -> core::result::Result<(), Fault> {
        OwnMemory.write(addr, data)
    }
}

impl Caller for Own {
    fn abi(&self) -> Abi {
        Abi::NATIVE
    }

    fn made_v4l1_request(&self) {
        environment::mark_legacy();
    }

    fn has_own_names(&self) -> bool {
        environment::is_legacy() || environment::has_own_names()
    }

    fn converts(&self) -> Option<Wish> {
        let (fit, any_shape) = match environment::conversion() {
            Conversion::Off => return None,
            Conversion::SameShape => (Fit::Letterbox, false),
            Conversion::Letterbox => (Fit::Letterbox, true),
            Conversion::Stretch => (Fit::Stretch, true),
        };
        Some(Wish { fit, any_shape })
    }

    fn may_wait(&self) -> bool {
        sys::may_wait(self.fd)
    }

    fn is_open(&self) -> bool {
        table::get(self.fd) == self.entry
    }

    fn device(&self, file: &OpenFile) -> Option<c_int> {
        is_certain(self.fd, file).then_some(self.fd)
    }

    fn thread(&self) -> i32 {
        sys::thread()
    }

    fn files(&self) -> &Files {
        &open_files::OWN
    }

    fn check_readable(&self, file: &OpenFile, addr: usize, len: usize) -> core::result::Result<(), Fault> {
        file.checked.readable(addr, len)
    }

    fn check_writable(&self, file: &OpenFile, addr: usize, len: usize) -> core::result::Result<(), Fault> {
        file.checked.writable(addr, len)
    }

    unsafe fn copy_out(&self, from: *const u8, to: usize, len: usize) -> Result<()> {
        // SAFETY: the caller's promise. A program that unmaps it meanwhile crashes as it would for its own accesses.
        unsafe { core::ptr::copy_nonoverlapping(from, to as *mut u8, len) };
        Ok(())
    }

    unsafe fn copy_in(&self, from: usize, to: *mut u8, len: usize) -> Result<()> {
        // SAFETY: as above.
        unsafe { core::ptr::copy_nonoverlapping(from as *const u8, to, len) };
        Ok(())
    }

    fn export(&self, fd: c_int, cloexec: bool) -> Result<c_int> {
        if !cloexec {
            sys::keep_on_exec(fd)?;
        }
        Ok(fd)
    }

    fn import(&self, fd: c_int) -> Result<Imported> {
        Ok(Imported::Same(fd))
    }

    fn window(&self) -> Window {
        Window::Own
    }
}
