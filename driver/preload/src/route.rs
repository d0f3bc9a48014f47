//! Where a path of the program leads: to a device, into the daemon's tree of plain files, or (nearly
//! always) to the system.

use core::ffi::{c_char, c_int};

use vloopback_runtime::paths::Class;

use crate::errno::{self, Outcome};
use crate::find::{find_ours, is_not_ours};
use crate::links;
use crate::place::Place;

/// Makes a call that names one path: by `ours` if the path is one of ours, else by `call`. If the system then says
/// that there is no such file, the path may still lead to a device by a link ([`links`]). `follow`: the call follows
/// a symbolic link at the path's end.
#[inline]
pub fn serve<R: Outcome>(
    dirfd: c_int,
    path: *const c_char,
    follow: bool,
    call: impl Fn(c_int, *const c_char) -> R,
    ours: impl Fn(&Place) -> R,
) -> R {
    let before = errno::get();
    if is_not_ours(path) {
        let result = call(dirfd, path);
        if !result.failed() || !links::may_lead(errno::get()) {
            return result;
        }
        return serve_link(dirfd, path, follow, (before, result), ours);
    }
    serve_ours(dirfd, path, follow, call, ours)
}

/// [`serve`] of a path that looks like one of ours.
#[inline(never)]
fn serve_ours<R: Outcome>(
    dirfd: c_int,
    path: *const c_char,
    follow: bool,
    call: impl Fn(c_int, *const c_char) -> R,
    ours: impl Fn(&Place) -> R,
) -> R {
    let before = errno::get();
    let place = find_ours(dirfd, path);
    let (dirfd, path) = match &place {
        Some(place) if place.class != Class::NotOurs => return ours(place),
        Some(place) => place.outer(dirfd, path),
        None => (dirfd, path),
    };
    let result = call(dirfd, path);
    if !result.failed() || !links::may_lead(errno::get()) {
        return result;
    }
    serve_link(dirfd, path, follow, (before, result), ours)
}

/// [`serve`] of a path for which the system's call has failed with `result`. `before`: errno before that call.
#[cold]
#[inline(never)]
pub fn serve_link<R: Outcome>(
    dirfd: c_int,
    path: *const c_char,
    follow: bool,
    (before, result): (c_int, R),
    ours: impl Fn(&Place) -> R,
) -> R {
    let errno = errno::get();
    match links::follow(dirfd, path, follow, errno) {
        Some(place) => {
            errno::set(before);
            ours(&place)
        }
        None => {
            errno::set(errno);
            result
        }
    }
}
