use super::*;
use crate::request_slot::tests::request_slot;

const PICTURE: Option<Order> = Some(Order { width: 32, height: 16, palette: 7 });

fn pusher_page() -> Box<PusherPage> {
    // SAFETY: the page consists of atomic integers only.
    Box::new(unsafe { core::mem::zeroed() })
}

/// Three clients.
fn clients() -> [Box<RequestSlot>; 3] {
    core::array::from_fn(|_| request_slot())
}

fn entries(request_slots: &[Box<RequestSlot>; 3]) -> [Entry<'_>; 3] {
    core::array::from_fn(|k| Entry { ticket: k as u32 + 1, request_slot: &request_slots[k] })
}

fn take(pusher_page: &PusherPage, request_slots: &[Entry]) -> Option<Pending> {
    match pusher_page.take(request_slots, PICTURE, 0, &mut [0; MAX_DATA])? {
        Taken::Request(pending, _) => Some(pending),
        Taken::Closing => None,
    }
}

fn answer(pusher_page: &PusherPage, request_slots: &[Entry], pending: &Pending) {
    let ticket = pending.ticket().expect("a client's");
    assert!(
        PusherPage::request_slot_of(request_slots, ticket).expect("there").answer(pending.serial(), |_| 0)
    );
    pusher_page.done(pending, 0);
}

#[test]
fn clients_come_in_turn_and_one_at_a_time() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    assert!(pusher_page.seems_idle() && !pusher_page.has_next(&entries, true, 0));
    for request_slot in &request_slots {
        request_slot.post(request::GCAP, &[], false).expect("open");
    }
    let mut order = Vec::new();
    for _ in 0..7 {
        let pending = take(&pusher_page, &entries).expect("somebody asks");
        assert_eq!(take(&pusher_page, &entries), None, "one at a time");
        assert!(!pusher_page.seems_idle() && !pusher_page.has_next(&entries, true, 0));
        assert_eq!(pusher_page.pending(&entries), Some(pending));
        answer(&pusher_page, &entries, &pending);
        assert_eq!(pusher_page.pending(&entries), None);
        let ticket = pending.ticket().expect("a client's");
        order.push(ticket);
        // It asks again at once.
        request_slots[ticket as usize - 1].post(request::GCAP, &[], false).expect("open");
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 3, 1]);
}

#[test]
fn what_is_withdrawn_keeps_nobody_waiting() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    let posted = request_slots[0].post(request::GCAP, &[], false).expect("open");
    let late = take(&pusher_page, &entries).expect("posted");
    request_slots[1].post(request::GWIN, &[], false).expect("open");
    assert!(!pusher_page.has_next(&entries, true, 0));
    assert!(request_slots[0].withdraw(posted));
    assert_eq!(pusher_page.pending(&entries), None, "an answer now is nothing");
    let next = take(&pusher_page, &entries).expect("the other's");
    assert_eq!((next.ticket(), next.number()), (Some(2), request::GWIN));
    pusher_page.done(&late, 0);
    assert_eq!(pusher_page.pending(&entries), Some(next), "the late answer ends nothing of another's");
    pusher_page.forget_withdrawn(&entries);
    assert_eq!(pusher_page.pending(&entries), Some(next), "somebody waits for it");
    // And a client that is gone altogether.
    assert!(!pusher_page.is_busy(&entries[..1]) && !pusher_page.seems_idle());
    pusher_page.forget_withdrawn(&entries[..1]);
    assert!(pusher_page.seems_idle());
}

#[test]
fn closings_come_after_the_requests() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    pusher_page.tell_closing();
    pusher_page.tell_closing();
    request_slots[2].post(7, &[], false).expect("open");
    let pending = take(&pusher_page, &entries).expect("posted");
    answer(&pusher_page, &entries, &pending);
    for _ in 0..2 {
        assert!(pusher_page.has_next(&entries, true, 0));
        assert_eq!(pusher_page.take(&entries, None, 0, &mut [0; MAX_DATA]), Some(Taken::Closing));
    }
    assert!(!pusher_page.has_next(&entries, true, 0));
}

#[test]
fn a_capture_is_asked_for_step_by_step() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    request_slots[0].want_frame();
    request_slots[2].want_frame();
    assert!(!pusher_page.has_next(&entries, false, 0), "of what picture?");
    let mut numbers = Vec::new();
    for round in 0..2 {
        loop {
            let pending = take(&pusher_page, &entries).expect("wanted");
            assert_eq!(pending.ticket(), None);
            numbers.push(pending.number());
            // Others wait while the frame is drawn; what draws nothing does not.
            request_slots[1]
                .post(if round == 0 { request::MCAPTURE } else { request::GCAP }, &[], false)
                .expect("open");
            assert!(!pusher_page.has_next(&entries, true, 0));
            assert!(pusher_page.begin_answer(&pending) && !pusher_page.begin_answer(&pending));
            match pusher_page.go_on(0) {
                Progress::Next => {
                    let others = pusher_page.pick(&entries[1..2], true, 0);
                    assert!(matches!(others, Some(Pick::Capture)) || round == 1);
                }
                Progress::Drawn => break,
                Progress::Refused => panic!("nobody refused"),
            }
            request_slots[1].abandon();
        }
        assert_eq!(pusher_page.order(), PICTURE.expect("a picture"));
        pusher_page.end_capture(false);
        request_slots[1].abandon();
        assert_eq!((take(&pusher_page, &entries), pusher_page.refusals()), (None, 0), "one for both");
        request_slots[0].want_frame();
    }
    assert_eq!(numbers[..3], [request::GMBUF, request::MCAPTURE, request::SYNC]);
    assert_eq!(numbers[3..], [request::MCAPTURE, request::SYNC], "where it is, is known by now");
}

#[test]
fn a_capture_that_is_not_answered_is_given_up() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    pusher_page.want_frame();
    let late = take(&pusher_page, &entries).expect("wanted");
    assert!(!pusher_page.give_up_capture(5, 10) && !pusher_page.give_up_capture(50, 0));
    assert!(pusher_page.give_up_capture(50, 10));
    assert_eq!((pusher_page.refusals(), pusher_page.begin_answer(&late)), (1, false));
    // And one whose answerer is gone.
    pusher_page.want_frame();
    let pending = take(&pusher_page, &entries).expect("wanted");
    pusher_page.set_answerer(5);
    assert!(pusher_page.begin_answer(&pending) && pusher_page.is_busy(&entries));
    assert!(!pusher_page.abandon_answer(6) && pusher_page.is_busy(&entries), "another process's");
    assert!(pusher_page.abandon_answer(5));
    assert!(!pusher_page.is_busy(&entries) && pusher_page.refusals() == 1);
    for _ in 0..2 {
        let pending = take(&pusher_page, &entries).expect("wanted");
        assert!(pusher_page.begin_answer(&pending));
        assert_eq!(pusher_page.go_on(0), Progress::Next);
    }
    take(&pusher_page, &entries).expect("the picture");
    assert!(!pusher_page.give_up_capture(50, 10), "it may take its time");
}

/// Whoever looked at the clock and was stopped then meets what is newer than its time.
#[test]
fn what_is_newer_than_the_clock_is_not_late() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    pusher_page.want_frame();
    let mut data = [0; MAX_DATA];
    let Some(Taken::Request(pending, _)) = pusher_page.take(&entries, PICTURE, 1000, &mut data) else {
        panic!("wanted")
    };
    assert!(!pusher_page.give_up_capture(999, 10));
    assert!(pusher_page.begin_answer(&pending) && pusher_page.refusals() == 0);
    pusher_page.end_capture(false);
    // And a client that copies since a moment ago.
    request_slots[0].post(request::SYNC, &[], true).expect("open");
    request_slots[1].post(request::SYNC, &[], false).expect("open");
    let pending = take(&pusher_page, &entries).expect("posted");
    assert!(request_slots[0].answer(pending.serial(), |_| 0));
    pusher_page.done(&pending, 1000);
    assert!(!pusher_page.has_next(&entries, true, 999), "the first one copies");
    assert!(pusher_page.has_next(&entries, true, 1000 + PATIENCE));
}

#[test]
fn nobody_draws_under_a_copy() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    for (number, draws) in [(request::MCAPTURE, 1), (request::SYNC, 2)] {
        request_slots[0].post(number, &[], true).expect("open");
        request_slots[1].post(request::SYNC, &[], false).expect("open");
        let pending = take(&pusher_page, &entries).expect("posted");
        assert_eq!(pending.ticket(), Some(1));
        assert_eq!((request_slots[0].draws(), pusher_page.draws()), (draws, draws));
        answer(&pusher_page, &entries, &pending);
        assert_eq!(take(&pusher_page, &entries), None, "the first one is not done");
        assert!(pusher_page.holds_back());
        request_slots[1].abandon();
        request_slots[2].post(request::GPICT, &[], false).expect("open");
        let other = take(&pusher_page, &entries).expect("what draws nothing");
        answer(&pusher_page, &entries, &other);
    }
    pusher_page.want_frame();
    assert!(!pusher_page.has_next(&entries, true, PATIENCE - 1));
    assert!(pusher_page.has_next(&entries, true, PATIENCE), "it takes too long");
    assert_eq!(pusher_page.draws(), request_slots[0].draws(), "its copy is good as long as nobody draws");
    request_slots[0].release();
    assert!(pusher_page.has_next(&entries, true, 0), "it is done");
}

/// Whatever a hostile client writes, nobody panics, and the others are served.
#[test]
fn a_request_slot_full_of_nonsense_harms_only_its_own() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    for byte in [0xffu8, 0x01, 0x02, 0x83, 0xa5] {
        // SAFETY: the page consists of atomic integers only, and nobody else has it.
        unsafe {
            let page = core::ptr::from_ref::<RequestSlot>(&request_slots[0]).cast_mut().cast::<u8>();
            core::ptr::write_bytes(page, byte, size_of::<RequestSlot>());
        }
        for _ in 0..5 {
            request_slots[1].post(request::GCAP, &[], false).expect("open");
            let mut now = 0;
            loop {
                now += PATIENCE;
                match pusher_page.take(&entries, PICTURE, now, &mut [0; MAX_DATA]) {
                    Some(Taken::Request(pending, _)) => {
                        if pending.ticket() == Some(2) {
                            answer(&pusher_page, &entries, &pending);
                            break;
                        }
                        if pusher_page.begin_answer(&pending) {
                            if pusher_page.go_on(0) == Progress::Drawn {
                                pusher_page.end_capture(false);
                            }
                        } else {
                            request_slots[0].answer(pending.serial(), |_| 0);
                            pusher_page.done(&pending, now);
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
    let pusher_page = pusher_page();
    assert_eq!(pusher_page.has_palette(15), None);
    pusher_page.set_palette(15);
    assert_eq!((pusher_page.has_palette(15), pusher_page.has_palette(8)), (Some(true), None));
    pusher_page.note_set(4, false);
    assert_eq!(pusher_page.has_palette(4), Some(false));
    // The brightness was refused, not the palette.
    pusher_page.note_set(15, false);
    assert_eq!(pusher_page.has_palette(15), Some(true));
    pusher_page.note_set(8, true);
    assert_eq!(pusher_page.has_palette(8), None, "it has not told yet");
    pusher_page.set_palette(8);
    assert_eq!(
        (pusher_page.has_palette(8), pusher_page.has_palette(15), pusher_page.palette()),
        (Some(true), Some(true), 8)
    );
    pusher_page.note_set(5, true);
    pusher_page.set_palette(8);
    assert_eq!(pusher_page.has_palette(5), Some(false), "it accepted and stayed as it was");
    // Later it does.
    pusher_page.note_set(5, true);
    pusher_page.set_palette(5);
    assert_eq!(pusher_page.has_palette(5), Some(true));
    for nonsense in [0, 32, u32::MAX] {
        pusher_page.note_set(nonsense, false);
        pusher_page.set_palette(nonsense);
        assert_eq!(pusher_page.has_palette(nonsense), None);
    }
}

#[test]
fn what_is_next_says_who_reminds_the_pusher() {
    let (pusher_page, request_slots) = (pusher_page(), clients());
    let entries = entries(&request_slots);
    assert_eq!(pusher_page.next(&entries, true, 0), None);
    pusher_page.tell_closing();
    assert_eq!(pusher_page.next(&entries, true, 0), Some(Next::Other), "a closing");
    request_slots[1].post(request::GCAP, &[], false).expect("open");
    assert_eq!(pusher_page.next(&entries, true, 0), Some(Next::Request));
    let pending = take(&pusher_page, &entries).expect("a request");
    assert_eq!(pusher_page.next(&entries, true, 0), None, "one at a time");
    answer(&pusher_page, &entries, &pending);
    pusher_page.want_frame();
    assert_eq!(pusher_page.next(&entries, true, 0), Some(Next::Other), "a capture");
}

#[test]
fn a_pusher_says_how_it_can_be_reached() {
    let pusher_page = pusher_page();
    assert!(!pusher_page.hears() && !pusher_page.is_read() && !pusher_page.is_looked_at());
    pusher_page.set_hears(true);
    pusher_page.begin_read();
    pusher_page.begin_read();
    pusher_page.end_read();
    pusher_page.set_looking(true);
    assert!(pusher_page.hears() && pusher_page.is_read() && pusher_page.is_looked_at());
    pusher_page.end_read();
    pusher_page.set_hears(false);
    pusher_page.set_looking(false);
    assert!(!pusher_page.hears() && !pusher_page.is_read() && !pusher_page.is_looked_at());
}
