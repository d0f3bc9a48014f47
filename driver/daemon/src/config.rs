//! What the server is asked to be.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use vloopback_core::{Idle, Profile};

use crate::ServerError;

/// The most pipes a server makes, spares included: node numbers end at 255 (the old major's minors),
/// two a pipe, and the real ones need room.
pub const MAX_PIPES: u32 = 64;
/// The most V4L1 frames a client may map: two slots more make the largest ring.
pub const MAX_BUFFERS: u32 = 30;

/// What the server is asked to be. Options as the old module's, and where to listen.
#[derive(Clone, Debug)]
pub struct Config {
    /// Pipes to make at the start, 1 to [`MAX_PIPES`].
    pub pipes: u32,
    /// Free pipes to keep: when a claim leaves fewer, another is made, up to [`MAX_PIPES`] in all.
    pub spares: u32,
    /// How long a pipe that was made as a spare, and that nobody has open, stays when more than `spares`
    /// are free.
    pub spare_timeout: Duration,
    /// V4L1 frames a client may map, 2 to [`MAX_BUFFERS`].
    pub num_buffers: u32,
    /// -1: the lowest free node numbers, input the lower; else input 2n+off, output 2n+1+off.
    pub dev_offset: i32,
    /// Where to listen.
    pub socket: PathBuf,
    /// The bundle of policies.
    pub profile: Profile,
    /// What a client meets while nobody pushes; None: what the profile says.
    pub idle: Option<Idle>,
    /// Permission bits of the nodes.
    pub mode: u32,
    /// Group of the nodes by number; None: group "video" for root's server, else the own one.
    pub group: Option<u32>,
    /// The time that a zero-copy pusher has to answer a client's request, SYNC excepted; 0: for ever.
    pub answer_timeout: Duration,
    /// End after this long without a user; None: never.
    pub exit_when_idle: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pipes: 1,
            spares: 0,
            spare_timeout: Duration::from_secs(10),
            num_buffers: 2,
            dev_offset: -1,
            socket: default_socket(None),
            profile: Profile::Default,
            idle: None,
            mode: 0o660,
            group: None,
            answer_timeout: Duration::from_secs(10),
            exit_when_idle: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileConfig {
    pipes: Option<u32>,
    spares: Option<u32>,
    spare_timeout: Option<u32>,
    num_buffers: Option<u32>,
    dev_offset: Option<i32>,
    socket: Option<PathBuf>,
    profile: Option<String>,
    idle: Option<String>,
    mode: Option<String>,
    group: Option<u32>,
    answer_timeout: Option<u32>,
}

impl Config {
    /// The options as `path` (TOML) has them: keys pipes, spares, spare_timeout (seconds), num_buffers,
    /// dev_offset, socket, profile, idle, mode (octal, as "0660"), group (number), answer_timeout
    /// (seconds). What it does not name stays as it is.
    ///
    /// # Errors
    /// [`ServerError::Config`] with file, line and key.
    pub fn merge_file(&mut self, path: &Path) -> Result<(), ServerError> {
        let bad = |reason: String| ServerError::Config { file: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
        let file: FileConfig = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
        if let Some(name) = file.profile {
            self.profile = name.parse().map_err(|e| bad(format!("key profile: {e}")))?;
        }
        if let Some(name) = file.idle {
            self.idle = Some(name.parse().map_err(|e| bad(format!("key idle: {e}")))?);
        }
        if let Some(mode) = file.mode {
            self.mode = u32::from_str_radix(&mode, 8)
                .ok()
                .filter(|m| *m <= 0o777)
                .ok_or_else(|| bad(format!("key mode: '{mode}' is no octal mode such as \"0660\"")))?;
        }
        self.pipes = file.pipes.unwrap_or(self.pipes);
        self.spares = file.spares.unwrap_or(self.spares);
        self.spare_timeout =
            file.spare_timeout.map_or(self.spare_timeout, |seconds| Duration::from_secs(seconds.into()));
        self.num_buffers = file.num_buffers.unwrap_or(self.num_buffers);
        self.dev_offset = file.dev_offset.unwrap_or(self.dev_offset);
        self.socket = file.socket.unwrap_or_else(|| self.socket.clone());
        self.group = file.group.or(self.group);
        self.answer_timeout =
            file.answer_timeout.map_or(self.answer_timeout, |seconds| Duration::from_secs(seconds.into()));
        Ok(())
    }

    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// [`ServerError::Option`] that names the option and its range.
    pub fn check(&self) -> Result<(), ServerError> {
        let range = |name, value: i64, low: i64, high: i64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(ServerError::Option(format!("{name} is {value}; it can be {low} to {high}")))
            }
        };
        range("--pipes", self.pipes.into(), 1, MAX_PIPES.into())?;
        range("--spares", self.spares.into(), 0, MAX_PIPES.into())?;
        range("--num-buffers", self.num_buffers.into(), 2, MAX_BUFFERS.into())?;
        range("--dev-offset", self.dev_offset.into(), -1, 254)?;
        if self.dev_offset >= 0 {
            let last = i64::from(self.dev_offset) + 2 * i64::from(self.pipes) - 1;
            range("the last node number that --dev-offset and --pipes give", last, 0, 255)?;
        }
        Ok(())
    }
}

/// The socket's path: the option, else `$VLOOPBACK_SOCKET`, else `$XDG_RUNTIME_DIR/vloopback/socket`,
/// else `/run/vloopback/socket`. Empty variables count as unset.
///
/// A user without a runtime directory (in a container, say) who cannot make `/run/vloopback` either
/// gets `/tmp/vloopback-UID/socket`, as long as nobody else can have made that directory.
pub fn default_socket(option: Option<&Path>) -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    option
        .map(Path::to_owned)
        .or_else(|| variable("VLOOPBACK_SOCKET"))
        .or_else(|| variable("XDG_RUNTIME_DIR").map(|dir| dir.join("vloopback/socket")))
        .or_else(own_socket)
        .unwrap_or_else(|| PathBuf::from("/run/vloopback/socket"))
}

fn own_socket() -> Option<PathBuf> {
    let uid = nix::unistd::geteuid();
    if uid.is_root() || Path::new("/run/vloopback").exists() {
        return None;
    }
    let dir = PathBuf::from(format!("/tmp/vloopback-{uid}"));
    match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(_) => return None,
    }
    // Not followed: a link there may be somebody else's.
    let found = std::fs::symlink_metadata(&dir).ok()?;
    let ours = found.is_dir() && found.uid() == uid.as_raw() && found.mode() & 0o022 == 0;
    ours.then(|| dir.join("socket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(text: &str) -> Result<Config, ServerError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("it can be written");
        let mut config = Config::default();
        config.merge_file(file.path()).map(|()| config)
    }

    #[test]
    fn a_file_names_the_time_that_spares_stay() {
        assert_eq!(merged("spares = 2").expect("a good file").spare_timeout, Duration::from_secs(10));
        let config = merged("spares = 2\nspare_timeout = 0").expect("a good file");
        assert_eq!((config.spares, config.spare_timeout), (2, Duration::ZERO));
        assert!(merged("spare_timeout = -1").is_err());
    }

    #[test]
    fn a_file_names_the_idle_policy() {
        assert_eq!(merged("pipes = 2").expect("a good file").idle, None);
        for idle in [Idle::Placeholder, Idle::Wait, Idle::Refuse] {
            let config = merged(&format!("pipes = 2\nidle = \"{idle}\"")).expect("a good file");
            assert_eq!((config.pipes, config.idle), (2, Some(idle)));
        }
        let error = merged("idle = \"never\"").expect_err("there is none").to_string();
        assert!(error.contains("key idle") && error.contains("placeholder, wait, refuse"), "{error}");
        assert!(merged("idle = 3").is_err() && merged("idel = \"wait\"").is_err());
    }
}
