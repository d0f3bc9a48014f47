//! The page of one open file: shared by all processes that have the descriptor, and the daemon.

use crate::{AtomicU32, AtomicU64, Events, Ordering, SharedLock};

/// The most V4L2 buffers that an open file can have (`VIDEO_MAX_FRAME`).
pub const MAX_BUFFERS: usize = 32;

/// See [`SessionPage::rung`].
pub const RINGING: u32 = 2;

/// See [`Buffer::state`]: the buffer was prepared and not yet queued.
pub const PREPARED: u32 = 1;
/// See [`Buffer::state`]: there are descriptors of its memory, which the daemon keeps.
pub const EXPORTED: u32 = 2;

/// A V4L2 buffer of an open file.
#[repr(C)]
#[derive(Debug)]
pub struct Buffer {
    /// 0: the program has it. Otherwise it is queued; lower numbers were queued earlier.
    pub queued: AtomicU32,
    /// On an output: the slot plus 1 whose frame the program has in it, in place. On an input: the slot plus 1 that
    /// the program fills in place. 0: its memory is private.
    pub slot: AtomicU32,
    /// On an input: 1: queued before STREAMON, to be published then.
    pub pending: AtomicU32,
    /// `bytesused` of the last frame in it.
    pub bytesused: AtomicU32,
    /// `sequence` of the last frame in it.
    pub sequence: AtomicU32,
    /// Set of [`PREPARED`] and [`EXPORTED`].
    pub state: AtomicU32,
    /// When that was published, or the pusher's own time, in nanoseconds.
    pub time: AtomicU64,
    /// Where in the device's memory it is mapped, whole pages.
    pub start: AtomicU32,
    /// Its bytes, as told to the program.
    pub length: AtomicU32,
    /// Of memory behind a descriptor: the descriptor's number, as the program gave it; nothing here takes it from
    /// this page. (Of the program's own memory, USERPTR, the address stays in the process that it is an address of.)
    pub user: AtomicU64,
    /// Flags of the last frame in it that its pusher gave: the timestamp's kind, the kind of picture.
    pub marks: AtomicU32,
    /// The fewest bytes that it may have, as it was made.
    pub least: AtomicU32,
    reserved: [AtomicU32; 2],
}

/// What belongs to the open file and not to a process: dup, fork, exec and SCM_RIGHTS keep it.
///
/// Only the session's own processes and the daemon map it. The daemon trusts nothing in it that
/// could harm others.
#[repr(C)]
#[derive(Debug)]
pub struct SessionPage {
    /// Guards the fields below between the threads and processes that share the descriptor.
    pub lock: SharedLock,
    /// Changes when a wait must check again for another reason than a frame: close, the end of a stream.
    pub kick: AtomicU32,
    /// 1: the descriptor must become readable with the next publication.
    pub armed: AtomicU32,
    /// 1: bytes of the poll notifier may lie in the descriptor's queue. [`RINGING`]: it is putting one there.
    pub rung: AtomicU32,
    /// Not 0: the daemon counts this session among those that stream.
    pub streaming: AtomicU32,
    /// The row on the claims page plus 1, 0 for none (then every frame is copied).
    pub row: AtomicU32,
    /// The ring that the client's frames were laid out for.
    pub ring: AtomicU32,
    /// The newest publication that the client had, or the newest before it streamed.
    pub last: AtomicU64,
    /// Frames handed to the client.
    pub received: AtomicU64,
    /// Publications that were overwritten before it had them.
    pub dropped: AtomicU64,
    /// Frames that were copied for the client.
    pub copies: AtomicU64,
    /// Copies that were repeated because the slot changed meanwhile; none of them was shown.
    pub retries: AtomicU64,
    /// Bytes of its private memory.
    pub private: AtomicU64,
    /// 1: while nobody feeds the pipe, the client waits, and so does poll. 0: poll says that a call would
    /// return.
    pub patient: AtomicU32,
    /// 1: the open file has been used by V4L1 requests: the old rules hold for it while nobody feeds.
    pub v4l1: AtomicU32,
    /// `V4L2_PRIORITY_*` of the open file, 0 for the default.
    pub priority: AtomicU32,
    /// V4L2: buffers given by REQBUFS, 0 for none.
    pub count: AtomicU32,
    /// V4L2: changes with each REQBUFS: mappings of former buffers are the program's own business.
    pub generation: AtomicU32,
    /// V4L2: `V4L2_MEMORY_*` of the buffers.
    pub memory: AtomicU32,
    /// V4L2: the format at REQBUFS, in the order of [`crate::Pix`]'s fields.
    pub pix: [AtomicU32; 8],
    /// V4L2: 1 between STREAMON and STREAMOFF.
    pub on: AtomicU32,
    /// V4L2: bit k: the slot k is being filled by this pusher's program, and no other's to pick.
    pub filling: AtomicU32,
    /// V4L2: number of the last queued buffer, see [`Buffer::queued`].
    pub queue: AtomicU32,
    /// V4L2: of an output's the publication before the stream's first, whose sequence is 0, or all ones
    /// before the stream has met a ring; of an input's the buffers that the stream has given back so far.
    pub base: AtomicU64,
    /// Zero-copy: the memory (as the board counts) of the pusher that the client last wanted a frame of.
    pub zero: AtomicU32,
    /// How many captures that one had refused by then.
    pub refusals: AtomicU32,
    /// V4L2: the buffers.
    pub buffers: [Buffer; MAX_BUFFERS],
    /// V4L2: the events that it has subscribed to.
    pub events: Events,
    /// Of an output's: the log that `last` and `base` were brought into line with ([`SessionPage::follow_log`]).
    pub log: AtomicU32,
    /// Of an input's: the pusher changes it to wake the daemon's poll notifier, which sleeps on it. Clients do not have
    /// this page, so none of them can be in the way of that wake.
    pub frame_doorbell: AtomicU32,
    /// Of an input's: how often the kernel refused to wake the clients that sleep on the log, because one of them
    /// sleeps there in a way that no wake is meant for (FUTEX_WAIT_REQUEUE_PI). The poll notifier wakes them by their
    /// own pages then.
    pub refused: AtomicU32,
    /// Of a V4L2 program that reads or writes less than a frame: bytes of a frame that are not read yet, or are
    /// gathered so far.
    pub rest: AtomicU32,
    /// Where in that frame the next read goes on.
    pub rest_at: AtomicU32,
    /// 1: the open file has been used by V4L2 requests.
    pub v4l2: AtomicU32,
    /// How the stream began: 0, with the next frame, or one of [`SessionPage::PRESENT_COMES`] and
    /// [`SessionPage::PRESENT_COPIED`].
    pub late: AtomicU32,
    /// 1: a pusher that has set the rate of its frames by V4L2: its DQBUF keeps it.
    pub paced: AtomicU32,
    /// V4L2: 1: the lines of `pix` are farther apart than those of the ring, as the program has asked (S_FMT).
    pub padded: AtomicU32,
}

impl SessionPage {
    /// Before `base` has met a ring.
    pub const NO_BASE: u64 = u64::MAX;
    /// In `late`: the first frame is to be the picture that was there, number `last` + 1. If that is gone by then it
    /// was not missed.
    pub const PRESENT_COMES: u32 = 1;
    /// In `late`: that picture was copied into the V4L2 buffer that was queued first.
    pub const PRESENT_COPIED: u32 = 2;

    /// Brings `last` and `base` into line with log number `log`, whose first publication comes after number `newest`:
    /// what a former pusher numbered beyond that never was. The sequence that the client sees goes on without a
    /// gap. A second call has no effect. The caller has [`SessionPage::lock`].
    pub fn follow_log(&self, log: u32, newest: u64) {
        if self.log.swap(log, Ordering::Relaxed) == log {
            return;
        }
        let (last, base) = (self.last.load(Ordering::Relaxed), self.base.load(Ordering::Relaxed));
        let beyond = last.saturating_sub(newest);
        if beyond != 0 {
            self.last.store(newest, Ordering::Relaxed);
            if base != Self::NO_BASE {
                self.base.store(base.wrapping_sub(beyond), Ordering::Relaxed);
            }
        }
    }

    /// The newest publication that the client has had, for a log that the page may not have followed yet.
    pub fn last_in(&self, log: u32, newest: u64) -> u64 {
        let last = self.last.load(Ordering::SeqCst);
        if self.log.load(Ordering::Relaxed) == log { last } else { last.min(newest) }
    }
}

#[cfg(not(loom))]
impl SessionPage {
    /// Whether the old driver's rules hold for the open file; `legacy` says whether a legacy process opened it. They
    /// hold after a V4L1 request, and for a legacy process's open file without a V4L2 request. An old program's session
    /// may contain programs of today; their first request decides which rules hold.
    pub fn is_old(&self, legacy: bool) -> bool {
        let used = |word: &AtomicU32| word.load(Ordering::Relaxed) != 0;
        used(&self.v4l1) || (legacy && !used(&self.v4l2))
    }

    /// Whether the client waits while nobody feeds the pipe, for a pusher (under the policy `wait`) or for the
    /// placeholder's next frame (`placeholder`). Old programs, and new ones that use V4L1, are told of the end instead;
    /// under the third policy all are.
    pub fn is_patient(&self, legacy: bool, wait: bool, placeholder: bool) -> bool {
        (wait && !(legacy && self.is_old(true))) || (placeholder && !self.is_old(legacy))
    }
}

#[cfg(not(loom))]
crate::layout::layout!(layout: SessionPage { lock, kick, armed, rung, streaming, row, ring, last, received, dropped, copies, retries, private, patient, v4l1, priority, count, generation, memory, pix, on, filling, queue, base, zero, refusals, buffers, events, log, frame_doorbell, refused, rest, rest_at, v4l2, late, paced, padded });

#[cfg(not(loom))]
crate::layout::layout!(buffer_layout: Buffer { queued, slot, pending, bytesused, sequence, state, time, start, length, user, marks, least, reserved });
