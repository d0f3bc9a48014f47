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
//!
//! V4L2 clients do not ask for their frames one by one: they say that a frame is wanted
//! ([`Hatch::want`]), and whoever gets the turn next posts the pipe's own *capture*, MCAPTURE and then
//! SYNC. The turn then is the capture's ([`CAPTURE`]) and nobody waits for it: the pusher's library posts
//! the SYNC, copies the finished frame into the pipe's ring, and gives the turn back. So no V4L2 client
//! that is slow, stopped or dead keeps anybody waiting.

use crate::{AtomicU32, AtomicU64, Ordering, SharedLock, fence};

/// The most bytes of a request's data: what the API document recommends for the pusher's buffer.
pub const MAX_DATA: usize = 1024;

/// The owner of [`Hatch::turn`] while a capture of the pipe's own is under way; no process has this number.
pub const CAPTURE: u32 = (1 << 31) - 1;

/// The picture that a capture of the pipe's own asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Pixels a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Number of the palette.
    pub palette: u32,
}

/// What the pusher has told of itself (VIDIOCGCAP), for who must not ask each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `VID_TYPE_*`.
    pub type_: u32,
    /// Channels.
    pub channels: u32,
    /// Pixels: the largest width and height, then the least.
    pub sizes: [u32; 4],
}

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
    /// 1: some V4L2 client wants a frame, and no capture has been posted since.
    wanted: AtomicU32,
    /// 1: the request is the pipe's own capture.
    is_capture: AtomicU32,
    /// Who began the capture that is under way.
    beginner: AtomicU32,
    /// Captures that the pusher refused.
    refusals: AtomicU32,
    /// 1: `origin` is where in the memory the first frame is, bytes.
    has_origin: AtomicU32,
    origin: AtomicU32,
    /// The pusher's palette, where V4L1 has two numbers for one.
    palette: AtomicU32,
    /// Width, height, palette of the capture.
    order: [AtomicU32; 3],
    /// 1: `told` is what the pusher told.
    is_told: AtomicU32,
    told: [AtomicU32; 6],
    /// The channel that was last selected (VIDIOCSCHAN).
    channel: AtomicU32,
    /// 1: the pusher takes V4L2 requests too.
    v4l2: AtomicU32,
    /// 1: the format on the board is one that was agreed on with this pusher.
    has_format: AtomicU32,
    asked: Message,
    answered: Message,
}

/// Whose request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// A client's: it is to be woken.
    Client,
    /// The pipe's own capture's, which goes on or ends.
    Capture {
        /// The request.
        number: u32,
        /// What the pusher answered, 0 for no error.
        errno: u32,
        /// The first bytes of the answer's data.
        head: [u8; 16],
    },
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
        self.is_capture.store(0, Ordering::Relaxed);
        self.put(number, data)
    }

    fn put(&self, number: u32, data: &[u8]) -> State {
        let data = &data[..data.len().min(MAX_DATA)];
        self.asked.put(number, data.len() as u32, data);
        self.show()
    }

    /// What was put into `asked` is a request from now on.
    fn show(&self) -> State {
        let serial = (self.state().serial() + 1) & (u32::MAX >> State::BITS);
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
    /// (0 for none); what it leaves in the buffer is the answer's data. None: it was withdrawn meanwhile,
    /// or answered by somebody else.
    pub fn answer(&self, read: State, answer: impl FnOnce(&mut [u8; MAX_DATA]) -> u32) -> Option<Answered> {
        if !self.step(read, Phase::Answering) {
            return None;
        }
        let mut data = [0; MAX_DATA];
        let (number, _) = self.asked.take(&mut data);
        let errno = answer(&mut data);
        if self.is_capture.load(Ordering::Relaxed) != 0 {
            // Nobody waits for it, and nobody withdraws what is being answered: the turn is ours.
            let mut head = [0; 16];
            head.copy_from_slice(&data[..16]);
            return Some(Answered::Capture { number, errno, head });
        }
        self.answered.put(number, errno, &data);
        // Only the daemon can have changed it, when it took this pusher for dead.
        self.step(State::new(read.serial(), Phase::Answering), Phase::Answered).then_some(Answered::Client)
    }

    // ----------------------------------------------------------------------- the pipe's own captures

    /// A V4L2 client wants a frame. Then [`Hatch::begin_capture`].
    pub fn want(&self) {
        self.wanted.store(1, Ordering::SeqCst);
    }

    /// Whether one wants a frame that nobody has asked the pusher for.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst) != 0
    }

    /// Posts a capture's first request, `number` with `data` (VIDIOCMCAPTURE, and before the first one
    /// VIDIOCGMBUF), if a frame is wanted and it is nobody else's turn. Whoever gives a turn back calls this afterwards. True: the caller then
    /// makes the pusher's descriptor readable.
    ///
    /// `me` is the caller's own number; `wake` wakes all who sleep on the word.
    pub fn begin_capture(
        &self,
        me: u32,
        order: &Order,
        (number, data): (u32, &[u8]),
        wake: impl Fn(&AtomicU32),
    ) -> bool {
        // Between the wish and the look at the turn, and between giving a turn back and the look for
        // wishes: one of the two sees the other.
        fence(Ordering::SeqCst);
        while self.is_wanted() {
            // Whoever has it sees the wish when it gives the turn back.
            if !self.turn.lock_if_free(me) {
                return false;
            }
            if self.wanted.swap(0, Ordering::SeqCst) == 0 {
                if self.turn.unlock() {
                    wake(self.turn.word());
                }
                fence(Ordering::SeqCst);
                continue;
            }
            for (to, word) in self.order.iter().zip([order.width, order.height, order.palette]) {
                to.store(word, Ordering::Relaxed);
            }
            self.is_capture.store(1, Ordering::Relaxed);
            self.asked.put(number, data.len() as u32, data);
            // Who dies before the request shows is found by its number.
            self.beginner.store(me, Ordering::SeqCst);
            self.turn.hand_over(me, CAPTURE);
            self.show();
            return true;
        }
        false
    }

    /// A process is gone: if it had begun a capture that does not show yet, nobody else can end it. True:
    /// the turn is free, and the frame still wanted.
    pub fn end_capture_of(&self, dead: u32) -> bool {
        let its = self.turn.owner() == CAPTURE
            && self.state().phase() == Phase::Idle
            && self.beginner.load(Ordering::SeqCst) == dead;
        if its {
            self.want();
        }
        its && self.turn.revoke(CAPTURE)
    }

    /// The picture that the capture under way asked for.
    pub fn order(&self) -> Order {
        let [width, height, palette] = core::array::from_fn(|k| self.order[k].load(Ordering::Relaxed));
        Order { width, height, palette }
    }

    /// By the pusher, while it answers one request of the capture: the next one. The caller then makes
    /// its own descriptor readable.
    pub fn continue_capture(&self, number: u32, data: &[u8]) {
        self.put(number, data);
    }

    /// The capture is over. `refused`: without a frame. True: somebody waits for the turn, to be woken.
    #[must_use = "waiters must be woken"]
    pub fn end_capture(&self, refused: bool) -> bool {
        if refused {
            self.refusals.fetch_add(1, Ordering::SeqCst);
        }
        // First, so that an idle capture of somebody's is one that has not begun.
        self.beginner.store(0, Ordering::SeqCst);
        self.abandon();
        self.turn.revoke_waited(CAPTURE)
    }

    /// How many captures the pusher has refused.
    pub fn refusals(&self) -> u32 {
        self.refusals.load(Ordering::SeqCst)
    }

    /// Gives up a capture that the pusher does not answer, unless it is at its last request, `last`, which
    /// may take its time. `seen` is how things stood for as long as one waits for an answer. True: the turn
    /// is free.
    pub fn give_up_capture(&self, seen: State, last: u32) -> bool {
        let waiting = matches!(seen.phase(), Phase::Posted | Phase::Read)
            && self.is_capture.load(Ordering::Relaxed) != 0
            && self.asked.number.load(Ordering::Relaxed) != last;
        if !waiting {
            return false;
        }
        self.beginner.store(0, Ordering::SeqCst);
        if !self.step(seen, Phase::Idle) {
            return false;
        }
        self.refusals.fetch_add(1, Ordering::SeqCst);
        self.turn.revoke(CAPTURE)
    }

    /// Where in the memory the first frame is, bytes, if the pusher has told; not to be trusted.
    pub fn origin(&self) -> Option<u32> {
        (self.has_origin.load(Ordering::Acquire) != 0).then(|| self.origin.load(Ordering::Relaxed))
    }

    /// The pusher has told where its first frame is.
    pub fn set_origin(&self, origin: u32) {
        self.origin.store(origin, Ordering::Relaxed);
        self.has_origin.store(1, Ordering::Release);
    }

    /// The palette that the pusher has told, 0 for none.
    pub fn palette(&self) -> u32 {
        self.palette.load(Ordering::Relaxed)
    }

    /// The pusher has told its palette.
    pub fn set_palette(&self, palette: u32) {
        self.palette.store(palette, Ordering::Relaxed);
    }

    /// What the pusher has told of itself.
    pub fn told(&self) -> Option<Told> {
        if self.is_told.load(Ordering::Acquire) == 0 {
            return None;
        }
        let [type_, channels, a, b, c, d] = core::array::from_fn(|k| self.told[k].load(Ordering::Relaxed));
        Some(Told { type_, channels, sizes: [a, b, c, d] })
    }

    /// Keeps what the pusher has told.
    pub fn set_told(&self, told: &Told) {
        let [a, b, c, d] = told.sizes;
        for (to, word) in self.told.iter().zip([told.type_, told.channels, a, b, c, d]) {
            to.store(word, Ordering::Relaxed);
        }
        self.is_told.store(1, Ordering::Release);
    }

    /// The channel that was last selected.
    pub fn channel(&self) -> u32 {
        self.channel.load(Ordering::Relaxed)
    }

    /// A channel was selected.
    pub fn set_channel(&self, channel: u32) {
        self.channel.store(channel, Ordering::Relaxed);
    }

    /// Whether the format on the board is one that was agreed on with this pusher.
    pub fn has_format(&self) -> bool {
        self.has_format.load(Ordering::SeqCst) != 0
    }

    /// It is.
    pub fn set_has_format(&self) {
        self.has_format.store(1, Ordering::SeqCst);
    }

    /// Whether the pusher takes V4L2 requests as they are.
    pub fn takes_v4l2(&self) -> bool {
        self.v4l2.load(Ordering::Relaxed) != 0
    }

    /// The pusher takes V4L2 requests as they are, or no more.
    pub fn set_takes_v4l2(&self, takes: bool) {
        self.v4l2.store(takes.into(), Ordering::Relaxed);
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
        let answered = hatch.answer(state, |data| {
            assert_eq!(&data[..4], b"what");
            data[..8].copy_from_slice(b"320x240!");
            0
        });
        assert_eq!(answered, Some(Answered::Client));
        assert_eq!(hatch.answer(state, |_| 22), None, "a second answer is nothing");
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
        assert_eq!(hatch.answer(late, |_| 0), None, "the late answer is another request's");
        read(&hatch).expect("posted");
        assert_eq!(hatch.answer(late, |_| 0), None, "also of the same number");
        let (state, _) = hatch.unanswered().expect("read");
        assert!(hatch.answer(state, |_| 5).is_some());
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

    const ORDER: Order = Order { width: 32, height: 16, palette: 7 };

    fn begin(hatch: &Hatch, me: u32) -> bool {
        hatch.begin_capture(me, &ORDER, (13, b"capture"), |_| ())
    }

    #[test]
    fn a_capture_is_two_requests_and_one_turn() {
        let hatch = hatch();
        assert!(!begin(&hatch, 3), "nobody wants one");
        hatch.want();
        hatch.turn.try_lock(4).expect("free");
        assert!(!begin(&hatch, 3), "it is another's turn");
        let _ = hatch.turn.unlock();
        assert!(begin(&hatch, 4), "who gives the turn back begins");
        assert!(!begin(&hatch, 3), "once");
        assert_eq!((hatch.turn.owner(), hatch.order()), (CAPTURE, ORDER));
        hatch.turn.try_lock(5).expect_err("others wait");
        for (number, data, next) in [(13, &b"capture"[..], Some(18)), (18, &b"sync"[..], None)] {
            let len = data.len();
            assert_eq!(read(&hatch), Some((Taken::Request { number, len }, data.to_vec())));
            let (state, _) = hatch.unanswered().expect("read");
            let answered = hatch.answer(state, |data| {
                data[0] = 9;
                0
            });
            let mut head = [0; 16];
            head[..len].copy_from_slice(data);
            head[0] = 9;
            assert_eq!(answered, Some(Answered::Capture { number, errno: 0, head }));
            match next {
                Some(next) => hatch.continue_capture(next, b"sync"),
                None => assert!(hatch.end_capture(false), "somebody waits"),
            }
        }
        assert_eq!((hatch.turn.owner(), hatch.refusals(), hatch.state().phase()), (0, 0, Phase::Idle));
        let posted = hatch.post(7, &[]);
        read(&hatch).expect("posted");
        let (state, _) = hatch.unanswered().expect("read");
        assert_eq!(hatch.answer(state, |_| 0), Some(Answered::Client), "and now it is a client's again");
        assert_eq!(hatch.collect(posted, &mut []), Some(0));
    }

    #[test]
    fn a_capture_that_is_not_answered_is_given_up() {
        let hatch = hatch();
        hatch.want();
        assert!(begin(&hatch, 3));
        read(&hatch).expect("posted");
        let seen = hatch.state();
        let (late, _) = hatch.unanswered().expect("read");
        assert!(!hatch.give_up_capture(seen, 13), "the last one may take its time");
        assert!(hatch.give_up_capture(seen, 18));
        assert_eq!((hatch.turn.owner(), hatch.refusals()), (0, 1));
        assert_eq!(hatch.answer(late, |_| 0), None);
        assert!(!hatch.give_up_capture(seen, 18));
    }

    #[test]
    fn who_dies_while_it_begins_is_noticed() {
        let hatch = hatch();
        hatch.want();
        assert!(begin(&hatch, 3));
        assert!(!hatch.end_capture_of(3), "it shows: the pusher answers it");
        assert!(!hatch.end_capture(false));
        // As far as it came.
        hatch.turn.try_lock(3).expect("free");
        hatch.beginner.store(3, Ordering::SeqCst);
        assert!(hatch.turn.hand_over(3, CAPTURE));
        assert!(!hatch.end_capture_of(4));
        assert!(hatch.end_capture_of(3));
        assert!(begin(&hatch, 5), "the frame is wanted still");
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
