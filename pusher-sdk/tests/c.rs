//! The C library as a C programmer gets it: installed, found by pkg-config, linked, run; and what it
//! exports. Without a C compiler these say SKIP.

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::c::{build, have, library, output, root};
use common::{Client, Host, difference};
use vloopback_sdk::Palette;

const HEADER: &str = include_str!("../include/vloopback.h");
const SYMBOLS: &str = include_str!("../vloopback.syms");

/// Frame `k` of the example: (k * 16 + 3 * y + i) mod 256 in each plane's line y.
fn stripes(k: usize) -> Vec<u8> {
    vloopback_sdk::plane_shapes(Palette::Yuv420P, 320, 240)
        .into_iter()
        .flat_map(|shape| (0..shape.lines).flat_map(move |y| (0..shape.line).map(move |i| (k, y, i))))
        .map(|(k, y, i)| (k * 16 + 3 * y + i) as u8)
        .collect()
}

/// The example, started; returns the node that it says to watch.
fn start(
    program: &Path,
    host: &Host,
    arguments: &[&str],
    preload: Option<&Path>,
) -> (Child, BufReader<ChildStdout>, String) {
    let mut command = Command::new(program);
    command.args(arguments).env("VLOOPBACK_SOCKET", host.socket());
    if let Some(library) = preload {
        command.env("LD_PRELOAD", library);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let output = line.strip_prefix("watch ").and_then(|rest| rest.split(',').next());
    let output = output.unwrap_or_else(|| panic!("it said {line:?}")).to_owned();
    (child, out, output)
}

/// Runs the example with a client that compares every byte.
fn watch(program: &Path, host: &Host, arguments: &[&str], preload: Option<&Path>) {
    let (mut child, mut out, output) = start(program, host, arguments, preload);
    let client = Client::watching(&output);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"\n").unwrap();
    let wanted = stripes(0).len();
    assert_eq!(wanted, 320 * 240 * 3 / 2);
    for k in 0..9 {
        client.wait();
        let frame = client.read(wanted + 1).unwrap();
        assert_eq!(difference(&frame, &stripes(k)), None, "frame {k}");
        // Another frame, or one byte changed, is not taken for it.
        assert!(difference(&frame, &stripes(k + 1)).is_some());
        let mut wrong = frame;
        wrong[wanted - 1] ^= 1;
        assert_eq!(difference(&wrong, &stripes(k)), Some(wanted - 1));
    }
    drop(stdin);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "9 frames published, 0 that nobody watched\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn programs_push() {
    if !(have("cc") && have("pkg-config")) {
        return;
    }
    let host = Host::new(2);
    let program = build(host.dir.path(), "cc", &["-std=c99", "-O1"], &root().join("examples/c/one_copy.c"));
    // The process of this test reads: it must know the server, as a pusher would.
    let first = format!("/dev/video{}", host.inputs()[0]);
    drop(vloopback_sdk::Pusher::open_at(&host.finder(), &first).unwrap());

    watch(&program, &host, &["9"], None);
    let second = format!("/dev/video{}", host.inputs()[1]);
    watch(&program, &host, &["9", &second], None);

    // The same under the preload library, where one was built beside this test.
    let preload = library().with_file_name("libvloopback_preload.so");
    if preload.exists() {
        watch(&program, &host, &["9"], Some(&preload));
    } else {
        eprintln!("SKIP: under the preload library: {} was not built", preload.display());
    }

    // Nobody watches.
    let (mut child, mut out, _) = start(&program, &host, &["3"], None);
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "0 frames published, 3 that nobody watched\n");
    assert!(child.wait().unwrap().success());

    // What it says when it cannot.
    let busy = vloopback_sdk::Pusher::open_at(&host.finder(), &first).unwrap();
    let refused = |arguments: &[&str], socket: PathBuf| {
        let out = Command::new(&program).args(arguments).env("VLOOPBACK_SOCKET", socket).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        String::from_utf8(out.stderr).unwrap()
    };
    let text = refused(&["1", &first], host.socket());
    assert!(text.contains(&first) && text.contains("another pusher"), "{text}");
    let text = refused(&["1"], host.dir.path().join("no-such-socket"));
    assert!(text.contains("no-such-socket") && text.contains("start vloopbackd"), "{text}");
    drop(busy);

    forks_take_turns(&host);
}

/// Two processes of one pusher, and a slot that is open in either.
fn forks_take_turns(host: &Host) {
    let program = build(host.dir.path(), "cc", &["-std=c99"], &root().join("tests/c/fork.c"));
    let (mut child, mut out, output) = start(&program, host, &[], None);
    let client = Client::watching(&output);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"\n").unwrap();
    for k in 1..=3 {
        client.wait();
        assert_eq!(difference(&client.read(1201).unwrap(), &[k; 1200]), None, "frame {k}");
    }
    drop(stdin);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "ok\n");
    assert!(child.wait().unwrap().success());
}

/// Every function with what it must refuse, checked by a C program.
#[test]
fn errnos_are_the_headers() {
    if !(have("cc") && have("pkg-config")) {
        return;
    }
    let host = Host::new(1);
    let program = build(host.dir.path(), "cc", &["-std=c99"], &root().join("tests/c/errnos.c"));
    let text = output(Command::new(program).env("VLOOPBACK_SOCKET", host.socket()));
    assert_eq!(text, "ok\n");
}

#[test]
fn the_header_is_cplusplus_too() {
    if !(have("c++") && have("pkg-config")) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("version.cc");
    std::fs::write(
        &source,
        "#include <vloopback.h>\n#include <cstdio>\nint main() { std::puts(vlb_version()); }\n",
    )
    .unwrap();
    let program = build(dir.path(), "c++", &[], &source);
    assert_eq!(output(&mut Command::new(program)).trim(), env!("CARGO_PKG_VERSION"));
}

fn listed() -> BTreeSet<&'static str> {
    SYMBOLS.lines().collect()
}

#[test]
fn the_library_exports_what_is_listed_and_nothing_else() {
    if !have("nm") {
        return;
    }
    let text = output(Command::new("nm").args(["-D", "--defined-only"]).arg(library()));
    let exports: BTreeSet<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(exports, listed());
}

#[test]
fn the_header_declares_what_is_listed() {
    let code: String = HEADER
        .split("/*")
        .enumerate()
        .map(|(k, piece)| if k == 0 { piece } else { piece.split_once("*/").unwrap().1 })
        .collect();
    let declared: BTreeSet<&str> = code
        .split('(')
        .filter_map(|before| before.rsplit(|c: char| !c.is_ascii_lowercase() && c != '_').next())
        .filter(|name| name.starts_with("vlb_"))
        .collect();
    assert_eq!(declared, listed());
    let mut sorted: Vec<&str> = SYMBOLS.lines().collect();
    sorted.sort_unstable();
    assert_eq!(sorted, SYMBOLS.lines().collect::<Vec<_>>(), "sorted, each once");
}

#[test]
fn the_headers_palettes_are_the_drivers() {
    let mut seen = 0;
    for line in HEADER.lines().filter_map(|line| line.trim().strip_prefix("VLB_PALETTE_")) {
        let (name, number) = line.trim_end_matches(',').split_once(" = ").unwrap();
        let palette = Palette::from_number(number.parse().unwrap()).unwrap();
        assert_eq!(name, palette.name());
        seen += 1;
    }
    assert_eq!(seen, Palette::ALL.len());
}

#[test]
fn the_soname_is_the_headers_version() {
    let version = HEADER.lines().find_map(|line| line.strip_prefix("#define VLB_SOVERSION ")).unwrap();
    let soname = format!("libvloopback.so.{version}\0");
    let bytes = std::fs::read(library()).unwrap();
    let found = bytes.windows(soname.len()).any(|window| window == soname.as_bytes());
    assert!(
        found,
        "no soname {soname:?} in {:?}",
        library().as_os_str().as_bytes().escape_ascii().to_string()
    );
    if have("readelf") {
        let text = output(Command::new("readelf").arg("-dW").arg(library()));
        assert!(text.contains(&format!("Library soname: [libvloopback.so.{version}]")), "{text}");
        assert!(text.contains("NODELETE"), "{text}");
    }
}
