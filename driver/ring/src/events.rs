//! V4L2 events of an open file: the daemon posts them, the processes that have the file take them.
//!
//! Each subscription keeps one event, the newest, with the changes of earlier ones that nobody has
//! taken, as in the kernel for controls and changes of the source. The daemon writes all but
//! [`Subscription::taken`], and never waits for a client: each event has a version, odd while it is written.
//! Clients take under the session's lock.

use crate::{AtomicU32, AtomicU64, Ordering, fence};

/// The most subscriptions of an open file: more than there are different ones.
#[cfg(not(loom))]
pub const MAX_SUBSCRIPTIONS: usize = 16;
/// As many as a model can explore.
#[cfg(loom)]
pub const MAX_SUBSCRIPTIONS: usize = 1;

/// How often to read an event that the daemon is writing, before it counts as absent.
const PATIENCE: u32 = if cfg!(loom) { 2 } else { 100 };

/// An event as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `V4L2_EVENT_*`.
    pub kind: u32,
    /// What it is about: a control's id, else 0.
    pub id: u32,
    /// Number among the open file's events, from 0.
    pub sequence: u32,
    /// What changed, a set of bits that depends on the kind.
    pub changes: u32,
    /// A control's value.
    pub value: u32,
    /// When, CLOCK_MONOTONIC nanoseconds.
    pub time: u64,
}

/// A subscription and its event.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Subscription {
    /// `V4L2_EVENT_*`; 0: nobody's.
    kind: AtomicU32,
    id: AtomicU32,
    /// Two more with each event; odd while one is written.
    version: AtomicU32,
    /// The version that was taken last; the only word that clients write.
    taken: AtomicU32,
    sequence: AtomicU32,
    changes: AtomicU32,
    value: AtomicU32,
    reserved: AtomicU32,
    time: AtomicU64,
}

impl Subscription {
    /// For the daemon: begins a subscription. Nothing is pending.
    pub fn begin(&self, kind: u32, id: u32) {
        let version = self.version.load(Ordering::Relaxed) & !1;
        self.version.store(version, Ordering::Relaxed);
        self.taken.store(version, Ordering::Relaxed);
        self.id.store(id, Ordering::Relaxed);
        self.kind.store(kind, Ordering::SeqCst);
    }

    /// For the daemon: ends the subscription and drops what is pending.
    pub fn end(&self) {
        self.kind.store(0, Ordering::SeqCst);
    }

    /// For the daemon: posts an event. Changes that nobody has taken yet are told with it.
    pub fn post(&self, event: &Event) {
        let version = self.version.load(Ordering::Relaxed) & !1;
        let before = match self.taken.load(Ordering::Acquire) == version {
            true => 0,
            false => self.changes.load(Ordering::Relaxed),
        };
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.sequence.store(event.sequence, Ordering::Relaxed);
        self.changes.store(before | event.changes, Ordering::Relaxed);
        self.value.store(event.value, Ordering::Relaxed);
        self.time.store(event.time, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::SeqCst);
    }

    /// Whether there is an event to take.
    pub fn is_pending(&self) -> bool {
        let version = self.version.load(Ordering::SeqCst);
        version & 1 == 0
            && version != self.taken.load(Ordering::Relaxed)
            && self.kind.load(Ordering::SeqCst) != 0
    }

    /// The event and its version, if there is one to take.
    fn peek(&self) -> Option<(u32, Event)> {
        for _ in 0..PATIENCE {
            let version = self.version.load(Ordering::Acquire);
            if version & 1 != 0 {
                core::hint::spin_loop();
                continue;
            }
            if version == self.taken.load(Ordering::Relaxed) {
                return None;
            }
            let event = Event {
                kind: self.kind.load(Ordering::Acquire),
                id: self.id.load(Ordering::Relaxed),
                sequence: self.sequence.load(Ordering::Relaxed),
                changes: self.changes.load(Ordering::Relaxed),
                value: self.value.load(Ordering::Relaxed),
                time: self.time.load(Ordering::Relaxed),
            };
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return Some((version, event)).filter(|_| event.kind != 0);
            }
        }
        None
    }
}

/// The events of an open file.
#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Events {
    /// Subscriptions in force.
    pub subscribed: AtomicU32,
    /// 1: there is an event doorbell, the descriptor that says in poll that an event is pending.
    pub has_doorbell: AtomicU32,
    /// 1: the daemon may be about to make it ready.
    pub ringing: AtomicU32,
    reserved: AtomicU32,
    /// The subscriptions.
    pub subscriptions: [Subscription; MAX_SUBSCRIPTIONS],
}

impl Events {
    /// Whether there is an event to take.
    pub fn is_pending(&self) -> bool {
        self.subscriptions.iter().any(Subscription::is_pending)
    }

    /// Takes the oldest event, and the number of others that are pending. Under the session's lock.
    pub fn take(&self) -> Option<(Event, u32)> {
        let mut pending = 0;
        let mut oldest: Option<(&Subscription, u32, Event)> = None;
        for subscription in &self.subscriptions {
            let Some((version, event)) = subscription.peek() else { continue };
            pending += 1;
            // Sequence numbers run over.
            let is_older = |than: &Event| (event.sequence.wrapping_sub(than.sequence) as i32) < 0;
            if oldest.as_ref().is_none_or(|(_, _, so_far)| is_older(so_far)) {
                oldest = Some((subscription, version, event));
            }
        }
        let (subscription, version, event) = oldest?;
        // One that was posted since is pending all the same.
        subscription.taken.store(version, Ordering::SeqCst);
        Some((event, pending - 1))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn none() -> Events {
        // SAFETY: atomics of 0 are values.
        unsafe { core::mem::zeroed() }
    }

    fn event(kind: u32, sequence: u32, changes: u32, value: u32) -> Event {
        Event { kind, id: kind + 100, sequence, changes, value, time: u64::from(sequence) * 10 }
    }

    #[test]
    fn the_oldest_is_taken_first_and_the_rest_counted() {
        let events = none();
        for (place, kind) in [(0, 5), (1, 3), (7, 2)] {
            events.subscriptions[place].begin(kind, kind + 100);
        }
        assert!(!events.is_pending() && events.take().is_none());
        events.subscriptions[7].post(&event(2, u32::MAX, 0, 0));
        events.subscriptions[1].post(&event(3, 0, 1, 40));
        events.subscriptions[0].post(&event(5, 1, 1, 0));
        assert_eq!(events.take(), Some((event(2, u32::MAX, 0, 0), 2)));
        assert_eq!(events.take(), Some((event(3, 0, 1, 40), 1)));
        assert!(events.is_pending());
        assert_eq!(events.take(), Some((event(5, 1, 1, 0), 0)));
        assert!(!events.is_pending() && events.take().is_none());
    }

    #[test]
    fn one_event_is_kept_with_the_changes_of_those_before_it() {
        let events = none();
        let one = &events.subscriptions[3];
        one.begin(3, 103);
        one.post(&event(3, 0, 2, 1));
        one.post(&event(3, 1, 1, 9));
        assert_eq!(events.take(), Some((event(3, 1, 3, 9), 0)));
        one.post(&event(3, 2, 1, 8));
        assert_eq!(events.take(), Some((event(3, 2, 1, 8), 0)), "what was taken is not told again");
    }

    #[test]
    fn an_end_takes_what_is_pending_along() {
        let events = none();
        let one = &events.subscriptions[0];
        one.begin(5, 0);
        one.post(&event(5, 0, 1, 0));
        one.end();
        assert!(!events.is_pending() && events.take().is_none());
        one.begin(5, 0);
        assert!(!events.is_pending() && events.take().is_none(), "nor does it come back");
    }

    #[test]
    fn one_that_is_being_written_is_not_there_yet() {
        let events = none();
        let one = &events.subscriptions[0];
        one.begin(3, 0);
        one.version.store(1, Ordering::SeqCst);
        assert!(!events.is_pending() && events.take().is_none());
        one.version.store(2, Ordering::SeqCst);
        assert!(events.is_pending() && events.take().is_some());
    }

    #[test]
    fn no_event_is_torn_and_the_last_is_always_seen() {
        let events = none();
        let one = &events.subscriptions[0];
        one.begin(3, 0);
        const LAST: u32 = 100_000;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for k in 0..=LAST {
                    one.post(&Event {
                        sequence: k,
                        value: k,
                        time: k.into(),
                        changes: 1,
                        ..Event::default()
                    });
                }
            });
            let mut seen = None;
            while seen != Some(LAST) {
                let Some((event, 0)) = events.take() else { continue };
                assert_eq!((event.value, event.time), (event.sequence, event.sequence.into()));
                assert!(seen.is_none_or(|last| last < event.sequence), "{seen:?} {event:?}");
                seen = Some(event.sequence);
            }
        });
        assert!(!events.is_pending());
    }
}

#[cfg(not(loom))]
crate::layout::layout!(layout: Events { subscribed, has_doorbell, ringing, reserved, subscriptions });

#[cfg(not(loom))]
crate::layout::layout!(subscription_layout: Subscription { kind, id, version, taken, sequence, changes, value, reserved, time });
