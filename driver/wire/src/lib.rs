//! The daemon's protocol: messages, framing, descriptors.
//!
//! Each process has one AF_UNIX SOCK_SEQPACKET connection. Each message is one record: a [`Head`] of fixed size, and
//! for [`Reply::Text`], [`Reply::Refused`] and [`Reply::Denied`] a text behind it. A request has exactly one reply;
//! only [`Request::Split`] and [`Request::Doorbell`] have none. Descriptors travel with the record (SCM_RIGHTS), in the
//! order of the table.
//!
//! | request | descriptors with it | reply | descriptors with that |
//! |---|---|---|---|
//! | [`Request::Hello`] | – | [`Reply::Welcome`] or [`Reply::Refused`] | lifeline page |
//! | [`Request::Open`] | – | [`Reply::Session`] | **device**, session page, board, claims page |
//! | [`Request::Attach`] | **device** (somebody else's open, met by exec or SCM_RIGHTS) | [`Reply::Session`] | session page, board, claims page |
//! | [`Request::Split`] | **one end of a new connection** (a forked child's own) | none | – |
//! | [`Request::Claim`] | – | [`Reply::Done`] | – |
//! | [`Request::SetPalette`], [`Request::SetSize`], [`Request::SetFormat`] | – | [`Reply::Done`] | – |
//! | [`Request::Feed`], [`Request::SetInterval`], [`Request::SetPriority`] | – | [`Reply::Done`] | – |
//! | [`Request::SetControls`], [`Request::SetLoopbackControl`], [`Request::Subscribe`], [`Request::Unsubscribe`], [`Request::RingEventDoorbell`] | – | [`Reply::Done`] | – |
//! | [`Request::EventDoorbell`] | – | [`Reply::Done`] | the event doorbell |
//! | [`Request::Ring`] | – | [`Reply::Ring`] | log, and the file of all slots |
//! | [`Request::Stream`] | – | [`Reply::Stream`] | – |
//! | [`Request::Own`] | – | [`Reply::Done`] | – |
//! | [`Request::Zero`] | – | [`Reply::Zero`] | the frames' memory, the pusher's page, a client's request slot |
//! | [`Request::RequestSlot`] | – | [`Reply::RequestSlot`] | a client's request slot, if there is one |
//! | [`Request::RequestDoorbell`] | – | [`Reply::Done`] | a client: the ringing end; the pusher: its request doorbell, and the ringing end |
//! | [`Request::Doorbell`] | – | none | – |
//! | [`Request::Export`] | – | [`Reply::Done`] | the buffer's memory, if a length is given |
//! | [`Request::LogStatus`] | – | [`Reply::Done`] | – |
//! | [`Request::Closed`] | – | [`Reply::Done`] | – |
//! | [`Request::SetTimeout`] | a picture in a memory file, if one is set | [`Reply::Done`] | – |
//! | [`Request::Add`] | – | [`Reply::Added`] or [`Reply::Denied`] | – |
//! | [`Request::Query`] | – | [`Reply::Spec`] or [`Reply::Denied`] | – |
//! | [`Request::Remove`], [`Request::SetCaps`], [`Request::SetMaxOpeners`] | – | [`Reply::Done`] or [`Reply::Denied`] | – |
//! | [`Request::Tree`] | – | [`Reply::Done`] | a memory file with an image of the tree ([`tree`]) |
//! | [`Request::List`] | – | [`Reply::Text`] | a memory file with the text, if that is longer than a record |
//!
//! Every request may be answered with [`Reply::Error`], an errno. Numbers are in the machine's own
//! byte order, because both ends are on one machine.

#![forbid(unsafe_code)]

pub mod tree;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The protocol's number. Every record has it, so processes of different builds notice at once.
pub const PROTOCOL: u32 = 7;
/// "VLBK" in the machine's byte order: the first word of every record.
pub const MAGIC: u32 = u32::from_ne_bytes(*b"VLBK");
/// The longest record, bytes: a list of many pipes, below what a socket takes in one piece.
pub const MAX_RECORD: usize = 128 * 1024;
/// The beginning of the address of the daemon's end of every device (an abstract socket name, so behind
/// a NUL): `vloopback:INSTANCE:SESSION` in hexadecimal. By it any process recognises a device.
pub const DEVICE_PREFIX: &[u8] = b"\0vloopback:";
/// The permission bits of the program's end of a device. No other socket has them, so fstat alone recognises a device's
/// descriptor. Sandboxes allow fstat, but kill a process for getpeername (Chromium's does).
pub const DEVICE_MODE: u32 = 0o1660;

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
struct Writer<'a> {
    head: Head,
    used: usize,
    text: &'a str,
}

impl Writer<'_> {
    fn new(kind: u32) -> Self {
        Writer { head: Head { magic: MAGIC, protocol: PROTOCOL, kind, args: [0; ARGS] }, used: 0, text: "" }
    }

    fn put(&mut self, number: u32) {
        self.head.args[self.used] = number;
        self.used += 1;
    }
}

/// A record that is being read.
struct Reader<'a> {
    args: [u32; ARGS],
    used: usize,
    text: &'a [u8],
}

impl Reader<'_> {
    fn take(&mut self) -> u32 {
        self.used += 1;
        self.args[self.used - 1]
    }
}

/// What a message can say: some numbers of its head, or the text behind it.
trait Said {
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
            /// The messages' names.
            #[cfg(test)]
            const NAMES: &[&str] = &[$(stringify!($name)),*];

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

messages! {
/// The requests of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first message of a connection. `build` is [`build_id`].
    1: Hello {
        /// [`build_id`] of the process.
        build: [u32; 4],
    },
    /// Open node N of /dev/videoN.
    2: Open {
        /// N.
        node: u32,
        /// open(2) flags.
        flags: u32,
        /// The opener is a legacy process (driver/docs/rules.md, "Eras").
        legacy: bool,
    },
    /// Take part in an open device whose descriptor comes with this.
    3: Attach,
    /// A forked child's own connection comes with this; no reply.
    4: Split,
    /// Claim the pipe that the session's input belongs to.
    5: Claim {
        /// The session.
        session: u32,
    },
    /// VIDIOCSPICT on an input.
    6: SetPalette {
        /// The session.
        session: u32,
        /// V4L1 palette number.
        palette: u32,
        /// Brightness, hue, colour, contrast, whiteness, depth.
        picture: [u32; 6],
    },
    /// VIDIOCSWIN on an input: sets the size and makes the ring.
    7: SetSize {
        /// The session.
        session: u32,
        /// Pixels a line.
        width: u32,
        /// Lines.
        height: u32,
    },
    /// VIDIOC_S_FMT on an input: claims the pipe and sets the format. If it is another than before,
    /// the pipe is not fed until [`Request::Feed`].
    12: SetFormat {
        /// The session.
        session: u32,
        /// The format.
        format: PixelFormat,
    },
    /// The first write or REQBUFS of a V4L2 pusher: claims the pipe and makes the ring for the format in
    /// force. From now on the session feeds the pipe. A second request has no effect.
    13: Feed {
        /// The session.
        session: u32,
        /// Begin, or end: the pusher has given its buffers back. The claim stays.
        on: bool,
        /// Buffers that the pusher fills in place: the ring has a slot for each, within bounds.
        buffers: u32,
    },
    /// VIDIOC_S_PARM on an input: the nominal seconds a frame.
    14: SetInterval {
        /// The session.
        session: u32,
        /// Seconds, not 0.
        numerator: u32,
        /// Divided by this, not 0.
        denominator: u32,
    },
    /// VIDIOC_S_PRIORITY: the open file's own.
    15: SetPriority {
        /// The session.
        session: u32,
        /// V4L2_PRIORITY_*, 1 to 3.
        priority: u32,
    },
    /// The memory of the ring in force.
    8: Ring {
        /// The session.
        session: u32,
    },
    /// The session begins (or ends) to stream.
    9: Stream {
        /// The session.
        session: u32,
        /// Begin or end.
        on: bool,
        /// How many slots it would hold in place; 0 means that it copies anyway.
        hold: u32,
        /// It accepts fewer than `hold` (V4L2, whose buffers are a queue); else it gets all or
        /// none (V4L1, which names its frames one by one).
        fewer: bool,
    },
    /// With the pipe's option `exclusive`: the open file is about to have buffers, or to map or read frames.
    /// It owns the stream from then on, or gets EBUSY.
    30: Own {
        /// The session.
        session: u32,
        /// Begin; or end: it has given its buffers back and does not stream.
        on: bool,
    },
    /// The pipe's zero-copy memory. From an input, with a length: claims the pipe and switches it to zero-copy
    /// mode. From an output, with 0: the memory that exists.
    16: Zero {
        /// The session.
        session: u32,
        /// Bytes, whole pages.
        len: u32,
    },
    /// From a zero-copy pusher: the client that came next after the one with this ticket.
    18: RequestSlot {
        /// The session.
        session: u32,
        /// The ticket, 0 for the first.
        after: u32,
    },
    /// Makes descriptors readable: a zero-copy pusher's, if there is a request for it to take, and those of clients in
    /// poll that have something to take. It has no reply: the sender waits for the pusher, or does not wait.
    17: Doorbell {
        /// The session that asks, of the same pipe.
        session: u32,
        /// The pusher may not have been told of the pending request in any other way.
        asked: bool,
    },
    /// VIDIOC_EXPBUF: the memory of a buffer of the open file; the reply has a descriptor. With a length
    /// of 0: the buffers of earlier REQBUFS are gone.
    40: Export {
        /// The session.
        session: u32,
        /// The REQBUFS that the buffer is of.
        generation: u32,
        /// Its number.
        index: u32,
        /// Its bytes, whole pages.
        len: u32,
        /// The descriptor is for reading only.
        read_only: bool,
    },
    /// VIDIOC_LOG_STATUS.
    41: LogStatus {
        /// The session.
        session: u32,
    },
    /// VIDIOC_S_CTRL and its kin: sets sliders of the pipe's picture.
    19: SetControls {
        /// The session.
        session: u32,
        /// Which: bit k is the k-th of the values.
        which: u32,
        /// Brightness, hue, colour, contrast, whiteness, 0 to 65535 each.
        values: [u32; 5],
    },
    /// The same of a control that v4l2loopback has.
    65: SetLoopbackControl {
        /// The session.
        session: u32,
        /// Which, from 0 in the order of their ids: keep_format, sustain_framerate, timeout, timeout_image_io.
        which: u32,
        /// Its value.
        value: u32,
    },
    /// VIDIOC_SUBSCRIBE_EVENT, for the open file.
    20: Subscribe {
        /// The session.
        session: u32,
        /// V4L2_EVENT_*.
        kind: u32,
        /// A control's id, else 0.
        id: u32,
        /// Set of V4L2_EVENT_SUB_FL_*.
        flags: u32,
    },
    /// VIDIOC_UNSUBSCRIBE_EVENT.
    21: Unsubscribe {
        /// The session.
        session: u32,
        /// V4L2_EVENT_*, V4L2_EVENT_ALL for all.
        kind: u32,
        /// As in [`Request::Subscribe`].
        id: u32,
    },
    /// The descriptor that reports in poll that the open file has an event to take.
    22: EventDoorbell {
        /// The session.
        session: u32,
    },
    /// From a zero-copy pusher: the descriptor that its clients make readable themselves. From a client: the other
    /// end, with which it does that.
    42: RequestDoorbell {
        /// The session.
        session: u32,
    },
    /// The event doorbell was cleared although there may be an event to take: the daemon checks, and rings it.
    23: RingEventDoorbell {
        /// The session.
        session: u32,
    },
    /// From a tool: the picture that clients of a pipe see instead of the no-signal card. It comes in a memory file
    /// with `3 * width * height` bytes of red, green and blue, sealed against change.
    35: SetTimeout {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
        /// Pixels a line; 0: no picture comes with this, and the present one stays.
        width: u32,
        /// Lines.
        height: u32,
        /// Milliseconds for which a pusher may publish nothing before the picture is shown, 0 for no limit; None:
        /// unchanged.
        limit: Option<u32>,
    },
    /// By a tool: makes one more pipe, for as long as the server runs.
    60: Add {
        /// What it is to be.
        spec: PipeSpec,
    },
    /// By a tool: takes a pipe away.
    61: Remove {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
        /// Also while somebody has it open: those get ENODEV from then on.
        force: bool,
    },
    /// By a tool: what a pipe is.
    63: Query {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
    },
    /// By a tool: sets a pipe's format and rate, as a pusher would that leaves at once. What is None stays as it is.
    62: SetCaps {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
        /// The format.
        format: Option<PixelFormat>,
        /// Seconds a frame: numerator and denominator.
        interval: Option<(u32, u32)>,
        /// Format and rate stay, whoever pushes.
        keep: Option<bool>,
    },
    /// By a tool: how many may have a pipe's nodes open.
    64: SetMaxOpeners {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
        /// Both nodes together; 0: as many as like.
        most: u32,
    },
    /// All pipes, as JSON.
    10: List,
    /// The tree of plain files, for processes that cannot reach its folder.
    50: Tree,
    /// The process closed its last descriptor of the session. If nobody else has one, the session has ended when
    /// the reply comes, so that close() behaves as a kernel's.
    11: Closed {
        /// The session.
        session: u32,
    },
}
}

/// A pipe that is to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PipeSpec {
    /// What it is called: UTF-8, padded with zeros. All zeros: no label.
    pub label: [u8; 32],
    /// N of the input's /dev/videoN; None: a free number.
    pub input: Option<u32>,
    /// N of the output's.
    pub output: Option<u32>,
    /// The sizes that a pusher may set: least width, most width, least height, most height; 0: as far as there are any.
    pub sizes: [u32; 4],
    /// The most buffers that one REQBUFS gives; 0: as many as there can be.
    pub max_buffers: u32,
    /// How many may have the nodes open, both together; 0: as many as like.
    pub max_openers: u32,
}

impl Said for PipeSpec {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        for word in self.label.chunks_exact(4) {
            to.put(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        }
        let number = |number: Option<u32>| number.map_or(0, |number| number.saturating_add(1));
        [number(self.input), number(self.output)].iter().chain(&self.sizes).for_each(|word| to.put(*word));
        [self.max_buffers, self.max_openers].iter().for_each(|word| to.put(*word));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let words: [u32; 8] = Said::read(from);
        let mut label = [0; 32];
        for (to, word) in label.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        let [input, output] = Said::read(from);
        let sizes = Said::read(from);
        let [max_buffers, max_openers] = Said::read(from);
        let number = |number: u32| number.checked_sub(1);
        Self { label, input: number(input), output: number(output), sizes, max_buffers, max_openers }
    }
}

/// The fields that VIDIOC_S_FMT sets. The daemon computes the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PixelFormat {
    /// V4L2_PIX_FMT_*.
    pub fourcc: u32,
    /// Pixels a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// The most bytes of a compressed frame; 0 or too small a number means the default. The length of uncompressed
    /// frames follows from the format.
    pub sizeimage: u32,
    /// V4L2_COLORSPACE_*, 0 for the format's default.
    pub colorspace: u32,
    /// V4L2_YCBCR_ENC_*, V4L2_QUANTIZATION_*, V4L2_XFER_FUNC_*, a byte each from the lowest up.
    pub colours: u32,
    /// V4L2_FIELD_*; 0 (any) means whole frames.
    pub field: u32,
}

impl Said for PixelFormat {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        let PixelFormat { fourcc, width, height, sizeimage, colorspace, colours, field } = *self;
        [fourcc, width, height, sizeimage, colorspace, colours, field]
            .iter()
            .for_each(|number| to.put(*number));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let [fourcc, width, height, sizeimage, colorspace, colours, field] = Said::read(from);
        PixelFormat { fourcc, width, height, sizeimage, colorspace, colours, field }
    }
}

messages! {
/// The daemon's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    100: Done,
    /// An errno.
    101: Error(errno: i32),
    /// The connection is refused; the text says why.
    102: Refused(why: String),
    /// The connection is served.
    103: Welcome {
        /// This process's number in shared locks.
        peer: u32,
    },
    /// An open device.
    104: Session(info: SessionInfo),
    /// A ring.
    105: Ring {
        /// Its number.
        ring: u32,
        /// Its slots, which lie one after the other in one file.
        slots: u32,
        /// Bytes of each slot, whole pages.
        slot_len: u32,
        /// The number of its log.
        log: u32,
    },
    /// Streaming.
    106: Stream {
        /// The row on the claims page plus 1; 0: copy.
        row: u32,
        /// The slots that may be held.
        quota: u32,
    },
    /// A pipe was made.
    110: Added {
        /// Its index.
        index: u32,
        /// N of the input's /dev/videoN.
        input: u32,
        /// N of the output's.
        output: u32,
    },
    /// What a pipe is.
    112: Spec {
        /// Both nodes are named, and all bounds.
        spec: PipeSpec,
    },
    /// A tool's request was not done.
    111: Denied {
        /// An errno.
        errno: i32,
        /// Why, and what helps.
        text: String,
    },
    /// JSON.
    107: Text(json: String),
    /// Zero-copy memory.
    108: Zero {
        /// Its number, never used twice by a pipe.
        zero: u32,
        /// Bytes.
        len: u32,
    },
    /// A client's request slot.
    109: RequestSlot {
        /// Its ticket; 0: no client has come since.
        ticket: u32,
    },
}
}

/// The facts of an open device that a process needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number, never used twice by one daemon.
    pub session: u32,
    /// The pipe's index.
    pub pipe: u32,
    /// N of /dev/videoN.
    pub node: u32,
    /// N of the pipe's other node.
    pub partner: u32,
    /// It is the input node.
    pub input: bool,
    /// open(2) flags of the open.
    pub flags: u32,
    /// The opener was a legacy process.
    pub legacy: bool,
    /// Its number among the pipe's sessions, for the claims page.
    pub client: u32,
    /// Idle policy in force: see [`Idle`].
    pub idle: u32,
    /// V4L2 requests are served; in profile vloopback they are not.
    pub v4l2: bool,
    /// One open file in all has the stream: see [`Request::Own`].
    pub exclusive: bool,
    /// Of an output: several open files of one process may stream.
    pub shared: bool,
    /// Milliseconds that a zero-copy pusher has for an answer; 0 for ever.
    pub answer_timeout: u32,
}

impl Said for SessionInfo {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        let flags = u32::from(self.v4l2) | u32::from(self.exclusive) << 1 | u32::from(self.shared) << 2;
        for number in [self.session, self.pipe, self.node, self.partner, u32::from(self.input), self.flags] {
            to.put(number);
        }
        for number in [u32::from(self.legacy), self.client, self.idle, flags, self.answer_timeout] {
            to.put(number);
        }
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let [session, pipe, node, partner, input, flags] = Said::read(from);
        let [legacy, client, idle, has, answer_timeout] = Said::read(from);
        SessionInfo {
            session,
            pipe,
            node,
            partner,
            input: input != 0,
            flags,
            legacy: legacy != 0,
            client,
            idle,
            v4l2: has & 1 != 0,
            exclusive: has & 2 != 0,
            shared: has & 4 != 0,
            answer_timeout,
        }
    }
}

/// What a client meets while nobody pushes (driver/docs/rules.md, "While nobody pushes"), as a number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Idle {
    /// The node opens and shows a no-signal picture.
    Placeholder = 0,
    /// The node opens and blocks.
    Wait = 1,
    /// The node does not open, waits end.
    Refuse = 2,
}

/// The identity of a build, as text of at most 16 bytes: the crate's version, and a number made of the layouts that
/// processes share: `layout` of the shared pages (`vloopback_ring::LAYOUT`), and the protocol's own.
pub fn build_text(layout: u64) -> String {
    let number = format!("{:016x}", mixed(layout));
    let version = concat!(env!("CARGO_PKG_VERSION"), "+");
    version.chars().chain(number.chars()).take(16).collect()
}

/// The same for the greeting, padded with zeros. It does not allocate, for the library.
pub fn build_id(layout: u64) -> [u32; 4] {
    let mixed = mixed(layout);
    let version = concat!(env!("CARGO_PKG_VERSION"), "+").as_bytes();
    let digit = |k: u32| b"0123456789abcdef"[(mixed >> (60 - 4 * k) & 15) as usize];
    let mut text = version.iter().copied().chain((0..16).map(digit));
    let bytes: [u8; 16] = core::array::from_fn(|_| text.next().unwrap_or(0));
    zerocopy::transmute!(bytes)
}

/// One number of all that two builds must share: the layout of the shared pages, and that of the records.
fn mixed(layout: u64) -> u64 {
    let wire = [u64::from(PROTOCOL), HEAD_LEN as u64, MAX_RECORD as u64];
    wire.iter().fold(layout, |sum, more| (sum ^ more).wrapping_mul(0x0000_0100_0000_01b3))
}

fn parse_head(record: &[u8]) -> Result<(Head, &[u8]), WireError> {
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

impl Request {
    /// The record to send.
    pub fn encode(&self) -> Head {
        self.record().head
    }

    /// Reads a record that a process sent.
    ///
    /// # Errors
    /// See [`WireError`]; the caller should drop the connection.
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (head, rest) = parse_head(record)?;
        if !rest.is_empty() {
            return Err(WireError::Length(record.len()));
        }
        Self::of_parts(&head, rest)
    }
}

impl Reply {
    /// The record to send: the head, and the text behind it.
    pub fn encode(&self) -> (Head, &str) {
        let record = self.record();
        (record.head, record.text)
    }

    /// Reads a record that the daemon sent.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (head, text) = parse_head(record)?;
        Self::of_parts(&head, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_its_version_and_its_layouts() {
        assert_ne!(build_id(1), build_id(2));
        let words = build_id(1);
        assert_eq!(words.as_bytes(), build_text(1).as_bytes(), "{}", build_text(1));
        assert!(build_text(1).starts_with(concat!(env!("CARGO_PKG_VERSION"), "+")));
    }
    use proptest::prelude::*;

    /// Each message has its row, or its place in one, on the page.
    #[test]
    fn the_page_has_every_message() {
        let rows: String = include_str!("lib.rs").lines().filter(|line| line.starts_with("//! |")).collect();
        for (of, names) in [("Request", Request::NAMES), ("Reply", Reply::NAMES)] {
            for name in names.iter().filter(|name| (of, **name) != ("Reply", "Error")) {
                assert!(rows.contains(&format!("[`{of}::{name}`]")), "{of}::{name}");
            }
        }
    }

    #[test]
    fn every_request_comes_back_as_it_went() {
        for request in [
            Request::Hello { build: build_id(5) },
            Request::Open { node: 3, flags: 0o2, legacy: true },
            Request::Attach,
            Request::Split,
            Request::Claim { session: 9 },
            Request::SetPalette { session: 1, palette: 15, picture: [1, 2, 3, 4, 5, 12] },
            Request::SetSize { session: 1, width: 640, height: 480 },
            Request::Ring { session: 7 },
            Request::Stream { session: 7, on: true, hold: 2, fewer: true },
            Request::SetFormat {
                session: 7,
                format: PixelFormat {
                    fourcc: u32::from_le_bytes(*b"MJPG"),
                    width: 640,
                    height: 480,
                    sizeimage: 614_400,
                    colorspace: 7,
                    colours: 0x0201,
                    field: 1,
                },
            },
            Request::Feed { session: 7, on: true, buffers: 4 },
            Request::SetInterval { session: 7, numerator: 1001, denominator: 30_000 },
            Request::SetPriority { session: 7, priority: 3 },
            Request::Zero { session: 7, len: 8192 },
            Request::Doorbell { session: 7, asked: true },
            Request::RequestSlot { session: 7, after: 2 },
            Request::Own { session: 7, on: true },
            Request::SetTimeout { node: 1, width: 64, height: 48, limit: Some(500) },
            Request::SetTimeout { node: 1, width: 0, height: 0, limit: None },
            Request::SetControls { session: 7, which: 5, values: [1, 2, 3, 4, 5] },
            Request::Subscribe { session: 7, kind: 3, id: 0x98_0900, flags: 1 },
            Request::Unsubscribe { session: 7, kind: 3, id: 0x98_0900 },
            Request::EventDoorbell { session: 7 },
            Request::RingEventDoorbell { session: 7 },
            Request::RequestDoorbell { session: 7 },
            Request::Export { session: 7, generation: 2, index: 3, len: 4096, read_only: true },
            Request::LogStatus { session: 7 },
            Request::SetMaxOpeners { node: 3, most: 2 },
            Request::SetLoopbackControl { session: 7, which: 2, value: 3000 },
            Request::Tree,
            Request::List,
            Request::Closed { session: 7 },
        ] {
            assert_eq!(Request::decode(request.encode().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn every_reply_comes_back_as_it_went() {
        let session = SessionInfo {
            session: 1,
            pipe: 2,
            node: 4,
            partner: 5,
            input: true,
            flags: 2,
            legacy: true,
            client: 8,
            idle: 1,
            v4l2: true,
            exclusive: true,
            shared: true,
            answer_timeout: 10_000,
        };
        for reply in [
            Reply::Done,
            Reply::Error(16),
            Reply::Refused("built apart".into()),
            Reply::Welcome { peer: 77 },
            Reply::Session(session),
            Reply::Ring { ring: 1, slots: 4, slot_len: 4096, log: 9 },
            Reply::Stream { row: 1, quota: 2 },
            Reply::Text("[]".into()),
            Reply::Zero { zero: 3, len: 8192 },
            Reply::RequestSlot { ticket: 3 },
            Reply::Added { index: 1, input: 2, output: 3 },
            Reply::Spec { spec: PipeSpec { input: Some(1), output: Some(0), ..PipeSpec::default() } },
            Reply::Denied { errno: 16, text: "somebody has it".into() },
        ] {
            let (head, text) = reply.encode();
            let mut record = head.as_bytes().to_vec();
            record.extend_from_slice(text.as_bytes());
            assert_eq!(Reply::decode(&record), Ok(reply));
        }
    }

    #[test]
    fn strangers_are_told_apart() {
        assert_eq!(Request::decode(b"GET / HTTP/1.1\r\n"), Err(WireError::Length(16)));
        assert_eq!(Request::decode(&[0; HEAD_LEN]), Err(WireError::Magic));
        let longer = [Request::List.encode().as_bytes(), b"x"].concat();
        assert_eq!(Request::decode(&longer), Err(WireError::Length(HEAD_LEN + 1)));
        let mut other = Request::List.encode();
        other.protocol = 99;
        assert_eq!(Request::decode(other.as_bytes()), Err(WireError::Protocol(99)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::decode(&bytes);
            let _ = Reply::decode(&bytes);
        }

        #[test]
        fn any_numbers_behind_a_true_head_never_panic(kind in 0u32..120, args in any::<[u32; ARGS]>()) {
            let head = Head { magic: MAGIC, protocol: PROTOCOL, kind, args };
            if let Ok(request) = Request::decode(head.as_bytes()) {
                prop_assert_eq!(Request::decode(request.encode().as_bytes()), Ok(request));
            }
            let _ = Reply::decode(head.as_bytes());
        }
    }
}
