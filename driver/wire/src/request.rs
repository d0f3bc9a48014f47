//! What a process asks the daemon.

use crate::record::{Head, Reader, Said, WireError, Writer, messages, parse_head};
use crate::values::{PipeSpec, PixelFormat};

messages! {
/// The requests of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first message of a connection. `build` is [`build_id`](crate::build_id).
    1: Hello {
        /// [`build_id`](crate::build_id) of the process.
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
    /// All pipes, as JSON.
    10: List,
    /// The process closed its last descriptor of the session. If nobody else has one, the session has ended when
    /// the reply comes, so that close() behaves as a kernel's.
    11: Closed {
        /// The session.
        session: u32,
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
    /// The pipe's zero-copy memory. From an input, with a length: claims the pipe and switches it to zero-copy
    /// mode. From an output, with 0: the memory that exists.
    16: Zero {
        /// The session.
        session: u32,
        /// Bytes, whole pages.
        len: u32,
    },
    /// Makes descriptors readable: a zero-copy pusher's, if there is a request for it to take, and those of clients in
    /// poll that have something to take. It has no reply: the sender waits for the pusher, or does not wait.
    17: Doorbell {
        /// The session that asks, of the same pipe.
        session: u32,
        /// The pusher may not have been told of the pending request in any other way.
        asked: bool,
    },
    /// From a zero-copy pusher: the client that came next after the one with this ticket.
    18: RequestSlot {
        /// The session.
        session: u32,
        /// The ticket, 0 for the first.
        after: u32,
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
    /// The event doorbell was cleared although there may be an event to take: the daemon checks, and rings it.
    23: RingEventDoorbell {
        /// The session.
        session: u32,
    },
    /// With the pipe's option `exclusive`: the open file is about to have buffers, or to map or read frames.
    /// It owns the stream from then on, or gets EBUSY.
    30: Own {
        /// The session.
        session: u32,
        /// Begin; or end: it has given its buffers back and does not stream.
        on: bool,
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
    /// From a zero-copy pusher: the descriptor that its clients make readable themselves. From a client: the other
    /// end, with which it does that.
    42: RequestDoorbell {
        /// The session.
        session: u32,
    },
    /// The tree of plain files, for processes that cannot reach its folder.
    50: Tree,
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
    /// By a tool: what a pipe is.
    63: Query {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
    },
    /// By a tool: how many may have a pipe's nodes open.
    64: SetMaxOpeners {
        /// N of one of the pipe's nodes, /dev/videoN.
        node: u32,
        /// Both nodes together; 0: as many as like.
        most: u32,
    },
    /// A control that v4l2loopback has ([`Request::SetControls`] is of a camera's sliders).
    65: SetLoopbackControl {
        /// The session.
        session: u32,
        /// Which, from 0 in the order of their ids: keep_format, sustain_framerate, timeout, timeout_image_io.
        which: u32,
        /// Its value.
        value: u32,
    },
}
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
