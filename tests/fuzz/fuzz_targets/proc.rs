//! The text views of /proc and /sys.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vloopback_fuzz::proc::check(data));
