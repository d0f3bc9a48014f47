//! What the environment says, read once when the process begins: where the server is, and the era.

use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

/// Text that was in the environment when the process began, in static memory.
struct Text {
    bytes: core::cell::UnsafeCell<[u8; 512]>,
    len: AtomicUsize,
}

// SAFETY: written once by the constructor, before any other thread is; only read afterwards.
unsafe impl Sync for Text {}

impl Text {
    const fn new() -> Self {
        Self { bytes: core::cell::UnsafeCell::new([0; 512]), len: AtomicUsize::new(0) }
    }

    /// Keeps the pieces, NUL-terminated; too long ones count as not there.
    fn set(&self, pieces: &[&[u8]]) {
        let total: usize = pieces.iter().map(|p| p.len()).sum();
        if total == 0 || total >= 512 {
            return;
        }
        let mut at = 0;
        for piece in pieces {
            // SAFETY: before other threads are (see Sync), and inside the buffer by the check above.
            let to = unsafe { &mut (&mut *self.bytes.get())[at..at + piece.len()] };
            to.copy_from_slice(piece);
            at += piece.len();
        }
        self.len.store(total, Ordering::Release);
    }

    fn get(&'static self) -> Option<&'static CStr> {
        let len = self.len.load(Ordering::Acquire);
        if len == 0 {
            return None;
        }
        // SAFETY: len + 1 bytes are set and never change any more; the last is 0.
        let bytes = unsafe { core::slice::from_raw_parts(self.bytes.get().cast::<u8>(), len + 1) };
        CStr::from_bytes_with_nul(bytes).ok()
    }
}

static SOCKET: Text = Text::new();

static TREE: Text = Text::new();

static RELEASE: Text = Text::new();

static LEGACY: AtomicBool = AtomicBool::new(false);

static OWN_NAMES: AtomicBool = AtomicBool::new(false);
/// See [`Conversion`].
static CONVERSION: AtomicU8 = AtomicU8::new(Conversion::Off as u8);

/// What a program gets that asks for a pixel format or a size that its pipe does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// The pipe's own. The default: ffmpeg and PyAV try the formats of a list of their own and take the first that the
    /// device accepts, so with conversion they would never get what the pusher has.
    Off,
    /// The pixel format, and sizes of the same shape.
    SameShape,
    /// Sizes of any shape, with black bars beside the picture.
    Letterbox,
    /// Sizes of any shape; the picture fills them.
    Stretch,
}

fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: getenv of a valid name; the constructor runs before the program can change its
    // environment, and what is needed is copied at once.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv gives a NUL-terminated string.
    let value: &'static CStr = unsafe { CStr::from_ptr(value) };
    (!value.to_bytes().is_empty()).then_some(value.to_bytes())
}

/// Reads the environment into static storage. Allocates nothing, opens nothing.
pub fn configure_from_env() {
    if let Some(path) = variable(c"VLOOPBACK_SOCKET") {
        set_socket(&[path]);
    } else if let Some(dir) = variable(c"XDG_RUNTIME_DIR") {
        set_socket(&[dir, b"/vloopback/socket"]);
    } else {
        set_socket(&[b"/run/vloopback/socket"]);
    }
    if let Some(release) = variable(c"VLOOPBACK_UNAME") {
        RELEASE.set(&[release]);
        mark_legacy();
    }
    if variable(c"VLOOPBACK_IDENTITY") == Some(b"vloopback") {
        OWN_NAMES.store(true, Ordering::Relaxed);
    }
    match variable(c"VLOOPBACK_CONVERT") {
        Some(b"1") => CONVERSION.store(Conversion::SameShape as u8, Ordering::Relaxed),
        Some(b"letterbox") => CONVERSION.store(Conversion::Letterbox as u8, Ordering::Relaxed),
        Some(b"stretch") => CONVERSION.store(Conversion::Stretch as u8, Ordering::Relaxed),
        _ => {}
    }
    if variable(c"VLOOPBACK_ERA") == Some(b"legacy") || personality_is_uname26() {
        mark_legacy();
    }
}

/// Where the daemon is; also for users of the SDK, who have no constructor.
pub fn set_socket(pieces: &[&[u8]]) {
    let Some((first, rest)) = pieces.split_first() else { return };
    SOCKET.set(pieces);
    let mut all: [&[u8]; 4] = [first, b"", b"", b""];
    for (to, from) in all[1..3].iter_mut().zip(rest) {
        *to = from;
    }
    all[3] = b".d";
    TREE.set(&all);
}

fn personality_is_uname26() -> bool {
    const UNAME26: c_int = 0x0002_0000;
    // SAFETY: 0xffffffff only asks.
    let now = unsafe { libc::personality(0xffff_ffff) };
    now != -1 && now & UNAME26 != 0
}

/// The root of the server's tree of plain files; None where no server was named.
pub fn tree() -> Option<&'static CStr> {
    TREE.get()
}

/// The release that uname() is to tell, if one was asked for.
pub fn fake_release() -> Option<&'static CStr> {
    RELEASE.get()
}

/// The process is legacy from now on (driver/docs/rules.md, "Eras").
pub fn mark_legacy() {
    LEGACY.store(true, Ordering::Relaxed);
}

/// Whether the user asked for vloopback's own names, where a program of today finds v4l2loopback's.
pub fn has_own_names() -> bool {
    OWN_NAMES.load(Ordering::Relaxed)
}

/// What the user wants converted.
pub fn conversion() -> Conversion {
    let all = [Conversion::Off, Conversion::SameShape, Conversion::Letterbox, Conversion::Stretch];
    all[usize::from(CONVERSION.load(Ordering::Relaxed)) % all.len()]
}

/// Whether the process is legacy.
pub fn is_legacy() -> bool {
    LEGACY.load(Ordering::Relaxed)
}

/// The path of the server's socket.
pub fn socket() -> Option<&'static CStr> {
    SOCKET.get()
}
