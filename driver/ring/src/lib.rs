//! Frames in shared memory: slots, holders, publication.
//!
//! A pipe's frames lie in a small number of *slots*, one after the other in one memory file. Writer and readers
//! agree on them through three pages, which are separate because each has its own writers:
//!
//! | page | who writes | what it says |
//! |---|---|---|
//! | [`Board`] | the daemon | format, whether anybody feeds the pipe, who may hold how much |
//! | [`Log`] | the pusher (and the daemon) | which slot holds which publication |
//! | [`ClaimsPage`] | every client | which slots are held or wanted, who waits in poll |
//!
//! Clients map the board and the log for reading only, so that no client can stop another by
//! writing there. Every client writes to the claims page: a hostile one can spoil pictures there,
//! but cannot starve the writer, which honours no more claims than the daemon granted.
//!
//! ```text
//! writer                                  client with a row (reads the slot in place)
//!   pick a slot, mark it invalid            find the oldest publication not yet had
//!   full fence                              claim its slot
//!   look at the claims (again)              full fence
//!   held? put the number back, try next     still the same publication? else unclaim, again
//!   copy, publish, wake                     read for as long as it likes, unclaim
//! ```
//! Either the writer sees the claim or the client sees the mark: a held slot never changes.
//! A client without a row copies and then checks whether the slot still holds the same publication.
//!
//! Nothing here blocks, allocates or makes a system call, except with the feature `stress`.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

mod board;
mod claims_page;
mod clock;
mod events;
#[cfg(not(loom))]
mod layout;
mod lock;
mod log;
#[cfg(not(loom))]
pub mod pusher_page;
mod read;
#[cfg(not(loom))]
pub mod request_slot;
mod session;
mod write;

pub use board::{Board, Format, LABEL_WORDS, Lifeline, Pix};
pub use claims_page::{ANY_ORDER, ARM_BITS, ClaimsPage, RING_AT_LEAST, Row};
pub use clock::{Clock, Stamp};
pub use events::{Event, Events, MAX_SUBSCRIPTIONS, Subscription};
#[cfg(not(loom))]
pub use layout::LAYOUT;
pub use lock::SharedLock;
pub use log::{Log, Slot};
pub use read::{Found, Taken, claim_oldest, find_oldest, find_present, still_there, unclaim};
pub use session::{Buffer, EXPORTED, MAX_BUFFERS, PREPARED, RINGING, SessionPage};
pub use write::{
    Picked, cancel, given_back, invalidate_half_written, is_newest, pick, pick_this, publish, publish_marked,
    retire, stamp,
};

/// The most slots a ring can have: what a claim word has bits for.
#[cfg(not(loom))]
pub const MAX_SLOTS: usize = 32;
/// As many as a model can explore.
#[cfg(loom)]
pub const MAX_SLOTS: usize = 3;
/// The most clients that hold slots in place; all others copy. Each needs a slot, so more would be of no use.
#[cfg(not(loom))]
pub const MAX_ROWS: usize = 32;
/// As many as a model can explore.
#[cfg(loom)]
pub const MAX_ROWS: usize = 1;
/// Slots that no claim may take from the writer: the one being written and the newest published one.
pub const RESERVED_SLOTS: usize = 2;
/// How often a step on a shared page is tried again after another process has changed the page meanwhile. Ordinary
/// use needs a few tries. A process that changes a page on purpose must not keep others, least of all the daemon,
/// for ever.
pub(crate) const TRIES: usize = 64;
/// The size of each of the three pages, bytes. The largest page in use anywhere would waste memory;
/// mappings are made by the system's own page size.
pub const PAGE_LEN: usize = 4096;

/// With the feature `stress`: lets others run between two steps. It sleeps now and then, because yielding helps only
/// if somebody else waits for this core, and takes very long if many do.
#[inline(always)]
pub(crate) fn window() {
    #[cfg(all(feature = "stress", not(loom)))]
    {
        static TURN: AtomicU32 = AtomicU32::new(0);
        if TURN.fetch_add(1, Ordering::Relaxed) % 16 == 0 {
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    }
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Board>() <= PAGE_LEN);
    assert!(size_of::<Log>() <= PAGE_LEN);
    assert!(size_of::<ClaimsPage>() <= PAGE_LEN);
    assert!(size_of::<SessionPage>() <= PAGE_LEN);
};

/// Programs of both word sizes share these pages: sizes and offsets are the same in every build.
#[cfg(not(loom))]
const _: () = {
    use core::mem::offset_of;

    assert!(align_of::<AtomicU64>() == 8);
    assert!(size_of::<SharedLock>() == 8);
    assert!(size_of::<Lifeline>() == 4);
    assert!(size_of::<Board>() == 440);
    assert!(offset_of!(Board, streamers) == 4);
    assert!(offset_of!(Board, quotas) == 240 && offset_of!(Board, priorities) == 368);
    assert!(size_of::<Slot>() == 64 && offset_of!(Slot, time) == 8);
    assert!(offset_of!(Slot, len) == 16 && offset_of!(Slot, marks) == 20);
    assert!(size_of::<Log>() == 2176 && offset_of!(Log, base) == 56);
    assert!(offset_of!(Log, lock) == 4 && offset_of!(Log, head) == 16 && offset_of!(Log, slots) == 128);
    assert!(size_of::<Row>() == 64 && offset_of!(Row, turn) == 12);
    assert!(size_of::<ClaimsPage>() == 2176);
    assert!(offset_of!(ClaimsPage, rows) == 128);
    assert!(size_of::<Buffer>() == 64 && offset_of!(Buffer, time) == 24 && offset_of!(Buffer, user) == 40);
    assert!(size_of::<Subscription>() == 40 && size_of::<Events>() == 656);
    assert!(size_of::<SessionPage>() == 2904 && offset_of!(SessionPage, events) == 2216);
    assert!(offset_of!(SessionPage, log) == 2872 && offset_of!(SessionPage, frame_doorbell) == 2876);
    assert!(offset_of!(SessionPage, ring) == 28 && offset_of!(SessionPage, last) == 32);
    assert!(offset_of!(SessionPage, private) == 72 && offset_of!(SessionPage, pix) == 104);
    assert!(offset_of!(SessionPage, base) == 152 && offset_of!(SessionPage, buffers) == 168);
    assert!(offset_of!(ClaimsPage, calls) == 72);
    assert!(offset_of!(ClaimsPage, reminders) == 76);
    assert!(size_of::<request_slot::RequestSlot>() == 2088);
    assert!(size_of::<pusher_page::PusherPage>() == 176);
};

#[cfg(all(test, not(loom)))]
mod tests;
