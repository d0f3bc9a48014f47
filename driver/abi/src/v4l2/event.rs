//! The V4L2 structures of events, 64-bit shape.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::layout::{assert_layout, zero_default};

/// v4l2loopback's own event: how many clients stream has changed. Its first word is their number.
pub const V4L2_EVENT_PRI_CLIENT_USAGE: u32 = super::V4L2_EVENT_PRIVATE_START + 0x08E0_0000 + 1;

/// A point in time with nanoseconds, 64-bit shape.
#[doc(alias = "timespec")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Timespec {
    /// Seconds.
    pub sec: i64,
    /// Nanoseconds, 0 to 999999999.
    pub nsec: i64,
}

impl V4l2Timespec {
    /// The time of a clock that counts nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> V4l2Timespec {
        V4l2Timespec { sec: (nanos / 1_000_000_000) as i64, nsec: (nanos % 1_000_000_000) as i64 }
    }
}

/// What `V4L2_EVENT_CTRL` tells of a control.
#[doc(alias = "v4l2_event_ctrl")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2EventCtrl {
    /// Set of `V4L2_EVENT_CTRL_CH_*`: what changed.
    pub changes: u32,
    /// `V4L2_CTRL_TYPE_*`.
    pub type_: u32,
    /// The value; a union with one of 32 bits in its first four bytes, see
    /// [`V4l2EventCtrl::set_value`].
    pub value64: i64,
    /// Set of `V4L2_CTRL_FLAG_*`.
    pub flags: u32,
    /// Smallest value.
    pub minimum: i32,
    /// Largest value.
    pub maximum: i32,
    /// From a value to the next.
    pub step: i32,
    /// Value at the start.
    pub default_value: i32,
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
}

impl V4l2EventCtrl {
    /// The value of a control of 32 bits or fewer.
    #[must_use]
    pub const fn value(&self) -> i32 {
        let [a, b, c, d, ..] = self.value64.to_ne_bytes();
        i32::from_ne_bytes([a, b, c, d])
    }

    /// Sets the value of a control of 32 bits or fewer and clears the rest of the union.
    pub const fn set_value(&mut self, value: i32) {
        let [a, b, c, d] = value.to_ne_bytes();
        self.value64 = i64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]);
    }
}

/// An event, 64-bit shape.
#[doc(alias = "v4l2_event")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2Event {
    /// `V4L2_EVENT_*`.
    pub type_: u32,
    /// Padding of the C structure, zero.
    pub pad: [u8; 4],
    /// A union: what the event tells. See [`V4l2Event::set_ctrl`] and [`V4l2Event::set_word`].
    pub u: [u8; 64],
    /// Events that wait after this one.
    pub pending: u32,
    /// Number of the event, from 0; a gap shows lost ones.
    pub sequence: u32,
    /// When it happened, by `CLOCK_MONOTONIC`.
    pub timestamp: V4l2Timespec,
    /// What it is about, for `V4L2_EVENT_CTRL` the control; else 0.
    pub id: u32,
    /// Zero.
    pub reserved: [u32; 8],
    /// Padding of the C structure, zero.
    pub pad2: [u8; 4],
}

impl V4l2Event {
    /// What a control's event tells.
    #[must_use]
    pub fn ctrl(&self) -> V4l2EventCtrl {
        let mut ctrl = V4l2EventCtrl::default();
        let len = size_of::<V4l2EventCtrl>();
        ctrl.as_mut_bytes().copy_from_slice(&self.u[..len]);
        ctrl
    }

    /// Sets what a control's event tells and clears the rest of the union.
    pub fn set_ctrl(&mut self, ctrl: &V4l2EventCtrl) {
        let bytes = ctrl.as_bytes();
        self.u[..bytes.len()].copy_from_slice(bytes);
        self.u[bytes.len()..].fill(0);
    }

    /// The event's first word: the changes of `V4L2_EVENT_SOURCE_CHANGE`, the number of
    /// `V4L2_EVENT_FRAME_SYNC`, the count of a private event.
    #[must_use]
    pub const fn word(&self) -> u32 {
        let [a, b, c, d, ..] = self.u;
        u32::from_ne_bytes([a, b, c, d])
    }

    /// Sets the first word and clears the rest of the union.
    pub fn set_word(&mut self, word: u32) {
        self.u.fill(0);
        self.u[..4].copy_from_slice(&word.to_ne_bytes());
    }
}

/// Asks for events of a type, or asks for them no more.
#[doc(alias = "v4l2_event_subscription")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct V4l2EventSubscription {
    /// `V4L2_EVENT_*`.
    pub type_: u32,
    /// What the events shall be about, for `V4L2_EVENT_CTRL` the control; else 0.
    pub id: u32,
    /// Set of `V4L2_EVENT_SUB_FL_*`.
    pub flags: u32,
    /// Zero.
    pub reserved: [u32; 5],
}

zero_default! { V4l2Event, V4l2EventSubscription }

assert_layout! {
    V4l2Timespec: 16 { sec: 0, nsec: 8 }
    V4l2EventCtrl: 40 {
        changes: 0, type_: 4, value64: 8, flags: 16, minimum: 20, maximum: 24, step: 28,
        default_value: 32, pad: 36,
    }
    V4l2Event: 136 {
        type_: 0, pad: 4, u: 8, pending: 72, sequence: 76, timestamp: 80, id: 96, reserved: 100,
        pad2: 132,
    }
    V4l2EventSubscription: 32 { type_: 0, id: 4, flags: 8, reserved: 12 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_union_of_what_an_event_tells() {
        let mut event = V4l2Event { u: [9; 64], ..V4l2Event::default() };
        let mut ctrl = V4l2EventCtrl { changes: 1, default_value: -2, ..V4l2EventCtrl::default() };
        ctrl.set_value(-7);
        event.set_ctrl(&ctrl);
        assert_eq!((event.ctrl(), event.ctrl().value()), (ctrl, -7));
        assert!(event.u[40..].iter().all(|&byte| byte == 0));
        event.set_word(5);
        assert_eq!(event.word(), 5);
        assert_eq!(event.u[4..], [0; 60]);
        let time = V4l2Timespec::from_nanos(3_000_000_007);
        assert_eq!(time, V4l2Timespec { sec: 3, nsec: 7 });
    }
}
