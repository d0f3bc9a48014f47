//! A pipe with its memory, and the pipes together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tracing::{info, warn};
use vloopback_abi::palette::Palette;
use vloopback_abi::v4l2::Fourcc;
use vloopback_core::{Options, Pipe, Profile, RingPlan, Side};
use vloopback_proc::model::{Counters, FormatView, Names, NodeAccess, Owner, PipeView, Rate, Role, Snapshot};
use vloopback_proc::render::LABEL;
use vloopback_ring::{Board, ClaimsPage, Format, Log, MAX_ROWS, Pix, SessionPage};

use super::zero::ZeroMemory;
use super::{Engine, Session};
use crate::config::{FIRST_INPUT, MAX_PIPES, Order};
use crate::image::TimeoutImage;
use crate::memory::{Page, RingMemory, Writer};
use crate::placeholder::{Placeholder, Sign};
use crate::poll_notifier::PollNotifier;
use crate::quota::{Charge, Quotas};
use crate::{ServerError, futex};

// The state machine grants what the ring leaves to clients.
const _: () = assert!(vloopback_core::RESERVED_SLOTS as usize == vloopback_ring::RESERVED_SLOTS);
// The views tell what holds.
const _: () = assert!(vloopback_proc::render::MOST_BUFFERS as usize == vloopback_ring::MAX_BUFFERS);
const _: () = assert!(vloopback_proc::render::LARGEST == vloopback_abi::v4l2::pixel::SIZES.1);

/// Why there is a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The options and the configuration ask for it.
    Configured,
    /// Claims have left too few that are free.
    Spare,
    /// A tool has added it.
    Added,
    /// Behind another pipe's input, for the program that sets its timeout picture ([`super::timeout_io`]).
    Studio,
}

/// A pipe with its memory.
#[derive(Debug)]
pub(super) struct PipeState {
    pub(super) index: u32,
    pub(super) origin: Origin,
    /// What a person called it, as the board has it.
    pub(super) label: String,
    /// N of the input's /dev/videoN.
    pub(super) input: u32,
    /// N of the output's.
    pub(super) output: u32,
    pub(super) access: NodeAccess,
    pub(super) core: Pipe,
    pub(super) board: Arc<Page<Board>>,
    pub(super) claims_page: Arc<Page<ClaimsPage>>,
    pub(super) ring: Option<Arc<RingMemory>>,
    /// The same ring with the log of a former writer, until the board tells of the new one.
    former: Option<Arc<RingMemory>>,
    /// The ring's frames are of another palette than the one in force: who feeds that gets a ring of its own.
    pub(super) stale: bool,
    rings: u32,
    logs: u32,
    head: u64,
    pub(super) poll_notifier: Arc<PollNotifier>,
    pub(super) placeholder: Arc<Placeholder>,
    /// In zero-copy mode: what the pusher and its clients share.
    pub(super) zero: Option<ZeroMemory>,
    /// The picture in place of the card.
    pub(super) image: Option<Arc<TimeoutImage>>,
    /// For how long a pusher may be silent before it is shown; 0: for ever.
    pub(super) timeout: Duration,
    /// While the pusher is late its newest frame comes again.
    pub(super) sustain: bool,
    /// How many streamed when those who have the input were told last.
    pub(super) told_streaming: u32,
    /// Who opens the input next sets the picture.
    pub(super) awaits_picture: bool,
    /// Of a studio: the format of the pipe in front of it is kept.
    pub(super) front_is_kept: bool,
    /// What a pusher's claim costs its user.
    pub(super) claim: Option<Charge>,
    /// What sessions and rings that are gone had counted.
    past: Counters,
    /// Publications of former logs that were kept for who comes later: they count as unwatched.
    kept: u64,
    /// Since when nobody has it open, as far as that was asked for.
    unused_since: Option<Instant>,
}

impl PipeState {
    /// `writer` is the number by which the placeholder's thread takes the right to write.
    fn new(
        (index, origin): (u32, Origin),
        nodes: (u32, u32),
        access: NodeAccess,
        options: Options,
        writer: u32,
    ) -> Result<Self, Errno> {
        let claims_page = Arc::new(Page::<ClaimsPage>::writable("vloopback-claims")?);
        let board = Arc::new(Page::<Board>::read_only("vloopback-board")?);
        let poll_notifier = PollNotifier::new(claims_page.clone());
        let sign = Sign { pipe: index, node: nodes.1 };
        let mut pipe = Self {
            index,
            origin,
            label: String::new(),
            input: nodes.0,
            output: nodes.1,
            access,
            core: Pipe::new(options, page_size()),
            placeholder: Placeholder::new(
                writer,
                sign,
                board.clone(),
                claims_page.clone(),
                poll_notifier.clone(),
            ),
            board,
            poll_notifier,
            claims_page,
            ring: None,
            former: None,
            stale: false,
            zero: None,
            rings: 0,
            logs: 0,
            head: 0,
            image: None,
            timeout: Duration::ZERO,
            sustain: false,
            told_streaming: 0,
            awaits_picture: false,
            front_is_kept: false,
            claim: None,
            past: Counters::default(),
            kept: 0,
            unused_since: None,
        };
        pipe.set_options(options);
        Ok(pipe)
    }

    /// Sets what the pipe is to be like, before anybody has opened it.
    pub(super) fn set_options(&mut self, options: Options) {
        self.core = self.core.with_options(options);
        for (to, bound) in self.board.sizes.iter().zip(options.sizes) {
            to.store(bound, Ordering::SeqCst);
        }
        self.update_board();
    }

    /// Sets what programs find the pipe to be called; see [`label`].
    pub(super) fn set_label(&mut self, text: &str) {
        self.label = label(text);
        self.board.set_label(self.label.as_bytes());
    }

    /// Sets how many buffers a program gets at a time; 0: as many as there can be.
    pub(super) fn set_max_buffers(&self, most: u32) {
        self.board.max_buffers.store(most, Ordering::SeqCst);
    }

    /// How many buffers a program gets at a time; 0: as many as there can be.
    pub(super) fn max_buffers(&self) -> u32 {
        self.board.max_buffers.load(Ordering::SeqCst)
    }

    /// The lowest number that no session of this pipe has.
    pub(super) fn free_client_number(&self, sessions: &BTreeMap<u32, Session>, pipe: usize) -> u32 {
        let mut used: Vec<u32> =
            sessions.values().filter(|s| s.pipe == pipe).map(|s| s.info.client).collect();
        used.sort_unstable();
        (0..).zip(used).take_while(|(free, used)| free == used).count() as u32
    }

    /// Writes the state machine's values where everybody reads them.
    pub(super) fn update_board(&mut self) {
        let size = self.core.size();
        let ring = self.ring.as_ref();
        let pix = self.core.pix();
        let interval = self.core.interval();
        self.board.set_format(&Format {
            palette: self.core.palette(),
            width: size.map_or(0, |s| s.width),
            height: size.map_or(0, |s| s.height),
            frame_len: size.map_or(0, |s| s.frame_len),
            buf_len: size.map_or(0, |s| s.buf_len),
            frames: self.core.options().num_buffers,
            picture: self.core.picture(),
            ring: ring.map_or(0, |r| r.number),
            slots: ring.map_or(0, |r| r.slots()),
            feed: self.core.feed().unwrap_or(0),
            varies: self.core.varies().into(),
            pix: Pix::from(pix),
            interval: [interval.0, interval.1],
            zero: self.core.zero(),
            log: ring.map_or(0, |r| r.log_number),
            chosen: self.core.is_chosen().into(),
            told: self.core.is_rate_told().into(),
        });
        // Not before: who finds nothing in it any more finds the new one on the board.
        if let Some(former) = self.former.take() {
            former.forget();
        }
        let mut quotas = [0; MAX_ROWS];
        for grant in self.core.grants() {
            quotas[grant.row as usize] = grant.quota;
        }
        for (to, quota) in self.board.quotas.iter().zip(quotas) {
            to.store(quota, Ordering::SeqCst);
        }
        // In a studio every frame counts.
        let streamers = self.core.streamers() + u32::from(self.origin == Origin::Studio);
        self.board.streamers.store(streamers, Ordering::SeqCst);
        self.board.kept.store(self.core.is_kept().into(), Ordering::SeqCst);
        for (word, setting) in self.board.settings.iter().zip(self.settings()) {
            word.store(setting, Ordering::SeqCst);
        }
        self.update_priorities();
    }

    /// The values of v4l2loopback's controls, in the order of their ids; the last one, a button, has none.
    pub(super) fn settings(&self) -> [u32; 3] {
        let timeout = self.timeout.as_millis().try_into().unwrap_or(u32::MAX);
        let kept = self.core.is_kept() || self.front_is_kept;
        [kept.into(), self.sustain.into(), timeout]
    }

    /// The highest priorities, which change with every open and close.
    pub(super) fn update_priorities(&self) {
        for (word, side) in self.board.priorities.iter().zip([Side::Input, Side::Output]) {
            word.store(self.core.max_priority(side), Ordering::SeqCst);
        }
    }

    /// What the session's row says counts no more.
    pub(super) fn clear_row(&self, session: u32) {
        let grant = self.core.openers().find(|(id, _)| *id == session).and_then(|(_, o)| o.grant);
        if let Some(grant) = grant {
            let row = &self.claims_page.rows[grant.row as usize];
            row.claims.store(0, Ordering::SeqCst);
            row.want.store(0, Ordering::SeqCst);
            row.places.store(0, Ordering::SeqCst);
            row.turn.store(0, Ordering::SeqCst);
        }
    }

    /// Makes the ring of a plan for a writer, unless the one at hand will do: of that size, made for that user. Another
    /// writer than before gets a log of its own.
    ///
    /// ENOMEM: no memory is left, or none for this user.
    pub(super) fn provide_ring(
        &mut self,
        plan: &RingPlan,
        writer: Writer,
        quotas: &Quotas,
    ) -> Result<(), Errno> {
        let fits = self.ring_fits(plan) && !self.stale;
        if self.ring.as_ref().is_some_and(|r| fits && r.writer.uid == writer.uid) {
            self.hand_ring_to(writer)?;
        } else {
            let number = self.rings.wrapping_add(1).max(1);
            let log_number = self.logs.wrapping_add(1).max(1);
            let head = self.head();
            let made = RingMemory::new(plan, (number, log_number), head, writer, quotas)?;
            if let Some(former) = &self.ring {
                made.log.clock.follow(&former.log.clock, vloopback_sys::clock::now());
            }
            let stays = |former: &&Arc<RingMemory>| former.slot_len == plan.buf_len && !self.stale;
            if let Some(former) = self.ring.as_ref().filter(stays) {
                made.carry_over(former)?;
            }
            self.stale = false;
            self.remember_ring();
            (self.rings, self.logs) = (number, log_number);
            self.ring = Some(Arc::new(made));
        }
        // What a former pusher, or the daemon, has published there in this format is still for those who were
        // slower: their descriptors are readable for it.
        Ok(())
    }

    /// The number of the newest publication, as far as it can be true.
    fn head(&self) -> u64 {
        self.ring.as_ref().map_or(self.head, |ring| ring.head())
    }

    /// The ring at hand gets a log for this writer, unless it has it already. Who waits is woken by the caller.
    pub(super) fn hand_ring_to(&mut self, writer: Writer) -> Result<(), Errno> {
        let Some(ring) = self.ring.as_ref().filter(|ring| ring.writer != writer) else { return Ok(()) };
        let number = self.logs.wrapping_add(1).max(1);
        let made = ring.handed_to(writer, number)?;
        self.remember_ring();
        self.logs = number;
        self.former = self.ring.replace(Arc::new(made));
        Ok(())
    }

    /// A pusher that has left writes to the ring no more. True: the ring has another log now, or is gone.
    pub(super) fn take_ring_back(&mut self) -> bool {
        let Some(writer) = self.ring.as_ref().map(|ring| ring.writer) else { return false };
        if writer.session == 0 || self.core.pusher() == Some(writer.session) {
            return false;
        }
        if let Err(e) = self.hand_ring_to(Writer { session: 0, ..writer }) {
            warn!(pipe = self.index, "cannot allocate the log: {e}");
            self.remember_ring();
            self.ring = None;
        }
        true
    }

    /// Whether the ring at hand has what the plan wants.
    pub(super) fn ring_fits(&self, plan: &RingPlan) -> bool {
        self.ring.as_ref().is_some_and(|r| r.slot_len == plan.buf_len && r.slots() == plan.slots)
    }

    /// Memory for frames is for pipes that somebody uses, and for frames of the format in force.
    pub(super) fn release_ring_if_unused(&mut self) {
        if self.core.feed().is_some() || self.ring.is_none() {
            return;
        }
        let fits = self.core.size().is_some_and(|size| self.ring_fits(&size));
        if self.core.readers() == 0 || !fits {
            self.remember_ring();
            self.ring = None;
        }
    }

    fn remember_ring(&mut self) {
        if let Some(ring) = &self.ring {
            self.head = ring.head();
            for (sum, more) in [
                (&mut self.past.unwatched, &ring.log.unwatched),
                (&mut self.past.copies, &ring.log.copies),
                (&mut self.kept, &ring.log.kept),
            ] {
                *sum = sum.saturating_add(more.load(Ordering::Relaxed));
            }
        }
    }

    /// Frames of another format or pusher are not for anybody any more.
    pub(super) fn forget_frames(&mut self) {
        self.stale = false;
        if let Some(ring) = &self.ring {
            ring.forget();
        }
    }

    /// The zero-copy memory is gone, with the count of what its pusher has drawn for clients that asked.
    pub(super) fn remember_zero(&mut self, memory: &ZeroMemory) {
        self.past.written = self.past.written.saturating_add(memory.pusher_page.synced());
    }

    pub(super) fn remember_counters(&mut self, page: &SessionPage) {
        let past = &mut self.past;
        for (sum, more) in [
            (&mut past.read, &page.received),
            (&mut past.dropped, &page.dropped),
            (&mut past.copies, &page.copies),
        ] {
            *sum = sum.saturating_add(more.load(Ordering::Relaxed));
        }
    }

    /// A process is gone: if it was writing, others may go on.
    pub(super) fn revoke_writer(&self, dead: u32) {
        if let Some(ring) = &self.ring {
            if vloopback_ring::invalidate_half_written(&ring.log, dead) {
                futex::wake_all(ring.log.lock.word());
            }
        }
    }

    /// The server ends: its threads too.
    pub(super) fn close_threads(&self) {
        self.placeholder.set(None);
        if let Some(memory) = &self.zero {
            memory.notifier.dismiss();
        }
        for (session, _) in self.core.openers() {
            self.poll_notifier.remove(session);
        }
    }

    /// Who has the pipe open: the pusher, and all that have the output.
    fn owners<'a>(&'a self, sessions: &'a BTreeMap<u32, Session>) -> impl Iterator<Item = &'a Session> {
        self.core
            .openers()
            .filter(|(id, opener)| opener.side == Side::Output || self.core.pusher() == Some(*id))
            .filter_map(|(id, _)| sessions.get(&id))
    }

    pub(super) fn view(&self, sessions: &BTreeMap<u32, Session>) -> PipeView {
        let mut counters = self.past;
        let (mut unwatched, mut kept) = (0, self.kept);
        if let Some(ring) = &self.ring {
            unwatched = ring.log.unwatched.load(Ordering::Relaxed);
            kept = kept.saturating_add(ring.log.kept.load(Ordering::Relaxed));
            counters.copies = counters.copies.saturating_add(ring.log.copies.load(Ordering::Relaxed));
        }
        counters.unwatched = counters.unwatched.saturating_add(unwatched);
        // What pushers handed in: the daemon's own pictures are published, not written.
        let head = || self.head();
        let synced = self.zero.as_ref().map_or(0, |memory| memory.pusher_page.synced());
        let written = self.placeholder.written(head).saturating_add(counters.unwatched);
        counters.written = counters.written.saturating_add(synced).saturating_add(written);
        counters.unwatched = counters.unwatched.saturating_add(kept);
        let mut owners = Vec::new();
        for session in self.owners(sessions) {
            let (role, received, dropped) = if session.info.input {
                (Role::Pusher, counters.written, counters.unwatched)
            } else {
                let page = &session.page;
                let received = page.received.load(Ordering::Relaxed);
                let dropped = page.dropped.load(Ordering::Relaxed);
                // Clients write these: no sum may run over.
                counters.read = counters.read.saturating_add(received);
                counters.dropped = counters.dropped.saturating_add(dropped);
                counters.copies = counters.copies.saturating_add(page.copies.load(Ordering::Relaxed));
                (Role::Client, received, dropped)
            };
            let comm = session.comm.clone();
            owners.push(Owner { pid: session.pid, comm, role, received, dropped });
        }
        let palette = Palette::from_number(self.core.palette());
        let fourcc = if self.core.pix_in_force() {
            Some(Fourcc(self.core.pix().pixelformat))
        } else {
            palette.and_then(Palette::fourcc)
        };
        let known = palette.is_some() || fourcc.is_some();
        let format = self.core.size().filter(|_| known).map(|size| FormatView {
            palette_name: palette.map_or_else(String::new, |p| p.name().to_owned()),
            fourcc: fourcc.map_or_else(String::new, |f| f.to_string()),
            width: size.width,
            height: size.height,
            fps: self.core.told_interval().map(|(seconds, frames)| Rate { frames, seconds }),
        });
        PipeView {
            index: self.index,
            input: self.input,
            output: self.output,
            writer: self.core.is_taken(),
            readers: self.core.readers(),
            counters,
            format,
            owners,
            label: self.label.clone(),
            access: self.access,
            max_buffers: match self.max_buffers() {
                0 => vloopback_ring::MAX_BUFFERS as u32,
                most => most,
            },
            max_openers: self.core.options().max_openers,
            kept: self.core.is_kept(),
            streaming: self.core.streamers(),
        }
    }
}

/// A label as it is kept: one line, and what fits into a card of V4L2, cut at a character.
fn label(text: &str) -> String {
    let mut label = String::new();
    for sign in text.trim().chars() {
        let sign = if sign.is_control() || matches!(sign, '\u{2028}' | '\u{2029}') { '?' } else { sign };
        if label.len() + sign.len_utf8() > LABEL {
            break;
        }
        label.push(sign);
    }
    label.truncate(label.trim_end().len());
    label
}

fn page_size() -> u32 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|n| u32::try_from(n).ok())
        .unwrap_or(4096)
}

impl Engine {
    /// Makes one more pipe at the lowest index that is free.
    pub(super) fn add_pipe(&mut self, origin: Origin) -> Result<(), ServerError> {
        let index = self.free_index();
        let nodes = self.configured_nodes(index, origin)?;
        let mut pipe = self.make_pipe(index, nodes, origin)?;
        let mut options = *pipe.core.options();
        (options.sizes, options.max_openers) = (self.config.sizes, self.config.max_openers);
        pipe.set_options(options);
        pipe.set_max_buffers(self.config.max_buffers);
        if origin == Origin::Configured {
            pipe.set_label(self.config.label_of(index));
        }
        self.take_in(pipe);
        Ok(())
    }

    /// The lowest index that no pipe has.
    pub(super) fn free_index(&self) -> u32 {
        (0..).find(|index| self.pipes.iter().all(|pipe| pipe.index != *index)).unwrap_or(u32::MAX)
    }

    /// A new pipe is there for all from now on. It comes last: whoever has another's place in the list goes on with it.
    pub(super) fn take_in(&mut self, pipe: PipeState) {
        info!(pipe = pipe.index, input = pipe.input, output = pipe.output, "added");
        self.pipes.push(pipe);
        self.views_stale = true;
    }

    /// A pipe that nobody knows of yet.
    pub(super) fn make_pipe(
        &mut self,
        index: u32,
        nodes: (u32, u32),
        origin: Origin,
    ) -> Result<PipeState, ServerError> {
        let uid = nix::unistd::geteuid();
        let gid = self.config.group.unwrap_or_else(|| {
            let video = || nix::unistd::Group::from_name("video").ok().flatten();
            let group = if uid.is_root() { video() } else { None };
            group.map_or_else(nix::unistd::getegid, |g| g.gid).as_raw()
        });
        let access = NodeAccess { uid: uid.as_raw(), gid, mode: self.config.mode };
        let mut options = Options::of_profile(self.config.profile);
        options.num_buffers = self.config.num_buffers;
        options.idle = self.config.idle.unwrap_or(options.idle);
        options.exclusive = self.config.exclusive_of(index);
        let writer = self.fresh();
        let mut pipe = PipeState::new((index, origin), nodes, access, options, writer)
            .map_err(|e| ServerError::system(format!("making the memory of pipe {index}"), e))?;
        pipe.image = self.config.timeout_image_of(index);
        pipe.timeout = self.config.timeout_of(index);
        pipe.update_board();
        pipe.board.own_names.store(u32::from(self.names() == Names::Vloopback), Ordering::SeqCst);
        Ok(pipe)
    }

    /// Whose names programs of today find. In the old driver's profile there are no such programs.
    pub(super) fn names(&self) -> Names {
        match self.config.profile {
            Profile::Vloopback => Names::Vloopback,
            Profile::Default => self.config.identity,
        }
    }

    /// Who may open the node by which pipes are added and deleted. (What is asked there, the server decides anyway.)
    fn control_access(&self) -> NodeAccess {
        let own = NodeAccess::default();
        NodeAccess { gid: self.config.admin_group.unwrap_or(own.gid), ..own }
    }

    /// Whether a pipe or a real device has the node of this number.
    pub(super) fn is_taken(&self, n: u32) -> bool {
        self.pipes.iter().any(|p| p.input == n || p.output == n)
            || Path::new(&format!("/dev/video{n}")).exists()
            || Path::new(&format!("/sys/class/video4linux/video{n}")).exists()
    }

    /// The two numbers of a pipe that the server makes by itself: those that the configuration names for it, or what
    /// order and offset give; never one that is named for another.
    fn configured_nodes(&self, index: u32, origin: Origin) -> Result<(u32, u32), ServerError> {
        let own = self.config.pipe.get(index as usize).filter(|_| origin == Origin::Configured);
        let (input, output) = own.map_or((None, None), |own| (own.input, own.output));
        let configured = self.config.pipe.iter().take(self.config.pipes as usize);
        let named = |n: u32| {
            let mut others = configured.clone().enumerate().filter(|(k, _)| *k as u32 != index);
            others.any(|(_, other)| [other.input, other.output].contains(&Some(n)))
        };
        let free = |n: u32| n <= 255 && !self.is_taken(n) && !named(n);
        if (input, output) == (None, None) {
            let nodes = self.free_nodes(index)?;
            if free(nodes.0) && free(nodes.1) {
                return Ok(nodes);
            }
        }
        for n in [input, output].into_iter().flatten() {
            if n > 255 || self.is_taken(n) || named(n) || input == output {
                let text =
                    format!("pipe {index} cannot have /dev/video{n}: it is taken, named twice, or above 255");
                return Err(ServerError::Option(text));
            }
        }
        let none = || ServerError::Option(format!("no node number below 256 is free for pipe {index}"));
        let pair = || (0..255).find(|&n| free(n) && free(n + 1));
        let any = |but: u32| (0..=255).find(|&n| n != but && free(n));
        match (input, output) {
            (Some(input), Some(output)) => Ok((input, output)),
            (Some(input), None) => {
                let next = Some(input + 1).filter(|&n| free(n)).or_else(|| any(input));
                next.map(|output| (input, output)).ok_or_else(none)
            }
            (None, Some(output)) => any(output).map(|input| (input, output)).ok_or_else(none),
            (None, None) => pair().map(|n| (n, n + 1)).ok_or_else(none),
        }
    }

    /// The two numbers that the configuration's order and offset give the pipe of an index.
    pub(super) fn free_nodes(&self, index: u32) -> Result<(u32, u32), ServerError> {
        let taken = |n: u32| self.is_taken(n);
        if let Ok(offset) = u32::try_from(self.config.dev_offset) {
            let (input, output) = match self.config.order {
                Order::InputFirst => (2 * index + offset, 2 * index + offset + 1),
                Order::OutputFirst => (index + offset + FIRST_INPUT, index + offset),
            };
            if let Some(n) = [input, output].into_iter().find(|&n| n > 255 || taken(n)) {
                return Err(ServerError::Option(format!(
                    "--dev-offset {offset} would make /dev/video{n}, which is taken or above 255: choose another"
                )));
            }
            return Ok((input, output));
        }
        if self.config.order == Order::OutputFirst {
            let lowest = |from: u32| (from..=255).find(|&n| !taken(n));
            let nodes = lowest(0).zip(lowest(FIRST_INPUT)).and_then(|(output, input)| {
                // Real nodes have pushed the outputs that far up.
                let input = if input == output { lowest(output + 1)? } else { input };
                Some((input, output))
            });
            return nodes.ok_or_else(|| ServerError::Option("no two node numbers are free below 256".into()));
        }
        self.lowest_nodes()
    }

    /// The lowest two neighbouring numbers that are free.
    pub(super) fn lowest_nodes(&self) -> Result<(u32, u32), ServerError> {
        let taken = |n: u32| self.is_taken(n);
        // Old programs take output = input + 1 for granted.
        (0..255)
            .find(|&n| !taken(n) && !taken(n + 1))
            .map(|n| (n, n + 1))
            .ok_or_else(|| ServerError::Option("no two neighbouring node numbers are free below 256".into()))
    }

    /// As the old driver: when a claim leaves fewer free pipes than `spares`, others are made.
    pub(super) fn keep_spares(&mut self) {
        loop {
            let free = self.visible().filter(|p| !p.core.writer()).count() as u32;
            if free >= self.config.spares || self.visible().count() as u32 >= MAX_PIPES {
                return;
            }
            if let Err(e) = self.add_pipe(Origin::Spare) {
                return warn!("cannot make a spare pipe: {e}");
            }
        }
    }

    /// Beyond the old driver: spares that are too many again, and that nobody has had open for a while, are
    /// removed, the highest first; never below the number of pipes that was asked for. Not at once: a pusher
    /// that closes to open its node again, at another size, must find it. Returns when to look again.
    pub(super) fn drop_spares(&mut self) -> Option<Duration> {
        let now = Instant::now();
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.origin == Origin::Spare) {
            let used = pipe.core.openers().next().is_some();
            pipe.unused_since = if used { None } else { pipe.unused_since.or(Some(now)) };
        }
        let mut free = self.visible().filter(|p| !p.core.writer()).count();
        while free > self.config.spares as usize {
            let spares = self.pipes.iter().enumerate().filter(|(_, pipe)| pipe.origin == Origin::Spare);
            let (place, last) = spares.max_by_key(|(_, pipe)| pipe.index)?;
            let unused = now.saturating_duration_since(last.unused_since?);
            if unused < self.config.spare_timeout {
                return Some(self.config.spare_timeout - unused);
            }
            self.take_out(place);
            free -= 1;
        }
        None
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            version: format!("vloopback {}", env!("CARGO_PKG_VERSION")),
            pipes: self.in_order().map(|(_, pipe)| pipe.view(&self.sessions)).collect(),
            names: self.names(),
            control: Some(self.control_access()),
        }
    }

    /// The pipes that there are for others.
    pub(super) fn visible(&self) -> impl Iterator<Item = &PipeState> {
        self.pipes.iter().filter(|pipe| pipe.origin != Origin::Studio)
    }

    /// The pipes with their places in our list, by index.
    fn in_order(&self) -> impl Iterator<Item = (usize, &PipeState)> {
        let mut order: Vec<(usize, &PipeState)> =
            self.pipes.iter().enumerate().filter(|(_, pipe)| pipe.origin != Origin::Studio).collect();
        order.sort_by_key(|(_, pipe)| pipe.index);
        order.into_iter()
    }

    /// What `list` tells beyond the views, by pipe.
    pub(super) fn pipes_more(&self) -> Vec<crate::listing::More> {
        self.in_order()
            .map(|(index, pipe)| {
                let log = pipe.ring.as_ref().map(|r| &r.log);
                let in_log =
                    |what: fn(&Log) -> &AtomicU64| log.map_or(0, |l| what(l).load(Ordering::Relaxed));
                let sum = |what: fn(&SessionPage) -> &AtomicU64| {
                    let pages = self.sessions.values().filter(|s| s.pipe == index).map(|s| &s.page);
                    pages.fold(0u64, |sum, page| sum.saturating_add(what(page).load(Ordering::Relaxed)))
                };
                crate::listing::More {
                    claimed: pipe.core.writer(),
                    sizes: pipe.core.options().sizes,
                    caps: {
                        let pix = pipe.core.pix();
                        format!("{}:{}x{}", Fourcc(pix.pixelformat), pix.width, pix.height)
                    },
                    interval: pipe.core.interval(),
                    timeout: pipe.timeout.as_millis().try_into().unwrap_or(u32::MAX),
                    sustain: pipe.sustain,
                    repeated: pipe.placeholder.repeated(),
                    zero: pipe.zero.as_ref().map(|memory| crate::listing::Zero {
                        bytes: memory.len,
                        at: memory.notifier.request(),
                        waiting: memory.notifier.waiting(),
                    }),
                    ring_slots: pipe.ring.as_ref().map_or(0, |r| r.slots()),
                    slot_bytes: pipe.ring.as_ref().map_or(0, |r| r.slot_len),
                    lost: in_log(|l| &l.lost),
                    streaming: pipe.core.streamers(),
                    retries: sum(|p| &p.retries),
                    private_bytes: sum(|p| &p.private),
                    copies: pipe
                        .owners(&self.sessions)
                        .map(|s| match s.info.input {
                            true => in_log(|l| &l.copies),
                            false => s.page.copies.load(Ordering::Relaxed),
                        })
                        .collect(),
                }
            })
            .collect()
    }
}
