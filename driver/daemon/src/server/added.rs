//! Pipes that tools make, change and take away while the server runs.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use vloopback_abi::text;
use vloopback_abi::v4l2::pixel::SIZES;
use vloopback_abi::v4l2::{Fourcc, PixelFormat as KnownFormat, V4l2PixFormat};
use vloopback_core::Refusal;
use vloopback_proc::model::Direction;
use vloopback_wire::{PipeSpec, PixelFormat, Reply};

use super::Engine;
use super::pipes::{Origin, PipeState};
use crate::ServerError;
use crate::config::{MAX_PIPES, MAX_TIMEOUT};

/// The highest number of a node: the old major's last minor.
const LAST_NODE: u32 = 255;
/// The most buffers that a program can have, as V4L2 has it.
const MOST_BUFFERS: u32 = vloopback_ring::MAX_BUFFERS as u32;

/// Why a tool's request is not done.
#[derive(Debug)]
pub(super) struct Denied {
    errno: Errno,
    text: String,
}

impl Denied {
    fn new(errno: Errno, text: impl Into<String>) -> Self {
        Self { errno, text: text.into() }
    }
}

impl From<Denied> for Reply {
    fn from(denied: Denied) -> Self {
        Reply::Denied { errno: denied.errno as i32, text: denied.text }
    }
}

/// The file of the pipes that outlive the server.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    #[serde(default)]
    pipe: Vec<Kept>,
}

/// One of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    #[serde(default)]
    label: String,
    input: u32,
    output: u32,
    sizes: [u32; 4],
    max_buffers: u32,
    max_openers: u32,
    /// Format and rate, where they stay whoever pushes.
    caps: Option<Caps>,
    /// Whether frames are repeated while the pusher is late.
    #[serde(default)]
    sustain: bool,
    /// Milliseconds that a pusher may be silent.
    #[serde(default)]
    timeout: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Caps {
    fourcc: u32,
    width: u32,
    height: u32,
    interval: [u32; 2],
}

impl Engine {
    /// Who may make pipes and take them away: root, the server's own user, the group that the configuration names.
    fn check_administers(&self, id: u32) -> Result<(), Denied> {
        let own = nix::unistd::geteuid().as_raw();
        let may = self.connections.get(&id).is_some_and(|connection| {
            let peer = &connection.peer;
            let in_group = self.config.admin_group.is_some_and(|group| peer.is_in(group));
            peer.uid == 0 || peer.uid == own || in_group
        });
        if may {
            return Ok(());
        }
        let text = "only the server's own user and root may do this here, and who is in the group that `admin_group` \
                    names in the server's configuration";
        Err(Denied::new(Errno::EPERM, text))
    }

    /// Makes a pipe for a tool.
    pub(super) fn add(&mut self, id: u32, spec: &PipeSpec) -> Result<Reply, Denied> {
        self.check_administers(id)?;
        let (index, input, output) = self.add_as(spec)?;
        self.save();
        Ok(Reply::Added { index, input, output })
    }

    /// Makes a pipe as it is wanted. Returns its index and its nodes' numbers.
    fn add_as(&mut self, spec: &PipeSpec) -> Result<(u32, u32, u32), Denied> {
        let sizes = sizes_of(spec.sizes)?;
        if spec.max_buffers > MOST_BUFFERS {
            let text = format!("a program can have 1 to {MOST_BUFFERS} buffers, not {}", spec.max_buffers);
            return Err(Denied::new(Errno::EINVAL, text));
        }
        if self.visible().count() as u32 >= MAX_PIPES {
            let text = format!("there are {MAX_PIPES} pipes, as many as a server has: delete one first");
            return Err(Denied::new(Errno::ENOSPC, text));
        }
        let index = self.free_index();
        let nodes = self.wanted_nodes(index, spec.input, spec.output)?;
        let made = self.make_pipe(index, nodes, Origin::Added);
        let mut pipe = made.map_err(|e| Denied::new(Errno::ENOMEM, e.to_string()))?;
        let mut options = *pipe.core.options();
        (options.sizes, options.max_openers) = (sizes, spec.max_openers);
        pipe.set_options(options);
        pipe.set_label(text::text(&spec.label));
        pipe.set_max_buffers(spec.max_buffers);
        self.take_in(pipe);
        Ok((index, nodes.0, nodes.1))
    }

    fn wanted_nodes(
        &self,
        index: u32,
        input: Option<u32>,
        output: Option<u32>,
    ) -> Result<(u32, u32), Denied> {
        if input.is_some() && input == output {
            let text = "a pipe has two nodes, one to push into and one to watch: name another for the second, or none";
            return Err(Denied::new(Errno::EINVAL, text));
        }
        for node in [input, output].into_iter().flatten() {
            if node > LAST_NODE {
                let text = format!("/dev/video{node} cannot be: the numbers of nodes are 0 to {LAST_NODE}");
                return Err(Denied::new(Errno::EINVAL, text));
            }
            if self.is_taken(node) {
                let text = format!(
                    "/dev/video{node} is taken: choose another number, or none, and one that is free is taken"
                );
                return Err(Denied::new(Errno::EEXIST, text));
            }
        }
        let none = || Denied::new(Errno::ENOSPC, format!("no node number up to {LAST_NODE} is free"));
        let free = |but: u32| (0..=LAST_NODE).find(|&node| node != but && !self.is_taken(node));
        match (input, output) {
            (Some(input), Some(output)) => Ok((input, output)),
            (Some(input), None) => {
                let next = Some(input + 1).filter(|&next| next <= LAST_NODE && !self.is_taken(next));
                next.or_else(|| free(input)).map(|output| (input, output)).ok_or_else(none)
            }
            (None, Some(output)) => free(output).map(|input| (input, output)).ok_or_else(none),
            // Where the configuration's numbers are taken, any others will do.
            (None, None) => self.free_nodes(index).or_else(|_| self.lowest_nodes()).map_err(|_| none()),
        }
    }

    /// What a pipe is.
    pub(super) fn query(&self, node: u32) -> Result<Reply, Denied> {
        let pipe = &self.pipes[self.place_of(node)?];
        let view = pipe.view(&self.sessions);
        let card = vloopback_proc::render::todays_name(&view, Direction::Input, self.names());
        let spec = PipeSpec {
            label: text::field(&card),
            input: Some(pipe.input),
            output: Some(pipe.output),
            sizes: pipe.core.options().sizes,
            max_buffers: view.max_buffers,
            max_openers: view.max_openers,
        };
        Ok(Reply::Spec { spec })
    }

    /// Takes a pipe away. While somebody has it open only by `force`: whoever has it gets ENODEV from then on.
    pub(super) fn remove(&mut self, id: u32, node: u32, force: bool) -> Result<Reply, Denied> {
        self.check_administers(id)?;
        let place = self.place_of(node)?;
        // Who has closed it, but was not seen to, is not in the way.
        self.end_closed(place);
        if let Some(studio) = self.studio_of(place) {
            self.end_closed(studio);
        }
        self.ask_names();
        let users: Vec<String> = self.pipes[place]
            .core
            .openers()
            .chain(self.studio_of(place).into_iter().flat_map(|studio| self.pipes[studio].core.openers()))
            .filter_map(|(session, _)| self.sessions.get(&session))
            // Names come from other processes: what would move a terminal's cursor is not told.
            .map(|session| (session.comm.replace(|sign: char| sign.is_control(), "?"), session.pid))
            .map(|(name, pid)| format!("{name} (process {pid})"))
            .collect();
        if !users.is_empty() && !force {
            let mut told: Vec<String> = users;
            told.sort();
            told.dedup();
            let text =
                format!("/dev/video{node} is open in {}: end that first, or use --force", told.join(", "));
            return Err(Denied::new(Errno::EBUSY, text));
        }
        self.take_out(place);
        self.save();
        Ok(Reply::Done)
    }

    /// Ends all that have a pipe open, and forgets it.
    pub(super) fn take_out(&mut self, place: usize) {
        // It came later, so that this one keeps its place.
        if let Some(studio) = self.studio_of(place).filter(|studio| *studio != place) {
            self.take_out(studio);
        }
        self.pipes[place].board.gone.store(1, std::sync::atomic::Ordering::SeqCst);
        self.notify(place);
        for session in self.openers(place) {
            if let Some(session) = self.sessions.get(&session) {
                crate::futex::kick(&session.page);
            }
            self.end_session(session);
        }
        let pipe = self.pipes.remove(place);
        pipe.close_threads();
        for session in self.sessions.values_mut().filter(|session| session.pipe > place) {
            session.pipe -= 1;
        }
        info!(pipe = pipe.index, input = pipe.input, output = pipe.output, "removed");
        self.views_stale = true;
    }

    /// Sets a pipe's format and rate for a tool, and whether they stay.
    pub(super) fn set_caps(
        &mut self,
        id: u32,
        node: u32,
        (format, interval, keep): (Option<PixelFormat>, Option<(u32, u32)>, Option<bool>),
    ) -> Result<Reply, Denied> {
        let place = self.place_to_push(id, node)?;
        self.end_closed_pusher(place);
        let asked = format.map(|format| V4l2PixFormat {
            width: format.width,
            height: format.height,
            pixelformat: format.fourcc,
            field: format.field,
            ..V4l2PixFormat::default()
        });
        if let Some(asked) = &asked {
            self.check_format(place, asked)?;
        }
        let before = self.pipes[place].settings();
        self.set_caps_of(place, asked.as_ref(), interval, keep)?;
        self.save();
        self.tell_settings(place, before, 0);
        Ok(Reply::Done)
    }

    /// Keeps a pipe's format and rate, or does so no more.
    pub(super) fn keep_format(&mut self, place: usize, keep: bool) -> Result<(), Errno> {
        self.set_caps_of(place, None, None, Some(keep)).map_err(|denied| denied.errno)
    }

    /// Sets for a tool how many may have a pipe open.
    pub(super) fn set_max_openers(&mut self, id: u32, node: u32, most: u32) -> Result<Reply, Denied> {
        let place = self.place_to_push(id, node)?;
        self.end_closed(place);
        let open = self.pipes[place].core.openers().count();
        self.pipes[place].core.set_max_openers(most).map_err(|refusal| {
            Denied::new(Errno::from_raw(refusal.errno()), format!("{open} have it open: {most} is fewer"))
        })?;
        self.views_stale = true;
        self.save();
        Ok(Reply::Done)
    }

    /// The pipe of a node into which whoever asks may push.
    fn place_to_push(&self, id: u32, node: u32) -> Result<usize, Denied> {
        let place = self.place_of(node)?;
        let peer = self.connections.get(&id).map(|connection| &connection.peer);
        if peer.is_some_and(|peer| peer.may(&self.pipes[place].access, false, true)) {
            return Ok(place);
        }
        let text = "it is not for this user to push into: join the node's group, or ask its owner";
        Err(Denied::new(Errno::EACCES, text))
    }

    fn check_format(&self, place: usize, asked: &V4l2PixFormat) -> Result<(), Denied> {
        if KnownFormat::of(Fourcc(asked.pixelformat)).is_none() {
            let text = format!(
                "format {} is none that a pipe can have; `v4l2-ctl --list-formats-out -d INPUT` lists those that it can",
                Fourcc(asked.pixelformat)
            );
            return Err(Denied::new(Errno::EINVAL, text));
        }
        let [min_width, max_width, min_height, max_height] = self.pipes[place].core.options().sizes;
        let fits = (min_width..=max_width).contains(&asked.width)
            && (min_height..=max_height).contains(&asked.height);
        if fits {
            return Ok(());
        }
        let text = format!(
            "{}x{} is no size on this pipe: widths are {min_width} to {max_width}, heights {min_height} to {max_height}",
            asked.width, asked.height
        );
        Err(Denied::new(Errno::EINVAL, text))
    }

    fn set_caps_of(
        &mut self,
        place: usize,
        format: Option<&V4l2PixFormat>,
        interval: Option<(u32, u32)>,
        keep: Option<bool>,
    ) -> Result<(), Denied> {
        let effects = self.pipes[place].core.set_caps(format, interval, keep).map_err(|refusal| {
            let text = match refusal {
                Refusal::Busy => "a program pushes another format into it: end that first".to_owned(),
                other => other.to_string(),
            };
            Denied::new(Errno::from_raw(refusal.errno()), text)
        })?;
        self.apply(place, effects);
        if effects.format {
            self.notify(place);
        }
        Ok(())
    }

    fn place_of(&self, node: u32) -> Result<usize, Denied> {
        let has = |pipe: &PipeState| pipe.input == node || pipe.output == node;
        self.pipes.iter().position(has).ok_or_else(|| {
            Denied::new(Errno::ENODEV, format!("/dev/video{node} is no node of a pipe: see `vloopback list`"))
        })
    }

    /// Writes the pipes that were added where a later server finds them, if the configuration names a file.
    pub(super) fn save(&self) {
        let Some(file) = &self.config.state else { return };
        let added = self.pipes.iter().filter(|pipe| pipe.origin == Origin::Added);
        let state = State { pipe: added.map(kept).collect() };
        let written =
            toml::to_string(&state).map_err(std::io::Error::other).and_then(|text| replace(file, &text));
        if let Err(e) = written {
            warn!("{}: the pipes that were added will not outlive this server: {e}", file.display());
        }
    }

    /// Makes the pipes that were added to a former server.
    pub(super) fn restore(&mut self) -> Result<(), ServerError> {
        let Some(file) = self.config.state.clone() else { return Ok(()) };
        let bad = |reason: String| ServerError::Config { file: file.clone(), reason };
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(bad(e.to_string())),
        };
        let state: State = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
        for kept in state.pipe {
            let mut spec = PipeSpec {
                label: text::field(&kept.label),
                input: Some(kept.input),
                output: Some(kept.output),
                sizes: kept.sizes,
                max_buffers: kept.max_buffers,
                max_openers: kept.max_openers,
            };
            let made = self.add_as(&spec).or_else(|denied| {
                warn!("{}: {}; it gets other numbers", file.display(), denied.text);
                (spec.input, spec.output) = (None, None);
                self.add_as(&spec)
            });
            let (index, ..) = made.map_err(|denied| bad(denied.text))?;
            let Some(place) = self.pipes.iter().position(|pipe| pipe.index == index) else { continue };
            let pipe = &mut self.pipes[place];
            pipe.sustain = kept.sustain;
            pipe.timeout = Duration::from_millis(kept.timeout.into()).min(MAX_TIMEOUT);
            pipe.update_board();
            let Some(caps) = kept.caps else { continue };
            let asked = V4l2PixFormat {
                width: caps.width,
                height: caps.height,
                pixelformat: caps.fourcc,
                ..V4l2PixFormat::default()
            };
            let interval = Some((caps.interval[0], caps.interval[1]));
            let set = self.set_caps_of(place, Some(&asked), interval, Some(true));
            set.map_err(|denied| bad(denied.text))?;
        }
        Ok(())
    }
}

fn kept(pipe: &PipeState) -> Kept {
    let core = &pipe.core;
    let (pix, interval) = (core.pix(), core.interval());
    let caps = core.is_kept().then_some(Caps {
        fourcc: pix.pixelformat,
        width: pix.width,
        height: pix.height,
        interval: [interval.0, interval.1],
    });
    Kept {
        label: pipe.label.clone(),
        input: pipe.input,
        output: pipe.output,
        sizes: core.options().sizes,
        max_buffers: pipe.max_buffers(),
        max_openers: core.options().max_openers,
        caps,
        sustain: pipe.sustain,
        timeout: pipe.timeout.as_millis().try_into().unwrap_or(u32::MAX),
    }
}

/// The bounds that are wanted: least width, most width, least height, most height, where 0 is as far as there are any.
fn sizes_of(wanted: [u32; 4]) -> Result<[u32; 4], Denied> {
    let (least, most) = SIZES;
    // 1 is no bound, as 0 is none: v4l2loopback's own least height.
    let or = |value: u32, bound: u32| if value < 2 { bound } else { value };
    let [min_width, max_width, min_height, max_height] = wanted;
    let sizes = [or(min_width, least), or(max_width, most), or(min_height, least), or(max_height, most)];
    let range = least..=most;
    if !sizes.iter().all(|size| range.contains(size)) || sizes[0] > sizes[1] || sizes[2] > sizes[3] {
        let text = format!(
            "widths from {} to {} and heights from {} to {} cannot be: sizes are {least} to {most}, and the least is \
             not above the most",
            sizes[0], sizes[1], sizes[2], sizes[3]
        );
        return Err(Denied::new(Errno::EINVAL, text));
    }
    Ok(sizes)
}

/// Puts a file with this text in the place of one that may be there: whoever reads finds the whole of either.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let mut new = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&beside)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    fs::rename(&beside, file)
}
