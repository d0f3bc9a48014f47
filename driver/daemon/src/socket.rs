//! The listening socket, and the client's end of a connection for tools.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, setsockopt, socket,
    sockopt::{ReceiveTimeout, SendTimeout},
};
use nix::sys::time::TimeVal;
use vloopback_sys::records::{self, FdList};
use vloopback_sys::server;
use vloopback_wire::{MAX_RECORD, PipeSpec, PixelFormat, Reply, Request, build_id};
use zerocopy::IntoBytes;

use crate::{ServerError, TimeoutImage};

/// How long a tool waits for a server's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A claimed path of a socket, on which only this server listens.
#[derive(Debug)]
pub(crate) struct Claimed {
    path: PathBuf,
    address: UnixAddr,
    lock: Flock<File>,
}

/// The server makes and removes files in the socket's folder. Only this user and root may write to it: another user
/// could put links there, or remove the socket. In a sticky folder such as /tmp nobody may remove another's file.
fn check_folder(folder: &Path) -> Result<(), String> {
    let found = std::fs::metadata(folder).map_err(|e| format!("its folder: {e}"))?;
    let (own, owner, mode) = (nix::unistd::geteuid().as_raw(), found.uid(), found.mode());
    if owner != own && owner != 0 {
        return Err(format!(
            "its folder {} belongs to user {owner}, who could put links there: choose another with --socket",
            folder.display()
        ));
    }
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(format!(
            "others may write to its folder {} (mode {:o}), and could put links there: chmod go-w, or choose another \
             with --socket",
            folder.display(),
            mode & 0o7777
        ));
    }
    Ok(())
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) fd: OwnedFd,
    path: PathBuf,
    _lock: Flock<File>,
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The tree of plain files that belongs to a socket.
pub fn tree_of(socket: &Path) -> PathBuf {
    with_suffix(socket, ".d")
}

fn failed(path: &Path, what: &str, e: &dyn std::fmt::Display) -> ServerError {
    ServerError::Socket { socket: path.to_owned(), reason: format!("{what}: {e}") }
}

impl Claimed {
    /// Claims `path`. A lock file beside it says whether its owner lives, so that a socket that a
    /// killed server left is taken over, and of two servers that start at once one wins.
    pub(crate) fn new(path: &Path) -> Result<Self, ServerError> {
        let failed = |what: &str, e: &dyn std::fmt::Display| failed(path, what, e);
        let address = UnixAddr::new(path).map_err(|_| ServerError::Socket {
            socket: path.to_owned(),
            reason:
                "the path is too long for a socket (107 bytes at most); choose a shorter one with --socket"
                    .into(),
        })?;
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            if !dir.is_dir() {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o755)
                    .create(dir)
                    .map_err(|e| failed("its directory cannot be made", &e))?;
            }
        }
        check_folder(path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new(".")))
            .map_err(|reason| ServerError::Socket { socket: path.to_owned(), reason })?;
        let lock_path = with_suffix(path, ".lock");
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&lock_path)
            .map_err(|e| failed(&format!("{} cannot be opened", lock_path.display()), &e))?;
        let own = file.metadata().is_ok_and(|found| {
            found.is_file() && found.uid() == nix::unistd::geteuid().as_raw() && found.nlink() == 1
        });
        if !own {
            let what = format!("{} is another's file", lock_path.display());
            return Err(failed(&what, &"remove it, or choose another folder with --socket"));
        }
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| {
            if e == Errno::EWOULDBLOCK {
                ServerError::InUse { socket: path.to_owned() }
            } else {
                failed("its lock cannot be taken", &e)
            }
        })?;
        match std::fs::symlink_metadata(path) {
            Ok(found) if std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
                // We have the lock: whoever made this is gone.
                std::fs::remove_file(path).map_err(|e| failed("the old socket cannot be removed", &e))?;
            }
            Ok(_) => return Err(failed("something else is there", &"not a socket; choose another path")),
            Err(_) => {}
        }
        Ok(Self { path: path.to_owned(), address, lock })
    }

    /// Listens there. The socket appears last, when opens can be answered: whoever waits for it may
    /// begin at once.
    pub(crate) fn listen(self) -> Result<Listening, ServerError> {
        let Self { path, address, lock } = self;
        let failed = |what: &str, e: &dyn std::fmt::Display| failed(&path, what, e);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
            .map_err(|e| failed("no socket", &e))?;
        bind(fd.as_raw_fd(), &address).map_err(|e| failed("it cannot be bound", &e))?;
        // Who may connect is decided by the directory; what may be opened, pipe by pipe.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666))
            .map_err(|e| failed("its mode cannot be set", &e))?;
        listen(&fd, Backlog::new(128).unwrap_or(Backlog::MAXCONN)).map_err(|e| failed("listen", &e))?;
        Ok(Listening { fd, path, _lock: lock })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The lock file stays: removing it would let two servers lock two files of one name.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A tool's connection. While it is open the server counts it as a user and does not end by itself.
#[derive(Debug)]
pub struct Connection {
    fd: OwnedFd,
    socket: PathBuf,
}

impl Connection {
    /// Connects to the server at `socket`.
    ///
    /// # Errors
    /// [`ServerError::Unreachable`] with the remedy, [`ServerError::Protocol`] if something else answers,
    /// [`ServerError::Stranger`] if it is another user's.
    pub fn to(socket: &Path) -> Result<Self, ServerError> {
        let whole = std::path::absolute(socket).unwrap_or_else(|_| socket.to_owned());
        let unreachable =
            |e: Errno| ServerError::Unreachable { socket: socket.to_owned(), reason: e.desc().into() };
        let address = UnixAddr::new(socket).map_err(unreachable)?;
        let fd =
            nix::sys::socket::socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
                .map_err(unreachable)?;
        let patience = TimeVal::new(PATIENCE.as_secs() as i64, 0);
        setsockopt(&fd, ReceiveTimeout, &patience).map_err(unreachable)?;
        setsockopt(&fd, SendTimeout, &patience).map_err(unreachable)?;
        connect(fd.as_raw_fd(), &address).map_err(unreachable)?;
        if let Err(why) = server::check(fd.as_raw_fd(), whole.as_os_str().as_bytes()) {
            let (socket, reason) = (socket.to_owned(), why.to_string());
            return Err(ServerError::Stranger { socket, reason });
        }
        let connection = Self { fd, socket: socket.to_owned() };
        match connection.ask(&Request::Hello { build: build_id(vloopback_ring::LAYOUT) })? {
            Reply::Welcome { .. } => Ok(connection),
            Reply::Refused(reason) => Err(connection.strange(reason)),
            Reply::Error(e) => Err(ServerError::Unreachable {
                socket: socket.to_owned(),
                reason: format!("it accepts no more connections: {}", Errno::from_raw(e).desc()),
            }),
            other => Err(connection.strange(format!("{other:?} for a greeting"))),
        }
    }

    fn strange(&self, reason: String) -> ServerError {
        ServerError::Protocol { socket: self.socket.clone(), reason }
    }

    fn ended(&self, how: &str) -> ServerError {
        ServerError::Unreachable { socket: self.socket.clone(), reason: format!("it has just ended: {how}") }
    }

    /// One request that needs no descriptors, and its reply.
    ///
    /// # Errors
    /// As [`Connection::to`].
    pub fn ask(&self, request: &Request) -> Result<Reply, ServerError> {
        self.ask_with(request, &[]).map(|(reply, _)| reply)
    }

    /// One request and the descriptors that go with it; its reply, and the descriptor that comes with that.
    fn ask_with(
        &self,
        request: &Request,
        fds: &[BorrowedFd],
    ) -> Result<(Reply, Option<OwnedFd>), ServerError> {
        // A server that has just ended, perhaps with us in the queue of those who wanted to connect.
        let gone = |e: Errno| self.ended(e.desc());
        let head = request.encode();
        let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        match records::send(self.fd.as_raw_fd(), [head.as_bytes(), &[]], &raw, 0) {
            // A server that has closed already may have said why.
            Ok(()) | Err(vloopback_sys::Errno::EPIPE | vloopback_sys::Errno::ECONNRESET) => {}
            Err(e) => return Err(gone(Errno::from_raw(e.raw()))),
        }
        let mut record = vec![0; MAX_RECORD];
        let mut came = FdList::new();
        let n = match records::receive(self.fd.as_raw_fd(), &mut record, &mut came, 0) {
            Ok(received) => received.len,
            Err(vloopback_sys::Errno::EAGAIN) => {
                return Err(ServerError::Unreachable {
                    socket: self.socket.clone(),
                    reason: format!("it has not answered for {} s; is it stopped?", PATIENCE.as_secs()),
                });
            }
            Err(e) => return Err(gone(Errno::from_raw(e.raw()))),
        };
        if n == 0 {
            return Err(self.ended("it says nothing any more"));
        }
        let reply = Reply::decode(&record[..n]).map_err(|e| self.strange(e.to_string()))?;
        // SAFETY: taken out of the list, so that it is ours alone.
        let came = (!came.is_empty()).then(|| unsafe { OwnedFd::from_raw_fd(came.take(0)) });
        Ok((reply, came))
    }
}

/// Tells the server at `socket` what clients of the pipe of node `node` (the N of `/dev/videoN`) see in place
/// of the no-signal card, and for how many milliseconds a pusher may be silent before they see it (0: for
/// ever). What is None stays as it is.
///
/// # Errors
/// As [`Connection::to`]. The inner one is the server's errno: ENOENT for a node that is not there, EACCES for
/// one that this user may not open for writing, EINVAL.
pub fn set_timeout_image(
    socket: &Path,
    node: u32,
    image: Option<&TimeoutImage>,
    limit: Option<u32>,
) -> Result<Result<(), i32>, ServerError> {
    let connection = Connection::to(socket)?;
    let (width, height) = image.map_or((0, 0), TimeoutImage::size);
    let fds: Vec<BorrowedFd> = image.iter().map(|image| image.fd()).collect();
    match connection.ask_with(&Request::SetTimeout { node, width, height, limit }, &fds)?.0 {
        Reply::Done => Ok(Ok(())),
        Reply::Error(errno) => Ok(Err(errno)),
        other => Err(connection.strange(format!("{other:?} for a timeout image"))),
    }
}

/// What a tool asked for, and the server did not do: an errno, why, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Denied {
    /// The errno.
    pub errno: i32,
    /// Why, and what helps.
    pub text: String,
}

/// Asks the server at `socket` to add a pipe. Returns its nodes' numbers: input, output.
///
/// # Errors
/// As [`Connection::to`]. The inner one is the server's: EPERM for who may not, EEXIST for a number that is taken, EINVAL,
/// ENOSPC where there are as many as can be.
pub fn add_pipe(socket: &Path, spec: &PipeSpec) -> Result<Result<(u32, u32), Denied>, ServerError> {
    let connection = Connection::to(socket)?;
    match connection.ask(&Request::Add { spec: *spec })? {
        Reply::Added { input, output, .. } => Ok(Ok((input, output))),
        Reply::Denied { errno, text } => Ok(Err(Denied { errno, text })),
        other => Err(connection.strange(format!("{other:?} for a pipe"))),
    }
}

/// Asks the server at `socket` to take away the pipe of node `node` (the N of `/dev/videoN`); with `force` also while
/// somebody has it open.
///
/// # Errors
/// As [`Connection::to`]. The inner one is the server's: EPERM, ENODEV for a node that is not there, EBUSY for a pipe that
/// is open, with the names of those that have it.
pub fn remove_pipe(socket: &Path, node: u32, force: bool) -> Result<Result<(), Denied>, ServerError> {
    done(&Connection::to(socket)?, &Request::Remove { node, force })
}

/// Asks the server at `socket` to set format and rate (numerator and denominator of the seconds a frame) of the pipe of
/// node `node`, and whether they stay, whoever pushes. What is None stays as it is.
///
/// # Errors
/// As [`Connection::to`]. The inner one is the server's: EACCES, ENODEV, EINVAL, EBUSY while somebody pushes another
/// format.
pub fn set_caps(
    socket: &Path,
    node: u32,
    format: Option<PixelFormat>,
    interval: Option<(u32, u32)>,
    keep: Option<bool>,
) -> Result<Result<(), Denied>, ServerError> {
    done(&Connection::to(socket)?, &Request::SetCaps { node, format, interval, keep })
}

fn done(connection: &Connection, request: &Request) -> Result<Result<(), Denied>, ServerError> {
    match connection.ask(request)? {
        Reply::Done => Ok(Ok(())),
        Reply::Denied { errno, text } => Ok(Err(Denied { errno, text })),
        other => Err(connection.strange(format!("{other:?} for {request:?}"))),
    }
}

/// Asks the server at `socket` for its pipes, as the JSON text that `vloopback list --json` prints.
///
/// # Errors
/// As [`Connection::to`].
pub fn query_list(socket: &Path) -> Result<String, ServerError> {
    let connection = Connection::to(socket)?;
    match connection.ask_with(&Request::List, &[])? {
        (Reply::Text(text), None) => Ok(text),
        // Longer than a record. Where it was written to is where reading goes on: from the beginning.
        (Reply::Text(_), Some(file)) => {
            let mut text = String::new();
            let mut file = File::from(file);
            file.rewind()
                .and_then(|()| file.read_to_string(&mut text))
                .map_err(|e| connection.strange(format!("the list cannot be read: {e}")))?;
            Ok(text)
        }
        (other, _) => Err(connection.strange(format!("{other:?} for a list"))),
    }
}
