//! Sockets on which the kernel and udev report devices that come and go: they report the pipes' nodes, too.
//!
//! The socket stays the program's own, and reports real devices as before. No unprivileged process can send to it. So
//! its companion says when nodes have changed (`runtime/monitor.rs`, `companion`), and the program receives those changes
//! first: in the kernel's form (group 1), or in udev's (group 2). Without udev, in a container for example, libudev
//! binds to no group at all, and then receives only these.

use crate::errno;
use crate::place;
use crate::real;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU32, Ordering};
use libc::{iovec, msghdr, size_t, sockaddr, sockaddr_nl, socklen_t, ssize_t};
use vloopback_runtime::edge::{self, News};
use vloopback_runtime::stack;
use vloopback_sys::decimal::Decimal;

/// The multicast groups of such sockets.
const KERNEL: u32 = 1;
const UDEV: u32 = 2;

/// How many messages there were. libudev wants each to have a number other than 0. All numbers have the same count of
/// digits, so that a message has the same length when it is peeked at and when it is received.
static NUMBER: AtomicU32 = AtomicU32::new(0);

#[unsafe(no_mangle)]
unsafe extern "C" fn bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    let result = unsafe { real::bind(fd, address, len) };
    if result == 0 && len as usize >= size_of::<sockaddr_nl>() {
        // SAFETY: the kernel has read so many bytes there.
        let address = unsafe { address.cast::<sockaddr_nl>().read_unaligned() };
        if c_int::from(address.nl_family) == libc::AF_NETLINK {
            let before = errno::get();
            if protocol(fd) == Some(libc::NETLINK_KOBJECT_UEVENT) {
                edge::listens(fd, address.nl_groups & KERNEL != 0);
                edge::each_node(|number| {
                    if let Some(kept) = KEPT.get(number as usize) {
                        kept.keep(number);
                    }
                });
            }
            errno::set(before);
        }
    }
    result
}

/// The protocol of a socket. May change errno.
fn protocol(fd: c_int) -> Option<c_int> {
    let mut protocol: c_int = -1;
    let mut len = size_of::<c_int>() as socklen_t;
    // SAFETY: room for the answer, of that length.
    let result = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL, (&raw mut protocol).cast(), &mut len)
    };
    (result == 0).then_some(protocol)
}

// --------------------------------------------------------------------------------------------- messages

/// A message about a device. Such messages are short. A property that does not fit is left out.
struct Message {
    bytes: [u8; 2048],
    len: usize,
}

impl Message {
    fn put(&mut self, piece: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + piece.len()) {
            room.copy_from_slice(piece);
            self.len += piece.len();
        }
    }

    fn number(&mut self, number: u32) {
        self.put(Decimal::new(number.into()).as_bytes());
    }

    /// `TEXT` and a number, with the NUL at the end.
    fn line(&mut self, text: &[u8], number: u32) {
        self.put(text);
        self.number(number);
        self.put(b"\0");
    }

    /// A message about a device, in the kernel's form or in that of libudev's monitor.
    fn new(news: &News) -> Self {
        let mut message = Self { bytes: [0; 2048], len: 0 };
        let action: &[u8] = if news.added { b"add" } else { b"remove" };
        if news.kernel {
            message.put(action);
            message.line(b"@/devices/virtual/video4linux/video", news.node);
        } else {
            // The length of what follows is filled in below; the hashes are for the kernel's filter, which has
            // no part in this.
            message.put(b"libudev\0");
            message.put(&0xfeed_cafe_u32.to_be_bytes());
            for word in [HEADER as u32, HEADER as u32, 0, 0, 0, 0, 0] {
                message.put(&word.to_ne_bytes());
            }
        }
        message.put(b"ACTION=");
        message.put(action);
        message.line(b"\0DEVPATH=/devices/virtual/video4linux/video", news.node);
        message.put(b"SUBSYSTEM=video4linux\0MAJOR=81\0");
        message.line(b"MINOR=", news.node);
        message.line(if news.kernel { b"DEVNAME=video" } else { b"DEVNAME=/dev/video" }, news.node);
        message.line(b"SEQNUM=", NUMBER.fetch_add(1, Ordering::Relaxed) % 1_000_000_000 + 1_000_000_000);
        if !news.kernel {
            message.put(b"USEC_INITIALIZED=1\0");
            message.put_record(news);
            let len = (message.len - HEADER) as u32;
            if let Some(room) = message.bytes.get_mut(20..24) {
                room.copy_from_slice(&len.to_ne_bytes());
            }
        }
        message
    }

    /// The properties in udev's record of a node; for a node that has gone, those that it had. May change errno.
    fn put_record(&mut self, news: &News) {
        let Some(kept) = KEPT.get(news.node as usize) else { return };
        if news.added {
            kept.keep(news.node);
        }
        let mut room = [[0; 4]; RECORD / 4];
        let text = kept.get(&mut room);
        for property in text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"E:")) {
            self.put(property);
            self.put(b"\0");
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Room for a record of udev's.
const RECORD: usize = 384;

/// A node's record as it was last seen. udev reports what it knew of a device also when the device has gone, and
/// listeners read it. These are plain words without a lock: two writers of one record write the same.
struct Kept {
    len: AtomicU32,
    words: [AtomicU32; RECORD / 4],
}

static KEPT: [Kept; 256] =
    [const { Kept { len: AtomicU32::new(0), words: [const { AtomicU32::new(0) }; RECORD / 4] } }; 256];

impl Kept {
    /// Reads the record of node `number` from the tree. May change errno.
    fn keep(&self, number: u32) {
        let Some(place) = place::udev_record(number) else { return };
        let Some(path) = place.mapped() else { return };
        let mut text = [[0_u8; 4]; RECORD / 4];
        // SAFETY: a C string; a descriptor that is ours; a buffer of that length.
        let got = unsafe {
            let fd = real::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0);
            if fd < 0 {
                return;
            }
            let got = real::read(fd, text.as_mut_ptr().cast(), RECORD);
            real::close(fd);
            got
        };
        let Ok(len) = u32::try_from(got) else { return };
        for (word, bytes) in self.words.iter().zip(&text) {
            word.store(u32::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        self.len.store(len, Ordering::Release);
    }

    fn get<'room>(&self, room: &'room mut [[u8; 4]; RECORD / 4]) -> &'room [u8] {
        let len = self.len.load(Ordering::Acquire) as usize;
        for (word, bytes) in self.words.iter().zip(&mut *room) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        room.as_flattened().get(..len).unwrap_or(&[])
    }
}

/// The length of what comes before the properties in libudev's messages.
const HEADER: usize = 40;

// --------------------------------------------------------------------------------------------- receiving

/// The next message for the socket, if it listens for devices. Waits for one as a receive does.
#[inline]
fn told(fd: c_int, flags: c_int) -> Option<News> {
    if edge::has_monitors() && edge::monitor_number(fd).is_some() { news(fd, flags) } else { None }
}

#[cold]
fn news(fd: c_int, flags: c_int) -> Option<News> {
    if flags & (libc::MSG_OOB | libc::MSG_ERRQUEUE) != 0 {
        return None;
    }
    let peek = flags & libc::MSG_PEEK != 0;
    let before = errno::get();
    // SAFETY: looks only.
    let is_patient = || unsafe { real::fcntl(fd, libc::F_GETFL, 0) } & libc::O_NONBLOCK == 0;
    let mut news = edge::news(fd, peek);
    if news.is_none() && flags & libc::MSG_DONTWAIT == 0 && is_patient() {
        // A signal ends the wait, too. The program's own call then reports it.
        while !is_readable(fd) && edge::wait_for_news(fd) {
            news = edge::news(fd, peek);
            if news.is_some() {
                break;
            }
        }
    }
    errno::set(before);
    news
}

/// Whether the socket itself has a message.
fn is_readable(fd: c_int) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry; does not wait.
    unsafe { real::poll(&mut entry, 1, 0) != 0 }
}

/// Copies a message to the program's buffers. Returns what a receive returns, and whether the message was cut.
fn hand_over(message: &Message, pieces: &[iovec], flags: c_int) -> (ssize_t, bool) {
    let bytes = message.bytes();
    let mut rest = bytes;
    for piece in pieces {
        let (now, later) = rest.split_at(rest.len().min(piece.iov_len));
        if !now.is_empty() {
            // SAFETY: the program's own room, of at least so many bytes.
            unsafe { core::ptr::copy_nonoverlapping(now.as_ptr(), piece.iov_base.cast::<u8>(), now.len()) };
        }
        rest = later;
    }
    let count = if flags & libc::MSG_TRUNC != 0 { bytes.len() } else { bytes.len() - rest.len() };
    (count as ssize_t, !rest.is_empty())
}

/// The sender of such messages: the kernel has port 0, udev another port.
fn sender(news: &News) -> sockaddr_nl {
    // SAFETY: integers, for which all zeros is a value.
    let mut sender: sockaddr_nl = unsafe { core::mem::zeroed() };
    sender.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    (sender.nl_pid, sender.nl_groups) = if news.kernel { (0, KERNEL) } else { (1, UDEV) };
    sender
}

/// Writes the sender's address where the program wants it.
fn tell_sender(news: &News, address: *mut c_void, len: &mut socklen_t) {
    let sender = sender(news);
    let room = (*len as usize).min(size_of::<sockaddr_nl>());
    // SAFETY: the program's room, of at least so many bytes.
    unsafe { core::ptr::copy_nonoverlapping((&raw const sender).cast::<u8>(), address.cast::<u8>(), room) };
    *len = size_of::<sockaddr_nl>() as socklen_t;
}

/// Receives a message into one buffer, with the sender's address where the program wants it.
fn receive(
    news: &News,
    (buf, len): (*mut c_void, size_t),
    flags: c_int,
    (address, address_len): (*mut sockaddr, *mut socklen_t),
) -> ssize_t {
    let before = errno::get();
    let message = Message::new(news);
    errno::set(before);
    if !address.is_null() && !address_len.is_null() {
        // SAFETY: the program's own places.
        tell_sender(news, address.cast(), unsafe { &mut *address_len });
    }
    hand_over(&message, &[iovec { iov_base: buf, iov_len: len }], flags).0
}

const NOBODY: (*mut sockaddr, *mut socklen_t) = (core::ptr::null_mut(), core::ptr::null_mut());

#[unsafe(no_mangle)]
unsafe extern "C" fn recv(fd: c_int, buf: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
    stack::align();
    match told(fd, flags) {
        Some(news) => receive(&news, (buf, len), flags, NOBODY),
        // SAFETY: the program's own arguments.
        None => unsafe { real::recv(fd, buf, len, flags) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __recv_chk(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    room: size_t,
    flags: c_int,
) -> ssize_t {
    stack::align();
    // The C library's function ends the program if the length exceeds the buffer.
    match told(fd, flags).filter(|_| len <= room) {
        Some(news) => receive(&news, (buf, len), flags, NOBODY),
        // SAFETY: the program's own arguments.
        None => unsafe { real::__recv_chk(fd, buf, len, room, flags) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvfrom(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    stack::align();
    match told(fd, flags) {
        Some(news) => receive(&news, (buf, len), flags, (address, address_len)),
        // SAFETY: the program's own arguments.
        None => unsafe { real::recvfrom(fd, buf, len, flags, address, address_len) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __recvfrom_chk(
    fd: c_int,
    buf: *mut c_void,
    len: size_t,
    room: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    stack::align();
    match told(fd, flags).filter(|_| len <= room) {
        Some(news) => receive(&news, (buf, len), flags, (address, address_len)),
        // SAFETY: the program's own arguments.
        None => unsafe { real::__recvfrom_chk(fd, buf, len, room, flags, address, address_len) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvmsg(fd: c_int, header: *mut msghdr, flags: c_int) -> ssize_t {
    stack::align();
    match told(fd, flags).filter(|_| !header.is_null()) {
        // SAFETY: the program's own argument.
        Some(news) => receive_message(&news, unsafe { &mut *header }, flags),
        // SAFETY: the program's own arguments.
        None => unsafe { real::recvmsg(fd, header, flags) },
    }
}

#[cold]
fn receive_message(news: &News, header: &mut msghdr, flags: c_int) -> ssize_t {
    let before = errno::get();
    let message = Message::new(news);
    errno::set(before);
    let pieces: &[iovec] = if header.msg_iov.is_null() {
        &[]
    } else {
        // SAFETY: the program's own pieces, so many.
        unsafe { core::slice::from_raw_parts(header.msg_iov, header.msg_iovlen) }
    };
    let (count, cut) = hand_over(&message, pieces, flags);
    if header.msg_name.is_null() {
        header.msg_namelen = 0;
    } else {
        tell_sender(news, header.msg_name, &mut header.msg_namelen);
    }
    header.msg_flags = if cut { libc::MSG_TRUNC } else { 0 };
    give_credentials(header);
    count
}

/// Says that root is the sender, as for real devices. Whoever can change the daemon's tree is trusted in everything
/// else, too.
fn give_credentials(header: &mut msghdr) {
    let credentials = libc::ucred { pid: 1, uid: 0, gid: 0 };
    let len = size_of_val(&credentials) as u32;
    // SAFETY: a look at the program's room for control messages, if there is some, which the macro checks.
    let first = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: arithmetic.
    let (space, whole) = unsafe { (libc::CMSG_SPACE(len), libc::CMSG_LEN(len)) };
    if first.is_null() || header.msg_controllen < space as usize {
        if !first.is_null() {
            header.msg_flags |= libc::MSG_CTRUNC;
        }
        header.msg_controllen = 0;
        return;
    }
    // SAFETY: there is room for one such message.
    unsafe {
        (*first).cmsg_len = whole as _;
        (*first).cmsg_level = libc::SOL_SOCKET;
        (*first).cmsg_type = libc::SCM_CREDENTIALS;
        libc::CMSG_DATA(first).cast::<libc::ucred>().write_unaligned(credentials);
    }
    header.msg_controllen = space as _;
}
