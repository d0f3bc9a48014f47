//! Pipes at run time: `add`, `delete`, `query`, `list --ctl`, `set-fps`, `get-fps`, `set-caps`, `get-caps`, in the grammar
//! of v4l2loopback-ctl; and the whole program by that name, `vloopback-ctl`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use clap::{Parser, Subcommand};
use vloopback_abi::text;
use vloopback_daemon::{Denied, PipeSpec, PixelFormat};

use crate::args::{
    AddArgs, DeleteArgs, DeviceArgs, QueryArgs, SetCapsArgs, SetFpsArgs, SetTimeoutImageArgs, SocketArgs,
};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::list::{self, Pipe};
use crate::timeout_image;

/// The names by which the program is v4l2loopback-ctl's.
const NAMES: [&str; 2] = ["vloopback-ctl", "v4l2loopback-ctl"];

/// Why a pipe was not made, changed or taken away.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// The server's answer.
    #[error("{what}: {denied}")]
    Denied {
        /// What was asked for: a node, a new pipe.
        what: String,
        /// Why not, and what helps.
        denied: Denied,
    },
    /// A word that is no device.
    #[error("'{word}' is no device: it is /dev/videoN or N, such as /dev/video3 or 3")]
    Word {
        /// What was given.
        word: String,
    },
    /// No pipe has the node.
    #[error("/dev/video{node} is no node of a pipe: see `vloopback list`")]
    Missing {
        /// Its number.
        node: u32,
    },
}

impl CtlError {
    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Missing { .. } => ExitCode::BadDevice,
            Self::Denied { denied, .. } if denied.errno == libc::ENODEV => ExitCode::BadDevice,
            Self::Word { .. } => ExitCode::Usage,
            Self::Denied { .. } => ExitCode::Failure,
        }
    }
}

impl From<CtlError> for Failure {
    fn from(error: CtlError) -> Self {
        let code = error.exit_code();
        Failure::new(error, code)
    }
}

fn denied(what: impl Into<String>) -> impl FnOnce(Denied) -> Failure {
    let what = what.into();
    move |denied| CtlError::Denied { what, denied }.into()
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(Failure::system("cannot write to standard output"))?;
    Ok(ExitCode::Success)
}

/// The number of the node that a word names: `/dev/video3`, `video3` or `3`.
fn node(word: &str) -> Result<u32, CtlError> {
    let name = word.strip_prefix("/dev/").unwrap_or(word);
    let digits = name.strip_prefix("video").unwrap_or(name);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { digits.parse().ok() } else { None };
    number.ok_or_else(|| CtlError::Word { word: word.to_owned() })
}

/// The pipe of a device.
fn pipe_of(socket: &Path, word: &str) -> Result<Pipe, Failure> {
    let node = node(word)?;
    let path = format!("/dev/video{node}");
    let has = |pipe: &Pipe| pipe.input == path || pipe.output == path;
    let found = list::pipes(socket)?.into_iter().find(has);
    found.ok_or_else(|| CtlError::Missing { node }.into())
}

fn number(path: &str) -> u32 {
    path.trim_start_matches("/dev/video").parse().unwrap_or(0)
}

/// `add`: both nodes that it made, a line each, the one to push into first; by v4l2loopback-ctl's name only that one.
///
/// # Errors
/// [`Failure`]: no server, or what it refuses.
pub fn add(args: &AddArgs, as_ctl: bool) -> Result<ExitCode, Failure> {
    let name = args.name.as_deref().unwrap_or("");
    let label: [u8; 32] = text::field(name.trim());
    if name.trim() != text::text(&label) {
        eprintln!(
            "vloopback: warning: a label has 31 bytes: this one is cut to '{}'",
            list::shown(text::text(&label))
        );
    }
    if args.exclusive_caps == Some(0) {
        eprintln!(
            "vloopback: note: -x 0 changes nothing: a pipe has a node to push into and one to watch, and each shows \
             its own capability"
        );
    }
    let word = |word: &Option<String>| word.as_deref().map(node).transpose();
    let spec = PipeSpec {
        label,
        input: word(&args.output)?,
        output: word(&args.capture)?,
        sizes: [args.min_width, args.max_width, args.min_height, args.max_height]
            .map(Option::unwrap_or_default),
        max_buffers: args.buffers.unwrap_or(0),
        max_openers: args.max_openers.unwrap_or(0),
    };
    let socket = args.socket.path();
    let made = vloopback_daemon::add_pipe(&socket, &spec)?;
    let (input, output) = made.map_err(denied("no pipe was added"))?;
    print(&match as_ctl {
        true => format!("/dev/video{input}\n"),
        false => format!("/dev/video{input}\n/dev/video{output}\n"),
    })?;
    if args.verbose {
        print(&properties(&pipe_of(&socket, &input.to_string())?))?;
    }
    Ok(ExitCode::Success)
}

/// `delete`: all that can be deleted are, whatever becomes of the others.
///
/// # Errors
/// The first one of [`Failure`]: no server, or what it refuses.
pub fn delete(args: &DeleteArgs) -> Result<ExitCode, Failure> {
    let socket = args.socket.path();
    let mut first = None;
    for word in &args.devices {
        let done = node(word).map_err(Failure::from).and_then(|node| {
            let removed = vloopback_daemon::remove_pipe(&socket, node, args.force)?;
            removed.map_err(denied(format!("/dev/video{node} was not deleted")))
        });
        match (done, &first) {
            (Ok(()), _) => {}
            (Err(failure), None) => first = Some(failure),
            (Err(failure), Some(_)) => eprintln!("vloopback: {failure}"),
        }
    }
    first.map_or(Ok(ExitCode::Success), Err)
}

/// What `query` prints of a pipe.
fn properties(pipe: &Pipe) -> String {
    let [min_width, max_width, min_height, max_height] = pipe.sizes;
    let (capture, output) = (number(&pipe.output), number(&pipe.input));
    let rows = [
        ("capture_device#", capture.to_string()),
        ("output_device#", output.to_string()),
        ("card_label", list::shown(&pipe.card())),
        ("min_width", min_width.to_string()),
        ("max_width", max_width.to_string()),
        ("min_height", min_height.to_string()),
        ("max_height", max_height.to_string()),
        ("announce_all_caps", "0".to_owned()),
        ("max_buffers", pipe.max_buffers.to_string()),
        ("max_openers", pipe.max_openers.to_string()),
        ("debug", "0".to_owned()),
    ];
    rows.iter().map(|(name, value)| format!("\t{name:<17}: {value}\n")).collect()
}

/// `query`.
///
/// # Errors
/// [`Failure`]: no server, or what it refuses.
pub fn query(args: &QueryArgs) -> Result<ExitCode, Failure> {
    let socket = args.socket.path();
    for device in &args.devices {
        let pipe = pipe_of(&socket, device)?;
        print(&format!("{device}\n{}", properties(&pipe)))?;
    }
    Ok(ExitCode::Success)
}

/// `list` as v4l2loopback-ctl prints it: the heading on standard error.
///
/// # Errors
/// [`Failure`]: no server, or standard output is closed.
pub fn list_as_ctl(socket: &SocketArgs, escape: bool) -> Result<ExitCode, Failure> {
    let pipes = list::pipes(&socket.path())?;
    let mut rows = String::new();
    for pipe in &pipes {
        let (output, capture) = (number(&pipe.input), number(&pipe.output));
        let card = pipe.card();
        let name = if escape { escaped(&card) } else { list::shown(&card) };
        rows.push_str(&format!("/dev/video{output:<3}\t/dev/video{capture:<3}\t{name}\n"));
    }
    eprintln!("OUTPUT       \tCAPTURE      \tNAME");
    print(&rows)
}

/// Bytes that are no printable ASCII as `\OOO`, octal.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'\\' => "\\\\".to_owned(),
        byte if byte.is_ascii_graphic() || byte == b' ' => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    };
    text.bytes().map(byte).collect()
}

/// `set-fps`.
///
/// # Errors
/// [`Failure`]: no server, or what it refuses.
pub fn set_fps(args: &SetFpsArgs) -> Result<ExitCode, Failure> {
    let node = node(&args.device)?;
    let (frames, seconds) = args.fps;
    let set = vloopback_daemon::set_caps(&args.socket.path(), node, None, Some((seconds, frames)), None)?;
    set.map_err(denied(format!("/dev/video{node}")))?;
    Ok(ExitCode::Success)
}

/// `get-fps`: frames a second, as a fraction.
///
/// # Errors
/// [`Failure`]: no server, or what it refuses.
pub fn get_fps(args: &DeviceArgs) -> Result<ExitCode, Failure> {
    let [seconds, frames] = pipe_of(&args.socket.path(), &args.device)?.interval;
    print(&format!("{frames}/{seconds}\n"))
}

/// `set-caps`: the format, and from then on who pushes pushes that; `any`: what it likes.
///
/// # Errors
/// [`Failure`]: no server, or what it refuses.
pub fn set_caps(args: &SetCapsArgs) -> Result<ExitCode, Failure> {
    let node = node(&args.device)?;
    let (format, interval, keep) = match args.caps.0 {
        None => (None, None, false),
        Some(caps) => {
            let format = PixelFormat {
                fourcc: caps.format.0,
                width: caps.width,
                height: caps.height,
                ..PixelFormat::default()
            };
            (Some(format), caps.rate.map(|(frames, seconds)| (seconds, frames)), true)
        }
    };
    let set = vloopback_daemon::set_caps(&args.socket.path(), node, format, interval, Some(keep))?;
    set.map_err(denied(format!("/dev/video{node}")))?;
    Ok(ExitCode::Success)
}

/// `get-caps`.
///
/// # Errors
/// [`Failure`]: no server, or what it refuses.
pub fn get_caps(args: &DeviceArgs) -> Result<ExitCode, Failure> {
    let pipe = pipe_of(&args.socket.path(), &args.device)?;
    let [seconds, frames] = pipe.interval;
    print(&format!("{}@{frames}/{seconds}\n", pipe.caps))
}

/// The command line of v4l2loopback-ctl.
#[derive(Debug, Parser)]
#[command(
    name = "vloopback-ctl",
    about = "Manages pipes with the command line of v4l2loopback-ctl",
    disable_version_flag = true,
    disable_help_subcommand = true
)]
struct Ctl {
    /// Print the version
    #[arg(short, long)]
    version: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a pipe
    Add(AddArgs),
    /// Take pipes away
    #[command(alias = "del", alias = "remove")]
    Delete(DeleteArgs),
    /// List the pipes
    List {
        /// Write control characters in names as \OOO
        #[arg(short, long)]
        escape: bool,
        #[command(flatten)]
        socket: SocketArgs,
    },
    /// Print a pipe's settings
    Query(QueryArgs),
    /// Set the frame rate
    SetFps(SetFpsArgs),
    /// Print the frame rate
    GetFps(DeviceArgs),
    /// Set the format, and keep it
    SetCaps(SetCapsArgs),
    /// Print the format
    GetCaps(DeviceArgs),
    /// Set the picture that clients see while nobody pushes
    SetTimeoutImage(SetTimeoutImageArgs),
}

/// Whether the program was called by a name of v4l2loopback-ctl's.
pub fn is_called(program: &OsStr) -> bool {
    let name = Path::new(program).file_name().unwrap_or_default();
    NAMES.iter().any(|own| name == *own)
}

/// The whole program. Its exit status is 0 or 1, as there.
///
/// # Errors
/// [`Failure`].
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Failure> {
    let ctl = match Ctl::try_parse_from(arguments) {
        Ok(ctl) => ctl,
        Err(error) => {
            let _ = error.print();
            return Ok(if error.use_stderr() { ExitCode::Failure } else { ExitCode::Success });
        }
    };
    let Some(verb) = ctl.verb else {
        if ctl.version {
            return print(&format!("vloopback-ctl v{}\n", env!("CARGO_PKG_VERSION")));
        }
        eprintln!(
            "vloopback-ctl: a verb is missing: add, delete, list, query, set-fps, … (--help tells more)"
        );
        return Ok(ExitCode::Failure);
    };
    match &verb {
        Verb::Add(args) => add(args, true),
        Verb::Delete(args) => delete(args),
        Verb::List { escape, socket } => list_as_ctl(socket, *escape),
        Verb::Query(args) => query(args),
        Verb::SetFps(args) => set_fps(args),
        Verb::GetFps(args) => get_fps(args),
        Verb::SetCaps(args) => set_caps(args),
        Verb::GetCaps(args) => get_caps(args),
        Verb::SetTimeoutImage(args) => {
            // Here a number is a node's.
            let device = format!("/dev/video{}", node(&args.device)?);
            timeout_image::set(&SetTimeoutImageArgs { device, ..args.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_by_name_and_number() {
        for word in ["/dev/video12", "video12", "12"] {
            assert_eq!(node(word).unwrap(), 12);
        }
        for word in ["", "video", "/dev/video", "/dev/video-1", "-1", "+1", "/dev/vbi0", "99999999999"] {
            assert!(node(word).unwrap_err().to_string().contains("/dev/videoN"), "{word}");
        }
    }

    #[test]
    fn names_are_shown_in_ascii() {
        assert_eq!(escaped("Café\t\\"), "Caf\\303\\251\\011\\\\");
    }

    #[test]
    fn the_programs_by_their_names() {
        for name in ["vloopback-ctl", "/usr/bin/v4l2loopback-ctl"] {
            assert!(is_called(OsStr::new(name)));
        }
        for name in ["vloopback", "/x/vloopback-ctl/vloopback", "", "ctl"] {
            assert!(!is_called(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn clap_finds_no_contradiction() {
        use clap::CommandFactory;
        Ctl::command().debug_assert();
    }
}
