//! Records on AF_UNIX sockets, and the descriptors beside them (SCM_RIGHTS).
//!
//! The daemon, the library in a program and the command line's tools all receive by [`receive`]: a descriptor that
//! the kernel has put into this process's table is in the caller's [`FdList`], or it is closed. A peer can send up
//! to 253 descriptors with a record. What is more than the list has room for, the kernel either drops or hands
//! over in part (MSG_CTRUNC); then none is kept.

use core::ffi::{c_int, c_void};

use syscalls::{Sysno, syscall};

use crate::{Errno, Result};

/// The most descriptors that are sent with one record, and that one record is received with: an open device's
/// reply has four.
pub const MAX_FDS: usize = 4;

/// Room for the descriptors beside one record.
#[repr(C, align(8))]
struct Control {
    bytes: [u8; 16 + 4 * MAX_FDS],
}

/// Descriptors that belong to the list until they are taken out, and are closed with it.
#[derive(Debug)]
pub struct FdList {
    fds: [c_int; MAX_FDS],
    len: usize,
}

impl Default for FdList {
    fn default() -> Self {
        Self::new()
    }
}

impl FdList {
    /// None.
    pub const fn new() -> Self {
        Self { fds: [-1; MAX_FDS], len: 0 }
    }

    /// Takes a descriptor that the kernel has just made for us; closes it where there is no room.
    fn push(&mut self, fd: c_int) {
        match self.fds.get_mut(self.len) {
            Some(place) => {
                *place = fd;
                self.len += 1;
            }
            None => close(fd),
        }
    }

    /// How many came, including those that were taken out.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no descriptor came.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The k-th descriptor, which still belongs to the list; -1: there is none.
    pub fn get(&self, k: usize) -> c_int {
        self.fds[..self.len].get(k).copied().unwrap_or(-1)
    }

    /// Takes the k-th descriptor out, which the caller then owns; -1: there is none.
    pub fn take(&mut self, k: usize) -> c_int {
        match self.fds[..self.len].get_mut(k) {
            Some(fd) => core::mem::replace(fd, -1),
            None => -1,
        }
    }

    /// Closes all descriptors that were not taken out.
    pub fn close_all(&mut self) {
        for fd in &mut self.fds[..self.len] {
            if *fd >= 0 {
                close(*fd);
            }
            *fd = -1;
        }
        self.len = 0;
    }
}

impl Drop for FdList {
    fn drop(&mut self) {
        self.close_all();
    }
}

fn close(fd: c_int) {
    // SAFETY: the list owns the descriptor.
    let _ = unsafe { syscall!(Sysno::close, fd) };
}

/// Sends one record, made of pieces, with these descriptors (at most [`MAX_FDS`]). `flags`: MSG_DONTWAIT or 0;
/// SIGPIPE is never raised.
///
/// # Errors
/// As sendmsg(2), but for EINTR. EINVAL: more descriptors than that.
pub fn send(socket: c_int, pieces: [&[u8]; 2], fds: &[c_int], flags: c_int) -> Result<()> {
    if fds.len() > MAX_FDS {
        return Err(Errno::EINVAL);
    }
    let mut iov =
        pieces.map(|piece| libc::iovec { iov_base: piece.as_ptr() as *mut c_void, iov_len: piece.len() });
    let mut control = Control { bytes: [0; size_of::<Control>()] };
    // SAFETY: all zeros is a valid msghdr.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = iov.as_mut_ptr();
    message.msg_iovlen = iov.len() as _;
    if !fds.is_empty() {
        let len = size_of_val(fds) as u32;
        message.msg_control = control.bytes.as_mut_ptr().cast();
        // SAFETY: computes a size.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(len) } as _;
        // SAFETY: the control buffer is aligned and has room for one header and MAX_FDS descriptors.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(len) as _;
            for (k, fd) in fds.iter().enumerate() {
                libc::CMSG_DATA(header).cast::<c_int>().add(k).write_unaligned(*fd);
            }
        }
    }
    loop {
        // SAFETY: the message describes memory that lives.
        match unsafe { syscall!(Sysno::sendmsg, socket, &raw const message, libc::MSG_NOSIGNAL | flags) } {
            Ok(_) => return Ok(()),
            Err(e) if Errno(e.into_raw()) == Errno::EINTR => {}
            Err(e) => return Err(Errno(e.into_raw())),
        }
    }
}

/// What [`receive`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The record's bytes, as many as there was room for; 0 at the end of the connection.
    pub len: usize,
    /// Not all of its descriptors could be received: there were more than [`MAX_FDS`], or than this process has
    /// room for. None of them is kept.
    pub cut: bool,
}

/// Receives one record and its descriptors into `fds`, close-on-exec. Former contents of `fds` are closed.
/// `flags`: MSG_DONTWAIT or 0.
///
/// # Errors
/// As recvmsg(2), but for EINTR.
pub fn receive(socket: c_int, record: &mut [u8], fds: &mut FdList, flags: c_int) -> Result<Received> {
    fds.close_all();
    let mut iov = libc::iovec { iov_base: record.as_mut_ptr().cast(), iov_len: record.len() };
    let mut control = Control { bytes: [0; size_of::<Control>()] };
    // SAFETY: all zeros is a valid msghdr.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.as_mut_ptr().cast();
    message.msg_controllen = control.bytes.len() as _;
    let mut was_reset = false;
    let len = loop {
        let flags = libc::MSG_CMSG_CLOEXEC | flags;
        // SAFETY: the message describes memory that lives.
        match unsafe { syscall!(Sysno::recvmsg, socket, &raw mut message, flags) } {
            Ok(n) => break n,
            Err(e) if Errno(e.into_raw()) == Errno::EINTR => {}
            // The peer has closed without reading what we sent. The kernel says so once, and before it gives what the
            // peer had sent: why it closed, perhaps.
            Err(e) if Errno(e.into_raw()) == Errno::ECONNRESET && !was_reset => was_reset = true,
            Err(e) => return Err(Errno(e.into_raw())),
        }
    };
    // SAFETY: the kernel filled the control buffer and its length in.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give headers inside the buffer.
        unsafe {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let bytes = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                for k in 0..bytes / size_of::<c_int>() {
                    fds.push(libc::CMSG_DATA(header).cast::<c_int>().add(k).read_unaligned());
                }
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    let cut = message.msg_flags & libc::MSG_CTRUNC != 0;
    if cut {
        fds.close_all();
    }
    Ok(Received { len, cut })
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// Tests of one process share its descriptors, which are counted here.
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn open_files() -> usize {
        std::fs::read_dir("/proc/self/fd").expect("/proc").count()
    }

    /// Sends with the C library, which has no limit of ours.
    fn send_many(socket: &UnixDatagram, count: usize) {
        let (file, _other) = std::io::pipe().expect("a pipe");
        let mut control = vec![0u64; 16 + count];
        let mut iov = libc::iovec { iov_base: c"x".as_ptr().cast_mut().cast(), iov_len: 1 };
        // SAFETY: a message of one byte and `count` descriptors, for which `control` has room.
        let sent = unsafe {
            let mut message: libc::msghdr = core::mem::zeroed();
            message.msg_iov = &mut iov;
            message.msg_iovlen = 1;
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(4 * count as u32) as _;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4 * count as u32) as _;
            for k in 0..count {
                libc::CMSG_DATA(header).cast::<c_int>().add(k).write_unaligned(file.as_raw_fd());
            }
            libc::sendmsg(socket.as_raw_fd(), &message, 0)
        };
        assert_eq!(sent, 1);
    }

    #[test]
    fn a_descriptor_is_in_the_list_or_closed() {
        let _alone = ALONE.lock();
        let (ours, theirs) = UnixDatagram::pair().expect("a socket pair");
        let before = open_files();
        let mut record = [0; 8];
        let mut fds = FdList::new();
        for count in [0, 1, MAX_FDS] {
            send_many(&theirs, count);
            let got = receive(ours.as_raw_fd(), &mut record, &mut fds, 0).expect("a record");
            assert_eq!((got, fds.len()), (Received { len: 1, cut: false }, count));
            assert_eq!(open_files(), before + count, "they are in the list");
        }
        // What is in the list already goes, and what is too much is nobody's.
        for count in [MAX_FDS + 1, 8, 100, 253] {
            send_many(&theirs, count);
            let got = receive(ours.as_raw_fd(), &mut record, &mut fds, 0).expect("a record");
            assert_eq!((got.cut, fds.len()), (true, 0), "{count} descriptors");
            assert_eq!(open_files(), before, "{count} descriptors");
        }
        send_many(&theirs, 2);
        receive(ours.as_raw_fd(), &mut record, &mut fds, 0).expect("a record");
        // SAFETY: taken out of the list, so that it is ours.
        let first = unsafe { OwnedFd::from_raw_fd(fds.take(0)) };
        drop(fds);
        assert_eq!(open_files(), before + 1, "what was taken out stays");
        drop(first);
        assert_eq!(open_files(), before);
    }

    /// A peer that says why, and closes without having read what was sent to it.
    #[test]
    fn a_last_word_is_received() {
        let _alone = ALONE.lock();
        let mut pair = [-1; 2];
        // SAFETY: room for two descriptors.
        let made = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, pair.as_mut_ptr()) };
        assert_eq!(made, 0);
        // SAFETY: the kernel has just made them; they are ours alone.
        let [ours, theirs] = pair.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        send(ours.as_raw_fd(), [b"hello", b""], &[], 0).expect("sent");
        send(theirs.as_raw_fd(), [b"no", b""], &[], 0).expect("sent");
        drop(theirs);
        let (mut record, mut fds) = ([0; 8], FdList::new());
        let received = receive(ours.as_raw_fd(), &mut record, &mut fds, 0);
        assert_eq!((received, &record[..2]), (Ok(Received { len: 2, cut: false }), &b"no"[..]));
        let end = receive(ours.as_raw_fd(), &mut record, &mut fds, 0);
        assert_eq!(end, Ok(Received { len: 0, cut: false }));
    }

    #[test]
    fn what_is_sent_arrives_with_its_descriptors() {
        let _alone = ALONE.lock();
        let (ours, theirs) = UnixDatagram::pair().expect("a socket pair");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let fds = [reader.as_raw_fd(), writer.as_raw_fd()];
        send(theirs.as_raw_fd(), [b"ab", b"cde"], &fds, 0).expect("sent");
        let (mut record, mut got) = ([0; 8], FdList::new());
        let received = receive(ours.as_raw_fd(), &mut record, &mut got, libc::MSG_DONTWAIT);
        assert_eq!(received, Ok(Received { len: 5, cut: false }));
        assert_eq!((&record[..5], got.len()), (&b"abcde"[..], 2));
        let nothing = receive(ours.as_raw_fd(), &mut record, &mut got, libc::MSG_DONTWAIT);
        assert_eq!((nothing, got.len()), (Err(Errno::EAGAIN), 0));
        assert_eq!(send(theirs.as_raw_fd(), [b"", b""], &[0; MAX_FDS + 1], 0), Err(Errno::EINVAL));
    }
}
