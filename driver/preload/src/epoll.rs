//! epoll_ctl: the companions of a device's descriptor follow it into the program's epoll (see
//! [`companion`](crate::companion)).

use core::ffi::c_int;
use core::ptr;

use libc::epoll_event;
use vloopback_runtime::{edge, stack};

use crate::errno;
use crate::real;

/// The flags of a registration that hold for every kind of companion.
const SHARED: u32 = (libc::EPOLLET | libc::EPOLLONESHOT | libc::EPOLLWAKEUP) as u32;
/// The events that a request doorbell stands for. The bits are those of poll.
const READ: u32 = (libc::EPOLLIN | libc::EPOLLRDNORM) as u32;
/// The same of an event doorbell.
const URGENT: u32 = libc::EPOLLPRI as u32;

/// After the program has registered one of its descriptors: its companions follow. (Two descriptors of one
/// open file in one epoll have one of each there, with the data of the later.)
#[cold]
fn follow(epoll: c_int, operation: c_int, fd: c_int, event: Option<epoll_event>) {
    let asked = event.map_or(0, |event| event.events);
    let event_doorbell =
        if asked & URGENT != 0 { edge::event_doorbell(fd) } else { edge::known_event_doorbell(fd) };
    let request_doorbell = edge::request_doorbell(fd);
    if request_doorbell.is_none() && asked & READ != 0 {
        // A request doorbell that is made later would not be in the epoll.
        edge::without_request_doorbell(fd);
    }
    for (companion, stands_for) in
        [(event_doorbell, URGENT), (request_doorbell, READ), (edge::monitor(fd), READ)]
    {
        let Some(companion) = companion else { continue };
        let before = errno::get();
        let call = |operation: c_int, event: *mut epoll_event| {
            // SAFETY: an event or null, as the operation wants it.
            unsafe { real::epoll_ctl(epoll, operation, companion, event) == 0 }
        };
        match event.filter(|event| event.events & stands_for != 0) {
            Some(event) => {
                let mut event = epoll_event { events: event.events & (SHARED | stands_for), u64: event.u64 };
                let _ = call(libc::EPOLL_CTL_ADD, &mut event) || call(libc::EPOLL_CTL_MOD, &mut event);
            }
            None if operation != libc::EPOLL_CTL_ADD => {
                call(libc::EPOLL_CTL_DEL, ptr::null_mut());
            }
            None => {}
        }
        errno::set(before);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: *mut epoll_event) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments.
    let result = unsafe { real::epoll_ctl(epoll, operation, fd, event) };
    if result == 0 {
        // SAFETY: the kernel has read it.
        let event = (operation != libc::EPOLL_CTL_DEL).then(|| unsafe { event.read_unaligned() });
        // An unknown one is looked at if it asks for events.
        if edge::is_ours(fd)
            || event.is_some_and(|event| event.events & URGENT != 0)
            || edge::monitor_number(fd).is_some()
        {
            follow(epoll, operation, fd, event);
        }
    }
    result
}
