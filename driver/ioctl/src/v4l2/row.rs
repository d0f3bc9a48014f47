//! A row of the V4L2 table, and what its columns are made from.

use vloopback_abi::ioc;

use super::V4l2Request;
use super::argument::Shape;
use crate::{Abi, Direction};

/// One request of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V4l2Row {
    /// Which request it is.
    pub id: V4l2Request,
    /// The kernel's name, as in `VIDIOC_QUERYCAP`.
    pub name: &'static str,
    /// Request number in a 64-bit program.
    pub lp64: u32,
    /// Request number in a 32-bit program.
    pub ilp32: u32,
    /// Request number in a 32-bit program that was compiled with a 64-bit `time_t`; another one
    /// where a time is in the argument.
    pub ilp32_time64: u32,
    /// What is copied; in V4L2 the number tells.
    pub direction: Direction,
    /// Bytes of the program's value that are read, from its start. The program may not set the rest,
    /// which is zero for the handler: the kernel's `INFO_FL_CLEAR`, and what it clears
    /// without that mark. 0 where nothing is copied in.
    pub kept: usize,
    /// The C type of the argument; empty for none.
    pub argument: &'static str,
    /// Whether an open file of lower priority than another one is refused with EBUSY: the
    /// kernel's `INFO_FL_PRIO`.
    pub ranked: bool,
    /// Whether the argument is written back even if the handler fails, but for ENOTTY: the
    /// kernel's `INFO_FL_ALWAYS_COPY`.
    pub copies_on_error: bool,
    /// Whether the node that a pusher opens answers it. If not it is ENOTTY, as if unknown.
    pub on_input: bool,
    /// Whether the node that a client opens answers it.
    pub on_output: bool,
    /// What the nodes answer, in a few words.
    pub answer: &'static str,
}

impl V4l2Row {
    /// The request number in a program of this ABI, a 32-bit one with a 32-bit `time_t`.
    #[must_use]
    pub const fn request(&self, abi: Abi) -> u32 {
        match abi {
            Abi::Lp64 => self.lp64,
            Abi::Ilp32 => self.ilp32,
        }
    }

    /// The shape of the argument, if a program of this ABI means this request by the number.
    pub(super) fn shape(&self, number: u32, abi: Abi) -> Option<Shape> {
        match abi {
            // Also for the many that are the same everywhere.
            Abi::Ilp32 if number == self.ilp32 && number == self.lp64 => Some(Shape::Wide),
            Abi::Lp64 if number == self.lp64 => Some(Shape::Wide),
            Abi::Ilp32 if number == self.ilp32 => Some(Shape::Narrow),
            Abi::Ilp32 if number == self.ilp32_time64 => Some(Shape::NarrowTime64),
            _ => None,
        }
    }

    /// Bytes of the argument in a 64-bit program.
    #[must_use]
    pub const fn len(&self) -> usize {
        ioc::ioc_size(self.lp64)
    }

    /// Whether the request has no argument.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.direction, Direction::Plain)
    }
}

/// What a request number says of the direction.
pub(super) const fn direction(number: u32) -> Direction {
    match ioc::ioc_dir(number) {
        ioc::NONE => Direction::Plain,
        ioc::READ => Direction::Get,
        ioc::WRITE => Direction::Set,
        _ => Direction::Exchange,
    }
}

/// Where a field of a structure ends, in bytes from the structure's start.
pub(super) const fn field_end<T, F>(offset: usize, _field: fn(&T) -> &F) -> usize {
    offset + size_of::<F>()
}

/// The place of each row in the table, by the number within the type; past the end for none.
///
/// # Panics
/// If two rows have the same number; as a constant that is a compile error.
pub(super) const fn index(table: &[V4l2Row]) -> [u8; 256] {
    let mut places = [u8::MAX; 256];
    let mut place = 0;
    assert!(table.len() < u8::MAX as usize);
    while place < table.len() {
        let number = ioc::ioc_nr(table[place].lp64) as usize;
        assert!(places[number] == u8::MAX, "two rows with one number");
        places[number] = place as u8;
        place += 1;
    }
    places
}

/// The direction of a row; that it goes with the row's kind is a compile-time check.
macro_rules! kind {
    (Refused, $number:expr) => {
        $crate::v4l2::row::direction($number)
    };
    (List, $number:expr) => {
        $crate::v4l2::row::kind!(Exchange, $number)
    };
    ($kind:ident, $number:expr) => {{
        const { assert!(matches!($crate::v4l2::row::direction($number), $crate::Direction::$kind)) };
        $crate::Direction::$kind
    }};
}

/// Bytes that are copied in; that the type has the number's size is a compile-time check.
macro_rules! kept {
    (Refused, $ty:ty, $number:expr) => {
        0
    };
    (Plain, $ty:ty, $number:expr) => {
        0
    };
    (Get, $ty:ty, $number:expr) => {{
        const { assert!(size_of::<$ty>() == vloopback_abi::ioc::ioc_size($number)) };
        0
    }};
    ($kind:ident, $ty:ty, $number:expr) => {{
        const { assert!(size_of::<$ty>() == vloopback_abi::ioc::ioc_size($number)) };
        size_of::<$ty>()
    }};
    ($kind:ident, $ty:ty, $number:expr, $last:ident) => {{
        const { assert!(size_of::<$ty>() == vloopback_abi::ioc::ioc_size($number)) };
        $crate::v4l2::row::field_end(core::mem::offset_of!($ty, $last), |value: &$ty| &value.$last)
    }};
}

/// The last of one or two.
macro_rules! last {
    ($first:expr) => {
        $first
    };
    ($first:expr, $second:expr) => {
        $second
    };
}

/// Whether the input and the output node serve it.
macro_rules! where_served {
    (Both) => {
        (true, true)
    };
    (Input) => {
        (true, false)
    };
    (Output) => {
        (false, true)
    };
    (Nowhere) => {
        (false, false)
    };
}

/// Whether it is refused while another open file has a higher priority.
macro_rules! ranked {
    (Ranked) => {
        true
    };
    (Free) => {
        false
    };
}

/// Whether the argument goes back with an error too.
macro_rules! copies_on_error {
    (List) => {
        true
    };
    ($kind:ident) => {
        false
    };
}

pub(super) use {copies_on_error, kept, kind, last, ranked, where_served};
