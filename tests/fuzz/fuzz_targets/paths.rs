//! A program's path.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vloopback_fuzz::paths::check(data));
