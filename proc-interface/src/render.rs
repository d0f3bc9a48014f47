//! Values to the text that old programs parse.
//!
//! The pipe table's rules, each of which some known parser rests on: two leading lines, single
//! tabs between columns, bare node names, no empty column, no blank line, a newline at the end
//! of every line, and no line of [`MAX_LINE`] bytes or more (`fgets` with a buffer of 255 would
//! cut longer ones in two, and the second half would be taken for a pipe).

use std::fmt::Write as _;

use crate::model::{Direction, Names, Owner, PipeView, Rate, Role, Snapshot};

/// Every line of the pipe table and of a pipe's own file is shorter than this, newline included.
pub const MAX_LINE: usize = 254;

/// First line of the table where a snapshot names no version.
const DEFAULT_VERSION: &str = "vloopback";

/// Second line of the table: a name for each column. Where a parser fails to skip it, its status
/// column does not say `-`, so that it is never taken for a free pipe.
const EXPLANATION: &str = "pipe\tinput\tstatus\toutput\tstatus\n";

/// Bytes that a process name or a label may take.
const MAX_NAME: usize = 64;

/// The bytes of a label: a card of V4L2 has 32, with a zero at its end.
pub const LABEL: usize = 31;

/// The most buffers that a program can have, and the largest width and height: what is told of a module that has such
/// parameters.
pub const MOST_BUFFERS: u32 = 32;
/// See [`MOST_BUFFERS`].
pub const LARGEST: u32 = 8192;

/// The major device number of video4linux.
pub const VIDEO_MAJOR: u32 = 81;

/// `/proc/video/vloopback/vloopbacks`: a version line, an explanation line, one row a pipe.
#[must_use]
pub fn vloopbacks(snapshot: &Snapshot) -> String {
    let mut text = String::with_capacity(128 + snapshot.pipes.len() * 32);
    text.push_str(&clean(&snapshot.version, MAX_LINE - 2, DEFAULT_VERSION));
    text.push('\n');
    text.push_str(EXPLANATION);
    for pipe in &snapshot.pipes {
        row(&mut text, pipe);
    }
    text
}

/// `/proc/video/vloopback/vloopbackK`: the pipe's row of the table, then its counters, its
/// format and label, and a line for each process that has it open.
///
/// No known program parses this file. Each further line is a name and tab-separated values.
#[must_use]
pub fn vloopback(pipe: &PipeView) -> String {
    let mut text = String::with_capacity(256 + pipe.owners.len() * 64);
    row(&mut text, pipe);
    let counters = &pipe.counters;
    for (name, value) in [
        ("frames written", counters.written),
        ("frames read", counters.read),
        ("frames dropped", counters.dropped),
        ("frames unwatched", counters.unwatched),
        ("copies", counters.copies),
        ("readers", u64::from(pipe.readers)),
    ] {
        push_line(&mut text, format_args!("{name}\t{value}"));
    }
    match &pipe.format {
        None => push_line(&mut text, format_args!("format\t-")),
        Some(format) => {
            let palette = clean(&format.palette_name, 32, "-");
            let fourcc = clean(&format.fourcc, 16, "-");
            let (width, height) = (format.width, format.height);
            match format.fps {
                None => {
                    push_line(&mut text, format_args!("format\t{palette}\t{fourcc}\t{width}x{height}\t-"))
                }
                Some(rate) => push_line(
                    &mut text,
                    format_args!("format\t{palette}\t{fourcc}\t{width}x{height}\t{rate}"),
                ),
            }
        }
    }
    let label = clean(&pipe.label, MAX_NAME, "-");
    push_line(&mut text, format_args!("label\t{label}"));
    for owner in &pipe.owners {
        owner_line(&mut text, owner);
    }
    text
}

/// `/sys/class/video4linux/videoN/name`: four words and a newline, all of which parsers need.
#[must_use]
pub fn sysfs_name(index: u32, direction: Direction) -> String {
    let mut name = gcap_name(index, direction);
    name.push('\n');
    name
}

/// The name that `VIDIOCGCAP` gives: [`sysfs_name`] without its newline. With its final zero it
/// fits into the 32 bytes that there are for it, for any index below a thousand million.
#[must_use]
pub fn gcap_name(index: u32, direction: Direction) -> String {
    format!("Video loopback {index} {}", direction.word())
}

/// `/sys/class/video4linux/videoN/name` as programs of today find it, and a newline. It is [`todays_name`] but for an output
/// without a label: Motion's `video_pipe -` writes to the first node whose name here begins as v4l2loopback's did, and can
/// only write to an input.
#[must_use]
pub fn todays_sysfs_name(pipe: &PipeView, direction: Direction, names: Names) -> String {
    let is_camera = direction == Direction::Output && names == Names::V4l2loopback;
    if is_camera && clean(&pipe.label, LABEL, "").is_empty() {
        return format!("Loopback camera {}\n", number(pipe, direction));
    }
    format!("{}\n", todays_name(pipe, direction, names))
}

/// What programs of today find a node to be called, as QUERYCAP's card: the label; without one as `names` says.
#[must_use]
pub fn todays_name(pipe: &PipeView, direction: Direction, names: Names) -> String {
    let label = clean(&pipe.label, LABEL, "");
    match names {
        _ if !label.is_empty() => label,
        Names::V4l2loopback => format!("Loopback video device {}", number(pipe, direction)),
        Names::Vloopback => gcap_name(pipe.index, direction),
    }
}

/// N of a node's /dev/videoN.
fn number(pipe: &PipeView, direction: Direction) -> u32 {
    match direction {
        Direction::Input => pipe.input,
        Direction::Output => pipe.output,
    }
}

/// `/sys/class/video4linux/videoN/format`, as v4l2loopback has it: `FOURCC:WxH@fps`, nothing while there is none.
#[must_use]
pub fn sysfs_format(pipe: &PipeView) -> String {
    let Some(format) = pipe.format.as_ref().filter(|format| !format.fourcc.is_empty()) else {
        return String::new();
    };
    let (fourcc, width, height) = (clean(&format.fourcc, 16, "-"), format.width, format.height);
    let rate = format.fps.unwrap_or(Rate { frames: 30, seconds: 1 });
    format!("{fourcc}:{width}x{height}@{rate}\n")
}

/// `/sys/class/video4linux/videoN/state`, as v4l2loopback has it: `capture` once somebody pushes, or the format is kept;
/// else `output`.
#[must_use]
pub fn sysfs_state(pipe: &PipeView) -> &'static str {
    if pipe.writer || pipe.kept { "capture\n" } else { "output\n" }
}

/// `/sys/module/v4l2loopback/parameters`: name and contents of each file. Of what v4l2loopback was loaded with there is
/// what holds here: all inputs, one direction a node, as many openers as like.
#[must_use]
pub fn module_parameters(snapshot: &Snapshot) -> [(&'static str, String); 7] {
    let each = |value: &dyn Fn(&PipeView) -> String| {
        snapshot.pipes.iter().map(value).collect::<Vec<_>>().join(",") + "\n"
    };
    [
        ("debug", "0\n".to_owned()),
        ("max_buffers", format!("{MOST_BUFFERS}\n")),
        ("max_openers", "0\n".to_owned()),
        ("video_nr", each(&|pipe| pipe.input.to_string())),
        ("exclusive_caps", each(&|_| "Y".to_owned())),
        ("max_width", format!("{LARGEST}\n")),
        ("max_height", format!("{LARGEST}\n")),
    ]
}

/// `/sys/class/video4linux/videoN/dev`: major and minor number.
#[must_use]
pub fn dev(number: u32) -> String {
    format!("{VIDEO_MAJOR}:{number}\n")
}

/// `/sys/class/video4linux/videoN/uevent`, from which udev and v4l2-ctl take the node's name.
#[must_use]
pub fn uevent(number: u32) -> String {
    format!("MAJOR={VIDEO_MAJOR}\nMINOR={number}\nDEVNAME=video{number}\n")
}

/// `/run/udev/data/c81:N`: what udev would have found out of the node, which is what programs that list
/// cameras by libudev look at (GStreamer, PipeWire, Qt). As by udev's own `v4l_id`, and the two words by which
/// one camera is told from another wherever its number lands: the serial and the path.
#[must_use]
pub fn udev_record(pipe: &PipeView, direction: Direction, names: Names) -> String {
    let (capability, side) = match direction {
        Direction::Input => ("video_output", "in"),
        Direction::Output => ("capture", "out"),
    };
    let (name, index) = (todays_name(pipe, direction, names), pipe.index);
    // Three digits, so that no name is the beginning of another.
    let serial = format!("vloopback-{index:03}-{side}");
    format!(
        "I:1\nE:ID_V4L_VERSION=2\nE:ID_V4L_PRODUCT={name}\nE:ID_V4L_CAPABILITIES=:{capability}:\n\
         E:ID_SERIAL={serial}\nE:ID_PATH=platform-{serial}\nE:ID_PATH_TAG=platform-{serial}\nV:1\n"
    )
}

/// `/sys/class/video4linux/videoN/index`: which of its parent's nodes this is. Each of ours is
/// a virtual device of its own, so always the first.
#[must_use]
pub fn index() -> &'static str {
    "0\n"
}

/// The module's size in bytes, as `/proc/modules` and `/sys/module/NAME/coresize` tell it.
pub const MODULE_SIZE: u32 = 16384;

/// How often the module is in use: once for each descriptor that has an output open, once for each
/// pusher, as the old driver counted its opens.
#[must_use]
pub fn module_users(snapshot: &Snapshot) -> u32 {
    snapshot
        .pipes
        .iter()
        .map(|pipe| pipe.readers.saturating_add(pipe.writer.into()))
        .fold(0, u32::saturating_add)
}

/// A line of `/proc/modules` for a loaded module of this name with so many users. The address is the
/// one that the kernel shows to users who may not see addresses.
#[must_use]
pub fn module_line(name: &str, users: u32) -> String {
    format!("{name} {MODULE_SIZE} {users} - Live 0x0000000000000000\n")
}

/// `host`, the text of the host's `/proc/modules` (empty where it has none), with a line for
/// `name` added at the end unless a module of that name is there already.
#[must_use]
pub fn modules_with(host: &str, name: &str, users: u32) -> String {
    let mut text = host.to_owned();
    let loaded = host.lines().any(|line| line.split_ascii_whitespace().next() == Some(name));
    if !loaded {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&module_line(name, users));
    }
    text
}

/// `host`, the text of the host's `/proc/devices` (empty where it has none), with video4linux's major number
/// in its place among the character devices, unless it is there already.
#[must_use]
pub fn devices_with(host: &str) -> String {
    const HEAD: &str = "Character devices:";
    let own = format!("{VIDEO_MAJOR:3} video4linux");
    let major = |line: &str| line.split_ascii_whitespace().next()?.parse::<u32>().ok();
    let mut lines: Vec<&str> = host.lines().collect();
    let head = match lines.iter().position(|line| *line == HEAD) {
        Some(head) => head,
        None => {
            lines.insert(0, HEAD);
            0
        }
    };
    // The list of block devices follows behind an empty line.
    let end = lines.iter().skip(head + 1).position(|line| line.is_empty());
    let end = end.map_or(lines.len(), |count| head + 1 + count);
    let range = lines.get(head + 1..end).unwrap_or(&[]);
    if !range.iter().any(|line| major(line) == Some(VIDEO_MAJOR)) {
        let before = range.iter().take_while(|line| major(line).is_some_and(|one| one < VIDEO_MAJOR)).count();
        lines.insert(head + 1 + before, &own);
    }
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The five columns that all views of a pipe begin with.
fn row(text: &mut String, pipe: &PipeView) {
    let (index, input, output) = (pipe.index, pipe.input, pipe.output);
    let writer = if pipe.writer { 'W' } else { '-' };
    let reader = if pipe.readers > 0 { 'R' } else { '-' };
    push_line(text, format_args!("{index}\tvideo{input}\t{writer}\tvideo{output}\t{reader}"));
}

fn owner_line(text: &mut String, owner: &Owner) {
    let comm = clean(&owner.comm, MAX_NAME, "?");
    let (role, verb) = match owner.role {
        Role::Pusher => ("pusher", "written"),
        Role::Client => ("client", "received"),
    };
    let pid = if owner.pid > 0 { owner.pid.to_string() } else { "-".to_owned() };
    let (received, dropped) = (owner.received, owner.dropped);
    push_line(text, format_args!("{role}\t{pid}\t{comm}\t{verb}\t{received}\tdropped\t{dropped}"));
}

/// Appends one line. All variable parts are bounded by [`clean`] and by the width of integers,
/// so that no line can reach [`MAX_LINE`]; the tests hold this for hostile names.
fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let start = text.len();
    // Writing into a String cannot fail.
    let _ = text.write_fmt(line);
    text.push('\n');
    debug_assert!(text.len() - start < MAX_LINE, "line too long: {line}");
}

/// `name` as one column: control characters (tab and newline among them) and line separators
/// become `?`, what is longer than `max` bytes is cut at a character's boundary, and where
/// nothing but blanks is left `fallback` stands in, since no column may be empty.
fn clean(name: &str, max: usize, fallback: &str) -> String {
    let mut out = String::with_capacity(name.len().min(max));
    for c in name.trim().chars() {
        let c = match c {
            '\u{2028}' | '\u{2029}' => '?',
            c if c.is_control() => '?',
            c => c,
        };
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    if out.is_empty() { fallback.to_owned() } else { out }
}
