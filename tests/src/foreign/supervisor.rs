//! The supervisor: starts the program, and answers its calls by a device.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::Pid;
use vloopback_device::caller::Call;
use vloopback_device::mappings::Mapping;
use vloopback_device::open_file::OpenFile;
use vloopback_device::publish::IoSlices;
use vloopback_device::{byte_stream, dispatch};
use vloopback_ioctl::UserMemory;
use vloopback_link::connection;
use vloopback_wire::Request;

use super::caller::{Foreign, Process};
use super::notify::{Answer, Listener, NUMBERS, Notification, first_number, install};

/// A number of the program's that is a device's.
struct Number {
    file: &'static OpenFile,
    /// The device, while the number is its window's file.
    away: Option<OwnedFd>,
}

struct Supervisor {
    listener: Listener,
    process: Process,
    numbers: Mutex<BTreeMap<RawFd, Number>>,
}

/// Starts the program and serves it until it has ended. Returns its status. The calling process must have told
/// `vloopback_runtime` which server it uses, and has no use for its own standard input.
///
/// # Errors
/// The program cannot be started, or the system has no seccomp with user notification.
pub fn supervise(command: &mut Command) -> io::Result<i32> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // SAFETY: a handful of system calls; the one allocation is of a child with a single thread, made by vfork's kin.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            let listener = install()?;
            send_descriptor(theirs.as_fd(), BorrowedFd::borrow_raw(listener))
        });
    }
    let mut child = command.spawn()?;
    let listener = Listener(receive_descriptor(ours.as_fd())?);
    let process = Process::new(Pid::from_child(&child))?;
    let supervisor = Arc::new(Supervisor { listener, process, numbers: Mutex::default() });
    std::thread::spawn(move || {
        loop {
            match supervisor.listener.next() {
                Ok(call) => {
                    // Each may sleep.
                    let supervisor = supervisor.clone();
                    std::thread::spawn(move || {
                        let answer = supervisor.serve(&call);
                        supervisor.listener.answer(&call, answer);
                    });
                }
                Err(Errno::INTR | Errno::NOENT) => {}
                Err(_) => return,
            }
        }
    });
    Ok(child.wait()?.code().unwrap_or(1))
}

fn send_descriptor(socket: BorrowedFd, fd: BorrowedFd) -> io::Result<()> {
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(socket, &[IoSlice::new(b"l")], &mut control, SendFlags::empty())?;
    Ok(())
}

fn receive_descriptor(socket: BorrowedFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fds.last().ok_or_else(|| io::Error::other("the program sent no listener"))
}

fn to_answer<T: TryInto<i64>>(result: vloopback_sys::Result<T>) -> Answer {
    match result {
        Ok(value) => value.try_into().map_or(Answer::Fails(libc::EOVERFLOW), Answer::Returns),
        Err(errno) => Answer::Fails(errno.raw()),
    }
}

impl Supervisor {
    fn serve(&self, call: &Notification) -> Answer {
        match call.nr() {
            libc::SYS_open => self.open(call, call.argument(0), call.argument(1)),
            libc::SYS_openat => self.open(call, call.argument(1), call.argument(2)),
            libc::SYS_mmap => self.by_number(call, call.argument(4)),
            _ => self.by_number(call, call.argument(0)),
        }
    }

    /// The path at this address, if it is a node's.
    fn node_at(&self, path: u64) -> Option<u32> {
        const BEFORE: &[u8] = b"/dev/video";
        let mut text = [0; 16];
        // Byte for byte: what follows it may not be there.
        for (k, byte) in text.iter_mut().enumerate() {
            self.process.read(path as usize + k, std::slice::from_mut(byte)).ok()?;
            if *byte == 0 {
                return std::str::from_utf8(text[..k].strip_prefix(BEFORE)?).ok()?.parse().ok();
            }
        }
        None
    }

    fn open(&self, call: &Notification, path: u64, flags: u64) -> Answer {
        let Some(node) = self.node_at(path) else { return Answer::Continue };
        let mut numbers = self.numbers.lock().expect("no thread panics");
        let first = first_number();
        let Some(number) = (first..first + NUMBERS).find(|number| !numbers.contains_key(number)) else {
            return Answer::Fails(libc::EMFILE);
        };
        let legacy = self.process.is_legacy();
        let opened = connection::restarting(|| self.process.files.open(node, flags as c_int, legacy));
        let (fd, file) = match opened {
            Ok(opened) => opened,
            Err(vloopback_sys::Errno::ENOENT | vloopback_sys::Errno::ECONNREFUSED) => {
                return Answer::Continue;
            }
            Err(errno) => return Answer::Fails(errno.raw()),
        };
        // SAFETY: the device has just made it, for its caller to have.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let cloexec = flags as c_int & libc::O_CLOEXEC != 0;
        match self.listener.give(call, fd.as_fd(), Some(number), cloexec) {
            Ok(_) => {
                numbers.insert(number, Number { file, away: None });
                Answer::Returns(number.into())
            }
            Err(errno) => {
                file.release();
                Answer::Fails(errno.raw_os_error())
            }
        }
    }

    /// A call by a number that may be a device's.
    fn by_number(&self, call: &Notification, number: u64) -> Answer {
        let Ok(number) = RawFd::try_from(number) else { return Answer::Continue };
        let pin = {
            let mut numbers = self.numbers.lock().expect("no thread panics");
            let Some(entry) = numbers.get_mut(&number) else { return Answer::Continue };
            if let Some(device) = entry.away.take() {
                if self.listener.give(call, device.as_fd(), Some(number), false).is_err() {
                    entry.away = Some(device);
                    return Answer::Continue;
                }
            }
            if call.nr() == libc::SYS_close {
                return self.close(call, number, &mut numbers);
            }
            let Some(pin) = entry.file.acquire() else { return Answer::Fails(libc::EBADF) };
            pin
        };
        let (process, listener) = (&self.process, &self.listener);
        let caller = Foreign { process, listener, call, number, device: OnceCell::new() };
        let made = Call { file: &pin, caller: &caller };
        let [_, second, third, ..] = [0, 1, 2].map(|k| call.argument(k) as usize);
        match call.nr() {
            libc::SYS_ioctl => {
                to_answer(connection::restarting(|| dispatch::ioctl(&made, second as u64, third)))
            }
            libc::SYS_read => {
                let result = connection::restarting(|| dispatch::read(&made, second, third));
                to_answer(result.map(|count| count as i64))
            }
            libc::SYS_write => {
                let piece = libc::iovec { iov_base: second as *mut _, iov_len: third };
                let result = connection::restarting(|| {
                    byte_stream::write(&made, &IoSlices::of(&caller, std::slice::from_ref(&piece)))
                });
                to_answer(result.map(|count| count as i64))
            }
            libc::SYS_mmap => self.mmap(&made, call, number),
            _ => Answer::Continue,
        }
    }

    /// The number is the window's file until the program's next call by it.
    fn mmap(&self, made: &Call, call: &Notification, number: RawFd) -> Answer {
        let wanted = Mapping {
            addr: call.argument(0) as usize,
            len: call.argument(1) as usize,
            prot: call.argument(2) as c_int,
            flags: call.argument(3) as c_int,
            offset: call.argument(5) as usize,
        };
        let file = match connection::restarting(|| dispatch::window(made, &wanted)) {
            // SAFETY: it is the caller's from now on.
            Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd) },
            Err(errno) => return Answer::Fails(errno.raw()),
        };
        let Ok(device) = self.process.fetch(number) else { return Answer::Fails(libc::EBADF) };
        if let Err(errno) = self.listener.give(call, file.as_fd(), Some(number), false) {
            return Answer::Fails(errno.raw_os_error());
        }
        if let Some(entry) = self.numbers.lock().expect("no thread panics").get_mut(&number) {
            entry.away = Some(device);
        }
        Answer::Continue
    }

    /// The device goes before the program's own close, so that when that returns the server knows.
    fn close(&self, call: &Notification, number: RawFd, numbers: &mut BTreeMap<RawFd, Number>) -> Answer {
        let Ok(nothing) = File::open("/dev/null") else { return Answer::Continue };
        if self.listener.give(call, nothing.as_fd(), Some(number), false).is_ok() {
            if let Some(entry) = numbers.remove(&number) {
                let session = entry.file.info().session;
                entry.file.kick();
                entry.file.release();
                // A server that is gone has nothing left to end.
                let _ = connection::tell(&Request::Closed { session });
            }
        }
        Answer::Continue
    }
}
