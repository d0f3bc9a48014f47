//! Error numbers as values, so that crates without `libc` can name them.

use core::fmt;

/// A Linux error number (positive, as in `errno`).
///
/// The numbers are those of the generic Linux ABI, which x86, ARM and RISC-V share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`: ", $text, ".")]
                pub const $name: Errno = Errno($number);
            )*

            /// The symbolic name, if it is one that this crate knows.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            const fn text(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }

            /// Every error number that this crate names.
            pub const KNOWN: &'static [Errno] = &[$(Errno::$name),*];
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    ESRCH = 3, "no such process";
    EINTR = 4, "interrupted by a signal";
    EIO = 5, "input/output error";
    ENXIO = 6, "no such device or address";
    EBADF = 9, "bad file descriptor";
    EAGAIN = 11, "nothing there yet, try again";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    EBUSY = 16, "device or resource busy";
    EEXIST = 17, "already exists";
    ENODEV = 19, "no such device";
    ENOTDIR = 20, "not a directory";
    EISDIR = 21, "is a directory";
    EINVAL = 22, "invalid argument";
    ENFILE = 23, "too many open files in the system";
    EMFILE = 24, "too many open files in the process";
    ENOTTY = 25, "request not known to this device";
    EFBIG = 27, "file too large";
    ENOSPC = 28, "no space left on device";
    ESPIPE = 29, "illegal seek";
    EROFS = 30, "read-only file system";
    EPIPE = 32, "broken pipe";
    EDOM = 33, "argument out of domain";
    ERANGE = 34, "result out of range";
    ENAMETOOLONG = 36, "name too long";
    ENOSYS = 38, "not implemented";
    ELOOP = 40, "too many levels of symbolic links";
    EPROTO = 71, "protocol error";
    EOVERFLOW = 75, "value too large for its type";
    EMSGSIZE = 90, "message too long";
    EPROTONOSUPPORT = 93, "protocol not supported";
    EOPNOTSUPP = 95, "operation not supported";
    EADDRINUSE = 98, "address already in use";
    ECONNRESET = 104, "connection reset by peer";
    ENOBUFS = 105, "no buffer space available";
    EISCONN = 106, "already connected";
    ENOTCONN = 107, "not connected";
    ETIMEDOUT = 110, "timed out";
    ECONNREFUSED = 111, "connection refused";
    ESTALE = 116, "stale file handle";
    EOWNERDEAD = 130, "owner died";
}

impl Errno {
    /// The number as `errno` holds it.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.text(), self.name()) {
            (Some(text), Some(name)) => write!(f, "{text} ({name})"),
            _ => write!(f, "error number {}", self.0),
        }
    }
}

impl core::error::Error for Errno {}

#[cfg(feature = "std")]
impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        std::io::Error::from_raw_os_error(errno.0)
    }
}

#[cfg(feature = "std")]
impl From<&std::io::Error> for Errno {
    /// The error's own number; [`Errno::EIO`] for an error that did not come from the system.
    fn from(error: &std::io::Error) -> Self {
        error.raw_os_error().map_or(Errno::EIO, Errno)
    }
}

#[cfg(feature = "std")]
impl From<std::io::Error> for Errno {
    /// The error's own number; [`Errno::EIO`] for an error that did not come from the system.
    fn from(error: std::io::Error) -> Self {
        Errno::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts() {
        assert_eq!(format!("{:?}", Errno::ENOTTY), "ENOTTY");
        assert_eq!(Errno::EBUSY.to_string(), "device or resource busy (EBUSY)");
        assert_eq!(format!("{:?}", Errno(4095)), "Errno(4095)");
        assert_eq!(Errno(4095).to_string(), "error number 4095");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn numbers_agree_with_the_standard_library() {
        use std::io::ErrorKind;
        for (errno, kind) in [
            (Errno::EPERM, ErrorKind::PermissionDenied),
            (Errno::ENOENT, ErrorKind::NotFound),
            (Errno::EINTR, ErrorKind::Interrupted),
            (Errno::EAGAIN, ErrorKind::WouldBlock),
            (Errno::ENOMEM, ErrorKind::OutOfMemory),
            (Errno::EACCES, ErrorKind::PermissionDenied),
            (Errno::EBUSY, ErrorKind::ResourceBusy),
            (Errno::EEXIST, ErrorKind::AlreadyExists),
            (Errno::EINVAL, ErrorKind::InvalidInput),
            (Errno::EPIPE, ErrorKind::BrokenPipe),
            (Errno::ENOSYS, ErrorKind::Unsupported),
            (Errno::EADDRINUSE, ErrorKind::AddrInUse),
            (Errno::ECONNRESET, ErrorKind::ConnectionReset),
            (Errno::ENOTCONN, ErrorKind::NotConnected),
            (Errno::ETIMEDOUT, ErrorKind::TimedOut),
            (Errno::ECONNREFUSED, ErrorKind::ConnectionRefused),
        ] {
            assert_eq!(std::io::Error::from(errno).kind(), kind, "{errno:?}");
            assert_eq!(Errno::from(std::io::Error::from(errno)), errno);
        }
        assert_eq!(Errno::from(std::io::Error::other("no number")), Errno::EIO);
    }

    #[test]
    fn known_numbers_are_unique_and_ordered() {
        assert!(Errno::KNOWN.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
