//! Random sequences of events against the pipe's rules.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use vloopback_abi::v4l2::V4l2PixFormat;
use vloopback_abi::v4l2::pixel::{self, PixelFormat};
use vloopback_core::{Access, Idle, Options, Pipe, Profile, Refusal, RingPlan, Side, frame_geometry};

const SESSIONS: u32 = 8;
const PAGE: u32 = 4096;
/// VIDEO_PALETTE_RAW, whose frames have no length.
const RAW: u32 = 12;
/// Slots that no client may hold.
const RESERVED: u32 = 2;

#[derive(Clone, Debug)]
enum Event {
    Open {
        session: u32,
        input: bool,
        access: Access,
    },
    Claim {
        session: u32,
        v4l1: bool,
    },
    SpeaksV4l2 {
        session: u32,
    },
    Palette {
        session: u32,
        palette: u32,
    },
    /// VIDIOCSWIN; `memory` is whether the ring could be made.
    Size {
        session: u32,
        width: u32,
        height: u32,
        memory: bool,
    },
    /// VIDIOC_S_FMT.
    Format {
        session: u32,
        asked: V4l2PixFormat,
    },
    /// The first frame of a V4L2 pusher; `memory` as above.
    Feed {
        session: u32,
        buffers: u32,
        memory: bool,
    },
    /// The pusher gives its buffers back.
    EndFeed {
        session: u32,
    },
    /// Another open file of the pusher's process.
    TakeOver {
        session: u32,
    },
    /// Somebody streams whom a placeholder is shown; `memory` as above.
    Placeholder {
        memory: bool,
    },
    Interval {
        session: u32,
        numerator: u32,
        denominator: u32,
    },
    Priority {
        session: u32,
        priority: u32,
    },
    Stream {
        session: u32,
        on: bool,
        hold: u32,
        fewer: bool,
    },
    /// REQBUFS of some buffers, or of none.
    Own {
        session: u32,
        on: bool,
    },
    Close {
        session: u32,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let session = 0..SESSIONS;
    let access = (any::<bool>(), any::<bool>()).prop_map(|(write, legacy)| Access { write, legacy });
    let palette = prop_oneof![4 => Just(15u32), 4 => Just(1u32), 2 => 0u32..20, 1 => any::<u32>()];
    let side = prop_oneof![
        6 => prop_oneof![Just(20u32), Just(64), Just(160), Just(320)],
        1 => 0u32..5,
        1 => any::<u32>(),
    ];
    let fourcc = prop_oneof![
        4 => (0..PixelFormat::ALL.len()).prop_map(|k| PixelFormat::ALL[k].fourcc.0),
        1 => any::<u32>(),
    ];
    let asked = (fourcc, side.clone(), side.clone(), prop_oneof![Just(0u32), any::<u32>()], 0u32..3)
        .prop_map(|(pixelformat, width, height, sizeimage, colorspace)| V4l2PixFormat {
            pixelformat,
            width,
            height,
            sizeimage,
            colorspace,
            ..V4l2PixFormat::default()
        });
    let memory = prop::bool::weighted(0.8);
    let few = prop_oneof![6 => 0u32..5, 1 => any::<u32>()];
    let event = prop_oneof![
        3 => (session.clone(), asked).prop_map(|(session, asked)| Event::Format { session, asked }),
        3 => (session.clone(), few.clone(), memory)
            .prop_map(|(session, buffers, memory)| Event::Feed { session, buffers, memory }),
        1 => session.clone().prop_map(|session| Event::EndFeed { session }),
        1 => session.clone().prop_map(|session| Event::TakeOver { session }),
        1 => memory.prop_map(|memory| Event::Placeholder { memory }),
        1 => (session.clone(), few.clone(), few.clone()).prop_map(|(session, numerator, denominator)| {
            Event::Interval { session, numerator, denominator }
        }),
        1 => (session.clone(), few).prop_map(|(session, priority)| Event::Priority { session, priority }),
        6 => (session.clone(), any::<bool>(), access)
            .prop_map(|(session, input, access)| Event::Open { session, input, access }),
        2 => (session.clone(), any::<bool>()).prop_map(|(session, v4l1)| Event::Claim { session, v4l1 }),
        2 => session.clone().prop_map(|session| Event::SpeaksV4l2 { session }),
        2 => (session.clone(), palette).prop_map(|(session, palette)| Event::Palette { session, palette }),
        4 => (session.clone(), side.clone(), side, prop::bool::weighted(0.8))
            .prop_map(|(session, width, height, memory)| Event::Size { session, width, height, memory }),
        4 => (session.clone(), any::<bool>(), prop_oneof![6 => 0u32..6, 1 => any::<u32>()], any::<bool>())
            .prop_map(|(session, on, hold, fewer)| Event::Stream { session, on, hold, fewer }),
        2 => (session.clone(), any::<bool>()).prop_map(|(session, on)| Event::Own { session, on }),
        3 => session.prop_map(|session| Event::Close { session }),
    ];
    proptest::collection::vec(event, 1..200)
}

fn options() -> impl Strategy<Value = Options> {
    let idle = prop_oneof![Just(Idle::Placeholder), Just(Idle::Wait), Just(Idle::Refuse)];
    let profile = prop_oneof![3 => Just(Profile::Default), 1 => Just(Profile::Vloopback)];
    (idle, profile, 2u32..=30, any::<bool>()).prop_map(|(idle, profile, num_buffers, exclusive)| Options {
        idle,
        profile,
        num_buffers,
        exclusive,
        ..Options::default()
    })
}

/// What is known of an open descriptor.
#[derive(Clone, Copy)]
struct Open {
    input: bool,
    write: bool,
    streams: bool,
    priority: u32,
    undecided: bool,
}

struct Oracle {
    options: Options,
    open: BTreeMap<u32, Open>,
    pusher: Option<u32>,
    /// With `exclusive`.
    owner: Option<u32>,
    fed: bool,
    feeds: u32,
    interval: (u32, u32),
}

impl Oracle {
    fn old_rules(&self, access: Access) -> bool {
        access.legacy || self.options.profile == Profile::Vloopback
    }

    /// Whether another has the stream to itself.
    fn is_owned(&self, session: u32) -> bool {
        self.owner.is_some_and(|owner| owner != session)
    }

    /// Who may call what a pusher calls.
    /// Whoever tries is known: it does not claim by opening alone.
    fn may_claim(&mut self, session: u32) -> Result<(), Refusal> {
        match self.open.get_mut(&session) {
            None => return Err(Refusal::Unknown),
            Some(open) if !open.input || !open.write => return Err(Refusal::WrongNode),
            Some(open) => open.undecided = false,
        }
        if self.pusher.is_some_and(|p| p != session) { Err(Refusal::Busy) } else { Ok(()) }
    }

    fn first_undecided(&self) -> Option<u32> {
        self.open.iter().filter(|(_, open)| open.undecided).map(|(session, _)| *session).min()
    }

    fn readers(&self) -> u32 {
        self.open.values().filter(|o| !o.input).count() as u32
    }

    fn step(&mut self, pipe: &mut Pipe, event: &Event) -> Result<(), TestCaseError> {
        match *event {
            Event::Open { session, .. } if self.open.contains_key(&session) => {}
            Event::Open { session, input, access } => {
                let side = if input { Side::Input } else { Side::Output };
                let claims = input && access.write && self.old_rules(access);
                let expected = if claims && (self.pusher.is_some() || self.first_undecided().is_some()) {
                    Err(Refusal::Busy)
                } else if !input && !self.fed && (self.old_rules(access) || self.options.idle == Idle::Refuse)
                {
                    Err(Refusal::NotFed)
                } else {
                    Ok(claims)
                };
                prop_assert_eq!(pipe.open(session, side, access).map(|e| e.claimed), expected);
                if expected.is_ok() {
                    let undecided = input && access.write && !claims;
                    let open = Open { input, write: access.write, streams: false, priority: 2, undecided };
                    self.open.insert(session, open);
                    if claims {
                        self.pusher = Some(session);
                    }
                }
            }
            Event::SpeaksV4l2 { session } => {
                let open = self.open.get_mut(&session);
                let was = open.is_some_and(|open| std::mem::take(&mut open.undecided));
                prop_assert_eq!(pipe.speaks_v4l2(session).views, was);
            }
            Event::Claim { session, v4l1 } => {
                let first = self.pusher.is_none();
                let is_later = v4l1 && first && self.first_undecided().is_some_and(|other| other < session);
                let expected = if is_later { Err(Refusal::Busy) } else { self.may_claim(session) };
                let done = if v4l1 { pipe.claim_by_v4l1(session) } else { pipe.claim(session) };
                prop_assert_eq!(done.map(|e| e.claimed), expected.map(|()| first));
                if expected.is_ok() {
                    self.pusher = Some(session);
                }
            }
            Event::Palette { session, palette } => {
                let exists = (1..=16).contains(&palette) && palette != RAW;
                let (old, claim) = (pipe.palette(), self.may_claim(session));
                let got = pipe.set_palette(session, palette, [0; 6]);
                match claim {
                    Err(refusal) => prop_assert_eq!(got, Err(refusal)),
                    Ok(()) if !exists => prop_assert_eq!(got, Err(Refusal::Invalid)),
                    Ok(()) => prop_assert!(got.is_ok_and(|e| e.board && e.views)),
                }
                prop_assert_eq!(pipe.palette(), if got.is_ok() { palette } else { old });
                if claim.is_ok() {
                    self.pusher = Some(session);
                }
                if got.is_ok() {
                    let length =
                        |s: RingPlan| frame_geometry(palette, s.width, s.height, 2, PAGE).map(|g| g.0);
                    let expected = pipe.size().map(|s| length(s).unwrap_or(0));
                    prop_assert_eq!(pipe.size().map(|s| s.frame_len), expected, "0: nothing can be written");
                }
            }
            Event::Size { session, width, height, memory } => {
                let (before, claim) = (pipe.size(), self.may_claim(session));
                let plan = pipe.plan_size(session, width, height);
                prop_assert_eq!(pipe.size(), before, "a plan changes nothing");
                prop_assert_eq!(pipe.feed().is_some(), self.fed);
                if let Err(refusal) = claim {
                    prop_assert_eq!(plan, Err(refusal));
                    return Ok(());
                }
                self.pusher = Some(session);
                let Ok(Some(plan)) = plan else { return Ok(()) };
                prop_assert_eq!((plan.width, plan.height), (width, height));
                prop_assert!(plan.frame_len <= plan.buf_len && plan.buf_len % PAGE == 0);
                prop_assert_eq!(plan.slots, self.options.num_buffers + RESERVED);
                if memory {
                    prop_assert!(pipe.commit_size(plan).board);
                    self.feeds += u32::from(!self.fed);
                    self.fed = true;
                    prop_assert_eq!(pipe.size(), Some(plan));
                    prop_assert_eq!(pipe.plan_size(session, width, height), Ok(None));
                }
            }
            Event::Format { session, asked } => {
                let (before, claim) = (pipe.clone(), self.may_claim(session));
                let got = pipe.set_format(session, &asked);
                if let Err(refusal) = claim {
                    prop_assert_eq!(got, Err(refusal));
                    return Ok(());
                }
                self.pusher = Some(session);
                let Ok(effects) = got else {
                    prop_assert_eq!(got, Err(Refusal::InUse));
                    prop_assert!(self.options.profile == Profile::Vloopback && self.readers() > 0);
                    prop_assert_eq!((pipe.pix(), pipe.size()), (before.pix(), before.size()));
                    return Ok(());
                };
                prop_assert_eq!(*pipe.pix(), pixel::nearest(&asked));
                prop_assert!(pipe.pix_in_force());
                prop_assert_eq!(effects.fed_ended, self.fed && effects.format);
                if effects.format {
                    self.fed = false;
                } else {
                    prop_assert_eq!((pipe.size(), pipe.palette()), (before.size(), before.palette()));
                }
            }
            Event::Feed { session, buffers, memory } => {
                let (before, claim) = (pipe.clone(), self.may_claim(session));
                let plan = pipe.plan_feed(session, buffers);
                prop_assert_eq!((pipe.size(), pipe.feed()), (before.size(), before.feed()));
                if let Err(refusal) = claim {
                    prop_assert_eq!(plan, Err(refusal));
                    return Ok(());
                }
                self.pusher = Some(session);
                let slots = self.options.num_buffers.max(buffers.min(8)) + RESERVED;
                let enough = before.size().is_some_and(|s| s.slots >= slots);
                prop_assert_eq!(plan == Ok(None), self.fed && enough, "exactly once for so many slots");
                prop_assert!(plan.is_err() || plan.is_ok_and(|p| p.is_none_or(|p| p.slots == slots)));
                if let (Ok(Some(plan)), true) = (plan, memory) {
                    pipe.commit_feed(plan);
                    self.feeds += u32::from(!self.fed);
                    self.fed = true;
                    prop_assert_eq!((pipe.size(), pipe.pix_in_force()), (Some(plan), true));
                    prop_assert_eq!(pipe.pix(), before.pix());
                }
            }
            Event::EndFeed { session } => {
                let expected = match self.open.get(&session) {
                    None => Err(Refusal::Unknown),
                    Some(_) if self.pusher != Some(session) => Err(Refusal::Busy),
                    Some(_) => Ok(self.fed),
                };
                prop_assert_eq!(pipe.end_feed(session).map(|e| e.fed_ended), expected);
                self.fed &= expected.is_err();
            }
            Event::TakeOver { session } => {
                let expected = match self.open.get(&session) {
                    _ if self.fed => Err(Refusal::Busy),
                    None => Err(Refusal::Unknown),
                    Some(open) if !open.input || !open.write => Err(Refusal::WrongNode),
                    Some(_) => Ok(()),
                };
                prop_assert_eq!(pipe.take_over(session).map(|_| ()), expected);
                if expected.is_ok() {
                    // Whoever tries is known.
                    prop_assert_eq!(
                        self.may_claim(session).is_ok(),
                        self.pusher.is_none_or(|p| p == session)
                    );
                    self.pusher = Some(session);
                }
            }
            Event::Placeholder { memory } => {
                let plan = pipe.plan_idle();
                prop_assert!(plan.is_none() || !self.fed && self.options.idle == Idle::Placeholder);
                if let (Some(plan), true) = (plan, memory) {
                    pipe.commit_idle(plan);
                    prop_assert_eq!((pipe.size(), pipe.pix_in_force()), (Some(plan), true));
                }
            }
            Event::Interval { session, numerator, denominator } => {
                let expected = match self.open.get(&session) {
                    None => Err(Refusal::Unknown),
                    Some(open) if !open.input => Err(Refusal::WrongNode),
                    Some(_) if self.pusher.is_some_and(|p| p != session) => Err(Refusal::Busy),
                    Some(_) if numerator == 0 || denominator == 0 => Err(Refusal::Invalid),
                    Some(_) => Ok(()),
                };
                prop_assert_eq!(pipe.set_interval(session, numerator, denominator).map(|_| ()), expected);
                if expected.is_ok() {
                    self.interval = (numerator, denominator);
                }
            }
            Event::Priority { session, priority } => {
                let got = pipe.set_priority(session, priority).map(|_| ());
                match self.open.get_mut(&session) {
                    None => prop_assert_eq!(got, Err(Refusal::Unknown)),
                    Some(open) if (1..=3).contains(&priority) => {
                        prop_assert_eq!(got, Ok(()));
                        open.priority = priority;
                    }
                    Some(_) => prop_assert_eq!(got, Err(Refusal::Invalid)),
                }
            }
            Event::Stream { session, on, hold, fewer } => {
                let got = pipe.stream(session, on, hold, fewer);
                let owned = on && self.is_owned(session);
                match self.open.get_mut(&session) {
                    None => prop_assert_eq!(got, Err(Refusal::Unknown)),
                    Some(open) if open.input => prop_assert_eq!(got, Err(Refusal::WrongNode)),
                    Some(_) if owned => prop_assert_eq!(got, Err(Refusal::Owned)),
                    Some(open) => {
                        let (grant, _) = got.expect("an output streams");
                        let enough = |quota| if fewer { (1..=hold).contains(&quota) } else { quota == hold };
                        prop_assert!(grant.is_none_or(|g| on && enough(g.quota)), "{:?} of {}", grant, hold);
                        let free = pipe.size().map_or(0, |s| s.slots - RESERVED)
                            - pipe.grants().map(|g| g.quota).sum::<u32>();
                        let wanting = on && hold > 0 && grant.is_none();
                        prop_assert!(!wanting || free < if fewer { 1 } else { hold }, "{} are free", free);
                        open.streams = on;
                        if on && self.options.exclusive {
                            self.owner = Some(session);
                        }
                    }
                }
            }
            Event::Own { session, on: true } => {
                let expected = match self.open.get(&session) {
                    None => Err(Refusal::Unknown),
                    Some(open) if open.input => Err(Refusal::WrongNode),
                    Some(_) if self.is_owned(session) => Err(Refusal::Owned),
                    Some(_) => Ok(()),
                };
                prop_assert_eq!(pipe.own(session), expected);
                if expected.is_ok() && self.options.exclusive {
                    self.owner = Some(session);
                }
            }
            Event::Own { session, on: false } => {
                pipe.disown(session);
                self.owner = self.owner.filter(|owner| *owner != session);
            }
            Event::Close { session } => {
                let fed_ended = self.fed && self.pusher == Some(session);
                let known = self.open.remove(&session).is_some();
                self.owner = self.owner.filter(|owner| *owner != session);
                let effects = pipe.close(session);
                prop_assert_eq!((effects.views, effects.fed_ended), (known, fed_ended));
                if self.pusher == Some(session) {
                    self.pusher = None;
                    self.fed = false;
                }
            }
        }
        Ok(())
    }

    /// What holds after every event.
    fn check(&self, pipe: &Pipe) -> Result<(), TestCaseError> {
        prop_assert_eq!(pipe.pusher(), self.pusher, "there is one pusher, and it is this one");
        prop_assert_eq!(pipe.writer(), self.pusher.is_some());
        prop_assert_eq!(pipe.is_taken(), self.pusher.is_some() || self.first_undecided().is_some());
        prop_assert_eq!(pipe.owner(), self.owner);
        prop_assert!(self.pusher.is_none_or(|p| self.open[&p].input && self.open[&p].write));
        prop_assert_eq!(pipe.feed(), self.fed.then_some(self.feeds));
        prop_assert_eq!(pipe.readers(), self.readers());
        prop_assert_eq!(pipe.streamers() as usize, self.open.values().filter(|o| o.streams).count());
        let open: BTreeSet<u32> = pipe.openers().map(|(session, _)| session).collect();
        prop_assert_eq!(open, self.open.keys().copied().collect::<BTreeSet<u32>>());
        prop_assert_eq!(pipe.interval(), self.interval);
        for (side, input) in [(Side::Input, true), (Side::Output, false)] {
            let highest = self.open.values().filter(|o| o.input == input).map(|o| o.priority).max();
            prop_assert_eq!(pipe.max_priority(side), highest.unwrap_or(0));
        }
        let (pix, size) = (pipe.pix(), pipe.size());
        if pipe.pix_in_force() {
            let numbers = size.map(|s| (s.width, s.height, s.frame_len));
            prop_assert_eq!(numbers, Some((pix.width, pix.height, pix.sizeimage)), "one format in force");
        }
        prop_assert!(size.is_none_or(|s| s.frame_len <= s.buf_len && s.buf_len % PAGE == 0));
        prop_assert!(size.is_some() || !self.fed, "there is no feed without a size");
        let rows: BTreeSet<u32> = pipe.grants().map(|g| g.row).collect();
        prop_assert_eq!(rows.len(), pipe.grants().count(), "rows are one client's each");
        prop_assert!(rows.iter().all(|&row| row < 32));
        let given: u32 = pipe.grants().map(|g| g.quota).sum();
        let slots = pipe.size().map_or(0, |s| s.slots);
        prop_assert!(given <= slots.saturating_sub(RESERVED), "{} of {} slots are given away", given, slots);
        for (_, opener) in pipe.openers() {
            prop_assert!(opener.grant.is_none() || opener.streaming && opener.side == Side::Output);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_pipe_keeps_its_rules(options in options(), events in events()) {
        let mut pipe = Pipe::new(options, PAGE);
        let mut oracle = Oracle { options, open: BTreeMap::new(), pusher: None, owner: None, fed: false, feeds: 0, interval: (1, 30) };
        for event in &events {
            oracle.step(&mut pipe, event)?;
            oracle.check(&pipe)?;
        }
        for session in 0..SESSIONS {
            pipe.close(session);
        }
        prop_assert_eq!((pipe.pusher(), pipe.feed(), pipe.readers(), pipe.streamers()), (None, None, 0, 0));
        prop_assert_eq!((pipe.openers().count(), pipe.grants().count()), (0, 0));
    }

    /// No numbers overflow, and what is said of a format is so.
    #[test]
    fn geometry_is_sound(
        palette in 0u32..20,
        width in prop_oneof![0u32..5000, any::<u32>()],
        height in prop_oneof![0u32..5000, any::<u32>()],
        frames in 2u32..=30,
        page in prop_oneof![Just(4096u32), Just(16_384), Just(65_536)],
    ) {
        if let Ok((frame, buffer)) = frame_geometry(palette, width, height, frames, page) {
            prop_assert!(width > 0 && height > 0);
            prop_assert!(frame <= buffer && buffer % page == 0);
            prop_assert!(u64::from(buffer) >= u64::from(width) * u64::from(height) * 4);
            prop_assert!(u64::from(buffer) - u64::from(width) * u64::from(height) * 4 < u64::from(page));
            prop_assert!(u64::from(buffer) * u64::from(frames) <= i32::MAX as u64);
        }
    }
}
