//! The kernel's video ABI as plain values: V4L1 and V4L2 structures, request numbers, palettes,
//! fourccs and error numbers.
//!
//! Both shapes of each structure are always present: the one that a 64-bit program uses (LP64)
//! and the one that a 32-bit program uses (ILP32, i386), because the two meet on one pipe. Where
//! the shapes are equal there is one type; where they differ, the plain name is the 64-bit shape,
//! which is also the neutral form that the rest of the driver works with, and the name that ends
//! in `32` is the 32-bit one. Pointers of the C structures are integers here: an address means
//! something only in the process that it came from.
//!
//! Sizes and offsets are asserted at compile time, field by field.
//!
//! # Names
//! Rust names above, kernel spelling at the edge: every constant and structure can be found in
//! the documentation by its C name.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

#[cfg(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64",
))]
compile_error!(
    "vloopback-abi knows the generic Linux error and request numbers only; this architecture has its own"
);

// Others align 64-bit integers to 8 bytes, and have V4L2's structures in yet another shape.
#[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
compile_error!("vloopback-abi knows the 32-bit structures of i386 only");

mod layout;

pub mod errno;
pub mod ioc;
pub mod palette;
pub mod text;
pub mod v4l1;
pub mod v4l2;

pub use errno::Errno;
pub use palette::Palette;
pub use v4l1::shapes32::TooWide;

/// Which of the two shapes a program's structures have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abi {
    /// 64-bit `long` and pointers.
    Lp64,
    /// 32-bit `long` and pointers, 64-bit integers aligned to 4 bytes (i386).
    Ilp32,
}

impl Abi {
    /// The shape of the program that this code is compiled into.
    pub const NATIVE: Abi = if size_of::<usize>() == 8 { Abi::Lp64 } else { Abi::Ilp32 };

    /// Bytes in this ABI's `unsigned long`, which is also the width of a forwarded request number.
    #[must_use]
    pub const fn long_len(self) -> usize {
        match self {
            Abi::Lp64 => 8,
            Abi::Ilp32 => 4,
        }
    }
}
