//! The page that clients write.

use core::time::Duration;

use crate::{AtomicU32, AtomicU64, MAX_ROWS, Ordering, fence};

/// Number of clients that have their own armed bit; all others share the last bit.
pub const ARM_BITS: u32 = 8 * 64;

/// Whoever publishes wakes the clients that poll at least this often, whatever the page says, so that nobody can keep them
/// asleep by clearing others' marks there.
pub const RING_AT_LEAST: Duration = Duration::from_millis(50);

/// One client's row, in a cache line of its own.
#[repr(C, align(64))]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Row {
    /// Bit k: the client holds slot k.
    pub claims: AtomicU32,
    /// Bit k: the client wants the next frame in slot k.
    pub want: AtomicU32,
    /// Bit k: slot k is one of the client's own frames. It must copy frames in other slots.
    pub places: AtomicU32,
    /// The order in which a client that streams alone takes the slots that it wants. k + 1: in turn, slot k first
    /// (a V4L2 queue is a FIFO). [`ANY_ORDER`]: any. 0: the one with the oldest publication first (V4L1: the frame
    /// that the client named first).
    pub turn: AtomicU32,
}

/// See [`Row::turn`].
pub const ANY_ORDER: u32 = u32::MAX;

/// The page that every client writes.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct ClaimsPage {
    /// Bit n: client n has taken all frames and its descriptor must become readable with the next
    /// one. This is a hint for the writer; the client's own page decides.
    armed: [AtomicU64; (ARM_BITS / 64) as usize],
    /// The daemon sleeps on no word of this page: each client could keep it asleep there.
    reserved: [AtomicU32; 2],
    /// In zero-copy mode: counts calls for the pusher, which sleeps on it in read().
    pub calls: AtomicU32,
    /// In zero-copy mode: counts requests that the pusher did not take until the request notifier told it.
    pub reminders: AtomicU32,
    /// The clients that hold slots in place.
    pub rows: [Row; MAX_ROWS],
}

impl ClaimsPage {
    fn bit(client: u32) -> (usize, u64) {
        let bit = client.min(ARM_BITS - 1);
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    /// The client's descriptor must become readable with the next frame.
    #[inline]
    pub fn arm(&self, client: u32) {
        let (word, bit) = Self::bit(client);
        self.armed[word].fetch_or(bit, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The client need not be woken in poll (it is about to wait in a call of the library).
    #[inline]
    pub fn disarm(&self, client: u32) {
        // The shared last bit is nobody's to clear; the poll notifier does.
        if client < ARM_BITS - 1 {
            let (word, bit) = Self::bit(client);
            self.armed[word].fetch_and(!bit, Ordering::SeqCst);
        }
    }

    /// Whether anybody is armed.
    #[inline]
    pub fn any_armed(&self) -> bool {
        self.armed.iter().any(|w| w.load(Ordering::Relaxed) != 0)
    }

    /// The poll notifier has served all clients that were armed until now.
    pub fn clear_armed(&self) {
        for word in &self.armed {
            word.store(0, Ordering::SeqCst);
        }
    }
}

#[cfg(not(loom))]
crate::layout::layout!(layout: ClaimsPage { armed, reserved, calls, reminders, rows });

#[cfg(not(loom))]
crate::layout::layout!(row_layout: Row { claims, want, places, turn });
