//! Who gets what of a zero-copy pusher's request doorbell, and what can be done to it.

mod common;

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use common::{Daemon, Device};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};
use vloopback_wire::Request;

const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const ENXIO: i32 = 6;

fn request_doorbell(device: &Device) -> Result<Vec<OwnedFd>, i32> {
    device.fetch(&Request::RequestDoorbell { session: device.info.session })
}

fn zero(device: &Device, len: u32) -> Result<Vec<OwnedFd>, i32> {
    device.fetch(&Request::Zero { session: device.info.session, len })
}

/// What poll says of a descriptor at this moment.
fn state(fd: &OwnedFd) -> PollFlags {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).expect("it can be polled");
    fds[0].revents().expect("known flags")
}

#[test]
fn the_pusher_gets_the_doorbell_and_its_clients_ring_it() {
    let daemon = Daemon::new();
    let (input, output, stranger) = (daemon.input(0), daemon.output(0), daemon.output(0));
    assert_eq!(request_doorbell(&input).err(), Some(EINVAL), "not in zero-copy mode");
    zero(&input, 4096).expect("memory");
    let second = daemon.input(0);
    assert_eq!(request_doorbell(&second).err(), Some(EINVAL), "not the pusher");
    zero(&output, 0).expect("a request slot");
    assert_eq!(request_doorbell(&output).err(), Some(ENXIO), "the pusher did not ask for one");
    let [ear, own]: [OwnedFd; 2] =
        request_doorbell(&input).expect("a request doorbell").try_into().expect("both ends");
    let [ringing_end]: [OwnedFd; 1] =
        request_doorbell(&output).expect("a ringing end").try_into().expect("one end");
    assert_eq!(request_doorbell(&stranger).err(), Some(EINVAL), "no client of the pusher's");
    assert_eq!(zero(&second, 4096).err(), Some(EBUSY), "the pipe is another's");
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    for end in [&ringing_end, &own] {
        assert_eq!(state(&ear), PollFlags::empty());
        send(end.as_raw_fd(), &[1], flags).expect("it is rung");
        assert_eq!(state(&ear), PollFlags::POLLIN);
        recv(ear.as_raw_fd(), &mut [0; 1], flags).expect("a byte");
    }
    // Another process of the pusher's gets the same one.
    let [again, _]: [OwnedFd; 2] =
        request_doorbell(&input).expect("a request doorbell").try_into().expect("both ends");
    send(ringing_end.as_raw_fd(), &[1], flags).expect("it is rung");
    assert_eq!(state(&again), PollFlags::POLLIN);
    recv(again.as_raw_fd(), &mut [0; 1], flags).expect("a byte");
    assert_eq!(state(&ear), PollFlags::empty());
    // A client that spoils its end hangs nobody up; nor does the daemon's end.
    shutdown(ringing_end.as_raw_fd(), Shutdown::Both).expect("a socket");
    assert_eq!(state(&ear), PollFlags::empty());
    assert!(send(own.as_raw_fd(), &[1], flags).is_err(), "and who rings sees that it is of no use");
    drop(daemon);
    assert_eq!(state(&ear), PollFlags::empty());
}
