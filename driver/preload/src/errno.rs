//! The C library's error number, and answers that carry one.

use core::ffi::c_int;

/// The calling thread's error number.
pub fn get() -> c_int {
    // SAFETY: glibc's accessor always gives the thread's own, live place.
    unsafe { *libc::__errno_location() }
}

/// Sets the calling thread's error number.
pub fn set(number: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = number }
}

/// What a libc call returns when it fails.
pub trait Outcome: Copy {
    /// The failing value.
    const FAILED: Self;
    /// Whether this is it.
    fn failed(self) -> bool;
}

impl Outcome for c_int {
    const FAILED: Self = -1;
    fn failed(self) -> bool {
        self == -1
    }
}

impl Outcome for isize {
    const FAILED: Self = -1;
    fn failed(self) -> bool {
        self == -1
    }
}

impl<T> Outcome for *mut T {
    const FAILED: Self = core::ptr::null_mut();
    fn failed(self) -> bool {
        self.is_null()
    }
}

/// Fails with `number`.
pub fn fail<R: Outcome>(number: c_int) -> R {
    set(number);
    R::FAILED
}

/// A byte count or an errno, as read(2) and its kin answer.
pub fn count(result: vloopback_sys::Result<usize>) -> isize {
    match result {
        // A count beyond isize cannot come from a buffer in memory.
        Ok(count) => isize::try_from(count).unwrap_or(isize::MAX),
        Err(errno) => fail(errno.raw()),
    }
}

/// A plain answer or an errno, as ioctl(2) answers.
pub fn plain(result: vloopback_sys::Result<c_int>) -> c_int {
    result.unwrap_or_else(|errno| fail(errno.raw()))
}
