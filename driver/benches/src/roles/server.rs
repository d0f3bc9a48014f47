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

/// Linux's, from its headers: which signal O_ASYNC sends.
const F_SETSIG: i32 = 10;

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
    // A signal of its own for the socket, so that neither side pays for a look at the other.
    for (signal, handler) in [(Signal::SIGIO, answer as extern "C" fn(i32)), (Signal::SIGUSR1, echo)] {
        let action = SigAction::new(SigHandler::Handler(handler), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handlers make system calls and read a number each, nothing else.
        unsafe { sigaction(signal, &action) }.map_err(|e| BenchError::system("sigaction", e))?;
    }
    // SAFETY: plain commands of a descriptor that is ours.
    let armed = unsafe {
        let flags = libc::fcntl(socket, libc::F_GETFL);
        libc::fcntl(socket, libc::F_SETOWN, libc::getpid()) == 0
            && libc::fcntl(socket, F_SETSIG, Signal::SIGUSR1 as i32) == 0
            && libc::fcntl(socket, libc::F_SETFL, flags | libc::O_ASYNC) == 0
    };
    if !armed {
        return Err(BenchError::last("O_ASYNC of a socket"));
    }
    serve(args, |_, _| Ok("ok".into()))
}

/// Whether there is something to read, as the API document's pushers ask.
fn is_ready(fd: i32) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry.
    unsafe { libc::poll(&mut entry, 1, 0) > 0 }
}

/// One request for each signal.
extern "C" fn answer(_: i32) {
    let device = DEVICE.load(SeqCst);
    let mut bytes = [0u64; REQUEST / 8];
    // SAFETY: so many bytes; an ioctl that was read is answered with the data behind its number.
    unsafe {
        if is_ready(device) && libc::read(device, bytes.as_mut_ptr().cast(), REQUEST) > 0 {
            libc::ioctl(device, bytes[0], bytes.as_mut_ptr().add(1));
        }
    }
}

/// One message for each signal.
extern "C" fn echo(_: i32) {
    let socket = SOCKET.load(SeqCst);
    let mut bytes = [0u64; REQUEST / 8];
    // SAFETY: so many bytes.
    unsafe {
        if is_ready(socket) {
            let got = libc::read(socket, bytes.as_mut_ptr().cast(), REQUEST);
            if got > 0 {
                libc::write(socket, bytes.as_ptr().cast(), got as usize);
            }
        }
    }
}
