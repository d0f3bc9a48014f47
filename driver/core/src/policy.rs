//! What can be chosen, and what is refused.

use vloopback_abi::Errno;
use vloopback_abi::v4l2::pixel::SIZES;

/// What a client meets while nobody pushes (driver/docs/rules.md, "While nobody pushes").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idle {
    /// The node opens and shows a no-signal picture.
    #[default]
    Placeholder,
    /// The node opens; whoever wants a frame waits for a pusher.
    Wait,
    /// The node does not open, as with the old driver.
    Refuse,
}

impl std::str::FromStr for Idle {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "placeholder" => Ok(Self::Placeholder),
            "wait" => Ok(Self::Wait),
            "refuse" => Ok(Self::Refuse),
            other => Err(format!("idle policy '{other}' does not exist; use placeholder, wait or refuse")),
        }
    }
}

impl std::fmt::Display for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Placeholder => "placeholder",
            Self::Wait => "wait",
            Self::Refuse => "refuse",
        })
    }
}

/// A bundle of options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Today's V4L2 rules, with legacy processes served the old way.
    #[default]
    Default,
    /// The 1.4 driver to the letter, its bugs excepted: everybody is served the old way.
    Vloopback,
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "default" => Ok(Self::Default),
            "vloopback" => Ok(Self::Vloopback),
            other => Err(format!("profile '{other}' does not exist; use default or vloopback")),
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Vloopback => "vloopback",
        })
    }
}

/// The bounds of a pipe that takes every size that there is ([`Options::sizes`]).
pub const ANY_SIZE: [u32; 4] = [SIZES.0, SIZES.1, SIZES.0, SIZES.1];

/// A pipe's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What a client meets while nobody pushes.
    pub idle: Idle,
    /// The bundle they came from; `Vloopback` makes every opener legacy.
    pub profile: Profile,
    /// V4L1 frames that a client may map, 2 to 30.
    pub num_buffers: u32,
    /// One open file in all has the pipe's stream; else one of each process (driver/docs/rules.md, "Sharing").
    pub exclusive: bool,
    /// The sizes that a pusher may set: least width, most width, least height, most height.
    pub sizes: [u32; 4],
    /// How many may have the pipe's nodes open, both together; 0: no limit.
    pub max_openers: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            idle: Idle::default(),
            profile: Profile::default(),
            num_buffers: 2,
            exclusive: false,
            sizes: ANY_SIZE,
            max_openers: 0,
        }
    }
}

impl Options {
    /// The options of a profile.
    pub fn of_profile(profile: Profile) -> Self {
        let idle = match profile {
            Profile::Default => Idle::Placeholder,
            Profile::Vloopback => Idle::Refuse,
        };
        Self { idle, profile, ..Self::default() }
    }
}

/// Why a pipe refuses. The errno of each is the old driver's, or V4L2's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The input belongs to another pusher.
    #[error("the pipe already has a pusher")]
    Busy,
    /// Policy `exclusive`: another open file has buffers, or streams.
    #[error("the pipe's stream belongs to another open file")]
    Owned,
    /// As many have the pipe open as may have it open.
    #[error("as many programs have the pipe open as may have it open")]
    Full,
    /// Nobody feeds the pipe, and the opener is one that must be told so.
    #[error("nobody feeds the pipe")]
    NotFed,
    /// The call belongs to the other node, or to a pusher.
    #[error("the call does not apply to this node")]
    WrongNode,
    /// The value does not make sense.
    #[error("the value is invalid")]
    Invalid,
    /// A client has the old size mapped (profile vloopback only).
    #[error("a client has the pipe open")]
    InUse,
    /// More memory than a V4L1 client can address.
    #[error("the ring would be larger than V4L1 can describe")]
    TooLarge,
    /// The session is not one of the pipe's.
    #[error("no such session")]
    Unknown,
}

impl Refusal {
    /// Its errno.
    pub fn errno(self) -> i32 {
        let errno = match self {
            Self::Busy | Self::Owned | Self::Full => Errno::EBUSY,
            Self::NotFed | Self::WrongNode | Self::Invalid | Self::InUse => Errno::EINVAL,
            Self::TooLarge => Errno::ENOMEM,
            Self::Unknown => Errno::EBADF,
        };
        errno.0
    }
}
