//! What messages say besides single numbers.

use vloopback_core::Idle;

use crate::record::{Reader, Said, Writer};

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
    /// How many may have the nodes open, both together; 0: no limit.
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
    /// Idle policy in force.
    pub idle: Idle,
    /// V4L2 requests are served; in profile vloopback they are not.
    pub v4l2: bool,
    /// One open file in all has the stream: see [`Request::Own`](crate::Request::Own).
    pub exclusive: bool,
    /// Of an output: several open files of one process may stream.
    pub shared: bool,
    /// Of an output: clients may have formats and sizes that the pipe does not have.
    pub converts: bool,
    /// Milliseconds that a zero-copy pusher has for an answer; 0 for ever.
    pub answer_timeout: u32,
}

impl Said for SessionInfo {
    fn write<'a>(&'a self, to: &mut Writer<'a>) {
        let idle = match self.idle {
            Idle::Placeholder => 0,
            Idle::Wait => 1,
            Idle::Refuse => 2,
        };
        let flags = u32::from(self.v4l2)
            | u32::from(self.exclusive) << 1
            | u32::from(self.shared) << 2
            | u32::from(self.converts) << 3;
        for number in [self.session, self.pipe, self.node, self.partner, u32::from(self.input), self.flags] {
            to.put(number);
        }
        for number in [u32::from(self.legacy), self.client, idle, flags, self.answer_timeout] {
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
            idle: match idle {
                0 => Idle::Placeholder,
                1 => Idle::Wait,
                _ => Idle::Refuse,
            },
            v4l2: has & 1 != 0,
            exclusive: has & 2 != 0,
            shared: has & 4 != 0,
            converts: has & 8 != 0,
            answer_timeout,
        }
    }
}
