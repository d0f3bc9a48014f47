//! The 32-bit shapes of arguments: which bytes of the C structures (linux/videodev2.h, i386) are which of the
//! 64-bit ones.

use vloopback_ioctl::{V4l2Row, request_number};

/// What becomes of a run of bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is the same in both.
    Same(usize),
    /// A `long`: 4 bytes with a sign, cut on the way back.
    Long,
    /// An address: 4 bytes, which it has to fit on the way back.
    Address,
}
use Kind::{Address, Long, Same};

/// A run of bytes: where it is in the 32-bit shape, and where in the 64-bit one.
type Piece = (usize, usize, Kind);

const FORMAT: &[Piece] = &[(0, 0, Same(4)), (4, 8, Same(200))];
const BUFFER: &[Piece] = &[
    (0, 0, Same(20)),
    (20, 24, Long),
    (24, 32, Long),
    (28, 40, Same(24)),
    (52, 64, Address),
    (56, 72, Same(12)),
];
const BUFFER_TIME64: &[Piece] =
    &[(0, 0, Same(20)), (20, 24, Same(16)), (36, 40, Same(24)), (60, 64, Address), (64, 72, Same(12))];
const EVENT: &[Piece] = &[
    (0, 0, Same(4)),
    (4, 8, Same(64)),
    (68, 72, Same(8)),
    (76, 80, Long),
    (80, 88, Long),
    (84, 96, Same(36)),
];
const EVENT_TIME64: &[Piece] =
    &[(0, 0, Same(4)), (4, 8, Same(64)), (68, 72, Same(8)), (76, 80, Same(16)), (92, 96, Same(36))];
const INPUT: &[Piece] = &[(0, 0, Same(76))];
const STANDARD: &[Piece] = &[(0, 0, Same(4)), (4, 8, Same(60))];
const CREATE: &[Piece] = &[(0, 0, Same(12)), (12, 16, Same(4)), (16, 24, Same(200)), (216, 224, Same(32))];
const LIST: &[Piece] = &[(0, 0, Same(20)), (20, 24, Address)];

/// How a program has an argument.
pub struct Shape {
    wide_len: usize,
    /// None: as a 64-bit program has it.
    pieces: Option<&'static [Piece]>,
}

impl Shape {
    /// The shape that a request with this number has.
    pub fn of(row: &V4l2Row, request: u64) -> Shape {
        let number = request_number(request);
        let time64 = number == row.ilp32_time64 && row.ilp32_time64 != row.ilp32;
        let pieces = (number != row.lp64).then(|| match (row.argument, time64) {
            ("struct v4l2_format", _) => FORMAT,
            ("struct v4l2_buffer", false) => BUFFER,
            ("struct v4l2_buffer", true) => BUFFER_TIME64,
            ("struct v4l2_event", false) => EVENT,
            ("struct v4l2_event", true) => EVENT_TIME64,
            ("struct v4l2_input", _) => INPUT,
            ("struct v4l2_standard", _) => STANDARD,
            ("struct v4l2_create_buffers", _) => CREATE,
            ("struct v4l2_ext_controls", _) => LIST,
            (argument, _) => panic!("{argument} has one shape"),
        });
        Shape { wide_len: row.len(), pieces }
    }

    /// Whether it is another than a 64-bit program's.
    pub fn is_narrow(&self) -> bool {
        self.pieces.is_some()
    }

    /// Bytes of the argument.
    pub fn len(&self) -> usize {
        let ends = self.pieces.map(|pieces| {
            pieces.iter().map(|(at, _, kind)| at + if let Same(len) = kind { *len } else { 4 }).max()
        });
        ends.flatten().unwrap_or(self.wide_len)
    }

    /// Bytes that are read of an argument, where `kept` of the 64-bit shape are the program's to say.
    pub fn read_len(&self, kept: usize) -> usize {
        if self.is_narrow() { self.len() } else { kept }
    }

    /// The 64-bit shape of what was read, as far as it is the program's to say.
    pub fn widened(&self, read: &[u8], kept: usize) -> Vec<u8> {
        let Some(pieces) = self.pieces else { return read.to_vec() };
        let mut wide = vec![0; self.wide_len];
        for &(narrow, at, kind) in pieces {
            let len = if let Same(len) = kind { len } else { 4 };
            wide[at..at + len].copy_from_slice(&read[narrow..narrow + len]);
            if kind == Long && read[narrow + 3] & 0x80 != 0 {
                wide[at + 4..at + 8].fill(0xff);
            }
        }
        wide.truncate(kept);
        wide
    }

    /// The program's shape of an answer; None where an address does not fit.
    pub fn narrowed(&self, wide: Vec<u8>) -> Option<Vec<u8>> {
        let Some(pieces) = self.pieces else { return Some(wide) };
        let mut narrow = vec![0; self.len()];
        for &(at, from, kind) in pieces {
            let len = if let Same(len) = kind { len } else { 4 };
            narrow[at..at + len].copy_from_slice(&wide[from..from + len]);
            if kind == Address && wide[from + 4..from + 8] != [0; 4] {
                return None;
            }
        }
        Some(narrow)
    }
}
