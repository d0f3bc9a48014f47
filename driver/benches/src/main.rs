//! `vloopback-bench`: what `vloopback bench` is, as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    vloopback_benches::main(&["vloopback-bench"], std::env::args_os().skip(1))
}
