//! The daemon's own pictures. While a client streams and nobody feeds the pipe, a thread publishes the
//! card ([`crate::card`]), or the picture that was set ([`crate::image`]), at the nominal rate,
//! as a pusher would. With a time limit it also does so while a pusher has published nothing for that
//! time: between its frames and never in one, because a pusher that writes has the right to write.
//!
//! One thread a pipe, started with the first card and ended with the last. The main thread tells it
//! what to do and takes [`Placeholder::state`] for that; the thread holds that lock only for moments, to
//! pick a slot, to copy a [`PIECE`] into it and to publish it, never while it draws or sleeps. When the main
//! thread has changed the turn, nothing of an earlier turn is copied or published any more: so the card has
//! ended before a pusher is told that it feeds the pipe. The pusher gets a log of its own for the same slots, so
//! that no lock in the log keeps the two apart.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tracing::warn;
use vloopback_abi::v4l2::V4l2PixFormat;
use vloopback_ring::{Board, ClaimsPage, RING_AT_LEAST, SessionPage, cancel, pick, publish, stamp};

use crate::image::TimeoutImage;
use crate::memory::{Page, RingMemory};
use crate::poll_notifier::PollNotifier;
use crate::request_notifier::RequestNotifier;
use crate::{card, futex};
use vloopback_sys::clock::now;

/// Bytes that are copied at a time: the main thread waits for so many at most.
const PIECE: usize = 64 * 1024;
/// The shortest time between two cards, whatever the pusher called the rate.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest time: a new client soon sees a card, even if the pusher's rate was a frame an hour.
const LONGEST: Duration = Duration::from_secs(1);
/// The most bytes of cards in a second, of one pipe: 1920x1080 YUYV 30 times. Larger cards come less often. Whoever
/// sets a format and a rate sets what the card costs the server.
const BYTES: u64 = 1920 * 1080 * 2 * 30;
/// So many pipes can show cards at this rate; with more, all show them less often.
const CARDS: u32 = 4;
/// How many pipes of this process show cards.
static SHOWING: AtomicU32 = AtomicU32::new(0);

/// The text on the card.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sign {
    /// The pipe's number.
    pub(crate) pipe: u32,
    /// N of its output's /dev/videoN.
    pub(crate) node: u32,
}

/// The thread's job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    ring: Arc<RingMemory>,
    pix: V4l2PixFormat,
    period: Duration,
    image: Option<Arc<TimeoutImage>>,
    silence: Option<Silence>,
}

/// A pusher that feeds the pipe, and how long it may publish nothing.
#[derive(Clone, Debug)]
pub(crate) struct Silence {
    /// The pusher's session.
    pub(crate) pusher: u32,
    /// Its page: which slots it is filling.
    pub(crate) page: Arc<Page<SessionPage>>,
    /// How long.
    pub(crate) limit: Duration,
    /// For a zero-copy pusher, which delivers only on request: knows whether there is a request.
    pub(crate) notifier: Option<Arc<RequestNotifier>>,
}

impl Silence {
    /// Whether there is anything that the pusher could publish.
    fn is_possible(&self) -> bool {
        self.notifier.as_ref().is_none_or(|notifier| notifier.awaits_frame())
    }
}

impl Job {
    /// Cards of format `pix` into `ring`, one in `interval` (numerator and denominator) seconds.
    pub(crate) fn new(ring: Arc<RingMemory>, pix: &V4l2PixFormat, interval: (u32, u32)) -> Self {
        let nanos = u64::from(interval.0) * 1_000_000_000 / u64::from(interval.1.max(1));
        let cost = Duration::from_nanos(u64::from(pix.sizeimage) * 1_000_000_000 / BYTES);
        let period = Duration::from_nanos(nanos).max(cost).clamp(SHORTEST, LONGEST.max(cost));
        Self { ring, pix: *pix, period, image: None, silence: None }
    }

    /// With this picture in the card's place.
    pub(crate) fn with_image(self, image: Option<Arc<TimeoutImage>>) -> Self {
        Self { image, ..self }
    }

    /// Only while that pusher is silent.
    pub(crate) fn in_silence(self, silence: Silence) -> Self {
        Self { silence: Some(silence), ..self }
    }

    fn image_number(&self) -> Option<u64> {
        self.image.as_ref().map(|image| image.number())
    }

    fn draw(&self, sign: Sign) -> Option<Vec<u8>> {
        match &self.image {
            Some(image) => image.draw(&self.pix),
            None => card::draw(&self.pix, sign.pipe, sign.node),
        }
    }

    /// The newest publication.
    fn head(&self) -> u64 {
        self.ring.log.head.load(Ordering::Acquire)
    }

    /// Slots that the pusher is filling in place.
    fn filling(&self) -> u32 {
        self.silence.as_ref().map_or(0, |silence| silence.page.filling.load(Ordering::Relaxed))
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        let silence = |job: &Self| job.silence.as_ref().map(|s| (s.pusher, s.limit));
        let ring = |job: &Self| (job.ring.number, job.ring.log_number);
        let what = |job: &Self| (ring(job), job.pix, job.period, job.image_number(), silence(job));
        what(self) == what(other)
    }
}

#[derive(Debug, Default)]
struct State {
    job: Option<Job>,
    /// Counts changes of the job.
    turn: u64,
    running: bool,
    /// Cards published so far.
    shown: u64,
}

/// A pipe's placeholder.
#[derive(Debug)]
pub(crate) struct Placeholder {
    /// The thread's number in shared locks.
    writer: u32,
    sign: Sign,
    board: Arc<Page<Board>>,
    claims_page: Arc<Page<ClaimsPage>>,
    poll_notifier: Arc<PollNotifier>,
    state: Mutex<State>,
    changed: Condvar,
    /// The main thread waits for the state, or is about to.
    is_wanted: AtomicBool,
}

impl Placeholder {
    /// Does nothing yet. `writer` is a number that no process has in shared locks.
    pub(crate) fn new(
        writer: u32,
        sign: Sign,
        board: Arc<Page<Board>>,
        claims_page: Arc<Page<ClaimsPage>>,
        poll_notifier: Arc<PollNotifier>,
    ) -> Arc<Self> {
        let (state, changed, is_wanted) = Default::default();
        Arc::new(Self { writer, sign, board, claims_page, poll_notifier, state, changed, is_wanted })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for the main thread, which comes before the next piece of a card.
    fn state_soon(&self) -> MutexGuard<'_, State> {
        self.is_wanted.store(true, Ordering::Relaxed);
        let state = self.state();
        self.is_wanted.store(false, Ordering::Relaxed);
        state
    }

    /// How many of the pipe's publications, which `head` counts, were not cards.
    pub(crate) fn written(&self, head: impl FnOnce() -> u64) -> u64 {
        // No card comes between the two numbers.
        let state = self.state();
        head().saturating_sub(state.shown)
    }

    /// Stops the thread's work, unless it is this job already. When it returns, nothing of another job
    /// is copied or published any more.
    pub(crate) fn stop_unless(self: &Arc<Self>, job: Option<&Job>) {
        if self.state_soon().job.as_ref() != job {
            self.set(None);
        }
    }

    /// The thread does this from now on. When it returns, nothing of another job is copied or published any more.
    pub(crate) fn set(self: &Arc<Self>, job: Option<Job>) {
        let mut state = self.state_soon();
        if state.job == job {
            return;
        }
        state.turn += 1;
        state.job = job;
        if state.job.is_some() && !state.running {
            let placeholder = self.clone();
            let thread = std::thread::Builder::new()
                .name("placeholder".into())
                .stack_size(512 * 1024)
                .spawn(move || placeholder.run());
            match thread {
                Ok(_) => {
                    state.running = true;
                    SHOWING.fetch_add(1, Ordering::Relaxed);
                }
                Err(e) => {
                    warn!(pipe = self.sign.pipe, "cannot show the placeholder: {e}");
                    state.job = None;
                }
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    fn run(self: Arc<Self>) {
        let mut clock = Clock::default();
        let mut rung = None;
        // None in it: there is no such card, or it could not be written.
        let mut drawn: Option<(Picture, Option<Vec<u8>>)> = None;
        while let Some((turn, job)) = self.next(&mut clock) {
            let picture = (job.pix, job.image_number());
            if drawn.as_ref().is_none_or(|(of, _)| *of != picture) {
                drawn = Some((picture, job.draw(self.sign)));
            }
            let Some((_, Some(card))) = &drawn else { continue };
            match self.show(turn, &job, clock.head, card) {
                Ok(Some(number)) => {
                    clock.head = number;
                    self.ring(&mut rung);
                }
                Ok(None) => {}
                Err(e) => {
                    warn!(pipe = self.sign.pipe, "cannot write the placeholder: {e}");
                    drawn = Some((picture, None));
                }
            }
        }
    }

    /// Sleeps until the next card is due. None: there is nothing more to do.
    fn next(&self, clock: &mut Clock) -> Option<(u64, Job)> {
        let mut state = self.state();
        loop {
            let Some(job) = &state.job else {
                state.running = false;
                SHOWING.fetch_sub(1, Ordering::Relaxed);
                return None;
            };
            let now = Instant::now();
            if clock.turn != state.turn {
                // As a camera's first picture, not at once: who asks without waiting is told to try again,
                // whatever thread is faster.
                let due = now + job.period.min(FIRST);
                *clock = Clock { turn: state.turn, due, heard: now, head: job.head() };
            }
            let mut wait = clock.due.saturating_duration_since(now);
            if let Some(silence) = &job.silence {
                if !silence.is_possible() {
                    clock.heard = now;
                }
                wait = wait.max(clock.until_silent(now, silence.limit, job.head()));
            }
            if wait.is_zero() {
                let others = SHOWING.load(Ordering::Relaxed).div_ceil(CARDS).max(1);
                clock.due = following(clock.due, job.period * others, now);
                return Some((state.turn, job.clone()));
            }
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Publishes one card; its number. None: not now, or not any more. A silent pusher's last publication
    /// is number `head`.
    fn show(&self, turn: u64, job: &Job, head: u64, card: &[u8]) -> Result<Option<u64>, Errno> {
        let log = &job.ring.log;
        if log.lock.try_lock(self.writer).is_err() {
            // A pusher that is leaving, or not silent after all, is still at it; there will be another time.
            return Ok(None);
        }
        let broken = job.silence.is_some() && job.head() != head;
        let done = if broken { Ok(None) } else { self.put(turn, job, card) };
        if log.lock.unlock() {
            futex::wake_all(log.lock.word());
        }
        done
    }

    /// The same, with the right to write.
    fn put(&self, turn: u64, job: &Job, card: &[u8]) -> Result<Option<u64>, Errno> {
        let (log, slots) = (&job.ring.log, job.ring.slots() as usize);
        let picked = {
            let state = self.state();
            if state.turn != turn {
                return Ok(None);
            }
            pick(&self.board, log, &self.claims_page, slots, job.filling())
        };
        let Some(picked) = picked else { return Ok(None) };
        match self.copy(turn, job, picked.slot, card) {
            Ok(true) => {}
            other => {
                cancel(log, picked);
                return other.map(|_| None);
            }
        }
        let number = {
            let mut state = self.state();
            if state.turn != turn {
                cancel(log, picked);
                return Ok(None);
            }
            state.shown += 1;
            let time = stamp(log, None, now()).time;
            publish(log, &self.claims_page, picked, card.len() as u32, time)
        };
        futex::wake_all(&log.seq);
        Ok(Some(number))
    }

    /// Copies a card into a slot. False: the turn is over, and the slot is another writer's.
    fn copy(&self, turn: u64, job: &Job, slot: usize, card: &[u8]) -> Result<bool, Errno> {
        for (k, piece) in card.chunks(PIECE).enumerate() {
            if self.is_wanted.load(Ordering::Relaxed) {
                // The lock is not fair.
                std::thread::yield_now();
            }
            let state = self.state();
            if state.turn != turn {
                return Ok(false);
            }
            job.ring.fill(slot, k * PIECE, piece)?;
        }
        Ok(true)
    }

    /// Wakes the poll notifier for those who wait in poll.
    fn ring(&self, rung: &mut Option<Instant>) {
        let now = Instant::now();
        if self.claims_page.any_armed() || rung.is_none_or(|last| now - last > RING_AT_LEAST) {
            *rung = Some(now);
            self.poll_notifier.ring();
        }
    }
}

/// The longest time to the first card.
const FIRST: Duration = Duration::from_millis(33);

/// What a drawn card is of: its format, and the number of the picture in its place.
type Picture = (V4l2PixFormat, Option<u64>);

/// When the thread shows the next card.
struct Clock {
    turn: u64,
    due: Instant,
    /// When a pusher was last seen to have published something.
    heard: Instant,
    /// The newest publication then, or the card that came after it.
    head: u64,
}

impl Default for Clock {
    fn default() -> Self {
        let now = Instant::now();
        Self { turn: 0, due: now, heard: now, head: 0 }
    }
}

impl Clock {
    /// How long to wait before a pusher may be silent for longer than `limit`; `head` is its newest
    /// publication now. It is looked at a few times meanwhile, so that the limit is kept to a quarter of it.
    fn until_silent(&mut self, now: Instant, limit: Duration, head: u64) -> Duration {
        if head != self.head {
            (self.head, self.heard) = (head, now);
        }
        let left = (self.heard + limit).saturating_duration_since(now);
        left.min((limit / 4).max(SHORTEST))
    }
}

/// The time of the card after the one that was due at `due`: a period later, however late that one came, so
/// that the rate does not drift. Missed cards are not made up for.
fn following(due: Instant, period: Duration, now: Instant) -> Instant {
    (due + period).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Writer;

    #[test]
    fn the_rate_does_not_drift() {
        let (start, period) = (Instant::now(), Duration::from_millis(40));
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(following(start, period, start), at(40));
        assert_eq!(following(start, period, at(7)), at(40), "it came late, the next one does not");
        assert_eq!(following(start, period, at(40)), at(40));
        assert_eq!(following(start, period, at(500)), at(500), "no burst after a pause");
    }

    #[test]
    fn silence_is_kept_to_a_quarter() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let limit = Duration::from_millis(400);
        let mut clock = Clock { turn: 1, due: start, heard: start, head: 7 };
        let mut left = |millis, head| clock.until_silent(at(millis), limit, head).as_millis();
        assert_eq!(left(0, 7), 100);
        assert_eq!(left(350, 7), 50);
        assert_eq!(left(400, 7), 0, "silent for so long");
        assert_eq!(left(500, 7), 0, "and still");
        assert_eq!(left(510, 8), 100, "something was published");
        assert_eq!(left(900, 8), 10);
        assert_eq!(left(910, 8), 0);
    }

    #[test]
    fn periods_are_sensible() {
        let totals = crate::quota::Totals { descriptors: 100, memory: 1 << 30, pipes: 1 };
        let quotas = crate::quota::Quotas::new(0, crate::quota::Limits::default(), totals);
        let writer = Writer { session: 0, uid: 0 };
        let ring = Arc::new(RingMemory::new(&PLAN, (1, 1), 0, writer, &quotas).expect("memory"));
        for ((num, den), period) in [
            ((1, 25), Duration::from_millis(40)),
            ((1001, 30_000), Duration::from_nanos(33_366_666)),
            ((1, u32::MAX), SHORTEST),
            ((u32::MAX, 1), LONGEST),
            ((3600, 1), LONGEST),
        ] {
            let job = Job::new(ring.clone(), &pix(64, 48), (num, den));
            assert_eq!(job.period, period, "{num}/{den}");
        }
        // What a pusher set is not what the server has to spend on it.
        for (width, height, frames) in [(1920, 1080, 30), (4096, 2304, 7), (16384, 16384, 1)] {
            let job = Job::new(ring.clone(), &pix(width, height), (1, 1000));
            let rate = 1.0 / job.period.as_secs_f64();
            assert!(rate <= 1.01 * f64::from(frames), "{width}x{height}: {rate} a second");
            let bytes = rate * f64::from(width * height * 2);
            assert!(bytes <= 1.01 * BYTES as f64, "{width}x{height}: {bytes} bytes a second");
        }
    }

    /// YUYV of that size.
    fn pix(width: u32, height: u32) -> V4l2PixFormat {
        let asked = V4l2PixFormat { width, height, ..vloopback_abi::v4l2::pixel::DEFAULT };
        V4l2PixFormat { sizeimage: width * height * 2, ..asked }
    }

    const PLAN: vloopback_core::RingPlan =
        vloopback_core::RingPlan { width: 1, height: 1, frame_len: 1, buf_len: 4096, slots: 4 };
}
