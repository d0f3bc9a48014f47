//! Calls that close, copy and move descriptor numbers.
//!
//! The runtime keeps a few descriptors of its own in the program's table (driver/docs/rules.md, "The descriptor"):
//! what the program closes by range leaves them open, and what it copies onto one finds it moved away.

use crate::closing::close_one;
use crate::errno;
use crate::real;
use crate::stream;
use crate::watches;
use core::ffi::{c_int, c_uint};
use vloopback_runtime::edge;
use vloopback_runtime::stack;

#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    stack::align();
    close_one(fd)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __close(fd: c_int) -> c_int {
    stack::align();
    close_one(fd)
}

/// The descriptor numbers `first..=last` in pieces that leave out the runtime's own. Ends with
/// the first piece that `each` fails on.
fn around_hidden(first: c_uint, last: c_uint, mut each: impl FnMut(c_uint, c_uint) -> c_int) -> c_int {
    let mut start = first;
    while let Some(number) = edge::next_hidden(start, last) {
        if number > start && each(start, number - 1) != 0 {
            return -1;
        }
        if number == last {
            return 0;
        }
        // A descriptor number is below 2^31.
        start = number + 1;
    }
    each(start, last)
}

/// Closes the numbers of a range by `call`, or marks them for exec. Leaves out the runtime's own.
pub(crate) fn close_some(
    first: c_uint,
    last: c_uint,
    flags: c_int,
    call: impl Fn(c_uint, c_uint) -> c_int,
) -> c_int {
    if first > last {
        // The kernel refuses it.
        return call(first, last);
    }
    // Only closing makes numbers unknown; the flag that marks them for exec closes nothing now.
    let closes = flags & libc::CLOSE_RANGE_CLOEXEC as c_int == 0;
    around_hidden(first, last, |first, last| {
        if closes {
            watches::forget_range(first, last);
            edge::before_close_range(first, last);
        }
        call(first, last)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments, the range perhaps a part of its.
    close_some(first, last, flags, |first, last| unsafe { real::close_range(first, last, flags) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn closefrom(lowest: c_int) {
    stack::align();
    let lowest = c_uint::try_from(lowest).unwrap_or(0);
    let before = errno::get();
    around_hidden(lowest, c_uint::MAX, |first, last| {
        watches::forget_range(first, last);
        edge::before_close_range(first, last);
        // SAFETY: a part of what the program wants closed.
        let result = unsafe { real::close_range(first, last, 0) };
        if result != 0 {
            // A kernel before 5.9, or a sandbox that knows no close_range.
            close_each(first, last);
        }
        0
    });
    errno::set(before);
}

/// Closes one by one, up to the highest number that the process may have.
fn close_each(first: c_uint, last: c_uint) {
    // SAFETY: no pointers; -1 where there is no limit.
    let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    let highest = c_uint::try_from(limit).unwrap_or(1 << 20).saturating_sub(1);
    for fd in first..=last.min(highest) {
        if let Ok(fd) = c_int::try_from(fd) {
            // SAFETY: the program wants it closed; a number that is not open gives EBADF.
            unsafe { real::close(fd) };
        }
    }
}

/// A copy of `fd` by `call`.
pub(crate) fn dup_by(fd: c_int, call: impl Fn() -> c_int) -> c_int {
    let new = call();
    if new >= 0 {
        edge::after_dup(fd, new);
        stream::settle(new);
    }
    new
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dup(fd: c_int) -> c_int {
    stack::align();
    // SAFETY: the program's own argument.
    dup_by(fd, || unsafe { real::dup(fd) })
}

/// A copy of `old` at the number `new` by `call`.
pub(crate) fn dup_onto(old: c_int, new: c_int, call: impl Fn() -> c_int) -> c_int {
    if old == new {
        return call();
    }
    edge::make_room(new);
    let result = call();
    if result >= 0 {
        watches::forget(result);
        edge::after_dup(old, result);
        stream::settle(result);
    }
    result
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dup2(old: c_int, new: c_int) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    dup_onto(old, new, || unsafe { real::dup2(old, new) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __dup2(old: c_int, new: c_int) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    dup_onto(old, new, || unsafe { real::dup2(old, new) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    dup_onto(old, new, || unsafe { real::dup3(old, new, flags) })
}

/// fcntl by `call`.
pub(crate) fn control(fd: c_int, command: c_int, call: impl Fn() -> c_int) -> c_int {
    let result = call();
    if result >= 0 && matches!(command, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) {
        edge::after_dup(fd, result);
        stream::settle(result);
    }
    result
}

// The third argument is a number or a pointer, by the command; a word carries both.
macro_rules! fcntl_hooks {
    ($($name:ident => $real:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, command: c_int, arg: usize) -> c_int {
            stack::align();
            // SAFETY: the program's own arguments.
            control(fd, command, || unsafe { real::$real(fd, command, arg) })
        }
    )*};
}

fcntl_hooks! {
    fcntl => fcntl;
    fcntl64 => fcntl64;
    __fcntl => fcntl;
}

#[cfg(target_pointer_width = "32")]
fcntl_hooks! {
    __fcntl_time64 => __fcntl_time64;
}
