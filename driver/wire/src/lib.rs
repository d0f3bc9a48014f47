//! The daemon's protocol: messages, framing, descriptors.
//!
//! Each process has one AF_UNIX SOCK_SEQPACKET connection. Each message is one record: a [`Head`] of fixed size, and for
//! three replies a text behind it. Every request has exactly one reply, but for [`Request::Split`] and [`Request::Doorbell`],
//! which have none. Descriptors travel with the record (SCM_RIGHTS), in the order of the table. Numbers are in the
//! machine's own byte order, because both ends are on one machine.
//!
//! | module | content |
//! |---|---|
//! | `request`, `reply` | the messages; [`Request`] and [`Reply`] |
//! | `values` | what they say: [`PixelFormat`], [`PipeSpec`], [`SessionInfo`] |
//! | `record` | how a message becomes a record: the table's macro, [`Head`], [`WireError`] |
//! | [`tree`] | the image of the tree of plain files |
//!
//! | number | request | descriptors with it | reply | descriptors with that |
//! |---|---|---|---|---|
//! | 1 | [`Request::Hello`] | – | [`Reply::Welcome`] or [`Reply::Refused`] | lifeline page |
//! | 2 | [`Request::Open`] | – | [`Reply::Session`] | **device**, session page, board, claims page |
//! | 3 | [`Request::Attach`] | **device** (somebody else's open, met by exec or SCM_RIGHTS) | [`Reply::Session`] | session page, board, claims page |
//! | 4 | [`Request::Split`] | **one end of a new connection** (a forked child's own) | none | – |
//! | 5 | [`Request::Claim`] | – | [`Reply::Done`] | – |
//! | 6 | [`Request::SetPalette`] | – | [`Reply::Done`] | – |
//! | 7 | [`Request::SetSize`] | – | [`Reply::Done`] | – |
//! | 8 | [`Request::Ring`] | – | [`Reply::Ring`] | log, and the file of all slots |
//! | 9 | [`Request::Stream`] | – | [`Reply::Stream`] | – |
//! | 10 | [`Request::List`] | – | [`Reply::Text`] | a memory file with the text, if that is longer than a record |
//! | 11 | [`Request::Closed`] | – | [`Reply::Done`] | – |
//! | 12 | [`Request::SetFormat`] | – | [`Reply::Done`] | – |
//! | 13 | [`Request::Feed`] | – | [`Reply::Done`] | – |
//! | 14 | [`Request::SetInterval`] | – | [`Reply::Done`] | – |
//! | 15 | [`Request::SetPriority`] | – | [`Reply::Done`] | – |
//! | 16 | [`Request::Zero`] | – | [`Reply::Zero`] | the frames' memory, the pusher's page, a client's request slot |
//! | 17 | [`Request::Doorbell`] | – | none | – |
//! | 18 | [`Request::RequestSlot`] | – | [`Reply::RequestSlot`] | a client's request slot, if there is one |
//! | 19 | [`Request::SetControls`] | – | [`Reply::Done`] | – |
//! | 20 | [`Request::Subscribe`] | – | [`Reply::Done`] | – |
//! | 21 | [`Request::Unsubscribe`] | – | [`Reply::Done`] | – |
//! | 22 | [`Request::EventDoorbell`] | – | [`Reply::Done`] | the event doorbell |
//! | 23 | [`Request::RingEventDoorbell`] | – | [`Reply::Done`] | – |
//! | 30 | [`Request::Own`] | – | [`Reply::Done`] | – |
//! | 35 | [`Request::SetTimeout`] | a picture in a memory file, if one is set | [`Reply::Done`] | – |
//! | 40 | [`Request::Export`] | – | [`Reply::Done`] | the buffer's memory, if a length is given |
//! | 41 | [`Request::LogStatus`] | – | [`Reply::Done`] | – |
//! | 42 | [`Request::RequestDoorbell`] | – | [`Reply::Done`] | a client: the ringing end; the pusher: its request doorbell, and the ringing end |
//! | 50 | [`Request::Tree`] | – | [`Reply::Done`] | a memory file with an image of the tree ([`tree`]) |
//! | 60 | [`Request::Add`] | – | [`Reply::Added`] or [`Reply::Denied`] | – |
//! | 61 | [`Request::Remove`] | – | [`Reply::Done`] or [`Reply::Denied`] | – |
//! | 62 | [`Request::SetCaps`] | – | [`Reply::Done`] or [`Reply::Denied`] | – |
//! | 63 | [`Request::Query`] | – | [`Reply::Spec`] or [`Reply::Denied`] | – |
//!
//! | number | reply | says |
//! |---|---|---|
//! | 100 | [`Reply::Done`] | the request is done |
//! | 101 | [`Reply::Error`] | any request may fail: an errno |
//! | 102 | [`Reply::Refused`] | why the connection is refused, as text |
//! | 103 | [`Reply::Welcome`] | the process's number |
//! | 104 | [`Reply::Session`] | an open device: a [`SessionInfo`] |
//! | 105 | [`Reply::Ring`] | the ring in force: its numbers and sizes |
//! | 106 | [`Reply::Stream`] | how many slots the client may hold |
//! | 107 | [`Reply::Text`] | JSON, as text |
//! | 108 | [`Reply::Zero`] | zero-copy memory: its number and size |
//! | 109 | [`Reply::RequestSlot`] | a client of a zero-copy pusher |
//! | 110 | [`Reply::Added`] | the numbers of a new pipe |
//! | 111 | [`Reply::Denied`] | why a tool's request was not done: an errno, and text |
//! | 112 | [`Reply::Spec`] | what a pipe is: a [`PipeSpec`] |

#![forbid(unsafe_code)]

mod record;
mod reply;
mod request;
pub mod tree;
mod values;

#[cfg(test)]
mod tests;

use zerocopy::IntoBytes;

pub use record::{ARGS, HEAD_LEN, Head, MAGIC, MAX_RECORD, PROTOCOL, WireError};
pub use reply::Reply;
pub use request::Request;
pub use values::{PipeSpec, PixelFormat, SessionInfo};
pub use vloopback_core::Idle;

/// The beginning of the address of the daemon's end of every device (an abstract socket name, so behind
/// a NUL): `vloopback:INSTANCE:SESSION` in hexadecimal. By it any process recognises a device.
pub const DEVICE_PREFIX: &[u8] = b"\0vloopback:";
/// The permission bits of the program's end of a device. No other socket has them, so fstat alone recognises a device's
/// descriptor. Sandboxes allow fstat, but kill a process for getpeername (Chromium's does).
pub const DEVICE_MODE: u32 = 0o1660;

/// The identity of a build, as text of at most 16 bytes: the crate's version, and a number made of the layouts that
/// processes share: `layout` of the shared pages (`vloopback_ring::LAYOUT`), and the protocol's own.
pub fn build_text(layout: u64) -> String {
    let words = build_id(layout);
    String::from_utf8_lossy(words.as_bytes()).trim_end_matches('\0').to_owned()
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
