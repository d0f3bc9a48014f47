//! Who listens for devices that come and go: sockets of the program's on which the kernel, or udev, tells of them
//! (NETLINK_KOBJECT_UEVENT; libudev's `udev_monitor`).
//!
//! Nobody without privileges can send to such a socket, so it stays what it is, and each has a *companion*: a
//! hidden inotify descriptor that watches the nodes in the daemon's tree. poll and its kin ask it along with the
//! socket (`preload/companion.rs`), and what a program receives from the socket comes from here first
//! (`preload/netlink.rs`). Nothing is sent and nothing is queued: what a listener has been told is compared with
//! what the tree has now, so whatever the companion missed (a daemon that was killed and came again) is told, too,
//! and nobody but who can change the tree can make a listener believe in a device.

use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use syscalls::{Sysno, syscall};

use crate::paths;
use vloopback_link::hidden::{Hidden, MOVING};
use vloopback_link::{environment, table};
use vloopback_sys as sys;
use vloopback_sys::fork;
use vloopback_sys::lock::NoSignals;

/// More such sockets than any program is known to have at once; those beyond hear of real devices only.
const MOST: usize = 8;
/// Words for the nodes' numbers, of which there are 256.
const WORDS: usize = 4;
type Nodes = [u64; WORDS];

/// A device that has come or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The N of its /dev/videoN.
    pub node: u32,
    /// It has come; else it has gone.
    pub added: bool,
    /// The socket wants the kernel's own words of it, not udev's.
    pub kernel: bool,
}

/// A socket that listens.
struct Monitor {
    /// Its number plus 1; 0: nobody's.
    fd: AtomicI32,
    /// Its inode: another file at its number is not ours.
    inode: AtomicU64,
    companion: Hidden,
    /// The companion's watch of the nodes' folder; -1: none.
    watch: AtomicI32,
    /// Which nodes its owner has been told of.
    told: [AtomicU64; WORDS],
    kernel: AtomicBool,
    /// The node that its owner has peeked at, and takes next, plus 1.
    peeked: AtomicU32,
}

impl Monitor {
    const fn new() -> Self {
        Self {
            fd: AtomicI32::new(0),
            inode: AtomicU64::new(0),
            companion: Hidden::none(),
            watch: AtomicI32::new(-1),
            told: [const { AtomicU64::new(0) }; WORDS],
            kernel: AtomicBool::new(false),
            peeked: AtomicU32::new(0),
        }
    }
}

static MONITORS: [Monitor; MOST] = [const { Monitor::new() }; MOST];
/// How many there are: none is the usual case, and ends every look at once.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Whether any socket of this process listens.
#[inline]
pub(crate) fn has_any() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

/// That of a number, whatever raw system calls have put there since.
fn at(fd: c_int) -> Option<&'static Monitor> {
    if !has_any() || fd < 0 {
        return None;
    }
    MONITORS.iter().find(|m| m.fd.load(Ordering::Acquire) == fd + 1)
}

/// That of a number, if it still is the socket.
fn of(fd: c_int) -> Option<&'static Monitor> {
    at(fd).filter(|m| sys::inode(fd) == Some(m.inode.load(Ordering::Relaxed)))
}

/// The companion of a socket that listens: costs no call.
#[inline]
pub(crate) fn number(fd: c_int) -> Option<c_int> {
    at(fd)?.companion.number()
}

/// The same, looked at.
pub(crate) fn companion(fd: c_int) -> Option<c_int> {
    of(fd)?.companion.known()
}

/// The program's socket `fd` listens from now on: to the kernel's own words, or to udev's. Devices that are there
/// now are known to whoever begins to listen.
pub(crate) fn begin(fd: c_int, kernel: bool) {
    // A child that shares our memory (vfork) closes its numbers, not ours: it has to be told from us.
    if fork::settle().is_err() || fork::is_vfork_child() {
        return;
    }
    end(fd);
    let Some(inode) = sys::inode(fd) else { return };
    let quiet = NoSignals::new();
    let _moving = MOVING.lock(&quiet);
    let Some(monitor) = MONITORS.iter().find(|m| m.fd.load(Ordering::Acquire) == 0) else { return };
    let flags = libc::IN_NONBLOCK | libc::IN_CLOEXEC;
    // SAFETY: makes a descriptor that is ours.
    let Ok(new) = (unsafe { syscall!(Sysno::inotify_init1, flags) }) else { return };
    let Some(companion) = monitor.companion.put(new as c_int) else { return };
    monitor.inode.store(inode, Ordering::Relaxed);
    monitor.kernel.store(kernel, Ordering::Relaxed);
    monitor.peeked.store(0, Ordering::Relaxed);
    monitor.look_out(companion);
    for (told, now) in monitor.told.iter().zip(nodes()) {
        told.store(now, Ordering::Relaxed);
    }
    // Its close is looked at, as that of any number of which something is known.
    table::replace(fd, table::UNKNOWN, table::OTHER);
    monitor.fd.store(fd + 1, Ordering::Release);
    COUNT.fetch_add(1, Ordering::Relaxed);
}

/// The number is about to be closed, or to become another file's.
pub(crate) fn end(fd: c_int) {
    let Some(monitor) = at(fd) else { return };
    // In a child that shares our memory the numbers are its own.
    if fork::is_vfork_child() {
        return;
    }
    if monitor.fd.compare_exchange(fd + 1, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
        monitor.companion.close();
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All numbers from `first` to `last` are about to be closed.
pub(crate) fn end_range(first: c_int, last: c_int) {
    if has_any() {
        for monitor in &MONITORS {
            let fd = monitor.fd.load(Ordering::Acquire) - 1;
            if fd >= 0 && (first..=last).contains(&fd) {
                end(fd);
            }
        }
    }
}

/// The program wants a number for itself.
pub(crate) fn each_hidden(mut f: impl FnMut(&Hidden)) {
    for monitor in &MONITORS {
        f(&monitor.companion);
    }
}

/// Whether there is something to tell on a socket whose companion is ready. If not, the companion is cleared.
pub(crate) fn has_news(fd: c_int) -> bool {
    next(fd, true).is_some()
}

/// What to tell next on a socket; it counts as told unless it is only peeked at.
pub(crate) fn next(fd: c_int, peek: bool) -> Option<News> {
    let monitor = of(fd)?;
    let companion = monitor.companion.known()?;
    let news = monitor.differing(peek);
    if news.is_some() {
        return news;
    }
    // What is read here is behind us when we look again: nothing is missed in between.
    monitor.clear_readiness(companion);
    let news = monitor.differing(peek);
    if news.is_some() && monitor.differing(true).is_some() {
        monitor.ring(companion);
    }
    news
}

/// Waits until a socket has something of its own, or there is news for it. False: a signal came.
pub(crate) fn wait(fd: c_int) -> bool {
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut entries = [entry(fd), entry(companion(fd).unwrap_or(-1))];
    // SAFETY: two entries; no time, no mask.
    unsafe { syscall!(Sysno::ppoll, entries.as_mut_ptr(), 2, 0, 0, 0) }.is_ok()
}

impl Monitor {
    /// The first node of which the owner has to be told, the one that it has peeked at before all others.
    fn differing(&self, peek: bool) -> Option<News> {
        let now = nodes();
        let peeked = self.peeked.load(Ordering::Relaxed).checked_sub(1);
        for node in peeked.into_iter().chain(0..WORDS as u32 * 64) {
            let (word, bit) = ((node / 64) as usize, 1 << (node % 64));
            let told = &self.told[word];
            let added = now[word] & bit != 0;
            if (told.load(Ordering::Relaxed) & bit != 0) == added {
                continue;
            }
            if peek {
                self.peeked.store(node + 1, Ordering::Relaxed);
            } else {
                let before = if added {
                    told.fetch_or(bit, Ordering::Relaxed)
                } else {
                    told.fetch_and(!bit, Ordering::Relaxed)
                };
                if (before & bit != 0) == added {
                    // Another thread has just taken it.
                    continue;
                }
                self.peeked.store(0, Ordering::Relaxed);
            }
            return Some(News { node, added, kernel: self.kernel.load(Ordering::Relaxed) });
        }
        None
    }

    /// Empties the companion, and has it watch what is there now.
    fn clear_readiness(&self, companion: c_int) {
        let mut events = [0_u8; 1024];
        // SAFETY: a buffer of that length; it does not wait.
        while unsafe { syscall!(Sysno::read, companion, events.as_mut_ptr(), events.len()) }.is_ok() {}
        self.look_out(companion);
    }

    /// Makes the companion readable: a watch that ends says so.
    fn ring(&self, companion: c_int) {
        let watch = self.watch.load(Ordering::Relaxed);
        // SAFETY: changes nothing but the companion's own watches.
        let _ = unsafe { syscall!(Sysno::inotify_rm_watch, companion, watch) };
        self.look_out(companion);
    }

    /// Watches the nodes' folder; where it is not there, what it will come into.
    fn look_out(&self, companion: c_int) {
        let Some(tree) = environment::tree() else { return };
        let tree = tree.to_bytes();
        let above = tree.iter().rposition(|byte| *byte == b'/').map_or(&tree[..0], |end| &tree[..end]);
        let watch = |pieces: [&[u8]; 2]| {
            let mut room = [0; 256];
            let mask = libc::IN_CREATE
                | libc::IN_MOVED_TO
                | libc::IN_DELETE
                | libc::IN_MOVED_FROM
                | libc::IN_ONLYDIR;
            let path = join(&pieces, &mut room)?;
            // SAFETY: a C string.
            unsafe { syscall!(Sysno::inotify_add_watch, companion, path.as_ptr(), mask) }.ok()
        };
        for place in [[tree, b""], [above, b"/"]] {
            if let Some(watch) = watch([tree, b"/dev"]) {
                self.watch.store(watch as i32, Ordering::Relaxed);
                return;
            }
            watch(place);
        }
        if let Some(watch) = watch([tree, b"/dev"]) {
            self.watch.store(watch as i32, Ordering::Relaxed);
        }
    }
}

/// IoSlices one after the other, as a C string. None: there is no room.
fn join<'room>(pieces: &[&[u8]], room: &'room mut [u8; 256]) -> Option<&'room CStr> {
    let mut at = 0;
    for piece in pieces {
        room.get_mut(at..at + piece.len())?.copy_from_slice(piece);
        at += piece.len();
    }
    CStr::from_bytes_until_nul(room).ok()
}

/// The nodes that the daemon's tree has now.
fn nodes() -> Nodes {
    let mut found = [0; WORDS];
    let mut room = [0; 256];
    let Some(path) = environment::tree().and_then(|tree| join(&[tree.to_bytes(), b"/dev"], &mut room)) else {
        return found;
    };
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: a C string; makes a descriptor that is ours.
    let Ok(folder) = (unsafe { syscall!(Sysno::openat, libc::AT_FDCWD, path.as_ptr(), flags) }) else {
        return found;
    };
    let folder = folder as c_int;
    let mut entries = [0_u64; 256];
    let len = size_of_val(&entries);
    // SAFETY: a buffer of that length, aligned as the kernel's records are.
    while let Ok(got @ 1..) = unsafe { syscall!(Sysno::getdents64, folder, entries.as_mut_ptr(), len) } {
        // SAFETY: so many bytes of it were written, and any bytes are bytes.
        let bytes = unsafe { core::slice::from_raw_parts(entries.as_ptr().cast::<u8>(), got.min(len)) };
        each_name(bytes, |name| {
            let node = name.strip_prefix(b"video").and_then(paths::decimal).unwrap_or(u32::MAX);
            if let Some(word) = found.get_mut((node / 64) as usize) {
                *word |= 1 << (node % 64);
            }
        });
    }
    sys::close(folder);
    found
}

/// See `edge::each_node`.
pub(crate) fn each_node(f: &mut impl FnMut(u32)) {
    for (word, bits) in (0..).zip(nodes()) {
        (0..64).filter(|bit| bits >> bit & 1 != 0).for_each(|bit| f(word * 64 + bit));
    }
}

/// The names in what getdents64 has written.
fn each_name(mut records: &[u8], mut f: impl FnMut(&[u8])) {
    // Inode and offset of eight bytes each, the record's length, its type, its name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    while let Some(length) = records.get(LENGTH..LENGTH + 2) {
        let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
        let Some(name) = records.get(NAME..length) else { return };
        f(name.split(|byte| *byte == 0).next().unwrap_or(name));
        records = &records[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_folders_records() {
        let mut records = Vec::new();
        for name in [&b"video3"[..], b".", b"video12"] {
            let length = (19 + name.len() + 1).next_multiple_of(8);
            let start = records.len();
            records.extend([0; 16]);
            records.extend((length as u16).to_ne_bytes());
            records.push(8);
            records.extend(name);
            records.resize(start + length, 0);
        }
        let mut names = Vec::new();
        each_name(&records, |name| names.push(name.to_vec()));
        assert_eq!(names, [&b"video3"[..], b".", b"video12"]);
        names.clear();
        each_name(&records[..40], |name| names.push(name.to_vec()));
        assert_eq!(names.len(), 1, "the rest was cut");
    }
}
