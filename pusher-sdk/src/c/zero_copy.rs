//! The zero-copy half of the C interface: a server whose methods are the program's callbacks.
//!
//! The header's promises hold here too: a `vlb_zero` comes from vlb_zero_claim() or vlb_zero_open(), was
//! not closed, and is used by one thread at a time; the callbacks are functions of their types, or NULL.
//! A callback that uses the `vlb_zero` that called it gets EBUSY.

use std::cell::{Ref, RefCell, RefMut};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::{from_mut, from_ref, null, null_mut};
use std::time::Duration;

use vloopback_abi::Errno;
use vloopback_abi::v4l1::{
    VbiFormat, VideoAudio, VideoBuffer, VideoCapability, VideoCapture, VideoChannel, VideoCode, VideoInfo,
    VideoKey, VideoMmap, VideoPicture, VideoPlayMode, VideoTuner, VideoUnit, VideoWindow,
};
use vloopback_ioctl::is_v4l2;

use super::{Failure, Outcome, finder, invalid, status};
use crate::PusherError;
use crate::zero_copy::{self, Answer, Capture, Server, Synced, ZeroCopy, every_request};

/// `VLB_LATER` of the header: a sync callback returns it if the picture comes later.
const LATER: c_int = 4096;

#[allow(non_camel_case_types)]
struct vlb_zero {
    /// Borrowed while callbacks run.
    pipe: RefCell<ZeroCopy>,
    fd: c_int,
    device: CString,
    output: CString,
}

/// A value as C has it, and as a callback that only looks at it gets it: structures by address, numbers
/// as they are.
trait Native: Copy + Default {
    type C: Copy + Default;
    type Given;

    fn given(value: &Self::C) -> Self::Given;

    fn from_c(value: Self::C) -> Self;

    /// # Errors
    /// EOVERFLOW: an address that the program's shape has no room for.
    fn into_c(self) -> Answer<Self::C>;
}

macro_rules! native {
    ($($ty:ty: $c:ty, $given:ty, $how:expr;)*) => {$(
        impl Native for $ty {
            type C = $c;
            type Given = $given;

            fn given(value: &$c) -> $given {
                $how(value)
            }

            // Most have one shape, and the same text serves those that have two.
            #[allow(clippy::useless_conversion)]
            fn from_c(value: $c) -> Self {
                value.into()
            }

            #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
            fn into_c(self) -> Answer<$c> {
                self.try_into().map_err(|_| zero_copy::Errno::EOVERFLOW)
            }
        }
    )*};
}

macro_rules! native_structures {
    ($($ty:ty: $c:ty;)*) => { native! { $($ty: $c, *const $c, from_ref;)* } };
}

native! {
    i32: i32, i32, |value: &i32| *value;
    u64: u64, u64, |value: &u64| *value;
}

native_structures! {
    VideoCapability: VideoCapability;
    VideoChannel: VideoChannel;
    VideoPicture: VideoPicture;
    VideoKey: VideoKey;
    VideoAudio: VideoAudio;
    VideoUnit: VideoUnit;
    VideoCapture: VideoCapture;
    VideoPlayMode: VideoPlayMode;
    VideoInfo: VideoInfo;
    VbiFormat: VbiFormat;
}

#[cfg(target_pointer_width = "64")]
native_structures! {
    VideoTuner: VideoTuner;
    VideoWindow: VideoWindow;
    VideoBuffer: VideoBuffer;
    VideoCode: VideoCode;
}

#[cfg(target_pointer_width = "32")]
native_structures! {
    VideoTuner: vloopback_abi::v4l1::shapes32::VideoTuner32;
    VideoWindow: vloopback_abi::v4l1::shapes32::VideoWindow32;
    VideoBuffer: vloopback_abi::v4l1::shapes32::VideoBuffer32;
    VideoCode: vloopback_abi::v4l1::shapes32::VideoCode32;
}

/// A callback's type: the caller's pointer first, then the value to fill, to look at, or both.
macro_rules! callback {
    (Set, $ty:ty) => { Option<unsafe extern "C" fn(*mut c_void, <$ty as Native>::Given) -> c_int> };
    ($kind:ident, $ty:ty) => { Option<unsafe extern "C" fn(*mut c_void, *mut <$ty as Native>::C) -> c_int> };
}

/// The server's method that calls it.
macro_rules! method {
    (Get, $name:ident, $ty:ty) => {
        fn $name(&mut self) -> Answer<$ty> {
            self.change(self.callbacks.$name, <$ty>::default())
        }
    };
    (Set, $name:ident, $ty:ty) => {
        fn $name(&mut self, value: $ty) -> Answer<()> {
            let callback = self.callbacks.$name.ok_or(zero_copy::Errno::ENOTTY)?;
            let value = value.into_c()?;
            // SAFETY: a function of this type, by the header's promise; the value lives here.
            answer(unsafe { callback(self.user, <$ty as Native>::given(&value)) })
        }
    };
    (Exchange, $name:ident, $ty:ty) => {
        fn $name(&mut self, value: $ty) -> Answer<$ty> {
            self.change(self.callbacks.$name, value)
        }
    };
}

macro_rules! server {
    ($($(#[$doc:meta])+ $name:ident: $kind:ident $ty:ty;)*) => {
        /// `struct vlb_server` of the header, field by field.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Default)]
        #[repr(C)]
        struct vlb_server {
            size: usize,
            $($name: callback!($kind, $ty),)*
            gmbuf: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
            mcapture: Option<unsafe extern "C" fn(*mut c_void, *const VideoMmap) -> c_int>,
            sync: Option<unsafe extern "C" fn(*mut c_void, *const VideoMmap, *mut c_void, usize) -> c_int>,
            other: Option<unsafe extern "C" fn(*mut c_void, c_uint, *mut c_void, usize) -> c_int>,
            closed: Option<unsafe extern "C" fn(*mut c_void)>,
            v4l2: Option<unsafe extern "C" fn(*mut c_void, c_uint, *mut c_void, usize) -> c_int>,
        }

        impl Server for Program {
            $(method! { $kind, $name, $ty })*

            fn gmbuf(&mut self) -> Answer<()> {
                let Some(callback) = self.callbacks.gmbuf else { return Ok(()) };
                // SAFETY: a function of this type, by the header's promise.
                answer(unsafe { callback(self.user) })
            }

            fn mcapture(&mut self, order: &VideoMmap) -> Answer<()> {
                let callback = self.callbacks.mcapture.ok_or(zero_copy::Errno::ENOTTY)?;
                // SAFETY: as above; the order lives.
                answer(unsafe { callback(self.user, order) })
            }

            fn sync(&mut self, mut capture: Capture<'_>) -> Answer<Synced> {
                let callback = self.callbacks.sync.ok_or(zero_copy::Errno::ENOTTY)?;
                let order = *capture.order();
                let (memory, size) = (capture.as_mut_ptr().cast(), capture.len());
                // SAFETY: as above; order and memory live.
                match unsafe { callback(self.user, &raw const order, memory, size) } {
                    LATER => Ok(capture.later()),
                    code => answer(code).map(|()| capture.ready()),
                }
            }

            fn takes_v4l2(&mut self) -> bool {
                self.callbacks.v4l2.is_some()
            }

            fn other(&mut self, number: u32, data: &mut [u8]) -> Answer<()> {
                let callbacks = &self.callbacks;
                let callback = if is_v4l2(number.into()) { callbacks.v4l2 } else { callbacks.other };
                let callback = callback.ok_or(zero_copy::Errno::ENOTTY)?;
                // SAFETY: as above; the data live.
                answer(unsafe { callback(self.user, number, data.as_mut_ptr().cast(), data.len()) })
            }

            fn closed(&mut self) {
                if let Some(callback) = self.callbacks.closed {
                    // SAFETY: as above.
                    unsafe { callback(self.user) };
                }
            }
        }
    };
}

every_request!(server);

/// The program's callbacks, and the pointer that they get.
struct Program {
    callbacks: vlb_server,
    user: *mut c_void,
}

/// The meaning of a callback's return value: 0, or an errno. Another value must not become a success.
fn answer(code: c_int) -> Answer<()> {
    match code {
        0 => Ok(()),
        1..=4095 => Err(zero_copy::Errno(code)),
        _ => Err(zero_copy::Errno::EIO),
    }
}

impl Program {
    /// # Safety
    /// NULL, or as many bytes as its first field says, and functions of the header's types in them.
    unsafe fn new(server: *const vlb_server, user: *mut c_void) -> Outcome<Self> {
        if server.is_null() {
            return Err(invalid("the server is NULL"));
        }
        // SAFETY: the caller's promise; the size is the first field.
        let size = unsafe { (*server).size };
        if size < size_of::<usize>() {
            return Err(invalid("the server's size is 0: set it to sizeof(vlb_server)"));
        }
        let mut callbacks = vlb_server::default();
        // SAFETY: so many bytes are there, and bytes of the caller's are whole callbacks or none.
        unsafe {
            std::ptr::copy_nonoverlapping(
                server.cast::<u8>(),
                from_mut(&mut callbacks).cast::<u8>(),
                size.min(size_of::<vlb_server>()),
            );
        }
        Ok(Self { callbacks, user })
    }

    fn change<T: Native>(
        &self,
        callback: Option<unsafe extern "C" fn(*mut c_void, *mut T::C) -> c_int>,
        value: T,
    ) -> Answer<T> {
        let callback = callback.ok_or(zero_copy::Errno::ENOTTY)?;
        let mut value = value.into_c()?;
        // SAFETY: a function of this type, by the header's promise; the value lives here.
        answer(unsafe { callback(self.user, &raw mut value) })?;
        Ok(T::from_c(value))
    }
}

/// # Safety
/// The header's promises (at the top).
unsafe fn handle<'a>(zero: *const vlb_zero) -> Outcome<&'a vlb_zero> {
    // SAFETY: NULL or one that lives, by the header's promises.
    unsafe { zero.as_ref() }.ok_or_else(|| invalid("the zero-copy pusher is NULL"))
}

impl vlb_zero {
    fn in_callback(&self) -> Failure {
        let device = self.device.to_string_lossy();
        let text = format!("{device}: called from a callback of the same pusher: return from it first");
        Failure { errno: Errno::EBUSY, text }
    }

    fn pipe(&self) -> Outcome<Ref<'_, ZeroCopy>> {
        self.pipe.try_borrow().map_err(|_| self.in_callback())
    }

    fn pipe_mut(&self) -> Outcome<RefMut<'_, ZeroCopy>> {
        self.pipe.try_borrow_mut().map_err(|_| self.in_callback())
    }

    fn stop(&self, stop: c_int) -> Outcome<c_int> {
        // The highest bit says that there is none.
        if stop >= 0 {
            return Ok(stop);
        }
        let device = self.device.to_string_lossy();
        Err(invalid(&format!("{device}: {stop} is no descriptor: give one that ends the loop when readable")))
    }
}

fn hand_out(made: Result<ZeroCopy, PusherError>) -> *mut vlb_zero {
    match made {
        Ok(pipe) => {
            // Device names hold no NUL.
            let name = |name: &str| CString::new(name).unwrap_or_default();
            let (device, output) = (name(pipe.device()), name(pipe.output()));
            let fd = pipe.as_fd().as_raw_fd();
            Box::into_raw(Box::new(vlb_zero { pipe: RefCell::new(pipe), fd, device, output }))
        }
        Err(error) => {
            Failure::from(error).tell();
            null_mut()
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_claim(
    socket: *const c_char,
    frames: c_uint,
    frame_size: usize,
) -> *mut vlb_zero {
    // SAFETY: the header's promise for strings.
    let finder = unsafe { finder(socket) };
    hand_out(ZeroCopy::claim(&finder, frames as usize, frame_size))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_open(
    socket: *const c_char,
    device: *const c_char,
    frames: c_uint,
    frame_size: usize,
) -> *mut vlb_zero {
    if device.is_null() {
        invalid("the device's name is NULL").tell();
        return null_mut();
    }
    // SAFETY: the header's promise for strings.
    let (finder, device) = unsafe { (finder(socket), CStr::from_ptr(device)) };
    hand_out(ZeroCopy::open_at(&finder, &device.to_string_lossy(), frames as usize, frame_size))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_close(zero: *mut vlb_zero) -> c_int {
    if zero.is_null() {
        return 0;
    }
    // SAFETY: the header's promises.
    let idle = unsafe { handle(zero) }.and_then(|zero| zero.pipe_mut().map(drop));
    if idle.is_ok() {
        let errno = nix::errno::Errno::last_raw();
        // SAFETY: made by `hand_out`, not closed before, and not in use now.
        drop(unsafe { Box::from_raw(zero) });
        nix::errno::Errno::set_raw(errno);
    }
    status(idle)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_device(zero: *const vlb_zero) -> *const c_char {
    // SAFETY: the header's promises.
    name(unsafe { handle(zero) }.map(|zero| &*zero.device))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_output(zero: *const vlb_zero) -> *const c_char {
    // SAFETY: the header's promises.
    name(unsafe { handle(zero) }.map(|zero| &*zero.output))
}

fn name(name: Outcome<&CStr>) -> *const c_char {
    match name {
        Ok(name) => name.as_ptr(),
        Err(failure) => {
            failure.tell();
            null()
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_fd(zero: *const vlb_zero) -> c_int {
    // SAFETY: the header's promises.
    match unsafe { handle(zero) } {
        Ok(zero) => zero.fd,
        Err(failure) => status(Err(failure)),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_check(zero: *const vlb_zero) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { handle(zero) }.and_then(|zero| Ok(zero.pipe()?.check()?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_wait(zero: *const vlb_zero, milliseconds: c_int) -> c_int {
    // Negative: longer than any program runs.
    let patience =
        u64::try_from(milliseconds).map_or(Duration::from_secs(u32::MAX.into()), Duration::from_millis);
    // SAFETY: the header's promises.
    status(unsafe { handle(zero) }.and_then(|zero| Ok(zero.pipe()?.wait(patience)?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_serve_ready(
    zero: *mut vlb_zero,
    server: *const vlb_server,
    user: *mut c_void,
) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { handle(zero) }.and_then(|zero| {
        // SAFETY: the header's promises.
        let mut program = unsafe { Program::new(server, user) }?;
        Ok(zero.pipe_mut()?.serve_ready(&mut program)?)
    }))
}

/// Serves until `stop` is readable.
///
/// # Safety
/// The header's promises of `zero` and `server`.
unsafe fn run_by(
    zero: *mut vlb_zero,
    server: *const vlb_server,
    user: *mut c_void,
    stop: c_int,
    run: impl FnOnce(&mut ZeroCopy, &mut Program, BorrowedFd) -> Result<(), PusherError>,
) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { handle(zero) }.and_then(|zero| {
        // SAFETY: the caller's promise.
        let mut program = unsafe { Program::new(server, user) }?;
        // SAFETY: not negative; the caller keeps it open meanwhile.
        let stop = unsafe { BorrowedFd::borrow_raw(zero.stop(stop)?) };
        Ok(run(&mut *zero.pipe_mut()?, &mut program, stop)?)
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_run(
    zero: *mut vlb_zero,
    server: *const vlb_server,
    user: *mut c_void,
    stop: c_int,
) -> c_int {
    // SAFETY: the header's promises.
    unsafe { run_by(zero, server, user, stop, |pipe, program, stop| pipe.run(program, stop)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_run_on_sigio(
    zero: *mut vlb_zero,
    server: *const vlb_server,
    user: *mut c_void,
    stop: c_int,
) -> c_int {
    // SAFETY: the header's promises.
    unsafe { run_by(zero, server, user, stop, |pipe, program, stop| pipe.run_on_sigio(program, stop)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_frame(
    zero: *mut vlb_zero,
    frame: c_uint,
    order: *mut VideoMmap,
    data: *mut *mut c_void,
    size: *mut usize,
) -> c_int {
    // SAFETY: the header's promises.
    status(unsafe { handle(zero) }.and_then(|zero| {
        // SAFETY: NULL, or the caller's variables.
        let (order, data, size) = unsafe { (order.as_mut(), data.as_mut(), size.as_mut()) };
        let (Some(data), Some(size)) = (data, size) else {
            return Err(invalid("the places for the frame's address and size must not be NULL"));
        };
        (*data, *size) = (null_mut(), 0);
        if let Some((wanted, memory)) = zero.pipe_mut()?.frame(frame as usize) {
            (*data, *size) = (memory.as_mut_ptr().cast(), memory.len());
            if let Some(order) = order {
                *order = wanted;
            }
        }
        Ok(())
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_waiting(zero: *const vlb_zero, frame: *mut c_uint) -> c_int {
    // SAFETY: the header's promises.
    let waiting = unsafe { handle(zero) }.and_then(|zero| Ok(zero.pipe()?.waiting()));
    match waiting {
        Ok(None) => 0,
        Ok(Some(waiting)) => {
            // SAFETY: NULL, or the caller's variable.
            if let Some(frame) = unsafe { frame.as_mut() } {
                // At most 31.
                *frame = waiting as c_uint;
            }
            1
        }
        Err(failure) => status(Err(failure)),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vlb_zero_finish(zero: *mut vlb_zero, error: c_int) -> c_int {
    // SAFETY: the header's promises.
    let answered =
        unsafe { handle(zero) }.and_then(|zero| Ok(zero.pipe_mut()?.finish(|_, _| answer(error))?));
    match answered {
        Ok(answered) => answered.into(),
        Err(failure) => status(Err(failure)),
    }
}
