//! Finds the server and a free pipe.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Uid, access};
use vloopback_abi::Errno;
use vloopback_proc::{ClaimError, ClaimOptions, claim_free_pipe_with};
use vloopback_runtime::native::{self, Input};
use vloopback_runtime::native_zero::{self, ZeroInput};

use crate::PusherError;

/// The result of opening a node.
pub(crate) enum Opened<T> {
    /// An input, claimed.
    Input(T),
    /// An output; its pipe's input is that node.
    Output(u32),
}

/// A pusher's side of an open input.
pub(crate) trait InputNode: Sized {
    /// Opens the node of this number and claims its pipe.
    ///
    /// # Errors
    /// errno.
    fn open(number: u32) -> Result<Opened<Self>, Errno>;
}

impl InputNode for Input {
    fn open(number: u32) -> Result<Opened<Self>, Errno> {
        native::open_input(number).map(|opened| match opened {
            native::Opened::Input(input) => Opened::Input(*input),
            native::Opened::Output { input } => Opened::Output(input),
        })
    }
}

impl InputNode for ZeroInput {
    fn open(number: u32) -> Result<Opened<Self>, Errno> {
        native_zero::open(number).map(|opened| match opened {
            native_zero::Opened::Input(input) => Opened::Input(input),
            native_zero::Opened::Output { input } => Opened::Output(input),
        })
    }
}

/// Selects the server.
///
/// By default the one at `$VLOOPBACK_SOCKET`, else `$XDG_RUNTIME_DIR/vloopback/socket`, else
/// `/run/vloopback/socket`, or `/tmp/vloopback-UID/socket` for a user without either: the rule of
/// every vloopback program. Empty variables count as unset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finder {
    socket: Option<PathBuf>,
}

impl Finder {
    /// The default server.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The server that listens at `path`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { socket: Some(path.into()) }
    }

    /// The server's socket as an absolute path.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        let path = self.socket.clone().unwrap_or_else(|| default_socket(|name| env::var_os(name)));
        std::path::absolute(&path).unwrap_or(path)
    }

    /// Makes this the process's server.
    fn enter(&self) -> Result<PathBuf, PusherError> {
        let socket = self.socket();
        match native::use_server(&socket) {
            Ok(used) if used == socket => Ok(socket),
            Ok(used) => Err(PusherError::OneServer { used: used.to_owned(), socket }),
            Err(_) => Err(PusherError::SocketPath { socket }),
        }
    }

    /// Opens one node and claims its pipe.
    pub(crate) fn open<D: InputNode>(&self, number: u32) -> Result<D, PusherError> {
        let socket = self.enter()?;
        open_node(&socket, number)
    }

    /// Opens and claims the first free pipe, as the server lists them.
    pub(crate) fn claim<D: InputNode>(&self) -> Result<D, PusherError> {
        let socket = self.enter()?;
        let mut tree = socket.clone().into_os_string();
        tree.push(".d");
        let tree = PathBuf::from(tree);
        let options = ClaimOptions {
            proc_root: tree.join("proc"),
            sys_root: tree.join("sys"),
            dev_root: PathBuf::from("/dev"),
        };
        // What the last failure but "in use" was, in our own words.
        let mut failure = None;
        let claimed = claim_free_pipe_with(&options, |path: &Path| {
            let number = node_number(&path.to_string_lossy()).map_err(io::Error::other)?;
            open_node(&socket, number).map_err(|error| {
                let errno = error.errno();
                if errno != Errno::EBUSY {
                    failure = Some(error);
                }
                io::Error::from(errno)
            })
        });
        match (claimed, failure) {
            (Ok(claimed), _) => Ok(claimed.file),
            (Err(_), Some(failure)) => Err(failure),
            (Err(ClaimError::AllBusy { pipes, .. }), None) => Err(PusherError::AllBusy { socket, pipes }),
            (Err(ClaimError::NoDriver { .. }), None) => Err(PusherError::NoServer { socket }),
            (Err(other), None) => Err(PusherError::Views { socket, reason: other.to_string() }),
        }
    }
}

/// The N of `/dev/videoN`, `videoN` or `N`; also of the old `/dev/v4l/videoN`.
pub(crate) fn node_number(name: &str) -> Result<u32, PusherError> {
    let rest = name.strip_prefix("/dev/").unwrap_or(name);
    let rest = if rest.len() < name.len() { rest.strip_prefix("v4l/").unwrap_or(rest) } else { rest };
    let digits = rest.strip_prefix("video").unwrap_or(rest);
    // Not "+1", which parse() would take.
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = if plain { digits.parse().ok() } else { None };
    number.ok_or_else(|| PusherError::Name { name: name.to_owned() })
}

fn open_node<D: InputNode>(socket: &Path, number: u32) -> Result<D, PusherError> {
    let device = format!("/dev/video{number}");
    let socket = socket.to_owned();
    match D::open(number) {
        Ok(Opened::Input(input)) => Ok(input),
        Ok(Opened::Output(input)) => {
            Err(PusherError::NotAnInput { device, input: format!("/dev/video{input}") })
        }
        Err(errno) => Err(match errno {
            Errno::EBUSY => PusherError::Busy { device },
            Errno::EACCES | Errno::EPERM if access(&socket, AccessFlags::W_OK).is_err() => {
                PusherError::ServerDenied { socket }
            }
            Errno::EACCES | Errno::EPERM => PusherError::Denied { device },
            Errno::ENOENT if socket.exists() => PusherError::NoSuchPipe { device, socket },
            Errno::ENOENT | Errno::ECONNREFUSED | Errno::ENOTDIR => PusherError::NoServer { socket },
            Errno::EPROTONOSUPPORT | Errno::EPROTO => PusherError::OtherBuild { socket },
            Errno::ENODEV => PusherError::ServerGone { device },
            errno => PusherError::System { device, errno },
        }),
    }
}

/// The default socket by the environment that `variable` gives.
fn default_socket(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let path = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    path("VLOOPBACK_SOCKET")
        .or_else(|| path("XDG_RUNTIME_DIR").map(|dir| dir.join("vloopback/socket")))
        .or_else(own_socket)
        .unwrap_or_else(|| PathBuf::from("/run/vloopback/socket"))
}

/// The socket of a user who has no directory for it. Only a directory that nobody else can have
/// made counts; it is made by servers, not here.
fn own_socket() -> Option<PathBuf> {
    let uid = Uid::effective();
    if uid.is_root() || Path::new("/run/vloopback").exists() {
        return None;
    }
    let dir = PathBuf::from(format!("/tmp/vloopback-{uid}"));
    let found = std::fs::symlink_metadata(&dir).ok()?;
    let ours = found.is_dir() && found.uid() == uid.as_raw() && found.mode() & 0o022 == 0;
    ours.then(|| dir.join("socket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nodes() {
        for (name, number) in
            [("/dev/video0", 0), ("video12", 12), ("7", 7), ("/dev/v4l/video3", 3), ("/dev/9", 9)]
        {
            assert_eq!(node_number(name).unwrap(), number, "{name}");
        }
        for name in
            ["", "/dev/video", "video-1", "video+1", "/dev/null", "v4l/video3", "4294967296", "video 1"]
        {
            assert!(matches!(node_number(name), Err(PusherError::Name { .. })), "{name}");
        }
    }

    #[test]
    fn where_the_server_is() {
        let with = |pairs: &'static [(&'static str, &'static str)]| {
            default_socket(move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into()))
        };
        assert_eq!(with(&[("VLOOPBACK_SOCKET", "/a/b"), ("XDG_RUNTIME_DIR", "/c")]), Path::new("/a/b"));
        assert_eq!(
            with(&[("VLOOPBACK_SOCKET", ""), ("XDG_RUNTIME_DIR", "/c")]),
            Path::new("/c/vloopback/socket")
        );
        assert!(with(&[]).ends_with("socket"));
        // The servers' own rule, for the environment that the test has.
        assert_eq!(Finder::new().socket(), vloopback_daemon::default_socket(None));
        assert!(Finder::at("x").socket().is_absolute());
    }
}
