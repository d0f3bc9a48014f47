//! A zero-copy pusher that answers its clients' requests from its signal handler, and beside that what comes
//! over a socket, for comparison.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::{RoleArgs, serve};
use crate::device::File;
use crate::error::BenchError;

/// Bytes of the memory that the clients would map.
const MEMORY: usize = 4096;
/// What the API document recommends for a request.
const REQUEST: usize = 1024;

static DEVICE: AtomicI32 = AtomicI32::new(-1);
static SOCKET: AtomicI32 = AtomicI32::new(-1);

/// Commands: none; it serves until its input ends.
pub fn run(args: &RoleArgs) -> Result<(), BenchError> {
    let failed = |what: &'static str| move |e: io::Error| BenchError::system(what, e);
    let socket = args.pipe.ok_or_else(|| BenchError::last("a socket's end is needed"))?;
    let device = File::open(&args.device, libc::O_RDWR).map_err(failed("opening the device"))?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the system's choice; nobody looks at it.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), MEMORY, protection, libc::MAP_SHARED, device.0, 0) };
    if at == libc::MAP_FAILED {
        return Err(BenchError::last("mapping the device"));
    }
    DEVICE.store(device.0, SeqCst);
    SOCKET.store(socket, SeqCst);
    let action = SigAction::new(SigHandler::Handler(answer), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler makes system calls and reads two numbers, nothing else.
    unsafe { sigaction(Signal::SIGIO, &action) }.map_err(|e| BenchError::system("sigaction", e))?;
    // SAFETY: plain commands of a descriptor that is ours.
    let armed = unsafe {
        let flags = libc::fcntl(socket, libc::F_GETFL);
        libc::fcntl(socket, libc::F_SETOWN, libc::getpid()) == 0
            && libc::fcntl(socket, libc::F_SETFL, flags | libc::O_ASYNC) == 0
    };
    if !armed {
        return Err(BenchError::last("O_ASYNC of a socket"));
    }
    serve(args, |_, _| Ok("ok".into()))
}

/// One request, or one message, for each signal.
extern "C" fn answer(_: i32) {
    let (device, socket) = (DEVICE.load(SeqCst), SOCKET.load(SeqCst));
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut ready = [entry(device), entry(socket)];
    let mut bytes = [0u64; REQUEST / 8];
    // SAFETY: two entries, and so many bytes; an ioctl that was read is answered with the data behind its number.
    unsafe {
        if libc::poll(ready.as_mut_ptr(), 2, 0) <= 0 {
            return;
        }
        if ready[0].revents != 0 && libc::read(device, bytes.as_mut_ptr().cast(), REQUEST) > 0 {
            libc::ioctl(device, bytes[0], bytes.as_mut_ptr().add(1));
        }
        if ready[1].revents != 0 {
            let got = libc::read(socket, bytes.as_mut_ptr().cast(), REQUEST);
            if got > 0 {
                libc::write(socket, bytes.as_ptr().cast(), got as usize);
            }
        }
    }
}
