//! The pipe.

use std::collections::BTreeMap;

use crate::{Idle, Options, Profile, Refusal, frame_geometry};

/// Slots that no client may hold: the one being written and the newest published one.
pub const RESERVED_SLOTS: u32 = 2;
/// Fewer slots than this make a writer wait for nothing.
const MIN_SLOTS: u32 = 4;
/// As many as a claim word has bits.
const MAX_SLOTS: u32 = 32;

/// Which node of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The pusher's.
    Input,
    /// The clients'.
    Output,
}

/// How a node was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// For writing (O_WRONLY or O_RDWR).
    pub write: bool,
    /// By a legacy process (DESIGN.md 7, Era).
    pub legacy: bool,
}

/// An open descriptor of one of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opener {
    /// Which node.
    pub side: Side,
    /// How.
    pub access: Access,
    /// It counts among those that stream.
    pub streaming: bool,
    /// Slots that it may hold in place, and the row in which it says so.
    pub grant: Option<Grant>,
}

/// The right to hold slots in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The row on the desk, from 0.
    pub row: u32,
    /// How many slots.
    pub quota: u32,
}

/// What an event changed, for those who run the pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The board no longer says what is so.
    pub board: bool,
    /// The views under /proc no longer say what is so.
    pub views: bool,
    /// A pusher left: whoever waits for its frames must look.
    pub fed_ended: bool,
    /// The pipe was claimed: spares may be due.
    pub claimed: bool,
}

/// A size that may be set, once its memory exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPlan {
    /// Pixels a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bytes of one frame.
    pub frame_len: u32,
    /// Bytes of one buffer, whole pages.
    pub buf_len: u32,
    /// Slots to make.
    pub slots: u32,
}

/// A pipe.
#[derive(Clone, Debug)]
pub struct Pipe {
    options: Options,
    page: u32,
    openers: BTreeMap<u32, Opener>,
    pusher: Option<u32>,
    palette: u32,
    picture: [u32; 6],
    size: Option<RingPlan>,
    /// Pushers that ever fed the pipe.
    feeds: u32,
    fed: bool,
}

impl Pipe {
    /// A free pipe; `page` is the machine's page size in bytes.
    pub fn new(options: Options, page: u32) -> Self {
        // The old driver's answers before anything is set: all sliders in the middle.
        let picture = [0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0];
        Self {
            options,
            page,
            openers: BTreeMap::new(),
            pusher: None,
            palette: 0,
            picture,
            size: None,
            feeds: 0,
            fed: false,
        }
    }

    /// A node is opened as `session`.
    ///
    /// # Errors
    /// `Busy` (EBUSY): a legacy opener for writing meets a pusher. `NotFed` (EINVAL): a legacy opener
    /// of the output, or any under policy `refuse`, meets a pipe that nobody feeds.
    pub fn open(&mut self, session: u32, side: Side, mut access: Access) -> Result<Effects, Refusal> {
        access.legacy |= self.options.profile == Profile::Vloopback;
        let mut effects = Effects { views: true, ..Effects::default() };
        match side {
            Side::Input => {
                if access.legacy && access.write {
                    if self.pusher.is_some() {
                        return Err(Refusal::Busy);
                    }
                    self.pusher = Some(session);
                    effects.claimed = true;
                }
            }
            Side::Output => {
                if !self.fed && (access.legacy || self.options.idle == Idle::Refuse) {
                    return Err(Refusal::NotFed);
                }
            }
        }
        self.openers.insert(session, Opener { side, access, streaming: false, grant: None });
        Ok(effects)
    }

    fn opener(&self, session: u32) -> Result<&Opener, Refusal> {
        self.openers.get(&session).ok_or(Refusal::Unknown)
    }

    /// The session says "mine": it is about to set, allocate, map or write. Doing it twice is nothing.
    ///
    /// # Errors
    /// `Busy`: the pipe is another's. `WrongNode`: an output, or an input opened for reading only.
    pub fn claim(&mut self, session: u32) -> Result<Effects, Refusal> {
        let opener = self.opener(session)?;
        if opener.side != Side::Input || !opener.access.write {
            return Err(Refusal::WrongNode);
        }
        match self.pusher {
            Some(pusher) if pusher == session => Ok(Effects::default()),
            Some(_) => Err(Refusal::Busy),
            None => {
                self.pusher = Some(session);
                Ok(Effects { views: true, claimed: true, ..Effects::default() })
            }
        }
    }

    /// VIDIOCSPICT by the pusher. `picture`: brightness, hue, colour, contrast, whiteness, depth.
    ///
    /// The size in force may be a former pusher's, and pushers set the palette first: one that does
    /// not fit it is taken all the same, but nothing can be written until a size that fits is set.
    ///
    /// # Errors
    /// As [`Pipe::claim`]; `Invalid` for a palette that does not exist.
    pub fn set_palette(&mut self, session: u32, palette: u32, picture: [u32; 6]) -> Result<Effects, Refusal> {
        let mut effects = self.claim(session)?;
        // 64x64 fits every palette that exists.
        frame_geometry(palette, 64, 64, self.options.num_buffers, self.page)?;
        if palette == 0 {
            return Err(Refusal::Invalid);
        }
        self.palette = palette;
        self.picture = picture;
        if let Some(size) = &mut self.size {
            size.frame_len = frame_geometry(palette, size.width, size.height, 1, 1).map_or(0, |(len, _)| len);
        }
        effects.board = true;
        effects.views = true;
        Ok(effects)
    }

    /// VIDIOCSWIN by the pusher, first half: nothing changes yet but the claim. None: that very size
    /// is in force with its ring.
    ///
    /// # Errors
    /// As [`Pipe::claim`]; `Invalid` and `TooLarge` as [`frame_geometry`]; `InUse` in profile
    /// vloopback while a client has the output open.
    pub fn plan_size(&mut self, session: u32, width: u32, height: u32) -> Result<Option<RingPlan>, Refusal> {
        self.claim(session)?;
        let frames = self.options.num_buffers;
        let (frame_len, buf_len) = frame_geometry(self.palette, width, height, frames, self.page)?;
        let slots = (frames + RESERVED_SLOTS).clamp(MIN_SLOTS, MAX_SLOTS);
        if self.fed && self.size.is_some_and(|s| s.width == width && s.height == height) {
            return Ok(None);
        }
        let plan = RingPlan { width, height, frame_len, buf_len, slots };
        let same = self.size.is_some_and(|s| s == plan);
        if self.options.profile == Profile::Vloopback && !same && self.readers() > 0 {
            return Err(Refusal::InUse);
        }
        Ok(Some(plan))
    }

    /// VIDIOCSWIN, second half: the ring of the plan exists. Grants belong to a ring: all end.
    pub fn commit_size(&mut self, plan: RingPlan) -> Effects {
        if !self.fed {
            self.feeds = self.feeds.wrapping_add(1).max(1);
            self.fed = true;
        }
        if self.size.is_none_or(|old| old.buf_len != plan.buf_len || old.slots != plan.slots) {
            self.end_grants();
        }
        self.size = Some(plan);
        Effects { board: true, views: true, ..Effects::default() }
    }

    fn end_grants(&mut self) {
        for opener in self.openers.values_mut() {
            opener.grant = None;
        }
    }

    /// A client begins or ends to stream; `hold` is how many slots it would hold in place, 0 none.
    /// It gets all that it asked for or nothing: half of it would not save the copy.
    ///
    /// # Errors
    /// `WrongNode` on an input, `Unknown`.
    pub fn stream(&mut self, session: u32, on: bool, hold: u32) -> Result<(Option<Grant>, Effects), Refusal> {
        let opener = self.opener(session)?;
        if opener.side != Side::Output {
            return Err(Refusal::WrongNode);
        }
        let others: Vec<Grant> =
            self.openers.iter().filter(|&(&s, _)| s != session).filter_map(|(_, o)| o.grant).collect();
        let given: u32 = others.iter().map(|g| g.quota).sum();
        let slots = self.size.map_or(0, |s| s.slots);
        let free = slots.saturating_sub(RESERVED_SLOTS + given);
        let row = (0..MAX_SLOTS).find(|&row| others.iter().all(|g| g.row != row));
        let grant = match row {
            Some(row) if on && hold > 0 && hold <= free => Some(Grant { row, quota: hold }),
            _ => None,
        };
        if let Some(opener) = self.openers.get_mut(&session) {
            opener.streaming = on;
            opener.grant = grant;
        }
        Ok((grant, Effects { board: true, views: true, ..Effects::default() }))
    }

    /// The last descriptor of a session was closed, or its last holder died.
    pub fn close(&mut self, session: u32) -> Effects {
        if self.openers.remove(&session).is_none() {
            return Effects::default();
        }
        let mut effects = Effects { board: true, views: true, ..Effects::default() };
        if self.pusher == Some(session) {
            self.pusher = None;
            effects.fed_ended = self.fed;
            self.fed = false;
        }
        effects
    }

    /// Whether /proc shows W.
    pub fn writer(&self) -> bool {
        self.pusher.is_some()
    }

    /// The session that claimed the pipe.
    pub fn pusher(&self) -> Option<u32> {
        self.pusher
    }

    /// How many have the output open.
    pub fn readers(&self) -> u32 {
        self.openers.values().filter(|o| o.side == Side::Output).count() as u32
    }

    /// How many stream.
    pub fn streamers(&self) -> u32 {
        self.openers.values().filter(|o| o.streaming).count() as u32
    }

    /// The open descriptors.
    pub fn openers(&self) -> impl Iterator<Item = (u32, &Opener)> {
        self.openers.iter().map(|(&session, opener)| (session, opener))
    }

    /// The grants in force.
    pub fn grants(&self) -> impl Iterator<Item = Grant> {
        self.openers.values().filter_map(|o| o.grant)
    }

    /// The palette, 0 before one was set.
    pub fn palette(&self) -> u32 {
        self.palette
    }

    /// Brightness, hue, colour, contrast, whiteness, depth as the pusher set them.
    pub fn picture(&self) -> [u32; 6] {
        self.picture
    }

    /// The size and what follows from it; the last one after a pusher left.
    pub fn size(&self) -> Option<RingPlan> {
        self.size
    }

    /// Which pusher feeds the pipe, from 1; None while nobody does.
    pub fn feed(&self) -> Option<u32> {
        self.fed.then_some(self.feeds)
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        &self.options
    }
}
