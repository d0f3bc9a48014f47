//! `vloopbackd`: see the library of this package.

fn main() -> std::process::ExitCode {
    vloopback_cli::main_vloopbackd()
}
