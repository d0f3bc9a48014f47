//! How an ioctl request number is made up: direction, size of the argument, type and number.
//!
//! From the lowest bit: 8 bits number, 8 bits type, 14 bits size in bytes, 2 bits direction as
//! seen by the program (write = the program passes data in, read = it gets data back).

/// No argument (`_IOC_NONE`).
pub const NONE: u32 = 0;
/// The program passes data in (`_IOC_WRITE`).
pub const WRITE: u32 = 1;
/// The program gets data back (`_IOC_READ`).
pub const READ: u32 = 2;

/// Largest size in bytes that a request number can carry.
pub const SIZE_MAX: usize = (1 << 14) - 1;

/// Composes a request number.
///
/// # Panics
/// If the direction has more than 2 bits or the size more than 14; in a constant that is a
/// compile error.
#[doc(alias = "_IOC")]
#[must_use]
pub const fn ioc(dir: u32, ty: u8, nr: u8, size: usize) -> u32 {
    assert!(dir <= (READ | WRITE) && size <= SIZE_MAX);
    (dir << 30) | ((size as u32) << 16) | ((ty as u32) << 8) | nr as u32
}

/// A request without an argument.
#[doc(alias = "_IO")]
#[must_use]
pub const fn io(ty: u8, nr: u8) -> u32 {
    ioc(NONE, ty, nr, 0)
}

/// A request that returns a `T`.
#[doc(alias = "_IOR")]
#[must_use]
pub const fn ior<T>(ty: u8, nr: u8) -> u32 {
    ioc(READ, ty, nr, size_of::<T>())
}

/// A request that takes a `T`.
#[doc(alias = "_IOW")]
#[must_use]
pub const fn iow<T>(ty: u8, nr: u8) -> u32 {
    ioc(WRITE, ty, nr, size_of::<T>())
}

/// A request that takes a `T` and returns it changed.
#[doc(alias = "_IOWR")]
#[must_use]
pub const fn iowr<T>(ty: u8, nr: u8) -> u32 {
    ioc(READ | WRITE, ty, nr, size_of::<T>())
}

/// Direction bits: [`NONE`], [`READ`], [`WRITE`] or both.
#[doc(alias = "_IOC_DIR")]
#[must_use]
pub const fn ioc_dir(request: u32) -> u32 {
    request >> 30
}

/// Size of the argument in bytes.
#[doc(alias = "_IOC_SIZE")]
#[must_use]
pub const fn ioc_size(request: u32) -> usize {
    ((request >> 16) & 0x3fff) as usize
}

/// Type letter: `b'v'` for V4L1, `b'V'` for V4L2.
#[doc(alias = "_IOC_TYPE")]
#[must_use]
pub const fn ioc_type(request: u32) -> u8 {
    (request >> 8) as u8
}

/// Number within the type.
#[doc(alias = "_IOC_NR")]
#[must_use]
pub const fn ioc_nr(request: u32) -> u8 {
    request as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composes_and_decomposes() {
        let request = iowr::<[u8; 48]>(b'v', 2);
        assert_eq!(request, 0xc030_7602);
        assert_eq!(ioc_dir(request), READ | WRITE);
        assert_eq!(ioc_size(request), 48);
        assert_eq!(ioc_type(request), b'v');
        assert_eq!(ioc_nr(request), 2);
        assert_eq!(io(b'v', 193), 0x76c1);
        assert_eq!(ioc_size(u32::MAX), SIZE_MAX);
    }
}
