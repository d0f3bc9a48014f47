//! How a message becomes a record: its number, then its fields in their order, as their types say.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The protocol's number. Every record has it, so processes of different builds notice at once.
pub const PROTOCOL: u32 = 7;
/// "VLBK" in the machine's byte order: the first word of every record.
pub const MAGIC: u32 = u32::from_ne_bytes(*b"VLBK");
/// The longest record, bytes: a list of many pipes, below what a socket takes in one piece.
pub const MAX_RECORD: usize = 128 * 1024;

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Head {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Which message.
    pub kind: u32,
    /// Its numbers.
    pub args: [u32; ARGS],
}

/// How many numbers a record has room for.
pub const ARGS: usize = 20;

/// The size of [`Head`], bytes.
pub const HEAD_LEN: usize = size_of::<Head>();

/// Why a record is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Too short for a head, or longer than allowed.
    #[error("a record of {0} bytes is not a vloopback message")]
    Length(usize),
    /// It does not begin with [`MAGIC`].
    #[error("the peer does not speak the vloopback protocol")]
    Magic,
    /// The peer is of another build.
    #[error(
        "the peer uses vloopback protocol {0}, this is {PROTOCOL}: use the server and the library of one build"
    )]
    Protocol(u32),
    /// A message that does not exist.
    #[error("message kind {0} is unknown")]
    Kind(u32),
}

/// A record that is being written.
pub(crate) struct Writer<'a> {
    pub(crate) head: Head,
    used: usize,
    pub(crate) text: &'a str,
}

impl Writer<'_> {
    pub(crate) fn new(kind: u32) -> Self {
        Writer { head: Head { magic: MAGIC, protocol: PROTOCOL, kind, args: [0; ARGS] }, used: 0, text: "" }
    }

    pub(crate) fn put(&mut self, number: u32) {
        self.head.args[self.used] = number;
        self.used += 1;
    }
}

/// A record that is being read.
pub(crate) struct Reader<'a> {
    pub(crate) args: [u32; ARGS],
    pub(crate) used: usize,
    pub(crate) text: &'a [u8],
}

impl Reader<'_> {
    pub(crate) fn take(&mut self) -> u32 {
        self.used += 1;
        self.args[self.used - 1]
    }
}

/// What a message can say: some numbers of its head, or the text behind it.
pub(crate) trait Said {
    fn write<'a>(&'a self, to: &mut Writer<'a>);
    fn read(from: &mut Reader<'_>) -> Self;
}

impl Said for u32 {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        to.put(*self);
    }

    fn read(from: &mut Reader<'_>) -> Self {
        from.take()
    }
}

/// An errno: a positive number, also where a hostile peer says another.
impl Said for i32 {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        to.put(self.unsigned_abs());
    }

    fn read(from: &mut Reader<'_>) -> Self {
        i32::try_from(from.take()).unwrap_or(i32::MAX)
    }
}

impl Said for bool {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        to.put(u32::from(*self));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        from.take() != 0
    }
}

/// Whether it is there, and what it is: what is not there is written, too.
impl<T: Said + Copy + Default> Said for Option<T> {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        to.put(u32::from(self.is_some()));
        let (value, mut apart) = (self.unwrap_or_default(), Writer::new(0));
        value.write(&mut apart);
        apart.head.args[..apart.used].iter().for_each(|number| to.put(*number));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let (is_some, value) = (bool::read(from), T::read(from));
        is_some.then_some(value)
    }
}

impl Said for (u32, u32) {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        to.put(self.0);
        to.put(self.1);
    }

    fn read(from: &mut Reader<'_>) -> Self {
        (from.take(), from.take())
    }
}

impl<const N: usize> Said for [u32; N] {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        self.iter().for_each(|number| to.put(*number));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        core::array::from_fn(|_| from.take())
    }
}

impl Said for String {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        to.text = self;
    }

    fn read(from: &mut Reader<'_>) -> Self {
        String::from_utf8_lossy(from.text).into_owned()
    }
}

/// Makes of one list, in which each message has its number, the enum, the records and the messages of them. A field is
/// written and read in its place, as its type says ([`Said`]).
macro_rules! messages {
    (
        $(#[$outer:meta])*
        pub enum $enum:ident {
            $(
                $(#[$meta:meta])*
                $number:literal: $name:ident
                $({ $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })?
                $(($inner:ident: $inner_type:ty))?,
            )*
        }
    ) => {
        $(#[$outer])*
        pub enum $enum {
            $($(#[$meta])* $name $({ $($(#[$field_meta])* $field: $type,)* })? $(($inner_type))?,)*
        }

        impl $enum {
            /// The messages, by number and name.
            #[cfg(test)]
            pub(crate) const ROWS: &[(u32, &str)] = &[$(($number, stringify!($name))),*];

            fn record(&self) -> Writer<'_> {
                match self {
                    $(Self::$name $({ $($field),* })? $(($inner))? => {
                        #[allow(unused_mut, reason = "some messages are no more than their number")]
                        let mut record = Writer::new($number);
                        $($($field.write(&mut record);)*)?
                        $($inner.write(&mut record);)?
                        record
                    })*
                }
            }

            fn of_parts(head: &Head, text: &[u8]) -> Result<Self, WireError> {
                let mut from = Reader { args: head.args, used: 0, text };
                Ok(match head.kind {
                    $($number => Self::$name
                        $({ $($field: Said::read(&mut from)),* })?
                        $((<$inner_type as Said>::read(&mut from)))?,)*
                    kind => return Err(WireError::Kind(kind)),
                })
            }
        }
    };
}

pub(crate) use messages;

/// Takes a record apart: the head, and what is behind it.
///
/// # Errors
/// [`WireError`], but for a kind that does not exist.
pub(crate) fn parse_head(record: &[u8]) -> Result<(Head, &[u8]), WireError> {
    if record.len() > MAX_RECORD {
        return Err(WireError::Length(record.len()));
    }
    let (head, rest) = Head::read_from_prefix(record).map_err(|_| WireError::Length(record.len()))?;
    if head.magic != MAGIC {
        return Err(WireError::Magic);
    }
    if head.protocol != PROTOCOL {
        return Err(WireError::Protocol(head.protocol));
    }
    Ok((head, rest))
}
