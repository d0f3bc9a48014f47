//! inotify on a folder with real entries and the tree's (/dev): one watch for the program is two for the kernel.
//!
//! The program's watch is on the real folder. A second one in the same inotify instance is on the tree's folder, so
//! the instance's own readiness is right. read() turns events of the second watch into events of the first. In the
//! tree nodes come and go by rename, which the program sees as creation and deletion.
//! If there is no real folder, the tree's is the only one, and its renames are reported in the same way.

use crate::errno;
use crate::naming;
use crate::place::Place;
use crate::real;
use crate::route;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use libc::{AT_FDCWD, inotify_event, size_t, ssize_t};
use vloopback_runtime::edge;
use vloopback_runtime::paths::Class;
use vloopback_runtime::stack;

/// The bits of a mask that are about a folder's entries.
const COMING: u32 = libc::IN_CREATE | libc::IN_MOVED_TO;
const GOING: u32 = libc::IN_DELETE | libc::IN_MOVED_FROM;
/// The bits about the use of its entries.
const USE: u32 = libc::IN_OPEN | libc::IN_CLOSE;
/// The bytes of an event before its name.
const HEAD: usize = size_of::<inotify_event>();
/// More such watches than any program is known to have. Further watches report real entries only.
const MOST: usize = 16;

/// Marks a record that is being filled; no number is there.
const TAKEN: c_int = -1;

/// A watch of the tree's folder.
struct Watch {
    /// The inotify instance's number plus 1; 0: nobody's.
    fd: AtomicI32,
    /// The kernel's number of the watch.
    ours: AtomicI32,
    /// The number that the program knows, of the real folder's watch; the same where there is none.
    theirs: AtomicI32,
    /// The events that the program wants.
    mask: AtomicU32,
}

static WATCHES: [Watch; MOST] = [const {
    Watch {
        fd: AtomicI32::new(0),
        ours: AtomicI32::new(0),
        theirs: AtomicI32::new(0),
        mask: AtomicU32::new(0),
    }
}; MOST];
/// How many there ever were. Usually there are none.
static EVER: AtomicU32 = AtomicU32::new(0);

fn of(fd: c_int) -> impl Iterator<Item = &'static Watch> {
    WATCHES.iter().filter(move |watch| fd >= 0 && watch.fd.load(Ordering::Acquire) == fd + 1)
}

/// Whether the events that are read from `fd` must be translated.
#[inline]
pub(crate) fn concern(fd: c_int) -> bool {
    EVER.load(Ordering::Relaxed) != 0 && of(fd).next().is_some()
}

/// The number is another file's from now on.
pub(crate) fn forget(fd: c_int) {
    if EVER.load(Ordering::Relaxed) != 0 && !edge::is_in_shared_memory() {
        of(fd).for_each(|watch| watch.fd.store(0, Ordering::Release));
    }
}

/// The same of a range of numbers.
pub(crate) fn forget_range(first: u32, last: u32) {
    if EVER.load(Ordering::Relaxed) != 0 {
        for watch in &WATCHES {
            let fd = watch.fd.load(Ordering::Acquire) - 1;
            if u32::try_from(fd).is_ok_and(|number| (first..=last).contains(&number)) {
                forget(fd);
            }
        }
    }
}

/// Notes a watch. Without room for it, the program hears of real entries only.
fn note(fd: c_int, ours: c_int, theirs: c_int, mask: u32) {
    if !edge::tell_children() || edge::is_in_shared_memory() {
        return;
    }
    let same = |watch: &&Watch| watch.ours.load(Ordering::Relaxed) == ours;
    if let Some(watch) = of(fd).find(same) {
        watch.theirs.store(theirs, Ordering::Relaxed);
        if mask & libc::IN_MASK_ADD != 0 {
            watch.mask.fetch_or(mask, Ordering::Relaxed);
        } else {
            watch.mask.store(mask, Ordering::Relaxed);
        }
        return;
    }
    let take =
        |watch: &&Watch| watch.fd.compare_exchange(0, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    if let Some(watch) = WATCHES.iter().find(take) {
        watch.ours.store(ours, Ordering::Relaxed);
        watch.theirs.store(theirs, Ordering::Relaxed);
        watch.mask.store(mask, Ordering::Relaxed);
        watch.fd.store(fd + 1, Ordering::Release);
        EVER.store(1, Ordering::Release);
    }
}

/// A watch of a device or of a file in the tree goes to the tree's file; of a folder that is merged, to both.
#[unsafe(no_mangle)]
unsafe extern "C" fn inotify_add_watch(fd: c_int, path: *const c_char, mask: u32) -> c_int {
    stack::align();
    // SAFETY: the program's own arguments, the path and the mask perhaps replaced by others.
    let call = |path: *const c_char, mask: u32| unsafe { real::inotify_add_watch(fd, path, mask) };
    let follow = mask & libc::IN_DONT_FOLLOW == 0;
    let ours = |place: &Place| {
        if place.class == Class::MergedDir && mask & (COMING | GOING | USE) != 0 {
            watch_both(place, (fd, path, mask), call)
        } else {
            place.call(AT_FDCWD, path, |_, path| call(path, mask))
        }
    };
    route::serve(AT_FDCWD, path, follow, |_, path| call(path, mask), ours)
}

#[cold]
fn watch_both(
    place: &Place,
    (fd, path, mask): (c_int, *const c_char, u32),
    call: impl Fn(*const c_char, u32) -> c_int,
) -> c_int {
    let before = errno::get();
    let theirs = call(path, mask);
    let error = errno::get();
    if theirs < 0 && error != libc::ENOENT {
        return theirs;
    }
    let Some(tree) = place.mapped() else {
        return theirs;
    };
    errno::set(before);
    // In the tree entries come by rename, and may go with the whole folder.
    let coming = if mask & COMING != 0 { COMING } else { 0 };
    let going = if mask & GOING != 0 { GOING } else { 0 };
    let how = if theirs < 0 { mask } else { mask & (libc::IN_MASK_ADD | libc::IN_DONT_FOLLOW) };
    let ours = call(tree.as_ptr(), how | coming | going | mask & USE | libc::IN_ONLYDIR);
    if ours < 0 {
        errno::set(if theirs < 0 { error } else { before });
        return theirs;
    }
    // Of the two watches the program knows that of the real folder.
    let known = if theirs < 0 { ours } else { theirs };
    note(fd, ours, known, mask);
    known
}

#[unsafe(no_mangle)]
unsafe extern "C" fn inotify_rm_watch(fd: c_int, watch: c_int) -> c_int {
    stack::align();
    if concern(fd) {
        for second in of(fd).filter(|second| second.theirs.load(Ordering::Relaxed) == watch) {
            let ours = second.ours.load(Ordering::Relaxed);
            if ours != watch {
                // SAFETY: a watch that the program does not know.
                unsafe { real::inotify_rm_watch(fd, ours) };
                // The watch still reports its own end, which the program must not see. So the record stays.
                second.mask.store(0, Ordering::Relaxed);
            }
        }
    }
    // SAFETY: the program's own arguments.
    unsafe { real::inotify_rm_watch(fd, watch) }
}

macro_rules! init_hooks {
    ($($name:ident($($flags:ident)?);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($flags: c_int)?) -> c_int {
            stack::align();
            // SAFETY: the program's own argument.
            let fd = unsafe { real::$name($($flags)?) };
            // The number may have been closed without a hook.
            forget(fd);
            fd
        }
    )*};
}

init_hooks! {
    inotify_init();
    inotify_init1(flags);
}

/// Translates what was read from an inotify instance. `again` reads once more if none of it was for the program.
#[cold]
pub(crate) fn translate(fd: c_int, buf: *mut c_void, got: ssize_t, again: impl Fn() -> ssize_t) -> ssize_t {
    let mut got = got;
    while let Ok(len @ 1..) = usize::try_from(got) {
        if !is_inotify(fd) {
            forget(fd);
            break;
        }
        // SAFETY: the kernel has just written so many bytes there.
        let events = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), len) };
        let kept = go_through(fd, events);
        if kept != 0 {
            return ssize_t::try_from(kept).unwrap_or(got);
        }
        got = again();
    }
    got
}

/// Whether the number still is an inotify instance's.
fn is_inotify(fd: c_int) -> bool {
    let before = errno::get();
    let mut room = naming::buffer();
    let found = naming::behind_descriptor(fd, &mut room) == Some(b"anon_inode:inotify");
    errno::set(before);
    found
}

/// Turns events of our watches into events of the program's, and leaves out the others. Returns how many bytes are
/// left.
fn go_through(fd: c_int, events: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while let Some(mut event) = head(events, from) {
        let end = from + HEAD + event.len as usize;
        let Some(name) = events.get(from + HEAD..end) else {
            break;
        };
        let told = of(fd).find(|watch| watch.ours.load(Ordering::Relaxed) == event.wd);
        let keep = told.is_none_or(|watch| watch.turn(&mut event, name));
        if keep {
            // SAFETY: plain integers.
            let bytes: [u8; HEAD] = unsafe { core::mem::transmute(event) };
            events.copy_within(from + HEAD..end, to + HEAD);
            if let Some(place) = events.get_mut(to..to + HEAD) {
                place.copy_from_slice(&bytes);
            }
            to += end - from;
        }
        from = end;
    }
    to
}

fn head(events: &[u8], at: usize) -> Option<inotify_event> {
    let bytes: [u8; HEAD] = events.get(at..at + HEAD)?.try_into().ok()?;
    // SAFETY: plain integers, of which any bytes are values.
    Some(unsafe { core::mem::transmute::<[u8; HEAD], inotify_event>(bytes) })
}

impl Watch {
    /// Makes an event of this watch one of the program's; false where it is not for the program.
    fn turn(&self, event: &mut inotify_event, name: &[u8]) -> bool {
        let mask = self.mask.load(Ordering::Relaxed);
        let theirs = self.theirs.load(Ordering::Relaxed);
        let alone = theirs == event.wd;
        event.wd = theirs;
        if event.mask & libc::IN_IGNORED != 0 {
            self.fd.store(0, Ordering::Release);
            return alone;
        }
        let is_dir = event.mask & libc::IN_ISDIR;
        if event.mask & USE != 0 {
            // Only events of nodes: the program must not see who lists the tree's folder.
            return alone || (is_dir == 0 && event.mask & mask & USE != 0);
        }
        let (asked, first, second) = if event.mask & COMING != 0 {
            (mask & COMING, libc::IN_CREATE, libc::IN_MOVED_TO)
        } else if event.mask & GOING != 0 {
            (mask & GOING, libc::IN_DELETE, libc::IN_MOVED_FROM)
        } else {
            return alone;
        };
        event.mask = is_dir | if asked & first != 0 { first } else { second };
        event.cookie = 0;
        // A name that begins with a dot is a file that is just being written.
        asked != 0
            && CStr::from_bytes_until_nul(name).is_ok_and(|name| name.to_bytes().first() != Some(&b'.'))
    }
}

/// read() of an inotify instance that [`concern`]s us.
pub(crate) fn read_by(fd: c_int, buf: *mut c_void, len: size_t, call: impl Fn() -> ssize_t) -> ssize_t {
    let got = call();
    if got > 0 && len >= HEAD { translate(fd, buf, got, call) } else { got }
}
