//! The command lines of `vloopback` and `vloopbackd`.

mod server;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use vloopback_abi::v4l2::fourcc::Fourcc;
use vloopback_abi::v4l2::pixel::SIZES;
use vloopback_daemon::default_socket;

use crate::exit_codes;
use crate::values::Rate;

pub use server::ServerArgs;

/// The build: the version, and a number of the layouts by which a library and a server of one build know each other.
fn build() -> &'static str {
    static BUILD: std::sync::LazyLock<String> = std::sync::LazyLock::new(vloopback_daemon::build);
    &BUILD
}

/// `vloopback`: a video loopback for Linux that needs no kernel module and no root.
#[derive(Debug, Parser)]
#[command(
    name = "vloopback",
    version = build(),
    about = "A video loopback for Linux that needs no kernel module and no root",
    after_help = exit_codes::HELP,
    disable_help_subcommand = true
)]
pub struct Vloopback {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// `vloopbackd`: the server by itself.
#[derive(Debug, Parser)]
#[command(
    name = "vloopbackd",
    version = build(),
    about = "The vloopback server: makes pipes and serves them until SIGTERM or SIGINT. \
             Prints `ready SOCKET` when it is ready",
    after_help = exit_codes::HELP
)]
pub struct Vloopbackd {
    /// The server's options.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// The subcommands of `vloopback`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Push a film through a pipe, watch it with old and new clients, compare every pixel
    Demo(DemoArgs),
    /// Run a command that sees the pipes as /dev/videoN; starts a server when none is reachable
    #[command(
        after_help = "`run` ends with the exit status of the command, or with 128 + n if signal n ended it."
    )]
    Run(RunArgs),
    /// Print export lines for a shell: eval "$(vloopback env)" gives its commands the pipes
    Env(EnvArgs),
    /// List the pipes of the running server
    List(ListArgs),
    /// Push a film, a picture or a moving test pattern into a pipe; starts a server when none is reachable
    Push(PushArgs),
    /// Save one frame of a pipe as a PNG picture
    Snapshot(SnapshotArgs),
    /// Set the picture that clients of a pipe see while nobody pushes
    SetTimeoutImage(SetTimeoutImageArgs),
    /// Run a command that pushes only while somebody watches a pipe; starts a server when none is reachable
    Watch(WatchArgs),
    /// Add a pipe to the running server, in v4l2loopback-ctl's grammar; print its nodes
    Add(AddArgs),
    /// Take pipes away from the running server
    Delete(DeleteArgs),
    /// Print a pipe's settings
    Query(QueryArgs),
    /// Set a pipe's frame rate
    SetFps(SetFpsArgs),
    /// Print a pipe's frame rate
    GetFps(DeviceArgs),
    /// Set a pipe's format and keep it, whoever pushes
    SetCaps(SetCapsArgs),
    /// Print a pipe's format
    GetCaps(DeviceArgs),
    /// Measure what the pipes cost on this machine; `vloopback bench --help` lists the rows
    #[command(disable_help_flag = true)]
    Bench {
        /// What `vloopback bench` takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        arguments: Vec<OsString>,
    },
    /// The server that `run` starts; ends by itself some seconds after its last user
    #[command(hide = true)]
    ServeForRun(ServerArgs),
    /// The pusher that `demo` starts
    #[command(hide = true)]
    DemoPusher(DemoPusherArgs),
    /// A client that `demo` starts
    #[command(hide = true)]
    DemoClient(DemoClientArgs),
}

/// Where the server listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct SocketArgs {
    /// The server's socket [default: $VLOOPBACK_SOCKET, else $XDG_RUNTIME_DIR/vloopback/socket,
    /// else /run/vloopback/socket, or /tmp/vloopback-UID/socket for a user without either]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

impl SocketArgs {
    /// The socket's path, absolute, so that it means the same after a change of directory.
    pub fn path(&self) -> PathBuf {
        absolute(default_socket(self.socket.as_deref()))
    }
}

/// `path` from the root; as it is where the current directory is gone.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// What a program is told of the system that it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct EraArgs {
    /// The kernel release that uname() returns: 2.4 (2.4.37), 2.6 (2.6.39) or a full release; implies --legacy
    #[arg(long, value_name = "2.4|2.6|RELEASE", value_parser = release)]
    pub uname: Option<String>,
    /// Apply the old driver's rules from the command's first open on
    #[arg(long)]
    pub legacy: bool,
    /// Which driver's names the command finds: v4l2loopback's, which programs of today look for, or vloopback's own
    /// [default: as the server's configuration says]
    #[arg(long, value_name = "NAME", value_parser = ["vloopback", "v4l2loopback"])]
    pub identity: Option<String>,

    /// Convert frames for a command that asks for another pixel format than the pusher's, or for a smaller size
    #[arg(long)]
    pub convert: bool,
    /// As --convert, and offer sizes of other shapes than the pusher's: letterbox puts black bars beside the picture,
    /// stretch fills the size
    #[arg(long, value_name = "HOW", value_parser = ["letterbox", "stretch"])]
    pub fit: Option<String>,
    /// Convert nothing, whatever $VLOOPBACK_CONVERT says
    #[arg(long, conflicts_with_all = ["convert", "fit"])]
    pub no_convert: bool,
}

/// The longest release that uname() can tell, in bytes.
const RELEASE_MAX: usize = 64;

/// The release in full that the word after `--uname` stands for.
fn release(word: &str) -> Result<String, String> {
    match word {
        "2.4" => Ok("2.4.37".into()),
        "2.6" => Ok("2.6.39".into()),
        _ if word.is_empty() || word.len() > RELEASE_MAX || !word.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(format!("a release is 1 to {RELEASE_MAX} printable characters, such as 2.6.39"))
        }
        _ => Ok(word.to_owned()),
    }
}

/// `vloopback run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What the command is told of the system.
    #[command(flatten)]
    pub era: EraArgs,
    /// For programs that always use /dev/video0: a new server gives outputs the low numbers, as with
    /// --order output-first
    #[arg(long, conflicts_with = "order")]
    pub camera: bool,
    /// The options of a server that has to be started first.
    #[command(flatten)]
    pub server: ServerArgs,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `vloopback env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// What the shell's commands are told of the system.
    #[command(flatten)]
    pub era: EraArgs,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Print what v4l2loopback-ctl prints
    #[arg(long, conflicts_with = "json")]
    pub ctl: bool,
    /// With --ctl: write control characters in names as \OOO
    #[arg(short, long, requires = "ctl")]
    pub escape: bool,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The pipe: its number, or one of its nodes as /dev/videoN or videoN
    #[arg(value_name = "PIPE")]
    pub pipe: String,
    /// What to push: .mjpeg, .avi (Motion-JPEG), .y4m, .jpg, .png, or any file that ffmpeg reads; a picture is
    /// pushed until SIGINT or SIGTERM
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Push a moving test pattern that shows the number of each frame [the default]
    #[arg(long, conflicts_with = "input")]
    pub pattern: bool,
    /// The pixel format: its fourcc, or the kernel's name for it
    #[arg(long, value_name = "FOURCC", default_value = "YUYV", value_parser = crate::values::format_named)]
    pub format: Fourcc,
    /// Scale to this size [default: the film's own, 640x480 for the pattern]
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// Frames a second, such as 30, 12.5 or 30000/1001 [default: the film's own, 30 for the pattern]
    #[arg(long, value_name = "N")]
    pub fps: Option<Rate>,
    /// Repeat a film until SIGINT or SIGTERM
    #[arg(long = "loop", conflicts_with = "frames")]
    pub repeat: bool,
    /// Number of frames to push; a shorter film is repeated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub frames: Option<u32>,
    /// The options of a server that has to be started first.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// The width and height that the word after `--size` tells.
fn size(word: &str) -> Result<(u32, u32), String> {
    let sides = word.split_once(['x', 'X']).and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let range = SIZES.0..=SIZES.1;
    sides
        .filter(|(width, height)| range.contains(width) && range.contains(height))
        .ok_or_else(|| format!("a size is width and height from {} to {}, such as 640x480", SIZES.0, SIZES.1))
}

/// `vloopback watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The pipe: its number, or one of its nodes as /dev/videoN or videoN
    #[arg(value_name = "PIPE")]
    pub pipe: String,
    /// How many seconds the command runs on when nobody watches any more
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = seconds)]
    pub grace: f64,
    /// The options of a server that has to be started first.
    #[command(flatten)]
    pub server: ServerArgs,
    /// The command and its arguments; it sees the pipes as under `run`
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Seconds, perhaps with a fraction: at most a day.
fn seconds(word: &str) -> Result<f64, String> {
    let number = word.parse::<f64>().ok().filter(|number| (0.0..=86_400.0).contains(number));
    number.ok_or_else(|| "a time is seconds, 0 to 86400, such as 3 or 0.5".to_owned())
}

/// `vloopback snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// The pipe: its number, or one of its nodes as /dev/videoN or videoN
    #[arg(value_name = "PIPE")]
    pub pipe: String,
    /// The file to write; - means standard output
    #[arg(value_name = "OUT.png")]
    pub out: PathBuf,
    /// Seconds to wait for a frame
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub timeout: u32,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback add`, in v4l2loopback-ctl's grammar: `-h` is a height.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct AddArgs {
    /// The pipe's name, as programs show it: at most 31 bytes of UTF-8, the rest is cut
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    /// The largest width that a pusher may set; 0: no limit
    #[arg(short = 'w', long, value_name = "PIXELS")]
    pub max_width: Option<u32>,
    /// The largest height that a pusher may set; 0: no limit
    #[arg(short = 'h', long, value_name = "PIXELS")]
    pub max_height: Option<u32>,
    /// The smallest width that a pusher may set
    #[arg(long, value_name = "PIXELS")]
    pub min_width: Option<u32>,
    /// The smallest height that a pusher may set
    #[arg(long, value_name = "PIXELS")]
    pub min_height: Option<u32>,
    /// No effect (v4l2loopback-ctl has it): each of a pipe's two nodes has one capability anyway
    #[arg(short = 'x', long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
    pub exclusive_caps: Option<u8>,
    /// The most buffers that a program gets at a time, 1 to 32; 0: 32
    #[arg(short, long, value_name = "BUFFERS")]
    pub buffers: Option<u32>,
    /// The most open files of the two nodes together; 0: no limit
    #[arg(short = 'o', long, value_name = "OPENERS")]
    pub max_openers: Option<u32>,
    /// Print the pipe's settings
    #[arg(short, long)]
    pub verbose: bool,
    /// The node to push into: /dev/videoN or N [default: a free number]
    #[arg(value_name = "DEVICE")]
    pub output: Option<String>,
    /// The node to watch [default: a free number]
    #[arg(value_name = "CAPTURE_DEVICE")]
    pub capture: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
    /// Print this help
    #[arg(short = '?', long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
}

/// `vloopback delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Delete a pipe although it is open; every call on its nodes then fails with ENODEV
    #[arg(short, long)]
    pub force: bool,
    /// The pipes, each by one of its nodes: /dev/videoN or N
    #[arg(value_name = "DEVICE", required = true)]
    pub devices: Vec<String>,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// No effect (v4l2loopback-ctl has it)
    #[arg(short, long)]
    pub escape: bool,
    /// The pipes, each by one of its nodes: /dev/videoN or N
    #[arg(value_name = "DEVICE", required = true)]
    pub devices: Vec<String>,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback get-fps`, `vloopback get-caps`.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// One of the pipe's nodes: /dev/videoN or N
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback set-fps`.
#[derive(Debug, Args)]
pub struct SetFpsArgs {
    /// One of the pipe's nodes: /dev/videoN or N
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Frames a second, such as 30 or 30000/1001
    #[arg(value_name = "FPS", value_parser = crate::caps::fps)]
    pub fps: (u32, u32),
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback set-caps`.
#[derive(Debug, Args)]
pub struct SetCapsArgs {
    /// One of the pipe's nodes: /dev/videoN or N
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// A format such as YUYV:640x480 or YUYV:640x480@30 (with frames a second); any lets the pusher choose
    #[arg(value_name = "CAPS", value_parser = crate::caps::caps_word)]
    pub caps: crate::caps::CapsWord,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback set-timeout-image`, in v4l2loopback-ctl's grammar.
#[derive(Clone, Debug, Args)]
pub struct SetTimeoutImageArgs {
    /// Also show the picture when a pusher has pushed nothing for this many milliseconds; 0 means never [default:
    /// unchanged]
    #[arg(short, long, value_name = "MS", value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub timeout: Option<u32>,
    /// The pipe: one of its nodes as /dev/videoN or videoN, or its number
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// The picture: .png, .jpg, or a file that ffmpeg reads; it is scaled to fit, on black
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Which server.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// `vloopback demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The film: .mjpeg, .avi (Motion-JPEG), .y4m, .jpg, .png, or any file that ffmpeg reads [default:
    /// a bundled clip of Big Buck Bunny]
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Number of frames to push, at 30 a second
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub frames: u32,
    /// Where to write vloopback-demo.png, the contact sheet of what the clients saw
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Change a byte of this frame on its way, to see that it is noticed: the demonstration must
    /// then end with exit status 5
    #[arg(long, value_name = "FRAME", hide = true)]
    pub spoil: Option<u32>,
}

/// The frames file that the demo's processes share.
#[derive(Clone, Debug, Args)]
pub struct FramesArgs {
    /// The decoded frames, one after the other, YUV420P
    #[arg(long)]
    pub file: PathBuf,
    /// Pixels in a row
    #[arg(long)]
    pub width: u32,
    /// Rows
    #[arg(long)]
    pub height: u32,
}

/// `vloopback demo-pusher`, hidden.
#[derive(Debug, Args)]
pub struct DemoPusherArgs {
    /// The film.
    #[command(flatten)]
    pub frames: FramesArgs,
    /// How many frames to push
    #[arg(long)]
    pub count: u32,
    /// Frames a second
    #[arg(long)]
    pub rate: u32,
    /// Change a byte of this frame
    #[arg(long)]
    pub spoil: Option<u32>,
}

/// How a demo client takes its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ClientKind {
    /// V4L1: maps the driver's memory, MCAPTURE and SYNC.
    Mmap,
    /// V4L1: read(), a frame at a time.
    Read,
    /// V4L2: maps its buffers, QBUF and DQBUF.
    V4l2,
    /// The program ffmpeg.
    Ffmpeg,
    /// The program v4l2-ctl.
    #[value(name = "v4l2-ctl")]
    V4l2Ctl,
}

impl ClientKind {
    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            ClientKind::Mmap => "mmap",
            ClientKind::Read => "read",
            ClientKind::V4l2 => "v4l2",
            ClientKind::Ffmpeg => "ffmpeg",
            ClientKind::V4l2Ctl => "v4l2-ctl",
        }
    }

    /// What messages and tables call it.
    pub const fn title(self) -> &'static str {
        match self {
            ClientKind::Mmap => "mmap client",
            ClientKind::Read => "read() client",
            ClientKind::V4l2 => "V4L2 client",
            ClientKind::Ffmpeg => "ffmpeg",
            ClientKind::V4l2Ctl => "v4l2-ctl",
        }
    }

    /// Whether the driver is to serve it by the rules of V4L1's time.
    pub const fn is_legacy(self) -> bool {
        matches!(self, ClientKind::Mmap | ClientKind::Read)
    }
}

/// `vloopback demo-client`, hidden.
#[derive(Debug, Args)]
pub struct DemoClientArgs {
    /// The film.
    #[command(flatten)]
    pub frames: FramesArgs,
    /// How to take frames
    #[arg(long, value_enum)]
    pub kind: ClientKind,
    /// How many frames are pushed in all
    #[arg(long)]
    pub count: u32,
    /// The pipe's output node
    #[arg(long)]
    pub device: PathBuf,
    /// Where to put frames for the contact sheet
    #[arg(long)]
    pub samples: PathBuf,
    /// Put every Nth frame there
    #[arg(long)]
    pub sample_every: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use vloopback_abi::v4l2::fourcc;
    use vloopback_daemon::{Idle, Order, Share};

    fn run(arguments: &[&str]) -> RunArgs {
        let words = ["vloopback", "run"].iter().chain(arguments);
        match Vloopback::try_parse_from(words).unwrap().command {
            Command::Run(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clap_finds_no_contradiction() {
        Vloopback::command().debug_assert();
        Vloopbackd::command().debug_assert();
    }

    #[test]
    fn demo_clients_by_name() {
        use clap::ValueEnum;
        for kind in ClientKind::value_variants() {
            assert_eq!(ClientKind::from_str(kind.name(), false), Ok(*kind));
        }
    }

    #[test]
    fn the_commands_words_are_its_own() {
        let args = run(&["--uname", "2.4", "--", "prog", "--legacy", "-x", "--", "y"]);
        assert_eq!(args.command, ["prog", "--legacy", "-x", "--", "y"]);
        assert_eq!(args.era.uname.as_deref(), Some("2.4.37"));
        assert!(!args.era.legacy);
        assert_eq!(run(&["prog", "-v"]).command, ["prog", "-v"]);
    }

    #[test]
    fn releases() {
        assert_eq!(release("2.6").unwrap(), "2.6.39");
        assert_eq!(release("3.2.0-4-amd64").unwrap(), "3.2.0-4-amd64");
        assert!(release("").is_err());
        assert!(release("2.6 x").is_err());
        assert!(release(&"2".repeat(65)).is_err());
    }

    #[test]
    fn servers_get_the_same_options_again() {
        let words = [
            "vloopbackd",
            "--pipes",
            "3",
            "--spares",
            "1",
            "--num-buffers",
            "4",
            "--dev-offset",
            "-1",
            "--order",
            "output-first",
            "--profile",
            "vloopback",
            "--idle",
            "wait",
            "--exclusive",
            "--timeout",
            "500",
            "--timeout-image",
            "/pictures/card.png",
            "--config",
            "/etc/v.toml",
            "--modprobe",
            "devices=2",
            "--socket",
            "/run/s",
        ];
        let args = Vloopbackd::try_parse_from(words).unwrap().server;
        let again = args.to_arguments("/run/s".into());
        let name = OsString::from("vloopbackd");
        let parsed = Vloopbackd::try_parse_from(std::iter::once(name).chain(again)).unwrap().server;
        assert_eq!(parsed, args);
        assert_eq!(args.shaping().len(), 11);
        let args = Vloopbackd::try_parse_from(["vloopbackd", "--share", "all"]).unwrap().server;
        let again = [OsString::from("vloopbackd")].into_iter().chain(args.to_arguments("/run/s".into()));
        assert_eq!(Vloopbackd::try_parse_from(again).unwrap().server.share.as_deref(), Some("all"));
        assert_eq!(args.shaping(), ["--share"]);
        assert_eq!(args.config().unwrap().share, Share::All);
    }

    #[test]
    fn a_pipe_is_shared_or_not() {
        use std::io::Write;
        assert!(Vloopbackd::try_parse_from(["vloopbackd", "--share", "all", "--exclusive"]).is_err());
        let args = ServerArgs { share: Some("some".into()), ..ServerArgs::default() };
        assert!(args.config().unwrap_err().to_string().contains("processes or all"));
        // The command line goes before the file.
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "exclusive = true").unwrap();
        let with = |share: Option<&str>, exclusive| ServerArgs {
            share: share.map(Into::into),
            exclusive,
            config: Some(file.path().into()),
            ..ServerArgs::default()
        };
        let config = with(Some("all"), false).config().unwrap();
        assert_eq!((config.exclusive, config.share), (false, Share::All));
        let config = with(None, true).config().unwrap();
        assert_eq!((config.exclusive, config.share), (true, Share::Processes));
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        use std::io::Write;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "pipes = 5\nnum_buffers = 7\nsocket = \"/tmp/from-file\"").unwrap();
        let args = ServerArgs { pipes: Some(2), config: Some(file.path().into()), ..ServerArgs::default() };
        let config = args.config().unwrap();
        assert_eq!((config.pipes, config.num_buffers), (2, 7));
        assert_eq!(config.socket, PathBuf::from("/tmp/from-file"));
    }

    #[test]
    fn values_out_of_range_are_named() {
        let args = ServerArgs { pipes: Some(0), ..ServerArgs::default() };
        assert!(args.config().unwrap_err().to_string().contains("--pipes"));
        let args = ServerArgs { profile: Some("nonesuch".into()), ..ServerArgs::default() };
        assert!(args.config().unwrap_err().to_string().contains("nonesuch"));
        let args = ServerArgs { idle: Some("sleep".into()), ..ServerArgs::default() };
        assert!(args.config().unwrap_err().to_string().contains("sleep"));
    }

    #[test]
    fn the_order_of_the_nodes_is_told() {
        for order in [Order::InputFirst, Order::OutputFirst] {
            let args = ServerArgs { order: Some(order.word().into()), ..ServerArgs::default() };
            assert_eq!(args.config().unwrap().order, order);
        }
        let args = ServerArgs { order: Some("low".into()), ..ServerArgs::default() };
        assert!(args.config().unwrap_err().to_string().contains("output-first"));
        let both = ["vloopback", "run", "--camera", "--order", "input-first", "--", "true"];
        assert!(Vloopback::try_parse_from(both).is_err());
    }

    #[test]
    fn the_idle_policy_is_told() {
        for (word, policy) in
            [("placeholder", Idle::Placeholder), ("wait", Idle::Wait), ("refuse", Idle::Refuse)]
        {
            let args = ServerArgs { idle: Some(word.into()), ..ServerArgs::default() };
            assert_eq!(args.config().unwrap().idle, Some(policy));
        }
        assert_eq!(ServerArgs::default().config().unwrap().idle, None);
    }

    #[test]
    fn what_is_pushed() {
        let push = |arguments: &[&str]| {
            let words = ["vloopback", "push", "0"].iter().chain(arguments);
            match Vloopback::try_parse_from(words).map(|parsed| parsed.command) {
                Ok(Command::Push(args)) => Ok(args),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.to_string()),
            }
        };
        let args = push(&["--pattern", "--size", "320x240", "--fps", "12.5", "--format", "NV12"]).unwrap();
        assert_eq!((args.size, args.format), (Some((320, 240)), fourcc::NV12));
        assert_eq!(push(&[]).unwrap().format, fourcc::YUYV);
        for bad in [
            &["--pattern", "--input", "x"][..],
            &["--loop", "--frames", "3"],
            &["--frames", "0"],
            &["--size", "320"],
            &["--size", "0x240"],
            &["--size", "320x240x3"],
            &["--format", "nonesuch"],
            &["--fps", "0"],
        ] {
            assert!(push(bad).is_err(), "{bad:?}");
        }
    }
}
