//! uname.

use crate::real;
use core::ffi::{c_char, c_int};
use vloopback_runtime::edge;
use vloopback_runtime::stack;

/// The release of an older kernel, where the user asked for one (`vloopback run --uname`):
/// programs of the 2.4 and 2.6 eras refuse to look for a pipe on later ones (driver/docs/old-api.md, "The kernel
/// release").
#[unsafe(no_mangle)]
unsafe extern "C" fn uname(names: *mut libc::utsname) -> c_int {
    stack::align();
    // SAFETY: the program's own argument.
    names_by(names, || unsafe { real::uname(names) })
}

/// uname; `call` fills the record.
pub(crate) fn names_by(names: *mut libc::utsname, call: impl Fn() -> c_int) -> c_int {
    let result = call();
    if result != 0 {
        return result;
    }
    if let Some(release) = edge::fake_release() {
        // SAFETY: the call has just filled the record there.
        let room = unsafe { &mut (*names).release };
        room.fill(0);
        let last = room.len() - 1;
        for (to, from) in room.iter_mut().take(last).zip(release.to_bytes()) {
            *to = *from as c_char;
        }
    }
    result
}
