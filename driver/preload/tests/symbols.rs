//! The exported names are the C library's, and those of the library's own page, no others.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

mod common;

/// The names between backticks in the second column of the "Hooked" table.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../src/lib.rs");
    let table = page
        .split("# Hooked")
        .nth(1)
        .and_then(|rest| rest.split("# Not hooked").next())
        .expect("the page has a table of hooked calls");
    let mut names = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("//! | `")) {
        let calls = row.split('|').nth(2).expect("a row has two columns");
        // Names between backticks are every second piece.
        names.extend(calls.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    if cfg!(target_pointer_width = "64") {
        let narrow = ["__ppoll64", "__select64", "__pselect64"];
        names.retain(|name| !name.ends_with("_time64") && !narrow.contains(&name.as_str()));
    }
    names
}

fn exported(library: PathBuf) -> Option<BTreeSet<String>> {
    let output = match Command::new("nm").args(["-D", "--defined-only"]).arg(library).output() {
        Ok(output) => output,
        Err(_) => {
            println!("SKIP: nm (apt package binutils) is not installed");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("symbol names are ASCII");
    Some(text.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect())
}

/// What the page lists is what the library exports.
#[test]
fn exports_are_what_the_page_lists() {
    let Some(exported) = exported(common::library()) else {
        return;
    };
    let documented = documented();
    let undocumented: Vec<_> = exported.difference(&documented).collect();
    let missing: Vec<_> = documented.difference(&exported).collect();
    assert!(undocumented.is_empty(), "exported, not in the page: {undocumented:?}");
    assert!(missing.is_empty(), "in the page, not exported: {missing:?}");
}

/// driver/docs/clients.md, "Hooked names": every name that programs call is in the page, `syscall` excepted.
#[test]
fn every_call_that_clients_need_is_listed() {
    let documented = documented();
    for name in include_str!("clients-symbols.txt").split_whitespace() {
        assert!(documented.contains(name), "{name}");
    }
}
