//! The page through which one client of a zero-copy pipe makes requests to the pusher. Only the client's processes, the
//! pusher's and the daemon map it, so no other client can block it.
//!
//! One request at a time is in it. The client writes it and posts it; the pusher's library takes it when it
//! is this client's turn (see [`crate::pusher_page`]), and answers; the client takes the answer. Each step is one
//! change of one word, which also holds the request's serial number. So a late, double or foreign answer
//! changes nothing, and neither side needs a lock of the other. A pusher may answer from a signal
//! handler, wherever that interrupted it.
//!
//! ```text
//!  idle ──client posts──▶ posted ──pusher takes──▶ read ──pusher begins──▶ answering ──▶ answered
//!   ▲                        │                      │                                       │
//!   └────────────────────────┴──client withdraws────┴───────────────client takes────────────┘
//! ```

use crate::{AtomicU32, AtomicU64, Ordering, SharedLock, TRIES};

/// The most bytes of a request's data: what the API document recommends for the pusher's buffer.
pub const MAX_DATA: usize = 1024;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    Idle,
    /// The pusher has not taken it.
    Posted,
    /// The pusher has taken it.
    Read,
    /// The pusher is writing the answer.
    Answering,
    /// The answer is there.
    Answered,
    /// The client has closed: there will be none any more.
    Gone,
}

/// What the word of a [`RequestSlot`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    word: u32,
}

impl State {
    const BITS: u32 = 3;

    const fn new(serial: u32, phase: Phase) -> Self {
        Self { word: serial << Self::BITS | phase as u32 }
    }

    /// Which request.
    #[must_use]
    pub const fn serial(self) -> u32 {
        self.word >> Self::BITS
    }

    /// How far it is.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self.word & ((1 << Self::BITS) - 1) {
            1 => Phase::Posted,
            2 => Phase::Read,
            3 => Phase::Answering,
            4 => Phase::Answered,
            5 => Phase::Gone,
            // Whatever else somebody wrote there is no request.
            _ => Phase::Idle,
        }
    }

    /// The word, to sleep on.
    #[must_use]
    pub const fn word(self) -> u32 {
        self.word
    }
}

/// A request or an answer: the number, and the data's bytes.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Message {
    /// The ioctl's number, 32 bits.
    number: AtomicU32,
    /// Bytes of data; of an answer the errno, 0 for none.
    value: AtomicU32,
    data: [AtomicU64; MAX_DATA / 8],
}

impl Message {
    fn put(&self, number: u32, value: u32, data: &[u8]) {
        self.number.store(number, Ordering::Relaxed);
        self.value.store(value, Ordering::Relaxed);
        for (to, from) in self.data.iter().zip(data.chunks(8)) {
            let mut word = [0; 8];
            word[..from.len()].copy_from_slice(from);
            to.store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
    }

    fn take(&self, data: &mut [u8]) -> (u32, u32) {
        for (to, from) in data.chunks_mut(8).zip(&self.data) {
            let len = to.len();
            to.copy_from_slice(&from.load(Ordering::Relaxed).to_ne_bytes()[..len]);
        }
        (self.number.load(Ordering::Relaxed), self.value.load(Ordering::Relaxed))
    }
}

/// The page.
#[repr(C)]
#[derive(Debug)]
pub struct RequestSlot {
    /// Held by the thread that makes a request: threads and processes that share the open file take turns.
    pub lock: SharedLock,
    state: AtomicU32,
    /// 1: the client copies the frame that it asks for out of the pusher's memory (its read()).
    copies: AtomicU32,
    /// 1: the client, one of V4L2's, wants a frame.
    wanted: AtomicU32,
    /// How many requests that may draw the pusher had been given, with the last one of this client's.
    draws: AtomicU32,
    asked: Message,
    answered: Message,
}

impl RequestSlot {
    /// How things stand.
    pub fn state(&self) -> State {
        State { word: self.state.load(Ordering::SeqCst) }
    }

    /// The word that changes with every step.
    pub fn word(&self) -> &AtomicU32 {
        &self.state
    }

    /// From `old` to `phase` of the same request; false: something else happened first.
    fn step(&self, old: State, phase: Phase) -> bool {
        let new = State::new(old.serial(), phase);
        self.state.compare_exchange(old.word, new.word, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    // ---------------------------------------------------------------------------------- the client

    /// Posts a request, with the lock held. The caller then makes the pusher's descriptor readable. None: the
    /// device was closed.
    ///
    /// `data` is at most [`MAX_DATA`] bytes; more are left out. `copies`: the frame will be copied out of
    /// the pusher's memory; the pusher is given nothing that draws until [`RequestSlot::release`].
    pub fn post(&self, number: u32, data: &[u8], copies: bool) -> Option<State> {
        let data = &data[..data.len().min(MAX_DATA)];
        self.copies.store(copies.into(), Ordering::Relaxed);
        self.asked.put(number, data.len() as u32, data);
        for _ in 0..TRIES {
            let now = self.state();
            if now.phase() == Phase::Gone {
                return None;
            }
            let serial = (now.serial() + 1) & (u32::MAX >> State::BITS);
            let posted = State::new(serial, Phase::Posted);
            // Only the daemon changes it meanwhile.
            if self.state.compare_exchange(now.word, posted.word, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            {
                return Some(posted);
            }
        }
        None
    }

    /// Takes the answer of the client's own request, if it is there: the errno (0 for none), and the data,
    /// as much as there is room for.
    pub fn collect(&self, posted: State, data: &mut [u8]) -> Option<u32> {
        let now = self.state();
        if now.serial() != posted.serial() || now.phase() != Phase::Answered {
            return None;
        }
        let (_, errno) = self.answered.take(data);
        self.step(now, Phase::Idle);
        Some(errno)
    }

    /// Withdraws the client's own request. False: the pusher is answering, or has answered.
    pub fn withdraw(&self, posted: State) -> bool {
        for _ in 0..TRIES {
            let now = self.state();
            if now.serial() != posted.serial() || matches!(now.phase(), Phase::Idle | Phase::Gone) {
                return true;
            }
            if matches!(now.phase(), Phase::Answering | Phase::Answered) {
                return false;
            }
            if self.step(now, Phase::Idle) {
                return true;
            }
        }
        true
    }

    /// The client has copied, or gives up.
    pub fn release(&self) {
        self.copies.store(0, Ordering::SeqCst);
    }

    /// The count of [`crate::pusher_page::PusherPage::draws`] with the client's last request that may draw.
    pub fn draws(&self) -> u32 {
        self.draws.load(Ordering::SeqCst)
    }

    /// The client, one of V4L2's, has no frame to take and wants one.
    pub fn want_frame(&self) {
        self.wanted.store(1, Ordering::SeqCst);
    }

    // ---------------------------------------------------------------------------------- the pusher

    /// Whether the client wants a frame.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst) != 0
    }

    pub(crate) fn fulfil(&self) {
        self.wanted.store(0, Ordering::SeqCst);
    }

    pub(crate) fn copies(&self) -> bool {
        self.copies.load(Ordering::SeqCst) != 0
    }

    pub(crate) fn set_draws(&self, draws: u32) {
        self.draws.store(draws, Ordering::SeqCst);
    }

    /// The posted request's number.
    pub(crate) fn posted(&self) -> Option<(State, u32)> {
        let now = self.state();
        (now.phase() == Phase::Posted).then(|| (now, self.asked.number.load(Ordering::Relaxed)))
    }

    /// Takes the posted request: its number and how many bytes of data came with it. None: it was withdrawn.
    pub(crate) fn take(&self, posted: State, data: &mut [u8; MAX_DATA]) -> Option<(u32, usize)> {
        let (number, len) = self.asked.take(data);
        // A client that withdraws meanwhile may post another: then this was half of each.
        self.step(posted, Phase::Read).then_some((number, (len as usize).min(MAX_DATA)))
    }

    /// The data that the request of this serial number came with, if it was taken and waits for its answer.
    pub fn asked(&self, serial: u32, data: &mut [u8; MAX_DATA]) -> bool {
        self.asked.take(data);
        self.state() == State::new(serial, Phase::Read)
    }

    /// Answers the request of this serial number if it was taken: `answer` gets the data that was asked with
    /// and returns the errno (0 for none); what it leaves in the buffer is the answer's data. False: it was
    /// withdrawn meanwhile, or answered by somebody else. The caller wakes the client.
    pub fn answer(&self, serial: u32, answer: impl FnOnce(&mut [u8; MAX_DATA]) -> u32) -> bool {
        if !self.step(State::new(serial, Phase::Read), Phase::Answering) {
            return false;
        }
        let mut data = [0; MAX_DATA];
        let (number, _) = self.asked.take(&mut data);
        let errno = answer(&mut data);
        self.answered.put(number, errno, &data);
        // Only the daemon can have changed it, when it took this pusher for dead.
        self.step(State::new(serial, Phase::Answering), Phase::Answered)
    }

    // ---------------------------------------------------------------------------------- the daemon

    /// There will be no answer: a waiting client gets this errno. `all`: also if the pusher has not begun
    /// to answer. True: the caller wakes the client.
    pub fn fail(&self, errno: u32, all: bool) -> bool {
        for _ in 0..TRIES {
            let now = self.state();
            let waits = match now.phase() {
                Phase::Posted | Phase::Read => all,
                Phase::Answering => true,
                Phase::Idle | Phase::Answered | Phase::Gone => false,
            };
            if !waits {
                return false;
            }
            if now.phase() == Phase::Answering || self.step(now, Phase::Answering) {
                self.answered.put(0, errno, &[]);
                self.state.store(State::new(now.serial(), Phase::Answered).word, Ordering::SeqCst);
                return true;
            }
        }
        false
    }

    /// The client has closed. The caller wakes the threads that may wait.
    pub fn close(&self) {
        self.copies.store(0, Ordering::SeqCst);
        self.wanted.store(0, Ordering::SeqCst);
        self.state.store(State::new(self.state().serial(), Phase::Gone).word, Ordering::SeqCst);
    }

    /// Drops the request of a process that is gone.
    pub fn abandon(&self) {
        let now = self.state();
        if now.phase() != Phase::Gone {
            self.state.store(State::new(now.serial(), Phase::Idle).word, Ordering::SeqCst);
        }
        self.copies.store(0, Ordering::SeqCst);
    }
}

const _: () = assert!(size_of::<RequestSlot>() <= crate::PAGE_LEN);

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn request_slot() -> Box<RequestSlot> {
        // SAFETY: the page consists of atomic integers only.
        Box::new(unsafe { core::mem::zeroed() })
    }

    fn read(request_slot: &RequestSlot) -> Option<(u32, u32, Vec<u8>)> {
        let mut data = [0; MAX_DATA];
        let (posted, _) = request_slot.posted()?;
        let (number, len) = request_slot.take(posted, &mut data)?;
        Some((posted.serial(), number, data[..len].to_vec()))
    }

    #[test]
    fn a_request_is_read_once_and_answered_once() {
        let request_slot = request_slot();
        assert_eq!(read(&request_slot), None);
        let posted = request_slot.post(0x8028_7609, b"what is the window", false).expect("open");
        assert!(!request_slot.answer(posted.serial(), |_| 0), "not before it was read");
        let (serial, number, data) = read(&request_slot).expect("posted");
        assert_eq!((number, &data[..]), (0x8028_7609, &b"what is the window"[..]));
        assert_eq!(read(&request_slot), None);
        let mut answer = [0; 8];
        assert_eq!(request_slot.collect(posted, &mut answer), None);
        let answered = request_slot.answer(serial, |data| {
            assert_eq!(&data[..4], b"what");
            data[..8].copy_from_slice(b"320x240!");
            0
        });
        assert!(answered);
        assert!(!request_slot.answer(serial, |_| 22), "a second answer is nothing");
        assert_eq!(request_slot.collect(posted, &mut answer), Some(0));
        assert_eq!(&answer, b"320x240!");
        assert_eq!(request_slot.collect(posted, &mut answer), None, "it is taken");
    }

    #[test]
    fn what_is_withdrawn_is_not_answered() {
        let request_slot = request_slot();
        let posted = request_slot.post(1, b"one", false).expect("open");
        assert!(request_slot.withdraw(posted));
        assert_eq!(read(&request_slot), None);
        let posted = request_slot.post(2, b"two", false).expect("open");
        let (late, ..) = read(&request_slot).expect("posted");
        assert!(request_slot.withdraw(posted));
        let next = request_slot.post(2, b"three", false).expect("open");
        assert!(!request_slot.answer(late, |_| 0), "the late answer is another request's");
        let (serial, ..) = read(&request_slot).expect("posted");
        assert!(!request_slot.answer(late, |_| 0), "also of the same number");
        assert!(request_slot.answer(serial, |_| 5));
        assert!(!request_slot.withdraw(next), "answered: to be collected");
        assert_eq!(request_slot.collect(next, &mut []), Some(5));
    }

    #[test]
    fn the_pusher_s_death_answers() {
        let request_slot = request_slot();
        assert!(!request_slot.fail(5, true), "nobody asked");
        for read_it in [false, true] {
            let posted = request_slot.post(7, &[], false).expect("open");
            if read_it {
                read(&request_slot).expect("posted");
            }
            assert!(!request_slot.fail(5, false), "nobody is answering");
            assert!(request_slot.fail(5, true));
            assert_eq!(request_slot.collect(posted, &mut []), Some(5));
        }
    }

    #[test]
    fn a_closed_or_dead_client_s_request_is_nobody_s() {
        let request_slot = request_slot();
        request_slot.post(7, &[], true).expect("open");
        request_slot.abandon();
        assert_eq!((read(&request_slot), request_slot.copies()), (None, false));
        let posted = request_slot.post(8, b"next", false).expect("open");
        assert_eq!(read(&request_slot).map(|(_, number, _)| number), Some(8));
        request_slot.close();
        assert!(!request_slot.answer(posted.serial(), |_| 0));
        request_slot.abandon();
        assert_eq!(request_slot.state().phase(), Phase::Gone);
        assert_eq!(request_slot.post(9, &[], false), None);
        assert!(
            request_slot.withdraw(posted),
            "a thread that still waits sees that there is nothing to wait for"
        );
    }

    /// Whatever a hostile peer writes, nobody panics or reads beyond the page.
    #[test]
    fn any_words_are_survived() {
        let request_slot = request_slot();
        for word in [u32::MAX, 5, 6, 7, 1 << 31 | 1, 1 << 31 | 2] {
            request_slot.state.store(word, Ordering::SeqCst);
            request_slot.asked.value.store(u32::MAX, Ordering::SeqCst);
            let _ = read(&request_slot);
            request_slot.answer(request_slot.state().serial(), |_| 0);
            request_slot.fail(5, true);
            let Some(posted) = request_slot.post(1, &[1; 2 * MAX_DATA], false) else { continue };
            assert_eq!(read(&request_slot).map(|(.., data)| data.len()), Some(MAX_DATA));
            assert!(request_slot.withdraw(posted));
        }
    }
}

#[cfg(not(loom))]
crate::layout::layout!(layout: RequestSlot { lock, state, copies, wanted, draws, asked, answered });

#[cfg(not(loom))]
crate::layout::layout!(message_layout: Message { number, value, data });
