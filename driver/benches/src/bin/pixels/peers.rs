//! The libraries that are compared with, loaded when the program runs: it builds without them.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::mem::transmute_copy;
use std::ptr;

use vloopback_abi::v4l2::{Fourcc, V4l2PixFormat, fourcc};
use zerocopy::IntoBytes;

use crate::Way;

/// A library that stays loaded.
struct Library(*mut c_void);

impl Library {
    /// The first of the names that there is.
    fn load(names: &[&str]) -> Option<Self> {
        names.iter().find_map(|name| {
            let name = CString::new(*name).ok()?;
            // SAFETY: the name ends in a zero. What the library does when it is loaded is its business.
            let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
            (!handle.is_null()).then_some(Self(handle))
        })
    }

    /// A function of that name.
    ///
    /// # Safety
    /// `F` is a function pointer of its type.
    unsafe fn function<F: Copy>(&self, name: &CStr) -> Option<F> {
        // SAFETY: the name ends in a zero.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        // SAFETY: a function pointer is an address; the caller knows its type.
        (!address.is_null()).then(|| unsafe { transmute_copy(&address) })
    }
}

type GetContext = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    *mut c_void,
    *mut c_void,
    *const f64,
) -> *mut c_void;
type Scale = unsafe extern "C" fn(
    *mut c_void,
    *const *const u8,
    *const c_int,
    c_int,
    c_int,
    *const *mut u8,
    *const c_int,
) -> c_int;
type GetPixelFormat = unsafe extern "C" fn(*const c_char) -> c_int;

/// FFmpeg's scaler, with the flags that its programs have where nobody sets any.
pub struct Swscale {
    get_context: GetContext,
    scale: Scale,
    pixel_format: GetPixelFormat,
}

/// SWS_BICUBIC.
const BICUBIC: c_int = 4;

impl Swscale {
    pub fn load() -> Option<Self> {
        let library = Library::load(&["libswscale.so.6", "libswscale.so.7", "libswscale.so.8"])?;
        let util = Library::load(&["libavutil.so.57", "libavutil.so.58", "libavutil.so.59"])?;
        // SAFETY: the types are those of libswscale/swscale.h and libavutil/pixdesc.h in all these versions.
        unsafe {
            Some(Self {
                get_context: library.function(c"sws_getContext")?,
                scale: library.function(c"sws_scale")?,
                pixel_format: util.function(c"av_get_pix_fmt")?,
            })
        }
    }

    fn name(format: Fourcc) -> Option<&'static CStr> {
        Some(match format {
            fourcc::YUYV => c"yuyv422",
            fourcc::NV12 => c"nv12",
            fourcc::YUV420 => c"yuv420p",
            fourcc::RGB24 => c"rgb24",
            fourcc::BGR24 => c"bgr24",
            fourcc::ABGR32 => c"bgra",
            fourcc::RGB565 => c"rgb565le",
            fourcc::SRGGB8 => c"bayer_rggb8",
            _ => return None,
        })
    }

    /// Planes and lines, as FFmpeg wants them.
    fn planes(pix: &V4l2PixFormat, frame: *mut u8) -> ([*mut u8; 4], [c_int; 4]) {
        let (line, luma) = (pix.bytesperline as c_int, (pix.bytesperline * pix.height) as usize);
        let none = ptr::null_mut();
        let at = |offset: usize| frame.wrapping_add(offset);
        match pix.fourcc() {
            fourcc::NV12 => ([frame, at(luma), none, none], [line, line, 0, 0]),
            fourcc::YUV420 => ([frame, at(luma), at(luma + luma / 4), none], [line, line / 2, line / 2, 0]),
            _ => ([frame, none, none, none], [line, 0, 0, 0]),
        }
    }

    pub fn way(&self, from: &V4l2PixFormat, to: &V4l2PixFormat) -> Option<Way<'_>> {
        let (one, other) = (Self::name(from.fourcc())?, Self::name(to.fourcc())?);
        let size = |pix: &V4l2PixFormat| (pix.width as c_int, pix.height as c_int);
        let ((width, height), (to_width, to_height)) = (size(from), size(to));
        // SAFETY: the names end in zeros, and null is allowed for the filters and parameters.
        let context = unsafe {
            let (one, other) = ((self.pixel_format)(one.as_ptr()), (self.pixel_format)(other.as_ptr()));
            let none = ptr::null_mut();
            (self.get_context)(
                width,
                height,
                one,
                to_width,
                to_height,
                other,
                BICUBIC,
                none,
                none,
                ptr::null(),
            )
        };
        let (from, to) = (*from, *to);
        (!context.is_null()).then(|| -> Way {
            Box::new(move |frame, into| {
                let (planes, lines) = Self::planes(&from, frame.as_ptr().cast_mut());
                let (to_planes, to_lines) = Self::planes(&to, into.as_mut_ptr());
                // SAFETY: both are whole frames of their formats; the first is read only.
                let done = unsafe {
                    let planes = planes.map(<*mut u8>::cast_const);
                    let (to_planes, to_lines) = (to_planes.as_ptr(), to_lines.as_ptr());
                    (self.scale)(context, planes.as_ptr(), lines.as_ptr(), 0, height, to_planes, to_lines)
                };
                done == to_height
            })
        })
    }
}

/// `struct libv4l_dev_ops`: how the library calls a device. Only the ioctl is ever called here.
#[repr(C)]
struct DevOps {
    init: usize,
    close: usize,
    ioctl: extern "C" fn(*mut c_void, c_int, c_ulong, *mut c_void) -> c_int,
    rest: [usize; 16],
}

/// A device that can be asked what it is, and nothing else.
extern "C" fn no_device(_: *mut c_void, _: c_int, request: c_ulong, _: *mut c_void) -> c_int {
    const QUERYCAP: c_ulong = 0x8068_5600;
    if request == QUERYCAP { 0 } else { -1 }
}

static NO_DEVICE: DevOps = DevOps { init: 0, close: 0, ioctl: no_device, rest: [0; 16] };

type Create = unsafe extern "C" fn(c_int, *mut c_void, *const DevOps) -> *mut c_void;
type Convert = unsafe extern "C" fn(
    *mut c_void,
    *const c_void,
    *const c_void,
    *const u8,
    c_int,
    *mut u8,
    c_int,
) -> c_int;

/// What libv4l programs convert with.
pub struct V4lConvert {
    data: *mut c_void,
    convert: Convert,
}

impl V4lConvert {
    pub fn load() -> Option<Self> {
        let library = Library::load(&["libv4lconvert.so.0"])?;
        // SAFETY: the types are those of libv4lconvert.h and libv4l-plugin.h; the device stays for ever.
        unsafe {
            let create: Create = library.function(c"v4lconvert_create_with_dev_ops")?;
            let data = create(-1, ptr::null_mut(), &NO_DEVICE);
            let convert = library.function(c"v4lconvert_convert")?;
            (!data.is_null()).then_some(Self { data, convert })
        }
    }

    pub fn way(&self, from: &V4l2PixFormat, to: &V4l2PixFormat) -> Option<Way<'_>> {
        // To others it only copies, and says that all is well.
        let makes = matches!(to.fourcc(), fourcc::RGB24 | fourcc::BGR24 | fourcc::YUV420 | fourcc::YVU420);
        if (from.width, from.height) != (to.width, to.height) || !makes {
            return None;
        }
        // struct v4l2_format: a type, and the structure behind it on eight bytes.
        let format = |pix: &V4l2PixFormat| {
            let mut format = [0_u64; 26];
            format.as_mut_bytes()[0] = 1;
            format.as_mut_bytes()[8..8 + size_of::<V4l2PixFormat>()].copy_from_slice(pix.as_bytes());
            format
        };
        let (one, other) = (format(from), format(to));
        Some(Box::new(move |frame, into| {
            // SAFETY: two whole structures, and two buffers with their lengths.
            let len = unsafe {
                let (source, target) = (one.as_ptr().cast(), other.as_ptr().cast());
                let (len, room) = (frame.len() as c_int, into.len() as c_int);
                (self.convert)(self.data, source, target, frame.as_ptr(), len, into.as_mut_ptr(), room)
            };
            len > 0
        }))
    }
}
