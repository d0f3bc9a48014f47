//! `vloopbackd`, `list` and `env`, end to end.

mod common;

use common::{Place, outcome, server};
use nix::sys::signal::Signal;

#[test]
fn it_says_ready_and_goes_cleanly() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        let mut running = server(&place, &[]);
        running.signal(signal);
        assert_eq!(running.child.wait().unwrap().code(), Some(0));
        assert!(!place.socket().exists());
    }
}

#[test]
fn a_second_one_is_refused_by_name() {
    let place = Place::new();
    let _first = server(&place, &[]);
    let (code, _, stderr) = outcome(&mut place.vloopbackd::<&str>(&[]));
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&place.socket().display().to_string()), "{stderr}");
    assert!(stderr.contains("already listens"), "{stderr}");
}

#[test]
fn options_out_of_range_are_usage_errors() {
    let place = Place::new();
    for arguments in
        [["--pipes", "0"], ["--num-buffers", "1"], ["--profile", "x"], ["--config", "/nonexistent"]]
    {
        let (code, _, stderr) = outcome(&mut place.vloopbackd(&arguments));
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(stderr.starts_with("vloopbackd: "), "{stderr}");
    }
}

#[test]
fn a_config_file_is_read() {
    let place = Place::new();
    std::fs::write(place.path("v.toml"), "pipes = 3\n").unwrap();
    let _server = server(&place, &["--config", "v.toml"]);
    let (code, stdout, _) = outcome(&mut place.vloopback(&["list", "--json"]));
    assert_eq!(code, Some(0));
    let pipes = vloopback_cli::list::parse(&stdout).unwrap();
    assert_eq!(pipes.len(), 3);
}

#[test]
fn list_as_table_and_json() {
    let place = Place::new();
    let (code, stdout, stderr) = outcome(&mut place.vloopback(&["list"]));
    assert_eq!((code, stdout.as_str()), (Some(3), ""));
    assert!(stderr.contains("vloopbackd"), "{stderr}");

    let _server = server(&place, &["--pipes", "2"]);
    let (code, stdout, stderr) = outcome(&mut place.vloopback(&["list"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    // Two pipes, what the columns are, and which node is a camera.
    assert_eq!(stdout.lines().count(), 4, "{stdout}");
    let (_, json, _) = outcome(&mut place.vloopback(&["list", "--json"]));
    let pipes = vloopback_cli::list::parse(&json).unwrap();
    assert_eq!(pipes.iter().map(|pipe| pipe.index).collect::<Vec<_>>(), [0, 1]);
    assert!(!pipes[0].claimed && pipes[0].input.starts_with("/dev/video"));
}

#[test]
fn env_lines_give_a_shell_the_pipes() {
    let place = Place::new();
    let (code, stdout, stderr) = outcome(&mut place.vloopback(&["env"]));
    assert_eq!(code, Some(0));
    assert!(stdout.lines().all(|line| line.starts_with("export ")), "{stdout}");
    assert!(stderr.contains("no server"), "{stderr}");

    let _server = server(&place, &["--pipes", "2"]);
    let script = format!(
        "eval \"$({} env --uname 2.4)\"; uname -r; cat /proc/video/vloopback/vloopbacks",
        env!("CARGO_BIN_EXE_vloopback")
    );
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).env("XDG_RUNTIME_DIR", place.path("runtime"));
    let (code, stdout, stderr) = outcome(&mut command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], "2.4.37");
    assert_eq!(lines.len(), 1 + 2 + 2, "{stdout}");
    assert!(lines[3].starts_with("0\tvideo"), "{stdout}");
}

#[test]
fn what_exists_is_offered_and_nothing_else() {
    let place = Place::new();
    let (code, stdout, _) = outcome(&mut place.vloopback(&["--version"]));
    assert_eq!((code, stdout), (Some(0), format!("vloopback {}\n", vloopback_daemon::build())));
    let (code, stdout, _) = outcome(&mut place.vloopback(&["--help"]));
    assert_eq!(code, Some(0));
    let offered: Vec<&str> = stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("    "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        offered,
        [
            "demo",
            "run",
            "env",
            "list",
            "push",
            "snapshot",
            "set-timeout-image",
            "watch",
            "add",
            "delete",
            "query",
            "set-fps",
            "get-fps",
            "set-caps",
            "get-caps",
            "bench",
        ]
    );
    let (code, _, _) = outcome(&mut place.vloopback(&["nonesuch"]));
    assert_eq!(code, Some(2));
    let (code, _, _) = outcome(&mut place.vloopback::<&str>(&[]));
    assert_eq!(code, Some(2));
}
