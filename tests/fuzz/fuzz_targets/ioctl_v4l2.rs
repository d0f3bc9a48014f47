//! A program's V4L2 ioctl: any number, any address, any memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vloopback_fuzz::ioctl_v4l2::check(data));
