//! Calls that change the current folder, and that tell it.

use core::cell::Cell;
use core::ffi::{c_char, c_int};

use libc::{AT_FDCWD, size_t};
use vloopback_runtime::edge;
use vloopback_runtime::paths::Class;
use vloopback_runtime::stack;

use crate::errno::{self, fail};
use crate::folder::{ROOM, below_tree, current, is_inside, look, may_change};
use crate::place::Place;
use crate::{find, real, remote, route};

fn change(path: *const c_char, call: impl Fn(*const c_char) -> c_int) -> c_int {
    let ours = Cell::new(!find::is_not_ours(path));
    let result = route::serve(
        AT_FDCWD,
        path,
        true,
        |_, path| call(path),
        |place| {
            ours.set(true);
            enter(place, path, &call)
        },
    );
    if result == 0 && (ours.get() || is_inside()) {
        look();
    }
    result
}

fn enter(place: &Place, path: *const c_char, call: impl Fn(*const c_char) -> c_int) -> c_int {
    if place.device(true).is_some() && remote::mode_in_tree(place).is_some() {
        return fail(libc::ENOTDIR);
    }
    if let Class::Tree { legacy: true } = place.class {
        edge::mark_legacy();
    }
    place.call(AT_FDCWD, path, |_, path| call(path))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn chdir(path: *const c_char) -> c_int {
    stack::align();
    // SAFETY: the program's own argument, or a path of ours in its place.
    change(path, |path| unsafe { real::chdir(path) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fchdir(fd: c_int) -> c_int {
    stack::align();
    // SAFETY: the program's own argument.
    let result = unsafe { real::fchdir(fd) };
    if result == 0 && (may_change()) {
        look();
    }
    result
}

/// Writes the current folder's name to the program's buffer of `size` bytes, or to new memory that the program frees.
/// `call` answers where the folder is not one of ours.
fn tell(buf: *mut c_char, size: size_t, call: impl Fn() -> *mut c_char) -> *mut c_char {
    if !is_inside() {
        return call();
    }
    let before = errno::get();
    let mut room = [0; ROOM];
    let below = current(&mut room).and_then(below_tree);
    errno::set(before);
    let Some(name) = below else {
        return call();
    };
    let len = name.len() + 1;
    if size == 0 && !buf.is_null() {
        return fail(libc::EINVAL);
    }
    if size != 0 && size < len {
        return fail(libc::ERANGE);
    }
    let to = if buf.is_null() {
        // SAFETY: any size may be asked for.
        unsafe { libc::malloc(size.max(len)) }.cast()
    } else {
        buf
    };
    if to.is_null() {
        return to;
    }
    // SAFETY: the room is at least `len` bytes long, and `len` is one more than the name's length.
    unsafe {
        core::ptr::copy_nonoverlapping(name.as_ptr().cast(), to, name.len());
        to.add(name.len()).write(0);
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getcwd(buf: *mut c_char, size: size_t) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own arguments.
    tell(buf, size, || unsafe { real::getcwd(buf, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __getcwd_chk(buf: *mut c_char, size: size_t, room: size_t) -> *mut c_char {
    stack::align();
    // The C library's function ends the program if the length exceeds the buffer.
    // SAFETY: the program's own arguments.
    tell(buf, size.min(room), || unsafe { real::__getcwd_chk(buf, size, room) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn get_current_dir_name() -> *mut c_char {
    stack::align();
    // SAFETY: no argument.
    tell(core::ptr::null_mut(), 0, || unsafe { real::get_current_dir_name() })
}

/// The length that getwd's buffer is assumed to have.
const PATH_MAX: size_t = libc::PATH_MAX as size_t;

#[unsafe(no_mangle)]
unsafe extern "C" fn getwd(buf: *mut c_char) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own argument.
    let call = || unsafe { real::getwd(buf) };
    if buf.is_null() { call() } else { tell(buf, PATH_MAX, call) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __getwd_chk(buf: *mut c_char, room: size_t) -> *mut c_char {
    stack::align();
    // SAFETY: the program's own arguments.
    let call = || unsafe { real::__getwd_chk(buf, room) };
    if buf.is_null() { call() } else { tell(buf, room.min(PATH_MAX), call) }
}
