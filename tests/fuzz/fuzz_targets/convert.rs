//! A frame of one format and size as another.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vloopback_fuzz::convert::check(data));
