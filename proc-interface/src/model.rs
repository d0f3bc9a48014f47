//! What the views show: plain values, with no descriptor and no clock in them.

/// Which node of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The pusher's node.
    Input,
    /// The clients' node.
    Output,
}

impl Direction {
    /// The word that stands for this node in the sysfs and `VIDIOCGCAP` names.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Direction::Input => "input",
            Direction::Output => "output",
        }
    }
}

/// All pipes at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// First line of the pipe table, without its newline, such as `vloopback 0.1.0`.
    pub version: String,
    /// The pipes, in the order in which pushers shall try them (by index).
    pub pipes: Vec<PipeView>,
    /// What programs of today find the pipes to be called; those of the old driver's time find its names.
    pub names: Names,
    /// The node by which pipes are added and deleted as v4l2loopback's are, `/dev/v4l2loopback`; None: there is none.
    pub control: Option<NodeAccess>,
}

/// Whose names programs of today find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Names {
    /// Those of v4l2loopback, which they look for.
    #[default]
    V4l2loopback,
    /// Those of the old driver, as old programs do.
    Vloopback,
}

/// One pipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PipeView {
    /// Pipe number, the K of `vloopbackK` and of `Video loopback K input`.
    pub index: u32,
    /// Video number of the input node, the N of `/dev/videoN`.
    pub input: u32,
    /// Video number of the output node.
    pub output: u32,
    /// Whether a pusher has claimed the input, or may have: status `W` instead of `-`.
    pub writer: bool,
    /// How many open files the output has: status `R` instead of `-` if any.
    pub readers: u32,
    /// Frames so far.
    pub counters: Counters,
    /// What the pipe carries; `None` before a size and a palette are known.
    pub format: Option<FormatView>,
    /// Who has the pipe open.
    pub owners: Vec<Owner>,
    /// The pipe's label as a person set it; empty for none.
    pub label: String,
    /// Owner, group and mode of both nodes.
    pub access: NodeAccess,
    /// The most buffers that a program gets at a time.
    pub max_buffers: u32,
    /// How many may have the nodes open, both together; 0: as many as like.
    pub max_openers: u32,
    /// The format stays what it is, whoever pushes.
    pub kept: bool,
    /// How many clients stream.
    pub streaming: u32,
}

/// Frames counted since the pipe was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that pushers handed in, watched or not.
    pub written: u64,
    /// Frames delivered, summed over all clients.
    pub read: u64,
    /// Frames that streaming clients missed, summed over all clients.
    pub dropped: u64,
    /// Frames dropped uncopied because no client was streaming.
    pub unwatched: u64,
    /// Copies of a frame made in the data path.
    pub copies: u64,
}

/// Picture format of a pipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormatView {
    /// V4L1 palette name, such as `YUV420P`.
    pub palette_name: String,
    /// V4L2 code of four characters, such as `YU12`.
    pub fourcc: String,
    /// Pixels in a row.
    pub width: u32,
    /// Rows in a picture.
    pub height: u32,
    /// Nominal frame rate; `None` where nobody named one.
    pub fps: Option<Rate>,
}

/// A frame rate in frames a second, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Frames.
    pub frames: u32,
    /// In this many seconds; 1 for whole rates, 1001 for NTSC's 30000/1001.
    pub seconds: u32,
}

impl std::fmt::Display for Rate {
    /// `25` for whole rates, else `30000/1001`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.seconds <= 1 {
            write!(f, "{}", self.frames)
        } else {
            write!(f, "{}/{}", self.frames, self.seconds)
        }
    }
}

/// What an owner does with the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Holds the input.
    Pusher,
    /// Holds the output.
    Client,
}

/// A process that has a node of the pipe open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Process number; 0 for a process of another PID namespace, which has none here.
    pub pid: i32,
    /// Process name, as [`crate::owners::process_name`] gives it; may be empty and hold any
    /// character: rendering cleans it.
    pub comm: String,
    /// Pusher or client.
    pub role: Role,
    /// Frames it received, or for a pusher those that it wrote.
    pub received: u64,
    /// Frames that it missed, or for a pusher those that nobody watched.
    pub dropped: u64,
}

/// Owner, group and permission bits of a node file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeAccess {
    /// User number of the owner.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Permission bits, at most 0o777.
    pub mode: u32,
}

impl Default for NodeAccess {
    /// This process's own effective user and group, and mode 0660 as udev gives video nodes.
    fn default() -> Self {
        NodeAccess { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw(), mode: 0o660 }
    }
}
