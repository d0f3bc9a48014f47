//! Whoever makes a call: whose memory, descriptors, word size and threads are meant.

use core::ffi::c_int;
use core::ops::Deref;

use vloopback_convert::Fit;
use vloopback_ioctl::{Abi, Fault, UserMemory};

use crate::files::Files;
use crate::open_file::OpenFile;
use vloopback_sys as sys;
use vloopback_sys::Result;

/// How a caller's frames are converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// How a picture is fitted into a size of another shape.
    pub fit: Fit,
    /// It may ask for sizes of another shape than the pipe's.
    pub any_shape: bool,
}

/// How a caller has a device's memory mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// What a mapping shows can be changed at any time: frames come in place where they can.
    Own,
    /// The caller maps a file by itself ([`dispatch::window`](crate::dispatch::window)), and nothing can be put over
    /// that mapping later. So no buffer shows a slot, and every frame is copied once.
    Fixed,
}

/// A descriptor of the caller's, for as long as this lives.
#[derive(Debug)]
pub enum Imported {
    /// Its number is ours, too: the caller is this process.
    Same(c_int),
    /// A copy, which is closed with this.
    Copy(c_int),
}

impl Imported {
    /// The number that it has here.
    pub fn number(&self) -> c_int {
        match *self {
            Self::Same(fd) | Self::Copy(fd) => fd,
        }
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        if let Self::Copy(fd) = *self {
            sys::close(fd);
        }
    }
}

/// The process on whose behalf a call is made. What a device does knows nothing of it but by this.
pub trait Caller: UserMemory {
    /// Its word size, and with it the shape of its structures.
    fn abi(&self) -> Abi;

    /// It has made a request of V4L1: from its next open on it is legacy (driver/docs/rules.md, "Eras").
    fn made_v4l1_request(&self);

    /// Whether it is told vloopback's own names, where a program of today is told v4l2loopback's: it is legacy, or its
    /// user asked for them.
    fn has_own_names(&self) -> bool;

    /// Whether frames are converted where it asks for a pixel format or a size that the pipe does not have, and how.
    fn converts(&self) -> Option<Wish>;

    /// Whether its calls wait: the descriptor has no O_NONBLOCK.
    fn may_wait(&self) -> bool;

    /// Whether the number that it called with still is the open file that it was. Looked at after each wait.
    fn is_open(&self) -> bool;

    /// Its descriptor of `file`, to take readiness out of, and to wait for. None: raw system calls have put something
    /// else at the number, or it has none.
    fn device(&self, file: &OpenFile) -> Option<c_int>;

    /// The thread that calls.
    fn thread(&self) -> i32;

    /// The open files that this process has: a stream has one owner in each process.
    fn files(&self) -> &Files;

    /// Whether a frame of `len` bytes can be read from there.
    ///
    /// # Errors
    /// [`Fault`].
    fn check_readable(&self, file: &OpenFile, addr: usize, len: usize) -> core::result::Result<(), Fault>;

    /// Whether a frame of `len` bytes can be written there.
    ///
    /// # Errors
    /// [`Fault`].
    fn check_writable(&self, file: &OpenFile, addr: usize, len: usize) -> core::result::Result<(), Fault>;

    /// Copies `len` bytes of our own memory to its address `to`.
    ///
    /// # Errors
    /// EFAULT: nothing is there any more.
    ///
    /// # Safety
    /// `len` bytes can be read at `from`; [`Caller::check_writable`] said yes to `to`.
    unsafe fn copy_out(&self, from: *const u8, to: usize, len: usize) -> Result<()>;

    /// Copies `len` bytes from its address `from` to our own memory.
    ///
    /// # Errors
    /// EFAULT: nothing is there any more.
    ///
    /// # Safety
    /// `len` bytes can be written at `to`; [`Caller::check_readable`] said yes to `from`.
    unsafe fn copy_in(&self, from: usize, to: *mut u8, len: usize) -> Result<()>;

    /// Gives it a descriptor, which is ours; returns the number that it has for the caller, close-on-exec if asked for.
    ///
    /// # Errors
    /// EMFILE.
    fn export(&self, fd: c_int, cloexec: bool) -> Result<c_int>;

    /// The descriptor that has this number for the caller (DMABUF).
    ///
    /// # Errors
    /// EBADF; EMFILE.
    fn import(&self, fd: c_int) -> Result<Imported>;

    /// How it has a device's memory mapped. The same for all calls of a process.
    fn window(&self) -> Window;
}

/// One call by an open file.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The open file.
    pub file: &'a OpenFile,
    /// Who calls.
    pub caller: &'a dyn Caller,
}

impl Deref for Call<'_> {
    type Target = OpenFile;

    #[inline]
    fn deref(&self) -> &OpenFile {
        self.file
    }
}
