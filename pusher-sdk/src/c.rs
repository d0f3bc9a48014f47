//! The C interface: `include/vloopback.h` says what each function does, who owns what, and which
//! errno means what. Nothing but pointers and errors is dealt with here.
//!
//! The promises that the unsafe blocks rest on are the header's: a pusher comes from vlb_claim() or
//! vlb_open(), was not closed, and is used by one thread at a time; a pointer that is not NULL
//! points to as much as its size says, strings end in NUL.

mod zero_copy;

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr::{null, null_mut};

use vloopback_abi::Errno;
use vloopback_abi::palette::Palette;
use vloopback_abi::v4l2::fourcc::Fourcc;

use crate::planes::MAX_PLANES;
use crate::{Finder, Plane, Pusher, PusherError};

#[allow(non_camel_case_types)]
struct vlb_pusher {
    pusher: Pusher,
    device: CString,
    output: CString,
}

#[allow(non_camel_case_types)]
#[repr(C)]
struct vlb_plane {
    data: *const c_void,
    size: usize,
    stride: usize,
}

#[allow(non_camel_case_types)]
#[repr(C)]
struct vlb_counters {
    published: u64,
    unwatched: u64,
    lost: u64,
    watchers: u64,
}

/// Why a call fails: its errno, and what vlb_error() tells.
struct Failure {
    errno: Errno,
    text: String,
}

type Outcome<T> = Result<T, Failure>;

impl From<PusherError> for Failure {
    fn from(error: PusherError) -> Self {
        Self { errno: error.errno(), text: error.to_string() }
    }
}

fn invalid(text: &str) -> Failure {
    Failure { errno: Errno::EINVAL, text: text.to_owned() }
}

thread_local! {
    static LAST: RefCell<Option<CString>> = const { RefCell::new(None) };
}

impl Failure {
    fn tell(self) {
        let text = CString::new(self.text).ok();
        // A thread that is about to end may have no place for it any more.
        let _ = LAST.try_with(|last| last.replace(text));
        // Last: whatever the above called may have changed it.
        nix::errno::Errno::set_raw(self.errno.raw());
    }
}

/// 0, or -1 with errno and text set.
fn status(outcome: Outcome<()>) -> c_int {
    match outcome {
        Ok(()) => 0,
        Err(failure) => {
            failure.tell();
            -1
        }
    }
}

/// # Safety
/// The header's promises (at the top).
unsafe fn shared<'a>(pusher: *const vlb_pusher) -> Outcome<&'a vlb_pusher> {
    // SAFETY: NULL or a pusher that lives, by the header's promises.
    unsafe { pusher.as_ref() }.ok_or_else(|| invalid("the pusher is NULL"))
}

/// # Safety
/// The header's promises (at the top).
unsafe fn exclusive<'a>(pusher: *mut vlb_pusher) -> Outcome<&'a mut vlb_pusher> {
    // SAFETY: NULL or a pusher that lives and that no other thread uses now.
    unsafe { pusher.as_mut() }.ok_or_else(|| invalid("the pusher is NULL"))
}

/// A pusher that no slot is open in.
///
/// # Safety
/// The header's promises (at the top).
unsafe fn ready<'a>(pusher: *mut vlb_pusher) -> Outcome<&'a mut Pusher> {
    // SAFETY: the caller's promise.
    let pusher = &mut unsafe { exclusive(pusher) }?.pusher;
    if pusher.is_slot_open() {
        return Err(PusherError::SlotOpen { device: pusher.device().to_owned() }.into());
    }
    Ok(pusher)
}

/// `size` bytes at `data`, which may be NULL only if they are none.
///
/// # Safety
/// They can be read for as long as the slice is used.
unsafe fn bytes<'a>(data: *const c_void, size: usize) -> Outcome<&'a [u8]> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() || isize::try_from(size).is_err() {
        return Err(invalid("the frame's address is NULL, or its size larger than memory can be"));
    }
    // SAFETY: the caller's promise; not NULL, and not too large.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), size) })
}

/// # Safety
/// NULL or a string that ends in NUL.
unsafe fn finder(socket: *const c_char) -> Finder {
    if socket.is_null() {
        return Finder::new();
    }
    use std::os::unix::ffi::OsStrExt;
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(socket) };
    Finder::at(std::ffi::OsStr::from_bytes(path.to_bytes()))
}

/// Hands a new pusher to the caller.
fn hand_out(made: Outcome<Pusher>) -> *mut vlb_pusher {
    let made = made.map(|pusher| {
        // Device names hold no NUL.
        let name = |name: &str| CString::new(name).unwrap_or_default();
        let (device, output) = (name(pusher.device()), name(pusher.output()));
        Box::new(vlb_pusher { pusher, device, output })
    });
    match made {
        Ok(pusher) => Box::into_raw(pusher),
        Err(failure) => {
            failure.tell();
            null_mut()
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_claim(socket: *const c_char) -> *mut vlb_pusher {
    // SAFETY: the header's promise for strings.
    let finder = unsafe { finder(socket) };
    hand_out(Pusher::claim(&finder).map_err(Failure::from))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_open(socket: *const c_char, device: *const c_char) -> *mut vlb_pusher {
    if device.is_null() {
        return hand_out(Err(invalid("the device's name is NULL")));
    }
    // SAFETY: the header's promise for strings.
    let (finder, device) = unsafe { (finder(socket), CStr::from_ptr(device)) };
    hand_out(Pusher::open_at(&finder, &device.to_string_lossy()).map_err(Failure::from))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_close(pusher: *mut vlb_pusher) {
    if pusher.is_null() {
        return;
    }
    let errno = nix::errno::Errno::last_raw();
    // SAFETY: made by `hand_out`, and not closed before.
    drop(unsafe { Box::from_raw(pusher) });
    nix::errno::Errno::set_raw(errno);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_device(pusher: *const vlb_pusher) -> *const c_char {
    // SAFETY: the header's promises.
    match unsafe { shared(pusher) } {
        Ok(pusher) => pusher.device.as_ptr(),
        Err(failure) => {
            failure.tell();
            null()
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_output(pusher: *const vlb_pusher) -> *const c_char {
    // SAFETY: the header's promises.
    match unsafe { shared(pusher) } {
        Ok(pusher) => pusher.output.as_ptr(),
        Err(failure) => {
            failure.tell();
            null()
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_set_format(
    pusher: *mut vlb_pusher,
    palette: c_uint,
    width: c_uint,
    height: c_uint,
) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { ready(pusher) }.and_then(|pusher| {
        let palette = Palette::from_number(palette).ok_or_else(|| {
            invalid(&format!("{}: there is no palette {palette}: 1 to 16 are", pusher.device()))
        })?;
        Ok(pusher.set_format(palette, width, height)?)
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_set_pixel_format(
    pusher: *mut vlb_pusher,
    fourcc: u32,
    width: c_uint,
    height: c_uint,
) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { ready(pusher) }.and_then(|pusher| Ok(pusher.set_format(Fourcc(fourcc), width, height)?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_set_interval(
    pusher: *mut vlb_pusher,
    numerator: c_uint,
    denominator: c_uint,
) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { ready(pusher) }.and_then(|pusher| Ok(pusher.set_interval(numerator, denominator)?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_frame_size(pusher: *const vlb_pusher) -> usize {
    // SAFETY: the header's promises.
    match unsafe { shared(pusher) } {
        Ok(pusher) => pusher.pusher.frame_len(),
        Err(failure) => {
            failure.tell();
            0
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_write(pusher: *mut vlb_pusher, frame: *const c_void, size: usize) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { ready(pusher) }.and_then(|pusher| {
        // SAFETY: the header's promises.
        let frame = unsafe { bytes(frame, size) }?;
        Ok(pusher.write_frame(frame)?)
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_write_strided(
    pusher: *mut vlb_pusher,
    planes: *const vlb_plane,
    count: usize,
) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { ready(pusher) }.and_then(|pusher| {
        if count == 0 || count > MAX_PLANES || planes.is_null() {
            return Err(invalid(&format!(
                "{}: {count} planes at {planes:p}: a frame has 1 to {MAX_PLANES}",
                pusher.device()
            )));
        }
        let mut all = [Plane { data: &[], stride: 0 }; MAX_PLANES];
        // SAFETY: `count` planes are there, and what they name can be read.
        for (to, from) in all.iter_mut().zip(unsafe { std::slice::from_raw_parts(planes, count) }) {
            // SAFETY: as above.
            *to = Plane { data: unsafe { bytes(from.data, from.size) }?, stride: from.stride };
        }
        Ok(pusher.write_frame_strided(&all[..count])?)
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_slot_begin(
    pusher: *mut vlb_pusher,
    data: *mut *mut c_void,
    size: *mut usize,
) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { ready(pusher) }.and_then(|pusher| {
        // SAFETY: NULL, or the caller's variables.
        let (data, size) = unsafe { (data.as_mut(), size.as_mut()) };
        let (Some(data), Some(size)) = (data, size) else {
            return Err(invalid("the places for the slot's address and size must not be NULL"));
        };
        (*data, *size) = (null_mut(), 0);
        pusher.begin_slot()?;
        if let Some(slot) = pusher.slot() {
            (*data, *size) = (slot.as_mut_ptr().cast(), slot.len());
        }
        Ok(())
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_slot_publish(pusher: *mut vlb_pusher) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { exclusive(pusher) }.and_then(|p| Ok(p.pusher.publish_slot()?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_slot_cancel(pusher: *mut vlb_pusher) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { exclusive(pusher) }.map(|p| p.pusher.cancel_slot()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_is_watched(pusher: *const vlb_pusher) -> c_int {
    // SAFETY: the header's promises.
    match unsafe { shared(pusher) } {
        Ok(pusher) => pusher.pusher.is_watched().into(),
        Err(failure) => status(Err(failure)),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_check(pusher: *const vlb_pusher) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { shared(pusher) }.and_then(|p| Ok(p.pusher.check()?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_get_counters(
    pusher: *const vlb_pusher,
    counters: *mut vlb_counters,
    size: usize,
) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { shared(pusher) }.and_then(|p| {
        if counters.is_null() {
            return Err(invalid("the place for the counters is NULL"));
        }
        let now = p.pusher.counters();
        let known = vlb_counters {
            published: now.published,
            unwatched: now.unwatched,
            lost: now.lost,
            watchers: now.watchers.into(),
        };
        let to = counters.cast::<u8>();
        let len = size.min(size_of::<vlb_counters>());
        // SAFETY: `size` bytes are the caller's, of which `len` are copied and the rest cleared.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const known).cast::<u8>(), to, len);
            std::ptr::write_bytes(to.add(len), 0, size - len);
        }
        Ok(())
    }))
}

#[unsafe(no_mangle)]
extern "C" fn vlb_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ref().map_or(c"".as_ptr(), |text| text.as_ptr()))
        .unwrap_or(c"".as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn vlb_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
