//! The thread that owns all state.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigHandler, Signal};
use nix::sys::socket::{SockType, getsockopt, sockopt};
use tracing::{debug, info, warn};
use vloopback_core::{Access, Idle, Side};
use vloopback_proc::owners::process_name;
use vloopback_proc::tree::Writer;
use vloopback_ring::SessionPage;
use vloopback_wire::{HEAD_LEN, MAX_RECORD, Reply, Request, SessionInfo};

use crate::lifeline::Life;
use crate::memory::Page;
use crate::peer::Peer;
use crate::quota::{Charge, Exceeded, Quotas, Totals};
use crate::socket::{Claimed, Listening, tree_of};
use crate::{Config, ServerError};

mod added;
mod connections;
mod device;
mod events;
mod exports;
mod pipes;
mod setup;
mod tree_image;
mod users;
mod zero;

use connections::{Connection, IN_A_ROW};
use events::Events;
use exports::{Export, Exports};
use pipes::{Origin, PipeState};
use setup::Timeout;

/// How often the counters under /proc are brought up to date while frames flow.
const REFRESH: Duration = Duration::from_millis(500);

/// The server.
#[derive(Debug)]
pub struct Server {}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct ServerHandle {
    socket: PathBuf,
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

/// Stops a server from another thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    stop: Arc<EventFd>,
}

impl Stopper {
    /// The server ends soon; its [`ServerHandle::wait`] then returns.
    pub fn stop(&self) {
        let _ = self.stop.write(1);
    }
}

impl Server {
    /// Starts to serve: when this returns, opens are answered.
    ///
    /// # Errors
    /// [`ServerError::Option`], [`ServerError::InUse`], [`ServerError::Socket`], and
    /// [`ServerError::System`] when memory, descriptors or the file system give out.
    pub fn start(config: Config) -> Result<ServerHandle, ServerError> {
        config.check()?;
        if !Path::new("/proc/self/fd").exists() {
            // Descriptors for reading only are opened there.
            return Err(ServerError::system(
                "the server needs /proc, which is not mounted here",
                Errno::ENOENT,
            ));
        }
        let socket = config.socket.clone();
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e| ServerError::system("making an eventfd", e))?;
        let stop = Arc::new(stop);
        raise_descriptor_limit();
        // A ring larger than a file may be is the pusher's ENOMEM, not the server's end.
        // SAFETY: no handler is installed, the signal is only ignored.
        let _ = unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
        let mut engine = Engine::new(config, &stop)?;
        let thread = std::thread::Builder::new()
            .name("vloopback".into())
            .spawn(move || engine.run())
            .map_err(|e| ServerError::system("starting a thread", e))?;
        Ok(ServerHandle { socket, stop, thread: Some(thread) })
    }
}

impl ServerHandle {
    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The tree of plain files with its /proc and /sys views.
    pub fn tree(&self) -> PathBuf {
        tree_of(&self.socket)
    }

    /// To stop it from elsewhere, as from a signal's thread.
    pub fn stopper(&self) -> Stopper {
        Stopper { stop: self.stop.clone() }
    }

    /// Ends the server: descriptors in use answer ENODEV from then on.
    pub fn stop(self) {
        drop(self);
    }

    /// Waits until the server ends: idle for long enough, or stopped by a [`Stopper`].
    pub fn wait(mut self) {
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                warn!("the server's thread panicked");
            }
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.stop.write(1);
            self.join();
        }
    }
}

/// Every open device costs the server two descriptors, so it takes as many as the system allows.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        if soft < hard {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
    }
}

/// Descriptors that new opens leave for those that are open already: their rings, their forked children, the
/// tree's files.
const HEADROOM: u64 = 64;

/// Our limit of descriptors.
fn descriptor_limit() -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft)
}

/// Whether a new descriptor still leaves `headroom` of them (a quarter of them where there are few). The kernel
/// gives the lowest number that is free: all below it are in use.
fn leaves(headroom: u64, fd: impl AsFd) -> bool {
    let limit = descriptor_limit();
    u64::try_from(fd.as_fd().as_raw_fd()).is_ok_and(|number| number + headroom.min(limit / 4) < limit)
}

/// The shortest time between two changes of the views that nobody waits for.
const VIEWS: Duration = Duration::from_millis(20);
/// Processes whose names are asked for at a time.
const NAMES: usize = 256;

/// An open device.
#[derive(Debug)]
struct Session {
    info: SessionInfo,
    /// Index in `Engine::pipes`.
    pipe: usize,
    /// Our end of the descriptor: hung up when the last copy of the other is closed.
    end: Arc<OwnedFd>,
    page: Arc<Page<SessionPage>>,
    /// The events that it has subscribed to.
    events: Events,
    /// Of the program's end of its descriptor: what tells it from all other sockets, and what /proc shows of it.
    cookie: u64,
    inode: u64,
    pid: i32,
    uid: u32,
    /// The opener's name, as it was when it was last asked for.
    comm: String,
    /// Its exported buffers.
    exports: Exports,
    /// The connections that know of it.
    holders: Vec<u32>,
    /// What it costs its user.
    _charges: [Charge; 2],
}

impl Session {
    /// Whether its stream ends when the pusher's frames do.
    fn is_told_of_ends(&self) -> bool {
        let (wait, placeholder) = (self.info.idle == Idle::Wait, self.info.idle == Idle::Placeholder);
        !self.page.is_patient(self.info.legacy, wait, placeholder)
    }
}

/// What an epoll event is about.
#[derive(Clone, Copy, Debug)]
enum Token {
    Listener,
    Stop,
    Connection(u32),
    /// Devices have been closed.
    Hangups,
}

impl Token {
    fn pack(self) -> u64 {
        match self {
            Self::Listener => 0,
            Self::Stop => 1,
            Self::Connection(id) => 2 << 32 | u64::from(id),
            Self::Hangups => 2,
        }
    }

    fn unpack(data: u64) -> Self {
        match (data >> 32, data as u32) {
            (2, id) => Self::Connection(id),
            (_, 1) => Self::Stop,
            (_, 2) => Self::Hangups,
            _ => Self::Listener,
        }
    }
}

/// All state.
#[derive(Debug)]
struct Engine {
    config: Config,
    epoll: Epoll,
    /// The devices, by session: apart, so that the end of thousands at once does not keep who asks waiting.
    hangups: Epoll,
    /// None until opens can be answered.
    listening: Option<Listening>,
    life: Life,
    /// None once it is removed.
    tree: Option<Writer>,
    /// In the names of our ends of devices: no two servers' are equal.
    instance: u64,
    connections: HashMap<u32, Connection>,
    sessions: BTreeMap<u32, Session>,
    /// Devices by the cookie of the program's end.
    cookies: HashMap<u64, u32>,
    pipes: Vec<PipeState>,
    /// The tree's files of nodes that somebody has open, by the node's number.
    held: HashMap<u32, std::fs::File>,
    next: u32,
    views_stale: bool,
    views_written: Instant,
    /// Nobody is accepted before: there was no descriptor for one more.
    deaf_until: Option<Instant>,
    /// When that was told last.
    told_full: Option<Instant>,
    /// What each user has, and may have.
    quotas: Quotas,
    /// Connections that have not said hello when they were made, and when that was.
    silent: VecDeque<(Instant, u32)>,
    /// Connections whose requests wait.
    held_back: Vec<u32>,
    /// Whose name is asked for next.
    next_name: i32,
}

impl Engine {
    fn new(config: Config, stop: &EventFd) -> Result<Self, ServerError> {
        let claimed = Claimed::new(&config.socket)?;
        let epoll =
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| ServerError::system("epoll", e))?;
        let watch = |epoll: &Epoll, fd: BorrowedFd, token: Token| {
            epoll
                .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token.pack()))
                .map_err(|e| ServerError::system("epoll", e))
        };
        watch(&epoll, stop.as_fd(), Token::Stop)?;
        let hangups =
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| ServerError::system("epoll", e))?;
        watch(&epoll, hangups.0.as_fd(), Token::Hangups)?;
        let life = Life::begin().map_err(|e| ServerError::system("making the lifeline", e))?;
        let root = tree_of(&config.socket);
        let tree = Writer::open(&root).map_err(|e| ServerError::system("making the tree of views", e))?;
        let totals = Totals {
            descriptors: descriptor_limit(),
            memory: memory_for_frames(),
            pipes: u64::from(crate::config::MAX_PIPES.saturating_sub(config.pipes)),
        };
        let quotas = Quotas::new(nix::unistd::geteuid().as_raw(), config.limits, totals);
        let mut engine = Self {
            config,
            epoll,
            hangups,
            listening: None,
            life,
            tree: Some(tree),
            instance: instance(),
            connections: HashMap::new(),
            sessions: BTreeMap::new(),
            cookies: HashMap::new(),
            pipes: Vec::new(),
            held: HashMap::new(),
            next: 0,
            views_stale: true,
            views_written: Instant::now(),
            deaf_until: None,
            told_full: None,
            quotas,
            silent: VecDeque::new(),
            held_back: Vec::new(),
            next_name: 0,
        };
        for _ in 0..engine.config.pipes {
            engine.add_pipe(Origin::Configured)?;
        }
        engine.restore()?;
        engine.keep_spares();
        let snapshot = engine.snapshot();
        if let Some(tree) = &mut engine.tree {
            tree.write(&snapshot).map_err(|e| ServerError::system("writing the tree of views", e))?;
        }
        engine.views_stale = false;
        let listening = claimed.listen()?;
        watch(&engine.epoll, listening.fd.as_fd(), Token::Listener)?;
        engine.listening = Some(listening);
        info!(socket = %engine.config.socket.display(), pipes = engine.pipes.len(), "serving");
        Ok(engine)
    }

    /// A number that was not used before: 31 bits, as shared locks need them.
    fn fresh(&mut self) -> u32 {
        self.next = (self.next.wrapping_add(1) & 0x7fff_ffff).max(1);
        self.next
    }

    fn run(&mut self) {
        let mut idle_since = Instant::now();
        let mut refreshed = Instant::now();
        let (mut looked, mut looked_at_kept) = (Instant::now(), Instant::now());
        let mut events = [EpollEvent::empty(); 64];
        'serve: loop {
            let mut timeout: Option<Duration> = None;
            // Who connects and says nothing is no user.
            if self.sessions.is_empty() && self.connections.values().all(|c| c.number == 0) {
                if let Some(limit) = self.config.exit_when_idle {
                    let idle = idle_since.elapsed();
                    if idle >= limit {
                        info!("the last user is gone: ending");
                        break 'serve;
                    }
                    timeout = Some(limit - idle);
                }
            } else {
                idle_since = Instant::now();
            }
            if let Some(left) = self.drop_spares() {
                timeout = Some(timeout.map_or(left, |t| t.min(left)));
            }
            if let Some(left) = self.update_views_soon() {
                timeout = Some(timeout.map_or(left, |t| t.min(left)));
            }
            if self.pipes.iter().any(|p| p.core.streamers() > 0) {
                if refreshed.elapsed() >= REFRESH {
                    self.ask_names();
                    self.views_stale = true;
                    self.update_views();
                    refreshed = Instant::now();
                }
                timeout = Some(timeout.map_or(REFRESH, |t| t.min(REFRESH)));
            }
            let look = self.next_look();
            if look.is_some_and(|after| looked.elapsed() >= after) {
                self.look_again();
                looked = Instant::now();
            }
            let ignores_doorbell = self.listen_again();
            let silent = self.end_silent();
            let held_back = self.serve_held_back();
            let kept = self.quotas.look_at_kept(&mut looked_at_kept);
            timeout = [timeout, look, ignores_doorbell, silent, held_back, kept].into_iter().flatten().min();
            // Rounded up: a timeout of 0.3 ms must not spin.
            let timeout = timeout.map_or(EpollTimeout::NONE, |t| {
                EpollTimeout::try_from(t + Duration::from_millis(1)).unwrap_or(EpollTimeout::MAX)
            });
            let n = match self.epoll.wait(&mut events, timeout) {
                Ok(n) => n,
                Err(Errno::EINTR) => 0,
                Err(e) => {
                    warn!("epoll: {e}");
                    break;
                }
            };
            for event in &events[..n] {
                match Token::unpack(event.data()) {
                    Token::Stop => break 'serve,
                    Token::Listener => self.accept_all(),
                    Token::Connection(id) => self.serve_connection(id),
                    Token::Hangups => self.end_hung_up(),
                }
            }
        }
        self.shut_down();
    }

    /// Whoever waits learns of the end: by the lifeline, by a hang-up, by the log's word.
    fn shut_down(&mut self) {
        for pipe in &self.pipes {
            pipe.close_threads();
        }
        self.life.end();
        for index in 0..self.pipes.len() {
            self.notify(index);
        }
        self.sessions.clear();
        self.connections.clear();
        if let Some(Err(e)) = self.tree.take().map(Writer::remove) {
            warn!("cannot remove the tree of views: {e}");
        }
    }

    /// Answers one request. False: the connection is not worth keeping.
    fn serve_request(&mut self, id: u32, request: Request, fds: Vec<OwnedFd>) -> bool {
        let result = match request {
            Request::Hello { build } => return self.welcome(id, build),
            Request::Split => return self.split(id, fds),
            Request::Open { node, flags, legacy } => return self.open_device(id, node, flags, legacy),
            Request::Attach => return self.attach(id, &fds),
            Request::Ring { session } => return self.send_ring(id, session),
            Request::Zero { session, len } => return self.zero(id, session, len),
            Request::RequestSlot { session, after } => return self.request_slot(id, session, after),
            Request::Export { session, generation, index, len, read_only } => {
                return self.export(id, session, Export { generation, index, len, read_only });
            }
            Request::LogStatus { session } => {
                self.with_session(id, session, |e, s, p| Ok(e.log_status(s, p)))
            }
            Request::EventDoorbell { session } => return self.event_doorbell(id, session),
            Request::RequestDoorbell { session } => return self.request_doorbell(id, session),
            Request::Doorbell { session, asked } => return self.ring_doorbells(id, session, asked),
            Request::List => {
                self.ask_names();
                return self.list(id);
            }
            Request::Tree => return self.send_tree(id),
            Request::Closed { session } => {
                self.closed(id, session);
                Ok(Reply::Done)
            }
            Request::SetTimeout { node, width, height, limit } => {
                let limit = limit.map(|millis| Duration::from_millis(millis.into()));
                self.set_timeout(id, Timeout { node, width, height, limit }, fds)
            }
            Request::Add { spec } => Ok(self.add(id, &spec).unwrap_or_else(Reply::from)),
            Request::Remove { node, force } => Ok(self.remove(id, node, force).unwrap_or_else(Reply::from)),
            Request::Query { node } => Ok(self.query(node).unwrap_or_else(Reply::from)),
            Request::SetCaps { node, format, interval, keep } => {
                Ok(self.set_caps(id, node, (format, interval, keep)).unwrap_or_else(Reply::from))
            }
            Request::Claim { session } => self.with_session(id, session, Self::claim),
            Request::SetPalette { session, palette, picture } => {
                self.with_session(id, session, |e, s, p| e.set_palette(s, p, palette, picture))
            }
            Request::SetSize { session, width, height } => {
                self.with_session(id, session, |e, s, p| e.set_size(s, p, width, height))
            }
            Request::SetFormat { session, format } => {
                self.with_session(id, session, |e, s, p| e.set_format(s, p, &format))
            }
            Request::Feed { session, on, buffers } => {
                self.with_session(id, session, |e, s, p| e.feed(s, p, on, buffers))
            }
            Request::SetInterval { session, numerator, denominator } => {
                self.with_session(id, session, |e, s, p| e.set_interval(s, p, numerator, denominator))
            }
            Request::SetPriority { session, priority } => {
                self.with_session(id, session, |e, s, p| e.set_priority(s, p, priority))
            }
            Request::SetControls { session, which, values } => {
                self.with_session(id, session, |e, s, p| e.set_controls(s, p, which, values))
            }
            Request::Subscribe { session, kind, id: about, flags } => {
                self.with_session(id, session, |e, s, p| e.subscribe(s, p, (kind, about, flags)))
            }
            Request::Unsubscribe { session, kind, id: about } => {
                self.with_session(id, session, |e, s, _| e.unsubscribe(s, kind, about))
            }
            Request::RingEventDoorbell { session } => {
                self.with_session(id, session, |e, s, _| e.ring_event_doorbell(s))
            }
            Request::Own { session, on } => self.with_session(id, session, |e, s, p| e.own(s, p, on)),
            Request::Stream { session, on, hold, fewer } => {
                self.with_session(id, session, |e, s, p| e.stream(s, p, on, hold, fewer))
            }
        };
        // What a scan of /proc sees is true before the caller goes on.
        self.update_views();
        let answer = result.unwrap_or_else(|errno| Reply::Error(errno as i32));
        self.answer(id, &answer, &[])
    }

    /// A forked child gets the connection that came with the request.
    fn split(&mut self, id: u32, fds: Vec<OwnedFd>) -> bool {
        let Some(connection) = self.connections.get(&id) else { return false };
        let (uid, sessions) = (connection.peer.uid, connection.sessions.clone());
        // A socket that somebody else made speaks with somebody else's rights.
        let own = |fd: &OwnedFd| {
            getsockopt(fd, sockopt::SockType) == Ok(SockType::SeqPacket)
                // Root may hand on what it has; it may have become another user since it connected.
                && Peer::of(fd).is_ok_and(|peer| uid == 0 || peer.uid == uid)
        };
        match fds.into_iter().next().filter(own) {
            Some(fd) => self.add_connection(fd, sessions, false),
            None => debug!(uid, "the descriptor of a forked child is not a connection"),
        }
        true
    }

    /// Wakes whoever has something to take: the pusher, if it was `asked` for something, and clients in poll.
    fn ring_doorbells(&mut self, id: u32, session: u32, asked: bool) -> bool {
        let mut decided = false;
        // Who is not of the pipe rings nothing.
        let _ = self.with_session(id, session, |e, s, p| {
            e.notify_pusher(p, asked);
            e.pipes[p].poll_notifier.ring();
            e.look_at_client(s);
            decided = e.decide_openers(p);
            Ok(Reply::Done)
        });
        if decided {
            self.update_views();
        }
        true
    }

    /// A process has closed its last descriptor of a session.
    fn closed(&mut self, id: u32, session: u32) {
        let known = self.connections.get(&id).is_some_and(|c| c.sessions.contains(&session));
        if known {
            self.end_if_closed(session);
        }
        // Another process may have it still; this one is asked no more whether it is its own.
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.sessions.remove(&session);
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.holders.retain(|holder| *holder != id);
        }
    }

    fn with_session(
        &mut self,
        id: u32,
        session: u32,
        f: impl FnOnce(&mut Self, u32, usize) -> Result<Reply, Errno>,
    ) -> Result<Reply, Errno> {
        let known = self.connections.get(&id).is_some_and(|c| c.sessions.contains(&session));
        let pipe = self.sessions.get(&session).filter(|_| known).map(|s| s.pipe).ok_or(Errno::EBADF)?;
        f(self, session, pipe)
    }

    /// An open device. What is served may have ended it: a look at whether the pipe's pusher was closed ends that one,
    /// which may be the very one that asks.
    fn session(&self, session: u32) -> Result<&Session, Errno> {
        self.sessions.get(&session).ok_or(Errno::EBADF)
    }

    /// All pipes, in the reply or, where there are many clients, in a memory file beside it.
    fn list(&self, id: u32) -> bool {
        let text = crate::listing::json(&self.snapshot(), &self.pipes_more());
        if text.len() <= MAX_RECORD - HEAD_LEN {
            return self.answer(id, &Reply::Text(text), &[]);
        }
        let written = memfd_create("vloopback-list", MFdFlags::MFD_CLOEXEC).and_then(|fd| {
            let mut file = File::from(fd);
            file.write_all(text.as_bytes())
                .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))?;
            Ok(file)
        });
        match written {
            Ok(file) => self.answer(id, &Reply::Text(String::new()), &[file.as_fd()]),
            Err(e) => self.answer(id, &Reply::Error(e as i32), &[]),
        }
    }

    /// Whoever waits for something on this pipe looks again.
    fn notify(&self, index: usize) {
        if let Some(ring) = &self.pipes[index].ring {
            ring.log.seq.fetch_add(1, Ordering::SeqCst);
            crate::futex::wake_all(&ring.log.seq);
        }
        for session in self.sessions.values().filter(|s| s.pipe == index && !s.info.input) {
            crate::futex::kick(&session.page);
        }
    }

    fn side(session: &Session) -> Side {
        if session.info.input { Side::Input } else { Side::Output }
    }

    /// What open(2) flags ask for: to read, and the rest. Access mode 3 asks for both, as in the kernel (`ACC_MODE` in
    /// its fs/open.c): whoever does not say what it wants must be allowed all.
    fn access(flags: u32, legacy: bool) -> (bool, Access) {
        let mode = flags as i32 & libc::O_ACCMODE;
        (mode != libc::O_WRONLY, Access { write: mode != libc::O_RDONLY, legacy })
    }

    /// Whether what a session is given may be writable: by the rights that it was opened with.
    fn writes(&self, session: u32) -> bool {
        self.sessions.get(&session).is_some_and(|s| Self::access(s.info.flags, false).1.write)
    }

    /// Processes change their names, by exec too. Not with every open: there may be a thousand.
    fn ask_names(&mut self) {
        let pids: std::collections::BTreeSet<i32> = self.sessions.values().map(|s| s.pid).collect();
        // Where there are very many, some at a time.
        let from = self.next_name;
        let some: Vec<i32> = pids.range(from..).chain(pids.range(..from)).take(NAMES).copied().collect();
        self.next_name = some.last().filter(|_| some.len() < pids.len()).map_or(0, |last| last + 1);
        let names: HashMap<i32, String> =
            some.into_iter().filter_map(|pid| Some((pid, process_name(pid)?))).collect();
        for session in self.sessions.values_mut() {
            if let Some(name) = names.get(&session.pid).filter(|name| **name != session.comm) {
                session.comm.clone_from(name);
            }
        }
    }

    /// Ends devices that were closed, some at a time.
    fn end_hung_up(&mut self) {
        let mut events = [EpollEvent::empty(); IN_A_ROW];
        let n = self.hangups.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        for event in &events[..n] {
            self.end_session(event.data() as u32);
        }
    }

    /// Brings the views up to date where nobody waits for it: not after each of many changes. Returns when to come
    /// back.
    fn update_views_soon(&mut self) -> Option<Duration> {
        if !self.views_stale {
            return None;
        }
        let left = VIEWS.saturating_sub(self.views_written.elapsed());
        if left.is_zero() {
            self.update_views();
            return None;
        }
        Some(left)
    }

    fn update_views(&mut self) {
        if !self.views_stale {
            return;
        }
        self.views_stale = false;
        self.views_written = Instant::now();
        let snapshot = self.snapshot();
        let Some(tree) = &mut self.tree else { return };
        if let Err(e) = tree.write(&snapshot) {
            warn!("the views under {} are out of date: {e}", tree.root().display());
        }
    }
}

/// A number that no other server has: time and process are enough, nothing secret hangs on it.
fn instance() -> u64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (time.as_nanos() as u64).rotate_left(20) ^ u64::from(std::process::id())
}

/// Half of the machine's memory, or of what the control group that this process is in may have: what frames may
/// take of it together.
fn memory_for_frames() -> u64 {
    let mut info = std::mem::MaybeUninit::<libc::sysinfo>::zeroed();
    // SAFETY: room for one answer; all zeros is a valid one.
    let info = unsafe {
        libc::sysinfo(info.as_mut_ptr());
        info.assume_init()
    };
    let machine = info.totalram.saturating_mul(info.mem_unit.into());
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(u64::MAX);
    machine.min(group) / 2
}

impl From<Exceeded> for Errno {
    /// Of descriptors and open devices: as where the system has no more. Memory's callers say ENOMEM.
    fn from(Exceeded: Exceeded) -> Self {
        Self::ENFILE
    }
}
