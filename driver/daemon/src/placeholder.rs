//! The daemon's own pictures: while a client streams and nobody feeds the pipe, a thread publishes the
//! card ([`crate::card`]) at the nominal rate, as a pusher would.
//!
//! One thread a pipe, started with the first card and ended with the last. The main thread tells it
//! what to do and takes [`Placeholder::state`] for that; the thread holds that lock only for moments, to
//! pick a slot and to publish it, never while it draws, copies or sleeps. When the main thread has
//! changed the turn, nothing of an earlier turn is published any more: so the card has ended before a
//! pusher is told that it feeds the pipe.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tracing::warn;
use vloopback_abi::v4l2::V4l2PixFormat;
use vloopback_ring::{Board, Desk, cancel, pick, publish};

use crate::bell::Bell;
use crate::clock::now;
use crate::memory::{Page, RingMemory};
use crate::{card, futex};

/// The shortest time between two cards, whatever the pusher called the rate.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest: a client that comes sees something soon, though the pusher's rate was a frame an hour.
const LONGEST: Duration = Duration::from_secs(1);
/// Clients that poll are woken at least this often whatever the desk says, so that nobody can keep
/// them asleep by clearing others' marks there.
const RING_AT_LEAST: Duration = Duration::from_millis(50);

/// What is written on the card.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sign {
    /// The pipe's number.
    pub(crate) pipe: u32,
    /// N of its output's /dev/videoN.
    pub(crate) node: u32,
}

/// What the thread has to do.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    ring: Arc<RingMemory>,
    pix: V4l2PixFormat,
    period: Duration,
}

impl Job {
    /// Cards of format `pix` into `ring`, one in `interval` (numerator and denominator) seconds.
    pub(crate) fn new(ring: Arc<RingMemory>, pix: &V4l2PixFormat, interval: (u32, u32)) -> Self {
        let nanos = u64::from(interval.0) * 1_000_000_000 / u64::from(interval.1.max(1));
        Self { ring, pix: *pix, period: Duration::from_nanos(nanos).clamp(SHORTEST, LONGEST) }
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        let what = |job: &Self| (job.ring.number, job.pix, job.period);
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
    desk: Arc<Page<Desk>>,
    bell: Arc<Bell>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Placeholder {
    /// Does nothing yet. `writer` is a number that no process has in shared locks.
    pub(crate) fn new(
        writer: u32,
        sign: Sign,
        board: Arc<Page<Board>>,
        desk: Arc<Page<Desk>>,
        bell: Arc<Bell>,
    ) -> Arc<Self> {
        let (state, changed) = Default::default();
        Arc::new(Self { writer, sign, board, desk, bell, state, changed })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of the pipe's publications, which `head` counts, were not cards.
    pub(crate) fn written(&self, head: impl FnOnce() -> u64) -> u64 {
        // No card comes between the two numbers.
        let state = self.state();
        head().saturating_sub(state.shown)
    }

    /// Stops the thread's work, unless it is this job already. When it returns, nothing of another job
    /// is published any more.
    pub(crate) fn stop_unless(self: &Arc<Self>, job: Option<&Job>) {
        if self.state().job.as_ref() != job {
            self.set(None);
        }
    }

    /// The thread does this from now on. When it returns, nothing of another job is published any more.
    pub(crate) fn set(self: &Arc<Self>, job: Option<Job>) {
        let mut state = self.state();
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
                Ok(_) => state.running = true,
                Err(e) => {
                    warn!(pipe = self.sign.pipe, "no placeholder is shown: {e}");
                    state.job = None;
                }
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    fn run(self: Arc<Self>) {
        let mut clock = Clock { turn: 0, due: Instant::now() };
        let mut rung = None;
        // None in it: there is no such card, or it could not be written.
        let mut drawn: Option<(V4l2PixFormat, Option<Vec<u8>>)> = None;
        while let Some((turn, job)) = self.next(&mut clock) {
            if drawn.as_ref().is_none_or(|(pix, _)| *pix != job.pix) {
                drawn = Some((job.pix, card::draw(&job.pix, self.sign.pipe, self.sign.node)));
            }
            let Some((_, Some(card))) = &drawn else { continue };
            match self.show(turn, &job, card) {
                Ok(true) => self.ring(&mut rung),
                Ok(false) => {}
                Err(e) => {
                    warn!(pipe = self.sign.pipe, "writing the placeholder: {e}");
                    drawn = Some((job.pix, None));
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
                return None;
            };
            let now = Instant::now();
            if clock.turn != state.turn {
                // As a camera's first picture, not at once: who asks without waiting is told to try again,
                // whatever thread is faster.
                *clock = Clock { turn: state.turn, due: now + job.period.min(FIRST) };
            }
            let wait = clock.due.saturating_duration_since(now);
            if wait.is_zero() {
                clock.due = following(clock.due, job.period, now);
                return Some((state.turn, job.clone()));
            }
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Publishes one card. False: not now, or not any more.
    fn show(&self, turn: u64, job: &Job, card: &[u8]) -> Result<bool, Errno> {
        let log = &job.ring.log;
        if log.lock.try_lock(self.writer).is_err() {
            // A pusher that is leaving is still at it; there will be another time.
            return Ok(false);
        }
        let done = self.put(turn, job, card);
        if log.lock.unlock() {
            futex::wake_all(log.lock.word());
        }
        done
    }

    /// The same, with the right to write.
    fn put(&self, turn: u64, job: &Job, card: &[u8]) -> Result<bool, Errno> {
        let (log, slots) = (&job.ring.log, job.ring.slots() as usize);
        let picked = {
            let state = self.state();
            if state.turn != turn {
                return Ok(false);
            }
            pick(&self.board, log, &self.desk, slots, 0)
        };
        let Some(picked) = picked else { return Ok(false) };
        if let Err(e) = job.ring.fill(picked.slot, card) {
            cancel(log, picked);
            return Err(e);
        }
        {
            let mut state = self.state();
            if state.turn != turn {
                cancel(log, picked);
                return Ok(false);
            }
            publish(log, &self.desk, picked, card.len() as u32, now());
            state.shown += 1;
        }
        futex::wake_all(&log.seq);
        Ok(true)
    }

    /// Wakes the ringer for those who wait in poll.
    fn ring(&self, rung: &mut Option<Instant>) {
        let now = Instant::now();
        if self.desk.any_armed() || rung.is_none_or(|last| now - last > RING_AT_LEAST) {
            *rung = Some(now);
            self.bell.ring();
        }
    }
}

/// The longest time to the first card.
const FIRST: Duration = Duration::from_millis(33);

/// When the thread shows the next card.
struct Clock {
    turn: u64,
    due: Instant,
}

/// When the card after the one that was due at `due` is: a period later, however late that one came, so
/// that the rate does not drift. What was missed altogether is not made up for.
fn following(due: Instant, period: Duration, now: Instant) -> Instant {
    (due + period).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn periods_are_sensible() {
        let ring = Arc::new(RingMemory::new(&PLAN, 1, 0, 0).expect("memory"));
        for ((num, den), period) in [
            ((1, 25), Duration::from_millis(40)),
            ((1001, 30_000), Duration::from_nanos(33_366_666)),
            ((1, u32::MAX), SHORTEST),
            ((u32::MAX, 1), LONGEST),
            ((3600, 1), LONGEST),
        ] {
            let job = Job::new(ring.clone(), &vloopback_abi::v4l2::pixel::DEFAULT, (num, den));
            assert_eq!(job.period, period, "{num}/{den}");
        }
    }

    const PLAN: vloopback_core::RingPlan =
        vloopback_core::RingPlan { width: 1, height: 1, frame_len: 1, buf_len: 4096, slots: 4 };
}
