//! The variables that the preload library reads.

/// The server's socket.
pub const SOCKET: &str = "VLOOPBACK_SOCKET";
/// The release that uname() tells.
pub const UNAME: &str = "VLOOPBACK_UNAME";
/// `legacy`: serve by the old rules from the first open on.
pub const ERA: &str = "VLOOPBACK_ERA";
/// `vloopback`: today's programs find vloopback's own names.
pub const IDENTITY: &str = "VLOOPBACK_IDENTITY";
/// `1`: a program may have other pixel formats than the pusher's, and smaller sizes. `letterbox`, `stretch`: sizes of any
/// shape, too. `0`: neither.
pub const CONVERT: &str = "VLOOPBACK_CONVERT";
/// Where commands are looked for.
pub const PATH: &str = "PATH";
/// The loader's list of libraries to preload.
pub const LD_PRELOAD: &str = "LD_PRELOAD";
