//! Companions: hidden descriptors that poll, select and epoll ask along with a device's own, for V4L2 events, for
//! requests to a zero-copy pusher, and for sockets that listen for devices.
//!
//! The kernel object behind a descriptor has the device's readiness itself, with two exceptions. No such object raises
//! POLLPRI, an event, without POLLIN (driver/docs/clients.md, "Readiness"): for that the open file has a second, hidden
//! descriptor, its *event doorbell*. And a zero-copy pusher's clients make another one readable, its *request
//! doorbell*, because that needs no help of the daemon (`device/zero/request_doorbell.rs`). If a program asks for
//! POLLPRI of a device that has subscribed to events, or for POLLIN of one that has a request doorbell, the hook also
//! polls that companion and reports its readiness as the descriptor's. The same holds for a socket that listens for
//! devices that come and go (`runtime/monitor.rs`). epoll gets the companion as a second member with the program's own
//! data, so epoll_wait needs no hook. All other calls go on to the C library after a look at the program's own list.
//!
//! A `poll` that began before the open file's first subscription does not see the file's events.

use core::ffi::{c_int, c_ulong};

use vloopback_runtime::edge;

/// What a companion stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// V4L2's events: POLLPRI.
    EventDoorbell = 1,
    /// Requests to a zero-copy pusher: POLLIN.
    RequestDoorbell = 2,
    /// Devices that come and go, of a socket that listens for those: POLLIN.
    Monitor = 3,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::EventDoorbell, Self::RequestDoorbell, Self::Monitor];

    /// The one with this number; there are no others.
    pub(crate) const fn numbered(number: c_ulong) -> Self {
        match number {
            1 => Self::EventDoorbell,
            2 => Self::RequestDoorbell,
            _ => Self::Monitor,
        }
    }

    /// The poll events of the program that concern this companion.
    pub(crate) const fn concerns(self) -> i16 {
        match self {
            Self::EventDoorbell => libc::POLLPRI,
            Self::RequestDoorbell | Self::Monitor => libc::POLLIN | libc::POLLRDNORM,
        }
    }

    /// What the companion itself is asked for.
    pub(crate) const fn asks(self) -> i16 {
        match self {
            Self::EventDoorbell => libc::POLLPRI | libc::POLLIN,
            Self::RequestDoorbell | Self::Monitor => libc::POLLIN,
        }
    }

    /// Whether any descriptor of the process can have such a companion, as far as that is known at no cost.
    #[inline]
    pub(crate) fn can_be(self) -> bool {
        match self {
            Self::EventDoorbell => true,
            Self::RequestDoorbell => edge::has_request_doorbells(),
            Self::Monitor => edge::has_monitors(),
        }
    }

    /// Whether this descriptor may report something by such a companion.
    pub(crate) fn is_needed(self, fd: c_int) -> bool {
        match self {
            Self::EventDoorbell => edge::has_events(fd),
            Self::RequestDoorbell => edge::request_doorbell_number(fd).is_some(),
            Self::Monitor => edge::monitor_number(fd).is_some(),
        }
    }

    /// The companion of a descriptor. It is made if there is none.
    pub(crate) fn of(self, fd: c_int) -> Option<c_int> {
        match self {
            Self::EventDoorbell => edge::event_doorbell(fd).filter(|_| edge::has_events(fd)),
            Self::RequestDoorbell => edge::request_doorbell(fd),
            Self::Monitor => edge::monitor(fd),
        }
    }

    /// The same, but none is made.
    pub(crate) fn known(self, fd: c_int) -> Option<c_int> {
        match self {
            Self::EventDoorbell => edge::known_event_doorbell(fd),
            Self::RequestDoorbell => edge::request_doorbell(fd),
            Self::Monitor => edge::monitor(fd),
        }
    }
}

/// What poll reports for a descriptor that is no longer ready.
pub(crate) const GONE: i16 = libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;

/// What a ready companion means for the device.
pub(crate) enum Said {
    /// It is ready, for what the companion stands for.
    Ready,
    /// The device is not ready, or no longer: look again.
    Nothing,
    /// The companion is of no use any more.
    Gone,
}

/// `ready`: what poll reports for `companion`, the companion of `fd` unless another thread has closed that.
pub(crate) fn heard(kind: Kind, fd: c_int, companion: c_int, ready: i16) -> Said {
    let gone = ready & GONE != 0;
    match kind {
        Kind::EventDoorbell if edge::has_event(fd) => Said::Ready,
        Kind::EventDoorbell if gone || edge::known_event_doorbell(fd) != Some(companion) => Said::Gone,
        Kind::EventDoorbell => Said::Nothing,
        Kind::RequestDoorbell if gone || edge::request_doorbell_number(fd) != Some(companion) => Said::Gone,
        Kind::RequestDoorbell if edge::has_request(fd) => Said::Ready,
        Kind::RequestDoorbell => Said::Nothing,
        Kind::Monitor if gone || edge::monitor_number(fd) != Some(companion) => Said::Gone,
        Kind::Monitor if edge::has_news(fd) => Said::Ready,
        Kind::Monitor => Said::Nothing,
    }
}
