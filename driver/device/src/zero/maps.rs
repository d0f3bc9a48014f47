//! What this process has mapped of zero-copy pushers' memory: that of the pusher in force, and former ones' as long as
//! a call is in them.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use vloopback_ring::PAGE_LEN;
use vloopback_ring::pusher_page::PusherPage;
use vloopback_ring::request_slot::RequestSlot;

use vloopback_sys as sys;
use vloopback_sys::lock::{Local, NoSignals};

/// Zero-copy memories of former pushers that a session keeps: more pushers than that, during one request
/// of a client's, leave what they leave.
const FORMER: usize = 16;

/// A former pusher's memory: where its page, the client's own and the frames are, and the frames' bytes.
/// All zeros: none.
#[derive(Clone, Copy, Debug, Default)]
struct Former {
    pusher_page: usize,
    request_slot: usize,
    frames: usize,
    len: usize,
}

/// The memory in force, and former ones. All zeros: none.
#[derive(Debug, Default)]
pub struct ZeroMaps {
    /// Which memory of the pipe's is mapped here, as the board counts them; 0: none.
    pub number: AtomicU32,
    /// The pusher's page.
    pub pusher_page: AtomicPtr<PusherPage>,
    /// A client's own page of requests.
    pub request_slot: AtomicPtr<RequestSlot>,
    /// The frames, and their bytes.
    pub frames: AtomicPtr<u8>,
    pub len: AtomicUsize,
    /// Calls that are in that memory, or in former ones.
    pub inside: AtomicU32,
    /// Former pushers' memory, kept while somebody is in it.
    former: Local<[Former; FORMER]>,
    has_former: AtomicBool,
}

impl ZeroMaps {
    /// The zero-copy memory that is mapped becomes a former one.
    pub fn keep(&self) {
        let quiet = NoSignals::new();
        let mut former = self.former.lock(&quiet);
        self.number.store(0, Ordering::SeqCst);
        let gone = Former {
            pusher_page: self.pusher_page.swap(core::ptr::null_mut(), Ordering::SeqCst) as usize,
            request_slot: self.request_slot.swap(core::ptr::null_mut(), Ordering::SeqCst) as usize,
            frames: self.frames.swap(core::ptr::null_mut(), Ordering::SeqCst) as usize,
            len: self.len.swap(0, Ordering::SeqCst),
        };
        if let (true, Some(place)) =
            (gone.pusher_page != 0, former.iter_mut().find(|place| place.pusher_page == 0))
        {
            *place = gone;
            self.has_former.store(true, Ordering::SeqCst);
        }
    }

    /// Nobody is in a zero-copy memory through this call any more.
    pub fn leave(&self) {
        if self.inside.fetch_sub(1, Ordering::SeqCst) == 1 && self.has_former.load(Ordering::SeqCst) {
            self.sweep();
        }
    }

    /// Unmaps former pushers' memory if nobody is in it: who comes now finds the one in force.
    pub fn sweep(&self) {
        let quiet = NoSignals::new();
        let mut former = self.former.lock(&quiet);
        if self.inside.load(Ordering::SeqCst) != 0 {
            return;
        }
        for place in &mut *former {
            let Former { pusher_page, request_slot, frames, len } = core::mem::take(place);
            for (at, len) in [(pusher_page, PAGE_LEN), (request_slot, PAGE_LEN), (frames, len)] {
                if at != 0 {
                    // SAFETY: whoever had found these addresses has left; the program's own mappings are
                    // mappings of their own.
                    unsafe { sys::munmap(at as *mut u8, len) };
                }
            }
        }
        self.has_former.store(false, Ordering::SeqCst);
    }
}
