//! Bytes of a process to the daemon, and of the daemon to a process.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vloopback_fuzz::wire::check(data));
