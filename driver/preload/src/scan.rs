//! scandir and glob, whose reading of folders happens inside glibc.

use crate::dirs::open_folder;
use crate::errno::{self, fail};
use crate::listing::{self, Entry};
use crate::naming;
use crate::place::Place;
use crate::real;
use crate::route;
use crate::types::{CompareDirents, CompareDirents64, FilterDirent, FilterDirent64, Glob, GlobFunctions};
use core::ffi::{c_char, c_int, c_void};
use libc::{AT_FDCWD, DIR, dirent, dirent64};
use vloopback_runtime::edge;
use vloopback_runtime::stack;

/// The chosen entries of a folder, each in memory of its own that the program frees.
struct Chosen<E> {
    list: *mut *mut E,
    count: usize,
    room: usize,
}

impl<E: Entry> Chosen<E> {
    const fn new() -> Self {
        Self { list: core::ptr::null_mut(), count: 0, room: 0 }
    }

    /// Adds a copy; false without memory.
    fn add(&mut self, entry: &E) -> bool {
        if self.count == self.room {
            let room = if self.room == 0 { 16 } else { self.room.saturating_mul(2) };
            let bytes = room.saturating_mul(core::mem::size_of::<*mut E>());
            // SAFETY: null or what realloc gave before.
            let list = unsafe { libc::realloc(self.list.cast(), bytes) }.cast::<*mut E>();
            if list.is_null() {
                return false;
            }
            self.list = list;
            self.room = room;
        }
        let len = entry.len();
        // SAFETY: any size may be asked for.
        let copy = unsafe { libc::malloc(len) }.cast::<E>();
        if copy.is_null() {
            return false;
        }
        // SAFETY: the entry is d_reclen bytes long, which may be less than its type, and the copy
        // has room for as many; the list has room for one more.
        unsafe {
            core::ptr::copy_nonoverlapping(core::ptr::from_ref(entry).cast::<u8>(), copy.cast::<u8>(), len);
            self.list.add(self.count).write(copy);
        }
        self.count += 1;
        true
    }

    fn free(self) {
        for at in 0..self.count {
            // SAFETY: `count` entries of the list are malloc's and nobody has them yet.
            unsafe { libc::free((*self.list.add(at)).cast()) };
        }
        // SAFETY: null or realloc's.
        unsafe { libc::free(self.list.cast()) };
    }
}

/// scandir's work, with our folder streams.
fn scan<E: Entry>(
    path: *const c_char,
    list: *mut *mut *mut E,
    keep: impl Fn(&E) -> bool,
    next: impl Fn(*mut DIR) -> *mut E,
    compare: Option<unsafe extern "C" fn(*const c_void, *const c_void) -> c_int>,
) -> c_int {
    let stream = open_folder(path);
    if stream.is_null() {
        return -1;
    }
    let mut chosen = Chosen::new();
    let mut short = false;
    // SAFETY: valid until the next call for this stream, which is nobody else's.
    while let Some(entry) = unsafe { next(stream).as_ref() } {
        if keep(entry) && !chosen.add(entry) {
            short = true;
            break;
        }
    }
    listing::detach(stream);
    // SAFETY: opened above.
    unsafe { real::closedir(stream) };
    let Ok(count) = c_int::try_from(chosen.count) else {
        chosen.free();
        return fail(libc::EOVERFLOW);
    };
    if short {
        chosen.free();
        return fail(libc::ENOMEM);
    }
    if let Some(compare) = compare.filter(|_| count > 1) {
        // SAFETY: `count` pointers, and the program's own order of such pointers.
        unsafe {
            libc::qsort(chosen.list.cast(), chosen.count, core::mem::size_of::<*mut E>(), Some(compare));
        };
    }
    // SAFETY: the program's place for the list, which is now the program's.
    unsafe { *list = chosen.list };
    count
}

macro_rules! scan_hooks {
    ($($name:ident, $scan:ident, $readdir:ident: $entry:ty, $filter:ty, $compare:ty;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            path: *const c_char,
            list: *mut *mut *mut $entry,
            filter: $filter,
            compare: $compare,
        ) -> c_int {
            stack::align();
            let system = |_, path| {
                // SAFETY: the program's own arguments, the path perhaps replaced by another.
                unsafe { real::$name(path, list, filter, compare) }
            };
            let ours = |_: &Place| $scan(path, list, filter, compare);
            route::serve(AT_FDCWD, path, true, system, ours)
        }

        /// The same of a folder of ours.
        fn $scan(
            path: *const c_char,
            list: *mut *mut *mut $entry,
            filter: $filter,
            compare: $compare,
        ) -> c_int {
            let keep = |entry: &$entry| match filter {
                // SAFETY: the program's own function, on an entry that lives through the call.
                Some(filter) => unsafe { filter(entry) != 0 },
                None => true,
            };
            let next = |stream: *mut DIR| {
                // SAFETY: the stream that scan opened.
                listing::next(stream, || unsafe { real::$readdir(stream) })
            };
            // SAFETY: qsort hands over the addresses of two elements, which is what scandir's
            // order takes; only the types of the pointers differ.
            let compare = compare.map(|compare| unsafe {
                core::mem::transmute::<
                    unsafe extern "C" fn(*mut *const $entry, *mut *const $entry) -> c_int,
                    unsafe extern "C" fn(*const c_void, *const c_void) -> c_int,
                >(compare)
            });
            scan(path, list, keep, next, compare)
        }
    )*};
}

scan_hooks! {
    scandir, scandir_ours, readdir: dirent, FilterDirent, CompareDirents;
    scandir64, scandir64_ours, readdir64: dirent64, FilterDirent64, CompareDirents64;
}

/// Whether a pattern may lead into a merged folder: by its first folder's name, or because it is
/// relative or that name is a pattern itself.
fn pattern_may_matter(pattern: *const c_char) -> bool {
    let Some(text) = naming::text(pattern) else {
        return false;
    };
    let Some(rest) = text.strip_prefix(b"/") else {
        return true;
    };
    let first = rest.split(|byte| *byte == b'/').find(|part| !matches!(*part, b"" | b".")).unwrap_or(b"");
    matches!(first, b"dev" | b"proc" | b"sys" | b"..")
        || first.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{' | b'\\'))
}

/// glob, reading folders through `functions`, our hooks, unless the program brings its own.
fn glob_with(
    pattern: *const c_char,
    flags: c_int,
    result: *mut Glob,
    functions: GlobFunctions,
    call: impl Fn(c_int) -> c_int,
) -> c_int {
    let before = errno::get();
    if flags & libc::GLOB_ALTDIRFUNC != 0
        || result.is_null()
        || !pattern_may_matter(pattern)
        || edge::tree().is_none()
    {
        errno::set(before);
        return call(flags);
    }
    // SAFETY: the program's own record, not null.
    let saved = unsafe { core::mem::replace(&mut (*result).functions, functions) };
    let answer = call(flags | libc::GLOB_ALTDIRFUNC);
    // SAFETY: as above; glob has come back.
    let result = unsafe { &mut *result };
    result.functions = saved;
    result.flags &= !libc::GLOB_ALTDIRFUNC;
    answer
}

unsafe extern "C" {
    // Our own hooks, by the names under which glob is to call them.
    fn lstat(path: *const c_char, buf: *mut libc::stat) -> c_int;
    fn lstat64(path: *const c_char, buf: *mut libc::stat64) -> c_int;
    fn stat(path: *const c_char, buf: *mut libc::stat) -> c_int;
    fn stat64(path: *const c_char, buf: *mut libc::stat64) -> c_int;
    #[cfg(target_pointer_width = "32")]
    fn __lstat64_time64(path: *const c_char, buf: *mut crate::types::StatTime64) -> c_int;
    #[cfg(target_pointer_width = "32")]
    fn __stat64_time64(path: *const c_char, buf: *mut crate::types::StatTime64) -> c_int;
    fn opendir(path: *const c_char) -> *mut DIR;
    fn closedir(stream: *mut DIR) -> c_int;
    fn readdir(stream: *mut DIR) -> *mut dirent;
    fn readdir64(stream: *mut DIR) -> *mut dirent64;
}

macro_rules! glob_hooks {
    ($($name:ident: $readdir:ident, $lstat:ident, $stat:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            pattern: *const c_char,
            flags: c_int,
            on_error: *mut c_void,
            result: *mut Glob,
        ) -> c_int {
            stack::align();
            let functions = GlobFunctions {
                closedir: closedir as *mut c_void,
                readdir: $readdir as *mut c_void,
                opendir: opendir as *mut c_void,
                lstat: $lstat as *mut c_void,
                stat: $stat as *mut c_void,
            };
            glob_with(pattern, flags, result, functions, |flags| {
                // SAFETY: the program's own arguments; on_error is a function or null, which
                // passes through as it is.
                unsafe { real::$name(pattern, flags, on_error, result) }
            })
        }
    )*};
}

glob_hooks! {
    glob: readdir, lstat, stat;
    glob64: readdir64, lstat64, stat64;
}

#[cfg(target_pointer_width = "32")]
glob_hooks! {
    __glob64_time64: readdir64, __lstat64_time64, __stat64_time64;
}
