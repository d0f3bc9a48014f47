//! Random sequences of operations against a simple oracle.
//!
//! One thread, so every step is atomic; the writer's picking and publishing are steps of their own,
//! so that clients act in between. What the oracle knows: which publication every slot holds, what
//! each row holds, and that numbers count from 1.
#![cfg(not(loom))]

use std::sync::atomic::Ordering::SeqCst;

use proptest::prelude::*;
use vloopback_ring::{
    Board, ClaimsPage, Log, MAX_ROWS, Picked, cancel, claim_oldest, find_oldest, pick, publish, still_there,
    unclaim,
};

/// The rows that honest clients of the model have; the row after them is a hostile client's.
const ROWS: usize = 3;
const HOSTILE: usize = ROWS;
/// Slots that honest clients may hold between them.
const QUOTA: u32 = 1;
const HOSTILE_QUOTA: u32 = 2;

#[derive(Clone, Debug)]
enum Step {
    /// The writer picks a slot, or publishes the one that it has.
    Write,
    /// The writer gives the slot that it has picked back.
    Cancel,
    /// An honest client takes the next frame, giving back what it holds.
    Take { row: usize },
    /// An honest client gives back what it holds.
    GiveBack { row: usize },
    /// A client looks without claiming, among the slots of a mask.
    Look { mask: u32, back: u64 },
    /// A client would like a slot to be written next.
    Want { row: usize, bits: u32 },
    /// The hostile client writes what it likes.
    Hostile { claims: u32, want: u32 },
    /// Somebody writes into a row that is nobody's.
    Stray { row: usize, claims: u32, want: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Write),
        1 => Just(Step::Cancel),
        4 => (0..ROWS).prop_map(|row| Step::Take { row }),
        2 => (0..ROWS).prop_map(|row| Step::GiveBack { row }),
        2 => (any::<u32>(), 0u64..12).prop_map(|(mask, back)| Step::Look { mask, back }),
        2 => (0..ROWS, 0u32..256).prop_map(|(row, bits)| Step::Want { row, bits }),
        1 => (any::<u32>(), any::<u32>()).prop_map(|(claims, want)| Step::Hostile { claims, want }),
        1 => (HOSTILE + 1..MAX_ROWS, any::<u32>(), any::<u32>())
            .prop_map(|(row, claims, want)| Step::Stray { row, claims, want }),
    ];
    proptest::collection::vec(step, 1..300)
}

/// What must be so, kept in the plainest way.
struct Oracle {
    /// The publication in each slot, 0 for none.
    numbers: Vec<u64>,
    /// The slot and the publication that each honest client holds, and the last one that it had.
    holds: [Option<(usize, u64)>; ROWS],
    last: [u64; ROWS],
    wants: [u32; ROWS],
    hostile_want: u32,
    hostile_claims: u32,
    head: u64,
}

impl Oracle {
    /// The slots that may not be picked: what honest clients hold, and of the hostile one's claims
    /// the lowest as far as granted.
    fn held(&self) -> u32 {
        let honest = self.holds.iter().flatten().fold(0, |all, &(slot, _)| all | 1 << slot);
        let mut granted = 0u32;
        for bit in (0..32).filter(|bit| self.hostile_claims >> bit & 1 != 0).take(HOSTILE_QUOTA as usize) {
            granted |= 1 << bit;
        }
        honest | granted
    }

    fn wanted(&self) -> u32 {
        self.wants.iter().fold(self.hostile_want, |all, w| all | w)
    }

    /// The slot that the writer must take: wanted ones first, then the oldest; the newest publication's only
    /// if no other is free.
    fn pick(&self) -> usize {
        let mut free: Vec<usize> = (0..self.numbers.len()).filter(|&k| self.held() >> k & 1 == 0).collect();
        if free.len() > 1 {
            free.retain(|&k| self.head == 0 || self.numbers[k] != self.head);
        }
        let wanted: Vec<usize> = free.iter().copied().filter(|&k| self.wanted() >> k & 1 != 0).collect();
        let among = if wanted.is_empty() { &free } else { &wanted };
        *among.iter().min_by_key(|&&k| self.numbers[k]).expect("grants leave two slots")
    }

    fn oldest(&self, mask: u32, last: u64) -> Option<(usize, u64)> {
        let mut all: Vec<(u64, usize)> = (0..self.numbers.len())
            .filter(|&k| mask >> k & 1 != 0 && self.numbers[k] > last)
            .map(|k| (self.numbers[k], k))
            .collect();
        all.sort_unstable();
        all.first().map(|&(number, slot)| (slot, number))
    }
}

fn run(slots: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    // SAFETY: the pages consist of atomic integers only, for which zeros are a value.
    let (board, log, claims_page): (Box<Board>, Box<Log>, Box<ClaimsPage>) =
        unsafe { (Box::new(std::mem::zeroed()), Box::new(std::mem::zeroed()), Box::new(std::mem::zeroed())) };
    for row in 0..ROWS {
        board.quotas[row].store(QUOTA, SeqCst);
    }
    board.quotas[HOSTILE].store(HOSTILE_QUOTA, SeqCst);
    let mut oracle = Oracle {
        numbers: vec![0; slots],
        holds: [None; ROWS],
        last: [0; ROWS],
        wants: [0; ROWS],
        hostile_want: 0,
        hostile_claims: 0,
        head: 0,
    };
    let mut picked: Option<Picked> = None;
    for step in steps {
        match *step {
            Step::Write => match picked.take() {
                None => {
                    let expected = oracle.pick();
                    let got =
                        pick(&board, &log, &claims_page, slots, 0).expect("the writer always finds a slot");
                    prop_assert_eq!(got.slot, expected);
                    oracle.numbers[expected] = 0;
                    picked = Some(got);
                }
                Some(p) => {
                    let slot = p.slot;
                    oracle.head += 1;
                    prop_assert_eq!(publish(&log, &claims_page, p, 1, oracle.head * 10), oracle.head);
                    oracle.numbers[slot] = oracle.head;
                    for want in oracle.wants.iter_mut().chain([&mut oracle.hostile_want]) {
                        *want &= !(1 << slot);
                    }
                }
            },
            Step::Cancel => {
                if let Some(p) = picked.take() {
                    oracle.numbers[p.slot] = 0;
                    cancel(&log, p);
                }
            }
            Step::Take { row } => {
                if let Some((slot, _)) = oracle.holds[row].take() {
                    unclaim(&claims_page, row, 1 << slot);
                }
                let expected = oracle.oldest(u32::MAX, oracle.last[row]);
                let taken = claim_oldest(&log, &claims_page, row, slots, u32::MAX, oracle.last[row]);
                prop_assert_eq!(taken.map(|t| (t.found.slot, t.found.number)), expected);
                if let Some(taken) = taken {
                    prop_assert_eq!(taken.time, taken.found.number * 10);
                    oracle.last[row] = taken.found.number;
                }
                oracle.holds[row] = expected;
            }
            Step::GiveBack { row } => {
                if let Some((slot, _)) = oracle.holds[row].take() {
                    unclaim(&claims_page, row, 1 << slot);
                }
            }
            Step::Look { mask, back } => {
                let last = oracle.head.saturating_sub(back);
                let found = find_oldest(&log, slots, mask, last);
                prop_assert_eq!(found.map(|f| (f.slot, f.number)), oracle.oldest(mask, last));
                prop_assert!(found.is_none_or(|f| still_there(&log, f)));
            }
            Step::Want { row, bits } => {
                oracle.wants[row] = bits;
                claims_page.rows[row].want.store(bits, SeqCst);
            }
            Step::Hostile { claims, want } => {
                oracle.hostile_claims = claims;
                oracle.hostile_want = want;
                claims_page.rows[HOSTILE].claims.store(claims, SeqCst);
                claims_page.rows[HOSTILE].want.store(want, SeqCst);
            }
            Step::Stray { row, claims, want } => {
                claims_page.rows[row].claims.store(claims, SeqCst);
                claims_page.rows[row].want.store(want, SeqCst);
            }
        }
        // Whatever happened, what a client holds has not changed.
        for &(slot, number) in oracle.holds.iter().flatten() {
            prop_assert_eq!(log.slots[slot].number.load(SeqCst), number);
        }
        prop_assert_eq!(log.head.load(SeqCst), oracle.head);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    /// Slots: what may be held, one being written, one published.
    #[test]
    fn the_ring_does_what_the_oracle_says(slots in 7usize..=32, steps in steps()) {
        run(slots, &steps)?;
    }
}
