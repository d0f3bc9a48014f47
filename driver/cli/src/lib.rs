//! The command line of vloopback: what `vloopback` and `vloopbackd` do. The binaries themselves
//! only call [`main_vloopback`] and [`main_vloopbackd`].

pub mod args;
pub mod caps;
pub mod ctl;
pub mod demo;
pub mod env;
pub mod exit_codes;
pub mod failure;
pub mod image_file;
pub mod list;
pub mod media;
pub mod modprobe;
pub mod pipes;
pub mod preload;
pub mod private_dir;
pub mod progress;
pub mod push;
pub mod quoting;
pub mod run;
pub mod serve;
pub mod sheet;
pub mod snapshot;
pub mod timeout_image;
pub mod values;
pub mod variables;
pub mod watch;

use std::process::ExitCode as ProcessExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Command, Vloopback, Vloopbackd};
use exit_codes::ExitCode;
use failure::Failure;

/// The environment variable that says how much the server tells on standard error: error, warn
/// (the default), info, debug, trace, or a filter by module.
pub const LOG: &str = "VLOOPBACK_LOG";

fn start_logging() {
    let filter = EnvFilter::try_from_env(LOG).unwrap_or_else(|_| EnvFilter::new("warn"));
    // It fails only where somebody has set one up already, which is as good.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// Ends a program: a failure is told on standard error.
fn finish(program: &str, result: Result<ExitCode, Failure>) -> ProcessExitCode {
    let code = result.unwrap_or_else(|failure| {
        eprintln!("{program}: {failure}");
        failure.exit_code()
    });
    code.into()
}

/// `vloopback`; by the name `vloopback-ctl` or `v4l2loopback-ctl` what that program is.
pub fn main_vloopback() -> ProcessExitCode {
    let program = std::env::args_os().next().unwrap_or_default();
    if ctl::is_called(&program) {
        // 0 or 1, as v4l2loopback-ctl's.
        return match ctl::run(std::env::args_os()) {
            Ok(ExitCode::Success) => ProcessExitCode::SUCCESS,
            Ok(_) => ProcessExitCode::FAILURE,
            Err(failure) => {
                eprintln!("vloopback-ctl: {failure}");
                ProcessExitCode::FAILURE
            }
        };
    }
    let command = Vloopback::parse().command;
    let result = match &command {
        Command::Demo(args) => demo::demo(args),
        Command::Run(args) => run::run(args),
        Command::Env(args) => env::env(args),
        Command::List(args) if args.ctl => ctl::list_as_ctl(&args.socket, args.escape),
        Command::List(args) => list::list(args),
        Command::Push(args) => push::push(args),
        Command::Snapshot(args) => snapshot::snapshot(args),
        Command::SetTimeoutImage(args) => timeout_image::set(args),
        Command::Watch(args) => watch::watch(args),
        Command::Add(args) => ctl::add(args, false),
        Command::Delete(args) => ctl::delete(args),
        Command::Query(args) => ctl::query(args),
        Command::SetFps(args) => ctl::set_fps(args),
        Command::GetFps(args) => ctl::get_fps(args),
        Command::SetCaps(args) => ctl::set_caps(args),
        Command::GetCaps(args) => ctl::get_caps(args),
        Command::Bench { arguments } => {
            return vloopback_benches::main(&["vloopback", "bench"], arguments.iter().cloned());
        }
        Command::ServeForRun(args) => {
            start_logging();
            Ok(serve::serve_for_run(args))
        }
        Command::DemoPusher(args) => Ok(demo::pusher(args)),
        Command::DemoClient(args) => Ok(demo::client(args)),
    };
    finish("vloopback", result)
}

/// `vloopbackd`.
pub fn main_vloopbackd() -> ProcessExitCode {
    let args = Vloopbackd::parse();
    start_logging();
    finish("vloopbackd", serve::vloopbackd(&args.server))
}
