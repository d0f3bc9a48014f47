//! Every interleaving, as the memory model allows it (loom): the writer against a client that reads
//! in place, against one that copies, and against one that goes to sleep; the lock.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p vloopback-ring --release --target-dir target/loom --test loom
//! ```
//! Threads are preempted at most three times a run, which bounds the search (a model takes seconds)
//! and still contains every bug of this kind that is known.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::{Relaxed, SeqCst};
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use vloopback_ring::{
    Board, ClaimsPage, Event, Events, Log, SharedLock, claim_oldest, find_oldest, pick, publish, still_there,
    unclaim,
};

/// Slots of the models: one that a client holds, one being written, one published.
const SLOTS: usize = 3;
const ROW: usize = 0;

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A frame of memory that races show in: loom stops at an access beside a write.
#[derive(Default)]
struct Exclusive(UnsafeCell<u64>);

impl Exclusive {
    fn write(&self, number: u64) {
        // SAFETY: nobody else accesses the cell meanwhile; that is what the model is to show.
        self.0.with_mut(|cell| unsafe { *cell = number });
    }

    fn read(&self) -> u64 {
        // SAFETY: as above, for writers.
        self.0.with(|cell| unsafe { *cell })
    }
}

/// A frame of memory that copiers read beside the writer: two words, to be torn apart.
#[derive(Default)]
struct Shared([AtomicU64; 2]);

impl Shared {
    fn write(&self, number: u64) {
        self.0[0].store(number, Relaxed);
        self.0[1].store(number, Relaxed);
    }

    fn read(&self) -> [u64; 2] {
        [self.0[0].load(Relaxed), self.0[1].load(Relaxed)]
    }
}

/// A pipe with frames of one kind or the other.
#[derive(Default)]
struct Pipe<F> {
    board: Board,
    log: Log,
    claims_page: ClaimsPage,
    frames: [F; SLOTS],
}

impl<F: Default> Pipe<F> {
    /// A ring in which every slot was written, so that the writer's next slot is the reader's too.
    fn full(write: impl Fn(&F, u64)) -> Arc<Self> {
        let pipe = Self::default();
        pipe.board.quotas[ROW].store(1, SeqCst);
        pipe.publish(SLOTS as u64, write);
        Arc::new(pipe)
    }

    fn publish(&self, frames: u64, write: impl Fn(&F, u64)) {
        for _ in 0..frames {
            let picked = pick(&self.board, &self.log, &self.claims_page, SLOTS, 0).expect("a slot");
            write(&self.frames[picked.slot], self.log.head.load(Relaxed) + 1);
            publish(&self.log, &self.claims_page, picked, 0, 0);
        }
    }
}

/// Held frames are never written, and what the holder did before it gave a slot back happens before
/// the next write.
#[test]
fn a_held_frame_is_never_written() {
    explore(|| {
        let pipe = Pipe::<Exclusive>::full(Exclusive::write);
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || pipe.publish(2, Exclusive::write)
        });
        let mut last = 0;
        for _ in 0..2 {
            if let Some(taken) = claim_oldest(&pipe.log, &pipe.claims_page, ROW, SLOTS, u32::MAX, last) {
                assert!(taken.found.number > last);
                last = taken.found.number;
                assert_eq!(pipe.frames[taken.found.slot].read(), last);
                unclaim(&pipe.claims_page, ROW, 1 << taken.found.slot);
            }
        }
        writer.join().expect("the writer ends");
    });
}

/// The same with a frame that is held while the writer comes round.
#[test]
fn a_frame_stays_what_it_was_while_it_is_held() {
    explore(|| {
        let pipe = Pipe::<Exclusive>::full(Exclusive::write);
        let reader = thread::spawn({
            let pipe = pipe.clone();
            move || {
                // It may find none: the writer comes round faster than the look at the slots.
                if let Some(taken) = claim_oldest(&pipe.log, &pipe.claims_page, ROW, SLOTS, u32::MAX, 0) {
                    for _ in 0..2 {
                        assert_eq!(pipe.frames[taken.found.slot].read(), taken.found.number);
                        thread::yield_now();
                    }
                }
            }
        });
        pipe.publish(3, Exclusive::write);
        reader.join().expect("the reader ends");
    });
}

/// A copy whose slot still holds the publication afterwards is whole.
#[test]
fn a_copy_that_counts_is_whole() {
    explore(|| {
        let pipe = Pipe::<Shared>::full(Shared::write);
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || pipe.publish(2, Shared::write)
        });
        let mut last = 0;
        for _ in 0..2 {
            let Some(found) = find_oldest(&pipe.log, SLOTS, u32::MAX, last) else { continue };
            let copy = pipe.frames[found.slot].read();
            if still_there(&pipe.log, found) {
                assert_eq!(copy, [found.number; 2]);
                last = found.number;
            }
        }
        writer.join().expect("the writer ends");
    });
}

/// One reader in place and one that copies, with one writer.
#[test]
fn both_kinds_of_clients_at_once() {
    explore(|| {
        let pipe = Pipe::<Shared>::full(Shared::write);
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || pipe.publish(1, Shared::write)
        });
        let copier = thread::spawn({
            let pipe = pipe.clone();
            move || {
                let found = find_oldest(&pipe.log, SLOTS, u32::MAX, 0).expect("two slots are published");
                let copy = pipe.frames[found.slot].read();
                assert!(!still_there(&pipe.log, found) || copy == [found.number; 2]);
            }
        });
        let taken = claim_oldest(&pipe.log, &pipe.claims_page, ROW, SLOTS, u32::MAX, 0).expect("a frame");
        assert_eq!(pipe.frames[taken.found.slot].read(), [taken.found.number; 2]);
        writer.join().expect("the writer ends");
        copier.join().expect("the copier ends");
    });
}

/// A client that arms itself and then finds no frame is seen by the writer of the next one.
#[test]
fn nobody_goes_to_sleep_over_a_frame() {
    explore(|| {
        let pipe = Arc::new(Pipe::<Shared>::default());
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || {
                pipe.publish(1, Shared::write);
                pipe.claims_page.any_armed()
            }
        });
        pipe.claims_page.arm(0);
        let sees = find_oldest(&pipe.log, SLOTS, u32::MAX, 0).is_some();
        let rung = writer.join().expect("the writer ends");
        assert!(sees || rung, "asleep, and nobody rings");
    });
}

/// A futex on the lock's word, as the kernel has it: compare and sleep are one step.
#[derive(Default)]
struct Futex {
    queue: Mutex<u32>,
    wakes: Condvar,
}

impl Futex {
    fn wait(&self, word: &AtomicU32, expected: u32) {
        let queue = self.queue.lock().expect("no poison");
        if word.load(SeqCst) == expected {
            drop(self.wakes.wait(queue).expect("no poison"));
        }
    }

    fn wake(&self) {
        drop(self.queue.lock().expect("no poison"));
        self.wakes.notify_all();
    }
}

#[derive(Default)]
struct Locked {
    lock: SharedLock,
    futex: Futex,
    value: Exclusive,
}

impl Locked {
    fn add_one(&self, me: u32) {
        while let Err(owner) = self.lock.try_lock(me) {
            self.futex.wait(self.lock.word(), owner);
        }
        self.value.write(self.value.read() + 1);
        if self.lock.unlock() {
            self.futex.wake();
        }
    }
}

fn locks(first: u32, second: u32) {
    explore(move || {
        let locked = Arc::new(Locked::default());
        let other = thread::spawn({
            let locked = locked.clone();
            move || {
                locked.add_one(first);
                locked.add_one(first);
            }
        });
        locked.add_one(second);
        other.join().expect("it ends");
        assert_eq!(locked.value.read(), 3);
    });
}

/// Writers of two processes take turns, and none sleeps for ever.
#[test]
fn the_lock_serves_two_processes() {
    locks(7, 8);
}

/// Two threads of one process have the same number in the lock.
#[test]
fn the_lock_serves_two_threads_of_one_process() {
    locks(7, 7);
}

/// The daemon takes the lock back from a dead owner while another waits.
#[test]
fn the_lock_outlives_its_owner() {
    explore(|| {
        let locked = Arc::new(Locked::default());
        assert_eq!(locked.lock.try_lock(7), Ok(()));
        let daemon = thread::spawn({
            let locked = locked.clone();
            move || {
                assert!(locked.lock.revoke(7));
                locked.futex.wake();
            }
        });
        locked.add_one(8);
        daemon.join().expect("it ends");
        assert_eq!(locked.value.read(), 1);
    });
}

/// A client takes events while the daemon posts them: none is torn, every change is told, and of the last one
/// it is known that it is there.
#[test]
fn events_are_whole_and_the_last_is_seen() {
    explore(|| {
        let events = Arc::new(Events::default());
        events.subscriptions[0].begin(3, 0);
        let client = thread::spawn({
            let events = events.clone();
            move || {
                events.take().map_or((0, 0), |(event, _)| {
                    assert_eq!((event.sequence, event.time), (event.value, event.value.into()), "torn");
                    (event.value, event.changes)
                })
            }
        });
        for k in 1..=2 {
            let event = Event { kind: 3, id: 0, sequence: k, changes: k, value: k, time: k.into() };
            events.subscriptions[0].post(&event);
        }
        let (first, before) = client.join().expect("it ends");
        let (last, after) = events.take().map_or((first, 0), |(event, _)| (event.value, event.changes));
        assert!(last == 2 && !events.is_pending(), "the last one is lost");
        assert_eq!(before | after, 0b11, "a change is lost");
    });
}
