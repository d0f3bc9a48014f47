//! The pipe.

use std::collections::BTreeMap;

use vloopback_abi::Palette;
use vloopback_abi::v4l2::pixel::{self, PixelFormat};
use vloopback_abi::v4l2::{Fourcc, V4L2_PRIORITY_DEFAULT, V4L2_PRIORITY_RECORD, V4l2PixFormat};

use crate::{Idle, MAX_TOTAL, Options, Profile, Refusal, Slider, controls, frame_geometry};

/// Slots that no client may hold: the one being written and the newest published one.
pub const RESERVED_SLOTS: u32 = 2;
/// Fewer slots than this make a writer wait for nothing.
const MIN_SLOTS: u32 = 4;
/// As many as a claim word has bits.
const MAX_SLOTS: u32 = 32;
/// Buffers of a V4L2 pusher that the ring has slots for; further ones are copied.
const MAX_IN_PLACE: u32 = 8;

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
    /// By a legacy process (driver/docs/rules.md, "Eras").
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
    /// The row of its last grant, its own until it streams no more.
    pub row: Option<u32>,
    /// `V4L2_PRIORITY_*`.
    pub priority: u32,
    /// It has opened the input for writing, is not known as an old program, and has made no request yet: it may be one
    /// that claims by opening. Its first request decides ([`Pipe::speaks_v4l2`]).
    pub undecided: bool,
}

/// The right to hold slots in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The row on the claims page, from 0.
    pub row: u32,
    /// How many slots.
    pub quota: u32,
}

/// What an event changed, for the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The board is out of date.
    pub board: bool,
    /// The views under /proc are out of date.
    pub views: bool,
    /// A pusher left: waiting clients must check.
    pub fed_ended: bool,
    /// The pipe was claimed: spares may be due.
    pub claimed: bool,
    /// Frames have another format from now on; earlier publications are void.
    pub format: bool,
    /// Sliders that changed: bit k is the k-th of [`Pipe::picture`].
    pub controls: u32,
}

/// A size or format that can be set when its memory exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPlan {
    /// Pixels a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bytes of one frame; of a compressed format the most that one can have.
    pub frame_len: u32,
    /// Bytes of one buffer, whole pages: width * height * 4, or a frame if that is more.
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
    /// Policy `exclusive`: who has the stream to itself.
    owner: Option<u32>,
    palette: u32,
    picture: [u32; 6],
    size: Option<RingPlan>,
    /// V4L2's format: the one in force, or an earlier one, or the default.
    pix: V4l2PixFormat,
    /// `pix` is the format in force. Not so before any was set, and while a V4L1 pusher has set what
    /// V4L2 has no name for.
    pix_in_force: bool,
    /// A pusher or a client has set a format, at some time: [`Pipe::pix`] is somebody's choice.
    chosen: bool,
    /// Nominal seconds a frame; None before anybody said so.
    interval: Option<(u32, u32)>,
    /// The session that has said so last; None: a tool.
    paced_by: Option<u32>,
    /// Pushers that ever fed the pipe.
    feeds: u32,
    fed: bool,
    /// Zero-copy memory in force, 0 for none, and how many there ever were.
    zero: u32,
    zeros: u32,
    /// V4L2's format was agreed on with this zero-copy pusher.
    zero_format: bool,
    /// Format and rate are kept ([`Pipe::set_caps`]).
    kept: bool,
}

impl Pipe {
    /// A free pipe; `page` is the machine's page size in bytes.
    pub fn new(options: Options, page: u32) -> Self {
        // The old driver's answers before anything is set: all sliders in the middle.
        let middle = Slider::DEFAULT;
        let picture = [middle, middle, middle, middle, middle, 0];
        Self {
            options,
            page,
            openers: BTreeMap::new(),
            pusher: None,
            owner: None,
            palette: 0,
            picture,
            size: None,
            pix: pixel::nearest_within(&pixel::DEFAULT, options.sizes),
            pix_in_force: false,
            chosen: false,
            interval: None,
            paced_by: None,
            feeds: 0,
            fed: false,
            zero: 0,
            zeros: 0,
            zero_format: false,
            kept: false,
        }
    }

    /// A node is opened as `session`.
    ///
    /// # Errors
    /// `Full` (EBUSY): as many have it open as may. `Busy` (EBUSY): a legacy opener for writing meets a pusher.
    /// `NotFed` (EINVAL): a legacy opener of the output, or any under policy `refuse`, meets a pipe that nobody feeds.
    pub fn open(&mut self, session: u32, side: Side, mut access: Access) -> Result<Effects, Refusal> {
        access.legacy |= self.options.profile == Profile::Vloopback;
        if self.is_full() {
            return Err(Refusal::Full);
        }
        let mut effects = Effects { views: true, ..Effects::default() };
        match side {
            Side::Input => {
                if access.legacy && access.write {
                    if self.is_taken() {
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
        let priority = V4L2_PRIORITY_DEFAULT;
        let undecided = side == Side::Input && access.write && !access.legacy;
        self.openers.insert(
            session,
            Opener { side, access, streaming: false, grant: None, row: None, priority, undecided },
        );
        Ok(effects)
    }

    /// How many may have the pipe's nodes open from now on, both together; 0: as many as like.
    ///
    /// # Errors
    /// `Invalid`: more have it open.
    pub fn set_max_openers(&mut self, most: u32) -> Result<(), Refusal> {
        if most != 0 && self.openers.len() > most as usize {
            return Err(Refusal::Invalid);
        }
        self.options.max_openers = most;
        Ok(())
    }

    /// Whether nobody more may open the pipe.
    pub fn is_full(&self) -> bool {
        self.options.max_openers != 0 && self.openers.len() >= self.options.max_openers as usize
    }

    /// The session has made a V4L2 request: it is a program of today, which claims nothing by opening.
    pub fn speaks_v4l2(&mut self, session: u32) -> Effects {
        let opener = self.openers.get_mut(&session);
        let was_undecided = opener.is_some_and(|opener| std::mem::take(&mut opener.undecided));
        Effects { views: was_undecided, ..Effects::default() }
    }

    /// The openers that may have claimed the pipe by opening it, the earliest first.
    pub fn undecided(&self) -> impl Iterator<Item = u32> {
        self.openers.iter().filter(|(_, opener)| opener.undecided).map(|(session, _)| *session)
    }

    /// As [`Pipe::claim`], by a V4L1 request: an earlier opener that may be an old program has the pipe.
    ///
    /// # Errors
    /// As [`Pipe::claim`].
    pub fn claim_by_v4l1(&mut self, session: u32) -> Result<Effects, Refusal> {
        if self.pusher.is_none() && self.undecided().any(|other| other < session) {
            return Err(Refusal::Busy);
        }
        self.claim(session)
    }

    fn opener(&self, session: u32) -> Result<&Opener, Refusal> {
        self.openers.get(&session).ok_or(Refusal::Unknown)
    }

    /// The session claims the pipe: it is about to set, allocate, map or write. A second claim has no effect.
    ///
    /// # Errors
    /// `Busy`: the pipe is another's. `WrongNode`: an output, or an input opened for reading only.
    pub fn claim(&mut self, session: u32) -> Result<Effects, Refusal> {
        let opener = self.openers.get_mut(&session).ok_or(Refusal::Unknown)?;
        if opener.side != Side::Input || !opener.access.write {
            return Err(Refusal::WrongNode);
        }
        opener.undecided = false;
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
    /// Pushers set the palette first, while a former pusher's size may be in force. So a palette that does
    /// not fit that size is accepted, but nothing can be written until a fitting size is set.
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
        effects.format = palette != self.palette;
        self.palette = palette;
        effects.controls = controls::changes(&self.picture, &picture);
        self.picture = picture;
        if let Some(size) = &mut self.size {
            size.frame_len = frame_geometry(palette, size.width, size.height, 1, 1).map_or(0, |(len, _)| len);
        }
        self.follow_palette();
        effects.board = true;
        effects.views = true;
        Ok(effects)
    }

    /// After the palette or the size was set: sets V4L2's format to match, if V4L2 has one.
    fn follow_palette(&mut self) {
        let Some(size) = self.size else { return };
        let pix = Palette::from_number(self.palette)
            .and_then(Palette::fourcc)
            .and_then(PixelFormat::of)
            .and_then(|format| format.pix(size.width, size.height))
            .filter(|pix| pix.sizeimage == size.frame_len);
        self.pix_in_force = pix.is_some();
        self.chosen |= self.pix_in_force;
        self.pix = pix.unwrap_or(self.pix);
    }

    /// VIDIOCSWIN by the pusher, first half: only the claim changes. None: this size is in force already,
    /// with its ring.
    ///
    /// # Errors
    /// As [`Pipe::claim`]; `Invalid` and `TooLarge` as [`frame_geometry`]; `InUse` in profile
    /// vloopback while a client has the output open.
    pub fn plan_size(&mut self, session: u32, width: u32, height: u32) -> Result<Option<RingPlan>, Refusal> {
        self.claim(session)?;
        let [min_width, max_width, min_height, max_height] = self.options.sizes;
        // V4L1 has bounds of its own where the pipe has none.
        let is_bounded = self.options.sizes != crate::policy::ANY_SIZE;
        let fits = (min_width..=max_width).contains(&width) && (min_height..=max_height).contains(&height);
        if is_bounded && !fits || self.kept && !self.is_kept_size(width, height) {
            return Err(Refusal::Invalid);
        }
        let frames = self.options.num_buffers;
        let (frame_len, buf_len) = frame_geometry(self.palette, width, height, frames, self.page)?;
        let slots = self.slots();
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

    /// VIDIOCSWIN, second half: the ring of the plan exists. All grants end, because they belong to a ring.
    pub fn commit_size(&mut self, plan: RingPlan) -> Effects {
        self.begin_feed();
        // Buffers of two sizes may be of the same length.
        let shape = |plan: RingPlan| (plan.width, plan.height, plan.frame_len);
        let format = self.size.is_some_and(|old| shape(old) != shape(plan));
        self.take(plan);
        self.follow_palette();
        Effects { board: true, views: true, format, ..Effects::default() }
    }

    /// Whether V4L1's palette and this size are the format that is kept.
    fn is_kept_size(&self, width: u32, height: u32) -> bool {
        let palette = Palette::from_number(self.palette).and_then(Palette::fourcc);
        let same = palette.is_some_and(|fourcc| pixel::same_pixels(fourcc, self.pix.fourcc()));
        same && (width, height) == (self.pix.width, self.pix.height)
    }

    /// Sets format and rate from outside, as by a pusher that leaves at once, and says whether they are kept: then who
    /// pushes pushes these. None: as it is.
    ///
    /// # Errors
    /// `Busy`: somebody has claimed the pipe (the rate alone may be set all the same). `TooLarge`. `Invalid`: a zero in
    /// the rate.
    pub fn set_caps(
        &mut self,
        format: Option<&V4l2PixFormat>,
        interval: Option<(u32, u32)>,
        kept: Option<bool>,
    ) -> Result<Effects, Refusal> {
        if interval.is_some_and(|(numerator, denominator)| numerator == 0 || denominator == 0) {
            return Err(Refusal::Invalid);
        }
        let mut effects = Effects { board: true, views: true, ..Effects::default() };
        if let Some(asked) = format {
            let pix = pixel::nearest_within(asked, self.options.sizes);
            let plan = self.bounded_plan(&pix)?;
            if !(self.pix_in_force && pixel::same_frames(&pix, &self.pix)) {
                if self.is_taken() {
                    return Err(Refusal::Busy);
                }
                self.adopt(plan, &pix);
                effects.format = true;
            }
            (self.pix, self.chosen) = (pix, true);
        }
        if interval.is_some() {
            (self.interval, self.paced_by) = (interval, None);
        }
        self.kept = kept.unwrap_or(self.kept);
        Ok(effects)
    }

    /// Whether format and rate are kept, whoever pushes.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    fn begin_feed(&mut self) {
        if !self.fed {
            self.feeds = self.feeds.wrapping_add(1).max(1);
            self.fed = true;
        }
    }

    fn take(&mut self, plan: RingPlan) {
        if self.size.is_none_or(|old| old.buf_len != plan.buf_len || old.slots != plan.slots) {
            self.end_grants();
        }
        self.size = Some(plan);
    }

    fn end_grants(&mut self) {
        for opener in self.openers.values_mut() {
            opener.grant = None;
        }
    }

    fn slots(&self) -> u32 {
        (self.options.num_buffers + RESERVED_SLOTS).clamp(MIN_SLOTS, MAX_SLOTS)
    }

    /// VIDIOC_S_FMT by the pusher: the nearest existing format comes into force. If it is in force
    /// already, only its colours change. Otherwise the pipe is not fed until [`Pipe::commit_feed`].
    ///
    /// # Errors
    /// As [`Pipe::claim`]; `InUse` as [`Pipe::plan_size`]. Never for the format itself.
    pub fn set_format(&mut self, session: u32, asked: &V4l2PixFormat) -> Result<Effects, Refusal> {
        let mut effects = self.claim(session)?;
        let pix = if self.kept { self.pix } else { pixel::nearest_within(asked, self.options.sizes) };
        let same = self.pix_in_force && pixel::same_frames(&pix, &self.pix);
        if !same {
            let plan = self.plan_of(&pix);
            self.check_use(&plan)?;
            effects.fed_ended = self.fed;
            effects.format = true;
            self.fed = false;
            self.adopt(plan, &pix);
        }
        self.pix = pix;
        self.chosen = true;
        effects.board = true;
        effects.views = true;
        Ok(effects)
    }

    /// Profile vloopback: the size stays while a client has the output open.
    fn check_use(&self, plan: &RingPlan) -> Result<(), Refusal> {
        let same = self.size.is_some_and(|s| (s.width, s.height) == (plan.width, plan.height));
        if self.options.profile == Profile::Vloopback && !same && self.readers() > 0 {
            return Err(Refusal::InUse);
        }
        Ok(())
    }

    /// The ring of a V4L2 format. The largest has 2^28 bytes a frame.
    fn plan_of(&self, pix: &V4l2PixFormat) -> RingPlan {
        let pixels = u64::from(pix.width) * u64::from(pix.height);
        let bytes = pixels.saturating_mul(4).max(u64::from(pix.sizeimage));
        let buffer = bytes.checked_next_multiple_of(self.page.max(1).into()).unwrap_or(u64::MAX);
        RingPlan {
            width: pix.width,
            height: pix.height,
            frame_len: pix.sizeimage,
            buf_len: buffer.try_into().unwrap_or(u32::MAX),
            slots: self.slots(),
        }
    }

    /// The plan's format comes into force, also in V4L1's terms if V4L1 has them.
    fn adopt(&mut self, plan: RingPlan, pix: &V4l2PixFormat) {
        let palette = Palette::from_fourcc(Fourcc(pix.pixelformat));
        self.take(plan);
        self.palette = palette.map_or(0, Palette::format);
        self.picture[5] = palette.map_or(0, |p| p.depth().into());
        self.pix = *pix;
        self.pix_in_force = true;
    }

    /// The ring of a V4L2 format that is about to be made.
    ///
    /// # Errors
    /// `TooLarge`: all frames together are more than [`MAX_TOTAL`].
    fn bounded_plan(&self, pix: &V4l2PixFormat) -> Result<RingPlan, Refusal> {
        let plan = self.plan_of(pix);
        let total = u64::from(plan.buf_len) * u64::from(self.options.num_buffers);
        if total > MAX_TOTAL { Err(Refusal::TooLarge) } else { Ok(plan) }
    }

    /// The first frame or buffer of a V4L2 pusher, first half: only the claim changes. The plan is for
    /// the format in force; if none was set, or one that V4L2 has no name for, for [`Pipe::pix`].
    /// None: the session feeds the pipe already. `buffers`: how many the pusher fills in place.
    ///
    /// # Errors
    /// As [`Pipe::claim`]; `TooLarge` and `InUse` as [`Pipe::plan_size`].
    pub fn plan_feed(&mut self, session: u32, buffers: u32) -> Result<Option<RingPlan>, Refusal> {
        self.claim(session)?;
        // What the pusher fills in place, and what is written or newest meanwhile.
        let slots = (buffers.min(MAX_IN_PLACE) + RESERVED_SLOTS).clamp(self.slots(), MAX_SLOTS);
        if self.fed && self.size.is_some_and(|size| size.slots >= slots) {
            return Ok(None);
        }
        let plan = RingPlan { slots, ..self.bounded_plan(&self.pix)? };
        self.check_use(&plan)?;
        Ok(Some(plan))
    }

    /// The pusher has given its buffers back: it no longer feeds the pipe, but the claim stays.
    ///
    /// # Errors
    /// `Busy`: the pipe is another's, or nobody's. `Unknown`.
    pub fn end_feed(&mut self, session: u32) -> Result<Effects, Refusal> {
        self.opener(session)?;
        if self.pusher != Some(session) {
            return Err(Refusal::Busy);
        }
        let fed_ended = std::mem::take(&mut self.fed);
        Ok(Effects { board: fed_ended, views: fed_ended, fed_ended, ..Effects::default() })
    }

    /// Another open file of the pusher's own process takes the claim over, as V4L2 allows while the first
    /// has neither buffers nor frames. The caller knows that it is the same process.
    ///
    /// # Errors
    /// As [`Pipe::claim`]; `Busy`: the pusher feeds the pipe.
    pub fn take_over(&mut self, session: u32) -> Result<Effects, Refusal> {
        if self.fed {
            return Err(Refusal::Busy);
        }
        let former = self.pusher.take();
        self.claim(session).inspect_err(|_| self.pusher = former)
    }

    /// Second half: the ring of the plan exists, the session feeds the pipe.
    pub fn commit_feed(&mut self, plan: RingPlan) -> Effects {
        self.begin_feed();
        self.commit_idle(plan)
    }

    /// The ring that a placeholder needs: that of [`Pipe::pix`], or the one in force if there is one. None:
    /// somebody feeds the pipe or is about to set another format, the policy is another, or the ring
    /// would be too large.
    pub fn plan_idle(&self) -> Option<RingPlan> {
        // A V4L1 pusher between SPICT and SWIN must find what it has set.
        let being_set = self.pusher.is_some() && !self.pix_in_force;
        if self.fed || being_set || self.options.idle != Idle::Placeholder {
            return None;
        }
        let plan = self.bounded_plan(&self.pix).ok()?;
        Some(self.size.filter(|_| self.pix_in_force).unwrap_or(plan))
    }

    /// The ring of the plan exists: its format is in force from now on.
    pub fn commit_idle(&mut self, plan: RingPlan) -> Effects {
        let format = !self.pix_in_force;
        if format || self.size != Some(plan) {
            let pix = self.pix;
            self.adopt(plan, &pix);
        }
        Effects { board: true, views: true, format, ..Effects::default() }
    }

    /// VIDIOC_S_PARM on an input: `numerator` / `denominator` seconds a frame. Claims nothing.
    ///
    /// # Errors
    /// `Busy`: the pipe is another's. `WrongNode`: an output. `Invalid`: a zero. `Unknown`.
    pub fn set_interval(
        &mut self,
        session: u32,
        numerator: u32,
        denominator: u32,
    ) -> Result<Effects, Refusal> {
        if self.opener(session)?.side != Side::Input {
            return Err(Refusal::WrongNode);
        }
        if self.pusher.is_some_and(|pusher| pusher != session) {
            return Err(Refusal::Busy);
        }
        if numerator == 0 || denominator == 0 {
            return Err(Refusal::Invalid);
        }
        if !self.kept {
            (self.interval, self.paced_by) = (Some((numerator, denominator)), Some(session));
        }
        Ok(Effects { board: true, views: true, ..Effects::default() })
    }

    /// VIDIOC_S_CTRL and its kin on either node: sets sliders, those of which a value is given, in the order
    /// of [`Pipe::picture`]. Claims nothing.
    ///
    /// # Errors
    /// `Invalid`: more than [`Slider::MAX`]; then none is set. `Unknown`.
    pub fn set_controls(&mut self, session: u32, wanted: [Option<u32>; 5]) -> Result<Effects, Refusal> {
        self.opener(session)?;
        let picture = controls::set(self.picture, wanted)?;
        let controls = controls::changes(&self.picture, &picture);
        self.picture = picture;
        Ok(Effects { board: controls != 0, controls, ..Effects::default() })
    }

    /// VIDIOC_S_PRIORITY: `V4L2_PRIORITY_BACKGROUND` (1) to `V4L2_PRIORITY_RECORD` (3).
    ///
    /// # Errors
    /// `Invalid` for another number, `Unknown`.
    pub fn set_priority(&mut self, session: u32, priority: u32) -> Result<Effects, Refusal> {
        let opener = self.openers.get_mut(&session).ok_or(Refusal::Unknown)?;
        if !(1..=V4L2_PRIORITY_RECORD).contains(&priority) {
            return Err(Refusal::Invalid);
        }
        opener.priority = priority;
        Ok(Effects { board: true, ..Effects::default() })
    }

    /// A client is about to have buffers, or to stream. With the option `exclusive` it owns the stream
    /// from now on, until [`Pipe::disown`] or its close. Without it, and for the owner itself, this has no effect.
    ///
    /// # Errors
    /// `Owned`: another has it. `WrongNode` on an input, `Unknown`.
    pub fn own(&mut self, session: u32) -> Result<(), Refusal> {
        if self.opener(session)?.side != Side::Output {
            return Err(Refusal::WrongNode);
        }
        if self.options.exclusive {
            if self.owner.is_some_and(|owner| owner != session) {
                return Err(Refusal::Owned);
            }
            self.owner = Some(session);
        }
        Ok(())
    }

    /// A client has given its buffers back and does not stream: the next client may own the stream. No effect
    /// if this one did not.
    pub fn disown(&mut self, session: u32) {
        self.owner = self.owner.filter(|owner| *owner != session);
    }

    /// The owner of the stream.
    pub fn owner(&self) -> Option<u32> {
        self.owner
    }

    /// A client begins or ends to stream; `hold` is how many slots it would hold in place, 0 none.
    ///
    /// A V4L1 client gets all that it asked for or nothing: it names its frames one by one, and half of
    /// them would not save the copy. With `fewer` it gets what is free (V4L2, whose buffers are a queue).
    ///
    /// # Errors
    /// `WrongNode` on an input, `Owned` as [`Pipe::own`], `Unknown`.
    pub fn stream(
        &mut self,
        session: u32,
        on: bool,
        hold: u32,
        fewer: bool,
    ) -> Result<(Option<Grant>, Effects), Refusal> {
        if self.opener(session)?.side != Side::Output {
            return Err(Refusal::WrongNode);
        }
        if on {
            self.own(session)?;
        }
        let opener = self.opener(session)?;
        let others: Vec<Grant> =
            self.openers.iter().filter(|&(&s, _)| s != session).filter_map(|(_, o)| o.grant).collect();
        let given: u32 = others.iter().map(|g| g.quota).sum();
        let slots = self.size.map_or(0, |s| s.slots);
        let free = slots.saturating_sub(RESERVED_SLOTS + given);
        let hold = if fewer { hold.min(free) } else { hold };
        // Its former row, or one that nobody had: who has not noticed yet that a grant ended writes
        // there a moment longer, and must not disturb another.
        let taken = |row: u32| self.openers.values().any(|o| o.row == Some(row));
        let row = opener.row.or_else(|| (0..MAX_SLOTS).find(|&row| !taken(row)));
        let grant = match row {
            Some(row) if on && hold > 0 && hold <= free => Some(Grant { row, quota: hold }),
            _ => None,
        };
        if let Some(opener) = self.openers.get_mut(&session) {
            opener.streaming = on;
            opener.grant = grant;
            opener.row = if on { grant.map(|g| g.row).or(opener.row) } else { None };
        }
        Ok((grant, Effects { board: true, views: true, ..Effects::default() }))
    }

    /// The last descriptor of a session was closed, or its last holder died.
    pub fn close(&mut self, session: u32) -> Effects {
        if self.openers.remove(&session).is_none() {
            return Effects::default();
        }
        self.disown(session);
        let mut effects = Effects { board: true, views: true, ..Effects::default() };
        if self.pusher == Some(session) {
            self.pusher = None;
            effects.fed_ended = self.fed;
            self.fed = false;
            self.zero = 0;
        }
        effects
    }

    /// mmap on the input: the pipe is in zero-copy mode, and fed, until the pusher closes. Its memory
    /// exists. A second call has no effect.
    ///
    /// # Errors
    /// As [`Pipe::claim`].
    pub fn begin_zero(&mut self, session: u32) -> Result<Effects, Refusal> {
        let claimed = self.claim(session)?.claimed;
        if self.zero == 0 {
            self.zeros = self.zeros.wrapping_add(1).max(1);
            self.zero = self.zeros;
            self.zero_format = false;
            self.begin_feed();
        }
        Ok(Effects { board: true, views: true, claimed, ..Effects::default() })
    }

    /// A client has agreed with a zero-copy pusher on the format of the frames that V4L2's clients get.
    ///
    /// # Errors
    /// `WrongNode`: an input, or the pipe is not in zero-copy mode. `Invalid`: V4L1 has no name for the
    /// format. `Busy`: another one was agreed on, and others stream it. `TooLarge`, `Unknown`.
    pub fn agree(&mut self, session: u32, asked: &V4l2PixFormat) -> Result<Effects, Refusal> {
        if self.opener(session)?.side != Side::Output || self.zero == 0 {
            return Err(Refusal::WrongNode);
        }
        let pix = pixel::nearest(asked);
        if Palette::from_fourcc(Fourcc(pix.pixelformat)).is_none() {
            return Err(Refusal::Invalid);
        }
        let differs = !(self.pix_in_force && pixel::same_frames(&pix, &self.pix));
        let others = self.openers.iter().any(|(&id, opener)| id != session && opener.streaming);
        if differs && self.zero_format && others {
            return Err(Refusal::Busy);
        }
        let mut effects = Effects { board: true, views: true, ..Effects::default() };
        if differs {
            self.adopt(self.bounded_plan(&pix)?, &pix);
            effects.format = true;
        }
        (self.zero_format, self.chosen) = (true, true);
        Ok(effects)
    }

    /// The ring that V4L2's clients of a zero-copy pusher need; None if there are none.
    pub fn plan_zero(&self) -> Option<RingPlan> {
        let needed = self.zero != 0 && self.pix_in_force && self.streamers() > 0;
        self.size.filter(|_| needed)
    }

    /// Which zero-copy memory the pipe has, counted from 1; 0 in one-copy mode.
    pub fn zero(&self) -> u32 {
        self.zero
    }

    /// Whether somebody has claimed the pipe.
    pub fn writer(&self) -> bool {
        self.pusher.is_some()
    }

    /// Whether /proc shows W: somebody has claimed the pipe, or may have done so by opening it.
    pub fn is_taken(&self) -> bool {
        self.writer() || self.undecided().next().is_some()
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

    /// Brightness, hue, colour, contrast, whiteness as they were set last (see [`crate::SLIDERS`]), and the
    /// depth.
    pub fn picture(&self) -> [u32; 6] {
        self.picture
    }

    /// The size and what follows from it; the last one after a pusher left.
    pub fn size(&self) -> Option<RingPlan> {
        self.size
    }

    /// V4L2's format: the one in force; before any was set the default; while a V4L1 pusher has set one
    /// that V4L2 has no name for, an earlier one.
    pub fn pix(&self) -> &V4l2PixFormat {
        &self.pix
    }

    /// Whether [`Pipe::pix`] is the format in force.
    pub fn pix_in_force(&self) -> bool {
        self.pix_in_force
    }

    /// Whether somebody has set [`Pipe::pix`], now or earlier; false for the default, also while a placeholder shows
    /// it.
    pub fn is_chosen(&self) -> bool {
        self.chosen
    }

    /// Whether the frames of the format in force vary in length.
    pub fn varies(&self) -> bool {
        let format = PixelFormat::of(Fourcc(self.pix.pixelformat));
        self.pix_in_force && format.is_some_and(|f| f.is_compressed())
    }

    /// Nominal seconds a frame, numerator and denominator; 1/30 until somebody sets it.
    pub fn interval(&self) -> (u32, u32) {
        self.interval.unwrap_or((1, 30))
    }

    /// The same, if somebody has set it.
    pub fn told_interval(&self) -> Option<(u32, u32)> {
        self.interval
    }

    /// Whether the rate is what the present pusher, or a tool, has said; not what is assumed, or a former pusher's.
    pub fn is_rate_told(&self) -> bool {
        self.interval.is_some() && (self.paced_by.is_none() || self.paced_by == self.pusher)
    }

    /// The highest priority among the open files of a node; 0 (`V4L2_PRIORITY_UNSET`) if none is open.
    pub fn max_priority(&self, side: Side) -> u32 {
        self.openers.values().filter(|o| o.side == side).map(|o| o.priority).max().unwrap_or(0)
    }

    /// Which pusher feeds the pipe, from 1; None while nobody does.
    pub fn feed(&self) -> Option<u32> {
        self.fed.then_some(self.feeds)
    }

    /// The pipe with other options: of one that nobody has opened yet.
    pub fn with_options(&self, options: Options) -> Self {
        Self::new(options, self.page)
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        &self.options
    }
}
