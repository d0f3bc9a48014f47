//! Each rule of the ring by itself; `tests/model.rs` mixes them, `tests/torn.rs` races them.

use crate::*;

/// One of the shared pages, as a new memory file holds it.
///
/// # Safety
/// All-zero bytes must be a `T`.
unsafe fn zeroed<T>() -> Box<T> {
    // SAFETY: the caller says so.
    Box::new(unsafe { core::mem::zeroed() })
}

/// The three pages of one pipe.
struct Pages {
    board: Box<Board>,
    log: Box<Log>,
    claims_page: Box<ClaimsPage>,
}

impl Pages {
    fn new() -> Self {
        // SAFETY: the pages consist of atomic integers only.
        unsafe { Self { board: zeroed(), log: zeroed(), claims_page: zeroed() } }
    }

    fn grant(&self, row: usize, quota: u32) {
        self.board.quotas[row].store(quota, Ordering::SeqCst);
    }

    fn pick(&self, slots: usize) -> Option<usize> {
        pick(&self.board, &self.log, &self.claims_page, slots, 0).map(|p| p.slot)
    }

    /// One whole publication; tells the slot and the number.
    fn write(&self, slots: usize) -> (usize, u64) {
        let picked = pick(&self.board, &self.log, &self.claims_page, slots, 0).expect("a slot");
        let slot = picked.slot;
        (slot, publish(&self.log, &self.claims_page, picked, 100, 5))
    }

    fn claim(&self, row: usize, slots: usize, last: u64) -> Option<Taken> {
        claim_oldest(&self.log, &self.claims_page, row, slots, u32::MAX, last)
    }

    fn number(&self, slot: usize) -> u64 {
        self.log.slots[slot].number.load(Ordering::SeqCst)
    }
}

#[test]
fn a_lock_has_one_owner() {
    let lock = SharedLock::default();
    assert_eq!(lock.owner(), 0);
    assert_eq!(lock.try_lock(7), Ok(()));
    assert_eq!(lock.owner(), 7);
    assert_eq!(lock.word().load(Ordering::SeqCst), 7);
    let seen = lock.try_lock(7).expect_err("it is not recursive");
    assert_eq!(lock.word().load(Ordering::SeqCst), seen, "what a futex wait compares with");
    assert_ne!(seen, 7, "the mark is in the word: taken anew it is another value");
    assert_eq!(lock.try_lock(8), Err(seen));
    assert_eq!(lock.owner(), 7);
    assert!(lock.unlock(), "somebody asked for it meanwhile");
    assert_eq!(lock.try_lock(8), Ok(()));
    assert!(!lock.unlock(), "nobody asked");
}

#[test]
fn a_lock_is_taken_back_from_the_dead_only() {
    let lock = SharedLock::default();
    assert!(!lock.revoke(7), "nobody has it");
    assert_eq!(lock.try_lock(7), Ok(()));
    assert!(!lock.revoke(8), "it is another's");
    assert_eq!(lock.owner(), 7);
    assert!(lock.revoke(7));
    assert_eq!(lock.try_lock(8), Ok(()));
    assert!(lock.try_lock(9).is_err());
    assert!(lock.revoke(8), "also while another waits for it");
    assert_eq!((lock.owner(), lock.try_lock(9)), (0, Ok(())));
}

#[test]
fn a_half_written_slot_shows_nothing_and_the_next_writer_goes_on() {
    let p = Pages::new();
    for _ in 0..4 {
        p.write(4);
    }
    assert_eq!(p.log.lock.try_lock(7), Ok(()));
    let slot = p.pick(4).expect("a slot");
    // The writer dies here, in mid-copy.
    assert!(invalidate_half_written(&p.log, 7));
    assert!(!invalidate_half_written(&p.log, 7), "once is enough");
    assert_eq!(p.number(slot), 0);
    assert_eq!(find_oldest(&p.log, 4, u32::MAX, 0).map(|f| f.number), Some(2), "the rest stays");
    assert_eq!(p.log.lock.try_lock(8), Ok(()));
    assert_eq!(p.write(4), (slot, 5), "the slot is the next to be written, no number is lost");
}

#[test]
fn a_lifeline_tells_life_from_death() {
    let line = |word| Lifeline { word: AtomicU32::new(word) };
    assert!(!line(4711).is_dead());
    assert!(!line(4711 | Lifeline::WAITERS).is_dead());
    for dead in
        [0, Lifeline::WAITERS, Lifeline::DIED, Lifeline::DIED | Lifeline::WAITERS, 4711 | Lifeline::DIED]
    {
        assert!(line(dead).is_dead(), "{dead:#x}");
    }
}

fn numbered_format(n: u32) -> Format {
    Format {
        palette: n,
        width: n + 1,
        height: n + 2,
        frame_len: n + 3,
        buf_len: n + 4,
        frames: n + 5,
        picture: [n + 6, n + 7, n + 8, n + 9, n + 10, n + 11],
        ring: n + 12,
        slots: n + 13,
        feed: n + 14,
        varies: n + 15,
        pix: Pix {
            fourcc: n + 16,
            width: n + 17,
            height: n + 18,
            bytesperline: n + 19,
            sizeimage: n + 20,
            colorspace: n + 21,
            colours: n + 22,
            field: n + 23,
        },
        interval: [n + 24, n + 25],
        zero: n + 26,
        log: n + 27,
        chosen: n + 28,
        told: n + 29,
    }
}

#[test]
fn a_format_comes_back_as_it_was_set() {
    let p = Pages::new();
    assert_eq!(p.board.format(), Format::default());
    for n in [1000, 5, 77] {
        p.board.set_format(&numbered_format(n));
        assert_eq!(p.board.format(), numbered_format(n));
        assert_eq!(p.board.ring(), n + 12);
        assert_eq!(p.board.feed(), n + 14);
        assert_eq!(p.board.zero(), n + 26);
        assert_eq!(p.board.log(), n + 27);
    }
}

/// Readers see one format or another, never a mixture.
#[test]
fn a_format_is_seen_whole() {
    let p = Pages::new();
    p.board.set_format(&numbered_format(0));
    let board = &*p.board;
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for n in 1..=20_000 {
                board.set_format(&numbered_format(n));
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let seen = board.format();
            assert_eq!(seen, numbered_format(seen.palette));
            assert!(seen.palette >= last, "time does not run backwards");
            last = seen.palette;
        }
    });
    assert_eq!(board.format(), numbered_format(20_000));
}

/// A daemon that was killed in the middle of a change: the reader comes back all the same, and the
/// next daemon's change mends it.
#[test]
fn a_format_left_half_written_hangs_nobody() {
    let p = Pages::new();
    p.board.set_format(&numbered_format(3));
    // The version is the page's first word; nobody but this test may know that.
    let version: *const Board = &*p.board;
    // SAFETY: `repr(C)` puts the version first; it is an atomic, so shared access is fine.
    let version = unsafe { &*version.cast::<AtomicU32>() };
    version.fetch_add(1, Ordering::SeqCst);
    assert_eq!(version.load(Ordering::SeqCst) % 2, 1);
    assert_eq!(p.board.format(), numbered_format(3));
    p.board.set_format(&numbered_format(4));
    assert_eq!(version.load(Ordering::SeqCst) % 2, 0);
    assert_eq!(p.board.format(), numbered_format(4));
}

#[test]
fn arms_are_each_client_s_own() {
    let p = Pages::new();
    assert!(!p.claims_page.any_armed());
    for client in [0, 1, 63, 64, ARM_BITS - 2] {
        p.claims_page.arm(client);
        assert!(p.claims_page.any_armed(), "{client}");
        p.claims_page.disarm(client);
        assert!(!p.claims_page.any_armed(), "{client}");
    }
    p.claims_page.arm(3);
    p.claims_page.arm(4);
    p.claims_page.disarm(3);
    assert!(p.claims_page.any_armed(), "4 is still armed");
    p.claims_page.clear_armed();
    assert!(!p.claims_page.any_armed());
}

/// Clients beyond the bits share the last one, which none of them may clear for the others.
#[test]
fn the_last_arm_bit_is_shared() {
    let p = Pages::new();
    p.claims_page.arm(ARM_BITS - 1);
    p.claims_page.arm(u32::MAX);
    p.claims_page.disarm(u32::MAX);
    p.claims_page.disarm(ARM_BITS - 1);
    assert!(p.claims_page.any_armed());
    p.claims_page.clear_armed();
    assert!(!p.claims_page.any_armed());
}

#[test]
fn numbers_go_up_by_one_and_the_oldest_slot_is_next() {
    let p = Pages::new();
    for n in 1..=20u64 {
        let (slot, number) = p.write(5);
        assert_eq!((slot as u64, number), ((n - 1) % 5, n));
        assert_eq!(p.log.head.load(Ordering::SeqCst), n);
        assert_eq!(u64::from(p.log.seq.load(Ordering::SeqCst)), n);
    }
}

#[test]
fn a_publication_says_how_long_and_when() {
    let p = Pages::new();
    p.grant(0, 1);
    let picked = pick(&p.board, &p.log, &p.claims_page, 4, 0).expect("a slot");
    publish(&p.log, &p.claims_page, picked, 86_400, 123_456_789);
    let taken = p.claim(0, 4, 0).expect("a frame");
    assert_eq!((taken.found, taken.len, taken.time), (Found { slot: 0, number: 1 }, 86_400, 123_456_789));
}

#[test]
fn a_wanted_slot_comes_first() {
    let p = Pages::new();
    p.grant(3, 2);
    for _ in 0..4 {
        p.write(4);
    }
    p.claims_page.rows[3].want.store(1 << 2, Ordering::SeqCst);
    assert_eq!(p.write(4).0, 2, "wanted, though not the oldest");
    assert_eq!(p.claims_page.rows[3].want.load(Ordering::SeqCst), 0, "a wish is granted once");
    assert_eq!(p.write(4).0, 0, "then the oldest again");
    p.claims_page.rows[3].want.store(1 << 3 | 1 << 1, Ordering::SeqCst);
    assert_eq!(p.write(4).0, 1, "the older of two");
    assert_eq!(p.claims_page.rows[3].want.load(Ordering::SeqCst), 1 << 3, "the other stays wanted");
}

/// Few slots are fast slots: what a client that streams alone has just given back is in the cache.
#[test]
fn a_lone_client_s_newest_wish_comes_first() {
    let p = Pages::new();
    p.grant(0, 2);
    p.board.streamers.store(1, Ordering::SeqCst);
    for _ in 0..4 {
        p.write(4);
    }
    p.claims_page.rows[0].want.store(1 << 0 | 1 << 2, Ordering::SeqCst);
    assert_eq!(p.pick(4), Some(0), "who names its frames waits for the one that it named first");
    p.log.slots[0].number.store(1, Ordering::SeqCst);
    p.claims_page.rows[0].turn.store(ANY_ORDER, Ordering::SeqCst);
    assert_eq!(p.write(4).0, 2, "the newer of two");
    assert_eq!(p.write(4).0, 0, "the other one, before any that is not wanted");
    assert_eq!(p.write(4).0, 1, "then the oldest");
}

/// A V4L2 queue is a FIFO: the first in turn comes first, whatever was published there, and so on.
#[test]
fn a_lone_client_s_queue_is_served_in_turn() {
    let p = Pages::new();
    p.grant(0, 4);
    p.board.streamers.store(1, Ordering::SeqCst);
    for _ in 0..6 {
        p.write(4);
    }
    let row = &p.claims_page.rows[0];
    row.want.store(0b1111, Ordering::SeqCst);
    row.turn.store(1, Ordering::SeqCst);
    assert_eq!([p.write(4).0, p.write(4).0, p.write(4).0, p.write(4).0], [0, 1, 2, 3]);
    row.want.store(0b1101, Ordering::SeqCst);
    row.turn.store(3, Ordering::SeqCst);
    assert_eq!([p.write(4).0, p.write(4).0, p.write(4).0], [2, 3, 0]);
    // Of several clients' wishes it is the oldest again.
    p.board.streamers.store(2, Ordering::SeqCst);
    row.want.store(0b0011, Ordering::SeqCst);
    assert_eq!(p.write(4).0, 1);
}

#[test]
fn a_wish_does_not_make_a_held_slot_free() {
    let p = Pages::new();
    p.grant(0, 1);
    p.grant(1, 1);
    for _ in 0..4 {
        p.write(4);
    }
    let taken = p.claim(0, 4, 0).expect("a frame");
    p.claims_page.rows[1].want.store(1 << taken.found.slot, Ordering::SeqCst);
    assert_ne!(p.write(4).0, taken.found.slot);
}

#[test]
fn wishes_without_a_grant_count_for_nothing() {
    let p = Pages::new();
    p.claims_page.rows[5].want.store(1 << 3, Ordering::SeqCst);
    assert_eq!(p.write(4).0, 0);
}

#[test]
fn a_held_slot_is_not_picked_until_it_is_given_back() {
    let p = Pages::new();
    p.grant(0, 2);
    p.write(4);
    let taken = p.claim(0, 4, 0).expect("a frame");
    for _ in 0..12 {
        assert_ne!(p.write(4).0, taken.found.slot);
    }
    assert_eq!(p.number(taken.found.slot), 1);
    unclaim(&p.claims_page, 0, 1 << taken.found.slot);
    assert_eq!(p.write(4).0, taken.found.slot, "it is the oldest by far");
}

#[test]
fn giving_back_one_slot_keeps_the_other() {
    let p = Pages::new();
    p.grant(0, 2);
    p.write(4);
    p.write(4);
    let one = p.claim(0, 4, 0).expect("a frame");
    let two = p.claim(0, 4, one.found.number).expect("a frame");
    assert_eq!((one.found.number, two.found.number), (1, 2));
    unclaim(&p.claims_page, 0, 1 << one.found.slot);
    assert_eq!(p.claims_page.rows[0].claims.load(Ordering::SeqCst), 1 << two.found.slot);
    assert_eq!(p.claim(0, 4, 2), None, "there is no newer one");
    assert_eq!(
        p.claims_page.rows[0].claims.load(Ordering::SeqCst),
        1 << two.found.slot,
        "and none was claimed"
    );
}

/// A hostile client claims every slot, in its own row and in those of others: of each row as much
/// counts as was granted, so that the writer finds a slot.
#[test]
fn more_claims_than_granted_do_not_starve_the_writer() {
    let p = Pages::new();
    for row in &p.claims_page.rows {
        row.claims.store(u32::MAX, Ordering::SeqCst);
        row.want.store(u32::MAX, Ordering::SeqCst);
    }
    assert_eq!(p.pick(4), Some(0), "none is granted");
    p.grant(0, 2);
    for _ in 0..8 {
        let (slot, _) = p.write(4);
        assert!(slot >= 2, "the lowest two bits are what the row may hold");
    }
}

/// The daemon grants at most all slots but two. If it ever did not, the writer says so and goes on.
#[test]
fn a_ring_that_is_all_held_gives_no_slot() {
    let p = Pages::new();
    p.grant(0, 4);
    for _ in 0..4 {
        p.write(4);
    }
    p.claims_page.rows[0].claims.store(0b1111, Ordering::SeqCst);
    assert_eq!(p.pick(4), None);
    assert_eq!((0..4).map(|k| p.number(k)).collect::<Vec<_>>(), [1, 2, 3, 4], "nothing was lost by trying");
}

#[test]
fn slots_that_are_being_filled_are_left_alone() {
    let p = Pages::new();
    for _ in 0..4 {
        p.write(4);
    }
    let filling = pick_this(&p.board, &p.log, &p.claims_page, 1).expect("free");
    assert_eq!(p.number(1), 0, "no client can take it");
    for _ in 0..6 {
        let picked = pick(&p.board, &p.log, &p.claims_page, 4, 1 << 1).expect("a slot");
        assert_ne!(picked.slot, 1);
        publish(&p.log, &p.claims_page, picked, 0, 0);
    }
    assert_eq!(pick(&p.board, &p.log, &p.claims_page, 4, 0b1111), None);
    assert_eq!(publish(&p.log, &p.claims_page, filling, 0, 0), 11);
}

#[test]
fn a_held_slot_cannot_be_chosen_either() {
    let p = Pages::new();
    p.grant(0, 1);
    p.write(4);
    let taken = p.claim(0, 4, 0).expect("a frame");
    assert_eq!(pick_this(&p.board, &p.log, &p.claims_page, taken.found.slot), None);
    assert_eq!(p.number(taken.found.slot), 1, "nothing was lost by trying");
    assert_eq!(pick_this(&p.board, &p.log, &p.claims_page, MAX_SLOTS), None);
}

#[test]
fn the_oldest_after_the_last_one_is_found() {
    let p = Pages::new();
    assert_eq!(find_oldest(&p.log, 4, u32::MAX, 0), None);
    for _ in 0..6 {
        p.write(4);
    }
    // Slots 0 to 3 hold 5, 6, 3, 4.
    let found = |mask, last| find_oldest(&p.log, 4, mask, last).map(|f| (f.slot, f.number));
    assert_eq!(found(u32::MAX, 0), Some((2, 3)));
    assert_eq!(found(u32::MAX, 3), Some((3, 4)));
    assert_eq!(found(u32::MAX, 4), Some((0, 5)));
    assert_eq!(found(u32::MAX, 6), None);
    assert_eq!(found(0b0011, 0), Some((0, 5)), "only among the slots of the mask");
    assert_eq!(found(0, 0), None);
    assert_eq!(find_oldest(&p.log, 2, u32::MAX, 0).map(|f| f.slot), Some(0), "only among so many slots");
    assert_eq!(find_oldest(&p.log, usize::MAX, u32::MAX, 0).map(|f| f.slot), Some(2), "never beyond the log");
}

#[test]
fn a_copy_is_whole_only_if_the_slot_still_holds_it() {
    let p = Pages::new();
    p.write(2);
    let found = find_oldest(&p.log, 2, u32::MAX, 0).expect("a frame");
    assert!(still_there(&p.log, found));
    p.write(2);
    assert!(still_there(&p.log, found), "the other slot was written");
    let picked = pick(&p.board, &p.log, &p.claims_page, 2, 0).expect("a slot");
    assert!(!still_there(&p.log, found), "it is being written");
    publish(&p.log, &p.claims_page, picked, 0, 0);
    assert!(!still_there(&p.log, found), "it holds another");
}

/// Clients were told of it, and the one who is done with its slot is not all of them.
#[test]
fn the_newest_frame_stays_though_its_slot_is_wanted() {
    let p = Pages::new();
    p.grant(0, 2);
    for _ in 0..4 {
        p.write(4);
    }
    p.claims_page.rows[0].want.store(0b1000, Ordering::SeqCst);
    assert_eq!(p.number(3), 4, "the newest");
    for streamers in [0, 2, 40] {
        p.board.streamers.store(streamers, Ordering::SeqCst);
        let picked = pick(&p.board, &p.log, &p.claims_page, 4, 0).expect("a slot");
        assert_eq!(picked.slot, 0, "{streamers} clients");
        assert!(find_oldest(&p.log, 4, u32::MAX, 3).is_some(), "who has had three finds the fourth");
    }
    // There is nobody else.
    p.board.streamers.store(1, Ordering::SeqCst);
    assert_eq!(pick(&p.board, &p.log, &p.claims_page, 4, 0), Some(Picked { slot: 3 }));
    // And better a frame than none.
    let p = Pages::new();
    p.write(2);
    assert_eq!(pick(&p.board, &p.log, &p.claims_page, 2, 0b10), Some(Picked { slot: 0 }));
}

/// It was killed after its frame could be seen, and before it was counted.
#[test]
fn a_publication_that_its_dead_writer_did_not_count_is_counted() {
    let p = Pages::new();
    p.write(4);
    assert_eq!(p.log.lock.try_lock(7), Ok(()));
    p.log.slots[1].number.store(2, Ordering::SeqCst);
    assert!(!invalidate_half_written(&p.log, 8), "it is another's");
    assert_eq!(p.log.head.load(Ordering::SeqCst), 1);
    assert!(invalidate_half_written(&p.log, 7));
    assert_eq!(p.write(4).1, 3, "no number comes twice");
}

#[test]
fn a_cancelled_frame_never_was() {
    let p = Pages::new();
    for _ in 0..4 {
        p.write(4);
    }
    let picked = pick(&p.board, &p.log, &p.claims_page, 4, 0).expect("a slot");
    let slot = picked.slot;
    cancel(&p.log, picked);
    assert_eq!(p.number(slot), 0);
    assert_eq!(p.log.head.load(Ordering::SeqCst), 4);
    assert_eq!(p.write(4), (slot, 5));
}

/// Shared memory may say anything: indices stay within the pages.
#[test]
fn slot_counts_beyond_the_log_are_cut() {
    let p = Pages::new();
    p.grant(0, 1);
    for _ in 0..MAX_SLOTS + 1 {
        p.write(usize::MAX);
    }
    assert_eq!(p.claim(0, usize::MAX, 0).map(|t| t.found.number), Some(2));
}

#[test]
fn the_present_picture_is_the_pushers_newest_frame_and_its_own() {
    let p = Pages::new();
    p.log.base.store(7, Ordering::Relaxed);
    p.log.head.store(7, Ordering::Relaxed);
    p.log.slots[1].number.store(7, Ordering::Relaxed);
    assert_eq!(find_present(&p.log, 4), None, "a former pusher's");
    let (slot, number) = p.write(4);
    assert_eq!(find_present(&p.log, 4), Some(Found { slot, number }));
    p.log.unwatched.fetch_add(1, Ordering::SeqCst);
    assert_eq!(find_present(&p.log, 4), None, "another came that nobody saw");
    let (slot, number) = p.write(4);
    assert_eq!(find_present(&p.log, 4), Some(Found { slot, number }));
    p.log.slots[slot].number.store(0, Ordering::Relaxed);
    assert_eq!(find_present(&p.log, 4), None, "it is being overwritten");
}

#[test]
fn the_pages_have_one_layout() {
    // 64 and 32-bit processes share them: no field may move with the machine's word.
    assert_eq!(size_of::<Slot>(), 64);
    assert_eq!(size_of::<Row>(), 64);
    assert_eq!(core::mem::offset_of!(Log, slots) % 64, 0);
    assert_eq!(core::mem::offset_of!(Log, head), 16);
    assert_eq!(core::mem::offset_of!(ClaimsPage, calls), 72);
    assert_eq!(core::mem::offset_of!(ClaimsPage, rows), 128);
    assert_eq!(core::mem::offset_of!(Board, streamers), 4);
    assert_eq!(core::mem::offset_of!(Board, quotas), 8 + 2 * 4 * 30);
}

/// A client that streams alone and takes frames in slots 0 and 1 only.
fn alone_with_places(frames: u64) -> Pages {
    let p = Pages::new();
    p.grant(0, 2);
    p.board.streamers.store(1, Ordering::SeqCst);
    p.claims_page.rows[0].places.store(0b11, Ordering::SeqCst);
    for _ in 0..frames {
        p.write(4);
    }
    p
}

#[test]
fn a_frame_in_its_place_retires_those_elsewhere() {
    let p = alone_with_places(4);
    retire(&p.board, &p.log, &p.claims_page, 1, 4);
    assert_eq!([0, 1, 2, 3].map(|k| p.number(k)), [1, 2, 0, 0]);
}

#[test]
fn a_burst_that_it_is_late_for_is_kept() {
    let p = alone_with_places(4);
    retire(&p.board, &p.log, &p.claims_page, 2, 4);
    assert_eq!([0, 1, 2, 3].map(|k| p.number(k)), [1, 2, 3, 4], "it waits in no place of its");
}

#[test]
fn nothing_is_retired_beside_other_clients() {
    let p = alone_with_places(4);
    p.board.streamers.store(2, Ordering::SeqCst);
    retire(&p.board, &p.log, &p.claims_page, 0, 4);
    assert_eq!([0, 1, 2, 3].map(|k| p.number(k)), [1, 2, 3, 4]);
    p.board.streamers.store(1, Ordering::SeqCst);
    p.grant(0, 0);
    retire(&p.board, &p.log, &p.claims_page, 0, 4);
    assert_eq!([0, 1, 2, 3].map(|k| p.number(k)), [1, 2, 3, 4], "places without a grant count for nothing");
}

/// A pusher that changes its log all the time keeps nobody: neither clients nor the daemon.
#[test]
fn a_log_that_never_stands_still_keeps_nobody() {
    use core::sync::atomic::AtomicBool;
    let p = Pages::new();
    let (log, claims_page, over) = (&*p.log, &*p.claims_page, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    log.head.fetch_add(1, Ordering::SeqCst);
                    log.slots[0].number.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..10_000 {
            let _ = find_oldest(log, 4, !1, 0);
            let _ = claim_oldest(log, claims_page, 0, 4, u32::MAX, 0);
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// What a pusher wrote beyond the daemon's own count never was; who has not had so much, is not touched.
#[test]
fn a_client_follows_the_log_of_another_pusher() {
    // SAFETY: the page consists of atomic integers only.
    let page = unsafe { zeroed::<SessionPage>() };
    page.last.store(40, Ordering::Relaxed);
    page.base.store(30, Ordering::Relaxed);
    assert_eq!(page.last_in(7, 45), 40);
    page.follow_log(7, 45);
    assert_eq!((page.last.load(Ordering::Relaxed), page.base.load(Ordering::Relaxed)), (40, 30));
    page.last.store(u64::MAX - 40, Ordering::Relaxed);
    assert_eq!(page.last_in(7, 45), u64::MAX - 40, "known: what counts is what it has had");
    page.follow_log(7, 45);
    assert_eq!(page.last.load(Ordering::Relaxed), u64::MAX - 40, "a second time is nothing");
    page.base.store(u64::MAX - 50, Ordering::Relaxed);
    assert_eq!(page.last_in(8, 45), 45);
    page.follow_log(8, 45);
    let (last, base) = (page.last.load(Ordering::Relaxed), page.base.load(Ordering::Relaxed));
    assert_eq!((last, last.wrapping_sub(base)), (45, 10), "the sequence goes on where it was");
    page.last.store(99, Ordering::Relaxed);
    page.base.store(SessionPage::NO_BASE, Ordering::Relaxed);
    page.follow_log(9, 45);
    assert_eq!(page.base.load(Ordering::Relaxed), SessionPage::NO_BASE);
}
