//! dprintf and vdprintf: formatted text for a descriptor. glibc makes an internal stream for it, which no hook sees.
//! For a device the text is made in memory and written as by write().

use crate::io::ours;
use crate::real;
use crate::stream;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;
use vloopback_runtime::stack;

unsafe extern "C" {
    fn vasprintf(text: *mut *mut c_char, format: *const c_char, args: *mut c_void) -> c_int;
    fn __vasprintf_chk(
        text: *mut *mut c_char,
        flag: c_int,
        format: *const c_char,
        args: *mut c_void,
    ) -> c_int;
}

/// Writes what `make` makes: malloc's memory, and its length.
fn print(fd: c_int, make: impl FnOnce(*mut *mut c_char) -> c_int) -> c_int {
    let mut text = null_mut();
    let len = make(&raw mut text);
    let Ok(count) = usize::try_from(len) else { return len };
    let done = stream::write_all(fd, text, count);
    let errno = crate::errno::get();
    // SAFETY: malloc's, and nobody else has it.
    unsafe { libc::free(text.cast()) };
    crate::errno::set(errno);
    if done == count { len } else { -1 }
}

// A va_list comes as an address on every machine of ours: it is an array (x86-64), an address (i386), or a structure
// that is too large for registers (arm64).

#[unsafe(no_mangle)]
unsafe extern "C" fn vdprintf(fd: c_int, format: *const c_char, args: *mut c_void) -> c_int {
    stack::align();
    if ours(fd) {
        // SAFETY: the program's own arguments.
        return print(fd, |text| unsafe { vasprintf(text, format, args) });
    }
    // SAFETY: the program's own arguments.
    unsafe { real::vdprintf(fd, format, args) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __vdprintf_chk(
    fd: c_int,
    flag: c_int,
    format: *const c_char,
    args: *mut c_void,
) -> c_int {
    stack::align();
    if ours(fd) {
        // SAFETY: the program's own arguments.
        return print(fd, |text| unsafe { __vasprintf_chk(text, flag, format, args) });
    }
    // SAFETY: the program's own arguments.
    unsafe { real::__vdprintf_chk(fd, flag, format, args) }
}

/// A function with `...` that makes a va_list of what follows its named arguments, as the machine's ABI has it, and
/// calls another with that.
#[cfg(target_arch = "x86_64")]
macro_rules! with_list {
    ($name:ident => $to:ident, $named:literal, $list:literal) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() -> ! {
            // SAFETY: no local, no call: the compiler adds nothing before this, as with `syscall`. The frame has the
            // va_list (24 bytes) and behind it the registers in which arguments may have come (176 bytes).
            unsafe {
                core::arch::asm!(
                    "push rbp",
                    "mov rbp, rsp",
                    "sub rsp, 208",
                    "mov [rsp + 32], rdi",
                    "mov [rsp + 40], rsi",
                    "mov [rsp + 48], rdx",
                    "mov [rsp + 56], rcx",
                    "mov [rsp + 64], r8",
                    "mov [rsp + 72], r9",
                    "test al, al",
                    "je 2f",
                    "movaps [rsp + 80], xmm0",
                    "movaps [rsp + 96], xmm1",
                    "movaps [rsp + 112], xmm2",
                    "movaps [rsp + 128], xmm3",
                    "movaps [rsp + 144], xmm4",
                    "movaps [rsp + 160], xmm5",
                    "movaps [rsp + 176], xmm6",
                    "movaps [rsp + 192], xmm7",
                    "2:",
                    "mov dword ptr [rsp], 8 * {named}",
                    "mov dword ptr [rsp + 4], 48",
                    "lea rax, [rbp + 16]",
                    "mov [rsp + 8], rax",
                    "lea rax, [rsp + 32]",
                    "mov [rsp + 16], rax",
                    concat!("mov ", $list, ", rsp"),
                    "call {to}",
                    "leave",
                    "ret",
                    named = const $named,
                    to = sym $to,
                    options(noreturn, nostack),
                )
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
with_list!(dprintf => vdprintf, 2, "rdx");
#[cfg(target_arch = "x86_64")]
with_list!(__dprintf_chk => __vdprintf_chk, 3, "rcx");

/// The same. All arguments lie on the stack, one behind the other, and a va_list is the address of the first that has
/// no name. The stack is aligned, as by [`stack::align`].
#[cfg(target_arch = "x86")]
macro_rules! with_list {
    ($name:ident => $to:ident, $($copy:literal)*; $named:literal) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() -> ! {
            // SAFETY: as above.
            unsafe {
                core::arch::asm!(
                    "push ebp",
                    "mov ebp, esp",
                    "and esp, -32",
                    "sub esp, 32",
                    $(
                        concat!("mov eax, [ebp + 8 + ", $copy, "]"),
                        concat!("mov [esp + ", $copy, "], eax"),
                    )*
                    "lea eax, [ebp + 8 + 4 * {named}]",
                    "mov [esp + 4 * {named}], eax",
                    "call {to}",
                    "leave",
                    "ret",
                    named = const $named,
                    to = sym $to,
                    options(noreturn, nostack),
                )
            }
        }
    };
}

#[cfg(target_arch = "x86")]
with_list!(dprintf => vdprintf, "0" "4"; 2);
#[cfg(target_arch = "x86")]
with_list!(__dprintf_chk => __vdprintf_chk, "0" "4" "8"; 3);
