//! `syscall`: libv4l2, and with it VLC, xawtv, guvcview and others, opens and uses devices by it.
//!
//! Most of its calls are not for a device, and some come from processes in which little is allowed: a browser's
//! zygote, a child of a raw clone. So the exported function is a filter of a few instructions without a stack
//! frame or thread-local storage. It jumps on with all registers unchanged: to the C library's function, or, for
//! the numbers that are served, to the hooks of the calls with the same names. (A wrapper in C
//! killed a sandboxed Chromium at its start; see driver/docs/clients.md, "The syscall symbol".)

use core::arch::asm;
use core::ffi::{c_char, c_int, c_long, c_uint, c_void};

use crate::{closing, device, fds, host, io, open, real};
use vloopback_runtime::edge;
use vloopback_runtime::stack;

/// The numbers below 64 that we serve, a bit each.
#[cfg(target_arch = "x86_64")]
const SERVED: u64 = bits(&[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_open,
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_ioctl,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_dup,
    libc::SYS_dup2,
    libc::SYS_uname,
]);

/// The same of i386, which has mmap and its kin higher up.
#[cfg(target_arch = "x86")]
const SERVED: u64 = bits(&[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_open,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_ioctl,
    libc::SYS_fcntl,
    libc::SYS_dup2,
]);

const fn bits(numbers: &[c_long]) -> u64 {
    let (mut all, mut k) = (0, 0);
    while k < numbers.len() {
        assert!(numbers[k] >= 0 && numbers[k] < 64);
        all |= 1 << numbers[k];
        k += 1;
    }
    all
}

/// The filter. The seventh argument of C's `syscall` lies on the stack, where whoever is jumped to finds
/// it, because nothing was pushed.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall() -> ! {
    // SAFETY: no local, no call: the compiler adds nothing before this (a test looks). rax and r11 are the
    // caller's to lose. Both targets have the C prototype.
    unsafe {
        asm!(
            "cmp rdi, 63",
            "ja 2f",
            "mov rax, {served}",
            "bt rax, rdi",
            "jc 3f",
            "jmp 4f",
            "2:",
            "cmp rdi, {fcntl}",
            "je 3f",
            "cmp rdi, {openat}",
            "je 3f",
            "cmp rdi, {dup3}",
            "je 3f",
            "cmp rdi, {close_range}",
            "je 3f",
            "4:",
            "mov r11, [rip + {real}]",
            "test r11, r11",
            "jz 3f",
            "jmp r11",
            "3:",
            "jmp {ours}",
            served = const SERVED,
            fcntl = const libc::SYS_fcntl,
            openat = const libc::SYS_openat,
            dup3 = const libc::SYS_dup3,
            close_range = const libc::SYS_close_range,
            real = sym real::SYSCALL,
            ours = sym ours,
            options(noreturn, nostack),
        )
    }
}

/// The filter. All arguments lie on the stack, where whoever is jumped to finds them: the one word that is
/// pushed, to learn where we are, is gone by then.
#[cfg(target_arch = "x86")]
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall() -> ! {
    // SAFETY: as above; eax and ecx are the caller's to lose. `nostack` keeps the compiler from aligning the
    // stack, which would move the arguments; that a word is pushed for a moment harms nothing, because below
    // the stack pointer nothing is anybody's on i386.
    unsafe {
        asm!(
            "movl 4(%esp), %eax",
            "movl ${low}, %ecx",
            "cmpl $32, %eax",
            "jb 2f",
            "movl ${high}, %ecx",
            "cmpl $64, %eax",
            "jb 2f",
            "cmpl ${mmap}, %eax",
            "je 3f",
            "cmpl ${munmap}, %eax",
            "je 3f",
            "cmpl ${uname}, %eax",
            "je 3f",
            "cmpl ${readv}, %eax",
            "je 3f",
            "cmpl ${writev}, %eax",
            "je 3f",
            "cmpl ${mmap2}, %eax",
            "je 3f",
            "cmpl ${fcntl64}, %eax",
            "je 3f",
            "cmpl ${openat}, %eax",
            "je 3f",
            "cmpl ${dup3}, %eax",
            "je 3f",
            "cmpl ${close_range}, %eax",
            "je 3f",
            "jmp 4f",
            // By the number's lower five bits.
            "2:",
            "btl %eax, %ecx",
            "jc 3f",
            "4:",
            "call 5f",
            "5:",
            "popl %ecx",
            "movl {real} - 5b(%ecx), %ecx",
            "testl %ecx, %ecx",
            "jz 3f",
            "jmp *%ecx",
            "3:",
            "jmp {ours}",
            low = const SERVED as u32,
            high = const (SERVED >> 32) as u32,
            mmap = const libc::SYS_mmap,
            munmap = const libc::SYS_munmap,
            uname = const libc::SYS_uname,
            readv = const libc::SYS_readv,
            writev = const libc::SYS_writev,
            mmap2 = const libc::SYS_mmap2,
            fcntl64 = const libc::SYS_fcntl64,
            openat = const libc::SYS_openat,
            dup3 = const libc::SYS_dup3,
            close_range = const libc::SYS_close_range,
            real = sym real::SYSCALL,
            ours = sym ours,
            options(noreturn, nostack, att_syntax),
        )
    }
}

/// The hooks by number. They answer as `syscall` does: -1 and errno.
///
/// What is not ours goes on to the C library's `syscall`, and nothing is called by an exported name: the next
/// to define `close` may be a library like v4l1compat.so, beside ours in LD_PRELOAD, whose `close` is what
/// brought us here.
unsafe extern "C" fn ours(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    stack::align();
    let (fd, second) = (a as c_int, b as c_int);
    // SAFETY: the program's own arguments.
    let system = || unsafe { real::syscall(number, a, b, c, d, e, f) };
    let answer = || system() as c_int;
    let address = || system() as *mut c_void;
    let open_in = |dirfd, path, flags, mode: usize| {
        open::open_at(dirfd, path, flags, |dirfd: c_int, path: *const c_char, flags: c_int| {
            let number = libc::SYS_openat;
            // SAFETY: as above, the path perhaps replaced by another.
            unsafe {
                real::syscall(number, dirfd as usize, path as usize, flags as usize, mode, 0, 0) as c_int
            }
        })
    };
    match number {
        libc::SYS_read if io::ours(fd) => io::read_ours(fd, b as *mut _, c) as c_long,
        libc::SYS_write if io::ours(fd) => io::write_ours(fd, b as *const _, c) as c_long,
        libc::SYS_readv if io::ours(fd) => io::readv_ours(fd, b as *const _, c as c_int) as c_long,
        libc::SYS_writev if io::ours(fd) => io::writev_ours(fd, b as *const _, c as c_int) as c_long,
        libc::SYS_open => open_in(libc::AT_FDCWD, a as *const c_char, second, c).into(),
        libc::SYS_openat => open_in(fd, b as *const c_char, c as c_int, d).into(),
        libc::SYS_close => closing::closing(fd, answer).into(),
        libc::SYS_close_range => fds::close_some(a as c_uint, b as c_uint, c as c_int, |first, last| {
            // SAFETY: a part of the range that the program gave.
            unsafe { real::syscall(number, first as usize, last as usize, c, 0, 0, 0) as c_int }
        })
        .into(),
        libc::SYS_dup => fds::dup_by(fd, answer).into(),
        libc::SYS_dup2 | libc::SYS_dup3 => fds::dup_onto(fd, second, answer).into(),
        libc::SYS_fcntl => fds::control(fd, second, answer).into(),
        libc::SYS_ioctl => device::control(fd, b, c, answer).into(),
        #[cfg(target_arch = "x86")]
        libc::SYS_fcntl64 => fds::control(fd, second, answer).into(),
        #[cfg(target_arch = "x86")]
        libc::SYS_mmap2 => {
            // In pages of 4096 bytes, whatever the machine's are.
            let offset = i64::from(f as u32) * 4096;
            let what = (a as *mut _, b, c as c_int, d as c_int);
            device::map(what, e as c_int, offset, address) as c_long
        }
        // The old call: its arguments lie in memory, and its offset is in bytes.
        #[cfg(target_arch = "x86")]
        libc::SYS_mmap => match edge::words(a) {
            Some([addr, len, prot, flags, fd, offset]) => {
                let what = (addr as *mut _, len, prot as c_int, flags as c_int);
                device::map(what, fd as c_int, i64::from(offset as u32), address) as c_long
            }
            None => crate::errno::fail(libc::EFAULT),
        },
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mmap => {
            let what = (a as *mut _, b, c as c_int, d as c_int);
            device::map(what, e as c_int, f as i64, address) as c_long
        }
        libc::SYS_munmap => {
            edge::before_munmap(a as *mut _, b);
            system()
        }
        libc::SYS_uname => host::names_by(a as *mut _, answer).into(),
        _ => system(),
    }
}
