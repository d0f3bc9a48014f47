//! Calls that change how the program handles signals: passed through, and noted.
//!
//! A zero-copy pusher gets SIGIO only when that would not end it (driver/docs/old-api.md, "Rules for pushers" 3):
//! after each of these calls the runtime checks whether that is so.

use crate::real;
use core::ffi::{c_int, c_void};
use libc::{sighandler_t, sigset_t};
use vloopback_runtime::edge;
use vloopback_runtime::stack;

macro_rules! handler_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(signal: c_int, handler: sighandler_t) -> sighandler_t {
            stack::align();
            // SAFETY: the program's own arguments.
            let old = unsafe { real::$name(signal, handler) };
            if signal == libc::SIGIO {
                edge::signals_changed();
            }
            old
        }
    )*};
}

handler_hooks! {
    signal;
    bsd_signal;
    ssignal;
    sysv_signal;
    __sysv_signal;
    sigset;
}

macro_rules! action_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(signal: c_int, new: *const c_void, old: *mut c_void) -> c_int {
            stack::align();
            // SAFETY: the program's own arguments.
            let result = unsafe { real::$name(signal, new, old) };
            if signal == libc::SIGIO && result == 0 && !new.is_null() {
                edge::signals_changed();
            }
            result
        }
    )*};
}

action_hooks! {
    sigaction;
    __sigaction;
}

macro_rules! mask_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(how: c_int, new: *const sigset_t, old: *mut sigset_t) -> c_int {
            stack::align();
            // SAFETY: the program's own arguments.
            let result = unsafe { real::$name(how, new, old) };
            if result == 0 && !new.is_null() {
                edge::signals_changed();
            }
            result
        }
    )*};
}

mask_hooks! {
    sigprocmask;
    pthread_sigmask;
}

macro_rules! number_hooks {
    ($($name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(number: c_int) -> c_int {
            stack::align();
            // SAFETY: the program's own argument: a signal, or a mask of signals.
            let result = unsafe { real::$name(number) };
            edge::signals_changed();
            result
        }
    )*};
}

// System V's and BSD's, which libc makes of the above inside itself.
number_hooks! {
    sigignore;
    sighold;
    sigblock;
    sigsetmask;
}
