//! The server's configuration.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use vloopback_core::{Idle, Profile};
use vloopback_proc::model::Names;

use crate::{Limits, ServerError, TimeoutImage};

/// The most pipes of a server, spares included: node numbers end at 255 (the old major's minors),
/// each pipe needs two, and real devices need room.
pub const MAX_PIPES: u32 = 64;
/// The most V4L1 frames a client may map: two slots more make the largest ring.
pub const MAX_BUFFERS: u32 = 30;
/// The longest time limit for silent pushers, as in v4l2loopback.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_millis(100_000);

/// Which nodes have the low numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// A pipe's two nodes are neighbours, the input first, as programs of the old driver's time assume.
    #[default]
    InputFirst,
    /// Outputs are numbered from 0 on, inputs from [`FIRST_INPUT`] on: /dev/video0 is a camera, for programs
    /// that always use it.
    OutputFirst,
}

/// The lowest number of an input when outputs have the low numbers. Programs that search for cameras by number
/// (Firefox) try the numbers below.
pub const FIRST_INPUT: u32 = 64;

impl Order {
    /// The word on the command line and in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::InputFirst => "input-first",
            Self::OutputFirst => "output-first",
        }
    }
}

impl std::str::FromStr for Order {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::InputFirst, Self::OutputFirst]
            .into_iter()
            .find(|order| order.word() == word)
            .ok_or_else(|| format!("'{word}' is not an order; use input-first or output-first"))
    }
}

/// Whose open files of a pipe's output may stream at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// One of each process: in the V4L2 specification a stream has one owner.
    #[default]
    Processes,
    /// All: a program may stream twice.
    All,
}

impl Share {
    /// The word on the command line and in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::All => "all",
        }
    }
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Processes, Self::All]
            .into_iter()
            .find(|share| share.word() == word)
            .ok_or_else(|| format!("'{word}' is not a way to share; use processes or all"))
    }
}

/// The server's configuration: the options of the old module and more, and where to listen.
#[derive(Clone, Debug)]
pub struct Config {
    /// Pipes to make at the start, 1 to [`MAX_PIPES`].
    pub pipes: u32,
    /// Free pipes to keep: when a claim leaves fewer, the server makes another, up to [`MAX_PIPES`] in all.
    pub spares: u32,
    /// How long a spare pipe that nobody has open stays when more than `spares` are free.
    pub spare_timeout: Duration,
    /// V4L1 frames a client may map, 2 to [`MAX_BUFFERS`].
    pub num_buffers: u32,
    /// -1: the lowest free node numbers; else input 2n+off, output 2n+1+off, or where outputs come first
    /// output n+off, input n+off+[`FIRST_INPUT`].
    pub dev_offset: i32,
    /// Which nodes have the low numbers.
    pub order: Order,
    /// Where to listen.
    pub socket: PathBuf,
    /// The set of policies.
    pub profile: Profile,
    /// What a client meets while nobody pushes; None: the profile's policy.
    pub idle: Option<Idle>,
    /// One open file in all has a pipe's stream; else as [`Config::share`] says.
    pub exclusive: bool,
    /// Whose open files may stream at once.
    pub share: Share,
    /// Clients may have pixel formats and sizes that their pipe does not have.
    pub convert: bool,
    /// Permission bits of the nodes.
    pub mode: u32,
    /// Group of the nodes, by number; None: group "video" for root's server, else the server's own.
    pub group: Option<u32>,
    /// The time that a zero-copy pusher has to answer a client's request, SYNC excepted; 0: for ever.
    pub answer_timeout: Duration,
    /// End after this long without a user; None: never.
    pub exit_when_idle: Option<Duration>,
    /// The picture's file that clients see in place of the no-signal card.
    pub timeout_image: Option<PathBuf>,
    /// For how long a pusher may publish nothing before clients see that picture, or the card; 0: for ever.
    pub timeout: Duration,
    /// What each user except the server's own may take.
    pub limits: Limits,
    /// Whose names programs of today find: v4l2loopback's, which they look for, or vloopback's own.
    pub identity: Names,
    /// The group, by number, whose users may add and delete pipes; else only the server's own user and root.
    pub admin_group: Option<u32>,
    /// The file in which pipes that were added outlive the server; None: they end with it.
    pub state: Option<PathBuf>,
    /// The most buffers that a program gets at a time, of the pipes that the server makes by itself; 0: as many as there
    /// can be.
    pub max_buffers: u32,
    /// How many may have one of those open; 0: as many as like.
    pub max_openers: u32,
    /// The sizes that a pusher may set there: least width, most width, least height, most height.
    pub sizes: [u32; 4],
    /// Settings of single pipes, by index.
    pub pipe: Vec<PipeConfig>,
    /// The pictures of all those files ([`Config::picture_files`]), decoded: the server reads no pictures.
    pub pictures: BTreeMap<PathBuf, Arc<TimeoutImage>>,
}

/// Settings of one pipe that differ from the common ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipeConfig {
    /// What programs find the pipe to be called: UTF-8, of which 31 bytes are told, cut at a character.
    pub label: String,
    /// N of the input's /dev/videoN; None: a free number.
    pub input: Option<u32>,
    /// N of the output's; None: the one after the input's, or a free one.
    pub output: Option<u32>,
    /// As [`Config::timeout_image`].
    pub timeout_image: Option<PathBuf>,
    /// As [`Config::timeout`].
    pub timeout: Option<Duration>,
    /// As [`Config::exclusive`].
    pub exclusive: Option<bool>,
    /// As [`Config::share`].
    pub share: Option<Share>,
    /// As [`Config::convert`].
    pub convert: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pipes: 1,
            spares: 0,
            spare_timeout: Duration::from_secs(10),
            num_buffers: 2,
            dev_offset: -1,
            order: Order::InputFirst,
            socket: default_socket(None),
            profile: Profile::Default,
            idle: None,
            exclusive: false,
            share: Share::Processes,
            convert: true,
            mode: 0o660,
            group: None,
            answer_timeout: Duration::from_secs(10),
            exit_when_idle: None,
            timeout_image: None,
            timeout: Duration::ZERO,
            limits: Limits::default(),
            identity: Names::default(),
            admin_group: None,
            state: None,
            max_buffers: 0,
            max_openers: 0,
            sizes: vloopback_core::ANY_SIZE,
            pipe: Vec::new(),
            pictures: BTreeMap::new(),
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
    order: Option<String>,
    socket: Option<PathBuf>,
    profile: Option<String>,
    idle: Option<String>,
    exclusive: Option<bool>,
    share: Option<String>,
    convert: Option<bool>,
    mode: Option<String>,
    group: Option<u32>,
    answer_timeout: Option<u32>,
    timeout_image: Option<PathBuf>,
    timeout: Option<u32>,
    identity: Option<String>,
    admin_group: Option<u32>,
    state: Option<PathBuf>,
    #[serde(default)]
    limits: FileLimits,
    #[serde(default)]
    pipe: Vec<FilePipe>,
}

/// The table `[limits]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    connections: Option<u32>,
    open_devices: Option<u32>,
    memory: Option<u32>,
}

/// A table `[[pipe]]`: the first one is for pipe 0.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePipe {
    label: Option<String>,
    input: Option<u32>,
    output: Option<u32>,
    timeout_image: Option<PathBuf>,
    timeout: Option<u32>,
    exclusive: Option<bool>,
    share: Option<String>,
    convert: Option<bool>,
}

impl Config {
    /// Reads the options from `path` (TOML): keys pipes, spares, spare_timeout (seconds), num_buffers,
    /// dev_offset, order, socket, profile, idle, exclusive (true or false), share ("processes", "all"), convert (true or false), mode (octal, as "0660"), group (number),
    /// answer_timeout (seconds), timeout_image (file), timeout (milliseconds), identity ("v4l2loopback", "vloopback"),
    /// admin_group (number), state (file, where this one is); a table `[limits]` of what each user may
    /// take, with connections, open_devices and memory (MiB); and a table `[[pipe]]` for each
    /// pipe from 0 on with its own label, input, output (numbers of nodes), timeout_image, timeout, exclusive, share or convert. Relative paths of pictures start at this
    /// file's folder. Keys that are not in the file keep their values.
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
        if let Some(order) = file.order {
            self.order = order.parse().map_err(|e| bad(format!("key order: {e}")))?;
        }
        if let Some(mode) = file.mode {
            self.mode = u32::from_str_radix(&mode, 8)
                .ok()
                .filter(|m| *m <= 0o777)
                .ok_or_else(|| bad(format!("key mode: '{mode}' is not an octal mode such as \"0660\"")))?;
        }
        self.pipes = file.pipes.unwrap_or(self.pipes);
        self.spares = file.spares.unwrap_or(self.spares);
        self.spare_timeout =
            file.spare_timeout.map_or(self.spare_timeout, |seconds| Duration::from_secs(seconds.into()));
        self.num_buffers = file.num_buffers.unwrap_or(self.num_buffers);
        self.exclusive = file.exclusive.unwrap_or(self.exclusive);
        self.convert = file.convert.unwrap_or(self.convert);
        let share = |word: Option<String>| {
            word.map(|word| word.parse::<Share>()).transpose().map_err(|e| bad(format!("key share: {e}")))
        };
        self.share = share(file.share)?.unwrap_or(self.share);
        self.dev_offset = file.dev_offset.unwrap_or(self.dev_offset);
        self.socket = file.socket.unwrap_or_else(|| self.socket.clone());
        self.group = file.group.or(self.group);
        if let Some(name) = file.identity {
            self.identity = identity(&name).map_err(|e| bad(format!("key identity: {e}")))?;
        }
        self.admin_group = file.admin_group.or(self.admin_group);
        let beside =
            |image: PathBuf| path.parent().map_or_else(|| image.clone(), |folder| folder.join(&image));
        let millis = |limit: u32| Duration::from_millis(limit.into());
        self.state = file.state.map(beside).or(self.state.take());
        self.timeout_image = file.timeout_image.map(beside).or(self.timeout_image.take());
        self.timeout = file.timeout.map_or(self.timeout, millis);
        if !file.pipe.is_empty() {
            let own = |pipe: FilePipe| {
                Ok(PipeConfig {
                    label: pipe.label.unwrap_or_default(),
                    input: pipe.input,
                    output: pipe.output,
                    timeout_image: pipe.timeout_image.map(beside),
                    timeout: pipe.timeout.map(millis),
                    exclusive: pipe.exclusive,
                    share: share(pipe.share)?,
                    convert: pipe.convert,
                })
            };
            self.pipe = file.pipe.into_iter().map(own).collect::<Result<_, ServerError>>()?;
        }
        let limits = &mut self.limits;
        limits.connections = file.limits.connections.unwrap_or(limits.connections);
        limits.open_devices = file.limits.open_devices.unwrap_or(limits.open_devices);
        limits.memory = file.limits.memory.unwrap_or(limits.memory);
        self.answer_timeout =
            file.answer_timeout.map_or(self.answer_timeout, |seconds| Duration::from_secs(seconds.into()));
        Ok(())
    }

    /// The files of all pictures.
    pub fn picture_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.pipe.iter().filter_map(|pipe| pipe.timeout_image.as_ref()).chain(&self.timeout_image)
    }

    /// The picture that clients of a pipe see in place of the card.
    pub(crate) fn timeout_image_of(&self, index: u32) -> Option<Arc<TimeoutImage>> {
        let own = self.pipe.get(index as usize).and_then(|pipe| pipe.timeout_image.as_ref());
        own.or(self.timeout_image.as_ref()).and_then(|file| self.pictures.get(file)).cloned()
    }

    /// Whether one open file in all has a pipe's stream. A pipe's own `share = "all"` overrides it.
    pub(crate) fn exclusive_of(&self, index: u32) -> bool {
        let own = self.pipe.get(index as usize);
        let shared = own.and_then(|pipe| pipe.share) == Some(Share::All);
        own.and_then(|pipe| pipe.exclusive).unwrap_or(self.exclusive && !shared)
    }

    /// Whether clients may have formats and sizes that the pipe does not have.
    pub(crate) fn converts_of(&self, index: u32) -> bool {
        self.pipe.get(index as usize).and_then(|pipe| pipe.convert).unwrap_or(self.convert)
    }

    /// Whose open files of a pipe may stream at once.
    pub(crate) fn share_of(&self, index: u32) -> Share {
        self.pipe.get(index as usize).and_then(|pipe| pipe.share).unwrap_or(self.share)
    }

    /// What programs find a pipe to be called.
    pub(crate) fn label_of(&self, index: u32) -> &str {
        self.pipe.get(index as usize).map_or("", |pipe| pipe.label.as_str())
    }

    /// How long a pusher of a pipe may be silent.
    pub(crate) fn timeout_of(&self, index: u32) -> Duration {
        self.pipe.get(index as usize).and_then(|pipe| pipe.timeout).unwrap_or(self.timeout)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ServerError::Option`] that names the option and its range.
    pub fn check(&self) -> Result<(), ServerError> {
        let range = |name, value: i64, low: i64, high: i64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(ServerError::Option(format!("{name} is {value}, but must be from {low} to {high}")))
            }
        };
        range("--pipes", self.pipes.into(), 1, MAX_PIPES.into())?;
        range("--spares", self.spares.into(), 0, MAX_PIPES.into())?;
        let longest = self.pipe.iter().filter_map(|pipe| pipe.timeout).fold(self.timeout, Duration::max);
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        range("--timeout", millis(longest), 0, millis(MAX_TIMEOUT))?;
        let both = |exclusive, share| exclusive && share == Share::All;
        let own = |pipe: &PipeConfig| both(pipe.exclusive == Some(true), pipe.share.unwrap_or_default());
        if both(self.exclusive, self.share) || self.pipe.iter().any(own) {
            let text = "--exclusive (one program in all streams) and --share all (each program as often as it likes) \
                        exclude each other: choose one for a pipe";
            return Err(ServerError::Option(text.into()));
        }
        range("--num-buffers", self.num_buffers.into(), 2, MAX_BUFFERS.into())?;
        range("--dev-offset", self.dev_offset.into(), -1, 254)?;
        if self.dev_offset >= 0 {
            let pipes = i64::from(self.pipes);
            let above = match self.order {
                Order::InputFirst => 2 * pipes,
                Order::OutputFirst => i64::from(FIRST_INPUT) + pipes,
            };
            let last = i64::from(self.dev_offset) + above - 1;
            range("the last node number that --dev-offset and --pipes give", last, 0, 255)?;
        }
        Ok(())
    }
}

/// Whose names a word means.
fn identity(word: &str) -> Result<Names, String> {
    match word {
        "v4l2loopback" => Ok(Names::V4l2loopback),
        "vloopback" => Ok(Names::Vloopback),
        _ => Err(format!("'{word}' is no identity; there are: v4l2loopback, vloopback")),
    }
}

/// The socket's path: the option, else `$VLOOPBACK_SOCKET`, else `$XDG_RUNTIME_DIR/vloopback/socket`,
/// else `/run/vloopback/socket`. Empty variables count as unset.
///
/// A user without a runtime directory (in a container, for example) who cannot make `/run/vloopback` either
/// gets `/tmp/vloopback-UID/socket`, if nobody else can have made that directory.
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
    fn a_file_names_pictures_for_all_and_for_single_pipes() {
        let text = "timeout_image = \"/pictures/all.png\"\ntimeout = 500\n\
                    [[pipe]]\n[[pipe]]\ntimeout_image = \"own.png\"\ntimeout = 0\n";
        let config = merged(text).expect("a good file");
        assert_eq!(config.timeout, Duration::from_millis(500));
        assert_eq!([0, 1, 2].map(|k| config.timeout_of(k).as_millis()), [500, 0, 500]);
        let files: Vec<&PathBuf> = config.picture_files().collect();
        assert!(files[0].is_absolute() && files[0].ends_with("own.png"), "beside the file: {files:?}");
        assert_eq!(files[1], Path::new("/pictures/all.png"));
        assert!(config.timeout_image_of(0).is_none(), "nobody has decoded it");
        assert!(merged("[[pipe]]\ntimeout_picture = \"x\"").is_err() && merged("timeout = -1").is_err());
        let error = merged("timeout = 100001").expect("a number").check().expect_err("too long").to_string();
        assert!(error.contains("--timeout"), "{error}");
    }

    #[test]
    fn a_file_names_the_idle_policy() {
        assert_eq!(merged("pipes = 2").expect("a good file").idle, None);
        for idle in [Idle::Placeholder, Idle::Wait, Idle::Refuse] {
            let config = merged(&format!("pipes = 2\nidle = \"{idle}\"")).expect("a good file");
            assert_eq!((config.pipes, config.idle), (2, Some(idle)));
        }
        let error = merged("idle = \"never\"").expect_err("there is none").to_string();
        assert!(error.contains("key idle") && error.contains("placeholder, wait or refuse"), "{error}");
        assert!(merged("idle = 3").is_err() && merged("idel = \"wait\"").is_err());
    }

    #[test]
    fn a_file_names_the_order_of_the_nodes() {
        assert_eq!(merged("pipes = 2").expect("a good file").order, Order::InputFirst);
        for order in [Order::InputFirst, Order::OutputFirst] {
            let config = merged(&format!("order = \"{}\"", order.word())).expect("a good file");
            assert_eq!(config.order, order);
        }
        let error = merged("order = \"output\"").expect_err("there is none").to_string();
        assert!(error.contains("key order") && error.contains("input-first or output-first"), "{error}");
        let last = |offset| {
            let text = format!("pipes = 64\ndev_offset = {offset}\norder = \"output-first\"");
            merged(&text).expect("a good file").check()
        };
        assert!(last(128).is_ok() && last(129).is_err());
    }

    #[test]
    fn a_file_names_pipes_with_one_stream() {
        assert!(!merged("pipes = 2").expect("a good file").exclusive_of(0));
        let text = "exclusive = true\n[[pipe]]\nexclusive = false\n[[pipe]]\n";
        let config = merged(text).expect("a good file");
        assert_eq!([0, 1, 2].map(|pipe| config.exclusive_of(pipe)), [false, true, true]);
        assert!(merged("exclusive = 1").is_err());
    }

    #[test]
    fn a_file_names_who_shares_a_pipe() {
        assert_eq!(merged("pipes = 2").expect("a good file").share_of(0), Share::Processes);
        let text = "share = \"all\"\n[[pipe]]\nshare = \"processes\"\n[[pipe]]\n[[pipe]]\nexclusive = true\n";
        let config = merged(text).expect("a good file");
        config.check().expect("each pipe has one of the two");
        assert_eq!([0, 1].map(|pipe| config.share_of(pipe)), [Share::Processes, Share::All]);
        assert_eq!([0, 1, 2].map(|pipe| config.exclusive_of(pipe)), [false, false, true]);
        let text = "exclusive = true\n[[pipe]]\nshare = \"all\"\n";
        let config = merged(text).expect("a good file");
        assert!(!config.exclusive_of(0) && config.exclusive_of(1));
        let error = merged("share = \"none\"").expect_err("there is none").to_string();
        assert!(error.contains("key share") && error.contains("processes or all"), "{error}");
        for text in ["exclusive = true\nshare = \"all\"", "[[pipe]]\nexclusive = true\nshare = \"all\""] {
            assert!(merged(text).expect("a good file").check().is_err(), "{text}");
        }
    }
}
