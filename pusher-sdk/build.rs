//! Gives the C library its soname.
//!
//! The number in it is that of the C interface, `VLB_SOVERSION` of `include/vloopback.h`: it is
//! raised by every change that a program built before it would notice (a function that goes or
//! changes, a struct that changes other than by `vlb_counters`' rule), and by no other.

fn main() {
    const HEADER: &str = "include/vloopback.h";
    println!("cargo::rerun-if-changed={HEADER}");
    let header = std::fs::read_to_string(HEADER).expect("include/vloopback.h can be read");
    let version = header
        .lines()
        .find_map(|line| line.strip_prefix("#define VLB_SOVERSION "))
        .expect("include/vloopback.h defines VLB_SOVERSION");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libvloopback.so.{}", version.trim());
    // Mappings and a fork handler outlive the last pusher: dlclose must not take the code away.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
