//! A program's ioctl: any number, any address, any memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vloopback_fuzz::ioctl_v4l1::check(data));
