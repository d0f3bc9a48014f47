//! Records of the daemon's protocol.

use vloopback_wire::{HEAD_LEN, Head, MAGIC, PROTOCOL, Reply, Request};
use zerocopy::{FromBytes, IntoBytes};

/// Any record is answered with a message or an error; what was a message comes back as it went.
pub fn check(data: &[u8]) {
    whole(data);
    // The same behind a head that passes, which random bytes seldom find.
    if let Ok((head, _)) = Head::read_from_prefix(data) {
        let mut record = data.to_vec();
        let kind = head.kind % 128;
        record[..HEAD_LEN]
            .copy_from_slice(Head { magic: MAGIC, protocol: PROTOCOL, kind, ..head }.as_bytes());
        whole(&record);
        whole(&record[..HEAD_LEN]);
    }
}

fn whole(record: &[u8]) {
    if let Ok(request) = Request::decode(record) {
        assert_eq!(Request::decode(request.encode().as_bytes()), Ok(request));
    }
    if let Ok(reply) = Reply::decode(record) {
        let (head, text) = reply.encode();
        let mut again = head.as_bytes().to_vec();
        again.extend_from_slice(text.as_bytes());
        // Text that was no UTF-8 has grown; all else is as long as it was.
        if again.len() <= vloopback_wire::MAX_RECORD {
            let back = Reply::decode(&again).expect("what was encoded can be decoded");
            assert_eq!(back, reply);
        }
    }
}
