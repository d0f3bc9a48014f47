//! What the daemon answers.

use crate::record::{Head, Reader, Said, WireError, Writer, messages, parse_head};
use crate::values::{PipeSpec, SessionInfo};

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
    /// A pipe was made.
    110: Added {
        /// Its index.
        index: u32,
        /// N of the input's /dev/videoN.
        input: u32,
        /// N of the output's.
        output: u32,
    },
    /// A tool's request was not done.
    111: Denied {
        /// An errno.
        errno: i32,
        /// Why, and what helps.
        text: String,
    },
    /// What a pipe is.
    112: Spec {
        /// Both nodes are named, and all bounds.
        spec: PipeSpec,
    },
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
