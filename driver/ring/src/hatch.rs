//! The page over which the clients of a zero-copy pipe ask and its pusher answers.
//!
//! One request at a time is in it. A client takes [`Hatch::turn`], writes the request and posts it; the
//! pusher reads it, and answers; the client takes the answer and gives the turn back. Each step is one
//! change of one word, which holds the request's serial number too: a late, a double or a foreign answer
//! changes nothing, and neither side needs a lock of the other's. So a pusher may answer from a signal
//! handler wherever that interrupted it.
//!
//! ```text
//!  idle ──client posts──▶ posted ──pusher reads──▶ read ──pusher begins──▶ answering ──▶ answered
//!   ▲                        │                      │                                       │
//!   └────────────────────────┴──client withdraws────┴───────────────client takes────────────┘
//! ```

use crate::{AtomicU32, AtomicU64, Ordering, SharedLock};

/// The most bytes of a request's data: what the API document recommends for the pusher's buffer.
pub const MAX_DATA: usize = 1024;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    Idle,
    /// The pusher has not read it.
    Posted,
    /// The pusher has read it.
    Read,
    /// The pusher is writing the answer.
    Answering,
    /// The answer is there.
    Answered,
}

/// What the word of a [`Hatch`] says.
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
pub struct Message {
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
pub struct Hatch {
    /// Clients take turns.
    pub turn: SharedLock,
    state: AtomicU32,
    /// Clients that have closed and whose closing the pusher has not read (request number 0).
    closings: AtomicU32,
    asked: Message,
    answered: Message,
}

/// What a pusher reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A client's request: its number and how many bytes of data came with it.
    Request {
        /// The ioctl's number.
        number: u32,
        /// Bytes of data, at most [`MAX_DATA`].
        len: usize,
    },
    /// A client has closed.
    Closing,
}

impl Hatch {
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

    /// Posts a request, with the turn taken. The caller then makes the pusher's descriptor readable.
    ///
    /// `data` is at most [`MAX_DATA`] bytes; more are left out.
    pub fn post(&self, number: u32, data: &[u8]) -> State {
        let data = &data[..data.len().min(MAX_DATA)];
        let serial = (self.state().serial() + 1) & (u32::MAX >> State::BITS);
        self.asked.put(number, data.len() as u32, data);
        let posted = State::new(serial, Phase::Posted);
        self.state.store(posted.word, Ordering::SeqCst);
        posted
    }

    /// Takes the answer of the client's own request, if it is there: the errno (0 for none), and the data,
    /// as much as there is room for. With the turn taken.
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
        loop {
            let now = self.state();
            if now.serial() != posted.serial() || now.phase() == Phase::Idle {
                return true;
            }
            if matches!(now.phase(), Phase::Answering | Phase::Answered) {
                return false;
            }
            if self.step(now, Phase::Idle) {
                return true;
            }
        }
    }

    /// The pusher reads what there is: a request before a closing. `data` has room for [`MAX_DATA`] bytes.
    pub fn read(&self, data: &mut [u8; MAX_DATA]) -> Option<Taken> {
        loop {
            let now = self.state();
            if now.phase() != Phase::Posted {
                break;
            }
            let (number, len) = self.asked.take(data);
            // A client that withdraws meanwhile may be followed by another: then this was half of each.
            if self.step(now, Phase::Read) {
                return Some(Taken::Request { number, len: (len as usize).min(MAX_DATA) });
            }
        }
        let one_less = |n: u32| n.checked_sub(1);
        self.closings
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
            .then_some(Taken::Closing)
    }

    /// Whether there is something to read.
    pub fn has_news(&self) -> bool {
        self.state().phase() == Phase::Posted || self.closings.load(Ordering::SeqCst) != 0
    }

    /// The request that the pusher has read and not answered: its state and its number.
    pub fn unanswered(&self) -> Option<(State, u32)> {
        let now = self.state();
        (now.phase() == Phase::Read).then(|| (now, self.asked.number.load(Ordering::Relaxed)))
    }

    /// Answers a request that was read: `answer` gets the data that was asked with and returns the errno
    /// (0 for none); what it leaves in the buffer is the answer's data. False: it was withdrawn meanwhile,
    /// or answered by somebody else.
    pub fn answer(&self, read: State, answer: impl FnOnce(&mut [u8; MAX_DATA]) -> u32) -> bool {
        if !self.step(read, Phase::Answering) {
            return false;
        }
        let mut data = [0; MAX_DATA];
        let (number, _) = self.asked.take(&mut data);
        let errno = answer(&mut data);
        self.answered.put(number, errno, &data);
        // Only the daemon can have changed it, when it took this pusher for dead.
        self.step(State::new(read.serial(), Phase::Answering), Phase::Answered)
    }

    /// A client has closed. The caller then makes the pusher's descriptor readable.
    pub fn tell_closing(&self) {
        self.closings.fetch_add(1, Ordering::SeqCst);
    }

    /// The pusher is gone: whoever waits for its answer gets this errno. The caller wakes them.
    pub fn fail(&self, errno: u32) {
        loop {
            let now = self.state();
            if matches!(now.phase(), Phase::Idle | Phase::Answered) {
                return;
            }
            if self.step(now, Phase::Answering) || now.phase() == Phase::Answering {
                self.answered.put(0, errno, &[]);
                self.state.store(State::new(now.serial(), Phase::Answered).word, Ordering::SeqCst);
                return;
            }
        }
    }

    /// A client that had the turn is gone: its request is nobody's any more.
    pub fn abandon(&self) {
        let now = self.state();
        self.state.store(State::new(now.serial(), Phase::Idle).word, Ordering::SeqCst);
    }
}

const _: () = assert!(size_of::<Hatch>() <= crate::PAGE_LEN);

#[cfg(test)]
mod tests {
    use super::*;

    fn hatch() -> Box<Hatch> {
        // SAFETY: the page consists of atomic integers only.
        Box::new(unsafe { core::mem::zeroed() })
    }

    fn read(hatch: &Hatch) -> Option<(Taken, Vec<u8>)> {
        let mut data = [0; MAX_DATA];
        hatch.read(&mut data).map(|taken| {
            let len = if let Taken::Request { len, .. } = taken { len } else { 0 };
            (taken, data[..len].to_vec())
        })
    }

    #[test]
    fn a_request_is_read_once_and_answered_once() {
        let hatch = hatch();
        assert_eq!((read(&hatch), hatch.has_news(), hatch.unanswered()), (None, false, None));
        let posted = hatch.post(0x8028_7609, b"what is the window");
        assert!(hatch.has_news());
        assert_eq!(hatch.unanswered(), None, "not before it was read");
        let (taken, data) = read(&hatch).expect("posted");
        assert_eq!(
            (taken, &data[..]),
            (Taken::Request { number: 0x8028_7609, len: 18 }, &b"what is the window"[..])
        );
        assert_eq!(read(&hatch), None);
        let (state, number) = hatch.unanswered().expect("read");
        assert_eq!(number, 0x8028_7609);
        let mut answer = [0; 8];
        assert_eq!(hatch.collect(posted, &mut answer), None);
        assert!(hatch.answer(state, |data| {
            assert_eq!(&data[..4], b"what");
            data[..8].copy_from_slice(b"320x240!");
            0
        }));
        assert!(!hatch.answer(state, |_| 22), "a second answer is nothing");
        assert_eq!(hatch.collect(posted, &mut answer), Some(0));
        assert_eq!(&answer, b"320x240!");
        assert_eq!(hatch.collect(posted, &mut answer), None, "it is taken");
    }

    #[test]
    fn what_is_withdrawn_is_not_answered() {
        let hatch = hatch();
        let posted = hatch.post(1, b"one");
        assert!(hatch.withdraw(posted));
        assert_eq!(read(&hatch), None);
        let posted = hatch.post(2, b"two");
        read(&hatch).expect("posted");
        let (late, _) = hatch.unanswered().expect("read");
        assert!(hatch.withdraw(posted));
        let next = hatch.post(2, b"three");
        assert!(!hatch.answer(late, |_| 0), "the late answer is another request's");
        read(&hatch).expect("posted");
        assert!(!hatch.answer(late, |_| 0), "also of the same number");
        let (state, _) = hatch.unanswered().expect("read");
        assert!(hatch.answer(state, |_| 5));
        assert!(!hatch.withdraw(next), "answered: to be collected");
        assert_eq!(hatch.collect(next, &mut []), Some(5));
    }

    #[test]
    fn closings_come_after_the_request_that_is_there() {
        let hatch = hatch();
        hatch.tell_closing();
        hatch.tell_closing();
        hatch.post(7, &[]);
        let all: Vec<Taken> = core::iter::from_fn(|| read(&hatch).map(|(taken, _)| taken)).collect();
        assert_eq!(all, [Taken::Request { number: 7, len: 0 }, Taken::Closing, Taken::Closing]);
        assert!(!hatch.has_news());
    }

    #[test]
    fn the_pusher_s_death_answers() {
        let hatch = hatch();
        hatch.fail(5);
        assert_eq!(hatch.state().phase(), Phase::Idle, "nobody asked");
        for read_it in [false, true] {
            let posted = hatch.post(7, &[]);
            if read_it {
                read(&hatch).expect("posted");
            }
            hatch.fail(5);
            assert_eq!(hatch.collect(posted, &mut []), Some(5));
        }
    }

    #[test]
    fn a_dead_client_s_request_is_nobody_s() {
        let hatch = hatch();
        hatch.turn.try_lock(9).expect("free");
        hatch.post(7, &[]);
        assert!(hatch.turn.revoke(9));
        hatch.abandon();
        assert_eq!(read(&hatch), None);
        let posted = hatch.post(8, b"next");
        assert_eq!(read(&hatch).map(|(taken, _)| taken), Some(Taken::Request { number: 8, len: 4 }));
        assert!(hatch.withdraw(posted));
    }

    /// Whatever a hostile peer writes, nobody panics or reads beyond the page.
    #[test]
    fn any_words_are_survived() {
        let hatch = hatch();
        for word in [u32::MAX, 5, 6, 7, 1 << 31 | 1, 1 << 31 | 2] {
            hatch.state.store(word, Ordering::SeqCst);
            hatch.asked.value.store(u32::MAX, Ordering::SeqCst);
            let _ = read(&hatch);
            if let Some((state, _)) = hatch.unanswered() {
                hatch.answer(state, |_| 0);
            }
            hatch.fail(5);
            let posted = hatch.post(1, &[1; 2 * MAX_DATA]);
            assert_eq!(read(&hatch).map(|(_, data)| data.len()), Some(MAX_DATA));
            assert!(hatch.withdraw(posted));
        }
    }
}
