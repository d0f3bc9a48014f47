use super::*;
use crate::slip::tests::slip;

const PICTURE: Option<Order> = Some(Order { width: 32, height: 16, palette: 7 });

fn hatch() -> Box<Hatch> {
    // SAFETY: the page consists of atomic integers only.
    Box::new(unsafe { core::mem::zeroed() })
}

/// Three clients.
fn clients() -> [Box<Slip>; 3] {
    core::array::from_fn(|_| slip())
}

fn entries(slips: &[Box<Slip>; 3]) -> [Entry<'_>; 3] {
    core::array::from_fn(|k| Entry { ticket: k as u32 + 1, slip: &slips[k] })
}

fn take(hatch: &Hatch, slips: &[Entry]) -> Option<Pending> {
    match hatch.take(slips, PICTURE, 0, &mut [0; MAX_DATA])? {
        Taken::Request(pending, _) => Some(pending),
        Taken::Closing => None,
    }
}

fn answer(hatch: &Hatch, slips: &[Entry], pending: &Pending) {
    let ticket = pending.ticket().expect("a client's");
    assert!(Hatch::slip_of(slips, ticket).expect("there").answer(pending.serial(), |_| 0));
    hatch.done(pending, 0);
}

#[test]
fn clients_come_in_turn_and_one_at_a_time() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    assert!(hatch.seems_idle() && !hatch.has_next(&entries, true, 0));
    for slip in &slips {
        slip.post(request::GCAP, &[], false).expect("open");
    }
    let mut order = Vec::new();
    for _ in 0..7 {
        let pending = take(&hatch, &entries).expect("somebody asks");
        assert_eq!(take(&hatch, &entries), None, "one at a time");
        assert!(!hatch.seems_idle() && !hatch.has_next(&entries, true, 0));
        assert_eq!(hatch.pending(&entries), Some(pending));
        answer(&hatch, &entries, &pending);
        assert_eq!(hatch.pending(&entries), None);
        let ticket = pending.ticket().expect("a client's");
        order.push(ticket);
        // It asks again at once.
        slips[ticket as usize - 1].post(request::GCAP, &[], false).expect("open");
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 3, 1]);
}

#[test]
fn what_is_withdrawn_keeps_nobody_waiting() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    let posted = slips[0].post(request::GCAP, &[], false).expect("open");
    let late = take(&hatch, &entries).expect("posted");
    slips[1].post(request::GWIN, &[], false).expect("open");
    assert!(!hatch.has_next(&entries, true, 0));
    assert!(slips[0].withdraw(posted));
    assert_eq!(hatch.pending(&entries), None, "an answer now is nothing");
    let next = take(&hatch, &entries).expect("the other's");
    assert_eq!((next.ticket(), next.number()), (Some(2), request::GWIN));
    hatch.done(&late, 0);
    assert_eq!(hatch.pending(&entries), Some(next), "the late answer ends nothing of another's");
    hatch.forget_withdrawn(&entries);
    assert_eq!(hatch.pending(&entries), Some(next), "somebody waits for it");
    // And a client that is gone altogether.
    assert!(!hatch.is_busy(&entries[..1]) && !hatch.seems_idle());
    hatch.forget_withdrawn(&entries[..1]);
    assert!(hatch.seems_idle());
}

#[test]
fn closings_come_after_the_requests() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    hatch.tell_closing();
    hatch.tell_closing();
    slips[2].post(7, &[], false).expect("open");
    let pending = take(&hatch, &entries).expect("posted");
    answer(&hatch, &entries, &pending);
    for _ in 0..2 {
        assert!(hatch.has_next(&entries, true, 0));
        assert_eq!(hatch.take(&entries, None, 0, &mut [0; MAX_DATA]), Some(Taken::Closing));
    }
    assert!(!hatch.has_next(&entries, true, 0));
}

#[test]
fn a_capture_is_asked_for_step_by_step() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    slips[0].want();
    slips[2].want();
    assert!(!hatch.has_next(&entries, false, 0), "of what picture?");
    let mut numbers = Vec::new();
    for round in 0..2 {
        loop {
            let pending = take(&hatch, &entries).expect("wanted");
            assert_eq!(pending.ticket(), None);
            numbers.push(pending.number());
            // Others wait while the frame is drawn; what draws nothing does not.
            slips[1]
                .post(if round == 0 { request::MCAPTURE } else { request::GCAP }, &[], false)
                .expect("open");
            assert!(!hatch.has_next(&entries, true, 0));
            assert!(hatch.begin_answer(&pending) && !hatch.begin_answer(&pending));
            match hatch.go_on(0) {
                Progress::Next => {
                    let others = hatch.pick(&entries[1..2], true, 0);
                    assert!(matches!(others, Some(Pick::Capture)) || round == 1);
                }
                Progress::Drawn => break,
                Progress::Refused => panic!("nobody refused"),
            }
            slips[1].abandon();
        }
        assert_eq!(hatch.order(), PICTURE.expect("a picture"));
        hatch.end_capture(false);
        slips[1].abandon();
        assert_eq!((take(&hatch, &entries), hatch.refusals()), (None, 0), "one for both");
        slips[0].want();
    }
    assert_eq!(numbers[..3], [request::GMBUF, request::MCAPTURE, request::SYNC]);
    assert_eq!(numbers[3..], [request::MCAPTURE, request::SYNC], "where it is, is known by now");
}

#[test]
fn a_capture_that_is_not_answered_is_given_up() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    hatch.want();
    let late = take(&hatch, &entries).expect("wanted");
    assert!(!hatch.give_up_capture(5, 10) && !hatch.give_up_capture(50, 0));
    assert!(hatch.give_up_capture(50, 10));
    assert_eq!((hatch.refusals(), hatch.begin_answer(&late)), (1, false));
    // And one whose answerer is gone.
    hatch.want();
    let pending = take(&hatch, &entries).expect("wanted");
    hatch.set_answerer(5);
    assert!(hatch.begin_answer(&pending) && hatch.is_busy(&entries));
    assert!(!hatch.abandon_answer(6) && hatch.is_busy(&entries), "another process's");
    assert!(hatch.abandon_answer(5));
    assert!(!hatch.is_busy(&entries) && hatch.refusals() == 1);
    for _ in 0..2 {
        let pending = take(&hatch, &entries).expect("wanted");
        assert!(hatch.begin_answer(&pending));
        assert_eq!(hatch.go_on(0), Progress::Next);
    }
    take(&hatch, &entries).expect("the picture");
    assert!(!hatch.give_up_capture(50, 10), "it may take its time");
}

/// Whoever looked at the clock and was stopped then meets what is newer than its time.
#[test]
fn what_is_newer_than_the_clock_is_not_late() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    hatch.want();
    let mut data = [0; MAX_DATA];
    let Some(Taken::Request(pending, _)) = hatch.take(&entries, PICTURE, 1000, &mut data) else {
        panic!("wanted")
    };
    assert!(!hatch.give_up_capture(999, 10));
    assert!(hatch.begin_answer(&pending) && hatch.refusals() == 0);
    hatch.end_capture(false);
    // And a client that copies since a moment ago.
    slips[0].post(request::SYNC, &[], true).expect("open");
    slips[1].post(request::SYNC, &[], false).expect("open");
    let pending = take(&hatch, &entries).expect("posted");
    assert!(slips[0].answer(pending.serial(), |_| 0));
    hatch.done(&pending, 1000);
    assert!(!hatch.has_next(&entries, true, 999), "the first one copies");
    assert!(hatch.has_next(&entries, true, 1000 + PATIENCE));
}

#[test]
fn nobody_draws_under_a_copy() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    for (number, draws) in [(request::MCAPTURE, 1), (request::SYNC, 2)] {
        slips[0].post(number, &[], true).expect("open");
        slips[1].post(request::SYNC, &[], false).expect("open");
        let pending = take(&hatch, &entries).expect("posted");
        assert_eq!(pending.ticket(), Some(1));
        assert_eq!((slips[0].draws(), hatch.draws()), (draws, draws));
        answer(&hatch, &entries, &pending);
        assert_eq!(take(&hatch, &entries), None, "the first one is not done");
        assert!(hatch.holds_back());
        slips[1].abandon();
        slips[2].post(request::GPICT, &[], false).expect("open");
        let other = take(&hatch, &entries).expect("what draws nothing");
        answer(&hatch, &entries, &other);
    }
    hatch.want();
    assert!(!hatch.has_next(&entries, true, PATIENCE - 1));
    assert!(hatch.has_next(&entries, true, PATIENCE), "it takes too long");
    assert_eq!(hatch.draws(), slips[0].draws(), "its copy is good as long as nobody draws");
    slips[0].release();
    assert!(hatch.has_next(&entries, true, 0), "it is done");
}

/// Whatever a hostile client writes, nobody panics, and the others are served.
#[test]
fn a_slip_full_of_nonsense_harms_only_its_own() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    for byte in [0xffu8, 0x01, 0x02, 0x83, 0xa5] {
        // SAFETY: the page consists of atomic integers only, and nobody else has it.
        unsafe {
            let page = core::ptr::from_ref::<Slip>(&slips[0]).cast_mut().cast::<u8>();
            core::ptr::write_bytes(page, byte, size_of::<Slip>());
        }
        for _ in 0..5 {
            slips[1].post(request::GCAP, &[], false).expect("open");
            let mut now = 0;
            loop {
                now += PATIENCE;
                match hatch.take(&entries, PICTURE, now, &mut [0; MAX_DATA]) {
                    Some(Taken::Request(pending, _)) => {
                        if pending.ticket() == Some(2) {
                            answer(&hatch, &entries, &pending);
                            break;
                        }
                        if hatch.begin_answer(&pending) {
                            if hatch.go_on(0) == Progress::Drawn {
                                hatch.end_capture(false);
                            }
                        } else {
                            slips[0].answer(pending.serial(), |_| 0);
                            hatch.done(&pending, now);
                        }
                    }
                    Some(Taken::Closing) => {}
                    None => panic!("the honest one is not served beside {byte:#x}"),
                }
            }
        }
    }
}

/// What the pusher has taken and what not; who accepts everything and changes nothing has what it tells.
#[test]
fn palettes_are_remembered() {
    let hatch = hatch();
    assert_eq!(hatch.has_palette(15), None);
    hatch.set_palette(15);
    assert_eq!((hatch.has_palette(15), hatch.has_palette(8)), (Some(true), None));
    hatch.note_set(4, false);
    assert_eq!(hatch.has_palette(4), Some(false));
    // The brightness was refused, not the palette.
    hatch.note_set(15, false);
    assert_eq!(hatch.has_palette(15), Some(true));
    hatch.note_set(8, true);
    assert_eq!(hatch.has_palette(8), None, "it has not told yet");
    hatch.set_palette(8);
    assert_eq!((hatch.has_palette(8), hatch.has_palette(15), hatch.palette()), (Some(true), Some(true), 8));
    hatch.note_set(5, true);
    hatch.set_palette(8);
    assert_eq!(hatch.has_palette(5), Some(false), "it accepted and stayed as it was");
    // Later it does.
    hatch.note_set(5, true);
    hatch.set_palette(5);
    assert_eq!(hatch.has_palette(5), Some(true));
    for nonsense in [0, 32, u32::MAX] {
        hatch.note_set(nonsense, false);
        hatch.set_palette(nonsense);
        assert_eq!(hatch.has_palette(nonsense), None);
    }
}

#[test]
fn what_is_next_says_who_reminds_the_pusher() {
    let (hatch, slips) = (hatch(), clients());
    let entries = entries(&slips);
    assert_eq!(hatch.next(&entries, true, 0), None);
    hatch.tell_closing();
    assert_eq!(hatch.next(&entries, true, 0), Some(Next::Other), "a closing");
    slips[1].post(request::GCAP, &[], false).expect("open");
    assert_eq!(hatch.next(&entries, true, 0), Some(Next::Request));
    let pending = take(&hatch, &entries).expect("a request");
    assert_eq!(hatch.next(&entries, true, 0), None, "one at a time");
    answer(&hatch, &entries, &pending);
    hatch.want();
    assert_eq!(hatch.next(&entries, true, 0), Some(Next::Other), "a capture");
}

#[test]
fn a_pusher_says_how_it_can_be_reached() {
    let hatch = hatch();
    assert!(!hatch.hears() && !hatch.is_read() && !hatch.is_looked_at());
    hatch.set_hears(true);
    hatch.begin_read();
    hatch.begin_read();
    hatch.end_read();
    hatch.set_looking(true);
    assert!(hatch.hears() && hatch.is_read() && hatch.is_looked_at());
    hatch.end_read();
    hatch.set_hears(false);
    hatch.set_looking(false);
    assert!(!hatch.hears() && !hatch.is_read() && !hatch.is_looked_at());
}
