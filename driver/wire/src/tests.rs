//! The messages as records.

use proptest::prelude::*;

use super::*;

#[test]
fn a_build_is_its_version_and_its_layouts() {
    assert_ne!(build_id(1), build_id(2));
    let words = build_id(1);
    assert_eq!(words.as_bytes(), build_text(1).as_bytes(), "{}", build_text(1));
    assert!(build_text(1).starts_with(concat!(env!("CARGO_PKG_VERSION"), "+")));
}

/// The page has one row for each message, in the order of their numbers.
#[test]
fn the_page_has_every_message() {
    let is_number = |cell: &str| cell.parse::<u32>().is_ok();
    let of_message = |line: &&str| {
        line.strip_prefix("//! | ").and_then(|row| row.split(' ').next()).is_some_and(is_number)
    };
    let page: Vec<&str> = include_str!("lib.rs").lines().filter(of_message).collect();
    let all = [("Request", Request::ROWS), ("Reply", Reply::ROWS)];
    let all: Vec<_> = all.iter().flat_map(|(of, rows)| rows.iter().map(move |row| (*of, row))).collect();
    assert_eq!(page.len(), all.len());
    for (line, (of, (number, name))) in page.iter().zip(&all) {
        let row = format!("//! | {number} | [`{of}::{name}`] | ");
        assert!(line.starts_with(&row), "{line} instead of {row}");
    }
    assert!(all.windows(2).all(|pair| pair[0].1.0 < pair[1].1.0), "in order, and no number twice");
}

#[test]
fn every_request_comes_back_as_it_went() {
    for request in [
        Request::Hello { build: build_id(5) },
        Request::Open { node: 3, flags: 0o2, legacy: true },
        Request::Attach,
        Request::Split,
        Request::Claim { session: 9 },
        Request::SetPalette { session: 1, palette: 15, picture: [1, 2, 3, 4, 5, 12] },
        Request::SetSize { session: 1, width: 640, height: 480 },
        Request::Ring { session: 7 },
        Request::Stream { session: 7, on: true, hold: 2, fewer: true },
        Request::SetFormat {
            session: 7,
            format: PixelFormat {
                fourcc: u32::from_le_bytes(*b"MJPG"),
                width: 640,
                height: 480,
                sizeimage: 614_400,
                colorspace: 7,
                colours: 0x0201,
                field: 1,
            },
        },
        Request::Feed { session: 7, on: true, buffers: 4 },
        Request::SetInterval { session: 7, numerator: 1001, denominator: 30_000 },
        Request::SetPriority { session: 7, priority: 3 },
        Request::Zero { session: 7, len: 8192 },
        Request::Doorbell { session: 7, asked: true },
        Request::RequestSlot { session: 7, after: 2 },
        Request::Own { session: 7, on: true },
        Request::SetTimeout { node: 1, width: 64, height: 48, limit: Some(500) },
        Request::SetTimeout { node: 1, width: 0, height: 0, limit: None },
        Request::SetControls { session: 7, which: 5, values: [1, 2, 3, 4, 5] },
        Request::Subscribe { session: 7, kind: 3, id: 0x98_0900, flags: 1 },
        Request::Unsubscribe { session: 7, kind: 3, id: 0x98_0900 },
        Request::EventDoorbell { session: 7 },
        Request::RingEventDoorbell { session: 7 },
        Request::RequestDoorbell { session: 7 },
        Request::Export { session: 7, generation: 2, index: 3, len: 4096, read_only: true },
        Request::LogStatus { session: 7 },
        Request::SetMaxOpeners { node: 3, most: 2 },
        Request::SetLoopbackControl { session: 7, which: 2, value: 3000 },
        Request::Tree,
        Request::List,
        Request::Closed { session: 7 },
    ] {
        assert_eq!(Request::decode(request.encode().as_bytes()), Ok(request));
    }
}

#[test]
fn every_reply_comes_back_as_it_went() {
    let session = SessionInfo {
        session: 1,
        pipe: 2,
        node: 4,
        partner: 5,
        input: true,
        flags: 2,
        legacy: true,
        client: 8,
        idle: Idle::Wait,
        v4l2: true,
        exclusive: true,
        shared: true,
        converts: true,
        answer_timeout: 10_000,
    };
    for reply in [
        Reply::Done,
        Reply::Error(16),
        Reply::Refused("built apart".into()),
        Reply::Welcome { peer: 77 },
        Reply::Session(session),
        Reply::Session(SessionInfo { idle: Idle::Placeholder, ..session }),
        Reply::Session(SessionInfo { idle: Idle::Refuse, ..session }),
        Reply::Ring { ring: 1, slots: 4, slot_len: 4096, log: 9 },
        Reply::Stream { row: 1, quota: 2 },
        Reply::Text("[]".into()),
        Reply::Zero { zero: 3, len: 8192 },
        Reply::RequestSlot { ticket: 3 },
        Reply::Added { index: 1, input: 2, output: 3 },
        Reply::Spec { spec: PipeSpec { input: Some(1), output: Some(0), ..PipeSpec::default() } },
        Reply::Denied { errno: 16, text: "somebody has it".into() },
    ] {
        let (head, text) = reply.encode();
        let mut record = head.as_bytes().to_vec();
        record.extend_from_slice(text.as_bytes());
        assert_eq!(Reply::decode(&record), Ok(reply));
    }
}

#[test]
fn strangers_are_told_apart() {
    assert_eq!(Request::decode(b"GET / HTTP/1.1\r\n"), Err(WireError::Length(16)));
    assert_eq!(Request::decode(&[0; HEAD_LEN]), Err(WireError::Magic));
    let longer = [Request::List.encode().as_bytes(), b"x"].concat();
    assert_eq!(Request::decode(&longer), Err(WireError::Length(HEAD_LEN + 1)));
    let mut other = Request::List.encode();
    other.protocol = 99;
    assert_eq!(Request::decode(other.as_bytes()), Err(WireError::Protocol(99)));
}

proptest! {
    #[test]
    fn any_bytes_are_answered_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::decode(&bytes);
        let _ = Reply::decode(&bytes);
    }

    #[test]
    fn any_numbers_behind_a_true_head_never_panic(kind in 0u32..120, args in any::<[u32; ARGS]>()) {
        let head = Head { magic: MAGIC, protocol: PROTOCOL, kind, args };
        if let Ok(request) = Request::decode(head.as_bytes()) {
            prop_assert_eq!(Request::decode(request.encode().as_bytes()), Ok(request));
        }
        let _ = Reply::decode(head.as_bytes());
    }
}
