//! What vloopback costs, measured beside what it is compared with; README.md says how to read it.

mod buffers;
mod device;
mod error;
mod roles;
mod rows;
mod shared;
mod stand;
mod stats;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::BenchError;
use rows::{Row, RowName, Scale};

/// Measures vloopback.
#[derive(Debug, Parser)]
#[command(name = "vloopback-bench", version, about)]
struct Args {
    /// A few seconds in all: whether every row runs, not what it costs
    #[arg(long)]
    smoke: bool,
    /// Measure these rows only
    #[arg(long = "row", value_name = "NAME", value_enum)]
    rows: Vec<RowName>,
    /// Write the JSON to a file instead of to standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when a bar is not met
    #[arg(long)]
    strict: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program is when it is started by itself: the ordinary processes that are measured.
#[derive(Clone, Debug, Subcommand)]
enum Role {
    /// Writes frames
    #[command(name = "role-pusher", hide = true)]
    Pusher(roles::RoleArgs),
    /// Takes frames
    #[command(name = "role-client", hide = true)]
    Client(roles::RoleArgs),
    /// Makes calls that are none of ours, and opens devices
    #[command(name = "role-server", hide = true)]
    Server(roles::RoleArgs),
    #[command(name = "role-caller", hide = true)]
    Caller(roles::RoleArgs),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.role {
        Some(Role::Pusher(role)) => roles::pusher::run(role).map(|()| true),
        Some(Role::Client(role)) => roles::client::run(role).map(|()| true),
        Some(Role::Server(role)) => roles::server::run(role).map(|()| true),
        Some(Role::Caller(role)) => roles::caller::run(role).map(|()| true),
        None => measure(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vloopback-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints; false when a row failed, or a bar under `--strict`.
fn measure(args: &Args) -> Result<bool, BenchError> {
    let scale = if args.smoke { Scale::Smoke } else { Scale::Full };
    let names = if args.rows.is_empty() { RowName::ALL.to_vec() } else { args.rows.clone() };
    let mut rows: Vec<Row> = Vec::new();
    let mut whole = true;
    for name in names {
        eprintln!("measuring {}", name.as_str());
        match rows::measure(name, scale) {
            Ok(row) => rows.push(row),
            Err(error) => {
                eprintln!("vloopback-bench: row {}: {error}", name.as_str());
                whole = false;
            }
        }
    }
    print!("{}", rows::Table(&rows));
    let json = serde_json::json!({
        "scale": scale,
        "processors": stand::processors()?,
        "rows": rows,
    });
    match &args.json {
        Some(path) => std::fs::write(path, format!("{json}\n"))
            .map_err(|source| BenchError::system(format!("writing {}", path.display()), source))?,
        None => println!("{json}"),
    }
    Ok(whole && (!args.strict || rows.iter().all(|row| row.met)))
}
