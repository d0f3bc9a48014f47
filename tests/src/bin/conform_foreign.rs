//! `conform_foreign SOCKET PROGRAM ARGUMENT…`: runs the program, which has nothing of ours in it, and serves its
//! system calls from this process (`vloopback_tests::foreign`).

use std::path::Path;
use std::process::{Command, exit};

use vloopback_runtime::native::use_server;
use vloopback_tests::foreign::supervise;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let socket = arguments.next().expect("the server's socket");
    let program = arguments.next().expect("a program");
    use_server(Path::new(&socket)).expect("this process has no other server");
    let mut command = Command::new(&program);
    command.args(arguments);
    match supervise(&mut command) {
        Ok(status) => exit(status),
        Err(error) => {
            eprintln!("{}: {error}", program.to_string_lossy());
            exit(1)
        }
    }
}
