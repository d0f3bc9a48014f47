//! A format that a program asks for.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vloopback_fuzz::pixel::check(data));
