//! The page of a zero-copy pusher: which of its clients' requests ([`crate::request_slot`]) it is given next.
//!
//! The pusher's library picks, one client after the other, and the pusher has one request at a time. What the pusher
//! has said of itself (sizes, palette, where its frames are) is here too, for clients that need not ask
//! each time. Only the pusher and the daemon can write this page.
//!
//! V4L2 clients do not ask for their frames one by one. They say that a frame is wanted, and the pusher's library makes
//! a *capture* for the pipe: VIDIOCGMBUF (once), VIDIOCMCAPTURE, VIDIOCSYNC. It copies the finished frame into the
//! pipe's ring. So no slow, stopped or dead client keeps others waiting.
//!
//! Between VIDIOCMCAPTURE and the end of a copy, be it a capture's or that of a client's read(), the pusher
//! is given no request that may draw ([`may_draw`]). A client that is stopped while it copies keeps
//! the others waiting for at most [`PATIENCE`], and then sees by [`PusherPage::draws`] that its copy is invalid.

use vloopback_abi::v4l1::request;

use crate::request_slot::{MAX_DATA, Phase, RequestSlot};
use crate::{AtomicU32, AtomicU64, Ordering, TRIES, fence};

/// How long others wait for a client that is copying, nanoseconds.
pub const PATIENCE: u64 = 100_000_000;

/// The most clients of one pusher.
pub const MAX_CLIENTS: usize = 1000;

/// The ticket of the pipe's own captures; no client has it.
const CAPTURE: u32 = u32::MAX;
/// The same, while the pusher answers.
const CAPTURE_ANSWERING: u32 = u32::MAX - 1;

/// Steps of a capture: which request the pusher is given, or was given last.
const LAYOUT: u32 = 1;
const ORDER: u32 = 2;
const WAIT: u32 = 3;

/// Whether the pusher may draw into its memory because of this request.
#[must_use]
pub const fn may_draw(number: u32) -> bool {
    matches!(number, request::MCAPTURE | request::SYNC | request::CAPTURE)
}

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

/// What the pusher has said of itself (VIDIOCGCAP).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PusherCaps {
    /// `VID_TYPE_*`.
    pub type_: u32,
    /// Channels.
    pub channels: u32,
    /// Pixels: the largest width and height, then the least.
    pub sizes: [u32; 4],
}

/// A client's request slot and the ticket by which it is known, from 1.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Counted for each pusher's memory.
    pub ticket: u32,
    /// The client's page.
    pub request_slot: &'a RequestSlot,
}

/// A request that the pusher has been given and has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    ticket: u32,
    serial: u32,
    number: u32,
}

impl Pending {
    const fn word(ticket: u32, serial: u32) -> u64 {
        (ticket as u64) << 32 | serial as u64
    }

    /// The ioctl's number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its client's ticket; None: it belongs to the pipe's own capture.
    #[must_use]
    pub const fn ticket(&self) -> Option<u32> {
        if self.ticket == CAPTURE { None } else { Some(self.ticket) }
    }

    /// The request's number in the client's request slot.
    #[must_use]
    pub const fn serial(&self) -> u32 {
        self.serial
    }
}

/// What a pusher is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A request, with the length of its data.
    Request(Pending, usize),
    /// A client has closed.
    Closing,
}

/// The kind of request that a pusher would be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A client's request: the client reminds the pusher if it is not taken.
    Request,
    /// A capture of the pipe's own, or a closing: nobody reminds the pusher.
    Other,
}

/// What follows an answer to a capture's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is another request to take.
    Next,
    /// The frame is there; [`PusherPage::end_capture`] after the copy.
    Drawn,
    /// The pusher has refused: it is over.
    Refused,
}

/// The page.
#[repr(C)]
#[derive(Debug)]
pub struct PusherPage {
    /// Ticket and serial number of the request that the pusher has, 0 for none.
    current: AtomicU64,
    /// When the holder's last request was answered, CLOCK_MONOTONIC nanoseconds.
    held_since: AtomicU64,
    /// When the pusher was given the capture's last request.
    asked_at: AtomicU64,
    /// Frames that clients have asked for and got (VIDIOCSYNC).
    synced: AtomicU64,
    /// Tickets that were ever given. By the daemon.
    joined: AtomicU32,
    /// Clients that have closed and whose closing the pusher has not read (request number 0).
    closings: AtomicU32,
    /// 1: the daemon wants a frame for V4L2's clients.
    wanted: AtomicU32,
    /// 1: the format on the board was agreed on with this pusher. By the daemon.
    has_format: AtomicU32,
    /// The number of the request that the pusher has.
    number: AtomicU32,
    /// Where the next look begins.
    cursor: AtomicU32,
    /// Requests that may draw that the pusher was given.
    draws: AtomicU32,
    /// The ticket of whoever copies out of the memory, or is about to, 0 for none.
    holder: AtomicU32,
    /// 1: somebody's request waits for the holder.
    held_back: AtomicU32,
    /// The capture's step, 0 for none under way, and its serial number.
    step: AtomicU32,
    serial: AtomicU32,
    /// Width, height, palette of the capture.
    order: [AtomicU32; 3],
    /// Captures that the pusher refused.
    refusals: AtomicU32,
    /// 1: `origin` is where in the memory the first frame is, bytes.
    has_origin: AtomicU32,
    origin: AtomicU32,
    /// The pusher's palette, 0 before it told.
    palette: AtomicU32,
    /// Palettes that it was seen to have, and those that it was seen to refuse, one bit each; and the one that it was
    /// asked for last, until it says whether it has it.
    had: AtomicU32,
    refused: AtomicU32,
    set: AtomicU32,
    /// Clients that have a request slot. By the daemon.
    clients: AtomicU32,
    /// 1: `told` is what the pusher told.
    is_told: AtomicU32,
    told: [AtomicU32; 6],
    /// The channel that was last selected (VIDIOCSCHAN).
    channel: AtomicU32,
    /// 1: the pusher takes V4L2 requests too.
    v4l2: AtomicU32,
    /// The process, of those that have the pusher's descriptor, that answered last.
    answerer: AtomicU32,
    /// 1: the pusher's library looks at its request doorbell, which clients ring themselves.
    hears: AtomicU32,
    /// Threads of the pusher's that sleep in read().
    readers: AtomicU32,
    /// 1: the request notifier is looking, and may be about to ring. By the daemon.
    looking: AtomicU32,
}

/// Whose turn it is.
enum Pick<'a> {
    Client(Entry<'a>),
    Capture,
    Closing,
}

impl PusherPage {
    // ----------------------------------------------------------------------------- what the pusher does

    fn request_slot_of<'a>(request_slots: &[Entry<'a>], ticket: u32) -> Option<&'a RequestSlot> {
        request_slots.iter().find(|entry| entry.ticket == ticket).map(|entry| entry.request_slot)
    }

    fn now_given(&self) -> Pending {
        let word = self.current.load(Ordering::SeqCst);
        let number = self.number.load(Ordering::SeqCst);
        Pending { ticket: (word >> 32) as u32, serial: word as u32, number }
    }

    /// Whether the pusher has a request that somebody waits for. A withdrawn request, or that of a client that is gone,
    /// does not count.
    pub fn is_busy(&self, request_slots: &[Entry]) -> bool {
        let now = self.now_given();
        match now.ticket {
            0 => false,
            CAPTURE | CAPTURE_ANSWERING => true,
            ticket => Self::request_slot_of(request_slots, ticket).is_some_and(|request_slot| {
                let state = request_slot.state();
                state.serial() == now.serial && matches!(state.phase(), Phase::Read | Phase::Answering)
            }),
        }
    }

    /// Whether the pusher has nothing to do, for a client that has posted a request. Then that client makes the
    /// pusher's descriptor readable; otherwise the pusher's library does when it is done.
    pub fn seems_idle(&self) -> bool {
        // After the post, as the pusher looks for posts after it is done: one sees the other.
        fence(Ordering::SeqCst);
        self.current.load(Ordering::SeqCst) == 0
    }

    /// Nanoseconds from the moment in `word` to `now`. Another process may have set the word after the caller
    /// looked at the clock: then it is none, and not 500 years.
    fn since(word: &AtomicU64, now: u64) -> u64 {
        now.saturating_sub(word.load(Ordering::SeqCst))
    }

    /// Whoever copies out of the memory at `now`.
    fn holder(&self, request_slots: &[Entry], now: u64) -> Option<u32> {
        match self.holder.load(Ordering::SeqCst) {
            0 => None,
            CAPTURE => (self.step.load(Ordering::SeqCst) != 0).then_some(CAPTURE),
            ticket => {
                let request_slot = Self::request_slot_of(request_slots, ticket)
                    .filter(|request_slot| request_slot.copies())?;
                let active = match request_slot.state().phase() {
                    Phase::Posted | Phase::Read | Phase::Answering => true,
                    Phase::Idle | Phase::Answered => Self::since(&self.held_since, now) < PATIENCE,
                    Phase::Gone => false,
                };
                active.then_some(ticket)
            }
        }
    }

    fn is_wanted(&self, request_slots: &[Entry]) -> bool {
        self.wanted.load(Ordering::SeqCst) != 0
            || request_slots.iter().any(|entry| entry.request_slot.is_wanted())
    }

    /// Whose turn it is: one client after the other, beginning behind the last; the captures count as one client.
    fn pick<'a>(&self, request_slots: &[Entry<'a>], captures: bool, now: u64) -> Option<Pick<'a>> {
        fence(Ordering::SeqCst);
        if self.is_busy(request_slots) {
            return None;
        }
        for _ in 0..TRIES {
            let holder = self.holder(request_slots, now);
            self.held_back.store(0, Ordering::SeqCst);
            let pick = self.pick_beside(request_slots, captures, holder);
            if pick.is_some() || !self.holds_back() {
                return pick.or_else(|| self.closing());
            }
            // The holder, when it is done, looks whether somebody waits: one sees the other.
            fence(Ordering::SeqCst);
            if self.holder(request_slots, now) == holder {
                break;
            }
        }
        self.closing()
    }

    fn closing<'a>(&self) -> Option<Pick<'a>> {
        (self.closings.load(Ordering::SeqCst) != 0).then_some(Pick::Closing)
    }

    fn pick_beside<'a>(
        &self,
        request_slots: &[Entry<'a>],
        captures: bool,
        holder: Option<u32>,
    ) -> Option<Pick<'a>> {
        let all = request_slots.len() + 1;
        let start = self.cursor.load(Ordering::Relaxed) as usize % all;
        for k in (start..all).chain(0..start) {
            let (pick, draws, ticket) = match k.checked_sub(1) {
                None => {
                    let due = match self.step.load(Ordering::SeqCst) {
                        0 => captures && self.is_wanted(request_slots),
                        _ => holder == Some(CAPTURE),
                    };
                    if !due {
                        continue;
                    }
                    (Pick::Capture, true, CAPTURE)
                }
                Some(k) => {
                    let entry = request_slots[k];
                    let Some((_, number)) = entry.request_slot.posted() else { continue };
                    (Pick::Client(entry), may_draw(number), entry.ticket)
                }
            };
            if draws && holder.is_some_and(|holder| holder != ticket) {
                self.held_back.store(1, Ordering::SeqCst);
                continue;
            }
            return Some(pick);
        }
        None
    }

    /// Whether there is something for the pusher to take. `captures`: there is a picture that a capture
    /// could ask for. `now`: CLOCK_MONOTONIC nanoseconds.
    pub fn has_next(&self, request_slots: &[Entry], captures: bool, now: u64) -> bool {
        self.next(request_slots, captures, now).is_some()
    }

    /// What there is for the pusher to take; see [`PusherPage::has_next`].
    pub fn next(&self, request_slots: &[Entry], captures: bool, now: u64) -> Option<Next> {
        self.pick(request_slots, captures, now).map(|pick| match pick {
            Pick::Client(_) => Next::Request,
            Pick::Capture | Pick::Closing => Next::Other,
        })
    }

    /// The pusher takes what is next. The request's data is put into `data`. None: nothing, or it has not
    /// answered the one that it has. `order`: the picture that a capture would ask for.
    pub fn take(
        &self,
        request_slots: &[Entry],
        order: Option<Order>,
        now: u64,
        data: &mut [u8; MAX_DATA],
    ) -> Option<Taken> {
        // A client withdraws what is about to be taken: the next one's turn. It may do so on purpose.
        for _ in 0..TRIES {
            match self.pick(request_slots, order.is_some(), now)? {
                Pick::Capture => {
                    let (pending, len) =
                        self.take_capture(request_slots, order.unwrap_or_default(), now, data);
                    self.cursor.store(1, Ordering::Relaxed);
                    return Some(Taken::Request(pending, len));
                }
                Pick::Client(entry) => {
                    let place = request_slots.iter().position(|other| other.ticket == entry.ticket);
                    self.cursor.store(place.map_or(0, |k| k as u32 + 2), Ordering::Relaxed);
                    if let Some(taken) = self.take_request(entry, data) {
                        return Some(taken);
                    }
                }
                Pick::Closing => {
                    let one_less = |n: u32| n.checked_sub(1);
                    let left = self.closings.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
                    return left.is_ok().then_some(Taken::Closing);
                }
            }
        }
        None
    }

    fn take_request(&self, entry: Entry, data: &mut [u8; MAX_DATA]) -> Option<Taken> {
        let (posted, _) = entry.request_slot.posted()?;
        let (number, len) = entry.request_slot.take(posted, data)?;
        let pending = Pending { ticket: entry.ticket, serial: posted.serial(), number };
        if may_draw(number) {
            let draws = self.draws.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
            entry.request_slot.set_draws(draws);
            if entry.request_slot.copies() {
                self.holder.store(entry.ticket, Ordering::SeqCst);
            }
        }
        self.number.store(number, Ordering::SeqCst);
        self.current.store(Pending::word(pending.ticket, pending.serial), Ordering::SeqCst);
        Some(Taken::Request(pending, len))
    }

    fn take_capture(
        &self,
        request_slots: &[Entry],
        order: Order,
        now: u64,
        data: &mut [u8; MAX_DATA],
    ) -> (Pending, usize) {
        if self.step.load(Ordering::SeqCst) == 0 {
            // Who wants one from now on wants the next.
            self.wanted.store(0, Ordering::SeqCst);
            for entry in request_slots {
                entry.request_slot.fulfil();
            }
            for (to, word) in self.order.iter().zip([order.width, order.height, order.palette]) {
                to.store(word, Ordering::Relaxed);
            }
            let first = if self.origin().is_some() { ORDER } else { LAYOUT };
            self.step.store(first, Ordering::SeqCst);
            self.holder.store(CAPTURE, Ordering::SeqCst);
        }
        let (number, len) = self.capture_request(data);
        if may_draw(number) {
            self.draws.fetch_add(1, Ordering::SeqCst);
        }
        let serial = self.serial.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        self.asked_at.store(now, Ordering::SeqCst);
        self.number.store(number, Ordering::SeqCst);
        self.current.store(Pending::word(CAPTURE, serial), Ordering::SeqCst);
        (Pending { ticket: CAPTURE, serial, number }, len)
    }

    /// The capture's request as the pusher gets it at this step: its number, its data, the data's length.
    pub fn capture_request(&self, data: &mut [u8; MAX_DATA]) -> (u32, usize) {
        data.fill(0);
        match self.step.load(Ordering::SeqCst) {
            LAYOUT => (request::GMBUF, vloopback_abi::ioc::ioc_size(request::GMBUF)),
            ORDER => {
                // video_mmap: frame, height, width, format.
                let Order { width, height, palette } = self.order();
                for (to, word) in data[4..16].chunks_mut(4).zip([height, width, palette]) {
                    to.copy_from_slice(&word.to_ne_bytes());
                }
                (request::MCAPTURE, 16)
            }
            _ => (request::SYNC, 4),
        }
    }

    /// The request that the pusher has been given and has not answered.
    pub fn pending(&self, request_slots: &[Entry]) -> Option<Pending> {
        let now = self.now_given();
        let waits = match now.ticket {
            0 | CAPTURE_ANSWERING => false,
            CAPTURE => true,
            ticket => Self::request_slot_of(request_slots, ticket).is_some_and(|request_slot| {
                let state = request_slot.state();
                state.serial() == now.serial && state.phase() == Phase::Read
            }),
        };
        waits.then_some(now)
    }

    /// A client's request was answered, or need not be: the pusher may have the next.
    pub fn done(&self, pending: &Pending, now: u64) {
        if self.holder.load(Ordering::SeqCst) == pending.ticket {
            self.held_since.store(now, Ordering::SeqCst);
        }
        let word = Pending::word(pending.ticket, pending.serial);
        let _ = self.current.compare_exchange(word, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// A client has got the frame that it waited for.
    pub fn count_frame(&self) {
        self.synced.fetch_add(1, Ordering::Relaxed);
    }

    /// The process of this number is about to answer.
    pub fn set_answerer(&self, me: u32) {
        self.answerer.store(me, Ordering::SeqCst);
    }

    /// The pusher answers the capture's request. False: somebody else does, or it was given up.
    pub fn begin_answer(&self, pending: &Pending) -> bool {
        let change = |ticket| Pending::word(ticket, pending.serial);
        let (from, to) = (change(CAPTURE), change(CAPTURE_ANSWERING));
        pending.ticket == CAPTURE
            && self.current.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// What the pusher answered, 0 for no error. [`PusherPage::begin_answer`] was true. Where its frame is, it
    /// has told before ([`PusherPage::set_origin`]).
    pub fn go_on(&self, errno: u32) -> Progress {
        let next = match self.step.load(Ordering::SeqCst) {
            LAYOUT => {
                if self.origin().is_none() {
                    // Who refuses to tell has its frame at the beginning.
                    self.set_origin(0);
                }
                ORDER
            }
            ORDER if errno == 0 => WAIT,
            WAIT if errno == 0 => return Progress::Drawn,
            _ => {
                self.end_capture(true);
                return Progress::Refused;
            }
        };
        self.step.store(next, Ordering::SeqCst);
        self.current.store(0, Ordering::SeqCst);
        Progress::Next
    }

    /// The capture is over. `refused`: without a frame.
    pub fn end_capture(&self, refused: bool) {
        if refused {
            self.refusals.fetch_add(1, Ordering::SeqCst);
        }
        self.step.store(0, Ordering::SeqCst);
        self.holder.store(0, Ordering::SeqCst);
        self.current.store(0, Ordering::SeqCst);
    }

    /// The picture that the capture under way asked for.
    pub fn order(&self) -> Order {
        let [width, height, palette] = core::array::from_fn(|k| self.order[k].load(Ordering::Relaxed));
        Order { width, height, palette }
    }

    /// The pusher has told where its first frame is.
    pub fn set_origin(&self, origin: u32) {
        self.origin.store(origin, Ordering::Relaxed);
        self.has_origin.store(1, Ordering::Release);
    }

    /// The pusher has told its palette (VIDIOCGPICT).
    pub fn set_palette(&self, palette: u32) {
        self.palette.store(palette, Ordering::Relaxed);
        self.had.fetch_or(Self::palette_bit(palette), Ordering::Relaxed);
        let set = self.set.swap(0, Ordering::Relaxed);
        if set != palette {
            // It accepted, and did nothing.
            self.refused.fetch_or(Self::palette_bit(set), Ordering::Relaxed);
        }
    }

    /// The pusher was asked to have a palette (VIDIOCSPICT).
    pub fn note_set(&self, palette: u32, accepted: bool) {
        if accepted {
            self.palette.store(palette, Ordering::Relaxed);
            self.set.store(palette, Ordering::Relaxed);
        } else if palette != self.palette() {
            // Else it is something else of the picture that it does not take.
            self.refused.fetch_or(Self::palette_bit(palette), Ordering::Relaxed);
        }
    }

    /// The bit of a palette; none for 0 and for what is no palette.
    const fn palette_bit(palette: u32) -> u32 {
        if palette != 0 && palette < u32::BITS { 1 << palette } else { 0 }
    }

    /// The pusher has told what it is.
    pub fn set_caps(&self, told: &PusherCaps) {
        let [a, b, c, d] = told.sizes;
        for (to, word) in self.told.iter().zip([told.type_, told.channels, a, b, c, d]) {
            to.store(word, Ordering::Relaxed);
        }
        self.is_told.store(1, Ordering::Release);
    }

    /// A channel was selected. Another one may have other sizes: what was told of them is asked anew.
    pub fn set_channel(&self, channel: u32) {
        self.channel.store(channel, Ordering::Relaxed);
        self.is_told.store(0, Ordering::Release);
    }

    /// The pusher takes V4L2 requests as they are, or no more.
    pub fn set_takes_v4l2(&self, takes: bool) {
        self.v4l2.store(takes.into(), Ordering::Relaxed);
    }

    /// Whether clients can reach the pusher themselves, without the daemon.
    pub fn set_hears(&self, hears: bool) {
        self.hears.store(hears.into(), Ordering::SeqCst);
    }

    /// A thread of the pusher's is about to sleep in read(). Before it looks whether it must.
    pub fn begin_read(&self) {
        self.readers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// It sleeps no more.
    pub fn end_read(&self) {
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }

    // ----------------------------------------------------------------------------- what everybody reads

    /// Whether the pusher looks at its request doorbell.
    #[inline]
    pub fn hears(&self) -> bool {
        self.hears.load(Ordering::SeqCst) != 0
    }

    /// Whether somebody may sleep in read(): to be woken by [`crate::ClaimsPage::calls`]. After the pusher's descriptor
    /// or its request doorbell was made ready, as the reader looks at those after it has said so: one sees the other.
    pub fn is_read(&self) -> bool {
        fence(Ordering::SeqCst);
        self.readers.load(Ordering::SeqCst) != 0
    }

    /// Where in the memory the first frame is, bytes, if the pusher has told; not to be trusted.
    pub fn origin(&self) -> Option<u32> {
        (self.has_origin.load(Ordering::Acquire) != 0).then(|| self.origin.load(Ordering::Relaxed))
    }

    /// The palette that the pusher has told, 0 for none.
    pub fn palette(&self) -> u32 {
        self.palette.load(Ordering::Relaxed)
    }

    /// Whether the pusher was seen to have a palette; None: it was neither seen to have nor to refuse it.
    pub fn has_palette(&self, palette: u32) -> Option<bool> {
        let bit = Self::palette_bit(palette);
        if self.had.load(Ordering::Relaxed) & bit != 0 {
            return Some(true);
        }
        (self.refused.load(Ordering::Relaxed) & bit != 0).then_some(false)
    }

    /// How many frames clients have asked for and got, the pipe's own captures aside.
    pub fn synced(&self) -> u64 {
        self.synced.load(Ordering::Relaxed)
    }

    /// How many clients there are.
    pub fn clients(&self) -> u32 {
        self.clients.load(Ordering::SeqCst)
    }

    /// What the pusher has told of itself.
    pub fn told(&self) -> Option<PusherCaps> {
        if self.is_told.load(Ordering::Acquire) == 0 {
            return None;
        }
        let [type_, channels, a, b, c, d] = core::array::from_fn(|k| self.told[k].load(Ordering::Relaxed));
        Some(PusherCaps { type_, channels, sizes: [a, b, c, d] })
    }

    /// The channel that was last selected.
    pub fn channel(&self) -> u32 {
        self.channel.load(Ordering::Relaxed)
    }

    /// Whether the pusher takes V4L2 requests as they are.
    pub fn takes_v4l2(&self) -> bool {
        self.v4l2.load(Ordering::Relaxed) != 0
    }

    /// Whether the format on the board is one that was agreed on with this pusher.
    pub fn has_format(&self) -> bool {
        self.has_format.load(Ordering::SeqCst) != 0
    }

    /// How many captures the pusher has refused.
    pub fn refusals(&self) -> u32 {
        self.refusals.load(Ordering::SeqCst)
    }

    /// Requests that may draw that the pusher was given so far. Unchanged since a client's own
    /// ([`RequestSlot::draws`]): what it has copied is its frame.
    pub fn draws(&self) -> u32 {
        fence(Ordering::SeqCst);
        self.draws.load(Ordering::SeqCst)
    }

    /// Whether somebody waits for a client that copies.
    pub fn holds_back(&self) -> bool {
        fence(Ordering::SeqCst);
        self.held_back.load(Ordering::SeqCst) != 0
    }

    /// Whether the request notifier may be about to ring for what has just been taken.
    pub fn is_looked_at(&self) -> bool {
        fence(Ordering::SeqCst);
        self.looking.load(Ordering::SeqCst) != 0
    }

    /// How many tickets were ever given.
    pub fn joined(&self) -> u32 {
        self.joined.load(Ordering::SeqCst)
    }

    // ----------------------------------------------------------------------------- what the daemon does

    /// The request notifier looks, before it asks what is next; and has rung, or need not.
    pub fn set_looking(&self, looks: bool) {
        self.looking.store(looks.into(), Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// One more client has a request slot: its ticket.
    pub fn join(&self) -> u32 {
        self.joined.fetch_add(1, Ordering::SeqCst).wrapping_add(1)
    }

    /// So many clients have a request slot.
    pub fn set_clients(&self, clients: u32) {
        self.clients.store(clients, Ordering::SeqCst);
    }

    /// The format on the board was agreed on with this pusher.
    pub fn set_has_format(&self) {
        self.has_format.store(1, Ordering::SeqCst);
    }

    /// A client has closed.
    pub fn tell_closing(&self) {
        self.closings.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether somebody waits for a frame of the pipe's own captures.
    pub fn awaits_frame(&self, request_slots: &[Entry]) -> bool {
        self.step.load(Ordering::SeqCst) != 0 || self.is_wanted(request_slots)
    }

    /// Clients that stream already, without a request slot of this pusher's, want a frame.
    pub fn want_frame(&self) {
        self.wanted.store(1, Ordering::SeqCst);
    }

    /// A process is gone. Whether it may have been at an answer: then a capture begins anew, and a client's
    /// request is nobody's any more ([`RequestSlot::fail`]).
    pub fn abandon_answer(&self, dead: u32) -> bool {
        let its = self.answerer.load(Ordering::SeqCst) == dead;
        if its && self.now_given().ticket == CAPTURE_ANSWERING {
            self.end_capture(false);
            self.want_frame();
        }
        its
    }

    /// Nobody waits any more for the request that the pusher has: it counts as idle from now on, and a late answer
    /// has no effect.
    pub fn forget_withdrawn(&self, request_slots: &[Entry]) {
        let word = self.current.load(Ordering::SeqCst);
        if word != 0 && !self.is_busy(request_slots) {
            let _ = self.current.compare_exchange(word, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    /// Gives up a capture that the pusher has not answered for `limit` nanoseconds, unless it is at its last
    /// request, which has no time limit. True: it was given up.
    pub fn give_up_capture(&self, now: u64, limit: u64) -> bool {
        let given = self.now_given();
        let step = self.step.load(Ordering::SeqCst);
        let late = Self::since(&self.asked_at, now) > limit;
        if given.ticket != CAPTURE || step == WAIT || limit == 0 || !late || !self.begin_answer(&given) {
            return false;
        }
        self.end_capture(true);
        true
    }
}

const _: () = assert!(size_of::<PusherPage>() <= crate::PAGE_LEN);
#[cfg(not(loom))]
#[cfg(not(loom))]
crate::layout::layout!(layout: PusherPage { current, held_since, asked_at, synced, joined, closings, wanted, has_format, number, cursor, draws, holder, held_back, step, serial, order, refusals, has_origin, origin, palette, had, refused, set, clients, is_told, told, channel, v4l2, answerer, hears, readers, looking });

#[cfg(test)]
mod tests;
