//! The daemon's protocol: messages, framing, descriptors.
//!
//! Each process has one AF_UNIX SOCK_SEQPACKET connection. Each message is one record: a [`Head`] of fixed size,
//! and for [`Reply::Text`], [`Reply::Refused`] and [`Reply::Denied`] a text behind it. A request has exactly one reply;
//! only [`Request::Split`] and [`Request::Bell`] have none. Descriptors travel with the record (SCM_RIGHTS), in the order
//! of the table.
//!
//! | request | descriptors with it | reply | descriptors with that |
//! |---|---|---|---|
//! | [`Request::Hello`] | – | [`Reply::Welcome`] or [`Reply::Refused`] | lifeline page |
//! | [`Request::Open`] | – | [`Reply::Session`] | **device**, session page, board, desk |
//! | [`Request::Attach`] | **device** (somebody else's open, met by exec or SCM_RIGHTS) | [`Reply::Session`] | session page, board, desk |
//! | [`Request::Split`] | **one end of a new connection** (a forked child's own) | none | – |
//! | [`Request::Claim`] | – | [`Reply::Done`] | – |
//! | [`Request::SetPalette`], [`Request::SetSize`], [`Request::SetFormat`] | – | [`Reply::Done`] | – |
//! | [`Request::Feed`], [`Request::SetInterval`], [`Request::SetPriority`] | – | [`Reply::Done`] | – |
//! | [`Request::SetControls`], [`Request::Subscribe`], [`Request::Unsubscribe`], [`Request::RingChime`] | – | [`Reply::Done`] | – |
//! | [`Request::Chime`] | – | [`Reply::Done`] | the chime |
//! | [`Request::Ring`] | – | [`Reply::Ring`] | log, and the file of all slots |
//! | [`Request::Stream`] | – | [`Reply::Stream`] | – |
//! | [`Request::Own`] | – | [`Reply::Done`] | – |
//! | [`Request::Zero`] | – | [`Reply::Zero`] | the frames' memory, the pusher's page, a client's slip |
//! | [`Request::Slip`] | – | [`Reply::Slip`] | a client's slip, if there is one |
//! | [`Request::Gong`] | – | [`Reply::Done`] | a client: the mallet; the pusher: its gong, and the mallet |
//! | [`Request::Bell`] | – | none | – |
//! | [`Request::Closed`] | – | [`Reply::Done`] | – |
//! | [`Request::SetTimeout`] | a picture in a memory file, if one is set | [`Reply::Done`] | – |
//! | [`Request::Add`] | – | [`Reply::Added`] or [`Reply::Denied`] | – |
//! | [`Request::Query`] | – | [`Reply::Spec`] or [`Reply::Denied`] | – |
//! | [`Request::Remove`], [`Request::SetCaps`] | – | [`Reply::Done`] or [`Reply::Denied`] | – |
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

/// The requests of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first message of a connection. `build` is [`build_id`].
    Hello {
        /// [`build_id`] of the process.
        build: [u32; 4],
    },
    /// Open node N of /dev/videoN.
    Open {
        /// N.
        node: u32,
        /// open(2) flags.
        flags: u32,
        /// The opener is a legacy process (driver/docs/rules.md, "Eras").
        legacy: bool,
    },
    /// Take part in an open device whose descriptor comes with this.
    Attach,
    /// A forked child's own connection comes with this; no reply.
    Split,
    /// Claim the pipe that the session's input belongs to.
    Claim {
        /// The session.
        session: u32,
    },
    /// VIDIOCSPICT on an input.
    SetPalette {
        /// The session.
        session: u32,
        /// V4L1 palette number.
        palette: u32,
        /// Brightness, hue, colour, contrast, whiteness, depth.
        picture: [u32; 6],
    },
    /// VIDIOCSWIN on an input: sets the size and makes the ring.
    SetSize {
        /// The session.
        session: u32,
        /// Pixels a line.
        width: u32,
        /// Lines.
        height: u32,
    },
    /// VIDIOC_S_FMT on an input: claims the pipe and sets the format. If it is another than before,
    /// the pipe is not fed until [`Request::Feed`].
    SetFormat {
        /// The session.
        session: u32,
        /// The format.
        format: PixelFormat,
    },
    /// The first write or REQBUFS of a V4L2 pusher: claims the pipe and makes the ring for the format in
    /// force. From now on the session feeds the pipe. A second request has no effect.
    Feed {
        /// The session.
        session: u32,
        /// Begin, or end: the pusher has given its buffers back. The claim stays.
        on: bool,
        /// Buffers that the pusher fills in place: the ring has a slot for each, within bounds.
        buffers: u32,
    },
    /// VIDIOC_S_PARM on an input: the nominal seconds a frame.
    SetInterval {
        /// The session.
        session: u32,
        /// Seconds, not 0.
        numerator: u32,
        /// Divided by this, not 0.
        denominator: u32,
    },
    /// VIDIOC_S_PRIORITY: the open file's own.
    SetPriority {
        /// The session.
        session: u32,
        /// V4L2_PRIORITY_*, 1 to 3.
        priority: u32,
    },
    /// The memory of the ring in force.
    Ring {
        /// The session.
        session: u32,
    },
    /// The session begins (or ends) to stream.
    Stream {
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
    Own {
        /// The session.
        session: u32,
        /// Begin; or end: it has given its buffers back and does not stream.
        on: bool,
    },
    /// The pipe's zero-copy memory. From an input, with a length: claims the pipe and switches it to zero-copy
    /// mode. From an output, with 0: the memory that exists.
    Zero {
        /// The session.
        session: u32,
        /// Bytes, whole pages.
        len: u32,
    },
    /// From a zero-copy pusher: the client that came next after the one with this ticket.
    Slip {
        /// The session.
        session: u32,
        /// The ticket, 0 for the first.
        after: u32,
    },
    /// Makes descriptors readable: a zero-copy pusher's, if there is a request for it to take, and those of clients in
    /// poll that have something to take. It has no reply: the sender waits for the pusher, or does not wait.
    Bell {
        /// The session that asks, of the same pipe.
        session: u32,
        /// The pusher may not have been told of the pending request in any other way.
        knock: bool,
    },
    /// VIDIOC_EXPBUF: the memory of a buffer of the open file; the reply has a descriptor. With a length
    /// of 0: the buffers of earlier REQBUFS are gone.
    Export {
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
    LogStatus {
        /// The session.
        session: u32,
    },
    /// VIDIOC_S_CTRL and its kin: sets sliders of the pipe's picture.
    SetControls {
        /// The session.
        session: u32,
        /// Which: bit k is the k-th of the values.
        which: u32,
        /// Brightness, hue, colour, contrast, whiteness, 0 to 65535 each.
        values: [u32; 5],
    },
    /// VIDIOC_SUBSCRIBE_EVENT, for the open file.
    Subscribe {
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
    Unsubscribe {
        /// The session.
        session: u32,
        /// V4L2_EVENT_*, V4L2_EVENT_ALL for all.
        kind: u32,
        /// As in [`Request::Subscribe`].
        id: u32,
    },
    /// The descriptor that reports in poll that the open file has an event to take.
    Chime {
        /// The session.
        session: u32,
    },
    /// From a zero-copy pusher: the descriptor that its clients make readable themselves. From a client: the other
    /// end, with which it does that.
    Gong {
        /// The session.
        session: u32,
    },
    /// The chime was hushed although there may be an event to take: the daemon checks, and rings it.
    RingChime {
        /// The session.
        session: u32,
    },
    /// From a tool: the picture that clients of a pipe see instead of the no-signal card. It comes in a memory file with
    /// `3 * width * height` bytes of red, green and blue, sealed against change.
    SetTimeout {
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
    Add {
        /// What it is to be.
        spec: PipeSpec,
    },
    /// By a tool: takes a pipe away.
    Remove {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
        /// Also while somebody has it open: those get ENODEV from then on.
        force: bool,
    },
    /// By a tool: what a pipe is.
    Query {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
    },
    /// By a tool: sets a pipe's format and rate, as a pusher would that leaves at once. What is None stays as it is.
    SetCaps {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
        /// The format.
        format: Option<PixelFormat>,
        /// Seconds a frame: numerator and denominator.
        interval: Option<(u32, u32)>,
        /// Format and rate stay, whoever pushes.
        keep: Option<bool>,
    },
    /// All pipes, as JSON.
    List,
    /// The tree of plain files, for processes that cannot reach its folder.
    Tree,
    /// The process closed its last descriptor of the session. If nobody else has one, the session has ended when
    /// the reply comes, so that close() behaves as a kernel's.
    Closed {
        /// The session.
        session: u32,
    },
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

impl PipeSpec {
    fn words(&self) -> [u32; 16] {
        let mut args = [0; 16];
        for (to, from) in args.iter_mut().zip(self.label.chunks_exact(4)) {
            *to = u32::from_ne_bytes([from[0], from[1], from[2], from[3]]);
        }
        let number = |number: Option<u32>| number.map_or(0, |number| number.saturating_add(1));
        (args[8], args[9]) = (number(self.input), number(self.output));
        args[10..14].copy_from_slice(&self.sizes);
        (args[14], args[15]) = (self.max_buffers, self.max_openers);
        args
    }

    fn of_words(a: &[u32; ARGS]) -> Self {
        let mut label = [0; 32];
        for (to, word) in label.chunks_exact_mut(4).zip(a) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        Self {
            label,
            input: a[8].checked_sub(1),
            output: a[9].checked_sub(1),
            sizes: [a[10], a[11], a[12], a[13]],
            max_buffers: a[14],
            max_openers: a[15],
        }
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

/// The daemon's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// An errno.
    Error(i32),
    /// The connection is refused; the text says why.
    Refused(String),
    /// The connection is served.
    Welcome {
        /// This process's number in shared locks.
        peer: u32,
    },
    /// An open device.
    Session(SessionInfo),
    /// A ring.
    Ring {
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
    Stream {
        /// The row on the desk plus 1; 0: copy.
        row: u32,
        /// The slots that may be held.
        quota: u32,
    },
    /// A pipe was made.
    Added {
        /// Its index.
        index: u32,
        /// N of the input's /dev/videoN.
        input: u32,
        /// N of the output's.
        output: u32,
    },
    /// What a pipe is.
    Spec {
        /// Both nodes are named, and all bounds.
        spec: PipeSpec,
    },
    /// A tool's request was not done.
    Denied {
        /// An errno.
        errno: i32,
        /// Why, and what helps.
        text: String,
    },
    /// JSON.
    Text(String),
    /// Zero-copy memory.
    Zero {
        /// Its number, never used twice by a pipe.
        zero: u32,
        /// Bytes.
        len: u32,
    },
    /// A client's slip.
    Slip {
        /// Its ticket; 0: no client has come since.
        ticket: u32,
    },
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
    /// Its number among the pipe's sessions, for the desk.
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

fn head(kind: u32, used: &[u32]) -> Head {
    let mut args = [0; ARGS];
    args[..used.len()].copy_from_slice(used);
    Head { magic: MAGIC, protocol: PROTOCOL, kind, args }
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
        match *self {
            Self::Hello { build } => head(1, &build),
            Self::Open { node, flags, legacy } => head(2, &[node, flags, u32::from(legacy)]),
            Self::Attach => head(3, &[]),
            Self::Split => head(4, &[]),
            Self::Claim { session } => head(5, &[session]),
            Self::SetPalette { session, palette, picture: p } => {
                head(6, &[session, palette, p[0], p[1], p[2], p[3], p[4], p[5]])
            }
            Self::SetSize { session, width, height } => head(7, &[session, width, height]),
            Self::Ring { session } => head(8, &[session]),
            Self::Stream { session, on, hold, fewer } => {
                head(9, &[session, u32::from(on), hold, u32::from(fewer)])
            }
            Self::List => head(10, &[]),
            Self::Closed { session } => head(11, &[session]),
            Self::SetFormat { session, format: f } => {
                let (fourcc, colours) = (f.fourcc, f.colours);
                head(12, &[session, fourcc, f.width, f.height, f.sizeimage, f.colorspace, colours, f.field])
            }
            Self::Feed { session, on, buffers } => head(13, &[session, u32::from(on), buffers]),
            Self::SetInterval { session, numerator, denominator } => {
                head(14, &[session, numerator, denominator])
            }
            Self::SetPriority { session, priority } => head(15, &[session, priority]),
            Self::Zero { session, len } => head(16, &[session, len]),
            Self::Bell { session, knock } => head(17, &[session, u32::from(knock)]),
            Self::Slip { session, after } => head(18, &[session, after]),
            Self::Own { session, on } => head(30, &[session, u32::from(on)]),
            Self::SetTimeout { node, width, height, limit } => {
                head(35, &[node, width, height, u32::from(limit.is_some()), limit.unwrap_or(0)])
            }
            Self::SetControls { session, which, values: v } => {
                head(19, &[session, which, v[0], v[1], v[2], v[3], v[4]])
            }
            Self::Subscribe { session, kind, id, flags } => head(20, &[session, kind, id, flags]),
            Self::Unsubscribe { session, kind, id } => head(21, &[session, kind, id]),
            Self::Chime { session } => head(22, &[session]),
            Self::RingChime { session } => head(23, &[session]),
            Self::Export { session, generation, index, len, read_only } => {
                head(40, &[session, generation, index, len, u32::from(read_only)])
            }
            Self::LogStatus { session } => head(41, &[session]),
            Self::Gong { session } => head(42, &[session]),
            Self::Tree => head(50, &[]),
            Self::Add { spec } => head(60, &spec.words()),
            Self::Query { node } => head(63, &[node]),
            Self::Remove { node, force } => head(61, &[node, u32::from(force)]),
            Self::SetCaps { node, format, interval, keep } => {
                let has = u32::from(format.is_some())
                    | u32::from(interval.is_some()) << 1
                    | u32::from(keep.is_some()) << 2
                    | u32::from(keep == Some(true)) << 3;
                let f = format.unwrap_or_default();
                let (numerator, denominator) = interval.unwrap_or_default();
                let more = [f.fourcc, f.width, f.height, f.sizeimage, f.colorspace, f.colours, f.field];
                let [a, b, c, d, e, g, h] = more;
                head(62, &[node, has, a, b, c, d, e, g, h, numerator, denominator])
            }
        }
    }

    /// Reads a record that a process sent.
    ///
    /// # Errors
    /// See [`WireError`]; the caller should drop the connection.
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (h, rest) = parse_head(record)?;
        if !rest.is_empty() {
            return Err(WireError::Length(record.len()));
        }
        let a = h.args;
        Ok(match h.kind {
            1 => Self::Hello { build: [a[0], a[1], a[2], a[3]] },
            2 => Self::Open { node: a[0], flags: a[1], legacy: a[2] != 0 },
            3 => Self::Attach,
            4 => Self::Split,
            5 => Self::Claim { session: a[0] },
            6 => Self::SetPalette {
                session: a[0],
                palette: a[1],
                picture: [a[2], a[3], a[4], a[5], a[6], a[7]],
            },
            7 => Self::SetSize { session: a[0], width: a[1], height: a[2] },
            8 => Self::Ring { session: a[0] },
            9 => Self::Stream { session: a[0], on: a[1] != 0, hold: a[2], fewer: a[3] != 0 },
            10 => Self::List,
            11 => Self::Closed { session: a[0] },
            12 => Self::SetFormat {
                session: a[0],
                format: PixelFormat {
                    fourcc: a[1],
                    width: a[2],
                    height: a[3],
                    sizeimage: a[4],
                    colorspace: a[5],
                    colours: a[6],
                    field: a[7],
                },
            },
            13 => Self::Feed { session: a[0], on: a[1] != 0, buffers: a[2] },
            14 => Self::SetInterval { session: a[0], numerator: a[1], denominator: a[2] },
            15 => Self::SetPriority { session: a[0], priority: a[1] },
            16 => Self::Zero { session: a[0], len: a[1] },
            17 => Self::Bell { session: a[0], knock: a[1] != 0 },
            18 => Self::Slip { session: a[0], after: a[1] },
            30 => Self::Own { session: a[0], on: a[1] != 0 },
            35 => Self::SetTimeout {
                node: a[0],
                width: a[1],
                height: a[2],
                limit: if a[3] != 0 { Some(a[4]) } else { None },
            },
            19 => Self::SetControls { session: a[0], which: a[1], values: [a[2], a[3], a[4], a[5], a[6]] },
            20 => Self::Subscribe { session: a[0], kind: a[1], id: a[2], flags: a[3] },
            21 => Self::Unsubscribe { session: a[0], kind: a[1], id: a[2] },
            22 => Self::Chime { session: a[0] },
            23 => Self::RingChime { session: a[0] },
            40 => {
                Self::Export { session: a[0], generation: a[1], index: a[2], len: a[3], read_only: a[4] != 0 }
            }
            41 => Self::LogStatus { session: a[0] },
            42 => Self::Gong { session: a[0] },
            50 => Self::Tree,
            60 => Self::Add { spec: PipeSpec::of_words(&a) },
            63 => Self::Query { node: a[0] },
            61 => Self::Remove { node: a[0], force: a[1] != 0 },
            62 => Self::SetCaps {
                node: a[0],
                format: (a[1] & 1 != 0).then_some(PixelFormat {
                    fourcc: a[2],
                    width: a[3],
                    height: a[4],
                    sizeimage: a[5],
                    colorspace: a[6],
                    colours: a[7],
                    field: a[8],
                }),
                interval: (a[1] & 2 != 0).then_some((a[9], a[10])),
                keep: (a[1] & 4 != 0).then_some(a[1] & 8 != 0),
            },
            kind => return Err(WireError::Kind(kind)),
        })
    }
}

impl Reply {
    /// The record to send: the head, and the text behind it.
    pub fn encode(&self) -> (Head, &str) {
        match self {
            Self::Done => (head(100, &[]), ""),
            Self::Error(errno) => (head(101, &[errno.unsigned_abs()]), ""),
            Self::Refused(text) => (head(102, &[]), text),
            Self::Welcome { peer } => (head(103, &[*peer]), ""),
            Self::Session(s) => {
                let head = head(
                    104,
                    &[
                        s.session,
                        s.pipe,
                        s.node,
                        s.partner,
                        u32::from(s.input),
                        s.flags,
                        u32::from(s.legacy),
                        s.client,
                        s.idle,
                        u32::from(s.v4l2) | u32::from(s.exclusive) << 1 | u32::from(s.shared) << 2,
                        s.answer_timeout,
                    ],
                );
                (head, "")
            }
            Self::Ring { ring, slots, slot_len, log } => (head(105, &[*ring, *slots, *slot_len, *log]), ""),
            Self::Stream { row, quota } => (head(106, &[*row, *quota]), ""),
            Self::Text(text) => (head(107, &[]), text),
            Self::Zero { zero, len } => (head(108, &[*zero, *len]), ""),
            Self::Slip { ticket } => (head(109, &[*ticket]), ""),
            Self::Added { index, input, output } => (head(110, &[*index, *input, *output]), ""),
            Self::Spec { spec } => (head(112, &spec.words()), ""),
            Self::Denied { errno, text } => (head(111, &[errno.unsigned_abs()]), text),
        }
    }

    /// Reads a record that the daemon sent.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (h, rest) = parse_head(record)?;
        let a = h.args;
        let text = || String::from_utf8_lossy(rest).into_owned();
        Ok(match h.kind {
            100 => Self::Done,
            101 => Self::Error(a[0] as i32),
            102 => Self::Refused(text()),
            103 => Self::Welcome { peer: a[0] },
            104 => Self::Session(SessionInfo {
                session: a[0],
                pipe: a[1],
                node: a[2],
                partner: a[3],
                input: a[4] != 0,
                flags: a[5],
                legacy: a[6] != 0,
                client: a[7],
                idle: a[8],
                v4l2: a[9] & 1 != 0,
                exclusive: a[9] & 2 != 0,
                shared: a[9] & 4 != 0,
                answer_timeout: a[10],
            }),
            105 => Self::Ring { ring: a[0], slots: a[1], slot_len: a[2], log: a[3] },
            106 => Self::Stream { row: a[0], quota: a[1] },
            107 => Self::Text(text()),
            108 => Self::Zero { zero: a[0], len: a[1] },
            109 => Self::Slip { ticket: a[0] },
            110 => Self::Added { index: a[0], input: a[1], output: a[2] },
            112 => Self::Spec { spec: PipeSpec::of_words(&a) },
            111 => Self::Denied { errno: a[0] as i32, text: text() },
            kind => return Err(WireError::Kind(kind)),
        })
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
            Request::Bell { session: 7, knock: true },
            Request::Slip { session: 7, after: 2 },
            Request::Own { session: 7, on: true },
            Request::SetTimeout { node: 1, width: 64, height: 48, limit: Some(500) },
            Request::SetTimeout { node: 1, width: 0, height: 0, limit: None },
            Request::SetControls { session: 7, which: 5, values: [1, 2, 3, 4, 5] },
            Request::Subscribe { session: 7, kind: 3, id: 0x98_0900, flags: 1 },
            Request::Unsubscribe { session: 7, kind: 3, id: 0x98_0900 },
            Request::Chime { session: 7 },
            Request::RingChime { session: 7 },
            Request::Gong { session: 7 },
            Request::Add {
                spec: PipeSpec {
                    label: core::array::from_fn(|k| if k < 31 { k as u8 + 1 } else { 0 }),
                    input: Some(0),
                    output: None,
                    sizes: [1, 2, 3, 4],
                    max_buffers: 5,
                    max_openers: 6,
                },
            },
            Request::Remove { node: 3, force: true },
            Request::Query { node: 3 },
            Request::SetCaps { node: 3, format: None, interval: Some((1, 25)), keep: Some(false) },
            Request::SetCaps { node: 3, format: Some(PixelFormat::default()), interval: None, keep: None },
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
            Reply::Slip { ticket: 3 },
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
