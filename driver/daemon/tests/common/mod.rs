//! A process's side of the protocol, done by hand: no preload library, no runtime.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::io::{IoSliceMut, Read as _, Seek as _};
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, connect,
    recv, recvmsg, send, sendmsg, socket, socketpair,
};
use vloopback_daemon::{Config, Server, ServerHandle};
use vloopback_ring::{
    Board, ClaimsPage, Format, Log, PAGE_LEN, SessionPage, find_oldest, pick, publish, still_there,
};
use vloopback_wire::{PixelFormat, Reply, Request, SessionInfo, build_id};
use zerocopy::IntoBytes;

/// How long anything may take that happens at once on a machine that is not busy.
const PATIENCE_MS: u16 = 60_000;

/// A server of the test's own.
pub struct Daemon {
    pub handle: ServerHandle,
    _dir: tempfile::TempDir,
}

impl Daemon {
    /// One that was told so.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::Builder::new().prefix("vl").tempdir().expect("a directory");
        let mut config = Config { socket: dir.path().join("s"), ..Config::default() };
        change(&mut config);
        Self { handle: Server::start(config).expect("it serves"), _dir: dir }
    }

    pub fn new() -> Self {
        Self::with(|_| {})
    }

    fn socket(&self) -> PathBuf {
        self.handle.socket().to_owned()
    }

    /// `vloopback list --json` of a pipe.
    pub fn pipe(&self, index: usize) -> serde_json::Value {
        let text = vloopback_daemon::query_list(self.handle.socket()).expect("a list");
        let pipes: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        pipes[index].clone()
    }

    /// Lets other users reach the socket.
    pub fn let_all_in(&self) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self._dir.path(), mode).expect("it is ours");
    }

    /// A connection that has said nothing yet.
    pub fn connect(&self) -> OwnedFd {
        let flags = SockFlag::SOCK_CLOEXEC;
        let connection = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).expect("a socket");
        let address = UnixAddr::new(&self.socket()).expect("it fits");
        // Where too many others wait to be accepted, this waits.
        connect(connection.as_raw_fd(), &address).expect("the daemon listens");
        connection
    }

    /// The number of a pipe's node.
    pub fn node(&self, index: usize, name: &str) -> u32 {
        let node = self.pipe(index)[name].as_str().expect("a path").to_owned();
        node.trim_start_matches("/dev/video").parse().expect("/dev/videoN")
    }

    /// A new process opens a pipe's input.
    pub fn input(&self, pipe: usize) -> Device {
        Device::open(self, self.node(pipe, "input"), false).expect("the input opens")
    }

    /// A new process opens a pipe's output.
    pub fn output(&self, pipe: usize) -> Device {
        Device::open(self, self.node(pipe, "output"), false).expect("the output opens")
    }

    /// A legacy process opens a pipe's input, or gets an errno.
    pub fn old_input(&self, pipe: usize) -> Result<Device, i32> {
        Device::open(self, self.node(pipe, "input"), true)
    }

    /// A legacy process opens a pipe's output, or gets an errno.
    pub fn old_output(&self, pipe: usize) -> Result<Device, i32> {
        Device::open(self, self.node(pipe, "output"), true)
    }

    /// A process opens a pipe's output, or gets an errno.
    pub fn try_output(&self, pipe: usize) -> Result<Device, i32> {
        Device::open(self, self.node(pipe, "output"), false)
    }
}

/// A page of atomics, as a process maps it.
pub struct Map<T> {
    map: MmapRaw,
    of: PhantomData<T>,
}

impl<T> Map<T> {
    fn of(fd: &OwnedFd, writable: bool) -> Self {
        let mut options = MmapOptions::new();
        let options = options.len(PAGE_LEN);
        let map = if writable { options.map_raw(fd) } else { options.map_raw_read_only(fd) };
        Self { map: map.expect("it can be mapped"), of: PhantomData }
    }
}

impl<T> Deref for Map<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: all that is mapped here are the ring's pages, which consist of atomics; the daemon
        // sealed their size. Who maps one for reading only does not store to it.
        unsafe { &*self.map.as_ptr().cast::<T>() }
    }
}

/// Two ends of a connection as the daemon's are.
pub fn seqpacket_pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).expect("a pair")
}

/// Waits until something is so.
#[track_caller]
pub fn wait_until(is_so: impl Fn() -> bool, what: &str) {
    let until = std::time::Instant::now() + std::time::Duration::from_millis(PATIENCE_MS.into());
    while !is_so() {
        assert!(std::time::Instant::now() < until, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Waits until the other end of a connection is closed.
#[track_caller]
pub fn wait_for_end(fd: &OwnedFd) {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    assert_eq!(poll(&mut fds, PollTimeout::from(PATIENCE_MS)), Ok(1), "it is not closed");
}

/// A process's connection.
pub struct Process {
    connection: OwnedFd,
    peer: u32,
}

impl Process {
    pub fn new(daemon: &Daemon) -> Self {
        Self::try_new(daemon).expect("it is served")
    }

    /// Or the daemon's errno.
    pub fn try_new(daemon: &Daemon) -> Result<Self, i32> {
        Self::on(daemon.connect())
    }

    /// Says hello on a connection.
    pub fn on(connection: OwnedFd) -> Result<Self, i32> {
        // Who is refused may be so before it has said anything.
        let hello = Request::Hello { build: build_id(vloopback_ring::LAYOUT) };
        let _ = send(connection.as_raw_fd(), hello.encode().as_bytes(), MsgFlags::MSG_NOSIGNAL);
        match receive(&connection).0 {
            Reply::Welcome { peer } => Ok(Self { connection, peer }),
            Reply::Error(errno) => Err(errno),
            other => panic!("{other:?}"),
        }
    }

    pub fn open(&self, node: u32, flags: i32, legacy: bool) -> Result<Device, i32> {
        let connection = self.connection.try_clone().expect("a descriptor");
        Device::open_with(connection, self.peer, node, flags, legacy)
    }

    /// Sends a request, and does not wait for the answer.
    pub fn send(&self, request: &Request) {
        send(self.connection.as_raw_fd(), request.encode().as_bytes(), MsgFlags::MSG_NOSIGNAL).expect("sent");
    }

    /// The same with a descriptor.
    pub fn send_with(&self, request: &Request, fd: &OwnedFd) {
        let raw = [fd.as_raw_fd()];
        let head = request.encode();
        let record = [std::io::IoSlice::new(head.as_bytes())];
        let control = [ControlMessage::ScmRights(&raw)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<UnixAddr>(self.connection.as_raw_fd(), &record, &control, flags, None).expect("sent");
    }

    /// The next answer.
    pub fn receive(&self) -> (Reply, Vec<OwnedFd>) {
        receive(&self.connection)
    }

    pub fn ask(&self, request: &Request) -> Reply {
        ask(&self.connection, request).0
    }

    /// All pipes, as JSON.
    pub fn list(&self) -> serde_json::Value {
        let (reply, fds) = ask(&self.connection, &Request::List);
        let Reply::Text(mut text) = reply else { panic!("{reply:?}") };
        if let Some(fd) = fds.into_iter().next() {
            // Longer than a record.
            let mut file = std::fs::File::from(fd);
            file.rewind().expect("a file");
            file.read_to_string(&mut text).expect("a text");
        }
        serde_json::from_str(&text).expect("JSON")
    }

    /// How many answers wait to be received, as far as their bytes tell.
    pub fn unread(&self) -> usize {
        let mut bytes: nix::libc::c_int = 0;
        // SAFETY: a valid descriptor, and an int to write to.
        let asked =
            unsafe { nix::libc::ioctl(self.connection.as_raw_fd(), nix::libc::FIONREAD, &raw mut bytes) };
        assert_eq!(asked, 0);
        usize::try_from(bytes).expect("not negative").div_ceil(vloopback_wire::HEAD_LEN)
    }
}

/// A process with one open device.
pub struct Device {
    connection: OwnedFd,
    /// Its number in shared locks.
    pub peer: u32,
    pub info: SessionInfo,
    pub fd: OwnedFd,
    pub page: Map<SessionPage>,
    pub board: Map<Board>,
    pub claims_page: Map<ClaimsPage>,
}

fn ask(connection: &OwnedFd, request: &Request) -> (Reply, Vec<OwnedFd>) {
    send(connection.as_raw_fd(), request.encode().as_bytes(), MsgFlags::MSG_NOSIGNAL)
        .expect("the daemon reads");
    receive(connection)
}

fn receive(connection: &OwnedFd) -> (Reply, Vec<OwnedFd>) {
    let raw = connection.as_raw_fd();
    let mut record = vec![0; vloopback_wire::MAX_RECORD];
    let mut space = cmsg_space!([RawFd; 8]);
    let mut iov = [IoSliceMut::new(&mut record)];
    let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
    // A daemon that has closed says why behind the reset, which is told once.
    let mut byte = [0];
    if recv(raw, &mut byte, MsgFlags::MSG_PEEK) == Err(nix::errno::Errno::ECONNRESET) {
        flags |= MsgFlags::MSG_DONTWAIT;
    }
    let message = recvmsg::<UnixAddr>(raw, &mut iov, Some(&mut space), flags).expect("the daemon answers");
    let mut fds = Vec::new();
    for control in message.cmsgs().expect("whole") {
        if let ControlMessageOwned::ScmRights(raw) = control {
            // SAFETY: the kernel has just put these descriptors into our table; they are ours alone.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let n = message.bytes;
    (Reply::decode(&record[..n]).expect("a reply"), fds)
}

impl Device {
    fn open(daemon: &Daemon, node: u32, legacy: bool) -> Result<Self, i32> {
        let Process { connection, peer } = Process::new(daemon);
        Self::open_by(connection, peer, node, legacy)
    }

    /// The same process opens the same node once more.
    pub fn again(&self) -> Self {
        let connection = self.connection.try_clone().expect("a descriptor");
        Self::open_by(connection, self.peer, self.info.node, false).expect("it opens")
    }

    fn open_by(connection: OwnedFd, peer: u32, node: u32, legacy: bool) -> Result<Self, i32> {
        Self::open_with(connection, peer, node, nix::libc::O_RDWR, legacy)
    }

    fn open_with(connection: OwnedFd, peer: u32, node: u32, flags: i32, legacy: bool) -> Result<Self, i32> {
        let request = Request::Open { node, flags: flags as u32, legacy };
        match ask(&connection, &request) {
            (Reply::Session(info), fds) => {
                let [fd, page, board, claims_page] = <[OwnedFd; 4]>::try_from(fds).expect("four descriptors");
                let (page, board) = (Map::of(&page, true), Map::of(&board, false));
                Ok(Self { connection, peer, info, fd, page, board, claims_page: Map::of(&claims_page, true) })
            }
            (Reply::Error(errno), _) => Err(errno),
            (other, _) => panic!("{other:?}"),
        }
    }

    /// Sends what is not answered.
    pub fn post(&self, request: &Request) {
        send(self.connection.as_raw_fd(), request.encode().as_bytes(), MsgFlags::MSG_NOSIGNAL).expect("sent");
    }

    /// A request that is answered with "done" or an errno.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Result<(), i32> {
        match ask(&self.connection, request).0 {
            Reply::Done => Ok(()),
            Reply::Error(errno) => Err(errno),
            other => panic!("{other:?}"),
        }
    }

    /// The descriptors that come with an answer, or its errno.
    pub fn fetch(&self, request: &Request) -> Result<Vec<OwnedFd>, i32> {
        match ask(&self.connection, request) {
            (Reply::Error(errno), _) => Err(errno),
            (_, fds) => Ok(fds),
        }
    }

    pub fn set_format(&self, fourcc: &[u8; 4], width: u32, height: u32) -> Result<(), i32> {
        let fourcc = u32::from_le_bytes(*fourcc);
        let format = PixelFormat { fourcc, width, height, ..PixelFormat::default() };
        self.ask(&Request::SetFormat { session: self.info.session, format })
    }

    pub fn feed(&self) -> Result<(), i32> {
        self.feed_with(0)
    }

    /// The same with so many buffers to fill in place.
    pub fn feed_with(&self, buffers: u32) -> Result<(), i32> {
        self.ask(&Request::Feed { session: self.info.session, on: true, buffers })
    }

    pub fn end_feed(&self) -> Result<(), i32> {
        self.ask(&Request::Feed { session: self.info.session, on: false, buffers: 0 })
    }

    pub fn set_rate(&self, frames: u32) -> Result<(), i32> {
        let session = self.info.session;
        self.ask(&Request::SetInterval { session, numerator: 1, denominator: frames })
    }

    pub fn set_palette(&self, palette: u32) -> Result<(), i32> {
        self.ask(&Request::SetPalette { session: self.info.session, palette, picture: [0; 6] })
    }

    pub fn set_size(&self, width: u32, height: u32) -> Result<(), i32> {
        self.ask(&Request::SetSize { session: self.info.session, width, height })
    }

    /// Streams, holding as many of `hold` slots as are free; tells the row plus 1 and how many they are.
    pub fn stream(&self, hold: u32) -> (u32, u32) {
        let request = Request::Stream { session: self.info.session, on: true, hold, fewer: true };
        match ask(&self.connection, &request).0 {
            Reply::Stream { row, quota } => (row, quota),
            other => panic!("{other:?}"),
        }
    }

    /// The same, all or nothing.
    pub fn stream_all(&self, hold: u32) -> (u32, u32) {
        let request = Request::Stream { session: self.info.session, on: true, hold, fewer: false };
        match ask(&self.connection, &request).0 {
            Reply::Stream { row, quota } => (row, quota),
            other => panic!("{other:?}"),
        }
    }

    pub fn stop(&self) {
        let request = Request::Stream { session: self.info.session, on: false, hold: 0, fewer: true };
        assert!(matches!(ask(&self.connection, &request).0, Reply::Stream { row: 0, quota: 0 }));
    }

    pub fn format(&self) -> Format {
        self.board.format()
    }

    /// The ring in force.
    pub fn ring(&self) -> Ring {
        let (reply, fds) = ask(&self.connection, &Request::Ring { session: self.info.session });
        let Reply::Ring { ring, slots, slot_len, log: log_number } = reply else { panic!("{reply:?}") };
        let [log, file] = <[OwnedFd; 2]>::try_from(fds).expect("a log, and the slots");
        assert_eq!((self.format().ring, self.format().log), (ring, log_number), "what the board says");
        let slots = (0..u64::from(slots))
            .map(|k| {
                let at = k * u64::from(slot_len);
                let mut options = MmapOptions::new();
                options.offset(at).len(slot_len as usize).map_raw(&file).expect("a slot can be mapped")
            })
            .collect();
        Ring { number: ring, log: Map::of(&log, self.info.input), slots }
    }

    /// Closes the descriptor and waits until the daemon has seen it, as the library's close() does.
    pub fn close(self) {
        drop(self.fd);
        let (reply, _) = ask(&self.connection, &Request::Closed { session: self.info.session });
        assert_eq!(reply, Reply::Done);
    }

    /// From now on the descriptor is to become readable with the next thing to see.
    pub fn arm(&self) {
        self.page.armed.store(1, Ordering::SeqCst);
        self.claims_page.arm(self.info.client);
    }

    /// Waits until the descriptor is readable.
    #[track_caller]
    pub fn wait_readable(&self) {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(PATIENCE_MS)), Ok(1), "it does not become readable");
    }

    /// Takes what made the descriptor readable: it was so from its open on, as a device that does not
    /// stream yet.
    pub fn drain(&self) {
        self.page.rung.store(0, Ordering::SeqCst);
        let mut bytes = [0; 64];
        while recv(self.fd.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT).is_ok_and(|n| n > 0) {}
    }

    pub fn is_readable(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) == Ok(1)
    }
}

/// A frame out of a ring.
#[derive(Debug)]
pub struct Frame {
    pub number: u64,
    /// CLOCK_MONOTONIC nanoseconds.
    pub time: u64,
    pub bytes: Vec<u8>,
}

/// A ring, as a process maps it.
pub struct Ring {
    pub number: u32,
    pub log: Map<Log>,
    slots: Vec<MmapRaw>,
}

impl Ring {
    /// The oldest frame after `last`, if there is one.
    pub fn look(&self, last: u64) -> Option<Frame> {
        loop {
            let found = find_oldest(&self.log, self.slots.len(), u32::MAX, last)?;
            let entry = &self.log.slots[found.slot];
            let (len, time) = (entry.len.load(Ordering::Relaxed), entry.time.load(Ordering::Relaxed));
            let slot = &self.slots[found.slot];
            let mut bytes = vec![0u8; (len as usize).min(slot.len())];
            // SAFETY: the slot has so many bytes; a writer that comes in between is noticed below.
            unsafe { std::ptr::copy_nonoverlapping(slot.as_ptr(), bytes.as_mut_ptr(), bytes.len()) };
            if still_there(&self.log, found) {
                return Some(Frame { number: found.number, time, bytes });
            }
        }
    }

    /// Waits for the oldest frame after `last`.
    #[track_caller]
    pub fn next(&self, last: u64) -> Frame {
        loop {
            let seen = self.log.seq.load(Ordering::SeqCst);
            if let Some(frame) = self.look(last) {
                return frame;
            }
            wait(&self.log.seq, seen);
        }
    }

    /// Its slots, which only who may write to its node can write.
    pub fn slots(&self) -> impl Iterator<Item = SlotOf<'_>> {
        self.slots.iter().map(SlotOf)
    }

    pub fn head(&self) -> u64 {
        self.log.head.load(Ordering::SeqCst)
    }

    /// Publishes a frame as the pusher does; tells its number.
    pub fn write(&self, pusher: &Device, frame: &[u8]) -> u64 {
        while let Err(owner) = self.log.lock.try_lock(pusher.peer) {
            wait(self.log.lock.word(), owner);
        }
        let picked =
            pick(&pusher.board, &self.log, &pusher.claims_page, self.slots.len(), 0).expect("a slot");
        let slot = &self.slots[picked.slot];
        assert!(frame.len() <= slot.len());
        // SAFETY: the slot is ours until it is published, and long enough.
        unsafe { std::ptr::copy_nonoverlapping(frame.as_ptr(), slot.as_mut_ptr(), frame.len()) };
        let number = publish(&self.log, &pusher.claims_page, picked, frame.len() as u32, 0);
        wake(&self.log.seq);
        if self.log.lock.unlock() {
            wake(self.log.lock.word());
        }
        number
    }
}

/// A slot of a ring.
pub struct SlotOf<'a>(&'a MmapRaw);

impl SlotOf<'_> {
    /// Writes bytes there.
    #[track_caller]
    pub fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.0.len());
        // SAFETY: the slot has so many bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_mut_ptr().add(at), bytes.len()) };
    }

    /// What is there.
    #[track_caller]
    pub fn read(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(at + len <= self.0.len());
        let mut bytes = vec![0; len];
        // SAFETY: the slot has so many bytes.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr().add(at), bytes.as_mut_ptr(), len) };
        bytes
    }
}

/// Sleeps while `word` holds `value`, for as long as is sensible.
#[track_caller]
fn wait(word: &AtomicU32, value: u32) {
    let timeout = nix::libc::timespec { tv_sec: (PATIENCE_MS / 1000).into(), tv_nsec: 0 };
    // SAFETY: FUTEX_WAIT reads the word and the timeout, which both live on.
    let result = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_futex,
            word.as_ptr(),
            nix::libc::FUTEX_WAIT,
            value,
            &raw const timeout,
        )
    };
    let late = result < 0 && nix::errno::Errno::last() == nix::errno::Errno::ETIMEDOUT;
    assert!(!late, "nothing has come");
}

fn wake(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE does not touch the memory.
    unsafe { nix::libc::syscall(nix::libc::SYS_futex, word.as_ptr(), nix::libc::FUTEX_WAKE, i32::MAX) };
}
